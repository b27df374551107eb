//! The command `ambient explain`: what a rule reads, writes and computes, from its own trace.

use std::fmt::Write as _;

use ambient_metric::Rule;
use ambient_metric::rule::Advance;
use ambient_metric_trace::shader::kernels;
use ambient_metric_trace::{Notation, Recording, Slot};

use crate::error::Error;
use crate::machines::machine::Precision;
use crate::rules::hyperparameters::Constants;
use crate::rules::optimisers::Named;
use crate::rules::with_rule::WithRule;

/// How a rule is written out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Assignments, one a line
    Text,
    /// Formulas in the letters of the paper
    Latex,
    /// The kernels that a device runs
    Wgsl,
}

impl Form {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Text, Self::Latex, Self::Wgsl];

    /// What makes a line a comment.
    fn comment(self) -> &'static str {
        match self {
            Self::Text => "# ",
            Self::Latex => "% ",
            Self::Wgsl => "// ",
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The rule.
    pub named: Named,
    /// Its constants.
    pub constants: Constants,
    /// How it is written out.
    pub form: Form,
    /// The numbers that bytes are counted in.
    pub precision: Precision,
}

/// Writes a rule out: what each act moves, then each act.
///
/// # Errors
///
/// [`Error::Hyperparameter`] for a constant that the rule does not have, [`Error::Option`] for one outside its range.
pub fn explain(request: &Request) -> Result<String, Error> {
    let hyperparameters = request.named.with(&request.constants);
    let title = format!("{} with {}", request.named, hyperparameters.listed());
    let explaining = Explaining { title, form: request.form, precision: request.precision };
    request.named.rule(&hyperparameters, explaining).map_err(|error| match error {
        Error::Library(ambient_metric::Error::Hyperparameter { value, requirement, .. }) => {
            match hyperparameters.blamed(value).and_then(option) {
                Some(option) => Error::Option { option, problem: format!("is {value:?}: {requirement}") },
                None => error,
            }
        }
        other => other,
    })
}

/// The option that gives a constant.
fn option(constant: &str) -> Option<&'static str> {
    Some(match constant {
        "momentum" | "b1" => "--momentum",
        "beta" => "--beta",
        "beta_rms" | "b2" => "--beta-rms",
        "xi" => "--xi",
        "eps" => "--eps",
        "kappa" => "--kappa",
        _ => return None,
    })
}

/// A form that waits for its rule.
struct Explaining {
    title: String,
    form: Form,
    precision: Precision,
}

impl WithRule for Explaining {
    type Output = String;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<String, Error> {
        rule.validate()?;
        let acts = [
            ("measure", Recording::measure(&rule)),
            ("damp", Recording::damp(&rule)),
            ("advance", Recording::update(&Advance(&rule))),
        ];
        let comment = self.form.comment();
        let mut text = format!("{comment}{}: {}\n", self.title, rule.name());
        for (act, recording) in &acts {
            for line in self.traffic(act, recording).lines() {
                let _ = writeln!(text, "{}", format!("{comment}{line}").trim_end());
            }
        }
        let notation = match self.form {
            Form::Text => Notation::Text,
            Form::Latex => Notation::Latex,
            Form::Wgsl => {
                for (kernel, listing) in kernels(&rule, self.precision == Precision::F64) {
                    let _ = write!(text, "\n{comment}{kernel}\n{listing}");
                }
                return Ok(text);
            }
        };
        for (act, recording) in &acts {
            let _ = write!(text, "\n{comment}{act}\n{}", recording.print(notation));
        }
        Ok(text)
    }
}

impl Explaining {
    /// What an act reads and writes, and how many bytes of it per parameter.
    fn traffic(&self, act: &str, recording: &Recording) -> String {
        let names = |slots: Vec<&Slot>| {
            let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let uniforms: Vec<&Slot> = recording.uniforms().iter().filter(|slot| recording.needs(slot)).collect();
        let outputs: Vec<&Slot> = recording.outputs().iter().collect();
        let summed = names(outputs.clone());
        let (what, reads, writes) = match act {
            "measure" => ("every parameter once, summed", recording.reads().collect(), ("adds up", summed)),
            "damp" => ("scalars, once a step", Vec::new(), ("writes", names(outputs))),
            _ => (
                "every parameter once, stored",
                recording.reads().collect(),
                ("writes", names(recording.writes().collect())),
            ),
        };
        let (verb, written) = writes;
        let bytes = recording.bytes(self.precision.size());
        let mut text = format!("{act}: {what}; {bytes} bytes per parameter in {}\n", self.precision.name());
        if act == "damp" {
            let _ = writeln!(text, "  reads once  {}", names(uniforms));
        } else {
            let _ = writeln!(text, "  reads       {}", names(reads));
            let _ = writeln!(text, "  reads once  {}", names(uniforms));
        }
        let _ = writeln!(text, "  {verb:<11} {written}");
        text
    }
}
