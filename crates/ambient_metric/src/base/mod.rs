//! Base metrics: γ, the metric of the parameters.

pub(crate) mod base_metric;
pub(crate) mod dense;
pub(crate) mod diagonal;
pub(crate) mod kronecker;
pub(crate) mod ldl;
pub(crate) mod learned;
pub(crate) mod muon;
pub(crate) mod pointwise;
pub(crate) mod remembered;
pub(crate) mod routed;
