//! Lines of equal height.

use ambient_studies::present::contours::Field;

fn bowl() -> Field {
    Field::sample([[-2.0, 2.0], [-2.0, 2.0]], 40, |x, y| x * x + y * y)
}

#[test]
fn a_bowl_has_one_closed_round_line() {
    let lines = bowl().lines(1.0);
    assert_eq!(lines.len(), 1);
    for line in &lines {
        assert_eq!(line.first(), line.last());
        // Linear interpolation of r² over a cell of 0.1 errs by at most 0.1²/4.
        assert!(line.iter().all(|[x, y]| (x * x + y * y - 1.0).abs() <= 0.0026));
    }
}

#[test]
fn a_line_that_leaves_the_frame_is_open() {
    let lines = Field::sample([[0.0, 1.0], [0.0, 1.0]], 10, |x, _| x).lines(0.55);
    assert_eq!(lines.len(), 1);
    assert!(lines.iter().all(|line| line.len() == 11));
}

#[test]
fn stretches_cover_the_frame_once() {
    let field = bowl();
    let levels = field.levels(5);
    let area: f64 = field.stretches(&levels).iter().map(|(_, [a, b], [c, d])| (c - a) * (d - b)).sum();
    assert!((area - 16.0).abs() < 1e-9);
}
