//! Random starts.

use ambient_lowdim::starts::{draw, median};
use ambient_studies::functions::Function;

#[test]
fn the_median_of_an_even_count_is_the_mean_of_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3]), Some(3.0));
    assert_eq!(median(&[1, 2, 9]), Some(2.0));
    assert_eq!(median(&[1, 2, 5, 9]), Some(3.5));
}

#[test]
fn starts_lie_in_the_box_and_depend_on_seed_and_function() {
    for function in Function::ALL {
        let [low, high] = function.bounds();
        let starts = draw(function, 200, 7);
        assert!(starts.iter().flatten().all(|coordinate| (low..high).contains(coordinate)));
        assert_eq!(starts, draw(function, 200, 7));
        assert_ne!(starts, draw(function, 200, 8));
    }
    assert_ne!(draw(Function::Himmelblau, 1, 7), draw(Function::Ackley, 1, 7));
}
