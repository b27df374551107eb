//! The optimiser: a rule at work on named parameters, with groups, reports and checkpoints.

use std::collections::BTreeMap;

use crate::bundle;
use crate::bundle::Bundle;
use crate::checkpoint::{Checkpoint, SavedParameter, VERSION, entry_error, require_len};
use crate::configuration::Configuration;
use crate::error::{Error, require_non_negative};
use crate::kernel::{Kernel, Uniforms};
use crate::layout::Layout;
use crate::preconditioner::Inputs;
use crate::rule::{Advance, Measure, Measured, Pass, Rule};
use crate::scalar::{Element, Field, Real};
use crate::tensor::{Covector, Operands, Tensor, Wide};

bundle! {
    /// What a step tells about itself.
    pub struct Report {
        /// s = ξ⟨l, l⟩, the squared length of the gradient in γ⁻¹ times ξ; zero for a rule without a pull-back.
        squared_length,
        /// v̂, the bias-corrected moving average of s.
        averaged,
        /// f′, the slope of the embedding at the loss.
        slope,
        /// r = f′ / (1 + f′² v̂), the damping.
        damping,
        /// η r, the learning rate that the base optimiser would need for the same step.
        effective_learning_rate,
        /// ‖l‖, the Euclidean norm of the gradient; infinite where its square overflows.
        gradient_norm,
    }
}

/// A group inside an optimiser: its rates, and the pool of groups that share its sums.
#[derive(Clone, Debug)]
struct Rates {
    name: String,
    learning_rate: f64,
    weight_decay: f64,
    pool: usize,
}

/// A rule at work on parameters of type `T`.
///
/// It owns the state: per-element tensors, and scalar memory for every sum. Make one with [`Configuration::build`].
///
/// # Requirements
///
/// Parameters and gradients have the layout that the optimiser was built for.
///
/// # Example
///
/// ```
/// use ambient_metric::{rules, Configuration, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // L = |θ|²/2, whose gradient is θ.
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rules::euclidean_log(0.1, 0.5, 0.0), 0.5).build(&theta)?;
/// for _ in 0..100 {
///     let gradient = Covector(theta.clone());
///     let loss = gradient.0.iter().map(|x| x * x / 2.0).sum();
///     optimiser.step(&mut theta, &gradient, loss)?;
/// }
/// assert!(theta.iter().all(|x| x.abs() < 1e-6));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Optimiser<R: Rule, T: Tensor> {
    configuration: Configuration<R>,
    xi: f64,
    layout: Layout,
    rates: Vec<Rates>,
    group_of_part: Vec<usize>,
    state: Vec<T>,
    memory: Vec<R::Memory<Wide<T>>>,
    steps: u64,
    acts: Acts<R, Wide<T>>,
}

/// What the acts of one step hand to each other; kept between steps so that a step allocates nothing.
#[derive(Clone, Debug)]
struct Acts<R: Rule, S: Real> {
    /// Per group.
    corrections: Vec<R::Corrections<S>>,
    /// Per group.
    measured: Vec<Measured<S, R::Sums<S>>>,
    /// Per pool.
    pooled: Vec<Measured<S, R::Sums<S>>>,
    /// Per pool.
    memory: Vec<R::Memory<S>>,
    /// Per group.
    passes: Vec<Pass<R::Corrections<S>, R::Multipliers<S>>>,
    /// Per group.
    reports: Vec<Report<S>>,
}

impl<R: Rule, T: Tensor> Optimiser<R, T> {
    /// An optimiser from a configuration that has been checked.
    pub(crate) fn begin(configuration: Configuration<R>, group_of_part: Vec<usize>, parameters: &T) -> Self {
        let mut rates = vec![Rates {
            name: "default".to_owned(),
            learning_rate: configuration.learning_rate,
            weight_decay: configuration.weight_decay,
            pool: 0,
        }];
        let mut pools = 1;
        for group in &configuration.groups {
            let pool = if group.own_metric { pools } else { 0 };
            pools += usize::from(group.own_metric);
            rates.push(Rates {
                name: group.name.clone(),
                learning_rate: group.learning_rate.unwrap_or(configuration.learning_rate),
                weight_decay: group.weight_decay.unwrap_or(configuration.weight_decay),
                pool,
            });
        }
        let slots = <R::State<T::Element> as Bundle<T::Element>>::LEN;
        let memory = vec![configuration.rule.begin(); pools];
        let groups = rates.len();
        Self {
            xi: configuration.rule.xi(),
            acts: Acts {
                corrections: vec![Bundle::<Wide<T>>::zero(); groups],
                measured: vec![Bundle::<Wide<T>>::zero(); groups],
                pooled: vec![Bundle::<Wide<T>>::zero(); pools],
                memory: memory.clone(),
                passes: vec![Bundle::<Wide<T>>::zero(); groups],
                reports: vec![Bundle::<Wide<T>>::zero(); groups],
            },
            configuration,
            layout: parameters.layout().clone(),
            rates,
            group_of_part,
            state: (0..slots).map(|_| parameters.zeros_like()).collect(),
            memory,
            steps: 0,
        }
    }

    /// One step: replaces `parameters`, and returns what happened to the first group (with one sum, to all).
    ///
    /// `loss` is the loss whose gradient is given; rules without a loss-dependent embedding ignore it.
    ///
    /// # Errors
    ///
    /// Nothing is written where an error is returned: [`Error::MissingParameter`], [`Error::UnknownParameter`],
    /// [`Error::Shape`], [`Error::LossOutsideDomain`], [`Error::NonFiniteGradient`], [`Error::Overflow`],
    /// [`Error::Backend`].
    pub fn step(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
    ) -> Result<Report<Wide<T>>, Error> {
        let rule = &self.configuration.rule;
        self.layout.check(parameters.layout())?;
        self.layout.check(gradient.0.layout())?;
        rule.check_loss(loss.to_f64())?;

        let acts = &mut self.acts;
        for (corrections, rates) in acts.corrections.iter_mut().zip(&self.rates) {
            *corrections = rule.correct(self.memory[rates.pool]);
        }
        let operands = Operands { target: &*parameters, companions: &self.state, reads: &[&gradient.0] };
        let uniforms = Uniforms { groups: &acts.corrections, group_of_part: &self.group_of_part };
        T::sum(&Measure(rule), uniforms, operands, &mut acts.measured)?;

        acts.damp(rule, &self.rates, &self.memory, loss, self.xi);
        if !acts.pooled.iter().all(is_finite) {
            find_non_finite(&gradient.0)?;
        }
        acts.check()?;

        let uniforms = Uniforms { groups: &acts.passes, group_of_part: &self.group_of_part };
        T::update(&Advance(rule), uniforms, parameters, &mut self.state, &[&gradient.0])?;
        self.memory.copy_from_slice(&acts.memory);
        self.steps += 1;
        let [report, ..] = acts.reports.as_slice() else { return Ok(Bundle::<Wide<T>>::zero()) };
        Ok(*report)
    }

    /// How many steps have been taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What happened to every group in the last step: first the parameters in no group, then the groups in order.
    pub fn reports(&self) -> impl Iterator<Item = (&str, Report<Wide<T>>)> {
        self.rates.iter().map(|rates| rates.name.as_str()).zip(self.acts.reports.iter().copied())
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<R> {
        &self.configuration
    }

    /// The state per element, one tensor per slot of the rule's state.
    #[must_use]
    pub fn state(&self) -> &[T] {
        &self.state
    }

    /// Changes η of a group (`"default"` for the parameters in no group) from the next step on, as a schedule does.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        require_non_negative("learning_rate", learning_rate)?;
        let known = self.rates.iter().map(|rates| rates.name.clone()).collect();
        let rates = self.rates.iter_mut().find(|rates| rates.name == group);
        rates.ok_or_else(|| Error::UnknownGroup { group: group.to_owned(), known })?.learning_rate = learning_rate;
        Ok(())
    }

    /// Changes ξ from the next step on, as a schedule does.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0.
    pub fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        require_non_negative("xi", xi)?;
        self.xi = xi;
        Ok(())
    }

    /// Everything that is needed to go on later, keyed by parameter names; it serialises with the feature `serde`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be read.
    pub fn checkpoint(&self) -> Result<Checkpoint<R>, Error>
    where
        R: Clone,
    {
        let slots = <R::State<T::Element> as Bundle<T::Element>>::names();
        let mut parameters = BTreeMap::new();
        for (index, part) in self.layout.parts().iter().enumerate() {
            let mut state = BTreeMap::new();
            for (slot, tensor) in slots.iter().zip(&self.state) {
                state.insert(slot.clone(), tensor.read(index)?.into_iter().map(Element::to_f64).collect());
            }
            parameters.insert(part.name.clone(), SavedParameter { shape: part.shape.clone(), state });
        }
        let names = <R::Memory<Wide<T>> as Bundle<Wide<T>>>::names();
        let memory = self
            .memory
            .iter()
            .map(|memory| names.iter().cloned().zip(memory.iter().map(Element::to_f64)).collect())
            .collect();
        Ok(Checkpoint {
            version: VERSION,
            rule_name: self.configuration.rule.name(),
            configuration: self.configuration.clone(),
            learning_rates: self.rates.iter().map(|rates| rates.learning_rate).collect(),
            xi: self.xi,
            steps: self.steps,
            memory,
            parameters,
        })
    }

    /// An optimiser that goes on where a checkpoint was taken, for parameters like those it was taken from.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::CheckpointEntry`], [`Error::MissingParameter`],
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`Configuration::build`] finds.
    pub fn restore(checkpoint: Checkpoint<R>, parameters: &T) -> Result<Self, Error> {
        checkpoint.check(parameters.layout())?;
        let Checkpoint { configuration, learning_rates, xi, steps, memory, parameters: saved, .. } = checkpoint;
        let mut optimiser = configuration.build(parameters)?;

        let slots = <R::State<T::Element> as Bundle<T::Element>>::names();
        for (index, part) in optimiser.layout.parts().iter().enumerate() {
            let Some(saved) = saved.get(&part.name) else { continue };
            for (slot, tensor) in slots.iter().zip(&mut optimiser.state) {
                let values = saved.slot(&part.name, slot, part.elements())?;
                let elements: Vec<T::Element> = values.iter().map(|&value| T::Element::constant(value)).collect();
                tensor.write(index, &elements)?;
            }
            saved.check_slots(&part.name, &slots)?;
        }

        require_len("learning_rates", learning_rates.len(), optimiser.rates.len())?;
        for (rates, learning_rate) in optimiser.rates.iter_mut().zip(learning_rates) {
            require_non_negative("learning_rate", learning_rate)?;
            rates.learning_rate = learning_rate;
        }
        require_len("memory", memory.len(), optimiser.memory.len())?;
        for (pool, (loaded, saved)) in optimiser.memory.iter_mut().zip(&memory).enumerate() {
            *loaded = load_memory(pool, saved)?;
        }
        optimiser.set_xi(xi)?;
        optimiser.steps = steps;
        Ok(optimiser)
    }
}

/// A memory bundle from its named values.
fn load_memory<S: Element, M: Bundle<S>>(pool: usize, saved: &BTreeMap<String, f64>) -> Result<M, Error> {
    let names = M::names();
    require_len(&format!("memory[{pool}]"), saved.len(), names.len())?;
    let mut values = Vec::with_capacity(names.len());
    for name in &names {
        match saved.get(name) {
            Some(value) if value.is_finite() => values.push(S::constant(*value)),
            found => return Err(entry_error(format!("memory[{pool}].{name}"), found.copied())),
        }
    }
    let mut values = values.into_iter();
    Ok(M::build(&mut || values.next().unwrap_or_else(S::zero)))
}

impl<R: Rule, S: Element> Acts<R, S> {
    /// Act 2 of every group, from the sums of act 1.
    fn damp(&mut self, rule: &R, rates: &[Rates], memory: &[R::Memory<S>], loss: S, xi: f64) {
        self.pooled.fill(Bundle::<S>::zero());
        for (measured, rates) in self.measured.iter().zip(rates) {
            self.pooled[rates.pool] = self.pooled[rates.pool].plus(*measured);
        }
        for (group, rates) in rates.iter().enumerate() {
            let Measured { gradient, rule: sums } = self.pooled[rates.pool];
            let inputs = Inputs {
                loss,
                learning_rate: S::constant(rates.learning_rate),
                weight_decay: S::constant(rates.weight_decay),
                xi: S::constant(xi),
            };
            let outcome = rule.damp(inputs, memory[rates.pool], sums);
            self.passes[group] = Pass { corrections: self.corrections[group], multipliers: outcome.factors };
            self.memory[rates.pool] = outcome.memory;
            self.reports[group] = Report {
                squared_length: outcome.report.squared_length,
                averaged: outcome.report.averaged,
                slope: outcome.report.slope,
                damping: outcome.report.damping,
                effective_learning_rate: inputs.learning_rate * outcome.report.damping,
                gradient_norm: gradient.sqrt(),
            };
        }
    }

    /// Accepts multipliers and memory that are finite: what the last act would write depends on nothing else.
    fn check(&self) -> Result<(), Error> {
        named_finite::<S, _>(&self.passes, "multiplier")?;
        named_finite::<S, _>(&self.memory, "memory")
    }
}

fn is_finite<S: Element, B: Bundle<S>>(bundle: &B) -> bool {
    bundle.iter().all(Element::is_finite)
}

/// Accepts bundles that are finite in every slot, else names the slot.
fn named_finite<S: Element, B: Bundle<S>>(bundles: &[B], what: &str) -> Result<(), Error> {
    for bundle in bundles {
        if let Some(slot) = bundle.iter().position(|value| !value.is_finite()) {
            let name = B::names().into_iter().nth(slot).unwrap_or_default();
            return Err(Error::Overflow { quantity: format!("the {what} `{name}`") });
        }
    }
    Ok(())
}

/// 0 · l: zero where l is finite, and not finite where it is not.
struct Probe;

impl Kernel for Probe {
    type Uniform<S: Real> = ();
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, (): (), gradient: S) -> S {
        S::zero() * gradient
    }
}

/// Names the first parameter whose gradient is not finite; accepts a gradient that is finite everywhere.
fn find_non_finite<T: Tensor>(gradient: &T) -> Result<(), Error> {
    let parts = gradient.layout().parts();
    let group_of_part: Vec<usize> = (0..parts.len()).collect();
    let mut totals = vec![<Wide<T> as Field>::zero(); parts.len()];
    let uniforms = Uniforms { groups: &vec![(); parts.len()], group_of_part: &group_of_part };
    T::sum(&Probe, uniforms, Operands { target: gradient, companions: &[], reads: &[] }, &mut totals)?;
    match parts.iter().zip(&totals).find(|(_, total)| !total.is_finite()) {
        Some((part, _)) => Err(Error::NonFiniteGradient { parameter: part.name.clone() }),
        None => Ok(()),
    }
}
