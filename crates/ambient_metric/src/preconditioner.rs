//! Preconditioners: what turns a gradient covector into a step vector, one coordinate at a time.

use crate::bundle;
use crate::bundle::Bundle;
use crate::embedding::{Embedding, short_name};
use crate::error::{Error, require_decay, require_non_negative};
use crate::metric::{DiagonalMetric, check_diagonal};
use crate::momentum::average;
use crate::pull_back::damping;
use crate::scalar::Real;

bundle! {
    /// What the scalar act of a step is given besides sums and memory.
    pub struct Inputs {
        /// The loss L whose gradient the step follows.
        loss,
        /// η of the group.
        learning_rate,
        /// λ of the group.
        weight_decay,
        /// The metric coefficient ξ.
        xi,
    }
}

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
    }
}

impl<S: Real> Damping<S> {
    /// The flat limit ξ = 0 with f = identity: no damping.
    #[must_use]
    pub fn flat() -> Self {
        Self { squared_length: S::zero(), averaged: S::zero(), slope: S::one(), damping: S::one() }
    }
}

bundle! {
    /// The outcome of a scalar act.
    pub nested struct Outcome<F, M, R> {
        /// What the last act multiplies by.
        factors: F,
        /// The scalar memory after the step.
        memory: M,
        /// What the step tells about itself.
        report: R,
    }
}

/// What turns a covector into a step vector, in the three acts measure → damp → apply.
///
/// Every [`DiagonalMetric`] is one (it applies γ⁻¹ and measures nothing): with the RMSprop metric that is Adam's
/// preconditioner. [`Induced`] is the one that this crate derives: the inverse of the pull-back metric of any base metric
/// by any embedding. [`Descent`](crate::Descent) makes an optimiser of either.
///
/// # Mathematics
///
/// The step vector is P(m̂), with P linear in the momentum covector m̂ once the sums are known:
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
/// use ambient_metric::{Bundle, Euclidean, Identity, Induced, Inputs, Preconditioner};
///
/// let preconditioner = Induced::new(Euclidean, Identity, 1.0);
/// let sums = preconditioner.measure((), 3.0, 3.0).plus(preconditioner.measure((), 4.0, 4.0));
/// let inputs = Inputs { loss: 1.0, learning_rate: 0.1, weight_decay: 0.0, xi: preconditioner.xi() };
/// let outcome = preconditioner.damp(inputs, preconditioner.begin(), sums);
///
/// assert_eq!(outcome.report.squared_length, 25.0);
/// let component: f64 = preconditioner.apply(outcome.factors, (), 3.0, 3.0);
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
pub trait Preconditioner: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// What is summed over all elements.
    type Sums<S: Real>: Bundle<S>;
    /// What is kept once.
    type Memory<S: Real>: Bundle<S>;
    /// What `apply` multiplies by, the same for every element.
    type Factors<S: Real>: Bundle<S>;

    /// The decay of moving averages in the state; as [`DiagonalMetric::decay`].
    fn decay(&self) -> f64;

    /// The metric coefficient ξ.
    fn xi(&self) -> f64 {
        0.0
    }

    /// The scalar state before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S>;

    /// The state after the gradient has been seen.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// Act 1: what one coordinate adds to the sums. The state has been updated and bias-corrected.
    fn measure<S: Real>(&self, state: Self::State<S>, gradient: S, momentum: S) -> Self::Sums<S>;

    /// Act 2: factors and new memory from the sums.
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S>,
        memory: Self::Memory<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S>>;

    /// Act 3: the component of the step vector, from the component `momentum` of the covector to follow.
    fn apply<S: Real>(&self, factors: Self::Factors<S>, state: Self::State<S>, gradient: S, momentum: S) -> S;

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
    type Factors<S: Real> = ();

    fn decay(&self) -> f64 {
        DiagonalMetric::decay(self)
    }

    fn begin<S: Real>(&self) {}

    #[inline(always)]
    fn observe<S: Real>(&self, state: M::State<S>, gradient: S) -> M::State<S> {
        DiagonalMetric::observe(self, state, gradient)
    }

    #[inline(always)]
    fn measure<S: Real>(&self, _state: M::State<S>, _gradient: S, _momentum: S) {}

    fn damp<S: Real>(&self, _inputs: Inputs<S>, (): (), (): ()) -> Outcome<(), (), Damping<S>> {
        Outcome { factors: (), memory: (), report: Damping::flat() }
    }

    #[inline(always)]
    fn apply<S: Real>(&self, (): (), state: M::State<S>, _gradient: S, momentum: S) -> S {
        self.inverse(state) * momentum
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

/// The inverse of the pull-back metric, as a preconditioner: the paper's optimiser.
///
/// # Mathematics
///
#[doc = include_str!("../math/induced.html")]
///
/// # Requirements
///
/// ξ ≥ 0 and β in [0, 1). β = 0 means that v̂ = s. The loss lies in the domain of the embedding.
///
/// # Example
///
/// ```
/// use ambient_metric::{Induced, Log, Preconditioner, RmsProp};
///
/// let preconditioner = Induced::new(RmsProp::default(), Log, 0.1).beta(0.8);
/// assert!(preconditioner.validate().is_ok());
/// assert!(preconditioner.beta(1.0).validate().is_err());
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 and the RMSprop variant; [`Exact`] applies eq. 8 to the momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Induced<M, E, P = Damped> {
    /// The base metric γ.
    pub metric: M,
    /// The embedding f.
    pub embedding: E,
    /// Where momentum enters.
    pub placement: P,
    /// The metric coefficient ξ.
    pub xi: f64,
    /// The decay β of the moving average of s.
    pub beta: f64,
}

impl<M, E> Induced<M, E> {
    /// The pull-back of `metric` by `embedding` with coefficient ξ, without averaging (β = 0), momentum [`Damped`] as in the paper.
    pub fn new(metric: M, embedding: E, xi: f64) -> Self {
        Self { metric, embedding, placement: Damped, xi, beta: 0.0 }
    }
}

impl<M, E, P> Induced<M, E, P> {
    /// With the moving average of s decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    /// With the full inverse applied to the momentum covector.
    #[must_use]
    pub fn exact(self) -> Induced<M, E, Exact> {
        Induced { metric: self.metric, embedding: self.embedding, placement: Exact, xi: self.xi, beta: self.beta }
    }
}

bundle! {
    /// The sums of an induced preconditioner: ⟨l, l⟩ in γ⁻¹, and what the momentum placement needs.
    pub nested struct InducedSums<S, P> { squared_length: S, placement: P }
}

bundle! {
    /// The scalar state of an induced preconditioner: v, and βᵗ.
    pub struct Average { average, power }
}

impl<M: DiagonalMetric, E: Embedding, P: Placement> Preconditioner for Induced<M, E, P> {
    type State<S: Real> = M::State<S>;
    type Sums<S: Real> = InducedSums<S, P::Sums<S>>;
    type Memory<S: Real> = Average<S>;
    type Factors<S: Real> = P::Factors<S>;

    fn decay(&self) -> f64 {
        DiagonalMetric::decay(&self.metric)
    }

    fn xi(&self) -> f64 {
        self.xi
    }

    fn begin<S: Real>(&self) -> Average<S> {
        Average { average: S::zero(), power: S::one() }
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: M::State<S>, gradient: S) -> M::State<S> {
        DiagonalMetric::observe(&self.metric, state, gradient)
    }

    #[inline(always)]
    fn measure<S: Real>(&self, state: M::State<S>, gradient: S, momentum: S) -> Self::Sums<S> {
        let raised = self.metric.inverse(state) * gradient;
        InducedSums { squared_length: gradient * raised, placement: self.placement.measure(raised, momentum) }
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S>,
        memory: Average<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<P::Factors<S>, Average<S>, Damping<S>> {
        let squared_length = inputs.xi * sums.squared_length;
        let memory = Average {
            average: average(self.beta, memory.average, squared_length),
            power: memory.power * S::constant(self.beta),
        };
        let averaged = memory.average / (S::one() - memory.power);
        let slope = self.embedding.slope(inputs.loss);
        let damping = Damping { squared_length, averaged, slope, damping: damping(slope, averaged) };
        Outcome {
            factors: self.placement.factors(damping, sums.squared_length, sums.placement),
            memory,
            report: damping,
        }
    }

    #[inline(always)]
    fn apply<S: Real>(&self, factors: P::Factors<S>, state: M::State<S>, gradient: S, momentum: S) -> S {
        let inverse = self.metric.inverse(state);
        self.placement.apply(factors, inverse * gradient, inverse * momentum)
    }

    fn check_loss(&self, loss: f64) -> Result<(), Error> {
        self.embedding.check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        check_diagonal(&self.metric)?;
        self.embedding.validate()?;
        require_non_negative("xi", self.xi)?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Induced({}, {}, {})", DiagonalMetric::name(&self.metric), self.embedding.name(), P::NAME)
    }
}

/// Where momentum enters the pull-back inverse: damped as a whole ([`Damped`]) or through the full inverse ([`Exact`]).
///
/// # Mathematics
///
/// [`Damped`]: r m̂♯. [`Exact`]: f′(m̂♯ − c l♯) + r c l♯ with c = ⟨l, m̂⟩ / ⟨l, l⟩. Both agree when the momentum covector is the gradient.
///
/// # Requirements
///
/// The step vector is linear in m̂♯ and l♯, and is r l♯ where m̂ = l.
///
/// # Example
///
/// ```
/// use ambient_metric::{Damped, Damping, Exact, Placement};
///
/// // ξ = 1, ⟨l, l⟩ = 3 and m̂ = l, so ⟨l, m̂⟩ = 3.
/// let damping = Damping { squared_length: 3.0, averaged: 3.0, slope: 1.0, damping: 0.25 };
/// let damped = Damped.factors(damping, 3.0, ());
/// let exact = Exact.factors(damping, 3.0, 3.0);
/// assert_eq!(exact, [0.25, 0.75, 1.0]);
/// assert_eq!(Damped.apply(damped, 2.0, 2.0), Exact.apply(exact, 2.0, 2.0));
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 ([`Damped`]) and eq. 8 applied to the momentum ([`Exact`]).
pub trait Placement: Sync {
    /// Sums beyond ⟨l, l⟩.
    type Sums<S: Real>: Bundle<S>;
    /// What [`apply`](Self::apply) multiplies by.
    type Factors<S: Real>: Bundle<S>;
    /// The name in reports and checkpoints.
    const NAME: &'static str;

    /// What one coordinate adds to the sums, from l♯ and m̂.
    fn measure<S: Real>(&self, raised_gradient: S, momentum: S) -> Self::Sums<S>;

    /// The factors from the damping, ⟨l, l⟩ in γ, and the sums.
    fn factors<S: Real>(&self, damping: Damping<S>, length: S, sums: Self::Sums<S>) -> Self::Factors<S>;

    /// The component of the step vector from l♯ and m̂♯.
    fn apply<S: Real>(&self, factors: Self::Factors<S>, raised_gradient: S, raised_momentum: S) -> S;
}

/// The paper's placement: the step is r m̂♯.
///
/// # Mathematics
///
/// δθ = −η r m̂♯ with m̂♯ = γ⁻¹m̂ and r = f′ / (1 + f′² v̂): the momentum is scaled as a whole and keeps its direction.
///
/// # Example
///
/// ```
/// use ambient_metric::{Damped, Placement};
/// assert_eq!(Damped.apply(0.5, 100.0, 4.0), 2.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damped;

impl Placement for Damped {
    type Sums<S: Real> = ();
    type Factors<S: Real> = S;
    const NAME: &'static str = "damped";

    #[inline(always)]
    fn measure<S: Real>(&self, _raised_gradient: S, _momentum: S) {}

    fn factors<S: Real>(&self, damping: Damping<S>, _length: S, (): ()) -> S {
        damping.damping
    }

    #[inline(always)]
    fn apply<S: Real>(&self, damping: S, _raised_gradient: S, raised_momentum: S) -> S {
        damping * raised_momentum
    }
}

/// The full inverse applied to the momentum covector: its part along the gradient is damped, the rest is not.
///
/// # Mathematics
///
/// With c = ⟨l, m̂⟩ / ⟨l, l⟩ the step is f′ (m̂♯ − c l♯) + r c l♯, computed as r m̂♯ + (f′ − r)(m̂♯ − c l♯). With β = 0 this is g⁻¹ applied to
/// f′m̂, namely f′ [ m̂♯ − l♯ ξf′²⟨l, m̂⟩ / (1 + ξf′²⟨l, l⟩) ]; with β > 0 the average enters through r alone, so the operator stays
/// positive definite. Where m̂ = l it is [`Damped`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Exact, Placement};
/// // r = 0.25, f′ − r = 0.75 and c = 1: along the gradient the step is damped.
/// assert_eq!(Exact.apply([0.25, 0.75, 1.0], 4.0, 4.0), 1.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 8, applied to the momentum in place of the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact;

impl Placement for Exact {
    /// ⟨l, m̂⟩.
    type Sums<S: Real> = S;
    /// r, f′ − r, and c.
    type Factors<S: Real> = [S; 3];
    const NAME: &'static str = "exact";

    #[inline(always)]
    fn measure<S: Real>(&self, raised_gradient: S, momentum: S) -> S {
        raised_gradient * momentum
    }

    fn factors<S: Real>(&self, damping: Damping<S>, length: S, along: S) -> [S; 3] {
        // Where l = 0 both are zero, and so is c.
        let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
        [damping.damping, damping.slope - damping.damping, along / length.maximum(tiny)]
    }

    #[inline(always)]
    fn apply<S: Real>(&self, [damping, rest, along]: [S; 3], raised_gradient: S, raised_momentum: S) -> S {
        damping * raised_momentum + rest * (raised_momentum - along * raised_gradient)
    }
}

named_unit!(Damped, Exact);
