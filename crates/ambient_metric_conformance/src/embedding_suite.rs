//! The properties of an embedding by itself. [`conformance_embedding!`](crate::conformance_embedding) makes a test of each.

use ambient_metric::number::Dual;
use ambient_metric::{Embedding, Euclidean};
use proptest::prelude::*;

use crate::chosen::choose_loss;
use crate::geometry;
use crate::proof::Proof;
use crate::strategies::{Surface, positive_fractions, surfaces};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 256;

/// Losses above zero over six decades, and a few below.
fn losses() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3.0..3.0_f64).prop_map(|decade| 10.0_f64.powf(decade)),
        1 => -10.0..10.0_f64,
    ]
}

/// f′ as the embedding gives it is the derivative of f as the embedding gives it, to half of the digits.
///
/// The derivative of the height by dual numbers is exact up to rounding. Where [`Embedding::slope`] is overridden with another formula, one of
/// both may cancel; this asks that no more than half of the digits go, 2⁻²⁶ of the slope.
pub fn the_slope_is_the_derivative_of_the_height<E: Embedding>(embedding: &E) -> Proof {
    let allowed = f64::EPSILON.sqrt();
    Proof::of(CASES, &losses(), |loss| {
        if embedding.check(loss).is_err() {
            return Ok(0.0);
        }
        let slope: f64 = embedding.slope(loss);
        let derivative = embedding.height(Dual::variable(loss)).derivative;
        let ratio = (slope - derivative).abs() / (allowed * derivative);
        prop_assert!(ratio <= 1.0, "f′({}) is {} by `slope` and {} by `height`", loss, slope, derivative);
        Ok(ratio)
    })
}

/// Wherever `check` accepts a loss, f and f′ are finite and f′ is above zero; what is no number is never accepted.
pub fn accepted_losses_have_a_height_and_a_positive_slope<E: Embedding>(embedding: &E) -> Proof {
    let anything = prop_oneof![losses(), prop::num::f64::ANY];
    Proof::of(CASES, &anything, |loss| {
        if embedding.check(loss).is_ok() {
            let (height, slope): (f64, f64) = (embedding.height(loss), embedding.slope(loss));
            prop_assert!(loss.is_finite() && height.is_finite(), "f({}) = {}", loss, height);
            prop_assert!(slope.is_finite() && slope > 0.0, "f′({}) = {}", loss, slope);
        }
        Ok(0.0)
    })
}

/// The domain has losses in it between 10⁻³ and 10³.
pub fn the_domain_is_not_empty<E: Embedding>(embedding: &E) -> Proof {
    Proof::of(1, &Just(()), |()| {
        let accepted = (-12..=12).any(|quarter| embedding.check(10.0_f64.powf(f64::from(quarter) / 4.0)).is_ok());
        prop_assert!(accepted, "no loss is accepted");
        Ok(0.0)
    })
}

/// Larger losses lie higher, up to eight roundings of the heights.
pub fn the_height_increases_with_the_loss<E: Embedding>(embedding: &E) -> Proof {
    let decade = || (-3.0..3.0_f64).prop_map(|decade| 10.0_f64.powf(decade));
    Proof::of(CASES, &(decade(), decade()), |(a, b)| {
        let (low, high) = (a.min(b), a.max(b));
        if embedding.check(low).is_ok() && embedding.check(high).is_ok() {
            let (below, above): (f64, f64) = (embedding.height(low), embedding.height(high));
            let allowed = 4.0 * f64::EPSILON * (below.abs() + above.abs());
            prop_assert!(above - below >= -allowed, "f({}) = {} and f({}) = {}", low, below, high, above);
        }
        Ok(0.0)
    })
}

/// f at a dual number, and at a dual of duals, has the value of f at its value, bit for bit.
pub fn every_scalar_has_the_same_height<E: Embedding>(embedding: &E) -> Proof {
    Proof::of(CASES, &losses(), |loss| {
        if embedding.check(loss).is_ok() {
            let height: f64 = embedding.height(loss);
            prop_assert_eq!(embedding.height(Dual::variable(loss)).value.to_bits(), height.to_bits());
            let nested = embedding.height(Dual::variable(Dual::variable(loss)));
            prop_assert_eq!(nested.value.value.to_bits(), height.to_bits());
        }
        Ok(0.0)
    })
}

/// Over the flat metric: g stretches the gradient by 1 + ξf′²⟨l, l⟩ and leaves what is perpendicular to it alone.
pub fn p5_the_spectrum_over_the_flat_metric<E: Embedding>(embedding: &E) -> Proof {
    Proof::of(CASES / 8, &(surfaces(positive_fractions()), 0..4_usize), |(case, turn)| {
        let Some((loss, embedding)) = choose_loss(embedding, case.loss, turn) else {
            return Err(TestCaseError::reject("no loss in the domain"));
        };
        let case = Surface { loss, ..case };
        geometry::only_the_gradient_direction_is_stretched(&Euclidean, &embedding, &case)?;
        Ok(0.0)
    })
}
