//! Base metrics that are not pointwise, under the suite that any base metric has to pass.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::{
    Dense, Ema, Euclidean, EveryMatrix, HiddenMatrices, Kronecker, Muon, NewtonSchulz, NoMomentum, Polar, Remembering,
    RmsProp, Routed, Width,
};
use ambient_metric_conformance::conformance_base_metric;

conformance_base_metric!(euclidean, Euclidean, [("w", [3, 2]), ("b", [2])]);
conformance_base_metric!(rmsprop, RmsProp { beta: 0.75, epsilon: 0.5 }, [("w", [3, 2]), ("b", [2])]);

fn dense() -> Dense<f64> {
    Dense::new(vec![
        vec![4.0, 1.0, 0.5, -0.5],
        vec![1.0, 3.0, 0.0, 0.25],
        vec![0.5, 0.0, 2.0, 1.0],
        vec![-0.5, 0.25, 1.0, 1.5],
    ])
    .unwrap()
}

conformance_base_metric!(dense_over_two_parts, dense(), [("a", [3]), ("b", [1])]);

conformance_base_metric!(kronecker, Kronecker::default(), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(
    kronecker_of_averages_with_square_roots_now_and_then,
    Kronecker { beta: Some(0.75), epsilon: 0.01, exponent: 0.5, every: 2 },
    [("w", [2, 4])]
);

fn muon<O>(orthogonaliser: O, width: Width) -> Muon<Ema, O> {
    Muon { momentum: Ema(0.5), orthogonaliser, width }
}

conformance_base_metric!(muon_wide, muon(NewtonSchulz::default(), Width::ColumnsAreOutputs), [("w", [2, 4])]);
conformance_base_metric!(muon_tall, muon(NewtonSchulz::default(), Width::RowsAreOutputs), [("w", [4, 2])]);
conformance_base_metric!(muon_exact_wide, muon(Polar, Width::ColumnsAreOutputs), [("w", [2, 4])]);
conformance_base_metric!(muon_exact_tall_and_square, muon(Polar, Width::Unscaled), [("w", [4, 2]), ("x", [2, 2])]);

conformance_base_metric!(
    routed,
    Routed { route: EveryMatrix, taken: Kronecker::default(), rest: RmsProp { beta: 0.75, epsilon: 0.5 } },
    [("b", [3]), ("w", [2, 3])]
);
conformance_base_metric!(
    routed_twice,
    Routed {
        route: HiddenMatrices::default(),
        taken: muon(Polar, Width::Unscaled),
        rest: Routed {
            route: EveryMatrix,
            taken: Kronecker::default(),
            rest: Remembering { momentum: NoMomentum, metric: Euclidean }
        },
    },
    [("b", [2]), ("head.weight", [2, 2]), ("w", [2, 3])]
);
