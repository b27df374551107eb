//! A run with its files: log, checkpoints, curves and result.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::curves;
use super::device::Place;
use super::files::{self, Progress, write_whole};
use super::log::{self, Log};
use super::studies::cifar10::Cifar10;
use super::studies::mnist::Mnist;
use super::studies::regression::Regression;
use super::studies::shakespeare::Shakespeare;
use super::study::Study;
use super::task::Task;
use super::trainer::{Attempt, Epoch, Settings, Trainer, number_or_none};
use crate::checksum;
use crate::error::Error;
use crate::lock::{Lock, Purpose};
use crate::progress::bar;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What decides the run; absent where one is taken up again, which has its own.
    pub settings: Option<Settings>,
    /// The task.
    pub task: Task,
    /// The folder of the data, where it is not that of the settings.
    pub data: Option<PathBuf>,
    /// The folder of the run.
    pub out: PathBuf,
    /// Where it runs.
    pub place: Place,
    /// How long the run may go on without a checkpoint.
    pub save_every: Duration,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What decided it.
    #[serde(flatten)]
    pub settings: Settings,
    /// How many parameters the model has.
    pub parameters: usize,
    /// How many updates were taken.
    pub updates: usize,
    /// The best score on the test set over all epochs, which is what the paper reports.
    #[serde(deserialize_with = "number_or_none")]
    pub best: f64,
    /// The epoch of it.
    pub best_epoch: usize,
    /// The score on the test set after the last epoch.
    #[serde(deserialize_with = "number_or_none")]
    pub last: f64,
    /// The score on the test set after the epoch that was best on examples held out of the training.
    pub honest: Option<f64>,
    /// Why the run ended early, where it did.
    pub diverged: Option<String>,
    /// The scores after every epoch.
    pub scores: Vec<Epoch>,
    /// How long it took.
    pub seconds: f64,
    /// A fingerprint of the numbers of the model.
    pub fingerprint: String,
}

impl Outcome {
    /// The outcome of the scores after every epoch.
    #[must_use]
    pub fn of(settings: Settings, scores: Vec<Epoch>) -> Self {
        let task = settings.task;
        let nothing = Epoch { epoch: 0, validation: None, test: f64::NAN };
        let best = |score: fn(&Epoch) -> f64| {
            scores
                .iter()
                .fold(nothing, |best, epoch| if task.is_better(score(epoch), score(&best)) { *epoch } else { best })
        };
        let by_test = best(|epoch| epoch.test);
        let by_validation = best(|epoch| epoch.validation.unwrap_or(f64::NAN));
        Self {
            settings,
            parameters: 0,
            updates: 0,
            best: by_test.test,
            best_epoch: by_test.epoch,
            last: scores.last().map_or(f64::NAN, |epoch| epoch.test),
            honest: by_validation.validation.map(|_| by_validation.test),
            diverged: None,
            scores,
            seconds: 0.0,
            fingerprint: String::new(),
        }
    }

    /// The epoch that is best by the score which [decides](Epoch::deciding); nothing where no score is finite.
    #[must_use]
    pub fn chosen(&self) -> Option<Epoch> {
        Epoch::best(self.settings.task, self.scores.iter().copied())
    }
}

/// Whether the user has asked the program to stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the run after the update under way.
pub(crate) fn listen() -> Result<(), Error> {
    match ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst)) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Error::Device(format!("cannot listen for Ctrl-C: {error}"))),
    }
}

/// Whether the user has asked the program to stop.
pub(crate) fn has_stopped() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Makes the study of a task and hands it to `what`.
///
/// # Errors
///
/// What reading the data finds, and what `what` returns.
pub fn with_study<W: WithStudy>(
    task: Task,
    data: Option<&Path>,
    settings: &Settings,
    device: &Device,
    what: W,
) -> Result<W::Output, Error> {
    let deal = settings.deal();
    let folder = data.map(|data| {
        let inner = data.join(task.folder());
        if inner.is_dir() { inner } else { data.to_owned() }
    });
    let needed = || {
        let problem = format!("is missing: give the folder of the data of {task}");
        folder.as_deref().ok_or(Error::Option { option: "--data", problem })
    };
    match task {
        Task::Regression => what.with(Regression::new(folder.as_deref(), deal, device)?),
        Task::Mnist => what.with(Mnist::new(needed()?, deal, device)?),
        Task::Cifar10 => what.with(Cifar10::new(needed()?, deal, device)?),
        Task::Shakespeare => what.with(Shakespeare::new(needed()?, deal, device)?),
    }
}

/// Something to be done with a study of any type.
pub trait WithStudy {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn with<S: Study>(self, study: S) -> Result<Self::Output, Error>;
}

/// The file of the log in the folder of a run, and that of the result.
const LOG: &str = "updates.csv";
/// The file of the result in the folder of a run.
pub const RESULT: &str = "result.json";

/// Runs it, or takes it up again.
///
/// # Errors
///
/// Data, settings or folder that do not fit, [`Error::Busy`] where another process writes into the folder, [`Error::Interrupted`] after Ctrl-C, [`Error::Diverged`] where the optimiser had to stop.
pub fn perform(request: &Request) -> Result<Outcome, Error> {
    let device = request.place.open()?;
    // Before the checkpoint is read, so that nobody else goes on from it meanwhile.
    let lock = match request.settings {
        None if files::checkpoint(&request.out).exists() => Some(Lock::take(&request.out, Purpose::Work)?),
        _ => Lock::take_again(&request.out, Purpose::Work)?,
    };
    let (settings, saved) = match &request.settings {
        None => {
            let saved = files::load(&request.out)?;
            (saved.0.settings.clone(), Some(saved))
        }
        Some(settings) => {
            settings.check(&device)?;
            refuse_a_run(&request.out)?;
            (settings.clone(), None)
        }
    };
    if settings.task != request.task {
        let problem = format!("finds a run of {} where {} is asked for", settings.task, request.task);
        return Err(Error::Option { option: "--resume", problem });
    }
    listen()?;
    let device = device.autodiff();
    let data = request.data.as_deref().or(settings.data.as_deref());
    with_study(request.task, data, &settings, &device, Run { request, settings: &settings, saved, lock })
}

/// Accepts a folder without a run.
fn refuse_a_run(folder: &Path) -> Result<(), Error> {
    if files::checkpoint(folder).exists() {
        let problem =
            format!("has the folder {} with a run in it: go on with --resume, or give another", folder.display());
        return Err(Error::Option { option: "--out", problem });
    }
    Ok(())
}

struct Run<'a> {
    request: &'a Request,
    settings: &'a Settings,
    saved: Option<(Progress, [burn::tensor::Bytes; 2])>,
    lock: Option<Lock>,
}

impl WithStudy for Run<'_> {
    type Output = Outcome;

    fn with<S: Study>(self, study: S) -> Result<Outcome, Error> {
        let Self { request, settings, saved, lock } = self;
        let mut trainer = Trainer::new(study, settings)?;
        // Not before everything else is in order, so that nothing is left of a run that could not begin.
        fs::create_dir_all(&request.out).map_err(|source| Error::Write { path: request.out.clone(), source })?;
        let _lock = if let Some(lock) = lock {
            lock
        } else {
            let lock = Lock::take(&request.out, Purpose::Work)?;
            // One may have come to its end since this one was begun.
            refuse_a_run(&request.out)?;
            lock
        };
        files::sweep_up(&request.out)?;
        let path = request.out.join(LOG);
        let mut progress = Progress { settings: settings.clone(), step: 0, scores: Vec::new(), seconds: 0.0 };
        let log = match saved {
            None => Log::begin(&path)?,
            Some((saved, numbers)) => {
                trainer.resume(saved.step, numbers)?;
                progress = saved;
                Log::resume(&path, progress.step)?
            }
        };
        Files { request, trainer, log, progress, started: Instant::now() }.go()
    }
}

/// A run under way.
struct Files<'a, S: Study> {
    request: &'a Request,
    trainer: Trainer<S>,
    log: Log,
    progress: Progress,
    started: Instant,
}

impl<S: Study> Files<'_, S> {
    fn go(mut self) -> Result<Outcome, Error> {
        let total = self.progress.settings.epochs * self.trainer.batches();
        let bar = bar(total, "updates");
        let (mut saved_at, mut diverged) = (Instant::now(), None);
        while self.trainer.step() < total {
            match self.trainer.advance()? {
                Attempt::Taken(update) => {
                    self.log.write(&update)?;
                    bar.set_message(format!("loss {:.4}, r {:.4}", update.loss, update.report.damping));
                }
                Attempt::Diverged(reason) => {
                    diverged = Some(reason);
                    break;
                }
            }
            if self.trainer.is_at_end_of_epoch() {
                let scores = self.trainer.score()?;
                if bar.is_hidden() {
                    let score = self.progress.settings.task.score();
                    let held = scores.validation.map_or_else(String::new, |held| format!(", held out {held:.5}"));
                    let _ = writeln!(io::stderr(), "epoch {}: test {score} {:.5}{held}", scores.epoch, scores.test);
                }
                self.progress.scores.push(scores);
            }
            bar.set_position(self.trainer.step() as u64);
            let stop = has_stopped();
            if stop || saved_at.elapsed() >= self.request.save_every {
                self.save()?;
                saved_at = Instant::now();
            }
            if stop {
                let folder = self.request.out.clone();
                return Err(Error::Interrupted { updates: self.trainer.step(), folder });
            }
        }
        bar.finish_and_clear();
        self.finish(diverged)
    }

    fn seconds(&self) -> f64 {
        self.progress.seconds + self.started.elapsed().as_secs_f64()
    }

    fn save(&mut self) -> Result<(), Error> {
        self.log.flush()?;
        let progress = Progress { step: self.trainer.step(), seconds: self.seconds(), ..self.progress.clone() };
        files::save(&self.request.out, &progress, self.trainer.save()?)
    }

    /// Writes result and curves.
    fn finish(mut self, diverged: Option<String>) -> Result<Outcome, Error> {
        self.save()?;
        let seconds = self.seconds();
        let Progress { settings, scores, .. } = self.progress;
        let outcome = Outcome { diverged, seconds, ..self.trainer.outcome(settings, scores) };
        let text = serde_json::to_string_pretty(&outcome)
            .map_err(|source| Error::Json { what: "the result".to_owned(), source })?;
        let out = &self.request.out;
        write_whole(&out.join(RESULT), checksum::PAGE.seal(&text).as_bytes())?;
        let lines = log::read(&out.join(LOG))?;
        write_whole(&out.join(curves::FILE), curves::draw(&outcome, &lines, self.trainer.batches())?.as_bytes())?;
        if outcome.diverged.is_none() {
            let _ = writeln!(io::stderr(), "Log, curves and result: {}", out.display());
        }
        Ok(outcome)
    }
}
