//! P1 to P9, P11 and P15 for every base metric and embedding: exact wherever they are fractions.

use ambient_metric::ambient::{Power, Sqrt};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar};
use ambient_metric::{Adagrad, Euclidean, Identity, Log, Log1p, RmsProp};
use ambient_metric_conformance::{conformance_embedding, conformance_metric, conformance_proofs, conformance_surface};
use ambient_metric_tests::{Asinh, Quadratic};

// Roots in a metric are exact because it has seen one gradient, whose average of squares is a square. ε is a power of two, so that
// fractions stay short.
conformance_metric!(euclidean, Euclidean);
conformance_metric!(rmsprop, RmsProp { beta: 0.75, epsilon: 0.5 });
conformance_metric!(adagrad, Adagrad { epsilon: 0.25 });
conformance_metric!(quadratic_of_a_user, Quadratic);

// The first step of what learns is over the flat metric; what it has learned by then is proved where any base metric is.
conformance_surface!(learned_scalar_identity, LearnedScalar::default(), Identity);
conformance_surface!(learned_scalar_log, LearnedScalar::default(), Log);
conformance_surface!(learned_diagonal_identity, LearnedDiagonal::default(), Identity);
conformance_surface!(learned_diagonal_log, LearnedDiagonal::default(), Log);

conformance_embedding!(asinh_of_a_user, Asinh);
conformance_surface!(quadratic_of_a_user_and_asinh_of_a_user, Quadratic, Asinh);

/// What an embedding has to satisfy by itself, for the built-in ones; their surfaces are above.
macro_rules! built_in {
    ($($name:ident: $embedding:expr),+ $(,)?) => {
        $(
            mod $name {
                use super::*;
                conformance_proofs!(
                    embedding_suite,
                    (&$embedding),
                    the_slope_is_the_derivative_of_the_height,
                    accepted_losses_have_a_height_and_a_positive_slope,
                    the_domain_is_not_empty,
                    the_height_increases_with_the_loss,
                    every_scalar_has_the_same_height,
                    p5_the_spectrum_over_the_flat_metric,
                );
            }
        )+
    };
}

built_in!(
    identity: Identity,
    log: Log,
    sqrt: Sqrt,
    power_two: Power(2.0),
    power_three_halves: Power(1.5),
    log1p: Log1p,
);
