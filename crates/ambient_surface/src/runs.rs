//! Runs of optimisers on a surface, of those tried the best.

use core::cmp::Ordering;

use ambient_metric::{AnyRule, Error as Refusal};
use plotters::style::RGBColor;
use rayon::prelude::*;
use serde::Serialize;

use super::request::Request;
use ambient_lowdim::outcome::Track;
use ambient_lowdim::reference::Facts;
use ambient_lowdim::stepping::Stepping;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::palette;
use ambient_studies::present::ticks::short;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::Named;

/// What is tried where nothing is given: learning rates, momenta and, for optimisers that have one, ξ.
const RATES: [f64; 19] =
    [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const MOMENTA: [f64; 3] = [0.0, 0.5, 0.9];
const XIS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// A run longer than so many diagonals of the frame wanders.
const WANDERING: f64 = 3.0;

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
    /// The space has no such heights, as this says.
    OutsideSpace(String),
    /// The library refused a step, for this reason.
    Refused(String),
}

impl End {
    /// The end in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Converged => "converged".to_owned(),
            Self::OutOfSteps => "out of steps".to_owned(),
            Self::NotFinite => "the loss is not finite".to_owned(),
            Self::OutsideSpace(_) => "left the space".to_owned(),
            Self::Refused(reason) => reason.clone(),
        }
    }
}

/// Where a run went.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Every point and the value there, the start first.
    pub(super) track: Track,
    /// The effective learning rate ηr of every update.
    pub(super) rates: Vec<f64>,
    /// Why it ended.
    pub(super) end: End,
}

impl Way {
    pub(super) fn updates(&self) -> usize {
        self.track.len().saturating_sub(1)
    }

    /// The point and the value at the end.
    pub(super) fn last(&self) -> ([f64; 2], f64) {
        self.track.last().copied().unwrap_or(([f64::NAN; 2], f64::NAN))
    }

    /// The length of the way in the plane of the parameters.
    fn length(&self) -> f64 {
        let chords = self.track.windows(2).map(|pair| {
            let [(a, _), (b, _)] = *pair else { return 0.0 };
            a.iter().zip(b).map(|(a, b)| (b - a).powi(2)).sum::<f64>().sqrt()
        });
        chords.sum()
    }

    /// What makes a run better to look at, least first: that it neither leaves the frame nor wanders over it, that it converges, and then few
    /// updates on a short way, or a low value.
    pub(super) fn merit(&self, frame: [[f64; 2]; 2]) -> (bool, bool, f64) {
        let [[left, right], [bottom, top]] = frame;
        let inside = |[x, y]: [f64; 2]| (left..=right).contains(&x) && (bottom..=top).contains(&y);
        let length = self.length();
        let calm = length <= WANDERING * (right - left).hypot(top - bottom)
            && self.track.iter().all(|(point, _)| inside(*point));
        let converged = self.end == End::Converged;
        (!calm, !converged, if converged { self.updates() as f64 * length } else { self.last().1 })
    }
}

/// A run with everything that the pictures need.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// The optimiser.
    pub(super) optimiser: Named,
    /// Its constants.
    pub(super) config: Hyperparameters,
    /// Its colour in every picture.
    pub(super) colour: RGBColor,
    /// Where it went.
    pub(super) way: Way,
}

impl Trace {
    /// What a run came to, in a few words.
    pub(super) fn brief(&self) -> String {
        let updates = self.way.track.len().saturating_sub(1);
        let last = self.way.track.last().map_or(f64::NAN, |(_, value)| *value);
        match &self.way.end {
            End::Converged => format!("converged in {updates} updates"),
            End::OutOfSteps => format!("L = {} after {updates}", short(last)),
            End::OutsideSpace(_) => format!("left the space after {updates}"),
            End::NotFinite | End::Refused(_) => format!("left the numbers after {updates}"),
        }
    }
}

/// The run of an optimiser that does best from the start, of those tried.
pub(super) fn best(
    request: &Request,
    facts: &Facts,
    frame: [[f64; 2]; 2],
    start: [f64; 2],
    optimiser: &Named,
) -> Result<(Hyperparameters, Way), Error> {
    let own = Hyperparameters::of(&optimiser.rule);
    let moved = optimiser.within(request.ambient)?;
    let rates = request.learning_rate.map_or_else(|| RATES.to_vec(), |rate| vec![rate]);
    let or_none = |has: bool, values: &[f64]| if has { values.iter().copied().map(Some).collect() } else { vec![None] };
    let momenta = moved.momenta(&MOMENTA);
    let xis: Vec<Option<f64>> = match request.xi {
        Some(xi) => or_none(own.xi.is_some(), &[xi]),
        None => or_none(own.xi.is_some(), &XIS),
    };
    let mut configs = Vec::new();
    for (&decay, &xi) in momenta.iter().flat_map(|decay| xis.iter().map(move |xi| (decay, xi))) {
        let (momentum, b1, beta) = (own.momentum.and(decay), own.b1.and(decay), own.beta.map(|_| 0.0));
        let config = Hyperparameters { momentum, b1, xi, beta, ..own };
        configs.extend(rates.iter().map(|&learning_rate| Hyperparameters { learning_rate, ..config }));
    }
    let runs: Result<Vec<_>, Error> = configs
        .into_par_iter()
        .map(|config| {
            let (function, tolerance, steps) = (request.function, facts.tolerance, request.steps);
            let way = Tracing { function, start, tolerance, steps, config }.follow(&moved.with(&config)?)?;
            Ok((way.merit(frame), config, way))
        })
        .collect();
    let best = runs?.into_iter().min_by(|(a, ..), (b, ..)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let none = || Error::Option { option: "--learning-rate", problem: "leaves nothing to try".to_owned() };
    best.map(|(_, config, way)| (config, way)).ok_or_else(none)
}

/// The colour that an optimiser has in every study, or the next that is free.
pub(super) fn free_colour(optimiser: &Named, others: &[Trace]) -> RGBColor {
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
    let candidates = core::iter::once(palette::colour(optimiser.name())).chain(MORE);
    let mut free = candidates.filter(|colour| others.iter().all(|other| other.colour != *colour));
    free.next().unwrap_or_else(|| palette::colour(optimiser.name()))
}

/// A run.
struct Tracing {
    function: Function,
    start: [f64; 2],
    tolerance: f64,
    steps: u32,
    config: Hyperparameters,
}

impl Tracing {
    /// The way that a rule takes.
    fn follow(&self, rule: &AnyRule) -> Result<Way, Error> {
        let mut stepping = Stepping::new(rule, self.function, self.start, &self.config)?;
        let mut point = self.start;
        let (mut value, mut slopes) = self.function.value_and_gradient(self.start);
        let mut way = Way { track: vec![(self.start, value)], rates: Vec::new(), end: End::OutOfSteps };
        for _ in 0..self.steps {
            if value <= self.tolerance {
                break;
            }
            match stepping.step(point, value, slopes) {
                Ok(next) => {
                    point = next;
                    way.rates.push(stepping.effective_learning_rate()?);
                }
                Err(error @ Refusal::OutsideSpace { .. }) => {
                    return Ok(Way { end: End::OutsideSpace(error.to_string()), ..way });
                }
                Err(error) => return Ok(Way { end: End::Refused(error.to_string()), ..way }),
            }
            (value, slopes) = self.function.value_and_gradient(point);
            if !value.is_finite() {
                return Ok(Way { end: End::NotFinite, ..way });
            }
            way.track.push((point, value));
        }
        if value <= self.tolerance {
            way.end = End::Converged;
        }
        Ok(way)
    }
}
