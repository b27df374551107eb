//! Passes: a kernel run over a stretch of memory, chunk of lanes after chunk, summing or storing what it returns.
//!
//! Here is all that knows how the CPU does it; a backend says over which memory. A long stretch is halved until it is a leaf; halves may run on two threads, and what a leaf does runs with the vectors that the processor has. Where the tensors are
//! stored narrow (`Mixed`), a leaf goes through a buffer, run after run; the kernel and the order of all additions are the same.

use core::array::from_fn;
use core::fmt;
use core::mem::take;
use core::ops::Range;

use ambient_metric::number::{Element, convert};
use ambient_metric::{Bundle, Error, Kernel};
use pulp::{Arch, Simd, WithSimd};

use crate::dependence::Dependence;
use crate::elements::Elements;
use crate::lanes::{Kept, Lanes, WIDTH};
use crate::mixed::Mixed;

/// How many tensors one pass can read.
pub const MAX_OPERANDS: usize = 16;

/// Chunks whose sum is kept in the stored type; sums of blocks are added in the wide type.
///
/// Each lane then adds 256 numbers, so a block of `f32` of one sign is off by at most 256 · 2⁻²⁴ of itself. Under Miri, which is slow,
/// blocks are short, so that every path is reached by short stretches.
const BLOCK: usize = if cfg!(miri) { 2 } else { 256 };

/// How many blocks are read side by side: a processor fetches memory faster in a few streams than in one.
const STREAMS: usize = 4;

/// How many chunks of a block are read before it is the turn of the next one: a processor that works ahead wants some that follow each other.
pub(crate) const TURN: usize = 8;

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

    /// As [`Sums::add`].
    fn add(
        work: &dyn Sums<E>,
        stretch: &Stretch<Self::Read<'_>>,
        blocks: Blocks<'_>,
        window: Window,
        sums: &mut [Kept<E>],
    );

    /// As [`Stores::store`].
    fn store(work: &dyn Stores<E>, targets: &mut Targets<Self::Write<'_>>, reads: &Stretch<Self::Read<'_>>);
}

/// A kernel with its uniforms, of whatever type: what passes ask of it, so that all but the loops over chunks is compiled once for every type of numbers
/// and not once for every kernel.
pub(crate) trait Work<E: Element>: Sync {
    /// How many numbers it reads at a coordinate.
    fn inputs(&self) -> usize;

    /// How many come out.
    fn outputs(&self) -> usize;

    /// What the output depends on.
    fn dependence(&self) -> Dependence;

    /// Calls `each` with every number that comes out at one coordinate.
    fn one(&self, input: &mut dyn FnMut() -> E, each: &mut dyn FnMut(usize, E));
}

/// Work that is summed.
pub(crate) trait Sums<E: Element>: Work<E> {
    /// Adds what comes out in every block of a stretch, of the outputs in the window, to the sums of that block.
    fn add(&self, stretch: &Stretch<&[[E; WIDTH]]>, blocks: Blocks<'_>, window: Window, sums: &mut [Kept<E>]);
}

/// Work that is stored.
pub(crate) trait Stores<E: Element>: Work<E> {
    /// Stores what comes out into `targets`, which are read together with `reads`.
    fn store(&self, targets: &mut Targets<&mut [[E; WIDTH]]>, reads: &Stretch<&[[E; WIDTH]]>, order: Order);
}

/// Some of the outputs of a kernel, and so many sums for every block, of which the first are theirs.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) first: usize,
    pub(crate) stride: usize,
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

/// A range cut in two: what is whole chunks of lanes from its start on, and the rest.
pub(crate) fn in_chunks(range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / WIDTH * WIDTH;
    (range.start..middle, middle..range.end)
}

/// Accepts as many tensors as a pass can hold.
///
/// # Errors
///
/// [`Error::TooMany`].
pub fn check_operands(found: usize) -> Result<(), Error> {
    if found <= MAX_OPERANDS { Ok(()) } else { Err(Error::TooMany { what: "tensors", found, limit: MAX_OPERANDS }) }
}

/// The sum of a kernel's output over a range of some tensors, in an order that the length of the range alone decides.
///
/// # Requirements
///
/// One tensor for every slot of the kernel's input, [as many as a pass can hold](check_operands), and the range in each of them. What is missing
/// counts as zero, or is left out.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Real};
/// use ambient_metric_cpu::{Elements, pass};
///
/// #[derive(Clone)]
/// struct Product;
/// impl Kernel for Product {
///     type Uniform<S: Real> = ();
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = S;
///     #[inline(always)]
///     fn evaluate<S: Real>(&self, (): (), [x, y]: [S; 2]) -> S {
///         x * y
///     }
/// }
///
/// let tensors = [1.5_f32, 2.0].map(|number| Elements::from(vec![number; 100]));
/// assert_eq!(pass::sum(&Product, (), tensors.iter(), 0..100), 300.0);
/// ```
pub fn sum<'t, K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    tensors: impl Iterator<Item = &'t Elements<E>> + Clone,
    range: Range<usize>,
) -> K::Output<E::Wide> {
    let work = Evaluated { kernel, uniform: convert::<_, _, _, K::Uniform<E>>(uniform, &mut E::narrow) };
    let operands = gathered(tensors);
    let (mut window, mut slot) = ([E::Wide::zero(); MAX_SUMS], 0);
    Bundle::build(&mut || {
        if slot % MAX_SUMS == 0 {
            sum_window(&work, &operands, range.clone(), slot, &mut window);
        }
        let total = <[E::Wide]>::get(&window, slot % MAX_SUMS).copied();
        slot += 1;
        total.unwrap_or_else(E::Wide::zero)
    })
}

/// Tensors one after the other, as a pass holds them.
#[inline(always)]
pub(crate) fn gathered<'t, E>(
    tensors: impl Iterator<Item = &'t Elements<E>>,
) -> [Option<&'t Elements<E>>; MAX_OPERANDS] {
    let mut gathered = [None; MAX_OPERANDS];
    for (place, tensor) in gathered.iter_mut().zip(tensors) {
        *place = Some(tensor);
    }
    gathered
}

/// Adds to totals what `sum` finds, which is told the first of those that it is to find: as many as one pass carries.
pub(crate) fn each_window<E: Element>(totals: &mut [E::Wide], mut sum: impl FnMut(usize, &mut [E::Wide; MAX_SUMS])) {
    let mut window = [E::Wide::zero(); MAX_SUMS];
    for (number, totals) in totals.chunks_mut(MAX_SUMS).enumerate() {
        window.fill(E::Wide::zero());
        sum(number * MAX_SUMS, &mut window);
        for (total, found) in totals.iter_mut().zip(window) {
            *total = *total + found;
        }
    }
}

/// How many sums are carried through one pass.
pub(crate) const MAX_SUMS: usize = 32;

/// The sums of some outputs, from the `first` on.
#[inline(never)]
pub(crate) fn sum_window<E: Element>(
    work: &dyn Sums<E>,
    tensors: &[Option<&Elements<E>>; MAX_OPERANDS],
    range: Range<usize>,
    first: usize,
    totals: &mut [E::Wide; MAX_SUMS],
) {
    let (whole, rest) = in_chunks(range);
    totals.fill(E::Wide::zero());
    let tensors = || tensors.iter().map_while(|tensor| *tensor);
    if !whole.is_empty() {
        if tensors().any(Elements::is_narrow) {
            sum_some::<E, Mixed>(work, &stretch::<E, Mixed>(tensors(), &whole), first, totals);
        } else {
            let mut stretch = stretch::<E, Full>(tensors(), &whole);
            read_what_counts(work, &mut stretch);
            sum_some::<E, Full>(work, &stretch, first, totals);
        }
    }
    for index in rest {
        let mut tensors = tensors();
        let mut input = || tensors.next().and_then(|tensor| tensor.get(index)).unwrap_or_else(E::zero);
        work.one(&mut input, &mut |slot, value| {
            if let Some(total) = slot.checked_sub(first).and_then(|slot| totals.get_mut(slot)) {
                *total = *total + value.widen();
            }
        });
    }
}

/// In the place of tensors on which nothing depends, one that is read anyway. A kernel of chosen parts reads what any of them needs, and the memory of the
/// rest would take its time.
fn read_what_counts<E: Element>(work: &dyn Sums<E>, stretch: &mut Stretch<&[[E; WIDTH]]>) {
    let (inputs, slots) = (work.dependence(), work.inputs());
    let Some(&read) = (0..slots).rfind(|&slot| inputs.on(slot)).and_then(|slot| stretch.operands.get(slot)) else {
        return;
    };
    for (slot, operand) in stretch.operands.iter_mut().enumerate().take(slots) {
        if !inputs.on(slot) {
            *operand = read;
        }
    }
}

/// [`sum_chunks`] with room for as many sums as there are.
pub(crate) fn sum_some<E: Element, M: Memory<E>>(
    work: &dyn Sums<E>,
    stretch: &Stretch<M::Read<'_>>,
    first: usize,
    totals: &mut [E::Wide; MAX_SUMS],
) {
    match work.outputs().saturating_sub(first) {
        0 | 1 => sum_chunks::<E, M, 1>(work, stretch, first, totals),
        2 => sum_chunks::<E, M, 2>(work, stretch, first, totals),
        3 | 4 => sum_chunks::<E, M, 4>(work, stretch, first, totals),
        5..=8 => sum_chunks::<E, M, 8>(work, stretch, first, totals),
        _ => sum_chunks::<E, M, MAX_SUMS>(work, stretch, first, totals),
    }
}

/// Adds the sums over a stretch, of which there are Q at most.
fn sum_chunks<E: Element, M: Memory<E>, const Q: usize>(
    work: &dyn Sums<E>,
    stretch: &Stretch<M::Read<'_>>,
    first: usize,
    totals: &mut [E::Wide; MAX_SUMS],
) {
    let window = Window { first, stride: Q };
    let sums: [E::Wide; Q] = sum_halves::<E, M, _>(stretch, &|leaf| {
        sum_leaf::<E, [Kept<E>; Q], [E::Wide; Q]>(leaf.chunks, |blocks, sums| {
            M::add(work, leaf, blocks, window, sums.as_flattened_mut());
        })
    });
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total = *total + sum;
    }
}

/// The tensors that a pass replaces.
pub struct Replaced<'t, E>([Option<&'t mut Elements<E>>; MAX_OPERANDS]);

impl<E: Element> fmt::Debug for Replaced<'_, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl<'t, E: Element> Replaced<'t, E> {
    /// These, in the order of the kernel's outputs; as many as a pass can hold.
    pub fn new(tensors: impl Iterator<Item = &'t mut Elements<E>>) -> Self {
        let mut replaced = Self([const { None }; MAX_OPERANDS]);
        for (place, tensor) in replaced.0.iter_mut().zip(tensors) {
            *place = Some(tensor);
        }
        replaced
    }

    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    fn iter(&self) -> impl Iterator<Item = &Elements<E>> {
        self.0.iter().map_while(|tensor| tensor.as_deref())
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Elements<E>> {
        self.0.iter_mut().map_while(|tensor| tensor.as_deref_mut())
    }

    /// Everything has been replaced that was to be: what is drawn for the next rounding is another number.
    pub fn updated(&mut self) {
        self.iter_mut().for_each(Elements::updated);
    }
}

/// Stores a kernel's output over a range into `targets`, which it reads together with `reads`. [`Replaced::updated`] ends an update of one range or
/// several.
///
/// # Requirements
///
/// As [`sum`]; the targets are the first slots of the kernel's input.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Real};
/// use ambient_metric_cpu::{Elements, pass};
///
/// #[derive(Clone)]
/// struct Axpy;
/// impl Kernel for Axpy {
///     type Uniform<S: Real> = S;
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = S;
///     #[inline(always)]
///     fn evaluate<S: Real>(&self, a: S, [y, x]: [S; 2]) -> S {
///         a * x + y
///     }
/// }
///
/// let [mut y, x] = [1.0_f64, 10.0].map(|number| Elements::from(vec![number; 20]));
/// let mut targets = pass::Replaced::new(std::iter::once(&mut y));
/// pass::update(&Axpy, 0.5, &mut targets, std::iter::once(&x), 0..20);
/// targets.updated();
/// assert_eq!(y.as_slice(), [6.0; 20]);
/// ```
pub fn update<'t, K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut Replaced<'_, E>,
    reads: impl Iterator<Item = &'t Elements<E>> + Clone,
    range: Range<usize>,
) {
    let work = Evaluated { kernel, uniform: convert::<_, _, _, K::Uniform<E>>(uniform, &mut E::narrow) };
    update_work(&work, targets, &gathered(reads), range);
}

/// Stores what comes out over a range.
#[inline(never)]
pub(crate) fn update_work<E: Element>(
    work: &dyn Stores<E>,
    targets: &mut Replaced<'_, E>,
    reads: &[Option<&Elements<E>>; MAX_OPERANDS],
    range: Range<usize>,
) {
    let (whole, rest) = in_chunks(range);
    let reads = || reads.iter().map_while(|tensor| *tensor);
    if !whole.is_empty() {
        if targets.iter().any(Elements::is_narrow) || reads().any(Elements::is_narrow) {
            let reads = stretch::<E, Mixed>(reads(), &whole);
            update_chunks::<E, Mixed>(work, &mut written::<E, Mixed>(targets, &whole), &reads);
        } else {
            let reads = stretch::<E, Full>(reads(), &whole);
            update_chunks::<E, Full>(work, &mut written::<E, Full>(targets, &whole), &reads);
        }
    }
    for index in rest {
        let mut output = [E::zero(); MAX_OPERANDS];
        {
            let (mut written, mut read) = (targets.iter(), reads());
            let mut next = || written.next().map_or_else(|| read.next()?.get(index), |tensor| tensor.get(index));
            work.one(&mut || next().unwrap_or_else(E::zero), &mut |slot, value| {
                if let Some(place) = output.get_mut(slot) {
                    *place = value;
                }
            });
        }
        for (target, value) in targets.iter_mut().zip(output).take(work.outputs()) {
            target.store(index, value);
        }
    }
}

/// The whole chunks of a range of some tensors.
fn stretch<'a, E: Element, M: Memory<E>>(
    tensors: impl Iterator<Item = &'a Elements<E>>,
    range: &Range<usize>,
) -> Stretch<M::Read<'a>> {
    let mut operands: [M::Read<'a>; MAX_OPERANDS] = Default::default();
    for (operand, tensor) in operands.iter_mut().zip(tensors) {
        *operand = M::chunks(tensor, range.clone());
    }
    Stretch { operands, chunks: range.len() / WIDTH }
}

/// The whole chunks of a range of the tensors that are written.
fn written<'a, E: Element, M: Memory<E>>(
    tensors: &'a mut Replaced<'_, E>,
    range: &Range<usize>,
) -> Targets<M::Write<'a>> {
    let mut targets: Targets<M::Write<'a>> = Default::default();
    for (target, tensor) in targets.iter_mut().zip(tensors.iter_mut()) {
        *target = M::chunks_mut(tensor, range.clone());
    }
    targets
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

/// The sum of a leaf of so many chunks. Its blocks are read side by side as long as there are enough, then one after the other. `add` adds what is
/// summed over every block to the sum beside it.
#[inline(always)]
fn sum_leaf<E: Element, L: Bundle<Kept<E>>, O: Bundle<E::Wide>>(
    chunks: usize,
    add: impl Fn(Blocks<'_>, &mut [L]),
) -> O {
    let run = chunks / (STREAMS * BLOCK) * BLOCK;
    let (mut start, mut streams) = if run > 0 { (0, STREAMS) } else { (0, 1) };
    let mut total = O::zero();
    while start < chunks {
        let end = (start + BLOCK).min(chunks);
        let starts: [usize; STREAMS] = from_fn(|stream| stream * run + start);
        let blocks = Blocks { starts: starts.get(..streams).unwrap_or_default(), chunks: end - start };
        let mut sums = [L::zero(); STREAMS];
        add(blocks, &mut sums);
        let mut block = O::zero();
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

/// Stores what comes out into the chunks of `targets`, which are read together with `reads`.
pub(crate) fn update_chunks<E: Element, M: Memory<E>>(
    work: &dyn Stores<E>,
    targets: &mut Targets<M::Write<'_>>,
    reads: &Stretch<M::Read<'_>>,
) {
    update_halves::<E, M>(targets, work.outputs(), reads, &|targets, reads| M::store(work, targets, reads));
}

/// What is done with the targets and the reads of a leaf.
type OnLeaf<'w, E, M> =
    dyn Fn(&mut Targets<<M as Memory<E>>::Write<'_>>, &Stretch<<M as Memory<E>>::Read<'_>>) + Sync + 'w;

/// Does something with the leaves of a stretch; see [`sum_halves`].
fn update_halves<E: Element, M: Memory<E>>(
    targets: &mut Targets<M::Write<'_>>,
    written: usize,
    reads: &Stretch<M::Read<'_>>,
    leaf: &OnLeaf<'_, E, M>,
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

    fn add(
        work: &dyn Sums<E>,
        stretch: &Stretch<Self::Read<'_>>,
        blocks: Blocks<'_>,
        window: Window,
        sums: &mut [Kept<E>],
    ) {
        work.add(stretch, blocks, window, sums);
    }

    fn store(work: &dyn Stores<E>, targets: &mut Targets<Self::Write<'_>>, reads: &Stretch<Self::Read<'_>>) {
        work.store(targets, reads, Order::Backwards);
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

/// A kernel with its uniforms.
struct Evaluated<'k, K, U> {
    kernel: &'k K,
    uniform: U,
}

impl<K: Kernel, E: Element> Work<E> for Evaluated<'_, K, K::Uniform<E>> {
    fn inputs(&self) -> usize {
        <K::Input<E> as Bundle<E>>::LEN
    }

    fn outputs(&self) -> usize {
        <K::Output<E> as Bundle<E>>::LEN
    }

    fn dependence(&self) -> Dependence {
        Dependence::of(self.kernel)
    }

    fn one(&self, input: &mut dyn FnMut() -> E, each: &mut dyn FnMut(usize, E)) {
        let output: K::Output<E> = self.kernel.evaluate(self.uniform, Bundle::build(&mut || input()));
        for (slot, value) in output.scalars().enumerate() {
            each(slot, value);
        }
    }
}

impl<K: Kernel, E: Element> Sums<E> for Evaluated<'_, K, K::Uniform<E>> {
    fn add(&self, stretch: &Stretch<&[[E; WIDTH]]>, blocks: Blocks<'_>, window: Window, sums: &mut [Kept<E>]) {
        let Self { kernel, uniform } = *self;
        Arch::new().dispatch(Add { kernel, uniform, stretch, blocks, window, sums });
    }
}

impl<K: Kernel, E: Element> Stores<E> for Evaluated<'_, K, K::Uniform<E>> {
    fn store(&self, targets: &mut Targets<&mut [[E; WIDTH]]>, reads: &Stretch<&[[E; WIDTH]]>, order: Order) {
        let Self { kernel, uniform } = *self;
        Arch::new().dispatch(Store { kernel, uniform, targets, reads, order });
    }
}

/// [`Sums::add`], as work that is compiled once for every kind of vector. (A closure would not be inlined into it.)
struct Add<'a, 'e, K, E, U> {
    kernel: &'a K,
    uniform: U,
    stretch: &'a Stretch<&'e [[E; WIDTH]]>,
    blocks: Blocks<'a>,
    window: Window,
    sums: &'a mut [Kept<E>],
}

impl<K: Kernel, E: Element> WithSimd for Add<'_, '_, K, E, K::Uniform<E>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        let Self { kernel, uniform, stretch, blocks, window: Window { first: window, stride }, sums } = self;
        // A copy that no store can change, so that its constants stay in registers.
        let kernel = kernel.clone();
        let lanes: K::Uniform<Lanes<V, E>> = convert(uniform, &mut Lanes::splat);
        let inputs = <K::Input<E> as Bundle<E>>::LEN;
        for first in (0..blocks.chunks).step_by(TURN) {
            let chunks = TURN.min(blocks.chunks - first);
            for (start, sums) in blocks.starts.iter().zip(sums.chunks_exact_mut(stride)) {
                // Cut to one length beforehand, so that the loop need not ask for it at every chunk.
                let mut turn: [&[[E; WIDTH]]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
                for (part, operand) in turn.iter_mut().zip(stretch.operands).take(inputs) {
                    let Some(found) = operand.get(start + first..).and_then(|rest| rest.get(..chunks)) else {
                        return debug_assert!(false, "a tensor is too short");
                    };
                    *part = found;
                }
                if const { V::IS_SCALAR } {
                    for (chunk, lane) in (0..chunks).flat_map(|chunk| (0..WIDTH).map(move |lane| (chunk, lane))) {
                        let mut tensors = turn.iter();
                        let input =
                            Bundle::build(&mut || number(tensors.next().and_then(|chunks| chunks.get(chunk)), lane));
                        let output: K::Output<E> = kernel.evaluate(uniform, input);
                        for (sum, slot) in sums.iter_mut().zip(window..<K::Output<E> as Bundle<E>>::LEN) {
                            if let (Some(sum), Some(value)) = (sum.numbers.get_mut(lane), output.get(slot)) {
                                *sum = *sum + value;
                            }
                        }
                    }
                    continue;
                }
                // Carried in registers for a turn, where the way through memory takes longer than most kernels.
                let mut slot = 0_usize;
                let mut total: K::Output<Lanes<V, E>> = Bundle::build(&mut || {
                    let sum = slot.checked_sub(window).and_then(|slot| sums.get(slot));
                    slot += 1;
                    sum.map_or_else(|| Lanes::splat(E::zero()), |sum| sum.with())
                });
                for chunk in 0..chunks {
                    let mut tensors = turn.iter();
                    let input = Bundle::build(&mut || load(tensors.next().and_then(|chunks| chunks.get(chunk))));
                    total = total.plus(kernel.evaluate(lanes, input));
                }
                for slot in 0..<K::Output<E> as Bundle<E>>::LEN {
                    let sum = slot.checked_sub(window).and_then(|slot| sums.get_mut(slot));
                    if let (Some(sum), Some(lanes)) = (sum, total.get(slot)) {
                        *sum = lanes.with();
                    }
                }
            }
        }
    }
}

/// [`Stores::store`], as work that is compiled once for every kind of vector.
struct Store<'a, 't, 'r, K, E, U> {
    kernel: &'a K,
    uniform: U,
    targets: &'a mut Targets<&'t mut [[E; WIDTH]]>,
    reads: &'a Stretch<&'r [[E; WIDTH]]>,
    order: Order,
}

impl<K: Kernel, E: Element> WithSimd for Store<'_, '_, '_, K, E, K::Uniform<E>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        let Self { kernel, uniform, targets, reads, order } = self;
        let kernel = kernel.clone();
        let lanes: K::Uniform<Lanes<V, E>> = convert(uniform, &mut Lanes::splat);
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
            if const { V::IS_SCALAR } {
                for lane in 0..WIDTH {
                    let mut slot = 0;
                    let input = Bundle::build(&mut || {
                        let chunks =
                            if slot < written { targets[slot].get(chunk) } else { operands[slot - written].get(chunk) };
                        slot += 1;
                        number(chunks, lane)
                    });
                    let output: K::Output<E> = kernel.evaluate(uniform, input);
                    for (slot, target) in targets.iter_mut().take(written).enumerate() {
                        let place = target.get_mut(chunk).and_then(|chunk| chunk.as_mut_slice().get_mut(lane));
                        if let (Some(place), Some(value)) = (place, output.get(slot)) {
                            *place = value;
                        }
                    }
                }
                chunk = chunk.wrapping_add(step);
                continue;
            }
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
            let output = kernel.evaluate(lanes, input);
            for (slot, target) in targets.iter_mut().take(written).enumerate() {
                if let (Some(target), Some(lanes)) = (target.get_mut(chunk), output.get(slot)) {
                    *target = lanes.numbers;
                }
            }
            chunk = chunk.wrapping_add(step);
        }
    }
}

/// A number of a chunk.
#[inline(always)]
fn number<E: Element>(chunk: Option<&[E; WIDTH]>, lane: usize) -> E {
    chunk.and_then(|chunk| chunk.as_slice().get(lane).copied()).unwrap_or_else(E::zero)
}

#[inline(always)]
fn load<V: Simd, E: Element>(chunk: Option<&[E; WIDTH]>) -> Lanes<V, E> {
    chunk.map_or_else(|| Lanes::splat(E::zero()), |chunk| Lanes::new(*chunk))
}
