//! Several losses, each with a dimension of its own: the closed form of the step on their common surface.

use crate::bundle::Bundle;
use crate::scalar::Field;

/// The inner products ⟨l_A, l_B⟩ of K covectors: symmetric, of which the lower triangle is a [`Bundle`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Bundle, Gram};
///
/// // One coordinate's share of the inner products of two covectors, with γ⁻¹ = 1/2.
/// let gram = Gram::of([2.0, 3.0], [2.0, 3.0].map(|component| 0.5 * component));
/// assert_eq!((gram.entry(0, 0), gram.entry(0, 1), gram.entry(1, 1)), (2.0, 3.0, 4.5));
/// assert_eq!(<Gram<f64, 2> as Bundle<f64>>::names(), ["0.0", "1.0", "1.1"]);
/// assert_eq!(gram.iter().collect::<Vec<_>>(), [2.0, 3.0, 4.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gram<S, const K: usize>([[S; K]; K]);

impl<S: Field, const K: usize> Gram<S, K> {
    /// What one coordinate adds: the products of the components of the covectors with those of the same covectors raised.
    #[inline(always)]
    pub fn of(covectors: [S; K], raised: [S; K]) -> Self {
        Self::from_entries(|row, column| covectors[row] * raised[column])
    }

    /// The matrix with these entries on and below the diagonal.
    ///
    /// ```
    /// let gram = ambient_metric::Gram::<f64, 2>::from_entries(|row, column| if row == column { 1.0 } else { 0.5 });
    /// assert_eq!(gram.entry(0, 1), 0.5);
    /// ```
    #[inline(always)]
    pub fn from_entries(mut entry: impl FnMut(usize, usize) -> S) -> Self {
        let mut entries = [[S::zero(); K]; K];
        for row in 0..K {
            for column in 0..=row {
                let value = entry(row, column);
                entries[row][column] = value;
                entries[column][row] = value;
            }
        }
        Self(entries)
    }

    /// ⟨l_A, l_B⟩ of the covectors `row` and `column`; zero past the last.
    #[inline(always)]
    pub fn entry(&self, row: usize, column: usize) -> S {
        <[[S; K]]>::get(&self.0, row).and_then(|entries| <[S]>::get(entries, column)).copied().unwrap_or_else(S::zero)
    }
}

impl<S: Field, const K: usize> Bundle<S> for Gram<S, K> {
    const LEN: usize = K * (K + 1) / 2;

    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        Self::from_entries(|_, _| next())
    }

    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        let mut first = 0;
        for (row, entries) in self.0.iter().enumerate() {
            if slot <= first + row {
                return <[S]>::get(entries, slot - first).copied();
            }
            first += row + 1;
        }
        None
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self::from_entries(|row, column| self.0[row][column] + other.0[row][column])
    }

    fn names() -> Vec<String> {
        (0..K).flat_map(|row| (0..=row).map(move |column| format!("{row}.{column}"))).collect()
    }
}

/// The step on the surface of K losses, as weights of their gradients.
///
/// # Example
///
/// ```
/// use ambient_metric::{joint_damping, Gram};
///
/// // One loss with ξ = 1, f′ = 1 and ⟨l, l⟩ = 3: the damping of the pull-back.
/// let joint = joint_damping([1.0], [1.0], &Gram::from_entries(|_, _| 3.0));
/// assert_eq!((joint.dampings, joint.determinant_ratio), ([0.25], 4.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joint<S, const K: usize> {
    /// The weights a_A in g⁻¹ Σ f′_A l_A = Σ a_A l_A♯.
    pub dampings: [S; K],
    /// det g / det γ. It is above zero wherever γ is positive definite.
    pub determinant_ratio: S,
}

/// The weights a_A with g⁻¹ Σ_A f′_A l_A = γ⁻¹ Σ_A a_A l_A on the surface with a height √ξ_A f_A(L_A) for each of K losses.
///
/// # Mathematics
///
/// With J the K×N matrix of rows √ξ_A f′_A l_A, g = γ + JᵀJ and, by Woodbury, g⁻¹ = γ⁻¹ − γ⁻¹Jᵀ (1 + Jγ⁻¹Jᵀ)⁻¹ Jγ⁻¹. Applied to
/// Σ f′_A l_A that leaves one equation for every loss,
///
/// a_A / f′_A + ξ_A f′_A Σ_B ⟨l_A, l_B⟩ a_B = 1,
///
/// and det g / det γ is the determinant of that system times Π f′_A. Row A divided by ξ_A f′_A is a row of a symmetric positive definite
/// matrix, so elimination without exchanges is its Cholesky decomposition (in the form L D Lᵀ, which needs no root), and ξ_A = 0 is
/// allowed. For K = 1 the weight is [`damping`](crate::damping), by the same operations.
///
/// # Requirements
///
/// f′_A > 0, ξ_A ≥ 0, and the Gram matrix positive semi-definite.
///
/// # Example
///
/// ```
/// use ambient_metric::{joint_damping, Gram};
///
/// // A loss given twice is damped as one with ξ twice as large.
/// let gram = Gram::from_entries(|_, _| 3.0);
/// let joint = joint_damping([1.0; 2], [0.5; 2], &gram);
/// assert_eq!((joint.dampings, joint.determinant_ratio), ([0.25; 2], 4.0));
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7 and 8, for one loss.
#[inline]
pub fn joint_damping<S: Field, const K: usize>(slopes: [S; K], xi: [S; K], gram: &Gram<S, K>) -> Joint<S, K> {
    let mut rows = gram.0;
    for (row, entries) in rows.iter_mut().enumerate() {
        for (column, entry) in entries.iter_mut().enumerate() {
            // ξ_A ⟨l_A, l_B⟩ first, as for one loss.
            let coupled = slopes[row] * (xi[row] * *entry);
            *entry = if row == column { S::one() / slopes[row] + coupled } else { coupled };
        }
    }
    let mut weights = [S::one(); K];
    let mut determinant_ratio = S::one();
    for pivot in 0..K {
        let (above, below) = rows.split_at_mut(pivot + 1);
        let leading = &above[pivot];
        determinant_ratio = determinant_ratio * (slopes[pivot] * leading[pivot]);
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[pivot] / leading[pivot];
            for column in pivot..K {
                row[column] = row[column] - factor * leading[column];
            }
            weights[pivot + 1 + offset] = weights[pivot + 1 + offset] - factor * weights[pivot];
        }
    }
    for row in (0..K).rev() {
        let known = (row + 1..K).fold(weights[row], |rest, column| rest - rows[row][column] * weights[column]);
        weights[row] = known / rows[row][row];
    }
    Joint { dampings: weights, determinant_ratio }
}
