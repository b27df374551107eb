//! The comparison as a table.

use super::study::{Extended, Variant};
use ambient_studies::functions::Function;
use ambient_studies::present::table::{align, new_table};

/// Every variant on every function: updates from the paper's start, and the share of random starts that converge.
#[must_use]
pub fn table(extended: &Extended, variants: &[Variant], functions: &[Function]) -> String {
    let names: Vec<&str> = functions.iter().map(|function| function.name()).collect();
    let mut table = new_table(&[&["", "variant"][..], &names].concat());
    let mut last = "";
    for Variant { family, name } in variants {
        let mut cells = vec![if *family == last { "" } else { family }.to_owned(), name.clone()];
        last = family;
        for function in functions {
            let row = extended.row(name, *function);
            cells.push(row.map_or_else(String::new, |row| {
                let updates = if row.best.converged { row.best.iterations.to_string() } else { "–".to_owned() };
                format!("{updates} {:>5.0} %", row.success_rate * 100.0)
            }));
        }
        table.add_row(cells);
    }
    align(&mut table, &(2..2 + functions.len()).collect::<Vec<_>>());
    format!(
        "Updates of the best of a grid from the paper's start (–: not converged in {}), and the share of {} random starts (seed {}) from which \
         that configuration converges\n{table}\n{} runs in {:.1} s\n",
        extended.max_iterations, extended.starts, extended.seed, extended.runs, extended.seconds
    )
}
