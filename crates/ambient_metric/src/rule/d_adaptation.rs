//! Adam that estimates how far it has to go from what it has summed: D-Adaptation.

use crate::ambient::ambient_metric::Covectors;
use crate::bundle;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::preconditioner::{Damping, Flat, Preconditioner, Raised};
use crate::rule::prodigy::{DistanceMemory, later, over_root, require_distance};
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

bundle! {
    /// The state of [`DAdaptation`] per element: m, v, s, and what the preconditioner keeps.
    pub nested struct DAdaptationState<S, P> { average: S, square: S, sum: S, ambient: P }
}

bundle! {
    /// What [`DAdaptation`] sums: ⟨l, s/(√v + ε)⟩, ‖s‖₁, and for the preconditioner.
    pub nested struct DAdaptationSums<S, P> { along: S, length: S, preconditioner: P }
}

bundle! {
    /// η, ηλ, and the factors of the preconditioner.
    pub nested struct DAdaptationMultipliers<S, P> { rate: S, decay: S, preconditioner: P }
}

type State<S, P> = DAdaptationState<S, <P as Preconditioner>::State<S>>;

impl<P: Preconditioner> DAdaptation<P> {
    /// β₃.
    fn beta3(&self) -> f64 {
        self.beta2.sqrt()
    }

    /// √v + ε.
    #[inline(always)]
    fn root<S: Real>(&self, state: &State<S, P>) -> S {
        state.square.sqrt() + S::constant(self.epsilon)
    }

    /// The state of a coordinate after the gradient has been seen, and its covectors.
    #[inline(always)]
    #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
    fn see<S: Real>(
        &self,
        weight: S,
        at: Coordinate<S, State<S, P>, [S; 1]>,
    ) -> (State<S, P>, Covectors<[S; 1], P::Columns<S>>) {
        let (gradient, weighted) = (at.gradient[0], weight * at.gradient[0]);
        let state = DAdaptationState {
            average: average(self.beta1, at.state.average, weighted),
            square: average(self.beta2, at.state.square, gradient * gradient),
            sum: average(self.beta3(), at.state.sum, weighted),
            ambient: self.preconditioner.observe(at.state.ambient, at.gradient),
        };
        let momentum = [state.average];
        let local = Local { parameter: at.parameter, gradient: at.gradient, momentum };
        let columns = self.preconditioner.columns(state.ambient, local);
        (state, Covectors { gradient: at.gradient, momentum, columns })
    }
}

impl<P: Preconditioner> Rule for DAdaptation<P> {
    type PerLoss<S: Real> = [S; 1];
    type State<S: Real> = State<S, P>;
    type Memory<S: Real> = DistanceMemory<S, P::Memory<S>>;
    /// w.
    type Corrections<S: Real> = S;
    type Sums<S: Real> = DAdaptationSums<S, P::Sums<S>>;
    type Multipliers<S: Real> = DAdaptationMultipliers<S, P::Factors<S>>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        DistanceMemory::begin(self.d0, self.preconditioner.begin())
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> S {
        later([self.beta1, self.beta2], self.bias_correction, &memory).1
    }

    #[inline(always)]
    fn measure<S: Real>(&self, weight: S, at: Coordinate<S, State<S, P>, [S; 1]>) -> Self::Sums<S> {
        let (state, covectors) = self.see(weight, at);
        let inverse = S::one() / self.root(&state);
        let raised = Raised {
            gradient: [covectors.gradient[0] * inverse],
            momentum: [covectors.momentum[0] * inverse],
            columns: covectors.columns.times(inverse),
        };
        DAdaptationSums {
            along: at.gradient[0] * over_root(at.state.sum, self.root(&at.state)),
            length: state.sum.abs(),
            preconditioner: self.preconditioner.measure(covectors, raised),
        }
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; 1]>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Multipliers<S>, Self::Memory<S>, Damping<S, [S; 1]>> {
        let DAdaptationSums { along, length, preconditioner } = sums.pool;
        let (powers, weight) = later([self.beta1, self.beta2], self.bias_correction, &memory);
        let correlation = average(self.beta3(), memory.correlation, weight * along);
        let estimate = over_root(correlation, S::constant(1.0 - self.beta3()) * length);
        let distance = memory.distance.maximum(estimate);
        let Outcome { factors, memory: kept, report } =
            self.preconditioner.damp(inputs, memory.preconditioner, preconditioner);
        let decay = inputs.learning_rate * inputs.weight_decay;
        Outcome {
            factors: DAdaptationMultipliers { rate: inputs.learning_rate, decay, preconditioner: factors },
            memory: memory.next(distance, correlation, powers, kept),
            report,
        }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        weight: S,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, State<S, P>, [S; 1]>,
    ) -> Advanced<S, State<S, P>> {
        let (state, covectors) = self.see(weight, at);
        let step = self.preconditioner.follow(multipliers.preconditioner, covectors) / self.root(&state);
        Advanced { parameter: at.parameter - multipliers.rate * step - multipliers.decay * at.parameter, state }
    }

    fn xi(&self) -> Option<[f64; 1]> {
        self.preconditioner.xi()
    }

    fn accepts<S: Real>(&self, losses: [S; 1], xi: [S; 1]) -> S::Mask {
        self.preconditioner.accepts(losses, xi)
    }

    fn check_loss(&self, losses: [f64; 1], xi: [f64; 1]) -> Result<(), Error> {
        self.preconditioner.check(losses, xi)
    }

    fn validate(&self) -> Result<(), Error> {
        require_distance(
            &self.preconditioner,
            &[("beta1", self.beta1), ("beta2", self.beta2)],
            &[("epsilon", self.epsilon)],
            self.d0,
            || self.name(),
        )
    }

    fn name(&self) -> String {
        format!("DAdaptation({})", self.preconditioner.name())
    }
}
