//! Test functions: minima, derivatives, and losses that add up.

use ambient_lowdim::reference::Paper;
use ambient_studies::functions::Function;

/// The minima are given to six decimals, and no curvature there exceeds 1000: |f| ≤ 1000 · (1e-6)², |∂f| ≤ 1e-3.
#[test]
fn every_recorded_minimum_has_value_zero_and_no_gradient() {
    let paper = Paper::compiled_in().unwrap();
    for function in Function::ALL {
        for &minimum in &paper.facts(function).unwrap().global_minima {
            let (value, gradient) = function.value_and_gradient(minimum);
            assert!(value.abs() <= 1e-9, "{function:?} {value}");
            // The tip of Ackley's funnel has no gradient.
            if function != Function::Ackley {
                assert!(gradient.iter().all(|slope| slope.abs() <= 1e-3), "{function:?} {gradient:?}");
            }
        }
    }
}

#[test]
fn gradients_have_the_values_worked_out_by_hand() {
    assert_eq!(Function::Beale.value_and_gradient([0.0, 0.0]), (14.203_125, [-12.75, 0.0]));
    assert_eq!(Function::Himmelblau.value_and_gradient([0.0, 0.0]), (170.0, [-14.0, -22.0]));
    let (value, [x, y]) = Function::Rastrigin.value_and_gradient([2.0, 2.0]);
    // 2x + 20π sin 2πx, whose last term is the rounding of sin: 20π · 2ε·2π at most.
    assert!((value - 8.0).abs() < 1e-12 && (x - 4.0).abs() < 1e-12 && (y - 4.0).abs() < 1e-12);
}

/// Central differences of the gradient with h = 1e-5: truncation h²/6·|f⁗| ≤ 2e-11·1e5, rounding ε|∂f|/h ≤ 2e-11·1e4.
#[test]
fn hessians_agree_with_central_differences_of_gradients() {
    let h = 1e-5;
    for function in Function::ALL {
        for [x, y] in [[0.3, -0.7], [1.9, 1.1], [-1.3, 0.4]] {
            let slope = |point| function.value_and_gradient(point).1;
            let (right, left) = (slope([x + h, y]), slope([x - h, y]));
            let (up, down) = (slope([x, y + h]), slope([x, y - h]));
            for (axis, row) in function.hessian([x, y]).into_iter().enumerate() {
                let numeric = [(right[axis] - left[axis]) / (2.0 * h), (up[axis] - down[axis]) / (2.0 * h)];
                for (exact, numeric) in row.into_iter().zip(numeric) {
                    assert!((exact - numeric).abs() < 1e-5 * (1.0 + exact.abs()), "{function:?} {exact} {numeric}");
                }
            }
        }
    }
}

/// Both ways of adding round a dozen times, numbers no larger than a thousand.
#[test]
fn terms_add_up_to_the_function_and_are_not_below_zero() {
    for function in Function::ALL {
        for point in [[0.3, -0.7], [1.9, 1.1], [-1.3, 0.4], [3.0, 2.0]] {
            let (value, gradient) = function.value_and_gradient(point);
            let (terms, gradients) = function.terms_and_gradients(point);
            assert!(terms.iter().all(|term| *term >= -1e-15), "{function:?} {terms:?}");
            let tolerance = 12.0 * f64::EPSILON * 1e3;
            assert!((terms[0] + terms[1] - value).abs() <= tolerance, "{function:?} {terms:?}");
            for axis in 0..2 {
                let sum = gradients[0][axis] + gradients[1][axis];
                assert!((sum - gradient[axis]).abs() <= tolerance, "{function:?} {sum} {}", gradient[axis]);
            }
        }
    }
}

#[test]
fn up_to_four_losses_add_up_to_the_function() {
    for function in Function::ALL {
        let (value, gradient) = function.value_and_gradient([0.3, -0.7]);
        for count in 1..=4 {
            let (values, gradients) = function.losses([0.3, -0.7], count);
            assert_eq!((values.len(), gradients.len()), (count, count));
            let tolerance = 16.0 * f64::EPSILON * 1e3;
            assert!((values.iter().sum::<f64>() - value).abs() <= tolerance);
            for (axis, slope) in gradient.iter().enumerate() {
                let sum: f64 = gradients.iter().map(|gradient| gradient[axis]).sum();
                assert!((sum - slope).abs() <= tolerance);
            }
        }
    }
}

/// Central differences with h = 1e-5: truncation h²/6·|f‴| ≤ 2e-11·1e4, rounding ε|f|/h ≤ 2e-11·1e3.
#[test]
fn gradients_agree_with_central_differences() {
    let h = 1e-5;
    for function in Function::ALL {
        for [x, y] in [[0.3, -0.7], [1.9, 1.1], [-1.3, 0.4]] {
            let (_, gradient) = function.value_and_gradient([x, y]);
            let numeric = [
                (function.at(x + h, y) - function.at(x - h, y)) / (2.0 * h),
                (function.at(x, y + h) - function.at(x, y - h)) / (2.0 * h),
            ];
            for (exact, numeric) in gradient.into_iter().zip(numeric) {
                assert!((exact - numeric).abs() < 1e-6 * (1.0 + exact.abs()), "{function:?} {exact} {numeric}");
            }
        }
    }
}
