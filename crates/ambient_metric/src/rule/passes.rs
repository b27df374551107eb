//! The passes of a rule as values.

use crate::base::pointwise::Weights;
use crate::error::Error;
use crate::number::bundle::{Bundle, fit, from_slice};
use crate::number::scalar::{Field, Real};
use crate::rule::rule::{
    Advance, Advanced, Coordinate, Evaluate, Measure, MeasuredBy, Notice, Noticing, PassOf, Rule, Survey,
};
use crate::rule::slots::Slots;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::prepared::{Compiled, PreparedSum, PreparedUpdate};
use crate::space::tensor::{Operands, Tensor, Wide};

/// Acts 1 and 3 of a rule over tensors, as values: what [`Rule::passes`] answers for a rule that was chosen at run time.
#[derive(Debug)]
pub struct Passes<T: Tensor> {
    /// Of a rule that surveys.
    survey: Option<Box<dyn PreparedSum<T>>>,
    measure: Box<dyn PreparedSum<T>>,
    advance: Box<dyn PreparedUpdate<T>>,
    /// Of a rule that is to be evaluated elsewhere.
    evaluate: Option<Box<dyn PreparedUpdate<T>>>,
    /// Of a rule that observes.
    notice: Option<Box<dyn PreparedUpdate<T>>>,
    counts: Counts,
    /// Uniforms and totals on their way, kept so that a step allocates nothing.
    uniforms: Vec<Wide<T>>,
    totals: Vec<Wide<T>>,
}

/// How many numbers the acts hand to each other.
#[derive(Clone, Copy, Debug)]
struct Counts {
    memory: usize,
    corrections: usize,
    multipliers: usize,
    /// With that of the squares of the gradients.
    sums: usize,
    losses: usize,
}

impl Counts {
    /// Those that have names.
    fn of(slots: &Slots) -> Self {
        let Slots { memory, corrections, multipliers, sums, loss, .. } = slots;
        let (memory, corrections, multipliers) = (memory.len(), corrections.len(), multipliers.len());
        Self { memory, corrections, multipliers, sums: 1 + sums.len(), losses: loss.len() }
    }

    /// Those that the types of a rule have room for.
    fn room<R: Rule>() -> Self {
        Self {
            memory: <R::Memory<f64> as Bundle<f64>>::LEN,
            corrections: <R::Corrections<f64> as Bundle<f64>>::LEN,
            multipliers: <R::Multipliers<f64> as Bundle<f64>>::LEN,
            sums: <MeasuredBy<R, f64> as Bundle<f64>>::LEN,
            losses: <R::PerLoss<f64> as Bundle<f64>>::LEN,
        }
    }
}

impl<T: Tensor> Clone for Passes<T> {
    fn clone(&self) -> Self {
        let Self { survey, measure, advance, evaluate, notice, counts, uniforms, totals } = self;
        Self {
            survey: survey.as_ref().map(|pass| pass.duplicate()),
            measure: measure.duplicate(),
            advance: advance.duplicate(),
            evaluate: evaluate.as_ref().map(|pass| pass.duplicate()),
            notice: notice.as_ref().map(|pass| pass.duplicate()),
            counts: *counts,
            uniforms: uniforms.clone(),
            totals: totals.clone(),
        }
    }
}

impl<T: Tensor> Passes<T> {
    /// Those of a rule that was chosen at run time, as the backend prepares them.
    ///
    /// # Errors
    ///
    /// As [`Tensor::prepare_sum`]; [`Error::NoEngine`] for one that keeps more than chosen rules are compiled for, where the backend compiles.
    pub fn prepared<R: Rule + Send + 'static>(rule: &R) -> Result<Self, Error> {
        if const { !T::RECORDS } {
            return Self::counted(rule);
        }
        let (measure, advance) = (T::prepare_sum(&Measure(rule.clone()))?, T::prepare_update(&Advance(rule.clone()))?);
        let evaluate =
            if rule.evaluates_elsewhere() { Some(T::prepare_update(&Evaluate(rule.clone()))?) } else { None };
        let survey = if rule.surveys() { Some(T::prepare_sum(&Survey(rule.clone()))?) } else { None };
        let notice = if rule.observes() { Some(T::prepare_update(&Notice(rule.clone()))?) } else { None };
        let counts = Counts::of(&rule.slots());
        Ok(Self { survey, measure, advance, evaluate, notice, counts, uniforms: Vec::new(), totals: Vec::new() })
    }

    /// Those of a rule of which nothing is left to choose, compiled for these tensors.
    #[must_use]
    pub fn compiled<R: Rule + Send + 'static>(rule: &R) -> Self {
        let (measure, advance) = (Compiled(Measure(rule.clone())), Compiled(Advance(rule.clone())));
        let evaluate = if const { R::EVALUATES_ELSEWHERE } {
            Some(Box::new(Compiled(Evaluate(rule.clone()))) as Box<dyn PreparedUpdate<T>>)
        } else {
            None
        };
        let survey = if const { R::SURVEYS } {
            Some(Box::new(Compiled(Survey(rule.clone()))) as Box<dyn PreparedSum<T>>)
        } else {
            None
        };
        let notice = if const { R::OBSERVES } {
            Some(Box::new(Compiled(Notice(rule.clone()))) as Box<dyn PreparedUpdate<T>>)
        } else {
            None
        };
        let counts = Counts::room::<R>();
        let (measure, advance) = (Box::new(measure), Box::new(advance));
        Self { survey, measure, advance, evaluate, notice, counts, uniforms: Vec::new(), totals: Vec::new() }
    }

    /// Those of a rule that was chosen at run time, compiled for as many tensors as it has.
    fn counted<R: Rule + Send + 'static>(rule: &R) -> Result<Self, Error> {
        /// For one of these numbers of state slots and losses.
        macro_rules! counted {
            ($slots:expr, $($state:literal of $losses:literal),+) => {
                match ($slots.state.len(), $slots.loss.len()) {
                    $(($state, $losses) => Ok(Self::sized::<R, $state, $losses>(rule)),)+
                    _ => Err(Error::NoEngine {
                        rule: rule.name(),
                        problem: "it has more state slots or losses than chosen rules are compiled for on this backend",
                    }),
                }
            };
        }
        counted!(
            rule.slots(), 0 of 1, 1 of 1, 2 of 1, 3 of 1, 4 of 1, 5 of 1, 6 of 1, 7 of 1, 2 of 2, 3 of 2, 4 of 2, 5 of 2, 3 of 3, 4 of 3, 5 of 3, 6 of 3, 4 of 4, 5 of 4,
            6 of 4, 7 of 4
        )
    }

    fn sized<R: Rule + Send + 'static, const STATE: usize, const LOSSES: usize>(rule: &R) -> Self {
        let measure = Box::new(Compiled(CountedMeasure::<_, STATE, LOSSES>(Measure(rule.clone()))));
        let advance = Box::new(Compiled(CountedAdvance::<_, STATE, LOSSES>(Advance(rule.clone()))));
        let evaluate = rule.evaluates_elsewhere().then(|| {
            Box::new(Compiled(CountedEvaluate::<_, STATE>(Evaluate(rule.clone())))) as Box<dyn PreparedUpdate<T>>
        });
        let survey = rule.surveys().then(|| {
            Box::new(Compiled(CountedSurvey::<_, STATE, LOSSES>(Survey(rule.clone())))) as Box<dyn PreparedSum<T>>
        });
        let notice = rule
            .observes()
            .then(|| Box::new(Compiled(CountedNotice::<_, STATE>(Notice(rule.clone())))) as Box<dyn PreparedUpdate<T>>);
        let counts = Counts::room::<R>();
        Self { survey, measure, advance, evaluate, notice, counts, uniforms: Vec::new(), totals: Vec::new() }
    }
}

impl<T: Tensor> Passes<T> {
    /// What is summed before act 1.
    pub(crate) fn survey<R: Rule>(
        &mut self,
        corrections: Uniforms<'_, R::Corrections<Wide<T>>>,
        operands: Operands<'_, T>,
        totals: &mut [R::PerLoss<Wide<T>>],
    ) -> Result<(), Error> {
        let Some(pass) = &mut self.survey else { return Ok(()) };
        let (counts, each) = (self.counts.corrections, self.counts.losses);
        sum(pass.as_mut(), (&mut self.uniforms, counts, corrections), operands, (&mut self.totals, each, totals))
    }

    /// Act 1, where the rule's own type has room for as many numbers as the passes need, and perhaps more.
    pub(crate) fn measure<R: Rule>(
        &mut self,
        corrections: Uniforms<'_, R::Corrections<Wide<T>>>,
        operands: Operands<'_, T>,
        totals: &mut [MeasuredBy<R, Wide<T>>],
    ) -> Result<(), Error> {
        let (counts, each) = (self.counts.corrections, self.counts.sums);
        let uniforms = (&mut self.uniforms, counts, corrections);
        sum(self.measure.as_mut(), uniforms, operands, (&mut self.totals, each, totals))
    }

    /// Act 3.
    pub(crate) fn advance<R: Rule>(
        &mut self,
        passes: Uniforms<'_, PassOf<R, Wide<T>>>,
        parameters: &mut T,
        state: &mut [T],
        gradients: &[&T],
    ) -> Result<(), Error> {
        self.uniforms.clear();
        for group in passes.groups {
            self.uniforms.extend(group.corrections.scalars().take(self.counts.corrections));
            self.uniforms.extend(group.multipliers.scalars().take(self.counts.multipliers));
        }
        self.advance.update(&self.uniforms, passes.group_of_part, parameters, state, gradients)
    }

    /// The evaluation point, into what is a copy of the parameters.
    pub(crate) fn evaluate<R: Rule>(
        &self,
        memory: Uniforms<'_, R::Memory<Wide<T>>>,
        parameters: &mut T,
        state: &[&T],
    ) -> Result<(), Error> {
        let Some(pass) = &self.evaluate else { return Ok(()) };
        let uniforms: Vec<Wide<T>> =
            memory.groups.iter().flat_map(|group| group.scalars().take(self.counts.memory)).collect();
        pass.duplicate().update(&uniforms, memory.group_of_part, parameters, &mut [], state)
    }
}

impl<T: Tensor> Passes<T> {
    /// An example of an observation entering the state.
    pub(crate) fn notice(&mut self, weights: Weights<Wide<T>>, state: &mut [T], example: &T) -> Result<(), Error> {
        let (Some(pass), Some((target, companions))) = (&mut self.notice, state.split_first_mut()) else {
            return Ok(());
        };
        pass.update(&[weights.keep, weights.share], &[], target, companions, &[example])
    }
}

/// A pass that sums: with the corrections of every group on their way in, so many numbers of each, and with the totals on their way out.
fn sum<T: Tensor, C: Bundle<Wide<T>>, O: Bundle<Wide<T>>>(
    pass: &mut dyn PreparedSum<T>,
    (numbers, count, corrections): (&mut Vec<Wide<T>>, usize, Uniforms<'_, C>),
    operands: Operands<'_, T>,
    (found, each, totals): (&mut Vec<Wide<T>>, usize, &mut [O]),
) -> Result<(), Error> {
    numbers.clear();
    for group in corrections.groups {
        numbers.extend(group.scalars().take(count));
    }
    found.clear();
    found.resize(each * totals.len(), Field::zero());
    pass.sum(numbers, corrections.group_of_part, operands, found)?;
    for (total, found) in totals.iter_mut().zip(found.chunks_exact(each)) {
        *total = from_slice(found, |&number| number);
    }
    Ok(())
}

/// What is asked before act 1 by a rule whose types have more room than it has state and losses.
#[derive(Clone)]
struct CountedSurvey<R, const STATE: usize, const LOSSES: usize>(Survey<R>);

impl<R: Rule, const STATE: usize, const LOSSES: usize> Kernel for CountedSurvey<R, STATE, LOSSES> {
    type Uniform<S: Real> = R::Corrections<S>;
    type Input<S: Real> = Coordinate<S, [S; STATE], [S; LOSSES]>;
    type Output<S: Real> = R::PerLoss<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: R::Corrections<S>, at: Self::Input<S>) -> R::PerLoss<S> {
        self.0.evaluate(corrections, roomy(at))
    }
}

/// Act 1 of such a rule.
#[derive(Clone)]
struct CountedMeasure<R, const STATE: usize, const LOSSES: usize>(Measure<R>);

impl<R: Rule, const STATE: usize, const LOSSES: usize> Kernel for CountedMeasure<R, STATE, LOSSES> {
    type Uniform<S: Real> = R::Corrections<S>;
    type Input<S: Real> = Coordinate<S, [S; STATE], [S; LOSSES]>;
    type Output<S: Real> = MeasuredBy<R, S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: R::Corrections<S>, at: Self::Input<S>) -> Self::Output<S> {
        self.0.evaluate(corrections, roomy(at))
    }
}

/// Act 3 of such a rule.
#[derive(Clone)]
struct CountedAdvance<R, const STATE: usize, const LOSSES: usize>(Advance<R>);

impl<R: Rule, const STATE: usize, const LOSSES: usize> Kernel for CountedAdvance<R, STATE, LOSSES> {
    type Uniform<S: Real> = PassOf<R, S>;
    type Input<S: Real> = Coordinate<S, [S; STATE], [S; LOSSES]>;
    type Output<S: Real> = Advanced<S, [S; STATE]>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, pass: PassOf<R, S>, at: Self::Input<S>) -> Self::Output<S> {
        let Advanced { parameter, state } = self.0.evaluate(pass, roomy(at));
        Advanced { parameter, state: fit(state) }
    }
}

/// The evaluation point of such a rule.
#[derive(Clone)]
struct CountedEvaluate<R, const STATE: usize>(Evaluate<R>);

impl<R: Rule, const STATE: usize> Kernel for CountedEvaluate<R, STATE> {
    type Uniform<S: Real> = R::Memory<S>;
    type Input<S: Real> = Advanced<S, [S; STATE]>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, memory: R::Memory<S>, at: Self::Input<S>) -> S {
        self.0.evaluate(memory, Advanced { parameter: at.parameter, state: fit(at.state) })
    }
}

/// An example of an observation entering the state of such a rule.
#[derive(Clone)]
struct CountedNotice<R, const STATE: usize>(Notice<R>);

impl<R: Rule, const STATE: usize> Kernel for CountedNotice<R, STATE> {
    type Uniform<S: Real> = Weights<S>;
    type Input<S: Real> = Noticing<[S; STATE], S>;
    type Output<S: Real> = [S; STATE];

    #[inline(always)]
    fn evaluate<S: Real>(&self, weights: Weights<S>, at: Self::Input<S>) -> Self::Output<S> {
        fit(self.0.evaluate(weights, Noticing { state: fit::<S, _, R::State<S>>(at.state), example: at.example }))
    }
}

/// The same coordinate in more room.
#[inline(always)]
fn roomy<S: Real, St: Bundle<S>, L: Bundle<S>, const STATE: usize, const LOSSES: usize>(
    at: Coordinate<S, [S; STATE], [S; LOSSES]>,
) -> Coordinate<S, St, L> {
    Coordinate { parameter: at.parameter, state: fit(at.state), gradient: fit(at.gradient) }
}
