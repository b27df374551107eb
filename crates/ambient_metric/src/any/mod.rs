//! Parts and rules as values: chosen, saved, sent and run at run time.

pub(crate) mod fused;
pub(crate) mod gradient;
pub(crate) mod matrix;
pub(crate) mod metric;
pub(crate) mod optimiser;
pub(crate) mod parts;
pub(crate) mod point;
pub(crate) mod pointwise;
pub(crate) mod preprocessed;
pub(crate) mod rule;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod whole;

pub use self::fused::AnyFused;
pub use self::gradient::{AnyPreprocess, AnyTransform};
pub use self::matrix::{AnyMatrixMetric, AnyMatrixState, AnyOrthogonaliser};
pub use self::metric::{AnyBaseMetric, AnyBaseState};
pub use self::optimiser::AnyOptimiser;
pub use self::parts::{AnyAmbient, AnyClip, AnyCoupling, AnyEmbedding, AnyMomentum, AnyProfile, OneSlot};
pub use self::point::AnyPoint;
pub use self::pointwise::AnyPointwise;
pub use self::preprocessed::Preprocessed;
pub use self::rule::{AnyDistance, AnyPreconditioner, AnyRule, AnySpace, AnySurface};
pub use self::table::{About, Constant, Kind, Range, TABLE};
pub use self::text::TextError;
