//! Numbers on the command line: whatever is written is read, and refused with the range.

use core::ops::RangeInclusive;

use ambient_studies::error::Error;

/// Whole numbers that options are made of.
pub(crate) trait Whole: Copy + Into<u64> + TryFrom<u64> + Send + Sync + 'static {}

impl Whole for u32 {}
impl Whole for u64 {}

/// What reads a whole number in a range.
pub(crate) fn whole<T: Whole>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    let (least, greatest): (u64, u64) = ((*range.start()).into(), (*range.end()).into());
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=greatest).contains(number));
        let problem = || format!("it must be a whole number from {least} to {greatest}");
        number.and_then(|number: u64| T::try_from(number).ok()).ok_or_else(problem)
    }
}

/// So many numbers with commas between them.
pub(super) fn numbers<const N: usize>(option: &'static str, text: &str) -> Result<[f64; N], Error> {
    let read: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = read.and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
    let problem = || format!("is `{text}`: give {N} numbers with commas between them, without spaces");
    numbers.ok_or_else(|| Error::Option { option, problem: problem() })
}
