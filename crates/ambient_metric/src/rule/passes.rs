//! The passes of a rule as values.

use std::sync::Arc;

use crate::error::Error;
use crate::number::bundle::{Bundle, from_slice};
use crate::number::scalar::Field;
use crate::rule::rule::{Advance, Measure, MeasuredBy, PassOf, Rule};
use crate::space::kernel::Uniforms;
use crate::space::prepared::{Compiled, PreparedSum, PreparedUpdate};
use crate::space::tensor::{Operands, Tensor, Wide};

/// Acts 1 and 3 of a rule over tensors, as values: what [`Rule::passes`] answers for a rule that was chosen at run time.
#[derive(Debug)]
pub struct Passes<T: Tensor> {
    measure: Box<dyn PreparedSum<T>>,
    advance: Box<dyn PreparedUpdate<T>>,
    counts: Counts,
    /// Uniforms and totals on their way, kept so that a step allocates nothing.
    uniforms: Vec<Wide<T>>,
    totals: Vec<Wide<T>>,
}

/// How many numbers the acts hand to each other.
#[derive(Clone, Copy, Debug)]
struct Counts {
    corrections: usize,
    multipliers: usize,
    /// With that of the squares of the gradients.
    sums: usize,
}

impl Counts {
    fn of<R: Rule>(_rule: &R) -> Self {
        Self {
            corrections: <R::Corrections<f64> as Bundle<f64>>::LEN,
            multipliers: <R::Multipliers<f64> as Bundle<f64>>::LEN,
            sums: <MeasuredBy<R, f64> as Bundle<f64>>::LEN,
        }
    }
}

impl<T: Tensor> Clone for Passes<T> {
    fn clone(&self) -> Self {
        let Self { measure, advance, counts, uniforms, totals } = self;
        Self {
            measure: measure.duplicate(),
            advance: advance.duplicate(),
            counts: *counts,
            uniforms: uniforms.clone(),
            totals: totals.clone(),
        }
    }
}

impl<T: Tensor> Passes<T> {
    /// Those of a rule, compiled for these tensors.
    #[must_use]
    pub fn compiled<R: Rule + Clone + Send + 'static>(rule: &R) -> Self {
        let shared = Arc::new(rule.clone());
        let (measure, advance) = (Compiled(Measure(Arc::clone(&shared))), Compiled(Advance(shared)));
        Self::of(rule, Box::new(measure), Box::new(advance))
    }

    /// Those of a rule, as the backend prepares them.
    ///
    /// # Errors
    ///
    /// As [`Tensor::prepare_sum`].
    pub fn prepared<R: Rule + Clone + Send + 'static>(rule: &R) -> Result<Self, Error> {
        let shared = Arc::new(rule.clone());
        let measure = T::prepare_sum(&Measure(Arc::clone(&shared)))?;
        Ok(Self::of(rule, measure, T::prepare_update(&Advance(shared))?))
    }

    fn of<R: Rule>(rule: &R, measure: Box<dyn PreparedSum<T>>, advance: Box<dyn PreparedUpdate<T>>) -> Self {
        Self { measure, advance, counts: Counts::of(rule), uniforms: Vec::new(), totals: Vec::new() }
    }
}

impl<T: Tensor> Passes<T> {
    /// Act 1, where the rule's own type has room for as many numbers as the passes need, and perhaps more.
    pub(crate) fn measure<R: Rule>(
        &mut self,
        corrections: Uniforms<'_, R::Corrections<Wide<T>>>,
        operands: Operands<'_, T>,
        totals: &mut [MeasuredBy<R, Wide<T>>],
    ) -> Result<(), Error> {
        self.uniforms.clear();
        for group in corrections.groups {
            self.uniforms.extend(group.scalars().take(self.counts.corrections));
        }
        let each = self.counts.sums;
        self.totals.clear();
        self.totals.resize(each * totals.len(), Field::zero());
        self.measure.sum(&self.uniforms, corrections.group_of_part, operands, &mut self.totals)?;
        for (total, found) in totals.iter_mut().zip(self.totals.chunks_exact(each)) {
            *total = from_slice(found, |&number| number);
        }
        Ok(())
    }

    /// Act 3.
    pub(crate) fn advance<R: Rule>(
        &mut self,
        passes: Uniforms<'_, PassOf<R, Wide<T>>>,
        parameters: &mut T,
        state: &mut [T],
        gradients: &[&T],
    ) -> Result<(), Error> {
        self.uniforms.clear();
        for group in passes.groups {
            self.uniforms.extend(group.corrections.scalars().take(self.counts.corrections));
            self.uniforms.extend(group.multipliers.scalars().take(self.counts.multipliers));
        }
        self.advance.update(&self.uniforms, passes.group_of_part, parameters, state, gradients)
    }
}
