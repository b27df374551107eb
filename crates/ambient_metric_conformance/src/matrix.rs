//! Explicit matrices: what the closed forms are compared with, built and solved entry by entry.

use ambient_metric::number::Element;
use ambient_metric::space::Wide;
use ambient_metric::{Covector, Error, Metric, Vector};

use crate::reference::Reference;

/// A square matrix over any scalar, solved by elimination with the largest pivot.
///
/// Over [`Exact`](crate::Exact) every result is exact; over `f64` it is LU with partial pivoting.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::{Exact, Matrix};
///
/// // γ + w l lᵀ with γ = 1, w = 1 and l = (3, 4).
/// let l = [Exact::ratio(3, 1), Exact::ratio(4, 1)];
/// let g = Matrix::diagonal(&[Exact::ratio(1, 1); 2]).plus_outer(Exact::ratio(1, 1), &l);
/// assert_eq!(g.determinant(), Exact::ratio(26, 1));
/// assert_eq!(g.solve(&l), Some(vec![Exact::ratio(3, 26), Exact::ratio(4, 26)]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<S> {
    rows: Vec<Vec<S>>,
}

impl<S: Element> Matrix<S> {
    /// The matrix whose columns are these; they are as many as each is long.
    #[must_use]
    pub fn from_columns(columns: &[Vec<S>]) -> Self {
        let entry = |row: usize, column: &Vec<S>| column.get(row).copied().unwrap_or_else(S::zero);
        let rows = (0..columns.len()).map(|row| columns.iter().map(|column| entry(row, column)).collect()).collect();
        Self { rows }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Vec<S>] {
        &self.rows
    }

    /// The matrix with this diagonal and zeros elsewhere.
    #[must_use]
    pub fn diagonal(diagonal: &[S]) -> Self {
        let column = |index: usize, value: S| {
            let mut column = vec![S::zero(); diagonal.len()];
            column[index] = value;
            column
        };
        Self::from_columns(&diagonal.iter().enumerate().map(|(index, &value)| column(index, value)).collect::<Vec<_>>())
    }

    /// The matrix plus w l lᵀ.
    #[must_use]
    pub fn plus_outer(mut self, weight: S, covector: &[S]) -> Self {
        for (row, &x) in self.rows.iter_mut().zip(covector) {
            for (entry, &y) in row.iter_mut().zip(covector) {
                *entry = *entry + weight * x * y;
            }
        }
        self
    }

    /// The matrix times a vector.
    #[must_use]
    pub fn times(&self, vector: &[S]) -> Vec<S> {
        self.rows.iter().map(|row| dot(row, vector)).collect()
    }

    /// The x with `self` x = `right`; `None` where the matrix is singular.
    #[must_use]
    pub fn solve(&self, right: &[S]) -> Option<Vec<S>> {
        let mut rows = self.rows.clone();
        for (row, &value) in rows.iter_mut().zip(right) {
            row.push(value);
        }
        let size = self.rows.len();
        eliminate(&mut rows, size)?;
        let mut solution = vec![S::zero(); size];
        for index in (0..size).rev() {
            let known = (index + 1..size).fold(S::zero(), |sum, column| sum + rows[index][column] * solution[column]);
            solution[index] = (rows[index][size] - known) / rows[index][index];
        }
        Some(solution)
    }

    /// The inverse; `None` where the matrix is singular.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let ones = Self::diagonal(&vec![S::one(); self.rows.len()]);
        // The unit matrix is symmetric, so its rows are its columns.
        let columns = ones.rows.iter().map(|unit| self.solve(unit)).collect::<Option<Vec<_>>>()?;
        Some(Self::from_columns(&columns))
    }

    /// The determinant.
    #[must_use]
    pub fn determinant(&self) -> S {
        let mut rows = self.rows.clone();
        let Some(sign) = eliminate(&mut rows, self.rows.len()) else { return S::zero() };
        rows.iter().enumerate().fold(sign, |product, (index, row)| product * row[index])
    }

    /// The largest sum of absolute values along a row.
    #[must_use]
    pub fn norm(&self) -> S {
        let sums = self.rows.iter().map(|row| row.iter().fold(S::zero(), |sum, &entry| sum + entry.abs()));
        sums.fold(S::zero(), S::maximum)
    }
}

/// A metric written out as a matrix, on vectors of [`Reference`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Identity, PullBack};
/// use ambient_metric_conformance::{Matrix, MatrixMetric, Reference};
///
/// let gamma = MatrixMetric(Matrix::diagonal(&[1.0, 4.0]));
/// let gradient = Covector(Reference::vector([3.0, 8.0]));
/// // s = 9 + 16, so r = 1/26.
/// let surface = PullBack::new(gamma, gradient, 1.0, &Identity, 1.0)?;
/// assert_eq!(surface.determinant_ratio(), 26.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixMetric<S>(pub Matrix<S>);

impl<S: Element> Metric<Reference<S>> for MatrixMetric<S> {
    fn raise(&self, covector: &Covector<Reference<S>>) -> Result<Vector<Reference<S>>, Error> {
        let x: Vec<S> = covector.0.elements().collect();
        let singular = || Error::NotPositiveDefinite { metric: "the matrix".to_owned() };
        Ok(Vector(Reference::vector(self.0.solve(&x).ok_or_else(singular)?)))
    }

    fn lower(&self, vector: &Vector<Reference<S>>) -> Result<Covector<Reference<S>>, Error> {
        Ok(Covector(Reference::vector(self.0.times(&vector.0.elements().collect::<Vec<_>>()))))
    }

    fn log_determinant(&self) -> Result<Wide<Reference<S>>, Error> {
        use ambient_metric::Real;
        Ok(self.0.determinant().widen().ln())
    }
}

fn dot<S: Element>(x: &[S], y: &[S]) -> S {
    x.iter().zip(y).fold(S::zero(), |sum, (&x, &y)| sum + x * y)
}

/// Brings the first `size` columns to upper triangular form; returns the sign of the row exchanges, or `None` at a zero column.
fn eliminate<S: Element>(rows: &mut [Vec<S>], size: usize) -> Option<S> {
    let mut sign = S::one();
    for column in 0..size {
        let mut pivot = column;
        for candidate in column + 1..size {
            if (rows[pivot][column].abs() - rows[candidate][column].abs()).is_negative() {
                pivot = candidate;
            }
        }
        if rows[pivot][column] == S::zero() {
            return None;
        }
        if pivot != column {
            rows.swap(pivot, column);
            sign = -sign;
        }
        let (above, below) = rows.split_at_mut(column + 1);
        let leading = &above[column];
        for row in below {
            let factor = row[column] / leading[column];
            for (entry, &value) in row.iter_mut().zip(leading).skip(column) {
                *entry = *entry - factor * value;
            }
        }
    }
    Some(sign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Exact;

    proptest! {
        #[test]
        fn elimination_inverts_exactly_and_singular_matrices_are_refused(entries in prop::array::uniform9(-4_i64..5)) {
            let column = |index: usize| entries[3 * index..3 * index + 3].iter().map(|&x| Exact::ratio(x, 1)).collect();
            let matrix = Matrix::from_columns(&[column(0), column(1), column(2)]);
            let [a, d, g, b, e, h, c, f, i] = entries;
            let determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
            prop_assert_eq!(matrix.determinant(), Exact::ratio(determinant, 1));
            match matrix.inverse() {
                None => prop_assert_eq!(determinant, 0),
                Some(inverse) => {
                    let x: Vec<Exact> = column(0);
                    prop_assert_eq!(inverse.times(&matrix.times(&x)), x);
                }
            }
        }
    }

    #[test]
    fn the_norm_is_the_largest_row_sum() {
        let matrix = Matrix::from_columns(&[vec![1.0, -5.0], vec![-2.0, 0.5]]);
        assert!((matrix.norm() - 5.5_f64).abs() < 1e-15);
    }
}
