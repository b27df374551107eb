//! One run of an optimiser on a function.

use ambient_metric::AnyRule;

use super::outcome::{Outcome, Track};
use super::stepping::Stepping;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;

/// One run: which function from where, with which optimiser, and when it ends.
#[derive(Clone, Debug)]
pub struct Run {
    /// The function to be minimised.
    pub function: Function,
    /// Where the run begins.
    pub start: [f64; 2],
    /// The value at which it has converged.
    pub tolerance: f64,
    /// After how many updates it ends.
    pub max_iterations: u32,
    /// The rule.
    pub rule: AnyRule,
    /// Its learning rate and weight decay, and κ of a coupling that is given.
    pub config: Hyperparameters,
}

impl Run {
    /// Runs to the end.
    ///
    /// A step that the library refuses (an overflow, a gradient that is not finite) ends the run as not converged.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] for constants outside their range.
    pub fn outcome(&self) -> Result<Outcome, Error> {
        self.descend(|_, _| {})
    }

    /// Runs to the end and keeps every point.
    ///
    /// # Errors
    ///
    /// Those of [`outcome`](Self::outcome).
    pub fn track(&self) -> Result<(Outcome, Track), Error> {
        let mut track = Track::new();
        let outcome = self.descend(|point, value| track.push((point, value)))?;
        Ok((outcome, track))
    }

    /// Steps from the start to the end. A step that is refused ends the run as not converged.
    fn descend(&self, mut visit: impl FnMut([f64; 2], f64)) -> Result<Outcome, Error> {
        let Self { function, start, tolerance, max_iterations, ref rule, ref config } = *self;
        let mut stepping = Stepping::new(rule, function, start, config)?;
        let mut point = start;
        let (mut value, mut slopes) = function.value_and_gradient(start);
        let mut outcome = Outcome { converged: false, iterations: 0, final_value: value };
        visit(start, value);
        while outcome.iterations < max_iterations && !outcome.converged {
            let Ok(next) = stepping.step(point, value, slopes) else { break };
            point = next;
            (value, slopes) = function.value_and_gradient(point);
            outcome.iterations += 1;
            if !value.is_finite() {
                break;
            }
            visit(point, value);
            outcome.final_value = value;
            outcome.converged = value <= tolerance;
        }
        Ok(outcome)
    }
}
