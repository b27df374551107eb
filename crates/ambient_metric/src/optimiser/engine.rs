//! Engines: who carries out the steps of an optimiser.

use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::optimiser::checkpoint::Checkpoint;
use crate::optimiser::configuration::{Configuration, Groups, Setting};
use crate::optimiser::report::Report;
use crate::space::layout::Layout;
use crate::space::selection::Selection;
use crate::space::selection::Separable;
use crate::space::tensor::{Covector, Tensor, Wide};

/// Who carries out the steps of a rule `R` on tensors `T`, and owns all that steps change but the parameters.
///
/// [`Fused`](crate::optimiser::Fused) runs the three acts of a [`Rule`](crate::Rule) in passes over memory, [`Whole`](crate::optimiser::Whole) a descent over any base
/// metric on whole tensors; a backend may have one of its own, such as one that enqueues kernels on a device. An
/// [`Optimiser`](crate::Optimiser) has one beneath it; rates, groups, checks and checkpoints are the optimiser's, and the same for every engine.
///
/// # Requirements
///
/// Where a function returns an error, engine and parameters are as they were, bit for bit. The optimiser has compared layouts and counted gradients
/// and losses before it calls [`step`](Self::step).
///
/// # Errors
///
/// Those that the functions of [`Optimiser`](crate::Optimiser) list.
pub trait Engine<R, T: Tensor>: Sized {
    /// One number for every loss.
    type PerLoss<S: Real>: Bundle<S>;
    /// A loss, as a step is given it: a number, unless the engine knows other places for it.
    type Loss<'l>: Copy + From<Wide<T>>;
    /// What a step answers: a report, unless the engine does not wait for the step to end.
    type Answer;
    /// The same for the first loss alone, in plain numbers.
    type First;
    /// What it shows of its state.
    type State: ?Sized;

    /// How many losses the rule descends.
    #[inline(always)]
    fn losses(configuration: &Configuration<R>) -> usize {
        let _ = configuration;
        <Self::PerLoss<f64> as Bundle<f64>>::LEN
    }

    /// The configuration checked, and its groups as they apply to parameters of this layout.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build`].
    fn resolve(configuration: &Configuration<R>, layout: &Layout) -> Result<Groups, Error>;

    /// The engine before its first step, or after `steps` steps with a state that [`load`](Self::load) will fill in.
    ///
    /// # Errors
    ///
    /// As [`Configuration::build`].
    fn begin(setting: Setting<'_, R>, parameters: &T, steps: u64) -> Result<Self, Error>;

    /// One step.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::step_losses`](crate::Optimiser::step_losses).
    fn step(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Self::Loss<'_>],
    ) -> Result<Self::Answer, Error>;

    /// One step in which only what is selected has a gradient. Where it leaves other groups behind, because parts that missed it count their steps
    /// apart from the others, it answers with these, too.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::step_losses_without`](crate::Optimiser::step_losses_without).
    fn step_without(
        &mut self,
        setting: Setting<'_, R>,
        parameters: &mut T,
        gradients: &[&Covector<T>],
        losses: &[Self::Loss<'_>],
        selection: &Selection,
    ) -> Result<(Self::Answer, Option<Groups>), Error>
    where
        T: Separable;

    /// Takes in an observation of the metric's own, of which the optimiser has checked layouts and numbers.
    ///
    /// # Errors
    ///
    /// [`Error::ObservesNothing`], [`Error::Overflow`], and where the backend fails.
    fn observe(&mut self, setting: Setting<'_, R>, examples: &[&Covector<T>]) -> Result<(), Error>;

    /// An answer for the first loss alone.
    fn first(answer: Self::Answer) -> Self::First;

    /// How many steps have been taken.
    ///
    /// # Errors
    ///
    /// Where a device fails.
    fn steps(&self) -> Result<u64, Error>;

    /// The report of every group in the last step that was taken.
    ///
    /// # Errors
    ///
    /// Where a device fails.
    #[allow(clippy::type_complexity, reason = "a report for every group")]
    fn reports(&self, groups: &Groups) -> Result<Vec<Report<Wide<T>, Self::PerLoss<Wide<T>>>>, Error>;

    /// Where the loss is to be evaluated, which may be elsewhere than at the parameters that are trained.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn evaluation_point(&self, setting: Setting<'_, R>, parameters: &T) -> Result<T, Error>;

    /// Its state.
    fn state(&self) -> &Self::State;

    /// Replaces a slot of its state by values of the right layout that are finite.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownState`], and where the backend fails.
    fn write_state(&mut self, setting: Setting<'_, R>, slot: &str, values: &T) -> Result<(), Error>;

    /// Everything that is needed to go on later.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be read.
    fn checkpoint(&self, setting: Setting<'_, R>) -> Result<Checkpoint<R>, Error>
    where
        R: Clone;

    /// The configuration of a checkpoint, and its groups as they apply to parameters of this layout: those of the checkpoint, or where it `is_partial`
    /// others of which some may have come and some gone.
    ///
    /// # Errors
    ///
    /// As [`Optimiser::restore`](crate::Optimiser::restore) and [`Optimiser::restore_partial`](crate::Optimiser::restore_partial).
    fn open(checkpoint: &Checkpoint<R>, layout: &Layout, is_partial: bool) -> Result<(Configuration<R>, Groups), Error>
    where
        R: Clone;

    /// Takes up the state of a checkpoint that was opened for this engine.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`], and where the backend fails.
    fn load(&mut self, setting: Setting<'_, R>, checkpoint: &Checkpoint<R>) -> Result<(), Error>;
}
