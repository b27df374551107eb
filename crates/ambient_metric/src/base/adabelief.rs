//! AdaBelief's metric.

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;
use crate::space::momentum::average;

/// γ = √ρ̂ + ε with ε in the moving average of squares too; AdaBelief's, over the momentum [`Belief`](crate::space::Belief), which shows it how far the
/// gradient is from its average.
///
/// # Mathematics
///
/// ρ ← βρ + (1−β)x² + ε with x what the momentum shows, ρ̂ = ρ / (1−βᵗ) and γ⁻¹ = 1 / (√ρ̂ + ε), at every coordinate by itself. With
/// [`Belief`](crate::space::Belief) x = l − m, with any other momentum x = l.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{DiagonalMetric, Descent, Flat, Rule};
/// use ambient_metric::base::AdaBelief;
/// use ambient_metric::space::Belief;
///
/// assert_eq!(AdaBelief { beta: 0.5, epsilon: 1.0 }.observe(2.0, 2.0), 4.0);
/// let rule = Descent::new(AdaBelief::default(), Flat, Belief(0.9));
/// assert!(rule.validate().is_ok());
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// J. Zhuang and others, *AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients*, arXiv 2010.07468, Algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AdaBelief {
    /// The decay β of the average of squares.
    pub beta: f64,
    /// ε, added to the average and to the root.
    pub epsilon: f64,
}

known_keys! { AdaBelief { beta, epsilon, .. } }

impl Default for AdaBelief {
    /// β = 0.999 and ε = 10⁻¹⁶.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-16 }
    }
}

impl DiagonalMetric for AdaBelief {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, shown: S) -> S {
        average(self.beta, rho, shown * shown) + S::constant(self.epsilon)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, rho: S) -> S {
        S::one() / (rho.sqrt() + S::constant(self.epsilon))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }
}
