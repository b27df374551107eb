//! Coupling: an ambient metric in which the height is not orthogonal to the parameters.

use crate::bundle;
use crate::scalar::Field;

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
/// let step = coupled_step(1.0, 1.0, none);
/// assert_eq!((step.along_gradient, step.determinant_ratio), (0.25, 4.0));
/// ```
#[inline]
pub fn coupled_step<S: Field>(slope: S, root_xi: S, products: CouplingProducts<S>) -> CoupledStep<S> {
    let CouplingProducts { length, left, right, between } = products;
    let weight = root_xi * slope;
    let tilt = S::one() + weight * left;
    // D / f′: nothing is divided by that could leave the range where f′² does.
    let scaled =
        tilt * (S::one() + weight * right) / slope + slope * (root_xi * root_xi * length) * (S::one() - between);
    CoupledStep {
        along_gradient: tilt / scaled,
        along_coupling: -(weight * length) / scaled,
        determinant_ratio: slope * scaled,
    }
}
