//! `ambient bench`.

use ambient_bench::step::{Request, measure};
use ambient_bench::table::table;
use ambient_studies::error::Error;
use ambient_studies::machines::choice::{Backend, Choice};
use ambient_studies::machines::machine::{Precision, State};
use ambient_studies::present::print::Format;
use clap::{Args, Subcommand};

use super::Said;
use super::choices::{BACKENDS, FORMATS, PRECISIONS, choice, names};
use super::numbers::whole;

/// How momentum and moments are stored.
const STATES: [(&str, &str, State); 3] = [
    ("full", "As the parameters are", State::Full),
    ("bf16", "In 16 bits with the range of f32, rounded at random", State::Bf16),
    ("f16", "In half precision, rounded to nearest", State::F16),
];

/// The rules where none is given.
const RULES: [&str; 7] = ["sgd", "sgd_ema", "adam", "nadam", "euclidean", "euclidean_log", "rmsprop"];

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

/// One step of every rule, beside the limit of memory and a fused AdamW.
///
/// A step is limited by memory, so it is held against what memory can do at best, in bytes that are read and written. On the
/// CPU that is measured: for passes that write the fastest of copy (x ← y), scale (x ← a y), axpy (x ← x + a y) and triad
/// (x ← y + a z), for passes that only read the fastest sum, each in one and in four streams, forwards and backwards, in
/// plain and in huge pages, on all threads of the run. The limit of a step is the time of act 1's bytes in the fastest sum
/// and of act 3's in the fastest loop that writes. On a device the limit is a copy from buffer to buffer.
///
/// The contenders take turns, round after round, each repeated until a round takes at least 50 ms and waited for at its
/// end. The speed of memory changes while they run, so the limit is measured before every round and after the last, and
/// every round is held against the mean of the two around it. The medians over the rounds are printed. All step over one space of parameters with
/// one gradient.
///
/// A rule that takes more than 1.1 of the limit's time is named, and the program ends with exit code 1. This holds on the
/// CPU, and where parameters, gradient and two tensors of state are at least three times as large as the last caches;
/// where they are smaller the program says from how many parameters on.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  bytes            what a step reads and writes per parameter, from the rule's own trace
  of them measure  what act 1 of it reads
  kernels          how many a step launches (on a device)
  time             of one step
  bandwidth        bytes moved in a second
  of the limit     that over the bandwidth of the limit: 1 is the limit, 0.5 takes twice its
                   time, and below 1/1.1 = 0.91 a rule is above the limit
  over adamw       time over that of adamw

A number that is read and written counts twice. What the processor reads of its own accord,
since it is about to be written, is not counted. A rule can be a little better than 1: more
of its bytes are writes (2 of 5 in sgd, 3 of 7 in adamw) than those of axpy (1 of 3), and
writes may cost less.

product is the sum of the products of two tensors, which reads and writes nothing: act 1
of a rule with a second moment can't be faster, as it reads as much.

adamw is AdamW as it is usually written: act 3 of adam alone, in one pass, with nothing
summed before it, so it neither notices a gradient that is not finite nor skips a step.
It is always measured.

Built with --features compare, the program also measures Burn's Adam and AdamW and
Candle's AdamW, on the CPU and in f32.

Names in JSON: backend, adapter, parameters, threads, precision, state,
limit_seconds_per_byte and limit_kind (of passes that write: the time of a byte, and the
loop), read_limit_seconds_per_byte and read_limit_kind (of passes that only read), gate
(within, above, in_caches or on_device), product_seconds, product_bytes_per_parameter and
product_bandwidth_ratio, for each of rules: name, seconds, bytes_per_parameter,
measure_bytes, advance_bytes, dispatches, bandwidth_ratio (the column `of the limit`),
over_adamw, and for each of beside: name, seconds, over_adamw; on a device also
copy_seconds and copy_bytes_per_parameter. Where limit_kind ends with \"without huge ones to
compare\", the system gave no huge pages, or the working set is too small for them.

Examples:
  ambient bench step
  ambient bench step --threads 2 --parameters 67108864 --state bf16
  ambient bench step --backend wgpu --rules 'adam, rmsprop, induced(rmsprop, log, exact) + ema'
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
        value_name = "RULES",
        help = "Rules, separated by commas, as `ambient rules` lists them [default: sgd, sgd_ema, adam, nadam, euclidean, euclidean_log, rmsprop]"
    )]
    rules: Option<String>,
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
    /// Runs it, and says what is printed, and which rules are above the limit.
    pub(super) fn run(self) -> Result<Said, Error> {
        match self.what {
            What::Step(step) => step.run(),
        }
    }
}

impl Step {
    fn run(self) -> Result<Said, Error> {
        let request = Request {
            parameters: self.parameters.and_then(|count| usize::try_from(count).ok()),
            rules: names(self.rules.as_deref(), &RULES, str::parse)?,
            state: self.state.storage(),
            rounds: self.rounds as usize,
        };
        let Self { backend, adapter, precision, .. } = self;
        // On the CPU one thread, unless more are asked for.
        let threads = self.threads.map(|threads| threads as usize).or((backend == Backend::Ndarray).then_some(1));
        let choice = Choice { backend, adapter, precision, threads };
        let measured = measure(&choice, &request)?;
        Ok(Said { text: self.format.of(&measured, table)?, complaint: measured.complaint() })
    }
}
