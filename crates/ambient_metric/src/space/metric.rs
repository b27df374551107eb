//! The metric: what turns covectors into vectors and back, and measures both.

use crate::error::Error;
use crate::number::scalar::{Element, Field, Real};
use crate::space::tensor::{Covector, Tensor, Vector, Wide};

/// A Riemannian metric at one point: lengths and angles of vectors and covectors.
///
/// Implement [`raise`](Self::raise), [`lower`](Self::lower) and [`log_determinant`](Self::log_determinant); inner
/// products and norms follow.
///
/// # Mathematics
///
#[doc = include_str!("../../math/metric.html")]
///
/// # Requirements
///
/// The metric is symmetric and positive definite, and `raise` inverts `lower`.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Metric, Vector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let covector = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let state = Euclidean.begin(&covector.0)?;
/// let flat = Euclidean.at(&state);
///
/// assert_eq!(flat.norm_covector(&covector)?, 5.0);
/// assert_eq!(flat.raise(&covector)?, Vector(Parameters::from(array![3.0, 4.0])));
/// assert_eq!(flat.log_determinant()?, 0.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Every method refuses tensors of another layout ([`Error::Shape`] and its neighbours) and passes on what the backend reports.
///
/// # References
///
/// arXiv 2509.03594, eq. 7 (the pull-back metric) and 8 (its inverse), for which [`PullBack`](crate::PullBack) implements this trait.
pub trait Metric<T: Tensor> {
    /// g⁻¹x: turns a covector into a vector.
    ///
    /// # Errors
    ///
    /// Where the layouts differ or the backend fails.
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error>;

    /// g v: turns a vector into a covector.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error>;

    /// ln det g.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn log_determinant(&self) -> Result<Wide<T>, Error>;

    /// The inner product of two vectors, uᵀg v.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn inner(&self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        self.lower(u)?.contract(v)
    }

    /// The inner product of two covectors, ⟨x, y⟩ = xᵀg⁻¹y.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn inner_covectors(&self, x: &Covector<T>, y: &Covector<T>) -> Result<Wide<T>, Error> {
        x.contract(&self.raise(y)?)
    }

    /// The length of a vector, √(vᵀg v).
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn norm(&self, vector: &Vector<T>) -> Result<Wide<T>, Error> {
        Ok(self.inner(vector, vector)?.sqrt())
    }

    /// The length of a covector, √(xᵀg⁻¹x).
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn norm_covector(&self, covector: &Covector<T>) -> Result<Wide<T>, Error> {
        Ok(self.inner_covectors(covector, covector)?.sqrt())
    }

    /// The angle between two vectors, from 0 to π.
    ///
    /// It is computed as 2 atan2(|a − b|, |a + b|) from both directions, which keeps its digits where they are nearly parallel; an
    /// arc cosine would lose half of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] where one of them has length zero, and as [`raise`](Self::raise).
    fn angle(&self, u: &Vector<T>, v: &Vector<T>) -> Result<f64, Error> {
        let (mut a, mut b) = (self.direction(u)?, self.direction(v)?);
        let one = <Wide<T> as Field>::one();
        let kept = Vector(a.0.duplicate()?);
        a.add_scaled(one, &b)?;
        b.add_scaled(-one, &kept)?;
        Ok(2.0 * self.norm(&b)?.to_f64().atan2(self.norm(&a)?.to_f64()))
    }

    /// The angle between two covectors, from 0 to π: that between the vectors that the metric makes of them.
    ///
    /// # Errors
    ///
    /// As [`angle`](Self::angle).
    fn angle_covectors(&self, x: &Covector<T>, y: &Covector<T>) -> Result<f64, Error> {
        self.angle(&self.raise(x)?, &self.raise(y)?)
    }

    /// The vector of length one that points where `vector` does.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] for a vector of length zero, [`Error::Overflow`] where its length is not finite, and as
    /// [`raise`](Self::raise).
    fn direction(&self, vector: &Vector<T>) -> Result<Vector<T>, Error> {
        let norm = self.norm(vector)?;
        if norm == <Wide<T> as Field>::zero() {
            return Err(Error::NoDirection { quantity: "direction" });
        }
        if !norm.is_finite() {
            return Err(Error::Overflow { quantity: "the length of the vector".to_owned() });
        }
        let mut direction = Vector(vector.0.duplicate()?);
        direction.scale(<Wide<T> as Field>::one() / norm)?;
        Ok(direction)
    }

    /// √det g, the volume of the patch that a unit cube of coordinates stands for.
    ///
    /// With very many parameters it leaves the range of its type; then take [`log_determinant`](Self::log_determinant).
    ///
    /// # Errors
    ///
    /// As [`log_determinant`](Self::log_determinant).
    fn volume(&self) -> Result<Wide<T>, Error> {
        Ok((<Wide<T> as Field>::constant(0.5) * self.log_determinant()?).exp())
    }
}
