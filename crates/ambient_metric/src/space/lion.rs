//! Lion's momentum.

use crate::error::{Error, require_decay};
use crate::number::scalar::Real;
use crate::space::momentum::{Momentum, Recall, average};

/// Lion's momentum: the step follows an average that weighs the present gradient more than the memory does.
///
/// # Mathematics
///
/// m̂ = β₁m + (1−β₁)l with m as it was, then m ← β₂m + (1−β₂)l. Lion is descent along the [`Sign`](crate::base::Sign) of it.
///
/// # Requirements
///
/// β₁ and β₂ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::Momentum;
/// use ambient_metric::space::{LionMomentum, Recall};
///
/// let momentum = LionMomentum { beta1: 0.5, beta2: 0.75 };
/// let at = Recall::of(&momentum, (), 4.0, 8.0);
/// assert_eq!(at.present, 5.0);
/// assert_eq!(momentum.covector((), at), 6.0);
/// ```
///
/// # References
///
/// X. Chen and others, *Symbolic Discovery of Optimization Algorithms*, arXiv 2302.06675, Algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LionMomentum {
    /// The decay β₁ of what the step follows.
    pub beta1: f64,
    /// The decay β₂ of the memory.
    pub beta2: f64,
}

known_keys! { LionMomentum { beta1, beta2, .. } }

impl Default for LionMomentum {
    /// β₁ = 0.9 and β₂ = 0.99.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl From<f64> for LionMomentum {
    /// With this β₁ and the β₂ of the default.
    fn from(beta1: f64) -> Self {
        Self { beta1, ..Self::default() }
    }
}

impl Momentum for LionMomentum {
    type State<S: Real> = S;
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        self.beta2
    }

    fn correct<S: Real>(&self, _power: S) {}

    #[inline(always)]
    fn remember<S: Real>(&self, (): (), m: S, gradient: S) -> S {
        average(self.beta2, m, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Recall<S, S>) -> S {
        average(self.beta1, at.past, at.gradient)
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta1", self.beta1)?;
        require_decay("beta2", self.beta2)
    }
}
