//! Where the space that a surface stands in ends.

use ambient_metric::ambient::{AmbientMetric as _, Position};
use ambient_metric::any::AnyAmbient;

/// Whether it is the paper's.
pub(super) fn is_product(ambient: AnyAmbient) -> bool {
    ambient == AnyAmbient::Product
}

/// Whether it has this height, that of a surface at a loss.
pub(super) fn has(ambient: AnyAmbient, loss: f64, height: f64) -> bool {
    ambient.check(Position { losses: [loss], heights: [height] }).is_ok()
}

/// The heights that it has not, where it has not all.
pub(super) fn end(ambient: AnyAmbient) -> Option<&'static str> {
    match ambient {
        AnyAmbient::Product | AnyAmbient::Correlated(_) => None,
        AnyAmbient::Weighted(_) | AnyAmbient::Warped(_) | AnyAmbient::Conformal(_) => Some("φ(h) ≤ 0"),
        AnyAmbient::Hyperbolic => Some("h ≤ 0"),
    }
}

/// It as the end of a title, where it is not the paper's.
pub(super) fn within(ambient: AnyAmbient) -> String {
    if is_product(ambient) { String::new() } else { format!(", in {ambient}") }
}
