//! Lanes: several numbers as one scalar, so that a rule instantiated at them becomes a SIMD loop.

use core::array::from_fn;
use core::ops::{Add, Div, Mul, Neg, Sub};

use ambient_metric::{Element, Field, Real};

/// How many elements a pass handles at a time: a cache line of `f32`, two of `f64`.
pub(crate) const WIDTH: usize = 16;

/// [`WIDTH`] numbers, combined lane by lane; in whole cache lines, because a vector that crosses one is slow to come back from memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes<E>(pub(crate) [E; WIDTH]);

impl<E: Element> Lanes<E> {
    #[inline(always)]
    pub(crate) fn splat(value: E) -> Self {
        Self([value; WIDTH])
    }

    #[inline(always)]
    fn map(self, f: impl Fn(E) -> E) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(E, E) -> E) -> Self {
        Self(from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<E: Element> $trait for Lanes<E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.zip(other, E::$method)
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl<E: Element> Neg for Lanes<E> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(E::neg)
    }
}

impl<E: Element> Field for Lanes<E> {
    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(E::constant(value))
    }
}

impl<E: Element> Real for Lanes<E> {
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(E::sqrt)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        self.map(E::exp)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.map(E::ln)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        self.map(E::ln_1p)
    }
    #[inline(always)]
    fn power(self, exponent: f64) -> Self {
        self.map(|x| x.power(exponent))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.map(E::sin)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.map(E::cos)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(E::abs)
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.zip(other, E::maximum)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.zip(other, E::minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every operation on lanes, and the same on one number.
    fn all<S: Real>(x: S, y: S) -> [S; 14] {
        [
            x + y,
            x - y,
            x * y,
            x / y,
            -x,
            x.sqrt(),
            x.exp(),
            x.ln(),
            x.ln_1p(),
            x.power(1.5),
            x.sin() + y.cos(),
            x.abs(),
            x.maximum(y),
            x.minimum(y),
        ]
    }

    proptest! {
        #[test]
        fn lanes_compute_what_single_numbers_do(xs in prop::array::uniform16(-9.0..9.0_f64), y in 0.1..9.0_f64) {
            let lanes = all(Lanes(xs), Lanes::splat(y));
            for (lane, x) in xs.into_iter().enumerate() {
                let single = all(x, y);
                for (operation, (many, one)) in lanes.iter().zip(single).enumerate() {
                    prop_assert_eq!(many.0[lane].to_bits(), one.to_bits(), "operation {}", operation);
                }
            }
        }
    }
}
