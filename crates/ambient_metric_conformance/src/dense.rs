//! The pull-back over dense base metrics of up to 64 parameters and condition numbers up to 10⁸, against two oracles: elimination in whole
//! numbers, and the inverse by LAPACK (feature `lapack`).
//!
//! # Mathematics
//!
//! γ is whole: Q diag(λ) Qᵀ with Q a product of Householder reflections and λ from 128 to 128 · 10⁸, rounded to integers. Rounding moves an
//! eigenvalue by at most N/2 ≤ 32 (the Frobenius norm of what is rounded away), so λ₋ = 128 − N/2 − 1 bounds them from below. The gradient l
//! and the weight w = ξf′² are whole too, and so is g = γ + w l lᵀ. What the library sees is γ 2ᵃ, l 2ᵇ, f′ = 2ᶜ and ξ = w 2ᵃ⁻²ᵇ⁻²ᶜ: the same
//! numbers in other units, without rounding.
//!
//! With y = g⁻¹l and d = γy: the closed form says that d is parallel to l, d = l / (1 + w⟨l, l⟩). That is checked as an equation.
//!
//! In `f64` the library's step ŷ = r̂ x̂ comes from a solution x̂ of γx = l. Its residual ρ = l − γx̂ is computed in twice the precision, and
//! in the norm of γ
//!
//! ‖x̂ − x‖ = ‖ρ‖ in γ⁻¹ ≤ δ‖x‖, δ = ‖ρ‖₂ / (√λ₋ ‖x‖).
//!
//! ⟨l, l⟩ is summed from N products: off by δ for x̂ and by (N + 1) u Σ|lᵢx̂ᵢ| for rounding; then r takes six roundings and the product one. So
//!
//! ‖ŷ − y‖ ≤ (2δ + (N + 1) u Σ|lᵢx̂ᵢ| / ⟨l, l⟩ + 8u) (1 + 2δ) ‖y‖,
//!
//! and δ itself must be what a backward stable solution allows: elimination with the largest pivot is off by growth × N²u κ, and here
//! 8 N u κ, κ = λ₊/λ₋, is asked for.

use ambient_metric::{Covector, Log, PullBack};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::elimination::{Solution, solve_integers};
use crate::matrix::{Matrix, MatrixMetric};
use crate::proof::Proof;
use crate::reference::Reference;
use crate::summation::compensated_sum;

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 64;
/// Parameters at most.
const SIZE: usize = 64;
/// The smallest eigenvalue before rounding.
const SMALLEST: f64 = 128.0;
/// Decades between the smallest and the largest eigenvalue at most.
const DECADES: f64 = 8.0;
/// Half the distance from one to the next number.
const UNIT: f64 = f64::EPSILON / 2.0;

/// A point on a loss surface over a dense base metric, in whole numbers.
#[derive(Clone, Debug)]
pub struct DensePoint {
    /// γ, symmetric positive definite.
    pub gamma: Vec<Vec<i64>>,
    /// l.
    pub gradient: Vec<i64>,
    /// w = ξf′².
    pub weight: i64,
    /// The exponents a, b and c of the units in which the library sees γ, l and f′.
    pub units: [i32; 3],
    /// Below every eigenvalue of γ.
    pub smallest: f64,
    /// Above every eigenvalue of γ.
    pub largest: f64,
}

/// Where eigenvalues lie between the smallest, 0, and the largest, 1, on a logarithmic scale.
fn spectra(size: usize) -> impl Strategy<Value = Vec<f64>> {
    let ends = |mut spectrum: Vec<f64>| {
        if let [first, .., last] = spectrum.as_mut_slice() {
            (*first, *last) = (0.0, 1.0);
        }
        spectrum
    };
    prop_oneof![
        // Spread evenly.
        3 => prop::collection::vec(0.0..1.0_f64, size).prop_map(ends),
        // Two clusters.
        1 => prop::collection::vec(prop_oneof![0.0..0.02_f64, 0.98..1.0], size).prop_map(ends),
        // One large among small ones, and one small among large ones.
        1 => prop::collection::vec(0.0..0.05_f64, size).prop_map(ends),
        1 => prop::collection::vec(0.95..1.0_f64, size).prop_map(ends),
    ]
}

/// (1 − 2vvᵀ/v·v) A (1 − 2vvᵀ/v·v) for a symmetric A.
fn reflect(rows: &mut [Vec<f64>], v: &[f64]) {
    let squared: f64 = v.iter().map(|x| x * x).sum();
    if squared == 0.0 {
        return;
    }
    let image: Vec<f64> =
        rows.iter().map(|row| 2.0 / squared * row.iter().zip(v).map(|(a, x)| a * x).sum::<f64>()).collect();
    let along = image.iter().zip(v).map(|(a, x)| a * x).sum::<f64>() / squared;
    for ((row, &p), &x) in rows.iter_mut().zip(&image).zip(v) {
        for ((entry, &q), &y) in row.iter_mut().zip(&image).zip(v) {
            *entry += 2.0 * along * x * y - p * y - x * q;
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "eigenvalues, and so entries, stay below 2⁴⁴")]
fn rounded(rows: &[Vec<f64>]) -> Vec<Vec<i64>> {
    let entry = |row: usize, column: usize| rows[row.max(column)][row.min(column)].round() as i64;
    (0..rows.len()).map(|row| (0..rows.len()).map(|column| entry(row, column)).collect()).collect()
}

/// Points over dense metrics: up to 64 parameters, condition numbers up to about 10⁸, eigenvalues spread, in two clusters, or one apart
/// from all others; ξf′²⟨l, l⟩ from zero to far above one, and units from 2⁻⁴⁰ to 2⁴⁰.
pub fn dense_points() -> impl Strategy<Value = DensePoint> {
    let number = prop_oneof![6 => -1.0..1.0_f64, 1 => Just(0.0)];
    (1..=SIZE).prop_flat_map(move |size| {
        (
            spectra(size),
            0.0..=DECADES,
            prop::collection::vec(prop::collection::vec(number.clone(), size), 1..4),
            prop::collection::vec(prop_oneof![7 => -1000_i64..=1000, 1 => Just(0)], size),
            prop_oneof![Just(0), 0_i64..10, (0_u32..24).prop_map(|power| 1 << power)],
            [-40..=40, -40..=40, -20..=20_i32],
        )
            .prop_map(|(spectrum, decades, reflections, gradient, weight, units)| {
                let eigenvalues: Vec<f64> = spectrum.iter().map(|x| SMALLEST * 10.0_f64.powf(decades * x)).collect();
                let mut rows = Matrix::diagonal(&eigenvalues).rows().to_vec();
                for v in &reflections {
                    reflect(&mut rows, v);
                }
                let moved = spectrum.len() as f64 / 2.0 + 1.0;
                let largest = eigenvalues.iter().copied().fold(0.0, f64::max) + moved;
                DensePoint { gamma: rounded(&rows), gradient, weight, units, smallest: SMALLEST - moved, largest }
            })
    })
}

/// As floats: entries stay below 2⁵³.
fn floats(values: &[i64]) -> Vec<f64> {
    values.iter().map(|&value| value as f64).collect()
}

/// xᵀy in twice the precision of `f64`.
fn product(x: &[f64], y: &[f64]) -> f64 {
    compensated_sum(x.iter().zip(y).flat_map(|(&a, &b)| {
        let product = a * b;
        [product, a.mul_add(b, -product)]
    }))
}

/// right − A x, every component in twice the precision of `f64`.
fn residual(rows: &[Vec<f64>], x: &[f64], right: &[f64]) -> Vec<f64> {
    let minus: Vec<f64> = x.iter().map(|x| -x).chain([1.0]).collect();
    let line =
        |(row, &right): (&Vec<f64>, &f64)| product(&row.iter().copied().chain([right]).collect::<Vec<_>>(), &minus);
    rows.iter().zip(right).map(line).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

impl DensePoint {
    fn g(&self) -> Vec<Vec<i64>> {
        let row = |(row, &x): (&Vec<i64>, &i64)| {
            row.iter().zip(&self.gradient).map(|(entry, &y)| entry + self.weight * x * y).collect()
        };
        self.gamma.iter().zip(&self.gradient).map(row).collect()
    }

    /// g⁻¹l as the library computes it, brought back from its units.
    fn step(&self) -> Result<Vec<f64>, TestCaseError> {
        let [a, b, c] = self.units;
        let two = |power: i32| 2.0_f64.powi(power);
        let scaled =
            |values: &[i64], power: i32| floats(values).into_iter().map(|x| x * two(power)).collect::<Vec<_>>();
        let gamma = Matrix::from_columns(&self.gamma.iter().map(|row| scaled(row, a)).collect::<Vec<_>>());
        let gradient = Covector(Reference::vector(scaled(&self.gradient, b)));
        let xi = self.weight as f64 * two(a - 2 * b - 2 * c);
        // f = ln has the slope 2ᶜ at the loss 2⁻ᶜ, and g⁻¹∂f = f′ g⁻¹l is in units of 2ᵇ⁺ᶜ⁻ᵃ.
        let surface = PullBack::new(MatrixMetric(gamma), gradient, two(-c), &Log, xi)?;
        Ok(surface.step()?.0.elements().map(|x| x * two(a - b - c)).collect())
    }

    /// What the step in `f64` may be off by in the norm of γ, relative to ‖y‖.
    fn allowed(&self) -> Result<f64, TestCaseError> {
        let gamma: Vec<Vec<f64>> = self.gamma.iter().map(|row| floats(row)).collect();
        let l = floats(&self.gradient);
        // The very solution from which the library starts: a power of two changes no rounding.
        let Some(x) = Matrix::from_columns(&gamma).solve(&l) else {
            return Err(TestCaseError::fail("γ is singular"));
        };
        let size = self.gradient.len() as f64;
        let length = product(&l, &x);
        if length == 0.0 {
            return Ok(0.0);
        }
        let delta = norm(&residual(&gamma, &x, &l)) / (self.smallest * length).sqrt();
        let stable = 8.0 * size * UNIT * self.largest / self.smallest;
        prop_assert!(delta <= stable, "the solution is off by {} where {} is allowed", delta, stable);
        let terms: f64 = l.iter().zip(&x).map(|(l, x)| (l * x).abs()).sum();
        Ok((2.0 * delta + (size + 1.0) * UNIT * terms / length + 8.0 * UNIT) * (1.0 + 2.0 * delta))
    }

    /// ‖x‖ in γ.
    fn length(&self, x: &[f64]) -> f64 {
        let image: Vec<f64> = self.gamma.iter().map(|row| product(&floats(row), x)).collect();
        product(x, &image).sqrt()
    }
}

fn whole(values: &[i64], x: &[BigInt]) -> BigInt {
    values.iter().zip(x).map(|(&value, x)| x * value).sum()
}

/// The closed form is the solution by elimination: exactly in whole numbers, and up to the derived rounding as the library computes it.
pub fn p2_the_closed_form_is_what_elimination_finds() -> Proof {
    Proof::of(CASES, &dense_points(), |point| {
        let Some(Solution { numerators, determinant }) = solve_integers(&point.g(), &point.gradient) else {
            return Err(TestCaseError::fail("g is not positive definite"));
        };
        // With y = numerators / determinant: γy (1 + w⟨l, l⟩) = l, where ⟨l, l⟩ = l·y / (1 − w l·y).
        let along = whole(&point.gradient, &numerators);
        let shrunk = &determinant - &along * point.weight;
        for (row, &l) in point.gamma.iter().zip(&point.gradient) {
            // 1 / (1 + w⟨l, l⟩) = 1 − w l·y.
            prop_assert_eq!(whole(row, &numerators), &shrunk * l);
        }
        let step = point.step()?;
        if along.is_zero() {
            prop_assert!(step.iter().all(|&x| x == 0.0));
            return Ok(0.0);
        }
        let off = |(found, exact): (&f64, &BigInt)| {
            let found = BigRational::from_float(*found)?;
            BigRational::new_raw(found.numer() * &determinant - exact * found.denom(), found.denom() * &determinant)
                .to_f64()
        };
        let Some(difference) = step.iter().zip(&numerators).map(off).collect::<Option<Vec<_>>>() else {
            return Err(TestCaseError::fail("the step is not finite"));
        };
        // ‖y‖² = (l·y) / (1 + w⟨l, l⟩).
        let squared = BigRational::new_raw(along * shrunk, &determinant * &determinant).to_f64();
        let allowed = point.allowed()? * squared.unwrap_or(f64::NAN).sqrt();
        let ratio = point.length(&difference) / allowed;
        prop_assert!(ratio <= 1.0, "off by {} times what is allowed", ratio);
        Ok(ratio)
    })
}

/// The closed form is the explicit inverse of g by LAPACK, applied to the gradient.
///
/// # Mathematics
///
/// The inverse is off by what its residual says: ‖ŷ − y‖ in γ is at most ‖l − gŷ‖₂ / √λ₋, and the residual itself at most
/// 8 N u κ(g) ‖l‖₂, which an inverse by Cholesky's factor allows.
#[cfg(feature = "lapack")]
pub fn p2_the_closed_form_is_the_inverse_of_lapack() -> Proof {
    Proof::of(CASES, &dense_points(), |point| {
        let g: Vec<Vec<f64>> = point.g().iter().map(|row| floats(row)).collect();
        let l = floats(&point.gradient);
        let Some(inverse) = crate::lapack::inverse(&Matrix::from_columns(&g)) else {
            return Err(TestCaseError::fail("LAPACK finds that g is not positive definite"));
        };
        let by_lapack = inverse.times(&l);
        let step = point.step()?;
        if norm(&l) == 0.0 {
            prop_assert!(step.iter().chain(&by_lapack).all(|&x| x == 0.0));
            return Ok(0.0);
        }
        let left = norm(&residual(&g, &by_lapack, &l));
        let size = point.gradient.len() as f64;
        let largest = point.largest + point.weight as f64 * norm(&l).powi(2);
        let stable = 8.0 * size * UNIT * largest / point.smallest * norm(&l);
        prop_assert!(left <= stable, "LAPACK leaves {} where {} is allowed", left, stable);
        let difference: Vec<f64> = step.iter().zip(&by_lapack).map(|(a, b)| a - b).collect();
        let allowed = point.allowed()? * point.length(&step) * (1.0 + 1e-3) + left / point.smallest.sqrt();
        let ratio = point.length(&difference) / allowed;
        prop_assert!(ratio <= 1.0, "off by {} times what is allowed", ratio);
        Ok(ratio)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        /// The eigenvalues lie where the strategy says: γ − λ₋ and λ₊ − γ are positive definite.
        #[test]
        #[allow(clippy::cast_possible_truncation, reason = "the bounds are below 2⁵³")]
        fn spectra_lie_within_their_bounds(point in dense_points()) {
            let shifted = |sign: i64, bound: f64| -> Vec<Vec<i64>> {
                let entry = |row: usize, column: usize| {
                    sign * (point.gamma[row][column] - i64::from(row == column) * bound as i64)
                };
                (0..point.gamma.len()).map(|row| (0..point.gamma.len()).map(|column| entry(row, column)).collect()).collect()
            };
            prop_assert!(solve_integers(&shifted(1, point.smallest.floor()), &point.gradient).is_some());
            prop_assert!(solve_integers(&shifted(-1, point.largest.ceil()), &point.gradient).is_some());
        }
    }
}
