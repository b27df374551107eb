//! A proof: one property of one subject over many cases, and how near it came to failing.

use core::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The environment variable that names the file to which proofs are recorded, one line each; unset, nothing is recorded.
pub const RECORD: &str = "AMBIENT_METRIC_PROOFS";

/// What came of trying a property on many cases.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::{Proof, fractions};
/// use proptest::prop_assert;
///
/// let holds = Proof::of(16, &fractions(), |x| {
///     prop_assert!(x.squared().numerator >= 0);
///     Ok(0.0)
/// });
/// assert!(holds.failure.is_none());
///
/// let fails = Proof::of(256, &fractions(), |x| {
///     prop_assert!(x.numerator >= 0);
///     Ok(0.0)
/// });
/// assert!(fails.failure.is_some());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a proof that is not required proves nothing"]
pub struct Proof {
    /// How many cases were tried.
    pub cases: u32,
    /// The largest error in units of its bound; zero for what holds exactly.
    pub worst: f64,
    /// The smallest case that was found to fail, and why.
    pub failure: Option<String>,
}

impl Proof {
    /// Tries a claim on `cases` cases, or on as many as `PROPTEST_CASES` says. The claim returns its error in units of its bound.
    pub fn of<S: Strategy>(cases: u32, strategy: &S, claim: impl Fn(S::Value) -> Result<f64, TestCaseError>) -> Self {
        Self::of_claim(cases, strategy, &claim)
    }

    /// Compiled once for every strategy, not for every claim: there are hundreds of those.
    fn of_claim<S: Strategy>(cases: u32, strategy: &S, claim: &dyn Fn(S::Value) -> Result<f64, TestCaseError>) -> Self {
        let default = Config::default();
        let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..default });
        let worst = Cell::new(0.0_f64);
        let result = runner.run(strategy, |case| {
            worst.set(worst.get().max(claim(case)?));
            Ok(())
        });
        Self { cases, worst: worst.get(), failure: result.err().map(|error| error.to_string()) }
    }

    /// Records the proof where [`RECORD`] asks for it, and stops the test where the property does not hold.
    ///
    /// # Panics
    ///
    /// Where the property does not hold, or the record cannot be written.
    pub fn require(&self, property: &str, subject: &str) {
        if let Some(failure) = &self.failure {
            assert!(self.failure.is_none(), "{property} does not hold for {subject}: {failure}");
        }
        if let Some(path) = std::env::var_os(RECORD) {
            let line = format!("{property}\t{subject}\t{}\t{:e}\n", self.cases, self.worst);
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
            assert!(written.is_ok(), "cannot record a proof in {}: {written:?}", path.display());
        }
    }
}
