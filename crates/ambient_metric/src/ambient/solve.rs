//! The closed forms: the step, its damping and its determinant, from inner products alone.

use crate::ambient::gram::Gram;
use crate::bundle;
use crate::number::scalar::Field;

bundle! {
    /// The inner products that a coupled step needs, all in γ⁻¹.
    pub struct CouplingProducts {
        /// ⟨l, l⟩.
        length,
        /// ⟨a, l⟩.
        left,
        /// ⟨b, l⟩; the same as ⟨a, l⟩ for a metric.
        right,
        /// ⟨a, b⟩; ⟨c, c⟩ for a metric.
        between,
    }
}

bundle! {
    /// A step on the coupled surface: g⁻¹∂f = along_gradient · l♯ + along_coupling · a♯.
    pub struct CoupledStep {
        /// The weight of l♯.
        along_gradient,
        /// The weight of a♯.
        along_coupling,
        /// D = det g / det γ.
        determinant_ratio,
    }
}

/// The step on the surface in an ambient space whose metric has off-diagonal elements.
///
/// # Mathematics
///
/// The ambient metric G = [[γ, a], [bᵀ, 1]] pulls back to g = γ + w (a lᵀ + l bᵀ) + w² l lᵀ with w = √ξ f′. With the ansatz
/// g⁻¹ f′l = x l♯ + y a♯ the terms along a and l give two equations, and
///
/// x = f′ (1 + w⟨a, l⟩) / D, y = −f′ w ⟨l, l⟩ / D, D = (1 + w⟨a, l⟩)(1 + w⟨b, l⟩) + w²⟨l, l⟩ (1 − ⟨a, b⟩).
///
/// With a = b = c it is a metric exactly when ⟨c, c⟩ < 1, and D > 0 then. With a ≠ b it is a bilinear form, and D may have any sign.
///
/// `averaged` is ⟨l, l⟩ or its moving average, and takes its place in D alone: then l·(x l♯ + y a♯) = f′⟨l, l⟩ / D whatever the average, so that the
/// step descends.
///
/// # Requirements
///
/// f′ > 0 and √ξ ≥ 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{coupled_step, CouplingProducts};
///
/// // Without coupling: the damping of the pull-back.
/// let none = CouplingProducts { length: 3.0, left: 0.0, right: 0.0, between: 0.0 };
/// let step = coupled_step(1.0, 1.0, 3.0, none);
/// assert_eq!((step.along_gradient, step.determinant_ratio), (0.25, 4.0));
/// ```
#[inline]
pub fn coupled_step<S: Field>(slope: S, root_xi: S, averaged: S, products: CouplingProducts<S>) -> CoupledStep<S> {
    let CouplingProducts { length, left, right, between } = products;
    let weight = root_xi * slope;
    let tilt = S::one() + weight * left;
    // D / f′: nothing is divided by that could leave the range where f′² does.
    let scaled =
        tilt * (S::one() + weight * right) / slope + slope * (root_xi * root_xi * averaged) * (S::one() - between);
    CoupledStep {
        along_gradient: tilt / scaled,
        along_coupling: -(weight * length) / scaled,
        determinant_ratio: slope * scaled,
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
pub struct JointDamping<S, const K: usize> {
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
pub fn joint_damping<S: Field, const K: usize>(slopes: [S; K], xi: [S; K], gram: &Gram<S, K>) -> JointDamping<S, K> {
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
    JointDamping { dampings: weights, determinant_ratio }
}

/// det g / det γ = 1 + f′² v, with v = ξ⟨l, l⟩.
///
/// # Mathematics
///
/// The matrix determinant lemma for g = γ + ξ f′² l lᵀ: det g = det γ (1 + ξ f′² ⟨l, l⟩).
///
/// # Example
///
/// ```
/// assert_eq!(ambient_metric::determinant_ratio(2.0, 3.0), 13.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7: the determinant of this metric.
#[inline]
pub fn determinant_ratio<S: Field>(slope: S, squared_length: S) -> S {
    S::one() + slope * slope * squared_length
}

/// The damping r = f′ / (1 + f′² v), with v = ξ⟨l, l⟩ or its moving average.
///
/// It is computed as 1 / (1/f′ + f′ v), which is the same number and stays in range where f′² would not.
///
/// # Mathematics
///
/// g⁻¹ applied to ∂f = f′ l is r l♯, because the two terms of g⁻¹ (eq. 8) are parallel there.
///
/// # Requirements
///
/// f′ > 0 and v ≥ 0.
///
/// # Example
///
/// ```
/// assert_eq!(ambient_metric::damping(1.0, 3.0), 0.25);
/// assert_eq!(ambient_metric::damping(1e30_f32, 0.0), 1e30);
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 10, 13 and 14.
#[inline]
pub fn damping<S: Field>(slope: S, squared_length: S) -> S {
    S::one() / (S::one() / slope + slope * squared_length)
}
