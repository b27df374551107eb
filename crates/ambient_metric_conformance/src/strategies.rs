//! Strategies: fractions, gradients of every size, points on loss surfaces, and runs of several steps.

use core::ops::Range;

use ambient_metric::number::Element;
use ambient_metric::space::Part;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::exact::Exact;

/// A small fraction before it becomes a number of some type.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::{Exact, Fraction};
///
/// let half = Fraction { numerator: 1, denominator: 2 };
/// assert_eq!(half.squared().exact(), Exact::ratio(1, 4));
/// assert_eq!(half.to_f64(), 0.5);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// Above the line.
    pub numerator: i64,
    /// Below the line; not zero.
    pub denominator: i64,
}

/// Short, since failures print many.
impl core::fmt::Debug for Fraction {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}/{}", self.numerator, self.denominator)
    }
}

impl Fraction {
    /// The fraction as an exact number.
    #[must_use]
    pub fn exact(self) -> Exact {
        Exact::ratio(self.numerator, self.denominator)
    }

    /// The nearest `f64`, for numerators and denominators that are exact in it.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// Its square: a loss at which roots are exact.
    #[must_use]
    pub fn squared(self) -> Self {
        Self { numerator: self.numerator.pow(2), denominator: self.denominator.pow(2) }
    }
}

/// Fractions between −12 and 12, zero among them.
pub fn fractions() -> impl Strategy<Value = Fraction> {
    (-12_i64..=12, 1_i64..=6).prop_map(|(numerator, denominator)| Fraction { numerator, denominator })
}

/// Fractions above zero and up to 12.
pub fn positive_fractions() -> impl Strategy<Value = Fraction> {
    (1_i64..=12, 1_i64..=6).prop_map(|(numerator, denominator)| Fraction { numerator, denominator })
}

/// ξ from 0 to 8, exact in every type.
pub fn coefficients() -> impl Strategy<Value = f64> {
    (0_u8..=32).prop_map(|quarters| f64::from(quarters) / 4.0)
}

/// Decays of moving averages, from 0 to 0.95.
pub fn decays() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(0.9), 0.0..0.95_f64]
}

/// Diagonals of positive definite matrices, over six decades.
pub fn positive_diagonals(len: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-3.0..3.0_f64).prop_map(|decade| 10.0_f64.powf(decade)), len)
}

/// Numbers of a gradient: mostly between −10 and 10, some zero, some repeated, some at ±10ᵏ with k from `decades`.
pub fn components(decades: Range<i32>) -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0.01..10.0_f64, any::<bool>()).prop_map(|(size, up)| if up { size } else { -size }),
        1 => Just(0.0),
        1 => Just(1.0),
        2 => (decades, any::<bool>()).prop_map(|(decade, up)| if up { 10.0_f64.powi(decade) } else { -(10.0_f64.powi(decade)) }),
    ]
}

/// A gradient with zeros, repetitions, subnormal numbers, and sizes from 10⁻³⁰ to 10³⁰.
pub fn gradients(len: Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![7 => components(-30..31), 1 => Just(f64::MIN_POSITIVE / 8.0)], len)
}

/// Ways to cut `len` elements into one to four parts that are not empty.
pub fn splits(len: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<Index>(), 0..4).prop_map(move |cuts| {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(len)).chain([0, len]).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.windows(2).map(|pair| pair[1] - pair[0]).collect()
    })
}

/// A point on a loss surface: what the metric has seen, the gradient, a further covector, the loss and ξ.
#[derive(Clone, Debug)]
pub struct Surface {
    /// A gradient that the base metric has seen before.
    pub seen: Vec<Fraction>,
    /// l.
    pub gradient: Vec<Fraction>,
    /// Any other numbers: a covector, a vector, or the parameters.
    pub other: Vec<Fraction>,
    /// L.
    pub loss: Fraction,
    /// ξ.
    pub xi: f64,
}

/// Points on surfaces of up to five parameters, with losses in the domain of an embedding.
///
/// For an exact proof, take losses at which the slope is a fraction, such as squares for a root.
pub fn surfaces(losses: impl Strategy<Value = Fraction>) -> impl Strategy<Value = Surface> {
    let coordinates = prop::collection::vec((fractions(), fractions(), fractions()), 1..6);
    (coordinates, losses, coefficients()).prop_map(|(coordinates, loss, xi)| Surface {
        seen: coordinates.iter().map(|coordinate| coordinate.0).collect(),
        gradient: coordinates.iter().map(|coordinate| coordinate.1).collect(),
        other: coordinates.iter().map(|coordinate| coordinate.2).collect(),
        loss,
        xi,
    })
}

/// A run: parameters in named parts, and a gradient and a loss for every step.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// How many elements each part has.
    pub sizes: Vec<usize>,
    /// θ before the first step, part after part.
    pub theta: Vec<f64>,
    /// l of every step.
    pub gradients: Vec<Vec<f64>>,
    /// L of every step.
    pub losses: Vec<f64>,
}

impl Trajectory {
    /// The same run in one part.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { sizes: vec![self.theta.len()], ..self.clone() }
    }

    /// The first steps of the run.
    #[must_use]
    pub fn first(&self, steps: usize) -> Self {
        let gradients = self.gradients.iter().take(steps).cloned().collect();
        Self { gradients, losses: self.losses.iter().take(steps).copied().collect(), ..self.clone() }
    }

    /// The same run with every number rounded to `E`.
    #[must_use]
    pub fn rounded<E: Element>(&self) -> Self {
        let round = |values: &Vec<f64>| values.iter().map(|&value| E::constant(value).to_f64()).collect();
        Self { theta: round(&self.theta), gradients: self.gradients.iter().map(round).collect(), ..self.clone() }
    }

    /// The run from the origin with the absolute values of all gradients.
    #[must_use]
    pub fn magnitudes(&self) -> Self {
        let absolute = |values: &Vec<f64>| values.iter().map(|value| value.abs()).collect();
        let gradients = self.gradients.iter().map(absolute).collect();
        Self { theta: vec![0.0; self.theta.len()], gradients, ..self.clone() }
    }

    /// These values cut into the parts of the run, named so that their order is that of the names.
    #[must_use]
    pub fn parts<E: Element>(&self, values: &[f64]) -> Vec<(Part, Vec<E>)> {
        let mut values = values.iter().map(|&value| E::constant(value));
        let part = |(index, &size): (usize, &usize)| {
            let part = Part { name: format!("part{index:03}"), shape: vec![size] };
            (part, values.by_ref().take(size).collect())
        };
        self.sizes.iter().enumerate().map(part).collect()
    }
}

/// Runs of one to `steps` steps on up to `len` parameters, with losses from a range and gradients of [`components`].
pub fn trajectories(
    len: usize,
    steps: usize,
    losses: Range<f64>,
    decades: Range<i32>,
) -> impl Strategy<Value = Trajectory> {
    (1..=len, 1..=steps).prop_flat_map(move |(len, steps)| {
        let theta = prop::collection::vec(-10.0..10.0_f64, len);
        let gradients = prop::collection::vec(prop::collection::vec(components(decades.clone()), len), steps);
        let losses = prop::collection::vec(losses.clone(), steps);
        (splits(len), theta, gradients, losses).prop_map(|(sizes, theta, gradients, losses)| Trajectory {
            sizes,
            theta,
            gradients,
            losses,
        })
    })
}
