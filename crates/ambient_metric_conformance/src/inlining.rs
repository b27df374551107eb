//! Whether the functions of a rule end up in the loops over elements, or stay calls.
//!
//! A backend with vectors evaluates a rule on whole vectors of the processor. A function in it that stays a call costs up to twenty times what it
//! does, since every operation in it becomes a call too, and nothing says so. Here it is seen without a clock: every operation of a scalar looks how
//! deep the stack is. In a function that was inlined it is as deep as beside it.
//!
//! What the compiler inlines by its own choice is not relied on: an operation here is far too large for that, so what is marked `#[inline(always)]` is
//! inlined, at every level of optimisation, and nothing else.

use core::cell::Cell;
use core::hint::black_box;
use core::ops::{Add, Div, Mul, Neg, Sub};

use ambient_metric::rule::{Advance, Coordinate, Measure, Notice, Pass};
use ambient_metric::{Bundle, Field, Kernel, Real, Rule};

use crate::proof::Proof;

thread_local! {
    /// The lowest and the highest place on the stack at which an operation was carried out.
    static PLACES: Cell<[usize; 2]> = const { Cell::new([usize::MAX, 0]) };
}

/// Where the stack is while this is called.
#[inline(never)]
fn place() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(black_box(&here)).addr()
}

/// A number whose operations look where on the stack they are carried out.
#[derive(Clone, Copy, Debug)]
struct Probe(f64);

/// Looks, in so many instructions that no function with it is inlined by choice.
macro_rules! look {
    ($value:expr) => {{
        let here = place();
        PLACES.with(|places| {
            let [low, high] = places.get();
            places.set([low.min(here), high.max(here)]);
        });
        let mut value: f64 = $value;
        look!(@bulk value);
        Probe(value)
    }};
    (@bulk $value:ident) => {
        look!(@eight $value);
        look!(@eight $value);
    };
    (@eight $value:ident) => {
        $value = black_box($value); $value = black_box($value); $value = black_box($value); $value = black_box($value);
        $value = black_box($value); $value = black_box($value); $value = black_box($value); $value = black_box($value);
    };
}

macro_rules! operator {
    ($($trait:ident :: $method:ident),+) => {$(
        impl $trait for Probe {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                look!(self.0.$method(other.0))
            }
        }
    )+};
}

operator!(Add::add, Sub::sub, Mul::mul, Div::div);

impl Neg for Probe {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        look!(-self.0)
    }
}

impl Field for Probe {
    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self(value)
    }
    #[inline(always)]
    fn flushed(self) -> Self {
        look!(Field::flushed(self.0))
    }
    #[inline(always)]
    fn integer_power(self, exponent: i32) -> Self {
        look!(self.0.powi(exponent))
    }
}

macro_rules! functions {
    ($($name:ident),+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            look!(Real::$name(self.0))
        }
    )+};
}

impl Real for Probe {
    type Mask = bool;
    functions!(
        sqrt, exp, ln, ln_1p, exp_m1, log2, sin, cos, tan, atan, sinh, cosh, tanh, sigmoid, softplus, sign, floor, abs
    );
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn equal(self, other: Self) -> bool {
        self.0.equal(other.0)
    }
    #[inline(always)]
    fn select(mask: bool, where_it_holds: Self, elsewhere: Self) -> Self {
        look!(if mask { where_it_holds.0 } else { elsewhere.0 })
    }
    #[inline(always)]
    fn power(self, exponent: f64) -> Self {
        look!(self.0.powf(exponent))
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        look!(self.0.max(other.0))
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        look!(self.0.min(other.0))
    }
}

/// A kernel evaluated once.
type Evaluated<K> = (<K as Kernel>::Uniform<Probe>, <K as Kernel>::Input<Probe>);

/// Whether every operation of a kernel is carried out in the frame of this function.
#[inline(never)]
fn stays<K: Kernel>(kernel: &K, (uniform, input): Evaluated<K>) -> bool {
    PLACES.set([usize::MAX, 0]);
    let here = place();
    black_box(kernel.evaluate(uniform, input));
    PLACES.get() == [here; 2] || PLACES.get() == [usize::MAX, 0]
}

/// The same once more, since a function that is called at one place alone is inlined there whatever its size.
#[inline(never)]
fn stays_again<K: Kernel>(kernel: &K, (uniform, input): Evaluated<K>) -> bool {
    PLACES.set([usize::MAX, 0]);
    let here = place();
    black_box(kernel.evaluate(uniform, input));
    PLACES.get() == [here; 2] || PLACES.get() == [usize::MAX, 0]
}

fn is_inlined<K: Kernel>(kernel: &K, uniform: K::Uniform<Probe>, input: K::Input<Probe>) -> bool {
    stays(kernel, (uniform, input)) & stays_again(kernel, (uniform, input))
}

/// Every function of a rule that is evaluated for each element is inlined into its acts.
pub fn the_acts_are_inlined<R: Rule>(rule: &R) -> Proof {
    let mut number = 0.5;
    let mut next = || {
        number += 0.25;
        Probe(number)
    };
    let corrections: R::Corrections<Probe> = Bundle::build(&mut next);
    let multipliers: R::Multipliers<Probe> = Bundle::build(&mut next);
    let at: Coordinate<Probe, R::State<Probe>, R::PerLoss<Probe>> = Bundle::build(&mut next);
    let (weights, noticing) = (Bundle::build(&mut next), Bundle::build(&mut next));
    let acts = [
        ("an observation", !rule.observes() || is_inlined(&Notice(rule.clone()), weights, noticing)),
        ("act 1", is_inlined(&Measure(rule.clone()), corrections, at)),
        ("act 3", is_inlined(&Advance(rule.clone()), Pass { corrections, multipliers }, at)),
    ];
    // Where the stack is cannot be asked under an interpreter.
    let calls: Vec<&str> =
        acts.iter().filter(|(_, is_inlined)| !is_inlined && !cfg!(miri)).map(|(act, _)| *act).collect();
    let failure = (!calls.is_empty()).then(|| {
        format!(
            "{} of {} has a function that is not inlined and makes it up to twenty times slower on vectors: mark those that are called for every element, and what they call, `#[inline(always)]`, and loop by index, since a closure that is given to `map` or `fold` stays a call",
            calls.join(" and "),
            rule.name()
        )
    });
    Proof { cases: 2, worst: 0.0, failure }
}

#[cfg(test)]
mod tests {
    use ambient_metric::ambient::AlongMomentum;
    use ambient_metric::base::LearnedDiagonal;
    use ambient_metric::{Descent, DiagonalMetric, Ema, Height, Induced, Log, Nesterov, NoMomentum, RmsProp, rules};

    use super::*;

    #[test]
    fn the_rules_of_the_library_are_inlined() {
        let is_inlined = |proof: Proof| assert_eq!(proof.failure, None);
        is_inlined(the_acts_are_inlined(&rules::sgd(0.9)));
        is_inlined(the_acts_are_inlined(&rules::nadam()));
        is_inlined(the_acts_are_inlined(&rules::rmsprop(0.1)));
        let height = Height { embedding: Log, xi: 0.1 };
        let coupled = Induced::of([height; 3]).coupled(AlongMomentum(0.1));
        is_inlined(the_acts_are_inlined(&Descent::new(LearnedDiagonal::default(), coupled.exact(), Nesterov(0.9))));
        is_inlined(the_acts_are_inlined(&Descent::new(RmsProp::default(), coupled, Ema(0.9))));
    }

    /// A metric whose author forgot the attribute.
    #[derive(Clone)]
    struct Forgotten;

    impl DiagonalMetric for Forgotten {
        type State<S: Real> = S;
        fn observe<S: Real>(&self, state: S, gradient: S) -> S {
            state + gradient * gradient
        }
        #[inline(always)]
        fn inverse<S: Real>(&self, state: S) -> S {
            S::one() / (S::one() + state)
        }
    }

    /// A metric with a closure.
    #[derive(Clone)]
    struct Closure;

    impl DiagonalMetric for Closure {
        type State<S: Real> = [S; 2];
        #[inline(always)]
        fn observe<S: Real>(&self, state: [S; 2], gradient: S) -> [S; 2] {
            let mut places = 0..2;
            let twice = |x: S| x * gradient;
            let _ = &mut places;
            forgotten(state, twice)
        }
        #[inline(always)]
        fn inverse<S: Real>(&self, [state, _]: [S; 2]) -> S {
            S::one() / (S::one() + state)
        }
    }

    fn forgotten<S: Real>([x, y]: [S; 2], f: impl Fn(S) -> S) -> [S; 2] {
        [f(x), f(y)]
    }

    #[test]
    fn what_is_not_inlined_is_found() {
        let induced = || Induced::new(Log, 0.1);
        for proof in [
            the_acts_are_inlined(&Descent::new(Forgotten, induced(), NoMomentum)),
            the_acts_are_inlined(&Descent::new(Closure, induced(), NoMomentum)),
        ] {
            assert!(proof.failure.is_some_and(|failure| failure.contains("act 1 and act 3")));
        }
    }
}
