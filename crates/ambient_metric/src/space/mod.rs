//! Parameter spaces: tensors in named parts, what runs over them, and what measures them.

pub(crate) mod acts;
pub(crate) mod kernel;
pub(crate) mod layout;
pub(crate) mod matrix;
pub(crate) mod metric;
pub(crate) mod momentum;
pub(crate) mod powers;
pub(crate) mod record;
pub(crate) mod selection;
pub(crate) mod state_storage;
pub(crate) mod tensor;
