//! The low-dimensional study as tables.

use std::fmt::Write as _;

use super::reference::Paper;
use super::study::Study;
use ambient_studies::functions::Function;
use ambient_studies::present::table::{align, new_table, value};

/// The study, function by function, then from random starts.
#[must_use]
pub fn table(paper: &Paper, study: &Study, functions: &[Function]) -> String {
    let mut text = String::new();
    for &function in functions {
        let Ok(facts) = paper.facts(function) else { continue };
        let [x, y] = facts.start;
        let _ = writeln!(text, "{}  from ({x}, {y}) to {:e}", function.name(), facts.tolerance);
        let mut table = new_table(&[
            "optimiser",
            "best of the grid",
            "updates",
            "value",
            "paper's best",
            "updates",
            "value",
            "replayed",
            "value",
            "verdict",
        ]);
        for cell in study.cells.iter().filter(|cell| cell.function == function) {
            let same = cell.config == cell.paper.config;
            table.add_row([
                cell.optimiser.name().to_owned(),
                cell.config.brief(),
                cell.best.updates(),
                value(cell.best.final_value),
                if same { "the same".to_owned() } else { cell.paper.config.brief() },
                cell.paper.outcome.updates(),
                value(cell.paper.outcome.final_value),
                cell.replayed.updates(),
                value(cell.replayed.final_value),
                cell.verdict().to_owned(),
            ]);
        }
        align(&mut table, &[2, 3, 5, 6, 7, 8]);
        let _ = writeln!(text, "{table}");
        if let Some(remark) = function.remark() {
            let _ = writeln!(text, "{remark}");
        }
        text.push('\n');
    }
    let (matched, comparable) = study.tally();
    let _ = writeln!(
        text,
        "{} runs in {:.1} s; {matched} of {comparable} comparable cells match the paper, chaotic ones are only shown.\n",
        study.runs, study.seconds
    );

    let starts = &study.starts;
    if starts.count > 0 {
        let _ = writeln!(
            text,
            "The best configurations of the grid from {} random starts per function (seed {}), at most {} updates each",
            starts.count, starts.seed, paper.max_iterations
        );
        let mut table =
            new_table(&["function", "starts in", "optimiser", "configuration", "success", "median updates"]);
        let mut last = None;
        for row in &starts.rows {
            let [low, high] = row.bounds;
            let first = last != Some(row.function);
            last = Some(row.function);
            table.add_row([
                if first { row.function.name().to_owned() } else { String::new() },
                if first { format!("[{low}, {high}]²") } else { String::new() },
                row.optimiser.name().to_owned(),
                row.config.brief(),
                format!("{:.0} %", row.success_rate * 100.0),
                row.median_iterations.map_or("–".to_owned(), |median| median.to_string()),
            ]);
        }
        align(&mut table, &[4, 5]);
        let _ = writeln!(text, "{table}");
    }
    text
}
