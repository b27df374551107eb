//! Matrices on a Burn device: what metrics that are not pointwise ask for.

use core::marker::PhantomData;
use core::ops::Range;

use ambient_metric::space::{MatrixPart, MatrixTensor, Part, Selection, Separable, Transpose};
use ambient_metric::{Error, Tensor as _};
use burn::tensor::{Tensor, TensorData};

use crate::error::BurnError;
use crate::parameters::{BurnElement, Parameters, join, slice};

/// A matrix on a Burn device.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, NewtonSchulz, Part, Transpose};
/// use ambient_metric::space::MatrixTensor;
/// use ambient_metric_burn::Parameters;
/// use burn::tensor::Device;
///
/// let part = Part { name: "w".into(), shape: vec![2, 2] };
/// let w = Parameters::new(&Device::flex(), [(part, vec![3.0_f32, 0.0, 0.0, 4.0])])?.matrix(0)?;
/// assert_eq!(w.norm()?, 5.0);
/// assert_eq!(w.product(Transpose::No, &w, Transpose::Yes)?.to_host()?, [9.0, 0.0, 0.0, 16.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeviceMatrix<E> {
    tensor: Tensor<2>,
    element: PhantomData<E>,
}

fn shape_error(name: &str, expected: [usize; 2], found: Vec<usize>) -> Error {
    Error::Shape { name: name.to_owned(), expected: expected.to_vec(), found }
}

impl<E: BurnElement> DeviceMatrix<E> {
    fn of(tensor: Tensor<2>) -> Self {
        Self { tensor, element: PhantomData }
    }

    fn turned(&self, transpose: Transpose) -> Tensor<2> {
        match transpose {
            Transpose::No => self.tensor.clone(),
            Transpose::Yes => self.tensor.clone().transpose(),
        }
    }

    fn scalar(tensor: Tensor<1>) -> Result<f64, Error> {
        let read: Result<E, _> = tensor.try_into_scalar();
        read.map(ambient_metric::number::Element::widen).map_err(|error| BurnError::Device(error.to_string()).into())
    }
}

impl<E: BurnElement> MatrixPart for DeviceMatrix<E> {
    type Element = E;

    fn rows(&self) -> usize {
        self.tensor.dims()[0]
    }

    fn columns(&self) -> usize {
        self.tensor.dims()[1]
    }

    fn like(&self, rows: usize, columns: usize, elements: &[E]) -> Result<Self, Error> {
        if rows.checked_mul(columns) != Some(elements.len()) {
            return Err(shape_error("matrix", [rows, columns], vec![elements.len()]));
        }
        let data = TensorData::new(elements.to_vec(), [rows, columns]);
        Ok(Self::of(Tensor::from_data(data, (&self.tensor.device(), E::dtype()))))
    }

    fn to_host(&self) -> Result<Vec<E>, Error> {
        self.tensor.try_to_vec_as().map_err(|error| BurnError::Device(error.to_string()).into())
    }

    fn combine(
        &self,
        transpose: Transpose,
        other: &Self,
        other_transpose: Transpose,
        alpha: f64,
        addend: Option<(f64, &Self)>,
    ) -> Result<Self, Error> {
        let (left, right) = (self.turned(transpose), other.turned(other_transpose));
        let ([rows, inner], [other_inner, columns]) = (left.dims(), right.dims());
        if inner != other_inner {
            return Err(shape_error("the second factor", [inner, columns], vec![other_inner, columns]));
        }
        let product = left.matmul(right);
        #[allow(clippy::float_cmp, reason = "a product that is not scaled needs no pass of its own")]
        let product = if alpha == 1.0 { product } else { product.mul_scalar(alpha) };
        match addend {
            None => Ok(Self::of(product)),
            Some((_, addend)) if addend.tensor.dims() != [rows, columns] => {
                Err(shape_error("the addend", [rows, columns], addend.tensor.dims().to_vec()))
            }
            Some((beta, addend)) => Ok(Self::of(addend.tensor.clone().mul_scalar(beta).add(product))),
        }
    }

    fn norm(&self) -> Result<f64, Error> {
        if self.tensor.shape().num_elements() == 0 {
            return Ok(0.0);
        }
        // In units of the largest, so that squares stay in range.
        let largest = Self::scalar(self.tensor.clone().abs().max())?;
        if largest == 0.0 || !largest.is_finite() {
            return Ok(if largest.is_nan() { f64::INFINITY } else { largest });
        }
        Ok(largest * Self::scalar(self.tensor.clone().div_scalar(largest).square().sum())?.sqrt())
    }

    fn normalised(&self) -> Result<Self, Error> {
        let norm = self.norm()?;
        Ok(if norm == 0.0 { self.clone() } else { Self::of(self.tensor.clone().div_scalar(norm)) })
    }
}

impl<E: BurnElement> MatrixTensor for Parameters<E> {
    type Matrix = DeviceMatrix<E>;

    fn matrix(&self, part: usize) -> Result<DeviceMatrix<E>, Error> {
        let range = self.range(part)?;
        let found = self.layout().parts().get(part);
        if let Some([rows, columns]) = found.and_then(Part::as_matrix) {
            return Ok(DeviceMatrix::of(slice(self.flat(), &range).reshape([rows, columns])));
        }
        let (name, shape) = found.map(|part| (part.name.as_str(), part.shape.clone())).unwrap_or_default();
        Err(shape_error(name, [0, 0], shape))
    }

    fn set_matrix(&mut self, part: usize, matrix: &DeviceMatrix<E>) -> Result<(), Error> {
        let (range, found) = (self.range(part)?, matrix.tensor.dims());
        if let Some(part) = self.layout().parts().get(part)
            && part.as_matrix() != Some(found)
        {
            return Err(shape_error(&part.name, found, part.shape.clone()));
        }
        let elements = matrix.tensor.clone().reshape([found[0] * found[1]]);
        *self = Self::from_flat(self.layout().clone(), self.flat().clone().slice_assign([range], elements))?;
        Ok(())
    }
}

/// Ranges of tensors, to be joined one after the other.
type Pieces<'a> = Vec<(&'a Tensor<1>, Range<usize>)>;

/// One more range, as part of the last where it goes on there.
fn push<'a>(pieces: &mut Pieces<'a>, tensor: &'a Tensor<1>, range: Range<usize>) {
    match pieces.last_mut() {
        _ if range.is_empty() => {}
        Some((last, of_last)) if core::ptr::eq(*last, tensor) && of_last.end == range.start => of_last.end = range.end,
        _ => pieces.push((tensor, range)),
    }
}

/// The joined pieces; nothing where there are none.
fn cut(pieces: &Pieces<'_>) -> Option<Tensor<1>> {
    join(pieces.iter().map(|(tensor, range)| slice(tensor, range)).collect())
}

impl<E: BurnElement> Separable for Parameters<E> {
    fn select(&self, selection: &Selection) -> Result<Self, Error> {
        let mut pieces: Pieces<'_> = Vec::new();
        self.stretches(selection)?.into_iter().for_each(|range| push(&mut pieces, self.flat(), range));
        let flat = cut(&pieces).unwrap_or_else(|| slice(self.flat(), &(0..0)));
        Self::from_flat(selection.layout().clone(), flat)
    }

    /// Everything is joined at once: a part at a time would copy all of them for each.
    fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error> {
        selection.layout().check(selected.layout())?;
        let (mut pieces, mut own, mut from): (Pieces<'_>, _, _) = (Vec::new(), 0, 0);
        for to in self.stretches(selection)? {
            push(&mut pieces, self.flat(), own..to.start);
            push(&mut pieces, selected.flat(), from..from + to.len());
            (own, from) = (to.end, from + to.len());
        }
        push(&mut pieces, self.flat(), own..self.layout().elements());
        if let Some(flat) = cut(&pieces) {
            *self = Self::from_flat(self.layout().clone(), flat)?;
        }
        Ok(())
    }
}

impl<E: BurnElement> Parameters<E> {
    /// Where what is selected lies, in the order of the selection.
    fn stretches(&self, selection: &Selection) -> Result<Vec<Range<usize>>, Error> {
        let parts = self.ranges();
        let mut stretches = Vec::new();
        for (number, &part) in selection.parts().iter().enumerate() {
            let range = parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })?;
            for stretch in selection.stretches(number) {
                if stretch.end > range.len() {
                    let name = self.layout().parts().get(part).map(|part| part.name.clone()).unwrap_or_default();
                    return Err(Error::Shape { name, expected: vec![stretch.end], found: vec![range.len()] });
                }
                stretches.push(range.start + stretch.start..range.start + stretch.end);
            }
        }
        Ok(stretches)
    }
}
