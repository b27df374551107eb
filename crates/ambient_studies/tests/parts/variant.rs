//! The metric of a Hessian.

use ambient_studies::rules::variant::absolute;

/// Eigenvalues 3 and −1 along (1, 1) and (1, −1) become 4 and 2.
#[test]
fn the_metric_of_a_hessian_has_the_absolute_values_of_its_eigenvalues() {
    let metric = absolute([[1.0, 2.0], [2.0, 1.0]]).unwrap();
    let expected = [[3.0, 1.0], [1.0, 3.0]];
    for (row, expected) in metric.rows().iter().zip(expected) {
        assert!(row.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-14), "{row:?}");
    }
    assert_eq!(absolute([[-2.0, 0.0], [0.0, -2.0]]).unwrap().rows(), [[3.0, 0.0], [0.0, 3.0]]);
}
