//! The grid of the low-dimensional study, and the selection of the best.

use rayon::prelude::*;
use serde::Serialize;

use super::outcome::Outcome;
use super::reference::{Paper, Published, Reproducibility};
use super::run::Run;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::Studied;

/// One function and optimiser: our best beside the paper's.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The function.
    pub function: Function,
    /// The optimiser.
    pub optimiser: Studied,
    /// The best point of our own grid.
    pub config: Hyperparameters,
    /// What that came to.
    #[serde(flatten)]
    pub best: Outcome,
    /// The paper's best.
    pub paper: PaperCell,
    /// The paper's configuration, run here.
    pub replayed: Outcome,
    /// Whether the replay is what the paper printed: verdict, count and three digits of the value.
    pub matches: bool,
}

/// The paper's part of a [`Cell`].
#[derive(Clone, Debug, Serialize)]
pub struct PaperCell {
    /// The optimiser's label in the paper.
    pub label: String,
    /// The point of the grid.
    pub config: Hyperparameters,
    /// What it came to.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How far that can be expected to come out again.
    pub reproducibility: Reproducibility,
}

impl Cell {
    /// The comparison in a word: match or differs, and for cells that rounding decides, chaotic.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match (self.paper.reproducibility, self.matches) {
            (Reproducibility::Robust, true) => "match",
            (Reproducibility::Sensitive, true) => "match (sensitive)",
            (Reproducibility::Robust, false) => "differs",
            (Reproducibility::Sensitive, false) => "differs (sensitive)",
            (Reproducibility::Chaotic, _) => "chaotic",
        }
    }
}

/// Which part of the study is run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The functions, in order.
    pub functions: Vec<Function>,
    /// The optimisers, in order.
    pub optimisers: Vec<Studied>,
}

impl Default for Selection {
    /// The whole of it.
    fn default() -> Self {
        Self { functions: Function::ALL.to_vec(), optimisers: Studied::ALL.to_vec() }
    }
}

impl Selection {
    /// Every pair of a function and an optimiser.
    pub fn pairs(&self) -> impl Iterator<Item = (Function, Studied)> {
        self.functions.iter().flat_map(|&function| self.optimisers.iter().map(move |&optimiser| (function, optimiser)))
    }

    /// How many runs the grid takes.
    #[must_use]
    pub fn grid_runs(&self, paper: &Paper) -> usize {
        let configurations = self.optimisers.iter().map(|&optimiser| paper.configurations(optimiser).len());
        self.functions.len() * configurations.sum::<usize>()
    }
}

/// A run of the study proper: the paper's start and stopping rule.
///
/// # Errors
///
/// [`Error::Record`] where the paper says nothing of the function.
pub fn run(paper: &Paper, function: Function, optimiser: Studied, config: Hyperparameters) -> Result<Run, Error> {
    let facts = paper.facts(function)?;
    Ok(Run {
        function,
        start: facts.start,
        tolerance: facts.tolerance,
        max_iterations: paper.max_iterations,
        rule: optimiser.named()?.with(&config)?,
        config,
    })
}

/// Runs the grid on every core, selects the best of every cell, and replays the paper's best.
///
/// `done` is called after every run of the grid.
///
/// # Errors
///
/// Those of [`Run::outcome`].
pub fn cells(paper: &Paper, selection: &Selection, done: impl Fn() + Sync) -> Result<Vec<Cell>, Error> {
    let mut runs = Vec::new();
    for (function, optimiser) in selection.pairs() {
        for config in paper.configurations(optimiser) {
            runs.push((optimiser, run(paper, function, optimiser, config)?));
        }
    }
    let outcomes: Vec<Outcome> = runs
        .par_iter()
        .map(|(_, run)| {
            let outcome = run.outcome();
            done();
            outcome
        })
        .collect::<Result<_, _>>()?;

    let mut cells = Vec::new();
    for (function, optimiser) in selection.pairs() {
        let here = runs.iter().zip(&outcomes).filter(|((of, run), _)| run.function == function && *of == optimiser);
        // The first stays where two are equal.
        let best = here.reduce(|best, next| if next.1.beats(best.1) { next } else { best });
        let published = paper.published(function, optimiser)?;
        if let Some(((_, run), &outcome)) = best {
            cells.push(compare(paper, published, run.config, outcome)?);
        }
    }
    Ok(cells)
}

fn compare(paper: &Paper, published: &Published, config: Hyperparameters, best: Outcome) -> Result<Cell, Error> {
    let replayed = run(paper, published.function, published.optimiser, published.config)?.outcome()?;
    Ok(Cell {
        function: published.function,
        optimiser: published.optimiser,
        config,
        best,
        paper: PaperCell {
            label: published.paper_label.clone(),
            config: published.config,
            outcome: published.outcome,
            reproducibility: published.reproducibility,
        },
        replayed,
        matches: published.is_matched_by(&replayed),
    })
}
