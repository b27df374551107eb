//! The code of README and book.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/README.md")]
mod contents {}

#[doc = include_str!("../../docs/mathematics.md")]
mod mathematics {}

#[doc = include_str!("../../docs/architecture.md")]
mod architecture {}

#[doc = include_str!("../../docs/rules.md")]
mod rules {}

#[doc = include_str!("../../docs/catalogue.md")]
mod catalogue {}

#[doc = include_str!("../../docs/how_to_choose.md")]
mod how_to_choose {}

#[doc = include_str!("../../docs/geometry.md")]
mod geometry {}

#[doc = include_str!("../../docs/matrix_metrics.md")]
mod matrix_metrics {}

#[doc = include_str!("../../docs/checkpoints.md")]
mod checkpoints {}

#[doc = include_str!("../../docs/gpu.md")]
mod gpu {}

#[doc = include_str!("../../docs/write_your_own.md")]
mod write_your_own {}

#[doc = include_str!("../../docs/verify_a_derivation.md")]
mod verify_a_derivation {}

#[doc = include_str!("../../docs/variants.md")]
mod variants {}
