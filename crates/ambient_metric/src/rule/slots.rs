//! The numbers that a rule has, by name.

use crate::number::bundle::{Bundle, names, nested};
use crate::rule::rule::Rule;
use crate::space::kernel::Present;

/// The names of the numbers that a rule keeps and that its acts hand to each other, in their order.
///
/// A rule of which parts are chosen at run time has types with room for every choice. What is named here is there: of every bundle the first so many
/// numbers. The others are zero, and no pass reads or writes them.
///
/// # Example
///
/// ```
/// use ambient_metric::{AnyRule, Rule, rules};
///
/// let chosen = "adamw".parse::<AnyRule>()?.fused()?;
/// assert_eq!(chosen.slots().state, ["momentum", "metric"]);
/// assert_eq!(chosen.slots().memory, rules::adam().slots().memory);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// One for every loss.
    pub loss: Vec<String>,
    /// What is kept per element.
    pub state: Vec<String>,
    /// What is kept once.
    pub memory: Vec<String>,
    /// The bias corrections.
    pub corrections: Vec<String>,
    /// What act 3 multiplies by.
    pub multipliers: Vec<String>,
    /// What act 1 sums.
    pub sums: Vec<String>,
}

impl Slots {
    /// Those of the types of a rule.
    #[must_use]
    pub fn of<R: Rule>() -> Self {
        Self {
            loss: names::<R::PerLoss<f64>>(),
            state: names::<R::State<f64>>(),
            memory: names::<R::Memory<f64>>(),
            corrections: names::<R::Corrections<f64>>(),
            multipliers: names::<R::Multipliers<f64>>(),
            sums: names::<R::Sums<f64>>(),
        }
    }

    /// The names of the uniforms of act 3, in the places that they have in the types of the rule.
    pub(crate) fn pass<R: Rule>(&self) -> Vec<String> {
        let mut pass = nested("corrections", self.corrections.clone());
        pass.resize(<R::Corrections<f64> as Bundle<f64>>::LEN, String::new());
        pass.extend(nested("multipliers", self.multipliers.clone()));
        pass
    }

    /// Those of [`Survey`](crate::rule::Survey).
    pub(crate) fn of_survey<R: Rule>(&self) -> Present {
        let outputs = first::<R::PerLoss<f64>>(&self.loss);
        Present { outputs, ..self.of_measure::<R>() }
    }

    /// Those of [`Measure`](crate::rule::Measure).
    pub(crate) fn of_measure<R: Rule>(&self) -> Present {
        Present {
            uniforms: first::<R::Corrections<f64>>(&self.corrections),
            inputs: self.of_coordinate::<R>(),
            outputs: [vec![true], first::<R::Sums<f64>>(&self.sums)].concat(),
        }
    }

    /// Those of [`Advance`](crate::rule::Advance).
    pub(crate) fn of_advance<R: Rule>(&self) -> Present {
        let corrections = first::<R::Corrections<f64>>(&self.corrections);
        Present {
            uniforms: [corrections, first::<R::Multipliers<f64>>(&self.multipliers)].concat(),
            inputs: self.of_coordinate::<R>(),
            outputs: [vec![true], first::<R::State<f64>>(&self.state)].concat(),
        }
    }

    /// Those of [`Evaluate`](crate::rule::Evaluate).
    pub(crate) fn of_evaluate<R: Rule>(&self) -> Present {
        Present {
            uniforms: first::<R::Memory<f64>>(&self.memory),
            inputs: [vec![true], first::<R::State<f64>>(&self.state)].concat(),
            outputs: vec![true],
        }
    }

    /// Those of [`Notice`](crate::rule::Notice).
    pub(crate) fn of_notice<R: Rule>(&self) -> Present {
        let state = first::<R::State<f64>>(&self.state);
        Present { uniforms: vec![true; 2], inputs: [state.clone(), vec![true]].concat(), outputs: state }
    }

    fn of_coordinate<R: Rule>(&self) -> Vec<bool> {
        [vec![true], first::<R::State<f64>>(&self.state), first::<R::PerLoss<f64>>(&self.loss)].concat()
    }
}

/// The first slots of a bundle, as many as have names.
fn first<B: Bundle<f64>>(names: &[String]) -> Vec<bool> {
    (0..B::LEN).map(|slot| slot < names.len()).collect()
}
