//! Recorded rules in files come back as they were, and what strangers wrote is refused or runs.

use ambient_metric::rules;
use ambient_metric_cpu::{Executed, Program, Recorded};
use ambient_metric_trace::Recording;
use proptest::prelude::*;
use serde_json::{Value, json};

fn acts() -> Vec<Recorded> {
    let all =
        [Recorded::of(&rules::sgd(0.9)), Recorded::of(&rules::rmsprop(0.1)), Recorded::of(&rules::euclidean_log(0.1))];
    all.into_iter().map(|recorded| recorded.expect("the constants are in range")).collect()
}

#[test]
fn recorded_rules_come_back_from_text() {
    for recorded in acts() {
        let text = serde_json::to_string(&recorded).expect("it is written");
        let back: Recorded = serde_json::from_str(&text).expect("it is read");
        assert_eq!(back, recorded);
        assert_eq!(back.fingerprint(), recorded.fingerprint());
        assert_eq!(serde_json::to_string(&back).expect("it is written"), text);
    }
}

/// A recording has acts for gradients alone.
#[test]
fn a_rule_that_observes_is_not_recorded() {
    use ambient_metric::base::EmpiricalFisher;
    use ambient_metric::{Descent, Error, Flat, NoMomentum};
    let refused = Recorded::of(&Descent::new(EmpiricalFisher::default(), Flat, NoMomentum));
    assert!(matches!(refused, Err(Error::NoEngine { .. })), "{refused:?}");
}

fn refused(broken: Value, with: &str) {
    let error = serde_json::from_value::<Recording>(broken).expect_err(with).to_string();
    assert!(error.contains(with), "{error}");
}

#[test]
fn recordings_that_are_none_are_refused() {
    let sgd = serde_json::to_value(Recorded::of(&rules::sgd(0.9)).expect("in range").advance()).expect("it is written");
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut broken = sgd.clone();
        change(&mut broken);
        broken
    };
    refused(broken(&|it| it["version"] = json!(7)), "version 7");
    refused(broken(&|it| it["nodes"][0] = json!({"Unary": ["Sqrt", 0]})), "not before it");
    refused(broken(&|it| it["nodes"][0] = json!({"Input": 99})), "input 99");
    refused(broken(&|it| it["outputs"][0]["id"] = json!(4_000_000)), "no number");
    refused(broken(&|it| it["inputs"][0]["id"] = json!(1)), "is");
    refused(
        broken(&|it| it["nodes"].as_array_mut().expect("a list").push(json!({"Select": [0, 0, 0]}))),
        "needs a mask",
    );
    refused(
        broken(&|it| {
            let first = it["nodes"][0].clone();
            it["nodes"].as_array_mut().expect("a list").push(first);
        }),
        "twice",
    );
    refused(
        broken(&|it| it["nodes"] = (0..=Recording::MOST_NODES).map(|bits| json!({"Constant": bits})).collect()),
        "nodes",
    );
    refused(broken(&|it| it["inputs"][0]["name"] = json!("x".repeat(5000))), "bytes in a name");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// One number of a text replaced by another: what is still accepted also runs.
    #[test]
    fn what_strangers_wrote_is_refused_or_runs(which in 0..3_usize, at in any::<prop::sample::Index>(), number in 0..40_u64) {
        let text = serde_json::to_string(&acts()[which]).expect("it is written");
        let digits: Vec<usize> = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = digits[at.index(digits.len())];
        let end = at + text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let changed = format!("{}{number}{}", &text[..at], &text[end..]);
        if let Ok(recorded) = serde_json::from_str::<Recorded>(&changed) {
            for recording in [recorded.measure(), recorded.advance()] {
                if let Ok(mut program) = Program::<f32>::sums(recording) {
                    let uniforms = vec![0.5; recording.uniforms().len()];
                    program.uniforms(&uniforms).expect("they are as many");
                    let inputs = vec![[0.25_f32; 20]; recording.inputs().len()];
                    let inputs: Vec<&[f32]> = inputs.iter().map(<[f32; 20]>::as_slice).collect();
                    program.sum(&inputs, &mut vec![0.0; recording.outputs().len()]).expect("they fit");
                }
            }
            let layout = ambient_metric::Layout::single("theta", vec![3]);
            if let Ok(mut executed) = Executed::<f64, 1>::new(&recorded, &layout) {
                let mut theta = [1.0, 2.0, 3.0];
                let rates = ambient_metric_cpu::StepRates::new(0.1, [0.1]);
                let before = theta.map(f64::to_bits);
                if executed.step(&mut [&mut theta], [&[&[0.1, 0.2, 0.3]]], [1.0], &rates).is_err() {
                    prop_assert_eq!(theta.map(f64::to_bits), before);
                }
            }
        }
    }
}
