//! What is done with a rule, whatever its type.

use ambient_metric::{Descent, Ema, Height, Induced, Rule};
use ambient_metric_ndarray::Parameters;

use super::surface::Embedding;
use crate::error::Error;

/// A descent in a metric over whole tensors, as the program makes them.
pub type Whole<M> = Descent<M, Induced<Height<Embedding>>, Ema>;

/// Something to be done with a rule of any type.
pub trait WithRule: Sized {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<Self::Output, Error>;

    /// Does it with a metric over whole tensors, where it can.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] where only a rule that is one pass over memory will do.
    fn whole<M>(self, _rule: Whole<M>) -> Result<Self::Output, Error>
    where
        M: ambient_metric::BaseMetric<Parameters<f64>, State: Clone> + 'static,
    {
        let problem = "is made of whole tensors: it has no acts to write out or to time; `surface` and `lowdim --extended` run it";
        Err(Error::Hyperparameter { rule: "whole", problem: problem.to_owned() })
    }

    /// The second derivatives at the start, where it is about a function.
    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        None
    }
}
