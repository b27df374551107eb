//! What memory can do at best, measured again and again: the limit that steps are held against.

pub mod cache;
pub mod loops;
pub mod memory;

use core::fmt;
use core::hint::black_box;
use std::path::Path;
use std::time::Instant;

use loops::{Loop, Order, Streams, Turn};
use memory::{Memory, Pages};

use super::median::median;
use ambient_studies::error::Error;

/// How long a loop runs at least when it is measured, in seconds.
const LEAST: f64 = 2e-3;
/// How often every loop is measured before the fastest are chosen.
const SWEEPS: usize = 2;
/// How many of the loops that write are kept, and how many of those that read.
const FASTEST: usize = 2;
/// How often each of these runs when it is measured.
const PASSES: usize = 3;
/// What is taken for the bytes of the last caches where the system does not say.
const CACHES: usize = 64 << 20;
/// Numbers of turns that three arrays of four streams can share.
const SHARES: usize = 12;

/// A loop and how it is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    /// The loop.
    pub what: Loop,
    /// At how many places at once.
    pub streams: Streams,
    /// In which order.
    pub order: Order,
    /// In which pages.
    pub pages: Pages,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, streams, order, pages } = self;
        write!(formatter, "{what} {streams}, {order}, {pages}")
    }
}

/// How fast the fastest loop was.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The seconds that a byte took.
    pub seconds_per_byte: f64,
    /// The loop.
    pub kind: String,
}

impl Rate {
    /// The mean of two, under the name of the faster.
    fn between(&self, other: &Self) -> Self {
        let seconds_per_byte = f64::midpoint(self.seconds_per_byte, other.seconds_per_byte);
        let faster = if other.seconds_per_byte < self.seconds_per_byte { other } else { self };
        Self { seconds_per_byte, kind: faster.kind.clone() }
    }
}

/// The least time that bytes take.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Of passes that only read.
    pub read: Rate,
    /// Of passes that write.
    pub write: Rate,
}

impl Limit {
    /// The least time of a step that reads so many bytes in passes that only read, and moves so many in passes that write.
    ///
    /// **Mathematics.** tᵣ bᵣ + t_w b_w in seconds: tᵣ is the time of a byte in the fastest loop that only reads, t_w that in the fastest
    /// that writes. b_w counts what a pass reads and what it writes: a number that is read and written counts twice. What a processor reads of
    /// its own accord, since it is about to be written, counts neither here nor in the loops.
    #[must_use]
    pub fn seconds(&self, only_read: usize, moved: usize) -> f64 {
        self.read.seconds_per_byte * only_read as f64 + self.write.seconds_per_byte * moved as f64
    }

    /// The limit of the time between two measurements: their mean.
    #[must_use]
    pub fn between(&self, other: &Self) -> Self {
        Self { read: self.read.between(&other.read), write: self.write.between(&other.write) }
    }
}

/// Loops over memory of their own, which are kept, so that their speed can be measured whenever that of something else is.
///
/// The speed of a computer's memory changes with what its neighbours do, by 1.7 times and more: what is to be compared must be measured at one time.
#[derive(Debug)]
pub struct Yardstick {
    memories: Vec<Memory>,
    runners: Vec<Runner>,
}

/// A loop over one of the memories.
#[derive(Clone, Debug)]
struct Runner {
    kind: Kind,
    memory: usize,
    repetitions: u32,
    /// Of a byte, each time that it was measured.
    seconds: Vec<f64>,
}

impl Yardstick {
    /// Loops over a working set of so many bytes, or of [`Yardstick::enough`] where that is less, in pages of every kind that the system gives.
    ///
    /// The threads are those of the pool that this is called in.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no memory for twice as many bytes.
    pub fn new(working_set: usize) -> Result<Self, Error> {
        let turns = working_set.min(Self::enough()) / size_of::<Turn>();
        let turns = turns.next_multiple_of(SHARES).max(SHARES);
        let mut memories = vec![Memory::plain(turns)?];
        match Memory::huge(turns)? {
            Some(huge) => memories.push(huge),
            None => memories.iter_mut().for_each(Memory::is_alone),
        }
        let mut runners = Vec::new();
        for (memory, pages) in memories.iter().map(Memory::pages).enumerate() {
            for what in Loop::ALL {
                for streams in [Streams::One, Streams::Four] {
                    for order in [Order::Forwards, Order::Backwards] {
                        let kind = Kind { what, streams, order, pages };
                        runners.push(Runner { kind, memory, repetitions: 1, seconds: Vec::new() });
                    }
                }
            }
        }
        Ok(Self { memories, runners })
    }

    /// The bytes of a working set that is so large that memory, not caches, decides how long a pass takes: three times what the last
    /// caches hold.
    #[must_use]
    pub fn enough() -> usize {
        cache::last_level(Path::new("/sys/devices/system/cpu")).unwrap_or(CACHES).saturating_mul(3)
    }

    /// How often [`Yardstick::survey`] tells of its progress.
    #[must_use]
    pub fn ticks(&self) -> usize {
        self.runners.len() * (SWEEPS + 1)
    }

    /// Measures all loops in turns, and keeps the two fastest of those that write and of those that only read.
    pub fn survey(&mut self, mut progress: impl FnMut()) {
        for runner in &mut self.runners {
            runner.warm(&mut self.memories);
            progress();
        }
        for _ in 0..SWEEPS {
            for runner in &mut self.runners {
                let seconds = runner.once(&mut self.memories);
                runner.seconds.push(seconds);
                progress();
            }
        }
        self.runners.sort_by(|one, two| least(&one.seconds).total_cmp(&least(&two.seconds)));
        let (mut writing, mut reading) = (0, 0);
        self.runners.retain_mut(|runner| {
            runner.seconds.clear();
            let kept = if runner.kind.what.writes() { &mut writing } else { &mut reading };
            *kept += 1;
            *kept <= FASTEST
        });
    }

    /// Measures the loops that are kept, in a few turns, of which the median counts.
    pub fn measure(&mut self) {
        let mut turns = vec![Vec::new(); self.runners.len()];
        for _ in 0..PASSES {
            for (runner, seconds) in self.runners.iter().zip(&mut turns) {
                seconds.push(runner.once(&mut self.memories));
            }
        }
        for (runner, mut seconds) in self.runners.iter_mut().zip(turns) {
            runner.seconds.push(median(&mut seconds));
        }
    }

    /// The limit at every time that [`Yardstick::measure`] was called, in order.
    ///
    /// All are those of one loop that writes and of one that only reads: of those that are kept the faster in the median over all times. (The faster of each
    /// time would be one that was lucky.)
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let rates = |writes| {
            let runners = self.runners.iter().filter(move |runner| runner.kind.what.writes() == writes);
            let usual = |runner: &&Runner| median(&mut runner.seconds.clone());
            let fastest = runners.min_by(|one, two| usual(one).total_cmp(&usual(two)));
            fastest.into_iter().flat_map(|runner| {
                let rate = |&seconds_per_byte| Rate { seconds_per_byte, kind: runner.kind.to_string() };
                runner.seconds.iter().map(rate)
            })
        };
        rates(false).zip(rates(true)).map(|(read, write)| Limit { read, write }).collect()
    }
}

fn least(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}

impl Runner {
    /// Runs it until it is known how often it has to run when it is measured.
    fn warm(&mut self, memories: &mut [Memory]) {
        while self.time(memories) < LEAST && self.repetitions < 1 << 20 {
            self.repetitions *= 2;
        }
    }

    /// The seconds of a byte, at this time.
    fn once(&self, memories: &mut [Memory]) -> f64 {
        let bytes = memories.get(self.memory).map_or(0, |memory| memory.bytes(self.kind.what));
        self.time(memories) / f64::from(self.repetitions) / bytes as f64
    }

    /// The seconds of all repetitions.
    fn time(&self, memories: &mut [Memory]) -> f64 {
        let Kind { what, streams, order, .. } = self.kind;
        let Some(memory) = memories.get_mut(self.memory) else { return f64::NAN };
        let (x, y, z) = memory.arrays(what);
        // So small that what an axpy adds to leaves ordinary numbers in no run of this program.
        let a = black_box(1e-9);
        let begin = Instant::now();
        for _ in 0..self.repetitions {
            black_box(what.run(streams, order, a, x, y, z));
            black_box(&mut *x);
        }
        begin.elapsed().as_secs_f64()
    }
}
