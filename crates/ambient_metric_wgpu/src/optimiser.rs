//! The optimiser on a device: the three acts enqueued, with nothing coming back to the host.

use std::sync::Arc;

use ambient_metric::{
    Advance, Bundle, Checkpoint, Configuration, Covector, Element, Error, Groups, Layout, Report, Restored, Rule,
    StateStorage, Tensor, stands_zero,
};
use ambient_metric_trace::shader::{DAMP_WRITABLE, POOLS_HEADER, PassShader, Purpose, ScalarLayout, damp, reason};
use ambient_metric_trace::{Recording, Wgsl};

use crate::context::Context;
use crate::error::DeviceError;
use crate::pass::{Cut, Plan, Totals, bind_group, check_functions, check_together, share_buffers, short};
use crate::tensor::{Chunk, DeviceElement, DeviceTensor, Space};

/// The loss whose gradient a step follows.
#[derive(Clone, Copy, Debug)]
pub enum Loss<'a> {
    /// A number that the host knows; a loss outside the embedding's domain is an error at once.
    Host(f64),
    /// A number on the device, of the precision of the parameters; a loss outside the embedding's domain skips the step.
    Device {
        /// The buffer, made with the usage `COPY_SRC`.
        buffer: &'a wgpu::Buffer,
        /// Where the number lies, in bytes; a multiple of 4.
        offset: u64,
    },
}

impl From<f64> for Loss<'_> {
    fn from(loss: f64) -> Self {
        Self::Host(loss)
    }
}

/// Why the last step was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// A gradient has an element that is NaN or infinite.
    NonFiniteGradient,
    /// The loss is outside the domain of the embedding.
    LossOutsideDomain,
    /// The squared length of the gradient, another sum or a multiplier overflowed though every gradient is finite.
    Overflow,
    /// The metric is not positive definite there.
    NotPositiveDefinite,
    /// The coupling has ⟨c, c⟩ ≥ 1, so that the ambient form is no metric.
    Coupling,
}

/// What the device tells when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceReport<L = f64> {
    /// Steps taken, skipped ones not counted.
    pub steps: u64,
    /// Steps skipped; they left parameters and state as they were, bit for bit.
    pub skipped: u64,
    /// Why the last step was skipped, if it was.
    pub last_skip: Option<Skip>,
    /// The report of the last step that was taken, for every group by name.
    pub groups: Vec<(String, Report<f64, L>)>,
}

/// What the passes of one act move and launch, from the rule's own reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes per parameter that act 1 reads.
    pub measure: usize,
    /// Bytes per parameter that act 3 reads and writes.
    pub advance: usize,
}

impl Traffic {
    /// Bytes per parameter of a whole step.
    #[must_use]
    pub fn total(&self) -> usize {
        self.measure + self.advance
    }
}

/// A rule at work on device tensors.
///
/// A step is enqueued and returns at once: act 1 with a two-level sum in a fixed order, act 2 in one invocation, act 3 with
/// vector loads. Scalar memory, damping, and the count of skipped steps stay on the device until
/// [`report`](Self::report) asks for them.
///
/// # Example
///
/// ```
/// use ambient_metric::{rules, Configuration, Covector};
/// use ambient_metric_wgpu::{Context, DeviceOptimiser, DeviceTensor};
///
/// # let Ok(context) = Context::new(None) else { return Ok(()) };
/// let mut theta = DeviceTensor::new(&context, [("theta", vec![2], vec![3.0_f32, 4.0])])?;
/// let gradient = Covector(DeviceTensor::new(&context, [("theta", vec![2], vec![3.0_f32, 4.0])])?);
/// let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::euclidean(1.0, 0.0, 0.0), 0.5), &theta)?;
///
/// optimiser.step(&mut theta, &gradient, 12.5)?;
/// assert_eq!(optimiser.report()?.steps, 1);
/// let damping = 1.0 / 26.0;
/// assert!((theta.to_host("theta")?[0] - (3.0 - 0.5 * damping * 3.0)).abs() < 1e-6);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceOptimiser<R: Rule, E: DeviceElement> {
    configuration: Configuration<R>,
    context: Context,
    groups: Groups,
    /// The layout of the parameters.
    parameters: Layout,
    state: Vec<DeviceTensor<E>>,
    layout: ScalarLayout,
    traffic: Traffic,
    scalar_act: ScalarAct,
    /// The passes for the last arrangement of parameters and gradient.
    passes: Option<Passes>,
    block: usize,
}

/// The buffers and the kernel of act 2.
#[derive(Debug)]
struct ScalarAct {
    pipeline: wgpu::ComputePipeline,
    pools: wgpu::Buffer,
    inputs: wgpu::Buffer,
    scalars: wgpu::Buffer,
    status: wgpu::Buffer,
}

/// The passes of acts 1 and 3 for one arrangement of parameters and gradient, and their bindings for the buffers seen last.
#[derive(Debug)]
struct Passes {
    parameters: Arc<Space>,
    gradients: Vec<Arc<Space>>,
    shared: bool,
    measure: Plan,
    totals: Totals,
    advance: Plan,
    bound: Option<Bound>,
}

/// Bind groups, and the buffers that they were made for.
#[derive(Debug)]
struct Bound {
    parameters: Vec<Chunk>,
    gradients: Vec<Vec<Chunk>>,
    measure: Vec<wgpu::BindGroup>,
    totals: wgpu::BindGroup,
    damp: wgpu::BindGroup,
    advance: Vec<wgpu::BindGroup>,
}

impl<R: Rule, E: DeviceElement> DeviceOptimiser<R, E> {
    /// The optimiser of a configuration for these parameters, before its first step.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build`], and [`Error::Backend`] where the device fails or refuses the scalar act.
    pub fn new(configuration: Configuration<R>, parameters: &DeviceTensor<E>) -> Result<Self, Error> {
        let groups = configuration.resolve(parameters.layout())?;
        Self::of_groups(configuration, groups, parameters)
    }

    /// The optimiser of a configuration whose groups are known.
    fn of_groups(configuration: Configuration<R>, groups: Groups, parameters: &DeviceTensor<E>) -> Result<Self, Error> {
        let context = parameters.context().clone();
        configuration.state_storage.require_full()?;
        let slots = <R::State<E> as Bundle<E>>::LEN;
        let state = (0..slots).map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?;
        let rule = &configuration.rule;
        StateStorage::Full.check_range::<R, E>(rule)?;
        if !stands_zero::<R, E>(rule) {
            let problem = "in this precision it does not stay finite where gradient and state are zero: give the metric a larger ε, or a \
                           moving average a smaller decay";
            return Err(DeviceError::Rule { rule: rule.name(), problem: problem.to_owned() }.into());
        }
        for recording in [Recording::measure(rule), Recording::damp(rule), Recording::update(&Advance(rule))] {
            check_functions::<E>(&rule.name(), &recording)?;
        }
        let allowed = context.device().limits().max_storage_buffers_per_shader_stage as usize;
        if allowed < DAMP_WRITABLE.len() {
            return Err(DeviceError::TooManyBuffers { needed: DAMP_WRITABLE.len(), allowed }.into());
        }

        let alignment = context.device().limits().min_storage_buffer_offset_alignment.max(16) as usize;
        let layout = ScalarLayout::of::<R>(groups.rates.len(), alignment);
        let wgsl = Wgsl { double: E::DOUBLE, width: 1 };
        let scalar_act = ScalarAct {
            pipeline: context.pipeline(&damp(&Recording::damp(rule), wgsl, layout), &DAMP_WRITABLE)?,
            pools: context.buffer("a table of pools", (POOLS_HEADER + layout.groups) as u64 * 4)?,
            inputs: context.buffer("inputs", (2 * layout.losses + 2 * layout.groups) as u64 * E::SIZE)?,
            scalars: context.buffer("scalar memory", layout.numbers() as u64 * E::SIZE)?,
            status: context.buffer("a status", 16)?,
        };
        let mut pools = vec![short(layout.groups)?, short(layout.passes())?, short(layout.reports())?];
        for rates in &groups.rates {
            pools.push(short(rates.pool)?);
        }
        context.write(&scalar_act.pools, 0, bytemuck::cast_slice(&pools))?;
        let traffic = Traffic {
            measure: Recording::measure(rule).bytes(size_of::<E>()),
            advance: Recording::update(&Advance(rule)).bytes(size_of::<E>()),
        };
        let block = context.block();
        let mut optimiser = Self {
            configuration,
            context,
            groups,
            parameters: parameters.layout().clone(),
            state,
            layout,
            traffic,
            scalar_act,
            passes: None,
            block,
        };
        let begin = optimiser.configuration.rule.begin::<f64>();
        let memory: Vec<f64> = begin.scalars().collect();
        optimiser.write_memory(&vec![memory; optimiser.groups.memories])?;
        Ok(optimiser)
    }

    /// Enqueues one step and returns; nothing is waited for and nothing read.
    ///
    /// A gradient with an element that is not finite, a loss on the device outside the embedding's domain, or an overflow
    /// leaves parameters and state as they are, bit for bit, and is counted.
    ///
    /// # Errors
    ///
    /// Nothing has been enqueued where an error is returned: layouts that differ, tensors of two devices, a host loss outside
    /// the domain, a lost device, no memory.
    pub fn step<'l>(
        &mut self,
        parameters: &mut DeviceTensor<E>,
        gradient: &Covector<DeviceTensor<E>>,
        loss: impl Into<Loss<'l>>,
    ) -> Result<(), Error> {
        self.advance(parameters, &[&gradient.0], &[loss.into()])
    }

    /// As [`step`](Self::step), for a rule of several losses: one gradient and one loss for each, all losses on the host or all on the
    /// device.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and [`Error::Losses`] for another number than the rule is for.
    pub fn step_losses(
        &mut self,
        parameters: &mut DeviceTensor<E>,
        gradients: &[&Covector<DeviceTensor<E>>],
        losses: &[Loss<'_>],
    ) -> Result<(), Error> {
        let gradients: Vec<&DeviceTensor<E>> = gradients.iter().map(|gradient| &gradient.0).collect();
        self.advance(parameters, &gradients, losses)
    }

    fn advance(
        &mut self,
        parameters: &mut DeviceTensor<E>,
        gradients: &[&DeviceTensor<E>],
        losses: &[Loss<'_>],
    ) -> Result<(), Error> {
        let expected = self.layout.losses;
        for found in [gradients.len(), losses.len()] {
            if found != expected {
                return Err(Error::Losses { expected, found });
            }
        }
        self.parameters.check(parameters.layout())?;
        self.context.check_same(parameters.context())?;
        let tensors: Vec<&DeviceTensor<E>> = core::iter::once(&*parameters).chain(gradients.iter().copied()).collect();
        check_together(&tensors)?;
        let on_host: Vec<f64> =
            losses.iter().filter_map(|loss| if let Loss::Host(loss) = loss { Some(*loss) } else { None }).collect();
        if on_host.len() == expected {
            self.check_losses(&on_host)?;
        } else if !on_host.is_empty() {
            let problem = "some losses are on the host and some on the device: give all of them in one place";
            return Err(DeviceError::Misuse(problem.to_owned()).into());
        }
        let inputs = self.inputs(&on_host);
        self.plan(parameters, gradients)?;
        self.bind(parameters, gradients)?;
        let Some(Passes { measure, totals, advance, bound: Some(bound), .. }) = &self.passes else {
            return Err(DeviceError::Misuse("the passes were not planned".to_owned()).into());
        };
        let context = &self.context;
        context.guarded("a step", || {
            context.queue().write_buffer(&self.scalar_act.inputs, 0, bytemuck::cast_slice(&inputs));
            let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (index, loss) in losses.iter().enumerate() {
                if let Loss::Device { buffer, offset } = loss {
                    let target = index as u64 * E::SIZE;
                    encoder.copy_buffer_to_buffer(buffer, *offset, &self.scalar_act.inputs, target, E::SIZE);
                }
            }
            {
                let pass = &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                measure.encode(context, pass, &bound.measure);
                totals.encode(context, pass, &bound.totals);
                pass.set_pipeline(&self.scalar_act.pipeline);
                pass.set_bind_group(0, &bound.damp, &[]);
                pass.dispatch_workgroups(1, 1, 1);
                context.count_dispatch();
                advance.encode(context, pass, &bound.advance);
            }
            context.queue().submit([encoder.finish()]);
        })?;
        Ok(())
    }

    /// Accepts losses, also in the precision of the parameters, in which the device computes with them.
    fn check_losses(&self, losses: &[f64]) -> Result<(), Error> {
        let rule = &self.configuration.rule;
        for convert in [|loss: f64| loss, |loss: f64| E::narrow(loss).to_f64()] {
            let mut losses = losses.iter().copied().map(convert);
            let mut xi = self.groups.xi.iter().copied();
            let xi = Bundle::build(&mut || xi.next().unwrap_or(0.0));
            rule.check_loss(Bundle::build(&mut || losses.next().unwrap_or(f64::NAN)), xi)?;
        }
        Ok(())
    }

    /// L of every loss (zero where it comes from the device), ξ of every loss (zero where the rule has none), then η and λ of every group.
    fn inputs(&self, losses: &[f64]) -> Vec<E> {
        let given = [losses, &self.groups.xi].into_iter();
        let mut inputs: Vec<E> = given
            .flat_map(|given| (0..self.layout.losses).map(|index| given.get(index).copied().unwrap_or(0.0)))
            .map(E::narrow)
            .collect();
        for rates in &self.groups.rates {
            inputs.extend([E::narrow(rates.learning_rate), E::narrow(rates.weight_decay)]);
        }
        inputs
    }

    /// Lays acts 1 and 3 out over tensors arranged like these, unless that is done.
    fn plan(&mut self, parameters: &DeviceTensor<E>, gradients: &[&DeviceTensor<E>]) -> Result<(), DeviceError> {
        let chunks: Vec<&[Chunk]> =
            core::iter::once(parameters.chunks()).chain(gradients.iter().map(|gradient| gradient.chunks())).collect();
        let shared = share_buffers(&chunks);
        if let Some(passes) = &self.passes
            && passes.parameters == *parameters.space()
            && passes.gradients.iter().eq(gradients.iter().map(|gradient| gradient.space()))
            && passes.shared == shared
        {
            return Ok(());
        }
        let rule = &self.configuration.rule;
        let spaces: Vec<&Space> = core::iter::once(parameters.space().as_ref())
            .chain(self.state.iter().map(|state| state.space().as_ref()))
            .chain(gradients.iter().map(|gradient| gradient.space().as_ref()))
            .collect();
        let group = |part: usize| self.groups.group_of_part.get(part).copied().unwrap_or(0);
        let cut = Cut { block: self.block, shared };

        let recording = Recording::measure(rule);
        let watched = self.layout.losses;
        let measure = Plan::new::<E>(&self.context, &spaces, &group, cut, &|wgsl, shared| {
            PassShader::new(&recording, wgsl, Purpose::Sum { watched }, shared)
        })?;
        let totals = Totals::new::<E>(&self.context, &measure, self.layout.groups, self.layout.sums)?;
        let recording = Recording::update(&Advance(rule));
        let advance = Plan::new::<E>(&self.context, &spaces, &group, cut, &|wgsl, shared| {
            PassShader::new(&recording, wgsl, Purpose::Update { gated: true }, shared)
        })?;
        let parameters = Arc::clone(parameters.space());
        let gradients = gradients.iter().map(|gradient| Arc::clone(gradient.space())).collect();
        self.passes = Some(Passes { parameters, gradients, shared, measure, totals, advance, bound: None });
        Ok(())
    }

    /// Binds the passes to the buffers of these tensors, unless that is done.
    fn bind(&mut self, parameters: &DeviceTensor<E>, gradients: &[&DeviceTensor<E>]) -> Result<(), DeviceError> {
        let Some(passes) = &mut self.passes else { return Ok(()) };
        if passes.bound.as_ref().is_some_and(|bound| {
            bound.parameters == parameters.chunks()
                && bound.gradients.iter().map(Vec::as_slice).eq(gradients.iter().map(|gradient| gradient.chunks()))
        }) {
            return Ok(());
        }
        let chunks: Vec<&[Chunk]> = core::iter::once(parameters.chunks())
            .chain(self.state.iter().map(DeviceTensor::chunks))
            .chain(gradients.iter().map(|gradient| gradient.chunks()))
            .collect();
        let (context, act) = (&self.context, &self.scalar_act);
        let uniforms = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &act.scalars,
            offset: self.layout.passes() as u64 * E::SIZE,
            size: None,
        });
        let bound = context.guarded("the bindings of a step", || Bound {
            parameters: parameters.chunks().to_vec(),
            gradients: gradients.iter().map(|gradient| gradient.chunks().to_vec()).collect(),
            measure: passes.measure.bind(
                context,
                &chunks,
                &act.scalars.as_entire_binding(),
                Some(&passes.totals.partials),
            ),
            totals: passes.totals.bind(context),
            damp: bind_group(
                context,
                &act.pipeline,
                [&act.pools, &act.inputs, &passes.totals.sums, &act.scalars, &act.status]
                    .map(wgpu::Buffer::as_entire_binding)
                    .into(),
            ),
            advance: passes.advance.bind(context, &chunks, &uniforms, None),
        })?;
        passes.bound = Some(bound);
        Ok(())
    }

    /// What happened so far; waits for the device. Of several losses it has the first, and [`report_losses`](Self::report_losses) all.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    pub fn report(&self) -> Result<DeviceReport, Error> {
        let DeviceReport { steps, skipped, last_skip, groups } = self.report_losses()?;
        let groups = groups.into_iter().map(|(name, report)| (name, report.first())).collect();
        Ok(DeviceReport { steps, skipped, last_skip, groups })
    }

    /// As [`report`](Self::report), with one number per loss.
    ///
    /// # Errors
    ///
    /// As [`report`](Self::report).
    pub fn report_losses(&self) -> Result<DeviceReport<R::PerLoss<f64>>, Error> {
        let status = self.context.read(&self.scalar_act.status, 0, 16)?;
        let status = bytemuck::pod_collect_to_vec::<u8, u32>(&status);
        let at = |index: usize| status.get(index).copied().unwrap_or(0);
        let offset = self.layout.reports() as u64 * E::SIZE;
        let length = self.layout.report();
        let numbers = self.read_scalars(offset, self.layout.groups * length)?;
        let mut groups = Vec::<(String, Report<_, _>)>::new();
        for (rates, numbers) in self.groups.rates.iter().zip(numbers.chunks(length)) {
            // A rule that learns per tensor has a group, and the same report, for every tensor of a group.
            if groups.last().is_some_and(|(name, _)| *name == rates.name) {
                continue;
            }
            let mut numbers = numbers.iter().copied();
            groups.push((rates.name.clone(), Bundle::build(&mut || numbers.next().unwrap_or(0.0))));
        }
        let last_skip = match at(2) {
            reason::GRADIENT => Some(Skip::NonFiniteGradient),
            reason::LOSS => Some(Skip::LossOutsideDomain),
            reason::OVERFLOW => Some(Skip::Overflow),
            reason::METRIC => Some(Skip::NotPositiveDefinite),
            reason::COUPLING => Some(Skip::Coupling),
            _ => None,
        };
        Ok(DeviceReport { steps: at(0).into(), skipped: at(1).into(), last_skip, groups })
    }

    /// What a step moves, from the rule's own reads and writes.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The configuration it was built from.
    #[must_use]
    pub fn configuration(&self) -> &Configuration<R> {
        &self.configuration
    }

    /// The state per element, one tensor per slot of the rule's state.
    #[must_use]
    pub fn state(&self) -> &[DeviceTensor<E>] {
        &self.state
    }

    /// Elements that one workgroup handles; for measuring, and for tests of very many workgroups.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for zero or a number that is no multiple of 4.
    pub fn set_block(&mut self, elements: usize) -> Result<(), Error> {
        if elements == 0 || !elements.is_multiple_of(4) {
            let requirement = "it must be a multiple of 4 above zero";
            return Err(Error::Hyperparameter { name: "block", value: elements as f64, requirement });
        }
        self.block = elements;
        self.passes = None;
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

    /// Changes ξ from the next step on, as a schedule does.
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

    fn read_scalars(&self, offset: u64, count: usize) -> Result<Vec<f64>, DeviceError> {
        let bytes = self.context.read(&self.scalar_act.scalars, offset, count as u64 * E::SIZE)?;
        Ok(bytemuck::pod_collect_to_vec::<u8, E>(&bytes).into_iter().map(Element::widen).collect())
    }

    /// Writes every scalar memory into its groups' copies.
    fn write_memory(&mut self, memories: &[Vec<f64>]) -> Result<(), DeviceError> {
        let copies = self.groups.rates.iter().filter_map(|rates| memories.get(rates.memory));
        let numbers: Vec<E> = copies.flatten().map(|number| E::narrow(*number)).collect();
        self.context.write(&self.scalar_act.scalars, 0, bytemuck::cast_slice(&numbers))
    }

    /// Everything that is needed to go on later, on any backend; waits for the device.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    pub fn checkpoint(&self) -> Result<Checkpoint<R>, Error>
    where
        R: Clone,
    {
        let memory = self.read_scalars(0, self.layout.groups * self.layout.memory)?;
        let numbered = |number: usize| {
            let group = self.groups.rates.iter().position(|rates| rates.memory == number).unwrap_or(0);
            memory.iter().skip(group * self.layout.memory).take(self.layout.memory).copied().collect()
        };
        let memories: Vec<Vec<f64>> = (0..self.groups.memories).map(numbered).collect();
        let steps = self.report()?.steps;
        Checkpoint::new(&self.configuration, &self.groups, steps, &memories, &self.parameters, &self.state)
    }

    /// An optimiser that goes on where a checkpoint of any backend was taken.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::restore`](ambient_metric::Optimiser::restore).
    pub fn restore(checkpoint: &Checkpoint<R>, parameters: &DeviceTensor<E>) -> Result<Self, Error>
    where
        R: Clone,
    {
        let (configuration, groups) = checkpoint.open(parameters.layout())?;
        Self::resume(checkpoint, configuration, groups, parameters)
    }

    /// An optimiser that goes on where a checkpoint of any backend was taken, for other parameters: some may have come and some gone.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::restore_partial`](ambient_metric::Optimiser::restore_partial).
    pub fn restore_partial(checkpoint: &Checkpoint<R>, parameters: &DeviceTensor<E>) -> Result<Restored<Self>, Error>
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
        parameters: &DeviceTensor<E>,
    ) -> Result<Self, Error> {
        let mut optimiser = Self::of_groups(configuration, groups, parameters)?;
        let memory = checkpoint.resume(&mut optimiser.groups, parameters.layout(), &mut optimiser.state)?;
        optimiser.write_memory(&memory)?;
        let steps = u32::try_from(checkpoint.steps).unwrap_or(u32::MAX);
        optimiser.context.write(&optimiser.scalar_act.status, 0, bytemuck::bytes_of(&steps))?;
        Ok(optimiser)
    }
}
