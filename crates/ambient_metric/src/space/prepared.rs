//! Prepared kernels: kernels as values, of which a pass does not know the type.

use core::fmt;

use crate::error::Error;
use crate::number::bundle::{Bundle, from_slice};
use crate::number::scalar::Field;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::tensor::{Operands, Tensor, Wide};

/// A kernel to be summed over tensors, as a value: what [`Passes`](crate::rule::Passes) are made of.
///
/// Uniforms and totals are plain numbers, those of all groups one after the other.
pub trait PreparedSum<T: Tensor>: fmt::Debug + Send + Sync {
    /// As [`Tensor::sum`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::sum`].
    fn sum(
        &mut self,
        uniforms: &[Wide<T>],
        group_of_part: &[usize],
        operands: Operands<'_, T>,
        totals: &mut [Wide<T>],
    ) -> Result<(), Error>;

    /// Another one like it.
    fn duplicate(&self) -> Box<dyn PreparedSum<T>>;
}

/// A kernel to be stored into tensors, as a value: what [`Passes`](crate::rule::Passes) are made of.
///
/// Uniforms are plain numbers, those of all groups one after the other.
pub trait PreparedUpdate<T: Tensor>: fmt::Debug + Send + Sync {
    /// As [`Tensor::update`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::update`].
    fn update(
        &mut self,
        uniforms: &[Wide<T>],
        group_of_part: &[usize],
        target: &mut T,
        companions: &mut [T],
        reads: &[&T],
    ) -> Result<(), Error>;

    /// Another one like it.
    fn duplicate(&self) -> Box<dyn PreparedUpdate<T>>;
}

/// A kernel that is prepared by being compiled for the tensors: [`Tensor::sum`] and [`Tensor::update`] of it.
///
/// # Example
///
/// ```
/// use ambient_metric::{Kernel, Real};
/// use ambient_metric::space::{Compiled, Operands, PreparedSum};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Scaled;
///
/// impl Kernel for Scaled {
///     type Uniform<S: Real> = S;
///     type Input<S: Real> = S;
///     type Output<S: Real> = S;
///     #[inline(always)]
///     fn evaluate<S: Real>(&self, scale: S, x: S) -> S {
///         scale * x
///     }
/// }
///
/// let (x, mut total) = (Parameters::from(array![1.0_f64, 2.0]), [0.0]);
/// Compiled(Scaled).sum(&[10.0], &[], Operands { target: &x, companions: &[], reads: &[] }, &mut total)?;
/// assert_eq!(total, [30.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Compiled<K>(pub K);

impl<K> fmt::Debug for Compiled<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Compiled").finish_non_exhaustive()
    }
}

/// Does something with the bundles of all groups: of one group without a list that would have to be allocated.
#[inline(always)]
fn bundled<S: Field, U: Bundle<S>, O>(
    uniforms: &[S],
    group_of_part: &[usize],
    does: impl FnOnce(Uniforms<'_, U>) -> O,
) -> O {
    if U::LEN == 0 {
        // Every group has the same uniform then.
        return does(Uniforms { groups: &vec![U::zero(); 1 + highest(group_of_part)], group_of_part });
    }
    if uniforms.len() <= U::LEN {
        return does(Uniforms { groups: &[from_slice(uniforms, |&number| number)], group_of_part });
    }
    let groups: Vec<U> = uniforms.chunks_exact(U::LEN).map(|group| from_slice(group, |&number| number)).collect();
    does(Uniforms { groups: &groups, group_of_part })
}

/// The last group.
fn highest(group_of_part: &[usize]) -> usize {
    group_of_part.iter().copied().max().unwrap_or(0)
}

/// The numbers of a bundle, written over the first of a slice.
#[inline(always)]
pub(crate) fn write<S: Field, B: Bundle<S>>(bundle: &B, numbers: &mut [S]) {
    for (slot, number) in numbers.iter_mut().enumerate() {
        *number = bundle.get(slot).unwrap_or_else(S::zero);
    }
}

impl<T, K> PreparedSum<T> for Compiled<K>
where
    T: Tensor,
    K: Kernel + Send + 'static,
{
    fn sum(
        &mut self,
        uniforms: &[Wide<T>],
        group_of_part: &[usize],
        operands: Operands<'_, T>,
        totals: &mut [Wide<T>],
    ) -> Result<(), Error> {
        let each = <K::Output<Wide<T>> as Bundle<Wide<T>>>::LEN;
        bundled::<_, K::Uniform<Wide<T>>, _>(uniforms, group_of_part, |uniforms| {
            if totals.len() <= each {
                let mut found = [Bundle::<Wide<T>>::zero()];
                T::sum(&self.0, uniforms, operands, &mut found)?;
                let [found] = found;
                write(&found, totals);
                return Ok(());
            }
            let each = each.max(1);
            let mut found = vec![Bundle::<Wide<T>>::zero(); totals.len() / each];
            T::sum(&self.0, uniforms, operands, &mut found)?;
            for (totals, found) in totals.chunks_exact_mut(each).zip(found) {
                write(&found, totals);
            }
            Ok(())
        })
    }

    fn duplicate(&self) -> Box<dyn PreparedSum<T>> {
        Box::new(self.clone())
    }
}

impl<T, K> PreparedUpdate<T> for Compiled<K>
where
    T: Tensor,
    K: Kernel + Send + 'static,
{
    fn update(
        &mut self,
        uniforms: &[Wide<T>],
        group_of_part: &[usize],
        target: &mut T,
        companions: &mut [T],
        reads: &[&T],
    ) -> Result<(), Error> {
        bundled(uniforms, group_of_part, |uniforms| T::update(&self.0, uniforms, target, companions, reads))
    }

    fn duplicate(&self) -> Box<dyn PreparedUpdate<T>> {
        Box::new(self.clone())
    }
}
