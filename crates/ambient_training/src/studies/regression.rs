//! Regression: a random polynomial of four coordinates.

use std::path::Path;

use ambient_studies::error::Error;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::batches::rows;
use crate::data::polynomial;
use crate::networks::initial::{Initial, normal};
use crate::networks::mlp::Mlp;
use crate::study::{Deal, Held, Study, number};

/// Of every so many rows, so many are trained on: 8192 of the paper's 13312.
const TRAINED: (usize, usize) = (8, 13);
/// How many rows the paper draws.
const ROWS: usize = 13_312;
/// Monomials have at most this degree, in these coordinates: the last one counts three times.
pub const DEGREE: usize = 6;
const VARIABLES: [usize; 6] = [0, 1, 2, 3, 3, 3];

/// Rows of coordinates and values.
#[derive(Debug)]
struct Points {
    x: Tensor<2>,
    y: Tensor<2>,
}

impl Points {
    fn new(points: &[[f32; 5]], device: &Device) -> Self {
        let x = points.iter().flat_map(|[x @ .., _]| *x).collect();
        let y = points.iter().map(|[.., y]| *y).collect();
        Self { x: rows(x, 4, device), y: rows(y, 1, device) }
    }

    fn len(&self) -> usize {
        self.x.dims()[0]
    }

    /// The mean squared error of a model on some of them.
    fn error(&self, model: &Mlp, from: usize, to: usize) -> Tensor<1> {
        let [x, y] = [&self.x, &self.y].map(|rows| rows.clone().narrow(0, from, to - from));
        (model.forward(x) - y).square().mean()
    }
}

/// The task.
#[derive(Debug)]
pub struct Regression {
    deal: Deal,
    train: Points,
    validation: Points,
    test: Points,
    device: Device,
}

impl Regression {
    /// The rows of a folder, or where there is none a draw like the paper's, always the same.
    ///
    /// # Errors
    ///
    /// What reading finds, and [`Error::Option`] where the rows do not fill a mini-batch.
    pub fn new(folder: Option<&Path>, deal: Deal, device: &Device) -> Result<Self, Error> {
        let points = folder.map_or_else(|| Ok(draw(ROWS)), polynomial::load)?;
        let (train, test) = points.split_at(points.len() * TRAINED.0 / TRAINED.1);
        let (places, held) = deal.split(train.len())?;
        let at = |places: &[usize]| places.iter().filter_map(|&place| train.get(place)).copied().collect::<Vec<_>>();
        let plain = device.clone().inner();
        Ok(Self {
            deal,
            train: Points::new(&at(&places), device),
            validation: Points::new(&at(&held), &plain),
            test: Points::new(test, &plain),
            device: device.clone(),
        })
    }
}

impl Study for Regression {
    type Model = Mlp;

    fn model(&self) -> Mlp {
        Mlp::new(&[4, 32, 32, 1], &mut Initial::new(self.deal.seed, &self.device))
    }

    fn batches(&self) -> usize {
        self.train.len() / self.deal.batch
    }

    fn begin(&mut self, _epoch: usize) {}

    fn loss(&self, model: &Mlp, batch: usize) -> Tensor<1> {
        self.train.error(model, batch * self.deal.batch, (batch + 1) * self.deal.batch)
    }

    fn score(&self, model: &Mlp, held: Held) -> Result<Option<f64>, Error> {
        let points = if held == Held::Test { &self.test } else { &self.validation };
        if points.len() == 0 { Ok(None) } else { Ok(Some(number(points.error(model, 0, points.len()))?)) }
    }
}

/// A draw like the paper's: standard normal coordinates, and a polynomial with standard normal coefficients, standardised.
#[must_use]
pub fn draw(count: usize) -> Vec<[f32; 5]> {
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut monomials = Vec::new();
    exponents(&mut Vec::new(), DEGREE, &mut |exponents| {
        let mut merged = [0_i32; 4];
        for (&variable, &exponent) in VARIABLES.iter().zip(exponents) {
            merged[variable] += exponent;
        }
        monomials.push(merged);
    });
    let terms: Vec<([i32; 4], f64)> = monomials.into_iter().map(|powers| (powers, normal(&mut generator))).collect();
    let points: Vec<([f64; 4], f64)> = (0..count)
        .map(|_| {
            let x: [f64; 4] = core::array::from_fn(|_| normal(&mut generator));
            let term = |(powers, coefficient): &([i32; 4], f64)| {
                x.iter().zip(powers).fold(*coefficient, |term, (x, &power)| term * x.powi(power))
            };
            (x, terms.iter().map(term).sum())
        })
        .collect();
    let mean = points.iter().map(|(_, y)| y).sum::<f64>() / count as f64;
    let deviation = (points.iter().map(|(_, y)| (y - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
    #[allow(clippy::cast_possible_truncation, reason = "the data are single")]
    let row = |([a, b, c, d], y): ([f64; 4], f64)| [a, b, c, d, (y - mean) / deviation].map(|number| number as f32);
    points.into_iter().map(row).collect()
}

/// All exponents of the variables with a sum of at most `left`.
pub fn exponents(chosen: &mut Vec<i32>, left: usize, found: &mut impl FnMut(&[i32])) {
    if chosen.len() == VARIABLES.len() {
        found(chosen);
        return;
    }
    for exponent in 0..=left {
        chosen.push(i32::try_from(exponent).unwrap_or(0));
        exponents(chosen, left - exponent, found);
        chosen.pop();
    }
}
