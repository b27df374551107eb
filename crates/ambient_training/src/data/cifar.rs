//! CIFAR-10's binary format: a label and three channels of 32 × 32 bytes, image after image.

use std::path::Path;

use ambient_studies::error::Error;

use super::{Images, check_labels, malformed, read};

/// The numbers of an image.
const SIZE: usize = 3 * 32 * 32;

/// The training images: of `data_batch_1.bin` to `data_batch_5.bin` those that are there, the first at least.
///
/// # Errors
///
/// As [`load`].
pub fn train(folder: &Path) -> Result<Images, Error> {
    let mut all = load(&folder.join("data_batch_1.bin"))?;
    for batch in 2..=5 {
        let path = folder.join(format!("data_batch_{batch}.bin"));
        if path.is_file() {
            let more = load(&path)?;
            all.pixels.extend(more.pixels);
            all.labels.extend(more.labels);
        }
    }
    Ok(all)
}

/// The test images.
///
/// # Errors
///
/// As [`load`].
pub fn test(folder: &Path) -> Result<Images, Error> {
    load(&folder.join("test_batch.bin"))
}

/// The images of one file.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Record`] for a file that is empty, does not end with a whole image, or has labels above nine.
pub fn load(path: &Path) -> Result<Images, Error> {
    let bytes = read(path)?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(SIZE + 1) {
        let problem =
            format!("has {} bytes, which are no images of {} bytes: it is cut short or damaged", bytes.len(), SIZE + 1);
        return Err(malformed(path, problem));
    }
    let (labels, pixels): (Vec<u8>, Vec<&[u8]>) = bytes
        .chunks_exact(SIZE + 1)
        .filter_map(|image| image.split_first())
        .map(|(label, pixels)| (*label, pixels))
        .unzip();
    check_labels(path, &labels, 10)?;
    Ok(Images { size: SIZE, pixels: pixels.concat(), labels })
}
