//! Pointwise base metrics: diagonal, and able to learn from the steps taken on them.

use std::sync::Arc;

use crate::base::base_metric::{BaseMetric, DiagonalMetric, check_diagonal};
use crate::bundle;
use crate::error::{Error, require_decay, require_metric};
use crate::named::short_name;
use crate::number::bundle::{Bundle, nested_names};
use crate::number::scalar::{Element, Field, Real};
use crate::space::acts::Totals;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::Layout;
use crate::space::powers::{PerPart, Powers};
use crate::space::record::Entries;
use crate::space::selection::Separable;
use crate::space::selection::{Selection, placed_all, select_all};
use crate::space::tensor::{Covector, Operands, Tensor, Vector, Wide, find_non_finite, first_non_finite};

/// A diagonal base metric that may learn from the steps taken on it: [`LearnedScalar`](crate::base::LearnedScalar) and
/// [`LearnedDiagonal`](crate::base::LearnedDiagonal) do. Every [`DiagonalMetric`] is one that learns nothing; implement that trait where it suffices.
///
/// # Mathematics
///
/// At coordinate i, with z the memory of the metric as a whole and ρᵢ the state of the coordinate, corrected as that of a [`DiagonalMetric`]:
///
/// γ⁻¹ᵢᵢ = inverse(share(z), ρᵢ). After the step, with the sums Λ = Σᵢ lesson(share(z), ρᵢ, lᵢ) over all parameters and Λ_p over one tensor,
/// z ← learn(z, ξ, s, Λ) and ρᵢ ← settle(correction(ξ, Λ, Λ_p), ρᵢ, lᵢ), with ρᵢ as it is kept.
///
/// # Requirements
///
/// `inverse` is above zero. State begins at zero. A metric whose memory, lesson and correction are all `()` learns nothing: its `settle` returns the
/// state as it is.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{LearnedScalar, PointwiseMetric};
///
/// let metric = LearnedScalar { kappa: 0.5, ..LearnedScalar::default() };
/// let memory = metric.learn(metric.begin(), 1.0, 0.25, 0.0);
/// assert_eq!(metric.inverse(metric.share(memory), ()), 0.125_f64.exp());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no pointwise metric",
    note = "implement `DiagonalMetric` with two functions, `observe` and `inverse`; a metric that is not pointwise, such as `Dense`, `Kronecker` or `Muon`, is run by `Configuration::build_whole` instead"
)]
pub trait PointwiseMetric: Clone + Sync {
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

    /// Whether the state sees observations of its own, beside the gradient: an estimate of the Hessian's diagonal, or gradients of single examples. Then
    /// [`notice`](Self::notice) sees these, [`observe`](Self::observe) leaves the state as it is, and t of [`decay`](Self::decay) counts observations.
    const OBSERVES: bool = false;

    /// The same of this metric, where that was chosen at run time.
    fn observes(&self) -> bool {
        Self::OBSERVES
    }

    /// The state after an example of an observation. For a moving average of f(x) over observations that are means over their examples it is
    /// `weights.average(state, f(x))`. Mark it `#[inline(always)]`.
    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: Self::State<S>, example: S) -> Self::State<S> {
        let _ = (weights, example);
        state
    }

    /// The decay β of the average over observations, of which [`Weights`] are made; by default that of [`decay`](Self::decay), which corrects it for its
    /// start at zero.
    fn observation_decay(&self) -> f64 {
        self.decay()
    }

    /// The memory before the first step.
    fn begin<S: Real>(&self) -> Self::Memory<S>;

    /// What γ⁻¹ needs of the memory.
    fn share<S: Real>(&self, memory: Self::Memory<S>) -> Self::Shared<S>;

    /// The state after a gradient has been seen, before the step.
    fn observe<S: Real>(&self, state: Self::State<S>, gradient: S) -> Self::State<S>;

    /// The diagonal element of γ⁻¹.
    fn inverse<S: Real>(&self, shared: Self::Shared<S>, state: Self::State<S>) -> S;

    /// x♯ at a coordinate, from γ⁻¹ and x; as [`DiagonalMetric::sharp`].
    #[inline(always)]
    fn sharp<S: Real>(&self, inverse: S, covector: S) -> S {
        covector * inverse
    }

    /// Whether x♯ is linear in x, so that there is a γ.
    fn is_metric(&self) -> bool {
        true
    }

    /// What one coordinate adds to the sums that the metric learns from: l, and the covector that the step follows.
    fn lesson<S: Real>(
        &self,
        shared: Self::Shared<S>,
        state: Self::State<S>,
        gradient: S,
        momentum: S,
    ) -> Self::Lesson<S>;

    /// How much longer l♯ and m̂♯ are than [`sharp`](Self::sharp) says, from the sums over all parameters: where x♯ depends on the length of all of x, and so
    /// is known after act 1 alone. Always or never; by default never. Mark it `#[inline(always)]`.
    #[inline(always)]
    fn stretch<S: Real>(&self, lesson: Self::Lesson<S>) -> Option<Stretch<S>> {
        let _ = lesson;
        None
    }

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

    const OBSERVES: bool = M::OBSERVES;

    #[inline(always)]
    fn notice<S: Real>(&self, weights: Weights<S>, state: M::State<S>, example: S) -> M::State<S> {
        DiagonalMetric::notice(self, weights, state, example)
    }

    fn observation_decay(&self) -> f64 {
        DiagonalMetric::observation_decay(self)
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
    fn sharp<S: Real>(&self, inverse: S, covector: S) -> S {
        DiagonalMetric::sharp(self, inverse, covector)
    }

    fn is_metric(&self) -> bool {
        DiagonalMetric::is_metric(self)
    }

    #[inline(always)]
    fn lesson<S: Real>(&self, (): (), _state: M::State<S>, _gradient: S, _momentum: S) {}

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

bundle! {
    /// With what weights an example of an observation enters the state of a metric.
    ///
    /// # Mathematics
    ///
    /// Of n examples x₁, …, xₙ the first keeps β of the state and the others all of it, and each adds (1−β)/n of its own. Together they make
    /// ρ ← βρ + (1−β) (f(x₁) + … + f(xₙ))/n.
    ///
    /// ```
    /// use ambient_metric::base::Weights;
    /// let [first, second] = [0, 1].map(|example| Weights::of(0.5, example, 2));
    /// assert_eq!(second.average(first.average(8.0, 4.0), 12.0), 8.0);
    /// ```
    pub struct Weights { keep, share }
}

impl<S: Real> Weights<S> {
    /// Those of one of so many examples, with the decay β.
    #[must_use]
    pub fn of(decay: f64, example: usize, examples: usize) -> Self {
        let keep = if example == 0 { S::constant(decay) } else { S::one() };
        Self { keep, share: S::constant(1.0 - decay) / S::constant(examples as f64) }
    }

    /// What the example makes of an average.
    #[inline(always)]
    #[must_use]
    pub fn average(self, average: S, example: S) -> S {
        self.keep * average + self.share * example
    }
}

/// Accepts examples of this layout that are finite, and as many as make an observation.
pub(crate) fn check_examples<T: Tensor>(layout: &Layout, examples: &[&Covector<T>]) -> Result<(), Error> {
    if examples.is_empty() {
        return Err(Error::NoExamples);
    }
    examples.iter().try_for_each(|example| layout.check(example.0.layout()))?;
    for example in examples {
        if let Some(parameter) = first_non_finite(&example.0)? {
            return Err(Error::NonFiniteObservation { parameter });
        }
    }
    Ok(())
}

/// By what x♯ is longer than [`PointwiseMetric::sharp`] says, for the gradient and for the covector that the step follows.
///
/// ```
/// use ambient_metric::base::{MaxNorm, Norms, PointwiseMetric, Stretch};
/// let stretch = MaxNorm.stretch(Norms { gradient: 7.0, momentum: 3.0 });
/// assert_eq!(stretch, Some(Stretch { gradient: 7.0, momentum: 3.0 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch<S> {
    /// Of l♯.
    pub gradient: S,
    /// Of m̂♯.
    pub momentum: S,
}

/// What a [`PointwiseMetric`] remembers on a backend: its state as tensors, the power βᵗ of the bias correction of every part, and its memory of
/// type `Z`.
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
pub struct PointwiseState<T: Tensor, Z> {
    layout: Layout,
    /// Shared by clones until one of them is updated.
    slots: Arc<Vec<T>>,
    powers: Powers<Wide<T>>,
    memory: Z,
}

impl<T: Tensor, Z: Clone> Clone for PointwiseState<T, Z> {
    fn clone(&self) -> Self {
        let Self { layout, slots, powers, memory } = self;
        Self { layout: layout.clone(), slots: Arc::clone(slots), powers: powers.clone(), memory: memory.clone() }
    }
}

impl<T: Tensor> PointwiseState<T, ()> {
    /// The state that is this tensor, with nothing to correct.
    pub(crate) fn of(slot: T) -> Self {
        let layout = slot.layout().clone();
        Self { powers: Powers::begin(&layout), layout, slots: Arc::new(vec![slot]), memory: () }
    }
}

impl<T: Tensor, Z> PointwiseState<T, Z> {
    /// The state as tensors, one per slot.
    #[must_use]
    pub fn slots(&self) -> &[T] {
        &self.slots
    }

    /// What is kept once: for a [`LearnedScalar`](crate::base::LearnedScalar) its z.
    #[must_use]
    pub fn memory(&self) -> &Z {
        &self.memory
    }

    /// The slots with an update written to them, if that is finite everywhere.
    fn written<K: Kernel>(
        &self,
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<T>>>,
        gradient: &T,
        when: &str,
    ) -> Result<Arc<Vec<T>>, Error> {
        let mut slots = self.slots.iter().map(Tensor::duplicate).collect::<Result<Vec<T>, Error>>()?;
        if let Some((first, rest)) = slots.split_first_mut() {
            T::update(kernel, uniforms, first, rest, &[gradient])?;
        }
        require_finite_state(&slots, when)?;
        Ok(Arc::new(slots))
    }
}

/// Accepts a state that is finite everywhere.
pub(crate) fn require_finite_state<T: Tensor>(slots: &[T], when: &str) -> Result<(), Error> {
    for slot in slots {
        if let Some(parameter) = first_non_finite(slot)? {
            let quantity = format!("the state of the metric for parameter `{parameter}` after the {when}");
            return Err(Error::Overflow { quantity });
        }
    }
    Ok(())
}

/// What γ⁻¹ needs beside the state of a coordinate, in a metric's memory and correction.
type Seen<M, S> = (<M as PointwiseMetric>::Shared<S>, S);

/// The uniforms of the kernels that need γ⁻¹, by the powers of the parts.
fn seen<T: Tensor, M: PointwiseMetric>(
    metric: &M,
    state: &PointwiseState<T, M::Memory<Wide<T>>>,
) -> PerPart<Seen<M, Wide<T>>> {
    let shared = metric.share(state.memory);
    state.powers.per_part(|power| {
        let one = <Wide<T> as Field>::one();
        // Before the first gradient, or observation, every moving average is zero, and zero needs no correction.
        (shared, if power == one { one } else { one / (one - power) })
    })
}

impl<T: Tensor, M: PointwiseMetric> BaseMetric<T> for M {
    type State = PointwiseState<T, M::Memory<Wide<T>>>;

    fn metric_name(&self) -> String {
        self.name()
    }

    fn is_metric(&self) -> bool {
        PointwiseMetric::is_metric(self)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn observes(&self) -> bool {
        PointwiseMetric::observes(self)
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        self.validate()?;
        require_decay("decay", self.decay())?;
        if self.stretch::<f64>(Bundle::<f64>::zero()).is_some() {
            let problem = "its l♯ is known after the length of all of l: build it by `build`, which sums that";
            return Err(Error::NoEngine { rule: self.name(), problem });
        }
        let slots = <M::State<T::Element> as Bundle<T::Element>>::LEN;
        Ok(PointwiseState {
            layout: parameters.layout().clone(),
            slots: Arc::new((0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?),
            powers: Powers::begin(parameters.layout()),
            memory: PointwiseMetric::begin(self),
        })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        if PointwiseMetric::observes(self) {
            // What was observed is all that there is to see.
            let is_new = state.powers.any(|power| power == <Wide<T> as Field>::one());
            return if is_new { Err(Error::NotObserved { metric: self.name() }) } else { Ok(()) };
        }
        state.slots = state.written(&Observe(self), Uniforms::same(&()), &gradient.0, "gradient")?;
        state.powers.count(self.decay());
        Ok(())
    }

    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
        // Not even compiled for a metric that observes nothing.
        if const { !M::OBSERVES } || !PointwiseMetric::observes(self) {
            return Err(Error::ObservesNothing { metric: self.name() });
        }
        check_examples(&state.layout, examples)?;
        let mut next = state.clone();
        for (index, example) in examples.iter().enumerate() {
            let weights = Weights::of(self.observation_decay(), index, examples.len());
            next.slots = next.written(&Notice(self), Uniforms::same(&weights), &example.0, "observation")?;
        }
        next.powers.count(self.decay());
        *state = next;
        Ok(())
    }

    fn learn_from(
        &self,
        state: &mut Self::State,
        gradient: &Covector<T>,
        xi: Wide<T>,
        squared_length: Wide<T>,
    ) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        let slots = [
            <M::Memory<Wide<T>> as Bundle<Wide<T>>>::LEN,
            <M::Lesson<Wide<T>> as Bundle<Wide<T>>>::LEN,
            <M::Correction<Wide<T>> as Bundle<Wide<T>>>::LEN,
        ];
        if slots == [0; 3] {
            return Ok(());
        }
        let parts = state.layout.parts().len();
        let per_tensor = self.learns_per_tensor();
        let seen = seen(self, state);
        let PerPart { groups, group_of_part } = if per_tensor { seen.apart(parts) } else { seen };
        let mut lessons = vec![<M::Lesson<Wide<T>> as Bundle<Wide<T>>>::zero(); groups.len()];
        let uniforms = Uniforms { groups: &groups, group_of_part: &group_of_part };
        let operands = match state.slots.split_first() {
            Some((target, companions)) => Operands { target, companions, reads: &[&gradient.0] },
            None => Operands { target: &gradient.0, companions: &[], reads: &[] },
        };
        T::sum(&Learn(self), uniforms, operands, &mut lessons)?;
        let zero = <M::Lesson<Wide<T>> as Bundle<Wide<T>>>::zero();
        let pool = lessons.iter().fold(zero, |sum, lesson| sum.plus(*lesson));
        let memory = PointwiseMetric::learn(self, state.memory, xi, squared_length, pool);
        let corrections: Vec<M::Correction<Wide<T>>> =
            lessons.iter().map(|&group| self.correction(xi, Totals { pool, group })).collect();
        let fits = |value: Wide<T>| T::Element::narrow(value).is_finite();
        if !corrections.iter().flat_map(Bundle::scalars).chain(memory.scalars()).all(fits) {
            return Err(Error::Overflow { quantity: "what the metric learns by".to_owned() });
        }
        let uniforms = Uniforms { groups: &corrections, group_of_part: &group_of_part };
        state.slots = state.written(&Settle(self), uniforms, &gradient.0, "step")?;
        state.memory = memory.flushed();
        Ok(())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        let (slots, powers) = (select_all(state.slots.iter(), selection)?, state.powers.select(selection)?);
        let layout = selection.layout().clone();
        Ok(PointwiseState { layout, slots: Arc::new(slots), powers, memory: state.memory })
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        let powers = state.powers.placed(selection, &selected.powers)?;
        state.slots = Arc::new(placed_all(&state.slots, selection, &selected.slots)?);
        (state.powers, state.memory) = (powers, selected.memory);
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        state.layout.check(covector.0.layout())?;
        let mut raised = covector.0.duplicate()?;
        let reads: Vec<&T> = state.slots.iter().collect();
        T::update(&Raise(self), seen(self, state).uniforms(), &mut raised, &mut [], &reads)?;
        Ok(Vector(raised))
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        require_metric(PointwiseMetric::is_metric(self), true, || self.name())?;
        state.layout.check(vector.0.layout())?;
        let mut lowered = vector.0.duplicate()?;
        let reads: Vec<&T> = state.slots.iter().collect();
        T::update(&Lower(self), seen(self, state).uniforms(), &mut lowered, &mut [], &reads)?;
        Ok(Covector(lowered))
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        require_metric(PointwiseMetric::is_metric(self), true, || self.name())?;
        let Some((target, companions)) = state.slots.split_first() else {
            // Without state every coordinate has the same γ⁻¹.
            let count = <Wide<T> as Field>::constant(state.layout.elements() as f64);
            let inverse = self.inverse(self.share(state.memory), <M::State<Wide<T>> as Bundle<Wide<T>>>::zero());
            return Ok(-(count * inverse.ln()));
        };
        let (seen, zero) = (seen(self, state), <Wide<T> as Field>::zero());
        let mut totals = vec![zero; seen.groups.len()];
        let operands = Operands { target, companions, reads: &[] };
        T::sum(&LogDeterminant(self), seen.uniforms(), operands, &mut totals)?;
        Ok(totals.into_iter().fold(zero, |sum, total| sum + total))
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        entries.tensors(&nested_names::<T::Element, M::State<T::Element>>("metric"), &mut state.slots)?;
        state.powers.record(&state.layout, entries)?;
        entries.bundle("memory", &mut state.memory)
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
#[derive(Clone)]
struct Observe<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Observe<'_, M> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = M::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> M::State<S> {
        Bundle::<S>::flushed(self.0.observe(input.state, input.gradient))
    }
}

/// state ← notice(weights, state, x).
#[derive(Clone)]
struct Notice<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Notice<'_, M> {
    type Uniform<S: Real> = Weights<S>;
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = M::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, weights: Weights<S>, input: Self::Input<S>) -> M::State<S> {
        Bundle::<S>::flushed(self.0.notice(weights, input.state, input.gradient))
    }
}

/// What a coordinate teaches, to be summed.
#[derive(Clone)]
struct Learn<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Learn<'_, M> {
    type Uniform<S: Real> = Seen<M, S>;
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = M::Lesson<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (shared, correction): Seen<M, S>, input: Self::Input<S>) -> M::Lesson<S> {
        // On whole tensors nothing is learnt from the momentum.
        self.0.lesson(shared, input.state.times(correction), input.gradient, S::zero())
    }
}

/// state ← settle(state, l).
#[derive(Clone)]
struct Settle<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Settle<'_, M> {
    type Uniform<S: Real> = M::Correction<S>;
    type Input<S: Real> = Seeing<M::State<S>, S>;
    type Output<S: Real> = M::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, correction: M::Correction<S>, input: Self::Input<S>) -> M::State<S> {
        Bundle::<S>::flushed(self.0.settle(correction, input.state, input.gradient))
    }
}

/// x ← γ⁻¹x.
#[derive(Clone)]
struct Raise<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Raise<'_, M> {
    type Uniform<S: Real> = Seen<M, S>;
    type Input<S: Real> = WithState<S, M::State<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (shared, correction): Seen<M, S>, input: Self::Input<S>) -> S {
        let inverse = self.0.inverse(shared, input.state.times(correction));
        self.0.sharp(inverse, input.component)
    }
}

/// v ← γv.
#[derive(Clone)]
struct Lower<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for Lower<'_, M> {
    type Uniform<S: Real> = Seen<M, S>;
    type Input<S: Real> = WithState<S, M::State<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (shared, correction): Seen<M, S>, input: Self::Input<S>) -> S {
        input.component / self.0.inverse(shared, input.state.times(correction))
    }
}

/// −ln γ⁻¹, to be summed.
#[derive(Clone)]
struct LogDeterminant<'m, M>(&'m M);

impl<M: PointwiseMetric> Kernel for LogDeterminant<'_, M> {
    type Uniform<S: Real> = Seen<M, S>;
    type Input<S: Real> = M::State<S>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (shared, correction): Seen<M, S>, state: M::State<S>) -> S {
        -self.0.inverse(shared, state.times(correction)).ln()
    }
}
