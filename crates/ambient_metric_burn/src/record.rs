//! Records: the state of an optimiser in the format in which Burn saves modules, keyed by the names of the parameters.

use std::collections::BTreeMap;

use ambient_metric::space::{Numbers, SavedParameter};
use ambient_metric::{Checkpoint, Configuration, Error};
use burn::tensor::{DType, TensorData};
use burn_pack::{Reader, Scalar, Tensor as Entry, Writer};

use crate::error::BurnError;
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

/// An error of what was read.
pub(crate) fn unusable(error: impl core::fmt::Display) -> BurnError {
    BurnError::Record(format!("cannot be used: {error}"))
}

/// `learning_rates.0`: a number in a list.
fn entry(list: &str, index: usize) -> String {
    format!("{list}.{index}")
}

/// The record of a checkpoint: its state, in the precision in which it is kept, and its scalar memory.
pub(crate) fn write<R, E: BurnElement>(checkpoint: Checkpoint<R>) -> Writer {
    let (mut entries, mut shapes) = (Vec::new(), Vec::new());
    for (name, saved) in checkpoint.parameters {
        for (slot, values) in saved.state {
            let count = values.len();
            let values: Vec<E> = values.iter().map(E::constant).collect();
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
        ("learning_rate_factor", vec![checkpoint.learning_rate_factor]),
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
        learning_rate_factor: list(&scalars, "learning_rate_factor").first().copied().unwrap_or(1.0),
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
        let shape = extents.map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(unusable)?;
        let memory = reader.scalars().get(&format!("{LATER}{name}")).and_then(|number| u64::try_from(*number).ok());
        let memory = memory.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        parameters.insert(name.to_owned(), SavedParameter { shape, state: BTreeMap::new(), memory });
    }
    for entry in reader.into_tensors().map_err(unusable)? {
        let (name, dtype, shape, _, bytes) = entry.into_parts().map_err(unusable)?;
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
fn numbers(data: TensorData) -> Result<Numbers, BurnError> {
    match data.dtype() {
        DType::F32 => data.try_into_vec().map(Numbers::F32),
        DType::F64 => data.try_into_vec().map(Numbers::F64),
        other => return Err(BurnError::Record(format!("holds {}", other.name()))),
    }
    .map_err(|error| unusable(format!("{error:?}")))
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
