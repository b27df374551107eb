//! Rules: an update written once, in three acts, for every scalar and every backend.

use crate::base::pointwise::Weights;
use crate::bundle;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Real, holds};
use crate::rule::passes::Passes;
use crate::rule::preconditioner::Damping;
use crate::rule::slots::Slots;
use crate::space::acts::{Inputs, Outcome, Totals};
use crate::space::kernel::{Kernel, Present};
use crate::space::tensor::Tensor;

bundle! {
    /// What a rule sees at one coordinate, and in this order on a backend: parameter, state, gradient.
    pub nested struct Coordinate<X, St, L> {
        /// θ.
        parameter: X,
        /// What the rule keeps per element.
        state: St,
        /// l.
        gradient: L,
    }
}

bundle! {
    /// A coordinate after a step.
    pub nested struct Advanced<X, St> {
        /// θ after the step.
        parameter: X,
        /// The state after the step.
        state: St,
    }
}

/// An update rule in three acts: measure → damp → advance.
///
/// 1. [`measure`](Self::measure) reads a coordinate and says what it adds to a few sums. Nothing is written. (A rule that must know the length of the
///    gradient before that, such as one that clips it, [surveys](Self::survey) first.)
/// 2. [`damp`](Self::damp) is scalar arithmetic: sums and scalar memory in, multipliers and new memory out.
/// 3. [`advance`](Self::advance) returns the parameter and state of a coordinate after the step.
///
/// A step is therefore atomic (what can fail is known before anything is written), costs one global sum more than Adam, and is the
/// same code on every backend. Most rules are a [`Descent`](crate::Descent) with some
/// [`Preconditioner`](crate::Preconditioner) and [`Momentum`](crate::Momentum); implement this trait for a rule that is not.
///
/// # Requirements
///
/// The functions are pure: they depend on their arguments and the rule's constants alone. Mark `measure` and `advance`
/// `#[inline(always)]`, as [`Kernel`] says why.
///
/// # Example
///
/// Sign descent, θ ← θ − η sign(l), with l / |l| for the sign:
///
/// ```
/// use ambient_metric::{Error, Field, Real, Rule};
/// use ambient_metric::rule::{Advanced, Coordinate, Damping};
/// use ambient_metric::space::{Inputs, Outcome, Totals};
///
/// #[derive(Clone)]
/// struct Sign;
///
/// impl Rule for Sign {
///     type PerLoss<S: Real> = S;
///     type State<S: Real> = ();
///     type Memory<S: Real> = ();
///     type Corrections<S: Real> = ();
///     type Sums<S: Real> = ();
///     type Multipliers<S: Real> = S;
///
///     fn begin<S: Real>(&self) {}
///     fn correct<S: Real>(&self, (): ()) {}
///     #[inline(always)]
///     fn measure<S: Real>(&self, (): (), _at: Coordinate<S, (), S>) {}
///     fn damp<S: Real>(&self, inputs: Inputs<S, S>, (): (), _sums: Totals<()>) -> Outcome<S, (), Damping<S>> {
///         let report = Damping::uncoupled(S::zero(), S::zero(), S::one(), S::one(), S::one());
///         Outcome { factors: inputs.learning_rate, memory: (), report }
///     }
///     #[inline(always)]
///     fn advance<S: Real>(&self, (): (), eta: S, at: Coordinate<S, (), S>) -> Advanced<S, ()> {
///         let sign = at.gradient / (at.gradient.abs() + S::constant(1e-300));
///         Advanced { parameter: at.parameter - eta * sign, state: () }
///     }
///     fn xi(&self) -> Option<f64> { None }
///     fn check_loss(&self, _loss: f64, _xi: f64) -> Result<(), Error> { Ok(()) }
///     fn validate(&self) -> Result<(), Error> { Ok(()) }
///     fn name(&self) -> String { "Sign".into() }
/// }
///
/// let at = Coordinate { parameter: 1.0, state: (), gradient: -3.0 };
/// assert_eq!(Sign.advance((), 0.5, at).parameter, 1.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no update rule",
    note = "make one by `Descent::new(metric, preconditioner, momentum)`, take one of the module `rules`, or implement `Rule`"
)]
pub trait Rule: Clone + Sync {
    /// One number for every loss: a component of its gradient, its value, or its ξ. A rule for one loss has `S`.
    type PerLoss<S: Real>: Bundle<S>;
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// What is kept once.
    type Memory<S: Real>: Bundle<S>;
    /// Bias corrections of a step, the same for every element.
    type Corrections<S: Real>: Bundle<S>;
    /// What is summed over all elements.
    type Sums<S: Real>: Bundle<S>;
    /// What `advance` multiplies by, the same for every element of a group.
    type Multipliers<S: Real>: Bundle<S>;

    /// Whether the rule was chosen at run time: then its types have room for more numbers than it needs, and its [`passes`](Self::passes) run over whole
    /// tensors instead of its own acts.
    const IS_CHOSEN: bool = false;

    /// The scalar memory before the first step. The state per element begins at zero.
    fn begin<S: Real>(&self) -> Self::Memory<S>;

    /// The bias corrections of the next step, from the memory after the last.
    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S>;

    /// The memory of elements that have taken other steps than those with which they share their sums: what corrects their state for its start at
    /// zero is from their `own` memory, and all else, such as averages of sums, from that of the `others`. Elements that come now have that of
    /// [`begin`](Self::begin) for their own.
    ///
    /// By default nothing, where there is a memory: then no element can come later, and one that missed steps is corrected as if it had taken them.
    fn beside<S: Real>(&self, own: Self::Memory<S>, others: Self::Memory<S>) -> Option<Self::Memory<S>> {
        let _ = others;
        (<Self::Memory<S> as Bundle<S>>::LEN == 0).then_some(own)
    }

    /// Whether act 1 waits for sums of its own, those of [`survey`](Self::survey): one pass more over what that reads.
    const SURVEYS: bool = false;

    /// The same of this rule, where that was chosen at run time.
    fn surveys(&self) -> bool {
        Self::SURVEYS
    }

    /// Before act 1, of a rule that [`SURVEYS`](Self::SURVEYS): what one coordinate adds to a sum for every loss.
    #[inline(always)]
    fn survey<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, Self::PerLoss<S>>,
    ) -> Self::PerLoss<S> {
        let _ = (corrections, at);
        Bundle::<S>::zero()
    }

    /// The corrections of a step, when the sums of [`survey`](Self::survey) over all parameters that share theirs are known.
    fn heed<S: Real>(&self, corrections: Self::Corrections<S>, survey: Self::PerLoss<S>) -> Self::Corrections<S> {
        let _ = survey;
        corrections
    }

    /// Act 1: what one coordinate adds to the sums.
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, Self::PerLoss<S>>,
    ) -> Self::Sums<S>;

    /// Act 2: multipliers, new memory and damping from the sums. Called once per group; the new memory must not depend on the learning
    /// rate, the weight decay or the sums of the group, which differ between groups that share a memory.
    #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, Self::PerLoss<S>>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Multipliers<S>, Self::Memory<S>, Damping<S, Self::PerLoss<S>>>;

    /// Act 3: one coordinate after the step.
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, Self::PerLoss<S>>,
    ) -> Advanced<S, Self::State<S>>;

    /// Whether the loss is to be [evaluated](Self::evaluated) elsewhere than at the parameters that are trained.
    const EVALUATES_ELSEWHERE: bool = false;

    /// The same of this rule, where that was chosen at run time.
    fn evaluates_elsewhere(&self) -> bool {
        Self::EVALUATES_ELSEWHERE
    }

    /// Where the loss is to be evaluated, at one coordinate, from the memory, the parameter and the state after a step: at the parameter itself, unless
    /// [`EVALUATES_ELSEWHERE`](Self::EVALUATES_ELSEWHERE) says otherwise. [`Evaluated`](crate::rule::Evaluated) makes such rules.
    #[inline(always)]
    fn evaluated<S: Real>(&self, memory: Self::Memory<S>, parameter: S, state: Self::State<S>) -> S {
        let _ = (memory, state);
        parameter
    }

    /// Whether the metric has observations of its own beside the gradient, which [`notice`](Self::notice) and [`observed`](Self::observed) take in.
    const OBSERVES: bool = false;

    /// The same of this rule, where that was chosen at run time.
    fn observes(&self) -> bool {
        Self::OBSERVES
    }

    /// The state at one coordinate after an example of an observation. Mark it `#[inline(always)]`.
    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        let _ = (weights, example);
        state
    }

    /// The decay of the average over observations, of which [`Weights`] are made.
    fn observation_decay(&self) -> f64 {
        0.0
    }

    /// The memory after an observation, whatever its examples are.
    fn observed<S: Real>(&self, memory: Self::Memory<S>) -> Self::Memory<S> {
        memory
    }

    /// Whether elements with this memory have had no observation yet, and need one before they step.
    fn awaits_observation(&self, memory: Self::Memory<f64>) -> bool {
        let _ = memory;
        false
    }

    /// Whether [`damp`](Self::damp) needs the sums of every tensor by itself: a group's are then those of one tensor.
    fn learns_per_tensor(&self) -> bool {
        false
    }

    /// The metric coefficient ξ of every loss; none where there is no pull-back.
    fn xi(&self) -> Option<Self::PerLoss<f64>>;

    /// Where losses, with these present ξ, are such that [`check_loss`](Self::check_loss) accepts them, as a function that can be recorded. By default
    /// everywhere.
    fn accepts<S: Real>(&self, loss: Self::PerLoss<S>, xi: Self::PerLoss<S>) -> S::Mask {
        let _ = (loss, xi);
        holds::<S>()
    }

    /// Accepts losses that `damp` can use with these present ξ (zero for a rule without any).
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`], [`Error::OutsideSpace`].
    fn check_loss(&self, loss: Self::PerLoss<f64>, xi: Self::PerLoss<f64>) -> Result<(), Error>;

    /// Accepts the rule's own constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String;

    /// How many losses it descends.
    #[inline(always)]
    fn losses(&self) -> usize {
        <Self::PerLoss<f64> as Bundle<f64>>::LEN
    }

    /// The names of the numbers that it keeps and that its acts hand to each other: those of its types, unless it was chosen at run time.
    fn slots(&self) -> Slots {
        Slots::of::<Self>()
    }

    /// Acts 1 and 3 over whole tensors as values, for a rule that [`IS_CHOSEN`](Self::IS_CHOSEN); none for others.
    ///
    /// # Errors
    ///
    /// As [`Tensor::prepare_sum`].
    fn passes<T: Tensor>(&self) -> Result<Option<Passes<T>>, Error> {
        Ok(None)
    }
}

/// The uniforms of act 3 of a rule.
pub type PassOf<R, S> = Pass<<R as Rule>::Corrections<S>, <R as Rule>::Multipliers<S>>;

bundle! {
    /// The sums of act 1: Σ l² over all gradients, by which a gradient that is not finite is found, beside the rule's own.
    pub nested struct Measured<S, R> { squared_gradient: S, rule: R }
}

/// The sums of act 1 of a rule.
pub(crate) type MeasuredBy<R, S> = Measured<S, <R as Rule>::Sums<S>>;

/// Act 1 of a rule as a kernel, to be summed.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Rule, rules};
/// use ambient_metric::rule::{Carried, Coordinate, Measure};
///
/// let rule = rules::euclidean(1.0).momentum(0.0).beta(0.0);
/// let corrections = rule.correct(rule.begin::<f64>());
/// let at = Coordinate { parameter: 1.0, state: Carried { momentum: [0.0], metric: (), ambient: () }, gradient: [3.0] };
/// let measured = Measure(rule).evaluate(corrections, at);
/// assert_eq!((measured.squared_gradient, measured.rule.preconditioner.lengths.entry(0, 0)), (9.0, 9.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Measure<R>(pub R);

impl<R: Rule> Kernel for Measure<R> {
    type Uniform<S: Real> = R::Corrections<S>;
    type Input<S: Real> = Coordinate<S, R::State<S>, R::PerLoss<S>>;
    type Output<S: Real> = MeasuredBy<R, S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: Self::Uniform<S>, at: Self::Input<S>) -> Self::Output<S> {
        let squared_gradient = squared(at.gradient);
        Measured { squared_gradient, rule: self.0.measure(corrections, at) }
    }

    fn present(&self) -> Option<Present> {
        const { R::IS_CHOSEN }.then(|| self.0.slots().of_measure::<R>())
    }
}

/// What a rule asks before act 1 as a kernel, to be summed, as [`Measure`] is act 1.
///
/// ```
/// use ambient_metric::{Kernel, Rule, rules};
/// use ambient_metric::rule::{ClipNorm, Coordinate, Survey, Transformed};
///
/// let rule = Transformed { transform: ClipNorm { length: 1.0 }, rule: rules::sgd(0.0) };
/// let corrections = rule.correct(rule.begin::<f64>());
/// let at = Coordinate { parameter: 1.0, state: ambient_metric::Bundle::<f64>::zero(), gradient: [3.0] };
/// assert_eq!(Survey(rule).evaluate(corrections, at), [9.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Survey<R>(pub R);

impl<R: Rule> Kernel for Survey<R> {
    type Uniform<S: Real> = R::Corrections<S>;
    type Input<S: Real> = Coordinate<S, R::State<S>, R::PerLoss<S>>;
    type Output<S: Real> = R::PerLoss<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: Self::Uniform<S>, at: Self::Input<S>) -> R::PerLoss<S> {
        self.0.survey(corrections, at)
    }

    fn present(&self) -> Option<Present> {
        const { R::IS_CHOSEN }.then(|| self.0.slots().of_survey::<R>())
    }
}

/// The sum of the squares of the components of all gradients.
#[inline(always)]
fn squared<S: Real, B: Bundle<S>>(gradient: B) -> S {
    // Without a closure, which would not be compiled for the vectors of the processor.
    let Some(first) = gradient.get(0) else { return S::zero() };
    let mut sum = first * first;
    for slot in 1..B::LEN {
        if let Some(component) = gradient.get(slot) {
            sum = sum + component * component;
        }
    }
    sum
}

bundle! {
    /// The uniforms of act 3.
    pub nested struct Pass<C, M> { corrections: C, multipliers: M }
}

/// Act 3 of a rule as a kernel, to be stored, as [`Measure`] is of act 1: the state [flushed](crate::Field::flushed), so that what decays for ever ends at zero.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Rule, rules};
/// use ambient_metric::rule::{Advance, Carried, Coordinate, DescentSums, Pass};
/// use ambient_metric::space::{Inputs, Totals};
///
/// let rule = rules::sgd(0.0);
/// let memory = rule.begin::<f64>();
/// let inputs = Inputs { loss: [1.0], learning_rate: 0.25, weight_decay: 0.0, xi: [0.0] };
/// let sums = DescentSums { preconditioner: (), lesson: () };
/// let outcome = rule.damp(inputs, memory, Totals { pool: sums, group: sums });
/// let pass = Pass { corrections: rule.correct(memory), multipliers: outcome.factors };
/// let at = Coordinate { parameter: 1.0, state: Carried { momentum: [0.0], metric: (), ambient: () }, gradient: [2.0] };
/// assert_eq!(Advance(rule).evaluate(pass, at).parameter, 0.5);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Advance<R>(pub R);

impl<R: Rule> Kernel for Advance<R> {
    type Uniform<S: Real> = PassOf<R, S>;
    type Input<S: Real> = Coordinate<S, R::State<S>, R::PerLoss<S>>;
    type Output<S: Real> = Advanced<S, R::State<S>>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, uniform: Self::Uniform<S>, at: Self::Input<S>) -> Self::Output<S> {
        let advanced = self.0.advance(uniform.corrections, uniform.multipliers, at);
        Advanced { state: Bundle::<S>::flushed(advanced.state), ..advanced }
    }

    fn present(&self) -> Option<Present> {
        const { R::IS_CHOSEN }.then(|| self.0.slots().of_advance::<R>())
    }
}

/// The evaluation point of a rule as a kernel, to be stored into a copy of the parameters.
///
/// ```
/// use ambient_metric::{Kernel, rules};
/// use ambient_metric::rule::{Advanced, Averaged, Evaluate, Evaluated, EvaluatedMemory, EvaluatedState};
/// use ambient_metric::Rule;
///
/// let rule = Evaluated { rule: rules::sgd(0.9), point: Averaged(0.5) };
/// let memory = EvaluatedMemory { steps: 1.0, ..rule.begin::<f64>() };
/// let state = EvaluatedState { kept: 3.0, ..ambient_metric::Bundle::<f64>::zero() };
/// assert_eq!(Evaluate(rule).evaluate(memory, Advanced { parameter: 2.0, state }), 3.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Evaluate<R>(pub R);

impl<R: Rule> Kernel for Evaluate<R> {
    type Uniform<S: Real> = R::Memory<S>;
    type Input<S: Real> = Advanced<S, R::State<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, memory: R::Memory<S>, at: Self::Input<S>) -> S {
        self.0.evaluated(memory, at.parameter, at.state)
    }

    fn present(&self) -> Option<Present> {
        const { R::IS_CHOSEN }.then(|| self.0.slots().of_evaluate::<R>())
    }
}

bundle! {
    /// The state of a rule at a coordinate, beside an example of an observation.
    pub nested struct Noticing<St, S> { state: St, example: S }
}

/// An example of an observation entering the state of a rule, as a kernel to be stored.
///
/// ```
/// use ambient_metric::base::{EmpiricalFisher, Weights};
/// use ambient_metric::rule::{Notice, Noticing};
/// use ambient_metric::{Descent, Flat, Kernel, NoMomentum};
///
/// let rule = Descent::new(EmpiricalFisher { beta: 0.5, damping: 1.0 }, Flat, NoMomentum);
/// let state = ambient_metric::Bundle::<f64>::zero();
/// let noticed = Notice(rule).evaluate(Weights::of(0.5, 0, 1), Noticing { state, example: 4.0 });
/// assert_eq!(noticed.metric, 8.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Notice<R>(pub R);

impl<R: Rule> Kernel for Notice<R> {
    type Uniform<S: Real> = Weights<S>;
    type Input<S: Real> = Noticing<R::State<S>, S>;
    type Output<S: Real> = R::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, weights: Weights<S>, at: Self::Input<S>) -> R::State<S> {
        Bundle::<S>::flushed(self.0.notice(weights, at.state, at.example))
    }

    fn present(&self) -> Option<Present> {
        const { R::IS_CHOSEN }.then(|| self.0.slots().of_notice::<R>())
    }
}
