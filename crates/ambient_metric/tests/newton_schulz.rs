//! What Newton–Schulz and the scaling of Muon accept, and what they make of the largest and the smallest matrices.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::{
    BaseMetric, Covector, Error, MatrixTensor, Metric, Muon, Nesterov, NewtonSchulz, NoMomentum, Polar, Width,
};
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
        let metric = Muon { momentum: Nesterov(0.95), orthogonaliser, width: Width::Unscaled };
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

/// The norm of one overflows, the inverse norm of the other.
#[test]
fn matrices_without_a_norm_or_its_inverse_are_refused() {
    let schulz = NewtonSchulz::default();
    let huge = Parameters::from(array![[1e300_f64, 1e300], [1e308, 1.7e308]]).matrix(0).unwrap();
    assert!(matches!(schulz.inverse_root(&huge), Err(Error::Overflow { .. })));
    let tiny = Parameters::from(array![[1e-310_f64, 0.0], [0.0, 0.0]]).matrix(0).unwrap();
    assert!(matches!(schulz.inverse_root(&tiny), Err(Error::Overflow { .. })));
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
    let metric = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled };
    let mut state = metric.begin(&theta()).unwrap();
    metric.update(&mut state, &Covector(theta())).unwrap();
    let raised = metric.at(&state).raise(&Covector(theta())).unwrap();
    for (found, expected) in raised.0.as_slice().iter().zip([1.0, 0.0, 0.0, 1.0]) {
        assert!((found - expected).abs() <= 16.0 * f64::EPSILON, "{found} beside {expected}");
    }
}
