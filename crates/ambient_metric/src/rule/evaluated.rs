//! Rules whose loss is to be evaluated elsewhere than at the parameters that are trained.

use crate::base::pointwise::Weights;
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::nested;
use crate::number::scalar::Real;
use crate::rule::preconditioner::Damping;
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::rule::slots::Slots;
use crate::space::acts::{Inputs, Outcome, Totals};

/// A coordinate before and after the step of a rule, beside what is kept for its evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stride<S> {
    /// What is kept; before the first step the parameter.
    pub kept: S,
    /// θ before the step.
    pub before: S,
    /// θ after the step of the rule.
    pub after: S,
}

/// A coordinate as it is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left<S> {
    /// θ, at which the next gradient is taken.
    pub parameter: S,
    /// What is kept.
    pub kept: S,
}

/// Which point is evaluated, from one number that is kept for every parameter.
///
/// # Mathematics
///
/// With t steps taken, and θ ↦ θ′ the step of the rule, (θ, k) ← keep(weight(t), k, θ, θ′), where k is θ before the first step. The point to evaluate
/// is evaluated(θ, k); before the first step it is θ.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{Averaged, EvaluationPoint, Left, Stride};
///
/// let left = Averaged(0.75).keep(Averaged(0.75).weight(7.0), Stride { kept: 2.0, before: 5.0, after: 6.0 });
/// assert_eq!(left, Left { parameter: 6.0, kept: 3.0 });
/// assert_eq!(Averaged(0.75).evaluated(left.parameter, left.kept), 3.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says of no point that it is to be evaluated",
    note = "take `Averaged`, `Polyak`, `Lookahead` or `ScheduleFree`, or implement `EvaluationPoint`"
)]
pub trait EvaluationPoint: Clone + Sync {
    /// The weight of the next step, after so many.
    fn weight<S: Real>(&self, steps: S) -> S;

    /// A coordinate as it is left by a step. Mark it `#[inline(always)]`, as [`Kernel`](crate::Kernel) says why.
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S>;

    /// Where the loss is to be evaluated, after the first step: at what is kept, unless it is said otherwise. Mark it `#[inline(always)]`.
    #[inline(always)]
    fn evaluated<S: Real>(&self, parameter: S, kept: S) -> S {
        let _ = parameter;
        kept
    }

    /// Accepts the constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

/// A rule, and a point to evaluate that is another than the one it trains. [`Optimiser::evaluation_point`](crate::Optimiser::evaluation_point) gives it.
///
/// # Mathematics
///
/// See [`EvaluationPoint`]. The gradient belongs to the parameters that are trained, what is tested, saved or shown to the point.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric::rule::{Averaged, Evaluated};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Evaluated { rule: rules::sgd(0.0), point: Averaged(0.75) };
/// let mut theta = Parameters::from(array![0.0_f64]);
/// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
/// for _ in 0..2 {
///     optimiser.step(&mut theta, &Covector(Parameters::from(array![-1.0])), 1.0)?;
/// }
/// // After 1 and 2: 3/4 · 1 + 1/4 · 2.
/// assert_eq!((theta.as_slice()[0], optimiser.evaluation_point(&theta)?.as_slice()[0]), (2.0, 1.25));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Evaluated<R, W> {
    /// What trains.
    pub rule: R,
    /// What is evaluated.
    pub point: W,
}

known_keys! { Evaluated<R, W> { rule, point } }

bundle! {
    /// The state of an [`Evaluated`] rule per element.
    pub nested struct EvaluatedState<R, S> { rule: R, kept: S }
}

bundle! {
    /// The memory of an [`Evaluated`] rule: that of the rule, and how many steps it has taken.
    pub nested struct EvaluatedMemory<R, S> { rule: R, steps: S }
}

bundle! {
    /// The corrections of an [`Evaluated`] rule: those of the rule, the weight of the step, and how many went before.
    pub nested struct EvaluatedCorrections<R, S> { rule: R, weight: S, steps: S }
}

/// What the rule sees of a coordinate.
#[inline(always)]
fn within<X, St, S, L>(at: Coordinate<X, EvaluatedState<St, S>, L>) -> Coordinate<X, St, L> {
    Coordinate { parameter: at.parameter, state: at.state.rule, gradient: at.gradient }
}

/// A coordinate after a step of the rule, as the point leaves it: with the weight of the step, and how many went before.
#[inline(always)]
pub(crate) fn step<S: Real, W: EvaluationPoint>(
    point: &W,
    (weight, steps): (S, S),
    kept: S,
    before: S,
    after: S,
) -> Left<S> {
    let kept = S::select(S::zero().less(steps), kept, before);
    point.keep(weight, Stride { kept, before, after })
}

/// Where the loss is to be evaluated, after so many steps.
#[inline(always)]
pub(crate) fn evaluated<S: Real, W: EvaluationPoint>(point: &W, steps: S, parameter: S, kept: S) -> S {
    S::select(S::zero().less(steps), point.evaluated(parameter, kept), parameter)
}

/// The slots of a rule, with those of its evaluation point behind them.
pub(crate) fn behind(slots: Slots) -> Slots {
    let also = |names: Vec<String>, own: &[&str]| {
        let mut all = nested("rule", names);
        all.extend(own.iter().copied().map(str::to_owned));
        all
    };
    Slots {
        state: also(slots.state, &["kept"]),
        memory: also(slots.memory, &["steps"]),
        corrections: also(slots.corrections, &["weight", "steps"]),
        ..slots
    }
}

impl<R: Rule, W: EvaluationPoint> Rule for Evaluated<R, W> {
    type PerLoss<S: Real> = R::PerLoss<S>;
    type State<S: Real> = EvaluatedState<R::State<S>, S>;
    type Memory<S: Real> = EvaluatedMemory<R::Memory<S>, S>;
    type Corrections<S: Real> = EvaluatedCorrections<R::Corrections<S>, S>;
    type Sums<S: Real> = R::Sums<S>;
    type Multipliers<S: Real> = R::Multipliers<S>;

    const EVALUATES_ELSEWHERE: bool = true;
    const SURVEYS: bool = R::SURVEYS;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        EvaluatedMemory { rule: self.rule.begin(), steps: S::zero() }
    }

    fn beside<S: Real>(&self, own: Self::Memory<S>, others: Self::Memory<S>) -> Option<Self::Memory<S>> {
        self.rule.beside(own.rule, others.rule).map(|rule| EvaluatedMemory { rule, steps: own.steps })
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S> {
        let EvaluatedMemory { rule, steps } = memory;
        EvaluatedCorrections { rule: self.rule.correct(rule), weight: self.point.weight(steps), steps }
    }

    fn surveys(&self) -> bool {
        self.rule.surveys()
    }

    #[inline(always)]
    fn survey<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> R::PerLoss<S> {
        self.rule.survey(corrections.rule, within(at))
    }

    fn heed<S: Real>(&self, corrections: Self::Corrections<S>, survey: R::PerLoss<S>) -> Self::Corrections<S> {
        EvaluatedCorrections { rule: self.rule.heed(corrections.rule, survey), ..corrections }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> R::Sums<S> {
        self.rule.measure(corrections.rule, within(at))
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, R::PerLoss<S>>,
        memory: Self::Memory<S>,
        sums: Totals<R::Sums<S>>,
    ) -> Outcome<R::Multipliers<S>, Self::Memory<S>, Damping<S, R::PerLoss<S>>> {
        let Outcome { factors, memory: rule, report } = self.rule.damp(inputs, memory.rule, sums);
        Outcome { factors, memory: EvaluatedMemory { rule, steps: memory.steps + S::one() }, report }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: R::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> Advanced<S, Self::State<S>> {
        let Advanced { parameter: after, state } = self.rule.advance(corrections.rule, multipliers, within(at));
        let of_step = (corrections.weight, corrections.steps);
        let Left { parameter, kept } = step(&self.point, of_step, at.state.kept, at.parameter, after);
        Advanced { parameter, state: EvaluatedState { rule: state, kept } }
    }

    #[inline(always)]
    fn evaluated<S: Real>(&self, memory: Self::Memory<S>, parameter: S, state: Self::State<S>) -> S {
        evaluated(&self.point, memory.steps, parameter, state.kept)
    }

    const OBSERVES: bool = R::OBSERVES;

    fn observes(&self) -> bool {
        self.rule.observes()
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        EvaluatedState { rule: self.rule.notice(weights, state.rule, example), ..state }
    }

    fn observation_decay(&self) -> f64 {
        self.rule.observation_decay()
    }

    fn observed<S: Real>(&self, memory: Self::Memory<S>) -> Self::Memory<S> {
        EvaluatedMemory { rule: self.rule.observed(memory.rule), ..memory }
    }

    fn awaits_observation(&self, memory: Self::Memory<f64>) -> bool {
        self.rule.awaits_observation(memory.rule)
    }

    fn slots(&self) -> Slots {
        behind(self.rule.slots())
    }

    fn learns_per_tensor(&self) -> bool {
        self.rule.learns_per_tensor()
    }

    fn xi(&self) -> Option<R::PerLoss<f64>> {
        self.rule.xi()
    }

    fn accepts<S: Real>(&self, loss: R::PerLoss<S>, xi: R::PerLoss<S>) -> S::Mask {
        self.rule.accepts(loss, xi)
    }

    fn check_loss(&self, loss: R::PerLoss<f64>, xi: R::PerLoss<f64>) -> Result<(), Error> {
        self.rule.check_loss(loss, xi)
    }

    fn validate(&self) -> Result<(), Error> {
        self.rule.validate()?;
        self.point.validate()?;
        if self.rule.evaluates_elsewhere() {
            let problem = "the rule within has an evaluation point of its own: one of both is enough";
            return Err(Error::NoEngine { rule: self.name(), problem });
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("{}({})", self.point.name(), self.rule.name())
    }
}
