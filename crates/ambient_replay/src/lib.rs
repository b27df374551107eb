//! Replay: recorded trajectories, taken again by this library's optimisers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ambient_metric::number::Element;
use ambient_metric::{AnyRule, Configuration, Covector, Field, Tensor};
use serde::Serialize;

use ambient_studies::error::Error;
use ambient_studies::machines::choice::Choice;
use ambient_studies::machines::machine::{Machine, OnMachine};
use ambient_studies::present::table::{align, new_table};
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::Named;

/// One recorded trajectory.
#[derive(Clone, Debug)]
pub struct Case {
    /// `induced` over a metric and an embedding, `sgd`, `adamw`, `nadam`, or a text of the grammar.
    pub rule: String,
    /// The base metric of an induced rule.
    pub metric: Option<String>,
    /// The embedding of an induced rule.
    pub embedding: Option<String>,
    /// The constants.
    pub hyperparameters: Hyperparameters,
    /// The shape of every parameter.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The parameters before the first step, row-major.
    pub theta0: Point,
    /// The loss given at every step.
    pub losses: Vec<f64>,
    /// The gradient given at every step.
    pub gradients: Vec<Point>,
    /// The parameters after every step.
    pub thetas: Vec<Point>,
}

ambient_metric::known_keys! { Case { rule, metric = None, embedding = None, hyperparameters, shapes, theta0, losses, gradients, thetas } }

/// Values by parameter name.
type Point = BTreeMap<String, Vec<f64>>;

/// What a replay came to.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// What ran it.
    pub backend: &'static str,
    /// The device, where there is one.
    pub adapter: Option<String>,
    /// The numbers it ran in.
    pub precision: &'static str,
    /// The largest error of all cases.
    pub max_error: f64,
    /// Case by case.
    pub cases: Vec<Replayed>,
}

/// What one case came to.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The rule.
    pub rule: String,
    /// Its base metric.
    pub metric: Option<String>,
    /// Its embedding.
    pub embedding: Option<String>,
    /// How many steps were compared.
    pub steps: usize,
    /// max |θ − ref| / (1 + max |ref|) over steps and parameters.
    pub max_error: f64,
}

/// Reads recorded trajectories and checks that every one is complete.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Json`], and [`Error::Record`] with the case and entry that is wrong.
pub fn read(path: &Path) -> Result<Vec<Case>, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let place = path.display().to_string();
    parse(&text, &place)
}

/// The cases in a text; `place` names it in errors.
///
/// # Errors
///
/// [`Error::Json`] and [`Error::Record`].
pub fn parse(text: &str, place: &str) -> Result<Vec<Case>, Error> {
    let cases: Vec<Case> =
        serde_json::from_str(text).map_err(|source| Error::Json { what: place.to_owned(), source })?;
    if cases.is_empty() {
        return Err(Error::Record { place: place.to_owned(), problem: "there are no cases".to_owned() });
    }
    for (index, case) in cases.iter().enumerate() {
        case.check(&format!("{place}, case {}", index + 1))?;
    }
    Ok(cases)
}

impl Case {
    /// The rule that it was recorded from, with its constants: a name of the paper's records, which asks for all of them, or a text of the grammar.
    fn recorded(&self) -> Result<AnyRule, Error> {
        let pair = (self.metric.as_deref(), self.embedding.as_deref());
        let wrong = |problem: String| Err(Error::Record { place: "rule".to_owned(), problem });
        let named: Named = match (self.rule.as_str(), pair) {
            ("induced", (Some(metric), Some(embedding))) => format!("induced({metric}, {embedding}) + ema").parse()?,
            ("induced", _) => return wrong("an induced rule needs a metric and an embedding".to_owned()),
            (rule, pair) => {
                let named = rule.parse()?;
                if pair != (None, None) {
                    return wrong(format!("the rule `{rule}` has no metric or embedding"));
                }
                named
            }
        };
        if ["induced", "sgd", "adamw", "nadam"].contains(&self.rule.as_str()) {
            let known = Hyperparameters::names(&named.rule);
            if let Some(name) = known.into_iter().find(|name| self.hyperparameters.value(name).is_none()) {
                return wrong(format!("the rule `{}` needs the hyperparameter `{name}`", self.rule));
            }
        }
        named.with(&self.hyperparameters)
    }

    /// Accepts a case in which every list has the length that steps and shapes ask for.
    fn check(&self, place: &str) -> Result<(), Error> {
        self.recorded().map_err(|error| error.at(place))?;
        let fail = |problem: String| Err(Error::Record { place: place.to_owned(), problem });
        let steps = self.losses.len();
        if steps == 0 {
            return fail("there are no steps".to_owned());
        }
        for (what, points) in [("gradients", &self.gradients), ("thetas", &self.thetas)] {
            if points.len() != steps {
                return fail(format!("{what} has {} steps where losses has {steps}", points.len()));
            }
        }
        let recorded = |what: &'static str, points: &'_ [Point]| {
            points.iter().enumerate().map(move |(step, _)| format!("{what}[{step}]")).collect::<Vec<_>>()
        };
        let names =
            [vec!["theta0".to_owned()], recorded("gradients", &self.gradients), recorded("thetas", &self.thetas)];
        let points = std::iter::once(&self.theta0).chain(&self.gradients).chain(&self.thetas);
        for (entry, point) in names.iter().flatten().zip(points) {
            for (name, shape) in &self.shapes {
                let Some(elements) = elements(shape) else {
                    return fail(format!("shapes.{name} has more elements than can be counted"));
                };
                match point.get(name) {
                    None => return fail(format!("{entry} lacks the parameter `{name}`")),
                    Some(values) if values.len() != elements => {
                        let found = values.len();
                        return fail(format!("{entry}.{name} has {found} values where shape {shape:?} has {elements}"));
                    }
                    Some(_) => {}
                }
            }
            if let Some(name) = point.keys().find(|name| !self.shapes.contains_key(*name)) {
                return fail(format!("{entry} has the parameter `{name}`, which shapes lacks"));
            }
        }
        Ok(())
    }
}

/// How many elements a shape has, if that can be counted; an axis of length zero excuses no other.
fn elements(shape: &[usize]) -> Option<usize> {
    let countable = shape.iter().try_fold(1_isize, |all, &axis| all.checked_mul(isize::try_from(axis.max(1)).ok()?));
    countable.map(|_| shape.iter().product())
}

/// Takes every recorded trajectory again, on the machine that is chosen.
///
/// `place` is where the cases come from, for errors.
///
/// # Errors
///
/// [`Error::Record`] with the case and step at which the library refuses to go on, and where there is no such machine.
pub fn replay(cases: &[Case], place: &str, choice: &Choice) -> Result<Replay, Error> {
    choice.with(Cases { cases, place })
}

struct Cases<'a> {
    cases: &'a [Case],
    place: &'a str,
}

impl OnMachine for Cases<'_> {
    type Output = Replay;

    fn on<M: Machine>(self, machine: &M) -> Result<Replay, Error> {
        retake(self.cases, machine).map_err(|error| error.at(self.place))
    }
}

fn retake<M: Machine>(cases: &[Case], machine: &M) -> Result<Replay, Error> {
    let mut replayed = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let place = format!("case {}", index + 1);
        let max_error = retake_one(case, machine, &place).map_err(|error| match error {
            Error::Record { .. } => error,
            other => other.at(&place),
        })?;
        replayed.push(Replayed {
            rule: case.rule.clone(),
            metric: case.metric.clone(),
            embedding: case.embedding.clone(),
            steps: case.losses.len(),
            max_error,
        });
    }
    let max_error = replayed.iter().map(|case| case.max_error).fold(0.0, f64::max);
    Ok(Replay {
        backend: machine.backend(),
        adapter: machine.adapter().map(str::to_owned),
        precision: machine.precision().name(),
        max_error,
        cases: replayed,
    })
}

/// Takes one case again, and says how far it went astray.
fn retake_one<M: Machine>(case: &Case, machine: &M, place: &str) -> Result<f64, Error> {
    let mut theta = machine.zeros(&case.shapes)?;
    let mut gradient = Covector(theta.duplicate()?);
    fill(&mut theta, &case.theta0)?;
    let decay = case.hyperparameters.weight_decay.unwrap_or(0.0);
    let configuration = Configuration::new(case.recorded()?, case.hyperparameters.learning_rate).weight_decay(decay);
    let mut optimiser = machine.optimiser(configuration, &theta)?;

    let mut largest = 0.0_f64;
    for (step, ((loss, slopes), reference)) in case.losses.iter().zip(&case.gradients).zip(&case.thetas).enumerate() {
        let here = || format!("{place}, step {}", step + 1);
        fill(&mut gradient.0, slopes)?;
        let stepped = machine.step(&mut optimiser, &mut theta, core::slice::from_ref(&gradient), *loss);
        stepped.and_then(|()| machine.check(&optimiser)).map_err(|error| error.at(here()))?;
        let error = error(&theta, reference)?;
        if !error.is_finite() {
            return Err(Error::Record { place: here(), problem: "a parameter is NaN or infinite".to_owned() });
        }
        largest = largest.max(error);
    }
    Ok(largest)
}

/// Writes recorded values into a tensor, part by part.
fn fill<T: Tensor>(tensor: &mut T, values: &Point) -> Result<(), Error> {
    for (part, name) in tensor.layout().names().iter().enumerate() {
        let elements = values.get(name).map(Vec::as_slice).unwrap_or_default();
        let elements: Vec<T::Element> = elements.iter().map(|&value| T::Element::constant(value)).collect();
        tensor.write(part, &elements)?;
    }
    Ok(())
}

/// max |θ − ref| / (1 + max |ref|) over parameters; infinite where a number is undefined.
fn error<T: Tensor>(theta: &T, reference: &Point) -> Result<f64, Error> {
    let mut largest = 0.0_f64;
    for (part, name) in theta.layout().names().iter().enumerate() {
        let reference = reference.get(name).map(Vec::as_slice).unwrap_or_default();
        let scale = 1.0 + reference.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (value, reference) in theta.read(part)?.into_iter().zip(reference) {
            let error = (value.to_f64() - reference).abs() / scale;
            largest = if error.is_nan() { f64::INFINITY } else { largest.max(error) };
        }
    }
    Ok(largest)
}

/// The errors of a replay, case by case.
#[must_use]
pub fn table(replay: &Replay) -> String {
    let mut table = new_table(&["case", "rule", "metric", "embedding", "steps", "largest error"]);
    for (index, case) in replay.cases.iter().enumerate() {
        table.add_row([
            (index + 1).to_string(),
            case.rule.clone(),
            case.metric.clone().unwrap_or_else(|| "–".to_owned()),
            case.embedding.clone().unwrap_or_else(|| "–".to_owned()),
            case.steps.to_string(),
            format!("{:.1e}", case.max_error),
        ]);
    }
    align(&mut table, &[0, 4, 5]);
    format!(
        "{table}\n{} cases on {} in {}: largest error {:.1e}\n",
        replay.cases.len(),
        replay.adapter.as_ref().map_or(replay.backend.to_owned(), |adapter| format!("{} ({adapter})", replay.backend)),
        replay.precision,
        replay.max_error
    )
}
