//! Tensors on a device: named parts in a few buffers, our own or the user's.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use std::sync::Arc;

use ambient_metric::space::Part;
use ambient_metric::{Error, Layout};

use crate::context::Context;
use crate::element::DeviceElement;
use crate::error::DeviceError;

/// A range of a buffer that is bound as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// A stretch of a part inside a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) part: usize,
    pub(crate) chunk: usize,
    /// In bytes from the start of the chunk.
    pub(crate) start: u64,
    pub(crate) elements: usize,
    /// Whether the last vector may reach past the end.
    pub(crate) padded: bool,
}

/// Which parts there are, and where each lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) layout: Layout,
    /// In the order of parts, and within a part in the order of its elements.
    pub(crate) segments: Vec<Segment>,
}

/// A part of a parameter space that lies in a buffer of the user.
#[derive(Clone, Debug)]
pub struct BufferPart {
    /// The name of the parameter.
    pub name: String,
    /// Its shape; elements lie in row-major order without gaps.
    pub shape: Vec<usize>,
    /// The buffer, made with the usage `STORAGE` (and `COPY_SRC` and `COPY_DST` to be read and written from the host).
    pub buffer: wgpu::Buffer,
    /// Where the part begins, in bytes; a multiple of the element's size.
    pub offset: u64,
}

/// Named arrays on a device as one parameter space: a point, a gradient, or a step.
///
/// Made from host data, all parts lie in as few buffers as the device allows; a part that is larger than a buffer binding
/// is continued in the next. Made [over the user's buffers](Self::from_buffers), nothing is copied. Numbers come back to the
/// host only when they are [read](Self::to_host).
///
/// # Example
///
/// ```
/// use ambient_metric_wgpu::{Context, DeviceTensor};
///
/// # let Ok(context) = Context::new(None) else { return Ok(()) };
/// let theta = DeviceTensor::new(&context, [("w", vec![2, 2], vec![1.0_f32, 2.0, 3.0, 4.0]), ("b", vec![1], vec![0.5])])?;
/// assert_eq!(theta.to_host("w")?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub struct DeviceTensor<E> {
    context: Context,
    space: Arc<Space>,
    chunks: Vec<Chunk>,
    element: PhantomData<E>,
}

impl<E> fmt::Debug for DeviceTensor<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DeviceTensor")
            .field("adapter", &self.context.adapter_name())
            .field("layout", &self.space.layout)
            .field("buffers", &self.chunks.len())
            .finish_non_exhaustive()
    }
}

/// Sizes of chunks, and where each stretch of each part lies in them.
fn arrange(layout: &Layout, size: u64, capacity: u64) -> (Vec<u64>, Vec<Segment>) {
    let (mut sizes, mut segments) = (vec![0_u64], Vec::new());
    for (part, description) in layout.parts().iter().enumerate() {
        let mut left = description.elements();
        let bytes = (left as u64 * size).next_multiple_of(16);
        // A part is split only if no chunk could hold it.
        if sizes.last().is_some_and(|used| used + bytes > capacity && *used > 0) {
            sizes.push(0);
        }
        while left > 0 {
            if sizes.last().is_none_or(|used| *used >= capacity) {
                sizes.push(0);
            }
            let chunk = sizes.len() - 1;
            let Some(used) = sizes.last_mut() else { break };
            let room = usize::try_from((capacity - *used) / size).unwrap_or(usize::MAX);
            let elements = left.min(room);
            segments.push(Segment { part, chunk, start: *used, elements, padded: true });
            *used += (elements as u64 * size).next_multiple_of(16);
            left -= elements;
        }
    }
    (sizes, segments)
}

impl<E: DeviceElement> DeviceTensor<E> {
    /// A space of these arrays (name, shape, elements in row-major order), copied to the device.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateParameter`]; [`Error::Shape`] where a shape and its number of elements differ; [`Error::Backend`]
    /// with a [`DeviceError`] where the device has no memory or no double precision.
    pub fn new(
        context: &Context,
        arrays: impl IntoIterator<Item = (impl Into<String>, Vec<usize>, Vec<E>)>,
    ) -> Result<Self, Error> {
        let mut named: Vec<(String, Vec<usize>, Vec<E>)> =
            arrays.into_iter().map(|(name, shape, elements)| (name.into(), shape, elements)).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, shape, elements) in &named {
            if (Part { name: name.clone(), shape: shape.clone() }).elements() != elements.len() {
                return Err(Error::Shape { name: name.clone(), expected: shape.clone(), found: vec![elements.len()] });
            }
        }
        let parts = named.iter().map(|(name, shape, _)| Part { name: name.clone(), shape: shape.clone() }).collect();
        let mut tensor = Self::zeros(context, Layout::new(parts)?)?;
        for (part, (_, _, elements)) in named.iter().enumerate() {
            tensor.write_part(part, elements)?;
        }
        Ok(tensor)
    }

    /// A space of zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] with a [`DeviceError`] where the device has no memory or no double precision.
    pub fn zeros(context: &Context, layout: Layout) -> Result<Self, Error> {
        context.check_precision::<E>()?;
        // More than any machine holds is refused before it is arranged.
        let bytes = layout.elements() as u64;
        let bytes = bytes.saturating_mul(E::SIZE);
        if bytes > 1 << 43 {
            return Err(DeviceError::OutOfMemory { bytes, purpose: "a tensor" }.into());
        }
        let (sizes, segments) = arrange(&layout, E::SIZE, capacity(context));
        let chunks = sizes.into_iter().map(|bytes| {
            let bytes = bytes.max(16);
            Ok(Chunk { buffer: context.buffer("a tensor", bytes)?, offset: 0, bytes })
        });
        let chunks = chunks.collect::<Result<_, DeviceError>>()?;
        Ok(Self { context: context.clone(), space: Arc::new(Space { layout, segments }), chunks, element: PhantomData })
    }

    /// A space over buffers that the user owns, without a copy.
    ///
    /// # Errors
    ///
    /// [`DeviceError::BufferRange`] inside [`Error::Backend`] where a range is not inside its buffer, not aligned, overlaps
    /// another, or its buffer is not made for storage; [`Error::DuplicateParameter`], [`Error::Empty`].
    pub fn from_buffers(context: &Context, parts: impl IntoIterator<Item = BufferPart>) -> Result<Self, Error> {
        let mut parts: Vec<BufferPart> = parts.into_iter().collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let layout = Layout::new(
            parts.iter().map(|part| Part { name: part.name.clone(), shape: part.shape.clone() }).collect(),
        )?;
        check_ranges::<E>(&parts)?;
        let alignment = u64::from(context.device().limits().min_storage_buffer_offset_alignment).max(16);
        let capacity = capacity(context) / alignment * alignment;
        let (mut chunks, mut segments): (Vec<Chunk>, Vec<Segment>) = (Vec::new(), Vec::new());
        let spans = spans::<E>(&parts, &layout, alignment, capacity);
        for (index, part) in parts.iter().enumerate() {
            let elements = layout.parts().get(index).map_or(0, Part::elements);
            if let Some(span) = spans.iter().find(|span| span.buffer == part.buffer) {
                // Parts of one buffer that fit into one binding share it.
                let chunk = chunks.iter().position(|chunk| chunk == span).unwrap_or_else(|| {
                    chunks.push(span.clone());
                    chunks.len() - 1
                });
                if elements > 0 {
                    let start = part.offset - span.offset;
                    segments.push(Segment { part: index, chunk, start, elements, padded: false });
                }
                continue;
            }
            let mut at = part.offset;
            let end = part.offset + layout.parts().get(index).map_or(0, Part::elements) as u64 * E::SIZE;
            while at < end {
                // A binding begins at an aligned place, at most that much before the part.
                let base = at / alignment * alignment;
                let until = end.min(base + capacity);
                let bytes = until - base;
                segments.push(Segment {
                    part: index,
                    chunk: chunks.len(),
                    start: at - base,
                    elements: usize::try_from((until - at) / E::SIZE).unwrap_or(0),
                    padded: false,
                });
                chunks.push(Chunk { buffer: part.buffer.clone(), offset: base, bytes });
                at = until;
            }
        }
        Ok(Self { context: context.clone(), space: Arc::new(Space { layout, segments }), chunks, element: PhantomData })
    }

    /// Where it lives.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// How many buffer ranges hold it.
    #[must_use]
    pub fn buffers(&self) -> usize {
        self.chunks.len()
    }

    /// The elements of the part of this name, copied to the host.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`], and [`Error::Backend`] where the device fails.
    pub fn to_host(&self, name: &str) -> Result<Vec<E>, Error> {
        let layout = &self.space.layout;
        let part = layout.parts().iter().position(|part| part.name == name);
        let unknown = || Error::UnknownParameter { name: name.to_owned(), known: layout.names() };
        self.read_part(part.ok_or_else(unknown)?)
    }

    pub(crate) fn read_part(&self, part: usize) -> Result<Vec<E>, Error> {
        let mut elements = Vec::new();
        for segment in self.space.segments.iter().filter(|segment| segment.part == part) {
            let chunk = self.chunk(segment)?;
            let bytes = segment.elements as u64 * E::SIZE;
            let bytes = self.context.read(&chunk.buffer, chunk.offset + segment.start, bytes)?;
            elements.extend(bytemuck::pod_collect_to_vec::<u8, E>(&bytes));
        }
        Ok(elements)
    }

    pub(crate) fn write_part(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        let mut rest = elements;
        for segment in self.space.segments.iter().filter(|segment| segment.part == part) {
            let chunk = self.chunk(segment)?;
            let (now, later) = rest.split_at_checked(segment.elements).unwrap_or((rest, &[]));
            self.context.write(&chunk.buffer, chunk.offset + segment.start, bytemuck::cast_slice(now))?;
            rest = later;
        }
        Ok(())
    }

    fn chunk(&self, segment: &Segment) -> Result<&Chunk, DeviceError> {
        self.chunks.get(segment.chunk).ok_or_else(|| DeviceError::Misuse("a segment without a buffer".to_owned()))
    }

    /// Zeros in buffers of our own, laid out as this tensor is.
    pub(crate) fn try_zeros_like(&self) -> Result<Self, Error> {
        Self::zeros(&self.context, self.space.layout.clone())
    }

    /// A copy in buffers of our own.
    pub(crate) fn try_duplicate(&self) -> Result<Self, Error> {
        let copy = self.try_zeros_like()?;
        for (part, description) in self.space.layout.parts().iter().enumerate() {
            let whole = Place::whole(part, description.elements());
            self.copy(&whole, &copy, &whole)?;
        }
        Ok(copy)
    }

    /// Copies stretches of a part into as many elements, on the device.
    pub(crate) fn copy(&self, from: &Place, target: &Self, to: &Place) -> Result<(), Error> {
        self.context.check_same(&target.context)?;
        let (from, to) = (self.space.cut(from, E::SIZE), target.space.cut(to, E::SIZE));
        self.context.guarded("a copy", || {
            let mut encoder = self.context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (source, place, elements, source_skip, target_skip) in overlaps(&from, &to) {
                let (Some(source_chunk), Some(target_chunk)) =
                    (self.chunks.get(source.chunk), target.chunks.get(place.chunk))
                else {
                    continue;
                };
                encoder.copy_buffer_to_buffer(
                    &source_chunk.buffer,
                    source_chunk.offset + source.start + source_skip * E::SIZE,
                    &target_chunk.buffer,
                    target_chunk.offset + place.start + target_skip * E::SIZE,
                    elements as u64 * E::SIZE,
                );
            }
            self.context.queue().submit([encoder.finish()]);
        })?;
        Ok(())
    }
}

/// Stretches of a part, in rising order.
pub(crate) struct Place {
    pub(crate) part: usize,
    pub(crate) stretches: Vec<Range<usize>>,
}

impl Place {
    /// A part of so many elements as a whole.
    pub(crate) fn whole(part: usize, elements: usize) -> Self {
        Self { part, stretches: core::iter::once(0..elements).collect() }
    }
}

impl Space {
    /// The segments of some stretches of a part.
    fn cut(&self, place: &Place, size: u64) -> Vec<Segment> {
        let (mut cut, mut begin) = (Vec::new(), 0);
        for segment in self.segments.iter().filter(|segment| segment.part == place.part) {
            let end = begin + segment.elements;
            for stretch in &place.stretches {
                let (from, to) = (stretch.start.max(begin), stretch.end.min(end));
                if from < to {
                    let start = segment.start + (from - begin) as u64 * size;
                    cut.push(Segment { start, elements: to - from, ..*segment });
                }
            }
            begin = end;
        }
        cut
    }
}

/// The stretches in which two lists of segments of one part coincide, with how far into each segment they begin.
fn overlaps(a: &[Segment], b: &[Segment]) -> Vec<(Segment, Segment, usize, u64, u64)> {
    let mut found = Vec::new();
    let (mut i, mut j, mut skip_a, mut skip_b) = (0, 0, 0_usize, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let elements = (x.elements - skip_a).min(y.elements - skip_b);
        found.push((*x, *y, elements, skip_a as u64, skip_b as u64));
        skip_a += elements;
        skip_b += elements;
        if skip_a == x.elements {
            (i, skip_a) = (i + 1, 0);
        }
        if skip_b == y.elements {
            (j, skip_b) = (j + 1, 0);
        }
    }
    found
}

/// The most that one binding of our own buffers holds, in bytes.
fn capacity(context: &Context) -> u64 {
    let limits = context.device().limits();
    (limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) / 256 * 256).max(256)
}

/// For every buffer whose parts one binding can hold, the range from the first of them to the end of the last.
fn spans<E: DeviceElement>(parts: &[BufferPart], layout: &Layout, alignment: u64, capacity: u64) -> Vec<Chunk> {
    let mut spans: Vec<Chunk> = Vec::new();
    for (part, description) in parts.iter().zip(layout.parts()) {
        let offset = part.offset / alignment * alignment;
        let end = part.offset + description.elements() as u64 * E::SIZE;
        match spans.iter_mut().find(|span| span.buffer == part.buffer) {
            Some(span) => {
                let last = end.max(span.offset + span.bytes);
                span.offset = span.offset.min(offset);
                span.bytes = last - span.offset;
            }
            None => spans.push(Chunk { buffer: part.buffer.clone(), offset, bytes: end - offset }),
        }
    }
    spans.retain(|span| span.bytes > 0 && span.bytes <= capacity);
    spans
}

fn check_ranges<E: DeviceElement>(parts: &[BufferPart]) -> Result<(), Error> {
    let refuse = |part: &BufferPart, problem: String| {
        Err(DeviceError::BufferRange { parameter: part.name.clone(), problem }.into())
    };
    let elements =
        |part: &BufferPart| part.shape.iter().try_fold(E::SIZE, |bytes, extent| bytes.checked_mul(*extent as u64));
    for (index, part) in parts.iter().enumerate() {
        let size = part.buffer.size();
        let Some(end) = elements(part).and_then(|bytes| part.offset.checked_add(bytes)) else {
            return refuse(part, "its shape has more elements than can be counted".to_owned());
        };
        if end > size {
            return refuse(part, format!("it ends at byte {end} and the buffer at byte {size}"));
        }
        if part.offset % E::SIZE != 0 {
            return refuse(part, format!("it begins at byte {}, which is no multiple of {}", part.offset, E::SIZE));
        }
        if !part.buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return refuse(part, "its buffer was made without the usage STORAGE".to_owned());
        }
        for other in parts.iter().take(index) {
            let other_end = elements(other).map_or(u64::MAX, |bytes| other.offset.saturating_add(bytes));
            if other.buffer == part.buffer && other.offset < end && part.offset < other_end {
                return refuse(part, format!("it overlaps the range of parameter `{}`", other.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every element has a place, no two share one, and no chunk holds more than it can.
        #[test]
        fn arrangements_hold_every_element_once(
            shapes in prop::collection::vec(0..2000_usize, 1..12),
            capacity in 1..20_u64,
            size in prop::sample::select(vec![4_u64, 8]),
        ) {
            let capacity = capacity * 256;
            let parts = shapes.iter().enumerate().map(|(i, n)| Part { name: format!("{i:02}"), shape: vec![*n] });
            let Ok(layout) = Layout::new(parts.collect()) else { return Err(TestCaseError::fail("names differ")) };
            let (sizes, segments) = arrange(&layout, size, capacity);
            for (part, elements) in shapes.iter().enumerate() {
                let held: usize = segments.iter().filter(|s| s.part == part).map(|s| s.elements).sum();
                prop_assert_eq!(held, *elements);
            }
            for (index, segment) in segments.iter().enumerate() {
                let end = segment.start + segment.elements as u64 * size;
                prop_assert!(segment.start % 16 == 0 && end <= sizes[segment.chunk] && sizes[segment.chunk] <= capacity);
                for other in &segments[index + 1..] {
                    prop_assert!(other.chunk != segment.chunk || other.start >= end);
                }
            }
        }
    }
}
