//! Parts chosen at run time: enums that implement the traits of their members, so that one instantiation serves all of them.
//!
//! An enum has members with the same number of state slots, so that a chosen part keeps and moves what the chosen one does. Which member it is, is the
//! same for every element of a pass.

use crate::ambient::ambient_metric::{AmbientMetric, Position, Product};
use crate::ambient::conformal::Conformal;
use crate::ambient::correlated::Correlated;
use crate::ambient::coupling::{AlongGradient, AlongMomentum, AlongParameters, Coupling};
use crate::ambient::embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
use crate::ambient::gram::Gram;
use crate::ambient::hyperbolic::Hyperbolic;
use crate::ambient::profile::{Exponential, Profile, Reciprocal};
use crate::ambient::warped::Warped;
use crate::ambient::weighted::Weighted;
use crate::any::table::{Kind, find};
use crate::any::text::{Call, Given, TextError, error, unknown};
use crate::error::Error;
use crate::number::bundle::{Bundle, fit, names};
use crate::number::scalar::Real;
use crate::rule::clipping::{Clip, Hard, Induction, Root, Soft};
use crate::space::acts::Local;
use crate::space::adan::Adan;
use crate::space::belief::Belief;
use crate::space::lion::LionMomentum;
use crate::space::momentum::{Ema, HeavyBall, Momentum, Nesterov, Recall};

/// What a part is written as.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) parts: Vec<String>,
    pub(crate) options: Vec<&'static str>,
    /// In the order of the table.
    pub(crate) constants: Vec<Vec<f64>>,
}

impl Written {
    pub(crate) fn new(name: &'static str, constants: &[f64]) -> Self {
        Self { name, constants: constants.iter().map(|&constant| vec![constant]).collect(), ..Self::default() }
    }

    /// With this option, if it is chosen.
    pub(crate) fn option(mut self, name: &'static str, is_chosen: bool) -> Self {
        self.options.extend(is_chosen.then_some(name));
        self
    }

    /// As a text: parts, options, and constants with their names.
    pub(crate) fn text(self, kinds: &[Kind]) -> String {
        let Self { name, parts, options, constants } = self;
        let known = find(kinds, name).map_or(&[][..], |about| about.constants);
        let mut inside = parts;
        inside.extend(options.into_iter().map(str::to_owned));
        for (constant, numbers) in known.iter().zip(constants) {
            // As short as it is exact.
            let same =
                numbers.iter().all(|number| Some(number.to_bits()) == numbers.first().map(|first| first.to_bits()));
            match numbers.as_slice() {
                [] => {}
                [first, ..] if same => inside.push(format!("{}={first:?}", constant.name)),
                numbers => inside.push(format!("{}={numbers:?}", constant.name)),
            }
        }
        if inside.is_empty() { name.to_owned() } else { format!("{name}({})", inside.join(", ")) }
    }
}

/// A part that the grammar knows.
pub(crate) trait Part: Sized {
    /// Among what it is looked up.
    const KINDS: &'static [Kind];

    /// The part of this name, from its constants. Nothing where it has not such a part.
    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError>;

    /// What it is written as.
    fn written(&self) -> Written;

    /// From its text.
    fn of(text: &str, call: &Call) -> Result<Self, TextError> {
        let nobody = || {
            let known: Vec<&str> = crate::any::table::of(Self::KINDS).map(|about| about.name).collect();
            let kinds: Vec<&str> = Self::KINDS.iter().map(|kind| kind.name()).collect();
            error(text, call.at.clone(), unknown(&call.name, &kinds.join(" or "), &known))
        };
        let about = find(Self::KINDS, &call.name).ok_or_else(nobody)?;
        let mut given = Given::new(text, call, about)?;
        let constants = given.constants()?;
        let part = Self::make(&call.name, &constants, &mut given)?.ok_or_else(nobody)?;
        given.end(&[])?;
        Ok(part)
    }
}

/// Text and serde of parts, both by way of the grammar.
macro_rules! textual {
    ($($part:ty),+) => {$(
        impl core::fmt::Display for $part {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str(&self.written().text(Self::KINDS))
            }
        }

        impl core::str::FromStr for $part {
            type Err = $crate::any::text::TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::of(text, &$crate::any::text::part(text)?)
            }
        }

        $crate::any::parts::serde_text!($part);
    )+};
}

/// Serialises as text.
macro_rules! serde_text {
    ($part:ty) => {
        #[cfg(feature = "serde")]
        impl serde::Serialize for $part {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $part {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {serde_text, textual};

/// An embedding chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyEmbedding;
/// use ambient_metric::Embedding;
///
/// let embedding: AnyEmbedding = "power(0.5)".parse()?;
/// assert_eq!(embedding.height(9.0), 3.0);
/// assert_eq!(embedding.to_string(), "power(p=0.5)");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyEmbedding {
    /// [`Identity`].
    Identity,
    /// [`Log`].
    Log,
    /// [`Sqrt`].
    Sqrt,
    /// [`Log1p`].
    Log1p,
    /// [`Power`].
    Power(Power),
}

/// Does the same with whatever embedding it is.
macro_rules! embedding {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyEmbedding::Identity => {
                let $part = &Identity;
                $does
            }
            AnyEmbedding::Log => {
                let $part = &Log;
                $does
            }
            AnyEmbedding::Sqrt => {
                let $part = &Sqrt;
                $does
            }
            AnyEmbedding::Log1p => {
                let $part = &Log1p;
                $does
            }
            AnyEmbedding::Power($part) => $does,
        }
    };
}

impl Embedding for AnyEmbedding {
    fn height<S: Real>(&self, loss: S) -> S {
        embedding!(self, part => part.height(loss))
    }

    fn slope<S: Real>(&self, loss: S) -> S {
        embedding!(self, part => part.slope(loss))
    }

    fn second_slope<S: Real>(&self, loss: S) -> S {
        embedding!(self, part => part.second_slope(loss))
    }

    fn accepts<S: Real>(&self, loss: S) -> S::Mask {
        embedding!(self, part => part.accepts(loss))
    }

    fn check(&self, loss: f64) -> Result<(), Error> {
        embedding!(self, part => part.check(loss))
    }

    fn validate(&self) -> Result<(), Error> {
        embedding!(self, part => part.validate())
    }

    fn name(&self) -> String {
        embedding!(self, part => part.name())
    }
}

impl Part for AnyEmbedding {
    const KINDS: &'static [Kind] = &[Kind::Embedding];

    fn make(name: &str, constants: &[f64], _given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("identity", []) => Self::Identity,
            ("log", []) => Self::Log,
            ("sqrt", []) => Self::Sqrt,
            ("log1p", []) => Self::Log1p,
            ("power", &[p]) => Self::Power(Power(p)),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Identity => Written::new("identity", &[]),
            Self::Log => Written::new("log", &[]),
            Self::Sqrt => Written::new("sqrt", &[]),
            Self::Log1p => Written::new("log1p", &[]),
            Self::Power(Power(p)) => Written::new("power", &[p]),
        }
    }
}

/// A momentum chosen at run time. Its types have room for every one: it is for rules that are [`AnyFused`](crate::any::AnyFused), whose passes are recorded and
/// keep what the chosen one does. In a type of one's own take [`OneSlot`].
///
/// ```
/// use ambient_metric::any::AnyMomentum;
///
/// let momentum: AnyMomentum = "nesterov(0.95)".parse()?;
/// assert_eq!(momentum.to_string(), "nesterov(decay=0.95)");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyMomentum {
    /// [`Ema`].
    Ema(Ema),
    /// [`HeavyBall`].
    HeavyBall(HeavyBall),
    /// [`Nesterov`].
    Nesterov(Nesterov),
    /// [`LionMomentum`].
    Lion(LionMomentum),
    /// [`Belief`].
    Belief(Belief),
    /// [`Adan`].
    Adan(Adan),
}

/// Does the same with whatever momentum it is.
macro_rules! momentum {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyMomentum::Ema($part) => $does,
            AnyMomentum::HeavyBall($part) => $does,
            AnyMomentum::Nesterov($part) => $does,
            AnyMomentum::Lion($part) => $does,
            AnyMomentum::Belief($part) => $does,
            AnyMomentum::Adan($part) => $does,
        }
    };
}

#[allow(clippy::unit_arg, reason = "some momenta correct nothing")]
impl Momentum for AnyMomentum {
    type State<S: Real> = [S; 3];
    type Corrections<S: Real> = [S; 3];

    fn decay(&self) -> f64 {
        momentum!(self, part => part.decay())
    }

    fn correct<S: Real>(&self, power: S) -> [S; 3] {
        momentum!(self, part => fit::<S, _, _>(part.correct(power)))
    }

    fn remember<S: Real>(&self, corrections: [S; 3], state: [S; 3], gradient: S) -> [S; 3] {
        momentum!(self, part => fit::<S, _, _>(part.remember(fit::<S, _, _>(corrections), fit::<S, _, _>(state), gradient)))
    }

    fn covector<S: Real>(&self, corrections: [S; 3], at: Recall<[S; 3], S>) -> S {
        momentum!(self, part => part.covector(fit::<S, _, _>(corrections), narrow(at)))
    }

    fn shown<S: Real>(&self, corrections: [S; 3], at: Recall<[S; 3], S>) -> Option<S> {
        momentum!(self, part => part.shown(fit::<S, _, _>(corrections), narrow(at)))
    }

    fn validate(&self) -> Result<(), Error> {
        momentum!(self, part => part.validate())
    }

    fn name(&self) -> String {
        momentum!(self, part => part.name())
    }
}

/// The names of what a momentum keeps.
fn kept<Q: Momentum>(_momentum: &Q) -> Vec<String> {
    names::<Q::State<f64>>()
}

impl AnyMomentum {
    /// The names of what the chosen one keeps.
    pub(crate) fn slots(&self) -> Vec<String> {
        momentum!(self, part => kept(part))
    }

    /// The constant by which past gradients fade first, to be changed.
    #[must_use]
    pub fn decay_mut(&mut self) -> &mut f64 {
        match self {
            Self::Ema(ema) => &mut ema.0,
            Self::HeavyBall(ball) => &mut ball.0,
            Self::Nesterov(nesterov) => &mut nesterov.0,
            Self::Lion(lion) => &mut lion.beta1,
            Self::Belief(belief) => &mut belief.0,
            Self::Adan(adan) => &mut adan.beta1,
        }
    }
}

/// The same with as much state as there is.
fn narrow<S: Real, St: Bundle<S>>(at: Recall<[S; 3], S>) -> Recall<St, S> {
    Recall { past: fit(at.past), present: fit(at.present), gradient: at.gradient }
}

/// A momentum chosen at run time, of those that keep one number per parameter: where passes are compiled.
///
/// ```
/// use ambient_metric::any::{AnyMomentum, OneSlot};
/// assert!(OneSlot::new("ema".parse()?).is_some());
/// assert!(OneSlot::new("adan".parse()?).is_none());
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneSlot(AnyMomentum);

impl OneSlot {
    /// The momentum, if it keeps one number.
    #[must_use]
    pub fn new(momentum: AnyMomentum) -> Option<Self> {
        (!matches!(momentum, AnyMomentum::Adan(_))).then_some(Self(momentum))
    }

    /// The momentum.
    #[must_use]
    pub fn get(self) -> AnyMomentum {
        self.0
    }

    /// As [`AnyMomentum::decay_mut`].
    #[must_use]
    pub fn decay_mut(&mut self) -> &mut f64 {
        self.0.decay_mut()
    }
}

impl Momentum for OneSlot {
    type State<S: Real> = S;
    /// Those of [`Nesterov`], which has the most.
    type Corrections<S: Real> = [S; 2];

    fn decay(&self) -> f64 {
        momentum!(&self.0, part => part.decay())
    }

    fn correct<S: Real>(&self, power: S) -> [S; 2] {
        match &self.0 {
            AnyMomentum::Ema(part) => [part.correct(power), S::zero()],
            AnyMomentum::HeavyBall(_) | AnyMomentum::Lion(_) | AnyMomentum::Adan(_) => [S::zero(); 2],
            AnyMomentum::Nesterov(part) => part.correct(power),
            AnyMomentum::Belief(part) => [part.correct(power), S::zero()],
        }
    }

    #[inline(always)]
    fn remember<S: Real>(&self, corrections: [S; 2], state: S, gradient: S) -> S {
        match &self.0 {
            AnyMomentum::Ema(part) => part.remember(corrections[0], state, gradient),
            AnyMomentum::HeavyBall(part) => part.remember((), state, gradient),
            AnyMomentum::Nesterov(part) => part.remember(corrections, state, gradient),
            AnyMomentum::Lion(part) => part.remember((), state, gradient),
            AnyMomentum::Belief(part) => part.remember(corrections[0], state, gradient),
            AnyMomentum::Adan(_) => gradient,
        }
    }

    #[inline(always)]
    fn covector<S: Real>(&self, corrections: [S; 2], at: Recall<S, S>) -> S {
        match &self.0 {
            AnyMomentum::Ema(part) => part.covector(corrections[0], at),
            AnyMomentum::HeavyBall(part) => part.covector((), at),
            AnyMomentum::Nesterov(part) => part.covector(corrections, at),
            AnyMomentum::Lion(part) => part.covector((), at),
            AnyMomentum::Belief(part) => part.covector(corrections[0], at),
            AnyMomentum::Adan(_) => at.gradient,
        }
    }

    #[inline(always)]
    fn shown<S: Real>(&self, corrections: [S; 2], at: Recall<S, S>) -> Option<S> {
        if let AnyMomentum::Belief(part) = &self.0 { part.shown(corrections[0], at) } else { None }
    }

    fn validate(&self) -> Result<(), Error> {
        momentum!(&self.0, part => part.validate())
    }

    fn name(&self) -> String {
        momentum!(&self.0, part => part.name())
    }
}

impl Part for AnyMomentum {
    const KINDS: &'static [Kind] = &[Kind::Momentum];

    fn make(name: &str, constants: &[f64], _given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("ema", &[decay]) => Self::Ema(Ema(decay)),
            ("heavy_ball", &[decay]) => Self::HeavyBall(HeavyBall(decay)),
            ("nesterov", &[decay]) => Self::Nesterov(Nesterov(decay)),
            ("lion", &[beta1, beta2]) => Self::Lion(LionMomentum { beta1, beta2 }),
            ("belief", &[decay]) => Self::Belief(Belief(decay)),
            ("adan", &[beta1, beta2]) => Self::Adan(Adan { beta1, beta2 }),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Ema(Ema(decay)) => Written::new("ema", &[decay]),
            Self::HeavyBall(HeavyBall(decay)) => Written::new("heavy_ball", &[decay]),
            Self::Nesterov(Nesterov(decay)) => Written::new("nesterov", &[decay]),
            Self::Lion(LionMomentum { beta1, beta2 }) => Written::new("lion", &[beta1, beta2]),
            Self::Belief(Belief(decay)) => Written::new("belief", &[decay]),
            Self::Adan(Adan { beta1, beta2 }) => Written::new("adan", &[beta1, beta2]),
        }
    }
}

/// A profile chosen at run time.
///
/// ```
/// use ambient_metric::ambient::{Profile, Reciprocal};
/// use ambient_metric::any::AnyProfile;
/// assert_eq!(AnyProfile::Reciprocal(Reciprocal(1.0)).value(3.0), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyProfile {
    /// [`Reciprocal`].
    Reciprocal(Reciprocal),
    /// [`Exponential`].
    Exponential(Exponential),
}

impl Profile for AnyProfile {
    fn value<S: Real>(&self, height: S) -> S {
        match self {
            Self::Reciprocal(part) => part.value(height),
            Self::Exponential(part) => part.value(height),
        }
    }

    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Reciprocal(part) => part.validate(),
            Self::Exponential(part) => part.validate(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Reciprocal(part) => part.name(),
            Self::Exponential(part) => part.name(),
        }
    }
}

/// A coupling chosen at run time, of those that keep nothing. [`Given`](crate::ambient::Given) keeps its covector and is a type of its own.
///
/// ```
/// use ambient_metric::any::AnyCoupling;
///
/// let coupling: AnyCoupling = "along_momentum(0.5)".parse()?;
/// assert_eq!(coupling.to_string(), "along_momentum(kappa=0.5)");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyCoupling {
    /// [`AlongGradient`].
    AlongGradient(AlongGradient),
    /// [`AlongMomentum`].
    AlongMomentum(AlongMomentum),
    /// [`AlongParameters`].
    AlongParameters(AlongParameters),
}

/// Does the same with whatever coupling it is.
macro_rules! coupling {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyCoupling::AlongGradient($part) => $does,
            AnyCoupling::AlongMomentum($part) => $does,
            AnyCoupling::AlongParameters($part) => $does,
        }
    };
}

impl Coupling for AnyCoupling {
    type State<S: Real> = ();

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Local<S>) -> S {
        coupling!(self, part => part.covector((), at))
    }

    fn validate(&self) -> Result<(), Error> {
        coupling!(self, part => part.validate())
    }

    fn name(&self) -> String {
        coupling!(self, part => part.name())
    }
}

impl Part for AnyCoupling {
    const KINDS: &'static [Kind] = &[Kind::AmbientMetric];

    fn make(name: &str, constants: &[f64], _given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("along_gradient", &[kappa]) => Self::AlongGradient(AlongGradient(kappa)),
            ("along_momentum", &[kappa]) => Self::AlongMomentum(AlongMomentum(kappa)),
            ("along_parameters", &[kappa]) => Self::AlongParameters(AlongParameters(kappa)),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::AlongGradient(AlongGradient(kappa)) => Written::new("along_gradient", &[kappa]),
            Self::AlongMomentum(AlongMomentum(kappa)) => Written::new("along_momentum", &[kappa]),
            Self::AlongParameters(AlongParameters(kappa)) => Written::new("along_parameters", &[kappa]),
        }
    }
}

/// A clip chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyClip;
/// use ambient_metric::rule::Clip;
///
/// let clip: AnyClip = "hard(length=1)".parse()?;
/// assert_eq!(clip.factor(4.0), 0.5);
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyClip {
    /// [`Hard`].
    Hard(Hard),
    /// [`Soft`].
    Soft(Soft),
    /// [`Root`].
    Root(Root),
    /// [`Induction`].
    Induction(Induction),
}

/// Does the same with whatever clip it is.
macro_rules! clip {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyClip::Hard($part) => $does,
            AnyClip::Soft($part) => $does,
            AnyClip::Root($part) => $does,
            AnyClip::Induction($part) => $does,
        }
    };
}

impl Clip for AnyClip {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        clip!(self, part => part.factor(squared_length))
    }

    fn validate(&self) -> Result<(), Error> {
        clip!(self, part => part.validate())
    }

    fn name(&self) -> String {
        clip!(self, part => part.name())
    }
}

impl Part for AnyClip {
    const KINDS: &'static [Kind] = &[Kind::Clip];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("hard", &[length]) => Self::Hard(Hard { length }),
            ("soft", &[rate]) => Self::Soft(Soft { rate }),
            ("root", &[xi]) => Self::Root(Root { xi }),
            ("induction", &[xi]) => Self::Induction(Induction { xi }),
            // The wrappers that are no clips.
            _ => {
                let problem = format!("`{name}` stands behind a rule, as in `adamw + {name}`");
                return Err(error(given.text, given.at.clone(), problem));
            }
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Hard(Hard { length }) => Written::new("hard", &[length]),
            Self::Soft(Soft { rate }) => Written::new("soft", &[rate]),
            Self::Root(Root { xi }) => Written::new("root", &[xi]),
            Self::Induction(Induction { xi }) => Written::new("induction", &[xi]),
        }
    }
}

/// An ambient metric chosen at run time, of those without columns. The coupled ones are [`Coupled`](crate::Coupled) with an [`AnyCoupling`].
///
/// `Warped`, `Conformal` and `Hyperbolic` are spaces over one height; with several losses they are refused.
///
/// ```
/// use ambient_metric::any::AnyAmbient;
/// use ambient_metric::{AmbientMetric, ambient::Position};
///
/// let ambient: AnyAmbient = "warped(0.5)".parse()?;
/// assert_eq!(ambient.scale((), Position { losses: [2.0], heights: [2.0] }), Some(0.25));
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyAmbient {
    /// [`Product`].
    Product,
    /// [`Weighted`].
    Weighted(Weighted<AnyProfile>),
    /// [`Warped`].
    Warped(Warped<AnyProfile>),
    /// [`Conformal`].
    Conformal(Conformal<AnyProfile>),
    /// [`Hyperbolic`].
    Hyperbolic,
    /// [`Correlated`].
    Correlated(Correlated),
}

impl AnyAmbient {
    /// Whether it is a space over any number of heights.
    fn takes_several(self) -> bool {
        matches!(self, Self::Product | Self::Weighted(_) | Self::Correlated(_))
    }
}

/// The first of several heights, for spaces over one.
fn first<S: Real, const K: usize>(at: Position<S, K>) -> Position<S> {
    let number = |numbers: [S; K]| numbers.first().copied().unwrap_or_else(S::zero);
    Position { losses: [number(at.losses)], heights: [number(at.heights)] }
}

/// Does the same with whatever ambient metric it is: at the position as it is, or at that of the first height for a space over one.
macro_rules! ambient {
    ($any:expr, $at:ident, $part:ident => $does:expr, one $one:ident => $of_one:expr) => {
        match $any {
            AnyAmbient::Product => {
                let $part = &Product;
                $does
            }
            AnyAmbient::Weighted($part) => $does,
            AnyAmbient::Correlated($part) => $does,
            AnyAmbient::Warped($one) => {
                let $at = first($at);
                $of_one
            }
            AnyAmbient::Conformal($one) => {
                let $at = first($at);
                $of_one
            }
            AnyAmbient::Hyperbolic => {
                let ($at, $one) = (first($at), &Hyperbolic);
                $of_one
            }
        }
    };
}

impl<const K: usize> AmbientMetric<K> for AnyAmbient {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn scale<S: Real>(&self, (): (), at: Position<S, K>) -> Option<S> {
        ambient!(self, at, part => AmbientMetric::<K>::scale(part, (), at), one part => part.scale((), at))
    }

    fn block<S: Real>(&self, (): (), at: Position<S, K>) -> Option<Gram<S, K>> {
        ambient!(
            self, at,
            part => AmbientMetric::<K>::block(part, (), at),
            one part => part.block((), at).map(|block| Gram::from_entries(|_, _| block.entry(0, 0)))
        )
    }

    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        ambient!(self, at, part => AmbientMetric::<K>::accepts(part, at), one part => part.accepts(at))
    }

    fn check(&self, at: Position<f64, K>) -> Result<(), Error> {
        ambient!(self, at, part => AmbientMetric::<K>::check(part, at), one part => part.check(at))
    }

    fn validate(&self) -> Result<(), Error> {
        if K != 1 && !self.takes_several() {
            return Err(Error::Losses { expected: 1, found: K });
        }
        match self {
            Self::Product | Self::Hyperbolic => Ok(()),
            Self::Weighted(part) => AmbientMetric::<K>::validate(part),
            Self::Warped(part) => part.validate(),
            Self::Conformal(part) => part.validate(),
            Self::Correlated(part) => AmbientMetric::<K>::validate(part),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Product => AmbientMetric::<K>::name(&Product),
            Self::Weighted(part) => AmbientMetric::<K>::name(part),
            Self::Warped(part) => part.name(),
            Self::Conformal(part) => part.name(),
            Self::Hyperbolic => Hyperbolic.name(),
            Self::Correlated(part) => AmbientMetric::<K>::name(part),
        }
    }
}

impl Part for AnyAmbient {
    const KINDS: &'static [Kind] = &[Kind::AmbientMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        let mut profile = |kappa| {
            if given.option("exponential") {
                AnyProfile::Exponential(Exponential(kappa))
            } else {
                AnyProfile::Reciprocal(Reciprocal(kappa))
            }
        };
        Ok(Some(match (name, constants) {
            ("product", []) => Self::Product,
            ("weighted", &[kappa]) => Self::Weighted(Weighted(profile(kappa))),
            ("warped", &[kappa]) => Self::Warped(Warped(profile(kappa))),
            ("conformal", &[kappa]) => Self::Conformal(Conformal(profile(kappa))),
            ("hyperbolic", []) => Self::Hyperbolic,
            ("correlated", &[rho]) => Self::Correlated(Correlated { rho }),
            // The spaces in which heights lean.
            _ => {
                let problem = "heights lean along something that a step has: only a rule stands in such a space, as in \
                               `induced(euclidean, identity, along_gradient(0.1)) + ema`";
                return Err(error(given.text, given.at.clone(), problem));
            }
        }))
    }

    fn written(&self) -> Written {
        let profiled = |name, profile: AnyProfile| match profile {
            AnyProfile::Reciprocal(Reciprocal(kappa)) => Written::new(name, &[kappa]),
            AnyProfile::Exponential(Exponential(kappa)) => Written::new(name, &[kappa]).option("exponential", true),
        };
        match *self {
            Self::Product => Written::new("product", &[]),
            Self::Weighted(Weighted(profile)) => profiled("weighted", profile),
            Self::Warped(Warped(profile)) => profiled("warped", profile),
            Self::Conformal(Conformal(profile)) => profiled("conformal", profile),
            Self::Hyperbolic => Written::new("hyperbolic", &[]),
            Self::Correlated(Correlated { rho }) => Written::new("correlated", &[rho]),
        }
    }
}

textual!(AnyEmbedding, AnyMomentum, AnyCoupling, AnyClip, AnyAmbient);
