//! AMSGrad's metric.

use crate::base::base_metric::DiagonalMetric;
use crate::bundle;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;
use crate::space::momentum::average;

/// γ = √ρ̂ + ε with ρ the largest that the moving average of l² has been: step lengths never grow again.
///
/// # Mathematics
///
/// v ← βv + (1−β)l², ρ ← max(ρ, v), ρ̂ = ρ / (1−βᵗ) and γ⁻¹ = 1 / (√ρ̂ + ε), at every coordinate by itself.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::DiagonalMetric;
/// use ambient_metric::base::{AmsGrad, AmsGradState};
///
/// let metric = AmsGrad { beta: 0.5, epsilon: 1.0 };
/// let seen = metric.observe(AmsGradState { average: 2.0, largest: 9.0 }, 2.0);
/// assert_eq!(seen, AmsGradState { average: 3.0, largest: 9.0 });
/// assert_eq!(metric.inverse(seen), 0.25);
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// S. J. Reddi, S. Kale and S. Kumar, *On the Convergence of Adam and Beyond*, ICLR 2018, Algorithm 2, which takes the largest of the averages as here;
/// the correction for the start at zero is Adam's, and PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AmsGrad {
    /// The decay β of the average of squares.
    pub beta: f64,
    /// ε, added to the root.
    pub epsilon: f64,
}

known_keys! { AmsGrad { beta, epsilon, .. } }

impl Default for AmsGrad {
    /// β = 0.999 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-8 }
    }
}

bundle! {
    /// What [`AmsGrad`] keeps per element: the average of l², and the largest that it has been.
    pub struct AmsGradState { average, largest }
}

impl DiagonalMetric for AmsGrad {
    type State<S: Real> = AmsGradState<S>;

    #[inline(always)]
    fn observe<S: Real>(&self, seen: AmsGradState<S>, gradient: S) -> AmsGradState<S> {
        let average = average(self.beta, seen.average, gradient * gradient);
        AmsGradState { average, largest: seen.largest.maximum(average) }
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, seen: AmsGradState<S>) -> S {
        S::one() / (seen.largest.sqrt() + S::constant(self.epsilon))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }
}
