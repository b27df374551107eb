//! Named arrays that together form one parameter space.

use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use ambient_metric::number::Element;
use ambient_metric::space::{
    Operands, Part, PreparedSum, PreparedUpdate, Selection, Separable, StateStorage, Uniforms, Wide,
};
use ambient_metric::{Bundle, Error, Field, Kernel, Layout, Tensor};
use ambient_metric_cpu::{Elements, Program, pass};
use ambient_metric_trace::Recording;
use ndarray::{Array, ArrayD, ArrayViewD, ArrayViewMutD, Dimension};

/// Named arrays of any dimension as one parameter space: a point, a gradient, or a step.
///
/// All elements lie in one stretch of memory, part after part in the order of their names, each part in row-major order. So a
/// model of two hundred small tensors costs what one large tensor costs, and splitting a tensor in two does not change a sum.
/// Arrays in any memory order may be handed over; views are handed out.
///
/// The state of an optimiser may be [stored in 16 bits](StateStorage). Who looks at such elements sees them widened, in memory that is
/// theirs until the next step; who takes them to be changed has them in full width from then on.
///
/// With the feature `serde` they serialise as a map from names to arrays. Numbers of a state are then written widened.
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
        Self { space: Arc::new(space), elements: elements.into() }
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
        self.state_like(StateStorage::Full, 0, 0)
    }

    fn state_like(&self, storage: StateStorage, slot: usize, updates: u64) -> Result<Self, Error> {
        let elements = Elements::zeros(self.len(), storage, slot, updates)?;
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
        self.elements.few_mut()
    }

    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        operands.check::<K>()?;
        uniforms.check(operands.target.layout())?;
        pass::check_operands(<K::Input<E> as Bundle<E>>::LEN)?;
        totals.fill(Bundle::<Wide<Self>>::zero());
        let Operands { target, companions, reads } = operands;
        let tensors = core::iter::once(target).chain(companions).chain(reads.iter().copied());
        for (group, range) in target.space.stretches(uniforms) {
            let (Some(uniform), Some(total)) = (uniforms.groups.get(group), totals.get_mut(group)) else { continue };
            *total = total.plus(pass::sum(kernel, *uniform, tensors.clone().map(|tensor| &tensor.elements), range));
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
        pass::check_operands(<K::Input<E> as Bundle<E>>::LEN)?;
        let Self { space, elements } = target;
        let companions = companions.iter_mut().map(|companion| &mut companion.elements);
        let mut targets = pass::Replaced::new(core::iter::once(elements).chain(companions));
        for (group, range) in space.stretches(uniforms) {
            let Some(uniform) = uniforms.groups.get(group) else { continue };
            pass::update(kernel, *uniform, &mut targets, reads.iter().map(|tensor| &tensor.elements), range);
        }
        targets.updated();
        Ok(())
    }

    const RECORDS: bool = true;

    /// Recorded, and run with the bits of the compiled one.
    fn prepare_sum<K: Kernel + Send + 'static>(kernel: &K) -> Result<Box<dyn PreparedSum<Self>>, Error> {
        Ok(Box::new(Interpreted(Program::sums(&Recording::kernel(kernel))?)))
    }

    /// As [`prepare_sum`](Self::prepare_sum).
    fn prepare_update<K: Kernel + Send + 'static>(kernel: &K) -> Result<Box<dyn PreparedUpdate<Self>>, Error> {
        Ok(Box::new(Interpreted(Program::update(&Recording::update(kernel))?)))
    }
}

/// A recorded kernel that runs over parameters.
#[derive(Clone, Debug)]
struct Interpreted<E>(Program<E>);

impl<E: Element> Interpreted<E> {
    /// Does something with every stretch that belongs to one group and with that, the uniforms of the group set.
    fn each(
        &mut self,
        space: &Space,
        uniforms: &[E::Wide],
        group_of_part: &[usize],
        mut does: impl FnMut(&mut Program<E>, usize, Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let each = self.0.uniforms_len();
        let groups = uniforms.len().checked_div(each).unwrap_or(usize::MAX);
        if let Some(&group) = group_of_part.iter().find(|group| **group >= groups) {
            return Err(Error::Group { group, groups });
        }
        for (group, range) in space.stretches(Uniforms { groups: &[()], group_of_part }) {
            self.0.uniforms(uniforms.get(group * each..(group + 1) * each).unwrap_or_default())?;
            does(&mut self.0, group, range)?;
        }
        Ok(())
    }
}

impl<E: Element> PreparedSum<Parameters<E>> for Interpreted<E> {
    fn sum(
        &mut self,
        uniforms: &[E::Wide],
        group_of_part: &[usize],
        operands: Operands<'_, Parameters<E>>,
        totals: &mut [E::Wide],
    ) -> Result<(), Error> {
        operands.agree(self.0.tensors())?;
        totals.fill(<E::Wide as Field>::zero());
        let Operands { target, companions, reads } = operands;
        let tensors = core::iter::once(target).chain(companions).chain(reads.iter().copied());
        self.each(&target.space, uniforms, group_of_part, |program, group, range| {
            let each = program.sums_len();
            let found = totals.get_mut(group * each..(group + 1) * each).unwrap_or_default();
            program.sum_elements(tensors.clone().map(|tensor| &tensor.elements), range, found)
        })
    }

    fn duplicate(&self) -> Box<dyn PreparedSum<Parameters<E>>> {
        Box::new(self.clone())
    }
}

impl<E: Element> PreparedUpdate<Parameters<E>> for Interpreted<E> {
    fn update(
        &mut self,
        uniforms: &[E::Wide],
        group_of_part: &[usize],
        target: &mut Parameters<E>,
        companions: &mut [Parameters<E>],
        reads: &[&Parameters<E>],
    ) -> Result<(), Error> {
        Operands { target: &*target, companions: &*companions, reads }.agree(self.0.tensors())?;
        let Parameters { space, elements } = target;
        let companions = companions.iter_mut().map(|companion| &mut companion.elements);
        let mut targets = pass::Replaced::new(core::iter::once(elements).chain(companions));
        self.each(space, uniforms, group_of_part, |program, _, range| {
            program.store_elements(&mut targets, reads.iter().map(|tensor| &tensor.elements), range)
        })?;
        targets.updated();
        Ok(())
    }

    fn duplicate(&self) -> Box<dyn PreparedUpdate<Parameters<E>>> {
        Box::new(self.clone())
    }
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
