//! The abstract tensor on a device: every kernel traced, printed, compiled once, and run.

use ambient_metric::space::{Operands, Uniforms, Wide};
use ambient_metric::{Bundle, Error, Kernel, Layout, Tensor};
use ambient_metric_trace::shader::{PassShader, Purpose};
use ambient_metric_trace::{Recording, Traced};

use crate::context::Context;
use crate::element::DeviceElement;
use crate::error::DeviceError;
use crate::pass::{Cut, Plan, Totals, check_functions, check_together, share_buffers};
use crate::tensor::{Chunk, DeviceTensor, Space};

impl<E: DeviceElement> Tensor for DeviceTensor<E> {
    type Element = E;

    fn layout(&self) -> &Layout {
        &self.space().layout
    }

    fn zeros_like(&self) -> Result<Self, Error> {
        self.try_zeros_like()
    }

    fn duplicate(&self) -> Result<Self, Error> {
        self.try_duplicate()
    }

    fn read(&self, part: usize) -> Result<Vec<E>, Error> {
        self.check_part(part)?;
        self.read_part(part)
    }

    fn write(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        let part_layout = self.check_part(part)?;
        if part_layout.elements() != elements.len() {
            let (name, expected) = (part_layout.name.clone(), part_layout.shape.clone());
            return Err(Error::Shape { name, expected, found: vec![elements.len()] });
        }
        self.write_part(part, elements)
    }

    /// Waits for the device: the totals are asked for.
    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        operands.check::<K>()?;
        let tensors: Vec<&Self> = core::iter::once(operands.target)
            .chain(operands.companions)
            .chain(operands.reads.iter().copied())
            .collect();
        check_together(&tensors)?;
        uniforms.check(operands.target.layout())?;
        totals.fill(Bundle::<f64>::zero());
        let slots = <K::Output<Traced> as Bundle<Traced>>::LEN + 1;
        let context = operands.target.context();
        let run = Run::new::<E>(context, &tensors, &uniforms, &Recording::kernel(kernel), Purpose::Sum { watched: 0 })?;
        let adding = Totals::new::<E>(context, &run.plan, uniforms.groups.len(), slots)?;
        context.guarded("a sum", || {
            let groups = run.bind(context, Some(&adding.partials));
            let group = adding.bind(context);
            enqueue(context, |pass| {
                run.plan.encode(context, pass, &groups);
                adding.encode(context, pass, &group);
            });
        })?;
        let bytes = context.read(&adding.sums, 0, (uniforms.groups.len() * slots) as u64 * E::SIZE)?;
        let numbers = bytemuck::pod_collect_to_vec::<u8, E>(&bytes);
        for (total, numbers) in totals.iter_mut().zip(numbers.chunks(slots)) {
            let mut numbers = numbers.iter().map(|number| number.widen());
            *total = Bundle::build(&mut || numbers.next().unwrap_or(0.0));
        }
        Ok(())
    }

    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error> {
        Operands { target: &*target, companions: &*companions, reads }.check_update::<K>()?;
        let tensors: Vec<&Self> = core::iter::once(&*target).chain(&*companions).chain(reads.iter().copied()).collect();
        check_together(&tensors)?;
        uniforms.check(target.layout())?;
        let context = target.context();
        let purpose = Purpose::Update { gated: false };
        let run = Run::new::<E>(context, &tensors, &uniforms, &Recording::update(kernel), purpose)?;
        context.guarded("an update", || {
            let groups = run.bind(context, None);
            enqueue(context, |pass| run.plan.encode(context, pass, &groups));
        })?;
        Ok(())
    }
}

impl<E: DeviceElement> DeviceTensor<E> {
    fn check_part(&self, part: usize) -> Result<&ambient_metric::space::Part, Error> {
        let parts = self.space().layout.parts();
        parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })
    }
}

/// Enqueues what `encode` puts into a compute pass.
fn enqueue(context: &Context, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
    let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    context.queue().submit([encoder.finish()]);
}

/// A kernel with its uniforms over given tensors, once.
struct Run<'a> {
    plan: Plan,
    chunks: Vec<&'a [Chunk]>,
    uniforms: wgpu::Buffer,
}

impl<'a> Run<'a> {
    fn new<E: DeviceElement>(
        context: &Context,
        tensors: &[&'a DeviceTensor<E>],
        uniforms: &Uniforms<'_, impl Bundle<f64>>,
        recording: &Recording,
        purpose: Purpose,
    ) -> Result<Self, DeviceError> {
        check_functions::<E>("the kernel", recording)?;
        let numbers: Vec<E> =
            uniforms.groups.iter().flat_map(|group| group.scalars().map(E::narrow).collect::<Vec<_>>()).collect();
        let buffer = context.buffer("uniforms", numbers.len() as u64 * E::SIZE)?;
        context.write(&buffer, 0, bytemuck::cast_slice(&numbers))?;
        let chunks: Vec<&[Chunk]> = tensors.iter().map(|tensor| tensor.chunks()).collect();
        let spaces: Vec<&Space> = tensors.iter().map(|tensor| tensor.space().as_ref()).collect();
        let cut = Cut { block: context.block(), shared: share_buffers(&chunks) };
        let group = |part| uniforms.group(part);
        let plan = Plan::new::<E>(context, &spaces, &group, cut, &|wgsl, shared| {
            PassShader::new(recording, wgsl, purpose, shared)
        })?;
        Ok(Self { plan, chunks, uniforms: buffer })
    }

    fn bind(&self, context: &Context, partials: Option<&wgpu::Buffer>) -> Vec<wgpu::BindGroup> {
        self.plan.bind(context, &self.chunks, &self.uniforms.as_entire_binding(), partials)
    }
}
