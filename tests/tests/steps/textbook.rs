//! Every rule against its formulas from the literature, written once more as plain loops: several steps, momentum, decay and averages.

use ambient_metric::ambient::Sqrt;
use ambient_metric::{Adagrad, Configuration, Descent, Ema, Euclidean, Induced, Log, Nesterov, RmsProp, rules};
use ambient_metric_conformance::{Trajectory, compensated_sum, runs, trajectories};
use ambient_metric_tests::{cases, parameters};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const ETA: f64 = 0.1;
const LAMBDA: f64 = 0.01;
const EPSILON: f64 = 1e-8;

/// Which γ⁻¹, with the decay of its average.
#[derive(Clone, Copy)]
enum Gamma {
    Flat,
    Average(f64),
    Sum,
}

/// Which covector is followed, with μ.
#[derive(Clone, Copy)]
enum Follow {
    HeavyBall(f64),
    Average(f64),
    LookAhead(f64),
}

/// ξ, β and f′, and whether the full inverse meets the momentum.
#[derive(Clone, Copy)]
struct Height {
    xi: f64,
    beta: f64,
    slope: fn(f64) -> f64,
    full: bool,
}

const FLAT: Height = Height { xi: 0.0, beta: 0.0, slope: |_| 1.0, full: false };

/// θ after a run: sections 3, 5 and 8 of the mathematics, with Σ compensated.
fn textbook(run: &Trajectory, gamma: Gamma, follow: Follow, height: Height) -> Vec<f64> {
    let mut theta = run.theta.clone();
    let (mut rho, mut m) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
    let mut v = 0.0;
    for (t, (l, &loss)) in (1_i32..).zip(run.gradients.iter().zip(&run.losses)) {
        let inverse: Vec<f64> = rho
            .iter_mut()
            .zip(l)
            .map(|(rho, l)| match gamma {
                Gamma::Flat => 1.0,
                Gamma::Average(beta) => {
                    *rho = beta * *rho + (1.0 - beta) * l * l;
                    1.0 / ((*rho / (1.0 - beta.powi(t))).sqrt() + EPSILON)
                }
                Gamma::Sum => {
                    *rho += l * l;
                    1.0 / (rho.sqrt() + EPSILON)
                }
            })
            .collect();
        let followed: Vec<f64> = m
            .iter_mut()
            .zip(l)
            .map(|(m, l)| match follow {
                Follow::HeavyBall(mu) => {
                    *m = l + mu * *m;
                    *m
                }
                Follow::Average(mu) => {
                    *m = mu * *m + (1.0 - mu) * l;
                    *m / (1.0 - mu.powi(t))
                }
                Follow::LookAhead(mu) => {
                    *m = mu * *m + (1.0 - mu) * l;
                    mu * *m / (1.0 - mu.powi(t + 1)) + (1.0 - mu) * l / (1.0 - mu.powi(t))
                }
            })
            .collect();
        let Height { xi, beta, slope, full } = height;
        let length = compensated_sum(l.iter().zip(&inverse).map(|(l, inverse)| l * inverse * l));
        let s = xi * length;
        v = beta * v + (1.0 - beta) * s;
        let slope = slope(loss);
        let stretch = 1.0 + slope * slope * v / (1.0 - beta.powi(t));
        let along = compensated_sum(l.iter().zip(&inverse).zip(&followed).map(|((l, inverse), m)| l * inverse * m));
        for (index, theta) in theta.iter_mut().enumerate() {
            let step = if full {
                let parallel = if length > 0.0 { along / length * l[index] } else { 0.0 };
                slope * inverse[index] * (followed[index] - parallel + parallel / stretch)
            } else {
                slope / stretch * inverse[index] * followed[index]
            };
            *theta = *theta - ETA * step - ETA * LAMBDA * *theta;
        }
    }
    theta
}

/// The bound is the one for the reference: the loops above round no more often than the rule does, so both are within it of the truth.
fn is_textbook<R: ambient_metric::Rule + Clone>(
    rule: R,
    flat: R,
    run: &Trajectory,
    expected: &[f64],
) -> TestCaseResult {
    let configuration = Configuration::new(rule, ETA).weight_decay(LAMBDA);
    let flat = Configuration::new(flat, ETA);
    let found = runs::run(&configuration, run, &parameters::<f64>)?;
    let bounds = runs::rounding_bounds::<R, f64>(&configuration, &flat, run)?;
    for ((found, expected), bound) in found.iter().zip(expected).zip(&bounds) {
        prop_assert!((found - expected).abs() <= 2.0 * bound, "{} beside {}, bound {}", found, expected, bound);
    }
    Ok(())
}

fn run() -> impl Strategy<Value = Trajectory> {
    trajectories(40, 6, 0.5..5.0, -3..4)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn sgd_is_the_heavy_ball(run in run(), mu in 0.0..0.95_f64) {
        let rule = rules::sgd(mu);
        is_textbook(rule, rule, &run, &textbook(&run, Gamma::Flat, Follow::HeavyBall(mu), FLAT))?;
    }

    #[test]
    fn adam_is_that_of_the_literature(run in run(), mu in 0.0..0.95_f64, b2 in 0.0..0.95_f64) {
        let rule = rules::adam().momentum(mu).metric(RmsProp { beta: b2, epsilon: EPSILON });
        is_textbook(rule, rule, &run, &textbook(&run, Gamma::Average(b2), Follow::Average(mu), FLAT))?;
    }

    #[test]
    fn nadam_is_that_of_the_literature(run in run(), mu in 0.0..0.95_f64, b2 in 0.0..0.95_f64) {
        let rule = rules::nadam().momentum(mu).metric(RmsProp { beta: b2, epsilon: EPSILON });
        is_textbook(rule, rule, &run, &textbook(&run, Gamma::Average(b2), Follow::LookAhead(mu), FLAT))?;
    }

    #[test]
    fn the_euclidean_rules_are_algorithms_one_and_two(
        run in run(),
        mu in 0.0..0.95_f64,
        beta in 0.0..0.95_f64,
        xi in 0.0..2.0_f64,
    ) {
        let height = Height { xi, beta, slope: |_| 1.0, full: false };
        let expected = textbook(&run, Gamma::Flat, Follow::Average(mu), height);
        is_textbook(rules::euclidean(xi).momentum(mu).beta(beta), rules::euclidean(0.0).momentum(mu).beta(beta), &run, &expected)?;
        let expected = textbook(&run, Gamma::Flat, Follow::Average(mu), Height { slope: |loss| 1.0 / loss, ..height });
        is_textbook(rules::euclidean_log(xi).momentum(mu).beta(beta), rules::euclidean_log(0.0).momentum(mu).beta(beta), &run, &expected)?;
    }

    #[test]
    fn the_rmsprop_rule_is_the_variant_of_the_paper(
        run in run(),
        mu in 0.0..0.95_f64,
        beta in 0.0..0.95_f64,
        xi in 0.0..2.0_f64,
    ) {
        let metric = RmsProp { beta: 0.9, epsilon: EPSILON };
        let height = Height { xi, beta, slope: |_| 1.0, full: false };
        let expected = textbook(&run, Gamma::Average(0.9), Follow::Average(mu), height);
        is_textbook(rules::rmsprop(xi).momentum(mu).beta(beta).metric(metric), rules::rmsprop(0.0).momentum(mu).beta(beta).metric(metric), &run, &expected)?;
    }

    #[test]
    fn the_full_inverse_meets_the_momentum_as_written(
        run in run(),
        mu in 0.0..0.95_f64,
        beta in 0.0..0.95_f64,
        xi in 0.0..2.0_f64,
    ) {
        let log = Height { xi, beta, slope: |loss| 1.0 / loss, full: true };
        let rule = |xi| Descent::new(Euclidean, Induced::new(Log, xi).beta(beta).exact(), Ema(mu));
        is_textbook(rule(xi), rule(0.0), &run, &textbook(&run, Gamma::Flat, Follow::Average(mu), log))?;

        let sqrt = Height { slope: |loss| 0.5 / loss.sqrt(), ..log };
        let metric = Adagrad { epsilon: EPSILON };
        let rule = |xi| Descent::new(metric, Induced::new(Sqrt, xi).beta(beta).exact(), Nesterov(mu));
        is_textbook(rule(xi), rule(0.0), &run, &textbook(&run, Gamma::Sum, Follow::LookAhead(mu), sqrt))?;
    }
}
