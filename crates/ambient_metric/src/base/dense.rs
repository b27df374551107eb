//! A base metric given as a matrix over all parameters together.

use core::marker::PhantomData;

use crate::base::base_metric::BaseMetric;
use crate::base::ldl::{Ldl, dot};
use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::layout::Layout;
use crate::space::record::Entries;
use crate::space::tensor::{Covector, Tensor, Vector, find_non_finite};

/// γ as an explicit symmetric positive definite matrix over all elements of all parts, in layout order.
///
/// It costs N² memory and N²/2 products a step, so it is for few parameters: a preconditioner that is known (a mass matrix, a Fisher
/// information, a Hessian at the solution), or an oracle for another metric.
///
/// # Mathematics
///
/// γ = L D Lᵀ, decomposed once; x♯ = γ⁻¹x by two triangular solutions, ln det γ = Σ ln Dᵢ. Nothing but field operations is needed, so over
/// fractions all of it is exact. Sums and solutions are kept in the wide type of the parameters.
///
/// # Requirements
///
/// The matrix is symmetric and positive definite, by more than rounding can tell: no pivot is below n u times its entry on the diagonal, with u the unit
/// roundoff. It has one row for every element.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Dense, Metric};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Dense::new(vec![vec![2.0, 1.0], vec![1.0, 3.0]])?;
/// assert_eq!(metric.determinant(), 5.0);
///
/// let gradient = Covector(Parameters::from(array![4.0_f64, 7.0]));
/// let state = metric.begin(&gradient.0)?;
/// assert_eq!(metric.at(&state).raise(&gradient)?.0, Parameters::from(array![1.0, 2.0]));
/// assert!(Dense::new(vec![vec![1.0, 2.0], vec![2.0, 1.0]]).is_err());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`new`](Self::new) refuses matrices that are not square, symmetric or positive definite, and [`BaseMetric::begin`] parameters with
/// another number of elements.
///
/// # References
///
/// arXiv 2509.03594, eq. 7 and 8, for any γ.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense<S> {
    rows: Vec<Vec<S>>,
    factors: Ldl<S>,
}

impl<S: Element> Dense<S> {
    /// The metric with these rows.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where a row has another length than there are rows, [`Error::AsymmetricMatrix`], [`Error::IndefiniteMatrix`].
    pub fn new(rows: Vec<Vec<S>>) -> Result<Self, Error> {
        let size = rows.len();
        if let Some(row) = rows.iter().find(|row| row.len() != size) {
            let name = "the matrix of a metric".to_owned();
            return Err(Error::Shape { name, expected: vec![size, size], found: vec![size, row.len()] });
        }
        let entry = |row: usize, column: usize| {
            rows.get(row).and_then(|entries| entries.get(column)).copied().unwrap_or_else(S::zero)
        };
        for row in 0..size {
            // Numbers that are not finite are left to the decomposition, which names them as what they are.
            let differs = |&column: &usize| entry(row, column).is_finite() && entry(row, column) != entry(column, row);
            if let Some(column) = (0..row).find(differs) {
                return Err(Error::AsymmetricMatrix { row, column });
            }
        }
        let factors = Ldl::new(size, S::ROUNDOFF, entry)?;
        Ok(Self { rows, factors })
    }

    /// The metric with these numbers on the diagonal, and zeros elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::IndefiniteMatrix`].
    ///
    /// ```
    /// assert_eq!(ambient_metric::Dense::diagonal(&[2.0, 4.0])?.determinant(), 8.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn diagonal(diagonal: &[S]) -> Result<Self, Error> {
        let entry = |row, column, value| if row == column { value } else { S::zero() };
        let row = |(row, &value): (usize, &S)| (0..diagonal.len()).map(|column| entry(row, column, value)).collect();
        Self::new(diagonal.iter().enumerate().map(row).collect())
    }

    /// The matrix, row after row.
    #[must_use]
    pub fn rows(&self) -> &[Vec<S>] {
        &self.rows
    }

    /// det γ: the product of the pivots, so exact over a field.
    #[must_use]
    pub fn determinant(&self) -> S {
        self.factors.determinant()
    }

    /// A tensor like `source` whose elements, in layout order, are a function of those of `source`.
    fn map<T: Tensor<Element: Element<Wide = S>>>(
        layout: &Layout,
        source: &T,
        f: impl FnOnce(Vec<S>) -> Vec<S>,
    ) -> Result<T, Error> {
        layout.check(source.layout())?;
        let parts = layout.parts();
        let mut elements = Vec::with_capacity(layout.elements());
        for part in 0..parts.len() {
            elements.extend(source.read(part)?.into_iter().map(Element::widen));
        }
        let mut results = f(elements).into_iter().map(T::Element::narrow);
        let mut mapped = source.zeros_like()?;
        for (index, part) in parts.iter().enumerate() {
            mapped.write(index, &results.by_ref().take(part.elements()).collect::<Vec<_>>())?;
        }
        Ok(mapped)
    }
}

/// What a [`Dense`] metric remembers: the layout of the parameters.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Dense};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Dense::diagonal(&[1.0, 2.0])?.begin(&Parameters::from(array![0.0_f32, 0.0]))?;
/// assert_eq!(state.layout().elements(), 2);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct DenseState<T> {
    layout: Layout,
    /// Says for which tensors the metric was begun.
    tensor: PhantomData<fn() -> T>,
}

impl<T> Clone for DenseState<T> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), tensor: PhantomData }
    }
}

impl<T> DenseState<T> {
    /// The layout of the parameters.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl<S: Element<Wide = S>, T: Tensor<Element: Element<Wide = S>>> BaseMetric<T> for Dense<S> {
    type State = DenseState<T>;

    fn begin(&self, parameters: &T) -> Result<DenseState<T>, Error> {
        let (layout, size) = (parameters.layout(), self.rows.len());
        if layout.elements() != size {
            let name = "all parts together".to_owned();
            return Err(Error::Shape { name, expected: vec![size], found: vec![layout.elements()] });
        }
        Ok(DenseState { layout: layout.clone(), tensor: PhantomData })
    }

    fn update(&self, state: &mut DenseState<T>, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)
    }

    fn raise(&self, state: &DenseState<T>, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        Ok(Vector(Self::map(&state.layout, &covector.0, |x| self.factors.solve(x))?))
    }

    fn lower(&self, state: &DenseState<T>, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        Ok(Covector(Self::map(&state.layout, &vector.0, |v| self.rows.iter().map(|row| dot(row, &v)).collect())?))
    }

    fn log_determinant(&self, _state: &DenseState<T>) -> Result<S, Error> {
        Ok(self.factors.log_determinant())
    }

    /// There is nothing: γ is part of the configuration.
    fn record(&self, _state: &mut DenseState<T>, _entries: &mut Entries<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// As its rows, which are decomposed again.
#[cfg(feature = "serde")]
impl<S: Element + serde::Serialize> serde::Serialize for Dense<S> {
    fn serialize<W: serde::Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        self.rows.serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de, S: Element + serde::Deserialize<'de>> serde::Deserialize<'de> for Dense<S> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
