//! P2, P7, P8 and P9 for the optimiser's own first step, proved in exact fractions for every base metric, embedding, momentum and
//! placement.

use ambient_metric::{Descent, DiagonalMetric, Ema, Embedding, HeavyBall, Induced, Nesterov, NoMomentum};
use ambient_metric_conformance::{Surface, first_step};
use ambient_metric_tests::for_every_metric_and_embedding;
use proptest::test_runner::TestCaseResult;

/// Declares a property of a metric and an embedding from one of a rule: it must hold for every momentum at the decay at which it
/// does not remember, and in both placements.
macro_rules! for_every_momentum_and_placement {
    ($property:ident, $check:path) => {
        fn $property<M: DiagonalMetric + Clone, E: Embedding + Clone>(
            metric: &M,
            embedding: &E,
            case: &Surface,
        ) -> TestCaseResult {
            let induced = Induced::new(metric.clone(), embedding.clone(), case.xi);
            $check(&Descent::new(induced.clone(), NoMomentum), case)?;
            $check(&Descent::new(induced.clone(), Ema(0.0)), case)?;
            $check(&Descent::new(induced.clone().exact(), HeavyBall(0.0)), case)?;
            $check(&Descent::new(induced.exact(), Nesterov(0.0)), case)
        }

        for_every_metric_and_embedding!($property);
    };
}

for_every_momentum_and_placement!(
    p2_the_step_solves_the_explicit_system_exactly,
    first_step::solves_the_explicit_system
);
for_every_momentum_and_placement!(p7_the_step_is_bounded_exactly, first_step::is_bounded);
for_every_momentum_and_placement!(
    p8_the_step_is_exactly_parallel_to_the_raised_gradient,
    first_step::is_parallel_to_the_raised_gradient
);
for_every_momentum_and_placement!(p9_the_step_descends_exactly, first_step::descends);
