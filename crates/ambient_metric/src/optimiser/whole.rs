//! The optimiser for any base metric: steps made of whole tensors.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ambient::ambient_metric::Covectors;
use crate::base::base_metric::BaseMetric;
use crate::base::recorded::Recorded;
use crate::base::remembered::Remembered;
use crate::bundle;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::{Bundle, from_slice, nested_names};
use crate::number::scalar::{Element, Field, Real};
use crate::optimiser::checkpoint::{Checkpoint, Restored};
use crate::optimiser::configuration::{Configuration, Groups};
use crate::optimiser::present::Present;
use crate::optimiser::report::{Report, named_finite};
use crate::rule::descent::Descent;
use crate::rule::preconditioner::{Preconditioner, Raised, total};
use crate::space::acts::{Inputs, Local, Outcome};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::Separable;
use crate::space::momentum::Momentum;
use crate::space::record::{Entries, SavedParameter, require_len};
use crate::space::selection::{placed, placed_all, select_all};
use crate::space::tensor::{Covector, Operands, Tensor, Vector, Wide, contract, find_non_finite};

impl<M, P: Preconditioner<K>, Q: Momentum, const K: usize> Configuration<Descent<M, P, Q, K>> {
    /// The optimiser for these parameters, before its first step, over any base metric: what [`build`](Self::build) runs in passes over memory this
    /// one runs on whole tensors. Where both can run they take the same steps.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Losses`], [`Error::Empty`], [`Error::DuplicateGroup`], [`Error::GroupMatchesNothing`],
    /// [`Error::OwnMetric`], [`Error::StateStorage`], and what the metric answers, such as [`Error::NotAMatrix`].
    pub fn build_whole<T: Tensor>(self, parameters: &T) -> Result<MetricOptimiser<M, P, Q, T, K>, Error>
    where
        M: BaseMetric<T>,
    {
        let Descent { metric, preconditioner, momentum } = &self.rule;
        preconditioner.validate()?;
        self.state_storage.require_full()?;
        if let Some(group) = self.groups.iter().find(|group| group.own_metric) {
            return Err(Error::OwnMetric { group: group.name.clone() });
        }
        let xi = preconditioner.xi().map(|xi| xi.to_vec()).unwrap_or_default();
        let groups = self.assigned(parameters.layout(), xi)?;
        let slots = <P::State<T::Element> as Bundle<T::Element>>::LEN;
        let momenta = (0..K).map(|_| Remembered::begin(momentum, parameters));
        Ok(MetricOptimiser {
            layout: parameters.layout().clone(),
            groups,
            state: metric.begin(parameters)?,
            momenta: momenta.collect::<Result<_, Error>>()?,
            ambient: Arc::new((0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?),
            memory: preconditioner.begin(),
            report: Bundle::<Wide<T>>::zero(),
            steps: 0,
            configuration: self,
        })
    }
}

/// A [`Descent`] over any base metric at work on parameters of type `T`: as [`Optimiser`](crate::Optimiser), on whole tensors.
///
/// It owns the state: that of the metric, a momentum for every loss, and what the preconditioner keeps. Make one with
/// [`Configuration::build_whole`].
///
/// # Mathematics
///
/// See [`Descent`]. γ sees the total gradient Σ l_A. A metric that [measures](BaseMetric::measured) a covector of its own, as Muon does its momentum,
/// has it in place of l, and is for one loss.
///
/// # Requirements
///
/// Parameters and gradients have the layout that the optimiser was built for.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Flat, Muon, Nesterov, NoMomentum};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // Muon has its own momentum, so the rule needs none. Without a surface this is Muon as it was published.
/// let metric = Muon { momentum: Nesterov(0.5), ..Muon::default() };
/// let rule = Descent::new(metric, Flat, NoMomentum);
/// let mut theta = Parameters::from(array![[2.0_f64, 1.0], [0.0, 1.0]]);
/// let mut optimiser = Configuration::new(rule, 0.01).build_whole(&theta)?;
/// for _ in 0..400 {
///     let gradient = Covector(theta.clone());
///     let loss = gradient.0.iter().map(|x| x * x / 2.0).sum();
///     optimiser.step(&mut theta, &gradient, loss)?;
/// }
/// // Steps of a fixed length do not settle: they go round the minimum.
/// assert!(theta.iter().all(|x| x.abs() < 0.02));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`step`](Self::step) lists them. Where it returns one, parameters and state are as they were.
#[derive(Debug)]
pub struct MetricOptimiser<M: BaseMetric<T>, P: Preconditioner<K>, Q, T: Tensor, const K: usize = 1> {
    configuration: Configuration<Descent<M, P, Q, K>>,
    layout: Layout,
    groups: Groups,
    state: M::State,
    momenta: Vec<Remembered<T>>,
    /// The state of the preconditioner.
    ambient: Arc<Vec<T>>,
    memory: P::Memory<Wide<T>>,
    report: Report<Wide<T>, [Wide<T>; K]>,
    steps: u64,
}

/// A clone goes on where the optimiser was, whatever becomes of that; tensors are shared until one of both steps.
impl<M, P, Q, T, const K: usize> Clone for MetricOptimiser<M, P, Q, T, K>
where
    Descent<M, P, Q, K>: Clone,
    M: BaseMetric<T, State: Clone>,
    P: Preconditioner<K>,
    T: Tensor,
{
    fn clone(&self) -> Self {
        Self {
            configuration: self.configuration.clone(),
            layout: self.layout.clone(),
            groups: self.groups.clone(),
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
    layout: &'a Layout,
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

impl<M, P, Q, T, const K: usize> MetricOptimiser<M, P, Q, T, K>
where
    T: Tensor,
    M: BaseMetric<T, State: Clone>,
    P: Preconditioner<K>,
    Q: Momentum,
{
    /// One step on the surface of one loss: replaces `parameters`, and returns what happened.
    ///
    /// # Errors
    ///
    /// Nothing is written where an error is returned: [`Error::MissingParameter`], [`Error::UnknownParameter`], [`Error::Shape`],
    /// [`Error::LossOutsideDomain`], [`Error::OutsideSpace`], [`Error::NonFiniteGradient`], [`Error::NotPositiveDefinite`], [`Error::Coupling`],
    /// [`Error::Determinant`], [`Error::Overflow`], [`Error::Backend`], [`Error::Losses`] for a rule of several losses, and what the metric answers.
    /// What is not looked for is a step so large that a parameter overflows: a learning rate of 1e300, say.
    pub fn step(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
    ) -> Result<Report<Wide<T>>, Error> {
        self.step_losses(parameters, &[gradient], &[loss]).map(Report::first)
    }

    /// One step on the common surface of K losses: one gradient and one loss for each.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and [`Error::Losses`] where the metric measures a covector of its own and there are several.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Dense, Descent, Height, Identity, Induced, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![1.0_f64, 1.0]);
    /// let heights = [Height { embedding: Identity, xi: 1.0 }, Height { embedding: Identity, xi: 3.0 }];
    /// let rule = Descent::new(Dense::diagonal(&[1.0, 1.0])?, Induced::of(heights), NoMomentum);
    /// let mut optimiser = Configuration::new(rule, 1.0).build_whole(&theta)?;
    /// let [first, second] = [array![1.0, 0.0], array![0.0, 1.0]].map(|gradient| Covector(Parameters::from(gradient)));
    /// // The gradients are orthogonal, so each loss is damped by itself: 1 / (1 + 1) and 1 / (1 + 3).
    /// let report = optimiser.step_losses(&mut theta, &[&first, &second], &[2.0, 1.0])?;
    /// assert_eq!(theta.as_slice(), [0.5, 0.75]);
    /// assert_eq!((report.damping, report.determinant_ratio), ([0.5, 0.25], 8.0));
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_losses(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
    ) -> Result<Report<Wide<T>, [Wide<T>; K]>, Error> {
        let (gradients, losses) = of_losses(gradients, losses)?;
        let held = Held {
            layout: &self.layout,
            groups: &self.groups,
            state: self.state.clone(),
            momenta: self.momenta.clone(),
            ambient: self.ambient.iter().map(Tensor::duplicate).collect::<Result<_, Error>>()?,
        };
        let next = self.look_ahead(held, parameters, gradients, losses)?;
        advance(&self.groups, parameters, &next.direction)?;
        let Next { state, momenta, ambient, memory, report, .. } = next;
        (self.state, self.momenta, self.ambient) = (state, momenta, Arc::new(ambient));
        (self.memory, self.report) = (memory, report);
        self.steps = self.steps.saturating_add(1);
        Ok(report)
    }

    /// As [`step`](Self::step), where the parts `absent` have no gradient: the step is that of an optimiser that was made without them, and leaves
    /// their values and their state as they are, bit for bit. What `gradient` holds for them is not looked at.
    ///
    /// What is kept once for all parts goes on, such as the powers of bias corrections: a part that missed steps is corrected as if it had taken
    /// them.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step); [`Error::NoSuchPart`]; [`Error::NoGradient`] where no part is left; [`Error::Inseparable`] for a metric that measures
    /// parts together, such as [`Dense`](crate::Dense). Parameters and state are then as they were.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Descent, Ema, Identity, Induced, RmsProp};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let parts = |a: f64, b: f64| Parameters::new([("a", array![a].into_dyn()), ("b", array![b].into_dyn())]);
    /// let rule = Descent::new(RmsProp::default(), Induced::new(Identity, 0.1), Ema(0.9));
    /// let mut theta = parts(1.0, 2.0)?;
    /// let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.1).build_whole(&theta)?;
    /// optimiser.step_without(&mut theta, &Covector(parts(1.0, f64::NAN)?), 1.0, &[1])?;
    /// assert_eq!(theta.view("b")?[0], 2.0);
    /// assert!(theta.view("a")?[0] < 1.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_without(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
        absent: &[usize],
    ) -> Result<Report<Wide<T>>, Error>
    where
        T: Separable,
    {
        self.step_losses_without(parameters, &[gradient], &[loss], absent).map(Report::first)
    }

    /// As [`step_losses`](Self::step_losses), where the parts `absent` have no gradient of any loss; see [`step_without`](Self::step_without).
    ///
    /// # Errors
    ///
    /// As [`step_losses`](Self::step_losses) and [`step_without`](Self::step_without).
    pub fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Wide<T>],
        absent: &[usize],
    ) -> Result<Report<Wide<T>, [Wide<T>; K]>, Error>
    where
        T: Separable,
    {
        if absent.is_empty() {
            return self.step_losses(parameters, gradients, losses);
        }
        let (_, losses) = of_losses::<T, K>(gradients, losses)?;
        self.layout.check(parameters.layout())?;
        gradients.iter().try_for_each(|gradient| self.layout.check(gradient.0.layout()))?;
        let Present { parts, groups, .. } = Present::without(&self.layout, &self.groups, absent)?;
        let metric = &self.configuration.rule.metric;

        let mut selection = parameters.select(&parts)?;
        let of_parts = select_all(gradients.iter().map(|gradient| &gradient.0), &parts)?;
        let of_parts: Vec<Covector<T>> = of_parts.into_iter().map(Covector).collect();
        let of_parts: Vec<&Covector<T>> = of_parts.iter().collect();
        let (of_parts, losses) = of_losses(&of_parts, &losses)?;
        let momenta = self.momenta.iter().map(|momentum| momentum.select(&parts)).collect::<Result<_, Error>>()?;
        let held = Held {
            layout: &self.layout.select(&parts)?,
            groups: &groups,
            state: metric.select(&self.state, &parts)?,
            momenta,
            ambient: select_all(self.ambient.iter(), &parts)?,
        };
        let next = self.look_ahead(held, &selection, of_parts, losses)?;
        advance(&groups, &mut selection, &next.direction)?;

        let stepped = placed(parameters, &parts, &selection)?;
        let (mut state, mut momenta) = (self.state.clone(), self.momenta.clone());
        metric.place(&mut state, &parts, &next.state)?;
        for (momentum, of_parts) in momenta.iter_mut().zip(&next.momenta) {
            momentum.place(&parts, of_parts)?;
        }
        self.ambient = Arc::new(placed_all(&self.ambient, &parts, &next.ambient)?);
        *parameters = stepped;
        (self.state, self.momenta, self.memory, self.report) = (state, momenta, next.memory, next.report);
        self.steps = self.steps.saturating_add(1);
        Ok(next.report)
    }

    /// All of a step but its writing.
    #[allow(clippy::type_complexity, reason = "the memory is that of the preconditioner")]
    fn look_ahead(
        &self,
        held: Held<'_, M::State, T>,
        parameters: &T,
        gradients: [&Covector<T>; K],
        losses: [Wide<T>; K],
    ) -> Result<Next<M::State, T, P::Memory<Wide<T>>, K>, Error> {
        let Descent { metric, preconditioner, momentum } = &self.configuration.rule;
        let Held { layout, groups, mut state, mut momenta, mut ambient } = held;
        layout.check(parameters.layout())?;
        for gradient in gradients {
            layout.check(gradient.0.layout())?;
            find_non_finite(&gradient.0)?;
        }
        preconditioner.check(losses.map(Element::to_f64), from_slice(&groups.xi, |&xi| xi))?;

        let total_gradient = sum(&gradients)?;
        metric.update(&mut state, &total_gradient)?;
        let measured = metric.measured(&state);
        if measured.is_some() && K > 1 {
            return Err(Error::Losses { expected: 1, found: K });
        }
        let measured = gradients.map(|gradient| measured.unwrap_or(gradient));
        for (remembered, covector) in momenta.iter_mut().zip(measured) {
            remembered.update(momentum, covector)?;
        }
        let of_gradients: Vec<&T> = measured.iter().map(|covector| &covector.0).collect();
        let of_momenta: Vec<&T> = momenta.iter().map(|momentum| &momentum.covector().0).collect();
        if let Some((first, rest)) = ambient.split_first_mut() {
            T::update(&Observe::<P, K>(preconditioner), Uniforms::same(&()), first, rest, &of_gradients)?;
        }
        let local = [&[parameters], &*of_gradients, &of_momenta, &ambient.iter().collect::<Vec<_>>()].concat();
        let columns = columns::<P, T, K>(preconditioner, parameters, &local)?;

        let raise = |covector: &Covector<T>| metric.raise(&state, covector).map(|raised| raised.0);
        let (raised_gradients, raised_columns) = if <P::Sums<Wide<T>> as Bundle<Wide<T>>>::LEN > 0 {
            let gradients: Vec<T> = measured.iter().map(|gradient| raise(gradient)).collect::<Result<_, Error>>()?;
            (gradients, columns.iter().map(raise).collect::<Result<Vec<T>, Error>>()?)
        } else {
            Default::default()
        };
        let of_columns: Vec<&T> = columns.iter().map(|column| &column.0).collect();
        let mut sums = [<P::Sums<Wide<T>> as Bundle<Wide<T>>>::zero()];
        if let [target, reads @ ..] = of_gradients.as_slice()
            && !raised_gradients.is_empty()
        {
            let raised: Vec<&T> = raised_gradients.iter().chain(&raised_columns).collect();
            let reads: Vec<&T> = [reads, &of_momenta, &of_columns, &raised].concat();
            let operands = Operands { target: *target, companions: &[], reads: &reads };
            T::sum(&Measure::<P, K>(preconditioner), Uniforms::same(&()), operands, &mut sums)?;
        }
        let first = groups.group_of_part.iter().min().copied().unwrap_or(0);
        let rates = groups.rates.get(first);
        let constant = <Wide<T> as Field>::constant;
        let inputs = Inputs {
            loss: losses,
            learning_rate: constant(rates.map_or(0.0, |rates| rates.learning_rate)),
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
        report.check(|| self.configuration.rule.named(&short_name::<M>()))?;
        named_finite(&[factors], "multiplier", |value: Wide<T>| T::Element::narrow(value).is_finite())?;
        named_finite(&[memory], "memory", |value: Wide<T>| value.is_finite())?;

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

    /// How many steps have been taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What happened to every group in the last step: first the parameters in no group, then the groups in order.
    pub fn reports(&self) -> impl Iterator<Item = (&str, Report<Wide<T>, [Wide<T>; K]>)> {
        self.groups.named().map(|rates| {
            let learning_rate = <Wide<T> as Field>::constant(rates.learning_rate);
            let effective_learning_rate = self.report.damping.map(|damping| learning_rate * damping);
            (rates.name.as_str(), Report { effective_learning_rate, ..self.report })
        })
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<Descent<M, P, Q, K>> {
        &self.configuration
    }

    /// What the metric remembers.
    #[must_use]
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// The momentum of every loss.
    #[must_use]
    pub fn momenta(&self) -> &[Remembered<T>] {
        &self.momenta
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

    /// Changes ξ of the loss from the next step on, as a schedule does; for several losses see [`set_xi_of`](Self::set_xi_of).
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a preconditioner without ξ.
    pub fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        self.set_xi_of(0, xi)
    }

    /// Changes ξ of one of several losses, counted from zero.
    ///
    /// # Errors
    ///
    /// As [`set_xi`](Self::set_xi), and [`Error::Losses`] where there is no such loss.
    pub fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        self.groups.set_xi(loss, xi)
    }

    /// Replaces a slot of the preconditioner's state by name, for what a user supplies: the coupling covector of [`Given`](crate::Given).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], where the layouts differ, [`Error::NonFiniteGradient`] for values that are NaN or infinite, and where the
    /// backend fails.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Dense, Descent, Given, Identity, Induced, NoMomentum};
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
}

/// The names of the preconditioner's state, as they are in a fused rule but for what stands before them.
fn ambient_slots<P: Preconditioner<K>, T: Tensor, const K: usize>() -> Vec<String> {
    nested_names::<T::Element, P::State<T::Element>>("ambient")
}

impl<M, P, Q, T, const K: usize> MetricOptimiser<M, P, Q, T, K>
where
    T: Tensor,
    M: Recorded<T, State: Clone>,
    P: Preconditioner<K>,
    Q: Momentum,
    Descent<M, P, Q, K>: Clone,
{
    /// Everything that is needed to go on later, keyed by parameter names; it serialises with the feature `serde`.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be read.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Descent, Ema, Induced, Kronecker, Log, MetricOptimiser};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![[3.0_f64, 1.0], [0.0, 2.0]]);
    /// let rule = Descent::new(Kronecker::default(), Induced::new(Log, 0.1), Ema(0.9));
    /// let mut optimiser = Configuration::new(rule, 0.1).build_whole(&theta)?;
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    ///
    /// let mut restored = MetricOptimiser::restore(&optimiser.checkpoint()?, &theta)?;
    /// let mut other = theta.clone();
    /// assert_eq!(optimiser.step(&mut theta, &gradient, 6.5)?, restored.step(&mut other, &gradient, 6.5)?);
    /// assert_eq!(theta, other);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Result<Checkpoint<Descent<M, P, Q, K>>, Error> {
        let rule_name = self.configuration.rule.named(&short_name::<M>());
        let mut checkpoint = Checkpoint::empty(&self.configuration, rule_name, &self.groups, self.steps);
        let saved = |part: &Part| SavedParameter { shape: part.shape.clone(), state: BTreeMap::new(), memory: None };
        checkpoint.parameters = self.layout.parts().iter().map(|part| (part.name.clone(), saved(part))).collect();
        let mut numbers = BTreeMap::new();
        // A clone shares every tensor, and writing changes none.
        self.clone().record(&mut Entries::write(&mut numbers, &mut checkpoint.parameters))?;
        checkpoint.memory = vec![numbers];
        Ok(checkpoint)
    }

    /// An optimiser that goes on where a checkpoint was taken, for parameters like those it was taken from.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::CheckpointEntry`], [`Error::MissingParameter`],
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`Configuration::build_whole`] finds.
    pub fn restore(checkpoint: &Checkpoint<Descent<M, P, Q, K>>, parameters: &T) -> Result<Self, Error> {
        checkpoint.check(checkpoint.configuration.rule.named(&short_name::<M>()), parameters.layout())?;
        let mut optimiser = checkpoint.configuration.clone().build_whole(parameters)?;
        checkpoint.set_rates(&mut optimiser.groups)?;
        require_len("memory", checkpoint.memory.len(), 1)?;
        for numbers in &checkpoint.memory {
            Entries::read_all(numbers, &checkpoint.parameters, |entries| optimiser.record(entries))?;
        }
        optimiser.steps = checkpoint.steps;
        Ok(optimiser)
    }

    /// As [`Optimiser::restore_partial`](crate::Optimiser::restore_partial), where nothing came or went; else a refusal: averages and powers of
    /// momenta and metrics count the steps of all parameters at once, and what a metric remembers may belong to several.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), and [`Error::NotPartial`] where something came or went.
    pub fn restore_partial(
        checkpoint: &Checkpoint<Descent<M, P, Q, K>>,
        parameters: &T,
    ) -> Result<Restored<Self>, Error> {
        let restored = checkpoint.restored((), parameters.layout());
        if !restored.is_whole() {
            return Err(Error::NotPartial { rule: checkpoint.configuration.rule.named(&short_name::<M>()) });
        }
        let Restored { fresh, gone, .. } = restored;
        Ok(Restored { optimiser: Self::restore(checkpoint, parameters)?, fresh, gone })
    }

    /// Hands everything that steps change to a checkpoint.
    fn record(&mut self, entries: &mut Entries<'_>) -> Result<(), Error> {
        let Self { configuration, state, momenta, ambient, memory, .. } = self;
        configuration.rule.metric.record(state, &mut entries.within("metric"))?;
        for (loss, momentum) in momenta.iter_mut().enumerate() {
            momentum.record::<Q>(&mut entries.within(&format!("momentum.{loss}")))?;
        }
        entries.tensors(&ambient_slots::<P, T, K>(), ambient)?;
        entries.bundle("memory", memory)
    }
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
        let learning_rate = <Wide<T> as Field>::constant(rates.learning_rate);
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
