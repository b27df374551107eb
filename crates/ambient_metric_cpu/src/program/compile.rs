//! From a graph to instructions for an accumulator: which operand is where, and which operations are one.

use ambient_metric::Error;
use ambient_metric_trace::{Binary, Id, Node, Recording, Unary};

use crate::pass::{MAX_OPERANDS, check_operands};

/// How many places of each kind there are.
pub(crate) const PLACES: usize = 64;

/// Where an operand is: what is only read (tensors, then uniforms), or what is written too (tensors, then registers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Read(u8),
    Cell(u8),
}

/// What is done with the accumulator a, and the operands x and y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Instruction {
    /// a ← x
    Load(Place),
    /// x ← a
    Store(u8),
    /// Adds a to a sum.
    Sum(u8),
    /// Adds a − a to the first sum, which is zero where a is finite.
    Rehearse,
    /// a ← a + x
    Add(Place),
    /// a ← a − x
    Subtract(Place),
    /// a ← x − a
    SubtractFrom(Place),
    /// a ← a x
    Multiply(Place),
    /// a ← a / x
    Divide(Place),
    /// a ← x / a
    DivideInto(Place),
    /// a ← x y
    Product(Place, Place),
    /// a ← a + x y, with both roundings
    AddProduct(Place, Place),
    /// a ← a − x y, with both roundings
    SubtractProduct(Place, Place),
    /// a ← x y − a, with both roundings
    SubtractFromProduct(Place, Place),
    /// a ← a²
    Square,
    /// a ← f(a)
    Unary(Unary),
    /// a ← f(a, x)
    Binary(Binary, Place),
    /// a ← f(x, a)
    BinaryFrom(Binary, Place),
    /// a ← x where a holds, elsewhere y
    Select(Place, Place),
    /// a ← a to this power
    Power(f64),
}

/// What is done with an output.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sink {
    /// It replaces the target in this place.
    Store(u8),
    /// It is added to this sum.
    Sum(u8),
    /// Whether it is finite is asked.
    Rehearse,
}

impl Sink {
    fn instruction(self) -> Instruction {
        match self {
            Self::Store(target) => Instruction::Store(target),
            Self::Sum(sum) => Instruction::Sum(sum),
            Self::Rehearse => Instruction::Rehearse,
        }
    }
}

/// A graph as instructions.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) code: Vec<Instruction>,
    /// Which inputs of the recording the places that are only read hold, in order.
    pub(crate) tensors: Vec<usize>,
    /// The nodes that the places behind these hold, which are the same for every element.
    pub(crate) uniforms: Vec<Id>,
    /// How many targets there are, which are the first inputs of the recording.
    pub(crate) targets: usize,
    /// How many registers come behind them.
    pub(crate) registers: usize,
    /// For every node, whether it is computed once.
    pub(crate) is_once: Vec<bool>,
}

/// For which purpose a recording is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Every output is a sum.
    Sums,
    /// Outputs replace inputs.
    Update,
    /// One sum, which is finite where everything is that an update would write.
    Rehearsal,
}

struct Compiler<'r> {
    nodes: &'r [Node],
    /// Reads of every node that are still to come.
    remaining: Vec<usize>,
    varies: Vec<bool>,
    places: Vec<Option<Place>>,
    sinks: Vec<Vec<Sink>>,
    /// Products that are computed where they are added.
    is_deferred: Vec<bool>,
    accumulator: Option<usize>,
    free: Vec<u8>,
    compiled: Compiled,
}

/// The instructions of a recording.
///
/// # Errors
///
/// [`Error::TooMany`].
pub(crate) fn compile(recording: &Recording, purpose: Purpose) -> Result<Compiled, Error> {
    let (nodes, inputs, outputs) = (recording.graph().nodes(), recording.inputs(), recording.outputs());
    check_operands(inputs.len())?;
    let is_update = purpose == Purpose::Update;
    let targets = if is_update { outputs.len() } else { 0 };
    let mut sinks = vec![Vec::new(); nodes.len()];
    for (slot, output) in outputs.iter().enumerate() {
        let sink = match purpose {
            // What stays as it is need not be stored.
            Purpose::Update if inputs.get(slot).is_some_and(|input| input.id == output.id) => continue,
            Purpose::Update => Sink::Store(place(slot, "tensors", MAX_OPERANDS)?),
            Purpose::Sums => Sink::Sum(place(slot, "sums", super::MAX_SUMS)?),
            Purpose::Rehearsal => Sink::Rehearse,
        };
        sinks[output.id.index()].push(sink);
    }
    let mut remaining: Vec<usize> = sinks.iter().map(Vec::len).collect();
    for (index, node) in nodes.iter().enumerate().rev().filter(|(_, node)| node.operands().next().is_some()) {
        if remaining[index] > 0 {
            node.operands().for_each(|operand| remaining[operand.index()] += 1);
        }
    }
    let mut varies: Vec<bool> = Vec::with_capacity(nodes.len());
    for node in nodes {
        varies.push(matches!(node, Node::Input(_)) || node.operands().any(|operand| varies[operand.index()]));
    }
    let mut compiler = Compiler {
        nodes,
        is_deferred: vec![false; nodes.len()],
        places: vec![None; nodes.len()],
        accumulator: None,
        free: Vec::new(),
        compiled: Compiled { targets, ..Compiled::default() },
        remaining,
        varies,
        sinks,
    };
    compiler.place_leaves(recording, is_update)?;
    compiler.defer();
    for index in 0..nodes.len() {
        if compiler.remaining[index] > 0 && compiler.varies[index] && !compiler.is_deferred[index] {
            compiler.compute(index)?;
            compiler.sink(index);
        }
    }
    compiler.sink_rest()?;
    Ok(compiler.compiled)
}

/// The number of a place, of which there are so many.
fn place(number: usize, what: &'static str, limit: usize) -> Result<u8, Error> {
    match u8::try_from(number) {
        Ok(place) if number < limit => Ok(place),
        _ => Err(Error::TooMany { what, found: number.saturating_add(1), limit }),
    }
}

impl Compiler<'_> {
    /// Places for tensors, and for what is the same for every element.
    fn place_leaves(&mut self, recording: &Recording, is_update: bool) -> Result<(), Error> {
        for (slot, input) in recording.inputs().iter().enumerate() {
            let index = input.id.index();
            if is_update && slot < self.compiled.targets {
                self.places[index] = Some(Place::Cell(place(slot, "tensors", MAX_OPERANDS)?));
            } else if self.remaining[index] > 0 {
                self.places[index] = Some(Place::Read(place(self.compiled.tensors.len(), "tensors", MAX_OPERANDS)?));
                self.compiled.tensors.push(slot);
            }
        }
        self.compiled.is_once =
            self.varies.iter().zip(&self.remaining).map(|(varies, remaining)| !varies && *remaining > 0).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            if self.remaining[index] == 0 || !self.varies[index] {
                continue;
            }
            for operand in node.operands() {
                self.place_uniform(operand)?;
            }
        }
        for output in recording.outputs() {
            if !self.sinks[output.id.index()].is_empty() {
                self.place_uniform(output.id)?;
            }
        }
        Ok(())
    }

    fn place_uniform(&mut self, id: Id) -> Result<(), Error> {
        let index = id.index();
        if !self.varies[index] && self.places[index].is_none() {
            let number = self.compiled.tensors.len() + self.compiled.uniforms.len();
            self.places[index] = Some(Place::Read(place(number, "tensors and uniforms", PLACES)?));
            self.compiled.uniforms.push(id);
        }
        Ok(())
    }

    /// Finds products of leaves that are read once, by a sum or a difference.
    fn defer(&mut self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let (true, true, Node::Binary(Binary::Add | Binary::Subtract, x, y)) =
                (self.remaining[index] > 0, self.varies[index], *node)
            else {
                continue;
            };
            if x == y {
                continue;
            }
            for operand in [x, y] {
                let place = operand.index();
                if let Node::Binary(Binary::Multiply, a, b) = self.nodes[place] {
                    let are_leaves = [a, b].iter().all(|factor| self.places[factor.index()].is_some());
                    self.is_deferred[place] =
                        self.varies[place] && self.remaining[place] == 1 && self.sinks[place].is_empty() && are_leaves;
                }
            }
        }
    }

    /// Where a node is that is in memory.
    fn at(&self, id: Id) -> Place {
        self.places[id.index()].unwrap_or(Place::Read(0))
    }

    fn emit(&mut self, instruction: Instruction) {
        self.compiled.code.push(instruction);
    }

    fn is_in_accumulator(&self, id: Id) -> bool {
        self.accumulator == Some(id.index())
    }

    fn register(&mut self) -> Result<u8, Error> {
        if let Some(register) = self.free.pop() {
            return Ok(register);
        }
        self.compiled.registers += 1;
        place(self.compiled.targets + self.compiled.registers - 1, "tensors and registers", PLACES)
    }

    /// Keeps what is in the accumulator, if more than `soon` reads of it are to come and it is nowhere else.
    fn keep(&mut self, soon: usize) -> Result<(), Error> {
        if let Some(index) = self.accumulator
            && self.remaining[index] > soon
            && self.places[index].is_none()
        {
            let register = self.register()?;
            self.emit(Instruction::Store(register));
            self.places[index] = Some(Place::Cell(register));
        }
        Ok(())
    }

    /// One read less of a node is to come.
    fn consume(&mut self, id: Id) {
        let index = id.index();
        self.remaining[index] -= 1;
        if self.remaining[index] == 0
            && let Some(Place::Cell(cell)) = self.places[index]
            && usize::from(cell) >= self.compiled.targets
        {
            self.free.push(cell);
            self.places[index] = None;
        }
    }

    /// Takes a node from memory into the accumulator, if it is not there.
    fn load(&mut self, id: Id) -> Result<(), Error> {
        if !self.is_in_accumulator(id) {
            self.keep(0)?;
            self.emit(Instruction::Load(self.at(id)));
            self.accumulator = Some(id.index());
        }
        Ok(())
    }

    /// Takes an operand that is read once here into the accumulator, and keeps it where it is read again.
    fn take(&mut self, id: Id) -> Result<(), Error> {
        self.load(id)?;
        self.keep(1)
    }

    /// Computes a node into the accumulator.
    fn compute(&mut self, index: usize) -> Result<(), Error> {
        match self.nodes[index] {
            // In memory as it is.
            Node::Input(_) | Node::Uniform(_) | Node::Constant(_) | Node::Truth(_) => return Ok(()),
            Node::Unary(function, x) => {
                self.take(x)?;
                self.emit(Instruction::Unary(function));
                self.consume(x);
            }
            Node::Power(x, exponent) => {
                self.take(x)?;
                self.emit(Instruction::Power(f64::from_bits(exponent)));
                self.consume(x);
            }
            Node::Select(mask, x, y) => {
                if !self.is_in_accumulator(mask) {
                    self.keep(0)?;
                }
                self.take(mask)?;
                self.emit(Instruction::Select(self.at(x), self.at(y)));
                for operand in [mask, x, y] {
                    self.consume(operand);
                }
            }
            Node::Binary(function @ (Binary::Add | Binary::Subtract), x, y)
                if self.is_deferred[x.index()] || self.is_deferred[y.index()] =>
            {
                self.add_product(function, x, y)?;
            }
            Node::Binary(function, x, y) => self.binary(function, x, y)?,
        }
        self.accumulator = Some(index);
        Ok(())
    }

    fn binary(&mut self, function: Binary, x: Id, y: Id) -> Result<(), Error> {
        if x == y && self.is_in_accumulator(x) {
            if function == Binary::Multiply {
                self.keep(2)?;
                self.emit(Instruction::Square);
            } else {
                self.keep(0)?;
                let at = self.at(x);
                self.emit(direct(function, at));
            }
        } else if self.is_in_accumulator(y) {
            self.keep(1)?;
            let at = self.at(x);
            self.emit(reversed(function, at));
        } else if self.is_in_accumulator(x) {
            self.keep(1)?;
            let at = self.at(y);
            self.emit(direct(function, at));
        } else {
            self.keep(0)?;
            let (at_x, at_y) = (self.at(x), self.at(y));
            if function == Binary::Multiply {
                self.emit(Instruction::Product(at_x, at_y));
            } else {
                self.emit(Instruction::Load(at_x));
                self.emit(direct(function, at_y));
            }
        }
        self.consume(x);
        self.consume(y);
        Ok(())
    }

    /// A sum or difference of which one operand at least is a deferred product.
    fn add_product(&mut self, function: Binary, x: Id, y: Id) -> Result<(), Error> {
        let factors = |compiler: &Self, id: Id| match compiler.nodes[id.index()] {
            Node::Binary(_, a, b) if compiler.is_deferred[id.index()] => Some((a, b)),
            _ => None,
        };
        let mut consumed = vec![x, y];
        let (first, second) = (factors(self, x), factors(self, y));
        let instruction = match (first, second, function) {
            (None, Some((a, b)), Binary::Add) => {
                self.take(x)?;
                Instruction::AddProduct(self.at(a), self.at(b))
            }
            (None, Some((a, b)), _) => {
                self.take(x)?;
                Instruction::SubtractProduct(self.at(a), self.at(b))
            }
            (Some((a, b)), None, Binary::Add) => {
                self.take(y)?;
                Instruction::AddProduct(self.at(a), self.at(b))
            }
            (Some((a, b)), None, _) => {
                self.take(y)?;
                Instruction::SubtractFromProduct(self.at(a), self.at(b))
            }
            (Some((a, b)), Some((c, d)), function) => {
                self.keep(0)?;
                self.emit(Instruction::Product(self.at(a), self.at(b)));
                let (c, d) = (self.at(c), self.at(d));
                if function == Binary::Add { Instruction::AddProduct(c, d) } else { Instruction::SubtractProduct(c, d) }
            }
            (None, None, function) => return self.binary(function, x, y),
        };
        self.emit(instruction);
        for (a, b) in first.into_iter().chain(second) {
            consumed.extend([a, b]);
        }
        for id in consumed {
            self.consume(id);
        }
        Ok(())
    }

    /// Sends a node that has just been computed where it goes, as far as nobody reads any more what it replaces.
    fn sink(&mut self, index: usize) {
        if self.accumulator != Some(index) {
            return;
        }
        let sinks = core::mem::take(&mut self.sinks[index]);
        for sink in sinks {
            if !self.is_safe(sink) {
                self.sinks[index].push(sink);
                continue;
            }
            self.emit(sink.instruction());
            self.remaining[index] -= 1;
        }
    }

    /// Whether a target that is to be replaced is read by nobody any more.
    fn is_safe(&self, sink: Sink) -> bool {
        let Sink::Store(target) = sink else { return true };
        let holds =
            |(index, place): (usize, &Option<Place>)| *place == Some(Place::Cell(target)) && self.remaining[index] > 0;
        !self.places.iter().enumerate().any(holds)
    }

    /// Sends everything else where it goes: what was needed longer, and what is an input or a uniform itself.
    fn sink_rest(&mut self) -> Result<(), Error> {
        self.keep(0)?;
        self.accumulator = None;
        for index in 0..self.nodes.len() {
            if let Some(Place::Cell(cell)) = self.places[index]
                && usize::from(cell) < self.compiled.targets
                && !self.sinks[index].is_empty()
            {
                // A target that goes into another one, which may be replaced before.
                let register = self.register()?;
                self.emit(Instruction::Load(Place::Cell(cell)));
                self.emit(Instruction::Store(register));
                self.places[index] = Some(Place::Cell(register));
            }
        }
        for index in 0..self.nodes.len() {
            let sinks = core::mem::take(&mut self.sinks[index]);
            if let (Some(at), false) = (self.places[index], sinks.is_empty()) {
                self.emit(Instruction::Load(at));
                for sink in sinks {
                    self.emit(sink.instruction());
                }
            }
        }
        Ok(())
    }
}

/// a ← f(a, x)
fn direct(function: Binary, x: Place) -> Instruction {
    match function {
        Binary::Add => Instruction::Add(x),
        Binary::Subtract => Instruction::Subtract(x),
        Binary::Multiply => Instruction::Multiply(x),
        Binary::Divide => Instruction::Divide(x),
        _ => Instruction::Binary(function, x),
    }
}

/// a ← f(x, a)
fn reversed(function: Binary, x: Place) -> Instruction {
    match function {
        Binary::Subtract => Instruction::SubtractFrom(x),
        Binary::Divide => Instruction::DivideInto(x),
        Binary::Add | Binary::Multiply => direct(function, x),
        _ => Instruction::BinaryFrom(function, x),
    }
}
