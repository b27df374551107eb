//! TinyShakespeare: the next character, by a GPT.

use std::path::Path;

use ambient_studies::error::Error;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt as _;

use crate::data::text;
use crate::networks::cross_entropy;
use crate::networks::gpt::{Gpt, WINDOW};
use crate::networks::initial::Initial;
use crate::study::{Deal, Held, Study, number};

/// How many mini-batches an epoch has.
const BATCHES: usize = 15;
/// The most windows that are scored at once.
const SCORED: usize = 64;

/// The task. Windows begin anywhere in the training text, at random; the score is over windows one after the other.
#[derive(Debug)]
pub struct Shakespeare {
    deal: Deal,
    characters: usize,
    train: Vec<u8>,
    validation: Vec<u8>,
    test: Vec<u8>,
    starts: Vec<usize>,
    /// What the device draws a mini-batch's dropout from.
    dropout: Vec<u64>,
    device: Device,
    plain: Device,
}

impl Shakespeare {
    /// The text of a folder: the first nine tenths to train on, the rest to test on.
    ///
    /// # Errors
    ///
    /// What reading finds, and [`Error::Option`] where nothing is left to train on.
    pub fn new(folder: &Path, deal: Deal, device: &Device) -> Result<Self, Error> {
        let text = text::load(folder, 10 * (WINDOW + 1))?;
        let cut = text.tokens.len() * 9 / 10;
        let (train, test) = text.tokens.split_at(cut);
        // Text that is held out lies together, or windows of training would reach into it.
        let (train, validation) = train.split_at(train.len().saturating_sub(deal.validation));
        if train.len() <= WINDOW {
            let problem = format!("is {}: {} characters are left to train on", deal.validation, train.len());
            return Err(Error::Option { option: "--validation", problem });
        }
        if deal.validation > 0 && validation.len() <= WINDOW {
            let problem = format!("is {}: give 0, or more characters than the {WINDOW} of a window", deal.validation);
            return Err(Error::Option { option: "--validation", problem });
        }
        if deal.batch == 0 {
            return Err(Error::Option { option: "--batch", problem: "is 0: give a number above zero".to_owned() });
        }
        Ok(Self {
            deal,
            characters: text.alphabet.len(),
            train: train.to_vec(),
            validation: validation.to_vec(),
            test: test.to_vec(),
            starts: Vec::new(),
            dropout: Vec::new(),
            device: device.clone(),
            plain: device.clone().inner(),
        })
    }
}

/// The mean loss over windows that begin at these places of a text.
fn loss(model: &Gpt, text: &[u8], starts: &[usize], device: &Device) -> Tensor<1> {
    let windows = |shift: usize| {
        let tokens =
            starts.iter().flat_map(|start| text.get(start + shift..start + shift + WINDOW).unwrap_or_default());
        let tokens: Vec<i32> = tokens.map(|token| i32::from(*token)).collect();
        Tensor::<1, Int>::from_data(TensorData::new(tokens, [starts.len() * WINDOW]), device)
    };
    let logits = model.forward(windows(0).reshape([starts.len(), WINDOW]));
    let [count, places, characters] = logits.dims();
    cross_entropy(logits.reshape([count * places, characters]), windows(1))
}

impl Study for Shakespeare {
    type Model = Gpt;

    fn model(&self) -> Gpt {
        Gpt::new(self.characters, &mut Initial::new(self.deal.seed, &self.device))
    }

    fn batches(&self) -> usize {
        BATCHES
    }

    fn begin(&mut self, epoch: usize) {
        let mut generator = self.deal.generator(1 + epoch as u64);
        let last = self.train.len() - WINDOW;
        self.starts = (0..BATCHES * self.deal.batch).map(|_| generator.random_range(0..last)).collect();
        self.dropout = (0..BATCHES).map(|_| generator.random()).collect();
    }

    fn loss(&self, model: &Gpt, batch: usize) -> Tensor<1> {
        let starts = self.starts.get(batch * self.deal.batch..(batch + 1) * self.deal.batch).unwrap_or_default();
        // So that an update does not depend on those before it, and a run that was resumed goes on with the same numbers.
        self.device.seed(self.dropout.get(batch).copied().unwrap_or(0));
        loss(model, &self.train, starts, &self.device)
    }

    fn score(&self, model: &Gpt, held: Held) -> Result<Option<f64>, Error> {
        let text = if held == Held::Test { &self.test } else { &self.validation };
        let starts: Vec<usize> = (0..text.len().saturating_sub(1) / WINDOW).map(|window| window * WINDOW).collect();
        let mut total = 0.0;
        for starts in starts.chunks(SCORED.min(self.deal.batch)) {
            total += number(loss(model, text, starts, &self.plain))? * starts.len() as f64;
        }
        Ok((!starts.is_empty()).then(|| (total / starts.len() as f64).exp()))
    }
}
