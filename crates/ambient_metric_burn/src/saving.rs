//! Saving and loading: records as files and bytes, with a checksum.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambient_metric::{AnyOptimiser, Error};
use burn::tensor::Bytes;
use burn_pack::{AtomicFile, EXTENSION, Reader, Writer};

use crate::checksum;
use crate::error::BurnError;
use crate::optimiser::ModuleOptimiser;
use crate::parameters::{BurnElement, Parameters};
use crate::record::{self, unusable};

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
impl<E: BurnElement, O: AnyOptimiser<Parameters<E>>> ModuleOptimiser<O, E> {
    /// Saves the state to a file, which takes its name only when it is complete.
    ///
    /// # Errors
    ///
    /// [`BurnError::Record`] where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let failed = |error| BurnError::Record(format!("cannot be written: {error}"));
        let bytes = bytes(self.record()?).map_err(|error| failed(error.to_string()))?;
        Ok(write_whole(&named(path.as_ref()), &bytes).map_err(failed)?)
    }

    /// The state as bytes.
    ///
    /// # Errors
    ///
    /// Where the device cannot be read.
    pub fn to_bytes(&self) -> Result<Bytes, Error> {
        Ok(Bytes::from_bytes_vec(bytes(self.record()?).map_err(unusable)?))
    }

    /// Takes up the state of a file: the optimiser goes on bit for bit where the record was taken.
    ///
    /// # Errors
    ///
    /// The optimiser is then as it was. [`BurnError::Record`] for a file that is absent, damaged or not a record of an optimiser, and what [`Checkpoint::restore`](ambient_metric::Checkpoint::restore) finds: another rule, other
    /// parameters or shapes, a number that is missing.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let path = if path.exists() { path.to_owned() } else { named(path) };
        let failed = |problem: String| BurnError::Record(format!("in {} {problem}", path.display()));
        let bytes = fs::read(&path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let reader = checked(Bytes::from_bytes_vec(bytes)).map_err(failed)?;
        self.resume(reader)
    }

    /// Takes up the state of bytes.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_bytes(&mut self, bytes: Bytes) -> Result<(), Error> {
        let reader = checked(bytes).map_err(BurnError::Record)?;
        self.resume(reader)
    }

    fn record(&self) -> Result<Writer, Error> {
        Ok(record::write::<_, E>(self.engine.checkpoint()?))
    }

    fn resume(&mut self, reader: Reader) -> Result<(), Error> {
        self.engine.resume(record::read(reader, &self.engine.configuration())?, &self.zeros)
    }
}
