//! Adam that estimates how far it has to go: Prodigy.

use crate::ambient::ambient_metric::Covectors;
use crate::bundle;
use crate::error::{Error, require, require_decay, require_positive};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
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

bundle! {
    /// What [`Prodigy`] keeps per element: m, v, s, θ₀, and what the preconditioner does.
    pub nested struct ProdigyState<S, P> { average: S, square: S, sum: S, start: S, ambient: P }
}

bundle! {
    /// What [`Prodigy`] and [`DAdaptation`](crate::rule::DAdaptation) keep once: d, r, how many steps have been taken, β₁ᵗ and β₂ᵗ, and what the preconditioner does.
    pub nested struct DistanceMemory<S, P> { distance: S, correlation: S, steps: S, power1: S, power2: S, preconditioner: P }
}

bundle! {
    /// d and w of a step, and 0 before the first step and 1 later.
    pub struct ProdigyCorrections { distance, weight, later }
}

bundle! {
    /// What [`Prodigy`] sums: ⟨l, θ₀ − θ⟩, ‖s‖₁, and for the preconditioner.
    pub nested struct ProdigySums<S, P> { along: S, length: S, preconditioner: P }
}

bundle! {
    /// ηw, ηλ, d′ε, and the factors of the preconditioner.
    pub nested struct ProdigyMultipliers<S, P> { rate: S, decay: S, epsilon: S, preconditioner: P }
}

impl<S: Real, P> DistanceMemory<S, P> {
    /// Before the first step, with the first guess.
    pub(crate) fn begin(d0: f64, preconditioner: P) -> Self {
        let (zero, one, distance) = (S::zero(), S::one(), S::constant(d0));
        Self { distance, correlation: zero, steps: zero, power1: one, power2: one, preconditioner }
    }

    /// After a step.
    pub(crate) fn next(&self, distance: S, correlation: S, [power1, power2]: [S; 2], preconditioner: P) -> Self {
        Self { distance, correlation, steps: self.steps + S::one(), power1, power2, preconditioner }
    }
}

/// β₁ᵗ and β₂ᵗ of the next step, and its w = db.
pub(crate) fn later<S: Real, P>(betas: [f64; 2], bias_correction: bool, memory: &DistanceMemory<S, P>) -> ([S; 2], S) {
    let [power1, power2] = [memory.power1 * S::constant(betas[0]), memory.power2 * S::constant(betas[1])];
    let mut weight = memory.distance;
    if bias_correction {
        weight = weight * ((S::one() - power2).sqrt() / (S::one() - power1));
    }
    ([power1, power2], weight)
}

/// x/y, and zero where y is.
#[inline(always)]
pub(crate) fn over_root<S: Real>(x: S, y: S) -> S {
    S::select(S::zero().less(y), x / y, S::zero())
}

/// Accepts the constants of a rule that estimates its distance, and a preconditioner that scales momenta as they are.
pub(crate) fn require_distance<P: Preconditioner>(
    preconditioner: &P,
    decays: &[(&'static str, f64)],
    positive: &[(&'static str, f64)],
    d0: f64,
    name: impl FnOnce() -> String,
) -> Result<(), Error> {
    preconditioner.validate()?;
    decays.iter().try_for_each(|&(name, decay)| require_decay(name, decay))?;
    positive.iter().try_for_each(|&(name, constant)| require_positive(name, constant))?;
    require(d0 >= 1e-12, "d0", d0, "it must be 10⁻¹² or more, since its square has to be a number in `f32`")?;
    if preconditioner.needs_metric() || P::RAISES_MOMENTA {
        let problem = "a distance is estimated along the momentum alone: take `Flat`, a clip, or the damped surface of one loss without coupling";
        return Err(Error::NoEngine { rule: name(), problem });
    }
    Ok(())
}

type State<S, P> = ProdigyState<S, <P as Preconditioner>::State<S>>;

impl<P: Preconditioner> Prodigy<P> {
    /// The state of a coordinate after the gradient has been seen, and its covectors.
    #[inline(always)]
    #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
    fn see<S: Real>(
        &self,
        corrections: ProdigyCorrections<S>,
        at: Coordinate<S, State<S, P>, [S; 1]>,
    ) -> (State<S, P>, Covectors<[S; 1], P::Columns<S>>) {
        let (gradient, scaled) = (at.gradient[0], corrections.distance * at.gradient[0]);
        let state = ProdigyState {
            average: average(self.beta1, at.state.average, scaled),
            square: average(self.beta2, at.state.square, scaled * scaled),
            sum: S::constant(self.beta3) * at.state.sum + corrections.distance * corrections.weight * gradient,
            start: S::select(S::zero().less(corrections.later), at.state.start, at.parameter),
            ambient: self.preconditioner.observe(at.state.ambient, at.gradient),
        };
        let momentum = [state.average];
        let local = Local { parameter: at.parameter, gradient: at.gradient, momentum };
        let columns = self.preconditioner.columns(state.ambient, local);
        (state, Covectors { gradient: at.gradient, momentum, columns })
    }
}

impl<P: Preconditioner> Rule for Prodigy<P> {
    type PerLoss<S: Real> = [S; 1];
    type State<S: Real> = State<S, P>;
    type Memory<S: Real> = DistanceMemory<S, P::Memory<S>>;
    type Corrections<S: Real> = ProdigyCorrections<S>;
    type Sums<S: Real> = ProdigySums<S, P::Sums<S>>;
    type Multipliers<S: Real> = ProdigyMultipliers<S, P::Factors<S>>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        DistanceMemory::begin(self.d0, self.preconditioner.begin())
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> ProdigyCorrections<S> {
        let (_, weight) = later([self.beta1, self.beta2], self.bias_correction, &memory);
        let later = S::select(S::zero().less(memory.steps), S::one(), S::zero());
        ProdigyCorrections { distance: memory.distance, weight, later }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: ProdigyCorrections<S>,
        at: Coordinate<S, State<S, P>, [S; 1]>,
    ) -> Self::Sums<S> {
        let (state, covectors) = self.see(corrections, at);
        let root = state.square.sqrt() + corrections.distance * S::constant(self.epsilon);
        let inverse = over_root(corrections.distance, root);
        let raised = Raised {
            gradient: [covectors.gradient[0] * inverse],
            momentum: [covectors.momentum[0] * inverse],
            columns: covectors.columns.times(inverse),
        };
        ProdigySums {
            along: at.gradient[0] * (state.start - at.parameter),
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
        let ProdigySums { along, length, preconditioner } = sums.pool;
        let (powers, weight) = later([self.beta1, self.beta2], self.bias_correction, &memory);
        let correlation = S::constant(self.beta3) * memory.correlation + memory.distance * weight * along;
        // Nothing is known where no gradient was seen.
        let estimate = over_root(S::constant(self.coefficient) * correlation, length);
        let distance = memory.distance.maximum(estimate);
        let Outcome { factors, memory: kept, report } =
            self.preconditioner.damp(inputs, memory.preconditioner, preconditioner);
        Outcome {
            factors: ProdigyMultipliers {
                rate: inputs.learning_rate * weight,
                decay: inputs.learning_rate * inputs.weight_decay,
                epsilon: distance * S::constant(self.epsilon),
                preconditioner: factors,
            },
            memory: memory.next(distance, correlation, powers, kept),
            report,
        }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: ProdigyCorrections<S>,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, State<S, P>, [S; 1]>,
    ) -> Advanced<S, State<S, P>> {
        let (state, covectors) = self.see(corrections, at);
        let step = self.preconditioner.follow(multipliers.preconditioner, covectors);
        let step = over_root(step, state.square.sqrt() + multipliers.epsilon);
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
            &[("beta1", self.beta1), ("beta2", self.beta2), ("beta3", self.beta3)],
            &[("epsilon", self.epsilon), ("coefficient", self.coefficient)],
            self.d0,
            || self.name(),
        )
    }

    fn name(&self) -> String {
        format!("Prodigy({})", self.preconditioner.name())
    }
}
