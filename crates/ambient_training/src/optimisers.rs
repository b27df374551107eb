//! The optimisers of the training studies by name, and the configurations that were published for them.

use core::fmt;
use core::str::FromStr;

use ambient_metric::base::{EveryMatrix, HiddenMatrices, Remembering, Route, Width};
use ambient_metric::space::NewtonSchulz;
use ambient_metric::{
    Configuration, Descent, Error as Refusal, Flat, Group, Muon, Nesterov, NoMomentum, RmsProp, Routed, Rule,
    Tensor as _,
};
use ambient_metric_burn::{Engine, Parameters};
use ambient_studies::error::Error;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::optimisers::Named;
use ambient_studies::rules::variant::{Coupling, Variant};
use ambient_studies::rules::with_rule::WithRule;
use serde::{Deserialize, Serialize};

use crate::task::Task;

/// An optimiser that has a name in the training studies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Trained {
    /// A rule of the other studies; Adam without weight decay.
    Rule(Named),
    /// Adam with decoupled weight decay.
    AdamW,
    /// The paper's: Muon for every tensor with two axes, NAdam for the rest.
    Muon,
    /// Muon for hidden matrices, NAdam for the rest.
    MuonRouted,
}

impl Trained {
    /// Those of the paper.
    pub const STUDIED: [Self; 7] = [
        Self::Rule(Named::Adam),
        Self::AdamW,
        Self::Rule(Named::Sgd),
        Self::Rule(Named::Euclidean),
        Self::Rule(Named::EuclideanLog),
        Self::Muon,
        Self::Rule(Named::Rmsprop),
    ];

    /// The rule; nothing where it is put together from several.
    #[must_use]
    pub fn named(self) -> Option<Named> {
        match self {
            Self::Rule(named) => Some(named),
            Self::AdamW => Some(Named::Adam),
            Self::Muon | Self::MuonRouted => None,
        }
    }

    /// The name that errors give it.
    fn name(self) -> &'static str {
        match self {
            Self::Rule(named) => named.name(),
            Self::AdamW => "adamw",
            Self::Muon => "muon",
            Self::MuonRouted => "muon_routed",
        }
    }

    /// Whether weight decay is among its hyperparameters.
    #[must_use]
    pub fn decays(self) -> bool {
        !matches!(self, Self::Rule(Named::Sgd | Named::SgdEma | Named::Adam | Named::Nadam))
    }

    /// The hyperparameters that it has besides the learning rate and ε.
    pub fn hyperparameters(self) -> impl Iterator<Item = &'static str> {
        let own = self.named().map_or(&["momentum"][..], Named::hyperparameters);
        own.iter().copied().filter(|name| *name != "eps").chain(self.decays().then_some("weight_decay"))
    }

    /// The configuration for a task: the published one, if there is one, with the given values set.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for one that the optimiser does not have, or one that is neither given nor published.
    pub fn configure(self, task: Task, settings: &[(String, f64)]) -> Result<Hyperparameters, Error> {
        let rule = self.name();
        let mut made = published(task, self).unwrap_or_default();
        let has_epsilon = self.named().is_none_or(|named| named.hyperparameters().contains(&"eps"));
        made.eps = has_epsilon.then_some(made.eps.unwrap_or(1e-8));
        for (name, value) in settings {
            let known = || self.hyperparameters().chain(["learning_rate"]).collect::<Vec<_>>().join(", ");
            let unknown = || format!("has no hyperparameter `{name}`: it has {}", known());
            if name == "learning_rate" {
                made.learning_rate = *value;
            } else if name == "eps" && made.eps.is_some() || self.hyperparameters().any(|own| own == name) {
                made.set(name, *value);
            } else {
                return Err(Error::Hyperparameter { rule, problem: unknown() });
            }
        }
        let has_rate = settings.iter().any(|(name, _)| name == "learning_rate") || made.learning_rate > 0.0;
        let needed = self.hyperparameters().filter(|name| *name != "weight_decay" && made.value(name).is_none());
        let missing: Vec<String> = (!has_rate)
            .then_some("learning_rate")
            .into_iter()
            .chain(needed)
            .map(|name| format!("--set {name}=VALUE"))
            .collect();
        if missing.is_empty() {
            return Ok(made);
        }
        let problem = format!("has no published configuration on {task}: give {}", missing.join(" "));
        Err(Error::Hyperparameter { rule, problem })
    }

    /// What makes the optimiser with these constants.
    ///
    /// # Errors
    ///
    /// As [`Named::rule`].
    pub fn maker(self, hyperparameters: &Hyperparameters) -> Result<Maker, Error> {
        match self {
            Self::Muon => Ok(muon(EveryMatrix, hyperparameters)),
            Self::MuonRouted => Ok(muon(hidden(), hyperparameters)),
            Self::Rule(named) => named.rule(hyperparameters, OfRule(hyperparameters)),
            Self::AdamW => Named::Adam.rule(hyperparameters, OfRule(hyperparameters)),
        }
    }
}

/// An optimiser of any kind, so that the trainer is compiled once and not once for each.
pub type AnyEngine = Box<dyn Engine<Element = f32>>;

/// Makes an optimiser for given parameters.
pub type Maker = Box<dyn FnOnce(&Parameters<f32>) -> Result<AnyEngine, Refusal>>;

/// The constants of an optimiser that a rule is looked up for.
struct OfRule<'h>(&'h Hyperparameters);

impl WithRule for OfRule<'_> {
    type Output = Maker;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Maker, Error> {
        let Hyperparameters { learning_rate, weight_decay, .. } = *self.0;
        let configuration = Configuration::new(rule, learning_rate).weight_decay(weight_decay.unwrap_or(0.0));
        Ok(Box::new(|parameters| Ok(Box::new(configuration.build(parameters)?))))
    }
}

/// Hidden matrices in the names of the networks here.
fn hidden() -> HiddenMatrices {
    let mut hidden = HiddenMatrices::default();
    hidden.exceptions.extend(["positions", "layers.0.*", "layers.2.*"].map(str::to_owned));
    hidden
}

/// Muon for the tensors of a route, with weight decay on them, and NAdam for the rest.
fn muon<N: Route + Clone + 'static>(route: N, hyperparameters: &Hyperparameters) -> Maker {
    let Hyperparameters { learning_rate, momentum, eps, weight_decay, .. } = *hyperparameters;
    let metric = Routed {
        route,
        taken: Muon {
            momentum: Nesterov(momentum.unwrap_or(0.95)),
            orthogonaliser: NewtonSchulz::default(),
            width: Width::ColumnsAreOutputs,
        },
        rest: Remembering { momentum: Nesterov(0.9), metric: RmsProp { beta: 0.999, epsilon: eps.unwrap_or(1e-8) } },
    };
    Box::new(move |parameters| {
        let parts = parameters.layout().parts().iter();
        let rest: Vec<&str> = parts.filter(|part| !metric.route.takes(part)).map(|part| part.name.as_str()).collect();
        let group = (!rest.is_empty()).then(|| Group::new("rest", rest).weight_decay(0.0));
        let mut configuration = Configuration::new(Descent::new(metric, Flat, NoMomentum), learning_rate)
            .weight_decay(weight_decay.unwrap_or(0.0));
        configuration.groups.extend(group);
        Ok(Box::new(configuration.build_whole(parameters)?))
    })
}

impl fmt::Display for Trained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(named) => named.fmt(formatter),
            other => formatter.write_str(other.name()),
        }
    }
}

impl FromStr for Trained {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let more = [Self::AdamW, Self::Muon, Self::MuonRouted];
        if let Some(found) = more.into_iter().find(|trained| trained.name().eq_ignore_ascii_case(name)) {
            return Ok(found);
        }
        let named: Named = name.parse().map_err(|error| match error {
            // Not a part of a name, such as its metric.
            Error::UnknownName { name: unknown, mut known, .. } if unknown == name => {
                let name = unknown;
                known.extend(more.map(Self::name));
                Error::UnknownName { what: "optimiser", name, known }
            }
            other => other,
        })?;
        match untrainable(named) {
            Some(why) => {
                Err(Error::Hyperparameter { rule: named.name(), problem: format!("is not for training: {why}") })
            }
            None => Ok(Self::Rule(named)),
        }
    }
}

/// Why a rule cannot train a network here.
fn untrainable(named: Named) -> Option<&'static str> {
    match named {
        Named::Variant(Variant::Joint(..)) => Some("it descends several losses, and a network here has one"),
        Named::Variant(Variant::Coupled(_, _, Coupling::Given)) => {
            Some("its coupling covector has to be given, and a network here has none to give")
        }
        Named::Variant(Variant::Whole(..)) => {
            Some("its metric is one of the low-dimensional study; `muon` and `muon_routed` are for networks")
        }
        _ => None,
    }
}

impl From<Trained> for String {
    fn from(trained: Trained) -> Self {
        trained.to_string()
    }
}

impl TryFrom<String> for Trained {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

/// The best configuration that the paper's code published for an optimiser on a task.
#[must_use]
pub fn published(task: Task, optimiser: Trained) -> Option<Hyperparameters> {
    let adam = |learning_rate, b1, b2, weight_decay| Hyperparameters {
        learning_rate,
        b1: Some(b1),
        b2: Some(b2),
        weight_decay,
        ..Hyperparameters::default()
    };
    let induced = |learning_rate, momentum, xi, beta, beta_rms, decay| Hyperparameters {
        learning_rate,
        momentum: Some(momentum),
        xi: Some(xi),
        beta: Some(beta),
        beta_rms,
        weight_decay: Some(decay),
        ..Hyperparameters::default()
    };
    Some(match (task, optimiser) {
        (Task::Regression, Trained::Rule(Named::Adam)) => adam(0.006_209_5, 0.988_408, 0.975_551, None),
        (Task::Regression, Trained::AdamW) => adam(0.004_390_5, 0.981_503, 0.911_618, Some(0.002_397_8)),
        (Task::Regression, Trained::Rule(Named::Rmsprop)) => {
            induced(0.013_691_3, 0.976_340, 0.018_582_9, 0.795_759, Some(0.950_048), 0.000_538_99)
        }
        (Task::Regression, Trained::Rule(Named::Euclidean)) => {
            induced(0.667_405, 0.983_608, 0.001_925_7, 0.878_559, None, 1.226e-5)
        }
        (Task::Regression, Trained::Rule(Named::EuclideanLog)) => {
            induced(0.282_981, 0.965_986, 0.019_578_6, 0.836_030, None, 0.000_163_54)
        }
        (Task::Mnist, Trained::Rule(Named::Adam)) => adam(0.009_377_6, 0.837_546, 0.962_854, None),
        (Task::Mnist, Trained::Rule(Named::Sgd)) => {
            Hyperparameters { learning_rate: 0.317_143, momentum: Some(0.401_263), ..Hyperparameters::default() }
        }
        (Task::Mnist, Trained::Rule(Named::Rmsprop)) => {
            induced(0.004_750_2, 0.907_467, 0.000_757_53, 0.652_302, Some(0.988_206), 2.345e-6)
        }
        (Task::Mnist, Trained::Rule(Named::Euclidean)) => {
            induced(0.664_953, 0.916_568, 7.4299e-5, 0.889_293, None, 0.000_401_99)
        }
        (Task::Mnist, Trained::Rule(Named::EuclideanLog)) => {
            induced(0.142_153, 0.906_851, 0.003_079_5, 0.703_310, None, 0.007_861_9)
        }
        (Task::Shakespeare, Trained::AdamW) => adam(0.008_176_5, 0.814_537, 0.938_398, Some(0.001_149_6)),
        (Task::Shakespeare, Trained::Rule(Named::Rmsprop)) => {
            induced(0.007_004_8, 0.875_966, 1.150_37e-7, 0.878_497, Some(0.998_714), 0.009_017_5)
        }
        (Task::Cifar10, Trained::AdamW) => adam(0.004_309_6, 0.841_645, 0.990_621, Some(0.000_598_6)),
        (Task::Cifar10, Trained::Rule(Named::Rmsprop)) => {
            induced(0.004_037_9, 0.860_601, 7.6953e-9, 0.605_622, Some(0.989_420), 0.001_203_5)
        }
        _ => return None,
    })
}

/// What the paper's tables say of an optimiser on a task: mean and standard deviation of the best 50 runs, and the best run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperScore {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
    /// The best.
    pub best: f64,
}

/// The place of an optimiser in the paper's tables.
#[must_use]
pub fn paper_row(optimiser: Trained) -> Option<usize> {
    Some(match optimiser {
        Trained::Rule(Named::Adam) => 0,
        Trained::AdamW => 1,
        Trained::Rule(Named::Sgd) => 2,
        Trained::Rule(Named::Euclidean) => 3,
        Trained::Rule(Named::EuclideanLog) => 4,
        Trained::Muon => 5,
        Trained::Rule(Named::Rmsprop) => 6,
        Trained::Rule(_) | Trained::MuonRouted => return None,
    })
}

/// The name of an optimiser in the paper's tables.
#[must_use]
pub fn paper_label(optimiser: Trained) -> Option<&'static str> {
    const LABELS: [&str; 7] = ["ADAM", "ADAMW", "SGD", "SGD_METRIC", "SGD_LOG_METRIC", "MUON", "SGD_RMS"];
    LABELS.get(paper_row(optimiser)?).copied()
}

/// The paper's score of an optimiser on a task.
#[must_use]
pub fn paper_score(task: Task, optimiser: Trained) -> Option<PaperScore> {
    // Rows: ADAM, ADAMW, SGD, SGD_METRIC, SGD_LOG_METRIC, MUON, SGD_RMS.
    const SCORES: [[(f64, f64, f64); 4]; 7] = [
        [(0.03941, 0.00571, 0.02117), (0.97888, 0.00057, 0.98069), (0.8260, 0.0210, 0.8656), (4.455, 0.054, 4.326)],
        [(0.03785, 0.00441, 0.02514), (0.97844, 0.00077, 0.98025), (0.8174, 0.0370, 0.8697), (4.437, 0.040, 4.307)],
        [(0.05567, 0.00823, 0.03632), (0.97819, 0.00074, 0.98025), (0.6010, 0.0227, 0.6777), (8.643, 1.926, 5.045)],
        [(0.04349, 0.00530, 0.03151), (0.97875, 0.00102, 0.98166), (0.5621, 0.0353, 0.5949), (9.365, 1.312, 7.065)],
        [(0.05715, 0.00897, 0.03153), (0.97975, 0.00146, 0.98329), (0.5982, 0.1064, 0.7524), (8.798, 0.753, 7.623)],
        [(0.04390, 0.00369, 0.03435), (0.97984, 0.00055, 0.98112), (0.8296, 0.0213, 0.8585), (4.447, 0.032, 4.356)],
        [(0.03590, 0.00577, 0.02289), (0.97905, 0.00076, 0.98155), (0.8263, 0.0217, 0.8702), (4.433, 0.044, 4.361)],
    ];
    let (mean, deviation, best) = *SCORES.get(paper_row(optimiser)?)?.get(task as usize)?;
    Some(PaperScore { mean, deviation, best })
}
