//! Numbers on the command line: whatever is written is read, and refused with the range.

use core::ops::RangeInclusive;

/// Whole numbers that options are made of.
pub trait Whole: Copy + Into<u64> + TryFrom<u64> + Send + Sync + 'static {}

impl Whole for u32 {}
impl Whole for u64 {}

/// What reads a whole number in a range.
///
/// ```
/// use ambient_experiments::numbers::whole;
///
/// let read = whole::<u32>(1..=20);
/// assert_eq!(read("7"), Ok(7));
/// assert_eq!(read("-7"), Err("it must be a whole number from 1 to 20".to_owned()));
/// ```
pub fn whole<T: Whole>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    let (least, greatest): (u64, u64) = ((*range.start()).into(), (*range.end()).into());
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=greatest).contains(number));
        let problem = || format!("it must be a whole number from {least} to {greatest}");
        number.and_then(|number: u64| T::try_from(number).ok()).ok_or_else(problem)
    }
}
