//! What is refused: input that is wrong, metrics that are none, subjects that lie, keys that nobody knows, imports that run upwards.

mod bad_input;
mod guards;
mod known_keys;
mod rooms;
mod wrong_base_metrics;
mod wrong_parts;
mod wrong_subjects;
