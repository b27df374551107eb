//! The plane pictures: update against gradient, and what runs do step by step.

use ambient_metric::Embedding as _;
use ambient_metric::ambient::damping;
use ambient_metric::any::AnyEmbedding;
use plotters::style::RGBColor;

use super::geometry::update;
use super::runs::Trace;
use super::scene::Scene;
use super::space::is_product;
use ambient_studies::error::Error;
use ambient_studies::present::chart::{Frame, Series, chart};
use ambient_studies::present::ticks::label;

/// The size of the update against the size of the gradient (the paper's figure 2), for η = 1.
pub(super) fn profile(scene: &Scene<'_>) -> Result<String, Error> {
    const POINTS: u32 = 60;
    let xi = scene.xi;
    let peak = if xi > 0.0 { 1.0 / xi.sqrt() } else { 1.0 };
    let limit = if xi > 0.0 { 0.5 * peak } else { f64::INFINITY };
    let size = |point: u32| peak * 10.0_f64.powf(6.0 * f64::from(point) / f64::from(POINTS) - 3.0);
    let series = |name: &str, remark: &str, colour: (u8, u8, u8), dashed: bool, update: &dyn Fn(f64) -> f64| Series {
        name: name.to_owned(),
        remark: remark.to_owned(),
        colour: RGBColor(colour.0, colour.1, colour.2),
        dashed,
        points: (0..=POINTS).map(|point| (size(point), update(size(point)))).collect(),
    };
    let ambient = scene.request.ambient;
    let sgd = series("SGD", "the gradient itself", (120, 120, 130), false, &|gradient| gradient);
    let clipping = series("clipping", "cut at 1/(2√ξ)", (120, 120, 130), true, &|gradient| gradient.min(limit));
    let on = |name: &str, remark: &str, embedding: AnyEmbedding, loss: f64, colour: (u8, u8, u8), dashed: bool| {
        let slope = embedding.slope(loss);
        series(name, remark, colour, dashed, &|gradient| {
            if is_product(ambient) {
                damping(slope, xi * gradient * gradient) * gradient
            } else {
                // What lies outside of the space has no place.
                update(embedding, xi, ambient, loss, gradient).unwrap_or(f64::NAN)
            }
        })
    };
    let (orange, blue, pink) = ((213, 94, 0), (0, 114, 178), (204, 60, 140));
    let mut all = vec![sgd, clipping];
    if is_product(ambient) {
        all.push(on("f = identity", "whatever the loss", AnyEmbedding::Identity, 1.0, orange, false));
    } else {
        all.push(on("f = identity, L = 10", "", AnyEmbedding::Identity, 10.0, orange, false));
        all.push(on("f = identity, L = 0.1", "", AnyEmbedding::Identity, 0.1, orange, true));
    }
    all.push(on("f = √, L = 10", "", AnyEmbedding::Sqrt, 10.0, blue, false));
    all.push(on("f = ln, L = 10", "", AnyEmbedding::Log, 10.0, pink, false));
    all.push(on("f = ln, L = 0.1", "", AnyEmbedding::Log, 0.1, pink, true));
    all.retain(|line| line.points.iter().any(|(_, update)| update.is_finite()));
    let bound = (limit.is_finite() && is_product(ambient)).then_some((limit, "the bound 1/(2√ξ)"));
    let frame = Frame {
        caption: format!("How far one update goes, ξ = {}", label(xi)),
        x: "size of the gradient",
        y: "size of the update / η",
        level: bound,
    };
    chart("profile.svg", &frame, &all)
}

/// The effective learning rate ηr along the runs (the paper's figure 3).
pub(super) fn rates(scene: &Scene<'_>) -> Result<String, Error> {
    let frame = Frame {
        caption: format!("{}: effective learning rate along the runs", scene.request.function.title()),
        x: "update",
        y: "η r",
        level: None,
    };
    let all: Vec<Series> = scene.traces.iter().map(|trace| series(trace, trace.way.rates.iter().copied())).collect();
    chart("rates.svg", &frame, &all)
}

/// The value along the runs.
pub(super) fn values(scene: &Scene<'_>) -> Result<String, Error> {
    let frame = Frame {
        caption: format!("{}: loss along the runs", scene.request.function.title()),
        x: "update",
        y: "loss",
        level: Some((scene.facts.tolerance, "tolerance")),
    };
    let after = |trace: &Trace| series(trace, trace.way.track.iter().skip(1).map(|(_, value)| *value));
    let all: Vec<Series> = scene.traces.iter().map(after).collect();
    chart("values.svg", &frame, &all)
}

fn series(trace: &Trace, values: impl Iterator<Item = f64>) -> Series {
    let name = trace.optimiser.to_string();
    Series {
        name,
        remark: trace.brief(),
        colour: trace.colour,
        dashed: false,
        points: values.enumerate().map(|(index, value)| (index as f64 + 1.0, value)).collect(),
    }
}
