//! The properties of a diagonal metric by itself. [`conformance_metric!`](crate::conformance_metric) makes a test of each.

use ambient_metric::ambient::Sqrt;
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, DiagonalMetric, Ema, Flat, Identity, Induced, Log, Momentum,
    Nesterov, NoMomentum, Preconditioner, Vector,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::chosen::ChosenMetric;
use crate::exact::Exact;
use crate::geometry;
use crate::observing::see;
use crate::proof::Proof;
use crate::reference::Reference;
use crate::runs;
use crate::strategies::{Trajectory, components, decays, positive_fractions, surfaces, trajectories};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 48;

/// A descent over a metric, with weight decay.
fn over<M: DiagonalMetric, P: Preconditioner, Q: Momentum>(
    metric: &M,
    preconditioner: P,
    momentum: Q,
    learning_rate: f64,
) -> Configuration<Descent<M, P, Q>> {
    let rule = Descent::new(metric.clone(), preconditioner, momentum);
    Configuration::new(rule, learning_rate).weight_decay(0.25)
}

/// The metric's own constants are accepted.
pub fn the_constants_are_valid<M: DiagonalMetric>(metric: &M) -> Proof {
    Proof::of(1, &Just(()), |()| {
        DiagonalMetric::validate(metric)?;
        Ok(0.0)
    })
}

/// `observe` and `inverse`, which are called for every element, are inlined into the acts of a rule.
pub fn the_acts_are_inlined<M: DiagonalMetric>(metric: &M) -> Proof {
    crate::inlining::the_acts_are_inlined(&over(metric, Induced::new(Identity, 0.5), NoMomentum, 0.125).rule)
}

/// γ⁻¹ is finite and above zero after any gradients of sizes from 10⁻¹⁵ to 10¹⁵.
pub fn the_inverse_is_positive<M: DiagonalMetric>(metric: &M) -> Proof {
    let gradients = prop::collection::vec(prop::collection::vec(components(-15..16), 4), 1..8);
    Proof::of(CASES, &gradients, |gradients| {
        let space = Reference::vector(vec![0.0; 4]);
        let mut state = BaseMetric::begin(metric, &space)?;
        for gradient in gradients {
            see(metric, &mut state, &Covector(Reference::vector(gradient)))?;
            let raised = BaseMetric::raise(metric, &state, &Covector(Reference::vector(vec![1.0_f64; 4])))?;
            prop_assert!(raised.0.elements().all(|x| x.is_finite() && x > 0.0), "γ⁻¹ is {:?}", raised);
        }
        Ok(0.0)
    })
}

/// γ⁻¹γv = v in `f64` after several gradients: a quotient and a product, off by two roundings, four with terms of second order.
pub fn p1_raising_undoes_lowering<M: DiagonalMetric>(metric: &M) -> Proof {
    let gradients = prop::collection::vec(prop::collection::vec(components(-6..7), 5), 1..8);
    Proof::of(CASES, &(gradients, prop::collection::vec(0.1..10.0_f64, 5)), |(gradients, vector)| {
        let vector = Vector(Reference::vector(vector));
        let mut state = BaseMetric::begin(metric, &vector.0)?;
        for gradient in gradients {
            see(metric, &mut state, &Covector(Reference::vector(gradient)))?;
        }
        let back = BaseMetric::raise(metric, &state, &BaseMetric::lower(metric, &state, &vector)?)?;
        let ratio = |(found, expected): (f64, f64)| (found - expected).abs() / (2.0 * f64::EPSILON * expected);
        let worst = back.0.elements().zip(vector.0.elements()).map(ratio).fold(0.0, f64::max);
        prop_assert!(worst <= 1.0, "{:?} beside {:?}", back, vector);
        Ok(worst)
    })
}

/// At ξ = 0 with the identity embedding every bit is that of the metric's own optimiser.
pub fn p6_at_xi_zero_every_bit_is_that_of_the_base_optimiser<M: DiagonalMetric>(metric: &M) -> Proof {
    fn check<M: DiagonalMetric, Q: Momentum + Clone>(
        metric: &M,
        beta: f64,
        momentum: Q,
        run: &Trajectory,
    ) -> TestCaseResult {
        let base = over(metric, Flat, momentum.clone(), 0.1);
        let induced = Induced::new(Identity, 0.0).beta(beta);
        let make = &Reference::<f64>::new;
        runs::two_rules_are_one(&over(metric, induced, momentum.clone(), 0.1), &base, run, make)?;
        runs::two_rules_are_one(&over(metric, induced.exact(), momentum, 0.1), &base, run, make)
    }
    let cases = (trajectories(30, 5, -10.0..10.0, -15..16), decays(), decays());
    Proof::of(CASES, &cases, |(run, momentum, beta)| {
        check(metric, beta, Ema(momentum), &run)?;
        check(metric, beta, Nesterov(momentum), &run)?;
        check(metric, beta, HeavyBall(momentum), &run)?;
        Ok(0.0)
    })
}

/// Scaling the loss and its gradient together leaves the step over this metric unchanged with f = ln: exactly.
pub fn p11_scaling_the_loss_leaves_the_step_of_log_unchanged<M: DiagonalMetric>(metric: &M) -> Proof {
    Proof::of(CASES, &(surfaces(positive_fractions()), positive_fractions()), |(case, scale)| {
        geometry::scaling_the_loss_changes_nothing(&ChosenMetric::new(metric, &case.seen)?, &Log, &case, scale)?;
        Ok(0.0)
    })
}

/// Cutting the parameters into blocks changes nothing: bit for bit over several steps in `f64`, where sums run in the order of elements, and
/// exactly over one step where γ⁻¹ is a fraction.
pub fn p15_splitting_changes_nothing<M: DiagonalMetric>(metric: &M) -> Proof {
    let whole = |run: &Trajectory| {
        let round = |values: &Vec<f64>| values.iter().map(|value| value.round()).collect();
        let gradients = run.gradients.iter().map(round).collect();
        Trajectory {
            theta: round(&run.theta),
            gradients,
            losses: run.losses.iter().map(|loss| loss.round()).collect(),
            ..run.clone()
        }
    };
    Proof::of(CASES, &trajectories(40, 4, 1.0..10.0, -3..4), |run| {
        let log = Induced::new(Log, 0.5).beta(0.5);
        let sqrt = Induced::new(Sqrt, 0.5).beta(0.75);
        let damped = over(metric, log, Ema(0.75), 0.125);
        let full = over(metric, sqrt.exact(), Nesterov(0.5), 0.125);
        runs::splitting_changes_nothing(&damped, &run, &Reference::<f64>::new)?;
        runs::splitting_changes_nothing(&full, &run, &Reference::<f64>::new)?;
        let one = whole(&run).first(1);
        let numbers = one.gradients.iter().flatten().all(|&l| {
            let fraction = crate::strategies::Fraction { numerator: rounded(l), denominator: 1 };
            crate::chosen::is_exact_after(metric, &[fraction])
        });
        if numbers {
            let exact = over(metric, log.exact(), NoMomentum, 0.125);
            runs::splitting_changes_nothing(&exact, &one, &Reference::<Exact>::new)?;
        }
        Ok(0.0)
    })
}

/// A float that is a whole number, as one.
#[allow(clippy::cast_possible_truncation, reason = "the numbers are whole and below 10⁴")]
fn rounded(value: f64) -> i64 {
    value as i64
}
