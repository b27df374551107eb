//! The GPT for TinyShakespeare.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor};

use super::gelu;
use super::initial::Initial;

/// The width, the heads, the blocks, and how many characters are seen at once.
const WIDTH: usize = 128;
const HEADS: usize = 4;
const BLOCKS: usize = 4;
/// How many characters a window has.
pub const WINDOW: usize = 256;
const DROPOUT: f64 = 0.1;

#[derive(Module, Debug)]
struct Attention {
    query_key_value: Linear,
    output: Linear,
    dropout: Dropout,
}

impl Attention {
    fn new(initial: &mut Initial<'_>) -> Self {
        Self {
            query_key_value: initial.linear(WIDTH, 3 * WIDTH),
            output: initial.linear(WIDTH, WIDTH),
            dropout: DropoutConfig::new(DROPOUT).init(),
        }
    }

    /// Every place attends to those before it and to itself.
    fn forward(&self, x: Tensor<3>, later: &Tensor<4, Bool>) -> Tensor<3> {
        let [windows, places, _] = x.dims();
        let all = self.query_key_value.forward(x);
        let heads = |index: usize| {
            let part = all.clone().narrow(2, index * WIDTH, WIDTH);
            part.reshape([windows, places, HEADS, WIDTH / HEADS]).swap_dims(1, 2)
        };
        let scale = 1.0 / ((WIDTH / HEADS) as f64).sqrt();
        let scores = heads(0).mul_scalar(scale).matmul(heads(1).swap_dims(2, 3));
        let later = later.clone().expand([windows, HEADS, places, places]);
        let weights = self.dropout.forward(softmax(scores.mask_fill(later, -1e9), 3));
        let mixed = weights.matmul(heads(2)).swap_dims(1, 2).reshape([windows, places, WIDTH]);
        self.output.forward(mixed)
    }
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    feed_norm: LayerNorm,
    feed_in: Linear,
    feed_out: Linear,
    dropout: Dropout,
}

fn norm(initial: &Initial<'_>) -> LayerNorm {
    LayerNormConfig::new(WIDTH).with_epsilon(1e-6).init(initial.device())
}

impl Block {
    fn new(initial: &mut Initial<'_>) -> Self {
        Self {
            attention_norm: norm(initial),
            attention: Attention::new(initial),
            feed_norm: norm(initial),
            feed_in: initial.linear(WIDTH, 4 * WIDTH),
            feed_out: initial.linear(4 * WIDTH, WIDTH),
            dropout: DropoutConfig::new(DROPOUT).init(),
        }
    }

    fn forward(&self, x: Tensor<3>, later: &Tensor<4, Bool>) -> Tensor<3> {
        let attended = self.attention.forward(self.attention_norm.forward(x.clone()), later);
        let x = x + self.dropout.forward(attended);
        let fed = self.feed_out.forward(gelu(self.feed_in.forward(self.feed_norm.forward(x.clone()))));
        x + self.dropout.forward(fed)
    }
}

/// Four pre-norm blocks between embeddings and a head of its own.
#[derive(Module, Debug)]
pub struct Gpt {
    embedding: Param<Tensor<2>>,
    positions: Param<Tensor<2>>,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    /// The network for so many characters.
    pub fn new(characters: usize, initial: &mut Initial<'_>) -> Self {
        Self {
            embedding: initial.embedding(characters, WIDTH),
            positions: initial.embedding(WINDOW, WIDTH),
            dropout: DropoutConfig::new(DROPOUT).init(),
            blocks: (0..BLOCKS).map(|_| Block::new(initial)).collect(),
            norm: norm(initial),
            head: initial.linear(WIDTH, characters),
        }
    }

    /// The logits of the next character at every place of windows of characters: window, place, character.
    #[must_use]
    pub fn forward(&self, windows: Tensor<2, Int>) -> Tensor<3> {
        let [count, places] = windows.dims();
        let characters = self.embedding.val().select(0, windows.reshape([count * places]));
        let positions = self.positions.val().narrow(0, 0, places).unsqueeze_dim::<3>(0);
        let x = self.dropout.forward(characters.reshape([count, places, WIDTH]) + positions);
        let later = Tensor::<2, Bool>::tril_mask([places, places], 0, &x.device()).unsqueeze::<4>();
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, &later));
        self.head.forward(self.norm.forward(x))
    }
}
