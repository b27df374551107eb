//! Random bits from a counter.

/// A permutation of 64 bits without a pattern: the output function of `SplitMix64`. What is made of it depends on a number alone, so that it does not count
/// who draws in what order.
///
/// ```
/// // The first output from zero, as it is published.
/// assert_eq!(ambient_metric::number::mix(0), 0xe220_a839_7b1d_cdaf);
/// ```
///
/// # References
///
/// G. L. Steele, D. Lea and C. H. Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
