//! Metrics that are made of one matrix at a time.

use crate::error::Error;
use crate::space::matrix::{MatrixPart, WideOf};
use crate::space::record::Entries;

/// A metric that is made of one matrix at a time: γ is block-diagonal, with a block for every part. [`of_matrices`] makes a base metric of it.
pub(crate) trait OfMatrices<M: MatrixPart> {
    /// What is remembered of a matrix.
    type Kept;

    /// Before any gradient.
    fn begin_with(&self, matrix: &M) -> Result<Self::Kept, Error>;

    /// With one more gradient, from what was before it.
    fn observed(&self, kept: &Self::Kept, gradient: &M) -> Result<Self::Kept, Error>;

    /// γ⁻¹x.
    fn raised(&self, kept: &Self::Kept, x: &M) -> Result<M, Error>;

    /// γv.
    fn lowered(&self, kept: &Self::Kept, v: &M) -> Result<M, Error>;

    /// ln det γ.
    fn logarithm(&self, kept: &Self::Kept) -> WideOf<M>;

    /// Hands it to `entries`, and answers with what it is then.
    fn recorded(kept: &Self::Kept, parameter: &str, entries: &mut Entries<'_>) -> Result<Self::Kept, Error>;
}

/// The base metric of a type that is [`OfMatrices`] with these matrices, and says whether its constants are in range. How it learns may follow in braces.
macro_rules! of_matrices {
    ($metric:ident keeps $kept:ident, where $($bound:ident),+) => {
        $crate::base::of_matrices::of_matrices!($metric keeps $kept, where $($bound),+; {
            fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
                let of = |kept: &_, index| self.observed(kept, &gradient.0.matrix(index)?);
                *state = state.observed(gradient, of)?;
                Ok(())
            }
        });
    };
    ($metric:ident keeps $kept:ident, where $($bound:ident),+; { $($learns:tt)+ }) => {
        const _: () = {
            use $crate::base::base_metric::BaseMetric;
            use $crate::base::of_matrices::OfMatrices;
            use $crate::base::parted::Parted;
            use $crate::base::sides::require_matrices;
            use $crate::number::scalar::Field;
            use $crate::space::matrix::MatrixTensor;
            use $crate::space::record::Entries;
            use $crate::space::selection::{Selection, Separable};
            use $crate::space::tensor::{Covector, Vector, Wide};

            impl<T: MatrixTensor<Matrix: $($bound +)+>> BaseMetric<T> for $metric {
                type State = Parted<T, $kept<T::Matrix>>;

                fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
                    self.validate()?;
                    require_matrices(stringify!($metric), parameters.layout())?;
                    Parted::of_matrices(parameters, |matrix| self.begin_with(matrix))
                }

                $($learns)+

                fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
                where
                    T: Separable,
                {
                    state.select(selection, || stringify!($metric).to_owned())
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
                    *state = state.placed(selection, selected)?;
                    Ok(())
                }

                fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
                    state.mapped(&covector.0, |kept, x| self.raised(kept, x)).map(Vector)
                }

                fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
                    state.mapped(&vector.0, |kept, v| self.lowered(kept, v)).map(Covector)
                }

                fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
                    let add = |sum, (_, kept)| sum + OfMatrices::<T::Matrix>::logarithm(self, kept);
                    Ok(state.iter().fold(<Wide<T> as Field>::zero(), add))
                }

                fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
                    state.record(entries, <Self as OfMatrices<T::Matrix>>::recorded)
                }
            }
        };
    };
}

pub(crate) use of_matrices;
