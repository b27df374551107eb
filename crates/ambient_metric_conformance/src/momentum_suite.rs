//! The properties of a momentum: m̂ is a covector, so it is linear in the gradients; it follows them; and all that [`rule_suite`](crate::rule_suite)
//! asks of SGD with it.
//!
//! [`conformance_momentum!`](crate::conformance_momentum) makes a test of each.

use ambient_metric::Momentum;
use ambient_metric::number::Element;
use ambient_metric::space::Recall;
use proptest::prelude::*;

use crate::exact::Exact;
use crate::proof::Proof;
use crate::rule_suite::{runs, whole_tensors_step_alike, with_momentum};
use crate::strategies::{Fraction, fractions};

const CASES: u32 = 32;

/// m̂ of every step for the gradients of one coordinate.
fn followed<Q: Momentum>(momentum: &Q, gradients: &[Exact]) -> Vec<Exact> {
    let mut state = <Q::State<Exact> as ambient_metric::Bundle<Exact>>::zero();
    let (mut power, decay) = (Exact::ratio(1, 1), Exact::ratio_of(momentum.decay()));
    let mut step = |&gradient: &Exact| {
        power = power * decay;
        let corrections = momentum.correct(power);
        let at = Recall::of(momentum, corrections, state, gradient);
        state = at.present;
        momentum.covector(corrections, at)
    };
    gradients.iter().map(&mut step).collect()
}

/// The decay lies in its range, so that optimisers take it.
pub fn the_constants_are_valid<Q: Momentum>(momentum: &Q) -> Proof {
    Proof { cases: 1, worst: 0.0, failure: momentum.validate().err().map(|error| error.to_string()) }
}

/// m̂ of x + cy is that of x and c times that of y, exactly: in all linear coordinates it is the same covector.
pub fn p10_the_covector_is_linear_in_the_gradients<Q: Momentum>(momentum: &Q) -> Proof {
    let pairs = prop::collection::vec((fractions(), fractions()), 1..6);
    Proof::of(CASES, &(pairs, fractions()), |(pairs, c)| {
        Exact::scope(|| {
            let of = |turn: fn(&(Fraction, Fraction)) -> Fraction| {
                pairs.iter().map(|pair| turn(pair).exact()).collect::<Vec<_>>()
            };
            let (x, y, c) = (of(|pair| pair.0), of(|pair| pair.1), c.exact());
            let sum: Vec<Exact> = x.iter().zip(&y).map(|(&x, &y)| x + c * y).collect();
            let (of_x, of_y) = (followed(momentum, &x), followed(momentum, &y));
            let expected: Vec<Exact> = of_x.iter().zip(&of_y).map(|(&x, &y)| x + c * y).collect();
            prop_assert_eq!(followed(momentum, &sum), expected);
            Ok(0.0)
        })
    })
}

/// Gradients that stay the same are followed, never left: m̂ is a positive multiple of them in every step.
pub fn a_steady_gradient_is_followed<Q: Momentum>(momentum: &Q) -> Proof {
    Proof::of(CASES, &(1..12_usize), |steps| {
        Exact::scope(|| {
            for covector in followed(momentum, &vec![Exact::ratio(1, 1); steps]) {
                prop_assert!(Element::is_negative(-covector), "m̂ = {:?} for l = 1", covector);
            }
            Ok(0.0)
        })
    })
}

/// Fused passes and whole tensors take the same steps with it, bit for bit.
pub fn whole_tensors_take_the_same_steps<Q: Momentum + Clone>(momentum: &Q) -> Proof {
    Proof::of(CASES, &runs(), |run| {
        whole_tensors_step_alike(&ambient_metric::Induced::new(ambient_metric::Log, 0.5).beta(0.5), momentum, &run)?;
        Ok(0.0)
    })
}

macro_rules! of_the_rule {
    ($($property:ident),+ $(,)?) => {$(
        /// As for every rule.
        pub fn $property<Q: Momentum + Clone>(momentum: &Q) -> Proof {
            crate::rule_suite::$property(&with_momentum(momentum.clone()))
        }
    )+};
}

of_the_rule!(
    a_run_repeats_bit_for_bit,
    p15_splitting_changes_nothing,
    a_checkpoint_holds_everything,
    a_refused_step_changes_nothing,
    what_decays_ends_at_zero,
    the_acts_are_inlined,
);
