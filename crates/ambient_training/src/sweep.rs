//! Sweeps: many short runs of an optimiser, each at another point of its ranges.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ambient_studies::error::Error;
use ambient_studies::files::checksum;
use ambient_studies::files::lock::{Lock, Purpose};
use ambient_studies::present::progress::bar;
use burn::tensor::Device;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::device::Place;
use crate::files::{parse, unsound, write_whole};
use crate::interrupt::{has_stopped, listen};
use crate::optimisers::Trained;
use crate::outcome::{Epoch, Outcome};
use crate::sampler::{Point, Sampler, Search};
use crate::settings::Settings;
use crate::studies::{WithStudy, with_study};
use crate::study::Study;
use crate::task::Task;
use crate::trainer::{Attempt, Trainer};

/// So many points are asked for at once, whatever the number of cores, so that a sweep comes out the same on any machine.
const ROUND: usize = 4;
/// A run may be ended early after this share of its epochs, and after so many runs.
const GRACE: f64 = 0.15;
const EXPERIENCE: usize = 12;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub task: Task,
    /// The optimisers.
    pub optimisers: Vec<Trained>,
    /// How many runs of each.
    pub runs: usize,
    /// How points are chosen.
    pub search: Search,
    /// The seed of the points.
    pub seed: u64,
    /// How often the training examples are gone through.
    pub epochs: usize,
    /// How many examples a mini-batch has.
    pub batch: usize,
    /// How many training examples are held out.
    pub validation: usize,
    /// Whether runs that are worse than half of those before are ended early.
    pub stop_early: bool,
    /// The folder of the data.
    pub data: Option<PathBuf>,
    /// The folder for the results.
    pub out: PathBuf,
    /// Where it runs.
    pub place: Place,
    /// How many runs there are at a time.
    pub threads: usize,
}

/// A run of a sweep: a line of its file. Its outcome refuses keys that neither knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweptRun {
    /// Which one.
    pub run: usize,
    /// Whether it was ended early because it was worse than half of those before.
    pub stopped_early: bool,
    /// What it came to.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl SweptRun {
    /// What the sampler is told: less is better, and a run without a score is worst.
    fn loss(&self) -> f64 {
        match self.outcome.chosen() {
            None => 1e30,
            Some(epoch) if self.outcome.settings.task.is_better(1.0, 0.0) => -epoch.deciding(),
            Some(epoch) => epoch.deciding(),
        }
    }
}

/// The file of an optimiser's runs.
#[must_use]
pub fn file(folder: &Path, task: Task, optimiser: &Trained) -> PathBuf {
    folder.join(format!("{task}-{}.jsonl", optimiser.file_name()))
}

/// The runs in a file, in their order; a line that was cut off is dropped.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Record`] for a line that is damaged, and [`Error::Json`] for one that is not a run.
pub fn read(path: &Path) -> Result<Vec<SweptRun>, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let (whole, rest) = bytes.split_at(end);
    if !is_cut_off(rest) {
        let problem =
            "is damaged: the end of its last line is missing; take an older copy, or sweep again in another folder";
        return Err(unsound(path, problem));
    }
    let whole = str::from_utf8(whole).map_err(|error| unsound(path, format!("is damaged: {error}")))?;
    let lines = whole.split_terminator('\n');
    let mut runs = lines.map(|line| parse(path, checksum::LINE, line)).collect::<Result<Vec<SweptRun>, Error>>()?;
    runs.sort_by_key(|run| run.run);
    Ok(runs)
}

/// Whether what follows the last whole line is the beginning of a line, or nothing. What goes on behind the end of its object is a line whose end was damaged.
fn is_cut_off(rest: &[u8]) -> bool {
    // A number may have been cut off where what there is of it is none.
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let kept = rest.iter().rposition(|byte| !is_of_number(byte)).map_or(0, |last| last + 1);
    rest.is_empty()
        || rest
            .get(..kept)
            .is_some_and(|rest| serde_json::from_slice::<IgnoredAny>(rest).is_err_and(|error| error.is_eof()))
}

/// Runs it, and returns all runs of every optimiser.
///
/// # Errors
///
/// Data, ranges or folder that do not fit, [`Error::Busy`] where another process writes into the folder, and [`Error::SweepInterrupted`] after Ctrl-C; the runs that had ended are then kept.
pub fn perform(request: &Request) -> Result<Vec<(Trained, Vec<SweptRun>)>, Error> {
    fs::create_dir_all(&request.out).map_err(|source| Error::Write { path: request.out.clone(), source })?;
    let _lock = Lock::take(&request.out, Purpose::Work)?;
    listen()?;
    let device = request.place.open()?.autodiff();
    let mut all = Vec::new();
    for optimiser in &request.optimisers {
        all.push((optimiser.clone(), Sweep { request, optimiser, device: &device }.perform()?));
    }
    Ok(all)
}

/// A sweep of one optimiser.
struct Sweep<'a> {
    request: &'a Request,
    optimiser: &'a Trained,
    device: &'a Device,
}

impl Sweep<'_> {
    fn perform(&self) -> Result<Vec<SweptRun>, Error> {
        let request = self.request;
        let path = file(&request.out, request.task, self.optimiser);
        let mut finished = if path.exists() { read(&path)? } else { Vec::new() };
        // Without a line that was cut off.
        let lines = finished.iter().map(line).collect::<Result<Vec<_>, Error>>()?;
        write_whole(&path, lines.concat().as_bytes())?;
        finished.retain(|run| run.run < request.runs);

        let bar = bar(request.runs, &format!("runs of {}", self.optimiser));
        let mut sampler = Sampler::new(request.task, self.optimiser, request.search, request.seed)?;
        let mut known: Vec<SweptRun> = Vec::new();
        while known.len() < request.runs {
            let count = ROUND.min(request.runs - known.len());
            let mut points = Vec::new();
            for _ in 0..count {
                points.push(sampler.ask()?);
            }
            let round = self.round(&sampler, &known, &points, &finished, &path)?;
            for (point, run) in points.iter().zip(&round) {
                sampler.tell(point, run.loss())?;
            }
            known.extend(round);
            bar.set_position(known.len() as u64);
        }
        bar.finish_and_clear();
        Ok(known)
    }

    /// The runs of a round, those that had ended before and those that are made now.
    fn round(
        &self,
        sampler: &Sampler,
        known: &[SweptRun],
        points: &[Point],
        finished: &[SweptRun],
        path: &Path,
    ) -> Result<Vec<SweptRun>, Error> {
        let first = known.len();
        let bound = Bound::new(self.request, known);
        let results: Vec<Mutex<Option<Result<SweptRun, Error>>>> = points.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.request.threads.clamp(1, points.len()) {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::SeqCst);
                        let (Some(point), Some(result)) = (points.get(place), results.get(place)) else { return };
                        let made =
                            self.settings(&sampler.settings(point), first + place).and_then(|settings| match finished
                                .iter()
                                .find(|run| run.run == first + place)
                            {
                                Some(run) if run.outcome.settings == settings => Ok(run.clone()),
                                Some(_) => Err(Error::Record {
                                    place: path.display().to_string(),
                                    problem: format!("run {} had other settings: give another --out", first + place),
                                }),
                                None => self.make(&settings, first + place, &bound, path),
                            });
                        if let Ok(mut slot) = result.lock() {
                            *slot = Some(made);
                        }
                    }
                });
            }
        });
        let interrupted = || Err(Error::SweepInterrupted { folder: self.request.out.clone() });
        results.into_iter().map(|result| result.into_inner().ok().flatten().unwrap_or_else(interrupted)).collect()
    }

    fn settings(&self, settings: &[(String, f64)], run: usize) -> Result<Settings, Error> {
        let Request { task, epochs, batch, validation, seed, .. } = *self.request;
        Ok(Settings {
            task,
            optimiser: self.optimiser.clone(),
            hyperparameters: self.optimiser.configure(task, settings)?,
            epochs,
            // Every run has initial values and an order of its own, the same for every optimiser.
            seed: seed.wrapping_mul(1_000_003).wrapping_add(run as u64),
            batch,
            validation,
            data: self.request.data.clone(),
        })
    }

    /// Makes a run and writes its line.
    fn make(&self, settings: &Settings, run: usize, bound: &Bound, path: &Path) -> Result<SweptRun, Error> {
        let one = OneRun { settings, bound, out: &self.request.out };
        let (outcome, stopped_early) =
            with_study(settings.task, self.request.data.as_deref(), settings, self.device, one)?;
        let run = SweptRun { run, stopped_early, outcome };
        let text = line(&run)?;
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let mut file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        // One write, so that lines of runs that end together do not mix.
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        Ok(run)
    }
}

fn line(run: &SweptRun) -> Result<String, Error> {
    let text = serde_json::to_string(run).map_err(|source| Error::Json { what: "a run".to_owned(), source })?;
    Ok(checksum::LINE.seal(&text) + "\n")
}

/// What a run has to have reached after every epoch in order to go on: the median of what earlier ones had.
struct Bound {
    task: Task,
    medians: Vec<Option<f64>>,
}

impl Bound {
    fn new(request: &Request, known: &[SweptRun]) -> Self {
        let median = |epoch: usize| {
            if !request.stop_early || (epoch as f64) < GRACE * request.epochs as f64 {
                return None;
            }
            let best = |run: &SweptRun| {
                let scores = &run.outcome.scores;
                let reached = scores.last().is_some_and(|last| last.epoch >= epoch);
                let until = scores.iter().copied().take_while(|found| found.epoch <= epoch);
                Epoch::best(request.task, until).filter(|_| reached)
            };
            let mut bests: Vec<f64> = known.iter().filter_map(best).map(|best| best.deciding()).collect();
            bests.sort_by(f64::total_cmp);
            (bests.len() >= EXPERIENCE).then(|| bests[bests.len() / 2])
        };
        Self { task: request.task, medians: (0..=request.epochs).map(median).collect() }
    }

    fn is_met(&self, epoch: usize, best: f64) -> bool {
        match self.medians.get(epoch) {
            Some(Some(median)) => !self.task.is_better(*median, best),
            _ => true,
        }
    }
}

struct OneRun<'a> {
    settings: &'a Settings,
    bound: &'a Bound,
    out: &'a Path,
}

impl WithStudy for OneRun<'_> {
    type Output = (Outcome, bool);

    fn with<S: Study>(self, study: S) -> Result<(Outcome, bool), Error> {
        let Self { settings, bound, out } = self;
        let started = Instant::now();
        let mut trainer = Trainer::new(study, settings)?;
        let (mut epochs, mut diverged, mut stopped_early) = (Vec::new(), None, false);
        while trainer.step() < settings.epochs * trainer.batches() {
            if has_stopped() {
                return Err(Error::SweepInterrupted { folder: out.to_owned() });
            }
            if let Attempt::Diverged(reason) = trainer.advance()? {
                diverged = Some(reason);
                break;
            }
            if trainer.is_at_end_of_epoch() {
                let scores = trainer.score()?;
                epochs.push(scores);
                let best = Epoch::best(settings.task, epochs.iter().copied());
                if !bound.is_met(scores.epoch, best.map_or(f64::NAN, |best| best.deciding())) {
                    stopped_early = true;
                    break;
                }
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok((Outcome { diverged, seconds, ..trainer.outcome(settings.clone(), epochs) }, stopped_early))
    }
}
