//! Configurations: a rule with its learning rate, weight decay and parameter groups.

use wildmatch::WildMatch;

use crate::error::{Error, require_non_negative};
use crate::number::bundle::Bundle;
use crate::rule::rule::Rule;
use crate::space::layout::Layout;
use crate::space::state_storage::StateStorage;

/// The name of the parameters in no group.
const DEFAULT: &str = "default";

/// Parameters that share a learning rate and a weight decay, chosen by name.
///
/// A group may also have its own metric: then its sum runs over its own parameters alone, and it is damped by itself.
///
/// # Example
///
/// ```
/// use ambient_metric::Group;
///
/// let biases = Group::new("no decay", ["*.bias", "norm.*"]).weight_decay(0.0);
/// assert_eq!(biases.weight_decay, Some(0.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Names of its parameters, with `*` for any characters and `?` for one.
    pub members: Vec<String>,
    /// η; that of the configuration if absent.
    pub learning_rate: Option<f64>,
    /// λ; that of the configuration if absent.
    pub weight_decay: Option<f64>,
    /// Whether the group sums and damps by itself.
    pub own_metric: bool,
}

known_keys! { Group { name, members, learning_rate = None, weight_decay = None, own_metric = false } }

impl Group {
    /// A group of the parameters whose names match one of these patterns.
    pub fn new(name: impl Into<String>, members: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.into(),
            members: members.into_iter().map(Into::into).collect(),
            learning_rate: None,
            weight_decay: None,
            own_metric: false,
        }
    }

    /// With its own η.
    #[must_use]
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate: Some(learning_rate), ..self }
    }

    /// With its own λ.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay: Some(weight_decay), ..self }
    }

    /// With its own sum: the group is a space of its own.
    #[must_use]
    pub fn own_metric(self) -> Self {
        Self { own_metric: true, ..self }
    }
}

/// A group as it applies: its rates, and the pool of groups that share its sums.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Group, Layout, rules};
///
/// let configuration = Configuration::new(rules::sgd(0.9), 0.1).weight_decay(1e-4);
/// let configuration = configuration.group(Group::new("head", ["w"]).learning_rate(0.5));
/// let groups = configuration.resolve(&Layout::single("w", vec![2]))?;
/// let head = &groups.rates[1];
/// assert_eq!((head.learning_rate, head.weight_decay, head.pool), (0.5, 1e-4, 0));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// The name; `default` for the parameters in no group.
    pub name: String,
    /// η, as it was given.
    pub learning_rate: f64,
    /// What η is multiplied by, the same for all groups; one unless a schedule has changed it.
    pub factor: f64,
    /// λ.
    pub weight_decay: f64,
    /// Which sum its parameters enter.
    pub pool: usize,
    /// Which scalar memory it has: that of its sum, which has the same number, or for parameters that came later one of their own.
    pub memory: usize,
    /// Whether η is that of the parameters in no group, and follows it.
    pub inherits: bool,
    /// Whether λ is that of the parameters in no group, and follows it.
    pub inherits_decay: bool,
}

/// The groups of a configuration as they apply to parameters: first the parameters in no group, then the groups in order.
///
/// Made by [`Configuration::resolve`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Group, Layout, rules};
/// use ambient_metric::space::Part;
///
/// let layout = Layout::new(vec![Part { name: "w".into(), shape: vec![3] }, Part { name: "b".into(), shape: vec![] }])?;
/// let configuration = Configuration::new(rules::sgd(0.9), 0.1).group(Group::new("bias", ["b"]).own_metric());
/// let mut groups = configuration.resolve(&layout)?;
/// assert_eq!((groups.group_of_part.as_slice(), groups.pools), ([0, 1].as_slice(), 2));
/// groups.set_learning_rate("bias", 0.01)?;
/// assert!(groups.set_learning_rate("head", 0.01).is_err());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// The rates of every group.
    pub rates: Vec<Rates>,
    /// The group of every part, in layout order.
    pub group_of_part: Vec<usize>,
    /// How many sums there are: the global one, and one for every group with its own metric.
    pub pools: usize,
    /// How many scalar memories there are: one for every sum, and then those of parameters that came later.
    pub memories: usize,
    /// ξ of every loss; empty for a rule that has none.
    pub xi: Vec<f64>,
}

impl Rates {
    /// η of the next step: as it was given, times the factor.
    #[must_use]
    pub fn present(&self) -> f64 {
        self.learning_rate * self.factor
    }
}

impl Groups {
    /// Changes what η of every group is multiplied by.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] below zero.
    pub fn set_factor(&mut self, factor: f64) -> Result<(), Error> {
        require_non_negative("factor", factor)?;
        self.rates.iter_mut().for_each(|rates| rates.factor = factor);
        Ok(())
    }

    /// Changes η of a group; that of `default` changes it for every group that was given none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        require_non_negative("learning_rate", learning_rate)?;
        self.set(group, |rates| rates.inherits, |rates| rates.learning_rate = learning_rate)
    }

    /// Changes λ of a group; that of `default` changes it for every group that was given none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    ///
    /// ```
    /// use ambient_metric::{Configuration, Group, Layout, rules};
    /// let configuration = Configuration::new(rules::sgd(0.9), 0.1).group(Group::new("head", ["w"]).learning_rate(0.5));
    /// let mut groups = configuration.resolve(&Layout::single("w", vec![2]))?;
    /// groups.set_weight_decay("default", 0.01)?;
    /// assert_eq!(groups.rates[1].weight_decay, 0.01);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        require_non_negative("weight_decay", weight_decay)?;
        self.set(group, |rates| rates.inherits_decay, |rates| rates.weight_decay = weight_decay)
    }

    /// Changes a rate of a group; that of `default` also of all that inherit it.
    fn set(&mut self, group: &str, inherits: fn(&Rates) -> bool, change: impl Fn(&mut Rates)) -> Result<(), Error> {
        if self.rates.iter().any(|rates| rates.name == group) {
            let follows = |rates: &Rates| rates.name == group || (group == DEFAULT && inherits(rates));
            self.rates.iter_mut().filter(|rates| follows(rates)).for_each(change);
            return Ok(());
        }
        Err(Error::UnknownGroup {
            group: group.to_owned(),
            known: self.named().map(|rates| rates.name.clone()).collect(),
        })
    }

    /// Changes ξ of a loss; the first, and often the only one, is 0.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ, [`Error::Losses`] where there is no such loss.
    pub fn set_xi(&mut self, loss: usize, xi: f64) -> Result<(), Error> {
        require_non_negative("xi", xi)?;
        if self.xi.is_empty() {
            return Err(Error::NoCoefficient);
        }
        let expected = self.xi.len();
        let current = self.xi.get_mut(loss).ok_or(Error::Losses { expected, found: loss.saturating_add(1) })?;
        *current = xi;
        Ok(())
    }

    /// The first group that has parameters.
    pub(crate) fn first(&self) -> usize {
        self.group_of_part.iter().min().copied().unwrap_or(0)
    }

    /// The rates of every group of the configuration, once each: a rule that [learns per tensor](Rule::learns_per_tensor) makes a group of
    /// every tensor, and those of one group of the configuration share a name.
    pub fn named(&self) -> impl Iterator<Item = &Rates> {
        let repeats = |index: usize| index > 0 && self.rates[index - 1].name == self.rates[index].name;
        (0..self.rates.len()).filter(move |&index| !repeats(index)).map(|index| &self.rates[index])
    }

    /// The groups with these memories of every part: one whose parts have several becomes as many, under the same name.
    pub(crate) fn remembering(self, memory_of_part: &[usize], memories: usize) -> Self {
        let mut rates = Vec::new();
        let mut group_of_part = self.group_of_part.clone();
        for (group, of_group) in self.rates.into_iter().enumerate() {
            let members =
                || self.group_of_part.iter().zip(memory_of_part).enumerate().filter(|(_, (of, _))| **of == group);
            let mut numbers: Vec<usize> = members().map(|(_, (_, memory))| *memory).collect();
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.is_empty() {
                numbers.push(of_group.pool);
            }
            for memory in numbers {
                for (part, _) in members().filter(|(_, (_, of))| **of == memory) {
                    group_of_part[part] = rates.len();
                }
                rates.push(Rates { memory, ..of_group.clone() });
            }
        }
        Self { rates, group_of_part, memories, ..self }
    }

    /// As [`remembering`](Self::remembering), for groups that may have become several by it before.
    pub(crate) fn regrouped(&self, memory_of_part: &[usize], memories: usize, per_part: bool) -> Self {
        let mut merged = self.clone();
        if per_part {
            for (&group, &memory) in self.group_of_part.iter().zip(memory_of_part) {
                merged.rates[group].memory = memory;
            }
            return Self { memories, ..merged };
        }
        merged.rates.dedup_by(|later, first| later.name == first.name);
        for group in &mut merged.group_of_part {
            let name = &self.rates[*group].name;
            *group = merged.rates.iter().position(|rates| rates.name == *name).unwrap_or(*group);
        }
        merged.remembering(memory_of_part, memories)
    }

    /// A group for every part, with the rates of the group that it was in.
    fn per_part(self) -> Self {
        let mut rates = Vec::new();
        let mut group_of_part = self.group_of_part.clone();
        for (group, of_group) in self.rates.into_iter().enumerate() {
            let members: Vec<usize> =
                (0..self.group_of_part.len()).filter(|&part| self.group_of_part[part] == group).collect();
            for &part in &members {
                group_of_part[part] = rates.len();
                rates.push(of_group.clone());
            }
            if members.is_empty() {
                rates.push(of_group);
            }
        }
        Self { rates, group_of_part, ..self }
    }
}

/// What an optimiser is made of; [`build`](Self::build) checks it against the parameters.
///
/// # Requirements
///
/// η and λ finite and not negative; the rule's own constants in their ranges; every pattern of every group matches a
/// parameter. A parameter that several groups match belongs to the last of them.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Group, rules};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::new([("w", array![[1.0_f64, 2.0]].into_dyn()), ("b", array![0.5].into_dyn())])?;
/// let mut optimiser = Configuration::new(rules::euclidean(0.1).momentum(0.9).beta(0.0), 0.01)
///     .weight_decay(1e-4)
///     .group(Group::new("biases", ["b"]).weight_decay(0.0))
///     .build(&theta)?;
///
/// let gradient = Covector(theta.clone());
/// let report = optimiser.step(&mut theta, &gradient, 2.625)?;
/// assert!((report.squared_length - 0.1 * 5.25).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Configuration<R> {
    /// The rule.
    pub rule: R,
    /// η.
    pub learning_rate: f64,
    /// λ.
    pub weight_decay: f64,
    /// Groups that differ from the rest.
    pub groups: Vec<Group>,
    /// How the state per element is stored.
    pub state_storage: StateStorage,
}

known_keys! { Configuration<R> { rule, learning_rate, weight_decay = 0.0, groups = Vec::new(), state_storage = StateStorage::Full } }

impl<R> Configuration<R> {
    /// A rule with a learning rate, without weight decay or groups.
    pub fn new(rule: R, learning_rate: f64) -> Self {
        Self { rule, learning_rate, weight_decay: 0.0, groups: Vec::new(), state_storage: StateStorage::Full }
    }

    /// With momentum and moments stored so; see [`StateStorage`].
    #[must_use]
    pub fn state_storage(self, state_storage: StateStorage) -> Self {
        Self { state_storage, ..self }
    }

    /// With decoupled weight decay λ: each step subtracts ηλθ.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }

    /// With a further group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// The same for another rule.
    #[must_use]
    pub fn with_rule<N>(self, rule: N) -> Configuration<N> {
        let Self { learning_rate, weight_decay, groups, state_storage, .. } = self;
        Configuration { rule, learning_rate, weight_decay, groups, state_storage }
    }

    /// The groups as they apply to parameters of this layout, with ξ of every loss.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve), but for the rule's own constants.
    pub(crate) fn assigned(&self, layout: &Layout, xi: Vec<f64>) -> Result<Groups, Error> {
        self.validate()?;
        if layout.elements() == 0 {
            return Err(Error::Empty);
        }
        let group_of_part = self.assign(layout)?;
        let mut rates = vec![Rates {
            name: DEFAULT.to_owned(),
            learning_rate: self.learning_rate,
            factor: 1.0,
            weight_decay: self.weight_decay,
            pool: 0,
            memory: 0,
            inherits: true,
            inherits_decay: true,
        }];
        let mut pools = 1;
        for group in &self.groups {
            let pool = if group.own_metric { pools } else { 0 };
            pools += usize::from(group.own_metric);
            rates.push(Rates {
                name: group.name.clone(),
                learning_rate: group.learning_rate.unwrap_or(self.learning_rate),
                factor: 1.0,
                weight_decay: group.weight_decay.unwrap_or(self.weight_decay),
                pool,
                memory: pool,
                inherits: group.learning_rate.is_none(),
                inherits_decay: group.weight_decay.is_none(),
            });
        }
        Ok(Groups { rates, group_of_part, pools, memories: pools, xi })
    }

    /// Without the patterns that match nothing here and matched what is gone.
    pub(crate) fn without(mut self, gone: &[String], layout: &Layout) -> Self {
        for group in &mut self.groups {
            group.members.retain(|pattern| {
                let matcher = WildMatch::new(pattern);
                let is_left = layout.parts().iter().any(|part| matcher.matches(&part.name));
                is_left || !gone.iter().any(|name| matcher.matches(name))
            });
        }
        self
    }

    /// Accepts the rates.
    fn validate(&self) -> Result<(), Error> {
        require_non_negative("learning_rate", self.learning_rate)?;
        require_non_negative("weight_decay", self.weight_decay)?;
        for (index, group) in self.groups.iter().enumerate() {
            require_non_negative("learning_rate", group.learning_rate.unwrap_or(0.0))?;
            require_non_negative("weight_decay", group.weight_decay.unwrap_or(0.0))?;
            if group.name == DEFAULT || self.groups[..index].iter().any(|other| other.name == group.name) {
                return Err(Error::DuplicateGroup { group: group.name.clone() });
            }
        }
        Ok(())
    }

    /// The group of every part: 0 for the rest, k + 1 for `groups[k]`.
    fn assign(&self, layout: &Layout) -> Result<Vec<usize>, Error> {
        let mut group_of_part = vec![0; layout.parts().len()];
        for (index, group) in self.groups.iter().enumerate() {
            for pattern in &group.members {
                let matcher = WildMatch::new(pattern);
                let mut matched = false;
                for (part, assigned) in layout.parts().iter().zip(&mut group_of_part) {
                    if matcher.matches(&part.name) {
                        *assigned = index + 1;
                        matched = true;
                    }
                }
                if !matched {
                    return Err(Error::GroupMatchesNothing {
                        group: group.name.clone(),
                        pattern: pattern.clone(),
                        known: layout.names(),
                    });
                }
            }
        }
        Ok(group_of_part)
    }
}

impl<R: Rule> Configuration<R> {
    /// The configuration checked, and its groups as they apply to parameters of this layout; for backends with an
    /// optimiser of their own.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Empty`], [`Error::DuplicateGroup`], and [`Error::GroupMatchesNothing`].
    pub fn resolve(&self, layout: &Layout) -> Result<Groups, Error> {
        self.rule.validate()?;
        let xi = self.rule.xi().map_or_else(Vec::new, |xi| xi.scalars().take(self.rule.losses()).collect());
        let groups = self.assigned(layout, xi)?;
        Ok(if self.rule.learns_per_tensor() { groups.per_part() } else { groups })
    }
}

/// What belongs to an optimiser and not to its engine.
#[derive(Debug)]
pub struct Setting<'a, R> {
    /// The rule, and what else the optimiser was built from.
    pub configuration: &'a Configuration<R>,
    /// The groups with their present rates.
    pub groups: &'a Groups,
    /// The layout of the parameters.
    pub layout: &'a Layout,
}

impl<R> Clone for Setting<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Setting<'_, R> {}
