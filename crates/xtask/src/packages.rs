//! The packages as a registry would have them: packed, unpacked, and built from what was packed.

use std::fmt::Write as _;
use std::process::Command;

use crate::failure::Failure;
use crate::steps::Steps;

const STEP: &str = "packages";

/// Packs the crates; on a clean checkout also builds them from what was packed, against each other.
///
/// `cargo package` would build them itself, but keeps what it unpacks under the name and version alone: the next build of the same version, of
/// whatever sources, would be that of the first.
pub fn check(steps: &Steps, names: &[String]) -> Result<(), Failure> {
    let mut arguments = vec!["package", "--quiet", "--no-verify"];
    for name in names {
        arguments.extend(["--package", name]);
    }
    if !steps.continuous_integration() {
        arguments.push("--allow-dirty");
        return steps.cargo(STEP, &arguments);
    }
    let packed = steps.target().join("package");
    if packed.exists() {
        std::fs::remove_dir_all(&packed).map_err(Failure::file(&packed))?;
    }
    steps.cargo(STEP, &arguments)?;

    let folder = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir()))?;
    let packages = std::fs::read_dir(&packed).map_err(Failure::file(&packed))?;
    let mut folders = Vec::new();
    for package in packages {
        let path = package.map_err(Failure::file(&packed))?.path();
        if path.extension().is_none_or(|extension| extension != "crate") {
            continue;
        }
        folders.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        // What is unpacked is as new as now (`m`), or a build that is kept would be taken for its own.
        steps.command(STEP, Command::new("tar").arg("xzmf").arg(&path).arg("-C").arg(folder.path()))?;
    }
    if folders.len() != names.len() {
        return Err(Failure::check(STEP, format!("{} of {} crates were packed", folders.len(), names.len())));
    }
    let path = folder.path().join("Cargo.toml");
    std::fs::write(&path, manifest(&folders)).map_err(Failure::file(&path))?;
    steps.lock(folder.path())?;
    let mut build = steps.cargo_command(&["check", "--quiet", "--workspace"]);
    build.current_dir(folder.path()).env("CARGO_TARGET_DIR", steps.target().join("scratch"));
    steps.command("crates as packed", &mut build)
}

/// A workspace of unpacked crates, each in a folder `NAME-VERSION`, which find each other in place of a registry.
fn manifest(folders: &[String]) -> String {
    let mut manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {folders:?}\n\n[patch.crates-io]\n");
    for folder in folders {
        let name = folder.rsplit_once('-').map_or(folder.as_str(), |(name, _)| name);
        // Writing to a string does not fail.
        let _ = writeln!(manifest, "{name} = {{ path = {folder:?} }}");
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_crates_find_each_other() {
        let manifest = manifest(&["one-0.1.0".to_owned(), "one_more-0.1.0".to_owned()]);
        assert!(manifest.contains("members = [\"one-0.1.0\", \"one_more-0.1.0\"]"));
        assert!(manifest.contains("\none = { path = \"one-0.1.0\" }\none_more = { path = \"one_more-0.1.0\" }\n"));
    }
}
