//! Any optimiser: one trait without types of rules in it, for programs that choose at run time.

use crate::any::preprocessed::Preprocessed;
use crate::any::rule::AnyRule;
use crate::any::whole::AnyWhole;
use crate::error::Error;
use crate::number::scalar::Element;
use crate::optimiser::checkpoint::Checkpoint;
use crate::optimiser::configuration::{Configuration, Rates};
use crate::optimiser::engine::Engine;
use crate::optimiser::optimiser::Optimiser;
use crate::optimiser::report::Report;
use crate::space::matrix::{MatrixTensor, SpectralMatrix};
use crate::space::selection::{Absent, Separable};
use crate::space::tensor::{Covector, Tensor};

/// An optimiser of any rule with any engine: every [`Optimiser`] over a tensor is one, so that a program can hold `Box<dyn AnyOptimiser<T>>`.
///
/// [`Configuration::build_any`] makes one for a rule that is a value.
///
/// # Example
///
/// ```
/// use ambient_metric::any::{AnyOptimiser, AnyRule};
/// use ambient_metric::{Configuration, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let rules = ["adamw", "euclidean(xi=0.5)", "induced(euclidean, log, hyperbolic) + nesterov"];
/// let mut optimisers = Vec::new();
/// for rule in rules {
///     optimisers.push(Configuration::new(rule.parse::<AnyRule>()?, 0.01).build_any(&theta)?);
/// }
/// let gradient = Covector(theta.clone());
/// for optimiser in &mut optimisers {
///     optimiser.step(&mut theta, &gradient, 12.5)?;
/// }
/// assert!((optimisers[1].report()?.squared_length - 12.5).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of [`Optimiser`]; a failed step leaves parameters and optimiser as they were.
pub trait AnyOptimiser<T: Tensor<Element: Element<Wide = f64>>>: Send {
    /// How it was built. The rule is not in it.
    fn configuration(&self) -> Configuration<()>;

    /// How many losses it descends.
    fn losses(&self) -> usize;

    /// One step for one loss; [`report`](Self::report) tells about it.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::step`].
    fn step(&mut self, parameters: &mut T, gradient: &Covector<T>, loss: f64) -> Result<(), Error> {
        self.step_losses(parameters, &[gradient], &[loss])
    }

    /// One step for several losses.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::step_losses`].
    fn step_losses(&mut self, parameters: &mut T, gradients: &[&Covector<T>], losses: &[f64]) -> Result<(), Error>;

    /// One step in which some parts, or rows of them, have no gradient.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::step_losses_without`].
    fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[f64],
        absent: Absent,
    ) -> Result<(), Error>
    where
        T: Separable;

    /// Hands over what was observed beside the gradients.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::observe`].
    fn observe(&mut self, examples: &[&Covector<T>]) -> Result<(), Error>;

    /// Whether the next gradient makes a step: always, unless gradients are [accumulated](crate::rule::Accumulate).
    fn is_due(&self) -> bool {
        true
    }

    /// Forgets gradients that wait for a step, if any do.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn discard(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// How many steps it has taken.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::steps`].
    fn steps(&self) -> Result<u64, Error>;

    /// Where the loss is to be evaluated, which may be elsewhere than at the parameters that are trained.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::evaluation_point`].
    fn evaluation_point(&self, parameters: &T) -> Result<T, Error>;

    /// What the last step tells about the first group that has parameters, and its first loss.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::reports`].
    fn report(&self) -> Result<Report<f64>, Error>;

    /// What the last step tells about every group, by name, a report for each loss.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::reports`].
    #[allow(clippy::type_complexity, reason = "a report for every group and loss")]
    fn reports(&self) -> Result<Vec<(String, Vec<Report<f64>>)>, Error>;

    /// The present rates of every group.
    fn rates(&self) -> Vec<Rates>;

    /// Sets the learning rate of a group.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::set_learning_rate`].
    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error>;

    /// Sets what all learning rates are multiplied by, as a schedule does.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::set_learning_rate_factor`].
    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error>;

    /// Sets the weight decay of a group.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::set_weight_decay`].
    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error>;

    /// The present ξ of every loss; empty for a rule that has none.
    fn xi(&self) -> &[f64];

    /// Sets the ξ of a loss.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::set_xi_of`].
    fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error>;

    /// Writes a slot of its state, such as the covector of a given coupling.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::write_state`].
    fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error>;

    /// All that it remembers. The rule is not in it: put it there by [`Checkpoint::with_rule`].
    ///
    /// # Errors
    ///
    /// As [`Optimiser::checkpoint`].
    fn checkpoint(&self) -> Result<Checkpoint<()>, Error>;

    /// Goes on where a checkpoint of the same rule was taken. All is taken from there but the rule.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::restore`]; the optimiser is then unchanged.
    fn resume(&mut self, checkpoint: Checkpoint<()>, parameters: &T) -> Result<(), Error>;
}

impl<R, T, E> AnyOptimiser<T> for Optimiser<R, T, E>
where
    R: Clone + Send,
    T: Tensor<Element: Element<Wide = f64>>,
    E: Engine<R, T> + Send,
{
    fn configuration(&self) -> Configuration<()> {
        Optimiser::configuration(self).clone().with_rule(())
    }

    fn losses(&self) -> usize {
        E::losses(Optimiser::configuration(self))
    }

    fn step_losses(&mut self, parameters: &mut T, gradients: &[&Covector<T>], losses: &[f64]) -> Result<(), Error> {
        match losses {
            // One loss, without a list that would have to be allocated.
            &[loss] => Optimiser::step_losses(self, parameters, gradients, &[loss.into()])?,
            losses => {
                let losses: Vec<E::Loss<'_>> = losses.iter().map(|&loss| loss.into()).collect();
                Optimiser::step_losses(self, parameters, gradients, &losses)?
            }
        };
        Ok(())
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
        let losses: Vec<E::Loss<'_>> = losses.iter().map(|&loss| loss.into()).collect();
        Optimiser::step_losses_without(self, parameters, gradients, &losses, absent)?;
        Ok(())
    }

    fn observe(&mut self, examples: &[&Covector<T>]) -> Result<(), Error> {
        Optimiser::observe(self, examples)
    }

    fn steps(&self) -> Result<u64, Error> {
        Optimiser::steps(self)
    }

    fn evaluation_point(&self, parameters: &T) -> Result<T, Error> {
        Optimiser::evaluation_point(self, parameters)
    }

    fn report(&self) -> Result<Report<f64>, Error> {
        self.first_report()
    }

    fn reports(&self) -> Result<Vec<(String, Vec<Report<f64>>)>, Error> {
        let losses = E::losses(Optimiser::configuration(self));
        let each = |(name, report): (String, Report<f64, E::PerLoss<f64>>)| {
            (name, (0..losses).map(|loss| report.of_loss(loss)).collect())
        };
        Ok(Optimiser::reports(self)?.into_iter().map(each).collect())
    }

    fn rates(&self) -> Vec<Rates> {
        Optimiser::rates(self).cloned().collect()
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        Optimiser::set_learning_rate(self, group, learning_rate)
    }

    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        Optimiser::set_learning_rate_factor(self, factor)
    }

    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        Optimiser::set_weight_decay(self, group, weight_decay)
    }

    fn xi(&self) -> &[f64] {
        Optimiser::xi(self)
    }

    fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        Optimiser::set_xi_of(self, loss, xi)
    }

    fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error> {
        Optimiser::write_state(self, slot, values)
    }

    fn checkpoint(&self) -> Result<Checkpoint<()>, Error> {
        Ok(Optimiser::checkpoint(self)?.with_rule(()))
    }

    fn resume(&mut self, checkpoint: Checkpoint<()>, parameters: &T) -> Result<(), Error> {
        let rule = Optimiser::configuration(self).rule.clone();
        *self = Self::restore(&checkpoint.with_rule(rule), parameters)?;
        Ok(())
    }
}

impl<T, O> AnyOptimiser<T> for Box<O>
where
    T: Tensor<Element: Element<Wide = f64>>,
    O: AnyOptimiser<T> + ?Sized,
{
    fn configuration(&self) -> Configuration<()> {
        (**self).configuration()
    }

    fn losses(&self) -> usize {
        (**self).losses()
    }

    fn step_losses(&mut self, parameters: &mut T, gradients: &[&Covector<T>], losses: &[f64]) -> Result<(), Error> {
        (**self).step_losses(parameters, gradients, losses)
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
        (**self).step_losses_without(parameters, gradients, losses, absent)
    }

    fn observe(&mut self, examples: &[&Covector<T>]) -> Result<(), Error> {
        (**self).observe(examples)
    }

    fn is_due(&self) -> bool {
        (**self).is_due()
    }

    fn discard(&mut self) -> Result<(), Error> {
        (**self).discard()
    }

    fn steps(&self) -> Result<u64, Error> {
        (**self).steps()
    }

    fn evaluation_point(&self, parameters: &T) -> Result<T, Error> {
        (**self).evaluation_point(parameters)
    }

    fn report(&self) -> Result<Report<f64>, Error> {
        (**self).report()
    }

    fn reports(&self) -> Result<Vec<(String, Vec<Report<f64>>)>, Error> {
        (**self).reports()
    }

    fn rates(&self) -> Vec<Rates> {
        (**self).rates()
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        (**self).set_learning_rate(group, learning_rate)
    }

    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        (**self).set_learning_rate_factor(factor)
    }

    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        (**self).set_weight_decay(group, weight_decay)
    }

    fn xi(&self) -> &[f64] {
        (**self).xi()
    }

    fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        (**self).set_xi_of(loss, xi)
    }

    fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error> {
        (**self).write_state(slot, values)
    }

    fn checkpoint(&self) -> Result<Checkpoint<()>, Error> {
        (**self).checkpoint()
    }

    fn resume(&mut self, checkpoint: Checkpoint<()>, parameters: &T) -> Result<(), Error> {
        (**self).resume(checkpoint, parameters)
    }
}

impl<T: Tensor<Element: Element<Wide = f64>>> core::fmt::Debug for dyn AnyOptimiser<T> + '_ {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("AnyOptimiser").field("losses", &self.losses()).finish_non_exhaustive()
    }
}

impl Configuration<AnyRule> {
    /// The optimiser of a rule that was chosen at run time.
    ///
    /// This compiles the optimisers of every kind of rule for the tensor: call it in one place, from a function that is not generic. The rule may be one of matrices, so a tensor
    /// has to have these (`Parameters` with the feature `matrices`); where it is pointwise, [`AnyRule::fused`] and [`build`](Self::build) ask for no more than a [`Tensor`].
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and [`Error::NoEngine`] for parts that do not go together.
    pub fn build_any<T>(self, parameters: &T) -> Result<Box<dyn AnyOptimiser<T>>, Error>
    where
        T: MatrixTensor<Element: Element<Wide = f64>, Matrix: SpectralMatrix + Send + Sync> + Send + Sync + 'static,
    {
        let (rule, beforehand) = self.rule.clone().apart();
        if !beforehand.is_empty() {
            let optimiser = self.with_rule(rule).build_any(parameters)?;
            return Ok(Box::new(Preprocessed::new(beforehand, optimiser, parameters)?));
        }
        if rule.is_fused() {
            let rule = rule.fused()?;
            return Ok(Box::new(self.with_rule(rule).build(parameters)?));
        }
        Ok(match rule.whole()? {
            AnyWhole::FlatNow(rule) => Box::new(self.with_rule(rule).build_whole(parameters)?),
            AnyWhole::Flat(rule) => Box::new(self.with_rule(rule).build_whole(parameters)?),
            AnyWhole::ByLengthNow(rule) => Box::new(self.with_rule(rule).build_whole(parameters)?),
            AnyWhole::ByLength(rule) => Box::new(self.with_rule(rule).build_whole(parameters)?),
        })
    }
}

impl Checkpoint<AnyRule> {
    /// The optimiser of a rule that was chosen at run time, where this checkpoint was taken.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build_any`] and [`Optimiser::restore`].
    pub fn restore_any<T>(self, parameters: &T) -> Result<Box<dyn AnyOptimiser<T>>, Error>
    where
        T: MatrixTensor<Element: Element<Wide = f64>, Matrix: SpectralMatrix + Send + Sync> + Send + Sync + 'static,
    {
        let mut optimiser = self.configuration.clone().build_any(parameters)?;
        optimiser.resume(self.with_rule(()), parameters)?;
        Ok(optimiser)
    }
}
