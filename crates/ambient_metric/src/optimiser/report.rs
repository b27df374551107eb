//! What a step tells about itself, and the verdict over it.

use core::fmt;

use crate::bundle;
use crate::error::Error;
use crate::number::bundle::Bundle;
use crate::number::scalar::Element;
use crate::rule::preconditioner::Damping;
use crate::rule::rule::Rule;

bundle! {
    /// What a step tells about itself. `L` is one number, or one per loss.
    ///
    /// [`Display`](fmt::Display) writes one line, every number in the format that is asked for. With the feature `serde` it serialises.
    ///
    /// # Mathematics
    ///
    /// s = ξ⟨l, l⟩, v̂ = v / (1−βᵗ) with v ← βv + (1−β)s, r = f′ / (1 + f′² v̂), and the effective learning rate ηr. A rule that
    /// measures nothing reports s = v̂ = 0 and f′ = r = 1.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, rules};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
    /// let mut optimiser = Configuration::new(rules::euclidean(0.04).momentum(0.0).beta(0.0), 0.5).build(&theta)?;
    /// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![3.0, 4.0])), 12.5)?;
    ///
    /// assert_eq!((report.squared_length, report.slope, report.gradient_norm), (1.0, 1.0, 5.0));
    /// assert_eq!((report.damping, report.effective_learning_rate), (0.5, 0.25));
    /// let line = "s = 1.00, v̂ = 1.00, f′ = 1.00, r = 0.50, det = 2.00, η r = 0.25, ‖l‖ = 5.00";
    /// assert_eq!(format!("{report:.2}"), line);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// arXiv 2509.03594, eq. 10, 13 and 14 (r without averages), Algorithms 1 and 2 (with them).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub nested struct Report<S, L = S> {
        /// s = ξ⟨l, l⟩, the squared length of the gradient in γ⁻¹ times ξ; ⟨l, l⟩ for a clip; zero for a rule that measures none.
        squared_length: L,
        /// v̂, the bias-corrected moving average of s.
        averaged: L,
        /// f′, the slope of the embedding at the loss.
        slope: L,
        /// r = f′ / (1 + f′² v̂), the damping: the weight of m̂♯ in the step.
        damping: L,
        /// det g / (aᴺ det γ), on the paper's surface 1 + f′² v̂: the square of how much larger a patch of the surface is than its shadow on the
        /// parameters.
        determinant_ratio: S,
        /// ⟨c, c⟩ of the coupling covector as it enters the metric, zero without coupling; for several losses a number that is below one exactly
        /// where the ambient metric is one.
        coupling: S,
        /// What the coupling covectors were multiplied by to keep that below one; one where nothing was needed.
        coupling_scale: S,
        /// η r, the learning rate that the base optimiser would need for the same step.
        effective_learning_rate: L,
        /// ‖l‖, the Euclidean norm of the gradient (of all gradients together) over the parameters that share this sum; infinite where
        /// its square overflows.
        gradient_norm: S,
    }
}

known_keys! { Report<S, L> {
    squared_length, averaged, slope, damping, determinant_ratio, coupling, coupling_scale, effective_learning_rate, gradient_norm
} }

impl<S: Element + fmt::Display, L: Bundle<S>> fmt::Display for Report<S, L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths =
            [("s", &self.squared_length), (", v̂", &self.averaged), (", f′", &self.slope), (", r", &self.damping)];
        for (name, numbers) in lengths {
            write_named(formatter, name, numbers)?;
        }
        write_named(formatter, ", det", &self.determinant_ratio)?;
        if self.coupling != S::zero() {
            write_named(formatter, ", ⟨c, c⟩", &self.coupling)?;
        }
        if self.coupling_scale != S::one() {
            write_named(formatter, ", scale of c", &self.coupling_scale)?;
        }
        write_named(formatter, ", η r", &self.effective_learning_rate)?;
        write_named(formatter, ", ‖l‖", &self.gradient_norm)
    }
}

/// Writes `name = number`, or `name = [number, number]` where there are several.
fn write_named<S: Element + fmt::Display, B: Bundle<S>>(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    numbers: &B,
) -> fmt::Result {
    let (open, close) = if B::LEN == 1 { ("", "") } else { ("[", "]") };
    write!(formatter, "{name} = {open}")?;
    for (index, number) in numbers.scalars().enumerate() {
        formatter.write_str(if index == 0 { "" } else { ", " })?;
        fmt::Display::fmt(&number, formatter)?;
    }
    formatter.write_str(close)
}

impl<S: Element, L: Bundle<S>> Report<S, L> {
    /// From what a preconditioner reports, η of the group, and Σ l² over all gradients; for backends with steps of their own.
    ///
    /// ```
    /// use ambient_metric::{Report, rule::Damping};
    /// let report = Report::of(Damping::uncoupled(1.0, 1.0, 1.0, 0.5, 2.0), 0.1, 25.0);
    /// assert_eq!((report.effective_learning_rate, report.gradient_norm), (0.05, 5.0));
    /// ```
    #[must_use]
    pub fn of(damping: Damping<S, L>, learning_rate: S, squared_gradient: S) -> Self {
        Self {
            squared_length: damping.squared_length,
            averaged: damping.averaged,
            slope: damping.slope,
            damping: damping.damping,
            determinant_ratio: damping.determinant_ratio,
            coupling: damping.coupling,
            coupling_scale: damping.coupling_scale,
            effective_learning_rate: damping.damping.times(learning_rate),
            gradient_norm: squared_gradient.sqrt(),
        }
    }

    /// Whether the step is one of a positive definite metric, and everything within the range of its numbers, `others` too. (No, where only the sum is
    /// not.)
    #[inline(always)]
    pub(crate) fn is_sound(&self, others: S) -> bool {
        let Self { squared_length, averaged, damping, determinant_ratio, coupling, .. } = self;
        let lengths =
            total(squared_length, |value| value) + total(averaged, |value| value) + total(damping, |value| value);
        let mut is_definite = (*coupling - S::one()).is_negative() & (-*determinant_ratio).is_negative();
        for loss in 0..L::LEN {
            is_definite &= !squared_length.get(loss).is_some_and(Element::is_negative);
        }
        is_definite & (lengths + *determinant_ratio + *coupling + others).is_finite()
    }

    /// Why the step is none of a positive definite metric; nothing where it is one, or where only the sum of what was reported overflowed. `rule` names
    /// the rule.
    ///
    /// ```
    /// use ambient_metric::{Error, Report, rule::Damping};
    /// let report = Report::of(Damping::uncoupled(-1.0, 0.0, 1.0, 1.0, 1.0), 0.1, 25.0);
    /// assert!(matches!(report.check(|| "mine".to_owned()), Err(Error::NotPositiveDefinite { .. })));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotPositiveDefinite`], [`Error::Overflow`], [`Error::Coupling`], [`Error::Determinant`].
    pub fn check(&self, rule: impl Fn() -> String) -> Result<(), Error> {
        let Self { squared_length, averaged, damping, determinant_ratio, coupling, .. } = *self;
        if squared_length.scalars().any(Element::is_negative) {
            return Err(Error::NotPositiveDefinite { metric: rule() });
        }
        // A damping vanishes where one length is too large for the determinant.
        let vanished = !determinant_ratio.is_finite() && damping.scalars().any(|damping| damping == S::zero());
        if vanished || !squared_length.scalars().chain(averaged.scalars()).all(Element::is_finite) {
            return Err(Error::Overflow { quantity: "ξ times the squared length of the gradient".to_owned() });
        }
        if !coupling.is_finite() {
            return Err(Error::Overflow { quantity: "the squared length of the coupling covector".to_owned() });
        }
        if !(coupling - S::one()).is_negative() {
            return Err(Error::Coupling { squared_length: coupling.to_f64() });
        }
        if determinant_ratio.is_finite() && !(-determinant_ratio).is_negative() {
            return Err(Error::Determinant { rule: rule(), determinant_ratio: determinant_ratio.to_f64() });
        }
        Ok(())
    }

    /// The same of the first loss alone, in plain numbers: all there is where there is one.
    ///
    /// ```
    /// use ambient_metric::{Bundle, Report};
    /// let report: Report<f64, [f64; 2]> = Bundle::build(&mut || 2.0);
    /// assert_eq!(report.first().damping, 2.0);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn first(self) -> Report<S> {
        self.of_loss(0)
    }

    /// The numbers of one loss, counted from zero; zeros past the last.
    #[must_use]
    #[inline(always)]
    pub fn of_loss(self, loss: usize) -> Report<S> {
        let number = |numbers: L| numbers.get(loss).unwrap_or_else(S::zero);
        Report {
            squared_length: number(self.squared_length),
            averaged: number(self.averaged),
            slope: number(self.slope),
            damping: number(self.damping),
            determinant_ratio: self.determinant_ratio,
            coupling: self.coupling,
            coupling_scale: self.coupling_scale,
            effective_learning_rate: number(self.effective_learning_rate),
            gradient_norm: self.gradient_norm,
        }
    }
}

/// The report of a rule.
pub(crate) type ReportOf<R, S> = Report<S, <R as Rule>::PerLoss<S>>;

/// The sum of the converted scalars, which is finite only where all of them are: faster than a question for each. Four sums side by side, so that an
/// addition need not wait for the one before.
#[inline(always)]
pub(crate) fn total<S: Element, E: Element, B: Bundle<S>>(bundle: &B, convert: impl Fn(S) -> E) -> E {
    let mut sums: [E; 4] = core::array::from_fn(|slot| bundle.get(slot).map_or_else(E::zero, &convert));
    for slot in 4..B::LEN {
        if let Some(value) = bundle.get(slot) {
            sums[slot % 4] = sums[slot % 4] + convert(value);
        }
    }
    let [a, b, c, d] = sums;
    (a + b) + (c + d)
}

/// Accepts bundles that are finite in every slot, else names the slot.
#[cold]
pub(crate) fn named_finite<S: Element, B: Bundle<S>>(
    bundles: &[B],
    what: &str,
    names: impl FnOnce() -> Vec<String>,
    is_finite: impl Fn(S) -> bool,
) -> Result<(), Error> {
    for bundle in bundles {
        if let Some(slot) = bundle.scalars().position(|value| !is_finite(value)) {
            let name = names().into_iter().nth(slot).filter(|name| !name.is_empty());
            let name = name.map_or_else(String::new, |name| format!(" `{name}`"));
            return Err(Error::Overflow { quantity: format!("the {what}{name}") });
        }
    }
    Ok(())
}
