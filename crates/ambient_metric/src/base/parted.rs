//! What a metric remembers of every part by itself.

use core::marker::PhantomData;
use std::sync::Arc;

use crate::error::Error;
use crate::space::layout::{Layout, Part};
use crate::space::matrix::MatrixTensor;
use crate::space::record::Entries;
use crate::space::selection::{Selection, place_each, select_each};
use crate::space::tensor::{Covector, find_non_finite};

/// What is remembered of every part by itself; clones share it. A part without elements has nothing.
///
/// It is the state of [`Kronecker`](crate::Kronecker), [`KlShampoo`](crate::base::KlShampoo) and [`Psgd`](crate::base::Psgd), which say what they remember.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Kronecker};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Kronecker::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// assert_eq!(state.layout().names(), ["theta"]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct Parted<T, P> {
    layout: Layout,
    parts: Vec<Option<Arc<P>>>,
    /// Whose matrices they are.
    tensor: PhantomData<fn() -> T>,
}

impl<T, P> Clone for Parted<T, P> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), parts: self.parts.clone(), tensor: PhantomData }
    }
}

impl<T: MatrixTensor, P> Parted<T, P> {
    /// What is remembered at first.
    pub(crate) fn begin(layout: &Layout, of: impl Fn(usize, &Part) -> Result<P, Error>) -> Result<Self, Error> {
        let of_part = |(index, part): (usize, &Part)| {
            if part.elements() == 0 { Ok(None) } else { of(index, part).map(|kept| Some(Arc::new(kept))) }
        };
        let parts = layout.parts().iter().enumerate().map(of_part).collect::<Result<_, Error>>()?;
        Ok(Self { layout: layout.clone(), parts, tensor: PhantomData })
    }

    /// What is remembered at first of parts that are matrices.
    pub(crate) fn of_matrices(parameters: &T, of: impl Fn(&T::Matrix) -> Result<P, Error>) -> Result<Self, Error> {
        Self::begin(parameters.layout(), |index, _| of(&parameters.matrix(index)?))
    }

    /// The layout that it was begun for.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is remembered of a part.
    pub(crate) fn get(&self, part: usize) -> Option<&P> {
        self.parts.get(part)?.as_deref()
    }

    /// What is remembered, with the numbers of the parts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &P)> {
        self.parts.iter().enumerate().filter_map(|(index, kept)| Some((index, kept.as_deref()?)))
    }

    /// With a gradient, which has to be finite.
    pub(crate) fn observed(
        &self,
        gradient: &Covector<T>,
        of: impl Fn(&P, usize) -> Result<P, Error>,
    ) -> Result<Self, Error> {
        self.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        self.renewed(of)
    }

    /// With what is remembered made anew of every part.
    pub(crate) fn renewed(&self, of: impl Fn(&P, usize) -> Result<P, Error>) -> Result<Self, Error> {
        let of_part = |(index, kept): (usize, &Option<Arc<P>>)| {
            kept.as_ref().map(|kept| of(kept, index).map(Arc::new)).transpose()
        };
        let parts = self.parts.iter().enumerate().map(of_part).collect::<Result<_, Error>>()?;
        Ok(Self { layout: self.layout.clone(), parts, tensor: PhantomData })
    }

    /// A tensor whose matrices went through a function of what is remembered of them.
    pub(crate) fn mapped(
        &self,
        source: &T,
        of: impl Fn(&P, &T::Matrix) -> Result<T::Matrix, Error>,
    ) -> Result<T, Error> {
        self.layout.check(source.layout())?;
        let mut mapped = source.duplicate()?;
        for (index, kept) in self.iter() {
            mapped.set_matrix(index, &of(kept, &source.matrix(index)?)?)?;
        }
        Ok(mapped)
    }

    pub(crate) fn select(&self, selection: &Selection, metric: impl FnOnce() -> String) -> Result<Self, Error> {
        let parts = select_each(&self.parts, selection.whole_parts(metric)?)?;
        Ok(Self { layout: selection.layout().clone(), parts, tensor: PhantomData })
    }

    pub(crate) fn placed(&self, selection: &Selection, selected: &Self) -> Result<Self, Error> {
        let parts = place_each(&self.parts, selection.parts(), &selected.parts)?;
        Ok(Self { layout: self.layout.clone(), parts, tensor: PhantomData })
    }

    /// Hands what is remembered of each part over, with the name of the part; `of` answers with what is remembered then.
    pub(crate) fn record(
        &mut self,
        entries: &mut Entries<'_>,
        of: impl Fn(&P, &str, &mut Entries<'_>) -> Result<P, Error>,
    ) -> Result<(), Error> {
        for (part, kept) in self.layout.parts().iter().zip(&mut self.parts) {
            if let Some(kept) = kept {
                *kept = Arc::new(of(kept, &part.name, entries)?);
            }
        }
        Ok(())
    }
}
