//! How a rule's state per element is stored: as wide as the parameters, or in 16 bits.

use crate::bundle::Bundle;
use crate::error::Error;
use crate::rule::{Coordinate, Rule};
use crate::scalar::{Element, Field, Real};

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
/// use ambient_metric::{rules, Configuration, Covector, StateStorage};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![1.0_f32, 2.0]);
/// let configuration = Configuration::new(rules::adam(0.9, 0.999, 1e-8), 0.1).state_storage(StateStorage::Bf16 { seed: 7 });
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
    /// use ambient_metric::StateStorage;
    /// assert_eq!([StateStorage::Full.bytes(8), StateStorage::F16.bytes(8)], [8, 2]);
    /// ```
    #[must_use]
    pub fn bytes(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Bf16 { .. } | Self::F16 => 2,
        }
    }

    /// The size of a number of the state below which it may be stored as zero, and that beyond which there is none, where `E` is computed with.
    fn range<E: Element>(self) -> (f64, f64) {
        match self {
            Self::Full => (E::LEAST_NORMAL, f64::INFINITY),
            Self::Bf16 { .. } => (E::LEAST_NORMAL.max(f64::from(f32::MIN_POSITIVE)), f64::INFINITY),
            Self::F16 => HALVES,
        }
    }

    /// Accepts a rule whose steps stay what they are where numbers of the state that are too small for its storage become zero, and those that are
    /// too large the largest. An optimiser asks for it when it is built.
    ///
    /// # Mathematics
    ///
    /// For every power of four g that can be a gradient the state sees g some times, and then zero, once as it is, and once as it is stored. No
    /// step of the second run may be longer than four times all that the first takes from there on.
    ///
    /// # Errors
    ///
    /// [`Error::StateRange`].
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Error, StateStorage, rules};
    ///
    /// let adam = |epsilon| rules::adam(0.9, 0.999, epsilon);
    /// assert!(matches!(StateStorage::F16.check_range::<_, f32>(&adam(1e-8)), Err(Error::StateRange { .. })));
    /// assert!(StateStorage::F16.check_range::<_, f32>(&rules::sgd(0.9)).is_ok());
    /// assert!(StateStorage::Bf16 { seed: 0 }.check_range::<_, f32>(&adam(1e-8)).is_ok());
    /// // The square root of the least normal number of `f32` is 10⁻¹⁹.
    /// assert!(StateStorage::Full.check_range::<_, f32>(&adam(1e-24)).is_err());
    /// ```
    pub fn check_range<R: Rule, E: Element>(self, rule: &R) -> Result<(), Error> {
        let range = self.range::<E>();
        let (least, largest) = range;
        if <R::State<E> as Bundle<E>>::LEN == 0 || least == 0.0 {
            return Ok(());
        }
        // Where there is a largest number, gradients come near it; else what is too large is refused with the step.
        let last = if largest.is_finite() { largest } else { 1.0 };
        let mut gradient = least;
        while gradient <= last {
            if lengthens::<R, E>(rule, range, gradient) {
                return Err(Error::StateRange { rule: rule.name(), storage: self.name(), gradient });
            }
            gradient *= 4.0;
        }
        Ok(())
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

/// The least number above zero in half precision, and the largest.
const HALVES: (f64, f64) = (1.0 / (1 << 24) as f64, 65504.0);

/// Steps after which what is missing from an average of squares shows: their number is the ratio that is found, squared.
const STEPS: usize = 32;

/// Whether steps become more than four times as long where numbers of the state are stored in this range.
fn lengthens<R: Rule, E: Element>(rule: &R, (least, largest): (f64, f64), gradient: f64) -> bool {
    // After many steps, when nothing is corrected for the start at zero.
    let corrections = rule.correct(Bundle::<E::Wide>::zero());
    let multipliers = Bundle::<E::Wide>::build(&mut Field::one);
    let advance = |state: R::State<E::Wide>, gradient: f64| {
        let gradient = Bundle::<E::Wide>::build(&mut || Field::constant(gradient));
        rule.advance(corrections, multipliers, Coordinate { parameter: Field::zero(), state, gradient })
    };
    let stored = |state: R::State<E::Wide>| {
        let store = |x: E::Wide| {
            let bound = <E::Wide as Field>::constant(largest);
            if x.to_f64().abs() < least { Field::zero() } else { x.maximum(-bound).minimum(bound) }
        };
        Bundle::<E::Wide>::map(state, store)
    };
    let mut state: [R::State<E::Wide>; 2] = [Bundle::<E::Wide>::zero(); 2];
    // The lengths of all steps, with the state as it is and as it would be stored.
    let mut lengths = [[0.0_f64; 2]; STEPS + 1];
    for (step, lengths) in lengths.iter_mut().enumerate() {
        let gradient = if step < STEPS { gradient } else { 0.0 };
        let [next, after_loss] = state.map(|state| advance(state, gradient));
        *lengths = [next.parameter, after_loss.parameter].map(|parameter| parameter.to_f64().abs());
        state = [next.state, stored(after_loss.state)];
        let is_same = |(x, y): (E::Wide, E::Wide)| x.to_f64().to_bits() == y.to_f64().to_bits();
        let [exact, stored] = &state;
        if step == 0 && Bundle::<E::Wide>::scalars(exact).zip(Bundle::<E::Wide>::scalars(stored)).all(is_same) {
            return false;
        }
    }
    // The longest step from here on, since a single one may happen to be short.
    let mut longest = 0.0_f64;
    lengths.iter().rev().any(|&[whole, lossy]| {
        longest = longest.max(whole);
        lossy > 4.0 * longest
    })
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
