//! The commands: one module each, with its options, its help and what it calls.

mod bench;
mod choices;
mod devices;
mod explain;
mod lowdim;
mod manual;
pub(crate) mod numbers;
mod replay;
#[cfg(feature = "train")]
mod report;
mod rules;
mod surface;
#[cfg(feature = "train")]
mod sweep;
#[cfg(feature = "train")]
mod train;

use ambient_studies::error::Error;
use clap::{CommandFactory as _, Parser, Subcommand};

/// The studies of arXiv 2509.03594, "The Optimiser Hidden in Plain Sight", run again, and its optimisers looked into.
///
/// An optimiser is written once, as a rule in three acts: measure (sums over all gradients), damp (scalar arithmetic) and
/// advance (parameters and state). The CPU runs a rule as it stands; a device runs kernels that are printed from it.
///
/// Results go to stdout, progress and notes to stderr. Wrong input ends with exit code 2 and one line that says what to
/// change; a result that is not good enough is printed, and ends with exit code 1 and one line that says why.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  ambient lowdim --functions beale,rosenbrock
  ambient surface rosenbrock
  ambient replay golden_steps.json
  ambient rules
  ambient explain rmsprop --as latex
  ambient bench step --backend wgpu
  ambient train regression --optimiser rmsprop

Devices (`devices`, and --backend wgpu) and training (`train`, `sweep`, `report`) are there if the program was built with
  cargo build --release -p ambient --features wgpu,train"
)]
pub(crate) struct Ambient {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Lowdim(lowdim::Lowdim),
    Surface(surface::Surface),
    Replay(replay::Replay),
    Explain(explain::Explain),
    Rules(rules::Rules),
    Bench(bench::Bench),
    #[cfg(feature = "train")]
    Train(train::Train),
    #[cfg(feature = "train")]
    Sweep(sweep::Sweep),
    #[cfg(feature = "train")]
    Report(report::Report),
    /// Networks trained by the optimisers; this program was built without it.
    #[cfg(not(feature = "train"))]
    Train(Absent),
    /// Many runs of every optimiser; this program was built without it.
    #[cfg(not(feature = "train"))]
    Sweep(Absent),
    /// Tables and pictures of runs; this program was built without it.
    #[cfg(not(feature = "train"))]
    Report(Absent),
    Devices(devices::Devices),
    Completions(manual::Completions),
    Manual(manual::Manual),
}

/// A command that is not there, whatever its arguments.
#[cfg(not(feature = "train"))]
#[derive(clap::Args)]
struct Absent {
    /// Whatever it is.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

/// What a command has to say.
pub(crate) struct Said {
    /// The result.
    pub(crate) text: String,
    /// What is not good enough about it, on one line.
    pub(crate) complaint: Option<String>,
}

impl Ambient {
    /// Runs the command: what is printed, or why not, on one line.
    pub(crate) fn run(self) -> Result<Said, String> {
        let text = match self.command {
            Command::Lowdim(lowdim) => lowdim.run(),
            Command::Surface(surface) => surface.run(),
            Command::Replay(replay) => replay.run(),
            Command::Explain(explain) => explain.run(),
            Command::Rules(rules) => rules.run(),
            Command::Bench(bench) => return bench.run().map_err(|error| one_line(&error.to_string())),
            #[cfg(feature = "train")]
            Command::Train(train) => train.run(),
            #[cfg(feature = "train")]
            Command::Sweep(sweep) => sweep.run(),
            #[cfg(feature = "train")]
            Command::Report(report) => report.run(),
            #[cfg(not(feature = "train"))]
            Command::Train(_) | Command::Sweep(_) | Command::Report(_) => return Err(absent()),
            Command::Devices(devices) => devices.run(),
            Command::Completions(completions) => Ok(completions.run(Self::command())),
            Command::Manual(manual) => manual.run(Self::command()),
        };
        let said = text.map(|text| Said { text, complaint: None });
        said.map_err(|error: Error| one_line(&error.to_string()))
    }
}

/// How to build in what is not there.
#[cfg(not(feature = "train"))]
fn absent() -> String {
    let build = "cargo build --release -p ambient --features train";
    format!("this program was built without training: build it with `{build}`")
}

/// Whatever a message holds, it stays on one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
