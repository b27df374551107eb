//! The optimisers of the training studies by name, and the configurations that were published for them.

use core::fmt;
use core::str::FromStr;

use ambient_metric::any::Preprocessed;
use ambient_metric::base::{EveryMatrix, HiddenMatrices, Remembering, Route, Width};
use ambient_metric::{
    AnyOptimiser, AnyRule, Configuration, Descent, Error as Refusal, Flat, Group, Muon, Nesterov, NoMomentum, RmsProp,
    Routed, Tensor as _,
};
use ambient_metric_burn::Parameters;
use ambient_studies::error::Error;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::{Named, is_given};
use serde::{Deserialize, Serialize};

use crate::task::Task;

/// An optimiser of the training studies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Trained {
    /// A rule of the grammar. `adam` has no weight decay, and `adamw` has.
    Rule(Box<Named>),
    /// The paper's: Muon for every tensor with two axes, NAdam for the rest.
    Muon,
    /// Muon for hidden matrices, NAdam for the rest.
    MuonRouted,
}

impl Trained {
    /// The names of those of the paper.
    pub const STUDIED: [&str; 7] = ["adam", "adamw", "sgd", "euclidean", "euclidean_log", "muon", "rmsprop"];

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rule(named) => named.name(),
            Self::Muon => "muon",
            Self::MuonRouted => "muon_routed",
        }
    }

    /// Its name with what file names cannot have left out.
    #[must_use]
    pub fn file_name(&self) -> String {
        let words = self.name().split(|letter: char| !letter.is_alphanumeric() && !"._-".contains(letter));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    }

    /// The rule; nothing where it is put together from several.
    fn rule(&self) -> Option<&AnyRule> {
        match self {
            Self::Rule(named) => Some(&named.rule),
            Self::Muon | Self::MuonRouted => None,
        }
    }

    /// Whether weight decay is among its hyperparameters.
    #[must_use]
    pub fn decays(&self) -> bool {
        !["sgd", "sgd_ema", "adam", "nadam"].contains(&self.name())
    }

    /// The hyperparameters that it has besides the learning rate and ε.
    #[must_use]
    pub fn hyperparameters(&self) -> Vec<&'static str> {
        let mut own = self.rule().map_or(vec!["momentum"], Hyperparameters::names);
        own.retain(|name| *name != "eps");
        own.extend(self.decays().then_some("weight_decay"));
        own
    }

    /// The configuration for a task: the published one, if there is one, with the given values set; else what is written in the rule.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for one that the optimiser does not have, or one that is neither given, nor published, nor written.
    pub fn configure(&self, task: Task, settings: &[(String, f64)]) -> Result<Hyperparameters, Error> {
        let rule = || self.name().to_owned();
        let known = self.hyperparameters();
        let published = published(task, self);
        let mut made = published.unwrap_or_default();
        let own = self.rule().map_or(Some(1e-8), |rule| Hyperparameters::of(rule).eps);
        made.eps = own.map(|own| made.eps.unwrap_or(own));
        // What a name of one word leaves open has to be said; a composition says it.
        let is_composed = self.name().contains('(');
        if let (true, Some(rule)) = (is_composed, self.rule()) {
            made = Hyperparameters::of(rule);
        }
        for (name, value) in settings {
            if name == "learning_rate" {
                made.learning_rate = *value;
            } else if name == "eps" && made.eps.is_some() || known.contains(&name.as_str()) {
                made.set(name, *value);
            } else {
                let known = known.iter().copied().chain(["learning_rate"]).collect::<Vec<_>>().join(", ");
                let problem = format!("has no hyperparameter `{name}`: it has {known}");
                return Err(Error::Hyperparameter { rule: rule(), problem });
            }
        }
        let has_rate = settings.iter().any(|(name, _)| name == "learning_rate") || made.learning_rate > 0.0;
        let needed = known.into_iter().filter(|name| *name != "weight_decay" && made.value(name).is_none());
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
        Err(Error::Hyperparameter { rule: rule(), problem })
    }

    /// What makes the optimiser with these constants.
    ///
    /// # Errors
    ///
    /// As [`Named::with`].
    pub fn maker(&self, hyperparameters: &Hyperparameters) -> Result<Maker, Error> {
        let Hyperparameters { learning_rate, weight_decay, .. } = *hyperparameters;
        match self {
            Self::Muon => Ok(muon(EveryMatrix, hyperparameters)),
            Self::MuonRouted => Ok(muon(hidden(), hyperparameters)),
            Self::Rule(named) => {
                let (rule, beforehand) = named.with(hyperparameters)?.apart();
                let rule = rule.fused()?;
                let configuration = Configuration::new(rule, learning_rate).weight_decay(weight_decay.unwrap_or(0.0));
                Ok(Box::new(|parameters| {
                    let optimiser = configuration.build(parameters)?;
                    if beforehand.is_empty() {
                        return Ok(Box::new(optimiser));
                    }
                    Ok(Box::new(Preprocessed::new(beforehand, optimiser, parameters)?))
                }))
            }
        }
    }
}

/// An optimiser of any kind, so that the trainer is compiled once and not once for each.
pub type AnyEngine = Box<dyn AnyOptimiser<Parameters<f32>>>;

/// Makes an optimiser for given parameters.
pub type Maker = Box<dyn FnOnce(&Parameters<f32>) -> Result<AnyEngine, Refusal>>;

/// Hidden matrices in the names of the networks here.
fn hidden() -> HiddenMatrices {
    let mut hidden = HiddenMatrices::default();
    hidden.exceptions.extend(["positions", "layers.0.*", "layers.2.*"].map(str::to_owned));
    hidden
}

/// Muon for the tensors of a route, with weight decay on them, and NAdam for the rest.
fn muon<N: Route + Clone + Send + 'static>(route: N, hyperparameters: &Hyperparameters) -> Maker {
    let Hyperparameters { learning_rate, momentum, eps, weight_decay, .. } = *hyperparameters;
    let metric = Routed {
        route,
        taken: Muon {
            momentum: Nesterov(momentum.unwrap_or(0.95)),
            width: Width::ColumnsAreOutputs,
            ..Muon::default()
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
        formatter.write_str(self.name())
    }
}

impl FromStr for Trained {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name.trim().to_lowercase().as_str() {
            "muon" => return Ok(Self::Muon),
            "muon_routed" => return Ok(Self::MuonRouted),
            _ => {}
        }
        let named: Named = name.parse()?;
        match untrainable(&named.rule) {
            Some(why) => {
                let (rule, problem) = (named.name().to_owned(), format!("is not for training: {why}"));
                Err(Error::Hyperparameter { rule, problem })
            }
            None => Ok(Self::Rule(Box::new(named))),
        }
    }
}

/// Why a rule cannot train a network here.
fn untrainable(rule: &AnyRule) -> Option<&'static str> {
    if !rule.is_fused() {
        return Some(
            "a metric of whole tensors asks for singular values, which Burn's devices have not; `muon` and `muon_routed` are for networks",
        );
    }
    if rule.losses() > 1 {
        return Some("it descends several losses, and a network here has one");
    }
    is_given(rule).then_some("its coupling covector has to be given, and a network here has none to give")
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
pub fn published(task: Task, optimiser: &Trained) -> Option<Hyperparameters> {
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
    Some(match (task, optimiser.name()) {
        (Task::Regression, "adam") => adam(0.006_209_5, 0.988_408, 0.975_551, None),
        (Task::Regression, "adamw") => adam(0.004_390_5, 0.981_503, 0.911_618, Some(0.002_397_8)),
        (Task::Regression, "rmsprop") => {
            induced(0.013_691_3, 0.976_340, 0.018_582_9, 0.795_759, Some(0.950_048), 0.000_538_99)
        }
        (Task::Regression, "euclidean") => induced(0.667_405, 0.983_608, 0.001_925_7, 0.878_559, None, 1.226e-5),
        (Task::Regression, "euclidean_log") => {
            induced(0.282_981, 0.965_986, 0.019_578_6, 0.836_030, None, 0.000_163_54)
        }
        (Task::Mnist, "adam") => adam(0.009_377_6, 0.837_546, 0.962_854, None),
        (Task::Mnist, "sgd") => {
            Hyperparameters { learning_rate: 0.317_143, momentum: Some(0.401_263), ..Hyperparameters::default() }
        }
        (Task::Mnist, "rmsprop") => induced(0.004_750_2, 0.907_467, 0.000_757_53, 0.652_302, Some(0.988_206), 2.345e-6),
        (Task::Mnist, "euclidean") => induced(0.664_953, 0.916_568, 7.4299e-5, 0.889_293, None, 0.000_401_99),
        (Task::Mnist, "euclidean_log") => induced(0.142_153, 0.906_851, 0.003_079_5, 0.703_310, None, 0.007_861_9),
        (Task::Shakespeare, "adamw") => adam(0.008_176_5, 0.814_537, 0.938_398, Some(0.001_149_6)),
        (Task::Shakespeare, "rmsprop") => {
            induced(0.007_004_8, 0.875_966, 1.150_37e-7, 0.878_497, Some(0.998_714), 0.009_017_5)
        }
        (Task::Cifar10, "adamw") => adam(0.004_309_6, 0.841_645, 0.990_621, Some(0.000_598_6)),
        (Task::Cifar10, "rmsprop") => {
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
pub fn paper_row(optimiser: &Trained) -> Option<usize> {
    Trained::STUDIED.iter().position(|name| *name == optimiser.name())
}

/// The name of an optimiser in the paper's tables.
#[must_use]
pub fn paper_label(optimiser: &Trained) -> Option<&'static str> {
    const LABELS: [&str; 7] = ["ADAM", "ADAMW", "SGD", "SGD_METRIC", "SGD_LOG_METRIC", "MUON", "SGD_RMS"];
    LABELS.get(paper_row(optimiser)?).copied()
}

/// The paper's score of an optimiser on a task.
#[must_use]
pub fn paper_score(task: Task, optimiser: &Trained) -> Option<PaperScore> {
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
