//! Dense metrics factored by LAPACK.

use ambient_metric::space::Entries;
use ambient_metric::{BaseMetric, Covector, Dense, Error, Layout, Tensor, Vector};
use ndarray::{Array1, Array2};
use ndarray_linalg::UPLO;
use ndarray_linalg::cholesky::{CholeskyFactorized, DeterminantC, FactorizeC, SolveC};
use ndarray_linalg::error::LinalgError;

use crate::matrix::MatrixElement;
use crate::parameters::Parameters;

/// γ as an explicit symmetric positive definite matrix, factored by the LAPACK of the system: [`Dense`](ambient_metric::Dense) for larger sides.
///
/// # Mathematics
///
/// γ = L Lᵀ (`dpotrf`), x♯ by two triangular solutions (`dpotrs`), ln det γ = 2 Σ ln Lᵢᵢ; all in `f64`.
///
/// # Requirements
///
/// The feature `lapack`, and OpenBLAS on the system.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Metric};
/// use ambient_metric_ndarray::{LapackDense, Parameters};
/// use ndarray::array;
///
/// let metric = LapackDense::new(array![[2.0, 1.0], [1.0, 3.0]])?;
/// let gradient = Covector(Parameters::from(array![4.0_f64, 7.0]));
/// let state = metric.begin(&gradient.0)?;
/// let raised = metric.at(&state).raise(&gradient)?;
/// assert!((raised.0.as_slice()[1] - 2.0).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// As [`Dense`](ambient_metric::Dense).
pub struct LapackDense {
    matrix: Array2<f64>,
    factors: CholeskyFactorized<ndarray::OwnedRepr<f64>>,
}

impl core::fmt::Debug for LapackDense {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("LapackDense").field("matrix", &self.matrix).finish_non_exhaustive()
    }
}

/// A matrix that LAPACK did not factor: the decomposition in pure Rust says where it stops.
fn refused(matrix: &Array2<f64>, error: LinalgError) -> Error {
    match Dense::new(matrix.rows().into_iter().map(|row| row.to_vec()).collect()) {
        Err(indefinite) => indefinite,
        Ok(_) => failed(error),
    }
}

fn failed(error: LinalgError) -> Error {
    Error::Backend(Box::new(error))
}

impl LapackDense {
    /// The metric with this matrix.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where it is not square, [`Error::AsymmetricMatrix`], [`Error::IndefiniteMatrix`].
    pub fn new(matrix: Array2<f64>) -> Result<Self, Error> {
        let (rows, columns) = matrix.dim();
        if rows != columns {
            let name = "the matrix of a metric".to_owned();
            return Err(Error::Shape { name, expected: vec![rows, rows], found: vec![rows, columns] });
        }
        for ((row, column), element) in matrix.indexed_iter() {
            // LAPACK does not look for numbers that are not finite.
            if !element.is_finite() {
                return Err(Error::IndefiniteMatrix { order: row.max(column) + 1 });
            }
            #[allow(clippy::float_cmp, reason = "a matrix is symmetric to the last bit or not")]
            if column < row && matrix.get((column, row)) != Some(element) {
                return Err(Error::AsymmetricMatrix { row, column });
            }
        }
        let factors = matrix.factorizec(UPLO::Lower).map_err(|error| refused(&matrix, error))?;
        Ok(Self { matrix, factors })
    }

    /// A space like `source` whose elements, in layout order, are a function of those of `source`.
    fn map<E: MatrixElement>(
        layout: &Layout,
        source: &Parameters<E>,
        f: impl FnOnce(Array1<f64>) -> Result<Array1<f64>, Error>,
    ) -> Result<Parameters<E>, Error> {
        layout.check(source.layout())?;
        let results = f(source.iter().map(|element| element.widen()).collect())?;
        let mut mapped = source.clone();
        for (element, result) in mapped.iter_mut().zip(results) {
            *element = E::narrow(result);
        }
        Ok(mapped)
    }
}

impl<E: MatrixElement> BaseMetric<Parameters<E>> for LapackDense {
    /// A space of zeros, which says for which parameters the metric was begun.
    type State = Parameters<E>;

    fn begin(&self, parameters: &Parameters<E>) -> Result<Parameters<E>, Error> {
        let size = self.matrix.nrows();
        if parameters.len() != size {
            let name = "all parts together".to_owned();
            return Err(Error::Shape { name, expected: vec![size], found: vec![parameters.len()] });
        }
        parameters.zeros_like()
    }

    fn update(&self, state: &mut Parameters<E>, gradient: &Covector<Parameters<E>>) -> Result<(), Error> {
        state.layout().check(gradient.0.layout())?;
        for (index, part) in state.layout().parts().iter().enumerate() {
            if !gradient.0.read(index)?.iter().all(|element| ambient_metric::number::Element::is_finite(*element)) {
                return Err(Error::NonFiniteGradient { parameter: part.name.clone() });
            }
        }
        Ok(())
    }

    fn raise(&self, state: &Parameters<E>, covector: &Covector<Parameters<E>>) -> Result<Vector<Parameters<E>>, Error> {
        Ok(Vector(Self::map(state.layout(), &covector.0, |x| self.factors.solvec_into(x).map_err(failed))?))
    }

    fn lower(&self, state: &Parameters<E>, vector: &Vector<Parameters<E>>) -> Result<Covector<Parameters<E>>, Error> {
        Ok(Covector(Self::map(state.layout(), &vector.0, |v| Ok(self.matrix.dot(&v)))?))
    }

    fn log_determinant(&self, _state: &Parameters<E>) -> Result<f64, Error> {
        Ok(self.factors.ln_detc())
    }

    /// There is nothing: γ is part of the configuration.
    fn record(&self, _state: &mut Parameters<E>, _entries: &mut Entries<'_>) -> Result<(), Error> {
        Ok(())
    }
}
