//! Adafactor's second moment: a mean for every row and every column.

use std::sync::Arc;

use crate::base::base_metric::BaseMetric;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::{Given, means, squares};
use crate::error::{Error, require_positive};
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::{MatrixPart, MatrixTensor, Transpose, WideOf};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable, place_each, select_each};
use crate::space::tensor::{Covector, Vector, Wide, find_non_finite};

/// γ = √v̂ with v̂ = R Cᵀ / mean(R), from means of squares over the rows and over the columns of every matrix: Adafactor's.
///
/// # Mathematics
///
/// With l the t-th gradient of an m×n matrix, s = l² + ε element by element, and βₜ = 1 − t^(−p),
///
/// Rᵢ ← βₜRᵢ + (1−βₜ) Σⱼ sᵢⱼ / n, Cⱼ ← βₜCⱼ + (1−βₜ) Σᵢ sᵢⱼ / m, v̂ᵢⱼ = RᵢCⱼ / (Σₖ Rₖ / m) and γᵢⱼ = √v̂ᵢⱼ.
///
/// A part that is no matrix keeps v ← βₜv + (1−βₜ)s of every element, and γ = √v. β₁ = 0, so nothing begins at zero and nothing is corrected; before the
/// first gradient all of them are ε. A matrix keeps m + n numbers in place of the mn of [`RmsProp`](crate::RmsProp).
///
/// The rest of Adafactor is no matter of a metric: its relative step sizes are a learning rate, and its clipping is that of the step.
///
/// # Requirements
///
/// ε > 0 and p > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric::base::Adafactor;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // The squares of a matrix of rank one are of rank one, and are kept exactly.
/// let gradient = Covector(Parameters::from(array![[1.0_f64, 2.0], [2.0, 4.0]]));
/// let metric = Adafactor::default();
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// let raised = metric.raise(&state, &gradient)?.0;
/// assert!(raised.as_slice().iter().all(|x| (x - 1.0).abs() < 1e-14));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`BaseMetric::begin`] answers with [`Error::Hyperparameter`], and [`BaseMetric::update`] with [`Error::Overflow`] for a gradient whose squares are no numbers.
///
/// # References
///
/// N. Shazeer and M. Stern, *Adafactor: Adaptive Learning Rates with Sublinear Memory Cost*, arXiv 1804.04235, Algorithms 4 and 5.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Adafactor {
    /// ε, added to squares.
    pub epsilon: f64,
    /// The exponent p of the decay βₜ = 1 − t^(−p).
    pub exponent: f64,
}

known_keys! { Adafactor { epsilon, exponent, .. } }

impl Default for Adafactor {
    /// ε = 10⁻³⁰ and p = 0.8.
    fn default() -> Self {
        Self { epsilon: 1e-30, exponent: 0.8 }
    }
}

/// What [`Adafactor`] remembers; clones share it.
///
/// # Example
///
/// ```
/// use ambient_metric::BaseMetric;
/// use ambient_metric::base::Adafactor;
/// use ambient_metric::space::MatrixPart;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Adafactor::default().begin(&Parameters::from(array![[1.0_f64, 2.0, 3.0]]))?;
/// let [rows, columns] = state.means(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!(([rows.rows(), rows.columns()], [columns.rows(), columns.columns()]), ([1, 1], [1, 3]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct AdafactorState<T: MatrixTensor> {
    layout: Layout,
    parts: Vec<Squares<T::Matrix>>,
}

/// What is remembered of one part, which counts its own gradients.
#[derive(Debug)]
struct Squares<M: MatrixPart> {
    average: Average<M>,
    seen: u64,
}

/// The average of squares of a part.
#[derive(Debug)]
enum Average<M: MatrixPart> {
    /// The means R of rows, a column, and C of columns, a row.
    Means([Arc<M>; 2]),
    /// That of every element.
    Full(Arc<Vec<M::Element>>),
}

impl<M: MatrixPart> Clone for Squares<M> {
    fn clone(&self) -> Self {
        let average = match &self.average {
            Average::Means(means) => Average::Means(means.clone()),
            Average::Full(full) => Average::Full(Arc::clone(full)),
        };
        Self { average, seen: self.seen }
    }
}

impl<T: MatrixTensor> Clone for AdafactorState<T> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), parts: self.parts.clone() }
    }
}

impl<T: MatrixTensor> AdafactorState<T> {
    /// R and C of a part; `None` for one that is no matrix.
    #[must_use]
    pub fn means(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        match &self.parts.get(part)?.average {
            Average::Means(means) => Some(means.each_ref().map(Arc::as_ref)),
            Average::Full(_) => None,
        }
    }

    /// γ as a tensor like this one, as the state of a metric that has it.
    fn gamma(&self, like: &T) -> Result<PointwiseState<T, ()>, Error> {
        self.layout.check(like.layout())?;
        let mut gamma = like.zeros_like()?;
        for (index, Squares { average, .. }) in self.parts.iter().enumerate() {
            let narrow = |roots: &Vec<_>| roots.iter().map(|&root| T::Element::narrow(root)).collect::<Vec<_>>();
            let [rows, columns] = &average.roots()?.each_ref().map(narrow);
            match average {
                Average::Full(_) => gamma.write(index, rows)?,
                Average::Means([means, _]) => {
                    let (column, row) = (means.like(rows.len(), 1, rows)?, means.like(1, columns.len(), columns)?);
                    gamma.set_matrix(index, &column.product(Transpose::No, &row, Transpose::No)?)?;
                }
            }
        }
        Ok(PointwiseState::of(gamma))
    }
}

impl<M: MatrixPart> Average<M> {
    /// γ as the product of a column and a row: √(R / mean(R)) and √C. (Roots first, since a product of means may leave the range.)
    fn roots(&self) -> Result<[Vec<WideOf<M>>; 2], Error> {
        let one = <WideOf<M> as Field>::one();
        let wide = |elements: &[M::Element]| elements.iter().map(|x| x.widen()).collect::<Vec<_>>();
        let [rows, columns, mean] = match self {
            Self::Full(full) => [wide(full), vec![one], vec![one]],
            Self::Means([rows, columns]) => {
                let rows = wide(&rows.to_host()?);
                let sum = rows.iter().fold(<WideOf<M> as Field>::zero(), |sum, &row| sum + row);
                let mean = vec![sum / Field::constant(rows.len() as f64)];
                [rows, wide(&columns.to_host()?), mean]
            }
        };
        let root = |mean: WideOf<M>| move |x: WideOf<M>| (x / mean).sqrt();
        let mean = mean.first().copied().unwrap_or(one);
        Ok([rows.into_iter().map(root(mean)).collect(), columns.into_iter().map(root(one)).collect()])
    }

    /// With the squares of one more gradient, of which it takes a share.
    fn observe<T: MatrixTensor<Matrix = M, Element = M::Element>>(
        &self,
        squares: &T,
        part: usize,
        share: f64,
    ) -> Result<Self, Error> {
        let kept = 1.0 - share;
        Ok(match self {
            Self::Full(full) => {
                let average = |(&past, present): (&M::Element, M::Element)| {
                    let constant = <WideOf<M> as Field>::constant;
                    M::Element::narrow(constant(kept) * past.widen() + constant(share) * present.widen())
                };
                Self::Full(Arc::new(full.iter().zip(squares.read(part)?).map(average).collect()))
            }
            Self::Means([rows, columns]) => {
                let squares = squares.matrix(part)?;
                let rows = means(&squares, rows, Transpose::No, [kept, share])?;
                let columns = means(&squares, columns, Transpose::Yes, [kept, share])?;
                Self::Means([Arc::new(rows), Arc::new(columns)])
            }
        })
    }

    fn record(&mut self, parameter: &str, entries: &mut Entries<'_>) -> Result<(), Error> {
        match self {
            Self::Full(full) => {
                if let Some(read) = entries.list(parameter, "squares", full.len(), || Ok(full.to_vec()))? {
                    *full = Arc::new(read);
                }
            }
            Self::Means(means) => {
                for (mean, name) in means.iter_mut().zip(["rows", "columns"]) {
                    if let Some(read) = entries.exchange_matrix(parameter, name, &**mean)? {
                        *mean = Arc::new(read);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Adafactor {
    /// Accepts its constants.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_positive("epsilon", self.epsilon)?;
        require_positive("exponent", self.exponent)
    }
}

impl<T: MatrixTensor> BaseMetric<T> for Adafactor {
    type State = AdafactorState<T>;

    fn is_pointwise(&self) -> bool {
        true
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        self.validate()?;
        let of_part = |(index, part): (usize, &Part)| {
            let all = |count: usize| vec![T::Element::constant(self.epsilon); count];
            let average = match *part.shape {
                [m, n] if part.elements() > 0 => {
                    let matrix = parameters.matrix(index)?;
                    let means = [matrix.like(m, 1, &all(m))?, matrix.like(1, n, &all(n))?];
                    Average::Means(means.map(Arc::new))
                }
                _ => Average::Full(Arc::new(all(part.elements()))),
            };
            Ok(Squares { average, seen: 0 })
        };
        let layout = parameters.layout();
        let parts = layout.parts().iter().enumerate().map(of_part).collect::<Result<_, Error>>()?;
        Ok(AdafactorState { layout: layout.clone(), parts })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let squares = squares(&gradient.0, self.epsilon)?;
        let observed = |(index, part): (usize, &Squares<T::Matrix>)| {
            let seen = part.seen.saturating_add(1);
            let share = (seen as f64).power(-self.exponent);
            Ok(Squares { average: part.average.observe(&squares, index, share)?, seen })
        };
        state.parts = state.parts.iter().enumerate().map(observed).collect::<Result<_, Error>>()?;
        Ok(())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        let parts = select_each(&state.parts, selection.whole_parts(short_name::<Self>)?)?;
        Ok(AdafactorState { layout: selection.layout().clone(), parts })
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        state.parts = place_each(&state.parts, selection.parts(), &selected.parts)?;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        BaseMetric::raise(&Given, &state.gamma(&covector.0)?, covector)
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        BaseMetric::lower(&Given, &state.gamma(&vector.0)?, vector)
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        let zero = <Wide<T> as Field>::zero();
        let mut total = zero;
        for Squares { average, .. } in &state.parts {
            let [rows, columns] = average.roots()?;
            let sum = |of: &[Wide<T>], count: usize| {
                <Wide<T> as Field>::constant(count as f64) * of.iter().fold(zero, |sum, root| sum + root.ln())
            };
            total = total + sum(&rows, columns.len()) + sum(&columns, rows.len());
        }
        Ok(total)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        for (part, squares) in state.layout.parts().iter().zip(&mut state.parts) {
            squares.average.record(&part.name, entries)?;
            entries.within("seen").count(&part.name, &mut squares.seen)?;
        }
        Ok(())
    }
}
