//! LAPACK as an oracle: the inverse of an explicit matrix, by code that shares nothing with ours.

use ndarray::Array2;
use ndarray_linalg::InverseC;

use crate::matrix::Matrix;

/// The inverse of a symmetric positive definite matrix by its Cholesky factor (`dpotrf`, `dpotri`); `None` where LAPACK reports that the
/// matrix is not positive definite.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::{Matrix, lapack};
///
/// let inverse = lapack::inverse(&Matrix::diagonal(&[2.0, 4.0])).unwrap();
/// assert!((inverse.times(&[1.0, 1.0])[1] - 0.25_f64).abs() < 1e-15);
/// assert!(lapack::inverse(&Matrix::diagonal(&[2.0, -4.0])).is_none());
/// ```
#[must_use]
pub fn inverse(matrix: &Matrix<f64>) -> Option<Matrix<f64>> {
    let rows = matrix.rows();
    let array = Array2::from_shape_fn((rows.len(), rows.len()), |(row, column)| rows[row][column]);
    let inverse = array.invc().ok()?;
    Some(Matrix::from_columns(&inverse.columns().into_iter().map(|column| column.to_vec()).collect::<Vec<_>>()))
}
