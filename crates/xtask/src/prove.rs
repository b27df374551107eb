//! `cargo xtask prove`: the property suites on thousands of cases, and how near each property came to its bound.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::failure::Failure;
use crate::steps::Steps;
use crate::system_packages;

const STEP: &str = "every property";

/// The tests that record their proofs, and how many cases they run at least and at most: dense metrics are cheap enough for more, and
/// thousands of elements in fractions are not.
const SUITES: [(&str, u32, u32); 8] = [
    ("exact_geometry", 1, u32::MAX),
    ("ambient", 1, u32::MAX),
    ("matrix_metrics", 1, u32::MAX),
    ("backends", 1, u32::MAX),
    ("exact_backend", 1, 100),
    ("third_party", 1, u32::MAX),
    ("covariance", 1, u32::MAX),
    ("oracles", 10_000, u32::MAX),
];

/// The environment variable that names the record; `ambient_metric_conformance::RECORD`.
const RECORD: &str = "AMBIENT_METRIC_PROOFS";

/// The properties of the mathematics.
const PROPERTIES: [(u32, &str); 21] = [
    (1, "g g⁻¹ = 1"),
    (2, "the step is −η · solve(g, ∂f)"),
    (3, "det g = det γ · (1 + ξf′²⟨l, l⟩)"),
    (4, "vectors grow, covectors shrink"),
    (5, "over the flat metric only the direction of the gradient is stretched"),
    (6, "at ξ = 0 every bit is that of the base optimiser"),
    (7, "no step is longer than η/(2√ξ) in γ and η/√ξ in g, in any ambient space than η√(qᵀS⁻¹q/a)"),
    (8, "the step is parallel to l♯"),
    (9, "the step goes down"),
    (10, "a change of coordinates changes nothing"),
    (11, "with f = ln, scaling the loss changes nothing"),
    (12, "the flow is the projection of straight descent onto the surface"),
    (13, "k losses: Woodbury is Sherman–Morrison nested in every order"),
    (14, "coupling: definite if and only if ⟨c, c⟩ < 1"),
    (15, "cutting the parameters into parts changes nothing"),
    (16, "every backend agrees with the reference"),
    (17, "a step is taken exactly where the ambient form is a metric"),
    (18, "det g = det G · det Q, of the space and of the normals"),
    (19, "a larger ambient space takes smaller steps"),
    (20, "written out, the paper's ambient metric takes the paper's steps, bit for bit"),
    (21, "the order of the heights changes nothing"),
];

/// Why some subjects are not asked for a property.
const NOT_ASKED: [(&[u32], &str, &str); 9] = [
    (
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        "backends",
        "the formulas above a backend are the same code on every one; P16 says that it runs them",
    ),
    (&[5], "other base metrics", "it is about γ = 1"),
    (&[6], "embeddings but the identity", "at ξ = 0 the slope f′ still scales the step"),
    (
        &[10],
        "metrics in general",
        "γ must transform as a metric does: √l² does not, and takes part in permutations alone, where its roots are fractions",
    ),
    (&[11], "embeddings but the logarithm", "no other f has f′(cL) = f′(L)/c, up to a constant factor"),
    (
        &[13, 14],
        "metrics without fractions",
        "these are claims about equality, proved where γ⁻¹ is a fraction after one gradient; the rules are the same code for the others",
    ),
    (
        &[17, 18, 19, 21],
        "metrics and embeddings",
        "these are claims about ambient metrics, each proved over a pointwise metric and one that is not, with three embeddings",
    ),
    (&[15], "embeddings", "an embedding sees the loss, which no cutting changes"),
    (
        &[16],
        "metrics and embeddings",
        "it is about backends; each is run on the reference and on the CPU by the tests of agreement",
    ),
];

/// Why a property that nothing recorded is missing.
const UNRECORDED: &str =
    "not recorded by these suites: the rule that it is about has tests of its own, or is not in the library";

/// Runs the suites, optimised, and prints what they recorded.
pub fn run(steps: &Steps, cases: u32) -> Result<(), Failure> {
    system_packages::install(steps)?;
    let folder = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir()))?;
    let record = folder.path().join("proofs");
    let package =
        ["test", "--quiet", "--profile", "prove", "--package", "ambient_metric_tests", "--features", "lapack"];
    let mut build = package.to_vec();
    for (suite, ..) in SUITES {
        build.extend(["--test", suite]);
    }
    build.push("--no-run");
    steps.cargo("build", &build)?;
    for (suite, least, most) in SUITES {
        let mut command = steps.cargo_command(&[&package[..], &["--test", suite]].concat());
        command.env("PROPTEST_CASES", cases.clamp(least, most).to_string()).env(RECORD, &record);
        steps.command(suite, &mut command)?;
    }
    let record = std::fs::read_to_string(&record).map_err(Failure::file(&record))?;
    let proofs = proofs(&record)?;
    print!("{}", table(&proofs));
    Ok(())
}

/// One line of the record.
#[derive(Debug, PartialEq)]
struct Proof<'r> {
    claim: String,
    subject: &'r str,
    cases: &'r str,
    /// The worst error in units of its bound; zero for what holds without one.
    worst: f64,
}

/// The proofs by the number of their property; under zero those that have none.
fn proofs(record: &str) -> Result<BTreeMap<u32, Vec<Proof<'_>>>, Failure> {
    let mut proofs: BTreeMap<u32, Vec<Proof>> = BTreeMap::new();
    for line in record.lines() {
        let malformed = || Failure::check(STEP, format!("`{line}` is no line of the record"));
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, subject, cases, worst] = fields[..] else { return Err(malformed()) };
        let worst: f64 = worst.parse().map_err(|_| malformed())?;
        let (number, claim) = numbered(name).unwrap_or((0, name));
        let proof = Proof { claim: claim.replace('_', " "), subject, cases, worst };
        proofs.entry(number).or_default().push(proof);
    }
    for rows in proofs.values_mut() {
        rows.sort_by(|a, b| (&a.claim, a.subject).cmp(&(&b.claim, b.subject)));
    }
    Ok(proofs)
}

/// The number in front of a name such as `p12_the_flow`, and what follows it.
fn numbered(name: &str) -> Option<(u32, &str)> {
    let (number, claim) = name.strip_prefix('p')?.split_once('_')?;
    Some((number.parse().ok()?, claim))
}

/// Every property with its claims and subjects: cases, and the worst error in units of its bound.
fn table(proofs: &BTreeMap<u32, Vec<Proof<'_>>>) -> String {
    let rows = proofs.values().flatten();
    let subject = rows.clone().map(|proof| short(proof.subject).chars().count()).max().unwrap_or(0);
    let cases = rows.clone().map(|proof| proof.cases.len()).max().unwrap_or(0).max("cases".len());
    let mut text = String::new();
    let line = |text: &mut String, line: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    for (number, title) in PROPERTIES.into_iter().chain([(0, "beside these")]) {
        let name = if number == 0 { String::new() } else { format!("P{number}  ") };
        line(&mut text, &format!("\n{name}{title}"));
        let mut claim = "";
        for proof in proofs.get(&number).into_iter().flatten() {
            if proof.claim != claim {
                claim = &proof.claim;
                line(&mut text, &format!("  {claim:width$}  {:>cases$}  worst", "cases", width = subject + 2));
            }
            let worst = if proof.worst == 0.0 { "holds".to_owned() } else { format!("{:.3}", proof.worst) };
            line(&mut text, &format!("    {:subject$}  {:>cases$}  {worst}", short(proof.subject), proof.cases));
        }
        for (_, subjects, reason) in NOT_ASKED.iter().filter(|(numbers, ..)| numbers.contains(&number)) {
            line(&mut text, &format!("  not asked of {subjects}: {reason}"));
        }
        if !proofs.contains_key(&number) {
            line(&mut text, &format!("  {UNRECORDED}"));
        }
    }
    let all = rows.clone().count();
    let worst = rows.map(|proof| proof.worst).fold(0.0, f64::max);
    line(
        &mut text,
        "\nworst: the largest error that was found, in units of the bound derived for it; no claim is accepted above 1 (that of P7 is reached).",
    );
    line(&mut text, "holds: there was no error. In exact numbers the claim is an equation, and no bound is needed.");
    line(&mut text, &format!("{all} proofs; the worst error is {worst:.3} of its bound."));
    text
}

/// The subject without the test that it was recorded by and without the name of the property.
fn short(subject: &str) -> String {
    let (_, path) = subject.split_once("::").unwrap_or(("", subject));
    let names = path.split("::").filter(|name| numbered(name).is_none());
    names.collect::<Vec<_>>().join(", ").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_table_in_the_order_of_the_properties() -> Result<(), Failure> {
        let record = "p10_a\tt::x\t20\t0e0\np2_the_step\tt::rmsprop::log\t2000\t2.5e-1\np2_the_step\tt::adagrad\t2000\t0e0\nthe_inverse\tt::x\t1\t0e0\n";
        let text = table(&proofs(record)?);
        let at = |needle: &str| text.find(needle).unwrap_or(usize::MAX);
        let order =
            ["P1  ", "P2  ", "the step", "adagrad", "rmsprop, log", "P10  ", "P16  ", "beside these", "the inverse"];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
        assert!(text.contains("rmsprop, log   2000  0.250"), "{text}");
        assert!(text.contains("4 proofs; the worst error is 0.250 of its bound."));
        Ok(())
    }

    #[test]
    fn a_property_that_nothing_recorded_is_not_passed_over() -> Result<(), Failure> {
        let text = table(&proofs("p1_a\tx\t1\t0e0\n")?);
        assert_eq!(text.matches(UNRECORDED).count(), PROPERTIES.len());
        Ok(())
    }

    #[test]
    fn a_line_that_is_not_understood_is_refused() {
        assert!(proofs("p1_a\tx\t1\n").is_err());
        assert!(proofs("p1_a\tx\t1\tmuch\n").is_err());
    }
}
