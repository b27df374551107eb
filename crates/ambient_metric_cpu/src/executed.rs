//! Recorded rules at work: the three acts of a step over borrowed slices.

use core::array::from_fn;
use core::fmt;

use ambient_metric::number::Element;
use ambient_metric::rule::Damping;
use ambient_metric::{Bundle, Error, Field, Layout, Report};

use crate::allocation::zeros;
use crate::pass::MAX_OPERANDS;
use crate::program::{Formula, Program};
use crate::recorded::{Counts, Recorded};

/// The rates of one step.
///
/// ```
/// use ambient_metric_cpu::StepRates;
/// let rates = StepRates { weight_decay: 1e-2, ..StepRates::new(1e-3, [0.1]) };
/// assert_eq!((rates.learning_rate, rates.weight_decay, rates.xi), (1e-3, 1e-2, [0.1]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRates<const K: usize = 1> {
    /// η.
    pub learning_rate: f64,
    /// λ of the decoupled weight decay.
    pub weight_decay: f64,
    /// ξ of every loss. A rule without a surface does not look at it.
    pub xi: [f64; K],
}

impl<const K: usize> StepRates<K> {
    /// Without weight decay.
    #[must_use]
    pub fn new(learning_rate: f64, xi: [f64; K]) -> Self {
        Self { learning_rate, weight_decay: 0.0, xi }
    }

    /// Accepts what a step can be taken with.
    fn check(&self) -> Result<(), Error> {
        let is_rate = |value: f64| value.is_finite() && value >= 0.0;
        if is_rate(self.learning_rate) && is_rate(self.weight_decay) && self.xi.into_iter().all(is_rate) {
            return Ok(());
        }
        let named = [("learning_rate", self.learning_rate), ("weight_decay", self.weight_decay)].into_iter();
        let wrong = named.chain(self.xi.map(|xi| ("xi", xi))).find(|(_, value)| !is_rate(*value));
        let (name, value) = wrong.unwrap_or(("learning_rate", self.learning_rate));
        Err(Error::Hyperparameter { name, value, requirement: "it must be finite and not negative" })
    }
}

/// A recorded rule of K losses at work on slices that the caller owns, with the state that it keeps for them.
///
/// # Mathematics
///
/// The step is that of the rule that was recorded. On one part it has the bits of an optimiser that was built of it; several parts are summed one after
/// the other, where named tensors of a backend may be one stretch.
///
/// # Requirements
///
/// One slice of parameters, and one of every gradient, for each part of the layout and of its length.
///
/// # Errors
///
/// [`step`](Self::step) leaves parameters and state as they were, bit for bit, where it fails. After the first step it allocates nothing on one thread.
///
/// # Example
///
/// ```
/// use ambient_metric::{Layout, rules};
/// use ambient_metric_cpu::{Executed, Recorded, StepRates};
///
/// let recorded = Recorded::of(&rules::euclidean(0.04).momentum(0.0).beta(0.0))?;
/// let mut optimiser = Executed::<f64, 1>::new(&recorded, &Layout::single("theta", vec![2]))?;
///
/// let (mut theta, gradient) = ([3.0, 4.0], [3.0, 4.0]);
/// let report = optimiser.step(&mut [&mut theta], [&[&gradient]], [12.5], &StepRates::new(0.5, [0.04]))?;
/// assert_eq!((report.damping, theta), ([0.5], [2.25, 3.0]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone)]
pub struct Executed<E, const K: usize = 1> {
    name: String,
    layout: Layout,
    /// The length of every part.
    lengths: Vec<usize>,
    counts: Counts,
    domain: Formula,
    correct: Formula,
    /// But for the corrections.
    damp: Formula,
    measure: Program<E>,
    advance: Program<E>,
    rehearsal: Program<E>,
    /// Whether a gradient of zero makes the rule write what is not finite, so that every step must be rehearsed.
    is_fragile: bool,
    /// The names of what is kept per element, and the numbers, part by part.
    slots: Vec<String>,
    state: Vec<Vec<Vec<E>>>,
    memory: Vec<f64>,
    steps: u64,
    /// Of all parts together, or one for every part where the rule learns per tensor.
    groups: Vec<Acts>,
    /// The sums of all groups.
    pooled: Vec<f64>,
    /// The scalar memory after the step.
    next: Vec<f64>,
}

/// What the acts of a step hand to each other for one group of parts.
#[derive(Clone, Debug)]
struct Acts {
    parts: core::ops::Range<usize>,
    /// Σ l², and the rule's own.
    measured: Vec<f64>,
    /// Corrections and multipliers.
    pass: Vec<f64>,
}

impl<E, const K: usize> fmt::Debug for Executed<E, K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, layout, steps, .. } = self;
        formatter
            .debug_struct("Executed")
            .field("rule", name)
            .field("layout", layout)
            .field("steps", steps)
            .finish_non_exhaustive()
    }
}

impl<E: Element<Wide = f64>, const K: usize> Executed<E, K> {
    /// The rule before its first step on parts of this layout.
    ///
    /// # Errors
    ///
    /// [`Error::Losses`] for a rule of another number of losses than K, [`Error::Empty`], [`Error::TooMany`] for a rule that needs more places than the
    /// [machine](Program) has, [`Error::NoEngine`] for acts that do not fit together, and [`Error::Backend`] where there is no memory.
    pub fn new(recorded: &Recorded, layout: &Layout) -> Result<Self, Error> {
        let refused = |problem| Error::NoEngine { rule: recorded.name().to_owned(), problem };
        let counts = recorded.counts().map_err(refused)?;
        if counts.losses != K {
            return Err(Error::Losses { expected: counts.losses, found: K });
        }
        if layout.elements() == 0 {
            return Err(Error::Empty);
        }
        let lengths: Vec<usize> = layout.parts().iter().map(ambient_metric::space::Part::elements).collect();
        let state = (0..counts.state).map(|_| lengths.iter().map(|&len| zeros(E::zero(), len)).collect());
        let slots = recorded.advance().outputs().iter().skip(1);
        let groups: Vec<core::ops::Range<usize>> = if recorded.learns_per_tensor() {
            (0..lengths.len()).map(|part| part..part + 1).collect()
        } else {
            core::iter::once(0..lengths.len()).collect()
        };
        let acts = |parts| Acts {
            parts,
            measured: vec![0.0; 1 + counts.sums],
            pass: vec![0.0; counts.corrections + counts.multipliers],
        };
        Ok(Self {
            name: recorded.name().to_owned(),
            layout: layout.clone(),
            domain: Formula::new(recorded.domain(), 0..1),
            correct: Formula::new(recorded.damp(), 0..counts.corrections),
            damp: Formula::new(recorded.damp(), counts.corrections..recorded.damp().outputs().len()),
            measure: Program::sums(recorded.measure())?,
            advance: Program::update(recorded.advance())?,
            rehearsal: Program::rehearsal(recorded.advance())?,
            is_fragile: !stands_zero::<E>(recorded, counts),
            slots: slots.map(|slot| slot.name.trim_start_matches("state.").to_owned()).collect(),
            state: state.collect::<Result<_, _>>()?,
            memory: recorded.begin().to_vec(),
            steps: 0,
            groups: groups.into_iter().map(acts).collect(),
            pooled: vec![0.0; 1 + counts.sums],
            next: recorded.begin().to_vec(),
            lengths,
            counts,
        })
    }

    /// How many steps have been taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The names of what is kept per element.
    #[must_use]
    pub fn slots(&self) -> &[String] {
        &self.slots
    }

    /// What is kept per element under a name, for a part.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], [`Error::NoSuchPart`].
    pub fn state(&self, slot: &str, part: usize) -> Result<&[E], Error> {
        let index = self.slot(slot)?;
        let no_part = Error::NoSuchPart { part, parts: self.lengths.len() };
        self.state.get(index).and_then(|parts| parts.get(part)).map(Vec::as_slice).ok_or(no_part)
    }

    /// Replaces what is kept per element under a name, for a part.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], [`Error::NoSuchPart`], [`Error::Shape`].
    pub fn write_state(&mut self, slot: &str, part: usize, values: &[E]) -> Result<(), Error> {
        let index = self.slot(slot)?;
        let no_part = Error::NoSuchPart { part, parts: self.lengths.len() };
        let numbers = self.state.get_mut(index).and_then(|parts| parts.get_mut(part)).ok_or(no_part)?;
        if numbers.len() != values.len() {
            return Err(shape(&self.layout, part, numbers.len(), values.len()));
        }
        numbers.copy_from_slice(values);
        Ok(())
    }

    fn slot(&self, name: &str) -> Result<usize, Error> {
        let unknown = || Error::UnknownState { slot: name.to_owned(), known: self.slots.clone() };
        self.slots.iter().position(|slot| slot == name).ok_or_else(unknown)
    }

    /// One step, from the gradients of every loss, each part by part.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], [`Error::Operands`], [`Error::Hyperparameter`] for rates that are none, [`Error::LossOutsideDomain`],
    /// [`Error::NonFiniteGradient`], [`Error::NotPositiveDefinite`], [`Error::Coupling`], [`Error::Determinant`] and [`Error::Overflow`]. Nothing has
    /// changed then.
    pub fn step(
        &mut self,
        parameters: &mut [&mut [E]],
        gradients: [&[&[E]]; K],
        losses: [f64; K],
        rates: &StepRates<K>,
    ) -> Result<Report<f64, [f64; K]>, Error> {
        self.check(parameters, &gradients)?;
        rates.check()?;
        self.check_losses(losses, rates)?;
        self.measure_all(parameters, &gradients)?;
        let report = self.damp_all(losses, rates, &gradients)?;
        if !self.pooled.iter().all(|sum| sum.is_finite()) || self.is_fragile {
            self.rehearse(parameters, &gradients)?;
        }
        let Self { groups, advance, state, counts, memory, next, .. } = self;
        for group in &*groups {
            advance.uniforms(&group.pass)?;
            for part in group.parts.clone() {
                let mut targets: [&mut [E]; MAX_OPERANDS] = from_fn(|_| Default::default());
                let (of_parameter, of_state) = targets.split_at_mut(1);
                for (target, parameter) in of_parameter.iter_mut().zip(parameters.iter_mut().skip(part)) {
                    *target = parameter;
                }
                for (target, parts) in of_state.iter_mut().zip(&mut *state) {
                    *target = parts.get_mut(part).map(Vec::as_mut_slice).unwrap_or_default();
                }
                let reads: [&[E]; K] = gradients.map(|parts| parts.get(part).copied().unwrap_or_default());
                advance.store(targets.get_mut(..1 + counts.state).unwrap_or_default(), &reads)?;
            }
        }
        core::mem::swap(memory, next);
        self.steps = self.steps.saturating_add(1);
        Ok(report)
    }

    /// Accepts slices of the lengths of the parts.
    fn check(&self, parameters: &[&mut [E]], gradients: &[&[&[E]]; K]) -> Result<(), Error> {
        let expected = self.lengths.len();
        if parameters.len() != expected {
            return Err(Error::Operands { expected, found: parameters.len() });
        }
        let wrong = |part: usize, expected: usize, found: usize| Err(shape(&self.layout, part, expected, found));
        for (part, (&expected, found)) in self.lengths.iter().zip(parameters).enumerate() {
            if expected != found.len() {
                return wrong(part, expected, found.len());
            }
        }
        for parts in gradients {
            if parts.len() != expected {
                return Err(Error::Operands { expected, found: parts.len() });
            }
            for (part, (&expected, found)) in self.lengths.iter().zip(*parts).enumerate() {
                if expected != found.len() {
                    return wrong(part, expected, found.len());
                }
            }
        }
        Ok(())
    }

    /// Accepts losses that the rule accepts with these ξ.
    fn check_losses(&mut self, losses: [f64; K], rates: &StepRates<K>) -> Result<(), Error> {
        if let Some((of_losses, of_xi)) = self.domain.given().split_at_mut_checked(K) {
            of_losses.copy_from_slice(&losses);
            of_xi.iter_mut().zip(rates.xi).for_each(|(place, xi)| *place = xi);
        }
        self.domain.run();
        if self.domain.output(0) > 0.0 {
            return Ok(());
        }
        let first = losses.into_iter().find(|loss| !loss.is_finite()).or(losses.first().copied());
        Err(Error::LossOutsideDomain { embedding: self.name.clone(), loss: first.unwrap_or(f64::NAN) })
    }

    /// Act 1 of every group.
    fn measure_all(&mut self, parameters: &[&mut [E]], gradients: &[&[&[E]]; K]) -> Result<(), Error> {
        let Self { correct, counts, memory, groups, measure, state, pooled, .. } = self;
        let of_memory = correct.given().iter_mut().skip(2 * K + 2);
        for (place, number) in of_memory.zip(&*memory) {
            *place = *number;
        }
        correct.run();
        for group in &mut *groups {
            for (index, number) in group.pass.iter_mut().take(counts.corrections).enumerate() {
                *number = correct.output(index);
            }
            measure.uniforms(group.pass.get(..counts.corrections).unwrap_or_default())?;
            group.measured.fill(0.0);
            for part in group.parts.clone() {
                let inputs = operands(part, parameters, state, gradients);
                measure.sum(inputs.get(..1 + counts.state + K).unwrap_or_default(), &mut group.measured)?;
            }
        }
        match groups.as_slice() {
            [group] => pooled.copy_from_slice(&group.measured),
            groups => {
                pooled.fill(0.0);
                for group in groups {
                    for (total, sum) in pooled.iter_mut().zip(&group.measured) {
                        *total += sum;
                    }
                }
            }
        }
        Ok(())
    }

    /// Act 2 of every group, and the verdict over it. Returns the report of the first.
    fn damp_all(
        &mut self,
        losses: [f64; K],
        rates: &StepRates<K>,
        gradients: &[&[&[E]]; K],
    ) -> Result<Report<f64, [f64; K]>, Error> {
        let Counts { corrections, multipliers, .. } = self.counts;
        let mut first = None;
        let mut is_sound = self.pooled.iter().all(|sum| sum.is_finite());
        for number in 0..self.groups.len() {
            let Self { damp, groups, pooled, next, memory: before, .. } = &mut *self;
            let Some(group) = groups.get_mut(number) else { break };
            let own = [rates.learning_rate, rates.weight_decay];
            let sums = [pooled.get(1..), group.measured.get(1..)].map(Option::unwrap_or_default);
            let mut given = damp.given();
            for numbers in [&losses[..], &own, &rates.xi, before, sums[0], sums[1]] {
                let Some((places, rest)) = given.split_at_mut_checked(numbers.len()) else { break };
                places.copy_from_slice(numbers);
                given = rest;
            }
            damp.run();
            for (index, number) in group.pass.iter_mut().skip(corrections).enumerate() {
                *number = damp.output(index);
            }
            let mut index = multipliers;
            for number in &mut *next {
                *number = Field::flushed(damp.output(index));
                index += 1;
            }
            let damping: Damping<f64, [f64; K]> = Bundle::build(&mut || {
                index += 1;
                damp.output(index - 1)
            });
            let report = Report::of(damping, rates.learning_rate, pooled.first().copied().unwrap_or(0.0));
            is_sound &= group.pass.iter().all(|number| E::narrow(*number).is_finite());
            is_sound &= next.iter().all(|number| number.is_finite());
            is_sound &= report.check(String::new).is_ok();
            if !is_sound {
                self.examine(&report, gradients, number)?;
            }
            first = first.or(Some(report));
        }
        Ok(first.unwrap_or_else(Bundle::<f64>::zero))
    }

    /// What is wrong with acts that are not plainly sound.
    #[cold]
    fn examine(&self, report: &Report<f64, [f64; K]>, gradients: &[&[&[E]]; K], group: usize) -> Result<(), Error> {
        if !self.pooled.iter().all(|sum| sum.is_finite()) {
            for parts in gradients {
                let is_finite = |gradient: &&[E]| gradient.iter().all(|element| element.is_finite());
                if let Some(part) = parts.iter().position(|gradient| !is_finite(gradient)) {
                    let parameter = self.layout.parts().get(part).map_or_else(String::new, |part| part.name.clone());
                    return Err(Error::NonFiniteGradient { parameter });
                }
            }
        }
        report.check(|| self.name.clone())?;
        let pass = self.groups.get(group).map_or(&[][..], |group| &group.pass);
        if let Some(slot) = pass.iter().position(|number| !E::narrow(*number).is_finite()) {
            return Err(Error::Overflow { quantity: format!("multiplier {slot}") });
        }
        if let Some(slot) = self.next.iter().position(|number| !number.is_finite()) {
            return Err(Error::Overflow { quantity: format!("memory {slot}") });
        }
        Ok(())
    }

    /// Accepts a step that writes finite numbers only.
    fn rehearse(&mut self, parameters: &[&mut [E]], gradients: &[&[&[E]]; K]) -> Result<(), Error> {
        let Self { groups, rehearsal, state, counts, .. } = self;
        let mut total = [0.0];
        for group in groups {
            rehearsal.uniforms(&group.pass)?;
            for part in group.parts.clone() {
                let inputs = operands(part, parameters, state, gradients);
                rehearsal.sum(inputs.get(..1 + counts.state + K).unwrap_or_default(), &mut total)?;
            }
        }
        if total[0].is_finite() {
            return Ok(());
        }
        Err(Error::Overflow { quantity: "the state or a parameter after the step".to_owned() })
    }
}

/// The slices of a part, in the order of a rule's inputs.
#[inline(always)]
fn operands<'a, E, const K: usize>(
    part: usize,
    parameters: &'a [&mut [E]],
    state: &'a [Vec<Vec<E>>],
    gradients: &[&'a [&'a [E]]; K],
) -> [&'a [E]; MAX_OPERANDS] {
    let mut operands: [&[E]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
    let of_parameter = parameters.get(part).map(|slice| &**slice).into_iter();
    let of_state = state.iter().map(|parts| parts.get(part).map(Vec::as_slice).unwrap_or_default());
    let of_gradients = gradients.iter().map(|parts| parts.get(part).copied().unwrap_or_default());
    for (operand, slice) in operands.iter_mut().zip(of_parameter.chain(of_state).chain(of_gradients)) {
        *operand = slice;
    }
    operands
}

#[cold]
fn shape(layout: &Layout, part: usize, expected: usize, found: usize) -> Error {
    let name = layout.parts().get(part).map_or_else(String::new, |part| part.name.clone());
    Error::Shape { name, expected: vec![expected], found: vec![found] }
}

/// Whether the first step writes finite numbers where parameter and gradient are zero.
fn stands_zero<E: Element>(recorded: &Recorded, counts: Counts) -> bool {
    let mut given = vec![E::zero(); recorded.damp().uniforms().len()];
    for (place, number) in given.iter_mut().skip(2 * counts.losses + 2).zip(recorded.begin()) {
        *place = E::constant(*number);
    }
    let mut uniforms = recorded.damp().evaluate(&given, &[]);
    uniforms.truncate(counts.corrections);
    uniforms.resize(counts.corrections + counts.multipliers, E::one());
    recorded.advance().evaluate(&uniforms, &[]).into_iter().all(Element::is_finite)
}
