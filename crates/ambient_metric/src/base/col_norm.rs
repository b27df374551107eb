//! The duals of the largest length of a column, and of a row.

use crate::base::base_metric::BaseMetric;
use crate::base::muon::Width;
use crate::base::parted::Parted;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::{Given, means, outer, require_axes, squares};
use crate::error::Error;
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, MatrixTensor, Transpose, WideOf, has_no_direction};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// Each column of l divided by its length: the steepest descent of unit length where the length of a matrix is that of its longest column. The dual of a norm, and no metric.
///
/// # Mathematics
///
/// With lⱼ the columns of an m×n matrix, ‖X‖ = maxⱼ ‖xⱼ‖/w and
///
/// l♯ⱼ = w lⱼ / ‖lⱼ‖, s = ⟨l, l♯⟩ = w Σⱼ ‖lⱼ‖; a column of zeros stays one.
///
/// The pull-back damps by s as by that of a metric. There is no γ, so [`lower`](BaseMetric::lower) and determinants are refused, as are rules that need the inverse of one.
///
/// [`Width::RowsAreOutputs`] gives Scion's scale w = √m, that of the operator norm from ‖·‖₁ to the root mean square: right for a first layer that takes one-hot
/// vectors, or for any whose inputs are counted one by one. [`Width::ColumnsAreOutputs`] is for weights that are stored the other way round, whose columns are what
/// [`RowNorm`] calls rows: w = 1/√m.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere) or more, which then is the [matrix](crate::space::Part::as_matrix) of the first by all else. A column
/// so short beside the whole that its square leaves the range (by 10⁻¹⁹ in `f32`) counts as none, and so does a matrix too small to have a direction.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric::base::ColNorm;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let l = Covector(Parameters::from(array![[3.0_f64, 0.0], [4.0, 2.0]]));
/// let metric = ColNorm::default();
/// let raised = metric.raise(&metric.begin(&l.0)?, &l)?.0;
/// let expected = [0.6, 0.0, 0.8, 1.0];
/// assert!(raised.as_slice().iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-15));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none; [`Error::NoMetric`] where a γ is needed.
///
/// # References
///
/// T. Pethick and others, *Training Deep Learning Models with Norm-Constrained LMOs*, arXiv 2502.07529.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ColNorm {
    /// The scaling by the shape.
    pub width: Width,
}

/// Each row of l divided by its length: as [`ColNorm`], of rows. The dual of a norm, and no metric.
///
/// # Mathematics
///
/// With lᵢ the rows of an m×n matrix, ‖X‖ = maxᵢ ‖xᵢ‖/w, l♯ᵢ = w lᵢ / ‖lᵢ‖ and s = ⟨l, l♯⟩ = w Σᵢ ‖lᵢ‖. [`Width::RowsAreOutputs`] gives the scale w = 1/√n of the
/// operator norm from the root mean square to the largest component, one output of a last layer by itself; [`Width::ColumnsAreOutputs`] is [`ColNorm`]'s √n of
/// weights that are stored the other way round.
///
/// # Requirements
///
/// As [`ColNorm`].
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric::base::RowNorm;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let l = Covector(Parameters::from(array![[3.0_f64, 4.0], [0.0, 0.0]]));
/// let metric = RowNorm::default();
/// let raised = metric.raise(&metric.begin(&l.0)?, &l)?.0;
/// assert!(raised.as_slice().iter().zip([0.6, 0.8, 0.0, 0.0]).all(|(x, y)| (x - y).abs() < 1e-15));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// As [`ColNorm`].
///
/// # References
///
/// T. Pethick and others, *Training Deep Learning Models with Norm-Constrained LMOs*, arXiv 2502.07529.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RowNorm {
    /// The scaling by the shape.
    pub width: Width,
}

known_keys! { ColNorm { width, .. } }
known_keys! { RowNorm { width, .. } }

/// w of a line with so many entries, which run over outputs or over inputs.
fn scale(width: Width, over_outputs: Width, entries: usize) -> f64 {
    let root = (entries as f64).sqrt();
    if width == Width::Unscaled {
        1.0
    } else if width == over_outputs {
        root
    } else {
        1.0 / root
    }
}

/// Every line divided by its length, where `across` says which are lines: columns if transposed.
fn raised<T: MatrixTensor>(
    state: &Parted<T, ()>,
    x: &T,
    across: Transpose,
    scale: impl Fn(usize) -> f64,
) -> Result<Vector<T>, Error> {
    // In units of the whole, so that squares stay in range.
    let unit = state.mapped(x, |(), x| {
        if has_no_direction::<T::Element>(x.norm()?) {
            return x.like(x.rows(), x.columns(), &vec![T::Element::zero(); x.rows() * x.columns()]);
        }
        x.normalised()
    })?;
    let gamma = state.mapped(&squares(&unit, 0.0)?, |(), squares| {
        let (constant, zero) = (<Wide<T> as Field>::constant, <Wide<T> as Field>::zero());
        let entries = if across == Transpose::Yes { squares.rows() } else { squares.columns() };
        let inverse = constant(1.0 / scale(entries));
        let length = |mean: T::Element| {
            let square = mean.widen() * constant(entries as f64);
            inverse * if square == zero { constant(1.0) } else { square.sqrt() }
        };
        let lengths: Vec<WideOf<T::Matrix>> =
            means(squares, across, 1.0, None)?.to_host()?.into_iter().map(length).collect();
        let ones = vec![constant(1.0); entries];
        match across {
            Transpose::No => outer(squares, &lengths, &ones),
            Transpose::Yes => outer(squares, &ones, &lengths),
        }
    })?;
    BaseMetric::raise(&Given, &PointwiseState::of(gamma), &Covector(unit))
}

macro_rules! lines {
    ($($metric:ident across $across:expr, over outputs if $over:expr;)+) => {$(
        impl<T: MatrixTensor> BaseMetric<T> for $metric {
            type State = Parted<T, ()>;

            fn is_metric(&self) -> bool {
                false
            }

            fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
                require_axes(stringify!($metric), parameters.layout())?;
                Parted::begin(parameters.layout(), |_, _| Ok(()))
            }

            fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
                *state = state.observed(gradient, |(), _| Ok(()))?;
                Ok(())
            }

            fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
            where
                T: Separable,
            {
                state.select(selection, || stringify!($metric).to_owned())
            }

            fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
            where
                T: Separable,
            {
                *state = state.placed(selection, selected)?;
                Ok(())
            }

            fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
                raised(state, &covector.0, $across, |entries| scale(self.width, $over, entries))
            }

            fn lower(&self, _state: &Self::State, _vector: &Vector<T>) -> Result<Covector<T>, Error> {
                Err(Error::NoMetric { metric: stringify!($metric).to_owned() })
            }

            fn log_determinant(&self, _state: &Self::State) -> Result<Wide<T>, Error> {
                Err(Error::NoMetric { metric: stringify!($metric).to_owned() })
            }

            fn record(&self, _state: &mut Self::State, _entries: &mut Entries<'_>) -> Result<(), Error> {
                Ok(())
            }
        }
    )+};
}

lines! {
    ColNorm across Transpose::Yes, over outputs if Width::RowsAreOutputs;
    RowNorm across Transpose::No, over outputs if Width::ColumnsAreOutputs;
}
