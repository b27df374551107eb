//! The full inverse as placement of momentum: it descends, it is positive definite, and along the gradient it is the damping.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::{
    Configuration, Covector, Descent, Ema, Embedding, Euclidean, Flat, Identity, Induced, Log, NoMomentum, RmsProp,
    Rule,
};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;
use proptest::prelude::*;

/// The change of θ in each step on these gradients, from θ = 0.
fn changes<R: Rule>(rule: R, gradients: &[Vec<f64>], loss: f64) -> Vec<Vec<f64>> {
    let mut theta = Parameters::from(Array1::<f64>::zeros(gradients[0].len()));
    let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
    let step = |gradient: &Vec<f64>| {
        theta.as_mut_slice().fill(0.0);
        optimiser.step(&mut theta, &Covector(Parameters::from(Array1::from(gradient.clone()))), loss).unwrap();
        theta.as_slice().to_vec()
    };
    gradients.iter().map(step).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Gradients whose sizes jump by many orders from step to step.
fn spikes() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let gradient = (prop::collection::vec(-1.0..1.0_f64, 3), -4..5_i32)
        .prop_map(|(direction, size)| direction.iter().map(|x| (x + 0.01) * 10_f64.powi(size)).collect());
    prop::collection::vec(gradient, 2..8)
}

fn both<E: Embedding + Copy>(embedding: E, xi: f64, beta: f64) -> impl Fn(&[Vec<f64>], f64) -> [Vec<Vec<f64>>; 2] {
    move |gradients, loss| {
        let damped = Induced::new(embedding, xi).beta(beta);
        [
            changes(Descent::new(RmsProp::default(), damped, NoMomentum), gradients, loss),
            changes(Descent::new(RmsProp::default(), damped.exact(), NoMomentum), gradients, loss),
        ]
    }
}

proptest! {
    /// Without momentum m̂ = l, so c is one up to the rounding of two sums of three terms and a quotient, 8 ε together, and what
    /// is not damped is f′ − r ≤ f′ times that of l♯: 16 ε f′ |l♯| beside the damped step covers it and the last roundings.
    #[test]
    fn without_momentum_it_is_the_damping(
        gradients in spikes(), xi in 0.0..10.0_f64, beta in 0.0..0.99_f64, loss in 0.01..100.0_f64,
    ) {
        for (slope, [damped, exact]) in [
            (1.0, both(Identity, xi, beta)(&gradients, loss)),
            (1.0 / loss, both(Log, xi, beta)(&gradients, loss)),
        ] {
            let undamped = changes(Descent::new(RmsProp::default(), Flat, NoMomentum), &gradients, loss);
            for ((damped, exact), undamped) in damped.iter().flatten().zip(exact.iter().flatten()).zip(undamped.iter().flatten()) {
                let bound = 16.0 * f64::EPSILON * (damped.abs() + slope * undamped.abs());
                prop_assert!((damped - exact).abs() <= bound, "{damped:e} {exact:e} {bound:e}");
            }
        }
    }

    /// l·δθ = −η r ⟨l, l⟩ < 0 in every step, however the moving average lags behind a spike (P9). The largest product of the sum may
    /// be rounded by the bound of the test above.
    #[test]
    fn it_descends_in_every_step_whatever_the_average(
        gradients in spikes(), xi in 0.0..10.0_f64, beta in 0.0..0.99_f64,
    ) {
        let rule = Descent::new(Euclidean, Induced::new(Identity, xi).beta(beta).exact(), NoMomentum);
        for (gradient, change) in gradients.iter().zip(changes(rule, &gradients, 1.0)) {
            let rounding = 16.0 * f64::EPSILON * dot(gradient, gradient);
            prop_assert!(dot(gradient, &change) <= rounding, "{gradient:?} {change:?}");
        }
    }

    /// ⟨m̂, P m̂⟩ = f′ |m̂ − c l|² + r c² |l|² ≥ 0: the operator is positive definite for every β, also where m̂ and l differ.
    #[test]
    fn it_is_positive_definite_whatever_the_average(
        gradients in spikes(), xi in 0.0..10.0_f64, beta in 0.0..0.99_f64, mu in 0.1..0.95_f64,
    ) {
        let rule = Descent::new(Euclidean, Induced::new(Identity, xi).beta(beta).exact(), Ema(mu));
        let plain = Descent::new(Euclidean, Flat, Ema(mu));
        let momenta = changes(plain, &gradients, 1.0);
        for (momentum, change) in momenta.iter().zip(changes(rule, &gradients, 1.0)) {
            // Both are −η times a vector.
            let rounding = 32.0 * f64::EPSILON * dot(momentum, momentum);
            prop_assert!(dot(momentum, &change) >= -rounding, "{momentum:?} {change:?}");
        }
    }
}

/// A gradient of a million in `f32` is damped to nothing but its direction, not cancelled to zero.
#[test]
fn a_large_gradient_in_single_precision_is_damped_and_not_lost() {
    let mut theta = Parameters::from(Array1::<f32>::zeros(2));
    let rule = Descent::new(Euclidean, Induced::new(Identity, 0.1).exact(), NoMomentum);
    let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
    let gradient = Covector(Parameters::from(Array1::from(vec![6e5_f32, 8e5])));
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    // r l = l / (1 + 0.1 · 10¹²): c is a quotient of equal sums, so nothing is left of m̂ − c l, and r l takes four roundings.
    for (found, expected) in theta.iter().zip([-6e-6_f32, -8e-6]) {
        assert!((found - expected).abs() <= 4.0 * f32::EPSILON * expected.abs(), "{found} {expected}");
    }
}
