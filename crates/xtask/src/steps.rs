//! Steps: commands that say what they run and how long it took.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;

/// The features that are checked and tested. Named one by one, because all of them would build compilers for GPUs and other frameworks: `cuda` and
/// `wgpu` of the Burn crate and what leads to them.
pub const FEATURES: &str = "\
    ambient_metric/serde,\
    ambient_metric_conformance/lapack,\
    ambient_metric_cpu/serde,\
    ambient_metric_ndarray/lapack,\
    ambient_metric_ndarray/serde,\
    ambient/wgpu,\
    ambient/train,\
    ambient_metric_tests/lapack";

/// The steps of one developer command, in the workspace's root.
#[derive(Debug)]
pub struct Steps {
    root: PathBuf,
    cargo: OsString,
    continuous_integration: bool,
    started: Instant,
}

impl Steps {
    /// Before the first step.
    pub fn begin() -> Result<Self, Failure> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or(Failure::Environment("CARGO_MANIFEST_DIR"))?;
        let crates = Path::new(&manifest).parent().and_then(Path::parent);
        Ok(Self {
            root: crates.ok_or(Failure::Environment("CARGO_MANIFEST_DIR"))?.to_owned(),
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            continuous_integration: std::env::var_os("CI").is_some(),
            started: Instant::now(),
        })
    }

    /// Steps of a run of which a test says where it is.
    #[cfg(test)]
    pub fn of_test(continuous_integration: bool) -> Self {
        Self { root: PathBuf::new(), cargo: "cargo".into(), continuous_integration, started: Instant::now() }
    }

    /// The workspace's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is a run of continuous integration, where the lock file and the working tree must be as committed.
    pub fn continuous_integration(&self) -> bool {
        self.continuous_integration
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), |target| self.root.join(target))
    }

    /// Gives a crate outside the workspace the workspace's versions, so that nothing new has to be fetched.
    pub fn lock(&self, folder: &Path) -> Result<(), Failure> {
        let lock = self.root.join("Cargo.lock");
        std::fs::copy(&lock, folder.join("Cargo.lock")).map(|_| ()).map_err(Failure::file(&lock))
    }

    /// A cargo command in the workspace's root.
    pub fn cargo_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Runs cargo as a step.
    pub fn cargo(&self, step: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.command(step, &mut self.cargo_command(arguments))
    }

    /// Runs a command as a step.
    #[allow(clippy::unused_self, reason = "every step is a method of the steps")]
    pub fn command(&self, step: &str, command: &mut Command) -> Result<(), Failure> {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let arguments = command.get_args().map(|argument| argument.to_string_lossy());
        let line = arguments.fold(program.clone(), |line, argument| line + " " + &argument);
        println!("\n==> {step}: {line}");
        let started = Instant::now();
        let status = command.status().map_err(|source| Failure::Start { step: step.to_owned(), program, source })?;
        if !status.success() {
            return Err(Failure::Step { step: step.to_owned(), status });
        }
        done(step, started);
        Ok(())
    }

    /// Runs a check of our own as a step.
    #[allow(clippy::unused_self, reason = "every step is a method of the steps")]
    pub fn check(&self, step: &str, check: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        println!("\n==> {step}");
        let started = Instant::now();
        check()?;
        done(step, started);
        Ok(())
    }

    /// Says that a step is left out, and why.
    #[allow(clippy::unused_self, reason = "every step is a method of the steps")]
    pub fn skip(&self, step: &str, reason: &str) {
        println!("\n==> {step}: skipped, {reason}");
    }

    /// Leaves a step out because something is not installed, and says what; a failure in continuous integration, where all of it is to be there.
    pub fn skip_unless_integrating(&self, step: &'static str, reason: &str) -> Result<(), Failure> {
        if self.continuous_integration {
            return Err(Failure::check(step, reason));
        }
        self.skip(step, reason);
        Ok(())
    }

    /// After the last step.
    pub fn finish(&self) {
        println!("\nall steps passed in {:.1} s", self.started.elapsed().as_secs_f64());
    }
}

fn done(step: &str, started: Instant) {
    println!("    {step} passed in {:.1} s", started.elapsed().as_secs_f64());
}

/// The output of a command that asks something, or `None` where it cannot be run or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_a_failure_in_continuous_integration_alone() {
        assert!(Steps::of_test(false).skip_unless_integrating("a step", "there is no node").is_ok());
        let failure = Steps::of_test(true)
            .skip_unless_integrating("a step", "there is no node")
            .map_err(|error| error.to_string());
        assert_eq!(failure, Err("step `a step`: there is no node".to_owned()));
    }
}
