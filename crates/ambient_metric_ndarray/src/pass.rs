//! Passes: a kernel run over a stretch of memory, summing or storing what it returns.
//!
//! Here is all that knows how the CPU does it; [`Parameters`](crate::Parameters) says over which memory.

use ambient_metric::{Bundle, Element, Kernel, convert};

use crate::lanes::{Lanes, WIDTH};

/// How many tensors one pass can read.
pub(crate) const MAX_OPERANDS: usize = 16;

/// Elements whose sum is kept in the stored type; sums of blocks are added in the wide type.
///
/// Each lane then adds 256 numbers, so a block of `f32` of one sign is off by at most 256 · 2⁻²⁴ of itself, and the order of
/// all additions depends on the number of elements alone.
const BLOCK: usize = 256 * WIDTH;

/// The memory that a pass reads: one stretch per tensor, all of one length.
pub(crate) struct Stretch<'a, E> {
    operands: [&'a [E]; MAX_OPERANDS],
    len: usize,
}

impl<'a, E: Element> Stretch<'a, E> {
    pub(crate) fn new(tensors: impl Iterator<Item = &'a [E]>, len: usize) -> Self {
        let mut operands: [&[E]; MAX_OPERANDS] = [&[]; MAX_OPERANDS];
        for (slot, tensor) in operands.iter_mut().zip(tensors) {
            *slot = tensor;
        }
        Self { operands, len }
    }

    /// The sum of a kernel's output.
    pub(crate) fn sum<K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let mut total = <K::Output<E::Wide> as Bundle<E::Wide>>::zero();
        let mut start = 0;
        while start < self.len {
            let end = (start + BLOCK).min(self.len);
            total = total.plus(self.block::<K>(kernel, uniform, start, end));
            start = end;
        }
        total
    }

    fn block<K: Kernel>(
        &self,
        kernel: &K,
        uniform: K::Uniform<E::Wide>,
        start: usize,
        end: usize,
    ) -> K::Output<E::Wide> {
        let operands = self.operands.map(|operand| operand.get(start..end).unwrap_or_default().as_chunks());
        let chunks = (end - start) / WIDTH;

        let lanes_uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
        let mut lanes = <K::Output<Lanes<E>> as Bundle<Lanes<E>>>::zero();
        for chunk in 0..chunks {
            let mut slots = operands.iter();
            let input = Bundle::build(&mut || load(slots.next().and_then(|(chunks, _)| chunks.get(chunk))));
            lanes = lanes.plus(kernel.evaluate(lanes_uniform, input));
        }
        let mut total: K::Output<E::Wide> = convert(lanes, &mut |lanes: Lanes<E>| {
            lanes.0.into_iter().fold(E::Wide::zero(), |total, lane| total + lane.widen())
        });

        let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
        for index in 0..(end - start) % WIDTH {
            let mut slots = operands.iter();
            let input = Bundle::build(&mut || {
                slots.next().and_then(|(_, rest)| rest.get(index)).copied().unwrap_or_else(E::zero)
            });
            total = total.plus(convert(kernel.evaluate(uniform, input), &mut E::widen));
        }
        total
    }
}

/// Stores a kernel's output into `targets`, which it reads together with `reads`.
pub(crate) fn update<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    targets: &mut [&mut [E]; MAX_OPERANDS],
    written: usize,
    reads: &Stretch<'_, E>,
) {
    let len = reads.len;
    let chunks = len / WIDTH;
    let read_chunks = reads.operands.map(|operand| operand.as_chunks::<WIDTH>());

    let lanes_uniform: K::Uniform<Lanes<E>> = convert(uniform, &mut |value| Lanes::splat(E::narrow(value)));
    for chunk in 0..chunks {
        let at = chunk * WIDTH;
        let mut slot = 0;
        let input = Bundle::build(&mut || {
            let lanes = if slot < written {
                load(targets[slot].get(at..at + WIDTH).and_then(|lanes| lanes.first_chunk()))
            } else {
                load(read_chunks.get(slot - written).and_then(|(chunks, _)| chunks.get(chunk)))
            };
            slot += 1;
            lanes
        });
        let output = kernel.evaluate(lanes_uniform, input);
        for (slot, target) in targets.iter_mut().take(written).enumerate() {
            if let (Some(target), Some(lanes)) = (target.get_mut(at..at + WIDTH), output.get(slot)) {
                target.copy_from_slice(&lanes.0);
            }
        }
    }

    let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
    for index in chunks * WIDTH..len {
        let mut slot = 0;
        let input = Bundle::build(&mut || {
            let operand = if slot < written {
                targets[slot].get(index)
            } else {
                reads.operands.get(slot - written).and_then(|operand| operand.get(index))
            };
            slot += 1;
            operand.copied().unwrap_or_else(E::zero)
        });
        let output: K::Output<E> = kernel.evaluate(uniform, input);
        for (slot, target) in targets.iter_mut().take(written).enumerate() {
            if let (Some(target), Some(value)) = (target.get_mut(index), output.get(slot)) {
                *target = value;
            }
        }
    }
}

#[inline(always)]
fn load<E: Element>(chunk: Option<&[E; WIDTH]>) -> Lanes<E> {
    chunk.map_or_else(|| Lanes::splat(E::zero()), |chunk| Lanes(*chunk))
}
