//! P1, P3, P4, P5 and P11 at a point, proved in exact fractions for every base metric and embedding.

use ambient_metric::{Adagrad, Euclidean, Log, RmsProp};
use ambient_metric_conformance::geometry::{
    determinant_lemma as p3_the_determinant_lemma_holds_exactly,
    only_the_gradient_direction_is_stretched as p5_the_spectrum_over_a_flat_metric_is_exact,
    raise_inverts_lower as p1_raise_inverts_lower_exactly,
    raise_is_the_inverse_matrix as p1_raise_is_exactly_the_inverse_of_the_explicit_matrix,
    vectors_grow_and_covectors_shrink as p4_vectors_grow_and_covectors_shrink_exactly,
};
use ambient_metric_conformance::{geometry, positive_fractions, surfaces};
use ambient_metric_tests::{Quadratic, cases, for_every_embedding, for_every_metric_and_embedding};
use proptest::prelude::*;

for_every_metric_and_embedding!(p1_raise_inverts_lower_exactly);
for_every_metric_and_embedding!(p1_raise_is_exactly_the_inverse_of_the_explicit_matrix);
for_every_metric_and_embedding!(p3_the_determinant_lemma_holds_exactly);
for_every_metric_and_embedding!(p4_vectors_grow_and_covectors_shrink_exactly);

mod p5_the_spectrum_over_a_flat_metric_is_exact {
    super::for_every_embedding!(super::p5_the_spectrum_over_a_flat_metric_is_exact, ambient_metric::Euclidean);
}

macro_rules! p11_scaling_the_loss_leaves_the_step_of_log_unchanged_exactly {
    ($($name:ident: $metric:expr),+ $(,)?) => {
        mod p11_scaling_the_loss_leaves_the_step_of_log_unchanged_exactly {
            use super::*;

            proptest! {
                #![proptest_config(cases(32))]
                $(
                    #[test]
                    fn $name(case in surfaces(positive_fractions()), scale in positive_fractions()) {
                        geometry::scaling_the_loss_changes_nothing(&$metric, &Log, &case, scale)?;
                    }
                )+
            }
        }
    };
}

p11_scaling_the_loss_leaves_the_step_of_log_unchanged_exactly!(
    euclidean: Euclidean,
    rmsprop: RmsProp { beta: 0.75, epsilon: 0.5 },
    adagrad: Adagrad { epsilon: 0.25 },
    quadratic_of_a_user: Quadratic,
);
