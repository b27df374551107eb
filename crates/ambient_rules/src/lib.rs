//! Every rule of the library's grammar, compiled once for the tensors of the CPU.
//!
//! Compiling the rules takes longer than all else in the program, so it is done here alone: the studies hold optimisers of which they
//! don't know the rule.

use ambient_metric::number::Element;
use ambient_metric::{AnyOptimiser, AnyRule, Checkpoint, Configuration, Error};
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

    /// The optimiser of a checkpoint for these parameters.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::restore_any`].
    fn restore(checkpoint: Checkpoint<AnyRule>, parameters: &Parameters<Self>) -> Result<CpuOptimiser<Self>, Error>;
}

macro_rules! compiled {
    ($($element:ty: $rules:ident),+) => {
        $(impl Compiled for $element {
            fn build(
                configuration: Configuration<AnyRule>,
                parameters: &Parameters<Self>,
            ) -> Result<CpuOptimiser<Self>, Error> {
                $rules::build(configuration, parameters)
            }

            fn restore(
                checkpoint: Checkpoint<AnyRule>,
                parameters: &Parameters<Self>,
            ) -> Result<CpuOptimiser<Self>, Error> {
                $rules::restore(checkpoint, parameters)
            }
        })+
    };
}

compiled!(f32: ambient_rules_f32, f64: ambient_rules_f64);
