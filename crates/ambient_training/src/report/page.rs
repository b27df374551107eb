//! The report as Markdown and as a page of HTML.

use std::fmt::Write as _;
use std::path::Path;

use ambient_studies::error::Error;
use ambient_studies::files::lock::{Lock, Purpose};
use ambient_studies::present::page;
use ambient_studies::rules::hyperparameters::Hyperparameters;

use super::groups::{Group, Summary};
use super::pictures::{curves, curves_name, epochs, epochs_name};
use crate::files::write_whole;
use crate::optimisers::{paper_label, paper_score};
use crate::outcome::Outcome;
use crate::task::Task;

/// The files that are written.
pub const MARKDOWN: &str = "report.md";
/// The page.
pub const PAGE: &str = "report.html";

/// What stands beside every table.
const READING: &str = "The paper's \"validation\" is the test set and its score the best epoch on it; its tables take the best runs of a search, so they mix \
configurations and seeds. The tables after that manner are here to be compared with the paper's. The honest ones repeat one configuration over seeds: the score after \
the last epoch, and, where examples of the training set were held out, the test score after the epoch that was best on those; intervals are 95 % for the mean, after Student.";

/// A table: a title, its columns and its rows.
struct Table {
    title: String,
    note: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Writes report and pictures into a folder, and returns the Markdown.
///
/// # Errors
///
/// [`Error::Write`], [`Error::Picture`], and [`Error::Busy`] where another report is being written there.
pub fn write(groups: &[Group], best: usize, folder: &Path) -> Result<String, Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    let _lock = Lock::take(folder, Purpose::Report)?;
    let mut markdown = format!("# Training\n\n{READING}\n");
    let mut html = format!("{}<h1>Training</h1>\n<p>{}</p>\n", page::head("Training", ""), page::escape(READING));
    for task in [Task::Regression, Task::Mnist, Task::Cifar10, Task::Shakespeare] {
        let of_task: Vec<&Group> = groups.iter().filter(|group| group.task == task).collect();
        if of_task.is_empty() {
            continue;
        }
        let _ = write!(markdown, "\n## {task}\n");
        let _ = writeln!(html, "<section><h2>{task}</h2>");
        for table in [swept(task, &of_task, best), honest(task, &of_task)].into_iter().flatten() {
            markdown.push_str(&table.markdown());
            html.push_str(&table.html());
        }
        let _ = writeln!(html, "<div class=\"pair\">");
        for (name, picture) in
            [(curves_name(task), curves(task, &of_task)?), (epochs_name(task), epochs(task, &of_task, best)?)]
        {
            write_whole(&folder.join(&name), picture.as_bytes())?;
            let _ = write!(markdown, "\n![{name}]({name})\n");
            let _ = writeln!(html, "<figure>{}</figure>", page::inline(&picture, &name));
        }
        let _ = writeln!(html, "</div></section>");
    }
    html.push_str("</main>\n</body>\n</html>\n");
    write_whole(&folder.join(MARKDOWN), markdown.as_bytes())?;
    write_whole(&folder.join(PAGE), html.as_bytes())?;
    Ok(markdown)
}

/// As many digits as a task's scores deserve.
fn digits(task: Task, score: f64) -> String {
    if task == Task::Shakespeare { format!("{score:.3}") } else { format!("{score:.5}") }
}

/// The table after the paper's manner.
fn swept(task: Task, groups: &[&Group], best: usize) -> Option<Table> {
    let row = |group: &&&Group| {
        let runs = group.best(best);
        let (first, chosen) = runs.first()?;
        let scores: Vec<f64> = runs.iter().map(|(_, epoch)| epoch.test).collect();
        let summary = Summary::of(&scores)?;
        let stopped = group.swept.iter().filter(|run| run.stopped_early).count();
        let diverged = group.swept.iter().filter(|run| run.outcome.diverged.is_some()).count();
        let paper = paper_score(task, &group.optimiser).map_or_else(
            || ["–".to_owned(), "–".to_owned()],
            |paper| {
                [format!("{} ± {}", digits(task, paper.mean), digits(task, paper.deviation)), digits(task, paper.best)]
            },
        );
        let [paper_mean, paper_best] = paper;
        let hyperparameters = &first.outcome.settings.hyperparameters;
        Some(vec![
            group.optimiser.to_string(),
            paper_label(&group.optimiser).unwrap_or("–").to_owned(),
            format!("{} ± {}", digits(task, summary.mean), digits(task, summary.deviation)),
            paper_mean,
            format!("{} (epoch {})", digits(task, chosen.test), chosen.epoch),
            paper_best,
            format!("{} / {stopped} / {diverged}", group.swept.len()),
            constants(hyperparameters),
        ])
    };
    let rows: Vec<Vec<String>> = groups.iter().filter_map(|group| row(&group)).collect();
    let epochs = groups.iter().flat_map(|group| &group.swept).map(|run| run.outcome.settings.epochs).max().unwrap_or(0);
    let most = groups.iter().map(|group| group.swept.len()).max().unwrap_or(0);
    let taken = if most > best { format!("the best {best} runs") } else { "all runs".to_owned() };
    let is_held_out = |group: &&Group| group.swept.iter().any(|run| run.outcome.settings.validation > 0);
    let held = if groups.iter().any(is_held_out) {
        " Where examples were held out, runs and epochs are chosen by the score on those, and the test score of that epoch is given."
    } else {
        ""
    };
    (!rows.is_empty()).then(|| Table {
        title: format!("Sweep: best test {} of a run", task.score()),
        note: format!(
            "Mean ± standard deviation of {taken} (the paper: the best 50 of several hundred), runs of {epochs} epochs (the paper: {}).{held}",
            task.epochs()
        ),
        head: vec!["optimiser", "paper", "here", "paper's", "best run", "paper's best", "runs / stopped early / diverged", "configuration of the best run"],
        rows,
    })
}

/// All constants of a configuration.
fn constants(hyperparameters: &Hyperparameters) -> String {
    let mut text = format!("learning_rate {:.6}", hyperparameters.learning_rate);
    for name in ["momentum", "b1", "b2", "xi", "beta", "beta_rms", "weight_decay"] {
        if let Some(value) = hyperparameters.value(name) {
            let _ = write!(text, ", {name} {value:.4e}");
        }
    }
    text
}

/// The honest table.
fn honest(task: Task, groups: &[&Group]) -> Option<Table> {
    let cell = |runs: &[&Outcome], score: fn(&Outcome) -> Option<f64>| {
        let scores: Vec<f64> = runs.iter().filter_map(|run| score(run)).filter(|score| score.is_finite()).collect();
        match Summary::of(&scores) {
            None => "–".to_owned(),
            Some(summary) => {
                let interval = summary.interval().map_or_else(String::new, |half| format!(" ± {}", digits(task, half)));
                format!("{}{interval}", digits(task, summary.mean))
            }
        }
    };
    let mut rows = Vec::new();
    for group in groups {
        // Runs of one configuration; with examples held out they train on fewer and are counted apart.
        let mut left: Vec<&Outcome> = group.repeated.iter().collect();
        while let Some(first) = left.first().copied() {
            let is_alike = |run: &&Outcome| {
                let (a, b) = (&run.settings, &first.settings);
                a.hyperparameters == b.hyperparameters
                    && (a.validation, a.epochs, a.batch, &a.data) == (b.validation, b.epochs, b.batch, &b.data)
            };
            let (alike, others): (Vec<&Outcome>, Vec<&Outcome>) = left.into_iter().partition(is_alike);
            left = others;
            let diverged = alike.iter().filter(|run| run.diverged.is_some()).count();
            rows.push(vec![
                group.optimiser.to_string(),
                if diverged > 0 { format!("{} ({diverged} diverged)", alike.len()) } else { alike.len().to_string() },
                first.settings.validation.to_string(),
                cell(&alike, |run| run.honest),
                cell(&alike, |run| Some(run.last)),
                cell(&alike, |run| Some(run.best)),
                first.settings.epochs.to_string(),
                constants(&first.settings.hyperparameters),
            ]);
        }
    }
    (!rows.is_empty()).then(|| Table {
        title: format!("One configuration over seeds: test {}", task.score()),
        note: "Mean and 95 % interval over seeds.".to_owned(),
        head: vec![
            "optimiser",
            "seeds",
            "held out",
            "epoch chosen on those held out",
            "last epoch",
            "best epoch (the paper's manner)",
            "epochs",
            "configuration",
        ],
        rows,
    })
}

impl Table {
    fn markdown(&self) -> String {
        let mut text = format!("\n### {}\n\n{}\n\n", self.title, self.note);
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        text.push_str(&line(self.head.iter().map(|cell| (*cell).to_owned()).collect()));
        text.push_str(&line(self.head.iter().map(|_| "---".to_owned()).collect()));
        for row in &self.rows {
            text.push_str(&line(row.clone()));
        }
        text
    }

    fn html(&self) -> String {
        let cell = |tag: &str, cell: &str| format!("<{tag}>{}</{tag}>", page::escape(cell));
        let mut text = format!(
            "<h3>{}</h3>\n<p>{}</p>\n<div class=\"wide\"><table>\n<thead><tr>",
            page::escape(&self.title),
            page::escape(&self.note)
        );
        text.extend(self.head.iter().map(|head| cell("th", head)));
        text.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            text.push_str("<tr>");
            text.extend(row.iter().map(|content| cell("td", content)));
            text.push_str("</tr>\n");
        }
        text + "</tbody></table></div>\n"
    }
}
