//! Base metrics: γ, the metric of the parameters.

pub(crate) mod adabelief;
pub(crate) mod adamax;
pub(crate) mod amsgrad;
pub(crate) mod base_metric;
pub(crate) mod dense;
pub(crate) mod diagonal;
pub(crate) mod factored;
pub(crate) mod kl_shampoo;
pub(crate) mod kronecker;
pub(crate) mod ldl;
pub(crate) mod learned;
pub(crate) mod muon;
pub(crate) mod pointwise;
pub(crate) mod remembered;
pub(crate) mod routed;
pub(crate) mod sides;
pub(crate) mod sign;
pub(crate) mod soap;
pub(crate) mod yogi;

pub use self::adabelief::AdaBelief;
pub use self::adamax::AdaMax;
pub use self::amsgrad::{AmsGrad, AmsGradState};
pub use self::base_metric::{At, BaseMetric, DiagonalMetric};
pub use self::dense::{Dense, DenseState};
pub use self::diagonal::{Adagrad, Euclidean, RmsProp};
pub use self::factored::KroneckerState;
pub use self::kl_shampoo::KlShampoo;
pub use self::kronecker::Kronecker;
pub use self::learned::{DiagonalCorrection, DiagonalLesson, Drive, LearnedDiagonal, LearnedScalar};
pub use self::muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
pub use self::pointwise::{PointwiseMetric, PointwiseState};
pub use self::remembered::{Remembered, Remembering};
pub use self::routed::{EveryMatrix, HiddenMatrices, Named, Route, Routed, RoutedState};
pub use self::sign::Sign;
pub use self::soap::{Soap, SoapState};
pub use self::yogi::Yogi;
