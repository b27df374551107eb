//! The command `ambient explain`: what a rule reads, writes and computes, from its own trace.

use std::fmt::Write as _;

use ambient_metric::Rule;
use ambient_metric_trace::shader::kernels;
use ambient_metric_trace::{Notation, Recording, Slot};

use crate::error::Error;
use crate::machines::machine::Precision;
use crate::rules::named::Named;

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
#[derive(Clone, Debug)]
pub struct Request {
    /// The rule.
    pub named: Named,
    /// How it is written out.
    pub form: Form,
    /// The numbers that bytes are counted in.
    pub precision: Precision,
}

/// Writes a rule out: what each act moves, then each act.
///
/// # Errors
///
/// [`Error::Library`] for constants out of range, and for a rule over whole tensors, which has no acts to be written out.
pub fn explain(request: &Request) -> Result<String, Error> {
    let rule = request.named.rule.fused()?;
    rule.validate()?;
    let mut acts: Vec<(&str, Recording)> =
        Recording::survey(&rule).map(|survey| ("survey", survey)).into_iter().collect();
    acts.extend([
        ("measure", Recording::measure(&rule)),
        ("damp", Recording::damp(&rule)),
        ("advance", Recording::advance(&rule)),
    ]);
    let comment = request.form.comment();
    let mut text = format!("{comment}{}: {}\n", request.named.rule, rule.name());
    for (act, recording) in &acts {
        for line in traffic(act, recording, request.precision).lines() {
            let _ = writeln!(text, "{}", format!("{comment}{line}").trim_end());
        }
    }
    let notation = match request.form {
        Form::Text => Notation::Text,
        Form::Latex => Notation::Latex,
        Form::Wgsl => {
            if rule.surveys() {
                let problem = "it asks for a length before its first act, which the kernels of an enqueued step have no place for: leave --form wgsl out";
                return Err(ambient_metric::Error::NoEngine { rule: rule.name(), problem }.into());
            }
            for (kernel, listing) in kernels(&rule, request.precision == Precision::F64) {
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

/// What an act reads and writes, and how many bytes of it per parameter.
fn traffic(act: &str, recording: &Recording, precision: Precision) -> String {
    let names = |slots: Vec<&Slot>| {
        let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let uniforms: Vec<&Slot> = recording.uniforms().iter().filter(|slot| recording.needs(slot)).collect();
    let outputs: Vec<&Slot> = recording.outputs().iter().collect();
    let summed = names(outputs.clone());
    let (what, reads, writes) = match act {
        "survey" | "measure" => ("every parameter once, summed", recording.reads().collect(), ("adds up", summed)),
        "damp" => ("scalars, once a step", Vec::new(), ("writes", names(outputs))),
        _ => (
            "every parameter once, stored",
            recording.reads().collect(),
            ("writes", names(recording.writes().collect())),
        ),
    };
    let (verb, written) = writes;
    let bytes = recording.bytes(precision.size());
    let mut text = format!("{act}: {what}; {bytes} bytes per parameter in {}\n", precision.name());
    if act == "damp" {
        let _ = writeln!(text, "  reads once  {}", names(uniforms));
    } else {
        let _ = writeln!(text, "  reads       {}", names(reads));
        let _ = writeln!(text, "  reads once  {}", names(uniforms));
    }
    let _ = writeln!(text, "  {verb:<11} {written}");
    text
}
