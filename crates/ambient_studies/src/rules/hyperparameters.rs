//! The hyperparameters that turn the name of a rule into a rule.

use core::fmt::Write as _;

use serde::Serialize;

use crate::error::Error;

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
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Option<f64>> {
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
    pub(super) fn check(&self, rule: &'static str, names: &[&'static str]) -> Result<(), Error> {
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
