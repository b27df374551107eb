//! A run with its files: log, checkpoints, curves and result.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ambient_studies::error::Error;
use ambient_studies::files::checksum;
use ambient_studies::files::lock::{Lock, Purpose};
use ambient_studies::present::progress::bar;

use crate::checkpoint::{self, Progress};
use crate::curves;
use crate::device::Place;
use crate::files::write_whole;
use crate::interrupt::{has_stopped, listen};
use crate::log::{self, Log};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::studies::{WithStudy, with_study};
use crate::study::Study;
use crate::task::Task;
use crate::trainer::{Attempt, Trainer};

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
        None if checkpoint::path(&request.out).exists() => Some(Lock::take(&request.out, Purpose::Work)?),
        _ => Lock::take_again(&request.out, Purpose::Work)?,
    };
    let (settings, saved) = match &request.settings {
        None => {
            let saved = checkpoint::load(&request.out)?;
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
    if checkpoint::path(folder).exists() {
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
        checkpoint::sweep_up(&request.out)?;
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
        checkpoint::save(&self.request.out, &progress, self.trainer.save()?)
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
