//! Exact numbers: fractions of unbounded integers as a scalar, so that a rule can be proved instead of approximated.

use core::cell::RefCell;
use core::fmt;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use ambient_metric::number::Element;
use ambient_metric::{Field, Real, constant_operators};
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// Powers beyond this have more digits than a proof can use; they are undefined.
const LARGEST_EXPONENT: f64 = 1024.0;

thread_local! {
    /// Where the fractions of this thread live.
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena { values: Vec::new(), next: 0 }) };
}

struct Arena {
    values: Vec<(u64, BigRational)>,
    next: u64,
}

/// A fraction of unbounded integers, or "undefined".
///
/// It is a scalar like `f64`, so every rule, metric and embedding runs on it, and what holds for it holds as an equation and not up
/// to a tolerance. It is `Copy` because the fractions themselves live in an arena of the thread; [`scope`](Self::scope) empties it.
///
/// # Mathematics
///
/// Field operations are exact, as are comparisons, choices, absolute value, sign and floor, and plain numbers on either side of an operator. The
/// elementary functions are partial: a root is exact for the square of a fraction, a power for an integer exponent (or half of one, of a
/// square), the logarithm to base two for a power of two, and the others at zero (the logarithm at one): e⁰ = 1, ln 1 = 0, sin 0 = 0, cos 0 = 1,
/// σ(0) = ½. Whatever else they are asked, a division by zero, and a choice by a comparison with something undefined, is undefined. Undefined spreads through every operation and equals nothing, not even itself.
/// The slope of ln at a fraction is exact all the same: a dual number keeps 1/L beside an undefined ln L.
///
/// # Requirements
///
/// A value is used on the thread and in the scope that made it; elsewhere it reads as undefined.
///
/// # Example
///
/// ```
/// use ambient_metric::{Embedding, Log, Real};
/// use ambient_metric_conformance::Exact;
///
/// let third = Exact::ratio(1, 3);
/// assert_eq!(third + third + third, Exact::ratio(1, 1));
/// assert_eq!(Exact::ratio(4, 9).sqrt(), Exact::ratio(2, 3));
/// assert_eq!(Log.slope(third), Exact::ratio(3, 1));
/// assert!(third.ln() != third.ln());
/// ```
#[derive(Clone, Copy)]
pub struct Exact(Option<Handle>);

/// Where a fraction lies, and which of those that ever lay there it is.
#[derive(Clone, Copy)]
struct Handle {
    index: usize,
    serial: u64,
}

/// Truncates the arena when it goes, also where a proof panics.
struct Scope {
    len: usize,
}

impl Drop for Scope {
    fn drop(&mut self) {
        ARENA.with_borrow_mut(|arena| arena.values.truncate(self.len));
    }
}

impl Exact {
    /// The fraction `numerator` / `denominator`; undefined where the denominator is zero.
    ///
    /// ```
    /// use ambient_metric_conformance::Exact;
    /// assert_eq!(Exact::ratio(2, 6), Exact::ratio(1, 3));
    /// ```
    #[must_use]
    pub fn ratio(numerator: i64, denominator: i64) -> Self {
        Self::new((denominator != 0).then(|| BigRational::new(numerator.into(), denominator.into())))
    }

    /// Runs a proof, and frees every number that it made.
    ///
    /// Numbers made inside must not be returned: outside they read as undefined.
    ///
    /// ```
    /// use ambient_metric_conformance::Exact;
    ///
    /// let holds = Exact::scope(|| Exact::ratio(1, 2) + Exact::ratio(1, 2) == Exact::ratio(1, 1));
    /// assert!(holds);
    /// let escaped = Exact::scope(|| Exact::ratio(1, 2));
    /// assert!(!escaped.is_defined());
    /// ```
    pub fn scope<R>(proof: impl FnOnce() -> R) -> R {
        let _scope = Scope { len: ARENA.with_borrow(|arena| arena.values.len()) };
        proof()
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_defined(self) -> bool {
        self.value().is_some()
    }

    fn new(value: Option<BigRational>) -> Self {
        Self(value.map(|value| {
            ARENA.with_borrow_mut(|arena| {
                let handle = Handle { index: arena.values.len(), serial: arena.next };
                arena.values.push((arena.next, value));
                arena.next += 1;
                handle
            })
        }))
    }

    fn value(self) -> Option<BigRational> {
        let handle = self.0?;
        ARENA.with_borrow(|arena| match arena.values.get(handle.index) {
            Some((serial, value)) if *serial == handle.serial => Some(value.clone()),
            _ => None,
        })
    }

    fn map(self, f: impl FnOnce(BigRational) -> Option<BigRational>) -> Self {
        Self::new(self.value().and_then(f))
    }

    fn zip(self, other: Self, f: impl FnOnce(BigRational, BigRational) -> Option<BigRational>) -> Self {
        Self::new(self.value().zip(other.value()).and_then(|(a, b)| f(a, b)))
    }

    /// `result` where this number is `argument`, undefined elsewhere.
    fn only_at(self, argument: i32, result: i32) -> Self {
        let integer = |value: i32| BigRational::from_integer(value.into());
        self.map(|value| (value == integer(argument)).then(|| integer(result)))
    }
}

/// The root of a fraction in lowest terms: it is one exactly where both of its integers are squares.
fn root(value: &BigRational) -> Option<BigRational> {
    let root_of = |integer: &BigInt| {
        let root = (integer.sign() != Sign::Minus).then(|| integer.sqrt())?;
        (&root * &root == *integer).then_some(root)
    };
    Some(BigRational::new(root_of(value.numer())?, root_of(value.denom())?))
}

fn integer_power(value: &BigRational, exponent: f64) -> Option<BigRational> {
    let allowed = exponent.fract() == 0.0 && exponent.abs() <= LARGEST_EXPONENT && !(value.is_zero() && exponent < 0.0);
    allowed.then(|| exponent.to_i32().map(|exponent| value.pow(exponent)))?
}

impl fmt::Debug for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => write!(formatter, "{value}"),
            None => formatter.write_str("undefined"),
        }
    }
}

impl PartialEq for Exact {
    /// Whether both are the same number; undefined equals nothing.
    fn eq(&self, other: &Self) -> bool {
        self.value().zip(other.value()).is_some_and(|(a, b)| a == b)
    }
}

impl Add for Exact {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| Some(a + b))
    }
}

impl Sub for Exact {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| Some(a - b))
    }
}

impl Mul for Exact {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| Some(a * b))
    }
}

impl Div for Exact {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| (!b.is_zero()).then(|| a / b))
    }
}

impl Neg for Exact {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(|value| Some(-value))
    }
}

/// Whether a comparison of fractions holds; undefined where one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactMask(Option<bool>);

impl BitAnd for ExactMask {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(a, b)| a & b))
    }
}

impl BitOr for ExactMask {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(a, b)| a | b))
    }
}

impl Not for ExactMask {
    type Output = Self;
    fn not(self) -> Self {
        Self(self.0.map(|holds| !holds))
    }
}

constant_operators!([] Exact);

impl Field for Exact {
    /// The very number that the `f64` stands for; undefined for NaN and infinities.
    fn constant(value: f64) -> Self {
        Self::new(BigRational::from_float(value))
    }
    fn integer_power(self, exponent: i32) -> Self {
        self.map(|value| integer_power(&value, f64::from(exponent)))
    }
}

impl Real for Exact {
    type Mask = ExactMask;

    fn less(self, other: Self) -> ExactMask {
        ExactMask(self.value().zip(other.value()).map(|(a, b)| a < b))
    }
    fn equal(self, other: Self) -> ExactMask {
        ExactMask(self.value().zip(other.value()).map(|(a, b)| a == b))
    }
    fn select(mask: ExactMask, where_it_holds: Self, elsewhere: Self) -> Self {
        match mask.0 {
            Some(true) => where_it_holds,
            Some(false) => elsewhere,
            None => Self(None),
        }
    }
    fn sqrt(self) -> Self {
        self.map(|value| root(&value))
    }
    fn exp(self) -> Self {
        self.only_at(0, 1)
    }
    fn ln(self) -> Self {
        self.only_at(1, 0)
    }
    fn ln_1p(self) -> Self {
        self.only_at(0, 0)
    }
    fn power(self, exponent: f64) -> Self {
        self.map(|value| {
            integer_power(&value, exponent)
                .or_else(|| root(&value).and_then(|root| integer_power(&root, 2.0 * exponent)))
        })
    }
    fn sin(self) -> Self {
        self.only_at(0, 0)
    }
    fn cos(self) -> Self {
        self.only_at(0, 1)
    }
    fn log2(self) -> Self {
        self.map(|value| {
            let exponent = |integer: &BigInt| {
                let bits = integer.bits().checked_sub(1).filter(|_| integer.sign() == Sign::Plus)?;
                (integer.trailing_zeros() == Some(bits)).then(|| BigInt::from(bits))
            };
            Some(BigRational::from_integer(exponent(value.numer())? - exponent(value.denom())?))
        })
    }
    fn atan(self) -> Self {
        self.only_at(0, 0)
    }
    fn floor(self) -> Self {
        self.map(|value| Some(value.floor()))
    }
    fn abs(self) -> Self {
        self.map(|value| Some(value.abs()))
    }
    fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| Some(a.max(b)))
    }
    fn minimum(self, other: Self) -> Self {
        self.zip(other, |a, b| Some(a.min(b)))
    }
}

impl Element for Exact {
    type Wide = Self;

    fn widen(self) -> Self {
        self
    }
    fn narrow(wide: Self) -> Self {
        wide
    }
    fn to_f64(self) -> f64 {
        self.value().and_then(|value| value.to_f64()).unwrap_or(f64::NAN)
    }
    fn is_finite(self) -> bool {
        self.is_defined()
    }
    fn is_negative(self) -> bool {
        self.value().is_some_and(|value| value.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use ambient_metric::number::Dual;
    use proptest::prelude::*;

    use super::*;

    fn live() -> usize {
        ARENA.with_borrow(|arena| arena.values.len())
    }

    #[test]
    fn undefined_spreads_and_equals_nothing() {
        let undefined = Exact::ratio(1, 0);
        let one = Exact::one();
        for spread in [undefined + one, one / undefined, undefined.maximum(one), one / Exact::zero(), -undefined] {
            assert!(!spread.is_defined());
            assert!(!spread.is_finite());
            assert_ne!(spread, spread);
            assert!(spread.to_f64().is_nan());
        }
        for outside in [
            Exact::ratio(2, 1).sqrt(),
            (-one).sqrt(),
            one.exp(),
            Exact::zero().ln(),
            one.sin(),
            Exact::constant(f64::NAN),
        ] {
            assert!(!outside.is_defined());
        }
        for outside in [one.tan(), one.atan(), one.sinh(), one.cosh(), one.tanh(), one.exp_m1(), one.sigmoid()] {
            assert!(!outside.is_defined());
        }
        let base_two = [Exact::zero(), -one, Exact::ratio(3, 1), Exact::ratio(-2, 1)].map(Exact::log2);
        for outside in base_two.into_iter().chain([Exact::zero().softplus()]) {
            assert!(!outside.is_defined());
        }
        assert!(!Exact::select(undefined.less(one), one, one).is_defined());
        assert!(!Exact::select(undefined.equal(undefined) | one.equal(one), one, one).is_defined());
        assert!(!undefined.sign().is_defined() && !undefined.floor().is_defined());
        assert!(!Exact::zero().integer_power(-1).is_defined());
        assert!(!Exact::ratio(2, 1).integer_power(i32::MIN).is_defined());
        assert!(!Exact::zero().power(-1.0).is_defined());
        assert!(!Exact::ratio(2, 1).power(0.5).is_defined());
        assert!(!Exact::ratio(2, 1).power(1e300).is_defined());
    }

    #[test]
    fn a_scope_frees_what_was_made_inside_and_what_escapes_is_undefined_even_when_its_place_is_taken() {
        let before = live();
        let escaped = Exact::scope(|| Exact::ratio(1, 2));
        assert_eq!(live(), before);
        let kept = Exact::ratio(7, 1);
        assert!(!escaped.is_defined());
        assert_eq!(kept, Exact::ratio(14, 2));
    }

    #[test]
    fn elementary_functions_are_exact_where_they_are_rational() {
        let one = Exact::one();
        let zero = Exact::zero();
        assert_eq!([zero.exp(), one.ln(), zero.ln_1p(), zero.sin(), zero.cos()], [one, zero, zero, zero, one]);
        let at_zero = [zero.tan(), zero.atan(), zero.sinh(), zero.cosh(), zero.tanh(), zero.exp_m1(), zero.sigmoid()];
        assert_eq!(at_zero, [zero, zero, zero, one, zero, zero, Exact::ratio(1, 2)]);
        assert_eq!(
            [one, Exact::ratio(8, 1), Exact::ratio(1, 4)].map(Exact::log2),
            [0, 3, -2].map(|n| Exact::ratio(n, 1))
        );
        assert_eq!(Exact::ratio(4, 9).power(1.5), Exact::ratio(8, 27));
        assert_eq!(Exact::ratio(4, 9).power(-0.5), Exact::ratio(3, 2));
        assert_eq!(Exact::ratio(-2, 3).power(3.0), Exact::ratio(-8, 27));
        assert_eq!(
            Exact::constant(0.1) * Exact::constant(36_028_797_018_963_968.0),
            Exact::ratio(3_602_879_701_896_397, 1)
        );
        assert_eq!(Dual::variable(Exact::ratio(2, 3)).ln().derivative, Exact::ratio(3, 2));
    }

    proptest! {
        #[test]
        fn order_and_absolute_value_are_those_of_fractions(a in -50_i64..50, b in 1_i64..20, c in -50_i64..50, d in 1_i64..20) {
            let (x, y) = (Exact::ratio(a, b), Exact::ratio(c, d));
            let larger = if a * d >= c * b { x } else { y };
            prop_assert_eq!(x.maximum(y), larger);
            prop_assert_eq!(x.minimum(y), x + y - larger);
            prop_assert_eq!(x.abs(), Exact::ratio(a.abs(), b));
            prop_assert_eq!(x.is_negative(), a < 0);
            prop_assert_eq!((x * x).sqrt(), x.abs());
        }

        #[test]
        fn choices_signs_and_integer_parts_are_those_of_fractions(a in -50_i64..50, b in 1_i64..20, c in -50_i64..50, d in 1_i64..20) {
            let (x, y) = (Exact::ratio(a, b), Exact::ratio(c, d));
            prop_assert_eq!([x.less(y), x.equal(y)], [a * d < c * b, a * d == c * b].map(|holds| ExactMask(Some(holds))));
            prop_assert_eq!(Exact::select(x.less(y) | x.equal(y), x, y), x.minimum(y));
            prop_assert_eq!(Exact::select(!y.less(x) & x.equal(x), x, y), x.minimum(y));
            prop_assert_eq!([x.sign(), x.floor()], [a.signum(), a.div_euclid(b)].map(|n| Exact::ratio(n, 1)));
        }

        #[test]
        fn integer_powers_and_plain_numbers_are_exact(a in 1_i64..50, b in 1_i64..20, below in any::<bool>(), n in -9..10_i32, number in -1e3..1e3_f64) {
            let x = Exact::ratio(if below { -a } else { a }, b);
            let power = (0..n.abs()).fold(Exact::one(), |power, _| if n < 0 { power / x } else { power * x });
            prop_assert_eq!(x.integer_power(n), power);
            let exact = Exact::constant(number);
            prop_assert_eq!([x * number, number * x, x.scaled(number)], [exact * x; 3]);
            prop_assert_eq!([x + number, number + x, x - number, number - x], [x + exact, x + exact, x - exact, exact - x]);
            prop_assert_eq!(number / x, exact / x);
            // A dual number has the derivative of the power, also by its nested self.
            let jet = Dual::variable(Dual::variable(x)).integer_power(n);
            let factor = f64::from(n);
            prop_assert_eq!(jet.derivative.value, x.integer_power(n - 1) * factor);
            prop_assert_eq!(jet.derivative.derivative, x.integer_power(n - 2) * (factor * (factor - 1.0)));
        }

        #[test]
        fn every_finite_float_survives_the_way_there_and_back(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            prop_assert_eq!(Exact::constant(value).to_f64().to_bits(), value.to_bits());
        }
    }
}
