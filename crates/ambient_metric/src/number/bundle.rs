//! Bundles: a fixed number of scalars under names, so that state, sums and multipliers compose.

use crate::number::scalar::Field;

/// A fixed number of scalars of one type, in a fixed order, each under a name.
///
/// What a rule keeps per element, sums, or broadcasts is a bundle: nothing (`()`), one scalar, an array, a pair, or a
/// struct made by [`bundle!`](crate::bundle!). A backend stores, traces or reduces a bundle slot by slot without knowing
/// what it means.
///
/// # Example
///
/// ```
/// use ambient_metric::{Bundle, bundle};
///
/// bundle! {
///     /// First and second moments.
///     pub struct Moments { first, second }
/// }
///
/// let moments = Moments { first: 1.0, second: 2.0 };
/// assert_eq!(moments.get(1), Some(2.0));
/// assert_eq!(<Moments<f64> as Bundle<f64>>::names(), ["first", "second"]);
/// ```
pub trait Bundle<S: Field>: Copy + core::fmt::Debug + Send + Sync {
    /// How many scalars.
    const LEN: usize;

    /// The bundle whose scalars `next` supplies, in slot order.
    fn build(next: &mut impl FnMut() -> S) -> Self;

    /// The scalar in a slot, or `None` past the end.
    fn get(&self, slot: usize) -> Option<S>;

    /// The name of every slot, in order; inner names follow outer ones after a dot.
    #[must_use]
    fn names() -> Vec<String>;

    /// The bundle with every scalar equal to zero.
    #[must_use]
    fn zero() -> Self {
        Self::build(&mut S::zero)
    }

    /// The bundle with `f` applied to every scalar.
    #[must_use]
    #[inline(always)]
    fn map(self, mut f: impl FnMut(S) -> S) -> Self {
        convert(self, &mut f)
    }

    /// The sum of two bundles, slot by slot.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The bundle times a number, slot by slot. As [`map`](Self::map) with a product, but without a closure, which a compiler need not inline.
    #[must_use]
    fn times(self, factor: S) -> Self;

    /// The bundle divided by a number, slot by slot, without a closure likewise.
    #[must_use]
    fn over(self, divisor: S) -> Self;

    /// The bundle with every scalar [flushed](Field::flushed), without a closure likewise.
    #[must_use]
    fn flushed(self) -> Self;

    /// Two bundles combined slot by slot. A function that is a type is inlined, as a closure need not be: the bundles that are written here loop without one.
    #[must_use]
    #[inline(always)]
    fn paired<F: Pairing<S>>(self, other: Self, by: &F) -> Self {
        let mut slot = 0;
        Self::build(&mut || {
            let pair = (self.get(slot).unwrap_or_else(S::zero), other.get(slot).unwrap_or_else(S::zero));
            slot += 1;
            by.pair(pair.0, pair.1)
        })
    }

    /// The scalars, in order.
    fn scalars(&self) -> impl Iterator<Item = S> {
        (0..Self::LEN).filter_map(|slot| self.get(slot))
    }
}

/// What [`Bundle::paired`] does with two scalars.
///
/// ```
/// use ambient_metric::number::Pairing;
/// use ambient_metric::Bundle;
///
/// struct Difference;
///
/// impl Pairing<f64> for Difference {
///     #[inline(always)]
///     fn pair(&self, a: f64, b: f64) -> f64 {
///         a - b
///     }
/// }
///
/// assert_eq!([3.0, 4.0].paired([1.0, 1.0], &Difference), [2.0, 3.0]);
/// ```
pub trait Pairing<S> {
    /// From a scalar of each; mark it `#[inline(always)]`.
    fn pair(&self, a: S, b: S) -> S;
}

/// The same bundle in another scalar: every slot of `from` passed through `f`.
///
/// # Example
///
/// ```
/// let narrow: [f32; 2] = ambient_metric::number::convert([1.0_f64, 2.0], &mut |x| x as f32);
/// assert_eq!(narrow, [1.0, 2.0]);
/// ```
#[inline(always)]
pub fn convert<A: Field, B: Field, From: Bundle<A>, To: Bundle<B>>(from: From, f: &mut impl FnMut(A) -> B) -> To {
    let mut slot = 0;
    To::build(&mut || {
        let converted = from.get(slot).map_or_else(B::zero, &mut *f);
        slot += 1;
        converted
    })
}

/// The same numbers in as much room as there is, with zeros behind them.
#[inline(always)]
pub(crate) fn fit<S: Field, From: Bundle<S>, To: Bundle<S>>(numbers: From) -> To {
    convert(numbers, &mut |number: S| number)
}

/// The bundle of the converted numbers of a slice, with zeros for what is missing.
pub(crate) fn from_slice<A, S: Field, B: Bundle<S>>(numbers: &[A], convert: impl Fn(&A) -> S) -> B {
    let mut numbers = numbers.iter();
    B::build(&mut || numbers.next().map_or_else(S::zero, &convert))
}

impl<S: Field> Bundle<S> for () {
    const LEN: usize = 0;
    #[inline(always)]
    fn build(_: &mut impl FnMut() -> S) -> Self {}
    #[inline(always)]
    fn get(&self, _: usize) -> Option<S> {
        None
    }
    #[inline(always)]
    fn plus(self, (): Self) -> Self {}
    #[inline(always)]
    fn times(self, _: S) -> Self {}
    #[inline(always)]
    fn over(self, _: S) -> Self {}
    #[inline(always)]
    fn flushed(self) -> Self {}
    fn names() -> Vec<String> {
        Vec::new()
    }
}

impl<S: Field> Bundle<S> for S {
    const LEN: usize = 1;
    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        next()
    }
    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        (slot == 0).then_some(*self)
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn times(self, factor: S) -> Self {
        self * factor
    }
    #[inline(always)]
    fn over(self, divisor: S) -> Self {
        self / divisor
    }
    #[inline(always)]
    fn flushed(self) -> Self {
        Field::flushed(self)
    }
    #[inline(always)]
    fn paired<F: Pairing<S>>(self, other: Self, by: &F) -> Self {
        by.pair(self, other)
    }
    fn names() -> Vec<String> {
        vec![String::new()]
    }
}

#[allow(clippy::needless_range_loop, reason = "loops over iterators go through memory where they are not unrolled")]
impl<S: Field, B: Bundle<S>, const N: usize> Bundle<S> for [B; N] {
    const LEN: usize = N * B::LEN;
    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        if const { N == 0 } {
            return core::array::from_fn(|_| B::build(next));
        }
        // `from_fn` is not always inlined, and lanes that pass through a call are copied one by one.
        let mut built = [B::build(next); N];
        for place in 1..N {
            built[place] = B::build(next);
        }
        built
    }
    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        if let [only] = self.as_slice() {
            return only.get(slot);
        }
        let inner = slot.checked_rem(B::LEN)?;
        <[B]>::get(self, slot / B::LEN)?.get(inner)
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for place in 0..N {
            sum[place] = self[place].plus(other[place]);
        }
        sum
    }
    #[inline(always)]
    fn times(self, factor: S) -> Self {
        let mut product = self;
        for place in 0..N {
            product[place] = self[place].times(factor);
        }
        product
    }
    #[inline(always)]
    fn over(self, divisor: S) -> Self {
        let mut quotient = self;
        for place in 0..N {
            quotient[place] = self[place].over(divisor);
        }
        quotient
    }
    #[inline(always)]
    fn flushed(self) -> Self {
        let mut flushed = self;
        for place in 0..N {
            flushed[place] = self[place].flushed();
        }
        flushed
    }
    #[inline(always)]
    fn paired<F: Pairing<S>>(self, other: Self, by: &F) -> Self {
        let mut paired = self;
        for place in 0..N {
            paired[place] = self[place].paired(other[place], by);
        }
        paired
    }
    fn names() -> Vec<String> {
        if N == 1 {
            return B::names();
        }
        (0..N).flat_map(|place| nested_names::<S, B>(&place.to_string())).collect()
    }
}

impl<S: Field, A: Bundle<S>, B: Bundle<S>> Bundle<S> for (A, B) {
    const LEN: usize = A::LEN + B::LEN;
    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        let first = A::build(next);
        (first, B::build(next))
    }
    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        if slot < A::LEN { self.0.get(slot) } else { self.1.get(slot - A::LEN) }
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        (self.0.plus(other.0), self.1.plus(other.1))
    }
    #[inline(always)]
    fn times(self, factor: S) -> Self {
        (self.0.times(factor), self.1.times(factor))
    }
    #[inline(always)]
    fn over(self, divisor: S) -> Self {
        (self.0.over(divisor), self.1.over(divisor))
    }
    #[inline(always)]
    fn flushed(self) -> Self {
        (self.0.flushed(), self.1.flushed())
    }
    #[inline(always)]
    fn paired<F: Pairing<S>>(self, other: Self, by: &F) -> Self {
        (self.0.paired(other.0, by), self.1.paired(other.1, by))
    }
    fn names() -> Vec<String> {
        let mut names = nested_names::<S, A>("0");
        names.extend(nested_names::<S, B>("1"));
        names
    }
}

/// The names of a bundle's slots as they appear inside the field `outer` of a larger one.
#[doc(hidden)]
#[must_use]
pub fn nested_names<S: Field, B: Bundle<S>>(outer: &str) -> Vec<String> {
    nested(outer, B::names())
}

/// The names of a bundle's slots.
pub(crate) fn names<B: Bundle<f64>>() -> Vec<String> {
    B::names()
}

/// Names as they appear inside the field `outer`. Not generic, so that it is compiled once.
pub(crate) fn nested(outer: &str, mut names: Vec<String>) -> Vec<String> {
    for name in &mut names {
        if !name.is_empty() {
            name.insert(0, '.');
        }
        name.insert_str(0, outer);
    }
    names
}

/// Declares a struct whose fields are scalars (or, after `nested`, bundles) and makes it a [`Bundle`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Bundle, bundle};
///
/// bundle! {
///     /// Momentum beside whatever a metric keeps.
///     pub nested struct Carried<M, B> { momentum: M, metric: B }
/// }
///
/// assert_eq!(<Carried<f64, [f64; 2]> as Bundle<f64>>::names(), ["momentum", "metric.0", "metric.1"]);
/// ```
#[macro_export]
macro_rules! bundle {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $visibility struct $name<S> {
            $($(#[$field_doc])* #[allow(missing_docs, reason = "the struct says what its fields are")] pub $field: S),+
        }

        impl<S: $crate::Field> $crate::Bundle<S> for $name<S> {
            const LEN: usize = [$(stringify!($field)),+].len();

            #[inline(always)]
            fn build(next: &mut impl FnMut() -> S) -> Self {
                $(let $field = next();)+
                Self { $($field),+ }
            }

            #[inline(always)]
            fn get(&self, slot: usize) -> Option<S> {
                <[S]>::get(&[$(self.$field),+], slot).copied()
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field),+ }
            }

            #[inline(always)]
            fn times(self, factor: S) -> Self {
                Self { $($field: self.$field * factor),+ }
            }

            #[inline(always)]
            fn over(self, divisor: S) -> Self {
                Self { $($field: self.$field / divisor),+ }
            }

            #[inline(always)]
            fn flushed(self) -> Self {
                Self { $($field: $crate::Field::flushed(self.$field)),+ }
            }

            fn names() -> Vec<String> {
                vec![$(stringify!($field).to_owned()),+]
            }
        }
    };
    ($(#[$doc:meta])* $visibility:vis nested struct $name:ident<$($part:ident $(= $default:ty)?),+> {
        $($(#[$field_doc:meta])* $field:ident: $type:ident),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $visibility struct $name<$($part $(= $default)?),+> {
            $($(#[$field_doc])* #[allow(missing_docs, reason = "the struct says what its fields are")] pub $field: $type),+
        }

        impl<Scalar: $crate::Field, $($part: $crate::Bundle<Scalar>),+> $crate::Bundle<Scalar> for $name<$($part),+> {
            const LEN: usize = 0 $(+ <$type as $crate::Bundle<Scalar>>::LEN)+;

            #[inline(always)]
            fn build(next: &mut impl FnMut() -> Scalar) -> Self {
                $(let $field = <$type as $crate::Bundle<Scalar>>::build(next);)+
                Self { $($field),+ }
            }

            #[inline(always)]
            fn get(&self, slot: usize) -> Option<Scalar> {
                let mut slot = slot;
                $(
                    let len = <$type as $crate::Bundle<Scalar>>::LEN;
                    if slot < len {
                        return self.$field.get(slot);
                    }
                    slot -= len;
                )+
                let _past_the_end = slot;
                None
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self { $($field: $crate::Bundle::<Scalar>::plus(self.$field, other.$field)),+ }
            }

            #[inline(always)]
            fn times(self, factor: Scalar) -> Self {
                Self { $($field: $crate::Bundle::<Scalar>::times(self.$field, factor)),+ }
            }

            #[inline(always)]
            fn over(self, divisor: Scalar) -> Self {
                Self { $($field: $crate::Bundle::<Scalar>::over(self.$field, divisor)),+ }
            }

            #[inline(always)]
            fn flushed(self) -> Self {
                Self { $($field: $crate::Bundle::<Scalar>::flushed(self.$field)),+ }
            }

            fn names() -> Vec<String> {
                let mut names = Vec::new();
                $(names.extend($crate::number::nested_names::<Scalar, $type>(stringify!($field)));)+
                names
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    bundle! {
        /// Two numbers with names.
        struct Named { left, right }
    }

    bundle! {
        /// Everything that a bundle can be made of, in one.
        nested struct Tree<A, B, C, D> { named: A, array: B, pair: C, nothing: D }
    }

    struct Sum;

    impl Pairing<f64> for Sum {
        fn pair(&self, a: f64, b: f64) -> f64 {
            a + b
        }
    }

    type Leaves = Tree<Named<f64>, [f64; 3], (f64, [f64; 2]), ()>;

    /// A bundle with these scalars.
    fn of<B: Bundle<f64>>(scalars: &[f64]) -> B {
        let mut scalars = scalars.iter().copied();
        B::build(&mut || scalars.next().unwrap_or(f64::NAN))
    }

    /// An array finds its way in bundles of several scalars, and an empty one asks for none.
    #[test]
    fn arrays_nest_and_may_be_empty() {
        let pairs: [[f64; 2]; 3] = of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(
            (0..7).map(|slot| pairs.get(slot)).collect::<Vec<_>>(),
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some).into_iter().chain([None]).collect::<Vec<_>>()
        );
        let mut asked = 0;
        let _: [f64; 0] = Bundle::build(&mut || {
            asked += 1;
            0.0
        });
        assert_eq!(asked, 0);
    }

    proptest! {
        /// A bundle is its scalars in order: they come out as they went in, no more of them than that, and are added one by one.
        #[test]
        fn a_bundle_is_its_scalars_in_order(
            x in prop::array::uniform8(-1e3..1e3_f64),
            y in prop::array::uniform8(-1e3..1e3_f64),
        ) {
            let (a, b): (Leaves, Leaves) = (of(&x), of(&y));
            prop_assert_eq!(Leaves::LEN, 8);
            prop_assert_eq!(a.scalars().collect::<Vec<_>>(), x);
            prop_assert_eq!((0..10).map(|slot| a.get(slot)).collect::<Vec<_>>(), x.map(Some).into_iter().chain([None; 2]).collect::<Vec<_>>());
            let sums: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
            prop_assert_eq!(a.plus(b).scalars().collect::<Vec<_>>(), sums);
            prop_assert_eq!(a.map(|x| 2.0 * x), a.plus(a));
            prop_assert_eq!(a.paired(b, &Sum), a.plus(b));
            let flat: [f64; 8] = convert(a, &mut |x: f64| -x);
            prop_assert_eq!(flat.to_vec(), x.iter().map(|x| -x).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_slot_has_a_name() {
        let names = <Leaves as Bundle<f64>>::names();
        let expected = ["named.left", "named.right", "array.0", "array.1", "array.2", "pair.0", "pair.1.0", "pair.1.1"];
        assert_eq!(names, expected);
        assert_eq!(<f64 as Bundle<f64>>::names(), [""]);
        assert_eq!(<() as Bundle<f64>>::names(), [""; 0]);
        assert_eq!(<Leaves as Bundle<f64>>::zero().scalars().collect::<Vec<_>>(), [0.0; 8]);
    }
}
