//! The whole low-dimensional study.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use super::grid::{self, Cell, Selection};
use super::reference::Paper;
use super::starts::{self, Starts};
use ambient_studies::error::Error;
use ambient_studies::present::progress;

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

impl Study {
    /// The number of matches among the cells that can be compared, and how many those are.
    #[must_use]
    pub fn tally(&self) -> (usize, usize) {
        let comparable = self.cells.iter().filter(|cell| cell.verdict() != "chaotic");
        (comparable.clone().filter(|cell| cell.matches).count(), comparable.count())
    }
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

/// Runs the study and writes nothing.
///
/// # Errors
///
/// Those of [`grid::cells`] and [`starts::fare`].
pub fn run(paper: &Paper, request: &Request) -> Result<Study, Error> {
    let begin = Instant::now();
    let selection = &request.selection;
    let runs = selection.grid_runs(paper);
    let bar = progress::bar(runs + selection.pairs().count() * request.starts, "runs");
    let cells = grid::cells(paper, selection, || bar.inc(1))?;
    let starts = starts::fare(paper, &cells, request.starts, request.seed, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(Study { runs, replays: cells.len(), seconds: begin.elapsed().as_secs_f64(), cells, starts })
}
