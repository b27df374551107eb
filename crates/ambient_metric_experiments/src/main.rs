//! The program `ambient`: its command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use ambient_experiments::error::Error;
use ambient_experiments::functions::Function;
use ambient_experiments::lowdim::{self, PAGE, Request};
use ambient_experiments::optimisers::Named;
use ambient_experiments::reference::Paper;
use ambient_experiments::replay::{self, OnCpu};
use ambient_experiments::study::Selection;
use ambient_experiments::table;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// The studies of arXiv 2509.03594, "The Optimiser Hidden in Plain Sight", run again.
///
/// Results go to stdout, progress and notes to stderr. Wrong input ends with exit code 2 and one line that says what to
/// change.
#[derive(Parser)]
#[command(version, after_help = "Example: ambient lowdim --functions beale,rosenbrock")]
struct Ambient {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Lowdim(Lowdim),
    Replay(Replay),
}

/// Five functions of two variables, six optimisers, the paper's whole grid.
///
/// Makes 12,480 runs of at most 1000 updates, selects the best of every function and optimiser, replays the paper's best,
/// and tries the selected configurations from random starts. Pictures and one page of HTML go to a folder.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  best of the grid  the configuration selected here: convergence first, then the fewest
                    updates, else the lowest value
                    (β = 0, ε = 1e-8 and no weight decay everywhere)
  updates           how many it took; \"not in 1000\": it did not converge
  value             the value after the last update
  paper's best      what the paper reports for the same cell
  replayed          the paper's configuration, run here
  verdict           match: same verdict, same count, same three digits; else differs
                    (sensitive): the count moves when the start moves by 1e-15
                    chaotic: rounding decides the outcome; shown, never compared
  success           the share of random starts that reach the tolerance
  median updates    over the starts that do

Examples:
  ambient lowdim
  ambient lowdim --functions beale,himmelblau --optimisers adam,euclidean_log --starts 1000
  ambient lowdim --format json | jq '.cells[] | select(.matches | not)'")]
struct Lowdim {
    /// Functions, separated by commas [default: all]: beale, rosenbrock, himmelblau, ackley, rastrigin
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    functions: Vec<String>,
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help = "Optimisers, separated by commas [default: all]: sgd, adam, nadam (the paper's MUON), euclidean, euclidean_log, rmsprop"
    )]
    optimisers: Vec<String>,
    /// The folder for pictures and page; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "lowdim-out")]
    out: PathBuf,
    /// How many random starts each function has in the second table; 0 leaves it out, 100,000 is the most.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=100_000))]
    starts: u32,
    /// The seed of the random starts.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How the results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Recorded trajectories, taken again step by step.
///
/// The file holds a list of cases: a rule with its hyperparameters, the losses and gradients given at every step, and the
/// parameters after it. The error of a case is max |θ − ref| / (1 + max |ref|) over steps and parameters.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  rule, metric, embedding  what was recorded
  steps                    how many steps were compared
  largest error            over all steps and parameters

Example:
  ambient replay golden_steps.json --precision f32")]
struct Replay {
    /// The recorded trajectories, as JSON.
    file: PathBuf,
    /// The numbers that parameters, gradients and state are stored in.
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
    /// What runs the steps.
    #[arg(long, value_enum, default_value_t = Backend::Ndarray)]
    backend: Backend,
    /// How the results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For readers.
    Table,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    F32,
    F64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Backend {
    /// The CPU.
    Ndarray,
}

fn main() -> ExitCode {
    let result = match Ambient::try_parse() {
        Ok(ambient) => ambient.command.run(),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A reader that has gone away does not mind.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) => Err(first_paragraph(&error.to_string())),
    };
    match result {
        Ok(text) => print(&text),
        Err(message) => {
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

/// What clap says first, on one line.
fn first_paragraph(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// Writes to stdout; a reader that has gone away is no error.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot write to stdout: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}

impl Command {
    fn run(self) -> Result<String, String> {
        let text = match self {
            Self::Lowdim(lowdim) => lowdim.run(),
            Self::Replay(replay) => replay.run(),
        };
        // Whatever a message holds, it stays on one line.
        text.map_err(|error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl Lowdim {
    fn run(self) -> Result<String, Error> {
        let paper = Paper::compiled_in()?;
        let selection = Selection {
            functions: parse(&self.functions, &Function::ALL)?,
            optimisers: parse(&self.optimisers, &Named::STUDIED)?,
        };
        let request = Request { selection, out: self.out, starts: self.starts as usize, seed: self.seed };
        let study = lowdim::perform(&paper, &request)?;
        let _ = writeln!(io::stderr(), "Pictures and page: {}", request.out.join(PAGE).display());
        match self.format {
            Format::Table => Ok(table::study(&paper, &study, &request.selection.functions)),
            Format::Json => json(&study),
        }
    }
}

impl Replay {
    fn run(self) -> Result<String, Error> {
        let cases = replay::read(&self.file)?;
        let replayed = match (self.backend, self.precision) {
            (Backend::Ndarray, Precision::F64) => replay::replay(&cases, &OnCpu::f64()),
            (Backend::Ndarray, Precision::F32) => replay::replay(&cases, &OnCpu::f32()),
        };
        let replayed = replayed.map_err(|error| Error::at(error, self.file.display().to_string()))?;
        match self.format {
            Format::Table => Ok(table::replay(&replayed)),
            Format::Json => json(&replayed),
        }
    }
}

/// The names given, each once; all where none is given.
fn parse<T: FromStr<Err = Error> + Copy + PartialEq>(names: &[String], all: &[T]) -> Result<Vec<T>, Error> {
    let mut chosen = Vec::new();
    for name in names {
        let parsed = name.trim().parse()?;
        if !chosen.contains(&parsed) {
            chosen.push(parsed);
        }
    }
    Ok(if names.is_empty() { all.to_vec() } else { chosen })
}

fn json(result: &impl Serialize) -> Result<String, Error> {
    let mut text =
        serde_json::to_string_pretty(result).map_err(|source| Error::Json { what: "the result".to_owned(), source })?;
    let _ = writeln!(text);
    Ok(text)
}
