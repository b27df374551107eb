//! The Hessian of a loss as a matrix, for parameters that are few.

use crate::error::Error;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::Layout;
use crate::space::tensor::{Covector, Tensor, Vector, Wide, first_non_finite};

/// How far two entries that should be equal may differ, as a share of the largest entry: the rounding of a Hessian in single precision.
const ROUNDING: f64 = 1e-4;

/// The second derivatives of a loss, as a symmetric matrix over all parameters.
///
/// Where a product with a vector is wanted, as by [`PullBack::curvature`](crate::PullBack::curvature), [`product`](Self::product) is one.
///
/// # Mathematics
///
/// H_ij = ∂²𝓛 / ∂θⁱ∂θʲ, where i and j count the elements of all parts, one after another, each part in row-major order. H takes a
/// vector to the covector Hv.
///
/// # Requirements
///
/// N² numbers are kept for N parameters.
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Vector};
/// use ambient_metric::geometry::DenseHessian;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::from(array![0.0_f64, 0.0]);
/// let hessian = DenseHessian::new(&theta, &[2.0, 1.0, 1.0, 3.0])?;
/// let v = Vector(Parameters::from(array![1.0, -1.0]));
/// assert_eq!(hessian.product(&v)?, Covector(Parameters::from(array![1.0, -2.0])));
///
/// let again = DenseHessian::from_products(&theta, |v| hessian.product(v))?;
/// assert_eq!(again.entry(1, 1), Some(3.0));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`], [`Error::NotSymmetric`] and [`Error::NonFiniteHessian`] where the matrix is made.
#[derive(Clone, Debug)]
pub struct DenseHessian<T: Tensor> {
    layout: Layout,
    /// Row by row.
    entries: Vec<Wide<T>>,
}

impl<T: Tensor> DenseHessian<T> {
    /// The Hessian at parameters like these, from its N² entries, row by row.
    ///
    /// Entries that mirror each other may differ by a ten-thousandth of the largest one, as rounding does it; their mean is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of entries, [`Error::NonFiniteHessian`], and [`Error::NotSymmetric`].
    pub fn new(parameters: &T, entries: &[Wide<T>]) -> Result<Self, Error> {
        let layout = parameters.layout();
        let size = layout.elements();
        if size.checked_mul(size) != Some(entries.len()) {
            let (name, found) = ("the Hessian".to_owned(), vec![entries.len()]);
            return Err(Error::Shape { name, expected: vec![size, size], found });
        }
        if let Some(index) = entries.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::NonFiniteHessian { parameter: part_of(layout, index / size.max(1)) });
        }
        let largest = entries.iter().fold(<Wide<T> as Field>::zero(), |largest, entry| largest.maximum(entry.abs()));
        let allowed = Wide::<T>::constant(ROUNDING) * largest;
        let half = Wide::<T>::constant(0.5);
        let mut symmetric = entries.to_vec();
        for row in 0..size {
            for column in 0..row {
                let (one, other) = (row * size + column, column * size + row);
                if (allowed - (entries[one] - entries[other]).abs()).is_negative() {
                    return Err(Error::NotSymmetric { matrix: "Hessian", row, column });
                }
                let mean = half * entries[one] + half * entries[other];
                symmetric[one] = mean;
                symmetric[other] = mean;
            }
        }
        Ok(Self { layout: layout.clone(), entries: symmetric })
    }

    /// The Hessian at parameters like these, from N products of it with vectors.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and what `product` reports.
    pub fn from_products(
        parameters: &T,
        mut product: impl FnMut(&Vector<T>) -> Result<Covector<T>, Error>,
    ) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for index in 0..parameters.layout().elements() {
            let column = product(&Vector(unit(parameters, index)?))?;
            parameters.layout().check(column.0.layout())?;
            entries.extend(elements(&column.0)?);
        }
        // The columns of a symmetric matrix are its rows.
        Self::new(parameters, &entries)
    }

    /// H v.
    ///
    /// # Errors
    ///
    /// Where the layouts differ or the backend fails.
    pub fn product(&self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        self.layout.check(vector.0.layout())?;
        let v = elements(&vector.0)?;
        let zero = <Wide<T> as Field>::zero();
        let rows = self.entries.chunks(v.len().max(1));
        let product: Vec<Wide<T>> =
            rows.map(|row| row.iter().zip(&v).fold(zero, |sum, (&entry, &v)| sum + entry * v)).collect();
        Ok(Covector(with_elements(&vector.0, &product)?))
    }

    /// The entry in a row and a column, counted from zero; `None` outside.
    #[must_use]
    pub fn entry(&self, row: usize, column: usize) -> Option<Wide<T>> {
        let size = self.layout.elements();
        if column < size { self.entries.get(row.checked_mul(size)?.checked_add(column)?).copied() } else { None }
    }
}

/// The name of the part that an element lies in.
fn part_of(layout: &Layout, index: usize) -> String {
    let mut before = 0;
    let part = layout.parts().iter().find(|part| {
        before += part.elements();
        index < before
    });
    part.map(|part| part.name.clone()).unwrap_or_default()
}

/// All elements, part after part, in the wide type.
pub(crate) fn elements<T: Tensor>(tensor: &T) -> Result<Vec<Wide<T>>, Error> {
    let mut elements = Vec::with_capacity(tensor.layout().elements());
    for part in 0..tensor.layout().parts().len() {
        elements.extend(tensor.read(part)?.into_iter().map(Element::widen));
    }
    Ok(elements)
}

/// A tensor like another one, with these elements.
fn with_elements<T: Tensor>(like: &T, elements: &[Wide<T>]) -> Result<T, Error> {
    let mut tensor = like.zeros_like()?;
    let mut rest = elements;
    for (part, shape) in like.layout().parts().iter().enumerate() {
        let (these, after) = rest.split_at(shape.elements().min(rest.len()));
        let narrow: Vec<T::Element> = these.iter().map(|&element| T::Element::narrow(element)).collect();
        tensor.write(part, &narrow)?;
        rest = after;
    }
    Ok(tensor)
}

/// The basis vector of an element, in a tensor like another one.
pub(crate) fn unit<T: Tensor>(like: &T, index: usize) -> Result<T, Error> {
    let mut unit = like.zeros_like()?;
    let mut first = 0;
    for (part, shape) in like.layout().parts().iter().enumerate() {
        let count = shape.elements();
        if let Some(at) = index.checked_sub(first)
            && at < count
        {
            let mut elements = vec![<T::Element as Field>::zero(); count];
            elements[at] = <T::Element as Field>::one();
            unit.write(part, &elements)?;
        }
        first += count;
    }
    Ok(unit)
}

/// Accepts a product with the Hessian that is finite everywhere.
pub(crate) fn require_finite<T: Tensor>(product: &Covector<T>) -> Result<(), Error> {
    match first_non_finite(&product.0)? {
        Some(parameter) => Err(Error::NonFiniteHessian { parameter }),
        None => Ok(()),
    }
}
