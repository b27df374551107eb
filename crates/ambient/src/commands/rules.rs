//! `ambient rules`.

use ambient_studies::error::Error;
use ambient_studies::present::print::Format;
use ambient_studies::rules::table::{Line, lines, table};
use clap::Args;

use super::choices::{FORMATS, choice};

/// What a rule can be put together from: names, constants with their defaults and ranges, and where each comes from.
///
/// Every command that takes a rule takes any that can be written with these names, such as
/// induced(rmsprop(beta=0.99), log1p, xi=0.1, beta=0.8) + ema(0.9): a rule with its parts in brackets, and the momentum
/// behind a plus. Constants stand with their names, or without in the order of the table; those that are left out have
/// their defaults.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  name       with the parts and options that may stand in the brackets
  constants  each with its default and the range of its values
  summary    what it does
  source     where it comes from

Examples:
  ambient rules
  ambient rules --format json | jq '.[] | select(.kind == \"embedding\") | .name'")]
pub(super) struct Rules {
    /// How the table is printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Rules {
    /// Prints it.
    pub(super) fn run(self) -> Result<String, Error> {
        let lines: Vec<Line> = lines().collect();
        self.format.of(&lines, |lines| table(lines))
    }
}
