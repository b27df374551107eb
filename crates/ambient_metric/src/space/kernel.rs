//! Kernels: a function of single elements, generic over the scalar, that a backend runs over whole tensors.

use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::space::layout::Layout;

/// A function of the elements at one coordinate, written once for every scalar.
///
/// This is the only form in which arithmetic reaches a backend. A backend that can evaluate a kernel over tensors,
/// summing its output ([`Tensor::sum`](crate::Tensor::sum)) or storing it ([`Tensor::update`](crate::Tensor::update)),
/// runs every rule and every pointwise metric there is or will be: on the CPU by instantiating it at lanes of numbers, on
/// a GPU by tracing it, in a proof by instantiating it at fractions.
///
/// Mark `evaluate`, and the generic functions that it calls (a metric's γ⁻¹, a momentum), `#[inline(always)]`: a function that is not
/// inlined is not compiled for the processor's vectors, and a pass over it takes twenty to forty times as long.
///
/// A kernel is a value that backends copy: a pass keeps one beside its loop, where no store can change its constants.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Real};
///
/// /// a x + y
/// #[derive(Clone)]
/// struct Axpy;
///
/// impl Kernel for Axpy {
///     type Uniform<S: Real> = S;
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = S;
///
///     #[inline(always)]
///     fn evaluate<S: Real>(&self, a: S, [y, x]: [S; 2]) -> S {
///         a * x + y
///     }
/// }
///
/// assert_eq!(Axpy.evaluate(2.0, [1.0, 10.0]), 21.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kernel",
    note = "implement `Kernel`: a function of the elements at one coordinate, generic over the scalar"
)]
pub trait Kernel: Clone + Sync {
    /// What is the same for every element of a group.
    type Uniform<S: Real>: Bundle<S>;
    /// What is read at a coordinate: one slot per tensor, targets first.
    type Input<S: Real>: Bundle<S>;
    /// What is summed, or stored into the targets.
    type Output<S: Real>: Bundle<S>;

    /// The function.
    fn evaluate<S: Real>(&self, uniform: Self::Uniform<S>, input: Self::Input<S>) -> Self::Output<S>;

    /// Which slots are there, where not all are: of a kernel whose parts were chosen at run time, so that its types have room for more than it needs. A backend
    /// that [records](crate::Tensor::RECORDS) kernels leaves the others out.
    fn present(&self) -> Option<Present> {
        None
    }
}

/// The slots of a kernel that are there. What is not is zero, and nothing is done with it.
///
/// ```
/// use ambient_metric::{AnyRule, Kernel, rules};
/// use ambient_metric::rule::Measure;
///
/// assert!(Measure(rules::adam()).present().is_none());
/// let chosen = Measure("sgd".parse::<AnyRule>()?.fused()?);
/// // θ, m and l.
/// assert_eq!(chosen.present().unwrap().inputs.iter().filter(|is_there| **is_there).count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Of the uniform.
    pub uniforms: Vec<bool>,
    /// Of the input.
    pub inputs: Vec<bool>,
    /// Of the output.
    pub outputs: Vec<bool>,
}

/// The uniforms of a pass: one bundle per group, and the group that each part belongs to.
///
/// # Example
///
/// ```
/// use ambient_metric::space::Uniforms;
///
/// let uniforms = Uniforms { groups: &[0.1, 0.01], group_of_part: &[0, 1] };
/// assert_eq!(uniforms.groups[uniforms.group(1)], 0.01);
/// assert_eq!(Uniforms::same(&0.5).group(7), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Uniforms<'a, U> {
    /// One bundle per group.
    pub groups: &'a [U],
    /// The group of each part, in layout order; a part past the end belongs to group 0.
    pub group_of_part: &'a [usize],
}

impl<'a, U> Uniforms<'a, U> {
    /// The same uniform for every part.
    pub fn same(uniform: &'a U) -> Self {
        Self { groups: core::slice::from_ref(uniform), group_of_part: &[] }
    }

    /// The group of a part.
    #[must_use]
    pub fn group(&self, part: usize) -> usize {
        self.group_of_part.get(part).copied().unwrap_or(0)
    }

    /// Accepts uniforms that every part of a layout has.
    ///
    /// # Errors
    ///
    /// [`Error::Group`].
    pub fn check(&self, layout: &Layout) -> Result<(), Error> {
        let groups = self.groups.len();
        match (0..layout.parts().len()).map(|part| self.group(part)).find(|&group| group >= groups) {
            Some(group) => Err(Error::Group { group, groups }),
            None => Ok(()),
        }
    }
}
