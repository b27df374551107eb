//! Preconditioners: what turns a gradient covector into a step vector, one coordinate at a time.

use crate::base::base_metric::{DiagonalMetric, check_diagonal};
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Element, Real};
use crate::space::acts::{Inputs, Local, Outcome, Totals};

bundle! {
    /// How the surface damps a step: what a report says of the geometry.
    pub struct Damping {
        /// s = ξ⟨l, l⟩, with the length taken in γ.
        squared_length,
        /// v̂, the moving average of s, corrected for its start at zero.
        averaged,
        /// f′, the slope of the embedding at the loss.
        slope,
        /// r = f′ / (1 + f′² v̂).
        damping,
        /// det g / det γ = 1 + f′² v̂. A step is refused unless it is above zero.
        determinant_ratio,
        /// ⟨c, c⟩ of a coupling covector c as it enters the metric; zero without coupling. A step is refused unless it is below one.
        coupling,
        /// What c was multiplied by to keep ⟨c, c⟩ below one; one where nothing was needed.
        coupling_scale,
    }
}

impl<S: Real> Damping<S> {
    /// The flat limit ξ = 0 with f = identity: no damping.
    #[must_use]
    pub fn flat() -> Self {
        Self::uncoupled(S::zero(), S::zero(), S::one(), S::one(), S::one())
    }

    /// A surface whose height is orthogonal to the parameters.
    #[must_use]
    pub fn uncoupled(squared_length: S, averaged: S, slope: S, damping: S, determinant_ratio: S) -> Self {
        let (coupling, coupling_scale) = (S::zero(), S::one());
        Self { squared_length, averaged, slope, damping, determinant_ratio, coupling, coupling_scale }
    }
}

/// Accepts squared lengths that are numbers, and dampings that did not vanish because one was too large for the determinant.
///
/// # Errors
///
/// [`Error::Overflow`].
pub(crate) fn check_range<S: Element, const N: usize, const K: usize>(
    lengths: [S; N],
    determinant_ratio: S,
    dampings: [S; K],
) -> Result<(), Error> {
    let vanished = !determinant_ratio.is_finite() && dampings.contains(&S::zero());
    if vanished || !lengths.into_iter().all(Element::is_finite) {
        return Err(Error::Overflow { quantity: "ξ times the squared length of the gradient".to_owned() });
    }
    Ok(())
}

/// What turns a covector into a step vector, in the three acts measure → damp → apply.
///
/// Every [`DiagonalMetric`] is one (it applies γ⁻¹ and measures nothing): with the RMSprop metric that is Adam's
/// preconditioner. [`Induced`](crate::Induced) is the one that this crate derives: the inverse of the pull-back metric of any base metric
/// by any embedding; [`Coupled`](crate::Coupled) and [`Bilinear`](crate::Bilinear) are it in an ambient metric with off-diagonal
/// elements, [`Clipped`](crate::Clipped) the relatives that clip. [`Descent`](crate::Descent) makes an optimiser of each.
///
/// # Mathematics
///
/// The step vector is P(m̂), where P depends on the gradient through sums and through the coordinate itself:
///
/// Σ = Σᵢ measure(stateᵢ, lᵢ, m̂ᵢ), (factors, memory) = damp(L, ξ, memory, Σ), P(m̂)ᵢ = apply(factors, stateᵢ, lᵢ, m̂ᵢ).
///
/// # Requirements
///
/// `measure` depends on one coordinate, and its results are summed over all of them before `damp`.
///
/// # Example
///
/// The three acts over the gradient (3, 4), by hand; with ξ = 1 the damping is r = 1/26:
///
/// ```
/// use ambient_metric::{Bundle, Euclidean, Identity, Induced, Inputs, Local, Preconditioner, Totals};
///
/// let preconditioner = Induced::new(Euclidean, Identity, 1.0);
/// let at = |component: f64| Local { parameter: 0.0, gradient: component, momentum: component };
/// let corrections = preconditioner.correct(preconditioner.begin::<f64>());
/// let sums = preconditioner.measure(corrections, (), at(3.0)).plus(preconditioner.measure(corrections, (), at(4.0)));
/// let inputs = Inputs { loss: 1.0, learning_rate: 0.1, weight_decay: 0.0, xi: 1.0 };
/// let outcome = preconditioner.damp(inputs, preconditioner.begin(), Totals { pool: sums, group: sums });
///
/// assert_eq!(outcome.report.squared_length, 25.0);
/// let component: f64 = preconditioner.apply(corrections, outcome.factors, (), at(3.0));
/// assert!((component - 3.0 / 26.0).abs() < 1e-15);
/// ```
///
/// # Errors
///
/// [`check_loss`](Self::check_loss) answers with [`Error::LossOutsideDomain`], [`validate`](Self::validate) with
/// [`Error::Hyperparameter`]. The acts themselves cannot fail.
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2, whose lines the three acts group.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no preconditioner",
    note = "take a pointwise metric, `Induced`, `Coupled` or `Clipped`, or implement `Preconditioner`; metrics that are not pointwise go into a `MetricDescent`"
)]
pub trait Preconditioner: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// What is summed over all elements.
    type Sums<S: Real>: Bundle<S>;
    /// What is kept once.
    type Memory<S: Real>: Bundle<S>;
    /// What `measure` and `apply` need of the memory, the same for every element.
    type Corrections<S: Real>: Bundle<S>;
    /// What `apply` multiplies by, the same for every element of a group.
    type Factors<S: Real>: Bundle<S>;

    /// The decay of moving averages in the state; as [`DiagonalMetric::decay`].
    fn decay(&self) -> f64;

    /// The metric coefficient ξ, where it has one that a schedule may change: a surface does.
    fn xi(&self) -> Option<f64> {
        None
    }

    /// The scalar state before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S>;

    /// What the next step needs of the memory after the last one.
    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S>;

    /// The state after the gradient has been seen.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// The state with its moving averages corrected for their start at zero, by 1 / (1 − βᵗ) with β the [`decay`](Self::decay).
    #[inline(always)]
    fn unbias<S: Real>(&self, correction: S, state: Self::State<S>) -> Self::State<S> {
        state.times(correction)
    }

    /// Act 1: what one coordinate adds to the sums. The state has been updated and bias-corrected.
    fn measure<S: Real>(&self, corrections: Self::Corrections<S>, state: Self::State<S>, at: Local<S>)
    -> Self::Sums<S>;

    /// Act 2: factors and new memory from the sums. The memory must depend on nothing that differs between groups which share a sum.
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, S>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S>>;

    /// Act 3: the component of the step vector, from the component `momentum` of the covector to follow.
    fn apply<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        factors: Self::Factors<S>,
        state: Self::State<S>,
        at: Local<S>,
    ) -> S;

    /// The state to keep, where it learns from the step: from the one after [`observe`](Self::observe), without bias correction.
    #[inline(always)]
    fn settle<S: Real>(&self, factors: Self::Factors<S>, state: Self::State<S>, gradient: S) -> Self::State<S> {
        let _ = (factors, gradient);
        state
    }

    /// Whether [`damp`](Self::damp) needs the sums of every tensor by itself.
    fn learns_per_tensor(&self) -> bool {
        false
    }

    /// Accepts a loss that `damp` can use.
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`].
    fn check_loss(&self, loss: f64) -> Result<(), Error>;

    /// Accepts the preconditioner's own constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

impl<M: DiagonalMetric> Preconditioner for M {
    type State<S: Real> = M::State<S>;
    type Sums<S: Real> = ();
    type Memory<S: Real> = ();
    type Corrections<S: Real> = ();
    type Factors<S: Real> = ();

    fn decay(&self) -> f64 {
        DiagonalMetric::decay(self)
    }

    fn begin<S: Real>(&self) {}

    fn correct<S: Real>(&self, (): ()) {}

    #[inline(always)]
    fn observe<S: Real>(&self, state: M::State<S>, gradient: S) -> M::State<S> {
        DiagonalMetric::observe(self, state, gradient)
    }

    #[inline(always)]
    fn measure<S: Real>(&self, (): (), _state: M::State<S>, _at: Local<S>) {}

    fn damp<S: Real>(&self, _inputs: Inputs<S, S>, (): (), _sums: Totals<()>) -> Outcome<(), (), Damping<S>> {
        Outcome { factors: (), memory: (), report: Damping::flat() }
    }

    #[inline(always)]
    fn apply<S: Real>(&self, (): (), (): (), state: M::State<S>, at: Local<S>) -> S {
        DiagonalMetric::inverse(self, state) * at.momentum
    }

    fn check_loss(&self, _loss: f64) -> Result<(), Error> {
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        check_diagonal(self)
    }

    fn name(&self) -> String {
        DiagonalMetric::name(self)
    }
}
