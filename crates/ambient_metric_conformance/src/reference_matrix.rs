//! Matrices of the reference backend: products as they are written, and singular values by Jacobi's rotations.

use ambient_metric::number::Element;
use ambient_metric::space::{MatrixPart, MatrixTensor, Part, Selection, Separable, SpectralMatrix, Transpose};
use ambient_metric::{Error, Field, Real, Tensor};

use crate::reference::Reference;

/// How often all pairs of rows are rotated before a decomposition is given up; ten suffice for any matrix that a test makes.
const SWEEPS: usize = 60;

/// A matrix over any scalar, its rows one after the other: what the matrices of other backends are compared with.
///
/// # Requirements
///
/// Singular values are found in the wide type, which has to have roots: they are not for fractions.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, Transpose};
/// use ambient_metric_conformance::{Exact, ReferenceMatrix};
///
/// let third = Exact::ratio(1, 3);
/// let a = ReferenceMatrix::new(1, 2, vec![third, third])?;
/// assert_eq!(a.product(Transpose::No, &a, Transpose::Yes)?.to_host()?, [Exact::ratio(2, 9)]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceMatrix<E> {
    rows: usize,
    columns: usize,
    elements: Vec<E>,
}

impl<E: Element> ReferenceMatrix<E> {
    /// A matrix from its elements, row after row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where their number is not rows × columns.
    pub fn new(rows: usize, columns: usize, elements: Vec<E>) -> Result<Self, Error> {
        if rows.checked_mul(columns) == Some(elements.len()) {
            return Ok(Self { rows, columns, elements });
        }
        Err(Error::Shape { name: "matrix".to_owned(), expected: vec![rows, columns], found: vec![elements.len()] })
    }

    fn at(&self, transpose: Transpose, row: usize, column: usize) -> E {
        let index = match transpose {
            Transpose::No => row * self.columns + column,
            Transpose::Yes => column * self.columns + row,
        };
        self.elements.get(index).copied().unwrap_or_else(E::zero)
    }

    fn require_square(&self) -> Result<(), Error> {
        if self.rows == self.columns {
            return Ok(());
        }
        let (name, expected) = ("a symmetric matrix".to_owned(), vec![self.rows; 2]);
        Err(Error::Shape { name, expected, found: vec![self.rows, self.columns] })
    }

    /// The singular values, and the singular vectors of the shorter side.
    #[allow(clippy::type_complexity, reason = "values, and vectors in rows")]
    fn singular_values(&self) -> Result<(Vec<E::Wide>, Vec<Vec<E::Wide>>), Error> {
        let transpose = if self.rows > self.columns { Transpose::Yes } else { Transpose::No };
        let [side, other] = self.sides(transpose);
        let rows = (0..side).map(|row| (0..other).map(|column| self.at(transpose, row, column).widen()).collect());
        orthogonalise::<E::Wide>(rows.collect())
    }

    /// Rows and columns of the matrix or its transpose.
    fn sides(&self, transpose: Transpose) -> [usize; 2] {
        match transpose {
            Transpose::No => [self.rows, self.columns],
            Transpose::Yes => [self.columns, self.rows],
        }
    }
}

fn dot<E: Element>(x: &[E], y: &[E]) -> E {
    x.iter().zip(y).fold(E::zero(), |sum, (&x, &y)| sum + x * y)
}

/// (x, y) ← (c x − s y, s x + c y).
fn rotate<E: Element>(rows: &mut [Vec<E>], [first, second]: [usize; 2], [c, s]: [E; 2]) {
    let (before, after) = rows.split_at_mut(second);
    if let (Some(x), Some(y)) = (before.get_mut(first), after.first_mut()) {
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}

/// Rotates rows until all are orthogonal to each other (Hestenes' one-sided Jacobi method): their lengths are then the singular values,
/// and the rotations, applied to the unit matrix, have the singular vectors as rows.
fn orthogonalise<E: Element>(mut rows: Vec<Vec<E>>) -> Result<(Vec<E>, Vec<Vec<E>>), Error> {
    let side = rows.len();
    let mut rotations: Vec<Vec<E>> = (0..side)
        .map(|row| (0..side).map(|column| E::constant(f64::from(u8::from(row == column)))).collect())
        .collect();
    // What the rounding of an inner product leaves of orthogonal rows.
    let longest = rows.first().map_or(0, Vec::len);
    let negligible = E::constant(f64::EPSILON * longest as f64);
    for _ in 0..SWEEPS {
        let mut is_done = true;
        for second in 1..side {
            for first in 0..second {
                let (Some(x), Some(y)) = (rows.get(first), rows.get(second)) else { continue };
                let (xx, yy, xy) = (dot(x, x), dot(y, y), dot(x, y));
                if !(xx + yy + xy).is_finite() {
                    return Err(Error::Overflow { quantity: "the decomposition of a matrix".to_owned() });
                }
                if !(negligible * xx.sqrt() * yy.sqrt() - xy.abs()).is_negative() {
                    continue;
                }
                is_done = false;
                let cotangent = (yy - xx) / (E::constant(2.0) * xy);
                let root = cotangent.abs() + (E::one() + cotangent * cotangent).sqrt();
                let tangent = if cotangent.is_negative() { -(E::one() / root) } else { E::one() / root };
                let cosine = E::one() / (E::one() + tangent * tangent).sqrt();
                let angle = [cosine, cosine * tangent];
                rotate(&mut rows, [first, second], angle);
                rotate(&mut rotations, [first, second], angle);
            }
        }
        if is_done {
            return Ok((rows.iter().map(|row| dot(row, row).sqrt()).collect(), rotations));
        }
    }
    Err(Error::Overflow { quantity: "the decomposition of a matrix".to_owned() })
}

impl<E: Element> MatrixPart for ReferenceMatrix<E> {
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
        let ([rows, inner], [other_inner, columns]) = (self.sides(transpose), other.sides(other_transpose));
        let refuse = |name: &str, expected: [usize; 2], found: [usize; 2]| {
            Err(Error::Shape { name: name.to_owned(), expected: expected.to_vec(), found: found.to_vec() })
        };
        if inner != other_inner {
            return refuse("the second factor", [inner, columns], [other_inner, columns]);
        }
        if let Some((_, addend)) = addend
            && [addend.rows, addend.columns] != [rows, columns]
        {
            return refuse("the addend", [rows, columns], [addend.rows, addend.columns]);
        }
        let entry = |row: usize, column: usize| {
            let terms = (0..inner).map(|k| self.at(transpose, row, k) * other.at(other_transpose, k, column));
            let product = E::constant(alpha) * terms.fold(E::zero(), |sum, term| sum + term);
            addend.map_or(product, |(beta, addend)| E::constant(beta) * addend.at(Transpose::No, row, column) + product)
        };
        let elements = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Self::new(rows, columns, elements.map(|(row, column)| entry(row, column)).collect())
    }

    fn norm(&self) -> Result<E::Wide, Error> {
        // In units of the largest, so that squares stay in range.
        let sizes = self.elements.iter().map(|element| element.widen().abs());
        let zero = <E::Wide as Field>::zero();
        let largest = sizes.fold(zero, Real::maximum);
        if largest == zero || !largest.is_finite() {
            return Ok(largest);
        }
        let squares = self.elements.iter().map(|element| element.widen() / largest).map(|x| x * x);
        Ok(largest * squares.fold(zero, |sum, square| sum + square).sqrt())
    }

    fn normalised(&self) -> Result<Self, Error> {
        let norm = self.norm()?;
        if norm == <E::Wide as Field>::zero() {
            return Ok(self.clone());
        }
        let elements = self.elements.iter().map(|element| E::narrow(element.widen() / norm)).collect();
        Ok(Self { elements, ..*self })
    }
}

impl<E: Element> SpectralMatrix for ReferenceMatrix<E> {
    /// A symmetric positive semi-definite matrix is its own root of AAᵀ: eigenvalues are singular values.
    fn of_eigenvalues<const N: usize>(
        &self,
        functions: impl FnOnce(&[E::Wide]) -> Result<[Vec<E::Wide>; N], Error>,
    ) -> Result<[Self; N], Error> {
        self.require_square()?;
        self.of_singular_values(functions)
    }

    fn eigenvectors(&self) -> Result<Self, Error> {
        self.require_square()?;
        let (values, vectors) = self.singular_values()?;
        let mut numbered: Vec<_> = values.into_iter().zip(vectors).collect();
        numbered.sort_by(|(first, _), (second, _)| second.to_f64().total_cmp(&first.to_f64()));
        let side = self.rows;
        let row = |row: usize| numbered.iter().filter_map(move |(_, vector)| vector.get(row).copied());
        Self::new(side, side, (0..side).flat_map(row).map(E::narrow).collect())
    }

    fn of_singular_values<const N: usize>(
        &self,
        functions: impl FnOnce(&[E::Wide]) -> Result<[Vec<E::Wide>; N], Error>,
    ) -> Result<[Self; N], Error> {
        let side = self.rows.min(self.columns);
        let (values, vectors) = self.singular_values()?;
        let spread = |function: Vec<E::Wide>| {
            let entry = |row: usize, column: usize| {
                let of_vector = |(vector, value): (&Vec<E::Wide>, &E::Wide)| -> Option<E::Wide> {
                    Some(*vector.get(row)? * *value * *vector.get(column)?)
                };
                let terms = vectors.iter().zip(&function).filter_map(of_vector);
                E::narrow(terms.fold(<E::Wide as Field>::zero(), |sum, term| sum + term))
            };
            let elements = (0..side * side).map(|index| (index / side, index % side));
            let elements = elements.map(|(row, column)| entry(row.min(column), row.max(column))).collect();
            Self { rows: side, columns: side, elements }
        };
        Ok(functions(&values)?.map(spread))
    }
}

impl<E: Element> MatrixTensor for Reference<E> {
    type Matrix = ReferenceMatrix<E>;

    fn matrix(&self, part: usize) -> Result<ReferenceMatrix<E>, Error> {
        let elements = self.read(part)?;
        let found = self.layout().parts().get(part);
        if let Some([rows, columns]) = found.and_then(Part::as_matrix) {
            return ReferenceMatrix::new(rows, columns, elements);
        }
        let found = found.map(|part| part.shape.clone()).unwrap_or_default();
        Err(Error::Shape { name: "a matrix".to_owned(), expected: vec![0, 0], found })
    }

    fn set_matrix(&mut self, part: usize, matrix: &ReferenceMatrix<E>) -> Result<(), Error> {
        self.write(part, &matrix.elements)
    }
}

impl<E: Element> Separable for Reference<E> {
    fn select(&self, selection: &Selection) -> Result<Self, Error> {
        let mut selected = Vec::new();
        for (number, (part, &source)) in selection.layout().parts().iter().zip(selection.parts()).enumerate() {
            let elements = self.read(source)?;
            let of_stretch = |stretch: core::ops::Range<usize>| elements.get(stretch).unwrap_or_default().to_vec();
            selected.push((part.clone(), selection.stretches(number).into_iter().flat_map(of_stretch).collect()));
        }
        Self::new(selected)
    }
}
