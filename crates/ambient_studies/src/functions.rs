//! The five test functions, each written once for every scalar.

use core::f64::consts::{E, TAU};
use core::str::FromStr;

use ambient_metric::Real;
use ambient_metric::number::Dual;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A function of two variables whose global minima have the value zero.
///
/// # Example
///
/// ```
/// use ambient_studies::functions::Function;
///
/// let (value, gradient) = Function::Rosenbrock.value_and_gradient([0.0, 0.0]);
/// assert_eq!((value, gradient), (1.0, [-2.0, 0.0]));
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// A flat plain with steep edges.
    Beale,
    /// A curved valley.
    Rosenbrock,
    /// Four minima of equal depth.
    Himmelblau,
    /// Ripples on a funnel with a sharp tip.
    Ackley,
    /// A bowl full of dimples.
    Rastrigin,
}

impl Function {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 5] = [Self::Beale, Self::Rosenbrock, Self::Himmelblau, Self::Ackley, Self::Rastrigin];

    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Beale => "beale",
            Self::Rosenbrock => "rosenbrock",
            Self::Himmelblau => "himmelblau",
            Self::Ackley => "ackley",
            Self::Rastrigin => "rastrigin",
        }
    }

    /// The name as a title.
    #[must_use]
    pub fn title(self) -> String {
        let mut name = self.name().to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        name
    }

    /// The box, as `[lowest, highest]` of both coordinates, from which random starts are drawn.
    #[must_use]
    pub fn bounds(self) -> [f64; 2] {
        match self {
            Self::Beale => [-4.5, 4.5],
            Self::Rosenbrock => [-2.048, 2.048],
            Self::Himmelblau | Self::Ackley => [-5.0, 5.0],
            Self::Rastrigin => [-5.12, 5.12],
        }
    }

    /// Whether a run that starts at x = y, as the paper's does, keeps to it: the function is the same with x and y exchanged.
    #[must_use]
    pub fn keeps_diagonal(self) -> bool {
        matches!(self, Self::Ackley | Self::Rastrigin)
    }

    /// What has to stand beside its result where a run starts as the paper's, if anything.
    #[must_use]
    pub fn remark(self) -> Option<&'static str> {
        self.keeps_diagonal().then_some(
            "The start (2, 2) keeps x = y throughout: the function is symmetric, so this run is one-dimensional.",
        )
    }

    /// The value at (x, y).
    pub fn at<S: Real>(self, x: S, y: S) -> S {
        let c = S::constant;
        let square = |z: S| z * z;
        match self {
            Self::Beale => {
                square(c(1.5) - x + x * y)
                    + square(c(2.25) - x + x * square(y))
                    + square(c(2.625) - x + x * square(y) * y)
            }
            Self::Rosenbrock => square(c(1.0) - x) + c(100.0) * square(y - square(x)),
            Self::Himmelblau => square(square(x) + y - c(11.0)) + square(x + square(y) - c(7.0)),
            Self::Ackley => {
                let distance = (c(0.5) * (square(x) + square(y))).sqrt();
                let ripples = c(0.5) * ((c(TAU) * x).cos() + (c(TAU) * y).cos());
                -(c(20.0) * (c(-0.2) * distance).exp()) - ripples.exp() + c(20.0) + c(E)
            }
            Self::Rastrigin => {
                c(20.0) + square(x) - c(10.0) * (c(TAU) * x).cos() + square(y) - c(10.0) * (c(TAU) * y).cos()
            }
        }
    }

    /// The function as the sum of two, neither of which is anywhere below zero: two losses for what takes several.
    pub fn terms<S: Real>(self, x: S, y: S) -> [S; 2] {
        let c = S::constant;
        let square = |z: S| z * z;
        match self {
            Self::Beale => {
                let near = square(c(1.5) - x + x * y) + square(c(2.25) - x + x * square(y));
                [near, square(c(2.625) - x + x * square(y) * y)]
            }
            Self::Rosenbrock => [square(c(1.0) - x), c(100.0) * square(y - square(x))],
            Self::Himmelblau => [square(square(x) + y - c(11.0)), square(x + square(y) - c(7.0))],
            Self::Ackley => {
                let distance = (c(0.5) * (square(x) + square(y))).sqrt();
                let ripples = c(0.5) * ((c(TAU) * x).cos() + (c(TAU) * y).cos());
                [c(20.0) - c(20.0) * (c(-0.2) * distance).exp(), c(E) - ripples.exp()]
            }
            Self::Rastrigin => {
                let dimpled = |z: S| c(10.0) + square(z) - c(10.0) * (c(TAU) * z).cos();
                [dimpled(x), dimpled(y)]
            }
        }
    }

    /// The value and the gradient at a point, by one dual number per coordinate.
    #[must_use]
    pub fn value_and_gradient(self, [x, y]: [f64; 2]) -> (f64, [f64; 2]) {
        let along_x = self.at(Dual::variable(x), Dual::fixed(y));
        let along_y = self.at(Dual::fixed(x), Dual::variable(y));
        (along_x.value, [along_x.derivative, along_y.derivative])
    }

    /// Values and gradients of the two [`terms`](Self::terms).
    #[must_use]
    pub fn terms_and_gradients(self, [x, y]: [f64; 2]) -> ([f64; 2], [[f64; 2]; 2]) {
        let along_x = self.terms(Dual::variable(x), Dual::fixed(y));
        let along_y = self.terms(Dual::fixed(x), Dual::variable(y));
        let gradient = |term: usize| [along_x[term].derivative, along_y[term].derivative];
        (along_x.map(|term| term.value), [gradient(0), gradient(1)])
    }

    /// Values and gradients of so many losses, up to four, which add up to the function: its two [terms](Self::terms), for four losses each in halves,
    /// for three the second.
    #[must_use]
    pub fn losses(self, point: [f64; 2], count: usize) -> (Vec<f64>, Vec<[f64; 2]>) {
        let shares: &[(usize, f64)] = match count {
            0 | 1 => {
                let (value, gradient) = self.value_and_gradient(point);
                return (vec![value], vec![gradient]);
            }
            2 => &[(0, 1.0), (1, 1.0)],
            3 => &[(0, 1.0), (1, 0.5), (1, 0.5)],
            _ => &[(0, 0.5), (0, 0.5), (1, 0.5), (1, 0.5)],
        };
        let (values, gradients) = self.terms_and_gradients(point);
        let of_term =
            |&(term, share): &(usize, f64)| (share * values[term], gradients[term].map(|slope| share * slope));
        shares.iter().map(of_term).unzip()
    }

    /// The second derivatives at a point, by dual numbers of dual numbers.
    #[must_use]
    pub fn hessian(self, point: [f64; 2]) -> [[f64; 2]; 2] {
        let mixed = |inner: usize, outer: usize| {
            let coordinate = |axis: usize| {
                let value = point.get(axis).copied().unwrap_or(0.0);
                let value = if axis == inner { Dual::variable(value) } else { Dual::fixed(value) };
                if axis == outer { Dual::variable(value) } else { Dual::fixed(value) }
            };
            self.at(coordinate(0), coordinate(1)).derivative.derivative
        };
        let across = mixed(0, 1);
        [[mixed(0, 0), across], [across, mixed(1, 1)]]
    }
}

impl FromStr for Function {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|function| function.name() == name).ok_or_else(|| Error::UnknownName {
            what: "function",
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).to_vec(),
        })
    }
}
