//! The README in a newcomer's hands: its programs in a crate outside the workspace.

use std::fmt::Write as _;

use serde_json::Value;

use crate::failure::Failure;
use crate::steps::Steps;

const STEP: &str = "programs of the README";

/// Compiles and runs every Rust program of the README in a crate that depends on ours by path, as a user's would.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    let readme_path = steps.root().join("README.md");
    let readme = std::fs::read_to_string(&readme_path).map_err(Failure::file(&readme_path))?;
    let programs = programs(&readme)?;

    let folder = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir()))?;
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::write(&path, text).map_err(Failure::file(&path))
    };
    let binaries = folder.path().join("src/bin");
    std::fs::create_dir_all(&binaries).map_err(Failure::file(&binaries))?;
    write("Cargo.toml", &manifest(steps, &[]))?;
    steps.lock(folder.path())?;
    for (index, program) in programs.iter().enumerate() {
        write(&format!("src/bin/program_{}.rs", index + 1), program)?;
    }
    for index in 1..=programs.len() {
        let name = format!("program_{index}");
        let mut command = steps.cargo_command(&["run", "--quiet", "--bin", &name]);
        command.current_dir(folder.path()).env("CARGO_TARGET_DIR", steps.target().join("scratch"));
        steps.command(&format!("{STEP}, {index} of {}", programs.len()), &mut command)?;
    }
    Ok(())
}

/// The manifest of a crate outside the workspace that depends on ours alone: the arrays come with the CPU backend, which has these features.
pub fn manifest(steps: &Steps, features: &[&str]) -> String {
    let mut manifest =
        "[workspace]\n\n[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n"
            .to_owned();
    for (package, features) in [("ambient_metric", &[][..]), ("ambient_metric_ndarray", features)] {
        // A JSON string is a TOML string.
        let path = Value::from(steps.root().join("crates").join(package).to_string_lossy());
        // Writing to a string does not fail.
        let _ = writeln!(manifest, "{package} = {{ path = {path}, features = {features:?} }}");
    }
    manifest
}

/// The Rust code blocks of a Markdown text, each a program of its own.
fn programs(markdown: &str) -> Result<Vec<String>, Failure> {
    let mut programs = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "```rust" {
            continue;
        }
        let program: String =
            lines.by_ref().take_while(|line| line.trim() != "```").fold(String::new(), |text, line| text + line + "\n");
        if !program.contains("fn main()") {
            let first = program.lines().next().unwrap_or_default();
            return Err(Failure::check(STEP, format!("the code block that begins with `{first}` has no `fn main()`")));
        }
        programs.push(program);
    }
    if programs.is_empty() {
        return Err(Failure::check(STEP, "there is no code block marked `rust`"));
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_become_programs() -> Result<(), Failure> {
        let markdown = "text\n```rust\nfn main() {}\n```\n```sh\nls\n```\n```rust\n// two\nfn main() {}\n```\n";
        assert_eq!(programs(markdown)?, ["fn main() {}\n", "// two\nfn main() {}\n"]);
        Ok(())
    }

    #[test]
    fn a_fragment_that_a_reader_cannot_run_is_refused() {
        assert!(programs("```rust\nlet x = 1;\n```\n").is_err());
        assert!(programs("no code\n").is_err());
    }
}
