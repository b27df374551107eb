//! The Kronecker-factored base metric of Shampoo.

use crate::base::factored::{Factored, Factoring, Factors};
use crate::base::of_matrices::of_matrices;
use crate::error::{Error, require_decay, require_positive};
use crate::space::matrix::SpectralMatrix;

/// γ = A^p ⊗ B^p for every part that is a matrix, with A and B the second moments of its rows and columns: Shampoo.
///
/// # Mathematics
///
/// With l the gradient of an m×n part, A ← A + l lᵀ and B ← B + lᵀl (or, with β, their moving averages corrected for the start at zero),
///
/// γ⁻¹x = (A + ε)^(−p) x (B + ε)^(−p), γv = (A + ε)^p v (B + ε)^p, ln det γ = p (n ln det(A + ε) + m ln det(B + ε)).
///
/// p = 1/4 is Shampoo's; p = 1/2 is the square of it, the inverse of the Kronecker approximation itself. Roots are taken through
/// eigenvalues, in the wide type. Those that rounding cannot tell from zero, below n u times the largest with u the unit roundoff of the stored
/// numbers, count as that much, so γ is positive definite and γ⁻¹ in range whatever was seen.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). ε > 0, p > 0, β in [0, 1), `every` at least one.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Kronecker, Metric};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Kronecker::default();
/// let gradient = Covector(Parameters::from(array![[2.0_f64, 0.0], [0.0, 1.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // A = B = diag(4, 1) up to ε: the fourth roots of both take 2 to 1.
/// let raised = metric.at(&state).raise(&gradient)?;
/// assert!((raised.0.as_slice()[0] - 1.0).abs() < 1e-4);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none.
///
/// # References
///
/// V. Gupta, T. Koren and Y. Singer, *Shampoo: Preconditioned Stochastic Tensor Optimization*, ICML 2018.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Kronecker {
    /// The decay β of moving averages of the moments; without it they are sums.
    pub beta: Option<f64>,
    /// ε, added to the eigenvalues.
    pub epsilon: f64,
    /// The exponent p of both factors.
    pub exponent: f64,
    /// After how many of its gradients the roots of a matrix are taken again; the moments are kept in between.
    pub every: u64,
}

known_keys! { Kronecker { beta, epsilon, exponent, every, .. } }

impl Default for Kronecker {
    /// Sums, ε = 10⁻⁴, p = 1/4, roots after every gradient.
    fn default() -> Self {
        Self { beta: None, epsilon: 1e-4, exponent: 0.25, every: 1 }
    }
}

impl Kronecker {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta.unwrap_or(0.0))?;
        require_positive("exponent", self.exponent)?;
        self.factoring().validate()
    }
}

impl Factored for Kronecker {
    fn factoring(&self) -> Factoring {
        Factoring {
            start: 0.0,
            weights: self.beta.map_or([1.0, 1.0], |beta| [beta, 1.0 - beta]),
            correction: self.beta.unwrap_or(0.0),
            whitens: false,
            epsilon: self.epsilon,
            exponent: self.exponent,
            every: self.every,
        }
    }
}

of_matrices!(Kronecker keeps Factors, where SpectralMatrix);
