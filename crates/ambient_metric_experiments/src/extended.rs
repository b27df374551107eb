//! The command `ambient lowdim --extended`: every variant of the library on the five functions, beside the paper's three.

use std::path::PathBuf;
use std::time::Instant;

use ambient_metric::{
    Adagrad, AlongGradient, AlongMomentum, AlongParameters, BaseMetric, Bundle, Clip, Clipped, Configuration, Coupled,
    Coupling, Covector, Dense, Descent, Ema, Embedding, Euclidean, Hard, Height, Identity, Induced, Joint, Kronecker,
    LearnedDiagonal, LearnedScalar, Log, Log1p, MetricDescent, Muon, PointwiseMetric, RmsProp, Root, Rule, Soft, Sqrt,
    rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::{arr1, array};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::folder;
use crate::functions::Function;
use crate::progress;
use crate::reference::Paper;
use crate::starts::{Summary, draw};
use crate::study::{End, Outcome, descend};

mod page;

/// The page's name in the output folder.
pub const PAGE: &str = "extended.html";

/// A point of the grid. What a variant does not have stays at its first value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// η.
    pub learning_rate: f64,
    /// μ.
    pub momentum: f64,
    /// ξ; of a clip, what makes it set in where ξ⟨l, l⟩ is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xi: Option<f64>,
    /// κ, of a coupling or of learning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
}

impl Point {
    /// As a reader wants it.
    #[must_use]
    pub fn brief(&self) -> String {
        let optional = [("ξ", self.xi), ("κ", self.kappa)];
        let more = optional.into_iter().filter_map(|(name, value)| Some(format!("  {name} {}", value?)));
        format!("η {:.1e}  μ {}{}", self.learning_rate, self.momentum, more.collect::<String>())
    }
}

const RATES_PER_DECADE: i32 = 3;
const MOMENTA: [f64; 2] = [0.0, 0.9];
const COEFFICIENTS: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];

/// One line of the comparison.
#[derive(Clone, Copy)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub family: &'static str,
    has_xi: bool,
    kappas: &'static [f64],
    run: fn(&Point, Task) -> Result<Outcome, Error>,
}

impl core::fmt::Debug for Variant {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Variant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a run is about.
#[derive(Clone, Copy, Debug)]
struct Task {
    function: Function,
    start: [f64; 2],
    end: End,
}

impl Task {
    /// A run of a fused rule, on the function or, for two losses, on its two terms.
    fn with<R: Rule>(self, rule: R, point: &Point) -> Result<Outcome, Error> {
        let mut theta = Parameters::from(arr1(&self.start));
        let mut gradients = [Covector(theta.clone()), Covector(theta.clone())];
        let mut optimiser = Configuration::new(rule, point.learning_rate).build(&theta)?;
        let losses = <R::PerLoss<f64> as Bundle<f64>>::LEN;
        let step = |at: [f64; 2], value: f64, slopes: [f64; 2]| {
            let (values, slopes) =
                if losses == 1 { ([value; 2], [slopes; 2]) } else { self.function.terms_and_gradients(at) };
            for (gradient, slopes) in gradients.iter_mut().zip(slopes) {
                gradient.0.as_mut_slice().copy_from_slice(&slopes);
            }
            let covectors: Vec<_> = gradients.iter().take(losses).collect();
            optimiser.step_losses(&mut theta, &covectors, values.as_slice().get(..losses)?).ok()?;
            <[f64; 2]>::try_from(theta.as_slice()).ok()
        };
        Ok(descend(self.function, self.start, self.end, step, &mut |_, _| {}))
    }

    /// A run over a metric that is not pointwise; the two parameters are a matrix of one column.
    fn over<M, E>(self, metric: M, embedding: E, point: &Point) -> Result<Outcome, Error>
    where
        M: BaseMetric<Parameters<f64>, State: Clone>,
        E: Embedding,
    {
        let [x, y] = self.start;
        let mut theta = Parameters::from(array![[x], [y]]);
        let mut gradient = Covector(theta.clone());
        let rule = MetricDescent::new(metric, embedding, point.xi.unwrap_or(0.0), Ema(point.momentum));
        let mut optimiser = Configuration::new(rule, point.learning_rate).build(&theta)?;
        let step = |_: [f64; 2], value: f64, slopes: [f64; 2]| {
            gradient.0.as_mut_slice().copy_from_slice(&slopes);
            optimiser.step(&mut theta, &gradient, value).ok()?;
            <[f64; 2]>::try_from(theta.as_slice()).ok()
        };
        Ok(descend(self.function, self.start, self.end, step, &mut |_, _| {}))
    }
}

fn induced<M: PointwiseMetric, E: Embedding>(
    metric: M,
    embedding: E,
    at: &Point,
    task: Task,
) -> Result<Outcome, Error> {
    task.with(Descent::new(Induced::new(metric, embedding, at.xi.unwrap_or(0.0)), Ema(at.momentum)), at)
}

fn exact<M: PointwiseMetric, E: Embedding>(metric: M, embedding: E, at: &Point, task: Task) -> Result<Outcome, Error> {
    task.with(Descent::new(Induced::new(metric, embedding, at.xi.unwrap_or(0.0)).exact(), Ema(at.momentum)), at)
}

fn coupled<C: Coupling>(coupling: C, at: &Point, task: Task) -> Result<Outcome, Error> {
    let coupled = Coupled::new(Euclidean, Identity, coupling, at.xi.unwrap_or(0.0)).scale_back(0.01);
    task.with(Descent::new(coupled, Ema(at.momentum)), at)
}

fn clipped<C: Clip>(clip: C, at: &Point, task: Task) -> Result<Outcome, Error> {
    task.with(Descent::new(Clipped::new(Euclidean, clip), Ema(at.momentum)), at)
}

fn joint<E: Embedding + Copy>(embedding: E, at: &Point, task: Task) -> Result<Outcome, Error> {
    let height = Height { embedding, xi: at.xi.unwrap_or(0.0) };
    task.with(Joint::new(Euclidean, [height; 2], Ema(at.momentum)), at)
}

/// γ = |H| + 1 with H the Hessian at the start and |H| its absolute value: of a symmetric 2×2 matrix (H² + |det H| 1) / tr |H| where
/// det H ≥ 0, and from its eigenvectors in general.
fn hessian_metric(task: Task) -> Result<Dense<f64>, Error> {
    let [[a, b], [_, d]] = task.function.hessian(task.start);
    let (mean, half) = (f64::midpoint(a, d), (a - d) / 2.0);
    let radius = half.hypot(b);
    let (high, low) = ((mean + radius).abs() + 1.0, (mean - radius).abs() + 1.0);
    // γ = mean of the two + half their difference × the traceless part of H, made a unit.
    let (centre, spread) = (f64::midpoint(high, low), (high - low) / 2.0);
    let share = |entry: f64| if radius > 0.0 { spread * entry / radius } else { 0.0 };
    let rows = vec![vec![centre + share(half), share(b)], vec![share(b), centre - share(half)]];
    Ok(Dense::new(rows)?)
}

fn rms() -> RmsProp {
    RmsProp::default()
}

fn root_of(xi: Option<f64>) -> f64 {
    xi.unwrap_or(0.0).sqrt()
}

/// Every variant, the paper's three after two without a surface.
pub const VARIANTS: [Variant; 31] = {
    const NONE: &[f64] = &[];
    const LEARNING: &[f64] = &[1e-2, 1e-1];
    const COUPLING: &[f64] = &[-0.1, 0.1];
    const fn with_xi(
        family: &'static str,
        name: &'static str,
        kappas: &'static [f64],
        run: fn(&Point, Task) -> Result<Outcome, Error>,
    ) -> Variant {
        Variant { name, family, has_xi: true, kappas, run }
    }
    const fn without_xi(name: &'static str, run: fn(&Point, Task) -> Result<Outcome, Error>) -> Variant {
        Variant { name, family: "flat", has_xi: false, kappas: NONE, run }
    }
    [
        without_xi("sgd_ema", |at, task| task.with(rules::sgd_ema(at.momentum), at)),
        without_xi("adam", |at, task| task.with(rules::adam(at.momentum, 0.999, 1e-8), at)),
        with_xi("paper", "euclidean", NONE, |at, task| induced(Euclidean, Identity, at, task)),
        with_xi("paper", "euclidean_log", NONE, |at, task| induced(Euclidean, Log, at, task)),
        with_xi("paper", "rmsprop", NONE, |at, task| induced(rms(), Identity, at, task)),
        with_xi("embedding", "euclidean:sqrt", NONE, |at, task| induced(Euclidean, Sqrt, at, task)),
        with_xi("embedding", "euclidean:log1p", NONE, |at, task| induced(Euclidean, Log1p, at, task)),
        with_xi("embedding", "rmsprop:log", NONE, |at, task| induced(rms(), Log, at, task)),
        with_xi("embedding", "rmsprop:sqrt", NONE, |at, task| induced(rms(), Sqrt, at, task)),
        with_xi("metric", "adagrad:identity", NONE, |at, task| induced(Adagrad::default(), Identity, at, task)),
        with_xi("metric", "adagrad:log", NONE, |at, task| induced(Adagrad::default(), Log, at, task)),
        with_xi("placement", "euclidean:identity:exact", NONE, |at, task| exact(Euclidean, Identity, at, task)),
        with_xi("placement", "euclidean:log:exact", NONE, |at, task| exact(Euclidean, Log, at, task)),
        with_xi("placement", "rmsprop:log:exact", NONE, |at, task| exact(rms(), Log, at, task)),
        with_xi("learned", "learned_scalar:identity", LEARNING, |at, task| {
            induced(LearnedScalar { kappa: at.kappa.unwrap_or(0.0), ..LearnedScalar::default() }, Identity, at, task)
        }),
        with_xi("learned", "learned_scalar:log", LEARNING, |at, task| {
            induced(LearnedScalar { kappa: at.kappa.unwrap_or(0.0), ..LearnedScalar::default() }, Log, at, task)
        }),
        with_xi("learned", "learned_diagonal:identity", LEARNING, |at, task| {
            induced(
                LearnedDiagonal { kappa: at.kappa.unwrap_or(0.0), ..LearnedDiagonal::default() },
                Identity,
                at,
                task,
            )
        }),
        with_xi("learned", "learned_diagonal:log", LEARNING, |at, task| {
            induced(LearnedDiagonal { kappa: at.kappa.unwrap_or(0.0), ..LearnedDiagonal::default() }, Log, at, task)
        }),
        with_xi("coupling", "along the gradient", COUPLING, |at, task| {
            coupled(AlongGradient(at.kappa.unwrap_or(0.0)), at, task)
        }),
        with_xi("coupling", "along the momentum", COUPLING, |at, task| {
            coupled(AlongMomentum(at.kappa.unwrap_or(0.0)), at, task)
        }),
        with_xi("coupling", "along the parameters", COUPLING, |at, task| {
            coupled(AlongParameters(at.kappa.unwrap_or(0.0)), at, task)
        }),
        with_xi("clipping", "hard", NONE, |at, task| clipped(Hard { length: 1.0 / root_of(at.xi) }, at, task)),
        with_xi("clipping", "soft", NONE, |at, task| clipped(Soft { rate: root_of(at.xi) }, at, task)),
        with_xi("clipping", "root", NONE, |at, task| clipped(Root { xi: at.xi.unwrap_or(0.0) }, at, task)),
        with_xi("two losses", "joint:identity", NONE, |at, task| joint(Identity, at, task)),
        with_xi("two losses", "joint:log", NONE, |at, task| joint(Log, at, task)),
        with_xi("matrix", "dense (|Hessian| at the start):identity", NONE, |at, task| {
            task.over(hessian_metric(task)?, Identity, at)
        }),
        with_xi("matrix", "dense (|Hessian| at the start):log", NONE, |at, task| {
            task.over(hessian_metric(task)?, Log, at)
        }),
        with_xi("matrix", "kronecker:identity", NONE, |at, task| task.over(Kronecker::default(), Identity, at)),
        with_xi("matrix", "kronecker:log", NONE, |at, task| task.over(Kronecker::default(), Log, at)),
        with_xi("matrix", "muon:identity", NONE, |at, task| {
            // Muon remembers by itself.
            let muon = Muon { momentum: Ema(at.momentum), ..muon() };
            let point = Point { momentum: 0.0, ..*at };
            task.over(muon, Identity, &point)
        }),
    ]
};

/// Muon with the exact polar factor, which of a column is the column made a unit.
fn muon() -> Muon<Ema, ambient_metric::Polar> {
    Muon { momentum: Ema(0.0), orthogonaliser: ambient_metric::Polar, width: ambient_metric::Width::Unscaled }
}

impl Variant {
    /// Every point of its grid: η from 10⁻⁴ to 1 in thirds of a decade, μ 0 and 0.9, ξ from 10⁻³ to 1, and two κ where it has them.
    #[must_use]
    pub fn grid(&self) -> Vec<Point> {
        let rates =
            (-4 * RATES_PER_DECADE..=0).map(|third| 10_f64.powf(f64::from(third) / f64::from(RATES_PER_DECADE)));
        let xis: Vec<Option<f64>> = if self.has_xi { COEFFICIENTS.map(Some).to_vec() } else { vec![None] };
        let kappas: Vec<Option<f64>> =
            if self.kappas.is_empty() { vec![None] } else { self.kappas.iter().copied().map(Some).collect() };
        let mut points = Vec::new();
        for learning_rate in rates {
            for momentum in MOMENTA {
                for &xi in &xis {
                    points.extend(kappas.iter().map(|&kappa| Point { learning_rate, momentum, xi, kappa }));
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
    pub point: Point,
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

/// Runs every variant on its grid and from random starts, and writes picture and page.
///
/// # Errors
///
/// [`Error::Write`] before the first run if the folder cannot be written, and those of the runs and the picture.
pub fn perform(paper: &Paper, request: &Request) -> Result<Extended, Error> {
    folder::prepare(&request.out, PAGE)?;
    let extended = run(paper, request)?;
    let picture = page::picture(&extended, &request.functions)?;
    folder::save(&request.out, "extended.svg", &picture)?;
    folder::save(&request.out, PAGE, &page::render(&extended, &request.functions, &picture))?;
    Ok(extended)
}

/// Runs every variant on its grid and from random starts.
///
/// # Errors
///
/// What the library says of a constant out of range.
pub fn run(paper: &Paper, request: &Request) -> Result<Extended, Error> {
    let begin = Instant::now();
    let grids: Vec<Vec<Point>> = VARIANTS.iter().map(Variant::grid).collect();
    let points: usize = grids.iter().map(Vec::len).sum();
    let runs = request.functions.len() * (points + VARIANTS.len() * request.starts);
    let bar = progress::bar(runs, "runs");
    let mut rows = Vec::new();
    for &function in &request.functions {
        let facts = paper.facts(function)?;
        let end = End { tolerance: facts.tolerance, max_iterations: paper.max_iterations };
        for (variant, grid) in VARIANTS.iter().zip(&grids) {
            let outcome = |point: &Point, start: [f64; 2]| {
                let outcome = (variant.run)(point, Task { function, start, end });
                bar.inc(1);
                outcome
            };
            let outcomes: Vec<Outcome> =
                grid.par_iter().map(|point| outcome(point, facts.start)).collect::<Result<_, _>>()?;
            // The first stays where two are equal.
            let best = grid.iter().zip(outcomes).reduce(|best, next| if next.1.beats(&best.1) { next } else { best });
            let Some((&point, best)) = best else { continue };
            let from_elsewhere: Vec<Outcome> = draw(function, request.starts, request.seed)
                .into_par_iter()
                .map(|start| outcome(&point, start))
                .collect::<Result<_, _>>()?;
            let Summary { success_rate, median_iterations, .. } = Summary::of(&from_elsewhere);
            rows.push(Row {
                function,
                variant: variant.name,
                family: variant.family,
                point,
                best,
                success_rate,
                median_iterations,
            });
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
