//! The curvature of loss surfaces, against its definitions: exact in fractions, with derivatives of the metric by dual numbers.

use ambient_metric::ambient::{Power, Sqrt};
use ambient_metric::geometry::DenseHessian;
use ambient_metric::number::{Dual, Element};
use ambient_metric::{
    BaseMetric, Covector, Curvature, Embedding, Error, Euclidean, Identity, Log, Log1p, Metric, PullBack, Real, Tensor,
    Vector,
};
use ambient_metric_conformance::{Exact, Fraction, Matrix, Reference, coefficients, fractions, positive_fractions};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{Asinh, cases};
use ndarray::array;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

type Space = Reference<Exact>;

/// A scalar that can hold an exact number: a fraction, or any derivative of one.
trait Over: Real {
    fn lift(value: Exact) -> Self;
}

impl Over for Exact {
    fn lift(value: Exact) -> Self {
        value
    }
}

impl<S: Over> Over for Dual<S> {
    fn lift(value: Exact) -> Self {
        Self::fixed(S::lift(value))
    }
}

/// A point on the surface of a cubic polynomial, over a base metric that is a matrix, and two vectors there.
#[derive(Clone, Debug)]
struct Case {
    theta: Vec<Fraction>,
    linear: Vec<Fraction>,
    /// Of xᵢxⱼ, row by row; both orders count.
    quadratic: Vec<Fraction>,
    /// Of xᵢ³ + xᵢ²xⱼ + … in products of three neighbours around a circle.
    cubic: Vec<Fraction>,
    /// γ = 1 + `base` `base`ᵀ.
    base: Vec<Fraction>,
    u: Vec<Fraction>,
    v: Vec<Fraction>,
    /// L at θ.
    loss: Fraction,
    xi: f64,
}

fn points(
    sizes: core::ops::Range<usize>,
    losses: impl Strategy<Value = Fraction> + Clone,
) -> impl Strategy<Value = Case> {
    sizes.prop_flat_map(move |len| {
        let some = move |len| {
            prop::collection::vec((-3_i64..=3, 1_i64..=2), len).prop_map(|pairs| {
                pairs
                    .into_iter()
                    .map(|(numerator, denominator)| Fraction { numerator, denominator })
                    .collect::<Vec<_>>()
            })
        };
        let polynomial = (some(len), some(len), some(len * len), some(len));
        (polynomial, some(len), some(len), some(len), losses.clone(), coefficients()).prop_map(
            |((theta, linear, quadratic, cubic), base, u, v, loss, xi)| Case {
                theta,
                linear,
                quadratic,
                cubic,
                base,
                u,
                v,
                loss,
                xi,
            },
        )
    })
}

fn exact(fractions: &[Fraction]) -> Vec<Exact> {
    fractions.iter().map(|fraction| fraction.exact()).collect()
}

fn zero() -> Exact {
    Exact::ratio(0, 1)
}

fn one() -> Exact {
    Exact::ratio(1, 1)
}

fn sum<S: Real>(terms: impl IntoIterator<Item = S>) -> S {
    terms.into_iter().fold(S::zero(), |sum, term| sum + term)
}

fn dot(x: &[Exact], y: &[Exact]) -> Exact {
    sum(x.iter().zip(y).map(|(&x, &y)| x * y))
}

fn vector(values: &[Exact]) -> Vector<Space> {
    Vector(Reference::vector(values.iter().copied()))
}

fn covector(values: &[Exact]) -> Covector<Space> {
    Covector(Reference::vector(values.iter().copied()))
}

fn values(tensor: &Space) -> Vec<Exact> {
    tensor.elements().collect()
}

/// A loss as a function of the parameters, whatever scalar they are.
trait Loss {
    fn at<S: Over>(&self, theta: &[S]) -> S;

    fn gradient<S: Over>(&self, theta: &[S]) -> Vec<S> {
        (0..theta.len())
            .map(|axis| {
                let along = theta
                    .iter()
                    .enumerate()
                    .map(|(index, &x)| if index == axis { Dual::variable(x) } else { Dual::fixed(x) });
                self.at(&along.collect::<Vec<_>>()).derivative
            })
            .collect()
    }

    /// ∂ᵢ∂ⱼL, row by row.
    fn hessian(&self, theta: &[Exact]) -> Vec<Vec<Exact>> {
        (0..theta.len())
            .map(|axis| self.gradient(&along(theta, axis)).into_iter().map(|l| l.derivative).collect())
            .collect()
    }
}

/// A point with its derivative along a coordinate.
fn along<S: Over>(theta: &[S], axis: usize) -> Vec<Dual<S>> {
    let step = |(index, &x)| if index == axis { Dual::variable(x) } else { Dual::fixed(x) };
    theta.iter().enumerate().map(step).collect()
}

/// The polynomial of a case, with a constant such that it is `case.loss` at θ.
struct Polynomial<'a> {
    case: &'a Case,
    constant: Exact,
}

impl<'a> Polynomial<'a> {
    fn new(case: &'a Case) -> Self {
        let without = Self { case, constant: zero() };
        let constant = case.loss.exact() - without.at(&exact(&case.theta));
        Self { case, constant }
    }
}

impl Loss for Polynomial<'_> {
    fn at<S: Over>(&self, x: &[S]) -> S {
        let Case { linear, quadratic, cubic, .. } = self.case;
        let len = x.len();
        let lift = |fraction: &Fraction| S::lift(fraction.exact());
        let first = sum(linear.iter().zip(x).map(|(a, &x)| lift(a) * x));
        let second = sum(quadratic.iter().enumerate().map(|(index, b)| lift(b) * x[index / len] * x[index % len]));
        let third = sum(cubic.iter().enumerate().map(|(i, c)| {
            lift(c) * x[i] * x[i] * (x[i] + x[(i + 1) % len]) + lift(c) * x[i] * x[(i + 1) % len] * x[(i + 2) % len]
        }));
        S::lift(self.constant) + first + second + third
    }
}

/// A metric written out as a matrix.
struct Written(Matrix<Exact>);

impl Metric<Space> for Written {
    fn raise(&self, covector: &Covector<Space>) -> Result<Vector<Space>, Error> {
        let solved = self.0.solve(&values(&covector.0));
        Ok(vector(&solved.ok_or_else(|| Error::Backend("the matrix is singular".into()))?))
    }

    fn lower(&self, vector: &Vector<Space>) -> Result<Covector<Space>, Error> {
        Ok(covector(&self.0.times(&values(&vector.0))))
    }

    fn log_determinant(&self) -> Result<Exact, Error> {
        Ok(self.0.determinant().ln())
    }
}

/// γ = 1 + b bᵀ, row by row.
fn base(b: &[Exact]) -> Vec<Vec<Exact>> {
    let entry = |i: usize, j: usize| b[i] * b[j] + if i == j { one() } else { zero() };
    (0..b.len()).map(|i| (0..b.len()).map(|j| entry(i, j)).collect()).collect()
}

/// g = γ + ξ f′(L)² l lᵀ at any point, as its definition says.
fn metric<S: Over>(
    loss: &impl Loss,
    embedding: &impl Embedding,
    base: &[Vec<Exact>],
    xi: Exact,
    theta: &[S],
) -> Vec<Vec<S>> {
    let slope = embedding.slope(loss.at(theta));
    let l = loss.gradient(theta);
    let entry = |i: usize, j: usize| S::lift(base[i][j]) + S::lift(xi) * slope * slope * l[i] * l[j];
    (0..l.len()).map(|i| (0..l.len()).map(|j| entry(i, j)).collect()).collect()
}

/// What the definitions of Riemannian geometry give at a point: nothing here knows a closed form.
struct Defined {
    theta: Vec<Exact>,
    g: Vec<Vec<Exact>>,
    inverse: Matrix<Exact>,
    /// ∂ₖ g_ij as `first[k][i][j]`.
    first: Vec<Vec<Vec<Exact>>>,
}

impl Defined {
    fn at(loss: &impl Loss, embedding: &impl Embedding, base: &[Vec<Exact>], xi: Exact, theta: &[Exact]) -> Self {
        let g = metric(loss, embedding, base, xi, theta);
        let first = (0..theta.len())
            .map(|k| {
                let moved = metric(loss, embedding, base, xi, &along(theta, k));
                moved.into_iter().map(|row| row.into_iter().map(|entry| entry.derivative).collect()).collect()
            })
            .collect();
        // A metric is symmetric: its rows are its columns.
        let inverse = Matrix::from_columns(&g).inverse().unwrap_or_else(|| Matrix::from_columns(&g));
        Self { theta: theta.to_vec(), g, inverse, first }
    }

    fn inner(&self, u: &[Exact], v: &[Exact]) -> Exact {
        sum(self.g.iter().zip(u).map(|(row, &u)| u * dot(row, v)))
    }

    /// Γ_m,ij = ½(∂ᵢ g_jm + ∂ⱼ g_im − ∂ₘ g_ij).
    fn lowered(&self, m: usize, i: usize, j: usize) -> Exact {
        let d = &self.first;
        (d[i][j][m] + d[j][i][m] - d[m][i][j]) / Exact::ratio(2, 1)
    }

    /// Γᵏ_ij for all k.
    fn christoffel(&self, i: usize, j: usize) -> Vec<Exact> {
        let lowered: Vec<Exact> = (0..self.theta.len()).map(|m| self.lowered(m, i, j)).collect();
        self.inverse.times(&lowered)
    }

    /// R_abcd = ½(∂_b∂_c g_ad + ∂_a∂_d g_bc − ∂_a∂_c g_bd − ∂_b∂_d g_ac) + g_mn(Γᵐ_bc Γⁿ_ad − Γᵐ_bd Γⁿ_ac).
    fn riemann(
        &self,
        loss: &impl Loss,
        embedding: &impl Embedding,
        base: &[Vec<Exact>],
        xi: Exact,
    ) -> impl Fn(usize, usize, usize, usize) -> Exact {
        let len = self.theta.len();
        let second: Vec<Vec<Vec<Vec<Exact>>>> = (0..len)
            .map(|k| {
                let axis = |m: usize| {
                    let moved = metric(loss, embedding, base, xi, &along(&along(&self.theta, k), m));
                    let entries =
                        |row: Vec<Dual<Dual<Exact>>>| row.into_iter().map(|x| x.derivative.derivative).collect();
                    moved.into_iter().map(entries).collect()
                };
                (0..len).map(axis).collect()
            })
            .collect();
        let raised: Vec<Vec<Vec<Exact>>> =
            (0..len).map(|i| (0..len).map(|j| self.christoffel(i, j)).collect()).collect();
        let lowered: Vec<Vec<Vec<Exact>>> =
            (0..len).map(|i| (0..len).map(|j| (0..len).map(|m| self.lowered(m, i, j)).collect()).collect()).collect();
        move |a, b, c, d| {
            let bends = second[b][c][a][d] + second[a][d][b][c] - second[a][c][b][d] - second[b][d][a][c];
            let turns = dot(&lowered[b][c], &raised[a][d]) - dot(&lowered[b][d], &raised[a][c]);
            bends / Exact::ratio(2, 1) + turns
        }
    }
}

/// Everything that a claim compares: the library's surface, and the definitions.
struct Point<'a> {
    loss: Polynomial<'a>,
    base: Vec<Vec<Exact>>,
    xi: Exact,
    theta: Vec<Exact>,
    defined: Defined,
}

type Surface = PullBack<Space, Written>;

/// Brings a case to a point and hands a claim the definitions, the surface, and the Hessian.
fn at_point<E: Embedding>(
    embedding: &E,
    case: &Case,
    claim: impl FnOnce(&Point<'_>, &Surface, &DenseHessian<Space>) -> TestCaseResult,
) -> TestCaseResult {
    Exact::scope(|| {
        let loss = Polynomial::new(case);
        let (theta, xi) = (exact(&case.theta), <Exact as ambient_metric::Field>::constant(case.xi));
        let base = base(&exact(&case.base));
        let defined = Defined::at(&loss, embedding, &base, xi, &theta);
        let (surface, hessian) = surface(&loss, embedding, &base, case.xi, &theta)?;
        claim(&Point { loss, base, xi, theta, defined }, &surface, &hessian)
    })
}

/// The library's surface of a loss at a point, and the Hessian there.
fn surface(
    loss: &impl Loss,
    embedding: &impl Embedding,
    base: &[Vec<Exact>],
    xi: f64,
    theta: &[Exact],
) -> Result<(Surface, DenseHessian<Space>), Error> {
    let gradient = covector(&loss.gradient(theta));
    let hessian = DenseHessian::new(&gradient.0, &loss.hessian(theta).concat())?;
    let base = Written(Matrix::from_columns(base));
    Ok((PullBack::new(base, gradient, loss.at(theta), embedding, xi)?, hessian))
}

/// The curvature of a surface with a Hessian that is a matrix.
#[allow(clippy::type_complexity, reason = "a closure has no name")]
fn bend<'a>(
    surface: &'a Surface,
    hessian: &'a DenseHessian<Space>,
) -> Result<Curvature<'a, Space, Written, impl FnMut(usize, &Vector<Space>) -> Result<Covector<Space>, Error>>, Error> {
    surface.curvature(|v: &Vector<Space>| hessian.product(v))
}

fn christoffel_symbols_are_those_of_the_definition(embedding: &impl Embedding, case: &Case) -> TestCaseResult {
    at_point(embedding, case, |point, surface, hessian| {
        let mut curvature = bend(surface, hessian)?;
        let symbols = curvature.christoffel_symbols()?;
        let (u, v) = (exact(&case.u), exact(&case.v));
        let mut contracted = vec![zero(); u.len()];
        for (i, &along_u) in u.iter().enumerate() {
            for (j, &along_v) in v.iter().enumerate() {
                for (k, &defined) in point.defined.christoffel(i, j).iter().enumerate() {
                    prop_assert_eq!(symbols.get(k, i, j), Some(defined));
                    contracted[k] = contracted[k] + defined * along_u * along_v;
                }
            }
        }
        prop_assert_eq!(curvature.christoffel(&vector(&u), &vector(&v))?, vector(&contracted));
        Ok(())
    })
}

/// ∇∇(f∘L) = ∂∂(f∘L) − Γᵏ ∂ₖ(f∘L), with ∂∂(f∘L) from dual numbers through f and L together.
fn the_induced_hessian_is_the_covariant_one(embedding: &impl Embedding, case: &Case) -> TestCaseResult {
    at_point(embedding, case, |point, surface, hessian| {
        let mut curvature = bend(surface, hessian)?;
        let v = exact(&case.v);
        let l = surface.gradient().0.elements().collect::<Vec<_>>();
        let slope = embedding.slope(point.loss.at(&point.theta));
        let mut expected = vec![zero(); v.len()];
        for (j, &along_v) in v.iter().enumerate() {
            let moved = along(&point.theta, j);
            let slope_there = embedding.slope(point.loss.at(&moved));
            let second = point.loss.gradient(&moved).into_iter().map(|l| (slope_there * l).derivative);
            for (i, second) in second.enumerate() {
                let turned = slope * dot(&point.defined.christoffel(i, j), &l);
                expected[i] = expected[i] + (second - turned) * along_v;
            }
        }
        prop_assert_eq!(curvature.induced_hessian(&vector(&v))?, covector(&expected));
        Ok(())
    })
}

fn curvatures_are_those_of_the_riemann_tensor(embedding: &impl Embedding, case: &Case) -> TestCaseResult {
    at_point(embedding, case, |point, surface, hessian| {
        let riemann = point.defined.riemann(&point.loss, embedding, &point.base, point.xi);
        let mut curvature = bend(surface, hessian)?;
        let (u, v) = (exact(&case.u), exact(&case.v));
        let len = u.len();
        let indices: Vec<[usize; 4]> =
            (0..len.pow(4)).map(|index| [0, 1, 2, 3].map(|place| index / len.pow(place) % len)).collect();
        let inner = |x: &[Exact], y: &[Exact]| point.defined.inner(x, y);

        let bent = sum(indices.iter().map(|&[a, b, c, d]| riemann(a, b, c, d) * u[a] * v[b] * u[c] * v[d]));
        let area = inner(&u, &u) * inner(&v, &v) - inner(&u, &v) * inner(&u, &v);
        match curvature.sectional_curvature(&vector(&u), &vector(&v)) {
            Ok(found) => prop_assert_eq!(found, bent / area),
            Err(Error::NoPlane | Error::NoDirection { .. }) => prop_assert_eq!(area, zero()),
            Err(error) => return Err(error.into()),
        }

        let inverse: Vec<Vec<Exact>> = (0..len)
            .map(|axis| {
                let unit: Vec<Exact> = (0..len).map(|index| if index == axis { one() } else { zero() }).collect();
                point.defined.inverse.times(&unit)
            })
            .collect();
        let scalar = sum(indices.iter().map(|&[a, b, c, d]| inverse[a][c] * inverse[b][d] * riemann(a, b, c, d)));
        prop_assert_eq!(curvature.scalar_curvature()?, scalar);
        if len == 2 {
            let determinant = Matrix::from_columns(&point.defined.g).determinant();
            prop_assert_eq!(curvature.gaussian_curvature()?, riemann(0, 1, 0, 1) / determinant);
        } else {
            let refused = matches!(curvature.gaussian_curvature(), Err(Error::Dimension { .. }));
            prop_assert!(refused);
        }
        Ok(())
    })
}

/// Along θ(t) = θ + tv − ½t²Γ(v, v) the energy g(θ̇, θ̇) does not change at t = 0, and θ̈ is −Γ: the geodesic to second order.
///
/// Along the straight line it would change by 2g(Γ(v, v), v).
fn the_geodesic_keeps_its_energy(embedding: &impl Embedding, case: &Case) -> TestCaseResult {
    at_point(embedding, case, |point, surface, hessian| {
        let mut curvature = bend(surface, hessian)?;
        let v = exact(&case.v);
        let displacement = values(&curvature.geodesic_displacement(&vector(&v))?.0);
        let energy_rate = |acceleration: &[Exact]| {
            // θ(t) = θ + tv and θ̇(t) = v + t·acceleration, to first order in t.
            let dual = |(&value, &derivative): (&Exact, &Exact)| Dual { value, derivative };
            let moved: Vec<Dual<Exact>> = point.theta.iter().zip(&v).map(dual).collect();
            let velocity: Vec<Dual<Exact>> = v.iter().zip(acceleration).map(dual).collect();
            let g = metric(&point.loss, embedding, &point.base, point.xi, &moved);
            sum(g.iter().zip(&velocity).map(|(row, &u)| u * sum(row.iter().zip(&velocity).map(|(&g, &v)| g * v))))
                .derivative
        };
        let two = Exact::ratio(2, 1);
        let acceleration: Vec<Exact> = displacement.iter().zip(&v).map(|(&x, &v)| two * (x - v)).collect();
        prop_assert_eq!(energy_rate(&acceleration), zero());
        let straight = energy_rate(&vec![zero(); v.len()]);
        prop_assert_eq!(straight, -(two * point.defined.inner(&acceleration, &v)));

        let mut theta = Reference::vector(point.theta.iter().copied());
        curvature.geodesic_step(&mut theta, &vector(&v))?;
        let expected: Vec<Exact> = point.theta.iter().zip(&displacement).map(|(&x, &step)| x + step).collect();
        prop_assert_eq!(values(&theta), expected);
        Ok(())
    })
}

/// On the surface (θ, √ξ f(L)) the geodesic accelerates along the normal alone: nothing of it is left in the tangent space (as P12 says of the
/// flow that nothing of straight descent is left out of it).
///
/// ξ is the square of `case.xi`, so that its root is a fraction.
fn p12_the_lifted_geodesic_accelerates_along_the_normal(embedding: &impl Embedding, case: &Case) -> TestCaseResult {
    let square = Case { xi: case.xi * case.xi, ..case.clone() };
    at_point(embedding, &square, |point, surface, hessian| {
        let mut curvature = bend(surface, hessian)?;
        let v = exact(&case.v);
        let bent = curvature.christoffel(&vector(&v), &vector(&v))?;
        let acceleration: Vec<Exact> = values(&bent.0).into_iter().map(|x| -x).collect();
        let root = <Exact as ambient_metric::Field>::constant(case.xi);
        let slope = embedding.slope(point.loss.at(&point.theta));
        let l = values(&surface.gradient().0);

        // The second derivative of the height f(L(θ + tv + ½t²a)) at t = 0: along v twice, and along the acceleration once.
        let moved: Vec<Dual<Exact>> =
            point.theta.iter().zip(&v).map(|(&value, &derivative)| Dual { value, derivative }).collect();
        let slope_there = embedding.slope(point.loss.at(&moved));
        let rate = sum(point.loss.gradient(&moved).into_iter().zip(&v).map(|(l, &v)| slope_there * l * Dual::fixed(v)));
        let rise = root * (rate.derivative + slope * dot(&l, &acceleration));
        for (i, row) in point.base.iter().enumerate() {
            // The tangent vector of coordinate i lifts to (eᵢ, √ξ f′ lᵢ).
            prop_assert_eq!(dot(row, &acceleration) + rise * root * slope * l[i], zero());
        }
        Ok(())
    })
}

/// θ = Aφ: vectors go over with A, covectors and forms with Aᵀ, and curvatures stay (P10).
fn p10_any_linear_coordinates_see_the_same_curvature(
    embedding: &impl Embedding,
    columns: &[Vec<Fraction>],
    case: &Case,
) -> TestCaseResult {
    /// The loss as a function of φ.
    struct Moved<'a> {
        loss: &'a Polynomial<'a>,
        a: &'a [Vec<Exact>],
    }
    impl Loss for Moved<'_> {
        fn at<S: Over>(&self, phi: &[S]) -> S {
            let theta: Vec<S> = (0..phi.len())
                .map(|row| sum(self.a.iter().zip(phi).map(|(column, &phi)| S::lift(column[row]) * phi)))
                .collect();
            self.loss.at(&theta)
        }
    }
    at_point(embedding, case, |point, surface, hessian| {
        let columns: Vec<Vec<Exact>> = columns.iter().map(|column| exact(column)).collect();
        let a = Matrix::from_columns(&columns);
        if a.determinant() == zero() {
            return Ok(());
        }
        let back = |x: &[Exact]| a.solve(x).ok_or_else(|| TestCaseError::fail("A is singular"));
        let gamma = Matrix::from_columns(&point.base);
        let pulled: Vec<Vec<Exact>> =
            columns.iter().map(|left| columns.iter().map(|right| dot(left, &gamma.times(right))).collect()).collect();
        let phi = back(&point.theta)?;
        let moved = Moved { loss: &point.loss, a: &columns };
        let (in_phi, hessian_in_phi) = self::surface(&moved, embedding, &pulled, case.xi, &phi)?;

        let (u, v) = (exact(&case.u), exact(&case.v));
        let (u_phi, v_phi) = (vector(&back(&u)?), vector(&back(&v)?));
        let (u, v) = (vector(&u), vector(&v));
        let (mut there, mut here) = (bend(surface, hessian)?, bend(&in_phi, &hessian_in_phi)?);
        let carried = |x: &Vector<Space>| a.times(&values(&x.0));
        prop_assert_eq!(carried(&here.christoffel(&u_phi, &v_phi)?), values(&there.christoffel(&u, &v)?.0));
        prop_assert_eq!(carried(&here.geodesic_displacement(&v_phi)?), values(&there.geodesic_displacement(&v)?.0));
        let lowered = values(&there.induced_hessian(&v)?.0);
        let expected: Vec<Exact> = columns.iter().map(|column| dot(column, &lowered)).collect();
        prop_assert_eq!(values(&here.induced_hessian(&v_phi)?.0), expected);
        prop_assert_eq!(here.scalar_curvature()?, there.scalar_curvature()?);
        if let (Ok(here), Ok(there)) = (here.sectional_curvature(&u_phi, &v_phi), there.sectional_curvature(&u, &v)) {
            prop_assert_eq!(here, there);
        }
        Ok(())
    })
}

fn any() -> impl Strategy<Value = Fraction> + Clone {
    fractions().boxed()
}

fn positive() -> impl Strategy<Value = Fraction> + Clone {
    positive_fractions().boxed()
}

fn squares() -> impl Strategy<Value = Fraction> + Clone {
    positive_fractions().prop_map(Fraction::squared).boxed()
}

/// Losses at which 1 + L² is a square.
fn hyperbolic() -> impl Strategy<Value = Fraction> + Clone {
    let loss = |t: Fraction| {
        let (n, d) = (t.numerator, t.denominator);
        Fraction { numerator: n * n - d * d, denominator: 2 * n * d }
    };
    positive_fractions().prop_map(loss).boxed()
}

/// A module of tests of one property: one for every embedding, at points with so many parameters.
macro_rules! for_every_embedding {
    ($property:ident, $sizes:expr, $cases:expr) => {
        for_every_embedding!(
            $property, $sizes, $cases,
            identity: Identity, any();
            log: Log, positive();
            sqrt: Sqrt, squares();
            power_two: Power(2.0), positive();
            power_three_halves: Power(1.5), squares();
            log1p: Log1p, positive();
            asinh_of_a_user: Asinh, hyperbolic();
        );
    };
    ($property:ident, $sizes:expr, $cases:expr, $($name:ident: $embedding:expr, $losses:expr;)+) => {
        mod $property {
            use super::*;
            proptest! {
                #![proptest_config(cases($cases))]
                $(
                    #[test]
                    fn $name(case in points($sizes, $losses)) {
                        super::$property(&$embedding, &case)?;
                    }
                )+
            }
        }
    };
}

for_every_embedding!(christoffel_symbols_are_those_of_the_definition, 1..5, 24);
for_every_embedding!(the_induced_hessian_is_the_covariant_one, 1..5, 24);
for_every_embedding!(curvatures_are_those_of_the_riemann_tensor, 2..4, 12);
for_every_embedding!(the_geodesic_keeps_its_energy, 1..5, 24);
for_every_embedding!(p12_the_lifted_geodesic_accelerates_along_the_normal, 1..5, 24);

fn points_in_new_coordinates(
    losses: impl Strategy<Value = Fraction> + Clone,
) -> impl Strategy<Value = (Case, Vec<Vec<Fraction>>)> {
    points(1..4, losses).prop_flat_map(|case| {
        let len = case.theta.len();
        (Just(case), prop::collection::vec(prop::collection::vec(fractions(), len), len))
    })
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn p10_identity((case, a) in points_in_new_coordinates(any())) {
        p10_any_linear_coordinates_see_the_same_curvature(&Identity, &a, &case)?;
    }
    #[test]
    fn p10_log((case, a) in points_in_new_coordinates(positive())) {
        p10_any_linear_coordinates_see_the_same_curvature(&Log, &a, &case)?;
    }
    #[test]
    fn p10_sqrt((case, a) in points_in_new_coordinates(squares())) {
        p10_any_linear_coordinates_see_the_same_curvature(&Sqrt, &a, &case)?;
    }

    /// The dome h = √(R² − |x|²), as the embedding √ of a paraboloid: every plane has the curvature 1/R², and the mean is −1/R, because the
    /// dome bends down. At points x = R t / (1 + |t|²)·2, the height is R (1 − |t|²)/(1 + |t|²), a fraction.
    #[test]
    fn a_sphere_has_the_same_curvature_everywhere(
        t in prop::collection::vec((-2_i64..=2, 3_i64..=6), 2..4),
        u in prop::collection::vec(fractions(), 3),
        v in prop::collection::vec(fractions(), 3),
        radius in positive_fractions(),
    ) {
        Exact::scope(|| {
            let t: Vec<Exact> = t.iter().map(|&(n, d)| Exact::ratio(n, 2 * d)).collect();
            let (two, radius) = (Exact::ratio(2, 1), radius.exact());
            let stretch = two * radius / (one() + dot(&t, &t));
            let theta: Vec<Exact> = t.iter().map(|&t| t * stretch).collect();
            let loss = radius * radius - dot(&theta, &theta);
            let gradient: Vec<Exact> = theta.iter().map(|&x| -(two * x)).collect();
            let units = base(&vec![zero(); t.len()]);
            let dome = PullBack::new(Written(Matrix::from_columns(&units)), covector(&gradient), loss, &Sqrt, 1.0)?;
            // H = −2.
            let product = |v: &Vector<Space>| Ok(covector(&values(&v.0).iter().map(|&v| -(two * v)).collect::<Vec<_>>()));
            let mut curvature = dome.curvature(product)?;
            let (u, v) = (vector(&exact(&u)[..t.len()]), vector(&exact(&v)[..t.len()]));
            if let Ok(sectional) = curvature.sectional_curvature(&u, &v) {
                prop_assert_eq!(sectional, one() / (radius * radius));
            }
            if let Ok(normal) = curvature.normal_curvature(&u) {
                prop_assert_eq!(normal, -(one() / radius));
            }
            prop_assert_eq!(curvature.mean_curvature()?, -(one() / radius));
            let pairs = Exact::ratio(i64::try_from(t.len() * (t.len() - 1)).unwrap_or(0), 1);
            prop_assert_eq!(curvature.scalar_curvature()?, pairs / (radius * radius));
            // A point is umbilic: the shape operator is a multiple of one.
            let expected: Vec<Exact> = values(&u.0).into_iter().map(|u| -(u / radius)).collect();
            prop_assert_eq!(curvature.shape_operator(&u)?, vector(&expected));
            Ok(())
        })?;
    }

    /// The paraboloid z = (x² + y²)/2 has K = 1/(1 + r²)²; the cone z = r, the embedding √ of r², is flat.
    #[test]
    fn paraboloids_and_cones_have_their_textbook_curvature(m in 1_i64..6, n in 1_i64..6, scale in positive_fractions()) {
        Exact::scope(|| {
            // Legs of a right triangle, so that r is a fraction.
            let [x, y] = [m * m - n * n, 2 * m * n].map(|leg| Exact::ratio(leg, 1) * scale.exact());
            let squared = x * x + y * y;
            let units = || Written(Matrix::from_columns(&base(&[zero(), zero()])));
            let two = Exact::ratio(2, 1);

            let bowl = PullBack::new(units(), covector(&[x, y]), squared / two, &Identity, 1.0)?;
            let mut curvature = bowl.curvature(|v: &Vector<Space>| Ok(Covector(v.0.clone())))?;
            let stretch = one() + squared;
            prop_assert_eq!(curvature.gaussian_curvature()?, one() / (stretch * stretch));

            let cone = PullBack::new(units(), covector(&[two * x, two * y]), squared, &Sqrt, 1.0)?;
            let twice = |v: &Vector<Space>| Ok(covector(&values(&v.0).iter().map(|&v| two * v).collect::<Vec<_>>()));
            let mut curvature = cone.curvature(twice)?;
            prop_assert_eq!(curvature.gaussian_curvature()?, zero());
            // Along a ruling the cone is straight.
            prop_assert_eq!(curvature.embedded_hessian(&vector(&[x, y]))?, covector(&[zero(), zero()]));
            Ok(())
        })?;
    }

    /// II and the shape operator against the unit normal n = (−√ξ l, 1)/√W itself: II(u, v) is the part of ∂ᵤ∂ᵥ(θ, √ξL) = (0, √ξ H(u, v)) along n,
    /// and the derivative of n along v is minus the lift of S(v).
    #[test]
    fn the_second_fundamental_form_follows_the_normal(
        case in points(2..3, any()),
        m in 1_i64..6, n in 1_i64..6, scale in positive_fractions(), t in 1_u32..6,
    ) {
        Exact::scope(|| {
            // A gradient whose length is a fraction: legs of a right triangle.
            let l = [m * m - n * n, 2 * m * n].map(|leg| Exact::ratio(leg, 1) * scale.exact());
            let length = Exact::ratio(m * m + n * n, 1) * scale.exact();
            // √ξ is a power of two, and |l| = 3/(4√ξ), so that W = 1 + (3/4)² = (5/4)².
            let root = f64::from(1_u32 << t) / 4.0;
            let stretched = Exact::ratio(3, 4) / <Exact as ambient_metric::Field>::constant(root);
            let l = l.map(|l| l / length * stretched);
            let unit = Exact::ratio(5, 4);
            let [a, b, _, d]: [Exact; 4] = [0, 1, 2, 3].map(|index| case.quadratic[index].exact());
            let hessian = [[a, b], [b, d]];
            let (u, v) = (exact(&case.u), exact(&case.v));
            let product = |v: &[Exact]| hessian.map(|row| dot(&row, v));
            let units = Written(Matrix::from_columns(&base(&[zero(), zero()])));
            let surface = PullBack::new(units, covector(&l), case.loss.exact(), &Identity, root * root)?;
            let mut curvature = surface.curvature(|v: &Vector<Space>| Ok(covector(&product(&values(&v.0)))))?;

            let root = <Exact as ambient_metric::Field>::constant(root);
            let expected = root * dot(&u, &product(&v)) / unit;
            prop_assert_eq!(curvature.second_fundamental_form(&vector(&u), &vector(&v))?, expected);

            // The normal at θ + εv, where the gradient is l + εHv.
            let moved: Vec<Dual<Exact>> =
                l.iter().zip(product(&v)).map(|(&value, derivative)| Dual { value, derivative }).collect();
            let up = Dual::lift(root);
            let stretch = (Dual::lift(one()) + up * up * sum(moved.iter().map(|&l| l * l))).sqrt();
            let shape = values(&curvature.shape_operator(&vector(&v))?.0);
            for (&l, &turned) in moved.iter().zip(&shape) {
                prop_assert_eq!((-(up * l) / stretch).derivative, -turned);
            }
            prop_assert_eq!((Dual::lift(one()) / stretch).derivative, -(root * dot(&l, &shape)));
            Ok(())
        })?;
    }
}

/// The dome h = √(R² − x² − y²) again, in `f64`: its geodesics are great circles.
fn dome(radius: f64, theta: [f64; 2]) -> Result<PullBack<Parameters<f64>, Flat>, Error> {
    let [x, y] = theta;
    let gradient = Covector(Parameters::from(array![-2.0 * x, -2.0 * y]));
    PullBack::new(Flat, gradient, radius * radius - x * x - y * y, &Sqrt, 1.0)
}

/// γ = 1, without state.
struct Flat;

impl<T: Tensor> Metric<T> for Flat {
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        Ok(Vector(covector.0.duplicate()?))
    }

    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        Ok(Covector(vector.0.duplicate()?))
    }

    fn log_determinant(&self) -> Result<ambient_metric::space::Wide<T>, Error> {
        Ok(ambient_metric::Field::zero())
    }
}

fn minus_two(v: &Vector<Parameters<f64>>) -> Result<Covector<Parameters<f64>>, Error> {
    let mut product = Covector(v.0.clone());
    product.scale(-2.0)?;
    Ok(product)
}

/// How far one geodesic step lands from the great circle, and how much the energy of the velocity v − Γ(v, v) there differs.
fn misses(radius: f64, theta: [f64; 2], velocity: [f64; 2]) -> Result<[f64; 2], Error> {
    let here = dome(radius, theta)?;
    let v = Vector(Parameters::from(array![velocity[0], velocity[1]]));
    let mut landed = Parameters::from(array![theta[0], theta[1]]);
    let mut curvature = here.curvature(minus_two)?;
    curvature.geodesic_step(&mut landed, &v)?;
    let mut arriving = v.clone();
    arriving.add_scaled(-1.0, &curvature.christoffel(&v, &v)?)?;

    let speed = here.norm(&v)?;
    let turn = speed / radius;
    let miss = landed.as_slice().iter().zip(theta).zip(velocity).map(|((&landed, theta), velocity)| {
        let there = theta * turn.cos() + velocity * turn.sin() / turn;
        (landed - there).powi(2)
    });
    let miss = miss.sum::<f64>().sqrt();
    let &[x, y] = landed.as_slice() else { return Ok([f64::NAN; 2]) };
    let there = dome(radius, [x, y])?;
    Ok([miss, (there.inner(&arriving, &arriving)? - speed * speed).abs()])
}

proptest! {
    #![proptest_config(cases(128))]

    /// The place is wrong in the third order, by ω²v/6 beside ω⁴θ/24 and ω⁴v/120, with ω = |V|/R: halving v divides it by 8 up to a share
    /// ω²|θ|/(4|v|) + ω²/20 of the fourth order, which is below 0.03 for |v| ≤ R/100 and |θ| ≤ R/2, where |V|² ≤ 4/3 |v|². The energy is
    /// wrong in the fourth: e(v) is g of the velocity off by the third order, and 16 is what is left of it.
    #[test]
    fn a_geodesic_step_is_wrong_in_the_third_order_and_its_energy_in_the_fourth(
        radius in 0.5..4.0_f64,
        place in (0.05..0.5_f64, 0.0..6.2_f64),
        going in (0.004..0.01_f64, 0.0..6.2_f64),
    ) {
        let polar = |(length, angle): (f64, f64)| [radius * length * angle.cos(), radius * length * angle.sin()];
        let (theta, velocity) = (polar(place), polar(going));
        let [whole, whole_energy] = misses(radius, theta, velocity)?;
        let [half, half_energy] = misses(radius, theta, velocity.map(|v| v / 2.0))?;
        prop_assert!((whole / half - 8.0).abs() < 0.25, "{}", whole / half);
        // Rounding of g at 1e-16 is no part of the energy's own error.
        prop_assert!(half_energy <= whole_energy / 14.0 + 1e-15, "{whole_energy} {half_energy}");
    }

    /// Angles in g by their definition, at g = γ + l lᵀ; arc cosines lose half of the digits near 0 and π, so 1e-7 it is.
    #[test]
    fn angles_are_those_of_the_inner_product(l in (-2.0..2.0_f64, -2.0..2.0_f64), u in (0.1..2.0_f64, -2.0..2.0_f64), v in (-2.0..2.0_f64, 0.1..2.0_f64)) {
        let g = PullBack::new(Flat, Covector(Parameters::from(array![l.0, l.1])), 0.0, &Identity, 1.0)?;
        let (u, v) = (Vector(Parameters::from(array![u.0, u.1])), Vector(Parameters::from(array![v.0, v.1])));
        let cosine = g.inner(&u, &v)? / (g.norm(&u)? * g.norm(&v)?);
        let angle = g.angle(&u, &v)?;
        prop_assert!((angle - cosine.clamp(-1.0, 1.0).acos()).abs() < 1e-7, "{angle}");
        let lowered = g.angle_covectors(&g.lower(&u)?, &g.lower(&v)?)?;
        prop_assert!((lowered - angle).abs() < 1e-12);
        prop_assert!((g.volume()? - g.volume_ratio()).abs() <= 1e-14 * g.volume_ratio());
    }

    /// The perturbation has the length asked for, and no other vector of that length climbs further, to a few roundings.
    #[test]
    fn the_perturbation_is_the_steepest_ascent(
        l in prop::collection::vec(-3.0..3.0_f64, 3), other in prop::collection::vec(0.1..1.0_f64, 3),
        radius in 0.01..1.0_f64, xi in 0.0..4.0_f64,
    ) {
        let gradient = Covector(Parameters::from(ndarray::Array1::from(l)));
        let g = PullBack::new(Flat, gradient.clone(), 1.5, &Log, xi)?;
        let perturbation = g.perturbation(radius)?;
        prop_assert!((g.norm(&perturbation)? - radius).abs() <= 1e-14 * radius);
        let mut other = g.direction(&Vector(Parameters::from(ndarray::Array1::from(other))))?;
        other.scale(radius)?;
        let climbed = gradient.contract(&perturbation)?;
        prop_assert!(gradient.contract(&other)?.abs() <= climbed * (1.0 + 1e-14));
    }
}

#[test]
fn small_angles_keep_their_digits() -> Result<(), Error> {
    let [u, v, w] = [[1.0, 0.0], [1.0, 1e-9], [-2.0, 0.0]].map(|[x, y]| Vector(Parameters::from(array![x, y])));
    let angle = Metric::<Parameters<f64>>::angle(&Flat, &u, &v)?;
    assert!((angle - 1e-9).abs() < 1e-24, "{angle}");
    assert!((Metric::<Parameters<f64>>::angle(&Flat, &u, &w)? - core::f64::consts::PI).abs() < 1e-15);
    Ok(())
}

/// At ξ = 0 the surface is the plane of the parameters.
#[test]
fn without_height_there_is_no_curvature() -> Result<(), Error> {
    let gradient = Covector(Parameters::from(array![1.0_f64, -2.0]));
    let hessian = DenseHessian::new(&gradient.0, &[4.0, 1.0, 1.0, 3.0])?;
    let plane = PullBack::new(Flat, gradient, 2.0, &Log, 0.0)?;
    let mut curvature = plane.curvature(|v| hessian.product(v))?;
    let [u, v] = [[1.0, 0.5], [-1.0, 2.0]].map(|[x, y]| Vector(Parameters::from(array![x, y])));
    assert!(curvature.christoffel(&u, &v)?.0.iter().all(|&x| x == 0.0));
    assert_eq!(curvature.geodesic_displacement(&v)?, v);
    assert!(
        [curvature.gaussian_curvature()?, curvature.mean_curvature()?, curvature.sectional_curvature(&u, &v)?]
            .iter()
            .all(|&x| x == 0.0)
    );
    Ok(())
}

#[test]
fn what_is_not_there_is_a_typed_error() -> Result<(), Error> {
    type Plane = Parameters<f64>;
    let [u, v, none] = [[1.0, 0.5], [2.0, 1.0], [0.0, 0.0]].map(|[x, y]| Vector(Parameters::from(array![x, y])));
    let gradient = Covector(Parameters::from(array![1.0_f64, -2.0]));
    let bowl = PullBack::new(Flat, gradient.clone(), 2.0, &Identity, 1.0)?;
    let mut curvature = bowl.curvature(|v: &Vector<Plane>| Ok(Covector(v.0.clone())))?;
    assert!(matches!(curvature.sectional_curvature(&u, &v), Err(Error::NoPlane)));
    assert!(matches!(curvature.sectional_curvature(&u, &none), Err(Error::NoDirection { .. })));
    assert!(matches!(curvature.normal_curvature(&none), Err(Error::NoDirection { .. })));
    assert!(matches!(bowl.angle(&none, &u), Err(Error::NoDirection { .. })));
    assert!(matches!(bowl.perturbation(-1.0), Err(Error::Hyperparameter { name: "radius", .. })));

    let line = PullBack::new(Flat, Covector(Parameters::from(array![1.0_f64])), 2.0, &Identity, 1.0)?;
    let found = line.curvature(|v: &Vector<Plane>| Ok(Covector(v.0.clone())))?.gaussian_curvature();
    assert!(matches!(found, Err(Error::Dimension { found: 1, .. })));
    let summit = PullBack::new(Flat, Covector(none.0.clone()), 2.0, &Identity, 1.0)?;
    assert_eq!(summit.perturbation(0.1)?, none);

    assert!(matches!(DenseHessian::new(&none.0, &[1.0; 3]), Err(Error::Shape { .. })));
    assert!(matches!(
        DenseHessian::new(&none.0, &[1.0, 2.0, 2.1, 1.0]),
        Err(Error::NotSymmetric { row: 1, column: 0, .. })
    ));
    assert!(matches!(DenseHessian::new(&none.0, &[1.0, f64::NAN, 2.0, 1.0]), Err(Error::NonFiniteHessian { .. })));
    let rounded = DenseHessian::new(&none.0, &[1.0, 2.0 + 1e-9, 2.0 - 1e-9, 1.0])?;
    assert_eq!((rounded.entry(0, 1), rounded.entry(1, 0), rounded.entry(0, 2)), (Some(2.0), Some(2.0), None));
    Ok(())
}

/// Whatever is wrong with a product or a result, the parameters keep every bit.
#[test]
fn a_geodesic_step_that_fails_writes_nothing() -> Result<(), Error> {
    type Plane = Parameters<f64>;
    let start = Parameters::from(array![0.25, -0.5]);
    let mut theta = start.clone();
    let v = Vector(Parameters::from(array![1.0, 0.5]));
    let wide = Vector(Parameters::from(array![1.0, 0.5, 2.0]));
    let gradient = Covector(Parameters::from(array![1.0_f64, -2.0]));
    let bowl = PullBack::new(Flat, gradient, 2.0, &Identity, 1.0)?;

    let not_a_number = |_: &Vector<Plane>| Ok(Covector(Parameters::from(array![1.0, f64::NAN])));
    let failed = bowl.curvature(not_a_number)?.geodesic_step(&mut theta, &v);
    assert!(matches!(failed, Err(Error::NonFiniteHessian { .. })));
    let huge = |_: &Vector<Plane>| Ok(Covector(Parameters::from(array![1.7e308, 1.7e308])));
    assert!(matches!(bowl.curvature(huge)?.geodesic_step(&mut theta, &v), Err(Error::Overflow { .. })));
    let too_wide = |_: &Vector<Plane>| Ok(Covector(Parameters::from(array![1.0, 2.0, 3.0])));
    assert!(matches!(bowl.curvature(too_wide)?.geodesic_step(&mut theta, &v), Err(Error::Shape { .. })));
    let fine = |v: &Vector<Plane>| Ok(Covector(v.0.clone()));
    assert!(matches!(bowl.curvature(fine)?.geodesic_step(&mut theta, &wide), Err(Error::Shape { .. })));
    let own = |_: &Vector<Plane>| Err(Error::Backend("out of order".into()));
    assert!(matches!(bowl.curvature(own)?.geodesic_step(&mut theta, &v), Err(Error::Backend(_))));
    assert_eq!(theta, start);
    Ok(())
}

/// In single precision every number is within a few roundings of that in double precision: the values are of size one, and each goes through
/// fewer than 40 operations on stored numbers, at 6e-8 apiece.
#[test]
fn single_precision_sees_the_same_curvature() -> Result<(), Error> {
    fn seen<E: Element<Wide = f64>>(make: impl Fn([f64; 2]) -> Parameters<E>) -> Result<Vec<f64>, Error> {
        let gradient = Covector(make([0.75, -1.25]));
        let state = Euclidean.begin(&gradient.0)?;
        let hessian = DenseHessian::new(&gradient.0, &[2.0, 0.5, 0.5, 1.0])?;
        let surface = PullBack::new(Euclidean.at(&state), gradient, 1.5, &Log1p, 0.5)?;
        let mut curvature = surface.curvature(|v| hessian.product(v))?;
        let (u, v) = (Vector(make([1.0, 0.25])), Vector(make([-0.5, 1.0])));
        let step = curvature.geodesic_displacement(&v)?.0;
        let mut seen: Vec<f64> = step.as_slice().iter().map(|x| x.to_f64()).collect();
        seen.extend([
            curvature.gaussian_curvature()?,
            curvature.mean_curvature()?,
            curvature.sectional_curvature(&u, &v)?,
            curvature.second_fundamental_form(&u, &v)?,
            surface.angle(&u, &v)?,
        ]);
        Ok(seen)
    }
    let double = seen(|x| Parameters::from(ndarray::arr1(&x)))?;
    #[allow(clippy::cast_possible_truncation, reason = "the numbers are exact in single precision")]
    let single = seen(|x| Parameters::from(ndarray::arr1(&x.map(|x| x as f32))))?;
    for (double, single) in double.iter().zip(&single) {
        assert!((double - single).abs() <= 40.0 * 6e-8, "{double} {single}");
    }
    Ok(())
}
