//! What the paper reports: functions, grid, rules, and the best result of every cell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::Studied;

/// The low-dimensional study of arXiv 2509.03594, from the notebook of its published code.
#[derive(Clone, Debug, Deserialize)]
pub struct Paper {
    /// Where the facts come from.
    pub source: String,
    /// After how many updates a run ends.
    pub max_iterations: u32,
    /// The values of every hyperparameter.
    pub grid: Grid,
    functions: BTreeMap<Function, Facts>,
    /// The best result of every cell.
    pub results: Vec<Published>,
}

/// The values that a grid runs through.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the names of the hyperparameters say it")]
pub struct Grid {
    pub learning_rate: Vec<f64>,
    pub momentum: Vec<f64>,
    pub b1: Vec<f64>,
    pub b2: Vec<f64>,
    pub beta_rms: Vec<f64>,
    pub xi: Vec<f64>,
    pub beta: Vec<f64>,
    pub eps: Vec<f64>,
}

/// What the study fixes about a function.
#[derive(Clone, Debug, Deserialize)]
pub struct Facts {
    /// Its formula, to be read.
    pub formula: String,
    /// Where every run starts.
    pub start: [f64; 2],
    /// The value at which a run has converged.
    pub tolerance: f64,
    /// Where its value is zero.
    pub global_minima: Vec<[f64; 2]>,
}

/// How far a published result can be expected to come out again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reproducibility {
    /// The same count for starts perturbed by 1e-15: match it exactly.
    Robust,
    /// Matches in re-runs, moves under perturbations of 1e-15.
    Sensitive,
    /// Rounding decides the outcome: shown, never compared.
    Chaotic,
}

impl Reproducibility {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Robust => "robust",
            Self::Sensitive => "sensitive",
            Self::Chaotic => "chaotic",
        }
    }
}

/// The best result of one function and optimiser, as published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The function.
    pub function: Function,
    /// The optimiser.
    pub optimiser: Studied,
    /// The optimiser's label in the paper.
    pub paper_label: String,
    /// The point of the grid.
    pub config: Hyperparameters,
    /// What it came to.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How far that can be expected to come out again.
    pub reproducibility: Reproducibility,
}

impl Published {
    /// Whether an outcome is the published one: the same verdict, the same count, the same three digits.
    #[must_use]
    pub fn is_matched_by(&self, outcome: &Outcome) -> bool {
        let digits = |value: f64| format!("{value:.2e}");
        self.outcome.converged == outcome.converged
            && self.outcome.iterations == outcome.iterations
            && digits(self.outcome.final_value) == digits(outcome.final_value)
    }
}

impl Paper {
    /// The facts compiled into the program.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] or [`Error::Record`], which cannot come to pass in a program that passes its tests.
    pub fn compiled_in() -> Result<Self, Error> {
        let what = "the compiled-in record of the paper";
        let paper: Self = serde_json::from_str(include_str!("../reference/lowdim.json"))
            .map_err(|source| Error::Json { what: what.to_owned(), source })?;
        for function in Function::ALL {
            paper.facts(function)?;
            for optimiser in Studied::ALL {
                paper.published(function, optimiser)?;
            }
        }
        Ok(paper)
    }

    /// What the study fixes about a function.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] where it says nothing.
    pub fn facts(&self, function: Function) -> Result<&Facts, Error> {
        self.functions.get(&function).ok_or_else(|| Error::Record {
            place: self.source.clone(),
            problem: format!("says nothing of the function {}", function.name()),
        })
    }

    /// The best result of a cell.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] where there is none.
    pub fn published(&self, function: Function, optimiser: Studied) -> Result<&Published, Error> {
        let found = self.results.iter().find(|result| result.function == function && result.optimiser == optimiser);
        found.ok_or_else(|| Error::Record {
            place: self.source.clone(),
            problem: format!("has no result for {} on {}", optimiser.name(), function.name()),
        })
    }

    /// Every configuration of an optimiser, in grid order: the learning rate varies slowest.
    #[must_use]
    pub fn configurations(&self, optimiser: Studied) -> Vec<Hyperparameters> {
        let grid = &self.grid;
        let axis = |name: &&str| -> Option<Axis<'_>> {
            match *name {
                "momentum" => Some((&grid.momentum, |h, value| h.momentum = value)),
                "b1" => Some((&grid.b1, |h, value| h.b1 = value)),
                "b2" => Some((&grid.b2, |h, value| h.b2 = value)),
                "xi" => Some((&grid.xi, |h, value| h.xi = value)),
                "beta" => Some((&grid.beta, |h, value| h.beta = value)),
                "beta_rms" => Some((&grid.beta_rms, |h, value| h.beta_rms = value)),
                "eps" => Some((&grid.eps, |h, value| h.eps = value)),
                _ => None,
            }
        };
        let names = optimiser.named().map(|named| Hyperparameters::names(&named.rule)).unwrap_or_default();
        let axes = names.iter().filter_map(axis);
        let rates = grid.learning_rate.iter();
        let mut points: Vec<_> =
            rates.map(|&learning_rate| Hyperparameters { learning_rate, ..Hyperparameters::default() }).collect();
        for (values, set) in axes {
            points = points
                .into_iter()
                .flat_map(|point| {
                    values.iter().map(move |&value| {
                        let mut point = point;
                        set(&mut point, Some(value));
                        point
                    })
                })
                .collect();
        }
        points
    }
}

/// The values of one hyperparameter, and how it is set.
type Axis<'a> = (&'a [f64], fn(&mut Hyperparameters, Option<f64>));
