//! LAPACK's Cholesky decomposition and the one in pure Rust are the same metric.

#![cfg(feature = "lapack")]
#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::{BaseMetric, Covector, Dense, Error, Vector};
use ambient_metric_ndarray::{LapackDense, Parameters};
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

proptest! {
    /// Both are backward stable: with sides below n = 25 and γ = BᵀB + 1 whose eigenvalues lie between 1 and 1 + n², each solution is off by at most
    /// 4n² roundings times the condition 1 + n² of what the largest component of it may be, ‖x‖ ≤ √n |x|.
    #[test]
    fn lapack_and_pure_rust_agree(
        (entries, x) in (1..25_usize).prop_flat_map(|n| {
            (prop::collection::vec(-1.0..1.0_f64, n * n), prop::collection::vec(-1.0..1.0_f64, n))
        }),
    ) {
        let side = x.len();
        let b = Array2::from_shape_vec((side, side), entries).unwrap();
        let product = b.t().dot(&b);
        // Symmetric to the last bit.
        let matrix = Array2::from_shape_fn((side, side), |(i, j)| product[(i.min(j), i.max(j))] + f64::from(u8::from(i == j)));
        let pure = Dense::new(matrix.rows().into_iter().map(|row| row.to_vec()).collect())?;
        let lapack = LapackDense::new(matrix)?;
        let x = Parameters::from(Array1::from(x));
        let (of_pure, of_lapack) = (pure.begin(&x)?, lapack.begin(&x)?);
        let n = side as f64;
        let bound = 2.0 * 4.0 * n * n * (1.0 + n * n) * n.sqrt() * f64::EPSILON / 2.0;
        let covector = Covector(x.clone());
        let raised = [pure.raise(&of_pure, &covector)?.0, lapack.raise(&of_lapack, &covector)?.0];
        for (a, b) in raised[0].iter().zip(raised[1].iter()) {
            prop_assert!((a - b).abs() <= bound, "{} beside {}", a, b);
        }
        let vector = Vector(x);
        let lowered = [pure.lower(&of_pure, &vector)?.0, lapack.lower(&of_lapack, &vector)?.0];
        for (a, b) in lowered[0].iter().zip(lowered[1].iter()) {
            prop_assert!((a - b).abs() <= bound, "{} beside {}", a, b);
        }
        let logarithms: [f64; 2] = [pure.log_determinant(&of_pure)?, lapack.log_determinant(&of_lapack)?];
        prop_assert!((logarithms[0] - logarithms[1]).abs() <= n * bound, "{:?}", logarithms);
    }
}

#[test]
fn matrices_that_are_no_metric_are_refused_as_in_pure_rust() {
    assert!(matches!(LapackDense::new(array![[1.0, 2.0], [2.0, 1.0]]), Err(Error::IndefiniteMatrix { order: 2 })));
    assert!(matches!(LapackDense::new(array![[f64::NAN]]), Err(Error::IndefiniteMatrix { order: 1 })));
    assert!(matches!(
        LapackDense::new(array![[1.0, 2.0], [1.0, 8.0]]),
        Err(Error::AsymmetricMatrix { row: 1, column: 0 })
    ));
    assert!(matches!(LapackDense::new(array![[1.0, 2.0]]), Err(Error::Shape { .. })));
    let metric = LapackDense::new(array![[1.0]]).unwrap();
    assert!(matches!(metric.begin(&Parameters::from(array![1.0_f64, 2.0])), Err(Error::Shape { .. })));
    let mut state = metric.begin(&Parameters::from(array![1.0_f64])).unwrap();
    let refused = metric.update(&mut state, &Covector(Parameters::from(array![f64::INFINITY])));
    assert!(matches!(refused, Err(Error::NonFiniteGradient { parameter }) if parameter == "theta"));
}

#[test]
fn it_shows_its_matrix() {
    let metric = LapackDense::new(array![[2.0, 1.0], [1.0, 3.0]]).unwrap();
    let shown = format!("{metric:?}");
    assert!(shown.starts_with("LapackDense { matrix: [[2.0, 1.0],") && shown.ends_with(".. }"), "{shown}");
}
