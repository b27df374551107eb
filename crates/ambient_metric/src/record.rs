//! Records: how the state of a base metric is written into a checkpoint, and read from one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bundle::Bundle;
use crate::checkpoint::{SavedParameter, entry_error};
use crate::error::Error;
use crate::matrix::MatrixPart;
use crate::metric::BaseMetric;
use crate::scalar::Element;
use crate::tensor::Tensor;

/// A base metric whose state can be kept in a [`Checkpoint`](crate::Checkpoint).
///
/// Every base metric of this crate is one. One function names all that the state consists of, in both directions.
///
/// # Example
///
/// The metric γ = 1 + Σ l² of [`BaseMetric`]'s example, whose state is γ and a layout, has one number to keep:
///
/// ```
/// # use ambient_metric::{BaseMetric, Covector, Entries, Error, Layout, Recorded, Tensor, Vector};
/// # use ambient_metric_ndarray::Parameters;
/// # struct Total;
/// # impl BaseMetric<Parameters<f64>> for Total {
/// #     type State = (f64, Layout);
/// #     fn begin(&self, parameters: &Parameters<f64>) -> Result<Self::State, Error> {
/// #         Ok((1.0, parameters.layout().clone()))
/// #     }
/// #     fn update(&self, (gamma, _): &mut Self::State, l: &Covector<Parameters<f64>>) -> Result<(), Error> {
/// #         *gamma += l.contract(&Vector(l.0.clone()))?;
/// #         Ok(())
/// #     }
/// #     fn raise(&self, _: &Self::State, x: &Covector<Parameters<f64>>) -> Result<Vector<Parameters<f64>>, Error> {
/// #         Ok(Vector(x.0.clone()))
/// #     }
/// #     fn lower(&self, _: &Self::State, v: &Vector<Parameters<f64>>) -> Result<Covector<Parameters<f64>>, Error> {
/// #         Ok(Covector(v.0.clone()))
/// #     }
/// #     fn log_determinant(&self, _: &Self::State) -> Result<f64, Error> {
/// #         Ok(0.0)
/// #     }
/// # }
/// impl Recorded<Parameters<f64>> for Total {
///     fn record(&self, (gamma, _): &mut (f64, Layout), entries: &mut Entries<'_>) -> Result<(), Error> {
///         entries.number("gamma", gamma)
///     }
/// }
/// ```
pub trait Recorded<T: Tensor>: BaseMetric<T> {
    /// Hands everything that the state consists of to `entries`, which writes it down or replaces it.
    ///
    /// To be replaced, the state is one that [`begin`](BaseMetric::begin) made. What follows from the rest may be left out, if it is made again here.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`] for what is missing or does not fit, and where the backend fails.
    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error>;
}

/// The entries of a checkpoint, open for writing or for reading: either way a state names what it consists of.
///
/// See [`Recorded`].
#[derive(Debug)]
pub struct Entries<'a> {
    store: Store<'a>,
    prefix: String,
}

type Numbers = BTreeMap<String, f64>;
type Parameters = BTreeMap<String, SavedParameter>;

#[derive(Debug)]
enum Store<'a> {
    Write(&'a mut Numbers, &'a mut Parameters),
    /// The last are the names of what was read.
    Read(&'a Numbers, &'a Parameters, &'a mut BTreeSet<String>),
}

/// The name of a slot of a parameter in messages.
fn path(parameter: &str, slot: &str) -> String {
    format!("parameters[{parameter}].state.{slot}")
}

impl<'a> Entries<'a> {
    /// Entries that are written: numbers, and slots of parameters that are there.
    pub(crate) fn write(numbers: &'a mut Numbers, parameters: &'a mut Parameters) -> Self {
        Self { store: Store::Write(numbers, parameters), prefix: String::new() }
    }

    /// Reads entries by a function, and accepts them if it has read all there are.
    pub(crate) fn read_all(
        numbers: &Numbers,
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
    fn list<E: Element>(
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
                    saved.state.insert(slot, read()?.into_iter().map(Element::to_f64).collect());
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

    /// A number that belongs to a parameter.
    ///
    /// # Errors
    ///
    /// As [`tensor`](Self::tensor).
    pub fn number_of<S: Element>(&mut self, parameter: &str, name: &str, number: &mut S) -> Result<(), Error> {
        let written = *number;
        if let Some(&[loaded]) = self.list(parameter, name, 1, || Ok(vec![written]))?.as_deref() {
            *number = loaded;
        }
        Ok(())
    }

    /// Whether what is named is replaced, and not written.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self.store, Store::Read(..))
    }
}
