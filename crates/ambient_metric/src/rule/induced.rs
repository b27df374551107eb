//! The inverse of the metric that the surface inherits, as a preconditioner: the paper's optimiser, in any ambient metric.

use crate::ambient::ambient_metric::{AmbientMetric, Columns, Covectors, Position, Product, outer};
use crate::ambient::coupled::Coupled;
use crate::ambient::coupling::Guard;
use crate::ambient::gram::Gram;
use crate::ambient::heights::{Height, Heights};
use crate::ambient::solve::{Lengths, Surface, Weights};
use crate::bundle;
use crate::error::{Error, require_decay};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised};
use crate::space::acts::{Inputs, Local, Outcome};

/// The inverse of the metric that the surface inherits from the ambient space, as a preconditioner: the paper's optimiser.
///
/// # Mathematics
///
#[doc = include_str!("../../math/induced.html")]
///
/// # Requirements
///
/// ξ_A ≥ 0 and β in [0, 1). β = 0 means that v̂ = s. The losses lie in the domains of the embeddings, and the heights where the ambient metric is one.
///
/// # Example
///
/// ```
/// use ambient_metric::{Hyperbolic, Induced, Log, Preconditioner};
/// use ambient_metric::ambient::AlongGradient;
///
/// let paper = Induced::new(Log, 0.1).beta(0.8);
/// assert_eq!(paper.name(), "Induced(Log, Product, damped)");
/// assert!(paper.validate().is_ok() && paper.beta(1.0).validate().is_err());
///
/// // The same height in another space, with momentum through the full inverse; and one that leans on the parameters.
/// assert_eq!(paper.ambient(Hyperbolic).exact().name(), "Induced(Log, Hyperbolic, exact)");
/// assert_eq!(paper.coupled(AlongGradient(0.5)).scale_back(0.01).name(), "Induced(Log, Coupled(AlongGradient), damped)");
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 and the RMSprop variant; [`Exact`] applies eq. 8 to the momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Induced<H, A = Product, P = Damped> {
    /// The embedding and ξ of every loss.
    pub heights: H,
    /// The ambient metric.
    pub ambient: A,
    /// Where momentum enters.
    pub placement: P,
    /// What happens where the ambient metric is none.
    pub guard: Guard,
    /// The decay β of the moving average of s.
    pub beta: f64,
}

known_keys! { Induced<H, A, P> where P: Default { heights, ambient = crate::keys::named("Product", "ambient")?, placement = P::default(), guard = Guard::Refuse, beta = 0.0 } }

impl<E> Induced<Height<E>> {
    /// The surface of one loss by this embedding with coefficient ξ, in the product of γ and a line, without averaging (β = 0), momentum [`Damped`] as
    /// in the paper.
    pub fn new(embedding: E, xi: f64) -> Self {
        Self::of(Height { embedding, xi })
    }
}

impl<H> Induced<H> {
    /// The common surface of several losses, each with a height of its own.
    ///
    /// ```
    /// use ambient_metric::{Height, Identity, Induced, Log};
    /// let two = Induced::of((Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.01 }));
    /// assert_eq!(two.heights.1.xi, 0.01);
    /// ```
    pub fn of(heights: H) -> Self {
        Self { heights, ambient: Product, placement: Damped, guard: Guard::Refuse, beta: 0.0 }
    }
}

impl<H, A, P> Induced<H, A, P> {
    /// With the moving average of s decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    /// In another ambient space.
    #[must_use]
    pub fn ambient<B>(self, ambient: B) -> Induced<H, B, P> {
        let Self { heights, placement, guard, beta, .. } = self;
        Induced { heights, ambient, placement, guard, beta }
    }

    /// In the space where the heights lean on the parameters by a covector; a step at which ⟨c, c⟩ ≥ 1 is refused.
    #[must_use]
    pub fn coupled<C>(self, coupling: C) -> Induced<H, Coupled<C>, P> {
        self.ambient(Coupled(coupling))
    }

    /// With the columns of the ambient metric scaled back where it is none.
    #[must_use]
    pub fn scale_back(self, margin: f64) -> Self {
        Self { guard: Guard::ScaleBack { margin }, ..self }
    }

    /// With the full inverse applied to the momentum covector.
    #[must_use]
    pub fn exact(self) -> Induced<H, A, Exact> {
        let Self { heights, ambient, guard, beta, .. } = self;
        Induced { heights, ambient, placement: Exact, guard, beta }
    }
}

bundle! {
    /// The sums of a surface: ⟨l_A, l_B⟩ in γ⁻¹, those of the columns, and what the momentum placement needs.
    pub nested struct SurfaceSums<G, C, P> { lengths: G, coupling: C, placement: P }
}

bundle! {
    /// A moving average, and βᵗ.
    pub nested struct Average<G, S> { average: G, power: S }
}

impl<G, S: Real> Average<G, S>
where
    G: Bundle<S>,
{
    /// Before the first step.
    pub(crate) fn begin() -> Self {
        Self { average: G::zero(), power: S::one() }
    }

    /// With one more value, at decay β.
    #[inline(always)]
    pub(crate) fn with(self, beta: f64, value: G) -> Self {
        let (kept, fresh) = (S::constant(beta), S::constant(1.0 - beta));
        Self { average: self.average.times(kept).plus(value.times(fresh)), power: self.power * kept }
    }

    /// Corrected for its start at zero.
    #[inline(always)]
    pub(crate) fn corrected(self) -> G {
        self.average.over(S::one() - self.power)
    }
}

bundle! {
    /// The scalar memory of a surface: the moving average of its lengths beside what the ambient metric keeps.
    pub nested struct SurfaceMemory<L, A> { lengths: L, ambient: A }
}

impl<H: Heights<K>, A: AmbientMetric<K>, P: Placement, const K: usize> Preconditioner<K> for Induced<H, A, P> {
    type State<S: Real> = A::State<S>;
    type Memory<S: Real> = SurfaceMemory<Average<Gram<S, K>, S>, A::Memory<S>>;
    type Columns<S: Real> = A::Columns<S>;
    type Sums<S: Real> =
        SurfaceSums<Gram<S, K>, <A::Columns<S> as Columns<S, K>>::Products, P::Sums<S, A::Columns<S>, K>>;
    type Factors<S: Real> = P::Factors<S, A::Columns<S>, K>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        SurfaceMemory { lengths: Average::begin(), ambient: self.ambient.begin() }
    }

    fn needs_metric(&self) -> bool {
        K > 1 || <A::Columns<f64> as Bundle<f64>>::LEN > 0 || !P::SCALES
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: A::State<S>, gradients: [S; K]) -> A::State<S> {
        self.ambient.observe(state, gradients)
    }

    #[inline(always)]
    fn columns<S: Real>(&self, state: A::State<S>, at: Local<S, [S; K]>) -> A::Columns<S> {
        self.ambient.columns(state, at)
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        at: Covectors<[S; K], A::Columns<S>>,
        raised: Raised<[S; K], A::Columns<S>>,
    ) -> Self::Sums<S> {
        SurfaceSums {
            lengths: Gram::of(at.gradient, raised.gradient),
            coupling: at.columns.products(raised.columns, raised.gradient),
            placement: self.placement.measure(at, raised),
        }
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; K]>,
        memory: Self::Memory<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S, [S; K]>> {
        // Loops in place of closures, which a step over few numbers would wait for.
        let mut root_xi = inputs.xi;
        for root in &mut root_xi {
            *root = root.sqrt();
        }
        let at = Position::of::<A, H>(&self.heights, inputs.loss, root_xi);
        let present = sums.lengths;
        // For one loss ξ is in s before its average. For several it may change between steps, and the average must stay positive semi-definite.
        let of_step = if K == 1 { present.times(inputs.xi[0]) } else { present };
        let average = memory.lengths.with(self.beta, of_step);
        let lengths = Lengths { present, averaged: average.corrected() };
        let surface = Surface {
            slopes: self.heights.slopes(inputs.loss),
            xi: inputs.xi,
            root_xi,
            descended: self.ambient.descended(at),
            scale: self.ambient.scale(memory.ambient, at),
            block: self.ambient.block(memory.ambient, at),
            coupling: A::Columns::summed(sums.coupling),
        };
        let (surface, coupling_scale) = surface.guarded(self.guard);
        let weights = surface.step(&lengths);
        let (mut squared_length, mut averaged) = (inputs.xi, inputs.xi);
        for loss in 0..K {
            let (length, average) = (present.0[loss][loss], lengths.averaged.0[loss][loss]);
            squared_length[loss] = inputs.xi[loss] * length;
            averaged[loss] = if K == 1 { average } else { inputs.xi[loss] * average };
        }
        let factors =
            self.placement.factors::<S, A::Columns<S>, K>(&surface, &lengths, weights, coupling_scale, sums.placement);
        Outcome {
            factors,
            memory: SurfaceMemory { lengths: average, ambient: self.ambient.learn(memory.ambient, at) },
            report: Damping {
                squared_length,
                averaged,
                slope: surface.slopes,
                damping: weights.gradients,
                determinant_ratio: weights.determinant_ratio,
                coupling: surface.tilt(),
                coupling_scale,
            },
        }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factors: Self::Factors<S>, at: Covectors<[S; K], A::Columns<S>>) -> S {
        self.placement.follow(factors, at)
    }

    fn xi(&self) -> Option<[f64; K]> {
        Some(self.heights.xi())
    }

    fn accepts<S: Real>(&self, losses: [S; K], xi: [S; K]) -> S::Mask {
        let inside = self.heights.accepts(losses);
        if !A::DEPENDS_ON_POSITION {
            return inside;
        }
        let root_xi = xi.map(S::sqrt);
        inside & self.ambient.accepts(Position::of::<A, H>(&self.heights, losses, root_xi))
    }

    #[inline]
    fn check(&self, losses: [f64; K], xi: [f64; K]) -> Result<(), Error> {
        self.heights.check(losses)?;
        if !A::DEPENDS_ON_POSITION {
            return Ok(());
        }
        let root_xi = core::array::from_fn(|loss| xi[loss].sqrt());
        self.ambient.check(Position::of::<A, H>(&self.heights, losses, root_xi))
    }

    fn validate(&self) -> Result<(), Error> {
        if K == 0 {
            return Err(Error::Losses { expected: 1, found: 0 });
        }
        self.heights.validate()?;
        self.ambient.validate()?;
        self.guard.validate()?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Induced({}, {}, {})", self.heights.name(), self.ambient.name(), P::NAME)
    }
}

/// Where momentum enters the inverse: damped as a whole ([`Damped`]) or through the full inverse ([`Exact`]).
///
/// # Mathematics
///
/// On the paper's surface [`Damped`] follows r m̂, and [`Exact`] f′(m̂ − c l) + r c l with c = ⟨l, m̂⟩ / ⟨l, l⟩. Both agree when the momentum covector is
/// the gradient.
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 ([`Damped`]) and eq. 8 applied to the momentum ([`Exact`]).
pub trait Placement: Clone + Sync {
    /// Sums beyond those of gradients and columns.
    type Sums<S: Real, C: Columns<S, K>, const K: usize>: Bundle<S>;
    /// What [`follow`](Self::follow) multiplies by.
    type Factors<S: Real, C: Columns<S, K>, const K: usize>: Bundle<S>;
    /// The name in reports and checkpoints.
    const NAME: &'static str;

    /// Whether every covector is raised by itself and then scaled, so that the dual of a norm will do in the place of a metric. By default no.
    const SCALES: bool = false;

    /// What one coordinate adds to the sums.
    fn measure<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        at: Covectors<[S; K], C>,
        raised: Raised<[S; K], C>,
    ) -> Self::Sums<S, C, K>;

    /// The factors, from the weights of the step without momentum, what the columns are scaled by, and the sums.
    fn factors<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        surface: &Surface<S, K>,
        lengths: &Lengths<S, K>,
        weights: Weights<S, K>,
        coupling_scale: S,
        sums: Self::Sums<S, C, K>,
    ) -> Self::Factors<S, C, K>;

    /// The component of the covector to follow.
    fn follow<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        factors: Self::Factors<S, C, K>,
        at: Covectors<[S; K], C>,
    ) -> S;
}

/// The paper's placement: momenta in the place of gradients.
///
/// # Mathematics
///
/// δθ = −η Σ_A (a_A m̂_A♯ + y_A c_A♯) with the weights of g⁻¹ Σ p_A l_A: on the paper's surface −η r m̂♯ with r = f′ / (1 + f′² v̂). The momentum is scaled
/// as a whole and keeps its direction.
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damped;

bundle! {
    /// The weights of momenta and columns.
    pub nested struct DampedFactors<L, C> { momentum: L, columns: C }
}

impl Placement for Damped {
    type Sums<S: Real, C: Columns<S, K>, const K: usize> = ();
    type Factors<S: Real, C: Columns<S, K>, const K: usize> = DampedFactors<[S; K], C::Weights>;
    const NAME: &'static str = "damped";
    const SCALES: bool = true;

    #[inline(always)]
    fn measure<S: Real, C: Columns<S, K>, const K: usize>(&self, _: Covectors<[S; K], C>, _: Raised<[S; K], C>) {}

    #[inline(always)]
    fn factors<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        _: &Surface<S, K>,
        _: &Lengths<S, K>,
        weights: Weights<S, K>,
        coupling_scale: S,
        (): (),
    ) -> DampedFactors<[S; K], C::Weights> {
        let columns = C::weights(weights.columns.times(coupling_scale));
        DampedFactors { momentum: weights.gradients, columns }
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
    fn follow<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        factors: DampedFactors<[S; K], C::Weights>,
        at: Covectors<[S; K], C>,
    ) -> S {
        if K == 0 {
            return S::zero();
        }
        let mut sum = factors.momentum[0] * at.momentum[0];
        for loss in 1..K {
            sum = sum + factors.momentum[loss] * at.momentum[loss];
        }
        at.columns.weigh(factors.columns, sum)
    }
}

/// The full inverse applied to the momentum covectors: what they have along the surface's covectors is damped, the rest is not.
///
/// # Mathematics
///
/// The step is −η g⁻¹ Σ p_A m̂_A, with g⁻¹ of this step. On the paper's surface that is f′(m̂♯ − c l♯) + r c l♯ with c = ⟨l, m̂⟩ / ⟨l, l⟩, computed as
/// r m̂♯ + (f′ − r)(m̂♯ − c l♯); an average enters through r alone. With several losses or columns it enters as the ratio of the determinants without
/// and with it. So the operator stays positive definite. Where m̂ = l it is [`Damped`].
///
/// # References
///
/// arXiv 2509.03594, eq. 8, applied to the momentum in place of the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact;

bundle! {
    /// The sums ⟨l_A, m̂_B⟩ and ⟨c_A, m̂_B⟩.
    pub nested struct ExactSums<G, C> { gradients: G, columns: C }
}

bundle! {
    /// The weights of every m̂_A, of what remains of it, and of l_A in that remainder; then of the columns.
    pub nested struct ExactFactors<L, C> { damped: L, rest: L, along: L, columns: C }
}

impl Placement for Exact {
    type Sums<S: Real, C: Columns<S, K>, const K: usize> = ExactSums<[[S; K]; K], C::Momenta>;
    type Factors<S: Real, C: Columns<S, K>, const K: usize> = ExactFactors<[S; K], C::Weights>;
    const NAME: &'static str = "exact";

    #[inline(always)]
    fn measure<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        at: Covectors<[S; K], C>,
        raised: Raised<[S; K], C>,
    ) -> Self::Sums<S, C, K> {
        ExactSums { gradients: outer(raised.gradient, at.momentum), columns: raised.columns.with_momenta(at.momentum) }
    }

    fn factors<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        surface: &Surface<S, K>,
        lengths: &Lengths<S, K>,
        weights: Weights<S, K>,
        coupling_scale: S,
        sums: Self::Sums<S, C, K>,
    ) -> Self::Factors<S, C, K> {
        let descended = surface.descended();
        if K == 1 && surface.coupling.is_none() {
            let free = descended.map(|weight| surface.scaled(weight));
            // Where l = 0 both products are zero, and so is what is along.
            let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
            return ExactFactors {
                damped: weights.gradients,
                rest: core::array::from_fn(|loss| free[loss] - weights.gradients[loss]),
                along: core::array::from_fn(|loss| {
                    sums.gradients[loss][loss] / lengths.present.0[loss][loss].maximum(tiny)
                }),
                columns: C::weights([S::zero(); K]),
            };
        }
        let gradients = <[S; K] as Columns<S, K>>::along(sums.gradients, descended);
        let columns = C::along(sums.columns, descended).map(|product| coupling_scale * product);
        let (taken, late) = surface.taken(lengths, [gradients, columns]);
        let weight = |weight: S| surface.scaled(late * weight);
        ExactFactors {
            damped: core::array::from_fn(|loss| weight(descended[loss] - surface.slopes[loss])),
            rest: surface.slopes.map(weight),
            along: core::array::from_fn(|loss| taken[0][loss] / surface.slopes[loss]),
            columns: C::weights(taken[1].map(|column| -(coupling_scale * weight(column)))),
        }
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
    fn follow<S: Real, C: Columns<S, K>, const K: usize>(
        &self,
        factors: Self::Factors<S, C, K>,
        at: Covectors<[S; K], C>,
    ) -> S {
        if K == 0 {
            return S::zero();
        }
        let ExactFactors { damped, rest, along, columns } = factors;
        let mut sum = damped[0] * at.momentum[0] + rest[0] * (at.momentum[0] - along[0] * at.gradient[0]);
        for loss in 1..K {
            let remainder = at.momentum[loss] - along[loss] * at.gradient[loss];
            sum = sum + (damped[loss] * at.momentum[loss] + rest[loss] * remainder);
        }
        at.columns.weigh(columns, sum)
    }
}

named_unit!(Damped, Exact);
