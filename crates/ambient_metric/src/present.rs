//! Steps in which some parts have no gradient: taken over the others, as if those were all there are.

use crate::configuration::{Groups, Rates};
use crate::error::Error;
use crate::layout::Layout;
use crate::matrix::Separable;

/// The parts that have a gradient, and the groups that they are in.
pub(crate) struct Present {
    /// Their indices, which rise.
    pub(crate) parts: Vec<usize>,
    /// The groups and sums that one of them is in, counted without the others.
    pub(crate) groups: Groups,
    /// Which of all scalar memories each of theirs is.
    pub(crate) memories: Vec<usize>,
}

impl Present {
    /// What is left of a layout without the parts that have no gradient.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], and [`Error::NoGradient`] where no element is left.
    pub(crate) fn without(layout: &Layout, groups: &Groups, absent: &[usize]) -> Result<Self, Error> {
        let all = layout.parts();
        let mut is_present = vec![true; all.len()];
        for &part in absent {
            *is_present.get_mut(part).ok_or(Error::NoSuchPart { part, parts: all.len() })? = false;
        }
        let parts: Vec<usize> = (0..all.len()).filter(|&part| is_present[part]).collect();
        if parts.iter().all(|&part| all[part].elements() == 0) {
            return Err(Error::NoGradient);
        }
        let group_of = |part: &usize| groups.group_of_part.get(*part).copied().unwrap_or(0);
        let mut used = vec![false; groups.rates.len()];
        for group in parts.iter().map(group_of) {
            if let Some(used) = used.get_mut(group) {
                *used = true;
            }
        }
        let kept: Vec<usize> = (0..used.len()).filter(|&group| used[group]).collect();
        let numbers = |of: fn(&Rates) -> usize| {
            let mut numbers: Vec<usize> = kept.iter().map(|&group| of(&groups.rates[group])).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let (pools, memories) = (numbers(|rates| rates.pool), numbers(|rates| rates.memory));
        let place = |sorted: &[usize], number: usize| sorted.binary_search(&number).unwrap_or(0);
        let mut rates: Vec<_> = kept.iter().map(|&group| groups.rates[group].clone()).collect();
        for rates in &mut rates {
            rates.pool = place(&pools, rates.pool);
            rates.memory = place(&memories, rates.memory);
        }
        let group_of_part = parts.iter().map(group_of).map(|group| place(&kept, group)).collect();
        let (pools, xi) = (pools.len(), groups.xi.clone());
        let groups = Groups { rates, group_of_part, pools, memories: memories.len(), xi };
        Ok(Self { parts, groups, memories })
    }
}

/// What belongs to these parts, of what belongs to all.
pub(crate) fn select_each<P: Clone>(all: &[P], parts: &[usize]) -> Result<Vec<P>, Error> {
    let found = |&part: &usize| all.get(part).cloned().ok_or(Error::NoSuchPart { part, parts: all.len() });
    parts.iter().map(found).collect()
}

/// What belongs to all parts, with that of some replaced.
pub(crate) fn place_each<P: Clone>(all: &[P], parts: &[usize], selection: &[P]) -> Result<Vec<P>, Error> {
    let (mut placed, count) = (all.to_vec(), all.len());
    for (index, &part) in parts.iter().enumerate() {
        let missing = |part, parts| Error::NoSuchPart { part, parts };
        let new = selection.get(index).cloned().ok_or(missing(index, selection.len()))?;
        *placed.get_mut(part).ok_or(missing(part, count))? = new;
    }
    Ok(placed)
}

/// These parts of every tensor.
pub(crate) fn select_all<'a, T: Separable + 'a>(
    tensors: impl IntoIterator<Item = &'a T>,
    parts: &[usize],
) -> Result<Vec<T>, Error> {
    tensors.into_iter().map(|tensor| tensor.select(parts)).collect()
}

/// A tensor of its own with these parts replaced by a selection, so that one which cannot be made changes nothing.
pub(crate) fn placed<T: Separable>(tensor: &T, parts: &[usize], selection: &T) -> Result<T, Error> {
    let mut placed = tensor.duplicate()?;
    placed.place(parts, selection)?;
    Ok(placed)
}

/// As [`placed`], for every tensor.
pub(crate) fn placed_all<T: Separable>(tensors: &[T], parts: &[usize], selections: &[T]) -> Result<Vec<T>, Error> {
    tensors.iter().zip(selections).map(|(tensor, selection)| placed(tensor, parts, selection)).collect()
}
