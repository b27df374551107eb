//! The numbers that rules compute with: a field, a field with roots and logarithms, and the numbers a backend stores.

use core::f64::consts::LOG2_E;
use core::fmt::Debug;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

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
    /// Rules store their state so ([`Advance`](crate::rule::Advance)): an average of gradients that have vanished ends at zero, and does not stay at
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

    /// c x for a plain number c.
    ///
    /// In a function generic over the scalar this, or `S::constant(c) * x`, is how a number is written. An operator cannot be asked for: `x * c`
    /// would need `f32: Mul<f64>` and `c * x` would need `f64: Mul<f32>`, which no crate but the standard library may implement. Scalars that are
    /// types of their own, like [`Dual`](crate::number::Dual), have `x * 2.0`, `2.0 * x` and the like by
    /// [`constant_operators!`](crate::constant_operators).
    ///
    /// ```
    /// use ambient_metric::Field;
    /// assert_eq!(3.0_f32.scaled(0.5), 1.5);
    /// ```
    #[must_use]
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self * Self::constant(factor)
    }

    /// xⁿ for an integer n, as a product of about log₂ |n| factors; below zero one divided by it. x⁰ = 1 for every x.
    ///
    /// Every factor is rounded, so the result is off by at most |n| units in the last place.
    ///
    /// ```
    /// use ambient_metric::Field;
    /// assert_eq!((-2.0_f64).integer_power(3), -8.0);
    /// assert_eq!(2.0_f64.integer_power(-2), 0.25);
    /// ```
    #[must_use]
    #[inline]
    fn integer_power(self, exponent: i32) -> Self {
        let product = product(self, exponent.unsigned_abs());
        if exponent < 0 { Self::one() / product } else { product }
    }
}

/// xⁿ by squaring.
#[inline]
fn product<S: Field>(x: S, times: u32) -> S {
    let Some(highest) = times.checked_ilog2() else { return S::one() };
    let mut power = x;
    for bit in (0..highest).rev() {
        power = power * power;
        if (times >> bit) & 1 == 1 {
            power = power * x;
        }
    }
    power
}

/// What a comparison of scalars gives: whether it holds, for every number that the scalar stands for. Masks are combined with `&`, `|` and `!`.
///
/// It is `bool` for a scalar that is one number. Whatever has these operators is a mask.
pub trait Mask: Copy + Debug + Send + Sync + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {}

impl<M> Mask for M where
    M: Copy + Debug + Send + Sync + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
}

/// A [`Field`] with the elementary functions that embeddings, metrics, losses and test functions use, and with choices.
///
/// # Choices
///
/// A rule never branches: one scalar may stand for several numbers, or for one that is not known yet. It asks [`less`](Self::less) or
/// [`equal`](Self::equal), which give a [mask](Self::Mask), and [selects](Self::select) one of two results, both of which are computed.
///
/// # Requirements
///
/// Outside a function's domain the result is "undefined" (NaN); it never panics. The methods with a body are formulas without
/// cancellation, as precise as the functions in them; a type that knows better overrides them.
///
/// # Example
///
/// ```
/// use ambient_metric::Real;
/// use ambient_metric::number::Dual;
///
/// /// Quadratic up to one, and as steep as there beyond.
/// fn huber<S: Real>(x: S) -> S {
///     let size = x.abs();
///     S::select(size.less(S::one()), (x * x).scaled(0.5), size - S::constant(0.5))
/// }
///
/// assert_eq!([0.5, -3.0].map(huber), [0.125, 2.5]);
/// assert_eq!(huber(Dual::variable(-3.0)).derivative, -1.0);
/// ```
pub trait Real: Field {
    /// What a comparison gives.
    type Mask: Mask;

    /// Whether x < y; not where one is undefined.
    #[must_use]
    fn less(self, other: Self) -> Self::Mask;
    /// Whether x = y; not where one is undefined.
    #[must_use]
    fn equal(self, other: Self) -> Self::Mask;
    /// The one where the mask holds, the other elsewhere. What is not selected may be undefined.
    ///
    /// ```
    /// use ambient_metric::Real;
    ///
    /// fn root_or_zero<S: Real>(x: S) -> S {
    ///     S::select(x.less(S::zero()), S::zero(), x.sqrt())
    /// }
    ///
    /// assert_eq!([-1.0, 4.0].map(root_or_zero), [0.0, 2.0]);
    /// ```
    #[must_use]
    fn select(mask: Self::Mask, where_it_holds: Self, elsewhere: Self) -> Self;

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
    #[inline(always)]
    fn ln_1p(self) -> Self {
        (Self::one() + self).ln()
    }
    /// eˣ − 1, accurate near x = 0 where the type knows how.
    #[must_use]
    #[inline(always)]
    fn exp_m1(self) -> Self {
        self.exp() - Self::one()
    }
    /// The logarithm to base two, ln x / ln 2.
    #[must_use]
    #[inline(always)]
    fn log2(self) -> Self {
        self.ln().scaled(LOG2_E)
    }
    /// xᵖ for a constant exponent p. For an integer there is [`integer_power`](Field::integer_power).
    #[must_use]
    fn power(self, exponent: f64) -> Self;
    /// The sine of an angle in radians.
    #[must_use]
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    #[must_use]
    fn cos(self) -> Self;
    /// The tangent of an angle in radians, sin x / cos x.
    #[must_use]
    #[inline(always)]
    fn tan(self) -> Self {
        self.sin() / self.cos()
    }
    /// The angle between −π/2 and π/2 whose tangent is x.
    #[must_use]
    fn atan(self) -> Self;
    /// The hyperbolic sine, (eˣ − e⁻ˣ)/2.
    #[must_use]
    #[inline(always)]
    fn sinh(self) -> Self {
        // The two are of opposite signs: nothing cancels.
        (self.exp_m1() - (-self).exp_m1()).scaled(0.5)
    }
    /// The hyperbolic cosine, (eˣ + e⁻ˣ)/2.
    #[must_use]
    #[inline(always)]
    fn cosh(self) -> Self {
        (self.exp() + (-self).exp()).scaled(0.5)
    }
    /// The hyperbolic tangent, sinh x / cosh x.
    #[must_use]
    #[inline(always)]
    fn tanh(self) -> Self {
        // With t = e^(−2|x|) − 1 between −1 and 0 it is ∓t/(t + 2): nothing cancels, and nothing overflows.
        let t = self.abs().scaled(-2.0).exp_m1();
        Self::select(self.less(Self::zero()), t, -t) / (t + Self::constant(2.0))
    }
    /// The logistic function 1/(1 + e⁻ˣ), the slope of [`softplus`](Self::softplus); precise in both tails.
    ///
    /// ```
    /// use ambient_metric::Real;
    /// assert_eq!([0.0, 800.0].map(Real::sigmoid), [0.5, 1.0]);
    /// // Far to the left it is eˣ, and not zero.
    /// assert_eq!((-100.0_f64).sigmoid(), (-100.0_f64).exp());
    /// ```
    #[must_use]
    #[inline(always)]
    fn sigmoid(self) -> Self {
        // The exponential of a negative number: nothing overflows.
        let small = (-self.abs()).exp();
        Self::select(self.less(Self::zero()), small, Self::one()) / (Self::one() + small)
    }
    /// ln(1 + eˣ), a smooth maximum of x and zero; precise in both tails.
    ///
    /// ```
    /// use ambient_metric::Real;
    /// assert_eq!(800.0_f64.softplus(), 800.0);
    /// assert_eq!((-100.0_f64).softplus(), (-100.0_f64).exp());
    /// ```
    #[must_use]
    #[inline(always)]
    fn softplus(self) -> Self {
        self.maximum(Self::zero()) + (-self.abs()).exp().ln_1p()
    }
    /// −1 below zero, 1 above, and 0 at zero.
    #[must_use]
    #[inline(always)]
    fn sign(self) -> Self {
        // What is neither less nor more is a zero, or undefined, and stays.
        let not_above = Self::select(self.less(Self::zero()), -Self::one(), self);
        Self::select(Self::zero().less(self), Self::one(), not_above)
    }
    /// The largest integer that is not above x.
    #[must_use]
    fn floor(self) -> Self;
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

/// Where a number is finite.
#[allow(clippy::eq_op, reason = "the difference is zero for a finite number alone")]
pub(crate) fn finite<S: Real>(x: S) -> S::Mask {
    (x - x).equal(S::zero())
}

/// A mask that holds.
pub(crate) fn holds<S: Real>() -> S::Mask {
    S::zero().equal(S::zero())
}

/// A number that a tensor stores, with the wider one in which its sums and scalar state are kept.
///
/// `f32` widens to `f64`; `f64` and exact types are their own wide type.
///
/// # Example
///
/// ```
/// use ambient_metric::number::Element;
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
    ($type:ty, $bits:ty) => {
        impl Field for $type {
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "a constant is rounded to the type by intent")]
            fn constant(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn flushed(self) -> Self {
                // No bit in its exponent: that of a NaN or an infinity has all of them.
                const EXPONENT: $bits = <$type>::INFINITY.to_bits();
                if self.to_bits() & EXPONENT == 0 { 0.0 } else { self }
            }
        }

        impl Real for $type {
            type Mask = bool;

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }
            #[inline(always)]
            #[allow(clippy::float_cmp, reason = "the question is whether they are the same")]
            fn equal(self, other: Self) -> bool {
                self == other
            }
            #[inline(always)]
            fn select(mask: bool, where_it_holds: Self, elsewhere: Self) -> Self {
                if mask { where_it_holds } else { elsewhere }
            }
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
            #[inline]
            fn exp_m1(self) -> Self {
                Float::exp_m1(self)
            }
            #[inline]
            fn log2(self) -> Self {
                Float::log2(self)
            }
            #[inline]
            fn tan(self) -> Self {
                Float::tan(self)
            }
            #[inline]
            fn atan(self) -> Self {
                Float::atan(self)
            }
            #[inline]
            fn sinh(self) -> Self {
                Float::sinh(self)
            }
            #[inline]
            fn cosh(self) -> Self {
                Float::cosh(self)
            }
            #[inline]
            fn tanh(self) -> Self {
                Float::tanh(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                Float::floor(self)
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

float!(f32, u32);
float!(f64, u64);

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what is compared so is exact")]
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
        type Mask = bool;
        fn less(self, other: Self) -> bool {
            self.0 < other.0
        }
        fn equal(self, other: Self) -> bool {
            self.0 == other.0
        }
        fn select(mask: bool, where_it_holds: Self, elsewhere: Self) -> Self {
            if mask { where_it_holds } else { elsewhere }
        }
        fn atan(self) -> Self {
            Self(self.0.atan())
        }
        fn floor(self) -> Self {
            Self(self.0.floor())
        }
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

        /// A function of the standard library is off by at most one unit in the last place, 2u of the number, an operation by u. With eˣ − 1 from
        /// eˣ, the error is that of eˣ and not of the difference: so many units of the larger of eˣ and 1.
        #[test]
        fn a_scalar_without_them_has_functions_made_of_others(x in -20.0..20.0_f64) {
            let u = f64::EPSILON / 2.0;
            let near = |what, found: Least, expected: f64, allowed: f64| {
                prop_assert!((found.0 - expected).abs() <= allowed * u, "{}: {} beside {}", what, found.0, expected);
                Ok(())
            };
            let (up, down) = (x.exp(), (-x).exp());
            near("exp_m1", Least(x).exp_m1(), x.exp_m1(), 5.0 * up.max(1.0))?;
            near("log2", Least(x.abs()).log2(), x.abs().log2(), 8.0 * x.abs().log2().abs())?;
            // Sine and cosine are off by 2u of themselves, and so is their quotient: 2 + 2 + 1, and the library's own 2.
            near("tan", Least(x).tan(), x.tan(), 7.0 * x.tan().abs())?;
            near("sinh", Least(x).sinh(), x.sinh(), 5.0 * (up.max(1.0) + down.max(1.0)))?;
            near("cosh", Least(x).cosh(), x.cosh(), 5.0 * x.cosh())?;
            // t is off by 5u, and the quotient is at most one, with a denominator of at least one.
            near("tanh", Least(x).tanh(), x.tanh(), 12.0)?;
        }

        /// A number as `f32` has the functions of the standard library, and what is made of them is what `f64` rounds to, in all of both tails:
        /// e^−|x| is off by 2u (and the subnormal it may be by one unit), its sum with one, a quotient, ln(1 + x) and a sum by a few more.
        #[test]
        fn sigmoid_and_softplus_are_precise_in_both_tails(x in -100.0..100.0_f32) {
            let u = f64::from(f32::EPSILON) / 2.0;
            let wide = f64::from(x);
            let sigmoid = 1.0 / (1.0 + (-wide).exp());
            let softplus = if wide > 30.0 { wide + (-wide).exp() } else { wide.exp().ln_1p() };
            let subnormal = f64::from(f32::from_bits(2));
            for (found, expected) in [(x.sigmoid(), sigmoid), (x.softplus(), softplus)] {
                prop_assert!((f64::from(found) - expected).abs() <= 8.0 * u * expected + subnormal, "{} {}", found, expected);
            }
        }

        /// Both tails of `f64`: to the left both are eˣ up to a factor below 1 + eˣ, to the right 1 and x.
        #[test]
        fn far_out_sigmoid_and_softplus_are_their_limits(x in 40.0..700.0_f64) {
            prop_assert_eq!([x.sigmoid(), x.softplus()], [1.0, x]);
            prop_assert_eq!([(-x).sigmoid(), (-x).softplus()], [(-x).exp(); 2]);
        }

        /// Each of at most 2 log₂ n products is rounded, and an error of a factor counts as often as it is a factor: (n − 1)u in all, and u for
        /// the quotient; `powi` is off as much.
        #[test]
        fn integer_powers_are_those_of_the_standard_library(x in -3.0..3.0_f64, n in -40..40_i32) {
            let (found, expected) = (x.integer_power(n), x.powi(n));
            prop_assert!((found - expected).abs() <= f64::from(n.abs()) * f64::EPSILON * expected.abs(), "{found} {expected}");
        }

        #[test]
        fn choices_are_those_of_the_branch(x in -3..3_i32, y in -3..3_i32) {
            let (a, b) = (f64::from(x), f64::from(y));
            prop_assert_eq!([a.less(b), a.equal(b)], [x < y, x == y]);
            prop_assert_eq!(f64::select(a.less(b), a, b), a.min(b));
            prop_assert_eq!([a.sign(), (a / 2.0).floor()], [f64::from(x.signum()), f64::from(x.div_euclid(2))]);
            prop_assert_eq!(a.scaled(0.5), a / 2.0);
        }
    }

    #[test]
    fn undefined_is_neither_less_nor_equal_and_has_no_sign() {
        let undefined = f64::NAN;
        assert!(!undefined.less(1.0) && !1.0.less(undefined) && !undefined.equal(undefined));
        assert!(undefined.sign().is_nan() && undefined.sigmoid().is_nan());
        assert_eq!((-0.0_f64).sign().to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn the_zeroth_power_is_one_and_the_least_exponent_is_no_overflow() {
        assert_eq!([0.0, f64::NAN, f64::INFINITY].map(|x| x.integer_power(0)), [1.0; 3]);
        assert_eq!([1.0, 2.0].map(|x: f64| x.integer_power(i32::MIN)), [1.0, 0.0]);
    }

    #[test]
    fn hyperbolic_functions_made_of_others_hold_their_limits() {
        assert_eq!([-1e300, -0.0, 1e300].map(|x| Least(x).tanh().0), [-1.0, 0.0, 1.0]);
        assert_eq!(Least(f64::NEG_INFINITY).sinh().0, f64::NEG_INFINITY);
    }

    #[test]
    fn zero_and_one_are_what_they_are_called() {
        assert_eq!([Least::zero(), Least::one()], [Least(0.0), Least(1.0)]);
    }
}
