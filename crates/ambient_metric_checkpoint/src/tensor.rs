//! Tensors as they are saved: a type of elements, a shape, and bytes.

use ambient_metric::space::{Numbers, StateStorage};
use half::{bf16, f16};
use safetensors::Dtype;

use crate::error::{Error, Problem};

/// A tensor as it stands in a file: elements of a type, in row-major order, every one with its least byte first.
///
/// # Example
///
/// ```
/// use ambient_metric::space::Numbers;
/// use ambient_metric_checkpoint::{Dtype, SavedTensor};
///
/// let mask = SavedTensor::new(Dtype::U8, vec![3], vec![1, 0, 1])?;
/// assert_eq!(mask.bytes(), [1, 0, 1]);
/// let numbers = SavedTensor::of(&Numbers::F32(vec![1.0, f32::NAN]), vec![1, 2])?;
/// assert_eq!((numbers.dtype(), numbers.shape()), (Dtype::F32, [1, 2].as_slice()));
/// assert!(SavedTensor::new(Dtype::F64, vec![3], vec![0; 23]).is_err());
/// # Ok::<(), ambient_metric_checkpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// How many bytes elements of this type and shape take, where that is a whole number that can be counted.
fn bytes_of(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    let elements = shape.iter().try_fold(1_usize, |elements, &extent| elements.checked_mul(extent))?;
    let bits = elements.checked_mul(dtype.bitsize())?;
    bits.is_multiple_of(8).then_some(bits / 8)
}

impl SavedTensor {
    /// A tensor of these bytes.
    ///
    /// # Errors
    ///
    /// [`Problem::Bytes`] where they are not as many as the shape asks for.
    pub fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes_of(dtype, &shape) == Some(bytes.len()) {
            Ok(Self { dtype, shape, bytes })
        } else {
            Err(Problem::Bytes { dtype, shape, bytes: bytes.len() }.into())
        }
    }

    /// A tensor of these numbers, to the bit.
    ///
    /// # Errors
    ///
    /// [`Problem::Bytes`] where they are not as many as the shape asks for.
    pub fn of(numbers: &Numbers, shape: Vec<usize>) -> Result<Self, Error> {
        match numbers {
            Numbers::F32(numbers) => Self::new(Dtype::F32, shape, bytes(numbers, f32::to_le_bytes)),
            Numbers::F64(numbers) => Self::new(Dtype::F64, shape, bytes(numbers, f64::to_le_bytes)),
        }
    }

    /// A list of numbers of a state, in 16 bits where they are stored in 16 bits.
    pub(crate) fn of_state(numbers: &Numbers, storage: StateStorage) -> Result<Self, Error> {
        let narrowed = match storage {
            StateStorage::Bf16 { .. } => narrowed(numbers, bf16::from_f64, bf16::to_f64, bf16::to_le_bytes),
            StateStorage::F16 => narrowed(numbers, f16::from_f64, f16::to_f64, f16::to_le_bytes),
            _ => None,
        };
        match (narrowed, storage) {
            (Some(bytes), StateStorage::F16) => Self::new(Dtype::F16, vec![numbers.len()], bytes),
            (Some(bytes), _) => Self::new(Dtype::BF16, vec![numbers.len()], bytes),
            (None, _) => Self::of(numbers, vec![numbers.len()]),
        }
    }

    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its shape; empty for a single number.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, in row-major order, every one with its least byte first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its elements as numbers, to the bit; those of 16 bits as the `f32` of the same value. `None` for elements of another type.
    ///
    /// ```
    /// use ambient_metric::space::Numbers;
    /// use ambient_metric_checkpoint::{Dtype, SavedTensor};
    ///
    /// let halves = SavedTensor::new(Dtype::BF16, vec![2], vec![0x80, 0x3f, 0x00, 0xc0])?;
    /// assert_eq!(halves.numbers(), Some(Numbers::F32(vec![1.0, -2.0])));
    /// # Ok::<(), ambient_metric_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn numbers(&self) -> Option<Numbers> {
        match self.dtype {
            Dtype::F16 => Some(Numbers::F32(elements(&self.bytes, |bytes| f16::from_le_bytes(bytes).to_f32()))),
            Dtype::BF16 => Some(Numbers::F32(elements(&self.bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()))),
            Dtype::F32 => Some(Numbers::F32(elements(&self.bytes, f32::from_le_bytes))),
            Dtype::F64 => Some(Numbers::F64(elements(&self.bytes, f64::from_le_bytes))),
            _ => None,
        }
    }
}

/// The bytes of elements, one after another.
fn bytes<E: Copy, const N: usize>(elements: &[E], bytes: impl Fn(E) -> [u8; N]) -> Vec<u8> {
    let mut all = Vec::with_capacity(elements.len() * N);
    for &element in elements {
        all.extend_from_slice(&bytes(element));
    }
    all
}

/// The elements of bytes.
fn elements<E, const N: usize>(bytes: &[u8], element: impl Fn([u8; N]) -> E) -> Vec<E> {
    bytes.as_chunks().0.iter().map(|&bytes| element(bytes)).collect()
}

/// The bytes of numbers as narrower ones, if every one is the same there.
fn narrowed<H: Copy>(
    numbers: &Numbers,
    narrow: impl Fn(f64) -> H,
    widen: impl Fn(H) -> f64,
    bytes: impl Fn(H) -> [u8; 2],
) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(2 * numbers.len());
    for number in numbers.iter() {
        let half = narrow(number);
        if widen(half).to_bits() != number.to_bits() {
            return None;
        }
        all.extend_from_slice(&bytes(half));
    }
    Some(all)
}
