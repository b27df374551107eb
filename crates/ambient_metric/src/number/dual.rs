//! Dual numbers: a value that carries its derivative, so that slopes are never written by hand.

use core::f64::consts::LOG2_E;
use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::number::scalar::{Field, Real};

/// A number a + b ε with ε² = 0: a value and its derivative along one direction.
///
/// A function generic over [`Real`] evaluated at `Dual::variable(x)` returns f(x) and f′(x), exact up to the rounding
/// of the scalar underneath. Duals nest: `Dual<Dual<f64>>` carries second derivatives.
///
/// # Ties
///
/// Duals are ordered like the function's values just beyond the point, in the direction in which the variable moves: by their values, and where
/// these are equal by their derivatives, at every order. [`less`](Real::less), [`equal`](Real::equal), [`maximum`](Real::maximum),
/// [`minimum`](Real::minimum) and [`abs`](Real::abs) all go by it, so one function written with several of them takes one branch, and has
/// the derivatives of that branch. |x|′ at 0 is 1. [`sign`](Real::sign) and [`floor`](Real::floor) have the value that they have at the point, and
/// the derivative zero.
///
/// # Example
///
/// ```
/// use ambient_metric::Real;
/// use ambient_metric::number::Dual;
///
/// let y = Dual::variable(2.0_f64).ln();
/// assert_eq!(y.derivative, 0.5);
///
/// // ln(1 + eˣ) in a form that never overflows, at its kink that is none: f′(0) = ½ and f″(0) = ¼.
/// let x = Dual::variable(Dual::variable(0.0_f64));
/// let y = x.maximum(Dual::fixed(Dual::fixed(0.0))) + (-x.abs()).exp().ln_1p();
/// assert_eq!((y.value.derivative, y.derivative.derivative), (0.5, 0.25));
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

/// The operators `+`, `−`, `×` and `÷` between a scalar and a plain `f64`, which stands for [`Field::constant`] of it, on either side.
///
/// For a scalar that is a type of the crate at hand; its parameters come first. `f32` can have none of them (see [`Field::scaled`]), so they are
/// not there in a function generic over the scalar.
///
/// ```
/// use ambient_metric::number::Dual;
///
/// let x = Dual::variable(3.0_f64);
/// assert_eq!(1.0 / (2.0 * x + 4.0), Dual { value: 0.1, derivative: -0.02 });
/// ```
#[macro_export]
macro_rules! constant_operators {
    ([$($parameters:tt)*] $type:ty) => {
        $crate::constant_operators!(@operator [$($parameters)*] $type, Add, add);
        $crate::constant_operators!(@operator [$($parameters)*] $type, Sub, sub);
        $crate::constant_operators!(@operator [$($parameters)*] $type, Div, div);

        impl<$($parameters)*> ::core::ops::Mul<f64> for $type {
            type Output = Self;
            #[inline]
            fn mul(self, factor: f64) -> Self {
                $crate::Field::scaled(self, factor)
            }
        }

        impl<$($parameters)*> ::core::ops::Mul<$type> for f64 {
            type Output = $type;
            #[inline]
            fn mul(self, x: $type) -> $type {
                $crate::Field::scaled(x, self)
            }
        }
    };
    (@operator [$($parameters:tt)*] $type:ty, $trait:ident, $method:ident) => {
        impl<$($parameters)*> ::core::ops::$trait<f64> for $type {
            type Output = Self;
            #[inline]
            fn $method(self, constant: f64) -> Self {
                ::core::ops::$trait::$method(self, <Self as $crate::Field>::constant(constant))
            }
        }

        impl<$($parameters)*> ::core::ops::$trait<$type> for f64 {
            type Output = $type;
            #[inline]
            fn $method(self, x: $type) -> $type {
                ::core::ops::$trait::$method(<$type as $crate::Field>::constant(self), x)
            }
        }
    };
}

constant_operators!([S: Field] Dual<S>);

impl<S: Field> Field for Dual<S> {
    fn constant(value: f64) -> Self {
        Self::fixed(S::constant(value))
    }
    /// The derivative is that of the identity.
    fn flushed(self) -> Self {
        Self { value: self.value.flushed(), ..self }
    }
    fn scaled(self, factor: f64) -> Self {
        Self { value: self.value.scaled(factor), derivative: self.derivative.scaled(factor) }
    }
    fn integer_power(self, exponent: i32) -> Self {
        let value = self.value.integer_power(exponent);
        let slope = match exponent.checked_sub(1) {
            // The constant one has no slope, where 0 · x⁻¹ might be undefined.
            Some(-1) => S::zero(),
            Some(less) => self.value.integer_power(less).scaled(f64::from(exponent)),
            None => value.scaled(f64::from(exponent)) / self.value,
        };
        self.chain(value, slope)
    }
}

impl<S: Real> Real for Dual<S> {
    type Mask = S::Mask;

    /// By value, and where these are equal by derivative: the order just beyond the point.
    fn less(self, other: Self) -> S::Mask {
        self.value.less(other.value) | (self.value.equal(other.value) & self.derivative.less(other.derivative))
    }
    /// Whether value and derivative are equal.
    fn equal(self, other: Self) -> S::Mask {
        self.value.equal(other.value) & self.derivative.equal(other.derivative)
    }
    fn select(mask: S::Mask, where_it_holds: Self, elsewhere: Self) -> Self {
        Self {
            value: S::select(mask, where_it_holds.value, elsewhere.value),
            derivative: S::select(mask, where_it_holds.derivative, elsewhere.derivative),
        }
    }
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
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    fn log2(self) -> Self {
        self.chain(self.value.log2(), S::constant(LOG2_E) / self.value)
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
    fn tan(self) -> Self {
        let value = self.value.tan();
        self.chain(value, S::one() + value * value)
    }
    fn atan(self) -> Self {
        self.chain(self.value.atan(), S::one() / (S::one() + self.value * self.value))
    }
    fn sinh(self) -> Self {
        self.chain(self.value.sinh(), self.value.cosh())
    }
    fn cosh(self) -> Self {
        self.chain(self.value.cosh(), self.value.sinh())
    }
    fn tanh(self) -> Self {
        // With σ the sigmoid, 1/cosh² x = 4σ(2x)σ(−2x): it does not cancel as 1 − tanh² does, and is finite in the tails, as are its derivatives.
        let twice = self.value.scaled(2.0);
        self.chain(self.value.tanh(), (twice.sigmoid() * (-twice).sigmoid()).scaled(4.0))
    }
    fn sigmoid(self) -> Self {
        let value = self.value.sigmoid();
        self.chain(value, value * (-self.value).sigmoid())
    }
    fn softplus(self) -> Self {
        self.chain(self.value.softplus(), self.value.sigmoid())
    }
    /// That of the value.
    fn sign(self) -> Self {
        Self::fixed(self.value.sign())
    }
    /// That of the value.
    fn floor(self) -> Self {
        Self::fixed(self.value.floor())
    }
    /// At zero the branch just beyond it: the variable's absolute value has the slope one there.
    fn abs(self) -> Self {
        let below = self.less(Self::zero());
        Self { value: self.value.abs(), derivative: S::select(below, -self.derivative, self.derivative) }
    }
    /// Where both are equal, the one that is larger just beyond.
    fn maximum(self, other: Self) -> Self {
        let value = self.value.maximum(other.value);
        Self { value, derivative: S::select(self.less(other), other.derivative, self.derivative) }
    }
    /// Where both are equal, the one that is smaller just beyond.
    fn minimum(self, other: Self) -> Self {
        let value = self.value.minimum(other.value);
        Self { value, derivative: S::select(other.less(self), other.derivative, self.derivative) }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is compared so is exact")]
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
            check!(|x: Dual<f64>| x.integer_power(3) + x.integer_power(-2));
            check!(|x: Dual<f64>| x.sin() * x.cos());
            check!(|x: Dual<f64>| x.exp_m1() + x.log2() + x.atan());
            check!(|x: Dual<f64>| x.scaled(0.3).tan());
            check!(|x: Dual<f64>| x.sinh() / x.cosh() - x.tanh() * 2.0);
            check!(|x: Dual<f64>| x.sigmoid() * x.softplus());
            check!(|x: Dual<f64>| 2.0 / (1.0 - 0.1 * x) - x / 3.0);
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

    /// The value with its first and second derivative.
    fn jet(f: impl Fn(Dual<Dual<f64>>) -> Dual<Dual<f64>>, x: f64) -> [f64; 3] {
        let y = f(Dual::variable(Dual::variable(x)));
        assert_eq!(y.value.derivative.to_bits(), y.derivative.value.to_bits());
        [y.value.value, y.derivative.value, y.derivative.derivative]
    }

    proptest! {
        /// Closed forms made of the functions themselves. What is compared is off by a few units of the terms that it is a sum of; on this range
        /// these are at most `size`, and each is made of at most eight functions and operations, each off by at most 2u.
        #[test]
        fn first_and_second_derivatives_are_the_closed_forms(x in -3.0..3.0_f64, n in -5..6_i32) {
            prop_assume!(x.abs() > 0.1);
            let near = |what: &str, found: [f64; 3], expected: [f64; 3], size: f64| {
                for (found, expected) in found.into_iter().zip(expected) {
                    let allowed = 16.0 * f64::EPSILON * size;
                    prop_assert!((found - expected).abs() <= allowed, "{}: {} beside {}", what, found, expected);
                }
                Ok(())
            };
            let (up, sinh, cosh, tanh) = (x.exp(), x.sinh(), x.cosh(), x.tanh());
            near("exp_m1", jet(Real::exp_m1, x), [x.exp_m1(), up, up], up.max(1.0))?;
            near("sinh", jet(Real::sinh, x), [sinh, cosh, sinh], cosh)?;
            near("cosh", jet(Real::cosh, x), [cosh, sinh, cosh], cosh)?;
            let steep = 1.0 / (cosh * cosh);
            near("tanh", jet(Real::tanh, x), [tanh, steep, -2.0 * tanh * steep], 4.0)?;
            let tan = x.tan();
            let steep = 1.0 + tan * tan;
            near("tan", jet(Real::tan, x), [tan, steep, 2.0 * tan * steep], 2.0 * steep * steep)?;
            let flat = 1.0 / (1.0 + x * x);
            near("atan", jet(Real::atan, x), [x.atan(), flat, -2.0 * x * flat * flat], 2.0)?;
            let size = x.abs();
            near("log2", jet(Real::log2, size), [size.log2(), LOG2_E / size, -LOG2_E / (size * size)], 160.0)?;
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let steep = sigmoid * (1.0 - sigmoid);
            near("sigmoid", jet(Real::sigmoid, x), [sigmoid, steep, steep * (1.0 - 2.0 * sigmoid)], 1.0)?;
            near("softplus", jet(Real::softplus, x), [up.ln_1p(), sigmoid, steep], 4.0)?;
            let degree = f64::from(n);
            let power = [x.powi(n), degree * x.powi(n - 1), degree * (degree - 1.0) * x.powi(n - 2)];
            // The largest of the numbers, and no factor of it is less than 0.1 or above 3.
            let largest = power.into_iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
            near("integer power", jet(|x| x.integer_power(n), x), power, 8.0 * largest)?;
            near("sign", jet(Real::sign, x), [x.signum(), 0.0, 0.0], 0.0)?;
            near("floor", jet(Real::floor, x), [x.floor(), 0.0, 0.0], 0.0)?;
        }

        /// The value of a dual number is what the scalar alone gives, to the bit; also at zero and where two are equal.
        #[test]
        fn values_are_those_of_the_scalar_alone(x in prop_oneof![Just(0.0), -30.0..30.0_f64], y in prop_oneof![Just(0.0), -3.0..3.0_f64]) {
            fn all<S: Real>(x: S, y: S) -> [S; 16] {
                [
                    x.atan(), x.tan(), x.sinh(), x.cosh(), x.tanh(), x.exp_m1(), x.log2(), x.sigmoid(), x.softplus(), x.sign(), x.floor(),
                    x.abs(), x.maximum(y), x.minimum(y), x.integer_power(-3), x.scaled(0.1),
                ]
            }
            let nested = all(Dual::variable(Dual::variable(x)), Dual::fixed(Dual::fixed(y)));
            for (dual, plain) in nested.into_iter().zip(all(x, y)) {
                prop_assert!(dual.value.value.to_bits() == plain.to_bits() || plain.is_nan());
            }
        }

        /// Of two functions that agree at the point, the larger is the one that is larger a little to the right: the first coefficient in which
        /// they differ decides. Integers, so that nothing is rounded.
        #[test]
        fn duals_are_ordered_as_just_beyond_the_point(a in prop::array::uniform3(-1..2_i32), b in prop::array::uniform3(-1..2_i32)) {
            let polynomial = |[c, l, q]: [i32; 3]| {
                let x = Dual::variable(Dual::variable(0.0_f64));
                x * x * f64::from(q) + x * f64::from(l) + f64::from(c)
            };
            let (f, g) = (polynomial(a), polynomial(b));
            prop_assert_eq!([f.less(g), g.less(f), f.equal(g)], [a < b, b < a, a == b]);
            prop_assert_eq!([f.maximum(g), g.maximum(f)], [polynomial(a.max(b)); 2]);
            prop_assert_eq!([f.minimum(g), g.minimum(f)], [polynomial(a.min(b)); 2]);
            prop_assert_eq!((f - g).abs(), polynomial(a.max(b)) - polynomial(a.min(b)));
            prop_assert_eq!(Dual::select(f.less(g), f, g), polynomial(a.min(b)));
        }
    }

    #[test]
    fn where_two_are_equal_the_branch_just_beyond_is_taken() {
        let (one, three) = (Dual { value: 2.0, derivative: 1.0 }, Dual { value: 2.0, derivative: 3.0 });
        assert_eq!([one.maximum(three), three.maximum(one)], [three; 2]);
        assert_eq!([one.minimum(three), three.minimum(one)], [one; 2]);
        assert_eq!(Dual::variable(0.0).abs(), Dual::variable(0.0));
        assert_eq!((-Dual::variable(0.0)).abs(), Dual::variable(0.0));
        assert_eq!(Dual::variable(0.0).sign(), Dual::fixed(0.0));
    }

    /// ln(1 + eˣ) has f(0) = ln 2, f′(0) = ½ and f″(0) = ¼, in whatever order its terms are written.
    #[test]
    fn softplus_of_a_user_has_its_curvature_at_zero() {
        type Scalar = Dual<Dual<f64>>;
        let zero = Scalar::zero();
        let expected = [2.0_f64.ln(), 0.5, 0.25];
        assert_eq!(jet(Real::softplus, 0.0), expected);
        assert_eq!(jet(|x| x.maximum(zero) + (-x.abs()).exp().ln_1p(), 0.0), expected);
        assert_eq!(jet(|x| zero.maximum(x) + (-x.abs()).exp().ln_1p(), 0.0), expected);
        assert_eq!(jet(|x| -(-x).minimum(zero) + x.minimum(-x).exp().ln_1p(), 0.0), expected);
        assert_eq!(jet(|x| Scalar::select(x.less(zero), zero, x) + (-x.abs()).exp().ln_1p(), 0.0), expected);
        assert_eq!(jet(|x| Scalar::select(zero.less(x), x, zero) + (-x.abs()).exp().ln_1p(), 0.0), expected);
    }

    #[test]
    fn derivatives_are_finite_and_precise_in_both_tails() {
        // σ′ = e^−|x| where σ or 1 − σ is.
        let tail = (-500.0_f64).exp();
        assert_eq!(jet(Real::sigmoid, 500.0), [1.0, tail, -tail]);
        assert_eq!(jet(Real::sigmoid, -500.0), [tail; 3]);
        assert_eq!(jet(Real::softplus, 500.0), [500.0, 1.0, tail]);
        assert_eq!(jet(Real::softplus, -500.0), [tail; 3]);
        let steep = 4.0 * (-40.0_f64).exp();
        assert_eq!(jet(Real::tanh, 20.0), [1.0, steep, -2.0 * steep]);
        assert_eq!(jet(Real::tanh, 1e4), [1.0, 0.0, -0.0]);
    }

    #[test]
    fn integer_powers_have_slopes_at_zero() {
        assert_eq!(jet(|x| x.integer_power(0), 0.0), [1.0, 0.0, 0.0]);
        assert_eq!(jet(|x| x.integer_power(1), 0.0), [0.0, 1.0, 0.0]);
        assert_eq!(jet(|x| x.integer_power(2), 0.0), [0.0, 0.0, 2.0]);
        assert_eq!(jet(|x| x.integer_power(i32::MIN), 1.0)[0], 1.0);
    }
}
