//! Rules written out: every one in every form, with the kernels that devices run.

use ambient_metric::Rule;
use ambient_metric_trace::shader::kernels;
use ambient_studies::error::Error;
use ambient_studies::explain::{Form, Request, explain};
use ambient_studies::machines::machine::Precision;
use ambient_studies::rules::hyperparameters::Constants;
use ambient_studies::rules::optimisers::Named;
use ambient_studies::rules::surface::Surface;
use ambient_studies::rules::variant::Variant;
use ambient_studies::rules::with_rule::WithRule;

fn every_rule() -> Vec<Named> {
    let variants = Variant::all().into_iter().filter(|variant| variant.is_fused()).map(Named::Variant);
    Named::ALL.into_iter().chain(Surface::all().into_iter().map(Named::Induced)).chain(variants).collect()
}

fn written(named: Named, form: Form, precision: Precision) -> String {
    explain(&Request { named, constants: Constants::default(), form, precision }).unwrap()
}

#[test]
fn every_rule_in_every_form_updates_the_parameters() {
    for named in every_rule() {
        for precision in [Precision::F32, Precision::F64] {
            for (form, update, comment) in [
                (Form::Text, "parameter ← ", "#"),
                (Form::Latex, r"\theta &\leftarrow ", "%"),
                (Form::Wgsl, "elements_of_parameter[start_of_parameter + i] = ", "//"),
            ] {
                let text = written(named, form, precision);
                assert!(text.contains(update), "{named} {form:?}: {text}");
                assert!(text.starts_with(&format!("{comment} {named} with ")), "{text}");
                for act in ["measure: ", "damp: ", "advance: "] {
                    assert!(text.lines().any(|line| line.starts_with(&format!("{comment} {act}"))), "{text}");
                }
                assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
            }
        }
    }
}

/// The kernels of a rule, one after the other.
struct Kernels {
    double: bool,
}

impl WithRule for Kernels {
    type Output = Vec<(&'static str, String)>;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Self::Output, Error> {
        Ok(kernels(&rule, self.double))
    }
}

#[test]
fn wgsl_is_the_kernels_of_a_device_and_comments() {
    for named in every_rule() {
        for (precision, double) in [(Precision::F32, false), (Precision::F64, true)] {
            let mut text = written(named, Form::Wgsl, precision);
            let kernels = named.rule(&named.with(&Constants::default()), Kernels { double }).unwrap();
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
    let text = written(Named::Adam, Form::Text, Precision::F32);
    assert!(text.contains("measure: every parameter once, summed; 4 bytes per parameter in f32"), "{text}");
    // θ, m, ρ and l are read; θ, m and ρ are stored.
    assert!(text.contains("advance: every parameter once, stored; 28 bytes per parameter in f32"), "{text}");
    assert!(text.contains("damp: scalars, once a step; 0 bytes"), "{text}");
    assert!(written(Named::Adam, Form::Text, Precision::F64).contains("56 bytes per parameter in f64"));
}

#[test]
fn constants_appear_where_they_are_used() {
    let constants = Constants { momentum: Some(0.625), ..Constants::default() };
    let request = Request { named: Named::Sgd, constants, form: Form::Text, precision: Precision::F32 };
    assert!(explain(&request).unwrap().contains("0.625 * state.momentum"));
    let refused = Constants { momentum: Some(1.5), ..Constants::default() };
    assert!(explain(&Request { constants: refused, ..request }).unwrap_err().to_string().contains("momentum"));
}

#[test]
fn what_is_made_of_whole_tensors_has_no_acts_and_says_where_it_runs() {
    for named in Variant::all().into_iter().filter(|variant| !variant.is_fused()).map(Named::Variant) {
        let request = Request { named, constants: Constants::default(), form: Form::Text, precision: Precision::F32 };
        let said = explain(&request).unwrap_err().to_string();
        assert!(said.contains("whole"), "{said}");
    }
}
