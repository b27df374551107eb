//! Elimination without fractions: the exact solution of large systems of whole numbers.

use num_bigint::BigInt;
use num_traits::{One, Zero};

/// The solution of a system of whole numbers: x = `numerators` / `determinant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// det A · x.
    pub numerators: Vec<BigInt>,
    /// det A.
    pub determinant: BigInt,
}

/// The x with A x = b for a symmetric positive definite A of whole numbers, given by its rows; `None` where a leading minor is not above
/// zero, so that A is not positive definite.
///
/// # Mathematics
///
/// Bareiss: aᵢⱼ ← (aᵢⱼ aₖₖ − aᵢₖ aₖⱼ) / (the pivot before aₖₖ). Every quotient is whole, as each entry is a minor of A, and stays as short as
/// minors are. What is left to eliminate stays symmetric, so that half of it is enough. With p the last column, which is the
/// right side, and d = det A the last pivot, going back up gives xᵢ d = (pᵢ d − Σⱼ aᵢⱼ (xⱼ d)) / aᵢᵢ, whole again by Cramer's rule.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::solve_integers;
/// use num_bigint::BigInt;
///
/// let solution = solve_integers(&[vec![10, 12], vec![12, 17]], &[3, 4]).unwrap();
/// assert_eq!(solution.numerators, [3, 4].map(BigInt::from));
/// assert_eq!(solution.determinant, BigInt::from(26));
/// assert!(solve_integers(&[vec![1, 2], vec![2, 1]], &[0, 0]).is_none());
/// ```
///
/// # References
///
/// E. H. Bareiss, *Sylvester's Identity and Multistep Integer-Preserving Gaussian Elimination*, 1968.
#[must_use]
pub fn solve_integers(rows: &[Vec<i64>], right: &[i64]) -> Option<Solution> {
    let size = rows.len();
    // Row i holds the entries from column i on, and at its end the right side.
    let mut upper: Vec<Vec<BigInt>> = rows
        .iter()
        .zip(right)
        .enumerate()
        .map(|(index, (row, right))| row.iter().skip(index).chain([right]).map(|&entry| entry.into()).collect())
        .collect();
    let mut previous = BigInt::one();
    for step in 0..size {
        let (above, below) = upper.split_at_mut(step + 1);
        let leading = &above[step];
        let pivot = &leading[0];
        if *pivot <= BigInt::zero() {
            return None;
        }
        for (offset, row) in below.iter_mut().enumerate() {
            // By symmetry the entry of this row below the pivot is the one to the right of it.
            let factor = &leading[offset + 1];
            for (entry, value) in row.iter_mut().zip(&leading[offset + 1..]) {
                *entry = (&*entry * pivot - factor * value) / &previous;
            }
        }
        previous.clone_from(pivot);
    }
    let determinant = previous;
    let mut numerators = vec![BigInt::zero(); size];
    for index in (0..size).rev() {
        let row = &upper[index];
        let (entries, right) = row.split_at(row.len() - 1);
        let known: BigInt = entries.iter().skip(1).zip(&numerators[index + 1..]).map(|(entry, x)| entry * x).sum();
        numerators[index] = (&right[0] * &determinant - known) / &entries[0];
    }
    Some(Solution { numerators, determinant })
}

#[cfg(test)]
mod tests {
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// BᵀB + 1 is positive definite, and a solution is one.
        #[test]
        fn solutions_solve(size in 1..7_usize, numbers in prop::collection::vec(-9_i64..10, 49)) {
            let b = |row: usize, column: usize| numbers[7 * row + column];
            let entry = |i: usize, j: usize| (0..7).map(|row| b(row, i) * b(row, j)).sum::<i64>() + i64::from(i == j);
            let rows: Vec<Vec<i64>> = (0..size).map(|i| (0..size).map(|j| entry(i, j)).collect()).collect();
            let right = &numbers[..size];
            let solution = solve_integers(&rows, right);
            prop_assert!(solution.is_some());
            if let Some(Solution { numerators, determinant }) = solution {
                for (row, &right) in rows.iter().zip(right) {
                    let product: BigInt = row.iter().zip(&numerators).map(|(&entry, x)| entry * x).sum();
                    prop_assert_eq!(BigRational::new(product, determinant.clone()), BigRational::from_integer(right.into()));
                }
            }
        }
    }
}
