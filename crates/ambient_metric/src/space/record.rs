//! Records: how state is written into a checkpoint, and read from one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Element;
use crate::space::matrix::MatrixPart;
use crate::space::numbers::Numbers;
use crate::space::tensor::Tensor;

/// The entries of a checkpoint, open for writing or for reading: either way a state names what it consists of.
///
/// See [`BaseMetric::record`](crate::BaseMetric::record).
#[derive(Debug)]
pub struct Entries<'a> {
    store: Store<'a>,
    prefix: String,
}

type Scalars = BTreeMap<String, f64>;
type Parameters = BTreeMap<String, SavedParameter>;

#[derive(Debug)]
enum Store<'a> {
    Write(&'a mut Scalars, &'a mut Parameters),
    /// The last are the names of what was read.
    Read(&'a Scalars, &'a Parameters, &'a mut BTreeSet<String>),
}

/// The name of a slot of a parameter in messages.
fn path(parameter: &str, slot: &str) -> String {
    format!("parameters[{parameter}].state.{slot}")
}

impl<'a> Entries<'a> {
    /// Entries that are written: numbers, and slots of parameters that are there.
    pub(crate) fn write(numbers: &'a mut Scalars, parameters: &'a mut Parameters) -> Self {
        Self { store: Store::Write(numbers, parameters), prefix: String::new() }
    }

    /// Reads entries by a function, and accepts them if it has read all there are.
    pub(crate) fn read_all(
        numbers: &Scalars,
        parameters: &Parameters,
        read: impl FnOnce(&mut Entries<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        read(&mut Entries { store: Store::Read(numbers, parameters, &mut names), prefix: String::new() })?;
        let slots = parameters.iter().flat_map(|(name, saved)| saved.state.keys().map(|slot| path(name, slot)));
        match numbers.keys().map(|name| format!("memory.{name}")).chain(slots).find(|name| !names.contains(name)) {
            None => Ok(()),
            Some(entry) => Err(Error::CheckpointEntry { entry, problem: "is not a state of this rule".to_owned() }),
        }
    }

    /// The same entries, under names that begin with `name` and a dot.
    #[must_use]
    pub fn within(&mut self, name: &str) -> Entries<'_> {
        let store = match &mut self.store {
            Store::Write(numbers, parameters) => Store::Write(numbers, parameters),
            Store::Read(numbers, parameters, names) => Store::Read(numbers, parameters, names),
        };
        Entries { store, prefix: format!("{}{name}.", self.prefix) }
    }

    /// A number that is kept once.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`] where it is missing or not finite.
    pub fn number<S: Element>(&mut self, name: &str, number: &mut S) -> Result<(), Error> {
        let name = format!("{}{name}", self.prefix);
        match &mut self.store {
            Store::Write(numbers, _) => {
                numbers.insert(name, number.to_f64());
            }
            Store::Read(numbers, _, names) => {
                let entry = format!("memory.{name}");
                match numbers.get(&name) {
                    Some(&found) if S::constant(found).is_finite() => *number = S::constant(found),
                    found => return Err(entry_error(entry, found.copied())),
                }
                names.insert(entry);
            }
        }
        Ok(())
    }

    /// A count that is kept once.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`] where it is missing or not a whole number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number within range")]
    pub fn count(&mut self, name: &str, count: &mut u64) -> Result<(), Error> {
        let mut number = *count as f64;
        self.number(name, &mut number)?;
        if number < 0.0 || number.fract() != 0.0 || number > 2.0_f64.powi(53) {
            let (entry, problem) = (format!("memory.{}{name}", self.prefix), format!("is {number}, which is no count"));
            return Err(Error::CheckpointEntry { entry, problem });
        }
        *count = number as u64;
        Ok(())
    }

    /// Every number of a bundle that is kept once.
    ///
    /// # Errors
    ///
    /// As [`number`](Self::number).
    pub fn bundle<S: Element, B: Bundle<S>>(&mut self, name: &str, bundle: &mut B) -> Result<(), Error> {
        let mut within = self.within(name);
        let mut numbers: Vec<S> = bundle.scalars().collect();
        for (slot, number) in B::names().iter().zip(&mut numbers) {
            within.number(slot, number)?;
        }
        let mut numbers = numbers.into_iter();
        *bundle = B::build(&mut || numbers.next().unwrap_or_else(S::zero));
        Ok(())
    }

    /// Numbers of one parameter, however many.
    pub(crate) fn list<E: Element>(
        &mut self,
        parameter: &str,
        slot: &str,
        elements: usize,
        read: impl FnOnce() -> Result<Vec<E>, Error>,
    ) -> Result<Option<Vec<E>>, Error> {
        let slot = format!("{}{slot}", self.prefix);
        match &mut self.store {
            Store::Write(_, parameters) => {
                if let Some(saved) = parameters.get_mut(parameter) {
                    saved.state.insert(slot, Numbers::of(read()?));
                }
                Ok(None)
            }
            Store::Read(_, parameters, names) => {
                let entry = path(parameter, &slot);
                let saved = parameters.get(parameter).ok_or_else(|| entry_error(entry.clone(), None))?;
                let found = saved.slot(parameter, &slot, elements)?;
                names.insert(entry);
                Ok(Some(found))
            }
        }
    }

    /// What takes the place of a tensor; nothing where it is written.
    pub(crate) fn exchange<T: Tensor>(&mut self, name: &str, tensor: &T) -> Result<Option<T>, Error> {
        let mut loaded: Option<T> = None;
        for (index, part) in tensor.layout().parts().iter().enumerate() {
            if let Some(values) = self.list(&part.name, name, part.elements(), || tensor.read(index))? {
                let target = match &mut loaded {
                    Some(target) => target,
                    None => loaded.insert(tensor.zeros_like()?),
                };
                target.write(index, &values)?;
            }
        }
        Ok(loaded)
    }

    /// A tensor with the layout of parameters, or of some of them.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`] where a part is missing, of another length, or not finite; [`Error::Backend`].
    pub fn tensor<T: Tensor>(&mut self, name: &str, tensor: &mut T) -> Result<(), Error> {
        if let Some(loaded) = self.exchange(name, tensor)? {
            *tensor = loaded;
        }
        Ok(())
    }

    /// Tensors as [`tensor`](Self::tensor), one for every name; clones of the list keep theirs.
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor).
    pub fn tensors<T: Tensor>(&mut self, names: &[String], tensors: &mut Arc<Vec<T>>) -> Result<(), Error> {
        let exchange = |(name, tensor): (&String, &T)| self.exchange(name, tensor);
        let loaded: Vec<Option<T>> = names.iter().zip(tensors.iter()).map(exchange).collect::<Result<_, Error>>()?;
        if let Some(loaded) = loaded.into_iter().collect() {
            *tensors = Arc::new(loaded);
        }
        Ok(())
    }

    /// What takes the place of a matrix; nothing where it is written.
    pub(crate) fn exchange_matrix<M: MatrixPart>(
        &mut self,
        parameter: &str,
        name: &str,
        matrix: &M,
    ) -> Result<Option<M>, Error> {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let values = self.list(parameter, name, rows.saturating_mul(columns), || matrix.to_host())?;
        values.map(|values| matrix.like(rows, columns, &values)).transpose()
    }

    /// As [`exchange_matrix`](Self::exchange_matrix): the matrix that was read, or else this one.
    pub(crate) fn shared_matrix<M: MatrixPart>(
        &mut self,
        parameter: &str,
        name: &str,
        matrix: &Arc<M>,
    ) -> Result<Arc<M>, Error> {
        Ok(self.exchange_matrix(parameter, name, &**matrix)?.map_or_else(|| Arc::clone(matrix), Arc::new))
    }

    /// A matrix that belongs to a parameter, of any shape.
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor).
    pub fn matrix<M: MatrixPart>(&mut self, parameter: &str, name: &str, matrix: &mut M) -> Result<(), Error> {
        if let Some(loaded) = self.exchange_matrix(parameter, name, matrix)? {
            *matrix = loaded;
        }
        Ok(())
    }

    /// Whether what is named is replaced, and not written.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self.store, Store::Read(..))
    }
}

/// The state of one parameter in a [`Checkpoint`](crate::Checkpoint).
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, rules};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::new([("w", array![1.0_f64, 2.0].into_dyn())])?;
/// let checkpoint = Configuration::new(rules::sgd(0.9), 0.1).build(&theta)?.checkpoint()?;
/// let saved = &checkpoint.parameters["w"];
/// assert_eq!(saved.shape, [2]);
/// assert!(saved.state.values().all(|slot| *slot == vec![0.0, 0.0].into()));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SavedParameter {
    /// The shape of the parameter.
    pub shape: Vec<usize>,
    /// The values of every state slot by name, in row-major order: of a [`Rule`](crate::Rule) as many as the parameter has, of a metric over whole
    /// tensors as many as it keeps for it.
    pub state: BTreeMap<String, Numbers>,
    /// Which scalar memory it has, where that is not the one of its sum, since it came later than others.
    pub memory: Option<usize>,
}

known_keys! { SavedParameter { shape, state, memory = None } }

impl SavedParameter {
    /// The values of a slot, if they fit: also into the stored type, which may be narrower than the one they were saved from.
    pub(crate) fn slot<E: Element>(&self, parameter: &str, slot: &str, elements: usize) -> Result<Vec<E>, Error> {
        let entry = format!("parameters[{parameter}].state.{slot}");
        let values = self.state.get(slot).ok_or_else(|| entry_error(entry.clone(), None))?;
        require_len(&entry, values.len(), elements)?;
        let narrowed: Vec<E> = values.iter().map(E::constant).collect();
        match values.iter().zip(&narrowed).find(|(_, narrowed)| !narrowed.is_finite()) {
            Some((value, _)) => Err(entry_error(entry, Some(value))),
            None => Ok(narrowed),
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
