//! One rule, many scalars: the acts of every metric × embedding × placement × momentum give the same numbers in `f64`, as the values of
//! dual numbers, by walking the traced graph, and, where there are no roots, in exact fractions.

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, AlongParameters, Coupling, Exponential, Given, OfLosses, Power, Product, Reciprocal,
    Sqrt,
};
use ambient_metric::base::{Drive, LearnedDiagonal, LearnedScalar, PointwiseMetric};
use ambient_metric::number::{Dual, Element};
use ambient_metric::rule::{Advance, Bilinear, Clipped, Coordinate, Hard, Induction, Measure, Pass, Root, Soft};
use ambient_metric::space::{HeavyBall, Inputs, Totals};
use ambient_metric::{
    Adagrad, AmbientMetric, Bundle, Conformal, Correlated, Descent, DiagonalMetric, Ema, Embedding, Euclidean, Height,
    Hyperbolic, Identity, Induced, Kernel, Log, Log1p, Nesterov, NoMomentum, Preconditioner, Real, RmsProp, Rule,
    Warped, Weighted,
};
use ambient_metric_conformance::Exact;
use ambient_metric_conformance::functions::{Function, NAMES};
use ambient_metric_tests::{Asinh, Quadratic, cases};
use ambient_metric_trace::Recording;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// What one coordinate sees: gradients and losses of a few steps.
#[derive(Clone, Debug)]
struct Run {
    theta: f64,
    gradients: Vec<f64>,
    losses: Vec<f64>,
}

/// η, λ and ξ; the last is a square.
const RATES: [f64; 3] = [0.125, 0.5, 0.25];

/// A number for every loss: the first is as given, each further one larger by it.
fn per_loss<S: Real, B: Bundle<S>>(number: f64) -> B {
    let mut count = 0.0;
    B::build(&mut || {
        count += 1.0;
        S::constant(count * number)
    })
}

/// Every number that the three acts give in a run of one coordinate.
fn acts<S: Real, R: Rule>(rule: &R, run: &Run) -> Vec<S> {
    let [learning_rate, weight_decay, xi] = RATES;
    let (learning_rate, weight_decay) = (S::constant(learning_rate), S::constant(weight_decay));
    let (mut parameter, mut state) = (S::constant(run.theta), <R::State<S> as Bundle<S>>::zero());
    let mut memory = rule.begin::<S>();
    let mut numbers = Vec::new();
    for (&gradient, &loss) in run.gradients.iter().zip(&run.losses) {
        let at = Coordinate { parameter, state, gradient: per_loss::<S, R::PerLoss<S>>(gradient) };
        let corrections = rule.correct(memory);
        let measured = Measure(rule.clone()).evaluate(corrections, at);
        let inputs = Inputs { loss: per_loss(loss), learning_rate, weight_decay, xi: per_loss(xi) };
        let outcome = rule.damp(inputs, memory, Totals { pool: measured.rule, group: measured.rule });
        let advanced = Advance(rule.clone()).evaluate(Pass { corrections, multipliers: outcome.factors }, at);
        numbers.extend(measured.scalars());
        numbers.extend(corrections.scalars().chain(outcome.factors.scalars()));
        numbers.extend(outcome.memory.scalars().chain(outcome.report.scalars()));
        numbers.extend(advanced.scalars());
        (parameter, state, memory) = (advanced.parameter, advanced.state, outcome.memory);
    }
    numbers
}

/// The same numbers from recordings of the acts.
fn traced<R: Rule>(rule: &R, run: &Run) -> Vec<f64> {
    let (measure, damp, advance) =
        (Recording::measure(rule), Recording::damp(rule), Recording::update(&Advance(rule.clone())));
    let state = <R::State<f64> as Bundle<f64>>::LEN;
    let mut coordinate = vec![0.0; state + 1];
    coordinate[0] = run.theta;
    let mut memory: Vec<f64> = rule.begin::<f64>().scalars().collect();
    let passed = <R::Corrections<f64> as Bundle<f64>>::LEN + <R::Multipliers<f64> as Bundle<f64>>::LEN;
    let mut numbers = Vec::new();
    for (&gradient, &loss) in run.gradients.iter().zip(&run.losses) {
        let numbers_of = |number: f64| per_loss::<f64, R::PerLoss<f64>>(number).scalars().collect::<Vec<_>>();
        let at = [&coordinate[..], &numbers_of(gradient)].concat();
        let measured = measure.evaluate(&memory, &at);
        // Σ l² is the optimiser's own; the rule's sums come after it.
        let [learning_rate, weight_decay, xi] = RATES;
        let rates = [&numbers_of(loss)[..], &[learning_rate, weight_decay], &numbers_of(xi)].concat();
        let inputs = [&rates[..], &memory, &measured[1..], &measured[1..]].concat();
        let damped = damp.evaluate(&inputs, &[]);
        let advanced = advance.evaluate(&damped[..passed], &at);
        memory = damped[passed..passed + memory.len()].to_vec();
        numbers.extend(measured.iter().chain(&damped).chain(&advanced));
        coordinate = advanced;
    }
    numbers
}

fn identical(what: &str, found: &[f64], expected: &[f64]) -> TestCaseResult {
    prop_assert!(found.len() == expected.len(), "{}: {} numbers beside {}", what, found.len(), expected.len());
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        prop_assert!(a.to_bits() == b.to_bits(), "{}: number {} is {} and not {}", what, index, a, b);
    }
    Ok(())
}

/// How far `f64` may be from the exact numbers: a number of t steps is made by at most 20t + 60 operations, and the terms of the full
/// inverse and of the step onto θ may cancel, so relative to the largest number of the run. The weights of several losses solve a system
/// whose condition number is at most 1 + Σ ξf′²⟨l, l⟩, which is at most the determinant, one of the numbers: so many times as much.
fn near(found: &[f64], exact: &[Exact], losses: usize) -> TestCaseResult {
    let largest = found.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    let largest = if losses > 1 { largest * largest } else { largest };
    for (index, (found, exact)) in found.iter().zip(exact).enumerate() {
        prop_assert!(exact.is_defined(), "number {} has no exact value", index);
        let difference = (found - exact.to_f64()).abs();
        prop_assert!(difference <= 200.0 * f64::EPSILON * largest, "number {}: {} beside {:?}", index, found, exact);
    }
    Ok(())
}

fn same_numbers<R: Rule>(rule: &R, run: &Run, rational: bool) -> TestCaseResult {
    let plain = acts::<f64, R>(rule, run);
    let duals: Vec<f64> = acts::<Dual<f64>, R>(rule, run).iter().map(|dual| dual.value).collect();
    identical("duals", &duals, &plain)?;
    identical("trace", &traced(rule, run), &plain)?;
    let losses = <R::PerLoss<f64> as Bundle<f64>>::LEN;
    if rational { Exact::scope(|| near(&plain, &acts::<Exact, R>(rule, run), losses)) } else { Ok(()) }
}

fn every_momentum<M: PointwiseMetric + Clone, P: Preconditioner + Clone>(
    metric: &M,
    preconditioner: &P,
    run: &Run,
    rational: bool,
) -> TestCaseResult {
    let (metric, preconditioner) = (|| metric.clone(), || preconditioner.clone());
    same_numbers(&Descent::new(metric(), preconditioner(), NoMomentum), run, rational)?;
    same_numbers(&Descent::new(metric(), preconditioner(), Ema(0.75)), run, rational)?;
    same_numbers(&Descent::new(metric(), preconditioner(), HeavyBall(0.75)), run, rational)?;
    same_numbers(&Descent::new(metric(), preconditioner(), Nesterov(0.75)), run, rational)
}

fn every_placement<M: DiagonalMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    run: &Run,
    rational: bool,
) -> TestCaseResult {
    let induced = Induced::new(embedding.clone(), RATES[2]).beta(0.5);
    every_momentum(metric, &induced, run, rational)?;
    every_momentum(metric, &induced.exact(), run, rational)
}

/// Couplings small enough for these runs to stay metrics, so that D does not come near zero.
fn every_coupling<M: DiagonalMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    run: &Run,
    rational: bool,
) -> TestCaseResult {
    fn one<M: DiagonalMetric + Clone, E: Embedding + Clone, C: Coupling + Clone>(
        (metric, embedding, run, rational): (&M, &E, &Run, bool),
        coupling: C,
    ) -> TestCaseResult {
        let coupled = Induced::new(embedding.clone(), RATES[2]).coupled(coupling).beta(0.5);
        every_momentum(metric, &coupled, run, rational)?;
        every_momentum(metric, &coupled.clone().exact(), run, rational)?;
        every_momentum(metric, &coupled.scale_back(0.25), run, false)
    }
    let subject = (metric, embedding, run, rational);
    one(subject, AlongGradient(0.0))?;
    one(subject, AlongGradient(0.0625))?;
    one(subject, AlongMomentum(0.0625))?;
    one(subject, AlongParameters(0.0625))?;
    one(subject, Given)?;
    let form = Bilinear::new(embedding.clone(), RATES[2], AlongGradient(0.0625), AlongParameters(0.0625)).beta(0.5);
    every_momentum(metric, &form, run, rational)
}

/// One to four losses.
fn every_number_of_losses<M: PointwiseMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    run: &Run,
    rational: bool,
) -> TestCaseResult {
    #[allow(clippy::needless_pass_by_value, reason = "a rule owns its heights")]
    fn with<M: PointwiseMetric + Clone, E: Embedding + Clone, const K: usize>(
        metric: &M,
        heights: [Height<E>; K],
        (run, rational): (&Run, bool),
    ) -> TestCaseResult {
        let induced = || Induced::of(heights.clone());
        same_numbers(&Descent::new(metric.clone(), induced(), NoMomentum), run, rational)?;
        same_numbers(&Descent::new(metric.clone(), induced().beta(0.5), Ema(0.75)), run, rational)?;
        same_numbers(&Descent::new(metric.clone(), induced().beta(0.5).exact(), Ema(0.75)), run, false)?;
        let coupled = induced().beta(0.5).coupled(AlongMomentum(0.0625)).scale_back(0.25);
        same_numbers(&Descent::new(metric.clone(), coupled, Ema(0.75)), run, false)
    }
    let height = || Height { embedding: embedding.clone(), xi: RATES[2] };
    let how = (run, rational);
    with(metric, [height()], how)?;
    with(metric, [height(), height()], how)?;
    with(metric, [height(), height(), height()], how)?;
    with(metric, [height(), height(), height(), height()], how)
}

/// Every function, from direct evaluation and by walking the graph, in numbers of one type.
fn functions_have_the_same_bits<E: Element>(c: f64, x: f64, y: f64) -> TestCaseResult {
    let [c, x, y] = [c, x, y].map(E::constant);
    for (place, name) in NAMES.into_iter().enumerate() {
        let function = Function(place);
        let walked: Vec<f64> =
            Recording::kernel(&function).evaluate(&[c], &[x, y]).into_iter().map(Element::to_f64).collect();
        identical(name, &walked, &[function.evaluate(c, [x, y]).to_f64()])?;
        let dual = function.evaluate(Dual::fixed(c), [Dual::variable(x), Dual::fixed(y)]);
        // A choice by a comparison is the one just beyond the point, which at a tie may be another number.
        if !matches!(name, "less" | "equal" | "and" | "or" | "not") {
            identical(name, &[dual.value.to_f64()], &walked)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn every_function_has_the_same_bits_as_a_graph_and_as_a_dual(
        c in prop_oneof![Just(1.0), 0.0..2.0_f64],
        x in prop_oneof![Just(0.0), Just(1.0), -30.0..30.0_f64],
        y in prop_oneof![Just(1.0), 0.1..3.0_f64],
    ) {
        functions_have_the_same_bits::<f64>(c, x, y)?;
        functions_have_the_same_bits::<f32>(c, x, y)?;
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn coupling_over_every_metric(run in runs()) {
        every_coupling(&Euclidean, &Identity, &run, true)?;
        every_coupling(&Euclidean, &Log, &run, true)?;
        every_coupling(&RmsProp { beta: 0.75, epsilon: 0.5 }, &Identity, &run, false)?;
        every_coupling(&Adagrad { epsilon: 0.25 }, &Power(2.0), &run, false)?;
        every_coupling(&Quadratic, &Identity, &run, true)?;
    }

    /// Losses are positive and so are heights, as every space here wants them.
    #[test]
    fn every_ambient_space(run in runs()) {
        fn space<A: AmbientMetric + Clone>(ambient: A, run: &Run, rational: bool) -> TestCaseResult {
            let induced = Induced::new(Identity, RATES[2]).beta(0.5).ambient(ambient);
            every_momentum(&Quadratic, &induced, run, rational)?;
            every_momentum(&Quadratic, &induced.exact(), run, rational)
        }
        space(Product, &run, true)?;
        space(OfLosses(Product), &run, true)?;
        space(Weighted(Reciprocal(0.5)), &run, true)?;
        space(Weighted(Exponential(-0.25)), &run, false)?;
        space(Warped(Reciprocal(0.25)), &run, true)?;
        space(Conformal(Reciprocal(0.5)), &run, true)?;
        space(Conformal(Exponential(0.25)), &run, false)?;
        space(OfLosses(Hyperbolic), &run, true)?;
    }

    #[test]
    fn losses_at_an_angle(run in runs(), quarters in -1..4_i32) {
        let rho = f64::from(quarters) / 4.0;
        let heights = [Height { embedding: Log1p, xi: RATES[2] }; 3];
        let induced = Induced::of(heights).beta(0.5).ambient(Correlated { rho });
        same_numbers(&Descent::new(Euclidean, induced, Ema(0.75)), &run, false)?;
        same_numbers(&Descent::new(Euclidean, induced.exact(), Ema(0.75)), &run, false)?;
    }

    #[test]
    fn several_losses_over_every_metric(run in runs()) {
        every_number_of_losses(&Euclidean, &Identity, &run, true)?;
        every_number_of_losses(&Euclidean, &Log, &run, true)?;
        every_number_of_losses(&RmsProp { beta: 0.75, epsilon: 0.5 }, &Log1p, &run, false)?;
        every_number_of_losses(&Quadratic, &Power(2.0), &run, true)?;
        every_number_of_losses(&LearnedScalar { kappa: 0.25, ..LearnedScalar::default() }, &Identity, &run, false)?;
    }

    #[test]
    fn learned_metrics(run in runs()) {
        for drive in [Drive::Metric, Drive::Flat] {
            let scalar = LearnedScalar { kappa: 0.25, drive, ..LearnedScalar::default() };
            let diagonal = LearnedDiagonal { kappa: 0.25, drive, ..LearnedDiagonal::default() };
            every_momentum(&scalar, &Induced::new(Log, RATES[2]).beta(0.5), &run, false)?;
            every_momentum(&diagonal, &Induced::new(Identity, RATES[2]).beta(0.5), &run, false)?;
        }
    }

    #[test]
    fn clipping(run in runs()) {
        every_momentum(&Euclidean, &Clipped::new(Hard { length: 2.0 }).beta(0.5), &run, false)?;
        every_momentum(&RmsProp::default(), &Clipped::new(Soft { rate: 0.5 }), &run, false)?;
        every_momentum(&Euclidean, &Clipped::new(Root { xi: 0.25 }).floor(0.25), &run, false)?;
        every_momentum(&Euclidean, &Clipped::new(Induction { xi: 0.25 }), &run, true)?;
    }
}

/// Numbers with few digits, so that fractions of a few steps stay short; none is zero, whose sign a graph need not keep.
fn runs() -> impl Strategy<Value = Run> {
    let number = || (1..60_i32, any::<bool>()).prop_map(|(x, up)| f64::from(if up { x } else { -x }) / 8.0);
    let step = (number(), 1..40_i32).prop_map(|(gradient, loss)| (gradient, f64::from(loss) / 4.0));
    (number(), prop::collection::vec(step, 1..4)).prop_map(|(theta, steps)| {
        let (gradients, losses) = steps.into_iter().unzip();
        Run { theta, gradients, losses }
    })
}

/// One test per metric and embedding; `true` where neither has a root.
macro_rules! the_same_numbers {
    ($($metric_name:ident: $metric:expr, $metric_is_rational:expr);+ $(;)?) => {
        $(
            mod $metric_name {
                use super::*;
                proptest! {
                    #![proptest_config(cases(24))]
                    #[test]
                    fn identity(run in runs()) { every_placement(&$metric, &Identity, &run, $metric_is_rational)?; }
                    #[test]
                    fn power_two(run in runs()) { every_placement(&$metric, &Power(2.0), &run, $metric_is_rational)?; }
                    #[test]
                    fn log(run in runs()) { every_placement(&$metric, &Log, &run, $metric_is_rational)?; }
                    #[test]
                    fn log1p(run in runs()) { every_placement(&$metric, &Log1p, &run, $metric_is_rational)?; }
                    #[test]
                    fn sqrt(run in runs()) { every_placement(&$metric, &Sqrt, &run, false)?; }
                    #[test]
                    fn asinh_of_a_user(run in runs()) { every_placement(&$metric, &Asinh, &run, false)?; }
                }
            }
        )+
    };
}

the_same_numbers!(
    euclidean: Euclidean, true;
    rmsprop: RmsProp { beta: 0.75, epsilon: 0.5 }, false;
    adagrad: Adagrad { epsilon: 0.25 }, false;
    quadratic_of_a_user: Quadratic, true;
);
