//! The numbers that rules compute with: a field, a field with roots and logarithms, and the numbers a backend stores.

use core::fmt::Debug;
use core::ops::{Add, Div, Mul, Neg, Sub};

use num_traits::Float;

/// A number with exact-looking arithmetic: `+`, `−`, `×`, `÷` and constants.
///
/// Everything that the closed form of the pull-back inverse needs is here, so an exact fraction is a `Field` and the
/// closed form can be proved with it. A scalar is `Copy` because a rule should read like its formula.
///
/// # Requirements
///
/// The operations are those of a field, up to the rounding of the type. A scalar may hold a value that stands for
/// "undefined" (NaN, or a fraction with denominator zero); it must spread through every operation.
///
/// # Example
///
/// ```
/// use ambient_metric::Field;
///
/// fn damping<S: Field>(slope: S, squared_length: S) -> S {
///     slope / (S::one() + slope * slope * squared_length)
/// }
///
/// assert_eq!(damping(1.0_f64, 3.0), 0.25);
/// ```
pub trait Field:
    Copy
    + Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The scalar nearest to `value`; exact where the type can hold every `f64`.
    fn constant(value: f64) -> Self;

    /// The neutral element of addition.
    #[must_use]
    fn zero() -> Self {
        Self::constant(0.0)
    }

    /// The neutral element of multiplication.
    #[must_use]
    fn one() -> Self {
        Self::constant(1.0)
    }

    /// Zero for a number below the least normal one of its type: such subnormals are slow, and have lost most of their digits. The same number for
    /// a type that has none.
    ///
    /// Rules store their state so ([`Advance`](crate::Advance)): an average of gradients that have vanished ends at zero, and does not stay at
    /// a few times the least number for ever, because 0.9 times that is rounded to itself.
    ///
    /// ```
    /// use ambient_metric::Field;
    /// assert_eq!([1e-45_f32, -1e-38, 1.2e-38].map(Field::flushed), [0.0, 0.0, 1.2e-38]);
    /// ```
    #[must_use]
    fn flushed(self) -> Self {
        self
    }
}

/// A [`Field`] with the elementary functions that embeddings, metrics and test functions use.
///
/// # Requirements
///
/// Outside a function's domain the result is "undefined" (NaN); it never panics.
///
/// # Example
///
/// ```
/// use ambient_metric::Real;
///
/// fn asinh<S: Real>(x: S) -> S {
///     (x + (x * x + S::one()).sqrt()).ln()
/// }
///
/// assert!((asinh(1.0_f64) - 1.0_f64.asinh()).abs() < 1e-15);
/// ```
pub trait Real: Field {
    /// The non-negative square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// eˣ.
    #[must_use]
    fn exp(self) -> Self;
    /// The natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near x = 0 where the type knows how.
    #[must_use]
    fn ln_1p(self) -> Self {
        (Self::one() + self).ln()
    }
    /// xᵖ for a constant exponent p.
    #[must_use]
    fn power(self, exponent: f64) -> Self;
    /// The sine of an angle in radians.
    #[must_use]
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    #[must_use]
    fn cos(self) -> Self;
    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// The larger of two numbers.
    #[must_use]
    fn maximum(self, other: Self) -> Self;
    /// The smaller of two numbers.
    #[must_use]
    fn minimum(self, other: Self) -> Self;
}

/// A number that a tensor stores, with the wider one in which its sums and scalar state are kept.
///
/// `f32` widens to `f64`; `f64` and exact types are their own wide type.
///
/// # Example
///
/// ```
/// use ambient_metric::Element;
///
/// let wide: f64 = 0.1_f32.widen();
/// assert_eq!(f32::narrow(wide), 0.1_f32);
/// ```
pub trait Element: Real + PartialEq + 'static {
    /// The type of sums over this one, and of the scalar act.
    type Wide: Element<Wide = Self::Wide>;

    /// The unit roundoff u: a result is rounded by at most u times itself. Zero for exact numbers.
    const ROUNDOFF: f64 = 0.0;

    /// The least normal number; zero for a type whose small numbers are as precise as the others.
    const LEAST_NORMAL: f64 = 0.0;

    /// The same number in the wide type; exact.
    fn widen(self) -> Self::Wide;
    /// The stored number nearest to a wide one.
    fn narrow(wide: Self::Wide) -> Self;
    /// The nearest `f64`, for reports and checkpoints; exact for `f32` and `f64`.
    fn to_f64(self) -> f64;
    /// Whether the number is neither infinite nor undefined.
    fn is_finite(self) -> bool;
    /// Whether the number is less than zero.
    fn is_negative(self) -> bool;
}

macro_rules! float {
    ($type:ty) => {
        impl Field for $type {
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "a constant is rounded to the type by intent")]
            fn constant(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn flushed(self) -> Self {
                // A NaN is not less, and stays.
                if self.abs() < <$type>::MIN_POSITIVE { 0.0 } else { self }
            }
        }

        impl Real for $type {
            #[inline(always)]
            fn sqrt(self) -> Self {
                Float::sqrt(self)
            }
            #[inline]
            fn exp(self) -> Self {
                Float::exp(self)
            }
            #[inline]
            fn ln(self) -> Self {
                Float::ln(self)
            }
            #[inline]
            fn ln_1p(self) -> Self {
                Float::ln_1p(self)
            }
            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "an exponent is rounded to the type by intent")]
            fn power(self, exponent: f64) -> Self {
                Float::powf(self, exponent as $type)
            }
            #[inline]
            fn sin(self) -> Self {
                Float::sin(self)
            }
            #[inline]
            fn cos(self) -> Self {
                Float::cos(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Float::abs(self)
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                Float::max(self, other)
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                Float::min(self, other)
            }
        }

        impl Element for $type {
            type Wide = f64;
            #[allow(clippy::cast_lossless, reason = "one of the two types is f64 itself")]
            const ROUNDOFF: f64 = <$type>::EPSILON as f64 / 2.0;
            #[allow(clippy::cast_lossless, reason = "one of the two types is f64 itself")]
            const LEAST_NORMAL: f64 = <$type>::MIN_POSITIVE as f64;

            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "narrowing is the purpose")]
            fn narrow(wide: f64) -> Self {
                wide as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                Float::is_finite(self)
            }
            #[inline(always)]
            fn is_negative(self) -> bool {
                self < 0.0
            }
        }
    };
}

float!(f32);
float!(f64);

#[cfg(test)]
mod tests {
    use core::ops::{Add, Div, Mul, Neg, Sub};

    use super::*;
    use proptest::prelude::*;

    /// A scalar that gives what it must and nothing more.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Least(f64);

    macro_rules! operator {
        ($($name:ident :: $method:ident),+) => {
            $(impl $name for Least {
                type Output = Self;
                fn $method(self, other: Self) -> Self {
                    Self(self.0.$method(other.0))
                }
            })+
        };
    }

    operator!(Add::add, Sub::sub, Mul::mul, Div::div);

    impl Neg for Least {
        type Output = Self;
        fn neg(self) -> Self {
            Self(-self.0)
        }
    }

    impl Field for Least {
        fn constant(value: f64) -> Self {
            Self(value)
        }
    }

    impl Real for Least {
        fn sqrt(self) -> Self {
            Self(self.0.sqrt())
        }
        fn exp(self) -> Self {
            Self(self.0.exp())
        }
        fn ln(self) -> Self {
            Self(self.0.ln())
        }
        fn power(self, exponent: f64) -> Self {
            Self(self.0.powf(exponent))
        }
        fn sin(self) -> Self {
            Self(self.0.sin())
        }
        fn cos(self) -> Self {
            Self(self.0.cos())
        }
        fn abs(self) -> Self {
            Self(self.0.abs())
        }
        fn maximum(self, other: Self) -> Self {
            Self(self.0.max(other.0))
        }
        fn minimum(self, other: Self) -> Self {
            Self(self.0.min(other.0))
        }
    }

    proptest! {
        /// ln(1 + x) is off by the rounding of the sum, one unit of 1 + x, and of the logarithm.
        #[test]
        fn a_scalar_without_one_has_the_logarithm_of_one_plus_x(x in 0.1..10.0_f64) {
            let found = Least(x).ln_1p().0;
            prop_assert!((found - x.ln_1p()).abs() <= 2.0 * f64::EPSILON * (1.0 + found));
        }
    }

    #[test]
    fn zero_and_one_are_what_they_are_called() {
        assert_eq!([Least::zero(), Least::one()], [Least(0.0), Least(1.0)]);
    }
}
