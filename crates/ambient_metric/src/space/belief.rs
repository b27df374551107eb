//! AdaBelief's momentum.

use crate::number::scalar::Real;
use crate::space::momentum::{Ema, Momentum, Recall};

/// The moving average of [`Ema`], of which the base metric sees how far the gradient is from it: AdaBelief's.
///
/// # Mathematics
///
/// m ← μm + (1−μ)l and m̂ = m / (1 − μᵗ); the metric sees l − m in place of l, so that γ is large where gradients are not as was believed.
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::Momentum;
/// use ambient_metric::space::{Belief, Recall};
///
/// let at = Recall::of(&Belief(0.5), 1.0, 2.0, 4.0);
/// assert_eq!((at.present, Belief(0.5).shown(1.0, at)), (3.0, Some(1.0)));
/// ```
///
/// # References
///
/// J. Zhuang and others, *AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients*, arXiv 2010.07468, Algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Belief(
    /// The decay μ, in [0, 1).
    pub f64,
);

impl From<f64> for Belief {
    fn from(decay: f64) -> Self {
        Self(decay)
    }
}

impl Momentum for Belief {
    type State<S: Real> = S;
    type Corrections<S: Real> = S;

    fn decay(&self) -> f64 {
        self.0
    }

    fn correct<S: Real>(&self, power: S) -> S {
        Ema(self.0).correct(power)
    }

    #[inline(always)]
    fn remember<S: Real>(&self, correction: S, m: S, gradient: S) -> S {
        Ema(self.0).remember(correction, m, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, correction: S, at: Recall<S, S>) -> S {
        Ema(self.0).covector(correction, at)
    }

    #[inline(always)]
    fn shown<S: Real>(&self, _correction: S, at: Recall<S, S>) -> Option<S> {
        Some(at.gradient - at.present)
    }
}
