//! Steps in which some numbers have no gradient: taken over the others, as if those were all there are.

use crate::optimiser::configuration::{Groups, Rates};
use crate::space::selection::Selection;

/// The groups that what has a gradient is in.
pub(crate) struct Present {
    /// The groups and sums that one of these parts is in, counted without the others.
    pub(crate) groups: Groups,
    /// Which of all scalar memories each of theirs is.
    pub(crate) memories: Vec<usize>,
}

impl Present {
    /// Those of a selection.
    pub(crate) fn of(selection: &Selection, groups: &Groups) -> Self {
        let group_of = |part: &usize| groups.group_of_part.get(*part).copied().unwrap_or(0);
        let mut used = vec![false; groups.rates.len()];
        for group in selection.parts().iter().map(group_of) {
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
        let group_of_part = selection.parts().iter().map(group_of).map(|group| place(&kept, group)).collect();
        let (pools, xi) = (pools.len(), groups.xi.clone());
        let groups = Groups { rates, group_of_part, pools, memories: memories.len(), xi };
        Self { groups, memories }
    }
}
