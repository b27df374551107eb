//! Rules that see another gradient than they are given.

use crate::base::pointwise::Weights;
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::{Bundle, Pairing, nested};
use crate::number::scalar::Real;
use crate::rule::preconditioner::Damping;
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::rule::slots::Slots;
use crate::space::acts::{Inputs, Outcome, Totals};

/// What becomes of a gradient before a rule sees it, at every coordinate by itself but for one length.
///
/// [`Transformed`] puts it before a rule, in the rule's own passes; before a rule of whole tensors it is a [`Preprocess`](crate::rule::Preprocess), as it is.
///
/// # Mathematics
///
/// l′ = φ(‖t‖²) t with t = transform(l₋, l), l₋ the gradient of the step before (in the first step l itself), and the length over all parameters that
/// share their sums. Each loss has a gradient, and a length, of its own.
///
/// # Requirements
///
/// Mark `transform` `#[inline(always)]`, as [`Kernel`](crate::Kernel) says why.
///
/// # Example
///
/// Only the gradient's sign, where it is longer than one:
///
/// ```
/// use ambient_metric::{Configuration, Covector, Field, Real, rules};
/// use ambient_metric::rule::{Forgotten, GradientTransform, Transformed};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Rounded;
///
/// impl GradientTransform for Rounded {
///     type Past = Forgotten;
///
///     #[inline(always)]
///     fn transform<S: Real>(&self, _past: S, gradient: S) -> S {
///         gradient.maximum(-S::one()).minimum(S::one())
///     }
/// }
///
/// let mut theta = Parameters::from(array![0.0_f64, 0.0]);
/// let rule = Transformed { transform: Rounded, rule: rules::sgd(0.0) };
/// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![0.5, -7.0])), 1.0)?;
/// assert_eq!(theta.as_slice(), [-0.5, 1.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub trait GradientTransform: Clone + Sync {
    /// What is kept of a gradient for the next step: all of it, [`Kept`], or nothing, [`Forgotten`].
    type Past: Past;

    /// Whether [`factor`](Self::factor) is to be asked: one pass more over the gradient.
    const SURVEYS: bool = false;

    /// The same of this transform, where that was chosen at run time.
    fn surveys(&self) -> bool {
        Self::SURVEYS
    }

    /// Whether it keeps the gradient, where that was chosen at run time.
    fn remembers(&self) -> bool {
        <<Self::Past as Past>::Of<f64, f64> as Bundle<f64>>::LEN > 0
    }

    /// t, from the gradient of the step before and that of this one.
    fn transform<S: Real>(&self, past: S, gradient: S) -> S;

    /// What t is multiplied by, from ‖t‖².
    fn factor<S: Real>(&self, squared_length: S) -> S {
        let _ = squared_length;
        S::one()
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

/// What a transform keeps of a gradient for the next step: [`Kept`] or [`Forgotten`].
pub trait Past: Clone + Copy + core::fmt::Debug + Send + Sync {
    /// What is kept of a bundle of gradients.
    type Of<S: Real, L: Bundle<S>>: Bundle<S>;

    /// What is kept of these.
    fn keep<S: Real, L: Bundle<S>>(gradients: L) -> Self::Of<S, L>;

    /// What was kept, if it was.
    fn kept<S: Real, L: Bundle<S>>(of: Self::Of<S, L>) -> Option<L>;
}

/// The gradient is kept for the next step.
///
/// ```
/// use ambient_metric::rule::{Kept, Past};
/// assert_eq!(Kept::kept::<f64, f64>(Kept::keep::<f64, f64>(3.0)), Some(3.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept;

/// The gradient is not kept.
///
/// ```
/// use ambient_metric::rule::{Forgotten, Past};
/// Forgotten::keep::<f64, f64>(3.0);
/// assert_eq!(Forgotten::kept::<f64, f64>(()), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten;

impl Past for Kept {
    type Of<S: Real, L: Bundle<S>> = L;

    #[inline(always)]
    fn keep<S: Real, L: Bundle<S>>(gradients: L) -> L {
        gradients
    }

    #[inline(always)]
    fn kept<S: Real, L: Bundle<S>>(of: L) -> Option<L> {
        Some(of)
    }
}

impl Past for Forgotten {
    type Of<S: Real, L: Bundle<S>> = ();

    #[inline(always)]
    fn keep<S: Real, L: Bundle<S>>(_gradients: L) {}

    #[inline(always)]
    fn kept<S: Real, L: Bundle<S>>((): ()) -> Option<L> {
        None
    }
}

/// A rule that sees a transformed gradient: one clipped by [value](crate::rule::ClipValue) or by [norm](crate::rule::ClipNorm), or
/// [MARS](crate::rule::Mars)'s.
///
/// # Mathematics
///
/// All that the rule does, with l′ of the [transform](GradientTransform) for l: the surface is measured along l′, too. The report's gradient norm is
/// that of l.
///
/// # Requirements
///
/// Where the transform asks for a length, a step reads the gradient once more.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric::rule::{ClipNorm, Transformed};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Transformed { transform: ClipNorm { length: 1.0 }, rule: rules::rmsprop(0.1) };
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(theta.clone());
/// let report = Configuration::new(rule, 0.1).build(&theta)?.step(&mut theta, &gradient, 12.5)?;
/// // Σ l²/|l| of (3, 4)/5, times ξ.
/// assert!((report.squared_length - 0.1 * 1.4).abs() < 1e-8);
/// assert_eq!(report.gradient_norm, 5.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Overflow`] for a step whose gradient is finite and has a length that is not, where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Transformed<G, R> {
    /// What becomes of the gradient.
    pub transform: G,
    /// The rule that sees what has become of it.
    pub rule: R,
}

known_keys! { Transformed<G, R> { transform, rule } }

bundle! {
    /// The state of a [`Transformed`] rule per element: that of the rule, and the gradients that are kept.
    pub nested struct TransformedState<R, P> { rule: R, past: P }
}

bundle! {
    /// The memory of a [`Transformed`] rule: that of the rule, and whether there is a gradient of a step before.
    pub nested struct TransformedMemory<R, P> { rule: R, later: P }
}

bundle! {
    /// The corrections of a [`Transformed`] rule: those of the rule, the factor of every loss, and whether there is a gradient of a step before.
    pub nested struct TransformedCorrections<R, L, P> { rule: R, factor: L, later: P }
}

/// t at a coordinate, of one loss.
#[inline(always)]
pub(crate) fn transformed<S: Real, G: GradientTransform>(transform: &G, later: Option<S>, past: S, gradient: S) -> S {
    let Some(later) = later else { return transform.transform(gradient, gradient) };
    transform.transform(S::select(S::zero().less(later), past, gradient), gradient)
}

/// t of a gradient and the one before.
struct Transforming<'g, G, S> {
    transform: &'g G,
    later: Option<S>,
}

impl<S: Real, G: GradientTransform> Pairing<S> for Transforming<'_, G, S> {
    #[inline(always)]
    fn pair(&self, gradient: S, past: S) -> S {
        transformed(self.transform, self.later, past, gradient)
    }
}

/// x y.
struct Product;

impl<S: Real> Pairing<S> for Product {
    #[inline(always)]
    fn pair(&self, x: S, y: S) -> S {
        x * y
    }
}

/// The slots of a rule, with those of a transform behind them.
pub(crate) fn before<G: GradientTransform>(transform: &G, slots: Slots) -> Slots {
    let also = |names: Vec<String>, own: Vec<String>| [nested("rule", names), own].concat();
    let later = || if transform.remembers() { vec!["later".to_owned()] } else { Vec::new() };
    let past = if transform.remembers() { nested("past", slots.loss.clone()) } else { Vec::new() };
    Slots {
        state: also(slots.state, past),
        memory: also(slots.memory, later()),
        corrections: also(slots.corrections, [nested("factor", slots.loss.clone()), later()].concat()),
        ..slots
    }
}

type PastOf<G> = <G as GradientTransform>::Past;

type State<G, R, S> = TransformedState<<R as Rule>::State<S>, <PastOf<G> as Past>::Of<S, <R as Rule>::PerLoss<S>>>;

type Corrected<G, R, S> =
    TransformedCorrections<<R as Rule>::Corrections<S>, <R as Rule>::PerLoss<S>, <PastOf<G> as Past>::Of<S, S>>;

impl<G: GradientTransform, R: Rule> Transformed<G, R> {
    /// The gradients of all losses as they are transformed, before the factor.
    #[inline(always)]
    fn before_factor<S: Real>(
        &self,
        corrections: Corrected<G, R, S>,
        at: Coordinate<S, State<G, R, S>, R::PerLoss<S>>,
    ) -> R::PerLoss<S> {
        let past = PastOf::<G>::kept::<S, R::PerLoss<S>>(at.state.past).unwrap_or(at.gradient);
        let later = PastOf::<G>::kept::<S, S>(corrections.later);
        at.gradient.paired(past, &Transforming { transform: &self.transform, later })
    }

    /// What the rule sees of a coordinate.
    #[inline(always)]
    fn within<S: Real>(
        &self,
        corrections: Corrected<G, R, S>,
        at: Coordinate<S, State<G, R, S>, R::PerLoss<S>>,
    ) -> Coordinate<S, R::State<S>, R::PerLoss<S>> {
        let mut gradient = self.before_factor(corrections, at);
        if const { G::SURVEYS } {
            gradient = gradient.paired(corrections.factor, &Product);
        }
        Coordinate { parameter: at.parameter, state: at.state.rule, gradient }
    }
}

impl<G: GradientTransform, R: Rule> Rule for Transformed<G, R> {
    type PerLoss<S: Real> = R::PerLoss<S>;
    type State<S: Real> = State<G, R, S>;
    type Memory<S: Real> = TransformedMemory<R::Memory<S>, <PastOf<G> as Past>::Of<S, S>>;
    type Corrections<S: Real> = Corrected<G, R, S>;
    type Sums<S: Real> = R::Sums<S>;
    type Multipliers<S: Real> = R::Multipliers<S>;

    const SURVEYS: bool = G::SURVEYS;
    const EVALUATES_ELSEWHERE: bool = R::EVALUATES_ELSEWHERE;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        TransformedMemory { rule: self.rule.begin(), later: Bundle::<S>::zero() }
    }

    fn beside<S: Real>(&self, own: Self::Memory<S>, others: Self::Memory<S>) -> Option<Self::Memory<S>> {
        self.rule.beside(own.rule, others.rule).map(|rule| TransformedMemory { rule, later: own.later })
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S> {
        let factor = R::PerLoss::build(&mut S::one);
        TransformedCorrections { rule: self.rule.correct(memory.rule), factor, later: memory.later }
    }

    #[inline(always)]
    fn survey<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> R::PerLoss<S> {
        let transformed = self.before_factor(corrections, at);
        transformed.paired(transformed, &Product)
    }

    fn heed<S: Real>(&self, corrections: Self::Corrections<S>, survey: R::PerLoss<S>) -> Self::Corrections<S> {
        TransformedCorrections { factor: survey.map(|squared| self.transform.factor(squared)), ..corrections }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> R::Sums<S> {
        self.rule.measure(corrections.rule, self.within(corrections, at))
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, R::PerLoss<S>>,
        memory: Self::Memory<S>,
        sums: Totals<R::Sums<S>>,
    ) -> Outcome<R::Multipliers<S>, Self::Memory<S>, Damping<S, R::PerLoss<S>>> {
        let Outcome { factors, memory: rule, report } = self.rule.damp(inputs, memory.rule, sums);
        let memory = TransformedMemory { rule, later: PastOf::<G>::keep::<S, S>(S::one()) };
        Outcome { factors, memory, report }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: R::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, R::PerLoss<S>>,
    ) -> Advanced<S, Self::State<S>> {
        let Advanced { parameter, state: rule } =
            self.rule.advance(corrections.rule, multipliers, self.within(corrections, at));
        let past = PastOf::<G>::keep::<S, R::PerLoss<S>>(at.gradient);
        Advanced { parameter, state: TransformedState { rule, past } }
    }

    const OBSERVES: bool = R::OBSERVES;

    fn observes(&self) -> bool {
        self.rule.observes()
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        TransformedState { rule: self.rule.notice(weights, state.rule, example), ..state }
    }

    fn observation_decay(&self) -> f64 {
        self.rule.observation_decay()
    }

    fn observed<S: Real>(&self, memory: Self::Memory<S>) -> Self::Memory<S> {
        TransformedMemory { rule: self.rule.observed(memory.rule), ..memory }
    }

    fn awaits_observation(&self, memory: Self::Memory<f64>) -> bool {
        self.rule.awaits_observation(memory.rule)
    }

    fn evaluates_elsewhere(&self) -> bool {
        self.rule.evaluates_elsewhere()
    }

    #[inline(always)]
    fn evaluated<S: Real>(&self, memory: Self::Memory<S>, parameter: S, state: Self::State<S>) -> S {
        self.rule.evaluated(memory.rule, parameter, state.rule)
    }

    fn slots(&self) -> Slots {
        before(&self.transform, self.rule.slots())
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
        self.transform.validate()?;
        self.rule.validate()?;
        if self.rule.surveys() {
            let problem = "the rule within asks for a length before its first act, as this one does: put one transform before it alone, and others before the optimiser";
            return Err(Error::NoEngine { rule: self.name(), problem });
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("{}({})", self.transform.name(), self.rule.name())
    }
}
