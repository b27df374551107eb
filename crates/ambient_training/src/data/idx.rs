//! MNIST's format: IDX, as it is or compressed with gzip.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ambient_studies::error::Error;
use flate2::read::GzDecoder;

use super::{Images, check_labels, first_of, malformed, read};

/// The first two bytes of a file compressed with gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What begins a file of bytes along one axis, and along three.
const LABELS: u32 = 0x0000_0801;
const IMAGES: u32 = 0x0000_0803;
/// The most bytes that a file may unpack to; MNIST has 47 million.
const MOST: u64 = 1 << 30;

/// MNIST's images and labels from a folder: `train` or `t10k`.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Record`] for a file that is not IDX, is cut short or too long, has labels above nine, or another number of
/// labels than images.
pub fn load(folder: &Path, part: &str) -> Result<Images, Error> {
    let images_path = find(folder, &format!("{part}-images-idx3-ubyte"));
    let labels_path = find(folder, &format!("{part}-labels-idx1-ubyte"));
    let ([count, rows, columns], pixels) = unpack(&images_path, IMAGES)?;
    let ([labels_count], labels) = unpack(&labels_path, LABELS)?;
    if count != labels_count {
        let problem = format!("has {labels_count} labels where {} has {count} images", images_path.display());
        return Err(malformed(&labels_path, problem));
    }
    check_labels(&labels_path, &labels, 10)?;
    Ok(Images { size: rows * columns, pixels, labels })
}

/// The file as it is, or else compressed.
fn find(folder: &Path, name: &str) -> PathBuf {
    let candidates = [folder.join(name), folder.join(format!("{name}.gz"))];
    first_of(&candidates).cloned().unwrap_or_else(|| folder.join(format!("{name}.gz")))
}

/// The length of every axis, and the bytes.
fn unpack<const AXES: usize>(path: &Path, magic: u32) -> Result<([usize; AXES], Vec<u8>), Error> {
    let mut bytes = read(path)?;
    if bytes.starts_with(&GZIP) {
        let mut unpacked = Vec::new();
        let outcome = GzDecoder::new(bytes.as_slice()).take(MOST + 1).read_to_end(&mut unpacked);
        outcome.map_err(|error| malformed(path, format!("cannot be unpacked: {error}")))?;
        bytes = unpacked;
    }
    let header = 4 * (1 + AXES);
    let word = |index: usize| {
        let bytes = bytes.get(4 * index..4 * index + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    match word(0) {
        Some(found) if found == magic => {}
        found => {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("{found:#010x}"));
            return Err(malformed(path, format!("begins with {found} where IDX of this kind has {magic:#010x}")));
        }
    }
    let mut shape = [0; AXES];
    for (index, extent) in shape.iter_mut().enumerate() {
        let found = word(index + 1).ok_or_else(|| malformed(path, "ends within its header"))?;
        *extent = found as usize;
    }
    let elements = shape.iter().try_fold(1_usize, |all, &extent| all.checked_mul(extent));
    let expected = elements.and_then(|elements| elements.checked_add(header));
    if expected != Some(bytes.len()) {
        let expected = expected.map_or_else(|| "more than can be counted".to_owned(), |expected| expected.to_string());
        let problem = format!("has {} bytes where its header says {expected}: it is cut short or damaged", bytes.len());
        return Err(malformed(path, problem));
    }
    Ok((shape, bytes.split_off(header)))
}
