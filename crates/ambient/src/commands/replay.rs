//! `ambient replay`.

use std::path::PathBuf;

use ambient_replay::{read, replay, table};
use ambient_studies::error::Error;
use ambient_studies::machines::choice::{Backend, Choice};
use ambient_studies::machines::machine::Precision;
use ambient_studies::present::print::Format;
use clap::Args;

use super::choices::{BACKENDS, FORMATS, PRECISIONS, choice};

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

Small numbers are expected: about 1e-15 in f64, and 1e-6 in f32, where an induced rule
with a large gradient may lose a digit more.

Examples:
  ambient replay golden_steps.json --precision f32
  ambient replay golden_steps.json --backend wgpu --precision f32 --adapter llvmpipe")]
pub(super) struct Replay {
    /// The recorded trajectories, as JSON.
    file: PathBuf,
    /// The numbers that parameters, gradients and state are stored in.
    #[arg(long, value_parser = choice(&PRECISIONS), default_value = "f64")]
    precision: Precision,
    /// What runs the steps.
    #[arg(long, value_parser = choice(&BACKENDS), default_value = "ndarray")]
    backend: Backend,
    /// The device, by a part of its name [default: that of `WGPU_ADAPTER_NAME`, else the most capable one]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// How the results are printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Replay {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        let cases = read(&self.file)?;
        let Self { backend, adapter, precision, .. } = self;
        let choice = Choice { backend, adapter, precision, threads: None };
        let replayed = replay(&cases, &self.file.display().to_string(), &choice)?;
        self.format.of(&replayed, table)
    }
}
