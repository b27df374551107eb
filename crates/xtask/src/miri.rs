//! `cargo xtask miri`: the passes of the CPU backend under Miri.

use std::process::Command;

use crate::failure::Failure;
use crate::steps::Steps;

/// What Miri is told. The queues under rayon turn pointers into integers and leave their last blocks to the end of the process,
/// and their borrows are sound as trees, not as stacks.
const FLAGS: &str = "-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks";

/// Runs the tests of the passes under Miri, which is a part of nightly toolchains.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    let mut command = Command::new("rustup");
    command.args([
        "run",
        "nightly",
        "cargo",
        "miri",
        "test",
        "--package",
        "ambient_metric_ndarray",
        "--test",
        "passes",
    ]);
    // A folder of its own, since what Miri builds is of no use to any other command.
    command.env("CARGO_TARGET_DIR", steps.target().join("miri")).env("MIRIFLAGS", FLAGS).current_dir(steps.root());
    steps.command("passes under Miri", &mut command)
}
