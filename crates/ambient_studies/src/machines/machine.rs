//! A machine: where the steps of a command run, with all that replaying and measuring them needs.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use ambient_metric::space::StateStorage;
use ambient_metric::{AnyRule, Configuration, Covector, Tensor};
use serde::Serialize;

use crate::error::Error;
use crate::present::table::new_table;

/// The numbers that parameters, gradients and state are stored in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    /// Its optimisers, of whatever rule.
    type Optimiser: 'static;

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
    fn optimiser(
        &self,
        configuration: Configuration<AnyRule>,
        parameters: &Self::Tensor,
    ) -> Result<Self::Optimiser, Error>;

    /// One step with a gradient for every loss, which may not be done when this returns.
    ///
    /// # Errors
    ///
    /// What the library refuses.
    fn step<G: Borrow<Covector<Self::Tensor>>>(
        &self,
        optimiser: &mut Self::Optimiser,
        parameters: &mut Self::Tensor,
        gradients: &[G],
        loss: f64,
    ) -> Result<(), Error>;

    /// Accepts an optimiser that has skipped no step; waits for those under way.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] with the reason.
    fn check(&self, optimiser: &Self::Optimiser) -> Result<(), Error>;

    /// Waits until everything begun is done.
    ///
    /// # Errors
    ///
    /// Where the device is lost.
    fn wait(&self) -> Result<(), Error>;

    /// The plainest pass over so many elements that it has, where no loops over its memory can be written here.
    ///
    /// # Errors
    ///
    /// Where there is no memory.
    fn baseline(&self, elements: usize) -> Result<Option<Baseline>, Error>;
}

/// Something beside the rules that is timed: a plain pass over memory, or the optimiser of another library.
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

/// The adapters of this computer, as a table.
#[must_use]
pub fn table(adapters: &[Adapter]) -> String {
    if adapters.is_empty() {
        return "There is no adapter: install a Vulkan, Metal or DirectX 12 driver, or Mesa's software driver.\n"
            .to_owned();
    }
    let mut table = new_table(&["name", "backend", "kind", "driver", "double precision"]);
    for adapter in adapters {
        table.add_row([
            adapter.name.clone(),
            adapter.backend.clone(),
            adapter.kind.clone(),
            adapter.driver.clone(),
            if adapter.double_precision { "yes" } else { "no" }.to_owned(),
        ]);
    }
    format!("{table}\n")
}

/// Something to be done on a machine of any type.
pub trait OnMachine: Send {
    /// What comes of it.
    type Output: Send;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn on<M: Machine>(self, machine: &M) -> Result<Self::Output, Error>;
}
