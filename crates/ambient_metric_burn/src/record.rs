//! Records: the state of an optimiser in the format in which Burn saves modules, keyed by the names of the parameters.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambient_metric::{Checkpoint, Configuration, Element, Error, SavedParameter};
use burn::tensor::{Bytes, DType, TensorData};
use burn_pack::{AtomicFile, EXTENSION, Reader, Scalar, Tensor as Entry, Writer};

use crate::checksum;
use crate::engine::Engine;
use crate::error::BurnError;
use crate::optimiser::ModuleOptimiser;
use crate::parameters::BurnElement;

/// The name of the rule among the record's texts.
const RULE: &str = "rule";
/// The version of the core's checkpoints among the record's numbers.
const VERSION: &str = "version";
/// The steps taken.
const STEPS: &str = "steps";
/// Before the name of a parameter, its shape among the record's texts.
const SHAPE: &str = "shape/";
/// Before the name of a parameter that came later than others, its scalar memory among the record's numbers.
const LATER: &str = "later/";
/// How many scalar memories there are: one for every sum, and those of parameters that came later.
const POOLS: &str = "pools";

fn record(error: impl core::fmt::Display) -> BurnError {
    BurnError::Record(format!("cannot be used: {error}"))
}

/// `learning_rates.0`: a number in a list.
fn entry(list: &str, index: usize) -> String {
    format!("{list}.{index}")
}

/// A record as bytes, with its checksum.
fn bytes(record: Writer) -> Result<Vec<u8>, burn_pack::Error> {
    let size = record.size()?;
    let mut bytes = Vec::with_capacity(size + checksum::LENGTH);
    bytes.resize(size, 0);
    record.write_into(&mut bytes)?;
    checksum::append(&mut bytes);
    Ok(bytes)
}

/// A name, with the ending that records have where it has none.
fn named(path: &Path) -> PathBuf {
    if path.extension().is_none() { path.with_extension(EXTENSION) } else { path.to_owned() }
}

/// Writes a file that takes its name only when it is complete.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let (scratch, mut file) = AtomicFile::create(path).map_err(|error| error.to_string())?;
    // A disk that is full may say so no sooner than when the file is synchronised.
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| error.to_string())?;
    drop(file);
    scratch.commit().map_err(|error| error.to_string())
}

/// A reader of bytes whose checksum is right.
fn checked(bytes: Bytes) -> Result<Reader, String> {
    checksum::verify(&bytes).map_err(|error| error.to_string())?;
    // The reader passes over what follows the entries.
    Reader::from_bytes(bytes).map_err(|error| format!("cannot be used: {error}"))
}

/// Saving and loading. A record ends with a [checksum], so that a damaged one is refused. An optimiser is made in the program as ever, and takes up a record then. Beside the state, a record holds what schedules
/// change, η of every group and ξ, and these replace those of the configuration: call
/// [`set_learning_rate`](ModuleOptimiser::set_learning_rate) after loading where they should differ.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, rules};
/// use ambient_metric_burn::ModuleOptimiser;
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
///
/// let model = LinearConfig::new(4, 2).init(&Device::flex().autodiff());
/// let made = || ModuleOptimiser::new(Configuration::new(rules::adam(), 0.01), &model);
/// let bytes = made()?.to_bytes()?;
/// let mut resumed = made()?;
/// resumed.load_bytes(bytes)?;
/// assert_eq!(resumed.engine().steps()?, 0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
impl<O: Engine> ModuleOptimiser<O> {
    /// Saves the state to a file, which takes its name only when it is complete.
    ///
    /// # Errors
    ///
    /// [`BurnError::Record`] where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let failed = |error| BurnError::Record(format!("cannot be written: {error}"));
        let bytes = bytes(self.engine.record()?).map_err(|error| failed(error.to_string()))?;
        Ok(write_whole(&named(path.as_ref()), &bytes).map_err(failed)?)
    }

    /// The state as bytes.
    ///
    /// # Errors
    ///
    /// Where the device cannot be read.
    pub fn to_bytes(&self) -> Result<Bytes, Error> {
        Ok(Bytes::from_bytes_vec(bytes(self.engine.record()?).map_err(record)?))
    }

    /// Takes up the state of a file: the optimiser goes on bit for bit where the record was taken.
    ///
    /// # Errors
    ///
    /// The optimiser is then as it was. [`BurnError::Record`] for a file that is absent, damaged or not a record of an optimiser, and what [`Checkpoint::restore`] finds: another rule, other
    /// parameters or shapes, a number that is missing.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let path = if path.exists() { path.to_owned() } else { named(path) };
        let failed = |problem: String| BurnError::Record(format!("in {} {problem}", path.display()));
        let bytes = fs::read(&path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let reader = checked(Bytes::from_bytes_vec(bytes)).map_err(failed)?;
        self.engine.resume(reader, &self.zeros)
    }

    /// Takes up the state of bytes.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        let reader = checked(bytes).map_err(BurnError::Record)?;
        self.engine.resume(reader, &self.zeros)
    }
}

/// The record of a checkpoint: its state, in the precision in which it is kept, and its scalar memory.
pub(crate) fn write<R, E: BurnElement>(checkpoint: Checkpoint<R>) -> Writer {
    let (mut entries, mut shapes) = (Vec::new(), Vec::new());
    for (name, saved) in checkpoint.parameters {
        for (slot, values) in saved.state {
            let count = values.len();
            let values: Vec<E> = values.into_iter().map(E::constant).collect();
            let (bytes, shape, dtype) = TensorData::new(values, [count]).into_parts();
            entries.push(Entry::new(format!("{name}/{slot}"), dtype, shape, None, bytes));
        }
        shapes.push((name, saved.shape, saved.memory));
    }
    let mut writer = Writer::new(entries)
        .with_metadata(RULE, &checkpoint.rule_name)
        .with_scalar(VERSION, Scalar::UInt(checkpoint.version.into()))
        .with_scalar(STEPS, Scalar::UInt(checkpoint.steps))
        .with_scalar(POOLS, Scalar::UInt(checkpoint.memory.len() as u64));
    for (name, shape, memory) in shapes {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        writer = writer.with_metadata(&format!("{SHAPE}{name}"), &shape.join(","));
        if let Some(memory) = memory {
            writer = writer.with_scalar(&format!("{LATER}{name}"), Scalar::UInt(memory as u64));
        }
    }
    let lists = [
        ("learning_rates", checkpoint.learning_rates),
        ("weight_decays", checkpoint.weight_decays),
        ("xi", checkpoint.xi),
    ];
    for (list, numbers) in lists {
        for (index, number) in numbers.into_iter().enumerate() {
            writer = writer.with_scalar(&entry(list, index), Scalar::Float(number));
        }
    }
    for (pool, memory) in checkpoint.memory.into_iter().enumerate() {
        for (name, number) in memory {
            writer = writer.with_scalar(&format!("memory.{pool}.{name}"), Scalar::Float(number));
        }
    }
    writer
}

/// The checkpoint of a record, for an optimiser of this configuration.
pub(crate) fn read<R: Clone>(reader: Reader, configuration: &Configuration<R>) -> Result<Checkpoint<R>, Error> {
    let scalars = reader.scalars().clone();
    // A damaged number must not ask for memory without end: there is a sum for all groups, and at most one for each and for what came later.
    let later = scalars.keys().filter(|name| name.starts_with(LATER)).count();
    let (pools, most) = (unsigned(&scalars, POOLS)?, 1 + (configuration.groups.len() + later) as u64);
    if pools > most {
        let rule = reader.metadata().get(RULE).cloned().unwrap_or_default();
        let problem = format!(
            "was written by the rule {rule} with {pools} sums, where this optimiser has {most} at most: give it the same groups with their own metric"
        );
        return Err(BurnError::Record(problem).into());
    }
    Ok(Checkpoint {
        version: unsigned(&scalars, VERSION)?.try_into().unwrap_or(u32::MAX),
        rule_name: reader.metadata().get(RULE).cloned().unwrap_or_default(),
        configuration: configuration.clone(),
        learning_rates: list(&scalars, "learning_rates"),
        weight_decays: list(&scalars, "weight_decays"),
        xi: list(&scalars, "xi"),
        steps: unsigned(&scalars, STEPS)?,
        memory: (0..pools).map(|pool| memory(&scalars, pool)).collect(),
        parameters: parameters(reader)?,
    })
}

/// The scalar memory of a sum.
fn memory(scalars: &BTreeMap<String, Scalar>, pool: u64) -> BTreeMap<String, f64> {
    let prefix = format!("memory.{pool}.");
    let named =
        scalars.iter().filter_map(|(name, scalar)| Some((name.strip_prefix(&prefix)?.to_owned(), float(*scalar)?)));
    named.collect()
}

/// The state of every parameter.
fn parameters(reader: Reader) -> Result<BTreeMap<String, SavedParameter>, Error> {
    let mut parameters = BTreeMap::new();
    for (key, shape) in reader.metadata() {
        let Some(name) = key.strip_prefix(SHAPE) else { continue };
        let extents = shape.split(',').filter(|extent| !extent.is_empty());
        let shape = extents.map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(record)?;
        let memory = reader.scalars().get(&format!("{LATER}{name}")).and_then(|number| u64::try_from(*number).ok());
        let memory = memory.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        parameters.insert(name.to_owned(), SavedParameter { shape, state: BTreeMap::new(), memory });
    }
    for entry in reader.into_tensors().map_err(record)? {
        let (name, dtype, shape, _, bytes) = entry.into_parts().map_err(record)?;
        let place = name.rsplit_once('/').and_then(|(name, slot)| Some((parameters.get_mut(name)?, slot)));
        let Some((saved, slot)) = place else {
            return Err(BurnError::Record(format!("has an entry `{name}` that is no state of a parameter")).into());
        };
        let values = numbers(TensorData::from_bytes(bytes, shape, dtype))?;
        saved.state.insert(slot.to_owned(), values);
    }
    Ok(parameters)
}

/// The numbers of an entry.
fn numbers(data: TensorData) -> Result<Vec<f64>, BurnError> {
    match data.dtype() {
        DType::F32 => data.try_into_vec::<f32>().map(|values| values.into_iter().map(Element::widen).collect()),
        DType::F64 => data.try_into_vec::<f64>(),
        other => return Err(BurnError::Record(format!("holds {}", other.name()))),
    }
    .map_err(|error| record(format!("{error:?}")))
}

fn float(scalar: Scalar) -> Option<f64> {
    if let Scalar::Float(value) = scalar { Some(value) } else { None }
}

fn unsigned(scalars: &BTreeMap<String, Scalar>, name: &str) -> Result<u64, BurnError> {
    let missing = || BurnError::Record(format!("has no `{name}`"));
    scalars.get(name).and_then(|scalar| u64::try_from(*scalar).ok()).ok_or_else(missing)
}

/// The numbers `list.0`, `list.1` and so on.
fn list(scalars: &BTreeMap<String, Scalar>, name: &str) -> Vec<f64> {
    (0..).map_while(|index| scalars.get(&entry(name, index)).copied().and_then(float)).collect()
}
