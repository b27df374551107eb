//! What decides a run.

use std::path::PathBuf;

use ambient_metric::Error as Refusal;
use ambient_metric::space::Part;
use ambient_metric_burn::Parameters;
use ambient_studies::error::Error;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use burn::tensor::Device;
use serde::Serialize;

use crate::optimisers::Trained;
use crate::study::Deal;
use crate::task::Task;

/// What decides a run: the same settings on the same device give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The task.
    pub task: Task,
    /// The optimiser.
    pub optimiser: Trained,
    /// Its constants.
    pub hyperparameters: Hyperparameters,
    /// How often the training examples are gone through.
    pub epochs: usize,
    /// The seed of initial values and orders.
    pub seed: u64,
    /// How many examples a mini-batch has.
    pub batch: usize,
    /// How many training examples are held out.
    pub validation: usize,
    /// The folder of the data; none where the task draws its own.
    pub data: Option<PathBuf>,
}

ambient_metric::known_keys! { Settings { task, optimiser, hyperparameters, epochs, seed, batch, validation, data = None } }

impl Settings {
    /// Accepts constants that are in their ranges, before any data is read.
    ///
    /// # Errors
    ///
    /// What making the optimiser for one parameter finds.
    pub fn check(&self, device: &Device) -> Result<(), Error> {
        let one = [(Part { name: "weight".to_owned(), shape: vec![1] }, vec![0.0])];
        let parameters = Parameters::new(device, one)?;
        let made = self.optimiser.maker(&self.hyperparameters)?(&parameters);
        made.map(|_| ()).map_err(|error| match error {
            Refusal::Hyperparameter { value, requirement, .. } => match self.hyperparameters.blamed(value) {
                Some(name) => {
                    Error::Option { option: "--set", problem: format!("gives {name} = {value:?}: {requirement}") }
                }
                None => error.into(),
            },
            other => other.into(),
        })
    }

    /// How the examples are dealt out.
    #[must_use]
    pub fn deal(&self) -> Deal {
        Deal { seed: self.seed, batch: self.batch, validation: self.validation }
    }
}
