//! ResNet-18 for small images.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::initial::Initial;

/// A convolution with a bias, and batch normalisation after it.
#[derive(Module, Debug)]
struct Normalised {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Normalised {
    fn new([from, to]: [usize; 2], kernel: usize, stride: usize, initial: &mut Initial<'_>) -> Self {
        let padding = kernel / 2;
        let mut convolution = Conv2dConfig::new([from, to], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .init(initial.device());
        convolution.weight = initial.lecun([to, from, kernel, kernel], from * kernel * kernel);
        convolution.bias = Some(initial.zeros(to));
        // Of the running means 0.99 is kept.
        let norm = BatchNormConfig::new(to).with_momentum(0.01).with_epsilon(1e-5).init(initial.device());
        Self { convolution, norm }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.convolution.forward(x))
    }
}

/// Two convolutions of 3 × 3, and what goes past them.
#[derive(Module, Debug)]
struct Block {
    first: Normalised,
    second: Normalised,
    shortcut: Option<Normalised>,
}

impl Block {
    fn new([from, to]: [usize; 2], stride: usize, initial: &mut Initial<'_>) -> Self {
        Self {
            first: Normalised::new([from, to], 3, stride, initial),
            second: Normalised::new([to, to], 3, 1, initial),
            shortcut: (stride != 1 || from != to).then(|| Normalised::new([from, to], 1, stride, initial)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let past = self.shortcut.as_ref().map_or_else(|| x.clone(), |shortcut| shortcut.forward(x.clone()));
        relu(self.second.forward(relu(self.first.forward(x))) + past)
    }
}

/// A stem of 3 × 3 without pooling, and four stages of two blocks.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Normalised,
    blocks: Vec<Block>,
    head: Linear,
}

impl ResNet {
    /// The network for ten classes.
    pub fn new(initial: &mut Initial<'_>) -> Self {
        let stem = Normalised::new([3, 64], 3, 1, initial);
        let mut blocks = Vec::new();
        let mut from = 64;
        for (to, stride) in [(64, 1), (128, 2), (256, 2), (512, 2)] {
            blocks.push(Block::new([from, to], stride, initial));
            blocks.push(Block::new([to, to], 1, initial));
            from = to;
        }
        Self { stem, blocks, head: initial.linear(512, 10) }
    }

    /// The logits of images: image, channel, row, column.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.blocks.iter().fold(relu(self.stem.forward(x)), |x, block| block.forward(x));
        let [images, channels, rows, columns] = x.dims();
        let x = x.reshape([images, channels, rows * columns]).mean_dim(2).reshape([images, channels]);
        self.head.forward(x)
    }
}
