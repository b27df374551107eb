//! Chosen rules over metrics of whole tensors.

use crate::ambient::ambient_metric::Covectors;
use crate::ambient::gram::Gram;
use crate::any::fused::{DISTANT, OfOne};
use crate::any::matrix::AnyMatrixMetric;
use crate::any::metric::AnyBaseMetric;
use crate::any::parts::{AnyAmbient, AnyClip, OneSlot};
use crate::any::rule::{AnyPreconditioner, AnyRule, AnySpace};
use crate::error::Error;
use crate::number::bundle::fit;
use crate::number::scalar::Real;
use crate::rule::clipping::Clipped;
use crate::rule::descent::Descent;
use crate::rule::induced::{Average, Damped, Exact, SurfaceMemory};
use crate::rule::preconditioner::{Damping, Flat, Preconditioner, Raised};
use crate::space::acts::{Inputs, Outcome};
use crate::space::momentum::NoMomentum;

/// A preconditioner chosen at run time, of those that ask for the length of one gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ByLength {
    Clipped(Clipped<AnyClip>),
    Damped(OfOne<AnyAmbient, Damped>),
    Exact(OfOne<AnyAmbient, Exact>),
}

/// Does the same with whatever preconditioner it is.
macro_rules! by_length {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            ByLength::Clipped($part) => $does,
            ByLength::Damped($part) => $does,
            ByLength::Exact($part) => $does,
        }
    };
}

#[allow(clippy::type_complexity, reason = "the names are those of the parts")]
fn damp<S: Real, P: Preconditioner>(
    part: &P,
    inputs: Inputs<S, [S; 1]>,
    memory: SurfaceMemory<Average<Gram<S, 1>, S>, ()>,
    sums: [S; 2],
) -> Outcome<[S; 3], SurfaceMemory<Average<Gram<S, 1>, S>, ()>, Damping<S, [S; 1]>> {
    let Outcome { factors, memory, report } = part.damp::<S>(inputs, fit::<S, _, _>(memory), fit::<S, _, _>(sums));
    Outcome { factors: fit::<S, _, _>(factors), memory: fit::<S, _, _>(memory), report }
}

impl Preconditioner for ByLength {
    type State<S: Real> = ();
    type Memory<S: Real> = SurfaceMemory<Average<Gram<S, 1>, S>, ()>;
    type Columns<S: Real> = ();
    /// ⟨l, l⟩ and ⟨l, m̂⟩.
    type Sums<S: Real> = [S; 2];
    /// Those of [`Exact`].
    type Factors<S: Real> = [S; 3];

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        by_length!(self, part => fit::<S, _, _>(Preconditioner::begin::<S>(part)))
    }

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], ()>, raised: Raised<[S; 1], ()>) -> [S; 2] {
        by_length!(self, part => fit::<S, _, _>(Preconditioner::measure(part, at, raised)))
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; 1]>,
        memory: Self::Memory<S>,
        sums: [S; 2],
    ) -> Outcome<[S; 3], Self::Memory<S>, Damping<S, [S; 1]>> {
        by_length!(self, part => damp(part, inputs, memory, sums))
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factors: [S; 3], at: Covectors<[S; 1], ()>) -> S {
        by_length!(self, part => Preconditioner::follow(part, fit::<S, _, _>(factors), at))
    }

    fn xi(&self) -> Option<[f64; 1]> {
        by_length!(self, part => Preconditioner::xi(part))
    }

    fn needs_metric(&self) -> bool {
        by_length!(self, part => Preconditioner::needs_metric(part))
    }

    fn drive<S: Real>(&self, xi: [S; 1]) -> S {
        by_length!(self, part => Preconditioner::drive(part, xi))
    }

    fn accepts<S: Real>(&self, losses: [S; 1], xi: [S; 1]) -> S::Mask {
        by_length!(self, part => Preconditioner::accepts(part, losses, xi))
    }

    fn check(&self, losses: [f64; 1], xi: [f64; 1]) -> Result<(), Error> {
        by_length!(self, part => Preconditioner::check(part, losses, xi))
    }

    fn validate(&self) -> Result<(), Error> {
        by_length!(self, part => Preconditioner::validate(part))
    }

    fn name(&self) -> String {
        by_length!(self, part => Preconditioner::name(part))
    }
}

/// A chosen rule over whole tensors.
pub(crate) enum AnyWhole {
    FlatNow(Descent<AnyMatrixMetric, Flat, NoMomentum>),
    Flat(Descent<AnyMatrixMetric, Flat, OneSlot>),
    ByLengthNow(Descent<AnyMatrixMetric, ByLength, NoMomentum>),
    ByLength(Descent<AnyMatrixMetric, ByLength, OneSlot>),
}

impl AnyRule {
    /// The rule as one that runs on whole tensors.
    ///
    /// # Errors
    ///
    /// [`Error::NoEngine`] for parts that do not go together.
    pub(crate) fn whole(&self) -> Result<AnyWhole, Error> {
        if self.point.is_some() {
            return self.refused("an evaluation point goes with a pointwise metric: leave it out");
        }
        if self.cautious {
            return self.refused("a cautious step needs a pointwise metric: leave `cautious` out");
        }
        if self.distance.is_some() {
            return self.refused(DISTANT);
        }
        if self.lower_bound.is_some() {
            return self.refused("a step that a model limits needs a pointwise metric: leave `momo` out");
        }
        let AnyBaseMetric::Matrix(metric) = self.metric.clone() else {
            return self.refused("its metric is pointwise: it runs in passes over memory");
        };
        let momentum = self.momentum.and_then(OneSlot::new);
        if momentum.is_none() && self.momentum.is_some() {
            return self
                .refused("a metric of whole tensors takes a momentum with one number per parameter: take `ema`");
        }
        let preconditioner = match &self.preconditioner {
            AnyPreconditioner::Flat => {
                return Ok(match momentum {
                    Some(momentum) => AnyWhole::Flat(Descent { metric, preconditioner: Flat, momentum }),
                    None => AnyWhole::FlatNow(Descent { metric, preconditioner: Flat, momentum: NoMomentum }),
                });
            }
            AnyPreconditioner::Clipped(clipped) => ByLength::Clipped(*clipped),
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    ByLength::Damped(surface.stand(height, ambient, Damped))
                }
                (&[height], AnySpace::Straight(ambient), true) => {
                    ByLength::Exact(surface.stand(height, ambient, Exact))
                }
                _ => return self.refused("a metric of whole tensors goes with one loss and no coupling"),
            },
            AnyPreconditioner::Bilinear(_) => return self.refused("a bilinear form goes with a pointwise metric"),
        };
        Ok(match momentum {
            Some(momentum) => AnyWhole::ByLength(Descent { metric, preconditioner, momentum }),
            None => AnyWhole::ByLengthNow(Descent { metric, preconditioner, momentum: NoMomentum }),
        })
    }
}
