//! Surfaces in larger ambient spaces: several losses, and heights coupled to the parameters, over every base metric and embedding.

use ambient_metric::{Adagrad, Euclidean, Identity, LearnedDiagonal, LearnedScalar, Log, Log1p, Power, RmsProp, Sqrt};
use ambient_metric_conformance::conformance_ambient;
use ambient_metric_tests::{Asinh, Quadratic};

/// Roots in it are exact after one gradient.
const RMSPROP: RmsProp = RmsProp { beta: 0.75, epsilon: 0.5 };

conformance_ambient!(euclidean_identity, Euclidean, Identity);
conformance_ambient!(euclidean_log, Euclidean, Log);
conformance_ambient!(euclidean_sqrt, Euclidean, Sqrt);
conformance_ambient!(euclidean_power_three_halves, Euclidean, Power(1.5));
conformance_ambient!(euclidean_log1p, Euclidean, Log1p);
conformance_ambient!(euclidean_asinh_of_a_user, Euclidean, Asinh);
conformance_ambient!(rmsprop_identity, RMSPROP, Identity);
conformance_ambient!(rmsprop_log, RMSPROP, Log);
conformance_ambient!(adagrad_identity, Adagrad { epsilon: 0.25 }, Identity);
conformance_ambient!(adagrad_power_two, Adagrad { epsilon: 0.25 }, Power(2.0));
conformance_ambient!(quadratic_of_a_user_identity, Quadratic, Identity);
conformance_ambient!(quadratic_of_a_user_log, Quadratic, Log);
// Before the first step z = 0, so that eᶻ is a fraction.
conformance_ambient!(learned_scalar_identity, LearnedScalar::default(), Identity);
conformance_ambient!(learned_scalar_log, LearnedScalar::default(), Log);
conformance_ambient!(learned_diagonal_identity, LearnedDiagonal::default(), Identity);
conformance_ambient!(learned_diagonal_sqrt, LearnedDiagonal::default(), Sqrt);
