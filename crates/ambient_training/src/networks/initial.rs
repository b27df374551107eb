//! Initial values: drawn on the host from a seed, so that they are the same on every device.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The standard deviation of a standard normal cut off at two.
const CUT: f64 = 0.879_625_661_034_239_8;

/// A standard normal number, by Box and Muller.
pub fn normal(generator: &mut ChaCha8Rng) -> f64 {
    let uniform = 1.0 - generator.random::<f64>();
    let angle = core::f64::consts::TAU * generator.random::<f64>();
    (-2.0 * uniform.ln()).sqrt() * angle.cos()
}

/// A source of initial values for parameters on a device.
#[derive(Debug)]
pub struct Initial<'d> {
    generator: ChaCha8Rng,
    device: &'d Device,
}

impl<'d> Initial<'d> {
    /// The source of a seed.
    #[must_use]
    pub fn new(seed: u64, device: &'d Device) -> Self {
        Self { generator: ChaCha8Rng::seed_from_u64(seed), device }
    }

    /// Where the parameters are made.
    #[must_use]
    pub fn device(&self) -> &'d Device {
        self.device
    }

    /// A kernel of variance 1 / `fan_in`, from a normal distribution cut off at two standard deviations (LeCun).
    pub fn lecun<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Param<Tensor<D>> {
        let scale = (1.0 / fan_in as f64).sqrt() / CUT;
        let mut cut = || {
            loop {
                let number = normal(&mut self.generator);
                if number.abs() <= 2.0 {
                    return number * scale;
                }
            }
        };
        let count = shape.iter().product();
        #[allow(clippy::cast_possible_truncation, reason = "parameters are single")]
        let values: Vec<f32> = (0..count).map(|_| cut() as f32).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    /// A table of normal numbers of variance 1 / `width`.
    pub fn embedding(&mut self, rows: usize, width: usize) -> Param<Tensor<2>> {
        let scale = (1.0 / width as f64).sqrt();
        #[allow(clippy::cast_possible_truncation, reason = "parameters are single")]
        let values: Vec<f32> = (0..rows * width).map(|_| (normal(&mut self.generator) * scale) as f32).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows, width]), self.device))
    }

    /// A bias of zeros.
    #[must_use]
    pub fn zeros(&self, count: usize) -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::zeros([count], self.device))
    }

    /// A layer with a LeCun kernel and no bias yet.
    pub fn linear(&mut self, from: usize, to: usize) -> Linear {
        Linear { weight: self.lecun([from, to], from), bias: Some(self.zeros(to)) }
    }
}
