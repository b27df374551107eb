//! Rules: updates in three acts, written once.

pub(crate) mod bilinear;
pub(crate) mod clipping;
pub(crate) mod descent;
pub(crate) mod induced;
pub(crate) mod passes;
pub(crate) mod preconditioner;
#[allow(clippy::module_inception, reason = "the room has the name of what stands in the middle of it")]
pub(crate) mod rule;
pub mod rules;
pub(crate) mod state_range;

pub use self::bilinear::Bilinear;
pub use self::clipping::{Clip, Clipped, Hard, Induction, Root, Soft};
pub use self::descent::{Carried, Corrections, Descent, DescentSums, Memory, Multipliers, Powers};
pub use self::induced::{
    Average, Damped, DampedFactors, Exact, ExactFactors, ExactSums, Induced, Placement, SurfaceMemory, SurfaceSums,
};
pub use self::passes::Passes;
pub use self::preconditioner::{Damping, Flat, Preconditioner, Raised};
pub use self::rule::{Advance, Advanced, Coordinate, Measure, Measured, OnRule, Pass, PassOf, Rule};
