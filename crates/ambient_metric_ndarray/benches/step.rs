//! Steps of small problems, and of many small tensors beside one large one.

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;

use ambient_metric::{Configuration, Covector, Rule, rules};
use ambient_metric_ndarray::Parameters;
use divan::Bencher;
use ndarray::Array1;

fn main() {
    divan::main();
}

const ETA: f64 = 1e-6;
const XI: f64 = 0.1;
const MU: f64 = 0.9;
const BETA: f64 = 0.8;

/// A step that is repeated, of `tensors` tensors of `each` elements.
fn step<R: Rule>(bencher: Bencher<'_, '_>, rule: R, tensors: usize, each: usize) {
    let array = |index: usize| (format!("{index:04}"), Array1::from_elem(each, 0.5_f64).into_dyn());
    let mut theta = Parameters::new((0..tensors).map(array)).expect("the names differ");
    let gradient = Covector(theta.clone());
    let mut optimiser = Configuration::new(rule, ETA).build(&theta).expect("the constants are in range");
    bencher.bench_local(|| optimiser.step(&mut theta, black_box(&gradient), 1.0).expect("the gradient is finite"));
}

/// The arithmetic of a Euclidean step, by hand.
#[divan::bench(args = [2, 10, 1000], sample_size = 1000)]
fn by_hand(bencher: Bencher<'_, '_>, len: usize) {
    let (mut theta, mut m, gradient) = (vec![0.5; len], vec![0.0; len], vec![0.5; len]);
    let (mut v, mut mu_t, mut beta_t) = (0.0, 1.0, 1.0);
    bencher.bench_local(|| {
        let gradient = black_box(&gradient);
        // Powers that have become subnormal would slow the loop down for good.
        mu_t = if mu_t < f64::MIN_POSITIVE { 0.0 } else { mu_t * MU };
        beta_t = if beta_t < f64::MIN_POSITIVE { 0.0 } else { beta_t * BETA };
        let s = XI * gradient.iter().map(|l| l * l).sum::<f64>();
        v = BETA * v + (1.0 - BETA) * s;
        let r = 1.0 / (1.0 + v / (1.0 - beta_t));
        for ((theta, m), l) in theta.iter_mut().zip(&mut m).zip(gradient) {
            *m = MU * *m + (1.0 - MU) * l;
            *theta -= ETA * r * (*m / (1.0 - mu_t));
        }
        black_box((&mut theta, &mut m));
        r
    });
}

#[divan::bench(args = [2, 10, 1000], sample_size = 1000)]
fn euclidean(bencher: Bencher<'_, '_>, len: usize) {
    step(bencher, rules::euclidean(XI).momentum(MU).beta(BETA), 1, len);
}

#[divan::bench(args = [2, 10, 1000], sample_size = 1000)]
fn rmsprop(bencher: Bencher<'_, '_>, len: usize) {
    step(bencher, rules::rmsprop(XI).momentum(MU).beta(BETA), 1, len);
}

/// 200 000 elements in one tensor and in 200.
#[divan::bench(args = [1, 200])]
fn euclidean_in_tensors(bencher: Bencher<'_, '_>, tensors: usize) {
    step(bencher, rules::euclidean(XI).momentum(MU).beta(BETA), tensors, 200_000 / tensors);
}

#[divan::bench(args = [1, 200])]
fn rmsprop_in_tensors(bencher: Bencher<'_, '_>, tensors: usize) {
    step(bencher, rules::rmsprop(XI).momentum(MU).beta(BETA), tensors, 200_000 / tensors);
}

/// Steps of 100 000 elements of `f32` after 1000 others, on gradients that went on, that became zero after the first, that are subnormal, and
/// on parameters that are.
fn later<R: Rule>(bencher: Bencher<'_, '_>, rule: R, what: &str) {
    let tensor = |size: f32| Parameters::from(Array1::from_elem(100_000, size));
    let (first, then, parameter) = match what {
        "steady" => (1e-3, 1e-3, 0.5),
        "vanished" => (1e-3, 0.0, 0.5),
        "subnormal gradients" => (1e-3, 1e-40, 0.5),
        _ => (1e-3, 1e-3, 1e-40),
    };
    // Without a step parameters stay what they are.
    let eta = if what == "subnormal parameters" { 0.0 } else { ETA };
    let mut theta = tensor(parameter);
    let mut optimiser = Configuration::new(rule, eta).build(&theta).expect("the constants are in range");
    let (first, then) = (Covector(tensor(first)), Covector(tensor(then)));
    for step in 0..1000 {
        let gradient = if step == 0 { &first } else { &then };
        optimiser.step(&mut theta, gradient, 1.0).expect("the gradient is finite");
    }
    bencher.bench_local(|| optimiser.step(&mut theta, black_box(&then), 1.0).expect("the gradient is finite"));
}

const LATER: [&str; 4] = ["steady", "vanished", "subnormal gradients", "subnormal parameters"];

#[divan::bench(args = LATER)]
fn adam_later(bencher: Bencher<'_, '_>, what: &str) {
    later(bencher, rules::adam().momentum(MU), what);
}

#[divan::bench(args = LATER)]
fn rmsprop_later(bencher: Bencher<'_, '_>, what: &str) {
    later(bencher, rules::rmsprop(XI).momentum(MU).beta(BETA), what);
}
