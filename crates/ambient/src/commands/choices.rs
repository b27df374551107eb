//! Choices by name.

use ambient_studies::error::Error;
use ambient_studies::machines::choice::Backend;
use ambient_studies::machines::machine::Precision;
use ambient_studies::present::print::Format;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// How results are printed.
pub(super) const FORMATS: [(&str, &str, Format); 2] =
    [("table", "For readers", Format::Table), ("json", "For programs", Format::Json)];

/// The numbers that parameters, gradients and state are stored in.
pub(super) const PRECISIONS: [(&str, &str, Precision); 2] =
    [("f32", "Single precision", Precision::F32), ("f64", "Double precision; not every device has it", Precision::F64)];

/// What runs the steps.
pub(super) const BACKENDS: [(&str, &str, Backend); 2] =
    [("ndarray", "The CPU", Backend::Ndarray), ("wgpu", "A device with Vulkan, Metal or DirectX 12", Backend::Wgpu)];

/// What reads one of some choices: of each its name, what help says of it, and what it stands for.
pub(super) fn choice<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let values = choices.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(values).try_map(|name| {
        let found = choices.iter().find(|(known, ..)| *known == name);
        found.map(|(.., chosen)| *chosen).ok_or("is none of these")
    })
}

/// What is given, with commas between: each once, or all of these where nothing is given. Commas in brackets belong to a name.
pub(super) fn names<T: PartialEq>(
    given: Option<&str>,
    all: &[&str],
    read: impl Fn(&str) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let names = given.map_or_else(|| all.to_vec(), apart);
    let mut chosen = Vec::new();
    for name in names {
        let parsed = read(name.trim())?;
        if !chosen.contains(&parsed) {
            chosen.push(parsed);
        }
    }
    Ok(chosen)
}

/// What stands between commas that are in no brackets.
fn apart(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let is_between = |letter: char| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    text.split(is_between).collect()
}
