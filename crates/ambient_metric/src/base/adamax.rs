//! AdaMax's metric.

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;

/// γ = u with u the largest |l|, forgotten at the rate β: the limit of Adam's moments of ever higher order.
///
/// # Mathematics
///
/// u ← max(βu, |l| + ε) and γ⁻¹ = 1 / u, at every coordinate by itself. Nothing is to be corrected: u does not begin too small.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::DiagonalMetric;
/// use ambient_metric::base::AdaMax;
/// assert_eq!(AdaMax { beta: 0.5, epsilon: 1.0 }.observe(12.0, -3.0), 6.0);
/// assert_eq!(AdaMax { beta: 0.5, epsilon: 1.0 }.observe(2.0, -3.0), 4.0);
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// D. P. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, Algorithm 2, which has no ε; with PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AdaMax {
    /// The rate β at which the largest is forgotten.
    pub beta: f64,
    /// ε, added to |l|.
    pub epsilon: f64,
}

known_keys! { AdaMax { beta, epsilon, .. } }

impl Default for AdaMax {
    /// β = 0.999 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-8 }
    }
}

impl DiagonalMetric for AdaMax {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, largest: S, gradient: S) -> S {
        (S::constant(self.beta) * largest).maximum(gradient.abs() + S::constant(self.epsilon))
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, largest: S) -> S {
        S::one() / largest
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }
}
