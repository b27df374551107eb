//! Machines: where the steps of a command run, with all that replaying and measuring them needs.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use ambient_metric::{Configuration, Covector, Element, Field, Optimiser, Rule, StateStorage, Tensor, Wide};
use ambient_metric_ndarray::Parameters;
use clap::ValueEnum;
use ndarray::ArrayD;
use rayon::prelude::*;
use serde::Serialize;

use crate::device;
use crate::error::Error;

/// What runs the steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Backend {
    /// The CPU
    Ndarray,
    /// A device with Vulkan, Metal or DirectX 12
    Wgpu,
}

/// The numbers that parameters, gradients and state are stored in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Precision {
    /// Single precision
    F32,
    /// Double precision; not every device has it
    F64,
}

impl Precision {
    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The bytes of a number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F64 => size_of::<f64>(),
        }
    }
}

/// How momentum and moments are stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum State {
    /// As the parameters are
    Full,
    /// In 16 bits with the range of f32, rounded at random
    Bf16,
    /// In half precision, rounded to nearest
    F16,
}

impl State {
    /// What a configuration is given.
    #[must_use]
    pub fn storage(self) -> StateStorage {
        match self {
            Self::Full => StateStorage::Full,
            Self::Bf16 => StateStorage::Bf16 { seed: 0 },
            Self::F16 => StateStorage::F16,
        }
    }
}

/// Backends with their tensors and optimisers, as replaying and measuring need them.
pub trait Machine: 'static {
    /// Its tensors.
    type Tensor: Tensor + 'static;
    /// Its optimisers.
    type Optimiser<R: Rule + 'static>: 'static;

    /// The name of the backend.
    fn backend(&self) -> &'static str;

    /// The numbers it stores.
    fn precision(&self) -> Precision;

    /// The name of the device, where there is one.
    fn adapter(&self) -> Option<&str>;

    /// How many threads step, where that can be told.
    fn threads(&self) -> Option<usize>;

    /// How many kernels have been launched, where any are.
    fn dispatches(&self) -> Option<u64>;

    /// Parameters enough that memory, not caches and launches, decides how long a step takes.
    fn many(&self) -> usize;

    /// A tensor of zeros with these parts.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn zeros(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Result<Self::Tensor, Error>;

    /// The optimiser of a configuration for these parameters.
    ///
    /// # Errors
    ///
    /// What the library refuses.
    fn optimiser<R: Rule + 'static>(
        &self,
        configuration: Configuration<R>,
        parameters: &Self::Tensor,
    ) -> Result<Self::Optimiser<R>, Error>;

    /// One step with a gradient for every loss, which may not be done when this returns.
    ///
    /// # Errors
    ///
    /// What the library refuses.
    fn step<R: Rule + 'static, G: Borrow<Covector<Self::Tensor>>>(
        &self,
        optimiser: &mut Self::Optimiser<R>,
        parameters: &mut Self::Tensor,
        gradients: &[G],
        loss: f64,
    ) -> Result<(), Error>;

    /// Accepts an optimiser that has skipped no step; waits for those under way.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] with the reason.
    fn check<R: Rule + 'static>(&self, optimiser: &Self::Optimiser<R>) -> Result<(), Error>;

    /// Waits until everything begun is done.
    ///
    /// # Errors
    ///
    /// Where the device is lost.
    fn wait(&self) -> Result<(), Error>;

    /// What a step is measured against, over so many elements.
    ///
    /// # Errors
    ///
    /// Where there is no memory.
    fn baseline(&self, elements: usize) -> Result<Baseline, Error>;
}

/// The plainest pass over memory that a backend has.
pub struct Baseline {
    /// Its name.
    pub name: &'static str,
    /// What it moves.
    pub bytes_per_parameter: usize,
    /// Does it once.
    pub run: Box<dyn FnMut() -> Result<(), Error>>,
}

impl core::fmt::Debug for Baseline {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Baseline").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An adapter as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// The interface through which it is driven.
    pub backend: String,
    /// What it is: `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Whether it computes in double precision.
    pub double_precision: bool,
}

/// Which machine is asked for.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its backend.
    pub backend: Backend,
    /// A part of the device's name; of the backend for devices alone.
    pub adapter: Option<String>,
    /// The numbers it stores.
    pub precision: Precision,
    /// How many threads it has, of the CPU alone; as many as there are cores where this is absent.
    pub threads: Option<usize>,
}

/// Something to be done on a machine of any type.
pub(crate) trait OnMachine: Send {
    /// What comes of it.
    type Output: Send;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn on<M: Machine>(self, machine: &M) -> Result<Self::Output, Error>;
}

impl Choice {
    /// The CPU with all its cores, and numbers of this precision.
    #[must_use]
    pub fn cpu(precision: Precision) -> Self {
        Self { backend: Backend::Ndarray, adapter: None, precision, threads: None }
    }

    /// Finds the machine and hands it to `task`. Whatever calls this is compiled for every rule on every machine, so few should.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevices`], [`Error::Device`], [`Error::Option`], and what `task` returns.
    pub(crate) fn with<T: OnMachine>(&self, task: T) -> Result<T::Output, Error> {
        match (self.backend, self.adapter.as_deref(), self.threads) {
            (Backend::Wgpu, adapter, None) => device::with(adapter, self.precision, task),
            (Backend::Wgpu, _, Some(_)) => {
                Err(Error::Option { option: "--threads", problem: "goes with --backend ndarray".to_owned() })
            }
            (Backend::Ndarray, Some(_), _) => {
                Err(Error::Option { option: "--adapter", problem: "goes with --backend wgpu".to_owned() })
            }
            (Backend::Ndarray, None, threads) => {
                // Zero threads are as many as there are cores.
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
                let refused = |error: rayon::ThreadPoolBuildError| Error::Option {
                    option: "--threads",
                    problem: format!("asks for more than there can be: {error}"),
                };
                pool.map_err(refused)?.install(|| match self.precision {
                    Precision::F32 => task.on(&OnCpu::f32()),
                    Precision::F64 => task.on(&OnCpu::f64()),
                })
            }
        }
    }
}

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
