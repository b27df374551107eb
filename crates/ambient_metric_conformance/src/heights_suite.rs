//! The properties of surfaces in larger ambient spaces: several losses with a dimension each, and a height coupled to the parameters.
//! P2, P3, P9, P12, P13 and P14, all in exact numbers.
//!
//! [`conformance_heights!`](crate::conformance_heights) makes a test of each. Everything is compared with the matrices written out: the ambient
//! metric G over parameters and heights, the Jacobian of the surface in it, the pull-back as their product, and its solution by elimination.
//!
//! # Requirements
//!
//! γ⁻¹ is a fraction after one gradient; anything else fails. Where the slope of the embedding is none, a straight line with that slope,
//! rounded to `f64`, stands for it.

use ambient_metric::ambient::{AlongGradient, Given};
use ambient_metric::base::PointwiseMetric;
use ambient_metric::rule::Bilinear;
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, Embedding, Error, Height, Induced, NoMomentum, Optimiser, Rule,
};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::chosen::{ChosenEmbedding, choose_loss};
use crate::exact::Exact;
use crate::matrix::Matrix;
use crate::observing::{observe, see};
use crate::proof::Proof;
use crate::reference::Reference;
use crate::strategies::{Fraction, coefficients, fractions, positive_fractions};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 32;

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

fn exact(fractions: impl IntoIterator<Item = Fraction>) -> Vec<Exact> {
    fractions.into_iter().map(Fraction::exact).collect()
}

/// −η times a covector.
fn descending(covector: &[Exact]) -> Vec<Exact> {
    covector.iter().map(|&x| -(Exact::ratio_of(LEARNING_RATE) * x)).collect()
}

/// γ⁻¹ after one gradient.
fn inverse_after<M: PointwiseMetric>(metric: &M, gradient: &[Exact]) -> Result<Vec<Exact>, Error> {
    let seen = Covector(Reference::vector(gradient.iter().copied()));
    let mut state = BaseMetric::begin(metric, &seen.0)?;
    see(metric, &mut state, &seen)?;
    let ones = Covector(Reference::vector(gradient.iter().map(|_| one())));
    Ok(BaseMetric::raise(metric, &state, &ones)?.0.elements().collect())
}

/// An ambient form over N parameters and K heights, and the surface in it.
struct Ambient {
    /// γ⁻¹.
    inverse: Vec<Exact>,
    /// The elements beside γ, one row of N for every height: those above the unit block, and those left of it.
    above: Vec<Vec<Exact>>,
    left: Vec<Vec<Exact>>,
    /// √ξ_A f′_A l_A.
    jacobian: Vec<Vec<Exact>>,
    /// Σ f′_A l_A.
    differential: Vec<Exact>,
}

impl Ambient {
    fn gamma(&self) -> Matrix<Exact> {
        Matrix::diagonal(&self.inverse.iter().map(|&inverse| one() / inverse).collect::<Vec<_>>())
    }

    /// G times a vector of the ambient space: its part along the parameters, and that along the heights.
    fn lowered(&self, along: &[Exact], up: &[Exact]) -> (Vec<Exact>, Vec<Exact>) {
        let mut parameters = self.gamma().times(along);
        for (above, &up) in self.above.iter().zip(up) {
            for (sum, &a) in parameters.iter_mut().zip(above) {
                *sum = *sum + a * up;
            }
        }
        let heights = self.left.iter().zip(up).map(|(left, &up)| dot(left, along) + up).collect();
        (parameters, heights)
    }

    /// How far the heights rise along a direction of the parameters.
    fn rise(&self, direction: &[Exact]) -> Vec<Exact> {
        self.jacobian.iter().map(|row| dot(row, direction)).collect()
    }

    /// The pull-back, entry by entry: uᵀg v = G(u with its rise, v with its rise).
    fn pull_back(&self) -> Matrix<Exact> {
        let size = self.inverse.len();
        let unit =
            |index: usize| (0..size).map(|other| if other == index { one() } else { zero() }).collect::<Vec<_>>();
        let columns: Vec<Vec<Exact>> = (0..size)
            .map(|column| {
                let direction = unit(column);
                let (parameters, heights) = self.lowered(&direction, &self.rise(&direction));
                (0..size).map(|row| parameters[row] + dot(&self.rise(&unit(row)), &heights)).collect()
            })
            .collect();
        Matrix::from_columns(&columns)
    }

    /// The whole ambient form as a matrix.
    fn matrix(&self) -> Matrix<Exact> {
        let (size, heights) = (self.inverse.len(), self.above.len());
        let columns: Vec<Vec<Exact>> = (0..size + heights)
            .map(|column| {
                let at = |index: usize| if index == column { one() } else { zero() };
                let along: Vec<Exact> = (0..size).map(at).collect();
                let up: Vec<Exact> = (size..size + heights).map(at).collect();
                let (parameters, heights) = self.lowered(&along, &up);
                [parameters, heights].concat()
            })
            .collect();
        Matrix::from_columns(&columns)
    }
}

/// One step, and all that it is compared with.
struct Step {
    ambient: Ambient,
    g: Matrix<Exact>,
    /// δθ.
    change: Vec<Exact>,
    /// det g / det γ, as the step reports it.
    determinant_ratio: Exact,
}

impl Step {
    /// δθ = −η · solve(g, Σ f′_A l_A).
    fn solves(&self) -> TestCaseResult {
        let solution = self.g.solve(&descending(&self.ambient.differential));
        prop_assert_eq!(solution.as_ref(), Some(&self.change));
        Ok(())
    }

    /// det g = det γ · what the step reports.
    fn has_the_determinant(&self) -> TestCaseResult {
        let gamma = self.ambient.gamma().determinant();
        prop_assert_eq!(self.g.determinant(), gamma * self.determinant_ratio);
        Ok(())
    }

    /// Σ f′_A l_A · δθ ≤ 0, and zero only where the differential is.
    fn descends(&self) -> TestCaseResult {
        let slope = dot(&self.ambient.differential, &self.change);
        let flat = self.ambient.differential.iter().all(|&x| x == zero());
        prop_assert!(ambient_metric::number::Element::is_negative(slope) || (flat && slope == zero()), "{:?}", slope);
        Ok(())
    }

    /// The tangent of the flow, with its rise, differs from the descent −G⁻¹ Σ dh_A/√ξ_A by what is orthogonal to the surface: for every
    /// direction u on it, G(tangent, u) = −Σ f′_A l_A · u.
    fn is_the_projection(&self) -> TestCaseResult {
        let eta = Exact::ratio_of(LEARNING_RATE);
        let flow: Vec<Exact> = self.change.iter().map(|&change| change / eta).collect();
        let (parameters, heights) = self.ambient.lowered(&flow, &self.ambient.rise(&flow));
        for (index, (&parameter, &differential)) in parameters.iter().zip(&self.ambient.differential).enumerate() {
            let direction: Vec<Exact> =
                (0..flow.len()).map(|other| if other == index { one() } else { zero() }).collect();
            prop_assert_eq!(parameter + dot(&heights, &self.ambient.rise(&direction)), -differential);
        }
        Ok(())
    }
}

/// The first step of a rule from θ = `before`, and what it reports of the determinant.
fn first_step<R: Rule>(
    rule: R,
    before: &[Exact],
    gradients: &[Vec<Exact>],
    losses: &[Exact],
    prepare: impl FnOnce(&mut Optimiser<R, Reference<Exact>>) -> Result<(), Error>,
) -> Result<(Vec<Exact>, Exact), Error> {
    let mut theta = Reference::vector(before.iter().copied());
    let mut optimiser = Configuration::new(rule, LEARNING_RATE).build(&theta)?;
    prepare(&mut optimiser)?;
    let gradients: Vec<_> = gradients.iter().map(|l| Covector(Reference::vector(l.iter().copied()))).collect();
    observe(&mut optimiser, &gradients.iter().collect::<Vec<_>>())?;
    let report = optimiser.step_losses(&mut theta, &gradients.iter().collect::<Vec<_>>(), losses)?;
    let change = theta.elements().zip(before).map(|(after, &before)| after - before).collect();
    Ok((change, report.determinant_ratio))
}

/// K losses: for every coordinate the components of their gradients, and for every loss where it is and its ξ.
#[derive(Clone, Debug)]
struct Losses<const K: usize> {
    gradients: Vec<[Fraction; K]>,
    at: [(Fraction, usize); K],
    xi: [f64; K],
}

fn losses<const K: usize>() -> impl Strategy<Value = Losses<K>> {
    let gradient = proptest::array::uniform::<_, K>(fractions());
    let loss = proptest::array::uniform::<_, K>((positive_fractions(), 0..4_usize));
    (prop::collection::vec(gradient, 1..5), loss, proptest::array::uniform::<_, K>(coefficients()))
        .prop_map(|(gradients, at, xi)| Losses { gradients, at, xi })
}

/// What a step over K losses is made of.
struct Joined<'e, E, const K: usize> {
    heights: [Height<ChosenEmbedding<'e, E>>; K],
    losses: [Fraction; K],
    gradients: Vec<Vec<Exact>>,
}

impl<'e, E: Embedding, const K: usize> Joined<'e, E, K> {
    fn new(embedding: &'e E, case: &Losses<K>) -> Result<Self, TestCaseError> {
        let mut chosen = Vec::new();
        for &(t, turn) in &case.at {
            let found = choose_loss(embedding, t, turn);
            chosen.push(found.ok_or_else(|| TestCaseError::reject("no loss in the domain"))?);
        }
        let gradients = (0..K).map(|loss| exact(case.gradients.iter().map(|at| at[loss]))).collect();
        let heights = core::array::from_fn(|loss| Height { embedding: chosen[loss].1.clone(), xi: case.xi[loss] });
        Ok(Self { heights, losses: core::array::from_fn(|loss| chosen[loss].0), gradients })
    }

    fn slopes(&self) -> Vec<Exact> {
        self.heights.iter().zip(&self.losses).map(|(height, loss)| height.embedding.slope(loss.exact())).collect()
    }

    /// The gradient that γ sees.
    fn total(&self) -> Vec<Exact> {
        (0..self.gradients[0].len())
            .map(|at| self.gradients.iter().fold(zero(), |sum, gradient| sum + gradient[at]))
            .collect()
    }

    fn step<M: PointwiseMetric>(&self, metric: &M) -> Result<(Vec<Exact>, Exact), Error> {
        let rule = Descent::new(metric.clone(), Induced::of(self.heights.clone()), NoMomentum);
        let losses: Vec<Exact> = self.losses.iter().map(|loss| loss.exact()).collect();
        let before = vec![one(); self.gradients[0].len()];
        first_step(rule, &before, &self.gradients, &losses, |_| Ok(()))
    }

    /// g = γ + Σ ξ_A f′_A² l_A l_Aᵀ, written out without √ξ, which need not be a fraction.
    fn explicit(&self, inverse: &[Exact]) -> Matrix<Exact> {
        let gamma: Vec<Exact> = inverse.iter().map(|&inverse| one() / inverse).collect();
        let slopes = self.slopes();
        self.heights
            .iter()
            .zip(&self.gradients)
            .zip(slopes)
            .fold(Matrix::diagonal(&gamma), |g, ((height, l), slope)| {
                g.plus_outer(Exact::ratio_of(height.xi) * slope * slope, l)
            })
    }

    fn differential(&self) -> Vec<Exact> {
        let slopes = self.slopes();
        (0..self.gradients[0].len())
            .map(|at| self.gradients.iter().zip(&slopes).fold(zero(), |sum, (l, &slope)| sum + slope * l[at]))
            .collect()
    }

    /// g⁻¹x by one Sherman–Morrison update after another, in this order of the losses.
    fn nested(&self, inverse: &[Exact], order: &[usize], x: &[Exact]) -> Vec<Exact> {
        let Some((&last, before)) = order.split_last() else {
            return x.iter().zip(inverse).map(|(&x, &inverse)| inverse * x).collect();
        };
        let (raised, l) = (self.nested(inverse, before, x), &self.gradients[last]);
        let along = self.nested(inverse, before, l);
        let slope = self.slopes()[last];
        let weight = Exact::ratio_of(self.heights[last].xi) * slope * slope;
        let factor = weight * dot(l, &raised) / (one() + weight * dot(l, &along));
        raised.iter().zip(along).map(|(&raised, along)| raised - factor * along).collect()
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let insert = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    permutations(count - 1).into_iter().flat_map(insert).collect()
}

fn with_losses<M: PointwiseMetric, E: Embedding, const K: usize>(
    metric: &M,
    embedding: &E,
    claim: impl Fn(&Joined<'_, E, K>, &[Exact], &Step) -> TestCaseResult,
) -> Proof {
    Proof::of(CASES / 4, &losses::<K>(), |case| {
        Exact::scope(|| {
            let joined = Joined::new(embedding, &case)?;
            let inverse = inverse_after(metric, &joined.total())?;
            let (change, determinant_ratio) = joined.step(metric)?;
            let none = vec![vec![zero(); inverse.len()]; K];
            let g = joined.explicit(&inverse);
            let differential = joined.differential();
            let ambient = Ambient {
                inverse: inverse.clone(),
                above: none.clone(),
                left: none,
                jacobian: Vec::new(),
                differential,
            };
            claim(&joined, &inverse, &Step { ambient, g, change, determinant_ratio })
        })?;
        Ok(0.0)
    })
}

/// The proofs of several numbers of losses as one.
fn together(proofs: [Proof; 4]) -> Proof {
    let cases = proofs.iter().map(|proof| proof.cases).sum();
    let worst = proofs.iter().map(|proof| proof.worst).fold(0.0, f64::max);
    Proof { cases, worst, failure: proofs.into_iter().find_map(|proof| proof.failure) }
}

macro_rules! for_one_to_four_losses {
    ($(#[$doc:meta])* $name:ident, $claim:expr) => {
        $(#[$doc])*
        pub fn $name<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
            together([
                with_losses::<M, E, 1>(metric, embedding, $claim),
                with_losses::<M, E, 2>(metric, embedding, $claim),
                with_losses::<M, E, 3>(metric, embedding, $claim),
                with_losses::<M, E, 4>(metric, embedding, $claim),
            ])
        }
    };
}

for_one_to_four_losses!(
    /// The step over one to four losses solves γ + Σ ξ_A f′_A² l_A l_Aᵀ, written out, for −η Σ f′_A l_A.
    p2_the_joint_step_solves_the_explicit_system,
    |_, _, step| step.solves()
);
for_one_to_four_losses!(
    /// det g = det γ · det(1 + Jγ⁻¹Jᵀ), where the step reports the second factor.
    p3_the_joint_determinant_lemma_holds,
    |_, _, step| step.has_the_determinant()
);
for_one_to_four_losses!(
    /// Σ f′_A l_A · δθ ≤ 0, and zero only where that differential is.
    p9_the_joint_step_descends,
    |_, _, step| step.descends()
);
for_one_to_four_losses!(
    /// The step equals nested Sherman–Morrison updates, one loss after another, in each order of the losses.
    p13_the_joint_step_is_nested_sherman_morrison_in_every_order,
    |joined, inverse, step| {
        for order in permutations(joined.gradients.len()) {
            let nested = joined.nested(inverse, &order, &step.ambient.differential);
            prop_assert_eq!(&descending(&nested), &step.change, "in the order {:?}", order);
        }
        Ok(())
    }
);

/// A step over an array of one loss is that of [`Induced::new`].
pub fn p13_one_loss_is_the_pull_back<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
    with_losses::<M, E, 1>(metric, embedding, |joined, _, step| {
        let [Height { embedding, xi }] = &joined.heights;
        let rule = Descent::new(metric.clone(), Induced::new(embedding.clone(), *xi), NoMomentum);
        let before = vec![one(); step.change.len()];
        let losses: Vec<Exact> = joined.losses.iter().map(|loss| loss.exact()).collect();
        let (change, ratio) = first_step(rule, &before, &joined.gradients, &losses, |_| Ok(()))?;
        prop_assert_eq!((&change, ratio), (&step.change, step.determinant_ratio));
        Ok(())
    })
}

/// A point with a coupling: for every coordinate l, c and θ, then t of the loss, √ξ in quarters, and what c is divided by.
type CoupledCase = (Vec<(Fraction, Fraction, Fraction)>, (Fraction, usize), i64, i64);

fn coupled_cases() -> impl Strategy<Value = CoupledCase> {
    let coordinates = prop::collection::vec((fractions(), fractions(), fractions()), 1..5);
    (coordinates, (positive_fractions(), 0..4_usize), 0..12_i64, 1..40_i64)
}

/// A coupled point as exact numbers.
struct Tilted<'e, E> {
    embedding: ChosenEmbedding<'e, E>,
    loss: Fraction,
    root_xi: f64,
    gradient: Vec<Exact>,
    c: Vec<Exact>,
    theta: Vec<Exact>,
}

impl<E: Embedding> Tilted<'_, E> {
    fn ambient(&self, inverse: &[Exact], above: &[Exact], left: &[Exact]) -> Ambient {
        let slope = self.embedding.slope(self.loss.exact());
        let weight = Exact::ratio_of(self.root_xi) * slope;
        Ambient {
            inverse: inverse.to_vec(),
            above: vec![above.to_vec()],
            left: vec![left.to_vec()],
            jacobian: vec![self.gradient.iter().map(|&l| weight * l).collect()],
            differential: self.gradient.iter().map(|&l| slope * l).collect(),
        }
    }

    fn xi(&self) -> f64 {
        self.root_xi * self.root_xi
    }

    fn with_coupling(&self, c: Vec<Exact>) -> Self {
        let (embedding, gradient, theta) = (self.embedding.clone(), self.gradient.clone(), self.theta.clone());
        Self { embedding, loss: self.loss, root_xi: self.root_xi, gradient, c, theta }
    }
}

fn with_coupling<M: PointwiseMetric, E: Embedding>(
    metric: &M,
    embedding: &E,
    claim: impl Fn(&Tilted<'_, E>, &[Exact]) -> TestCaseResult,
) -> Proof {
    Proof::of(CASES, &coupled_cases(), |(coordinates, (t, turn), quarters, divisor)| {
        let Some((loss, embedding)) = choose_loss(embedding, t, turn) else {
            return Err(TestCaseError::reject("no loss in the domain"));
        };
        Exact::scope(|| {
            let smaller = |c: Fraction| c.exact() / Exact::ratio(divisor, 1);
            let tilted = Tilted {
                embedding: embedding.clone(),
                loss,
                root_xi: quarters as f64 / 4.0,
                gradient: exact(coordinates.iter().map(|at| at.0)),
                c: coordinates.iter().map(|at| smaller(at.1)).collect(),
                theta: exact(coordinates.iter().map(|at| at.2)),
            };
            let inverse = inverse_after(metric, &tilted.gradient)?;
            claim(&tilted, &inverse)
        })?;
        Ok(0.0)
    })
}

/// ⟨x, y⟩.
fn inner(inverse: &[Exact], x: &[Exact], y: &[Exact]) -> Exact {
    let raised: Vec<Exact> = x.iter().zip(inverse).map(|(&x, &inverse)| inverse * x).collect();
    dot(&raised, y)
}

/// Whether every number is above zero.
fn positive(numbers: &[Exact]) -> bool {
    numbers.iter().all(|&number| ambient_metric::number::Element::is_negative(-number))
}

/// A step with the user's own coupling covector.
fn coupled_step<M: PointwiseMetric, E: Embedding>(
    metric: &M,
    tilted: &Tilted<'_, E>,
) -> Result<(Vec<Exact>, Exact), Error> {
    let coupled = Induced::new(tilted.embedding.clone(), tilted.xi()).coupled(Given);
    let rule = Descent::new(metric.clone(), coupled, NoMomentum);
    first_step(rule, &tilted.theta, core::slice::from_ref(&tilted.gradient), &[tilted.loss.exact()], |optimiser| {
        optimiser.write_state("ambient", &Reference::vector(tilted.c.iter().copied()))
    })
}

/// Where ⟨c, c⟩ < 1 the ambient form is definite, D > 0, and the step solves the pull-back written out; elsewhere the form is not
/// definite, and the step is refused with [`Error::Coupling`].
pub fn p14_coupling_is_definite_exactly_below_one<M: PointwiseMetric, E: Embedding>(
    metric: &M,
    embedding: &E,
) -> Proof {
    with_coupling(metric, embedding, |tilted, inverse| {
        let ambient = tilted.ambient(inverse, &tilted.c, &tilted.c);
        // γ is definite, so G is where its determinant, that of γ times 1 − ⟨c, c⟩, is above zero.
        let squared = inner(inverse, &tilted.c, &tilted.c);
        let determinant = ambient.matrix().determinant();
        prop_assert_eq!(determinant, ambient.gamma().determinant() * (one() - squared));
        let step = coupled_step(metric, tilted);
        if !positive(&[determinant]) {
            prop_assert!(matches!(step, Err(Error::Coupling { .. })), "{:?}", step);
            return Ok(());
        }
        let (change, determinant_ratio) = step?;
        prop_assert!(positive(&[determinant_ratio]), "D = {:?}", determinant_ratio);
        let step = Step { g: ambient.pull_back(), ambient, change, determinant_ratio };
        step.solves()?;
        step.has_the_determinant()?;
        step.descends()?;
        step.is_the_projection()
    })
}

/// g = (γ − c cᵀ) + (c + w l)(c + w l)ᵀ.
pub fn p14_the_completed_square_holds<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
    with_coupling(metric, embedding, |tilted, inverse| {
        let ambient = tilted.ambient(inverse, &tilted.c, &tilted.c);
        let sum: Vec<Exact> = tilted.c.iter().zip(&ambient.jacobian[0]).map(|(&c, &l)| c + l).collect();
        let completed = ambient.gamma().plus_outer(-one(), &tilted.c).plus_outer(one(), &sum);
        prop_assert_eq!(ambient.pull_back(), completed);
        Ok(())
    })
}

/// With c = 0 the step is that of the pull-back without coupling.
pub fn p14_without_coupling_it_is_the_pull_back<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
    with_coupling(metric, embedding, |tilted, _| {
        let uncoupled = tilted.with_coupling(vec![zero(); tilted.c.len()]);
        let rule = Descent::new(metric.clone(), Induced::new(tilted.embedding.clone(), tilted.xi()), NoMomentum);
        let gradient = core::slice::from_ref(&tilted.gradient);
        let plain = first_step(rule, &tilted.theta, gradient, &[tilted.loss.exact()], |_| Ok(()))?;
        prop_assert_eq!(coupled_step(metric, &uncoupled)?, plain);
        Ok(())
    })
}

/// With a = κl and the user's b ≠ a the step solves the form written out where D > 0, and is refused with [`Error::Determinant`] elsewhere.
pub fn p14_the_bilinear_step_solves_the_explicit_system<M: PointwiseMetric, E: Embedding>(
    metric: &M,
    embedding: &E,
) -> Proof {
    with_coupling(metric, embedding, |tilted, inverse| {
        let a: Vec<Exact> = tilted.gradient.iter().map(|&l| Exact::ratio(-1, 2) * l).collect();
        let ambient = tilted.ambient(inverse, &a, &tilted.c);
        let form = Bilinear::new(tilted.embedding.clone(), tilted.xi(), AlongGradient(-0.5), Given);
        let rule = Descent::new(metric.clone(), form, NoMomentum);
        let gradient = core::slice::from_ref(&tilted.gradient);
        let step = first_step(rule, &tilted.theta, gradient, &[tilted.loss.exact()], |optimiser| {
            optimiser.write_state("ambient.1", &Reference::vector(tilted.c.iter().copied()))
        });
        let g = ambient.pull_back();
        if !positive(&[g.determinant() / ambient.gamma().determinant()]) {
            prop_assert!(matches!(step, Err(Error::Determinant { .. })), "{:?}", step);
            return Ok(());
        }
        let (change, determinant_ratio) = step?;
        let step = Step { ambient, g, change, determinant_ratio };
        step.solves()?;
        step.has_the_determinant()
    })
}
