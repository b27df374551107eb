//! Passes over few numbers in the host's memory: without the set-up of a pass over many, which takes longer than the numbers.

use crate::bundle::{Bundle, convert};
use crate::error::Error;
use crate::kernel::{Kernel, Uniforms};
use crate::scalar::{Element, Field};
use crate::tensor::{Operands, Tensor, Wide};

/// How many tensors such a pass has at most.
const OPERANDS: usize = 8;

/// As [`Tensor::sum`], for tensors whose layouts are known to agree.
#[inline(always)]
pub(crate) fn sum<K: Kernel, T: Tensor>(
    kernel: &K,
    uniforms: Uniforms<'_, K::Uniform<Wide<T>>>,
    operands: Operands<'_, T>,
    totals: &mut [K::Output<Wide<T>>],
) -> Result<(), Error> {
    let Operands { target, companions, reads } = operands;
    let slots = <K::Input<T::Element> as Bundle<T::Element>>::LEN;
    let tensor = |slot: usize| match slot.checked_sub(1) {
        None => Some(target),
        Some(slot) => companions.get(slot).or_else(|| reads.get(slot - companions.len()).copied()),
    };
    if let ([uniform], [total]) = (uniforms.groups, &mut *totals)
        && 1 + companions.len() + reads.len() == slots
        && let Some(tensors) = gather(slots, tensor)
    {
        let uniform: K::Uniform<T::Element> = convert(*uniform, &mut T::Element::narrow);
        *total = Bundle::<Wide<T>>::zero();
        for index in 0..tensors[0].len() {
            let mut tensors = tensors.iter();
            let input = Bundle::build(&mut || {
                let element = tensors.next().and_then(|tensor| tensor.get(index));
                element.copied().unwrap_or_else(Field::zero)
            });
            *total = total.plus(convert(kernel.evaluate(uniform, input), &mut T::Element::widen));
        }
        return Ok(());
    }
    T::sum(kernel, uniforms, operands, totals)
}

/// As [`Tensor::update`], for tensors whose layouts are known to agree.
#[inline(always)]
pub(crate) fn update<K: Kernel, T: Tensor>(
    kernel: &K,
    uniforms: Uniforms<'_, K::Uniform<Wide<T>>>,
    target: &mut T,
    companions: &mut [T],
    reads: &[&T],
) -> Result<(), Error> {
    let written = <K::Output<T::Element> as Bundle<T::Element>>::LEN;
    if let [uniform] = uniforms.groups
        && written + reads.len() == <K::Input<T::Element> as Bundle<T::Element>>::LEN
        && let Some(mut targets) = gather_mut(target, companions, written)
        && let Some(reads) = gather(reads.len(), |slot| reads.get(slot).copied())
    {
        let uniform: K::Uniform<T::Element> = convert(*uniform, &mut T::Element::narrow);
        for index in 0..targets[0].len() {
            let mut slot = 0;
            let input = Bundle::build(&mut || {
                let element = if slot < written {
                    targets.get(slot).and_then(|target| target.get(index))
                } else {
                    reads.get(slot - written).and_then(|read| read.get(index))
                };
                slot += 1;
                element.copied().unwrap_or_else(Field::zero)
            });
            let output: K::Output<T::Element> = kernel.evaluate(uniform, input);
            for slot in 0..written {
                let element = targets.get_mut(slot).and_then(|target| target.get_mut(index));
                if let (Some(element), Some(value)) = (element, output.get(slot)) {
                    *element = value;
                }
            }
        }
        return Ok(());
    }
    T::update(kernel, uniforms, target, companions, reads)
}

/// The elements of so many tensors that have few each; nothing where one has not, or there are too many tensors.
#[inline(always)]
fn gather<'a, T: Tensor + 'a>(
    count: usize,
    tensor: impl Fn(usize) -> Option<&'a T>,
) -> Option<[&'a [T::Element]; OPERANDS]> {
    let mut gathered: [&[T::Element]; OPERANDS] = [&[]; OPERANDS];
    for slot in 0..count {
        *gathered.get_mut(slot)? = tensor(slot)?.few()?;
    }
    Some(gathered)
}

/// As [`gather`], to be changed.
#[inline(always)]
fn gather_mut<'a, T: Tensor>(
    target: &'a mut T,
    companions: &'a mut [T],
    count: usize,
) -> Option<[&'a mut [T::Element]; OPERANDS]> {
    let mut gathered: [&mut [T::Element]; OPERANDS] = Default::default();
    *gathered.first_mut()? = target.few_mut()?;
    let mut companions = companions.iter_mut();
    for slot in 1..count {
        *gathered.get_mut(slot)? = companions.next()?.few_mut()?;
    }
    companions.next().is_none().then_some(gathered)
}
