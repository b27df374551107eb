//! The polynomial of the regression.

use ambient_training::studies::regression::{DEGREE, draw, exponents};

#[test]
fn the_polynomial_has_924_terms_and_is_standardised() {
    let mut count = 0;
    exponents(&mut Vec::new(), DEGREE, &mut |_| count += 1);
    assert_eq!(count, 924);
    let points = draw(500);
    let y = |power: i32| points.iter().map(|[.., y]| f64::from(*y).powi(power)).sum::<f64>() / 500.0;
    // Every value is rounded to 24 bits once.
    assert!(y(1).abs() < 1e-6 && (y(2) - 1.0).abs() < 1e-6);
    assert_eq!(points, draw(500));
}
