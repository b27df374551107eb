//! Recordings that strangers wrote: refused, or read and run over a few elements, without a panic, and without more memory than the text is long times a
//! constant.
//!
//! The first byte says what the others are: the text of a recording, that of a whole rule, or the choices of a writer who mostly knows the form.

#![no_main]

use std::sync::OnceLock;

use ambient_metric::{Layout, rules};
use ambient_metric_cpu::{Executed, Program, Recorded, StepRates};
use ambient_metric_trace::{Binary, Recording, Unary};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => drop(serde_json::from_slice::<Recording>(rest).map(|recording| run(&recording))),
        1 => drop(serde_json::from_slice::<Recorded>(rest).map(|recorded| step(&recorded))),
        2 => {
            let written = Writer(rest).recording();
            drop(serde_json::from_value::<Recording>(written).map(|recording| run(&recording)));
        }
        _ => {
            let written = Writer(rest).rule();
            drop(serde_json::from_value::<Recorded>(written).map(|recorded| step(&recorded)));
        }
    }
});

/// Runs a recording that has been accepted, over single elements and over vectors.
fn run(recording: &Recording) {
    assert!(recording.graph().nodes().len() <= Recording::MOST_NODES);
    assert_eq!(recording.fingerprint(), recording.clone().fingerprint());
    let uniforms = vec![0.5; recording.uniforms().len()];
    if let Ok(mut program) = Program::<f32>::sums(recording) {
        program.uniforms(&uniforms).expect("there are as many");
        let numbers = vec![[0.25_f32; 21]; recording.inputs().len()];
        let inputs: Vec<&[f32]> = numbers.iter().map(<[f32; 21]>::as_slice).collect();
        program.sum(&inputs, &mut vec![0.0; recording.outputs().len()]).expect("they fit");
    }
    if let Ok(mut program) = Program::<f64>::update(recording) {
        program.uniforms(&uniforms).expect("there are as many");
        let mut numbers = vec![[0.25_f64; 19]; recording.inputs().len()];
        let (written, read) = numbers.split_at_mut(recording.outputs().len());
        let mut targets: Vec<&mut [f64]> = written.iter_mut().map(<[f64; 19]>::as_mut_slice).collect();
        let reads: Vec<&[f64]> = read.iter().map(<[f64; 19]>::as_slice).collect();
        program.store(&mut targets, &reads).expect("they fit");
    }
}

/// Takes steps of a rule that has been accepted; one that fails changes nothing.
fn step(recorded: &Recorded) {
    run(recorded.measure());
    run(recorded.advance());
    let layout = Layout::single("theta", vec![19]);
    if let Ok(mut executed) = Executed::<f32, 1>::new(recorded, &layout) {
        let (mut theta, gradient) = ([0.5_f32; 19], [0.25_f32; 19]);
        for _ in 0..2 {
            let before = theta.map(f32::to_bits);
            let gradients: [&[&[f32]]; 1] = [&[&gradient]];
            if executed.step(&mut [&mut theta], gradients, [0.75], &StepRates::new(0.1, [0.1])).is_err() {
                assert_eq!(theta.map(f32::to_bits), before);
            }
        }
    }
}

/// Choices of a writer, one byte each; zeros behind the last.
struct Writer<'d>(&'d [u8]);

const UNARY: [Unary; 19] = [
    Unary::Negate, Unary::Sqrt, Unary::Exp, Unary::Ln, Unary::Ln1p, Unary::ExpM1, Unary::Log2, Unary::Sin, Unary::Cos, Unary::Tan, Unary::Atan,
    Unary::Sinh, Unary::Cosh, Unary::Tanh, Unary::Abs, Unary::Sign, Unary::Floor, Unary::Flush, Unary::Not,
];

const BINARY: [Binary; 10] = [
    Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide, Binary::Maximum, Binary::Minimum, Binary::Less, Binary::Equal, Binary::And,
    Binary::Or,
];

impl Writer<'_> {
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    /// A node before this one that is a mask or a number as it should be, if there is; now and then another.
    fn operand(&mut self, masks: &[bool], is_mask: bool) -> usize {
        let choice = self.byte();
        if choice == 255 {
            return self.byte();
        }
        let fitting: Vec<usize> = (0..masks.len()).filter(|&index| masks[index] == is_mask).collect();
        fitting.get(choice % fitting.len().max(1)).copied().unwrap_or(choice)
    }

    /// A recording, mostly one that is accepted.
    fn recording(&mut self) -> Value {
        let (uniforms, inputs) = (self.byte() % 8, 1 + self.byte() % 6);
        let mut nodes: Vec<Value> = (0..uniforms).map(|slot| json!({"Uniform": slot})).collect();
        nodes.extend((0..inputs).map(|slot| json!({"Input": slot})));
        let mut masks = vec![false; nodes.len()];
        let slots = |first: usize, count: usize| -> Vec<Value> { (0..count).map(|slot| json!({"name": slot.to_string(), "id": first + slot})).collect() };
        let (uniform_slots, input_slots) = (slots(0, uniforms), slots(uniforms, inputs));
        while !self.0.is_empty() && nodes.len() < 300 {
            let (node, is_mask) = match self.byte() % 8 {
                0 | 1 => {
                    let function = UNARY[self.byte() % UNARY.len()];
                    let is_mask = function == Unary::Not;
                    (json!({"Unary": [function, self.operand(&masks, is_mask)]}), is_mask)
                }
                2..=4 => {
                    let function = BINARY[self.byte() % BINARY.len()];
                    let of_masks = matches!(function, Binary::And | Binary::Or);
                    let (x, y) = (self.operand(&masks, of_masks), self.operand(&masks, of_masks));
                    (json!({"Binary": [function, x, y]}), of_masks || matches!(function, Binary::Less | Binary::Equal))
                }
                5 => {
                    let mask = self.operand(&masks, true);
                    (json!({"Select": [mask, self.operand(&masks, false), self.operand(&masks, false)]}), false)
                }
                6 => (json!({"Power": [self.operand(&masks, false), (self.byte() as f64 / 16.0 - 4.0).to_bits()]}), false),
                _ => (json!({"Constant": (self.byte() as f64 / 32.0 - 2.0).to_bits()}), false),
            };
            if !nodes.contains(&node) || self.byte() == 254 {
                nodes.push(node);
                masks.push(is_mask);
            }
        }
        let outputs = 1 + self.byte() % inputs;
        let outputs: Vec<Value> = (0..outputs)
            .map(|slot| {
                // The last nodes, so that most of the others are needed.
                let numbers: Vec<usize> = (0..masks.len()).filter(|&index| !masks[index]).collect();
                json!({"name": slot.to_string(), "id": numbers[numbers.len() - 1 - slot % numbers.len()]})
            })
            .collect();
        json!({"version": 1, "nodes": nodes, "uniforms": uniform_slots, "inputs": input_slots, "outputs": outputs, "stores": self.byte() % 2 == 1})
    }

    /// A rule of which some numbers have been changed.
    fn rule(&mut self) -> Value {
        static RULES: OnceLock<Vec<Value>> = OnceLock::new();
        let rules = RULES.get_or_init(|| {
            let rules = [
                Recorded::of(&rules::sgd(0.9)),
                Recorded::of(&rules::rmsprop(0.1)),
                Recorded::of(&rules::euclidean_log(0.1)),
            ];
            rules.into_iter().flatten().filter_map(|rule| serde_json::to_value(rule).ok()).collect()
        });
        let mut rule = rules[self.byte() % rules.len()].clone();
        for _ in 0..1 + self.byte() % 4 {
            self.change(&mut rule);
        }
        rule
    }

    /// Changes something somewhere in a value.
    fn change(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                let at = self.byte() % map.len().max(1);
                if let Some((_, inner)) = map.iter_mut().nth(at) {
                    self.change(inner);
                }
            }
            Value::Array(list) => match (self.byte(), list.len()) {
                (_, 0) => {}
                (0, _) => drop(list.pop()),
                (1, len) => {
                    let again = list[self.byte() % len].clone();
                    list.push(again);
                }
                (_, len) => {
                    let at = self.byte() % len;
                    self.change(&mut list[at]);
                }
            },
            Value::Number(_) => *value = json!(self.byte()),
            Value::String(_) => *value = json!(["Add", "Less", "Not", "And", "Sqrt", "x"][self.byte() % 6]),
            Value::Bool(is) => *is = !*is,
            Value::Null => *value = json!([0.5]),
        }
    }
}
