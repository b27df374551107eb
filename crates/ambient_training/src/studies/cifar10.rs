//! CIFAR-10: small photographs, by a `ResNet`.

use std::path::Path;

use ambient_studies::error::Error;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom as _;

use super::batches::{classes, hits};
use crate::data::{Images, cifar};
use crate::networks::cross_entropy;
use crate::networks::initial::Initial;
use crate::networks::resnet::ResNet;
use crate::study::{Deal, Held, Study, number};

/// Images on the host, of which mini-batches go to the device.
fn batch(images: &Images, places: &[usize], device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let images = images.select(places);
    let pixels: Vec<f32> = images.pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect();
    let pixels = TensorData::new(pixels, [images.len(), 3, 32, 32]);
    (Tensor::from_data(pixels, device), classes(&images.labels, device))
}

/// The task. The order of the images changes every epoch.
#[derive(Debug)]
pub struct Cifar10 {
    deal: Deal,
    images: Images,
    places: Vec<usize>,
    order: Vec<usize>,
    validation: Vec<usize>,
    test: Images,
    device: Device,
    plain: Device,
}

impl Cifar10 {
    /// The images of a folder.
    ///
    /// # Errors
    ///
    /// What reading finds, and [`Error::Option`] where the images do not fill a mini-batch.
    pub fn new(folder: &Path, deal: Deal, device: &Device) -> Result<Self, Error> {
        let images = cifar::train(folder)?;
        let (places, validation) = deal.split(images.len())?;
        Ok(Self {
            deal,
            images,
            order: places.clone(),
            places,
            validation,
            test: cifar::test(folder)?,
            device: device.clone(),
            plain: device.clone().inner(),
        })
    }
}

impl Study for Cifar10 {
    type Model = ResNet;

    fn model(&self) -> ResNet {
        ResNet::new(&mut Initial::new(self.deal.seed, &self.device))
    }

    fn batches(&self) -> usize {
        self.places.len() / self.deal.batch
    }

    fn begin(&mut self, epoch: usize) {
        self.order.clone_from(&self.places);
        self.order.shuffle(&mut self.deal.generator(1 + epoch as u64));
    }

    fn loss(&self, model: &ResNet, index: usize) -> Tensor<1> {
        let places = self.order.get(index * self.deal.batch..(index + 1) * self.deal.batch).unwrap_or_default();
        let (pixels, classes) = batch(&self.images, places, &self.device);
        cross_entropy(model.forward(pixels), classes)
    }

    fn score(&self, model: &ResNet, held: Held) -> Result<Option<f64>, Error> {
        let all: Vec<usize>;
        let (images, places) = match held {
            Held::Validation => (&self.images, &self.validation),
            Held::Test => {
                all = (0..self.test.len()).collect();
                (&self.test, &all)
            }
        };
        let mut correct = 0.0;
        for places in places.chunks(self.deal.batch) {
            let (pixels, classes) = batch(images, places, &self.plain);
            correct += number(hits(model.forward(pixels), classes))?;
        }
        Ok((!places.is_empty()).then(|| correct / places.len() as f64))
    }
}
