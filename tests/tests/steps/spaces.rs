//! The geometry of surfaces in every ambient space, against the metric written out from G and its tangent vectors, and against differences of that:
//! Christoffel symbols by first differences, curvatures by second ones.

#![allow(
    clippy::unwrap_used,
    clippy::needless_range_loop,
    clippy::type_complexity,
    reason = "a panic is how a test says no, and tensors are written out by their indices"
)]

use ambient_metric::ambient::{AlongGradient, Exponential, Given, Gram, Heights, Position, Product, Reciprocal};
use ambient_metric::{
    AmbientMetric, Configuration, Conformal, Correlated, Coupled, Covector, Descent, Ema, Error, Height, Hyperbolic,
    Identity, Induced, Log, Metric, PullBack, Real, RmsProp, Vector, Warped, Weighted,
};
use ambient_metric_conformance::{Matrix, MatrixMetric, Reference};

type Space = Reference<f64>;
const N: usize = 3;

fn gamma() -> Matrix<f64> {
    Matrix::from_columns(&[vec![2.0, 0.5, 0.0], vec![0.5, 1.5, -0.25], vec![0.0, -0.25, 1.0]])
}

/// Two losses: value, gradient, Hessian.
fn loss(which: usize, x: &[f64]) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    // L = c + Σ (a_i x_i)²/2 + b x0 x1 + x2³/6
    let (c, a, b) = if which == 0 { (2.0, [1.0, 0.5, 0.75], 0.5) } else { (3.0, [0.25, 1.0, -0.5], -0.75) };
    let value = c + (0..N).map(|i| a[i] * a[i] * x[i] * x[i] / 2.0).sum::<f64>() + b * x[0] * x[1] + x[2].powi(3) / 6.0;
    let mut g: Vec<f64> = (0..N).map(|i| a[i] * a[i] * x[i]).collect();
    g[0] += b * x[1];
    g[1] += b * x[0];
    g[2] += x[2] * x[2] / 2.0;
    let mut h = vec![vec![0.0; N]; N];
    for i in 0..N {
        h[i][i] = a[i] * a[i];
    }
    h[0][1] += b;
    h[1][0] += b;
    h[2][2] += x[2];
    (value, g, h)
}

struct Case<H, A> {
    heights: H,
    ambient: A,
    state: Vec<Vec<f64>>,
}

fn at<H: Heights<K>, A: AmbientMetric<K>, const K: usize>(
    case: &Case<H, A>,
    x: &[f64],
) -> PullBack<Space, MatrixMetric<f64>, K> {
    let losses: [f64; K] = core::array::from_fn(|k| loss(k, x).0);
    let gradients: [Covector<Space>; K] = core::array::from_fn(|k| Covector(Reference::vector(loss(k, x).1)));
    let state: Vec<Space> = case.state.iter().map(|s| Reference::vector(s.clone())).collect();
    let theta = Reference::vector(x.to_vec());
    PullBack::within(MatrixMetric(gamma()), &case.heights, &case.ambient, &theta, gradients, losses, &state).unwrap()
}

fn unit(i: usize) -> Vector<Space> {
    Vector(Reference::vector((0..N).map(|j| if i == j { 1.0 } else { 0.0 })))
}

fn metric<H: Heights<K>, A: AmbientMetric<K>, const K: usize>(case: &Case<H, A>, x: &[f64]) -> Vec<Vec<f64>> {
    let g = at(case, x);
    (0..N).map(|i| g.lower(&unit(i)).unwrap().0.elements().collect()).collect()
}

/// Explicit metric from G: independent of U M Uᵀ.
fn explicit<H: Heights<K>, A: AmbientMetric<K>, const K: usize>(case: &Case<H, A>, x: &[f64]) -> Vec<Vec<f64>> {
    let losses: [f64; K] = core::array::from_fn(|k| loss(k, x).0);
    let (xi, slopes, values) = (case.heights.xi(), case.heights.slopes(losses), case.heights.values(losses));
    let heights = core::array::from_fn(|k| xi[k].sqrt() * values[k]);
    let p = Position { losses, heights };
    let memory = case.ambient.begin::<f64>();
    let a = case.ambient.scale(memory, p).unwrap_or(1.0);
    let b = case.ambient.block(memory, p).unwrap_or_else(|| Gram::diagonal([1.0; K]));
    let rise = |k: usize, i: usize| xi[k].sqrt() * slopes[k] * loss(k, x).1[i];
    let c = |k: usize, i: usize| case.state.get(k).map_or(0.0, |s| s[i]);
    (0..N)
        .map(|i| {
            (0..N)
                .map(|j| {
                    let mut sum = gamma().rows()[i][j];
                    for k in 0..K {
                        sum += c(k, i) * rise(k, j) + c(k, j) * rise(k, i);
                        for m in 0..K {
                            sum += rise(k, i) * b.entry(k, m) * rise(m, j);
                        }
                    }
                    a * sum
                })
                .collect()
        })
        .collect()
}

/// Γᵏ_ij by differences.
fn symbols<H: Heights<K>, A: AmbientMetric<K>, const K: usize>(case: &Case<H, A>, x: &[f64]) -> Vec<Vec<Vec<f64>>> {
    let step = 1e-4;
    let d: Vec<Vec<Vec<f64>>> = (0..N)
        .map(|m| {
            let moved = |s: f64| {
                let mut y = x.to_vec();
                y[m] += s;
                explicit(case, &y)
            };
            let [p2, p1, m1, m2] = [moved(2.0 * step), moved(step), moved(-step), moved(-2.0 * step)];
            (0..N)
                .map(|i| {
                    (0..N).map(|j| (8.0 * (p1[i][j] - m1[i][j]) - (p2[i][j] - m2[i][j])) / (12.0 * step)).collect()
                })
                .collect()
        })
        .collect();
    let g = Matrix::from_columns(&explicit(case, x));
    let inverse = g.inverse().unwrap();
    (0..N)
        .map(|k| {
            (0..N)
                .map(|i| {
                    (0..N)
                        .map(|j| {
                            (0..N).map(|l| inverse.rows()[k][l] * 0.5 * (d[i][l][j] + d[j][l][i] - d[l][i][j])).sum()
                        })
                        .collect()
                })
                .collect()
        })
        .collect()
}

fn check<H: Heights<K>, A: AmbientMetric<K>, const K: usize>(name: &str, case: &Case<H, A>, knows: bool) {
    let x = [0.4, -0.3, 0.5];
    let (own, expected) = (metric(case, &x), explicit(case, &x));
    for i in 0..N {
        for j in 0..N {
            assert!((own[i][j] - expected[i][j]).abs() < 1e-13, "{name}: g {i}{j}");
        }
    }
    let g = at(case, &x);
    let log_det = Matrix::from_columns(&expected).determinant().ln();
    assert!((g.log_determinant().unwrap() - log_det).abs() < 1e-12, "{name}: determinant");
    for i in 0..N {
        let back = g.lower(&g.raise(&Covector(unit(i).0)).unwrap()).unwrap();
        for (j, entry) in back.0.elements().enumerate() {
            assert!((entry - f64::from(u8::from(i == j))).abs() < 1e-12, "{name}: raise");
        }
    }
    let mut curvature = g
        .curvature_of(|k, v: &Vector<Space>| {
            let h = loss(k, &x).2;
            let v: Vec<f64> = v.0.elements().collect();
            Ok(Covector(Reference::vector((0..N).map(|i| (0..N).map(|j| h[i][j] * v[j]).sum::<f64>()))))
        })
        .unwrap();
    let expected = symbols(case, &x);
    let all = curvature.christoffel_symbols().unwrap();
    for i in 0..N {
        for j in 0..N {
            let found: Vec<f64> = curvature.christoffel(&unit(i), &unit(j)).unwrap().0.elements().collect();
            for k in 0..N {
                assert!(
                    (found[k] - expected[k][i][j]).abs() < 1e-8,
                    "{name}: Γ{k}{i}{j} {} {}",
                    found[k],
                    expected[k][i][j]
                );
                assert!((all.get(k, i, j).unwrap() - found[k]).abs() < 1e-13);
            }
        }
    }
    if !knows {
        assert!(matches!(curvature.scalar_curvature(), Err(Error::UnknownCurvature { .. })), "{name}");
        return;
    }
    // R^l_kij by differences of Γ.
    let step = 2e-3;
    let d: Vec<_> = (0..N)
        .map(|m| {
            let moved = |s: f64| {
                let mut y = x.to_vec();
                y[m] += s;
                symbols(case, &y)
            };
            let [p2, p1, m1, m2] = [moved(2.0 * step), moved(step), moved(-step), moved(-2.0 * step)];
            move |k: usize, i: usize, j: usize| {
                (8.0 * (p1[k][i][j] - m1[k][i][j]) - (p2[k][i][j] - m2[k][i][j])) / (12.0 * step)
            }
        })
        .collect();
    let gm = explicit(case, &x);
    let riemann = |l: usize, k: usize, i: usize, j: usize| -> f64 {
        // R^l_{kij} = ∂_i Γ^l_jk − ∂_j Γ^l_ik + Γ^l_im Γ^m_jk − Γ^l_jm Γ^m_ik
        d[i](l, j, k) - d[j](l, i, k)
            + (0..N).map(|m| expected[l][i][m] * expected[m][j][k] - expected[l][j][m] * expected[m][i][k]).sum::<f64>()
    };
    let lowered = |a: usize, k: usize, i: usize, j: usize| (0..N).map(|l| gm[a][l] * riemann(l, k, i, j)).sum::<f64>();
    let (u, v) = ([1.0, 0.5, -0.25], [0.25, -1.0, 0.75]);
    let mut area = [0.0; 3];
    let mut r = 0.0;
    for i in 0..N {
        for j in 0..N {
            area[0] += gm[i][j] * u[i] * u[j];
            area[1] += gm[i][j] * v[i] * v[j];
            area[2] += gm[i][j] * u[i] * v[j];
            for k in 0..N {
                for l in 0..N {
                    r += lowered(i, j, k, l) * u[i] * v[j] * u[k] * v[l];
                }
            }
        }
    }
    let sectional = r / (area[0] * area[1] - area[2] * area[2]);
    let vector = |v: [f64; N]| Vector(Reference::vector(v));
    let found = curvature.sectional_curvature(&vector(u), &vector(v)).unwrap();
    assert!((found - sectional).abs() < 2e-6 * (1.0 + sectional.abs()), "{name}: sectional {found} {sectional}");
    let inverse = Matrix::from_columns(&gm).inverse().unwrap();
    let mut scalar = 0.0;
    for i in 0..N {
        for j in 0..N {
            for k in 0..N {
                scalar += inverse.rows()[j][k] * riemann(i, j, i, k);
            }
        }
    }
    let found = curvature.scalar_curvature().unwrap();
    assert!((found - scalar).abs() < 2e-5 * (1.0 + scalar.abs()), "{name}: scalar {found} {scalar}");
}

#[derive(Clone)]
struct OfLoss;
impl AmbientMetric for OfLoss {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        Some(S::one() / (S::one() + at.losses[0] * at.losses[0]))
    }
    fn block<S: Real>(&self, (): (), at: Position<S>) -> Option<Gram<S>> {
        Some(Gram::diagonal([S::one() + at.losses[0] * at.heights[0]]))
    }
}

#[derive(Clone)]
struct Mixed;
impl AmbientMetric<2> for Mixed {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    fn scale<S: Real>(&self, (): (), at: Position<S, 2>) -> Option<S> {
        Some(S::one() + at.heights[0] * at.heights[1])
    }
    fn block<S: Real>(&self, (): (), at: Position<S, 2>) -> Option<Gram<S, 2>> {
        Some(Gram::from_entries(|r, c| {
            if r == c { S::one() + at.heights[r] } else { S::constant(0.1) * at.heights[0] * at.heights[1] }
        }))
    }
}

/// Differences of fourth order with steps of 10⁻⁴ are off by about 10⁻¹² (u/h), their differences with steps of 2·10⁻³ by about 10⁻⁹; both are asked for with
/// three digits to spare.
#[test]
fn symbols_and_curvatures_are_those_of_the_metric_written_out() {
    let one = Height { embedding: Log, xi: 0.5 };
    let two = (Height { embedding: Log, xi: 0.5 }, Height { embedding: Identity, xi: 0.25 });
    let none = Vec::new;
    check("product", &Case { heights: one, ambient: Product, state: none() }, true);
    check("weighted", &Case { heights: one, ambient: Weighted(Reciprocal(1.0)), state: none() }, true);
    check("warped", &Case { heights: one, ambient: Warped(Reciprocal(0.5)), state: none() }, true);
    check("warped exponential", &Case { heights: one, ambient: Warped(Exponential(0.7)), state: none() }, true);
    check("conformal", &Case { heights: one, ambient: Conformal(Exponential(-0.5)), state: none() }, true);
    check("hyperbolic", &Case { heights: one, ambient: Hyperbolic, state: none() }, true);
    check("of the loss", &Case { heights: one, ambient: OfLoss, state: none() }, true);
    check("given", &Case { heights: one, ambient: Coupled(Given), state: vec![vec![0.3, -0.2, 0.1]] }, true);
    check("two", &Case { heights: two, ambient: Product, state: none() }, true);
    check("correlated", &Case { heights: two, ambient: Correlated { rho: 0.5 }, state: none() }, true);
    check("weighted two", &Case { heights: two, ambient: Weighted(Exponential(0.3)), state: none() }, true);
    check(
        "given two",
        &Case { heights: two, ambient: Coupled(Given), state: vec![vec![0.3, -0.2, 0.1], vec![-0.1, 0.4, 0.2]] },
        true,
    );
    check("mixed", &Case { heights: two, ambient: Mixed, state: none() }, false);
    let theta = Reference::vector(vec![1.0; N]);
    let g = PullBack::within(
        MatrixMetric(gamma()),
        &one,
        &Coupled(AlongGradient(0.1)),
        &theta,
        [Covector(theta.clone())],
        [2.0],
        &[],
    )
    .unwrap();
    assert!(matches!(
        g.curvature_of(|_, v: &Vector<Space>| Ok(Covector(v.0.clone()))).map(|_| ()),
        Err(Error::UnknownCurvature { .. })
    ));
}

/// The paper's ambient metric, with everything written out that is there by default.
#[derive(Clone)]
struct WrittenOut;

impl AmbientMetric for WrittenOut {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; 1];

    fn scale<S: Real>(&self, (): (), _at: Position<S>) -> Option<S> {
        Some(S::one())
    }

    fn block<S: Real>(&self, (): (), _at: Position<S>) -> Option<Gram<S>> {
        Some(Gram::diagonal([S::one()]))
    }
}

/// P20: C = 0, B = 1 and a = 1 take the steps of [`Product`], bit for bit.
#[test]
fn p20_written_out_the_product_takes_the_same_steps() {
    fn steps<A: AmbientMetric>(ambient: A) -> Vec<u64> {
        let induced = Induced::new(Log, 0.3).beta(0.8).ambient(ambient);
        let mut theta = Reference::vector([3.0, -4.0, 0.5]);
        let rule = Descent::new(RmsProp::default(), induced, Ema(0.9));
        let mut optimiser = Configuration::new(rule, 0.05).build(&theta).unwrap();
        let mut bits = Vec::new();
        for _ in 0..50 {
            let (value, gradient, _) = loss(0, &theta.elements().collect::<Vec<f64>>());
            let report = optimiser.step(&mut theta, &Covector(Reference::vector(gradient)), value).unwrap();
            bits.extend(theta.elements().map(f64::to_bits));
            bits.extend([report.damping, report.averaged].map(f64::to_bits));
        }
        bits
    }
    assert_eq!(steps(WrittenOut), steps(Product));
}
