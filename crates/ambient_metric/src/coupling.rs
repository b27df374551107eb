//! Coupling: an ambient metric in which the height is not orthogonal to the parameters.

use crate::bundle;
use crate::bundle::Bundle;
use crate::embedding::{Embedding, short_name};
use crate::error::{Error, require, require_decay, require_non_negative};
use crate::induced::{Average, SurfaceFactors, SurfaceMemory};
use crate::pointwise::PointwiseMetric;
use crate::preconditioner::{Damping, Inputs, Local, Outcome, Preconditioner, Totals};
use crate::scalar::{Field, Real};

bundle! {
    /// The inner products that a coupled step needs, all in γ⁻¹.
    pub struct CouplingProducts {
        /// ⟨l, l⟩.
        length,
        /// ⟨a, l⟩.
        left,
        /// ⟨b, l⟩; the same as ⟨a, l⟩ for a metric.
        right,
        /// ⟨a, b⟩; ⟨c, c⟩ for a metric.
        between,
    }
}

bundle! {
    /// A step on the coupled surface: g⁻¹∂f = along_gradient · l♯ + along_coupling · a♯.
    pub struct CoupledStep {
        /// The weight of l♯.
        along_gradient,
        /// The weight of a♯.
        along_coupling,
        /// D = det g / det γ.
        determinant_ratio,
    }
}

/// The step on the surface in an ambient space whose metric has off-diagonal elements.
///
/// # Mathematics
///
/// The ambient metric G = [[γ, a], [bᵀ, 1]] pulls back to g = γ + w (a lᵀ + l bᵀ) + w² l lᵀ with w = √ξ f′. With the ansatz
/// g⁻¹ f′l = x l♯ + y a♯ the terms along a and l give two equations, and
///
/// x = f′ (1 + w⟨a, l⟩) / D, y = −f′ w ⟨l, l⟩ / D, D = (1 + w⟨a, l⟩)(1 + w⟨b, l⟩) + w²⟨l, l⟩ (1 − ⟨a, b⟩).
///
/// With a = b = c it is a metric exactly when ⟨c, c⟩ < 1, and D > 0 then. With a ≠ b it is a bilinear form, and D may have any sign.
///
/// `averaged` is ⟨l, l⟩ or its moving average, and takes its place in D alone: then l·(x l♯ + y a♯) = f′⟨l, l⟩ / D whatever the average, so that the
/// step descends.
///
/// # Requirements
///
/// f′ > 0 and √ξ ≥ 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{coupled_step, CouplingProducts};
///
/// // Without coupling: the damping of the pull-back.
/// let none = CouplingProducts { length: 3.0, left: 0.0, right: 0.0, between: 0.0 };
/// let step = coupled_step(1.0, 1.0, 3.0, none);
/// assert_eq!((step.along_gradient, step.determinant_ratio), (0.25, 4.0));
/// ```
#[inline]
pub fn coupled_step<S: Field>(slope: S, root_xi: S, averaged: S, products: CouplingProducts<S>) -> CoupledStep<S> {
    let CouplingProducts { length, left, right, between } = products;
    let weight = root_xi * slope;
    let tilt = S::one() + weight * left;
    // D / f′: nothing is divided by that could leave the range where f′² does.
    let scaled =
        tilt * (S::one() + weight * right) / slope + slope * (root_xi * root_xi * averaged) * (S::one() - between);
    CoupledStep {
        along_gradient: tilt / scaled,
        along_coupling: -(weight * length) / scaled,
        determinant_ratio: slope * scaled,
    }
}

/// Which covector couples the height with the parameters: c in the ambient metric G = [[γ, c], [cᵀ, 1]].
///
/// # Requirements
///
/// The component depends on one coordinate.
///
/// # Example
///
/// ```
/// use ambient_metric::{AlongMomentum, Coupling, Local};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(AlongMomentum(0.5).covector((), at), 1.5);
/// ```
pub trait Coupling: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// The component of c.
    fn covector<S: Real>(&self, state: Self::State<S>, at: Local<S>) -> S;

    /// Accepts the coupling's own constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

/// No coupling: c = 0, and the surface is that of [`Induced`](crate::Induced).
///
/// ```
/// use ambient_metric::{Coupling, Local, Uncoupled};
/// assert_eq!(Uncoupled.covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 0.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uncoupled;

impl Coupling for Uncoupled {
    type State<S: Real> = ();

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), _at: Local<S>) -> S {
        S::zero()
    }
}

named_unit!(Uncoupled, Given);

macro_rules! proportional {
    ($(#[$doc:meta])* $name:ident, $source:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(
            /// κ, of either sign.
            pub f64,
        );

        impl Coupling for $name {
            type State<S: Real> = ();

            #[inline(always)]
            fn covector<S: Real>(&self, (): (), at: Local<S>) -> S {
                S::constant(self.0) * at.$source
            }

            fn validate(&self) -> Result<(), Error> {
                require(self.0.is_finite(), "kappa", self.0, "it must be finite")
            }
        }
    };
}

proportional!(
    /// c = κ l, along the gradient.
    ///
    /// ```
    /// use ambient_metric::{AlongGradient, Coupling, Local};
    /// assert_eq!(AlongGradient(-0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), -1.0);
    /// ```
    AlongGradient,
    gradient
);
proportional!(
    /// c = κ m̂, along the momentum covector.
    ///
    /// ```
    /// use ambient_metric::{AlongMomentum, Coupling, Local};
    /// assert_eq!(AlongMomentum(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 1.5);
    /// ```
    AlongMomentum,
    momentum
);
proportional!(
    /// c = κ θ, along the parameters with their index lowered by the unit matrix.
    ///
    /// ```
    /// use ambient_metric::{AlongParameters, Coupling, Local};
    /// assert_eq!(AlongParameters(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 0.5);
    /// ```
    AlongParameters,
    parameter
);

/// c as the user gives it: the state slot `metric.coupling` (of a [`Bilinear`] form `metric.coupling.0` or `metric.coupling.1`), written by
/// [`Optimiser::write_state`](crate::Optimiser::write_state). It begins at zero and stays what it was written to.
///
/// ```
/// use ambient_metric::{Configuration, Coupled, Covector, Descent, Euclidean, Given, Identity, NoMomentum};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Coupled::new(Euclidean, Identity, Given, 1.0), NoMomentum);
/// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
/// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
/// optimiser.write_state("metric.coupling", &Parameters::from(array![0.0, 0.5]))?;
/// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0, 0.0])), 0.5)?;
/// // ⟨c, l⟩ = 0, so D = 1 + s (1 − ⟨c, c⟩), and the step leaves the direction of the gradient.
/// assert_eq!((report.coupling, report.determinant_ratio), (0.25, 1.75));
/// assert_eq!(theta.iter().copied().collect::<Vec<_>>(), [1.0 - 1.0 / 1.75, 0.5 / 1.75]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given;

impl Coupling for Given {
    type State<S: Real> = S;

    #[inline(always)]
    fn covector<S: Real>(&self, given: S, _at: Local<S>) -> S {
        given
    }
}

/// The off-diagonal elements of the ambient form [[γ, a], [bᵀ, 1]]: every [`Coupling`] c is one with a = b = c, [`Bilinear`] one with a ≠ b.
///
/// ```
/// use ambient_metric::{AlongGradient, Local, OffDiagonal};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(AlongGradient(0.5).covectors((), at), [1.0, 1.0]);
/// ```
pub trait OffDiagonal: Sync {
    /// Whether a = b, so that the form is a metric where ⟨c, c⟩ < 1.
    const IS_SYMMETRIC: bool;
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// The components of a and b.
    fn covectors<S: Real>(&self, state: Self::State<S>, at: Local<S>) -> [S; 2];

    /// Accepts the constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String;
}

impl<C: Coupling> OffDiagonal for C {
    const IS_SYMMETRIC: bool = true;
    type State<S: Real> = C::State<S>;

    #[inline(always)]
    fn covectors<S: Real>(&self, state: C::State<S>, at: Local<S>) -> [S; 2] {
        let covector = self.covector(state, at);
        [covector, covector]
    }

    fn validate(&self) -> Result<(), Error> {
        Coupling::validate(self)
    }

    fn name(&self) -> String {
        Coupling::name(self)
    }
}

/// a ≠ b: a bilinear form and not a metric. Its step is solved for all the same, and refused where D ≤ 0.
///
/// ```
/// use ambient_metric::{AlongGradient, AlongMomentum, Bilinear, Local, OffDiagonal};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(Bilinear { a: AlongGradient(0.5), b: AlongMomentum(1.0) }.covectors(((), ()), at), [1.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bilinear<A, B> {
    /// a, the column beside γ.
    pub a: A,
    /// b, the row below γ.
    pub b: B,
}

known_keys! { Bilinear<A, B> { a, b } }

impl<A: Coupling, B: Coupling> OffDiagonal for Bilinear<A, B> {
    const IS_SYMMETRIC: bool = false;
    type State<S: Real> = (A::State<S>, B::State<S>);

    #[inline(always)]
    fn covectors<S: Real>(&self, (a, b): Self::State<S>, at: Local<S>) -> [S; 2] {
        [self.a.covector(a, at), self.b.covector(b, at)]
    }

    fn validate(&self) -> Result<(), Error> {
        self.a.validate()?;
        self.b.validate()
    }

    fn name(&self) -> String {
        format!("Bilinear({}, {})", self.a.name(), self.b.name())
    }
}

/// What happens where ⟨c, c⟩ ≥ 1 and the ambient form is no metric.
///
/// ```
/// use ambient_metric::{AlongGradient, Coupled, Euclidean, Guard, Identity};
/// let coupled = Coupled::new(Euclidean, Identity, AlongGradient(0.1), 1.0);
/// assert_eq!(coupled.guard, Guard::Refuse);
/// assert_eq!(coupled.scale_back(1e-3).guard, Guard::ScaleBack { margin: 1e-3 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Guard {
    /// The step is refused with [`Error::Coupling`].
    #[default]
    Refuse,
    /// c is scaled back to ⟨c, c⟩ = 1 − ε where that is exceeded, and the report has the factor.
    ScaleBack {
        /// ε, in [10⁻⁶, 1).
        margin: f64,
    },
}

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
