//! How a rule's state per element is stored: as wide as the parameters, or in 16 bits.

use crate::error::Error;

/// How momentum and moments, which a rule keeps for every element, are stored. What is computed is computed in the type of the parameters.
///
/// A state of half the width saves memory: `rules::rmsprop` on `f32` has 36 bytes to move for every parameter, and 26 where its state has 16 bits. On
/// the machines that were measured rounding takes longer than those bytes, so that it saves no time.
///
/// # Mathematics
///
/// With the step s′ = F(s, θ, l) of a rule, a narrow state follows s̃′ = R(F(s̃, θ, l)), where R rounds to the numbers of 16 bits.
///
/// - [`Bf16`](Self::Bf16) has 8 digits of precision and the range of `f32`. R rounds up or down at random, up with the probability (x − a)/(b − a)
///   between neighbours a ≤ x ≤ b. So E R(x) = x and |R(x) − x| < 2⁻⁷|x|, and an average moves as it should also where one
///   step of it is less than half the distance of two numbers, which rounding to nearest would never take. A number that would round
///   beyond the last one is that.
/// - [`F16`](Self::F16) has 11 digits and a small range. R rounds to nearest from 2⁻¹⁴ to 65504, |R(x) − x| ≤ 2⁻¹¹|x|; below, where a half counts
///   2⁻²⁴, it rounds towards zero, so that an average of gradients that have vanished ends there; beyond the range R(x) = ±65504.
///
/// A state below the least normal number of the type that is computed with is stored as zero, in every format, 16 bits or not.
///
/// An average m ← μm + (1−μ)l whose every value is rounded with |δ| ≤ u|m| ends at most u max|m| / (1−μ) from the one that is not, since
/// the error of step k has been multiplied by μ at every step since.
///
/// # Requirements
///
/// A backend that can store a state so, or the error [`Error::StateStorage`]. And a rule whose steps stand both ends of the range: a gradient of 10⁻³ has a
/// square of 10⁻⁶, of which RMSprop adds 10⁻⁹, and as a half that is zero; without it the step would be 25 times too long, and without bound once
/// the gradient vanishes. One of 1000 has a square that is too large. So a rule with second moments is refused as f16, with
/// [`Error::StateRange`], when its optimiser is built: bf16 is for it. Momentum alone takes either.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric::space::StateStorage;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![1.0_f32, 2.0]);
/// let configuration = Configuration::new(rules::adam(), 0.1).state_storage(StateStorage::Bf16 { seed: 7 });
/// let mut optimiser = configuration.build(&theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![0.5, 0.5])), 1.0)?;
/// // The momentum is 0.05, rounded up or down by less than one part in 128 of it.
/// let momentum = optimiser.state()[0].as_slice()[0];
/// assert!((momentum - 0.05).abs() < 0.05 / 128.0 && momentum.to_bits().trailing_zeros() >= 16);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub enum StateStorage {
    /// As the parameters are.
    #[default]
    Full,
    /// The upper half of an `f32`, rounded at random.
    Bf16 {
        /// Where the random numbers begin: the same seed gives the same bits, whatever the number of threads.
        seed: u64,
    },
    /// IEEE half precision, rounded to nearest.
    F16,
}

impl StateStorage {
    /// The name in messages and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Bf16 { .. } => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The bytes of a number of the state beside parameters whose numbers have `full` bytes.
    ///
    /// ```
    /// use ambient_metric::space::StateStorage;
    /// assert_eq!([StateStorage::Full.bytes(8), StateStorage::F16.bytes(8)], [8, 2]);
    /// ```
    #[must_use]
    pub fn bytes(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Bf16 { .. } | Self::F16 => 2,
        }
    }

    /// Accepts a state as wide as the parameters; for a backend or an optimiser that knows no other.
    ///
    /// # Errors
    ///
    /// [`Error::StateStorage`].
    pub fn require_full(self) -> Result<(), Error> {
        if self == Self::Full { Ok(()) } else { Err(Error::StateStorage { storage: self.name() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_state_is_full() {
        assert!(StateStorage::default().require_full().is_ok());
        for narrow in [StateStorage::Bf16 { seed: 0 }, StateStorage::F16] {
            let refused = narrow.require_full();
            assert!(matches!(refused, Err(Error::StateStorage { storage }) if storage == narrow.name()));
        }
    }

    #[test]
    fn sixteen_bits_are_two_bytes() {
        let all = [StateStorage::Full, StateStorage::Bf16 { seed: 1 }, StateStorage::F16];
        assert_eq!(all.map(|storage| storage.bytes(8)), [8, 2, 2]);
    }
}
