//! Every rule of the library's grammar, compiled once for the tensors of the CPU.
//!
//! Compiling the passes of all rules takes longer than all else in the program, so it is done here alone: the studies hold optimisers of which they
//! don't know the rule.

use ambient_metric::number::Element;
use ambient_metric::{AnyOptimiser, AnyRule, Configuration, Error};
use ambient_metric_ndarray::Parameters;

/// An optimiser of any rule, for parameters on the CPU.
pub type CpuOptimiser<E> = Box<dyn AnyOptimiser<Parameters<E>>>;

/// The numbers that rules are compiled for.
pub trait Compiled: Element<Wide = f64> {
    /// The optimiser of a rule for these parameters.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build_any`].
    fn build(configuration: Configuration<AnyRule>, parameters: &Parameters<Self>)
    -> Result<CpuOptimiser<Self>, Error>;
}

impl Compiled for f32 {
    fn build(configuration: Configuration<AnyRule>, parameters: &Parameters<f32>) -> Result<CpuOptimiser<f32>, Error> {
        configuration.build_any(parameters)
    }
}

impl Compiled for f64 {
    fn build(configuration: Configuration<AnyRule>, parameters: &Parameters<f64>) -> Result<CpuOptimiser<f64>, Error> {
        configuration.build_any(parameters)
    }
}
