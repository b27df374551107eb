//! P10: coordinates do not matter. Exactly, through the optimiser for scaled and permuted ones, and on explicit matrices for any linear ones.

use ambient_metric::space::HeavyBall;
use ambient_metric::{Adagrad, Configuration, Descent, Ema, Euclidean, Identity, Induced, Log, Log1p, Nesterov};
use ambient_metric_conformance::covariance::{self, Squares};
use ambient_metric_conformance::{Fraction, Proof, fractions, positive_fractions, surfaces};
use ambient_metric_tests::Quadratic;
use proptest::prelude::*;

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 48;

fn not_zero() -> impl Strategy<Value = Fraction> {
    (positive_fractions(), any::<bool>())
        .prop_map(|(x, up)| Fraction { numerator: if up { x.numerator } else { -x.numerator }, ..x })
}

/// A, θ, and gradients of up to `steps` steps, for up to four coordinates.
fn runs(steps: usize) -> impl Strategy<Value = (Vec<Fraction>, Vec<Fraction>, Vec<Vec<Fraction>>, Fraction)> {
    (1..5_usize, 1..=steps).prop_flat_map(|(len, steps)| {
        let vector = move || prop::collection::vec(not_zero(), len);
        (
            vector(),
            prop::collection::vec(fractions(), len),
            prop::collection::vec(vector(), steps),
            positive_fractions(),
        )
    })
}

macro_rules! p10 {
    ($property:ident, $steps:expr, $check:expr, $($name:ident: $rule:expr),+ $(,)?) => {
        mod $property {
            use super::*;
            $(
                #[test]
                fn $name() {
                    let configuration = Configuration::new($rule, 0.125).weight_decay(0.25);
                    Proof::of(CASES, &runs($steps), |(a, theta, gradients, loss)| {
                        $check(&configuration, &a, &theta, &gradients, loss)?;
                        Ok(0.0)
                    })
                    .require(stringify!($property), concat!(module_path!(), "::", stringify!($name)));
                }
            )+
        }
    };
}

p10!(
    p10_scaled_coordinates_take_the_same_steps, 3, covariance::scaled_coordinates_take_the_same_steps,
    squares_log_damped: Descent::new(Squares, Induced::new(Log, 0.5).beta(0.5), Ema(0.75)),
    squares_identity_full: Descent::new(Squares, Induced::new(Identity, 0.5).beta(0.5).exact(), HeavyBall(0.5)),
    squares_log1p_full: Descent::new(Squares, Induced::new(Log1p, 0.5).exact(), Nesterov(0.5)),
);

/// The coordinates in the order of the given numbers.
fn order(numbers: &[Fraction]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by_key(|&index| numbers[index].numerator);
    order
}

macro_rules! by_order {
    () => {
        |configuration, a: &[Fraction], theta, gradients, loss| {
            covariance::permuted_coordinates_take_the_same_steps(configuration, &order(a), theta, gradients, loss)
        }
    };
}

p10!(
    p10_permuted_coordinates_take_the_same_steps, 3, by_order!(),
    euclidean_log: Descent::new(Euclidean, Induced::new(Log, 0.5).beta(0.5), Ema(0.75)),
    quadratic_of_a_user_identity: Descent::new(Quadratic, Induced::new(Identity, 0.5).exact(), Nesterov(0.5)),
    squares_log1p: Descent::new(Squares, Induced::new(Log1p, 0.5).beta(0.5).exact(), HeavyBall(0.5)),
);

p10!(
    p10_permuted_coordinates_take_the_same_first_step, 1, by_order!(),
    adagrad_log: Descent::new(Adagrad { epsilon: 0.25 }, Induced::new(Log, 0.5).exact(), Ema(0.75)),
);

#[test]
fn p10_any_linear_coordinates_take_the_same_step() {
    let cases = surfaces(positive_fractions()).prop_flat_map(|case| {
        let len = case.gradient.len();
        (Just(case), prop::collection::vec(prop::collection::vec(fractions(), len), len))
    });
    Proof::of(CASES, &cases, |(case, columns)| {
        covariance::any_linear_coordinates_take_the_same_step(&Log, &columns, &case)?;
        covariance::any_linear_coordinates_take_the_same_step(&Identity, &columns, &case)?;
        Ok(0.0)
    })
    .require("p10_any_linear_coordinates_take_the_same_step", module_path!());
}
