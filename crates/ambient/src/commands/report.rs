//! `ambient report`.

use std::path::PathBuf;

use ambient_studies::error::Error;
use ambient_training::report::{groups, page};
use clap::Args;

use super::numbers::whole;

/// Tables and pictures of sweeps and of runs repeated over seeds, beside the paper's.
///
/// Reads the sweeps (.jsonl) and results (result.json) in a folder and the folders in it; writes report.md, report.html and pictures.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  ambient report sweep-out
  ambient report train-out --out docs/training")]
pub(super) struct Report {
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
    pub(super) fn run(self) -> Result<String, Error> {
        let groups = groups::read(&self.folder)?;
        page::write(&groups, self.best as usize, &self.out.unwrap_or(self.folder))
    }
}
