//! Arrays in any memory order are the same arrays: transposed, strided, reversed or Fortran-ordered input changes no bit.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::{Configuration, Covector, rules};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ndarray::{Array2, ArrayD, Axis, ShapeBuilder, Slice};
use proptest::prelude::*;

/// The same matrix in five arrangements of memory, row-major first.
fn arrangements(matrix: &Array2<f64>) -> Vec<ArrayD<f64>> {
    let (rows, columns) = matrix.dim();
    let fortran = Array2::from_shape_fn((rows, columns).f(), |index| matrix[index]);
    let transposed = Array2::from_shape_fn((columns, rows), |(column, row)| matrix[(row, column)]).reversed_axes();
    let every = |step| Slice::new(0, None, step);
    let mut strided = Array2::from_elem((2 * rows, 3 * columns), f64::NAN);
    strided.slice_axis_inplace(Axis(0), every(2));
    strided.slice_axis_inplace(Axis(1), every(3));
    strided.assign(matrix);
    let mut backwards =
        Array2::from_shape_fn((rows, columns), |(row, column)| matrix[(rows - 1 - row, columns - 1 - column)]);
    backwards.invert_axis(Axis(0));
    backwards.invert_axis(Axis(1));
    [matrix.clone(), fortran, transposed, strided, backwards].map(Array2::into_dyn).into()
}

fn bits(space: &Parameters<f64>) -> Vec<u64> {
    space.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn every_arrangement_of_memory_takes_the_same_steps_bit_for_bit(
        (rows, columns) in (1..8_usize, 1..8_usize),
        numbers in prop::collection::vec(-3.0..3.0_f64, 49),
    ) {
        let matrix = Array2::from_shape_fn((rows, columns), |(row, column)| numbers[7 * row + column]);
        let ways = arrangements(&matrix);
        let mut ends = Vec::new();
        for (index, way) in ways.iter().enumerate() {
            prop_assert_eq!(way.view(), matrix.view().into_dyn());
            // Parameters arranged one way, gradients another, and both also as the only tensor and as one of two.
            let other = &ways[(index + 2) % ways.len()];
            let mut single = Parameters::from(way.clone());
            let mut double = Parameters::new([("a", way.clone()), ("b", other.clone())])?;
            let rule = || Configuration::new(rules::rmsprop(0.3), 0.1);
            let mut of_single = rule().build(&single)?;
            let mut of_double = rule().build(&double)?;
            for loss in [1.0, 2.0] {
                of_single.step(&mut single, &Covector(Parameters::from(other.clone())), loss)?;
                let gradient = Parameters::new([("b", way.clone()), ("a", other.clone())])?;
                of_double.step(&mut double, &Covector(gradient), loss)?;
            }
            let mut assigned = Parameters::from(Array2::<f64>::zeros((rows, columns)));
            assigned.assign("theta", way.view())?;
            prop_assert_eq!(bits(&assigned), bits(&Parameters::from(matrix.clone())));
            ends.push((bits(&single), bits(&double)));
        }
        for end in &ends {
            prop_assert_eq!(end, &ends[0]);
        }
    }

    #[test]
    fn elements_come_back_where_they_were_put((rows, columns) in (1..8_usize, 1..8_usize)) {
        let matrix = Array2::from_shape_fn((rows, columns), |(row, column)| (100 * row + column) as f64);
        for way in arrangements(&matrix) {
            let space = Parameters::from(way);
            prop_assert_eq!(space.view("theta")?, matrix.view().into_dyn());
        }
    }
}
