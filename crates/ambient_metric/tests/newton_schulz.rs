//! What Newton–Schulz and the scaling of Muon accept, and what they make of the largest and the smallest matrices.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::base::{Orthogonaliser, Polar, Width};
use ambient_metric::space::{MatrixPart, MatrixTensor, NewtonSchulz, Transpose};
use ambient_metric::{BaseMetric, Covector, Error, Metric, Muon, Nesterov, NoMomentum};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

#[test]
fn coefficients_that_turn_singular_vectors_round_are_refused() {
    let theta = Parameters::from(array![[1.0_f64, 2.0]]);
    for (coefficients, is_valid) in [
        (NewtonSchulz::default().coefficients, true),
        // Above zero for every x ≥ 0.
        ([1.0, 2.0, 1.0], true),
        ([1.0, 0.0, 0.0], true),
        ([1.0, -3.5, 4.0], true),
        // Above zero up to x = 1, beyond which no singular value is.
        ([2.0, -1.0, 0.0], true),
        ([2.0, -2.0, 0.0], false),
        ([2.0, -3.0, 0.0], false),
        ([1.0, -2.0, 1.0], false),
        ([1.0, -3.0, 1.0], false),
        ([1.0, -1.0, -1.0], false),
        ([0.0, 1.0, 1.0], false),
        ([-1.0, 4.0, 1.0], false),
        ([f64::INFINITY, -1.0, 1.0], false),
        ([3.0, f64::INFINITY, 1.0], false),
        ([3.0, -1.0, f64::INFINITY], false),
        ([f64::NAN, -1.0, 1.0], false),
    ] {
        let orthogonaliser = NewtonSchulz { coefficients, ..NewtonSchulz::default() };
        let metric = Muon { momentum: Nesterov(0.95), orthogonaliser, width: Width::Unscaled, heads: false };
        let found = metric.begin(&theta).map(|_| ());
        match found {
            Ok(()) => assert!(is_valid, "{coefficients:?}"),
            Err(error) => {
                assert!(!is_valid, "{coefficients:?}: {error}");
                assert!(matches!(error, Error::Hyperparameter { name: "coefficients", .. }), "{error}");
            }
        }
    }
}

/// The norm of one overflows; the other is too small to have a direction, and counts as zero.
#[test]
fn a_matrix_without_a_norm_is_refused_and_one_without_a_direction_is_zero() {
    let schulz = NewtonSchulz::default();
    let huge = Parameters::from(array![[1e300_f64, 1e300], [1e308, 1.7e308]]).matrix(0).unwrap();
    assert!(matches!(schulz.inverse_root(&huge), Err(Error::Overflow { .. })));
    // 1/‖M‖ is not a normal number of `f32`, and a root made of it would be zero.
    let large = Parameters::from(array![[7e37_f32, 0.0], [0.0, 7e37]]).matrix(0).unwrap();
    assert!(matches!(schulz.inverse_root(&large), Err(Error::Overflow { .. })));
    // From just below the least normal number over u on.
    let least = f64::MIN_POSITIVE / (f64::EPSILON / 2.0);
    for (size, is_zero) in [(1e-310, true), (0.99 * least, true), (1.01 * least, false)] {
        let matrix = Parameters::from(array![[size, 0.0], [0.0, 0.0]]).matrix(0).unwrap();
        for root in [schulz.inverse_root(&matrix), Polar.inverse_root(&matrix)] {
            assert_eq!(root.unwrap().to_host().unwrap()[0] == 0.0, is_zero, "{size:e}");
        }
    }
}

#[test]
fn a_step_grows_with_the_outputs_per_input() {
    for (width, wide, tall) in
        [(Width::Unscaled, 1.0, 1.0), (Width::RowsAreOutputs, 1.0, 2.0), (Width::ColumnsAreOutputs, 2.0, 1.0)]
    {
        assert_eq!([width.factor(2, 8), width.factor(8, 2)].map(f64::to_bits), [wide, tall].map(f64::to_bits));
    }
}

/// A tensor without elements takes part in nothing and is in nobody's way.
#[test]
fn a_tensor_without_elements_is_left_alone() {
    let theta = || {
        let empty = ndarray::ArrayD::<f64>::zeros(vec![0, 3]);
        Parameters::new([("empty", empty), ("w", array![[3.0, 0.0], [0.0, 4.0]].into_dyn())]).unwrap()
    };
    let metric = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled, heads: false };
    let mut state = metric.begin(&theta()).unwrap();
    metric.update(&mut state, &Covector(theta())).unwrap();
    let raised = metric.at(&state).raise(&Covector(theta())).unwrap();
    for (found, expected) in raised.0.as_slice().iter().zip([1.0, 0.0, 0.0, 1.0]) {
        assert!((found - expected).abs() <= 16.0 * f64::EPSILON, "{found} beside {expected}");
    }
}

/// The polar factor does not depend on the size of a matrix, down to where its elements lose their digits.
#[test]
fn the_polar_factor_does_not_depend_on_the_size() {
    let factor = |size: f64| {
        let matrix = Parameters::from(array![[size, 2.0 * size], [0.5 * size, -size]]).matrix(0).unwrap();
        let root = Polar.inverse_root(&matrix).unwrap();
        root.product(Transpose::No, &matrix, Transpose::No).unwrap().to_host().unwrap()
    };
    let one = factor(1.0);
    for exponent in [-960, -600, -540, 540, 600, 1000] {
        // A power of two moves exponents alone.
        assert_eq!(factor(2.0_f64.powi(exponent)), one, "2^{exponent}");
    }
    assert!((one[0] * one[0] + one[1] * one[1] - 1.0).abs() <= 16.0 * f64::EPSILON, "{one:?}");
}
