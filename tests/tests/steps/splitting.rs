//! P15: cutting the parameters into named blocks, or into groups that share the sum, changes nothing.

use ambient_metric::ambient::Sqrt;
use ambient_metric::space::HeavyBall;
use ambient_metric::{Adagrad, Configuration, Descent, Ema, Euclidean, Group, Induced, Log, Nesterov, RmsProp};
use ambient_metric_conformance::{Exact, Reference, Trajectory, runs, trajectories};
use ambient_metric_tests::{Asinh, Quadratic, cases, parameters};
use proptest::prelude::*;

/// Whole numbers for parameters and gradients, so that roots of single squares are exact and fractions short.
fn whole(trajectory: &Trajectory) -> Trajectory {
    let round = |values: &Vec<f64>| values.iter().map(|value| value.round()).collect();
    Trajectory {
        theta: round(&trajectory.theta),
        gradients: trajectory.gradients.iter().map(round).collect(),
        losses: trajectory.losses.iter().map(|loss| loss.round()).collect(),
        ..trajectory.clone()
    }
}

macro_rules! p15_splitting_changes_nothing {
    ($property:ident, $make:expr, $prepare:expr, $($name:ident, $steps:expr, $rule:expr);+ $(;)?) => {
        mod $property {
            use super::*;

            proptest! {
                #![proptest_config(cases(48))]
                $(
                    #[test]
                    fn $name(run in trajectories(60, 4, 1.0..10.0, -3..4)) {
                        let run: Trajectory = $prepare(&run);
                        let configuration = Configuration::new($rule, 0.125).weight_decay(0.25);
                        runs::splitting_changes_nothing(&configuration, &run.first($steps), &$make)?;
                    }
                )+
            }
        }
    };
}

// With a root in the metric one step is exact, as one gradient's square has a root.
p15_splitting_changes_nothing!(
    p15_any_blocks_are_exactly_the_concatenated_vector, Reference::<Exact>::new, whole,
    euclidean_log, 3, Descent::new(Euclidean, Induced::new(Log, 0.5).beta(0.5), Ema(0.75));
    euclidean_log_with_the_full_inverse, 3, Descent::new(Euclidean, Induced::new(Log, 0.5).beta(0.5).exact(), Ema(0.75));
    quadratic_with_nesterov, 2, Descent::new(Quadratic, Induced::new(Log, 0.5).beta(0.5).exact(), Nesterov(0.5));
    rmsprop_log, 1, Descent::new(RmsProp { beta: 0.75, epsilon: 0.5 }, Induced::new(Log, 0.5), Ema(0.5));
    adagrad_log, 1, Descent::new(Adagrad { epsilon: 0.5 }, Induced::new(Log, 0.5).exact(), HeavyBall(0.5));
);

p15_splitting_changes_nothing!(
    p15_any_blocks_are_the_concatenated_vector_bit_for_bit_in_f64, parameters::<f64>, Trajectory::clone,
    euclidean_log, 4, Descent::new(Euclidean, Induced::new(Log, 0.3).beta(0.8), Ema(0.9));
    rmsprop_sqrt, 4, Descent::new(RmsProp::default(), Induced::new(Sqrt, 0.3).beta(0.8).exact(), Nesterov(0.9));
    adagrad_asinh, 4, Descent::new(Adagrad::default(), Induced::new(Asinh, 0.3), HeavyBall(0.9));
    quadratic_log, 4, Descent::new(Quadratic, Induced::new(Log, 0.3).beta(0.8).exact(), Ema(0.9));
);

p15_splitting_changes_nothing!(
    p15_any_blocks_are_the_concatenated_vector_bit_for_bit_in_f32, parameters::<f32>, Trajectory::clone,
    euclidean_log, 4, Descent::new(Euclidean, Induced::new(Log, 0.3).beta(0.8), Ema(0.9));
    rmsprop_sqrt, 4, Descent::new(RmsProp::default(), Induced::new(Sqrt, 0.3).beta(0.8).exact(), Nesterov(0.9));
    adagrad_asinh, 4, Descent::new(Adagrad::default(), Induced::new(Asinh, 0.3), HeavyBall(0.9));
    quadratic_log, 4, Descent::new(Quadratic, Induced::new(Log, 0.3).beta(0.8).exact(), Ema(0.9));
);

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn p15_groups_that_share_the_sum_are_exactly_the_concatenated_vector(run in trajectories(30, 3, 1.0..10.0, -3..4)) {
        let run = whole(&run);
        let rule = Descent::new(Euclidean, Induced::new(Log, 0.5).beta(0.5).exact(), Ema(0.75));
        let plain = Configuration::new(rule, 0.125).weight_decay(0.25);
        let grouped = (0..run.sizes.len()).step_by(2).fold(plain.clone(), |configuration, part| {
            configuration.group(Group::new(format!("group {part}"), [format!("part{part:03}")]))
        });
        Exact::scope(|| {
            let one = runs::run(&grouped, &run, &Reference::<Exact>::new)?;
            let all = runs::run(&plain, &run.whole(), &Reference::<Exact>::new)?;
            prop_assert_eq!(one, all);
            Ok(())
        })?;
    }
}
