//! `ambient explain`.

use ambient_studies::error::Error;
use ambient_studies::explain::{self, Form};
use ambient_studies::machines::machine::Precision;
use ambient_studies::rules::hyperparameters::Constants;
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
pub(super) struct Explain {
    /// The rule: a name, or a composition such as induced:METRIC:EMBEDDING; a longer --help lists them.
    rule: String,
    /// How it is written out.
    #[arg(long = "as", value_parser = choice(&FORMS), value_name = "FORM", default_value = "text")]
    form: Form,
    /// The numbers that bytes are counted in, and that kernels compute with.
    #[arg(long, value_parser = choice(&PRECISIONS), default_value = "f32")]
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

impl Explain {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        let Self { momentum, beta, beta_rms, xi, eps, kappa, .. } = self;
        explain::explain(&explain::Request {
            named: self.rule.parse()?,
            constants: Constants { momentum, beta, beta_rms, xi, eps, kappa },
            form: self.form,
            precision: self.precision,
        })
    }
}
