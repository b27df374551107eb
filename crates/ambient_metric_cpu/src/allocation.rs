//! Memory for tensors, asked for before it is taken.

use std::hint::black_box;
use std::ops::Range;

use ambient_metric::Error;

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
