//! Base metrics: γ, in any form and pointwise.

use crate::base::pointwise::Weights;
use crate::error::{Error, require_decay, require_metric};
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::space::metric::Metric;
use crate::space::record::Entries;
use crate::space::selection::Selection;
use crate::space::selection::Separable;
use crate::space::tensor::{Covector, Tensor, Vector, Wide};

/// The metric γ on the parameters: how it sees gradients, and what its inverse does.
///
/// A base metric may depend on the gradients seen so far. What it remembers is a value of type [`State`](Self::State)
/// that the caller owns; [`At`] joins both into a [`Metric`]. Every [`PointwiseMetric`](crate::base::PointwiseMetric) is a base metric on every
/// backend. A metric that is not pointwise implements this trait for the tensors that it knows.
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
/// use ambient_metric::{BaseMetric, Covector, Error, Layout, Tensor, Vector};
/// use ambient_metric::space::Entries;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// struct Total;
///
/// // For every backend, so that `conformance_base_metric!` can prove it over the reference one.
/// impl<T: Tensor<Element = f64>> BaseMetric<T> for Total {
///     /// γ, and the layout that it was begun for.
///     type State = (f64, Layout);
///
///     fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
///         Ok((1.0, parameters.layout().clone()))
///     }
///
///     fn update(&self, (gamma, layout): &mut Self::State, l: &Covector<T>) -> Result<(), Error> {
///         layout.check(l.0.layout())?;
///         l.require_finite()?;
///         *gamma += l.contract(&Vector(l.0.duplicate()?))?;
///         Ok(())
///     }
///
///     fn raise(&self, (gamma, layout): &Self::State, x: &Covector<T>) -> Result<Vector<T>, Error> {
///         layout.check(x.0.layout())?;
///         let mut raised = Vector(x.0.duplicate()?);
///         raised.scale(1.0 / gamma)?;
///         Ok(raised)
///     }
///
///     fn lower(&self, (gamma, layout): &Self::State, v: &Vector<T>) -> Result<Covector<T>, Error> {
///         layout.check(v.0.layout())?;
///         let mut lowered = Vector(v.0.duplicate()?);
///         lowered.scale(*gamma)?;
///         Ok(Covector(lowered.0))
///     }
///
///     fn log_determinant(&self, (gamma, layout): &Self::State) -> Result<f64, Error> {
///         Ok(layout.elements() as f64 * gamma.ln())
///     }
///
///     // With this, an optimiser of the metric has checkpoints.
///     fn record(&self, (gamma, _): &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
///         entries.number("gamma", gamma)
///     }
/// }
///
/// let gradient = Covector(Parameters::from(array![1.0, 1.0, 1.0]));
/// let mut state = Total.begin(&gradient.0)?;
/// Total.update(&mut state, &gradient)?;
/// assert_eq!(Total.raise(&state, &gradient)?.0, Parameters::from(array![0.25, 0.25, 0.25]));
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no base metric over `{T}`",
    note = "implement `DiagonalMetric` if it is pointwise (two functions, `observe` and `inverse`), `PointwiseMetric` if it also learns from its steps, else `BaseMetric`; a metric of matrices needs a tensor that is a `MatrixTensor`"
)]
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
    /// [`Error::NonFiniteGradient`], [`Error::NotObserved`] for a metric that [observes](Self::observes) and has not yet, and where the layouts differ or
    /// the backend fails; the state is then unchanged.
    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error>;

    /// Whether it has observations of its own, beside the gradient: an estimate of curvature, or the gradients of single examples.
    fn observes(&self) -> bool {
        false
    }

    /// Takes an observation into account, whose examples these are: a mean over them is what counts. A metric that [observes](Self::observes) learns from
    /// these alone, and [`update`](Self::update) answers [`Error::NotObserved`] before the first one. The default refuses.
    ///
    /// # Errors
    ///
    /// [`Error::ObservesNothing`], [`Error::NoExamples`], [`Error::NonFiniteObservation`], [`Error::Overflow`], and where the layouts differ or the
    /// backend fails; the state is then unchanged.
    fn take_observation(&self, _state: &mut Self::State, _examples: &[&Covector<T>]) -> Result<(), Error> {
        Err(Error::ObservesNothing { metric: self.metric_name() })
    }

    /// Learns from a step that was taken in the metric as it was: from the gradient that [`update`](Self::update) saw last, from ξ, and from
    /// s = ξ⟨l, l⟩ over all parameters (for several losses the sums of their ξ and of their s). The default learns nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`] where what was learned is no number, and where the layouts differ or the backend fails; the state is then unchanged.
    fn learn_from(
        &self,
        _state: &mut Self::State,
        _gradient: &Covector<T>,
        _xi: Wide<T>,
        _squared_length: Wide<T>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// The covector whose length the pull-back measures and that a step follows, where it is not the gradient but one that the metric
    /// keeps: Muon's is its momentum. `None`, the default, means the gradient.
    fn measured<'a>(&self, _state: &'a Self::State) -> Option<&'a Covector<T>> {
        None
    }

    /// The state of what is selected alone, as if the metric had been begun for it: for a step in which the rest has no gradient. What is kept
    /// once for all parts is part of it; what counts steps, such as the powers of bias corrections, is kept for every part.
    ///
    /// The default refuses: a metric that measures parts together has no such state. One of matrices takes
    /// [whole parts](Selection::whole_parts) alone.
    ///
    /// # Errors
    ///
    /// [`Error::Inseparable`], [`Error::NoSuchPart`], and where the backend fails.
    fn select(&self, _state: &Self::State, _selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        Err(Error::Inseparable { metric: short_name::<Self>() })
    }

    /// Replaces the state of what is selected by one that was [selected](Self::select), and what is kept once for all parts. The state of all else
    /// stays as it is, bit for bit.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select); the state is then unchanged.
    fn place(&self, _state: &mut Self::State, _selection: &Selection, _selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        Err(Error::Inseparable { metric: short_name::<Self>() })
    }

    /// Hands everything that the state consists of to `entries`, which writes it into a [`Checkpoint`](crate::Checkpoint) or replaces it: one
    /// function for both directions. To be replaced, the state is one that [`begin`](Self::begin) made. What follows from the rest may be left out,
    /// if it is made again here.
    ///
    /// The default refuses: then an optimiser of the metric has no checkpoints. Every metric of this crate has them.
    ///
    /// # Errors
    ///
    /// [`Error::NotRecorded`], [`Error::CheckpointEntry`] for what is missing or does not fit, and where the backend fails.
    fn record(&self, _state: &mut Self::State, _entries: &mut Entries<'_>) -> Result<(), Error> {
        Err(Error::NotRecorded { metric: short_name::<Self>() })
    }

    /// The name under which reports and checkpoints know it.
    fn metric_name(&self) -> String {
        short_name::<Self>()
    }

    /// Whether x♯ is linear in x, so that there is a γ; as [`DiagonalMetric::is_metric`].
    fn is_metric(&self) -> bool {
        true
    }

    /// Whether x♯ at a coordinate depends on x there alone. Every [`PointwiseMetric`](crate::base::PointwiseMetric) says so.
    fn is_pointwise(&self) -> bool {
        false
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
    /// The dual of a norm is refused, since what is made of a metric needs a linear γ⁻¹.
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        require_metric(self.metric.is_metric(), true, || self.metric.metric_name())?;
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
/// metric runs fused into the step on every backend. Mark them `#[inline(always)]`, as [`Kernel`](crate::Kernel) says why.
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
/// #[derive(Clone)]
/// struct Gentle { beta: f64 }
///
/// impl DiagonalMetric for Gentle {
///     type State<S: Real> = S;
///
///     #[inline(always)]
///     fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
///         S::constant(self.beta) * seen + S::constant(1.0 - self.beta) * gradient * gradient
///     }
///
///     #[inline(always)]
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no pointwise metric",
    note = "implement `DiagonalMetric` with two functions, `observe` and `inverse`; a metric that is not pointwise, such as `Dense`, `Kronecker` or `Muon`, is run by `Configuration::build_whole` instead"
)]
pub trait DiagonalMetric: Clone + Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// The state after a gradient has been seen.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// The diagonal element of γ⁻¹, from the state after [`observe`](Self::observe) and after bias correction.
    fn inverse<S: Real>(&self, state: Self::State<S>) -> S;

    /// x♯ at a coordinate, from γ⁻¹ and x: their product. The dual of a norm that is no metric, as [`Sign`](crate::base::Sign) is, has another, and says
    /// so by [`is_metric`](Self::is_metric).
    #[inline(always)]
    fn sharp<S: Real>(&self, inverse: S, covector: S) -> S {
        covector * inverse
    }

    /// Whether x♯ is linear in x, so that there is a γ.
    fn is_metric(&self) -> bool {
        true
    }

    /// The decay β of a moving average in the state, which starts at zero and is therefore too small by 1 − βᵗ:
    /// [`inverse`](Self::inverse) receives the state divided by that. Zero, the default, means that there is nothing to correct.
    fn decay(&self) -> f64 {
        0.0
    }

    /// Whether the state sees observations of its own, beside the gradient; as [`PointwiseMetric::OBSERVES`](crate::base::PointwiseMetric::OBSERVES).
    const OBSERVES: bool = false;

    /// The state after an example of an observation; as [`PointwiseMetric::notice`](crate::base::PointwiseMetric::notice).
    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        let _ = (weights, example);
        state
    }

    /// The decay β of the average over observations; as
    /// [`PointwiseMetric::observation_decay`](crate::base::PointwiseMetric::observation_decay).
    fn observation_decay(&self) -> f64 {
        self.decay()
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
    require_decay("decay", metric.decay())?;
    require_decay("observation_decay", metric.observation_decay())
}
