//! The regression data: rows of four coordinates and a value, as little-endian `f32`.

use std::path::Path;

use ambient_studies::error::Error;

use super::{malformed, read};

/// The numbers of a row.
const ROW: usize = 5;

/// The rows of `polynomial_xy.f32le` in a folder: x₀ to x₃ and y.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Record`] for a file that does not end with a whole row, or has a number that is not finite.
pub fn load(folder: &Path) -> Result<Vec<[f32; ROW]>, Error> {
    let path = folder.join("polynomial_xy.f32le");
    let bytes = read(&path)?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(4 * ROW) {
        let problem =
            format!("has {} bytes, which are no rows of {}: it is cut short or damaged", bytes.len(), 4 * ROW);
        return Err(malformed(&path, problem));
    }
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap_or_default());
    let mut rows = Vec::with_capacity(bytes.len() / (4 * ROW));
    for (index, row) in bytes.chunks_exact(4 * ROW).enumerate() {
        let mut numbers = [0.0; ROW];
        for (slot, bytes) in numbers.iter_mut().zip(row.chunks_exact(4)) {
            *slot = number(bytes);
        }
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err(malformed(&path, format!("row {index} has a number that is not finite")));
        }
        rows.push(numbers);
    }
    Ok(rows)
}
