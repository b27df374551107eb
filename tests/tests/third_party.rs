//! Metrics of a third party under the suites: the one of the book, which is proved exactly, and one with a fourth root.

use ambient_metric::{DiagonalMetric, Log, Real, Sqrt};
use ambient_metric_conformance::{conformance_metric, conformance_surface};

/// γ = u + 1/64 with u ← max(u/2, |l|): the largest gradient of late.
struct Largest;

impl DiagonalMetric for Largest {
    type State<S: Real> = S;

    fn observe<S: Real>(&self, largest: S, gradient: S) -> S {
        (S::constant(0.5) * largest).maximum(gradient.abs())
    }

    fn inverse<S: Real>(&self, largest: S) -> S {
        S::one() / (largest + S::constant(1.0 / 64.0))
    }
}

conformance_metric!(largest, Largest);

/// The metric of RMSprop with a fourth root: no fraction after most gradients.
struct Gentle;

impl DiagonalMetric for Gentle {
    type State<S: Real> = S;

    fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
        S::constant(0.75) * seen + S::constant(0.25) * gradient * gradient
    }

    fn inverse<S: Real>(&self, seen: S) -> S {
        S::one() / (seen.sqrt().sqrt() + S::constant(1e-8))
    }

    fn decay(&self) -> f64 {
        0.75
    }
}

conformance_surface!(gentle_and_log, Gentle, Log);
conformance_surface!(gentle_and_sqrt, Gentle, Sqrt);
