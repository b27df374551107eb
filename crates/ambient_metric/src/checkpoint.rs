//! Checkpoints: what an optimiser remembers, keyed by parameter names, in a format with a version.

use std::collections::BTreeMap;

use crate::bundle::Bundle;
use crate::configuration::{Configuration, Groups};
use crate::error::Error;
use crate::layout::{Layout, Part};
use crate::rule::Rule;
use crate::scalar::Element;
use crate::tensor::Tensor;

/// The format version that this crate writes and reads.
const VERSION: u32 = 1;

/// Everything that an [`Optimiser`](crate::Optimiser) or [`MetricOptimiser`](crate::MetricOptimiser) needs to go on: configuration, scalar memory
/// and state.
///
/// With the feature `serde` it serialises into any format that keeps every `f64`. Values of `f32` parameters are stored
/// widened, without loss. It has no checksum of its own: a file that may be damaged needs one from whoever writes it, as records of
/// `ambient_metric_burn` have.
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
/// let restored = Optimiser::restore(&optimiser.checkpoint()?, &theta)?;
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
    /// ξ of every loss as it was set last.
    pub xi: Vec<f64>,
    /// How many steps were taken.
    pub steps: u64,
    /// Scalar memory by name, one map for every sum: first the global one, then those of groups with their own metric.
    pub memory: Vec<BTreeMap<String, f64>>,
    /// State by parameter name.
    pub parameters: BTreeMap<String, SavedParameter>,
}

/// The state of one parameter in a [`Checkpoint`].
///
/// # Example
///
/// ```
/// use ambient_metric::{rules, Configuration};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::new([("w", array![1.0_f64, 2.0].into_dyn())])?;
/// let checkpoint = Configuration::new(rules::sgd(0.9), 0.1).build(&theta)?.checkpoint()?;
/// let saved = &checkpoint.parameters["w"];
/// assert_eq!(saved.shape, [2]);
/// assert!(saved.state.values().all(|slot| *slot == [0.0, 0.0]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedParameter {
    /// The shape of the parameter.
    pub shape: Vec<usize>,
    /// The values of every state slot by name, in row-major order: of a [`Rule`](crate::Rule) as many as the parameter has, of a metric over whole
    /// tensors as many as it keeps for it.
    pub state: BTreeMap<String, Vec<f64>>,
}

impl SavedParameter {
    /// The values of a slot, if they fit: also into the stored type, which may be narrower than the one they were saved from.
    pub(crate) fn slot<E: Element>(&self, parameter: &str, slot: &str, elements: usize) -> Result<Vec<E>, Error> {
        let entry = format!("parameters[{parameter}].state.{slot}");
        let values = self.state.get(slot).ok_or_else(|| entry_error(entry.clone(), None))?;
        require_len(&entry, values.len(), elements)?;
        let narrowed: Vec<E> = values.iter().map(|&value| E::constant(value)).collect();
        match values.iter().zip(&narrowed).find(|(_, narrowed)| !narrowed.is_finite()) {
            Some((value, _)) => Err(entry_error(entry, Some(*value))),
            None => Ok(narrowed),
        }
    }

    /// Accepts a state without slots that the rule does not have.
    fn check_slots(&self, parameter: &str, slots: &[String]) -> Result<(), Error> {
        match self.state.keys().find(|name| !slots.contains(name)) {
            None => Ok(()),
            Some(unknown) => Err(Error::CheckpointEntry {
                entry: format!("parameters[{parameter}].state.{unknown}"),
                problem: "is not a state of this rule".to_owned(),
            }),
        }
    }
}

impl<R> Checkpoint<R> {
    /// The checkpoint of an optimiser with these rates, without its state.
    pub(crate) fn empty(configuration: &Configuration<R>, rule_name: String, groups: &Groups, steps: u64) -> Self
    where
        R: Clone,
    {
        Self {
            version: VERSION,
            rule_name,
            configuration: configuration.clone(),
            learning_rates: groups.named().map(|rates| rates.learning_rate).collect(),
            xi: groups.xi.clone(),
            steps,
            memory: Vec::new(),
            parameters: BTreeMap::new(),
        }
    }

    /// Accepts a checkpoint of this version that was taken of the rule `expected` from parameters of this layout.
    pub(crate) fn check(&self, expected: String, layout: &Layout) -> Result<(), Error> {
        if self.version != VERSION {
            return Err(Error::CheckpointVersion { found: self.version, supported: VERSION });
        }
        if self.rule_name != expected {
            return Err(Error::CheckpointRule { expected, found: self.rule_name.clone() });
        }
        // In the order of `layout` where the names agree, so that order never counts.
        let known = layout.parts().iter().map(|part| &part.name);
        let saved = known.filter_map(|name| self.parameters.get_key_value(name));
        let others = self.parameters.iter().filter(|(name, _)| !layout.parts().iter().any(|part| part.name == **name));
        let parts = saved.chain(others).map(|(name, saved)| Part { name: name.clone(), shape: saved.shape.clone() });
        layout.check(&Layout::new(parts.collect())?)?;
        Ok(())
    }

    /// Sets the rates of a new optimiser to those that were saved.
    pub(crate) fn set_rates(&self, groups: &mut Groups) -> Result<(), Error> {
        let names: Vec<String> = groups.named().map(|rates| rates.name.clone()).collect();
        require_len("learning_rates", self.learning_rates.len(), names.len())?;
        for (name, &learning_rate) in names.iter().zip(&self.learning_rates) {
            groups.set_learning_rate(name, learning_rate)?;
        }
        require_len("xi", self.xi.len(), groups.xi.len())?;
        for (loss, &xi) in self.xi.iter().enumerate() {
            groups.set_xi(loss, xi)?;
        }
        Ok(())
    }
}

impl<R: Rule> Checkpoint<R> {
    /// The checkpoint of an optimiser with this state; for backends with an optimiser of their own.
    ///
    /// `memory` holds the scalar memory of every sum, its numbers in slot order.
    ///
    /// # Errors
    ///
    /// Where the state cannot be read.
    pub fn new<T: Tensor>(
        configuration: &Configuration<R>,
        groups: &Groups,
        steps: u64,
        memory: &[Vec<f64>],
        layout: &Layout,
        state: &[T],
    ) -> Result<Self, Error>
    where
        R: Clone,
    {
        let slots = <R::State<T::Element> as Bundle<T::Element>>::names();
        let mut parameters = BTreeMap::new();
        for (index, part) in layout.parts().iter().enumerate() {
            let mut saved = BTreeMap::new();
            for (slot, tensor) in slots.iter().zip(state) {
                saved.insert(slot.clone(), tensor.read(index)?.into_iter().map(Element::to_f64).collect());
            }
            parameters.insert(part.name.clone(), SavedParameter { shape: part.shape.clone(), state: saved });
        }
        let names = <R::Memory<f64> as Bundle<f64>>::names();
        let memory = memory.iter().map(|pool| names.iter().cloned().zip(pool.iter().copied()).collect()).collect();
        Ok(Self { memory, parameters, ..Self::empty(configuration, configuration.rule.name(), groups, steps) })
    }

    /// Accepts a checkpoint of this version and rule that was taken from parameters of this layout, and returns the
    /// configuration to build an optimiser from; [`resume`](Self::resume) then fills it.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::MissingParameter`], [`Error::UnknownParameter`],
    /// [`Error::Shape`].
    pub fn open(&self, layout: &Layout) -> Result<Configuration<R>, Error>
    where
        R: Clone,
    {
        self.check(self.configuration.rule.name(), layout)?;
        Ok(self.configuration.clone())
    }

    /// Fills groups and state of a new optimiser, and returns the scalar memory of every sum in slot order.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`], [`Error::Hyperparameter`], and [`Error::Backend`] where the state cannot be written.
    pub fn resume<T: Tensor>(
        &self,
        groups: &mut Groups,
        layout: &Layout,
        state: &mut [T],
    ) -> Result<Vec<Vec<f64>>, Error> {
        let slots = <R::State<T::Element> as Bundle<T::Element>>::names();
        for (index, part) in layout.parts().iter().enumerate() {
            let Some(saved) = self.parameters.get(&part.name) else { continue };
            saved.check_slots(&part.name, &slots)?;
            for (slot, tensor) in slots.iter().zip(state.iter_mut()) {
                let elements: Vec<T::Element> = saved.slot(&part.name, slot, part.elements())?;
                tensor.write(index, &elements)?;
            }
        }
        self.set_rates(groups)?;
        require_len("memory", self.memory.len(), groups.pools)?;
        let names = <R::Memory<f64> as Bundle<f64>>::names();
        self.memory.iter().enumerate().map(|(pool, saved)| read_memory(pool, saved, &names)).collect()
    }
}

/// The scalar memory of a sum from its named values.
fn read_memory(pool: usize, saved: &BTreeMap<String, f64>, names: &[String]) -> Result<Vec<f64>, Error> {
    require_len(&format!("memory[{pool}]"), saved.len(), names.len())?;
    let value = |name: &String| match saved.get(name) {
        Some(value) if value.is_finite() => Ok(*value),
        found => Err(entry_error(format!("memory[{pool}].{name}"), found.copied())),
    };
    names.iter().map(value).collect()
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
