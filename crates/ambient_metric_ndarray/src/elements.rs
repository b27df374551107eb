//! The elements of a tensor: numbers as they are computed with, or narrower ones.

use std::ops::Range;

use ambient_metric::Error;
use ambient_metric::number::Element;

use crate::allocation::{gather, zeros};
use crate::lanes::WIDTH;
use crate::narrow::{Format, Narrow};

/// The chunks of a tensor as they are stored.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'a, E> {
    /// The numbers that are computed with.
    Full(&'a [[E; WIDTH]]),
    /// 16 bits each.
    Narrow(&'a [[u16; WIDTH]], Format),
}

impl<E> Default for Stored<'_, E> {
    fn default() -> Self {
        Self::Full(&[])
    }
}

/// The chunks of a tensor as they are stored, to be written.
pub(crate) enum StoredMut<'a, E> {
    /// The numbers that are computed with.
    Full(&'a mut [[E; WIDTH]]),
    /// 16 bits each, with the index of the first element.
    Narrow(&'a mut [[u16; WIDTH]], Format, usize),
}

impl<E> Default for StoredMut<'_, E> {
    fn default() -> Self {
        Self::Full(&mut [])
    }
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
