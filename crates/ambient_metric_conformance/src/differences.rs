//! Central differences: a derivative from values alone, as a check on derivatives from formulas.

/// (f(x + h) − f(x − h)) / 2h.
///
/// # Mathematics
///
/// It differs from f′(x) by at most h²/6 · max|f‴| from truncation, and by δ/h where each value of f is off by δ.
///
/// # Example
///
/// ```
/// let slope = ambient_metric_conformance::central_difference(|x| x * x, 3.0, 0.5);
/// assert_eq!(slope, 6.0);
/// ```
pub fn central_difference(f: impl Fn(f64) -> f64, x: f64, h: f64) -> f64 {
    (f(x + h) - f(x - h)) / (2.0 * h)
}
