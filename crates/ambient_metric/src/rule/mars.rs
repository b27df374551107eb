//! Gradients with less variance: MARS.

use crate::error::{Error, require_decay, require_non_negative};
use crate::number::scalar::Real;
use crate::rule::transformed::{GradientTransform, Kept};

/// The gradient corrected by its last change, no longer than one: MARS, before any rule.
///
/// # Mathematics
///
/// c = l + γβ/(1−β)(l − l₋) with l₋ the gradient of the step before, in the first step l itself, and l′ = c/max(1, ‖c‖), the length over all parameters
/// that share their sums. With β = β₁ of AdamW behind it this is MARS-AdamW, with that of [`LionMomentum`](crate::space::LionMomentum) MARS-Lion.
///
/// # Requirements
///
/// γ ≥ 0, β in [0, 1). One number more per parameter.
///
/// The paper's l₋ is that of the present batch at the parameters before. This is its approximation, with that of the batch before, and one gradient a step.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{GradientTransform, Mars};
/// let mars = Mars { gamma: 0.5, beta: 0.75 };
/// // 3 + 3/2 · (3 − 1), and that is longer than one.
/// assert_eq!(mars.transform(1.0, 3.0), 6.0);
/// assert_eq!(mars.factor(36.0), 1.0 / 6.0);
/// ```
///
/// # Errors
///
/// [`validate`](GradientTransform::validate) answers with [`Error::Hyperparameter`] for constants out of their ranges.
///
/// # References
///
/// H. Yuan and others, *MARS: Unleashing the Power of Variance Reduction for Training Large Models*, arXiv 2411.10438, Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mars {
    /// The share γ of the correction.
    pub gamma: f64,
    /// The decay β of the momentum behind it.
    pub beta: f64,
}

known_keys! { Mars { gamma = 0.025, beta = 0.95 } }

impl Default for Mars {
    /// γ = 0.025 and β = 0.95.
    fn default() -> Self {
        Self { gamma: 0.025, beta: 0.95 }
    }
}

impl GradientTransform for Mars {
    type Past = Kept;
    const SURVEYS: bool = true;

    #[inline(always)]
    fn transform<S: Real>(&self, past: S, gradient: S) -> S {
        gradient + S::constant(self.gamma * self.beta / (1.0 - self.beta)) * (gradient - past)
    }

    fn factor<S: Real>(&self, squared_length: S) -> S {
        S::one() / squared_length.sqrt().maximum(S::one())
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("gamma", self.gamma)?;
        require_decay("beta", self.beta)
    }
}
