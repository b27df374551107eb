//! The example `resume`, killed at random moments, against one that nobody killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ambient_metric_checkpoint::Snapshot;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The example, which stands beside the folder of the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples/resume").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.is_file(), "build it: cargo build -p ambient_metric_checkpoint --example resume");
    program
}

fn run(checkpoint: &Path) -> Command {
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/resume.toml");
    let mut command = Command::new(program());
    command.arg(settings).arg(checkpoint).stdout(Stdio::null());
    command
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let began = Instant::now();
    assert!(run(&whole).status().unwrap().success());
    let time = began.elapsed();

    let mut random = ChaCha8Rng::seed_from_u64(16);
    let (mut kills, mut steps) = (0, Vec::new());
    while kills < 200 {
        let mut child = run(&killed).spawn().unwrap();
        // So long that some dozens of kills fall into a run, whatever the machine.
        std::thread::sleep(Duration::from_secs_f64(time.as_secs_f64() * random.random_range(0.0..0.1)));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if killed.exists() {
            // Whatever the moment, the file is whole.
            steps.push(Snapshot::read(&killed).unwrap().optimiser::<ambient_metric::AnyRule>("line").unwrap().steps);
        }
    }
    assert!(run(&killed).status().unwrap().success());
    assert_eq!(fs::read(&killed).unwrap(), fs::read(&whole).unwrap(), "after {kills} kills");
    assert!(steps.is_sorted());
    steps.dedup();
    assert!(steps.len() >= 5, "killed {kills} times, after {steps:?} steps");
}
