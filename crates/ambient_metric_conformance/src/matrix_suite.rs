//! What metrics of matrices ask of a backend beyond the numbers of one step. [`conformance_matrices!`](crate::conformance_matrices) makes a test of each.
//!
//! A backend enters as a function that makes its tensors from named parts, as in [`backend_suite`](crate::backend_suite).

use ambient_metric::number::Element;
use ambient_metric::space::{MatrixTensor, Part, Wide};
use ambient_metric::{Configuration, Covector, Descent, Field, Identity, Induced, Muon, NoMomentum};
use proptest::prelude::*;

use crate::proof::Proof;
use crate::runs::{Make, elements};

/// Matrices from 1×1 to 4×4, and the exponent of two by which a gradient is larger than the least normal number: it is subnormal, or so large that
/// the momentum comes to the norm at which a direction is lost, the least normal number over u, within some steps.
fn vanishing(roundoff: f64) -> impl Strategy<Value = ([usize; 2], i32, Vec<i32>)> {
    #[allow(clippy::cast_possible_truncation, reason = "an exponent below 64")]
    let bits = -roundoff.log2() as i32;
    let exponent = prop_oneof![-bits..1, bits + 2..bits + 8];
    ([1..5_usize, 1..5_usize], exponent, prop::collection::vec(-4..5_i32, 16))
}

/// Muon over two matrices, the gradient of one of which was once next to the end of the range, and then zero: no step is refused, none is longer
/// than Newton–Schulz makes a polar factor, the matrix comes to rest, and the other one moves in every step.
///
/// Five iterations take singular values to 1.21 at most; 1.3 leaves room for the rounding of `f32`. A matrix of rank r has a Frobenius norm of
/// at most √r times the largest singular value.
pub fn a_matrix_that_vanishes_lets_the_rest_go_on<T: MatrixTensor>(make: &impl Make<T>) -> Proof {
    const STEPS: usize = 60;
    const LEARNING_RATE: f64 = 0.125;
    let (least, roundoff) = if T::Element::ROUNDOFF > 0.0 {
        (T::Element::LEAST_NORMAL, T::Element::ROUNDOFF)
    } else {
        (f64::MIN_POSITIVE, f64::EPSILON)
    };
    Proof::of(6, &vanishing(roundoff), |([rows, columns], exponent, digits)| {
        let scale = least * 2.0_f64.powi(exponent);
        let space = |w: &dyn Fn(usize) -> f64, x: f64| {
            let part = |name: &str, shape: [usize; 2]| Part { name: name.to_owned(), shape: shape.to_vec() };
            let w = (0..rows * columns).map(|index| T::Element::constant(w(index))).collect();
            make(vec![(part("w", [rows, columns]), w), (part("x", [1, 2]), vec![T::Element::constant(x); 2])])
        };
        let mut theta = space(&|_| 0.0, 0.0)?;
        let digit = |index: usize| f64::from(digits.get(index).copied().unwrap_or(1)) * scale;
        let (first, later) = (Covector(space(&digit, 1.0)?), Covector(space(&|_| 0.0, 1.0)?));
        let rule = Descent::new(Muon::default(), Induced::new(Identity, 0.5), NoMomentum);
        let mut optimiser = Configuration::new(rule, LEARNING_RATE).build_whole(&theta)?;
        let longest = LEARNING_RATE * 1.3 * (rows.min(columns) as f64).sqrt();
        let mut before: Vec<T::Element> = elements(&theta)?;
        let mut worst = 0.0_f64;
        for step in 0..STEPS {
            let gradient = if step == 0 { &first } else { &later };
            optimiser.step(&mut theta, gradient, <Wide<T> as Field>::one())?;
            let after = elements(&theta)?;
            let moved: Vec<f64> =
                before.iter().zip(&after).map(|(before, after)| after.to_f64() - before.to_f64()).collect();
            let (of_w, of_x) = moved.split_at(rows * columns);
            let length = of_w.iter().map(|x| x * x).sum::<f64>().sqrt();
            prop_assert!(length <= longest, "step {} has length {} of at most {}", step + 1, length, longest);
            // The step is shorter than it could be where the surface is steep, but not zero.
            prop_assert!(of_x.iter().all(|x| *x < 0.0), "the other matrix stood still in step {}", step + 1);
            worst = worst.max(length / longest);
            before = after;
        }
        Ok(worst)
    })
}
