//! The optimiser: a rule at work on named parameters, with groups, reports and checkpoints.

use crate::error::Error;
use crate::number::bundle::{Bundle, from_slice};
use crate::number::scalar::{Element, Field, Real};
use crate::optimiser::checkpoint::{Checkpoint, Restored};
use crate::optimiser::configuration::{Configuration, Groups, Rates};
use crate::optimiser::in_place::Few;
use crate::optimiser::present::Present;
use crate::optimiser::report::{Report, ReportOf, named_finite, total};
use crate::rule::rule::{Advance, Coordinate, Measure, Measured, Pass, Rule};
use crate::space::acts::{Inputs, Outcome, Totals};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::Layout;
use crate::space::matrix::Separable;
use crate::space::selection::{placed, placed_all, select_all};
use crate::space::tensor::{Covector, Operands, Tensor, Wide, find_non_finite};

/// A rule at work on parameters of type `T`.
///
/// It owns the state: per-element tensors, and scalar memory for every sum. Make one with [`Configuration::build`].
///
/// # Mathematics
///
/// With the rule [`Descent`](crate::Descent) over [`Induced`](crate::Induced), step t from θ, gradient l and loss L is
///
/// 1. measure: s = ξ⟨l, l⟩, one sum over all parameters (one more for every group with its own metric);
/// 2. damp: v ← βv + (1−β)s, v̂ = v / (1−βᵗ), r = f′(L) / (1 + f′(L)² v̂);
/// 3. advance: θ ← θ − η r γ⁻¹m̂ − ηλθ, with η and λ of the group.
///
/// # Requirements
///
/// Parameters and gradients have the layout that the optimiser was built for.
///
/// # Example
///
/// ```
/// use ambient_metric::{rules, Configuration, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // L = |θ|²/2, whose gradient is θ.
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rules::euclidean_log(0.1, 0.5, 0.0), 0.5).build(&theta)?;
/// for _ in 0..100 {
///     let gradient = Covector(theta.clone());
///     let loss = gradient.0.iter().map(|x| x * x / 2.0).sum();
///     optimiser.step(&mut theta, &gradient, loss)?;
/// }
/// assert!(theta.iter().all(|x| x.abs() < 1e-6));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`step`](Self::step) lists them. Where it returns one, parameters and state are as they were.
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2 and the RMSprop variant; eq. 10, 13 and 14 for the step without averages.
/// I. Loshchilov and F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019, for the decoupled decay.
#[derive(Clone, Debug)]
pub struct Optimiser<R: Rule, T: Tensor> {
    configuration: Configuration<R>,
    layout: Layout,
    groups: Groups,
    state: Vec<T>,
    memory: Vec<R::Memory<Wide<T>>>,
    steps: u64,
    /// Whether a gradient of zero makes the rule write what is not finite, so that every step must be rehearsed.
    is_fragile: bool,
    /// The first group that has parameters.
    first_group: usize,
    acts: Acts<R, Wide<T>>,
}

impl<R: Rule> Configuration<R> {
    /// The optimiser for these parameters, before its first step.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Empty`], [`Error::DuplicateGroup`], [`Error::GroupMatchesNothing`],
    /// [`Error::StateStorage`] where the state cannot be stored as is asked, [`Error::StateRange`] where the rule does not stand its range, and
    /// [`Error::Backend`] where there is no memory for it.
    pub fn build<T: Tensor>(self, parameters: &T) -> Result<Optimiser<R, T>, Error> {
        let groups = self.resolve(parameters.layout())?;
        Optimiser::begin(self, groups, parameters, 0)
    }
}

/// What the acts of one step hand to each other; kept between steps so that a step allocates nothing.
#[derive(Clone, Debug)]
struct Acts<R: Rule, S: Real> {
    /// Per group.
    corrections: Vec<R::Corrections<S>>,
    /// Per group.
    measured: Vec<Measured<S, R::Sums<S>>>,
    /// Per pool.
    pooled: Vec<Measured<S, R::Sums<S>>>,
    /// Per memory: of every pool, and of parameters that came later.
    memory: Vec<R::Memory<S>>,
    /// Per group.
    passes: Vec<Pass<R::Corrections<S>, R::Multipliers<S>>>,
    /// Per group.
    reports: Vec<ReportOf<R, S>>,
}

impl<R: Rule, T: Tensor> Optimiser<R, T> {
    /// An optimiser from a configuration that has been checked, with a state that counts so many steps.
    fn begin(configuration: Configuration<R>, groups: Groups, parameters: &T, steps: u64) -> Result<Self, Error> {
        let slots = <R::State<T::Element> as Bundle<T::Element>>::LEN;
        let memory = vec![configuration.rule.begin(); groups.memories];
        configuration.state_storage.check_range::<R, T::Element>(&configuration.rule)?;
        let is_fragile = !stands_zero::<R, T::Element>(&configuration.rule);
        let state = (0..slots).map(|slot| parameters.state_like(configuration.state_storage, slot, steps));
        Ok(Self {
            state: state.collect::<Result<_, Error>>()?,
            acts: Acts::new(&groups, &memory),
            configuration,
            layout: parameters.layout().clone(),
            first_group: groups.group_of_part.iter().min().copied().unwrap_or(0),
            groups,
            memory,
            steps,
            is_fragile,
        })
    }

    /// One step: replaces `parameters`, and returns what happened to the first group that has parameters (with one sum, to all).
    ///
    /// `loss` is the loss whose gradient is given; rules without a loss-dependent embedding ignore it.
    ///
    /// # Errors
    ///
    /// Nothing is written where an error is returned: [`Error::MissingParameter`], [`Error::UnknownParameter`],
    /// [`Error::Shape`], [`Error::LossOutsideDomain`], [`Error::NonFiniteGradient`], [`Error::NotPositiveDefinite`],
    /// [`Error::Coupling`], [`Error::Determinant`], [`Error::Overflow`], [`Error::Backend`], and [`Error::Losses`] for a rule of several
    /// losses. What is not looked for is a step so large that a parameter overflows: a learning rate of 1e300, say.
    #[inline]
    pub fn step(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
    ) -> Result<Report<Wide<T>>, Error> {
        self.advance(parameters, &[&gradient.0], &[loss]).map(Report::first)
    }

    /// As [`step`](Self::step), for a rule of several losses, such as a descent over [`Induced::of`](crate::Induced::of): one gradient and one loss for each.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Descent, Euclidean, Height, Identity, Induced, Log, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![1.0_f64, 1.0]);
    /// let heights = (Height { embedding: Identity, xi: 1.0 }, Height { embedding: Log, xi: 0.5 });
    /// let mut optimiser = Configuration::new(Descent::new(Euclidean, Induced::of(heights), NoMomentum), 0.1).build(&theta)?;
    /// let (first, second) = (Covector(Parameters::from(array![1.0, 0.0])), Covector(Parameters::from(array![0.0, 1.0])));
    /// let report = optimiser.step_losses(&mut theta, &[&first, &second], &[2.0, 1.0])?;
    /// // The gradients are orthogonal, so each loss is damped by itself: 1 / (1 + 1) and 1 / (1 + 1/2).
    /// assert!((theta.iter().nth(1).unwrap() - (1.0 - 0.1 / 1.5)).abs() < 1e-15);
    /// assert!((report.determinant_ratio - 3.0).abs() < 1e-15);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_losses(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        let gradients: Vec<&T> = gradients.iter().map(|gradient| &gradient.0).collect();
        self.advance(parameters, &gradients, losses)
    }

    // So that a report of which the caller wants little stays in registers.
    #[inline(always)]
    fn advance(
        &mut self,
        parameters: &mut T,
        gradients: &[&T],
        losses: &[Wide<T>],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        self.check(parameters, gradients, losses)?;
        match self.advance_few(parameters, gradients, losses) {
            Some(report) => Ok(report),
            None => self.advance_many(parameters, gradients, losses),
        }
    }

    /// Accepts what a step can be taken from, as far as numbers and layouts go, and losses in the domain of their embeddings.
    #[inline(always)]
    fn check(&self, parameters: &T, gradients: &[&T], losses: &[Wide<T>]) -> Result<(), Error> {
        let expected = <R::PerLoss<f64> as Bundle<f64>>::LEN;
        for found in [gradients.len(), losses.len()] {
            if found != expected {
                return Err(Error::Losses { expected, found });
            }
        }
        self.layout.check(parameters.layout())?;
        for gradient in gradients {
            self.layout.check(gradient.layout())?;
        }
        let xi = from_slice(&self.groups.xi, |&xi| xi);
        self.configuration.rule.check_loss(from_slice(losses, |loss| loss.to_f64()), xi)
    }

    /// The step where one group of few numbers takes it and every act is sound; else nothing has happened.
    #[inline(always)]
    fn advance_few(
        &mut self,
        parameters: &mut T,
        gradients: &[&T],
        losses: &[Wide<T>],
    ) -> Option<ReportOf<R, Wide<T>>> {
        let Self { configuration: Configuration { rule, .. }, groups, state, memory, acts, .. } = self;
        let ([rates], [memory], [report]) = (&*groups.rates, &mut **memory, &mut *acts.reports) else { return None };
        if self.is_fragile {
            return None;
        }
        let mut few = Few::gather::<R, T>(parameters, state, gradients)?;
        let corrections = rule.correct(*memory);
        let measured = few.sum::<R, _>(&Measure(rule), corrections);
        let totals = Totals { pool: measured, group: measured };
        let act = Act::new::<T::Element>(rule, (rates, &groups.xi, losses), *memory, corrections, totals);
        if !act.is_sound || has_subnormal(&act.memory) {
            return None;
        }
        // The memory first, because the next step waits for it.
        (*memory, *report) = (act.memory, act.report);
        few.update::<R, _>(&Advance(rule), act.pass);
        self.steps = self.steps.saturating_add(1);
        Some(act.report)
    }

    /// Any step, in passes over all numbers.
    fn advance_many(
        &mut self,
        parameters: &mut T,
        gradients: &[&T],
        losses: &[Wide<T>],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        let Self { configuration: Configuration { rule, .. }, groups, state, memory, acts, .. } = self;
        acts.run((rule, groups, losses), memory, self.is_fragile, parameters, state, gradients)?;
        self.steps = self.steps.saturating_add(1);
        Ok(acts.reports.get(self.first_group).copied().unwrap_or_else(Bundle::<Wide<T>>::zero))
    }

    /// How many steps have been taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What happened to every group in the last step: first the parameters in no group, then the groups in order. A group that no gradient came for
    /// keeps the report of the step before.
    pub fn reports(&self) -> impl Iterator<Item = (&str, ReportOf<R, Wide<T>>)> {
        let mut last = None;
        let all = self.groups.rates.iter().map(|rates| rates.name.as_str()).zip(self.acts.reports.iter().copied());
        // A rule that learns per tensor has a group, and the same report, for every tensor of a group.
        all.filter(move |(name, _)| last.replace(*name) != Some(*name))
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<R> {
        &self.configuration
    }

    /// The state per element, one tensor per slot of the rule's state.
    #[must_use]
    pub fn state(&self) -> &[T] {
        &self.state
    }

    /// Replaces a slot of the state by name, for what a user supplies: the coupling covector of [`Given`](crate::Given).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], where the layouts differ, [`Error::NonFiniteGradient`] for values that are NaN or infinite, and where the
    /// backend fails.
    pub fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error> {
        self.layout.check(values.layout())?;
        find_non_finite(values)?;
        let names = <R::State<T::Element> as Bundle<T::Element>>::names();
        let Some(index) = names.iter().position(|name| name == slot) else {
            return Err(Error::UnknownState { slot: slot.to_owned(), known: names });
        };
        let mut written = values.state_like(self.configuration.state_storage, index, self.steps)?;
        for part in 0..self.layout.parts().len() {
            written.write(part, &values.read(part)?)?;
        }
        if let Some(tensor) = self.state.get_mut(index) {
            *tensor = written;
        }
        Ok(())
    }

    /// Changes η of a group (`"default"` for the parameters in no group) from the next step on, as a schedule does.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        self.groups.set_learning_rate(group, learning_rate)
    }

    /// Changes λ of a group (`"default"` for the parameters in no group) from the next step on, as a schedule does.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        self.groups.set_weight_decay(group, weight_decay)
    }

    /// η of every group, by name: first that of the parameters in no group.
    pub fn learning_rates(&self) -> impl Iterator<Item = (&str, f64)> {
        self.groups.named().map(|rates| (rates.name.as_str(), rates.learning_rate))
    }

    /// Changes ξ of the loss from the next step on, as a schedule does; for a rule of several losses see [`set_xi_of`](Self::set_xi_of).
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ.
    pub fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        self.set_xi_of(0, xi)
    }

    /// Changes ξ of one of several losses, counted from zero.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ, [`Error::Losses`] where there is no such loss.
    pub fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        self.groups.set_xi(loss, xi)
    }

    /// Everything that is needed to go on later, keyed by parameter names; it serialises with the feature `serde`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be read.
    pub fn checkpoint(&self) -> Result<Checkpoint<R>, Error>
    where
        R: Clone,
    {
        let memory: Vec<Vec<f64>> =
            self.memory.iter().map(|memory| memory.scalars().map(Element::to_f64).collect()).collect();
        let Self { configuration, groups, steps, layout, state, .. } = self;
        Checkpoint::new(configuration, groups, *steps, &memory, layout, state)
    }

    /// An optimiser that goes on where a checkpoint was taken, for parameters like those it was taken from.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::CheckpointEntry`], [`Error::MissingParameter`],
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`Configuration::build`] finds.
    pub fn restore(checkpoint: &Checkpoint<R>, parameters: &T) -> Result<Self, Error>
    where
        R: Clone,
    {
        let (configuration, groups) = checkpoint.open(parameters.layout())?;
        Self::resume(checkpoint, configuration, groups, parameters)
    }

    /// An optimiser that goes on where a checkpoint was taken, for other parameters: some may have come and some gone, which is said.
    ///
    /// What is in both goes on with its state. What is fresh starts as in a new optimiser, with bias corrections of its own: with ξ = 0 it steps bit
    /// for bit as there, and the rest as if nothing had come. Sums and their moving averages are over all parameters, as ever; those of parameters
    /// of which none goes on start anew. A pattern of a group that matches nothing but what is gone leaves it.
    ///
    /// Each time that parameters come, every sum with fresh ones gets one more scalar memory, and every group that has fresh beside
    /// others becomes two under its name: a step then has one more scalar act for each, and [`reports`](Self::reports) shows the first.
    /// Where a state of 16 bits is rounded at random, other random numbers than before fall on parameters that stand behind one that came or went.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), but for what came and went; [`Error::NotPartial`] for a rule whose memory cannot be
    /// [renewed](Rule::renewed), where something came.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{rules, Configuration, Covector, Optimiser, Restored};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::new([("body", array![1.0_f64, 2.0].into_dyn()), ("old head", array![3.0].into_dyn())])?;
    /// let mut optimiser = Configuration::new(rules::adam(0.9, 0.999, 1e-8), 0.1).build(&theta)?;
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    ///
    /// let body = theta.view("body")?.to_owned();
    /// let mut theta = Parameters::new([("body", body), ("new head", array![4.0].into_dyn())])?;
    /// let Restored { mut optimiser, fresh, gone } = Optimiser::restore_partial(&optimiser.checkpoint()?, &theta)?;
    /// assert_eq!((fresh, gone), (vec!["new head".to_owned()], vec!["old head".to_owned()]));
    /// // The first step of Adam is η in length: its corrections begin with the new head.
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    /// assert!((theta.view("new head")?[0] - 3.9).abs() < 1e-8);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn restore_partial(checkpoint: &Checkpoint<R>, parameters: &T) -> Result<Restored<Self>, Error>
    where
        R: Clone,
    {
        let (configuration, groups) = checkpoint.open_partial(parameters.layout())?;
        let optimiser = Self::resume(checkpoint, configuration, groups, parameters)?;
        Ok(checkpoint.restored(optimiser, parameters.layout()))
    }

    /// The optimiser of a checkpoint that has been opened.
    fn resume(
        checkpoint: &Checkpoint<R>,
        configuration: Configuration<R>,
        groups: Groups,
        parameters: &T,
    ) -> Result<Self, Error> {
        let mut optimiser = Self::begin(configuration, groups, parameters, checkpoint.steps)?;
        let Self { groups, layout, state, .. } = &mut optimiser;
        let memory = checkpoint.resume(groups, layout, state)?;
        for (loaded, saved) in optimiser.memory.iter_mut().zip(memory) {
            let mut saved = saved.into_iter();
            *loaded = Bundle::build(&mut || Field::constant(saved.next().unwrap_or(0.0)));
        }
        Ok(optimiser)
    }
}

impl<R: Rule, T: Separable> Optimiser<R, T> {
    /// As [`step`](Self::step), where the parts `absent` have no gradient: the step is that of an optimiser that was made without them, and leaves
    /// their values and their state as they are, bit for bit. What `gradient` holds for them is not looked at. A group with its own metric all of
    /// whose parts are absent keeps its memory, too.
    ///
    /// What is kept once for all parts goes on, such as the powers of bias corrections: a part that missed steps is corrected as if it had taken
    /// them.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); [`Error::NoSuchPart`]; [`Error::NoGradient`] where no part is left. Parameters and state are then as they were.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{rules, Configuration, Covector};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let parts = |a: f64, b: f64| Parameters::new([("a", array![a].into_dyn()), ("b", array![b].into_dyn())]);
    /// let mut theta = parts(1.0, 2.0)?;
    /// let mut optimiser = Configuration::new(rules::euclidean(1.0, 0.9, 0.0), 0.1).weight_decay(0.1).build(&theta)?;
    /// let report = optimiser.step_without(&mut theta, &Covector(parts(3.0, f64::NAN)?), 1.0, &[1])?;
    /// assert_eq!((report.squared_length, theta.view("b")?[0]), (9.0, 2.0));
    /// assert_eq!(optimiser.state()[0].view("b")?[0], 0.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_without(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
        absent: &[usize],
    ) -> Result<Report<Wide<T>>, Error> {
        self.step_losses_without(parameters, &[gradient], &[loss], absent).map(Report::first)
    }

    /// As [`step_losses`](Self::step_losses), where the parts `absent` have no gradient of any loss; see [`step_without`](Self::step_without).
    ///
    /// # Errors
    ///
    /// As [`step_without`](Self::step_without).
    pub fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
        absent: &[usize],
    ) -> Result<ReportOf<R, Wide<T>>, Error> {
        if absent.is_empty() {
            return self.step_losses(parameters, gradients, losses);
        }
        let gradients: Vec<&T> = gradients.iter().map(|gradient| &gradient.0).collect();
        self.check(parameters, &gradients, losses)?;
        let Present { parts, groups, memories } = Present::without(&self.layout, &self.groups, absent)?;

        let (mut selection, mut state) = (parameters.select(&parts)?, select_all(&self.state, &parts)?);
        let gradients = select_all(gradients, &parts)?;
        let mut memory: Vec<R::Memory<Wide<T>>> = memories.iter().map(|&number| self.memory[number]).collect();
        let mut acts = Acts::new(&groups, &memory);
        let constants = (&self.configuration.rule, &groups, losses);
        let reads: Vec<&T> = gradients.iter().collect();
        acts.run(constants, &mut memory, self.is_fragile, &mut selection, &mut state, &reads)?;

        let stepped = placed(parameters, &parts, &selection)?;
        self.state = placed_all(&self.state, &parts, &state)?;
        *parameters = stepped;
        for (&number, memory) in memories.iter().zip(memory) {
            self.memory[number] = memory;
        }
        for (report, rates) in self.acts.reports.iter_mut().zip(&self.groups.rates) {
            // By name, since the tensors of a group that learn by themselves share a report.
            if let Some(group) = groups.rates.iter().position(|present| present.name == rates.name) {
                *report = acts.reports[group];
            }
        }
        self.steps = self.steps.saturating_add(1);
        Ok(acts.reports.first().copied().unwrap_or_else(Bundle::<Wide<T>>::zero))
    }
}

impl<R: Rule, S: Element> Acts<R, S> {
    /// Before any step, for groups and their memories.
    fn new(groups: &Groups, memory: &[R::Memory<S>]) -> Self {
        let count = groups.rates.len();
        Self {
            corrections: vec![Bundle::<S>::zero(); count],
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
        if let ([pooled], [measured]) = (self.pooled.as_mut_slice(), self.measured.as_slice()) {
            *pooled = *measured;
        } else {
            self.pooled.fill(Bundle::<S>::zero());
            for (measured, rates) in self.measured.iter().zip(&groups.rates) {
                self.pooled[rates.pool] = self.pooled[rates.pool].plus(*measured);
            }
        }
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
        (rule, groups, losses): (&R, &Groups, &[S]),
        memory: &mut Vec<R::Memory<S>>,
        is_fragile: bool,
        parameters: &mut T,
        state: &mut [T],
        gradients: &[&T],
    ) -> Result<(), Error> {
        for (corrections, rates) in self.corrections.iter_mut().zip(&groups.rates) {
            *corrections = rule.correct(memory[rates.memory]);
        }
        let operands = Operands { target: &*parameters, companions: &*state, reads: gradients };
        let uniforms = Uniforms { groups: &self.corrections, group_of_part: &groups.group_of_part };
        T::sum(&Measure(rule), uniforms, operands, &mut self.measured)?;

        let is_sound = self.damp::<T::Element>(rule, groups, memory, losses);
        let is_extreme = !is_sound && self.examine(rule, gradients)?;

        let uniforms = Uniforms { groups: &self.passes, group_of_part: &groups.group_of_part };
        if is_extreme || is_fragile {
            rehearse(rule, uniforms, operands)?;
        }
        T::update(&Advance(rule), uniforms, parameters, state, gradients)?;
        core::mem::swap(memory, &mut self.memory);
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
        named_finite::<S, _>(&self.passes, "multiplier", |value| T::Element::narrow(value).is_finite())?;
        named_finite::<S, _>(&self.memory, "memory", Element::is_finite)?;
        Ok(is_extreme)
    }
}

/// What act 2 of a group comes to.
struct Act<R: Rule, S: Real> {
    pass: Pass<R::Corrections<S>, R::Multipliers<S>>,
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
        totals: Totals<Measured<S, R::Sums<S>>>,
    ) -> Self {
        let inputs = Inputs {
            loss: from_slice(losses, |&loss| loss),
            learning_rate: S::constant(rates.learning_rate),
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

/// The uniforms of act 3 of a rule.
type Passed<R, S> = Pass<<R as Rule>::Corrections<S>, <R as Rule>::Multipliers<S>>;

/// 0 times all that act 3 would write, added up: zero where every slot is finite, and not finite where one is not.
struct Rehearsal<'r, R>(&'r R);

impl<R: Rule> Kernel for Rehearsal<'_, R> {
    type Uniform<S: Real> = Pass<R::Corrections<S>, R::Multipliers<S>>;
    type Input<S: Real> = Coordinate<S, R::State<S>, R::PerLoss<S>>;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, uniform: Self::Uniform<S>, at: Self::Input<S>) -> S {
        Advance(self.0).evaluate(uniform, at).scalars().fold(S::zero(), |sum, slot| sum + S::zero() * slot)
    }
}

/// Whether the first step of a rule writes finite numbers where parameter and gradient are zero; a metric whose γ⁻¹ is infinite there
/// does not let it. The optimiser rehearses every step of such a rule; a backend that cannot should refuse it.
///
/// ```
/// use ambient_metric::{rules, stands_zero};
/// assert!(stands_zero::<_, f32>(&rules::adam(0.9, 0.999, 1e-8)));
/// // 1 / 1e-40 is no number in `f32`.
/// assert!(!stands_zero::<_, f32>(&rules::adam(0.9, 0.999, 1e-40)));
/// ```
pub fn stands_zero<R: Rule, E: Element>(rule: &R) -> bool {
    let corrections = rule.correct(rule.begin::<E>());
    let multipliers = Bundle::build(&mut E::one);
    is_finite::<E, _>(&rule.advance(corrections, multipliers, Bundle::<E>::zero()))
}

/// Accepts a step that writes finite numbers only. Needed where Σ l² overflows although every gradient is finite, since such squares
/// are what a state may keep, and for a rule that does not [stand zero](stands_zero).
fn rehearse<R: Rule, T: Tensor>(
    rule: &R,
    uniforms: Uniforms<'_, Passed<R, Wide<T>>>,
    operands: Operands<'_, T>,
) -> Result<(), Error> {
    let mut totals = vec![<Wide<T> as Field>::zero(); uniforms.groups.len()];
    T::sum(&Rehearsal(rule), uniforms, operands, &mut totals)?;
    if totals.iter().all(|total| total.is_finite()) {
        return Ok(());
    }
    Err(Error::Overflow { quantity: "the state or a parameter after the step".to_owned() })
}
