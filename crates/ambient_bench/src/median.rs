//! The median.

/// The middle one, or the mean of the two in the middle.
#[must_use]
pub fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    let at = |index: usize| seconds.get(index).copied().unwrap_or(f64::NAN);
    if seconds.len().is_multiple_of(2) { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) } else { at(middle) }
}
