//! The eigenbases of the moments of rows and columns.

use std::sync::Arc;

use crate::base::factored::damped;
use crate::base::sides::{moments, multiple, require_every};
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::{Field, Real};
use crate::space::matrix::{MatrixPart, SpectralMatrix, WideOf};
use crate::space::record::Entries;

/// How the eigenbases of a matrix are made of its gradients.
#[derive(Debug)]
pub(crate) struct Turning {
    /// The decay β of both moments.
    pub(crate) beta: f64,
    /// Both begin as the first number times the unit matrix, and take gradients through the roots of each other, the second number added to eigenvalues. Where
    /// there are none, moments begin at zero and take gradients as they are.
    pub(crate) whitening: Option<[f64; 2]>,
    /// After how many of its gradients the eigenbases of a matrix are taken again.
    pub(crate) every: u64,
}

/// What is remembered of one matrix, which counts its own gradients.
#[derive(Debug)]
pub(crate) struct Eigenbases<M> {
    pub(crate) moments: [Arc<M>; 2],
    pub(crate) bases: [Arc<M>; 2],
    /// (A + ε)^(−1/2) and (B + ε)^(−1/2), where moments take gradients through them.
    roots: Option<[Arc<M>; 2]>,
    seen: u64,
}

impl Turning {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        if let Some([start, epsilon]) = self.whitening {
            require_positive("start", start)?;
            require_positive("factor_epsilon", epsilon)?;
        }
        require_every(self.every)
    }

    /// The unit matrix for both bases.
    pub(crate) fn begin<M: MatrixPart>(&self, matrix: &M) -> Result<Eigenbases<M>, Error> {
        let constant = <WideOf<M> as Field>::constant;
        let both = |scale: WideOf<M>| {
            Ok::<_, Error>([multiple(matrix, matrix.rows(), scale)?, multiple(matrix, matrix.columns(), scale)?])
        };
        let root = |[start, epsilon]: [f64; 2]| both((constant(start) + constant(epsilon)).power(-0.5));
        let moments = both(constant(self.whitening.map_or(0.0, |[start, _]| start)))?;
        Ok(Eigenbases { moments, bases: both(constant(1.0))?, roots: self.whitening.map(root).transpose()?, seen: 0 })
    }

    /// The bases for a gradient, and the moments with it. (In its own eigenbases a gradient is diagonal, and beside that there is but what rounding
    /// leaves, which a metric would make as long as the rest.)
    pub(crate) fn observed<M: SpectralMatrix>(
        &self,
        Eigenbases { moments: past, bases, roots, seen }: &Eigenbases<M>,
        gradient: &M,
    ) -> Result<Eigenbases<M>, Error> {
        let [rows, columns] = past.each_ref().map(Arc::as_ref);
        let is_due = seen.checked_sub(1).is_some_and(|seen| seen.is_multiple_of(self.every.max(1)));
        let (mut bases, mut roots) = (bases.clone(), roots.clone());
        if is_due {
            bases = [Arc::new(rows.eigenvectors()?), Arc::new(columns.eigenvectors()?)];
        }
        if is_due && let Some([_, epsilon]) = self.whitening {
            let root = |moment: &M| {
                let [root] = moment.of_eigenvalues(|values| {
                    let damped = damped::<M::Element>(values, Field::one(), epsilon);
                    Ok([damped.into_iter().map(|value| value.power(-0.5)).collect()])
                })?;
                Ok::<_, Error>(Arc::new(root))
            };
            roots = Some([root(rows)?, root(columns)?]);
        }
        let through = roots.as_ref().map(|roots| roots.each_ref().map(Arc::as_ref));
        let moments = moments([rows, columns], gradient, through, [self.beta, 1.0 - self.beta])?;
        Ok(Eigenbases { moments, bases, roots, seen: seen.saturating_add(1) })
    }
}

impl<M: MatrixPart> Eigenbases<M> {
    pub(crate) fn recorded(&self, parameter: &str, entries: &mut Entries<'_>) -> Result<Self, Error> {
        let mut pair = |name: &str, [rows, columns]: &[Arc<M>; 2]| {
            Ok::<_, Error>([
                entries.within("rows").shared_matrix(parameter, name, rows)?,
                entries.within("columns").shared_matrix(parameter, name, columns)?,
            ])
        };
        let (moments, bases) = (pair("moment", &self.moments)?, pair("basis", &self.bases)?);
        let roots = self.roots.as_ref().map(|roots| pair("root", roots)).transpose()?;
        let mut seen = self.seen;
        entries.within("seen").count(parameter, &mut seen)?;
        Ok(Self { moments, bases, roots, seen })
    }
}
