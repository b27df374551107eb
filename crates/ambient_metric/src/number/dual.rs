//! Dual numbers: a value that carries its derivative, so that slopes are never written by hand.

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::number::scalar::{Field, Real};

/// A number a + b ε with ε² = 0: a value and its derivative along one direction.
///
/// A function generic over [`Real`] evaluated at `Dual::variable(x)` returns f(x) and f′(x), exact up to the rounding
/// of the scalar underneath. Duals nest: `Dual<Dual<f64>>` carries second derivatives.
///
/// # Example
///
/// ```
/// use ambient_metric::{Dual, Real};
///
/// let y = Dual::variable(2.0_f64).ln();
/// assert_eq!(y.derivative, 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S> {
    /// The value.
    pub value: S,
    /// The derivative of the value.
    pub derivative: S,
}

impl<S: Field> Dual<S> {
    /// The independent variable at `value`: its derivative is one.
    pub fn variable(value: S) -> Self {
        Self { value, derivative: S::one() }
    }

    /// A number that does not depend on the variable.
    pub fn fixed(value: S) -> Self {
        Self { value, derivative: S::zero() }
    }

    /// The chain rule: a function with this `value`, whose slope is `slope`, applied to `self`.
    fn chain(self, value: S, slope: S) -> Self {
        Self { value, derivative: slope * self.derivative }
    }
}

impl<S: Field> Add for Dual<S> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, derivative: self.derivative + other.derivative }
    }
}

impl<S: Field> Sub for Dual<S> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, derivative: self.derivative - other.derivative }
    }
}

impl<S: Field> Mul for Dual<S> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            derivative: self.derivative * other.value + self.value * other.derivative,
        }
    }
}

impl<S: Field> Div for Dual<S> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self { value, derivative: (self.derivative - value * other.derivative) / other.value }
    }
}

impl<S: Field> Neg for Dual<S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl<S: Field> Field for Dual<S> {
    fn constant(value: f64) -> Self {
        Self::fixed(S::constant(value))
    }
    /// The derivative is that of the identity.
    fn flushed(self) -> Self {
        Self { value: self.value.flushed(), ..self }
    }
}

impl<S: Real> Real for Dual<S> {
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, S::constant(0.5) / root)
    }
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }
    fn ln(self) -> Self {
        self.chain(self.value.ln(), S::one() / self.value)
    }
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), S::one() / (S::one() + self.value))
    }
    fn power(self, exponent: f64) -> Self {
        self.chain(self.value.power(exponent), S::constant(exponent) * self.value.power(exponent - 1.0))
    }
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    /// The slope at zero is taken as zero.
    fn abs(self) -> Self {
        self.maximum(-self)
    }
    /// Where both are equal the slopes are averaged.
    fn maximum(self, other: Self) -> Self {
        let half = S::constant(0.5);
        let value = self.value.maximum(other.value);
        let sign = sign(self.value - other.value);
        let derivative =
            half * (self.derivative + other.derivative) + half * sign * (self.derivative - other.derivative);
        Self { value, derivative }
    }
    fn minimum(self, other: Self) -> Self {
        -((-self).maximum(-other))
    }
}

/// −1, 0 or 1, from arithmetic that every scalar has.
fn sign<S: Real>(x: S) -> S {
    let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
    x / x.abs().maximum(tiny)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Central differences of a smooth function of size about one: truncation h²/6 · |f‴| plus rounding ε/h.
    fn difference(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let h = 1e-5;
        (f(x + h) - f(x - h)) / (2.0 * h)
    }

    proptest! {
        /// With h = 1e-5, |f‴| ≤ 100 on these ranges gives 2e-9 of truncation and ε/h ≈ 2e-11·|f| of rounding.
        #[test]
        fn derivatives_agree_with_central_differences(x in 0.2..3.0_f64, p in -2.0..3.0_f64) {
            let tolerance = 1e-7;
            macro_rules! check {
                ($f:expr) => {{
                    let dual = $f(Dual::variable(x)).derivative;
                    let numeric = difference(|x| $f(Dual::fixed(x)).value, x);
                    prop_assert!((dual - numeric).abs() <= tolerance * (1.0 + dual.abs()), "{dual} {numeric}");
                }};
            }
            check!(|x: Dual<f64>| x.sqrt());
            check!(|x: Dual<f64>| x.exp());
            check!(|x: Dual<f64>| x.ln());
            check!(|x: Dual<f64>| x.ln_1p());
            check!(|x: Dual<f64>| x.power(p));
            check!(|x: Dual<f64>| x.sin() * x.cos());
            check!(|x: Dual<f64>| (x - Dual::constant(10.0)).abs());
            check!(|x: Dual<f64>| x.maximum(x * Dual::constant(2.0)));
            check!(|x: Dual<f64>| x.minimum(x * Dual::constant(2.0)));
            check!(|x: Dual<f64>| -(Dual::one() - x) / (x * x + Dual::one()));
        }

        #[test]
        fn nested_duals_carry_the_second_derivative(x in 0.2..3.0_f64) {
            let y = Dual::variable(Dual::variable(x)).ln();
            let exact = -1.0 / (x * x);
            // Four roundings: a quotient of quotients.
            prop_assert!((y.derivative.derivative - exact).abs() <= 4.0 * f64::EPSILON * exact.abs());
        }

        /// |x − y| and the larger of two have the slope of the branch that is taken.
        #[test]
        fn slopes_of_absolute_value_and_extrema_are_those_of_the_branch(x in -5.0..5.0_f64, y in -5.0..5.0_f64) {
            prop_assume!((x - y).abs() > 1e-6);
            let variable = Dual::variable(x);
            let other = Dual { value: y, derivative: 3.0 };
            let branch = |first: bool| if first { variable } else { other };
            prop_assert_eq!(variable.maximum(other), branch(x > y));
            prop_assert_eq!(variable.minimum(other), branch(x < y));
            let absolute = (variable - other).abs();
            prop_assert_eq!(absolute, if x > y { variable - other } else { other - variable });
        }
    }

    #[test]
    fn where_two_are_equal_the_slopes_are_averaged() {
        let (one, three) = (Dual { value: 2.0, derivative: 1.0 }, Dual { value: 2.0, derivative: 3.0 });
        assert_eq!(one.maximum(three), Dual { value: 2.0, derivative: 2.0 });
        assert_eq!(one.minimum(three), Dual { value: 2.0, derivative: 2.0 });
        assert_eq!(Dual::variable(0.0).abs(), Dual::fixed(0.0));
    }
}
