//! The relatives of the induced rules by name: couplings, clips, several losses, and metrics over whole tensors.

use core::fmt;
use core::str::FromStr;

use ambient_metric::ambient::{AlongGradient, AlongMomentum, AlongParameters, Given};
use ambient_metric::base::{PointwiseMetric, Polar, Width};
use ambient_metric::rule::{Bilinear, Clipped, Hard, Induction, Root, Soft};
use ambient_metric::space::Local;
use ambient_metric::{Dense, Descent, Ema, Height, Induced, Kronecker, Muon, Real};

use super::hyperparameters::Hyperparameters;
use super::surface::{BaseMetric, Embedding, FIXED_METRICS, find, name};
use super::with_rule::WithRule;
use crate::error::Error;

/// A relative of the induced rule, put together from its parts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Variant {
    /// A height that is not orthogonal to the parameters.
    Coupled(BaseMetric, Embedding, Coupling),
    /// A step that is clipped.
    Clipped(BaseMetric, Clip),
    /// A surface over several losses with one embedding.
    Joint(BaseMetric, Embedding, Losses),
    /// A surface over a metric of whole tensors.
    Whole(WholeMetric, Embedding),
}

/// Which covector couples height and parameters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Coupling {
    /// c = κ l.
    Gradient,
    /// c = κ m̂.
    Momentum,
    /// c = κ θ.
    Parameters,
    /// c as it is given.
    Given,
    /// a = κ l and b = κ m̂: a bilinear form.
    Bilinear,
}

/// How a step is clipped.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Clip {
    /// min(1, 1 / (√ξ‖l‖)).
    Hard,
    /// 1 / (1 + √ξ‖l‖).
    Soft,
    /// 1 / √(1 + ξ⟨l, l⟩).
    Root,
    /// 1 / (1 + ξ⟨l, l⟩).
    Induction,
}

/// How many losses there are.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Losses {
    /// Two.
    Two,
    /// Three.
    Three,
    /// Four.
    Four,
}

/// A base metric over whole tensors.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum WholeMetric {
    /// Shampoo's.
    Kronecker,
    /// The exact polar factor of the momentum.
    Muon,
    /// |H| + 1 with H the Hessian at the start.
    Hessian,
}

const COUPLINGS: [(&str, Coupling); 5] = [
    ("gradient", Coupling::Gradient),
    ("momentum", Coupling::Momentum),
    ("parameters", Coupling::Parameters),
    ("given", Coupling::Given),
    ("bilinear", Coupling::Bilinear),
];
const CLIPS: [(&str, Clip); 4] =
    [("hard", Clip::Hard), ("soft", Clip::Soft), ("root", Clip::Root), ("induction", Clip::Induction)];
const LOSSES: [(&str, Losses); 3] = [("2", Losses::Two), ("3", Losses::Three), ("4", Losses::Four)];
const WHOLE_METRICS: [(&str, WholeMetric); 3] =
    [("kronecker", WholeMetric::Kronecker), ("muon", WholeMetric::Muon), ("hessian", WholeMetric::Hessian)];

impl Variant {
    /// How each kind is written on the command line.
    pub const COMPOSITIONS: [&'static str; 4] = [
        "coupled:METRIC:EMBEDDING:COUPLING",
        "clipped:METRIC:CLIP",
        "joint:METRIC:EMBEDDING:LOSSES",
        "whole:METRIC:EMBEDDING",
    ];

    /// Every one there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (_, metric) in FIXED_METRICS {
            for (_, embedding) in Embedding::NAMES {
                all.extend(COUPLINGS.map(|(_, coupling)| Self::Coupled(metric, embedding, coupling)));
                all.extend(LOSSES.map(|(_, losses)| Self::Joint(metric, embedding, losses)));
            }
            all.extend(CLIPS.map(|(_, clip)| Self::Clipped(metric, clip)));
        }
        for (_, metric) in WHOLE_METRICS {
            all.extend(Embedding::NAMES.map(|(_, embedding)| Self::Whole(metric, embedding)));
        }
        all
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Coupled(..) => "coupled",
            Self::Clipped(..) => "clipped",
            Self::Joint(..) => "joint",
            Self::Whole(..) => "whole",
        }
    }

    /// Whether it has acts in one pass over memory, to be written out, timed, and run on a device.
    #[must_use]
    pub fn is_fused(self) -> bool {
        !matches!(self, Self::Whole(..))
    }

    /// The pointwise metric under it, where it is one.
    pub(crate) fn metric(self) -> Option<BaseMetric> {
        match self {
            Self::Coupled(metric, ..) | Self::Clipped(metric, _) | Self::Joint(metric, ..) => Some(metric),
            Self::Whole(..) => None,
        }
    }

    /// Whether it has a κ.
    pub(crate) fn has_kappa(self) -> bool {
        matches!(self, Self::Coupled(..))
    }

    /// Makes the rule over its pointwise metric and hands it to `task`.
    pub(crate) fn over<M, T>(self, metric: M, h: &Hyperparameters, task: T) -> Result<T::Output, Error>
    where
        M: PointwiseMetric + Clone + 'static,
        T: WithRule,
    {
        let get = Option::unwrap_or_default;
        let (xi, beta, kappa, momentum) = (get(h.xi), get(h.beta), get(h.kappa), Ema(get(h.momentum)));
        let surface = |embedding| Induced::new(embedding, xi).beta(beta);
        match self {
            Self::Coupled(_, embedding, Coupling::Given) => {
                task.with(Descent::new(metric, surface(embedding).coupled(Given).scale_back(MARGIN), momentum))
            }
            Self::Coupled(_, embedding, Coupling::Bilinear) => {
                let form = Bilinear::new(embedding, xi, AlongGradient(kappa), AlongMomentum(kappa));
                task.with(Descent::new(metric, form.beta(beta), momentum))
            }
            Self::Coupled(_, embedding, coupling) => {
                let coupled = surface(embedding).coupled(Along { coupling, kappa });
                task.with(Descent::new(metric, coupled.scale_back(MARGIN), momentum))
            }
            Self::Clipped(_, clip) => {
                task.with(Descent::new(metric, Clipped::new(Clipping { clip, xi }).beta(beta), momentum))
            }
            Self::Joint(_, embedding, losses) => {
                let height = Height { embedding, xi };
                match losses {
                    Losses::Two => task.with(Descent::new(metric, Induced::of([height; 2]).beta(beta), momentum)),
                    Losses::Three => task.with(Descent::new(metric, Induced::of([height; 3]).beta(beta), momentum)),
                    Losses::Four => task.with(Descent::new(metric, Induced::of([height; 4]).beta(beta), momentum)),
                }
            }
            Self::Whole(metric, embedding) => metric.over(embedding, h, task),
        }
    }
}

impl WholeMetric {
    /// Makes the rule and hands it to `task`.
    pub(crate) fn over<T: WithRule>(
        self,
        embedding: Embedding,
        h: &Hyperparameters,
        task: T,
    ) -> Result<T::Output, Error> {
        let get = Option::unwrap_or_default;
        let (surface, momentum) = (Induced::new(embedding, get(h.xi)).beta(get(h.beta)), Ema(get(h.momentum)));
        match self {
            Self::Kronecker => task.whole(Descent::new(Kronecker::default(), surface, momentum)),
            Self::Muon => {
                // Muon remembers by itself.
                let muon = Muon { momentum, orthogonaliser: Polar, width: Width::Unscaled };
                task.whole(Descent::new(muon, surface, Ema(0.0)))
            }
            Self::Hessian => {
                let hessian = task.hessian().ok_or_else(|| Error::Hyperparameter {
                    rule: "whole:hessian",
                    problem: "is for functions: there is no Hessian here".to_owned(),
                })?;
                let metric = absolute(hessian)?;
                task.whole(Descent::new(metric, surface, momentum))
            }
        }
    }
}

/// How far below one ⟨c, c⟩ is kept.
const MARGIN: f64 = 0.01;

/// |H| + 1 of a symmetric 2×2 matrix H, from its eigenvectors.
///
/// # Errors
///
/// For entries that are not finite.
pub fn absolute([[a, b], [_, d]]: [[f64; 2]; 2]) -> Result<Dense<f64>, Error> {
    let (mean, half) = (f64::midpoint(a, d), (a - d) / 2.0);
    let radius = half.hypot(b);
    let (high, low) = ((mean + radius).abs() + 1.0, (mean - radius).abs() + 1.0);
    // The mean of the two eigenvalues, and half their difference times the traceless part of H, made a unit.
    let (centre, spread) = (f64::midpoint(high, low), (high - low) / 2.0);
    let share = |entry: f64| if radius > 0.0 { spread * entry / radius } else { 0.0 };
    let rows = vec![vec![centre + share(half), share(b)], vec![share(b), centre - share(half)]];
    Ok(Dense::new(rows)?)
}

/// A coupling along something that a step has, chosen at run time.
#[derive(Clone, Copy, Debug)]
struct Along {
    coupling: Coupling,
    kappa: f64,
}

impl ambient_metric::ambient::Coupling for Along {
    type State<S: Real> = ();

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Local<S>) -> S {
        match self.coupling {
            Coupling::Momentum => AlongMomentum(self.kappa).covector((), at),
            Coupling::Parameters => AlongParameters(self.kappa).covector((), at),
            _ => AlongGradient(self.kappa).covector((), at),
        }
    }

    fn validate(&self) -> Result<(), ambient_metric::Error> {
        AlongGradient(self.kappa).validate()
    }

    fn name(&self) -> String {
        match self.coupling {
            Coupling::Momentum => AlongMomentum(self.kappa).name(),
            Coupling::Parameters => AlongParameters(self.kappa).name(),
            _ => AlongGradient(self.kappa).name(),
        }
    }
}

/// A clip that sets in where ξ⟨l, l⟩ is about one. It acts once a step, so the choice costs a rule nothing.
#[derive(Clone, Copy, Debug)]
struct Clipping {
    clip: Clip,
    xi: f64,
}

impl Clipping {
    fn hard(self) -> Hard {
        Hard { length: 1.0 / self.xi.sqrt() }
    }

    fn soft(self) -> Soft {
        Soft { rate: self.xi.sqrt() }
    }

    fn root(self) -> Root {
        Root { xi: self.xi }
    }

    fn induction(self) -> Induction {
        Induction { xi: self.xi }
    }
}

impl ambient_metric::rule::Clip for Clipping {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        match self.clip {
            Clip::Hard => self.hard().factor(squared_length),
            Clip::Soft => self.soft().factor(squared_length),
            Clip::Root => self.root().factor(squared_length),
            Clip::Induction => self.induction().factor(squared_length),
        }
    }

    fn validate(&self) -> Result<(), ambient_metric::Error> {
        self.root().validate()?;
        match self.clip {
            Clip::Hard => self.hard().validate(),
            _ => Ok(()),
        }
    }

    fn name(&self) -> String {
        match self.clip {
            Clip::Hard => self.hard().name(),
            Clip::Soft => self.soft().name(),
            Clip::Root => self.root().name(),
            Clip::Induction => self.induction().name(),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.kind())?;
        if let Some(metric) = self.metric() {
            write!(formatter, "{}:", name(&metric, &FIXED_METRICS))?;
        }
        match self {
            Self::Coupled(_, embedding, coupling) => write!(formatter, "{embedding}:{}", name(coupling, &COUPLINGS)),
            Self::Clipped(_, clip) => formatter.write_str(name(clip, &CLIPS)),
            Self::Joint(_, embedding, losses) => write!(formatter, "{embedding}:{}", name(losses, &LOSSES)),
            Self::Whole(metric, embedding) => write!(formatter, "{}:{embedding}", name(metric, &WHOLE_METRICS)),
        }
    }
}

impl FromStr for Variant {
    type Err = Error;

    /// One of [`COMPOSITIONS`](Self::COMPOSITIONS).
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let mut next = || parts.next().unwrap_or_default();
        let variant = match kind {
            "whole" => Self::Whole(find("metric", next(), &WHOLE_METRICS)?, next().parse()?),
            "coupled" => {
                let metric = find("metric", next(), &FIXED_METRICS)?;
                Self::Coupled(metric, next().parse()?, find("coupling", next(), &COUPLINGS)?)
            }
            "clipped" => Self::Clipped(find("metric", next(), &FIXED_METRICS)?, find("clip", next(), &CLIPS)?),
            "joint" => {
                let metric = find("metric", next(), &FIXED_METRICS)?;
                Self::Joint(metric, next().parse()?, find("number of losses", next(), &LOSSES)?)
            }
            other => {
                let known = Self::COMPOSITIONS.to_vec();
                return Err(Error::UnknownName { what: "kind of rule", name: other.to_owned(), known });
            }
        };
        match parts.next() {
            None => Ok(variant),
            Some(more) => {
                let known = Self::COMPOSITIONS.to_vec();
                Err(Error::UnknownName { what: "part after the last", name: more.to_owned(), known })
            }
        }
    }
}
