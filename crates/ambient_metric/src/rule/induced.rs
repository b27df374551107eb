//! The inverse of the pull-back metric as a preconditioner: the paper's optimiser.

use crate::ambient::embedding::Embedding;
use crate::ambient::solve::{damping, determinant_ratio};
use crate::base::pointwise::PointwiseMetric;
use crate::bundle;
use crate::error::{Error, require_decay, require_non_negative};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::preconditioner::{Damping, Preconditioner};
use crate::space::acts::{Inputs, Local, Outcome, Totals};
use crate::space::momentum::average;

/// The inverse of the pull-back metric, as a preconditioner: the paper's optimiser.
///
/// # Mathematics
///
#[doc = include_str!("../../math/induced.html")]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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

known_keys! { Induced<M, E, P> where P: Default { metric, embedding, placement = P::default(), xi, beta = 0.0 } }

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
    /// The sums of an induced preconditioner: ⟨l, l⟩ in γ⁻¹, what the momentum placement needs, and what the base metric learns from.
    pub nested struct InducedSums<S, P, L> { squared_length: S, placement: P, lesson: L }
}

bundle! {
    /// v, the moving average of s, and βᵗ.
    pub struct Average { average, power }
}

impl<S: Real> Average<S> {
    /// Before the first step.
    pub(crate) fn begin() -> Self {
        Self { average: S::zero(), power: S::one() }
    }

    /// With one more value, at decay β.
    pub(crate) fn with(self, beta: f64, value: S) -> Self {
        Self { average: average(beta, self.average, value), power: self.power * S::constant(beta) }
    }

    /// Corrected for its start at zero.
    pub(crate) fn corrected(self) -> S {
        self.average / (S::one() - self.power)
    }
}

bundle! {
    /// The scalar memory of a surface: its moving average beside what the base metric has learned.
    pub nested struct SurfaceMemory<A, M> { surface: A, metric: M }
}

bundle! {
    /// The factors of a surface beside the base metric's correction.
    pub nested struct SurfaceFactors<P, M> { step: P, metric: M }
}

impl<M: PointwiseMetric, E: Embedding, P: Placement> Preconditioner for Induced<M, E, P> {
    type State<S: Real> = M::State<S>;
    type Sums<S: Real> = InducedSums<S, P::Sums<S>, M::Lesson<S>>;
    type Memory<S: Real> = SurfaceMemory<Average<S>, M::Memory<S>>;
    type Corrections<S: Real> = M::Shared<S>;
    type Factors<S: Real> = SurfaceFactors<P::Factors<S>, M::Correction<S>>;

    fn decay(&self) -> f64 {
        self.metric.decay()
    }

    fn xi(&self) -> Option<f64> {
        Some(self.xi)
    }

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        SurfaceMemory { surface: Average::begin(), metric: self.metric.begin() }
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> M::Shared<S> {
        self.metric.share(memory.metric)
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: M::State<S>, gradient: S) -> M::State<S> {
        self.metric.observe(state, gradient)
    }

    #[inline(always)]
    fn measure<S: Real>(&self, shared: M::Shared<S>, state: M::State<S>, at: Local<S>) -> Self::Sums<S> {
        let raised = self.metric.inverse(shared, state) * at.gradient;
        InducedSums {
            squared_length: at.gradient * raised,
            placement: self.placement.measure(raised, at.momentum),
            lesson: self.metric.lesson(shared, state, at.gradient),
        }
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, S>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S>> {
        let squared_length = inputs.xi * sums.pool.squared_length;
        let surface = memory.surface.with(self.beta, squared_length);
        let averaged = surface.corrected();
        let slope = self.embedding.slope(inputs.loss);
        let (ratio, damping) = (determinant_ratio(slope, averaged), damping(slope, averaged));
        let damping = Damping::uncoupled(squared_length, averaged, slope, damping, ratio);
        let lessons = Totals { pool: sums.pool.lesson, group: sums.group.lesson };
        Outcome {
            factors: SurfaceFactors {
                step: self.placement.factors(damping, sums.pool.squared_length, sums.pool.placement),
                metric: self.metric.correction(inputs.xi, lessons),
            },
            memory: SurfaceMemory {
                surface,
                metric: self.metric.learn(memory.metric, inputs.xi, squared_length, sums.pool.lesson),
            },
            report: damping,
        }
    }

    #[inline(always)]
    fn apply<S: Real>(&self, shared: M::Shared<S>, factors: Self::Factors<S>, state: M::State<S>, at: Local<S>) -> S {
        let inverse = self.metric.inverse(shared, state);
        self.placement.apply(factors.step, inverse * at.gradient, inverse * at.momentum)
    }

    #[inline(always)]
    fn settle<S: Real>(&self, factors: Self::Factors<S>, state: M::State<S>, gradient: S) -> M::State<S> {
        self.metric.settle(factors.metric, state, gradient)
    }

    fn learns_per_tensor(&self) -> bool {
        self.metric.learns_per_tensor()
    }

    fn check_loss(&self, loss: f64) -> Result<(), Error> {
        self.embedding.check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        self.metric.validate()?;
        self.embedding.validate()?;
        require_non_negative("xi", self.xi)?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Induced({}, {}, {})", self.metric.name(), self.embedding.name(), P::NAME)
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
/// let damping = Damping::uncoupled(3.0, 3.0, 1.0, 0.25, 4.0);
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
