//! Checkpoints: what an optimiser remembers, keyed by parameter names, in a format with a version.

use std::collections::BTreeMap;

use crate::configuration::Configuration;
use crate::error::Error;
use crate::layout::{Layout, Part};
use crate::rule::Rule;

/// The format version that this crate writes and reads.
pub(crate) const VERSION: u32 = 1;

/// Everything that an [`Optimiser`](crate::Optimiser) needs to go on: configuration, scalar memory and state.
///
/// With the feature `serde` it serialises into any format that keeps every `f64`. Values of `f32` parameters are stored
/// widened, without loss.
///
/// # Example
///
/// ```
/// use ambient_metric::{rules, Configuration, Optimiser};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::from(array![1.0_f32, 2.0]);
/// let optimiser = Configuration::new(rules::adam(0.9, 0.999, 1e-8), 0.1).build(&theta)?;
/// let restored = Optimiser::restore(optimiser.checkpoint()?, &theta)?;
/// assert_eq!(restored.steps(), 0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint<R> {
    /// The format version.
    pub version: u32,
    /// The name of the rule.
    pub rule_name: String,
    /// What the optimiser was built from.
    pub configuration: Configuration<R>,
    /// η of every group as it was set last: first the parameters in no group.
    pub learning_rates: Vec<f64>,
    /// ξ as it was set last.
    pub xi: f64,
    /// How many steps were taken.
    pub steps: u64,
    /// Scalar memory by name, one map for every sum: first the global one, then those of groups with their own metric.
    pub memory: Vec<BTreeMap<String, f64>>,
    /// State by parameter name.
    pub parameters: BTreeMap<String, SavedParameter>,
}

/// The state of one parameter in a [`Checkpoint`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedParameter {
    /// The shape of the parameter.
    pub shape: Vec<usize>,
    /// The values of every state slot by name, in row-major order.
    pub state: BTreeMap<String, Vec<f64>>,
}

impl SavedParameter {
    /// The values of a slot, if they fit.
    pub(crate) fn slot(&self, parameter: &str, slot: &str, elements: usize) -> Result<&[f64], Error> {
        let entry = format!("parameters[{parameter}].state.{slot}");
        let values = self.state.get(slot).ok_or_else(|| entry_error(entry.clone(), None))?;
        require_len(&entry, values.len(), elements)?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(entry_error(entry, Some(*value))),
            None => Ok(values),
        }
    }

    /// Accepts a state without slots that the rule does not have.
    pub(crate) fn check_slots(&self, parameter: &str, slots: &[String]) -> Result<(), Error> {
        match self.state.keys().find(|name| !slots.contains(name)) {
            None => Ok(()),
            Some(unknown) => Err(Error::CheckpointEntry {
                entry: format!("parameters[{parameter}].state.{unknown}"),
                problem: "is not a state of this rule".to_owned(),
            }),
        }
    }
}

impl<R: Rule> Checkpoint<R> {
    /// Accepts a checkpoint of this version and rule that was taken from parameters of this layout.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(), Error> {
        if self.version != VERSION {
            return Err(Error::CheckpointVersion { found: self.version, supported: VERSION });
        }
        let expected = self.configuration.rule.name();
        if self.rule_name != expected {
            return Err(Error::CheckpointRule { expected, found: self.rule_name.clone() });
        }
        // In the order of `layout` where the names agree, so that order never counts.
        let known = layout.parts().iter().map(|part| &part.name);
        let saved = known.filter_map(|name| self.parameters.get_key_value(name));
        let others = self.parameters.iter().filter(|(name, _)| !layout.parts().iter().any(|part| part.name == **name));
        let parts = saved.chain(others).map(|(name, saved)| Part { name: name.clone(), shape: saved.shape.clone() });
        layout.check(&Layout::new(parts.collect())?)
    }
}

/// Accepts an entry of the right length.
pub(crate) fn require_len(entry: &str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        let problem = format!("has {found} values where {expected} are needed");
        Err(Error::CheckpointEntry { entry: entry.to_owned(), problem })
    }
}

/// The error for an entry that is missing, or that is there and not finite.
pub(crate) fn entry_error(entry: String, found: Option<f64>) -> Error {
    let problem = found.map_or_else(|| "is missing".to_owned(), |value| format!("is {value}, which is not finite"));
    Error::CheckpointEntry { entry, problem }
}
