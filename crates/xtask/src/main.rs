//! Developer commands: `cargo xtask test`, `lint`, `math` and `doc`.

mod failure;
mod lint;
mod math;
mod scratch;
mod steps;
mod system_packages;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::steps::Steps;

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
        Command::Math => math::render(&steps)?,
        Command::Doc => steps.cargo("documentation", &["doc", "--workspace", "--no-deps", "--all-features"])?,
    }
    steps.finish();
    Ok(())
}
