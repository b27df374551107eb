//! What a run came to: its scores after every epoch, and the best of them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::settings::Settings;
use crate::task::Task;

/// The scores after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Which one, from one.
    pub epoch: usize,
    /// The score on training examples that were held out.
    pub validation: Option<f64>,
    /// The score on the test set.
    pub test: f64,
}

ambient_metric::known_keys! { Epoch { epoch, validation = None, test as NumberOrNone } }

impl Epoch {
    /// The score by which epochs and runs are chosen: that on examples that were held out, and where none were, that on the test set.
    #[must_use]
    pub fn deciding(&self) -> f64 {
        self.validation.unwrap_or(self.test)
    }

    /// The best of some epochs of a task by the score that decides; nothing where none is finite.
    pub fn best(task: Task, epochs: impl IntoIterator<Item = Self>) -> Option<Self> {
        let finite = epochs.into_iter().filter(|epoch| epoch.deciding().is_finite());
        finite.reduce(|best, epoch| if task.is_better(epoch.deciding(), best.deciding()) { epoch } else { best })
    }
}

/// A number, or what JSON has in place of one that is not finite.
fn number_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(deserializer).map(|number| number.unwrap_or(f64::NAN))
}

/// A number that is written as [`number_or_none`] reads it.
#[derive(Deserialize)]
struct NumberOrNone(#[serde(deserialize_with = "number_or_none")] f64);

impl From<NumberOrNone> for f64 {
    fn from(NumberOrNone(number): NumberOrNone) -> Self {
        number
    }
}

/// What a run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What decided it.
    #[serde(flatten)]
    pub settings: Settings,
    /// How many parameters the model has.
    pub parameters: usize,
    /// How many updates were taken.
    pub updates: usize,
    /// The best score on the test set over all epochs, which is what the paper reports.
    #[serde(deserialize_with = "number_or_none")]
    pub best: f64,
    /// The epoch of it.
    pub best_epoch: usize,
    /// The score on the test set after the last epoch.
    #[serde(deserialize_with = "number_or_none")]
    pub last: f64,
    /// The score on the test set after the epoch that was best on examples held out of the training.
    pub honest: Option<f64>,
    /// Why the run ended early, where it did.
    pub diverged: Option<String>,
    /// The scores after every epoch.
    pub scores: Vec<Epoch>,
    /// How long it took.
    pub seconds: f64,
    /// A fingerprint of the numbers of the model.
    pub fingerprint: String,
}

impl Outcome {
    /// The outcome of the scores after every epoch.
    #[must_use]
    pub fn of(settings: Settings, scores: Vec<Epoch>) -> Self {
        let task = settings.task;
        let nothing = Epoch { epoch: 0, validation: None, test: f64::NAN };
        let best = |score: fn(&Epoch) -> f64| {
            scores
                .iter()
                .fold(nothing, |best, epoch| if task.is_better(score(epoch), score(&best)) { *epoch } else { best })
        };
        let by_test = best(|epoch| epoch.test);
        let by_validation = best(|epoch| epoch.validation.unwrap_or(f64::NAN));
        Self {
            settings,
            parameters: 0,
            updates: 0,
            best: by_test.test,
            best_epoch: by_test.epoch,
            last: scores.last().map_or(f64::NAN, |epoch| epoch.test),
            honest: by_validation.validation.map(|_| by_validation.test),
            diverged: None,
            scores,
            seconds: 0.0,
            fingerprint: String::new(),
        }
    }

    /// The epoch that is best by the score which [decides](Epoch::deciding); nothing where no score is finite.
    #[must_use]
    pub fn chosen(&self) -> Option<Epoch> {
        Epoch::best(self.settings.task, self.scores.iter().copied())
    }

    /// A run in a few lines.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { settings, best, best_epoch, last, updates, parameters, seconds, fingerprint, .. } = self;
        let score = settings.task.score();
        let honest = self.honest.map_or_else(String::new, |honest| {
            format!("test {score} {honest:.5} after the epoch that was best on the examples held out\n")
        });
        let listed = settings.hyperparameters.listed();
        format!(
            "{} on {}: {parameters} parameters, {updates} updates in {seconds:.1} s\n\
             learning_rate {:?}, {listed}\n\
             best test {score} {best:.5} (epoch {best_epoch}), after the last epoch {last:.5}\n\
             {honest}fingerprint of the parameters {fingerprint}\n",
            settings.optimiser, settings.task, settings.hyperparameters.learning_rate,
        )
    }
}
