//! The one solve: steps, dampings and determinants of every surface, from inner products alone.

use crate::ambient::coupling::Guard;
use crate::ambient::gram::Gram;
use crate::number::bundle::{Bundle, nested_names};
use crate::number::scalar::{Field, Real};

/// The inner products of the columns of C, in γ⁻¹.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CouplingProducts<S, const K: usize = 1> {
    /// ⟨l_A, c_B⟩, by rows.
    pub along: [[S; K]; K],
    /// ⟨c_A, c_B⟩.
    pub between: Gram<S, K>,
}

impl<S: Field, const K: usize> Bundle<S> for CouplingProducts<S, K> {
    const LEN: usize = <([[S; K]; K], Gram<S, K>) as Bundle<S>>::LEN;

    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        let (along, between) = Bundle::build(next);
        Self { along, between }
    }

    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        (self.along, self.between).get(slot)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self { along: self.along.plus(other.along), between: self.between.plus(other.between) }
    }

    #[inline(always)]
    fn times(self, factor: S) -> Self {
        Self { along: self.along.times(factor), between: self.between.times(factor) }
    }

    #[inline(always)]
    fn over(self, divisor: S) -> Self {
        Self { along: self.along.over(divisor), between: self.between.over(divisor) }
    }

    #[inline(always)]
    fn flushed(self) -> Self {
        Self { along: Bundle::<S>::flushed(self.along), between: Bundle::<S>::flushed(self.between) }
    }

    fn names() -> Vec<String> {
        [nested_names::<S, [[S; K]; K]>("along"), nested_names::<S, Gram<S, K>>("between")].concat()
    }
}

/// What a surface is made of at a point, beside inner products.
#[derive(Clone, Copy, Debug)]
pub struct Surface<S, const K: usize> {
    /// f′_A.
    pub slopes: [S; K],
    /// ξ_A.
    pub xi: [S; K],
    /// √ξ_A.
    pub root_xi: [S; K],
    /// p_A, where they are not the slopes.
    pub descended: Option<[S; K]>,
    /// a, where it is not one.
    pub scale: Option<S>,
    /// B, where it is not the unit matrix.
    pub block: Option<Gram<S, K>>,
    /// The products of C, where it is not zero.
    pub coupling: Option<CouplingProducts<S, K>>,
}

/// The inner products ⟨l_A, l_B⟩ of a step.
#[derive(Clone, Copy, Debug)]
pub struct Lengths<S, const K: usize> {
    /// As they are.
    pub present: Gram<S, K>,
    /// Their corrected moving average; for one loss that of ξ⟨l, l⟩.
    pub averaged: Gram<S, K>,
}

/// The step vector as weights: Σ_A (gradients_A l_A♯ + columns_A c_A♯).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights<S, const K: usize> {
    pub gradients: [S; K],
    pub columns: [S; K],
    /// det(1 + MΓ), with the average in the place of ⟨l_A, l_B⟩.
    pub determinant_ratio: S,
}

/// Numbers for 2K covectors, of the gradients and then of the columns.
type Both<S, const K: usize> = [[S; K]; 2];

impl<S: Real, const K: usize> Surface<S, K> {
    /// p_A / f′_A.
    #[inline(always)]
    fn drives(&self) -> [S; K] {
        match self.descended {
            None => [S::one(); K],
            Some(descended) => zipped(descended, self.slopes, |p, slope| p / slope),
        }
    }

    /// A weight, divided by a.
    #[inline(always)]
    pub(crate) fn scaled(&self, weight: S) -> S {
        match self.scale {
            None => weight,
            Some(scale) => weight / scale,
        }
    }

    /// f′_A or p_A.
    pub(crate) fn descended(&self) -> [S; K] {
        self.descended.unwrap_or(self.slopes)
    }

    /// g⁻¹ Σ p_A l_A.
    #[inline(always)]
    pub(crate) fn step(&self, lengths: &Lengths<S, K>) -> Weights<S, K> {
        let weights = match &self.coupling {
            None => self.uncoupled(&lengths.averaged),
            Some(coupling) if K == 1 => self.coupled(coupling, lengths),
            Some(_) => {
                let ([gradients, columns], present, averaged) =
                    self.solved(lengths, [self.descended(), [S::zero(); K]]);
                let late = present / averaged;
                let [gradients, columns] = [gradients, columns].map(|weights| weights.map(|weight| late * weight));
                Weights { gradients, columns, determinant_ratio: averaged }
            }
        };
        let Weights { mut gradients, mut columns, determinant_ratio } = weights;
        if self.scale.is_some() {
            for weight in gradients.iter_mut().chain(&mut columns) {
                *weight = self.scaled(*weight);
            }
        }
        Weights { gradients, columns, determinant_ratio }
    }

    /// The weights of l_A♯ and c_A♯ in what g⁻¹ takes from m♯ for a covector m of which the products ⟨l_A, m⟩ and ⟨c_A, m⟩ are given, a left out, and
    /// the ratio of determinants by which an average lessens the step.
    pub(crate) fn taken(&self, lengths: &Lengths<S, K>, [gradients, columns]: Both<S, K>) -> (Both<S, K>, S) {
        let weights = self.weights();
        let right = [zipped(weights, columns, |weight, along| weight * along), gradients.map(|along| -along)];
        let (taken, present, averaged) = self.solved(lengths, right);
        (taken, present / averaged)
    }

    /// M Uᵀv from Uᵀv: (WBW l·v + W c·v, W l·v).
    pub(crate) fn risen(&self, [gradients, columns]: Both<S, K>) -> Both<S, K> {
        let weights = self.weights();
        // √ξ enters beside columns alone.
        let mut risen = match self.coupling {
            Some(_) => zipped(weights, columns, |weight, along| weight * along),
            None => [S::zero(); K],
        };
        for row in 0..K {
            for column in 0..K {
                let weight = if row == column {
                    self.xi[row] * self.slopes[row] * self.slopes[row]
                } else {
                    weights[row] * weights[column]
                };
                risen[row] = match &self.block {
                    Some(block) => risen[row] + block.0[row][column] * weight * gradients[column],
                    None if row == column => risen[row] + weight * gradients[column],
                    None => risen[row],
                };
            }
        }
        [risen, zipped(weights, gradients, |weight, along| weight * along)]
    }

    /// w_A = √ξ_A f′_A.
    #[inline(always)]
    pub(crate) fn weights(&self) -> [S; K] {
        zipped(self.root_xi, self.slopes, |root, slope| root * slope)
    }

    #[inline(always)]
    pub(crate) fn block(&self) -> Gram<S, K> {
        self.block.unwrap_or_else(|| Gram::diagonal([S::one(); K]))
    }

    /// C = 0: (1 + WBWV)x = p. With the decomposition L D Lᵀ of √Ξ B √Ξ and x = f′ L y / f′ that is a symmetric positive definite system for y up to
    /// the scale of its rows, so that its elimination needs no exchanges, and B = 1 or ξ = 0 need no case of their own.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is solved by its indices")]
    fn uncoupled(&self, averaged: &Gram<S, K>) -> Weights<S, K> {
        // For one loss ξ is in the average.
        let xi = if K == 1 { [S::one(); K] } else { self.xi };
        let (slopes, drives, columns) = (self.slopes, self.drives(), [S::zero(); K]);
        let Some(block) = &self.block else {
            let (gradients, determinant_ratio) = eliminate(slopes, xi, averaged, drives);
            return Weights { gradients, columns, determinant_ratio };
        };
        let factors = Factors::of(&Gram::from_entries(|row, column| {
            if row == column {
                xi[row] * block.0[row][row]
            } else {
                self.root_xi[row] * self.root_xi[column] * block.0[row][column]
            }
        }));
        // Lᵀ V L, with the rows of L in the scale of the slopes.
        let lower = |row: usize, column: usize| {
            if row == column { S::one() } else { factors.lower[row][column] * slopes[row] / slopes[column] }
        };
        let turned = Gram::from_entries(|row, column| {
            let mut sum = S::zero();
            for i in row..K {
                for j in column..K {
                    sum = sum + lower(i, row) * averaged.0[i][j] * lower(j, column);
                }
            }
            sum
        });
        let mut drives = drives;
        for row in 0..K {
            for column in 0..row {
                drives[row] = drives[row] - factors.lower[row][column] * drives[column];
            }
        }
        let (turned, determinant_ratio) = eliminate(slopes, factors.pivots, &turned, drives);
        let mut gradients = turned;
        for row in 0..K {
            for column in 0..row {
                gradients[row] = gradients[row] + lower(row, column) * turned[column];
            }
        }
        Weights { gradients, columns, determinant_ratio }
    }

    /// K = 1: nothing is divided by that could leave the range where f′² does, and the average enters D alone.
    #[inline(always)]
    fn coupled(&self, coupling: &CouplingProducts<S, K>, lengths: &Lengths<S, K>) -> Weights<S, K> {
        let mut weights = Weights { gradients: self.drives(), columns: [S::zero(); K], determinant_ratio: S::one() };
        for loss in 0..K {
            let (along, between) = (coupling.along[loss][loss], coupling.between.0[loss][loss]);
            let free = self.block().0[loss][loss] - between;
            let products = Oblique { length: lengths.present.0[loss][loss], left: along, right: along, free };
            let [gradient, column, ratio] =
                oblique_step(self.slopes[loss], self.root_xi[loss], lengths.averaged.0[loss][loss], products);
            weights.columns[loss] = weights.gradients[loss] * column;
            weights.gradients[loss] = weights.gradients[loss] * gradient;
            weights.determinant_ratio = ratio;
        }
        weights
    }

    /// The solution z of (1 + MΓ)z = Mk or (p, 0), and det(1 + MΓ) without and with the average.
    ///
    /// With T = 1 + QW and S = B − R that is the system [[Tᵀ, WSW], [−P, T]](z, u) = (Wk_c, −k_l) or (p, 0), of which −Wu is the part of the columns:
    /// nothing in it is divided by. The average enters as the ratio of the determinants alone, a positive factor, so that the step descends.
    fn solved(&self, lengths: &Lengths<S, K>, right: Both<S, K>) -> (Both<S, K>, S, S) {
        let (weights, block) = (self.weights(), self.block());
        let coupling = self.coupling.unwrap_or_else(|| CouplingProducts {
            along: [[S::zero(); K]; K],
            between: Gram::from_entries(|_, _| S::zero()),
        });
        let system = |lengths: &dyn Fn(usize, usize) -> S| {
            let mut system = [[[[S::zero(); K]; K]; 2]; 2];
            for row in 0..K {
                for column in 0..K {
                    let unit = if row == column { S::one() } else { S::zero() };
                    system[0][0][row][column] = unit + coupling.along[column][row] * weights[row];
                    let free = block.0[row][column] - coupling.between.0[row][column];
                    system[0][1][row][column] = weights[row] * free * weights[column];
                    system[1][0][row][column] = -lengths(row, column);
                    system[1][1][row][column] = unit + coupling.along[row][column] * weights[column];
                }
            }
            system
        };
        // For one loss ξ is in the average, and not in the products.
        let average = |row: usize, column: usize| {
            let average = lengths.averaged.0[row][column];
            if K > 1 {
                return average;
            }
            let is_flat = self.xi[row].equal(S::zero());
            S::select(is_flat, lengths.present.0[row][column], average / S::select(is_flat, S::one(), self.xi[row]))
        };
        let ([gradients, unknown], present) = exchange(system(&|row, column| lengths.present.0[row][column]), right);
        let (_, averaged) = exchange(system(&average), right);
        ([gradients, zipped(unknown, weights, |unknown, weight| -(weight * unknown))], present, averaged)
    }

    /// A number below one exactly where a > 0 and B − Cᵀγ⁻¹C is positive definite: ⟨c, c⟩/b for one loss, else the largest part of a pivot of B that R
    /// takes.
    #[inline(always)]
    pub(crate) fn tilt(&self) -> S {
        match self.scale {
            None => self.tilt_of_block(),
            Some(scale) => self.tilt_of_block().maximum(S::one() - scale / scale.abs()),
        }
    }

    #[inline(always)]
    fn tilt_of_block(&self) -> S {
        let (Some(coupling), block) = (&self.coupling, self.block()) else {
            return match &self.block {
                // A pivot that is not above zero has the tilt two, or none at all.
                Some(block) => largest(Factors::of(block).pivots.map(|pivot| S::one() - pivot / pivot.abs())),
                None => S::zero(),
            };
        };
        if K == 1 {
            let between = coupling.between.0[0][0];
            return self.block.map_or(between, |block| between / block.0[0][0]);
        }
        let free = Gram::from_entries(|row, column| block.0[row][column] - coupling.between.0[row][column]);
        let (free, whole) = (Factors::of(&free).pivots, Factors::of(&block).pivots);
        largest(zipped(free, whole, |free, whole| S::one() - free / whole))
    }

    /// Q = n G⁻¹ nᵀ of the normals n_A = dh_A − w_A l_A, from ⟨l_A, l_B⟩: a⁻¹ (W P W + T S⁻¹ Tᵀ) with T = 1 + WQ.
    pub(crate) fn normals(&self, gram: &Gram<S, K>) -> Gram<S, K> {
        let (weights, block) = (self.weights(), self.block());
        let between =
            |row: usize, column: usize| self.coupling.map_or_else(S::zero, |coupling| coupling.between.0[row][column]);
        let free = Factors::of(&Gram::from_entries(|row, column| block.0[row][column] - between(row, column)));
        let tilted = |height: usize| -> [S; K] {
            core::array::from_fn(|column| {
                let unit = if column == height { S::one() } else { S::zero() };
                self.coupling.map_or(unit, |coupling| unit + weights[height] * coupling.along[height][column])
            })
        };
        Gram::from_entries(|row, column| {
            let weight = if row == column {
                self.xi[row] * self.slopes[row] * self.slopes[row]
            } else {
                weights[row] * weights[column]
            };
            let (of_row, of_column) = (tilted(row), free.solve(tilted(column)));
            let tilted = (0..K).fold(S::zero(), |sum, height| sum + of_row[height] * of_column[height]);
            self.scaled(weight * gram.0[row][column] + tilted)
        })
    }

    /// tr(B⁻¹Cᵀγ⁻¹C), which is not below the largest eigenvalue, and is it for one loss.
    fn excess(&self, coupling: &CouplingProducts<S, K>) -> S {
        let factors = self.block.as_ref().map(Factors::of);
        if K == 1 && factors.is_none() {
            return coupling.between.0[0][0];
        }
        let mut trace = S::zero();
        for loss in 0..K {
            let column: [S; K] = core::array::from_fn(|row| coupling.between.0[row][loss]);
            let solved = factors.as_ref().map_or(column, |factors| factors.solve(column));
            trace = trace + solved[loss];
        }
        trace
    }

    /// With C made so much smaller that B − Cᵀγ⁻¹C keeps the part ε of B, where it does not and that is asked for; and the factor.
    #[inline(always)]
    pub(crate) fn guarded(self, guard: Guard) -> (Self, S) {
        let (Some(coupling), Guard::ScaleBack { margin }) = (self.coupling, guard) else { return (self, S::one()) };
        let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
        let room = S::constant(1.0 - margin) / self.excess(&coupling).maximum(tiny);
        let factor = room.sqrt().minimum(S::one());
        let along = Bundle::<S>::times(coupling.along, factor);
        let between = coupling.between.times(factor * factor);
        (Self { coupling: Some(CouplingProducts { along, between }), ..self }, factor)
    }
}

/// The decomposition L D Lᵀ of a symmetric matrix, with ones on the diagonal of L. A pivot of zero takes no part.
pub(crate) struct Factors<S, const K: usize> {
    lower: [[S; K]; K],
    pivots: [S; K],
}

impl<S: Real, const K: usize> Factors<S, K> {
    #[allow(clippy::needless_range_loop, reason = "a matrix is solved by its indices")]
    pub(crate) fn of(matrix: &Gram<S, K>) -> Self {
        let (mut rows, mut lower) = (matrix.0, [[S::zero(); K]; K]);
        for pivot in 0..K {
            let leading = rows[pivot][pivot];
            let is_none = leading.equal(S::zero());
            let divisor = S::select(is_none, S::one(), leading);
            for row in pivot + 1..K {
                let factor = S::select(is_none, S::zero(), rows[row][pivot] / divisor);
                lower[row][pivot] = factor;
                for column in pivot + 1..K {
                    rows[row][column] = rows[row][column] - factor * rows[pivot][column];
                }
            }
        }
        Self { lower, pivots: core::array::from_fn(|pivot| rows[pivot][pivot]) }
    }

    pub(crate) fn solve(&self, right: [S; K]) -> [S; K] {
        let mut solution = right;
        for row in 0..K {
            for column in 0..row {
                solution[row] = solution[row] - self.lower[row][column] * solution[column];
            }
        }
        for row in (0..K).rev() {
            solution[row] = solution[row] / self.pivots[row];
            for column in row + 1..K {
                solution[row] = solution[row] - self.lower[column][row] * solution[column];
            }
        }
        solution
    }
}

fn largest<S: Real, const K: usize>(numbers: [S; K]) -> S {
    numbers.into_iter().reduce(S::maximum).unwrap_or_else(S::zero)
}

fn zipped<S: Copy, const K: usize>(x: [S; K], y: [S; K], f: impl Fn(S, S) -> S) -> [S; K] {
    core::array::from_fn(|index| f(x[index], y[index]))
}

/// The solution of a system of 2K equations in blocks, and its determinant: elimination with the largest pivot of every column, which is put in its
/// row by selection, so that a shader can do it.
fn exchange<S: Real, const K: usize>(mut system: [[[[S; K]; K]; 2]; 2], mut right: Both<S, K>) -> (Both<S, K>, S) {
    let place = |index: usize| (index / K, index % K);
    let mut determinant = S::one();
    for pivot in 0..2 * K {
        let (high, at) = place(pivot);
        for other in pivot + 1..2 * K {
            let (low, below) = place(other);
            let is_larger = system[high][high][at][at].abs().less(system[low][high][below][at].abs());
            determinant = S::select(is_larger, -determinant, determinant);
            let swap = |first: S, second: S| (S::select(is_larger, second, first), S::select(is_larger, first, second));
            for column in pivot..2 * K {
                let (block, column) = place(column);
                let swapped = swap(system[high][block][at][column], system[low][block][below][column]);
                (system[high][block][at][column], system[low][block][below][column]) = swapped;
            }
            (right[high][at], right[low][below]) = swap(right[high][at], right[low][below]);
        }
        determinant = determinant * system[high][high][at][at];
        for other in pivot + 1..2 * K {
            let (low, below) = place(other);
            let factor = system[low][high][below][at] / system[high][high][at][at];
            for column in pivot + 1..2 * K {
                let (block, column) = place(column);
                system[low][block][below][column] =
                    system[low][block][below][column] - factor * system[high][block][at][column];
            }
            right[low][below] = right[low][below] - factor * right[high][at];
        }
    }
    for pivot in (0..2 * K).rev() {
        let (high, at) = place(pivot);
        for other in pivot + 1..2 * K {
            let (block, column) = place(other);
            right[high][at] = right[high][at] - system[high][block][at][column] * right[block][column];
        }
        right[high][at] = right[high][at] / system[high][high][at][at];
    }
    (right, determinant)
}

/// The inner products of a step in the form [[γ, a], [bᵀ, β]], all in γ⁻¹.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oblique<S> {
    /// ⟨l, l⟩.
    pub length: S,
    /// ⟨a, l⟩.
    pub left: S,
    /// ⟨b, l⟩; the same as ⟨a, l⟩ for a metric.
    pub right: S,
    /// β − ⟨a, b⟩.
    pub free: S,
}

/// The weights of l♯ and a♯ in g⁻¹f′l on the surface in the ambient form [[γ, a], [bᵀ, β]], and D = det g / det γ.
///
/// The form pulls back to g = γ + w (a lᵀ + l bᵀ) + w²β l lᵀ with w = √ξ f′. With the ansatz g⁻¹ f′l = x l♯ + y a♯ the terms along a and l give two
/// equations, and
///
/// x = f′ (1 + w⟨a, l⟩) / D, y = −f′ w ⟨l, l⟩ / D, D = (1 + w⟨a, l⟩)(1 + w⟨b, l⟩) + w²⟨l, l⟩ (β − ⟨a, b⟩).
///
/// `averaged` is ξ⟨l, l⟩ or its moving average, and takes its place in D alone: then l·(x l♯ + y a♯) = f′⟨l, l⟩ / D whatever the average, so that the
/// step of a metric descends.
#[inline]
pub(crate) fn oblique_step<S: Field>(slope: S, root_xi: S, averaged: S, products: Oblique<S>) -> [S; 3] {
    let Oblique { length, left, right, free } = products;
    let weight = root_xi * slope;
    let tilt = S::one() + weight * left;
    // D / f′: nothing is divided by that could leave the range where f′² does.
    let scaled = tilt * (S::one() + weight * right) / slope + slope * averaged * free;
    [tilt / scaled, -(weight * length) / scaled, slope * scaled]
}

/// The solution of a_A / f′_A + ξ_A f′_A Σ_B V_AB a_B = ρ_A, and det(1 + W²V).
///
/// Row A divided by ξ_A f′_A is a row of a symmetric positive definite matrix, so elimination without exchanges is its Cholesky decomposition (in the
/// form L D Lᵀ, which needs no root), and ξ_A = 0 is allowed. For K = 1 the weight is the [`damping`], by the same operations.
#[inline(always)]
fn eliminate<S: Field, const K: usize>(slopes: [S; K], xi: [S; K], gram: &Gram<S, K>, right: [S; K]) -> ([S; K], S) {
    let mut rows = gram.0;
    for (row, entries) in rows.iter_mut().enumerate() {
        for (column, entry) in entries.iter_mut().enumerate() {
            // ξ_A ⟨l_A, l_B⟩ first, as for one loss.
            let coupled = slopes[row] * (xi[row] * *entry);
            *entry = if row == column { S::one() / slopes[row] + coupled } else { coupled };
        }
    }
    let mut weights = right;
    let mut ratio = S::one();
    for pivot in 0..K {
        let (above, below) = rows.split_at_mut(pivot + 1);
        let leading = &above[pivot];
        ratio = if K == 1 {
            determinant_ratio(slopes[pivot], xi[pivot] * gram.0[pivot][pivot])
        } else {
            ratio * (slopes[pivot] * leading[pivot])
        };
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[pivot] / leading[pivot];
            for column in pivot..K {
                row[column] = row[column] - factor * leading[column];
            }
            weights[pivot + 1 + offset] = weights[pivot + 1 + offset] - factor * weights[pivot];
        }
    }
    for row in (0..K).rev() {
        let known = (row + 1..K).fold(weights[row], |rest, column| rest - rows[row][column] * weights[column]);
        weights[row] = known / rows[row][row];
    }
    (weights, ratio)
}

/// det g / det γ = 1 + f′² v, with v = ξ⟨l, l⟩.
///
/// # Mathematics
///
/// The matrix determinant lemma for g = γ + ξ f′² l lᵀ: det g = det γ (1 + ξ f′² ⟨l, l⟩).
///
/// # Example
///
/// ```
/// assert_eq!(ambient_metric::ambient::determinant_ratio(2.0, 3.0), 13.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7: the determinant of this metric.
#[inline]
pub fn determinant_ratio<S: Field>(slope: S, squared_length: S) -> S {
    S::one() + slope * slope * squared_length
}

/// The damping r = f′ / (1 + f′² v), with v = ξ⟨l, l⟩ or its moving average.
///
/// It is computed as 1 / (1/f′ + f′ v), which is the same number and stays in range where f′² would not.
///
/// # Mathematics
///
/// g⁻¹ applied to ∂f = f′ l is r l♯, because the two terms of g⁻¹ (eq. 8) are parallel there.
///
/// # Requirements
///
/// f′ > 0 and v ≥ 0.
///
/// # Example
///
/// ```
/// assert_eq!(ambient_metric::ambient::damping(1.0, 3.0), 0.25);
/// assert_eq!(ambient_metric::ambient::damping(1e30_f32, 0.0), 1e30);
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 10, 13 and 14.
#[inline]
pub fn damping<S: Field>(slope: S, squared_length: S) -> S {
    S::one() / (S::one() / slope + slope * squared_length)
}
