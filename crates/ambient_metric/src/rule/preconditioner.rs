//! Preconditioners: what turns the momenta of a step into a step vector, from inner products in γ⁻¹.

use crate::ambient::ambient_metric::Covectors;
use crate::base::pointwise::Stretch;
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Real, holds};
use crate::space::acts::{Inputs, Local, Outcome};

bundle! {
    /// How a preconditioner damps a step: what a report says of the geometry. `L` is one number, or one per loss.
    pub nested struct Damping<S, L = S> {
        /// s = ξ⟨l, l⟩, with the length taken in γ.
        squared_length: L,
        /// v̂, the moving average of s, corrected for its start at zero.
        averaged: L,
        /// f′, the slope of the embedding at the loss.
        slope: L,
        /// The weight of m̂♯ in the step: r = f′ / (1 + f′² v̂) on the paper's surface.
        damping: L,
        /// det g / (aᴺ det γ), on the paper's surface 1 + f′² v̂. A step is refused unless it is above zero.
        determinant_ratio: S,
        /// ⟨c, c⟩/b of a coupling covector c as it enters the metric; zero without coupling. For several losses a number that is below one exactly
        /// where B − Cᵀγ⁻¹C is positive definite. A step is refused unless it is below one.
        coupling: S,
        /// What the columns were multiplied by to keep that below one; one where nothing was needed.
        coupling_scale: S,
    }
}

impl<S: Real, const K: usize> Damping<S, [S; K]> {
    /// The flat limit ξ = 0 with f = identity: no damping.
    #[must_use]
    pub fn flat() -> Self {
        Self::uncoupled([S::zero(); K], [S::zero(); K], [S::one(); K], [S::one(); K], S::one())
    }
}

impl<S: Real, L> Damping<S, L> {
    /// A surface whose heights are orthogonal to the parameters.
    #[must_use]
    pub fn uncoupled(squared_length: L, averaged: L, slope: L, damping: L, determinant_ratio: S) -> Self {
        let (coupling, coupling_scale) = (S::zero(), S::one());
        Self { squared_length, averaged, slope, damping, determinant_ratio, coupling, coupling_scale }
    }
}

/// What turns the momenta of K losses into a step vector, in the acts measure → damp → follow, from inner products in a base metric γ that it need
/// not know: pointwise or not, on any backend.
///
/// [`Induced`](crate::Induced) is the one that this crate derives: the inverse of the metric that the surface inherits from any
/// [`AmbientMetric`](crate::AmbientMetric). [`Flat`] is none at all, and makes SGD and AdamW; [`Bilinear`](crate::rule::Bilinear) and
/// [`Clipped`](crate::rule::Clipped) are relatives. [`Descent`](crate::Descent) makes an optimiser of each.
///
/// # Mathematics
///
/// With the covectors u of a coordinate (gradients l_A, momenta m̂_A, and columns c of the preconditioner's own) and u♯ = γ⁻¹u:
///
/// Σ = Σᵢ measure(uᵢ, u♯ᵢ), (factors, memory) = damp(L, ξ, memory, Σ), and the step vector is γ⁻¹ follow(factors, u).
///
/// # Requirements
///
/// `follow` is linear in the covectors. What `measure` returns is summed over all coordinates. Mark `observe`, `columns`, `measure` and `follow`
/// `#[inline(always)]`, as [`Kernel`](crate::Kernel) says why.
///
/// # Example
///
/// The trust ratio of LARS, over all parameters at once: steps whose length is that of the parameters, ‖θ‖/‖l‖ · l♯.
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Euclidean, NoMomentum, Preconditioner, Real};
/// use ambient_metric::ambient::Covectors;
/// use ambient_metric::rule::{Damping, Raised};
/// use ambient_metric::space::{Inputs, Local, Outcome};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Trust;
///
/// impl Preconditioner for Trust {
///     type State<S: Real> = ();
///     type Memory<S: Real> = ();
///     type Columns<S: Real> = S;
///     type Sums<S: Real> = [S; 2];
///     type Factors<S: Real> = S;
///
///     /// The parameter itself, to measure it.
///     #[inline(always)]
///     fn columns<S: Real>(&self, (): (), at: Local<S, [S; 1]>) -> S {
///         at.parameter
///     }
///     #[inline(always)]
///     fn measure<S: Real>(&self, at: Covectors<[S; 1], S>, raised: Raised<[S; 1], S>) -> [S; 2] {
///         [at.columns * raised.columns, at.gradient[0] * raised.gradient[0]]
///     }
///     fn damp<S: Real>(&self, _: Inputs<S, [S; 1]>, (): (), [parameter, gradient]: [S; 2]) -> Outcome<S, (), Damping<S, [S; 1]>> {
///         let ratio = (parameter / gradient).sqrt();
///         let report = Damping::uncoupled([gradient], [gradient], [S::one()], [ratio], S::one());
///         Outcome { factors: ratio, memory: (), report }
///     }
///     #[inline(always)]
///     fn follow<S: Real>(&self, ratio: S, at: Covectors<[S; 1], S>) -> S {
///         ratio * at.momentum[0]
///     }
/// }
///
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(Parameters::from(array![0.3, 0.4]));
/// let rule = Descent::new(Euclidean, Trust, NoMomentum);
/// Configuration::new(rule, 0.1).build(&theta)?.step(&mut theta, &gradient, 1.0)?;
/// assert!((theta.as_slice()[0] - 2.7).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`check`](Self::check) refuses losses that `damp` cannot use, [`validate`](Self::validate) constants out of their ranges. The acts themselves
/// cannot fail.
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2, whose lines the acts group.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no preconditioner",
    note = "take `Flat`, `Induced`, `Bilinear` or `Clipped`, or implement `Preconditioner`; a base metric is the first part of a `Descent`, the preconditioner the second"
)]
pub trait Preconditioner<const K: usize = 1>: Clone + Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// What is kept once.
    type Memory<S: Real>: Bundle<S>;
    /// Covectors beside gradients and momenta, at one coordinate.
    type Columns<S: Real>: Bundle<S>;
    /// What is summed over all elements.
    type Sums<S: Real>: Bundle<S>;
    /// What [`follow`](Self::follow) multiplies by, the same for every element of a group.
    type Factors<S: Real>: Bundle<S>;

    /// Whether [`measure`](Self::measure) needs m̂_A♯.
    const RAISES_MOMENTA: bool = false;

    /// The memory before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S> {
        Bundle::<S>::zero()
    }

    /// The state of a coordinate after the gradients have been seen. It begins at zero.
    #[inline(always)]
    fn observe<S: Real>(&self, state: Self::State<S>, gradients: [S; K]) -> Self::State<S> {
        let _ = gradients;
        state
    }

    /// The components of the columns at one coordinate.
    #[inline(always)]
    fn columns<S: Real>(&self, state: Self::State<S>, at: Local<S, [S; K]>) -> Self::Columns<S> {
        let _ = (state, at);
        Bundle::<S>::zero()
    }

    /// Act 1: what one coordinate adds to the sums.
    fn measure<S: Real>(
        &self,
        at: Covectors<[S; K], Self::Columns<S>>,
        raised: Raised<[S; K], Self::Columns<S>>,
    ) -> Self::Sums<S>;

    /// The sums where l♯ and m̂♯ are so much longer than they were for [`measure`](Self::measure). By default every sum is one with l♯.
    fn stretch<S: Real>(&self, sums: Self::Sums<S>, by: Stretch<S>) -> Self::Sums<S> {
        sums.times(by.gradient)
    }

    /// Act 2: factors, new memory and what is reported, from the sums over all parameters that share the metric. Memory and lengths must not depend on
    /// the rates in `inputs`, which differ between groups that share a sum.
    #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; K]>,
        memory: Self::Memory<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S, [S; K]>>;

    /// Act 3: the component of the covector to follow.
    fn follow<S: Real>(&self, factors: Self::Factors<S>, at: Covectors<[S; K], Self::Columns<S>>) -> S;

    /// The metric coefficients ξ_A, where it has such that a schedule may change: a surface does.
    fn xi(&self) -> Option<[f64; K]> {
        None
    }

    /// Whether it needs a γ whose γ⁻¹ is linear; no where the dual of a norm will do, because a covector is raised by itself and then scaled.
    fn needs_metric(&self) -> bool {
        true
    }

    /// Whether it compares what is raised with what is not at one coordinate, so that γ has to be pointwise.
    fn needs_pointwise(&self) -> bool {
        false
    }

    /// The ξ that drives a metric that learns: Σ ξ_A.
    fn drive<S: Real>(&self, xi: [S; K]) -> S {
        total(xi)
    }

    /// Where losses, and ξ, are such that `damp` can use them: where [`check`](Self::check) accepts them, for recordings.
    fn accepts<S: Real>(&self, losses: [S; K], xi: [S; K]) -> S::Mask {
        let _ = (losses, xi);
        holds::<S>()
    }

    /// Accepts losses, and ξ, that `damp` can use.
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`], [`Error::OutsideSpace`].
    #[inline]
    fn check(&self, losses: [f64; K], xi: [f64; K]) -> Result<(), Error> {
        let _ = (losses, xi);
        Ok(())
    }

    /// Accepts the preconditioner's own constants.
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

bundle! {
    /// The components of l_A♯ and c♯ at one coordinate.
    pub nested struct Raised<L, C> {
        /// l_A♯.
        gradient: L,
        /// m̂_A♯ if the preconditioner [asks](Preconditioner::RAISES_MOMENTA) for them, else as they are.
        momentum: L,
        /// c♯.
        columns: C,
    }
}

/// The sum of the components. Without a closure, which would not be compiled for the vectors of the processor.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
pub(crate) fn total<S: Real, const K: usize>(components: [S; K]) -> S {
    if K == 0 {
        return S::zero();
    }
    let mut sum = components[0];
    for loss in 1..K {
        sum = sum + components[loss];
    }
    sum
}

/// No preconditioner but the base metric: the step vector is γ⁻¹m̂. With it SGD, AdamW and Muon are descents.
///
/// ```
/// use ambient_metric::{Descent, Ema, Flat, RmsProp, Rule};
/// // AdamW.
/// assert_eq!(Descent::new(RmsProp::default(), Flat, Ema(0.9)).name(), "Descent(RmsProp, Flat, Ema)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flat;

impl Preconditioner for Flat {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    type Sums<S: Real> = ();
    type Factors<S: Real> = ();

    #[inline(always)]
    fn measure<S: Real>(&self, _at: Covectors<[S; 1], ()>, _raised: Raised<[S; 1], ()>) {}

    fn needs_metric(&self) -> bool {
        false
    }

    #[inline(always)]
    fn damp<S: Real>(&self, _inputs: Inputs<S, [S; 1]>, (): (), (): ()) -> Outcome<(), (), Damping<S, [S; 1]>> {
        Outcome { factors: (), memory: (), report: Damping::flat() }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, (): (), at: Covectors<[S; 1], ()>) -> S {
        at.momentum[0]
    }
}

named_unit!(Flat);
