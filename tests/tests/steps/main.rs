//! What steps come to: the limits, the textbook's optimisers, other backends and scalars, every rule and metric, and the geometry beside them.

mod agreement;
mod chosen_rules;
mod curvature;
mod full_inverse;
mod gradients;
mod groups;
mod limits;
mod memory_order;
mod metric_optimiser;
mod relatives;
mod reports;
mod rounded;
mod scalars;
mod schedules;
mod slopes;
mod spaces;
mod splitting;
mod textbook;
mod variants;
