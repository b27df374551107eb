//! The fairer table: the same best configurations from many random starts.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::grid::{self, Cell};
use super::outcome::Outcome;
use super::reference::Paper;
use super::run::Run;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::Studied;

/// How the best configurations fare from many starts.
#[derive(Clone, Debug, Serialize)]
pub struct Starts {
    /// How many starts each function has.
    pub count: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// How many runs were made.
    pub runs: usize,
    /// One row per function and optimiser.
    pub rows: Vec<Row>,
}

/// One function and optimiser over all starts.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The function.
    pub function: Function,
    /// The optimiser.
    pub optimiser: Studied,
    /// Its best configuration from the paper's start.
    pub config: Hyperparameters,
    /// Lowest and highest coordinate of a start, in both dimensions.
    pub bounds: [f64; 2],
    /// How many starts converged.
    pub successes: usize,
    /// The share of starts that converged.
    pub success_rate: f64,
    /// The median count of updates over the starts that converged.
    pub median_iterations: Option<f64>,
}

/// The starts of a function: the same for every optimiser, and whatever else is run.
#[must_use]
pub fn draw(function: Function, count: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(Function::ALL.iter().position(|other| *other == function).unwrap_or_default() as u64);
    let [low, high] = function.bounds();
    let mut coordinate = || low + (high - low) * generator.random::<f64>();
    (0..count).map(|_| [coordinate(), coordinate()]).collect()
}

/// Runs the best configuration of every cell from `count` starts per function.
///
/// # Errors
///
/// Those of [`Run::outcome`].
pub fn fare(paper: &Paper, cells: &[Cell], count: usize, seed: u64, done: impl Fn() + Sync) -> Result<Starts, Error> {
    let mut rows = Vec::new();
    for cell in cells {
        let run = grid::run(paper, cell.function, cell.optimiser, cell.config)?;
        let outcomes: Vec<_> = draw(cell.function, count, seed)
            .into_par_iter()
            .map(|start| {
                let outcome = Run { start, ..run.clone() }.outcome();
                done();
                outcome
            })
            .collect::<Result<_, _>>()?;
        let Summary { successes, success_rate, median_iterations } = Summary::of(&outcomes);
        rows.push(Row {
            function: cell.function,
            optimiser: cell.optimiser,
            config: cell.config,
            bounds: cell.function.bounds(),
            successes,
            success_rate,
            median_iterations,
        });
    }
    Ok(Starts { count, seed, runs: count * cells.len(), rows })
}

/// How runs from several starts went together.
pub(crate) struct Summary {
    /// How many converged.
    pub(crate) successes: usize,
    /// Their share; zero where there was no start.
    pub(crate) success_rate: f64,
    /// The median count of updates over those that converged.
    pub(crate) median_iterations: Option<f64>,
}

impl Summary {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let converged = outcomes.iter().filter(|outcome| outcome.converged);
        let mut iterations: Vec<u32> = converged.map(|outcome| outcome.iterations).collect();
        iterations.sort_unstable();
        let (successes, count) = (iterations.len(), outcomes.len());
        let success_rate = if count == 0 { 0.0 } else { successes as f64 / count as f64 };
        Self { successes, success_rate, median_iterations: median(&iterations) }
    }
}

/// The middle of sorted numbers, or the mean of the two in the middle.
#[must_use]
pub fn median(sorted: &[u32]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(f64::from(lower), f64::from(upper)))
}
