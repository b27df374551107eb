//! `cargo xtask miri`: the passes of the CPU backend, and recordings that run, under Miri.

use std::process::Command;

use crate::failure::Failure;
use crate::steps::Steps;

/// What Miri is told. The queues under rayon turn pointers into integers and leave their last blocks to the end of the process,
/// and their borrows are sound as trees, not as stacks.
const FLAGS: &str = "-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks";

/// Runs the tests of passes and programs under Miri, which is a part of nightly toolchains.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    miri(steps, "passes under Miri", &["--package", "ambient_metric_ndarray", "--test", "passes"])?;
    // Programs alone, since whole rules take hours there.
    miri(
        steps,
        "programs under Miri",
        &["--package", "ambient_metric_cpu", "--test", "cpu", "programs::programs_compute"],
    )
}

/// Runs some tests under Miri.
fn miri(steps: &Steps, step: &str, tests: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "miri", "test"]).args(tests);
    // A folder of its own, since what Miri builds is of no use to any other command.
    command.env("CARGO_TARGET_DIR", steps.target().join("miri")).env("MIRIFLAGS", FLAGS).current_dir(steps.root());
    steps.command(step, &mut command)
}
