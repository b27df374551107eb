//! Whether a rule stands the range of numbers that its state is stored in.

use crate::base::pointwise::Weights;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Element, Field, Real};
use crate::rule::rule::{Coordinate, Rule};
use crate::space::state_storage::StateStorage;

impl StateStorage {
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
    /// use ambient_metric::{Error, RmsProp, rules};
    /// use ambient_metric::space::StateStorage;
    ///
    /// let adam = |epsilon| rules::adam().metric(RmsProp { beta: 0.999, epsilon });
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
    let weights = Weights::of(rule.observation_decay(), 0, 1);
    let advance = |mut state: R::State<E::Wide>, gradient: f64| {
        if rule.observes() {
            state = rule.notice(weights, state, Field::constant(gradient));
        }
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
