//! Metrics with one factor for the rows of a matrix and one for its columns.

use std::sync::Arc;

use crate::base::sides::{moment, multiply, of_matrices, require_every, require_matrices};
use crate::error::{Error, require_positive};
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::Layout;
use crate::space::matrix::{MatrixPart, MatrixTensor, SpectralMatrix, Transpose, WideOf, scaled_identity};
use crate::space::record::Entries;
use crate::space::tensor::{Covector, Wide, find_non_finite};

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
#[derive(Debug)]
pub struct KroneckerState<T: MatrixTensor> {
    pub(crate) layout: Layout,
    /// Per part; a part without elements has none.
    pub(crate) parts: Vec<Option<Factors<T::Matrix>>>,
}

/// What is remembered of one matrix, which counts its own gradients.
#[derive(Debug)]
pub(crate) struct Factors<M: MatrixPart> {
    pub(crate) sides: [Side<M>; 2],
    /// βᵗ.
    pub(crate) power: WideOf<M>,
    pub(crate) seen: u64,
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

    pub(crate) fn record(&mut self, entries: &mut Entries<'_>) -> Result<(), Error> {
        for (part, sides) in self.layout.parts().iter().zip(&mut self.parts) {
            let Some(Factors { sides: [rows, columns], power, seen }) = sides else { continue };
            rows.record(&part.name, &mut entries.within("rows"))?;
            columns.record(&part.name, &mut entries.within("columns"))?;
            entries.within("power").number(&part.name, power)?;
            entries.within("seen").count(&part.name, seen)?;
        }
        Ok(())
    }

    /// A source multiplied from both sides.
    pub(crate) fn multiply(&self, source: &T, factor: impl Fn(&Roots<T::Matrix>) -> &T::Matrix) -> Result<T, Error> {
        self.layout.check(source.layout())?;
        multiply(source, &self.parts, [Transpose::No; 2], |part| part.sides.each_ref().map(|side| factor(&side.roots)))
    }
}

/// One of the two factors.
#[derive(Debug)]
pub(crate) struct Side<M: MatrixPart> {
    pub(crate) moment: Arc<M>,
    pub(crate) roots: Arc<Roots<M>>,
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
pub(crate) struct Roots<M: MatrixPart> {
    /// (A + ε)^p.
    pub(crate) root: M,
    /// (A + ε)^(−p).
    pub(crate) inverse: M,
    /// ln det(A + ε).
    log_determinant: WideOf<M>,
}

impl Factoring {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_positive("epsilon", self.epsilon)?;
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

    pub(crate) fn roots<M: SpectralMatrix>(&self, moment: &M, correction: WideOf<M>) -> Result<Roots<M>, Error> {
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

    /// The factor before any gradient.
    fn side<M: MatrixPart>(&self, like: &M, side: usize) -> Result<Side<M>, Error> {
        let start = <WideOf<M> as Field>::constant(self.start);
        let damped = start + Field::constant(self.epsilon);
        let multiple = |scale| like.like(side, side, &scaled_identity::<M::Element>(side, scale));
        let roots = Roots {
            root: multiple(damped.power(self.exponent))?,
            inverse: multiple(damped.power(-self.exponent))?,
            log_determinant: <WideOf<M> as Field>::constant(side as f64) * damped.ln(),
        };
        Ok(Side { moment: Arc::new(multiple(start)?), roots: Arc::new(roots) })
    }

    pub(crate) fn begin<T: MatrixTensor>(&self, metric: &str, parameters: &T) -> Result<KroneckerState<T>, Error> {
        let layout = parameters.layout();
        require_matrices(metric, layout)?;
        let parts = of_matrices(parameters, |matrix| {
            let sides = [self.side(matrix, matrix.rows())?, self.side(matrix, matrix.columns())?];
            Ok(Factors { sides, power: Field::one(), seen: 0 })
        })?;
        Ok(KroneckerState { layout: layout.clone(), parts })
    }

    /// The factors with one more gradient, from those before it.
    fn observe<M: SpectralMatrix>(&self, factors: &mut Factors<M>, gradient: &M) -> Result<(), Error> {
        let Factors { sides, power, seen } = factors;
        *power = Field::flushed(*power * Field::constant(self.correction));
        let one = <WideOf<M> as Field>::one();
        let correction = one / (one - *power);
        let is_due = seen.is_multiple_of(self.every.max(1));
        *seen = seen.saturating_add(1);
        let [rows, columns] = [&sides[0].roots.inverse, &sides[1].roots.inverse];
        let whitened = if self.whitens {
            let no = Transpose::No;
            Some([gradient.product(no, columns, no)?, rows.product(no, gradient, no)?])
        } else {
            None
        };
        let [kept, fresh] = self.weights;
        let transposes = [Transpose::No, Transpose::Yes];
        for (index, (side, transpose)) in sides.iter_mut().zip(transposes).enumerate() {
            let (seen, count) = match &whitened {
                None => (gradient, 1),
                Some([by_columns, _]) if index == 0 => (by_columns, gradient.columns()),
                Some([_, by_rows]) => (by_rows, gradient.rows()),
            };
            side.moment = Arc::new(moment(&*side.moment, seen, transpose, [kept, fresh / count as f64])?);
            if is_due {
                side.roots = Arc::new(self.roots(&*side.moment, correction)?);
            }
        }
        Ok(())
    }

    pub(crate) fn update<T: MatrixTensor<Matrix: SpectralMatrix>>(
        &self,
        state: &mut KroneckerState<T>,
        gradient: &Covector<T>,
    ) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let mut parts = state.parts.clone();
        for (index, factors) in parts.iter_mut().enumerate() {
            if let Some(factors) = factors {
                self.observe(factors, &gradient.0.matrix(index)?)?;
            }
        }
        state.parts = parts;
        Ok(())
    }

    pub(crate) fn log_determinant<T: MatrixTensor>(&self, state: &KroneckerState<T>) -> Wide<T> {
        let mut total = <Wide<T> as Field>::zero();
        for Factors { sides: [rows, columns], .. } in state.parts.iter().flatten() {
            let times = |count: usize, side: &Side<T::Matrix>| {
                <Wide<T> as Field>::constant(count as f64) * side.roots.log_determinant
            };
            total = total + times(columns.moment.rows(), rows) + times(rows.moment.rows(), columns);
        }
        <Wide<T> as Field>::constant(self.exponent) * total
    }
}

/// The base metric of a type that has a `factoring` and says whether its constants are in range. How it learns may follow in braces.
macro_rules! factored {
    ($metric:ident) => {
        factored!($metric {
            fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
                self.factoring().update(state, gradient)
            }
        });
    };
    ($metric:ident { $($learns:tt)+ }) => {
        const _: () = {
            use $crate::base::base_metric::BaseMetric;
            use $crate::base::factored::KroneckerState;
            use $crate::space::matrix::{MatrixTensor, SpectralMatrix};
            use $crate::space::record::Entries;
            use $crate::space::selection::{Selection, Separable, place_each, select_each};
            use $crate::space::tensor::{Covector, Vector, Wide};

            impl<T: MatrixTensor<Matrix: SpectralMatrix>> BaseMetric<T> for $metric {
                type State = KroneckerState<T>;

                fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
                    self.validate()?;
                    self.factoring().begin(stringify!($metric), parameters)
                }

                $($learns)+

                fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
                where
                    T: Separable,
                {
                    let parts = selection.whole_parts(|| stringify!($metric).to_owned())?;
                    let parts = select_each(&state.parts, parts)?;
                    Ok(KroneckerState { layout: selection.layout().clone(), parts })
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
                    Ok(self.factoring().log_determinant(state))
                }

                fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
                    state.record(entries)
                }
            }
        };
    };
}

pub(crate) use factored;
