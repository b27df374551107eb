//! The command `ambient lowdim`: the whole low-dimensional study, its pictures and its page.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::error::Error;
use crate::folder::{prepare, save};
use crate::page;
use crate::pictures::{self, Line};
use crate::progress;
use crate::reference::Paper;
use crate::starts::{self, Starts};
use crate::study::{self, Cell, Selection};

/// What the study came to.
#[derive(Clone, Debug, Serialize)]
pub struct Study {
    /// How many runs the grid took; replays and random starts are not counted.
    pub runs: usize,
    /// How many published configurations were replayed.
    pub replays: usize,
    /// How long all runs took, in seconds.
    pub seconds: f64,
    /// One per function and optimiser.
    pub cells: Vec<Cell>,
    /// The fairer table.
    pub starts: Starts,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which part of the study.
    pub selection: Selection,
    /// Where pictures and page go.
    pub out: PathBuf,
    /// How many random starts per function.
    pub starts: usize,
    /// The seed of the random starts.
    pub seed: u64,
}

/// The page's name in the output folder.
pub const PAGE: &str = "index.html";

/// Runs the study and writes pictures and page.
///
/// # Errors
///
/// [`Error::Write`] before the first run if the folder cannot be written, and those of the runs and pictures.
pub fn perform(paper: &Paper, request: &Request) -> Result<Study, Error> {
    let _lock = prepare(&request.out, PAGE)?;
    let study = run(paper, request)?;
    write(paper, request, &study)?;
    Ok(study)
}

/// Runs the study and writes nothing.
///
/// # Errors
///
/// Those of [`study::cells`] and [`starts::fare`].
pub fn run(paper: &Paper, request: &Request) -> Result<Study, Error> {
    let begin = Instant::now();
    let selection = &request.selection;
    let runs = selection.grid_runs(paper);
    let bar = progress::bar(runs + selection.pairs().count() * request.starts, "runs");
    let cells = study::cells(paper, selection, || bar.inc(1))?;
    let starts = starts::fare(paper, &cells, request.starts, request.seed, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(Study { runs, replays: cells.len(), seconds: begin.elapsed().as_secs_f64(), cells, starts })
}

fn write(paper: &Paper, request: &Request, study: &Study) -> Result<(), Error> {
    let mut drawn = Vec::new();
    for &function in &request.selection.functions {
        let facts = paper.facts(function)?;
        let mut lines = Vec::new();
        for cell in study.cells.iter().filter(|cell| cell.function == function) {
            let (outcome, track) = study::run(paper, function, cell.optimiser, cell.config)?.track()?;
            lines.push(Line { optimiser: cell.optimiser, outcome, track });
        }
        let values = pictures::values(function, facts, &lines)?;
        let trajectories = pictures::trajectories(function, facts, &lines)?;
        save(&request.out, &format!("{}-values.svg", function.name()), &values)?;
        save(&request.out, &format!("{}-trajectories.svg", function.name()), &trajectories)?;
        drawn.push(page::Drawn { function, values, trajectories });
    }
    save(&request.out, PAGE, &page::render(paper, study, &drawn)?)
}
