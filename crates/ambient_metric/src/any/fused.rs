//! Chosen rules over pointwise metrics, as a rule.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::coupled::Coupled;
use crate::ambient::coupling::Given;
use crate::ambient::gram::Gram;
use crate::ambient::heights::{Height, Heights};
use crate::any::metric::AnyBaseMetric;
use crate::any::parts::{AnyAmbient, AnyClip, AnyCoupling, AnyDiagonal, AnyEmbedding, AnyMomentum, AnyStateless};
use crate::any::point::AnyPoint;
use crate::any::rule::{AnyPreconditioner, AnyRule, AnySpace, AnySurface, MOST_LOSSES};
use crate::base::amsgrad::AmsGrad;
use crate::base::diagonal::{Euclidean, RmsProp};
use crate::base::learned::{LearnedDiagonal, LearnedScalar};
use crate::base::pointwise::PointwiseMetric;
use crate::error::Error;
use crate::number::bundle::{Bundle, fit};
use crate::number::scalar::{Field, Real};
use crate::rule::bilinear::Bilinear;
use crate::rule::cautious::Cautious;
use crate::rule::clipping::Clipped;
use crate::rule::descent::Descent;
use crate::rule::evaluated::Evaluated;
use crate::rule::induced::{Damped, Exact, Induced, Placement};
use crate::rule::passes::Passes;
use crate::rule::preconditioner::{Damping, Flat, Preconditioner};
use crate::rule::rule::{Advanced, Coordinate, OnRule, Rule};
use crate::space::acts::{Inputs, Local, Outcome, Totals};
use crate::space::momentum::{Ema, Momentum, NoMomentum, Recall};
use crate::space::tensor::Tensor;

/// An ambient metric in which the heights are descended, or the losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Descended<A> {
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

    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        self.ambient.accepts(at)
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

/// The surface of K losses.
type Of<const K: usize, A, P> = Induced<[Height<AnyEmbedding>; K], Descended<A>, P>;

/// The surface of one loss.
pub(crate) type OfOne<A, P> = Induced<Height<AnyEmbedding>, Descended<A>, P>;

/// Cautious steps on that surface.
type CautiousOfOne = Cautious<OfOne<AnyAmbient, Damped>>;

/// The descents over a metric that learns nothing: one for each set of sums and number of state slots.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fixed<M> {
    FlatNow(Descent<M, Flat, NoMomentum>),
    DampedNow(Descent<M, OfOne<AnyAmbient, Damped>, NoMomentum>),
    Flat(Descent<M, Flat, AnyMomentum>),
    Clipped(Descent<M, Clipped<AnyClip>, AnyMomentum>),
    CautiousFlat(Descent<M, Cautious<Flat>, AnyMomentum>),
    CautiousDamped(Descent<M, CautiousOfOne, AnyMomentum>),
    EvaluatedFlatNow(Evaluated<Descent<M, Flat, NoMomentum>, AnyPoint>),
    EvaluatedDampedNow(Evaluated<Descent<M, OfOne<AnyAmbient, Damped>, NoMomentum>, AnyPoint>),
    EvaluatedFlat(Evaluated<Descent<M, Flat, AnyMomentum>, AnyPoint>),
    EvaluatedDamped(Evaluated<Descent<M, OfOne<AnyAmbient, Damped>, AnyMomentum>, AnyPoint>),
    EvaluatedCautiousFlat(Evaluated<Descent<M, Cautious<Flat>, AnyMomentum>, AnyPoint>),
    EvaluatedCautiousDamped(Evaluated<Descent<M, CautiousOfOne, AnyMomentum>, AnyPoint>),
    Bilinear(Descent<M, Bilinear<AnyEmbedding, AnyCoupling, AnyCoupling>, AnyMomentum>),
    Damped(Descent<M, OfOne<AnyAmbient, Damped>, AnyMomentum>),
    Exact(Descent<M, OfOne<AnyAmbient, Exact>, AnyMomentum>),
    Coupled(Descent<M, OfOne<Coupled<AnyCoupling>, Damped>, AnyMomentum>),
    CoupledExact(Descent<M, OfOne<Coupled<AnyCoupling>, Exact>, AnyMomentum>),
    Given(Descent<M, OfOne<Coupled<Given>, Damped>, AnyMomentum>),
    Two(Descent<M, Of<2, AnyAmbient, Damped>, AnyMomentum, 2>),
    Three(Descent<M, Of<3, AnyAmbient, Damped>, AnyMomentum, 3>),
    Four(Descent<M, Of<4, AnyAmbient, Damped>, AnyMomentum, 4>),
    CoupledTwo(Descent<M, Of<2, Coupled<AnyCoupling>, Damped>, AnyMomentum, 2>),
}

/// The descents over a metric that learns from its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Learning<M> {
    Damped(Descent<M, OfOne<AnyAmbient, Damped>, AnyMomentum>),
    Exact(Descent<M, OfOne<AnyAmbient, Exact>, AnyMomentum>),
}

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Chosen {
    Stateless(Fixed<AnyStateless>),
    Diagonal(Fixed<AnyDiagonal>),
    AmsGrad(Fixed<AmsGrad>),
    LearnedScalar(Learning<LearnedScalar>),
    LearnedDiagonal(Learning<LearnedDiagonal>),
}

/// Does the same with whatever rule it is.
macro_rules! chosen {
    ($any:expr, $rule:ident => $does:expr) => {
        match $any {
            Chosen::Stateless(over) => chosen!(@fixed over, $rule => $does),
            Chosen::Diagonal(over) => chosen!(@fixed over, $rule => $does),
            Chosen::AmsGrad(over) => chosen!(@fixed over, $rule => $does),
            Chosen::LearnedScalar(over) => chosen!(@learning over, $rule => $does),
            Chosen::LearnedDiagonal(over) => chosen!(@learning over, $rule => $does),
        }
    };
    (@fixed $over:ident, $rule:ident => $does:expr) => {
        match $over {
            Fixed::FlatNow($rule) => $does,
            Fixed::DampedNow($rule) => $does,
            Fixed::Flat($rule) => $does,
            Fixed::Clipped($rule) => $does,
            Fixed::CautiousFlat($rule) => $does,
            Fixed::CautiousDamped($rule) => $does,
            Fixed::EvaluatedFlatNow($rule) => $does,
            Fixed::EvaluatedDampedNow($rule) => $does,
            Fixed::EvaluatedFlat($rule) => $does,
            Fixed::EvaluatedDamped($rule) => $does,
            Fixed::EvaluatedCautiousFlat($rule) => $does,
            Fixed::EvaluatedCautiousDamped($rule) => $does,
            Fixed::Bilinear($rule) => $does,
            Fixed::Damped($rule) => $does,
            Fixed::Exact($rule) => $does,
            Fixed::Coupled($rule) => $does,
            Fixed::CoupledExact($rule) => $does,
            Fixed::Given($rule) => $does,
            Fixed::Two($rule) => $does,
            Fixed::Three($rule) => $does,
            Fixed::Four($rule) => $does,
            Fixed::CoupledTwo($rule) => $does,
        }
    };
    (@learning $over:ident, $rule:ident => $does:expr) => {
        match $over {
            Learning::Damped($rule) => $does,
            Learning::Exact($rule) => $does,
        }
    };
}

/// A chosen rule that runs in passes over memory, as a [`Rule`]: made by [`AnyRule::fused`].
///
/// Its passes are those of the typed rule, and read and write the same tensors. What it says of numbers that are kept once, such as sums and multipliers, has
/// room for every rule's; [`Rule::with`] hands over the typed one.
///
/// # Example
///
/// ```
/// use ambient_metric::{AnyRule, Configuration, Covector, rules};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let chosen = "rmsprop(xi=0.1)".parse::<AnyRule>()?.fused()?;
/// let (mut theta, mut typed) = (Parameters::from(array![3.0_f64, 4.0]), Parameters::from(array![3.0_f64, 4.0]));
/// let gradient = Covector(theta.clone());
/// Configuration::new(chosen, 0.01).build(&theta)?.step(&mut theta, &gradient, 12.5)?;
/// Configuration::new(rules::rmsprop(0.1), 0.01).build(&typed)?.step(&mut typed, &gradient, 12.5)?;
/// assert_eq!(theta.as_slice(), typed.as_slice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnyFused(Chosen);

impl AnyRule {
    /// The rule as one that runs in passes over memory.
    ///
    /// # Errors
    ///
    /// [`Error::NoEngine`] for a metric of whole tensors, and for parts that do not go together.
    pub fn fused(&self) -> Result<AnyFused, Error> {
        Ok(AnyFused(match &self.metric {
            AnyBaseMetric::Stateless(metric) => Chosen::Stateless(self.fixed(*metric)?),
            AnyBaseMetric::AmsGrad(metric) => Chosen::AmsGrad(self.fixed(*metric)?),
            AnyBaseMetric::Diagonal(metric) => Chosen::Diagonal(self.fixed(*metric)?),
            AnyBaseMetric::LearnedScalar(metric) => Chosen::LearnedScalar(self.learning(*metric)?),
            AnyBaseMetric::LearnedDiagonal(metric) => Chosen::LearnedDiagonal(self.learning(*metric)?),
            AnyBaseMetric::Kronecker(_) | AnyBaseMetric::Muon(_) | AnyBaseMetric::Dense(_) => {
                return self.refused("its metric is one of whole tensors, which no pass over memory runs");
            }
        }))
    }

    pub(crate) fn refused<O>(&self, problem: &'static str) -> Result<O, Error> {
        Err(Error::NoEngine { rule: self.name(), problem })
    }

    /// Over a metric that learns nothing.
    fn fixed<M>(&self, metric: M) -> Result<Fixed<M>, Error> {
        if let Some(point) = self.point {
            return self.evaluated(metric, point);
        }
        if self.cautious {
            return self.cautious(metric);
        }
        let Some(momentum) = self.momentum else { return self.now(metric) };
        let surface = match &self.preconditioner {
            AnyPreconditioner::Flat => return Ok(Fixed::Flat(Descent { metric, preconditioner: Flat, momentum })),
            AnyPreconditioner::Bilinear(preconditioner) => {
                return Ok(Fixed::Bilinear(Descent { metric, preconditioner: *preconditioner, momentum }));
            }
            AnyPreconditioner::Clipped(preconditioner) => {
                return Ok(Fixed::Clipped(Descent { metric, preconditioner: *preconditioner, momentum }));
            }
            AnyPreconditioner::Induced(surface) => surface,
        };
        /// A descent on the surface.
        macro_rules! on {
            ($variant:ident, $heights:expr, $ambient:expr, $placement:expr) => {
                Fixed::$variant(Descent {
                    metric,
                    preconditioner: surface.stand($heights, $ambient, $placement),
                    momentum,
                })
            };
        }
        Ok(match (surface.heights.as_slice(), surface.ambient, surface.exact) {
            (&[height], AnySpace::Straight(ambient), false) => on!(Damped, height, ambient, Damped),
            (&[height], AnySpace::Straight(ambient), true) => on!(Exact, height, ambient, Exact),
            (&[height], AnySpace::Coupled(coupling), false) => on!(Coupled, height, Coupled(coupling), Damped),
            (&[height], AnySpace::Coupled(coupling), true) => on!(CoupledExact, height, Coupled(coupling), Exact),
            (&[height], AnySpace::Given, false) => on!(Given, height, Coupled(Given), Damped),
            (&[a, b], AnySpace::Straight(ambient), false) => on!(Two, [a, b], ambient, Damped),
            (&[a, b, c], AnySpace::Straight(ambient), false) => on!(Three, [a, b, c], ambient, Damped),
            (&[a, b, c, d], AnySpace::Straight(ambient), false) => on!(Four, [a, b, c, d], ambient, Damped),
            (&[a, b], AnySpace::Coupled(coupling), false) => on!(CoupledTwo, [a, b], Coupled(coupling), Damped),
            (_, AnySpace::Given, true) => {
                return self.refused("a given coupling goes with the damped placement: leave `exact` out");
            }
            (_, AnySpace::Straight(_), true) => {
                return self
                    .refused("the exact placement goes with one loss: leave `exact` out, or give one embedding");
            }
            _ => return self.refused("a coupling goes with one loss, or with two and the damped placement"),
        })
    }

    /// Over a metric that learns nothing, evaluated at another point.
    fn evaluated<M>(&self, metric: M, point: AnyPoint) -> Result<Fixed<M>, Error> {
        let plain = Self { point: None, ..self.clone() };
        Ok(match plain.fixed(metric)? {
            Fixed::FlatNow(rule) => Fixed::EvaluatedFlatNow(Evaluated { rule, point }),
            Fixed::DampedNow(rule) => Fixed::EvaluatedDampedNow(Evaluated { rule, point }),
            Fixed::Flat(rule) => Fixed::EvaluatedFlat(Evaluated { rule, point }),
            Fixed::Damped(rule) => Fixed::EvaluatedDamped(Evaluated { rule, point }),
            Fixed::CautiousFlat(rule) => Fixed::EvaluatedCautiousFlat(Evaluated { rule, point }),
            Fixed::CautiousDamped(rule) => Fixed::EvaluatedCautiousDamped(Evaluated { rule, point }),
            _ => {
                return self.refused(
                    "an evaluation point goes with `flat` and with the damped surface of one loss without coupling",
                );
            }
        })
    }

    /// Over a metric that learns nothing, in cautious steps.
    fn cautious<M>(&self, metric: M) -> Result<Fixed<M>, Error> {
        let Some(momentum) = self.momentum else {
            return self.refused("without momentum no step goes against its gradient: leave `cautious` out");
        };
        match &self.preconditioner {
            AnyPreconditioner::Flat => {
                Ok(Fixed::CautiousFlat(Descent { metric, preconditioner: Cautious(Flat), momentum }))
            }
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    let preconditioner = Cautious(surface.stand(height, ambient, Damped));
                    Ok(Fixed::CautiousDamped(Descent { metric, preconditioner, momentum }))
                }
                _ => self.refused(CAUTIOUS),
            },
            _ => self.refused(CAUTIOUS),
        }
    }

    /// Over a metric that learns nothing, without momentum.
    fn now<M>(&self, metric: M) -> Result<Fixed<M>, Error> {
        let momentum = NoMomentum;
        match &self.preconditioner {
            AnyPreconditioner::Flat => Ok(Fixed::FlatNow(Descent { metric, preconditioner: Flat, momentum })),
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    let preconditioner = surface.stand(height, ambient, Damped);
                    Ok(Fixed::DampedNow(Descent { metric, preconditioner, momentum }))
                }
                _ => self.refused(REMEMBERS),
            },
            _ => self.refused(REMEMBERS),
        }
    }

    /// Over a metric that learns from its steps.
    fn learning<M>(&self, metric: M) -> Result<Learning<M>, Error> {
        if self.cautious || self.point.is_some() {
            return self.refused("a learned metric goes with neither cautious steps nor an evaluation point");
        }
        let AnyPreconditioner::Induced(surface) = &self.preconditioner else {
            return self.refused("a learned metric learns from a surface: write `induced`");
        };
        match (surface.heights.as_slice(), surface.ambient, surface.exact, self.momentum) {
            (&[height], AnySpace::Straight(ambient), false, Some(momentum)) => {
                let preconditioner = surface.stand(height, ambient, Damped);
                Ok(Learning::Damped(Descent { metric, preconditioner, momentum }))
            }
            (&[height], AnySpace::Straight(ambient), true, Some(momentum)) => {
                let preconditioner = surface.stand(height, ambient, Exact);
                Ok(Learning::Exact(Descent { metric, preconditioner, momentum }))
            }
            (_, _, _, None) => self.refused("a learned metric needs a momentum: write `+ ema(0)` behind it for none"),
            _ => self.refused("a learned metric goes with one loss and no coupling"),
        }
    }
}

const CAUTIOUS: &str = "`cautious` goes with `flat` and with the damped surface of one loss without coupling";

const REMEMBERS: &str =
    "without momentum there are `flat` and the damped surface of one loss: write `+ ema(0)` behind the others";

impl AnySurface {
    /// The surface over these heights in this ambient metric.
    pub(crate) fn stand<H, A, P, const K: usize>(
        &self,
        heights: H,
        ambient: A,
        placement: P,
    ) -> Induced<H, Descended<A>, P>
    where
        H: Heights<K>,
        A: AmbientMetric<K>,
        P: Placement,
    {
        let ambient = Descended { ambient, of_losses: self.of_losses };
        Induced { heights, ambient, placement, guard: self.guard, beta: self.beta }
    }
}

// Room for what the largest rule has: four losses over AMSGrad.
const STATE: usize = MOST_LOSSES + 2;
const MEMORY: usize = 2 + MOST_LOSSES * MOST_LOSSES + 1;
const CORRECTIONS: usize = 6;
const SUMS: usize = MOST_LOSSES * MOST_LOSSES;
const MULTIPLIERS: usize = 2 + 2 * MOST_LOSSES;

/// The same numbers in more room.
#[inline(always)]
fn widen<S: Field, From: Bundle<S>, const N: usize>(numbers: From) -> [S; N] {
    const { assert!(From::LEN <= N, "a rule keeps more than there is room for") };
    fit(numbers)
}

/// A number for every loss, in more room: those that are not there are like the last.
#[inline(always)]
fn spread<S: Field, From: Bundle<S>>(numbers: From) -> [S; MOST_LOSSES] {
    const { assert!(From::LEN <= MOST_LOSSES, "a rule has more losses than there is room for") };
    core::array::from_fn(|loss| numbers.get(loss.min(From::LEN.saturating_sub(1))).unwrap_or_else(S::zero))
}

/// What a kernel reads, as the typed rule does.
#[inline(always)]
fn coordinate<S: Real, R: Rule>(
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> Coordinate<S, R::State<S>, R::PerLoss<S>> {
    Coordinate { parameter: at.parameter, state: fit(at.state), gradient: fit(at.gradient) }
}

#[inline(never)]
fn begin<S: Real, R: Rule>(rule: &R) -> [S; MEMORY] {
    widen(rule.begin::<S>())
}

#[inline(never)]
fn correct<S: Real, R: Rule>(rule: &R, memory: [S; MEMORY]) -> [S; CORRECTIONS] {
    widen(rule.correct::<S>(fit(memory)))
}

#[inline(never)]
fn beside<S: Real, R: Rule>(rule: &R, own: [S; MEMORY], others: [S; MEMORY]) -> Option<[S; MEMORY]> {
    rule.beside::<S>(fit(own), fit(others)).map(widen)
}

#[inline(never)]
fn measure<S: Real, R: Rule>(
    rule: &R,
    corrections: [S; CORRECTIONS],
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> [S; SUMS] {
    widen(rule.measure::<S>(fit(corrections), coordinate::<S, R>(at)))
}

#[inline(never)]
#[allow(clippy::type_complexity, reason = "the names are those of the parts")]
fn damp<S: Real, R: Rule>(
    rule: &R,
    inputs: Inputs<S, [S; MOST_LOSSES]>,
    memory: [S; MEMORY],
    sums: Totals<[S; SUMS]>,
) -> Outcome<[S; MULTIPLIERS], [S; MEMORY], Damping<S, [S; MOST_LOSSES]>> {
    let Inputs { loss, learning_rate, weight_decay, xi } = inputs;
    let inputs = Inputs { loss: fit(loss), learning_rate, weight_decay, xi: fit(xi) };
    let sums = Totals { pool: fit(sums.pool), group: fit(sums.group) };
    let Outcome { factors, memory, report } = rule.damp::<S>(inputs, fit(memory), sums);
    Outcome {
        factors: widen(factors),
        memory: widen(memory),
        report: Damping {
            squared_length: spread(report.squared_length),
            averaged: spread(report.averaged),
            slope: spread(report.slope),
            damping: spread(report.damping),
            determinant_ratio: report.determinant_ratio,
            coupling: report.coupling,
            coupling_scale: report.coupling_scale,
        },
    }
}

#[inline(never)]
fn advance<S: Real, R: Rule>(
    rule: &R,
    corrections: [S; CORRECTIONS],
    multipliers: [S; MULTIPLIERS],
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> Advanced<S, [S; STATE]> {
    let Advanced { parameter, state } = rule.advance::<S>(fit(corrections), fit(multipliers), coordinate::<S, R>(at));
    Advanced { parameter, state: widen(state) }
}

/// A metric that was chosen, of which one is usual.
trait Usual: PointwiseMetric + Send + 'static {
    /// The usual one, with the same state.
    type Plain: PointwiseMetric + Send + 'static;

    /// It, if it was chosen.
    fn plain(&self) -> Option<Self::Plain>;
}

impl Usual for AnyStateless {
    type Plain = Euclidean;

    fn plain(&self) -> Option<Euclidean> {
        if let Self::Euclidean(metric) = *self { Some(metric) } else { None }
    }
}

impl Usual for AnyDiagonal {
    type Plain = RmsProp;

    fn plain(&self) -> Option<RmsProp> {
        if let Self::RmsProp(metric) = *self { Some(metric) } else { None }
    }
}

/// A momentum that was chosen, by its own type: with the corrections of [`AnyMomentum`], which hand it over.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known<Q>(Q);

impl<Q: Momentum> Momentum for Known<Q> {
    type State<S: Real> = Q::State<S>;
    type Corrections<S: Real> = [S; 2];

    fn decay(&self) -> f64 {
        self.0.decay()
    }

    fn correct<S: Real>(&self, power: S) -> [S; 2] {
        widen(self.0.correct(power))
    }

    #[inline(always)]
    fn remember<S: Real>(&self, state: Q::State<S>, gradient: S) -> Q::State<S> {
        self.0.remember(state, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, corrections: [S; 2], at: Recall<Q::State<S>, S>) -> S {
        self.0.covector(fit::<S, _, _>(corrections), at)
    }

    #[inline(always)]
    fn shown<S: Real>(&self, at: Recall<Q::State<S>, S>) -> Option<S> {
        self.0.shown(at)
    }
}

/// Passes compiled for one metric and momentum. A choice within the loops would cost up to a third of a step.
fn known<T, M, P, Q, const K: usize>(metric: M, preconditioner: &P, momentum: Q) -> Passes<T>
where
    T: Tensor,
    M: PointwiseMetric + Send + 'static,
    P: Preconditioner<K> + Send + 'static,
    Q: Momentum + Send + 'static,
{
    Passes::compiled(&Descent { metric, preconditioner: preconditioner.clone(), momentum: Known(momentum) })
}

impl<M: Usual> Fixed<M> {
    /// Of the usual rules compiled for the tensors, of the others prepared as the backend does it.
    fn passes<T: Tensor>(&self) -> Result<Passes<T>, Error> {
        /// The usual metric with a moving average.
        fn usual<M: Usual, P, const K: usize>(rule: &Descent<M, P, AnyMomentum, K>) -> Option<(M::Plain, Ema)> {
            if let AnyMomentum::Ema(ema) = rule.momentum { Some((rule.metric.plain()?, ema)) } else { None }
        }
        let compiled = match self {
            Self::Flat(rule) => match (rule.metric.plain(), rule.momentum) {
                (Some(metric), AnyMomentum::Ema(ema)) => Some(known(metric, &rule.preconditioner, ema)),
                (Some(metric), AnyMomentum::HeavyBall(ball)) => Some(known(metric, &rule.preconditioner, ball)),
                _ => None,
            },
            Self::Damped(rule) => usual(rule).map(|(metric, ema)| known(metric, &rule.preconditioner, ema)),
            Self::Coupled(rule) => usual(rule).map(|(metric, ema)| known(metric, &rule.preconditioner, ema)),
            Self::Two(rule) => {
                usual(rule).map(|(metric, ema)| known::<_, _, _, _, 2>(metric, &rule.preconditioner, ema))
            }
            _ => None,
        };
        compiled.map_or_else(|| self.prepared(), Ok)
    }
}

impl<M: PointwiseMetric + Send + 'static> Fixed<M> {
    /// As the backend prepares them.
    fn prepared<T: Tensor>(&self) -> Result<Passes<T>, Error> {
        match self {
            Self::Flat(rule) => Passes::prepared(rule),
            Self::Damped(rule) => Passes::prepared(rule),
            Self::Coupled(rule) => Passes::prepared(rule),
            Self::Two(rule) => Passes::prepared(rule),
            Self::FlatNow(rule) => Passes::prepared(rule),
            Self::DampedNow(rule) => Passes::prepared(rule),
            Self::Clipped(rule) => Passes::prepared(rule),
            Self::CautiousFlat(rule) => Passes::prepared(rule),
            Self::CautiousDamped(rule) => Passes::prepared(rule),
            Self::EvaluatedFlatNow(rule) => Passes::prepared(rule),
            Self::EvaluatedDampedNow(rule) => Passes::prepared(rule),
            Self::EvaluatedFlat(rule) => Passes::prepared(rule),
            Self::EvaluatedDamped(rule) => Passes::prepared(rule),
            Self::EvaluatedCautiousFlat(rule) => Passes::prepared(rule),
            Self::EvaluatedCautiousDamped(rule) => Passes::prepared(rule),
            Self::Bilinear(rule) => Passes::prepared(rule),
            Self::Exact(rule) => Passes::prepared(rule),
            Self::CoupledExact(rule) => Passes::prepared(rule),
            Self::Given(rule) => Passes::prepared(rule),
            Self::Three(rule) => Passes::prepared(rule),
            Self::Four(rule) => Passes::prepared(rule),
            Self::CoupledTwo(rule) => Passes::prepared(rule),
        }
    }
}

impl<M: PointwiseMetric + Send + 'static> Learning<M> {
    /// As the backend prepares them.
    fn passes<T: Tensor>(&self) -> Result<Passes<T>, Error> {
        match self {
            Self::Damped(rule) => Passes::prepared(rule),
            Self::Exact(rule) => Passes::prepared(rule),
        }
    }
}

impl Rule for AnyFused {
    type PerLoss<S: Real> = [S; MOST_LOSSES];
    type State<S: Real> = [S; STATE];
    type Memory<S: Real> = [S; MEMORY];
    type Corrections<S: Real> = [S; CORRECTIONS];
    type Sums<S: Real> = [S; SUMS];
    type Multipliers<S: Real> = [S; MULTIPLIERS];

    const IS_CHOSEN: bool = true;

    fn begin<S: Real>(&self) -> [S; MEMORY] {
        chosen!(&self.0, rule => begin(rule))
    }

    fn correct<S: Real>(&self, memory: [S; MEMORY]) -> [S; CORRECTIONS] {
        chosen!(&self.0, rule => correct(rule, memory))
    }

    fn beside<S: Real>(&self, own: [S; MEMORY], others: [S; MEMORY]) -> Option<[S; MEMORY]> {
        chosen!(&self.0, rule => beside(rule, own, others))
    }

    fn measure<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> [S; SUMS] {
        chosen!(&self.0, rule => measure(rule, corrections, at))
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; MOST_LOSSES]>,
        memory: [S; MEMORY],
        sums: Totals<[S; SUMS]>,
    ) -> Outcome<[S; MULTIPLIERS], [S; MEMORY], Damping<S, [S; MOST_LOSSES]>> {
        chosen!(&self.0, rule => damp(rule, inputs, memory, sums))
    }

    fn advance<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        multipliers: [S; MULTIPLIERS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> Advanced<S, [S; STATE]> {
        chosen!(&self.0, rule => advance(rule, corrections, multipliers, at))
    }

    fn learns_per_tensor(&self) -> bool {
        chosen!(&self.0, rule => rule.learns_per_tensor())
    }

    fn xi(&self) -> Option<[f64; MOST_LOSSES]> {
        chosen!(&self.0, rule => rule.xi().map(spread))
    }

    fn accepts<S: Real>(&self, loss: [S; MOST_LOSSES], xi: [S; MOST_LOSSES]) -> S::Mask {
        chosen!(&self.0, rule => rule.accepts::<S>(fit(loss), fit(xi)))
    }

    fn check_loss(&self, loss: [f64; MOST_LOSSES], xi: [f64; MOST_LOSSES]) -> Result<(), Error> {
        chosen!(&self.0, rule => rule.check_loss(fit(loss), fit(xi)))
    }

    fn validate(&self) -> Result<(), Error> {
        chosen!(&self.0, rule => rule.validate())
    }

    fn name(&self) -> String {
        chosen!(&self.0, rule => rule.name())
    }

    fn with<V: OnRule>(&self, does: V) -> V::Output {
        chosen!(&self.0, rule => does.on(rule))
    }

    fn losses(&self) -> usize {
        chosen!(&self.0, rule => rule.losses())
    }

    fn passes<T: Tensor>(&self) -> Result<Option<Passes<T>>, Error> {
        match &self.0 {
            Chosen::Stateless(over) => over.passes(),
            Chosen::Diagonal(over) => over.passes(),
            Chosen::AmsGrad(over) => over.prepared(),
            Chosen::LearnedScalar(over) => over.passes(),
            Chosen::LearnedDiagonal(over) => over.passes(),
        }
        .map(Some)
    }
}
