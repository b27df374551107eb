//! Points to evaluate, chosen at run time.

use crate::any::parts::{Part, Written, textual};
use crate::any::table::Kind;
use crate::any::text::{Given, TextError};
use crate::error::Error;
use crate::number::scalar::Real;
use crate::rule::averaged::{Averaged, Polyak};
use crate::rule::evaluated::{EvaluationPoint, Left, Stride};
use crate::rule::lookahead::Lookahead;
use crate::rule::schedule_free::ScheduleFree;

/// Which point is evaluated, chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyPoint;
/// use ambient_metric::rule::EvaluationPoint;
///
/// let point: AnyPoint = "averaged(0.99)".parse()?;
/// assert_eq!(point.weight(0.0), 1.0);
/// assert_eq!(point.to_string(), "averaged(decay=0.99)");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyPoint {
    /// [`Averaged`].
    Averaged(Averaged),
    /// [`Polyak`].
    Polyak(Polyak),
    /// [`Lookahead`].
    Lookahead(Lookahead),
    /// [`ScheduleFree`].
    ScheduleFree(ScheduleFree),
}

/// Does the same with whatever point it is.
macro_rules! point {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyPoint::Averaged($part) => $does,
            AnyPoint::Polyak($part) => $does,
            AnyPoint::Lookahead($part) => $does,
            AnyPoint::ScheduleFree($part) => $does,
        }
    };
}

impl EvaluationPoint for AnyPoint {
    fn weight<S: Real>(&self, steps: S) -> S {
        point!(self, part => part.weight(steps))
    }

    #[inline(always)]
    fn keep<S: Real>(&self, weight: S, at: Stride<S>) -> Left<S> {
        point!(self, part => part.keep(weight, at))
    }

    #[inline(always)]
    fn evaluated<S: Real>(&self, parameter: S, kept: S) -> S {
        point!(self, part => part.evaluated(parameter, kept))
    }

    fn validate(&self) -> Result<(), Error> {
        point!(self, part => part.validate())
    }

    fn name(&self) -> String {
        point!(self, part => part.name())
    }
}

impl Part for AnyPoint {
    const KINDS: &'static [Kind] = &[Kind::EvaluationPoint];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("averaged", &[decay]) => Self::Averaged(Averaged(decay)),
            ("polyak", []) => Self::Polyak(Polyak),
            ("lookahead", &[every, share]) => {
                let every = u32::try_from(given.whole(0, every)?).unwrap_or(u32::MAX);
                Self::Lookahead(Lookahead { every, share })
            }
            ("schedule_free", &[beta]) => Self::ScheduleFree(ScheduleFree(beta)),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Averaged(Averaged(decay)) => Written::new("averaged", &[decay]),
            Self::Polyak(Polyak) => Written::new("polyak", &[]),
            Self::Lookahead(Lookahead { every, share }) => Written::new("lookahead", &[f64::from(every), share]),
            Self::ScheduleFree(ScheduleFree(beta)) => Written::new("schedule_free", &[beta]),
        }
    }
}

textual!(AnyPoint);
