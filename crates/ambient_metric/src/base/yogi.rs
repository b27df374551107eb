//! Yogi's metric.

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;

/// γ = √ρ̂ + ε with a ρ that moves towards l² by steps of (1−β)l², however far it is: it falls more slowly than an average.
///
/// # Mathematics
///
/// ρ ← ρ − (1−β) sign(ρ − l²) l², ρ̂ = ρ / (1−βᵗ) and γ⁻¹ = 1 / (√ρ̂ + ε), at every coordinate by itself.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::DiagonalMetric;
/// use ambient_metric::base::Yogi;
/// let metric = Yogi { beta: 0.75, epsilon: 1.0 };
/// assert_eq!((metric.observe(9.0, 2.0), metric.observe(1.0, 2.0)), (8.0, 2.0));
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// M. Zaheer, S. Reddi and others, *Adaptive Methods for Nonconvex Optimization*, NeurIPS 2018, Algorithm 2; the correction for the start at zero is
/// Adam's, as optax has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Yogi {
    /// The decay β.
    pub beta: f64,
    /// ε, added to the root.
    pub epsilon: f64,
}

known_keys! { Yogi { beta, epsilon, .. } }

impl Default for Yogi {
    /// β = 0.999 and ε = 10⁻³.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-3 }
    }
}

impl DiagonalMetric for Yogi {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, gradient: S) -> S {
        let square = gradient * gradient;
        rho - S::constant(1.0 - self.beta) * (rho - square).sign() * square
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
