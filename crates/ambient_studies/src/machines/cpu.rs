//! The CPU as a machine.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use ambient_metric::{AnyRule, Configuration, Covector};
use ambient_metric_ndarray::Parameters;
use ambient_rules::{Compiled, CpuOptimiser};
use ndarray::ArrayD;

use super::machine::{Baseline, Machine, Precision};
use crate::error::Error;

/// The CPU, with elements of type `E`.
#[derive(Clone, Copy, Debug)]
pub struct OnCpu<E> {
    precision: Precision,
    element: PhantomData<E>,
}

impl OnCpu<f64> {
    /// In double precision.
    #[must_use]
    pub fn f64() -> Self {
        Self { precision: Precision::F64, element: PhantomData }
    }
}

impl OnCpu<f32> {
    /// In single precision.
    #[must_use]
    pub fn f32() -> Self {
        Self { precision: Precision::F32, element: PhantomData }
    }
}

impl<E: Compiled> Machine for OnCpu<E> {
    type Tensor = Parameters<E>;
    type Optimiser = CpuOptimiser<E>;

    fn backend(&self) -> &'static str {
        "ndarray"
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn adapter(&self) -> Option<&str> {
        None
    }

    fn threads(&self) -> Option<usize> {
        Some(rayon::current_num_threads())
    }

    fn dispatches(&self) -> Option<u64> {
        None
    }

    fn many(&self) -> usize {
        1 << 24
    }

    fn zeros(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Result<Parameters<E>, Error> {
        let arrays = shapes.iter().map(|(name, shape)| (name, ArrayD::from_elem(shape.clone(), E::zero())));
        Ok(Parameters::new(arrays)?)
    }

    fn optimiser(
        &self,
        configuration: Configuration<AnyRule>,
        parameters: &Parameters<E>,
    ) -> Result<CpuOptimiser<E>, Error> {
        Ok(E::build(configuration, parameters)?)
    }

    fn step<G: Borrow<Covector<Self::Tensor>>>(
        &self,
        optimiser: &mut CpuOptimiser<E>,
        parameters: &mut Parameters<E>,
        gradients: &[G],
        loss: f64,
    ) -> Result<(), Error> {
        match gradients {
            // One is the case whose smallest steps are timed: it allocates nothing.
            [gradient] => optimiser.step(parameters, gradient.borrow(), loss)?,
            several => {
                let gradients: Vec<_> = several.iter().map(Borrow::borrow).collect();
                optimiser.step_losses(parameters, &gradients, &vec![loss; gradients.len()])?;
            }
        }
        Ok(())
    }

    fn check(&self, _optimiser: &CpuOptimiser<E>) -> Result<(), Error> {
        Ok(())
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }

    fn baseline(&self, _elements: usize) -> Result<Option<Baseline>, Error> {
        Ok(None)
    }
}
