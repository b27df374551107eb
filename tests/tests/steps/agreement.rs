//! P16: the ndarray backend agrees with the reference, bit for bit where nothing is summed and to derived bounds where something is.

use ambient_metric::ambient::{Power, Sqrt};
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Adagrad, Configuration, Descent, Ema, Euclidean, Flat, Identity, Induced, Log, Log1p, Nesterov, NoMomentum,
    RmsProp, rules,
};
use ambient_metric_conformance::runs::Truth;
use ambient_metric_conformance::{decays, runs, trajectories};
use ambient_metric_tests::{Asinh, Quadratic, cases, parameters};
use proptest::prelude::*;

macro_rules! p16_rules_without_a_sum_agree_bit_for_bit {
    ($($name:ident: |$momentum:ident| $rule:expr),+ $(,)?) => {
        mod p16_rules_without_a_sum_agree_bit_for_bit {
            use super::*;

            proptest! {
                #![proptest_config(cases(64))]
                $(
                    #[test]
                    fn $name(run in trajectories(70, 6, -1.0..1.0, -15..16), $momentum in decays()) {
                        let configuration = Configuration::new($rule, 0.1).weight_decay(0.01);
                        runs::agrees_bit_for_bit(&configuration, &run, &parameters::<f32>)?;
                        runs::agrees_bit_for_bit(&configuration, &run, &parameters::<f64>)?;
                    }
                )+
            }
        }
    };
}

p16_rules_without_a_sum_agree_bit_for_bit!(
    sgd: |momentum| rules::sgd(momentum),
    sgd_ema: |momentum| rules::sgd_ema(momentum),
    adamw: |momentum| rules::adam().momentum(momentum).metric(RmsProp { beta: 0.99, epsilon: 1e-8 }),
    nadam: |momentum| rules::nadam().momentum(momentum).metric(RmsProp { beta: 0.99, epsilon: 1e-8 }),
    adagrad: |momentum| Descent::new(Adagrad::default(), Flat, Ema(momentum)),
    quadratic_of_a_user: |momentum| Descent::new(Quadratic, Flat, Ema(momentum)),
);

/// The rule at ξ and at zero, each with this η and some decay.
macro_rules! pair {
    ($rule:expr) => {{
        let rule = $rule;
        let mut flat = rule.clone();
        flat.preconditioner.heights.xi = 0.0;
        (Configuration::new(rule, 0.1).weight_decay(0.01), Configuration::new(flat, 0.1).weight_decay(0.01))
    }};
}

macro_rules! p16_every_induced_rule_agrees_within_rounding {
    ($($name:ident: |$xi:ident, $momentum:ident, $beta:ident| $rule:expr),+ $(,)?) => {
        mod p16_every_induced_rule_agrees_within_rounding {
            use super::*;

            proptest! {
                #![proptest_config(cases(64))]
                $(
                    #[test]
                    fn $name(
                        run in trajectories(70, 5, 0.5..5.0, -3..4),
                        $xi in 0.0..2.0_f64,
                        $momentum in decays(),
                        $beta in decays(),
                    ) {
                        let (configuration, flat) = pair!($rule);
                        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f64>, Truth::Double)?;
                        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f32>, Truth::Double)?;
                    }
                )+
            }
        }
    };
}

p16_every_induced_rule_agrees_within_rounding!(
    euclidean: |xi, momentum, beta| rules::euclidean(xi).momentum(momentum).beta(beta),
    euclidean_log: |xi, momentum, beta| rules::euclidean_log(xi).momentum(momentum).beta(beta),
    rmsprop: |xi, momentum, beta| rules::rmsprop(xi).momentum(momentum).beta(beta).metric(RmsProp { beta: 0.9, epsilon: 1e-8 }),
    rmsprop_log_with_the_full_inverse: |xi, momentum, beta| {
        Descent::new(RmsProp { beta: 0.9, epsilon: 1e-8 }, Induced::new(Log, xi).beta(beta).exact(), Ema(momentum))
    },
    adagrad_sqrt_with_nesterov: |xi, momentum, beta| {
        Descent::new(Adagrad::default(), Induced::new(Sqrt, xi).beta(beta), Nesterov(momentum))
    },
    quadratic_power_with_the_heavy_ball: |xi, momentum, beta| {
        Descent::new(Quadratic, Induced::new(Power(1.3), xi).beta(beta).exact(), HeavyBall(momentum))
    },
    euclidean_log1p_without_momentum: |xi, _momentum, beta| {
        Descent::new(Euclidean, Induced::new(Log1p, xi).beta(beta), NoMomentum)
    },
    euclidean_asinh_of_a_user: |xi, momentum, beta| {
        Descent::new(Euclidean, Induced::new(Asinh, xi).beta(beta).exact(), Ema(momentum))
    },
);

macro_rules! p16_rules_without_roots_agree_with_exact_numbers_within_rounding {
    ($($name:ident: |$xi:ident, $momentum:ident, $beta:ident| $rule:expr),+ $(,)?) => {
        mod p16_rules_without_roots_agree_with_exact_numbers_within_rounding {
            use super::*;

            proptest! {
                #![proptest_config(cases(24))]
                $(
                    #[test]
                    fn $name(
                        run in trajectories(20, 3, 0.5..5.0, -3..4),
                        $xi in 0.0..2.0_f64,
                        $momentum in decays(),
                        $beta in decays(),
                    ) {
                        let (configuration, flat) = pair!($rule);
                        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f64>, Truth::Exact)?;
                        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f32>, Truth::Exact)?;
                    }
                )+
            }
        }
    };
}

p16_rules_without_roots_agree_with_exact_numbers_within_rounding!(
    euclidean: |xi, momentum, beta| Descent::new(Euclidean, Induced::new(Identity, xi).beta(beta), HeavyBall(momentum)),
    euclidean_log: |xi, momentum, beta| rules::euclidean_log(xi).momentum(momentum).beta(beta),
    euclidean_log_with_the_full_inverse: |xi, momentum, beta| {
        Descent::new(Euclidean, Induced::new(Log, xi).beta(beta).exact(), Ema(momentum))
    },
    euclidean_square_with_nesterov: |xi, momentum, beta| {
        Descent::new(Euclidean, Induced::new(Power(2.0), xi).beta(beta), Nesterov(momentum))
    },
    quadratic_log1p: |xi, momentum, beta| Descent::new(Quadratic, Induced::new(Log1p, xi).beta(beta), Ema(momentum)),
);

proptest! {
    #![proptest_config(cases(4))]

    /// Enough elements for several blocks of a sum, and a rest.
    #[test]
    fn p16_long_sums_agree_within_rounding(elements in 9_000_usize..20_000, xi in 0.1..2.0_f64) {
        let numbers = |seed: usize| (0..elements).map(|i| ((i * 7919 + seed) % 2003) as f64 / 500.0 - 2.0).collect::<Vec<_>>();
        let run = ambient_metric_conformance::Trajectory {
            sizes: vec![elements / 3, elements - elements / 3],
            theta: numbers(1),
            gradients: vec![numbers(2), numbers(3)],
            losses: vec![2.0, 1.5],
        };
        let (configuration, flat) = pair!(rules::rmsprop(xi).metric(RmsProp { beta: 0.9, epsilon: 1e-8 }));
        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f64>, Truth::Double)?;
        runs::agrees_with_the_reference(&configuration, &flat, &run, &parameters::<f32>, Truth::Double)?;
    }
}
