//! What can go wrong on a device.

use ambient_metric::Error;

/// Why the device backend refused or failed. It reaches users of the abstract tensor inside [`Error::Backend`].
///
/// ```
/// use ambient_metric::Error;
/// use ambient_metric_wgpu::DeviceError;
///
/// let error: Error = DeviceError::Lost { reason: "unplugged".into() }.into();
/// assert!(error.to_string().contains("unplugged"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no adapter at all.
    #[error(
        "no graphics adapter was found: install a Vulkan, Metal or DirectX 12 driver, or Mesa's software driver (mesa-vulkan-drivers)"
    )]
    NoAdapter,
    /// No adapter has the name asked for.
    #[error("no graphics adapter has `{wanted}` in its name; there are: {}", known.join(", "))]
    UnknownAdapter {
        /// The name asked for.
        wanted: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The adapter cannot do what was asked for.
    #[error("the adapter `{adapter}` has no {feature}: {advice}")]
    Unsupported {
        /// The adapter.
        adapter: String,
        /// What it lacks.
        feature: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// The device is gone.
    #[error("the device was lost ({reason}): make a new one and restore the last checkpoint")]
    Lost {
        /// What the driver said.
        reason: String,
    },
    /// There is no memory left on the device.
    #[error("the device has no memory for {bytes} bytes of {purpose}")]
    OutOfMemory {
        /// How much was asked for.
        bytes: u64,
        /// For what.
        purpose: &'static str,
    },
    /// A kernel or an operation was refused by the validation of the device.
    #[error("the device refused {operation}: {message}")]
    Validation {
        /// What was refused.
        operation: &'static str,
        /// What the validation said.
        message: String,
    },
    /// Tensors of two devices met in one operation.
    #[error("tensors of two devices meet in one operation: create all of them from one context")]
    DifferentDevices,
    /// A range of a user's buffer cannot hold the tensor that it should.
    #[error("the buffer range for parameter `{parameter}` does not fit: {problem}")]
    BufferRange {
        /// The parameter.
        parameter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A pass needs more buffers than the device can bind.
    #[error("the pass binds {needed} buffers and the device allows {allowed}")]
    TooManyBuffers {
        /// How many it needs.
        needed: usize,
        /// How many can be bound.
        allowed: usize,
    },
    /// A rule or kernel that this backend cannot run.
    #[error("`{rule}` cannot run on this device: {problem}")]
    Rule {
        /// The rule or kernel.
        rule: String,
        /// Why not.
        problem: String,
    },
    /// A group index is beyond the uniforms, or a checkpoint does not fit; a defect of the caller.
    #[error("{0}")]
    Misuse(String),
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        Self::Backend(Box::new(error))
    }
}
