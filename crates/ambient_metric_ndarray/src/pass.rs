//! Passes: a kernel run over a stretch of memory, summing or storing what it returns.
//!
//! Here is all that knows how the CPU does it; [`Parameters`](crate::Parameters) says over which memory. A long stretch is halved until
//! it is a leaf; halves may run on two threads, and a leaf runs with the vectors that the processor has.

use core::array::from_fn;
use core::mem::take;

use ambient_metric::{Bundle, Element, Kernel, convert};
use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{Lanes, WIDTH};

/// How many tensors one pass can read.
pub(crate) const MAX_OPERANDS: usize = 8;

/// Elements whose sum is kept in the stored type; sums of blocks are added in the wide type.
///
/// Each lane then adds 256 numbers, so a block of `f32` of one sign is off by at most 256 · 2⁻²⁴ of itself.
const BLOCK: usize = 256 * WIDTH;

/// How many sums one pass can take.
pub(crate) const MAX_SUMS: usize = 16;

/// Chunks whose terms are stored before they are added.
const BATCH: usize = 8;

/// Elements of a stretch that is not halved: enough work to be worth handing to another thread.
const LEAF: usize = 64 * BLOCK;

/// Where a stretch is halved: at a block, and by its length alone, so that the order of all additions is the same for every number of
/// threads.
fn half(len: usize) -> usize {
    (len / 2).next_multiple_of(BLOCK)
}

/// The memory that a pass reads: one stretch per tensor, all of one length.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a, E> {
    operands: [&'a [E]; MAX_OPERANDS],
    len: usize,
}

impl<'a, E: Element> Stretch<'a, E> {
    pub(crate) fn new(tensors: impl Iterator<Item = &'a [E]>, len: usize) -> Self {
        let mut operands: [&[E]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
        for (slot, tensor) in operands.iter_mut().zip(tensors) {
            *slot = tensor;
        }
        Self { operands, len }
    }

    /// The elements in a range; tensors that are not there stay empty.
    #[inline(always)]
    fn part(&self, start: usize, end: usize) -> Self {
        Self { operands: self.operands.map(|operand| operand.get(start..end).unwrap_or_default()), len: end - start }
    }

    /// The sum of a kernel's output.
    pub(crate) fn sum<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        if self.len <= LEAF {
            return Arch::new().dispatch(SumLeaf { stretch: self, kernel, uniform });
        }
        let middle = half(self.len);
        let (left, right) = (self.part(0, middle), self.part(middle, self.len));
        let (left, right) = rayon::join(|| left.sum(kernel, uniform), || right.sum(kernel, uniform));
        left.plus(right)
    }

    /// The sum over blocks, one after the other.
    #[inline(always)]
    fn leaf<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let mut total = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
        let mut start = 0;
        while start < self.len {
            let end = (start + BLOCK).min(self.len);
            total = total.plus(self.part(start, end).block::<K>(kernel, uniform));
            start = end;
        }
        total
    }

    #[inline(always)]
    fn block<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let mut total = if self.len < WIDTH { Bundle::<E::Wide>::zero() } else { self.chunks(kernel, uniform) };
        let rest = self.len / WIDTH * WIDTH;
        let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
        for index in rest..self.len {
            let mut tensors = self.operands.iter();
            let input = Bundle::build(&mut || {
                tensors.next().and_then(|tensor| tensor.get(index)).copied().unwrap_or_else(E::zero)
            });
            total = total.plus(convert(kernel.evaluate(uniform, input), &mut E::widen));
        }
        total
    }

    /// The sum over all whole chunks of lanes.
    #[inline(always)]
    fn chunks<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let operands = self.operands.map(|operand| operand.as_chunks::<WIDTH>());
        let slots = <K::Output<Lanes<E>> as Bundle<Lanes<E>>>::LEN.min(MAX_SUMS);
        let chunks = self.len / WIDTH;

        let lanes_uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let mut sums = [[E::zero(); WIDTH]; MAX_SUMS];
        // Terms are stored before they are added: lanes that were carried around this loop would end up as single numbers.
        let mut terms = [[[E::zero(); WIDTH]; BATCH]; MAX_SUMS];
        for first in (0..chunks).step_by(BATCH) {
            let batch = BATCH.min(chunks - first);
            for at in 0..batch {
                let mut tensors = operands.iter();
                let input = Bundle::build(&mut || load(tensors.next().and_then(|(chunks, _)| chunks.get(first + at))));
                let output = kernel.evaluate(lanes_uniform, input);
                for (slot, terms) in terms.iter_mut().enumerate().take(slots) {
                    if let Some(lanes) = output.get(slot) {
                        terms[at] = lanes.0;
                    }
                }
            }
            for (sum, terms) in sums.iter_mut().zip(&terms).take(slots) {
                for term in &terms[..batch] {
                    for (sum, term) in sum.iter_mut().zip(term) {
                        *sum = *sum + *term;
                    }
                }
            }
        }
        let mut sums = sums.iter();
        Bundle::build(&mut || {
            let lanes = sums.next().into_iter().flatten();
            lanes.fold(E::Wide::zero(), |total, lane| total + lane.widen())
        })
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
pub(crate) type Targets<'a, E> = [&'a mut [E]; MAX_OPERANDS];

/// Stores a kernel's output into the first `written` of `targets`, which it reads together with `reads`.
pub(crate) fn update<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    mut targets: Targets<'_, E>,
    written: usize,
    reads: Stretch<'_, E>,
) {
    if reads.len <= LEAF {
        return Arch::new().dispatch(UpdateLeaf { kernel, uniform, targets, written, reads });
    }
    let middle = half(reads.len);
    let (left_reads, right_reads) = (reads.part(0, middle), reads.part(middle, reads.len));
    let mut left: Targets<'_, E> = from_fn(|_| <&mut [E]>::default());
    let mut right: Targets<'_, E> = from_fn(|_| <&mut [E]>::default());
    for ((target, left), right) in targets.iter_mut().zip(&mut left).zip(&mut right).take(written) {
        (*left, *right) = take(target).split_at_mut_checked(middle).unwrap_or_default();
    }
    rayon::join(
        || update(kernel, uniform, left, written, left_reads),
        || update(kernel, uniform, right, written, right_reads),
    );
}

/// The update of a leaf; see [`SumLeaf`].
struct UpdateLeaf<'a, K, E, U> {
    kernel: &'a K,
    uniform: U,
    targets: Targets<'a, E>,
    written: usize,
    reads: Stretch<'a, E>,
}

impl<K: Kernel, E: Element> WithSimd for UpdateLeaf<'_, K, E, K::Uniform<E::Wide>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(mut self, _vectors: V) {
        update_leaf(self.kernel, self.uniform, &mut self.targets, self.written, &self.reads);
    }
}

#[inline(always)]
fn update_leaf<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut Targets<'_, E>,
    written: usize,
    reads: &Stretch<'_, E>,
) {
    let len = reads.len;
    let chunks = len / WIDTH;
    let read_chunks = reads.operands.map(|operand| operand.as_chunks::<WIDTH>());

    let lanes_uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
    for chunk in 0..chunks {
        let at = chunk * WIDTH;
        let mut slot = 0;
        let input = Bundle::build(&mut || {
            let lanes = if slot < written {
                load(targets[slot].get(at..at + WIDTH).and_then(|lanes| lanes.first_chunk()))
            } else {
                load(read_chunks.get(slot - written).and_then(|(chunks, _)| chunks.get(chunk)))
            };
            slot += 1;
            lanes
        });
        let output = kernel.evaluate(lanes_uniform, input);
        for (slot, target) in targets.iter_mut().take(written).enumerate() {
            if let (Some(target), Some(lanes)) = (target.get_mut(at..at + WIDTH), output.get(slot)) {
                target.copy_from_slice(&lanes.0);
            }
        }
    }

    let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
    for index in chunks * WIDTH..len {
        let mut slot = 0;
        let input = Bundle::build(&mut || {
            let operand = if slot < written {
                targets[slot].get(index)
            } else {
                reads.operands.get(slot - written).and_then(|operand| operand.get(index))
            };
            slot += 1;
            operand.copied().unwrap_or_else(E::zero)
        });
        let output: K::Output<E> = kernel.evaluate(uniform, input);
        for (slot, target) in targets.iter_mut().take(written).enumerate() {
            if let (Some(target), Some(value)) = (target.get_mut(index), output.get(slot)) {
                *target = value;
            }
        }
    }
}

#[inline(always)]
fn load<E: Element>(chunk: Option<&[E; WIDTH]>) -> Lanes<E> {
    chunk.map_or_else(|| Lanes::splat(E::zero()), |chunk| Lanes(*chunk))
}
