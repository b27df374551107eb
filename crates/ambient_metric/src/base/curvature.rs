//! Estimates of the Hessian's diagonal, to be observed.

use crate::error::Error;
use crate::number::scalar::{Field, Real};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::tensor::{Covector, Tensor, Vector, Wide};

/// c x y.
#[derive(Clone)]
struct Product;

impl Kernel for Product {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, scale: S, [x, y]: [S; 2]) -> S {
        scale * x * y
    }
}

/// Hutchinson's estimate z ∘ Hz of the diagonal of a Hessian H, from a probe z and the product Hz, ready for
/// [`observe`](crate::Optimiser::observe).
///
/// # Mathematics
///
/// Where the components of z are independent with mean zero and variance one, such as signs that a coin throws, E(z ∘ Hz)ᵢ = Σⱼ Hᵢⱼ E(zᵢzⱼ) = Hᵢᵢ. Of a diagonal H, signs give the
/// diagonal itself. Automatic differentiation gives Hz as the gradient of ⟨l, z⟩ for a z that is held fixed, without H.
///
/// # Example
///
/// ```
/// use ambient_metric::base::hutchinson;
/// use ambient_metric::{Covector, Vector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // H = [[2, 1], [1, 3]]: over all signs the mean is its diagonal.
/// let estimate = |x: f64, y: f64| {
///     let (z, product) = (array![x, y], array![2.0 * x + y, x + 3.0 * y]);
///     hutchinson(&Vector(Parameters::from(z)), &Covector(Parameters::from(product)))
/// };
/// assert_eq!(estimate(1.0, 1.0)?.0.as_slice(), [3.0, 4.0]);
/// assert_eq!(estimate(1.0, -1.0)?.0.as_slice(), [1.0, 2.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Where the layouts differ or the backend fails.
///
/// # References
///
/// C. Bekas, E. Kokiopoulou and Y. Saad, *An estimator for the diagonal of a matrix*, Applied Numerical Mathematics 57, 2007; arXiv 2305.14342, Algorithm 1.
pub fn hutchinson<T: Tensor>(probe: &Vector<T>, product: &Covector<T>) -> Result<Covector<T>, Error> {
    scaled(<Wide<T> as Field>::one(), &product.0, &probe.0)
}

/// The estimate B ĝ ∘ ĝ of the diagonal of the Gauss–Newton matrix, from the mean gradient ĝ over a batch of B examples whose labels the model drew itself,
/// ready for [`observe`](crate::Optimiser::observe).
///
/// # Mathematics
///
/// The gradients g_b of log-likelihoods of labels that are drawn from the model have mean zero and are independent (Bartlett's first identity), so that
/// E[B ĝ ∘ ĝ] = E[Σ_b g_b ∘ g_b]/B, the diagonal of the Fisher matrix, which is that of Gauss and Newton for a likelihood such as cross-entropy (his second).
/// It is never below zero.
///
/// # Example
///
/// ```
/// use ambient_metric::Covector;
/// use ambient_metric::base::gauss_newton_bartlett;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mean = Covector(Parameters::from(array![0.5_f64, -1.0]));
/// assert_eq!(gauss_newton_bartlett(&mean, 8)?.0.as_slice(), [2.0, 8.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Where the backend fails.
///
/// # References
///
/// arXiv 2305.14342, Algorithm 2; M. S. Bartlett, *Approximate confidence intervals*, Biometrika 40, 1953.
pub fn gauss_newton_bartlett<T: Tensor>(mean: &Covector<T>, examples: usize) -> Result<Covector<T>, Error> {
    scaled(<Wide<T> as Field>::constant(examples as f64), &mean.0, &mean.0)
}

/// c x ∘ y.
fn scaled<T: Tensor>(scale: Wide<T>, x: &T, y: &T) -> Result<Covector<T>, Error> {
    x.layout().check(y.layout())?;
    let mut product = x.duplicate()?;
    T::update(&Product, Uniforms::same(&scale), &mut product, &mut [], &[y])?;
    Ok(Covector(product))
}
