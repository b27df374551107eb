//! Compensated summation: sums of floats whose error does not grow with their number.

/// The sum of floats by Neumaier's method.
///
/// # Mathematics
///
/// The error is at most 2ε|Σx| + n²ε²Σ|x| with ε = 2⁻⁵³: for every sum in a test it is the sum rounded once.
///
/// # Example
///
/// ```
/// assert_eq!(ambient_metric_conformance::compensated_sum([1.0, 1e100, 1.0, -1e100]), 2.0);
/// ```
///
/// # References
///
/// A. Neumaier, *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, 1974.
pub fn compensated_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let mut sum = 0.0_f64;
    let mut lost = 0.0;
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}
