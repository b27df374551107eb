//! A snapshot: what a run needs to go on, by name.

use core::mem::take;
use core::ops::Bound;
use std::collections::BTreeMap;

use ambient_metric::space::{Numbers, Part};
use ambient_metric::{Checkpoint, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem};
use crate::tensor::SavedTensor;

/// The kinds of entries; the name of each begins with one of them.
const PARAMETERS: &str = "parameters";
const OPTIMISER: &str = "optimiser";
const TENSOR: &str = "tensor";
const VALUE: &str = "value";

/// All that a run needs to go on: parameters, optimisers, values and tensors of one's own, each under a name.
///
/// What is `with_` something is put in, and taken out under the same name. A network and its adversary are two sets of parameters and two
/// optimisers in one snapshot. Schedules and random generators are values: anything that serialises is one.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, rules};
/// use ambient_metric_checkpoint::Snapshot;
/// use ambient_metric_ndarray::Parameters;
/// use ambient_metric_ndarray::ndarray::array;
///
/// let theta = Parameters::from(array![1.0_f64, 2.0]);
/// let optimiser = Configuration::new(rules::adam(), 0.1).build(&theta)?;
/// let bytes = Snapshot::new()
///     .with_parameters("model", &theta)?
///     .with_optimiser("model", optimiser.checkpoint()?)?
///     .to_bytes()?;
///
/// let saved = Snapshot::from_bytes(&bytes)?;
/// let mut other = Parameters::from(array![0.0_f64, 0.0]);
/// saved.load_parameters("model", &mut other)?;
/// let optimiser = saved.optimiser::<rules::AdamW>("model")?.restore(&other)?;
/// assert_eq!((other, optimiser.steps()?), (theta, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, SavedTensor>,
}

/// A name as a part of a longer one, in which it ends at a slash.
fn part(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// The entries whose names begin so, by what follows.
fn within<V>(entries: &BTreeMap<String, V>, prefix: String) -> impl Iterator<Item = (&str, &V)> {
    let from = entries.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
    from.map_while(move |(name, entry)| Some((name.strip_prefix(&prefix)?, entry)))
}

/// The error for what is not there.
fn missing<'a, V: 'a>(what: &'static str, name: &str, known: impl Iterator<Item = (&'a str, &'a V)>) -> Problem {
    // Every parameter of a set has the name of the set.
    let mut known: Vec<String> = known.map(|(name, _)| name.to_owned()).collect();
    known.dedup();
    Problem::Missing { what, name: name.to_owned(), known }
}

/// Accepts a name that is not taken.
fn require_free(what: &'static str, name: &str, is_taken: bool) -> Result<(), Problem> {
    if is_taken { Err(Problem::Taken { what, name: name.to_owned() }) } else { Ok(()) }
}

impl Snapshot {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the values of parameters, to the bit if they are `f32` or `f64`, and otherwise as the nearest `f64`.
    ///
    /// # Errors
    ///
    /// [`Problem::Taken`], and where the backend cannot be read.
    pub fn with_parameters<T: Tensor>(mut self, name: &str, parameters: &T) -> Result<Self, Error> {
        let prefix = format!("{PARAMETERS}/{}/", part(name));
        require_free(PARAMETERS, name, within(&self.tensors, prefix.clone()).next().is_some())?;
        for (index, part) in parameters.layout().parts().iter().enumerate() {
            let numbers = Numbers::of(parameters.read(index)?);
            self.tensors.insert(format!("{prefix}{}", part.name), SavedTensor::of(&numbers, part.shape.clone())?);
        }
        Ok(self)
    }

    /// With all that an optimiser remembers, and its rule as its text or data.
    ///
    /// # Errors
    ///
    /// [`Problem::Taken`], and [`Problem::Text`] for a rule that does not come back from JSON.
    pub fn with_optimiser<R>(mut self, name: &str, mut checkpoint: Checkpoint<R>) -> Result<Self, Error>
    where
        R: Serialize + DeserializeOwned,
    {
        let key = format!("{OPTIMISER}/{}", part(name));
        let storage = checkpoint.configuration.state_storage;
        for (parameter, saved) in &mut checkpoint.parameters {
            for (slot, numbers) in take(&mut saved.state) {
                let tensor = SavedTensor::of_state(&numbers, storage)?;
                self.tensors.insert(format!("{key}/{}/{slot}", part(parameter)), tensor);
            }
        }
        self.with_text(OPTIMISER, name, &checkpoint)
    }

    /// With a value of one's own: a schedule, a random generator, where in the data the run is.
    ///
    /// # Errors
    ///
    /// [`Problem::Taken`], and [`Problem::Text`] for what does not come back from JSON, such as a number that is not finite.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric_checkpoint::{Problem, Snapshot};
    ///
    /// let snapshot = Snapshot::new().with_value("best loss", &0.25)?;
    /// assert_eq!(snapshot.value::<f64>("best loss")?, 0.25);
    /// let refused = snapshot.with_value("worst loss", &f64::NAN).unwrap_err();
    /// assert!(matches!(refused.problem, Problem::Text { .. }));
    /// # Ok::<(), ambient_metric_checkpoint::Error>(())
    /// ```
    pub fn with_value<V: Serialize + DeserializeOwned>(self, name: &str, value: &V) -> Result<Self, Error> {
        self.with_text(VALUE, name, value)
    }

    /// With a tensor of one's own.
    ///
    /// # Errors
    ///
    /// [`Problem::Taken`].
    pub fn with_tensor(mut self, name: &str, tensor: SavedTensor) -> Result<Self, Error> {
        let key = format!("{TENSOR}/{name}");
        require_free(TENSOR, name, self.tensors.contains_key(&key))?;
        self.tensors.insert(key, tensor);
        Ok(self)
    }

    /// Replaces the values of parameters by those that were saved under this name.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`]; [`Problem::Fit`] for other parameters or shapes, and [`Problem::Elements`] for numbers of another width. The
    /// parameters are then as they were.
    pub fn load_parameters<T: Tensor>(&self, name: &str, parameters: &mut T) -> Result<(), Error> {
        let saved: BTreeMap<&str, &SavedTensor> = self.parameters(name)?.collect();
        let shapes =
            saved.iter().map(|(name, tensor)| Part { name: (*name).to_owned(), shape: tensor.shape().to_vec() });
        let layout = parameters.layout().clone();
        layout.check_unordered(shapes.collect())?;
        let mut loaded = parameters.zeros_like()?;
        for (index, part) in layout.parts().iter().enumerate() {
            let Some(tensor) = saved.get(part.name.as_str()) else { continue };
            let elements: Option<Vec<T::Element>> = tensor.numbers().and_then(Numbers::into_elements);
            let Some(elements) = elements else {
                let (name, found) = (part.name.clone(), tensor.dtype());
                return Err(Problem::Elements { name, expected: std::any::type_name::<T::Element>(), found }.into());
            };
            loaded.write(index, &elements)?;
        }
        *parameters = loaded;
        Ok(())
    }

    /// The tensors of parameters by name, for who does not know their shapes.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`].
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric_checkpoint::Snapshot;
    /// use ambient_metric_ndarray::Parameters;
    /// use ambient_metric_ndarray::ndarray::array;
    ///
    /// let theta = Parameters::new([("w", array![[1.0_f32, 2.0]].into_dyn())])?;
    /// let snapshot = Snapshot::new().with_parameters("model", &theta)?;
    /// let shapes: Vec<_> = snapshot.parameters("model")?.map(|(name, tensor)| (name, tensor.shape())).collect();
    /// assert_eq!(shapes, [("w", [1, 2].as_slice())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameters(&self, name: &str) -> Result<impl Iterator<Item = (&str, &SavedTensor)>, Error> {
        let mut saved = within(&self.tensors, format!("{PARAMETERS}/{}/", part(name))).peekable();
        if saved.peek().is_none() {
            let all = within(&self.tensors, format!("{PARAMETERS}/"));
            let sets = all.filter_map(|(name, tensor)| Some((name.split_once('/')?.0, tensor)));
            return Err(missing(PARAMETERS, name, sets).into());
        }
        Ok(saved)
    }

    /// What an optimiser remembers, with its rule as the type `R`; restore it for its parameters.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`]; [`Problem::Text`] where the rule is no `R`; [`Problem::Unknown`] for a state of no parameter.
    pub fn optimiser<R: DeserializeOwned>(&self, name: &str) -> Result<Checkpoint<R>, Error> {
        let mut checkpoint: Checkpoint<R> = self.text(OPTIMISER, name)?;
        let prefix = format!("{OPTIMISER}/{}/", part(name));
        let mut left = within(&self.tensors, prefix.clone()).count();
        for (parameter, saved) in &mut checkpoint.parameters {
            for (slot, tensor) in within(&self.tensors, format!("{prefix}{}/", part(parameter))) {
                let unknown = || Problem::Unknown(format!("{prefix}{}/{slot}", part(parameter)));
                saved.state.insert(slot.to_owned(), tensor.numbers().ok_or_else(unknown)?);
                left -= 1;
            }
        }
        if left > 0 {
            return Err(Problem::Unknown(format!("{prefix}…, a state of no parameter")).into());
        }
        Ok(checkpoint)
    }

    /// A value of one's own.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`], [`Problem::Text`] where it is no `V`.
    pub fn value<V: DeserializeOwned>(&self, name: &str) -> Result<V, Error> {
        self.text(VALUE, name)
    }

    /// A tensor of one's own.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`].
    pub fn tensor(&self, name: &str) -> Result<&SavedTensor, Error> {
        let found = self.tensors.get(&format!("{TENSOR}/{name}"));
        Ok(found.ok_or_else(|| missing(TENSOR, name, within(&self.tensors, format!("{TENSOR}/"))))?)
    }

    /// All texts by the names that they have in the file: optimisers without their tensors, and values.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// All tensors by the names that they have in the file.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &SavedTensor)> {
        within(&self.tensors, String::new())
    }

    /// With the text of what comes back from it.
    fn with_text<V: Serialize + DeserializeOwned>(
        mut self,
        what: &'static str,
        name: &str,
        value: &V,
    ) -> Result<Self, Error> {
        let key = format!("{what}/{}", part(name));
        require_free(what, name, self.texts.contains_key(&key))?;
        let refused = |error| Problem::Text { name: name.to_owned(), error };
        let text = serde_json::to_string(value).map_err(refused)?;
        serde_json::from_str::<V>(&text).map_err(refused)?;
        self.texts.insert(key, text);
        Ok(self)
    }

    fn text<V: DeserializeOwned>(&self, what: &'static str, name: &str) -> Result<V, Error> {
        let found = self.texts.get(&format!("{what}/{}", part(name)));
        let text = found.ok_or_else(|| missing(what, name, within(&self.texts, format!("{what}/"))))?;
        Ok(serde_json::from_str(text).map_err(|error| Problem::Text { name: name.to_owned(), error })?)
    }

    /// The snapshot of entries that were read.
    pub(crate) fn of_entries(
        texts: BTreeMap<String, String>,
        tensors: BTreeMap<String, SavedTensor>,
    ) -> Result<Self, Problem> {
        let kind = |name: &str, kinds: [&str; 2]| name.split_once('/').is_some_and(|(kind, _)| kinds.contains(&kind));
        if let Some(name) = texts.keys().find(|name| !kind(name, [OPTIMISER, VALUE])) {
            return Err(Problem::Unknown(name.clone()));
        }
        let is_known = |name: &str| match name.split_once('/') {
            Some((PARAMETERS | TENSOR, _)) => true,
            // A state belongs to an optimiser.
            Some((OPTIMISER, rest)) => {
                rest.split_once('/').is_some_and(|(of, _)| texts.contains_key(&format!("{OPTIMISER}/{of}")))
            }
            _ => false,
        };
        match tensors.keys().find(|name| !is_known(name)) {
            Some(name) => Err(Problem::Unknown(name.clone())),
            None => Ok(Self { texts, tensors }),
        }
    }
}
