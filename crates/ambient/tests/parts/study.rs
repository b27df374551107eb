//! The low-dimensional study against the paper: the grid, the cells that can be compared, and the pictures.

use std::sync::LazyLock;

use ambient_lowdim::grid::{self, Selection};
use ambient_lowdim::outcome::Outcome;
use ambient_lowdim::page::{self, Drawn};
use ambient_lowdim::pictures::{self, Line};
use ambient_lowdim::reference::{Paper, Reproducibility};
use ambient_lowdim::study::{self, Request, Study};
use ambient_studies::functions::Function;
use ambient_studies::rules::named::Studied;

static PAPER: LazyLock<Paper> = LazyLock::new(|| Paper::compiled_in().unwrap());

/// The whole study, run once for all tests.
static STUDY: LazyLock<Study> = LazyLock::new(|| perform(Selection::default(), 20, 1));

fn perform(selection: Selection, starts: usize, seed: u64) -> Study {
    study::run(&PAPER, &Request { selection, out: "unused".into(), starts, seed }).unwrap()
}

#[test]
fn the_whole_grid_has_12480_distinct_runs() {
    assert_eq!(STUDY.runs, 12_480);
    let counts = Studied::ALL.map(|optimiser| PAPER.configurations(optimiser).len());
    assert_eq!(counts, [64, 320, 320, 256, 256, 1280]);
    for optimiser in Studied::ALL {
        let configurations = PAPER.configurations(optimiser);
        for (index, one) in configurations.iter().enumerate() {
            assert!(!configurations[..index].contains(one), "{} {one:?}", optimiser.name());
        }
    }
}

#[test]
fn every_published_best_is_a_point_of_the_grid() {
    for result in &PAPER.results {
        assert!(PAPER.configurations(result.optimiser).contains(&result.config), "{result:?}");
    }
}

#[test]
fn all_21_robust_cells_match_the_paper_iteration_for_iteration() {
    let robust = STUDY.cells.iter().filter(|cell| cell.paper.reproducibility == Reproducibility::Robust);
    assert_eq!(robust.clone().count(), 21);
    for cell in robust {
        assert!(cell.matches, "{} {}: {:?}", cell.function.name(), cell.optimiser.name(), cell.replayed);
        assert_eq!(cell.replayed.iterations, cell.paper.outcome.iterations);
        assert_eq!(cell.replayed.converged, cell.paper.outcome.converged);
        assert_eq!(format!("{:.2e}", cell.replayed.final_value), format!("{:.2e}", cell.paper.outcome.final_value));
    }
}

#[test]
fn the_best_of_the_grid_is_never_worse_than_a_robust_cell() {
    for cell in STUDY.cells.iter().filter(|cell| cell.paper.reproducibility == Reproducibility::Robust) {
        assert!(!cell.replayed.beats(&cell.best), "{} {}", cell.function.name(), cell.optimiser.name());
        assert_eq!(cell.best.converged, cell.paper.outcome.converged);
        if cell.best.converged {
            assert_eq!(cell.best.iterations, cell.paper.outcome.iterations);
            assert_eq!(cell.config, cell.paper.config, "ties are settled in the paper's grid order");
        }
    }
}

#[test]
fn every_final_value_is_finite_and_converged_means_at_most_the_tolerance() {
    for cell in &STUDY.cells {
        let tolerance = PAPER.facts(cell.function).unwrap().tolerance;
        for outcome in [cell.best, cell.replayed] {
            assert!(outcome.final_value.is_finite());
            assert_eq!(outcome.converged, outcome.final_value <= tolerance);
            assert!(outcome.iterations <= PAPER.max_iterations);
        }
    }
}

#[test]
fn a_run_that_overflows_ends_unconverged_with_its_last_finite_value() {
    let config = PAPER.configurations(Studied::Sgd).into_iter().last().unwrap();
    let outcome = grid::run(&PAPER, Function::Beale, Studied::Sgd, config).unwrap().outcome().unwrap();
    assert!(!outcome.converged && outcome.iterations < PAPER.max_iterations && outcome.final_value.is_finite());
}

#[test]
fn convergence_beats_fewer_updates_beat_and_lower_values_beat() {
    let outcome = |converged, iterations, final_value| Outcome { converged, iterations, final_value };
    assert!(outcome(true, 900, 1.0).beats(&outcome(false, 10, 0.0)));
    assert!(outcome(true, 9, 1.0).beats(&outcome(true, 10, 0.0)));
    assert!(outcome(false, 1000, 1.0).beats(&outcome(false, 10, 2.0)));
    assert!(!outcome(true, 9, 0.0).beats(&outcome(true, 9, 1.0)), "the first of equals stays");
    assert!(!outcome(false, 9, f64::NAN).beats(&outcome(false, 9, 1.0)), "a NaN never wins");
}

#[test]
fn from_equal_coordinates_symmetric_functions_keep_x_equal_to_y() {
    for function in [Function::Ackley, Function::Rastrigin] {
        for cell in STUDY.cells.iter().filter(|cell| cell.function == function) {
            let (_, track) = grid::run(&PAPER, function, cell.optimiser, cell.config).unwrap().track().unwrap();
            assert!(track.iter().all(|([x, y], _)| x.to_bits() == y.to_bits()));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_results_whatever_else_is_run() {
    let part = Selection { functions: vec![Function::Himmelblau], optimisers: vec![Studied::Adam] };
    let [first, second] = [perform(part.clone(), 20, 1), perform(part.clone(), 20, 1)];
    let row = |study: &Study| serde_json::to_string(&study.starts.rows).unwrap();
    assert_eq!(row(&first), row(&second));
    assert_ne!(row(&first), row(&perform(part, 20, 2)));
    let whole = STUDY.starts.rows.iter().filter(|row| row.function == Function::Himmelblau);
    let whole: Vec<_> = whole.filter(|row| row.optimiser == Studied::Adam).collect();
    assert_eq!(row(&first), serde_json::to_string(&whole).unwrap());
    assert_eq!(first.starts.runs, 20);
}

#[test]
fn pictures_stay_small_and_the_page_needs_no_other_file() {
    let mut drawn = Vec::new();
    for function in Function::ALL {
        let facts = PAPER.facts(function).unwrap();
        let mut lines = Vec::new();
        for cell in STUDY.cells.iter().filter(|cell| cell.function == function) {
            let (outcome, track) = grid::run(&PAPER, function, cell.optimiser, cell.config).unwrap().track().unwrap();
            assert_eq!(outcome, cell.best);
            lines.push(Line { optimiser: cell.optimiser, outcome, track });
        }
        let values = pictures::values(function, facts, &lines).unwrap();
        let trajectories = pictures::trajectories(function, facts, &lines).unwrap();
        for svg in [&values, &trajectories] {
            assert!(svg.len() < 400_000, "{} {}", function.name(), svg.len());
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            for optimiser in Studied::ALL {
                assert!(svg.contains(optimiser.name()));
            }
        }
        drawn.push(Drawn { function, values, trajectories });
    }
    let html = page::render(&PAPER, &STUDY, &drawn).unwrap();
    assert_eq!(html.matches("<svg ").count(), 10);
    assert_eq!(html.matches("keeps x = y throughout").count(), 2);
    for outside in ["<script", "<link", "<img", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}
