//! Descent: the rule θ ← θ − η P(m̂) − ηλθ for any base metric, any preconditioner P and any momentum.

use crate::ambient::ambient_metric::Covectors;
use crate::base::pointwise::{PointwiseMetric, Weights};
use crate::bundle;
use crate::error::{Error, require_metric};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::induced::Induced;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised, total};
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::space::acts::{Inputs, Local, Outcome, Totals};
use crate::space::momentum::{Momentum, Recall};

/// Descent along preconditioned momenta over a base metric, with decoupled weight decay.
///
/// # Mathematics
///
#[doc = include_str!("../../math/descent.html")]
///
/// With [`Flat`](crate::Flat) for P this is a classical optimiser: SGD over the Euclidean metric, AdamW over RMSprop's. With
/// [`Induced`](crate::Induced) it is the optimiser on the loss surface, of one loss or of K.
///
/// # Requirements
///
/// The constants of all parts lie in their ranges, which [`Rule::validate`] checks. Over a pointwise metric it is a [`Rule`], which
/// [`Configuration::build`](crate::Configuration::build) runs in passes over memory; over any other
/// [`BaseMetric`](crate::BaseMetric), such as [`Dense`](crate::Dense), [`Kronecker`](crate::Kronecker) and [`Muon`](crate::Muon),
/// [`Configuration::build_whole`](crate::Configuration::build_whole) runs it on whole tensors.
///
/// # Example
///
/// ```
/// use ambient_metric::{Descent, Ema, Induced, Log, RmsProp, Rule};
///
/// let rule = Descent::new(RmsProp::default(), Induced::new(Log, 0.1), Ema(0.9));
/// assert_eq!(rule.name(), "Descent(RmsProp, Induced(Log, Product, damped), Ema)");
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2. The decay is −ηλθ, as in the authors' code and in
/// I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Descent<M, P, Q, const K: usize = 1> {
    /// The base metric γ, which sees the sum of all gradients.
    pub metric: M,
    /// What turns the momenta into a step vector.
    pub preconditioner: P,
    /// How the gradients of every loss are remembered.
    pub momentum: Q,
}

known_keys! { Descent<M, P, Q; K> { metric, preconditioner, momentum } }

impl<M, P: Preconditioner<K>, Q, const K: usize> Descent<M, P, Q, K> {
    /// Descent over this base metric with this preconditioner and momentum.
    pub fn new(metric: M, preconditioner: P, momentum: Q) -> Self {
        Self { metric, preconditioner, momentum }
    }
}

/// What a named rule of [`rules`](crate::rules) leaves at its default, one at a time.
impl<M, P, Q, const K: usize> Descent<M, P, Q, K> {
    /// Over another base metric, or the same with other constants.
    ///
    /// ```
    /// use ambient_metric::{RmsProp, Rule, rules};
    /// let adam = rules::adam().momentum(0.95).metric(RmsProp { beta: 0.99, epsilon: 1e-6 });
    /// assert!(adam.validate().is_ok());
    /// ```
    #[must_use]
    pub fn metric<N>(self, metric: N) -> Descent<N, P, Q, K> {
        Descent { metric, preconditioner: self.preconditioner, momentum: self.momentum }
    }

    /// With the decay μ of the momentum, β₁ of Adam.
    #[must_use]
    pub fn momentum(self, decay: f64) -> Self
    where
        Q: From<f64>,
    {
        Self { momentum: decay.into(), ..self }
    }
}

impl<M, H, A, P, Q, const K: usize> Descent<M, Induced<H, A, P>, Q, K> {
    /// With the moving average of s decaying by β; zero for none.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { preconditioner: self.preconditioner.beta(beta), ..self }
    }
}

impl<M, P: Preconditioner<K>, Q: Momentum, const K: usize> Descent<M, P, Q, K> {
    /// The name over a base metric of this name.
    pub(crate) fn named(&self, metric: &str) -> String {
        format!("Descent({metric}, {}, {})", self.preconditioner.name(), self.momentum.name())
    }
}

bundle! {
    /// The state of a descent per element: the momentum of every loss, and what base metric and preconditioner keep.
    pub nested struct Carried<Q, M, P> { momentum: Q, metric: M, ambient: P }
}

bundle! {
    /// The powers μᵗ and βᵗ (of the metric) that bias corrections need.
    pub struct Powers { momentum, metric }
}

bundle! {
    /// The scalar memory: powers, and what preconditioner and base metric keep once.
    pub nested struct Memory<Q, P, M> { powers: Q, preconditioner: P, metric: M }
}

bundle! {
    /// The bias corrections of one step, and what γ⁻¹ needs of the metric's memory.
    pub nested struct Corrections<Q, S, M> { momentum: Q, metric: S, shared: M }
}

bundle! {
    /// η, ηλ, the preconditioner's factors, and what the metric learns by.
    pub nested struct Multipliers<S, D, P, M> { learning_rate: S, decay: D, preconditioner: P, metric: M }
}

bundle! {
    /// What is summed: for the preconditioner, and for the base metric to learn from.
    pub nested struct DescentSums<P, M> { preconditioner: P, lesson: M }
}

/// The state per element of a descent.
type State<M, P, Q, S, const K: usize> =
    Carried<[<Q as Momentum>::State<S>; K], <M as PointwiseMetric>::State<S>, <P as Preconditioner<K>>::State<S>>;

/// The covectors of a preconditioner at a coordinate.
type Seen<P, S, const K: usize> = Covectors<[S; K], <P as Preconditioner<K>>::Columns<S>>;

impl<M: PointwiseMetric, P: Preconditioner<K>, Q: Momentum, const K: usize> Descent<M, P, Q, K> {
    /// The powers of step t from those of step t − 1.
    fn tick<S: Real>(&self, powers: Powers<S>) -> Powers<S> {
        Powers {
            momentum: powers.momentum * S::constant(self.momentum.decay()),
            metric: if self.metric.observes() { powers.metric } else { self.tick_metric(powers.metric) },
        }
    }

    fn tick_metric<S: Real>(&self, power: S) -> S {
        power * S::constant(self.metric.decay())
    }

    /// The covectors of every loss, raised.
    #[inline(always)]
    fn sharp<S: Real>(&self, inverse: S, covectors: [S; K]) -> [S; K] {
        let mut raised = covectors;
        for loss in 0..K {
            raised[loss] = self.metric.sharp(inverse, covectors[loss]);
        }
        raised
    }

    /// A coordinate after the gradients have been seen: its state, γ⁻¹, and its covectors.
    #[inline(always)]
    #[allow(clippy::type_complexity, reason = "the names are those of the parts")]
    fn see<S: Real>(
        &self,
        corrections: Corrections<Q::Corrections<S>, S, M::Shared<S>>,
        at: Coordinate<S, State<M, P, Q, S, K>, [S; K]>,
    ) -> (State<M, P, Q, S, K>, S, Seen<P, S, K>) {
        let (mut momentum, mut covector, mut shown) = (at.state.momentum, at.gradient, at.gradient);
        for loss in 0..K {
            let recall = Recall::of(&self.momentum, corrections.momentum, momentum[loss], at.gradient[loss]);
            covector[loss] = self.momentum.covector(corrections.momentum, recall);
            if let Some(other) = self.momentum.shown(corrections.momentum, recall) {
                shown[loss] = other;
            }
            momentum[loss] = recall.present;
        }
        let metric = self.metric.observe(at.state.metric, total(shown));
        let inverse = self.metric.inverse(corrections.shared, metric.times(corrections.metric));
        let ambient = self.preconditioner.observe(at.state.ambient, at.gradient);
        let local = Local { parameter: at.parameter, gradient: at.gradient, momentum: covector };
        let columns = self.preconditioner.columns(ambient, local);
        let covectors = Covectors { gradient: at.gradient, momentum: covector, columns };
        (Carried { momentum, metric, ambient }, inverse, covectors)
    }
}

impl<M: PointwiseMetric, P: Preconditioner<K>, Q: Momentum, const K: usize> Rule for Descent<M, P, Q, K> {
    type PerLoss<S: Real> = [S; K];
    type State<S: Real> = State<M, P, Q, S, K>;
    type Memory<S: Real> = Memory<Powers<S>, P::Memory<S>, M::Memory<S>>;
    type Corrections<S: Real> = Corrections<Q::Corrections<S>, S, M::Shared<S>>;
    type Sums<S: Real> = DescentSums<P::Sums<S>, M::Lesson<S>>;
    type Multipliers<S: Real> = Multipliers<S, S, P::Factors<S>, M::Correction<S>>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        let powers = Powers { momentum: S::one(), metric: S::one() };
        Memory { powers, preconditioner: self.preconditioner.begin(), metric: self.metric.begin() }
    }

    fn beside<S: Real>(&self, own: Self::Memory<S>, others: Self::Memory<S>) -> Option<Self::Memory<S>> {
        Some(Memory { powers: own.powers, ..others })
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S> {
        let powers = self.tick(memory.powers);
        let mut missing = S::one() - powers.metric;
        if self.metric.observes() {
            // Before the first observation nothing is there to correct.
            missing = S::select(powers.metric.less(S::one()), missing, S::one());
        }
        Corrections {
            momentum: self.momentum.correct(powers.momentum),
            metric: S::one() / missing,
            shared: self.metric.share(memory.metric),
        }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, [S; K]>,
    ) -> Self::Sums<S> {
        let (state, inverse, covectors) = self.see(corrections, at);
        let mut momentum = covectors.momentum;
        if const { P::RAISES_MOMENTA } {
            momentum = self.sharp(inverse, momentum);
        }
        let raised = Raised {
            gradient: self.sharp(inverse, covectors.gradient),
            momentum,
            columns: covectors.columns.times(inverse),
        };
        let seen = state.metric.times(corrections.metric);
        DescentSums {
            preconditioner: self.preconditioner.measure(covectors, raised),
            lesson: self.metric.lesson(corrections.shared, seen, total(at.gradient), total(covectors.momentum)),
        }
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; K]>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Multipliers<S>, Self::Memory<S>, Damping<S, [S; K]>> {
        let (mut lengths, mut learning_rate) = (sums.pool.preconditioner, inputs.learning_rate);
        if let Some(stretch) = self.metric.stretch(sums.pool.lesson) {
            lengths = self.preconditioner.stretch(lengths, stretch);
            learning_rate = learning_rate * stretch.momentum;
        }
        let outcome = self.preconditioner.damp(inputs, memory.preconditioner, lengths);
        let (drive, squared_length) = (self.preconditioner.drive(inputs.xi), total(outcome.report.squared_length));
        let lessons = Totals { pool: sums.pool.lesson, group: sums.group.lesson };
        Outcome {
            factors: Multipliers {
                learning_rate,
                decay: inputs.learning_rate * inputs.weight_decay,
                preconditioner: outcome.factors,
                metric: self.metric.correction(drive, lessons),
            },
            memory: Memory {
                powers: self.tick(memory.powers),
                preconditioner: outcome.memory,
                metric: self.metric.learn(memory.metric, drive, squared_length, sums.pool.lesson),
            },
            report: outcome.report,
        }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, [S; K]>,
    ) -> Advanced<S, Self::State<S>> {
        let (state, inverse, covectors) = self.see(corrections, at);
        let step = if K == 1 {
            let raised = Covectors {
                gradient: self.sharp(inverse, covectors.gradient),
                momentum: self.sharp(inverse, covectors.momentum),
                columns: covectors.columns.times(inverse),
            };
            self.preconditioner.follow(multipliers.preconditioner, raised)
        } else {
            inverse * self.preconditioner.follow(multipliers.preconditioner, covectors)
        };
        let metric = self.metric.settle(multipliers.metric, state.metric, total(at.gradient));
        Advanced {
            parameter: at.parameter - multipliers.learning_rate * step - multipliers.decay * at.parameter,
            state: Carried { metric, ..state },
        }
    }

    const OBSERVES: bool = M::OBSERVES;

    fn observes(&self) -> bool {
        self.metric.observes()
    }

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        Carried { metric: self.metric.notice(weights, state.metric, example), ..state }
    }

    fn observation_decay(&self) -> f64 {
        self.metric.observation_decay()
    }

    fn observed<S: Real>(&self, memory: Self::Memory<S>) -> Self::Memory<S> {
        Memory { powers: Powers { metric: self.tick_metric(memory.powers.metric), ..memory.powers }, ..memory }
    }

    fn awaits_observation(&self, memory: Self::Memory<f64>) -> bool {
        self.metric.observes() && memory.powers.metric >= 1.0
    }

    fn learns_per_tensor(&self) -> bool {
        self.metric.learns_per_tensor()
    }

    fn xi(&self) -> Option<[f64; K]> {
        self.preconditioner.xi()
    }

    fn accepts<S: Real>(&self, losses: [S; K], xi: [S; K]) -> S::Mask {
        self.preconditioner.accepts(losses, xi)
    }

    #[inline]
    fn check_loss(&self, losses: [f64; K], xi: [f64; K]) -> Result<(), Error> {
        self.preconditioner.check(losses, xi)
    }

    fn validate(&self) -> Result<(), Error> {
        self.metric.validate()?;
        self.preconditioner.validate()?;
        self.momentum.validate()?;
        require_metric(self.metric.is_metric(), self.preconditioner.needs_metric(), || self.metric.name())
    }

    fn name(&self) -> String {
        self.named(&self.metric.name())
    }
}
