//! Adam that estimates how far it has to go from what it has summed: D-Adaptation.

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
/// [`Prodigy`](crate::rule::Prodigy) is its successor, with one number more per parameter.
///
/// # Mathematics
///
/// With w = db, b = 1, or √(1−β₂ᵗ)/(1−β₁ᵗ) where it is corrected for its start at zero, β₃ = √β₂, and s and v before the step in the first line:
///
/// - r ← β₃r + (1−β₃)w⟨l, s/(√v + ε)⟩;
/// - m ← β₁m + (1−β₁)wl, v ← β₂v + (1−β₂)l², s ← β₃s + (1−β₃)wl, and d′ = max(d, r/((1−β₃)‖s‖₁));
/// - θ ← θ − ηP(m)/(√v + ε) − ηλθ, with P the preconditioner.
///
/// The surface's s is that of l in γ = √v + ε. Sums are over all parameters that share them.
///
/// # Requirements
///
/// A preconditioner that scales momenta as they are, and d₀ not below 10⁻¹². A checkpoint has d as the memory `distance`. The authors' code weighs the terms of r
/// and s by the learning rate too: with η = 1, which the paper recommends, it takes the same steps.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector};
/// use ambient_metric::rule::DAdaptation;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![30.0_f64, -40.0]);
/// let mut optimiser = Configuration::new(DAdaptation::default(), 1.0).build(&theta)?;
/// for _ in 0..400 {
///     let gradient = Covector(theta.clone());
///     optimiser.step(&mut theta, &gradient, 0.0)?;
/// }
/// // From a first guess of a millionth.
/// assert!(theta.as_slice().iter().all(|x| x.abs() < 3.0), "{:?}", theta.as_slice());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Rule::validate) answers with [`Error::Hyperparameter`], and with [`Error::NoEngine`] for any other preconditioner.
///
/// # References
///
/// A. Defazio and K. Mishchenko, *Learning-Rate-Free Learning by D-Adaptation*, arXiv 2301.07733, the variant for Adam, as the authors' code has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DAdaptation<P = Flat> {
    /// What turns the momentum into a step.
    pub preconditioner: P,
    /// The decay β₁ of the average of gradients.
    pub beta1: f64,
    /// The decay β₂ of the average of their squares.
    pub beta2: f64,
    /// ε, added to the root of the squares.
    pub epsilon: f64,
    /// The first guess d₀, far below the distance.
    pub d0: f64,
    /// Whether steps are corrected for the start of the averages at zero.
    pub bias_correction: bool,
}

known_keys! { DAdaptation<P> { preconditioner, beta1, beta2, epsilon, d0, bias_correction = false } }

impl Default for DAdaptation {
    /// β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸, d₀ = 10⁻⁶, not corrected.
    fn default() -> Self {
        Self { preconditioner: Flat, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, d0: 1e-6, bias_correction: false }
    }
}

impl<P> DAdaptation<P> {
    /// With this preconditioner, such as a surface.
    pub fn over<O>(self, preconditioner: O) -> DAdaptation<O> {
        let Self { beta1, beta2, epsilon, d0, bias_correction, .. } = self;
        DAdaptation { preconditioner, beta1, beta2, epsilon, d0, bias_correction }
    }
}

impl<P> DAdaptation<P> {
    /// √v + ε.
    #[inline(always)]
    fn root<S: Real, A: Bundle<S>>(&self, state: DistanceState<S, (), A>) -> S {
        state.square.sqrt() + S::constant(self.epsilon)
    }
}

impl<P> Distance for DAdaptation<P> {
    type Start<S: Real> = ();

    fn constants(&self) -> Constants {
        let Self { beta1, beta2, epsilon, d0, bias_correction, .. } = *self;
        let beta3 = if beta2 >= 0.0 { beta2.sqrt() } else { beta2 };
        Constants { beta1, beta2, beta3, epsilon, coefficient: 1.0, d0, bias_correction }
    }

    #[inline(always)]
    fn unit<S: Real>(&self, _distance: S) -> S {
        S::one()
    }

    fn rate<S: Real>(&self, _weight: S) -> S {
        S::one()
    }

    #[inline(always)]
    fn remember<S: Real, A: Bundle<S>>(
        &self,
        corrections: DistanceCorrections<S>,
        state: DistanceState<S, (), A>,
        _parameter: S,
        gradient: S,
    ) -> DistanceState<S, (), A> {
        let weighted = corrections.weight * gradient;
        DistanceState {
            average: average(self.beta1, state.average, weighted),
            square: average(self.beta2, state.square, gradient * gradient),
            sum: average(self.constants().beta3, state.sum, weighted),
            ..state
        }
    }

    #[inline(always)]
    fn along<S: Real, A: Bundle<S>>(&self, [before, _]: [DistanceState<S, (), A>; 2], _parameter: S, gradient: S) -> S {
        gradient * over_root(before.sum, self.root(before))
    }

    fn correlate<S: Real>(&self, correlation: S, along: S, _distance: S, weight: S) -> S {
        average(self.constants().beta3, correlation, weight * along)
    }

    fn share(&self) -> f64 {
        1.0 / (1.0 - self.constants().beta3)
    }
}

type State<S, P> = DistanceState<S, (), <P as Preconditioner>::State<S>>;

distant!(DAdaptation);
