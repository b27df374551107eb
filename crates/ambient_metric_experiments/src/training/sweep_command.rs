//! `ambient sweep` and `ambient report`: their command lines.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::command::absolute;
use super::device::Place;
use super::optimisers::Trained;
use super::report;
use super::report_page;
use super::sampler::Search;
use super::sweep::{Request, perform};
use super::task::Task;
use super::trainer::Epoch;
use crate::error::Error;
use crate::numbers::whole;

/// Many runs of every optimiser, each at another point of the ranges that the paper searches.
///
/// Every run that ends is a line of JSON in a file of its task and optimiser, so a sweep that was stopped goes on where it was when the same
/// command is given again. Points depend on the seed and on what earlier runs came to, and not on how many cores there are.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Ranges (those marked log are searched by their logarithms):
  learning_rate (log)  regression, mnist 1e-5..1; cifar10 1e-7..1e-2; shakespeare 1e-6..1
  xi (log)             regression 1e-3..1e-1; mnist 1e-5..1e-2; cifar10 1e-9..1e-5; shakespeare 1e-8..1e-4
  momentum             sgd 0.1..0.99, else 0.8..0.99
  b1, b2               0.8..0.99, 0.9..0.999
  beta, beta_rms       0.6..0.9, 0.9..0.999
  weight_decay (log)   1e-6..1e-2

Examples:
  ambient sweep regression --optimisers adamw,rmsprop --runs 100 --out sweep-out
  ambient sweep mnist --runs 20 --epochs 20 --stop-early --data data --out sweep-out
  ambient report sweep-out")]
pub struct Sweep {
    /// The task.
    #[arg(value_enum)]
    task: Task,
    #[arg(
        long,
        alias = "optimizers",
        value_name = "NAMES",
        value_delimiter = ',',
        help = "Optimisers, separated by commas, as `ambient train --help` lists them [default: those of the paper]"
    )]
    optimisers: Vec<String>,
    /// How many runs of each.
    #[arg(long, value_name = "COUNT", default_value_t = 100, allow_hyphen_values = true, value_parser = whole::<u32>(1..=100_000))]
    runs: u32,
    /// How points are chosen.
    #[arg(long, value_enum, default_value_t = Search::Tpe)]
    search: Search,
    /// The seed of the points, and of the runs.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// How often the training examples are gone through [default: as often as in the paper]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = whole::<u32>(1..=1_000_000))]
    epochs: Option<u32>,
    /// How many examples a mini-batch has [default: as many as in the paper]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = whole::<u32>(1..=1_000_000))]
    batch: Option<u32>,
    /// How many training examples are held out.
    #[arg(long, value_name = "COUNT", default_value_t = 0, allow_hyphen_values = true, value_parser = whole::<u32>(0..=u32::MAX))]
    validation: u32,
    /// Ends a run that is worse than half of those before it were after as many epochs.
    #[arg(long)]
    stop_early: bool,
    /// The folder of the data, or that of the task's own within it.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The folder for the runs; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "sweep-out")]
    out: PathBuf,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t = Place::Flex)]
    device: Place,
    /// How many runs there are at a time, four at most; one of shakespeare [default: as many as there are cores, up to four]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = whole::<u32>(1..=4))]
    threads: Option<u32>,
}

impl Sweep {
    /// Sweeps, and says what the best runs came to.
    ///
    /// # Errors
    ///
    /// As [`perform`].
    pub fn run(self) -> Result<String, Error> {
        let named = |name: &String| name.trim().parse();
        let optimisers: Vec<Trained> = if self.optimisers.is_empty() {
            Trained::STUDIED.to_vec()
        } else {
            self.optimisers.iter().map(named).collect::<Result<_, Error>>()?
        };
        let cores = || std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
        let count = |given: Option<u32>, default: usize| given.map_or(default, |given| given as usize);
        let request = Request {
            task: self.task,
            optimisers,
            runs: self.runs as usize,
            search: self.search,
            seed: self.seed,
            epochs: count(self.epochs, self.task.epochs()),
            batch: count(self.batch, self.task.batch()),
            validation: self.validation as usize,
            stop_early: self.stop_early,
            data: self.data.as_deref().map(absolute).transpose()?,
            out: self.out,
            place: self.device,
            // What a device draws at random is one sequence for all that run on it.
            threads: if self.task == Task::Shakespeare { 1 } else { count(self.threads, cores()) },
        };
        let mut text = String::new();
        for (optimiser, runs) in perform(&request)? {
            let chosen = Epoch::best(request.task, runs.iter().filter_map(|run| run.outcome.chosen()));
            let best = chosen.map_or(f64::NAN, |epoch| epoch.test);
            let _ = writeln!(text, "{optimiser}: {} runs, best test {} {best:.5}", runs.len(), request.task.score());
        }
        Ok(text)
    }
}

/// Tables and pictures of sweeps and of runs repeated over seeds, beside the paper's.
///
/// Reads the sweeps (.jsonl) and results (result.json) in a folder and the folders in it; writes report.md, report.html and pictures.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  ambient report sweep-out
  ambient report train-out --out docs/training")]
pub struct Report {
    /// The folder with the runs.
    folder: PathBuf,
    /// How many of the best runs of a sweep the tables take.
    #[arg(long, value_name = "COUNT", default_value_t = 50, allow_hyphen_values = true, value_parser = whole::<u32>(1..=100_000))]
    best: u32,
    /// The folder for the report [default: the folder with the runs]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Report {
    /// Reports.
    ///
    /// # Errors
    ///
    /// What reading the runs and writing the report find.
    pub fn run(self) -> Result<String, Error> {
        let groups = report::read(&self.folder)?;
        report_page::write(&groups, self.best as usize, &self.out.unwrap_or(self.folder))
    }
}
