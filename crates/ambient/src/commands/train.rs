//! `ambient train`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ambient_studies::error::Error;
use ambient_training::device::Place;
use ambient_training::optimisers::Trained;
use ambient_training::outcome::Outcome;
use ambient_training::run::{Request, perform};
use ambient_training::settings::Settings;
use ambient_training::task::Task;
use clap::Args;

use super::choices::choice;
use super::numbers::whole;

/// The tasks.
pub(super) const TASKS: [(&str, &str, Task); 4] = [
    ("regression", "A polynomial of four coordinates, by a perceptron", Task::Regression),
    ("mnist", "Digits, by a perceptron", Task::Mnist),
    ("cifar10", "Small photographs, by `ResNet`-18", Task::Cifar10),
    ("shakespeare", "The next character, by a GPT", Task::Shakespeare),
];

/// Where a run takes place.
pub(super) const PLACES: [(&str, &str, Place); 3] = [
    ("flex", "The CPU", Place::Flex),
    ("wgpu", "A device with Vulkan, Metal or DirectX 12; in programs built with --features train_wgpu", Place::Wgpu),
    ("cuda", "An NVIDIA device; in programs built with --features train_cuda", Place::Cuda),
];

/// A network trained by one of the optimisers: the paper's four tasks.
///
/// The hyperparameters are those that were published for the task, where there are some, with what --set gives. The folder gets a log of every
/// update (updates.csv), checkpoints, a picture of the curves (curves.svg) and the result (result.json). Ctrl-C saves before it ends the
/// run; --resume goes on, and comes to the same bits as a run that was not stopped.
#[derive(Args)]
#[command(after_long_help = "\
Tasks:
  regression   a polynomial of four coordinates, 1249 parameters, 200 epochs of 8 updates; without --data
               the points are drawn here
  mnist        digits, 55,050 parameters, 200 epochs of 58 updates
  cifar10      ResNet-18, 11,178,762 parameters, 400 epochs
  shakespeare  a GPT of 842,817 parameters, 250 epochs of 15 updates

Optimisers and their hyperparameters (besides learning_rate, and eps where there is a root):
  sgd                       momentum
  adam                      b1, b2
  adamw                     b1, b2, weight_decay
  euclidean, euclidean_log  momentum, xi, beta, weight_decay
  rmsprop                   momentum, xi, beta, beta_rms, weight_decay
  muon, muon_routed         momentum, weight_decay
  any other pointwise rule, as `ambient rules` lists them; the constants of a composition such as
  induced(rmsprop, log1p, xi=0.01) + ema(0.9) are those that it has written

Published, so that nothing needs to be set:
  regression   adam, adamw, euclidean, euclidean_log, rmsprop
  mnist        adam, sgd, euclidean, euclidean_log, rmsprop
  cifar10      adamw, rmsprop
  shakespeare  adamw, rmsprop

Examples:
  ambient train regression --optimiser rmsprop
  ambient train mnist --optimiser 'induced(rmsprop, log1p) + ema' --set learning_rate=0.01 --data data
  ambient train mnist --optimiser euclidean_log --data data --seed 3
  ambient train mnist --optimiser sgd --set learning_rate=0.1 --set momentum=0.9 --data data --epochs 20
  ambient train shakespeare --optimiser adamw --data data --batch 8 --epochs 20
  ambient train mnist --out train-out/mnist-sgd-0 --data data --resume")]
pub(super) struct Train {
    /// The task.
    #[arg(value_parser = choice(&TASKS))]
    task: Task,
    /// The optimiser; a longer --help lists them.
    #[arg(
        long,
        alias = "optimizer",
        value_name = "NAME",
        required_unless_present = "resume",
        conflicts_with = "resume"
    )]
    optimiser: Option<String>,
    /// A hyperparameter that differs from the published one.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume", num_args = 1.., allow_negative_numbers = true)]
    set: Vec<String>,
    /// How often the training examples are gone through [default: as often as in the paper]
    #[arg(long, value_name = "COUNT", conflicts_with = "resume", allow_hyphen_values = true, value_parser = whole::<u32>(1..=1_000_000))]
    epochs: Option<u32>,
    /// The seed of initial values and of the order of the examples.
    #[arg(long, default_value_t = 0, conflicts_with = "resume", allow_hyphen_values = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// How many examples a mini-batch has [default: as many as in the paper]
    #[arg(long, value_name = "COUNT", conflicts_with = "resume", allow_hyphen_values = true, value_parser = whole::<u32>(1..=1_000_000))]
    batch: Option<u32>,
    /// How many training examples (of a text, characters) are held out, so that the best epoch can be chosen without the test set.
    #[arg(long, value_name = "COUNT", default_value_t = 0, conflicts_with = "resume", allow_hyphen_values = true, value_parser = whole::<u32>(0..=u32::MAX))]
    validation: u32,
    /// The folder of the data, or that of the task's own within it.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The folder of the run; it is made if it is not there [default: train-out/TASK-OPTIMISER-SEED]
    #[arg(long, value_name = "FOLDER", required_if_eq("resume", "true"))]
    out: Option<PathBuf>,
    /// Where it runs.
    #[arg(long, value_parser = choice(&PLACES), default_value = "flex")]
    device: Place,
    /// After how many seconds a checkpoint is saved; 0 saves after every update.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, allow_hyphen_values = true, value_parser = whole::<u64>(0..=u64::MAX))]
    save_every: u64,
    /// Goes on with the run in the folder --out, with the settings and the data that it has (--data only where these have moved).
    #[arg(long)]
    resume: bool,
}

impl Train {
    /// Trains, and says what came of it.
    pub(super) fn run(self) -> Result<String, Error> {
        let outcome = self.outcome()?;
        match &outcome.diverged {
            Some(reason) => Err(Error::Diverged { updates: outcome.updates, reason: reason.clone() }),
            None => Ok(outcome.summary()),
        }
    }

    fn outcome(self) -> Result<Outcome, Error> {
        let settings = self.optimiser.as_deref().map(|name| self.settings(name)).transpose()?;
        let named = |settings: &Settings| {
            let optimiser = settings.optimiser.file_name();
            PathBuf::from(format!("train-out/{}-{optimiser}-{}", settings.task, settings.seed))
        };
        let out = self.out.or_else(|| settings.as_ref().map(named));
        let out = out.ok_or(Error::Option { option: "--out", problem: "is missing".to_owned() })?;
        perform(&Request {
            settings,
            task: self.task,
            data: self.data,
            out,
            place: self.device,
            save_every: Duration::from_secs(self.save_every),
        })
    }

    fn settings(&self, optimiser: &str) -> Result<Settings, Error> {
        let optimiser: Trained = optimiser.parse()?;
        let settings = self.set.iter().map(|text| setting(text)).collect::<Result<Vec<_>, Error>>()?;
        let count = |given: Option<u32>, default: usize| given.map_or(default, |given| given as usize);
        Ok(Settings {
            task: self.task,
            hyperparameters: optimiser.configure(self.task, &settings)?,
            optimiser,
            epochs: count(self.epochs, self.task.epochs()),
            seed: self.seed,
            batch: count(self.batch, self.task.batch()),
            validation: self.validation as usize,
            data: self.data.as_deref().map(absolute).transpose()?,
        })
    }
}

/// A folder by its whole name, so that a run finds its data again from wherever it is taken up.
pub(super) fn absolute(folder: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(folder).map_err(|source| Error::Read { path: folder.to_owned(), source })
}

/// A name and a number with `=` between them.
fn setting(text: &str) -> Result<(String, f64), Error> {
    let read =
        text.split_once('=').and_then(|(name, value)| Some((name.trim().to_owned(), value.trim().parse().ok()?)));
    let problem = || format!("is `{text}`: give a name and a number, as learning_rate=0.1");
    read.ok_or_else(|| Error::Option { option: "--set", problem: problem() })
}
