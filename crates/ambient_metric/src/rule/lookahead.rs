//! Lookahead: slow weights that follow fast ones.

use crate::error::{Error, require};
use crate::number::scalar::Real;
use crate::rule::averaged::drawn;
use crate::rule::evaluated::{EvaluationPoint, Left, Stride};

/// k steps forward, one step back: slow weights that go a share of the way that the rule went in k steps, and from which it then starts again.
///
/// # Mathematics
///
/// φ₀ = θ₀. After every k-th step φ ← φ + α(θ − φ) and θ ← φ. φ is what is evaluated. The state of the rule is kept as it is.
///
/// # Requirements
///
/// k ≥ 1 and α in (0, 1]. Steps are counted in the type of scalar arithmetic: exactly to 2²⁴ where a device counts them in single precision.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{EvaluationPoint, Left, Lookahead, Stride};
///
/// let lookahead = Lookahead { every: 2, share: 0.5 };
/// assert_eq!((lookahead.weight(6.0), lookahead.weight(7.0)), (0.0, 0.5));
/// let at = Stride { kept: 1.0, before: 2.0, after: 3.0 };
/// assert_eq!(lookahead.keep(0.0, at), Left { parameter: 3.0, kept: 1.0 });
/// assert_eq!(lookahead.keep(0.5, at), Left { parameter: 2.0, kept: 2.0 });
/// ```
///
/// # References
///
/// M. Zhang and others, *Lookahead Optimizer: k steps forward, 1 step back*, arXiv 1907.08610, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Lookahead {
    /// k, after how many steps the slow weights move.
    pub every: u32,
    /// α, the share of the way that they go.
    pub share: f64,
}

known_keys! { Lookahead { every, share, .. } }

impl Default for Lookahead {
    /// k = 5 and α = 1/2.
    fn default() -> Self {
        Self { every: 5, share: 0.5 }
    }
}

impl EvaluationPoint for Lookahead {
    fn weight<S: Real>(&self, steps: S) -> S {
        let (taken, every) = (steps + S::one(), S::constant(f64::from(self.every)));
        let since = taken - every * (taken / every).floor();
        S::select(since.less(S::constant(0.5)), S::constant(self.share), S::zero())
    }

    #[inline(always)]
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S> {
        let slow = drawn(weight, at.kept, at.after);
        let moves = S::zero().less(weight);
        Left { parameter: S::select(moves, slow, at.after), kept: S::select(moves, slow, at.kept) }
    }

    fn validate(&self) -> Result<(), Error> {
        require(self.every >= 1, "every", f64::from(self.every), "the slow weights move after one step or more")?;
        require(self.share > 0.0 && self.share <= 1.0, "share", self.share, "it must lie in (0, 1]")
    }
}
