//! The engine on a device: the three acts enqueued, with nothing coming back to the host.

use std::sync::Arc;

use ambient_metric::number::Element;
use ambient_metric::optimiser::{Engine, Fused, Groups, Setting, stands_zero};
use ambient_metric::space::{Selection, Separable, StateStorage};
use ambient_metric::{Bundle, Checkpoint, Configuration, Covector, Error, Layout, Optimiser, Report, Rule, Tensor};
use ambient_metric_trace::shader::{DAMP_WRITABLE, POOLS_HEADER, PassShader, Purpose, ScalarLayout, damp, reason};
use ambient_metric_trace::{Recording, Wgsl};

use crate::context::Context;
use crate::element::DeviceElement;
use crate::error::DeviceError;
use crate::pass::{Cut, Plan, Totals, bind_group, check_functions, check_together, share_buffers, short};
use crate::tensor::{Chunk, DeviceTensor, Space};

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

/// Steps that a device did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skips {
    /// How many there were; they left parameters and state as they were, bit for bit.
    pub skipped: u64,
    /// Why the last step was skipped, if it was.
    pub last: Option<Skip>,
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

/// The engine of a [`Rule`] on a device.
///
/// A step is enqueued and returns at once: act 1 with a two-level sum in a fixed order, act 2 in one invocation, act 3 with
/// vector loads. Scalar memory, damping, and the count of skipped steps stay on the device until
/// [`reports`](Optimiser::reports), [`steps`](Optimiser::steps) or [`skips`](Self::skips) ask for them.
///
/// # Errors
///
/// A gradient with an element that is not finite, a loss on the device outside the embedding's domain, or an overflow leaves parameters and state as
/// they are, bit for bit, and is counted. Nothing has been enqueued where a step returns an error: layouts that differ, tensors of two devices, a host
/// loss outside the domain, some losses on the host and some on the device, a lost device, no memory.
#[derive(Debug)]
pub struct Device<E: DeviceElement> {
    context: Context,
    state: Vec<DeviceTensor<E>>,
    layout: ScalarLayout,
    traffic: Traffic,
    scalar_act: ScalarAct,
    /// The passes for the last arrangement of parameters and gradient.
    passes: Option<Passes>,
    block: usize,
    /// Whether some elements need an observation before they step.
    awaits_observation: bool,
}

/// A rule at work on device tensors, its steps enqueued. [`Optimiser::new`] makes one.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric_wgpu::{Context, DeviceOptimiser, DeviceTensor};
///
/// # let Ok(context) = Context::new(None) else { return Ok(()) };
/// let mut theta = DeviceTensor::new(&context, [("theta", vec![2], vec![3.0_f32, 4.0])])?;
/// let gradient = Covector(DeviceTensor::new(&context, [("theta", vec![2], vec![3.0_f32, 4.0])])?);
/// let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::euclidean(1.0).momentum(0.0).beta(0.0), 0.5), &theta)?;
///
/// optimiser.step(&mut theta, &gradient, 12.5.into())?;
/// assert_eq!((optimiser.steps()?, optimiser.engine().skips()?.skipped), (1, 0));
/// let damping = 1.0 / 26.0;
/// assert!((theta.to_host("theta")?[0] - (3.0 - 0.5 * damping * 3.0)).abs() < 1e-6);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub type DeviceOptimiser<R, E> = Optimiser<R, DeviceTensor<E>, Device<E>>;

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

impl<E: DeviceElement> Device<E> {
    /// Steps that were not taken; waits for the device.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    pub fn skips(&self) -> Result<Skips, Error> {
        let [_, skipped, reason] = self.status()?;
        let last = match reason {
            reason::GRADIENT => Some(Skip::NonFiniteGradient),
            reason::LOSS => Some(Skip::LossOutsideDomain),
            reason::OVERFLOW => Some(Skip::Overflow),
            reason::METRIC => Some(Skip::NotPositiveDefinite),
            reason::COUPLING => Some(Skip::Coupling),
            _ => None,
        };
        Ok(Skips { skipped: skipped.into(), last })
    }

    /// Steps taken, steps skipped, and why the last one was.
    fn status(&self) -> Result<[u32; 3], DeviceError> {
        let status = self.context.read(&self.scalar_act.status, 0, 16)?;
        let status = bytemuck::pod_collect_to_vec::<u8, u32>(&status);
        Ok([0, 1, 2].map(|index| status.get(index).copied().unwrap_or(0)))
    }

    /// What a step moves, from the rule's own reads and writes.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
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

    /// Accepts losses, also in the precision of the parameters, in which the device computes with them.
    fn check_losses<R: Rule>(setting: Setting<'_, R>, losses: &[f64]) -> Result<(), Error> {
        let rule = &setting.configuration.rule;
        for convert in [|loss: f64| loss, |loss: f64| E::narrow(loss).to_f64()] {
            let mut losses = losses.iter().copied().map(convert);
            let mut xi = setting.groups.xi.iter().copied();
            let xi = Bundle::build(&mut || xi.next().unwrap_or(0.0));
            rule.check_loss(Bundle::build(&mut || losses.next().unwrap_or(f64::NAN)), xi)?;
        }
        Ok(())
    }

    /// L of every loss (zero where it comes from the device), ξ of every loss (zero where the rule has none), then η and λ of every group.
    fn inputs(&self, groups: &Groups, losses: &[f64]) -> Vec<E> {
        let given = [losses, &groups.xi].into_iter();
        let mut inputs: Vec<E> = given
            .flat_map(|given| (0..self.layout.losses).map(|index| given.get(index).copied().unwrap_or(0.0)))
            .map(E::narrow)
            .collect();
        for rates in &groups.rates {
            inputs.extend([E::narrow(rates.present()), E::narrow(rates.weight_decay)]);
        }
        inputs
    }

    /// Lays acts 1 and 3 out over tensors arranged like these, unless that is done.
    fn plan<R: Rule>(
        &mut self,
        Setting { configuration: Configuration { rule, .. }, groups, .. }: Setting<'_, R>,
        parameters: &DeviceTensor<E>,
        gradients: &[&DeviceTensor<E>],
    ) -> Result<(), DeviceError> {
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
        let spaces: Vec<&Space> = core::iter::once(parameters.space().as_ref())
            .chain(self.state.iter().map(|state| state.space().as_ref()))
            .chain(gradients.iter().map(|gradient| gradient.space().as_ref()))
            .collect();
        let group = |part: usize| groups.group_of_part.get(part).copied().unwrap_or(0);
        let cut = Cut { block: self.block, shared };

        let recording = Recording::measure(rule);
        let watched = self.layout.losses;
        let measure = Plan::new::<E>(&self.context, &spaces, &group, cut, &|wgsl, shared| {
            PassShader::new(&recording, wgsl, Purpose::Sum { watched }, shared)
        })?;
        let totals = Totals::new::<E>(&self.context, &measure, self.layout.groups, self.layout.sums)?;
        let recording = Recording::advance(rule);
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

    fn read_scalars(&self, offset: u64, count: usize) -> Result<Vec<f64>, DeviceError> {
        let bytes = self.context.read(&self.scalar_act.scalars, offset, count as u64 * E::SIZE)?;
        Ok(bytemuck::pod_collect_to_vec::<u8, E>(&bytes).into_iter().map(Element::widen).collect())
    }

    /// Writes every scalar memory into its groups' copies.
    fn write_memory(&self, groups: &Groups, memories: &[Vec<f64>]) -> Result<(), DeviceError> {
        let copies = groups.rates.iter().filter_map(|rates| memories.get(rates.memory));
        // That of a chosen rule may have more room than the kernels know of.
        let numbers = copies.flat_map(|memory| memory.iter().take(self.layout.memory));
        let numbers: Vec<E> = numbers.map(|number| E::narrow(*number)).collect();
        self.context.write(&self.scalar_act.scalars, 0, bytemuck::cast_slice(&numbers))
    }

    /// A [`Fused`] engine with copies of all that this one has, and the scalar memories.
    fn fused<R: Rule>(&self, setting: Setting<'_, R>) -> Result<Fused<R, DeviceTensor<E>>, Error> {
        let (memory, [steps, ..]) = (self.read_memory(setting.groups)?, self.status()?);
        let state = self.state.iter().map(Tensor::duplicate).collect::<Result<_, Error>>()?;
        Fused::of(setting, state, &memory, steps.into())
    }

    /// Whether a rule observes and has not yet where one of these memories is.
    fn awaits<R: Rule>(rule: &R, memories: &[Vec<f64>]) -> bool {
        let awaits = |memory: &Vec<f64>| {
            let mut numbers = memory.iter().copied();
            rule.awaits_observation(Bundle::build(&mut || numbers.next().unwrap_or(0.0)))
        };
        rule.observes() && memories.iter().any(awaits)
    }

    /// A loss as a number.
    fn read_loss(&self, loss: Loss<'_>) -> Result<f64, Error> {
        match loss {
            Loss::Host(loss) => Ok(loss),
            Loss::Device { buffer, offset } => {
                let bytes = self.context.read(buffer, offset, E::SIZE)?;
                Ok(bytemuck::pod_collect_to_vec::<u8, E>(&bytes).first().map_or(f64::NAN, |loss| loss.widen()))
            }
        }
    }

    /// Every scalar memory, from its groups' copies.
    fn read_memory(&self, groups: &Groups) -> Result<Vec<Vec<f64>>, DeviceError> {
        let memory = self.read_scalars(0, self.layout.groups * self.layout.memory)?;
        let numbered = |number: usize| {
            let group = groups.rates.iter().position(|rates| rates.memory == number).unwrap_or(0);
            memory.iter().skip(group * self.layout.memory).take(self.layout.memory).copied().collect()
        };
        Ok((0..groups.memories).map(numbered).collect())
    }
}

impl<R: Rule, E: DeviceElement> Engine<R, DeviceTensor<E>> for Device<E> {
    type PerLoss<S: ambient_metric::Real> = R::PerLoss<S>;
    type Loss<'l> = Loss<'l>;
    type Answer = ();
    type First = ();
    type State = [DeviceTensor<E>];

    fn losses(configuration: &Configuration<R>) -> usize {
        configuration.rule.losses()
    }

    fn resolve(configuration: &Configuration<R>, layout: &Layout) -> Result<Groups, Error> {
        configuration.resolve(layout)
    }

    fn begin(setting: Setting<'_, R>, parameters: &DeviceTensor<E>, steps: u64) -> Result<Self, Error> {
        let Setting { configuration, groups, .. } = setting;
        let context = parameters.context().clone();
        configuration.state_storage.require_full()?;
        let Configuration { rule, .. } = configuration;
        if rule.surveys() {
            let problem = "it asks for a length before its first act, which an enqueued step has no place for: build it by                            `Configuration::build`, which waits for the sum, or put `Preprocessed` before the optimiser";
            return Err(DeviceError::Rule { rule: rule.name(), problem: problem.to_owned() }.into());
        }
        let state = rule.slots().state.iter().map(|_| parameters.zeros_like()).collect::<Result<_, Error>>()?;
        StateStorage::Full.check_range::<R, E>(rule)?;
        if !stands_zero::<R, E>(rule) {
            let problem = "in this precision it does not stay finite where gradient and state are zero: give the metric a larger ε, or a \
                           moving average a smaller decay";
            return Err(DeviceError::Rule { rule: rule.name(), problem: problem.to_owned() }.into());
        }
        for recording in [Recording::measure(rule), Recording::damp(rule), Recording::advance(rule)] {
            check_functions::<E>(&rule.name(), &recording)?;
        }
        let allowed = context.device().limits().max_storage_buffers_per_shader_stage as usize;
        if allowed < DAMP_WRITABLE.len() {
            return Err(DeviceError::TooManyBuffers { needed: DAMP_WRITABLE.len(), allowed }.into());
        }

        let alignment = context.device().limits().min_storage_buffer_offset_alignment.max(16) as usize;
        let layout = ScalarLayout::of(rule, groups.rates.len(), alignment);
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
            advance: Recording::advance(rule).bytes(size_of::<E>()),
        };
        let block = context.block();
        let memory: Vec<f64> = rule.begin::<f64>().scalars().take(layout.memory).collect();
        let awaits_observation = Self::awaits(rule, core::slice::from_ref(&memory));
        let device = Self { context, state, layout, traffic, scalar_act, passes: None, block, awaits_observation };
        device.write_memory(groups, &vec![memory; groups.memories])?;
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        device.context.write(&device.scalar_act.status, 0, bytemuck::bytes_of(&steps))?;
        Ok(device)
    }

    fn step(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut DeviceTensor<E>,
        gradients: &[&Covector<DeviceTensor<E>>],
        losses: &[Loss<'_>],
    ) -> Result<(), Error> {
        if self.awaits_observation {
            return Err(Error::NotObserved { metric: setting.configuration.rule.name() });
        }
        let gradients: Vec<&DeviceTensor<E>> = gradients.iter().map(|gradient| &gradient.0).collect();
        self.context.check_same(parameters.context())?;
        let tensors: Vec<&DeviceTensor<E>> = core::iter::once(&*parameters).chain(gradients.iter().copied()).collect();
        check_together(&tensors)?;
        let on_host: Vec<f64> =
            losses.iter().filter_map(|loss| if let Loss::Host(loss) = loss { Some(*loss) } else { None }).collect();
        if on_host.len() == losses.len() {
            Self::check_losses(setting, &on_host)?;
        } else if !on_host.is_empty() {
            let problem = "some losses are on the host and some on the device: give all of them in one place";
            return Err(DeviceError::Misuse(problem.to_owned()).into());
        }
        let inputs = self.inputs(setting.groups, &on_host);
        self.plan(setting, parameters, &gradients)?;
        self.bind(parameters, &gradients)?;
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

    /// The step is taken by the passes of a [`Fused`] engine, one after the other; it waits for the device, and what is wrong is an error at once.
    fn step_without(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut DeviceTensor<E>,
        gradients: &[&Covector<DeviceTensor<E>>],
        losses: &[Loss<'_>],
        selection: &Selection,
    ) -> Result<((), Option<Groups>), Error> {
        let losses = losses.iter().map(|loss| self.read_loss(*loss)).collect::<Result<Vec<f64>, Error>>()?;
        Self::check_losses(setting, &losses)?;
        let (memory, [steps, skipped, _]) = (self.read_memory(setting.groups)?, self.status()?);
        let state = self.state.iter().map(Tensor::duplicate).collect::<Result<_, Error>>()?;
        let mut fused = Fused::<R, DeviceTensor<E>>::of(setting, state, &memory, steps.into())?;
        let mut stepped = parameters.duplicate()?;
        let (_, regrouped) = fused.step_without(setting, &mut stepped, gradients, &losses, selection)?;

        let setting = Setting { groups: regrouped.as_ref().unwrap_or(setting.groups), ..setting };
        let reports = fused.reports(setting.groups)?;
        let (state, memory) = fused.into_parts();
        let mut next = Self::begin(setting, parameters, 0)?;
        (next.state, next.block) = (state, self.block);
        next.awaits_observation = Self::awaits(&setting.configuration.rule, &memory);
        next.write_memory(setting.groups, &memory)?;
        let losses = next.layout.losses;
        let reports: Vec<E> = reports.iter().flat_map(|report| packed(report, losses)).map(E::narrow).collect();
        let offset = next.layout.reports() as u64 * E::SIZE;
        next.context.write(&next.scalar_act.scalars, offset, bytemuck::cast_slice(&reports))?;
        let status = [steps.saturating_add(1), skipped, 0];
        next.context.write(&next.scalar_act.status, 0, bytemuck::cast_slice(&status))?;
        // Into the buffers that are there, which may be the user's.
        parameters.place(selection, &stepped.select(selection)?)?;
        *self = next;
        Ok(((), regrouped))
    }

    /// The observation is taken in by a [`Fused`] engine; it waits for the device, and what is wrong is an error at once.
    fn observe(&mut self, setting: Setting<'_, R>, examples: &[&Covector<DeviceTensor<E>>]) -> Result<(), Error> {
        let mut fused = self.fused(setting)?;
        fused.observe(setting, examples)?;
        let (state, memory) = fused.into_parts();
        self.write_memory(setting.groups, &memory)?;
        self.awaits_observation = Self::awaits(&setting.configuration.rule, &memory);
        self.state = state;
        // They are bound to the buffers of the tensors that were there.
        self.passes = None;
        Ok(())
    }

    fn first((): ()) {}

    fn steps(&self) -> Result<u64, Error> {
        let [steps, ..] = self.status()?;
        Ok(steps.into())
    }

    fn reports(&self, _groups: &Groups) -> Result<Vec<Report<f64, R::PerLoss<f64>>>, Error> {
        let length = self.layout.report();
        let numbers = self.read_scalars(self.layout.reports() as u64 * E::SIZE, self.layout.groups * length)?;
        Ok(numbers.chunks(length).map(|numbers| unpacked::<R>(numbers, self.layout.losses)).collect())
    }

    /// It waits for the device where the point may be another than the parameters, since the scalar memory is read.
    fn evaluation_point(
        &self,
        setting: Setting<'_, R>,
        parameters: &DeviceTensor<E>,
    ) -> Result<DeviceTensor<E>, Error> {
        if !setting.configuration.rule.evaluates_elsewhere() {
            return parameters.duplicate();
        }
        self.fused(setting)?.evaluation_point(setting, parameters)
    }

    fn state(&self) -> &[DeviceTensor<E>] {
        &self.state
    }

    fn write_state(&mut self, setting: Setting<'_, R>, slot: &str, values: &DeviceTensor<E>) -> Result<(), Error> {
        let known = setting.configuration.rule.slots().state;
        let Some(index) = known.iter().position(|name| name == slot) else {
            return Err(Error::UnknownState { slot: slot.to_owned(), known });
        };
        let written = values.duplicate()?;
        if let Some(tensor) = self.state.get_mut(index) {
            *tensor = written;
        }
        // They are bound to the buffers of the tensor that was there.
        self.passes = None;
        Ok(())
    }

    fn checkpoint(&self, setting: Setting<'_, R>) -> Result<Checkpoint<R>, Error>
    where
        R: Clone,
    {
        let memory = self.read_memory(setting.groups)?;
        let [steps, ..] = self.status()?;
        Checkpoint::new(setting, steps.into(), &memory, &self.state)
    }

    fn open(checkpoint: &Checkpoint<R>, layout: &Layout, is_partial: bool) -> Result<(Configuration<R>, Groups), Error>
    where
        R: Clone,
    {
        checkpoint.open(layout, is_partial)
    }

    fn load(&mut self, setting: Setting<'_, R>, checkpoint: &Checkpoint<R>) -> Result<(), Error> {
        let memory = checkpoint.load(setting, &mut self.state)?;
        self.awaits_observation = Self::awaits(&setting.configuration.rule, &memory);
        Ok(self.write_memory(setting.groups, &memory)?)
    }
}

/// A report from its numbers, one for each of so many losses where there is one for each. A rule of which parts are chosen may have room for more.
fn unpacked<R: Rule>(numbers: &[f64], losses: usize) -> Report<f64, R::PerLoss<f64>> {
    let mut numbers = numbers.iter().copied();
    let mut next = || numbers.next().unwrap_or(0.0);
    let per_loss = |next: &mut dyn FnMut() -> f64| {
        let of_losses: Vec<f64> = (0..losses).map(|_| next()).collect();
        let mut loss = 0..;
        Bundle::build(&mut || {
            loss.next().and_then(|loss| of_losses.get(loss).or(of_losses.last())).copied().unwrap_or(0.0)
        })
    };
    Report {
        squared_length: per_loss(&mut next),
        averaged: per_loss(&mut next),
        slope: per_loss(&mut next),
        damping: per_loss(&mut next),
        determinant_ratio: next(),
        coupling: next(),
        coupling_scale: next(),
        effective_learning_rate: per_loss(&mut next),
        gradient_norm: next(),
    }
}

/// The numbers of a report, of so many losses.
fn packed<L: Bundle<f64>>(report: &Report<f64, L>, losses: usize) -> Vec<f64> {
    let per_loss = |numbers: L| numbers.scalars().take(losses).collect::<Vec<f64>>();
    let Report { squared_length, averaged, slope, damping, effective_learning_rate, .. } = *report;
    let lengths = [squared_length, averaged, slope, damping].into_iter().flat_map(per_loss);
    let shared = [report.determinant_ratio, report.coupling, report.coupling_scale];
    let rates = per_loss(effective_learning_rate).into_iter();
    lengths.chain(shared).chain(rates).chain([report.gradient_norm]).collect()
}
