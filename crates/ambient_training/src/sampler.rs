//! Where a sweep looks: the ranges of the paper's searches, and points in them.

use ambient_studies::error::Error;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tpe::density_estimation::DefaultEstimatorBuilder;
use tpe::{TpeOptimizer, TpeOptimizerBuilder, parzen_estimator};

use crate::optimisers::Trained;
use crate::task::Task;

/// How points are chosen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// Tree-structured Parzen estimators: near points that did well
    Tpe,
    /// Anywhere
    Random,
}

/// The range of a hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Its name.
    pub name: &'static str,
    /// The least value.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Whether its logarithm is searched.
    pub logarithmic: bool,
}

impl Axis {
    /// The range of what is searched.
    fn range(&self) -> (f64, f64) {
        if self.logarithmic { (self.low.ln(), self.high.ln()) } else { (self.low, self.high) }
    }

    /// The value at a coordinate, which is what is searched.
    fn value(&self, coordinate: f64) -> f64 {
        let value = if self.logarithmic { coordinate.exp() } else { coordinate };
        value.clamp(self.low, self.high)
    }
}

/// The ranges in which the paper searches.
#[must_use]
pub fn axes(task: Task, optimiser: &Trained) -> Vec<Axis> {
    let logarithmic = |name, low, high| Axis { name, low, high, logarithmic: true };
    let linear = |name, low, high| Axis { name, low, high, logarithmic: false };
    let (eta, xi) = match task {
        Task::Regression => ((1e-5, 1.0), (1e-3, 1e-1)),
        Task::Mnist => ((1e-5, 1.0), (1e-5, 1e-2)),
        Task::Cifar10 => ((1e-7, 1e-2), (1e-9, 1e-5)),
        Task::Shakespeare if matches!(optimiser, Trained::Muon | Trained::MuonRouted) => ((1e-5, 1.0), (1e-8, 1e-4)),
        Task::Shakespeare => ((1e-6, 1.0), (1e-8, 1e-4)),
    };
    let momentum = match optimiser.name() {
        "sgd" | "sgd_ema" => (0.1, 0.99),
        "muon" | "muon_routed" => (0.9, 0.99),
        _ => (0.8, 0.99),
    };
    let axis = |name| match name {
        "b1" => linear(name, 0.8, 0.99),
        "b2" | "beta_rms" => linear(name, 0.9, 0.999),
        "momentum" => linear(name, momentum.0, momentum.1),
        "beta" => linear(name, 0.6, 0.9),
        "xi" => logarithmic(name, xi.0, xi.1),
        _ => logarithmic(name, 1e-6, 1e-2),
    };
    let rest = optimiser.hyperparameters().into_iter().map(axis);
    core::iter::once(logarithmic("learning_rate", eta.0, eta.1)).chain(rest).collect()
}

/// How many points are drawn anywhere before those that did well are looked at.
const BLIND: usize = 12;

/// A source of points, the same for the same seed and the same scores.
#[derive(Debug)]
pub struct Sampler {
    axes: Vec<Axis>,
    estimators: Vec<TpeOptimizer<DefaultEstimatorBuilder>>,
    generator: ChaCha8Rng,
    search: Search,
    told: usize,
}

/// A point: a coordinate for every axis.
pub type Point = Vec<f64>;

impl Sampler {
    /// The source for an optimiser.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] for ranges that are none.
    pub fn new(task: Task, optimiser: &Trained, search: Search, seed: u64) -> Result<Self, Error> {
        let axes = axes(task, optimiser);
        let estimator = |axis: &Axis| {
            let (low, high) = axis.range();
            let range = tpe::range(low, high).map_err(|error| failed(&error))?;
            TpeOptimizerBuilder::new().gamma(0.2).build(parzen_estimator(), range).map_err(|error| failed(&error))
        };
        let estimators = axes.iter().map(estimator).collect::<Result<_, Error>>()?;
        // Every optimiser has numbers of its own.
        let name = optimiser.to_string();
        let stream = name.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(131).wrapping_add(u64::from(byte)));
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Ok(Self { axes, estimators, generator, search, told: 0 })
    }

    /// The next point.
    ///
    /// # Errors
    ///
    /// Where the estimators fail.
    pub fn ask(&mut self) -> Result<Point, Error> {
        let is_blind = self.search == Search::Random || self.told < BLIND;
        let mut point = Vec::new();
        for (axis, estimator) in self.axes.iter().zip(&mut self.estimators) {
            let (low, high) = axis.range();
            point.push(if is_blind {
                low + (high - low) * self.generator.random::<f64>()
            } else {
                estimator.ask(&mut self.generator).map_err(|error| failed(&error))?
            });
        }
        Ok(point)
    }

    /// What a point came to; less is better.
    ///
    /// # Errors
    ///
    /// Where the estimators fail.
    pub fn tell(&mut self, point: &[f64], loss: f64) -> Result<(), Error> {
        self.told += 1;
        for ((axis, estimator), &coordinate) in self.axes.iter().zip(&mut self.estimators).zip(point) {
            let (low, high) = axis.range();
            // The end of a range is not in it.
            let inside = coordinate.clamp(low, high - (high - low) * 1e-12);
            estimator.tell(inside, loss).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// The settings of a point, as `name`, value.
    #[must_use]
    pub fn settings(&self, point: &[f64]) -> Vec<(String, f64)> {
        self.axes.iter().zip(point).map(|(axis, &coordinate)| (axis.name.to_owned(), axis.value(coordinate))).collect()
    }
}

fn failed(error: &impl core::fmt::Display) -> Error {
    Error::Record { place: "the sampler".to_owned(), problem: error.to_string() }
}
