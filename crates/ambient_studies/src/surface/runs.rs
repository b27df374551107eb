//! Runs of optimisers on a surface, of those tried the best.

use core::cmp::Ordering;

use ambient_metric::{BaseMetric, Error as Refusal, Rule};
use ambient_metric_ndarray::Parameters;
use plotters::style::RGBColor;
use rayon::prelude::*;
use serde::Serialize;

use super::request::Request;
use crate::error::Error;
use crate::functions::Function;
use crate::lowdim::outcome::Track;
use crate::lowdim::reference::Facts;
use crate::lowdim::stepping::{self, Step};
use crate::present::palette;
use crate::present::ticks::short;
use crate::rules::hyperparameters::{Constants, Hyperparameters};
use crate::rules::optimisers::Named;
use crate::rules::with_rule::{Whole, WithRule};

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
            let way =
                optimiser.rule_in(request.space, &config, Tracing { function, start, tolerance, steps, config })?;
            Ok((way.merit(frame), config, way))
        })
        .collect();
    let best = runs?.into_iter().min_by(|(a, ..), (b, ..)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let none = || Error::Option { option: "--learning-rate", problem: "leaves nothing to try".to_owned() };
    best.map(|(_, config, way)| (config, way)).ok_or_else(none)
}

/// The colour that an optimiser has in every study, or the next that is free.
pub(super) fn free_colour(optimiser: Named, others: &[Trace]) -> RGBColor {
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
    let candidates = core::iter::once(palette::colour(optimiser)).chain(MORE);
    let mut free = candidates.filter(|colour| others.iter().all(|other| other.colour != *colour));
    free.next().unwrap_or_else(|| palette::colour(optimiser))
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
                Err(error @ Refusal::OutsideSpace { .. }) => {
                    return Way { end: End::OutsideSpace(error.to_string()), ..way };
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
