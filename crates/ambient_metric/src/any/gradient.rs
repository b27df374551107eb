//! What is done to gradients, chosen at run time.

use crate::any::parts::{Part, Written, textual};
use crate::any::table::Kind;
use crate::any::text::{Given, TextError};
use crate::error::Error;
use crate::named::short_name;
use crate::number::scalar::Real;
use crate::rule::accumulate::Accumulate;
use crate::rule::centralised::Centralised;
use crate::rule::clipped_gradient::{ClipNorm, ClipValue};
use crate::rule::mars::Mars;
use crate::rule::noise::Noise;
use crate::rule::preprocess::Preprocess;
use crate::rule::transformed::{GradientTransform, Kept};
use crate::space::tensor::{Covector, Tensor};

/// A transform of gradients, chosen at run time. It has room for a gradient before, which only one that [`remembers`](GradientTransform::remembers) needs.
///
/// ```
/// use ambient_metric::any::AnyTransform;
/// use ambient_metric::rule::{ClipNorm, GradientTransform};
/// let transform = AnyTransform::ClipNorm(ClipNorm { length: 1.0 });
/// assert!(transform.surveys() && !transform.remembers());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyTransform {
    /// [`ClipValue`].
    ClipValue(ClipValue),
    /// [`ClipNorm`].
    ClipNorm(ClipNorm),
    /// [`Mars`].
    Mars(Mars),
}

/// Does the same with whatever transform it is.
macro_rules! transform {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyTransform::ClipValue($part) => $does,
            AnyTransform::ClipNorm($part) => $does,
            AnyTransform::Mars($part) => $does,
        }
    };
}

impl GradientTransform for AnyTransform {
    type Past = Kept;
    const SURVEYS: bool = true;

    fn surveys(&self) -> bool {
        transform!(self, part => part.surveys())
    }

    fn remembers(&self) -> bool {
        transform!(self, part => part.remembers())
    }

    #[inline(always)]
    fn transform<S: Real>(&self, past: S, gradient: S) -> S {
        transform!(self, part => part.transform(past, gradient))
    }

    fn factor<S: Real>(&self, squared_length: S) -> S {
        transform!(self, part => part.factor(squared_length))
    }

    fn validate(&self) -> Result<(), Error> {
        transform!(self, part => GradientTransform::validate(part))
    }

    fn name(&self) -> String {
        transform!(self, part => GradientTransform::name(part))
    }
}

/// What is done to gradients, chosen at run time: what stands behind a rule in its text as `clip_norm(1)`, `accumulate(4)`, … and is done in that order.
///
/// ```
/// use ambient_metric::any::{AnyPreprocess, AnyRule};
/// use ambient_metric::rule::Accumulate;
///
/// let rule: AnyRule = "adamw + accumulate(4) + clip_norm(1)".parse()?;
/// assert_eq!(rule.gradient[0], AnyPreprocess::Accumulate(Accumulate { every: 4 }));
/// // The last is part of the rule's own passes.
/// assert_eq!(rule.name(), "Accumulate(ClipNorm(Descent(RmsProp, Flat, Ema)))");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyPreprocess {
    /// A transform of single components.
    Transform(AnyTransform),
    /// [`Centralised`].
    Centralised(Centralised),
    /// [`Noise`].
    Noise(Noise),
    /// [`Accumulate`].
    Accumulate(Accumulate),
}

/// Does the same with whatever it is.
macro_rules! preprocess {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyPreprocess::Transform(transform) => transform!(transform, $part => $does),
            AnyPreprocess::Centralised($part) => $does,
            AnyPreprocess::Noise($part) => $does,
            AnyPreprocess::Accumulate($part) => $does,
        }
    };
}

impl AnyPreprocess {
    /// Accepts the constants.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Transform(transform) => GradientTransform::validate(transform),
            Self::Centralised(Centralised) => Ok(()),
            Self::Noise(noise) => noise.check(),
            Self::Accumulate(accumulate) => accumulate.check(),
        }
    }

    /// The name of the chosen one.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Transform(transform) => GradientTransform::name(transform),
            Self::Centralised(_) => short_name::<Centralised>(),
            Self::Noise(_) => short_name::<Noise>(),
            Self::Accumulate(_) => short_name::<Accumulate>(),
        }
    }
}

impl<T: Tensor> Preprocess<T> for AnyPreprocess {
    fn slots(&self) -> Vec<String> {
        preprocess!(self, part => Preprocess::<T>::slots(part))
    }

    fn due(&self, gradient: u64) -> Option<u64> {
        preprocess!(self, part => Preprocess::<T>::due(part, gradient))
    }

    fn process(&self, gradient_number: u64, kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        preprocess!(self, part => part.process(gradient_number, kept, gradient))
    }

    fn keep(&self, gradient_number: u64, kept: &mut [T], gradient: &Covector<T>) -> Result<(), Error> {
        preprocess!(self, part => part.keep(gradient_number, kept, gradient))
    }

    fn discard(&self, kept: &mut [T]) -> Result<(), Error> {
        preprocess!(self, part => part.discard(kept))
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }

    fn name(&self) -> String {
        self.short()
    }
}

impl Part for AnyPreprocess {
    const KINDS: &'static [Kind] = &[Kind::Gradient];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("clip_value", &[limit]) => Self::Transform(AnyTransform::ClipValue(ClipValue { limit })),
            ("clip_norm", &[length]) => Self::Transform(AnyTransform::ClipNorm(ClipNorm { length })),
            ("mars", &[gamma, beta]) => Self::Transform(AnyTransform::Mars(Mars { gamma, beta })),
            ("centralised", []) => Self::Centralised(Centralised),
            ("noise", &[variance, decay, seed]) => Self::Noise(Noise { variance, decay, seed: given.whole(2, seed)? }),
            ("accumulate", &[every]) => {
                let every = u32::try_from(given.whole(0, every)?).unwrap_or(u32::MAX);
                Self::Accumulate(Accumulate { every })
            }
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Transform(AnyTransform::ClipValue(ClipValue { limit })) => Written::new("clip_value", &[limit]),
            Self::Transform(AnyTransform::ClipNorm(ClipNorm { length })) => Written::new("clip_norm", &[length]),
            Self::Transform(AnyTransform::Mars(Mars { gamma, beta })) => Written::new("mars", &[gamma, beta]),
            Self::Centralised(Centralised) => Written::new("centralised", &[]),
            Self::Noise(Noise { variance, decay, seed }) => Written::new("noise", &[variance, decay, seed as f64]),
            Self::Accumulate(Accumulate { every }) => Written::new("accumulate", &[f64::from(every)]),
        }
    }
}

textual!(AnyPreprocess);
