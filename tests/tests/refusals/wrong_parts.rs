//! Parts of rules that are wrong on purpose: the suites reject each, by the property that it breaks.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use ambient_metric::ambient::{Covectors, Gram, Position};
use ambient_metric::rule::{Damping, Raised};
use ambient_metric::space::{Inputs, Local, Outcome, Recall};
use ambient_metric::{AmbientMetric, DiagonalMetric, Momentum, Preconditioner, Real};
use ambient_metric_conformance::{Proof, ambient_suite, metric_suite, momentum_suite, preconditioner_suite};

/// Names of the properties that did not hold.
fn broken(proofs: Vec<(&'static str, Proof)>) -> Vec<&'static str> {
    proofs.into_iter().filter(|(_, proof)| proof.failure.is_some()).map(|(name, _)| name).collect()
}

/// Proofs of a suite by name, for one loss.
macro_rules! proofs {
    ($suite:ident, $subject:expr, $($property:ident),+ $(,)?) => {
        vec![$((stringify!($property), $suite::$property::<_, 1>(&$subject))),+]
    };
}

/// A height that counts below nothing.
#[derive(Clone)]
struct Negative;

impl AmbientMetric for Negative {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn block<S: Real>(&self, (): (), _at: Position<S>) -> Option<Gram<S>> {
        Some(Gram::diagonal([-S::one()]))
    }
}

/// Columns that are others whenever they are asked for.
#[derive(Clone)]
struct Restless(Arc<AtomicUsize>);

impl AmbientMetric for Restless {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; 1];

    #[inline(always)]
    fn columns<S: Real>(&self, (): (), at: Local<S, [S; 1]>) -> [S; 1] {
        let [gradient] = at.gradient;
        let turn = self.0.fetch_add(1, Ordering::Relaxed) % 3;
        [S::constant(0.01 * turn as f64) * gradient]
    }
}

#[test]
fn an_ambient_form_that_is_never_a_metric_proves_nothing() {
    let proof = ambient_suite::p2_the_step_solves_the_explicit_system::<_, 1>(&Negative);
    assert!(proof.failure.is_some_and(|failure| failure.contains("was a metric at none of")));
    // It is refused everywhere, as it must be.
    assert_eq!(
        ambient_suite::p17_a_step_is_taken_exactly_where_the_ambient_form_is_a_metric::<_, 1>(&Negative).failure,
        None
    );
}

#[test]
fn columns_that_are_not_a_function_break_the_step() {
    let found = broken(proofs!(
        ambient_suite,
        Restless(Arc::default()),
        the_constants_are_valid,
        p2_the_step_solves_the_explicit_system,
        p3_the_determinant_lemma_holds,
    ));
    assert_eq!(found, ["p2_the_step_solves_the_explicit_system", "p3_the_determinant_lemma_holds"]);
}

/// a = 1 + h², which it denies to depend on the height.
#[derive(Clone)]
struct Denying;

impl AmbientMetric for Denying {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    const DEPENDS_ON_POSITION: bool = false;

    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        Some(S::one() + at.heights[0] * at.heights[0])
    }
}

/// Columns along the gradient, which it says are constant.
#[derive(Clone)]
struct Still;

impl AmbientMetric for Still {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; 1];
    const HAS_CONSTANT_COLUMNS: bool = true;

    #[inline(always)]
    fn columns<S: Real>(&self, (): (), at: Local<S, [S; 1]>) -> [S; 1] {
        [S::constant(0.01) * at.gradient[0]]
    }
}

/// A memory that is another whenever it is learned.
#[derive(Clone)]
struct Forgetful(Arc<AtomicUsize>);

impl AmbientMetric for Forgetful {
    type State<S: Real> = ();
    type Memory<S: Real> = S;
    type Columns<S: Real> = ();

    fn learn<S: Real>(&self, memory: S, _at: Position<S>) -> S {
        memory + S::constant(self.0.fetch_add(1, Ordering::Relaxed) as f64)
    }

    fn scale<S: Real>(&self, memory: S, _at: Position<S>) -> Option<S> {
        Some(S::one() + memory)
    }
}

/// p = (L₂, −L₁), of which no scalar is the origin.
#[derive(Clone)]
struct Circling;

impl AmbientMetric<2> for Circling {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn descended<S: Real>(&self, at: Position<S, 2>) -> Option<[S; 2]> {
        Some([at.losses[1], -at.losses[0]])
    }
}

#[test]
fn what_an_ambient_metric_says_of_itself_is_held_against_its_functions() {
    let failure = |proof: Proof| proof.failure.unwrap_or_default();
    let denied = failure(ambient_suite::the_constants_of_the_trait_are_true::<_, 1>(&Denying));
    assert!(denied.contains("`scale` of `Denying` contradicts `DEPENDS_ON_POSITION = false`"), "{denied}");
    let still = failure(ambient_suite::the_constants_of_the_trait_are_true::<_, 1>(&Still));
    assert!(still.contains("`columns` of `Still` contradicts `HAS_CONSTANT_COLUMNS = true`"), "{still}");
    let forgetful = failure(ambient_suite::the_functions_are_pure::<_, 1>(&Forgetful(Arc::default())));
    assert!(forgetful.contains("`learn` of `Forgetful` gives two answers for one question"), "{forgetful}");
    let restless = failure(ambient_suite::the_functions_are_pure::<_, 1>(&Restless(Arc::default())));
    assert!(restless.contains("`columns` of `Restless` gives two answers"), "{restless}");
    let circling = failure(ambient_suite::what_is_descended_is_a_scalar::<_, 2>(&Circling));
    assert!(circling.contains("`descended` of `Circling` is no gradient"), "{circling}");
}

/// Steps of a length that is no number.
#[derive(Clone)]
struct Undefined;

impl Preconditioner for Undefined {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    type Sums<S: Real> = S;
    type Factors<S: Real> = S;

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], ()>, raised: Raised<[S; 1], ()>) -> S {
        at.gradient[0] * raised.gradient[0]
    }
    /// 0/0 where there is no gradient.
    fn damp<S: Real>(&self, _: Inputs<S, [S; 1]>, (): (), length: S) -> Outcome<S, (), Damping<S, [S; 1]>> {
        Outcome { factors: S::one() / length.sqrt(), memory: (), report: Damping::flat() }
    }
    #[inline(always)]
    fn follow<S: Real>(&self, factor: S, at: Covectors<[S; 1], ()>) -> S {
        factor * at.momentum[0]
    }
}

/// γ⁻¹ = √2, by a call for every element.
#[derive(Clone)]
struct Called;

impl DiagonalMetric for Called {
    type State<S: Real> = ();

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(never)]
    fn inverse<S: Real>(&self, (): ()) -> S {
        (S::one() + S::one()).sqrt()
    }
}

#[test]
fn a_preconditioner_that_takes_no_step_and_a_metric_that_is_called_are_found() {
    let proof = preconditioner_suite::ordinary_steps_are_taken::<_, 1>(&Undefined);
    let failure = proof.failure.unwrap_or_default();
    assert!(failure.contains("gradients of zero"), "{failure}");
    let proof = metric_suite::the_acts_are_inlined(&Called);
    let failure = proof.failure.unwrap_or_default();
    assert!(failure.contains("Descent(Called,"), "{failure}");
}

macro_rules! momenta {
    ($($(#[$doc:meta])* $name:ident: $gradient:ident => $covector:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        struct $name;

        impl Momentum for $name {
            type State<S: Real> = ();
            type Corrections<S: Real> = ();

            fn decay(&self) -> f64 {
                0.0
            }

            fn correct<S: Real>(&self, _power: S) {}

            #[inline(always)]
            fn remember<S: Real>(&self, (): (), (): (), _gradient: S) {}

            #[inline(always)]
            fn covector<S: Real>(&self, (): (), Recall { gradient: $gradient, .. }: Recall<(), S>) -> S {
                $covector
            }
        }
    )+};
}

momenta! {
    /// l |l|, which is no covector.
    Squared: gradient => gradient * gradient.abs();
    /// Up the gradient.
    Uphill: gradient => -gradient;
}

#[test]
fn a_momentum_that_is_no_covector_or_goes_up_is_named() {
    fn wrong<Q: Momentum + Clone>(momentum: &Q) -> Vec<&'static str> {
        macro_rules! proofs {
            ($($property:ident),+ $(,)?) => { vec![$((stringify!($property), momentum_suite::$property(momentum))),+] };
        }
        broken(proofs!(
            the_constants_are_valid,
            p10_the_covector_is_linear_in_the_gradients,
            a_steady_gradient_is_followed,
            whole_tensors_take_the_same_steps,
            a_run_repeats_bit_for_bit,
            p15_splitting_changes_nothing,
            a_checkpoint_holds_everything,
            a_refused_step_changes_nothing,
        ))
    }
    assert_eq!(wrong(&Squared), ["p10_the_covector_is_linear_in_the_gradients"]);
    assert_eq!(wrong(&Uphill), ["a_steady_gradient_is_followed"]);
}

/// A factor, that of the squared gradient in what is followed, and whether the memory is the learning rate.
#[derive(Clone)]
struct Wrong {
    factor: f64,
    bend: f64,
    keeps_rate: bool,
}

impl Preconditioner for Wrong {
    type State<S: Real> = ();
    type Memory<S: Real> = S;
    type Columns<S: Real> = ();
    type Sums<S: Real> = S;
    type Factors<S: Real> = S;

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], ()>, raised: Raised<[S; 1], ()>) -> S {
        at.gradient[0] * raised.gradient[0]
    }

    fn damp<S: Real>(&self, inputs: Inputs<S, [S; 1]>, memory: S, length: S) -> Outcome<S, S, Damping<S, [S; 1]>> {
        let factor = S::constant(self.factor);
        Outcome {
            factors: factor,
            memory: if self.keeps_rate { inputs.learning_rate } else { memory },
            report: Damping::uncoupled([length], [length], [S::one()], [factor], S::one()),
        }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factor: S, at: Covectors<[S; 1], ()>) -> S {
        factor * at.momentum[0] + S::constant(self.bend) * at.gradient[0] * at.gradient[0]
    }
}

#[test]
fn a_preconditioner_that_goes_up_is_not_linear_or_keeps_a_rate_is_named() {
    let wrong = |wrong: Wrong| {
        broken(proofs!(
            preconditioner_suite,
            wrong,
            the_constants_are_valid,
            the_step_is_linear_in_the_covectors,
            p9_the_step_descends,
            a_run_repeats_bit_for_bit,
            a_checkpoint_holds_everything,
            a_refused_step_changes_nothing,
            rates_do_not_enter_the_memory,
        ))
    };
    let right = Wrong { factor: 1.0, bend: 0.0, keeps_rate: false };
    assert_eq!(wrong(right.clone()), [""; 0]);
    assert_eq!(wrong(Wrong { factor: -1.0, ..right.clone() }), ["p9_the_step_descends"]);
    assert_eq!(wrong(Wrong { keeps_rate: true, ..right.clone() }), ["rates_do_not_enter_the_memory"]);
    let bent = wrong(Wrong { bend: 0.5, ..right });
    assert!(bent.contains(&"the_step_is_linear_in_the_covectors"), "{bent:?}");
}
