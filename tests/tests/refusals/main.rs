//! What is refused: input that is wrong, metrics that are none, subjects that lie, keys that nobody knows.

mod bad_input;
mod guards;
mod known_keys;
mod wrong_base_metrics;
mod wrong_subjects;
