//! Every rule of the library's grammar, compiled once for tensors of `f64` on the CPU.
//!
//! A crate for each type of numbers, so that both are compiled at the same time; `ambient_rules` puts them together.

use ambient_metric::{AnyOptimiser, AnyRule, Checkpoint, Configuration, Error};
use ambient_metric_ndarray::Parameters;

/// The optimiser of a rule for these parameters.
///
/// # Errors
///
/// As [`Configuration::build_any`].
pub fn build(
    configuration: Configuration<AnyRule>,
    parameters: &Parameters<f64>,
) -> Result<Box<dyn AnyOptimiser<Parameters<f64>>>, Error> {
    configuration.build_any(parameters)
}

/// The optimiser of a checkpoint for these parameters.
///
/// # Errors
///
/// As [`Checkpoint::restore_any`].
pub fn restore(
    checkpoint: Checkpoint<AnyRule>,
    parameters: &Parameters<f64>,
) -> Result<Box<dyn AnyOptimiser<Parameters<f64>>>, Error> {
    checkpoint.restore_any(parameters)
}
