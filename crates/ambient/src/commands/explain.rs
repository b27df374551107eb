//! `ambient explain`.

use ambient_studies::error::Error;
use ambient_studies::explain::{self, Form};
use ambient_studies::machines::machine::Precision;
use clap::Args;

use super::choices::{PRECISIONS, choice};

/// How a rule is written out.
const FORMS: [(&str, &str, Form); 3] = [
    ("text", "Assignments, one a line", Form::Text),
    ("latex", "Formulas in the letters of the paper", Form::Latex),
    ("wgsl", "The kernels that a device runs", Form::Wgsl),
];

/// What a rule reads, writes and computes, from its own trace.
///
/// The rule is run once with numbers that remember what was done to them. What is printed is therefore what runs: first
/// what each of the three acts reads and writes and how many bytes of that there are per parameter, then the acts.
#[derive(Args)]
#[command(after_long_help = "\
Rules:
  `ambient rules` lists them, with their constants and those of their parts:
  adamw, rmsprop(xi=0.1), induced(rmsprop(beta=0.99), log1p, xi=0.1) + ema(0.9), …
  One over whole tensors (shampoo, muon) has no acts, and is the formulas of its parts.

Acts:
  survey         before the others, where a rule must know a length first (clip_norm, mars)
  measure        reads every parameter once and writes nothing; what it adds up goes to damp
  damp           scalars alone, once a step, however many parameters there are
  advance        reads every parameter once more and stores parameter and state
  reads once     numbers that are the same for every parameter: nothing per parameter

On a device a fourth kernel, sum, adds the partial sums of measure in a fixed order.

Examples:
  ambient explain adam
  ambient explain 'rmsprop(beta_rms=0.99)' --as latex
  ambient explain 'induced(euclidean, log, along_momentum(-0.2)) + ema'
  ambient explain 'induced(rmsprop, sqrt, exact) + ema' --as wgsl --precision f64 > kernels.wgsl")]
pub(super) struct Explain {
    /// The rule, as `ambient rules` lists them.
    rule: String,
    /// How it is written out.
    #[arg(long = "as", value_parser = choice(&FORMS), value_name = "FORM", default_value = "text")]
    form: Form,
    /// The numbers that bytes are counted in, and that kernels compute with.
    #[arg(long, value_parser = choice(&PRECISIONS), default_value = "f32")]
    precision: Precision,
}

impl Explain {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        explain::explain(&explain::Request { named: self.rule.parse()?, form: self.form, precision: self.precision })
    }
}
