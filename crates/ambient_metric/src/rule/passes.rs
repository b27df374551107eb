//! The passes of a rule as values.

use crate::error::Error;
use crate::number::bundle::{Bundle, from_slice};
use crate::number::scalar::Field;
use crate::rule::rule::{Advance, Evaluate, Measure, MeasuredBy, PassOf, Rule};
use crate::space::kernel::Uniforms;
use crate::space::prepared::{Compiled, PreparedSum, PreparedUpdate};
use crate::space::tensor::{Operands, Tensor, Wide};

/// Acts 1 and 3 of a rule over tensors, as values: what [`Rule::passes`] answers for a rule that was chosen at run time.
#[derive(Debug)]
pub struct Passes<T: Tensor> {
    measure: Box<dyn PreparedSum<T>>,
    advance: Box<dyn PreparedUpdate<T>>,
    /// Of a rule that is to be evaluated elsewhere.
    evaluate: Option<Box<dyn PreparedUpdate<T>>>,
    counts: Counts,
    /// Uniforms and totals on their way, kept so that a step allocates nothing.
    uniforms: Vec<Wide<T>>,
    totals: Vec<Wide<T>>,
}

/// How many numbers the acts hand to each other.
#[derive(Clone, Copy, Debug)]
struct Counts {
    memory: usize,
    corrections: usize,
    multipliers: usize,
    /// With that of the squares of the gradients.
    sums: usize,
}

impl Counts {
    fn of<R: Rule>(_rule: &R) -> Self {
        Self {
            memory: <R::Memory<f64> as Bundle<f64>>::LEN,
            corrections: <R::Corrections<f64> as Bundle<f64>>::LEN,
            multipliers: <R::Multipliers<f64> as Bundle<f64>>::LEN,
            sums: <MeasuredBy<R, f64> as Bundle<f64>>::LEN,
        }
    }
}

impl<T: Tensor> Clone for Passes<T> {
    fn clone(&self) -> Self {
        let Self { measure, advance, evaluate, counts, uniforms, totals } = self;
        Self {
            measure: measure.duplicate(),
            advance: advance.duplicate(),
            evaluate: evaluate.as_ref().map(|pass| pass.duplicate()),
            counts: *counts,
            uniforms: uniforms.clone(),
            totals: totals.clone(),
        }
    }
}

impl<T: Tensor> Passes<T> {
    /// Those of a rule, compiled for these tensors.
    #[must_use]
    pub fn compiled<R: Rule + Send + 'static>(rule: &R) -> Self {
        let (measure, advance) = (Compiled(Measure(rule.clone())), Compiled(Advance(rule.clone())));
        let evaluate = if const { R::EVALUATES_ELSEWHERE } {
            Some(Box::new(Compiled(Evaluate(rule.clone()))) as Box<dyn PreparedUpdate<T>>)
        } else {
            None
        };
        Self::of(rule, Box::new(measure), Box::new(advance), evaluate)
    }

    /// Those of a rule, as the backend prepares them.
    ///
    /// # Errors
    ///
    /// As [`Tensor::prepare_sum`].
    pub fn prepared<R: Rule + Send + 'static>(rule: &R) -> Result<Self, Error> {
        let (measure, advance) = (T::prepare_sum(&Measure(rule.clone()))?, T::prepare_update(&Advance(rule.clone()))?);
        let evaluate =
            if const { R::EVALUATES_ELSEWHERE } { Some(T::prepare_update(&Evaluate(rule.clone()))?) } else { None };
        Ok(Self::of(rule, measure, advance, evaluate))
    }

    fn of<R: Rule>(
        rule: &R,
        measure: Box<dyn PreparedSum<T>>,
        advance: Box<dyn PreparedUpdate<T>>,
        evaluate: Option<Box<dyn PreparedUpdate<T>>>,
    ) -> Self {
        Self { measure, advance, evaluate, counts: Counts::of(rule), uniforms: Vec::new(), totals: Vec::new() }
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

    /// The evaluation point, into what is a copy of the parameters.
    pub(crate) fn evaluate<R: Rule>(
        &self,
        memory: Uniforms<'_, R::Memory<Wide<T>>>,
        parameters: &mut T,
        state: &[&T],
    ) -> Result<(), Error> {
        let Some(pass) = &self.evaluate else { return Ok(()) };
        let uniforms: Vec<Wide<T>> =
            memory.groups.iter().flat_map(|group| group.scalars().take(self.counts.memory)).collect();
        pass.duplicate().update(&uniforms, memory.group_of_part, parameters, &mut [], state)
    }
}
