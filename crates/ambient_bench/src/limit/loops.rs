//! The plainest loops over memory: copy, scale, axpy and triad, and a sum, which only reads.

use core::fmt;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// So many numbers follow each other in a stream before it is the turn of the next: eight cache lines.
pub const TURN: usize = 128;

/// Turns that a thread takes at a time, but for a copy in one stream: 1 MiB.
const LEAF: usize = 2048;

/// What stands for an array that a loop does not have.
const ABSENT: &Turn = &[0.0; TURN];

/// The numbers of a turn.
pub type Turn = [f32; TURN];

/// A loop over arrays x, y and z of one length, or over as many of them as it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loop {
    /// x ← y
    Copy,
    /// x ← a y
    Scale,
    /// x ← x + a y
    Axpy,
    /// x ← y + a z
    Triad,
    /// Σ x
    Sum,
}

/// In which order a loop goes over its arrays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// From the first number to the last.
    Forwards,
    /// From the last number to the first.
    Backwards,
}

/// At how many places of an array a loop is at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Streams {
    /// At one.
    One,
    /// At four, in turns.
    Four,
}

impl Loop {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Copy, Self::Scale, Self::Axpy, Self::Triad, Self::Sum];

    /// How many arrays it has.
    #[must_use]
    pub const fn arrays(self) -> usize {
        match self {
            Self::Sum => 1,
            Self::Copy | Self::Scale | Self::Axpy => 2,
            Self::Triad => 3,
        }
    }

    /// How many arrays it reads or writes; one that it reads and writes counts twice.
    ///
    /// What a processor reads because it is about to be written is not counted: the x of a copy and of a triad, where the
    /// processor does not write around its caches.
    #[must_use]
    pub const fn accesses(self) -> usize {
        match self {
            Self::Copy | Self::Scale => 2,
            Self::Axpy | Self::Triad => 3,
            Self::Sum => 1,
        }
    }

    /// Whether it writes.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::Sum
    }

    /// Runs it over x, y and z, on every thread of the pool; of y and z those that it has are as long as x.
    ///
    /// Returns the sum, and zero for a loop that writes.
    #[must_use]
    pub fn run(self, streams: Streams, order: Order, a: f32, x: &mut [Turn], y: &[Turn], z: &[Turn]) -> f32 {
        // A copy in one stream is that of the system's library, which writes around the caches where it takes that to be faster: it sees all
        // that a thread has to copy.
        let whole = (self, streams, order) == (Self::Copy, Streams::One, Order::Forwards);
        let leaf = if whole { x.len().div_ceil(rayon::current_num_threads()).max(1) } else { LEAF };
        let leaves = x.par_chunks_mut(leaf).enumerate();
        let sums = leaves.map(|(index, x)| {
            let part = index * leaf..index * leaf + x.len();
            let (y, z) = (y.get(part.clone()).unwrap_or_default(), z.get(part).unwrap_or_default());
            if whole && y.len() == x.len() {
                x.copy_from_slice(y);
                return 0.0;
            }
            Arch::new().dispatch(Leaf { what: self, streams, order, a, x, y, z })
        });
        sums.sum()
    }
}

impl fmt::Display for Loop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Copy => "copy",
            Self::Scale => "scale",
            Self::Axpy => "axpy",
            Self::Triad => "triad",
            Self::Sum => "sum",
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Forwards => "forwards",
            Self::Backwards => "backwards",
        })
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::One => "in one stream",
            Self::Four => "in four streams",
        })
    }
}

/// What a thread takes at a time. (Work for vectors is no closure, which would not be inlined into it.)
struct Leaf<'a> {
    what: Loop,
    streams: Streams,
    order: Order,
    a: f32,
    x: &'a mut [Turn],
    y: &'a [Turn],
    z: &'a [Turn],
}

impl WithSimd for Leaf<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let a = simd.splat_f32s(self.a);
        match self.what {
            Loop::Copy => self.go(simd, Copied),
            Loop::Scale => self.go(simd, Scaled(a)),
            Loop::Axpy => self.go(simd, Added(a)),
            Loop::Triad => self.go(simd, Combined(a)),
            Loop::Sum => self.go(simd, Summed([simd.splat_f32s(0.0); 4])),
        }
    }
}

impl Leaf<'_> {
    #[inline(always)]
    fn go<S: Simd, B: Body<S>>(self, simd: S, mut body: B) -> f32 {
        match (self.streams, self.order) {
            (Streams::One, Order::Forwards) => self.stream::<S, B, 1, false>(simd, &mut body),
            (Streams::One, Order::Backwards) => self.stream::<S, B, 1, true>(simd, &mut body),
            (Streams::Four, Order::Forwards) => self.stream::<S, B, 4, false>(simd, &mut body),
            (Streams::Four, Order::Backwards) => self.stream::<S, B, 4, true>(simd, &mut body),
        }
        body.total(simd)
    }

    #[inline(always)]
    fn stream<S: Simd, B: Body<S>, const STREAMS: usize, const BACKWARDS: bool>(self, simd: S, body: &mut B) {
        let Self { x, y, z, .. } = self;
        let run = x.len() / STREAMS;
        for place in 0..run {
            let place = if BACKWARDS { run - 1 - place } else { place };
            for stream in 0..STREAMS {
                let at = stream * run + place;
                turn::<S, B, BACKWARDS>(simd, body, x.get_mut(at), y.get(at), z.get(at));
            }
        }
        for at in STREAMS * run..x.len() {
            turn::<S, B, BACKWARDS>(simd, body, x.get_mut(at), y.get(at), z.get(at));
        }
    }
}

#[inline(always)]
fn turn<S: Simd, B: Body<S>, const BACKWARDS: bool>(
    simd: S,
    body: &mut B,
    x: Option<&mut Turn>,
    y: Option<&Turn>,
    z: Option<&Turn>,
) {
    let Some(x) = x else { return };
    let x = S::as_mut_simd_f32s(x).0;
    let (y, z) = (S::as_simd_f32s(y.unwrap_or(ABSENT)).0, S::as_simd_f32s(z.unwrap_or(ABSENT)).0);
    let lanes = x.iter_mut().zip(y).zip(z).enumerate();
    if BACKWARDS {
        lanes.rev().for_each(|(index, ((x, y), z))| body.lanes(simd, index, x, *y, *z));
    } else {
        lanes.for_each(|(index, ((x, y), z))| body.lanes(simd, index, x, *y, *z));
    }
}

/// What a loop does to the lanes of its arrays.
trait Body<S: Simd> {
    /// Does it to those at one place of a turn.
    fn lanes(&mut self, simd: S, index: usize, x: &mut S::f32s, y: S::f32s, z: S::f32s);

    /// What it has summed.
    #[inline(always)]
    fn total(self, _simd: S) -> f32
    where
        Self: Sized,
    {
        0.0
    }
}

struct Copied;

impl<S: Simd> Body<S> for Copied {
    #[inline(always)]
    fn lanes(&mut self, _simd: S, _index: usize, x: &mut S::f32s, y: S::f32s, _z: S::f32s) {
        *x = y;
    }
}

struct Scaled<V>(V);

impl<S: Simd> Body<S> for Scaled<S::f32s> {
    #[inline(always)]
    fn lanes(&mut self, simd: S, _index: usize, x: &mut S::f32s, y: S::f32s, _z: S::f32s) {
        *x = simd.mul_f32s(self.0, y);
    }
}

struct Added<V>(V);

impl<S: Simd> Body<S> for Added<S::f32s> {
    #[inline(always)]
    fn lanes(&mut self, simd: S, _index: usize, x: &mut S::f32s, y: S::f32s, _z: S::f32s) {
        *x = simd.mul_add_e_f32s(self.0, y, *x);
    }
}

struct Combined<V>(V);

impl<S: Simd> Body<S> for Combined<S::f32s> {
    #[inline(always)]
    fn lanes(&mut self, simd: S, _index: usize, x: &mut S::f32s, y: S::f32s, z: S::f32s) {
        *x = simd.mul_add_e_f32s(self.0, z, y);
    }
}

/// Four sums side by side, so that none waits for the one before.
struct Summed<V>([V; 4]);

impl<S: Simd> Body<S> for Summed<S::f32s> {
    #[inline(always)]
    fn lanes(&mut self, simd: S, index: usize, x: &mut S::f32s, _y: S::f32s, _z: S::f32s) {
        if let Some(sum) = self.0.get_mut(index % 4) {
            *sum = simd.add_f32s(*sum, *x);
        }
    }

    #[inline(always)]
    fn total(self, simd: S) -> f32 {
        self.0.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}
