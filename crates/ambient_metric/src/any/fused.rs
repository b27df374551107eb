//! Chosen rules over pointwise metrics, as a rule.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::coupled::Coupled;
use crate::ambient::coupling::Given;
use crate::ambient::gram::Gram;
use crate::ambient::heights::{Height, Heights};
use crate::any::gradient::AnyTransform;
use crate::any::metric::AnyBaseMetric;
use crate::any::parts::{AnyAmbient, AnyClip, AnyCoupling, AnyEmbedding, AnyMomentum};
use crate::any::point::AnyPoint;
use crate::any::pointwise::AnyPointwise;
use crate::any::rule::{AnyDistance, AnyPreconditioner, AnyRule, AnySpace, AnySurface, MOST_LOSSES};
use crate::base::diagonal::RmsProp;
use crate::base::pointwise::{PointwiseMetric, Weights};
use crate::error::Error;
use crate::number::bundle::{Bundle, fit, names, nested};
use crate::number::scalar::{Field, Real};
use crate::rule::bilinear::Bilinear;
use crate::rule::cautious::Cautious;
use crate::rule::clipping::Clipped;
use crate::rule::d_adaptation::DAdaptation;
use crate::rule::descent::{Descent, Powers};
use crate::rule::evaluated::{EvaluationPoint, Left, behind, evaluated, step};
use crate::rule::induced::{Damped, Exact, Induced, Placement};
use crate::rule::momo::MoMo;
use crate::rule::passes::Passes;
use crate::rule::preconditioner::{Damping, Flat, Preconditioner};
use crate::rule::prodigy::Prodigy;
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::rule::slots::Slots;
use crate::rule::transformed::{GradientTransform, before, transformed};
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

/// A preconditioner that scales momenta as they are, of those that wrappers go around.
enum Scaling {
    Flat,
    Damped(OfOne<AnyAmbient, Damped>),
}

/// The descents, of which each has sums of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Chosen {
    FlatNow(Descent<AnyPointwise, Flat, NoMomentum>),
    DampedNow(Descent<AnyPointwise, OfOne<AnyAmbient, Damped>, NoMomentum>),
    Flat(Descent<AnyPointwise, Flat, AnyMomentum>),
    Clipped(Descent<AnyPointwise, Clipped<AnyClip>, AnyMomentum>),
    CautiousFlat(Descent<AnyPointwise, Cautious<Flat>, AnyMomentum>),
    CautiousDamped(Descent<AnyPointwise, Cautious<OfOne<AnyAmbient, Damped>>, AnyMomentum>),
    ModelledFlat(Descent<AnyPointwise, MoMo<Flat>, AnyMomentum>),
    ModelledDamped(Descent<AnyPointwise, MoMo<OfOne<AnyAmbient, Damped>>, AnyMomentum>),
    ProdigyFlat(Prodigy<Flat>),
    ProdigyDamped(Prodigy<OfOne<AnyAmbient, Damped>>),
    DAdaptationFlat(DAdaptation<Flat>),
    DAdaptationDamped(DAdaptation<OfOne<AnyAmbient, Damped>>),
    Bilinear(Descent<AnyPointwise, Bilinear<AnyEmbedding, AnyCoupling, AnyCoupling>, AnyMomentum>),
    Damped(Descent<AnyPointwise, OfOne<AnyAmbient, Damped>, AnyMomentum>),
    Exact(Descent<AnyPointwise, OfOne<AnyAmbient, Exact>, AnyMomentum>),
    Coupled(Descent<AnyPointwise, OfOne<Coupled<AnyCoupling>, Damped>, AnyMomentum>),
    CoupledExact(Descent<AnyPointwise, OfOne<Coupled<AnyCoupling>, Exact>, AnyMomentum>),
    Given(Descent<AnyPointwise, OfOne<Coupled<Given>, Damped>, AnyMomentum>),
    Two(Descent<AnyPointwise, Of<2, AnyAmbient, Damped>, AnyMomentum, 2>),
    Three(Descent<AnyPointwise, Of<3, AnyAmbient, Damped>, AnyMomentum, 3>),
    Four(Descent<AnyPointwise, Of<4, AnyAmbient, Damped>, AnyMomentum, 4>),
    CoupledTwo(Descent<AnyPointwise, Of<2, Coupled<AnyCoupling>, Damped>, AnyMomentum, 2>),
}

/// Does the same with whatever rule it is.
macro_rules! chosen {
    ($any:expr, $rule:ident => $does:expr) => {
        match $any {
            Chosen::FlatNow($rule) => $does,
            Chosen::DampedNow($rule) => $does,
            Chosen::Flat($rule) => $does,
            Chosen::Clipped($rule) => $does,
            Chosen::CautiousFlat($rule) => $does,
            Chosen::CautiousDamped($rule) => $does,
            Chosen::ModelledFlat($rule) => $does,
            Chosen::ModelledDamped($rule) => $does,
            Chosen::ProdigyFlat($rule) => $does,
            Chosen::ProdigyDamped($rule) => $does,
            Chosen::DAdaptationFlat($rule) => $does,
            Chosen::DAdaptationDamped($rule) => $does,
            Chosen::Bilinear($rule) => $does,
            Chosen::Damped($rule) => $does,
            Chosen::Exact($rule) => $does,
            Chosen::Coupled($rule) => $does,
            Chosen::CoupledExact($rule) => $does,
            Chosen::Given($rule) => $does,
            Chosen::Two($rule) => $does,
            Chosen::Three($rule) => $does,
            Chosen::Four($rule) => $does,
            Chosen::CoupledTwo($rule) => $does,
        }
    };
}

/// A chosen rule that runs in passes over memory, as a [`Rule`]: made by [`AnyRule::fused`].
///
/// Its passes are those of the typed rule, and read and write the same tensors. Its types have room for every rule's numbers; its [`slots`](Rule::slots) are
/// those of the typed one.
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
pub struct AnyFused {
    descent: Chosen,
    transform: Option<AnyTransform>,
    point: Option<AnyPoint>,
    /// What the descent has.
    counts: Counts,
    /// What it has with what the transform keeps, behind which comes what is kept for the point.
    with_transform: Counts,
    places: Places,
}

/// Where among the tensors of its state the numbers of a descent's type lie; nowhere, those for which there is room and no need.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Places([Option<u8>; ROOM]);

/// A rule of which is known what is there and where its state lies.
trait Placed: Rule {
    /// The names of what is there: by default all.
    fn slots_there(&self) -> Slots {
        self.slots()
    }

    /// Where the state lies that is there: by default all of it is.
    fn places(&self) -> Places {
        let count = <Self::State<f64> as Bundle<f64>>::LEN;
        Places::of((0..count).map(|_| true))
    }
}

impl<P: Preconditioner> Placed for Prodigy<P> {}

impl<P: Preconditioner> Placed for DAdaptation<P> {}

/// A momentum of which is known what it keeps.
trait Keeps: Momentum {
    /// The names of it.
    fn kept(&self) -> Vec<String>;
}

impl Keeps for NoMomentum {
    fn kept(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Keeps for AnyMomentum {
    fn kept(&self) -> Vec<String> {
        self.slots()
    }
}

/// The names of one, for each loss.
fn of_losses<const K: usize>(slots: &[String]) -> Vec<String> {
    if K == 1 {
        return slots.to_vec();
    }
    (0..K).flat_map(|loss| nested(&loss.to_string(), slots.to_vec())).collect()
}

impl<P: Preconditioner<K>, Q: Keeps, const K: usize> Placed for Descent<AnyPointwise, P, Q, K> {
    fn slots_there(&self) -> Slots {
        let (metric, momentum) = (self.metric.slots(), nested("momentum", of_losses::<K>(&self.momentum.kept())));
        let powers = nested("powers", names::<Powers<f64>>());
        let corrections = [nested("momentum", names::<Q::Corrections<f64>>()), vec!["metric".to_owned()]].concat();
        let multipliers = ["learning_rate", "decay"].map(str::to_owned).to_vec();
        let ambient = |of: Vec<String>| nested("preconditioner", of);
        // What the metric has comes last wherever places are not said.
        Slots {
            loss: names::<[f64; K]>(),
            state: [momentum, nested("metric", metric.state), nested("ambient", names::<P::State<f64>>())].concat(),
            memory: [powers, ambient(names::<P::Memory<f64>>()), nested("metric", metric.memory)].concat(),
            corrections: [corrections, nested("shared", metric.corrections)].concat(),
            multipliers: [multipliers, ambient(names::<P::Factors<f64>>()), nested("metric", metric.multipliers)]
                .concat(),
            sums: [ambient(names::<P::Sums<f64>>()), nested("lesson", metric.sums)].concat(),
        }
    }

    /// Momenta, then what is kept for the base metric, then for the ambient metric.
    fn places(&self) -> Places {
        let room = [<Q::State<f64> as Bundle<f64>>::LEN, METRIC, <P::State<f64> as Bundle<f64>>::LEN];
        let there = [self.momentum.kept().len(), self.metric.slots().state.len(), room[2]];
        let [momentum, metric, ambient] = [0, 1, 2].map(|part| (0..room[part]).map(move |slot| slot < there[part]));
        Places::of(core::iter::repeat_n(momentum, K).flatten().chain(metric).chain(ambient))
    }
}

impl Places {
    /// Of numbers that are there, or not.
    fn of(all: impl Iterator<Item = bool>) -> Self {
        let (mut places, mut next) = ([None; ROOM], 0);
        for (place, is_there) in places.iter_mut().zip(all) {
            if is_there {
                *place = Some(next);
                next += 1;
            }
        }
        Self(places)
    }

    /// The state as the type of the descent has it.
    #[inline(always)]
    fn wide<S: Field, To: Bundle<S>>(&self, state: [S; STATE]) -> To {
        const { assert!(To::LEN <= ROOM, "a rule keeps more than there are places for") };
        let mut places = self.0.iter();
        To::build(&mut || match places.next() {
            Some(&Some(place)) => number(state, usize::from(place)),
            _ => S::zero(),
        })
    }

    /// The state as tensors have it.
    #[inline(always)]
    fn compact<S: Field, From: Bundle<S>>(&self, state: From) -> [S; STATE] {
        let mut compact = [S::zero(); STATE];
        for (slot, place) in self.0.iter().enumerate() {
            if let (&Some(place), Some(value)) = (place, state.get(slot)) {
                compact = with(compact, usize::from(place), value);
            }
        }
        compact
    }
}

/// How many numbers a descent has, of the bundles behind which those of a transform and of an evaluation point come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    state: usize,
    memory: usize,
    corrections: usize,
}

impl Counts {
    fn of(slots: &Slots) -> Self {
        let Slots { state, memory, corrections, .. } = slots;
        Self { state: state.len(), memory: memory.len(), corrections: corrections.len() }
    }
}

impl AnyRule {
    /// The rule as one that runs in passes over memory.
    ///
    /// # Errors
    ///
    /// [`Error::NoEngine`] for a metric of whole tensors, and for parts that do not go together.
    pub fn fused(&self) -> Result<AnyFused, Error> {
        let AnyBaseMetric::Pointwise(metric) = self.metric else {
            return self.refused("its metric is one of whole tensors, which no pass over memory runs");
        };
        let (beforehand, transform) = self.of_gradients();
        if !beforehand.is_empty() {
            return self.refused(BEFOREHAND);
        }
        let learns = matches!(metric, AnyPointwise::LearnedScalar(_) | AnyPointwise::LearnedDiagonal(_));
        if learns && !matches!(self.preconditioner, AnyPreconditioner::Induced(_)) {
            return self.refused("a learned metric learns from a surface: write `induced`");
        }
        let descent = match (self.cautious, self.lower_bound, self.momentum) {
            _ if self.distance.is_some() => self.distant(metric)?,
            (true, None, Some(momentum)) => self.cautious(metric, momentum)?,
            (true, Some(_), _) => return self.refused("a step is cautious or limited by a model: leave one out"),
            (true, _, None) => {
                return self.refused("without momentum no step goes against its gradient: leave `cautious` out");
            }
            (false, Some(lower_bound), momentum) => self.modelled(metric, momentum, lower_bound)?,
            (false, None, Some(momentum)) => self.remembering(metric, momentum)?,
            (false, None, None) => self.now(metric)?,
        };
        let slots = chosen!(&descent, rule => rule.slots_there());
        let counts = Counts::of(&slots);
        let with_transform = transform.map_or(counts, |transform| Counts::of(&before(&transform, slots)));
        if self.losses() > 1 && matches!(self.momentum, Some(AnyMomentum::Adan(_))) {
            return self.refused("the momentum `adan` goes with one loss");
        }
        let places = chosen!(&descent, rule => rule.places());
        if with_transform.state + usize::from(self.point.is_some()) > STATE {
            return self.refused("it keeps more numbers per parameter than there is room for: leave a wrapper out");
        }
        Ok(AnyFused { descent, transform, point: self.point, counts, with_transform, places })
    }

    pub(crate) fn refused<O>(&self, problem: &'static str) -> Result<O, Error> {
        Err(Error::NoEngine { rule: self.name(), problem })
    }

    /// With momentum.
    fn remembering(&self, metric: AnyPointwise, momentum: AnyMomentum) -> Result<Chosen, Error> {
        let surface = match &self.preconditioner {
            AnyPreconditioner::Flat => return Ok(Chosen::Flat(Descent { metric, preconditioner: Flat, momentum })),
            AnyPreconditioner::Bilinear(preconditioner) => {
                return Ok(Chosen::Bilinear(Descent { metric, preconditioner: *preconditioner, momentum }));
            }
            AnyPreconditioner::Clipped(preconditioner) => {
                return Ok(Chosen::Clipped(Descent { metric, preconditioner: *preconditioner, momentum }));
            }
            AnyPreconditioner::Induced(surface) => surface,
        };
        /// A descent on the surface.
        macro_rules! on {
            ($variant:ident, $heights:expr, $ambient:expr, $placement:expr) => {
                Chosen::$variant(Descent {
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

    /// The preconditioner, if it is `flat` or the damped surface of one loss without coupling.
    fn scaling(&self) -> Option<Scaling> {
        match &self.preconditioner {
            AnyPreconditioner::Flat => Some(Scaling::Flat),
            AnyPreconditioner::Induced(surface) => match (surface.heights.as_slice(), surface.ambient, surface.exact) {
                (&[height], AnySpace::Straight(ambient), false) => {
                    Some(Scaling::Damped(surface.stand(height, ambient, Damped)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// In cautious steps.
    fn cautious(&self, metric: AnyPointwise, momentum: AnyMomentum) -> Result<Chosen, Error> {
        Ok(match self.scaling() {
            Some(Scaling::Flat) => Chosen::CautiousFlat(Descent { metric, preconditioner: Cautious(Flat), momentum }),
            Some(Scaling::Damped(surface)) => {
                Chosen::CautiousDamped(Descent { metric, preconditioner: Cautious(surface), momentum })
            }
            None => return self.refused(CAUTIOUS),
        })
    }

    /// In steps that a model of the loss limits.
    fn modelled(&self, metric: AnyPointwise, momentum: Option<AnyMomentum>, lower_bound: f64) -> Result<Chosen, Error> {
        let Some(momentum @ AnyMomentum::Ema(Ema(beta))) = momentum else {
            return self.refused("the model of `momo` is that of the momentum `ema`: write `+ ema(0)` for none");
        };
        Ok(match self.scaling() {
            Some(Scaling::Flat) => {
                let preconditioner = MoMo { preconditioner: Flat, beta, lower_bound };
                Chosen::ModelledFlat(Descent { metric, preconditioner, momentum })
            }
            Some(Scaling::Damped(preconditioner)) => {
                let preconditioner = MoMo { preconditioner, beta, lower_bound };
                Chosen::ModelledDamped(Descent { metric, preconditioner, momentum })
            }
            None => return self.refused(MODELLED),
        })
    }

    /// With an estimate of the distance for the rate.
    fn distant(&self, metric: AnyPointwise) -> Result<Chosen, Error> {
        let (
            AnyPointwise::RmsProp(RmsProp { beta: beta2, epsilon }),
            Some(AnyMomentum::Ema(Ema(beta1))),
            Some(distance),
            (false, None),
            Some(scaling),
        ) = (metric, self.momentum, self.distance, (self.cautious, self.lower_bound), self.scaling())
        else {
            return self.refused(DISTANT);
        };
        Ok(match distance {
            AnyDistance::Prodigy { d0, coefficient, beta3, bias_correction } => {
                let beta3 = if beta3 > 0.0 { beta3 } else { beta2.sqrt() };
                let flat =
                    Prodigy { preconditioner: Flat, beta1, beta2, beta3, epsilon, d0, coefficient, bias_correction };
                match scaling {
                    Scaling::Flat => Chosen::ProdigyFlat(flat),
                    Scaling::Damped(surface) => Chosen::ProdigyDamped(flat.over(surface)),
                }
            }
            AnyDistance::DAdaptation { d0, bias_correction } => {
                let flat = DAdaptation { preconditioner: Flat, beta1, beta2, epsilon, d0, bias_correction };
                match scaling {
                    Scaling::Flat => Chosen::DAdaptationFlat(flat),
                    Scaling::Damped(surface) => Chosen::DAdaptationDamped(flat.over(surface)),
                }
            }
        })
    }

    /// Without momentum.
    fn now(&self, metric: AnyPointwise) -> Result<Chosen, Error> {
        let momentum = NoMomentum;
        Ok(match self.scaling() {
            Some(Scaling::Flat) => Chosen::FlatNow(Descent { metric, preconditioner: Flat, momentum }),
            Some(Scaling::Damped(preconditioner)) => Chosen::DampedNow(Descent { metric, preconditioner, momentum }),
            None => return self.refused(REMEMBERS),
        })
    }
}

const BEFOREHAND: &str = "something is done to its gradients before the optimiser: make it by `build_any`, or take `AnyRule::apart` and put `Preprocessed` around the optimiser of the rest";

const CAUTIOUS: &str = "`cautious` goes with `flat` and with the damped surface of one loss without coupling";

const MODELLED: &str = "`momo` goes with `flat` and with the damped surface of one loss without coupling";

pub(crate) const DISTANT: &str = "`prodigy` and `d_adaptation` go with `rmsprop` and `ema`, in `flat` or in the damped surface of one loss without coupling, and with nothing beside it";

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

/// Numbers that a metric keeps at most, and all of a descent: the momenta of four losses, or of one beside a given coupling.
const METRIC: usize = 2;
const ROOM: usize = 3 * MOST_LOSSES + 1 + METRIC;

// Room for what the largest rule has: four losses, the metric with most of each, a transform of the gradient, and an evaluation point.
const STATE: usize = MOST_LOSSES + 2 + 1 + 1;
const MEMORY: usize = 2 + MOST_LOSSES * MOST_LOSSES + 1 + 1 + 1 + 1;
const CORRECTIONS: usize = 3 + 1 + 1 + 2 + 2;
const SUMS: usize = MOST_LOSSES * MOST_LOSSES + 3;
const MULTIPLIERS: usize = 2 + 2 * MOST_LOSSES + 2;

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
    places: &Places,
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> Coordinate<S, R::State<S>, R::PerLoss<S>> {
    Coordinate { parameter: at.parameter, state: places.wide(at.state), gradient: fit(at.gradient) }
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
    places: &Places,
    corrections: [S; CORRECTIONS],
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> [S; SUMS] {
    widen(rule.measure::<S>(fit(corrections), coordinate::<S, R>(places, at)))
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
    places: &Places,
    corrections: [S; CORRECTIONS],
    multipliers: [S; MULTIPLIERS],
    at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
) -> Advanced<S, [S; STATE]> {
    let Advanced { parameter, state } =
        rule.advance::<S>(fit(corrections), fit(multipliers), coordinate::<S, R>(places, at));
    Advanced { parameter, state: places.compact(state) }
}

#[inline(never)]
fn notice<S: Real, R: Rule>(
    rule: &R,
    places: &Places,
    weights: Weights<S>,
    state: [S; STATE],
    example: S,
) -> [S; STATE] {
    places.compact(rule.notice::<S>(weights, places.wide(state), example))
}

#[inline(never)]
fn observed<S: Real, R: Rule>(rule: &R, memory: [S; MEMORY]) -> [S; MEMORY] {
    widen(rule.observed::<S>(fit(memory)))
}

/// A momentum that was chosen, by its own type: with the corrections of [`AnyMomentum`], which hand it over.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known<Q>(Q);

impl<Q: Momentum> Momentum for Known<Q> {
    type State<S: Real> = Q::State<S>;
    type Corrections<S: Real> = [S; 3];

    fn decay(&self) -> f64 {
        self.0.decay()
    }

    fn correct<S: Real>(&self, power: S) -> [S; 3] {
        widen(self.0.correct(power))
    }

    #[inline(always)]
    fn remember<S: Real>(&self, corrections: [S; 3], state: Q::State<S>, gradient: S) -> Q::State<S> {
        self.0.remember(fit::<S, _, _>(corrections), state, gradient)
    }

    #[inline(always)]
    fn covector<S: Real>(&self, corrections: [S; 3], at: Recall<Q::State<S>, S>) -> S {
        self.0.covector(fit::<S, _, _>(corrections), at)
    }

    #[inline(always)]
    fn shown<S: Real>(&self, corrections: [S; 3], at: Recall<Q::State<S>, S>) -> Option<S> {
        self.0.shown(fit::<S, _, _>(corrections), at)
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

impl Chosen {
    /// Compiled passes, for the usual rules.
    fn compiled<T: Tensor>(&self) -> Option<Passes<T>> {
        let metric = match self {
            Self::Flat(rule) => rule.metric,
            Self::Damped(rule) => rule.metric,
            Self::Coupled(rule) => rule.metric,
            Self::Two(rule) => rule.metric,
            _ => return None,
        };
        match metric {
            AnyPointwise::Euclidean(metric) => self.compiled_over(metric),
            AnyPointwise::RmsProp(metric) => self.compiled_over(metric),
            _ => None,
        }
    }

    fn compiled_over<T: Tensor, M: PointwiseMetric + Send + 'static>(&self, metric: M) -> Option<Passes<T>> {
        fn average(momentum: AnyMomentum) -> Option<Ema> {
            if let AnyMomentum::Ema(ema) = momentum { Some(ema) } else { None }
        }
        Some(match self {
            Self::Flat(rule) => match rule.momentum {
                AnyMomentum::Ema(ema) => known(metric, &rule.preconditioner, ema),
                AnyMomentum::HeavyBall(ball) => known(metric, &rule.preconditioner, ball),
                _ => return None,
            },
            Self::Damped(rule) => known(metric, &rule.preconditioner, average(rule.momentum)?),
            Self::Coupled(rule) => known(metric, &rule.preconditioner, average(rule.momentum)?),
            Self::Two(rule) => known::<_, _, _, _, 2>(metric, &rule.preconditioner, average(rule.momentum)?),
            _ => return None,
        })
    }
}

impl AnyFused {
    /// Whether a descent is all that it is.
    #[inline(always)]
    fn is_bare(&self) -> bool {
        self.transform.is_none() && self.point.is_none()
    }

    /// What the transform makes of a coordinate's gradient, before the factor.
    #[inline(always)]
    fn before_factor<S: Real>(
        &self,
        transform: &AnyTransform,
        corrections: [S; CORRECTIONS],
        at: &Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> S {
        let Counts { state, corrections: count, .. } = self.counts;
        let later = transform.remembers().then(|| number(corrections, count + 1));
        transformed(transform, later, number(at.state, state), at.gradient[0])
    }

    /// What the descent sees of a coordinate.
    #[inline(always)]
    fn within<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> ([S; CORRECTIONS], Coordinate<S, [S; STATE], [S; MOST_LOSSES]>) {
        if self.is_bare() {
            return (corrections, at);
        }
        let Counts { state, corrections: count, .. } = self.counts;
        let mut gradient = at.gradient;
        if let Some(transform) = &self.transform {
            let before = self.before_factor(transform, corrections, &at);
            gradient[0] = if transform.surveys() { number(corrections, count) * before } else { before };
        }
        (first(corrections, count), Coordinate { state: first(at.state, state), gradient, ..at })
    }
}

/// The first so many of these numbers, and zeros for the others.
#[inline(always)]
fn first<S: Field, const N: usize>(numbers: [S; N], count: usize) -> [S; N] {
    core::array::from_fn(|slot| if slot < count { numbers[slot] } else { S::zero() })
}

/// The first so many of these numbers, and of the others those behind them.
#[inline(always)]
fn before_others<S: Field, const N: usize>(numbers: [S; N], others: [S; N], count: usize) -> [S; N] {
    core::array::from_fn(|slot| if slot < count { numbers[slot] } else { others[slot] })
}

/// A number of those in this place; zero past the end.
#[inline(always)]
fn number<S: Field, const N: usize>(numbers: [S; N], place: usize) -> S {
    numbers.get(place).unwrap_or_else(S::zero)
}

/// These numbers with another in one place.
#[inline(always)]
fn with<S: Field, const N: usize>(mut numbers: [S; N], place: usize, number: S) -> [S; N] {
    if let Some(slot) = numbers.get_mut(place) {
        *slot = number;
    }
    numbers
}

impl Rule for AnyFused {
    type PerLoss<S: Real> = [S; MOST_LOSSES];
    type State<S: Real> = [S; STATE];
    type Memory<S: Real> = [S; MEMORY];
    type Corrections<S: Real> = [S; CORRECTIONS];
    type Sums<S: Real> = [S; SUMS];
    type Multipliers<S: Real> = [S; MULTIPLIERS];

    const IS_CHOSEN: bool = true;
    const SURVEYS: bool = true;
    const EVALUATES_ELSEWHERE: bool = true;

    fn evaluates_elsewhere(&self) -> bool {
        self.point.is_some()
    }

    fn begin<S: Real>(&self) -> [S; MEMORY] {
        first(chosen!(&self.descent, rule => begin(rule)), self.counts.memory)
    }

    fn correct<S: Real>(&self, memory: [S; MEMORY]) -> [S; CORRECTIONS] {
        if self.is_bare() {
            return chosen!(&self.descent, rule => correct(rule, memory));
        }
        let Counts { memory: place, corrections: count, .. } = self.counts;
        let mut corrections = first(chosen!(&self.descent, rule => correct(rule, first(memory, place))), count);
        if let Some(transform) = &self.transform {
            corrections = with(corrections, count, S::one());
            if transform.remembers() {
                corrections = with(corrections, count + 1, number(memory, place));
            }
        }
        let Counts { memory: place, corrections: count, .. } = self.with_transform;
        if let Some(point) = self.point {
            let steps = number(memory, place);
            corrections = with(with(corrections, count, point.weight(steps)), count + 1, steps);
        }
        corrections
    }

    fn beside<S: Real>(&self, own: [S; MEMORY], others: [S; MEMORY]) -> Option<[S; MEMORY]> {
        let place = self.counts.memory;
        let beside = chosen!(&self.descent, rule => beside(rule, first(own, place), first(others, place)))?;
        // What transform and point keep is their own.
        Some(before_others(beside, own, place))
    }

    fn surveys(&self) -> bool {
        self.transform.is_some_and(|transform| transform.surveys())
    }

    fn survey<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> [S; MOST_LOSSES] {
        let mut survey = [S::zero(); MOST_LOSSES];
        if let Some(transform) = &self.transform {
            let before = self.before_factor(transform, corrections, &at);
            survey[0] = before * before;
        }
        survey
    }

    fn heed<S: Real>(&self, corrections: [S; CORRECTIONS], survey: [S; MOST_LOSSES]) -> [S; CORRECTIONS] {
        let Some(transform) = &self.transform else { return corrections };
        with(corrections, self.counts.corrections, transform.factor(survey[0]))
    }

    fn measure<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> [S; SUMS] {
        let (corrections, at) = self.within(corrections, at);
        chosen!(&self.descent, rule => measure(rule, &self.places, corrections, at))
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; MOST_LOSSES]>,
        memory: [S; MEMORY],
        sums: Totals<[S; SUMS]>,
    ) -> Outcome<[S; MULTIPLIERS], [S; MEMORY], Damping<S, [S; MOST_LOSSES]>> {
        if self.is_bare() {
            return chosen!(&self.descent, rule => damp(rule, inputs, memory, sums));
        }
        let place = self.counts.memory;
        let outcome = chosen!(&self.descent, rule => damp(rule, inputs, first(memory, place), sums));
        let mut next = first(outcome.memory, place);
        if self.transform.is_some_and(|transform| transform.remembers()) {
            next = with(next, place, S::one());
        }
        let place = self.with_transform.memory;
        if self.point.is_some() {
            next = with(next, place, number(memory, place) + S::one());
        }
        Outcome { memory: next, ..outcome }
    }

    fn advance<S: Real>(
        &self,
        corrections: [S; CORRECTIONS],
        multipliers: [S; MULTIPLIERS],
        at: Coordinate<S, [S; STATE], [S; MOST_LOSSES]>,
    ) -> Advanced<S, [S; STATE]> {
        let (own, within) = self.within(corrections, at);
        let mut advanced = chosen!(&self.descent, rule => advance(rule, &self.places, own, multipliers, within));
        if self.is_bare() {
            return advanced;
        }
        advanced.state = first(advanced.state, self.counts.state);
        if self.transform.is_some_and(|transform| transform.remembers()) {
            advanced.state = with(advanced.state, self.counts.state, at.gradient[0]);
        }
        let Some(point) = self.point else { return advanced };
        let Counts { state: place, corrections: count, .. } = self.with_transform;
        let (weight, steps) = (number(corrections, count), number(corrections, count + 1));
        let Left { parameter, kept } =
            step(&point, (weight, steps), number(at.state, place), at.parameter, advanced.parameter);
        Advanced { parameter, state: with(advanced.state, place, kept) }
    }

    fn evaluated<S: Real>(&self, memory: [S; MEMORY], parameter: S, state: [S; STATE]) -> S {
        let Some(point) = self.point else { return parameter };
        let Counts { state: place, memory: steps, .. } = self.with_transform;
        evaluated(&point, number(memory, steps), parameter, number(state, place))
    }

    const OBSERVES: bool = true;

    fn observes(&self) -> bool {
        chosen!(&self.descent, rule => rule.observes())
    }

    fn notice<S: Real>(&self, weights: Weights<S>, state: [S; STATE], example: S) -> [S; STATE] {
        let place = self.counts.state;
        let noticed = chosen!(&self.descent, rule => notice(rule, &self.places, weights, first(state, place), example));
        // What transform and point keep stays as it is.
        before_others(noticed, state, place)
    }

    fn observation_decay(&self) -> f64 {
        chosen!(&self.descent, rule => rule.observation_decay())
    }

    fn observed<S: Real>(&self, memory: [S; MEMORY]) -> [S; MEMORY] {
        let place = self.counts.memory;
        let observed = chosen!(&self.descent, rule => observed(rule, first(memory, place)));
        before_others(observed, memory, place)
    }

    fn awaits_observation(&self, memory: [f64; MEMORY]) -> bool {
        let memory = first(memory, self.counts.memory);
        chosen!(&self.descent, rule => rule.awaits_observation(fit(memory)))
    }

    fn slots(&self) -> Slots {
        let mut slots = chosen!(&self.descent, rule => rule.slots_there());
        if let Some(transform) = &self.transform {
            slots = before(transform, slots);
        }
        if self.point.is_some() { behind(slots) } else { slots }
    }

    fn learns_per_tensor(&self) -> bool {
        chosen!(&self.descent, rule => rule.learns_per_tensor())
    }

    fn xi(&self) -> Option<[f64; MOST_LOSSES]> {
        chosen!(&self.descent, rule => rule.xi().map(spread))
    }

    fn accepts<S: Real>(&self, loss: [S; MOST_LOSSES], xi: [S; MOST_LOSSES]) -> S::Mask {
        chosen!(&self.descent, rule => rule.accepts::<S>(fit(loss), fit(xi)))
    }

    fn check_loss(&self, loss: [f64; MOST_LOSSES], xi: [f64; MOST_LOSSES]) -> Result<(), Error> {
        chosen!(&self.descent, rule => rule.check_loss(fit(loss), fit(xi)))
    }

    fn validate(&self) -> Result<(), Error> {
        chosen!(&self.descent, rule => rule.validate())?;
        self.transform.map_or(Ok(()), |transform| GradientTransform::validate(&transform))?;
        self.point.map_or(Ok(()), |point| point.validate())
    }

    fn name(&self) -> String {
        let mut name = chosen!(&self.descent, rule => rule.name());
        if let Some(transform) = self.transform {
            name = format!("{}({name})", GradientTransform::name(&transform));
        }
        self.point.map_or(name.clone(), |point| format!("{}({name})", point.name()))
    }

    fn losses(&self) -> usize {
        chosen!(&self.descent, rule => rule.losses())
    }

    fn passes<T: Tensor>(&self) -> Result<Option<Passes<T>>, Error> {
        let compiled = if self.is_bare() { self.descent.compiled() } else { None };
        compiled.map_or_else(|| Passes::prepared(self), Ok).map(Some)
    }
}
