//! The paper's networks, as Burn modules.

pub mod gpt;
pub mod initial;
pub mod mlp;
pub mod resnet;

use burn::tensor::activation::{log_softmax, sigmoid};
use burn::tensor::{Int, Tensor};

/// GELU in its tanh form, x/2 (1 + tanh(√(2/π)(x + 0.044715 x³))), written as x σ(2√(2/π)(x + 0.044715 x³)): the same function with fewer passes.
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const TWICE: f64 = core::f64::consts::FRAC_2_SQRT_PI * core::f64::consts::SQRT_2;
    let inner = x.clone().mul(x.clone()).mul_scalar(0.044_715 * TWICE).add_scalar(TWICE);
    x.clone().mul(sigmoid(inner.mul(x)))
}

/// The mean softmax cross-entropy of rows of logits against classes.
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, classes: Tensor<1, Int>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    log_softmax(logits, 1).gather(1, classes.reshape([rows, 1])).mean().neg()
}
