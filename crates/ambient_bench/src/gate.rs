//! The gate: how much longer than the limit of memory a step may take.

use serde::Serialize;

/// What the time of a step may be of the limit's for the same bytes.
pub const MOST: f64 = 1.1;

/// What the gate says of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Every rule is within the limit.
    Within,
    /// A rule is above it.
    Above,
    /// The working set is so small that caches have a part in its speed: nothing is held against a limit of memory.
    InCaches,
    /// On a device, nothing but a copy is known of the limit.
    OnDevice,
}

impl Gate {
    /// What it says of rules that have these parts of the limit's bandwidth, where caches have no part in them.
    #[must_use]
    pub fn of(ratios: impl IntoIterator<Item = f64>) -> Self {
        if ratios.into_iter().any(is_above) { Self::Above } else { Self::Within }
    }
}

/// Whether a rule with this part of the limit's bandwidth takes more than [`MOST`] of its time. One that could not be measured does.
#[must_use]
pub fn is_above(ratio: f64) -> bool {
    let is_within = ratio * MOST >= 1.0;
    !is_within
}
