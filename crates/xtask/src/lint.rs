//! `cargo xtask lint`: everything that is checked without running it.

use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::steps::{FEATURES, Steps, ask};
use crate::{math, packages, system_packages, web};

/// Checks formatting, lints, documentation, packages and dependencies.
pub fn run(steps: &Steps) -> Result<(), Failure> {
    // The feature for LAPACK looks for its library when it is built.
    system_packages::install(steps)?;
    if steps.continuous_integration() {
        steps.cargo("lock file", &["fetch", "--locked"])?;
    }
    steps.cargo("formatting", &["fmt", "--all", "--check"])?;
    let deny = ["--", "-D", "warnings"];
    let everything = ["clippy", "--workspace", "--all-targets", "--features", FEATURES];
    steps.cargo("clippy", &[&everything[..], &deny].concat())?;
    steps.cargo("clippy without features", &[&["clippy", "--package", "ambient_metric"][..], &deny].concat())?;
    let mut documentation = steps.cargo_command(&["doc", "--workspace", "--no-deps", "--features", FEATURES]);
    steps.command("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    math::check(steps)?;
    let publishable = metadata(steps)?;
    packages::check(steps, &publishable)?;
    dependencies(steps)?;
    web_assembly(steps)
}

/// Accepts publishable crates that say what a registry shows; returns their names.
fn metadata(steps: &Steps) -> Result<Vec<String>, Failure> {
    const STEP: &str = "package metadata";
    let mut names = Vec::new();
    steps.check(STEP, || {
        let arguments = ["metadata", "--format-version", "1", "--no-deps"];
        let text =
            ask(&mut steps.cargo_command(&arguments)).ok_or_else(|| Failure::check(STEP, "`cargo metadata` failed"))?;
        let metadata: Value = serde_json::from_str(&text).map_err(|error| Failure::check(STEP, error.to_string()))?;
        let packages = metadata["packages"].as_array().ok_or_else(|| Failure::check(STEP, "there is no package"))?;
        for package in packages {
            // `publish = false` reads as an empty list of registries.
            if package["publish"].as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            let name = package["name"].as_str().unwrap_or_default();
            if let Some(missing) = missing_metadata(package) {
                return Err(Failure::check(STEP, format!("{name} has no {missing}")));
            }
            let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
            if !manifest.with_file_name("LICENSE").is_file() {
                return Err(Failure::check(STEP, format!("{name} has no LICENSE (link it to the one at the root)")));
            }
            println!("    {name}");
            names.push(name.to_owned());
        }
        Ok(())
    })?;
    Ok(names)
}

/// The first entry of a package's metadata that is absent or empty.
fn missing_metadata(package: &Value) -> Option<&'static str> {
    let fields = ["description", "license", "readme", "repository", "documentation", "keywords", "categories"];
    fields.into_iter().find(|field| match &package[*field] {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    })
}

/// Licences, sources and duplicates of dependencies; known vulnerabilities where their list can be reached.
fn dependencies(steps: &Steps) -> Result<(), Failure> {
    if ask(&mut steps.cargo_command(&["deny", "--version"])).is_none() {
        steps.skip("dependencies", "cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    let check = ["deny", "--workspace", "--features", FEATURES, "--log-level", "error", "check"];
    steps.cargo("dependencies", &[&check[..], &["bans", "licenses", "sources"]].concat())?;
    if ask(&mut steps.cargo_command(&["deny", "fetch", "db"])).is_none() {
        steps.skip("advisories", "the list of advisories cannot be reached");
        return Ok(());
    }
    steps.cargo("advisories", &[&check[..], &["advisories"]].concat())
}

/// The core and the GPU backend build where there are neither threads nor files, and the CPU backend there asks for no instructions that
/// browsers do not have.
fn web_assembly(steps: &Steps) -> Result<(), Failure> {
    web::check_features(steps)?;
    if !web::has_target(steps) {
        return steps.skip_unless_integrating("WebAssembly", web::NO_TARGET);
    }
    let packages = ["--package", "ambient_metric", "--package", "ambient_metric_wgpu"];
    steps.cargo("WebAssembly", &[&["check", "--target", web::TARGET][..], &packages].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_absent_entry_is_named() {
        let mut package = json!({
            "description": "d", "license": "MIT", "readme": "README.md", "repository": "r", "documentation": "d",
            "keywords": ["k"], "categories": ["c"],
        });
        assert_eq!(missing_metadata(&package), None);
        package["keywords"] = json!([]);
        assert_eq!(missing_metadata(&package), Some("keywords"));
        package["readme"] = Value::Null;
        assert_eq!(missing_metadata(&package), Some("readme"));
    }
}
