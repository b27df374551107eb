//! The relatives of the induced step over several steps: several losses, couplings, learned metrics and clipping, against their formulas
//! written once more as plain loops; their limits; and what they refuse.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::{AlongGradient, AlongMomentum, AlongParameters, Coupling, Given, Reciprocal};
use ambient_metric::base::{Drive, LearnedDiagonal, LearnedScalar, PointwiseMetric};
use ambient_metric::rule::{Bilinear, Clip, Clipped, Hard, Induction, Root, Soft};
use ambient_metric::space::Local;
use ambient_metric::{
    BaseMetric, Checkpoint, Configuration, Conformal, Correlated, Covector, Descent, Ema, Error, Euclidean, Field,
    Flat, Group, Height, Hyperbolic, Identity, Induced, Log, NoMomentum, RmsProp, Rule,
};
use ambient_metric_conformance::{Exact, Fraction, Matrix, Reference, fractions, positive_fractions};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{Quadratic, cases, two_tensors};
use ndarray::{Array1, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const ETA: f64 = 0.125;
const LAMBDA: f64 = 0.25;

fn number(value: f64) -> Exact {
    Field::constant(value)
}

/// A run of two losses in exact numbers: θ, then gradients and losses of every step.
type Run = (Vec<Fraction>, Vec<(Vec<[Fraction; 2]>, [Fraction; 2])>);

fn runs() -> impl Strategy<Value = Run> {
    (1..4_usize).prop_flat_map(|len| {
        let gradients = prop::collection::vec([fractions(), fractions()], len);
        let step = (gradients, [positive_fractions(), positive_fractions()]);
        (prop::collection::vec(fractions(), len), prop::collection::vec(step, 1..4))
    })
}

/// The run of an optimiser on the reference backend, in exact numbers.
fn taken<R: Rule>(rule: R, run: &Run, losses: usize) -> Result<Vec<Exact>, Error> {
    let mut theta = Reference::vector(run.0.iter().map(|x| x.exact()));
    let mut optimiser = Configuration::new(rule, ETA).weight_decay(LAMBDA).build(&theta)?;
    for (gradients, values) in &run.1 {
        let covectors: Vec<_> =
            (0..losses).map(|loss| Covector(Reference::vector(gradients.iter().map(|at| at[loss].exact())))).collect();
        let values: Vec<Exact> = values.iter().take(losses).map(|value| value.exact()).collect();
        optimiser.step_losses(&mut theta, &covectors.iter().collect::<Vec<_>>(), &values)?;
    }
    Ok(theta.elements().collect())
}

/// Sections 3 and 7 as a loop: γ = 1 + Σ l² of the total gradient, momentum for every loss, the average of the Gram matrix, and the
/// k×k system 1 + V̂ XF² solved by elimination.
fn joint(run: &Run, mu: f64, beta: f64, xi: [f64; 2]) -> Vec<Exact> {
    let (zero, one, mu, beta) = (number(0.0), number(1.0), number(mu), number(beta));
    let mut theta: Vec<Exact> = run.0.iter().map(|x| x.exact()).collect();
    let mut seen = vec![zero; theta.len()];
    let mut m = vec![[zero; 2]; theta.len()];
    let mut v = [[zero; 2]; 2];
    let (mut of_momentum, mut of_average) = (one, one);
    for (l, losses) in &run.1 {
        let l: Vec<[Exact; 2]> = l.iter().map(|l| l.map(Fraction::exact)).collect();
        (of_momentum, of_average) = (of_momentum * mu, of_average * beta);
        for (index, l) in l.iter().enumerate() {
            let total = l[0] + l[1];
            seen[index] = seen[index] + total * total;
            m[index] = [0, 1].map(|a| mu * m[index][a] + (one - mu) * l[a]);
        }
        let inverse: Vec<Exact> = seen.iter().map(|&seen| one / (one + seen)).collect();
        let inner = |a: usize, b: usize| l.iter().zip(&inverse).fold(zero, |sum, (l, &w)| sum + l[a] * w * l[b]);
        v = [0, 1].map(|a| [0, 1].map(|b| beta * v[a][b] + (one - beta) * inner(a, b)));
        // The heights are ln L and L²: f′ = 1/L and 2L.
        let slopes = [one / losses[0].exact(), number(2.0) * losses[1].exact()];
        // a = (1 + X F² V̂)⁻¹ f′, column by column.
        let column = |b: usize| {
            let entry = |a: usize| {
                let pulled = number(xi[a]) * slopes[a] * slopes[a] * v[a][b] / (one - of_average);
                if a == b { one + pulled } else { pulled }
            };
            vec![entry(0), entry(1)]
        };
        let weights = Matrix::from_columns(&[column(0), column(1)]).solve(&slopes).unwrap();
        for (index, theta) in theta.iter_mut().enumerate() {
            let followed = (weights[0] * m[index][0] + weights[1] * m[index][1]) / (one - of_momentum);
            *theta = *theta - number(ETA) * inverse[index] * followed - number(ETA * LAMBDA) * *theta;
        }
    }
    theta
}

/// Sections 3 and 6 as a loop, with γ = 1 + Σ l², f = ln and c as a coupling says.
fn coupled<C: Coupling<State<Exact> = ()>>(run: &Run, mu: f64, beta: f64, root_xi: f64, coupling: &C) -> Vec<Exact> {
    let (zero, one, mu, beta) = (number(0.0), number(1.0), number(mu), number(beta));
    let mut theta: Vec<Exact> = run.0.iter().map(|x| x.exact()).collect();
    let (mut seen, mut m) = (vec![zero; theta.len()], vec![zero; theta.len()]);
    let (mut v, mut of_momentum, mut of_average) = (zero, one, one);
    for (l, losses) in &run.1 {
        let l: Vec<Exact> = l.iter().map(|l| l[0].exact()).collect();
        (of_momentum, of_average) = (of_momentum * mu, of_average * beta);
        for (index, &l) in l.iter().enumerate() {
            seen[index] = seen[index] + l * l;
            m[index] = mu * m[index] + (one - mu) * l;
        }
        let inverse: Vec<Exact> = seen.iter().map(|&seen| one / (one + seen)).collect();
        let hat: Vec<Exact> = m.iter().map(|&m| m / (one - of_momentum)).collect();
        let c: Vec<Exact> = (0..theta.len())
            .map(|at| coupling.covector((), Local { parameter: theta[at], gradient: l[at], momentum: hat[at] }))
            .collect();
        let inner = |x: &[Exact], y: &[Exact]| (0..x.len()).fold(zero, |sum, at| sum + x[at] * inverse[at] * y[at]);
        v = beta * v + (one - beta) * inner(&l, &l);
        let length = v / (one - of_average);
        let slope = one / losses[0].exact();
        let w = number(root_xi) * slope;
        let tilt = one + w * inner(&c, &l);
        let d = tilt * tilt + w * w * length * (one - inner(&c, &c));
        for (index, theta) in theta.iter_mut().enumerate() {
            // The average is in D alone.
            let step = slope * inverse[index] * (tilt * hat[index] - w * inner(&l, &l) * c[index]) / d;
            *theta = *theta - number(ETA) * step - number(ETA * LAMBDA) * *theta;
        }
    }
    theta
}

fn is_the_coupled_loop<C: Coupling<State<Exact> = ()> + Copy>(run: &Run, coupling: C) -> TestCaseResult {
    Exact::scope(|| {
        let preconditioner = Induced::new(Log, 0.25).coupled(coupling).beta(0.5);
        match taken(Descent::new(Quadratic, preconditioner, Ema(0.75)), run, 1) {
            // c = κθ can become too long on the way.
            Err(Error::Coupling { .. }) => Ok(()),
            found => {
                prop_assert_eq!(found?, coupled(run, 0.75, 0.5, 0.5, &coupling));
                Ok(())
            }
        }
    })
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn two_losses_with_momentum_and_averages_are_the_formulas_exactly(run in runs(), quarters in [0..16_u8, 0..16_u8]) {
        let xi = quarters.map(|quarters| f64::from(quarters) / 4.0);
        Exact::scope(|| {
            let heights = (Height { embedding: Log, xi: xi[0] }, Height { embedding: ambient_metric::ambient::Power(2.0), xi: xi[1] });
            let rule = Descent::new(Quadratic, Induced::of(heights).beta(0.5), Ema(0.75));
            prop_assert_eq!(taken(rule, &run, 2)?, joint(&run, 0.75, 0.5, xi));
            Ok(())
        })?;
    }

    #[test]
    fn couplings_with_momentum_and_averages_are_the_formulas_exactly(run in runs()) {
        is_the_coupled_loop(&run, AlongGradient(0.0))?;
        is_the_coupled_loop(&run, AlongGradient(-0.25))?;
        is_the_coupled_loop(&run, AlongMomentum(0.25))?;
        is_the_coupled_loop(&run, AlongParameters(0.125))?;
    }

    /// The induced clip is the pull-back by the identity, exactly.
    #[test]
    fn the_induced_clip_is_the_pull_back(run in runs(), quarters in 0..16_u8) {
        let xi = f64::from(quarters) / 4.0;
        Exact::scope(|| {
            let clipped = Descent::new(Quadratic, Clipped::new(Induction { xi }).beta(0.5), Ema(0.75));
            let induced = Descent::new(Quadratic, Induced::new(Identity, xi).beta(0.5), Ema(0.75));
            prop_assert_eq!(taken(clipped, &run, 1)?, taken(induced, &run, 1)?);
            Ok(())
        })?;
    }
}

/// A run in doubles: gradients between −1 and 1 of every step, in two tensors.
fn steps() -> impl Strategy<Value = Vec<[Vec<f64>; 2]>> {
    (1..5_usize, 1..5_usize).prop_flat_map(|(a, b)| {
        let tensor = |len| prop::collection::vec(-1.0..1.0_f64, len);
        prop::collection::vec((tensor(a), tensor(b)).prop_map(|(a, b)| [a, b]), 1..5)
    })
}

fn space(tensors: &[Vec<f64>; 2]) -> Parameters<f64> {
    two_tensors(tensors).unwrap()
}

fn run_in_f64<R: Rule>(rule: R, steps: &[[Vec<f64>; 2]]) -> Vec<f64> {
    let mut theta = space(&steps[0].clone().map(|tensor| vec![1.0; tensor.len()]));
    let mut optimiser = Configuration::new(rule, ETA).build(&theta).unwrap();
    for gradient in steps {
        optimiser.step(&mut theta, &Covector(space(gradient)), 1.0).unwrap();
    }
    theta.iter().copied().collect()
}

/// Bounds that few steps reach, and such that most do.
fn bounds() -> impl Strategy<Value = f64> {
    prop_oneof![0.5..1.0_f64, 1e-4..0.02_f64]
}

/// What a learned metric may lose in four steps: each of at most 40 roundings in at most eight terms and twelve operations, and each
/// multiplied by at most 1 + κ s ≤ 1 + ½ · 0.1 · 8 e < 2.1 in every later step, in θ of size at most 1 + 4 η e < 3.
const LEARNED: f64 = 4.0 * 40.0 * 2.1 * 2.1 * 2.1 * 3.0 * f64::EPSILON;

/// The factor of a clip.
fn factor<C: Clip>(clip: C, floor: f64, gradient: &Covector<Parameters<f64>>) -> f64 {
    let mut theta = gradient.0.clone();
    let rule = Descent::new(Euclidean, Clipped::new(clip).floor(floor), NoMomentum);
    Configuration::new(rule, 1.0).build(&theta).unwrap().step(&mut theta, gradient, 1.0).unwrap().damping
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_learned_scalar_is_its_formula(
        steps in steps(), kappa in 0.0..0.5_f64, decay in 0.0..2.0_f64, bound in bounds(), xi in 0.0..0.1_f64,
    ) {
        for drive in [Drive::Metric, Drive::Flat] {
            let metric = LearnedScalar { kappa, decay, bound, drive };
            let found = run_in_f64(Descent::new(metric, Induced::new(Identity, xi), NoMomentum), &steps);
            let (mut theta, mut z) = (vec![1.0; found.len()], 0.0_f64);
            for gradient in &steps {
                let l: Vec<f64> = gradient.iter().flatten().copied().collect();
                let flat: f64 = l.iter().map(|l| l * l).sum();
                let s = xi * z.exp() * flat;
                for (theta, l) in theta.iter_mut().zip(&l) {
                    *theta -= ETA * z.exp() * l / (1.0 + s);
                }
                let driven = if drive == Drive::Metric { s } else { xi * flat };
                z = (z + kappa * (driven - decay * z)).clamp(-bound, bound);
            }
            for (found, expected) in found.iter().zip(&theta) {
                prop_assert!((found - expected).abs() <= LEARNED, "{} beside {}", found, expected);
            }
        }
    }

    #[test]
    fn a_learned_diagonal_is_its_formula(
        steps in steps(), kappa in 0.0..0.5_f64, decay in 0.0..2.0_f64, bound in bounds(), xi in 0.0..0.1_f64,
    ) {
        for drive in [Drive::Metric, Drive::Flat] {
            let metric = LearnedDiagonal { kappa, decay, bound, drive };
            let found = run_in_f64(Descent::new(metric, Induced::new(Identity, xi), NoMomentum), &steps);
            let mut z = steps[0].clone().map(|tensor| vec![0.0_f64; tensor.len()]);
            let mut theta = z.clone().map(|tensor| vec![1.0; tensor.len()]);
            for gradient in &steps {
                let squares = |z: &Vec<f64>, l: &Vec<f64>| z.iter().zip(l).map(|(z, l)| z.exp() * l * l).sum::<f64>();
                let s = xi * z.iter().zip(gradient).map(|(z, l)| squares(z, l)).sum::<f64>();
                for ((theta, z), l) in theta.iter_mut().zip(&mut z).zip(gradient) {
                    for ((theta, z), l) in theta.iter_mut().zip(z.iter()).zip(l) {
                        *theta -= ETA * z.exp() * l / (1.0 + s);
                    }
                    let drive = |z: f64, l: f64| xi * l * l * if drive == Drive::Metric { z.exp() } else { 1.0 };
                    let learned: Vec<f64> =
                        z.iter().zip(l).map(|(&z, &l)| z + kappa * (drive(z, l) - decay * z)).collect();
                    let mean = learned.iter().sum::<f64>() / learned.len() as f64;
                    *z = learned.iter().map(|learned| (learned - mean).clamp(-bound, bound)).collect();
                }
            }
            for (found, expected) in found.iter().zip(theta.iter().flatten()) {
                prop_assert!((found - expected).abs() <= LEARNED, "{} beside {}", found, expected);
            }
        }
    }

    /// A learned diagonal adds the sums of the tensors to that of all, where the flat metric has one sum: seven additions in another order, of
    /// which s, its average, r and the step keep 14 roundings at most, in each of four steps of size at most η e^0 and θ of size at most 2.
    #[test]
    fn metrics_that_do_not_learn_are_flat(steps in steps(), xi in 0.0..0.1_f64) {
        let flat = run_in_f64(Descent::new(Euclidean, Induced::new(Log, xi).beta(0.5), Ema(0.9)), &steps);
        for drive in [Drive::Metric, Drive::Flat] {
            let scalar = LearnedScalar { kappa: 0.0, drive, ..LearnedScalar::default() };
            let diagonal = LearnedDiagonal { kappa: 0.0, drive, ..LearnedDiagonal::default() };
            let scalar = run_in_f64(Descent::new(scalar, Induced::new(Log, xi).beta(0.5), Ema(0.9)), &steps);
            prop_assert_eq!(&flat, &scalar);
            let diagonal = run_in_f64(Descent::new(diagonal, Induced::new(Log, xi).beta(0.5), Ema(0.9)), &steps);
            for (flat, diagonal) in flat.iter().zip(&diagonal) {
                prop_assert!((flat - diagonal).abs() <= 4.0 * 14.0 * f64::EPSILON * 2.0, "{} beside {}", flat, diagonal);
            }
        }
    }

    /// The fused optimiser and the one over whole tensors learn alike, from one loss and from two; each loses what it may.
    #[test]
    fn learned_metrics_take_the_same_steps_in_both_optimisers(
        steps in steps(), kappa in 0.0..0.5_f64, decay in 0.0..2.0_f64, xi in 0.0..0.1_f64,
    ) {
        fn both<M: PointwiseMetric + Copy>(metric: M, xi: f64, steps: &[[Vec<f64>; 2]]) -> TestCaseResult {
            let near = |a: &[f64], b: &[f64]| {
                for (a, b) in a.iter().zip(b) {
                    prop_assert!((a - b).abs() <= 2.0 * LEARNED, "{} beside {}", a, b);
                }
                Ok(())
            };
            let fused = run_in_f64(Descent::new(metric, Induced::new(Identity, xi), NoMomentum), steps);
            let mut theta = space(&steps[0].clone().map(|tensor| vec![1.0; tensor.len()]));
            let rule = Descent::new(metric, Induced::new(Identity, xi), NoMomentum);
            let mut whole = Configuration::new(rule, ETA).build_whole(&theta)?;
            for gradient in steps {
                whole.step(&mut theta, &Covector(space(gradient)), 1.0)?;
            }
            near(&fused, theta.as_slice())?;

            let heights = [Height { embedding: Identity, xi }, Height { embedding: Identity, xi: xi / 2.0 }];
            let (mut one, mut other) = (theta.clone(), theta);
            let rule = Descent::new(metric, Induced::of(heights), NoMomentum);
            let mut joint = Configuration::new(rule, ETA).build(&one)?;
            let mut whole = Configuration::new(rule, ETA).build_whole(&other)?;
            for gradient in steps {
                let half = |x: &f64| x / 2.0;
                let first = Covector(space(&gradient.each_ref().map(|tensor| tensor.iter().map(half).collect())));
                let second = Covector(space(&gradient.each_ref().map(|tensor| tensor.iter().rev().map(half).collect())));
                joint.step_losses(&mut one, &[&first, &second], &[1.0, 1.0])?;
                whole.step_losses(&mut other, &[&first, &second], &[1.0, 1.0])?;
            }
            near(one.as_slice(), other.as_slice())
        }
        for drive in [Drive::Metric, Drive::Flat] {
            both(LearnedScalar { kappa, decay, bound: 1.0, drive }, xi, &steps)?;
            both(LearnedDiagonal { kappa, decay, bound: 1.0, drive }, xi, &steps)?;
        }
    }

    /// A coupling of zero adds products of zero to the same closed form: at most 12 roundings in r, of steps of size at most η e^0 in θ of size at
    /// most 2. One of several losses is the only one.
    #[test]
    fn one_of_several_losses_and_a_coupling_of_zero_are_the_induced_step(steps in steps(), xi in 0.0..10.0_f64, beta in 0.0..0.9_f64) {
        let metric = RmsProp { beta: 0.9, epsilon: 1e-3 };
        let induced = run_in_f64(Descent::new(metric, Induced::new(Identity, xi).beta(beta), Ema(0.9)), &steps);
        let joint = run_in_f64(Descent::new(metric, Induced::of([Height { embedding: Identity, xi }]).beta(beta), Ema(0.9)), &steps);
        prop_assert_eq!(&induced, &joint);
        let coupled = Induced::new(Identity, xi).coupled(AlongGradient(0.0)).beta(beta);
        let coupled = run_in_f64(Descent::new(metric, coupled, Ema(0.9)), &steps);
        for (induced, coupled) in induced.iter().zip(&coupled) {
            let bound = 4.0 * 12.0 * f64::EPSILON * 4.0;
            prop_assert!((induced - coupled).abs() <= bound, "{} beside {}", induced, coupled);
        }
    }

    /// Twelve roundings: a root, a quotient, a product, and those of the sum of at most eight squares.
    #[test]
    fn clips_are_their_formulas(l in prop::collection::vec(-10.0..10.0_f64, 1..8), c in 0.01..10.0_f64, floor in 0.0..0.5_f64) {
        let squared: f64 = l.iter().map(|l| l * l).sum();
        let norm = squared.sqrt();
        let gradient = Covector(Parameters::from(Array1::from(l.clone())));
        let expected = [
            (factor(Hard { length: c }, floor, &gradient), (c / norm).min(1.0)),
            (factor(Soft { rate: c }, floor, &gradient), 1.0 / (1.0 + c * norm)),
            (factor(Root { xi: c }, floor, &gradient), 1.0 / (1.0 + c * squared).sqrt()),
            (factor(Induction { xi: c }, floor, &gradient), 1.0 / (1.0 + c * squared)),
        ];
        for (found, unbounded) in expected {
            let expected = unbounded.max(floor);
            prop_assert!((found - expected).abs() <= 12.0 * f64::EPSILON * expected, "{} beside {}", found, expected);
        }
    }
}

fn pair(x: f64, y: f64) -> Covector<Parameters<f64>> {
    Covector(Parameters::from(array![x, y]))
}

type Two = Descent<RmsProp, Induced<[Height<Log>; 2]>, Ema, 2>;

fn two() -> Configuration<Two> {
    let two = Induced::of([Height { embedding: Log, xi: 0.1 }; 2]);
    Configuration::new(Descent::new(RmsProp::default(), two, Ema(0.9)), 0.1)
}

#[test]
fn a_rule_of_two_losses_wants_two_of_everything_and_writes_nothing_otherwise() {
    let mut theta = pair(1.0, 2.0).0;
    let mut optimiser = two().build(&theta).unwrap();
    let (a, b) = (pair(1.0, 0.5), pair(-0.5, 1.0));
    optimiser.step_losses(&mut theta, &[&a, &b], &[1.0, 2.0]).unwrap();
    let (before, state) = (theta.clone(), optimiser.state().to_vec());

    let mut refused = |gradients: &[&Covector<Parameters<f64>>], losses: &[f64]| {
        let error = optimiser.step_losses(&mut theta, gradients, losses).unwrap_err();
        assert_eq!((&before, state.as_slice(), optimiser.steps().unwrap()), (&theta, optimiser.state(), 1));
        error
    };
    assert!(matches!(refused(&[&a], &[1.0, 2.0]), Error::Losses { expected: 2, found: 1 }));
    assert!(matches!(refused(&[&a, &b], &[1.0]), Error::Losses { expected: 2, found: 1 }));
    assert!(matches!(refused(&[&a, &b], &[1.0, -2.0]), Error::LossOutsideDomain { .. }));
    assert!(matches!(refused(&[&a, &pair(f64::NAN, 0.0)], &[1.0, 2.0]), Error::NonFiniteGradient { .. }));
    let short = Covector(Parameters::from(array![1.0]));
    assert!(matches!(refused(&[&a, &short], &[1.0, 2.0]), Error::Shape { .. }));
    let error = optimiser.step(&mut theta, &a, 1.0).unwrap_err();
    assert!(matches!(error, Error::Losses { expected: 2, found: 1 }), "{error}");
    assert!(matches!(optimiser.set_xi_of(2, 0.1), Err(Error::Losses { expected: 2, found: 3 })));
    assert!(matches!(optimiser.set_xi_of(1, -0.1), Err(Error::Hyperparameter { name: "xi", .. })));
}

#[test]
fn several_losses_with_groups_resume_from_a_checkpoint_bit_for_bit() {
    let parts =
        |x: f64, y: f64| Parameters::new([("a", array![x].into_dyn()), ("b", array![y, -y].into_dyn())]).unwrap();
    let configuration = two().group(Group::new("own", ["b"]).own_metric().learning_rate(0.5));
    let (mut theta, gradients) = (parts(1.0, 2.0), [Covector(parts(0.5, -1.0)), Covector(parts(1.0, 0.25))]);
    let gradients: Vec<_> = gradients.iter().collect();
    let mut optimiser = configuration.build(&theta).unwrap();
    optimiser.step_losses(&mut theta, &gradients, &[1.0, 2.0]).unwrap();
    optimiser.set_xi_of(1, 0.7).unwrap();
    let text = serde_json::to_string(&optimiser.checkpoint().unwrap()).unwrap();
    let checkpoint: Checkpoint<Two> = serde_json::from_str(&text).unwrap();
    let (mut resumed, mut other) = (checkpoint.restore(&theta).unwrap(), theta.clone());
    for step in 0..5 {
        let losses = [1.0 / f64::from(step + 1), 2.0];
        let report = optimiser.step_losses(&mut theta, &gradients, &losses).unwrap();
        assert_eq!(report, resumed.step_losses(&mut other, &gradients, &losses).unwrap());
        assert_eq!(theta, other);
    }
}

#[test]
fn a_learned_diagonal_has_a_report_and_a_rate_per_group_and_resumes_bit_for_bit() {
    let metric = LearnedDiagonal { kappa: 0.1, ..LearnedDiagonal::default() };
    let rule = Descent::new(metric, Induced::new(Identity, 0.5), Ema(0.9));
    let parts = |x: f64| {
        let tensor = |y: f64| array![y, -2.0 * y].into_dyn();
        Parameters::new([("a", tensor(x)), ("b", tensor(2.0 * x)), ("c", tensor(3.0 * x))]).unwrap()
    };
    let (mut theta, gradient) = (parts(1.0), Covector(parts(0.5)));
    let configuration = Configuration::new(rule, 0.1).group(Group::new("ends", ["a", "c"]).learning_rate(0.2));
    let mut optimiser = configuration.build(&theta).unwrap();
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    let names: Vec<String> = optimiser.reports().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["default", "ends"]);
    optimiser.set_learning_rate("ends", 0.4).unwrap();
    let (_, report) = optimiser.reports().unwrap().into_iter().nth(1).unwrap();
    assert!((report.effective_learning_rate[0] - 0.2 * report.damping[0]).abs() < 1e-15, "of the step that was taken");
    let (mut resumed, mut other) = (optimiser.checkpoint().unwrap().restore(&theta).unwrap(), theta.clone());
    for _ in 0..5 {
        assert_eq!(
            optimiser.step(&mut theta, &gradient, 1.0).unwrap(),
            resumed.step(&mut other, &gradient, 1.0).unwrap()
        );
        assert_eq!(theta, other);
    }
}

/// Ten tensors: θ, four momenta, ρ and four gradients.
#[test]
fn four_losses_with_momentum_run_over_a_metric_with_state() {
    let mut theta = pair(1.0, 2.0).0;
    let rule =
        Descent::new(RmsProp::default(), Induced::of([Height { embedding: Log, xi: 0.1 }; 4]).beta(0.5), Ema(0.9));
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    let gradients = [pair(1.0, 0.5), pair(-0.5, 1.0), pair(0.25, -0.5), pair(2.0, 1.0)];
    let gradients: Vec<_> = gradients.iter().collect();
    for _ in 0..3 {
        assert!(optimiser.step_losses(&mut theta, &gradients, &[1.0, 2.0, 3.0, 4.0]).unwrap().determinant_ratio > 1.0);
    }
}

#[test]
fn no_loss_is_refused() {
    let none: [Height<Log>; 0] = [];
    let rule = Descent::new(Euclidean, Induced::of(none), NoMomentum);
    let refused = Configuration::new(rule, 0.1).build_whole(&pair(1.0, 1.0).0).map(|_| ());
    assert!(matches!(refused, Err(Error::Losses { expected: 1, found: 0 })), "{refused:?}");
    let refused = Configuration::new(rule, 0.1).build(&pair(1.0, 1.0).0).map(|_| ());
    assert!(matches!(refused, Err(Error::Losses { expected: 1, found: 0 })), "{refused:?}");
}

proptest! {
    /// l·δθ = −η f′⟨l, l⟩ / D ≤ 0 in every step without momentum (P9), however the average lags behind: x and y take a dozen roundings of
    /// terms that are at most 1 + |w⟨c, l⟩| ≤ 100 times the result.
    #[test]
    fn a_coupled_step_descends_whatever_the_average(
        sizes in prop::collection::vec(-3.0..3.0_f64, 2..8), beta in 0.0..0.99_f64, kappa in -0.9..0.9_f64, xi in 0.0..1.0_f64,
    ) {
        let coupled = Induced::new(Identity, xi).coupled(AlongGradient(kappa)).beta(beta).scale_back(0.01);
        let mut theta = pair(0.0, 0.0).0;
        let mut optimiser = Configuration::new(Descent::new(Euclidean, coupled, NoMomentum), 1.0).build(&theta).unwrap();
        for size in sizes {
            let (x, y) = (10_f64.powf(size), -0.5 * 10_f64.powf(size));
            theta.as_mut_slice().fill(0.0);
            optimiser.step(&mut theta, &pair(x, y), 1.0).unwrap();
            let &[along_x, along_y] = theta.as_slice() else { unreachable!() };
            let rounding = 100.0 * 12.0 * f64::EPSILON * (x * along_x).abs().max((y * along_y).abs());
            prop_assert!(x * along_x + y * along_y <= rounding, "{} {}", along_x, along_y);
        }
    }
}

/// The learning rate of the parameters in no group is that of groups without one of their own, also when a schedule changes it.
#[test]
fn a_group_without_a_learning_rate_of_its_own_follows_the_default() {
    let theta =
        Parameters::new([("a", array![1.0].into_dyn()), ("b", array![1.0].into_dyn()), ("c", array![1.0].into_dyn())]);
    let mut theta = theta.unwrap();
    let gradient = Covector(theta.clone());
    let plain = Configuration::new(Descent::new(Euclidean, Flat, NoMomentum), 0.5)
        .group(Group::new("follows", ["b"]).weight_decay(0.0))
        .group(Group::new("own", ["c"]).learning_rate(0.125));
    let mut optimiser = plain.build(&theta).unwrap();
    optimiser.set_learning_rate("default", 0.25).unwrap();
    let mut resumed = optimiser.checkpoint().unwrap().restore(&theta).unwrap();
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!(theta.as_slice(), [0.75, 0.75, 0.875]);
    resumed.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!(theta.as_slice(), [0.5, 0.5, 0.75]);
}

/// A square that is no number is found before it is kept, by the geometry as by the optimiser.
#[test]
fn a_metric_does_not_keep_what_is_no_number() {
    let metric = RmsProp::default();
    let mut state = BaseMetric::begin(&metric, &pair(0.0, 0.0).0).unwrap();
    let refused = BaseMetric::update(&metric, &mut state, &pair(1e160, 1.0));
    assert!(matches!(refused, Err(Error::Overflow { .. })), "{refused:?}");
    assert_eq!(state.slots()[0].as_slice(), [0.0, 0.0]);
}

#[test]
fn a_coupling_that_is_too_long_is_refused_or_scaled_back_and_nothing_is_written_where_it_is_refused() {
    let coupled = Induced::new(Identity, 1.0).coupled(AlongParameters(0.5));
    let rule = |guarded| Descent { preconditioner: guarded, ..Descent::new(Euclidean, coupled, Ema(0.9)) };
    let (mut theta, gradient) = (pair(3.0, 4.0).0, pair(1.0, -1.0));
    let mut optimiser = Configuration::new(rule(coupled), 0.1).build(&theta).unwrap();
    let error = optimiser.step(&mut theta, &gradient, 1.0).unwrap_err();
    assert!(matches!(error, Error::Coupling { squared_length } if squared_length.total_cmp(&6.25).is_eq()), "{error}");
    assert_eq!((theta.as_slice(), optimiser.state()[0].as_slice()), (&[3.0, 4.0][..], &[0.0, 0.0][..]));

    // ⟨c, c⟩ is cut from 6.25 to 0.75; the determinant is that of the coupling as it was used.
    let mut optimiser = Configuration::new(rule(coupled.scale_back(0.25)), 0.1).build(&theta).unwrap();
    let report = optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    let scale = (0.75_f64 / 6.25).sqrt();
    assert!((report.coupling_scale - scale).abs() <= 4.0 * f64::EPSILON);
    assert!((report.coupling - 0.75).abs() <= 8.0 * f64::EPSILON);
    let tilt = 1.0 + scale * (1.5 - 2.0);
    assert!((report.determinant_ratio - (tilt * tilt + 2.0 * 0.25)).abs() <= 16.0 * f64::EPSILON);
    for margin in [0.0, 1.0, f64::NAN] {
        let refused = Configuration::new(rule(coupled.scale_back(margin)), 0.1).build(&theta).map(|_| ());
        assert!(matches!(refused, Err(Error::Hyperparameter { name: "margin", .. })), "{refused:?}");
    }
}

#[test]
fn a_coupling_that_the_user_gives_is_kept_and_survives_bias_correction() {
    let metric = RmsProp { beta: 0.5, epsilon: 1.0 };
    let rule = Descent::new(metric, Induced::new(Identity, 1.0).coupled(Given), NoMomentum);
    let mut theta = pair(0.0, 0.0).0;
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    optimiser.write_state("ambient", &pair(0.5, 0.0).0).unwrap();
    for _ in 0..3 {
        // ρ̂ = 1 in every step, so γ = 2 and ⟨c, c⟩ = 1/8.
        let report = optimiser.step(&mut theta, &pair(1.0, 1.0), 1.0).unwrap();
        assert!((report.coupling - 0.125).abs() <= 4.0 * f64::EPSILON, "{report:?}");
    }
    assert_eq!(optimiser.state()[1].as_slice(), [0.5, 0.0]);
    let error = optimiser.write_state("coupling", &pair(0.5, 0.0).0).unwrap_err();
    assert!(matches!(error, Error::UnknownState { ref known, .. } if known.len() == 2), "{error}");
    assert!(optimiser.write_state("ambient", &pair(f64::NAN, 0.0).0).is_err());
    assert!(optimiser.write_state("ambient", &Parameters::from(array![1.0])).is_err());
    assert_eq!(optimiser.state()[1].as_slice(), [0.5, 0.0]);
}

fn refused<R: Rule>(rule: R, theta: &Parameters<f64>, name: &str) {
    let error = Configuration::new(rule, 0.1).build(theta).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Hyperparameter { name: found, .. } if found == name), "{error}");
}

#[test]
fn constants_out_of_range_are_refused() {
    let theta = pair(1.0, 1.0).0;
    let learned = LearnedScalar::default();
    let induced = |metric| Descent::new(metric, Induced::new(Identity, 0.1), NoMomentum);
    refused(induced(LearnedScalar { kappa: -1.0, ..learned }), &theta, "kappa");
    refused(induced(LearnedScalar { kappa: 2.0, ..learned }), &theta, "kappa");
    refused(induced(LearnedScalar { decay: -1.0, ..learned }), &theta, "decay");
    refused(induced(LearnedScalar { bound: 0.0, ..learned }), &theta, "bound");
    refused(induced(LearnedScalar { bound: 41.0, ..learned }), &theta, "bound");
    let diagonal = LearnedDiagonal { kappa: 2.0, ..LearnedDiagonal::default() };
    refused(Descent::new(diagonal, Induced::new(Identity, 0.1), NoMomentum), &theta, "kappa");
    refused(Descent::new(Euclidean, Clipped::new(Hard { length: 0.0 }), NoMomentum), &theta, "length");
    refused(Descent::new(Euclidean, Clipped::new(Soft { rate: -1.0 }), NoMomentum), &theta, "rate");
    refused(Descent::new(Euclidean, Clipped::new(Root { xi: -1.0 }), NoMomentum), &theta, "xi");
    refused(Descent::new(Euclidean, Clipped::new(Induction { xi: f64::NAN }), NoMomentum), &theta, "xi");
    refused(Descent::new(Euclidean, Clipped::new(Soft { rate: 1.0 }).floor(1.5), NoMomentum), &theta, "floor");
    refused(Descent::new(Euclidean, Clipped::new(Soft { rate: 1.0 }).beta(1.0), NoMomentum), &theta, "beta");
    let coupled = Induced::new(Identity, 0.1).coupled(AlongGradient(f64::INFINITY));
    refused(Descent::new(Euclidean, coupled, NoMomentum), &theta, "kappa");
    let bent = Induced::new(Identity, 0.1).ambient(Conformal(Reciprocal(f64::NAN)));
    refused(Descent::new(Euclidean, bent, NoMomentum), &theta, "kappa");
    let three = |xi| Induced::of([Height { embedding: Log, xi }; 3]);
    refused(Descent::new(Euclidean, three(-0.1), NoMomentum), &theta, "xi");
    refused(Descent::new(Euclidean, three(0.1).beta(-1.0), NoMomentum), &theta, "beta");
    refused(Descent::new(Euclidean, three(0.1), Ema(1.0)), &theta, "momentum");
    // Three heights cannot all lie at more than 120° to each other.
    for rho in [-0.5, 1.0, f64::NAN] {
        refused(Descent::new(Euclidean, three(0.1).ambient(Correlated { rho }), NoMomentum), &theta, "rho");
    }
}

/// Heights, which ξ and its schedule move, at which there is no ambient metric.
#[test]
fn heights_outside_of_the_ambient_space_are_refused_and_nothing_is_written() {
    let rule = Descent::new(Euclidean, Induced::new(Identity, 0.25).ambient(Hyperbolic), Ema(0.9));
    let (mut theta, gradient) = (pair(3.0, 4.0).0, pair(1.0, -1.0));
    let mut fused = Configuration::new(rule, 0.1).build(&theta).unwrap();
    let mut whole = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    for loss in [0.0, -2.0] {
        let heights = [0.5 * loss];
        let refused = [fused.step(&mut theta, &gradient, loss), whole.step(&mut theta, &gradient, loss)];
        for refused in refused {
            let is_named = |error: &Error| matches!(error, Error::OutsideSpace { ambient, heights: found } if ambient == "Hyperbolic" && *found == heights);
            assert!(refused.as_ref().is_err_and(is_named), "{refused:?}");
        }
    }
    fused.set_xi(0.0).unwrap();
    whole.set_xi(0.0).unwrap();
    let refused = [fused.step(&mut theta, &gradient, 1.0), whole.step(&mut theta, &gradient, 1.0)];
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::OutsideSpace { .. }))), "{refused:?}");
    assert_eq!((theta.as_slice(), fused.steps().unwrap(), whole.steps().unwrap()), (&[3.0, 4.0][..], 0, 0));
    fused.set_xi(0.25).unwrap();
    // h = 1, so it is the step of the product.
    assert_eq!(fused.step(&mut theta, &gradient, 2.0).unwrap().damping.to_bits(), (1.0_f64 / 1.5).to_bits());
}

/// D ≤ 0 of a bilinear form, and a Gram matrix that rounding has made singular: of two equal gradients with ξ⟨l, l⟩ = 2·10²⁰ the ones beside it are lost.
#[test]
fn a_determinant_that_is_not_above_zero_is_refused_and_nothing_is_written() {
    fn refused<R: Rule>(rule: R, losses: usize) -> f64 {
        let (mut theta, gradient) = (pair(1.0, -2.0).0, pair(1.0, 1.0));
        let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.5).build(&theta).unwrap();
        let error = optimiser.step_losses(&mut theta, &vec![&gradient; losses], &vec![1.0; losses]).unwrap_err();
        let Error::Determinant { determinant_ratio, .. } = error else { unreachable!("{error}") };
        assert_eq!((theta.as_slice(), optimiser.steps().unwrap()), (&[1.0, -2.0][..], 0));
        assert!(optimiser.state().iter().all(|slot| slot.as_slice() == [0.0, 0.0]));
        determinant_ratio
    }
    // D = (1 + 2w)(1 − 6w) + 2w²(1 + 6) = 1 − 4w + 2w², which is −1 for w = 1.
    let bilinear = Bilinear::new(Identity, 1.0, AlongGradient(1.0), AlongGradient(-3.0));
    assert!((refused(Descent::new(Euclidean, bilinear, Ema(0.9)), 1) + 1.0).abs() < 1e-14);
    let joint = Descent::new(Euclidean, Induced::of([Height { embedding: Identity, xi: 1e20 }; 2]), Ema(0.9));
    assert_eq!(refused(joint, 2).to_bits(), 0.0_f64.to_bits());
}
