//! Numbers as they are saved: in the width in which they are kept.

use core::any::Any;
use core::mem::take;

use crate::number::scalar::Element;

/// Numbers of a saved state, in the width in which they are kept, to the bit.
///
/// Two are equal where their values are, in whatever width. With the feature `serde` they are written as a list of `f64`, as every `f32` is one, and
/// read back as these.
///
/// # Example
///
/// ```
/// use ambient_metric::space::Numbers;
///
/// let narrow = Numbers::of(vec![0.5_f32, 0.1]);
/// assert!(matches!(narrow, Numbers::F32(_)));
/// assert_eq!(narrow, Numbers::F64(vec![0.5, f64::from(0.1_f32)]));
/// assert_eq!(narrow.into_elements(), Some(vec![0.5_f32, 0.1]));
/// ```
#[derive(Clone, Debug)]
pub enum Numbers {
    /// Of 32 bits.
    F32(Vec<f32>),
    /// Of 64 bits.
    F64(Vec<f64>),
}

impl Numbers {
    /// These elements: `f32` and `f64` as they are, elements of another type as the nearest `f64`.
    #[must_use]
    pub fn of<E: Element>(mut elements: Vec<E>) -> Self {
        let any: &mut dyn Any = &mut elements;
        if let Some(narrow) = any.downcast_mut() {
            return Self::F32(take(narrow));
        }
        if let Some(wide) = any.downcast_mut() {
            return Self::F64(take(wide));
        }
        Self::F64(elements.into_iter().map(Element::to_f64).collect())
    }

    /// The elements, if they are of this type.
    #[must_use]
    pub fn into_elements<E: Element>(mut self) -> Option<Vec<E>> {
        let any: &mut dyn Any = match &mut self {
            Self::F32(narrow) => narrow,
            Self::F64(wide) => wide,
        };
        any.downcast_mut().map(take)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(narrow) => narrow.len(),
            Self::F64(wide) => wide.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every number, widened.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        let (narrow, wide): (&[f32], &[f64]) = match self {
            Self::F32(narrow) => (narrow, &[]),
            Self::F64(wide) => (&[], wide),
        };
        narrow.iter().copied().map(f64::from).chain(wide.iter().copied())
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(numbers: Vec<f32>) -> Self {
        Self::F32(numbers)
    }
}

impl From<Vec<f64>> for Numbers {
    fn from(numbers: Vec<f64>) -> Self {
        Self::F64(numbers)
    }
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Numbers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;

        // With their number, which some formats need to know.
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|number| list.serialize_element(&number))?;
        list.end()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Numbers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::F64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// NaNs with all their bits too, which arithmetic might quieten.
        #[test]
        fn elements_come_back_as_they_went_in(
            bits in prop::collection::vec(any::<u64>(), 0..5),
            low in prop::collection::vec(any::<u32>(), 0..5),
        ) {
            let wide: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
            let back = Numbers::of(wide).into_elements::<f64>();
            prop_assert_eq!(back.map(|back| back.into_iter().map(f64::to_bits).collect()), Some(bits));
            let narrow: Vec<f32> = low.iter().map(|bits| f32::from_bits(*bits)).collect();
            let saved = Numbers::of(narrow);
            prop_assert_eq!((saved.len(), saved.clone().into_elements::<f64>()), (low.len(), None));
            let back = saved.into_elements::<f32>();
            prop_assert_eq!(back.map(|back| back.into_iter().map(f32::to_bits).collect()), Some(low));
        }

        #[test]
        fn equality_is_that_of_the_values(numbers in prop::collection::vec(-9.0..9.0_f32, 1..5), at in 0..4_usize) {
            let widened: Vec<f64> = numbers.iter().copied().map(f64::from).collect();
            prop_assert_eq!(Numbers::from(numbers.clone()), Numbers::from(widened.clone()));
            let mut other = widened.clone();
            other[at % numbers.len()] += 1.0;
            prop_assert_ne!(Numbers::from(numbers.clone()), Numbers::from(other));
            prop_assert_ne!(Numbers::from(numbers), Numbers::from(widened[1..].to_vec()));
        }
    }
}
