//! Momentum that a metric or an optimiser keeps as tensors, outside of a fused rule.

use std::sync::Arc;

use crate::base::base_metric::BaseMetric;
use crate::error::Error;
use crate::number::bundle::{Bundle, nested_names};
use crate::number::scalar::Real;
use crate::space::kernel::Kernel;
use crate::space::momentum::{Momentum, Recall, shows};
use crate::space::powers::Powers;
use crate::space::record::Entries;
use crate::space::selection::Separable;
use crate::space::selection::{Selection, placed, placed_all, select_all};
use crate::space::tensor::{Covector, Tensor, Vector, Wide};

/// What a [`Momentum`] remembers on a backend: its state as tensors, its covector m̂, and the power μᵗ of every part.
///
/// Clones share their tensors until one of them is updated.
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Ema};
/// use ambient_metric::base::Remembered;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![2.0_f64, 4.0]));
/// let mut memory = Remembered::begin(&Ema(0.5), &gradient.0)?;
/// memory.update(&Ema(0.5), &gradient)?;
/// assert_eq!(memory.slots(), [Parameters::from(array![1.0, 2.0])]);
/// assert_eq!(memory.covector(), &gradient);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct Remembered<T: Tensor> {
    slots: Arc<Vec<T>>,
    covector: Arc<Covector<T>>,
    powers: Powers<Wide<T>>,
}

impl<T: Tensor> Clone for Remembered<T> {
    fn clone(&self) -> Self {
        Self { slots: Arc::clone(&self.slots), covector: Arc::clone(&self.covector), powers: self.powers.clone() }
    }
}

impl<T: Tensor> Remembered<T> {
    /// The memory before any gradient.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for a decay outside its range, [`Error::Backend`] where there is no memory.
    pub fn begin<Q: Momentum>(momentum: &Q, parameters: &T) -> Result<Self, Error> {
        momentum.validate()?;
        let slots = <Q::State<T::Element> as Bundle<T::Element>>::LEN;
        let slots = (0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?;
        let covector = Arc::new(Covector(parameters.zeros_like()?));
        Ok(Self { slots: Arc::new(slots), covector, powers: Powers::begin(parameters.layout()) })
    }

    /// Takes a gradient into account.
    ///
    /// # Errors
    ///
    /// Where the layouts differ or the backend fails; the memory is then unchanged.
    pub fn update<Q: Momentum>(&mut self, momentum: &Q, gradient: &Covector<T>) -> Result<(), Error> {
        self.update_and_show(momentum, gradient).map(|_| ())
    }

    /// [`update`](Self::update), with the covector that the base metric sees where that is not the gradient.
    pub(crate) fn update_and_show<Q: Momentum>(
        &mut self,
        momentum: &Q,
        gradient: &Covector<T>,
    ) -> Result<Option<Covector<T>>, Error> {
        self.covector.0.layout().check(gradient.0.layout())?;
        let mut written = self.slots.iter().map(Tensor::duplicate).collect::<Result<Vec<T>, Error>>()?;
        let mut powers = self.powers.clone();
        powers.count(momentum.decay());
        let corrections = powers.per_part(|power| momentum.correct(power));
        let (uniforms, mut covector) = (corrections.uniforms(), gradient.0.duplicate()?);
        let shown = if shows::<Q, T::Element>(momentum) {
            written.insert(0, gradient.0.duplicate()?);
            T::update(&FollowAndShow(momentum), uniforms, &mut covector, &mut written, &[])?;
            Some(Covector(written.remove(0)))
        } else {
            T::update(&Follow(momentum), uniforms, &mut covector, &mut written, &[])?;
            None
        };
        *self = Self { slots: Arc::new(written), covector: Arc::new(Covector(covector)), powers };
        Ok(shown)
    }

    /// What is remembered of a selection alone, with the powers of its parts.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], and where the backend fails.
    pub fn select(&self, selection: &Selection) -> Result<Self, Error>
    where
        T: Separable,
    {
        let slots = Arc::new(select_all(self.slots.iter(), selection)?);
        let covector = Arc::new(Covector(self.covector.0.select(selection)?));
        Ok(Self { slots, covector, powers: self.powers.select(selection)? })
    }

    /// Replaces what is remembered of a selection by what was [selected](Self::select), and the powers of its parts.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select); the memory is then unchanged.
    pub fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error>
    where
        T: Separable,
    {
        let slots = Arc::new(placed_all(&self.slots, selection, &selected.slots)?);
        let covector = Arc::new(Covector(placed(&self.covector.0, selection, &selected.covector.0)?));
        *self = Self { slots, covector, powers: self.powers.placed(selection, &selected.powers)? };
        Ok(())
    }

    /// The state as tensors, one per slot.
    #[must_use]
    pub fn slots(&self) -> &[T] {
        &self.slots
    }

    /// Hands the tensors and the powers to a checkpoint.
    ///
    /// # Errors
    ///
    /// As [`BaseMetric::record`].
    pub fn record<Q: Momentum>(&mut self, entries: &mut Entries<'_>) -> Result<(), Error> {
        entries.tensors(&nested_names::<T::Element, Q::State<T::Element>>("slot"), &mut self.slots)?;
        if let Some(covector) = entries.exchange("covector", &self.covector.0)? {
            self.covector = Arc::new(Covector(covector));
        }
        let layout = self.covector.0.layout().clone();
        self.powers.record(&layout, entries)
    }

    /// m̂, the covector to follow; zero before the first gradient.
    #[must_use]
    pub fn covector(&self) -> &Covector<T> {
        &self.covector
    }
}

/// l ← m̂ and m ← remember(m, l).
#[derive(Clone)]
struct Follow<'q, Q>(&'q Q);

impl<Q: Momentum> Kernel for Follow<'_, Q> {
    type Uniform<S: Real> = Q::Corrections<S>;
    type Input<S: Real> = (S, Q::State<S>);
    type Output<S: Real> = (S, Q::State<S>);

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: Q::Corrections<S>, (gradient, past): Self::Input<S>) -> Self::Output<S> {
        let at = Recall::of(self.0, corrections, past, gradient);
        (self.0.covector(corrections, at), Bundle::<S>::flushed(at.present))
    }
}

/// [`Follow`], with what is shown to the base metric.
#[derive(Clone)]
struct FollowAndShow<'q, Q>(&'q Q);

impl<Q: Momentum> Kernel for FollowAndShow<'_, Q> {
    type Uniform<S: Real> = Q::Corrections<S>;
    type Input<S: Real> = ([S; 2], Q::State<S>);
    type Output<S: Real> = ([S; 2], Q::State<S>);

    #[inline(always)]
    fn evaluate<S: Real>(&self, corrections: Q::Corrections<S>, (gradients, past): Self::Input<S>) -> Self::Output<S> {
        let at = Recall::of(self.0, corrections, past, gradients[0]);
        let shown = self.0.shown(corrections, at).unwrap_or(gradients[0]);
        ([self.0.covector(corrections, at), shown], Bundle::<S>::flushed(at.present))
    }
}

/// A base metric that measures a momentum in place of the gradient, as [`Muon`](crate::Muon) does.
///
/// It is what a part that is [routed](crate::Routed) away from Muon needs to have a momentum of its own.
///
/// # Mathematics
///
/// γ is that of `metric`, which sees the gradients themselves; s = ⟨m̂, m̂⟩, and the step follows m̂♯.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Ema, Euclidean, Metric};
/// use ambient_metric::base::Remembering;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Remembering { momentum: Ema(0.5), metric: Euclidean };
/// let gradient = |x: f64| Covector(Parameters::from(array![x]));
/// let mut state = metric.begin(&gradient(0.0).0)?;
/// metric.update(&mut state, &gradient(1.0))?;
/// metric.update(&mut state, &gradient(4.0))?;
/// // m̂ = (1/4 · 1 + 1/2 · 4) / (1 − 1/4).
/// assert_eq!(metric.measured(&state), Some(&gradient(3.0)));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Remembering<Q, M> {
    /// How gradients are remembered.
    pub momentum: Q,
    /// γ.
    pub metric: M,
}

known_keys! { Remembering<Q, M> { momentum, metric } }

impl<T: Tensor, Q: Momentum, M: BaseMetric<T, State: Clone>> BaseMetric<T> for Remembering<Q, M> {
    type State = (Remembered<T>, M::State);

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        Ok((Remembered::begin(&self.momentum, parameters)?, self.metric.begin(parameters)?))
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        let mut next = state.clone();
        let shown = next.0.update_and_show(&self.momentum, gradient)?;
        self.metric.update(&mut next.1, shown.as_ref().unwrap_or(gradient))?;
        *state = next;
        Ok(())
    }

    fn observes(&self) -> bool {
        self.metric.observes()
    }

    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
        self.metric.take_observation(&mut state.1, examples)
    }

    fn learn_from(
        &self,
        state: &mut Self::State,
        gradient: &Covector<T>,
        xi: Wide<T>,
        squared_length: Wide<T>,
    ) -> Result<(), Error> {
        self.metric.learn_from(&mut state.1, gradient, xi, squared_length)
    }

    fn is_metric(&self) -> bool {
        self.metric.is_metric()
    }

    fn is_pointwise(&self) -> bool {
        self.metric.is_pointwise()
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        Some(state.0.covector())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        Ok((state.0.select(selection)?, self.metric.select(&state.1, selection)?))
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        let mut momentum = state.0.clone();
        momentum.place(selection, &selected.0)?;
        self.metric.place(&mut state.1, selection, &selected.1)?;
        state.0 = momentum;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        self.metric.raise(&state.1, covector)
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        self.metric.lower(&state.1, vector)
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        self.metric.log_determinant(&state.1)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        state.0.record::<Q>(&mut entries.within("momentum"))?;
        self.metric.record(&mut state.1, &mut entries.within("metric"))
    }
}
