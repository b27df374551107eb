//! Descent: the rule θ ← θ − η P(m̂) − ηλθ for any preconditioner P and any momentum.

use crate::bundle;
use crate::error::Error;
use crate::number::scalar::Real;
use crate::rule::preconditioner::{Damping, Preconditioner};
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::space::acts::{Inputs, Local, Outcome, Totals};
use crate::space::momentum::Momentum;

/// Descent along a preconditioned momentum, with decoupled weight decay.
///
/// # Mathematics
///
#[doc = include_str!("../../math/descent.html")]
///
/// With a [`DiagonalMetric`](crate::DiagonalMetric) for P this is a classical optimiser: SGD for the Euclidean metric, AdamW for RMSprop. With
/// [`Induced`](crate::Induced) it is the optimiser on the loss surface.
///
/// # Requirements
///
/// The constants of preconditioner and momentum lie in their ranges, which [`Rule::validate`] checks.
///
/// # Example
///
/// ```
/// use ambient_metric::{Descent, Ema, Induced, Log, RmsProp, Rule};
///
/// let rule = Descent::new(Induced::new(RmsProp::default(), Log, 0.1), Ema(0.9));
/// assert_eq!(rule.name(), "Descent(Induced(RmsProp, Log, damped), Ema)");
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2. The decay is −ηλθ, as in the authors' code and in
/// I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Descent<P, M> {
    /// What turns the momentum covector into a step vector.
    pub preconditioner: P,
    /// How gradients are remembered.
    pub momentum: M,
}

known_keys! { Descent<P, M> { preconditioner, momentum } }

impl<P, M> Descent<P, M> {
    /// Descent with this preconditioner and momentum.
    pub fn new(preconditioner: P, momentum: M) -> Self {
        Self { preconditioner, momentum }
    }
}

bundle! {
    /// Momentum beside the state of the preconditioner.
    pub nested struct Carried<M, P> { momentum: M, metric: P }
}

bundle! {
    /// The powers μᵗ and βᵗ (of the metric) that bias corrections need.
    pub struct Powers { momentum, metric }
}

bundle! {
    /// The scalar memory: powers beside the preconditioner's own.
    pub nested struct Memory<Q, P> { powers: Q, preconditioner: P }
}

bundle! {
    /// The bias corrections of one step, and what the preconditioner needs of its memory.
    pub nested struct Corrections<M, S, P> { momentum: M, metric: S, preconditioner: P }
}

bundle! {
    /// η, ηλ and the preconditioner's factors.
    pub nested struct Multipliers<S, D, P> { learning_rate: S, decay: D, preconditioner: P }
}

/// A coordinate as the preconditioner is to see it: the states after the gradient, and the momentum covector.
struct Seen<Q, P, S> {
    state: Q,
    corrected: P,
    local: Local<S>,
}

/// The state per element of a descent.
type State<P, M, S> = Carried<<M as Momentum>::State<S>, <P as Preconditioner>::State<S>>;

impl<P: Preconditioner, M: Momentum> Descent<P, M> {
    /// The powers of step t from those of step t − 1.
    fn tick<S: Real>(&self, powers: Powers<S>) -> Powers<S> {
        Powers {
            momentum: powers.momentum * S::constant(self.momentum.decay()),
            metric: powers.metric * S::constant(self.preconditioner.decay()),
        }
    }

    /// The coordinate after the gradient has been seen.
    #[inline(always)]
    fn see<S: Real>(
        &self,
        corrections: <Self as Rule>::Corrections<S>,
        at: Coordinate<S, State<P, M, S>, S>,
    ) -> Seen<State<P, M, S>, P::State<S>, S> {
        let momentum = self.momentum.remember(at.state.momentum, at.gradient);
        let metric = self.preconditioner.observe(at.state.metric, at.gradient);
        let covector = self.momentum.covector(corrections.momentum, momentum, at.gradient);
        Seen {
            state: Carried { momentum, metric },
            corrected: self.preconditioner.unbias(corrections.metric, metric),
            local: Local { parameter: at.parameter, gradient: at.gradient, momentum: covector },
        }
    }
}

impl<P: Preconditioner, M: Momentum> Rule for Descent<P, M> {
    type PerLoss<S: Real> = S;
    type State<S: Real> = State<P, M, S>;
    type Memory<S: Real> = Memory<Powers<S>, P::Memory<S>>;
    type Corrections<S: Real> = Corrections<M::Corrections<S>, S, P::Corrections<S>>;
    type Sums<S: Real> = P::Sums<S>;
    type Multipliers<S: Real> = Multipliers<S, S, P::Factors<S>>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        Memory { powers: Powers { momentum: S::one(), metric: S::one() }, preconditioner: self.preconditioner.begin() }
    }

    fn renewed<S: Real>(&self, memory: Self::Memory<S>) -> Option<Self::Memory<S>> {
        Some(Memory { powers: self.begin().powers, ..memory })
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S> {
        let powers = self.tick(memory.powers);
        Corrections {
            momentum: self.momentum.correct(powers.momentum),
            metric: S::one() / (S::one() - powers.metric),
            preconditioner: self.preconditioner.correct(memory.preconditioner),
        }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, S>,
    ) -> Self::Sums<S> {
        let seen = self.see(corrections, at);
        self.preconditioner.measure(corrections.preconditioner, seen.corrected, seen.local)
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, S>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Multipliers<S>, Self::Memory<S>, Damping<S>> {
        let outcome = self.preconditioner.damp(inputs, memory.preconditioner, sums);
        Outcome {
            factors: Multipliers {
                learning_rate: inputs.learning_rate,
                decay: inputs.learning_rate * inputs.weight_decay,
                preconditioner: outcome.factors,
            },
            memory: Memory { powers: self.tick(memory.powers), preconditioner: outcome.memory },
            report: outcome.report,
        }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, S>,
    ) -> Advanced<S, Self::State<S>> {
        let Seen { state, corrected, local } = self.see(corrections, at);
        let factors = multipliers.preconditioner;
        let step = self.preconditioner.apply(corrections.preconditioner, factors, corrected, local);
        Advanced {
            parameter: at.parameter - multipliers.learning_rate * step - multipliers.decay * at.parameter,
            state: Carried {
                momentum: state.momentum,
                metric: self.preconditioner.settle(factors, state.metric, at.gradient),
            },
        }
    }

    fn learns_per_tensor(&self) -> bool {
        self.preconditioner.learns_per_tensor()
    }

    fn xi(&self) -> Option<f64> {
        self.preconditioner.xi()
    }

    fn check_loss(&self, loss: f64) -> Result<(), Error> {
        self.preconditioner.check_loss(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        self.preconditioner.validate()?;
        self.momentum.validate()
    }

    fn name(&self) -> String {
        format!("Descent({}, {})", self.preconditioner.name(), self.momentum.name())
    }
}
