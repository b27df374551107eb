//! Matrices on the CPU: products, eigenvalues and singular values by faer.

use ambient_metric::number::Element;
use ambient_metric::space::{MatrixPart, MatrixTensor, Part, SpectralMatrix, Transpose};
use ambient_metric::{Error, Field, Tensor};
use faer::linalg::matmul::matmul;
use faer::traits::{ComplexField, RealField};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

use crate::parameters::Parameters;

/// Multiplications of a product that is not halved: work that takes a few milliseconds.
const LEAF: usize = 1 << 27;

/// Adds α left · right to a target. A large product is halved along its longer side, the halves perhaps on two threads: where depends on its size alone, so that
/// the bits do not depend on how many threads there are.
fn multiply<E: ComplexField>(
    target: MatMut<'_, E>,
    accumulation: Accum,
    alpha: E,
    left: MatRef<'_, E>,
    right: MatRef<'_, E>,
) {
    let (rows, columns) = (target.nrows(), target.ncols());
    if rows.saturating_mul(columns).saturating_mul(left.ncols()) <= LEAF || rows.max(columns) < 2 {
        return matmul(target, accumulation, left, right, alpha, Par::Seq);
    }
    let other = alpha.clone();
    if rows > columns {
        let (top, bottom) = left.split_at_row(rows / 2);
        let (above, below) = target.split_at_row_mut(rows / 2);
        rayon::join(
            || multiply(above, accumulation, alpha, top, right),
            || multiply(below, accumulation, other, bottom, right),
        );
    } else {
        let (first, last) = right.split_at_col(columns / 2);
        let (before, behind) = target.split_at_col_mut(columns / 2);
        rayon::join(
            || multiply(before, accumulation, alpha, left, first),
            || multiply(behind, accumulation, other, left, last),
        );
    }
}

/// Numbers of which there are matrices on the CPU: `f32` and `f64`.
///
/// # Example
///
/// ```
/// fn rows<E: ambient_metric_ndarray::MatrixElement>(matrix: &ambient_metric_ndarray::HostMatrix<E>) -> usize {
///     ambient_metric::space::MatrixPart::rows(matrix)
/// }
/// ```
pub trait MatrixElement: Element<Wide = f64> + ComplexField + RealField {
    /// Adds α left · right to a target, whose numbers are cleared before where it says so. (Here and not where it is called, so that it is compiled once.)
    #[doc(hidden)]
    fn multiply(
        target: MatMut<'_, Self>,
        accumulation: Accum,
        alpha: Self,
        left: MatRef<'_, Self>,
        right: MatRef<'_, Self>,
    );
}

macro_rules! matrix_element {
    ($($element:ty),+) => {
        $(impl MatrixElement for $element {
            fn multiply(
                target: MatMut<'_, Self>,
                accumulation: Accum,
                alpha: Self,
                left: MatRef<'_, Self>,
                right: MatRef<'_, Self>,
            ) {
                multiply(target, accumulation, alpha, left, right);
            }
        })+
    };
}

matrix_element!(f32, f64);

/// Singular values with their vectors, in the columns.
struct SingularValues {
    left: Mat<f64>,
    values: Vec<f64>,
    right: Mat<f64>,
}

/// The eigenvalues of a symmetric matrix, times a scale, and its eigenvectors, in the columns. (Not generic, so that it is compiled once.)
fn eigenvalues(matrix: &Mat<f64>, scale: f64) -> Result<(Vec<f64>, Mat<f64>), Error> {
    let decomposition = matrix.self_adjoint_eigen(Side::Lower).map_err(stuck)?;
    let values = decomposition.S().column_vector().iter().map(|value| value * scale).collect();
    Ok((values, decomposition.U().to_owned()))
}

/// The singular values of a matrix, times a scale.
fn singular_values(matrix: &Mat<f64>, scale: f64) -> Result<SingularValues, Error> {
    let decomposition = matrix.thin_svd().map_err(stuck)?;
    let values = decomposition.S().column_vector().iter().map(|value| value * scale).collect();
    Ok(SingularValues { left: decomposition.U().to_owned(), values, right: decomposition.V().to_owned() })
}

/// A diag(values) Bᵀ, where there are as many values as columns.
fn weighted_product(left: &Mat<f64>, values: &[f64], right: &Mat<f64>) -> Mat<f64> {
    let value = |column: usize| values.get(column).copied().unwrap_or(0.0);
    let weighted = Mat::from_fn(left.nrows(), left.ncols(), |row, column| left[(row, column)] * value(column));
    let mut product = Mat::zeros(left.nrows(), right.nrows());
    multiply(product.as_mut(), Accum::Replace, 1.0, weighted.as_ref(), right.transpose());
    product
}

/// A matrix in memory, its rows one after the other.
///
/// Products run on all threads, and their bits do not depend on how many there are. Eigenvalues and singular values are found in `f64`,
/// whatever the elements.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, Transpose};
/// use ambient_metric_ndarray::HostMatrix;
///
/// let a = HostMatrix::new(2, 2, vec![1.0_f64, 2.0, 3.0, 4.0])?;
/// assert_eq!(a.product(Transpose::No, &a, Transpose::No)?.to_host()?, [7.0, 10.0, 15.0, 22.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HostMatrix<E> {
    rows: usize,
    columns: usize,
    elements: Vec<E>,
}

/// That a matrix or part has another shape than it should.
fn shape_error(name: &str, expected: [usize; 2], found: Vec<usize>) -> Error {
    Error::Shape { name: name.to_owned(), expected: expected.to_vec(), found }
}

impl<E: MatrixElement> HostMatrix<E> {
    /// A matrix from its elements, row after row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where their number is not rows × columns.
    pub fn new(rows: usize, columns: usize, elements: Vec<E>) -> Result<Self, Error> {
        if rows.checked_mul(columns) == Some(elements.len()) {
            Ok(Self { rows, columns, elements })
        } else {
            Err(shape_error("matrix", [rows, columns], vec![elements.len()]))
        }
    }

    fn view(&self, transpose: Transpose) -> MatRef<'_, E> {
        let view = MatRef::from_row_major_slice(&self.elements, self.rows, self.columns);
        if transpose == Transpose::Yes { view.transpose() } else { view }
    }

    /// The same numbers as doubles over a power of two near the largest, and that power: decompositions square numbers, and squares of very
    /// small or large ones leave the range. An error where one is not finite, which no decomposition can take.
    fn doubles(&self) -> Result<(Mat<f64>, f64), Error> {
        if !self.elements.iter().all(|element| Element::is_finite(*element)) {
            return Err(Error::Overflow { quantity: "an element of a matrix to decompose".to_owned() });
        }
        let largest = self.elements.iter().fold(0.0_f64, |largest, element| largest.max(element.to_f64().abs()));
        // Without its mantissa a normal number is a power of two.
        let scale =
            if largest == 0.0 { 1.0 } else { f64::from_bits(largest.max(f64::MIN_POSITIVE).to_bits() >> 52 << 52) };
        let view = self.view(Transpose::No);
        Ok((Mat::from_fn(self.rows, self.columns, |row, column| view[(row, column)].to_f64() / scale), scale))
    }

    /// The eigenvalues of a symmetric matrix, rising, and its eigenvectors, in the columns.
    fn eigenvalues(&self) -> Result<(Vec<f64>, Mat<f64>), Error> {
        if self.rows != self.columns {
            return Err(shape_error("a symmetric matrix", [self.rows; 2], vec![self.rows, self.columns]));
        }
        let (scaled, scale) = self.doubles()?;
        eigenvalues(&scaled, scale)
    }

    /// V f Vᵀ for every list f of numbers.
    fn spread<const N: usize>(vectors: &Mat<f64>, functions: [Vec<f64>; N]) -> [Self; N] {
        let side = vectors.nrows();
        functions.map(|values| {
            let spread = weighted_product(vectors, &values, vectors);
            // Symmetric to the last bit: the lower triangle is the upper one.
            let entry = |index: usize| spread[((index / side).min(index % side), (index / side).max(index % side))];
            Self {
                rows: side,
                columns: side,
                elements: (0..side * side).map(|index| E::narrow(entry(index))).collect(),
            }
        })
    }
}

/// What is said where an iteration for singular values does not end.
fn stuck<D>(_: D) -> Error {
    Error::Overflow { quantity: "the decomposition of a matrix".to_owned() }
}

impl<E: MatrixElement> MatrixPart for HostMatrix<E> {
    type Element = E;

    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn like(&self, rows: usize, columns: usize, elements: &[E]) -> Result<Self, Error> {
        Self::new(rows, columns, elements.to_vec())
    }

    fn to_host(&self) -> Result<Vec<E>, Error> {
        Ok(self.elements.clone())
    }

    fn combine(
        &self,
        transpose: Transpose,
        other: &Self,
        other_transpose: Transpose,
        alpha: f64,
        addend: Option<(f64, &Self)>,
    ) -> Result<Self, Error> {
        let (left, right) = (self.view(transpose), other.view(other_transpose));
        let [rows, columns] = [left.nrows(), right.ncols()];
        if left.ncols() != right.nrows() {
            return Err(shape_error("the second factor", [left.ncols(), columns], vec![right.nrows(), columns]));
        }
        let (accumulation, mut elements) = match addend {
            None => (Accum::Replace, vec![<E as Field>::zero(); rows * columns]),
            Some((_, addend)) if [addend.rows, addend.columns] != [rows, columns] => {
                return Err(shape_error("the addend", [rows, columns], vec![addend.rows, addend.columns]));
            }
            Some((beta, addend)) => {
                let beta = E::constant(beta);
                (Accum::Add, addend.elements.iter().map(|&element| beta * element).collect())
            }
        };
        let target = MatMut::from_row_major_slice_mut(&mut elements, rows, columns);
        E::multiply(target, accumulation, E::constant(alpha), left, right);
        // What decays for ever, as the moments of a matrix do, ends at zero.
        for element in &mut elements {
            *element = element.flushed();
        }
        Ok(Self { rows, columns, elements })
    }

    fn norm(&self) -> Result<f64, Error> {
        // In units of the largest, so that squares stay in range.
        let largest = self.elements.iter().fold(0.0_f64, |largest, element| {
            let size = element.to_f64().abs();
            if size.is_nan() { f64::INFINITY } else { largest.max(size) }
        });
        if largest == 0.0 || largest.is_infinite() {
            return Ok(largest);
        }
        let squares = self.elements.iter().map(|element| (element.to_f64() / largest).powi(2));
        Ok(largest * squares.sum::<f64>().sqrt())
    }

    fn normalised(&self) -> Result<Self, Error> {
        let norm = self.norm()?;
        if norm == 0.0 {
            return Ok(self.clone());
        }
        let elements = self.elements.iter().map(|element| E::narrow(element.to_f64() / norm)).collect();
        Ok(Self { elements, ..*self })
    }
}

impl<E: MatrixElement> SpectralMatrix for HostMatrix<E> {
    fn of_eigenvalues<const N: usize>(
        &self,
        functions: impl FnOnce(&[f64]) -> Result<[Vec<f64>; N], Error>,
    ) -> Result<[Self; N], Error> {
        let (values, vectors) = self.eigenvalues()?;
        Ok(Self::spread(&vectors, functions(&values)?))
    }

    fn eigenvectors(&self) -> Result<Self, Error> {
        let (_, vectors) = self.eigenvalues()?;
        // Eigenvalues rise from the first to the last.
        let side = self.rows;
        let entry = |index: usize| E::narrow(vectors[(index / side, side - 1 - index % side)]);
        Ok(Self { elements: (0..side * side).map(entry).collect(), ..*self })
    }

    fn of_singular_values<const N: usize>(
        &self,
        functions: impl FnOnce(&[f64]) -> Result<[Vec<f64>; N], Error>,
    ) -> Result<[Self; N], Error> {
        let (scaled, scale) = self.doubles()?;
        let SingularValues { left, values, right } = singular_values(&scaled, scale)?;
        let vectors = if self.rows > self.columns { right } else { left };
        Ok(Self::spread(&vectors, functions(&values)?))
    }

    fn map_singular_values(&self, function: impl FnOnce(&[f64]) -> Result<Vec<f64>, Error>) -> Result<Self, Error> {
        let (scaled, scale) = self.doubles()?;
        let SingularValues { left, values, right } = singular_values(&scaled, scale)?;
        let product = weighted_product(&left, &function(&values)?, &right);
        let elements = (0..self.rows * self.columns)
            .map(|index| E::narrow(product[(index / self.columns, index % self.columns)]))
            .collect();
        Ok(Self { elements, ..*self })
    }
}

impl<E: MatrixElement> MatrixTensor for Parameters<E> {
    type Matrix = HostMatrix<E>;

    fn matrix(&self, part: usize) -> Result<HostMatrix<E>, Error> {
        let elements = self.read(part)?;
        let found = self.layout().parts().get(part);
        if let Some([rows, columns]) = found.and_then(Part::as_matrix) {
            return HostMatrix::new(rows, columns, elements);
        }
        let (name, shape) = found.map(|part| (part.name.as_str(), part.shape.clone())).unwrap_or_default();
        Err(shape_error(name, [0, 0], shape))
    }

    fn set_matrix(&mut self, part: usize, matrix: &HostMatrix<E>) -> Result<(), Error> {
        if let Some(part) = self.layout().parts().get(part)
            && part.as_matrix() != Some([matrix.rows, matrix.columns])
        {
            return Err(shape_error(&part.name, [matrix.rows, matrix.columns], part.shape.clone()));
        }
        self.write(part, &matrix.elements)
    }
}
