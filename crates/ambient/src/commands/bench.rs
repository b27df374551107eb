//! `ambient bench`.

use ambient_studies::bench::step::{Request, measure};
use ambient_studies::bench::table::table;
use ambient_studies::error::Error;
use ambient_studies::machines::choice::{Backend, Choice};
use ambient_studies::machines::machine::{Precision, State};
use ambient_studies::present::print::Format;
use ambient_studies::rules::optimisers::Named;
use clap::{Args, Subcommand};

use super::choices::{BACKENDS, FORMATS, PRECISIONS, choice, names};
use super::numbers::whole;

/// How momentum and moments are stored.
const STATES: [(&str, &str, State); 3] = [
    ("full", "As the parameters are", State::Full),
    ("bf16", "In 16 bits with the range of f32, rounded at random", State::Bf16),
    ("f16", "In half precision, rounded to nearest", State::F16),
];

/// What steps cost, measured on this computer.
#[derive(Args)]
#[command(after_help = "Example: ambient bench step --parameters 1048576 --rules rmsprop,euclidean_log")]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Step(Step),
}

/// One step of every rule, beside a plain pass over memory and a fused AdamW.
///
/// A step is limited by memory, so it is measured against the plainest pass that the backend has: a copy from buffer to
/// buffer on a device, y ← y + ax on the CPU. The contenders take turns, round after round, each repeated until a round
/// takes at least 50 ms and waited for at its end; the medians over the rounds are printed. All step over one space of
/// parameters with one gradient.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  bytes            what a step reads and writes per parameter, from the rule's own trace
  of them measure  what act 1 of it reads
  kernels          how many a step launches (on a device)
  time             of one step
  bandwidth        bytes moved in a second
  of the baseline  that over the bandwidth of the first row, the plain pass
  over adamw       time over that of adamw

product is the sum of the products of two tensors, which reads and writes nothing: act 1
of a rule with a second moment can't be faster, as it reads as much.

adamw is AdamW as it is usually written: act 3 of adam alone, in one pass, with nothing
summed before it, so it neither notices a gradient that is not finite nor skips a step.
It is always measured.

Built with --features compare, the program also measures Burn's Adam and AdamW and
Candle's AdamW, on the CPU and in f32.

Names in JSON: backend, adapter, parameters, threads, precision, state, copy_seconds and
copy_bytes_per_parameter (axpy_seconds and axpy_bytes_per_parameter on the CPU),
product_seconds and product_bytes_per_parameter, for each of rules: name, seconds,
bytes_per_parameter, measure_bytes, advance_bytes, dispatches, bandwidth_ratio,
over_adamw, and for each of beside: name, seconds, over_adamw.

Examples:
  ambient bench step
  ambient bench step --threads 2 --parameters 67108864 --state bf16
  ambient bench step --backend wgpu --rules adam,rmsprop,induced:rmsprop:log:exact
  ambient bench step --backend wgpu --precision f64 --format json | jq '.rules[].over_adamw'")]
struct Step {
    /// What runs the steps.
    #[arg(long, value_parser = choice(&BACKENDS), default_value = "ndarray")]
    backend: Backend,
    #[arg(
        long,
        value_name = "COUNT",
        allow_hyphen_values = true,
        value_parser = whole::<u64>(1..=1 << 40),
        help = "How many parameters [default: 16777216 = 2^24 on the CPU, 67108864 = 2^26 on a device, 1048576 = 2^20 on a device that is software]"
    )]
    parameters: Option<u64>,
    /// The numbers that parameters, gradients and state are stored in.
    #[arg(long, value_parser = choice(&PRECISIONS), default_value = "f32")]
    precision: Precision,
    /// How momentum and moments are stored; on the CPU alone as anything else than the parameters are.
    #[arg(long, value_parser = choice(&STATES), default_value = "full")]
    state: State,
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help = "Rules, separated by commas, as `ambient explain --help` lists them [default: all with a name of their own]"
    )]
    rules: Vec<String>,
    /// How many rounds the medians are taken over.
    #[arg(long, value_name = "COUNT", default_value_t = 11, allow_hyphen_values = true, value_parser = whole::<u32>(1..=10_000))]
    rounds: u32,
    /// The device, by a part of its name [default: that of `WGPU_ADAPTER_NAME`, else the most capable one]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// How many threads of the CPU there are for a step to use [default: 1]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = whole::<u32>(1..=1024))]
    threads: Option<u32>,
    /// How the results are printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Bench {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        match self.what {
            What::Step(step) => step.run(),
        }
    }
}

impl Step {
    fn run(self) -> Result<String, Error> {
        let request = Request {
            parameters: self.parameters.and_then(|count| usize::try_from(count).ok()),
            rules: names(&self.rules, &Named::ALL, str::parse)?,
            state: self.state.storage(),
            rounds: self.rounds as usize,
        };
        let Self { backend, adapter, precision, .. } = self;
        // On the CPU one thread, unless more are asked for.
        let threads = self.threads.map(|threads| threads as usize).or((backend == Backend::Ndarray).then_some(1));
        let choice = Choice { backend, adapter, precision, threads };
        self.format.of(&measure(&choice, &request)?, table)
    }
}
