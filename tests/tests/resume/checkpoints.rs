//! Checkpoints: a run that was saved and loaded in the middle is the run that was not, and a checkpoint that does not fit is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::ambient::Power;
use ambient_metric::number::Element;
use ambient_metric::space::{HeavyBall, Numbers, StateStorage};
use ambient_metric::{
    Adagrad, Checkpoint, Configuration, Covector, Descent, Ema, Error, Field, Group, Induced, Log, Nesterov, RmsProp,
    Rule, rules,
};
use ambient_metric_conformance::{Trajectory, runs, trajectories};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{Asinh, Quadratic, cases, parameters};
use ndarray::array;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Ten steps at once, and five, a passage through JSON text, and five more.
fn interrupted_is_uninterrupted<R, E>(configuration: &Configuration<R>, run: &Trajectory) -> TestCaseResult
where
    R: Rule + Clone + Serialize + DeserializeOwned,
    E: Element<Wide = f64>,
{
    let whole = runs::run(configuration, run, &parameters::<E>)?;

    let mut theta = parameters::<E>(run.parts(&run.theta))?;
    let mut optimiser = configuration.clone().build(&theta)?;
    for (step, (gradient, &loss)) in run.gradients.iter().zip(&run.losses).enumerate() {
        if step == 5 {
            let text = serde_json::to_string(&optimiser.checkpoint()?)?;
            drop(optimiser);
            optimiser = serde_json::from_str::<Checkpoint<R>>(&text)?.restore(&theta)?;
            prop_assert_eq!(optimiser.steps().unwrap(), 5);
        }
        optimiser.step(&mut theta, &Covector(parameters(run.parts(gradient))?), loss)?;
    }
    let bits = |values: &[E]| values.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
    prop_assert_eq!(bits(theta.as_slice()), bits(&whole));
    Ok(())
}

/// Exactly ten steps.
fn ten_steps() -> impl Strategy<Value = Trajectory> {
    (
        trajectories(20, 1, 0.5..5.0, -5..6),
        prop::collection::vec(-3.0..3.0_f64, 200),
        prop::collection::vec(0.5..5.0_f64, 10),
    )
        .prop_map(|(run, numbers, losses)| {
            let gradients = numbers.chunks(20).map(|chunk| chunk[..run.theta.len()].to_vec()).collect();
            Trajectory { gradients, losses, ..run }
        })
}

macro_rules! five_steps_saved_and_loaded_and_five_more_are_ten_bit_for_bit {
    ($($name:ident: $rule:expr),+ $(,)?) => {
        mod five_steps_saved_and_loaded_and_five_more_are_ten_bit_for_bit {
            use super::*;

            proptest! {
                #![proptest_config(cases(16))]
                $(
                    #[test]
                    fn $name(run in ten_steps()) {
                        let configuration = Configuration::new($rule, 0.1)
                            .weight_decay(0.01)
                            .group(Group::new("first", ["part000"]).learning_rate(0.3).own_metric());
                        interrupted_is_uninterrupted::<_, f64>(&configuration, &run)?;
                        interrupted_is_uninterrupted::<_, f32>(&configuration, &run)?;
                        // Halves have no room for second moments.
                        let narrow = [StateStorage::Bf16 { seed: 7 }, StateStorage::F16].into_iter();
                        let has_room = |storage: &StateStorage| storage.check_range::<_, f32>(&configuration.rule).is_ok();
                        for storage in narrow.filter(has_room) {
                            let narrow = configuration.clone().state_storage(storage);
                            interrupted_is_uninterrupted::<_, f32>(&narrow, &run)?;
                        }
                    }
                )+
            }
        }
    };
}

five_steps_saved_and_loaded_and_five_more_are_ten_bit_for_bit!(
    sgd: rules::sgd(0.9),
    sgd_ema: rules::sgd_ema(0.9),
    adam: rules::adam(),
    nadam: rules::nadam(),
    euclidean: rules::euclidean(0.1),
    euclidean_log: rules::euclidean_log(0.1),
    rmsprop: rules::rmsprop(0.1),
    rmsprop_power_with_the_full_inverse: Descent::new(RmsProp::default(), Induced::new(Power(1.3), 0.1).beta(0.7).exact(), Ema(0.9)),
    adagrad_log_with_nesterov: Descent::new(Adagrad::default(), Induced::new(Log, 0.1).beta(0.7), Nesterov(0.9)),
    quadratic_asinh_of_a_user: Descent::new(Quadratic, Induced::new(Asinh, 0.1).beta(0.7), HeavyBall(0.9)),
);

fn theta() -> Parameters<f64> {
    Parameters::new([("b", array![0.5, -1.0].into_dyn()), ("w", array![[1.0, 2.0], [3.0, 4.0]].into_dyn())]).unwrap()
}

fn saved() -> Checkpoint<rules::RmsPropInduced> {
    let mut theta = theta();
    let rule = rules::rmsprop(0.1);
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    let gradient = Covector(theta.clone());
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    optimiser.checkpoint().unwrap()
}

fn refused(change: impl FnOnce(&mut Checkpoint<rules::RmsPropInduced>)) -> Error {
    let mut checkpoint = saved();
    change(&mut checkpoint);
    checkpoint.restore(&theta()).map(|_| "accepted").unwrap_err()
}

/// The entry that a refusal names, and what it says of it.
fn entry(change: impl FnOnce(&mut Checkpoint<rules::RmsPropInduced>)) -> (String, String) {
    match refused(change) {
        Error::CheckpointEntry { entry, problem } => (entry, problem),
        error => panic!("{error}"),
    }
}

#[test]
fn a_checkpoint_that_fits_is_accepted() {
    assert_eq!(saved().restore(&theta()).unwrap().checkpoint().unwrap(), saved());
}

#[test]
fn schedules_survive_a_checkpoint() {
    let mut optimiser = saved().restore(&theta()).unwrap();
    optimiser.set_learning_rate("default", 0.7).unwrap();
    optimiser.set_xi(3.0).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap().restore(&theta()).unwrap().checkpoint().unwrap();
    assert_eq!((checkpoint.learning_rates, checkpoint.xi), (vec![0.7], vec![3.0]));
}

#[test]
fn a_checkpoint_of_another_version_or_rule_is_refused() {
    let error = refused(|checkpoint| checkpoint.version = 99);
    assert!(matches!(error, Error::CheckpointVersion { found: 99, supported: 2 }), "{error}");
    let error = refused(|checkpoint| checkpoint.rule_name = "Descent(Euclidean, Flat, Ema)".to_owned());
    assert!(
        matches!(&error, Error::CheckpointRule { found, .. } if found == "Descent(Euclidean, Flat, Ema)"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_of_other_parameters_is_refused_and_the_parameter_is_named() {
    let error = refused(|checkpoint| drop(checkpoint.parameters.remove("w")));
    assert!(matches!(&error, Error::MissingParameter { name, .. } if name == "w"), "{error}");
    let error = refused(|checkpoint| {
        let copy = checkpoint.parameters["w"].clone();
        checkpoint.parameters.insert("v".to_owned(), copy);
    });
    assert!(matches!(&error, Error::UnknownParameter { name, .. } if name == "v"), "{error}");
    let error = refused(|checkpoint| checkpoint.parameters.get_mut("w").unwrap().shape = vec![4]);
    let Error::Shape { name, expected, found } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), expected, found), ("w", vec![2, 2], vec![4]));
}

#[test]
fn a_state_that_is_missing_too_much_of_another_length_or_not_finite_is_refused_and_named() {
    let slot = "parameters[w].state.metric";
    let state = |checkpoint: &mut Checkpoint<_>, change: fn(&mut Vec<f64>)| {
        let saved: &mut ambient_metric::space::SavedParameter = checkpoint.parameters.get_mut("w").unwrap();
        let Some(Numbers::F64(values)) = saved.state.get_mut("metric") else { panic!("the state is not of f64") };
        change(values);
    };
    let missing = entry(|checkpoint| drop(checkpoint.parameters.get_mut("w").unwrap().state.remove("metric")));
    assert_eq!(missing, (slot.to_owned(), "is missing".to_owned()));
    let extra = entry(|checkpoint| {
        drop(checkpoint.parameters.get_mut("w").unwrap().state.insert("x".into(), Numbers::F64(vec![])));
    });
    assert_eq!(extra.0, "parameters[w].state.x");
    let short = entry(|checkpoint| state(checkpoint, |values| values.truncate(3)));
    assert_eq!(short, (slot.to_owned(), "has 3 values where 4 are needed".to_owned()));
    for wrong in [|values: &mut Vec<f64>| values[2] = f64::NAN, |values: &mut Vec<f64>| values[2] = f64::INFINITY] {
        let (found, problem) = entry(|checkpoint| state(checkpoint, wrong));
        assert_eq!(found, slot);
        assert!(problem.contains("not finite"), "{problem}");
    }
}

#[test]
fn a_memory_that_is_missing_too_short_or_not_finite_is_refused_and_named() {
    assert_eq!(entry(|checkpoint| checkpoint.memory.clear()).0, "memory");
    let first = |checkpoint: &Checkpoint<rules::RmsPropInduced>| checkpoint.memory[0].keys().next().unwrap().clone();
    let name = first(&saved());
    assert_eq!(entry(|checkpoint| assert!(checkpoint.memory[0].remove(&name).is_some())).0, "memory[0]");
    let (found, problem) = entry(|checkpoint| assert!(checkpoint.memory[0].insert(name.clone(), f64::NAN).is_some()));
    assert_eq!(found, format!("memory[0].{name}"));
    assert!(problem.contains("not finite"), "{problem}");
    assert_eq!(entry(|checkpoint| checkpoint.learning_rates.clear()).0, "learning_rates");
    assert_eq!(entry(|checkpoint| checkpoint.xi.clear()).0, "xi");
    let error = refused(|checkpoint| checkpoint.xi = vec![-1.0]);
    assert!(matches!(error, Error::Hyperparameter { name: "xi", .. }), "{error}");
}

#[test]
fn a_value_that_the_stored_type_cannot_hold_is_refused() {
    let mut checkpoint = saved();
    checkpoint.parameters.get_mut("w").unwrap().state.insert("metric".into(), Numbers::F64(vec![1e300; 4]));
    let narrow = |name| theta().view(name).unwrap().mapv(f32::constant);
    let theta = Parameters::new([("b", narrow("b")), ("w", narrow("w"))]).unwrap();
    let error = checkpoint.restore(&theta).map(|_| "accepted").unwrap_err();
    assert!(matches!(&error, Error::CheckpointEntry { entry, .. } if entry == "parameters[w].state.metric"), "{error}");
}
