//! The engine for any base metric: steps made of whole tensors.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ambient::ambient_metric::Covectors;
use crate::base::base_metric::BaseMetric;
use crate::base::remembered::Remembered;
use crate::bundle;
use crate::error::{Error, require_metric};
use crate::number::bundle::{Bundle, from_slice, nested_names};
use crate::number::scalar::{Element, Field, Real};
use crate::optimiser::checkpoint::Checkpoint;
use crate::optimiser::configuration::{Configuration, Groups, Rates, Setting};
use crate::optimiser::engine::Engine;
use crate::optimiser::present::Present;
use crate::optimiser::report::{Report, named_finite};
use crate::rule::descent::Descent;
use crate::rule::preconditioner::{Preconditioner, Raised, total};
use crate::space::acts::{Inputs, Local, Outcome};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::{Layout, Part};
use crate::space::momentum::{Momentum, shows};
use crate::space::record::{Entries, SavedParameter, require_len};
use crate::space::selection::Separable;
use crate::space::selection::{Selection, placed, placed_all, select_all};
use crate::space::tensor::{Covector, Operands, Tensor, Vector, Wide, contract, find_non_finite};

/// The engine of a [`Descent`] over any base metric: steps made of whole tensors.
///
/// It owns the state: that of the metric, a momentum for every loss, and what the preconditioner keeps. [`Configuration::build_whole`] makes an
/// optimiser on it.
///
/// # Mathematics
///
/// See [`Descent`]. γ sees the total gradient Σ l_A. A metric that [measures](BaseMetric::measured) a covector of its own, as Muon does its momentum,
/// has it in place of l, and is for one loss.
#[derive(Debug)]
pub struct Whole<M: BaseMetric<T>, P: Preconditioner<K>, T: Tensor, const K: usize = 1> {
    state: M::State,
    momenta: Vec<Remembered<T>>,
    /// The state of the preconditioner.
    ambient: Arc<Vec<T>>,
    memory: P::Memory<Wide<T>>,
    report: Report<Wide<T>, [Wide<T>; K]>,
    steps: u64,
}

/// Tensors are shared until one of both steps.
impl<M: BaseMetric<T, State: Clone>, P: Preconditioner<K>, T: Tensor, const K: usize> Clone for Whole<M, P, T, K> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            momenta: self.momenta.clone(),
            ambient: Arc::clone(&self.ambient),
            memory: self.memory,
            report: self.report,
            steps: self.steps,
        }
    }
}

/// What a step starts from: that of all parts, or of those alone that have a gradient.
struct Held<'a, St, T: Tensor> {
    groups: &'a Groups,
    state: St,
    momenta: Vec<Remembered<T>>,
    ambient: Vec<T>,
}

/// What a step would write.
struct Next<St, T: Tensor, Z, const K: usize> {
    direction: Vector<T>,
    state: St,
    momenta: Vec<Remembered<T>>,
    ambient: Vec<T>,
    memory: Z,
    report: Report<Wide<T>, [Wide<T>; K]>,
}

impl<M, P, T, const K: usize> Whole<M, P, T, K>
where
    T: Tensor,
    M: BaseMetric<T, State: Clone>,
    P: Preconditioner<K>,
{
    /// The momentum of every loss.
    #[must_use]
    pub fn momenta(&self) -> &[Remembered<T>] {
        &self.momenta
    }

    /// All of a step but its writing.
    #[allow(clippy::type_complexity, reason = "the memory is that of the preconditioner")]
    fn look_ahead<Q: Momentum>(
        &self,
        rule: &Descent<M, P, Q, K>,
        held: Held<'_, M::State, T>,
        parameters: &T,
        gradients: [&Covector<T>; K],
        losses: [Wide<T>; K],
    ) -> Result<Next<M::State, T, P::Memory<Wide<T>>, K>, Error> {
        let Descent { metric, preconditioner, momentum } = rule;
        let Held { groups, mut state, mut momenta, mut ambient } = held;
        gradients.iter().try_for_each(|gradient| find_non_finite(&gradient.0))?;
        preconditioner.check(losses.map(Element::to_f64), from_slice(&groups.xi, |&xi| xi))?;

        let total_gradient = sum(&gradients)?;
        let shows = shows::<Q, T::Element>(momentum);
        if shows {
            let mut shown = Vec::new();
            for (remembered, gradient) in momenta.iter_mut().zip(gradients) {
                shown.extend(remembered.update_and_show(momentum, gradient)?);
            }
            metric.update(&mut state, &sum(&shown.iter().collect::<Vec<_>>())?)?;
            if metric.measured(&state).is_some() {
                let problem = "its metric measures a momentum of its own, and the momentum shows it another covector than the gradient";
                return Err(Error::NoEngine { rule: rule.named(&metric.metric_name()), problem });
            }
        } else {
            metric.update(&mut state, &total_gradient)?;
        }
        let measured = metric.measured(&state);
        if measured.is_some() && K > 1 {
            return Err(Error::Losses { expected: 1, found: K });
        }
        let measured = gradients.map(|gradient| measured.unwrap_or(gradient));
        if !shows {
            for (remembered, covector) in momenta.iter_mut().zip(measured) {
                remembered.update(momentum, covector)?;
            }
        }
        let of_gradients: Vec<&T> = measured.iter().map(|covector| &covector.0).collect();
        let of_momenta: Vec<&T> = momenta.iter().map(|momentum| &momentum.covector().0).collect();
        if let Some((first, rest)) = ambient.split_first_mut() {
            T::update(&Observe::<P, K>(preconditioner), Uniforms::same(&()), first, rest, &of_gradients)?;
        }
        let local = [&[parameters], &*of_gradients, &of_momenta, &ambient.iter().collect::<Vec<_>>()].concat();
        let columns = columns::<P, T, K>(preconditioner, parameters, &local)?;

        let raise = |covector: &Covector<T>| metric.raise(&state, covector).map(|raised| raised.0);
        let measures = <P::Sums<Wide<T>> as Bundle<Wide<T>>>::LEN > 0;
        let (mut raised_gradients, mut raised_momenta, mut raised_columns) = (Vec::new(), Vec::new(), Vec::new());
        if measures {
            raised_gradients = measured.iter().map(|gradient| raise(gradient)).collect::<Result<Vec<T>, Error>>()?;
            raised_columns = columns.iter().map(raise).collect::<Result<Vec<T>, Error>>()?;
        }
        if measures && P::RAISES_MOMENTA {
            raised_momenta = momenta.iter().map(|of| raise(of.covector())).collect::<Result<Vec<T>, Error>>()?;
        }
        let of_columns: Vec<&T> = columns.iter().map(|column| &column.0).collect();
        let mut sums = [<P::Sums<Wide<T>> as Bundle<Wide<T>>>::zero()];
        if let [target, reads @ ..] = of_gradients.as_slice()
            && !raised_gradients.is_empty()
        {
            let momenta = if P::RAISES_MOMENTA { raised_momenta.iter().collect() } else { of_momenta.clone() };
            let raised: Vec<&T> = raised_gradients.iter().chain(momenta).chain(&raised_columns).collect();
            let reads: Vec<&T> = [reads, &of_momenta, &of_columns, &raised].concat();
            let operands = Operands { target: *target, companions: &[], reads: &reads };
            T::sum(&Measure::<P, K>(preconditioner), Uniforms::same(&()), operands, &mut sums)?;
        }
        let rates = groups.rates.get(groups.first());
        let constant = <Wide<T> as Field>::constant;
        let inputs = Inputs {
            loss: losses,
            learning_rate: constant(rates.map_or(0.0, Rates::present)),
            weight_decay: constant(rates.map_or(0.0, |rates| rates.weight_decay)),
            xi: from_slice(&groups.xi, |&xi| constant(xi)),
        };
        let [sums] = sums;
        let Outcome { factors, memory, report } = preconditioner.damp(inputs, self.memory, sums);
        let memory = Bundle::<Wide<T>>::flushed(memory);
        let mut squared_gradient = <Wide<T> as Field>::zero();
        for gradient in gradients {
            squared_gradient = squared_gradient + contract(&gradient.0, &gradient.0)?;
        }
        let report = Report::of(report, inputs.learning_rate, squared_gradient);
        report.check(|| rule.named(&rule.metric.metric_name()))?;
        named_finite(&[factors], "multiplier", <P::Factors<Wide<T>> as Bundle<Wide<T>>>::names, |value: Wide<T>| {
            T::Element::narrow(value).is_finite()
        })?;
        named_finite(&[memory], "memory", <P::Memory<Wide<T>> as Bundle<Wide<T>>>::names, |value: Wide<T>| {
            value.is_finite()
        })?;

        let direction = if K == 1 {
            // As in the passes, where the weights multiply what is raised.
            let raised_gradients =
                if raised_gradients.is_empty() { vec![parameters.zeros_like()?] } else { raised_gradients };
            let raised_momenta: Vec<T> =
                momenta.iter().map(|momentum| raise(momentum.covector())).collect::<Result<_, Error>>()?;
            let raised: Vec<&T> = raised_gradients.iter().chain(&raised_momenta).chain(&raised_columns).collect();
            Vector(follow::<P, T, K>(preconditioner, factors, &raised)?)
        } else {
            let all = [&*of_gradients, &of_momenta, &of_columns].concat();
            metric.raise(&state, &Covector(follow::<P, T, K>(preconditioner, factors, &all)?))?
        };
        find_non_finite(&direction.0).map_err(|error| match error {
            Error::NonFiniteGradient { parameter } => {
                Error::Overflow { quantity: format!("the step of parameter `{parameter}`") }
            }
            other => other,
        })?;
        let squared_length = total(report.squared_length);
        metric.learn_from(&mut state, &total_gradient, preconditioner.drive(inputs.xi), squared_length)?;
        Ok(Next { direction, state, momenta, ambient, memory, report })
    }

    /// Hands everything that steps change to a checkpoint.
    fn record<Q: Momentum>(&mut self, metric: &M, entries: &mut Entries<'_>) -> Result<(), Error> {
        let Self { state, momenta, ambient, memory, .. } = self;
        metric.record(state, &mut entries.within("metric"))?;
        for (loss, momentum) in momenta.iter_mut().enumerate() {
            momentum.record::<Q>(&mut entries.within(&format!("momentum.{loss}")))?;
        }
        entries.tensors(&ambient_slots::<P, T, K>(), ambient)?;
        entries.bundle("memory", memory)
    }
}

impl<M, P, Q, T, const K: usize> Engine<Descent<M, P, Q, K>, T> for Whole<M, P, T, K>
where
    T: Tensor,
    M: BaseMetric<T, State: Clone>,
    P: Preconditioner<K>,
    Q: Momentum,
{
    type PerLoss<S: Real> = [S; K];
    type Loss<'l> = Wide<T>;
    type Answer = Report<Wide<T>, [Wide<T>; K]>;
    type First = Report<Wide<T>>;
    type State = M::State;

    fn resolve(configuration: &Configuration<Descent<M, P, Q, K>>, layout: &Layout) -> Result<Groups, Error> {
        let Descent { metric, preconditioner, .. } = &configuration.rule;
        preconditioner.validate()?;
        require_metric(metric.is_metric(), preconditioner.needs_metric(), || metric.metric_name())?;
        if preconditioner.needs_pointwise() && !metric.is_pointwise() {
            let rule = configuration.rule.named(&metric.metric_name());
            return Err(Error::NoEngine { rule, problem: "a cautious step needs a pointwise metric" });
        }
        configuration.state_storage.require_full()?;
        if let Some(group) = configuration.groups.iter().find(|group| group.own_metric) {
            return Err(Error::OwnMetric { group: group.name.clone() });
        }
        configuration.assigned(layout, preconditioner.xi().map(|xi| xi.to_vec()).unwrap_or_default())
    }

    fn begin(setting: Setting<'_, Descent<M, P, Q, K>>, parameters: &T, steps: u64) -> Result<Self, Error> {
        let Descent { metric, preconditioner, momentum } = &setting.configuration.rule;
        let slots = <P::State<T::Element> as Bundle<T::Element>>::LEN;
        let momenta = (0..K).map(|_| Remembered::begin(momentum, parameters));
        Ok(Self {
            state: metric.begin(parameters)?,
            momenta: momenta.collect::<Result<_, Error>>()?,
            ambient: Arc::new((0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?),
            memory: preconditioner.begin(),
            report: Bundle::<Wide<T>>::zero(),
            steps,
        })
    }

    fn step(
        &mut self,
        Setting { configuration, groups, .. }: Setting<'_, Descent<M, P, Q, K>>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Result<Self::Answer, Error> {
        let (gradients, losses) = of_losses(gradients, losses)?;
        let held = Held {
            groups,
            state: self.state.clone(),
            momenta: self.momenta.clone(),
            ambient: self.ambient.iter().map(Tensor::duplicate).collect::<Result<_, Error>>()?,
        };
        let next = self.look_ahead(&configuration.rule, held, parameters, gradients, losses)?;
        advance(groups, parameters, &next.direction)?;
        let Next { state, momenta, ambient, memory, report, .. } = next;
        let steps = self.steps.saturating_add(1);
        *self = Self { state, momenta, ambient: Arc::new(ambient), memory, report, steps };
        Ok(report)
    }

    fn step_without(
        &mut self,
        Setting { configuration, groups, .. }: Setting<'_, Descent<M, P, Q, K>>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
        selection: &Selection,
    ) -> Result<(Self::Answer, Option<Groups>), Error>
    where
        T: Separable,
    {
        let Present { groups, .. } = Present::of(selection, groups);
        let metric = &configuration.rule.metric;

        let mut selected = parameters.select(selection)?;
        let gradients = select_all(gradients.iter().map(|gradient| &gradient.0), selection)?;
        let gradients: Vec<Covector<T>> = gradients.into_iter().map(Covector).collect();
        let gradients: Vec<&Covector<T>> = gradients.iter().collect();
        let (gradients, losses) = of_losses(&gradients, losses)?;
        let momenta = self.momenta.iter().map(|momentum| momentum.select(selection)).collect::<Result<_, Error>>()?;
        let held = Held {
            groups: &groups,
            state: metric.select(&self.state, selection)?,
            momenta,
            ambient: select_all(self.ambient.iter(), selection)?,
        };
        let next = self.look_ahead(&configuration.rule, held, &selected, gradients, losses)?;
        advance(&groups, &mut selected, &next.direction)?;

        let stepped = placed(parameters, selection, &selected)?;
        let (mut state, mut momenta) = (self.state.clone(), self.momenta.clone());
        metric.place(&mut state, selection, &next.state)?;
        for (momentum, selected) in momenta.iter_mut().zip(&next.momenta) {
            momentum.place(selection, selected)?;
        }
        let ambient = Arc::new(placed_all(&self.ambient, selection, &next.ambient)?);
        *parameters = stepped;
        let (memory, report, steps) = (next.memory, next.report, self.steps.saturating_add(1));
        *self = Self { state, momenta, ambient, memory, report, steps };
        Ok((report, None))
    }

    fn observe(&mut self, setting: Setting<'_, Descent<M, P, Q, K>>, examples: &[&Covector<T>]) -> Result<(), Error> {
        let mut state = self.state.clone();
        setting.configuration.rule.metric.take_observation(&mut state, examples)?;
        self.state = state;
        Ok(())
    }

    fn first(answer: Self::Answer) -> Report<Wide<T>> {
        answer.first()
    }

    fn steps(&self) -> Result<u64, Error> {
        Ok(self.steps)
    }

    fn reports(&self, groups: &Groups) -> Result<Vec<Self::Answer>, Error> {
        let of_group = |rates: &Rates| {
            let learning_rate = <Wide<T> as Field>::constant(rates.present());
            let effective_learning_rate = self.report.damping.map(|damping| learning_rate * damping);
            Report { effective_learning_rate, ..self.report }
        };
        Ok(groups.rates.iter().map(of_group).collect())
    }

    fn evaluation_point(&self, _setting: Setting<'_, Descent<M, P, Q, K>>, parameters: &T) -> Result<T, Error> {
        parameters.duplicate()
    }

    fn state(&self) -> &M::State {
        &self.state
    }

    fn write_state(&mut self, _setting: Setting<'_, Descent<M, P, Q, K>>, slot: &str, values: &T) -> Result<(), Error> {
        let known = ambient_slots::<P, T, K>();
        let Some(index) = known.iter().position(|name| name == slot) else {
            return Err(Error::UnknownState { slot: slot.to_owned(), known });
        };
        let mut ambient = self.ambient.iter().map(Tensor::duplicate).collect::<Result<Vec<T>, Error>>()?;
        if let Some(tensor) = ambient.get_mut(index) {
            *tensor = values.duplicate()?;
        }
        self.ambient = Arc::new(ambient);
        Ok(())
    }

    fn checkpoint(
        &self,
        Setting { configuration, groups, layout }: Setting<'_, Descent<M, P, Q, K>>,
    ) -> Result<Checkpoint<Descent<M, P, Q, K>>, Error>
    where
        Descent<M, P, Q, K>: Clone,
    {
        let rule_name = configuration.rule.named(&configuration.rule.metric.metric_name());
        let mut checkpoint = Checkpoint::empty(configuration, rule_name, groups, self.steps);
        let saved = |part: &Part| SavedParameter { shape: part.shape.clone(), state: BTreeMap::new(), memory: None };
        checkpoint.parameters = layout.parts().iter().map(|part| (part.name.clone(), saved(part))).collect();
        let mut numbers = BTreeMap::new();
        // A clone shares every tensor, and writing changes none.
        let entries = &mut Entries::write(&mut numbers, &mut checkpoint.parameters);
        self.clone().record::<Q>(&configuration.rule.metric, entries)?;
        checkpoint.memory = vec![numbers];
        Ok(checkpoint)
    }

    fn open(
        checkpoint: &Checkpoint<Descent<M, P, Q, K>>,
        layout: &Layout,
        is_partial: bool,
    ) -> Result<(Configuration<Descent<M, P, Q, K>>, Groups), Error>
    where
        Descent<M, P, Q, K>: Clone,
    {
        let configuration = checkpoint.configuration.clone();
        let rule = configuration.rule.named(&configuration.rule.metric.metric_name());
        // Averages and powers of momenta and metrics count the steps of all parameters at once, and what a metric remembers may belong to several.
        if is_partial && !checkpoint.is_whole(layout) {
            return Err(Error::NotPartial { rule });
        }
        checkpoint.check(rule, layout)?;
        let groups = Self::resolve(&configuration, layout)?;
        Ok((configuration, groups))
    }

    fn load(
        &mut self,
        setting: Setting<'_, Descent<M, P, Q, K>>,
        checkpoint: &Checkpoint<Descent<M, P, Q, K>>,
    ) -> Result<(), Error> {
        require_len("memory", checkpoint.memory.len(), 1)?;
        let metric = &setting.configuration.rule.metric;
        checkpoint.memory.iter().try_for_each(|numbers| {
            Entries::read_all(numbers, &checkpoint.parameters, |entries| self.record::<Q>(metric, entries))
        })
    }
}

/// The names of the preconditioner's state, as they are in a fused rule but for what stands before them.
fn ambient_slots<P: Preconditioner<K>, T: Tensor, const K: usize>() -> Vec<String> {
    nested_names::<T::Element, P::State<T::Element>>("ambient")
}

/// Gradients and losses, as many as the rule is for.
#[allow(clippy::type_complexity, reason = "two arrays")]
fn of_losses<'a, T: Tensor, const K: usize>(
    gradients: &[&'a Covector<T>],
    losses: &[Wide<T>],
) -> Result<([&'a Covector<T>; K], [Wide<T>; K]), Error> {
    let refuse = |found| Error::Losses { expected: K, found };
    let of_gradients = gradients.try_into().map_err(|_| refuse(gradients.len()))?;
    Ok((of_gradients, losses.try_into().map_err(|_| refuse(losses.len()))?))
}

/// The columns of a preconditioner, as tensors.
fn columns<P: Preconditioner<K>, T: Tensor, const K: usize>(
    preconditioner: &P,
    parameters: &T,
    local: &[&T],
) -> Result<Vec<Covector<T>>, Error> {
    let count = <P::Columns<T::Element> as Bundle<T::Element>>::LEN;
    let mut columns = (0..count).map(|_| parameters.zeros_like()).collect::<Result<Vec<T>, Error>>()?;
    if let Some((first, rest)) = columns.split_first_mut() {
        T::update(&Columns::<P, K>(preconditioner), Uniforms::same(&()), first, rest, local)?;
    }
    Ok(columns.into_iter().map(Covector).collect())
}

/// What a preconditioner follows, from gradients, momenta and columns, or these raised.
fn follow<P: Preconditioner<K>, T: Tensor, const K: usize>(
    preconditioner: &P,
    factors: P::Factors<Wide<T>>,
    covectors: &[&T],
) -> Result<T, Error> {
    let (first, reads) = covectors.split_first().ok_or(Error::Empty)?;
    let mut followed = first.duplicate()?;
    T::update(&Follow::<P, K>(preconditioner), Uniforms::same(&factors), &mut followed, &mut [], reads)?;
    Ok(followed)
}

/// Writes a step: θ ← θ − ηd − ηλθ with the rates of every group.
fn advance<T: Tensor>(groups: &Groups, parameters: &mut T, direction: &Vector<T>) -> Result<(), Error> {
    let rates = groups.rates.iter().map(|rates| {
        let learning_rate = <Wide<T> as Field>::constant(rates.present());
        [learning_rate, learning_rate * <Wide<T> as Field>::constant(rates.weight_decay)]
    });
    let rates: Vec<[Wide<T>; 2]> = rates.collect();
    let uniforms = Uniforms { groups: &rates, group_of_part: &groups.group_of_part };
    T::update(&Advance, uniforms, parameters, &mut [], &[&direction.0])
}

/// The sum of all gradients, which γ sees.
fn sum<T: Tensor>(gradients: &[&Covector<T>]) -> Result<Covector<T>, Error> {
    let (first, others) = gradients.split_first().ok_or(Error::Empty)?;
    let mut total = Covector(first.0.duplicate()?);
    others.iter().try_for_each(|other| total.add_scaled(<Wide<T> as Field>::one(), other))?;
    Ok(total)
}

/// θ − ηd − ηλθ.
#[derive(Clone)]
struct Advance;

impl Kernel for Advance {
    /// η and ηλ.
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, [learning_rate, decay]: [S; 2], [parameter, direction]: [S; 2]) -> S {
        parameter - learning_rate * direction - decay * parameter
    }
}

/// The state of a preconditioner after the gradients have been seen.
#[derive(Clone)]
struct Observe<'p, P, const K: usize>(&'p P);

impl<P: Preconditioner<K>, const K: usize> Kernel for Observe<'_, P, K> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = (P::State<S>, [S; K]);
    type Output<S: Real> = P::State<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), (state, gradients): Self::Input<S>) -> P::State<S> {
        Bundle::<S>::flushed(self.0.observe(state, gradients))
    }
}

bundle! {
    /// Where columns are written, beside what they depend on.
    nested struct BesideColumns<C, L, P> { written: C, local: L, state: P }
}

/// The columns of a preconditioner.
#[derive(Clone)]
struct Columns<'p, P, const K: usize>(&'p P);

impl<P: Preconditioner<K>, const K: usize> Kernel for Columns<'_, P, K> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = BesideColumns<P::Columns<S>, Local<S, [S; K]>, P::State<S>>;
    type Output<S: Real> = P::Columns<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> P::Columns<S> {
        self.0.columns(input.state, input.local)
    }
}

/// The covectors of a preconditioner at a coordinate.
type Seen<P, S, const K: usize> = Covectors<[S; K], <P as Preconditioner<K>>::Columns<S>>;

/// Act 1 of a preconditioner.
#[derive(Clone)]
struct Measure<'p, P, const K: usize>(&'p P);

impl<P: Preconditioner<K>, const K: usize> Kernel for Measure<'_, P, K> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = (Seen<P, S, K>, Raised<[S; K], P::Columns<S>>);
    type Output<S: Real> = P::Sums<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), (at, raised): Self::Input<S>) -> P::Sums<S> {
        self.0.measure(at, raised)
    }
}

/// Act 3 of a preconditioner.
#[derive(Clone)]
struct Follow<'p, P, const K: usize>(&'p P);

impl<P: Preconditioner<K>, const K: usize> Kernel for Follow<'_, P, K> {
    type Uniform<S: Real> = P::Factors<S>;
    type Input<S: Real> = Seen<P, S, K>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, factors: P::Factors<S>, at: Self::Input<S>) -> S {
        self.0.follow(factors, at)
    }
}
