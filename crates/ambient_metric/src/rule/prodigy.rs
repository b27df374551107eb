//! Adam that estimates how far it has to go: Prodigy.

use crate::ambient::ambient_metric::Covectors;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::distance::{
    Constants, Distance, DistanceCorrections, DistanceMemory, DistanceMultipliers, DistanceState, DistanceSums,
    distant, over_root,
};
use crate::rule::preconditioner::{Damping, Flat, Preconditioner, Raised};
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::space::acts::{Inputs, Local, Outcome, Totals};
use crate::space::momentum::average;

/// Adam, or Adam on the loss surface, whose rate is an estimate d of the distance to where it goes: the learning rate is a factor of that, and one will do.
///
/// # Mathematics
///
/// With θ₀ the parameters before the first step, w = db, and b = 1, or √(1−β₂ᵗ)/(1−β₁ᵗ) where it is corrected for its start at zero:
///
/// - m ← β₁m + (1−β₁)dl and v ← β₂v + (1−β₂)d²l²;
/// - r ← β₃r + dw⟨l, θ₀ − θ⟩, s ← β₃s + dwl, and d′ = max(d, cr/‖s‖₁);
/// - θ ← θ − ηwP(m)/(√v + d′ε) − ηλθ, with P the preconditioner.
///
/// The surface's s is that of l in γ = √v/d + ε, which is Adam's. Sums are over all parameters that share them.
///
/// # Requirements
///
/// A preconditioner that scales momenta as they are, and d₀ not below 10⁻¹². A checkpoint has d as the memory `distance`. The authors' code weighs the terms of r and s by the learning rate too, which matters where that
/// changes.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector};
/// use ambient_metric::rule::Prodigy;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![30.0_f64, -40.0]);
/// let mut optimiser = Configuration::new(Prodigy::default(), 1.0).build(&theta)?;
/// for _ in 0..400 {
///     let gradient = Covector(theta.clone());
///     optimiser.step(&mut theta, &gradient, 0.0)?;
/// }
/// // From a first guess of a millionth.
/// assert!(theta.as_slice().iter().all(|x| x.abs() < 1.0));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Rule::validate) answers with [`Error::Hyperparameter`], and with [`Error::NoEngine`] for any other preconditioner.
///
/// # References
///
/// K. Mishchenko and A. Defazio, *Prodigy: An Expeditiously Adaptive Parameter-Free Learner*, arXiv 2306.06101, Algorithm 4, as the authors' code has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Prodigy<P = Flat> {
    /// What turns the momentum into a step.
    pub preconditioner: P,
    /// The decay β₁ of the average of gradients.
    pub beta1: f64,
    /// The decay β₂ of the average of their squares.
    pub beta2: f64,
    /// The decay β₃ of the estimate.
    pub beta3: f64,
    /// ε, added to the root of the squares.
    pub epsilon: f64,
    /// The first guess d₀, far below the distance.
    pub d0: f64,
    /// The factor c of the estimate.
    pub coefficient: f64,
    /// Whether steps are corrected for the start of the averages at zero.
    pub bias_correction: bool,
}

known_keys! {
    Prodigy<P> { preconditioner, beta1, beta2, beta3, epsilon, d0, coefficient = 1.0, bias_correction = false }
}

impl Default for Prodigy {
    /// β₁ = 0.9, β₂ = 0.999, β₃ = √β₂, ε = 10⁻⁸, d₀ = 10⁻⁶, c = 1, not corrected.
    fn default() -> Self {
        Self {
            preconditioner: Flat,
            beta1: 0.9,
            beta2: 0.999,
            beta3: 0.999_f64.sqrt(),
            epsilon: 1e-8,
            d0: 1e-6,
            coefficient: 1.0,
            bias_correction: false,
        }
    }
}

impl<P> Prodigy<P> {
    /// With this preconditioner, such as a surface.
    pub fn over<O>(self, preconditioner: O) -> Prodigy<O> {
        let Self { beta1, beta2, beta3, epsilon, d0, coefficient, bias_correction, .. } = self;
        Prodigy { preconditioner, beta1, beta2, beta3, epsilon, d0, coefficient, bias_correction }
    }
}

impl<P> Distance for Prodigy<P> {
    /// θ₀.
    type Start<S: Real> = S;

    fn constants(&self) -> Constants {
        let Self { beta1, beta2, beta3, epsilon, d0, coefficient, bias_correction, .. } = *self;
        Constants { beta1, beta2, beta3, epsilon, coefficient, d0, bias_correction }
    }

    #[inline(always)]
    fn unit<S: Real>(&self, distance: S) -> S {
        distance
    }

    fn rate<S: Real>(&self, weight: S) -> S {
        weight
    }

    #[inline(always)]
    fn remember<S: Real, A: Bundle<S>>(
        &self,
        DistanceCorrections { distance, weight, later }: DistanceCorrections<S>,
        state: DistanceState<S, S, A>,
        parameter: S,
        gradient: S,
    ) -> DistanceState<S, S, A> {
        let scaled = distance * gradient;
        DistanceState {
            average: average(self.beta1, state.average, scaled),
            square: average(self.beta2, state.square, scaled * scaled),
            sum: S::constant(self.beta3) * state.sum + distance * weight * gradient,
            start: S::select(S::zero().less(later), state.start, parameter),
            ..state
        }
    }

    #[inline(always)]
    fn along<S: Real, A: Bundle<S>>(&self, [_, state]: [DistanceState<S, S, A>; 2], parameter: S, gradient: S) -> S {
        gradient * (state.start - parameter)
    }

    fn correlate<S: Real>(&self, correlation: S, along: S, distance: S, weight: S) -> S {
        S::constant(self.beta3) * correlation + distance * weight * along
    }

    fn share(&self) -> f64 {
        self.coefficient
    }
}

type State<S, P> = DistanceState<S, S, <P as Preconditioner>::State<S>>;

distant!(Prodigy);
