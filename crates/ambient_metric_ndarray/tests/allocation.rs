//! What a step allocates: nothing after the first, whatever the problem's size on one thread.

#![allow(clippy::expect_used, reason = "a test has nobody to return an error to")]

use ambient_metric::space::StateStorage;
use ambient_metric::{Configuration, Covector, Rule, rules};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

/// How often a hundred steps after the first ask for memory, with so many tensors of so many elements.
fn allocations<R: Rule>(rule: R, storage: StateStorage, tensors: usize, each: usize) -> u64 {
    let array = |index: usize| (format!("{index:03}"), Array1::from_elem(each, 0.5_f64).into_dyn());
    let mut theta = Parameters::new((0..tensors).map(array)).expect("the names differ");
    let gradient = Covector(Parameters::new((0..tensors).map(array)).expect("the names differ"));
    let configuration = Configuration::new(rule, 1e-3).state_storage(storage);
    let mut optimiser = configuration.build(&theta).expect("the constants are in range");
    let mut step = || {
        optimiser.step(&mut theta, &gradient, 1.5).expect("the gradient is finite");
    };
    step();
    allocation_counter::measure(|| (0..100).for_each(|_| step())).count_total
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1.0_f64))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn a_step_after_the_first_allocates_nothing() {
    for (tensors, each) in [(1, 2), (1, 10), (1, 1000), (3, 5), (200, 1000)] {
        let full = StateStorage::Full;
        assert_eq!(allocations(rules::sgd(0.9), full, tensors, each), 0, "sgd, {tensors} of {each}");
        for storage in [full, StateStorage::F16] {
            let euclidean = rules::euclidean(0.1);
            let name = storage.name();
            assert_eq!(allocations(euclidean, storage, tensors, each), 0, "euclidean in {name}, {tensors} of {each}");
        }
        for storage in [full, StateStorage::Bf16 { seed: 1 }] {
            let rmsprop = rules::rmsprop(0.1);
            let name = storage.name();
            assert_eq!(allocations(rmsprop, storage, tensors, each), 0, "rmsprop in {name}, {tensors} of {each}");
        }
    }
}
