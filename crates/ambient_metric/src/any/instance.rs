//! Chosen rules as rules of types: one type for each number of state slots and each set of sums, and not one for each choice.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::coupled::Coupled;
use crate::ambient::coupling::Given;
use crate::ambient::gram::Gram;
use crate::ambient::heights::Heights;
use crate::any::metric::AnyBaseMetric;
use crate::any::rule::{AnyPreconditioner, AnyRule, AnySpace, AnySurface};
use crate::base::diagonal::Euclidean;
use crate::base::pointwise::PointwiseMetric;
use crate::error::Error;
use crate::number::scalar::Real;
use crate::rule::descent::Descent;
use crate::rule::induced::{Damped, Exact, Induced, Placement};
use crate::rule::preconditioner::{Flat, Preconditioner};
use crate::rule::rule::Rule;
use crate::space::acts::Local;
use crate::space::momentum::{Momentum, NoMomentum};

/// What is done with a chosen rule as a rule of a type.
///
/// Calling [`AnyRule::visit`] compiles it for some dozens of types. Programs do it in one place, behind a function that is not generic.
///
/// # Example
///
/// ```
/// use ambient_metric::any::{AnyBaseMetric, AnyRule, Visit};
/// use ambient_metric::{Descent, Momentum, Preconditioner, Rule};
///
/// struct Name;
///
/// impl Visit for Name {
///     type Output = String;
///
///     fn fused<R: Rule + Clone + Send + 'static>(self, rule: R) -> String {
///         rule.name()
///     }
///
///     fn whole<P, Q>(self, rule: Descent<AnyBaseMetric, P, Q>) -> String
///     where
///         P: Preconditioner + Clone + Send + 'static,
///         Q: Momentum + Clone + Send + 'static,
///     {
///         rule.metric.name()
///     }
/// }
///
/// assert_eq!("adamw".parse::<AnyRule>()?.visit(Name)?, "Descent(RmsProp, Flat, Ema)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Visit: Sized {
    /// What comes of it.
    type Output;

    /// Does it with a rule that runs in passes over memory.
    fn fused<R: Rule + Clone + Send + 'static>(self, rule: R) -> Self::Output;

    /// Does it with a rule over whole tensors.
    fn whole<P, Q>(self, rule: Descent<AnyBaseMetric, P, Q>) -> Self::Output
    where
        P: Preconditioner + Clone + Send + 'static,
        Q: Momentum + Clone + Send + 'static;
}

/// An ambient metric in which the heights are descended, or the losses.
#[derive(Clone, Copy, Debug)]
struct Descended<A> {
    ambient: A,
    of_losses: bool,
}

impl<A: AmbientMetric<K>, const K: usize> AmbientMetric<K> for Descended<A> {
    type State<S: Real> = A::State<S>;
    type Memory<S: Real> = A::Memory<S>;
    type Columns<S: Real> = A::Columns<S>;
    const DEPENDS_ON_POSITION: bool = A::DEPENDS_ON_POSITION;
    const HAS_CONSTANT_COLUMNS: bool = A::HAS_CONSTANT_COLUMNS;

    #[inline(always)]
    fn columns<S: Real>(&self, state: A::State<S>, at: Local<S, [S; K]>) -> A::Columns<S> {
        self.ambient.columns(state, at)
    }

    fn scale<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<S> {
        self.ambient.scale(memory, at)
    }

    fn block<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<Gram<S, K>> {
        self.ambient.block(memory, at)
    }

    fn descended<S: Real>(&self, _at: Position<S, K>) -> Option<[S; K]> {
        self.of_losses.then(|| [S::one(); K])
    }

    fn check(&self, at: Position<f64, K>) -> Result<(), Error> {
        self.ambient.check(at)
    }

    fn validate(&self) -> Result<(), Error> {
        self.ambient.validate()
    }

    fn name(&self) -> String {
        let name = self.ambient.name();
        if self.of_losses { format!("OfLosses({name})") } else { name }
    }
}

impl AnyRule {
    /// Does something with the rule as a rule of a type.
    ///
    /// # Errors
    ///
    /// [`Error::NoEngine`] for parts that do not go together.
    pub fn visit<V: Visit>(&self, visit: V) -> Result<V::Output, Error> {
        match &self.metric {
            AnyBaseMetric::Euclidean => self.over(Euclidean, visit),
            AnyBaseMetric::Diagonal(metric) => self.over(*metric, visit),
            AnyBaseMetric::LearnedScalar(metric) => self.over_learned(*metric, visit),
            AnyBaseMetric::LearnedDiagonal(metric) => self.over_learned(*metric, visit),
            AnyBaseMetric::Kronecker(_) | AnyBaseMetric::Muon(_) | AnyBaseMetric::Dense(_) => self.over_whole(visit),
        }
    }

    fn refused<O>(&self, problem: &'static str) -> Result<O, Error> {
        Err(Error::NoEngine { rule: self.name(), problem })
    }

    /// Over a pointwise metric that learns nothing.
    fn over<M, V>(&self, metric: M, visit: V) -> Result<V::Output, Error>
    where
        M: PointwiseMetric + Clone + Send + 'static,
        V: Visit,
    {
        let Some(momentum) = self.momentum else {
            return match &self.preconditioner {
                AnyPreconditioner::Flat => Ok(visit.fused(Descent::new(metric, Flat, NoMomentum))),
                AnyPreconditioner::Induced(surface) => {
                    match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                        (&[height], AnySpace::Straight(ambient), false) => {
                            Ok(visit.fused(Descent::new(metric, surface.stand(height, ambient, Damped), NoMomentum)))
                        }
                        _ => self.refused(REMEMBERS),
                    }
                }
                _ => self.refused(REMEMBERS),
            };
        };
        match &self.preconditioner {
            AnyPreconditioner::Flat => Ok(visit.fused(Descent::new(metric, Flat, momentum))),
            AnyPreconditioner::Bilinear(bilinear) => Ok(visit.fused(Descent::new(metric, *bilinear, momentum))),
            AnyPreconditioner::Clipped(clipped) => Ok(visit.fused(Descent::new(metric, *clipped, momentum))),
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    Ok(visit.fused(Descent::new(metric, surface.stand(height, ambient, Damped), momentum)))
                }
                (&[height], AnySpace::Straight(ambient), true) => {
                    Ok(visit.fused(Descent::new(metric, surface.stand(height, ambient, Exact), momentum)))
                }
                (&[height], AnySpace::Coupled(coupling), false) => {
                    Ok(visit.fused(Descent::new(metric, surface.stand(height, Coupled(coupling), Damped), momentum)))
                }
                (&[height], AnySpace::Coupled(coupling), true) => {
                    Ok(visit.fused(Descent::new(metric, surface.stand(height, Coupled(coupling), Exact), momentum)))
                }
                (&[height], AnySpace::Given, false) => {
                    Ok(visit.fused(Descent::new(metric, surface.stand(height, Coupled(Given), Damped), momentum)))
                }
                (&[a, b], AnySpace::Straight(ambient), false) => Ok(visit.fused(Descent::<_, _, _, 2>::new(
                    metric,
                    surface.stand([a, b], ambient, Damped),
                    momentum,
                ))),
                (&[a, b, c], AnySpace::Straight(ambient), false) => Ok(visit.fused(Descent::<_, _, _, 3>::new(
                    metric,
                    surface.stand([a, b, c], ambient, Damped),
                    momentum,
                ))),
                (&[a, b, c, d], AnySpace::Straight(ambient), false) => {
                    let induced = surface.stand([a, b, c, d], ambient, Damped);
                    Ok(visit.fused(Descent::<_, _, _, 4>::new(metric, induced, momentum)))
                }
                (&[a, b], AnySpace::Coupled(coupling), false) => {
                    let induced = surface.stand([a, b], Coupled(coupling), Damped);
                    Ok(visit.fused(Descent::<_, _, _, 2>::new(metric, induced, momentum)))
                }
                (_, AnySpace::Given, true) => {
                    self.refused("a given coupling goes with the damped placement: leave `exact` out")
                }
                (_, AnySpace::Straight(_), true) => {
                    self.refused("the exact placement goes with one loss: leave `exact` out, or give one embedding")
                }
                _ => self.refused("a coupling goes with one loss, or with two and the damped placement"),
            },
        }
    }

    /// Over a pointwise metric that learns from its steps.
    fn over_learned<M, V>(&self, metric: M, visit: V) -> Result<V::Output, Error>
    where
        M: PointwiseMetric + Clone + Send + 'static,
        V: Visit,
    {
        let AnyPreconditioner::Induced(surface) = &self.preconditioner else {
            return self.refused("a learned metric learns from a surface: write `induced`");
        };
        match (surface.heights.as_slice(), surface.ambient, surface.exact, self.momentum) {
            (&[height], AnySpace::Straight(ambient), false, Some(momentum)) => {
                Ok(visit.fused(Descent::new(metric, surface.stand(height, ambient, Damped), momentum)))
            }
            (&[height], AnySpace::Straight(ambient), true, Some(momentum)) => {
                Ok(visit.fused(Descent::new(metric, surface.stand(height, ambient, Exact), momentum)))
            }
            (_, _, _, None) => self.refused(REMEMBERS),
            _ => self.refused("a learned metric goes with one loss and no coupling"),
        }
    }

    /// Over a metric of whole tensors.
    fn over_whole<V: Visit>(&self, visit: V) -> Result<V::Output, Error> {
        match self.momentum {
            Some(momentum) => self.over_whole_with(momentum, visit),
            None => self.over_whole_with(NoMomentum, visit),
        }
    }

    fn over_whole_with<Q, V>(&self, momentum: Q, visit: V) -> Result<V::Output, Error>
    where
        Q: Momentum + Clone + Send + 'static,
        V: Visit,
    {
        let metric = self.metric.clone();
        match &self.preconditioner {
            AnyPreconditioner::Flat => Ok(visit.whole(Descent::new(metric, Flat, momentum))),
            AnyPreconditioner::Clipped(clipped) => Ok(visit.whole(Descent::new(metric, *clipped, momentum))),
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    Ok(visit.whole(Descent::new(metric, surface.stand(height, ambient, Damped), momentum)))
                }
                (&[height], AnySpace::Straight(ambient), true) => {
                    Ok(visit.whole(Descent::new(metric, surface.stand(height, ambient, Exact), momentum)))
                }
                _ => self.refused("a metric of whole tensors goes with one loss and no coupling"),
            },
            AnyPreconditioner::Bilinear(_) => self.refused("a bilinear form goes with a pointwise metric"),
        }
    }
}

const REMEMBERS: &str =
    "without momentum there are `flat` and the damped surface of one loss: write `+ ema(0)` behind the others";

impl AnySurface {
    /// The surface over these heights in this ambient metric.
    fn stand<H, A, P, const K: usize>(&self, heights: H, ambient: A, placement: P) -> Induced<H, Descended<A>, P>
    where
        H: Heights<K>,
        A: AmbientMetric<K>,
        P: Placement,
    {
        let ambient = Descended { ambient, of_losses: self.of_losses };
        Induced { heights, ambient, placement, guard: self.guard, beta: self.beta }
    }
}
