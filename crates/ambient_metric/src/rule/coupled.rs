//! The inverse of the pull-back in a coupled ambient metric, as a preconditioner.

use crate::ambient::coupling::{Guard, OffDiagonal};
use crate::ambient::embedding::Embedding;
use crate::ambient::solve::{CouplingProducts, coupled_step};
use crate::base::pointwise::PointwiseMetric;
use crate::bundle;
use crate::error::{Error, require, require_decay, require_non_negative};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::induced::{Average, SurfaceFactors, SurfaceMemory};
use crate::rule::preconditioner::{Damping, Preconditioner};
use crate::space::acts::{Inputs, Local, Outcome, Totals};

/// The inverse of the pull-back metric in an ambient metric with off-diagonal elements, as a preconditioner.
///
/// # Mathematics
///
/// With γ, c and the sums ⟨l, l⟩, ⟨c, l⟩ and ⟨c, c⟩ of step t, the corrected moving average of ⟨l, l⟩, and x, y and D of [`coupled_step`], the step vector is x m̂♯ + y c♯. The report's damping is x. With c = 0 it is [`Induced`](crate::Induced), up to rounding.
///
/// # Requirements
///
/// ξ ≥ 0 and β in [0, 1); the loss in the domain of the embedding; ⟨c, c⟩ < 1 unless c may be scaled back.
///
/// # Example
///
/// ```
/// use ambient_metric::{AlongMomentum, Configuration, Coupled, Covector, Descent, Ema, Error, Identity, RmsProp};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let strong = Coupled::new(RmsProp::default(), Identity, AlongMomentum(3.0), 0.1);
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(theta.clone());
/// // With the RMSprop metric ⟨l, l⟩ = 3 + 4 in the first step, so ⟨c, c⟩ = 63.
/// let mut refusing = Configuration::new(Descent::new(strong, Ema(0.9)), 0.01).build(&theta)?;
/// assert!(matches!(refusing.step(&mut theta, &gradient, 12.5), Err(Error::Coupling { .. })));
///
/// let mut scaling = Configuration::new(Descent::new(strong.scale_back(0.01), Ema(0.9)), 0.01).build(&theta)?;
/// let report = scaling.step(&mut theta, &gradient, 12.5)?;
/// assert!((report.coupling - 0.99).abs() < 1e-12);
/// assert!((report.coupling_scale - (0.99_f64 / 63.0).sqrt()).abs() < 1e-8);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// The off-diagonal extension in the public repository Noah-Everett/Induced-Metric-Optimiser, its documents, whose a is c = √ξ a.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Coupled<M, E, C> {
    /// The base metric γ.
    pub metric: M,
    /// The embedding f.
    pub embedding: E,
    /// The off-diagonal elements.
    pub coupling: C,
    /// What happens where ⟨c, c⟩ ≥ 1.
    pub guard: Guard,
    /// The metric coefficient ξ.
    pub xi: f64,
    /// The decay β of the moving average of ⟨l, l⟩.
    pub beta: f64,
}

known_keys! { Coupled<M, E, C> { metric, embedding, coupling, guard = Guard::Refuse, xi, beta = 0.0 } }

impl<M, E, C> Coupled<M, E, C> {
    /// The pull-back of `metric` by `embedding` with this coupling, without averaging, refusing ⟨c, c⟩ ≥ 1.
    pub fn new(metric: M, embedding: E, coupling: C, xi: f64) -> Self {
        Self { metric, embedding, coupling, guard: Guard::Refuse, xi, beta: 0.0 }
    }

    /// With the moving average of ⟨l, l⟩ decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    /// With c scaled back to ⟨c, c⟩ = 1 − ε where that is exceeded.
    #[must_use]
    pub fn scale_back(self, margin: f64) -> Self {
        Self { guard: Guard::ScaleBack { margin }, ..self }
    }
}

bundle! {
    /// The state of a coupled preconditioner.
    pub nested struct CoupledState<M, C> { base: M, coupling: C }
}

bundle! {
    /// The sums of a coupled preconditioner.
    pub nested struct CoupledSums<P, L> { products: P, lesson: L }
}

impl<M: PointwiseMetric, E: Embedding, C: OffDiagonal> Preconditioner for Coupled<M, E, C> {
    type State<S: Real> = CoupledState<M::State<S>, C::State<S>>;
    type Sums<S: Real> = CoupledSums<CouplingProducts<S>, M::Lesson<S>>;
    type Memory<S: Real> = SurfaceMemory<Average<S>, M::Memory<S>>;
    type Corrections<S: Real> = M::Shared<S>;
    /// x and y.
    type Factors<S: Real> = SurfaceFactors<[S; 2], M::Correction<S>>;

    fn decay(&self) -> f64 {
        self.metric.decay()
    }

    fn xi(&self) -> Option<f64> {
        Some(self.xi)
    }

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        SurfaceMemory { surface: Average::begin(), metric: self.metric.begin() }
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> M::Shared<S> {
        self.metric.share(memory.metric)
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S> {
        CoupledState { base: self.metric.observe(state.base, gradient), ..state }
    }

    #[inline(always)]
    fn unbias<S: Real>(&self, correction: S, state: Self::State<S>) -> Self::State<S> {
        CoupledState { base: state.base.times(correction), ..state }
    }

    #[inline(always)]
    fn measure<S: Real>(&self, shared: M::Shared<S>, state: Self::State<S>, at: Local<S>) -> Self::Sums<S> {
        let inverse = self.metric.inverse(shared, state.base);
        let [a, b] = self.coupling.covectors(state.coupling, at);
        let raised = inverse * at.gradient;
        CoupledSums {
            products: CouplingProducts {
                length: at.gradient * raised,
                left: a * raised,
                right: b * raised,
                between: a * (inverse * b),
            },
            lesson: self.metric.lesson(shared, state.base, at.gradient),
        }
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, S>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S>> {
        let CouplingProducts { length, left, right, between } = sums.pool.products;
        let surface = memory.surface.with(self.beta, length);
        let averaged = surface.corrected();
        let scale = match self.guard {
            Guard::ScaleBack { margin } if C::IS_SYMMETRIC => {
                let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
                (S::constant(1.0 - margin) / between.maximum(tiny)).sqrt().minimum(S::one())
            }
            _ => S::one(),
        };
        let between = scale * scale * between;
        let products = CouplingProducts { length, left: scale * left, right: scale * right, between };
        let slope = self.embedding.slope(inputs.loss);
        let step = coupled_step(slope, inputs.xi.sqrt(), averaged, products);
        let squared_length = inputs.xi * length;
        let lessons = Totals { pool: sums.pool.lesson, group: sums.group.lesson };
        Outcome {
            factors: SurfaceFactors {
                step: [step.along_gradient, scale * step.along_coupling],
                metric: self.metric.correction(inputs.xi, lessons),
            },
            memory: SurfaceMemory {
                surface,
                metric: self.metric.learn(memory.metric, inputs.xi, squared_length, sums.pool.lesson),
            },
            report: Damping {
                squared_length,
                averaged: inputs.xi * averaged,
                slope,
                damping: step.along_gradient,
                determinant_ratio: step.determinant_ratio,
                coupling: if C::IS_SYMMETRIC { between } else { S::zero() },
                coupling_scale: scale,
            },
        }
    }

    #[inline(always)]
    fn apply<S: Real>(
        &self,
        shared: M::Shared<S>,
        factors: Self::Factors<S>,
        state: Self::State<S>,
        at: Local<S>,
    ) -> S {
        let inverse = self.metric.inverse(shared, state.base);
        let [a, _] = self.coupling.covectors(state.coupling, at);
        let [along_momentum, along_coupling] = factors.step;
        along_momentum * (inverse * at.momentum) + along_coupling * (inverse * a)
    }

    #[inline(always)]
    fn settle<S: Real>(&self, factors: Self::Factors<S>, state: Self::State<S>, gradient: S) -> Self::State<S> {
        CoupledState { base: self.metric.settle(factors.metric, state.base, gradient), ..state }
    }

    fn learns_per_tensor(&self) -> bool {
        self.metric.learns_per_tensor()
    }

    fn check_loss(&self, loss: f64) -> Result<(), Error> {
        self.embedding.check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        self.metric.validate()?;
        self.embedding.validate()?;
        self.coupling.validate()?;
        if let Guard::ScaleBack { margin } = self.guard {
            require((1e-6..1.0).contains(&margin), "margin", margin, "it must lie in [1e-6, 1)")?;
        }
        require_non_negative("xi", self.xi)?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Coupled({}, {}, {})", self.metric.name(), self.embedding.name(), self.coupling.name())
    }
}
