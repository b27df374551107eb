//! A scalar that knows from which inputs it was computed, by which a pass tells what a kernel reads.

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use ambient_metric::{Bundle, Field, Kernel, Real};

/// The inputs that something depends on, one bit for each of the first 32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dependence(u32);

impl Dependence {
    /// What the output of a kernel depends on.
    pub(crate) fn of<K: Kernel>(kernel: &K) -> Self {
        let uniform = Bundle::build(&mut || Self(0));
        let mut slot = 0_usize;
        let input = Bundle::build(&mut || {
            slot += 1;
            Self::on_all(core::iter::once(slot - 1))
        });
        kernel.evaluate(uniform, input).scalars().fold(Self(0), Self::and)
    }

    /// What depends on all inputs in these slots.
    pub(crate) fn on_all(slots: impl Iterator<Item = usize>) -> Self {
        let bit = |slot: usize| u32::try_from(slot).ok().and_then(|slot| 1_u32.checked_shl(slot)).unwrap_or(0);
        slots.fold(Self(0), |all, slot| all.and(Self(bit(slot))))
    }

    /// What depends on both.
    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the input in this slot is among them; yes for those that are not counted.
    pub(crate) fn on(self, slot: usize) -> bool {
        u32::try_from(slot).is_ok_and(|slot| self.0.checked_shr(slot).unwrap_or(1) & 1 == 1)
    }
}

macro_rules! binary {
    ($($trait:ident :: $method:ident),+) => {
        $(impl $trait for Dependence {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.and(other)
            }
        })+
    };
}

// It is also its own mask: a choice depends on what is compared.
binary!(Add::add, Sub::sub, Mul::mul, Div::div, BitAnd::bitand, BitOr::bitor);

impl Neg for Dependence {
    type Output = Self;
    fn neg(self) -> Self {
        self
    }
}

impl Not for Dependence {
    type Output = Self;
    fn not(self) -> Self {
        self
    }
}

impl Field for Dependence {
    fn constant(_: f64) -> Self {
        Self(0)
    }
}

macro_rules! unary {
    ($($method:ident),+) => {
        $(fn $method(self) -> Self {
            self
        })+
    };
}

impl Real for Dependence {
    type Mask = Self;

    unary!(
        sqrt, exp, ln, ln_1p, exp_m1, log2, sin, cos, tan, atan, sinh, cosh, tanh, sigmoid, softplus, sign, floor, abs
    );
    fn less(self, other: Self) -> Self {
        self.and(other)
    }
    fn equal(self, other: Self) -> Self {
        self.and(other)
    }
    fn select(mask: Self, where_it_holds: Self, elsewhere: Self) -> Self {
        mask.and(where_it_holds).and(elsewhere)
    }
    fn power(self, _: f64) -> Self {
        self
    }
    fn maximum(self, other: Self) -> Self {
        self.and(other)
    }
    fn minimum(self, other: Self) -> Self {
        self.and(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ambient_metric::rule::{Advance, Measure};
    use ambient_metric::rules;

    #[test]
    fn a_choice_depends_on_what_is_compared_and_on_what_is_chosen_from() {
        let [a, b, x, y] = [1, 2, 4, 8].map(Dependence);
        assert_eq!(Dependence::select(a.less(b), x, y), Dependence(15));
        assert_eq!(Dependence::select(!(a.equal(a) & b.less(b)) | a.less(a), x, x), Dependence(7));
    }

    #[test]
    fn a_rule_depends_on_what_its_acts_read() {
        let rule = rules::rmsprop(0.1);
        let (measure, advance) = (Dependence::of(&Measure(rule)), Dependence::of(&Advance(rule)));
        // Parameter, momentum, ρ, gradient, and nothing behind them; what is not known counts as read.
        assert_eq!([0, 1, 2, 3, 4, 40].map(|slot| measure.on(slot)), [false, false, true, true, false, true]);
        assert_eq!([0, 1, 2, 3, 4, 40].map(|slot| advance.on(slot)), [true, true, true, true, false, true]);
    }
}
