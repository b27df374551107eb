//! The catalogue: every metric and momentum that other collections have, by the suites for those of users. Where it can be, chosen parts are their subjects, so that one
//! instantiation serves all of them; that they are the typed ones, bit for bit, is a test of its own.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::AlongMomentum;
use std::collections::BTreeMap;

use ambient_metric::any::{AnyMomentum, AnyPoint, AnyRule, OneSlot};
use ambient_metric::base::{AdaBelief, AdaHessian, AdaMax, AmsGrad, EmpiricalFisher, MaxNorm, Sign, Sophia, Yogi};
use ambient_metric::rule::{
    Averaged, Cautious, ClipNorm, ClipValue, DAdaptation, Evaluated, Lookahead, Mars, MoMo, Polyak, Prodigy,
    ScheduleFree, Transformed,
};
use ambient_metric::space::{Adan, Belief, LionMomentum};
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, Ema, Error, Flat, Height, Induced, Log, Metric, RmsProp, Rule, rules,
};
use ambient_metric_conformance::{conformance_metric, conformance_momentum, conformance_rule};
use ambient_metric_ndarray::Parameters;
use ambient_rules::Compiled;
use ndarray::{ArrayD, array};
use proptest::prelude::*;
use serde::Deserialize;

conformance_metric!(amsgrad, AmsGrad { beta: 0.75, epsilon: 0.5 });
conformance_metric!(adabelief, AdaBelief { beta: 0.75, epsilon: 0.5 });
conformance_metric!(adamax, AdaMax { beta: 0.75, epsilon: 0.5 });
conformance_metric!(yogi, Yogi { beta: 0.75, epsilon: 0.5 });

conformance_metric!(ada_hessian, AdaHessian { beta: 0.75, power: 1.0, epsilon: 0.5 });
conformance_metric!(empirical_fisher, EmpiricalFisher { beta: 0.75, damping: 0.5 });

conformance_momentum!(lion, OneSlot::new(AnyMomentum::Lion(LionMomentum { beta1: 0.75, beta2: 0.9 })).unwrap());
// Equal decays, whose powers are fractions.
conformance_momentum!(adan, Adan { beta1: 0.75, beta2: 0.75 });
conformance_momentum!(belief, OneSlot::new(AnyMomentum::Belief(Belief(0.75))).unwrap());

// The dual of a norm is no metric: what the suites ask of γ does not hold, what they ask of every rule does.
conformance_rule!(lion_rule, Descent::new(Sign, Induced::new(Log, 0.5).beta(0.5), LionMomentum::default()));
conformance_rule!(max_norm, Descent::new(MaxNorm, Induced::new(Log, 0.5).beta(0.5), Ema(0.9)));
conformance_rule!(sophia, Descent::new(Sophia::default(), Induced::new(Log, 0.5).beta(0.5), Ema(0.9)));
conformance_rule!(fisher_averaged, {
    let rule = Descent::new(EmpiricalFisher::default(), Induced::new(Log, 0.5), Ema(0.9));
    Evaluated { rule, point: AnyPoint::Averaged(Averaged(0.9)) }
});
conformance_rule!(adan_rule, Descent::new(RmsProp::default(), Induced::new(Log, 0.5), Adan::default()));
conformance_rule!(momo, Descent::new(RmsProp::default(), MoMo::new(Induced::new(Log, 0.5), 0.9), Ema(0.9)));
conformance_rule!(prodigy, Prodigy::default().over(Induced::new(Log, 0.5)));
conformance_rule!(d_adaptation, DAdaptation::default().over(Induced::new(Log, 0.5)));
conformance_rule!(cautious, Descent::new(RmsProp::default(), Cautious(Induced::new(Log, 0.5)), Ema(0.9)));
conformance_rule!(
    lookahead,
    Evaluated { rule: rules::rmsprop(0.1), point: AnyPoint::Lookahead(Lookahead { every: 2, share: 0.5 }) }
);
conformance_rule!(
    schedule_free,
    Evaluated { rule: rules::rmsprop(0.1).momentum(0.0), point: AnyPoint::ScheduleFree(ScheduleFree(0.9)) }
);
conformance_rule!(averaged, Evaluated { rule: rules::rmsprop(0.1), point: AnyPoint::Averaged(Averaged(0.9)) });
conformance_rule!(clip_value, Transformed { transform: ClipValue { limit: 0.5 }, rule: rules::rmsprop(0.1) });
conformance_rule!(clip_norm, Transformed { transform: ClipNorm { length: 0.5 }, rule: rules::rmsprop(0.1) });
conformance_rule!(
    mars,
    Transformed {
        transform: Mars::default(),
        rule: Descent::new(AmsGrad::default(), Induced::new(Log, 0.5), Ema(0.9))
    }
);
conformance_rule!(amsgrad_exact, Descent::new(AmsGrad::default(), Induced::new(Log, 0.5).exact(), Ema(0.9)));

/// Steps of the reference implementations, recorded by the scripts beside the files.
const GOLDEN: [&str; 4] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ambient_replay/reference/catalogue.json"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ambient_replay/reference/catalogue_more.json"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ambient_replay/reference/catalogue_gradients.json"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ambient_replay/reference/catalogue_matrices.json"),
];

/// Recorded rules that this library has not, or has otherwise: their averages begin with the first value.
const OTHERS: [&str; 4] = ["momo(beta=0.9, bias_correction=False)", "adafactor(", "soap(", "mars(beta1"];

#[derive(Deserialize)]
struct Golden {
    learning_rate: f64,
    #[serde(flatten)]
    inputs: Inputs,
    /// Where rules see the loss.
    losses: Option<Vec<f64>>,
    /// An estimate of the diagonal of the Hessian for every step, for rules that observe one.
    curvatures: Option<Vec<BTreeMap<String, Vec<f64>>>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Inputs {
    shapes: BTreeMap<String, Vec<usize>>,
    start: BTreeMap<String, Vec<f64>>,
    gradients: Vec<BTreeMap<String, Vec<f64>>>,
}

#[derive(Deserialize)]
struct Case {
    rule: String,
    reference: String,
    weight_decay: f64,
    /// Where it has one of its own.
    learning_rate: Option<f64>,
    /// Where it is one of other tensors.
    #[serde(flatten)]
    own: Option<Inputs>,
    parameters: Vec<BTreeMap<String, Vec<f64>>>,
    /// Of a rule whose evaluation point is another.
    evaluated: Option<Vec<BTreeMap<String, Vec<f64>>>>,
}

/// The rule of a recorded text, and after how many steps it observes the curvature again. The reference of Sophia has its one constant κ outside of the clip.
fn of_text(text: &str) -> (AnyRule, Option<usize>) {
    if let Some((constants, every)) = text.trim_end_matches(')').split_once(", every=")
        && text.starts_with("sophia(")
    {
        return (format!("{constants}, gamma=1)").parse().unwrap(), Some(every.parse().unwrap()));
    }
    (text.parse().unwrap(), text.starts_with("ada_hessian(").then_some(1))
}

/// max |θ − ref| / |ref| over the steps of a case.
fn error<E: Compiled>(golden: &Golden, case: &Case) -> f64 {
    let Inputs { shapes, start, gradients } = case.own.as_ref().unwrap_or(&golden.inputs);
    let tensor = |values: &BTreeMap<String, Vec<f64>>| {
        Parameters::new(values.iter().map(|(name, values)| {
            let values: Vec<E> = values.iter().map(|&value| E::constant(value)).collect();
            (name.clone(), ArrayD::from_shape_vec(shapes[name].clone(), values).unwrap())
        }))
        .unwrap()
    };
    let (rule, every) = of_text(&case.rule);
    let mut theta = tensor(start);
    let rate = case.learning_rate.unwrap_or(golden.learning_rate);
    let configuration = Configuration::new(rule, rate).weight_decay(case.weight_decay);
    let mut optimiser = E::build(configuration, &theta).unwrap();
    let mut largest = 0.0_f64;
    let mut compare = |found: &Parameters<E>, expected: &BTreeMap<String, Vec<f64>>| {
        let pairs = found.iter().zip(expected.values().flatten());
        largest = pairs.map(|(x, y)| (x.to_f64() - y).abs() / y.abs()).fold(largest, f64::max);
    };
    for (step, gradient) in gradients.iter().enumerate() {
        if let (Some(every), Some(curvatures)) = (every, &golden.curvatures)
            && step % every == 0
        {
            optimiser.observe(&[&Covector(tensor(&curvatures[step]))]).unwrap();
        }
        let loss = golden.losses.as_ref().map_or(1.0, |losses| losses[step]);
        optimiser.step(&mut theta, &Covector(tensor(gradient)), loss).unwrap();
        compare(&theta, &case.parameters[step]);
        let point = case.evaluated.as_ref().unwrap_or(&case.parameters);
        compare(&optimiser.evaluation_point(&theta).unwrap(), &point[step]);
    }
    largest
}

/// All are without a surface: ours at ξ = 0.
#[test]
fn twenty_steps_are_those_of_the_reference_implementations() {
    let read = |path| serde_json::from_str::<Golden>(&std::fs::read_to_string(path).unwrap()).unwrap();
    let files = GOLDEN.map(read);
    assert!(files.iter().all(|golden| golden.inputs.gradients.len() == 20));
    assert!(files.iter().zip([29, 44, 13, 5]).all(|(golden, count)| golden.cases.len() >= count));
    for (golden, case) in files.iter().flat_map(|golden| golden.cases.iter().map(move |case| (golden, case))) {
        assert_eq!(case.parameters.len(), 20);
        // Of these the sums of the reference have the learning rate in them.
        if case.rule.starts_with("d_adapt_adam(") && case.learning_rate != Some(1.0) {
            continue;
        }
        if OTHERS.iter().any(|other| case.rule.starts_with(other)) {
            assert!(case.rule.parse::<AnyRule>().is_err(), "{} is there now: compare it", case.rule);
            continue;
        }
        let (single, double) = (error::<f32>(golden, case), error::<f64>(golden, case));
        println!("{}, {}: {single:.1e} in f32, {double:.1e} in f64", case.rule, case.reference);
        assert!(double <= 1e-12, "{}, {}: {double:e}", case.rule, case.reference);
        assert!(single <= 1e-4 && single > double, "{}, {}: {single:e}", case.rule, case.reference);
    }
}

proptest! {
    #![proptest_config(ambient_metric_tests::cases(64))]

    /// Over the sign s is ‖l‖₁, and the step is that of every coordinate's sign, damped by the surface: r = f′/(1 + ξf′²s).
    #[test]
    fn the_sign_is_damped_by_the_sum_of_magnitudes(
        l in prop::collection::vec(prop_oneof![-4.0..-0.01_f64, 0.01..4.0_f64], 1..8),
        loss in 0.1..4.0_f64,
        xi in 0.0..1.0_f64,
    ) {
        let theta = Parameters::from(ndarray::Array1::from(vec![0.0; l.len()]));
        let mut stepped = theta.clone();
        let gradient = Covector(Parameters::from(ndarray::Array1::from(l.clone())));
        let rule = Descent::new(Sign, Induced::new(Log, xi), Ema(0.9));
        let report = Configuration::new(rule, 0.5).build(&theta).unwrap().step(&mut stepped, &gradient, loss).unwrap();
        let (length, slope) = (l.iter().map(|x| x.abs()).sum::<f64>(), 1.0 / loss);
        let damping = slope / (1.0 + xi * slope * slope * length);
        // A sum of n rounds n times, the rest less than a dozen times.
        let near = |x: f64, y: f64| (x - y).abs() <= f64::EPSILON * (12.0 + l.len() as f64) * y.abs();
        prop_assert!(near(report.squared_length, xi * length) && near(report.damping, damping), "{:?}", report);
        for (theta, l) in stepped.as_slice().iter().zip(&l) {
            prop_assert!(near(*theta, -0.5 * damping * l.signum()));
        }

        // With its length the same direction is the steepest descent: s is ‖l‖₁², and the step ‖m̂‖₁ times as long. Here m̂ is l.
        let mut stepped = theta.clone();
        let rule = Descent::new(MaxNorm, Induced::new(Log, xi), Ema(0.9));
        let report = Configuration::new(rule, 0.5).build(&theta).unwrap().step(&mut stepped, &gradient, loss).unwrap();
        let damping = slope / (1.0 + xi * slope * slope * length * length);
        let near = |x: f64, y: f64| (x - y).abs() <= f64::EPSILON * (24.0 + 3.0 * l.len() as f64) * y.abs();
        prop_assert!(near(report.squared_length, xi * length * length) && near(report.damping, damping), "{:?}", report);
        for (theta, l) in stepped.as_slice().iter().zip(&l) {
            prop_assert!(near(*theta, -0.5 * damping * length * l.signum()));
        }
    }
}

proptest! {
    #![proptest_config(ambient_metric_tests::cases(32))]

    /// Points by their definitions, from what was trained: averages of it, slow weights, and for the schedule-free rule the average of z.
    #[test]
    fn evaluation_points_are_what_they_are_defined_as(
        gradients in prop::collection::vec(-2.0..2.0_f64, 1..12), decay in 0.0..0.95_f64, beta in 0.1..1.0_f64, eta in 0.1..1.0_f64,
    ) {
        let run = |point: AnyPoint| {
            let mut theta = Parameters::from(array![0.5]);
            let rule = Evaluated { rule: rules::sgd(0.5), point };
            let mut optimiser = Configuration::new(rule, eta).build(&theta).unwrap();
            assert_eq!(optimiser.evaluation_point(&theta).unwrap(), theta);
            let step = |l: &f64| {
                optimiser.step(&mut theta, &Covector(Parameters::from(array![*l])), 1.0).unwrap();
                [theta.as_slice()[0], optimiser.evaluation_point(&theta).unwrap().as_slice()[0]]
            };
            gradients.iter().map(step).collect::<Vec<[f64; 2]>>()
        };
        // A dozen steps of numbers below a dozen, each of which rounds a few times; β divides once.
        let near = |x: f64, y: f64, by: f64| (x - y).abs() <= 1e3 * f64::EPSILON * (1.0 + x.abs()) / by;
        let averaged = run(AnyPoint::Averaged(Averaged(decay)));
        let mut average = averaged[0][0];
        for [theta, point] in &averaged {
            average = decay * average + (1.0 - decay) * theta;
            prop_assert!(near(average, *point, 1.0), "{average} {point}");
        }
        let mut total = 0.0;
        for (count, [theta, point]) in run(AnyPoint::Polyak(Polyak)).into_iter().enumerate() {
            total += theta;
            prop_assert!(near(total / (count + 1) as f64, point, 1.0));
        }
        let (mut slow, mut fast, mut velocity) = (0.5, 0.5, 0.0);
        let lookahead = AnyPoint::Lookahead(Lookahead { every: 3, share: 0.25 });
        for (count, ([theta, point], l)) in run(lookahead).into_iter().zip(&gradients).enumerate() {
            velocity = l + 0.5 * velocity;
            fast -= eta * velocity;
            if (count + 1) % 3 == 0 {
                slow += 0.25 * (fast - slow);
                fast = slow;
            }
            prop_assert!(near(fast, theta, 1.0) && near(slow, point, 1.0));
        }
        let (mut z, mut x, mut velocity) = (0.5, 0.5, 0.0);
        for (count, ([theta, point], l)) in run(AnyPoint::ScheduleFree(ScheduleFree(beta))).into_iter().zip(&gradients).enumerate() {
            velocity = l + 0.5 * velocity;
            z -= eta * velocity;
            x += (z - x) / (count + 1) as f64;
            prop_assert!(near((1.0 - beta) * z + beta * x, theta, 1.0) && near(x, point, beta), "{x} {point}");
        }
    }
}

/// What a cautious step keeps goes down its gradient, n/(Σφ + 1) as far as it would; what would go up stays.
#[test]
fn a_cautious_step_never_goes_against_its_gradient() {
    let numbers =
        |shift: f64| ndarray::Array1::from_iter((0..1000).map(|index| (f64::from(index) * 0.37 + shift).sin()));
    let step = |cautious: bool| {
        let mut theta = Parameters::from(ndarray::Array1::zeros(1000));
        let rule: AnyRule = if cautious { "adamw + cautious" } else { "adamw" }.parse().unwrap();
        let mut optimiser = f64::build(Configuration::new(rule, 1.0), &theta).unwrap();
        optimiser.step(&mut theta, &Covector(Parameters::from(numbers(0.0))), 1.0).unwrap();
        let before = theta.as_slice().to_vec();
        optimiser.step(&mut theta, &Covector(Parameters::from(numbers(1.2))), 1.0).unwrap();
        theta.as_slice().iter().zip(before).map(|(after, before)| after - before).collect::<Vec<f64>>()
    };
    let (plain, cautious, gradient) = (step(false), step(true), numbers(1.2));
    let kept = plain.iter().zip(&gradient).filter(|(change, l)| **change * **l < 0.0).count();
    assert!((300..900).contains(&kept), "{kept}");
    // The first step, too, was one of all thousand: 1000/1001.
    for ((plain, cautious), l) in plain.iter().zip(&cautious).zip(&gradient) {
        let expected = if plain * l < 0.0 { plain * 1000.0 / (kept as f64 + 1.0) } else { 0.0 };
        assert!((cautious - expected).abs() <= 1e-12 * plain.abs().max(1.0), "{cautious} {expected}");
    }
    let (exact, whole) = ("induced(rmsprop, log, exact) + ema + cautious", "muon + cautious");
    for text in [
        exact,
        whole,
        "flat(rmsprop) + cautious",
        "bilinear(euclidean, log, along_gradient, along_gradient) + ema + cautious",
    ] {
        let theta = Parameters::from(array![[1.0_f64, 2.0]]);
        let refused = f64::build(Configuration::new(text.parse::<AnyRule>().unwrap(), 0.1), &theta);
        assert!(matches!(refused, Err(Error::NoEngine { .. })), "{text}");
    }
}

#[test]
fn a_rule_has_one_evaluation_point() {
    let twice = Evaluated { rule: Evaluated { rule: rules::sgd(0.9), point: Polyak }, point: Averaged(0.9) };
    assert!(matches!(twice.validate(), Err(Error::NoEngine { .. })));
    assert!(twice.rule.validate().is_ok());
}

#[test]
fn what_needs_a_metric_refuses_the_dual_of_a_norm() {
    let refused = |result: Result<(), Error>| matches!(result, Err(Error::NoMetric { metric }) if metric == "Sign");
    let ema = Ema(0.9);
    assert!(refused(Descent::new(Sign, Induced::new(Log, 0.1).exact(), ema).validate()));
    assert!(refused(Descent::new(Sign, Induced::new(Log, 0.1).coupled(AlongMomentum(0.1)), ema).validate()));
    let two = Induced::of([Height { embedding: Log, xi: 0.1 }; 2]);
    assert!(refused(Descent::<_, _, _, 2>::new(Sign, two, ema).validate()));
    assert!(Descent::new(Sign, Induced::new(Log, 0.1), ema).validate().is_ok());
    assert!(Descent::new(Sign, Flat, ema).validate().is_ok());

    let theta = Parameters::from(array![1.0, -2.0]);
    let whole = Configuration::new(Descent::new(Sign, Induced::new(Log, 0.1).exact(), ema), 0.1).build_whole(&theta);
    assert!(refused(whole.map(|_| ())));
    let state = Sign.begin(&theta).unwrap();
    let gamma = Sign.at(&state);
    assert_eq!(BaseMetric::raise(&Sign, &state, &Covector(theta.clone())).unwrap().0.as_slice(), [1.0, -1.0]);
    assert!(refused(gamma.raise(&Covector(theta.clone())).map(|_| ())));
    assert!(refused(gamma.lower(&ambient_metric::Vector(theta)).map(|_| ())));
    assert!(refused(gamma.log_determinant().map(|_| ())));
}

/// With ε and d₀ so small that `f32` has not their product, zero over zero is no step; a guess without a square is none.
#[test]
fn prodigy_stays_where_there_is_no_gradient() {
    let theta = Parameters::from(array![1.0_f32, -2.0, 3.0]);
    let configuration = Configuration::new("prodigy(epsilon=1e-40)".parse::<AnyRule>().unwrap(), 1.0);
    let mut stepped = theta.clone();
    let mut optimiser = f32::build(configuration, &theta).unwrap();
    for gradient in [array![0.0_f32, 0.0, 0.0], array![0.0, 1.0, 0.0]] {
        optimiser.step(&mut stepped, &Covector(Parameters::from(gradient)), 1.0).unwrap();
        assert_eq!((stepped.as_slice()[0], stepped.as_slice()[2]), (1.0, 3.0));
    }
    assert!(stepped.as_slice()[1] < -2.0);
    assert!("prodigy(d0=1e-13)".parse::<AnyRule>().unwrap_err().problem.contains("it lies in"));
}
