//! The pull-back metric of the loss surface, and its inverse in closed form.

use crate::embedding::Embedding;
use crate::error::{Error, require_non_negative};
use crate::metric::Metric;
use crate::scalar::{Element, Field, Real};
use crate::tensor::{Covector, Tensor, Vector, Wide};

/// det g / det γ = 1 + f′² v, with v = ξ⟨l, l⟩.
///
/// ```
/// assert_eq!(ambient_metric::determinant_ratio(2.0, 3.0), 13.0);
/// ```
#[inline]
pub fn determinant_ratio<S: Field>(slope: S, squared_length: S) -> S {
    S::one() + slope * slope * squared_length
}

/// The damping r = f′ / (1 + f′² v), with v = ξ⟨l, l⟩ or its moving average.
///
/// It is computed as 1 / (1/f′ + f′ v), which is the same number and stays in range where f′² would not.
///
/// ```
/// assert_eq!(ambient_metric::damping(1.0, 3.0), 0.25);
/// assert_eq!(ambient_metric::damping(1e30_f32, 0.0), 1e30);
/// ```
#[inline]
pub fn damping<S: Field>(slope: S, squared_length: S) -> S {
    S::one() / (S::one() / slope + slope * squared_length)
}

/// The metric that the loss surface h = √ξ f(L) inherits from the space it stands in.
///
/// Built over any [`Metric`] γ from the gradient l, the slope f′ and ξ. Its inverse needs γ⁻¹ applied once and one inner
/// product, never a matrix.
///
/// # Mathematics
///
#[doc = include_str!("../math/pull_back.html")]
///
/// # Requirements
///
/// ξ ≥ 0, and γ positive definite.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, Metric, PullBack};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let state = Euclidean.begin(&gradient.0)?;
/// let gamma = Euclidean.at(&state);
/// let g = PullBack::new(gamma, gradient, 1.0, &Identity, 1.0)?;
///
/// assert_eq!(g.determinant_ratio(), 26.0);
/// assert_eq!(g.damping(), 1.0 / 26.0);
/// let step = g.step()?;
/// assert!((g.norm(&step)? - 5.0 / 26.0_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7 (metric), 8 (inverse), 10, 13 and 14 (step).
#[derive(Debug)]
pub struct PullBack<T: Tensor, G> {
    base: G,
    gradient: Covector<T>,
    raised: Vector<T>,
    slope: Wide<T>,
    xi: Wide<T>,
    /// v = ξ⟨l, l⟩.
    squared_length: Wide<T>,
}

impl<T: Tensor, G: Metric<T>> PullBack<T, G> {
    /// The pull-back of `base` at a point with this gradient and loss.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::LossOutsideDomain`], [`Error::Overflow`] where ξ⟨l, l⟩ is not finite, and
    /// whatever `base` reports.
    pub fn new(
        base: G,
        gradient: Covector<T>,
        loss: Wide<T>,
        embedding: &impl Embedding,
        xi: f64,
    ) -> Result<Self, Error> {
        require_non_negative("xi", xi)?;
        embedding.check(loss.to_f64())?;
        let raised = base.raise(&gradient)?;
        let xi = Wide::<T>::constant(xi);
        let squared_length = xi * gradient.contract(&raised)?;
        if !squared_length.is_finite() {
            return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
        }
        Ok(Self { base, gradient, raised, slope: embedding.slope(loss), xi, squared_length })
    }

    /// ξ⟨l, l⟩, with the length taken in γ.
    pub fn squared_length(&self) -> Wide<T> {
        self.squared_length
    }

    /// The slope f′ of the embedding.
    pub fn slope(&self) -> Wide<T> {
        self.slope
    }

    /// det g / det γ = 1 + ξ f′²⟨l, l⟩.
    pub fn determinant_ratio(&self) -> Wide<T> {
        determinant_ratio(self.slope, self.squared_length)
    }

    /// √(det g / det γ): how much larger a patch of the surface is than its shadow on the parameters.
    pub fn volume_ratio(&self) -> Wide<T> {
        self.determinant_ratio().sqrt()
    }

    /// The damping r = f′ / (1 + ξ f′²⟨l, l⟩).
    pub fn damping(&self) -> Wide<T> {
        damping(self.slope, self.squared_length)
    }

    /// g⁻¹∂f = r l♯: what a step of gradient descent on the surface multiplies by −η.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    pub fn step(&self) -> Result<Vector<T>, Error> {
        let mut step = Vector(self.raised.0.duplicate()?);
        step.scale(self.damping())?;
        Ok(step)
    }

    /// ξ f′², the weight of l lᵀ in g.
    fn weight(&self) -> Wide<T> {
        self.xi * self.slope * self.slope
    }
}

impl<T: Tensor, G: Metric<T>> Metric<T> for PullBack<T, G> {
    /// γ⁻¹x − l♯ ξf′²⟨l, x⟩ / (1 + ξf′²⟨l, l⟩).
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let mut raised = self.base.raise(covector)?;
        let along = covector.contract(&self.raised)?;
        raised.add_scaled(-(self.weight() * along / self.determinant_ratio()), &self.raised)?;
        Ok(raised)
    }

    /// γv + l ξf′² l·v.
    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let mut lowered = self.base.lower(vector)?;
        let along = self.gradient.contract(vector)?;
        lowered.add_scaled(self.weight() * along, &self.gradient)?;
        Ok(lowered)
    }

    fn log_determinant(&self) -> Result<Wide<T>, Error> {
        Ok(self.base.log_determinant()? + (self.slope * self.slope * self.squared_length).ln_1p())
    }
}
