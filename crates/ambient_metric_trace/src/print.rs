//! Printing a recording: as text, as LaTeX, and as WGSL.

use core::fmt::Write as _;

use crate::graph::{Binary, Id, Node, Unary};
use crate::lower::lowered;
use crate::recording::Recording;

/// A way to write a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Lines that read like Rust.
    Text,
    /// The lines of an `aligned` environment.
    Latex,
    /// Statements of a shader, in which an input or uniform `a.b` is a variable `a_b`, and which assign to such.
    Wgsl(Wgsl),
}

/// A way to write a recording as WGSL: the type of its numbers, and how many elements one invocation handles.
///
/// # Example
///
/// ```
/// use ambient_metric::rules;
/// use ambient_metric::rule::Advance;
/// use ambient_metric_trace::{Recording, Wgsl};
///
/// let recording = Recording::update(&Advance(rules::sgd(0.5)));
/// let body = Wgsl { double: false, width: 4 }.body(&recording);
/// assert_eq!(body.outputs.len(), 2);
/// assert!(body.per_element.iter().any(|line| line.contains("gradient + 0.5f * state_momentum")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wgsl {
    /// `f64` instead of `f32`.
    pub double: bool,
    /// 1, 2 or 4.
    pub width: usize,
}

/// The statements of a recording in WGSL, and an expression for every output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Statements that need uniforms alone.
    pub once: Vec<String>,
    /// Statements that need inputs.
    pub per_element: Vec<String>,
    /// An expression for every output.
    pub outputs: Vec<String>,
}

/// How tightly an expression binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Logic,
    Sum,
    Product,
    Prefix,
    Atom,
}

/// What one way of writing does differently.
trait Style {
    fn uniform(&self, name: &str) -> String;
    fn input(&self, name: &str) -> String;
    fn constant(&self, value: f64) -> String;
    fn unary(&self, function: Unary, x: &str) -> (String, Binding);
    fn power(&self, x: &str, exponent: &str) -> (String, Binding);
    fn extreme(&self, maximum: bool, x: &str, y: &str) -> String;
    /// Of two masks or numbers that bind tightly enough.
    fn logic(&self, function: Binary, x: &str, y: &str) -> String;
    fn not(&self, x: &str) -> String {
        format!("!{x}")
    }
    fn select(&self, mask: &str, x: &str, y: &str) -> (String, Binding) {
        (format!("select({mask}, {x}, {y})"), Binding::Atom)
    }
    fn product(&self, x: &str, y: &str) -> String {
        format!("{x} * {y}")
    }
    /// Whether a constant comes first in a product, as mathematics has it, and not where the rule computes with it.
    fn constants_first(&self) -> bool {
        false
    }
    fn quotient(&self, x: &Term, y: &Term) -> (String, Binding) {
        (format!("{} / {}", x.bound(Binding::Product), y.bound(Binding::Prefix)), Binding::Product)
    }
    /// The expression that is zero where the named operand is no normal number; none where that is not worth a reader's time.
    fn flush(&self, _x: &str, _varies: bool) -> Option<String> {
        None
    }
    /// The expression of an operand that meets a varying one in a function of two.
    fn operand(&self, text: String, _widen: bool) -> String {
        text
    }
    /// The expression of a mask that meets a varying one.
    fn mask_operand(&self, text: String, _widen: bool) -> String {
        text
    }
    fn temporary(&self, index: usize) -> String {
        format!("t{index}")
    }
}

/// An expression with its binding.
#[derive(Clone)]
struct Term {
    text: String,
    binding: Binding,
}

impl Term {
    fn atom(text: String) -> Self {
        Self { text, binding: Binding::Atom }
    }

    /// The text, in brackets where it binds less tightly than its place asks for.
    fn bound(&self, least: Binding) -> String {
        if self.binding >= least { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// A recording written out: statements in order, each with whether it varies, and a term for every output.
struct Written {
    statements: Vec<(bool, String, String)>,
    outputs: Vec<Term>,
}

fn write(recording: &Recording, style: &impl Style) -> Written {
    let graph = recording.graph();
    let outputs = recording.output_ids();
    let needed = graph.needed(&outputs);
    let varying = graph.varying();
    let mut uses = vec![0_usize; graph.nodes().len()];
    for (node, needed) in graph.nodes().iter().zip(&needed) {
        if *needed {
            for operand in node.operands() {
                // What is flushed stands in the expression more than once, if it is written out.
                let flushes = matches!(node, Node::Unary(Unary::Flush, _)) && style.flush("", false).is_some();
                uses[operand.index()] += if flushes { 2 } else { 1 };
            }
        }
    }
    for output in &outputs {
        uses[output.index()] += 1;
    }

    let mut terms: Vec<Term> = Vec::with_capacity(graph.nodes().len());
    let mut statements: Vec<(bool, String, String)> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let varies = varying.get(index).copied().unwrap_or(false);
        let term = term(recording, style, *node, &terms, &varying);
        let is_shared = uses[index] > 1 && node.operands().next().is_some();
        // What is the same for every element is computed before the loop, also if it is used once.
        let leaves_loop = !varies
            && node.operands().next().is_some()
            && uses[index] > 0
            && used_by_varying(graph.nodes(), &varying, index);
        if needed[index] && (is_shared || leaves_loop) {
            let name = style.temporary(statements.len());
            statements.push((varies, name.clone(), term.text));
            terms.push(Term::atom(name));
        } else {
            terms.push(term);
        }
    }
    let outputs =
        outputs.iter().map(|id| terms.get(id.index()).cloned().unwrap_or(Term::atom(String::new()))).collect();
    Written { statements, outputs }
}

fn used_by_varying(nodes: &[Node], varying: &[bool], index: usize) -> bool {
    let uses_it = |node: &Node| node.operands().any(|operand| operand.index() == index);
    nodes.iter().zip(varying).any(|(node, varies)| *varies && uses_it(node))
}

fn term(recording: &Recording, style: &impl Style, node: Node, terms: &[Term], varying: &[bool]) -> Term {
    let at = |id: Id| terms.get(id.index()).cloned().unwrap_or(Term::atom(String::new()));
    let varies = |id: Id| varying.get(id.index()).copied().unwrap_or(false);
    let name = |slot: Option<&crate::recording::Slot>| slot.map(|slot| slot.name.clone()).unwrap_or_default();
    match node {
        Node::Uniform(slot) => Term::atom(style.uniform(&name(recording.uniforms().get(slot)))),
        Node::Input(slot) => Term::atom(style.input(&name(recording.inputs().get(slot)))),
        Node::Constant(bits) => {
            let value = f64::from_bits(bits);
            let binding = if value.is_sign_negative() { Binding::Prefix } else { Binding::Atom };
            Term { text: style.constant(value), binding }
        }
        Node::Unary(Unary::Negate, x) => {
            Term { text: format!("-{}", at(x).bound(Binding::Atom)), binding: Binding::Prefix }
        }
        Node::Unary(Unary::Not, x) => Term { text: style.not(&at(x).bound(Binding::Atom)), binding: Binding::Prefix },
        Node::Unary(Unary::Flush, x) => style.flush(&at(x).text, varies(x)).map_or_else(|| at(x), Term::atom),
        Node::Unary(function, x) => {
            let (text, binding) = style.unary(function, &at(x).text);
            Term { text, binding }
        }
        Node::Power(x, exponent) => {
            let exponent = style.operand(style.constant(f64::from_bits(exponent)), varies(x));
            let (text, binding) = style.power(&at(x).bound(Binding::Atom), &exponent);
            Term { text, binding }
        }
        Node::Binary(Binary::Add, x, y) => {
            Term { text: format!("{} + {}", at(x).text, at(y).bound(Binding::Product)), binding: Binding::Sum }
        }
        Node::Binary(Binary::Subtract, x, y) => {
            Term { text: format!("{} - {}", at(x).text, at(y).bound(Binding::Product)), binding: Binding::Sum }
        }
        Node::Binary(Binary::Multiply, x, y) => {
            let is_constant = |id: Id| matches!(recording.graph().nodes().get(id.index()), Some(Node::Constant(_)));
            let turns = style.constants_first() && is_constant(y) && !is_constant(x);
            let (x, y) = if turns { (y, x) } else { (x, y) };
            let text = style.product(&at(x).bound(Binding::Product), &at(y).bound(Binding::Prefix));
            Term { text, binding: Binding::Product }
        }
        Node::Binary(Binary::Divide, x, y) => {
            let (text, binding) = style.quotient(&at(x), &at(y));
            Term { text, binding }
        }
        Node::Binary(function @ (Binary::Maximum | Binary::Minimum), x, y) => {
            let widen = varies(x) != varies(y);
            let first = style.operand(at(x).text, widen && !varies(x));
            let second = style.operand(at(y).text, widen && !varies(y));
            Term::atom(style.extreme(function == Binary::Maximum, &first, &second))
        }
        Node::Truth(holds) => Term::atom(holds.to_string()),
        Node::Binary(function @ (Binary::Less | Binary::Equal), x, y) => {
            let widen = varies(x) != varies(y);
            let operand = |x| style.operand(at(x).bound(Binding::Sum), widen && !varies(x));
            Term { text: style.logic(function, &operand(x), &operand(y)), binding: Binding::Logic }
        }
        Node::Binary(function @ (Binary::And | Binary::Or), x, y) => {
            let widen = varies(x) != varies(y);
            let operand = |x| style.mask_operand(at(x).bound(Binding::Prefix), widen && !varies(x));
            Term { text: style.logic(function, &operand(x), &operand(y)), binding: Binding::Logic }
        }
        Node::Select(mask, x, y) => {
            let widen = [mask, x, y].into_iter().any(varies);
            let operand = |x| style.operand(at(x).text, widen && !varies(x));
            let (text, binding) = style.select(&at(mask).text, &operand(x), &operand(y));
            Term { text, binding }
        }
    }
}

impl Recording {
    /// The recording, one assignment a line.
    ///
    /// ```
    /// use ambient_metric::rules;
    /// use ambient_metric::rule::Advance;
    /// use ambient_metric_trace::{Notation, Recording, Wgsl};
    ///
    /// let text = Recording::update(&Advance(rules::sgd(0.5))).print(Notation::Text);
    /// assert!(text.contains("state.momentum ← t0"));
    /// let wgsl = Notation::Wgsl(Wgsl { double: false, width: 4 });
    /// let shader = Recording::update(&Advance(rules::sgd(0.5))).print(wgsl);
    /// assert!(shader.contains("state_momentum = select(t0, "));
    /// ```
    #[must_use]
    pub fn print(&self, notation: Notation) -> String {
        match notation {
            Notation::Text => self.lines(&Text, "let ", " = ", ";", str::to_owned, " ← "),
            Notation::Latex => {
                let style = Latex(self);
                let lines = self.lines(&style, "", " &= ", r" \\", |name| style.name(name), r" &\leftarrow ");
                format!("\\begin{{aligned}}\n{lines}\\end{{aligned}}\n")
            }
            Notation::Wgsl(style) => {
                let lowered = lowered(self, style.double);
                lowered.as_ref().unwrap_or(self).lines(&style, "let ", " = ", ";", Wgsl::variable, " = ")
            }
        }
    }

    fn lines(
        &self,
        style: &impl Style,
        start: &str,
        equals: &str,
        end: &str,
        name: impl Fn(&str) -> String,
        becomes: &str,
    ) -> String {
        let written = write(self, style);
        let mut lines = String::new();
        for (_, temporary, text) in &written.statements {
            let _ = writeln!(lines, "{start}{temporary}{equals}{text}{end}");
        }
        let changed: Vec<Id> = self.writes().map(|slot| slot.id).collect();
        let is_update = !changed.is_empty();
        for (slot, term) in self.outputs().iter().zip(&written.outputs) {
            if !is_update || changed.contains(&slot.id) {
                let named = if slot.name.is_empty() { name("sum") } else { name(&slot.name) };
                let _ = writeln!(lines, "{named}{becomes}{}{end}", term.text);
            }
        }
        lines
    }
}

/// Rust-like text.
struct Text;

impl Style for Text {
    fn uniform(&self, name: &str) -> String {
        name.to_owned()
    }
    fn input(&self, name: &str) -> String {
        name.to_owned()
    }
    fn constant(&self, value: f64) -> String {
        format!("{value:?}")
    }
    fn unary(&self, function: Unary, x: &str) -> (String, Binding) {
        (format!("{}({x})", function_name(function)), Binding::Atom)
    }
    fn power(&self, x: &str, exponent: &str) -> (String, Binding) {
        (format!("power({x}, {exponent})"), Binding::Atom)
    }
    fn extreme(&self, maximum: bool, x: &str, y: &str) -> String {
        format!("{}({x}, {y})", if maximum { "max" } else { "min" })
    }
    fn logic(&self, function: Binary, x: &str, y: &str) -> String {
        format!("{x} {} {y}", operator_name(function))
    }
}

/// The operator of masks in Rust and in WGSL.
fn operator_name(function: Binary) -> &'static str {
    match function {
        Binary::Less => "<",
        Binary::Equal => "==",
        Binary::And => "&",
        Binary::Or => "|",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Maximum => "max",
        Binary::Minimum => "min",
    }
}

fn function_name(function: Unary) -> &'static str {
    match function {
        Unary::Negate => "-",
        Unary::Sqrt => "sqrt",
        Unary::Exp => "exp",
        Unary::Ln => "ln",
        Unary::Ln1p => "ln_1p",
        Unary::ExpM1 => "exp_m1",
        Unary::Log2 => "log2",
        Unary::Sin => "sin",
        Unary::Cos => "cos",
        Unary::Tan => "tan",
        Unary::Atan => "atan",
        Unary::Sinh => "sinh",
        Unary::Cosh => "cosh",
        Unary::Tanh => "tanh",
        Unary::Abs => "abs",
        Unary::Sign => "sign",
        Unary::Floor => "floor",
        Unary::Flush => "flush",
        Unary::Not => "!",
    }
}

/// LaTeX in the notation of the paper, but for the symbols of the recording.
struct Latex<'a>(&'a Recording);

impl Latex<'_> {
    fn name(&self, name: &str) -> String {
        self.0.symbol(name).map_or_else(|| latex_name(name), str::to_owned)
    }
}

/// The paper's letter for a name.
fn latex_name(name: &str) -> String {
    let known = match name {
        "parameter" => r"\theta",
        "gradient" => "l",
        "state.momentum" => "m",
        "state.metric" => r"\rho",
        "loss" => "L",
        "learning_rate" | "multipliers.learning_rate" => r"\eta",
        "weight_decay" => r"\lambda",
        "multipliers.decay" => r"\eta\lambda",
        "xi" => r"\xi",
        "corrections.momentum" => r"c_\mu",
        "corrections.metric" => r"c_\gamma",
        "memory.powers.momentum" => r"\mu^{t}",
        "memory.powers.metric" => r"\beta_r^{t}",
        "memory.preconditioner.lengths.average.0.0" => "v",
        "memory.preconditioner.lengths.power" => r"\beta^{t}",
        "sums.pool.preconditioner.lengths.0.0" | "rule.preconditioner.lengths.0.0" => r"\textstyle\sum l\,\gamma^{-1}l",
        "report.squared_length" => "s",
        "report.averaged" => r"\hat v",
        "report.slope" => "f'",
        "multipliers.preconditioner.momentum" | "report.damping" => "r",
        "sums.pool.preconditioner.placement.gradients" | "rule.preconditioner.placement.gradients" => {
            r"\textstyle\sum l\,\gamma^{-1}\hat m"
        }
        "squared_gradient" => r"\textstyle\sum l^2",
        other => return format!(r"\mathrm{{{}}}", other.replace('_', r"\_").replace('.', r"\ ")),
    };
    known.to_owned()
}

impl Style for Latex<'_> {
    fn constants_first(&self) -> bool {
        true
    }
    fn uniform(&self, name: &str) -> String {
        self.name(name)
    }
    fn input(&self, name: &str) -> String {
        self.name(name)
    }
    fn constant(&self, value: f64) -> String {
        // Seven digits are what a reader takes in; the exact constant is in the text.
        #[allow(clippy::cast_possible_truncation, reason = "the constant is shown, not used")]
        let text = format!("{:?}", value as f32);
        match text.split_once('e') {
            Some(("1" | "1.0", exponent)) => format!("10^{{{exponent}}}"),
            Some((digits, exponent)) => format!(r"{digits}\cdot 10^{{{exponent}}}"),
            None => text.strip_suffix(".0").unwrap_or(&text).to_owned(),
        }
    }
    fn unary(&self, function: Unary, x: &str) -> (String, Binding) {
        let text = match function {
            Unary::Sqrt => format!(r"\sqrt{{{x}}}"),
            Unary::Exp => format!("e^{{{x}}}"),
            Unary::Abs => format!(r"\left|{x}\right|"),
            Unary::Ln1p => format!(r"\ln\left(1 + {x}\right)"),
            Unary::ExpM1 => return (format!("e^{{{x}}} - 1"), Binding::Sum),
            Unary::Log2 => format!(r"\log_2\left({x}\right)"),
            Unary::Atan => format!(r"\arctan\left({x}\right)"),
            Unary::Sign => format!(r"\operatorname{{sign}}\left({x}\right)"),
            Unary::Floor => format!(r"\left\lfloor {x}\right\rfloor"),
            other => format!(r"\{}\left({x}\right)", function_name(other)),
        };
        (text, Binding::Atom)
    }
    fn power(&self, x: &str, exponent: &str) -> (String, Binding) {
        (format!("{{{x}}}^{{{exponent}}}"), Binding::Atom)
    }
    fn extreme(&self, maximum: bool, x: &str, y: &str) -> String {
        format!(r"\{}\left({x}, {y}\right)", if maximum { "max" } else { "min" })
    }
    fn logic(&self, function: Binary, x: &str, y: &str) -> String {
        let operator = match function {
            Binary::Equal => "=",
            Binary::And => r"\land",
            Binary::Or => r"\lor",
            other => operator_name(other),
        };
        format!("{x} {operator} {y}")
    }
    fn not(&self, x: &str) -> String {
        format!(r"\lnot {x}")
    }
    fn select(&self, mask: &str, x: &str, y: &str) -> (String, Binding) {
        let text = format!(r"\begin{{cases}} {x} & \text{{if }} {mask} \\ {y} & \text{{otherwise}} \end{{cases}}");
        (text, Binding::Sum)
    }
    fn product(&self, x: &str, y: &str) -> String {
        if x == y { format!("{{{x}}}^2") } else { format!(r"{x}\,{y}") }
    }
    fn quotient(&self, x: &Term, y: &Term) -> (String, Binding) {
        (format!(r"\frac{{{}}}{{{}}}", x.text, y.text), Binding::Atom)
    }
    fn temporary(&self, index: usize) -> String {
        format!("t_{{{index}}}")
    }
}

impl Wgsl {
    /// The statements of a recording, where an input or uniform `a.b` is a variable `a_b`.
    #[must_use]
    pub fn body(&self, recording: &Recording) -> Body {
        let lowered = lowered(recording, self.double);
        let written = write(lowered.as_ref().unwrap_or(recording), self);
        let statement = |(_, name, text): &(bool, String, String)| format!("let {name} = {text};");
        Body {
            once: written.statements.iter().filter(|(varies, ..)| !varies).map(statement).collect(),
            per_element: written.statements.iter().filter(|(varies, ..)| *varies).map(statement).collect(),
            outputs: written.outputs.into_iter().map(|term| term.text).collect(),
        }
    }

    /// The type of one number.
    #[must_use]
    pub fn scalar(&self) -> &'static str {
        if self.double { "f64" } else { "f32" }
    }

    /// The type of the numbers that one invocation handles.
    #[must_use]
    pub fn vector(&self) -> String {
        if self.width == 1 { self.scalar().to_owned() } else { format!("vec{}<{}>", self.width, self.scalar()) }
    }

    /// The variable for the name of a slot.
    ///
    /// Names inside the bundles of a rule keep their words (`state.metric` is `state_metric`). Any other name gets a prefix, so
    /// that it begins with a letter, and is no keyword and no variable of the kernel around it.
    ///
    /// ```
    /// use ambient_metric_trace::Wgsl;
    /// assert_eq!(Wgsl::variable("state.metric"), "state_metric");
    /// assert_eq!(Wgsl::variable("0"), "slot_0");
    /// assert_eq!(Wgsl::variable("0.gradient"), "slot_0_gradient");
    /// ```
    #[must_use]
    pub fn variable(name: &str) -> String {
        const OWN: [&str; 6] = ["parameter", "gradient", "loss", "learning_rate", "weight_decay", "xi"];
        // A Rust name that is a keyword there is written with `r#`.
        let name = name.replace("r#", "");
        let is_whole = name.contains('.') && !name.starts_with(|first: char| first.is_ascii_digit());
        let written = name.replace('.', "_");
        if is_whole || OWN.contains(&name.as_str()) { written } else { format!("slot_{written}") }
    }

    /// A literal of the scalar type.
    #[must_use]
    pub fn literal(&self, value: f64) -> String {
        #[allow(clippy::cast_possible_truncation, reason = "the literal has the precision of the kernel")]
        if self.double { format!("{value:?}lf") } else { format!("{:?}f", value as f32) }
    }
}

impl Style for Wgsl {
    fn uniform(&self, name: &str) -> String {
        Self::variable(name)
    }
    fn input(&self, name: &str) -> String {
        Self::variable(name)
    }
    fn constant(&self, value: f64) -> String {
        self.literal(value)
    }
    fn unary(&self, function: Unary, x: &str) -> (String, Binding) {
        let text = match function {
            Unary::Ln => format!("log({x})"),
            other => format!("{}({x})", function_name(other)),
        };
        (text, Binding::Atom)
    }
    fn power(&self, x: &str, exponent: &str) -> (String, Binding) {
        (format!("pow({x}, {exponent})"), Binding::Atom)
    }
    fn extreme(&self, maximum: bool, x: &str, y: &str) -> String {
        format!("{}({x}, {y})", if maximum { "max" } else { "min" })
    }
    fn logic(&self, function: Binary, x: &str, y: &str) -> String {
        format!("{x} {} {y}", operator_name(function))
    }
    fn select(&self, mask: &str, x: &str, y: &str) -> (String, Binding) {
        (format!("select({y}, {x}, {mask})"), Binding::Atom)
    }
    fn mask_operand(&self, text: String, widen: bool) -> String {
        if widen && self.width > 1 { format!("vec{}<bool>({text})", self.width) } else { text }
    }
    fn flush(&self, x: &str, varies: bool) -> Option<String> {
        let number = |value| self.operand(self.literal(value), varies);
        let least = if self.double { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
        Some(format!("select({x}, {}, abs({x}) < {})", number(0.0), number(least)))
    }
    fn operand(&self, text: String, widen: bool) -> String {
        if widen && self.width > 1 { format!("{}({text})", self.vector()) } else { text }
    }
}
