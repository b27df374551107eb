//! The pointwise base metrics of the literature: Euclidean, RMSprop and Adagrad.

use crate::error::{Error, require_decay, require_positive};
use crate::metric::DiagonalMetric;
use crate::momentum::average;
use crate::scalar::Real;

/// γ = 1: the flat metric of the parameters.
///
/// ```
/// use ambient_metric::{DiagonalMetric, Euclidean};
/// assert_eq!(Euclidean.inverse::<f64>(()), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Euclidean;

impl DiagonalMetric for Euclidean {
    type State<S: Real> = ();

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(always)]
    fn inverse<S: Real>(&self, (): ()) -> S {
        S::one()
    }
}

/// γ⁻¹ = 1 / (√ρ̂ + ε) with ρ ← βρ + (1−β)l² and ρ̂ = ρ / (1−βᵗ): the preconditioner inside Adam.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{DiagonalMetric, RmsProp};
///
/// let metric = RmsProp { beta: 0.9, ..RmsProp::default() };
/// assert!(metric.validate().is_ok());
/// assert!(RmsProp { epsilon: 0.0, ..metric }.validate().is_err());
/// ```
///
/// # References
///
/// arXiv 2509.03594, the RMSprop variant of Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RmsProp {
    /// The decay β of the average of squares.
    pub beta: f64,
    /// ε, added to the root.
    pub epsilon: f64,
}

impl Default for RmsProp {
    /// β = 0.999 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-8 }
    }
}

impl DiagonalMetric for RmsProp {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, gradient: S) -> S {
        average(self.beta, rho, gradient * gradient)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, rho: S) -> S {
        S::one() / (rho.sqrt() + S::constant(self.epsilon))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta_rms", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }
}

/// γ⁻¹ = 1 / (√ρ + ε) with ρ ← ρ + l².
///
/// # Requirements
///
/// ε > 0.
///
/// ```
/// use ambient_metric::{Adagrad, DiagonalMetric};
/// assert_eq!(Adagrad { epsilon: 1.0 }.inverse(9.0), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Adagrad {
    /// ε, added to the root.
    pub epsilon: f64,
}

impl Default for Adagrad {
    /// ε = 10⁻⁸.
    fn default() -> Self {
        Self { epsilon: 1e-8 }
    }
}

impl DiagonalMetric for Adagrad {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, gradient: S) -> S {
        rho + gradient * gradient
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, rho: S) -> S {
        S::one() / (rho.sqrt() + S::constant(self.epsilon))
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("epsilon", self.epsilon)
    }
}
