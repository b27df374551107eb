//! The abstract tensor: what the library asks of storage, and nothing more.

use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Element, Field, Real};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::layout::Layout;
use crate::space::prepared::{Compiled, PreparedSum, PreparedUpdate};
use crate::space::state_storage::StateStorage;

/// The type in which a tensor's sums and scalar state are kept.
pub type Wide<T> = <<T as Tensor>::Element as Element>::Wide;

/// A point, vector or covector of a parameter space: numbers in named parts, over which kernels run.
///
/// A backend is an implementation of this trait. Two operations carry all arithmetic: [`sum`](Self::sum) reads and adds,
/// [`update`](Self::update) reads and writes. The rest moves data between the backend and the host.
///
/// # Requirements
///
/// Both operations check that all tensors have the layout of the target ([`Operands::check`] does it) and fail without
/// writing where they do not. `sum` adds in an order that depends on the layout alone, so that the same inputs
/// give the same bits, and widens where it adds many partial sums. An element of a part is combined with the elements at
/// the same index of the other tensors, whatever their arrangement in memory.
///
/// # Example
///
/// Σ a x² over a tensor, with the kernel that says so:
///
/// ```
/// use ambient_metric::{Kernel, Real, Tensor};
/// use ambient_metric::space::{Operands, Uniforms};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Square;
///
/// impl Kernel for Square {
///     type Uniform<S: Real> = S;
///     type Input<S: Real> = S;
///     type Output<S: Real> = S;
///
///     #[inline(always)]
///     fn evaluate<S: Real>(&self, a: S, x: S) -> S {
///         a * x * x
///     }
/// }
///
/// let theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut total = [0.0];
/// let operands = Operands { target: &theta, companions: &[], reads: &[] };
/// Parameters::sum(&Square, Uniforms::same(&2.0), operands, &mut total)?;
/// assert_eq!(total, [50.0]);
/// assert_eq!(theta.zeros_like()?.read(0)?, [0.0, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Layouts that differ, and [`Error::Backend`] for what the device or storage reports.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tensor of a backend",
    note = "take `Parameters` of `ambient_metric_ndarray` or `ambient_metric_burn`, `DeviceTensor` of `ambient_metric_wgpu`, or implement `Tensor`"
)]
pub trait Tensor: Sized {
    /// The numbers it stores.
    type Element: Element;

    /// Its parts.
    fn layout(&self) -> &Layout;

    /// A tensor of the same layout, in the same place, full of zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for it.
    fn zeros_like(&self) -> Result<Self, Error>;

    /// A tensor of zeros for a slot of a rule's state, in the same place: with the layout of this one, and perhaps fewer bits a number.
    ///
    /// Where rounding is random, the numbers drawn depend on the slot, on the element, and on how often the tensor was updated: `updates`
    /// times before it was made, so that a state that is restored goes on with the numbers that it would have drawn.
    ///
    /// A backend that stores numbers in one way alone need not implement it.
    ///
    /// # Errors
    ///
    /// [`Error::StateStorage`]; [`Error::Backend`] where there is no memory for it.
    fn state_like(&self, storage: StateStorage, slot: usize, updates: u64) -> Result<Self, Error> {
        let (_every_slot_begins, _at_zero) = (slot, updates);
        storage.require_full()?;
        self.zeros_like()
    }

    /// A tensor of its own with the same elements.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where there is no memory for it.
    fn duplicate(&self) -> Result<Self, Error>;

    /// The elements of a part in row-major order, copied to the host.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`]; [`Error::Backend`] where the device fails.
    fn read(&self, part: usize) -> Result<Vec<Self::Element>, Error>;

    /// Replaces the elements of a part, given in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], [`Error::Shape`] where the number of elements differs;
    /// [`Error::Backend`] where the device fails.
    fn write(&mut self, part: usize, elements: &[Self::Element]) -> Result<(), Error>;

    /// All elements, part after part, where they are few and lie in the host's memory as they are computed with: an optimiser then runs
    /// its acts over them in place, because the set-up of a pass over many takes longer than the numbers.
    ///
    /// A backend that returns them promises that its [`sum`](Self::sum) adds them up from the first to the last. One that never does, need
    /// not implement it.
    fn few(&self) -> Option<&[Self::Element]> {
        None
    }

    /// As [`few`](Self::few), to be changed.
    fn few_mut(&mut self) -> Option<&mut [Self::Element]> {
        None
    }

    /// Sums a kernel's output over all elements, into one total per group.
    ///
    /// `totals` has one entry per group of `uniforms`; entries are overwritten.
    ///
    /// # Errors
    ///
    /// What [`Operands::check`] and [`Uniforms::check`] find; [`Error::Backend`] where the device fails.
    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error>;

    /// Replaces the elements of `target` and `companions` by a kernel's output, slot by slot: as many tensors as it has outputs.
    ///
    /// # Errors
    ///
    /// What [`Operands::check_update`] and [`Uniforms::check`] find; [`Error::Backend`] where the device fails.
    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error>;

    /// Whether [`prepare_sum`](Self::prepare_sum) and [`prepare_update`](Self::prepare_update) run what they record, and so take a kernel of which not
    /// everything is [present](Kernel::present).
    const RECORDS: bool = false;

    /// A kernel as a value, to be [summed](Self::sum): one of many of which a program runs few. By default it is [compiled](Compiled) for these tensors; a
    /// backend that can run a kernel without that saves the time to compile them all, and says so by [`RECORDS`](Self::RECORDS).
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] for a kernel that is larger than the backend can prepare.
    fn prepare_sum<K: Kernel + Send + 'static>(kernel: &K) -> Result<Box<dyn PreparedSum<Self>>, Error> {
        Ok(Box::new(Compiled(kernel.clone())))
    }

    /// As [`prepare_sum`](Self::prepare_sum), to be [stored](Self::update).
    ///
    /// # Errors
    ///
    /// As [`prepare_sum`](Self::prepare_sum).
    fn prepare_update<K: Kernel + Send + 'static>(kernel: &K) -> Result<Box<dyn PreparedUpdate<Self>>, Error> {
        Ok(Box::new(Compiled(kernel.clone())))
    }
}

/// The tensors that a pass reads, in the order of the kernel's input: target, companions, then the rest.
///
/// # Requirements
///
/// As many tensors as the kernel's input has slots, all of one layout; [`check`](Self::check) says whether it is so.
///
/// # Example
///
/// ```
/// use ambient_metric::{Error, Kernel, Real};
/// use ambient_metric::space::Operands;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Product;
///
/// impl Kernel for Product {
///     type Uniform<S: Real> = ();
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = S;
///
///     fn evaluate<S: Real>(&self, (): (), [x, y]: [S; 2]) -> S {
///         x * y
///     }
/// }
///
/// let x = Parameters::from(array![1.0_f64, 2.0]);
/// let y = x.clone();
/// let two = Operands { target: &x, companions: &[], reads: &[&y] };
/// assert!(two.check::<Product>().is_ok());
/// let one = Operands { reads: &[], ..two };
/// assert!(matches!(one.check::<Product>(), Err(Error::Operands { expected: 2, found: 1 })));
/// ```
#[derive(Debug)]
pub struct Operands<'a, T> {
    /// The tensor that an update writes.
    pub target: &'a T,
    /// Further tensors that an update writes.
    pub companions: &'a [T],
    /// Tensors that are only read.
    pub reads: &'a [&'a T],
}

impl<T> Clone for Operands<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Operands<'_, T> {}

impl<T: Tensor> Operands<'_, T> {
    /// Accepts operands that a kernel can run over: as many as it reads, all of one layout.
    ///
    /// # Errors
    ///
    /// [`Error::Operands`] for a wrong number, and what [`Layout::check`] finds.
    #[inline]
    pub fn check<K: Kernel>(&self) -> Result<(), Error> {
        self.agree(<K::Input<T::Element> as Bundle<T::Element>>::LEN)
    }

    /// Accepts so many operands, all of one layout.
    /// Accepts `expected` tensors of one layout.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn agree(&self, expected: usize) -> Result<(), Error> {
        let found = 1 + self.companions.len() + self.reads.len();
        if expected != found {
            return Err(Error::Operands { expected, found });
        }
        let layout = self.target.layout();
        // Two loops, since the chain of two iterators is not inlined and would be a tenth of a small step.
        for companion in self.companions {
            layout.check(companion.layout())?;
        }
        for read in self.reads {
            layout.check(read.layout())?;
        }
        Ok(())
    }

    /// Accepts operands that a kernel can be stored into: what [`check`](Self::check) accepts, with as many targets as the kernel has outputs.
    ///
    /// # Errors
    ///
    /// [`Error::Outputs`] for a wrong number of targets, and what [`check`](Self::check) finds.
    #[inline]
    pub fn check_update<K: Kernel>(&self) -> Result<(), Error> {
        let expected = <K::Output<T::Element> as Bundle<T::Element>>::LEN;
        let found = 1 + self.companions.len();
        if expected == found { self.check::<K>() } else { Err(Error::Outputs { expected, found }) }
    }
}

/// A point from named host data is made by each backend; a gradient is a covector, a step a vector: the same storage, and
/// only a metric turns one into the other.
///
/// # Example
///
/// ```
/// use ambient_metric::Covector;
///
/// let gradient = Covector([1.0, 2.0]);
/// assert_eq!(gradient.0, [1.0, 2.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Covector<T>(pub T);

/// A step: index up. See [`Covector`].
///
/// # Example
///
/// ```
/// let step = ambient_metric::Vector([0.5, 1.0]);
/// assert_eq!(step.0, [0.5, 1.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Vector<T>(pub T);

impl<T: Tensor> Covector<T> {
    /// The contraction Σ xᵢ vⁱ with a vector. It needs no metric.
    ///
    /// # Errors
    ///
    /// Where the layouts differ.
    pub fn contract(&self, vector: &Vector<T>) -> Result<Wide<T>, Error> {
        contract(&self.0, &vector.0)
    }

    /// Adds `scale` times another covector.
    ///
    /// # Errors
    ///
    /// Where the layouts differ.
    pub fn add_scaled(&mut self, scale: Wide<T>, other: &Self) -> Result<(), Error> {
        add_scaled(&mut self.0, scale, &other.0)
    }

    /// Accepts a gradient that is finite everywhere, as a metric's `update` should before it writes.
    ///
    /// ```
    /// use ambient_metric::{Covector, Error};
    /// use ambient_metric_ndarray::Parameters;
    ///
    /// let gradient = Covector(Parameters::new([("w", ndarray::array![1.0, f64::NAN].into_dyn())])?);
    /// assert!(matches!(gradient.require_finite(), Err(Error::NonFiniteGradient { parameter }) if parameter == "w"));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteGradient`] names the first parameter that is not; where the backend fails.
    pub fn require_finite(&self) -> Result<(), Error> {
        find_non_finite(&self.0)
    }

    /// Multiplies every component by `scale`.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    pub fn scale(&mut self, scale: Wide<T>) -> Result<(), Error> {
        T::update(&Scale, Uniforms::same(&scale), &mut self.0, &mut [], &[])
    }
}

impl<T: Tensor> Vector<T> {
    /// Adds `scale` times another vector.
    ///
    /// # Errors
    ///
    /// Where the layouts differ.
    pub fn add_scaled(&mut self, scale: Wide<T>, other: &Self) -> Result<(), Error> {
        add_scaled(&mut self.0, scale, &other.0)
    }

    /// Multiplies every component by `scale`.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    pub fn scale(&mut self, scale: Wide<T>) -> Result<(), Error> {
        T::update(&Scale, Uniforms::same(&scale), &mut self.0, &mut [], &[])
    }
}

/// x y, to be summed.
#[derive(Clone)]
struct Product;

impl Kernel for Product {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), [x, y]: [S; 2]) -> S {
        x * y
    }
}

/// y + a x.
#[derive(Clone)]
struct AddScaled;

impl Kernel for AddScaled {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, scale: S, [target, other]: [S; 2]) -> S {
        target + scale * other
    }
}

/// a x.
#[derive(Clone)]
struct Scale;

impl Kernel for Scale {
    type Uniform<S: Real> = S;
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, scale: S, x: S) -> S {
        scale * x
    }
}

/// Σ xᵢ yᵢ of two tensors, whatever they stand for; [`Covector::contract`] is this for a covector and a vector.
///
/// # Example
///
/// ```
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let (x, y) = (Parameters::from(array![1.0_f64, 2.0]), Parameters::from(array![3.0, 4.0]));
/// assert_eq!(ambient_metric::space::contract(&x, &y)?, 11.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Where the layouts differ.
pub fn contract<T: Tensor>(x: &T, y: &T) -> Result<Wide<T>, Error> {
    let mut total = [<Wide<T> as Field>::zero()];
    let operands = Operands { target: x, companions: &[], reads: &[y] };
    T::sum(&Product, Uniforms::same(&()), operands, &mut total)?;
    let [total] = total;
    Ok(total)
}

/// Adds `scale` times another tensor.
pub(crate) fn add_scaled<T: Tensor>(target: &mut T, scale: Wide<T>, other: &T) -> Result<(), Error> {
    T::update(&AddScaled, Uniforms::same(&scale), target, &mut [], &[other])
}

/// The sum of tensors with these weights.
pub(crate) fn weighed<'a, T: Tensor + 'a>(terms: impl IntoIterator<Item = (&'a T, Wide<T>)>) -> Result<T, Error> {
    let mut terms = terms.into_iter();
    let (first, weight) = terms.next().ok_or(Error::Empty)?;
    let mut sum = first.duplicate()?;
    T::update(&Scale, Uniforms::same(&weight), &mut sum, &mut [], &[])?;
    terms.try_for_each(|(term, weight)| add_scaled(&mut sum, weight, term))?;
    Ok(sum)
}

/// 0 · l: zero where l is finite, and not finite where it is not.
#[derive(Clone)]
struct Probe;

impl Kernel for Probe {
    type Uniform<S: Real> = ();
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), gradient: S) -> S {
        S::zero() * gradient
    }
}

/// Names the first parameter whose gradient is not finite; accepts a gradient that is finite everywhere.
pub(crate) fn find_non_finite<T: Tensor>(gradient: &T) -> Result<(), Error> {
    match first_non_finite(gradient)? {
        Some(parameter) => Err(Error::NonFiniteGradient { parameter }),
        None => Ok(()),
    }
}

/// The name of the first part with an element that is not finite.
pub(crate) fn first_non_finite<T: Tensor>(tensor: &T) -> Result<Option<String>, Error> {
    let parts = tensor.layout().parts();
    let group_of_part: Vec<usize> = (0..parts.len()).collect();
    let mut totals = vec![<Wide<T> as Field>::zero(); parts.len()];
    let uniforms = Uniforms { groups: &vec![(); parts.len()], group_of_part: &group_of_part };
    T::sum(&Probe, uniforms, Operands { target: tensor, companions: &[], reads: &[] }, &mut totals)?;
    Ok(parts.iter().zip(&totals).find(|(_, total)| !total.is_finite()).map(|(part, _)| part.name.clone()))
}
