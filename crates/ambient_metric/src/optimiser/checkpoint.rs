//! Checkpoints: what an optimiser remembers, keyed by parameter names, in a format with a version.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::optimiser::configuration::{Configuration, Groups, Setting};
use crate::rule::rule::Rule;
use crate::rule::slots::Slots;
use crate::space::layout::{Layout, Part};
use crate::space::numbers::Numbers;
use crate::space::record::{SavedParameter, entry_error, require_len};
use crate::space::tensor::Tensor;

/// The format version that this crate writes and reads.
const VERSION: u32 = 2;

/// Everything that an [`Optimiser`](crate::Optimiser) needs to go on, on any engine: configuration, scalar memory and state.
///
/// State is kept in its own width. With the feature `serde` it serialises into any format that keeps every `f64`, and all numbers as these, without
/// loss. It has no checksum of its own: a file that may be damaged needs one from whoever writes it, as those of `ambient_metric_checkpoint` and the
/// records of `ambient_metric_burn` have.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, rules};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::from(array![1.0_f32, 2.0]);
/// let optimiser = Configuration::new(rules::adam(), 0.1).build(&theta)?;
/// let restored = optimiser.checkpoint()?.restore(&theta)?;
/// assert_eq!(restored.steps()?, 0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Checkpoint<R> {
    /// The format version.
    pub version: u32,
    /// The name of the rule.
    pub rule_name: String,
    /// What the optimiser was built from.
    pub configuration: Configuration<R>,
    /// η of every group as it was set last: first the parameters in no group.
    pub learning_rates: Vec<f64>,
    /// What η of every group was multiplied by.
    pub learning_rate_factor: f64,
    /// λ of every group as it was set last; where there is none, as in older checkpoints, that of the configuration.
    pub weight_decays: Vec<f64>,
    /// ξ of every loss as it was set last.
    pub xi: Vec<f64>,
    /// How many steps were taken.
    pub steps: u64,
    /// Scalar memory by name, one map for every sum: first the global one, then those of groups with their own metric, then those of parameters
    /// that came later.
    pub memory: Vec<BTreeMap<String, f64>>,
    /// State by parameter name.
    pub parameters: BTreeMap<String, SavedParameter>,
}

known_keys! { Checkpoint<R> { version, rule_name, configuration, learning_rates, learning_rate_factor = 1.0, weight_decays = Vec::new(), xi, steps, memory, parameters } }

/// An optimiser that was restored for other parameters than a checkpoint was taken from; see
/// [`Checkpoint::restore_partial`].
///
/// # Example
///
/// ```
/// let restored = ambient_metric::optimiser::Restored { optimiser: (), fresh: vec!["head".to_owned()], gone: Vec::new() };
/// assert!(!restored.is_whole());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Restored<O> {
    /// It.
    pub optimiser: O,
    /// The names of the parameters that were not in the checkpoint, in layout order.
    pub fresh: Vec<String>,
    /// The names of those that were there and are no more, sorted.
    pub gone: Vec<String>,
}

impl<O> Restored<O> {
    /// Whether the parameters are those of the checkpoint.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fresh.is_empty() && self.gone.is_empty()
    }
}

impl<R> Checkpoint<R> {
    /// The same with its rule written otherwise: as a type, as a value, as a text.
    #[must_use]
    pub fn with_rule<N>(self, rule: N) -> Checkpoint<N> {
        let Self { version, rule_name, configuration, learning_rates, learning_rate_factor, weight_decays, .. } = self;
        let (xi, steps, memory, parameters) = (self.xi, self.steps, self.memory, self.parameters);
        let configuration = configuration.with_rule(rule);
        Checkpoint {
            version,
            rule_name,
            configuration,
            learning_rates,
            learning_rate_factor,
            weight_decays,
            xi,
            steps,
            memory,
            parameters,
        }
    }

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
            learning_rate_factor: groups.rates.first().map_or(1.0, |rates| rates.factor),
            weight_decays: groups.named().map(|rates| rates.weight_decay).collect(),
            xi: groups.xi.clone(),
            steps,
            memory: Vec::new(),
            parameters: BTreeMap::new(),
        }
    }

    /// The names of the parameters that it has nothing of, in layout order.
    fn fresh(&self, layout: &Layout) -> Vec<String> {
        layout.names().into_iter().filter(|name| !self.parameters.contains_key(name)).collect()
    }

    /// The names of parameters that are no more.
    fn gone(&self, layout: &Layout) -> Vec<String> {
        let known: BTreeSet<&str> = layout.parts().iter().map(|part| part.name.as_str()).collect();
        self.parameters.keys().filter(|name| !known.contains(name.as_str())).cloned().collect()
    }

    /// Whether these are the parameters that it was taken from, by name.
    pub(crate) fn is_whole(&self, layout: &Layout) -> bool {
        self.fresh(layout).is_empty() && self.gone(layout).is_empty()
    }

    /// An optimiser restored for parameters of this layout, with what came and went.
    pub(crate) fn restored<O>(&self, optimiser: O, layout: &Layout) -> Restored<O> {
        Restored { optimiser, fresh: self.fresh(layout), gone: self.gone(layout) }
    }

    /// Accepts a checkpoint of this version that was taken of the rule `expected`.
    fn check_rule(&self, expected: String) -> Result<(), Error> {
        if self.version != VERSION {
            return Err(Error::CheckpointVersion { found: self.version, supported: VERSION });
        }
        if self.rule_name != expected {
            return Err(Error::CheckpointRule { expected, found: self.rule_name.clone() });
        }
        Ok(())
    }

    /// Accepts a checkpoint of this version that was taken of the rule `expected` from parameters of this layout.
    pub(crate) fn check(&self, expected: String, layout: &Layout) -> Result<(), Error> {
        self.check_rule(expected)?;
        let parts = self.parameters.iter();
        let parts = parts.map(|(name, saved)| Part { name: name.clone(), shape: saved.shape.clone() });
        layout.check_unordered(parts.collect())
    }

    /// Sets the rates of a new optimiser to those that were saved.
    pub(crate) fn set_rates(&self, groups: &mut Groups) -> Result<(), Error> {
        let names: Vec<String> = groups.named().map(|rates| rates.name.clone()).collect();
        require_len("learning_rates", self.learning_rates.len(), names.len())?;
        for (name, &learning_rate) in names.iter().zip(&self.learning_rates) {
            groups.set_learning_rate(name, learning_rate)?;
        }
        if !self.weight_decays.is_empty() {
            require_len("weight_decays", self.weight_decays.len(), names.len())?;
        }
        for (name, &weight_decay) in names.iter().zip(&self.weight_decays) {
            groups.set_weight_decay(name, weight_decay)?;
        }
        groups.set_factor(self.learning_rate_factor)?;
        require_len("xi", self.xi.len(), groups.xi.len())?;
        for (loss, &xi) in self.xi.iter().enumerate() {
            groups.set_xi(loss, xi)?;
        }
        Ok(())
    }
}

impl<R: Rule> Checkpoint<R> {
    /// The checkpoint of an optimiser with this state; for engines of a backend.
    ///
    /// `memory` holds the scalar memory of every sum and of parameters that came later, its numbers in slot order.
    ///
    /// # Errors
    ///
    /// Where the state cannot be read.
    pub fn new<T: Tensor>(
        Setting { configuration, groups, layout }: Setting<'_, R>,
        steps: u64,
        memory: &[Vec<f64>],
        state: &[T],
    ) -> Result<Self, Error>
    where
        R: Clone,
    {
        let Slots { state: slots, memory: names, .. } = configuration.rule.slots();
        let mut parameters = BTreeMap::new();
        for (index, part) in layout.parts().iter().enumerate() {
            let mut saved = BTreeMap::new();
            for (slot, tensor) in slots.iter().zip(state) {
                saved.insert(slot.clone(), Numbers::of(tensor.read(index)?));
            }
            let memory =
                groups.group_of_part.get(index).and_then(|&group| groups.rates.get(group)).map(|rates| rates.memory);
            let memory = memory.filter(|&memory| memory >= groups.pools);
            parameters.insert(part.name.clone(), SavedParameter { shape: part.shape.clone(), state: saved, memory });
        }
        let memory = memory.iter().map(|pool| names.iter().cloned().zip(pool.iter().copied()).collect()).collect();
        Ok(Self { memory, parameters, ..Self::empty(configuration, configuration.rule.name(), groups, steps) })
    }

    /// Accepts a checkpoint of this version and rule, and returns the configuration and groups to build an engine from; [`load`](Self::load) then
    /// fills it. It has to be one of parameters of this layout, or where it `is_partial` of others of which some may have come and some gone.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::MissingParameter`], [`Error::UnknownParameter`],
    /// [`Error::Shape`], [`Error::CheckpointEntry`], [`Error::NotPartial`], and what [`Configuration::resolve`] finds.
    pub fn open(&self, layout: &Layout, is_partial: bool) -> Result<(Configuration<R>, Groups), Error>
    where
        R: Clone,
    {
        let rule = &self.configuration.rule;
        if !is_partial {
            self.check(rule.name(), layout)?;
            return self.resolved(self.configuration.clone(), layout);
        }
        self.check_rule(rule.name())?;
        for part in layout.parts() {
            let saved = self.parameters.get(&part.name).filter(|saved| saved.shape != part.shape);
            if let Some(SavedParameter { shape, .. }) = saved {
                return Err(Error::Shape {
                    name: part.name.clone(),
                    expected: part.shape.clone(),
                    found: shape.clone(),
                });
            }
        }
        if !self.fresh(layout).is_empty() && rule.beside(rule.begin::<f64>(), rule.begin()).is_none() {
            return Err(Error::NotPartial { rule: rule.name() });
        }
        self.resolved(self.configuration.clone().without(&self.gone(layout), layout), layout)
    }

    /// The configuration with its groups, in which every part has its memory.
    fn resolved(&self, configuration: Configuration<R>, layout: &Layout) -> Result<(Configuration<R>, Groups), Error> {
        let groups = configuration.resolve(layout)?;
        let numbers: BTreeSet<usize> = self.parameters.values().filter_map(|saved| saved.memory).collect();
        require_len("memory", self.memory.len(), groups.pools.saturating_add(numbers.len()))?;
        let mut apart: Vec<(usize, Option<usize>)> = Vec::new();
        let mut memory_of_part = Vec::new();
        for (part, &group) in layout.parts().iter().zip(&groups.group_of_part) {
            let pool = groups.rates[group].pool;
            let saved = self.parameters.get(&part.name).map(|saved| saved.memory);
            let memory = match saved {
                Some(None) => pool,
                None if self.begins(pool, &groups, layout) => pool,
                Some(number @ Some(_)) => later(&mut apart, (pool, number), groups.pools),
                None => later(&mut apart, (pool, None), groups.pools),
            };
            if let Some(Some(number)) = saved
                && !(groups.pools..self.memory.len()).contains(&number)
            {
                let entry = format!("parameters[{}].memory", part.name);
                let problem = format!("is {number}, which is no memory of parameters that came later");
                return Err(Error::CheckpointEntry { entry, problem });
            }
            memory_of_part.push(memory);
        }
        let memories = groups.pools.saturating_add(apart.len());
        Ok((configuration, groups.remembering(&memory_of_part, memories)))
    }

    /// Fills the state of an engine of groups that were [opened](Self::open), and returns the scalar memory of every sum in slot order.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`], and [`Error::Backend`] where the state cannot be written.
    pub fn load<T: Tensor>(
        &self,
        Setting { groups, layout, .. }: Setting<'_, R>,
        state: &mut [T],
    ) -> Result<Vec<Vec<f64>>, Error> {
        let slots = self.configuration.rule.slots().state;
        for (index, part) in layout.parts().iter().enumerate() {
            let Some(saved) = self.parameters.get(&part.name) else { continue };
            saved.check_slots(&part.name, &slots)?;
            for (slot, tensor) in slots.iter().zip(state.iter_mut()) {
                let elements: Vec<T::Element> = saved.slot(&part.name, slot, part.elements())?;
                tensor.write(index, &elements)?;
            }
        }
        (0..groups.memories).map(|memory| self.memory(memory, groups, layout)).collect()
    }

    /// A scalar memory of groups.
    fn memory(&self, memory: usize, groups: &Groups, layout: &Layout) -> Result<Vec<f64>, Error> {
        let rule = &self.configuration.rule;
        let read = |number: usize| {
            let names = rule.slots().memory;
            let saved = self.memory.get(number).ok_or_else(|| entry_error(format!("memory[{number}]"), None))?;
            read_memory(number, saved, &names)
        };
        if memory < groups.pools {
            let begins = self.begins(memory, groups, layout);
            return if begins { Ok(rule.begin::<f64>().scalars().collect()) } else { read(memory) };
        }
        let mut parts = layout.parts().iter().zip(&groups.group_of_part);
        let Some((part, &group)) = parts.find(|(_, group)| groups.rates[**group].memory == memory) else {
            return Err(entry_error(format!("memory[{memory}]"), None));
        };
        if let Some(number) = self.parameters.get(&part.name).and_then(|saved| saved.memory) {
            return read(number);
        }
        let mut pool = read(groups.rates[group].pool)?.into_iter();
        let of_pool = Bundle::<f64>::build(&mut || pool.next().unwrap_or(0.0));
        let fresh = rule.beside(rule.begin(), of_pool).ok_or_else(|| Error::NotPartial { rule: rule.name() })?;
        Ok(fresh.scalars().collect())
    }

    /// Whether all parts of a sum are fresh.
    fn begins(&self, pool: usize, groups: &Groups, layout: &Layout) -> bool {
        let parts = layout.parts().iter().zip(&groups.group_of_part);
        let mut of_pool = parts.filter(|(_, group)| groups.rates[**group].pool == pool).peekable();
        of_pool.peek().is_some() && of_pool.all(|(part, _)| !self.parameters.contains_key(&part.name))
    }
}

/// The number of a memory beside those of the sums: a new one for what is not there yet.
fn later<K: PartialEq>(known: &mut Vec<K>, key: K, pools: usize) -> usize {
    let index = known.iter().position(|other| *other == key).unwrap_or_else(|| {
        known.push(key);
        known.len() - 1
    });
    pools.saturating_add(index)
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
