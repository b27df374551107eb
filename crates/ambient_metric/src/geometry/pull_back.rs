//! The pull-back metric of the loss surface, and its inverse in closed form.

use crate::ambient::embedding::Embedding;
use crate::ambient::solve::{damping, determinant_ratio};
use crate::error::{Error, require_non_negative};
use crate::number::scalar::{Element, Field, Real};
use crate::space::metric::Metric;
use crate::space::tensor::{Covector, Tensor, Vector, Wide, find_non_finite};

/// The metric that the loss surface h = √ξ f(L) inherits from the space it stands in.
///
/// Built over any [`Metric`] γ from the gradient l, the slope f′ and ξ. Its inverse needs γ⁻¹ applied once and one inner
/// product, never a matrix.
///
/// # Mathematics
///
#[doc = include_str!("../../math/pull_back.html")]
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
    second_slope: Wide<T>,
    xi: Wide<T>,
    /// ⟨l, l⟩.
    length: Wide<T>,
    /// v = ξ⟨l, l⟩.
    squared_length: Wide<T>,
}

impl<T: Tensor, G: Metric<T>> PullBack<T, G> {
    /// The pull-back of `base` at a point with this gradient and loss.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::LossOutsideDomain`], [`Error::NonFiniteGradient`],
    /// [`Error::NotPositiveDefinite`] where ⟨l, l⟩ < 0, [`Error::Overflow`] where ξ⟨l, l⟩ is not finite, and whatever `base`
    /// reports.
    pub fn new(
        base: G,
        gradient: Covector<T>,
        loss: Wide<T>,
        embedding: &impl Embedding,
        xi: f64,
    ) -> Result<Self, Error> {
        require_non_negative("xi", xi)?;
        embedding.check(loss.to_f64())?;
        find_non_finite(&gradient.0)?;
        let raised = base.raise(&gradient)?;
        let xi = Wide::<T>::constant(xi);
        let length = gradient.contract(&raised)?;
        let squared_length = xi * length;
        if length.is_negative() {
            return Err(Error::NotPositiveDefinite { metric: "the base metric".to_owned() });
        }
        if !length.is_finite() || !squared_length.is_finite() {
            return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
        }
        let (slope, second_slope) = (embedding.slope(loss), embedding.second_slope(loss));
        Ok(Self { base, gradient, raised, slope, second_slope, xi, length, squared_length })
    }

    /// The base metric γ.
    pub fn base(&self) -> &G {
        &self.base
    }

    /// The gradient l.
    pub fn gradient(&self) -> &Covector<T> {
        &self.gradient
    }

    /// l♯ = γ⁻¹l.
    pub fn raised_gradient(&self) -> &Vector<T> {
        &self.raised
    }

    /// ξ.
    pub fn xi(&self) -> Wide<T> {
        self.xi
    }

    /// ξ⟨l, l⟩, with the length taken in γ.
    pub fn squared_length(&self) -> Wide<T> {
        self.squared_length
    }

    /// The slope f′ of the embedding.
    pub fn slope(&self) -> Wide<T> {
        self.slope
    }

    /// The derivative f″ of that slope.
    pub fn second_slope(&self) -> Wide<T> {
        self.second_slope
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

    /// The displacement of length ρ in g along which the loss rises most: the perturbation of Monge SAM.
    ///
    /// # Mathematics
    ///
    /// ρ g⁻¹l / √(lᵀg⁻¹l) = ρ l♯ / √(s (1 + ξf′²s)) with s = ⟨l, l⟩, which raises the loss by ρ √(s / (1 + ξf′²s)) to first order: never by
    /// more than ρ / (√ξ f′). Where the gradient is zero no direction is steepest, and the displacement is zero.
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
    /// let g = PullBack::new(Euclidean.at(&state), gradient, 1.0, &Identity, 1.0)?;
    /// let perturbation = g.perturbation(0.05)?;
    /// assert!((g.norm(&perturbation)? - 0.05).abs() < 1e-16);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ρ < 0, and where the backend fails.
    ///
    /// # References
    ///
    /// A. K. Jacobsen and G. Arvanitidis, *Monge SAM*, arXiv 2502.08448, where γ = 1, ξ = 1 and f is the identity.
    pub fn perturbation(&self, radius: f64) -> Result<Vector<T>, Error> {
        require_non_negative("radius", radius)?;
        let zero = <Wide<T> as Field>::zero();
        let mut perturbation = Vector(self.raised.0.duplicate()?);
        let scale = if self.length == zero {
            zero
        } else {
            // Two roots, because the product of both radicands may leave the range of the type.
            Wide::<T>::constant(radius) / self.length.sqrt() / self.determinant_ratio().sqrt()
        };
        perturbation.scale(scale)?;
        Ok(perturbation)
    }

    /// ξ f′², the weight of l lᵀ in g.
    pub(crate) fn weight(&self) -> Wide<T> {
        self.xi * self.slope * self.slope
    }
}

impl<T: Tensor, G: Metric<T>> Metric<T> for PullBack<T, G> {
    /// γ⁻¹x − l♯ ξf′²⟨l, x⟩ / (1 + ξf′²⟨l, l⟩).
    ///
    /// With c = ⟨l, x⟩ / ⟨l, l⟩ and d = 1 / (1 + ξf′²⟨l, l⟩) it is computed as d x♯ + (1 − d)(x♯ − c l♯): nothing cancels where x
    /// is parallel to l.
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let mut raised = self.base.raise(covector)?;
        let zero = <Wide<T> as Field>::zero();
        if self.length == zero {
            return Ok(raised);
        }
        let one = <Wide<T> as Field>::one();
        let shrinking = one / self.determinant_ratio();
        let mut rest = Vector(raised.0.duplicate()?);
        rest.add_scaled(-(covector.contract(&self.raised)? / self.length), &self.raised)?;
        raised.scale(shrinking)?;
        raised.add_scaled(one - shrinking, &rest)?;
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
