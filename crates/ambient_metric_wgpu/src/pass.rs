//! Passes: one kernel over all elements of a few tensors, in as many dispatches as they have combinations of buffers.

use ambient_metric_trace::Wgsl;
use ambient_metric_trace::shader::{ENTRY_HEADER, PassShader, TABLE_HEADER, TOTALS_WRITABLE, totals};

use crate::context::Context;
use crate::element::DeviceElement;
use crate::error::DeviceError;
use crate::tensor::{Chunk, DeviceTensor, Segment, Space};

/// The most workgroups along one axis of a dispatch.
const AXIS: usize = 65_535;

/// Stretches of elements that lie in one chunk of each of several tensors.
#[derive(Debug)]
struct Combination {
    chunks: Vec<usize>,
    width: usize,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    part: usize,
    elements: usize,
    /// Per tensor, in bytes from the start of its chunk.
    starts: Vec<u64>,
}

/// The combinations of chunks in which the elements of tensors lie, with the stretches in each.
fn combine<E: DeviceElement>(spaces: &[&Space]) -> Vec<Combination> {
    let mut combinations: Vec<Combination> = Vec::new();
    let Some(first) = spaces.first() else { return combinations };
    for (part, description) in first.layout.parts().iter().enumerate() {
        let lists: Vec<Vec<&Segment>> =
            spaces.iter().map(|space| space.segments.iter().filter(|segment| segment.part == part).collect()).collect();
        let mut places = vec![(0_usize, 0_usize); lists.len()];
        let mut left = description.elements();
        while left > 0 {
            let now: Vec<(&Segment, usize)> = lists
                .iter()
                .zip(&places)
                .filter_map(|(list, (index, skipped))| list.get(*index).map(|segment| (*segment, *skipped)))
                .collect();
            let elements = now.iter().map(|(segment, skipped)| segment.elements - skipped).min().unwrap_or(0).min(left);
            if elements == 0 || now.len() < lists.len() {
                break;
            }
            let starts: Vec<u64> =
                now.iter().map(|(segment, skipped)| segment.start + *skipped as u64 * E::SIZE).collect();
            let whole = elements % E::VECTOR == 0
                || now.iter().all(|(segment, skipped)| segment.padded && skipped + elements == segment.elements);
            let aligned = starts.iter().all(|start| start % (E::VECTOR as u64 * E::SIZE) == 0);
            let width = if whole && aligned { E::VECTOR } else { 1 };
            let chunks: Vec<usize> = now.iter().map(|(segment, _)| segment.chunk).collect();
            let piece = Piece { part, elements, starts };
            match combinations.iter_mut().find(|known| known.chunks == chunks && known.width == width) {
                Some(known) => known.pieces.push(piece),
                None => combinations.push(Combination { chunks, width, pieces: vec![piece] }),
            }
            for ((index, skipped), (segment, _)) in places.iter_mut().zip(&now) {
                *skipped += elements;
                if *skipped == segment.elements {
                    (*index, *skipped) = (*index + 1, 0);
                }
            }
            left -= elements;
        }
    }
    combinations
}

/// One dispatch of a pass.
#[derive(Debug)]
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    blocks: wgpu::Buffer,
    /// For every binding, the tensor and its chunk.
    bound: Vec<(usize, usize)>,
    workgroups: (u32, u32),
}

/// A kernel laid out over tensors of known arrangement.
#[derive(Debug)]
pub(crate) struct Plan {
    dispatches: Vec<Dispatch>,
    /// The group of every partial sum.
    group_of_block: Vec<u32>,
}

/// How a pass is cut, and whether tensors share buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) block: usize,
    pub(crate) shared: bool,
}

impl Plan {
    /// The plan for a shader, which `shader` prints for a width and a sharing of buffers.
    pub(crate) fn new<E: DeviceElement>(
        context: &Context,
        spaces: &[&Space],
        groups: &dyn Fn(usize) -> usize,
        cut: Cut,
        shader: &dyn Fn(Wgsl, bool) -> PassShader,
    ) -> Result<Self, DeviceError> {
        let (mut dispatches, mut group_of_block) = (Vec::new(), Vec::new());
        for combination in combine::<E>(spaces) {
            let wgsl = Wgsl { double: E::DOUBLE, width: combination.width };
            let shader = shader(wgsl, cut.shared);
            let allowed = context.device().limits().max_storage_buffers_per_shader_stage as usize;
            if shader.bound.len() + 3 > allowed {
                return Err(DeviceError::TooManyBuffers { needed: shader.bound.len() + 3, allowed });
            }
            let mut table = vec![0_u32; TABLE_HEADER];
            let first = group_of_block.len();
            let vector = combination.width as u64 * E::SIZE;
            for piece in &combination.pieces {
                let group = groups(piece.part);
                let mut done = 0;
                while done < piece.elements {
                    let elements = cut.block.min(piece.elements - done);
                    table.extend([short(elements)?, short(group)?]);
                    for &tensor in &shader.bound {
                        let start = piece.starts.get(tensor).copied().unwrap_or(0) + done as u64 * E::SIZE;
                        table.push(short(usize::try_from(start / vector).unwrap_or(usize::MAX))?);
                    }
                    group_of_block.push(short(group)?);
                    done += elements;
                }
            }
            let count = group_of_block.len() - first;
            if let [blocks, place, ..] = table.as_mut_slice() {
                (*blocks, *place) = (short(count)?, short(first)?);
            }
            debug_assert_eq!(table.len(), TABLE_HEADER + count * (ENTRY_HEADER + shader.bound.len()));
            let blocks = context.buffer("a block table", table.len() as u64 * 4)?;
            context.write(&blocks, 0, bytemuck::cast_slice(&table))?;
            let bound = shader
                .bound
                .iter()
                .map(|&tensor| (tensor, combination.chunks.get(tensor).copied().unwrap_or(0)))
                .collect();
            let columns = count.clamp(1, AXIS);
            dispatches.push(Dispatch {
                pipeline: context.pipeline(&shader.text, &shader.writable)?,
                blocks,
                bound,
                workgroups: (short(columns)?, short(count.div_ceil(columns).max(1))?),
            });
        }
        Ok(Self { dispatches, group_of_block })
    }

    /// How many partial sums a summing pass writes.
    pub(crate) fn partials(&self) -> usize {
        self.group_of_block.len()
    }

    /// The bind groups for tensors that are arranged as planned.
    pub(crate) fn bind(
        &self,
        context: &Context,
        tensors: &[&[Chunk]],
        uniforms: &wgpu::BindingResource<'_>,
        partials: Option<&wgpu::Buffer>,
    ) -> Vec<wgpu::BindGroup> {
        let bind = |dispatch: &Dispatch| {
            let mut resources = vec![dispatch.blocks.as_entire_binding(), uniforms.clone()];
            for (tensor, chunk) in &dispatch.bound {
                if let Some(chunk) = tensors.get(*tensor).and_then(|chunks| chunks.get(*chunk)) {
                    resources.push(wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &chunk.buffer,
                        offset: chunk.offset,
                        size: core::num::NonZeroU64::new(chunk.bytes),
                    }));
                }
            }
            resources.extend(partials.map(wgpu::Buffer::as_entire_binding));
            bind_group(context, &dispatch.pipeline, resources)
        };
        self.dispatches.iter().map(bind).collect()
    }

    /// Enqueues the pass.
    pub(crate) fn encode(&self, context: &Context, pass: &mut wgpu::ComputePass<'_>, groups: &[wgpu::BindGroup]) {
        for (dispatch, group) in self.dispatches.iter().zip(groups) {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(dispatch.workgroups.0, dispatch.workgroups.1, 1);
            context.count_dispatch();
        }
    }
}

/// A bind group of these resources, in order.
pub(crate) fn bind_group(
    context: &Context,
    pipeline: &wgpu::ComputePipeline,
    resources: Vec<wgpu::BindingResource<'_>>,
) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> =
        (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    context.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}

/// The kernel that adds the partial sums of a plan, with its tables.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) table: wgpu::Buffer,
    pub(crate) partials: wgpu::Buffer,
    pub(crate) sums: wgpu::Buffer,
}

impl Totals {
    pub(crate) fn new<E: DeviceElement>(
        context: &Context,
        plan: &Plan,
        groups: usize,
        slots: usize,
    ) -> Result<Self, DeviceError> {
        let mut table = vec![short(plan.partials())?, short(groups)?];
        table.extend(&plan.group_of_block);
        let buffer = context.buffer("a table of groups", table.len() as u64 * 4)?;
        context.write(&buffer, 0, bytemuck::cast_slice(&table))?;
        Ok(Self {
            pipeline: context.pipeline(&totals(Wgsl { double: E::DOUBLE, width: 1 }, slots), &TOTALS_WRITABLE)?,
            table: buffer,
            partials: context.buffer("partial sums", (plan.partials() * slots) as u64 * E::SIZE)?,
            sums: context.buffer("sums", (groups * slots) as u64 * E::SIZE)?,
        })
    }

    pub(crate) fn bind(&self, context: &Context) -> wgpu::BindGroup {
        let resources = [&self.table, &self.partials, &self.sums].map(wgpu::Buffer::as_entire_binding);
        bind_group(context, &self.pipeline, resources.into())
    }

    pub(crate) fn encode(&self, context: &Context, pass: &mut wgpu::ComputePass<'_>, group: &wgpu::BindGroup) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        context.count_dispatch();
    }
}

/// Accepts a recording whose functions the device has in this precision: beyond arithmetic and roots, drivers compute in single
/// precision alone, also where a kernel in double precision validates.
pub(crate) fn check_functions<E: DeviceElement>(
    rule: &str,
    recording: &ambient_metric_trace::Recording,
) -> Result<(), DeviceError> {
    let functions = recording.functions();
    if !E::DOUBLE || functions.is_empty() {
        return Ok(());
    }
    let problem = format!("it needs {} in double precision, which no driver computes: use f32", functions.join(", "));
    Err(DeviceError::Rule { rule: rule.to_owned(), problem })
}

/// A number as WGSL counts.
pub(crate) fn short(number: usize) -> Result<u32, DeviceError> {
    u32::try_from(number).map_err(|_| DeviceError::Misuse(format!("{number} is more than a kernel can count")))
}

/// Whether two of these tensors lie in one buffer, which the device then wants bound in one way.
pub(crate) fn share_buffers(tensors: &[&[Chunk]]) -> bool {
    tensors.iter().enumerate().any(|(index, tensor)| {
        tensors
            .iter()
            .skip(index + 1)
            .any(|other| tensor.iter().any(|chunk| other.iter().any(|candidate| candidate.buffer == chunk.buffer)))
    })
}

/// Accepts tensors of one device and one layout.
pub(crate) fn check_together<E: DeviceElement>(tensors: &[&DeviceTensor<E>]) -> Result<(), ambient_metric::Error> {
    let Some((first, rest)) = tensors.split_first() else { return Ok(()) };
    for tensor in rest {
        first.context().check_same(tensor.context())?;
        first.space().layout.check(&tensor.space().layout)?;
    }
    Ok(())
}
