//! KL-Shampoo: factors by the Kullback–Leibler divergence.

use crate::base::factored::{Factored, Factoring, Factors};
use crate::base::of_matrices::of_matrices;
use crate::error::{Error, require_decay, require_positive};
use crate::space::matrix::SpectralMatrix;

/// γ = A^(1/2) ⊗ B^(1/2) for every part that is a matrix, with A ⊗ B near the second moment of the gradient by the Kullback–Leibler divergence: KL-Shampoo.
///
/// # Mathematics
///
/// Of Gaussian distributions with the covariance A ⊗ B that is nearest to the gradient l of an m×n part for which A = E[l B⁻¹ lᵀ]/n and
/// B = E[lᵀ A⁻¹ l]/m. Both are moving averages, from those before the gradient:
///
/// A ← βA + (1−β) l (B + ε)⁻¹ lᵀ / n and B ← βB + (1−β) lᵀ (A + ε)⁻¹ l / m, at once, from A = B = s, the [`start`](Self::start);
///
/// γ⁻¹x = (A + ε)^(−1/2) x (B + ε)^(−1/2), γv = (A + ε)^(1/2) v (B + ε)^(1/2), ln det γ = (n ln det(A + ε) + m ln det(B + ε)) / 2.
///
/// Nothing is corrected for the start, as in the authors' code, whose eigenvalues begin at 1/10. Roots are taken as those of
/// [`Kronecker`](crate::Kronecker); with `every` above one the moments take the gradients through the roots that were taken last.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). ε > 0, s > 0, β in [0, 1), `every` at least one.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric::base::KlShampoo;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = KlShampoo { beta: 0.5, start: 1.0, ..KlShampoo::default() };
/// let gradient = Covector(Parameters::from(array![[3.0_f64]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // A = B = (1 + 9)/2 up to ε, and the roots of both take 3 to 3/5.
/// let raised = metric.raise(&state, &gradient)?;
/// assert!((raised.0.as_slice()[0] - 0.6).abs() < 1e-6);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none.
///
/// # References
///
/// W. Lin, S. C. Lowe and others, *Understanding and Improving Shampoo and SOAP via Kullback–Leibler Minimization*, arXiv 2509.03378.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KlShampoo {
    /// The decay β of both moments.
    pub beta: f64,
    /// ε, added to the eigenvalues.
    pub epsilon: f64,
    /// s, of which multiple of the unit matrix both moments begin.
    pub start: f64,
    /// After how many of its gradients the roots of a matrix are taken again.
    pub every: u64,
}

known_keys! { KlShampoo { beta, epsilon, start, every, .. } }

impl Default for KlShampoo {
    /// β = 0.98, ε = 10⁻⁸, s = 0.1, roots after every gradient.
    fn default() -> Self {
        Self { beta: 0.98, epsilon: 1e-8, start: 0.1, every: 1 }
    }
}

impl KlShampoo {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("start", self.start)?;
        self.factoring().validate()
    }
}

impl Factored for KlShampoo {
    fn factoring(&self) -> Factoring {
        Factoring {
            start: self.start,
            weights: [self.beta, 1.0 - self.beta],
            correction: 0.0,
            whitens: true,
            epsilon: self.epsilon,
            exponent: 0.5,
            every: self.every,
        }
    }
}

of_matrices!(KlShampoo keeps Factors, where SpectralMatrix);
