//! Routing: some tensors of a model take one base metric, the rest another.

use std::sync::Arc;

use wildmatch::WildMatch;

use crate::base::base_metric::BaseMetric;
use crate::base::pointwise::check_examples;
use crate::error::Error;
use crate::space::layout::{Layout, Part};
use crate::space::record::Entries;
use crate::space::selection::Separable;
use crate::space::selection::{Selection, placed};
use crate::space::tensor::{Covector, Vector, Wide};

/// Which parts take the first of two metrics.
///
/// A closure over a [`Part`] is a route, too.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{HiddenMatrices, Route};
/// use ambient_metric::space::Part;
///
/// let part = |name: &str, shape: Vec<usize>| Part { name: name.into(), shape };
/// assert!(HiddenMatrices::default().takes(&part("block.0.attention.weight", vec![4, 4])));
/// assert!(!HiddenMatrices::default().takes(&part("token_embedding.weight", vec![65, 4])));
/// let large = |part: &Part| part.elements() > 10;
/// assert!(large.takes(&part("w", vec![4, 4])));
/// ```
pub trait Route {
    /// Whether a part takes the first metric.
    fn takes(&self, part: &Part) -> bool;

    /// Accepts a layout to which the route applies.
    ///
    /// # Errors
    ///
    /// [`Error::GroupMatchesNothing`] for a pattern that names nothing.
    fn check(&self, _layout: &Layout) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Fn(&Part) -> bool> Route for F {
    fn takes(&self, part: &Part) -> bool {
        self(part)
    }
}

/// The paper's route: every tensor with two axes, and nothing else.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{EveryMatrix, Route};
/// use ambient_metric::space::Part;
/// assert!(EveryMatrix.takes(&Part { name: "token_embedding".into(), shape: vec![65, 128] }));
/// assert!(!EveryMatrix.takes(&Part { name: "bias".into(), shape: vec![128] }));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryMatrix;

impl Route for EveryMatrix {
    fn takes(&self, part: &Part) -> bool {
        part.shape.len() == 2
    }
}

/// Hidden weights only: tensors with two axes whose names match none of these patterns of embeddings and heads.
///
/// # Requirements
///
/// Patterns have `*` for any characters and `?` for one. A pattern that matches nothing is no error: the default names more than
/// one model has.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{HiddenMatrices, Route};
/// use ambient_metric::space::Part;
///
/// let route = HiddenMatrices::except(["first.*", "last.*"]);
/// assert!(!route.takes(&Part { name: "last.weight".into(), shape: vec![10, 64] }));
/// assert!(route.takes(&Part { name: "middle.weight".into(), shape: vec![64, 64] }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HiddenMatrices {
    /// Names of embeddings and heads.
    pub exceptions: Vec<String>,
}

known_keys! { HiddenMatrices { exceptions, .. } }

impl HiddenMatrices {
    /// All matrices but those whose names match these patterns.
    pub fn except(exceptions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { exceptions: exceptions.into_iter().map(Into::into).collect() }
    }
}

impl Default for HiddenMatrices {
    /// Names with `embed`, `wte`, `wpe`, `head` or `logits` in one of their segments: a segment `heads` inside an attention is no head.
    fn default() -> Self {
        Self::except([
            "*embed*", "*wte*", "*wpe*", "head", "head.*", "*_head", "*_head.*", "*.head", "*.head.*", "*logits*",
        ])
    }
}

impl Route for HiddenMatrices {
    fn takes(&self, part: &Part) -> bool {
        part.shape.len() == 2 && !matches_any(&self.exceptions, part)
    }
}

/// The parts whose names match one of these patterns.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{Named, Route};
/// use ambient_metric::space::Part;
/// assert!(Named::new(["block.*"]).takes(&Part { name: "block.0.weight".into(), shape: vec![2, 2] }));
/// ```
///
/// # Errors
///
/// [`Error::GroupMatchesNothing`] for a pattern that matches no part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Named {
    /// The patterns, with `*` for any characters and `?` for one.
    pub patterns: Vec<String>,
}

known_keys! { Named { patterns } }

impl Named {
    /// The parts whose names match one of these patterns.
    pub fn new(patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { patterns: patterns.into_iter().map(Into::into).collect() }
    }
}

impl Route for Named {
    fn takes(&self, part: &Part) -> bool {
        matches_any(&self.patterns, part)
    }

    fn check(&self, layout: &Layout) -> Result<(), Error> {
        let names_nothing = |pattern: &&String| {
            let matcher = WildMatch::new(pattern);
            !layout.parts().iter().any(|part| matcher.matches(&part.name))
        };
        match self.patterns.iter().find(names_nothing) {
            None => Ok(()),
            Some(pattern) => Err(Error::GroupMatchesNothing {
                group: "route".to_owned(),
                pattern: pattern.clone(),
                known: layout.names(),
            }),
        }
    }
}

fn matches_any(patterns: &[String], part: &Part) -> bool {
    patterns.iter().any(|pattern| WildMatch::new(pattern).matches(&part.name))
}

/// Two base metrics side by side: the parts that a route takes have the first, the others the second.
///
/// It is one metric on one space: γ is block-diagonal, there is one s over all parts, and one pull-back. A routed metric may be routed again.
///
/// # Mathematics
///
/// γ = diag(γ₁, γ₂), ⟨x, y⟩ = ⟨x₁, y₁⟩₁ + ⟨x₂, y₂⟩₂, ln det γ = ln det γ₁ + ln det γ₂. Where one of the two [measures](BaseMetric::measured) a momentum,
/// its parts of the measured covector are that, and the others the gradient. A metric that learns does so from the one s over all parts.
///
/// # Requirements
///
/// The first metric takes the shapes that are routed to it, the second those that are left.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Metric, Muon, RmsProp, Routed};
/// use ambient_metric::base::EveryMatrix;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Routed { route: EveryMatrix, taken: Muon::default(), rest: RmsProp::default() };
/// let gradient = Covector(Parameters::new([
///     ("w", array![[3.0_f64, 0.0], [0.0, 4.0]].into_dyn()),
///     ("b", array![2.0].into_dyn()),
/// ])?);
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // After one gradient RMSprop takes every number to its sign.
/// assert!((metric.at(&state).raise(&gradient)?.0.view("b")?[0] - 1.0).abs() < 1e-7);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// What the route and both metrics answer, such as [`Error::NotAMatrix`] where a vector is routed to Muon.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Routed<R, A, B> {
    /// Which parts take the first metric.
    pub route: R,
    /// The metric of the parts that the route takes.
    pub taken: A,
    /// The metric of the others.
    pub rest: B,
}

known_keys! { Routed<R, A, B> { route, taken, rest } }

/// What a [`Routed`] metric remembers: which parts went where, and what both remember.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Euclidean, RmsProp, Routed};
/// use ambient_metric::base::EveryMatrix;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Routed { route: EveryMatrix, taken: Euclidean, rest: RmsProp::default() };
/// let state = metric.begin(&Parameters::from(array![1.0_f64, 2.0]))?;
/// assert!(state.taken().is_none() && state.rest().is_some());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct RoutedState<T, A, B> {
    layout: Layout,
    taken: Option<Branch<A>>,
    rest: Option<Branch<B>>,
    measured: Option<Arc<Covector<T>>>,
}

/// The parts of one metric, and what it remembers; there is none where there are no parts.
#[derive(Clone, Debug)]
struct Branch<S> {
    parts: Vec<usize>,
    /// These parts, of all that there are.
    selection: Selection,
    state: S,
}

impl<T, A: Clone, B: Clone> Clone for RoutedState<T, A, B> {
    fn clone(&self) -> Self {
        Self {
            layout: self.layout.clone(),
            taken: self.taken.clone(),
            rest: self.rest.clone(),
            measured: self.measured.clone(),
        }
    }
}

impl<T, A, B> RoutedState<T, A, B> {
    /// What the first metric remembers; nothing where no part was routed to it.
    #[must_use]
    pub fn taken(&self) -> Option<&A> {
        self.taken.as_ref().map(|branch| &branch.state)
    }

    /// What the second metric remembers; nothing where no part was left.
    #[must_use]
    pub fn rest(&self) -> Option<&B> {
        self.rest.as_ref().map(|branch| &branch.state)
    }
}

impl<S> Branch<S> {
    fn begin<T: Separable, M: BaseMetric<T, State = S>>(
        metric: &M,
        parameters: &T,
        parts: Vec<usize>,
    ) -> Result<Option<Self>, Error> {
        if parts.is_empty() {
            return Ok(None);
        }
        let selection = Selection::new(parameters.layout(), &parts)?;
        Ok(Some(Self { state: metric.begin(&parameters.select(&selection)?)?, parts, selection }))
    }

    fn update<T: Separable, M: BaseMetric<T, State = S>>(
        &mut self,
        metric: &M,
        gradient: &Covector<T>,
    ) -> Result<(), Error> {
        metric.update(&mut self.state, &Covector(gradient.0.select(&self.selection)?))
    }

    /// An observation of the branch alone, if its metric observes.
    fn take_observation<T: Separable, M: BaseMetric<T, State = S>>(
        &mut self,
        metric: &M,
        examples: &[&Covector<T>],
    ) -> Result<(), Error> {
        if !metric.observes() {
            return Ok(());
        }
        let own = examples.iter().map(|example| example.0.select(&self.selection).map(Covector));
        let own = own.collect::<Result<Vec<_>, Error>>()?;
        metric.take_observation(&mut self.state, &own.iter().collect::<Vec<_>>())
    }
}

impl<S> Branch<S> {
    /// The branch of a selection of parts, which may be all or none of its own; a metric that measures parts together is asked for neither.
    fn select<T: Separable, M: BaseMetric<T, State = S>>(
        &self,
        metric: &M,
        selection: &Selection,
    ) -> Result<Option<Self>, Error>
    where
        S: Clone,
    {
        let (local, inside) = selection.within(self.selection.layout(), &self.parts)?;
        if inside.is_empty() {
            return Ok(None);
        }
        let is_whole = local.is_all(self.selection.layout());
        let state = if is_whole { self.state.clone() } else { metric.select(&self.state, &local)? };
        Ok(Some(Self { selection: Selection::new(selection.layout(), &inside)?, parts: inside, state }))
    }

    /// The branch with what became of a selection of parts.
    fn placed<T: Separable, M: BaseMetric<T, State = S>>(
        &self,
        metric: &M,
        selection: &Selection,
        selected: Option<&Self>,
    ) -> Result<Self, Error>
    where
        S: Clone,
    {
        let (local, _) = selection.within(self.selection.layout(), &self.parts)?;
        let mut placed = self.clone();
        match selected {
            None => {}
            Some(selected) if local.is_all(self.selection.layout()) => placed.state = selected.state.clone(),
            Some(selected) => metric.place(&mut placed.state, &local, &selected.state)?,
        }
        Ok(placed)
    }
}

impl<R, A, B> Routed<R, A, B> {
    /// A tensor like `source` whose parts went through one function of their metric.
    fn map<T, X, Y>(
        state: &RoutedState<T, X, Y>,
        source: &T,
        taken: impl FnOnce(&X, T) -> Result<T, Error>,
        rest: impl FnOnce(&Y, T) -> Result<T, Error>,
    ) -> Result<T, Error>
    where
        T: Separable,
    {
        state.layout.check(source.layout())?;
        let mut mapped = source.duplicate()?;
        if let Some(branch) = &state.taken {
            mapped.place(&branch.selection, &taken(&branch.state, source.select(&branch.selection)?)?)?;
        }
        if let Some(branch) = &state.rest {
            mapped.place(&branch.selection, &rest(&branch.state, source.select(&branch.selection)?)?)?;
        }
        Ok(mapped)
    }
}

impl<T, R, A, B> BaseMetric<T> for Routed<R, A, B>
where
    T: Separable,
    R: Route,
    A: BaseMetric<T, State: Clone>,
    B: BaseMetric<T, State: Clone>,
{
    type State = RoutedState<T, A::State, B::State>;

    fn is_metric(&self) -> bool {
        self.taken.is_metric() && self.rest.is_metric()
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        let layout = parameters.layout();
        self.route.check(layout)?;
        let (taken, rest) = (0..layout.parts().len())
            .partition(|&index| layout.parts().get(index).is_some_and(|part| self.route.takes(part)));
        Ok(RoutedState {
            layout: layout.clone(),
            taken: Branch::begin(&self.taken, parameters, taken)?,
            rest: Branch::begin(&self.rest, parameters, rest)?,
            measured: None,
        })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        let mut next = state.clone();
        if let Some(branch) = &mut next.taken {
            branch.update(&self.taken, gradient)?;
        }
        if let Some(branch) = &mut next.rest {
            branch.update(&self.rest, gradient)?;
        }
        let taken =
            next.taken.as_ref().and_then(|branch| Some((&branch.selection, self.taken.measured(&branch.state)?)));
        let rest = next.rest.as_ref().and_then(|branch| Some((&branch.selection, self.rest.measured(&branch.state)?)));
        if taken.is_some() || rest.is_some() {
            let mut measured = gradient.0.duplicate()?;
            for (selection, covector) in taken.into_iter().chain(rest) {
                measured.place(selection, &covector.0)?;
            }
            next.measured = Some(Arc::new(Covector(measured)));
        }
        *state = next;
        Ok(())
    }

    fn observes(&self) -> bool {
        self.taken.observes() || self.rest.observes()
    }

    /// Each metric that observes is handed its own parts.
    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
        if !self.observes() {
            return Err(Error::ObservesNothing { metric: BaseMetric::<T>::metric_name(self) });
        }
        check_examples(&state.layout, examples)?;
        let mut next = state.clone();
        if let Some(branch) = &mut next.taken {
            branch.take_observation(&self.taken, examples)?;
        }
        if let Some(branch) = &mut next.rest {
            branch.take_observation(&self.rest, examples)?;
        }
        *state = next;
        Ok(())
    }

    fn learn_from(
        &self,
        state: &mut Self::State,
        gradient: &Covector<T>,
        xi: Wide<T>,
        squared_length: Wide<T>,
    ) -> Result<(), Error> {
        state.layout.check(gradient.0.layout())?;
        let mut next = state.clone();
        if let Some(Branch { selection, state, .. }) = &mut next.taken {
            self.taken.learn_from(state, &Covector(gradient.0.select(selection)?), xi, squared_length)?;
        }
        if let Some(Branch { selection, state, .. }) = &mut next.rest {
            self.rest.learn_from(state, &Covector(gradient.0.select(selection)?), xi, squared_length)?;
        }
        *state = next;
        Ok(())
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        state.measured.as_deref()
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error> {
        let taken = state.taken.as_ref().map(|branch| branch.select(&self.taken, selection)).transpose()?;
        let rest = state.rest.as_ref().map(|branch| branch.select(&self.rest, selection)).transpose()?;
        let measured = state.measured.as_ref().map(|measured| measured.0.select(selection)).transpose()?;
        Ok(RoutedState {
            layout: selection.layout().clone(),
            taken: taken.flatten(),
            rest: rest.flatten(),
            measured: measured.map(|measured| Arc::new(Covector(measured))),
        })
    }

    /// A metric none of whose parts were selected stays as it is. What both measure together is made again from the next gradient, where it
    /// has not been made of all parts yet.
    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error> {
        let taken = state.taken.as_ref().map(|branch| branch.placed(&self.taken, selection, selected.taken.as_ref()));
        let rest = state.rest.as_ref().map(|branch| branch.placed(&self.rest, selection, selected.rest.as_ref()));
        let (taken, rest) = (taken.transpose()?, rest.transpose()?);
        let measured = match (&state.measured, &selected.measured) {
            (Some(all), Some(selected)) => Some(Arc::new(Covector(placed(&all.0, selection, &selected.0)?))),
            _ => None,
        };
        *state = RoutedState { layout: state.layout.clone(), taken, rest, measured };
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let taken = |state: &A::State, part| Ok(self.taken.raise(state, &Covector(part))?.0);
        let rest = |state: &B::State, part| Ok(self.rest.raise(state, &Covector(part))?.0);
        Ok(Vector(Self::map(state, &covector.0, taken, rest)?))
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let taken = |state: &A::State, part| Ok(self.taken.lower(state, &Vector(part))?.0);
        let rest = |state: &B::State, part| Ok(self.rest.lower(state, &Vector(part))?.0);
        Ok(Covector(Self::map(state, &vector.0, taken, rest)?))
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        let taken = state.taken.as_ref().map(|branch| self.taken.log_determinant(&branch.state)).transpose()?;
        let rest = state.rest.as_ref().map(|branch| self.rest.log_determinant(&branch.state)).transpose()?;
        let zero = <Wide<T> as crate::number::scalar::Field>::zero();
        Ok(taken.into_iter().chain(rest).fold(zero, |sum, part| sum + part))
    }

    /// What both metrics remember. What they measure together is made again from the next gradient.
    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        if let Some(branch) = &mut state.taken {
            self.taken.record(&mut branch.state, &mut entries.within("taken"))?;
        }
        if let Some(branch) = &mut state.rest {
            self.rest.record(&mut branch.state, &mut entries.within("rest"))?;
        }
        Ok(())
    }
}

named_unit!(EveryMatrix);
