//! The optimiser: a rule at work on named parameters, with groups, reports and checkpoints.

use core::marker::PhantomData;

use crate::base::pointwise::check_examples;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::optimiser::checkpoint::{Checkpoint, Restored};
use crate::optimiser::configuration::{Configuration, Groups, Rates, Setting};
use crate::optimiser::engine::Engine;
use crate::optimiser::fused::Fused;
use crate::optimiser::report::Report;
use crate::space::layout::Layout;
use crate::space::selection::Separable;
use crate::space::selection::{Absent, Selection};
use crate::space::tensor::{Covector, Tensor, Wide, find_non_finite};

/// A rule at work on parameters of type `T`.
///
/// Make one with [`Configuration::build`], which runs a [`Rule`](crate::Rule) in passes over memory ([`Fused`]), or with
/// [`Configuration::build_whole`], which runs a descent over any base metric on whole tensors ([`Whole`](crate::optimiser::Whole)); other backends have engines
/// of their own. The engine `E` owns the state; what is said here holds for all.
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
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // L = |θ|²/2, whose gradient is θ.
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rules::euclidean_log(0.1).momentum(0.5).beta(0.0), 0.5).build(&theta)?;
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
#[derive(Debug)]
pub struct Optimiser<R, T, E = Fused<R, T>> {
    configuration: Configuration<R>,
    layout: Layout,
    groups: Groups,
    engine: E,
    tensor: PhantomData<fn() -> T>,
}

/// A clone goes on where the optimiser was, whatever becomes of that.
impl<R: Clone, T, E: Clone> Clone for Optimiser<R, T, E> {
    fn clone(&self) -> Self {
        Self {
            configuration: self.configuration.clone(),
            layout: self.layout.clone(),
            groups: self.groups.clone(),
            engine: self.engine.clone(),
            tensor: PhantomData,
        }
    }
}

/// What a step answers for every loss.
type Answer<E, R, T> = <E as Engine<R, T>>::Answer;

/// The reports of every group, by name.
type Reports<E, R, T> = Vec<(String, Report<Wide<T>, <E as Engine<R, T>>::PerLoss<Wide<T>>>)>;

impl<R, T: Tensor, E: Engine<R, T>> Optimiser<R, T, E> {
    /// The optimiser of a configuration for these parameters, before its first step, on any engine.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build`], and what the engine finds.
    pub fn new(configuration: Configuration<R>, parameters: &T) -> Result<Self, Error> {
        let groups = E::resolve(&configuration, parameters.layout())?;
        Self::begin(configuration, groups, parameters, 0)
    }

    /// An optimiser from a configuration that has been checked.
    fn begin(configuration: Configuration<R>, groups: Groups, parameters: &T, steps: u64) -> Result<Self, Error> {
        let layout = parameters.layout().clone();
        let setting = Setting { configuration: &configuration, groups: &groups, layout: &layout };
        let engine = E::begin(setting, parameters, steps)?;
        Ok(Self { configuration, layout, groups, engine, tensor: PhantomData })
    }

    /// One step: replaces `parameters`, and returns what happened to the first group that has parameters (with one sum, to all).
    ///
    /// `loss` is the loss whose gradient is given; rules without a loss-dependent embedding ignore it.
    ///
    /// # Errors
    ///
    /// Nothing is written where an error is returned: [`Error::MissingParameter`], [`Error::UnknownParameter`],
    /// [`Error::Shape`], [`Error::LossOutsideDomain`], [`Error::OutsideSpace`], [`Error::NonFiniteGradient`], [`Error::NotPositiveDefinite`],
    /// [`Error::Coupling`], [`Error::Determinant`], [`Error::Overflow`], [`Error::Backend`], [`Error::Losses`] for a
    /// rule of several losses, and what a base metric over whole tensors answers. What is not looked for is a step so large that a parameter
    /// overflows: a learning rate of 1e300, say.
    #[inline(always)]
    pub fn step(&mut self, parameters: &mut T, gradient: &Covector<T>, loss: E::Loss<'_>) -> Result<E::First, Error> {
        self.step_losses(parameters, &[gradient], &[loss]).map(E::first)
    }

    /// As [`step`](Self::step), for a rule of several losses, such as a descent over [`Induced::of`](crate::Induced::of): one gradient and one loss for each.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); over whole tensors [`Error::Losses`] also where the metric measures a covector of its own and there are several losses.
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
    // So that a report of which the caller wants little stays in registers.
    #[inline(always)]
    pub fn step_losses(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[E::Loss<'_>],
    ) -> Result<Answer<E, R, T>, Error> {
        self.check(parameters, gradients, losses.len())?;
        let Self { configuration, groups, layout, engine, .. } = self;
        engine.step(Setting { configuration, groups, layout }, parameters, gradients, losses)
    }

    /// Accepts what a step can be taken from, as far as numbers and layouts go.
    #[inline(always)]
    fn check(&self, parameters: &T, gradients: &[&Covector<T>], losses: usize) -> Result<(), Error> {
        let expected = E::losses(&self.configuration);
        for found in [gradients.len(), losses] {
            if found != expected {
                return Err(Error::Losses { expected, found });
            }
        }
        self.layout.check(parameters.layout())?;
        for gradient in gradients {
            self.layout.check(gradient.0.layout())?;
        }
        Ok(())
    }

    /// As [`step`](Self::step), where some parts, or rows of parts, have no gradient: the step is that of an optimiser that was made without them, and
    /// leaves their values and their state as they are, bit for bit. What `gradient` holds for them is not looked at. A group with its own metric all
    /// of whose parts are absent keeps its memory, too.
    ///
    /// Every part counts its own steps for its bias corrections, so with ξ = 0 one that missed steps goes on as if they had not been. A row counts
    /// those of its part. What is over all parameters, such as the average of the squared length, goes on with every step.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); [`Error::NoSuchPart`], [`Error::NoSuchRow`]; [`Error::NoGradient`] where nothing is left; [`Error::Inseparable`] for a
    /// metric that measures parts together, such as [`Dense`](crate::Dense), or rows, such as [`Muon`](crate::Muon), where one of them is absent
    /// and another is not. Parameters and state are then as they were.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, rules};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let parts = |a: f64, b: f64| Parameters::new([("a", array![a].into_dyn()), ("b", array![b].into_dyn())]);
    /// let mut theta = parts(1.0, 2.0)?;
    /// let mut optimiser = Configuration::new(rules::euclidean(1.0).momentum(0.9).beta(0.0), 0.1).weight_decay(0.1).build(&theta)?;
    /// let report = optimiser.step_without(&mut theta, &Covector(parts(3.0, f64::NAN)?), 1.0, &[1])?;
    /// assert_eq!((report.squared_length, theta.view("b")?[0]), (9.0, 2.0));
    /// assert_eq!(optimiser.state()[0].view("b")?[0], 0.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_without(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: E::Loss<'_>,
        absent: impl Into<Absent>,
    ) -> Result<E::First, Error>
    where
        T: Separable,
    {
        self.step_losses_without(parameters, &[gradient], &[loss], absent).map(E::first)
    }

    /// As [`step_losses`](Self::step_losses), where some parts or rows have no gradient of any loss; see [`step_without`](Self::step_without).
    ///
    /// # Errors
    ///
    /// As [`step_losses`](Self::step_losses) and [`step_without`](Self::step_without).
    pub fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[E::Loss<'_>],
        absent: impl Into<Absent>,
    ) -> Result<Answer<E, R, T>, Error>
    where
        T: Separable,
    {
        let absent = absent.into();
        if absent.is_empty() {
            return self.step_losses(parameters, gradients, losses);
        }
        self.check(parameters, gradients, losses.len())?;
        let selection = Selection::without(&self.layout, &absent)?;
        let Self { configuration, groups, layout, engine, .. } = self;
        let setting = Setting { configuration, groups, layout };
        let (answer, regrouped) = engine.step_without(setting, parameters, gradients, losses, &selection)?;
        if let Some(regrouped) = regrouped {
            self.groups = regrouped;
        }
        Ok(answer)
    }

    /// Hands over what was observed beside the gradients, for a metric that has such observations: an estimate of the Hessian's diagonal for
    /// [`Sophia`](crate::base::Sophia) and [`AdaHessian`](crate::base::AdaHessian), gradients of single examples for
    /// [`EmpiricalFisher`](crate::base::EmpiricalFisher) and [`Kfac`](crate::base::Kfac). Several tensors are the examples of one observation, of which the
    /// mean counts.
    ///
    /// It stands between two steps, as often as there is something; the first before the first step, and again where parameters came later. It counts for
    /// all parameters, those too that have no gradient in a [`step_without`](Self::step_without).
    ///
    /// # Errors
    ///
    /// [`Error::ObservesNothing`] for a metric that learns from gradients alone, [`Error::NoExamples`], [`Error::NonFiniteObservation`],
    /// [`Error::Overflow`], and where the layouts differ or the backend fails. The state is then as it was.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::base::Sophia;
    /// use ambient_metric::{Configuration, Covector, Descent, Flat, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// // L = (x² + 100 y²)/2: a step of Newton's.
    /// let metric = Sophia { beta: 0.0, gamma: 1.0, epsilon: 1e-12, clip: 10.0 };
    /// let mut theta = Parameters::from(array![1.0_f64, 1.0]);
    /// let mut optimiser = Configuration::new(Descent::new(metric, Flat, NoMomentum), 1.0).build(&theta)?;
    /// let (gradient, curvature) = (Covector(Parameters::from(array![1.0, 100.0])), Covector(Parameters::from(array![1.0, 100.0])));
    /// optimiser.observe(&[&curvature])?;
    /// optimiser.step(&mut theta, &gradient, 50.5)?;
    /// assert_eq!(theta.as_slice(), [0.0, 0.0]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn observe(&mut self, examples: &[&Covector<T>]) -> Result<(), Error> {
        let Self { configuration, groups, layout, engine, .. } = self;
        check_examples(layout, examples)?;
        engine.observe(Setting { configuration, groups, layout }, examples)
    }

    /// How many steps have been taken.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the engine is on a device, which fails.
    pub fn steps(&self) -> Result<u64, Error> {
        self.engine.steps()
    }

    /// Where the loss is to be evaluated, tested and saved for use: the parameters themselves, unless the rule is one whose
    /// [evaluation point](crate::rule::Evaluated) is another. Training goes on at the parameters.
    ///
    /// # Errors
    ///
    /// What [`Layout::check`](crate::Layout::check) finds, and where the backend fails.
    pub fn evaluation_point(&self, parameters: &T) -> Result<T, Error> {
        self.layout.check(parameters.layout())?;
        let Self { configuration, groups, layout, engine, .. } = self;
        engine.evaluation_point(Setting { configuration, groups, layout }, parameters)
    }

    /// What happened to every group in the last step: first the parameters in no group, then the groups in order. A group that no gradient came for
    /// keeps the report of the step before.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the engine is on a device, which fails.
    pub fn reports(&self) -> Result<Reports<E, R, T>, Error> {
        // What learns per tensor, or missed steps, has several groups under one name.
        let names = self.groups.rates.iter().map(|rates| rates.name.clone());
        let mut reports: Reports<E, R, T> = names.zip(self.engine.reports(&self.groups)?).collect();
        reports.dedup_by(|later, first| later.0 == first.0);
        Ok(reports)
    }

    /// What the last step tells about the first group that has parameters, and its first loss.
    pub(crate) fn first_report(&self) -> Result<Report<Wide<T>>, Error> {
        let reports = self.engine.reports(&self.groups)?;
        let first = reports.get(self.groups.first()).map(|report| report.first());
        Ok(first.unwrap_or_else(Bundle::<Wide<T>>::zero))
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<R> {
        &self.configuration
    }

    /// Who carries out its steps.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// As [`engine`](Self::engine), for what an engine lets one change.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// The state: of a [`Fused`] engine one tensor per slot of the rule's state, of a [`Whole`](crate::optimiser::Whole) one what the base metric remembers.
    #[must_use]
    pub fn state(&self) -> &E::State {
        self.engine.state()
    }

    /// Replaces a slot of the state by name, for what a user supplies: the coupling covector of [`Given`](crate::ambient::Given).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], where the layouts differ, [`Error::NonFiniteGradient`] for values that are NaN or infinite, and where the
    /// backend fails.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Dense, Descent, Identity, Induced, NoMomentum};
    /// use ambient_metric::ambient::Given;
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let rule = Descent::new(Dense::diagonal(&[1.0, 1.0])?, Induced::new(Identity, 1.0).coupled(Given), NoMomentum);
    /// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
    /// let mut optimiser = Configuration::new(rule, 1.0).build_whole(&theta)?;
    /// optimiser.write_state("ambient", &Parameters::from(array![0.0, 0.5]))?;
    /// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0, 0.0])), 0.5)?;
    /// // ⟨c, l⟩ = 0, so D = 1 + s (1 − ⟨c, c⟩), and the step leaves the direction of the gradient.
    /// assert_eq!((report.coupling, report.determinant_ratio), (0.25, 1.75));
    /// assert_eq!(theta.as_slice(), [1.0 - 1.0 / 1.75, 0.5 / 1.75]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn write_state(&mut self, slot: &str, values: &T) -> Result<(), Error> {
        self.layout.check(values.layout())?;
        find_non_finite(values)?;
        let Self { configuration, groups, layout, engine, .. } = self;
        engine.write_state(Setting { configuration, groups, layout }, slot, values)
    }

    /// Changes η of a group from the next step on, as a schedule does. That of `"default"`, the parameters in no group, is also that of every group whose
    /// configuration gives it none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        self.groups.set_learning_rate(group, learning_rate)
    }

    /// Changes λ of a group from the next step on, as a schedule does. That of `"default"`, the parameters in no group, is also that of every group whose
    /// configuration gives it none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        self.groups.set_weight_decay(group, weight_decay)
    }

    /// Changes what η of every group is multiplied by from the next step on: the schedule for all groups, whatever η each was given. It replaces the
    /// factor that was there, which is one at first.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] below zero.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{rules, Configuration, Group, Schedule};
    /// use ambient_metric::optimiser::Cosine;
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let theta = Parameters::new([("body", array![1.0_f64].into_dyn()), ("head", array![2.0].into_dyn())])?;
    /// let configuration = Configuration::new(rules::adam(), 0.01).group(Group::new("head", ["head"]).learning_rate(0.1));
    /// let mut optimiser = configuration.build(&theta)?;
    /// let factor = Cosine { from: 1.0, to: 0.5, steps: 100 };
    /// optimiser.set_learning_rate_factor(factor.at(100))?;
    /// assert_eq!(optimiser.rates().map(|rates| rates.present()).collect::<Vec<_>>(), [0.005, 0.05]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        self.groups.set_factor(factor)
    }

    /// The rates of every group: first those of the parameters in no group.
    pub fn rates(&self) -> impl Iterator<Item = &Rates> {
        self.groups.named()
    }

    /// The present ξ of every loss; empty for a rule without ξ.
    #[must_use]
    pub fn xi(&self) -> &[f64] {
        &self.groups.xi
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
}

impl<R: Clone, T: Tensor, E: Engine<R, T>> Optimiser<R, T, E> {
    /// Everything that is needed to go on later, on any backend, keyed by parameter names; it serialises with the feature `serde`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be read, and [`Error::NotRecorded`] for a base metric that does not say what its state consists of.
    pub fn checkpoint(&self) -> Result<Checkpoint<R>, Error> {
        let Self { configuration, groups, layout, engine, .. } = self;
        engine.checkpoint(Setting { configuration, groups, layout })
    }

    /// An optimiser that goes on where a checkpoint was taken, on any engine; [`Checkpoint::restore`] and [`Checkpoint::restore_whole`] say which.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::CheckpointEntry`], [`Error::MissingParameter`],
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`new`](Self::new) finds.
    pub fn restore(checkpoint: &Checkpoint<R>, parameters: &T) -> Result<Self, Error> {
        Self::resume(checkpoint, parameters, false)
    }

    /// As [`restore`](Self::restore), for other parameters: some may have come and some gone. See [`Checkpoint::restore_partial`].
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), but for what came and went; [`Error::NotPartial`].
    pub fn restore_partial(checkpoint: &Checkpoint<R>, parameters: &T) -> Result<Restored<Self>, Error> {
        Ok(checkpoint.restored(Self::resume(checkpoint, parameters, true)?, parameters.layout()))
    }

    fn resume(checkpoint: &Checkpoint<R>, parameters: &T, is_partial: bool) -> Result<Self, Error> {
        let (configuration, groups) = E::open(checkpoint, parameters.layout(), is_partial)?;
        let mut optimiser = Self::begin(configuration, groups, parameters, checkpoint.steps)?;
        checkpoint.set_rates(&mut optimiser.groups)?;
        let Self { configuration, groups, layout, engine, .. } = &mut optimiser;
        engine.load(Setting { configuration, groups, layout }, checkpoint)?;
        Ok(optimiser)
    }
}
