//! The inner products of a few covectors.

use crate::number::bundle::Bundle;
use crate::number::scalar::Field;

/// The inner products ⟨l_A, l_B⟩ of K covectors: symmetric, of which the lower triangle is a [`Bundle`].
///
/// # Example
///
/// ```
/// use ambient_metric::Bundle;
/// use ambient_metric::ambient::Gram;
///
/// // One coordinate's share of the inner products of two covectors, with γ⁻¹ = 1/2.
/// let gram = Gram::of([2.0, 3.0], [2.0, 3.0].map(|component| 0.5 * component));
/// assert_eq!((gram.entry(0, 0), gram.entry(0, 1), gram.entry(1, 1)), (2.0, 3.0, 4.5));
/// assert_eq!(<Gram<f64, 2> as Bundle<f64>>::names(), ["0.0", "1.0", "1.1"]);
/// assert_eq!(gram.scalars().collect::<Vec<_>>(), [2.0, 3.0, 4.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gram<S, const K: usize = 1>(pub(crate) [[S; K]; K]);

impl<S: Field, const K: usize> Gram<S, K> {
    /// What one coordinate adds: the products of the components of the covectors with those of the same covectors raised. The later covector
    /// meets the earlier one raised, on both sides of the diagonal, so that rounding cannot make the matrix unsymmetric.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    pub fn of(covectors: [S; K], raised: [S; K]) -> Self {
        // Loops of constant length and no closure, so that the compiler unrolls them and makes vectors of them.
        let mut entries = [[S::zero(); K]; K];
        for row in 0..K {
            for column in 0..K {
                let (larger, smaller) = if row < column { (column, row) } else { (row, column) };
                entries[row][column] = covectors[larger] * raised[smaller];
            }
        }
        Self(entries)
    }

    /// The matrix with these entries on and below the diagonal.
    ///
    /// ```
    /// let gram = ambient_metric::ambient::Gram::<f64, 2>::from_entries(|row, column| if row == column { 1.0 } else { 0.5 });
    /// assert_eq!(gram.entry(0, 1), 0.5);
    /// ```
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
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

    /// The diagonal matrix with these entries.
    ///
    /// ```
    /// assert_eq!(ambient_metric::ambient::Gram::diagonal([2.0, 3.0]).entry(1, 1), 3.0);
    /// ```
    #[inline(always)]
    pub fn diagonal(entries: [S; K]) -> Self {
        Self::from_entries(|row, column| if row == column { entries[row] } else { S::zero() })
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
        if K == 1 {
            return (slot == 0).then(|| self.0[0][0]);
        }
        let mut first = 0;
        for (row, entries) in self.0.iter().enumerate() {
            if slot <= first + row {
                return <[S]>::get(entries, slot - first).copied();
            }
            first += row + 1;
        }
        None
    }

    // Loops over the indices: those of iterators over rows and entries are not unrolled, and go through memory.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for row in 0..K {
            for column in 0..K {
                sum.0[row][column] = self.0[row][column] + other.0[row][column];
            }
        }
        sum
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    fn times(self, factor: S) -> Self {
        let mut product = self;
        for row in 0..K {
            for column in 0..K {
                product.0[row][column] = self.0[row][column] * factor;
            }
        }
        product
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    fn over(self, divisor: S) -> Self {
        let mut quotient = self;
        for row in 0..K {
            for column in 0..K {
                quotient.0[row][column] = self.0[row][column] / divisor;
            }
        }
        quotient
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    fn flushed(self) -> Self {
        let mut flushed = self;
        for row in 0..K {
            for column in 0..K {
                flushed.0[row][column] = self.0[row][column].flushed();
            }
        }
        flushed
    }

    fn names() -> Vec<String> {
        (0..K).flat_map(|row| (0..=row).map(move |column| format!("{row}.{column}"))).collect()
    }
}
