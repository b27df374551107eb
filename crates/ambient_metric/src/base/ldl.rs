//! The decomposition L D Lᵀ of a symmetric positive definite matrix: Cholesky's without roots, so exact over a field.

use crate::error::Error;
use crate::number::scalar::Element;

/// A = L D Lᵀ with ones on the diagonal of L.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ldl<S> {
    /// Row i of L before its diagonal.
    rows: Vec<Vec<S>>,
    /// The diagonal of D.
    pivots: Vec<S>,
}

impl<S: Element> Ldl<S> {
    /// The decomposition of the matrix whose entries on and below the diagonal these are, each rounded by at most `roundoff` times itself.
    ///
    /// # Errors
    ///
    /// [`Error::IndefiniteMatrix`] at the first pivot that is not a finite number above zero, or that rounding cannot tell from it: n u times
    /// the entry on the diagonal.
    pub(crate) fn new(size: usize, roundoff: f64, entry: impl Fn(usize, usize) -> S) -> Result<Self, Error> {
        let noise = S::constant(size as f64 * roundoff);
        let mut rows: Vec<Vec<S>> = Vec::with_capacity(size);
        let mut pivots: Vec<S> = Vec::with_capacity(size);
        for index in 0..size {
            // L_ij d_j, from which L_ij follows by a quotient.
            let mut scaled: Vec<S> = Vec::with_capacity(index);
            for (column, above) in rows.iter().enumerate() {
                let known = dot(&scaled, above);
                scaled.push(entry(index, column) - known);
            }
            let row: Vec<S> = scaled.iter().zip(&pivots).map(|(&value, &pivot)| value / pivot).collect();
            let pivot = entry(index, index) - dot(&scaled, &row);
            let rest = pivot - noise * entry(index, index);
            if !rest.is_finite() || rest.is_negative() || rest == S::zero() {
                return Err(Error::IndefiniteMatrix { order: index + 1 });
            }
            rows.push(row);
            pivots.push(pivot);
        }
        Ok(Self { rows, pivots })
    }

    /// A⁻¹x.
    pub(crate) fn solve(&self, mut x: Vec<S>) -> Vec<S> {
        for (index, row) in self.rows.iter().enumerate() {
            let known = dot(row, &x);
            if let Some(component) = x.get_mut(index) {
                *component = *component - known;
            }
        }
        for (component, &pivot) in x.iter_mut().zip(&self.pivots) {
            *component = *component / pivot;
        }
        for (index, row) in self.rows.iter().enumerate().rev() {
            let Some(&solved) = x.get(index) else { continue };
            for (component, &factor) in x.iter_mut().zip(row) {
                *component = *component - factor * solved;
            }
        }
        x
    }

    /// det A.
    pub(crate) fn determinant(&self) -> S {
        self.pivots.iter().fold(S::one(), |product, &pivot| product * pivot)
    }

    /// ln det A.
    pub(crate) fn log_determinant(&self) -> S {
        self.pivots.iter().fold(S::zero(), |sum, &pivot| sum + pivot.ln())
    }
}

/// Σ xᵢ yᵢ over the shorter of both.
pub(crate) fn dot<S: Element>(x: &[S], y: &[S]) -> S {
    x.iter().zip(y).fold(S::zero(), |sum, (&x, &y)| sum + x * y)
}
