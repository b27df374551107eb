//! Momentum: how past gradients enter the covector that a step follows.

use crate::error::{Error, require_decay};
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;

/// How gradients are remembered, and which covector the step follows.
///
/// # Mathematics
///
/// With c = correct(μᵗ): m_t = remember(c, m_{t−1}, l_t) from m₀ = 0, and m̂_t = covector(c, m_{t−1}, m_t, l_t). m and m̂ are covectors (index down): a metric
/// turns m̂ into the step. The metric itself learns from l_t, or from what the momentum shows in its place.
///
/// # Requirements
///
/// The decay μ lies in [0, 1). `remember`, `covector` and `shown` depend on one coordinate; mark them `#[inline(always)]`, as
/// [`Kernel`](crate::Kernel) says why.
///
/// # Example
///
/// ```
/// use ambient_metric::{Ema, Momentum};
/// use ambient_metric::space::Recall;
///
/// let momentum = Ema(0.9);
/// let corrections = momentum.correct(0.9);
/// let at = Recall::of(&momentum, corrections, 0.0, 2.0);
/// assert!((momentum.covector(corrections, at) - 2.0_f64).abs() < 1e-15);
/// ```
///
/// # Errors
///
/// [`validate`](Self::validate) answers with [`Error::Hyperparameter`] for a decay outside [0, 1).
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 ([`Ema`]); Polyak 1964 ([`HeavyBall`]); Dozat 2016 ([`Nesterov`]); Chen et al. 2023
/// ([`LionMomentum`](crate::space::LionMomentum)); Zhuang et al. 2020 ([`Belief`](crate::space::Belief)).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no momentum",
    note = "implement `Momentum`, or take `Ema`, `HeavyBall`, `Nesterov` or `NoMomentum`"
)]
pub trait Momentum: Clone + Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// Bias corrections, the same for every element.
    type Corrections<S: Real>: Bundle<S>;

    /// The decay μ of the memory; its power μᵗ reaches [`correct`](Self::correct).
    fn decay(&self) -> f64;

    /// The bias corrections of step t from μᵗ.
    fn correct<S: Real>(&self, power: S) -> Self::Corrections<S>;

    /// The state after the gradient l has been seen.
    fn remember<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        state: Self::State<S>,
        gradient: S,
    ) -> Self::State<S>;

    /// The covector that the step follows.
    fn covector<S: Real>(&self, corrections: Self::Corrections<S>, at: Recall<Self::State<S>, S>) -> S;

    /// The covector that the base metric sees and learns from, where that is not the gradient; always or never.
    #[inline(always)]
    fn shown<S: Real>(&self, corrections: Self::Corrections<S>, at: Recall<Self::State<S>, S>) -> Option<S> {
        let _ = (corrections, at);
        None
    }

    /// Accepts the decay.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] outside [0, 1).
    fn validate(&self) -> Result<(), Error> {
        require_decay("momentum", self.decay())
    }

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

/// A coordinate as a momentum sees it: its state before and after the gradient.
///
/// ```
/// use ambient_metric::Ema;
/// use ambient_metric::space::Recall;
/// assert_eq!(Recall::of(&Ema(0.5), 1.0, 2.0, 4.0), Recall { past: 2.0, present: 3.0, gradient: 4.0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall<St, S> {
    /// The state before the gradient has been seen.
    pub past: St,
    /// The state after it.
    pub present: St,
    /// The gradient l.
    pub gradient: S,
}

impl<St: Copy, S: Real> Recall<St, S> {
    /// What a momentum makes of a gradient.
    #[inline(always)]
    pub fn of<Q: Momentum<State<S> = St>>(momentum: &Q, corrections: Q::Corrections<S>, past: St, gradient: S) -> Self {
        Self { past, present: momentum.remember(corrections, past, gradient), gradient }
    }
}

/// Whether the base metric sees another covector than the gradient.
pub(crate) fn shows<Q: Momentum, S: Real>(momentum: &Q) -> bool {
    let (state, corrections) = (<Q::State<S> as Bundle<S>>::zero(), <Q::Corrections<S> as Bundle<S>>::zero());
    momentum.shown(corrections, Recall { past: state, present: state, gradient: S::zero() }).is_some()
}

/// The moving average x ← d x + (1 − d) y.
#[inline(always)]
pub(crate) fn average<S: Real>(decay: f64, past: S, present: S) -> S {
    S::constant(decay) * past + S::constant(1.0 - decay) * present
}

/// The moving average of gradients, corrected for its start at zero: the momentum of the induced-metric optimisers and of Adam.
///
/// # Mathematics
///
/// m ← μm + (1−μ)l and m̂ = m / (1 − μᵗ).
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{Ema, Momentum};
/// use ambient_metric::space::Recall;
///
/// // At t = 2 the power is μ² = 1/4.
/// let correction = Ema(0.5).correct(0.25);
/// let at = Recall::of(&Ema(0.5), correction, 2.0, 4.0);
/// assert_eq!(at.present, 3.0);
/// assert_eq!(Ema(0.5).covector(correction, at), 4.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2.
/// D. P. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ema(
    /// The decay μ, in [0, 1).
    pub f64,
);

impl From<f64> for Ema {
    fn from(decay: f64) -> Self {
        Self(decay)
    }
}

impl Momentum for Ema {
    type State<S: Real> = S;
    type Corrections<S: Real> = S;

    fn decay(&self) -> f64 {
        self.0
    }

    fn correct<S: Real>(&self, power: S) -> S {
        S::one() / (S::one() - power)
    }

    #[inline(always)]
    fn remember<S: Real>(&self, _correction: S, m: S, gradient: S) -> S {
        average(self.0, m, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, correction: S, at: Recall<S, S>) -> S {
        at.present * correction
    }
}

/// The heavy ball, as plain SGD has it: no factor 1−μ and no correction.
///
/// # Mathematics
///
/// m ← l + μm and m̂ = m. A constant gradient leads to m̂ = l / (1−μ).
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::Momentum;
/// use ambient_metric::space::HeavyBall;
/// assert_eq!(HeavyBall(0.5).remember((), 2.0, 1.0), 2.0);
/// ```
///
/// # References
///
/// B. T. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeavyBall(
    /// The friction μ, in [0, 1).
    pub f64,
);

impl From<f64> for HeavyBall {
    fn from(decay: f64) -> Self {
        Self(decay)
    }
}

impl Momentum for HeavyBall {
    type State<S: Real> = S;
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        self.0
    }

    fn correct<S: Real>(&self, _power: S) {}

    #[inline(always)]
    fn remember<S: Real>(&self, (): (), m: S, gradient: S) -> S {
        gradient + S::constant(self.0) * m
    }

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Recall<S, S>) -> S {
        at.present
    }
}

/// Nesterov's look-ahead on the moving average, as NAdam has it.
///
/// # Mathematics
///
/// m ← μm + (1−μ)l and m̂ = μ m / (1 − μᵗ⁺¹) + (1−μ) l / (1 − μᵗ).
///
/// # Requirements
///
/// μ in [0, 1).
///
/// # Example
///
/// ```
/// use ambient_metric::{Momentum, Nesterov};
/// use ambient_metric::space::Recall;
///
/// // At t = 1: m = l/2 and m̂ = (1/2) m / (3/4) + (1/2) l / (1/2).
/// let momentum = Nesterov(0.5);
/// let corrections = momentum.correct(0.5);
/// let ahead: f64 = momentum.covector(corrections, Recall::of(&momentum, corrections, 0.0, 6.0));
/// assert!((ahead - 8.0).abs() < 1e-14);
/// assert!(Nesterov(1.0).validate().is_err());
/// ```
///
/// # References
///
/// T. Dozat, *Incorporating Nesterov Momentum into Adam*, ICLR workshop, 2016.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nesterov(
    /// The decay μ, in [0, 1).
    pub f64,
);

impl From<f64> for Nesterov {
    fn from(decay: f64) -> Self {
        Self(decay)
    }
}

impl Momentum for Nesterov {
    type State<S: Real> = S;
    /// The weights of m and of l.
    type Corrections<S: Real> = [S; 2];

    fn decay(&self) -> f64 {
        self.0
    }

    fn correct<S: Real>(&self, power: S) -> [S; 2] {
        let decay = S::constant(self.0);
        let next = power * decay;
        [decay / (S::one() - next), S::constant(1.0 - self.0) / (S::one() - power)]
    }

    #[inline(always)]
    fn remember<S: Real>(&self, _corrections: [S; 2], m: S, gradient: S) -> S {
        average(self.0, m, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, [of_memory, of_gradient]: [S; 2], at: Recall<S, S>) -> S {
        of_memory * at.present + of_gradient * at.gradient
    }
}

/// No memory: the step follows the gradient, and nothing is stored.
///
/// # Mathematics
///
/// m̂ = l.
///
/// # Example
///
/// ```
/// use ambient_metric::{Momentum, NoMomentum};
/// use ambient_metric::space::Recall;
/// assert_eq!(NoMomentum.covector((), Recall { past: (), present: (), gradient: 3.0 }), 3.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NoMomentum;

impl Momentum for NoMomentum {
    type State<S: Real> = ();
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        0.0
    }

    fn correct<S: Real>(&self, _power: S) {}

    #[inline(always)]
    fn remember<S: Real>(&self, (): (), (): (), _gradient: S) {}

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Recall<(), S>) -> S {
        at.gradient
    }
}

named_unit!(NoMomentum);
