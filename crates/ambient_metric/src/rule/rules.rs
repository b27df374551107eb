//! The optimisers that have names, each a [`Descent`] in one line.
//!
//! What they are called with is what has no usual value; the rest are defaults, set by [`momentum`](Descent::momentum), [`beta`](Descent::beta) and
//! [`metric`](Descent::metric).

use crate::ambient::embedding::{Identity, Log};
use crate::ambient::heights::Height;
use crate::base::diagonal::{Euclidean, RmsProp};
use crate::rule::descent::Descent;
use crate::rule::induced::Induced;
use crate::rule::preconditioner::Flat;
use crate::space::momentum::{Ema, HeavyBall, Nesterov};

/// SGD with the heavy ball: m ← l + μm, θ ← θ − ηm.
pub type Sgd = Descent<Euclidean, Flat, HeavyBall>;
/// SGD with a bias-corrected moving average: the Euclidean induced optimiser at ξ = 0.
pub type SgdEma = Descent<Euclidean, Flat, Ema>;
/// Adam with decoupled weight decay; without decay it is Adam.
pub type AdamW = Descent<RmsProp, Flat, Ema>;
/// Adam with Nesterov's look-ahead.
pub type NAdam = Descent<RmsProp, Flat, Nesterov>;
/// The paper's `SGD_METRIC`: flat base metric, identity embedding.
pub type EuclideanInduced = Descent<Euclidean, Induced<Height<Identity>>, Ema>;
/// The paper's `SGD_LOG_METRIC`: flat base metric, logarithmic embedding.
pub type EuclideanLogInduced = Descent<Euclidean, Induced<Height<Log>>, Ema>;
/// The paper's `SGD_RMS`: RMSprop base metric, identity embedding.
pub type RmsPropInduced = Descent<RmsProp, Induced<Height<Identity>>, Ema>;

/// SGD with the heavy ball.
///
/// # Mathematics
///
/// m ← l + μm, θ ← θ − ηm − ηλθ.
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{Rule, rules};
/// assert!(rules::sgd(0.9).validate().is_ok());
/// ```
///
/// # References
///
/// B. T. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
#[must_use]
pub fn sgd(momentum: f64) -> Sgd {
    Descent::new(Euclidean, Flat, HeavyBall(momentum))
}

/// SGD with a bias-corrected moving average of the gradient.
///
/// # Mathematics
///
/// m ← μm + (1−μ)l, θ ← θ − η m / (1−μᵗ) − ηλθ.
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{Rule, rules};
/// assert!(rules::sgd_ema(1.0).validate().is_err());
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithm 1 at ξ = 0.
#[must_use]
pub fn sgd_ema(momentum: f64) -> SgdEma {
    Descent::new(Euclidean, Flat, Ema(momentum))
}

/// Adam, which is AdamW when the configuration has a weight decay: β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸, outside the root.
///
/// # Mathematics
///
/// m̂ and ρ̂ the corrected averages of l and l² with decays β₁ and β₂: θ ← θ − η m̂ / (√ρ̂ + ε) − ηλθ.
///
/// # Requirements
///
/// β₁ and β₂ in [0, 1), ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{RmsProp, Rule, rules};
/// assert_eq!(rules::adam().momentum(0.95).metric(RmsProp { beta: 0.98, epsilon: 1e-6 }).name(), rules::adam().name());
/// ```
///
/// # References
///
/// D. P. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015.
/// I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019.
#[must_use]
pub fn adam() -> AdamW {
    Descent::new(RmsProp::default(), Flat, Ema(0.9))
}

/// NAdam: Adam with Nesterov's look-ahead, with the defaults of [`adam`].
///
/// # Mathematics
///
/// As [`adam`] with m̂ = β₁ m / (1−β₁ᵗ⁺¹) + (1−β₁) l / (1−β₁ᵗ).
///
/// # Requirements
///
/// β₁ and β₂ in [0, 1), ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{Rule, rules};
/// assert!(rules::nadam().momentum(1.0).validate().is_err());
/// ```
///
/// # References
///
/// T. Dozat, *Incorporating Nesterov Momentum into Adam*, ICLR workshop, 2016.
#[must_use]
pub fn nadam() -> NAdam {
    Descent::new(RmsProp::default(), Flat, Nesterov(0.9))
}

/// The paper's `SGD_METRIC` with this ξ, μ = 0.9 and β = 0.8.
///
/// # Mathematics
///
/// θ ← θ − η m̂ / (1 + v̂) − ηλθ, with s = ξ Σ l² under v̂.
///
/// # Requirements
///
/// ξ ≥ 0; μ and β in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{Rule, rules};
/// assert_eq!(rules::euclidean(0.1).momentum(0.95).beta(0.0).xi(), Some([0.1]));
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 with f(L) = L; eq. 10 without averages.
#[must_use]
pub fn euclidean(xi: f64) -> EuclideanInduced {
    Descent::new(Euclidean, Induced::new(Identity, xi).beta(0.8), Ema(0.9))
}

/// The paper's `SGD_LOG_METRIC` with this ξ, μ = 0.9 and β = 0.8.
///
/// # Mathematics
///
/// θ ← θ − η m̂ L / (L² + v̂) − ηλθ, with s = ξ Σ l² under v̂.
///
/// # Requirements
///
/// ξ ≥ 0; μ and β in [0, 1); L > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{Rule, rules};
/// assert!(rules::euclidean_log(0.1).check_loss([0.0], [0.1]).is_err());
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 with f(L) = ln L.
#[must_use]
pub fn euclidean_log(xi: f64) -> EuclideanLogInduced {
    Descent::new(Euclidean, Induced::new(Log, xi).beta(0.8), Ema(0.9))
}

/// The paper's `SGD_RMS` with this ξ, μ = 0.9, β = 0.8, and 0.999 and ε = 10⁻⁸ in the base metric.
///
/// # Mathematics
///
/// θ ← θ − η γ⁻¹m̂ / (1 + v̂) − ηλθ, with γ = √ρ̂ + ε and s = ξ Σ l γ⁻¹l under v̂.
///
/// # Requirements
///
/// ξ ≥ 0; μ, β and the β of the base metric in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{RmsProp, Rule, rules};
/// assert!(rules::rmsprop(0.1).metric(RmsProp { beta: 0.99, epsilon: 1e-8 }).validate().is_ok());
/// ```
///
/// # References
///
/// arXiv 2509.03594, the RMSprop variant of Algorithm 1.
#[must_use]
pub fn rmsprop(xi: f64) -> RmsPropInduced {
    Descent::new(RmsProp::default(), Induced::new(Identity, xi).beta(0.8), Ema(0.9))
}
