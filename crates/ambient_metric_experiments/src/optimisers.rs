//! The rules by name, for every command, and the hyperparameters that turn a name into a rule.

use core::fmt::{self, Write as _};
use core::str::FromStr;

use ambient_metric::{
    Adagrad, Descent, Ema, Euclidean, Induced, LearnedDiagonal, LearnedScalar, PointwiseMetric, RmsProp, Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::stepping::Whole;
use crate::surface::{BaseMetric, Embedding, Placement, Surface};
use crate::variant::{Losses, Variant};

/// What a rule is made of. Absent ones are those that the rule does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Hyperparameters {
    /// η.
    pub learning_rate: f64,
    /// μ of the induced rules and of the heavy ball.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// β₁ of Adam and `NAdam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b1: Option<f64>,
    /// β₂ of Adam and `NAdam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b2: Option<f64>,
    /// ξ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xi: Option<f64>,
    /// β, the decay of the average of s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The decay of the average of squares in the RMSprop metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_rms: Option<f64>,
    /// ε, outside the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// κ, of a coupling or of what a metric learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// λ, decoupled and multiplied by η.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

ambient_metric::known_keys! { Hyperparameters { learning_rate, momentum = None, b1 = None, b2 = None, xi = None, beta = None, beta_rms = None, eps = None, kappa = None, weight_decay = None } }

impl Hyperparameters {
    /// All but the learning rate by name.
    fn entries(&self) -> [(&'static str, Option<f64>); 9] {
        [
            ("momentum", self.momentum),
            ("b1", self.b1),
            ("b2", self.b2),
            ("xi", self.xi),
            ("beta", self.beta),
            ("beta_rms", self.beta_rms),
            ("eps", self.eps),
            ("kappa", self.kappa),
            ("weight_decay", self.weight_decay),
        ]
    }

    /// The value of the hyperparameter of this name, where there is one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.entries().into_iter().find_map(|(entry, value)| value.filter(|_| entry == name))
    }

    /// What they call the constant that the library has refused under a name of its own; nothing where several have its value.
    #[must_use]
    pub fn blamed(&self, refused: f64) -> Option<&'static str> {
        let is_it = |value: Option<f64>| value.is_some_and(|value| value.to_bits() == refused.to_bits());
        let mut found = self.entries().into_iter().filter(|(_, value)| is_it(*value)).map(|(name, _)| name);
        found.next().filter(|_| found.next().is_none())
    }

    /// Gives the hyperparameter of this name a value; a name that is not known is passed over.
    pub fn set(&mut self, name: &str, value: f64) {
        if let Some(slot) = self.slot(name) {
            *slot = Some(value);
        }
    }

    /// The hyperparameter of this name, to be set.
    fn slot(&mut self, name: &str) -> Option<&mut Option<f64>> {
        match name {
            "momentum" => Some(&mut self.momentum),
            "b1" => Some(&mut self.b1),
            "b2" => Some(&mut self.b2),
            "xi" => Some(&mut self.xi),
            "beta" => Some(&mut self.beta),
            "beta_rms" => Some(&mut self.beta_rms),
            "eps" => Some(&mut self.eps),
            "kappa" => Some(&mut self.kappa),
            "weight_decay" => Some(&mut self.weight_decay),
            _ => None,
        }
    }

    /// All but the learning rate that there are, as `name value`.
    #[must_use]
    pub fn listed(&self) -> String {
        let there = self.entries().into_iter().filter_map(|(name, value)| Some(format!("{name} {:?}", value?)));
        there.collect::<Vec<_>>().join(", ")
    }

    /// Accepts hyperparameters of which `names` are there, and no others but a weight decay.
    fn check(&self, rule: &'static str, names: &[&'static str]) -> Result<(), Error> {
        for (name, value) in self.entries() {
            let problem = match (value, names.contains(&name)) {
                (None, true) => format!("needs `{name}`"),
                (Some(_), false) if name != "weight_decay" => format!("has no hyperparameter `{name}`"),
                _ => continue,
            };
            return Err(Error::Hyperparameter { rule, problem });
        }
        Ok(())
    }

    /// What a reader needs to tell this point of a grid from the others: constants of the grid (β, ε, λ) are left out.
    #[must_use]
    pub fn brief(&self) -> String {
        let named = [
            ("μ", self.momentum),
            ("β₁", self.b1),
            ("β₂", self.b2),
            ("ξ", self.xi),
            ("β_rms", self.beta_rms),
            ("κ", self.kappa),
        ];
        let mut text = format!("η {}", rounded(self.learning_rate));
        for (name, value) in named {
            if let Some(value) = value {
                let _ = write!(text, "  {name} {value}");
            }
        }
        text
    }
}

/// A number as it is written, or its first three digits where it has no short form.
fn rounded(number: f64) -> String {
    let (written, short) = (number.to_string(), format!("{number:.2e}"));
    if written.len() > short.len() + 2 { short } else { written }
}

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

/// Constants as the command line gives them, whatever each rule calls them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Constants {
    /// μ, which is β₁ of Adam and `NAdam`.
    pub momentum: Option<f64>,
    /// β, the decay of the average of s.
    pub beta: Option<f64>,
    /// The decay of the average of squares, which is β₂ of Adam and `NAdam`.
    pub beta_rms: Option<f64>,
    /// ξ.
    pub xi: Option<f64>,
    /// ε, outside the root.
    pub eps: Option<f64>,
    /// κ, of a coupling or of what a metric learns.
    pub kappa: Option<f64>,
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
        let Hyperparameters { momentum, b1, b2, beta_rms, eps, kappa, .. } = *hyperparameters;
        let rmsprop = RmsProp { beta: get(beta_rms), epsilon: get(eps) };
        match self {
            Self::Adam => task.with(rules::adam(get(b1), get(b2), get(eps))),
            Self::Nadam => task.with(rules::nadam(get(b1), get(b2), get(eps))),
            Self::Sgd => task.with(rules::sgd(get(momentum))),
            Self::SgdEma => task.with(rules::sgd_ema(get(momentum))),
            Self::Variant(variant) => match variant.metric() {
                Some(BaseMetric::Rmsprop) => variant.over(rmsprop, hyperparameters, task),
                _ => variant.over(Euclidean, hyperparameters, task),
            },
            Self::Euclidean | Self::EuclideanLog | Self::Rmsprop | Self::Induced(_) => {
                let Some(surface) = self.surface() else { return task.with(rules::sgd_ema(get(momentum))) };
                match surface.metric {
                    BaseMetric::Euclidean => over(Euclidean, surface, hyperparameters, task),
                    BaseMetric::Rmsprop => over(rmsprop, surface, hyperparameters, task),
                    BaseMetric::Adagrad => over(Adagrad { epsilon: get(eps) }, surface, hyperparameters, task),
                    BaseMetric::LearnedScalar => {
                        let metric = LearnedScalar { kappa: get(kappa), ..LearnedScalar::default() };
                        over(metric, surface, hyperparameters, task)
                    }
                    BaseMetric::LearnedDiagonal => {
                        let metric = LearnedDiagonal { kappa: get(kappa), ..LearnedDiagonal::default() };
                        over(metric, surface, hyperparameters, task)
                    }
                }
            }
        }
    }
}

/// The rule of a surface over a base metric, with ξ, μ and β.
fn over<M, T>(metric: M, surface: Surface, h: &Hyperparameters, task: T) -> Result<T::Output, Error>
where
    M: PointwiseMetric + Clone + 'static,
    T: WithRule,
{
    let induced = Induced::new(surface.embedding, h.xi.unwrap_or_default()).beta(h.beta.unwrap_or_default());
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

/// Something to be done with a rule of any type.
pub trait WithRule: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Self::Output, Error>;

    /// Does it with a metric over whole tensors, where it can.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] where only a rule that is one pass over memory will do.
    fn whole<M>(self, _rule: Whole<M>) -> Result<Self::Output, Error>
    where
        M: ambient_metric::BaseMetric<Parameters<f64>, State: Clone> + 'static,
    {
        let problem = "is made of whole tensors: it has no acts to write out or to time; `surface` and `lowdim --extended` run it";
        Err(Error::Hyperparameter { rule: "whole", problem: problem.to_owned() })
    }

    /// The second derivatives at the start, where it is about a function.
    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        None
    }
}
