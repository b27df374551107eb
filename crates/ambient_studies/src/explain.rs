//! The command `ambient explain`: what a rule reads, writes and computes, from its own trace.

use std::fmt::Write as _;

use ambient_metric::Rule;
use ambient_metric::any::{About, Kind, TABLE};
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

/// Writes a rule out: what each act moves, then each act. What is done to gradients before the optimiser is said first, by its formula. A rule over whole
/// tensors has no acts, and is the formulas of its parts.
///
/// # Errors
///
/// [`Error::Library`] for constants out of range, and for kernels of a rule that has none.
pub fn explain(request: &Request) -> Result<String, Error> {
    request.named.rule.validate()?;
    let (rule, beforehand) = request.named.rule.clone().apart();
    if !rule.is_fused() {
        return whole(request);
    }
    let rule = rule.fused()?;
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
    for preprocess in &beforehand {
        for line in formulas(&preprocess.to_string(), &[Kind::Gradient]) {
            let _ = writeln!(text, "{comment}before the optimiser, {line}");
        }
    }
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
                let problem = "it asks for a length before its first act, which the kernels of an enqueued step have no place for: leave --as wgsl out";
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

/// A rule over whole tensors: the formulas of its parts.
fn whole(request: &Request) -> Result<String, Error> {
    let rule = &request.named.rule;
    if request.form == Form::Wgsl {
        let problem = "it runs on whole tensors, by products and decompositions of matrices, for which there are no kernels here: leave --as wgsl out";
        return Err(ambient_metric::Error::NoEngine { rule: rule.name(), problem }.into());
    }
    let comment = request.form.comment();
    let mut text =
        format!("{comment}{rule}: {}\n{comment}on whole tensors, so without acts; its parts are\n", rule.name());
    for line in formulas(&rule.to_string(), &Kind::ALL) {
        let _ = writeln!(text, "{comment}{line}");
    }
    Ok(text)
}

/// What the table of names says of every name in a text: in the order of the text, each once.
fn formulas(text: &str, kinds: &[Kind]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    // Constants are written with their names before `=`, which are none of the table.
    for name in text.split([' ', '+', '(', ')', '[', ']', ',']).filter(|word| !word.contains('=')) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of_name = |name: &str| {
        let mut found: Vec<&About> =
            TABLE.iter().filter(|about| about.name == name && kinds.contains(&about.kind)).collect();
        // Of a name that a rule shares with one of its parts the part is meant, since the text has all parts.
        if found.len() > 1 {
            found.retain(|about| about.kind != Kind::Rule);
        }
        found
    };
    let line = |about: &About| format!("{}: {} ({})", about.name, about.summary, about.source);
    names.into_iter().flat_map(of_name).map(line).collect()
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
