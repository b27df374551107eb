//! One run of an optimiser on a function.

use ambient_metric::{BaseMetric, Rule};
use ambient_metric_ndarray::Parameters;

use super::outcome::{Outcome, Track};
use super::stepping::{self, Step};
use crate::error::Error;
use crate::functions::Function;
use crate::rules::hyperparameters::Hyperparameters;
use crate::rules::optimisers::Named;
use crate::rules::with_rule::{Whole, WithRule};

/// One run: which function from where, with which optimiser, and when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The function to be minimised.
    pub function: Function,
    /// Where the run begins.
    pub start: [f64; 2],
    /// The value at which it has converged.
    pub tolerance: f64,
    /// After how many updates it ends.
    pub max_iterations: u32,
    /// The optimiser.
    pub optimiser: Named,
    /// The optimiser's constants.
    pub config: Hyperparameters,
}

impl Run {
    /// Runs to the end.
    ///
    /// A step that the library refuses (an overflow, a gradient that is not finite) ends the run as not converged.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], and [`Error::Library`] for constants outside their range.
    pub fn outcome(&self) -> Result<Outcome, Error> {
        self.optimiser.rule(&self.config, Descending { run: self, visit: |_, _| {} })
    }

    /// Runs to the end and keeps every point.
    ///
    /// # Errors
    ///
    /// Those of [`outcome`](Self::outcome).
    pub fn track(&self) -> Result<(Outcome, Track), Error> {
        let mut track = Track::new();
        let outcome = self
            .optimiser
            .rule(&self.config, Descending { run: self, visit: |point, value| track.push((point, value)) })?;
        Ok((outcome, track))
    }
}

/// A run that waits for its rule.
struct Descending<'a, V> {
    run: &'a Run,
    visit: V,
}

impl<V: FnMut([f64; 2], f64)> WithRule for Descending<'_, V> {
    type Output = Outcome;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Outcome, Error> {
        let Run { function, start, config, .. } = self.run;
        let step = stepping::fused(rule, *function, *start, config)?;
        Ok(descend(self.run, step, self.visit))
    }

    fn whole<M>(self, rule: Whole<M>) -> Result<Outcome, Error>
    where
        M: BaseMetric<Parameters<f64>, State: Clone> + 'static,
    {
        let step = stepping::whole(rule, self.run.start, &self.run.config)?;
        Ok(descend(self.run, step, self.visit))
    }

    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        Some(self.run.function.hessian(self.run.start))
    }
}

/// Steps from the start to the end. A step that is refused ends the run as not converged.
fn descend(run: &Run, mut step: Step<'_>, mut visit: impl FnMut([f64; 2], f64)) -> Outcome {
    let Run { function, start, tolerance, max_iterations, .. } = *run;
    let mut point = start;
    let (mut value, mut slopes) = function.value_and_gradient(start);
    let mut outcome = Outcome { converged: false, iterations: 0, final_value: value };
    visit(start, value);
    while outcome.iterations < max_iterations && !outcome.converged {
        let Ok((next, _)) = step(point, value, slopes) else { break };
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
    outcome
}
