//! The fused engine: the three acts of a rule, in passes over memory.

use crate::base::pointwise::{Weights, require_finite_state};
use crate::error::Error;
use crate::number::bundle::{Bundle, convert, from_slice};
use crate::number::scalar::{Element, Field, Real};
use crate::optimiser::checkpoint::Checkpoint;
use crate::optimiser::configuration::{Configuration, Groups, Rates, Setting};
use crate::optimiser::engine::Engine;
use crate::optimiser::in_place::Few;
use crate::optimiser::present::Present;
use crate::optimiser::report::{Report, ReportOf, named_finite, total};
use crate::rule::passes::Passes;
use crate::rule::rule::{Advance, Evaluate, Measure, MeasuredBy, Notice, Pass, PassOf, Rule, Survey};
use crate::space::acts::{Inputs, Outcome, Totals};
use crate::space::kernel::Uniforms;
use crate::space::layout::Layout;
use crate::space::selection::Separable;
use crate::space::selection::{Selection, placed, placed_all, select_all};
use crate::space::state_storage::StateStorage;
use crate::space::tensor::{Covector, Operands, Tensor, Wide, find_non_finite, first_non_finite};

/// The engine of a [`Rule`]: act 1 and act 3 are a pass over memory each, and what stands between them is arithmetic.
///
/// It owns the state: per-element tensors, and scalar memory for every sum. [`Configuration::build`] makes an optimiser on it.
#[derive(Clone, Debug)]
pub struct Fused<R: Rule, T: Tensor> {
    state: Vec<T>,
    memory: Vec<R::Memory<Wide<T>>>,
    steps: u64,
    /// Whether a gradient of zero makes the rule write what is not finite, so that every step must be rehearsed.
    is_fragile: bool,
    /// The first group that has parameters.
    first_group: usize,
    acts: Acts<R, Wide<T>>,
    /// Acts 1 and 3, where they are values.
    passes: Option<Passes<T>>,
}

/// What the acts of one step hand to each other; kept between steps so that a step allocates nothing.
#[derive(Clone, Debug)]
struct Acts<R: Rule, S: Real> {
    /// Per group.
    corrections: Vec<R::Corrections<S>>,
    /// Per group, of a rule that surveys.
    surveyed: Vec<R::PerLoss<S>>,
    /// Per pool, of the same.
    survey: Vec<R::PerLoss<S>>,
    /// Per group.
    measured: Vec<MeasuredBy<R, S>>,
    /// Per pool.
    pooled: Vec<MeasuredBy<R, S>>,
    /// Per memory: of every pool, and of parameters that came later.
    memory: Vec<R::Memory<S>>,
    /// Per group.
    passes: Vec<PassOf<R, S>>,
    /// Per group.
    reports: Vec<ReportOf<R, S>>,
}

impl<R: Rule, T: Tensor> Fused<R, T> {
    /// The step where one group of few numbers takes it and every act is sound; else nothing has happened.
    #[inline(always)]
    fn step_few(
        &mut self,
        Setting { configuration: Configuration { rule, .. }, groups, .. }: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Option<ReportOf<R, Wide<T>>> {
        let Self { state, memory, acts, .. } = self;
        let ([rates], [memory], [report]) = (&*groups.rates, &mut **memory, &mut *acts.reports) else { return None };
        if self.is_fragile {
            return None;
        }
        let mut few = Few::gather::<R, T>(parameters, state, gradients)?;
        let mut corrections = rule.correct(*memory);
        if rule.surveys() {
            let survey = few.sum::<R, _>(&Survey(rule.clone()), corrections);
            if !is_finite(&survey) {
                return None;
            }
            corrections = rule.heed(corrections, survey);
        }
        let measured = few.sum::<R, _>(&Measure(rule.clone()), corrections);
        let totals = Totals { pool: measured, group: measured };
        let act = Act::new::<T::Element>(rule, (rates, &groups.xi, losses), *memory, corrections, totals);
        if !act.is_sound || has_subnormal(&act.memory) {
            return None;
        }
        // The memory first, because the next step waits for it.
        (*memory, *report) = (act.memory, act.report);
        few.update::<R, _>(&Advance(rule.clone()), act.pass);
        self.steps = self.steps.saturating_add(1);
        Some(act.report)
    }

    /// Any step, in passes over all numbers.
    fn step_many(
        &mut self,
        Setting { configuration: Configuration { rule, .. }, groups, .. }: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        let Self { state, memory, acts, passes, is_fragile, .. } = self;
        let mut run = |gradients: &[&T]| {
            let rule = Running { rule, passes, is_fragile: *is_fragile };
            acts.run(rule, (groups, losses), memory, parameters, state, gradients)
        };
        // One gradient, without a list that would have to be allocated.
        match gradients {
            [gradient] => run(&[&gradient.0])?,
            gradients => run(&gradients.iter().map(|gradient| &gradient.0).collect::<Vec<_>>())?,
        }
        self.steps = self.steps.saturating_add(1);
        Ok(acts.reports.get(self.first_group).copied().unwrap_or_else(Bundle::<Wide<T>>::zero))
    }
}

/// For engines of a backend that take a step now and then as this one does.
impl<R: Rule, T: Tensor> Fused<R, T> {
    /// The engine with this state and these scalar memories.
    ///
    /// # Errors
    ///
    /// As [`Rule::passes`].
    pub fn of(setting: Setting<'_, R>, state: Vec<T>, memory: &[Vec<f64>], steps: u64) -> Result<Self, Error> {
        let Setting { configuration: Configuration { rule, .. }, groups, .. } = setting;
        let memory: Vec<R::Memory<Wide<T>>> =
            memory.iter().map(|memory| from_slice(memory, |&number| Field::constant(number))).collect();
        let (acts, first_group) = (Acts::new(groups, &memory), groups.first());
        let (passes, is_fragile) = (rule.passes()?, !stands_zero::<R, T::Element>(rule));
        Ok(Self { state, memory, steps, is_fragile, first_group, acts, passes })
    }

    /// Its state and scalar memories.
    #[must_use]
    pub fn into_parts(self) -> (Vec<T>, Vec<Vec<f64>>) {
        let memory = self.memory.iter().map(|memory| memory.scalars().map(Element::to_f64).collect()).collect();
        (self.state, memory)
    }
}

/// The scalar memories after a step that some parts missed, and the groups, where they are others now.
struct Apart<Z> {
    memory: Vec<Z>,
    groups: Option<Groups>,
}

impl<R: Rule, T: Tensor> Fused<R, T> {
    /// The memories when those of these `numbers` have become `stepped`, and each part that missed the step goes on counting for itself.
    fn apart(
        &self,
        Setting { configuration: Configuration { rule, .. }, groups, layout }: Setting<'_, R>,
        selection: &Selection,
        numbers: &[usize],
        stepped: &[R::Memory<Wide<T>>],
    ) -> Apart<R::Memory<Wide<T>>> {
        let pool_of = |memory: usize| groups.rates.iter().find(|rates| rates.memory == memory).map(|rates| rates.pool);
        let of_memory = |number: usize| numbers.iter().position(|&other| other == number).map(|index| stepped[index]);
        // Whatever has taken the step, of the parts that share a sum.
        let of_pool = |pool: usize| {
            numbers.iter().position(|&number| pool_of(number).unwrap_or(number) == pool).map(|index| stepped[index])
        };
        let missed = |number: usize, pool: usize| {
            let own = self.memory[number];
            // A sum that no part has added to stays as it is.
            of_pool(pool).map_or(Some(own), |others| rule.beside(own, others))
        };
        let mut memory = Vec::new();
        for pool in 0..groups.pools {
            memory.push(of_memory(pool).or_else(|| missed(pool, pool)).unwrap_or(self.memory[pool]));
        }
        let is_same = |a: &R::Memory<Wide<T>>, b: &R::Memory<Wide<T>>| {
            a.scalars().zip(b.scalars()).all(|(a, b)| a.to_f64().to_bits() == b.to_f64().to_bits())
        };
        let (mut pools, mut memory_of_part): (Vec<usize>, Vec<usize>) = ((0..groups.pools).collect(), Vec::new());
        for part in 0..layout.parts().len() {
            let rates = &groups.rates[groups.group_of_part[part]];
            let is_present = selection.parts().binary_search(&part).is_ok();
            let own = if is_present { of_memory(rates.memory) } else { missed(rates.memory, rates.pool) };
            let Some(own) = own.or_else(|| of_pool(rates.pool)) else { continue };
            let mut known = pools.iter().zip(&memory);
            let number =
                known.position(|(&pool, other)| pool == rates.pool && is_same(other, &own)).unwrap_or_else(|| {
                    pools.push(rates.pool);
                    memory.push(own);
                    memory.len() - 1
                });
            memory_of_part.push(number);
        }
        let before = groups.group_of_part.iter().map(|&group| groups.rates[group].memory);
        if memory_of_part.iter().copied().eq(before) && memory.len() == groups.memories {
            return Apart { memory, groups: None };
        }
        Apart { groups: Some(groups.regrouped(&memory_of_part, memory.len(), rule.learns_per_tensor())), memory }
    }
}

impl<R: Rule, T: Tensor> Engine<R, T> for Fused<R, T> {
    type PerLoss<S: Real> = R::PerLoss<S>;
    type Loss<'l> = Wide<T>;
    type Answer = ReportOf<R, Wide<T>>;
    type First = Report<Wide<T>>;
    type State = [T];

    #[inline(always)]
    fn losses(configuration: &Configuration<R>) -> usize {
        configuration.rule.losses()
    }

    fn resolve(configuration: &Configuration<R>, layout: &Layout) -> Result<Groups, Error> {
        configuration.resolve(layout)
    }

    fn begin(setting: Setting<'_, R>, parameters: &T, steps: u64) -> Result<Self, Error> {
        let Setting { configuration: Configuration { rule, state_storage, .. }, groups, .. } = setting;
        state_storage.check_range::<R, T::Element>(rule)?;
        let state = (0..rule.slots().state.len()).map(|slot| parameters.state_like(*state_storage, slot, steps));
        let memory: Vec<f64> = rule.begin::<f64>().scalars().collect();
        Self::of(setting, state.collect::<Result<_, Error>>()?, &vec![memory; groups.memories], steps)
    }

    #[inline(always)]
    fn step(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        check_losses(setting, losses)?;
        check_observed(setting, &self.memory)?;
        match self.step_few(setting, parameters, gradients, losses) {
            Some(report) => Ok(report),
            None => self.step_many(setting, parameters, gradients, losses),
        }
    }

    fn step_without(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
        selection: &Selection,
    ) -> Result<(ReportOf<R, Wide<T>>, Option<Groups>), Error>
    where
        T: Separable,
    {
        check_losses(setting, losses)?;
        let Present { groups, memories } = Present::of(selection, setting.groups);
        let (mut selected, mut state) = (parameters.select(selection)?, select_all(&self.state, selection)?);
        let gradients = select_all(gradients.iter().map(|gradient| &gradient.0), selection)?;
        let mut memory: Vec<R::Memory<Wide<T>>> = memories.iter().map(|&number| self.memory[number]).collect();
        check_observed(Setting { groups: &groups, ..setting }, &memory)?;
        let mut acts = Acts::new(&groups, &memory);
        let rule = Running { rule: &setting.configuration.rule, passes: &mut self.passes, is_fragile: self.is_fragile };
        let reads: Vec<&T> = gradients.iter().collect();
        acts.run(rule, (&groups, losses), &mut memory, &mut selected, &mut state, &reads)?;

        let apart = self.apart(setting, selection, &memories, &memory);
        let stepped = placed(parameters, selection, &selected)?;
        self.state = placed_all(&self.state, selection, &state)?;
        *parameters = stepped;
        self.steps = self.steps.saturating_add(1);
        // By name, since the tensors of a group that learn by themselves share a report, and those of parts that count their steps apart do.
        let names = |groups: &Groups, name: &str| groups.rates.iter().position(|rates| rates.name == name);
        let last = |rates: &Rates| match names(&groups, &rates.name) {
            Some(group) => acts.reports.get(group).copied(),
            None => names(setting.groups, &rates.name).and_then(|group| self.acts.reports.get(group)).copied(),
        };
        let regrouped = apart.groups.as_ref().unwrap_or(setting.groups);
        let reports = regrouped.rates.iter().map(|rates| last(rates).unwrap_or_else(Bundle::<Wide<T>>::zero)).collect();
        self.acts = Acts { reports, ..Acts::new(regrouped, &apart.memory) };
        (self.memory, self.first_group) = (apart.memory, regrouped.first());
        Ok((acts.reports.first().copied().unwrap_or_else(Bundle::<Wide<T>>::zero), apart.groups))
    }

    fn observe(&mut self, setting: Setting<'_, R>, examples: &[&Covector<T>]) -> Result<(), Error> {
        let rule = &setting.configuration.rule;
        if !rule.observes() {
            return Err(Error::ObservesNothing { metric: rule.name() });
        }
        let (storage, steps) = (setting.configuration.state_storage, self.steps);
        // Numbers in fewer bits are rounded once, and not with every example.
        let wide = |tensor: &T| match storage {
            StateStorage::Full => tensor.duplicate(),
            _ => stored(tensor, StateStorage::Full, 0, 0),
        };
        let mut state = self.state.iter().map(wide).collect::<Result<Vec<T>, Error>>()?;
        for (index, Covector(example)) in examples.iter().enumerate() {
            let weights = Weights::of(rule.observation_decay(), index, examples.len());
            match (&mut self.passes, state.split_first_mut()) {
                (Some(passes), _) => passes.notice(weights, &mut state, example)?,
                (None, Some((first, rest))) => {
                    if const { R::OBSERVES && !R::IS_CHOSEN } {
                        T::update(&Notice(rule.clone()), Uniforms::same(&weights), first, rest, &[example])?;
                    }
                }
                (None, None) => {}
            }
        }
        require_finite_state(&state, "observation")?;
        if storage != StateStorage::Full {
            let narrow = state.iter().enumerate().map(|(slot, tensor)| stored(tensor, storage, slot, steps));
            state = narrow.collect::<Result<_, Error>>()?;
        }
        self.state = state;
        for memory in &mut self.memory {
            *memory = Bundle::<Wide<T>>::flushed(rule.observed(*memory));
        }
        self.acts.memory.clone_from(&self.memory);
        Ok(())
    }

    #[inline(always)]
    fn first(answer: Self::Answer) -> Report<Wide<T>> {
        answer.first()
    }

    fn steps(&self) -> Result<u64, Error> {
        Ok(self.steps)
    }

    fn reports(&self, _groups: &Groups) -> Result<Vec<ReportOf<R, Wide<T>>>, Error> {
        Ok(self.acts.reports.clone())
    }

    fn evaluation_point(&self, setting: Setting<'_, R>, parameters: &T) -> Result<T, Error> {
        let mut point = parameters.duplicate()?;
        let groups: Vec<R::Memory<Wide<T>>> =
            setting.groups.rates.iter().map(|rates| self.memory[rates.memory]).collect();
        let uniforms = Uniforms { groups: &groups, group_of_part: &setting.groups.group_of_part };
        let state: Vec<&T> = self.state.iter().collect();
        match &self.passes {
            Some(passes) => passes.evaluate::<R>(uniforms, &mut point, &state)?,
            None => {
                if const { R::EVALUATES_ELSEWHERE && !R::IS_CHOSEN } {
                    let kernel = Evaluate(setting.configuration.rule.clone());
                    T::update(&kernel, uniforms, &mut point, &mut [], &state)?;
                }
            }
        }
        Ok(point)
    }

    fn state(&self) -> &[T] {
        &self.state
    }

    fn write_state(&mut self, setting: Setting<'_, R>, slot: &str, values: &T) -> Result<(), Error> {
        let known = setting.configuration.rule.slots().state;
        let Some(index) = known.iter().position(|name| name == slot) else {
            return Err(Error::UnknownState { slot: slot.to_owned(), known });
        };
        let written = stored(values, setting.configuration.state_storage, index, self.steps)?;
        if let Some(tensor) = self.state.get_mut(index) {
            *tensor = written;
        }
        Ok(())
    }

    fn checkpoint(&self, setting: Setting<'_, R>) -> Result<Checkpoint<R>, Error>
    where
        R: Clone,
    {
        let memory: Vec<Vec<f64>> =
            self.memory.iter().map(|memory| memory.scalars().map(Element::to_f64).collect()).collect();
        Checkpoint::new(setting, self.steps, &memory, &self.state)
    }

    fn open(checkpoint: &Checkpoint<R>, layout: &Layout, is_partial: bool) -> Result<(Configuration<R>, Groups), Error>
    where
        R: Clone,
    {
        checkpoint.open(layout, is_partial)
    }

    fn load(&mut self, setting: Setting<'_, R>, checkpoint: &Checkpoint<R>) -> Result<(), Error> {
        let memory = checkpoint.load(setting, &mut self.state)?;
        for (loaded, saved) in self.memory.iter_mut().zip(memory) {
            *loaded = from_slice(&saved, |&number| Field::constant(number));
        }
        Ok(())
    }
}

/// The numbers of a tensor as a slot of the state stores them after so many steps.
fn stored<T: Tensor>(values: &T, storage: StateStorage, slot: usize, steps: u64) -> Result<T, Error> {
    let mut stored = values.state_like(storage, slot, steps)?;
    for part in 0..values.layout().parts().len() {
        stored.write(part, &values.read(part)?)?;
    }
    Ok(stored)
}

/// Accepts losses in the domain of their embeddings.
#[inline(always)]
fn check_losses<R: Rule, S: Element>(setting: Setting<'_, R>, losses: &[S]) -> Result<(), Error> {
    let xi = from_slice(&setting.groups.xi, |&xi| xi);
    setting.configuration.rule.check_loss(from_slice(losses, |loss| loss.to_f64()), xi)
}

/// Accepts a step of elements that have been observed where the metric observes.
#[inline(always)]
fn check_observed<R: Rule, S: Element>(setting: Setting<'_, R>, memory: &[R::Memory<S>]) -> Result<(), Error> {
    let rule = &setting.configuration.rule;
    if !rule.observes() {
        return Ok(());
    }
    let awaits = |memory: &R::Memory<S>| rule.awaits_observation(convert(*memory, &mut |number: S| number.to_f64()));
    let is_awaited = setting.groups.rates.iter().filter_map(|rates| memory.get(rates.memory)).any(awaits);
    if is_awaited { Err(Error::NotObserved { metric: rule.name() }) } else { Ok(()) }
}

impl<R: Rule, S: Element> Acts<R, S> {
    /// Before any step, for groups and their memories.
    fn new(groups: &Groups, memory: &[R::Memory<S>]) -> Self {
        let count = groups.rates.len();
        Self {
            corrections: vec![Bundle::<S>::zero(); count],
            surveyed: vec![Bundle::<S>::zero(); count],
            survey: vec![Bundle::<S>::zero(); groups.pools],
            measured: vec![Bundle::<S>::zero(); count],
            pooled: vec![Bundle::<S>::zero(); groups.pools],
            memory: memory.to_vec(),
            passes: vec![Bundle::<S>::zero(); count],
            reports: vec![Bundle::<S>::zero(); count],
        }
    }

    /// Act 2 of every group, from the sums of act 1. Returns whether what came of it is sound: finite, multipliers also in the type that act 3
    /// computes with, and of a positive definite metric, as far as the step can tell. Not so plainly where the sum of finite numbers
    /// overflows; such acts are to be [examined](Self::examine).
    #[inline(always)]
    fn damp<E: Element<Wide = S>>(&mut self, rule: &R, groups: &Groups, memory: &[R::Memory<S>], losses: &[S]) -> bool {
        pool(&mut self.pooled, &self.measured, groups);
        let mut are_sound = true;
        for (group, rates) in groups.rates.iter().enumerate() {
            let totals = Totals { pool: self.pooled[rates.pool], group: self.measured[group] };
            let constants = (rates, groups.xi.as_slice(), losses);
            let act = Act::new::<E>(rule, constants, memory[rates.memory], self.corrections[group], totals);
            are_sound &= act.is_sound;
            self.passes[group] = act.pass;
            self.memory[rates.memory] = Bundle::<S>::flushed(act.memory);
            self.reports[group] = act.report;
        }
        are_sound
    }

    /// All acts of a step in passes over all numbers. An error leaves tensors and memory as they were.
    fn run<T: Tensor<Element: Element<Wide = S>>>(
        &mut self,
        mut running: Running<'_, R, T>,
        (groups, losses): (&Groups, &[S]),
        memory: &mut Vec<R::Memory<S>>,
        parameters: &mut T,
        state: &mut [T],
        gradients: &[&T],
    ) -> Result<(), Error> {
        let rule = running.rule;
        for (corrections, rates) in self.corrections.iter_mut().zip(&groups.rates) {
            *corrections = rule.correct(memory[rates.memory]);
        }
        let operands = Operands { target: &*parameters, companions: &*state, reads: gradients };
        if rule.surveys() {
            self.survey(&mut running, groups, operands)?;
        }
        let uniforms = Uniforms { groups: &self.corrections, group_of_part: &groups.group_of_part };
        running.measure(uniforms, operands, &mut self.measured)?;

        let is_sound = self.damp::<T::Element>(rule, groups, memory, losses);
        let is_extreme = !is_sound && self.examine(rule, gradients)?;

        let uniforms = Uniforms { groups: &self.passes, group_of_part: &groups.group_of_part };
        if is_extreme || running.is_fragile {
            running.rehearse(uniforms, operands)?;
        }
        running.advance(uniforms, parameters, state, gradients)?;
        core::mem::swap(memory, &mut self.memory);
        Ok(())
    }

    /// What a rule asks before act 1, over all parameters that share their sums.
    fn survey<T: Tensor<Element: Element<Wide = S>>>(
        &mut self,
        running: &mut Running<'_, R, T>,
        groups: &Groups,
        operands: Operands<'_, T>,
    ) -> Result<(), Error> {
        let uniforms = Uniforms { groups: &self.corrections, group_of_part: &groups.group_of_part };
        running.survey(uniforms, operands, &mut self.surveyed)?;
        pool(&mut self.survey, &self.surveyed, groups);
        if !self.survey.iter().all(is_finite) {
            operands.reads.iter().try_for_each(|gradient| find_non_finite(*gradient))?;
            return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
        }
        for (corrections, rates) in self.corrections.iter_mut().zip(&groups.rates) {
            *corrections = running.rule.heed(*corrections, self.survey[rates.pool]);
        }
        Ok(())
    }

    /// What is wrong with acts that are not plainly sound; where nothing is, whether the squares of a finite gradient overflow.
    #[cold]
    fn examine<T: Tensor<Element: Element<Wide = S>>>(&self, rule: &R, gradients: &[&T]) -> Result<bool, Error> {
        let is_extreme = !self.pooled.iter().all(is_finite);
        if is_extreme {
            gradients.iter().try_for_each(|gradient| find_non_finite(*gradient))?;
        }
        self.reports.iter().try_for_each(|report| report.check(|| rule.name()))?;
        named_finite::<S, _>(
            &self.passes,
            "multiplier",
            || rule.slots().pass::<R>(),
            |value| T::Element::narrow(value).is_finite(),
        )?;
        named_finite::<S, _>(&self.memory, "memory", || rule.slots().memory, Element::is_finite)?;
        Ok(is_extreme)
    }
}

/// The sums of groups, added up over those that share them.
#[inline(always)]
fn pool<S: Real, B: Bundle<S>>(pooled: &mut [B], each: &[B], groups: &Groups) {
    if let ([pooled], [each]) = (&mut *pooled, each) {
        *pooled = *each;
        return;
    }
    pooled.fill(B::zero());
    for (each, rates) in each.iter().zip(&groups.rates) {
        pooled[rates.pool] = pooled[rates.pool].plus(*each);
    }
}

/// What act 2 of a group comes to.
struct Act<R: Rule, S: Real> {
    pass: PassOf<R, S>,
    memory: R::Memory<S>,
    report: ReportOf<R, S>,
    /// Whether all of it is finite, also in the type that act 3 computes with, and of a positive definite metric, as far as the step can tell.
    /// (No, where only the sum of finite numbers overflows.)
    is_sound: bool,
}

impl<R: Rule, S: Element> Act<R, S> {
    #[inline(always)]
    fn new<E: Element<Wide = S>>(
        rule: &R,
        (rates, xi, losses): (&Rates, &[f64], &[S]),
        memory: R::Memory<S>,
        corrections: R::Corrections<S>,
        totals: Totals<MeasuredBy<R, S>>,
    ) -> Self {
        let inputs = Inputs {
            loss: from_slice(losses, |&loss| loss),
            learning_rate: S::constant(rates.present()),
            weight_decay: S::constant(rates.weight_decay),
            xi: from_slice(xi, |&xi| S::constant(xi)),
        };
        let sums = Totals { pool: totals.pool.rule, group: totals.group.rule };
        let Outcome { factors, memory, report: damping } = rule.damp(inputs, memory, sums);
        let pass = Pass { corrections, multipliers: factors };
        let report = Report::of(damping, inputs.learning_rate, totals.pool.squared_gradient);
        let others = total(&totals.pool, |value| value) + total(&memory, |value| value);
        let is_sound = report.is_sound(others + E::widen(total(&pass, E::narrow)));
        Self { pass, memory, report, is_sound }
    }
}

/// Whether a number is so small that processors compute with it a hundred times slower.
#[inline(always)]
fn has_subnormal<S: Element, B: Bundle<S>>(bundle: &B) -> bool {
    let mut found = false;
    for slot in 0..B::LEN {
        if let Some(value) = bundle.get(slot) {
            let magnitude = value.to_f64().abs();
            // `|=` and not `||`: a branch for each would take longer than all of the comparisons.
            found |= magnitude > 0.0 && magnitude < f64::MIN_POSITIVE;
        }
    }
    found
}

fn is_finite<S: Element, B: Bundle<S>>(bundle: &B) -> bool {
    bundle.scalars().all(Element::is_finite)
}

/// Whether the first step of a rule writes finite numbers where parameter and gradient are zero; a metric whose γ⁻¹ is infinite there
/// does not let it. The optimiser rehearses every step of such a rule; a backend that cannot should refuse it.
///
/// ```
/// use ambient_metric::{RmsProp, rules};
/// use ambient_metric::optimiser::stands_zero;
/// assert!(stands_zero::<_, f32>(&rules::adam()));
/// // 1 / 1e-40 is no number in `f32`.
/// assert!(!stands_zero::<_, f32>(&rules::adam().metric(RmsProp { beta: 0.999, epsilon: 1e-40 })));
/// ```
pub fn stands_zero<R: Rule, E: Element>(rule: &R) -> bool {
    let corrections = rule.correct(rule.begin::<E>());
    let multipliers = Bundle::build(&mut E::one);
    is_finite::<E, _>(&rule.advance(corrections, multipliers, Bundle::<E>::zero()))
}

/// What is said of a rule that says of itself that it was chosen, and has no passes.
#[cold]
fn unprepared<R: Rule>(rule: &R) -> Error {
    Error::NoEngine { rule: rule.name(), problem: "it was chosen at run time, and its `passes` are none" }
}

/// A rule whose acts run over tensors.
struct Running<'a, R, T: Tensor> {
    rule: &'a R,
    passes: &'a mut Option<Passes<T>>,
    /// As [`Fused`] says.
    is_fragile: bool,
}

impl<R: Rule, T: Tensor> Running<'_, R, T> {
    /// What is asked before act 1.
    fn survey(
        &mut self,
        corrections: Uniforms<'_, R::Corrections<Wide<T>>>,
        operands: Operands<'_, T>,
        totals: &mut [R::PerLoss<Wide<T>>],
    ) -> Result<(), Error> {
        match self.passes {
            Some(passes) => passes.survey::<R>(corrections, operands, totals),
            None => {
                if const { R::SURVEYS && !R::IS_CHOSEN } {
                    T::sum(&Survey(self.rule.clone()), corrections, operands, totals)
                } else {
                    Err(unprepared(self.rule))
                }
            }
        }
    }

    /// Act 1.
    #[inline(always)]
    fn measure(
        &mut self,
        corrections: Uniforms<'_, R::Corrections<Wide<T>>>,
        operands: Operands<'_, T>,
        totals: &mut [MeasuredBy<R, Wide<T>>],
    ) -> Result<(), Error> {
        match self.passes {
            Some(passes) => passes.measure::<R>(corrections, operands, totals),
            None => {
                // Not even compiled for a rule that was chosen.
                if const { R::IS_CHOSEN } {
                    Err(unprepared(self.rule))
                } else {
                    T::sum(&Measure(self.rule.clone()), corrections, operands, totals)
                }
            }
        }
    }

    /// Act 3.
    #[inline(always)]
    fn advance(
        &mut self,
        uniforms: Uniforms<'_, PassOf<R, Wide<T>>>,
        parameters: &mut T,
        state: &mut [T],
        gradients: &[&T],
    ) -> Result<(), Error> {
        match self.passes {
            Some(passes) => passes.advance::<R>(uniforms, parameters, state, gradients),
            None => {
                if const { R::IS_CHOSEN } {
                    Err(unprepared(self.rule))
                } else {
                    T::update(&Advance(self.rule.clone()), uniforms, parameters, state, gradients)
                }
            }
        }
    }

    /// Accepts a step that writes finite numbers only, by taking it with copies. Needed where Σ l² overflows although every gradient is finite, since such
    /// squares are what a state may keep, and for a rule that does not [stand zero](stands_zero).
    fn rehearse(&mut self, uniforms: Uniforms<'_, PassOf<R, Wide<T>>>, operands: Operands<'_, T>) -> Result<(), Error> {
        let mut parameters = operands.target.duplicate()?;
        let mut state = operands.companions.iter().map(T::duplicate).collect::<Result<Vec<T>, Error>>()?;
        self.advance(uniforms, &mut parameters, &mut state, operands.reads)?;
        for written in core::iter::once(&parameters).chain(&state) {
            if first_non_finite(written)?.is_some() {
                return Err(Error::Overflow { quantity: "the state or a parameter after the step".to_owned() });
            }
        }
        Ok(())
    }
}
