//! AdaHessian's metric.

use crate::base::base_metric::DiagonalMetric;
use crate::base::pointwise::Weights;
use crate::error::{Error, require, require_decay, require_positive};
use crate::number::scalar::Real;

/// γ = v̂^(k/2) + ε with v an average of squares of observed estimates of the Hessian's diagonal: AdaHessian.
///
/// # Mathematics
///
/// Of an observation x, an estimate of the diagonal of the Hessian such as [`hutchinson`](crate::base::hutchinson) makes, v ← βv + (1−β)x²,
/// v̂ = v / (1−βᵗ) after t observations, and γ⁻¹ = 1 / (v̂^(k/2) + ε). With k = 1, the default, this is the metric of RMSprop with the diagonal for the
/// gradient; k below one stands between Newton's method and steepest descent.
///
/// The paper's means of x over blocks of parameters are left to who observes: hand in what is to be seen.
///
/// # Requirements
///
/// It [observes](crate::Optimiser::observe), before the first step and then every so many. β in [0, 1), k in (0, 1], and ε > 0. With k below one it takes
/// powers, which a device has in `f32` alone.
///
/// # Example
///
/// ```
/// use ambient_metric::DiagonalMetric;
/// use ambient_metric::base::{AdaHessian, Weights};
///
/// let metric = AdaHessian { beta: 0.75, power: 1.0, epsilon: 1.0 };
/// let v = metric.notice(Weights::of(0.75, 0, 1), 0.0, -3.0);
/// assert_eq!(metric.inverse(v / 0.25), 0.25);
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// Z. Yao, A. Gholami and others, *ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning*, arXiv 2006.00719, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AdaHessian {
    /// The decay β.
    pub beta: f64,
    /// The Hessian power k.
    pub power: f64,
    /// ε, added to the root.
    pub epsilon: f64,
}

known_keys! { AdaHessian { beta, power, epsilon, .. } }

impl Default for AdaHessian {
    /// β = 0.999, k = 1 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { beta: 0.999, power: 1.0, epsilon: 1e-8 }
    }
}

impl DiagonalMetric for AdaHessian {
    type State<S: Real> = S;
    const OBSERVES: bool = true;

    #[inline(always)]
    fn observe<S: Real>(&self, v: S, _gradient: S) -> S {
        v
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, v: S, example: S) -> S {
        weights.average(v, example * example)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, v: S) -> S {
        let root = v.sqrt();
        let root = if self.power < 1.0 { root.power(self.power) } else { root };
        S::one() / (root + S::constant(self.epsilon))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require(self.power > 0.0 && self.power <= 1.0, "power", self.power, "it must lie in (0, 1]")?;
        require_positive("epsilon", self.epsilon)
    }
}
