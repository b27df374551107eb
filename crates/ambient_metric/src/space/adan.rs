//! Adan's momentum.

use crate::bundle;
use crate::error::{Error, require};
use crate::number::scalar::Real;
use crate::space::momentum::{Momentum, Recall, average};

/// The moving averages of gradients and of their differences, which look a step ahead as Nesterov's momentum does: Adan's, over
/// [`RmsProp`](crate::RmsProp).
///
/// # Mathematics
///
/// With d = lₜ − lₜ₋₁, and d = 0 at the first step: m ← β₁m + (1−β₁)lₜ, v ← β₂v + (1−β₂)d, and m̂ = m/(1−β₁ᵗ) + β₂v/(1−β₂ᵗ). The metric sees
/// lₜ + β₂d. Decays are near one here as everywhere; the paper writes 1 − β for them.
///
/// # Requirements
///
/// β₁ and β₂ in (0, 1). Three numbers are kept per parameter: m, v and lₜ.
///
/// # Example
///
/// ```
/// use ambient_metric::{Descent, Flat, Momentum, RmsProp, Rule};
/// use ambient_metric::space::{Adan, Recall};
///
/// let momentum = Adan { beta1: 0.5, beta2: 0.5 };
/// // At the first step there is no difference.
/// let corrections = momentum.correct(0.5);
/// let first = Recall::of(&momentum, corrections, Default::default(), 4.0);
/// assert_eq!((first.present.average, first.present.difference), (2.0, 0.0));
/// assert_eq!(momentum.covector(corrections, first), 4.0);
///
/// let adan = Descent::new(RmsProp { beta: 0.99, epsilon: 1e-8 }, Flat, Adan::default());
/// assert!(adan.validate().is_ok());
/// ```
///
/// # Errors
///
/// [`validate`](Momentum::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// X. Xie and others, *Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models*, arXiv 2208.06677, Algorithm 1, with the corrections of
/// the authors' code.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Adan {
    /// The decay β₁ of the average of gradients.
    pub beta1: f64,
    /// The decay β₂ of the average of differences.
    pub beta2: f64,
}

known_keys! { Adan { beta1, beta2, .. } }

impl Default for Adan {
    /// β₁ = 0.98 and β₂ = 0.92.
    fn default() -> Self {
        Self { beta1: 0.98, beta2: 0.92 }
    }
}

bundle! {
    /// What [`Adan`] keeps per element: m, v and l.
    pub struct AdanState { average, difference, gradient }
}

impl<S: Real> Default for AdanState<S> {
    fn default() -> Self {
        Self { average: S::zero(), difference: S::zero(), gradient: S::zero() }
    }
}

bundle! {
    /// 1/(1−β₁ᵗ), β₂/(1−β₂ᵗ), and 0 at the first step and 1 later.
    pub struct AdanCorrections { average, difference, later }
}

impl Adan {
    /// The gradient less the one before; zero at the first step.
    #[inline(always)]
    fn difference<S: Real>(later: S, past: S, gradient: S) -> S {
        later * (gradient - past)
    }
}

impl Momentum for Adan {
    type State<S: Real> = AdanState<S>;
    type Corrections<S: Real> = AdanCorrections<S>;

    fn decay(&self) -> f64 {
        self.beta1
    }

    fn correct<S: Real>(&self, power: S) -> AdanCorrections<S> {
        // β₂ᵗ from β₁ᵗ.
        let other = power.power(self.beta2.ln() / self.beta1.ln());
        AdanCorrections {
            average: S::one() / (S::one() - power),
            difference: S::constant(self.beta2) / (S::one() - other),
            later: S::select(power.less(S::constant(self.beta1)), S::one(), S::zero()),
        }
    }

    #[inline(always)]
    fn remember<S: Real>(&self, corrections: AdanCorrections<S>, state: AdanState<S>, gradient: S) -> AdanState<S> {
        let difference = Self::difference(corrections.later, state.gradient, gradient);
        AdanState {
            average: average(self.beta1, state.average, gradient),
            difference: average(self.beta2, state.difference, difference),
            gradient,
        }
    }

    #[inline(always)]
    fn covector<S: Real>(&self, corrections: AdanCorrections<S>, at: Recall<AdanState<S>, S>) -> S {
        at.present.average * corrections.average + at.present.difference * corrections.difference
    }

    #[inline(always)]
    fn shown<S: Real>(&self, corrections: AdanCorrections<S>, at: Recall<AdanState<S>, S>) -> Option<S> {
        let difference = Self::difference(corrections.later, at.past.gradient, at.gradient);
        Some(at.gradient + S::constant(self.beta2) * difference)
    }

    fn validate(&self) -> Result<(), Error> {
        let check = |name, decay: f64| require(decay > 0.0 && decay < 1.0, name, decay, "it must lie in (0, 1)");
        check("beta1", self.beta1)?;
        check("beta2", self.beta2)
    }
}
