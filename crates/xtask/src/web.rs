//! Steps in WebAssembly: a module that Node loads, and numbers like those of the processor.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::scratch;
use crate::steps::{Steps, ask};

const STEP: &str = "steps in WebAssembly";

/// The platform of browsers, without threads and files.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What is said where it cannot be built for.
pub const NO_TARGET: &str = "the target is not installed (rustup target add wasm32-unknown-unknown)";

/// How far numbers that rounding reaches may lie apart, relative to one or to the number. Processors and WebAssembly round other partial sums of a
/// product (u = 2⁻⁵³, n ≤ 7 terms) and have other functions for powers. The moments under the fourth roots of `Kronecker` have ‖A‖ ≤ 2·10³ after
/// six gradients, so their eigenvalues differ by n u ‖A‖ ≤ 2·10⁻¹² where the least is ε = 10⁻⁴: by 2·10⁻⁸ of it, and both roots together by 10⁻⁸. A step
/// of length about one times η = 0.05, six times, makes 3·10⁻⁹ of that. `Muon` is better conditioned.
const TOLERANCE: f64 = 1e-8;

/// Whether programs can be built for the [target](TARGET), after an attempt to install it.
pub fn has_target(steps: &Steps) -> bool {
    let question = ["--print", "target-libdir", "--target", TARGET];
    let Some(folder) = ask(Command::new("rustc").args(question).current_dir(steps.root())) else { return false };
    let folder = Path::new(folder.trim());
    if !folder.is_dir() {
        // Where there is no rustup it stays away.
        let _ = ask(Command::new("rustup").args(["target", "add", TARGET]).current_dir(steps.root()));
    }
    folder.is_dir()
}

/// Accepts dependencies of the CPU backend that leave relaxed vectors off: Safari and Node before version 21 refuse a whole module for them, and
/// what runs one here may be newer.
pub fn check_features(steps: &Steps) -> Result<(), Failure> {
    const STEP: &str = "features for WebAssembly";
    steps.check(STEP, || {
        let tree = [
            "tree",
            "--package",
            "ambient_metric_ndarray",
            "--target",
            TARGET,
            "--edges",
            "normal",
            "--prefix",
            "none",
        ];
        let features = ask(&mut steps.cargo_command(&[&tree[..], &["--format", "{p} {f}"]].concat()));
        let features = features.ok_or_else(|| Failure::check(STEP, "`cargo tree` failed"))?;
        match relaxed(&features) {
            None => Ok(()),
            Some(package) => {
                let problem =
                    format!("`{package}` has relaxed vectors: turn its feature `relaxed-simd` off in Cargo.toml");
                Err(Failure::check(STEP, problem))
            }
        }
    })
}

/// The first line of a tree with features of which one turns relaxed vectors on.
fn relaxed(tree: &str) -> Option<&str> {
    tree.lines().find(|line| line.contains("relaxed-simd"))
}

/// Builds a module of steps for a crate outside the workspace, runs it in Node, and compares what comes of it with the same steps on the processor.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    if !has_target(steps) {
        return steps.skip_unless_integrating(STEP, NO_TARGET);
    }
    if ask(Command::new("node").arg("--version")).is_none() {
        return steps.skip_unless_integrating(STEP, "node is not installed");
    }
    let folder = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir()))?;
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::write(&path, text).map_err(Failure::file(&path))
    };
    let source = folder.path().join("src");
    std::fs::create_dir_all(&source).map_err(Failure::file(&source))?;
    write("Cargo.toml", &(scratch::manifest(steps, &["matrices"]) + "\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n"))?;
    write("src/lib.rs", include_str!("../web/steps.rs"))?;
    write("src/main.rs", "fn main() {\n    print!(\"{}\", scratch::lines());\n}\n")?;
    write("steps.mjs", include_str!("../web/steps.mjs"))?;
    steps.lock(folder.path())?;

    let target = steps.target().join("scratch");
    let cargo = |arguments: &[&str]| {
        let mut command = steps.cargo_command(arguments);
        command.current_dir(folder.path()).env("CARGO_TARGET_DIR", &target);
        command
    };
    steps.command(STEP, &mut cargo(&["build", "--quiet", "--lib", "--target", TARGET]))?;
    steps.check(STEP, || {
        let native = ask(&mut cargo(&["run", "--quiet"]));
        let native = native.ok_or_else(|| Failure::check(STEP, "the steps failed on the processor"))?;
        let module = target.join(TARGET).join("debug/scratch.wasm");
        let mut node = Command::new("node");
        let output = node.arg(folder.path().join("steps.mjs")).arg(&module).output();
        let output = output.map_err(Failure::file("node"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::check(STEP, format!("node refuses the module or the steps failed there: {message}")));
        }
        let compared = compare(&native, &String::from_utf8_lossy(&output.stdout))?;
        println!("    {compared} numbers are alike");
        Ok(())
    })
}

/// Accepts numbers like those of the processor; returns how many there are.
fn compare(native: &str, web: &str) -> Result<usize, Failure> {
    let (native, web): (Vec<&str>, Vec<&str>) = (native.lines().collect(), web.lines().collect());
    if native.len() != web.len() || native.is_empty() {
        return Err(Failure::check(STEP, format!("{} numbers of {} were found", web.len(), native.len())));
    }
    for (native, web) in native.iter().zip(&web) {
        let (expectation, expected) = native.rsplit_once(' ').unwrap_or_default();
        let is_alike = if expectation.ends_with("exact") {
            expected == *web
        } else {
            let (expected, found) = (number(expected)?, number(web)?);
            (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
        };
        if !is_alike {
            let (expected, found) = (number(expected)?, number(web)?);
            let problem = format!("{expectation}: {expected} on the processor and {found} in WebAssembly");
            return Err(Failure::check(STEP, problem));
        }
    }
    Ok(native.len())
}

/// The number of these bits.
fn number(bits: &str) -> Result<f64, Failure> {
    let bits = u64::from_str_radix(bits, 16).map_err(|error| Failure::check(STEP, format!("`{bits}`: {error}")))?;
    Ok(f64::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(expectation: &str, number: f64) -> String {
        format!("{expectation} {:016x}\n", number.to_bits())
    }

    fn bits(number: f64) -> String {
        format!("{:016x}\n", number.to_bits())
    }

    #[test]
    fn an_exact_number_must_have_the_same_bits() {
        let above = f64::from_bits(1.0_f64.to_bits() + 1);
        assert!(compare(&line("0 exact", 1.0), &bits(1.0)).is_ok());
        assert!(compare(&line("0 exact", 1.0), &bits(above)).is_err());
        assert!(compare(&line("0 rounded", 1.0), &bits(above)).is_ok());
    }

    #[test]
    fn a_rounded_number_may_not_be_another_one() {
        for other in [1.0 + 1e-7, f64::NAN] {
            assert!(compare(&line("0 rounded", 1.0), &bits(other)).is_err());
        }
        assert!(compare("", "").is_err());
        assert!(compare(&(line("0 exact", 1.0) + &line("0 exact", 2.0)), &bits(1.0)).is_err());
    }

    #[test]
    fn relaxed_vectors_are_found() {
        assert_eq!(relaxed("pulp v0.22.3 std,x86-v3\nfaer v0.24.4 linalg\n"), None);
        assert_eq!(relaxed("faer v0.24.4\npulp v0.22.3 relaxed-simd,std\n"), Some("pulp v0.22.3 relaxed-simd,std"));
    }
}
