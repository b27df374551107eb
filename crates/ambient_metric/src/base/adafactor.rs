//! Adafactor's second moment: a mean for every row and every column.

use crate::base::base_metric::BaseMetric;
use crate::base::parted::Parted;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::{Given, means, outer, squares};
use crate::error::{Error, require_positive};
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, MatrixTensor, Transpose};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Tensor, Vector, Wide};

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
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Adafactor::default().begin(&Parameters::from(array![[1.0_f64, 2.0, 3.0]]))?;
/// let [rows, columns] = state.means(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!((rows.len(), columns.len()), (1, 3));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub type AdafactorState<T> = Parted<T, Squares<<T as Tensor>::Element>>;

/// What is remembered of one part, which counts its own gradients.
#[derive(Debug)]
pub struct Squares<E> {
    /// The means R of rows, or the averages of every element.
    rows: Vec<E>,
    /// The means C of columns; none where the part is no matrix.
    columns: Option<Vec<E>>,
    seen: u64,
}

impl<T: MatrixTensor> Parted<T, Squares<T::Element>> {
    /// R and C of a part; `None` for one that is no matrix.
    #[must_use]
    pub fn means(&self, part: usize) -> Option<[&[T::Element]; 2]> {
        let Squares { rows, columns, .. } = self.get(part)?;
        Some([rows, columns.as_deref()?])
    }

    /// γ as a tensor like this one, as the state of a metric that has it.
    fn gamma(&self, like: &T) -> Result<PointwiseState<T, ()>, Error> {
        self.layout().check(like.layout())?;
        let mut gamma = like.zeros_like()?;
        for (index, squares) in self.iter() {
            let [rows, columns] = squares.roots();
            if squares.columns.is_some() {
                gamma.set_matrix(index, &outer(&like.matrix(index)?, &rows, &columns)?)?;
            } else {
                gamma.write(index, &rows.into_iter().map(Element::narrow).collect::<Vec<_>>())?;
            }
        }
        Ok(PointwiseState::of(gamma))
    }
}

impl<E: Element> Squares<E> {
    /// γ as the product of a column and a row: √(R / mean(R)) and √C. (Roots first, since a product of means may leave the range.)
    fn roots(&self) -> [Vec<E::Wide>; 2] {
        let (zero, one) = (<E::Wide as Field>::zero(), <E::Wide as Field>::one());
        let roots = |of: &[E], mean: E::Wide| of.iter().map(|x| (x.widen() / mean).sqrt()).collect();
        let Some(columns) = &self.columns else { return [roots(&self.rows, one), vec![one]] };
        let sum = self.rows.iter().fold(zero, |sum, row| sum + row.widen());
        [roots(&self.rows, sum / Field::constant(self.rows.len() as f64)), roots(columns, one)]
    }

    /// With the squares of one more gradient: of every element, or their means.
    fn observed(&self, metric: &Adafactor, rows: Vec<E>, columns: Option<Vec<E>>) -> Self {
        let seen = self.seen.saturating_add(1);
        let share = (seen as f64).power(-metric.exponent);
        let [kept, share] = [1.0 - share, share].map(<E::Wide as Field>::constant);
        let average = |past: &Vec<E>, present: Vec<E>| {
            past.iter().zip(present).map(|(past, x)| E::narrow(kept * past.widen() + share * x.widen())).collect()
        };
        let columns = self.columns.as_ref().zip(columns).map(|(past, present)| average(past, present));
        Self { rows: average(&self.rows, rows), columns, seen }
    }

    fn recorded(&self, parameter: &str, entries: &mut Entries<'_>) -> Result<Self, Error> {
        let mut list = |name: &str, known: &Vec<E>| {
            let read = entries.list(parameter, name, known.len(), || Ok(known.clone()))?;
            Ok::<_, Error>(read.unwrap_or_else(|| known.clone()))
        };
        let rows = list(if self.columns.is_some() { "rows" } else { "squares" }, &self.rows)?;
        let columns = self.columns.as_ref().map(|columns| list("columns", columns)).transpose()?;
        let mut seen = self.seen;
        entries.within("seen").count(parameter, &mut seen)?;
        Ok(Self { rows, columns, seen })
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
        let all = |count: usize| vec![T::Element::constant(self.epsilon); count];
        Parted::begin(parameters.layout(), |_, part| {
            let (rows, columns) =
                if let [m, n] = *part.shape { (all(m), Some(all(n))) } else { (all(part.elements()), None) };
            Ok(Squares { rows, columns, seen: 0 })
        })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout().check(gradient.0.layout())?;
        gradient.require_finite()?;
        let squares = squares(&gradient.0, self.epsilon)?;
        *state = state.observed(gradient, |past, index| {
            if past.columns.is_none() {
                return Ok(past.observed(self, squares.read(index)?, None));
            }
            let matrix = squares.matrix(index)?;
            let of = |transpose| means(&matrix, transpose, 1.0, None)?.to_host();
            Ok(past.observed(self, of(Transpose::No)?, Some(of(Transpose::Yes)?)))
        })?;
        Ok(())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        state.select(selection, short_name::<Self>)
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        *state = state.placed(selection, selected)?;
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
        for (_, squares) in state.iter() {
            let [rows, columns] = squares.roots();
            let sum = |of: &[Wide<T>], count: usize| {
                <Wide<T> as Field>::constant(count as f64) * of.iter().fold(zero, |sum, root| sum + root.ln())
            };
            total = total + sum(&rows, columns.len()) + sum(&columns, rows.len());
        }
        Ok(total)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        state.record(entries, Squares::recorded)
    }
}
