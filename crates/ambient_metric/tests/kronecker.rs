//! Kronecker-factored metrics of diagonal gradients, whose factors are diagonal too, against their formula in plain numbers.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::space::MatrixPart;
use ambient_metric::{BaseMetric, Covector, Error, Kronecker, Metric, Vector};
use ambient_metric_ndarray::Parameters;
use ndarray::{Array2, array};
use proptest::prelude::*;

/// Two roots of sums of at most five terms, their product with an element, and the logarithms of four; the decomposition of a diagonal matrix
/// adds a few roundings of its own. All of them together stay below this.
const TOLERANCE: f64 = 200.0 * f64::EPSILON;

fn diagonal([a, b]: [f64; 2]) -> Parameters<f64> {
    Parameters::from(array![[a, 0.0], [0.0, b]])
}

fn near(found: f64, expected: f64) -> Result<(), TestCaseError> {
    prop_assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{} beside {}", found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A = B = Σ l² or their corrected average, ε beside them, the power p from both sides, and roots taken again after every second gradient alone.
    #[test]
    fn diagonal_gradients_give_diagonal_factors(
        gradients in prop::collection::vec(prop::array::uniform2(0.5..2.0_f64), 1..5),
        beta in prop::option::of(0.1..0.9_f64),
        exponent in 0.25..0.5_f64,
        every in 1..4_u64,
    ) {
        let metric = Kronecker { beta, epsilon: 0.125, exponent, every };
        let mut state = metric.begin(&diagonal([0.0, 0.0]))?;
        let (mut moment, mut seen) = ([0.0; 2], [0.125_f64; 2]);
        for (step, gradient) in gradients.iter().enumerate() {
            metric.update(&mut state, &Covector(diagonal(*gradient)))?;
            let correction = beta.map_or(1.0, |beta| 1.0 / (1.0 - beta.powi(i32::try_from(step).unwrap() + 1)));
            for ((moment, seen), l) in moment.iter_mut().zip(&mut seen).zip(gradient) {
                *moment = beta.map_or(*moment + l * l, |beta| beta * *moment + (1.0 - beta) * l * l);
                if (step as u64).is_multiple_of(every) {
                    *seen = *moment * correction + 0.125;
                }
            }
        }
        for side in state.moments(0).unwrap() {
            for (found, expected) in side.to_host()?.into_iter().zip([moment[0], 0.0, 0.0, moment[1]]) {
                near(found, expected)?;
            }
        }
        let g = metric.at(&state);
        let ones = || Parameters::from(Array2::from_elem((2, 2), 1.0));
        let (raised, lowered) = (g.raise(&Covector(ones()))?.0, g.lower(&Vector(ones()))?.0);
        for (index, (raised, lowered)) in raised.iter().zip(lowered.iter()).enumerate() {
            let gamma = (seen[index / 2] * seen[index % 2]).powf(exponent);
            near(*raised, 1.0 / gamma)?;
            near(*lowered, gamma)?;
        }
        near(g.log_determinant()?, 4.0 * exponent * (seen[0].ln() + seen[1].ln()))?;
    }
}

/// Before the first gradient both factors are ε.
#[test]
fn before_any_gradient_the_factors_are_epsilon() {
    let metric = Kronecker { epsilon: 1.0 / 16.0, ..Kronecker::default() };
    let state = metric.begin(&Parameters::from(array![[1.0_f64, 2.0, 3.0]])).unwrap();
    let g = metric.at(&state);
    // γ = ε^(1/4) ε^(1/4) = 1/4.
    let raised = g.raise(&Covector(Parameters::from(array![[1.0, 2.0, 3.0]]))).unwrap();
    assert_eq!(raised.0.as_slice(), [4.0, 8.0, 12.0]);
    let found: f64 = g.log_determinant().unwrap();
    assert!((found - 3.0 * 0.25_f64.ln()).abs() <= 8.0 * f64::EPSILON, "{found}");
}

#[test]
fn constants_out_of_range_are_refused() {
    let valid = Kronecker::default();
    for (metric, constant) in [
        (Kronecker { beta: Some(1.0), ..valid }, "beta"),
        (Kronecker { epsilon: 0.0, ..valid }, "epsilon"),
        (Kronecker { exponent: 0.0, ..valid }, "exponent"),
        (Kronecker { every: 0, ..valid }, "every"),
    ] {
        let refused = metric.begin(&diagonal([1.0, 1.0])).map(|_| ());
        assert!(matches!(refused, Err(Error::Hyperparameter { name, .. }) if name == constant), "{refused:?}");
    }
}
