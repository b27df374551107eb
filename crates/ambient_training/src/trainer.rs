//! The trainer: a model, its optimiser and the place in the run, one update after another.

use ambient_metric::{Error as Refusal, Report};
use ambient_metric_burn::ModuleOptimiser;
use ambient_studies::error::Error;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Tensor};

use crate::optimisers::AnyEngine;
use crate::outcome::{Epoch, Outcome};
use crate::settings::Settings;
use crate::study::{Held, Study, number};

/// An update that was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// How many had been taken before.
    pub step: usize,
    /// The loss of its mini-batch.
    pub loss: f64,
    /// What the optimiser says.
    pub report: Report<f64>,
}

/// What an attempt at an update came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// It was taken.
    Taken(Update),
    /// The optimiser refused it: the run has diverged, and the model is as it was.
    Diverged(String),
}

/// A run between two updates.
#[derive(Debug)]
pub struct Trainer<S: Study> {
    study: S,
    model: S::Model,
    optimiser: ModuleOptimiser<AnyEngine>,
    learning_rate: f64,
    step: usize,
    /// The epoch that the study has been told to begin.
    begun: Option<usize>,
}

impl<S: Study> Trainer<S> {
    /// A run before its first update.
    ///
    /// # Errors
    ///
    /// Constants out of their ranges.
    pub fn new(study: S, settings: &Settings) -> Result<Self, Error> {
        let model = study.model();
        let optimiser = ModuleOptimiser::of(&model, settings.optimiser.maker(&settings.hyperparameters)?)?;
        let learning_rate = settings.hyperparameters.learning_rate;
        Ok(Self { study, model, optimiser, learning_rate, step: 0, begun: None })
    }

    /// How many updates have been taken.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// How many updates an epoch has.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.study.batches()
    }

    /// Whether an epoch has just ended.
    #[must_use]
    pub fn is_at_end_of_epoch(&self) -> bool {
        self.step > 0 && self.step.is_multiple_of(self.batches())
    }

    /// Tries one update.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn advance(&mut self) -> Result<Attempt, Error> {
        let (epoch, batch) = (self.step / self.batches(), self.step % self.batches());
        if self.begun != Some(epoch) {
            self.study.begin(epoch);
            self.begun = Some(epoch);
        }
        let loss = self.study.loss(&self.model, batch);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        let loss = number(loss)?;
        match self.optimiser.step(self.learning_rate, &mut self.model, gradients, loss) {
            Ok(report) => {
                self.step += 1;
                Ok(Attempt::Taken(Update { step: self.step - 1, loss, report }))
            }
            Err(
                refusal @ (Refusal::NonFiniteGradient { .. }
                | Refusal::LossOutsideDomain { .. }
                | Refusal::Overflow { .. }
                | Refusal::NotPositiveDefinite { .. }
                | Refusal::Determinant { .. }),
            ) => Ok(Attempt::Diverged(refusal.to_string())),
            Err(other) => Err(other.into()),
        }
    }

    /// The scores of the model at its evaluation point: as it is, unless the rule has another. Running means are those of training.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn score(&self) -> Result<Epoch, Error> {
        let model = self.optimiser.evaluation_module(&self.model)?.valid();
        let validation = self.study.score(&model, Held::Validation)?;
        let test = self.study.score(&model, Held::Test)?.unwrap_or(f64::NAN);
        Ok(Epoch { epoch: self.step / self.batches(), validation, test })
    }

    /// Model and state of the optimiser as bytes.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn save(&self) -> Result<[Bytes; 2], Error> {
        // Putting the model to use settles its running means, which are otherwise one update behind.
        let _settled = self.model.valid();
        let model = self.model.clone().into_record().into_bytes().map_err(|error| Error::Device(error.to_string()))?;
        Ok([model, self.optimiser.to_bytes()?])
    }

    /// Goes on where model and state were saved, after so many updates.
    ///
    /// # Errors
    ///
    /// Bytes that are damaged, or of another model or optimiser.
    pub fn resume(&mut self, step: usize, [model, optimiser]: [Bytes; 2]) -> Result<(), Error> {
        let of_model =
            |error: burn::store::RecordError| Error::Device(format!("the saved model cannot be used: {error}"));
        let record = ModuleRecord::from_bytes(model).map_err(of_model)?;
        let loaded = self.model.clone().try_load_record(record).map_err(of_model)?;
        self.optimiser.load_bytes(optimiser)?;
        (self.model, self.step, self.begun) = (loaded, step, None);
        Ok(())
    }

    /// What the run came to with these scores, but for its time and its end.
    #[must_use]
    pub fn outcome(&self, settings: Settings, scores: Vec<Epoch>) -> Outcome {
        Outcome {
            parameters: self.optimiser.parameters(),
            updates: self.step,
            fingerprint: self.fingerprint(),
            ..Outcome::of(settings, scores)
        }
    }

    /// A fingerprint of all numbers of the model: FNV-1a over their bits.
    fn fingerprint(&self) -> String {
        let _settled = self.model.valid();
        let mut hash = Fingerprint(0xcbf2_9ce4_8422_2325);
        self.model.visit(&mut hash);
        format!("{:016x}", hash.0)
    }
}

struct Fingerprint(u64);

impl ModuleVisitor for Fingerprint {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        for byte in param.val().into_data().as_bytes() {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
