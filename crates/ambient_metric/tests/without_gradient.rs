//! Steps in which some parts have no gradient: what they leave alone, and what they are for the others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;

use ambient_metric::ambient::{AlongMomentum, Given};
use ambient_metric::base::{
    Adafactor, EveryMatrix, KlShampoo, LearnedDiagonal, LearnedScalar, NorMuon, Remembering, Soap,
};
use ambient_metric::number::Element;
use ambient_metric::optimiser::Engine;
use ambient_metric::space::{Absent, Selection, Separable, StateStorage};
use ambient_metric::space::{MatrixTensor, Operands, Uniforms, Wide};
use ambient_metric::{
    Configuration, Covector, Dense, Descent, Ema, Group, Height, Identity, Induced, Kronecker, Log, Muon, Nesterov,
    NoMomentum, Optimiser, Report, RmsProp, Routed, Rule, Tensor, rules,
};
use ambient_metric::{Error, Kernel, Layout};
use ambient_metric_ndarray::Parameters;
use ndarray::ArrayD;
use proptest::prelude::*;

type Theta = Parameters<f32>;

/// An optimiser of either kind.
trait Steps: Clone {
    fn step(
        &mut self,
        theta: &mut Theta,
        gradient: &Covector<Theta>,
        loss: f64,
        absent: &[usize],
    ) -> Result<Report<f64>, Error>;

    /// All that it remembers, and its rates: of everything at once, and by the name of a part.
    fn remembered(&self) -> (String, BTreeMap<String, String>);

    fn steps(&self) -> u64;

    /// From its checkpoint.
    fn resumed(&self, theta: &Theta) -> Self;
}

impl<R, E> Steps for Optimiser<R, Theta, E>
where
    R: Clone + core::fmt::Debug,
    E: Clone + for<'l> Engine<R, Theta, Loss<'l> = f64, First = Report<f64>>,
{
    fn step(
        &mut self,
        theta: &mut Theta,
        gradient: &Covector<Theta>,
        loss: f64,
        absent: &[usize],
    ) -> Result<Report<f64>, Error> {
        self.step_without(theta, gradient, loss, absent)
    }

    fn remembered(&self) -> (String, BTreeMap<String, String>) {
        let checkpoint = self.checkpoint().unwrap();
        let parts = checkpoint.parameters.iter().map(|(name, saved)| (name.clone(), format!("{:?}", saved.state)));
        (format!("{checkpoint:?}"), parts.collect())
    }

    fn steps(&self) -> u64 {
        self.steps().unwrap()
    }

    fn resumed(&self, theta: &Theta) -> Self {
        Self::restore(&self.checkpoint().unwrap(), theta).unwrap()
    }
}

/// Matrices, vectors and a number, some larger than a chunk of lanes; names in the order of the parts.
const SHAPES: [&[usize]; 6] = [&[3, 2], &[40], &[], &[2, 33], &[5], &[4, 4]];

const MATRICES: [&[usize]; 6] = [&[3, 2], &[2, 9], &[1, 1], &[5, 7], &[2, 2], &[4, 4]];

/// Parameters of these shapes, with numbers that differ from each other and with the turn.
fn numbers(shapes: &[&[usize]], turn: usize) -> Theta {
    let part = |(index, shape): (usize, &&[usize])| {
        let count: usize = shape.iter().product();
        let number = |at: usize| (((at * 7 + index * 13 + turn * 29) % 61) as f32 - 30.0) / 37.0 + 0.01;
        (index.to_string(), ArrayD::from_shape_vec(shape.to_vec(), (0..count).map(number).collect()).unwrap())
    };
    Parameters::new(shapes.iter().enumerate().map(part)).unwrap()
}

/// These parts alone.
fn some(theta: &Theta, parts: &[usize]) -> Theta {
    theta.select(&Selection::new(theta.layout(), parts).unwrap()).unwrap()
}

fn bits(theta: &Theta, part: usize) -> Vec<u32> {
    theta.read(part).unwrap().into_iter().map(f32::to_bits).collect()
}

fn complement(absent: &[usize], parts: usize) -> Vec<usize> {
    (0..parts).filter(|part| !absent.contains(part)).collect()
}

/// A gradient in which the absent parts hold what nobody may look at.
fn gradient(shapes: &[&[usize]], turn: usize, absent: &[usize]) -> Covector<Theta> {
    let mut gradient = numbers(shapes, turn);
    for &part in absent {
        let count = gradient.read(part).unwrap().len();
        gradient.write(part, &vec![f32::NAN; count]).unwrap();
    }
    Covector(gradient)
}

/// The promises, for one optimiser: over `turns` steps in which always the same parts are absent it is the one made without them, and then, with
/// other parts absent in every step, whoever is absent stays as it was.
fn check<O: Steps>(
    shapes: &[&[usize]],
    build: impl Fn(&Theta) -> Result<O, Error>,
    absent: &[usize],
    others: &[Vec<usize>],
) -> Result<(), TestCaseError> {
    let mut theta = numbers(shapes, 0);
    let present = complement(absent, shapes.len());
    let mut alone_theta = some(&theta, &present);
    let (mut whole, mut alone) = (build(&theta).unwrap(), build(&alone_theta).unwrap());
    let begun = (theta.clone(), whole.remembered().1);
    for turn in 1..4 {
        let l = gradient(shapes, turn, absent);
        let report = whole.step(&mut theta, &l, 1.5, absent).unwrap();
        let alone_report = alone.step(&mut alone_theta, &Covector(some(&l.0, &present)), 1.5, &[]).unwrap();
        prop_assert_eq!(format!("{report:?}"), format!("{alone_report:?}"));
        let (of_whole, of_alone) = (whole.remembered().1, alone.remembered().1);
        for (index, &part) in present.iter().enumerate() {
            prop_assert_eq!(bits(&theta, part), bits(&alone_theta, index));
            prop_assert_eq!(&of_whole[&part.to_string()], &of_alone[&part.to_string()]);
        }
        for &part in absent {
            prop_assert_eq!(bits(&theta, part), bits(&begun.0, part));
            prop_assert_eq!(&of_whole[&part.to_string()], &begun.1[&part.to_string()]);
        }
    }
    for (turn, absent) in others.iter().enumerate() {
        let (before, state) = (theta.clone(), whole.remembered().1);
        whole.step(&mut theta, &gradient(shapes, turn + 4, absent), 1.5, absent).unwrap();
        let after = whole.remembered().1;
        for part in 0..shapes.len() {
            let is_same =
                (bits(&theta, part) == bits(&before, part), after[&part.to_string()] == state[&part.to_string()]);
            // Every rule here remembers something, so a part that is stepped changes in both.
            prop_assert_eq!(is_same, (absent.contains(&part), absent.contains(&part)), "part {}", part);
        }
    }
    prop_assert_eq!(whole.steps(), 3 + others.len() as u64);
    Ok(())
}

fn rmsprop() -> impl Rule + core::fmt::Debug {
    rules::rmsprop(0.5).metric(RmsProp { beta: 0.95, epsilon: 1e-8 })
}

/// With some parts in groups: rates of their own, and a sum of its own. (A pattern has to match, so it names the digits that are there.)
fn grouped<R>(rule: R, theta: &Theta) -> Configuration<R> {
    let configuration = Configuration::new(rule, 0.01).weight_decay(0.1);
    let mut names = theta.layout().names().into_iter();
    let slow: Vec<String> = names.by_ref().filter(|name| ["1", "3"].contains(&name.as_str())).collect();
    let own: Vec<String> =
        theta.layout().names().into_iter().filter(|name| ["2", "5"].contains(&name.as_str())).collect();
    let configuration = if slow.is_empty() {
        configuration
    } else {
        configuration.group(Group::new("slow", slow).learning_rate(0.003))
    };
    if own.is_empty() { configuration } else { configuration.group(Group::new("own", own).own_metric()) }
}

fn routed() -> Routed<EveryMatrix, Muon, Remembering<Nesterov, RmsProp>> {
    let rest = Remembering { momentum: Nesterov(0.9), metric: RmsProp::default() };
    Routed { route: EveryMatrix, taken: Muon::default(), rest }
}

fn kronecker(every: u64) -> Kronecker {
    Kronecker { beta: Some(0.9), every, ..Kronecker::default() }
}

fn learned() -> LearnedDiagonal {
    LearnedDiagonal { kappa: 0.3, ..LearnedDiagonal::default() }
}

/// Some of the six parts, but not all of them.
fn some_parts() -> impl Strategy<Value = Vec<usize>> {
    (1..63_u32).prop_map(|set| (0..6).filter(|part| set & (1 << part) != 0).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pointwise_rules_leave_parts_without_a_gradient_alone_and_step_the_others_as_if_there_were_no_such_parts(
        absent in some_parts(),
        others in prop::collection::vec(some_parts(), 1..4),
    ) {
        check(&SHAPES, |theta| grouped(rmsprop(), theta).build(theta), &absent, &others)?;
        let narrow = |storage| move |theta: &Theta| grouped(rmsprop(), theta).state_storage(storage).build(theta);
        check(&SHAPES, narrow(StateStorage::Bf16 { seed: 7 }), &absent, &others)?;
        // Halves have no room for second moments.
        let halves = |theta: &Theta| grouped(rules::euclidean(0.5), theta).state_storage(StateStorage::F16).build(theta);
        check(&SHAPES, halves, &absent, &others)?;
        let of_learned = Descent::new(learned(), Induced::new(Log, 0.5), Ema(0.9));
        check(&SHAPES, |theta| grouped(of_learned, theta).build(theta), &absent, &others)?;
        let scalar = LearnedScalar { kappa: 0.1, ..LearnedScalar::default() };
        let of_scalar = Descent::new(scalar, Induced::new(Identity, 0.5), Ema(0.9));
        check(&SHAPES, |theta| Configuration::new(of_scalar, 0.01).build(theta), &absent, &others)?;
        let coupled = Descent::new(RmsProp::default(), Induced::new(Identity, 0.1).coupled(Given).beta(0.8), Ema(0.9));
        let given = |theta: &Theta| {
            let mut optimiser = Configuration::new(coupled, 0.01).build(theta)?;
            let mut c = theta.duplicate()?;
            for (index, part) in theta.layout().parts().iter().enumerate() {
                c.write(index, &vec![1e-3; part.elements()])?;
            }
            optimiser.write_state("ambient", &c)?;
            Ok(optimiser)
        };
        check(&SHAPES, given, &absent, &others)?;
    }

    #[test]
    fn whole_tensor_rules_leave_parts_without_a_gradient_alone_and_step_the_others_as_if_there_were_no_such_parts(
        absent in some_parts(),
        others in prop::collection::vec(some_parts(), 1..4),
    ) {
        for every in [1, 2] {
            let rule = Descent::new(kronecker(every), Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
            check(&MATRICES, |theta| Configuration::new(rule, 0.01).weight_decay(0.1).build_whole(theta), &absent, &others)?;
        }
        for every in [1, 2] {
            let rule = Descent::new(Soap { every, ..Soap::default() }, Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
            check(&MATRICES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
            let rule = Descent::new(KlShampoo { every, ..KlShampoo::default() }, Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
            check(&MATRICES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
        }
        let rule = Descent::new(Adafactor::default(), Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
        check(&SHAPES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
        let rule = Descent::new(NorMuon::default(), Induced::new(Identity, 0.1), NoMomentum);
        check(&MATRICES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
        let rule = Descent::new(Muon::default(), Induced::new(Identity, 0.1), NoMomentum);
        check(&MATRICES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
        let rule = Descent::new(routed(), Induced::new(Log, 0.01).beta(0.8), NoMomentum);
        check(&SHAPES, |theta| Configuration::new(rule, 0.01).weight_decay(0.1).build_whole(theta), &absent, &others)?;
        let rule = Descent::new(RmsProp::default(), Induced::new(Log, 0.1).beta(0.8).exact(), Ema(0.9));
        check(&SHAPES, |theta| Configuration::new(rule, 0.01).weight_decay(0.1).build_whole(theta), &absent, &others)?;
        let rule = Descent::new(learned(), Induced::new(Log, 0.1).coupled(AlongMomentum(1e-3)), Ema(0.9));
        check(&SHAPES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &absent, &others)?;
    }

    #[test]
    fn a_failed_step_without_some_gradients_changes_nothing(absent in some_parts(), turn in 0..9_usize) {
        failing(&SHAPES, |theta| grouped(rules::rmsprop(0.5), theta).build(theta), &absent, turn, |_| true)?;
        let of_learned = Descent::new(learned(), Induced::new(Log, 0.5), Ema(0.9));
        failing(&SHAPES, |theta| Configuration::new(of_learned, 0.1).build(theta), &absent, turn, |_| true)?;
        let rule = Descent::new(kronecker(1), Induced::new(Log, 0.1), Ema(0.9));
        failing(&MATRICES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |_| true)?;
        let rule = Descent::new(Soap::default(), Induced::new(Log, 0.1), Ema(0.9));
        failing(&MATRICES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |_| true)?;
        let rule = Descent::new(KlShampoo::default(), Induced::new(Log, 0.1), Ema(0.9));
        failing(&MATRICES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |_| true)?;
        let rule = Descent::new(Adafactor::default(), Induced::new(Log, 0.1), Ema(0.9));
        failing(&SHAPES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |_| true)?;
        // Muon takes a matrix of any finite numbers to its polar factor.
        let rule = Descent::new(routed(), Induced::new(Log, 0.01), NoMomentum);
        failing(&SHAPES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |shape| shape.len() != 2)?;
        let rule = Descent::new(RmsProp::default(), Induced::new(Log, 0.1), Ema(0.9));
        failing(&SHAPES, |theta| Configuration::new(rule, 0.1).build_whole(theta), &absent, turn, |_| true)?;
    }
}

/// After a good step: gradients that are not finite or overflow, a loss outside a domain, parts that are not there.
fn failing<O: Steps>(
    shapes: &[&[usize]],
    build: impl Fn(&Theta) -> Result<O, Error>,
    absent: &[usize],
    turn: usize,
    overflows: impl Fn(&[usize]) -> bool,
) -> Result<(), TestCaseError> {
    let mut theta = numbers(shapes, turn);
    let mut optimiser = build(&theta).unwrap();
    optimiser.step(&mut theta, &gradient(shapes, turn + 1, absent), 1.5, absent).unwrap();
    let (before, remembered) = (theta.clone(), optimiser.remembered());
    let present = complement(absent, shapes.len());
    let bad = present[turn % present.len()];
    let with = |number: f32| {
        let mut l = gradient(shapes, turn + 2, absent);
        let count = l.0.read(bad).unwrap().len();
        l.0.write(bad, &vec![number; count]).unwrap();
        l
    };
    let all: Vec<usize> = (0..shapes.len()).collect();
    let mut other = some(&theta, &present);
    let nan = optimiser.step(&mut theta, &with(f32::NAN), 1.5, absent);
    prop_assert!(
        matches!(&nan, Err(Error::NonFiniteGradient { parameter }) if *parameter == bad.to_string()),
        "{nan:?}"
    );
    if overflows(shapes[bad]) {
        let overflow = optimiser.step(&mut theta, &with(3e38), 1.5, absent);
        prop_assert!(matches!(&overflow, Err(Error::Overflow { .. })), "{overflow:?}");
    }
    let outside = optimiser.step(&mut theta, &gradient(shapes, turn, absent), f64::NAN, absent);
    prop_assert!(matches!(&outside, Err(Error::LossOutsideDomain { .. })), "{outside:?}");
    let missing = optimiser.step(&mut theta, &gradient(shapes, turn, absent), 1.5, &[6]);
    prop_assert!(matches!(&missing, Err(Error::NoSuchPart { part: 6, parts: 6 })), "{missing:?}");
    let none = optimiser.step(&mut theta, &gradient(shapes, turn, &all), 1.5, &all);
    prop_assert!(matches!(&none, Err(Error::NoGradient)), "{none:?}");
    let misfit = optimiser.step(&mut other, &gradient(shapes, turn, absent), 1.5, absent);
    prop_assert!(matches!(&misfit, Err(Error::MissingParameter { .. })), "{misfit:?}");
    for part in 0..shapes.len() {
        prop_assert_eq!(bits(&theta, part), bits(&before, part));
    }
    prop_assert_eq!(optimiser.remembered(), remembered);
    Ok(())
}

#[test]
fn a_sum_of_its_own_without_gradients_keeps_its_memory_and_its_report() {
    let mut theta = numbers(&SHAPES, 0);
    let mut optimiser = grouped(rmsprop(), &theta).build(&theta).unwrap();
    optimiser.step(&mut theta, &gradient(&SHAPES, 1, &[]), 1.5).unwrap();
    let of_own = |optimiser: &Optimiser<_, Theta>| {
        let report = optimiser
            .reports()
            .unwrap()
            .into_iter()
            .find(|(name, _)| *name == "own")
            .map(|(_, report)| format!("{report:?}"));
        (optimiser.checkpoint().unwrap().memory[1].clone(), report)
    };
    let before = of_own(&optimiser);
    let absent = [2, 5];
    optimiser.step_without(&mut theta, &gradient(&SHAPES, 2, &absent), 1.5, &absent).unwrap();
    assert_eq!(of_own(&optimiser), before);
    optimiser.step_without(&mut theta, &gradient(&SHAPES, 3, &[5]), 1.5, &[5]).unwrap();
    let after = of_own(&optimiser);
    assert!(after.0 != before.0 && after.1 != before.1);
}

#[test]
fn a_metric_over_all_parts_refuses_to_leave_one_out_and_one_that_keeps_its_parts_together_does_not() {
    let shapes: [&[usize]; 3] = [&[2], &[2], &[2, 2]];
    let of_all = Descent::new(Dense::diagonal(&[2.0; 8]).unwrap(), Induced::new(Identity, 0.1), Ema(0.9));
    let mut theta = numbers(&shapes, 0);
    let mut optimiser = Configuration::new(of_all, 0.1).build_whole(&theta).unwrap();
    let before = (theta.clone(), optimiser.remembered());
    let refused = optimiser.step_without(&mut theta, &gradient(&shapes, 1, &[1]), 1.0, &[1]);
    assert!(matches!(&refused, Err(Error::Inseparable { metric }) if metric == "Dense"), "{refused:?}");
    assert_eq!((theta.clone(), optimiser.remembered()), before);
    optimiser.step_without(&mut theta, &gradient(&shapes, 1, &[]), 1.0, &[]).unwrap();
    assert_ne!(theta, before.0);

    let metric = Routed { route: EveryMatrix, taken: RmsProp::default(), rest: Dense::diagonal(&[2.0; 4]).unwrap() };
    let mut optimiser = Configuration::new(Descent::new(metric, Induced::new(Identity, 0.1), Ema(0.9)), 0.1)
        .build_whole(&theta)
        .unwrap();
    for absent in [vec![2], vec![0, 1]] {
        let before = theta.clone();
        optimiser.step_without(&mut theta, &gradient(&shapes, 2, &absent), 1.0, &absent).unwrap();
        assert!((0..3).all(|part| (bits(&theta, part) == bits(&before, part)) == absent.contains(&part)));
    }
    let refused = optimiser.step_without(&mut theta, &gradient(&shapes, 1, &[1]), 1.0, &[1]);
    assert!(matches!(refused, Err(Error::Inseparable { .. })));
}

/// The roots before any gradient are those of ε, by which steps are ε^(−2p) = 100 times the gradient.
#[test]
fn a_matrix_that_misses_the_step_in_which_roots_are_taken_has_them_taken_at_its_first_gradient() {
    let metric = Kronecker { every: 10, ..Kronecker::default() };
    let configuration = || Configuration::new(Descent::new(metric, Induced::new(Identity, 0.0), NoMomentum), 0.01);
    let shapes: [&[usize]; 2] = [&[3, 2], &[2, 4]];
    let mut theta = numbers(&shapes, 0);
    let mut optimiser = configuration().build_whole(&theta).unwrap();
    optimiser.step_without(&mut theta, &gradient(&shapes, 1, &[1]), 1.0, &[1]).unwrap();
    let mut alone = some(&theta, &[1]);
    let l = gradient(&shapes, 2, &[]);
    optimiser.step(&mut theta, &l, 1.0).unwrap();
    // Moments are sums and ξ = 0, so that each matrix steps by itself.
    let mut begun = configuration().build_whole(&alone).unwrap();
    begun.step(&mut alone, &Covector(some(&l.0, &[1])), 1.0).unwrap();
    assert_eq!(bits(&theta, 1), bits(&alone, 0));
}

/// A rule by which no number depends on another: each part then goes on by itself.
fn each_by_itself() -> Descent<RmsProp, Induced<Height<Identity>>, Ema> {
    Descent::new(RmsProp { beta: 0.95, epsilon: 1e-8 }, Induced::new(Identity, 0.0).beta(0.8), Ema(0.9))
}

/// Steps that each part misses now and then leave it where the steps that it took alone would have.
fn counts_its_own<O: Steps>(
    shapes: &[&[usize]],
    build: impl Fn(&Theta) -> Result<O, Error>,
    turns: &[Vec<usize>],
) -> Result<(), TestCaseError> {
    let mut theta = numbers(shapes, 0);
    let mut together = build(&theta).unwrap();
    let mut alone: Vec<_> = (0..shapes.len())
        .map(|part| {
            let theta = some(&theta, &[part]);
            (build(&theta).unwrap(), theta)
        })
        .collect();
    for (turn, absent) in turns.iter().enumerate() {
        let l = gradient(shapes, turn + 1, absent);
        together.step(&mut theta, &l, 1.5, absent).unwrap();
        for part in complement(absent, shapes.len()) {
            let (optimiser, theta) = &mut alone[part];
            optimiser.step(theta, &Covector(some(&l.0, &[part])), 1.5, &[]).unwrap();
        }
        for (part, (_, alone)) in alone.iter().enumerate() {
            prop_assert_eq!(bits(&theta, part), bits(alone, 0), "part {} after turn {}", part, turn);
        }
        // What was saved goes on alike.
        let mut resumed = together.resumed(&theta);
        let mut other = theta.clone();
        resumed.step(&mut other, &gradient(shapes, 99, &[]), 1.5, &[]).unwrap();
        let mut expected = theta.clone();
        together.clone().step(&mut expected, &gradient(shapes, 99, &[]), 1.5, &[]).unwrap();
        prop_assert_eq!(&other, &expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_part_counts_its_own_steps(turns in prop::collection::vec(some_parts(), 1..7)) {
        let fused = |theta: &Theta| Configuration::new(each_by_itself(), 0.01).weight_decay(0.1).build(theta);
        counts_its_own(&SHAPES, fused, &turns)?;
        let slow = |theta: &Theta| {
            let configuration = Configuration::new(each_by_itself(), 0.01);
            if theta.layout().names().iter().any(|name| name == "3") {
                configuration.group(Group::new("slow", ["3"]).learning_rate(0.003)).build(theta)
            } else {
                configuration.build(theta)
            }
        };
        counts_its_own(&SHAPES, slow, &turns)?;
        let whole = |theta: &Theta| Configuration::new(each_by_itself(), 0.01).build_whole(theta);
        counts_its_own(&SHAPES, whole, &turns)?;
        for every in [1, 2] {
            let rule = Descent::new(kronecker(every), Induced::new(Identity, 0.0), Ema(0.9));
            counts_its_own(&MATRICES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &turns)?;
        }
        let rule = Descent::new(routed(), Induced::new(Identity, 0.0), NoMomentum);
        counts_its_own(&SHAPES, |theta| Configuration::new(rule, 0.01).build_whole(theta), &turns)?;
    }

    #[test]
    fn rows_without_a_gradient_stay_as_they_are_and_the_others_step_as_if_there_were_no_such_rows(
        kept in prop::collection::btree_set(0..7_usize, 1..7),
        turns in 1..4_usize,
    ) {
        let shapes: [&[usize]; 2] = [&[7, 3], &[5]];
        let rows: Vec<usize> = kept.iter().copied().collect();
        let absent = Absent::default().rows_but(0, rows.iter().copied());
        let others: Vec<usize> = complement(&rows, 7);
        prop_assert_eq!(
            Selection::without(numbers(&shapes, 0).layout(), &absent).unwrap(),
            Selection::without(numbers(&shapes, 0).layout(), &Absent::default().rows(0, others.iter().copied())).unwrap()
        );
        let selection = Selection::without(numbers(&shapes, 0).layout(), &absent).unwrap();
        let configuration = || Configuration::new(rmsprop(), 0.01).weight_decay(0.1);
        let mut theta = numbers(&shapes, 0);
        let mut alone_theta = theta.select(&selection).unwrap();
        let (mut fused, mut alone) = (configuration().build(&theta).unwrap(), configuration().build(&alone_theta).unwrap());
        let rule = || Descent::new(RmsProp { beta: 0.95, epsilon: 1e-8 }, Induced::new(Identity, 0.5).beta(0.8), Ema(0.9));
        let mut whole_theta = theta.clone();
        let mut whole = Configuration::new(rule(), 0.01).weight_decay(0.1).build_whole(&whole_theta).unwrap();
        let mut begun = theta.read(0).unwrap();
        for turn in 0..turns {
            let mut l = numbers(&shapes, turn + 1);
            let mut words = l.read(0).unwrap();
            for row in &others {
                words[3 * row..3 * row + 3].fill(f32::NAN);
            }
            l.write(0, &words).unwrap();
            let of_rows = Covector(l.select(&selection).unwrap());
            let l = Covector(l);
            let report = fused.step_without(&mut theta, &l, 1.5, absent.clone()).unwrap();
            whole.step_without(&mut whole_theta, &l, 1.5, absent.clone()).unwrap();
            prop_assert_eq!(report, alone.step(&mut alone_theta, &of_rows, 1.5).unwrap());
            prop_assert_eq!(theta.select(&selection).unwrap(), alone_theta.clone());
            prop_assert_eq!(&theta, &whole_theta);
        }
        let now = theta.read(0).unwrap();
        for row in rows {
            begun[3 * row..3 * row + 3].copy_from_slice(&now[3 * row..3 * row + 3]);
        }
        prop_assert_eq!(begun, now);
        for slot in fused.state() {
            let slot = slot.read(0).unwrap();
            prop_assert!(others.iter().all(|row| slot[3 * row..3 * row + 3] == [0.0; 3]));
        }
    }
}

#[test]
fn rows_that_are_not_there_and_rows_of_matrices_that_are_one_thing_are_refused() {
    let shapes: [&[usize]; 3] = [&[3, 2], &[4], &[2, 2]];
    let mut theta = numbers(&shapes, 0);
    let before = theta.clone();
    let l = gradient(&shapes, 1, &[]);
    let mut fused = Configuration::new(rmsprop(), 0.1).build(&theta).unwrap();
    let past = fused.step_without(&mut theta, &l, 1.0, Absent::default().rows(0, [1, 3]));
    assert!(matches!(&past, Err(Error::NoSuchRow { parameter, row: 3, rows: 3 }) if parameter == "0"), "{past:?}");
    let of_vector = fused.step_without(&mut theta, &l, 1.0, Absent::default().rows_but(1, [0]));
    assert!(
        matches!(&of_vector, Err(Error::NoSuchRow { parameter, row: 0, rows: 0 }) if parameter == "1"),
        "{of_vector:?}"
    );
    let nothing = Absent::parts([1, 2]).rows(0, [0, 1, 2]);
    assert!(matches!(fused.step_without(&mut theta, &l, 1.0, nothing), Err(Error::NoGradient)));
    for refused in [
        Configuration::new(Descent::new(kronecker(1), Induced::new(Identity, 0.1), Ema(0.9)), 0.1)
            .build_whole(&some(&theta, &[0, 2]))
            .unwrap()
            .step_without(
                &mut some(&theta, &[0, 2]),
                &Covector(some(&l.0, &[0, 2])),
                1.0,
                Absent::default().rows(0, [1]),
            ),
        Configuration::new(Descent::new(Muon::default(), Induced::new(Identity, 0.1), NoMomentum), 0.1)
            .build_whole(&some(&theta, &[0, 2]))
            .unwrap()
            .step_without(
                &mut some(&theta, &[0, 2]),
                &Covector(some(&l.0, &[0, 2])),
                1.0,
                Absent::default().rows(0, [1]),
            ),
    ] {
        assert!(matches!(&refused, Err(Error::Inseparable { .. })), "{refused:?}");
    }
    assert_eq!((theta, fused.steps().unwrap()), (before, 0));
}

/// Parameters that cannot be read on the host, nor written from there.
#[derive(Clone)]
struct Sealed(Theta);

impl Tensor for Sealed {
    type Element = f32;

    fn layout(&self) -> &Layout {
        self.0.layout()
    }
    fn zeros_like(&self) -> Result<Self, Error> {
        self.0.zeros_like().map(Self)
    }
    fn duplicate(&self) -> Result<Self, Error> {
        self.0.duplicate().map(Self)
    }
    fn read(&self, _part: usize) -> Result<Vec<f32>, Error> {
        Err(Error::Backend("nobody may read this".into()))
    }
    fn write(&mut self, _part: usize, _elements: &[f32]) -> Result<(), Error> {
        Err(Error::Backend("nobody may write this".into()))
    }
    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        let companions: Vec<Theta> = operands.companions.iter().map(|companion| companion.0.clone()).collect();
        let reads: Vec<&Theta> = operands.reads.iter().map(|read| &read.0).collect();
        Theta::sum(
            kernel,
            uniforms,
            Operands { target: &operands.target.0, companions: &companions, reads: &reads },
            totals,
        )
    }
    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error> {
        let mut inner: Vec<Theta> = companions.iter().map(|companion| companion.0.clone()).collect();
        let reads: Vec<&Theta> = reads.iter().map(|read| &read.0).collect();
        Theta::update(kernel, uniforms, &mut target.0, &mut inner, &reads)?;
        companions.iter_mut().zip(inner).for_each(|(companion, inner)| companion.0 = inner);
        Ok(())
    }
}

impl Separable for Sealed {
    fn select(&self, selection: &Selection) -> Result<Self, Error> {
        self.0.select(selection).map(Self)
    }
    fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error> {
        self.0.place(selection, &selected.0)
    }
}

impl MatrixTensor for Sealed {
    type Matrix = <Theta as MatrixTensor>::Matrix;

    fn matrix(&self, part: usize) -> Result<Self::Matrix, Error> {
        self.0.matrix(part)
    }
    fn set_matrix(&mut self, part: usize, matrix: &Self::Matrix) -> Result<(), Error> {
        self.0.set_matrix(part, matrix)
    }
}

#[test]
fn nothing_goes_through_the_host() {
    let (theta, absent) = (Sealed(numbers(&SHAPES, 0)), [0, 1, 4]);
    let l = Covector(Sealed(gradient(&SHAPES, 1, &absent).0));
    let mut pointwise = Configuration::new(rmsprop(), 0.1).build(&theta).unwrap();
    pointwise.step_without(&mut theta.clone(), &l, 1.0, &absent).unwrap();
    let rule = Descent::new(routed(), Induced::new(Log, 0.1), NoMomentum);
    let mut whole = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    whole.step_without(&mut theta.clone(), &l, 1.0, &absent).unwrap();
    let rule = Descent::new(RmsProp::default(), Induced::new(Log, 0.1).coupled(Given), Ema(0.9));
    let mut given = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    given.step_without(&mut theta.clone(), &l, 1.0, &absent).unwrap();
    assert_eq!(theta.layout().elements(), 6 + 40 + 1 + 66 + 5 + 16);
    assert!(theta.0.read(0).unwrap().iter().all(|x| x.to_f64().is_finite()));
}
