//! The rules by name, for every command.

use core::fmt;
use core::str::FromStr;

use ambient_metric::ambient::{AmbientMetric, Product};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar, PointwiseMetric};
use ambient_metric::{Adagrad, Descent, Ema, Euclidean, Induced, RmsProp, rules};
use serde::{Deserialize, Serialize};

use super::hyperparameters::{Constants, Hyperparameters};
use super::space::Space;
use super::surface::{BaseMetric, Embedding, Placement, Surface};
use super::variant::{Losses, Variant};
use super::with_rule::WithRule;
use crate::error::Error;

/// A rule that has a name on the command line.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The heavy ball.
    Sgd,
    /// SGD with a bias-corrected moving average; not in the paper's study.
    #[serde(skip)]
    SgdEma,
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
    /// An induced metric put together from its parts; not in the paper's study.
    #[serde(skip)]
    Induced(Surface),
    /// A relative of it; not in the paper's study.
    #[serde(skip)]
    Variant(Variant),
}

impl Named {
    /// Those of the low-dimensional study.
    pub const STUDIED: [Self; 6] =
        [Self::Sgd, Self::Adam, Self::Nadam, Self::Euclidean, Self::EuclideanLog, Self::Rmsprop];

    /// Those with a name of their own.
    pub const ALL: [Self; 7] =
        [Self::Sgd, Self::SgdEma, Self::Adam, Self::Nadam, Self::Euclidean, Self::EuclideanLog, Self::Rmsprop];

    /// How a rule is put together on the command line.
    pub const COMPOSITION: &'static str = "induced:METRIC:EMBEDDING[:exact]";

    /// The name on the command line and in results; of a composition, what it is.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::SgdEma => "sgd_ema",
            Self::Adam => "adam",
            Self::Nadam => "nadam",
            Self::Euclidean => "euclidean",
            Self::EuclideanLog => "euclidean_log",
            Self::Rmsprop => "rmsprop",
            Self::Induced(_) => "induced",
            Self::Variant(variant) => variant.kind(),
        }
    }

    /// The optimiser of the low-dimensional study that has this name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownName`].
    pub fn studied(name: &str) -> Result<Self, Error> {
        Self::STUDIED.into_iter().find(|optimiser| optimiser.name() == name).ok_or_else(|| Error::UnknownName {
            what: "optimiser",
            name: name.to_owned(),
            known: Self::STUDIED.map(Self::name).to_vec(),
        })
    }

    /// The surface that it descends, if it has one.
    #[must_use]
    pub fn surface(self) -> Option<Surface> {
        let paper = |metric, embedding| Some(Surface { metric, embedding, placement: Placement::Damped });
        match self {
            Self::Sgd | Self::SgdEma | Self::Adam | Self::Nadam | Self::Variant(_) => None,
            Self::Euclidean => paper(BaseMetric::Euclidean, Embedding::Identity),
            Self::EuclideanLog => paper(BaseMetric::Euclidean, Embedding::Log),
            Self::Rmsprop => paper(BaseMetric::Rmsprop, Embedding::Identity),
            Self::Induced(surface) => Some(surface),
        }
    }

    /// The hyperparameters that it has besides learning rate and weight decay, in the order in which a grid varies them.
    #[must_use]
    pub fn hyperparameters(self) -> &'static [&'static str] {
        let metric = match self {
            Self::Adam | Self::Nadam => return &["b1", "b2", "eps"],
            Self::Sgd | Self::SgdEma => return &["momentum"],
            Self::Variant(Variant::Whole(..)) => return &["momentum", "xi", "beta"],
            Self::Variant(variant) => variant.metric(),
            _ => self.surface().map(|surface| surface.metric),
        };
        let is_coupled = matches!(self, Self::Variant(variant) if variant.has_kappa());
        match (metric.unwrap_or(BaseMetric::Euclidean), is_coupled) {
            (BaseMetric::Euclidean, false) => &["momentum", "xi", "beta"],
            (BaseMetric::Rmsprop, false) => &["momentum", "xi", "beta", "beta_rms", "eps"],
            (BaseMetric::Rmsprop, true) => &["momentum", "xi", "beta", "beta_rms", "eps", "kappa"],
            (BaseMetric::Adagrad, _) => &["momentum", "xi", "beta", "eps"],
            (BaseMetric::Euclidean | BaseMetric::LearnedScalar | BaseMetric::LearnedDiagonal, _) => {
                &["momentum", "xi", "beta", "kappa"]
            }
        }
    }

    /// How many losses it is for.
    #[must_use]
    pub fn losses(self) -> usize {
        match self {
            Self::Variant(Variant::Joint(_, _, Losses::Two)) => 2,
            Self::Variant(Variant::Joint(_, _, Losses::Three)) => 3,
            Self::Variant(Variant::Joint(_, _, Losses::Four)) => 4,
            _ => 1,
        }
    }

    /// Its hyperparameters from given constants, and for those not given μ = β₁ = 0.9, β = 0.8, β of the average of squares
    /// 0.999, ξ = 0.1, ε = 1e-8, κ = 0.1. A constant that it does not have is kept, so that [`rule`](Self::rule) refuses it.
    #[must_use]
    pub fn with(self, constants: &Constants) -> Hyperparameters {
        let has = self.hyperparameters();
        let or = |name: &'static str, other: &'static str| if has.contains(&other) { other } else { name };
        let given = [
            (or("momentum", "b1"), constants.momentum, 0.9),
            ("beta", constants.beta, 0.8),
            (or("beta_rms", "b2"), constants.beta_rms, 0.999),
            ("xi", constants.xi, 0.1),
            ("eps", constants.eps, 1e-8),
            ("kappa", constants.kappa, 0.1),
        ];
        let mut made = Hyperparameters::default();
        for (name, value, default) in given {
            if let Some(slot) = made.slot(name) {
                *slot = value.or_else(|| has.contains(&name).then_some(default));
            }
        }
        made
    }

    /// Makes the rule and hands it to `task`, whatever its type.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for one that is missing or that the rule does not have, and what `task` returns.
    pub fn rule<T: WithRule>(self, hyperparameters: &Hyperparameters, task: T) -> Result<T::Output, Error> {
        hyperparameters.check(self.name(), self.hyperparameters())?;
        let get = Option::unwrap_or_default;
        let Hyperparameters { momentum, b1, b2, beta_rms, eps, .. } = *hyperparameters;
        let rmsprop = RmsProp { beta: get(beta_rms), epsilon: get(eps) };
        match self {
            Self::Adam => {
                task.with(rules::adam().momentum(get(b1)).metric(RmsProp { beta: get(b2), epsilon: get(eps) }))
            }
            Self::Nadam => {
                task.with(rules::nadam().momentum(get(b1)).metric(RmsProp { beta: get(b2), epsilon: get(eps) }))
            }
            Self::Sgd => task.with(rules::sgd(get(momentum))),
            Self::SgdEma => task.with(rules::sgd_ema(get(momentum))),
            Self::Variant(variant) => match variant.metric() {
                Some(BaseMetric::Rmsprop) => variant.over(rmsprop, hyperparameters, task),
                _ => variant.over(Euclidean, hyperparameters, task),
            },
            Self::Euclidean | Self::EuclideanLog | Self::Rmsprop | Self::Induced(_) => {
                let Some(surface) = self.surface() else { return task.with(rules::sgd_ema(get(momentum))) };
                surface_in(Product, surface, hyperparameters, task)
            }
        }
    }

    /// Whether it can run where surfaces stand in this space: it descends none, or one that can stand in any.
    #[must_use]
    pub fn goes_with(self, space: &Space) -> bool {
        space.is_product() || !matches!(self, Self::Variant(_))
    }

    /// Makes the rule, with its surface in this space where it has one, and hands it to `task`.
    ///
    /// # Errors
    ///
    /// As [`rule`](Self::rule), and [`Error::Hyperparameter`] for one that does not [go with](Self::goes_with) the space.
    pub fn rule_in<T: WithRule>(
        self,
        space: Space,
        hyperparameters: &Hyperparameters,
        task: T,
    ) -> Result<T::Output, Error> {
        if !self.goes_with(&space) {
            let problem = format!("has a space of its own, and cannot stand in the {space}");
            return Err(Error::Hyperparameter { rule: self.name(), problem });
        }
        match self.surface() {
            Some(surface) if !space.is_product() => {
                hyperparameters.check(self.name(), self.hyperparameters())?;
                surface_in(space, surface, hyperparameters, task)
            }
            _ => self.rule(hyperparameters, task),
        }
    }
}

/// The rule of a surface in an ambient space.
fn surface_in<A, T>(ambient: A, surface: Surface, h: &Hyperparameters, task: T) -> Result<T::Output, Error>
where
    A: AmbientMetric + Clone + 'static,
    T: WithRule,
{
    let get = Option::unwrap_or_default;
    match surface.metric {
        BaseMetric::Euclidean => over(Euclidean, ambient, surface, h, task),
        BaseMetric::Rmsprop => over(RmsProp { beta: get(h.beta_rms), epsilon: get(h.eps) }, ambient, surface, h, task),
        BaseMetric::Adagrad => over(Adagrad { epsilon: get(h.eps) }, ambient, surface, h, task),
        BaseMetric::LearnedScalar => {
            let metric = LearnedScalar { kappa: get(h.kappa), ..LearnedScalar::default() };
            over(metric, ambient, surface, h, task)
        }
        BaseMetric::LearnedDiagonal => {
            let metric = LearnedDiagonal { kappa: get(h.kappa), ..LearnedDiagonal::default() };
            over(metric, ambient, surface, h, task)
        }
    }
}

/// The rule of a surface over a base metric, with ξ, μ and β.
fn over<M, A, T>(metric: M, ambient: A, surface: Surface, h: &Hyperparameters, task: T) -> Result<T::Output, Error>
where
    M: PointwiseMetric + Clone + 'static,
    A: AmbientMetric + Clone + 'static,
    T: WithRule,
{
    let induced = Induced::new(surface.embedding, h.xi.unwrap_or_default());
    let induced = induced.beta(h.beta.unwrap_or_default()).ambient(ambient);
    let momentum = Ema(h.momentum.unwrap_or_default());
    match surface.placement {
        Placement::Damped => task.with(Descent::new(metric, induced, momentum)),
        Placement::Exact => task.with(Descent::new(metric, induced.exact(), momentum)),
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Induced(surface) => write!(formatter, "induced:{surface}"),
            Self::Variant(variant) => write!(formatter, "{variant}"),
            named => formatter.write_str(named.name()),
        }
    }
}

impl FromStr for Named {
    type Err = Error;

    /// A name, or a composition as [`COMPOSITION`](Self::COMPOSITION) or [`Variant::COMPOSITIONS`] says, in any case.
    fn from_str(name: &str) -> Result<Self, Error> {
        let lower = name.to_lowercase();
        if let Some(parts) = lower.strip_prefix("induced:") {
            return Ok(Self::Induced(parts.parse()?));
        }
        if lower.contains(':') {
            return Ok(Self::Variant(lower.parse()?));
        }
        let compositions = [Self::COMPOSITION].into_iter().chain(Variant::COMPOSITIONS);
        Self::ALL.into_iter().find(|named| named.name() == lower).ok_or_else(|| Error::UnknownName {
            what: "rule",
            name: name.to_owned(),
            known: Self::ALL.into_iter().map(Self::name).chain(compositions).collect(),
        })
    }
}
