//! The properties of an ambient metric: P2 to P4, P6, P7, P9, P12, P17 to P19 and P21, over base metrics that are pointwise and that are not.
//!
//! [`conformance_ambient!`](crate::conformance_ambient) makes a test of each. Everything is compared with the matrices written out: the ambient
//! metric G over parameters and heights, the tangent vectors of the surface in it, the pull-back as their products, and its solution by elimination.
//!
//! # Requirements
//!
//! Proofs are exact where the formulas of the ambient metric are fractions at a point. Where they are none, the numbers that it has there in `f64`
//! stand for them: the claim is then exact for these numbers.

use core::cell::Cell;

use ambient_metric::ambient::{Gram, Position};
use ambient_metric::number::{Dual, Element, nested_names};
use ambient_metric::space::{Local, Recall};
use ambient_metric::{
    AmbientMetric, Configuration, Covector, Dense, Descent, DiagonalMetric, Embedding, Error, Height, Induced,
    Momentum, NoMomentum, Preconditioner, Real, Report,
};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::exact::Exact;
use crate::inlining::the_acts_are_inlined;
use crate::matrix::Matrix;
use crate::proof::Proof;
use crate::reference::Reference;
use crate::strategies::{Fraction, fractions, positive_fractions};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 24;

/// η: a power of two, so that it is the same number in every type.
const LEARNING_RATE: f64 = 0.125;

fn zero() -> Exact {
    Exact::ratio(0, 1)
}

fn one() -> Exact {
    Exact::ratio(1, 1)
}

fn dot(x: &[Exact], y: &[Exact]) -> Exact {
    x.iter().zip(y).fold(zero(), |sum, (&x, &y)| sum + x * y)
}

fn is_positive(number: Exact) -> bool {
    Element::is_negative(-number)
}

/// Embeddings whose heights and slopes are fractions.
#[derive(Clone, Copy, Debug)]
enum Rational {
    /// L.
    Line,
    /// L², for positive losses.
    Square,
    /// L/(1 + L), for positive losses.
    Bounded,
}

impl Embedding for Rational {
    fn height<S: Real>(&self, loss: S) -> S {
        match self {
            Self::Line => loss,
            Self::Square => loss * loss,
            Self::Bounded => loss / (S::one() + loss),
        }
    }
}

/// A pointwise metric whose γ⁻¹ is a fraction: γ = 1 + l².
#[derive(Clone, Copy, Debug)]
struct Grown;

impl DiagonalMetric for Grown {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, _state: S, gradient: S) -> S {
        gradient * gradient
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, state: S) -> S {
        S::one() / (S::one() + state)
    }
}

/// A point of a surface of K losses.
#[derive(Clone, Debug)]
struct Point<const K: usize> {
    /// For every coordinate θ, the gradients, and what a state holds.
    coordinates: Vec<(Fraction, [Fraction; K], [Fraction; 4])>,
    /// What gradients are divided by, so that couplings along them are a metric now and then.
    divisor: i64,
    /// Embeddings, losses, and √ξ in quarters.
    heights: [(Rational, Fraction, i64); K],
    /// The diagonal of γ less three, and what stands beside it, for the metric that is not pointwise.
    band: Vec<(Fraction, i64)>,
}

fn points<const K: usize>() -> impl Strategy<Value = Point<K>> {
    let gradients = proptest::array::uniform::<_, K>(fractions());
    let coordinate = (fractions(), gradients, proptest::array::uniform4(fractions()));
    let embedding = prop_oneof![Just(Rational::Line), Just(Rational::Square), Just(Rational::Bounded)];
    let height = proptest::array::uniform::<_, K>((embedding, positive_fractions(), 0..8_i64));
    let band = prop::collection::vec((positive_fractions(), -2..=2_i64), 4);
    (prop::collection::vec(coordinate, 1..4), 1..60_i64, height, band)
        .prop_map(|(coordinates, divisor, heights, band)| Point { coordinates, divisor, heights, band })
}

impl<const K: usize> Point<K> {
    fn size(&self) -> usize {
        self.coordinates.len()
    }

    fn heights(&self) -> [Height<Rational>; K] {
        self.heights.map(|(embedding, _, quarters)| {
            let root = quarters as f64 / 4.0;
            Height { embedding, xi: root * root }
        })
    }

    fn losses(&self) -> [Exact; K] {
        self.heights.map(|(_, loss, _)| loss.exact())
    }

    fn slopes(&self) -> [Exact; K] {
        self.heights.map(|(embedding, loss, _)| embedding.slope(loss.exact()))
    }

    fn root_xi(&self) -> [Exact; K] {
        self.heights.map(|(_, _, quarters)| Exact::ratio(quarters, 4))
    }

    fn position(&self) -> Position<Exact, K> {
        let heights =
            self.heights.map(|(embedding, loss, quarters)| Exact::ratio(quarters, 4) * embedding.height(loss.exact()));
        Position { losses: self.losses(), heights }
    }

    /// The same in `f64`.
    fn position_in_f64(&self) -> Position<f64, K> {
        let height = |(embedding, loss, quarters): (Rational, Fraction, i64)| {
            quarters as f64 / 4.0 * embedding.height(loss.to_f64())
        };
        Position { losses: self.heights.map(|(_, loss, _)| loss.to_f64()), heights: self.heights.map(height) }
    }

    /// The first coordinate, in `f64`.
    fn local_in_f64(&self) -> Local<f64, [f64; K]> {
        let (parameter, gradients, seen) = &self.coordinates[0];
        let gradient = gradients.map(Fraction::to_f64);
        Local {
            parameter: parameter.to_f64(),
            gradient,
            momentum: gradient.map(|gradient| gradient + seen[0].to_f64()),
        }
    }

    /// l_A.
    fn gradient(&self, loss: usize) -> Vec<Exact> {
        self.coordinates.iter().map(|at| at.1[loss].exact() / Exact::ratio(self.divisor, 1)).collect()
    }

    /// γ: the band, or one plus the square of the total gradient on the diagonal.
    fn gamma(&self, is_pointwise: bool) -> Vec<Vec<Exact>> {
        let total = |index: usize| (0..K).fold(zero(), |sum, loss| sum + self.gradient(loss)[index]);
        let entry = |row: usize, column: usize| {
            if is_pointwise {
                return if row == column { one() + total(row) * total(row) } else { zero() };
            }
            if row == column {
                Exact::ratio(3, 1) + self.band[row].0.exact()
            } else if row.abs_diff(column) == 1 {
                Exact::ratio(self.band[row.min(column)].1, 2)
            } else {
                zero()
            }
        };
        (0..self.size()).map(|row| (0..self.size()).map(|column| entry(row, column)).collect()).collect()
    }
}

/// An ambient metric, as it is, or as the numbers that it has at one point in `f64`.
#[derive(Clone, Debug)]
enum Chosen<'a, A, const K: usize> {
    Itself(&'a A),
    Frozen { scale: Option<f64>, block: Option<Gram<f64, K>>, descended: Option<[f64; K]> },
}

fn constants<S: Real, const K: usize>(block: Gram<f64, K>) -> Gram<S, K> {
    Gram::from_entries(|row, column| S::constant(block.entry(row, column)))
}

impl<A: AmbientMetric<K>, const K: usize> AmbientMetric<K> for Chosen<'_, A, K> {
    /// That of the metric, and columns that were computed.
    type State<S: Real> = (A::State<S>, A::Columns<S>);
    type Memory<S: Real> = A::Memory<S>;
    type Columns<S: Real> = A::Columns<S>;

    #[inline(always)]
    fn columns<S: Real>(&self, (state, computed): Self::State<S>, at: Local<S, [S; K]>) -> A::Columns<S> {
        match self {
            Self::Itself(ambient) => ambient.columns(state, at),
            Self::Frozen { .. } => computed,
        }
    }

    #[inline(always)]
    fn observe<S: Real>(&self, (state, computed): Self::State<S>, gradients: [S; K]) -> Self::State<S> {
        match self {
            Self::Itself(ambient) => (ambient.observe(state, gradients), computed),
            Self::Frozen { .. } => (state, computed),
        }
    }

    fn begin<S: Real>(&self) -> A::Memory<S> {
        match self {
            Self::Itself(ambient) => ambient.begin(),
            Self::Frozen { .. } => ambient_metric::Bundle::<S>::zero(),
        }
    }

    fn learn<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> A::Memory<S> {
        match self {
            Self::Itself(ambient) => ambient.learn(memory, at),
            Self::Frozen { .. } => memory,
        }
    }

    fn scale<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<S> {
        match self {
            Self::Itself(ambient) => ambient.scale(memory, at),
            Self::Frozen { scale, .. } => scale.map(S::constant),
        }
    }

    fn block<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<Gram<S, K>> {
        match self {
            Self::Itself(ambient) => ambient.block(memory, at),
            Self::Frozen { block, .. } => block.map(constants),
        }
    }

    fn descended<S: Real>(&self, at: Position<S, K>) -> Option<[S; K]> {
        match self {
            Self::Itself(ambient) => ambient.descended(at),
            Self::Frozen { descended, .. } => descended.map(|descended| descended.map(S::constant)),
        }
    }

    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        match self {
            Self::Itself(ambient) => ambient.accepts(at),
            Self::Frozen { .. } => S::zero().equal(S::zero()),
        }
    }

    fn check(&self, at: Position<f64, K>) -> Result<(), Error> {
        match self {
            Self::Itself(ambient) => ambient.check(at),
            Self::Frozen { .. } => Ok(()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Itself(ambient) => ambient.name(),
            Self::Frozen { .. } => "an ambient metric at a point".to_owned(),
        }
    }
}

/// A point, an ambient metric that is a fraction there, and all that the metric is made of there.
struct At<'a, A, const K: usize> {
    point: &'a Point<K>,
    ambient: Chosen<'a, A, K>,
    is_pointwise: bool,
    /// What the state of every coordinate holds before the step, slot by slot.
    state: Vec<Vec<Exact>>,
    /// c_A; none where C = 0.
    columns: Option<Vec<Vec<Exact>>>,
    scale: Exact,
    block: Vec<Vec<Exact>>,
    /// p_A.
    descended: Vec<Exact>,
}

/// The state of a coordinate from its slots.
fn state_of<S: Real, B: ambient_metric::Bundle<S>>(slots: &[S]) -> B {
    let mut slots = slots.iter().copied();
    B::build(&mut || slots.next().unwrap_or_else(S::zero))
}

fn to_f64<const K: usize>(position: Position<Exact, K>) -> Position<f64, K> {
    Position { losses: position.losses.map(Element::to_f64), heights: position.heights.map(Element::to_f64) }
}

impl<'a, A: AmbientMetric<K>, const K: usize> At<'a, A, K> {
    /// Nothing where the ambient space does not reach: then the step must be refused.
    fn new(
        ambient: &'a A,
        point: &'a Point<K>,
        is_pointwise: bool,
        momentum: &impl Momentum<State<Exact> = (), Corrections<Exact> = ()>,
    ) -> Option<Self> {
        let position = point.position();
        if ambient.check(to_f64(position)).is_err() {
            return None;
        }
        let own = <A::State<Exact> as ambient_metric::Bundle<Exact>>::LEN;
        let slots = <(A::State<Exact>, A::Columns<Exact>) as ambient_metric::Bundle<Exact>>::LEN;
        let mut state: Vec<Vec<Exact>> = point
            .coordinates
            .iter()
            .map(|at| {
                (0..slots)
                    .map(
                        |slot| {
                            if slot < own { at.2[slot % 4].exact() / Exact::ratio(point.divisor, 1) } else { zero() }
                        },
                    )
                    .collect()
            })
            .collect();
        let local = |index: usize| {
            let gradient: [Exact; K] = core::array::from_fn(|loss| point.gradient(loss)[index]);
            let momentum = gradient.map(|l| momentum.covector((), Recall { past: (), present: (), gradient: l }));
            Local { parameter: point.coordinates[index].0.exact(), gradient, momentum }
        };
        let mut chosen = Chosen::Itself(ambient);
        let columns = |chosen: &Chosen<'a, A, K>, state: &[Vec<Exact>]| -> Vec<Vec<Exact>> {
            let of = |index: usize| {
                let seen = chosen.observe(
                    state_of::<Exact, (A::State<Exact>, A::Columns<Exact>)>(&state[index]),
                    local(index).gradient,
                );
                let columns = chosen.columns(seen, local(index));
                ambient_metric::Bundle::<Exact>::scalars(&columns).collect::<Vec<_>>()
            };
            let by_coordinate: Vec<Vec<Exact>> = (0..point.size()).map(of).collect();
            (0..K)
                .map(|loss| by_coordinate.iter().map(|column| column.get(loss).copied().unwrap_or_else(zero)).collect())
                .collect()
        };
        let memory = ambient.begin::<Exact>();
        let known = |numbers: Vec<Exact>| numbers.into_iter().all(Exact::is_defined);
        let is_known = known(ambient.scale(memory, position).into_iter().collect())
            && known(
                ambient.block(memory, position).iter().flat_map(ambient_metric::Bundle::<Exact>::scalars).collect(),
            )
            && known(ambient.descended(position).into_iter().flatten().collect())
            && known(columns(&chosen, &state).into_iter().flatten().collect());
        if !is_known {
            let (at, memory) = (to_f64(position), ambient.begin::<f64>());
            chosen = Chosen::Frozen {
                scale: ambient.scale(memory, at),
                block: ambient.block(memory, at),
                descended: ambient.descended(at),
            };
            for (index, state) in state.iter_mut().enumerate() {
                let Local { parameter, gradient, momentum } = local(index);
                let (gradient, momentum) = (gradient.map(Element::to_f64), momentum.map(Element::to_f64));
                let slots: Vec<f64> = state.iter().map(|&slot| slot.to_f64()).collect();
                let seen = ambient.observe(state_of::<f64, A::State<f64>>(&slots), gradient);
                let columns = ambient.columns(seen, Local { parameter: parameter.to_f64(), gradient, momentum });
                let computed: Vec<f64> = ambient_metric::Bundle::<f64>::scalars(&columns).collect();
                for (slot, computed) in state[own..].iter_mut().zip(computed) {
                    *slot = Exact::ratio_of(computed);
                }
            }
        }
        let has_columns = <A::Columns<Exact> as ambient_metric::Bundle<Exact>>::LEN > 0;
        let block = chosen.block(memory, position).unwrap_or_else(|| Gram::diagonal([one(); K]));
        Some(Self {
            columns: has_columns.then(|| columns(&chosen, &state)),
            scale: chosen.scale(memory, position).unwrap_or_else(one),
            block: (0..K).map(|row| (0..K).map(|column| block.entry(row, column)).collect()).collect(),
            descended: chosen.descended(position).unwrap_or_else(|| point.slopes()).to_vec(),
            point,
            ambient: chosen,
            is_pointwise,
            state,
        })
    }

    fn column(&self, loss: usize, index: usize) -> Exact {
        self.columns.as_ref().map_or_else(zero, |columns| columns[loss][index])
    }

    /// w_A.
    fn weights(&self) -> [Exact; K] {
        let (roots, slopes) = (self.point.root_xi(), self.point.slopes());
        core::array::from_fn(|loss| roots[loss] * slopes[loss])
    }

    /// G over parameters and heights, entry by entry.
    fn ambient_matrix(&self) -> Matrix<Exact> {
        let (size, gamma) = (self.point.size(), self.point.gamma(self.is_pointwise));
        let entry = |row: usize, column: usize| {
            let bare = match (row < size, column < size) {
                (true, true) => gamma[row][column],
                (true, false) => self.column(column - size, row),
                (false, true) => self.column(row - size, column),
                (false, false) => self.block[row - size][column - size],
            };
            self.scale * bare
        };
        Matrix::from_columns(
            &(0..size + K).map(|column| (0..size + K).map(|row| entry(row, column)).collect()).collect::<Vec<_>>(),
        )
    }

    /// The tangent vector of the surface along a coordinate.
    fn tangent(&self, index: usize) -> Vec<Exact> {
        let (size, weights) = (self.point.size(), self.weights());
        let along = (0..size).map(|other| if other == index { one() } else { zero() });
        along.chain((0..K).map(|loss| weights[loss] * self.point.gradient(loss)[index])).collect()
    }

    /// The pull-back, entry by entry: G(tangent, tangent).
    fn pull_back(&self) -> Matrix<Exact> {
        let (size, ambient) = (self.point.size(), self.ambient_matrix());
        let lowered: Vec<Vec<Exact>> = (0..size).map(|index| ambient.times(&self.tangent(index))).collect();
        Matrix::from_columns(
            &(0..size)
                .map(|column| (0..size).map(|row| dot(&self.tangent(row), &lowered[column])).collect())
                .collect::<Vec<_>>(),
        )
    }

    /// Whether G is positive definite: all its leading minors are above zero.
    fn is_metric(&self) -> bool {
        let whole = self.ambient_matrix();
        let minor = |size: usize| {
            Matrix::from_columns(
                &(0..size).map(|column| (0..size).map(|row| whole.rows()[row][column]).collect()).collect::<Vec<_>>(),
            )
            .determinant()
        };
        (1..=self.point.size() + K).all(|size| is_positive(minor(size)))
    }

    /// Σ p_A x_A for a covector of every loss.
    fn descended(&self, covector: impl Fn(usize) -> Vec<Exact>) -> Vec<Exact> {
        let covectors: Vec<Vec<Exact>> = (0..K).map(covector).collect();
        (0..self.point.size())
            .map(|at| (0..K).fold(zero(), |sum, loss| sum + self.descended[loss] * covectors[loss][at]))
            .collect()
    }

    /// The step −η g⁻¹x.
    fn solved(&self, covector: &[Exact]) -> Option<Vec<Exact>> {
        let right: Vec<Exact> = covector.iter().map(|&x| -(Exact::ratio_of(LEARNING_RATE) * x)).collect();
        self.pull_back().solve(&right)
    }

    /// The surface in an ambient metric whose state is as here.
    fn induced<B>(&self, ambient: B) -> Induced<[Height<Rational>; K], B> {
        Induced::of(self.point.heights()).ambient(ambient)
    }

    /// The first step with a preconditioner, and what it reports: in passes, or on whole tensors.
    fn step<P: Preconditioner<K>, Q: Momentum>(&self, preconditioner: P, momentum: Q) -> Result<Taken<K>, Error> {
        let before: Vec<Exact> = self.point.coordinates.iter().map(|at| at.0.exact()).collect();
        let mut theta = Reference::vector(before.iter().copied());
        let gradients: Vec<_> = (0..K).map(|loss| Covector(Reference::vector(self.point.gradient(loss)))).collect();
        let gradients: Vec<&Covector<Reference<Exact>>> = gradients.iter().collect();
        let losses = self.point.losses();
        let slots = nested_names::<Exact, (A::State<Exact>, A::Columns<Exact>)>("ambient");
        let written = slots.iter().enumerate().map(|(slot, name)| {
            (name, Reference::vector(self.state.iter().map(|state| state[slot]).collect::<Vec<_>>()))
        });
        let report = if self.is_pointwise {
            let rule = Descent::new(Grown, preconditioner, momentum);
            let mut optimiser = Configuration::new(rule, LEARNING_RATE).build(&theta)?;
            for (name, values) in written {
                optimiser.write_state(name, &values)?;
            }
            optimiser.step_losses(&mut theta, &gradients, &losses)?
        } else {
            let rule = Descent::new(Dense::new(self.point.gamma(false))?, preconditioner, momentum);
            let mut optimiser = Configuration::new(rule, LEARNING_RATE).build_whole(&theta)?;
            for (name, values) in written {
                optimiser.write_state(name, &values)?;
            }
            optimiser.step_losses(&mut theta, &gradients, &losses)?
        };
        let change = theta.elements().zip(before).map(|(after, before)| after - before).collect();
        Ok(Taken { change, report })
    }
}

/// A step.
struct Taken<const K: usize> {
    /// δθ.
    change: Vec<Exact>,
    report: Report<Exact, [Exact; K]>,
}

/// A momentum covector that is not along the gradient: l² + ½, component by component.
#[derive(Clone, Copy, Debug)]
struct Turned;

impl Momentum for Turned {
    type State<S: Real> = ();
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        0.0
    }

    fn correct<S: Real>(&self, _power: S) {}

    #[inline(always)]
    fn remember<S: Real>(&self, (): (), (): (), _gradient: S) {}

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Recall<(), S>) -> S {
        at.gradient * at.gradient + S::constant(0.5)
    }
}

/// Tries a claim at points where the ambient metric is one, over both kinds of base metrics, and that steps are refused at all others.
fn at_points<A: AmbientMetric<K>, Q: Momentum<State<Exact> = (), Corrections<Exact> = ()> + Copy, const K: usize>(
    ambient: &A,
    momentum: Q,
    claim: impl Fn(&At<'_, A, K>) -> TestCaseResult,
) -> Proof {
    let definite = Cell::new(0_u32);
    let mut proof = Proof::of(CASES, &(points::<K>(), any::<bool>()), |(point, is_pointwise)| {
        Exact::scope(|| match At::new(ambient, &point, is_pointwise, &momentum) {
            Some(at) if at.is_metric() => {
                definite.set(definite.get() + 1);
                claim(&at)
            }
            _ => Ok(()),
        })?;
        Ok(0.0)
    });
    if proof.failure.is_none() && definite.get() == 0 {
        proof.failure = Some(format!("`{}` was a metric at none of {} points", ambient.name(), proof.cases));
    }
    proof
}

/// The constants of the subject are in their ranges, so that optimisers take it.
pub fn the_constants_are_valid<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    let valid = ambient.validate();
    Proof { cases: 1, worst: 0.0, failure: valid.err().map(|error| error.to_string()) }
}

/// Every number of a bundle, bit by bit.
fn bits<B: ambient_metric::Bundle<f64>>(bundle: &B) -> Vec<u64> {
    bundle.scalars().map(f64::to_bits).collect()
}

/// What an ambient metric makes of a point, function by function, from the memory `later` steps after the first.
fn answers<A: AmbientMetric<K>, const K: usize>(
    ambient: &A,
    position: Position<f64, K>,
    at: Local<f64, [f64; K]>,
    later: usize,
) -> [(&'static str, Vec<u64>); 7] {
    let mut memory = ambient.begin::<f64>();
    for _ in 0..later {
        memory = ambient.learn(memory, position);
    }
    let state = state_of::<f64, A::State<f64>>(&[0.25, -0.5, 0.75, 0.125]);
    [
        ("begin", bits(&ambient.begin::<f64>())),
        ("learn", bits(&memory)),
        ("scale", ambient.scale(memory, position).iter().map(|scale| scale.to_bits()).collect()),
        ("block", ambient.block(memory, position).iter().flat_map(bits).collect()),
        ("descended", ambient.descended(position).iter().flatten().map(|p| p.to_bits()).collect()),
        ("observe", bits(&ambient.observe(state, at.gradient))),
        ("columns", bits(&ambient.columns(state, at))),
    ]
}

/// The functions are pure: asked twice they answer the same, bit for bit, with the first memory and with later ones.
pub fn the_functions_are_pure<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    Proof::of(CASES, &(points::<K>(), 0..4_usize), |(point, later)| {
        let (position, at) = (point.position_in_f64(), point.local_in_f64());
        let (first, second) = (answers(ambient, position, at, later), answers(ambient, position, at, later));
        for ((function, first), (_, second)) in first.iter().zip(&second) {
            prop_assert!(first == second, "`{}` of `{}` gives two answers for one question", function, ambient.name());
        }
        Ok(0.0)
    })
}

/// `DEPENDS_ON_POSITION` and `HAS_CONSTANT_COLUMNS` say what is so: where they deny that something matters, it does not.
pub fn the_constants_of_the_trait_are_true<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    Proof::of(CASES, &(points::<K>(), points::<K>(), 0..3_usize), |(one, other, later)| {
        let (here, there) = (one.position_in_f64(), other.position_in_f64());
        let (first, second) = (answers(ambient, here, one.local_in_f64(), later), {
            // Where the height counts for nothing, another one changes nothing.
            let moved = Position { heights: there.heights, ..here };
            answers(ambient, if A::DEPENDS_ON_POSITION { here } else { moved }, other.local_in_f64(), later)
        });
        for ((function, first), (_, second)) in first.iter().zip(&second) {
            let (claim, must) = match *function {
                "observe" => continue,
                "columns" => ("HAS_CONSTANT_COLUMNS = true", A::HAS_CONSTANT_COLUMNS),
                _ => ("DEPENDS_ON_POSITION = false", !A::DEPENDS_ON_POSITION),
            };
            prop_assert!(!must || first == second, "`{}` of `{}` contradicts `{}`", function, ambient.name(), claim);
        }
        Ok(0.0)
    })
}

/// What is descended is a function of the losses: ∂p_A/∂L_B = ∂p_B/∂L_A, with the heights moving with their losses.
pub fn what_is_descended_is_a_scalar<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    Proof::of(CASES, &points::<K>(), |point| {
        let position = point.position_in_f64();
        if ambient.check(position).is_err() || ambient.descended(position).is_none() {
            return Ok(0.0);
        }
        let along: [[f64; K]; K] = core::array::from_fn(|moved| {
            let losses: [Dual<f64>; K] = core::array::from_fn(|loss| Dual {
                value: position.losses[loss],
                derivative: if loss == moved { 1.0 } else { 0.0 },
            });
            let height = |loss: usize| {
                let (embedding, _, quarters) = point.heights[loss];
                embedding.height(losses[loss]) * (quarters as f64 / 4.0)
            };
            let at = Position { losses, heights: core::array::from_fn(height) };
            ambient.descended(at).map_or([0.0; K], |descended| descended.map(|p| p.derivative))
        });
        #[allow(clippy::needless_range_loop, reason = "a matrix is compared by its indices")]
        for row in 0..K {
            for column in 0..row {
                let (a, b) = (along[row][column], along[column][row]);
                // Two derivatives of one function by two ways: a few roundings of numbers of this size each.
                let bound = 64.0 * f64::EPSILON * (1.0 + a.abs() + b.abs());
                prop_assert!(
                    (a - b).abs() <= bound,
                    "`descended` of `{}` is no gradient: ∂p_{}/∂L_{} = {} and ∂p_{}/∂L_{} = {}",
                    ambient.name(),
                    column,
                    row,
                    a,
                    row,
                    column,
                    b
                );
            }
        }
        Ok(0.0)
    })
}

/// The step solves g = G(tangent, tangent), written out, for −η Σ p_A l_A.
pub fn p2_the_step_solves_the_explicit_system<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        prop_assert_eq!(at.solved(&at.descended(|loss| at.point.gradient(loss))), Some(taken.change));
        Ok(())
    })
}

/// With the full inverse the step solves it for −η Σ p_A m̂_A.
pub fn p2_the_full_inverse_solves_the_explicit_system<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, Turned, |at| {
        let taken = at.step(at.induced(at.ambient.clone()).exact(), Turned)?;
        let turned = |l: Exact| Turned.covector((), Recall { past: (), present: (), gradient: l });
        let momentum = |loss: usize| at.point.gradient(loss).iter().map(|&l| turned(l)).collect();
        prop_assert_eq!(at.solved(&at.descended(momentum)), Some(taken.change));
        Ok(())
    })
}

/// det g = aᴺ det γ · what the step reports.
pub fn p3_the_determinant_lemma_holds<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let gamma = Matrix::from_columns(&at.point.gamma(at.is_pointwise)).determinant();
        let stretched = (0..at.point.size()).fold(gamma, |product, _| product * at.scale);
        prop_assert_eq!(at.pull_back().determinant(), stretched * taken.report.determinant_ratio);
        Ok(())
    })
}

/// g − a(γ − C B⁻¹ Cᵀ) is positive semi-definite: it is a N B⁻¹ Nᵀ with N = lWB + C, and B is positive definite.
pub fn p4_vectors_are_not_shorter_than_without_the_rise<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let (size, weights) = (at.point.size(), at.weights());
        let block = Matrix::from_columns(&at.block);
        let inverse = block.inverse().ok_or_else(|| TestCaseError::fail("B is singular"))?;
        let leaning = |index: usize, loss: usize| {
            (0..K).fold(at.column(loss, index), |sum, other| {
                sum + weights[other] * at.point.gradient(other)[index] * at.block[other][loss]
            })
        };
        let columns = |index: usize| (0..K).map(|loss| at.column(loss, index)).collect::<Vec<_>>();
        let leaning = |index: usize| (0..K).map(|loss| leaning(index, loss)).collect::<Vec<_>>();
        let (g, gamma) = (at.pull_back(), at.point.gamma(at.is_pointwise));
        #[allow(clippy::needless_range_loop, reason = "matrices are compared by their indices")]
        for row in 0..size {
            for column in 0..size {
                let flat = gamma[row][column] - dot(&columns(row), &inverse.times(&columns(column)));
                let risen = dot(&leaning(row), &inverse.times(&leaning(column)));
                prop_assert_eq!(g.rows()[row][column], at.scale * (flat + risen));
            }
        }
        for size in 1..=K {
            let minor: Vec<Vec<Exact>> = at.block[..size].iter().map(|row| row[..size].to_vec()).collect();
            prop_assert!(is_positive(Matrix::from_columns(&minor).determinant()));
        }
        Ok(())
    })
}

/// At ξ = 0 the step is −η γ⁻¹ Σ p_A l_A / a: that of the base optimiser.
pub fn p6_at_xi_zero_the_step_is_that_of_the_base_metric<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    let flat = |point: &Point<K>| Point { heights: point.heights.map(|(f, loss, _)| (f, loss, 0)), ..point.clone() };
    Proof::of(CASES, &(points::<K>(), any::<bool>()), |(point, is_pointwise)| {
        Exact::scope(|| {
            let point = flat(&point);
            // A space that does not reach to heights of zero has no flat limit.
            let Some(at) = At::new(ambient, &point, is_pointwise, &NoMomentum).filter(At::is_metric) else {
                return Ok(());
            };
            let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
            let gamma = Matrix::from_columns(&point.gamma(is_pointwise));
            let scaled: Vec<Exact> = taken.change.iter().map(|&change| at.scale * change).collect();
            let right: Vec<Exact> = at
                .descended(|loss| point.gradient(loss))
                .iter()
                .map(|&x| -(Exact::ratio_of(LEARNING_RATE) * x))
                .collect();
            prop_assert_eq!(gamma.times(&scaled), right);
            Ok(())
        })?;
        Ok(0.0)
    })
}

/// ‖δθ‖² in g is not above η² qᵀS⁻¹q / a, with q = W⁻¹p and S = B − Cᵀγ⁻¹C.
pub fn p7_the_step_is_bounded<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let weights = at.weights();
        if weights.contains(&zero()) {
            return Ok(());
        }
        let gamma = Matrix::from_columns(&at.point.gamma(at.is_pointwise));
        let column = |loss: usize| (0..at.point.size()).map(|index| at.column(loss, index)).collect::<Vec<_>>();
        let raised: Vec<Vec<Exact>> = (0..K).filter_map(|loss| gamma.solve(&column(loss))).collect();
        let free = Matrix::from_columns(
            &(0..K).map(|b| (0..K).map(|a| at.block[a][b] - dot(&column(a), &raised[b])).collect()).collect::<Vec<_>>(),
        );
        let q: Vec<Exact> = (0..K).map(|loss| at.descended[loss] / weights[loss]).collect();
        let solved = free.solve(&q).ok_or_else(|| TestCaseError::fail("S is singular"))?;
        let eta = Exact::ratio_of(LEARNING_RATE);
        let bound = eta * eta * dot(&q, &solved) / at.scale;
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let length = dot(&taken.change, &at.pull_back().times(&taken.change));
        prop_assert!(!Element::is_negative(bound - length), "{:?} above {:?}", length, bound);
        Ok(())
    })
}

/// Σ p_A l_A · δθ < 0, and = 0 only where Σ p_A l_A = 0; for one loss, and with columns, also with an average.
pub fn p9_the_step_descends<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let differential = at.descended(|loss| at.point.gradient(loss));
        let slope = dot(&differential, &taken.change);
        let is_flat = differential.iter().all(|&x| x == zero());
        prop_assert!(Element::is_negative(slope) || (is_flat && slope == zero()), "{:?}", slope);
        Ok(())
    })
}

/// The tangent of the flow differs from −G⁻¹ Σ q_A dh_A by what is orthogonal to the surface: for every tangent u, G(flow, u) = −Σ q_A dh_A(u), with
/// q = W⁻¹p.
pub fn p12_the_flow_is_the_projection_of_descent<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let (size, weights) = (at.point.size(), at.weights());
        if weights.contains(&zero()) {
            return Ok(());
        }
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let eta = Exact::ratio_of(LEARNING_RATE);
        let tangents: Vec<Vec<Exact>> = (0..size).map(|index| at.tangent(index)).collect();
        let flow: Vec<Exact> = (0..size + K)
            .map(|place| (0..size).fold(zero(), |sum, index| sum + taken.change[index] / eta * tangents[index][place]))
            .collect();
        let lowered = at.ambient_matrix().times(&flow);
        for tangent in &tangents {
            let rise = (0..K).fold(zero(), |sum, loss| sum + at.descended[loss] / weights[loss] * tangent[size + loss]);
            prop_assert_eq!(dot(&lowered, tangent), -rise);
        }
        Ok(())
    })
}

/// A step is taken exactly where G is positive definite, and refused as such elsewhere; g is definite then and det(1 + MΓ) above zero.
pub fn p17_a_step_is_taken_exactly_where_the_ambient_form_is_a_metric<A: AmbientMetric<K>, const K: usize>(
    ambient: &A,
) -> Proof {
    Proof::of(2 * CASES, &(points::<K>(), any::<bool>()), |(point, is_pointwise)| {
        Exact::scope(|| {
            let Some(at) = At::new(ambient, &point, is_pointwise, &NoMomentum) else { return Ok(()) };
            let step = at.step(at.induced(at.ambient.clone()), NoMomentum);
            if !at.is_metric() {
                let is_refused =
                    matches!(step, Err(Error::Coupling { .. } | Error::Overflow { .. } | Error::OutsideSpace { .. }));
                prop_assert!(is_refused, "a step was taken where the ambient form is no metric");
                return Ok(());
            }
            let taken = step?;
            prop_assert!(is_positive(taken.report.determinant_ratio));
            prop_assert!(is_positive(at.pull_back().determinant()));
            Ok(())
        })?;
        Ok(0.0)
    })
}

/// det g = det G det Q, with Q = n G⁻¹ nᵀ for the normals n_A = dh_A − w_A l_A.
pub fn p18_the_determinant_is_that_of_the_space_and_of_the_normals<A: AmbientMetric<K>, const K: usize>(
    ambient: &A,
) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let (weights, whole) = (at.weights(), at.ambient_matrix());
        let normal = |loss: usize| {
            let along = at.point.gradient(loss).into_iter().map(|l| -(weights[loss] * l)).collect::<Vec<_>>();
            along.into_iter().chain((0..K).map(|other| if other == loss { one() } else { zero() })).collect::<Vec<_>>()
        };
        let raised: Option<Vec<Vec<Exact>>> = (0..K).map(|loss| whole.solve(&normal(loss))).collect();
        let raised = raised.ok_or_else(|| TestCaseError::fail("G is singular"))?;
        let q: Vec<Vec<Exact>> = (0..K).map(|b| (0..K).map(|a| dot(&normal(a), &raised[b])).collect()).collect();
        prop_assert_eq!(at.pull_back().determinant(), whole.determinant() * Matrix::from_columns(&q).determinant());
        Ok(())
    })
}

/// An ambient metric with everything times four.
#[derive(Clone)]
struct Larger<A>(A);

/// An ambient metric over the losses in reverse order.
#[derive(Clone)]
struct Reversed<A>(A);

macro_rules! like {
    ($name:ident, $columns:expr, $scale:expr, $turn:expr) => {
        impl<A: AmbientMetric<K>, const K: usize> AmbientMetric<K> for $name<A> {
            type State<S: Real> = A::State<S>;
            type Memory<S: Real> = A::Memory<S>;
            type Columns<S: Real> = A::Columns<S>;

            #[inline(always)]
            fn columns<S: Real>(&self, state: A::State<S>, at: Local<S, [S; K]>) -> A::Columns<S> {
                let turn = |mut numbers: [S; K]| {
                    if $turn {
                        numbers.reverse();
                    }
                    numbers
                };
                let at = Local { gradient: turn(at.gradient), momentum: turn(at.momentum), ..at };
                let columns = self.0.columns(state, at);
                let count = <A::Columns<S> as ambient_metric::Bundle<S>>::LEN;
                let mut slot = 0;
                ambient_metric::Bundle::<S>::build(&mut || {
                    let from = if $turn { count - 1 - slot } else { slot };
                    slot += 1;
                    $columns(ambient_metric::Bundle::<S>::get(&columns, from).unwrap_or_else(S::zero))
                })
            }

            #[inline(always)]
            fn observe<S: Real>(&self, state: A::State<S>, gradients: [S; K]) -> A::State<S> {
                let mut gradients = gradients;
                if $turn {
                    gradients.reverse();
                }
                self.0.observe(state, gradients)
            }

            fn begin<S: Real>(&self) -> A::Memory<S> {
                self.0.begin()
            }

            fn scale<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<S> {
                let scale = self.0.scale(memory, turned(at, $turn));
                if $scale { Some(S::constant(4.0) * scale.unwrap_or_else(S::one)) } else { scale }
            }

            fn block<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<Gram<S, K>> {
                let block = self.0.block(memory, turned(at, $turn))?;
                let place = |index: usize| if $turn { K - 1 - index } else { index };
                Some(Gram::from_entries(|row, column| block.entry(place(row), place(column))))
            }

            fn descended<S: Real>(&self, at: Position<S, K>) -> Option<[S; K]> {
                let mut descended = self.0.descended(turned(at, $turn))?;
                if $turn {
                    descended.reverse();
                }
                Some(descended)
            }
        }
    };
}

fn turned<S: Real, const K: usize>(at: Position<S, K>, is_turned: bool) -> Position<S, K> {
    let mut at = at;
    if is_turned {
        at.losses.reverse();
        at.heights.reverse();
    }
    at
}

like!(Larger, |column| column, true, false);
like!(Reversed, |column| column, false, true);

/// With a four times as large the step is a quarter, and det(1 + MΓ) the same.
pub fn p19_a_larger_space_takes_smaller_steps<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let larger = at.step(at.induced(Larger(at.ambient.clone())), NoMomentum)?;
        let fourfold: Vec<Exact> = larger.change.iter().map(|&change| Exact::ratio(4, 1) * change).collect();
        prop_assert_eq!(&fourfold, &taken.change);
        prop_assert_eq!(larger.report.determinant_ratio, taken.report.determinant_ratio);
        Ok(())
    })
}

/// Losses in another order take the same step.
pub fn p21_the_order_of_the_heights_changes_nothing<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    at_points(ambient, NoMomentum, |at| {
        let taken = at.step(at.induced(at.ambient.clone()), NoMomentum)?;
        let mut turned = at.point.clone();
        turned.heights.reverse();
        turned.coordinates.iter_mut().for_each(|coordinate| coordinate.1.reverse());
        let other = At {
            point: &turned,
            ambient: at.ambient.clone(),
            columns: None,
            state: at.state.clone(),
            descended: Vec::new(),
            block: Vec::new(),
            ..*at
        };
        let reversed = other.step(other.induced(Reversed(at.ambient.clone())), NoMomentum)?;
        prop_assert_eq!(reversed.change, taken.change);
        prop_assert_eq!(reversed.report.determinant_ratio, taken.report.determinant_ratio);
        Ok(())
    })
}

/// The columns of C, which are computed for every element, are inlined into the acts of a rule.
pub fn the_columns_are_inlined<A: AmbientMetric<K>, const K: usize>(ambient: &A) -> Proof {
    let heights = [Height { embedding: Rational::Line, xi: 0.5 }; K];
    the_acts_are_inlined(&Descent::new(Grown, Induced::of(heights).ambient(Chosen::Itself(ambient)), NoMomentum))
}
