//! Rules by name: any of the library's grammar, and those of the paper's low-dimensional study.

use core::fmt;
use core::str::FromStr;

use ambient_metric::AnyRule;
use ambient_metric::any::{AnyAmbient, AnyPreconditioner, AnySpace};
use serde::{Deserialize, Serialize};

use super::hyperparameters::Hyperparameters;
use crate::error::Error;

/// A rule under the name that it was given: a text of the library's grammar.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    name: String,
    /// The rule.
    pub rule: AnyRule,
}

impl Named {
    /// The name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rule with these hyperparameters in place of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for one that the rule does not have.
    pub fn with(&self, hyperparameters: &Hyperparameters) -> Result<AnyRule, Error> {
        let mut rule = self.rule.clone();
        hyperparameters
            .set_in(&mut rule)
            .map_err(|problem| Error::Hyperparameter { rule: self.name.clone(), problem })?;
        Ok(rule)
    }

    /// Those of these decays of its momentum that it takes; one that is none where it has no momentum.
    #[must_use]
    pub fn momenta(&self, tried: &[f64]) -> Vec<Option<f64>> {
        let own = Hyperparameters::of(&self.rule);
        if own.momentum.is_none() && own.b1.is_none() {
            return vec![None];
        }
        let takes = |decay: Option<f64>| {
            let with = Hyperparameters { momentum: own.momentum.and(decay), b1: own.b1.and(decay), ..own };
            self.with(&with).is_ok_and(|rule| rule.validate().is_ok())
        };
        tried.iter().copied().map(Some).filter(|&decay| takes(decay)).collect()
    }

    /// The rule with its surface in another ambient metric, where it descends a surface of one loss that stands in the product.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for another surface. A rule without one is as it was.
    pub fn within(&self, ambient: AnyAmbient) -> Result<Self, Error> {
        let product = AnySpace::Straight(AnyAmbient::Product);
        let mut moved = self.clone();
        match &mut moved.rule.preconditioner {
            _ if ambient == AnyAmbient::Product => {}
            AnyPreconditioner::Flat | AnyPreconditioner::Clipped(_) => {}
            AnyPreconditioner::Induced(surface) if surface.ambient == product && surface.heights.len() == 1 => {
                surface.ambient = AnySpace::Straight(ambient);
            }
            AnyPreconditioner::Induced(_) | AnyPreconditioner::Bilinear(_) => {
                let problem = format!("has a space of its own, and cannot stand in {ambient}");
                return Err(Error::Hyperparameter { rule: self.name.clone(), problem });
            }
        }
        Ok(moved)
    }
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.trim();
        Ok(Self { name: name.to_owned(), rule: name.parse()? })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// An optimiser of the paper's low-dimensional study.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Studied {
    /// The heavy ball.
    Sgd,
    /// Adam.
    Adam,
    /// `NAdam`, which is what the paper's "Muon" is on a vector of two numbers.
    Nadam,
    /// The induced metric over γ = 1 with f = identity.
    Euclidean,
    /// The induced metric over γ = 1 with f = ln.
    EuclideanLog,
    /// The induced metric over γ = RMSprop with f = identity.
    Rmsprop,
}

impl Studied {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 6] = [Self::Sgd, Self::Adam, Self::Nadam, Self::Euclidean, Self::EuclideanLog, Self::Rmsprop];

    /// The name in the grammar, on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::Nadam => "nadam",
            Self::Euclidean => "euclidean",
            Self::EuclideanLog => "euclidean_log",
            Self::Rmsprop => "rmsprop",
        }
    }

    /// The rule.
    ///
    /// # Errors
    ///
    /// [`Error::Rule`], which cannot come to pass in a program that passes its tests.
    pub fn named(self) -> Result<Named, Error> {
        self.name().parse()
    }
}

impl FromStr for Studied {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|optimiser| optimiser.name() == name).ok_or_else(|| Error::UnknownName {
            what: "optimiser",
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).to_vec(),
        })
    }
}

/// Whether a rule has a coupling whose covector has to be given.
#[must_use]
pub fn is_given(rule: &AnyRule) -> bool {
    matches!(&rule.preconditioner, AnyPreconditioner::Induced(surface) if surface.ambient == AnySpace::Given)
}
