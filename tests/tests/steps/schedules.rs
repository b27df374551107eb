//! Schedules beside an optimiser: what the loop passes on is what the step uses, and a resumed run goes on where it was.

use ambient_metric::optimiser::{Cosine, Linear, Rates};
use ambient_metric::{
    Checkpoint, Configuration, Covector, Descent, Ema, Error, Euclidean, Group, Identity, Induced, Optimiser, Rule,
    Schedule, rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ndarray::array;
use proptest::prelude::*;

type Plane = Parameters<f64>;

fn eta() -> impl Schedule {
    Cosine { from: 0.5, to: 0.05, steps: 20 }.warm_up(5)
}

fn xi() -> impl Schedule {
    Linear { from: 0.0, to: 2.0, steps: 15 }
}

/// So many steps on L = |θ|²/2, with η and ξ of the schedules.
fn run<R: Rule>(optimiser: &mut Optimiser<R, Plane>, theta: &mut Plane, steps: u64) -> Result<Vec<f64>, Error> {
    let mut rates = Vec::new();
    for _ in 0..steps {
        let step = optimiser.steps()?;
        optimiser.set_learning_rate("default", eta().at(step))?;
        optimiser.set_xi(xi().at(step))?;
        let gradient = Covector(theta.clone());
        let loss = theta.iter().map(|x| x * x / 2.0).sum();
        rates.push(optimiser.step(theta, &gradient, loss)?.effective_learning_rate);
    }
    Ok(rates)
}

proptest! {
    #![proptest_config(cases(64))]

    /// η r of every step is that of the schedules' η and ξ, to the four roundings of r and its product.
    #[test]
    fn every_step_uses_the_scheduled_values(x in -3.0..3.0_f64, y in -3.0..3.0_f64) {
        let mut theta = Parameters::from(array![x, y]);
        // β = 0 and μ = 0: the damping follows from the gradient of the step alone.
        let rule = Descent::new(Euclidean, Induced::new(Identity, 0.0), Ema(0.0));
        let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
        for step in 0..30 {
            let squared: f64 = theta.iter().map(|x| x * x).sum();
            let expected = eta().at(step) / (1.0 + xi().at(step) * squared);
            let found = run(&mut optimiser, &mut theta, 1)?;
            prop_assert!((found[0] - expected).abs() <= 8.0 * f64::EPSILON * expected, "{found:?} {expected}");
        }
    }

    #[test]
    fn a_resumed_run_goes_on_bit_for_bit(x in -3.0..3.0_f64, y in -3.0..3.0_f64, first in 0..30_u64) {
        let start = Parameters::from(array![x, y]);
        let configuration = Configuration::new(rules::euclidean(0.0).momentum(0.9).beta(0.5), 1.0);
        let mut whole = start.clone();
        run(&mut configuration.clone().build(&start)?, &mut whole, 30)?;

        let mut theta = start.clone();
        let mut optimiser = configuration.build(&start)?;
        run(&mut optimiser, &mut theta, first)?;
        let checkpoint: Checkpoint<_> = optimiser.checkpoint()?;
        let mut resumed = checkpoint.restore(&theta)?;
        run(&mut resumed, &mut theta, 30 - first)?;
        prop_assert_eq!(theta, whole);
    }

    /// The steps are those of groups that were given the product, and a checkpoint keeps the factor beside what was given.
    #[test]
    fn a_factor_scales_the_learning_rate_of_every_group(
        start in prop::array::uniform2(-3.0..3.0_f64),
        rates in prop::array::uniform2(0.001..0.5_f64),
        factor in 0.0..2.0_f64,
    ) {
        let theta = || Parameters::new([("body", array![start[0]].into_dyn()), ("head", array![start[1]].into_dyn())]);
        let configuration = |rates: [f64; 2]| {
            let configuration = Configuration::new(rules::rmsprop(0.5), rates[0]).weight_decay(0.1);
            configuration.group(Group::new("head", ["head"]).learning_rate(rates[1]))
        };
        let (mut scaled, mut given) = (theta()?, theta()?);
        let (mut scaled_whole, mut given_whole) = (theta()?, theta()?);
        let mut fused = configuration(rates).build(&scaled)?;
        let mut of_product = configuration(rates.map(|rate| rate * factor)).build(&given)?;
        let mut whole = configuration(rates).build_whole(&scaled_whole)?;
        let mut whole_of_product = configuration(rates.map(|rate| rate * factor)).build_whole(&given_whole)?;
        fused.set_learning_rate_factor(factor)?;
        whole.set_learning_rate_factor(factor)?;
        for _ in 0..3 {
            let l = Covector(scaled.clone());
            fused = fused.checkpoint()?.restore(&scaled)?;
            prop_assert_eq!(fused.step(&mut scaled, &l, 1.0)?, of_product.step(&mut given, &l, 1.0)?);
            prop_assert_eq!(&scaled, &given);
            let l = Covector(scaled_whole.clone());
            whole = whole.checkpoint()?.restore_whole(&scaled_whole)?;
            prop_assert_eq!(whole.step(&mut scaled_whole, &l, 1.0)?, whole_of_product.step(&mut given_whole, &l, 1.0)?);
            prop_assert_eq!(&scaled_whole, &given_whole);
        }
        prop_assert_eq!(fused.reports()?, of_product.reports()?);
        prop_assert_eq!(fused.rates().map(|rates| rates.learning_rate).collect::<Vec<_>>(), rates);
        prop_assert_eq!(fused.rates().map(Rates::present).collect::<Vec<_>>(), rates.map(|rate| rate * factor));
        let refused = fused.set_learning_rate_factor(-factor - 1.0);
        prop_assert!(matches!(&refused, Err(Error::Hyperparameter { .. })), "{:?}", refused);
        prop_assert_eq!(fused.rates().next().map(|rates| rates.factor), Some(factor));
    }
}
