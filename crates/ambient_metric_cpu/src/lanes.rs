//! Lanes: several numbers as one scalar, so that a rule instantiated at them becomes a SIMD loop.

use core::marker::PhantomData;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use ambient_metric::number::Element;
use ambient_metric::{Field, Real};
use pulp::{Scalar, Simd};

#[allow(unsafe_code, reason = "all of it is in this module")]
mod vectors;

use vectors::{cast, cast_mut, vectors};

/// How many elements a pass handles at a time: a cache line of `f32`, two of `f64`.
pub(crate) const WIDTH: usize = 16;

/// [`WIDTH`] numbers, combined lane by lane with the vectors `V` of the processor; in whole cache lines, because a vector that crosses one is
/// slow to come back from memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes<V, E> {
    pub(crate) numbers: [E; WIDTH],
    vectors: PhantomData<V>,
}

/// Lanes between loops, of which only the loops know by which vectors they are combined.
pub(crate) type Kept<E> = Lanes<Scalar, E>;

impl<V: Simd, E: Element> Lanes<V, E> {
    #[inline(always)]
    pub(crate) fn new(numbers: [E; WIDTH]) -> Self {
        Self { numbers, vectors: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn splat(value: E) -> Self {
        Self::new([value; WIDTH])
    }

    /// The same numbers for other vectors.
    #[inline(always)]
    pub(crate) fn with<W: Simd>(self) -> Lanes<W, E> {
        Lanes::new(self.numbers)
    }

    /// Every lane by itself, for what vectors do not have.
    #[inline(always)]
    fn each(mut self, f: impl Fn(E) -> E) -> Self {
        for lane in &mut self.numbers {
            *lane = f(*lane);
        }
        self
    }

    /// Every pair of lanes by itself, for what vectors do not have.
    #[inline(always)]
    fn each_pair(mut self, other: Self, f: impl Fn(E, E) -> E) -> Self {
        for (lane, other) in self.numbers.iter_mut().zip(&other.numbers) {
            *lane = f(*lane, *other);
        }
        self
    }

    /// A vector after the other, by the function for their numbers. (What is asked of constants is left out before anything is compiled.)
    #[inline(always)]
    fn map(
        mut self,
        on_f32: impl Fn(V, V::f32s) -> V::f32s,
        on_f64: impl Fn(V, V::f64s) -> V::f64s,
        on_one: impl Fn(E) -> E,
    ) -> Self {
        if const { Self::may_be::<f32>() }
            && let Some(x) = cast_mut(&mut self.numbers)
        {
            for x in V::as_mut_simd_f32s(x).0 {
                *x = on_f32(vectors(), *x);
            }
            return self;
        }
        if const { Self::may_be::<f64>() }
            && let Some(x) = cast_mut(&mut self.numbers)
        {
            for x in V::as_mut_simd_f64s(x).0 {
                *x = on_f64(vectors(), *x);
            }
            return self;
        }
        self.each(on_one)
    }

    /// A pair of vectors after the other, by the function for their numbers.
    #[inline(always)]
    fn zip(
        mut self,
        other: Self,
        on_f32: impl Fn(V, V::f32s, V::f32s) -> V::f32s,
        on_f64: impl Fn(V, V::f64s, V::f64s) -> V::f64s,
        on_one: impl Fn(E, E) -> E,
    ) -> Self {
        if const { Self::may_be::<f32>() }
            && let (Some(x), Some(y)) = (cast_mut(&mut self.numbers), cast(&other.numbers))
        {
            for (x, y) in V::as_mut_simd_f32s(x).0.iter_mut().zip(V::as_simd_f32s(y).0) {
                *x = on_f32(vectors(), *x, *y);
            }
            return self;
        }
        if const { Self::may_be::<f64>() }
            && let (Some(x), Some(y)) = (cast_mut(&mut self.numbers), cast(&other.numbers))
        {
            for (x, y) in V::as_mut_simd_f64s(x).0.iter_mut().zip(V::as_simd_f64s(y).0) {
                *x = on_f64(vectors(), *x, *y);
            }
            return self;
        }
        self.each_pair(other, on_one)
    }

    /// The second where the first is above zero, else the third, a vector after the other.
    #[inline(always)]
    fn blend(self, mut x: Self, y: Self) -> Self {
        let mask = &self.numbers;
        if const { Self::may_be::<f32>() }
            && let (Some(mask), Some(x), Some(y)) = (cast(mask), cast_mut(&mut x.numbers), cast(&y.numbers))
        {
            let others = V::as_simd_f32s(mask).0.iter().zip(V::as_simd_f32s(y).0);
            for (x, (mask, y)) in V::as_mut_simd_f32s(x).0.iter_mut().zip(others) {
                *x = blend_f32s::<V>(vectors(), *mask, *x, *y);
            }
        } else if const { Self::may_be::<f64>() }
            && let (Some(mask), Some(x), Some(y)) = (cast(mask), cast_mut(&mut x.numbers), cast(&y.numbers))
        {
            let others = V::as_simd_f64s(mask).0.iter().zip(V::as_simd_f64s(y).0);
            for (x, (mask, y)) in V::as_mut_simd_f64s(x).0.iter_mut().zip(others) {
                *x = blend_f64s::<V>(vectors(), *mask, *x, *y);
            }
        } else {
            for (x, (&mask, &y)) in x.numbers.iter_mut().zip(mask.iter().zip(&y.numbers)) {
                *x = E::select(E::zero().less(mask), *x, y);
            }
        }
        x
    }

    /// Whether there are vectors, as many as fill the lanes, and the numbers may be of this type.
    const fn may_be<F>() -> bool {
        let fill = WIDTH.is_multiple_of(V::F32_LANES) && WIDTH.is_multiple_of(V::F64_LANES);
        !V::IS_SCALAR && fill && size_of::<E>() == size_of::<F>()
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $on_f32:ident, $on_f64:ident) => {
        impl<V: Simd, E: Element> $trait for Lanes<V, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.zip(other, V::$on_f32, V::$on_f64, E::$method)
            }
        }
    };
}

operator!(Add, add, add_f32s, add_f64s);
operator!(Sub, sub, sub_f32s, sub_f64s);
operator!(Mul, mul, mul_f32s, mul_f64s);
operator!(Div, div, div_f32s, div_f64s);

macro_rules! extreme {
    ($name:ident, $vector:ident, $holds:ident, $equal:ident, $select:ident) => {
        /// The first where the comparison holds; else the second, but for one that is not a number.
        #[inline(always)]
        fn $name<V: Simd>(vectors: V, x: V::$vector, y: V::$vector) -> V::$vector {
            let otherwise = vectors.$select(vectors.$equal(y, y), y, x);
            vectors.$select(vectors.$holds(x, y), x, otherwise)
        }
    };
}

extreme!(maximum_f32s, f32s, greater_than_or_equal_f32s, equal_f32s, select_f32s);
extreme!(maximum_f64s, f64s, greater_than_or_equal_f64s, equal_f64s, select_f64s);
extreme!(minimum_f32s, f32s, less_than_or_equal_f32s, equal_f32s, select_f32s);
extreme!(minimum_f64s, f64s, less_than_or_equal_f64s, equal_f64s, select_f64s);

macro_rules! flush {
    ($name:ident, $vector:ident, $exponent:literal, $splat:ident, $to:ident, $and:ident, $equal:ident, $select:ident, $from:ident) => {
        /// Zero for what is below the least normal number: for what has no bit in its exponent, which takes one test less than its size.
        #[inline(always)]
        fn $name<V: Simd>(vectors: V, x: V::$vector) -> V::$vector {
            let (bits, zero) = (vectors.$to(x), vectors.$splat(0));
            let is_small = vectors.$equal(vectors.$and(bits, vectors.$splat($exponent)), zero);
            vectors.$from(vectors.$select(is_small, zero, bits))
        }
    };
}

flush!(
    flush_f32s,
    f32s,
    0x7f80_0000,
    splat_u32s,
    transmute_u32s_f32s,
    and_u32s,
    equal_u32s,
    select_u32s,
    transmute_f32s_u32s
);
flush!(
    flush_f64s,
    f64s,
    0x7ff0_0000_0000_0000,
    splat_u64s,
    transmute_u64s_f64s,
    and_u64s,
    equal_u64s,
    select_u64s,
    transmute_f64s_u64s
);

macro_rules! compare {
    ($name:ident, $vector:ident, $holds:ident, $splat:ident, $select:ident) => {
        /// One where the comparison holds, zero elsewhere.
        #[inline(always)]
        fn $name<V: Simd>(vectors: V, x: V::$vector, y: V::$vector) -> V::$vector {
            vectors.$select(vectors.$holds(x, y), vectors.$splat(1.0), vectors.$splat(0.0))
        }
    };
}

compare!(less_f32s, f32s, less_than_f32s, splat_f32s, select_f32s);
compare!(less_f64s, f64s, less_than_f64s, splat_f64s, select_f64s);
compare!(same_f32s, f32s, equal_f32s, splat_f32s, select_f32s);
compare!(same_f64s, f64s, equal_f64s, splat_f64s, select_f64s);

macro_rules! blend {
    ($name:ident, $vector:ident, $greater:ident, $splat:ident, $select:ident) => {
        /// The second where the first is above zero, else the third.
        #[inline(always)]
        fn $name<V: Simd>(vectors: V, mask: V::$vector, x: V::$vector, y: V::$vector) -> V::$vector {
            vectors.$select(vectors.$greater(mask, vectors.$splat(0.0)), x, y)
        }
    };
}

blend!(blend_f32s, f32s, greater_than_f32s, splat_f32s, select_f32s);
blend!(blend_f64s, f64s, greater_than_f64s, splat_f64s, select_f64s);

/// What a comparison of lanes gives: one in the lanes where it holds, zero in the others. (So it is kept in vectors, whatever the processor's masks
/// are; next to each other, the choice of one or zero and the question which it is are seen through.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneMask<V, E>(Lanes<V, E>);

impl<V: Simd, E: Element> BitAnd for LaneMask<V, E> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0.minimum(other.0))
    }
}

impl<V: Simd, E: Element> BitOr for LaneMask<V, E> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0.maximum(other.0))
    }
}

impl<V: Simd, E: Element> Not for LaneMask<V, E> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(Lanes::splat(E::one()) - self.0)
    }
}

/// One or zero for a single number's mask.
#[inline(always)]
fn number<E: Element>(mask: E::Mask) -> E {
    E::select(mask, E::one(), E::zero())
}

impl<V: Simd, E: Element> Neg for Lanes<V, E> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(V::neg_f32s, V::neg_f64s, E::neg)
    }
}

impl<V: Simd, E: Element> Field for Lanes<V, E> {
    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(E::constant(value))
    }
    #[inline(always)]
    fn flushed(self) -> Self {
        self.map(flush_f32s, flush_f64s, E::flushed)
    }
}

impl<V: Simd, E: Element> Real for Lanes<V, E> {
    type Mask = LaneMask<V, E>;

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        LaneMask(self.zip(other, less_f32s, less_f64s, |x, y| number(x.less(y))))
    }
    #[inline(always)]
    fn equal(self, other: Self) -> Self::Mask {
        LaneMask(self.zip(other, same_f32s, same_f64s, |x, y| number(x.equal(y))))
    }
    #[inline(always)]
    fn select(mask: Self::Mask, where_it_holds: Self, elsewhere: Self) -> Self {
        mask.0.blend(where_it_holds, elsewhere)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(V::sqrt_f32s, V::sqrt_f64s, E::sqrt)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        self.each(E::exp)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.each(E::ln)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        self.each(E::ln_1p)
    }
    #[inline(always)]
    fn power(self, exponent: f64) -> Self {
        self.each(|x| x.power(exponent))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.each(E::sin)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.each(E::cos)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        self.each(E::exp_m1)
    }
    #[inline(always)]
    fn log2(self) -> Self {
        self.each(E::log2)
    }
    #[inline(always)]
    fn tan(self) -> Self {
        self.each(E::tan)
    }
    #[inline(always)]
    fn atan(self) -> Self {
        self.each(E::atan)
    }
    #[inline(always)]
    fn sinh(self) -> Self {
        self.each(E::sinh)
    }
    #[inline(always)]
    fn cosh(self) -> Self {
        self.each(E::cosh)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        self.each(E::tanh)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        self.each(E::sigmoid)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.each(E::softplus)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        self.each(E::floor)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(V::abs_f32s, V::abs_f64s, E::abs)
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.zip(other, maximum_f32s, maximum_f64s, E::maximum)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.zip(other, minimum_f32s, minimum_f64s, E::minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulp::{Arch, WithSimd};

    const OPERATIONS: usize = 34;

    /// Every operation on lanes, and the same on one number.
    fn all<S: Real>(x: S, y: S) -> [S; OPERATIONS] {
        let (one, two) = (S::one(), S::constant(2.0));
        let (less, more, equal) = (x.less(y), y.less(x), x.sign().equal(y.sign()));
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
            x.flushed(),
            x.exp_m1(),
            x.log2(),
            x.tan(),
            x.atan(),
            x.sinh(),
            x.cosh(),
            x.tanh(),
            x.sigmoid(),
            x.softplus(),
            x.sign(),
            x.floor(),
            x.integer_power(3),
            x.integer_power(-2),
            x.scaled(0.1),
            S::select(less, x, y),
            S::select(more, one, two),
            S::select(equal, x, y),
            S::select(!equal & less, one, two),
            S::select(more | equal, one, two),
        ]
    }

    /// Every operation on lanes, in the vectors that are handed over.
    struct All<E> {
        xs: [E; WIDTH],
        y: E,
    }

    impl<E: Element> WithSimd for All<E> {
        type Output = [[E; WIDTH]; OPERATIONS];

        #[inline(always)]
        fn with_simd<V: Simd>(self, _vectors: V) -> Self::Output {
            all(Lanes::<V, E>::new(self.xs), Lanes::splat(self.y)).map(|lanes| lanes.numbers)
        }
    }

    /// The operations in all vectors that this processor has.
    fn in_all_vectors<E: Element>(xs: [E; WIDTH], y: E) -> Vec<[[E; WIDTH]; OPERATIONS]> {
        let mut found = vec![All { xs, y }.with_simd(Scalar), Arch::new().dispatch(All { xs, y })];
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(pulp::x86::V2::try_new().map(|vectors| Simd::vectorize(vectors, All { xs, y })));
            found.extend(pulp::x86::V3::try_new().map(|vectors| Simd::vectorize(vectors, All { xs, y })));
        }
        found
    }

    /// What lanes compute is what single numbers do, to the bit; one that is not a number is like another.
    fn agree<E: Element>(xs: [E; WIDTH], y: E) -> Result<(), TestCaseError> {
        let bits = |value: E| if value.to_f64().is_nan() { None } else { Some(value.to_f64().to_bits()) };
        for found in in_all_vectors(xs, y) {
            for (lane, x) in xs.into_iter().enumerate() {
                for (operation, (many, one)) in found.iter().zip(all(x, y)).enumerate() {
                    prop_assert_eq!(bits(many[lane]), bits(one), "operation {} on {:?} and {:?}", operation, x, y);
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn lanes_compute_what_single_numbers_do(xs in prop::array::uniform16(-9.0..9.0_f64), y in 0.1..9.0_f64) {
            agree(xs, y)?;
            agree(xs.map(f32::narrow), f32::narrow(y))?;
        }
    }

    #[test]
    fn lanes_choose_like_single_numbers_where_they_are_equal() -> Result<(), TestCaseError> {
        let xs = core::array::from_fn(|lane| [-2.0, -0.5, -0.0, 0.0, 0.5, 2.0][lane % 6]);
        for y in [-2.0, -0.0, 0.0, 2.0] {
            agree(xs, y)?;
            agree(xs.map(f32::narrow), f32::narrow(y))?;
        }
        Ok(())
    }

    #[test]
    fn lanes_compute_what_single_numbers_do_at_the_ends_of_their_range() -> Result<(), TestCaseError> {
        let ends = [-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let (mut xs, mut narrow) = ([0.0; WIDTH], [0.0; WIDTH]);
        xs[..8]
            .copy_from_slice(&[&ends[..], &[f64::MIN_POSITIVE, -f64::MIN_POSITIVE / 4.0, f64::MAX, f64::MIN]].concat());
        narrow[..4].copy_from_slice(&ends.map(f32::narrow));
        narrow[4..8].copy_from_slice(&[f32::MIN_POSITIVE, -f32::MIN_POSITIVE / 4.0, f32::MAX, f32::MIN]);
        for y in [3.0, f64::NAN] {
            agree(xs, y)?;
            agree(narrow, f32::narrow(y))?;
        }
        Ok(())
    }
}
