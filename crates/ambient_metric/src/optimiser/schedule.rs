//! Schedules: hyperparameters that depend on the step, as values that a training loop passes on.

use core::f64::consts::PI;

use crate::error::{Error, require_non_negative};

/// A hyperparameter as a function of the step.
///
/// A schedule holds no state. The loop asks it for the value of a step and passes that on, to
/// [`Optimiser::set_learning_rate`](crate::Optimiser::set_learning_rate) or [`Optimiser::set_xi`](crate::Optimiser::set_xi); a run that is
/// resumed at step t asks for step t. Any function of the step is a schedule.
///
/// # Mathematics
///
/// Steps are counted by the updates done before them: the first is step 0, and [`Optimiser::steps`](crate::Optimiser::steps) says which is next.
///
/// # Requirements
///
/// Numbers are finite and not negative, which [`validate`](Self::validate) says before a run and the optimiser at every step.
///
/// # Example
///
/// A learning rate that warms up over 10 steps and falls to a tenth over 90, and a ξ that grows:
///
/// ```
/// use ambient_metric::{Configuration, Covector, Schedule, rules};
/// use ambient_metric::optimiser::{Cosine, Linear};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let eta = Cosine { from: 0.5, to: 0.05, steps: 90 }.warm_up(10).checked()?;
/// let xi = Linear { from: 0.0, to: 0.1, steps: 50 }.checked()?;
///
/// // L = |θ|²/2, whose gradient is θ.
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rules::euclidean(xi.at(0)).momentum(0.5).beta(0.0), eta.at(0)).build(&theta)?;
/// for _ in 0..100 {
///     let step = optimiser.steps()?;
///     optimiser.set_learning_rate("default", eta.at(step))?;
///     optimiser.set_xi(xi.at(step))?;
///     let gradient = Covector(theta.clone());
///     let loss = gradient.0.iter().map(|x| x * x / 2.0).sum();
///     optimiser.step(&mut theta, &gradient, loss)?;
/// }
/// assert!(theta.iter().all(|x| x.abs() < 1e-6));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// A function of the step, here one over its root:
///
/// ```
/// use ambient_metric::Schedule;
///
/// let eta = (|step: u64| 0.1 / (1.0 + step as f64).sqrt()).warm_up(3);
/// assert_eq!([eta.at(0), eta.at(3), eta.at(6)], [0.025, 0.1, 0.05]);
/// ```
///
/// # Errors
///
/// [`validate`](Self::validate) answers with [`Error::Hyperparameter`].
pub trait Schedule {
    /// The value at a step, counted from zero.
    fn at(&self, step: u64) -> f64;

    /// Accepts a schedule whose own numbers are finite and not negative. A function of the step has none.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The schedule itself, if [`validate`](Self::validate) accepts it.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn checked(self) -> Result<Self, Error>
    where
        Self: Sized,
    {
        self.validate()?;
        Ok(self)
    }

    /// This schedule after so many steps in which its first value is approached in equal parts.
    fn warm_up(self, steps: u64) -> WarmUp<Self>
    where
        Self: Sized,
    {
        WarmUp { steps, schedule: self }
    }

    /// This schedule for so many steps, then `next`, which counts from its own beginning.
    fn then<N: Schedule>(self, steps: u64, next: N) -> Then<Self, N>
    where
        Self: Sized,
    {
        Then { first: self, steps, next }
    }

    /// The product with another schedule, step by step.
    fn times<N: Schedule>(self, other: N) -> Times<Self, N>
    where
        Self: Sized,
    {
        Times(self, other)
    }
}

impl<F: Fn(u64) -> f64> Schedule for F {
    fn at(&self, step: u64) -> f64 {
        self(step)
    }
}

/// The same value at every step.
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::Constant;
///
/// assert_eq!(Constant(0.1).at(1_000_000), 0.1);
/// assert!(Constant(f64::NAN).validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Constant(
    /// The value.
    pub f64,
);

impl Schedule for Constant {
    fn at(&self, _step: u64) -> f64 {
        self.0
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("constant", self.0)
    }
}

/// A straight line from one value to another, and the other ever after.
///
/// # Mathematics
///
/// from + (to − from) t / steps for t < steps, then to.
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::Linear;
///
/// let line = Linear { from: 0.0, to: 1.0, steps: 4 };
/// assert_eq!([0, 1, 2, 4, 9].map(|step| line.at(step)), [0.0, 0.25, 0.5, 1.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Linear {
    /// The value at step 0.
    pub from: f64,
    /// The value from step `steps` on.
    pub to: f64,
    /// How long the way is.
    pub steps: u64,
}

known_keys! { Linear { from, to, steps } }

impl Schedule for Linear {
    fn at(&self, step: u64) -> f64 {
        along(self.from, self.to, self.steps, step, |share| share)
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("from", self.from)?;
        require_non_negative("to", self.to)
    }
}

/// Half a wave of the cosine from one value, usually the peak, to another, the floor, and the floor ever after.
///
/// # Mathematics
///
/// to + (from − to) (1 + cos(πt / steps)) / 2 for t < steps, then to.
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::Cosine;
///
/// let cosine = Cosine { from: 1.0, to: 0.5, steps: 10 };
/// assert_eq!([cosine.at(0), cosine.at(5), cosine.at(10), cosine.at(11)], [1.0, 0.75, 0.5, 0.5]);
/// ```
///
/// # References
///
/// I. Loshchilov and F. Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR 2017, eq. 5.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Cosine {
    /// The value at step 0.
    pub from: f64,
    /// The value from step `steps` on.
    pub to: f64,
    /// How long the way is.
    pub steps: u64,
}

known_keys! { Cosine { from, to, steps } }

impl Schedule for Cosine {
    fn at(&self, step: u64) -> f64 {
        // sin² of half the angle: no digits are lost near the beginning.
        along(self.from, self.to, self.steps, step, |share| (0.5 * PI * share).sin().powi(2))
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("from", self.from)?;
        require_non_negative("to", self.to)
    }
}

/// The value between `from` and `to` at a share of the way that `shape` makes of the share of the steps.
fn along(from: f64, to: f64, steps: u64, step: u64, shape: impl Fn(f64) -> f64) -> f64 {
    if step >= steps {
        return to;
    }
    let share = shape(step as f64 / steps as f64);
    (1.0 - share) * from + share * to
}

/// A schedule after a linear approach to its first value. Made by [`Schedule::warm_up`].
///
/// # Mathematics
///
/// With w steps of warm-up, (t + 1)/(w + 1) of the schedule's first value for t < w, then the schedule from its beginning. No step is taken with
/// the value zero, and the first value is not taken twice.
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::Constant;
///
/// let eta = Constant(1.0).warm_up(3);
/// assert_eq!([0, 1, 2, 3, 4].map(|step| eta.at(step)), [0.25, 0.5, 0.75, 1.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct WarmUp<S> {
    /// How many steps it takes.
    pub steps: u64,
    /// What follows.
    pub schedule: S,
}

known_keys! { WarmUp<S> { steps, schedule } }

impl<S: Schedule> Schedule for WarmUp<S> {
    fn at(&self, step: u64) -> f64 {
        match step.checked_sub(self.steps) {
            Some(after) => self.schedule.at(after),
            None => self.schedule.at(0) * ((step as f64 + 1.0) / (self.steps as f64 + 1.0)),
        }
    }

    fn validate(&self) -> Result<(), Error> {
        self.schedule.validate()
    }
}

/// One schedule for some steps, then another. Made by [`Schedule::then`].
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::{Constant, Linear};
///
/// let trapezoid = Constant(1.0).then(2, Linear { from: 1.0, to: 0.0, steps: 2 });
/// assert_eq!([0, 1, 2, 3, 4].map(|step| trapezoid.at(step)), [1.0, 1.0, 1.0, 0.5, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Then<A, B> {
    /// What comes first.
    pub first: A,
    /// For how many steps.
    pub steps: u64,
    /// What follows, counted from its own beginning.
    pub next: B,
}

known_keys! { Then<A, B> { first, steps, next } }

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn at(&self, step: u64) -> f64 {
        match step.checked_sub(self.steps) {
            Some(after) => self.next.at(after),
            None => self.first.at(step),
        }
    }

    fn validate(&self) -> Result<(), Error> {
        self.first.validate()?;
        self.next.validate()
    }
}

/// The product of two schedules. Made by [`Schedule::times`].
///
/// # Example
///
/// ```
/// use ambient_metric::Schedule;
/// use ambient_metric::optimiser::{Constant, Linear};
///
/// let half = Linear { from: 1.0, to: 0.0, steps: 4 }.times(Constant(0.5));
/// assert_eq!(half.at(2), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Times<A, B>(
    /// One factor.
    pub A,
    /// The other.
    pub B,
);

impl<A: Schedule, B: Schedule> Schedule for Times<A, B> {
    fn at(&self, step: u64) -> f64 {
        self.0.at(step) * self.1.at(step)
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()?;
        self.1.validate()
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is promised exactly is compared exactly")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is promised of a way from one value to another.
    fn is_a_way(schedule: &impl Schedule, from: f64, to: f64, steps: u64) -> Result<(), TestCaseError> {
        prop_assert_eq!(schedule.at(steps), to);
        prop_assert_eq!(schedule.at(u64::MAX), to);
        if steps > 0 {
            prop_assert_eq!(schedule.at(0), from);
        }
        // Two products and a sum, each rounded once: 2 ulp of the larger end.
        let slack = 2.0 * f64::EPSILON * from.max(to);
        let values: Vec<f64> = (0..=steps).map(|step| schedule.at(step)).collect();
        for pair in values.windows(2) {
            let step = pair[1] - pair[0];
            prop_assert!(if to >= from { step >= -slack } else { step <= slack }, "{:?}", pair);
        }
        prop_assert!(values.iter().all(|value| (from.min(to) - slack..=from.max(to) + slack).contains(value)));
        Ok(())
    }

    proptest! {
        #[test]
        fn ways_begin_and_end_exactly_and_never_turn_back(from in 0.0..2.0_f64, to in 0.0..2.0_f64, steps in 0..200_u64) {
            is_a_way(&Linear { from, to, steps }, from, to, steps)?;
            is_a_way(&Cosine { from, to, steps }, from, to, steps)?;
        }

        /// Halfway a cosine is at the mean, and its two halves mirror each other; sin² and cos² of one angle add to 1 within 2 ulp.
        #[test]
        fn the_cosine_is_symmetric(from in 0.0..2.0_f64, to in 0.0..2.0_f64, half in 1..100_u64, off in 0..100_u64) {
            let cosine = Cosine { from, to, steps: 2 * half };
            let off = off.min(half);
            let sum = cosine.at(half - off) + cosine.at(half + off);
            prop_assert!((sum - (from + to)).abs() <= 8.0 * f64::EPSILON * from.max(to));
        }

        #[test]
        fn a_warm_up_rises_in_equal_parts_and_then_begins(peak in 0.1..2.0_f64, warm in 0..50_u64, after in 0..50_u64) {
            let line = Linear { from: peak, to: 0.0, steps: 50 };
            let schedule = line.warm_up(warm);
            for step in 0..warm {
                prop_assert!(schedule.at(step) > 0.0 && schedule.at(step) < peak);
                let rise = schedule.at(step + 1) - schedule.at(step);
                prop_assert!((rise - peak / (warm as f64 + 1.0)).abs() <= 4.0 * f64::EPSILON * peak);
            }
            prop_assert_eq!(schedule.at(warm + after), line.at(after));
        }

        #[test]
        fn compositions_are_what_they_say(value in 0.0..2.0_f64, at in 0..50_u64, step in 0..100_u64) {
            let line = Linear { from: 1.0, to: 0.25, steps: 30 };
            let expected = if step < at { value } else { line.at(step - at) };
            prop_assert_eq!(Constant(value).then(at, line).at(step), expected);
            prop_assert_eq!(line.times(Constant(value)).at(step), line.at(step) * value);
            let function = |step: u64| line.at(step);
            prop_assert_eq!(function.at(step), line.at(step));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name_however_deep() {
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let line = Linear { from: bad, to: 1.0, steps: 3 };
            assert!(matches!(line.validate(), Err(Error::Hyperparameter { name: "from", .. })));
            let cosine = Cosine { from: 1.0, to: bad, steps: 3 };
            assert!(matches!(cosine.checked(), Err(Error::Hyperparameter { name: "to", .. })));
            assert!(Constant(1.0).then(2, Constant(1.0).times(Constant(bad)).warm_up(3)).validate().is_err());
        }
        assert!(Constant(0.0).warm_up(u64::MAX).at(u64::MAX - 1) < 1.0);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_composition_survives_serialisation() -> Result<(), serde_json::Error> {
        let schedule =
            Cosine { from: 0.1, to: 0.01, steps: 9 }.warm_up(3).then(12, Constant(0.01)).times(Constant(2.0));
        let text = serde_json::to_string(&schedule)?;
        assert_eq!(serde_json::from_str::<Times<Then<WarmUp<Cosine>, Constant>, Constant>>(&text)?, schedule);
        Ok(())
    }
}
