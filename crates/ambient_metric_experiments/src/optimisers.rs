//! The optimisers of the studies by name, and the hyperparameters that turn a name into a rule.

use core::fmt::Write as _;
use core::str::FromStr;

use ambient_metric::{Descent, Ema, Induced, Log, RmsProp, Rule, rules};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a rule is made of. Absent ones are those that the rule does not have.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hyperparameters {
    /// η.
    pub learning_rate: f64,
    /// μ of the induced rules and of the heavy ball.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// β₁ of Adam and `NAdam`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b1: Option<f64>,
    /// β₂ of Adam and `NAdam`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b2: Option<f64>,
    /// ξ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xi: Option<f64>,
    /// β, the decay of the average of s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The decay of the average of squares in the RMSprop metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_rms: Option<f64>,
    /// ε, outside the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// λ, decoupled and multiplied by η.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

impl Hyperparameters {
    /// All but the learning rate by name.
    fn entries(&self) -> [(&'static str, Option<f64>); 8] {
        [
            ("momentum", self.momentum),
            ("b1", self.b1),
            ("b2", self.b2),
            ("xi", self.xi),
            ("beta", self.beta),
            ("beta_rms", self.beta_rms),
            ("eps", self.eps),
            ("weight_decay", self.weight_decay),
        ]
    }

    /// The values of `names`, all of which must be there; no others but a weight decay may be.
    fn exactly<const N: usize>(&self, rule: &'static str, names: [&'static str; N]) -> Result<[f64; N], Error> {
        let entries = self.entries();
        let known = |name: &str| names.contains(&name) || name == "weight_decay";
        if let Some((name, _)) = entries.iter().find(|(name, value)| value.is_some() && !known(name)) {
            return Err(Error::Hyperparameter { rule, problem: format!("has no hyperparameter `{name}`") });
        }
        let mut values = [0.0; N];
        for (slot, name) in values.iter_mut().zip(names) {
            let found = entries.iter().find_map(|(entry, value)| value.filter(|_| *entry == name));
            *slot = found.ok_or_else(|| Error::Hyperparameter { rule, problem: format!("needs `{name}`") })?;
        }
        Ok(values)
    }

    /// What a reader needs to tell this point of a grid from the others: constants of the grid (β, ε, λ) are left out.
    #[must_use]
    pub fn brief(&self) -> String {
        let named = [("μ", self.momentum), ("β₁", self.b1), ("β₂", self.b2), ("ξ", self.xi), ("β_rms", self.beta_rms)];
        let mut text = format!("η {}", self.learning_rate);
        for (name, value) in named {
            if let Some(value) = value {
                let _ = write!(text, "  {name} {value}");
            }
        }
        text
    }
}

/// An optimiser of the low-dimensional study.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
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
    /// The induced metric over γ = RMSprop with f = ln; not in the paper's study.
    #[serde(skip)]
    RmspropLog,
}

impl Named {
    /// Those of the low-dimensional study.
    pub const STUDIED: [Self; 6] =
        [Self::Sgd, Self::Adam, Self::Nadam, Self::Euclidean, Self::EuclideanLog, Self::Rmsprop];

    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::Nadam => "nadam",
            Self::Euclidean => "euclidean",
            Self::EuclideanLog => "euclidean_log",
            Self::Rmsprop => "rmsprop",
            Self::RmspropLog => "rmsprop_log",
        }
    }

    /// Makes the rule and hands it to `task`, whatever its type.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for one that is missing or that the rule does not have, and what `task` returns.
    pub fn rule<T: WithRule>(self, hyperparameters: &Hyperparameters, task: T) -> Result<T::Output, Error> {
        let rule = self.name();
        match self {
            Self::Sgd => {
                let [momentum] = hyperparameters.exactly(rule, ["momentum"])?;
                task.with(rules::sgd(momentum))
            }
            Self::Adam => {
                let [b1, b2, eps] = hyperparameters.exactly(rule, ["b1", "b2", "eps"])?;
                task.with(rules::adam(b1, b2, eps))
            }
            Self::Nadam => {
                let [b1, b2, eps] = hyperparameters.exactly(rule, ["b1", "b2", "eps"])?;
                task.with(rules::nadam(b1, b2, eps))
            }
            Self::Euclidean => {
                let [xi, momentum, beta] = hyperparameters.exactly(rule, ["xi", "momentum", "beta"])?;
                task.with(rules::euclidean(xi, momentum, beta))
            }
            Self::EuclideanLog => {
                let [xi, momentum, beta] = hyperparameters.exactly(rule, ["xi", "momentum", "beta"])?;
                task.with(rules::euclidean_log(xi, momentum, beta))
            }
            Self::Rmsprop | Self::RmspropLog => {
                let [xi, momentum, beta, beta_rms, epsilon] =
                    hyperparameters.exactly(rule, ["xi", "momentum", "beta", "beta_rms", "eps"])?;
                let metric = RmsProp { beta: beta_rms, epsilon };
                if self == Self::Rmsprop {
                    task.with(rules::rmsprop(xi, momentum, beta, metric))
                } else {
                    task.with(Descent::new(Induced::new(metric, Log, xi).beta(beta), Ema(momentum)))
                }
            }
        }
    }
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::STUDIED.into_iter().find(|optimiser| optimiser.name() == name).ok_or_else(|| Error::UnknownName {
            what: "optimiser",
            name: name.to_owned(),
            known: Self::STUDIED.map(Self::name).to_vec(),
        })
    }
}

/// Something to be done with a rule of any type.
pub trait WithRule {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn with<R: Rule>(self, rule: R) -> Result<Self::Output, Error>;
}
