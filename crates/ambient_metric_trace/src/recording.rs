//! Recordings: what a kernel or an act of a rule does, with the names of what goes in and out.

use std::collections::BTreeMap;

use ambient_metric::number::Element;
use ambient_metric::rule::{Advance, Advanced, Coordinate, Damping, Measure, Pass, Slots, Survey};
use ambient_metric::space::{Inputs, Outcome, Totals};
use ambient_metric::{Bundle, Field, Kernel, Real, Rule};

use crate::graph::{Graph, Id, Node, Unary};
use crate::traced::{Traced, record, with};

/// A named number that goes into or comes out of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Slot {
    /// Its name, with dots between the names of nested bundles.
    pub name: String,
    /// Where it is computed.
    pub id: Id,
}

/// A function that was called with the tracing scalar.
///
/// # In files
///
/// With the feature `serde` a recording can be written and read; [`Recording::VERSION`] says how one that was read is known, and what is asked of it.
///
/// # Example
///
/// ```
/// use ambient_metric::{RmsProp, rules};
/// use ambient_metric::rule::Measure;
/// use ambient_metric_trace::Recording;
///
/// let rule = rules::rmsprop(0.1);
/// let measure = Recording::kernel(&Measure(rule));
/// // Momentum is in the state, but the sum does not depend on it.
/// let read: Vec<_> = measure.reads().map(|slot| slot.name.as_str()).collect();
/// assert_eq!(read, ["state.metric", "gradient"]);
/// assert_eq!(measure.bytes(4), 8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::stored::Stored", try_from = "crate::stored::Stored")
)]
pub struct Recording {
    pub(crate) graph: Graph,
    pub(crate) uniforms: Vec<Slot>,
    pub(crate) inputs: Vec<Slot>,
    pub(crate) outputs: Vec<Slot>,
    /// Whether outputs replace inputs slot by slot, as an update does.
    pub(crate) stores: bool,
    /// The LaTeX of slots by name, where it is not the usual.
    pub(crate) symbols: BTreeMap<String, String>,
}

/// A bundle of fresh nodes under these names. What has no name is zero.
fn fresh<B: Bundle<Traced>>(prefix: &str, names: &[String], slots: &mut Vec<Slot>, node: fn(usize) -> Node) -> B {
    let mut names = names.iter();
    B::build(&mut || names.next().map_or_else(<Traced as Field>::zero, |name| add(prefix, name, slots, node)))
}

/// A bundle of fresh nodes; zero where there is no name.
fn masked<B: Bundle<Traced>>(names: &[Option<String>], slots: &mut Vec<Slot>, node: fn(usize) -> Node) -> B {
    let mut names = names.iter();
    B::build(&mut || match names.next() {
        Some(Some(name)) => add("", name, slots, node),
        _ => <Traced as Field>::zero(),
    })
}

/// The names of the slots that are there.
fn there(names: Vec<String>, mask: Option<&Vec<bool>>) -> Vec<Option<String>> {
    let is_there = |slot: usize| mask.is_none_or(|mask| mask.get(slot).copied().unwrap_or(false));
    names.into_iter().enumerate().map(|(slot, name)| is_there(slot).then_some(name)).collect()
}

/// A slot of its own. (Not generic, as little as can be is: a kernel is recorded by code of its own.)
fn add(prefix: &str, name: &str, slots: &mut Vec<Slot>, node: fn(usize) -> Node) -> Traced {
    let id = with(|graph| graph.add(node(slots.len())));
    slots.push(Slot { name: join(prefix, name), id });
    Traced(id)
}

/// The slots of a bundle that a function returned, behind others. What has no name is left out.
fn named<B: Bundle<Traced>>(prefix: &str, names: &[String], bundle: B, slots: &mut Vec<Slot>) {
    for (slot, name) in names.iter().enumerate() {
        if let Some(traced) = bundle.get(slot) {
            slots.push(Slot { name: join(prefix, name), id: traced.0 });
        }
    }
}

/// The names of the slots of a bundle.
fn names<B: Bundle<f64>>() -> Vec<String> {
    B::names()
}

fn join(prefix: &str, name: &str) -> String {
    match (prefix.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => prefix.to_owned(),
        _ => format!("{prefix}.{name}"),
    }
}

/// A coordinate of fresh nodes.
fn coordinate<St: Bundle<Traced>, L: Bundle<Traced>>(
    slots: &Slots,
    inputs: &mut Vec<Slot>,
) -> Coordinate<Traced, St, L> {
    Coordinate {
        parameter: add("", "parameter", inputs, Node::Input),
        state: fresh("state", &slots.state, inputs, Node::Input),
        gradient: fresh("gradient", &slots.loss, inputs, Node::Input),
    }
}

/// The corrections of a rule that knows what it surveyed.
fn corrected<R: Rule>(
    rule: &R,
    slots: &Slots,
    memory: R::Memory<Traced>,
    uniforms: &mut Vec<Slot>,
) -> R::Corrections<Traced> {
    let corrections = rule.correct(memory);
    if !rule.surveys() {
        return corrections;
    }
    rule.heed(corrections, fresh("survey", &slots.loss, uniforms, Node::Uniform))
}

/// Act 1 of a rule.
fn measured<R: Rule>(
    rule: &R,
    slots: &Slots,
    corrections: R::Corrections<Traced>,
    inputs: &mut Vec<Slot>,
    outputs: &mut Vec<Slot>,
) {
    let sums = Measure(rule.clone()).evaluate(corrections, coordinate(slots, inputs));
    named("squared_gradient", &[String::new()], sums.squared_gradient, outputs);
    named("rule", &slots.sums, sums.rule, outputs);
}

impl Recording {
    /// What a kernel does. Its outputs replace its inputs slot by slot if it is used in an update.
    pub fn kernel<K: Kernel>(kernel: &K) -> Self {
        let (mut uniforms, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        let present = kernel.present();
        let of_uniform = there(names::<K::Uniform<f64>>(), present.as_ref().map(|present| &present.uniforms));
        let of_input = there(names::<K::Input<f64>>(), present.as_ref().map(|present| &present.inputs));
        let of_output = there(names::<K::Output<f64>>(), present.as_ref().map(|present| &present.outputs));
        let graph = record(|| {
            let uniform = masked(&of_uniform, &mut uniforms, Node::Uniform);
            let input = masked(&of_input, &mut inputs, Node::Input);
            let output = kernel.evaluate(uniform, input);
            for (slot, name) in of_output.iter().enumerate() {
                if let (Some(name), Some(traced)) = (name, output.get(slot)) {
                    outputs.push(Slot { name: name.clone(), id: traced.0 });
                }
            }
        });
        Self::of_kernel(graph, uniforms, inputs, outputs)
    }

    fn of_kernel(graph: Graph, mut uniforms: Vec<Slot>, mut inputs: Vec<Slot>, outputs: Vec<Slot>) -> Self {
        // A kernel's bundles need not have names of their own; a rule's have.
        for input in inputs.iter_mut().filter(|input| input.name.is_empty()) {
            input.name.push('0');
        }
        for uniform in uniforms.iter_mut().filter(|uniform| !uniform.name.contains('.')) {
            uniform.name = join("uniform", &uniform.name);
        }
        Self { graph, uniforms, inputs, outputs, stores: false, symbols: BTreeMap::new() }
    }

    /// What a kernel does when its outputs are stored into the first of its inputs.
    pub fn update<K: Kernel>(kernel: &K) -> Self {
        Self { stores: true, ..Self::kernel(kernel) }
    }

    /// What an act of a rule does.
    fn act(does: impl FnOnce(&mut Vec<Slot>, &mut Vec<Slot>, &mut Vec<Slot>)) -> Self {
        let (mut uniforms, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        let graph = record(|| does(&mut uniforms, &mut inputs, &mut outputs));
        Self { graph, uniforms, inputs, outputs, stores: false, symbols: BTreeMap::new() }
    }

    /// Act 1 of a rule from its scalar memory: [`Rule::correct`] and [`Measure`] in one; where the rule [surveys](Rule::survey), from what comes of that, too.
    pub fn measure<R: Rule>(rule: &R) -> Self {
        let slots = rule.slots();
        Self::act(|uniforms, inputs, outputs| {
            let memory = fresh("memory", &slots.memory, uniforms, Node::Uniform);
            let corrections = corrected(rule, &slots, memory, uniforms);
            measured(rule, &slots, corrections, inputs, outputs);
        })
    }

    /// What a rule asks before act 1, from its scalar memory, where it [surveys](Rule::survey).
    ///
    /// ```
    /// use ambient_metric::{AnyRule, rules};
    /// use ambient_metric_trace::Recording;
    ///
    /// assert!(Recording::survey(&rules::adam()).is_none());
    /// let clipped = "adam + clip_norm(1)".parse::<AnyRule>()?.fused()?;
    /// assert_eq!(Recording::survey(&clipped).unwrap().evaluate(&[1.0, 1.0], &[0.0, 0.0, 0.0, 3.0]), [9.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn survey<R: Rule>(rule: &R) -> Option<Self> {
        let slots = rule.slots();
        rule.surveys().then(|| {
            Self::act(|uniforms, inputs, outputs| {
                let memory = fresh("memory", &slots.memory, uniforms, Node::Uniform);
                let survey = Survey(rule.clone()).evaluate(rule.correct(memory), coordinate(&slots, inputs));
                named("survey", &slots.loss, survey, outputs);
            })
        })
    }

    /// Act 1 of a rule from its bias corrections: [`Measure`].
    pub fn sums<R: Rule>(rule: &R) -> Self {
        let slots = rule.slots();
        Self::act(|uniforms, inputs, outputs| {
            let corrections = fresh("corrections", &slots.corrections, uniforms, Node::Uniform);
            measured(rule, &slots, corrections, inputs, outputs);
        })
    }

    /// Act 3 of a rule, to be stored: [`Advance`].
    pub fn advance<R: Rule>(rule: &R) -> Self {
        let slots = rule.slots();
        let recording = Self::act(|uniforms, inputs, outputs| {
            let corrections = fresh("corrections", &slots.corrections, uniforms, Node::Uniform);
            let multipliers = fresh("multipliers", &slots.multipliers, uniforms, Node::Uniform);
            let at = coordinate(&slots, inputs);
            let Advanced { parameter, state } = Advance(rule.clone()).evaluate(Pass { corrections, multipliers }, at);
            named("parameter", &[String::new()], parameter, outputs);
            named("state", &slots.state, state, outputs);
        });
        Self { stores: true, ..recording }
    }

    /// Act 2 of a rule: from inputs, memory and sums to the uniforms of act 3 (`corrections` and `multipliers`), the new
    /// `memory` and the `report`.
    pub fn damp<R: Rule>(rule: &R) -> Self {
        let slots = rule.slots();
        let shared = names::<Damping<f64, ()>>();
        Self::act(|uniforms, _, outputs| {
            let loss: R::PerLoss<Traced> = fresh("loss", &slots.loss, uniforms, Node::Uniform);
            let mut one = |name: &str| add("", name, uniforms, Node::Uniform);
            let (learning_rate, weight_decay) = (one("learning_rate"), one("weight_decay"));
            let xi = fresh("xi", &slots.loss, uniforms, Node::Uniform);
            let memory = fresh("memory", &slots.memory, uniforms, Node::Uniform);
            let pool = fresh("sums.pool", &slots.sums, uniforms, Node::Uniform);
            let group = fresh("sums.group", &slots.sums, uniforms, Node::Uniform);
            let inputs = Inputs { loss, learning_rate, weight_decay, xi };
            let Outcome { factors, memory: kept, report } = rule.damp(inputs, memory, Totals { pool, group });
            let corrections = corrected(rule, &slots, memory, uniforms);
            named("corrections", &slots.corrections, corrections, outputs);
            named("multipliers", &slots.multipliers, factors, outputs);
            named("memory", &slots.memory, kept, outputs);
            for (name, per_loss) in [
                ("squared_length", report.squared_length),
                ("averaged", report.averaged),
                ("slope", report.slope),
                ("damping", report.damping),
            ] {
                named(&join("report", name), &slots.loss, per_loss, outputs);
            }
            let Damping { determinant_ratio, coupling, coupling_scale, .. } = report;
            named("report", &shared, [determinant_ratio, coupling, coupling_scale], outputs);
        })
    }

    /// Where a rule accepts losses and ξ: one where it does, and zero elsewhere.
    ///
    /// ```
    /// use ambient_metric::rules;
    /// use ambient_metric_trace::Recording;
    /// let domain = Recording::domain(&rules::euclidean_log(0.1));
    /// assert_eq!([1.0, -1.0].map(|loss| domain.evaluate(&[loss, 0.1], &[])[0]), [1.0, 0.0]);
    /// ```
    pub fn domain<R: Rule>(rule: &R) -> Self {
        let slots = rule.slots();
        Self::act(|uniforms, _, outputs| {
            let losses = fresh("loss", &slots.loss, uniforms, Node::Uniform);
            let accepts = rule.accepts::<Traced>(losses, fresh("xi", &slots.loss, uniforms, Node::Uniform));
            let accepts = Traced::select(accepts, Traced::constant(1.0), Traced::constant(0.0));
            named("accepts", &[String::new()], accepts, outputs);
        })
    }

    /// The recording with this LaTeX for every slot of that name, in place of the letter of the paper or the name in upright type.
    ///
    /// ```
    /// use ambient_metric::rules;
    /// use ambient_metric::rule::Advance;
    /// use ambient_metric_trace::{Notation, Recording};
    ///
    /// let step = Recording::update(&Advance(rules::sgd(0.5))).with_symbol("parameter", "w").with_symbol("gradient", r"\nabla L");
    /// assert!(step.print(Notation::Latex).contains(r"w &\leftarrow w - "));
    /// assert!(step.print(Notation::Latex).contains(r"\nabla L"));
    /// ```
    #[must_use]
    pub fn with_symbol(mut self, name: impl Into<String>, latex: impl Into<String>) -> Self {
        self.symbols.insert(name.into(), latex.into());
        self
    }

    /// The LaTeX that was given for a slot.
    pub(crate) fn symbol(&self, name: &str) -> Option<&str> {
        self.symbols.get(name).map(String::as_str)
    }

    /// The graph underneath.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What goes in, the same for every element.
    #[must_use]
    pub fn uniforms(&self) -> &[Slot] {
        &self.uniforms
    }

    /// What goes in per element.
    #[must_use]
    pub fn inputs(&self) -> &[Slot] {
        &self.inputs
    }

    /// What comes out.
    #[must_use]
    pub fn outputs(&self) -> &[Slot] {
        &self.outputs
    }

    pub(crate) fn output_ids(&self) -> Vec<Id> {
        self.outputs.iter().map(|slot| slot.id).collect()
    }

    /// How often every node of the graph is read, by nodes and outputs that an output needs; zero for those that none needs.
    ///
    /// ```
    /// use ambient_metric_trace::Recording;
    ///
    /// let sgd = Recording::update(&ambient_metric::rule::Advance(ambient_metric::rules::sgd(0.5)));
    /// // The gradient enters the new momentum, the parameter both what is subtracted and what decays.
    /// let uses = |name| sgd.inputs().iter().find(|slot| slot.name == name).map(|slot| sgd.uses()[slot.id.index()]);
    /// assert_eq!((uses("gradient"), uses("parameter")), (Some(1), Some(2)));
    /// ```
    #[must_use]
    pub fn uses(&self) -> Vec<usize> {
        self.graph.uses(&self.output_ids())
    }

    /// Whether an output depends on this input or uniform.
    #[must_use]
    pub fn needs(&self, slot: &Slot) -> bool {
        self.graph.needed(&self.output_ids()).get(slot.id.index()).copied().unwrap_or(false)
    }

    /// The inputs per element that an output depends on.
    pub fn reads(&self) -> impl Iterator<Item = &Slot> {
        let written: Vec<Id> =
            if self.stores { self.writes().map(|slot| slot.id).collect() } else { self.output_ids() };
        let needed = self.graph.needed(&written);
        self.inputs.iter().filter(move |slot| needed.get(slot.id.index()).copied().unwrap_or(false))
    }

    /// The outputs that an update stores: those that differ from the input they would replace. Empty for a sum.
    pub fn writes(&self) -> impl Iterator<Item = &Slot> {
        let stored = if self.stores { self.outputs.as_slice() } else { &[] };
        stored.iter().zip(&self.inputs).filter(|(output, input)| output.id != input.id).map(|(output, _)| output)
    }

    /// Whether outputs replace inputs slot by slot.
    ///
    /// ```
    /// use ambient_metric::{rule::Advance, rules};
    /// use ambient_metric_trace::Recording;
    /// assert!(Recording::update(&Advance(rules::sgd(0.5))).is_update());
    /// ```
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.stores
    }

    /// How many bytes one element moves if a number has `size` bytes.
    #[must_use]
    pub fn bytes(&self, size: usize) -> usize {
        self.bytes_stored(size, size)
    }

    /// How many bytes one element moves if a number has `size` bytes, and one of a rule's state `state`.
    ///
    /// ```
    /// use ambient_metric::{RmsProp, rules};
    /// use ambient_metric::rule::Advance;
    /// use ambient_metric_trace::Recording;
    ///
    /// // θ, m, ρ and l are read, and θ, m and ρ written.
    /// let advance = Recording::update(&Advance(rules::rmsprop(0.1)));
    /// assert_eq!((advance.bytes(4), advance.bytes_stored(4, 2)), (28, 20));
    /// ```
    #[must_use]
    pub fn bytes_stored(&self, size: usize, state: usize) -> usize {
        let moved = self.reads().chain(self.writes());
        moved.map(|slot| if slot.name.starts_with("state") { state } else { size }).sum()
    }

    /// Functions beyond arithmetic and roots that the outputs need, by name. Shading languages have them in single precision alone.
    ///
    /// ```
    /// use ambient_metric::{Rule, rules};
    /// use ambient_metric_trace::Recording;
    ///
    /// // The step needs the slope of the logarithm, which is a quotient, and not the logarithm.
    /// assert_eq!(Recording::damp(&rules::euclidean_log(0.1)).functions(), Vec::<&str>::new());
    /// ```
    #[must_use]
    pub fn functions(&self) -> Vec<&'static str> {
        let needed = self.graph.needed(&self.output_ids());
        let nodes = self.graph.nodes().iter().zip(needed).filter(|(_, needed)| *needed);
        let mut names: Vec<&str> = nodes
            .filter_map(|(node, _)| match node {
                Node::Unary(Unary::Exp, _) => Some("exp"),
                Node::Unary(Unary::Ln, _) => Some("ln"),
                Node::Unary(Unary::Ln1p, _) => Some("ln_1p"),
                Node::Unary(Unary::ExpM1, _) => Some("exp_m1"),
                Node::Unary(Unary::Log2, _) => Some("log2"),
                Node::Unary(Unary::Sin, _) => Some("sin"),
                Node::Unary(Unary::Cos, _) => Some("cos"),
                Node::Unary(Unary::Tan, _) => Some("tan"),
                Node::Unary(Unary::Atan, _) => Some("atan"),
                Node::Unary(Unary::Sinh, _) => Some("sinh"),
                Node::Unary(Unary::Cosh, _) => Some("cosh"),
                Node::Unary(Unary::Tanh, _) => Some("tanh"),
                Node::Power(..) => Some("power"),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How many operations are carried out per element and once, inputs and constants not counted.
    #[must_use]
    pub fn operations(&self) -> usize {
        let needed = self.graph.needed(&self.output_ids());
        let nodes = self.graph.nodes().iter().zip(needed);
        nodes.filter(|(node, needed)| *needed && node.operands().next().is_some()).count()
    }

    /// The outputs for given uniforms and inputs, computed by walking the graph.
    ///
    /// A missing uniform or input counts as zero.
    ///
    /// ```
    /// use ambient_metric::{Rule, rules};
    /// use ambient_metric_trace::Recording;
    ///
    /// let sgd = Recording::update(&ambient_metric::rule::Advance(rules::sgd(0.5)));
    /// // metric correction, η, ηλ; θ, m, l
    /// let out = sgd.evaluate(&[1.0, 0.1, 0.0], &[1.0, 2.0, 3.0]);
    /// assert_eq!(out, [1.0 - 0.1 * 4.0, 4.0]);
    /// ```
    pub fn evaluate<E: Element>(&self, uniforms: &[E], inputs: &[E]) -> Vec<E> {
        let mut values: Vec<E> = Vec::with_capacity(self.graph.nodes().len());
        for node in self.graph.nodes() {
            let at = |id: Id| values.get(id.index()).copied().unwrap_or_else(E::zero);
            values.push(match *node {
                Node::Uniform(slot) => uniforms.get(slot).copied().unwrap_or_else(E::zero),
                Node::Input(slot) => inputs.get(slot).copied().unwrap_or_else(E::zero),
                Node::Constant(bits) => E::constant(f64::from_bits(bits)),
                Node::Truth(holds) => E::constant(f64::from(u8::from(holds))),
                Node::Power(x, exponent) => at(x).power(f64::from_bits(exponent)),
                Node::Unary(function, x) => function.at(at(x)),
                Node::Binary(function, x, y) => function.at(at(x), at(y)),
                Node::Select(mask, x, y) => E::select(E::zero().less(at(mask)), at(x), at(y)),
            });
        }
        self.output_ids().iter().map(|id| values.get(id.index()).copied().unwrap_or_else(E::zero)).collect()
    }

    /// The same recording with every node replaced by the nodes that `replace` records for it, if it does.
    ///
    /// `replace` is given a node and the place of its operand, where it has one alone.
    pub(crate) fn replaced(&self, replace: impl Fn(Unary, Traced) -> Option<Traced>) -> Self {
        let mut places: Vec<Id> = Vec::with_capacity(self.graph.nodes().len());
        let graph = record(|| {
            for node in self.graph.nodes() {
                let at = |id: Id| places.get(id.index()).copied().unwrap_or(id);
                let add = |node| with(|graph| graph.add(node));
                places.push(match *node {
                    Node::Uniform(_) | Node::Input(_) | Node::Constant(_) | Node::Truth(_) => add(*node),
                    Node::Power(x, exponent) => add(Node::Power(at(x), exponent)),
                    Node::Unary(function, x) => match replace(function, Traced(at(x))) {
                        Some(Traced(other)) => other,
                        None => add(Node::Unary(function, at(x))),
                    },
                    Node::Binary(function, x, y) => add(Node::Binary(function, at(x), at(y))),
                    Node::Select(mask, x, y) => add(Node::Select(at(mask), at(x), at(y))),
                });
            }
        });
        let moved = |slots: &[Slot]| {
            let at = |id: Id| places.get(id.index()).copied().unwrap_or(id);
            slots.iter().map(|slot| Slot { name: slot.name.clone(), id: at(slot.id) }).collect()
        };
        let (uniforms, inputs, outputs) = (moved(&self.uniforms), moved(&self.inputs), moved(&self.outputs));
        Self { graph, uniforms, inputs, outputs, stores: self.stores, symbols: self.symbols.clone() }
    }
}
