//! What is promised of checkpoint files.

mod damage;
mod hostile;
mod killed;
mod layout;
mod round_trip;
mod snapshots;
mod writing;
