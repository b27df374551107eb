//! Parameter spaces: tensors in named parts, what runs over them, and what measures them.

pub(crate) mod acts;
pub(crate) mod adan;
pub(crate) mod belief;
pub(crate) mod kernel;
pub(crate) mod layout;
pub(crate) mod lion;
pub(crate) mod matrix;
pub(crate) mod metric;
pub(crate) mod momentum;
pub(crate) mod numbers;
pub(crate) mod powers;
pub(crate) mod prepared;
pub(crate) mod record;
pub(crate) mod selection;
pub(crate) mod state_storage;
pub(crate) mod tensor;

pub use self::acts::{Inputs, Local, Outcome, Totals};
pub use self::adan::{Adan, AdanCorrections, AdanState};
pub use self::belief::Belief;
pub use self::kernel::{Kernel, Present, Uniforms};
pub use self::layout::{Layout, Part};
pub use self::lion::LionMomentum;
pub use self::matrix::{MatrixPart, MatrixTensor, NewtonSchulz, SpectralMatrix, Transpose, WideOf};
pub use self::metric::Metric;
pub use self::momentum::{Ema, HeavyBall, Momentum, Nesterov, NoMomentum, Recall};
pub use self::numbers::Numbers;
pub use self::prepared::{Compiled, PreparedSum, PreparedUpdate};
pub use self::record::{Entries, SavedParameter};
pub use self::selection::{Absent, Selection, Separable};
pub use self::state_storage::StateStorage;
pub use self::tensor::{Covector, Operands, Tensor, Vector, Wide, contract};
