//! `ambient lowdim`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use ambient_lowdim::extended;
use ambient_lowdim::extended::study::{chosen, lines};
use ambient_lowdim::grid::Selection;
use ambient_lowdim::output::{PAGE, perform};
use ambient_lowdim::reference::Paper;
use ambient_lowdim::study::Request;
use ambient_lowdim::table;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::print::Format;
use ambient_studies::rules::named::Studied;
use clap::Args;

use super::choices::{FORMATS, choice, names};
use super::numbers::whole;

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
  ambient lowdim --extended --starts 200
  ambient lowdim --extended --optimisers 'rmsprop, induced(rmsprop, log1p, warped(0.5)) + nesterov'
  ambient lowdim --format json | jq '.cells[] | select(.paper.reproducibility != \"chaotic\" and (.matches | not))'")]
pub(super) struct Lowdim {
    /// Functions, separated by commas [default: all]: beale, rosenbrock, himmelblau, ackley, rastrigin
    #[arg(long, value_name = "NAMES")]
    functions: Option<String>,
    #[arg(
        long,
        value_name = "NAMES",
        help = "Optimisers, separated by commas [default: all]: sgd, adam, nadam (the paper's MUON), euclidean, euclidean_log, rmsprop; with --extended any rules, as `ambient rules` lists them"
    )]
    optimisers: Option<String>,
    /// The folder for pictures and page; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "lowdim-out")]
    out: PathBuf,
    /// How many random starts each function has in the second table; 0 leaves it out, 100,000 is the most.
    #[arg(long, value_name = "COUNT", default_value_t = 100, allow_hyphen_values = true, value_parser = whole::<u32>(0..=100_000))]
    starts: u32,
    /// The seed of the random starts.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Every variant of the library on a grid of its own in place of the paper's study: embeddings, metrics, couplings, clipping, several losses.
    #[arg(long)]
    extended: bool,
    /// How the results are printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Lowdim {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        let paper = Paper::compiled_in()?;
        let functions: Vec<Function> =
            names(self.functions.as_deref(), &Function::ALL.map(Function::name), str::parse)?;
        if self.extended {
            let variants = match self.optimisers.as_deref() {
                Some(rules) => chosen(&names(Some(rules), &[], str::parse)?),
                None => lines().collect(),
            };
            let (out, starts, seed) = (self.out, self.starts as usize, self.seed);
            let request = extended::study::Request { functions, variants, out, starts, seed };
            let found = extended::output::perform(&paper, &request)?;
            let _ = writeln!(io::stderr(), "Picture and page: {}", request.out.join(extended::output::PAGE).display());
            return self
                .format
                .of(&found, |found| extended::table::table(found, &request.variants, &request.functions));
        }
        let optimisers = names(self.optimisers.as_deref(), &Studied::ALL.map(Studied::name), str::parse)?;
        let selection = Selection { functions, optimisers };
        let request = Request { selection, out: self.out, starts: self.starts as usize, seed: self.seed };
        let study = perform(&paper, &request)?;
        let _ = writeln!(io::stderr(), "Pictures and page: {}", request.out.join(PAGE).display());
        self.format.of(&study, |study| table::table(&paper, study, &request.selection.functions))
    }
}
