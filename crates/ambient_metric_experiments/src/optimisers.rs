//! The rules by name, for every command, and the hyperparameters that turn a name into a rule.

use core::fmt::{self, Write as _};
use core::str::FromStr;

use ambient_metric::{Adagrad, Descent, DiagonalMetric, Ema, Euclidean, Induced, RmsProp, Rule, rules};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::surface::{BaseMetric, Embedding, Placement, Surface};

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

    /// The value of the hyperparameter of this name, where there is one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.entries().into_iter().find_map(|(entry, value)| value.filter(|_| entry == name))
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
            Self::Sgd | Self::SgdEma | Self::Adam | Self::Nadam => None,
            Self::Euclidean => paper(BaseMetric::Euclidean, Embedding::Identity),
            Self::EuclideanLog => paper(BaseMetric::Euclidean, Embedding::Log),
            Self::Rmsprop => paper(BaseMetric::Rmsprop, Embedding::Identity),
            Self::Induced(surface) => Some(surface),
        }
    }

    /// The hyperparameters that it has besides learning rate and weight decay, in the order in which a grid varies them.
    #[must_use]
    pub fn hyperparameters(self) -> &'static [&'static str] {
        match (self, self.surface().map(|surface| surface.metric)) {
            (Self::Adam | Self::Nadam, _) => &["b1", "b2", "eps"],
            (_, None) => &["momentum"],
            (_, Some(BaseMetric::Euclidean)) => &["momentum", "xi", "beta"],
            (_, Some(BaseMetric::Rmsprop)) => &["momentum", "xi", "beta", "beta_rms", "eps"],
            (_, Some(BaseMetric::Adagrad)) => &["momentum", "xi", "beta", "eps"],
        }
    }

    /// Its hyperparameters from given constants, and for those not given μ = β₁ = 0.9, β = 0.8, β of the average of squares
    /// 0.999, ξ = 0.1, ε = 1e-8. A constant that it does not have is kept, so that [`rule`](Self::rule) refuses it.
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
        let rule = self.name();
        if let Some(surface) = self.surface() {
            return match surface.metric {
                BaseMetric::Euclidean => {
                    let [xi, momentum, beta] = hyperparameters.exactly(rule, ["xi", "momentum", "beta"])?;
                    over(Euclidean, surface, [xi, momentum, beta], task)
                }
                BaseMetric::Rmsprop => {
                    let [xi, momentum, beta, beta_rms, epsilon] =
                        hyperparameters.exactly(rule, ["xi", "momentum", "beta", "beta_rms", "eps"])?;
                    over(RmsProp { beta: beta_rms, epsilon }, surface, [xi, momentum, beta], task)
                }
                BaseMetric::Adagrad => {
                    let [xi, momentum, beta, epsilon] =
                        hyperparameters.exactly(rule, ["xi", "momentum", "beta", "eps"])?;
                    over(Adagrad { epsilon }, surface, [xi, momentum, beta], task)
                }
            };
        }
        match self {
            Self::Adam | Self::Nadam => {
                let [b1, b2, eps] = hyperparameters.exactly(rule, ["b1", "b2", "eps"])?;
                if self == Self::Adam {
                    task.with(rules::adam(b1, b2, eps))
                } else {
                    task.with(rules::nadam(b1, b2, eps))
                }
            }
            _ => {
                let [momentum] = hyperparameters.exactly(rule, ["momentum"])?;
                if self == Self::Sgd { task.with(rules::sgd(momentum)) } else { task.with(rules::sgd_ema(momentum)) }
            }
        }
    }
}

/// The rule of a surface over a base metric, with ξ, μ and β.
fn over<M, T>(metric: M, surface: Surface, [xi, momentum, beta]: [f64; 3], task: T) -> Result<T::Output, Error>
where
    M: DiagonalMetric + Clone + 'static,
    T: WithRule,
{
    let induced = Induced::new(metric, surface.embedding, xi).beta(beta);
    match surface.placement {
        Placement::Damped => task.with(Descent::new(induced, Ema(momentum))),
        Placement::Exact => task.with(Descent::new(induced.exact(), Ema(momentum))),
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Induced(surface) => write!(formatter, "induced:{surface}"),
            named => formatter.write_str(named.name()),
        }
    }
}

impl FromStr for Named {
    type Err = Error;

    /// A name, or a composition as [`COMPOSITION`](Self::COMPOSITION) says, in any case.
    fn from_str(name: &str) -> Result<Self, Error> {
        let lower = name.to_lowercase();
        if let Some(parts) = lower.strip_prefix("induced:") {
            return Ok(Self::Induced(parts.parse()?));
        }
        Self::ALL.into_iter().find(|named| named.name() == lower).ok_or_else(|| Error::UnknownName {
            what: "rule",
            name: name.to_owned(),
            known: Self::ALL.into_iter().map(Self::name).chain([Self::COMPOSITION]).collect(),
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
    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Self::Output, Error>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    struct Name;

    impl WithRule for Name {
        type Output = String;

        fn with<R: Rule + 'static>(self, rule: R) -> Result<String, Error> {
            rule.validate()?;
            Ok(rule.name())
        }
    }

    #[test]
    fn every_name_is_read_back_and_makes_a_rule() {
        let surfaces = Surface::all().into_iter().map(Named::Induced);
        for named in Named::ALL.into_iter().chain(surfaces) {
            assert_eq!(named.to_string().parse::<Named>().unwrap(), named);
            assert_eq!(named.to_string().to_uppercase().parse::<Named>().unwrap(), named);
            assert!(named.rule(&named.with(&Constants::default()), Name).unwrap().starts_with("Descent("));
        }
    }

    #[test]
    fn a_composition_is_the_rule_of_that_name() {
        let composed: Named = "induced:rmsprop:sqrt:exact".parse().unwrap();
        let name = composed.rule(&composed.with(&Constants::default()), Name).unwrap();
        assert_eq!(name, "Descent(Induced(RmsProp, Sqrt, exact), Ema)");
    }

    #[test]
    fn a_constant_that_a_rule_does_not_have_is_refused() {
        let constants = Constants { xi: Some(0.5), ..Constants::default() };
        let said = Named::Adam.rule(&Named::Adam.with(&constants), Name).unwrap_err().to_string();
        assert!(said.contains("adam") && said.contains("`xi`"), "{said}");
        assert_eq!(Named::Euclidean.with(&constants).xi, Some(0.5));
    }
}
