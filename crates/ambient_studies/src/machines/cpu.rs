//! The CPU as a machine.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use ambient_metric::number::Element;
use ambient_metric::space::Wide;
use ambient_metric::{Configuration, Covector, Field, Optimiser, Rule};
use ambient_metric_ndarray::Parameters;
use ndarray::ArrayD;
use rayon::prelude::*;

use super::machine::{Baseline, Machine, Precision};
use crate::error::Error;

/// Elements that one thread takes at a time.
const LEAF: usize = 1 << 16;

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

impl<E: Element> Machine for OnCpu<E> {
    type Tensor = Parameters<E>;
    type Optimiser<R: Rule + 'static> = Optimiser<R, Parameters<E>>;

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

    fn optimiser<R: Rule + 'static>(
        &self,
        configuration: Configuration<R>,
        parameters: &Parameters<E>,
    ) -> Result<Optimiser<R, Parameters<E>>, Error> {
        Ok(configuration.build(parameters)?)
    }

    fn step<R: Rule + 'static, G: Borrow<Covector<Self::Tensor>>>(
        &self,
        optimiser: &mut Optimiser<R, Parameters<E>>,
        parameters: &mut Parameters<E>,
        gradients: &[G],
        loss: f64,
    ) -> Result<(), Error> {
        let loss = Wide::<Parameters<E>>::constant(loss);
        match gradients {
            // One is the case whose smallest steps are timed: it allocates nothing.
            [gradient] => {
                optimiser.step(parameters, gradient.borrow(), loss)?;
            }
            several => {
                let gradients: Vec<_> = several.iter().map(Borrow::borrow).collect();
                optimiser.step_losses(parameters, &gradients, &vec![loss; gradients.len()])?;
            }
        }
        Ok(())
    }

    fn check<R: Rule + 'static>(&self, _optimiser: &Optimiser<R, Parameters<E>>) -> Result<(), Error> {
        Ok(())
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }

    /// y ← y + ax, on every thread.
    fn baseline(&self, elements: usize) -> Result<Baseline, Error> {
        let (mut y, x) = (vec![E::one(); elements], vec![E::one(); elements]);
        // Kept from being known while the program is compiled, and small enough that y stays near 1.
        let a = core::hint::black_box(E::constant(1e-6));
        let run = move || {
            y.par_chunks_mut(LEAF).zip(x.par_chunks(LEAF)).for_each(|(y, x)| {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = *y + a * *x;
                }
            });
            core::hint::black_box(&mut y);
            Ok(())
        };
        Ok(Baseline { name: "axpy", bytes_per_parameter: 3 * size_of::<E>(), run: Box::new(run) })
    }
}
