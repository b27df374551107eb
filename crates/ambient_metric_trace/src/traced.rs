//! The tracing scalar: arithmetic on it records an operation instead of computing one.

use core::cell::RefCell;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use ambient_metric::{Field, Real, constant_operators};

use crate::graph::{Binary, Graph, Id, Unary};

thread_local! {
    /// The graph under way on this thread.
    static GRAPH: RefCell<Graph> = RefCell::default();
}

/// A number that is not known yet: a place in the graph that this thread is recording.
///
/// It is made and used inside [`Recording`](crate::Recording)'s constructors, which call a function with it. Outside of them it
/// stands for nothing.
///
/// ```
/// use ambient_metric::Field;
/// use ambient_metric_trace::Traced;
///
/// let two = Traced::constant(1.0) + Traced::constant(1.0);
/// assert_eq!(two, Traced::constant(2.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced(pub(crate) Id);

/// Whether a comparison holds, which is not known yet: a place in the same graph.
///
/// ```
/// use ambient_metric::{Field, Real};
/// use ambient_metric_trace::Traced;
///
/// let (one, two) = (Traced::one(), Traced::constant(2.0));
/// // What can be known of constants is.
/// assert_eq!(Traced::select(one.less(two) & !two.equal(one), one, two), one);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedMask(pub(crate) Id);

/// The graph that `f` records, with what it returns.
pub(crate) fn record(f: impl FnOnce()) -> Graph {
    let outer = take();
    f();
    replace(outer)
}

// Not generic, so that they are compiled once.

fn take() -> Graph {
    GRAPH.take()
}

fn replace(graph: Graph) -> Graph {
    GRAPH.replace(graph)
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Graph) -> R) -> R {
    GRAPH.with_borrow_mut(f)
}

fn unary(function: Unary, x: Traced) -> Traced {
    Traced(with(|graph| graph.unary(function, x.0)))
}

fn binary(function: Binary, x: Traced, y: Traced) -> Traced {
    Traced(with(|graph| graph.binary(function, x.0, y.0)))
}

macro_rules! operator {
    ($trait:ident, $method:ident, $function:ident) => {
        impl $trait for Traced {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                binary(Binary::$function, self, other)
            }
        }
    };
}

operator!(Add, add, Add);
operator!(Sub, sub, Subtract);
operator!(Mul, mul, Multiply);
operator!(Div, div, Divide);

impl Neg for Traced {
    type Output = Self;
    fn neg(self) -> Self {
        unary(Unary::Negate, self)
    }
}

impl BitAnd for TracedMask {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(with(|graph| graph.binary(Binary::And, self.0, other.0)))
    }
}

impl BitOr for TracedMask {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(with(|graph| graph.binary(Binary::Or, self.0, other.0)))
    }
}

impl Not for TracedMask {
    type Output = Self;
    fn not(self) -> Self {
        Self(with(|graph| graph.unary(Unary::Not, self.0)))
    }
}

constant_operators!([] Traced);

impl Field for Traced {
    fn constant(value: f64) -> Self {
        Self(with(|graph| graph.constant(value)))
    }
    fn flushed(self) -> Self {
        unary(Unary::Flush, self)
    }
}

impl Real for Traced {
    type Mask = TracedMask;

    fn less(self, other: Self) -> TracedMask {
        TracedMask(binary(Binary::Less, self, other).0)
    }
    fn equal(self, other: Self) -> TracedMask {
        TracedMask(binary(Binary::Equal, self, other).0)
    }
    fn select(mask: TracedMask, where_it_holds: Self, elsewhere: Self) -> Self {
        Self(with(|graph| graph.select(mask.0, where_it_holds.0, elsewhere.0)))
    }
    fn sqrt(self) -> Self {
        unary(Unary::Sqrt, self)
    }
    fn exp(self) -> Self {
        unary(Unary::Exp, self)
    }
    fn ln(self) -> Self {
        unary(Unary::Ln, self)
    }
    fn ln_1p(self) -> Self {
        unary(Unary::Ln1p, self)
    }
    fn power(self, exponent: f64) -> Self {
        Self(with(|graph| graph.power(self.0, exponent)))
    }
    fn sin(self) -> Self {
        unary(Unary::Sin, self)
    }
    fn cos(self) -> Self {
        unary(Unary::Cos, self)
    }
    fn exp_m1(self) -> Self {
        unary(Unary::ExpM1, self)
    }
    fn log2(self) -> Self {
        unary(Unary::Log2, self)
    }
    fn tan(self) -> Self {
        unary(Unary::Tan, self)
    }
    fn atan(self) -> Self {
        unary(Unary::Atan, self)
    }
    fn sinh(self) -> Self {
        unary(Unary::Sinh, self)
    }
    fn cosh(self) -> Self {
        unary(Unary::Cosh, self)
    }
    fn tanh(self) -> Self {
        unary(Unary::Tanh, self)
    }
    fn sign(self) -> Self {
        unary(Unary::Sign, self)
    }
    fn floor(self) -> Self {
        unary(Unary::Floor, self)
    }
    fn abs(self) -> Self {
        unary(Unary::Abs, self)
    }
    fn maximum(self, other: Self) -> Self {
        binary(Binary::Maximum, self, other)
    }
    fn minimum(self, other: Self) -> Self {
        binary(Binary::Minimum, self, other)
    }
}
