//! Named arrays that together form one parameter space.

use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use ambient_metric::number::{Element, convert};
use ambient_metric::space::{Operands, Part, Selection, Separable, StateStorage, Uniforms, Wide};
use ambient_metric::{Bundle, Error, Kernel, Layout, Tensor};
use ndarray::{Array, ArrayD, ArrayViewD, ArrayViewMutD, Dimension};

use crate::allocation::zeros;
use crate::elements::Elements;
use crate::lanes::WIDTH;
use crate::mixed::Mixed;
use crate::narrow::{Format, Narrow};
use crate::pass::{self, Full, MAX_OPERANDS, Memory, Stretch, Targets};

/// Named arrays of any dimension as one parameter space: a point, a gradient, or a step.
///
/// All elements lie in one stretch of memory, part after part in the order of their names, each part in row-major order. So a
/// model of two hundred small tensors costs what one large tensor costs, and splitting a tensor in two does not change a sum.
/// Arrays in any memory order may be handed over; views are handed out.
///
/// The state of an optimiser may be [stored in 16 bits](StateStorage). Who looks at such elements sees them widened, in memory that is
/// theirs until the next step; who takes them to be changed has them in full width from then on.
///
/// # Example
///
/// ```
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::new([
///     ("layer.weight", array![[1.0, 2.0], [3.0, 4.0]].into_dyn()),
///     ("layer.bias", array![0.0, 0.0].into_dyn()),
/// ])?;
/// theta.view_mut("layer.bias")?.fill(0.5);
/// assert_eq!(theta.view("layer.bias")?, array![0.5, 0.5].into_dyn());
/// assert_eq!(theta.len(), 6);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone)]
pub struct Parameters<E> {
    /// Shared by clones, so that comparing layouts in a step costs nothing.
    space: Arc<Space>,
    elements: Elements<E>,
}

impl<E: Element> PartialEq for Parameters<E> {
    fn eq(&self, other: &Self) -> bool {
        self.space == other.space && self.as_slice() == other.as_slice()
    }
}

/// Which parts there are, and where each lies.
#[derive(PartialEq)]
struct Space {
    layout: Layout,
    /// Where every part begins, and after the last of them the end.
    offsets: Vec<usize>,
}

impl Space {
    fn new(layout: Layout) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for part in layout.parts() {
            end += part.elements();
            offsets.push(end);
        }
        Self { layout, offsets }
    }

    /// Where a part begins; the end for one past the last.
    fn offset(&self, part: usize) -> usize {
        self.offsets.get(part).or(self.offsets.last()).copied().unwrap_or(0)
    }

    fn range(&self, part: usize) -> Range<usize> {
        self.offset(part)..self.offset(part + 1)
    }

    fn part(&self, index: usize) -> Result<&Part, Error> {
        let parts = self.layout.parts();
        parts.get(index).ok_or(Error::NoSuchPart { part: index, parts: parts.len() })
    }

    /// Where what is selected lies, in the order of the selection.
    fn ranges(&self, selection: &Selection) -> Result<Vec<Range<usize>>, Error> {
        let mut ranges = Vec::new();
        for (number, &part) in selection.parts().iter().enumerate() {
            let (length, offset) = (self.part(part)?.elements(), self.offset(part));
            for stretch in selection.stretches(number) {
                if stretch.end > length {
                    let (name, expected) = (self.part(part)?.name.clone(), vec![stretch.end]);
                    return Err(Error::Shape { name, expected, found: vec![length] });
                }
                ranges.push(offset + stretch.start..offset + stretch.end);
            }
        }
        Ok(ranges)
    }

    /// The part of this name, and where it lies.
    fn find(&self, name: &str) -> Result<(&Part, Range<usize>), Error> {
        let parts = self.layout.parts();
        let unknown = || Error::UnknownParameter { name: name.to_owned(), known: self.layout.names() };
        let index = parts.binary_search_by(|part| part.name.as_str().cmp(name)).map_err(|_| unknown())?;
        Ok((self.part(index)?, self.range(index)))
    }

    /// Stretches of consecutive parts that belong to one group, in order.
    #[inline(always)]
    fn stretches<U>(&self, uniforms: Uniforms<'_, U>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut part = 0;
        core::iter::from_fn(move || {
            let (&start, mut end) = (self.offsets.get(part)?, *self.offsets.get(part + 1)?);
            let group = uniforms.group(part);
            while let Some(&further) = self.offsets.get(part + 1)
                && uniforms.group(part) == group
            {
                end = further;
                part += 1;
            }
            Some((group, start..end))
        })
    }
}

impl<E: Element> Parameters<E> {
    /// A space of these arrays.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateParameter`].
    pub fn new(arrays: impl IntoIterator<Item = (impl Into<String>, ArrayD<E>)>) -> Result<Self, Error> {
        let mut named = BTreeMap::new();
        for (name, array) in arrays {
            let name = name.into();
            if named.contains_key(&name) {
                return Err(Error::DuplicateParameter { name });
            }
            named.insert(name, array);
        }
        let parts = named.iter().map(|(name, array)| Part { name: name.clone(), shape: array.shape().to_vec() });
        let layout = Layout::new(parts.collect())?;
        let mut arrays = named.into_values();
        // The first array gives its memory where it can, so that a single large one is not copied.
        let mut elements = arrays.next().map(into_row_major).unwrap_or_default();
        for array in arrays {
            elements.extend(array.iter().copied());
        }
        Ok(Self::of(Space::new(layout), elements))
    }

    fn of(space: Space, elements: Vec<E>) -> Self {
        Self { space: Arc::new(space), elements: Elements::Full(elements) }
    }

    /// How many elements all parts have together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.space.offset(self.space.layout.parts().len())
    }

    /// Whether there is no element at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements, part after part in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.as_slice().iter()
    }

    /// All elements, part after part in the order of their names, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.as_mut_slice().iter_mut()
    }

    /// All elements as one slice, part after part in the order of their names.
    #[must_use]
    pub fn as_slice(&self) -> &[E] {
        self.elements.as_slice()
    }

    /// All elements as one slice, to be changed.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [E] {
        self.elements.as_mut_slice()
    }

    /// The names of the parts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.space.layout.parts().iter().map(|part| part.name.as_str())
    }

    /// The array of this name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`].
    pub fn view(&self, name: &str) -> Result<ArrayViewD<'_, E>, Error> {
        let (part, range) = self.space.find(name)?;
        view_error(ArrayViewD::from_shape(part.shape.clone(), self.as_slice().get(range).unwrap_or_default()))
    }

    /// The array of this name, to be changed.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`].
    pub fn view_mut(&mut self, name: &str) -> Result<ArrayViewMutD<'_, E>, Error> {
        let (part, range) = self.space.find(name)?;
        let shape = part.shape.clone();
        view_error(ArrayViewMutD::from_shape(shape, self.elements.as_mut_slice().get_mut(range).unwrap_or_default()))
    }

    /// Copies an array, in any memory order, into the part of this name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownParameter`], [`Error::Shape`].
    pub fn assign<D: Dimension>(&mut self, name: &str, array: ndarray::ArrayView<'_, E, D>) -> Result<(), Error> {
        let mut view = self.view_mut(name)?;
        if view.shape() != array.shape() {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: view.shape().to_vec(),
                found: array.shape().to_vec(),
            });
        }
        view.assign(&array.into_dyn());
        Ok(())
    }
}

/// The elements in row-major order; the array's own memory where it is that already.
fn into_row_major<E: Element>(array: ArrayD<E>) -> Vec<E> {
    if array.is_standard_layout() {
        let len = array.len();
        let (elements, offset) = array.into_raw_vec_and_offset();
        match offset {
            Some(0) | None if elements.len() == len => elements,
            offset => elements.into_iter().skip(offset.unwrap_or(0)).take(len).collect(),
        }
    } else {
        array.iter().copied().collect()
    }
}

fn view_error<V>(view: Result<V, ndarray::ShapeError>) -> Result<V, Error> {
    view.map_err(|error| Error::Backend(Box::new(error)))
}

impl<E: Element, D: Dimension> From<Array<E, D>> for Parameters<E> {
    /// A space of one array, named `theta`.
    fn from(array: Array<E, D>) -> Self {
        let array = array.into_dyn();
        let layout = Layout::single("theta", array.shape().to_vec());
        Self::of(Space::new(layout), into_row_major(array))
    }
}

impl<E: fmt::Debug + Element> fmt::Debug for Parameters<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for part in self.space.layout.parts() {
            if let Ok(view) = self.view(&part.name) {
                map.entry(&part.name, &view);
            }
        }
        map.finish()
    }
}

impl<E: Element> Tensor for Parameters<E> {
    type Element = E;

    fn layout(&self) -> &Layout {
        &self.space.layout
    }

    fn zeros_like(&self) -> Result<Self, Error> {
        Ok(Self { space: Arc::clone(&self.space), elements: Elements::Full(zeros(E::zero(), self.len())?) })
    }

    fn state_like(&self, storage: StateStorage, slot: usize, updates: u64) -> Result<Self, Error> {
        let Some(format) = Format::of(storage, slot, updates) else {
            storage.require_full()?;
            return self.zeros_like();
        };
        let elements = Elements::Narrow(Box::new(Narrow::zeros(format, self.len())?));
        Ok(Self { space: Arc::clone(&self.space), elements })
    }

    fn duplicate(&self) -> Result<Self, Error> {
        Ok(Self { space: Arc::clone(&self.space), elements: self.elements.duplicate()? })
    }

    fn read(&self, part: usize) -> Result<Vec<E>, Error> {
        self.space.part(part)?;
        Ok(self.elements.read(self.space.range(part)))
    }

    fn write(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        let Part { name, shape } = self.space.part(part)?.clone();
        let range = self.space.range(part);
        if range.len() != elements.len() {
            return Err(Error::Shape { name, expected: shape, found: vec![elements.len()] });
        }
        self.elements.write(range, elements);
        Ok(())
    }

    #[inline(always)]
    fn few(&self) -> Option<&[E]> {
        self.elements.few()
    }

    #[inline(always)]
    fn few_mut(&mut self) -> Option<&mut [E]> {
        if self.elements.few().is_some() { Some(self.elements.full_mut()) } else { None }
    }

    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        operands.check::<K>()?;
        uniforms.check(operands.target.layout())?;
        check_operands(<K::Input<E> as Bundle<E>>::LEN)?;
        totals.fill(Bundle::<Wide<Self>>::zero());
        let Operands { target, companions, reads } = operands;
        for (group, range) in target.space.stretches(uniforms) {
            let (Some(uniform), Some(total)) = (uniforms.groups.get(group), totals.get_mut(group)) else { continue };
            let (whole, rest) = in_chunks(range);
            if !whole.is_empty() {
                *total = total.plus(sum_chunks(kernel, *uniform, operands, whole));
            }
            let uniform: K::Uniform<E> = convert(*uniform, &mut E::narrow);
            for index in rest {
                let mut slot = 0_usize;
                let input = Bundle::build(&mut || {
                    let companion = || companions.get(slot.wrapping_sub(1));
                    let read = || reads.get(slot.wrapping_sub(1 + companions.len())).copied();
                    let tensor = if slot == 0 { Some(target) } else { companion().or_else(read) };
                    slot += 1;
                    tensor.and_then(|tensor| tensor.elements.get(index)).unwrap_or_else(E::zero)
                });
                *total = total.plus(convert(kernel.evaluate(uniform, input), &mut E::widen));
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
        check_operands(<K::Input<E> as Bundle<E>>::LEN)?;
        let written = 1 + companions.len();
        let Self { space, elements } = target;
        for (group, range) in space.stretches(uniforms) {
            let Some(uniform) = uniforms.groups.get(group) else { continue };
            let (whole, rest) = in_chunks(range);
            if !whole.is_empty() {
                update_chunks(kernel, *uniform, elements, companions, reads, whole);
            }
            let uniform: K::Uniform<E> = convert(*uniform, &mut E::narrow);
            for index in rest {
                let mut slot = 0_usize;
                let input = Bundle::build(&mut || {
                    let element = match slot.checked_sub(written) {
                        Some(read) => reads.get(read).and_then(|tensor| tensor.elements.get(index)),
                        None if slot == 0 => elements.get(index),
                        None => companions.get(slot - 1).and_then(|tensor| tensor.elements.get(index)),
                    };
                    slot += 1;
                    element.unwrap_or_else(E::zero)
                });
                let output: K::Output<E> = kernel.evaluate(uniform, input);
                if let Some(value) = output.get(0) {
                    elements.store(index, value);
                }
                for (slot, companion) in companions.iter_mut().enumerate() {
                    if let Some(value) = output.get(slot + 1) {
                        companion.elements.store(index, value);
                    }
                }
            }
        }
        elements.updated();
        for companion in companions {
            companion.elements.updated();
        }
        Ok(())
    }
}

/// The sum over the whole chunks of a range.
fn sum_chunks<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    operands: Operands<'_, Parameters<E>>,
    range: Range<usize>,
) -> K::Output<E::Wide> {
    let Operands { target, companions, reads } = operands;
    let tensors = || core::iter::once(target).chain(companions).chain(reads.iter().copied());
    if tensors().any(|tensor| tensor.elements.is_narrow()) {
        pass::sum::<K, E, Mixed>(kernel, uniform, &stretch::<E, Mixed>(tensors(), &range))
    } else {
        pass::sum::<K, E, Full>(kernel, uniform, &stretch::<E, Full>(tensors(), &range))
    }
}

/// The update of the whole chunks of a range.
fn update_chunks<K: Kernel, E: Element>(
    kernel: &K,
    uniform: K::Uniform<E::Wide>,
    elements: &mut Elements<E>,
    companions: &mut [Parameters<E>],
    reads: &[&Parameters<E>],
    range: Range<usize>,
) {
    let is_narrow = |tensor: &Parameters<E>| tensor.elements.is_narrow();
    if elements.is_narrow() || companions.iter().any(is_narrow) || reads.iter().copied().any(is_narrow) {
        let mut targets = targets::<E, Mixed>(elements, companions, &range);
        let reads = stretch::<E, Mixed>(reads.iter().copied(), &range);
        pass::update::<K, E, Mixed>(kernel, uniform, &mut targets, &reads);
    } else {
        let mut targets = targets::<E, Full>(elements, companions, &range);
        let reads = stretch::<E, Full>(reads.iter().copied(), &range);
        pass::update::<K, E, Full>(kernel, uniform, &mut targets, &reads);
    }
}

/// The whole chunks of a range of some tensors.
fn stretch<'a, E: Element, M: Memory<E>>(
    tensors: impl Iterator<Item = &'a Parameters<E>>,
    range: &Range<usize>,
) -> Stretch<M::Read<'a>> {
    let mut operands: [M::Read<'a>; MAX_OPERANDS] = Default::default();
    for (operand, tensor) in operands.iter_mut().zip(tensors) {
        *operand = M::chunks(&tensor.elements, range.clone());
    }
    Stretch { operands, chunks: range.len() / WIDTH }
}

/// The whole chunks of a range of the tensors that are written.
fn targets<'a, E: Element, M: Memory<E>>(
    elements: &'a mut Elements<E>,
    companions: &'a mut [Parameters<E>],
    range: &Range<usize>,
) -> Targets<M::Write<'a>> {
    let mut targets: Targets<M::Write<'a>> = Default::default();
    let memory = core::iter::once(elements).chain(companions.iter_mut().map(|companion| &mut companion.elements));
    for (target, elements) in targets.iter_mut().zip(memory) {
        *target = M::chunks_mut(elements, range.clone());
    }
    targets
}

impl<E: Element> Separable for Parameters<E> {
    fn select(&self, selection: &Selection) -> Result<Self, Error> {
        let elements = self.elements.select(self.space.ranges(selection)?.into_iter())?;
        Ok(Self { space: Arc::new(Space::new(selection.layout().clone())), elements })
    }

    fn place(&mut self, selection: &Selection, selected: &Self) -> Result<(), Error> {
        selection.layout().check(selected.layout())?;
        let mut from = 0;
        for to in self.space.ranges(selection)? {
            let end = from + to.len();
            self.elements.place(to, &selected.elements, from..end);
            from = end;
        }
        Ok(())
    }
}

/// A range cut in two: what is whole chunks of lanes from its start on, and the rest.
fn in_chunks(range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / WIDTH * WIDTH;
    (range.start..middle, middle..range.end)
}

/// Accepts as many operands as a pass can hold.
fn check_operands(found: usize) -> Result<(), Error> {
    if found <= MAX_OPERANDS { Ok(()) } else { Err(Error::TooMany { what: "tensors", found, limit: MAX_OPERANDS }) }
}
