//! What an optimiser asks of every rule: runs that repeat, whole checkpoints, steps that are refused as a whole, memory without rates, and state that
//! ends at zero.
//!
//! [`conformance_rule!`](crate::conformance_rule) makes a test of each.

use ambient_metric::number::Element;
use ambient_metric::rule::{Advance, Coordinate, Pass};
use ambient_metric::space::{Inputs, Totals};
use ambient_metric::{
    Bundle, Configuration, Covector, Descent, Error, Flat, Momentum, Optimiser, Preconditioner, RmsProp, Rule,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

pub use crate::inlining::the_acts_are_inlined;
use crate::observing::observe;
use crate::proof::Proof;
use crate::reference::Reference;
use crate::strategies::{Trajectory, components, trajectories};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 24;

/// η.
const LEARNING_RATE: f64 = 0.125;

type Space = Reference<f64>;

/// How many losses a rule has.
fn losses<R: Rule>() -> usize {
    <R::PerLoss<f64> as Bundle<f64>>::LEN
}

/// A run of one loss, as one of as many as the rule has: the gradient of the others is the same one turned, and their losses are larger.
pub(crate) fn step_losses<R: Rule>(
    optimiser: &mut Optimiser<R, Space>,
    theta: &mut Space,
    run: &Trajectory,
    step: usize,
) -> Result<(), Error> {
    let (gradients, losses) = of_losses(run, step, losses::<R>())?;
    let gradients: Vec<&Covector<Space>> = gradients.iter().collect();
    // What is observed between two steps is part of the run, as a step is.
    let observed = observe(optimiser, &gradients);
    let stepped = optimiser.step_losses(theta, &gradients, &losses).map(|_| ());
    observed.and(stepped)
}

/// Gradients and losses of a step, for so many losses.
pub(crate) fn of_losses(
    run: &Trajectory,
    step: usize,
    count: usize,
) -> Result<(Vec<Covector<Space>>, Vec<f64>), Error> {
    let turned = |loss: usize| {
        let mut gradient = run.gradients[step].clone();
        let size = gradient.len();
        gradient.rotate_left(loss % size.max(1));
        Reference::new(run.parts(&gradient)).map(Covector)
    };
    let gradients = (0..count).map(turned).collect::<Result<_, Error>>()?;
    Ok((gradients, (0..count).map(|loss| run.losses[step] + loss as f64).collect()))
}

/// The bits of the parameters and of the state after every step; a step that is refused leaves both as they are.
fn bits<R: Rule + Clone>(rule: &R, run: &Trajectory) -> Result<Vec<Vec<u64>>, Error> {
    let mut theta = Reference::new(run.parts(&run.theta))?;
    let mut optimiser = Configuration::new(rule.clone(), LEARNING_RATE).weight_decay(0.25).build(&theta)?;
    let mut all = Vec::new();
    for step in 0..run.gradients.len() {
        let _refused = step_losses(&mut optimiser, &mut theta, run, step);
        all.push(of_tensors(core::iter::once(&theta).chain(optimiser.state())));
    }
    Ok(all)
}

pub(crate) fn of_tensors<'t>(tensors: impl Iterator<Item = &'t Space>) -> Vec<u64> {
    tensors.flat_map(|tensor| tensor.elements().map(f64::to_bits).collect::<Vec<_>>()).collect()
}

/// Runs of up to six steps with losses above zero.
pub(crate) fn runs() -> impl Strategy<Value = Trajectory> {
    trajectories(20, 6, 0.5..10.0, -6..7)
}

/// The subject's constants are in their ranges, so that optimisers take it.
pub fn the_constants_are_valid<R: Rule>(rule: &R) -> Proof {
    Proof { cases: 1, worst: 0.0, failure: rule.validate().err().map(|error| error.to_string()) }
}

/// The same run has the same bits: the acts depend on their arguments alone.
pub fn a_run_repeats_bit_for_bit<R: Rule + Clone>(rule: &R) -> Proof {
    Proof::of(CASES, &runs(), |run| {
        prop_assert_eq!(bits(rule, &run)?, bits(rule, &run)?);
        Ok(0.0)
    })
}

/// Cutting the parameters into parts changes nothing, bit for bit.
pub fn p15_splitting_changes_nothing<R: Rule + Clone>(rule: &R) -> Proof {
    if rule.learns_per_tensor() {
        return Proof { cases: 0, worst: 0.0, failure: None };
    }
    Proof::of(CASES, &runs(), |run| {
        prop_assert_eq!(bits(rule, &run)?, bits(rule, &run.whole())?);
        Ok(0.0)
    })
}

/// An optimiser that is restored from a checkpoint goes on with the same bits.
pub fn a_checkpoint_holds_everything<R: Rule + Clone>(rule: &R) -> Proof {
    Proof::of(CASES, &(runs(), any::<prop::sample::Index>()), |(run, at)| {
        let mut theta = Reference::new(run.parts(&run.theta))?;
        let mut optimiser = Configuration::new(rule.clone(), LEARNING_RATE).build(&theta)?;
        let saved = at.index(run.gradients.len());
        for step in 0..saved {
            let _refused = step_losses(&mut optimiser, &mut theta, &run, step);
        }
        let mut restored = optimiser.checkpoint()?.restore(&theta)?;
        let mut other = theta.clone();
        for step in saved..run.gradients.len() {
            let one = step_losses(&mut optimiser, &mut theta, &run, step).is_ok();
            prop_assert_eq!(one, step_losses(&mut restored, &mut other, &run, step).is_ok());
            let [one, other] = [(&theta, &optimiser), (&other, &restored)]
                .map(|(theta, optimiser)| of_tensors(core::iter::once(theta).chain(optimiser.state())));
            prop_assert_eq!(one, other);
        }
        Ok(0.0)
    })
}

/// A gradient that is not finite is refused, and parameters and state are as they were.
pub fn a_refused_step_changes_nothing<R: Rule + Clone>(rule: &R) -> Proof {
    Proof::of(CASES, &(runs(), any::<prop::sample::Index>()), |(run, at)| {
        let mut theta = Reference::new(run.parts(&run.theta))?;
        let mut optimiser = Configuration::new(rule.clone(), LEARNING_RATE).build(&theta)?;
        let _refused = step_losses(&mut optimiser, &mut theta, &run, 0);
        let before = of_tensors(core::iter::once(&theta).chain(optimiser.state()));
        let mut broken = run.first(1);
        let place = at.index(broken.gradients[0].len());
        for value in [f64::NAN, f64::INFINITY] {
            broken.gradients[0][place] = value;
            prop_assert!(step_losses(&mut optimiser, &mut theta, &broken, 0).is_err());
            prop_assert_eq!(&of_tensors(core::iter::once(&theta).chain(optimiser.state())), &before);
        }
        Ok(0.0)
    })
}

/// The memory after a step does not depend on the rates, which differ between groups that share it.
pub fn rates_do_not_enter_the_memory<R: Rule>(rule: &R) -> Proof {
    let coordinates = prop::collection::vec((components(-3..4), components(-3..4)), 1..6);
    Proof::of(CASES, &(coordinates, 0.5..5.0_f64, 0.0..2.0_f64, 0.0..2.0_f64), |(coordinates, loss, eta, lambda)| {
        let memory = rule.begin::<f64>();
        let corrections = rule.correct(memory);
        let mut sums = <R::Sums<f64> as Bundle<f64>>::zero();
        for (parameter, gradient) in coordinates {
            let state = <R::State<f64> as Bundle<f64>>::zero();
            let gradient = Bundle::<f64>::build(&mut || gradient);
            sums = sums.plus(rule.measure(corrections, Coordinate { parameter, state, gradient }));
        }
        let xi: R::PerLoss<f64> = rule.xi().unwrap_or_else(Bundle::<f64>::zero);
        let after = |learning_rate, weight_decay| {
            let inputs = Inputs { loss: Bundle::<f64>::build(&mut || loss), learning_rate, weight_decay, xi };
            let outcome = rule.damp(inputs, memory, Totals { pool: sums, group: sums });
            outcome.memory.scalars().map(f64::to_bits).collect::<Vec<_>>()
        };
        prop_assert_eq!(after(eta, lambda), after(0.5, 0.0));
        Ok(0.0)
    })
}

/// The state ends at zero, or at a number of full precision, when gradients are zero for ever: it does not stay where processors are slow.
pub fn what_decays_ends_at_zero<R: Rule>(rule: &R) -> Proof {
    Proof::of(4, &prop_oneof![1e-30..1e-3_f64, 1e-3..1e3_f64], |first| {
        let corrections = rule.correct(Bundle::<f32>::zero());
        let pass = Pass { corrections, multipliers: Bundle::<f32>::zero() };
        let mut at = Coordinate {
            parameter: 0.0_f32,
            state: <R::State<f32> as Bundle<f32>>::zero(),
            gradient: Bundle::<f32>::build(&mut || f32::narrow(first)),
        };
        for _ in 0..120_000 {
            let next = ambient_metric::Kernel::evaluate(&Advance(rule.clone()), pass, at);
            at = Coordinate { parameter: 0.0, state: next.state, gradient: <R::PerLoss<f32> as Bundle<f32>>::zero() };
        }
        for slot in at.state.scalars() {
            prop_assert!(slot == 0.0 || slot.is_normal(), "a slot of the state stays at {:e}", slot);
        }
        Ok(0.0)
    })
}

/// Whether a descent takes the same steps in fused passes and on whole tensors, bit for bit.
pub(crate) fn whole_tensors_step_alike<P, Q, const K: usize>(
    preconditioner: &P,
    momentum: &Q,
    run: &Trajectory,
) -> TestCaseResult
where
    P: Preconditioner<K> + Clone,
    Q: Momentum + Clone,
{
    let rule = Descent::new(RmsProp { beta: 0.75, epsilon: 0.5 }, preconditioner.clone(), momentum.clone());
    let mut theta = Reference::new(run.parts(&run.theta))?;
    let mut other = theta.clone();
    let configuration = Configuration::new(rule, LEARNING_RATE).weight_decay(0.25);
    let (mut fused, mut whole) = (configuration.clone().build(&theta)?, configuration.build_whole(&theta)?);
    for step in 0..run.gradients.len() {
        let (gradients, losses) = of_losses(run, step, K)?;
        let gradients: Vec<&Covector<Space>> = gradients.iter().collect();
        let one = fused.step_losses(&mut theta, &gradients, &losses);
        let two = whole.step_losses(&mut other, &gradients, &losses);
        prop_assert_eq!(one.is_ok(), two.is_ok(), "{:?} beside {:?}", one, two);
        prop_assert_eq!(of_tensors(core::iter::once(&theta)), of_tensors(core::iter::once(&other)));
    }
    Ok(())
}

/// A momentum as a rule: SGD with it.
pub(crate) fn with_momentum<Q: Momentum>(momentum: Q) -> Descent<ambient_metric::Euclidean, Flat, Q> {
    Descent::new(ambient_metric::Euclidean, Flat, momentum)
}
