//! Where a run takes place.

use ambient_studies::error::Error;
use burn::tensor::Device;

/// A Burn device by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The CPU
    Flex,
    /// A device with Vulkan, Metal or DirectX 12; in programs built with --features train_wgpu
    Wgpu,
    /// An NVIDIA device; in programs built with --features train_cuda
    Cuda,
}

impl Place {
    /// The device.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] for one that the program was built without.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::default())),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err(absent("wgpu")),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0_usize)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err(absent("cuda")),
        }
    }
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
fn absent(name: &str) -> Error {
    Error::Device(format!(
        "this program was built without --device {name}: build it with `cargo build --release -p ambient --features train_{name}`"
    ))
}
