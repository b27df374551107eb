//! Rules written out: every one in every form, with the kernels that devices run.

use ambient_metric_trace::shader::kernels;
use ambient_studies::explain::{Form, Request, explain};
use ambient_studies::machines::machine::Precision;

use crate::rules::every_fused_rule;

fn written(rule: &str, form: Form, precision: Precision) -> String {
    explain(&Request { named: rule.parse().unwrap(), form, precision }).unwrap()
}

#[test]
fn every_rule_in_every_form_updates_the_parameters() {
    for named in every_fused_rule() {
        for precision in [Precision::F32, Precision::F64] {
            for (form, update, comment) in [
                (Form::Text, "parameter ← ", "#"),
                (Form::Latex, r"\theta &\leftarrow ", "%"),
                (Form::Wgsl, "elements_of_parameter[start_of_parameter + i] = ", "//"),
            ] {
                let text = written(named.name(), form, precision);
                assert!(text.contains(update), "{named} {form:?}: {text}");
                assert!(text.starts_with(&format!("{comment} {}: Descent(", named.rule)), "{text}");
                for act in ["measure: ", "damp: ", "advance: "] {
                    assert!(text.lines().any(|line| line.starts_with(&format!("{comment} {act}"))), "{text}");
                }
                assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
            }
        }
    }
}

#[test]
fn wgsl_is_the_kernels_of_a_device_and_comments() {
    for named in every_fused_rule() {
        for (precision, double) in [(Precision::F32, false), (Precision::F64, true)] {
            let mut text = written(named.name(), Form::Wgsl, precision);
            let kernels = kernels(&named.rule.fused().unwrap(), double);
            for (name, listing) in kernels {
                let with_name = format!("\n// {name}\n{listing}");
                assert!(text.contains(&with_name), "{named} {name}");
                text = text.replacen(&with_name, "", 1);
            }
            assert!(text.lines().all(|line| line.starts_with("//")), "{text}");
        }
    }
}

#[test]
fn bytes_are_counted_in_the_precision_asked_for() {
    let text = written("adam", Form::Text, Precision::F32);
    assert!(text.contains("measure: every parameter once, summed; 4 bytes per parameter in f32"), "{text}");
    // θ, m, ρ and l are read; θ, m and ρ are stored.
    assert!(text.contains("advance: every parameter once, stored; 28 bytes per parameter in f32"), "{text}");
    assert!(text.contains("damp: scalars, once a step; 0 bytes"), "{text}");
    assert!(written("adam", Form::Text, Precision::F64).contains("56 bytes per parameter in f64"));
}

#[test]
fn constants_appear_where_they_are_used() {
    assert!(written("sgd(0.625)", Form::Text, Precision::F32).contains("0.625 * state.momentum"));
}

#[test]
fn what_is_made_of_whole_tensors_is_the_formulas_of_its_parts() {
    for (rule, parts) in [
        ("shampoo", vec!["kronecker: ", "ema: "]),
        ("muon + accumulate(2)", vec!["muon: ", "nesterov: ", "accumulate: "]),
        ("induced(dense([1, 0], [0, 1]), log) + ema", vec!["induced: ", "dense: ", "log: ", "ema: "]),
    ] {
        for (form, comment) in [(Form::Text, "#"), (Form::Latex, "%")] {
            let text = written(rule, form, Precision::F32);
            assert!(text.contains("on whole tensors") && text.lines().all(|line| line.starts_with(comment)), "{text}");
            for part in &parts {
                assert!(text.contains(&format!("\n{comment} {part}")), "{text}");
            }
        }
        let request = Request { named: rule.parse().unwrap(), form: Form::Wgsl, precision: Precision::F32 };
        let said = explain(&request).unwrap_err().to_string();
        assert!(said.contains("whole tensors"), "{said}");
    }
}

#[test]
fn what_is_done_to_gradients_is_written_out() {
    let text = written("adamw + centralised + accumulate(2) + clip_norm(0.5)", Form::Text, Precision::F32);
    for line in [
        "# before the optimiser, centralised: ",
        "# before the optimiser, accumulate: ",
        "# survey: every parameter once, summed; 4 bytes",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("0.5 / ") || text.contains("0.5/"), "{text}");
    assert!(written("adamw + mars", Form::Latex, Precision::F64).contains(r"\leftarrow"));
    let request = Request { named: "adamw + mars".parse().unwrap(), form: Form::Wgsl, precision: Precision::F32 };
    assert!(explain(&request).unwrap_err().to_string().contains("before its first act"));
}
