//! What the trainer asks of a task: a model, its loss on a mini-batch, and its score.

use ambient_studies::error::Error;
use burn::module::Module;
use burn::tensor::Tensor;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Examples that are not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Training examples that were held out.
    Validation,
    /// The test set.
    Test,
}

/// How the examples are dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deal {
    /// The seed of orders and initial values.
    pub seed: u64,
    /// How many examples a mini-batch has.
    pub batch: usize,
    /// How many training examples are held out for validation.
    pub validation: usize,
}

impl Deal {
    /// The generator for a purpose: 0 for the order of the examples, e + 1 for epoch e.
    #[must_use]
    pub fn generator(&self, purpose: u64) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(1 + purpose);
        generator
    }

    /// The places of so many examples in the order of the seed, without those held out, and the places of those.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where what is left does not fill a mini-batch.
    pub fn split(&self, examples: usize) -> Result<(Vec<usize>, Vec<usize>), Error> {
        let mut places: Vec<usize> = (0..examples).collect();
        places.shuffle(&mut self.generator(0));
        let held = places.split_off(examples.saturating_sub(self.validation));
        if self.batch == 0 || places.len() < self.batch {
            let (option, given) =
                if examples < self.batch { ("--batch", self.batch) } else { ("--validation", self.validation) };
            let (left, batch) = (places.len(), self.batch);
            let problem = format!("is {given}: {left} examples are left to train on, in mini-batches of {batch}");
            return Err(Error::Option { option, problem });
        }
        Ok((places, held))
    }
}

/// A task with its data on a device.
pub trait Study {
    /// The network.
    type Model: Module + 'static;

    /// The network with the initial values of the seed, on a device that records gradients.
    fn model(&self) -> Self::Model;

    /// How many mini-batches an epoch has.
    fn batches(&self) -> usize;

    /// Before an epoch is begun or taken up again: a new order, where the task asks for one.
    fn begin(&mut self, epoch: usize);

    /// The loss of a mini-batch.
    fn loss(&self, model: &Self::Model, batch: usize) -> Tensor<1>;

    /// The score on examples that were held out, of a model put to use; nothing where there are none.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    fn score(&self, model: &Self::Model, held: Held) -> Result<Option<f64>, Error>;
}

/// The number in a tensor of one.
///
/// # Errors
///
/// Where the device fails.
pub fn number(tensor: Tensor<1>) -> Result<f64, Error> {
    let read: Result<f32, _> = tensor.try_into_scalar();
    read.map(f64::from).map_err(|error| Error::Device(format!("the device failed: {error}")))
}
