//! Ctrl-C, which ends a run after the update under way.

use std::sync::atomic::{AtomicBool, Ordering};

use ambient_studies::error::Error;

/// Whether the user has asked the program to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the run after the update under way.
pub(crate) fn listen() -> Result<(), Error> {
    match ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst)) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Error::Device(format!("cannot listen for Ctrl-C: {error}"))),
    }
}

/// Whether the user has asked the program to stop.
pub(crate) fn has_stopped() -> bool {
    STOP.load(Ordering::SeqCst)
}
