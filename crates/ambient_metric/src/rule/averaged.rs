//! Averages of the parameters over the steps: exponential and uniform.

use crate::error::{Error, require_decay};
use crate::number::scalar::Real;
use crate::rule::evaluated::{EvaluationPoint, Left, Stride};

/// The exponential moving average of the parameters, from those after the first step on.
///
/// # Mathematics
///
/// θ̄₁ = θ₁ and θ̄ ← θ̄ + (1−d)(θ − θ̄). Training goes on at θ; θ̄ is what is evaluated.
///
/// # Requirements
///
/// d in [0, 1).
///
/// # Example
///
/// See [`Evaluated`](crate::rule::Evaluated).
///
/// # References
///
/// D. Ruppert, *Efficient Estimations from a Slowly Convergent Robbins–Monro Process*, 1988; the form is PyTorch's `get_ema_avg_fn`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Averaged(
    /// The decay d, in [0, 1).
    pub f64,
);

impl EvaluationPoint for Averaged {
    fn weight<S: Real>(&self, steps: S) -> S {
        S::select(S::zero().less(steps), S::constant(1.0 - self.0), S::one())
    }

    #[inline(always)]
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S> {
        averaged(weight, at)
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("decay", self.0)
    }
}

/// The mean of the parameters after every step: Polyak's average.
///
/// # Mathematics
///
/// θ̄ₜ = (θ₁ + … + θₜ) / t, kept as θ̄ ← θ̄ + (θ − θ̄) / t.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{EvaluationPoint, Polyak};
/// assert_eq!(Polyak.weight(3.0), 0.25);
/// ```
///
/// # References
///
/// B. T. Polyak and A. B. Juditsky, *Acceleration of Stochastic Approximation by Averaging*, 1992.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Polyak;

impl EvaluationPoint for Polyak {
    fn weight<S: Real>(&self, steps: S) -> S {
        S::one() / (steps + S::one())
    }

    #[inline(always)]
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S> {
        averaged(weight, at)
    }
}

/// Training goes on where the step leads, and what is kept is drawn towards that.
#[inline(always)]
fn averaged<S: Real>(weight: S, at: Stride<S>) -> Left<S> {
    Left { parameter: at.after, kept: drawn(weight, at.kept, at.after) }
}

/// x + w (y − x), and y itself for w = 1.
#[inline(always)]
pub(crate) fn drawn<S: Real>(weight: S, from: S, to: S) -> S {
    S::select(weight.less(S::one()), from + weight * (to - from), to)
}

named_unit!(Polyak);
