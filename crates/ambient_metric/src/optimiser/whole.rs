//! The optimiser for any base metric: steps made of whole tensors.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ambient::coupling::{Coupling, Guard};
use crate::ambient::gram::Gram;
use crate::ambient::heights::Heights;
use crate::ambient::solve::{CouplingProducts, JointDamping, coupled_step, joint_damping};
use crate::base::base_metric::BaseMetric;
use crate::base::pointwise::WithState;
use crate::base::recorded::Recorded;
use crate::base::remembered::Remembered;
use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::{Bundle, nested_names};
use crate::number::scalar::{Element, Field, Real};
use crate::optimiser::checkpoint::{Checkpoint, Restored};
use crate::optimiser::configuration::{Configuration, Groups};
use crate::optimiser::optimiser::Report;
use crate::optimiser::present::Present;
use crate::rule::induced::Placement;
use crate::rule::metric_descent::MetricDescent;
use crate::rule::preconditioner::{Damping, check_range};
use crate::space::acts::Local;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::Separable;
use crate::space::momentum::Momentum;
use crate::space::record::{Entries, SavedParameter, require_len};
use crate::space::selection::{placed, select_all};
use crate::space::tensor::{Covector, Operands, Tensor, Vector, Wide, contract, find_non_finite};

impl<M, H: Heights<K>, Q: Momentum, P: Placement, C: Coupling, const K: usize>
    Configuration<MetricDescent<M, H, Q, P, C, K>>
{
    /// The optimiser for these parameters, before its first step.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Losses`], [`Error::Empty`], [`Error::DuplicateGroup`], [`Error::GroupMatchesNothing`],
    /// [`Error::OwnMetric`], [`Error::StateStorage`], and what the metric answers, such as [`Error::NotAMatrix`].
    pub fn build<T: Tensor>(self, parameters: &T) -> Result<MetricOptimiser<M, H, Q, P, C, T, K>, Error>
    where
        M: BaseMetric<T>,
    {
        self.rule.validate()?;
        self.state_storage.require_full()?;
        if let Some(group) = self.groups.iter().find(|group| group.own_metric) {
            return Err(Error::OwnMetric { group: group.name.clone() });
        }
        let groups = self.assigned(parameters.layout(), self.rule.heights.xi().to_vec())?;
        let slots = <C::State<T::Element> as Bundle<T::Element>>::LEN;
        let momenta = (0..K).map(|_| Remembered::begin(&self.rule.momentum, parameters));
        Ok(MetricOptimiser {
            layout: parameters.layout().clone(),
            groups,
            state: self.rule.metric.begin(parameters)?,
            momenta: momenta.collect::<Result<_, Error>>()?,
            coupling: Arc::new((0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?),
            average: Gram::from_entries(|_, _| <Wide<T> as Field>::zero()),
            power: <Wide<T> as Field>::one(),
            steps: 0,
            configuration: self,
        })
    }
}

/// What a step of a [`MetricOptimiser`] tells about itself: as [`Report`], for each of K losses.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Dense, Identity, MetricDescent, NoMomentum, Report};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let rule = MetricDescent::new(Dense::diagonal(&[1.0, 1.0])?, Identity, 0.04, NoMomentum);
/// let mut optimiser = Configuration::new(rule, 0.5).build(&theta)?;
/// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![3.0, 4.0])), 12.5)?;
///
/// assert_eq!((report.squared_length, report.slope, report.gradient_norm), ([1.0], [1.0], [5.0]));
/// assert_eq!((report.damping, report.determinant_ratio), ([0.5], 2.0));
/// assert_eq!(Report::from(report).damping, 0.5);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricReport<S, const K: usize = 1> {
    /// s_A = ξ_A⟨l_A, l_A⟩; of the covector that the metric measures in place of l, where it does.
    pub squared_length: [S; K],
    /// v̂_A, the corrected moving average of s_A.
    pub averaged: [S; K],
    /// f′_A, the slopes of the embeddings.
    pub slope: [S; K],
    /// a_A, the weight of every m̂_A♯ in the step: the damping r for one loss, and x where it is coupled.
    pub damping: [S; K],
    /// det g / det γ.
    pub determinant_ratio: S,
    /// ⟨c, c⟩ of the coupling covector as it enters the metric; zero without coupling.
    pub coupling: S,
    /// What the coupling covector was multiplied by to keep ⟨c, c⟩ below one; one where nothing was needed.
    pub coupling_scale: S,
    /// η a_A, with η of the first group that has parameters.
    pub effective_learning_rate: [S; K],
    /// ‖l_A‖, the Euclidean norms of the gradients.
    pub gradient_norm: [S; K],
}

/// The report of one loss, as every rule for one loss has it.
impl<S: Copy> From<MetricReport<S>> for Report<S> {
    fn from(report: MetricReport<S>) -> Self {
        Self {
            squared_length: report.squared_length[0],
            averaged: report.averaged[0],
            slope: report.slope[0],
            damping: report.damping[0],
            determinant_ratio: report.determinant_ratio,
            coupling: report.coupling,
            coupling_scale: report.coupling_scale,
            effective_learning_rate: report.effective_learning_rate[0],
            gradient_norm: report.gradient_norm[0],
        }
    }
}

/// A [`MetricDescent`] at work on parameters of type `T`: as [`Optimiser`](crate::Optimiser), for any base metric.
///
/// It owns the state: that of the metric, a momentum for every loss, and the average of the Gram matrix. Make one with
/// [`Configuration::build`].
///
/// # Mathematics
///
/// See [`MetricDescent`]. A step raises K covectors to measure and one to advance.
///
/// # Requirements
///
/// Parameters and gradients have the layout that the optimiser was built for.
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Identity, Configuration, MetricDescent, Muon, Nesterov, NoMomentum};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // Muon has its own momentum, so the rule needs none. At ξ = 0 this is Muon as it was published.
/// let metric = Muon { momentum: Nesterov(0.5), ..Muon::default() };
/// let rule = MetricDescent::new(metric, Identity, 0.0, NoMomentum);
/// let mut theta = Parameters::from(array![[2.0_f64, 1.0], [0.0, 1.0]]);
/// let mut optimiser = Configuration::new(rule, 0.01).build(&theta)?;
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
pub struct MetricOptimiser<M: BaseMetric<T>, H, Q, P, C, T: Tensor, const K: usize = 1> {
    configuration: Configuration<MetricDescent<M, H, Q, P, C, K>>,
    layout: Layout,
    groups: Groups,
    state: M::State,
    momenta: Vec<Remembered<T>>,
    coupling: Arc<Vec<T>>,
    /// Of the bare inner products: ξ may change.
    average: Gram<Wide<T>, K>,
    power: Wide<T>,
    steps: u64,
}

/// A clone goes on where the optimiser was, whatever becomes of that; tensors are shared until one of both steps.
impl<M, H, Q, P, C, T, const K: usize> Clone for MetricOptimiser<M, H, Q, P, C, T, K>
where
    MetricDescent<M, H, Q, P, C, K>: Clone,
    M: BaseMetric<T, State: Clone>,
    T: Tensor,
{
    fn clone(&self) -> Self {
        Self {
            configuration: self.configuration.clone(),
            layout: self.layout.clone(),
            groups: self.groups.clone(),
            state: self.state.clone(),
            momenta: self.momenta.clone(),
            coupling: Arc::clone(&self.coupling),
            average: self.average,
            power: self.power,
            steps: self.steps,
        }
    }
}

/// The weights of a step, and what led to them.
struct Weights<S, const K: usize> {
    damping: [S; K],
    determinant_ratio: S,
    /// Of c♯.
    along_coupling: S,
    coupling: S,
    coupling_scale: S,
}

/// What a step starts from: that of all parts, or of those alone that have a gradient.
struct Held<'a, St, T: Tensor> {
    layout: &'a Layout,
    groups: &'a Groups,
    state: St,
    momenta: Vec<Remembered<T>>,
    coupling: &'a [T],
}

/// What a step would write.
struct Next<St, T: Tensor, const K: usize> {
    direction: Vector<T>,
    state: St,
    momenta: Vec<Remembered<T>>,
    average: Gram<Wide<T>, K>,
    power: Wide<T>,
    report: MetricReport<Wide<T>, K>,
}

impl<M, H, Q, P, C, T> MetricOptimiser<M, H, Q, P, C, T, 1>
where
    T: Tensor,
    M: BaseMetric<T, State: Clone>,
    H: Heights<1>,
    Q: Momentum,
    P: Placement,
    C: Coupling,
{
    /// One step on the surface of one loss: replaces `parameters`, and returns what happened.
    ///
    /// # Errors
    ///
    /// Nothing is written where an error is returned: [`Error::MissingParameter`], [`Error::UnknownParameter`], [`Error::Shape`],
    /// [`Error::LossOutsideDomain`], [`Error::NonFiniteGradient`], [`Error::NotPositiveDefinite`], [`Error::Coupling`],
    /// [`Error::Determinant`], [`Error::Overflow`], [`Error::Backend`], and what the metric answers. What is not looked for is a step so large
    /// that a parameter overflows: a learning rate of 1e300, say.
    pub fn step(
        &mut self,
        parameters: &mut T,
        gradient: &Covector<T>,
        loss: Wide<T>,
    ) -> Result<MetricReport<Wide<T>>, Error> {
        self.step_losses(parameters, [gradient], [loss])
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
    /// use ambient_metric::{Configuration, Covector, Ema, Identity, MetricDescent, RmsProp};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let parts = |a: f64, b: f64| Parameters::new([("a", array![a].into_dyn()), ("b", array![b].into_dyn())]);
    /// let rule = MetricDescent::new(RmsProp::default(), Identity, 0.1, Ema(0.9));
    /// let mut theta = parts(1.0, 2.0)?;
    /// let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.1).build(&theta)?;
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
    ) -> Result<MetricReport<Wide<T>>, Error>
    where
        T: Separable,
    {
        self.step_losses_without(parameters, [gradient], [loss], absent)
    }
}

impl<M, H, Q, P, C, T, const K: usize> MetricOptimiser<M, H, Q, P, C, T, K>
where
    T: Tensor,
    M: BaseMetric<T, State: Clone>,
    H: Heights<K>,
    Q: Momentum,
    P: Placement,
    C: Coupling,
{
    /// One step on the common surface of K losses: one gradient and one loss for each.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and [`Error::Losses`] where the metric measures a covector of its own and there are several.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Covector, Dense, Height, Identity, Configuration, MetricDescent, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![1.0_f64, 1.0]);
    /// let heights = [Height { embedding: Identity, xi: 1.0 }, Height { embedding: Identity, xi: 3.0 }];
    /// let rule = MetricDescent::of_heights(Dense::diagonal(&[1.0, 1.0])?, heights, NoMomentum);
    /// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
    /// let [first, second] = [array![1.0, 0.0], array![0.0, 1.0]].map(|gradient| Covector(Parameters::from(gradient)));
    /// // The gradients are orthogonal, so each loss is damped by itself: 1 / (1 + 1) and 1 / (1 + 3).
    /// let report = optimiser.step_losses(&mut theta, [&first, &second], [2.0, 1.0])?;
    /// assert_eq!(theta.as_slice(), [0.5, 0.75]);
    /// assert_eq!(report.determinant_ratio, 8.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn step_losses(
        &mut self,
        parameters: &mut T,
        gradients: [&Covector<T>; K],
        losses: [Wide<T>; K],
    ) -> Result<MetricReport<Wide<T>, K>, Error> {
        let held = Held {
            layout: &self.layout,
            groups: &self.groups,
            state: self.state.clone(),
            momenta: self.momenta.clone(),
            coupling: &self.coupling,
        };
        let next = self.look_ahead(held, parameters, gradients, losses)?;
        advance(&self.groups, parameters, &next.direction)?;
        let Next { state, momenta, average, power, report, .. } = next;
        (self.state, self.momenta, self.average, self.power) = (state, momenta, average, power);
        self.steps = self.steps.saturating_add(1);
        Ok(report)
    }

    /// As [`step_losses`](Self::step_losses), where the parts `absent` have no gradient of any loss; see [`step_without`](Self::step_without).
    ///
    /// # Errors
    ///
    /// As [`step_losses`](Self::step_losses) and [`step_without`](Self::step_without).
    pub fn step_losses_without(
        &mut self,
        parameters: &mut T,
        gradients: [&Covector<T>; K],
        losses: [Wide<T>; K],
        absent: &[usize],
    ) -> Result<MetricReport<Wide<T>, K>, Error>
    where
        T: Separable,
    {
        if absent.is_empty() {
            return self.step_losses(parameters, gradients, losses);
        }
        self.layout.check(parameters.layout())?;
        gradients.iter().try_for_each(|gradient| self.layout.check(gradient.0.layout()))?;
        let Present { parts, groups, .. } = Present::without(&self.layout, &self.groups, absent)?;
        let metric = &self.configuration.rule.metric;

        let mut selection = parameters.select(&parts)?;
        let of_parts = select_all(gradients.iter().map(|gradient| &gradient.0), &parts)?;
        let of_parts: Vec<Covector<T>> = of_parts.into_iter().map(Covector).collect();
        let of_parts: Vec<&Covector<T>> = of_parts.iter().collect();
        let of_parts = of_parts.try_into().map_err(|_| Error::Losses { expected: K, found: gradients.len() })?;
        let momenta = self.momenta.iter().map(|momentum| momentum.select(&parts)).collect::<Result<_, Error>>()?;
        let coupling = select_all(self.coupling.iter(), &parts)?;
        let held = Held {
            layout: &self.layout.select(&parts)?,
            groups: &groups,
            state: metric.select(&self.state, &parts)?,
            momenta,
            coupling: &coupling,
        };
        let next = self.look_ahead(held, &selection, of_parts, losses)?;
        advance(&groups, &mut selection, &next.direction)?;

        let stepped = placed(parameters, &parts, &selection)?;
        let (mut state, mut momenta) = (self.state.clone(), self.momenta.clone());
        metric.place(&mut state, &parts, &next.state)?;
        for (momentum, of_parts) in momenta.iter_mut().zip(&next.momenta) {
            momentum.place(&parts, of_parts)?;
        }
        *parameters = stepped;
        (self.state, self.momenta, self.average, self.power) = (state, momenta, next.average, next.power);
        self.steps = self.steps.saturating_add(1);
        Ok(next.report)
    }

    /// All of a step but its writing.
    fn look_ahead(
        &self,
        held: Held<'_, M::State, T>,
        parameters: &T,
        gradients: [&Covector<T>; K],
        losses: [Wide<T>; K],
    ) -> Result<Next<M::State, T, K>, Error> {
        let rule = &self.configuration.rule;
        let Held { layout, groups, mut state, mut momenta, coupling } = held;
        layout.check(parameters.layout())?;
        for gradient in gradients {
            layout.check(gradient.0.layout())?;
            find_non_finite(&gradient.0)?;
        }
        rule.heights.check(losses.map(Element::to_f64))?;

        let total = total(&gradients)?;
        rule.metric.update(&mut state, &total)?;
        let measured = rule.metric.measured(&state);
        if measured.is_some() && K > 1 {
            return Err(Error::Losses { expected: 1, found: K });
        }
        let measured = gradients.map(|gradient| measured.unwrap_or(gradient));
        for (momentum, covector) in momenta.iter_mut().zip(measured) {
            momentum.update(&rule.momentum, covector)?;
        }

        let raised = measured.iter().map(|covector| rule.metric.raise(&state, covector));
        let raised = raised.collect::<Result<Vec<_>, Error>>()?;
        let gram = gram(&measured, &raised)?;
        check_lengths(&gram, short_name::<M>())?;
        let (kept, fresh) = (<Wide<T> as Field>::constant(rule.beta), <Wide<T> as Field>::constant(1.0 - rule.beta));
        let average =
            Gram::from_entries(|row, column| kept * self.average.entry(row, column) + fresh * gram.entry(row, column));
        let average = Bundle::<Wide<T>>::flushed(average);
        let power = Field::flushed(self.power * kept);
        let corrected =
            Gram::from_entries(|row, column| average.entry(row, column) / (<Wide<T> as Field>::one() - power));

        let slopes = rule.heights.slopes(losses);
        let xi = core::array::from_fn(|loss| <Wide<T> as Field>::constant(groups.xi.get(loss).copied().unwrap_or(0.0)));
        let coupled = self.couple(parameters, &measured, &raised, &momenta, (&state, coupling))?;
        let weights = self.weigh(slopes, xi, &corrected, coupled.as_ref())?;
        let averaged: [Wide<T>; K] = core::array::from_fn(|loss| xi[loss] * corrected.entry(loss, loss));
        let squared_length: [Wide<T>; K] = core::array::from_fn(|loss| xi[loss] * gram.entry(loss, loss));
        let sum = |numbers: [Wide<T>; K]| numbers.into_iter().fold(<Wide<T> as Field>::zero(), |sum, x| sum + x);
        let lengths = [sum(squared_length), sum(averaged)];
        check_range(lengths, weights.determinant_ratio, weights.damping)?;
        let length = gram.entry(0, 0);
        let local = (slopes, averaged, length, &weights);
        let direction = self.direct(local, &raised, &momenta, coupled.as_ref(), &state)?;
        find_non_finite(&direction.0).map_err(|error| match error {
            Error::NonFiniteGradient { parameter } => {
                Error::Overflow { quantity: format!("the step of parameter `{parameter}`") }
            }
            other => other,
        })?;

        rule.metric.learn_from(&mut state, &total, sum(xi), sum(squared_length))?;

        let first = groups.group_of_part.iter().min().copied().unwrap_or(0);
        let learning_rate = groups.rates.get(first).map_or(0.0, |rates| rates.learning_rate);
        let learning_rate = <Wide<T> as Field>::constant(learning_rate);
        let mut gradient_norm = [<Wide<T> as Field>::zero(); K];
        for (norm, gradient) in gradient_norm.iter_mut().zip(gradients) {
            *norm = contract(&gradient.0, &gradient.0)?.sqrt();
        }
        let report = MetricReport {
            squared_length,
            averaged,
            slope: slopes,
            damping: weights.damping,
            determinant_ratio: weights.determinant_ratio,
            coupling: weights.coupling,
            coupling_scale: weights.coupling_scale,
            effective_learning_rate: weights.damping.map(|damping| learning_rate * damping),
            gradient_norm,
        };
        Ok(Next { direction, state, momenta, average, power, report })
    }

    /// The coupling covector raised, and ⟨c, l⟩ and ⟨c, c⟩; nothing where there is none.
    fn couple(
        &self,
        parameters: &T,
        measured: &[&Covector<T>; K],
        raised: &[Vector<T>],
        momenta: &[Remembered<T>],
        (state, coupling): (&M::State, &[T]),
    ) -> Result<Option<Coupled<T>>, Error> {
        let rule = &self.configuration.rule;
        let ([gradient, ..], [raised, ..], [momentum, ..]) = (measured.as_slice(), raised, momenta) else {
            return Ok(None);
        };
        if !MetricDescent::<M, H, Q, P, C, K>::is_coupled() {
            return Ok(None);
        }
        let mut covector = Covector(parameters.duplicate()?);
        let mut reads = vec![&gradient.0, &momentum.covector().0];
        reads.extend(coupling);
        T::update(&CouplingCovector(&rule.coupling), Uniforms::same(&()), &mut covector.0, &mut [], &reads)?;
        let vector = rule.metric.raise(state, &covector)?;
        let (along, length) = (covector.contract(raised)?, covector.contract(&vector)?);
        if !along.is_finite() || !length.is_finite() {
            return Err(Error::Overflow { quantity: "an inner product of the coupling covector".to_owned() });
        }
        if length.is_negative() {
            return Err(Error::NotPositiveDefinite { metric: short_name::<M>() });
        }
        let gradient = gradient.contract(raised)?;
        Ok(Some(Coupled { vector, gradient, along, length }))
    }

    fn weigh(
        &self,
        slopes: [Wide<T>; K],
        xi: [Wide<T>; K],
        gram: &Gram<Wide<T>, K>,
        coupled: Option<&Coupled<T>>,
    ) -> Result<Weights<Wide<T>, K>, Error> {
        let weights = match coupled {
            Some(coupled) => coupled.weigh((slopes[0], xi[0]), gram.entry(0, 0), self.configuration.rule.guard)?,
            None => Weights::uncoupled(joint_damping(slopes, xi, gram)),
        };
        let ratio = weights.determinant_ratio;
        if ratio.is_negative() || ratio == <Wide<T> as Field>::zero() {
            let rule = self.configuration.rule.name();
            return Err(Error::Determinant { rule, determinant_ratio: ratio.to_f64() });
        }
        let fits = |weight: Wide<T>| T::Element::narrow(weight).is_finite();
        if !weights.damping.into_iter().chain([weights.along_coupling]).all(fits) {
            return Err(Error::Overflow { quantity: "the damping".to_owned() });
        }
        Ok(weights)
    }

    /// What a step subtracts η times.
    fn direct(
        &self,
        (slopes, averaged, length, weights): Measures<'_, Wide<T>, K>,
        raised: &[Vector<T>],
        momenta: &[Remembered<T>],
        coupled: Option<&Coupled<T>>,
        state: &M::State,
    ) -> Result<Vector<T>, Error> {
        let rule = &self.configuration.rule;
        if let ([momentum], [raised], None) = (momenta, raised, coupled) {
            let mut direction = rule.metric.raise(state, momentum.covector())?;
            let mut sums = [<P::Sums<Wide<T>> as Bundle<Wide<T>>>::zero()];
            if <P::Sums<Wide<T>> as Bundle<Wide<T>>>::LEN > 0 {
                let operands = Operands { target: &raised.0, companions: &[], reads: &[&momentum.covector().0] };
                T::sum(&MeasurePlacement(&rule.placement), Uniforms::same(&()), operands, &mut sums)?;
            }
            let [sums] = sums;
            let [slope, averaged, damping] = [slopes[0], averaged[0], weights.damping[0]];
            let damping = Damping::uncoupled(averaged, averaged, slope, damping, weights.determinant_ratio);
            let factors = rule.placement.factors(damping, length, sums);
            T::update(&Place(&rule.placement), Uniforms::same(&factors), &mut direction.0, &mut [], &[&raised.0])?;
            return Ok(direction);
        }
        let mut followed: Option<Covector<T>> = None;
        for (momentum, &weight) in momenta.iter().zip(&weights.damping) {
            let mut weighted = Vector(momentum.covector().0.duplicate()?);
            weighted.scale(weight)?;
            match &mut followed {
                None => followed = Some(Covector(weighted.0)),
                Some(followed) => followed.add_scaled(<Wide<T> as Field>::one(), &Covector(weighted.0))?,
            }
        }
        let mut direction = rule.metric.raise(state, &followed.ok_or(Error::Empty)?)?;
        if let Some(coupled) = coupled {
            direction.add_scaled(weights.along_coupling, &coupled.vector)?;
        }
        Ok(direction)
    }

    /// How many steps have been taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<MetricDescent<M, H, Q, P, C, K>> {
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
    /// [`Error::Hyperparameter`] for ξ < 0.
    pub fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        self.set_xi_of(0, xi)
    }

    /// Changes ξ of one of several losses, counted from zero.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::Losses`] where there is no such loss.
    pub fn set_xi_of(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        self.groups.set_xi(loss, xi)
    }

    /// Replaces the state of the coupling: the covector c itself for [`Given`](crate::Given).
    ///
    /// # Errors
    ///
    /// [`Error::Operands`] where the coupling keeps another number of tensors, and what [`Layout::check`] finds.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Covector, Dense, Given, Identity, Configuration, MetricDescent, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let rule = MetricDescent::new(Dense::diagonal(&[1.0, 1.0])?, Identity, 1.0, NoMomentum).coupled(Given);
    /// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
    /// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
    /// optimiser.write_coupling(&[&Parameters::from(array![0.0, 0.5])])?;
    /// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0, 0.0])), 0.5)?;
    /// // ⟨c, l⟩ = 0, so D = 1 + s (1 − ⟨c, c⟩), and the step leaves the direction of the gradient.
    /// assert_eq!((report.coupling, report.determinant_ratio), (0.25, 1.75));
    /// assert_eq!(theta.as_slice(), [1.0 - 1.0 / 1.75, 0.5 / 1.75]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn write_coupling(&mut self, values: &[&T]) -> Result<(), Error> {
        if values.len() != self.coupling.len() {
            return Err(Error::Operands { expected: self.coupling.len(), found: values.len() });
        }
        values.iter().try_for_each(|value| self.layout.check(value.layout()))?;
        self.coupling = Arc::new(values.iter().map(|value| value.duplicate()).collect::<Result<_, Error>>()?);
        Ok(())
    }
}

impl<M, H, Q, P, C, T, const K: usize> MetricOptimiser<M, H, Q, P, C, T, K>
where
    T: Tensor,
    M: Recorded<T, State: Clone>,
    H: Heights<K>,
    Q: Momentum,
    P: Placement,
    C: Coupling,
    MetricDescent<M, H, Q, P, C, K>: Clone,
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
    /// use ambient_metric::{Configuration, Covector, Ema, Kronecker, Log, MetricDescent, MetricOptimiser};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![[3.0_f64, 1.0], [0.0, 2.0]]);
    /// let rule = MetricDescent::new(Kronecker::default(), Log, 0.1, Ema(0.9));
    /// let mut optimiser = Configuration::new(rule, 0.1).build(&theta)?;
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    ///
    /// let mut restored = MetricOptimiser::restore(&optimiser.checkpoint()?, &theta)?;
    /// let mut other = theta.clone();
    /// assert_eq!(optimiser.step(&mut theta, &gradient, 6.5)?, restored.step(&mut other, &gradient, 6.5)?);
    /// assert_eq!(theta, other);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    #[allow(clippy::type_complexity, reason = "it names the rule, whose parts are the type's own")]
    pub fn checkpoint(&self) -> Result<Checkpoint<MetricDescent<M, H, Q, P, C, K>>, Error> {
        let rule_name = self.configuration.rule.name();
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
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`Configuration::build`] finds.
    pub fn restore(checkpoint: &Checkpoint<MetricDescent<M, H, Q, P, C, K>>, parameters: &T) -> Result<Self, Error> {
        checkpoint.check(checkpoint.configuration.rule.name(), parameters.layout())?;
        let mut optimiser = checkpoint.configuration.clone().build(parameters)?;
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
        checkpoint: &Checkpoint<MetricDescent<M, H, Q, P, C, K>>,
        parameters: &T,
    ) -> Result<Restored<Self>, Error> {
        let restored = checkpoint.restored((), parameters.layout());
        if !restored.is_whole() {
            return Err(Error::NotPartial { rule: checkpoint.configuration.rule.name() });
        }
        let Restored { fresh, gone, .. } = restored;
        Ok(Restored { optimiser: Self::restore(checkpoint, parameters)?, fresh, gone })
    }

    /// Hands everything that steps change to a checkpoint.
    fn record(&mut self, entries: &mut Entries<'_>) -> Result<(), Error> {
        let Self { configuration, state, momenta, coupling, average, power, .. } = self;
        configuration.rule.metric.record(state, &mut entries.within("metric"))?;
        for (loss, momentum) in momenta.iter_mut().enumerate() {
            momentum.record::<Q>(&mut entries.within(&format!("momentum.{loss}")))?;
        }
        entries.tensors(&nested_names::<T::Element, C::State<T::Element>>("coupling"), coupling)?;
        entries.bundle("average", average)?;
        entries.number("power", power)
    }
}

/// f′, ξ⟨l, l⟩ as averaged, ⟨l, l⟩ and the weights of a step.
type Measures<'a, S, const K: usize> = ([S; K], [S; K], S, &'a Weights<S, K>);

/// c♯, ⟨l, l⟩, ⟨c, l⟩ and ⟨c, c⟩.
struct Coupled<T: Tensor> {
    vector: Vector<T>,
    gradient: Wide<T>,
    along: Wide<T>,
    length: Wide<T>,
}

impl<T: Tensor> Coupled<T> {
    /// The weights of m̂♯ and c♯ from (f′, ξ) and the average of ⟨l, l⟩, with c scaled back where that is allowed and needed.
    fn weigh<const K: usize>(
        &self,
        (slope, xi): (Wide<T>, Wide<T>),
        averaged: Wide<T>,
        guard: Guard,
    ) -> Result<Weights<Wide<T>, K>, Error> {
        let constant = <Wide<T> as Field>::constant;
        let coupling_scale = match guard {
            Guard::Refuse if !(self.length - constant(1.0)).is_negative() => {
                return Err(Error::Coupling { squared_length: self.length.to_f64() });
            }
            Guard::ScaleBack { margin } if !(self.length - constant(1.0 - margin)).is_negative() => {
                (constant(1.0 - margin) / self.length).sqrt()
            }
            _ => constant(1.0),
        };
        let along = coupling_scale * self.along;
        let coupling = coupling_scale * coupling_scale * self.length;
        let products = CouplingProducts { length: self.gradient, left: along, right: along, between: coupling };
        let step = coupled_step(slope, xi.sqrt(), averaged, products);
        Ok(Weights {
            damping: [step.along_gradient; K],
            determinant_ratio: step.determinant_ratio,
            along_coupling: coupling_scale * step.along_coupling,
            coupling,
            coupling_scale,
        })
    }
}

impl<S: Real, const K: usize> Weights<S, K> {
    fn uncoupled(joint: JointDamping<S, K>) -> Self {
        Self {
            damping: joint.dampings,
            determinant_ratio: joint.determinant_ratio,
            along_coupling: S::zero(),
            coupling: S::zero(),
            coupling_scale: S::one(),
        }
    }
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
fn total<T: Tensor>(gradients: &[&Covector<T>]) -> Result<Covector<T>, Error> {
    let (first, others) = gradients.split_first().ok_or(Error::Empty)?;
    let mut total = Covector(first.0.duplicate()?);
    others.iter().try_for_each(|other| total.add_scaled(<Wide<T> as Field>::one(), other))?;
    Ok(total)
}

/// Accepts inner products that are finite, and lengths that are not negative.
fn check_lengths<S: Element, const K: usize>(gram: &Gram<S, K>, metric: String) -> Result<(), Error> {
    if !gram.scalars().all(Element::is_finite) {
        return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
    }
    if (0..K).any(|loss| gram.entry(loss, loss).is_negative()) {
        return Err(Error::NotPositiveDefinite { metric });
    }
    Ok(())
}

/// The inner products of covectors, of which the raised are given.
fn gram<T: Tensor, const K: usize>(
    covectors: &[&Covector<T>; K],
    raised: &[Vector<T>],
) -> Result<Gram<Wide<T>, K>, Error> {
    let mut entries = [[<Wide<T> as Field>::zero(); K]; K];
    for (row, (covector, entries)) in covectors.iter().zip(&mut entries).enumerate() {
        for (raised, entry) in raised.iter().zip(entries.iter_mut()).take(row + 1) {
            *entry = covector.contract(raised)?;
        }
    }
    Ok(Gram::from_entries(|row, column| entries[row][column]))
}

/// θ − ηd − ηλθ.
struct Advance;

impl Kernel for Advance {
    /// η and ηλ.
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, [learning_rate, decay]: [S; 2], [parameter, direction]: [S; 2]) -> S {
        parameter - learning_rate * direction - decay * parameter
    }
}

/// The sums of a placement, from l♯ and m̂.
struct MeasurePlacement<'p, P>(&'p P);

impl<P: Placement> Kernel for MeasurePlacement<'_, P> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = P::Sums<S>;

    fn evaluate<S: Real>(&self, (): (), [raised, momentum]: [S; 2]) -> P::Sums<S> {
        self.0.measure(raised, momentum)
    }
}

/// The step vector of a placement, from m̂♯ and l♯.
struct Place<'p, P>(&'p P);

impl<P: Placement> Kernel for Place<'_, P> {
    type Uniform<S: Real> = P::Factors<S>;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, factors: P::Factors<S>, [momentum, gradient]: [S; 2]) -> S {
        self.0.apply(factors, gradient, momentum)
    }
}

/// θ ← c.
struct CouplingCovector<'c, C>(&'c C);

impl<C: Coupling> Kernel for CouplingCovector<'_, C> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = WithState<[S; 3], C::State<S>>;
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> S {
        let [parameter, gradient, momentum] = input.component;
        self.0.covector(input.state, Local { parameter, gradient, momentum })
    }
}
