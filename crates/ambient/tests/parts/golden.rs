//! Recorded trajectories of other implementations, taken again.

use ambient_replay::{Case, Replay};
use ambient_studies::error::Error;
use ambient_studies::machines::choice::Choice;
use ambient_studies::machines::machine::Precision;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("../../../ambient_replay/reference/golden_steps.json");

fn replay(cases: &[Case], precision: Precision) -> Result<Replay, Error> {
    ambient_replay::replay(cases, "golden", &Choice::cpu(precision))
}

#[test]
fn double_precision_agrees_to_1e_12_and_single_to_1e_4() {
    let cases = ambient_replay::parse(GOLDEN, "golden").unwrap();
    assert_eq!(cases.len(), 18);
    let double = replay(&cases, Precision::F64).unwrap();
    assert!(double.max_error <= 1e-12, "{}", double.max_error);
    let single = replay(&cases, Precision::F32).unwrap();
    assert!(single.max_error <= 1e-4, "{}", single.max_error);
    assert!(single.max_error > double.max_error, "single precision was not used");
}

#[test]
fn a_changed_record_is_noticed() {
    let mut cases: Value = serde_json::from_str(GOLDEN).unwrap();
    let last = cases[4]["thetas"].as_array().unwrap().len() - 1;
    cases[4]["thetas"][last]["w"][0] = json!(0.5);
    let cases = ambient_replay::parse(&cases.to_string(), "golden").unwrap();
    let replayed = replay(&cases, Precision::F64).unwrap();
    assert!(replayed.cases[4].max_error > 1e-3);
    assert!(replayed.cases[5].max_error <= 1e-12);
}

/// What is said of the golden record after `change`, by reading or by replaying it.
fn complaint(change: impl FnOnce(&mut Value)) -> String {
    let mut cases: Value = serde_json::from_str(GOLDEN).unwrap();
    change(&mut cases);
    match ambient_replay::parse(&cases.to_string(), "golden") {
        Err(error) => error.to_string(),
        Ok(cases) => replay(&cases, Precision::F64).unwrap_err().to_string(),
    }
}

macro_rules! complaints {
    ($($name:ident: $change:expr => [$($part:literal),+ $(,)?];)+) => {
        $(#[test]
        fn $name() {
            let said = complaint($change);
            $(assert!(said.contains($part), "{said:?} does not say {:?}", $part);)+
            assert_eq!(said.lines().count(), 1);
        })+
    };
}

complaints! {
    an_unknown_rule_is_named: |c| c[1]["rule"] = json!("leo") => ["case 2", "`leo`", "adamw"];
    an_unknown_metric_is_named: |c| c[0]["metric"] = json!("riemann") => ["case 1", "`riemann`", "rmsprop"];
    an_unknown_embedding_is_named: |c| c[0]["embedding"] = json!("cube") => ["case 1", "`cube`", "log"];
    an_induced_rule_needs_a_metric: |c| c[0]["metric"] = json!(null) => ["case 1", "needs a metric"];
    a_plain_rule_has_no_metric: |c| c[3]["metric"] = json!("euclidean") => ["case 4", "no metric"];
    a_shape_that_does_not_fit_is_found: |c| c[2]["shapes"]["w"] = json!([5, 5]) => ["case 3", "theta0.w", "[5, 5]", "25"];
    a_shape_beyond_counting_is_found: |c| c[2]["shapes"]["w"] = json!([u64::MAX, 3]) => ["case 3", "shapes.w"];
    an_empty_shape_beyond_counting_is_found: |c| c[2]["shapes"]["w"] = json!([0, u64::MAX, 3]) => ["case 3", "shapes.w"];
    a_short_gradient_is_found: |c| c[0]["gradients"][2]["b"] = json!([1.0]) => ["case 1", "gradients[2].b"];
    a_missing_parameter_is_found: |c| { c[0]["thetas"][1].as_object_mut().unwrap().remove("b"); } => ["thetas[1]", "`b`"];
    an_extra_parameter_is_found: |c| c[0]["theta0"]["x"] = json!([1.0]) => ["theta0", "`x`"];
    a_missing_step_is_found: |c| { c[0]["thetas"].as_array_mut().unwrap().pop(); } => ["case 1", "thetas", "20", "21"];
    no_steps_are_refused: |c| c[0]["losses"] = json!([]) => ["case 1", "no steps"];
    no_cases_are_refused: |c| *c = json!([]) => ["no cases"];
    a_missing_hyperparameter_is_named: |c| { c[0]["hyperparameters"].as_object_mut().unwrap().remove("xi"); } => ["case 1", "`xi`"];
    a_superfluous_hyperparameter_is_named: |c| c[3]["hyperparameters"]["xi"] = json!(0.1) => ["case 4", "`xi`"];
    an_unknown_hyperparameter_is_named: |c| c[3]["hyperparameters"]["zeta"] = json!(0.1) => ["zeta", "line"];
    a_hyperparameter_out_of_range_is_named: |c| c[0]["hyperparameters"]["momentum"] = json!(1.5) => ["case 1", "momentum"];
    a_loss_outside_the_domain_names_the_step: |c| c[1]["losses"][3] = json!(-1.0) => ["case 2, step 4", "Log"];
    an_empty_space_is_refused: |c| {
        c[0]["shapes"] = json!({});
        c[0]["theta0"] = json!({});
        for list in ["gradients", "thetas"] {
            c[0][list].as_array_mut().unwrap().fill(json!({}));
        }
    } => ["case 1", "empty"];
}

#[test]
fn single_precision_says_where_it_overflows() {
    let mut cases: Value = serde_json::from_str(GOLDEN).unwrap();
    cases[0]["gradients"][0]["w"][0] = json!(1e300);
    let cases = ambient_replay::parse(&cases.to_string(), "golden").unwrap();
    let said = replay(&cases, Precision::F32).unwrap_err().to_string();
    assert!(said.contains("case 1, step 1"), "{said}");
}
