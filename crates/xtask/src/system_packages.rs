//! System packages: what is missing is installed, or named where it cannot be.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::steps::{Steps, ask};

const STEP: &str = "system packages";

/// A package of the operating system.
#[derive(Debug, PartialEq)]
struct SystemPackage<'a> {
    name: &'a str,
    found_by: FoundBy<'a>,
    purpose: &'a str,
}

/// How to see that a package is installed.
#[derive(Debug, PartialEq)]
enum FoundBy<'a> {
    /// A program on the `PATH`.
    Program(&'a str),
    /// A library that the dynamic linker knows.
    Library(&'a str),
    /// A library that `pkg-config` knows, with what is needed to build against it.
    PkgConfig(&'a str),
    /// A file.
    File(&'a str),
}

impl FoundBy<'_> {
    fn is_installed(&self) -> bool {
        match self {
            Self::Program(name) => std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file())),
            Self::Library(name) => ["ldconfig", "/sbin/ldconfig"]
                .iter()
                .find_map(|ldconfig| ask(Command::new(ldconfig).arg("-p")))
                .is_some_and(|libraries| libraries.lines().any(|line| line.trim_start().starts_with(name))),
            Self::PkgConfig(name) => ask(Command::new("pkg-config").args(["--exists", name])).is_some(),
            Self::File(path) => Path::new(path).exists(),
        }
    }
}

/// The packages of a table; see `system_packages.txt` for its form.
fn parse(table: &str) -> Result<Vec<SystemPackage<'_>>, Failure> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [name, found_by, purpose] = fields[..] else { return Err(malformed(line)) };
            let found_by = match found_by.split_once(' ') {
                Some(("program", name)) => FoundBy::Program(name),
                Some(("library", name)) => FoundBy::Library(name),
                Some(("pkg-config", name)) => FoundBy::PkgConfig(name),
                Some(("file", path)) => FoundBy::File(path),
                _ => return Err(malformed(line)),
            };
            Ok(SystemPackage { name, found_by, purpose })
        })
        .collect()
}

fn malformed(line: &str) -> Failure {
    Failure::check(STEP, format!("`{line}` is not of the form `package | program NAME | purpose`"))
}

/// Installs the packages that are missing.
pub fn install(steps: &Steps) -> Result<(), Failure> {
    // Other systems bring what the packages are for (Metal, DirectX 12), or have no software driver to install.
    let table = if cfg!(target_os = "linux") { include_str!("../system_packages.txt") } else { "" };
    let packages = parse(table)?;
    let missing: Vec<&SystemPackage> = packages.iter().filter(|package| !package.found_by.is_installed()).collect();
    println!("\n==> {STEP}: {} needed, {} missing", packages.len(), missing.len());
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("    {}: {}", package.name, package.purpose);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let Some(prefix) = privileged() else {
        return Err(Failure::check(STEP, format!("as root, run `apt-get install {}`", names.join(" "))));
    };
    let apt_get = |arguments: &[&str]| {
        let words: Vec<&str> = prefix.iter().copied().chain(["apt-get"]).chain(arguments.iter().copied()).collect();
        let mut command = Command::new(words.first().copied().unwrap_or_default());
        command.args(words.get(1..).unwrap_or_default());
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    steps.command(STEP, &mut apt_get(&["update"]))?;
    let arguments: Vec<&str> = ["install", "--yes", "--no-install-recommends"].into_iter().chain(names).collect();
    steps.command(STEP, &mut apt_get(&arguments))
}

/// What goes before a command so that it runs as root without asking, or `None` where nothing does.
fn privileged() -> Option<&'static [&'static str]> {
    ask(Command::new("apt-get").arg("--version"))?;
    if ask(Command::new("id").arg("-u")).is_some_and(|user| user.trim() == "0") {
        return Some(&[]);
    }
    ask(Command::new("sudo").args(["-n", "true"])).map(|_| &["sudo", "-n"][..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_becomes_a_package() -> Result<(), Failure> {
        let table = "# a comment\n\nlibvulkan1 | library libvulkan.so.1 | the Vulkan loader\n";
        let package = SystemPackage {
            name: "libvulkan1",
            found_by: FoundBy::Library("libvulkan.so.1"),
            purpose: "the Vulkan loader",
        };
        assert_eq!(parse(table)?, [package]);
        Ok(())
    }

    #[test]
    fn a_malformed_line_is_refused() {
        assert!(parse("libvulkan1 | library libvulkan.so.1").is_err());
        assert!(parse("libvulkan1 | somehow | the Vulkan loader").is_err());
    }

    #[test]
    fn the_table_is_well_formed() {
        assert!(parse(include_str!("../system_packages.txt")).is_ok());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert!(!FoundBy::Program("no-program-has-this-name").is_installed());
        assert!(!FoundBy::Library("libno-library-has-this-name.so").is_installed());
        assert!(!FoundBy::PkgConfig("no-library-has-this-name").is_installed());
        assert!(!FoundBy::File("/no/file/has/this/name").is_installed());
        assert!(FoundBy::File("/").is_installed());
    }
}
