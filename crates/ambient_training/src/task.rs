//! The four training tasks of the paper: sizes, lengths and scores.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A task.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A polynomial of four coordinates, by a perceptron
    Regression,
    /// Digits, by a perceptron
    Mnist,
    /// Small photographs, by `ResNet`-18
    Cifar10,
    /// The next character, by a GPT
    Shakespeare,
}

impl Task {
    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar10",
            Self::Shakespeare => "shakespeare",
        }
    }

    /// The folder of its data within the folder of all.
    #[must_use]
    pub fn folder(self) -> &'static str {
        if self == Self::Shakespeare { "tinyshakespeare" } else { self.name() }
    }

    /// How many epochs the paper trains.
    #[must_use]
    pub fn epochs(self) -> usize {
        match self {
            Self::Regression | Self::Mnist => 200,
            Self::Cifar10 => 400,
            Self::Shakespeare => 250,
        }
    }

    /// How many examples a mini-batch has in the paper.
    #[must_use]
    pub fn batch(self) -> usize {
        if self == Self::Shakespeare { 256 } else { 1024 }
    }

    /// What is scored.
    #[must_use]
    pub fn score(self) -> &'static str {
        match self {
            Self::Regression => "MSE",
            Self::Mnist | Self::Cifar10 => "accuracy",
            Self::Shakespeare => "perplexity",
        }
    }

    /// Whether one score is better than another; a score that is no number is worse than any.
    #[must_use]
    pub fn is_better(self, score: f64, than: f64) -> bool {
        if score.is_nan() || than.is_nan() {
            return !score.is_nan();
        }
        if matches!(self, Self::Mnist | Self::Cifar10) { score > than } else { score < than }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
