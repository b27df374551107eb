//! Metrics with one factor for the rows of a matrix and one for its columns.

use std::sync::Arc;

use crate::base::of_matrices::OfMatrices;
use crate::base::parted::Parted;
use crate::base::sides::{moments, multiple, require_every, times};
use crate::error::{Error, require_positive};
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, MatrixTensor, SpectralMatrix, Transpose, WideOf};
use crate::space::record::Entries;

/// How the factors (A + ε)^p and (B + ε)^p of a matrix are made of its gradients.
#[derive(Debug)]
pub(crate) struct Factoring {
    /// Both moments begin as this multiple of the unit matrix.
    pub(crate) start: f64,
    /// How much a moment keeps, and how much it takes of a gradient.
    pub(crate) weights: [f64; 2],
    /// The decay β for which moments are divided by 1 − βᵗ.
    pub(crate) correction: f64,
    /// Whether the moment of one side takes the mean of the gradient divided by the root of the other factor.
    pub(crate) whitens: bool,
    pub(crate) epsilon: f64,
    pub(crate) exponent: f64,
    /// After how many of its gradients the roots of a matrix are taken again.
    pub(crate) every: u64,
}

/// What [`Kronecker`](crate::Kronecker), [`KlShampoo`](crate::base::KlShampoo) and [`Kfac`](crate::base::Kfac) remember; clones share their matrices.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Kronecker};
/// use ambient_metric::space::MatrixPart;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Kronecker::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// let [rows, columns] = state.moments(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!((rows.rows(), columns.rows()), (1, 2));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub type KroneckerState<T> = Parted<T, Factors<<T as MatrixTensor>::Matrix>>;

/// What is remembered of one matrix, which counts its own gradients.
#[derive(Debug)]
pub struct Factors<M: MatrixPart> {
    pub(crate) sides: [Side<M>; 2],
    /// βᵗ.
    pub(crate) power: WideOf<M>,
    pub(crate) seen: u64,
}

impl<T: MatrixTensor> Parted<T, Factors<T::Matrix>> {
    /// A and B of a part, before correction and without ε.
    #[must_use]
    pub fn moments(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        Some(self.get(part)?.sides.each_ref().map(|side| &*side.moment))
    }
}

/// One of the two factors.
#[derive(Debug)]
pub(crate) struct Side<M: MatrixPart> {
    pub(crate) moment: Arc<M>,
    pub(crate) roots: Arc<Roots<M>>,
}

impl<M: MatrixPart> Side<M> {
    fn recorded(&self, parameter: &str, entries: &mut Entries<'_>) -> Result<Self, Error> {
        let Roots { root, inverse, log_determinant } = &*self.roots;
        let moment = entries.shared_matrix(parameter, "moment", &self.moment)?;
        let root = entries.shared_matrix(parameter, "root", root)?;
        let inverse = entries.shared_matrix(parameter, "inverse", inverse)?;
        let mut log_determinant = *log_determinant;
        entries.within("log_determinant").number(parameter, &mut log_determinant)?;
        Ok(Self { moment, roots: Arc::new(Roots { root, inverse, log_determinant }) })
    }
}

#[derive(Debug)]
pub(crate) struct Roots<M: MatrixPart> {
    /// (A + ε)^p.
    root: Arc<M>,
    /// (A + ε)^(−p).
    inverse: Arc<M>,
    /// ln det(A + ε).
    log_determinant: WideOf<M>,
}

/// Eigenvalues of a matrix of `E` as metrics see them: not below what rounding leaves of zero, corrected, plus ε.
pub(crate) fn damped<E: Element>(eigenvalues: &[E::Wide], correction: E::Wide, epsilon: f64) -> Vec<E::Wide> {
    let zero = <E::Wide as Field>::zero();
    let largest = eigenvalues.iter().fold(zero, |largest, &value| largest.maximum(value));
    let least = largest * <E::Wide as Field>::constant(eigenvalues.len() as f64 * E::ROUNDOFF);
    let epsilon = <E::Wide as Field>::constant(epsilon);
    eigenvalues.iter().map(|&value| value.maximum(least) * correction + epsilon).collect()
}

impl Factoring {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_positive("epsilon", self.epsilon)?;
        require_every(self.every)
    }

    pub(crate) fn roots<M: SpectralMatrix>(&self, moment: &M, correction: WideOf<M>) -> Result<Roots<M>, Error> {
        let mut log_determinant = <WideOf<M> as Field>::zero();
        let pair = moment.of_eigenvalues(|eigenvalues| {
            let damped = damped::<M::Element>(eigenvalues, correction, self.epsilon);
            let power =
                |exponent: f64| -> Vec<WideOf<M>> { damped.iter().map(|value| value.power(exponent)).collect() };
            let powers = [power(self.exponent), power(-self.exponent)];
            let fits = |value: &WideOf<M>| M::Element::narrow(*value).is_finite();
            if !powers.iter().flatten().all(fits) {
                return Err(Error::Overflow { quantity: "a root of the moments".to_owned() });
            }
            log_determinant = damped.iter().fold(log_determinant, |sum, value| sum + value.ln());
            Ok(powers)
        })?;
        let [root, inverse] = pair.map(Arc::new);
        Ok(Roots { root, inverse, log_determinant })
    }

    /// The factor before any gradient.
    fn side<M: MatrixPart>(&self, like: &M, side: usize) -> Result<Side<M>, Error> {
        let start = <WideOf<M> as Field>::constant(self.start);
        let damped = start + Field::constant(self.epsilon);
        let roots = Roots {
            root: multiple(like, side, damped.power(self.exponent))?,
            inverse: multiple(like, side, damped.power(-self.exponent))?,
            log_determinant: <WideOf<M> as Field>::constant(side as f64) * damped.ln(),
        };
        Ok(Side { moment: multiple(like, side, start)?, roots: Arc::new(roots) })
    }

    /// The factors with one more gradient, from those before it.
    fn observed<M: SpectralMatrix>(
        &self,
        Factors { sides, power, seen }: &Factors<M>,
        gradient: &M,
    ) -> Result<Factors<M>, Error> {
        let power = Field::flushed(*power * Field::constant(self.correction));
        let one = <WideOf<M> as Field>::one();
        let correction = one / (one - power);
        let through = self.whitens.then(|| sides.each_ref().map(|side| &*side.roots.inverse));
        let past = sides.each_ref().map(|side| &*side.moment);
        let [rows, columns] = moments(past, gradient, through, self.weights)?;
        let is_due = seen.is_multiple_of(self.every.max(1));
        let side = |moment: Arc<M>, before: &Side<M>| {
            let roots = if is_due { Arc::new(self.roots(&*moment, correction)?) } else { Arc::clone(&before.roots) };
            Ok::<_, Error>(Side { moment, roots })
        };
        let [of_rows, of_columns] = sides;
        Ok(Factors { sides: [side(rows, of_rows)?, side(columns, of_columns)?], power, seen: seen.saturating_add(1) })
    }
}

/// A metric of factors, which says how they are made.
pub(crate) trait Factored {
    fn factoring(&self) -> Factoring;
}

impl<M: SpectralMatrix, F: Factored> OfMatrices<M> for F {
    type Kept = Factors<M>;

    fn begin_with(&self, matrix: &M) -> Result<Factors<M>, Error> {
        let factoring = self.factoring();
        let sides = [factoring.side(matrix, matrix.rows())?, factoring.side(matrix, matrix.columns())?];
        Ok(Factors { sides, power: Field::one(), seen: 0 })
    }

    fn observed(&self, kept: &Factors<M>, gradient: &M) -> Result<Factors<M>, Error> {
        self.factoring().observed(kept, gradient)
    }

    /// (A + ε)^(−p) X (B + ε)^(−p).
    fn raised(&self, kept: &Factors<M>, x: &M) -> Result<M, Error> {
        times(x, kept.sides.each_ref().map(|side| &*side.roots.inverse), [Transpose::No; 2])
    }

    /// (A + ε)^p V (B + ε)^p.
    fn lowered(&self, kept: &Factors<M>, v: &M) -> Result<M, Error> {
        times(v, kept.sides.each_ref().map(|side| &*side.roots.root), [Transpose::No; 2])
    }

    fn logarithm(&self, Factors { sides: [rows, columns], .. }: &Factors<M>) -> WideOf<M> {
        let constant = <WideOf<M> as Field>::constant;
        let times = |count: usize, side: &Side<M>| constant(count as f64) * side.roots.log_determinant;
        let sum = times(columns.moment.rows(), rows) + times(rows.moment.rows(), columns);
        constant(self.factoring().exponent) * sum
    }

    fn recorded(kept: &Factors<M>, name: &str, entries: &mut Entries<'_>) -> Result<Factors<M>, Error> {
        let [rows, columns] = &kept.sides;
        let sides = [
            rows.recorded(name, &mut entries.within("rows"))?,
            columns.recorded(name, &mut entries.within("columns"))?,
        ];
        let (mut power, mut seen) = (kept.power, kept.seen);
        entries.within("power").number(name, &mut power)?;
        entries.within("seen").count(name, &mut seen)?;
        Ok(Factors { sides, power, seen })
    }
}
