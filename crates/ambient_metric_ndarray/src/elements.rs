//! The elements of a tensor: numbers as they are computed with, or narrower ones.

use std::hint::black_box;
use std::ops::Range;

use ambient_metric::{Element, Error};

use crate::lanes::WIDTH;
use crate::mixed::{Stored, StoredMut};
use crate::narrow::Narrow;

/// Numbers from which on memory comes in mappings of its own, which lie one behind the other.
const LARGE: usize = 1 << 16;

/// Bytes that large memory has to spare. Where tensors of a power of two of elements lie a page further than that power from each other, some
/// processors fetch them half as fast; with this they lie five pages further.
const APART: usize = 1 << 14;

/// So many zeros.
///
/// # Errors
///
/// [`Error::Backend`] where there is no memory for them.
pub(crate) fn zeros<N: Clone>(zero: N, len: usize) -> Result<Vec<N>, Error> {
    let capacity = if len >= LARGE { len.saturating_add(APART / size_of::<N>().max(1)) } else { len };
    // Asked for beforehand, because a vector for which there is no memory ends the program.
    let mut asked: Vec<N> = Vec::new();
    asked.try_reserve_exact(capacity).map_err(|error| Error::Backend(Box::new(error)))?;
    drop(black_box(asked));
    let mut zeros = vec![zero; capacity];
    zeros.truncate(len);
    Ok(zeros)
}

/// The numbers in some ranges, one range after the other.
///
/// # Errors
///
/// [`Error::Backend`] where there is no memory for them.
pub(crate) fn gather<N: Copy>(
    zero: N,
    numbers: &[N],
    ranges: impl Iterator<Item = Range<usize>> + Clone,
) -> Result<Vec<N>, Error> {
    let mut gathered = zeros(zero, ranges.clone().map(|range| range.len()).sum())?;
    let mut rest = gathered.as_mut_slice();
    for range in ranges {
        let Some((to, further)) = core::mem::take(&mut rest).split_at_mut_checked(range.len()) else { break };
        to.copy_from_slice(numbers.get(range).unwrap_or_default());
        rest = further;
    }
    Ok(gathered)
}

/// The elements of a tensor, as they are stored.
#[derive(Clone)]
pub(crate) enum Elements<E> {
    /// The numbers that are computed with.
    Full(Vec<E>),
    /// 16 bits each.
    Narrow(Box<Narrow<E>>),
}

impl<E: Element> Elements<E> {
    pub(crate) fn is_narrow(&self) -> bool {
        matches!(self, Self::Narrow(_))
    }

    /// All of them. Narrow ones are widened into memory of their own, which they give back when they change.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[E] {
        match self {
            Self::Full(elements) => elements,
            Self::Narrow(narrow) => narrow.widened(),
        }
    }

    /// All of them, to be changed: from then on in full width.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [E] {
        if let Self::Narrow(narrow) = self {
            *self = Self::Full(narrow.widened().clone());
        }
        match self {
            Self::Full(elements) => elements,
            Self::Narrow(_) => &mut [],
        }
    }

    /// All of them, where they are stored as they are computed with.
    #[inline(always)]
    pub(crate) fn full(&self) -> &[E] {
        match self {
            Self::Full(elements) => elements,
            Self::Narrow(_) => &[],
        }
    }

    /// All of them, to be changed, where they are stored as they are computed with.
    #[inline(always)]
    pub(crate) fn full_mut(&mut self) -> &mut [E] {
        match self {
            Self::Full(elements) => elements,
            Self::Narrow(_) => &mut [],
        }
    }

    /// All of them, where they are stored as they are computed with and do not fill a chunk.
    #[inline(always)]
    pub(crate) fn few(&self) -> Option<&[E]> {
        match self {
            Self::Full(elements) if elements.len() < WIDTH => Some(elements),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> Option<E> {
        match self {
            Self::Full(elements) => elements.get(index).copied(),
            Self::Narrow(narrow) => narrow.get(index),
        }
    }

    /// Those in a range, as a copy in full width.
    pub(crate) fn read(&self, range: Range<usize>) -> Vec<E> {
        match self {
            Self::Full(elements) => elements.get(range).unwrap_or_default().to_vec(),
            Self::Narrow(narrow) => range.filter_map(|index| narrow.get(index)).collect(),
        }
    }

    /// A copy that can grow as apart from others as what was copied.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for it.
    pub(crate) fn duplicate(&self) -> Result<Self, Error> {
        match self {
            Self::Full(elements) => {
                let mut copy = zeros(E::zero(), elements.len())?;
                copy.copy_from_slice(elements);
                Ok(Self::Full(copy))
            }
            Self::Narrow(narrow) => {
                Ok(Self::Narrow(Box::new(narrow.select(core::iter::once(0..narrow.bits().len()))?)))
            }
        }
    }

    /// Those in some ranges, one range after the other, stored as they are here.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for them.
    pub(crate) fn select(&self, ranges: impl Iterator<Item = Range<usize>> + Clone) -> Result<Self, Error> {
        match self {
            Self::Full(elements) => gather(E::zero(), elements, ranges).map(Self::Full),
            Self::Narrow(narrow) => narrow.select(ranges).map(|narrow| Self::Narrow(Box::new(narrow))),
        }
    }

    /// Replaces a range by one of a selection, of the same length: bit for bit where both are stored alike.
    pub(crate) fn place(&mut self, to: Range<usize>, selection: &Self, from: Range<usize>) {
        match (&mut *self, selection) {
            (Self::Full(elements), Self::Full(selected)) => {
                elements.get_mut(to).unwrap_or_default().copy_from_slice(selected.get(from).unwrap_or_default());
            }
            (Self::Narrow(narrow), Self::Narrow(selected)) if narrow.is_stored_like(selected) => {
                narrow.place(to, selected, from);
            }
            _ => self.write(to, &selection.read(from)),
        }
    }

    /// Stores what an update computed.
    #[inline(always)]
    pub(crate) fn store(&mut self, index: usize, number: E) {
        match self {
            Self::Full(elements) => {
                if let Some(element) = elements.get_mut(index) {
                    *element = number;
                }
            }
            Self::Narrow(narrow) => narrow.store(index, number),
        }
    }

    /// Replaces a range by numbers that were handed over, as many as it has.
    pub(crate) fn write(&mut self, range: Range<usize>, numbers: &[E]) {
        match self {
            Self::Full(elements) => {
                elements.get_mut(range).unwrap_or_default().copy_from_slice(numbers);
            }
            Self::Narrow(narrow) => narrow.copy(range.start, numbers),
        }
    }

    /// An update has been done.
    #[inline(always)]
    pub(crate) fn updated(&mut self) {
        if let Self::Narrow(narrow) = self {
            narrow.updated();
        }
    }

    /// The whole chunks of a range.
    pub(crate) fn stored(&self, range: Range<usize>) -> Stored<'_, E> {
        match self {
            Self::Full(elements) => Stored::Full(elements.get(range).unwrap_or_default().as_chunks().0),
            Self::Narrow(narrow) => {
                let bits = narrow.bits().get(range).unwrap_or_default();
                Stored::Narrow(bits.as_chunks().0, narrow.format())
            }
        }
    }

    /// The whole chunks of a range, to be updated.
    pub(crate) fn stored_mut(&mut self, range: Range<usize>) -> StoredMut<'_, E> {
        match self {
            Self::Full(elements) => StoredMut::Full(elements.get_mut(range).unwrap_or_default().as_chunks_mut().0),
            Self::Narrow(narrow) => {
                let (format, first) = (narrow.format(), range.start);
                let bits = narrow.bits_mut().get_mut(range).unwrap_or_default();
                StoredMut::Narrow(bits.as_chunks_mut::<WIDTH>().0, format, first)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        assert_eq!(zeros(0_u8, 3).ok(), Some(vec![0; 3]));
        assert!(matches!(zeros(0_u64, usize::MAX / 8), Err(Error::Backend(_))));
    }
}
