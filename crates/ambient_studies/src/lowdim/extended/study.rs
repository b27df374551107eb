//! Every variant of the library on the five functions, beside the paper's three.

use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::functions::Function;
use crate::lowdim::outcome::Outcome;
use crate::lowdim::reference::Paper;
use crate::lowdim::run::Run;
use crate::lowdim::starts::{Summary, draw};
use crate::present::progress;
use crate::rules::hyperparameters::{Constants, Hyperparameters};
use crate::rules::optimisers::Named;

const RATES_PER_DECADE: i32 = 3;
const MOMENTA: [f64; 2] = [0.0, 0.9];
const COEFFICIENTS: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];
const LEARNING: [f64; 2] = [1e-2, 1e-1];
const COUPLING: [f64; 2] = [-0.1, 0.1];

/// What is compared, by kind: rules by the names that every command knows.
pub const FAMILIES: [(&str, &[&str]); 10] = [
    ("flat", &["sgd_ema", "adam"]),
    ("paper", &["euclidean", "euclidean_log", "rmsprop"]),
    (
        "embedding",
        &["induced:euclidean:sqrt", "induced:euclidean:log1p", "induced:rmsprop:log", "induced:rmsprop:sqrt"],
    ),
    ("metric", &["induced:adagrad:identity", "induced:adagrad:log"]),
    ("placement", &["induced:euclidean:identity:exact", "induced:euclidean:log:exact", "induced:rmsprop:log:exact"]),
    (
        "learned",
        &[
            "induced:learned_scalar:identity",
            "induced:learned_scalar:log",
            "induced:learned_diagonal:identity",
            "induced:learned_diagonal:log",
        ],
    ),
    (
        "coupling",
        &[
            "coupled:euclidean:identity:gradient",
            "coupled:euclidean:identity:momentum",
            "coupled:euclidean:identity:parameters",
            "coupled:euclidean:identity:given",
            "coupled:euclidean:identity:bilinear",
        ],
    ),
    ("clipping", &["clipped:euclidean:hard", "clipped:euclidean:soft", "clipped:euclidean:root"]),
    (
        "losses",
        &["joint:euclidean:identity:2", "joint:euclidean:log:2", "joint:euclidean:log:3", "joint:euclidean:log:4"],
    ),
    (
        "matrix",
        &[
            "whole:hessian:identity",
            "whole:hessian:log",
            "whole:kronecker:identity",
            "whole:kronecker:log",
            "whole:muon:identity",
        ],
    ),
];

/// One line of the comparison.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The rule.
    pub rule: Named,
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub family: &'static str,
}

/// Every variant, in order.
///
/// # Errors
///
/// [`Error::UnknownName`] for a name that no rule has.
pub fn variants() -> Result<Vec<Variant>, Error> {
    lines().map(|(family, name)| Ok(Variant { rule: name.parse()?, name, family })).collect()
}

/// Every variant as its kind and name, in order.
pub fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().flat_map(|(family, names)| names.iter().map(move |name| (*family, *name)))
}

impl Variant {
    /// Every point of its grid: η from 10⁻⁴ to 1 in thirds of a decade, μ 0 and 0.9, ξ from 10⁻³ to 1, and two κ where it has them.
    #[must_use]
    pub fn grid(&self) -> Vec<Hyperparameters> {
        let has = |name: &str| self.rule.hyperparameters().contains(&name);
        let rates =
            (-4 * RATES_PER_DECADE..=0).map(|third| 10_f64.powf(f64::from(third) / f64::from(RATES_PER_DECADE)));
        let xis: Vec<Option<f64>> = if has("xi") { COEFFICIENTS.map(Some).to_vec() } else { vec![None] };
        let kappas: Vec<Option<f64>> = match (has("kappa"), self.family) {
            (false, _) => vec![None],
            (true, "learned") => LEARNING.map(Some).to_vec(),
            (true, _) => COUPLING.map(Some).to_vec(),
        };
        let mut points = Vec::new();
        for learning_rate in rates {
            for momentum in MOMENTA.map(Some) {
                for &xi in &xis {
                    points.extend(kappas.iter().map(|&kappa| {
                        let beta = has("beta").then_some(0.0);
                        let constants = Constants { momentum, beta, xi, kappa, ..Constants::default() };
                        Hyperparameters { learning_rate, ..self.rule.with(&constants) }
                    }));
                }
            }
        }
        points
    }
}

/// One variant on one function.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The function.
    pub function: Function,
    /// The variant.
    pub variant: &'static str,
    /// What kind it is.
    pub family: &'static str,
    /// The best point of its grid from the paper's start.
    pub point: Hyperparameters,
    /// What that came to.
    #[serde(flatten)]
    pub best: Outcome,
    /// The share of random starts from which that point converges.
    pub success_rate: f64,
    /// The median count of updates over the starts that converged.
    pub median_iterations: Option<f64>,
}

/// Every variant on every function.
#[derive(Clone, Debug, Serialize)]
pub struct Extended {
    /// How many runs were made.
    pub runs: usize,
    /// How long they took, in seconds.
    pub seconds: f64,
    /// After how many updates a run ends.
    pub max_iterations: u32,
    /// How many random starts each function has.
    pub starts: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// One per variant and function.
    pub rows: Vec<Row>,
}

impl Extended {
    /// What a variant came to on a function, if that was asked for.
    #[must_use]
    pub fn row(&self, variant: &str, function: Function) -> Option<&Row> {
        self.rows.iter().find(|row| row.variant == variant && row.function == function)
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The functions, in order.
    pub functions: Vec<Function>,
    /// Where picture and page go.
    pub out: PathBuf,
    /// How many random starts per function.
    pub starts: usize,
    /// The seed of the random starts.
    pub seed: u64,
}

/// Runs every variant on its grid and from random starts.
///
/// # Errors
///
/// What the library says of a constant out of range.
pub fn run(paper: &Paper, request: &Request) -> Result<Extended, Error> {
    let begin = Instant::now();
    let variants = variants()?;
    let grids: Vec<Vec<Hyperparameters>> = variants.iter().map(Variant::grid).collect();
    let points: usize = grids.iter().map(Vec::len).sum();
    let runs = request.functions.len() * (points + variants.len() * request.starts);
    let bar = progress::bar(runs, "runs");
    let mut rows = Vec::new();
    for &function in &request.functions {
        let facts = paper.facts(function)?;
        for (variant, grid) in variants.iter().zip(&grids) {
            let outcome = |config: Hyperparameters, start: [f64; 2]| {
                let (tolerance, max_iterations) = (facts.tolerance, paper.max_iterations);
                let run = Run { function, start, tolerance, max_iterations, optimiser: variant.rule, config };
                let outcome = run.outcome();
                bar.inc(1);
                outcome
            };
            let outcomes: Vec<Outcome> =
                grid.par_iter().map(|&point| outcome(point, facts.start)).collect::<Result<_, _>>()?;
            // The first stays where two are equal.
            let best = grid.iter().zip(outcomes).reduce(|best, next| if next.1.beats(&best.1) { next } else { best });
            let Some((&point, best)) = best else { continue };
            let from_elsewhere: Vec<Outcome> = draw(function, request.starts, request.seed)
                .into_par_iter()
                .map(|start| outcome(point, start))
                .collect::<Result<_, _>>()?;
            let Summary { success_rate, median_iterations, .. } = Summary::of(&from_elsewhere);
            let Variant { name, family, .. } = *variant;
            rows.push(Row { function, variant: name, family, point, best, success_rate, median_iterations });
        }
    }
    bar.finish_and_clear();
    Ok(Extended {
        runs,
        seconds: begin.elapsed().as_secs_f64(),
        max_iterations: paper.max_iterations,
        starts: request.starts,
        seed: request.seed,
        rows,
    })
}
