//! `ambient train`: its command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::device::Place;
use super::optimisers::Trained;
use super::run::{Outcome, Request, perform};
use super::task::Task;
use super::trainer::Settings;
use crate::error::Error;
use crate::numbers::whole;

/// A network trained by one of the optimisers: the paper's four tasks.
///
/// The hyperparameters are those that were published for the task, where there are some, with what --set gives. The folder gets a log of every
/// update (updates.csv), checkpoints, a picture of the curves (curves.svg) and the result (result.json). Ctrl-C saves before it ends the
/// run; --resume goes on, and comes to the same bits as a run that was not stopped.
#[derive(Args, Debug)]
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
  induced:METRIC:EMBEDDING[:exact], as `ambient explain --help` has them

Published, so that nothing needs to be set:
  regression   adam, adamw, euclidean, euclidean_log, rmsprop
  mnist        adam, sgd, euclidean, euclidean_log, rmsprop
  cifar10      adamw, rmsprop
  shakespeare  adamw, rmsprop

Examples:
  ambient train regression --optimiser rmsprop
  ambient train mnist --optimiser euclidean_log --data data --seed 3
  ambient train mnist --optimiser sgd --set learning_rate=0.1 --set momentum=0.9 --data data --epochs 20
  ambient train shakespeare --optimiser adamw --data data --batch 8 --epochs 20
  ambient train mnist --out train-out/mnist-sgd-0 --data data --resume")]
pub struct Train {
    /// The task.
    #[arg(value_enum)]
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
    #[arg(long, value_enum, default_value_t = Place::Flex)]
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
    ///
    /// # Errors
    ///
    /// As [`perform`], and [`Error::Diverged`] for a run that the optimiser had to stop.
    pub fn run(self) -> Result<String, Error> {
        let outcome = self.outcome()?;
        match &outcome.diverged {
            Some(reason) => Err(Error::Diverged { updates: outcome.updates, reason: reason.clone() }),
            None => Ok(summary(&outcome)),
        }
    }

    fn outcome(self) -> Result<Outcome, Error> {
        let settings = self.optimiser.as_deref().map(|name| self.settings(name)).transpose()?;
        let named = |settings: &Settings| {
            let optimiser = settings.optimiser.to_string().replace(':', "-");
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
            optimiser,
            hyperparameters: optimiser.configure(self.task, &settings)?,
            epochs: count(self.epochs, self.task.epochs()),
            seed: self.seed,
            batch: count(self.batch, self.task.batch()),
            validation: self.validation as usize,
            data: self.data.as_deref().map(absolute).transpose()?,
        })
    }
}

/// A folder by its whole name, so that a run finds its data again from wherever it is taken up.
pub(crate) fn absolute(folder: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(folder).map_err(|source| Error::Read { path: folder.to_owned(), source })
}

/// A run in a few lines.
fn summary(outcome: &Outcome) -> String {
    let Outcome { settings, best, best_epoch, last, updates, parameters, seconds, fingerprint, .. } = outcome;
    let score = settings.task.score();
    let honest = outcome.honest.map_or_else(String::new, |honest| {
        format!("test {score} {honest:.5} after the epoch that was best on the examples held out\n")
    });
    let listed = settings.hyperparameters.listed();
    format!(
        "{} on {}: {parameters} parameters, {updates} updates in {seconds:.1} s\n\
         learning_rate {:?}, {listed}\n\
         best test {score} {best:.5} (epoch {best_epoch}), after the last epoch {last:.5}\n\
         {honest}fingerprint of the parameters {fingerprint}\n",
        settings.optimiser, settings.task, settings.hyperparameters.learning_rate,
    )
}

/// A name and a number with `=` between them.
pub(crate) fn setting(text: &str) -> Result<(String, f64), Error> {
    let read =
        text.split_once('=').and_then(|(name, value)| Some((name.trim().to_owned(), value.trim().parse().ok()?)));
    let problem = || format!("is `{text}`: give a name and a number, as learning_rate=0.1");
    read.ok_or_else(|| Error::Option { option: "--set", problem: problem() })
}
