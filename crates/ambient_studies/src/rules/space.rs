//! Ambient spaces by name: what a surface of one loss stands in.

use core::fmt;

use ambient_metric::ambient::{
    AmbientMetric, Conformal, Gram, Hyperbolic, Position, Product, Profile as _, Reciprocal, Warped, Weighted,
};
use ambient_metric::{Error as Refusal, Real};

use crate::error::Error;

/// A kind of ambient space. φ is the profile 1/(1 + κh).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// γ ⊕ dh², the paper's.
    Product,
    /// γ ⊕ φdh².
    Weighted,
    /// φ²γ ⊕ dh².
    Warped,
    /// φ(γ ⊕ dh²).
    Conformal,
    /// (γ ⊕ dh²)/h², for h > 0.
    Hyperbolic,
}

impl Kind {
    /// The name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Weighted => "weighted",
            Self::Warped => "warped",
            Self::Conformal => "conformal",
            Self::Hyperbolic => "hyperbolic",
        }
    }

    /// Whether it is made by a profile.
    fn has_profile(self) -> bool {
        matches!(self, Self::Weighted | Self::Warped | Self::Conformal)
    }
}

/// An ambient space: a kind, and κ of its profile where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    kind: Kind,
    profile: Reciprocal,
}

/// κ where none is given.
const RATE: f64 = 1.0;

impl Default for Space {
    /// The paper's.
    fn default() -> Self {
        Self { kind: Kind::Product, profile: Reciprocal(RATE) }
    }
}

impl Space {
    /// The space of a kind, with κ where that is given.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for κ of a space without a profile, or one that is not finite.
    pub fn new(kind: Kind, rate: Option<f64>) -> Result<Self, Error> {
        let refuse = |problem| Err(Error::Option { option: "--rate", problem });
        match rate {
            Some(_) if !kind.has_profile() => refuse("goes with --ambient weighted, warped or conformal".to_owned()),
            Some(rate) if !rate.is_finite() => refuse(format!("is {rate:?}: it must be finite")),
            rate => Ok(Self { kind, profile: Reciprocal(rate.unwrap_or(RATE)) }),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// κ, where it has a profile.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.kind.has_profile().then_some(self.profile.0)
    }

    /// Whether it is the paper's.
    #[must_use]
    pub fn is_product(&self) -> bool {
        self.kind == Kind::Product
    }

    /// Whether it has this height, that of a surface at a loss.
    #[must_use]
    pub fn has(&self, loss: f64, height: f64) -> bool {
        self.check(Position { losses: [loss], heights: [height] }).is_ok()
    }

    /// The heights that it has not, where it has not all.
    #[must_use]
    pub fn end(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Product => None,
            Kind::Weighted | Kind::Warped | Kind::Conformal => Some("1 + κh ≤ 0"),
            Kind::Hyperbolic => Some("h ≤ 0"),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate() {
            Some(rate) => write!(formatter, "{} space with φ = 1/(1 + κh) and κ = {rate}", self.kind.name()),
            None => write!(formatter, "{} space", self.kind.name()),
        }
    }
}

impl AmbientMetric for Space {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        match self.kind {
            Kind::Product => Product.scale((), at),
            Kind::Weighted => Weighted(self.profile).scale((), at),
            Kind::Warped => Warped(self.profile).scale((), at),
            Kind::Conformal => Conformal(self.profile).scale((), at),
            Kind::Hyperbolic => Hyperbolic.scale((), at),
        }
    }

    fn block<S: Real>(&self, (): (), at: Position<S>) -> Option<Gram<S>> {
        match self.kind {
            Kind::Product => Product.block((), at),
            Kind::Weighted => Weighted(self.profile).block((), at),
            Kind::Warped => Warped(self.profile).block((), at),
            Kind::Conformal => Conformal(self.profile).block((), at),
            Kind::Hyperbolic => Hyperbolic.block((), at),
        }
    }

    fn check(&self, at: Position<f64>) -> Result<(), Refusal> {
        match self.kind {
            Kind::Product => Product.check(at),
            Kind::Weighted => Weighted(self.profile).check(at),
            Kind::Warped => Warped(self.profile).check(at),
            Kind::Conformal => Conformal(self.profile).check(at),
            Kind::Hyperbolic => Hyperbolic.check(at),
        }
    }

    fn validate(&self) -> Result<(), Refusal> {
        self.profile.validate()
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Product => AmbientMetric::<1>::name(&Product),
            Kind::Weighted => AmbientMetric::<1>::name(&Weighted(self.profile)),
            Kind::Warped => AmbientMetric::name(&Warped(self.profile)),
            Kind::Conformal => AmbientMetric::name(&Conformal(self.profile)),
            Kind::Hyperbolic => AmbientMetric::name(&Hyperbolic),
        }
    }
}
