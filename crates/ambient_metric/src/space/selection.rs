//! Some of the numbers of a parameter space: parts, and rows of parts.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::space::layout::{Layout, Part};
use crate::space::tensor::Tensor;

/// Which numbers have no gradient in a step: parts, and rows of parts of rank two or more.
///
/// Made of the indices that parts have in the layout; `&[1, 4]` stands for the parts 1 and 4. Backends order parts by their names, so ask
/// [`Layout::index_of`] for the index of one.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Tensor, rules};
/// use ambient_metric::space::Absent;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // Of an embedding of three words two were looked up.
/// let model = |words, scale| Parameters::new([("words", words), ("scale", array![scale].into_dyn())]);
/// let mut theta = model(array![[1.0_f64, 1.0], [2.0, 2.0], [3.0, 3.0]].into_dyn(), 1.0)?;
/// let gradient = Covector(model(array![[1.0, 0.0], [f64::NAN, f64::NAN], [0.0, 1.0]].into_dyn(), 0.0)?);
/// let mut optimiser = Configuration::new(rules::sgd(0.0), 0.5).build(&theta)?;
/// let words = theta.layout().index_of("words")?;
/// optimiser.step_without(&mut theta, &gradient, 1.0, Absent::default().rows_but(words, [0, 2]))?;
/// assert_eq!(theta.view("words")?, array![[0.5, 1.0], [2.0, 2.0], [3.0, 2.5]].into_dyn());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absent {
    parts: BTreeMap<usize, Missing>,
}

/// What is absent of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    Whole,
    Rows(BTreeSet<usize>),
    RowsBut(BTreeSet<usize>),
}

impl Absent {
    /// These parts as a whole.
    pub fn parts(parts: impl IntoIterator<Item = usize>) -> Self {
        Self { parts: parts.into_iter().map(|part| (part, Missing::Whole)).collect() }
    }

    /// With these rows of a part.
    #[must_use]
    pub fn rows(mut self, part: usize, rows: impl IntoIterator<Item = usize>) -> Self {
        self.parts.insert(part, Missing::Rows(rows.into_iter().collect()));
        self
    }

    /// With all rows of a part but these: those of an embedding that were not looked up.
    #[must_use]
    pub fn rows_but(mut self, part: usize, rows: impl IntoIterator<Item = usize>) -> Self {
        self.parts.insert(part, Missing::RowsBut(rows.into_iter().collect()));
        self
    }

    /// Whether nothing is absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl From<&[usize]> for Absent {
    fn from(parts: &[usize]) -> Self {
        Self::parts(parts.iter().copied())
    }
}

impl<const N: usize> From<&[usize; N]> for Absent {
    fn from(parts: &[usize; N]) -> Self {
        Self::parts(parts.iter().copied())
    }
}

impl From<&Vec<usize>> for Absent {
    fn from(parts: &Vec<usize>) -> Self {
        Self::parts(parts.iter().copied())
    }
}

/// Parts of a parameter space in the order of their indices, each as a whole or some of its rows.
///
/// # Example
///
/// ```
/// use ambient_metric::Layout;
/// use ambient_metric::space::{Absent, Selection};
///
/// let layout = Layout::single("embedding", vec![5, 3]);
/// let selection = Selection::without(&layout, &Absent::default().rows(0, [2]))?;
/// assert_eq!(selection.layout().parts()[0].shape, [4, 3]);
/// assert_eq!(selection.stretches(0), [0..6, 9..15]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    parts: Vec<usize>,
    /// Of every selected part; `None` for all of them.
    rows: Vec<Option<Vec<usize>>>,
    layout: Layout,
}

impl Selection {
    /// These parts as a whole; their indices rise.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], [`Error::DuplicateParameter`].
    pub fn new(layout: &Layout, parts: &[usize]) -> Result<Self, Error> {
        Self::of(layout, parts.iter().map(|&part| (part, None)).collect())
    }

    /// All that is not absent.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], [`Error::NoSuchRow`] also for rows of a part of rank below two, and [`Error::NoGradient`] where nothing is left.
    pub fn without(layout: &Layout, absent: &Absent) -> Result<Self, Error> {
        let all = layout.parts();
        if let Some((&part, _)) = absent.parts.range(all.len()..).next() {
            return Err(Error::NoSuchPart { part, parts: all.len() });
        }
        let mut chosen = Vec::new();
        for (index, part) in all.iter().enumerate() {
            let (listed, keeps_listed) = match absent.parts.get(&index) {
                Some(Missing::Whole) => continue,
                None => {
                    chosen.push((index, None));
                    continue;
                }
                Some(Missing::Rows(rows)) => (rows, false),
                Some(Missing::RowsBut(rows)) => (rows, true),
            };
            let count = if part.shape.len() < 2 { 0 } else { part.shape.first().copied().unwrap_or(0) };
            if let Some(&row) = listed.range(count..).next() {
                return Err(Error::NoSuchRow { parameter: part.name.clone(), row, rows: count });
            }
            let kept: Vec<usize> = (0..count).filter(|row| listed.contains(row) == keeps_listed).collect();
            if kept.len() == count {
                chosen.push((index, None));
            } else if !kept.is_empty() {
                chosen.push((index, Some(kept)));
            }
        }
        let selection = Self::of(layout, chosen)?;
        if selection.layout.elements() == 0 { Err(Error::NoGradient) } else { Ok(selection) }
    }

    fn of(layout: &Layout, chosen: Vec<(usize, Option<Vec<usize>>)>) -> Result<Self, Error> {
        let all = layout.parts();
        let part = |(part, rows): &(usize, Option<Vec<usize>>)| {
            let mut found = all.get(*part).cloned().ok_or(Error::NoSuchPart { part: *part, parts: all.len() })?;
            if let (Some(rows), Some(extent)) = (rows, found.shape.first_mut()) {
                *extent = rows.len();
            }
            Ok(found)
        };
        let layout = Layout::new(chosen.iter().map(part).collect::<Result<Vec<Part>, Error>>()?)?;
        // Parts lie in the order of their indices, here as everywhere.
        if let Some([_, (part, _)]) = chosen.windows(2).find(|pair| matches!(pair, [a, b] if a.0 >= b.0)) {
            return Err(Error::DuplicateParameter {
                name: all.get(*part).map(|part| part.name.clone()).unwrap_or_default(),
            });
        }
        let (parts, rows) = chosen.into_iter().unzip();
        Ok(Self { parts, rows, layout })
    }

    /// The layout of what was selected: a part of which some rows were has as many.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The indices of the parts that something was selected of.
    #[must_use]
    pub fn parts(&self) -> &[usize] {
        &self.parts
    }

    /// The same indices, for what keeps parts as wholes.
    ///
    /// # Errors
    ///
    /// [`Error::Inseparable`] where some rows of a part were selected and some not.
    pub fn whole_parts(&self, metric: impl FnOnce() -> String) -> Result<&[usize], Error> {
        if self.rows.iter().all(Option::is_none) {
            Ok(&self.parts)
        } else {
            Err(Error::Inseparable { metric: metric() })
        }
    }

    /// Where the elements lie of the selected part of this number, counted from the first element of the part they come from: in rising stretches,
    /// of which none touches the next.
    #[must_use]
    pub fn stretches(&self, number: usize) -> Vec<Range<usize>> {
        let elements = self.layout.parts().get(number).map_or(0, Part::elements);
        let Some(Some(rows)) = self.rows.get(number) else { return core::iter::once(0..elements).collect() };
        let length = elements / rows.len().max(1);
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for row in rows {
            let (start, end) = (row * length, (row + 1) * length);
            match stretches.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => stretches.push(start..end),
            }
        }
        stretches
    }

    /// What is selected of some parts of the space, counted among these: for what has been handed these parts alone. With it which of the selected parts
    /// they are.
    pub(crate) fn within(&self, layout: &Layout, parts: &[usize]) -> Result<(Self, Vec<usize>), Error> {
        let own = |(number, part): (usize, &usize)| {
            let rows = self.rows.get(number).cloned().flatten();
            Some((number, (parts.binary_search(part).ok()?, rows)))
        };
        let (numbers, chosen) = self.parts.iter().enumerate().filter_map(own).unzip();
        Ok((Self::of(layout, chosen)?, numbers))
    }

    /// Whether it is all of a layout.
    pub(crate) fn is_all(&self, layout: &Layout) -> bool {
        self.layout == *layout
    }
}

/// A tensor of which some parts, or rows of parts, can be taken out and put back.
///
/// # Example
///
/// ```
/// use ambient_metric::Tensor;
/// use ambient_metric::space::{Selection, Separable};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::new([("b", array![1.0_f64].into_dyn()), ("w", array![[2.0, 3.0]].into_dyn())])?;
/// let selection = Selection::new(theta.layout(), &[1])?;
/// let mut weights = theta.select(&selection)?;
/// assert_eq!(weights.layout().names(), ["w"]);
/// weights.as_mut_slice().fill(0.0);
/// theta.place(&selection, &weights)?;
/// assert_eq!(theta.as_slice(), [1.0, 0.0, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NoSuchPart`], and [`Error::Shape`] where what is put back does not fit.
pub trait Separable: Tensor {
    /// A tensor of its own with copies of what is selected, stored as it is here. Its layout is that of the selection.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`].
    fn select(&self, selection: &Selection) -> Result<Self, Error>;

    /// Replaces what is selected by what was [selected](Self::select) from a tensor like this.
    ///
    /// A backend on a device implements it, since the default takes the way through the host.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], and what [`Layout::check`](crate::Layout::check) finds.
    fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error> {
        selection.layout().check(selected.layout())?;
        for (number, &part) in selection.parts().iter().enumerate() {
            let (mut elements, new) = (self.read(part)?, selected.read(number)?);
            let mut new = new.into_iter();
            for stretch in selection.stretches(number) {
                for (element, new) in elements.get_mut(stretch).unwrap_or_default().iter_mut().zip(&mut new) {
                    *element = new;
                }
            }
            self.write(part, &elements)?;
        }
        Ok(())
    }
}

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

/// What is selected of every tensor.
pub(crate) fn select_all<'a, T: Separable + 'a>(
    tensors: impl IntoIterator<Item = &'a T>,
    selection: &Selection,
) -> Result<Vec<T>, Error> {
    tensors.into_iter().map(|tensor| tensor.select(selection)).collect()
}

/// A tensor of its own with what is selected replaced, so that one which cannot be made changes nothing.
pub(crate) fn placed<T: Separable>(tensor: &T, selection: &Selection, selected: &T) -> Result<T, Error> {
    let mut placed = tensor.duplicate()?;
    placed.place(selection, selected)?;
    Ok(placed)
}

/// As [`placed`], for every tensor.
pub(crate) fn placed_all<T: Separable>(tensors: &[T], selection: &Selection, selected: &[T]) -> Result<Vec<T>, Error> {
    tensors.iter().zip(selected).map(|(tensor, selected)| placed(tensor, selection, selected)).collect()
}
