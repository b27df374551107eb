//! Devices in a program that was built without them: every request says how to build them in.

use crate::error::Error;
use crate::machine::{Adapter, OnMachine, Precision};

/// The adapters of this computer.
///
/// # Errors
///
/// [`Error::NoDevices`].
pub fn adapters() -> Result<Vec<Adapter>, Error> {
    Err(Error::NoDevices)
}

/// Would open a device and hand it to `task`.
///
/// # Errors
///
/// [`Error::NoDevices`].
pub(crate) fn with<T: OnMachine>(_adapter: Option<&str>, _precision: Precision, _task: T) -> Result<T::Output, Error> {
    Err(Error::NoDevices)
}
