//! What can go wrong on a Burn device.

use ambient_metric::Error;

/// Why the Burn backend refused or failed. It reaches users of the abstract tensor inside [`Error::Backend`].
///
/// ```
/// use ambient_metric::Error;
/// use ambient_metric_burn::BurnError;
///
/// let error: Error = BurnError::Devices { parameter: "head.weight".into() }.into();
/// assert!(error.to_string().contains("`head.weight`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BurnError {
    /// The parameters of a module, or a parameter and its gradient, lie on different devices.
    #[error(
        "the tensor of parameter `{parameter}` lies on another device than the rest: move the module to one device"
    )]
    Devices {
        /// The parameter that is elsewhere.
        parameter: String,
    },
    /// Two tensors that a pass reads lie on different devices.
    #[error("the tensors of a pass lie on different devices: move them to one")]
    Apart,
    /// A tensor holds other numbers than the optimiser computes with.
    #[error(
        "the tensor of parameter `{parameter}` holds {found} where {expected} is needed: cast the module, or build the optimiser for {found}"
    )]
    Precision {
        /// The parameter.
        parameter: String,
        /// What the optimiser computes with.
        expected: String,
        /// What the tensor holds.
        found: String,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// A record that cannot be written or read.
    #[error("the record of the optimiser {0}")]
    Record(String),
}

impl From<BurnError> for Error {
    fn from(error: BurnError) -> Self {
        Self::Backend(Box::new(error))
    }
}
