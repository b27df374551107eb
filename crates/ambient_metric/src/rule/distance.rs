//! Rules whose rate is an estimate of the distance to go.

use crate::bundle;
use crate::error::{Error, require, require_decay, require_positive};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::preconditioner::Preconditioner;

bundle! {
    /// The state of a rule that estimates its distance, per element: m, v, s, what else the estimate needs, and what the preconditioner keeps.
    pub nested struct DistanceState<S, X, P> { average: S, square: S, sum: S, start: X, ambient: P }
}

bundle! {
    /// What it keeps once: d, r, how many steps it has taken, β₁ᵗ and β₂ᵗ, and what the preconditioner does.
    pub nested struct DistanceMemory<S, P> { distance: S, correlation: S, steps: S, power1: S, power2: S, preconditioner: P }
}

bundle! {
    /// d and w of a step, and 0 before the first step and 1 later.
    pub struct DistanceCorrections { distance, weight, later }
}

bundle! {
    /// What it sums: what s is correlated with, ‖s‖₁, and for the preconditioner.
    pub nested struct DistanceSums<S, P> { along: S, length: S, preconditioner: P }
}

bundle! {
    /// The rate, ηλ, what is added to √v, and the factors of the preconditioner.
    pub nested struct DistanceMultipliers<S, P> { rate: S, decay: S, epsilon: S, preconditioner: P }
}

/// The constants that such rules share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Constants {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) beta3: f64,
    pub(crate) epsilon: f64,
    pub(crate) coefficient: f64,
    pub(crate) d0: f64,
    pub(crate) bias_correction: bool,
}

impl Constants {
    /// Accepts them with a preconditioner that scales momenta as they are.
    pub(crate) fn validate<P: Preconditioner>(
        &self,
        preconditioner: &P,
        name: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        preconditioner.validate()?;
        for (name, decay) in [("beta1", self.beta1), ("beta2", self.beta2), ("beta3", self.beta3)] {
            require_decay(name, decay)?;
        }
        require_positive("epsilon", self.epsilon)?;
        require_positive("coefficient", self.coefficient)?;
        let why = "it must be 10⁻¹² or more, since its square has to be a number in `f32`";
        require(self.d0 >= 1e-12, "d0", self.d0, why)?;
        if preconditioner.needs_metric() || P::RAISES_MOMENTA {
            let problem = "a distance is estimated along the momentum alone: take `Flat`, a clip, or the damped surface of one loss without coupling";
            return Err(Error::NoEngine { rule: name(), problem });
        }
        Ok(())
    }

    /// β₁ᵗ and β₂ᵗ of the next step, and its w = db.
    pub(crate) fn next<S: Real, P>(&self, memory: &DistanceMemory<S, P>) -> ([S; 2], S) {
        let powers = [memory.power1 * S::constant(self.beta1), memory.power2 * S::constant(self.beta2)];
        let mut weight = memory.distance;
        if self.bias_correction {
            weight = weight * ((S::one() - powers[1]).sqrt() / (S::one() - powers[0]));
        }
        (powers, weight)
    }
}

/// x/y, and zero where y is.
#[inline(always)]
pub(crate) fn over_root<S: Real>(x: S, y: S) -> S {
    S::select(S::zero().less(y), x / y, S::zero())
}

/// What differs between them.
pub(crate) trait Distance {
    /// What the estimate needs beside m, v and s.
    type Start<S: Real>: Bundle<S>;

    fn constants(&self) -> Constants;

    /// The unit of gradients in √v, from d.
    fn unit<S: Real>(&self, distance: S) -> S;

    /// What η is multiplied by, from w.
    fn rate<S: Real>(&self, weight: S) -> S;

    /// The state after a gradient, but for what the preconditioner keeps.
    fn remember<S: Real, P: Bundle<S>>(
        &self,
        corrections: DistanceCorrections<S>,
        state: DistanceState<S, Self::Start<S>, P>,
        parameter: S,
        gradient: S,
    ) -> DistanceState<S, Self::Start<S>, P>;

    /// What a coordinate adds to the correlation, from its state before and after the gradient.
    fn along<S: Real, P: Bundle<S>>(
        &self,
        states: [DistanceState<S, Self::Start<S>, P>; 2],
        parameter: S,
        gradient: S,
    ) -> S;

    /// r after a step, from d and w.
    fn correlate<S: Real>(&self, correlation: S, along: S, distance: S, weight: S) -> S;

    /// The factor of r/‖s‖₁.
    fn share(&self) -> f64;
}

/// The rule of a type with the field `preconditioner` that is a [`Distance`].
macro_rules! distant {
    ($name:ident) => {
        impl<P: Preconditioner> $name<P> {
            /// The state of a coordinate after the gradient has been seen, and its covectors.
            #[inline(always)]
            #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
            fn see<S: Real>(
                &self,
                corrections: DistanceCorrections<S>,
                at: Coordinate<S, State<S, P>, [S; 1]>,
            ) -> (State<S, P>, Covectors<[S; 1], P::Columns<S>>) {
                let ambient = self.preconditioner.observe(at.state.ambient, at.gradient);
                let state = self.remember(corrections, at.state, at.parameter, at.gradient[0]);
                let momentum = [state.average];
                let local = Local { parameter: at.parameter, gradient: at.gradient, momentum };
                let columns = self.preconditioner.columns(ambient, local);
                (DistanceState { ambient, ..state }, Covectors { gradient: at.gradient, momentum, columns })
            }
        }

        impl<P: Preconditioner> Rule for $name<P> {
            type PerLoss<S: Real> = [S; 1];
            type State<S: Real> = State<S, P>;
            type Memory<S: Real> = DistanceMemory<S, P::Memory<S>>;
            type Corrections<S: Real> = DistanceCorrections<S>;
            type Sums<S: Real> = DistanceSums<S, P::Sums<S>>;
            type Multipliers<S: Real> = DistanceMultipliers<S, P::Factors<S>>;

            fn begin<S: Real>(&self) -> Self::Memory<S> {
                let (zero, one, preconditioner) = (S::zero(), S::one(), self.preconditioner.begin());
                let distance = S::constant(self.d0);
                DistanceMemory { distance, correlation: zero, steps: zero, power1: one, power2: one, preconditioner }
            }

            fn correct<S: Real>(&self, memory: Self::Memory<S>) -> DistanceCorrections<S> {
                let (_, weight) = self.constants().next(&memory);
                let later = S::select(S::zero().less(memory.steps), S::one(), S::zero());
                DistanceCorrections { distance: memory.distance, weight, later }
            }

            #[inline(always)]
            fn measure<S: Real>(
                &self,
                corrections: DistanceCorrections<S>,
                at: Coordinate<S, State<S, P>, [S; 1]>,
            ) -> Self::Sums<S> {
                let (state, covectors) = self.see(corrections, at);
                let unit = self.unit(corrections.distance);
                let inverse = over_root(unit, state.square.sqrt() + unit * S::constant(self.epsilon));
                let raised = Raised {
                    gradient: [covectors.gradient[0] * inverse],
                    momentum: [covectors.momentum[0] * inverse],
                    columns: covectors.columns.times(inverse),
                };
                DistanceSums {
                    along: self.along([at.state, state], at.parameter, at.gradient[0]),
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
                let DistanceSums { along, length, preconditioner } = sums.pool;
                let ([power1, power2], weight) = self.constants().next(&memory);
                let correlation = self.correlate(memory.correlation, along, memory.distance, weight);
                // Nothing is known where no gradient was seen.
                let estimate = over_root(S::constant(self.share()) * correlation, length);
                let distance = memory.distance.maximum(estimate);
                let Outcome { factors, memory: preconditioner, report } =
                    self.preconditioner.damp(inputs, memory.preconditioner, preconditioner);
                let steps = memory.steps + S::one();
                Outcome {
                    factors: DistanceMultipliers {
                        rate: inputs.learning_rate * self.rate(weight),
                        decay: inputs.learning_rate * inputs.weight_decay,
                        epsilon: self.unit(distance) * S::constant(self.epsilon),
                        preconditioner: factors,
                    },
                    memory: DistanceMemory { distance, correlation, steps, power1, power2, preconditioner },
                    report,
                }
            }

            #[inline(always)]
            fn advance<S: Real>(
                &self,
                corrections: DistanceCorrections<S>,
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
                self.constants().validate(&self.preconditioner, || self.name())
            }

            fn name(&self) -> String {
                format!("{}({})", stringify!($name), self.preconditioner.name())
            }
        }
    };
}

pub(crate) use distant;
