//! What every backend has to do, for parameters on Burn's CPU device: the contract of the tensor, P15 and P16.

use ambient_metric::Error;
use ambient_metric::space::Part;
use ambient_metric_burn::{BurnElement, Parameters};
use ambient_metric_conformance::functions::{Accuracy, wrong_functions};
use ambient_metric_conformance::{conformance_backend, conformance_matrices};
use burn::tensor::Device;

fn on_flex<E: BurnElement>(parts: Vec<(Part, Vec<E>)>) -> Result<Parameters<E>, Error> {
    Parameters::new(&Device::flex(), parts)
}

conformance_backend!(flex_f32, f32, on_flex);
conformance_backend!(flex_f64, f64, on_flex);
conformance_matrices!(flex_matrices_f32, f32, on_flex);
conformance_matrices!(flex_matrices_f64, f64, on_flex);

#[test]
fn every_function_is_that_of_f64() {
    let none = Ok(Vec::new());
    assert_eq!(wrong_functions(&on_flex::<f32>, Accuracy::Library).map_err(|error| error.to_string()), none);
    assert_eq!(wrong_functions(&on_flex::<f64>, Accuracy::Library).map_err(|error| error.to_string()), none);
}
