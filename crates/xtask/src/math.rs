//! `cargo xtask math`: the formulas of the documentation, from LaTeX to MathML that needs no script and no network.

use std::path::{Path, PathBuf};

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

use crate::failure::Failure;
use crate::steps::Steps;
use crate::test::entries;

const STEP: &str = "formulas";
/// A formula that is too wide scrolls sideways; rustdoc's own style would show a vertical scroll bar beside every one.
const STYLE: &str = "overflow-x: auto; overflow-y: hidden; padding: 0.2em 0";
const FORMULA_STYLE: &str = "font-size: 1.15em; margin: 0.7em 0";

/// Writes the HTML fragment of every LaTeX source that has changed.
pub fn render(steps: &Steps) -> Result<(), Failure> {
    steps.check(STEP, || {
        for (path, html) in fragments(steps.root())? {
            if current(&path)? != Some(html.clone()) {
                println!("    writing {}", path.display());
                std::fs::write(&path, html).map_err(Failure::file(&path))?;
            }
        }
        Ok(())
    })
}

/// Accepts fragments that are what their sources say.
pub fn check(steps: &Steps) -> Result<(), Failure> {
    steps.check(STEP, || {
        let fragments = fragments(steps.root())?;
        for (path, html) in &fragments {
            if current(path)?.as_ref() != Some(html) {
                return Err(Failure::check(STEP, format!("{} is out of date: run `cargo xtask math`", path.display())));
            }
        }
        orphan(steps.root(), &fragments)
    })
}

/// Accepts a folder in which every fragment has a source.
fn orphan(root: &Path, fragments: &[(PathBuf, String)]) -> Result<(), Failure> {
    let html = entries(&folder(root))?.into_iter().filter(|path| has_extension(path, "html"));
    match html.into_iter().find(|path| !fragments.iter().any(|(known, _)| known == path)) {
        Some(path) => Err(Failure::check(STEP, format!("{} has no LaTeX source", path.display()))),
        None => Ok(()),
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join("crates/ambient_metric/math")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The text of a file, or `None` where it does not exist.
fn current(path: &Path) -> Result<Option<String>, Failure> {
    if path.exists() { std::fs::read_to_string(path).map(Some).map_err(Failure::file(path)) } else { Ok(None) }
}

/// Every fragment that there should be: its path and text.
fn fragments(root: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let converter = LatexToMathML::new(MathCoreConfig::default())
        .map_err(|(error, _, text)| Failure::check(STEP, format!("`{text}`: {error}")))?;
    let sources = entries(&folder(root))?.into_iter().filter(|path| has_extension(path, "tex"));
    sources
        .map(|source| {
            let latex = std::fs::read_to_string(&source).map_err(Failure::file(&source))?;
            let html = fragment(&converter, &latex)
                .map_err(|problem| Failure::check(STEP, format!("{}: {problem}", source.display())))?;
            Ok((source.with_extension("html"), html))
        })
        .collect()
}

/// The HTML of a source: one displayed formula per paragraph, in one block without empty lines, which Markdown leaves alone.
fn fragment(converter: &LatexToMathML, latex: &str) -> Result<String, String> {
    let mut html = format!("<div style=\"{STYLE}\">\n");
    for formula in latex.split("\n\n").map(str::trim).filter(|formula| !formula.is_empty()) {
        let converted = converter
            .convert_with_local_state(formula, MathDisplay::Block)
            .map_err(|error| format!("`{formula}`: {error}"))?;
        let spaced = converted.mathml.replacen("<math ", &format!("<math style=\"{FORMULA_STYLE}\" "), 1);
        html.push_str(&spaced.replace('\n', " "));
        html.push('\n');
    }
    html.push_str("</div>\n");
    Ok(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converter() -> Result<LatexToMathML, String> {
        LatexToMathML::new(MathCoreConfig::default()).map_err(|(error, ..)| error.to_string())
    }

    #[test]
    fn every_paragraph_is_a_formula_on_its_own_line() -> Result<(), String> {
        let html = fragment(&converter()?, "a^2\n\n\\frac{1}{2}\n")?;
        let lines: Vec<&str> = html.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.starts_with('<') && line.ends_with('>')));
        assert!(html.contains("<msup>") && html.contains("<mfrac>"));
        Ok(())
    }

    #[test]
    fn wrong_latex_is_refused() -> Result<(), String> {
        assert!(fragment(&converter()?, "\\frac{1}{").is_err());
        assert!(fragment(&converter()?, "\\nosuchcommand").is_err());
        Ok(())
    }
}
