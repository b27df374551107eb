//! Rules chosen at run time.

use core::fmt;
use core::str::FromStr;

use crate::ambient::ambient_metric::AmbientMetric;
use crate::ambient::coupling::{Coupling, Given as GivenCoupling, Guard};
use crate::ambient::embedding::Embedding;
use crate::ambient::heights::Height;
use crate::any::gradient::{AnyPreprocess, AnyTransform};
use crate::any::matrix::{AnyMatrixMetric, AnyOrthogonaliser, take};
use crate::any::metric::AnyBaseMetric;
use crate::any::parts::{
    AnyAmbient, AnyClip, AnyCoupling, AnyEmbedding, AnyMomentum, OneSlot, Part, Written, serde_text, textual,
};
use crate::any::point::AnyPoint;
use crate::any::pointwise::AnyPointwise;
use crate::any::table::{Kind, find, of};
use crate::any::text::{self, Call, Given, TextError, error, unknown};
use crate::base::ada_hessian::AdaHessian;
use crate::base::adabelief::AdaBelief;
use crate::base::adafactor::Adafactor;
use crate::base::adamax::AdaMax;
use crate::base::amsgrad::AmsGrad;
use crate::base::diagonal::{Euclidean, RmsProp};
use crate::base::kl_shampoo::KlShampoo;
use crate::base::kl_soap::KlSoap;
use crate::base::kronecker::Kronecker;
use crate::base::muon::Muon;
use crate::base::muon_max::MuonMax;
use crate::base::normuon::NorMuon;
use crate::base::psgd::Psgd;
use crate::base::sign::Sign;
use crate::base::soap::Soap;
use crate::base::sophia::Sophia;
use crate::base::yogi::Yogi;
use crate::error::{Error, require_decay, require_metric};
use crate::rule::bilinear::Bilinear;
use crate::rule::clipping::Clipped;
use crate::rule::evaluated::EvaluationPoint;
use crate::rule::preconditioner::Preconditioner;
use crate::rule::transformed::GradientTransform;
use crate::space::adan::Adan;
use crate::space::belief::Belief;
use crate::space::lion::LionMomentum;
use crate::space::momentum::{Ema, HeavyBall, Momentum, Nesterov};

/// A rule chosen at run time: a [`Descent`](crate::Descent) whose parts are values.
///
/// # Text
///
/// It is written as the step, and the momentum behind a plus: `induced(rmsprop(beta=0.99), log1p, xi=0.1, beta=0.8) + ema(0.9)`. What has a name, and
/// the constants of each with their defaults, is in the [`TABLE`](crate::any::TABLE):
///
/// - `flat(METRIC)`, the base metric alone;
/// - `induced(METRIC, EMBEDDING, …)`, the loss surface: an embedding for every loss, and if it is not `product` an ambient metric;
/// - `bilinear(METRIC, EMBEDDING, COUPLING, COUPLING)` and `clipped(METRIC, CLIP)`;
/// - `+ cautious` behind either, so that no component of a step goes against its gradient, `+ clip_norm(1)`, `+ accumulate(4)`, …, which say what is done to
///   gradients, in that order, and `+ averaged`, `+ lookahead`, …, which say what is evaluated;
/// - the short names of common ones: `sgd`, `adamw`, `rmsprop`, `muon`, …, with the constants that the table has for them.
///
/// Constants stand with their names or in the order of the table; `xi` may be a list with one number for each loss. [`Display`](fmt::Display) writes the
/// first form with all constants, and reading that gives the same rule, bit for bit.
///
/// # Example
///
/// ```
/// use ambient_metric::any::AnyRule;
/// use ambient_metric::{Configuration, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule: AnyRule = "rmsprop(xi=0.1, momentum=0.9)".parse()?;
/// assert_eq!(
///     rule.to_string(),
///     "induced(rmsprop(beta=0.999, epsilon=1e-8), identity, xi=0.1, beta=0.8) + ema(decay=0.9)"
/// );
///
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rule, 0.01).build_any(&theta)?;
/// let gradient = Covector(theta.clone());
/// optimiser.step(&mut theta, &gradient, 12.5)?;
/// assert!(theta.as_slice()[0] < 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`TextError`] shows the place, what is known there, and the nearest of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyRule {
    /// The base metric γ.
    pub metric: AnyBaseMetric,
    /// What turns momenta into a step.
    pub preconditioner: AnyPreconditioner,
    /// How gradients are remembered; `None` for not at all.
    pub momentum: Option<AnyMomentum>,
    /// Whether the step is [cautious](crate::rule::Cautious).
    pub cautious: bool,
    /// The lower bound of the loss, where a [model](crate::rule::MoMo) of it limits the step.
    pub lower_bound: Option<f64>,
    /// How the distance is estimated that is the rate, where it is.
    pub distance: Option<AnyDistance>,
    /// What is done to its gradients, in this order.
    pub gradient: Vec<AnyPreprocess>,
    /// The point to evaluate, where that is not the one that is trained.
    pub point: Option<AnyPoint>,
}

/// How a rate is estimated that is a distance, chosen at run time.
///
/// ```
/// use ambient_metric::any::{AnyDistance, AnyRule};
///
/// let rule: AnyRule = "adamw + prodigy(d0=1e-5)".parse()?;
/// assert_eq!(rule.distance, Some(AnyDistance::Prodigy { d0: 1e-5, coefficient: 1.0, beta3: 0.0, bias_correction: false }));
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyDistance {
    /// [`Prodigy`](crate::rule::Prodigy).
    Prodigy {
        /// The first guess d₀.
        d0: f64,
        /// The factor c.
        coefficient: f64,
        /// The decay β₃; zero for √β₂.
        beta3: f64,
        /// Whether steps are corrected for the start of the averages at zero.
        bias_correction: bool,
    },
    /// [`DAdaptation`](crate::rule::DAdaptation).
    DAdaptation {
        /// The first guess d₀.
        d0: f64,
        /// Whether steps are corrected for the start of the averages at zero.
        bias_correction: bool,
    },
}

impl AnyDistance {
    /// From the constants and options of its text.
    fn of(constants: &[f64], given: &mut Given<'_>) -> Option<Self> {
        let bias_correction = given.option("bias_correction");
        match *constants {
            [d0, coefficient, beta3] => Some(Self::Prodigy { d0, coefficient, beta3, bias_correction }),
            [d0] => Some(Self::DAdaptation { d0, bias_correction }),
            _ => None,
        }
    }

    fn written(self) -> Written {
        match self {
            Self::Prodigy { d0, coefficient, beta3, bias_correction } => {
                Written::new("prodigy", &[d0, coefficient, beta3]).option("bias_correction", bias_correction)
            }
            Self::DAdaptation { d0, bias_correction } => {
                Written::new("d_adaptation", &[d0]).option("bias_correction", bias_correction)
            }
        }
    }

    /// The name of the typed rule.
    fn name(self) -> &'static str {
        match self {
            Self::Prodigy { .. } => "Prodigy",
            Self::DAdaptation { .. } => "DAdaptation",
        }
    }
}

/// A preconditioner chosen at run time.
///
/// ```
/// use ambient_metric::any::{AnyPreconditioner, AnyRule};
/// let rule: AnyRule = "flat(rmsprop) + ema(0.9)".parse()?;
/// assert_eq!(rule.preconditioner, AnyPreconditioner::Flat);
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum AnyPreconditioner {
    /// [`Flat`](crate::Flat).
    Flat,
    /// [`Induced`](crate::Induced).
    Induced(AnySurface),
    /// [`Bilinear`].
    Bilinear(Bilinear<AnyEmbedding, AnyCoupling, AnyCoupling>),
    /// [`Clipped`].
    Clipped(Clipped<AnyClip>),
}

/// A loss surface chosen at run time.
///
/// ```
/// use ambient_metric::any::{AnyPreconditioner, AnyRule};
///
/// let rule: AnyRule = "induced(euclidean, log, log1p, xi=[0.1, 0.2]) + ema".parse()?;
/// let AnyPreconditioner::Induced(surface) = &rule.preconditioner else { panic!() };
/// assert_eq!(surface.heights[1].xi, 0.2);
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnySurface {
    /// The embedding and ξ of every loss, from one to four.
    pub heights: Vec<Height<AnyEmbedding>>,
    /// The space in which it stands.
    pub ambient: AnySpace,
    /// Whether the losses are descended in place of their heights.
    pub of_losses: bool,
    /// Whether momentum goes through the full inverse, in place of being damped as a whole.
    pub exact: bool,
    /// What happens where the ambient metric is none.
    pub guard: Guard,
    /// The decay β of the moving average of s.
    pub beta: f64,
}

/// The space in which a surface stands.
///
/// ```
/// use ambient_metric::any::{AnyAmbient, AnySpace};
/// assert_eq!("hyperbolic".parse::<AnySpace>()?, AnySpace::Straight(AnyAmbient::Hyperbolic));
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnySpace {
    /// Heights stand upright on the parameters.
    Straight(AnyAmbient),
    /// Heights lean on the parameters, along something that a step has.
    Coupled(AnyCoupling),
    /// Heights lean along a covector that is given.
    Given,
}

impl AnySpace {
    /// The name of the ambient metric.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Straight(ambient) => AmbientMetric::<1>::name(ambient),
            Self::Coupled(coupling) => format!("Coupled({})", coupling.name()),
            Self::Given => format!("Coupled({})", GivenCoupling.name()),
        }
    }
}

impl Part for AnySpace {
    const KINDS: &'static [Kind] = &[Kind::AmbientMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        if name == "given" {
            return Ok(Some(Self::Given));
        }
        if let Some(coupling) = AnyCoupling::make(name, constants, given)? {
            return Ok(Some(Self::Coupled(coupling)));
        }
        Ok(AnyAmbient::make(name, constants, given)?.map(Self::Straight))
    }

    fn written(&self) -> Written {
        match self {
            Self::Straight(ambient) => ambient.written(),
            Self::Coupled(coupling) => coupling.written(),
            Self::Given => Written::new("given", &[]),
        }
    }
}

textual!(AnySpace);

/// How many losses a rule can descend.
pub(crate) const MOST_LOSSES: usize = 4;

/// The rule of a surface over one loss, as the short names have it.
fn surface(metric: AnyBaseMetric, embedding: AnyEmbedding, [xi, momentum, beta]: [f64; 3]) -> AnyRule {
    let surface = AnySurface {
        heights: vec![Height { embedding, xi }],
        ambient: AnySpace::Straight(AnyAmbient::Product),
        of_losses: false,
        exact: false,
        guard: Guard::Refuse,
        beta,
    };
    AnyRule::bare(metric, AnyPreconditioner::Induced(surface), Some(AnyMomentum::Ema(Ema(momentum))))
}

impl AnyRule {
    /// How many losses it descends.
    #[must_use]
    pub fn losses(&self) -> usize {
        match &self.preconditioner {
            AnyPreconditioner::Induced(surface) => surface.heights.len(),
            _ => 1,
        }
    }

    /// Whether it runs in passes over memory: its base metric is pointwise.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.metric.is_pointwise()
    }

    /// The ξ of every loss; empty for a rule without a surface.
    #[must_use]
    pub fn xi(&self) -> Vec<f64> {
        match &self.preconditioner {
            AnyPreconditioner::Induced(surface) => surface.heights.iter().map(|height| height.xi).collect(),
            AnyPreconditioner::Bilinear(bilinear) => vec![bilinear.height.xi],
            AnyPreconditioner::Flat | AnyPreconditioner::Clipped(_) => Vec::new(),
        }
    }

    /// The rule with nothing behind its momentum.
    fn bare(metric: AnyBaseMetric, preconditioner: AnyPreconditioner, momentum: Option<AnyMomentum>) -> Self {
        let (lower_bound, distance, gradient, point) = (None, None, Vec::new(), None);
        Self { metric, preconditioner, momentum, cautious: false, lower_bound, distance, gradient, point }
    }

    /// What is done to its gradients before the optimiser, and what is done in the passes of the rule.
    pub(crate) fn of_gradients(&self) -> (&[AnyPreprocess], Option<AnyTransform>) {
        match self.gradient.split_last() {
            Some((AnyPreprocess::Transform(transform), others)) if self.is_fused() && self.losses() == 1 => {
                (others, Some(*transform))
            }
            _ => (&self.gradient, None),
        }
    }

    /// The rule without what is done to its gradients before the optimiser, and that: for a program that makes the optimiser by [`fused`](Self::fused).
    /// [`build_any`](crate::Configuration::build_any) puts both together.
    ///
    /// ```
    /// use ambient_metric::any::{AnyOptimiser, AnyRule, Preprocessed};
    /// use ambient_metric::{Configuration, Covector};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let (rule, beforehand) = "adamw + centralised + clip_norm(1)".parse::<AnyRule>()?.apart();
    /// assert_eq!((rule.gradient.len(), beforehand.len()), (1, 1));
    /// let theta = Parameters::from(array![1.0_f32, 2.0]);
    /// let optimiser = Configuration::new(rule.fused()?, 0.1).build(&theta)?;
    /// assert_eq!(Preprocessed::new(beforehand, optimiser, &theta)?.steps()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn apart(mut self) -> (Self, Vec<AnyPreprocess>) {
        let own = self.gradient.split_off(self.of_gradients().0.len());
        let beforehand = core::mem::replace(&mut self.gradient, own);
        (self, beforehand)
    }

    /// The rule of a short name.
    fn short(name: &str, constants: &[f64]) -> Option<Self> {
        let flat = |metric, momentum| Self::bare(metric, AnyPreconditioner::Flat, Some(momentum));
        let now = |metric| Self::bare(metric, AnyPreconditioner::Flat, None);
        let rmsprop = |beta, epsilon| AnyBaseMetric::Pointwise(AnyPointwise::RmsProp(RmsProp { beta, epsilon }));
        let euclidean = AnyBaseMetric::Pointwise(AnyPointwise::Euclidean(Euclidean));
        let ema = |decay| AnyMomentum::Ema(Ema(decay));
        let sign = AnyBaseMetric::Pointwise(AnyPointwise::Sign(Sign));
        let matrix = AnyBaseMetric::Matrix;
        let muon = |momentum| {
            let Muon { orthogonaliser, width, heads, .. } = Muon::default();
            let orthogonaliser = AnyOrthogonaliser::NewtonSchulz(orthogonaliser);
            let momentum = OneSlot::new(AnyMomentum::Nesterov(Nesterov(momentum)))?;
            Some(Muon { momentum, orthogonaliser, width, heads })
        };
        Some(match (name, constants) {
            ("sgd", &[momentum]) => flat(euclidean, AnyMomentum::HeavyBall(HeavyBall(momentum))),
            ("sgd_ema", &[momentum]) => flat(euclidean, ema(momentum)),
            ("adam" | "adamw", &[beta1, beta2, epsilon]) => flat(rmsprop(beta2, epsilon), ema(beta1)),
            ("adan", &[beta1, beta2, beta3, epsilon]) => {
                flat(rmsprop(beta3, epsilon), AnyMomentum::Adan(Adan { beta1, beta2 }))
            }
            ("momo", &[beta, bound]) => Self { lower_bound: Some(bound), ..flat(euclidean, ema(beta)) },
            ("momo_adam", &[beta1, beta2, epsilon, bound]) => {
                Self { lower_bound: Some(bound), ..flat(rmsprop(beta2, epsilon), ema(beta1)) }
            }
            ("nadam", &[beta1, beta2, epsilon]) => {
                flat(rmsprop(beta2, epsilon), AnyMomentum::Nesterov(Nesterov(beta1)))
            }
            ("amsgrad", &[beta1, beta, epsilon]) => {
                flat(AnyBaseMetric::Pointwise(AnyPointwise::AmsGrad(AmsGrad { beta, epsilon })), ema(beta1))
            }
            ("adabelief", &[beta1, beta, epsilon]) => {
                let metric = AnyBaseMetric::Pointwise(AnyPointwise::AdaBelief(AdaBelief { beta, epsilon }));
                flat(metric, AnyMomentum::Belief(Belief(beta1)))
            }
            ("adamax", &[beta1, beta, epsilon]) => {
                flat(AnyBaseMetric::Pointwise(AnyPointwise::AdaMax(AdaMax { beta, epsilon })), ema(beta1))
            }
            ("yogi", &[beta1, beta, epsilon]) => {
                flat(AnyBaseMetric::Pointwise(AnyPointwise::Yogi(Yogi { beta, epsilon })), ema(beta1))
            }
            ("lion", &[beta1, beta2]) => flat(sign, AnyMomentum::Lion(LionMomentum { beta1, beta2 })),
            ("signum", &[momentum]) => flat(sign, ema(momentum)),
            ("euclidean", &[xi, momentum, beta]) => surface(euclidean, AnyEmbedding::Identity, [xi, momentum, beta]),
            ("euclidean_log", &[xi, momentum, beta]) => surface(euclidean, AnyEmbedding::Log, [xi, momentum, beta]),
            ("rmsprop", &[xi, momentum, beta, beta_rms, epsilon]) => {
                surface(rmsprop(beta_rms, epsilon), AnyEmbedding::Identity, [xi, momentum, beta])
            }
            ("shampoo", &[momentum, epsilon]) => {
                flat(matrix(AnyMatrixMetric::Kronecker(Kronecker { epsilon, ..Kronecker::default() })), ema(momentum))
            }
            ("kl_shampoo", &[beta1, beta, epsilon]) => {
                let metric = KlShampoo { beta, epsilon, ..KlShampoo::default() };
                flat(matrix(AnyMatrixMetric::KlShampoo(metric)), ema(beta1))
            }
            ("soap", &[beta1, beta, epsilon]) => {
                let metric = Soap { metric: RmsProp { beta, epsilon }, beta, ..Soap::default() };
                flat(matrix(AnyMatrixMetric::Soap(metric)), ema(beta1))
            }
            ("adafactor", &[epsilon, exponent]) => {
                now(matrix(AnyMatrixMetric::Adafactor(Adafactor { epsilon, exponent })))
            }
            ("muon", &[momentum]) => now(matrix(AnyMatrixMetric::Muon(muon(momentum)?))),
            ("normuon", &[momentum, beta]) => {
                let NorMuon { epsilon, .. } = NorMuon::default();
                now(matrix(AnyMatrixMetric::NorMuon(NorMuon { muon: muon(momentum)?, beta, epsilon })))
            }
            ("sophia", &[beta1, beta, gamma, epsilon, clip]) => {
                let metric = AnyPointwise::Sophia(Sophia { beta, gamma, epsilon, clip });
                // Of equal decays: an average that is not corrected.
                let momentum = LionMomentum { beta1, beta2: beta1 };
                flat(AnyBaseMetric::Pointwise(metric), AnyMomentum::Lion(momentum))
            }
            ("ada_hessian", &[beta1, beta, power, epsilon]) => {
                let metric = AnyPointwise::AdaHessian(AdaHessian { beta, power, epsilon });
                flat(AnyBaseMetric::Pointwise(metric), ema(beta1))
            }
            ("psgd", &[momentum, rate, epsilon]) => {
                flat(matrix(AnyMatrixMetric::Psgd(Psgd { rate, epsilon, ..Psgd::default() })), ema(momentum))
            }
            ("kl_soap", &[beta1, beta, epsilon]) => {
                let metric = KlSoap { metric: RmsProp { beta, epsilon }, beta, ..KlSoap::default() };
                flat(matrix(AnyMatrixMetric::KlSoap(metric)), ema(beta1))
            }
            ("muon_max", &[momentum]) => now(matrix(AnyMatrixMetric::MuonMax(MuonMax { muon: muon(momentum)? }))),
            _ => return None,
        })
    }

    /// The rule of a text that has been read, without what stands behind the plus.
    fn of(text: &str, call: &Call) -> Result<(Self, bool), TextError> {
        let nobody = || {
            let name = &call.name;
            if let Some(about) = find(&Kind::ALL, name) {
                let (kind, article) = (about.kind, if about.kind == Kind::EvaluationPoint { "an" } else { "a" });
                let right = match kind {
                    Kind::BaseMetric => format!("write `flat({name})`, or `induced({name}, EMBEDDING)`"),
                    Kind::Embedding | Kind::AmbientMetric => "it stands within `induced`".to_owned(),
                    Kind::Clip => format!("it stands within `clipped(METRIC, {name})`"),
                    _ => format!("it stands behind a rule, as in `adamw + {name}`"),
                };
                return error(text, call.at.clone(), format!("`{name}` is {article} {kind} and no rule: {right}"));
            }
            let known: Vec<&str> = of(&[Kind::Rule]).map(|about| about.name).collect();
            error(text, call.at.clone(), unknown(name, "rule", &known))
        };
        let about = find(&[Kind::Rule], &call.name).ok_or_else(nobody)?;
        let mut given = Given::new(text, call, about)?;
        if about.parts.is_empty() {
            let constants = given.constants()?;
            let rule = match (call.name.as_str(), constants.as_slice()) {
                ("prodigy" | "d_adapt_adam", [beta1, beta2, epsilon, of_distance @ ..]) => Self {
                    distance: AnyDistance::of(of_distance, &mut given),
                    ..Self::short("adam", &[*beta1, *beta2, *epsilon]).ok_or_else(nobody)?
                },
                (name, constants) => Self::short(name, constants).ok_or_else(nobody)?,
            };
            given.end(&[])?;
            return Ok((rule, true));
        }
        let metric = AnyBaseMetric::of(text, first(&mut given, &[Kind::BaseMetric])?)?;
        let preconditioner = match call.name.as_str() {
            "flat" => AnyPreconditioner::Flat,
            "induced" => AnyPreconditioner::Induced(induced(&mut given)?),
            "bilinear" => {
                let embedding = AnyEmbedding::of(text, first(&mut given, &[Kind::Embedding])?)?;
                let a = AnyCoupling::of(text, first(&mut given, &[Kind::AmbientMetric])?)?;
                let b = AnyCoupling::of(text, first(&mut given, &[Kind::AmbientMetric])?)?;
                let constants = given.constants()?;
                let &[xi, beta] = constants.as_slice() else { return Err(nobody()) };
                AnyPreconditioner::Bilinear(Bilinear { height: Height { embedding, xi }, a, b, beta })
            }
            "clipped" => {
                let clip = AnyClip::of(text, first(&mut given, &[Kind::Clip])?)?;
                let constants = given.constants()?;
                let &[beta, floor] = constants.as_slice() else { return Err(nobody()) };
                AnyPreconditioner::Clipped(Clipped { clip, beta, floor })
            }
            _ => return Err(nobody()),
        };
        given.end(&[Kind::BaseMetric, Kind::Embedding, Kind::AmbientMetric])?;
        Ok((Self::bare(metric, preconditioner, None), false))
    }
}

/// Takes the next part, which has to be of one of these kinds.
fn first<'c>(given: &mut Given<'c>, kinds: &[Kind]) -> Result<&'c Call, TextError> {
    if let Some(call) = take(given, kinds) {
        return Ok(call);
    }
    let words: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let (what, known) = (words.join(" or "), of(kinds).map(|about| about.name).collect::<Vec<_>>());
    Err(match given.parts.first() {
        Some(part) => error(given.text, part.at.clone(), unknown(&part.name, &what, &known)),
        None => error(given.text, given.at.clone(), {
            let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            format!("here {article} {what} is missing: one of `{}`", known.join("`, `"))
        }),
    })
}

/// The surface of `induced`, after its metric.
fn induced(given: &mut Given<'_>) -> Result<AnySurface, TextError> {
    let (exact, refuse, of_losses) = (given.option("exact"), given.option("refuse"), given.option("of_losses"));
    let mut embeddings = Vec::new();
    let mut ambient = None;
    while let Some(part) = given.parts.first() {
        if find(&[Kind::AmbientMetric], &part.name).is_some() {
            let space = AnySpace::of(given.text, part)?;
            if ambient.replace(space).is_some() {
                return Err(error(
                    given.text,
                    part.at.clone(),
                    "a surface stands in one ambient metric, and this is a second",
                ));
            }
            given.parts.remove(0);
        } else if find(&[Kind::Embedding], &part.name).is_some() {
            if embeddings.len() == MOST_LOSSES {
                let problem = format!("a surface has {MOST_LOSSES} losses at most, each with one embedding");
                return Err(error(given.text, part.at.clone(), problem));
            }
            embeddings.push(AnyEmbedding::of(given.text, given.parts.remove(0))?);
        } else {
            first(given, &[Kind::Embedding, Kind::AmbientMetric])?;
        }
    }
    if embeddings.is_empty() {
        first(given, &[Kind::Embedding])?;
    }
    let xi = given.each(0, embeddings.len())?;
    let (beta, margin) = (one(given, 1)?, one(given, 2)?);
    let ambient = ambient.unwrap_or(AnySpace::Straight(AnyAmbient::Product));
    let leans = !matches!(ambient, AnySpace::Straight(_));
    let guard = if leans && !refuse { Guard::ScaleBack { margin } } else { Guard::Refuse };
    let heights = embeddings.into_iter().zip(xi).map(|(embedding, xi)| Height { embedding, xi }).collect();
    Ok(AnySurface { heights, ambient, of_losses, exact, guard, beta })
}

/// A constant that is one number.
fn one(given: &Given<'_>, index: usize) -> Result<f64, TextError> {
    Ok(given.each(index, 1)?.first().copied().unwrap_or_default())
}

/// What stands behind a rule.
const BEHIND: &[Kind] = &[Kind::Momentum, Kind::Gradient, Kind::Wrapper, Kind::EvaluationPoint];

impl AnyRule {
    /// With a wrapper of its step.
    fn wrap(&mut self, mut given: Given<'_>, call: &Call) -> Result<(), TextError> {
        let (text, constants) = (given.text, given.constants()?);
        let twice = match call.name.as_str() {
            "cautious" => core::mem::replace(&mut self.cautious, true).then_some("it is cautious already"),
            "momo" => {
                let before = core::mem::replace(&mut self.lower_bound, constants.first().copied());
                before.map(|_| "a model limits it already")
            }
            _ => {
                let before = core::mem::replace(&mut self.distance, AnyDistance::of(&constants, &mut given));
                before.map(|_| "its rate is a distance already")
            }
        };
        given.end(&[])?;
        twice.map_or(Ok(()), |problem| Err(error(text, call.at.clone(), problem)))
    }
}

impl FromStr for AnyRule {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let sum = text::sum(text)?;
        let (mut rule, is_short) = Self::of(text, &sum.step)?;
        let mut has_momentum = is_short;
        for call in sum.behind {
            let Some(about) = find(BEHIND, &call.name) else {
                let known: Vec<&str> = of(BEHIND).map(|about| about.name).collect();
                let problem = unknown(&call.name, "momentum, and nothing else that stands behind a rule", &known);
                return Err(error(text, call.at, problem));
            };
            match about.kind {
                Kind::Gradient => rule.gradient.push(AnyPreprocess::of(text, &call)?),
                Kind::EvaluationPoint => {
                    if rule.point.is_some() {
                        return Err(error(text, call.at, "a rule has one evaluation point, and this is a second"));
                    }
                    rule.point = Some(AnyPoint::of(text, &call)?);
                }
                Kind::Momentum => {
                    if has_momentum {
                        let problem = if is_short {
                            format!("`{}` has its momentum in brackets: write it there", sum.step.name)
                        } else {
                            "a rule has one momentum, and this is a second".to_owned()
                        };
                        return Err(error(text, call.at, problem));
                    }
                    has_momentum = true;
                    rule.momentum = if call.name == "no_momentum" {
                        Given::new(text, &call, about)?.end(&[])?;
                        None
                    } else {
                        Some(AnyMomentum::of(text, &call)?)
                    };
                }
                _ => rule.wrap(Given::new(text, &call, about)?, &call)?,
            }
        }
        rule.validate().map_err(|refusal| error(text, 0..text.len(), refusal.to_string()))?;
        Ok(rule)
    }
}

impl fmt::Display for AnyRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![self.metric.to_string()];
        let written = match &self.preconditioner {
            AnyPreconditioner::Flat => Written::new("flat", &[]),
            AnyPreconditioner::Induced(AnySurface { heights, ambient, of_losses, exact, guard, beta }) => {
                parts.extend(heights.iter().map(|height| height.embedding.to_string()));
                let is_product = *ambient == AnySpace::Straight(AnyAmbient::Product);
                parts.extend((!is_product).then(|| ambient.to_string()));
                let leans = !matches!(ambient, AnySpace::Straight(_));
                let margin = match guard {
                    Guard::ScaleBack { margin } => vec![*margin],
                    Guard::Refuse => Vec::new(),
                };
                let written = Written { name: "induced", ..Written::default() }
                    .option("exact", *exact)
                    .option("refuse", leans && *guard == Guard::Refuse)
                    .option("of_losses", *of_losses);
                let xi = heights.iter().map(|height| height.xi).collect();
                Written { constants: vec![xi, vec![*beta], margin], ..written }
            }
            AnyPreconditioner::Bilinear(Bilinear { height, a, b, beta }) => {
                parts.extend([height.embedding.to_string(), a.to_string(), b.to_string()]);
                Written::new("bilinear", &[height.xi, *beta])
            }
            AnyPreconditioner::Clipped(Clipped { clip, beta, floor }) => {
                parts.push(clip.to_string());
                Written::new("clipped", &[*beta, *floor])
            }
        };
        formatter.write_str(&Written { parts, ..written }.text(&[Kind::Rule]))?;
        if let Some(momentum) = &self.momentum {
            write!(formatter, " + {momentum}")?;
        }
        if self.cautious {
            formatter.write_str(" + cautious")?;
        }
        if let Some(lower_bound) = self.lower_bound {
            write!(formatter, " + {}", Written::new("momo", &[lower_bound]).text(&[Kind::Wrapper]))?;
        }
        if let Some(distance) = self.distance {
            write!(formatter, " + {}", distance.written().text(&[Kind::Wrapper]))?;
        }
        for preprocess in &self.gradient {
            write!(formatter, " + {preprocess}")?;
        }
        match &self.point {
            Some(point) => write!(formatter, " + {point}"),
            None => Ok(()),
        }
    }
}

serde_text!(AnyRule);

impl AnyRule {
    /// The name under which reports and checkpoints know it: that of the typed rule.
    ///
    /// ```
    /// use ambient_metric::any::AnyRule;
    /// let rule: AnyRule = "adamw".parse()?;
    /// assert_eq!(rule.name(), "Descent(RmsProp, Flat, Ema)");
    /// # Ok::<(), ambient_metric::any::TextError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> String {
        let preconditioner = match &self.preconditioner {
            AnyPreconditioner::Flat => "Flat".to_owned(),
            AnyPreconditioner::Induced(surface) => {
                let names: Vec<String> = surface.heights.iter().map(|height| height.embedding.name()).collect();
                let heights =
                    if let [only] = names.as_slice() { only.clone() } else { format!("[{}]", names.join(", ")) };
                let ambient = surface.ambient.name();
                let ambient = if surface.of_losses { format!("OfLosses({ambient})") } else { ambient };
                format!("Induced({heights}, {ambient}, {})", if surface.exact { "exact" } else { "damped" })
            }
            AnyPreconditioner::Bilinear(bilinear) => bilinear.name(),
            AnyPreconditioner::Clipped(clipped) => clipped.name(),
        };
        let preconditioner = if self.cautious { format!("Cautious({preconditioner})") } else { preconditioner };
        let preconditioner =
            if self.lower_bound.is_some() { format!("MoMo({preconditioner})") } else { preconditioner };
        let momentum = self.momentum.map_or("NoMomentum".to_owned(), |momentum| momentum.name());
        let name = match self.distance {
            Some(distance) => format!("{}({preconditioner})", distance.name()),
            None => format!("Descent({}, {preconditioner}, {momentum})", self.metric.name()),
        };
        let (beforehand, transform) = self.of_gradients();
        let within = |name: String, outer: &dyn fmt::Display| format!("{outer}({name})");
        let name = transform.map_or(name.clone(), |transform| within(name, &GradientTransform::name(&transform)));
        let name = self.point.map_or(name.clone(), |point| within(name, &point.name()));
        beforehand.iter().rev().fold(name, |name, preprocess| within(name, &preprocess.short()))
    }

    /// Accepts constants in their ranges, and parts that go together.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Losses`], [`Error::NoEngine`].
    pub fn validate(&self) -> Result<(), Error> {
        self.metric.validate()?;
        match &self.preconditioner {
            AnyPreconditioner::Flat => {}
            AnyPreconditioner::Induced(surface) => surface.validate()?,
            AnyPreconditioner::Bilinear(bilinear) => bilinear.validate()?,
            AnyPreconditioner::Clipped(clipped) => clipped.validate()?,
        }
        self.momentum.map_or(Ok(()), |momentum| momentum.validate())?;
        self.gradient.iter().try_for_each(AnyPreprocess::check)?;
        self.point.map_or(Ok(()), |point| point.validate())?;
        let needs_metric = match &self.preconditioner {
            AnyPreconditioner::Flat | AnyPreconditioner::Clipped(_) => false,
            AnyPreconditioner::Bilinear(_) => true,
            AnyPreconditioner::Induced(surface) => {
                surface.exact || surface.heights.len() > 1 || !matches!(surface.ambient, AnySpace::Straight(_))
            }
        };
        require_metric(self.metric.has_metric(), needs_metric, || self.metric.name())
    }
}

impl AnySurface {
    fn validate(&self) -> Result<(), Error> {
        self.heights.iter().try_for_each(Height::validate)?;
        self.guard.validate()?;
        require_decay("beta", self.beta)?;
        match (&self.ambient, self.heights.len()) {
            (AnySpace::Straight(ambient), 1) => AmbientMetric::<1>::validate(ambient),
            (AnySpace::Straight(ambient), 2) => AmbientMetric::<2>::validate(ambient),
            (AnySpace::Straight(ambient), 3) => AmbientMetric::<3>::validate(ambient),
            (AnySpace::Straight(ambient), MOST_LOSSES) => AmbientMetric::<MOST_LOSSES>::validate(ambient),
            (AnySpace::Coupled(coupling), 1..=MOST_LOSSES) => coupling.validate(),
            (AnySpace::Given, 1..=MOST_LOSSES) => Ok(()),
            (_, found) => Err(Error::Losses { expected: 1, found }),
        }
    }
}
