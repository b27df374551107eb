//! Some parts of what belongs to all.

use crate::error::Error;
use crate::space::matrix::Separable;

/// What belongs to these parts, of what belongs to all.
pub(crate) fn select_each<P: Clone>(all: &[P], parts: &[usize]) -> Result<Vec<P>, Error> {
    let found = |&part: &usize| all.get(part).cloned().ok_or(Error::NoSuchPart { part, parts: all.len() });
    parts.iter().map(found).collect()
}

/// What belongs to all parts, with that of some replaced.
pub(crate) fn place_each<P: Clone>(all: &[P], parts: &[usize], selection: &[P]) -> Result<Vec<P>, Error> {
    let (mut placed, count) = (all.to_vec(), all.len());
    for (index, &part) in parts.iter().enumerate() {
        let missing = |part, parts| Error::NoSuchPart { part, parts };
        let new = selection.get(index).cloned().ok_or(missing(index, selection.len()))?;
        *placed.get_mut(part).ok_or(missing(part, count))? = new;
    }
    Ok(placed)
}

/// These parts of every tensor.
pub(crate) fn select_all<'a, T: Separable + 'a>(
    tensors: impl IntoIterator<Item = &'a T>,
    parts: &[usize],
) -> Result<Vec<T>, Error> {
    tensors.into_iter().map(|tensor| tensor.select(parts)).collect()
}

/// A tensor of its own with these parts replaced by a selection, so that one which cannot be made changes nothing.
pub(crate) fn placed<T: Separable>(tensor: &T, parts: &[usize], selection: &T) -> Result<T, Error> {
    let mut placed = tensor.duplicate()?;
    placed.place(parts, selection)?;
    Ok(placed)
}

/// As [`placed`], for every tensor.
pub(crate) fn placed_all<T: Separable>(tensors: &[T], parts: &[usize], selections: &[T]) -> Result<Vec<T>, Error> {
    tensors.iter().zip(selections).map(|(tensor, selection)| placed(tensor, parts, selection)).collect()
}
