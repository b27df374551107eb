//! The Kronecker-factored base metric of Shampoo.

use std::sync::Arc;

use crate::base::base_metric::BaseMetric;
use crate::base::sides::{moment, multiply, of_matrices, require_every, require_matrices};
use crate::error::{Error, require_decay, require_positive};
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::Layout;
use crate::space::matrix::{MatrixPart, MatrixTensor, SpectralMatrix, Transpose, WideOf, scaled_identity};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable, place_each, select_each};
use crate::space::tensor::{Covector, Vector, Wide, find_non_finite};

/// γ = A^p ⊗ B^p for every part that is a matrix, with A and B the second moments of its rows and columns: Shampoo.
///
/// # Mathematics
///
/// With l the gradient of an m×n part, A ← A + l lᵀ and B ← B + lᵀl (or, with β, their moving averages corrected for the start at zero),
///
/// γ⁻¹x = (A + ε)^(−p) x (B + ε)^(−p), γv = (A + ε)^p v (B + ε)^p, ln det γ = p (n ln det(A + ε) + m ln det(B + ε)).
///
/// p = 1/4 is Shampoo's; p = 1/2 is the square of it, the inverse of the Kronecker approximation itself. Roots are taken through
/// eigenvalues, in the wide type. Those that rounding cannot tell from zero, below n u times the largest with u the unit roundoff of the stored
/// numbers, count as that much, so γ is positive definite and γ⁻¹ in range whatever was seen.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). ε > 0, p > 0, β in [0, 1), `every` at least one.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Kronecker, Metric};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Kronecker::default();
/// let gradient = Covector(Parameters::from(array![[2.0_f64, 0.0], [0.0, 1.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // A = B = diag(4, 1) up to ε: the fourth roots of both take 2 to 1.
/// let raised = metric.at(&state).raise(&gradient)?;
/// assert!((raised.0.as_slice()[0] - 1.0).abs() < 1e-4);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none.
///
/// # References
///
/// V. Gupta, T. Koren and Y. Singer, *Shampoo: Preconditioned Stochastic Tensor Optimization*, ICML 2018.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Kronecker {
    /// The decay β of moving averages of the moments; without it they are sums.
    pub beta: Option<f64>,
    /// ε, added to the eigenvalues.
    pub epsilon: f64,
    /// The exponent p of both factors.
    pub exponent: f64,
    /// After how many of its gradients the roots of a matrix are taken again; the moments are kept in between.
    pub every: u64,
}

known_keys! { Kronecker { beta, epsilon, exponent, every, .. } }

impl Default for Kronecker {
    /// Sums, ε = 10⁻⁴, p = 1/4, roots after every gradient.
    fn default() -> Self {
        Self { beta: None, epsilon: 1e-4, exponent: 0.25, every: 1 }
    }
}

/// What [`Kronecker`] remembers; clones share their matrices.
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
#[derive(Debug)]
pub struct KroneckerState<T: MatrixTensor> {
    layout: Layout,
    /// Per part; a part without elements has none.
    parts: Vec<Option<Factors<T::Matrix>>>,
}

/// What is remembered of one matrix, which counts its own gradients.
#[derive(Debug)]
struct Factors<M: MatrixPart> {
    sides: [Side<M>; 2],
    /// βᵗ.
    power: WideOf<M>,
    seen: u64,
}

impl<M: MatrixPart> Clone for Factors<M> {
    fn clone(&self) -> Self {
        Self { sides: self.sides.clone(), power: self.power, seen: self.seen }
    }
}

impl<T: MatrixTensor> Clone for KroneckerState<T> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), parts: self.parts.clone() }
    }
}

impl<T: MatrixTensor> KroneckerState<T> {
    /// A and B of a part, before correction and without ε.
    #[must_use]
    pub fn moments(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        let [rows, columns] = &self.parts.get(part)?.as_ref()?.sides;
        Some([&rows.moment, &columns.moment])
    }

    /// A source multiplied from both sides.
    fn multiply(&self, source: &T, factor: impl Fn(&Roots<T::Matrix>) -> &T::Matrix) -> Result<T, Error> {
        self.layout.check(source.layout())?;
        multiply(source, &self.parts, [Transpose::No; 2], |part| part.sides.each_ref().map(|side| factor(&side.roots)))
    }
}

/// One of the two factors.
#[derive(Debug)]
struct Side<M: MatrixPart> {
    moment: Arc<M>,
    roots: Arc<Roots<M>>,
}

impl<M: MatrixPart> Clone for Side<M> {
    fn clone(&self) -> Self {
        Self { moment: Arc::clone(&self.moment), roots: Arc::clone(&self.roots) }
    }
}

impl<M: MatrixPart> Side<M> {
    fn record(&mut self, parameter: &str, entries: &mut Entries<'_>) -> Result<(), Error> {
        let Roots { root, inverse, log_determinant } = &*self.roots;
        let moment = entries.exchange_matrix(parameter, "moment", &*self.moment)?;
        let root = entries.exchange_matrix(parameter, "root", root)?;
        let inverse = entries.exchange_matrix(parameter, "inverse", inverse)?;
        let mut log_determinant = *log_determinant;
        entries.within("log_determinant").number(parameter, &mut log_determinant)?;
        if let (Some(moment), Some(root), Some(inverse)) = (moment, root, inverse) {
            (self.moment, self.roots) = (Arc::new(moment), Arc::new(Roots { root, inverse, log_determinant }));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Roots<M: MatrixPart> {
    /// (A + ε)^p.
    root: M,
    /// (A + ε)^(−p).
    inverse: M,
    /// ln det(A + ε).
    log_determinant: WideOf<M>,
}

impl Kronecker {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta.unwrap_or(0.0))?;
        require_positive("epsilon", self.epsilon)?;
        require_positive("exponent", self.exponent)?;
        require_every(self.every)
    }

    /// Eigenvalues of a matrix of `E` as the metric sees them: not below what rounding leaves of zero, corrected, plus ε.
    fn damped<E: Element>(&self, eigenvalues: &[E::Wide], correction: E::Wide) -> Vec<E::Wide> {
        let zero = <E::Wide as Field>::zero();
        let largest = eigenvalues.iter().fold(zero, |largest, &value| largest.maximum(value));
        let least = largest * <E::Wide as Field>::constant(eigenvalues.len() as f64 * E::ROUNDOFF);
        let epsilon = <E::Wide as Field>::constant(self.epsilon);
        eigenvalues.iter().map(|&value| value.maximum(least) * correction + epsilon).collect()
    }

    fn roots<M: SpectralMatrix>(&self, moment: &M, correction: WideOf<M>) -> Result<Roots<M>, Error> {
        let mut log_determinant = <WideOf<M> as Field>::zero();
        let [root, inverse] = moment.of_eigenvalues(|eigenvalues| {
            let damped = self.damped::<M::Element>(eigenvalues, correction);
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
        Ok(Roots { root, inverse, log_determinant })
    }

    /// The factor before any gradient: zero, with the roots of ε.
    fn side<M: MatrixPart>(&self, like: &M, side: usize) -> Result<Side<M>, Error> {
        let epsilon = <WideOf<M> as Field>::constant(self.epsilon);
        let multiple = |scale| like.like(side, side, &scaled_identity::<M::Element>(side, scale));
        let roots = Roots {
            root: multiple(epsilon.power(self.exponent))?,
            inverse: multiple(epsilon.power(-self.exponent))?,
            log_determinant: <WideOf<M> as Field>::constant(side as f64) * epsilon.ln(),
        };
        Ok(Side { moment: Arc::new(multiple(<WideOf<M> as Field>::zero())?), roots: Arc::new(roots) })
    }
}

impl<T: MatrixTensor<Matrix: SpectralMatrix>> BaseMetric<T> for Kronecker {
    type State = KroneckerState<T>;

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        self.validate()?;
        let layout = parameters.layout();
        require_matrices("Kronecker", layout)?;
        let parts = of_matrices(parameters, |matrix| {
            let sides = [self.side(matrix, matrix.rows())?, self.side(matrix, matrix.columns())?];
            Ok(Factors { sides, power: Field::one(), seen: 0 })
        })?;
        Ok(KroneckerState { layout: layout.clone(), parts })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let one = <Wide<T> as Field>::one();
        let weights = self.beta.map_or([1.0, 1.0], |beta| [beta, 1.0 - beta]);
        let mut parts = state.parts.clone();
        for (part, factors) in parts.iter_mut().enumerate() {
            let Some(Factors { sides, power, seen }) = factors else { continue };
            *power = Field::flushed(*power * Field::constant(self.beta.unwrap_or(0.0)));
            let correction = one / (one - *power);
            let is_due = seen.is_multiple_of(self.every.max(1));
            *seen = seen.saturating_add(1);
            let gradient = gradient.0.matrix(part)?;
            for (side, transpose) in sides.iter_mut().zip([Transpose::No, Transpose::Yes]) {
                side.moment = Arc::new(moment(&*side.moment, &gradient, transpose, weights)?);
                if is_due {
                    side.roots = Arc::new(self.roots(&*side.moment, correction)?);
                }
            }
        }
        state.parts = parts;
        Ok(())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        let parts = select_each(&state.parts, selection.whole_parts(short_name::<Self>)?)?;
        Ok(KroneckerState { layout: selection.layout().clone(), parts })
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        state.parts = place_each(&state.parts, selection.parts(), &selected.parts)?;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        state.multiply(&covector.0, |roots| &roots.inverse).map(Vector)
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        state.multiply(&vector.0, |roots| &roots.root).map(Covector)
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        let mut total = <Wide<T> as Field>::zero();
        for Factors { sides: [rows, columns], .. } in state.parts.iter().flatten() {
            let times = |count: usize, side: &Side<T::Matrix>| {
                <Wide<T> as Field>::constant(count as f64) * side.roots.log_determinant
            };
            total = total + times(columns.moment.rows(), rows) + times(rows.moment.rows(), columns);
        }
        Ok(<Wide<T> as Field>::constant(self.exponent) * total)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        for (part, sides) in state.layout.parts().iter().zip(&mut state.parts) {
            let Some(Factors { sides: [rows, columns], power, seen }) = sides else { continue };
            rows.record(&part.name, &mut entries.within("rows"))?;
            columns.record(&part.name, &mut entries.within("columns"))?;
            entries.within("power").number(&part.name, power)?;
            entries.within("seen").count(&part.name, seen)?;
        }
        Ok(())
    }
}
