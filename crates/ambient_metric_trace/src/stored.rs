//! Recordings in files, and what tells them apart.

use core::hash::Hasher;

use fnv::FnvHasher;

use crate::graph::Node;
use crate::recording::Recording;

impl Recording {
    /// The version of the form in which recordings are written.
    ///
    /// # Form
    ///
    /// With the feature `serde` a recording is written as its version, its `nodes` in order, its `uniforms`, `inputs` and `outputs` with their names and
    /// the nodes they are, whether it `stores`, and its `symbols`. Constants and exponents are the bits of an `f64`.
    ///
    /// # Errors
    ///
    /// A recording may come from strangers. Refused are: another version; more nodes, slots or longer names than [these](Self::MOST_NODES); a node that
    /// computes with a later one, with a mask where it needs a number, or the other way round; a node that is there twice; a uniform or an input without a
    /// node of its own, or a node of one that is not there; an output that is no number; and an update of more outputs than inputs. What is allocated is
    /// what was written, times a constant.
    ///
    /// ```
    /// # #[cfg(feature = "serde")] {
    /// use ambient_metric::{rule::Advance, rules};
    /// use ambient_metric_trace::Recording;
    ///
    /// let advance = Recording::update(&Advance(rules::adam()));
    /// let text = serde_json::to_string(&advance)?;
    /// assert_eq!(serde_json::from_str::<Recording>(&text)?, advance);
    ///
    /// let broken = text.replacen(r#""version":1"#, r#""version":2"#, 1);
    /// assert!(serde_json::from_str::<Recording>(&broken).unwrap_err().to_string().contains("version 2"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const VERSION: u32 = 1;

    /// How many nodes a recording that is read may have. Rules have some dozens.
    pub const MOST_NODES: usize = 1 << 14;

    /// A number by which recordings are told apart: the same on every machine and in every run, and for equal recordings.
    ///
    /// It is no protection against somebody who looks for two recordings with one fingerprint.
    ///
    /// ```
    /// use ambient_metric::{rule::Advance, rules};
    /// use ambient_metric_trace::Recording;
    ///
    /// let fingerprint = |momentum| Recording::update(&Advance(rules::sgd(momentum))).fingerprint();
    /// assert_eq!(fingerprint(0.9), fingerprint(0.9));
    /// assert_ne!(fingerprint(0.9), fingerprint(0.8));
    /// ```
    ///
    /// # References
    ///
    /// G. Fowler, L. C. Noll and K.-P. Vo, FNV-1a of 64 bits.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = FnvHasher::default();
        let mut number = |number: u64| hasher.write(&number.to_le_bytes());
        number(self.graph.nodes().len() as u64);
        for node in self.graph.nodes() {
            let (kind, own) = match *node {
                Node::Uniform(slot) => (0, slot as u64),
                Node::Input(slot) => (1, slot as u64),
                Node::Constant(bits) => (2, bits),
                Node::Truth(holds) => (3, u64::from(holds)),
                Node::Unary(function, _) => (4, function as u64),
                Node::Binary(function, ..) => (5, function as u64),
                Node::Select(..) => (6, 0),
                Node::Power(_, bits) => (7, bits),
            };
            number(kind);
            number(own);
            node.operands().for_each(|operand| number(operand.index() as u64));
        }
        number(u64::from(self.stores));
        for slots in [&self.uniforms, &self.inputs, &self.outputs] {
            number(slots.len() as u64);
            for slot in slots {
                number(slot.id.index() as u64);
                number(slot.name.len() as u64);
                slot.name.bytes().for_each(|byte| number(u64::from(byte)));
            }
        }
        for text in self.symbols.iter().flat_map(|(name, latex)| [name, latex]) {
            number(text.len() as u64);
            text.bytes().for_each(|byte| number(u64::from(byte)));
        }
        hasher.finish()
    }
}

#[cfg(feature = "serde")]
pub(crate) use form::Stored;

#[cfg(feature = "serde")]
mod form {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::{Node, Recording};
    use crate::graph::{Binary, Graph, Unary};
    use crate::recording::Slot;

    /// How many uniforms, inputs or outputs there may be, and symbols.
    const MOST_SLOTS: usize = 1 << 10;

    /// How long a name may be.
    const LONGEST: usize = 1 << 10;

    /// A recording as it is written.
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Stored {
        version: u32,
        nodes: Vec<Node>,
        uniforms: Vec<Slot>,
        inputs: Vec<Slot>,
        outputs: Vec<Slot>,
        stores: bool,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        symbols: BTreeMap<String, String>,
    }

    impl From<Recording> for Stored {
        fn from(recording: Recording) -> Self {
            let Recording { graph, uniforms, inputs, outputs, stores, symbols } = recording;
            Self {
                version: Recording::VERSION,
                nodes: graph.nodes().to_vec(),
                uniforms,
                inputs,
                outputs,
                stores,
                symbols,
            }
        }
    }

    fn at_most(what: &str, found: usize, limit: usize) -> Result<(), String> {
        if found <= limit {
            Ok(())
        } else {
            Err(format!("there are {found} {what}, and a recording has {limit} at most"))
        }
    }

    impl TryFrom<Stored> for Recording {
        type Error = String;

        fn try_from(stored: Stored) -> Result<Self, String> {
            let Stored { version, nodes, uniforms, inputs, outputs, stores, symbols } = stored;
            if version != Self::VERSION {
                return Err(format!(
                    "the recording is of version {version}, and this library reads version {}",
                    Self::VERSION
                ));
            }
            at_most("nodes", nodes.len(), Self::MOST_NODES)?;
            for slots in [&uniforms, &inputs, &outputs] {
                at_most("slots of a kind", slots.len(), MOST_SLOTS)?;
                for slot in slots {
                    at_most("bytes in a name", slot.name.len(), LONGEST)?;
                }
            }
            at_most("symbols", symbols.len(), MOST_SLOTS)?;
            for text in symbols.iter().flat_map(|(name, latex)| [name, latex]) {
                at_most("bytes in a symbol", text.len(), LONGEST)?;
            }
            let graph = graph(&nodes)?;
            for (index, node) in nodes.iter().enumerate() {
                let (slots, slot, what) = match *node {
                    Node::Uniform(slot) => (&uniforms, slot, "uniform"),
                    Node::Input(slot) => (&inputs, slot, "input"),
                    _ => continue,
                };
                if slots.get(slot).is_none_or(|slot| slot.id.index() != index) {
                    return Err(format!("node {index} is {what} {slot}, and that {what} is another node or none"));
                }
            }
            for (slots, what) in [(&uniforms, "uniform"), (&inputs, "input")] {
                for (slot, place) in slots.iter().enumerate() {
                    let is_there = match nodes.get(place.id.index()) {
                        Some(Node::Uniform(found)) => what == "uniform" && *found == slot,
                        Some(Node::Input(found)) => what == "input" && *found == slot,
                        _ => false,
                    };
                    if !is_there {
                        return Err(format!("{what} {slot} is node {}, which is something else", place.id.index()));
                    }
                }
            }
            for output in &outputs {
                if nodes.get(output.id.index()).is_none_or(|node| is_mask(*node)) {
                    return Err(format!(
                        "the output `{}` is node {}, which is no number",
                        output.name,
                        output.id.index()
                    ));
                }
            }
            if stores && outputs.len() > inputs.len() {
                return Err(format!("{} outputs are stored into {} inputs", outputs.len(), inputs.len()));
            }
            Ok(Self { graph, uniforms, inputs, outputs, stores, symbols })
        }
    }

    /// Whether a node is a mask, and not a number.
    fn is_mask(node: Node) -> bool {
        matches!(
            node,
            Node::Truth(_)
                | Node::Unary(Unary::Not, _)
                | Node::Binary(Binary::Less | Binary::Equal | Binary::And | Binary::Or, ..)
        )
    }

    /// Whether the operands of a node are masks, in their order.
    fn masks(node: Node) -> [bool; 3] {
        match node {
            Node::Unary(Unary::Not, _) | Node::Select(..) => [true, false, false],
            Node::Binary(Binary::And | Binary::Or, ..) => [true, true, false],
            _ => [false; 3],
        }
    }

    /// The graph of nodes of which each computes with numbers and masks before it, as it needs them.
    fn graph(nodes: &[Node]) -> Result<Graph, String> {
        let mut graph = Graph::default();
        for (index, node) in nodes.iter().enumerate() {
            for (operand, is_mask) in node.operands().zip(masks(*node)) {
                match graph.nodes().get(operand.index()) {
                    Some(found) if self::is_mask(*found) == is_mask => {}
                    Some(_) => {
                        let (needed, there) = if is_mask { ("a mask", "a number") } else { ("a number", "a mask") };
                        return Err(format!("node {index} needs {needed}, and node {} is {there}", operand.index()));
                    }
                    None => {
                        return Err(format!(
                            "node {index} computes with node {}, which is not before it",
                            operand.index()
                        ));
                    }
                }
            }
            if graph.add(*node).index() != index {
                return Err(format!("node {index} is there twice"));
            }
        }
        Ok(graph)
    }
}
