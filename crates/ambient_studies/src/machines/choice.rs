//! The choice of a machine.

use super::cpu::OnCpu;
#[cfg(feature = "wgpu")]
use super::device;
use super::machine::{Adapter, OnMachine, Precision};
use crate::error::Error;

/// What runs the steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The CPU
    Ndarray,
    /// A device with Vulkan, Metal or DirectX 12
    Wgpu,
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
    pub fn with<T: OnMachine>(&self, task: T) -> Result<T::Output, Error> {
        match (self.backend, self.adapter.as_deref(), self.threads) {
            (Backend::Wgpu, adapter, None) => on_device(adapter, self.precision, task),
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

/// The adapters of this computer.
///
/// # Errors
///
/// [`Error::NoDevices`] in a program that was built without devices.
#[cfg_attr(
    feature = "wgpu",
    allow(clippy::unnecessary_wraps, reason = "a program without devices has no list of them")
)]
pub fn adapters() -> Result<Vec<Adapter>, Error> {
    #[cfg(feature = "wgpu")]
    return Ok(device::adapters());
    #[cfg(not(feature = "wgpu"))]
    return Err(Error::NoDevices);
}

/// Hands a device to `task`, where the program was built with devices.
#[cfg(feature = "wgpu")]
fn on_device<T: OnMachine>(adapter: Option<&str>, precision: Precision, task: T) -> Result<T::Output, Error> {
    device::with(adapter, precision, task)
}

#[cfg(not(feature = "wgpu"))]
fn on_device<T: OnMachine>(_adapter: Option<&str>, _precision: Precision, _task: T) -> Result<T::Output, Error> {
    Err(Error::NoDevices)
}
