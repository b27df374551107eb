//! The simplest possible backend: named parts over vectors, one element after another.

use ambient_metric::number::{Element, convert};
use ambient_metric::space::{Operands, Part, Uniforms, Wide};
use ambient_metric::{Bundle, Error, Kernel, Layout, Tensor};

/// Named parts over `Vec<E>`, with sums in the order of the elements.
///
/// It is what other backends are compared with, what proofs run on (`Reference<Exact>`), and the worked example of a
/// backend: everything that the [`Tensor`] trait asks is here, and nothing else.
///
/// # Requirements
///
/// Kernels are evaluated in `E`, sums are kept in its wide type.
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Vector};
/// use ambient_metric_conformance::{Exact, Reference};
///
/// let x = Reference::vector([Exact::ratio(1, 3), Exact::ratio(2, 3)]);
/// let sum = Covector(x.clone()).contract(&Vector(x))?;
/// assert_eq!(sum, Exact::ratio(5, 9));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reference<E> {
    layout: Layout,
    parts: Vec<Vec<E>>,
}

impl<E: Element> Reference<E> {
    /// A space of these parts, each with its elements in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateParameter`], and [`Error::Shape`] where elements do not fill a shape.
    pub fn new(parts: impl IntoIterator<Item = (Part, Vec<E>)>) -> Result<Self, Error> {
        let (parts, elements): (Vec<Part>, Vec<Vec<E>>) = parts.into_iter().unzip();
        for (part, elements) in parts.iter().zip(&elements) {
            require_len(part, elements.len())?;
        }
        Ok(Self { layout: Layout::new(parts)?, parts: elements })
    }

    /// A space of one vector, named `theta`.
    #[must_use]
    pub fn vector(elements: impl IntoIterator<Item = E>) -> Self {
        let elements: Vec<E> = elements.into_iter().collect();
        Self { layout: Layout::single("theta", vec![elements.len()]), parts: vec![elements] }
    }

    /// All elements, part after part.
    pub fn elements(&self) -> impl Iterator<Item = E> {
        self.parts.iter().flatten().copied()
    }

    fn at(&self, part: usize, index: usize) -> E {
        self.parts.get(part).and_then(|part| part.get(index)).copied().unwrap_or_else(E::zero)
    }

    fn part(&self, part: usize) -> Result<&Part, Error> {
        let parts = self.layout.parts();
        parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })
    }
}

fn require_len(part: &Part, found: usize) -> Result<(), Error> {
    if part.elements() == found {
        return Ok(());
    }
    Err(Error::Shape { name: part.name.clone(), expected: part.shape.clone(), found: vec![found] })
}

/// A kernel at one coordinate: operands in the order target, companions, reads.
fn evaluate<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    operands: Operands<'_, Reference<E>>,
    part: usize,
    index: usize,
) -> K::Output<E> {
    let uniform: K::Uniform<E> = convert(uniform, &mut E::narrow);
    let mut tensors =
        core::iter::once(operands.target).chain(operands.companions).chain(operands.reads.iter().copied());
    let input = Bundle::build(&mut || tensors.next().map_or_else(E::zero, |tensor| tensor.at(part, index)));
    kernel.evaluate(uniform, input)
}

impl<E: Element> Tensor for Reference<E> {
    type Element = E;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn zeros_like(&self) -> Result<Self, Error> {
        let parts = self.parts.iter().map(|part| vec![E::zero(); part.len()]).collect();
        Ok(Self { layout: self.layout.clone(), parts })
    }

    fn duplicate(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    fn read(&self, part: usize) -> Result<Vec<E>, Error> {
        self.part(part)?;
        Ok(self.parts.get(part).cloned().unwrap_or_default())
    }

    fn write(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        require_len(self.part(part)?, elements.len())?;
        if let Some(target) = self.parts.get_mut(part) {
            target.copy_from_slice(elements);
        }
        Ok(())
    }

    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        operands.check::<K>()?;
        uniforms.check(operands.target.layout())?;
        totals.fill(Bundle::<Wide<Self>>::zero());
        for (part, elements) in operands.target.parts.iter().enumerate() {
            let group = uniforms.group(part);
            let (Some(uniform), Some(total)) = (uniforms.groups.get(group), totals.get_mut(group)) else { continue };
            for index in 0..elements.len() {
                let output = evaluate(kernel, *uniform, operands, part, index);
                *total = total.plus(convert(output, &mut E::widen));
            }
        }
        Ok(())
    }

    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error> {
        Operands { target: &*target, companions: &*companions, reads }.check_update::<K>()?;
        uniforms.check(target.layout())?;
        for part in 0..target.parts.len() {
            let Some(uniform) = uniforms.groups.get(uniforms.group(part)) else { continue };
            for index in 0..target.parts.get(part).map_or(0, Vec::len) {
                let operands = Operands { target: &*target, companions: &*companions, reads };
                let output = evaluate(kernel, *uniform, operands, part, index);
                let written = core::iter::once(&mut *target).chain(companions.iter_mut());
                for (tensor, value) in written.zip(output.scalars()) {
                    if let Some(element) = tensor.parts.get_mut(part).and_then(|part| part.get_mut(index)) {
                        *element = value;
                    }
                }
            }
        }
        Ok(())
    }
}
