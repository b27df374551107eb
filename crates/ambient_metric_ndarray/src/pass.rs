//! Passes: a kernel run over a stretch of memory, chunk of lanes after chunk, summing or storing what it returns.
//!
//! Here is all that knows how the CPU does it; [`Parameters`](crate::Parameters) says over which memory. A long stretch is halved until
//! it is a leaf; halves may run on two threads, and what a leaf does runs with the vectors that the processor has. Where the tensors are
//! stored narrow ([`Mixed`]), a leaf goes through a buffer, run after run; the kernel and the order of all additions are the same.

use core::array::from_fn;
use core::mem::take;
use core::ops::Range;

use ambient_metric::number::{Element, convert};
use ambient_metric::{Bundle, Kernel};
use pulp::{Arch, Simd, WithSimd};

use crate::elements::Elements;
use crate::lanes::{Kept, Lanes, WIDTH};

/// How many tensors one pass can read.
pub(crate) const MAX_OPERANDS: usize = 16;

/// Chunks whose sum is kept in the stored type; sums of blocks are added in the wide type.
///
/// Each lane then adds 256 numbers, so a block of `f32` of one sign is off by at most 256 · 2⁻²⁴ of itself. Under Miri, which is slow,
/// blocks are short, so that every path is reached by short stretches.
const BLOCK: usize = if cfg!(miri) { 2 } else { 256 };

/// How many blocks are read side by side: a processor fetches memory faster in a few streams than in one.
const STREAMS: usize = 4;

/// How many chunks of a block are read before it is the turn of the next one: a processor that works ahead wants some that follow each other.
const TURN: usize = 8;

/// Chunks of a stretch that is not halved: enough work to be worth handing to another thread.
const LEAF: usize = if cfg!(miri) { 10 * BLOCK } else { 64 * BLOCK };

/// Where a stretch is halved: at a block, and by its length alone, so that the order of all additions is the same for every number of
/// threads.
fn half(chunks: usize) -> usize {
    (chunks / 2).next_multiple_of(BLOCK)
}

/// How the tensors of a pass lie in memory.
pub(crate) trait Memory<E: Element>: Sized + 'static {
    /// The chunks of a tensor, to be read. One that is not there has none.
    type Read<'a>: Copy + Default + Send + Sync;
    /// The chunks of a tensor, to be written.
    type Write<'a>: Default + Send;

    /// The whole chunks of a range of elements.
    fn chunks(elements: &Elements<E>, range: Range<usize>) -> Self::Read<'_>;

    /// The whole chunks of a range of elements, to be written.
    fn chunks_mut(elements: &mut Elements<E>, range: Range<usize>) -> Self::Write<'_>;

    /// The chunks in a range, as far as there are any.
    fn part(chunks: Self::Read<'_>, start: usize, end: usize) -> Self::Read<'_>;

    /// The chunks before a place and from there on.
    fn split(chunks: Self::Write<'_>, middle: usize) -> (Self::Write<'_>, Self::Write<'_>);

    /// Adds a kernel's output over every block of a stretch to the sum beside it.
    fn add<K: Kernel>(
        kernel: &K,
        uniform: K::Uniform<E::Wide>,
        stretch: &Stretch<Self::Read<'_>>,
        blocks: Blocks<'_>,
        sums: &mut [K::Output<Kept<E>>],
    );

    /// Stores a kernel's output into `targets`, which it reads together with `reads`.
    fn store<K: Kernel>(
        kernel: &K,
        uniform: K::Uniform<E::Wide>,
        targets: &mut Targets<Self::Write<'_>>,
        reads: &Stretch<Self::Read<'_>>,
    );
}

/// The memory that a pass reads: as many chunks of every tensor.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<R> {
    pub(crate) operands: [R; MAX_OPERANDS],
    pub(crate) chunks: usize,
}

/// Blocks of one length, which are read side by side.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    /// The chunk at which each begins.
    pub(crate) starts: &'a [usize],
    /// How many chunks each has.
    pub(crate) chunks: usize,
}

/// The memory that a pass writes: as many stretches as it has targets, the rest empty.
pub(crate) type Targets<W> = [W; MAX_OPERANDS];

/// The chunks in a range.
#[inline(always)]
fn part<'a, E: Element, M: Memory<E>>(
    stretch: &Stretch<M::Read<'a>>,
    start: usize,
    end: usize,
) -> Stretch<M::Read<'a>> {
    Stretch { operands: stretch.operands.map(|chunks| M::part(chunks, start, end)), chunks: end - start }
}

/// The sum of a kernel's output over a stretch.
pub(crate) fn sum<K: Kernel, E: Element, M: Memory<E>>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    stretch: &Stretch<M::Read<'_>>,
) -> K::Output<E::Wide> {
    sum_halves::<E, M, _>(stretch, &|leaf| sum_leaf::<K, E, M>(kernel, uniform, leaf))
}

/// The sum of what the leaves of a stretch come to. What to do with a leaf is not a parameter of the type, so that threads are not compiled
/// anew for every kernel.
fn sum_halves<E: Element, M: Memory<E>, O: Bundle<E::Wide>>(
    stretch: &Stretch<M::Read<'_>>,
    leaf: &(dyn Fn(&Stretch<M::Read<'_>>) -> O + Sync),
) -> O {
    if stretch.chunks <= LEAF {
        return leaf(stretch);
    }
    let middle = half(stretch.chunks);
    let (left, right) = (part::<E, M>(stretch, 0, middle), part::<E, M>(stretch, middle, stretch.chunks));
    let (left, right) = rayon::join(|| sum_halves::<E, M, O>(&left, leaf), || sum_halves::<E, M, O>(&right, leaf));
    left.plus(right)
}

/// The sum of a leaf. Its blocks are read side by side as long as there are enough, then one after the other.
fn sum_leaf<K: Kernel, E: Element, M: Memory<E>>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    stretch: &Stretch<M::Read<'_>>,
) -> K::Output<E::Wide> {
    let run = stretch.chunks / (STREAMS * BLOCK) * BLOCK;
    let (mut start, mut streams) = if run > 0 { (0, STREAMS) } else { (0, 1) };
    let mut total = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
    while start < stretch.chunks {
        let end = (start + BLOCK).min(stretch.chunks);
        let starts: [usize; STREAMS] = from_fn(|stream| stream * run + start);
        let blocks = Blocks { starts: starts.get(..streams).unwrap_or_default(), chunks: end - start };
        let mut sums = [<K::Output<Kept<E>> as Bundle<Kept<E>>>::zero(); STREAMS];
        M::add(kernel, uniform, stretch, blocks, &mut sums);
        let mut block = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
        for sum in sums.into_iter().take(streams) {
            block = block.plus(convert(sum, &mut |lanes: Kept<E>| {
                lanes.numbers.into_iter().fold(E::Wide::zero(), |total, lane| total + lane.widen())
            }));
        }
        total = total.plus(block);
        start = end;
        // What is left when all streams are read comes after the last of them.
        if start == run {
            (start, streams) = (STREAMS * run, 1);
        }
    }
    total
}

/// Stores a kernel's output into `targets`, which it reads together with `reads`.
pub(crate) fn update<K: Kernel, E: Element, M: Memory<E>>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut Targets<M::Write<'_>>,
    reads: &Stretch<M::Read<'_>>,
) {
    let written = <K::Output<E> as Bundle<E>>::LEN;
    update_halves::<E, M>(targets, written, reads, &|targets, reads| M::store(kernel, uniform, targets, reads));
}

/// What is done with the targets and the reads of a leaf.
type Work<'w, E, M> =
    dyn Fn(&mut Targets<<M as Memory<E>>::Write<'_>>, &Stretch<<M as Memory<E>>::Read<'_>>) + Sync + 'w;

/// Does something with the leaves of a stretch; see [`sum_halves`].
fn update_halves<E: Element, M: Memory<E>>(
    targets: &mut Targets<M::Write<'_>>,
    written: usize,
    reads: &Stretch<M::Read<'_>>,
    leaf: &Work<'_, E, M>,
) {
    if reads.chunks <= LEAF {
        return leaf(targets, reads);
    }
    let middle = half(reads.chunks);
    let (left_reads, right_reads) = (part::<E, M>(reads, 0, middle), part::<E, M>(reads, middle, reads.chunks));
    let (mut left, mut right): (Targets<M::Write<'_>>, Targets<M::Write<'_>>) =
        (from_fn(|_| Default::default()), from_fn(|_| Default::default()));
    for ((target, left), right) in targets.iter_mut().zip(&mut left).zip(&mut right).take(written) {
        (*left, *right) = M::split(take(target), middle);
    }
    rayon::join(
        || update_halves::<E, M>(&mut left, written, &left_reads, leaf),
        || update_halves::<E, M>(&mut right, written, &right_reads, leaf),
    );
}

/// Every tensor stores the numbers that are computed with.
pub(crate) struct Full;

impl<E: Element> Memory<E> for Full {
    type Read<'a> = &'a [[E; WIDTH]];
    type Write<'a> = &'a mut [[E; WIDTH]];

    fn chunks(elements: &Elements<E>, range: Range<usize>) -> Self::Read<'_> {
        elements.full().get(range).unwrap_or_default().as_chunks().0
    }

    fn chunks_mut(elements: &mut Elements<E>, range: Range<usize>) -> Self::Write<'_> {
        elements.full_mut().get_mut(range).unwrap_or_default().as_chunks_mut().0
    }

    #[inline(always)]
    fn part(chunks: Self::Read<'_>, start: usize, end: usize) -> Self::Read<'_> {
        chunks.get(start..end).unwrap_or_default()
    }

    fn split(chunks: Self::Write<'_>, middle: usize) -> (Self::Write<'_>, Self::Write<'_>) {
        chunks.split_at_mut_checked(middle).unwrap_or_default()
    }

    #[inline(never)]
    fn add<K: Kernel>(
        kernel: &K,
        uniform: K::Uniform<E::Wide>,
        stretch: &Stretch<Self::Read<'_>>,
        blocks: Blocks<'_>,
        sums: &mut [K::Output<Kept<E>>],
    ) {
        Arch::new().dispatch(Add { kernel, uniform, stretch, blocks, sums });
    }

    fn store<K: Kernel>(
        kernel: &K,
        uniform: K::Uniform<E::Wide>,
        targets: &mut Targets<Self::Write<'_>>,
        reads: &Stretch<Self::Read<'_>>,
    ) {
        store_full(kernel, uniform, targets, reads, Order::Backwards);
    }
}

/// In which order the chunks of a stretch are stored.
///
/// Backwards, the Zen 4 of `docs/performance.md` is a fifth faster where pages of memory are small; but not in runs of which others go forwards.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Forwards,
    Backwards,
}

/// [`Memory::store`] of [`Full`], in an order.
#[inline(never)]
pub(crate) fn store_full<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut Targets<&mut [[E; WIDTH]]>,
    reads: &Stretch<&[[E; WIDTH]]>,
    order: Order,
) {
    Arch::new().dispatch(Store { kernel, uniform, targets, reads, order });
}

/// [`Memory::add`], as work that is compiled once for every kind of vector. (A closure would not be inlined into it.)
struct Add<'a, 'e, K, E, U, L> {
    kernel: &'a K,
    uniform: U,
    stretch: &'a Stretch<&'e [[E; WIDTH]]>,
    blocks: Blocks<'a>,
    sums: &'a mut [L],
}

impl<K: Kernel, E: Element> WithSimd for Add<'_, '_, K, E, K::Uniform<E::Wide>, K::Output<Kept<E>>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        let Self { kernel, uniform, stretch, blocks, sums } = self;
        let uniform: K::Uniform<Lanes<V, E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let inputs = <K::Input<E> as Bundle<E>>::LEN;
        for first in (0..blocks.chunks).step_by(TURN) {
            let chunks = TURN.min(blocks.chunks - first);
            for (start, sum) in blocks.starts.iter().zip(&mut *sums) {
                // Cut to one length beforehand, so that the loop need not ask for it at every chunk.
                let mut turn: [&[[E; WIDTH]]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
                for (part, operand) in turn.iter_mut().zip(stretch.operands).take(inputs) {
                    let Some(found) = operand.get(start + first..).and_then(|rest| rest.get(..chunks)) else {
                        return debug_assert!(false, "a tensor is too short");
                    };
                    *part = found;
                }
                // Carried in registers for a turn, where the way through memory takes longer than most kernels.
                let mut total: K::Output<Lanes<V, E>> = convert(*sum, &mut Kept::with);
                for chunk in 0..chunks {
                    let mut tensors = turn.iter();
                    let input = Bundle::build(&mut || load(tensors.next().and_then(|chunks| chunks.get(chunk))));
                    total = total.plus(kernel.evaluate(uniform, input));
                }
                *sum = convert(total, &mut Lanes::with);
            }
        }
    }
}

/// [`Memory::store`], as work that is compiled once for every kind of vector.
struct Store<'a, 't, 'r, K, E, U> {
    kernel: &'a K,
    uniform: U,
    targets: &'a mut Targets<&'t mut [[E; WIDTH]]>,
    reads: &'a Stretch<&'r [[E; WIDTH]]>,
    order: Order,
}

impl<K: Kernel, E: Element> WithSimd for Store<'_, '_, '_, K, E, K::Uniform<E::Wide>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        let Self { kernel, uniform, targets, reads, order } = self;
        let uniform: K::Uniform<Lanes<V, E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let written = <K::Output<E> as Bundle<E>>::LEN;
        let read = <K::Input<E> as Bundle<E>>::LEN.saturating_sub(written);
        // Cut to one length beforehand, so that the loop need not ask for it at every chunk; kept here, where no store can change it.
        let mut targets: Targets<&mut [[E; WIDTH]]> = targets.each_mut().map(|chunks| &mut **chunks);
        let mut operands = reads.operands;
        for target in targets.iter_mut().take(written) {
            let Some(found) = take(target).get_mut(..reads.chunks) else {
                return debug_assert!(false, "a tensor is too short");
            };
            *target = found;
        }
        for operand in operands.iter_mut().take(read) {
            let Some(found) = operand.get(..reads.chunks) else { return debug_assert!(false, "a tensor is too short") };
            *operand = found;
        }
        let (mut chunk, step) = match order {
            Order::Forwards => (0, 1),
            Order::Backwards => (reads.chunks.wrapping_sub(1), usize::MAX),
        };
        for _ in 0..reads.chunks {
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
                    *target = lanes.numbers;
                }
            }
            chunk = chunk.wrapping_add(step);
        }
    }
}

#[inline(always)]
fn load<V: Simd, E: Element>(chunk: Option<&[E; WIDTH]>) -> Lanes<V, E> {
    chunk.map_or_else(|| Lanes::splat(E::zero()), |chunk| Lanes::new(*chunk))
}
