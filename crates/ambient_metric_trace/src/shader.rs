//! Kernels in WGSL: the text around a printed rule that loads, stores, masks and adds.
//!
//! No update formula is here. A [pass](PassShader) wraps the statements that [`Wgsl`] prints from a [`Recording`]; the two
//! kernels after it add partial sums ([`totals`]) and carry out the scalar act ([`damp`]). A device backend says which
//! buffers they run over.
//!
//! # Example
//!
//! ```
//! use ambient_metric::rules;
//! use ambient_metric_trace::shader::kernels;
//!
//! for (act, text) in kernels(&rules::adam(), false) {
//!     println!("// {act}\n{text}");
//! }
//! ```

use ambient_metric::rule::{Damping, Slots};
use ambient_metric::{Bundle, Rule};

use crate::graph::Id;
use crate::print::{Body, Wgsl};
use crate::recording::{Recording, Slot};
use crate::traced::Traced;

/// Invocations in a workgroup.
pub const WORKGROUP: usize = 256;

/// Numbers before the first entry of a block table: how many blocks, and the place of the first partial sum.
pub const TABLE_HEADER: usize = 2;

/// Numbers of a block's entry before the starts: how many elements, and their group.
pub const ENTRY_HEADER: usize = 2;

/// What a pass does with the outputs of its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Adds them up, one partial sum per block and slot. The last slot counts invocations that saw a number that is
    /// not finite in a watched input.
    Sum {
        /// How many of the last inputs, the gradients of a rule, are watched.
        watched: usize,
    },
    /// Stores them into the inputs they replace; with a gate, only where the first uniform is not zero.
    Update {
        /// Whether there is a gate before the uniforms of every group.
        gated: bool,
    },
}

/// A pass over tensors as WGSL.
#[derive(Clone, Debug)]
pub struct PassShader {
    /// The text.
    pub text: String,
    /// The inputs that it binds, in the order of its bindings.
    pub bound: Vec<usize>,
    /// For every binding, whether it is bound for writing: block table, uniforms, the bound inputs, and partial sums.
    pub writable: Vec<bool>,
}

/// The variables and the function that add up `slots` numbers of every invocation, with one barrier per level of the tree.
fn reduction(scalar: &str, slots: usize) -> String {
    let half = WORKGROUP / 2;
    let slots = slots.max(1);
    format!(
        "var<workgroup> tree: array<array<{scalar}, {slots}>, {WORKGROUP}>;

fn reduce(lane: u32, values: array<{scalar}, {slots}>) {{
    tree[lane] = values;
    workgroupBarrier();
    for (var stride = {half}u; stride > 0u; stride = stride / 2u) {{
        if (lane < stride) {{
            for (var slot = 0u; slot < {slots}u; slot = slot + 1u) {{
                tree[lane][slot] = tree[lane][slot] + tree[lane + stride][slot];
            }}
        }}
        workgroupBarrier();
    }}
}}
"
    )
}

/// A function that looks at the bits of a number, since WGSL may assume that NaN does not exist.
fn finiteness(wgsl: Wgsl) -> String {
    let (bits, exponent) = if wgsl.double { ("u64", "0x7ff0000000000000lu") } else { ("u32", "0x7f800000u") };
    let scalar = wgsl.scalar();
    format!(
        "fn is_finite(value: {scalar}) -> bool {{
    return (bitcast<{bits}>(value) & {exponent}) != {exponent};
}}
"
    )
}

/// `value` component by component.
fn components(value: &str, width: usize) -> Vec<String> {
    if width == 1 {
        return vec![value.to_owned()];
    }
    ["x", "y", "z", "w"].iter().take(width).map(|component| format!("{value}.{component}")).collect()
}

impl PassShader {
    /// The pass of a recording. `shared` says that tensors share buffers, so that all must be bound for writing.
    #[must_use]
    pub fn new(recording: &Recording, wgsl: Wgsl, purpose: Purpose, shared: bool) -> Self {
        let draft = Draft::new(recording, wgsl, purpose, shared);
        let mut lines = draft.declarations();
        lines.extend(draft.prologue());
        match purpose {
            Purpose::Sum { .. } => lines.extend(draft.adding()),
            Purpose::Update { .. } => lines.extend(draft.storing()),
        }
        lines.push("}\n".to_owned());
        let sums = matches!(purpose, Purpose::Sum { .. });
        let inputs = draft.bound.iter().map(|&index| draft.is_writable(index));
        let writable = [false, false].into_iter().chain(inputs).chain(sums.then_some(true)).collect();
        Self { text: lines.join("\n"), bound: draft.bound, writable }
    }
}

/// A pass while its text is written.
struct Draft<'a> {
    recording: &'a Recording,
    wgsl: Wgsl,
    purpose: Purpose,
    shared: bool,
    body: Body,
    /// For every input, whether its elements are loaded.
    loaded: Vec<bool>,
    /// For every input, whether its elements are replaced.
    written: Vec<bool>,
    bound: Vec<usize>,
}

impl<'a> Draft<'a> {
    fn new(recording: &'a Recording, wgsl: Wgsl, purpose: Purpose, shared: bool) -> Self {
        let inputs = recording.inputs();
        let (stores, watched) = match purpose {
            Purpose::Sum { watched } => (false, watched),
            Purpose::Update { .. } => (true, 0),
        };
        let reads: Vec<Id> = recording.reads().map(|slot| slot.id).collect();
        let loaded: Vec<bool> = inputs
            .iter()
            .enumerate()
            .map(|(index, input)| reads.contains(&input.id) || index + watched >= inputs.len())
            .collect();
        let replaces = |index: usize, input: &Slot| {
            stores && recording.outputs().get(index).is_some_and(|output| output.id != input.id)
        };
        let written: Vec<bool> = inputs.iter().enumerate().map(|(index, input)| replaces(index, input)).collect();
        let bound = (0..inputs.len()).filter(|&index| loaded[index] || written[index]).collect();
        Self { recording, wgsl, purpose, shared, body: wgsl.body(recording), loaded, written, bound }
    }

    fn is_writable(&self, input: usize) -> bool {
        self.written[input] || self.shared
    }

    fn name(&self, input: usize) -> String {
        Wgsl::variable(&self.recording.inputs()[input].name)
    }

    /// `value` in every lane.
    fn splat(&self, value: f64) -> String {
        format!("{}({})", self.wgsl.vector(), self.wgsl.literal(value))
    }

    /// What the kernel binds, and the functions that it calls.
    fn declarations(&self) -> Vec<String> {
        let (scalar, vector) = (self.wgsl.scalar(), self.wgsl.vector());
        let mut lines = vec![
            "@group(0) @binding(0) var<storage, read> blocks: array<u32>;".to_owned(),
            format!("@group(0) @binding(1) var<storage, read> uniforms: array<{scalar}>;"),
        ];
        for (place, &input) in self.bound.iter().enumerate() {
            let access = if self.is_writable(input) { "read_write" } else { "read" };
            let (binding, name) = (place + 2, self.name(input));
            lines.push(format!(
                "@group(0) @binding({binding}) var<storage, {access}> elements_of_{name}: array<{vector}>;"
            ));
        }
        if let Purpose::Sum { watched } = self.purpose {
            let binding = self.bound.len() + 2;
            lines.push(format!("@group(0) @binding({binding}) var<storage, read_write> partials: array<{scalar}>;\n"));
            lines.push(reduction(scalar, self.body.outputs.len() + 1));
            lines.extend((watched > 0).then(|| finiteness(self.wgsl)));
        } else {
            lines.push(String::new());
        }
        lines
    }

    /// From the entry point to the statements before the loop.
    fn prologue(&self) -> Vec<String> {
        let gate = usize::from(self.purpose == Purpose::Update { gated: true });
        let stride = self.recording.uniforms().len() + gate;
        let entry = ENTRY_HEADER + self.bound.len();
        let mut lines = vec![format!(
            "@compute @workgroup_size({WORKGROUP})
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {{
    let block = workgroup.x + workgroup.y * workgroups.x;
    if (block >= blocks[0]) {{
        return;
    }}
    let entry = {TABLE_HEADER}u + block * {entry}u;
    let elements = blocks[entry];
    let uniform_start = blocks[entry + 1u] * {stride}u;"
        )];
        for (place, &input) in self.bound.iter().enumerate() {
            lines.push(format!("    let start_of_{} = blocks[entry + {}u];", self.name(input), ENTRY_HEADER + place));
        }
        if gate == 1 {
            let closed = self.wgsl.literal(0.0);
            lines.push(format!("    if (uniforms[uniform_start] == {closed}) {{\n        return;\n    }}"));
        }
        for (slot, uniform) in self.recording.uniforms().iter().enumerate() {
            if self.recording.needs(uniform) {
                let name = Wgsl::variable(&uniform.name);
                lines.push(format!("    let {name} = uniforms[uniform_start + {}u];", slot + gate));
            }
        }
        lines.extend(self.body.once.iter().map(|statement| format!("    {statement}")));
        lines
    }

    /// From the head of the loop over a block's vectors to the last statement of the rule.
    fn head_of_loop(&self) -> Vec<String> {
        let width = self.wgsl.width;
        let mut lines = vec![
            format!("    let vectors = (elements + {}u) / {width}u;", width - 1),
            format!("    for (var i = lane; i < vectors; i = i + {WORKGROUP}u) {{"),
        ];
        for &input in self.bound.iter().filter(|&&input| self.loaded[input]) {
            let name = self.name(input);
            lines.push(format!("        let {name} = elements_of_{name}[start_of_{name} + i];"));
        }
        lines.extend(self.body.per_element.iter().map(|statement| format!("        {statement}")));
        lines
    }

    /// The loop that replaces elements.
    fn storing(&self) -> Vec<String> {
        let mut lines = self.head_of_loop();
        for (input, output) in self.body.outputs.iter().enumerate() {
            if self.written.get(input).copied().unwrap_or(false) {
                let (name, vector) = (self.name(input), self.wgsl.vector());
                lines.push(format!("        elements_of_{name}[start_of_{name} + i] = {vector}({output});"));
            }
        }
        lines.push("    }".to_owned());
        lines
    }

    /// The loop that adds, and the sums of the workgroup.
    fn adding(&self) -> Vec<String> {
        let (width, vector, zero) = (self.wgsl.width, self.wgsl.vector(), self.splat(0.0));
        let slots = self.body.outputs.len();
        let mut lines: Vec<String> = (0..slots).map(|slot| format!("    var sum_{slot} = {zero};")).collect();
        lines.push(format!("    var not_finite = {};", self.wgsl.literal(0.0)));
        lines.extend(self.head_of_loop());
        for (slot, output) in self.body.outputs.iter().enumerate() {
            lines.push(format!("        var term_{slot} = {vector}({output});"));
        }
        if width > 1 && slots > 0 {
            // The last vector of a tensor may reach past its end.
            let lanes: Vec<String> = (0..width).map(|lane| format!("{lane}u")).collect();
            let lanes = lanes.join(", ");
            lines.push(format!("        if (elements - i * {width}u < {width}u) {{"));
            lines.push(format!(
                "            let inside = vec{width}<u32>({lanes}) < vec{width}<u32>(elements - i * {width}u);"
            ));
            for slot in 0..slots {
                lines.push(format!("            term_{slot} = select({zero}, term_{slot}, inside);"));
            }
            lines.push("        }".to_owned());
        }
        lines.extend((0..slots).map(|slot| format!("        sum_{slot} = sum_{slot} + term_{slot};")));
        let inputs = self.recording.inputs().len();
        let watched = if let Purpose::Sum { watched } = self.purpose { watched } else { 0 };
        if watched > 0 {
            let names = (inputs.saturating_sub(watched)..inputs).map(|input| self.name(input));
            let tests: Vec<String> = names
                .flat_map(|name| components(&name, width))
                .map(|component| format!("is_finite({component})"))
                .collect();
            lines.push(format!("        if (!({})) {{", tests.join(" && ")));
            lines.push(format!("            not_finite = {};\n        }}", self.wgsl.literal(1.0)));
        }
        lines.push(format!("    }}\n    let place = (blocks[1] + block) * {}u;", slots + 1));
        let sums = (0..slots).map(|slot| components(&format!("sum_{slot}"), width).join(" + "));
        let sums: Vec<String> = sums.chain(["not_finite".to_owned()]).collect();
        lines.push(format!("    reduce(lane, array<{}, {}>({}));", self.wgsl.scalar(), slots + 1, sums.join(", ")));
        lines.push("    if (lane == 0u) {".to_owned());
        lines.extend((0..=slots).map(|slot| format!("        partials[place + {slot}u] = tree[0][{slot}];")));
        lines.push("    }".to_owned());
        lines
    }
}

/// For every binding of the kernel [`totals`], whether it is bound for writing.
pub const TOTALS_WRITABLE: [bool; 3] = [false, false, true];

/// For every binding of the kernel [`damp`], whether it is bound for writing.
pub const DAMP_WRITABLE: [bool; 5] = [false, false, false, true, true];

/// The kernel that adds partial sums to one total per group and slot, in a fixed order, in one workgroup.
#[must_use]
pub fn totals(wgsl: Wgsl, slots: usize) -> String {
    let scalar = wgsl.scalar();
    format!(
        "// How many partial sums, how many groups, and the group of every partial sum.
@group(0) @binding(0) var<storage, read> groups: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<{scalar}>;
@group(0) @binding(2) var<storage, read_write> totals: array<{scalar}>;

{}
@compute @workgroup_size({WORKGROUP})
fn main(@builtin(local_invocation_index) lane: u32) {{
    for (var group = 0u; group < groups[1]; group = group + 1u) {{
        var sums: array<{scalar}, {slots}>;
        for (var i = lane; i < groups[0]; i = i + {WORKGROUP}u) {{
            if (groups[2u + i] == group) {{
                for (var slot = 0u; slot < {slots}u; slot = slot + 1u) {{
                    sums[slot] = sums[slot] + partials[i * {slots}u + slot];
                }}
            }}
        }}
        reduce(lane, sums);
        if (lane == 0u) {{
            for (var slot = 0u; slot < {slots}u; slot = slot + 1u) {{
                totals[group * {slots}u + slot] = tree[0][slot];
            }}
        }}
        workgroupBarrier();
    }}
}}
",
        reduction(scalar, slots)
    )
}

/// Where the scalar act keeps what, in numbers: memory of every group, then gate and uniforms of act 3 of every group,
/// then the report of every group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalarLayout {
    /// How many groups.
    pub groups: usize,
    /// How many losses.
    pub losses: usize,
    /// Numbers of scalar memory; groups that share a sum keep equal copies.
    pub memory: usize,
    /// Numbers of uniforms of act 3, the gate not counted.
    pub pass: usize,
    /// Numbers of sums: Σ l², the rule's own, and the count of what is not finite.
    pub sums: usize,
    /// Act 3 binds its uniforms at a multiple of this.
    pub alignment: usize,
}

/// Numbers of a [`Damping`] that are one per loss, and that are not.
const PER_LOSS: usize = 4;
const SHARED: usize = <Damping<Traced> as Bundle<Traced>>::LEN - PER_LOSS;

/// Numbers before the pools of the groups in the table of the scalar act.
pub const POOLS_HEADER: usize = 3;

impl ScalarLayout {
    /// The layout for a rule.
    #[must_use]
    pub fn of<R: Rule>(rule: &R, groups: usize, alignment: usize) -> Self {
        let Slots { loss, memory, corrections, multipliers, sums, .. } = rule.slots();
        Self {
            groups,
            losses: loss.len(),
            memory: memory.len(),
            pass: corrections.len() + multipliers.len(),
            sums: sums.len() + 2,
            alignment,
        }
    }

    /// Numbers of what the scalar act tells of the geometry.
    fn damping(&self) -> usize {
        PER_LOSS * self.losses + SHARED
    }

    /// Numbers of a report: what the scalar act tells, then the effective learning rates and the norm of the gradient.
    #[must_use]
    pub fn report(&self) -> usize {
        self.damping() + self.losses + 1
    }

    /// Where gate and uniforms of act 3 of the first group begin.
    #[must_use]
    pub fn passes(&self) -> usize {
        (self.groups * self.memory).next_multiple_of(self.alignment)
    }

    /// Numbers of gate and uniforms of one group.
    #[must_use]
    pub fn pass_stride(&self) -> usize {
        self.pass + 1
    }

    /// Where the report of the first group begins.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.passes() + self.groups * self.pass_stride()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.reports() + self.groups * self.report()
    }
}

/// Why a step was skipped, as the scalar act writes it.
pub mod reason {
    /// A gradient has an element that is not finite.
    pub const GRADIENT: u32 = 1;
    /// The slope of the embedding at the loss is not finite, or not above zero.
    pub const LOSS: u32 = 2;
    /// A multiplier, the memory or the squared length of the gradient would not be finite.
    pub const OVERFLOW: u32 = 3;
    /// The metric is not positive definite.
    pub const METRIC: u32 = 4;
    /// The coupling is so long that the ambient form is no metric.
    pub const COUPLING: u32 = 5;
}

/// The kernel of the scalar act: one invocation that damps every group, or skips the step as a whole.
///
/// `recording` is [`Recording::damp`] of a rule.
#[must_use]
#[allow(clippy::too_many_lines, reason = "it is the text of one kernel")]
pub fn damp(recording: &Recording, wgsl: Wgsl, layout: ScalarLayout) -> String {
    let scalar = wgsl.scalar();
    let body = Wgsl { width: 1, ..wgsl }.body(recording);
    let given = recording.uniforms().len();
    let outputs = body.outputs.len();
    let ScalarLayout { losses, memory, pass, sums, .. } = layout;
    let given_uniforms = recording.uniforms().iter().enumerate().filter(|(_, uniform)| recording.needs(uniform));
    let statements: Vec<String> = given_uniforms
        .map(|(slot, uniform)| format!("    let {} = given[{slot}];", Wgsl::variable(&uniform.name)))
        .chain(body.once.iter().chain(&body.per_element).map(|statement| format!("    {statement}")))
        .collect();
    let statements = statements.join("\n");
    let results = body.outputs.join(",\n        ");
    format!(
        "// How many groups, where the uniforms of act 3 and the reports begin, and the pool of every group.
@group(0) @binding(0) var<storage, read> pools: array<u32>;
// L of every loss, ξ of every loss, then η and λ of every group.
@group(0) @binding(1) var<storage, read> inputs: array<{scalar}>;
@group(0) @binding(2) var<storage, read> totals: array<{scalar}>;
// Memory, gate and uniforms of act 3, and report of every group.
@group(0) @binding(3) var<storage, read_write> scalars: array<{scalar}>;
// Steps taken, steps skipped, and why the last one was skipped.
@group(0) @binding(4) var<storage, read_write> status: array<u32>;

{finiteness}
fn damp(given: array<{scalar}, {given}>) -> array<{scalar}, {outputs}> {{
{statements}
    return array<{scalar}, {outputs}>(
        {results},
    );
}}

fn pooled(pool: u32, slot: u32) -> {scalar} {{
    var sum = {zero};
    for (var group = 0u; group < pools[0]; group = group + 1u) {{
        if (pools[{POOLS_HEADER}u + group] == pool) {{
            sum = sum + totals[group * {sums}u + slot];
        }}
    }}
    return sum;
}}

fn damp_group(group: u32) -> array<{scalar}, {outputs}> {{
    let pool = pools[{POOLS_HEADER}u + group];
    var given: array<{scalar}, {given}>;
    for (var i = 0u; i < {losses}u; i = i + 1u) {{
        given[i] = inputs[i];
        given[{losses}u + 2u + i] = inputs[{losses}u + i];
    }}
    given[{losses}u] = inputs[{rates}u + 2u * group];
    given[{losses}u + 1u] = inputs[{rates}u + 2u * group + 1u];
    for (var i = 0u; i < {memory}u; i = i + 1u) {{
        given[{rates}u + 2u + i] = scalars[group * {memory}u + i];
    }}
    for (var i = 0u; i < {rule_sums}u; i = i + 1u) {{
        given[{first_sum}u + i] = pooled(pool, 1u + i);
        given[{first_sum}u + {rule_sums}u + i] = totals[group * {sums}u + 1u + i];
    }}
    return damp(given);
}}

@compute @workgroup_size(1)
fn main() {{
    let groups = pools[0];
    var reason = 0u;
    for (var group = 0u; group < groups; group = group + 1u) {{
        var result = damp_group(group);
        // Multipliers and memory, then s and its average of every loss.
        for (var i = 0u; i < {checked}u + 2u * {losses}u; i = i + 1u) {{
            if (!is_finite(result[i])) {{
                reason = {overflow}u;
            }}
        }}
        for (var i = 0u; i < {losses}u; i = i + 1u) {{
            if (!is_finite(result[{ratio}u]) && result[{damping}u + i] == {zero}) {{
                reason = {overflow}u;
            }}
        }}
    }}
    for (var group = 0u; group < groups; group = group + 1u) {{
        var result = damp_group(group);
        for (var i = 0u; i < {losses}u; i = i + 1u) {{
            let slope = result[{slope}u + i];
            if (!is_finite(slope) || !(slope > {zero})) {{
                reason = {loss}u;
            }}
            if (reason == 0u && result[{checked}u + i] < {zero}) {{
                reason = {metric}u;
            }}
        }}
        if (reason == 0u && !(result[{ratio}u] > {zero})) {{
            reason = {metric}u;
        }}
        if (reason == 0u && !(result[{coupling}u] < {one})) {{
            reason = {coupled}u;
        }}
    }}
    for (var group = 0u; group < groups; group = group + 1u) {{
        // A state that keeps squares would overflow with them.
        if (reason == 0u && !is_finite(totals[group * {sums}u])) {{
            reason = {overflow}u;
        }}
    }}
    for (var group = 0u; group < groups; group = group + 1u) {{
        if (totals[group * {sums}u + {last_sum}u] > {zero}) {{
            reason = {gradient}u;
        }}
    }}
    status[2] = reason;
    if (reason != 0u) {{
        for (var group = 0u; group < groups; group = group + 1u) {{
            scalars[pools[1] + group * {stride}u] = {zero};
        }}
        status[1] = status[1] + 1u;
        return;
    }}
    for (var group = 0u; group < groups; group = group + 1u) {{
        var result = damp_group(group);
        let gate = pools[1] + group * {stride}u;
        scalars[gate] = {one};
        for (var i = 0u; i < {pass}u; i = i + 1u) {{
            scalars[gate + 1u + i] = result[i];
        }}
        for (var i = 0u; i < {memory}u; i = i + 1u) {{
            scalars[group * {memory}u + i] = result[{pass}u + i];
        }}
        let report = pools[2] + group * {report}u;
        for (var i = 0u; i < {reported}u; i = i + 1u) {{
            scalars[report + i] = result[{checked}u + i];
        }}
        for (var i = 0u; i < {losses}u; i = i + 1u) {{
            scalars[report + {reported}u + i] = inputs[{rates}u + 2u * group] * result[{damping}u + i];
        }}
        scalars[report + {reported}u + {losses}u] = sqrt(pooled(pools[{POOLS_HEADER}u + group], 0u));
    }}
    status[0] = status[0] + 1u;
}}
",
        finiteness = finiteness(wgsl),
        zero = wgsl.literal(0.0),
        one = wgsl.literal(1.0),
        rule_sums = sums - 2,
        rates = 2 * losses,
        first_sum = 2 * losses + 2 + memory,
        checked = pass + memory,
        slope = pass + memory + 2 * losses,
        damping = pass + memory + 3 * losses,
        ratio = pass + memory + PER_LOSS * losses,
        coupling = pass + memory + PER_LOSS * losses + 1,
        report = layout.report(),
        reported = layout.damping(),
        metric = reason::METRIC,
        coupled = reason::COUPLING,
        stride = layout.pass_stride(),
        last_sum = sums - 1,
        overflow = reason::OVERFLOW,
        loss = reason::LOSS,
        gradient = reason::GRADIENT,
    )
}

/// The kernels of a rule by the name of their act, for one group, with vector loads: what a device runs in one step.
///
/// `double` asks for `f64`.
#[must_use]
pub fn kernels<R: Rule>(rule: &R, double: bool) -> Vec<(&'static str, String)> {
    let wgsl = Wgsl { double, width: if double { 2 } else { 4 } };
    let single = Wgsl { width: 1, ..wgsl };
    let layout = ScalarLayout::of(rule, 1, 64);
    let measure = Recording::measure(rule);
    let watched = layout.losses;
    let advance = Recording::advance(rule);
    vec![
        ("measure", PassShader::new(&measure, wgsl, Purpose::Sum { watched }, false).text),
        ("sum", totals(single, layout.sums)),
        ("damp", damp(&Recording::damp(rule), single, layout)),
        ("advance", PassShader::new(&advance, wgsl, Purpose::Update { gated: true }, false).text),
    ]
}
