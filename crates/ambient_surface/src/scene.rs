//! Everything that pictures and page are made of, and what the command tells.

use serde::Serialize;

use super::geometry::Geometry;
use super::length::length;
use super::request::Request;
use super::runs::{End, Trace};
use ambient_lowdim::reference::Facts;
use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;

/// What the command tells.
#[derive(Clone, Debug, Serialize)]
pub struct Landscape {
    /// The function.
    pub function: Function,
    /// f of the surface.
    pub embedding: String,
    /// ξ of the surface.
    pub xi: f64,
    /// The ambient metric in which it stands.
    pub ambient: String,
    /// The share of the picture that is left blank, since the space ends there.
    pub blank: f64,
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
    /// How long the way was on the surface, in chords of the space that the surface stands in; nothing where it leads out of the space.
    pub length: Option<f64>,
    /// The least and the greatest effective learning rate.
    pub effective_learning_rate: Option<[f64; 2]>,
}

/// Everything that pictures and page are made of.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) request: &'a Request,
    pub(super) facts: &'a Facts,
    pub(super) xi: f64,
    pub(super) frame: [[f64; 2]; 2],
    pub(super) start: [f64; 2],
    pub(super) traces: &'a [Trace],
}

/// What is told of a run.
pub(super) fn told(trace: &Trace, request: &Request, xi: f64) -> Told {
    let (final_point, final_value) = trace.way.last();
    let rates = || trace.way.rates.iter().copied();
    Told {
        optimiser: trace.optimiser.to_string(),
        config: trace.config,
        end: trace.way.end.clone(),
        updates: trace.way.updates(),
        final_value,
        final_point,
        length: length(&trace.way.track, request.embedding, xi, request.ambient),
        effective_learning_rate: (!trace.way.rates.is_empty())
            .then(|| [rates().fold(f64::INFINITY, f64::min), rates().fold(f64::NEG_INFINITY, f64::max)]),
    }
}
