//! Every variant of the library on the five functions, beside the paper's three.

use std::path::PathBuf;
use std::time::Instant;

use ambient_metric::any::{AnyBaseMetric, AnyPointwise};
use rayon::prelude::*;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::reference::Paper;
use crate::run::Run;
use crate::starts::{Summary, draw};
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::progress;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::{Named, is_given};

const RATES_PER_DECADE: i32 = 3;
const MOMENTA: [f64; 2] = [0.0, 0.9];
const COEFFICIENTS: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];
const LEARNING: [f64; 2] = [1e-2, 1e-1];
const COUPLING: [f64; 2] = [-0.1, 0.1];

/// What is compared, by kind: rules of the grammar, and `hessian` for the metric |H| + 1 with H the Hessian at the start.
pub const FAMILIES: [(&str, &[&str]); 10] = [
    ("flat", &["sgd_ema", "adam"]),
    ("paper", &["euclidean", "euclidean_log", "rmsprop"]),
    (
        "embedding",
        &[
            "induced(euclidean, sqrt) + ema",
            "induced(euclidean, log1p) + ema",
            "induced(rmsprop, log) + ema",
            "induced(rmsprop, sqrt) + ema",
        ],
    ),
    ("metric", &["induced(adagrad, identity) + ema", "induced(adagrad, log) + ema"]),
    (
        "placement",
        &[
            "induced(euclidean, identity, exact) + ema",
            "induced(euclidean, log, exact) + ema",
            "induced(rmsprop, log, exact) + ema",
        ],
    ),
    (
        "learned",
        &[
            "induced(learned_scalar, identity) + ema",
            "induced(learned_scalar, log) + ema",
            "induced(learned_diagonal, identity) + ema",
            "induced(learned_diagonal, log) + ema",
        ],
    ),
    (
        "coupling",
        &[
            "induced(euclidean, identity, along_gradient) + ema",
            "induced(euclidean, identity, along_momentum) + ema",
            "induced(euclidean, identity, along_parameters) + ema",
            "induced(euclidean, identity, given) + ema",
            "bilinear(euclidean, identity, along_gradient, along_momentum) + ema",
        ],
    ),
    (
        "clipping",
        &["clipped(euclidean, hard) + ema", "clipped(euclidean, soft) + ema", "clipped(euclidean, root) + ema"],
    ),
    (
        "losses",
        &[
            "induced(euclidean, identity, identity) + ema",
            "induced(euclidean, log, log) + ema",
            "induced(euclidean, log, log, log) + ema",
            "induced(euclidean, log, log, log, log) + ema",
        ],
    ),
    (
        "matrix",
        &[
            "induced(hessian, identity) + ema",
            "induced(hessian, log) + ema",
            "induced(kronecker, identity) + ema",
            "induced(kronecker, log) + ema",
            "induced(muon(polar, ema), identity) + ema(0)",
        ],
    ),
];

/// One line of the comparison.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The rule, as it is written in the line.
    pub name: String,
    /// What kind it is.
    pub family: &'static str,
}

/// The kind of what the user chose.
const CHOSEN: &str = "chosen";

/// Every variant as its kind and name, in order.
pub fn lines() -> impl Iterator<Item = Variant> {
    let named = |family: &'static str, name: &&str| Variant { name: (*name).to_owned(), family };
    FAMILIES.iter().flat_map(move |(family, names)| names.iter().map(move |name| named(family, name)))
}

/// Rules of the user's choice as lines of the comparison.
#[must_use]
pub fn chosen(rules: &[Named]) -> Vec<Variant> {
    rules.iter().map(|rule| Variant { name: rule.to_string(), family: CHOSEN }).collect()
}

impl Variant {
    /// The rule of the line, for runs of a function from the paper's start.
    ///
    /// # Errors
    ///
    /// [`Error::Rule`] for a line that is none.
    pub fn rule(&self, function: Function, start: [f64; 2]) -> Result<Named, Error> {
        let hessian = "hessian";
        if !self.name.contains(hessian) {
            return self.name.parse();
        }
        let [a, b] = absolute(function.hessian(start)).map(|row| format!("{row:?}"));
        self.name.replace(hessian, &format!("dense({a}, {b})")).parse()
    }

    /// Every point of a rule's grid: η from 10⁻⁴ to 1 in thirds of a decade, μ 0 and 0.9, ξ from 10⁻³ to 1, and two κ where it has them.
    #[must_use]
    pub fn grid(&self, rule: &Named) -> Vec<Hyperparameters> {
        let own = Hyperparameters::of(&rule.rule);
        let rates =
            (-4 * RATES_PER_DECADE..=0).map(|third| 10_f64.powf(f64::from(third) / f64::from(RATES_PER_DECADE)));
        let given = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let or_none = |has: bool, values: &[f64]| if has { given(values) } else { vec![None] };
        let is_learned = matches!(
            rule.rule.metric,
            AnyBaseMetric::Pointwise(AnyPointwise::LearnedScalar(_) | AnyPointwise::LearnedDiagonal(_))
        );
        let has_kappa = own.kappa.is_some() || is_given(&rule.rule);
        let (xis, kappas) = (
            or_none(own.xi.is_some(), &COEFFICIENTS),
            or_none(has_kappa, if is_learned { &LEARNING } else { &COUPLING }),
        );
        let momenta = rule.momenta(&MOMENTA);
        let mut points = Vec::new();
        for learning_rate in rates {
            for &decay in &momenta {
                for &xi in &xis {
                    points.extend(kappas.iter().map(|&kappa| Hyperparameters {
                        learning_rate,
                        momentum: own.momentum.and(decay),
                        b1: own.b1.and(decay),
                        xi,
                        beta: own.beta.map(|_| 0.0),
                        kappa,
                        ..own
                    }));
                }
            }
        }
        points
    }
}

/// |H| + 1 of a symmetric 2×2 matrix H, from its eigenvectors.
#[must_use]
pub fn absolute([[a, b], [_, d]]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let (mean, half) = (f64::midpoint(a, d), (a - d) / 2.0);
    let radius = half.hypot(b);
    let (high, low) = ((mean + radius).abs() + 1.0, (mean - radius).abs() + 1.0);
    // The mean of the two eigenvalues, and half their difference times the traceless part of H, made a unit.
    let (centre, spread) = (f64::midpoint(high, low), (high - low) / 2.0);
    let share = |entry: f64| if radius > 0.0 { spread * entry / radius } else { 0.0 };
    [[centre + share(half), share(b)], [share(b), centre - share(half)]]
}

/// One variant on one function.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The function.
    pub function: Function,
    /// The variant.
    pub variant: String,
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
    /// The variants, in order.
    pub variants: Vec<Variant>,
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
    let mut lines = Vec::new();
    for &function in &request.functions {
        let facts = paper.facts(function)?;
        for variant in &request.variants {
            let rule = variant.rule(function, facts.start)?;
            let grid = variant.grid(&rule);
            lines.push((function, facts, variant, rule, grid));
        }
    }
    let runs = lines.iter().map(|(.., grid)| grid.len() + request.starts).sum();
    let bar = progress::bar(runs, "runs");
    let mut rows = Vec::new();
    for (function, facts, variant, named, grid) in lines {
        let outcome = |config: Hyperparameters, start: [f64; 2]| {
            let (tolerance, max_iterations) = (facts.tolerance, paper.max_iterations);
            // What stays is κ of a coupling that is given, which is no constant of the rule.
            let own = if is_given(&named.rule) { Hyperparameters { kappa: None, ..config } } else { config };
            let run = Run { function, start, tolerance, max_iterations, rule: named.with(&own)?, config };
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
        let Variant { name, family } = variant.clone();
        rows.push(Row { function, variant: name, family, point, best, success_rate, median_iterations });
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
