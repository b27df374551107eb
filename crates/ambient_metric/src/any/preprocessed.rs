//! An optimiser with something done to its gradients before it has them.

use std::collections::BTreeMap;

use crate::any::optimiser::AnyOptimiser;
use crate::error::Error;
use crate::number::scalar::Element;
use crate::optimiser::checkpoint::Checkpoint;
use crate::optimiser::configuration::{Configuration, Rates};
use crate::optimiser::report::Report;
use crate::rule::preprocess::{Preprocess, copy};
use crate::space::numbers::Numbers;
use crate::space::record::{entry_error, require_len};
use crate::space::selection::{Absent, Selection, Separable, placed};
use crate::space::tensor::{Covector, Tensor, find_non_finite};

/// Any optimiser, on any engine, that sees gradients as a [`Preprocess`] leaves them.
///
/// # Mathematics
///
/// A step of the optimiser from l′ and L′: what becomes of the gradient, and the mean of the losses since its last step. Where a gradient is not due, as those
/// before the last of [`Accumulate`](crate::rule::Accumulate), parameters stay as they are, and [`steps`](AnyOptimiser::steps) does not count it.
///
/// # Requirements
///
/// A copy of every gradient is made. Reports are those of what the optimiser saw, its gradient norm too. Several stand within each other, the outer one first, or in
/// a `Vec` in their order. Where something is kept for the next gradient, every parameter has one in every step. Learning rates that follow a
/// schedule count the optimiser's own steps.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric::any::{AnyOptimiser, Preprocessed};
/// use ambient_metric::rule::Centralised;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![[1.0_f64, 3.0]]);
/// let optimiser = Configuration::new(rules::sgd(0.0), 1.0).build(&theta)?;
/// let mut optimiser = Preprocessed::new(Centralised, optimiser, &theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![[0.0, 4.0]])), 1.0)?;
/// // The sum of a row stays what it is.
/// assert_eq!(theta, Parameters::from(array![[3.0, 1.0]]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Those of the optimiser, where the loss is the mean of those that waited, and those of the preprocess; [`Error::NonFiniteLoss`] for one that is to wait. A failed step
/// leaves parameters, optimiser and what is kept as they were; [`discard`](AnyOptimiser::discard) forgets what waits.
#[derive(Debug)]
pub struct Preprocessed<G, O, T> {
    preprocess: G,
    optimiser: O,
    /// What is kept, of every loss.
    kept: Vec<Vec<T>>,
    /// The gradient of every loss while it is worked on; kept so that a step allocates nothing.
    seen: Vec<Covector<T>>,
    /// How many gradients there have been.
    gradients: u64,
    /// How many of them since the last step, and the sum of their losses.
    waiting: u64,
    losses: Vec<f64>,
}

impl<T, G, O> Preprocessed<G, O, T>
where
    T: Tensor<Element: Element<Wide = f64>>,
    G: Preprocess<T>,
    O: AnyOptimiser<T>,
{
    /// This optimiser, of parameters like these, behind a preprocess.
    ///
    /// # Errors
    ///
    /// Where the preprocess refuses its constants, and where there is no memory for what it keeps.
    pub fn new(preprocess: G, optimiser: O, parameters: &T) -> Result<Self, Error> {
        preprocess.validate()?;
        let losses = optimiser.losses();
        let kept = (0..losses).map(|_| preprocess.begin(parameters)).collect::<Result<_, Error>>()?;
        Ok(Self { preprocess, optimiser, kept, seen: Vec::new(), gradients: 0, waiting: 0, losses: vec![0.0; losses] })
    }

    /// The optimiser within.
    pub fn optimiser(&self) -> &O {
        &self.optimiser
    }

    /// A step, or a gradient kept for one; `does` takes the step of the optimiser from gradients and losses.
    fn take(
        &mut self,
        gradients: &[&Covector<T>],
        losses: &[f64],
        does: impl FnOnce(&mut O, &[&Covector<T>], &[f64]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let expected = self.optimiser.losses();
        for found in [gradients.len(), losses.len()] {
            if found != expected {
                return Err(Error::Losses { expected, found });
            }
        }
        gradients.iter().try_for_each(|gradient| find_non_finite(&gradient.0))?;
        let is_due = self.preprocess.due(self.gradients).is_some();
        if let Some(&loss) = losses.iter().find(|loss| !loss.is_finite() && !is_due) {
            return Err(Error::NonFiniteLoss { loss });
        }
        let sums: Vec<f64> = self.losses.iter().zip(losses).map(|(sum, loss)| sum + loss).collect();
        let waiting = self.waiting + 1;
        if is_due {
            self.process(gradients)?;
            let seen: Vec<&Covector<T>> = self.seen.iter().collect();
            let means: Vec<f64> = match waiting {
                1 => losses.to_vec(),
                waiting => sums.iter().map(|sum| sum / waiting as f64).collect(),
            };
            does(&mut self.optimiser, &seen, &means)?;
        }
        for (kept, gradient) in self.kept.iter_mut().zip(gradients) {
            self.preprocess.keep(self.gradients, kept, gradient)?;
        }
        (self.waiting, self.losses) = if is_due { (0, vec![0.0; losses.len()]) } else { (waiting, sums) };
        self.gradients += 1;
        Ok(())
    }

    /// Whether so many gradients can be waiting after so many in all.
    fn fits(&self, gradients: u64, waiting: u64) -> bool {
        let is_due = |number: u64| self.preprocess.due(number).is_some();
        let Some(first) = gradients.checked_sub(waiting) else { return false };
        (first == 0 || is_due(first - 1)) && !(first..gradients).any(is_due)
    }

    /// The gradients as the optimiser is to see them.
    fn process(&mut self, gradients: &[&Covector<T>]) -> Result<(), Error> {
        let fits =
            |seen: &Covector<T>| gradients.iter().all(|gradient| seen.0.layout().check(gradient.0.layout()).is_ok());
        if self.seen.len() == gradients.len() && self.seen.iter().all(fits) {
            for (seen, gradient) in self.seen.iter_mut().zip(gradients) {
                copy(&mut seen.0, &gradient.0)?;
            }
        } else {
            let copies = gradients.iter().map(|gradient| Ok(Covector(gradient.0.duplicate()?)));
            self.seen = copies.collect::<Result<_, Error>>()?;
        }
        for (seen, kept) in self.seen.iter_mut().zip(&self.kept) {
            self.preprocess.process(self.gradients, kept, seen)?;
        }
        Ok(())
    }

    /// The name of what is kept of a loss, in a checkpoint that has `depth` others like this one within.
    fn slots(&self, depth: usize) -> Vec<(usize, usize, String)> {
        let slots = self.preprocess.slots();
        let of = |loss: usize| {
            slots.iter().enumerate().map(move |(slot, name)| (loss, slot, format!("preprocess.{depth}.{loss}.{name}")))
        };
        (0..self.kept.len()).flat_map(of).collect()
    }

    /// The numbers that are kept, by name.
    fn numbers(&self) -> BTreeMap<String, f64> {
        let mut numbers = BTreeMap::from([
            ("preprocess.gradients".to_owned(), self.gradients as f64),
            ("preprocess.waiting".to_owned(), self.waiting as f64),
        ]);
        numbers.extend(self.losses.iter().enumerate().map(|(loss, sum)| (format!("preprocess.loss.{loss}"), *sum)));
        numbers
    }
}

/// How many preprocesses a checkpoint has.
fn depth(checkpoint: &Checkpoint<()>) -> usize {
    checkpoint.memory.iter().filter(|memory| memory.contains_key("preprocess.gradients")).count()
}

impl<T, G, O> AnyOptimiser<T> for Preprocessed<G, O, T>
where
    T: Tensor<Element: Element<Wide = f64>> + Send,
    G: Preprocess<T> + Send,
    O: AnyOptimiser<T>,
{
    fn configuration(&self) -> Configuration<()> {
        self.optimiser.configuration()
    }

    fn losses(&self) -> usize {
        self.optimiser.losses()
    }

    fn step_losses(&mut self, parameters: &mut T, gradients: &[&Covector<T>], losses: &[f64]) -> Result<(), Error> {
        gradients.iter().try_for_each(|gradient| parameters.layout().check(gradient.0.layout()))?;
        self.take(gradients, losses, |optimiser, gradients, losses| {
            optimiser.step_losses(parameters, gradients, losses)
        })
    }

    fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[f64],
        absent: Absent,
    ) -> Result<(), Error>
    where
        T: Separable,
    {
        if absent.is_empty() {
            return self.step_losses(parameters, gradients, losses);
        }
        if self.kept.iter().any(|kept| !kept.is_empty()) {
            let problem = "what is kept of a gradient for the next one is that of every parameter: give each a gradient, or leave this out";
            return Err(Error::NoEngine { rule: self.preprocess.name(), problem });
        }
        let selection = Selection::without(parameters.layout(), &absent)?;
        let select = |gradient: &&Covector<T>| Ok(Covector(gradient.0.select(&selection)?));
        let selected = gradients.iter().map(select).collect::<Result<Vec<_>, Error>>()?;
        let whole: Vec<&Covector<T>> = gradients.to_vec();
        self.take(&selected.iter().collect::<Vec<_>>(), losses, |optimiser, processed, losses| {
            let place = |(whole, processed): (&&Covector<T>, &&Covector<T>)| {
                Ok(Covector(placed(&whole.0, &selection, &processed.0)?))
            };
            let placed = whole.iter().zip(processed).map(place).collect::<Result<Vec<_>, Error>>()?;
            optimiser.step_losses_without(parameters, &placed.iter().collect::<Vec<_>>(), losses, absent)
        })
    }

    fn is_due(&self) -> bool {
        self.preprocess.due(self.gradients).is_some() && self.optimiser.is_due()
    }

    fn discard(&mut self) -> Result<(), Error> {
        self.optimiser.discard()?;
        for kept in &mut self.kept {
            self.preprocess.discard(kept)?;
        }
        self.gradients -= self.waiting;
        (self.waiting, self.losses) = (0, vec![0.0; self.losses.len()]);
        Ok(())
    }

    fn observe(&mut self, examples: &[&Covector<T>]) -> Result<(), Error> {
        self.optimiser.observe(examples)
    }

    fn steps(&self) -> Result<u64, Error> {
        self.optimiser.steps()
    }

    fn evaluation_point(&self, parameters: &T) -> Result<T, Error> {
        self.optimiser.evaluation_point(parameters)
    }

    fn report(&self) -> Result<Report<f64>, Error> {
        self.optimiser.report()
    }

    fn reports(&self) -> Result<Vec<(String, Vec<Report<f64>>)>, Error> {
        self.optimiser.reports()
    }

    fn rates(&self) -> Vec<Rates> {
        self.optimiser.rates()
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        self.optimiser.set_learning_rate(group, learning_rate)
    }

    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        self.optimiser.set_learning_rate_factor(factor)
    }

    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        self.optimiser.set_weight_decay(group, weight_decay)
    }

    fn xi(&self) -> &[f64] {
        self.optimiser.xi()
    }

    fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        self.optimiser.set_xi_of(loss, xi)
    }

    fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error> {
        self.optimiser.write_state(slot, values)
    }

    /// With what is kept behind the state of the optimiser.
    fn checkpoint(&self) -> Result<Checkpoint<()>, Error> {
        let mut checkpoint = self.optimiser.checkpoint()?;
        for (loss, slot, name) in self.slots(depth(&checkpoint)) {
            let Some(tensor) = self.kept.get(loss).and_then(|kept| kept.get(slot)) else { continue };
            for (part, about) in tensor.layout().parts().iter().enumerate() {
                if let Some(saved) = checkpoint.parameters.get_mut(&about.name) {
                    saved.state.insert(name.clone(), Numbers::of(tensor.read(part)?));
                }
            }
        }
        checkpoint.memory.push(self.numbers());
        checkpoint.rule_name = self.preprocess.named(&checkpoint.rule_name);
        Ok(checkpoint)
    }

    fn resume(&mut self, mut checkpoint: Checkpoint<()>, parameters: &T) -> Result<(), Error> {
        // What stands around the name of the rule within.
        let outer = self.preprocess.named("\0");
        let within = outer.split_once('\0').and_then(|(before, behind)| {
            checkpoint.rule_name.strip_prefix(before).and_then(|name| name.strip_suffix(behind)).map(str::to_owned)
        });
        let Some(within) = within else {
            let expected = self.preprocess.named("…");
            return Err(Error::CheckpointRule { expected, found: checkpoint.rule_name });
        };
        checkpoint.rule_name = within;
        let numbers = checkpoint.memory.pop().unwrap_or_default();
        let expected = self.numbers();
        require_len("preprocess", numbers.len(), expected.len())?;
        let number = |name: &str| match numbers.get(name) {
            Some(number) if number.is_finite() => Ok(*number),
            found => Err(entry_error(format!("memory.{name}"), found.copied())),
        };
        let counted = |name: &str| match number(name)? {
            count if (0.0..9e15).contains(&count) && count.fract() == 0.0 =>
            {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is such a number")]
                Ok(count as u64)
            }
            other => Err(entry_error(format!("memory.{name}"), Some(other))),
        };
        let (gradients, waiting) = (counted("preprocess.gradients")?, counted("preprocess.waiting")?);
        if !self.fits(gradients, waiting) {
            let problem = format!(
                "is {waiting} after {gradients} gradients, which is not how {} counts: restore it with the constants that it was saved with",
                self.preprocess.name()
            );
            return Err(Error::CheckpointEntry { entry: "memory.preprocess.waiting".to_owned(), problem });
        }
        let losses = (0..self.losses.len()).map(|loss| number(&format!("preprocess.loss.{loss}")));
        let losses = losses.collect::<Result<Vec<f64>, Error>>()?;
        let mut kept = Vec::new();
        for _ in 0..self.kept.len() {
            kept.push(self.preprocess.begin(parameters)?);
        }
        for (loss, slot, name) in self.slots(depth(&checkpoint)) {
            let Some(tensor) = kept.get_mut(loss).and_then(|kept| kept.get_mut(slot)) else { continue };
            for (part, about) in parameters.layout().parts().iter().enumerate() {
                if let Some(saved) = checkpoint.parameters.get_mut(&about.name) {
                    tensor.write(part, &saved.slot::<T::Element>(&about.name, &name, about.elements())?)?;
                    saved.state.remove(&name);
                }
            }
        }
        self.optimiser.resume(checkpoint, parameters)?;
        (self.gradients, self.waiting, self.losses, self.kept) = (gradients, waiting, losses, kept);
        Ok(())
    }
}
