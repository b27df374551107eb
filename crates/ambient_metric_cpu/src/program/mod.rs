//! Programs: recordings run over memory, with the bits of the kernels that they were recorded from.
//!
//! A kernel is compiled to machine code by the compiler; a recording is not there when the compiler runs. So it becomes a few dozen instructions for a
//! machine with one accumulator, and the machine is what the compiler compiles: every instruction is a loop over as many vectors as stay in the
//! processor's registers, and finding the next instruction takes less time than that loop.

mod compile;
mod machine;
mod scalars;

use core::array::from_fn;
use core::cell::Cell;
use core::ops::Range;

use ambient_metric::Error;
use ambient_metric::number::Element;
use ambient_metric_trace::Recording;
use pulp::{Arch, Simd, WithSimd};

use crate::dependence::Dependence;
use crate::elements::Elements;
use crate::lanes::{Kept, Lanes, WIDTH};
use crate::pass::{
    Blocks, Full, MAX_OPERANDS, Order, Replaced, Stores, Stretch, Sums, TURN, Targets, Window, Work, each_window,
    gathered, in_chunks, sum_some, sum_window, update_chunks, update_work,
};
use compile::{Compiled, Instruction, PLACES, Purpose, compile};
use machine::{OfBlock, OfFew, OfOne, Row, Table, run};
pub(crate) use scalars::Formula;
use scalars::Scalars;

/// How many sums a program can have.
pub(crate) const MAX_SUMS: usize = 64;

/// How many lanes the accumulator has at most.
const MOST_LANES: usize = 8;

/// How many numbers are computed together where there are few.
const FEW: usize = 4;

/// Lanes for the registers of a program: of all that there can be, of most programs, and of short ones.
const ALL_LANES: usize = PLACES * MOST_LANES;
const SOME_LANES: usize = 12 * MOST_LANES;
const FEW_LANES: usize = 4 * MOST_LANES;

/// Lanes that are the same number, in whole cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Aligned<N>(N);

/// A number in every lane of an accumulator.
type Splat<E> = Aligned<[[E; WIDTH]; MOST_LANES]>;

/// A recording that can be run over memory: its outputs summed, or stored in place of its first inputs.
///
/// # Requirements
///
/// All slices of a call have one length. What is given as uniform is in the order of [`Recording::uniforms`]; slices are in that of
/// [`Recording::inputs`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Real};
/// use ambient_metric_cpu::Program;
/// use ambient_metric_trace::Recording;
///
/// /// y + a x
/// #[derive(Clone)]
/// struct Axpy;
/// impl Kernel for Axpy {
///     type Uniform<S: Real> = S;
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = S;
///     fn evaluate<S: Real>(&self, a: S, [y, x]: [S; 2]) -> S {
///         a * x + y
///     }
/// }
///
/// let mut axpy = Program::<f32>::update(&Recording::update(&Axpy))?;
/// let (mut y, x) = ([1.0, 2.0], [10.0, 20.0]);
/// axpy.uniforms(&[0.5])?;
/// axpy.store(&mut [&mut y], &[&x])?;
/// assert_eq!(y, [6.0, 12.0]);
///
/// let mut sum = Program::<f32>::sums(&Recording::kernel(&Axpy))?;
/// sum.uniforms(&[0.5])?;
/// let mut total = [0.0];
/// sum.sum(&[&y, &x], &mut total)?;
/// assert_eq!(total, [33.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::TooMany`] for a recording of more tensors, sums, or numbers that are needed at the same time, than the machine has places.
#[derive(Clone, Debug)]
pub struct Program<E> {
    code: Vec<Instruction>,
    /// The names of all inputs.
    names: Vec<String>,
    tensors: Vec<usize>,
    targets: usize,
    registers: usize,
    sums: usize,
    once: Scalars<E>,
    /// Where among the scalars the uniforms of the code are.
    uniforms: Vec<usize>,
    /// The same in every lane, once somebody needs them so.
    splats: Vec<Splat<E>>,
    are_splat: bool,
    /// Tensors and uniforms of a few elements.
    few_reads: Vec<[E; FEW]>,
    /// Targets and registers of a few elements.
    few_cells: Vec<[E; FEW]>,
}

impl<E: Element> Program<E> {
    /// The program that sums what a recording puts out.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`].
    pub fn sums(recording: &Recording) -> Result<Self, Error> {
        Self::new(recording, Purpose::Sums)
    }

    /// The program that stores what a recording puts out in place of its first inputs.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`], and [`Error::Outputs`] for a recording of more outputs than inputs.
    pub fn update(recording: &Recording) -> Result<Self, Error> {
        Self::new(recording, Purpose::Update)
    }

    /// The program whose one sum is finite where everything is that an update would write.
    pub(crate) fn rehearsal(recording: &Recording) -> Result<Self, Error> {
        Self::new(recording, Purpose::Rehearsal)
    }

    fn new(recording: &Recording, purpose: Purpose) -> Result<Self, Error> {
        let (inputs, outputs) = (recording.inputs().len(), recording.outputs().len());
        if purpose == Purpose::Update && outputs > inputs {
            return Err(Error::Outputs { expected: outputs, found: inputs });
        }
        let Compiled { code, tensors, uniforms, targets, registers, is_once } = compile(recording, purpose)?;
        let (once, places) = Scalars::new(recording, |node| is_once.get(node).copied().unwrap_or(false));
        let uniforms: Vec<usize> =
            uniforms.iter().map(|id| places.get(id.index()).copied().flatten().unwrap_or(0)).collect();
        Ok(Self {
            code,
            names: recording.inputs().iter().map(|input| input.name.clone()).collect(),
            splats: vec![Aligned([[E::zero(); WIDTH]; MOST_LANES]); uniforms.len()],
            are_splat: false,
            few_reads: vec![[E::zero(); FEW]; tensors.len() + uniforms.len()],
            few_cells: vec![[E::zero(); FEW]; targets + registers],
            sums: match purpose {
                Purpose::Sums => outputs,
                Purpose::Update => 0,
                Purpose::Rehearsal => 1,
            },
            tensors,
            targets,
            registers,
            once,
            uniforms,
        })
    }

    /// Takes what is the same for every element, and computes what follows from that alone.
    ///
    /// # Errors
    ///
    /// [`Error::Operands`] for another number of uniforms than the recording has.
    pub fn uniforms(&mut self, given: &[E::Wide]) -> Result<(), Error> {
        let places = self.once.uniforms_mut();
        if places.len() != given.len() {
            return Err(Error::Operands { expected: places.len(), found: given.len() });
        }
        for (place, number) in places.iter_mut().zip(given) {
            *place = E::narrow(*number);
        }
        self.once.run();
        let behind = self.few_reads.iter_mut().skip(self.tensors.len());
        for (numbers, place) in behind.zip(&self.uniforms) {
            *numbers = [self.once.get(*place); FEW];
        }
        self.are_splat = false;
        Ok(())
    }

    /// Adds the sums over all elements to `totals`, in an order that the length alone decides.
    ///
    /// # Errors
    ///
    /// [`Error::Operands`] for another number of slices, [`Error::Outputs`] of totals, [`Error::Shape`] for slices of different lengths.
    pub fn sum(&mut self, inputs: &[&[E]], totals: &mut [E::Wide]) -> Result<(), Error> {
        if inputs.len() != self.names.len() || self.targets > 0 {
            return Err(Error::Operands { expected: self.names.len(), found: inputs.len() });
        }
        if totals.len() != self.sums {
            return Err(Error::Outputs { expected: self.sums, found: totals.len() });
        }
        let len = inputs.first().map_or(0, |input| input.len());
        self.check(len, inputs.iter().map(|input| input.len()), 0)?;
        let (whole, rest) = in_chunks(0..len);
        if !whole.is_empty() {
            self.splat();
            let stretch = stretch(inputs.iter().copied(), whole.end);
            each_window::<E>(totals, |first, window| sum_some::<E, Full>(&self.ready(), &stretch, first, window));
        }
        for start in rest.clone().step_by(FEW) {
            let count = FEW.min(rest.end - start);
            self.gather(inputs, 0, start, count);
            let mut row = Row { reads: &self.few_reads, cells: &mut self.few_cells };
            run::<E, E, FEW>(&self.code, &mut row, &mut OfFew { totals: &mut *totals, count });
        }
        Ok(())
    }

    /// Replaces `targets`, which are read together with `reads`, by the outputs.
    ///
    /// # Errors
    ///
    /// [`Error::Outputs`] for another number of targets, [`Error::Operands`] of slices in all, [`Error::Shape`] for slices of different lengths.
    pub fn store(&mut self, targets: &mut [&mut [E]], reads: &[&[E]]) -> Result<(), Error> {
        if targets.len() != self.targets || self.sums > 0 {
            return Err(Error::Outputs { expected: self.targets, found: targets.len() });
        }
        if targets.len() + reads.len() != self.names.len() {
            return Err(Error::Operands { expected: self.names.len(), found: targets.len() + reads.len() });
        }
        let len = targets.first().map_or(0, |target| target.len());
        self.check(len, targets.iter().map(|target| target.len()), 0)?;
        self.check(len, reads.iter().map(|read| read.len()), targets.len())?;
        let (whole, rest) = in_chunks(0..len);
        if !whole.is_empty() {
            self.splat();
            let mut chunks: Targets<&mut [[E; WIDTH]]> = Default::default();
            for (chunks, target) in chunks.iter_mut().zip(&mut *targets) {
                *chunks = target.as_chunks_mut().0;
            }
            update_chunks::<E, Full>(&self.ready(), &mut chunks, &stretch(reads.iter().copied(), whole.end));
        }
        for start in rest.clone().step_by(FEW) {
            let count = FEW.min(rest.end - start);
            self.gather(reads, self.targets, start, count);
            for (numbers, target) in self.few_cells.iter_mut().zip(&*targets) {
                for (number, element) in numbers.iter_mut().zip(target.iter().skip(start)) {
                    *number = *element;
                }
            }
            let mut row = Row { reads: &self.few_reads, cells: &mut self.few_cells };
            run::<E, E, FEW>(&self.code, &mut row, &mut ());
            for (numbers, target) in self.few_cells.iter().zip(&mut *targets) {
                for (number, element) in numbers.iter().zip(target.iter_mut().skip(start)) {
                    *element = *number;
                }
            }
        }
        Ok(())
    }

    /// As [`sum`](Self::sum), over a range of the tensors of a backend, of which some may be stored in 16 bits.
    ///
    /// # Errors
    ///
    /// [`Error::Operands`] for another number of tensors than the recording reads, [`Error::Outputs`] of totals.
    pub fn sum_elements<'t>(
        &mut self,
        tensors: impl Iterator<Item = &'t Elements<E>> + Clone,
        range: Range<usize>,
        totals: &mut [E::Wide],
    ) -> Result<(), Error> {
        let (expected, found) = (self.names.len(), tensors.clone().count());
        if expected != found || self.targets > 0 {
            return Err(Error::Operands { expected, found });
        }
        if totals.len() != self.sums {
            return Err(Error::Outputs { expected: self.sums, found: totals.len() });
        }
        self.splat();
        let (ready, tensors) = (self.ready(), gathered(tensors));
        each_window::<E>(totals, |first, window| sum_window(&ready, &tensors, range.clone(), first, window));
        Ok(())
    }

    /// As [`store`](Self::store), over a range of the tensors of a backend, of which some may be stored in 16 bits.
    ///
    /// # Errors
    ///
    /// [`Error::Outputs`] for another number of targets, [`Error::Operands`] of tensors in all.
    pub fn store_elements<'t>(
        &mut self,
        targets: &mut Replaced<'_, E>,
        reads: impl Iterator<Item = &'t Elements<E>> + Clone,
        range: Range<usize>,
    ) -> Result<(), Error> {
        let (written, read) = (targets.count(), reads.clone().count());
        if written != self.targets || self.sums > 0 {
            return Err(Error::Outputs { expected: self.targets, found: written });
        }
        if written + read != self.names.len() {
            return Err(Error::Operands { expected: self.names.len(), found: written + read });
        }
        self.splat();
        update_work(&self.ready(), targets, &gathered(reads), range);
        Ok(())
    }

    /// How many tensors it reads and writes.
    #[must_use]
    pub fn tensors(&self) -> usize {
        self.names.len()
    }

    /// How many uniforms it takes.
    #[must_use]
    pub fn uniforms_len(&self) -> usize {
        self.once.uniforms_len()
    }

    /// How many sums it has.
    #[must_use]
    pub fn sums_len(&self) -> usize {
        self.sums
    }

    /// The program with its uniforms, as work for passes.
    fn ready(&self) -> Ready<'_, E> {
        let Self { code, splats, tensors, few_reads, names, sums, .. } = self;
        let (targets, registers) = (self.targets, self.registers);
        Ready { code, splats, tensors, few_reads, targets, registers, inputs: names.len(), sums: *sums }
    }

    /// Accepts slices of one length; `first` is the slot of the first.
    fn check(&self, len: usize, mut lengths: impl Iterator<Item = usize>, first: usize) -> Result<(), Error> {
        match lengths.by_ref().enumerate().find(|(_, found)| *found != len) {
            None => Ok(()),
            Some((slot, found)) => {
                let name = self.names.get(first + slot).cloned().unwrap_or_default();
                Err(Error::Shape { name, expected: vec![len], found: vec![found] })
            }
        }
    }

    /// Copies a few elements of the tensors that the code reads.
    #[inline]
    fn gather(&mut self, slices: &[&[E]], first: usize, start: usize, count: usize) {
        for (numbers, slot) in self.few_reads.iter_mut().zip(&self.tensors) {
            let slice = slot.checked_sub(first).and_then(|slot| slices.get(slot)).copied().unwrap_or_default();
            for (number, element) in numbers.iter_mut().zip(slice.iter().skip(start)).take(count) {
                *number = *element;
            }
        }
    }

    /// Spreads the uniforms over lanes, unless they are.
    fn splat(&mut self) {
        if !self.are_splat {
            for (splat, place) in self.splats.iter_mut().zip(&self.uniforms) {
                *splat = Aligned([[self.once.get(*place); WIDTH]; MOST_LANES]);
            }
            self.are_splat = true;
        }
    }
}

/// The whole chunks of slices up to an end.
fn stretch<'a, E: Element>(slices: impl Iterator<Item = &'a [E]>, end: usize) -> Stretch<&'a [[E; WIDTH]]> {
    let mut operands: [&[[E; WIDTH]]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
    for (operand, slice) in operands.iter_mut().zip(slices) {
        *operand = slice.as_chunks().0;
    }
    Stretch { operands, chunks: end / WIDTH }
}

/// What is done with memory for registers.
type WithFrame<'f, E> = dyn FnMut(&[Cell<[E; WIDTH]>]) + 'f;

/// Calls with memory for so many registers.
fn with_registers<E: Element>(registers: usize, f: &mut WithFrame<'_, E>) {
    let lanes = registers * MOST_LANES;
    if lanes <= FEW_LANES {
        with_lanes::<E, FEW_LANES>(f);
    } else if lanes <= SOME_LANES {
        with_lanes::<E, SOME_LANES>(f);
    } else {
        with_lanes::<E, ALL_LANES>(f);
    }
}

#[inline(never)]
fn with_lanes<E: Element, const N: usize>(f: &mut WithFrame<'_, E>) {
    let mut lanes = Aligned([[E::zero(); WIDTH]; N]);
    f(Cell::from_mut(&mut lanes.0[..]).as_slice_of_cells());
}

/// A program with its uniforms, which does not change while it runs.
#[derive(Clone, Copy)]
struct Ready<'p, E> {
    code: &'p [Instruction],
    splats: &'p [Splat<E>],
    /// The slots of the tensors that are only read.
    tensors: &'p [usize],
    /// Behind as many as there are tensors the uniforms.
    few_reads: &'p [[E; FEW]],
    targets: usize,
    registers: usize,
    inputs: usize,
    sums: usize,
}

impl<E: Element> Work<E> for Ready<'_, E> {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.targets + self.sums
    }

    fn dependence(&self) -> Dependence {
        // Whether a target is read before it is written the code does not say.
        Dependence::on_all((0..self.targets).chain(self.tensors.iter().copied()))
    }

    fn one(&self, input: &mut dyn FnMut() -> E, each: &mut dyn FnMut(usize, E)) {
        let mut inputs = [E::zero(); MAX_OPERANDS];
        inputs.iter_mut().take(self.inputs).for_each(|number| *number = input());
        let (mut reads, mut cells) = ([[E::zero(); FEW]; PLACES], [[E::zero(); FEW]; PLACES]);
        for (read, uniform) in reads.iter_mut().zip(self.few_reads) {
            *read = *uniform;
        }
        for (read, slot) in reads.iter_mut().zip(self.tensors) {
            *read = [inputs.get(*slot).copied().unwrap_or_else(E::zero); FEW];
        }
        for (cell, number) in cells.iter_mut().zip(inputs).take(self.targets) {
            *cell = [number; FEW];
        }
        let mut row = Row { reads: &reads, cells: &mut cells };
        run::<E, E, FEW>(self.code, &mut row, &mut OfOne { each: &mut *each });
        for (slot, cell) in cells.iter().take(self.targets).enumerate() {
            each(slot, cell[0]);
        }
    }
}

impl<E: Element> Sums<E> for Ready<'_, E> {
    fn add(&self, stretch: &Stretch<&[[E; WIDTH]]>, blocks: Blocks<'_>, window: Window, sums: &mut [Kept<E>]) {
        let stretch = &self.read(stretch, 0);
        with_registers(self.registers, &mut |frame| {
            Arch::new().dispatch(Add { ready: *self, frame, stretch, blocks, sums: &mut *sums, window });
        });
    }
}

impl<E: Element> Stores<E> for Ready<'_, E> {
    fn store(&self, targets: &mut Targets<&mut [[E; WIDTH]]>, reads: &Stretch<&[[E; WIDTH]]>, _order: Order) {
        let reads = &self.read(reads, self.targets);
        with_registers(self.registers, &mut |frame| {
            Arch::new().dispatch(Store { ready: *self, frame, targets: &mut *targets, reads });
        });
    }
}

impl<'p, E: Element> Ready<'p, E> {
    /// Of a stretch of tensors from the slot `first` on those that the code reads, in its order.
    fn read<'a>(&self, stretch: &Stretch<&'a [[E; WIDTH]]>, first: usize) -> Stretch<&'a [[E; WIDTH]]> {
        let mut operands: [&[[E; WIDTH]]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
        for (operand, slot) in operands.iter_mut().zip(self.tensors) {
            *operand = slot.checked_sub(first).and_then(|slot| stretch.operands.get(slot)).copied().unwrap_or_default();
        }
        Stretch { operands, ..*stretch }
    }

    /// The table of all operands that do not change from tile to tile: uniforms and registers.
    #[inline(always)]
    fn table<'t, const T: usize>(
        self,
        zeros: &'t [[E; WIDTH]; T],
        nowhere: &'t [Cell<[E; WIDTH]>; T],
        frame: &'t [Cell<[E; WIDTH]>],
    ) -> Table<'t, [E; WIDTH], T>
    where
        'p: 't,
    {
        let mut table = Table { reads: [zeros; PLACES], cells: [nowhere; PLACES] };
        for (place, splat) in table.reads.iter_mut().skip(self.tensors.len()).zip(self.splats) {
            *place = splat.0.first_chunk().unwrap_or(zeros);
        }
        let registers = table.cells.iter_mut().skip(self.targets).take(self.registers);
        for (place, lanes) in registers.zip(frame.as_chunks().0) {
            *place = lanes;
        }
        table
    }
}

/// How many lanes of these vectors the accumulator has: eight vectors, which is half of the registers of a processor with sixteen, and a quarter where
/// there are more.
const fn lanes_of<V: Simd, E>() -> usize {
    let vector = if size_of::<E>() == size_of::<f32>() { V::F32_LANES } else { V::F64_LANES };
    let lanes = 8 * vector / WIDTH;
    if lanes == 0 {
        1
    } else if lanes > MOST_LANES {
        MOST_LANES
    } else {
        lanes
    }
}

/// Does the same with as many lanes as there are.
macro_rules! with_lanes_of {
    ($V:ident, $E:ident, $T:ident => $does:expr) => {
        match const { lanes_of::<$V, $E>() } {
            8 => {
                const $T: usize = 8;
                $does
            }
            4 => {
                const $T: usize = 4;
                $does
            }
            2 => {
                const $T: usize = 2;
                $does
            }
            _ => {
                const $T: usize = 1;
                $does
            }
        }
    };
}

/// Adds to the sums of blocks, as work that is compiled once for every kind of vector.
struct Add<'a, 'e, E> {
    ready: Ready<'a, E>,
    frame: &'a [Cell<[E; WIDTH]>],
    stretch: &'a Stretch<&'e [[E; WIDTH]]>,
    blocks: Blocks<'a>,
    sums: &'a mut [Kept<E>],
    window: Window,
}

impl<E: Element> WithSimd for Add<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        with_lanes_of!(V, E, T => self.go::<V, T>());
    }
}

impl<E: Element> Add<'_, '_, E> {
    #[inline(always)]
    fn go<V: Simd, const T: usize>(self) {
        let Self { ready, frame, stretch, blocks, sums, window: Window { first: window, stride } } = self;
        let zeros = [[E::zero(); WIDTH]; T];
        let nowhere = zeros.map(Cell::new);
        let whole = blocks.chunks / T * T;
        let passes = if whole < blocks.chunks { 1 + blocks.starts.len() } else { 1 };
        // The whole tiles of all blocks, and then the rest of each.
        for pass in 0..passes {
            let padded: [[[E; WIDTH]; T]; MAX_OPERANDS];
            let (chunks, only, padded) = match pass.checked_sub(1) {
                None => (0..whole, None, &[][..]),
                Some(block) => {
                    let at = blocks.starts.get(block).map_or(0, |start| start + whole);
                    padded = stretch.operands.map(|tensor| padded_tile(tensor.get(at..).unwrap_or_default()));
                    (whole..blocks.chunks, Some(block), &padded[..])
                }
            };
            let mut table = ready.table(&zeros, &nowhere, frame);
            for first in chunks.clone().step_by(TURN) {
                let end = (first + TURN).min(chunks.end);
                for (block, (start, sums)) in blocks.starts.iter().zip(sums.chunks_exact_mut(stride)).enumerate() {
                    if only.is_some_and(|only| only != block) {
                        continue;
                    }
                    for chunk in (first..end).step_by(T) {
                        let count = T.min(end - chunk);
                        let tensors = stretch.operands.iter().take(ready.tensors.len()).enumerate();
                        for (place, (slot, tensor)) in table.reads.iter_mut().zip(tensors) {
                            *place = padded.get(slot).or_else(|| tile(tensor, start + chunk)).unwrap_or(&zeros);
                        }
                        let mut sums = OfBlock { sums: &mut *sums, first: window, count };
                        run::<E, Lanes<V, E>, T>(ready.code, &mut table, &mut sums);
                    }
                }
            }
        }
    }
}

/// The tile of a tensor that begins at a chunk.
#[inline(always)]
fn tile<N, const T: usize>(tensor: &[N], chunk: usize) -> Option<&[N; T]> {
    tensor.get(chunk..)?.first_chunk()
}

/// The first chunks of a tensor as a tile, with zeros behind them.
#[inline(always)]
fn padded_tile<E: Element, const T: usize>(chunks: &[[E; WIDTH]]) -> [[E; WIDTH]; T] {
    from_fn(|lane| chunks.get(lane).copied().unwrap_or([E::zero(); WIDTH]))
}

/// Stores outputs, as work that is compiled once for every kind of vector.
struct Store<'a, 't, 'e, E> {
    ready: Ready<'a, E>,
    frame: &'a [Cell<[E; WIDTH]>],
    targets: &'a mut Targets<&'t mut [[E; WIDTH]]>,
    reads: &'a Stretch<&'e [[E; WIDTH]]>,
}

impl<E: Element> WithSimd for Store<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        with_lanes_of!(V, E, T => self.go::<V, T>());
    }
}

impl<E: Element> Store<'_, '_, '_, E> {
    #[inline(always)]
    fn go<V: Simd, const T: usize>(self) {
        let Self { ready, frame, targets, reads } = self;
        let zeros = [[E::zero(); WIDTH]; T];
        let nowhere = zeros.map(Cell::new);
        let cells = targets.each_mut().map(|target| Cell::from_mut(&mut **target).as_slice_of_cells());
        let whole = reads.chunks / T * T;
        let passes = if whole < reads.chunks { 2 } else { 1 };
        // The whole tiles, and then the rest.
        for pass in 0..passes {
            let read: [[[E; WIDTH]; T]; MAX_OPERANDS];
            let written: [[Cell<[E; WIDTH]>; T]; MAX_OPERANDS];
            let (tiles, read, written) = if pass == 0 {
                (0..whole / T, &[][..], &[][..])
            } else {
                read = reads.operands.map(|tensor| padded_tile(tensor.get(whole..).unwrap_or_default()));
                written = cells.map(|target| {
                    let rest = target.get(whole..).unwrap_or_default();
                    from_fn(|lane| Cell::new(rest.get(lane).map_or([E::zero(); WIDTH], Cell::get)))
                });
                (whole / T..whole / T + 1, &read[..], &written[..])
            };
            let mut table = ready.table(&zeros, &nowhere, frame);
            for number in tiles.rev() {
                let tensors = reads.operands.iter().take(ready.tensors.len()).enumerate();
                for (place, (slot, tensor)) in table.reads.iter_mut().zip(tensors) {
                    *place = read.get(slot).or_else(|| tile(tensor, number * T)).unwrap_or(&zeros);
                }
                for (place, (slot, target)) in table.cells.iter_mut().zip(cells.iter().take(ready.targets).enumerate())
                {
                    *place = written.get(slot).or_else(|| tile(target, number * T)).unwrap_or(&nowhere);
                }
                run::<E, Lanes<V, E>, T>(ready.code, &mut table, &mut ());
            }
            for (target, written) in cells.iter().zip(written) {
                for (to, from) in target.get(whole..).unwrap_or_default().iter().zip(written) {
                    to.set(from.get());
                }
            }
        }
    }
}
