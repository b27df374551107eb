//! Developer commands: `cargo xtask test`, `lint`, `prove`, `miri`, `math` and `doc`.

mod failure;
mod lint;
mod math;
mod miri;
mod packages;
mod prove;
mod scratch;
mod steps;
mod system_packages;
mod test;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::steps::{FEATURES, Steps};

/// Developer commands of `ambient_metric`.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, then run every test, doctest and example.
    Test,
    /// Check formatting, lints, documentation, packages and dependencies.
    Lint,
    /// Run the property suites on many cases, optimised, and print how near each came to its bound.
    Prove {
        /// Cases of each property.
        #[arg(long, default_value_t = 500, allow_hyphen_values = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        cases: u32,
    },
    /// Run the passes of the CPU backend under Miri (needs `rustup toolchain install nightly --component miri`).
    Miri,
    /// Render the formulas of the documentation from their LaTeX sources.
    Math,
    /// Build the documentation.
    Doc,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nfailed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    let steps = Steps::begin()?;
    match command {
        Command::Test => test::run(&steps)?,
        Command::Lint => lint::run(&steps)?,
        Command::Prove { cases } => prove::run(&steps, *cases)?,
        Command::Miri => miri::run(&steps)?,
        Command::Math => math::render(&steps)?,
        Command::Doc => {
            system_packages::install(&steps)?;
            steps.cargo("documentation", &["doc", "--workspace", "--no-deps", "--features", FEATURES])?;
        }
    }
    steps.finish();
    Ok(())
}
