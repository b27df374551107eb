//! All `unsafe` of this workspace: what the compiler cannot know of vectors and of the numbers in them.

use core::any::TypeId;
use core::ptr::NonNull;

use pulp::Simd;

use super::WIDTH;

/// The proof that the processor has the vectors `V`, out of nothing: the constants of a kernel are made without one, and yet are computed with.
///
/// Lanes of `V` alone ask for it. The crate computes with these where `with_simd` has been called with a `V`, but for [`pulp::Scalar`], which
/// every processor has; to compute with them anywhere else is unsound.
#[inline(always)]
pub(super) fn vectors<V: Simd>() -> V {
    const { assert!(size_of::<V>() == 0, "a proof is no data") };
    // SAFETY: what has no size is read from no memory, and the pointer is neither null nor unaligned. That there is a `V` at all is said
    // above; since it is `Copy`, there may be one more.
    unsafe { NonNull::dangling().read() }
}

/// Numbers as what they are, if they are that. (As [`core::any::Any`] has it, but for the table of functions, which is not always seen through.)
#[inline(always)]
pub(super) fn cast<E: 'static, F: 'static>(numbers: &[E; WIDTH]) -> Option<&[F; WIDTH]> {
    // SAFETY: they are of the same type.
    (TypeId::of::<E>() == TypeId::of::<F>()).then(|| unsafe { &*core::ptr::from_ref(numbers).cast() })
}

/// Numbers as what they are, if they are that, to be changed.
#[inline(always)]
pub(super) fn cast_mut<E: 'static, F: 'static>(numbers: &mut [E; WIDTH]) -> Option<&mut [F; WIDTH]> {
    // SAFETY: they are of the same type.
    (TypeId::of::<E>() == TypeId::of::<F>()).then(|| unsafe { &mut *core::ptr::from_mut(numbers).cast() })
}
