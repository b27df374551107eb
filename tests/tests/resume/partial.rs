//! Checkpoints restored for other parameters: what is in both goes on, what is fresh starts as in a new optimiser, what is gone is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::base::LearnedDiagonal;
use ambient_metric::optimiser::{Restored, WholeOptimiser};
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Adagrad, Checkpoint, Configuration, Covector, Descent, Ema, Error, Euclidean, Group, Identity, Induced, Kronecker,
    Log, Nesterov, NoMomentum, Optimiser, RmsProp, Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ndarray::Array1;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde::Serialize;
use serde::de::DeserializeOwned;

type Space = Parameters<f64>;
type Part<'a> = (&'a str, &'a [f64]);

fn space(parts: &[Part<'_>]) -> Space {
    Parameters::new(parts.iter().map(|(name, values)| (*name, Array1::from(values.to_vec()).into_dyn()))).unwrap()
}

fn values(space: &Space, name: &str) -> Vec<f64> {
    space.view(name).unwrap().iter().copied().collect()
}

fn bits(space: &Space, name: &str) -> Vec<u64> {
    values(space, name).into_iter().map(f64::to_bits).collect()
}

/// A step whose gradient is θ itself, so that a difference once made would stay.
fn step<R: Rule>(optimiser: &mut Optimiser<R, Space>, theta: &mut Space, loss: f64) -> Result<(), Error> {
    let gradient = Covector(theta.clone());
    optimiser.step(theta, &gradient, loss).map(|_| ())
}

/// The same optimiser after a passage through JSON text.
fn written_and_read<R>(optimiser: &Optimiser<R, Space>, theta: &Space) -> Result<Optimiser<R, Space>, TestCaseError>
where
    R: Rule + Clone + Serialize + DeserializeOwned,
{
    let text = serde_json::to_string(&optimiser.checkpoint()?)?;
    Ok(serde_json::from_str::<Checkpoint<R>>(&text)?.restore(theta)?)
}

/// Before: parts `a`, `gone`, `z`. After: `a`, `fresh`, `z`, and after more steps `fresher` as well. At ξ = 0 every part is by itself.
fn parts_go_on_and_start_by_themselves<R>(rule: R, numbers: &[Vec<f64>], losses: &[f64]) -> TestCaseResult
where
    R: Rule + Clone + Serialize + DeserializeOwned,
{
    let [a, gone, z, fresh, fresher] = [0, 1, 2, 3, 4].map(|index| numbers[index].as_slice());
    let configuration =
        Configuration::new(rule, 0.1).weight_decay(0.01).group(Group::new("g", ["z", "gone"]).learning_rate(0.05));
    let configuration_of_fresh = Configuration { groups: Vec::new(), ..configuration.clone() };

    let mut theta = space(&[("a", a), ("gone", gone), ("z", z)]);
    let mut whole = theta.clone();
    let mut of_whole = configuration.clone().build(&whole)?;
    let mut optimiser = configuration.build(&theta)?;
    for &loss in losses {
        step(&mut optimiser, &mut theta, loss)?;
        step(&mut of_whole, &mut whole, loss)?;
    }

    theta = space(&[("a", &values(&theta, "a")), ("fresh", fresh), ("z", &values(&theta, "z"))]);
    let restored = optimiser.checkpoint()?.restore_partial(&theta)?;
    prop_assert_eq!((&restored.fresh, &restored.gone), (&vec!["fresh".to_owned()], &vec!["gone".to_owned()]));
    prop_assert_eq!(restored.optimiser.steps().unwrap(), losses.len() as u64);
    optimiser = restored.optimiser;
    let mut first = space(&[("fresh", fresh)]);
    let mut of_first = configuration_of_fresh.clone().build(&first)?;
    for &loss in losses {
        step(&mut of_whole, &mut whole, loss)?;
        step(&mut of_first, &mut first, loss)?;
        let mut again = theta.clone();
        step(&mut written_and_read(&optimiser, &theta)?, &mut again, loss)?;
        step(&mut optimiser, &mut theta, loss)?;
        prop_assert_eq!(&again, &theta);
    }

    let now = |name: &str| values(&theta, name);
    theta = space(&[("a", &now("a")), ("fresh", &now("fresh")), ("fresher", fresher), ("z", &now("z"))]);
    optimiser = optimiser.checkpoint()?.restore_partial(&theta)?.optimiser;
    let mut second = space(&[("fresher", fresher)]);
    let mut of_second = configuration_of_fresh.build(&second)?;
    for &loss in losses {
        step(&mut of_whole, &mut whole, loss)?;
        step(&mut of_first, &mut first, loss)?;
        step(&mut of_second, &mut second, loss)?;
        optimiser = written_and_read(&optimiser, &theta)?;
        step(&mut optimiser, &mut theta, loss)?;
    }
    for name in ["a", "z"] {
        prop_assert_eq!(bits(&theta, name), bits(&whole, name), "{}", name);
    }
    prop_assert_eq!(bits(&theta, "fresh"), bits(&first, "fresh"));
    prop_assert_eq!(bits(&theta, "fresher"), bits(&second, "fresher"));
    Ok(())
}

fn numbers() -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec(0.5..3.0_f64, 1..20), 5)
}

macro_rules! parts_go_on_and_start_by_themselves {
    ($($name:ident: $rule:expr),+ $(,)?) => {
        mod at_xi_zero_parts_go_on_and_start_as_if_they_were_alone_bit_for_bit {
            use super::*;

            proptest! {
                #![proptest_config(cases(16))]
                $(
                    #[test]
                    fn $name(numbers in numbers(), losses in prop::collection::vec(0.5..3.0_f64, 1..5)) {
                        parts_go_on_and_start_by_themselves($rule, &numbers, &losses)?;
                    }
                )+
            }
        }
    };
}

parts_go_on_and_start_by_themselves!(
    sgd: rules::sgd(0.9),
    sgd_ema: rules::sgd_ema(0.9),
    adam: rules::adam(),
    nadam: rules::nadam(),
    euclidean_log: rules::euclidean_log(0.0),
    rmsprop: rules::rmsprop(0.0),
    adagrad_with_nesterov: Descent::new(Adagrad::default(), Induced::new(Log, 0.0).exact(), Nesterov(0.9)),
    joint: Descent::new(RmsProp::default(), Induced::of([ambient_metric::Height { embedding: Log, xi: 0.0 }]), Ema(0.9)),
    heavy_ball: Descent::new(Euclidean, Induced::new(Identity, 0.0), HeavyBall(0.9)),
);

proptest! {
    #![proptest_config(cases(32))]

    /// The sum is over all parameters: with ξ > 0, v̂ of the next step is that of a run that had all of them from the start, whose averages of s
    /// were the same. (The fresh part has been zero until then, where it adds nothing to s.)
    #[test]
    fn sums_and_their_averages_go_on_over_all_parameters(
        a in prop::collection::vec(0.5..3.0_f64, 1..20),
        b in prop::collection::vec(0.5..3.0_f64, 1..20),
        losses in prop::collection::vec(0.5..3.0_f64, 2..6),
    ) {
        let configuration = Configuration::new(rules::euclidean_log(0.3).momentum(0.0).beta(0.8), 0.1);
        let mut theta = space(&[("a", &a)]);
        let mut all = space(&[("a", &a), ("b", &vec![0.0; b.len()])]);
        let mut optimiser = configuration.clone().build(&theta)?;
        let mut of_all = configuration.build(&all)?;
        for &loss in &losses {
            step(&mut optimiser, &mut theta, loss)?;
            step(&mut of_all, &mut all, loss)?;
        }
        let both = [("a", values(&theta, "a")), ("b", b)];
        let both: Vec<Part<'_>> = both.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let mut theta = space(&both);
        let mut restored = optimiser.checkpoint()?.restore_partial(&theta)?.optimiser;
        let gradient = Covector(theta.clone());
        let found = restored.step(&mut theta, &gradient, 1.5)?;
        let mut all = space(&both);
        let expected = of_all.step(&mut all, &gradient, 1.5)?;
        // Two sums of n terms in other orders: u n each, of which the average keeps less than all.
        let allowed = f64::EPSILON * (gradient.0.as_slice().len() as f64 + 8.0) * expected.averaged;
        prop_assert!((found.averaged - expected.averaged).abs() <= allowed);
        prop_assert_eq!(restored.reports().unwrap().len(), 1);
    }
}

#[test]
fn where_nothing_came_or_went_it_is_the_plain_restart() {
    let mut theta = space(&[("a", &[1.0, 2.0]), ("b", &[3.0])]);
    let mut optimiser =
        Configuration::new(rules::adam().metric(RmsProp { beta: 0.99, epsilon: 1e-8 }), 0.1).build(&theta).unwrap();
    step(&mut optimiser, &mut theta, 1.0).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap();
    let restored = checkpoint.restore_partial(&theta).unwrap();
    assert!(restored.is_whole());
    assert_eq!(restored.optimiser.checkpoint().unwrap(), checkpoint);
}

#[test]
fn a_rule_that_learns_per_tensor_takes_up_a_tensor() {
    let rule = Descent::new(LearnedDiagonal::default(), Induced::new(Identity, 0.1), Ema(0.9));
    let mut theta = space(&[("a", &[1.0, 2.0]), ("b", &[3.0])]);
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    step(&mut optimiser, &mut theta, 1.0).unwrap();
    theta = space(&[("a", &[1.0, 2.0]), ("aa", &[0.5]), ("b", &[3.0])]);
    let mut optimiser = optimiser.checkpoint().unwrap().restore_partial(&theta).unwrap().optimiser;
    let (mut again, mut other) = (theta.clone(), optimiser.checkpoint().unwrap().restore(&theta).unwrap());
    step(&mut optimiser, &mut theta, 1.0).unwrap();
    step(&mut other, &mut again, 1.0).unwrap();
    assert_eq!(theta, again);
}

#[test]
fn a_sum_of_which_nothing_is_left_begins_anew() {
    let configuration =
        Configuration::new(rules::euclidean(0.5), 0.1).group(Group::new("head", ["head*"]).own_metric());
    let mut theta = space(&[("body", &[1.0]), ("head 1", &[3.0])]);
    let mut optimiser = configuration.clone().build(&theta).unwrap();
    step(&mut optimiser, &mut theta, 1.0).unwrap();
    theta = space(&[("body", &values(&theta, "body")), ("head 2", &[2.0])]);
    let mut optimiser = optimiser.checkpoint().unwrap().restore_partial(&theta).unwrap().optimiser;
    step(&mut optimiser, &mut theta, 1.0).unwrap();
    let mut alone = space(&[("head 2", &[2.0])]);
    let mut of_alone = Configuration { groups: Vec::new(), ..configuration }.build(&alone).unwrap();
    step(&mut of_alone, &mut alone, 1.0).unwrap();
    assert_eq!(bits(&theta, "head 2"), bits(&alone, "head 2"));
}

#[test]
fn a_group_may_have_lost_all_its_parameters() {
    let configuration =
        Configuration::new(rules::sgd(0.9), 0.1).group(Group::new("head", ["head*"]).learning_rate(0.2));
    let optimiser = configuration.build(&space(&[("body", &[1.0]), ("head", &[3.0])])).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap();
    let restored = checkpoint.restore_partial(&space(&[("body", &[1.0])])).unwrap();
    assert_eq!(restored.gone, ["head"]);
}

#[test]
fn what_is_in_both_must_have_its_shape() {
    let optimiser = Configuration::new(rules::sgd(0.9), 0.1).build(&space(&[("a", &[1.0])])).unwrap();
    let refused = optimiser.checkpoint().unwrap().restore_partial(&space(&[("a", &[1.0, 2.0]), ("b", &[1.0])]));
    assert!(
        matches!(refused, Err(Error::Shape { name, expected, found }) if name == "a" && expected == [2] && found == [1])
    );
}

#[test]
fn a_memory_that_is_none_is_refused() {
    let theta = space(&[("a", &[1.0]), ("b", &[1.0])]);
    let optimiser = Configuration::new(rules::sgd(0.9), 0.1).build(&space(&[("a", &[1.0])])).unwrap();
    let Restored { optimiser, .. } = optimiser.checkpoint().unwrap().restore_partial(&theta).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap();
    assert_eq!(checkpoint.memory.len(), 2);
    for number in [0, 2, usize::MAX] {
        let mut damaged = checkpoint.clone();
        damaged.parameters.get_mut("b").unwrap().memory = Some(number);
        match damaged.restore(&theta) {
            Err(Error::CheckpointEntry { entry, .. }) => assert_eq!(entry, "parameters[b].memory"),
            other => panic!("{:?}", other.map(|_| "accepted")),
        }
    }
    let mut short = checkpoint.clone();
    short.memory.pop();
    assert!(matches!(short.restore(&theta), Err(Error::CheckpointEntry { entry, .. }) if entry == "memory"));
    let mut long = checkpoint;
    long.parameters.get_mut("b").unwrap().memory = None;
    assert!(matches!(long.restore(&theta), Err(Error::CheckpointEntry { entry, .. }) if entry == "memory"));
}

#[test]
fn steps_of_whole_tensors_say_that_they_take_up_nothing() {
    let matrix = |name: &str| (name.to_owned(), ndarray::array![[1.0, 2.0], [3.0, 5.0]].into_dyn());
    let theta = Parameters::new([matrix("a")]).unwrap();
    let rule = Descent::new(Kronecker::default(), Induced::new(Identity, 0.0), NoMomentum);
    let checkpoint = Configuration::new(rule, 0.1).build_whole(&theta).unwrap().checkpoint().unwrap();
    assert!(WholeOptimiser::restore_partial(&checkpoint, &theta).unwrap().is_whole());
    let more = Parameters::new([matrix("a"), matrix("b")]).unwrap();
    let refused = WholeOptimiser::restore_partial(&checkpoint, &more);
    assert!(
        matches!(refused, Err(Error::NotPartial { rule }) if rule.starts_with("Descent(Kronecker, Induced(Identity"))
    );
}
