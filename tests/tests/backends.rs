//! What a backend has to do, for ndarray and for the reference in floats: the contract of the tensor, P15 and P16.

use ambient_metric_conformance::functions::{Accuracy, wrong_functions};
use ambient_metric_conformance::{Reference, conformance_backend, conformance_matrices};
use ambient_metric_tests::parameters;

conformance_backend!(ndarray_f32, f32, parameters::<f32>);
conformance_backend!(ndarray_f64, f64, parameters::<f64>);
conformance_backend!(reference_f32, f32, Reference::<f32>::new);
conformance_backend!(reference_f64, f64, Reference::<f64>::new);
conformance_matrices!(ndarray_matrices_f32, f32, parameters::<f32>);
conformance_matrices!(ndarray_matrices_f64, f64, parameters::<f64>);
conformance_matrices!(reference_matrices_f32, f32, Reference::<f32>::new);
conformance_matrices!(reference_matrices_f64, f64, Reference::<f64>::new);

#[test]
fn every_function_is_that_of_f64() {
    let none = Ok(Vec::new());
    assert_eq!(wrong_functions(&parameters::<f32>, Accuracy::Library).map_err(|error| error.to_string()), none);
    assert_eq!(wrong_functions(&parameters::<f64>, Accuracy::Library).map_err(|error| error.to_string()), none);
    assert_eq!(wrong_functions(&Reference::<f32>::new, Accuracy::Library).map_err(|error| error.to_string()), none);
}
