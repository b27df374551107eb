//! The command `ambient bench step`: what a step of every rule costs, beside the limit of memory and a fused AdamW.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use ambient_metric::rule::{Advance, DescentSums, Pass};
use ambient_metric::space::{Inputs, Outcome, StateStorage, Totals, Uniforms, Wide, contract};
use ambient_metric::{Configuration, Covector, Descent, Ema, Field, Flat, RmsProp, Rule, Tensor, rules};
use ambient_metric_trace::Recording;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::gate::{self, Gate, is_above};
use super::inputs::{DECAY, LEARNING_RATE, LOSS, numbers};
use super::limit::{Limit, Rate, Yardstick};
use super::median::median;
#[cfg(feature = "compare")]
use super::other_libraries;
use ambient_studies::error::Error;
use ambient_studies::machines::choice::Choice;
use ambient_studies::machines::machine::{Baseline, Machine, OnMachine};
use ambient_studies::present::progress;
use ambient_studies::rules::named::Named;

/// How long every contender runs in a round at least, in seconds.
const ROUND: f64 = 0.05;
/// The most repetitions in a round.
const MOST: u32 = 100_000;
/// The name of the parameters.
const THETA: &str = "theta";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many parameters; the machine decides where this is absent.
    pub parameters: Option<usize>,
    /// The rules, in order; AdamW always comes before them.
    pub rules: Vec<Named>,
    /// How momentum and moments are stored.
    pub state: StateStorage,
    /// How many rounds the medians are taken over.
    pub rounds: usize,
}

/// What steps cost.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What ran them.
    pub backend: &'static str,
    /// The device, where there is one.
    pub adapter: Option<String>,
    /// How many parameters a step has.
    pub parameters: usize,
    /// How many threads step, where that can be told.
    pub threads: Option<usize>,
    /// The numbers they are stored in.
    pub precision: &'static str,
    /// What momentum and moments are stored in.
    pub state: &'static str,
    /// What the memory can do at best: the limits of all rounds, the middle one of passes that write and that of passes that only read.
    pub limit: Limit,
    /// The copy that is the limit on a device.
    pub copy: Option<Plain>,
    /// What the gate says of all rules.
    pub gate: Gate,
    /// So many parameters are enough for the gate, where that can be told.
    pub enough_parameters: Option<usize>,
    /// How long it takes to sum the product of two tensors, which reads and writes nothing: act 1 of a rule with a second moment reads as much.
    pub product_seconds: f64,
    /// What that reads.
    pub product_bytes_per_parameter: usize,
    /// Its bytes per second over those of the limit.
    pub product_bandwidth_ratio: f64,
    /// AdamW, then the rules asked for.
    pub rules: Vec<Cost>,
    /// Optimisers of other libraries, where the program was built with them.
    pub beside: Vec<Other>,
}

impl Measured {
    /// What the gate says against this run, in one line.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let above = self.rules.iter().filter(|rule| is_above(rule.bandwidth_ratio));
        let above: Vec<String> =
            above.map(|rule| format!("{} ({:.2})", rule.name, rule.bandwidth_ratio.recip())).collect();
        let told = format!("more than {} of the time that memory needs at least for as many bytes", gate::MOST);
        (self.gate == Gate::Above).then(|| format!("{told}: {}", above.join(", ")))
    }
}

/// The plain pass of a device.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// Its name.
    pub name: &'static str,
    /// How long it takes, in seconds.
    pub seconds: f64,
    /// What it moves.
    pub bytes_per_parameter: usize,
}

/// What a step of another library's optimiser costs.
#[derive(Clone, Debug, Serialize)]
pub struct Other {
    /// The library and the optimiser.
    pub name: &'static str,
    /// How long a step takes, in seconds.
    pub seconds: f64,
    /// Its time over that of our AdamW.
    pub over_adamw: f64,
}

/// What a step of one rule costs.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The rule.
    pub name: String,
    /// How long a step takes, in seconds.
    pub seconds: f64,
    /// What it reads and writes.
    pub bytes_per_parameter: usize,
    /// Of these, what act 1 reads.
    pub measure_bytes: usize,
    /// Of these, what act 3 reads and writes.
    pub advance_bytes: usize,
    /// How many kernels it launches, where it launches any.
    pub dispatches: Option<u64>,
    /// Its bytes per second over those of the limit, each round's over that of the same time: 1 is the limit, and half of it takes twice as long.
    pub bandwidth_ratio: f64,
    /// Its time over that of AdamW.
    pub over_adamw: f64,
}

impl Serialize for Measured {
    /// The plain pass of a device is known by its name: `copy_seconds`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("backend", self.backend)?;
        map.serialize_entry("adapter", &self.adapter)?;
        map.serialize_entry("parameters", &self.parameters)?;
        map.serialize_entry("threads", &self.threads)?;
        map.serialize_entry("precision", self.precision)?;
        map.serialize_entry("state", self.state)?;
        map.serialize_entry("limit_seconds_per_byte", &self.limit.write.seconds_per_byte)?;
        map.serialize_entry("limit_kind", &self.limit.write.kind)?;
        map.serialize_entry("read_limit_seconds_per_byte", &self.limit.read.seconds_per_byte)?;
        map.serialize_entry("read_limit_kind", &self.limit.read.kind)?;
        map.serialize_entry("gate", &self.gate)?;
        if let Some(Plain { name, seconds, bytes_per_parameter }) = self.copy {
            map.serialize_entry(&format!("{name}_seconds"), &seconds)?;
            map.serialize_entry(&format!("{name}_bytes_per_parameter"), &bytes_per_parameter)?;
        }
        map.serialize_entry("product_seconds", &self.product_seconds)?;
        map.serialize_entry("product_bytes_per_parameter", &self.product_bytes_per_parameter)?;
        map.serialize_entry("product_bandwidth_ratio", &self.product_bandwidth_ratio)?;
        map.serialize_entry("rules", &self.rules)?;
        map.serialize_entry("beside", &self.beside)?;
        map.end()
    }
}

/// The optimisers of other libraries, where the program was built with them and they run on the machine.
#[cfg(feature = "compare")]
fn others<M: Machine>(machine: &M, parameters: usize) -> Result<Vec<Baseline>, Error> {
    let is_device = machine.adapter().is_some();
    if is_device { Ok(Vec::new()) } else { other_libraries::optimisers(parameters, machine.precision()) }
}

#[cfg(not(feature = "compare"))]
#[allow(clippy::unnecessary_wraps, reason = "a program with others can fail")]
fn others<M: Machine>(_machine: &M, _parameters: usize) -> Result<Vec<Baseline>, Error> {
    Ok(Vec::new())
}

/// Something that is timed.
trait Contender {
    /// Does it once; it may not be done when this returns.
    fn run(&mut self) -> Result<(), Error>;

    /// Accepts what was done.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Contender for Baseline {
    fn run(&mut self) -> Result<(), Error> {
        (self.run)()
    }
}

/// A contender at the start, with what it moves.
struct Entry<'a> {
    name: String,
    measure_bytes: usize,
    advance_bytes: usize,
    contender: Box<dyn Contender + 'a>,
}

impl Entry<'_> {
    /// What is not a rule of ours.
    fn plain(baseline: Baseline) -> Self {
        let Baseline { name, bytes_per_parameter, .. } = baseline;
        Self {
            name: name.to_owned(),
            measure_bytes: 0,
            advance_bytes: bytes_per_parameter,
            contender: Box::new(baseline),
        }
    }
}

/// An entry with its times so far.
struct Timed<'a> {
    entry: Entry<'a>,
    dispatches: Option<u64>,
    repetitions: u32,
    seconds: Vec<f64>,
}

impl Request {
    /// One space of parameters and one gradient, shared by all: only their state is the rules' own.
    fn space<M: Machine>(machine: &M, parameters: usize) -> Result<Space<M>, Error> {
        let shapes = BTreeMap::from([(THETA.to_owned(), vec![parameters])]);
        // Numbers first: they say so where there is no memory.
        let filled = |seed| {
            let numbers = numbers(seed, parameters)?;
            let mut tensor = machine.zeros(&shapes)?;
            tensor.write(0, &numbers)?;
            Ok::<_, Error>(tensor)
        };
        let (theta, gradient) = (filled(1)?, filled(2)?);
        Ok(Space { theta: Rc::new(RefCell::new(theta)), gradient: Rc::new(Covector(gradient)) })
    }
}

/// The parameters and the gradient that all contenders share.
struct Space<M: Machine> {
    theta: Rc<RefCell<M::Tensor>>,
    gradient: Rc<Covector<M::Tensor>>,
}

/// Times a step of every rule, on the machine that is chosen.
///
/// # Errors
///
/// Where there is no such machine or no memory, and what the rules refuse.
pub fn measure(choice: &Choice, request: &Request) -> Result<Measured, Error> {
    choice.with(request)
}

impl OnMachine for &Request {
    type Output = Measured;

    fn on<M: Machine>(self, machine: &M) -> Result<Measured, Error> {
        let parameters = self.parameters.unwrap_or_else(|| machine.many());
        let space = Request::space(machine, parameters)?;
        let size = machine.precision().size();
        let bytes_kept = 2 * (size + self.state.bytes(size));
        let mut ruler = match machine.baseline(parameters)? {
            Some(copy) => Ruler::Copy { copy: Timed::warm(machine, Entry::plain(copy))?, parameters },
            None => Ruler::Loops(Yardstick::new(parameters.saturating_mul(bytes_kept))?),
        };
        let mut entries = vec![Summed::entry(machine, &space), Fused::entry(machine, &space, self.state)?];
        for named in &self.rules {
            entries.push(Stepping::entry(machine, &space, named, self.state)?);
        }
        let ours = entries.len();
        let others = others(machine, parameters)?;
        let names: Vec<&'static str> = others.iter().map(|other| other.name).collect();
        entries.extend(others.into_iter().map(Entry::plain));

        let bar = progress::bar(ruler.ticks() + (entries.len() + 1) * (self.rounds + 1), "measurements");
        ruler.survey(|| bar.inc(1));
        let mut field = Vec::new();
        for entry in entries {
            field.push(Timed::warm(machine, entry)?);
            bar.inc(1);
        }
        // The limit is measured before every round and after the last, so that a round has one of its own time.
        ruler.measure(machine)?;
        bar.inc(1);
        for _ in 0..self.rounds {
            for timed in &mut field {
                timed.measure(machine)?;
                bar.inc(1);
            }
            ruler.measure(machine)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let limits: Vec<Limit> = ruler
            .limits()
            .windows(2)
            .filter_map(|around| if let [before, after] = around { Some(before.between(after)) } else { None })
            .collect();

        let mut results = Vec::new();
        for timed in &mut field {
            timed.entry.contender.check()?;
            let ratio = timed.ratio(&limits, parameters);
            results.push((median(&mut timed.seconds), ratio));
        }
        let at = |index: usize| results.get(index).copied().unwrap_or((f64::NAN, f64::NAN));
        let ((product_seconds, product_bandwidth_ratio), (adamw, _)) = (at(0), at(1));
        let cost = |(timed, &(seconds, bandwidth_ratio)): (Timed<'_>, &(f64, f64))| {
            let Entry { name, measure_bytes, advance_bytes, .. } = timed.entry;
            Cost {
                name,
                seconds,
                bytes_per_parameter: measure_bytes + advance_bytes,
                measure_bytes,
                advance_bytes,
                dispatches: timed.dispatches,
                bandwidth_ratio,
                over_adamw: seconds / adamw,
            }
        };
        let rules: Vec<Cost> = field.into_iter().zip(&results).take(ours).skip(1).map(cost).collect();
        let enough_parameters = matches!(ruler, Ruler::Loops(_)).then(|| Yardstick::enough().div_ceil(bytes_kept));
        let gate = match enough_parameters {
            None => Gate::OnDevice,
            Some(enough) if parameters < enough => Gate::InCaches,
            Some(_) => Gate::of(rules.iter().map(|rule| rule.bandwidth_ratio)),
        };
        Ok(Measured {
            backend: machine.backend(),
            adapter: machine.adapter().map(str::to_owned),
            parameters,
            threads: machine.threads(),
            precision: machine.precision().name(),
            state: self.state.name(),
            limit: Limit { read: middle(&limits, |limit| &limit.read), write: middle(&limits, |limit| &limit.write) },
            copy: ruler.copy(),
            gate,
            enough_parameters,
            product_seconds,
            product_bytes_per_parameter: Summed::<M>::TENSORS * size,
            product_bandwidth_ratio,
            beside: names
                .into_iter()
                .zip(results.iter().skip(ours))
                .map(|(name, &(seconds, _))| Other { name, seconds, over_adamw: seconds / adamw })
                .collect(),
            rules,
        })
    }
}

/// The middle one of the rates at all times, by what a byte took.
fn middle(limits: &[Limit], rate: impl Fn(&Limit) -> &Rate) -> Rate {
    let mut rates: Vec<&Rate> = limits.iter().map(rate).collect();
    rates.sort_by(|one, two| one.seconds_per_byte.total_cmp(&two.seconds_per_byte));
    let unknown = || Rate { seconds_per_byte: f64::NAN, kind: String::new() };
    rates.get(rates.len() / 2).map_or_else(unknown, |&rate| rate.clone())
}

/// What tells the limit.
enum Ruler {
    /// Loops over memory.
    Loops(Yardstick),
    /// The copy of a device.
    Copy { copy: Timed<'static>, parameters: usize },
}

impl Ruler {
    fn ticks(&self) -> usize {
        match self {
            Self::Loops(yardstick) => yardstick.ticks(),
            Self::Copy { .. } => 0,
        }
    }

    fn survey(&mut self, progress: impl FnMut()) {
        if let Self::Loops(yardstick) = self {
            yardstick.survey(progress);
        }
    }

    fn measure<M: Machine>(&mut self, machine: &M) -> Result<(), Error> {
        match self {
            Self::Loops(yardstick) => yardstick.measure(),
            Self::Copy { copy, .. } => copy.measure(machine)?,
        }
        Ok(())
    }

    /// The limit each time that it was measured, in order.
    fn limits(&self) -> Vec<Limit> {
        match self {
            Self::Loops(yardstick) => yardstick.limits(),
            Self::Copy { copy, parameters } => {
                let bytes = copy.entry.advance_bytes as f64 * *parameters as f64;
                let rate = |seconds: &f64| Rate { seconds_per_byte: seconds / bytes, kind: copy.entry.name.clone() };
                copy.seconds.iter().map(|seconds| Limit { read: rate(seconds), write: rate(seconds) }).collect()
            }
        }
    }

    fn copy(&mut self) -> Option<Plain> {
        let Self::Copy { copy, .. } = self else { return None };
        let bytes_per_parameter = copy.entry.advance_bytes;
        Some(Plain { name: "copy", seconds: median(&mut copy.seconds), bytes_per_parameter })
    }
}

impl<'a> Timed<'a> {
    /// Runs an entry until kernels are compiled and caches are filled, and finds out how often it has to run in a round.
    fn warm<M: Machine>(machine: &M, entry: Entry<'a>) -> Result<Self, Error> {
        let mut timed = Self { entry, dispatches: None, repetitions: 1, seconds: Vec::new() };
        timed.time(machine)?;
        let before = machine.dispatches();
        timed.time(machine)?;
        timed.dispatches = machine.dispatches().zip(before).map(|(after, before)| after - before);
        loop {
            let seconds = timed.time(machine)?;
            if seconds >= ROUND || timed.repetitions >= MOST {
                return Ok(timed);
            }
            // Short times are not to be trusted, so one that is far too short is followed by another trial.
            let factor = (1.2 * ROUND / seconds).clamp(2.0, 16.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 2 and 1,600,000")]
            let repetitions = (f64::from(timed.repetitions) * factor).ceil() as u32;
            timed.repetitions = repetitions.min(MOST);
        }
    }

    /// One round, in seconds.
    fn time<M: Machine>(&mut self, machine: &M) -> Result<f64, Error> {
        let begin = Instant::now();
        for _ in 0..self.repetitions {
            self.entry.contender.run()?;
        }
        machine.wait()?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// The same, of one repetition, kept.
    fn measure<M: Machine>(&mut self, machine: &M) -> Result<(), Error> {
        let seconds = self.time(machine)? / f64::from(self.repetitions);
        self.seconds.push(seconds);
        Ok(())
    }

    /// The part of the limit's bandwidth that it has: the median over the rounds, each with the limit of its time.
    fn ratio(&self, limits: &[Limit], parameters: usize) -> f64 {
        let Entry { measure_bytes, advance_bytes, .. } = self.entry;
        let (only_read, moved) = (measure_bytes.saturating_mul(parameters), advance_bytes.saturating_mul(parameters));
        let rounds = self.seconds.iter().zip(limits);
        median(&mut rounds.map(|(seconds, limit)| limit.seconds(only_read, moved) / seconds).collect::<Vec<f64>>())
    }
}

/// A rule that steps.
struct Stepping<'a, M: Machine> {
    machine: &'a M,
    optimiser: M::Optimiser,
    theta: Rc<RefCell<M::Tensor>>,
    /// Of every loss, each in memory of its own.
    gradients: Vec<Rc<Covector<M::Tensor>>>,
}

impl<'a, M: Machine> Stepping<'a, M> {
    fn entry(machine: &'a M, space: &Space<M>, named: &Named, storage: StateStorage) -> Result<Entry<'a>, Error> {
        let size = machine.precision().size();
        let rule = named.rule.fused()?;
        let [measure_bytes, advance_bytes] = [Recording::measure(&rule), Recording::advance(&rule)]
            .map(|act| act.bytes_stored(size, storage.bytes(size)));
        let configuration = Configuration::new(named.rule.clone(), LEARNING_RATE);
        let configuration = configuration.weight_decay(DECAY).state_storage(storage);
        let theta = Rc::clone(&space.theta);
        let optimiser = machine.optimiser(configuration, &theta.borrow())?;
        let mut gradients = vec![Rc::clone(&space.gradient)];
        for _ in 1..named.rule.losses() {
            gradients.push(Rc::new(Covector(space.gradient.0.duplicate()?)));
        }
        let contender = Self { machine, optimiser, theta, gradients };
        Ok(Entry { name: named.to_string(), measure_bytes, advance_bytes, contender: Box::new(contender) })
    }
}

impl<M: Machine> Contender for Stepping<'_, M> {
    fn run(&mut self) -> Result<(), Error> {
        self.machine.step(&mut self.optimiser, &mut self.theta.borrow_mut(), &self.gradients, LOSS)
    }

    fn check(&self) -> Result<(), Error> {
        self.machine.check(&self.optimiser)
    }
}

/// Σ θ l.
struct Summed<M: Machine> {
    theta: Rc<RefCell<M::Tensor>>,
    gradient: Rc<Covector<M::Tensor>>,
}

impl<M: Machine> Summed<M> {
    /// How many tensors it reads.
    const TENSORS: usize = 2;

    fn entry<'a>(machine: &M, space: &Space<M>) -> Entry<'a> {
        let contender = Self { theta: Rc::clone(&space.theta), gradient: Rc::clone(&space.gradient) };
        Entry {
            name: "product".to_owned(),
            measure_bytes: Self::TENSORS * machine.precision().size(),
            advance_bytes: 0,
            contender: Box::new(contender),
        }
    }
}

impl<M: Machine> Contender for Summed<M> {
    fn run(&mut self) -> Result<(), Error> {
        core::hint::black_box(contract(&*self.theta.borrow(), &self.gradient.0)?);
        Ok(())
    }
}

/// AdamW as others have it: act 3 alone, one pass over memory with nothing summed before it.
struct Fused<M: Machine> {
    rule: rules::AdamW,
    memory: <rules::AdamW as Rule>::Memory<Wide<M::Tensor>>,
    state: Vec<M::Tensor>,
    theta: Rc<RefCell<M::Tensor>>,
    gradient: Rc<Covector<M::Tensor>>,
}

impl<M: Machine> Fused<M> {
    fn entry<'a>(machine: &'a M, space: &Space<M>, storage: StateStorage) -> Result<Entry<'a>, Error> {
        let rule = Descent::new(RmsProp::default(), Flat, Ema(0.9));
        let theta = Rc::clone(&space.theta);
        let slots = (0..2).map(|slot| theta.borrow().state_like(storage, slot, 0));
        let state = slots.collect::<Result<Vec<M::Tensor>, _>>()?;
        let size = machine.precision().size();
        let advance_bytes = Recording::update(&Advance(rule)).bytes_stored(size, storage.bytes(size));
        let gradient = Rc::clone(&space.gradient);
        let contender = Self { rule, memory: rule.begin(), state, theta, gradient };
        Ok(Entry { name: "adamw".to_owned(), measure_bytes: 0, advance_bytes, contender: Box::new(contender) })
    }
}

impl<M: Machine> Contender for Fused<M> {
    fn run(&mut self) -> Result<(), Error> {
        let number = Wide::<M::Tensor>::constant;
        let inputs = Inputs {
            loss: [number(LOSS)],
            learning_rate: number(LEARNING_RATE),
            weight_decay: number(DECAY),
            xi: [number(0.0)],
        };
        let corrections = self.rule.correct(self.memory);
        let sums = DescentSums { preconditioner: (), lesson: () };
        let Outcome { factors: multipliers, memory, .. } =
            self.rule.damp(inputs, self.memory, Totals { pool: sums, group: sums });
        self.memory = memory;
        let pass = Pass { corrections, multipliers };
        let (theta, state) = (&mut *self.theta.borrow_mut(), &mut self.state);
        Ok(Tensor::update(&Advance(self.rule), Uniforms::same(&pass), theta, state, &[&self.gradient.0])?)
    }
}
