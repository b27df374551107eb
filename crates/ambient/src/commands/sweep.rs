//! `ambient sweep`.

use std::fmt::Write as _;
use std::path::PathBuf;

use ambient_studies::error::Error;
use ambient_training::device::Place;
use ambient_training::optimisers::Trained;
use ambient_training::outcome::Epoch;
use ambient_training::sampler::Search;
use ambient_training::sweep::{Request, perform};
use ambient_training::task::Task;
use clap::Args;

use super::choices::{choice, names};
use super::numbers::whole;
use super::train::{PLACES, TASKS, absolute};

/// How points are chosen.
const SEARCHES: [(&str, &str, Search); 2] = [
    ("tpe", "Tree-structured Parzen estimators: near points that did well", Search::Tpe),
    ("random", "Anywhere", Search::Random),
];

/// Many runs of every optimiser, each at another point of the ranges that the paper searches.
///
/// Every run that ends is a line of JSON in a file of its task and optimiser, so a sweep that was stopped goes on where it was when the same
/// command is given again. Points depend on the seed and on what earlier runs came to, and not on how many cores there are.
#[derive(Args)]
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
pub(super) struct Sweep {
    /// The task.
    #[arg(value_parser = choice(&TASKS))]
    task: Task,
    #[arg(
        long,
        alias = "optimizers",
        value_name = "RULES",
        help = "Optimisers, separated by commas, as `ambient train --help` lists them [default: those of the paper]"
    )]
    optimisers: Option<String>,
    /// How many runs of each.
    #[arg(long, value_name = "COUNT", default_value_t = 100, allow_hyphen_values = true, value_parser = whole::<u32>(1..=100_000))]
    runs: u32,
    /// How points are chosen.
    #[arg(long, value_parser = choice(&SEARCHES), default_value = "tpe")]
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
    #[arg(long, value_parser = choice(&PLACES), default_value = "flex")]
    device: Place,
    /// How many runs there are at a time, four at most; one of shakespeare [default: as many as there are cores, up to four]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = whole::<u32>(1..=4))]
    threads: Option<u32>,
}

impl Sweep {
    /// Sweeps, and says what the best runs came to.
    pub(super) fn run(self) -> Result<String, Error> {
        let optimisers: Vec<Trained> = names(self.optimisers.as_deref(), &Trained::STUDIED, str::parse)?;
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
