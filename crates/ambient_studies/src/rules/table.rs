//! The library's table of names, for readers and programs.

use std::fmt::Write as _;

use ambient_metric::any::{About, Kind, Range, TABLE};
use comfy_table::ContentArrangement;
use serde::Serialize;

use crate::present::table::new_table;

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The name in the grammar.
    pub name: &'static str,
    /// What it is: an embedding, a base metric, an ambient metric, a momentum, a wrapper or a rule.
    pub kind: &'static str,
    /// The same, of wrappers with what they go around: a clip, a wrapper of the gradient or of the step, or an evaluation point.
    pub place: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Its numbers, in their order.
    pub constants: Vec<Constant>,
    /// Words that may stand among them.
    pub options: &'static [&'static str],
    /// The parts that it is put together from, in words.
    pub parts: &'static str,
}

/// A number of a line.
#[derive(Clone, Debug, Serialize)]
pub struct Constant {
    /// Its name in the grammar.
    pub name: &'static str,
    /// What it is where nothing is written.
    pub default: f64,
    /// What it may be, as an interval.
    pub range: String,
}

/// All lines, in the table's order.
pub fn lines() -> impl Iterator<Item = Line> {
    TABLE.iter().map(|&About { name, kind, summary, source, constants, options, parts }| {
        let constants = constants.iter().map(|constant| {
            let range = |range: Range| range.to_string();
            Constant { name: constant.name, default: constant.default, range: range(constant.range) }
        });
        let is_wrapper = matches!(kind, Kind::Clip | Kind::Gradient | Kind::Wrapper | Kind::EvaluationPoint);
        let (place, kind) = (kind.name(), if is_wrapper { "wrapper" } else { kind.name() });
        Line { name, kind, place, summary, source, constants: constants.collect(), options, parts }
    })
}

/// How wide the tables are, in characters.
const WIDTH: u16 = 150;

/// The lines for readers: a table for every kind.
#[must_use]
pub fn table(lines: &[Line]) -> String {
    let kinds = [
        (Kind::Rule, "Rules"),
        (Kind::BaseMetric, "Base metrics"),
        (Kind::Embedding, "Embeddings"),
        (Kind::AmbientMetric, "Ambient metrics"),
        (Kind::Momentum, "Momenta, behind a plus"),
        (Kind::Gradient, "What is done to gradients, behind a plus"),
        (Kind::Wrapper, "What is done to steps, behind a plus"),
        (Kind::EvaluationPoint, "Evaluation points, behind a plus"),
        (Kind::Clip, "Clips, in `clipped`"),
    ];
    let mut text = String::new();
    for (kind, title) in kinds {
        let mut table = new_table(&["name", "constants", "summary", "source"]);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        for line in lines.iter().filter(|line| line.place == kind.name()) {
            let inside: Vec<&str> = [line.parts]
                .into_iter()
                .filter(|parts| !parts.is_empty())
                .chain(line.options.iter().copied())
                .collect();
            let name =
                if inside.is_empty() { line.name.to_owned() } else { format!("{}({})", line.name, inside.join(", ")) };
            let constants = line
                .constants
                .iter()
                .map(|Constant { name, default, range }| format!("{name} = {default:?} in {range}"));
            table.add_row([
                name,
                constants.collect::<Vec<_>>().join("\n"),
                line.summary.to_owned(),
                line.source.to_owned(),
            ]);
        }
        let _ = writeln!(text, "{title}\n{table}\n");
    }
    text
}
