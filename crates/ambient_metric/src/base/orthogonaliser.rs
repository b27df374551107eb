//! How Muon finds polar factors.

use crate::base::ldl::Ldl;
use crate::error::{Error, require};
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, NewtonSchulz, SpectralMatrix, WideOf, has_no_direction};

/// How (MMᵀ)^(−1/2) is found.
///
/// Implemented by [`NewtonSchulz`] on every backend with products, and by [`Polar`] where there are singular values.
///
/// # Requirements
///
/// The results are symmetric, of the shorter side of M: (MMᵀ)^(±1/2) for a wide matrix, (MᵀM)^(±1/2) for a tall one, in one approximation for
/// both signs.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{Orthogonaliser, Polar};
/// use ambient_metric::space::{MatrixPart, MatrixTensor};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let m = Parameters::from(array![[2.0_f64, 0.0], [0.0, 4.0]]).matrix(0)?;
/// assert_eq!(Polar.inverse_root(&m)?.to_host()?, [0.5, 0.0, 0.0, 0.25]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub trait Orthogonaliser<M: MatrixPart> {
    /// (MMᵀ)^(−1/2), on the range of M where M has not full rank.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`], [`Error::Backend`].
    fn inverse_root(&self, matrix: &M) -> Result<M, Error>;

    /// (MMᵀ)^(1/2) and the logarithm of its determinant, given the [`inverse_root`](Self::inverse_root); `None` where that is singular.
    ///
    /// # Errors
    ///
    /// As [`inverse_root`](Self::inverse_root).
    fn root(&self, matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error>;

    /// The polar factor (MMᵀ)^(−1/2) M itself, where it is known better than by a product, whose rounding is as large as σ_max over the smallest
    /// singular value; the default has none.
    ///
    /// # Errors
    ///
    /// As [`inverse_root`](Self::inverse_root).
    fn polar(&self, _matrix: &M) -> Result<Option<M>, Error> {
        Ok(None)
    }

    /// Accepts its constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<M: MatrixPart> Orthogonaliser<M> for NewtonSchulz {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        NewtonSchulz::inverse_root(self, matrix)
    }

    /// The inverse of the inverse root, by elimination on the host.
    fn root(&self, _matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        let side = inverse.rows();
        let elements: Vec<WideOf<M>> = inverse.to_host()?.into_iter().map(Element::widen).collect();
        let entry = |row: usize, column: usize| {
            elements.get(row * side + column).copied().unwrap_or_else(<WideOf<M> as Field>::zero)
        };
        let Ok(factors) = Ldl::new(side, M::Element::ROUNDOFF, entry) else { return Ok(None) };
        let unit = |axis: usize| {
            (0..side).map(|index| <WideOf<M> as Field>::constant(f64::from(u8::from(index == axis)))).collect()
        };
        // The inverse is symmetric: its columns are its rows.
        let rows = (0..side).flat_map(|axis| factors.solve(unit(axis))).map(M::Element::narrow);
        let root = inverse.like(side, side, &rows.collect::<Vec<_>>())?;
        Ok(Some((root, -factors.log_determinant())))
    }

    fn validate(&self) -> Result<(), Error> {
        let [a, b, c] = self.coefficients;
        let is_finite = a.is_finite() && b.is_finite() && c.is_finite();
        require(is_finite, "coefficients", a, "the coefficients of the Newton–Schulz iteration must be finite")?;
        // a + bx + cx² on x ≥ 0 keeps every singular value where its least value is above zero.
        let least = if b >= 0.0 || c == 0.0 { a.min(a + b) } else { a - b * b / (4.0 * c) };
        let requirement = "a + bx + cx² must be above zero for x ≥ 0, or the iteration turns singular vectors round";
        require(c >= 0.0 && least > 0.0, "coefficients", least, requirement)
    }
}

/// The exact polar factor, by singular values.
///
/// # Mathematics
///
/// With M = UΣVᵀ, (MMᵀ)^(−1/2) = UΣ⁻¹Uᵀ, and M is raised to UVᵀ by its singular vectors themselves; singular values below max(m, n) u σ_max, which rounding cannot tell from zero, count as zero. u is the
/// unit roundoff of the numbers that M is stored in. So does M as a whole where σ_max is below the least normal number over u.
///
/// # Example
///
/// See [`Orthogonaliser`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polar;

impl Polar {
    /// The singular values of a matrix of `E`, with zeros for those that rounding cannot tell from it.
    fn cut<E: Element>(values: &[E::Wide], side: usize) -> Vec<E::Wide> {
        let zero = <E::Wide as Field>::zero();
        let largest = values.iter().fold(zero, |largest, &value| largest.maximum(value));
        if has_no_direction::<E>(largest) {
            return vec![zero; values.len()];
        }
        let threshold = largest * <E::Wide as Field>::constant(side as f64 * E::ROUNDOFF);
        let is_zero = |value: E::Wide| (value - threshold).is_negative() || value == zero;
        values.iter().map(|&value| if is_zero(value) { zero } else { value }).collect()
    }
}

impl<M: SpectralMatrix> Orthogonaliser<M> for Polar {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        let side = matrix.rows().max(matrix.columns());
        let [inverse] = matrix.of_singular_values(|values| {
            let invert = |value: WideOf<M>| {
                if value == <WideOf<M> as Field>::zero() { value } else { <WideOf<M> as Field>::one() / value }
            };
            // At least max(m, n) times the least normal number: the inverse is finite.
            Ok([Self::cut::<M::Element>(values, side).into_iter().map(invert).collect()])
        })?;
        Ok(inverse)
    }

    fn polar(&self, matrix: &M) -> Result<Option<M>, Error> {
        let side = matrix.rows().max(matrix.columns());
        let (zero, one) = (<WideOf<M> as Field>::zero(), <WideOf<M> as Field>::one());
        let keep = |value: WideOf<M>| if value == zero { zero } else { one };
        let ones = |values: &[WideOf<M>]| Ok(Self::cut::<M::Element>(values, side).into_iter().map(keep).collect());
        matrix.map_singular_values(ones).map(Some)
    }

    fn root(&self, matrix: &M, _inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        let side = matrix.rows().max(matrix.columns());
        let mut log_determinant = None;
        let [root] = matrix.of_singular_values(|values| {
            let cut = Self::cut::<M::Element>(values, side);
            if cut.iter().all(|&value| value != <WideOf<M> as Field>::zero()) {
                log_determinant = Some(cut.iter().fold(<WideOf<M> as Field>::zero(), |sum, value| sum + value.ln()));
            }
            Ok([cut])
        })?;
        Ok(log_determinant.map(|log_determinant| (root, log_determinant)))
    }
}

named_unit!(Polar);
