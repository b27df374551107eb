//! What a run comes to, and where it goes.

use serde::Serialize;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether the value fell to the tolerance.
    pub converged: bool,
    /// How many updates were done.
    pub iterations: u32,
    /// The last finite value.
    pub final_value: f64,
}

ambient_metric::known_keys! { Outcome { converged, iterations, final_value } }

impl Outcome {
    /// Whether this beats another: converged before not, then fewer updates; of runs that did not converge, the lower value.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        match (self.converged, other.converged) {
            (true, true) => self.iterations < other.iterations,
            (false, false) => self.final_value < other.final_value,
            (converged, _) => converged,
        }
    }

    /// The count of updates, marked where the run did not converge.
    #[must_use]
    pub fn updates(&self) -> String {
        if self.converged { self.iterations.to_string() } else { format!("not in {}", self.iterations) }
    }
}

/// Every point that a run visited and the value there, the start first.
pub type Track = Vec<([f64; 2], f64)>;
