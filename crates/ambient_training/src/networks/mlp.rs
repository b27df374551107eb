//! The networks of the regression and of MNIST: layers with GELU between them.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

use super::gelu;
use super::initial::Initial;

/// A multilayer perceptron.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Layers of these widths.
    pub fn new(widths: &[usize], initial: &mut Initial<'_>) -> Self {
        let pairs = widths.iter().zip(widths.iter().skip(1));
        Self { layers: pairs.map(|(&from, &to)| initial.linear(from, to)).collect() }
    }

    /// The outputs of rows of inputs.
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (index, layer)| {
            let x = layer.forward(x);
            if index < last { gelu(x) } else { x }
        })
    }
}
