//! Diagonal metrics in bases that the moments of rows and columns give.

use std::sync::Arc;

use crate::base::eigenbases::Eigenbases;
use crate::base::parted::Parted;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::times;
use crate::error::Error;
use crate::space::matrix::{MatrixTensor, Transpose};

/// What [`Soap`](crate::base::Soap) and [`KlSoap`](crate::base::KlSoap) remember; clones share their matrices.
///
/// # Example
///
/// ```
/// use ambient_metric::BaseMetric;
/// use ambient_metric::base::Soap;
/// use ambient_metric::space::MatrixPart;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Soap::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// let [rows, columns] = state.bases(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!((rows.rows(), columns.rows()), (1, 2));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct SoapState<T: MatrixTensor> {
    /// Of the metric in the eigenbases.
    pub(crate) inside: PointwiseState<T, ()>,
    pub(crate) turns: Parted<T, Eigenbases<T::Matrix>>,
}

impl<T: MatrixTensor> Clone for SoapState<T> {
    fn clone(&self) -> Self {
        Self { inside: self.inside.clone(), turns: self.turns.clone() }
    }
}

impl<T: MatrixTensor> SoapState<T> {
    /// P and Q of a part.
    #[must_use]
    pub fn bases(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        Some(self.turns.get(part)?.bases.each_ref().map(Arc::as_ref))
    }

    /// The moments of the rows and of the columns of a part.
    #[must_use]
    pub fn moments(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        Some(self.turns.get(part)?.moments.each_ref().map(Arc::as_ref))
    }

    /// The state of the diagonal metric in the eigenbases.
    #[must_use]
    pub fn inside(&self) -> &PointwiseState<T, ()> {
        &self.inside
    }

    /// PᵀxQ.
    pub(crate) fn enter(&self, x: &T) -> Result<T, Error> {
        self.turned(x, [Transpose::Yes, Transpose::No])
    }

    /// PxQᵀ.
    pub(crate) fn leave(&self, x: &T) -> Result<T, Error> {
        self.turned(x, [Transpose::No, Transpose::Yes])
    }

    fn turned(&self, x: &T, transposes: [Transpose; 2]) -> Result<T, Error> {
        self.turns.mapped(x, |kept, x| times(x, kept.bases.each_ref().map(Arc::as_ref), transposes))
    }
}

/// The base metric of a type that has a `turning` around any diagonal metric.
macro_rules! turned {
    ($metric:ident) => {
        const _: () = {
            use $crate::base::base_metric::{BaseMetric, DiagonalMetric, check_diagonal};
            use $crate::base::eigenbases::Eigenbases;
            use $crate::base::parted::Parted;
            use $crate::base::sides::require_matrices;
            use $crate::base::turned::SoapState;
            use $crate::space::matrix::{MatrixTensor, SpectralMatrix};
            use $crate::space::record::Entries;
            use $crate::space::selection::{Selection, Separable};
            use $crate::space::tensor::{Covector, Vector, Wide};

            impl<M: DiagonalMetric> $metric<M> {
                /// Accepts its constants.
                pub(crate) fn validate(&self) -> Result<(), Error> {
                    check_diagonal(&self.metric)?;
                    self.turning().validate()
                }
            }

            impl<T: MatrixTensor<Matrix: SpectralMatrix>, M: DiagonalMetric> BaseMetric<T> for $metric<M> {
                type State = SoapState<T>;

                fn is_metric(&self) -> bool {
                    DiagonalMetric::is_metric(&self.metric)
                }

                fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
                    self.validate()?;
                    require_matrices(stringify!($metric), parameters.layout())?;
                    let turns = Parted::of_matrices(parameters, |matrix| self.turning().begin(matrix))?;
                    Ok(SoapState { inside: BaseMetric::begin(&self.metric, parameters)?, turns })
                }

                fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
                    let of = |kept: &_, index| self.turning().observed(kept, &gradient.0.matrix(index)?);
                    let turns = state.turns.observed(gradient, of)?;
                    let mut next = SoapState { inside: state.inside.clone(), turns };
                    let turned = Covector(next.enter(&gradient.0)?);
                    self.metric.update(&mut next.inside, &turned)?;
                    *state = next;
                    Ok(())
                }

                fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
                where
                    T: Separable,
                {
                    let turns = state.turns.select(selection, || stringify!($metric).to_owned())?;
                    Ok(SoapState { inside: self.metric.select(&state.inside, selection)?, turns })
                }

                fn place(
                    &self,
                    state: &mut Self::State,
                    selection: &Selection,
                    selected: &Self::State,
                ) -> Result<(), Error>
                where
                    T: Separable,
                {
                    let turns = state.turns.placed(selection, &selected.turns)?;
                    self.metric.place(&mut state.inside, selection, &selected.inside)?;
                    state.turns = turns;
                    Ok(())
                }

                fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
                    let turned = Covector(state.enter(&covector.0)?);
                    state.leave(&BaseMetric::raise(&self.metric, &state.inside, &turned)?.0).map(Vector)
                }

                fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
                    let turned = Vector(state.enter(&vector.0)?);
                    state.leave(&BaseMetric::lower(&self.metric, &state.inside, &turned)?.0).map(Covector)
                }

                fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
                    BaseMetric::log_determinant(&self.metric, &state.inside)
                }

                fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
                    state.turns.record(entries, Eigenbases::recorded)?;
                    BaseMetric::<T>::record(&self.metric, &mut state.inside, &mut entries.within("inside"))
                }
            }
        };
    };
}

pub(crate) use turned;
