//! A whole rule as data: its acts recorded, and what it begins with.

use ambient_metric::rule::Damping;
use ambient_metric::{Bundle, Error, Rule};
use ambient_metric_trace::{Recording, Traced};

/// A pointwise rule as data, with all its constants: it can be compared, stored, sent, and [executed](crate::Executed).
///
/// # In files
///
/// With the feature `serde` it can be written and read. One that is read is checked as its [recordings](Recording::VERSION) are, and its acts have to fit
/// together.
///
/// # Example
///
/// ```
/// use ambient_metric::{AnyRule, rules};
/// use ambient_metric_cpu::Recorded;
///
/// let adam = Recorded::of(&rules::adam())?;
/// let chosen = Recorded::of(&"adam".parse::<AnyRule>().unwrap().fused()?)?;
/// assert_eq!(chosen.advance().bytes(4), adam.advance().bytes(4));
/// assert_eq!(adam.name(), "Descent(RmsProp, Flat, Ema)");
/// assert_eq!(adam.fingerprint(), Recorded::of(&rules::adam())?.fingerprint());
/// assert_ne!(adam, Recorded::of(&rules::adam().momentum(0.8))?);
/// # #[cfg(feature = "serde")]
/// assert_eq!(serde_json::from_str::<Recorded>(&serde_json::to_string(&adam).unwrap()).unwrap(), adam);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "form::Stored", try_from = "form::Stored")
)]
pub struct Recorded {
    name: String,
    losses: usize,
    learns_per_tensor: bool,
    /// ξ of every loss; none where there is no surface.
    xi: Option<Vec<f64>>,
    /// The scalar memory before the first step.
    begin: Vec<f64>,
    /// Where losses are accepted.
    domain: Recording,
    measure: Recording,
    damp: Recording,
    advance: Recording,
}

/// How many numbers of each kind the acts hand to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) losses: usize,
    /// Per element, beside the parameter.
    pub(crate) state: usize,
    pub(crate) corrections: usize,
    pub(crate) multipliers: usize,
    /// Beside that of the squares of the gradients.
    pub(crate) sums: usize,
}

impl Recorded {
    /// A rule recorded; of one that was chosen at run time what was chosen: `Recorded::of(&rule.fused()?)`.
    ///
    /// # Errors
    ///
    /// Those of [`Rule::validate`], and [`Error::NoEngine`] for a rule that [surveys](Rule::survey) or [observes](Rule::observes): these are three acts.
    pub fn of<R: Rule>(rule: &R) -> Result<Self, Error> {
        rule.validate()?;
        if rule.observes() {
            let problem = "its metric has observations of its own, and a recorded rule has no act for them: build the rule itself";
            return Err(Error::NoEngine { rule: rule.name(), problem });
        }
        if rule.surveys() {
            let problem = "it asks for a length before its first act, which a recorded rule has no place for: put `clip_norm` or `mars` before the optimiser";
            return Err(Error::NoEngine { rule: rule.name(), problem });
        }
        let slots = rule.slots();
        Ok(Self {
            name: rule.name(),
            losses: rule.losses(),
            learns_per_tensor: rule.learns_per_tensor(),
            xi: rule.xi().map(|xi| xi.scalars().take(slots.loss.len()).collect()),
            begin: rule.begin::<f64>().scalars().take(slots.memory.len()).collect(),
            domain: Recording::domain(rule),
            measure: Recording::sums(rule),
            damp: Recording::damp(rule),
            advance: Recording::advance(rule),
        })
    }

    /// The name under which reports and checkpoints know the rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many losses it descends.
    #[must_use]
    pub fn losses(&self) -> usize {
        self.losses
    }

    /// ξ of every loss, as the rule has it; none for a rule without a surface.
    #[must_use]
    pub fn xi(&self) -> Option<&[f64]> {
        self.xi.as_deref()
    }

    /// Act 1, to be summed.
    #[must_use]
    pub fn measure(&self) -> &Recording {
        &self.measure
    }

    /// Act 2, arithmetic on a few numbers.
    #[must_use]
    pub fn damp(&self) -> &Recording {
        &self.damp
    }

    /// Act 3, to be stored.
    #[must_use]
    pub fn advance(&self) -> &Recording {
        &self.advance
    }

    /// Where the rule accepts losses.
    pub(crate) fn domain(&self) -> &Recording {
        &self.domain
    }

    pub(crate) fn learns_per_tensor(&self) -> bool {
        self.learns_per_tensor
    }

    pub(crate) fn begin(&self) -> &[f64] {
        &self.begin
    }

    /// A number by which recorded rules are told apart; see [`Recording::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let acts = [&self.domain, &self.measure, &self.damp, &self.advance].map(Recording::fingerprint);
        let own = self.xi.iter().flatten().chain(&self.begin).map(|number| number.to_bits());
        acts.into_iter().chain(own).fold(u64::from(self.learns_per_tensor), |mixed, number| {
            (mixed ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
        })
    }

    /// How many numbers of each kind there are, where all acts agree on it.
    pub(crate) fn counts(&self) -> Result<Counts, &'static str> {
        let Self { losses, domain, measure, damp, advance, .. } = self;
        let (losses, memory) = (*losses, self.begin.len());
        let less = |number: usize, by: usize| number.checked_sub(by);
        let fits = "the acts of the rule do not fit together: record it anew";
        let state = less(advance.outputs().len(), 1).ok_or(fits)?;
        let sums = less(measure.outputs().len(), 1).ok_or(fits)?;
        let corrections = measure.uniforms().len();
        let multipliers = less(advance.uniforms().len(), corrections).ok_or(fits)?;
        let damping = less(damp.outputs().len(), corrections + multipliers + memory).ok_or(fits)?;
        let are_inputs = [measure, advance].iter().all(|act| act.inputs().len() == 1 + state + losses);
        let is_scalar = damp.inputs().is_empty() && damp.uniforms().len() == 2 * losses + 2 + memory + 2 * sums;
        let is_domain =
            domain.inputs().is_empty() && domain.uniforms().len() == 2 * losses && domain.outputs().len() == 1;
        let is_xi = self.xi.as_ref().is_none_or(|xi| xi.len() == losses);
        // Four numbers for every loss, and three for all.
        let is_report = damping == 4 * losses + <Damping<Traced, ()> as Bundle<Traced>>::LEN;
        if are_inputs
            && is_scalar
            && is_domain
            && is_xi
            && is_report
            && losses > 0
            && advance.is_update()
            && !measure.is_update()
        {
            Ok(Counts { losses, state, corrections, multipliers, sums })
        } else {
            Err(fits)
        }
    }
}

#[cfg(feature = "serde")]
mod form {
    use ambient_metric_trace::Recording;
    use serde::{Deserialize, Serialize};

    use super::Recorded;

    /// How long a name, and how large a memory, may be.
    const MOST: usize = 1 << 12;

    /// A recorded rule as it is written.
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Stored {
        version: u32,
        name: String,
        losses: usize,
        learns_per_tensor: bool,
        xi: Option<Vec<f64>>,
        begin: Vec<f64>,
        domain: Recording,
        measure: Recording,
        damp: Recording,
        advance: Recording,
    }

    impl From<Recorded> for Stored {
        fn from(recorded: Recorded) -> Self {
            let Recorded { name, losses, learns_per_tensor, xi, begin, domain, measure, damp, advance } = recorded;
            let version = Recording::VERSION;
            Self { version, name, losses, learns_per_tensor, xi, begin, domain, measure, damp, advance }
        }
    }

    impl TryFrom<Stored> for Recorded {
        type Error = String;

        fn try_from(stored: Stored) -> Result<Self, String> {
            let Stored { version, name, losses, learns_per_tensor, xi, begin, domain, measure, damp, advance } = stored;
            if version != Recording::VERSION {
                let known = Recording::VERSION;
                return Err(format!("the rule is of version {version}, and this library reads version {known}"));
            }
            if name.len() > MOST || begin.len() > MOST || losses > MOST {
                return Err(format!("a name, a memory or losses are more than {MOST}"));
            }
            let xi_numbers = xi.iter().flatten();
            if !xi_numbers.chain(&begin).all(|number| number.is_finite()) {
                return Err("ξ and the memory before the first step are finite".to_owned());
            }
            let recorded = Self { name, losses, learns_per_tensor, xi, begin, domain, measure, damp, advance };
            recorded.counts()?;
            Ok(recorded)
        }
    }
}
