//! Schedule-free learning: gradients between the average and the iterate of the base rule.

use crate::error::{Error, require};
use crate::number::scalar::Real;
use crate::rule::evaluated::{EvaluationPoint, Left, Stride};

/// Training without a schedule of the learning rate: the gradient is taken between the iterate z of the rule and its average x, and x is evaluated.
///
/// # Mathematics
///
/// The parameters that are trained are y = (1−β)z + βx. With Δ the step of the rule at y, c = 1/t, and x and z equal to y before the first step,
///
/// z ← z + Δ, x ← (1−c)x + cz, y ← (1−β)z + βx.
///
/// z is kept for every parameter, x is y + (1 − 1/β)(z − y). β takes the place of a momentum: take a rule without one, such as `flat(rmsprop)`. All steps
/// have the same weight in x; the reference implementations weigh them by the squares of their learning rates, which is the same where that is constant.
///
/// # Requirements
///
/// β in (0, 1].
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{EvaluationPoint, ScheduleFree, Stride};
///
/// let free = ScheduleFree(0.5);
/// // z = 4 and y = 3, so x = 2. A step by 2 at t = 2: z = 6, x = (2 + 6)/2 = 4, y = 5.
/// let left = free.keep(free.weight(1.0), Stride { kept: 4.0, before: 3.0, after: 5.0 });
/// assert_eq!((left.kept, left.parameter, free.evaluated(left.parameter, left.kept)), (6.0, 5.0, 4.0));
/// ```
///
/// # References
///
/// A. Defazio and others, *The Road Less Scheduled*, arXiv 2405.15682, eq. 3 to 5.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScheduleFree(
    /// β, the share of the average in the point at which gradients are taken, in (0, 1].
    pub f64,
);

impl EvaluationPoint for ScheduleFree {
    fn weight<S: Real>(&self, steps: S) -> S {
        S::one() / (steps + S::one())
    }

    #[inline(always)]
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S> {
        let step = at.after - at.before;
        let share = S::one() - S::constant(self.0) * (S::one() - weight);
        let parameter = at.before + weight * (at.kept - at.before) + share * step;
        Left { parameter, kept: at.kept + step }
    }

    #[inline(always)]
    fn evaluated<S: Real>(&self, parameter: S, kept: S) -> S {
        parameter + S::constant(1.0 - 1.0 / self.0) * (kept - parameter)
    }

    fn validate(&self) -> Result<(), Error> {
        require(self.0 > 0.0 && self.0 <= 1.0, "beta", self.0, "it must lie in (0, 1]")
    }
}
