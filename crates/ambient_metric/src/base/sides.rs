//! What metrics of matrices share: which parts are matrices, what stands on either side of them, and means of their rows and columns.

use std::sync::Arc;

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require};
use crate::number::scalar::{Element, Field, Real};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::{MatrixPart, Transpose, WideOf, scaled_identity};
use crate::space::tensor::{Tensor, first_non_finite};

/// Accepts a layout whose parts are all matrices.
pub(crate) fn require_matrices(metric: &str, layout: &Layout) -> Result<(), Error> {
    require_each(metric, layout, |part| part.shape.len() == 2)
}

/// Accepts a layout whose parts can all be taken as matrices: with two axes or more.
pub(crate) fn require_axes(metric: &str, layout: &Layout) -> Result<(), Error> {
    require_each(metric, layout, |part| part.as_matrix().is_some())
}

fn require_each(metric: &str, layout: &Layout, accepts: impl Fn(&Part) -> bool) -> Result<(), Error> {
    match layout.parts().iter().find(|part| !accepts(part)) {
        None => Ok(()),
        Some(Part { name, shape }) => {
            Err(Error::NotAMatrix { metric: metric.to_owned(), parameter: name.clone(), shape: shape.clone() })
        }
    }
}

/// Accepts how many gradients pass between two decompositions.
pub(crate) fn require_every(every: u64) -> Result<(), Error> {
    require(every > 0, "every", every as f64, "matrices are decomposed after one gradient or more")
}

/// κM + φGGᵀ, the moment of rows, or κM + φGᵀG, that of columns, where `side` says that G enters transposed. An error where it is not finite.
pub(crate) fn moment<M: MatrixPart>(
    moment: &M,
    gradient: &M,
    side: Transpose,
    [kept, fresh]: [f64; 2],
) -> Result<M, Error> {
    let other = if side == Transpose::No { Transpose::Yes } else { Transpose::No };
    let moment = gradient.combine(side, gradient, other, fresh, Some((kept, moment)))?;
    if moment.norm()?.is_finite() {
        Ok(moment)
    } else {
        Err(Error::Overflow { quantity: "the moments of the gradient".to_owned() })
    }
}

/// The moments of rows and of columns with one more gradient, each of which keeps and takes so much. Where there are roots of both, each moment takes the
/// mean of the gradient times the root of the other side.
pub(crate) fn moments<M: MatrixPart>(
    [rows, columns]: [&M; 2],
    gradient: &M,
    through: Option<[&M; 2]>,
    [kept, fresh]: [f64; 2],
) -> Result<[Arc<M>; 2], Error> {
    let no = Transpose::No;
    let Some([left, right]) = through else {
        let both =
            [moment(rows, gradient, no, [kept, fresh])?, moment(columns, gradient, Transpose::Yes, [kept, fresh])?];
        return Ok(both.map(Arc::new));
    };
    let (by_columns, by_rows) = (gradient.product(no, right, no)?, left.product(no, gradient, no)?);
    let share = |count: usize| [kept, fresh / count as f64];
    let rows = moment(rows, &by_columns, no, share(gradient.columns()))?;
    let columns = moment(columns, &by_rows, Transpose::Yes, share(gradient.rows()))?;
    Ok([Arc::new(rows), Arc::new(columns)])
}

/// A multiple of the unit matrix.
pub(crate) fn multiple<M: MatrixPart>(like: &M, side: usize, scale: WideOf<M>) -> Result<Arc<M>, Error> {
    like.like(side, side, &scaled_identity::<M::Element>(side, scale)).map(Arc::new)
}

/// op(A) X op(B).
pub(crate) fn times<M: MatrixPart>(x: &M, [a, b]: [&M; 2], [left, right]: [Transpose; 2]) -> Result<M, Error> {
    a.product(left, x, Transpose::No)?.product(Transpose::No, b, right)
}

/// x² + ε.
#[derive(Clone)]
struct Square(f64);

impl Kernel for Square {
    type Uniform<S: Real> = ();
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), x: S) -> S {
        x * x + S::constant(self.0)
    }
}

/// x² + ε of every element. An error where one is not finite.
pub(crate) fn squares<T: Tensor>(x: &T, epsilon: f64) -> Result<T, Error> {
    let mut squares = x.duplicate()?;
    T::update(&Square(epsilon), Uniforms::same(&()), &mut squares, &mut [], &[])?;
    match first_non_finite(&squares)? {
        None => Ok(squares),
        Some(_) => Err(Error::Overflow { quantity: "the squares of the gradient".to_owned() }),
    }
}

/// φ times the mean, and κ times a past one: of every row in a column, or transposed of every column in a row. An error where it is not finite.
pub(crate) fn means<M: MatrixPart>(
    matrix: &M,
    transpose: Transpose,
    fresh: f64,
    past: Option<(f64, &M)>,
) -> Result<M, Error> {
    let (no, rows, columns) = (Transpose::No, matrix.rows(), matrix.columns());
    let ones = |rows: usize, columns: usize| matrix.like(rows, columns, &vec![M::Element::one(); rows.max(columns)]);
    let means = match transpose {
        Transpose::No => matrix.combine(no, &ones(columns, 1)?, no, fresh / columns as f64, past)?,
        Transpose::Yes => ones(1, rows)?.combine(no, matrix, no, fresh / rows as f64, past)?,
    };
    if means.norm()?.is_finite() {
        Ok(means)
    } else {
        Err(Error::Overflow { quantity: "the squares of the gradient".to_owned() })
    }
}

/// The product of a column and a row.
pub(crate) fn outer<M: MatrixPart>(like: &M, column: &[WideOf<M>], row: &[WideOf<M>]) -> Result<M, Error> {
    let narrow = |wide: &[WideOf<M>]| wide.iter().map(|&x| M::Element::narrow(x)).collect::<Vec<_>>();
    let (column, row) = (like.like(column.len(), 1, &narrow(column))?, like.like(1, row.len(), &narrow(row))?);
    column.product(Transpose::No, &row, Transpose::No)
}

/// The diagonal metric whose γ is its state.
#[derive(Clone)]
pub(crate) struct Given;

impl DiagonalMetric for Given {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, gamma: S, _gradient: S) -> S {
        gamma
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, gamma: S) -> S {
        S::one() / gamma
    }
}
