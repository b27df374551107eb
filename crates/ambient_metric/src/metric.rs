//! Metrics: the geometry at a point, and the base metrics γ that the pull-back starts from.

use std::sync::Arc;

use crate::bundle;
use crate::bundle::Bundle;
use crate::embedding::short_name;
use crate::error::{Error, require_decay};
use crate::kernel::{Kernel, Uniforms};
use crate::preconditioner::Totals;
use crate::scalar::{Element, Field, Real};
use crate::tensor::{Covector, Operands, Tensor, Vector, Wide, find_non_finite};

/// A Riemannian metric at one point: lengths and angles of vectors and covectors.
///
/// Implement [`raise`](Self::raise), [`lower`](Self::lower) and [`log_determinant`](Self::log_determinant); inner
/// products and norms follow.
///
/// # Mathematics
///
#[doc = include_str!("../math/metric.html")]
///
/// # Requirements
///
/// The metric is symmetric and positive definite, and `raise` inverts `lower`.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Metric, Vector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let covector = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let state = Euclidean.begin(&covector.0)?;
/// let flat = Euclidean.at(&state);
///
/// assert_eq!(flat.norm_covector(&covector)?, 5.0);
/// assert_eq!(flat.raise(&covector)?, Vector(Parameters::from(array![3.0, 4.0])));
/// assert_eq!(flat.log_determinant()?, 0.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Every method refuses tensors of another layout ([`Error::Shape`] and its neighbours) and passes on what the backend reports.
///
/// # References
///
/// arXiv 2509.03594, eq. 7 (the pull-back metric) and 8 (its inverse), for which [`PullBack`](crate::PullBack) implements this trait.
pub trait Metric<T: Tensor> {
    /// g⁻¹x: turns a covector into a vector.
    ///
    /// # Errors
    ///
    /// Where the layouts differ or the backend fails.
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error>;

    /// g v: turns a vector into a covector.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error>;

    /// ln det g.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn log_determinant(&self) -> Result<Wide<T>, Error>;

    /// The inner product of two vectors, uᵀg v.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn inner(&self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        self.lower(u)?.contract(v)
    }

    /// The inner product of two covectors, ⟨x, y⟩ = xᵀg⁻¹y.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn inner_covectors(&self, x: &Covector<T>, y: &Covector<T>) -> Result<Wide<T>, Error> {
        x.contract(&self.raise(y)?)
    }

    /// The length of a vector, √(vᵀg v).
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn norm(&self, vector: &Vector<T>) -> Result<Wide<T>, Error> {
        Ok(self.inner(vector, vector)?.sqrt())
    }

    /// The length of a covector, √(xᵀg⁻¹x).
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn norm_covector(&self, covector: &Covector<T>) -> Result<Wide<T>, Error> {
        Ok(self.inner_covectors(covector, covector)?.sqrt())
    }

    /// The angle between two vectors, from 0 to π.
    ///
    /// It is computed as 2 atan2(|a − b|, |a + b|) from both directions, which keeps its digits where they are nearly parallel; an
    /// arc cosine would lose half of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] where one of them has length zero, and as [`raise`](Self::raise).
    fn angle(&self, u: &Vector<T>, v: &Vector<T>) -> Result<f64, Error> {
        let (mut a, mut b) = (self.direction(u)?, self.direction(v)?);
        let one = <Wide<T> as Field>::one();
        let kept = Vector(a.0.duplicate()?);
        a.add_scaled(one, &b)?;
        b.add_scaled(-one, &kept)?;
        Ok(2.0 * self.norm(&b)?.to_f64().atan2(self.norm(&a)?.to_f64()))
    }

    /// The angle between two covectors, from 0 to π: that between the vectors that the metric makes of them.
    ///
    /// # Errors
    ///
    /// As [`angle`](Self::angle).
    fn angle_covectors(&self, x: &Covector<T>, y: &Covector<T>) -> Result<f64, Error> {
        self.angle(&self.raise(x)?, &self.raise(y)?)
    }

    /// The vector of length one that points where `vector` does.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] for a vector of length zero, [`Error::Overflow`] where its length is not finite, and as
    /// [`raise`](Self::raise).
    fn direction(&self, vector: &Vector<T>) -> Result<Vector<T>, Error> {
        let norm = self.norm(vector)?;
        if norm == <Wide<T> as Field>::zero() {
            return Err(Error::NoDirection { quantity: "direction" });
        }
        if !norm.is_finite() {
            return Err(Error::Overflow { quantity: "the length of the vector".to_owned() });
        }
        let mut direction = Vector(vector.0.duplicate()?);
        direction.scale(<Wide<T> as Field>::one() / norm)?;
        Ok(direction)
    }

    /// √det g, the volume of the patch that a unit cube of coordinates stands for.
    ///
    /// With very many parameters it leaves the range of its type; then take [`log_determinant`](Self::log_determinant).
    ///
    /// # Errors
    ///
    /// As [`log_determinant`](Self::log_determinant).
    fn volume(&self) -> Result<Wide<T>, Error> {
        Ok((<Wide<T> as Field>::constant(0.5) * self.log_determinant()?).exp())
    }
}

/// The metric γ on the parameters: how it sees gradients, and what its inverse does.
///
/// A base metric may depend on the gradients seen so far. What it remembers is a value of type [`State`](Self::State)
/// that the caller owns; [`At`] joins both into a [`Metric`]. Every [`DiagonalMetric`] is a base metric on every backend. A
/// metric that is not pointwise implements this trait for the tensors that it knows.
///
/// # Mathematics
///
/// γ_t = γ(l₁, …, l_t) is the block of the ambient metric diag(γ, 1) that belongs to the parameters. It turns a covector x into the
/// vector x♯ = γ⁻¹x and a vector v into the covector γv, and measures ⟨x, y⟩ = xᵀγ⁻¹y.
///
/// # Requirements
///
/// γ is symmetric and positive definite in every state that [`update`](Self::update) can reach, and in the one that
/// [`begin`](Self::begin) returns. `raise` inverts `lower`.
///
/// # Example
///
/// One number for all parameters, γ = 1 + Σ l² over all gradients seen, is not pointwise:
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Error, Layout, Metric, Tensor, Vector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// struct Total;
///
/// impl BaseMetric<Parameters<f64>> for Total {
///     /// γ, and the layout that it was begun for.
///     type State = (f64, Layout);
///
///     fn begin(&self, parameters: &Parameters<f64>) -> Result<Self::State, Error> {
///         Ok((1.0, parameters.layout().clone()))
///     }
///
///     fn update(&self, (gamma, layout): &mut Self::State, l: &Covector<Parameters<f64>>) -> Result<(), Error> {
///         layout.check(l.0.layout())?;
///         *gamma += l.contract(&Vector(l.0.clone()))?;
///         Ok(())
///     }
///
///     fn raise(
///         &self,
///         (gamma, layout): &Self::State,
///         x: &Covector<Parameters<f64>>,
///     ) -> Result<Vector<Parameters<f64>>, Error> {
///         layout.check(x.0.layout())?;
///         let mut raised = Vector(x.0.clone());
///         raised.scale(1.0 / gamma)?;
///         Ok(raised)
///     }
///
///     fn lower(
///         &self,
///         (gamma, layout): &Self::State,
///         v: &Vector<Parameters<f64>>,
///     ) -> Result<Covector<Parameters<f64>>, Error> {
///         layout.check(v.0.layout())?;
///         let mut lowered = v.clone();
///         lowered.scale(*gamma)?;
///         Ok(Covector(lowered.0))
///     }
///
///     fn log_determinant(&self, (gamma, layout): &Self::State) -> Result<f64, Error> {
///         Ok(layout.elements() as f64 * gamma.ln())
///     }
/// }
///
/// let gradient = Covector(Parameters::from(array![1.0, 1.0, 1.0]));
/// let mut state = Total.begin(&gradient.0)?;
/// Total.update(&mut state, &gradient)?;
/// assert_eq!(Total.at(&state).raise(&gradient)?.0, Parameters::from(array![0.25, 0.25, 0.25]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NonFiniteGradient`] for a gradient that the state must not see, [`Error::Hyperparameter`] for constants out of range, and
/// what [`Layout::check`](crate::Layout::check) finds.
///
/// # References
///
/// arXiv 2509.03594, eq. 7 and 8: γ is the metric that the pull-back adds to, and γ⁻¹ the one that its inverse subtracts from.
pub trait BaseMetric<T: Tensor> {
    /// What it remembers.
    type State;

    /// The state before any gradient, for parameters like these.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for constants out of range, and where the metric does not take such a layout.
    fn begin(&self, parameters: &T) -> Result<Self::State, Error>;

    /// Takes a gradient into account.
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteGradient`], and where the layouts differ or the backend fails; the state is then unchanged.
    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error>;

    /// The covector whose length the pull-back measures and that a step follows, where it is not the gradient but one that the metric
    /// keeps: Muon's is its momentum. `None`, the default, means the gradient.
    fn measured<'a>(&self, _state: &'a Self::State) -> Option<&'a Covector<T>> {
        None
    }

    /// The metric in this state.
    fn at<'a>(&'a self, state: &'a Self::State) -> At<'a, Self, Self::State>
    where
        Self: Sized,
    {
        At { metric: self, state }
    }

    /// γ⁻¹x.
    ///
    /// # Errors
    ///
    /// Where the layouts differ or the backend fails.
    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error>;

    /// γ v.
    ///
    /// # Errors
    ///
    /// As [`raise`](Self::raise).
    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error>;

    /// ln det γ.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error>;
}

/// A base metric in one of its states: a [`Metric`]. Made by [`BaseMetric::at`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Adagrad, BaseMetric, Covector, Metric};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let metric = Adagrad { epsilon: 1.0 };
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
///
/// // γ = √(l²) + 1 = (4, 5).
/// let gamma = metric.at(&state);
/// assert_eq!(gamma.inner_covectors(&gradient, &gradient)?, 9.0 * 0.25 + 4.0 * (1.0 / 5.0 * 4.0));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct At<'a, M, St> {
    /// The base metric.
    pub metric: &'a M,
    /// What it remembers.
    pub state: &'a St,
}

impl<M, St> Clone for At<'_, M, St> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, St> Copy for At<'_, M, St> {}

impl<T: Tensor, M: BaseMetric<T>> Metric<T> for At<'_, M, M::State> {
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        self.metric.raise(self.state, covector)
    }

    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        self.metric.lower(self.state, vector)
    }

    fn log_determinant(&self) -> Result<Wide<T>, Error> {
        self.metric.log_determinant(self.state)
    }
}

/// A base metric that is diagonal: γ⁻¹ at a coordinate depends on what was seen at that coordinate alone.
///
/// A new one is two functions: how its state sees a gradient, and what γ⁻¹ is. Both are generic over the scalar, so the
/// metric runs fused into the step on every backend.
///
/// # Mathematics
///
/// At coordinate i, with ρ₀ = 0 and β the [`decay`](Self::decay):
///
/// ρ ← observe(ρ, lᵢ), γ⁻¹ᵢᵢ = inverse(ρ / (1 − βᵗ)), x♯ᵢ = γ⁻¹ᵢᵢ xᵢ, ⟨x, y⟩ = Σᵢ xᵢ γ⁻¹ᵢᵢ yᵢ, ln det γ = −Σᵢ ln γ⁻¹ᵢᵢ.
///
/// # Requirements
///
/// `inverse` is above zero in every state that `observe` can reach; the state starts at zero. `decay` lies in [0, 1). Where `inverse` is
/// infinite after a gradient of zero the step is an error, and every step of the metric costs a further pass that looks for it.
///
/// # Example
///
/// The metric of RMSprop with a fourth root in place of the square root:
///
/// ```
/// use ambient_metric::{DiagonalMetric, Field, Real};
///
/// struct Gentle { beta: f64 }
///
/// impl DiagonalMetric for Gentle {
///     type State<S: Real> = S;
///
///     fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
///         S::constant(self.beta) * seen + S::constant(1.0 - self.beta) * gradient * gradient
///     }
///
///     fn inverse<S: Real>(&self, seen: S) -> S {
///         S::one() / (seen.sqrt().sqrt() + S::constant(1e-8))
///     }
///
///     fn decay(&self) -> f64 {
///         self.beta
///     }
/// }
///
/// assert!((Gentle { beta: 0.9 }.inverse(16.0_f64) - 0.5).abs() < 1e-8);
/// ```
///
/// # Errors
///
/// Optimisers and [`BaseMetric::begin`] answer with [`Error::Hyperparameter`] where [`validate`](Self::validate) does, or where `decay`
/// lies outside [0, 1).
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 (γ = 1) and the RMSprop variant, whose γ is diagonal.
pub trait DiagonalMetric: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// The state after a gradient has been seen.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// The diagonal element of γ⁻¹, from the state after [`observe`](Self::observe) and after bias correction.
    fn inverse<S: Real>(&self, state: Self::State<S>) -> S;

    /// The decay β of a moving average in the state, which starts at zero and is therefore too small by 1 − βᵗ:
    /// [`inverse`](Self::inverse) receives the state divided by that. Zero, the default, means that there is nothing to correct.
    fn decay(&self) -> f64 {
        0.0
    }

    /// Accepts the metric's own constants.
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

/// Accepts a diagonal metric whose constants are in range.
pub(crate) fn check_diagonal<M: DiagonalMetric>(metric: &M) -> Result<(), Error> {
    metric.validate()?;
    require_decay("decay", metric.decay())
}

/// A diagonal base metric that may learn from the steps taken on it: [`LearnedScalar`](crate::LearnedScalar) and
/// [`LearnedDiagonal`](crate::LearnedDiagonal) do. Every [`DiagonalMetric`] is one that learns nothing; implement that trait where it suffices.
///
/// # Mathematics
///
/// At coordinate i, with z the memory of the metric as a whole and ρᵢ the state of the coordinate, corrected as that of a [`DiagonalMetric`]:
///
/// γ⁻¹ᵢᵢ = inverse(share(z), ρᵢ). After the step, with the sums Λ = Σᵢ lesson(share(z), ρᵢ, lᵢ) over all parameters and Λ_p over one tensor,
/// z ← learn(z, ξ, s, Λ) and ρᵢ ← settle(correction(ξ, Λ, Λ_p), ρᵢ, lᵢ).
///
/// # Requirements
///
/// `inverse` is above zero. State begins at zero.
///
/// # Example
///
/// ```
/// use ambient_metric::{LearnedScalar, PointwiseMetric};
///
/// let metric = LearnedScalar { kappa: 0.5, ..LearnedScalar::default() };
/// let memory = metric.learn(metric.begin(), 1.0, 0.25, 0.0);
/// assert_eq!(metric.inverse(metric.share(memory), ()), 0.125_f64.exp());
/// ```
pub trait PointwiseMetric: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;
    /// What is kept once.
    type Memory<S: Real>: Bundle<S>;
    /// What γ⁻¹ needs of the memory, the same for every element.
    type Shared<S: Real>: Bundle<S>;
    /// What is summed to learn from.
    type Lesson<S: Real>: Bundle<S>;
    /// What the state of every element learns by, the same for all of a group or tensor.
    type Correction<S: Real>: Bundle<S>;

    /// The decay of a moving average in the state; as [`DiagonalMetric::decay`].
    fn decay(&self) -> f64 {
        0.0
    }

    /// The memory before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S>;

    /// What γ⁻¹ needs of the memory.
    fn share<S: Real>(&self, memory: Self::Memory<S>) -> Self::Shared<S>;

    /// The state after a gradient has been seen, before the step.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// The diagonal element of γ⁻¹.
    fn inverse<S: Real>(&self, shared: Self::Shared<S>, state: Self::State<S>) -> S;

    /// What one coordinate adds to the sums that the metric learns from.
    fn lesson<S: Real>(&self, shared: Self::Shared<S>, state: Self::State<S>, gradient: S) -> Self::Lesson<S>;

    /// The memory after the step, from ξ, s = ξ⟨l, l⟩ and the sums over all parameters.
    fn learn<S: Real>(
        &self,
        memory: Self::Memory<S>,
        xi: S,
        squared_length: S,
        lesson: Self::Lesson<S>,
    ) -> Self::Memory<S>;

    /// What the states learn by, from ξ and the sums.
    fn correction<S: Real>(&self, xi: S, lessons: Totals<Self::Lesson<S>>) -> Self::Correction<S>;

    /// The state after the step.
    fn settle<S: Real>(&self, correction: Self::Correction<S>, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// Whether [`correction`](Self::correction) needs the sums of every tensor by itself.
    fn learns_per_tensor(&self) -> bool {
        false
    }

    /// Accepts the metric's own constants.
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

impl<M: DiagonalMetric> PointwiseMetric for M {
    type State<S: Real> = M::State<S>;
    type Memory<S: Real> = ();
    type Shared<S: Real> = ();
    type Lesson<S: Real> = ();
    type Correction<S: Real> = ();

    fn decay(&self) -> f64 {
        DiagonalMetric::decay(self)
    }

    fn begin<S: Real>(&self) {}

    fn share<S: Real>(&self, (): ()) {}

    #[inline(always)]
    fn observe<S: Real>(&self, state: M::State<S>, gradient: S) -> M::State<S> {
        DiagonalMetric::observe(self, state, gradient)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, (): (), state: M::State<S>) -> S {
        DiagonalMetric::inverse(self, state)
    }

    #[inline(always)]
    fn lesson<S: Real>(&self, (): (), _state: M::State<S>, _gradient: S) {}

    fn learn<S: Real>(&self, (): (), _xi: S, _squared_length: S, (): ()) {}

    fn correction<S: Real>(&self, _xi: S, _lessons: Totals<()>) {}

    #[inline(always)]
    fn settle<S: Real>(&self, (): (), state: M::State<S>, _gradient: S) -> M::State<S> {
        state
    }

    fn validate(&self) -> Result<(), Error> {
        check_diagonal(self)
    }

    fn name(&self) -> String {
        DiagonalMetric::name(self)
    }
}

/// What a [`DiagonalMetric`] remembers on a backend: its state as tensors, and the power βᵗ of its bias correction.
///
/// # Example
///
/// ```
/// use ambient_metric::{Adagrad, BaseMetric, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let mut state = Adagrad::default().begin(&gradient.0)?;
/// Adagrad::default().update(&mut state, &gradient)?;
/// assert_eq!(state.slots(), [Parameters::from(array![9.0, 16.0])]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct DiagonalState<T: Tensor> {
    layout: crate::layout::Layout,
    /// Shared by clones until one of them is updated.
    slots: Arc<Vec<T>>,
    power: Wide<T>,
}

impl<T: Tensor> Clone for DiagonalState<T> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), slots: Arc::clone(&self.slots), power: self.power }
    }
}

impl<T: Tensor> DiagonalState<T> {
    /// The state as tensors, one per slot.
    #[must_use]
    pub fn slots(&self) -> &[T] {
        &self.slots
    }

    fn correction(&self) -> Wide<T> {
        let one = <Wide<T> as Field>::one();
        // Before the first gradient every moving average is zero, and zero needs no correction.
        if self.power == one { one } else { one / (one - self.power) }
    }
}

impl<T: Tensor, M: DiagonalMetric> BaseMetric<T> for M {
    type State = DiagonalState<T>;

    fn begin(&self, parameters: &T) -> Result<DiagonalState<T>, Error> {
        check_diagonal(self)?;
        let slots = <M::State<T::Element> as Bundle<T::Element>>::LEN;
        Ok(DiagonalState {
            layout: parameters.layout().clone(),
            slots: Arc::new((0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?),
            power: <Wide<T> as Field>::one(),
        })
    }

    fn update(&self, state: &mut DiagonalState<T>, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        if let Some((target, companions)) = state.slots.split_first() {
            let mut total = [<Wide<T> as Field>::zero()];
            let operands = Operands { target, companions, reads: &[&gradient.0] };
            T::sum(&Rehearsal(self), Uniforms::same(&()), operands, &mut total)?;
            if !total.iter().all(|total| total.is_finite()) {
                return Err(Error::Overflow { quantity: "the state of the metric after the gradient".to_owned() });
            }
        }
        if Arc::get_mut(&mut state.slots).is_none() {
            state.slots = Arc::new(state.slots.iter().map(Tensor::duplicate).collect::<Result<_, Error>>()?);
        }
        if let Some((first, rest)) = Arc::get_mut(&mut state.slots).and_then(|slots| slots.split_first_mut()) {
            T::update(&Observe(self), Uniforms::same(&()), first, rest, &[&gradient.0])?;
        }
        state.power = state.power * <Wide<T> as Field>::constant(self.decay());
        Ok(())
    }

    fn raise(&self, state: &DiagonalState<T>, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        state.layout.check(covector.0.layout())?;
        let mut raised = covector.0.duplicate()?;
        let reads: Vec<&T> = state.slots.iter().collect();
        T::update(&Raise(self), Uniforms::same(&state.correction()), &mut raised, &mut [], &reads)?;
        Ok(Vector(raised))
    }

    fn lower(&self, state: &DiagonalState<T>, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        state.layout.check(vector.0.layout())?;
        let mut lowered = vector.0.duplicate()?;
        let reads: Vec<&T> = state.slots.iter().collect();
        T::update(&Lower(self), Uniforms::same(&state.correction()), &mut lowered, &mut [], &reads)?;
        Ok(Covector(lowered))
    }

    fn log_determinant(&self, state: &DiagonalState<T>) -> Result<Wide<T>, Error> {
        let Some((target, companions)) = state.slots.split_first() else {
            // Without state every coordinate has the same γ⁻¹.
            let count = <Wide<T> as Field>::constant(state.layout.elements() as f64);
            let inverse = self.inverse(<M::State<Wide<T>> as Bundle<Wide<T>>>::zero());
            return Ok(-(count * inverse.ln()));
        };
        let mut total = [<Wide<T> as Field>::zero()];
        let operands = Operands { target, companions, reads: &[] };
        T::sum(&LogDeterminant(self), Uniforms::same(&state.correction()), operands, &mut total)?;
        let [total] = total;
        Ok(total)
    }
}

bundle! {
    /// A component beside the state of a metric.
    pub nested struct WithState<X, St> { component: X, state: St }
}

bundle! {
    /// The state of a metric beside the gradient it is about to see.
    pub nested struct Seeing<St, X> { state: St, gradient: X }
}

/// state ← observe(state, l).
struct Observe<'m, M>(&'m M);

impl<M: DiagonalMetric> Kernel for Observe<'_, M> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = M::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> M::State<S> {
        self.0.observe(input.state, input.gradient)
    }
}

/// 0 times what [`Observe`] would write, added up: zero where every slot is finite, and not finite where one is not.
struct Rehearsal<'m, M>(&'m M);

impl<M: DiagonalMetric> Kernel for Rehearsal<'_, M> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> S {
        self.0.observe(input.state, input.gradient).scalars().fold(S::zero(), |sum, slot| sum + S::zero() * slot)
    }
}

/// x ← γ⁻¹x.
struct Raise<'m, M>(&'m M);

impl<M: DiagonalMetric> Kernel for Raise<'_, M> {
    type Uniform<S: Real> = S;
    type Input<S: Real> = WithState<S, M::State<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, correction: S, input: Self::Input<S>) -> S {
        self.0.inverse(input.state.times(correction)) * input.component
    }
}

/// v ← γv.
struct Lower<'m, M>(&'m M);

impl<M: DiagonalMetric> Kernel for Lower<'_, M> {
    type Uniform<S: Real> = S;
    type Input<S: Real> = WithState<S, M::State<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, correction: S, input: Self::Input<S>) -> S {
        input.component / self.0.inverse(input.state.times(correction))
    }
}

/// −ln γ⁻¹, to be summed.
struct LogDeterminant<'m, M>(&'m M);

impl<M: DiagonalMetric> Kernel for LogDeterminant<'_, M> {
    type Uniform<S: Real> = S;
    type Input<S: Real> = M::State<S>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, correction: S, state: M::State<S>) -> S {
        -self.0.inverse(state.times(correction)).ln()
    }
}
