//! `cargo xtask test`: everything that is tested, on a machine that may have nothing installed yet.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::steps::{FEATURES, Steps};
use crate::{scratch, system_packages, web};

/// Runs every test, doctest and example.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    system_packages::install(steps)?;
    // Without flags that choose targets: they would also build what says that it has no tests of its own, and examples as tests.
    steps.cargo("tests, doctests of the crates, README and book", &["test", "--workspace", "--features", FEATURES])?;
    // The first step has built them; `cargo run` would build what they need once more, with other features.
    let built = steps.target().join("debug/examples");
    for example in examples(steps.root())? {
        let program = built.join(&example).with_extension(std::env::consts::EXE_EXTENSION);
        steps.command(&format!("example {example}"), Command::new(program).current_dir(steps.root()))?;
    }
    scratch::run(steps)?;
    web::run(steps)
}

/// The names of the examples of every crate.
fn examples(root: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for package in entries(&root.join("crates"))? {
        let folder = package.join("examples");
        if !folder.is_dir() {
            continue;
        }
        for example in entries(&folder)? {
            if example.extension().is_some_and(|extension| extension == "rs") {
                found.push(name(&example));
            }
        }
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The paths in a folder, sorted.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let paths = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = paths.map_err(Failure::file(folder))?;
    paths.sort();
    Ok(paths)
}
