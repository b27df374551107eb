//! The command `ambient surface`: a loss surface with its geometry as colour, runs on it, and how steps depend on the gradient.

mod charts;
pub mod colour;
pub(crate) mod page;
mod relief;

use core::cmp::Ordering;
use core::ops::RangeInclusive;
use std::path::PathBuf;

use ambient_metric::{BaseMetric, Covector, DenseHessian, Embedding as _, Euclidean, Metric as _, PullBack, Rule};
use ambient_metric_ndarray::Parameters;
use clap::ValueEnum;
use ndarray::arr1;
use plotters::style::RGBColor;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::folder::{prepare, save};
use crate::functions::Function;
use crate::optimisers::{Constants, Hyperparameters, Named, WithRule};
use crate::pictures;
use crate::reference::{Facts, Paper};
use crate::stepping::{self, Step, Whole};
use crate::study::Track;
use crate::surface::Embedding;

/// The page's name in the output folder.
pub const PAGE: &str = "index.html";

/// What is tried where nothing is given: learning rates, momenta and, for optimisers that have one, ξ.
const RATES: [f64; 19] =
    [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const MOMENTA: [f64; 3] = [0.0, 0.5, 0.9];
const XIS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// ξ that a picture shows, besides zero: beyond, its axes would span more than the numbers do.
const XI_RANGE: RangeInclusive<f64> = 1e-12..=1e12;

/// A run longer than so many diagonals of the frame wanders.
const WANDERING: f64 = 3.0;

/// ξ of the surface where none is given.
const XI: f64 = 0.1;

/// How many optimisers a picture holds at most.
pub const MOST: usize = 8;

/// The optimisers drawn where none is named.
pub const OPTIMISERS: [Named; 4] = [Named::Sgd, Named::Adam, Named::Euclidean, Named::EuclideanLog];

/// What the colour of a surface tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Shown {
    /// √det g, how much larger a patch of the surface is than its shadow.
    Volume,
    /// r, by how much a step is damped.
    Damping,
    /// The loss itself.
    Loss,
    /// The Gaussian curvature.
    Curvature,
}

impl Shown {
    /// The name in sentences.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume √det g",
            Self::Damping => "damping r",
            Self::Loss => "loss L",
            Self::Curvature => "Gaussian curvature",
        }
    }

    fn of(self, geometry: &Geometry) -> f64 {
        match self {
            Self::Volume => geometry.volume,
            Self::Damping => geometry.damping,
            Self::Loss => geometry.loss,
            Self::Curvature => geometry.curvature,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The function whose surface it is.
    pub function: Function,
    /// What the colour tells.
    pub shown: Shown,
    /// f of the surface; the optimisers have their own.
    pub embedding: Embedding,
    /// ξ of the surface and of every optimiser that has one; where absent, 0.1 for the surface, and for each optimiser what does best.
    pub xi: Option<f64>,
    /// The optimisers.
    pub optimisers: Vec<Named>,
    /// η of all of them; where absent, for each what does best from the start.
    pub learning_rate: Option<f64>,
    /// After how many updates a run ends.
    pub steps: u32,
    /// Where runs start; a place that shows the function well where absent.
    pub start: Option<[f64; 2]>,
    /// Lowest and highest x and lowest and highest y of the picture; a part that shows the function well where absent.
    pub frame: Option<[[f64; 2]; 2]>,
    /// From where the surface is seen, in degrees: turned about the vertical, and tilted towards the eye.
    pub view: Option<[f64; 2]>,
    /// Where pictures and page go.
    pub out: PathBuf,
}

/// The geometry of the surface at a point.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Geometry {
    /// L.
    pub loss: f64,
    /// ‖l‖.
    pub gradient_norm: f64,
    /// √det g.
    pub volume: f64,
    /// r.
    pub damping: f64,
    /// The Gaussian curvature.
    pub curvature: f64,
}

impl Geometry {
    /// The geometry of the surface h = √ξ f(L) at a point, with γ = 1.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] where the embedding has no height, or a number leaves its range.
    pub fn at(function: Function, embedding: Embedding, xi: f64, point: [f64; 2]) -> Result<Self, Error> {
        let (loss, slopes) = function.value_and_gradient(point);
        let gradient = Covector(Parameters::from(arr1(&slopes)));
        let hessian = DenseHessian::new(&gradient.0, function.hessian(point).as_flattened())?;
        let state = Euclidean.begin(&gradient.0)?;
        let gradient_norm = Euclidean.at(&state).norm_covector(&gradient)?;
        let surface = PullBack::new(Euclidean.at(&state), gradient, loss, &embedding, xi)?;
        let curvature = surface.curvature(|v| hessian.product(v))?.gaussian_curvature()?;
        Ok(Self { loss, gradient_norm, volume: surface.volume()?, damping: surface.damping(), curvature })
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The value fell to the tolerance.
    Converged,
    /// All steps were taken.
    OutOfSteps,
    /// The value stopped being finite.
    NotFinite,
    /// The library refused a step, for this reason.
    Refused(String),
}

/// Where a run went.
#[derive(Clone, Debug)]
struct Way {
    /// Every point and the value there, the start first.
    track: Track,
    /// The effective learning rate ηr of every update.
    rates: Vec<f64>,
    /// Why it ended.
    end: End,
}

impl Way {
    fn updates(&self) -> usize {
        self.track.len().saturating_sub(1)
    }

    /// The point and the value at the end.
    fn last(&self) -> ([f64; 2], f64) {
        self.track.last().copied().unwrap_or(([f64::NAN; 2], f64::NAN))
    }

    /// The length of the way between points that are lifted by `lift`.
    fn length<const N: usize>(&self, lift: impl Fn([f64; 2], f64) -> [f64; N]) -> f64 {
        let chords = self.track.windows(2).map(|pair| {
            let [(a, below), (b, above)] = *pair else { return 0.0 };
            let (a, b) = (lift(a, below), lift(b, above));
            a.iter().zip(b).map(|(a, b)| (b - a).powi(2)).sum::<f64>().sqrt()
        });
        chords.sum()
    }

    /// What makes a run better to look at, least first: that it neither leaves the frame nor wanders over it, that it converges, and then few
    /// updates on a short way, or a low value.
    fn merit(&self, frame: [[f64; 2]; 2]) -> (bool, bool, f64) {
        let [[left, right], [bottom, top]] = frame;
        let inside = |[x, y]: [f64; 2]| (left..=right).contains(&x) && (bottom..=top).contains(&y);
        let length = self.length(|point, _| point);
        let calm = length <= WANDERING * (right - left).hypot(top - bottom)
            && self.track.iter().all(|(point, _)| inside(*point));
        let converged = self.end == End::Converged;
        (!calm, !converged, if converged { self.updates() as f64 * length } else { self.last().1 })
    }
}

/// A run with everything that the pictures need.
#[derive(Clone, Debug)]
struct Trace {
    /// The optimiser.
    optimiser: Named,
    /// Its constants.
    config: Hyperparameters,
    /// Its colour in every picture.
    colour: RGBColor,
    /// Where it went.
    way: Way,
}

/// What the command tells.
#[derive(Clone, Debug, Serialize)]
pub struct Landscape {
    /// The function.
    pub function: Function,
    /// f of the surface.
    pub embedding: String,
    /// ξ of the surface.
    pub xi: f64,
    /// Where the runs started.
    pub start: [f64; 2],
    /// The value at which a run has converged.
    pub tolerance: f64,
    /// The geometry at the start.
    pub at_start: Geometry,
    /// The runs.
    pub runs: Vec<Told>,
}

/// What is told of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The optimiser.
    pub optimiser: String,
    /// Its constants.
    pub config: Hyperparameters,
    /// Why it ended.
    pub end: End,
    /// How many updates were done.
    pub updates: usize,
    /// The last finite value.
    pub final_value: f64,
    /// Where that was.
    pub final_point: [f64; 2],
    /// How long the way was on the surface, in chords of the space that the surface stands in.
    pub length: f64,
    /// The least and the greatest effective learning rate.
    pub effective_learning_rate: Option<[f64; 2]>,
}

/// Everything that pictures and page are made of.
#[derive(Debug)]
struct Scene<'a> {
    request: &'a Request,
    facts: &'a Facts,
    xi: f64,
    frame: [[f64; 2]; 2],
    start: [f64; 2],
    traces: &'a [Trace],
}

/// Runs the optimisers and writes pictures and page.
///
/// # Errors
///
/// [`Error::Option`] for options out of range, [`Error::Write`] before the first run if the folder cannot be written, and those of the
/// runs and pictures.
pub fn perform(paper: &Paper, request: &Request) -> Result<Landscape, Error> {
    let function = request.function;
    let facts = paper.facts(function)?;
    let xi = request.xi.unwrap_or(XI);
    let frame = request.frame.unwrap_or_else(|| frame(function));
    let start = request.start.unwrap_or_else(|| start(function));
    check(request, frame, start)?;
    let at_start = Geometry::at(function, request.embedding, xi, start)?;
    let _lock = prepare(&request.out, PAGE)?;

    let mut traces: Vec<Trace> = Vec::new();
    for &optimiser in &request.optimisers {
        let (config, way) = best(request, facts, frame, start, optimiser)?;
        let colour = free_colour(optimiser, &traces);
        traces.push(Trace { optimiser, config, colour, way });
    }

    let told = traces.iter().map(|trace| trace.told(request.embedding, xi)).collect();
    let landscape = Landscape {
        function,
        embedding: request.embedding.to_string(),
        xi,
        start,
        tolerance: facts.tolerance,
        at_start,
        runs: told,
    };
    let scene = Scene { request, facts, xi, frame, start, traces: &traces };
    let pictures = page::Pictures {
        surface: relief::draw(&scene),
        profile: charts::profile(&scene)?,
        rates: charts::rates(&scene)?,
        values: charts::values(&scene)?,
    };
    for (name, picture) in pictures.named() {
        save(&request.out, &format!("{}-{name}.svg", function.name()), picture)?;
    }
    save(&request.out, PAGE, &page::render(&scene, &landscape, &pictures))?;
    Ok(landscape)
}

/// Accepts what can be drawn.
fn check(request: &Request, frame: [[f64; 2]; 2], start: [f64; 2]) -> Result<(), Error> {
    /// Coordinates beyond this have no picture.
    const FAR: f64 = 1e6;
    let refuse = |option, problem: String| Err(Error::Option { option, problem });
    if let Some(rate) = request.learning_rate
        && !(rate.is_finite() && rate > 0.0)
    {
        return refuse("--learning-rate", format!("is {rate:?}: it must be finite and above zero"));
    }
    if let Some(xi) = request.xi
        && !(xi == 0.0 || XI_RANGE.contains(&xi))
    {
        let (least, most) = (XI_RANGE.start(), XI_RANGE.end());
        return refuse("--xi", format!("is {xi:?}: it must be zero, or lie between {least:e} and {most:e}"));
    }
    if let Some([turn, tilt]) = request.view
        && !(turn.is_finite() && (5.0..=90.0).contains(&tilt))
    {
        return refuse(
            "--view",
            format!("is {turn},{tilt}: the second number, the tilt, lies between 5 and 90 degrees"),
        );
    }
    let [[left, right], [bottom, top]] = frame;
    let wide = frame.iter().all(|[low, high]| low.abs() <= FAR && high.abs() <= FAR && high - low >= 1e-6);
    if !wide {
        let problem =
            "gives the lowest and highest x, then y: each pair at least 1e-6 apart, and none beyond 1e6".to_owned();
        return refuse("--frame", problem);
    }
    if request.optimisers.is_empty() || request.optimisers.len() > MOST {
        return refuse("--optimisers", format!("names {}: a picture holds 1 to {MOST}", request.optimisers.len()));
    }
    let [x, y] = start;
    if (left..=right).contains(&x) && (bottom..=top).contains(&y) {
        return Ok(());
    }
    refuse(
        "--start",
        format!(
            "is {x:?},{y:?}: it must lie in the frame, {left} to {right} and {bottom} to {top}; --frame changes it"
        ),
    )
}

/// A start that shows how a function is.
fn start(function: Function) -> [f64; 2] {
    match function {
        Function::Beale => [0.6, 1.2],
        Function::Rosenbrock => [-1.3, 0.6],
        Function::Himmelblau => [-0.4, -0.7],
        Function::Ackley => [1.8, 1.35],
        Function::Rastrigin => [1.35, 0.7],
    }
}

/// The part of the plane that shows how a function is.
fn frame(function: Function) -> [[f64; 2]; 2] {
    match function {
        Function::Beale => [[-1.4, 4.2], [-1.4, 1.4]],
        Function::Rosenbrock => [[-1.6, 1.6], [-0.8, 2.4]],
        Function::Himmelblau => [[-5.0, 5.0]; 2],
        Function::Ackley => [[-3.0, 3.0]; 2],
        Function::Rastrigin => [[-2.2, 2.2]; 2],
    }
}

/// The run of an optimiser that does best from the start, of those tried.
fn best(
    request: &Request,
    facts: &Facts,
    frame: [[f64; 2]; 2],
    start: [f64; 2],
    optimiser: Named,
) -> Result<(Hyperparameters, Way), Error> {
    let has_xi = optimiser.hyperparameters().contains(&"xi");
    let rates = request.learning_rate.map_or_else(|| RATES.to_vec(), |rate| vec![rate]);
    let xis: Vec<Option<f64>> = match (has_xi, request.xi) {
        (false, _) => vec![None],
        (true, Some(xi)) => vec![Some(xi)],
        (true, None) => XIS.map(Some).to_vec(),
    };
    let mut configs = Vec::new();
    for (&momentum, &xi) in MOMENTA.iter().flat_map(|momentum| xis.iter().map(move |xi| (momentum, xi))) {
        let constants = Constants { momentum: Some(momentum), xi, beta: has_xi.then_some(0.0), ..Constants::default() };
        let config = optimiser.with(&constants);
        configs.extend(rates.iter().map(|&learning_rate| Hyperparameters { learning_rate, ..config }));
    }
    let runs: Result<Vec<_>, Error> = configs
        .into_par_iter()
        .map(|config| {
            let (function, tolerance, steps) = (request.function, facts.tolerance, request.steps);
            let way = optimiser.rule(&config, Tracing { function, start, tolerance, steps, config })?;
            Ok((way.merit(frame), config, way))
        })
        .collect();
    let best = runs?.into_iter().min_by(|(a, ..), (b, ..)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let none = || Error::Option { option: "--learning-rate", problem: "leaves nothing to try".to_owned() };
    best.map(|(_, config, way)| (config, way)).ok_or_else(none)
}

/// The colour that an optimiser has in every study, or the next that is free.
fn free_colour(optimiser: Named, others: &[Trace]) -> RGBColor {
    const MORE: [RGBColor; 8] = [
        RGBColor(230, 159, 0),
        RGBColor(130, 80, 200),
        RGBColor(0, 148, 105),
        RGBColor(150, 75, 0),
        RGBColor(86, 180, 233),
        RGBColor(204, 60, 140),
        RGBColor(0, 114, 178),
        RGBColor(90, 96, 40),
    ];
    let candidates = core::iter::once(pictures::colour(optimiser)).chain(MORE);
    let mut free = candidates.filter(|colour| others.iter().all(|other| other.colour != *colour));
    free.next().unwrap_or_else(|| pictures::colour(optimiser))
}

/// A run that waits for its rule.
struct Tracing {
    function: Function,
    start: [f64; 2],
    tolerance: f64,
    steps: u32,
    config: Hyperparameters,
}

impl WithRule for Tracing {
    type Output = Way;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Way, Error> {
        let step = stepping::fused(rule, self.function, self.start, &self.config)?;
        Ok(self.follow(step))
    }

    fn whole<M>(self, rule: Whole<M>) -> Result<Way, Error>
    where
        M: BaseMetric<Parameters<f64>, State: Clone> + 'static,
    {
        let step = stepping::whole(rule, self.start, &self.config)?;
        Ok(self.follow(step))
    }

    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        Some(self.function.hessian(self.start))
    }
}

impl Tracing {
    /// The way that steps take.
    fn follow(&self, mut step: Step<'_>) -> Way {
        let mut point = self.start;
        let (mut value, mut slopes) = self.function.value_and_gradient(self.start);
        let mut way = Way { track: vec![(self.start, value)], rates: Vec::new(), end: End::OutOfSteps };
        for _ in 0..self.steps {
            if value <= self.tolerance {
                break;
            }
            match step(point, value, slopes) {
                Ok((next, rate)) => {
                    point = next;
                    way.rates.push(rate);
                }
                Err(error) => return Way { end: End::Refused(error.to_string()), ..way },
            }
            (value, slopes) = self.function.value_and_gradient(point);
            if !value.is_finite() {
                return Way { end: End::NotFinite, ..way };
            }
            way.track.push((point, value));
        }
        if value <= self.tolerance {
            way.end = End::Converged;
        }
        way
    }
}

impl Trace {
    fn told(&self, embedding: Embedding, xi: f64) -> Told {
        let (final_point, final_value) = self.way.last();
        let rates = || self.way.rates.iter().copied();
        Told {
            optimiser: self.optimiser.to_string(),
            config: self.config,
            end: self.way.end.clone(),
            updates: self.way.updates(),
            final_value,
            final_point,
            length: self.way.length(|[x, y], value| [x, y, xi.sqrt() * embedding.height(value)]),
            effective_learning_rate: (!self.way.rates.is_empty())
                .then(|| [rates().fold(f64::INFINITY, f64::min), rates().fold(f64::NEG_INFINITY, f64::max)]),
        }
    }
}
