//! Data sets in their own formats, read and checked.

pub mod cifar;
pub mod idx;
pub mod polynomial;
pub mod text;

use std::fs;
use std::path::{Path, PathBuf};

use ambient_studies::error::Error;

/// Images with a label each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// The numbers of an image: pixels, or pixels of one channel after the other.
    pub size: usize,
    /// The images, one after the other.
    pub pixels: Vec<u8>,
    /// The label of every image.
    pub labels: Vec<u8>,
}

impl Images {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images at these places, in this order.
    #[must_use]
    pub fn select(&self, places: &[usize]) -> Self {
        let image = |&place: &usize| self.pixels.get(place * self.size..(place + 1) * self.size).unwrap_or_default();
        Self {
            size: self.size,
            pixels: places.iter().flat_map(image).copied().collect(),
            labels: places.iter().filter_map(|&place| self.labels.get(place)).copied().collect(),
        }
    }
}

/// A file's bytes.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// What is wrong with a file.
fn malformed(path: &Path, problem: impl Into<String>) -> Error {
    Error::Record { place: path.display().to_string(), problem: problem.into() }
}

/// Accepts labels below `classes`.
fn check_labels(path: &Path, labels: &[u8], classes: u8) -> Result<(), Error> {
    match labels.iter().position(|label| *label >= classes) {
        None => Ok(()),
        Some(place) => Err(malformed(path, format!("label {place} is {}: there are {classes} classes", labels[place]))),
    }
}

/// The first of these files that is there.
fn first_of(candidates: &[PathBuf]) -> Option<&PathBuf> {
    candidates.iter().find(|path| path.is_file())
}
