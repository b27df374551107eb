//! A step over few numbers in the host's memory, in place: the set-up of passes over many takes longer than the numbers.

use crate::number::bundle::{Bundle, convert};
use crate::number::scalar::{Element, Field};
use crate::rule::rule::Rule;
use crate::space::kernel::Kernel;
use crate::space::tensor::{Covector, Tensor};

/// How many tensors are written, and how many are read, at most.
const OPERANDS: usize = 8;

/// The elements of all tensors of a step, in slices of one length.
pub(crate) struct Few<'a, E> {
    /// Of the parameters and of the state.
    written: [&'a mut [E]; OPERANDS],
    /// Of the gradients.
    read: [&'a [E]; OPERANDS],
    len: usize,
}

impl<'a, E: Element> Few<'a, E> {
    /// The elements of the tensors of a step of a rule; nothing where they are not few, or the tensors not as many as can be held.
    #[inline(always)]
    pub(crate) fn gather<R: Rule, T: Tensor<Element = E>>(
        parameters: &'a mut T,
        state: &'a mut [T],
        gradients: &'a [&Covector<T>],
    ) -> Option<Self> {
        let mut few = Self { written: Default::default(), read: Default::default(), len: 0 };
        let (slots, losses) = (<R::State<E> as Bundle<E>>::LEN, <R::PerLoss<E> as Bundle<E>>::LEN);
        let [of_parameters, of_state @ ..] = &mut few.written;
        *of_parameters = parameters.few_mut()?;
        few.len = of_parameters.len();
        let mut state = state.iter_mut();
        for slot in 0..slots {
            // A rule of which parts are chosen may have fewer slots than its type has room for.
            let Some(tensor) = state.next() else { break };
            *of_state.get_mut(slot)? = tensor.few_mut()?.get_mut(..few.len)?;
        }
        for loss in 0..losses {
            let Some(gradient) = gradients.get(loss) else { break };
            *few.read.get_mut(loss)? = gradient.0.few()?.get(..few.len)?;
        }
        Some(few)
    }

    /// What a kernel reads at a place, of which so many tensors are written.
    #[inline(always)]
    fn input<B: Bundle<E>>(&self, written: usize, index: usize) -> B {
        let mut slot = 0;
        B::build(&mut || {
            let element = if slot < written {
                self.written.get(slot).and_then(|elements| elements.get(index))
            } else {
                self.read.get(slot - written).and_then(|elements| elements.get(index))
            };
            slot += 1;
            element.copied().unwrap_or_else(Field::zero)
        })
    }

    /// The sum of a kernel over all places.
    #[inline(always)]
    pub(crate) fn sum<R: Rule, K: Kernel>(&self, kernel: &K, uniform: K::Uniform<E::Wide>) -> K::Output<E::Wide> {
        let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
        let mut total = Bundle::<E::Wide>::zero();
        for index in 0..self.len {
            let input = self.input(1 + <R::State<E> as Bundle<E>>::LEN, index);
            total = Bundle::<E::Wide>::plus(total, convert(kernel.evaluate(uniform, input), &mut E::widen));
        }
        total
    }

    /// A kernel stored into what is written, at every place.
    #[inline(always)]
    pub(crate) fn update<R: Rule, K: Kernel>(&mut self, kernel: &K, uniform: K::Uniform<E::Wide>) {
        let written = 1 + <R::State<E> as Bundle<E>>::LEN;
        let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
        for index in 0..self.len {
            let output: K::Output<E> = kernel.evaluate(uniform, self.input(written, index));
            for slot in 0..written {
                let element = self.written.get_mut(slot).and_then(|elements| elements.get_mut(index));
                if let (Some(element), Some(value)) = (element, output.get(slot)) {
                    *element = value;
                }
            }
        }
    }
}
