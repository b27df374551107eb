//! The diagonal of the empirical Fisher matrix as a metric.

use crate::base::base_metric::DiagonalMetric;
use crate::base::pointwise::Weights;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;

/// γ = v̂ + λ with v an average of the mean square of the gradients of single examples: the diagonal of the empirical Fisher matrix, damped.
///
/// # Mathematics
///
/// Of the gradients l₁, …, lₙ of the examples of an observation, v ← βv + (1−β) (l₁² + … + lₙ²)/n at every coordinate, v̂ = v / (1−βᵗ) after t observations, and
/// γ⁻¹ = 1 / (v̂ + λ). The empirical Fisher matrix is F = E[l lᵀ] over the examples; v̂ is its diagonal. (The Fisher matrix itself takes
/// the expectation over labels that the model draws: observe gradients for such labels to have that.)
///
/// The square of the mean gradient, which an optimiser sees with every step, is not the mean of the squares: it lacks their variance.
///
/// # Requirements
///
/// It [observes](crate::Optimiser::observe), before the first step and then every so many. β in [0, 1) and λ > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::base::EmpiricalFisher;
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = EmpiricalFisher { beta: 0.5, damping: 1.0 };
/// let [a, b] = [array![1.0_f64], array![-3.0]].map(|gradient| Covector(Parameters::from(gradient)));
/// let mut state = metric.begin(&a.0)?;
/// metric.take_observation(&mut state, &[&a, &b])?;
/// // γ = (1 + 9)/2 + 1.
/// assert_eq!(metric.raise(&state, &b)?.0.as_slice(), [-0.5]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// S. Amari, *Natural Gradient Works Efficiently in Learning*, Neural Computation 10, 1998; F. Kunstner, L. Balles and P. Hennig, *Limitations of the Empirical
/// Fisher Approximation for Natural Gradient Descent*, arXiv 1905.12558, on what it is not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EmpiricalFisher {
    /// The decay β.
    pub beta: f64,
    /// λ, added to the diagonal.
    pub damping: f64,
}

known_keys! { EmpiricalFisher { beta, damping, .. } }

impl Default for EmpiricalFisher {
    /// β = 0.95 and λ = 10⁻³.
    fn default() -> Self {
        Self { beta: 0.95, damping: 1e-3 }
    }
}

impl DiagonalMetric for EmpiricalFisher {
    type State<S: Real> = S;
    const OBSERVES: bool = true;

    #[inline(always)]
    fn observe<S: Real>(&self, v: S, _gradient: S) -> S {
        v
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, v: S, example: S) -> S {
        weights.average(v, example * example)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, v: S) -> S {
        S::one() / (v + S::constant(self.damping))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("damping", self.damping)
    }
}
