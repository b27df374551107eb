//! PSGD: a preconditioner with triangular Kronecker factors, fitted by steps of its own.

use std::sync::Arc;

use crate::base::of_matrices::{OfMatrices, of_matrices};
use crate::base::parted::Parted;
use crate::base::sides::{multiple, require_every, times};
use crate::error::{Error, require, require_positive};
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, MatrixTensor, Transpose, WideOf};
use crate::space::record::Entries;

/// γ⁻¹ = QᵀQ with Q = Q_L ⊗ Q_R of triangular factors, fitted so that what Q makes of the gradients is white: PSGD-Kron.
///
/// # Mathematics
///
/// Of every m×n matrix are kept upper triangular Q_L and Q_R with positive diagonals, and
///
/// γ⁻¹x = Q_LᵀQ_L x Q_RᵀQ_R, γv = Q_L⁻¹Q_L⁻ᵀ v Q_R⁻¹Q_R⁻ᵀ, ln det γ = −2n ln det Q_L − 2m ln det Q_R.
///
/// They go down the whitening criterion, here with a gradient that noise of the size ε is added to,
///
/// c(Q) = ⟨l, QᵀQl⟩ + ε² tr QᵀQ + E_v ⟨v, (QᵀQ)⁻¹v⟩, with v a normal probe,
///
/// which is least where QᵀQ is (E(llᵀ) + ε²)^(−1/2), by steps in the group of triangular matrices: Q ← (1 − μ tri(∇))Q, with
///
/// ∇_L = AAᵀ + ε²‖Q_R‖² Q_LQ_Lᵀ − ‖Q_R⁻¹‖² Q_L⁻ᵀQ_L⁻¹, ∇_R = AᵀA + ε²‖Q_L‖² Q_RQ_Rᵀ − ‖Q_L⁻¹‖² Q_R⁻ᵀQ_R⁻¹ and A = Q_L l Q_Rᵀ,
///
/// both from the factors before. The last term of each is the mean over the probe, which has a closed form: nothing is drawn, so that a run repeats and resumes to
/// the bit. The step μ is [`rate`](Self::rate) over a bound b ≥ ‖S‖₂ with S the sum of the terms in place of their difference, b = ‖S²‖^(1/2). No entry of the
/// diagonal of ∇ is larger than b, so the diagonals stay positive and γ a metric, for every rate below one. (b is that of one gradient, so in
/// the long run each ∇ counts by 1/b: the largest gradients for less than in the mean.)
///
/// γ = 1 until the first gradient that is not zero, which sets the scale before its step: Q_L and Q_R become the same multiple of one, such that QᵀQ is one over the root
/// of the mean of l² + ε². After that it is fitted at every [`every`](Self::every)th gradient. The authors' code measures ‖∇‖ otherwise, draws the probe, and makes the two
/// factors equally large from time to time, which γ does not see.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). `rate` in (0, 1), ε > 0, `every` at least one.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric::base::Psgd;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // For one number γ⁻¹ goes to 1/|l|, and stays there.
/// let metric = Psgd::default();
/// let gradient = Covector(Parameters::from(array![[-4.0_f64]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// assert!((metric.raise(&state, &gradient)?.0.as_slice()[0] + 1.0).abs() < 1e-14);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none; [`Error::Overflow`] where the factors or what is made of them leave the range.
///
/// # References
///
/// X. Li, *Preconditioned Stochastic Gradient Descent*, arXiv 1512.04202, for the criterion and its relative gradient, and *Preconditioner on Matrix Lie
/// Group for SGD*, arXiv 1809.10232, for the triangular Kronecker factors.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Psgd {
    /// How far a step of the factors goes, in units of their gradient.
    pub rate: f64,
    /// ε: how large a gradient counts as none.
    pub epsilon: f64,
    /// After how many of its gradients the factors of a matrix are fitted again.
    pub every: u64,
}

known_keys! { Psgd { rate, epsilon, every, .. } }

impl Default for Psgd {
    /// A rate of 0.1, ε = 10⁻⁸, fitted at every gradient.
    fn default() -> Self {
        Self { rate: 0.1, epsilon: 1e-8, every: 1 }
    }
}

/// What [`Psgd`] remembers; clones share their matrices.
///
/// # Example
///
/// ```
/// use ambient_metric::BaseMetric;
/// use ambient_metric::base::Psgd;
/// use ambient_metric::space::MatrixPart;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Psgd::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// let [rows, columns] = state.factors(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!((rows.rows(), columns.rows()), (1, 2));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub type PsgdState<T> = Parted<T, Triangles<<T as MatrixTensor>::Matrix>>;

/// The factors of one matrix, which counts its own gradients from the first that is not zero.
#[derive(Debug)]
pub struct Triangles<M: MatrixPart> {
    sides: [Triangle<M>; 2],
    seen: u64,
}

impl<T: MatrixTensor> Parted<T, Triangles<T::Matrix>> {
    /// Q_L and Q_R of a part.
    #[must_use]
    pub fn factors(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        Some(self.get(part)?.sides.each_ref().map(|side| &*side.factor))
    }
}

/// One of the two factors, with what follows from it.
#[derive(Debug)]
struct Triangle<M: MatrixPart> {
    factor: Arc<M>,
    inverse: Arc<M>,
    log_determinant: WideOf<M>,
}

impl<M: MatrixPart> Clone for Triangle<M> {
    fn clone(&self) -> Self {
        let Self { factor, inverse, log_determinant } = self;
        Self { factor: Arc::clone(factor), inverse: Arc::clone(inverse), log_determinant: *log_determinant }
    }
}

impl<M: MatrixPart> Triangle<M> {
    /// By substitution on the host, in the wide type.
    fn new(factor: Arc<M>) -> Result<Self, Error> {
        let (side, constant) = (factor.rows(), <WideOf<M> as Field>::constant);
        let entries: Vec<WideOf<M>> = factor.to_host()?.into_iter().map(Element::widen).collect();
        let mut log_determinant = constant(0.0);
        // Rows of the inverse, the last first.
        let mut found: Vec<Vec<WideOf<M>>> = Vec::with_capacity(side);
        for (index, row) in entries.chunks(side.max(1)).enumerate().rev() {
            let unit = |column: usize| constant(f64::from(u8::from(column == index)));
            let mut solved: Vec<WideOf<M>> = (0..side).map(unit).collect();
            for (&entry, below) in row.iter().rev().zip(&found) {
                for (sum, &known) in solved.iter_mut().zip(below).skip(index + 1) {
                    *sum = *sum - entry * known;
                }
            }
            let pivot = row.get(index).copied().unwrap_or_else(|| constant(0.0));
            log_determinant = log_determinant + pivot.ln();
            found.push(solved.into_iter().map(|sum| sum / pivot).collect());
        }
        let inverse: Vec<M::Element> = found.into_iter().rev().flatten().map(M::Element::narrow).collect();
        if !log_determinant.is_finite() || !inverse.iter().all(|entry| entry.is_finite()) {
            return Err(Error::Overflow { quantity: "the factors of the preconditioner".to_owned() });
        }
        Ok(Self { inverse: Arc::new(factor.like(side, side, &inverse)?), factor, log_determinant })
    }

    /// A step down the criterion, of which `transposes` say how A enters. The other factor counts by its norms.
    fn fitted(&self, metric: &Psgd, whitened: &M, other: &Self, transposes: [Transpose; 2]) -> Result<Self, Error> {
        let (no, yes) = (Transpose::No, Transpose::Yes);
        let [left, right] = transposes;
        let square = |matrix: &M| Ok::<f64, Error>(matrix.norm()?.to_f64().powi(2));
        let noise = metric.epsilon.powi(2) * square(&other.factor)?;
        let noise = self.factor.combine(no, &self.factor, yes, noise, None)?;
        let seen = whitened.combine(left, whitened, right, 1.0, Some((1.0, &noise)))?;
        let probe = square(&other.inverse)?;
        let sum = self.inverse.combine(yes, &self.inverse, no, probe, Some((1.0, &seen)))?;
        let difference = self.inverse.combine(yes, &self.inverse, no, -probe, Some((1.0, &seen)))?;
        let unit = sum.normalised()?;
        let bound = sum.norm()? * unit.product(no, &unit, no)?.norm()?.sqrt();
        let rate = <WideOf<M> as Field>::constant(-metric.rate) / bound;
        let side = self.factor.rows();
        let upper = |(index, entry): (usize, M::Element)| {
            if index % side < index / side { M::Element::zero() } else { M::Element::narrow(entry.widen() * rate) }
        };
        let step: Vec<M::Element> = difference.to_host()?.into_iter().enumerate().map(upper).collect();
        let step = self.factor.like(side, side, &step)?;
        Self::new(Arc::new(step.combine(no, &self.factor, no, 1.0, Some((1.0, &self.factor)))?))
    }
}

impl Psgd {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require(self.rate > 0.0 && self.rate < 1.0, "rate", self.rate, "a step of the factors is a share of them")?;
        require_positive("epsilon", self.epsilon)?;
        require_every(self.every)
    }
}

impl<M: MatrixPart> OfMatrices<M> for Psgd {
    type Kept = Triangles<M>;

    fn begin_with(&self, matrix: &M) -> Result<Triangles<M>, Error> {
        Ok(Triangles { sides: multiples(matrix, Field::one())?, seen: 0 })
    }

    fn observed(&self, Triangles { sides, seen }: &Triangles<M>, gradient: &M) -> Result<Triangles<M>, Error> {
        let norm = gradient.norm()?;
        let is_zero = *seen == 0 && norm == Field::zero();
        if is_zero || !seen.is_multiple_of(self.every.max(1)) {
            return Ok(Triangles { sides: sides.clone(), seen: seen.saturating_add(u64::from(!is_zero)) });
        }
        let [rows, columns] = if *seen == 0 {
            let count = <WideOf<M> as Field>::constant((gradient.rows() * gradient.columns()) as f64);
            let mean = norm * norm / count + Field::constant(self.epsilon.powi(2));
            multiples(gradient, mean.power(-0.125))?
        } else {
            sides.clone()
        };
        let (no, yes) = (Transpose::No, Transpose::Yes);
        let whitened = times(gradient, [&rows.factor, &columns.factor], [no, yes])?;
        let of_rows = rows.fitted(self, &whitened, &columns, [no, yes])?;
        let of_columns = columns.fitted(self, &whitened, &rows, [yes, no])?;
        Ok(Triangles { sides: [of_rows, of_columns], seen: seen.saturating_add(1) })
    }

    fn raised(&self, Triangles { sides: [rows, columns], .. }: &Triangles<M>, x: &M) -> Result<M, Error> {
        let (no, yes, pair) = (Transpose::No, Transpose::Yes, [&*rows.factor, &*columns.factor]);
        times(&times(x, pair, [no, yes])?, pair, [yes, no])
    }

    fn lowered(&self, Triangles { sides: [rows, columns], .. }: &Triangles<M>, v: &M) -> Result<M, Error> {
        let (no, yes, pair) = (Transpose::No, Transpose::Yes, [&*rows.inverse, &*columns.inverse]);
        times(&times(v, pair, [yes, no])?, pair, [no, yes])
    }

    fn logarithm(&self, Triangles { sides: [rows, columns], .. }: &Triangles<M>) -> WideOf<M> {
        let times = |count: usize, side: &Triangle<M>| {
            <WideOf<M> as Field>::constant(-2.0 * count as f64) * side.log_determinant
        };
        times(columns.factor.rows(), rows) + times(rows.factor.rows(), columns)
    }

    fn recorded(kept: &Triangles<M>, name: &str, entries: &mut Entries<'_>) -> Result<Triangles<M>, Error> {
        let mut read = |side: &str, triangle: &Triangle<M>| {
            let factor = entries.within(side).shared_matrix(name, "factor", &triangle.factor)?;
            if entries.is_read() { Triangle::new(factor) } else { Ok(triangle.clone()) }
        };
        let [rows, columns] = &kept.sides;
        let (sides, mut seen) = ([read("rows", rows)?, read("columns", columns)?], kept.seen);
        entries.within("seen").count(name, &mut seen)?;
        Ok(Triangles { sides, seen })
    }
}

/// The same multiple of the unit matrix for both sides.
fn multiples<M: MatrixPart>(like: &M, scale: WideOf<M>) -> Result<[Triangle<M>; 2], Error> {
    let triangle = |side: usize| Triangle::new(multiple(like, side, scale)?);
    Ok([triangle(like.rows())?, triangle(like.columns())?])
}

of_matrices!(Psgd keeps Triangles, where MatrixPart);
