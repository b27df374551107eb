//! The results as tables on a terminal.

use std::fmt::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::bench::Measured;
use crate::extended::{Extended, lines};
use crate::functions::Function;
use crate::landscape::Landscape;
use crate::landscape::colour::short;
use crate::landscape::page::ending;
use crate::lowdim::Study;
use crate::machine::Adapter;
use crate::reference::Paper;
use crate::replay::Replay;
use crate::study::Outcome;

/// What has to stand beside the result of a function, if anything.
#[must_use]
pub fn remark(function: Function) -> Option<&'static str> {
    function.keeps_diagonal().then_some(
        "The start (2, 2) keeps x = y throughout: the function is symmetric, so this run is one-dimensional.",
    )
}

/// The count of updates, marked where the run did not converge.
#[must_use]
pub fn updates(outcome: &Outcome) -> String {
    if outcome.converged { outcome.iterations.to_string() } else { format!("not in {}", outcome.iterations) }
}

/// A value to three digits.
#[must_use]
pub fn value(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.2e}") }
}

/// The number of matches among the cells that can be compared, and how many those are.
#[must_use]
pub fn tally(study: &Study) -> (usize, usize) {
    let comparable = study.cells.iter().filter(|cell| cell.verdict() != "chaotic");
    (comparable.clone().filter(|cell| cell.matches).count(), comparable.count())
}

/// The study, function by function, then from random starts.
#[must_use]
pub fn study(paper: &Paper, study: &Study, functions: &[Function]) -> String {
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
                updates(&cell.best),
                value(cell.best.final_value),
                if same { "the same".to_owned() } else { cell.paper.config.brief() },
                updates(&cell.paper.outcome),
                value(cell.paper.outcome.final_value),
                updates(&cell.replayed),
                value(cell.replayed.final_value),
                cell.verdict().to_owned(),
            ]);
        }
        align(&mut table, &[2, 3, 5, 6, 7, 8]);
        let _ = writeln!(text, "{table}");
        if let Some(remark) = remark(function) {
            let _ = writeln!(text, "{remark}");
        }
        text.push('\n');
    }
    let (matched, comparable) = tally(study);
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

/// Every variant on every function: updates from the paper's start, and the share of random starts that converge.
#[must_use]
pub fn extended(extended: &Extended, functions: &[Function]) -> String {
    let names: Vec<&str> = functions.iter().map(|function| function.name()).collect();
    let mut table = new_table(&[&["", "variant"][..], &names].concat());
    let mut last = "";
    for (family, name) in lines() {
        let mut cells = vec![if family == last { "" } else { family }.to_owned(), name.to_owned()];
        last = family;
        for function in functions {
            let row = extended.row(name, *function);
            cells.push(row.map_or_else(String::new, |row| {
                let updates = if row.best.converged { row.best.iterations.to_string() } else { "–".to_owned() };
                format!("{updates} {:>5.0} %", row.success_rate * 100.0)
            }));
        }
        table.add_row(cells);
    }
    align(&mut table, &(2..2 + functions.len()).collect::<Vec<_>>());
    format!(
        "Updates of the best of a grid from the paper's start (–: not converged in {}), and the share of {} random starts (seed {}) from which \
         that configuration converges\n{table}\n{} runs in {:.1} s\n",
        extended.max_iterations, extended.starts, extended.seed, extended.runs, extended.seconds
    )
}

/// The runs on a surface.
#[must_use]
pub fn landscape(landscape: &Landscape) -> String {
    let Landscape { function, embedding, xi, start: [x, y], tolerance, at_start, runs } = landscape;
    let mut text = format!(
        "{}  from ({x}, {y}) to {tolerance:e}, on the surface h = √ξ f(L) with f = {embedding} and ξ = {xi}\n\
         at the start: loss {}, gradient {}, √det g {}, damping {}, Gaussian curvature {}\n",
        function.name(),
        short(at_start.loss),
        short(at_start.gradient_norm),
        short(at_start.volume),
        short(at_start.damping),
        short(at_start.curvature),
    );
    let header =
        ["optimiser", "configuration", "updates", "loss", "end", "effective learning rate", "way on the surface"];
    let mut table = new_table(&header);
    for run in runs {
        table.add_row([
            run.optimiser.clone(),
            run.config.brief(),
            run.updates.to_string(),
            short(run.final_value),
            ending(&run.end),
            run.effective_learning_rate
                .map_or_else(|| "–".to_owned(), |[low, high]| format!("{} to {}", short(low), short(high))),
            short(run.length),
        ]);
    }
    align(&mut table, &[2, 3, 5, 6]);
    let _ = writeln!(text, "{table}");
    text
}

/// The errors of a replay, case by case.
#[must_use]
pub fn replay(replay: &Replay) -> String {
    let mut table = new_table(&["case", "rule", "metric", "embedding", "steps", "largest error"]);
    for (index, case) in replay.cases.iter().enumerate() {
        table.add_row([
            (index + 1).to_string(),
            case.rule.clone(),
            case.metric.clone().unwrap_or_else(|| "–".to_owned()),
            case.embedding.clone().unwrap_or_else(|| "–".to_owned()),
            case.steps.to_string(),
            format!("{:.1e}", case.max_error),
        ]);
    }
    align(&mut table, &[0, 4, 5]);
    format!(
        "{table}\n{} cases on {} in {}: largest error {:.1e}\n",
        replay.cases.len(),
        replay.adapter.as_ref().map_or(replay.backend.to_owned(), |adapter| format!("{} ({adapter})", replay.backend)),
        replay.precision,
        replay.max_error
    )
}

/// The adapters of this computer.
#[must_use]
pub fn adapters(adapters: &[Adapter]) -> String {
    if adapters.is_empty() {
        return "There is no adapter: install a Vulkan, Metal or DirectX 12 driver, or Mesa's software driver.\n"
            .to_owned();
    }
    let mut table = new_table(&["name", "backend", "kind", "driver", "double precision"]);
    for adapter in adapters {
        table.add_row([
            adapter.name.clone(),
            adapter.backend.clone(),
            adapter.kind.clone(),
            adapter.driver.clone(),
            if adapter.double_precision { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{table}\n")
}

/// What steps cost.
#[must_use]
pub fn measured(measured: &Measured) -> String {
    let mut table =
        new_table(&["", "bytes", "of them measure", "kernels", "time", "bandwidth", "of the baseline", "over adamw"]);
    let speed_of = |bytes: usize, seconds: f64| bytes as f64 * measured.parameters as f64 / seconds / 1e9;
    let speed = |bytes: usize, seconds: f64| format!("{:.2} GB/s", speed_of(bytes, seconds));
    let (baseline, none) = (speed_of(measured.baseline_bytes_per_parameter, measured.baseline_seconds), String::new);
    let plain = [
        (measured.baseline, measured.baseline_bytes_per_parameter, measured.baseline_seconds),
        ("product", measured.product_bytes_per_parameter, measured.product_seconds),
    ];
    for (name, bytes, seconds) in plain {
        table.add_row([
            name.to_owned(),
            bytes.to_string(),
            none(),
            none(),
            duration(seconds),
            speed(bytes, seconds),
            format!("{:.2}", speed_of(bytes, seconds) / baseline),
            none(),
        ]);
    }
    for rule in &measured.rules {
        table.add_row([
            rule.name.clone(),
            rule.bytes_per_parameter.to_string(),
            rule.measure_bytes.to_string(),
            rule.dispatches.map_or_else(String::new, |count| count.to_string()),
            duration(rule.seconds),
            speed(rule.bytes_per_parameter, rule.seconds),
            format!("{:.2}", rule.bandwidth_ratio),
            format!("{:.2}", rule.over_adamw),
        ]);
    }
    for other in &measured.beside {
        let over = format!("{:.2}", other.over_adamw);
        table.add_row([other.name.to_owned(), none(), none(), none(), duration(other.seconds), none(), none(), over]);
    }
    align(&mut table, &[1, 2, 3, 4, 5, 6, 7]);
    let place = match (&measured.adapter, measured.threads) {
        (Some(adapter), _) => format!("on {adapter} ({})", measured.backend),
        (None, Some(1)) => format!("on one thread of the CPU ({})", measured.backend),
        (None, Some(threads)) => format!("on {threads} threads of the CPU ({})", measured.backend),
        (None, None) => format!("on {}", measured.backend),
    };
    let Measured { parameters, precision, state, .. } = measured;
    let state = if *state == "full" { String::new() } else { format!(", the state in {state},") };
    format!("One step of {parameters} parameters in {precision}{state} {place}\n{table}\n")
}

/// A time to three digits.
fn duration(seconds: f64) -> String {
    let digits = |value: f64, unit: &str| match value {
        value if value >= 100.0 => format!("{value:.0} {unit}"),
        value if value >= 10.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    };
    match seconds {
        seconds if seconds >= 1.0 => digits(seconds, "s"),
        seconds if seconds >= 1e-3 => digits(seconds * 1e3, "ms"),
        seconds => digits(seconds * 1e6, "µs"),
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn align(table: &mut Table, right: &[usize]) {
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
