//! The machine: one accumulator of a few vectors, which stay in the processor's registers while all instructions of a program run over them.

use core::cell::Cell;

use ambient_metric::Real;
use ambient_metric::number::Element;
use ambient_metric_trace::{Binary, Unary};
use pulp::Simd;

use crate::lanes::{Kept, Lanes, WIDTH};
use crate::program::compile::{Instruction, PLACES, Place};

/// A scalar that is computed with, and how it lies in memory.
pub(crate) trait Loaded<E: Element>: Real {
    type Stored: Copy;

    fn load(stored: Self::Stored) -> Self;
    fn stored(self) -> Self::Stored;
    /// All numbers in memory.
    fn numbers(stored: &mut Self::Stored) -> &mut [E];
}

impl<E: Element> Loaded<E> for E {
    type Stored = E;

    #[inline(always)]
    fn load(stored: E) -> E {
        stored
    }

    #[inline(always)]
    fn stored(self) -> E {
        self
    }

    #[inline(always)]
    fn numbers(stored: &mut E) -> &mut [E] {
        core::slice::from_mut(stored)
    }
}

impl<V: Simd, E: Element> Loaded<E> for Lanes<V, E> {
    type Stored = [E; WIDTH];

    #[inline(always)]
    fn load(stored: [E; WIDTH]) -> Self {
        Self::new(stored)
    }

    #[inline(always)]
    fn stored(self) -> [E; WIDTH] {
        self.numbers
    }

    #[inline(always)]
    fn numbers(stored: &mut [E; WIDTH]) -> &mut [E] {
        stored
    }
}

/// Does the same for every place below T, of which there are eight at most. (Written out: what goes through a loop, or through `map`, goes through memory
/// before the loop is unrolled.)
macro_rules! each_place {
    ($T:ident, $k:ident => $does:expr) => {
        each_place!(@ $T, $k => $does; 0 1 2 3 4 5 6 7)
    };
    (@ $T:ident, $k:ident => $does:expr; $($place:literal)+) => {
        $(if $place < $T {
            let $k: usize = $place;
            $does;
        })+
    };
}

/// Where the operands of T accumulators at once are.
pub(crate) trait Operands<M, const T: usize> {
    fn get<E: Element, S: Loaded<E, Stored = M>>(&self, place: Place) -> [S; T];
    fn set<E: Element, S: Loaded<E, Stored = M>>(&mut self, cell: u8, values: &[S; T]);
}

/// Operands anywhere in memory, found by a table of places.
pub(crate) struct Table<'m, M, const T: usize> {
    pub(crate) reads: [&'m [M; T]; PLACES],
    pub(crate) cells: [&'m [Cell<M>; T]; PLACES],
}

impl<M: Copy, const T: usize> Operands<M, T> for Table<'_, M, T> {
    #[inline(always)]
    fn get<E: Element, S: Loaded<E, Stored = M>>(&self, place: Place) -> [S; T] {
        let mut values = [S::zero(); T];
        match place {
            Place::Read(place) => {
                let stored = self.reads[usize::from(place) % PLACES];
                each_place!(T, k => values[k] = S::load(stored[k]));
            }
            Place::Cell(place) => {
                let stored = self.cells[usize::from(place) % PLACES];
                each_place!(T, k => values[k] = S::load(stored[k].get()));
            }
        }
        values
    }

    #[inline(always)]
    fn set<E: Element, S: Loaded<E, Stored = M>>(&mut self, cell: u8, values: &[S; T]) {
        let stored = self.cells[usize::from(cell) % PLACES];
        each_place!(T, k => stored[k].set(values[k].stored()));
    }
}

/// Operands one after the other: what is read, then what is written too.
pub(crate) struct Row<'m, M, const T: usize> {
    pub(crate) reads: &'m [[M; T]],
    pub(crate) cells: &'m mut [[M; T]],
}

impl<M: Copy, const T: usize> Operands<M, T> for Row<'_, M, T> {
    #[inline(always)]
    fn get<E: Element, S: Loaded<E, Stored = M>>(&self, place: Place) -> [S; T] {
        let mut values = [S::zero(); T];
        let stored = match place {
            Place::Read(place) => self.reads.get(usize::from(place)),
            Place::Cell(place) => self.cells.get(usize::from(place)),
        };
        if let Some(stored) = stored {
            each_place!(T, k => values[k] = S::load(stored[k]));
        }
        values
    }

    #[inline(always)]
    fn set<E: Element, S: Loaded<E, Stored = M>>(&mut self, cell: u8, values: &[S; T]) {
        if let Some(stored) = self.cells.get_mut(usize::from(cell)) {
            each_place!(T, k => stored[k] = values[k].stored());
        }
    }
}

/// What a program adds its accumulators to. (A trait, because a closure need not be inlined, and then is not compiled for the processor's vectors.)
pub(crate) trait Sums<S, const T: usize> {
    fn add(&mut self, sum: u8, values: &[S; T]);
}

/// A program without sums.
impl<S, const T: usize> Sums<S, T> for () {
    #[inline(always)]
    fn add(&mut self, _: u8, _: &[S; T]) {}
}

/// The sums of one block, to which the first of the lanes are added, one after the other.
pub(crate) struct OfBlock<'s, E> {
    pub(crate) sums: &'s mut [Kept<E>],
    /// The sum of the program that is the first of these.
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl<V: Simd, E: Element, const T: usize> Sums<Lanes<V, E>, T> for OfBlock<'_, E> {
    #[inline(always)]
    fn add(&mut self, sum: u8, values: &[Lanes<V, E>; T]) {
        let Some(sum) = usize::from(sum).checked_sub(self.first).and_then(|sum| self.sums.get_mut(sum)) else { return };
        let mut total: Lanes<V, E> = sum.with();
        if self.count == T {
            each_place!(T, lane => total = total + values[lane]);
        } else {
            each_place!(T, lane => if lane < self.count { total = total + values[lane] });
        }
        *sum = total.with();
    }
}

/// Sums in the wide type, to which the first of the numbers are added, one after the other.
pub(crate) struct OfFew<'s, W> {
    pub(crate) totals: &'s mut [W],
    pub(crate) count: usize,
}

impl<E: Element, const T: usize> Sums<E, T> for OfFew<'_, E::Wide> {
    #[inline(always)]
    fn add(&mut self, sum: u8, values: &[E; T]) {
        if let Some(total) = self.totals.get_mut(usize::from(sum)) {
            for value in values.iter().take(self.count) {
                *total = *total + value.widen();
            }
        }
    }
}

/// Who is told the first of the numbers.
pub(crate) struct OfOne<'s, E> {
    pub(crate) each: &'s mut dyn FnMut(usize, E),
}

impl<E: Element, const T: usize> Sums<E, T> for OfOne<'_, E> {
    #[inline(always)]
    fn add(&mut self, sum: u8, values: &[E; T]) {
        if let Some(value) = values.first() {
            (self.each)(usize::from(sum), *value);
        }
    }
}

/// Runs a program over T accumulators, which are added to its sums.
#[inline(always)]
pub(crate) fn run<E: Element, S: Loaded<E>, const T: usize>(
    code: &[Instruction],
    operands: &mut impl Operands<S::Stored, T>,
    sums: &mut impl Sums<S, T>,
) {
    let mut a = [S::zero(); T];
    macro_rules! each {
        ($k:ident => $value:expr) => {{
            each_place!(T, $k => a[$k] = $value);
        }};
        ($x:ident = $place:expr; $k:ident => $value:expr) => {{
            let values: [S; T] = operands.get($place);
            each_place!(T, $k => {
                let $x = values[$k];
                a[$k] = $value;
            });
        }};
        ($x:ident = $place:expr, $y:ident = $other:expr; $k:ident => $value:expr) => {{
            let (values, others): ([S; T], [S; T]) = (operands.get($place), operands.get($other));
            each_place!(T, $k => {
                let ($x, $y) = (values[$k], others[$k]);
                a[$k] = $value;
            });
        }};
        (numbers $numbers:ident => $does:expr) => {{
            each_place!(T, k => {
                let mut stored = a[k].stored();
                let $numbers = S::numbers(&mut stored);
                $does;
                a[k] = S::load(stored);
            });
        }};
    }
    for instruction in code {
        match *instruction {
            Instruction::Load(x) => a = operands.get(x),
            Instruction::Store(cell) => operands.set(cell, &a),
            Instruction::Sum(sum) => sums.add(sum, &a),
            Instruction::Rehearse => {
                let mut zeros = a;
                #[allow(clippy::eq_op, reason = "the difference is zero for a finite number alone")]
                {
                    each_place!(T, k => zeros[k] = a[k] - a[k]);
                }
                sums.add(0, &zeros);
            }
            Instruction::Add(x) => each!(x = x; k => a[k] + x),
            Instruction::Subtract(x) => each!(x = x; k => a[k] - x),
            Instruction::SubtractFrom(x) => each!(x = x; k => x - a[k]),
            Instruction::Multiply(x) => each!(x = x; k => a[k] * x),
            Instruction::Divide(x) => each!(x = x; k => a[k] / x),
            Instruction::DivideInto(x) => each!(x = x; k => x / a[k]),
            Instruction::Product(x, y) => each!(x = x, y = y; k => x * y),
            Instruction::AddProduct(x, y) => each!(x = x, y = y; k => a[k] + x * y),
            Instruction::SubtractProduct(x, y) => each!(x = x, y = y; k => a[k] - x * y),
            Instruction::SubtractFromProduct(x, y) => each!(x = x, y = y; k => x * y - a[k]),
            Instruction::Square => each!(k => a[k] * a[k]),
            Instruction::Unary(Unary::Negate) => each!(k => -a[k]),
            Instruction::Unary(Unary::Sqrt) => each!(k => a[k].sqrt()),
            Instruction::Unary(Unary::Abs) => each!(k => a[k].abs()),
            Instruction::Unary(Unary::Flush) => each!(k => a[k].flushed()),
            Instruction::Unary(Unary::Not) => each!(k => Unary::Not.at(a[k])),
            Instruction::Unary(function) => each!(numbers numbers => unary(function, numbers)),
            Instruction::Power(exponent) => each!(numbers numbers => power(exponent, numbers)),
            Instruction::Binary(Binary::Maximum | Binary::Or, x) => each!(x = x; k => a[k].maximum(x)),
            Instruction::BinaryFrom(Binary::Maximum | Binary::Or, x) => each!(x = x; k => x.maximum(a[k])),
            Instruction::Binary(Binary::Minimum | Binary::And, x) => each!(x = x; k => a[k].minimum(x)),
            Instruction::BinaryFrom(Binary::Minimum | Binary::And, x) => each!(x = x; k => x.minimum(a[k])),
            Instruction::Binary(Binary::Less, x) => each!(x = x; k => Binary::Less.at(a[k], x)),
            Instruction::BinaryFrom(Binary::Less, x) => each!(x = x; k => Binary::Less.at(x, a[k])),
            Instruction::Binary(Binary::Equal, x) | Instruction::BinaryFrom(Binary::Equal, x) => {
                each!(x = x; k => Binary::Equal.at(a[k], x));
            }
            Instruction::Select(x, y) => each!(x = x, y = y; k => S::select(S::zero().less(a[k]), x, y)),
            // These have instructions of their own.
            Instruction::Binary(..) | Instruction::BinaryFrom(..) => {}
        }
    }
}

/// A function that vectors do not have, number by number.
#[inline(never)]
fn unary<E: Element>(function: Unary, numbers: &mut [E]) {
    for number in numbers {
        *number = function.at(*number);
    }
}

/// A power, number by number.
#[inline(never)]
fn power<E: Element>(exponent: f64, numbers: &mut [E]) {
    for number in numbers {
        *number = number.power(exponent);
    }
}
