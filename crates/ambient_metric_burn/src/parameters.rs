//! Parameters on a Burn device: the abstract tensor of the core over one flat Burn tensor.

use core::marker::PhantomData;
use core::ops::Range;

use ambient_metric::number::Element;
use ambient_metric::space::{Operands, Part, Uniforms, Wide};
use ambient_metric::{Bundle, Error, Kernel, Layout};
use ambient_metric_trace::{Recording, Traced};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::BurnError;
use crate::evaluate::{Value, evaluate};

/// Elements that are added on the device in their own precision; what they come to is added on the host, in double precision and in order.
const BLOCK: usize = 4096;

/// The numbers that a Burn tensor holds and the rules compute with: `f32` and `f64`.
pub trait BurnElement: Element<Wide = f64> + burn::tensor::Element {}

impl BurnElement for f32 {}
impl BurnElement for f64 {}

/// Named parts on a Burn device, one after the other in one tensor of rank 1.
///
/// It implements [`Tensor`](ambient_metric::Tensor), so every rule, metric and optimiser of the core runs on it. A kernel is recorded by the tracing
/// scalar, and the graph evaluated with Burn's operations over all parts at once; where groups differ, over every stretch of parts of one
/// group. Of a sum, one number for every 4096 elements comes back to the host, where they are added in double precision.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Tensor, rules};
/// use ambient_metric::space::Part;
/// use ambient_metric_burn::Parameters;
/// use burn::tensor::Device;
///
/// let parts = |w: [f32; 2]| vec![(Part { name: "w".into(), shape: vec![2] }, w.to_vec())];
/// let mut theta = Parameters::new(&Device::flex(), parts([3.0, 4.0]))?;
/// let gradient = Covector(Parameters::new(&Device::flex(), parts([3.0, 4.0]))?);
/// let mut optimiser = Configuration::new(rules::euclidean(0.04).momentum(0.0).beta(0.0), 0.5).build(&theta)?;
/// assert_eq!(optimiser.step(&mut theta, &gradient, 12.5)?.effective_learning_rate, 0.25);
/// assert_eq!(theta.read(0)?, [2.25, 3.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parameters<E> {
    layout: Layout,
    flat: Tensor<1>,
    element: PhantomData<E>,
}

impl<E: BurnElement> Parameters<E> {
    /// Parameters of these parts on a device, each with its elements in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateParameter`], and [`Error::Shape`] where elements do not fill a shape.
    pub fn new(device: &Device, parts: impl IntoIterator<Item = (Part, Vec<E>)>) -> Result<Self, Error> {
        let (parts, elements): (Vec<Part>, Vec<Vec<E>>) = parts.into_iter().unzip();
        for (part, elements) in parts.iter().zip(&elements) {
            require_len(part, elements.len())?;
        }
        let flat = on_device(device, elements.concat());
        Ok(Self { layout: Layout::new(parts)?, flat, element: PhantomData })
    }

    /// Parameters of a layout, whose elements a tensor holds one part after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the tensor does not fill the layout, [`BurnError::Precision`] where it does not hold `E`.
    pub fn from_flat(layout: Layout, flat: Tensor<1>) -> Result<Self, Error> {
        let [found] = flat.dims();
        let name = || layout.names().first().cloned().unwrap_or_default();
        if layout.elements() != found {
            return Err(Error::Shape { name: name(), expected: vec![layout.elements()], found: vec![found] });
        }
        if flat.dtype() != E::dtype() {
            let (expected, found) = (E::dtype().name().to_owned(), flat.dtype().name().to_owned());
            return Err(BurnError::Precision { parameter: name(), expected, found }.into());
        }
        Ok(Self { layout, flat, element: PhantomData })
    }

    /// All elements, one part after the other.
    #[must_use]
    pub fn flat(&self) -> &Tensor<1> {
        &self.flat
    }

    /// Where the elements of a part lie in [`flat`](Self::flat).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`].
    pub fn range(&self, part: usize) -> Result<Range<usize>, Error> {
        let parts = self.layout.parts();
        let found = parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })?;
        let start = parts.iter().take(part).map(Part::elements).sum();
        Ok(start..start + found.elements())
    }

    /// Where the elements of every part lie.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let range = |part: &Part| {
            let start = end;
            end += part.elements();
            start..end
        };
        self.layout.parts().iter().map(range).collect()
    }

    /// Other elements in the same layout.
    fn of(&self, flat: Tensor<1>) -> Self {
        Self { layout: self.layout.clone(), flat, element: PhantomData }
    }
}

fn require_len(part: &Part, found: usize) -> Result<(), Error> {
    if part.elements() == found {
        return Ok(());
    }
    Err(Error::Shape { name: part.name.clone(), expected: part.shape.clone(), found: vec![found] })
}

/// Host numbers on a device.
fn on_device<E: BurnElement>(device: &Device, elements: Vec<E>) -> Tensor<1> {
    let count = elements.len();
    Tensor::from_data(TensorData::new(elements, [count]), (device, E::dtype()))
}

/// Device numbers on the host.
fn to_host<E: BurnElement>(tensor: Tensor<1>) -> Result<Vec<E>, Error> {
    tensor.try_into_vec_as().map_err(|error| BurnError::Device(error.to_string()).into())
}

/// The elements of a tensor in a range.
pub(crate) fn slice(tensor: &Tensor<1>, range: &Range<usize>) -> Tensor<1> {
    tensor.clone().slice([range.clone()])
}

/// Tensors one after the other; nothing where there are none.
pub(crate) fn join(tensors: Vec<Tensor<1>>) -> Option<Tensor<1>> {
    match tensors.len() {
        0 => None,
        1 => tensors.into_iter().next(),
        _ => Some(Tensor::cat(tensors, 0)),
    }
}

/// Consecutive elements of parts of one group.
struct Stretch {
    group: usize,
    elements: Range<usize>,
}

/// The elements of a layout as the longest stretches of one group.
fn stretches<U>(layout: &Layout, uniforms: &Uniforms<'_, U>) -> Result<Vec<Stretch>, Error> {
    uniforms.check(layout)?;
    let mut found: Vec<Stretch> = Vec::new();
    let mut start = 0;
    for (index, part) in layout.parts().iter().enumerate() {
        let group = uniforms.group(index);
        let end = start + part.elements();
        match found.last_mut() {
            Some(last) if last.group == group => last.elements.end = end,
            _ => found.push(Stretch { group, elements: start..end }),
        }
        start = end;
    }
    found.retain(|stretch| !stretch.elements.is_empty());
    Ok(found)
}

/// The outputs of a kernel over every stretch.
fn outputs<E: BurnElement, U: Bundle<f64>>(
    recording: &Recording,
    uniforms: &Uniforms<'_, U>,
    tensors: &[&Parameters<E>],
    stretches: &[Stretch],
) -> Vec<Vec<Value>> {
    let is_whole = stretches.len() == 1;
    let over = |stretch: &Stretch| {
        let uniforms: Vec<f64> = uniforms.groups.get(stretch.group).into_iter().flat_map(Bundle::scalars).collect();
        let input = |tensor: &&Parameters<E>| {
            if is_whole { tensor.flat.clone() } else { slice(&tensor.flat, &stretch.elements) }
        };
        evaluate(recording, &uniforms, &tensors.iter().map(input).collect::<Vec<_>>())
    };
    stretches.iter().map(over).collect()
}

/// What the blocks of a tensor come to, on the device.
fn block_sums(tensor: Tensor<1>) -> Vec<Tensor<1>> {
    let [count] = tensor.dims();
    let blocks = count / BLOCK;
    if blocks == 0 {
        return vec![tensor.sum()];
    }
    let whole = slice(&tensor, &(0..blocks * BLOCK)).reshape([blocks, BLOCK]).sum_dim(1).reshape([blocks]);
    if blocks * BLOCK == count { vec![whole] } else { vec![whole, slice(&tensor, &(blocks * BLOCK..count)).sum()] }
}

/// Accepts tensors on one device.
fn check_together<E>(tensors: &[&Parameters<E>]) -> Result<(), Error> {
    let devices: Vec<Device> = tensors.iter().map(|tensor| tensor.flat.device()).collect();
    if devices.windows(2).all(|pair| pair.first() == pair.last()) { Ok(()) } else { Err(BurnError::Apart.into()) }
}

impl<E: BurnElement> ambient_metric::Tensor for Parameters<E> {
    type Element = E;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn zeros_like(&self) -> Result<Self, Error> {
        Ok(self.of(self.flat.zeros_like()))
    }

    fn duplicate(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    fn read(&self, part: usize) -> Result<Vec<E>, Error> {
        let range = self.range(part)?;
        if range.is_empty() { Ok(Vec::new()) } else { to_host(slice(&self.flat, &range)) }
    }

    fn write(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        let range = self.range(part)?;
        if let Some(part) = self.layout.parts().get(part) {
            require_len(part, elements.len())?;
        }
        if !range.is_empty() {
            let values = on_device(&self.flat.device(), elements.to_vec());
            self.flat = self.flat.clone().slice_assign([range], values);
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
        let Operands { target, companions, reads } = operands;
        let tensors: Vec<&Self> = core::iter::once(target).chain(companions).chain(reads.iter().copied()).collect();
        check_together(&tensors)?;
        let stretches = stretches(target.layout(), &uniforms)?;
        let slots = <K::Output<Traced> as Bundle<Traced>>::LEN;
        let outputs = outputs(&Recording::kernel(kernel), &uniforms, &tensors, &stretches);

        // What is known on the host at once, and for every sum on the device how many numbers of it will come.
        let mut sums = vec![0.0_f64; uniforms.groups.len() * slots];
        let (mut on_device, mut counts) = (Vec::new(), Vec::new());
        for (stretch, values) in stretches.iter().zip(outputs) {
            for (slot, value) in values.into_iter().enumerate() {
                let place = stretch.group * slots + slot;
                match value {
                    Value::Same(value) => sums[place] += value * stretch.elements.len() as f64,
                    Value::Each(tensor) => {
                        let blocks = block_sums(tensor);
                        counts.push((place, blocks.iter().map(|blocks| blocks.dims()[0]).sum::<usize>()));
                        on_device.extend(blocks);
                    }
                }
            }
        }
        let numbers: Vec<E> = join(on_device).map_or_else(|| Ok(Vec::new()), to_host)?;
        let mut numbers = numbers.into_iter().map(Element::widen);
        for (place, count) in counts {
            sums[place] += numbers.by_ref().take(count).sum::<f64>();
        }
        let mut sums = sums.into_iter();
        totals.fill_with(|| Bundle::build(&mut || sums.next().unwrap_or(0.0)));
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
        let tensors: Vec<&Self> = core::iter::once(&*target).chain(&*companions).chain(reads.iter().copied()).collect();
        check_together(&tensors)?;
        let stretches = stretches(target.layout(), &uniforms)?;
        let outputs = outputs(&Recording::update(kernel), &uniforms, &tensors, &stretches);

        let written = 1 + companions.len();
        let mut columns: Vec<Vec<Tensor<1>>> = vec![Vec::new(); written];
        for (stretch, values) in stretches.iter().zip(outputs) {
            for ((column, value), tensor) in columns.iter_mut().zip(values).zip(&tensors) {
                column.push(match value {
                    Value::Each(tensor) => tensor,
                    same @ Value::Same(_) => same.like(&slice(&tensor.flat, &stretch.elements)),
                });
            }
        }
        for (tensor, column) in core::iter::once(target).chain(companions).zip(columns) {
            if let Some(flat) = join(column) {
                tensor.flat = flat;
            }
        }
        Ok(())
    }
}
