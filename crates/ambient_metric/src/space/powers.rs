//! The powers μᵗ by which what starts at zero is corrected: one for every part, since each counts its own steps.

use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::kernel::Uniforms;
use crate::space::layout::Layout;
use crate::space::record::Entries;
use crate::space::selection::{Selection, place_each, select_each};

/// μᵗ of every part.
#[derive(Clone, Debug)]
pub(crate) struct Powers<S>(Vec<S>);

/// What belongs to every part: once where it is the same for all.
pub(crate) struct PerPart<U> {
    pub(crate) groups: Vec<U>,
    pub(crate) group_of_part: Vec<usize>,
}

impl<S: Element> Powers<S> {
    /// Before any step.
    pub(crate) fn begin(layout: &Layout) -> Self {
        Self(vec![S::one(); layout.parts().len()])
    }

    /// One more step of all parts with this decay.
    pub(crate) fn count(&mut self, decay: f64) {
        for power in &mut self.0 {
            *power = (*power * S::constant(decay)).flushed();
        }
    }

    /// Whether that of any part is so.
    pub(crate) fn any(&self, is: impl Fn(S) -> bool) -> bool {
        self.0.iter().copied().any(is)
    }

    /// What follows from the power of every part.
    pub(crate) fn per_part<U>(&self, of: impl Fn(S) -> U) -> PerPart<U> {
        let first = self.0.first().copied().unwrap_or_else(S::one);
        if self.0.iter().all(|power| *power == first) {
            return PerPart { groups: vec![of(first)], group_of_part: vec![0; self.0.len()] };
        }
        PerPart { groups: self.0.iter().copied().map(of).collect(), group_of_part: (0..self.0.len()).collect() }
    }

    /// Those of a selection.
    pub(crate) fn select(&self, selection: &Selection) -> Result<Self, Error> {
        select_each(&self.0, selection.parts()).map(Self)
    }

    /// With those of a selection replaced.
    pub(crate) fn placed(&self, selection: &Selection, selected: &Self) -> Result<Self, Error> {
        place_each(&self.0, selection.parts(), &selected.0).map(Self)
    }

    /// Hands them to a checkpoint, each with its part.
    pub(crate) fn record(&mut self, layout: &Layout, entries: &mut Entries<'_>) -> Result<(), Error> {
        let mut powers = entries.within("power");
        layout.parts().iter().zip(&mut self.0).try_for_each(|(part, power)| powers.number(&part.name, power))
    }
}

impl<U: Clone> PerPart<U> {
    /// One for every part.
    pub(crate) fn apart(self, parts: usize) -> Self {
        let of_part = |part: usize| self.group_of_part.get(part).and_then(|&group| self.groups.get(group)).cloned();
        Self { groups: (0..parts).filter_map(of_part).collect(), group_of_part: (0..parts).collect() }
    }
}

impl<U> PerPart<U> {
    /// For a pass.
    pub(crate) fn uniforms(&self) -> Uniforms<'_, U> {
        Uniforms { groups: &self.groups, group_of_part: &self.group_of_part }
    }
}
