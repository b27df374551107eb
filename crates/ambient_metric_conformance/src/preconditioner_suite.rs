//! The properties of a preconditioner: steps are taken, linear in its covectors, go down, and are the same on whole tensors; and all that
//! [`rule_suite`](crate::rule_suite) asks of a descent with it.
//!
//! [`conformance_preconditioner!`](crate::conformance_preconditioner) makes a test of each.

use ambient_metric::ambient::Covectors;
use ambient_metric::{
    Bundle, Configuration, Covector, Descent, Ema, Error, Nesterov, NoMomentum, Preconditioner, RmsProp, Tensor as _,
};
use proptest::prelude::*;

use crate::exact::Exact;
use crate::proof::Proof;
use crate::reference::Reference;
use crate::rule_suite::{of_losses, runs, whole_tensors_step_alike};
use crate::strategies::{Fraction, fractions};

const CASES: u32 = 32;

/// A bundle of fractions.
fn bundle<B: Bundle<Exact>>(numbers: &[Fraction]) -> B {
    let mut numbers = numbers.iter().cycle();
    B::build(&mut || numbers.next().map_or_else(|| Exact::ratio(1, 1), |number| number.exact()))
}

/// The constants are in their ranges, so that optimisers take it.
pub fn the_constants_are_valid<P: Preconditioner<K>, const K: usize>(preconditioner: &P) -> Proof {
    Proof { cases: 1, worst: 0.0, failure: preconditioner.validate().err().map(|error| error.to_string()) }
}

/// follow(x + cy) = follow(x) + c follow(y), exactly, so that it makes no difference whether covectors are raised before or after.
pub fn the_step_is_linear_in_the_covectors<P: Preconditioner<K>, const K: usize>(preconditioner: &P) -> Proof {
    let numbers = || prop::collection::vec(fractions(), 29);
    Proof::of(CASES, &(numbers(), numbers(), numbers(), fractions()), |(factors, x, y, c)| {
        Exact::scope(|| {
            let factors = bundle::<P::Factors<Exact>>(&factors);
            let c = c.exact();
            let x: Covectors<[Exact; K], P::Columns<Exact>> = bundle(&x);
            let y: Covectors<[Exact; K], P::Columns<Exact>> = bundle(&y);
            let sum = preconditioner.follow(factors, x.plus(y.times(c)));
            prop_assert_eq!(sum, preconditioner.follow(factors, x) + c * preconditioner.follow(factors, y));
            Ok(0.0)
        })
    })
}

/// Steps are taken: from ordinary gradients, and from gradients of zero, after which the parameters are finite.
pub fn ordinary_steps_are_taken<P: Preconditioner<K> + Clone, const K: usize>(preconditioner: &P) -> Proof {
    Proof::of(CASES, &(runs(), any::<bool>()), |(run, vanishes)| {
        let mut theta = Reference::new(run.parts(&run.theta))?;
        let rule = Descent::new(RmsProp { beta: 0.75, epsilon: 0.5 }, preconditioner.clone(), Ema(0.5));
        let mut optimiser = Configuration::new(rule, 0.125).build(&theta)?;
        for step in 0..run.gradients.len() {
            let (mut gradients, losses) = of_losses(&run, step, K)?;
            if vanishes {
                gradients
                    .iter_mut()
                    .try_for_each(|gradient| gradient.0.zeros_like().map(|zeros| gradient.0 = zeros))?;
            }
            let taken = optimiser.step_losses(&mut theta, &gradients.iter().collect::<Vec<&Covector<_>>>(), &losses);
            let what = if vanishes { "gradients of zero" } else { "ordinary gradients" };
            if let Err(error) = taken {
                // A loss may lie outside, and a coupling be too long: these are refusals that a user can do something about.
                let is_known = matches!(
                    error,
                    Error::LossOutsideDomain { .. }
                        | Error::OutsideSpace { .. }
                        | Error::Coupling { .. }
                        | Error::Determinant { .. }
                );
                prop_assert!(is_known, "a step from {} is refused: {}", what, error);
            }
            prop_assert!(theta.elements().all(f64::is_finite), "a step from {} leaves what is not finite", what);
        }
        Ok(0.0)
    })
}

/// Without momentum no step goes up: Σ l_A · δθ ≤ 0 for one loss.
pub fn p9_the_step_descends<P: Preconditioner<K> + Clone, const K: usize>(preconditioner: &P) -> Proof {
    if K != 1 {
        return Proof { cases: 0, worst: 0.0, failure: None };
    }
    Proof::of(CASES, &runs(), |run| {
        let mut theta = Reference::new(run.parts(&run.theta))?;
        let rule = Descent::new(RmsProp { beta: 0.75, epsilon: 0.5 }, preconditioner.clone(), NoMomentum);
        let mut optimiser = Configuration::new(rule, 0.125).build(&theta)?;
        for step in 0..run.gradients.len() {
            let (gradients, losses) = of_losses(&run, step, K)?;
            let before: Vec<f64> = theta.elements().collect();
            let _refused = optimiser.step_losses(&mut theta, &gradients.iter().collect::<Vec<&Covector<_>>>(), &losses);
            let rise = |gradient: &Covector<Reference<f64>>| {
                let changes = theta.elements().zip(&before).map(|(after, before)| after - before);
                gradient.0.elements().zip(changes).map(|(l, change)| l * change).collect::<Vec<f64>>()
            };
            for gradient in &gradients {
                let parts = rise(gradient);
                // A difference of parameters is off by the rounding of the sum, a step along c♯ by that of its terms.
                let rounding: f64 = gradient.0.elements().zip(&before).map(|(l, theta)| (l * theta).abs()).sum::<f64>()
                    + parts.iter().map(|part| part.abs()).sum::<f64>();
                let along: f64 = parts.iter().sum();
                prop_assert!(along <= 64.0 * f64::EPSILON * rounding, "l · δθ = {:e}", along);
            }
        }
        Ok(0.0)
    })
}

/// Fused passes and whole tensors take the same steps with it, bit for bit.
pub fn whole_tensors_take_the_same_steps<P: Preconditioner<K> + Clone, const K: usize>(preconditioner: &P) -> Proof {
    Proof::of(CASES, &runs(), |run| {
        whole_tensors_step_alike(preconditioner, &NoMomentum, &run)?;
        whole_tensors_step_alike(preconditioner, &Ema(0.75), &run)?;
        whole_tensors_step_alike(preconditioner, &Nesterov(0.5), &run)?;
        Ok(0.0)
    })
}

macro_rules! of_the_rule {
    ($($property:ident),+ $(,)?) => {$(
        /// As for every rule.
        pub fn $property<P: Preconditioner<K> + Clone, const K: usize>(preconditioner: &P) -> Proof {
            let metric = RmsProp { beta: 0.75, epsilon: 0.5 };
            crate::rule_suite::$property(&Descent::new(metric, preconditioner.clone(), Ema(0.75)))
        }
    )+};
}

of_the_rule!(
    a_run_repeats_bit_for_bit,
    p15_splitting_changes_nothing,
    a_checkpoint_holds_everything,
    a_refused_step_changes_nothing,
    rates_do_not_enter_the_memory,
    what_decays_ends_at_zero,
    the_acts_are_inlined,
);
