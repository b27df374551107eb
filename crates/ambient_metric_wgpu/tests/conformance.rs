//! What every backend has to do, for tensors on a device: the contract of the tensor, P15 and P16.
//!
//! Without an adapter every test says so and passes; with `AMBIENT_REQUIRE_GPU=1` it fails.

use ambient_metric::Error;
use ambient_metric::space::Part;
use ambient_metric_conformance::functions::{Accuracy, wrong_functions};
use ambient_metric_conformance::{conformance_backend, conformance_matrices};
use ambient_metric_wgpu::{Context, DeviceError, DeviceTensor};

/// The context that all tests share, where there is a device.
fn context() -> Option<&'static Context> {
    static CONTEXT: std::sync::OnceLock<Option<Context>> = std::sync::OnceLock::new();
    let found = CONTEXT.get_or_init(|| match Context::new(None) {
        Ok(context) => Some(context),
        Err(error) => {
            let required = std::env::var("AMBIENT_REQUIRE_GPU").is_ok_and(|value| value == "1");
            assert!(!required, "AMBIENT_REQUIRE_GPU=1 and there is no device: {error}");
            None
        }
    });
    if found.is_none() {
        eprintln!("skipped: there is no graphics adapter on this machine");
    }
    found.as_ref()
}

fn on_device(parts: Vec<(Part, Vec<f32>)>) -> Result<DeviceTensor<f32>, Error> {
    let context = context().ok_or(DeviceError::NoAdapter)?;
    DeviceTensor::new(context, parts.into_iter().map(|(part, elements)| (part.name, part.shape, elements)))
}

conformance_backend!(device_f32, f32, on_device, when context().is_some());
conformance_matrices!(device_matrices_f32, f32, on_device, when context().is_some());

#[test]
fn every_function_is_that_of_f64() {
    if context().is_some() {
        let found = wrong_functions(&on_device, Accuracy::Wgsl).map_err(|error| error.to_string());
        assert_eq!(found, Ok(Vec::new()));
    }
}
