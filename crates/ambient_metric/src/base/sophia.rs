//! Sophia's step.

use crate::base::base_metric::DiagonalMetric;
use crate::base::pointwise::Weights;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;

/// l♯ = clamp(γ⁻¹l, ±c) with γ = max(κh, ε) and h an average of observed estimates of the Hessian's diagonal: Sophia. No metric, since a clamp is not linear.
///
/// # Mathematics
///
/// Of an observation x, an estimate of the diagonal of the Hessian as [`hutchinson`](crate::base::hutchinson) and
/// [`gauss_newton_bartlett`](crate::base::gauss_newton_bartlett) make one, h ← βh + (1−β)x, which is not corrected for its start at zero. Where κh
/// is below ε, as it is along directions of negative curvature, the step is a clamped one along l/ε: nearly always c sign(l).
///
/// Then s = ⟨l, l♯⟩ = Σ lᵢ l♯ᵢ, which is not a square of a length, and the pull-back damps by it as by that of a metric.
///
/// One of κ, c and the learning rate is redundant: clamp(l / max(κh, ε), ±c) = clamp(l / max(h, ε/κ), ±κc) / κ.
///
/// # Requirements
///
/// It [observes](crate::Optimiser::observe), before the first step and then every so many. β in [0, 1), and κ, ε and c above zero.
///
/// # Example
///
/// ```
/// use ambient_metric::DiagonalMetric;
/// use ambient_metric::base::{Sophia, Weights};
///
/// let metric = Sophia { beta: 0.5, gamma: 0.5, epsilon: 0.25, clip: 1.0 };
/// let h = metric.notice(Weights::of(0.5, 0, 1), 0.0, 16.0);
/// // γ = max(8/2, 1/4).
/// assert_eq!(metric.sharp(metric.inverse(h), 2.0), 0.5);
/// assert_eq!(metric.sharp(metric.inverse(h), -9.0), -1.0);
/// assert_eq!(metric.sharp(metric.inverse(-h), 0.125), 0.5);
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// H. Liu, Z. Li and others, *Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training*, arXiv 2305.14342, Algorithm 3, with c = 1
/// and κ written γ.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Sophia {
    /// The decay β of h.
    pub beta: f64,
    /// κ, by which h is scaled; the paper's γ.
    pub gamma: f64,
    /// ε, below which κh counts as that.
    pub epsilon: f64,
    /// c, the largest magnitude of a component of l♯.
    pub clip: f64,
}

known_keys! { Sophia { beta, gamma, epsilon, clip, .. } }

impl Default for Sophia {
    /// β = 0.99, κ = 0.01, ε = 10⁻¹² and c = 1, as for Hutchinson's estimate in the paper; for that of Gauss, Newton and Bartlett it takes κ = 0.05.
    fn default() -> Self {
        Self { beta: 0.99, gamma: 0.01, epsilon: 1e-12, clip: 1.0 }
    }
}

impl DiagonalMetric for Sophia {
    type State<S: Real> = S;
    const OBSERVES: bool = true;

    #[inline(always)]
    fn observe<S: Real>(&self, h: S, _gradient: S) -> S {
        h
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, h: S, example: S) -> S {
        weights.average(h, example)
    }

    fn observation_decay(&self) -> f64 {
        self.beta
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, h: S) -> S {
        S::one() / (S::constant(self.gamma) * h).maximum(S::constant(self.epsilon))
    }

    #[inline(always)]
    fn sharp<S: Real>(&self, inverse: S, covector: S) -> S {
        let clip = S::constant(self.clip);
        (covector * inverse).maximum(-clip).minimum(clip)
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("gamma", self.gamma)?;
        require_positive("epsilon", self.epsilon)?;
        require_positive("clip", self.clip)
    }
}
