//! The ambient metric: how the space over parameters and heights is measured, in which the surface stands.

use crate::ambient::gram::Gram;
use crate::ambient::heights::Heights;
use crate::ambient::solve::CouplingProducts;
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Field, Real, finite, holds};
use crate::space::acts::Local;

/// The metric of the ambient space, whose coordinates are the parameters θ and a height for each of K losses.
///
/// # Mathematics
///
#[doc = include_str!("../../math/ambient_metric.html")]
///
/// # Requirements
///
/// a > 0, and B − Cᵀγ⁻¹C positive definite: G is a metric exactly then, and a step is refused elsewhere. Functions are pure. Mark
/// `columns` and `observe` `#[inline(always)]`, as [`Kernel`](crate::Kernel) says why.
///
/// # Example
///
/// A height that counts for less the higher it is, G = diag(γ, 1/(1 + h)):
///
/// ```
/// use ambient_metric::{
///     AmbientMetric, Configuration, Covector, Descent, Euclidean, Identity, Induced, NoMomentum, Real,
/// };
/// use ambient_metric::ambient::{Gram, Position};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Fading;
///
/// impl AmbientMetric for Fading {
///     type State<S: Real> = ();
///     type Memory<S: Real> = ();
///     type Columns<S: Real> = ();
///
///     fn block<S: Real>(&self, (): (), at: Position<S>) -> Option<Gram<S>> {
///         Some(Gram::diagonal([S::one() / (S::one() + at.heights[0])]))
///     }
/// }
///
/// let rule = Descent::new(Euclidean, Induced::new(Identity, 1.0).ambient(Fading), NoMomentum);
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(theta.clone());
/// let report = Configuration::new(rule, 0.1).build(&theta)?.step(&mut theta, &gradient, 4.0)?;
/// // b = 1/5 and ⟨l, l⟩ = 25, so r = 1 / (1 + 25/5).
/// assert!((report.damping - 1.0 / 6.0).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`check`](Self::check) refuses positions where there is no metric, [`validate`](Self::validate) constants out of their ranges.
///
/// # References
///
/// arXiv 2509.03594, eq. 7, for the product of γ and a line. B. O'Neill, *Semi-Riemannian Geometry*, 1983, chapter 7, for warped products.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no ambient metric for {K} losses",
    note = "implement `AmbientMetric<{K}>`: name `State`, `Memory` and `Columns` (mostly `()`) and write those of `scale`, `block` and `columns` that differ from the product metric's"
)]
pub trait AmbientMetric<const K: usize = 1>: Clone + Sync {
    /// What is kept per element, for [`columns`](Self::columns); mostly `()`.
    type State<S: Real>: Bundle<S>;
    /// What is kept once, for [`scale`](Self::scale) and [`block`](Self::block); mostly `()`.
    type Memory<S: Real>: Bundle<S>;
    /// The components of C at a coordinate: `()` where C = 0, else `[S; K]`.
    type Columns<S: Real>: Columns<S, K>;

    /// Whether a, B, what is descended, or where the space ends depend on the position; where they do not, the heights are not computed.
    const DEPENDS_ON_POSITION: bool = true;

    /// Whether the columns are the same at every point: without columns they are. The curvature of a surface is known for constant columns alone.
    const HAS_CONSTANT_COLUMNS: bool = false;

    /// The components of the columns of C at one coordinate, from its parameter, and gradient and momentum of every loss.
    #[inline(always)]
    fn columns<S: Real>(&self, state: Self::State<S>, at: Local<S, [S; K]>) -> Self::Columns<S> {
        let _ = (state, at);
        Bundle::<S>::zero()
    }

    /// The state of a coordinate after the gradients have been seen. It begins at zero.
    #[inline(always)]
    fn observe<S: Real>(&self, state: Self::State<S>, gradients: [S; K]) -> Self::State<S> {
        let _ = gradients;
        state
    }

    /// The memory before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S> {
        Bundle::<S>::zero()
    }

    /// The memory after a step that was taken from here.
    fn learn<S: Real>(&self, memory: Self::Memory<S>, at: Position<S, K>) -> Self::Memory<S> {
        let _ = at;
        memory
    }

    /// a, where it is not one. A step is refused where it is not above zero, also on devices, which do not ask [`check`](Self::check) of losses that lie
    /// there.
    fn scale<S: Real>(&self, memory: Self::Memory<S>, at: Position<S, K>) -> Option<S> {
        let _ = (memory, at);
        None
    }

    /// B, where it is not the unit matrix.
    fn block<S: Real>(&self, memory: Self::Memory<S>, at: Position<S, K>) -> Option<Gram<S, K>> {
        let _ = (memory, at);
        None
    }

    /// p_A = ∂F/∂L_A for the scalar F that is descended, where that is not Σ f_A(L_A), whose p_A are the slopes f′_A.
    fn descended<S: Real>(&self, at: Position<S, K>) -> Option<[S; K]> {
        let _ = at;
        None
    }

    /// Where there is a metric. By default it asks for a > 0, with the memory before the first step; recordings know of no other
    /// [`check`](Self::check).
    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        accepts_scale(self, at)
    }

    /// Accepts positions where there is a metric, where [`accepts`](Self::accepts) holds.
    ///
    /// # Errors
    ///
    /// [`Error::OutsideSpace`].
    #[inline]
    fn check(&self, at: Position<f64, K>) -> Result<(), Error> {
        if self.accepts(at) {
            return Ok(());
        }
        Err(Error::OutsideSpace { ambient: self.name(), heights: at.heights.to_vec() })
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

/// Where a is finite and above zero, with the memory before the first step.
pub(crate) fn accepts_scale<A: AmbientMetric<K>, S: Real, const K: usize>(ambient: &A, at: Position<S, K>) -> S::Mask {
    ambient.scale(ambient.begin::<S>(), at).map_or_else(holds::<S>, |scale| finite(scale) & S::zero().less(scale))
}

/// Where a step is taken from: what the scale a and the block B of an ambient metric may depend on.
///
/// ```
/// let at = ambient_metric::ambient::Position { losses: [4.0], heights: [2.0] };
/// assert_eq!(at.heights[0], 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position<S, const K: usize = 1> {
    /// L_A.
    pub losses: [S; K],
    /// h_A = √ξ_A f_A(L_A).
    pub heights: [S; K],
}

impl<S: Real, const K: usize> Position<S, K> {
    /// Where these losses are on a surface, as far as an ambient metric depends on it.
    #[inline(always)]
    pub(crate) fn of<A: AmbientMetric<K>, H: Heights<K>>(heights: &H, losses: [S; K], root_xi: [S; K]) -> Self {
        let mut at = Self { losses, heights: losses };
        if A::DEPENDS_ON_POSITION {
            at.heights = heights.values(losses);
            for (height, root) in at.heights.iter_mut().zip(root_xi) {
                *height = root * *height;
            }
        }
        at
    }
}

/// The components of the K columns of C at a coordinate: `[S; K]`, or `()` where C = 0 and nothing is measured of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of {K} columns",
    note = "write `[S; K]`, one component for every loss, or `()` where C = 0"
)]
pub trait Columns<S: Field, const K: usize>: Bundle<S> {
    /// What is summed: nothing, or ⟨l_A, c_B⟩ and ⟨c_A, c_B⟩.
    type Products: Bundle<S>;
    /// What is summed where momentum goes through the full inverse: nothing, or ⟨c_A, m̂_B⟩.
    type Momenta: Bundle<S>;
    /// Weights of the columns: nothing, or K.
    type Weights: Bundle<S>;

    /// What a coordinate adds to the products.
    fn products(self, raised: Self, raised_gradients: [S; K]) -> Self::Products;

    /// The products that were summed, where there are columns.
    fn summed(products: Self::Products) -> Option<CouplingProducts<S, K>>;

    /// What a coordinate adds to the products with the momenta, from the columns raised.
    fn with_momenta(self, momenta: [S; K]) -> Self::Momenta;

    /// Σ_B p_B⟨c_A, m̂_B⟩.
    fn along(products: Self::Momenta, weights: [S; K]) -> [S; K];

    /// These weights, as far as there are columns.
    fn weights(weights: [S; K]) -> Self::Weights;

    /// Σ_A w_A c_A, added to a component.
    fn weigh(self, weights: Self::Weights, to: S) -> S;
}

impl<S: Field, const K: usize> Columns<S, K> for () {
    type Products = ();
    type Momenta = ();
    type Weights = ();

    #[inline(always)]
    fn products(self, (): (), _: [S; K]) {}

    #[inline(always)]
    fn summed((): ()) -> Option<CouplingProducts<S, K>> {
        None
    }

    #[inline(always)]
    fn with_momenta(self, _: [S; K]) {}

    #[inline(always)]
    fn along((): (), _: [S; K]) -> [S; K] {
        [S::zero(); K]
    }

    #[inline(always)]
    fn weights(_: [S; K]) {}

    #[inline(always)]
    fn weigh(self, (): (), to: S) -> S {
        to
    }
}

impl<S: Field, const K: usize> Columns<S, K> for [S; K] {
    type Products = CouplingProducts<S, K>;
    type Momenta = [[S; K]; K];
    type Weights = [S; K];

    #[inline(always)]
    fn products(self, raised: Self, raised_gradients: [S; K]) -> CouplingProducts<S, K> {
        CouplingProducts { along: outer(raised_gradients, self), between: Gram::of(self, raised) }
    }

    #[inline(always)]
    fn summed(products: CouplingProducts<S, K>) -> Option<CouplingProducts<S, K>> {
        Some(products)
    }

    #[inline(always)]
    fn with_momenta(self, momenta: [S; K]) -> [[S; K]; K] {
        outer(self, momenta)
    }

    #[inline(always)]
    fn along(products: [[S; K]; K], weights: [S; K]) -> [S; K] {
        products.map(|row| row.weigh(weights, S::zero()))
    }

    #[inline(always)]
    fn weights(weights: [S; K]) -> [S; K] {
        weights
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
    fn weigh(self, weights: [S; K], to: S) -> S {
        let mut sum = to;
        for column in 0..K {
            sum = sum + weights[column] * self[column];
        }
        sum
    }
}

/// x_A y_B.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
pub(crate) fn outer<S: Field, const K: usize>(x: [S; K], y: [S; K]) -> [[S; K]; K] {
    let mut products = [[S::zero(); K]; K];
    for row in 0..K {
        for column in 0..K {
            products[row][column] = x[row] * y[column];
        }
    }
    products
}

bundle! {
    /// The components of all covectors that a preconditioner works with, at one coordinate: gradient and momentum of every loss, and columns.
    pub nested struct Covectors<L, C> {
        /// l_A.
        gradient: L,
        /// m̂_A.
        momentum: L,
        /// c.
        columns: C,
    }
}

/// The product of γ and a line for every height, G = γ ⊕ 1: the paper's ambient space.
///
/// ```
/// use ambient_metric::AmbientMetric;
/// use ambient_metric::ambient::Product;
/// assert_eq!(AmbientMetric::<1>::name(&Product), "Product");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Product;

impl<const K: usize> AmbientMetric<K> for Product {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    const DEPENDS_ON_POSITION: bool = false;
}

named_unit!(Product);
