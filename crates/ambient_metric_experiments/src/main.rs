//! The program `ambient`: its command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use ambient_experiments::error::Error;
use ambient_experiments::explain::{self, Form};
use ambient_experiments::functions::Function;
use ambient_experiments::landscape::{self, Shown};
use ambient_experiments::lowdim::{self, PAGE, Request};
use ambient_experiments::machine::{Backend, Choice, Precision, State};
use ambient_experiments::numbers::whole;
use ambient_experiments::optimisers::{Constants, Named};
use ambient_experiments::reference::Paper;
use ambient_experiments::replay;
use ambient_experiments::study::Selection;
use ambient_experiments::training::command::Train;
use ambient_experiments::training::sweep_command::{Report, Sweep};
use ambient_experiments::{bench, device, extended, table};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// The studies of arXiv 2509.03594, "The Optimiser Hidden in Plain Sight", run again, and its optimisers looked into.
///
/// An optimiser is written once, as a rule in three acts: measure (sums over all gradients), damp (scalar arithmetic) and
/// advance (parameters and state). The CPU runs a rule as it stands; a device runs kernels that are printed from it.
///
/// Results go to stdout, progress and notes to stderr. Wrong input ends with exit code 2 and one line that says what to
/// change.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  ambient lowdim --functions beale,rosenbrock
  ambient surface rosenbrock
  ambient replay golden_steps.json
  ambient explain rmsprop --as latex
  ambient bench step --backend wgpu
  ambient train regression --optimiser rmsprop

Devices (`devices`, and --backend wgpu) and training (`train`, `sweep`, `report`) are there if the program was built with
  cargo build --release -p ambient_metric_experiments --features wgpu,train"
)]
pub(crate) struct Ambient {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Lowdim(Lowdim),
    Surface(Surface),
    Replay(Replay),
    Explain(Explain),
    Bench(Bench),
    Train(Train),
    Sweep(Sweep),
    Report(Report),
    Devices(Devices),
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
  ambient lowdim --extended --starts 200
  ambient lowdim --format json | jq '.cells[] | select(.paper.reproducibility != \"chaotic\" and (.matches | not))'")]
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
    #[arg(long, value_name = "COUNT", default_value_t = 100, allow_hyphen_values = true, value_parser = whole::<u32>(0..=100_000))]
    starts: u32,
    /// The seed of the random starts.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Every variant of the library on a grid of its own in place of the paper's study: embeddings, metrics, couplings, clipping, several losses.
    #[arg(long, conflicts_with = "optimisers")]
    extended: bool,
    /// How the results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// A loss surface in three dimensions, with its geometry as colour and runs of optimisers on it.
///
/// Draws h = √ξ f(L) over the two parameters of a test function, coloured by the volume √det g, the damping r, the loss or the
/// Gaussian curvature, and beside it the size of an update against the size of the gradient, the effective learning rate along the
/// runs, and the loss. Pictures (SVG) and one page of HTML go to a folder.
#[derive(Args)]
#[command(after_long_help = "\
Functions:
  beale, rosenbrock, himmelblau, ackley, rastrigin

Columns:
  configuration            of 19 learning rates, three momenta (0, 0.5, 0.9) and, unless --xi is
                           given, four ξ (0.01 to 10), what stays in the frame without wandering
                           and converges from this start with the least updates × way
  updates, loss, end       how the run went
  effective learning rate  η r, from the least to the greatest
  way on the surface       its length in the space that the surface stands in

Examples:
  ambient surface rosenbrock
  ambient surface ackley --colour damping --xi 1
  ambient surface himmelblau --colour curvature --optimisers sgd,induced:rmsprop:log
  ambient surface rosenbrock --optimisers euclidean,coupled:euclidean:identity:gradient,joint:euclidean:log:2,whole:muon:identity
  ambient surface beale --start 1,1 --frame=-2,4,-2,2 --learning-rate 0.01 --view 140,50")]
struct Surface {
    /// The function; a longer --help lists them.
    function: String,
    /// What the colour tells.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Shown::Volume)]
    colour: Shown,
    /// f of the surface: identity, log, sqrt or log1p. Optimisers have their own.
    #[arg(long, value_name = "NAME", default_value = "identity")]
    embedding: String,
    /// ξ of the surface and of every optimiser that has one [default: 0.1 for the surface, for each optimiser what does best]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    xi: Option<f64>,
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help = "Optimisers, separated by commas, as `ambient explain --help` lists them; eight at most [default: sgd, adam, euclidean, euclidean_log]"
    )]
    optimisers: Vec<String>,
    /// η of every optimiser [default: for each what does best]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    learning_rate: Option<f64>,
    /// After how many updates a run ends.
    #[arg(long, value_name = "COUNT", default_value_t = 1000, allow_hyphen_values = true, value_parser = whole::<u32>(1..=20_000))]
    steps: u32,
    /// Where the runs start [default: a place that shows the function]
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true)]
    start: Option<String>,
    /// The lowest and highest x and the lowest and highest y of the picture [default: a part that shows the function]
    #[arg(long, value_name = "X0,X1,Y0,Y1", allow_hyphen_values = true)]
    frame: Option<String>,
    /// From where the surface is seen, in degrees: turned about the vertical, and tilted towards the eye [default: that of the function]
    #[arg(long, value_name = "TURN,TILT", allow_hyphen_values = true)]
    view: Option<String>,
    /// The folder for pictures and page; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "surface-out")]
    out: PathBuf,
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

Small numbers are expected: about 1e-15 in f64, and 1e-6 in f32, where an induced rule
with a large gradient may lose a digit more.

Examples:
  ambient replay golden_steps.json --precision f32
  ambient replay golden_steps.json --backend wgpu --precision f32 --adapter llvmpipe")]
struct Replay {
    /// The recorded trajectories, as JSON.
    file: PathBuf,
    /// The numbers that parameters, gradients and state are stored in.
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
    /// What runs the steps.
    #[arg(long, value_enum, default_value_t = Backend::Ndarray)]
    backend: Backend,
    /// The device, by a part of its name [default: that of `WGPU_ADAPTER_NAME`, else the most capable one]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// How the results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What a rule reads, writes and computes, from its own trace.
///
/// The rule is run once with numbers that remember what was done to them. What is printed is therefore what runs: first
/// what each of the three acts reads and writes and how many bytes of that there are per parameter, then the acts.
#[derive(Args)]
#[command(after_long_help = "\
Rules:
  sgd            the heavy ball: m ← l + μm
  sgd_ema        SGD with a bias-corrected moving average
  adam           Adam with decoupled weight decay; without decay it is Adam
  nadam          Adam with Nesterov's look-ahead (the paper's MUON)
  euclidean      the paper's SGD_METRIC: γ = 1, f = identity
  euclidean_log  the paper's SGD_LOG_METRIC: γ = 1, f = ln
  rmsprop        the paper's SGD_RMS: γ = RMSprop, f = identity
  induced:METRIC:EMBEDDING[:exact]
                 any other surface: METRIC euclidean, rmsprop, adagrad, learned_scalar or
                 learned_diagonal; EMBEDDING identity, log, sqrt or log1p; :exact applies
                 the full inverse of the metric to the momentum, where the paper damps
                 the step as a whole
  coupled:METRIC:EMBEDDING:COUPLING
                 a height that is not orthogonal to the parameters; here and below METRIC
                 is euclidean or rmsprop. COUPLING is gradient (c = κ l), momentum (κ m̂),
                 parameters (κ θ), given (the user's), or bilinear (a = κ l, b = κ m̂)
  clipped:METRIC:CLIP
                 CLIP hard, soft, root or induction, setting in where ξ⟨l, l⟩ is about one
  joint:METRIC:EMBEDDING:LOSSES
                 one surface over 2, 3 or 4 losses
  whole:METRIC:EMBEDDING
                 METRIC kronecker (Shampoo), muon, or hessian (|H| + 1 at the start): made
                 of whole tensors, so `surface` and `lowdim --extended` alone run it

Acts:
  measure        reads every parameter once and writes nothing; what it adds up goes to damp
  damp           scalars alone, once a step, however many parameters there are
  advance        reads every parameter once more and stores parameter and state
  reads once     numbers that are the same for every parameter: nothing per parameter

On a device a fourth kernel, sum, adds the partial sums of measure in a fixed order.
A constant that the rule does not have is refused.

Examples:
  ambient explain adam
  ambient explain rmsprop --as latex --beta-rms 0.99
  ambient explain coupled:euclidean:log:momentum --kappa=-0.2
  ambient explain induced:rmsprop:sqrt:exact --as wgsl --precision f64 > kernels.wgsl")]
struct Explain {
    /// The rule: a name, or a composition such as induced:METRIC:EMBEDDING; a longer --help lists them.
    rule: String,
    /// How it is written out.
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Form::Text)]
    form: Form,
    /// The numbers that bytes are counted in, and that kernels compute with.
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// μ, the decay of the momentum; β₁ of adam and nadam [default: 0.9]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    momentum: Option<f64>,
    /// β, the decay of the average of the squared length [default: 0.8]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    beta: Option<f64>,
    /// The decay of the average of squares in the RMSprop metric; β₂ of adam and nadam [default: 0.999]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    beta_rms: Option<f64>,
    /// ξ, the metric coefficient; in a trace it is an input, so no listing shows it [default: 0.1]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    xi: Option<f64>,
    /// ε, added to the root in RMSprop and Adagrad [default: 1e-8]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    eps: Option<f64>,
    /// κ, of a coupling or of what a metric learns [default: 0.1]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    kappa: Option<f64>,
}

/// What steps cost, measured on this computer.
#[derive(Args)]
#[command(after_help = "Example: ambient bench step --parameters 1048576 --rules rmsprop,euclidean_log")]
struct Bench {
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
    #[arg(long, value_enum, default_value_t = Backend::Ndarray)]
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
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// How momentum and moments are stored; on the CPU alone as anything else than the parameters are.
    #[arg(long, value_enum, default_value_t = State::Full)]
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
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The devices that --backend wgpu can run on.
///
/// Without --adapter the one is taken whose name contains `WGPU_ADAPTER_NAME`, and where that is not set the most capable:
/// a discrete GPU before an integrated one, and both before software.
#[derive(Args)]
#[command(after_long_help = "\
Columns:
  name              what --adapter asks for; a part of it is enough, in any case
  backend           the interface: Vulkan, Metal or DirectX 12
  kind              DiscreteGpu, IntegratedGpu, VirtualGpu, or Cpu for software
  driver            the driver and its version
  double precision  whether --precision f64 runs on it

Example:
  ambient devices --format json | jq -r '.[].name'")]
struct Devices {
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
            Self::Surface(surface) => surface.run(),
            Self::Replay(replay) => replay.run(),
            Self::Explain(explain) => explain.run(),
            Self::Bench(Bench { what: What::Step(step) }) => step.run(),
            Self::Train(train) => train.run(),
            Self::Sweep(sweep) => sweep.run(),
            Self::Report(report) => report.run(),
            Self::Devices(devices) => devices.run(),
        };
        // Whatever a message holds, it stays on one line.
        text.map_err(|error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl Lowdim {
    fn run(self) -> Result<String, Error> {
        let paper = Paper::compiled_in()?;
        let functions = parse(&self.functions, &Function::ALL, str::parse)?;
        if self.extended {
            let request = extended::Request { functions, out: self.out, starts: self.starts as usize, seed: self.seed };
            let found = extended::perform(&paper, &request)?;
            let _ = writeln!(io::stderr(), "Picture and page: {}", request.out.join(extended::PAGE).display());
            return self.format.of(&found, |found| table::extended(found, &request.functions));
        }
        let selection = Selection { functions, optimisers: parse(&self.optimisers, &Named::STUDIED, Named::studied)? };
        let request = Request { selection, out: self.out, starts: self.starts as usize, seed: self.seed };
        let study = lowdim::perform(&paper, &request)?;
        let _ = writeln!(io::stderr(), "Pictures and page: {}", request.out.join(PAGE).display());
        self.format.of(&study, |study| table::study(&paper, study, &request.selection.functions))
    }
}

impl Surface {
    fn run(self) -> Result<String, Error> {
        let request = landscape::Request {
            function: self.function.parse()?,
            shown: self.colour,
            embedding: self.embedding.parse()?,
            xi: self.xi,
            optimisers: parse(&self.optimisers, &landscape::OPTIMISERS, str::parse)?,
            learning_rate: self.learning_rate,
            steps: self.steps,
            start: self.start.as_deref().map(|text| numbers("--start", text)).transpose()?,
            frame: self
                .frame
                .as_deref()
                .map(|text| numbers("--frame", text))
                .transpose()?
                .map(|[a, b, c, d]| [[a, b], [c, d]]),
            view: self.view.as_deref().map(|text| numbers("--view", text)).transpose()?,
            out: self.out,
        };
        let landscape = landscape::perform(&Paper::compiled_in()?, &request)?;
        let _ = writeln!(io::stderr(), "Pictures and page: {}", request.out.join(landscape::PAGE).display());
        self.format.of(&landscape, table::landscape)
    }
}

/// So many numbers with commas between them.
fn numbers<const N: usize>(option: &'static str, text: &str) -> Result<[f64; N], Error> {
    let read: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = read.and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
    let problem = || format!("is `{text}`: give {N} numbers with commas between them, without spaces");
    numbers.ok_or_else(|| Error::Option { option, problem: problem() })
}

impl Replay {
    fn run(self) -> Result<String, Error> {
        let cases = replay::read(&self.file)?;
        let Self { backend, adapter, precision, .. } = self;
        let choice = Choice { backend, adapter, precision, threads: None };
        let replayed = replay::replay(&cases, &self.file.display().to_string(), &choice)?;
        self.format.of(&replayed, table::replay)
    }
}

impl Explain {
    fn run(self) -> Result<String, Error> {
        let Self { momentum, beta, beta_rms, xi, eps, kappa, .. } = self;
        explain::explain(&explain::Request {
            named: self.rule.parse()?,
            constants: Constants { momentum, beta, beta_rms, xi, eps, kappa },
            form: self.form,
            precision: self.precision,
        })
    }
}

impl Step {
    fn run(self) -> Result<String, Error> {
        let request = bench::Request {
            parameters: self.parameters.and_then(|count| usize::try_from(count).ok()),
            rules: parse(&self.rules, &Named::ALL, str::parse)?,
            state: self.state.storage(),
            rounds: self.rounds as usize,
        };
        let Self { backend, adapter, precision, .. } = self;
        // On the CPU one thread, unless more are asked for.
        let threads = self.threads.map(|threads| threads as usize).or((backend == Backend::Ndarray).then_some(1));
        let choice = Choice { backend, adapter, precision, threads };
        self.format.of(&bench::measure(&choice, &request)?, table::measured)
    }
}

impl Devices {
    fn run(self) -> Result<String, Error> {
        self.format.of(&device::adapters()?, |adapters| table::adapters(adapters))
    }
}

impl Format {
    /// A result in this form, with what makes a table of it.
    fn of<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) -> Result<String, Error> {
        match self {
            Self::Table => Ok(table(result)),
            Self::Json => json(result),
        }
    }
}

/// The names given, each once; all where none is given.
fn parse<T: Copy + PartialEq>(
    names: &[String],
    all: &[T],
    read: impl Fn(&str) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut chosen = Vec::new();
    for name in names {
        let parsed = read(name.trim())?;
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
