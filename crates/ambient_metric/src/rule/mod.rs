//! Rules: updates in three acts, written once.

pub(crate) mod accumulate;
pub(crate) mod averaged;
pub(crate) mod bilinear;
pub(crate) mod cautious;
pub(crate) mod centralised;
pub(crate) mod clipped_gradient;
pub(crate) mod clipping;
pub(crate) mod d_adaptation;
pub(crate) mod descent;
pub(crate) mod distance;
pub(crate) mod evaluated;
pub(crate) mod induced;
pub(crate) mod lookahead;
pub(crate) mod mars;
pub(crate) mod momo;
pub(crate) mod noise;
pub(crate) mod passes;
pub(crate) mod preconditioner;
pub(crate) mod preprocess;
pub(crate) mod prodigy;
#[allow(clippy::module_inception, reason = "the room has the name of what stands in the middle of it")]
pub(crate) mod rule;
pub mod rules;
pub(crate) mod schedule_free;
pub(crate) mod slots;
pub(crate) mod state_range;
pub(crate) mod transformed;

pub use self::accumulate::Accumulate;
pub use self::averaged::{Averaged, Polyak};
pub use self::bilinear::Bilinear;
pub use self::cautious::{Cautious, CautiousFactors, CautiousSums};
pub use self::centralised::Centralised;
pub use self::clipped_gradient::{ClipNorm, ClipValue};
pub use self::clipping::{Clip, Clipped, Hard, Induction, Root, Soft};
pub use self::d_adaptation::DAdaptation;
pub use self::descent::{Carried, Corrections, Descent, DescentSums, Memory, Multipliers, Powers};
pub use self::distance::{DistanceCorrections, DistanceMemory, DistanceMultipliers, DistanceState, DistanceSums};
pub use self::evaluated::{
    Evaluated, EvaluatedCorrections, EvaluatedMemory, EvaluatedState, EvaluationPoint, Left, Stride,
};
pub use self::induced::{
    Average, Damped, DampedFactors, Exact, ExactFactors, ExactSums, Induced, Placement, SurfaceMemory, SurfaceSums,
};
pub use self::lookahead::Lookahead;
pub use self::mars::Mars;
pub use self::momo::{Beside, MoMo, ModelFactors, ModelMemory, ModelSums};
pub use self::noise::Noise;
pub use self::passes::Passes;
pub use self::preconditioner::{Damping, Flat, Preconditioner, Raised};
pub use self::preprocess::Preprocess;
pub use self::prodigy::Prodigy;
pub use self::rule::{
    Advance, Advanced, Coordinate, Evaluate, Measure, Measured, Notice, Noticing, Pass, PassOf, Rule, Survey,
};
pub use self::schedule_free::ScheduleFree;
pub use self::slots::Slots;
pub use self::transformed::{
    Forgotten, GradientTransform, Kept, Past, Transformed, TransformedCorrections, TransformedMemory, TransformedState,
};
