//! Functions that WGSL lacks, or has with errors of the size of its intermediate results, written out in what it has.

use ambient_metric::{Field, Real};

use crate::graph::{Node, Unary};
use crate::recording::Recording;
use crate::traced::Traced;

/// The recording with such functions written out; none where it has none.
///
/// WGSL has no eˣ − 1 and no ln(1 + x), and sinh and tanh as quotients and differences of exponentials, which cancel near zero and overflow.
pub(crate) fn lowered(recording: &Recording, double: bool) -> Option<Recording> {
    let is_lowered = |node: &Node| {
        matches!(node, Node::Unary(Unary::ExpM1 | Unary::Ln1p | Unary::Sinh | Unary::Cosh | Unary::Tanh, _))
    };
    let replace = |function, x: Traced| match function {
        Unary::ExpM1 => Some(exp_m1(x, double)),
        Unary::Ln1p => Some(ln_1p(x, double)),
        Unary::Sinh => Some((exp_m1(x, double) - exp_m1(-x, double)).scaled(0.5)),
        Unary::Cosh => Some((x.exp() + (-x).exp()).scaled(0.5)),
        Unary::Tanh => Some(tanh(x, double)),
        _ => None,
    };
    recording.graph().nodes().iter().any(is_lowered).then(|| recording.replaced(replace))
}

/// a₀ + a₁ x + … for the coefficients from the last to the first.
fn polynomial<S: Real>(x: S, coefficients: impl DoubleEndedIterator<Item = f64>) -> S {
    coefficients.rev().map(S::constant).reduce(|sum, coefficient| sum * x + coefficient).unwrap_or_else(S::zero)
}

/// eˣ − 1: by its series up to ½, where n terms leave less than 2⁻ⁿ/(n + 1)! of it: 2⁻²⁶ after 8 terms, 2⁻⁵⁴ after 14.
fn exp_m1<S: Real>(x: S, double: bool) -> S {
    let mut inverse_factorial = 1.0;
    let coefficients: Vec<f64> = (1..=if double { 14 } else { 8 })
        .map(|k| {
            inverse_factorial /= f64::from(k);
            inverse_factorial
        })
        .collect();
    let near = x * polynomial(x, coefficients.into_iter());
    S::select(x.abs().less(S::constant(0.5)), near, x.exp() - S::one())
}

/// ln(1 + x): up to ½ by the series of ln((1 + s)/(1 − s)) with s = x/(2 + x), |s| ≤ ⅓, where n terms leave less than 9⁻ⁿ/(2n + 1) of it: 2⁻²⁶
/// after 7 terms, 2⁻⁵⁵ after 16.
fn ln_1p<S: Real>(x: S, double: bool) -> S {
    let s = x / (S::constant(2.0) + x);
    let coefficients = (0..if double { 16 } else { 7 }).map(|k| 2.0 / f64::from(2 * k + 1));
    let near = s * polynomial(s * s, coefficients);
    S::select(x.abs().less(S::constant(0.5)), near, (S::one() + x).ln())
}

/// As a scalar without one has it.
fn tanh<S: Real>(x: S, double: bool) -> S {
    let t = exp_m1(x.abs().scaled(-2.0), double);
    S::select(x.less(S::zero()), t, -t) / (t + S::constant(2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In `f64` with the series for it: a few roundings of a few terms, the first of which is the largest.
        #[test]
        fn written_out_functions_are_those_of_the_standard_library(x in -20.0..20.0_f64, small in -0.6..0.6_f64) {
            for x in [x, small, small * 1e-9] {
                let ln = if x > -1.0 { [ln_1p(x, true), x.ln_1p()] } else { [0.0; 2] };
                let sinh = (exp_m1(x, true) - exp_m1(-x, true)).scaled(0.5);
                for [found, expected] in [ln, [exp_m1(x, true), x.exp_m1()], [tanh(x, true), x.tanh()], [sinh, x.sinh()]] {
                    prop_assert!((found - expected).abs() <= 8.0 * f64::EPSILON * expected.abs(), "{} beside {}", found, expected);
                }
                let (found, expected) = (exp_m1(x, false), x.exp_m1());
                prop_assert!((found - expected).abs() <= f64::from(f32::EPSILON) / 8.0 * expected.abs());
            }
        }
    }
}
