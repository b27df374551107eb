//! The table of everything that has a name: what a config file, a command line, a page or another language can choose.

use core::fmt;

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// f: how the height depends on the loss.
    Embedding,
    /// γ.
    BaseMetric,
    /// The space in which the surface stands.
    AmbientMetric,
    /// How past gradients enter.
    Momentum,
    /// What shortens steps.
    Clip,
    /// What is done to gradients.
    Gradient,
    /// What changes the step of a rule.
    Wrapper,
    /// Where the loss is evaluated.
    EvaluationPoint,
    /// A whole rule, or the form of one.
    Rule,
}

impl Kind {
    /// The kinds, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Embedding,
        Self::BaseMetric,
        Self::AmbientMetric,
        Self::Momentum,
        Self::Clip,
        Self::Gradient,
        Self::Wrapper,
        Self::EvaluationPoint,
        Self::Rule,
    ];

    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::BaseMetric => "base metric",
            Self::AmbientMetric => "ambient metric",
            Self::Momentum => "momentum",
            Self::Clip => "clip",
            Self::Gradient => "wrapper of the gradient",
            Self::Wrapper => "wrapper of the step",
            Self::EvaluationPoint => "evaluation point",
            Self::Rule => "rule",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The numbers that a constant may be.
///
/// ```
/// use ambient_metric::any::Range;
/// assert!(Range::DECAY.contains(0.0) && !Range::DECAY.contains(1.0));
/// assert_eq!(Range::DECAY.to_string(), "[0, 1)");
/// assert_eq!(Range::POSITIVE.to_string(), "(0, ∞)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Whether the lower end is one of them.
    pub has_low: bool,
    /// Whether the upper end is one of them.
    pub has_high: bool,
}

impl Range {
    /// Decays of moving averages, [0, 1).
    pub const DECAY: Self = Self { low: 0.0, high: 1.0, has_low: true, has_high: false };
    /// Above zero.
    pub const POSITIVE: Self = Self { low: 0.0, high: f64::INFINITY, has_low: false, has_high: false };
    /// Not below zero.
    pub const NON_NEGATIVE: Self = Self { low: 0.0, high: f64::INFINITY, has_low: true, has_high: false };
    /// Every finite number.
    pub const FINITE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, has_low: false, has_high: false };
    /// From 0 to 1, with both.
    pub const SHARE: Self = Self { low: 0.0, high: 1.0, has_low: true, has_high: true };

    /// From `low`, exclusively, to `high`, inclusively.
    const fn up_to(low: f64, high: f64) -> Self {
        Self { low, high, has_low: false, has_high: true }
    }

    /// Whether it has this number.
    #[must_use]
    pub fn contains(&self, number: f64) -> bool {
        let above = if self.has_low { number >= self.low } else { number > self.low };
        let below = if self.has_high { number <= self.high } else { number < self.high };
        above && below
    }
}

impl fmt::Display for Range {
    /// As an interval: `[0, 1)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |number: f64| match number {
            f64::INFINITY => "∞".to_owned(),
            f64::NEG_INFINITY => "-∞".to_owned(),
            number => format!("{number}"),
        };
        let (open, close) = (if self.has_low { '[' } else { '(' }, if self.has_high { ']' } else { ')' });
        write!(formatter, "{open}{}, {}{close}", end(self.low), end(self.high))
    }
}

/// A number of a named thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant {
    /// Its name in the text.
    pub name: &'static str,
    /// What it is where nothing is written.
    pub default: f64,
    /// What it may be.
    pub range: Range,
}

const fn constant(name: &'static str, default: f64, range: Range) -> Constant {
    Constant { name, default, range }
}

/// A line of the table: something that has a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct About {
    /// The name in the text.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Its numbers, in the order in which they may be written without their names.
    pub constants: &'static [Constant],
    /// Words that may stand among them.
    pub options: &'static [&'static str],
    /// What parts it is put together from, in the grammar's words; empty where it has none.
    pub parts: &'static str,
}

/// After how many gradients something is taken again.
const fn every(default: f64) -> Constant {
    constant("every", default, Range { low: 1.0, high: 9e15, has_low: true, has_high: true })
}

const PAPER: &str = "arXiv 2509.03594";
const CODE: &str = "the public repository Noah-Everett/Induced-Metric-Optimiser";
const OURS: &str = "this library";

const OPEN: Range = Range { low: 0.0, high: 1.0, has_low: false, has_high: false };
const LENGTH: &[Constant] = &[constant("length", 1.0, Range::POSITIVE)];
const XI: Constant = constant("xi", 0.1, Range::NON_NEGATIVE);
const KAPPA: &[Constant] = &[constant("kappa", 1.0, Range::FINITE)];
const DECAY: &[Constant] = &[constant("decay", 0.9, Range::DECAY)];
const EPSILON: Constant = constant("epsilon", 1e-8, Range::POSITIVE);
const MOMENTUM: Constant = constant("momentum", 0.9, Range::DECAY);
const LEARNED: &[Constant] = &[
    constant("kappa", 1e-3, Range::NON_NEGATIVE),
    constant("decay", 1.0, Range::NON_NEGATIVE),
    constant("bound", 5.0, Range::up_to(0.0, 40.0)),
];
const ADAM: &[Constant] = &[constant("beta1", 0.9, Range::DECAY), constant("beta2", 0.999, Range::DECAY), EPSILON];
const LOWER_BOUND: Constant = constant("lower_bound", 0.0, Range::FINITE);
const DISTANCE: &[Constant] = &[
    constant("d0", 1e-6, Range { low: 1e-12, high: f64::INFINITY, has_low: true, has_high: false }),
    constant("coefficient", 1.0, Range::POSITIVE),
    constant("beta3", 0.0, Range::DECAY),
];
const LION: &[Constant] = &[constant("beta1", 0.9, Range::DECAY), constant("beta2", 0.99, Range::DECAY)];
const ADAFACTOR: &[Constant] =
    &[constant("epsilon", 1e-30, Range::POSITIVE), constant("exponent", 0.8, Range::POSITIVE)];
const SOPHIA: &[Constant] = &[
    constant("beta", 0.99, Range::DECAY),
    constant("gamma", 0.01, Range::POSITIVE),
    constant("epsilon", 1e-12, Range::POSITIVE),
    constant("clip", 1.0, Range::POSITIVE),
];
const ADA_HESSIAN: &[Constant] =
    &[constant("beta", 0.999, Range::DECAY), constant("power", 1.0, Range::up_to(0.0, 1.0)), EPSILON];
const RATE: Constant = constant("rate", 0.1, OPEN);
const A: Constant = constant("a", 3.4445, Range::FINITE);
const B: Constant = constant("b", -4.7750, Range::FINITE);
const C: Constant = constant("c", 2.0315, Range::FINITE);
const STEPS: Constant = constant("steps", 5.0, Range { low: 0.0, high: 1e6, has_low: true, has_high: true });
const POLAR: &[&str] = &["polar", "rows_are_outputs", "columns_are_outputs", "heads"];
const SURFACE: &[Constant] = &[XI, MOMENTUM, constant("beta", 0.8, Range::DECAY)];

macro_rules! table {
    ($($kind:ident { $($name:literal: $summary:literal, $source:expr, $constants:expr $(, options $options:expr)? $(, parts $parts:literal)?;)+ })+) => {
        /// Everything that has a name. Names are unique within a kind.
        ///
        /// ```
        /// use ambient_metric::any::{Kind, TABLE};
        ///
        /// let rmsprop = TABLE.iter().find(|about| about.name == "rmsprop" && about.kind == Kind::BaseMetric).unwrap();
        /// let constants: Vec<_> = rmsprop.constants.iter().map(|constant| (constant.name, constant.default)).collect();
        /// assert_eq!(constants, [("beta", 0.999), ("epsilon", 1e-8)]);
        /// ```
        pub static TABLE: &[About] = &[$($(
            About {
                name: $name,
                kind: Kind::$kind,
                summary: $summary,
                source: $source,
                constants: $constants,
                options: table!(@or [$($options)?] &[]),
                parts: table!(@or [$($parts)?] ""),
            },
        )+)+];
    };
    (@or [$given:expr] $default:expr) => { $given };
    (@or [] $default:expr) => { $default };
}

table! {
    Embedding {
        "identity": "f(L) = L", PAPER, &[];
        "log": "f(L) = ln L, for L > 0", PAPER, &[];
        "sqrt": "f(L) = √L, for L > 0", OURS, &[];
        "log1p": "f(L) = ln(1 + L), for L > -1", OURS, &[];
        "power": "f(L) = L^p, for L > 0", OURS, &[constant("p", 2.0, Range::POSITIVE)];
    }
    BaseMetric {
        "euclidean": "γ = 1", PAPER, &[];
        "rmsprop": "γ = √ρ + ε, with ρ the bias-corrected average of l²", "T. Tieleman and G. Hinton, 2012; arXiv 1412.6980", &[
            constant("beta", 0.999, Range::DECAY), EPSILON
        ];
        "adagrad": "γ = √ρ + ε, with ρ the sum of l²", "J. Duchi, E. Hazan and Y. Singer, 2011", &[EPSILON];
        "amsgrad": "γ = √ρ + ε, with ρ the largest that the average of l² has been, bias-corrected", "S. J. Reddi, S. Kale and S. Kumar, 2018", &[
            constant("beta", 0.999, Range::DECAY), EPSILON
        ];
        "adabelief": "γ = √ρ + ε, with ρ the bias-corrected average of squares of what the momentum shows, and ε in it; with `belief` that is AdaBelief's", "arXiv 2010.07468", &[
            constant("beta", 0.999, Range::DECAY), constant("epsilon", 1e-16, Range::POSITIVE)
        ];
        "adamax": "γ = u, with u ← max(βu, abs(l) + ε)", "arXiv 1412.6980", &[constant("beta", 0.999, Range::DECAY), EPSILON];
        "yogi": "γ = √ρ̂ + ε, with ρ ← ρ − (1 − β) sign(ρ − l²) l² from zero, and ρ̂ bias-corrected", "M. Zaheer, S. Reddi and others, 2018", &[
            constant("beta", 0.999, Range::DECAY), constant("epsilon", 1e-3, Range::POSITIVE)
        ];
        "sign": "l♯ = sign l and s = ‖l‖₁: the dual of a norm, and no metric", "arXiv 1802.04434", &[];
        "max_norm": "l♯ = ‖l‖₁ sign l and s = ‖l‖₁²: steepest descent where length is the largest component; no metric either", "arXiv 2502.07529", &[];
        "learned_scalar": "γ⁻¹ = eᶻ with one learned z", CODE, LEARNED, options &["flat"];
        "learned_diagonal": "γ⁻¹ = eᶻ with a learned z for every parameter", CODE, LEARNED, options &["flat"];
        "kronecker": "Shampoo's γ: powers of the moments of rows and of columns; beta = 1 sums them", "arXiv 1802.09568", &[
            constant("beta", 1.0, Range::SHARE),
            constant("epsilon", 1e-4, Range::POSITIVE),
            constant("exponent", 0.25, Range::POSITIVE),
            every(1.0)
        ];
        "kl_shampoo": "γ = √A ⊗ √B, the nearest to the second moment by the Kullback–Leibler divergence", "arXiv 2509.03378", &[
            constant("beta", 0.98, Range::DECAY), EPSILON, constant("start", 0.1, Range::POSITIVE), every(1.0)
        ];
        "soap": "`rmsprop` with beta2 and epsilon in the eigenbases of the moments of rows and of columns", "arXiv 2409.11321", &[
            constant("beta", 0.95, Range::DECAY), constant("beta2", 0.95, Range::DECAY), EPSILON, every(10.0)
        ];
        "adafactor": "γ = √(RC/mean(R)), with R and C averages of the means of l² over rows and over columns", "arXiv 1804.04235", ADAFACTOR;
        "muon": "the polar factor of the momentum of each matrix", "K. Jordan and others, 2024", &[A, B, C, STEPS],
            options POLAR, parts "[MOMENTUM]";
        "normuon": "Muon's direction with rows of one length in the mean: no metric", "arXiv 2510.05491", &[
            A, B, C, STEPS, constant("beta", 0.95, Range::DECAY), constant("epsilon", 1e-10, Range::POSITIVE)
        ], options POLAR, parts "[MOMENTUM]";
        "sophia": "l♯ = clamp(l/max(gamma h, epsilon), ±clip), with h the average of an observed diagonal of the Hessian: no metric", "arXiv 2305.14342", SOPHIA;
        "ada_hessian": "γ = √ρ^power + ε, with ρ the bias-corrected average of squares of an observed diagonal of the Hessian", "arXiv 2006.00719", ADA_HESSIAN;
        "fisher": "γ = ρ + damping, with ρ the bias-corrected average of the mean of l² over the observed gradients of examples: the diagonal of the empirical Fisher matrix", "arXiv 1905.12558", &[
            constant("beta", 0.95, Range::DECAY), constant("damping", 1e-3, Range::POSITIVE)
        ];
        "kfac": "γ = A ⊗ B, near the Fisher matrix of a layer, from the observed gradients of examples", "arXiv 1503.05671", &[
            constant("beta", 0.95, Range::DECAY), constant("damping", 1e-3, Range::POSITIVE)
        ];
        "dense": "a given symmetric positive definite matrix over all parameters", OURS, &[], parts "[ROW, …], [ROW, …], …";
        "psgd": "γ⁻¹ = QᵀQ with triangular Kronecker factors of Q, which go down the whitening criterion: PSGD-Kron", "arXiv 1512.04202; arXiv 1809.10232", &[
            RATE, EPSILON, every(1.0)
        ];
        "kl_soap": "`rmsprop` with beta2 and epsilon in the eigenbases of the factors of `kl_shampoo`", "arXiv 2509.03378", &[
            constant("beta", 0.95, Range::DECAY), constant("beta2", 0.95, Range::DECAY), EPSILON,
            constant("factor_epsilon", 1e-8, Range::POSITIVE), constant("start", 0.1, Range::POSITIVE), every(10.0)
        ];
        "col_norm": "l♯ = l with every column divided by its length: the dual of a norm, and no metric", "arXiv 2502.07529", &[],
            options &["rows_are_outputs", "columns_are_outputs"];
        "row_norm": "l♯ = l with every row divided by its length: no metric either", "arXiv 2502.07529", &[],
            options &["rows_are_outputs", "columns_are_outputs"];
        "muon_max": "Muon's directions as long as the sum of the nuclear norms of all matrices: steepest descent in the largest spectral norm of one", "arXiv 2510.09827", &[A, B, C, STEPS],
            options POLAR, parts "[MOMENTUM]";
    }
    AmbientMetric {
        "product": "γ ⊕ dh²", PAPER, &[];
        "weighted": "γ ⊕ φ(h)dh², with φ = 1/(1 + κh), or e^(κh) with `exponential`", OURS, KAPPA, options &["exponential"];
        "warped": "φ(h)²γ ⊕ dh², with φ as in `weighted`", OURS, KAPPA, options &["exponential"];
        "conformal": "φ(h)(γ ⊕ dh²), with φ as in `weighted`", OURS, KAPPA, options &["exponential"];
        "hyperbolic": "(γ ⊕ dh²)/h², for h > 0", OURS, &[];
        "correlated": "γ ⊕ B with ρ between any two heights", OURS, &[
            constant("rho", 0.0, Range { low: -1.0, high: 1.0, has_low: false, has_high: false })
        ];
        "along_gradient": "[[γ, c], [cᵀ, 1]] with c = κl", CODE, KAPPA;
        "along_momentum": "[[γ, c], [cᵀ, 1]] with c = κm̂", CODE, KAPPA;
        "along_parameters": "[[γ, c], [cᵀ, 1]] with c = κθ", CODE, KAPPA;
        "given": "[[γ, c], [cᵀ, 1]] with c written into the state `ambient`", CODE, &[];
    }
    Momentum {
        "no_momentum": "m̂ = l; the same as no momentum at all", OURS, &[];
        "ema": "m̂ = m/(1 − μᵗ), m ← μm + (1 − μ)l", "arXiv 1412.6980", DECAY;
        "heavy_ball": "m̂ = m, m ← μm + l", "B. T. Polyak, 1964", DECAY;
        "nesterov": "m̂ looks a step ahead of `ema`", "T. Dozat, 2016", DECAY;
        "lion": "m̂ = β₁m + (1 − β₁)l, then m ← β₂m + (1 − β₂)l", "arXiv 2302.06675", LION;
        "belief": "m̂ as `ema`; the metric sees l − m in place of l", "arXiv 2010.07468", DECAY;
        "adan": "m̂ = m/(1 − β₁ᵗ) + β₂v/(1 − β₂ᵗ), with m the average of l and v that of its differences", "arXiv 2208.06677", &[
            constant("beta1", 0.98, OPEN), constant("beta2", 0.92, OPEN)
        ];
    }
    Clip {
        "hard": "min(1, c/‖l‖)", "R. Pascanu, T. Mikolov and Y. Bengio, 2013", LENGTH;
        "soft": "1/(1 + c‖l‖)", OURS, &[constant("rate", 1.0, Range::NON_NEGATIVE)];
        "root": "1/√(1 + ξ⟨l, l⟩)", OURS, &[XI];
        "induction": "1/(1 + ξ⟨l, l⟩)", PAPER, &[XI];
    }
    Gradient {
        "clip_value": "every component of l within ±c", "T. Mikolov, 2012", &[constant("limit", 1.0, Range::POSITIVE)];
        "clip_norm": "l shortened to the length c, over all parameters that share their sums", "R. Pascanu, T. Mikolov and Y. Bengio, 2013", LENGTH;
        "mars": "c/max(1, ‖c‖) with c = l + γβ/(1 − β)(l − l₋), l₋ the gradient before; with the β of the momentum behind it", "arXiv 2411.10438", &[
            constant("gamma", 0.025, Range::NON_NEGATIVE), constant("beta", 0.95, Range::DECAY)
        ];
        "centralised": "each row of a tensor with more than one axis without its mean", "arXiv 2004.01461", &[];
        "noise": "l + σz with normal z and σ² = variance/(1 + t)^decay", "arXiv 1511.06807", &[
            constant("variance", 0.01, Range::NON_NEGATIVE),
            constant("decay", 0.55, Range::NON_NEGATIVE),
            constant("seed", 0.0, Range { low: 0.0, high: 9e15, has_low: true, has_high: true })
        ];
        "accumulate": "one step for every so many gradients, along their mean", OURS, &[
            constant("every", 4.0, Range { low: 1.0, high: 4e9, has_low: true, has_high: true })
        ];
    }
    Wrapper {
        "cautious": "behind a rule, as in `adamw + cautious`: no component of a step goes against its gradient, and the others go n/(Σφ + 1) as far", "arXiv 2411.16085", &[];
        "momo": "behind a rule with the momentum `ema`: its step ends where a model of the loss reaches the lower bound", "arXiv 2305.07583", &[LOWER_BOUND];
        "prodigy": "behind Adam, or Adam on a surface: the rate is an estimate of the distance to go, and the learning rate a factor of it", "arXiv 2306.06101", DISTANCE, options &["bias_correction"];
        "d_adaptation": "behind Adam, or Adam on a surface: as `prodigy`, from what has been summed, with one number less per parameter", "arXiv 2301.07733", &[DISTANCE[0]], options &["bias_correction"];
    }
    EvaluationPoint {
        "averaged": "behind a rule: its evaluation point is the moving average of the parameters, θ̄ ← dθ̄ + (1 − d)θ", "D. Ruppert, 1988", &[
            constant("decay", 0.999, Range::DECAY)
        ];
        "polyak": "behind a rule: its evaluation point is the mean of the parameters after every step", "B. T. Polyak and A. B. Juditsky, 1992", &[];
        "lookahead": "behind a rule: after every so many steps slow weights go a share of the way, and the rule starts from there again; they are the evaluation point", "arXiv 1907.08610", &[
            constant("every", 5.0, Range { low: 1.0, high: 4e9, has_low: true, has_high: true }),
            constant("share", 0.5, Range::up_to(0.0, 1.0))
        ];
        "schedule_free": "behind a rule, best one without momentum: gradients are taken between its iterate and the average of that, which is the evaluation point", "arXiv 2405.15682", &[
            constant("beta", 0.9, Range::up_to(0.0, 1.0))
        ];
    }
    Rule {
        "sgd": "flat(euclidean) + heavy_ball(momentum)", "B. T. Polyak, 1964", &[MOMENTUM];
        "sgd_ema": "flat(euclidean) + ema(momentum)", OURS, &[MOMENTUM];
        "adam": "flat(rmsprop(beta2, epsilon)) + ema(beta1)", "arXiv 1412.6980", ADAM;
        "adamw": "Adam; a weight decay is decoupled in every rule", "arXiv 1711.05101", ADAM;
        "adan": "flat(rmsprop(beta3, epsilon)) + adan(beta1, beta2)", "arXiv 2208.06677", &[
            constant("beta1", 0.98, OPEN), constant("beta2", 0.92, OPEN), constant("beta3", 0.99, Range::DECAY), EPSILON
        ];
        "momo": "flat(euclidean) + ema(beta) + momo(lower_bound)", "arXiv 2305.07583", &[constant("beta", 0.9, Range::DECAY), LOWER_BOUND];
        "momo_adam": "flat(rmsprop(beta2, epsilon)) + ema(beta1) + momo(lower_bound)", "arXiv 2305.07583", &[ADAM[0], ADAM[1], EPSILON, LOWER_BOUND];
        "prodigy": "flat(rmsprop(beta2, epsilon)) + ema(beta1) + prodigy(d0, coefficient, beta3), with beta3 = 0 for √beta2", "arXiv 2306.06101", &[
            ADAM[0], ADAM[1], EPSILON, DISTANCE[0], DISTANCE[1], DISTANCE[2]
        ], options &["bias_correction"];
        "d_adapt_adam": "flat(rmsprop(beta2, epsilon)) + ema(beta1) + d_adaptation(d0)", "arXiv 2301.07733", &[
            ADAM[0], ADAM[1], EPSILON, DISTANCE[0]
        ], options &["bias_correction"];
        "nadam": "flat(rmsprop(beta2, epsilon)) + nesterov(beta1)", "T. Dozat, 2016", ADAM;
        "amsgrad": "flat(amsgrad(beta2, epsilon)) + ema(beta1)", "S. J. Reddi, S. Kale and S. Kumar, 2018", ADAM;
        "adabelief": "flat(adabelief(beta2, epsilon)) + belief(beta1)", "arXiv 2010.07468", &[
            constant("beta1", 0.9, Range::DECAY), constant("beta2", 0.999, Range::DECAY), constant("epsilon", 1e-16, Range::POSITIVE)
        ];
        "adamax": "flat(adamax(beta2, epsilon)) + ema(beta1)", "arXiv 1412.6980", ADAM;
        "yogi": "flat(yogi(beta2, epsilon)) + ema(beta1)", "M. Zaheer, S. Reddi and others, 2018", &[
            constant("beta1", 0.9, Range::DECAY), constant("beta2", 0.999, Range::DECAY), constant("epsilon", 1e-3, Range::POSITIVE)
        ];
        "lion": "flat(sign) + lion(beta1, beta2)", "arXiv 2302.06675", LION;
        "signum": "flat(sign) + ema(momentum)", "arXiv 1802.04434", &[MOMENTUM];
        "sophia": "flat(sophia(beta2, gamma, epsilon, clip)) + lion(beta1, beta1), an average that is not corrected; needs observations", "arXiv 2305.14342", &[
            constant("beta1", 0.965, Range::DECAY), constant("beta2", 0.99, Range::DECAY), SOPHIA[1], SOPHIA[2], SOPHIA[3]
        ];
        "ada_hessian": "flat(ada_hessian(beta2, power, epsilon)) + ema(beta1); needs observations", "arXiv 2006.00719", &[
            ADAM[0], ADAM[1], ADA_HESSIAN[1], ADA_HESSIAN[2]
        ];
        "euclidean": "induced(euclidean, identity, xi, beta) + ema(momentum)", PAPER, SURFACE;
        "euclidean_log": "induced(euclidean, log, xi, beta) + ema(momentum)", PAPER, SURFACE;
        "rmsprop": "induced(rmsprop(beta_rms, epsilon), identity, xi, beta) + ema(momentum)", PAPER, &[
            XI, MOMENTUM, constant("beta", 0.8, Range::DECAY), constant("beta_rms", 0.999, Range::DECAY), EPSILON
        ];
        "shampoo": "flat(kronecker(epsilon=epsilon)) + ema(momentum)", "arXiv 1802.09568", &[
            MOMENTUM, constant("epsilon", 1e-4, Range::POSITIVE)
        ];
        "kl_shampoo": "flat(kl_shampoo(beta2, epsilon)) + ema(beta1)", "arXiv 2509.03378", &[
            constant("beta1", 0.9, Range::DECAY), constant("beta2", 0.98, Range::DECAY), EPSILON
        ];
        "soap": "flat(soap(beta2, beta2, epsilon)) + ema(beta1)", "arXiv 2409.11321", &[
            constant("beta1", 0.95, Range::DECAY), constant("beta2", 0.95, Range::DECAY), EPSILON
        ];
        "adafactor": "flat(adafactor(epsilon, exponent))", "arXiv 1804.04235", ADAFACTOR;
        "normuon": "flat(normuon(nesterov(momentum), beta=beta))", "arXiv 2510.05491", &[
            constant("momentum", 0.95, Range::DECAY), constant("beta", 0.95, Range::DECAY)
        ];
        "muon": "flat(muon(nesterov(momentum)))", "K. Jordan and others, 2024", &[constant("momentum", 0.95, Range::DECAY)];
        "psgd": "flat(psgd(rate, epsilon)) + ema(momentum)", "arXiv 1512.04202; arXiv 1809.10232", &[MOMENTUM, RATE, EPSILON];
        "kl_soap": "flat(kl_soap(beta2, beta2, epsilon)) + ema(beta1)", "arXiv 2509.03378", &[
            constant("beta1", 0.95, Range::DECAY), constant("beta2", 0.95, Range::DECAY), EPSILON
        ];
        "muon_max": "flat(muon_max(nesterov(momentum)))", "arXiv 2510.09827", &[constant("momentum", 0.95, Range::DECAY)];
        "flat": "descent in the base metric alone", OURS, &[], parts "METRIC";
        "induced": "descent on the loss surface: of one loss for each embedding, xi one number or a list; damped as a whole, or with the full inverse (`exact`); a coupling is kept `margin` below where the space ends; `of_losses` descends the losses in place of the heights", PAPER, &[
            XI,
            constant("beta", 0.0, Range::DECAY),
            constant("margin", 0.01, Range { low: 1e-6, high: 1.0, has_low: true, has_high: false })
        ], options &["exact", "refuse", "of_losses"], parts "METRIC, EMBEDDING, …, [AMBIENT METRIC]";
        "bilinear": "the relative of a coupled surface whose off-diagonal elements differ", CODE, &[
            XI, constant("beta", 0.0, Range::DECAY)
        ], parts "METRIC, EMBEDDING, COUPLING a, COUPLING b";
        "clipped": "descent in the base metric, clipped by the length of the gradient in it", OURS, &[
            constant("beta", 0.0, Range::DECAY), constant("floor", 0.0, Range::SHARE)
        ], parts "METRIC, CLIP";
    }
}

/// The lines of these kinds.
pub(crate) fn of(kinds: &[Kind]) -> impl Iterator<Item = &'static About> {
    TABLE.iter().filter(|about| kinds.contains(&about.kind))
}

/// The line of this name among these kinds.
pub(crate) fn find(kinds: &[Kind], name: &str) -> Option<&'static About> {
    of(kinds).find(|about| about.name == name)
}
