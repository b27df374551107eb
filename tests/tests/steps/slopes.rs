//! The slope of every embedding, from dual numbers, against central differences.

use ambient_metric::ambient::{Power, Sqrt};
use ambient_metric::{Embedding, Identity, Log, Log1p};
use ambient_metric_conformance::central_difference;
use ambient_metric_tests::{Asinh, cases};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// With h = 10⁻⁴ L the truncation is h²/6 · max|f‴| over [L − h, L + h]. On the losses below L³|f‴| ≤ 8 L f′ for every embedding here (for
/// Lᵖ it is |(p−1)(p−2)| ≤ 4, for ln and ln(1+L) at most 2, for asinh at most 2) and it grows by less than a factor of two over the interval,
/// so truncation is below 16/6 · 10⁻⁸ f′. Each height is off by at most eight units in the last place of itself plus two of the
/// largest number inside: at most 10u(|f| + 1), which over h gives 10⁵u(|f| + 1)/L.
fn slope_is_the_derivative(embedding: &impl Embedding, loss: f64) -> TestCaseResult {
    let slope: f64 = embedding.slope(loss);
    let numeric = central_difference(|loss| embedding.height(loss), loss, 1e-4 * loss);
    let height: f64 = embedding.height(loss);
    let allowed = 3e-8 * slope + 1e5 * f64::EPSILON / 2.0 * (height.abs() + 1.0) / loss;
    prop_assert!((slope - numeric).abs() <= allowed, "{} beside {} at {}", slope, numeric, loss);
    prop_assert!(slope > 0.0);
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_slope_of_identity_is_its_derivative(loss in 0.01..100.0_f64) {
        slope_is_the_derivative(&Identity, loss)?;
    }
    #[test]
    fn the_slope_of_log_is_its_derivative(loss in 0.01..100.0_f64) {
        slope_is_the_derivative(&Log, loss)?;
    }
    #[test]
    fn the_slope_of_sqrt_is_its_derivative(loss in 0.01..100.0_f64) {
        slope_is_the_derivative(&Sqrt, loss)?;
    }
    #[test]
    fn the_slope_of_power_is_its_derivative(loss in 0.01..100.0_f64, power in 0.1..4.0_f64) {
        slope_is_the_derivative(&Power(power), loss)?;
    }
    #[test]
    fn the_slope_of_log1p_is_its_derivative(loss in 0.01..100.0_f64) {
        slope_is_the_derivative(&Log1p, loss)?;
    }
    #[test]
    fn the_slope_of_asinh_of_a_user_is_its_derivative(loss in 0.01..100.0_f64) {
        slope_is_the_derivative(&Asinh, loss)?;
    }
}
