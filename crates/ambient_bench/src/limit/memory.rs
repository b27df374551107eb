//! Memory for the loops, in pages of either size.

use core::fmt;

use memmap2::MmapMut;
use rayon::prelude::*;

use super::loops::{Loop, TURN, Turn};
use ambient_studies::error::Error;

/// Memory below which no huge pages are asked for: fewer than two would fit.
const FEW: usize = 4 << 20;

/// Turns by which the arrays of a loop lie further apart than they are long: arrays that lie a power of two apart fall into the same places of a
/// cache.
const APART: usize = 40;

/// The most arrays of a loop.
const ARRAYS: usize = 3;

/// How large the pages of some memory are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pages {
    /// As small as the processor has them, and there is other memory in huge ones.
    Plain,
    /// As small as the processor has them, where the system gives no others, or there would be too few of them.
    PlainAlone,
    /// Huge ones.
    Huge,
}

impl fmt::Display for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "plain pages",
            Self::PlainAlone => "plain pages, without huge ones to compare",
            Self::Huge => "huge pages",
        })
    }
}

/// Memory that has been written to.
#[derive(Debug)]
pub(super) struct Memory {
    map: MmapMut,
    pages: Pages,
    turns: usize,
}

impl Memory {
    /// So many turns of ones in plain pages.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no memory.
    pub(super) fn plain(turns: usize) -> Result<Self, Error> {
        let mut memory = Self::map(turns, Pages::Plain)?;
        // A system that doesn't know the advice has plain pages alone.
        let _ = advise(&memory.map, Pages::Plain);
        memory.fill();
        Ok(memory)
    }

    /// So many turns of ones in huge pages, where the system gives them.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no memory.
    pub(super) fn huge(turns: usize) -> Result<Option<Self>, Error> {
        let mut memory = Self::map(turns, Pages::Huge)?;
        if memory.map.len() < FEW || !advise(&memory.map, Pages::Huge) {
            return Ok(None);
        }
        memory.fill();
        Ok(memory.is_huge().then_some(memory))
    }

    fn map(turns: usize, pages: Pages) -> Result<Self, Error> {
        let bytes = turns.saturating_add(ARRAYS * APART).saturating_mul(size_of::<Turn>());
        let map = MmapMut::map_anon(bytes).map_err(|error| Error::Option {
            option: "--parameters",
            problem: format!("leaves no memory for what steps are measured against: {error}"),
        })?;
        Ok(Self { map, pages, turns })
    }

    /// Writes to every page, on the threads that will read them.
    fn fill(&mut self) {
        self.all().par_iter_mut().for_each(|turn| *turn = [1.0; TURN]);
    }

    /// Notes that there is no memory in huge pages beside it.
    pub(super) fn is_alone(&mut self) {
        self.pages = Pages::PlainAlone;
    }

    /// Its pages.
    pub(super) fn pages(&self) -> Pages {
        self.pages
    }

    /// The bytes that a loop reads and writes here.
    pub(super) fn bytes(&self, what: Loop) -> usize {
        self.turns / what.arrays() * what.accesses() * size_of::<Turn>()
    }

    /// The arrays of a loop, which take all of the memory between them; those that it does not have are empty.
    pub(super) fn arrays(&mut self, what: Loop) -> (&mut [Turn], &[Turn], &[Turn]) {
        let (arrays, length) = (what.arrays(), self.turns / what.arrays());
        let (x, rest) = self.all().split_at_mut_checked(length + APART).unwrap_or_default();
        let (y, z) = rest.split_at_checked(length + APART).unwrap_or_default();
        let part = |array: usize| if array < arrays { length } else { 0 };
        (
            x.get_mut(..length).unwrap_or_default(),
            y.get(..part(1)).unwrap_or_default(),
            z.get(..part(2)).unwrap_or_default(),
        )
    }

    fn all(&mut self) -> &mut [Turn] {
        bytemuck::try_cast_slice_mut(&mut self.map).unwrap_or_default()
    }

    /// Whether most of it lies in huge pages. A system that has them turned off takes the advice and gives none.
    fn is_huge(&self) -> bool {
        let Ok(text) = std::fs::read_to_string("/proc/self/smaps") else { return false };
        huge_bytes(&text, self.map.as_ptr().addr()) >= self.map.len() / 2
    }
}

#[cfg(target_os = "linux")]
fn advise(map: &MmapMut, pages: Pages) -> bool {
    let advice = match pages {
        Pages::Plain | Pages::PlainAlone => memmap2::Advice::NoHugePage,
        Pages::Huge => memmap2::Advice::HugePage,
    };
    map.advise(advice).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn advise(_map: &MmapMut, _pages: Pages) -> bool {
    false
}

/// The bytes in huge pages of the mapping that an address lies in, by what Linux says of all mappings in `/proc/self/smaps`.
#[must_use]
pub fn huge_bytes(smaps: &str, address: usize) -> usize {
    let begins_here = |line: &str| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        let place = |text| usize::from_str_radix(text, 16).ok();
        Some((place(from)?..place(to)?).contains(&address))
    };
    let mut lines = smaps.lines().skip_while(|line| begins_here(line) != Some(true));
    let kibibytes = lines.find_map(|line| line.strip_prefix("AnonHugePages:"));
    let number = kibibytes.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    number.map_or(0, |number| number.saturating_mul(1 << 10))
}
