//! MNIST: digits, by a perceptron.

use std::path::Path;

use ambient_studies::error::Error;
use burn::tensor::{Device, Int, Tensor};

use super::batches::{classes, hits, rows};
use crate::data::{Images, idx};
use crate::networks::cross_entropy;
use crate::networks::initial::Initial;
use crate::networks::mlp::Mlp;
use crate::study::{Deal, Held, Study, number};

/// Pixels between zero and one, and the digits.
#[derive(Debug)]
struct Digits {
    pixels: Tensor<2>,
    classes: Tensor<1, Int>,
    len: usize,
}

impl Digits {
    fn new(images: &Images, device: &Device) -> Self {
        let pixels = images.pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect();
        Self { pixels: rows(pixels, images.size, device), classes: classes(&images.labels, device), len: images.len() }
    }

    /// The logits of a mini-batch, and its digits.
    fn batch(&self, model: &Mlp, batch: usize, size: usize) -> (Tensor<2>, Tensor<1, Int>) {
        let places = batch * size..(batch + 1) * size;
        (model.forward(self.pixels.clone().slice([places.clone()])), self.classes.clone().slice([places]))
    }
}

/// The task. Mini-batches that are not full are left out, in training and in the score.
#[derive(Debug)]
pub struct Mnist {
    deal: Deal,
    width: usize,
    train: Digits,
    validation: Digits,
    test: Digits,
    device: Device,
}

impl Mnist {
    /// The images of a folder.
    ///
    /// # Errors
    ///
    /// What reading finds, and [`Error::Option`] where the images do not fill a mini-batch.
    pub fn new(folder: &Path, deal: Deal, device: &Device) -> Result<Self, Error> {
        let (train, test) = (idx::load(folder, "train")?, idx::load(folder, "t10k")?);
        if train.size != test.size {
            let problem = format!("images for training have {} pixels and those of the test {}", train.size, test.size);
            return Err(Error::Record { place: folder.display().to_string(), problem });
        }
        let (places, held) = deal.split(train.len())?;
        if test.len() < deal.batch {
            let problem = format!("is {}: there are {} images to test on", deal.batch, test.len());
            return Err(Error::Option { option: "--batch", problem });
        }
        let plain = device.clone().inner();
        Ok(Self {
            deal,
            width: train.size,
            validation: Digits::new(&train.select(&held), &plain),
            test: Digits::new(&test, &plain),
            train: Digits::new(&train.select(&places), device),
            device: device.clone(),
        })
    }
}

impl Study for Mnist {
    type Model = Mlp;

    fn model(&self) -> Mlp {
        Mlp::new(&[self.width, 64, 64, 10], &mut Initial::new(self.deal.seed, &self.device))
    }

    fn batches(&self) -> usize {
        self.train.len / self.deal.batch
    }

    fn begin(&mut self, _epoch: usize) {}

    fn loss(&self, model: &Mlp, batch: usize) -> Tensor<1> {
        let (logits, digits) = self.train.batch(model, batch, self.deal.batch);
        cross_entropy(logits, digits)
    }

    fn score(&self, model: &Mlp, held: Held) -> Result<Option<f64>, Error> {
        let digits = if held == Held::Test { &self.test } else { &self.validation };
        let size = self.deal.batch.min(digits.len);
        let batches = digits.len.checked_div(size).unwrap_or(0);
        let mut correct = 0.0;
        for batch in 0..batches {
            let (logits, digits) = digits.batch(model, batch, size);
            correct += number(hits(logits, digits))?;
        }
        Ok((batches > 0).then(|| correct / (batches * size) as f64))
    }
}
