//! The macros that make named tests of the suites for a subject.

/// Makes a test of every named property of a suite; the subjects are references in parentheses.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_proofs {
    ($suite:ident, $subjects:tt, $($property:ident),+ $(,)?) => {
        $(
            #[test]
            fn $property() {
                $crate::$suite::$property $subjects .require(stringify!($property), module_path!());
            }
        )+
    };
}

/// A module of named tests for a [`PointwiseMetric`](ambient_metric::base::PointwiseMetric) and an [`Embedding`](ambient_metric::Embedding)
/// together: P1 to P4, P7 to P9 and P12, see [`surface_suite`](crate::surface_suite).
///
/// ```
/// ambient_metric_conformance::conformance_surface!(euclidean_log, ambient_metric::Euclidean, ambient_metric::Log);
/// ```
#[macro_export]
macro_rules! conformance_surface {
    ($name:ident, $metric:expr, $embedding:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                surface_suite,
                (&$metric, &$embedding),
                p1_raise_inverts_lower,
                p1_raise_is_the_inverse_of_the_explicit_matrix,
                p2_the_step_solves_the_explicit_system,
                p3_the_determinant_lemma_holds,
                p4_vectors_grow_and_covectors_shrink,
                p7_the_step_is_bounded,
                p8_the_step_is_parallel_to_the_raised_gradient,
                p9_the_step_descends,
                p12_the_flow_is_the_projection_of_descent,
            );
        }
    };
}

/// A module of named tests for an [`AmbientMetric`](ambient_metric::AmbientMetric), for one loss or for as many as are named: P2 to P4, P6, P7, P9,
/// P12 and P17 to P21, over base metrics that are pointwise and that are not, see [`ambient_suite`](crate::ambient_suite).
///
/// ```
/// use ambient_metric::{Correlated, Hyperbolic};
/// ambient_metric_conformance::conformance_ambient!(hyperbolic, Hyperbolic);
/// ambient_metric_conformance::conformance_ambient!(correlated, Correlated { rho: 0.5 }, 2);
/// ```
#[macro_export]
macro_rules! conformance_ambient {
    ($name:ident, $ambient:expr) => {
        $crate::conformance_ambient!($name, $ambient, 1);
    };
    ($name:ident, $ambient:expr, $losses:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_ambient!(
                @tests $ambient, $losses,
                the_constants_are_valid,
                the_constants_of_the_trait_are_true,
                the_functions_are_pure,
                what_is_descended_is_a_scalar,
                p2_the_step_solves_the_explicit_system,
                p2_the_full_inverse_solves_the_explicit_system,
                p3_the_determinant_lemma_holds,
                p4_vectors_are_not_shorter_than_without_the_rise,
                p6_at_xi_zero_the_step_is_that_of_the_base_metric,
                p7_the_step_is_bounded,
                p9_the_step_descends,
                p12_the_flow_is_the_projection_of_descent,
                p17_a_step_is_taken_exactly_where_the_ambient_form_is_a_metric,
                p18_the_determinant_is_that_of_the_space_and_of_the_normals,
                p19_a_larger_space_takes_smaller_steps,
                p21_the_order_of_the_heights_changes_nothing,
                the_columns_are_inlined,
            );
        }
    };
    (@tests $ambient:expr, $losses:expr, $($property:ident),+ $(,)?) => {
        $(
            #[test]
            fn $property() {
                $crate::ambient_suite::$property::<_, { $losses }>(&$ambient).require(stringify!($property), module_path!());
            }
        )+
    };
}

/// A module of named tests for a [`Momentum`](ambient_metric::Momentum), see [`momentum_suite`](crate::momentum_suite).
///
/// ```
/// ambient_metric_conformance::conformance_momentum!(ema, ambient_metric::Ema(0.75));
/// ```
#[macro_export]
macro_rules! conformance_momentum {
    ($name:ident, $momentum:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                momentum_suite,
                (&$momentum),
                the_constants_are_valid,
                p10_the_covector_is_linear_in_the_gradients,
                a_steady_gradient_is_followed,
                whole_tensors_take_the_same_steps,
                a_run_repeats_bit_for_bit,
                p15_splitting_changes_nothing,
                a_checkpoint_holds_everything,
                a_refused_step_changes_nothing,
                what_decays_ends_at_zero,
                the_acts_are_inlined,
            );
        }
    };
}

/// A module of named tests for a [`Preconditioner`](ambient_metric::Preconditioner), for one loss or for as many as are named, see
/// [`preconditioner_suite`](crate::preconditioner_suite).
///
/// ```
/// use ambient_metric::{Induced, Log};
/// ambient_metric_conformance::conformance_preconditioner!(induced, Induced::new(Log, 0.5).beta(0.5));
/// ```
#[macro_export]
macro_rules! conformance_preconditioner {
    ($name:ident, $preconditioner:expr) => {
        $crate::conformance_preconditioner!($name, $preconditioner, 1);
    };
    ($name:ident, $preconditioner:expr, $losses:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_preconditioner!(
                @tests $preconditioner, $losses,
                the_constants_are_valid,
                ordinary_steps_are_taken,
                the_step_is_linear_in_the_covectors,
                p9_the_step_descends,
                whole_tensors_take_the_same_steps,
                a_run_repeats_bit_for_bit,
                p15_splitting_changes_nothing,
                a_checkpoint_holds_everything,
                a_refused_step_changes_nothing,
                rates_do_not_enter_the_memory,
                what_decays_ends_at_zero,
                the_acts_are_inlined,
            );
        }
    };
    (@tests $preconditioner:expr, $losses:expr, $($property:ident),+ $(,)?) => {
        $(
            #[test]
            fn $property() {
                $crate::preconditioner_suite::$property::<_, { $losses }>(&$preconditioner)
                    .require(stringify!($property), module_path!());
            }
        )+
    };
}

/// A module of named tests for a [`Rule`](ambient_metric::Rule), see [`rule_suite`](crate::rule_suite).
///
/// ```
/// ambient_metric_conformance::conformance_rule!(nadam, ambient_metric::rules::nadam());
/// ```
#[macro_export]
macro_rules! conformance_rule {
    ($name:ident, $rule:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                rule_suite,
                (&$rule),
                the_constants_are_valid,
                a_run_repeats_bit_for_bit,
                p15_splitting_changes_nothing,
                a_checkpoint_holds_everything,
                a_refused_step_changes_nothing,
                rates_do_not_enter_the_memory,
                what_decays_ends_at_zero,
                the_acts_are_inlined,
            );
        }
    };
}

/// A module of named tests for a [`PointwiseMetric`](ambient_metric::base::PointwiseMetric) and an [`Embedding`](ambient_metric::Embedding)
/// together: one to four losses, and coupled heights; P2, P3, P9, P13 and P14, see [`heights_suite`](crate::heights_suite).
///
/// ```
/// ambient_metric_conformance::conformance_heights!(euclidean_log, ambient_metric::Euclidean, ambient_metric::Log);
/// ```
#[macro_export]
macro_rules! conformance_heights {
    ($name:ident, $metric:expr, $embedding:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                heights_suite,
                (&$metric, &$embedding),
                p2_the_joint_step_solves_the_explicit_system,
                p3_the_joint_determinant_lemma_holds,
                p9_the_joint_step_descends,
                p13_the_joint_step_is_nested_sherman_morrison_in_every_order,
                p13_one_loss_is_the_pull_back,
                p14_coupling_is_definite_exactly_below_one,
                p14_the_completed_square_holds,
                p14_without_coupling_it_is_the_pull_back,
                p14_the_bilinear_step_solves_the_explicit_system,
            );
        }
    };
}

/// A module of named tests for an [`Embedding`](ambient_metric::Embedding): its own properties ([`embedding_suite`](crate::embedding_suite)),
/// and the surface over every built-in base metric ([`conformance_surface!`](crate::conformance_surface)).
///
/// Losses are looked for in the embedding's domain, if there are some between −12 and 144; proofs are exact where the slope is a fraction.
///
/// ```
/// ambient_metric_conformance::conformance_embedding!(log, ambient_metric::Log);
/// ```
#[macro_export]
macro_rules! conformance_embedding {
    ($name:ident, $embedding:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                embedding_suite,
                (&$embedding),
                the_slope_is_the_derivative_of_the_height,
                accepted_losses_have_a_height_and_a_positive_slope,
                the_domain_is_not_empty,
                the_height_increases_with_the_loss,
                every_scalar_has_the_same_height,
                p5_the_spectrum_over_the_flat_metric,
            );
            $crate::conformance_surface!(over_euclidean, $crate::subjects::Euclidean, $embedding);
            $crate::conformance_surface!(over_rmsprop, $crate::subjects::RMSPROP, $embedding);
            $crate::conformance_surface!(over_adagrad, $crate::subjects::ADAGRAD, $embedding);
        }
    };
}

/// A module of named tests for a [`DiagonalMetric`](ambient_metric::DiagonalMetric): its own properties ([`metric_suite`](crate::metric_suite):
/// positivity, P1 in `f64`, P6, P11, P15), and the surface with every built-in embedding
/// ([`conformance_surface!`](crate::conformance_surface)), through every momentum and placement.
///
/// # Requirements
///
/// A metric without roots is proved exactly at every point. One with roots is proved exactly where they are fractions: with a square root of
/// an average of squares that is so after one gradient if 1 − β is exact in `f64` (β = 0 or β ≥ ½). Elsewhere its γ⁻¹ is taken as computed in `f64`: the
/// geometry is then proved exactly for that γ⁻¹, and the optimiser's step compared with the exact solution up to the rounding
/// derived at [`surface_suite`](crate::surface_suite). For that γ⁻¹ must not be so small or large that products with it leave the range of `f64`.
///
/// ```
/// ambient_metric_conformance::conformance_metric!(rmsprop, ambient_metric::RmsProp { beta: 0.75, epsilon: 0.5 });
/// ```
#[macro_export]
macro_rules! conformance_metric {
    ($name:ident, $metric:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                metric_suite,
                (&$metric),
                the_constants_are_valid,
                the_inverse_is_positive,
                p1_raising_undoes_lowering,
                p6_at_xi_zero_every_bit_is_that_of_the_base_optimiser,
                p11_scaling_the_loss_leaves_the_step_of_log_unchanged,
                p15_splitting_changes_nothing,
                the_acts_are_inlined,
            );
            $crate::conformance_surface!(identity, $metric, $crate::subjects::Identity);
            $crate::conformance_surface!(log, $metric, $crate::subjects::Log);
            $crate::conformance_surface!(sqrt, $metric, $crate::subjects::Sqrt);
            $crate::conformance_surface!(power_two, $metric, $crate::subjects::Power(2.0));
            $crate::conformance_surface!(power_three_halves, $metric, $crate::subjects::Power(1.5));
            $crate::conformance_surface!(log1p, $metric, $crate::subjects::Log1p);
        }
    };
}

/// A module of named tests for any [`BaseMetric`](ambient_metric::BaseMetric) over [`Reference<f64>`](crate::Reference), pointwise or not: P1 to P4, P6,
/// P7 and P9 to P14, symmetry, positivity and the determinant against the matrix that unit vectors find, and what must be refused; see
/// [`base_metric_suite`](crate::base_metric_suite).
///
/// The parts are those of the parameters that the metric is tried on: a name and a shape each.
///
/// ```
/// use ambient_metric::Kronecker;
/// ambient_metric_conformance::conformance_base_metric!(kronecker, Kronecker::default(), [("w", [3, 2]), ("x", [2, 2])]);
/// ```
#[macro_export]
macro_rules! conformance_base_metric {
    ($name:ident, $metric:expr, [$(($part:expr, $shape:expr)),+ $(,)?]) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_proofs!(
                base_metric_suite,
                (&$metric, &[$($crate::subjects::Part { name: $part.into(), shape: $shape.to_vec() }),+]),
                p1_raise_inverts_lower,
                raising_and_lowering_are_linear,
                inner_products_are_symmetric,
                the_metric_is_positive,
                the_determinant_is_that_of_the_explicit_matrix,
                a_gradient_that_is_not_finite_changes_nothing,
                another_layout_is_refused,
                p1_the_pull_back_is_inverted,
                p2_the_step_solves_the_explicit_system,
                p3_the_determinant_lemma_holds,
                p4_vectors_grow_and_covectors_shrink,
                p6_at_xi_zero_the_step_is_the_raised_gradient,
                p7_p9_the_step_is_bounded_and_descends,
                p10_any_linear_coordinates_take_the_same_step,
                p11_scaling_the_loss_leaves_the_step_of_log_unchanged,
                p12_the_flow_is_the_projection_of_descent,
                p13_the_joint_step_is_nested_sherman_morrison,
                p14_coupling_is_the_completed_square_and_definite_below_one,
            );
        }
    };
}

/// A module of named tests for a backend: what [`Tensor`](ambient_metric::Tensor) asks, P15 and P16, see
/// [`backend_suite`](crate::backend_suite).
///
/// `ELEMENT` is the type of its numbers, and `MAKE` a function that makes a tensor from named parts, as
/// [`runs::Make`](crate::runs::Make) has it. After `when`, a condition says whether the backend can run here; where it cannot, the
/// tests pass without a claim, so the condition should say so.
///
/// ```
/// use ambient_metric_conformance::Reference;
///
/// ambient_metric_conformance::conformance_backend!(reference, f64, Reference::<f64>::new);
/// ```
#[macro_export]
macro_rules! conformance_backend {
    ($name:ident, $element:ty, $make:expr) => {
        $crate::conformance_backend!($name, $element, $make, when true);
    };
    ($name:ident, $element:ty, $make:expr, when $condition:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            $crate::conformance_backend!(
                @tests $element, $make, $condition,
                what_is_written_is_read,
                what_does_not_fit_is_refused_and_nothing_is_written,
                kernels_see_their_operands_in_order,
                sums_are_complete_and_per_group,
                sums_repeat_bit_for_bit,
                what_decays_ends_at_zero,
                p15_splitting_changes_nothing_but_rounding,
                p16_runs_agree_with_the_reference,
                p16_a_step_over_rmsprop_agrees_with_the_reference,
            );
        }
    };
    (@tests $element:ty, $make:expr, $condition:expr, $($property:ident),+ $(,)?) => {
        $(
            #[test]
            fn $property() {
                if $condition {
                    let make = |parts: Vec<($crate::subjects::Part, Vec<$element>)>| $make(parts);
                    $crate::backend_suite::$property(&make).require(stringify!($property), module_path!());
                }
            }
        )+
    };
}

/// A module of named tests for a backend whose tensors have matrices, see [`matrix_suite`](crate::matrix_suite); arguments as those of
/// [`conformance_backend!`](crate::conformance_backend).
///
/// ```
/// use ambient_metric_conformance::Reference;
///
/// ambient_metric_conformance::conformance_matrices!(reference_matrices, f64, Reference::<f64>::new);
/// ```
#[macro_export]
macro_rules! conformance_matrices {
    ($name:ident, $element:ty, $make:expr) => {
        $crate::conformance_matrices!($name, $element, $make, when true);
    };
    ($name:ident, $element:ty, $make:expr, when $condition:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the subjects are named as outside of the module")]
            use super::*;

            #[test]
            fn a_matrix_that_vanishes_lets_the_rest_go_on() {
                if $condition {
                    let make = |parts: Vec<($crate::subjects::Part, Vec<$element>)>| $make(parts);
                    $crate::matrix_suite::a_matrix_that_vanishes_lets_the_rest_go_on(&make)
                        .require("a_matrix_that_vanishes_lets_the_rest_go_on", module_path!());
                }
            }
        }
    };
}
