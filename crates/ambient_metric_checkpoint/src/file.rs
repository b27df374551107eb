//! Snapshots as bytes and as files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use safetensors::tensor::TensorInfo;

use crate::error::{Error, Problem};
use crate::header::{Header, LONGEST};
use crate::snapshot::Snapshot;
use crate::tensor::SavedTensor;

/// The bytes in which the length of the header stands.
const LENGTH: usize = 8;

fn not_read(error: io::Error) -> Problem {
    Problem::System { action: "read", error }
}

fn not_written(error: io::Error) -> Problem {
    Problem::System { action: "written", error }
}

/// As files and bytes.
impl Snapshot {
    /// The bytes of a file; the same for the same content, in whatever order it was put in.
    ///
    /// # Errors
    ///
    /// [`Problem::Header`] where texts and names are longer than the format allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let header = Header::of(&self.texts, &self.tensors);
        let mut bytes = Vec::new();
        self.write_to(&header, &header.to_bytes()?, &mut bytes).map_err(not_written)?;
        Ok(bytes)
    }

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(read_from(&mut &*bytes, bytes.len() as u64)?)
    }

    /// Writes a file that takes its name when it is complete and on the disk: whoever reads, and whenever the process or the machine stops, finds the
    /// whole file or the whole one that had the name before.
    ///
    /// Until then it is a file `.checkpoint-….tmp` in the same folder, which is removed where something fails. One that a killed process has left may be deleted.
    ///
    /// # Errors
    ///
    /// [`Problem::System`], [`Problem::Header`]. What had the name before is then as it was, unless the system fails in writing the folder after
    /// the new file has its name.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric_checkpoint::Snapshot;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("run.safetensors");
    /// Snapshot::new().with_value("epoch", &3)?.write(&path)?;
    /// assert_eq!(Snapshot::read(&path)?.value::<u32>("epoch")?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        self.replace(path).map_err(|problem| Error::of(path, problem))
    }

    fn replace(&self, path: &Path) -> Result<(), Problem> {
        let header = Header::of(&self.texts, &self.tensors);
        let text = header.to_bytes()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".checkpoint-").suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As other files have them: what the user's mask leaves.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        // Dropped before it takes its name, it is removed.
        let scratch = builder.tempfile_in(folder).map_err(not_written)?;
        let mut writer = BufWriter::new(scratch.as_file());
        self.write_to(&header, &text, &mut writer).and_then(|()| writer.flush()).map_err(not_written)?;
        drop(writer);
        // A disk that is full may say so no sooner than now.
        scratch.as_file().sync_all().map_err(not_written)?;
        scratch.persist(path).map_err(|refused| not_written(refused.error))?;
        // The name itself is on the disk when the folder is. Only Unix opens folders.
        #[cfg(unix)]
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(not_written)?;
        Ok(())
    }

    fn write_to(&self, header: &Header, text: &[u8], writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(&(text.len() as u64).to_le_bytes())?;
        writer.write_all(text)?;
        let tensors = header.tensors.iter().filter_map(|(name, _)| self.tensors.get(name));
        tensors.map(SavedTensor::bytes).try_for_each(|bytes| writer.write_all(bytes))
    }

    /// Reads a file.
    ///
    /// It takes as much memory as the file has bytes, and a small multiple of what its header has.
    ///
    /// # Errors
    ///
    /// [`Problem::System`] and [`Problem::NoFile`]; [`Problem::Truncated`], [`Problem::Format`], [`Problem::Damaged`] and [`Problem::Rewritten`] for
    /// a file that is not as it was written; [`Problem::Foreign`], [`Problem::Version`] and [`Problem::Unknown`] for one of another program or version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        read_file(path).map_err(|problem| Error::of(path, problem))
    }
}

fn read_file(path: &Path) -> Result<Snapshot, Problem> {
    // Before it is opened: opening a pipe waits for who writes into it.
    if !fs::metadata(path).map_err(not_read)?.is_file() {
        return Err(Problem::NoFile);
    }
    let file = File::open(path).map_err(not_read)?;
    let length = file.metadata().map_err(not_read)?.len();
    read_from(&mut BufReader::new(file), length)
}

/// The content of so many bytes.
fn read_from(reader: &mut impl Read, length: u64) -> Result<Snapshot, Problem> {
    let truncated = |expected: u64| Problem::Truncated { found: length, expected };
    let start = LENGTH as u64;
    if length < start {
        return Err(truncated(start));
    }
    let mut bytes = [0; LENGTH];
    reader.read_exact(&mut bytes).map_err(not_read)?;
    let announced = u64::from_le_bytes(bytes);
    let header_length = usize::try_from(announced).ok().filter(|length| *length <= LONGEST);
    let Some(header_length) = header_length else {
        return Err(Problem::Format(format!("a header of {announced} bytes is none")));
    };
    let before = start + announced;
    if length < before {
        return Err(truncated(before));
    }
    let (header, data) = Header::read(&read_bytes(reader, header_length)?)?;
    let expected = before.saturating_add(data as u64);
    if length != expected {
        return Err(truncated(expected));
    }
    let mut tensors = BTreeMap::new();
    for (name, TensorInfo { dtype, shape, data_offsets: (start, end) }) in &header.tensors {
        let bytes = read_bytes(reader, end.saturating_sub(*start))?;
        let tensor = SavedTensor::new(*dtype, shape.clone(), bytes).map_err(|error| error.problem)?;
        tensors.insert(name.clone(), tensor);
    }
    let texts = header.verified(&tensors)?;
    Snapshot::of_entries(texts, tensors)
}

/// So many bytes, in memory that the system may refuse to give.
fn read_bytes(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|error| not_read(error.into()))?;
    reader.take(length as u64).read_to_end(&mut bytes).map_err(not_read)?;
    if bytes.len() == length { Ok(bytes) } else { Err(not_read(io::ErrorKind::UnexpectedEof.into())) }
}
