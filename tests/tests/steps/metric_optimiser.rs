//! The optimiser for any base metric: it takes the steps of the fused one where both can run, and solves the explicit system where only it can.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is exact is compared exactly")]

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, AlongParameters, Coupling, Given, Gram, OfLosses, Position, Sqrt,
};
use ambient_metric::base::{EveryMatrix, HiddenMatrices, LearnedDiagonal, LearnedScalar, Polar, Remembering, Width};
use ambient_metric::optimiser::WholeOptimiser;
use ambient_metric::space::{Entries, HeavyBall, Local, MatrixPart, MatrixTensor, Numbers, Part};
use ambient_metric::{
    Adagrad, AmbientMetric, BaseMetric, Checkpoint, Configuration, Covector, Dense, Descent, DiagonalMetric, Ema,
    Embedding, Error, Euclidean, Group, Height, Identity, Induced, Kronecker, Log, Momentum, Muon, Nesterov,
    NoMomentum, Preconditioner, Real, RmsProp, Routed, Rule, Tensor, Vector,
};
use ambient_metric_conformance::{
    Exact, Fraction, Matrix, Reference, Trajectory, fractions, positive_fractions, trajectories,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{Quadratic, cases};
use ndarray::{Array1, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// What solves the matrix written out, and what the step came to: its change and what it reports of the determinant.
type Solved = (Vec<Exact>, Result<(Vec<Exact>, Exact), Error>);

// The fused optimiser as the reference.

type Space = Reference<f64>;

fn bits(space: &Space) -> Vec<u64> {
    space.elements().map(f64::to_bits).collect()
}

/// θ after every step of the fused optimiser.
fn fused<R: Rule>(rule: R, run: &Trajectory) -> Result<Vec<Space>, Error> {
    let mut theta = Space::new(run.parts(&run.theta))?;
    let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.25).build(&theta)?;
    let step = |(gradient, &loss): (&Vec<f64>, &f64)| {
        optimiser.step(&mut theta, &Covector(Space::new(run.parts(gradient))?), loss)?;
        Ok(theta.clone())
    };
    run.gradients.iter().zip(&run.losses).map(step).collect()
}

/// θ after every step of the optimiser for any metric.
fn whole<M: DiagonalMetric, P: Preconditioner, Q: Momentum>(
    rule: Descent<M, P, Q>,
    run: &Trajectory,
) -> Result<Vec<Space>, Error> {
    let mut theta = Space::new(run.parts(&run.theta))?;
    let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.25).build_whole(&theta)?;
    let step = |(gradient, &loss): (&Vec<f64>, &f64)| {
        optimiser.step(&mut theta, &Covector(Space::new(run.parts(gradient))?), loss)?;
        Ok(theta.clone())
    };
    run.gradients.iter().zip(&run.losses).map(step).collect()
}

/// Both placements with one metric, embedding and momentum; a claim on the two runs.
fn both<M: DiagonalMetric + Copy, E: Embedding + Copy, Q: Momentum + Copy>(
    (metric, embedding, momentum): (M, E, Q),
    (xi, beta): (f64, f64),
    run: &Trajectory,
    claim: impl Fn(&[Space], &[Space]) -> TestCaseResult,
) -> TestCaseResult {
    let induced = Induced::new(embedding, xi).beta(beta);
    let rule = Descent::new(metric, induced, momentum);
    claim(&fused(rule, run)?, &whole(rule, run)?)?;
    let rule = Descent::new(metric, induced.exact(), momentum);
    claim(&fused(rule, run)?, &whole(rule, run)?)
}

/// With every metric and momentum.
fn every<E: Embedding + Copy>(
    embedding: E,
    constants: (f64, f64),
    run: &Trajectory,
    claim: impl Fn(&[Space], &[Space]) -> TestCaseResult + Copy,
) -> TestCaseResult {
    fn momenta<M: DiagonalMetric + Copy, E: Embedding + Copy>(
        metric: M,
        embedding: E,
        constants: (f64, f64),
        run: &Trajectory,
        claim: impl Fn(&[Space], &[Space]) -> TestCaseResult + Copy,
    ) -> TestCaseResult {
        both((metric, embedding, Ema(0.8)), constants, run, claim)?;
        both((metric, embedding, Nesterov(0.8)), constants, run, claim)?;
        both((metric, embedding, HeavyBall(0.5)), constants, run, claim)?;
        both((metric, embedding, NoMomentum), constants, run, claim)
    }
    momenta(Euclidean, embedding, constants, run, claim)?;
    momenta(RmsProp { beta: 0.9, epsilon: 1e-8 }, embedding, constants, run, claim)?;
    momenta(Adagrad::default(), embedding, constants, run, claim)?;
    momenta(Quadratic, embedding, constants, run, claim)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn it_takes_the_fused_steps_bit_for_bit(
        run in trajectories(12, 5, 0.1..10.0, -6..7), xi in prop_oneof![Just(0.0), 0.001..4.0_f64],
        beta in prop_oneof![Just(0.0), 0.1..0.95_f64],
    ) {
        let same = |one: &[Space], other: &[Space]| {
            for (one, other) in one.iter().zip(other) {
                prop_assert_eq!(bits(one), bits(other), "{:?} beside {:?}", one, other);
            }
            prop_assert_eq!(one.len(), other.len());
            Ok(())
        };
        every(Identity, (xi, beta), &run, same)?;
        every(Log, (xi, beta), &run, same)?;
        every(Sqrt, (xi, beta), &run, same)?;
    }
}

// Exact numbers.

fn exact(values: &[Fraction]) -> Vec<Exact> {
    values.iter().map(|value| value.exact()).collect()
}

fn product(x: &[Exact], y: &[Exact]) -> Exact {
    x.iter().zip(y).fold(Exact::ratio(0, 1), |sum, (&x, &y)| sum + x * y)
}

fn of(value: f64) -> Exact {
    <Exact as ambient_metric::Field>::constant(value)
}

/// BᵀB + 1 for rows of B: symmetric and positive definite.
fn positive(rows: &[Vec<Fraction>]) -> Vec<Vec<Exact>> {
    let side = rows.len();
    let column = |index: usize| -> Vec<Exact> { rows.iter().map(|row| row[index].exact()).collect() };
    let entry = |i: usize, j: usize| product(&column(i), &column(j)) + Exact::ratio(i64::from(i == j), 1);
    (0..side).map(|i| (0..side).map(|j| entry(i, j)).collect()).collect()
}

/// A matrix to make γ of, and vectors of its side.
#[derive(Clone, Debug)]
struct Point {
    gamma: Vec<Vec<Fraction>>,
    theta: Vec<Fraction>,
    gradients: [Vec<Fraction>; 4],
    /// Squares, so that every embedding has a slope that is a fraction.
    losses: [Fraction; 4],
    /// √ξ.
    roots: [Fraction; 4],
}

fn points() -> impl Strategy<Value = Point> {
    let numbers = |side| prop::collection::vec(fractions(), side);
    (1..4_usize).prop_flat_map(move |side| {
        let four = [numbers(side), numbers(side), numbers(side), numbers(side)];
        let positive = || [positive_fractions(), positive_fractions(), positive_fractions(), positive_fractions()];
        let losses = positive().prop_map(|losses| losses.map(Fraction::squared));
        // Quarters, so that ξ = its square is exact in f64.
        let root = || (0_i64..9).prop_map(|numerator| Fraction { numerator, denominator: 4 });
        let roots = [root(), root(), root(), root()];
        (prop::collection::vec(numbers(side), side), numbers(side), four, losses, roots)
            .prop_map(|(gamma, theta, gradients, losses, roots)| Point { gamma, theta, gradients, losses, roots })
    })
}

const LEARNING_RATE: f64 = 0.125;

/// The change of θ in the first step of a rule, and det g / det γ as reported.
fn change<P: Preconditioner<K>, const K: usize>(
    rule: Descent<Dense<Exact>, P, NoMomentum, K>,
    point: &Point,
    given: Option<&[Exact]>,
) -> Result<(Vec<Exact>, Exact), Error> {
    let before = exact(&point.theta);
    let mut theta = Reference::vector(before.iter().copied());
    let mut optimiser = Configuration::new(rule, LEARNING_RATE).build_whole(&theta)?;
    if let Some(given) = given {
        optimiser.write_state("ambient", &Reference::vector(given.iter().copied()))?;
    }
    let gradients: [Covector<Reference<Exact>>; K] =
        core::array::from_fn(|loss| Covector(Reference::vector(exact(&point.gradients[loss]))));
    let losses: [Exact; K] = core::array::from_fn(|loss| point.losses[loss].exact());
    let report = optimiser.step_losses(&mut theta, &gradients.each_ref(), &losses)?;
    let change = theta.elements().zip(before).map(|(after, before)| after - before).collect();
    Ok((change, report.determinant_ratio))
}

fn heights<E: Embedding + Copy, const K: usize>(embedding: E, point: &Point) -> [Height<E>; K] {
    core::array::from_fn(|loss| Height { embedding, xi: point.roots[loss].to_f64().powi(2) })
}

/// γ + Σ ξ_A f′_A² l_A l_Aᵀ written out, −η Σ f′_A l_A, and det γ.
fn explicit<E: Embedding>(embedding: &E, point: &Point, losses: usize) -> (Matrix<Exact>, Vec<Exact>, Exact) {
    let gamma = Matrix::from_columns(&positive(&point.gamma));
    let determinant = gamma.determinant();
    let mut g = gamma;
    let mut right = vec![Exact::ratio(0, 1); point.theta.len()];
    for loss in 0..losses {
        let (l, root) = (exact(&point.gradients[loss]), point.roots[loss].exact());
        let slope = embedding.slope(point.losses[loss].exact());
        g = g.plus_outer(root * root * slope * slope, &l);
        right = right.iter().zip(&l).map(|(&sum, &l)| sum - of(LEARNING_RATE) * slope * l).collect();
    }
    (g, right, determinant)
}

fn solves<E: Embedding + Copy, const K: usize>(embedding: E, point: &Point) -> TestCaseResult {
    Exact::scope(|| {
        let metric = Dense::new(positive(&point.gamma))?;
        let rule = Descent::new(metric, Induced::of(heights::<E, K>(embedding, point)), NoMomentum);
        let (change, ratio) = change(rule, point, None)?;
        let (g, right, determinant) = explicit(&embedding, point, K);
        prop_assert_eq!(Some(change), g.solve(&right));
        prop_assert_eq!(ratio * determinant, g.determinant());
        Ok(())
    })
}

/// c as a coupling has it, and the coupled step against γ − ccᵀ + (c + wl)(c + wl)ᵀ written out.
fn coupled<C: Coupling>(coupling: C, c: impl Fn(&Point) -> Vec<Exact>, point: &Point, given: bool) -> TestCaseResult {
    Exact::scope(|| {
        let metric = Dense::new(positive(&point.gamma))?;
        let rule = Descent::new(metric, Induced::of(heights::<Sqrt, 1>(Sqrt, point)).coupled(coupling), NoMomentum);
        let c = c(point);
        let gamma = Matrix::from_columns(&positive(&point.gamma));
        let length = product(&c, &gamma.solve(&c).unwrap());
        let taken = change(rule, point, given.then_some(&c));
        if !ambient_metric::number::Element::is_negative(length - Exact::ratio(1, 1)) {
            prop_assert!(matches!(taken, Err(Error::Coupling { .. })), "{:?}", taken.err());
            return Ok(());
        }
        let (change, ratio) = taken?;
        let l = exact(&point.gradients[0]);
        let slope = Sqrt.slope(point.losses[0].exact());
        let weight = point.roots[0].exact() * slope;
        let tilted: Vec<Exact> = c.iter().zip(&l).map(|(&c, &l)| c + weight * l).collect();
        let g = gamma.clone().plus_outer(Exact::ratio(-1, 1), &c).plus_outer(Exact::ratio(1, 1), &tilted);
        let right: Vec<Exact> = l.iter().map(|&l| -(of(LEARNING_RATE) * slope * l)).collect();
        prop_assert_eq!(Some(change), g.solve(&right));
        prop_assert_eq!(ratio * gamma.determinant(), g.determinant());
        Ok(())
    })
}

/// a [[γ, C], [Cᵀ, B]] with a = 2, and B of ones on the diagonal and ρ beside it.
#[derive(Clone)]
struct Leaning<C> {
    coupling: C,
    rho: f64,
}

const SCALE: f64 = 2.0;

impl<C: Coupling<State<f64> = ()>, const K: usize> AmbientMetric<K> for Leaning<C> {
    type State<S: Real> = [C::State<S>; K];
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; K];

    fn columns<S: Real>(&self, state: Self::State<S>, at: Local<S, [S; K]>) -> [S; K] {
        core::array::from_fn(|loss| {
            let local = Local { parameter: at.parameter, gradient: at.gradient[loss], momentum: at.momentum[loss] };
            self.coupling.covector(state[loss], local)
        })
    }

    fn scale<S: Real>(&self, (): (), _: Position<S, K>) -> Option<S> {
        Some(S::constant(SCALE))
    }

    fn block<S: Real>(&self, (): (), _: Position<S, K>) -> Option<Gram<S, K>> {
        Some(Gram::from_entries(|row, column| S::constant(block(self.rho, row, column))))
    }
}

/// B_AB.
fn block(rho: f64, row: usize, column: usize) -> f64 {
    if row == column { 1.0 } else { rho }
}

/// κ of l, m̂ and θ in a column.
type Along = [f64; 3];

/// What a second step is made of.
struct Second<const K: usize> {
    gamma: Matrix<Exact>,
    gradients: [Vec<Exact>; K],
    momenta: [Vec<Exact>; K],
    columns: [Vec<Exact>; K],
    slopes: [Exact; K],
    /// √ξ_A f′_A.
    weights: [Exact; K],
}

impl<const K: usize> Second<K> {
    /// G(T_i, T_j) / a of the tangent vectors T_i = ∂_i + Σ_A w_A l_Ai ∂_A.
    fn metric(&self, rho: f64) -> Matrix<Exact> {
        let side = self.gradients[0].len();
        let entry = |i: usize, j: usize| {
            let mut sum = self.gamma.rows()[i][j];
            for a in 0..K {
                let rises = |loss: usize, axis: usize| self.weights[loss] * self.gradients[loss][axis];
                sum = sum + self.columns[a][i] * rises(a, j) + rises(a, i) * self.columns[a][j];
                for b in 0..K {
                    sum = sum + rises(a, i) * of(block(rho, a, b)) * rises(b, j);
                }
            }
            sum
        };
        let columns: Vec<Vec<Exact>> = (0..side).map(|j| (0..side).map(|i| entry(i, j)).collect()).collect();
        Matrix::from_columns(&columns)
    }

    /// Whether B − Cᵀγ⁻¹C is positive definite: its leading minors are above zero.
    fn is_definite(&self, rho: f64) -> bool {
        let raised: Vec<Vec<Exact>> = self.columns.iter().map(|column| self.gamma.solve(column).unwrap()).collect();
        let entry = |a: usize, b: usize| of(block(rho, a, b)) - product(&self.columns[a], &raised[b]);
        (1..=K).all(|order| {
            let columns: Vec<Vec<Exact>> = (0..order).map(|b| (0..order).map(|a| entry(a, b)).collect()).collect();
            ambient_metric::number::Element::is_negative(-Matrix::from_columns(&columns).determinant())
        })
    }
}

/// The second step of K losses against the explicit matrix: with the full inverse and momenta l + 1/4 of the first gradients, and without momentum in
/// either placement. Both for F = Σ f_A and F = Σ L_A.
fn leans<E: Embedding + Copy, C: Coupling<State<f64> = ()> + Copy, const K: usize>(
    (embedding, coupling): (E, C),
    [of_gradient, of_momentum, of_parameters]: Along,
    rho: f64,
    point: &Point,
) -> TestCaseResult {
    /// θ before the second step, and its change and det g / (aᴺ det γ).
    fn taken<P: Preconditioner<K>, Q: Momentum, const K: usize>(
        rule: Descent<Dense<Exact>, P, Q, K>,
        point: &Point,
    ) -> Result<Solved, Error> {
        let mut theta = Reference::vector(exact(&point.theta));
        let mut optimiser = Configuration::new(rule, LEARNING_RATE).build_whole(&theta)?;
        let gradients = |first: usize| -> [Covector<Reference<Exact>>; K] {
            core::array::from_fn(|loss| Covector(Reference::vector(exact(&point.gradients[(first + loss) % 4]))))
        };
        let losses: [Exact; K] = core::array::from_fn(|loss| point.losses[loss].exact());
        optimiser.step_losses(&mut theta, &gradients(1).each_ref(), &losses)?;
        let before: Vec<Exact> = theta.elements().collect();
        let taken = optimiser.step_losses(&mut theta, &gradients(0).each_ref(), &losses).map(|report| {
            let change = theta.elements().zip(&before).map(|(after, &before)| after - before).collect();
            (change, report.determinant_ratio)
        });
        Ok((before, taken))
    }

    let is_solved = |taken: Result<Solved, Error>, has_momentum, of_heights| {
        let (before, taken) = match taken {
            // No metric in the first step.
            Err(Error::Coupling { .. }) => return Ok(()),
            taken => taken?,
        };
        let gradients: [Vec<Exact>; K] = core::array::from_fn(|loss| exact(&point.gradients[loss]));
        let momenta: [Vec<Exact>; K] = core::array::from_fn(|loss| {
            let first = if has_momentum { Exact::ratio(1, 4) } else { Exact::ratio(0, 1) };
            let earlier = exact(&point.gradients[(loss + 1) % 4]);
            let later = &gradients[loss];
            earlier.iter().zip(later).map(|(&earlier, &later)| later + first * earlier).collect()
        });
        let slopes: [Exact; K] = core::array::from_fn(|loss| embedding.slope(point.losses[loss].exact()));
        let second = Second {
            gamma: Matrix::from_columns(&positive(&point.gamma)),
            columns: core::array::from_fn(|loss| {
                let component = |axis: usize| {
                    of(of_gradient) * gradients[loss][axis]
                        + of(of_momentum) * momenta[loss][axis]
                        + of(of_parameters) * before[axis]
                };
                (0..before.len()).map(component).collect()
            }),
            weights: core::array::from_fn(|loss| point.roots[loss].exact() * slopes[loss]),
            gradients,
            momenta,
            slopes,
        };
        if !second.is_definite(rho) {
            prop_assert!(matches!(taken, Err(Error::Coupling { .. })), "{:?}", taken.err());
            return Ok(());
        }
        let (change, ratio) = taken?;
        let g = second.metric(rho);
        let mut right = vec![of(0.0); before.len()];
        for (momentum, &slope) in second.momenta.iter().zip(&second.slopes) {
            let descended = if of_heights { slope } else { of(1.0) };
            right =
                right.iter().zip(momentum).map(|(&sum, &m)| sum - of(LEARNING_RATE / SCALE) * descended * m).collect();
        }
        prop_assert_eq!(Some(change), g.solve(&right));
        prop_assert_eq!(ratio * second.gamma.determinant(), g.determinant());
        Ok(())
    };

    Exact::scope(|| {
        let metric = || Dense::new(positive(&point.gamma));
        let induced = || Induced::of(heights::<_, K>(embedding, point));
        let leaning = || Leaning { coupling, rho };
        let momentum = HeavyBall(0.25);
        is_solved(taken(Descent::new(metric()?, induced().ambient(leaning()), NoMomentum), point), false, true)?;
        is_solved(
            taken(Descent::new(metric()?, induced().ambient(leaning()).exact(), NoMomentum), point),
            false,
            true,
        )?;
        is_solved(taken(Descent::new(metric()?, induced().ambient(leaning()).exact(), momentum), point), true, true)?;
        let of_losses = || induced().ambient(OfLosses(leaning()));
        is_solved(taken(Descent::new(metric()?, of_losses(), NoMomentum), point), false, false)?;
        is_solved(taken(Descent::new(metric()?, of_losses().exact(), momentum), point), true, false)
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn p2_and_p13_the_step_over_a_dense_metric_solves_the_explicit_system_of_one_to_four_losses(point in points()) {
        solves::<_, 1>(Identity, &point)?;
        solves::<_, 2>(Log, &point)?;
        solves::<_, 3>(Sqrt, &point)?;
        solves::<_, 4>(Log, &point)?;
    }

    /// The order in which losses are given does not matter, whatever the order of elimination (P13).
    #[test]
    fn p13_losses_may_come_in_any_order(point in points(), (a, b) in (0..3_usize, 0..3_usize)) {
        Exact::scope(|| {
            let mut other = point.clone();
            other.gradients.swap(a, b);
            other.losses.swap(a, b);
            other.roots.swap(a, b);
            let step = |point: &Point| {
                let metric = Dense::new(positive(&point.gamma))?;
                change(Descent::new(metric, Induced::of(heights::<_, 3>(Log, point)), NoMomentum), point, None)
            };
            prop_assert_eq!(step(&point)?, step(&other)?);
            Ok(())
        })?;
    }

    #[test]
    fn p14_the_coupled_step_over_a_dense_metric_solves_the_completed_square(point in points(), eighths in -8..9_i64) {
        let kappa = f64::from(i32::try_from(eighths).unwrap()) / 8.0;
        let times = |values: &[Fraction]| -> Vec<Exact> { values.iter().map(|x| Exact::ratio(eighths, 8) * x.exact()).collect() };
        coupled(AlongGradient(kappa), |point| times(&point.gradients[0]), &point, false)?;
        coupled(AlongMomentum(kappa), |point| times(&point.gradients[0]), &point, false)?;
        coupled(AlongParameters(kappa), |point| times(&point.theta), &point, false)?;
        coupled(Given, |point| times(&point.gradients[1]), &point, true)?;
    }

    /// Coupling and the full inverse of one to three losses, in a space that is scaled and whose heights stand at an angle.
    #[test]
    fn p2_the_step_of_coupled_losses_and_of_the_full_inverse_solves_the_explicit_system(
        point in points(), eighths in -4..5_i32, quarters in -1..3_i32,
    ) {
        let (kappa, rho) = (f64::from(eighths) / 8.0, f64::from(quarters) / 4.0);
        let [l, m, theta] = [[kappa, 0.0, 0.0], [0.0, kappa, 0.0], [0.0, 0.0, kappa]];
        leans::<_, _, 1>((Sqrt, AlongMomentum(kappa)), m, 0.0, &point)?;
        leans::<_, _, 2>((Sqrt, AlongGradient(kappa)), l, rho, &point)?;
        leans::<_, _, 2>((Log, AlongMomentum(kappa)), m, rho, &point)?;
        leans::<_, _, 2>((Identity, AlongParameters(kappa)), theta, rho, &point)?;
        leans::<_, _, 3>((Sqrt, AlongMomentum(kappa)), m, rho, &point)?;
        leans::<_, _, 3>((Log, AlongParameters(kappa)), theta, rho, &point)?;
    }

    #[test]
    fn p7_p8_p9_the_step_over_a_dense_metric_is_bounded_parallel_and_descends(point in points()) {
        Exact::scope(|| {
            let metric = Dense::new(positive(&point.gamma))?;
            let gamma = Matrix::from_columns(metric.rows());
            let l = exact(&point.gradients[0]);
            let raised = gamma.solve(&l).unwrap();
            let rule = Descent::new(metric, Induced::of(heights::<_, 1>(Sqrt, &point)), NoMomentum);
            let (change, _) = change(rule, &point, None)?;
            let (g, ..) = explicit(&Sqrt, &point, 1);
            let xi = point.roots[0].exact() * point.roots[0].exact();
            let squared_rate = of(LEARNING_RATE * LEARNING_RATE);
            let left = squared_rate - Exact::ratio(4, 1) * xi * product(&change, &gamma.times(&change));
            prop_assert!(!ambient_metric::number::Element::is_negative(left));
            let left = squared_rate - xi * product(&change, &g.times(&change));
            prop_assert!(!ambient_metric::number::Element::is_negative(left));
            for (&a, &b) in change.iter().zip(&raised) {
                for (&c, &d) in change.iter().zip(&raised) {
                    prop_assert_eq!(a * d, c * b);
                }
            }
            let along = product(&l, &change);
            prop_assert_eq!(ambient_metric::number::Element::is_negative(along), l.iter().any(|&x| x != Exact::ratio(0, 1)));
            Ok(())
        })?;
    }

    /// θ = Aφ with γ_φ = AᵀγA: the step in φ is A⁻¹ times the step in θ (P10), for any invertible A.
    #[test]
    fn p10_the_step_over_a_dense_metric_is_covariant(point in points(), entries in prop::collection::vec(fractions(), 9)) {
        Exact::scope(|| {
            let side = point.theta.len();
            let entry = |row: usize, column: usize| entries[3 * row + column].exact();
            let columns: Vec<Vec<Exact>> = (0..side).map(|column| (0..side).map(|row| entry(row, column)).collect()).collect();
            let a = Matrix::from_columns(&columns);
            prop_assume!(a.inverse().is_some());
            let gamma = positive(&point.gamma);
            let matrix = Matrix::from_columns(&gamma);
            let pulled = |i: usize, j: usize| product(&columns[i], &matrix.times(&columns[j]));
            let of_phi = Dense::new((0..side).map(|i| (0..side).map(|j| pulled(i, j)).collect()).collect())?;
            let height = heights::<_, 1>(Log, &point);
            let step = |metric: Dense<Exact>, l: Vec<Exact>| -> Result<Vec<Exact>, Error> {
                let mut theta = Reference::vector(vec![Exact::ratio(0, 1); side]);
                let rule = Descent::new(metric, Induced::of(height), NoMomentum);
                let mut optimiser = Configuration::new(rule, LEARNING_RATE).build_whole(&theta)?;
                optimiser.step(&mut theta, &Covector(Reference::vector(l)), point.losses[0].exact())?;
                Ok(theta.elements().collect())
            };
            let l = exact(&point.gradients[0]);
            let of_l = columns.iter().map(|column| product(column, &l)).collect();
            prop_assert_eq!(a.times(&step(of_phi, of_l)?), step(Dense::new(gamma)?, l)?);
            Ok(())
        })?;
    }

    /// A dense metric is over all parameters together: where they are cut into parts changes nothing (P15).
    #[test]
    fn p15_splitting_parameters_under_a_dense_metric_changes_nothing(point in points(), cut in any::<prop::sample::Index>()) {
        Exact::scope(|| {
            let side = point.theta.len();
            let cut = cut.index(side + 1);
            let split = |values: &[Fraction]| {
                let parts = [("a", &values[..cut]), ("b", &values[cut..])];
                let part = |name: &str, len| Part { name: name.into(), shape: vec![len] };
                Reference::new(parts.map(|(name, values)| (part(name, values.len()), exact(values))))
            };
            let rule = || -> Result<_, Error> {
                Ok(Descent::new(Dense::new(positive(&point.gamma))?, Induced::of(heights::<_, 1>(Log, &point)), NoMomentum))
            };
            let mut theta = split(&point.theta)?;
            let mut optimiser = Configuration::new(rule()?, LEARNING_RATE).build_whole(&theta)?;
            optimiser.step(&mut theta, &Covector(split(&point.gradients[0])?), point.losses[0].exact())?;
            let (change, _) = change(rule()?, &point, None)?;
            let before = exact(&point.theta);
            let moved: Vec<Exact> = theta.elements().zip(before).map(|(after, before)| after - before).collect();
            prop_assert_eq!(moved, change);
            Ok(())
        })?;
    }
}

// Refusals.

fn vector(values: &[f64]) -> Parameters<f64> {
    Parameters::from(Array1::from(values.to_vec()))
}

/// γ⁻¹ = diag(1, −1): no metric, and nothing in its interface says so.
#[derive(Clone, Copy)]
struct Lorentzian;

impl BaseMetric<Parameters<f64>> for Lorentzian {
    type State = ();

    fn begin(&self, _parameters: &Parameters<f64>) -> Result<(), Error> {
        Ok(())
    }

    fn update(&self, (): &mut (), _gradient: &Covector<Parameters<f64>>) -> Result<(), Error> {
        Ok(())
    }

    fn raise(&self, (): &(), x: &Covector<Parameters<f64>>) -> Result<Vector<Parameters<f64>>, Error> {
        Ok(Vector(vector(&[x.0.as_slice()[0], -x.0.as_slice()[1]])))
    }

    fn lower(&self, (): &(), v: &Vector<Parameters<f64>>) -> Result<Covector<Parameters<f64>>, Error> {
        self.raise(&(), &Covector(v.0.clone())).map(|raised| Covector(raised.0))
    }

    fn log_determinant(&self, (): &()) -> Result<f64, Error> {
        Ok(0.0)
    }
}

/// Takes one good step, a bad one, and the good one again: the bad one must be refused, and leave no trace.
fn leaves_no_trace<M, P, Q, const K: usize>(
    rule: &Descent<M, P, Q, K>,
    start: &Parameters<f64>,
    good: (&[Parameters<f64>; K], [f64; K]),
    bad: (&[Parameters<f64>; K], [f64; K]),
) -> Error
where
    Descent<M, P, Q, K>: Clone,
    M: BaseMetric<Parameters<f64>, State: Clone>,
    P: Preconditioner<K>,
    Q: Momentum,
{
    let run = |with_bad: bool| {
        let mut theta = start.clone();
        let mut optimiser = Configuration::new(rule.clone(), 0.1).weight_decay(0.1).build_whole(&theta).unwrap();
        let covectors = |gradients: &[Parameters<f64>; K]| gradients.clone().map(Covector);
        let step = |optimiser: &mut WholeOptimiser<M, P, Q, Parameters<f64>, K>,
                    theta: &mut Parameters<f64>,
                    (gradients, losses): (&[Parameters<f64>; K], [f64; K])| {
            optimiser.step_losses(theta, &covectors(gradients).each_ref(), &losses)
        };
        step(&mut optimiser, &mut theta, good).unwrap();
        let mut refused = None;
        if with_bad {
            let before = theta.clone();
            refused = step(&mut optimiser, &mut theta, bad).err();
            assert!(refused.is_some(), "the bad step was taken");
            assert_eq!(
                theta.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                before.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            );
            assert_eq!(optimiser.steps().unwrap(), 1);
        }
        step(&mut optimiser, &mut theta, good).unwrap();
        (theta.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>(), refused)
    };
    let (clean, _) = run(false);
    let (after, refused) = run(true);
    assert_eq!(clean, after);
    refused.unwrap()
}

fn rmsprop() -> RmsProp {
    RmsProp::default()
}

#[test]
fn bad_gradients_and_losses_are_refused_and_leave_no_trace() {
    let start = vector(&[1.0, 2.0]);
    let good = [vector(&[3.0, 4.0])];
    let rule = Descent::new(rmsprop(), Induced::new(Log, 0.1).beta(0.5), Ema(0.9));
    let error = leaves_no_trace(&rule, &start, (&good, [1.0]), (&[vector(&[f64::NAN, 1.0])], [1.0]));
    assert!(matches!(&error, Error::NonFiniteGradient { parameter } if parameter == "theta"), "{error}");
    let error = leaves_no_trace(&rule, &start, (&good, [1.0]), (&good, [-1.0]));
    assert!(matches!(error, Error::LossOutsideDomain { .. }), "{error}");
    let error = leaves_no_trace(&rule, &start, (&good, [1.0]), (&[vector(&[1.0, 2.0, 3.0])], [1.0]));
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    // The square is no number, and neither is the sum of squares.
    let flat = Descent::new(Euclidean, Induced::new(Log, 0.1), Ema(0.9));
    let error = leaves_no_trace(&flat, &start, (&good, [1.0]), (&[vector(&[1e200, 1.0])], [1.0]));
    assert!(matches!(error, Error::Overflow { .. }), "{error}");
}

#[test]
fn a_coupling_that_is_too_strong_is_refused_or_scaled_back_and_the_report_says_so() {
    let start = vector(&[1.0, 2.0]);
    let (good, long) = ([vector(&[0.3, 0.4])], [vector(&[3.0, 4.0])]);
    let coupled = Induced::new(Identity, 0.25).coupled(AlongGradient(1.0));
    let rule = Descent::new(Dense::diagonal(&[1.0, 1.0]).unwrap(), coupled, NoMomentum);
    let error = leaves_no_trace(&rule, &start, (&good, [1.0]), (&long, [1.0]));
    assert!(matches!(error, Error::Coupling { squared_length } if (squared_length - 25.0).abs() < 1e-13), "{error}");

    let mut theta = start.clone();
    let rule = Descent { preconditioner: coupled.scale_back(0.19), ..rule };
    let mut optimiser = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    let report = optimiser.step(&mut theta, &Covector(long[0].clone()), 1.0).unwrap();
    // ⟨c, c⟩ = 25 goes back to 0.81: c to 0.9 / 5 of itself.
    assert!((report.coupling - 0.81).abs() < 1e-15 && (report.coupling_scale - 0.18).abs() < 1e-15, "{report:?}");
    // With c along l: D = (1 + w⟨c, l⟩)² + w²s(1 − ⟨c, c⟩) = 3.25² + 6.25 · 0.19, w = 1/2, ⟨c, l⟩ = 4.5.
    assert!((report.determinant_ratio - (3.25 * 3.25 + 6.25 * 0.19)).abs() < 1e-13, "{report:?}");
}

#[test]
fn a_form_that_is_no_metric_is_refused_by_what_it_does() {
    let start = vector(&[1.0, 2.0]);
    let one = Descent::new(Lorentzian, Induced::new(Identity, 1.0), Ema(0.5));
    let error = leaves_no_trace(&one, &start, (&[vector(&[2.0, 1.0])], [1.0]), (&[vector(&[1.0, 2.0])], [1.0]));
    assert!(
        matches!(&error, Error::NotPositiveDefinite { metric } if metric == "Descent(Lorentzian, Induced(Identity, Product, damped), Ema)"),
        "{error}"
    );
    // Both lengths are 3 and the product is 5: det(1 + G) = 4 · 4 − 25 < 0.
    let two = Descent::new(Lorentzian, Induced::of([Height { embedding: Identity, xi: 1.0 }; 2]), Ema(0.5));
    let good = [vector(&[2.0, 0.0]), vector(&[1.0, 0.0])];
    let bad = [vector(&[2.0, 1.0]), vector(&[2.0, -1.0])];
    let error = leaves_no_trace(&two, &start, (&good, [1.0, 1.0]), (&bad, [1.0, 1.0]));
    assert!(matches!(error, Error::Determinant { determinant_ratio, .. } if determinant_ratio == -9.0), "{error}");
}

#[test]
fn matrices_that_are_no_metric_are_refused_when_they_are_given() {
    assert!(matches!(Dense::new(vec![vec![1.0, 2.0], vec![2.0, 1.0]]), Err(Error::IndefiniteMatrix { order: 2 })));
    assert!(matches!(Dense::new(vec![vec![0.0]]), Err(Error::IndefiniteMatrix { order: 1 })));
    assert!(matches!(Dense::new(vec![vec![f64::NAN]]), Err(Error::IndefiniteMatrix { order: 1 })));
    assert!(matches!(
        Dense::new(vec![vec![1.0, 2.0], vec![1.0, 8.0]]),
        Err(Error::AsymmetricMatrix { row: 1, column: 0 })
    ));
    assert!(matches!(Dense::new(vec![vec![1.0, 2.0], vec![2.0]]), Err(Error::Shape { .. })));
    let metric = Dense::diagonal(&[1.0, 2.0]).unwrap();
    let refused = metric.begin(&vector(&[1.0, 2.0, 3.0]));
    assert!(
        matches!(refused, Err(Error::Shape { expected, found, .. }) if (expected.as_slice(), found.as_slice()) == (&[2], &[3]))
    );
}

#[test]
fn a_vector_is_refused_by_metrics_of_matrices_and_named() {
    let theta = Parameters::new([("w", array![[1.0, 2.0]].into_dyn()), ("x.bias", array![1.0].into_dyn())]).unwrap();
    let muon = Configuration::new(Descent::new(Muon::default(), Induced::new(Identity, 0.0), NoMomentum), 0.1)
        .build_whole(&theta);
    let kronecker =
        Configuration::new(Descent::new(Kronecker::default(), Induced::new(Identity, 0.0), NoMomentum), 0.1)
            .build_whole(&theta);
    for error in [muon.err().unwrap(), kronecker.err().unwrap()] {
        assert!(
            matches!(&error, Error::NotAMatrix { parameter, shape, .. } if parameter == "x.bias" && *shape == [1]),
            "{error}"
        );
    }
}

#[test]
fn a_metric_that_measures_something_else_than_the_gradient_is_for_one_loss() {
    let theta = Parameters::from(array![[1.0, 2.0]]);
    let gradients = [Covector(theta.clone()), Covector(theta.clone())];
    let two = Induced::of([Height { embedding: Identity, xi: 1.0 }; 2]);
    let mut moved = theta.clone();
    let rule = Descent::new(Muon::default(), two, NoMomentum);
    let mut muon = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    let refused = muon.step_losses(&mut moved, &gradients.each_ref(), &[1.0, 1.0]);
    assert!(matches!(refused, Err(Error::Losses { expected: 1, found: 2 })), "{refused:?}");
    assert_eq!(moved, theta);
}

/// How many losses there are is part of the rule's type, and how many are given is asked at every step.
#[test]
fn as_many_gradients_and_losses_as_the_rule_is_for_are_asked_for() {
    let theta = vector(&[1.0, 2.0]);
    let two = Induced::of([Height { embedding: Identity, xi: 1.0 }; 2]);
    let mut optimiser = Configuration::new(Descent::new(rmsprop(), two, Ema(0.5)), 0.1).build_whole(&theta).unwrap();
    let (mut moved, gradient) = (theta.clone(), Covector(vector(&[1.0, -1.0])));
    let refused = optimiser.step(&mut moved, &gradient, 1.0);
    assert!(matches!(refused, Err(Error::Losses { expected: 2, found: 1 })), "{refused:?}");
    for (gradients, losses) in [(3, 2), (2, 3), (0, 2)] {
        let refused = optimiser.step_losses(&mut moved, &vec![&gradient; gradients], &vec![1.0; losses]);
        let found = if gradients == 2 { losses } else { gradients };
        assert!(matches!(refused, Err(Error::Losses { expected: 2, found: of }) if of == found), "{refused:?}");
    }
    assert_eq!((moved, optimiser.steps().unwrap()), (theta, 0));
}

#[test]
fn groups_have_rates_of_their_own_and_no_metric_of_their_own() {
    let mut theta = Parameters::new([("a", array![1.0].into_dyn()), ("b", array![1.0].into_dyn())]).unwrap();
    let rule = Descent::new(Dense::diagonal(&[1.0, 2.0]).unwrap(), Induced::new(Identity, 0.0), NoMomentum);
    let configuration = Configuration::new(rule, 0.5).weight_decay(0.25);
    let grouped = configuration.clone().group(Group::new("b", ["b"]).learning_rate(0.25).weight_decay(0.0));
    let mut optimiser = grouped.build_whole(&theta).unwrap();
    let gradient = Covector(theta.clone());
    let report = optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!(report.effective_learning_rate, 0.5);
    assert_eq!(theta.as_slice(), [1.0 - 0.5 - 0.125, 1.0 - 0.25 * 0.5]);
    optimiser.set_learning_rate("b", 0.0).unwrap();
    assert!(optimiser.set_learning_rate("c", 0.0).is_err());
    optimiser.set_xi_of(0, 4.0).unwrap();
    assert!(matches!(optimiser.set_xi_of(1, 4.0), Err(Error::Losses { expected: 1, found: 2 })));
    let report = optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    // s = 4 (1 + 1/2).
    assert_eq!((report.squared_length, report.damping, theta.as_slice()[1]), (6.0, 1.0 / 7.0, 0.875));
    let own = configuration.group(Group::new("b", ["b"]).own_metric()).build_whole(&theta);
    assert!(matches!(own, Err(Error::OwnMetric { group }) if group == "b"));
}

/// A clone is a checkpoint in memory: what the original does afterwards does not reach it.
#[test]
fn a_clone_goes_on_where_it_was_made() {
    let gradient =
        |step: usize| Covector(Parameters::from(array![[(step as f64).sin(), 1.0], [0.5, (step as f64).cos()]]));
    let rule = Descent::new(Kronecker { every: 2, ..Kronecker::default() }, Induced::new(Log, 0.1).beta(0.5), Ema(0.9));
    let mut theta = Parameters::from(array![[1.0, 2.0], [3.0, 4.0]]);
    let mut optimiser = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    for step in 0..3 {
        optimiser.step(&mut theta, &gradient(step), 1.5).unwrap();
    }
    let (mut kept, mut of_kept) = (optimiser.clone(), theta.clone());
    for step in 3..6 {
        optimiser.step(&mut theta, &gradient(step), 1.5).unwrap();
    }
    for step in 3..6 {
        kept.step(&mut of_kept, &gradient(step), 1.5).unwrap();
    }
    let bits = |theta: &Parameters<f64>| theta.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&theta), bits(&of_kept));
}

// Checkpoints.

/// A matrix that is hidden, one that is a head, and a vector.
fn model(seed: f64) -> Parameters<f64> {
    let number = |index: usize| (seed + index as f64 * 0.7).sin();
    Parameters::new([
        ("b", Array1::from_shape_fn(3, |i| number(i + 20)).into_dyn()),
        ("head.weight", ndarray::Array2::from_shape_fn((2, 2), |(i, j)| number(2 * i + j + 10)).into_dyn()),
        ("w", ndarray::Array2::from_shape_fn((2, 3), |(i, j)| number(3 * i + j)).into_dyn()),
    ])
    .unwrap()
}

/// Goes on from a checkpoint written as text, beside the optimiser that it was taken from: bit for bit.
fn resumes<M, P, Q, const K: usize>(rule: Descent<M, P, Q, K>, given: Option<&Parameters<f64>>)
where
    Descent<M, P, Q, K>: Clone + serde::Serialize + serde::de::DeserializeOwned + PartialEq + core::fmt::Debug,
    M: BaseMetric<Parameters<f64>, State: Clone>,
    P: Preconditioner<K>,
    Q: Momentum,
{
    let mut theta = model(0.0);
    let mut optimiser = Configuration::new(rule, 0.01).weight_decay(0.1).build_whole(&theta).unwrap();
    if let Some(given) = given {
        optimiser.write_state("ambient", given).unwrap();
    }
    let gradients = |step: usize| -> [Covector<Parameters<f64>>; K] {
        core::array::from_fn(|loss| Covector(model(3.0 * loss as f64 + step as f64)))
    };
    for step in 0..3 {
        optimiser.step_losses(&mut theta, &gradients(step).each_ref(), &[1.5; K]).unwrap();
    }
    optimiser.set_learning_rate("default", 0.02).unwrap();
    optimiser.set_xi_of(K - 1, 0.3).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap();
    let text = serde_json::to_string(&checkpoint).unwrap();
    let read: Checkpoint<Descent<M, P, Q, K>> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, checkpoint);
    let mut resumed = WholeOptimiser::restore(&read, &theta).unwrap();
    assert_eq!(resumed.checkpoint().unwrap(), checkpoint);
    let mut other = theta.clone();
    for step in 3..6 {
        let report = optimiser.step_losses(&mut theta, &gradients(step).each_ref(), &[1.5; K]).unwrap();
        assert_eq!(report, resumed.step_losses(&mut other, &gradients(step).each_ref(), &[1.5; K]).unwrap());
        assert_eq!(theta, other);
    }
    assert_eq!(resumed.steps().unwrap(), 6);
}

/// γ = 1 + ‖l‖² of the last gradient: it remembers the gradient, one of its tensors as a matrix, and γ.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Last;

#[derive(Clone, Debug)]
struct Remembrance {
    gradient: Parameters<f64>,
    weights: <Parameters<f64> as MatrixTensor>::Matrix,
    gamma: f64,
}

/// Where the matrix stands among the parts of [`model`].
const WEIGHTS: usize = 2;

impl BaseMetric<Parameters<f64>> for Last {
    type State = Remembrance;

    fn begin(&self, parameters: &Parameters<f64>) -> Result<Remembrance, Error> {
        let gradient = parameters.zeros_like()?;
        Ok(Remembrance { weights: gradient.matrix(WEIGHTS)?, gradient, gamma: 1.0 })
    }

    fn update(&self, state: &mut Remembrance, gradient: &Covector<Parameters<f64>>) -> Result<(), Error> {
        let gamma = 1.0 + gradient.contract(&Vector(gradient.0.clone()))?;
        *state = Remembrance { gradient: gradient.0.clone(), weights: gradient.0.matrix(WEIGHTS)?, gamma };
        Ok(())
    }

    fn raise(&self, state: &Remembrance, x: &Covector<Parameters<f64>>) -> Result<Vector<Parameters<f64>>, Error> {
        let mut raised = Vector(x.0.clone());
        raised.scale(1.0 / state.gamma)?;
        Ok(raised)
    }

    fn lower(&self, state: &Remembrance, v: &Vector<Parameters<f64>>) -> Result<Covector<Parameters<f64>>, Error> {
        let mut lowered = v.clone();
        lowered.scale(state.gamma)?;
        Ok(Covector(lowered.0))
    }

    fn log_determinant(&self, state: &Remembrance) -> Result<f64, Error> {
        Ok(state.gradient.iter().count() as f64 * state.gamma.ln())
    }

    fn record(&self, state: &mut Remembrance, entries: &mut Entries<'_>) -> Result<(), Error> {
        entries.tensor("gradient", &mut state.gradient)?;
        entries.matrix("w", "weights", &mut state.weights)?;
        entries.within("b").number("gamma", &mut state.gamma)?;
        let mut is_read = f64::from(u8::from(entries.is_read()));
        entries.number("is_read", &mut is_read)
    }
}

#[test]
fn a_metric_of_a_user_keeps_tensors_matrices_and_numbers_in_a_checkpoint() {
    let rule = Descent::new(Last, Induced::new(Log, 0.1), Ema(0.9));
    resumes(rule, None);
    let (start, gradient) = (model(0.0), model(1.0));
    let mut theta = start.clone();
    let mut optimiser = Configuration::new(rule, 0.01).build_whole(&theta).unwrap();
    optimiser.step(&mut theta, &Covector(gradient.clone()), 1.0).unwrap();
    let checkpoint = optimiser.checkpoint().unwrap();
    let slot = |parameter: &str, slot: &str| checkpoint.parameters[parameter].state[slot].clone();
    assert_eq!(slot("b", "metric.gradient"), gradient.read(0).unwrap().into());
    assert_eq!(slot("w", "metric.weights"), gradient.read(WEIGHTS).unwrap().into());
    assert_eq!(checkpoint.memory[0]["metric.b.gamma"], optimiser.state().gamma);
    assert_eq!(checkpoint.memory[0]["metric.is_read"], 0.0);
    let restored = WholeOptimiser::restore(&checkpoint, &start).unwrap();
    assert_eq!(restored.state().gradient, gradient);
    assert_eq!(restored.state().weights.to_host().unwrap(), gradient.read(WEIGHTS).unwrap());
    assert_eq!(restored.state().gamma, optimiser.state().gamma);
    assert_eq!(restored.engine().momenta()[0].slots()[0], optimiser.engine().momenta()[0].slots()[0]);
    assert_eq!(restored.engine().momenta()[0].slots().len(), 1);
}

#[test]
fn every_metric_resumes_from_a_checkpoint_bit_for_bit() {
    let learned = LearnedDiagonal { kappa: 0.1, ..LearnedDiagonal::default() };
    let scalar = LearnedScalar { kappa: 0.1, ..LearnedScalar::default() };
    let routed = Routed {
        route: HiddenMatrices::default(),
        taken: Muon::default(),
        rest: Routed {
            route: EveryMatrix,
            // The roots are those of an earlier moment than the one that is kept.
            taken: Kronecker { every: 2, beta: Some(0.5), ..Kronecker::default() },
            rest: Remembering { momentum: Nesterov(0.5), metric: learned },
        },
    };
    resumes(Descent::new(routed, Induced::new(Log, 0.1).beta(0.5), NoMomentum), None);
    let polar = Muon { momentum: Ema(0.9), orthogonaliser: Polar, width: Width::RowsAreOutputs, heads: false };
    let polar = Routed { route: EveryMatrix, taken: polar, rest: scalar };
    resumes(Descent::new(polar, Induced::new(Identity, 0.1), NoMomentum), None);
    let diagonal: Vec<f64> = (1..14).map(f64::from).collect();
    let dense = || Dense::diagonal(&diagonal).unwrap();
    let two = [Height { embedding: Log, xi: 0.1 }, Height { embedding: Log, xi: 0.2 }];
    resumes(Descent::new(dense(), Induced::of(two).beta(0.5), Ema(0.9)), None);
    resumes(Descent::new(scalar, Induced::new(Identity, 0.1).exact(), HeavyBall(0.5)), None);
    let coupled = Induced::of(two).coupled(AlongMomentum(0.05)).scale_back(0.5).beta(0.5);
    resumes(Descent::new(dense(), coupled.exact(), Ema(0.9)), None);
    let mut given = model(1.0);
    given.as_mut_slice().iter_mut().for_each(|c| *c *= 0.1);
    resumes(
        Descent::new(rmsprop(), Induced::new(Identity, 0.1).coupled(Given).scale_back(0.5), Ema(0.5)),
        Some(&given),
    );
}

/// A checkpoint of one metric for matrices and another for the rest.
type Saved = Checkpoint<Descent<Routed<EveryMatrix, Kronecker, RmsProp>, Induced<Height<Log>>, Ema>>;

fn state<'a>(saved: &'a mut Saved, parameter: &str) -> &'a mut std::collections::BTreeMap<String, Numbers> {
    &mut saved.parameters.get_mut(parameter).unwrap().state
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused_and_the_entry_is_named() {
    let metric = Routed { route: EveryMatrix, taken: Kronecker::default(), rest: rmsprop() };
    let rule = Descent::new(metric, Induced::new(Log, 0.1), Ema(0.9));
    let mut theta = model(0.0);
    let mut optimiser = Configuration::new(rule, 0.01).build_whole(&theta).unwrap();
    optimiser.step(&mut theta, &Covector(model(1.0)), 1.0).unwrap();
    let refused = |change: &dyn Fn(&mut Saved)| {
        let mut checkpoint = optimiser.checkpoint().unwrap();
        change(&mut checkpoint);
        WholeOptimiser::restore(&checkpoint, &theta).map(|_| ()).unwrap_err()
    };
    let entry = |change: &dyn Fn(&mut Saved)| match refused(change) {
        Error::CheckpointEntry { entry, .. } => entry,
        other => unreachable!("{other}"),
    };
    let root = "parameters[w].state.metric.taken.rows.root";
    let numbers =
        |saved: &mut Saved, change: fn(&mut Vec<f64>)| match state(saved, "w").get_mut("metric.taken.rows.root") {
            Some(Numbers::F64(values)) => change(values),
            other => unreachable!("{other:?}"),
        };
    assert_eq!(
        entry(&|saved| {
            state(saved, "w").remove("metric.taken.rows.root");
        }),
        root
    );
    assert_eq!(entry(&|saved| numbers(saved, |values| values.truncate(1))), root);
    assert_eq!(entry(&|saved| numbers(saved, |values| values[0] = f64::NAN)), root);
    assert_eq!(
        entry(&|saved| {
            state(saved, "b").insert("more".into(), vec![1.0].into());
        }),
        "parameters[b].state.more"
    );
    assert_eq!(
        entry(&|saved| {
            saved.memory[0].insert("more".into(), 1.0);
        }),
        "memory.more"
    );
    assert_eq!(
        entry(&|saved| {
            saved.memory[0].remove("memory.lengths.power");
        }),
        "memory.memory.lengths.power"
    );
    // A count is a whole number, from zero to 2⁵³, above which not every one is an f64.
    let most = 2.0_f64.powi(53);
    for count in [0.5, -1.0, most + 2.0] {
        assert_eq!(
            entry(&|saved| {
                saved.memory[0].insert("metric.taken.seen.w".into(), count);
            }),
            "memory.metric.taken.seen.w"
        );
    }
    for count in [0.0, most] {
        let mut checkpoint = optimiser.checkpoint().unwrap();
        checkpoint.memory[0].insert("metric.taken.seen.w".into(), count);
        assert!(WholeOptimiser::restore(&checkpoint, &theta).is_ok(), "{count}");
    }
    assert_eq!(
        entry(&|saved| {
            assert!(saved.memory[0].insert("memory.lengths.average.0.0".into(), f64::INFINITY).is_some());
        }),
        "memory.memory.lengths.average.0.0"
    );
    assert_eq!(entry(&|saved| saved.memory.clear()), "memory");
    assert!(matches!(refused(&|saved| saved.version = 1), Error::CheckpointVersion { found: 1, .. }));
    assert!(matches!(refused(&|saved| saved.rule_name.push('x')), Error::CheckpointRule { .. }));
    assert!(matches!(
        refused(&|saved| {
            saved.parameters.remove("w");
        }),
        Error::MissingParameter { .. }
    ));
    let rows: Result<Dense<f64>, _> = serde_json::from_str("[[1.0, 2.0], [2.0, 1.0]]");
    assert!(rows.unwrap_err().to_string().contains("not positive definite"));
}

/// ξ⟨l, l⟩, or f′ξ⟨l, l⟩, is no number where ⟨l, l⟩ is one: a damping of zero would be a step of nothing that looks like one.
#[test]
fn a_squared_length_that_overflows_with_xi_is_refused_and_leaves_no_trace() {
    fn refused<M, P, const K: usize>(rule: &Descent<M, P, Ema, K>, losses: [f64; K])
    where
        Descent<M, P, Ema, K>: Clone,
        M: BaseMetric<Parameters<f64>, State: Clone>,
        P: Preconditioner<K>,
    {
        let (good, long) = (vector(&[1e-80, 1e-80]), vector(&[1e100, -1e100]));
        let gradients = |gradient: &Parameters<f64>| core::array::from_fn(|_| gradient.clone());
        let start = vector(&[1.0, 2.0]);
        let error = leaves_no_trace(rule, &start, (&gradients(&good), losses), (&gradients(&long), losses));
        assert!(matches!(error, Error::Overflow { .. }), "{error}");
    }
    let dense = || Dense::diagonal(&[1.0, 2.0]).unwrap();
    refused(&Descent::new(dense(), Induced::new(Identity, 1e150), Ema(0.5)), [1.0]);
    refused(&Descent::new(dense(), Induced::new(Log, 1.0), Ema(0.5)), [1e-150]);
    refused(&Descent::new(dense(), Induced::new(Identity, 1e150).coupled(AlongParameters(0.1)), Ema(0.5)), [1.0]);
    refused(&Descent::new(dense(), Induced::of([Height { embedding: Identity, xi: 1e150 }; 2]), Ema(0.5)), [1.0, 1.0]);
    let learned = LearnedScalar::default();
    refused(&Descent::new(learned, Induced::new(Identity, 1e150), Ema(0.5)), [1.0]);
}

/// Of two equal gradients with ξ⟨l, l⟩ = 2·10²⁰ the ones beside it are lost to rounding, and the Gram matrix is singular.
#[test]
fn a_gram_matrix_that_rounding_made_singular_is_refused_and_leaves_no_trace() {
    let heights = [Height { embedding: Identity, xi: 1e20 }; 2];
    let rule = Descent::new(Dense::diagonal(&[1.0, 1.0]).unwrap(), Induced::of(heights), Ema(0.5));
    let good = [vector(&[1e-10, 0.0]), vector(&[0.0, 1e-10])];
    let equal = [vector(&[1.0, 1.0]), vector(&[1.0, 1.0])];
    let error = leaves_no_trace(&rule, &vector(&[1.0, 2.0]), (&good, [1.0; 2]), (&equal, [1.0; 2]));
    assert!(matches!(error, Error::Determinant { determinant_ratio, .. } if determinant_ratio == 0.0), "{error}");
}
