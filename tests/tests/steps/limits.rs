//! P6: at ξ = 0 with the identity embedding the optimiser is its base optimiser, bit for bit.

use ambient_metric::{
    Adagrad, Configuration, Descent, Ema, Euclidean, Flat, Identity, Induced, Nesterov, RmsProp, rules,
};
use ambient_metric_conformance::{Trajectory, decays, runs, trajectories};
use ambient_metric_tests::{Quadratic, cases, parameters};
use proptest::prelude::*;

/// Runs whose sums of squares are finite in either type: where they are not, ξ⟨l, l⟩ is an overflow also at ξ = 0.
fn run() -> impl Strategy<Value = Trajectory> {
    trajectories(70, 6, -10.0..10.0, -15..16)
}

macro_rules! p6_at_xi_zero_every_bit_is_that_of_the_base_optimiser {
    ($($name:ident: $metric:expr),+ $(,)?) => {
        mod p6_at_xi_zero_every_bit_is_that_of_the_base_optimiser {
            use super::*;

            proptest! {
                #![proptest_config(cases(64))]
                $(
                    #[test]
                    fn $name(run in run(), momentum in decays(), beta in decays(), decay in 0.0..0.5_f64) {
                        let induced = Induced::new(Identity, 0.0).beta(beta);
                        macro_rules! check {
                            ($momentum:expr, $element:ty) => {
                                let base = Configuration::new(Descent::new($metric, Flat, $momentum), 0.1).weight_decay(decay);
                                let damped = Configuration::new(Descent::new($metric, induced, $momentum), 0.1).weight_decay(decay);
                                let exact = Configuration::new(Descent::new($metric, induced.exact(), $momentum), 0.1).weight_decay(decay);
                                runs::two_rules_are_one(&damped, &base, &run, &parameters::<$element>)?;
                                runs::two_rules_are_one(&exact, &base, &run, &parameters::<$element>)?;
                            };
                        }
                        check!(Ema(momentum), f32);
                        check!(Ema(momentum), f64);
                        check!(Nesterov(momentum), f32);
                        check!(Nesterov(momentum), f64);
                    }
                )+
            }
        }
    };
}

p6_at_xi_zero_every_bit_is_that_of_the_base_optimiser!(
    euclidean: Euclidean,
    rmsprop: RmsProp::default(),
    adagrad: Adagrad::default(),
    quadratic_of_a_user: Quadratic,
);

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn p6_the_named_rules_meet_at_xi_zero(run in run(), momentum in decays(), beta in decays(), decay in 0.0..0.5_f64) {
        let metric = RmsProp { beta: 0.99, epsilon: 1e-6 };
        macro_rules! check {
            ($element:ty) => {
                runs::two_rules_are_one(
                    &Configuration::new(rules::euclidean(0.0).momentum(momentum).beta(beta), 0.1).weight_decay(decay),
                    &Configuration::new(rules::sgd_ema(momentum), 0.1).weight_decay(decay),
                    &run,
                    &parameters::<$element>,
                )?;
                runs::two_rules_are_one(
                    &Configuration::new(rules::rmsprop(0.0).momentum(momentum).beta(beta).metric(metric), 0.1).weight_decay(decay),
                    &Configuration::new(rules::adam().momentum(momentum).metric(RmsProp { beta: 0.99, epsilon: 1e-6 }), 0.1).weight_decay(decay),
                    &run,
                    &parameters::<$element>,
                )?;
            };
        }
        check!(f32);
        check!(f64);
    }
}
