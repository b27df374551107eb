//! Passes over tensors of which some are stored narrow: these go through a buffer of full width, run after run.

use core::mem::take;
use core::ops::Range;

use ambient_metric::number::Element;

use crate::elements::{Elements, Stored, StoredMut};
use crate::lanes::{Kept, WIDTH};
use crate::narrow::{Round, Widen, counted};
use crate::pass::{Blocks, MAX_OPERANDS, Memory, Order, Stores, Stretch, Sums, Targets, Window};

/// Chunks that go through the buffer at a time: few enough that the buffer stays in the cache nearest to the processor.
const RUN: usize = if cfg!(miri) { 3 } else { 32 };

/// A run of every tensor in full width, in whole cache lines as [`Lanes`] are.
#[repr(align(64))]
struct Buffer<E>([[[E; WIDTH]; RUN]; MAX_OPERANDS]);

impl<E: Element> Buffer<E> {
    fn new() -> Self {
        Self([[[E::zero(); WIDTH]; RUN]; MAX_OPERANDS])
    }
}

impl<'a, E: Element> Stored<'a, E> {
    /// The chunks in a range at full width: in `buffer`, unless they have it or nobody reads them.
    #[inline(never)]
    fn numbers<'b>(self, start: usize, end: usize, is_read: bool, buffer: &'b mut [[E; WIDTH]; RUN]) -> &'b [[E; WIDTH]]
    where
        'a: 'b,
    {
        match self {
            Self::Full(chunks) => chunks.get(start..end).unwrap_or_default(),
            Self::Narrow(chunks, format) => {
                let from = chunks.get(start..end).unwrap_or_default();
                let to = buffer.get_mut(..from.len()).unwrap_or_default();
                if is_read {
                    Widen { format, from, to: &mut *to }.run();
                }
                to
            }
        }
    }
}

/// Some tensors are stored narrow.
pub(crate) struct Mixed;

impl<E: Element> Memory<E> for Mixed {
    type Read<'a> = Stored<'a, E>;
    type Write<'a> = StoredMut<'a, E>;

    fn chunks(elements: &Elements<E>, range: Range<usize>) -> Self::Read<'_> {
        elements.stored(range)
    }

    fn chunks_mut(elements: &mut Elements<E>, range: Range<usize>) -> Self::Write<'_> {
        elements.stored_mut(range)
    }

    fn part(chunks: Self::Read<'_>, start: usize, end: usize) -> Self::Read<'_> {
        match chunks {
            Stored::Full(chunks) => Stored::Full(chunks.get(start..end).unwrap_or_default()),
            Stored::Narrow(chunks, format) => Stored::Narrow(chunks.get(start..end).unwrap_or_default(), format),
        }
    }

    fn split(chunks: Self::Write<'_>, middle: usize) -> (Self::Write<'_>, Self::Write<'_>) {
        match chunks {
            StoredMut::Full(chunks) => {
                let (left, right) = chunks.split_at_mut_checked(middle).unwrap_or_default();
                (StoredMut::Full(left), StoredMut::Full(right))
            }
            StoredMut::Narrow(chunks, format, first) => {
                let (left, right) = chunks.split_at_mut_checked(middle).unwrap_or_default();
                (StoredMut::Narrow(left, format, first), StoredMut::Narrow(right, format, first + middle * WIDTH))
            }
        }
    }

    fn add(
        work: &dyn Sums<E>,
        stretch: &Stretch<Self::Read<'_>>,
        blocks: Blocks<'_>,
        window: Window,
        sums: &mut [Kept<E>],
    ) {
        let inputs = work.dependence();
        let mut buffer = Buffer::new();
        let slots = work.inputs();
        for start in (0..blocks.chunks).step_by(RUN) {
            let chunks = RUN.min(blocks.chunks - start);
            for (first, sums) in blocks.starts.iter().zip(sums.chunks_exact_mut(window.stride)) {
                let mut run: Stretch<&[[E; WIDTH]]> = Stretch { operands: Default::default(), chunks };
                let operands = run.operands.iter_mut().zip(stretch.operands).zip(&mut buffer.0).enumerate();
                for (slot, ((numbers, stored), buffer)) in operands.take(slots) {
                    *numbers = stored.numbers(first + start, first + start + chunks, inputs.on(slot), buffer);
                }
                work.add(&run, Blocks { starts: &[0], chunks }, window, sums);
            }
        }
    }

    fn store(work: &dyn Stores<E>, targets: &mut Targets<Self::Write<'_>>, reads: &Stretch<Self::Read<'_>>) {
        let inputs = work.dependence();
        let (mut target_buffer, mut read_buffer) = (Buffer::new(), Buffer::new());
        let (slots, written) = (work.inputs(), work.outputs());
        for start in (0..reads.chunks).step_by(RUN) {
            let end = (start + RUN).min(reads.chunks);
            let mut run: Targets<&mut [[E; WIDTH]]> = Default::default();
            let written_chunks = run.iter_mut().zip(&mut *targets).zip(&mut target_buffer.0).enumerate().take(written);
            for (slot, ((chunks, target), buffer)) in written_chunks {
                *chunks = match target {
                    StoredMut::Full(chunks) => chunks.get_mut(start..end).unwrap_or_default(),
                    StoredMut::Narrow(bits, format, _) => {
                        let length = Stored::Narrow(bits, *format).numbers(start, end, inputs.on(slot), buffer).len();
                        buffer.get_mut(..length).unwrap_or_default()
                    }
                };
            }
            let mut read: Stretch<&[[E; WIDTH]]> = Stretch { operands: Default::default(), chunks: end - start };
            let read_chunks = read.operands.iter_mut().zip(reads.operands).zip(&mut read_buffer.0).enumerate();
            for (slot, ((chunks, stored), buffer)) in read_chunks.take(slots.saturating_sub(written)) {
                *chunks = stored.numbers(start, end, inputs.on(written + slot), buffer);
            }
            work.store(&mut run, &read, Order::Forwards);
            take(&mut run);
            for (target, buffer) in targets.iter_mut().zip(&target_buffer.0).take(written) {
                if let StoredMut::Narrow(bits, format, first) = target {
                    let to = bits.get_mut(start..end).unwrap_or_default();
                    Round { format: *format, from: buffer, to, first: counted(*first + start * WIDTH) }.run();
                }
            }
        }
    }
}
