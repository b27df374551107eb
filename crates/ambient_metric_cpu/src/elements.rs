//! The elements of a tensor: numbers as they are computed with, or narrower ones.

use core::fmt;
use std::ops::Range;

use ambient_metric::Error;
use ambient_metric::number::Element;
use ambient_metric::space::StateStorage;

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
///
/// # Example
///
/// ```
/// use ambient_metric::space::StateStorage;
/// use ambient_metric_cpu::Elements;
///
/// let mut halves = Elements::<f32>::zeros(3, StateStorage::F16, 0, 0)?;
/// halves.write(0..2, &[0.1, 0.2]);
/// // A half has eleven digits of two.
/// assert!((halves.as_slice()[0] - 0.1).abs() < 0.1 / 2048.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone)]
pub struct Elements<E>(Storage<E>);

#[derive(Clone)]
enum Storage<E> {
    /// The numbers that are computed with.
    Full(Vec<E>),
    /// 16 bits each.
    Narrow(Box<Narrow<E>>),
}

use Storage::{Full, Narrow as Halves};

impl<E> From<Vec<E>> for Elements<E> {
    /// Numbers that are stored as they are computed with.
    fn from(elements: Vec<E>) -> Self {
        Self(Full(elements))
    }
}

impl<E: Element> fmt::Debug for Elements<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.as_slice()).finish()
    }
}

impl<E: Element> Elements<E> {
    /// So many zeros, stored as a rule's state in this `slot` is, after so many updates.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for them, [`Error::StateStorage`] for a storage that is not known here.
    pub fn zeros(len: usize, storage: StateStorage, slot: usize, updates: u64) -> Result<Self, Error> {
        if let Some(format) = Format::of(storage, slot, updates) {
            return Ok(Self(Halves(Box::new(Narrow::zeros(format, len)?))));
        }
        storage.require_full()?;
        Ok(zeros(E::zero(), len)?.into())
    }

    /// Whether they are stored in 16 bits each.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        matches!(self.0, Halves(_))
    }

    /// All of them. Narrow ones are widened into memory of their own, which they give back when they change.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[E] {
        match &self.0 {
            Full(elements) => elements,
            Halves(narrow) => narrow.widened(),
        }
    }

    /// All of them, to be changed: from then on in full width.
    pub fn as_mut_slice(&mut self) -> &mut [E] {
        if let Halves(narrow) = &self.0 {
            self.0 = Full(narrow.widened().clone());
        }
        match &mut self.0 {
            Full(elements) => elements,
            Halves(_) => &mut [],
        }
    }

    /// All of them, where they are stored as they are computed with.
    #[inline(always)]
    pub(crate) fn full(&self) -> &[E] {
        match &self.0 {
            Full(elements) => elements,
            Halves(_) => &[],
        }
    }

    /// All of them, to be changed, where they are stored as they are computed with.
    #[inline(always)]
    pub(crate) fn full_mut(&mut self) -> &mut [E] {
        match &mut self.0 {
            Full(elements) => elements,
            Halves(_) => &mut [],
        }
    }

    /// All of them, where they are stored as they are computed with and do not fill a chunk.
    #[inline(always)]
    #[must_use]
    pub fn few(&self) -> Option<&[E]> {
        match &self.0 {
            Full(elements) if elements.len() < WIDTH => Some(elements),
            _ => None,
        }
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn few_mut(&mut self) -> Option<&mut [E]> {
        if self.few().is_some() { Some(self.full_mut()) } else { None }
    }

    /// One of them, in full width.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<E> {
        match &self.0 {
            Full(elements) => elements.get(index).copied(),
            Halves(narrow) => narrow.get(index),
        }
    }

    /// Those in a range, as a copy in full width.
    #[must_use]
    pub fn read(&self, range: Range<usize>) -> Vec<E> {
        match &self.0 {
            Full(elements) => elements.get(range).unwrap_or_default().to_vec(),
            Halves(narrow) => range.filter_map(|index| narrow.get(index)).collect(),
        }
    }

    /// A copy that can grow as apart from others as what was copied.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for it.
    pub fn duplicate(&self) -> Result<Self, Error> {
        match &self.0 {
            Full(elements) => {
                let mut copy = zeros(E::zero(), elements.len())?;
                copy.copy_from_slice(elements);
                Ok(copy.into())
            }
            Halves(narrow) => Ok(Self(Halves(Box::new(narrow.select(core::iter::once(0..narrow.bits().len()))?)))),
        }
    }

    /// Those in some ranges, one range after the other, stored as they are here.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for them.
    pub fn select(&self, ranges: impl Iterator<Item = Range<usize>> + Clone) -> Result<Self, Error> {
        match &self.0 {
            Full(elements) => gather(E::zero(), elements, ranges).map(Self::from),
            Halves(narrow) => narrow.select(ranges).map(|narrow| Self(Halves(Box::new(narrow)))),
        }
    }

    /// Replaces a range by one of a selection, of the same length: bit for bit where both are stored alike.
    pub fn place(&mut self, to: Range<usize>, selection: &Self, from: Range<usize>) {
        match (&mut self.0, &selection.0) {
            (Full(elements), Full(selected)) => {
                elements.get_mut(to).unwrap_or_default().copy_from_slice(selected.get(from).unwrap_or_default());
            }
            (Halves(narrow), Halves(selected)) if narrow.is_stored_like(selected) => {
                narrow.place(to, selected, from);
            }
            _ => self.write(to, &selection.read(from)),
        }
    }

    /// Stores what an update computed.
    #[inline(always)]
    pub(crate) fn store(&mut self, index: usize, number: E) {
        match &mut self.0 {
            Full(elements) => {
                if let Some(element) = elements.get_mut(index) {
                    *element = number;
                }
            }
            Halves(narrow) => narrow.store(index, number),
        }
    }

    /// Replaces a range by numbers that were handed over, as many as it has.
    pub fn write(&mut self, range: Range<usize>, numbers: &[E]) {
        match &mut self.0 {
            Full(elements) => {
                elements.get_mut(range).unwrap_or_default().copy_from_slice(numbers);
            }
            Halves(narrow) => narrow.copy(range.start, numbers),
        }
    }

    /// An update has been done.
    #[inline(always)]
    pub(crate) fn updated(&mut self) {
        if let Halves(narrow) = &mut self.0 {
            narrow.updated();
        }
    }

    /// The whole chunks of a range.
    pub(crate) fn stored(&self, range: Range<usize>) -> Stored<'_, E> {
        match &self.0 {
            Full(elements) => Stored::Full(elements.get(range).unwrap_or_default().as_chunks().0),
            Halves(narrow) => {
                let bits = narrow.bits().get(range).unwrap_or_default();
                Stored::Narrow(bits.as_chunks().0, narrow.format())
            }
        }
    }

    /// The whole chunks of a range, to be updated.
    pub(crate) fn stored_mut(&mut self, range: Range<usize>) -> StoredMut<'_, E> {
        match &mut self.0 {
            Full(elements) => StoredMut::Full(elements.get_mut(range).unwrap_or_default().as_chunks_mut().0),
            Halves(narrow) => {
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
