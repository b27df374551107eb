//! The low-dimensional study: runs, the grid, and the selection of the best.

use ambient_metric::{BaseMetric, Rule};
use ambient_metric_ndarray::Parameters;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::functions::Function;
use crate::optimisers::{Hyperparameters, Named, WithRule};
use crate::reference::{Paper, Published, Reproducibility};
use crate::stepping::{self, Step, Whole};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether the value fell to the tolerance.
    pub converged: bool,
    /// How many updates were done.
    pub iterations: u32,
    /// The last finite value.
    pub final_value: f64,
}

ambient_metric::known_keys! { Outcome { converged, iterations, final_value } }

impl Outcome {
    /// Whether this beats another: converged before not, then fewer updates; of runs that did not converge, the lower value.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        match (self.converged, other.converged) {
            (true, true) => self.iterations < other.iterations,
            (false, false) => self.final_value < other.final_value,
            (converged, _) => converged,
        }
    }
}

/// Every point that a run visited and the value there, the start first.
pub type Track = Vec<([f64; 2], f64)>;

/// One run: which function from where, with which optimiser, and when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The function to be minimised.
    pub function: Function,
    /// Where the run begins.
    pub start: [f64; 2],
    /// The value at which it has converged.
    pub tolerance: f64,
    /// After how many updates it ends.
    pub max_iterations: u32,
    /// The optimiser.
    pub optimiser: Named,
    /// The optimiser's constants.
    pub config: Hyperparameters,
}

impl Run {
    /// Runs to the end.
    ///
    /// A step that the library refuses (an overflow, a gradient that is not finite) ends the run as not converged.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], and [`Error::Library`] for constants outside their range.
    pub fn outcome(&self) -> Result<Outcome, Error> {
        self.optimiser.rule(&self.config, Descending { run: self, visit: |_, _| {} })
    }

    /// Runs to the end and keeps every point.
    ///
    /// # Errors
    ///
    /// Those of [`outcome`](Self::outcome).
    pub fn track(&self) -> Result<(Outcome, Track), Error> {
        let mut track = Track::new();
        let outcome = self
            .optimiser
            .rule(&self.config, Descending { run: self, visit: |point, value| track.push((point, value)) })?;
        Ok((outcome, track))
    }
}

/// A run that waits for its rule.
struct Descending<'a, V> {
    run: &'a Run,
    visit: V,
}

impl<V: FnMut([f64; 2], f64)> WithRule for Descending<'_, V> {
    type Output = Outcome;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Outcome, Error> {
        let Run { function, start, config, .. } = self.run;
        let step = stepping::fused(rule, *function, *start, config)?;
        Ok(descend(self.run, step, self.visit))
    }

    fn whole<M>(self, rule: Whole<M>) -> Result<Outcome, Error>
    where
        M: BaseMetric<Parameters<f64>, State: Clone> + 'static,
    {
        let step = stepping::whole(rule, self.run.start, &self.run.config)?;
        Ok(descend(self.run, step, self.visit))
    }

    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        Some(self.run.function.hessian(self.run.start))
    }
}

/// Steps from the start to the end. A step that is refused ends the run as not converged.
fn descend(run: &Run, mut step: Step<'_>, mut visit: impl FnMut([f64; 2], f64)) -> Outcome {
    let Run { function, start, tolerance, max_iterations, .. } = *run;
    let mut point = start;
    let (mut value, mut slopes) = function.value_and_gradient(start);
    let mut outcome = Outcome { converged: false, iterations: 0, final_value: value };
    visit(start, value);
    while outcome.iterations < max_iterations && !outcome.converged {
        let Ok((next, _)) = step(point, value, slopes) else { break };
        point = next;
        (value, slopes) = function.value_and_gradient(point);
        outcome.iterations += 1;
        if !value.is_finite() {
            break;
        }
        visit(point, value);
        outcome.final_value = value;
        outcome.converged = value <= tolerance;
    }
    outcome
}

/// One function and optimiser: our best beside the paper's.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The function.
    pub function: Function,
    /// The optimiser.
    pub optimiser: Named,
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
    pub optimisers: Vec<Named>,
}

impl Default for Selection {
    /// The whole of it.
    fn default() -> Self {
        Self { functions: Function::ALL.to_vec(), optimisers: Named::STUDIED.to_vec() }
    }
}

impl Selection {
    /// Every pair of a function and an optimiser.
    pub fn pairs(&self) -> impl Iterator<Item = (Function, Named)> {
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
pub fn run(paper: &Paper, function: Function, optimiser: Named, config: Hyperparameters) -> Result<Run, Error> {
    let facts = paper.facts(function)?;
    Ok(Run {
        function,
        start: facts.start,
        tolerance: facts.tolerance,
        max_iterations: paper.max_iterations,
        optimiser,
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
            runs.push(run(paper, function, optimiser, config)?);
        }
    }
    let outcomes: Vec<Outcome> = runs
        .par_iter()
        .map(|run| {
            let outcome = run.outcome();
            done();
            outcome
        })
        .collect::<Result<_, _>>()?;

    let mut cells = Vec::new();
    for (function, optimiser) in selection.pairs() {
        let here = runs.iter().zip(&outcomes).filter(|(run, _)| run.function == function && run.optimiser == optimiser);
        // The first stays where two are equal.
        let best = here.reduce(|best, next| if next.1.beats(best.1) { next } else { best });
        let published = paper.published(function, optimiser)?;
        if let Some((run, &outcome)) = best {
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
