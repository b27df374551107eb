//! Steps in which some parts have no gradient: taken over the others, as if those were all there are.

use crate::error::Error;
use crate::optimiser::configuration::{Groups, Rates};
use crate::space::layout::Layout;

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
