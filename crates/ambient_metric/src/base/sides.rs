//! What metrics of matrices share: which parts are matrices, what stands on either side of them, and means of their rows and columns.

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require};
use crate::number::scalar::{Element, Field, Real};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::{MatrixPart, MatrixTensor, Transpose};
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

/// What is kept of every matrix; a part without elements has none.
pub(crate) fn of_matrices<T: MatrixTensor, P>(
    parameters: &T,
    begin: impl Fn(&T::Matrix) -> Result<P, Error>,
) -> Result<Vec<Option<P>>, Error> {
    let of_part = |(index, part): (usize, &Part)| {
        if part.elements() == 0 { Ok(None) } else { begin(&parameters.matrix(index)?).map(Some) }
    };
    parameters.layout().parts().iter().enumerate().map(of_part).collect()
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

/// op(A) X op(B) for every part X of a tensor that has factors A and B.
pub(crate) fn multiply<T: MatrixTensor, P>(
    source: &T,
    parts: &[Option<P>],
    [left, right]: [Transpose; 2],
    factors: impl Fn(&P) -> [&T::Matrix; 2],
) -> Result<T, Error> {
    let mut product = source.duplicate()?;
    for (index, part) in parts.iter().enumerate() {
        let Some([a, b]) = part.as_ref().map(&factors) else { continue };
        let half = a.product(left, &source.matrix(index)?, Transpose::No)?;
        product.set_matrix(index, &half.product(Transpose::No, b, right)?)?;
    }
    Ok(product)
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

/// κ times a past mean and φ times the present one: of every row in a column, or transposed of every column in a row. An error where it is not finite.
pub(crate) fn means<M: MatrixPart>(
    matrix: &M,
    past: &M,
    transpose: Transpose,
    [kept, fresh]: [f64; 2],
) -> Result<M, Error> {
    let (no, rows, columns) = (Transpose::No, matrix.rows(), matrix.columns());
    let ones = |rows: usize, columns: usize| matrix.like(rows, columns, &vec![M::Element::one(); rows.max(columns)]);
    let means = match transpose {
        Transpose::No => matrix.combine(no, &ones(columns, 1)?, no, fresh / columns as f64, Some((kept, past)))?,
        Transpose::Yes => ones(1, rows)?.combine(no, matrix, no, fresh / rows as f64, Some((kept, past)))?,
    };
    if means.norm()?.is_finite() {
        Ok(means)
    } else {
        Err(Error::Overflow { quantity: "the squares of the gradient".to_owned() })
    }
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
