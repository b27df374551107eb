//! The kernels that rules print: valid for every rule, width and precision, and the built-in ones as reviewed.

#![allow(missing_docs, clippy::panic, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::{
    AlongMomentum, AlongParameters, Exponential, Given, OfLosses, Power, Product, Reciprocal, Sqrt,
};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar, PointwiseMetric};
use ambient_metric::number::Dual;
use ambient_metric::rule::{Advance, Bilinear, Clipped, Hard, Root};
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Adagrad, AmbientMetric, Conformal, Correlated, Coupled, Descent, DiagonalMetric, Ema, Embedding, Euclidean, Field,
    Flat, Height, Hyperbolic, Identity, Induced, Kernel, Log, Log1p, Momentum, Nesterov, NoMomentum, Preconditioner,
    Real, RmsProp, Rule, Warped, Weighted, rules,
};
use ambient_metric_conformance::functions::{Function, NAMES};
use ambient_metric_trace::shader::{PassShader, Purpose, ScalarLayout, damp, kernels, totals};
use ambient_metric_trace::{Notation, Recording, Wgsl};

/// Accepts WGSL that naga parses and validates with nothing but double precision allowed beyond the standard.
fn validate(what: &str, text: &str) {
    let module =
        naga::front::wgsl::parse_str(text).unwrap_or_else(|error| panic!("{what}: {}", error.emit_to_string(text)));
    let capabilities = naga::valid::Capabilities::FLOAT64 | naga::valid::Capabilities::SHADER_INT64;
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
    validator.validate(&module).unwrap_or_else(|error| panic!("{what}: {}", error.emit_to_string(text)));
}

/// Every kernel of a rule in every variant.
fn validate_rule<R: Rule>(rule: &R) {
    for double in [false, true] {
        for width in [1, 2, 4] {
            let wgsl = Wgsl { double, width };
            for shared in [false, true] {
                let measure = Recording::measure(rule);
                let watched = ScalarLayout::of(rule, 1, 64).losses;
                let name = format!("{} {wgsl:?}", rule.name());
                validate(&name, &PassShader::new(&measure, wgsl, Purpose::Sum { watched }, shared).text);
                let advance = Recording::update(&Advance(rule.clone()));
                validate(&name, &PassShader::new(&advance, wgsl, Purpose::Update { gated: true }, shared).text);
                validate(&name, &PassShader::new(&advance, wgsl, Purpose::Update { gated: false }, shared).text);
            }
        }
        let wgsl = Wgsl { double, width: 1 };
        let layout = ScalarLayout::of(rule, 3, 64);
        validate(&rule.name(), &damp(&Recording::damp(rule), wgsl, layout));
        validate(&rule.name(), &totals(wgsl, layout.sums));
    }
}

fn validate_momenta<M: PointwiseMetric + Clone, P: Preconditioner + Clone>(metric: &M, preconditioner: &P) {
    fn one<M: PointwiseMetric + Clone, P: Preconditioner + Clone, Q: Momentum>(
        metric: &M,
        preconditioner: &P,
        momentum: Q,
    ) {
        validate_rule(&Descent::new(metric.clone(), preconditioner.clone(), momentum));
    }
    one(metric, preconditioner, Ema(0.9));
    one(metric, preconditioner, HeavyBall(0.9));
    one(metric, preconditioner, Nesterov(0.9));
    one(metric, preconditioner, NoMomentum);
}

fn validate_embedded<M: DiagonalMetric + Clone, E: Embedding + Clone>(metric: &M, embedding: E) {
    validate_momenta(metric, &Induced::new(embedding.clone(), 0.1).beta(0.8));
    validate_momenta(metric, &Induced::new(embedding, 0.1).beta(0.8).exact());
}

fn validate_metric<M: DiagonalMetric + Clone>(metric: &M) {
    validate_momenta(metric, &Flat);
    validate_embedded(metric, Identity);
    validate_embedded(metric, Log);
    validate_embedded(metric, Sqrt);
    validate_embedded(metric, Power(1.7));
    validate_embedded(metric, Log1p);
    validate_embedded(metric, Wavy);
}

/// An embedding that uses every function there is; increasing for losses above zero.
#[derive(Clone)]
struct Wavy;

impl Embedding for Wavy {
    fn height<S: Real>(&self, loss: S) -> S {
        let small = S::constant(0.125);
        let waves = (loss * small).sin() * small + (loss * small).cos() * small;
        let roots = loss.sqrt() + loss.ln_1p() + loss.power(3.0) + (-loss).exp().abs();
        let more = (loss * small).tan() + loss.atan() + (loss * small).sinh() + loss.cosh() + loss.tanh() + loss.log2();
        let smooth = (-loss).exp_m1() + loss.sigmoid() + loss.softplus() + loss.sign() + loss.floor();
        let chosen = S::select(loss.less(small) | !loss.equal(small), loss, small).integer_power(2);
        loss.maximum(S::constant(2.0))
            + loss.minimum(S::constant(3.0))
            + waves
            + roots
            + more
            + smooth
            + chosen
            + loss.ln()
    }
}

#[test]
fn kernels_of_every_combination_are_valid() {
    validate_metric(&Euclidean);
    validate_metric(&RmsProp::default());
    validate_metric(&Adagrad::default());
}

#[test]
fn kernels_of_every_function_are_valid() {
    for (place, name) in NAMES.into_iter().enumerate() {
        let (update, sum) = (Recording::update(&Function(place)), Recording::kernel(&Function(place)));
        for double in [false, true] {
            for width in [1, 2, 4] {
                let wgsl = Wgsl { double, width };
                validate(name, &PassShader::new(&update, wgsl, Purpose::Update { gated: false }, false).text);
                validate(name, &PassShader::new(&sum, wgsl, Purpose::Sum { watched: 0 }, false).text);
            }
        }
    }
}

/// The slope of the larger of x and zero.
#[derive(Clone)]
struct Slope;

impl Kernel for Slope {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 1];
    type Output<S: Real> = S;
    fn evaluate<S: Real>(&self, (): (), [x]: [S; 1]) -> S {
        Dual::variable(x).maximum(Dual::zero()).derivative
    }
}

/// Bundles whose slots have numbers for names, within bundles of that kind.
#[derive(Clone)]
struct Paired;

impl Kernel for Paired {
    type Uniform<S: Real> = (S, [S; 2]);
    type Input<S: Real> = ([S; 2], (S, [S; 1]));
    type Output<S: Real> = S;
    fn evaluate<S: Real>(&self, (a, [b, c]): (S, [S; 2]), ([x, y], (z, [w])): Self::Input<S>) -> S {
        (a + b * c) * (x + y + z * w)
    }
}

#[test]
fn bundles_without_names_of_their_own_are_valid() {
    for recording in [Recording::kernel(&Paired), Recording::kernel(&Slope)] {
        for double in [false, true] {
            for width in [1, 2, 4] {
                let wgsl = Wgsl { double, width };
                validate("pairs", &PassShader::new(&recording, wgsl, Purpose::Sum { watched: 0 }, false).text);
            }
        }
    }
}

#[test]
fn shader_statements_are_a_notation_like_the_others() {
    let rule = rules::sgd(0.5);
    let lines = Recording::update(&Advance(rule)).print(Notation::Wgsl(Wgsl { double: false, width: 1 }));
    let inputs = ["parameter", "state_momentum", "gradient"].map(|name| format!("var {name}: f32 = 1.0;\n")).concat();
    let uniforms: Vec<String> = Recording::update(&Advance(rule))
        .uniforms()
        .iter()
        .map(|slot| format!("let {} = 0.5f;\n", Wgsl::variable(&slot.name)))
        .collect();
    validate("statements", &format!("fn f() {{\n{inputs}{}{lines}}}", uniforms.concat()));
}

/// A comparison and a choice are one operation each, and a choice between duals asks for derivatives where they are not known alone.
#[test]
fn choices_are_few_operations() {
    let of = |name| {
        let place = NAMES.iter().position(|known| *known == name).unwrap_or(NAMES.len());
        Recording::kernel(&Function(place))
    };
    assert_eq!(of("less").operations(), 2);
    let wgsl = Wgsl { double: false, width: 4 }.body(&of("less"));
    assert_eq!((wgsl.per_element, wgsl.outputs), (vec![], vec!["select(slot_1, slot_0, slot_0 < slot_1)".to_owned()]));

    // 1 is not less than 0, so the tie needs no look at derivatives.
    let slope = Recording::kernel(&Slope);
    assert_eq!(slope.print(Notation::Text), "sum ← select(0 < 0.0, 0.0, 1.0);\n");
}

#[test]
fn functions_and_choices_are_written_as_reviewed() {
    let written = |(place, name): (usize, &str)| {
        let recording = Recording::kernel(&Function(place));
        let body = Wgsl { double: false, width: 4 }.body(&recording);
        let wgsl = [body.once, body.per_element, body.outputs].concat().join("\n");
        let (text, latex) = (recording.print(Notation::Text), recording.print(Notation::Latex));
        format!("# {name}\n{text}\n{latex}\n{wgsl}\n\n")
    };
    let listing: Vec<String> = NAMES.into_iter().enumerate().map(written).collect();
    insta::assert_snapshot!("functions", listing.concat());
}

#[test]
fn kernels_of_the_variants_are_valid() {
    let height = Height { embedding: Log, xi: 0.1 };
    validate_rule(&Descent::new(Euclidean, Induced::of([height]).beta(0.8), Ema(0.9)));
    validate_rule(&Descent::new(
        RmsProp::default(),
        Induced::of((height, Height { embedding: Identity, xi: 0.1 })),
        Nesterov(0.9),
    ));
    validate_rule(&Descent::new(LearnedDiagonal::default(), Induced::of([height; 4]), Ema(0.9)));
    validate_momenta(&LearnedScalar::default(), &Induced::new(Log, 0.1));
    validate_momenta(&LearnedDiagonal::default(), &Induced::new(Log, 0.1).exact());
    let coupled = Induced::new(Log, 0.1).coupled(AlongParameters(0.1)).scale_back(0.1);
    validate_momenta(&RmsProp::default(), &coupled);
    validate_momenta(&RmsProp::default(), &coupled.exact());
    validate_momenta(&Euclidean, &Bilinear::new(Identity, 0.1, Given, AlongMomentum(0.1)));
    validate_momenta(&RmsProp::default(), &Clipped::new(Hard { length: 1.0 }).floor(0.1));
    validate_momenta(&Euclidean, &Clipped::new(Root { xi: 0.1 }));
}

#[test]
fn kernels_in_every_ambient_space_are_valid() {
    fn placed<A: AmbientMetric + Clone>(ambient: A) {
        let induced = Induced::new(Log1p, 0.1).beta(0.8).ambient(ambient);
        validate_rule(&Descent::new(RmsProp::default(), induced.clone(), Ema(0.9)));
        validate_rule(&Descent::new(RmsProp::default(), induced.exact(), Ema(0.9)));
    }
    fn of_several<A: AmbientMetric<3> + Clone>(ambient: A) {
        let induced = Induced::of([Height { embedding: Log1p, xi: 0.1 }; 3]).beta(0.8).ambient(ambient);
        validate_rule(&Descent::new(RmsProp::default(), induced.clone(), Ema(0.9)));
        validate_rule(&Descent::new(RmsProp::default(), induced.clone().scale_back(0.1), Ema(0.9)));
        validate_rule(&Descent::new(RmsProp::default(), induced.exact(), Ema(0.9)));
    }
    placed(Product);
    placed(Weighted(Exponential(0.5)));
    placed(Warped(Reciprocal(0.5)));
    placed(Conformal(Exponential(-0.5)));
    placed(Hyperbolic);
    placed(OfLosses(Coupled(Given)));
    of_several(Product);
    of_several(Weighted(Reciprocal(0.5)));
    of_several(Correlated { rho: 0.5 });
    of_several(Coupled(AlongMomentum(0.1)));
    of_several(OfLosses(Coupled(Given)));
}

/// k losses are k(k+1)/2 inner products, and Σ l² beside them, in one pass that reads the k gradients and the state of γ once.
#[test]
fn several_losses_are_measured_in_one_pass_over_memory() {
    fn measured<const K: usize>() -> (usize, usize) {
        let rule =
            Descent::new(RmsProp::default(), Induced::of([Height { embedding: Identity, xi: 0.1 }; K]), Ema(0.9));
        let measure = Recording::measure(&rule);
        (measure.outputs().len(), measure.bytes(4))
    }
    assert_eq!(measured::<1>(), (1 + 1, 4 * 2));
    assert_eq!(measured::<2>(), (1 + 3, 4 * 3));
    assert_eq!(measured::<3>(), (1 + 6, 4 * 4));
    assert_eq!(measured::<4>(), (1 + 10, 4 * 5));
}

/// The kernels of a rule, one after the other.
fn listing<R: Rule>(rule: &R) -> String {
    let texts: Vec<String> =
        kernels(rule, false).into_iter().map(|(act, text)| format!("// {act}\n{text}\n")).collect();
    texts.concat()
}

#[test]
fn kernels_of_the_built_in_rules_are_as_reviewed() {
    insta::assert_snapshot!("sgd", listing(&rules::sgd(0.9)));
    insta::assert_snapshot!("adam", listing(&rules::adam()));
    insta::assert_snapshot!("nadam", listing(&rules::nadam()));
    insta::assert_snapshot!("euclidean", listing(&rules::euclidean(0.1)));
    insta::assert_snapshot!("euclidean_log", listing(&rules::euclidean_log(0.1)));
    insta::assert_snapshot!("rmsprop", listing(&rules::rmsprop(0.1)));
}

#[test]
fn formulas_of_a_rule_are_as_reviewed() {
    let rule = rules::rmsprop(0.1);
    let mut listing = String::new();
    for recording in [Recording::measure(&rule), Recording::damp(&rule), Recording::update(&Advance(rule))] {
        listing.push_str(&recording.print(Notation::Text));
        listing.push('\n');
        listing.push_str(&recording.print(Notation::Latex));
        listing.push('\n');
    }
    insta::assert_snapshot!("rmsprop_formulas", listing);
}

#[test]
fn traffic_is_what_a_rule_reads_and_writes() {
    let bytes = |measure: &Recording, advance: &Recording| (measure.bytes(4), advance.bytes(4));
    let of = |rule: &dyn Fn() -> (usize, usize)| rule();
    let rmsprop = rules::rmsprop(0.1);
    assert_eq!(of(&|| bytes(&Recording::measure(&rmsprop), &Recording::update(&Advance(rmsprop)))), (8, 28));
    let adam = rules::adam();
    assert_eq!(of(&|| bytes(&Recording::measure(&adam), &Recording::update(&Advance(adam)))), (4, 28));
    let exact = Descent::new(Euclidean, Induced::new(Log, 0.1).exact(), Ema(0.9));
    assert_eq!(of(&|| bytes(&Recording::measure(&exact), &Recording::update(&Advance(exact)))), (8, 20));
}
