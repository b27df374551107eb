//! Passes: a kernel run over a stretch of memory, chunk of lanes after chunk, summing or storing what it returns.
//!
//! Here is all that knows how the CPU does it; [`Parameters`](crate::Parameters) says over which memory. A long stretch is halved until
//! it is a leaf; halves may run on two threads, and a leaf runs with the vectors that the processor has.

use core::array::from_fn;
use core::mem::take;

use ambient_metric::{Bundle, Element, Kernel, convert};
use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{Lanes, WIDTH};

/// How many tensors one pass can read.
pub(crate) const MAX_OPERANDS: usize = 16;

/// Chunks whose sum is kept in the stored type; sums of blocks are added in the wide type.
///
/// Each lane then adds 256 numbers, so a block of `f32` of one sign is off by at most 256 · 2⁻²⁴ of itself. Under Miri, which is slow,
/// blocks are short, so that every path is reached by short stretches.
const BLOCK: usize = if cfg!(miri) { 2 } else { 256 };

/// How many blocks are read side by side: a processor fetches memory faster in a few streams than in one.
const STREAMS: usize = 4;

/// Chunks of a stretch that is not halved: enough work to be worth handing to another thread.
const LEAF: usize = if cfg!(miri) { 10 * BLOCK } else { 64 * BLOCK };

/// Where a stretch is halved: at a block, and by its length alone, so that the order of all additions is the same for every number of
/// threads.
fn half(chunks: usize) -> usize {
    (chunks / 2).next_multiple_of(BLOCK)
}

/// The memory that a pass reads: as many chunks of every tensor.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a, E> {
    operands: [&'a [[E; WIDTH]]; MAX_OPERANDS],
    chunks: usize,
}

impl<'a, E: Element> Stretch<'a, E> {
    /// Of the first `count` tensors, so many chunks each.
    #[inline(always)]
    pub(crate) fn new(count: usize, tensor: impl Fn(usize) -> &'a [E], chunks: usize) -> Self {
        let mut operands: [&[[E; WIDTH]]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
        for (slot, operand) in operands.iter_mut().enumerate().take(count) {
            *operand = tensor(slot).as_chunks().0;
        }
        Self { operands, chunks }
    }

    /// The chunks in a range; tensors that are not there stay empty.
    #[inline(always)]
    fn part(&self, start: usize, end: usize) -> Self {
        Self { operands: self.operands.map(|operand| operand.get(start..end).unwrap_or_default()), chunks: end - start }
    }

    /// The sum of a kernel's output.
    pub(crate) fn sum<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        if self.chunks <= LEAF {
            return Arch::new().dispatch(SumLeaf { stretch: self, kernel, uniform });
        }
        let middle = half(self.chunks);
        let (left, right) = (self.part(0, middle), self.part(middle, self.chunks));
        let (left, right) = rayon::join(|| left.sum(kernel, uniform), || right.sum(kernel, uniform));
        left.plus(right)
    }

    /// The sum of a leaf. Its blocks are read side by side as long as there are enough, then one after the other.
    #[inline(always)]
    fn leaf<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let run = self.chunks / (STREAMS * BLOCK) * BLOCK;
        let (mut start, mut streams) = if run > 0 { (0, STREAMS) } else { (0, 1) };
        let mut total = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
        while start < self.chunks {
            let end = (start + BLOCK).min(self.chunks);
            let blocks: [Self; STREAMS] = from_fn(|stream| self.part(stream * run + start, stream * run + end));
            total = total.plus(Self::blocks(kernel, uniform, &blocks, streams));
            start = end;
            if start == run {
                (start, streams) = (STREAMS * run, 1);
            }
        }
        total
    }

    /// The sum over the first `streams` blocks, which are of one length.
    #[inline(always)]
    fn blocks<K: Kernel>(
        kernel: &K,
        uniform: K::Uniform<Lanes<E>>,
        blocks: &[Self; STREAMS],
        streams: usize,
    ) -> K::Output<E::Wide> {
        // Kept in memory, for lanes that were carried around this loop would end up as single numbers.
        let mut sums = [<K::Output<Lanes<E>> as Bundle<Lanes<E>>>::zero(); STREAMS];
        for chunk in 0..blocks[0].chunks {
            for (block, sum) in blocks.iter().zip(&mut sums).take(streams) {
                let mut tensors = block.operands.iter();
                let input = Bundle::build(&mut || load(tensors.next().and_then(|chunks| chunks.get(chunk))));
                *sum = sum.plus(kernel.evaluate(uniform, input));
            }
        }
        let mut total = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
        for sum in sums {
            total = total.plus(convert(sum, &mut |lanes: Lanes<E>| {
                lanes.0.into_iter().fold(E::Wide::zero(), |total, lane| total + lane.widen())
            }));
        }
        total
    }
}

/// The sum of a leaf, as work that is compiled once for every kind of vector. (A closure would not be inlined into it.)
struct SumLeaf<'a, 'e, K, E, U> {
    stretch: &'a Stretch<'e, E>,
    kernel: &'a K,
    uniform: U,
}

impl<K: Kernel, E: Element> WithSimd for SumLeaf<'_, '_, K, E, K::Uniform<E::Wide>> {
    type Output = K::Output<E::Wide>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) -> Self::Output {
        self.stretch.leaf(self.kernel, self.uniform)
    }
}

/// The memory that a pass writes: as many stretches as it has targets, the rest empty.
pub(crate) type Targets<'a, E> = [&'a mut [[E; WIDTH]]; MAX_OPERANDS];

/// Stores a kernel's output into the first `written` of `targets`, which it reads together with `reads`.
pub(crate) fn update<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut Targets<'_, E>,
    written: usize,
    reads: &Stretch<'_, E>,
) {
    if reads.chunks <= LEAF {
        return Arch::new().dispatch(UpdateLeaf { kernel, uniform, targets, written, reads });
    }
    let middle = half(reads.chunks);
    let (left_reads, right_reads) = (reads.part(0, middle), reads.part(middle, reads.chunks));
    let mut left: Targets<'_, E> = from_fn(|_| <&mut [[E; WIDTH]]>::default());
    let mut right: Targets<'_, E> = from_fn(|_| <&mut [[E; WIDTH]]>::default());
    for ((target, left), right) in targets.iter_mut().zip(&mut left).zip(&mut right).take(written) {
        (*left, *right) = take(target).split_at_mut_checked(middle).unwrap_or_default();
    }
    rayon::join(
        || update(kernel, uniform, &mut left, written, &left_reads),
        || update(kernel, uniform, &mut right, written, &right_reads),
    );
}

/// The update of a leaf; see [`SumLeaf`].
struct UpdateLeaf<'a, 't, 'r, K, E, U> {
    kernel: &'a K,
    uniform: U,
    targets: &'a mut Targets<'t, E>,
    written: usize,
    reads: &'a Stretch<'r, E>,
}

impl<K: Kernel, E: Element> WithSimd for UpdateLeaf<'_, '_, '_, K, E, K::Uniform<E::Wide>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        let Self { kernel, uniform, targets, written, reads } = self;
        let uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let operands = reads.operands;
        for chunk in 0..reads.chunks {
            let mut slot = 0;
            let input = Bundle::build(&mut || {
                let lanes = if slot < written {
                    load(targets[slot].get(chunk))
                } else {
                    load(operands.get(slot - written).and_then(|chunks| chunks.get(chunk)))
                };
                slot += 1;
                lanes
            });
            let output = kernel.evaluate(uniform, input);
            for (slot, target) in targets.iter_mut().take(written).enumerate() {
                if let (Some(target), Some(lanes)) = (target.get_mut(chunk), output.get(slot)) {
                    *target = lanes.0;
                }
            }
        }
    }
}

#[inline(always)]
fn load<E: Element>(chunk: Option<&[E; WIDTH]>) -> Lanes<E> {
    chunk.map_or_else(|| Lanes::splat(E::zero()), |chunk| Lanes(*chunk))
}
