//! The tracing scalar: arithmetic on it records an operation instead of computing one.

use core::cell::RefCell;
use core::ops::{Add, Div, Mul, Neg, Sub};

use ambient_metric::{Field, Real};

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

/// The graph that `f` records, with what it returns.
pub(crate) fn record<R>(f: impl FnOnce() -> R) -> (Graph, R) {
    let outer = GRAPH.take();
    let result = f();
    (GRAPH.replace(outer), result)
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

impl Field for Traced {
    fn constant(value: f64) -> Self {
        Self(with(|graph| graph.constant(value)))
    }
    fn flushed(self) -> Self {
        unary(Unary::Flush, self)
    }
}

impl Real for Traced {
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
