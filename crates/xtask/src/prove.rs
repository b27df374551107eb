//! `cargo xtask prove`: the property suites on thousands of cases, and how near each property came to its bound.

use std::path::Path;

use crate::failure::Failure;
use crate::steps::Steps;

/// The tests that record their proofs.
const SUITES: [&str; 4] = ["exact_geometry", "backends", "third_party", "covariance"];

/// The environment variable that names the record; `ambient_metric_conformance::RECORD`.
const RECORD: &str = "AMBIENT_METRIC_PROOFS";

/// Runs the suites in the release profile and prints what they recorded.
pub fn run(steps: &Steps, cases: u32) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir()))?;
    let record = folder.path().join("proofs");
    let mut arguments = vec!["test", "--quiet", "--release", "--package", "ambient_metric_tests"];
    for suite in SUITES {
        arguments.extend(["--test", suite]);
    }
    let mut command = steps.cargo_command(&arguments);
    command.env("PROPTEST_CASES", cases.to_string()).env(RECORD, &record);
    steps.command("property suites", &mut command)?;
    print!("{}", table(&read(&record)?));
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(Failure::file(path))
}

/// The record as a table sorted by property and subject: cases, and the worst error in units of its bound, where one was measured.
fn table(record: &str) -> String {
    let mut rows: Vec<[&str; 4]> = record
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some([fields.next()?, fields.next()?, fields.next()?, fields.next()?])
        })
        .collect();
    rows.sort_unstable();
    rows.insert(0, ["property", "subject", "cases", "worst"]);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (property, subject, cases) = (width(0), width(1), width(2));
    let line = |row: &[&str; 4]| {
        let worst = match row[3].parse::<f64>() {
            Ok(0.0) => "holds".to_owned(),
            Ok(ratio) => format!("{ratio:.3}"),
            Err(_) => row[3].to_owned(),
        };
        format!("{:property$}  {:subject$}  {:>cases$}  {worst}\n", row[0], row[1], row[2])
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_sorted_table() {
        let record = "p2\trmsprop\t2000\t2.5e-1\np1\tlog\t2000\t0e0\n";
        let expected =
            "property  subject  cases  worst\np1        log       2000  holds\np2        rmsprop   2000  0.250\n";
        assert_eq!(table(record), expected);
    }
}
