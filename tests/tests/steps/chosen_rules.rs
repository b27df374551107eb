//! Rules chosen at run time: each takes the steps of the typed rule, bit for bit; text and rule are the same thing; and what is wrong with a text is shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, AlongParameters, AmbientMetric as _, Exponential, Given, Position, Power, Reciprocal,
    Sqrt,
};
use ambient_metric::any::{AnyAmbient, AnyOptimiser, AnyRule, Kind, TABLE};
use ambient_metric::base::{
    AdaBelief, AdaMax, Adafactor, AmsGrad, Drive, KlShampoo, KlSoap, LearnedDiagonal, LearnedScalar, MaxNorm, Muon,
    NorMuon, Polar, Psgd, Sign, Soap, Width, Yogi,
};
use ambient_metric::rule::{
    Averaged, Bilinear, Cautious, ClipNorm, ClipValue, Clipped, DAdaptation, Evaluated, Hard, Induction, Lookahead,
    Mars, MoMo, Polyak, Prodigy, Root, ScheduleFree, Soft, Transformed,
};
use ambient_metric::space::{Adan, Belief, HeavyBall, LionMomentum, NewtonSchulz};
use ambient_metric::{
    Adagrad, Checkpoint, Configuration, Conformal, Correlated, Covector, Dense, Descent, Ema, Error, Euclidean, Flat,
    Height, Hyperbolic, Identity, Induced, Kronecker, Log, Log1p, Nesterov, NoMomentum, RmsProp, Warped, Weighted,
    rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ambient_rules::Compiled;
use ndarray::{Array2, array};
use proptest::prelude::*;

const STEPS: i32 = 50;

fn theta() -> Parameters<f64> {
    Parameters::new([("a", array![[1.0, -2.0], [0.5, 3.0]].into_dyn()), ("b", array![[0.25, -0.75, 2.0]].into_dyn())])
        .unwrap()
}

/// Gradients and losses of a step, made up but always the same.
fn gradients(step: i32, losses: usize) -> (Vec<Covector<Parameters<f64>>>, Vec<f64>) {
    let gradient = |loss: usize| {
        let number =
            |place: i32| f64::from((step * 7 + place * 5 + i32::try_from(loss).unwrap() * 3) % 11 - 5) / 4.0 + 0.01;
        let a = Array2::from_shape_fn((2, 2), |(i, j)| number(i32::try_from(2 * i + j).unwrap()));
        let b = Array2::from_shape_fn((1, 3), |(_, j)| number(i32::try_from(4 + j).unwrap()));
        Covector(Parameters::new([("a", a.into_dyn()), ("b", b.into_dyn())]).unwrap())
    };
    (
        (0..losses).map(gradient).collect(),
        (0..losses).map(|loss| 2.0 + 0.5 * loss as f64 + 1.0 / f64::from(step + 1)).collect(),
    )
}

/// Where an optimiser comes to, and what is to be evaluated, as bits, or what it says.
fn run(mut optimiser: Box<dyn AnyOptimiser<Parameters<f64>>>) -> Result<Vec<u64>, String> {
    let mut theta = theta();
    for step in 0..STEPS {
        let (gradients, losses) = gradients(step, optimiser.losses());
        let gradients: Vec<_> = gradients.iter().collect();
        optimiser.step_losses(&mut theta, &gradients, &losses).map_err(|error| error.to_string())?;
    }
    let point = optimiser.evaluation_point(&theta).map_err(|error| error.to_string())?;
    Ok(theta.as_slice().iter().chain(point.as_slice()).map(|number| number.to_bits()).collect())
}

/// Whether the text's rule is the typed one: in its steps, in its name, and through its own text.
macro_rules! same {
    ($build:ident, $typed:expr, $($text:tt)+) => {{
        let (typed, text) = ($typed, format!($($text)+));
        let rule: AnyRule = text.parse().unwrap();
        prop_assert_eq!(&rule.to_string().parse::<AnyRule>().unwrap(), &rule);
        let configuration = Configuration::new(typed, 1e-3).weight_decay(0.01);
        let any = f64::build(configuration.clone().with_rule(rule.clone()), &theta()).map_err(|error| error.to_string());
        match configuration.$build(&theta()) {
            Ok(typed) => {
                let rule_name = typed.checkpoint().unwrap().rule_name;
                prop_assert_eq!(rule.name(), rule_name);
                prop_assert_eq!(run(any.unwrap()), run(Box::new(typed)), "{}", text);
            }
            // What is refused is refused alike.
            Err(refusal) => prop_assert_eq!(any.map(|_| ()), Err(refusal.to_string()), "{}", text),
        }
    }};
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn chosen_rules_take_the_steps_of_the_typed_ones(
        xi in 0.001..0.5_f64, mu in 0.0..0.99_f64, beta in 0.0..0.99_f64, rms in 0.5..0.9999_f64, eps in 1e-8..1e-2_f64, kappa in 0.001..0.1_f64
    ) {
        let metric = RmsProp { beta: rms, epsilon: eps };
        let ema = Ema(mu);
        same!(build, rules::sgd(mu), "sgd({mu:?})");
        same!(build, rules::sgd_ema(mu), "sgd_ema(momentum={mu:?})");
        same!(build, rules::adam().momentum(mu).metric(metric), "adamw(beta1={mu:?}, beta2={rms:?}, epsilon={eps:?})");
        same!(build, rules::nadam().momentum(mu).metric(metric), "nadam({mu:?}, {rms:?}, {eps:?})");
        same!(build, rules::euclidean(xi).momentum(mu).beta(beta), "euclidean({xi:?}, {mu:?}, {beta:?})");
        same!(build, rules::euclidean_log(xi).momentum(mu).beta(beta), "euclidean_log({xi:?}, {mu:?}, {beta:?})");
        same!(
            build, rules::rmsprop(xi).momentum(mu).beta(beta).metric(metric),
            "rmsprop(xi={xi:?}, momentum={mu:?}, beta={beta:?}, beta_rms={rms:?}, epsilon={eps:?})"
        );
        let amsgrad = AmsGrad { beta: rms, epsilon: eps };
        same!(build, Descent::new(amsgrad, Flat, ema), "amsgrad({mu:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(amsgrad, Induced::new(Log, xi).beta(beta).exact(), ema), "induced(amsgrad({rms:?}, {eps:?}), log, exact, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        let adabelief = AdaBelief { beta: rms, epsilon: eps };
        same!(build, Descent::new(adabelief, Flat, Belief(mu)), "adabelief({mu:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(adabelief, Induced::of([Height { embedding: Log, xi }; 2]), Belief(mu)), "induced(adabelief({rms:?}, {eps:?}), log, log, xi={xi:?}) + belief({mu:?})");
        same!(build, Descent::new(AdaMax { beta: rms, epsilon: eps }, Flat, ema), "adamax({mu:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(Yogi { beta: rms, epsilon: eps }, Flat, ema), "yogi({mu:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(Yogi { beta: rms, epsilon: eps }, Induced::new(Log, xi).ambient(Weighted(Reciprocal(kappa))), Belief(mu)), "induced(yogi({rms:?}, {eps:?}), log, weighted({kappa:?}), xi={xi:?}) + belief({mu:?})");
        let lion = LionMomentum { beta1: mu, beta2: rms };
        same!(build, Descent::new(Sign, Flat, lion), "lion({mu:?}, {rms:?})");
        same!(build, Descent::new(MaxNorm, Flat, ema), "flat(max_norm) + ema({mu:?})");
        same!(build, Descent::new(MaxNorm, Cautious(Induced::new(Log, xi).beta(beta)), ema), "induced(max_norm, log, xi={xi:?}, beta={beta:?}) + ema({mu:?}) + cautious");
        let adan = Adan { beta1: 0.5 + 0.5 * mu, beta2: 0.1 + 0.8 * mu };
        let Adan { beta1, beta2 } = adan;
        let third = RmsProp { beta: rms, epsilon: eps };
        same!(build, Descent::new(third, Flat, adan), "adan({beta1:?}, {beta2:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(amsgrad, Induced::new(Log, xi).ambient(Weighted(Reciprocal(kappa))), adan), "induced(amsgrad({rms:?}, {eps:?}), log, weighted({kappa:?}), xi={xi:?}) + adan({beta1:?}, {beta2:?})");
        same!(build, Evaluated { rule: Descent::new(amsgrad, Cautious(Induced::new(Log, xi)), adan), point: Averaged(beta) }, "induced(amsgrad({rms:?}, {eps:?}), log, xi={xi:?}) + adan({beta1:?}, {beta2:?}) + cautious + averaged({beta:?})");
        let prodigy = Prodigy { beta1: mu, beta2: rms, beta3: rms.sqrt(), epsilon: eps, d0: kappa, ..Prodigy::default() };
        same!(build, prodigy, "prodigy({mu:?}, {rms:?}, {eps:?}, d0={kappa:?})");
        let beta3 = 0.01 + 0.9 * beta;
        same!(build, Evaluated { rule: Prodigy { beta3, bias_correction: true, ..prodigy }.over(Induced::new(Log, xi)), point: Polyak }, "induced(rmsprop({rms:?}, {eps:?}), log, xi={xi:?}) + ema({mu:?}) + prodigy({kappa:?}, beta3={beta3:?}, bias_correction) + polyak");
        let d_adaptation = DAdaptation { beta1: mu, beta2: rms, epsilon: eps, d0: kappa, ..DAdaptation::default() };
        same!(build, d_adaptation, "d_adapt_adam({mu:?}, {rms:?}, {eps:?}, d0={kappa:?})");
        same!(build, DAdaptation { bias_correction: true, ..d_adaptation }.over(Induced::new(Log, xi)), "induced(rmsprop({rms:?}, {eps:?}), log, xi={xi:?}) + ema({mu:?}) + d_adaptation({kappa:?}, bias_correction)");
        same!(build, Descent::new(third, MoMo::new(Flat, mu), ema), "momo_adam({mu:?}, {rms:?}, {eps:?})");
        same!(build, Descent::new(MaxNorm, MoMo::new(Induced::new(Log, xi).beta(beta), mu).lower_bound(-kappa), ema), "induced(max_norm, log, xi={xi:?}, beta={beta:?}) + ema({mu:?}) + momo(-{kappa:?})");
        same!(build, Evaluated { rule: Descent::new(third, Induced::of([Height { embedding: Log, xi }; 2]), ema), point: Averaged(beta) }, "induced(rmsprop({rms:?}, {eps:?}), log, log, xi={xi:?}) + ema({mu:?}) + averaged({beta:?})");
        same!(build, Descent::new(Sign, Flat, ema), "signum({mu:?})");
        same!(build, Descent::new(Sign, Induced::new(Log, xi).beta(beta), lion), "induced(sign, log, xi={xi:?}, beta={beta:?}) + lion({mu:?}, {rms:?})");
        same!(build, Descent::new(Sign, Clipped::new(Hard { length: xi }), ema), "clipped(sign, hard({xi:?})) + ema({mu:?})");
        same!(build, Descent::new(metric, Cautious(Flat), ema), "adamw({mu:?}, {rms:?}, {eps:?}) + cautious");
        same!(build, Descent::new(Sign, Cautious(Induced::new(Log, xi).beta(beta)), lion), "induced(sign, log, xi={xi:?}, beta={beta:?}) + lion({mu:?}, {rms:?}) + cautious");
        same!(build_whole, Descent::new(Kronecker { epsilon: eps, ..Kronecker::default() }, Induced::new(Log, xi), Belief(mu)), "induced(kronecker(epsilon={eps:?}), log, xi={xi:?}) + belief({mu:?})");
        same!(build, Evaluated { rule: rules::adam().momentum(mu).metric(metric), point: Averaged(beta) }, "adamw({mu:?}, {rms:?}, {eps:?}) + averaged({beta:?})");
        same!(build, Evaluated { rule: Descent::new(Sign, Cautious(Induced::new(Log, xi)), lion), point: Averaged(beta) }, "induced(sign, log, xi={xi:?}) + lion({mu:?}, {rms:?}) + cautious + averaged({beta:?})");
        same!(build, Evaluated { rule: Descent::new(Euclidean, Flat, NoMomentum), point: ScheduleFree(1.0 - xi) }, "flat(euclidean) + schedule_free({:?})", 1.0 - xi);
        same!(build, Evaluated { rule: rules::rmsprop(xi).momentum(mu).beta(beta).metric(metric), point: Lookahead { every: 3, share: 0.5 } }, "rmsprop({xi:?}, {mu:?}, {beta:?}, {rms:?}, {eps:?}) + lookahead(3)");
        same!(build, Evaluated { rule: Descent::new(amsgrad, Induced::new(Log, xi), NoMomentum), point: Polyak }, "induced(amsgrad({rms:?}, {eps:?}), log, xi={xi:?}) + polyak");
        let clip = ClipNorm { length: 0.5 + xi };
        same!(build, Transformed { transform: clip, rule: rules::rmsprop(xi).momentum(mu).beta(beta).metric(metric) }, "rmsprop({xi:?}, {mu:?}, {beta:?}, {rms:?}, {eps:?}) + clip_norm({:?})", 0.5 + xi);
        same!(build, Transformed { transform: ClipValue { limit: 0.5 + xi }, rule: Descent::new(amsgrad, Cautious(Flat), adan) }, "flat(amsgrad({rms:?}, {eps:?})) + adan({beta1:?}, {beta2:?}) + cautious + clip_value({:?})", 0.5 + xi);
        same!(build, Evaluated { rule: Transformed { transform: Mars { gamma: kappa, beta: mu }, rule: Descent::new(Sign, Induced::new(Log, xi), lion) }, point: Polyak }, "induced(sign, log, xi={xi:?}) + lion({mu:?}, {rms:?}) + mars({kappa:?}, {mu:?}) + polyak");
        same!(build, Evaluated { rule: Transformed { transform: clip, rule: prodigy }, point: Averaged(beta) }, "prodigy({mu:?}, {rms:?}, {eps:?}, d0={kappa:?}) + clip_norm({:?}) + averaged({beta:?})", 0.5 + xi);
        same!(build, Descent::new(Euclidean, Flat, NoMomentum), "flat(euclidean)");
        same!(build, Descent::new(metric, Induced::new(Sqrt, xi).beta(beta), NoMomentum), "induced(rmsprop({rms:?}, {eps:?}), sqrt, xi={xi:?}, beta={beta:?})");
        same!(
            build, Descent::new(Adagrad { epsilon: eps }, Induced::new(Power(1.5), xi).beta(beta), Nesterov(mu)),
            "induced(adagrad({eps:?}), power(1.5), {xi:?}, {beta:?}) + nesterov({mu:?})"
        );
        same!(build, Descent::new(metric, Induced::new(Log1p, xi).beta(beta).exact(), ema), "induced(rmsprop({rms:?}, {eps:?}), log1p, exact, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(
            build, Descent::new(LearnedScalar { kappa, ..LearnedScalar::default() }, Induced::new(Identity, xi).beta(beta), ema),
            "induced(learned_scalar({kappa:?}), identity, {xi:?}, {beta:?}) + ema({mu:?})"
        );
        same!(
            build, Descent::new(LearnedDiagonal { kappa, drive: Drive::Flat, ..LearnedDiagonal::default() }, Induced::new(Identity, xi).beta(beta).exact(), ema),
            "induced(learned_diagonal({kappa:?}, flat), identity, exact, xi={xi:?}, beta={beta:?}) + ema({mu:?})"
        );
        same!(build, Descent::new(Euclidean, Induced::new(Log, xi).ambient(Weighted(Reciprocal(kappa))), ema), "induced(euclidean, log, weighted({kappa:?}), xi={xi:?}) + ema({mu:?})");
        same!(build, Descent::new(metric, Induced::new(Log, xi).ambient(Warped(Exponential(kappa))), ema), "induced(rmsprop({rms:?}, {eps:?}), log, warped({kappa:?}, exponential), xi={xi:?}) + ema({mu:?})");
        same!(build, Descent::new(metric, Induced::new(Log, xi).ambient(Conformal(Reciprocal(kappa))), ema), "induced(rmsprop({rms:?}, {eps:?}), log, conformal({kappa:?}), xi={xi:?}) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, Induced::new(Log, xi + 0.01).ambient(Hyperbolic), ema), "induced(euclidean, log, hyperbolic, xi={:?}) + ema({mu:?})", xi + 0.01);
        let surface = Induced::new(Log, xi).beta(beta);
        same!(build, Descent::new(metric, surface.coupled(AlongGradient(kappa)).scale_back(0.01), ema), "induced(rmsprop({rms:?}, {eps:?}), log, along_gradient({kappa:?}), xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, surface.coupled(AlongMomentum(kappa)).scale_back(0.02), ema), "induced(euclidean, log, along_momentum({kappa:?}), xi={xi:?}, beta={beta:?}, margin=0.02) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, surface.coupled(AlongParameters(kappa / 100.0)), ema), "induced(euclidean, log, along_parameters({:?}), refuse, xi={xi:?}, beta={beta:?}) + ema({mu:?})", kappa / 100.0);
        same!(build, Descent::new(Euclidean, surface.coupled(Given).scale_back(0.01), ema), "induced(euclidean, log, given, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(
            build, Descent::new(metric, Bilinear::new(Log, xi, AlongGradient(kappa), AlongMomentum(kappa)).beta(beta), ema),
            "bilinear(rmsprop({rms:?}, {eps:?}), log, along_gradient({kappa:?}), along_momentum({kappa:?}), xi={xi:?}, beta={beta:?}) + ema({mu:?})"
        );
        same!(build, Descent::new(metric, Clipped::new(Hard { length: xi }).beta(beta), ema), "clipped(rmsprop({rms:?}, {eps:?}), hard({xi:?}), beta={beta:?}) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, Clipped::new(Soft { rate: xi }).floor(0.1), HeavyBall(mu)), "clipped(euclidean, soft({xi:?}), floor=0.1) + heavy_ball({mu:?})");
        same!(build, Descent::new(Euclidean, Clipped::new(Root { xi }), ema), "clipped(euclidean, root({xi:?})) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, Clipped::new(Induction { xi }), ema), "clipped(euclidean, induction({xi:?})) + ema({mu:?})");
        let height = |xi| Height { embedding: Log, xi };
        same!(build, Descent::new(metric, Induced::of([height(xi), height(beta)]).beta(beta), ema), "induced(rmsprop({rms:?}, {eps:?}), log, log, xi=[{xi:?}, {beta:?}], beta={beta:?}) + ema({mu:?})");
        same!(build, Descent::new(metric, Induced::of([height(xi); 2]).ambient(Correlated { rho: 0.25 }), ema), "induced(rmsprop({rms:?}, {eps:?}), log, log, correlated(0.25), xi={xi:?}) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, Induced::of([height(xi); 3]).beta(beta), ema), "induced(euclidean, log, log, log, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(build, Descent::new(Euclidean, Induced::of([height(xi); 4]).beta(beta), ema), "induced(euclidean, log, log, log, log, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(build_whole, Descent::new(Kronecker { epsilon: eps, ..Kronecker::default() }, surface, ema), "induced(kronecker(epsilon={eps:?}), log, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        same!(build_whole, Descent::new(Muon::default(), Flat, NoMomentum), "muon");
        let muon = Muon { momentum: ema, orthogonaliser: Polar, width: Width::ColumnsAreOutputs, heads: false };
        same!(build_whole, Descent::new(muon, surface, Ema(0.0)), "induced(muon(ema({mu:?}), polar, columns_are_outputs), log, xi={xi:?}, beta={beta:?}) + ema(0)");
        let steps = NewtonSchulz { steps: 3, ..NewtonSchulz::default() };
        let muon = Muon { momentum: HeavyBall(mu), orthogonaliser: steps, width: Width::RowsAreOutputs, heads: true };
        same!(build_whole, Descent::new(muon, Flat, NoMomentum), "flat(muon(heavy_ball({mu:?}), rows_are_outputs, heads, steps=3))");
        let (kl_shampoo, soap) = (KlShampoo { beta: rms, epsilon: eps, ..KlShampoo::default() }, Soap { metric, beta: rms, ..Soap::default() });
        same!(build_whole, Descent::new(kl_shampoo, Flat, ema), "kl_shampoo({mu:?}, {rms:?}, {eps:?})");
        same!(build_whole, Descent::new(soap, Flat, ema), "soap({mu:?}, {rms:?}, {eps:?})");
        same!(build_whole, Descent::new(Adafactor { epsilon: eps, exponent: 0.8 }, surface, ema), "induced(adafactor({eps:?}), log, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        let normuon = NorMuon { muon: Muon { momentum: Nesterov(mu), ..Muon::default() }, beta: rms, ..NorMuon::default() };
        same!(build_whole, Descent::new(normuon, Flat, NoMomentum), "normuon({mu:?}, {rms:?})");
        same!(build_whole, Descent::new(Psgd { rate: beta.max(0.1), epsilon: eps, ..Psgd::default() }, Flat, ema), "psgd({mu:?}, {:?}, {eps:?})", beta.max(0.1));
        let kl_soap = KlSoap { metric, beta: rms, ..KlSoap::default() };
        same!(build_whole, Descent::new(kl_soap, surface, ema), "induced(kl_soap({rms:?}, {rms:?}, {eps:?}), log, xi={xi:?}, beta={beta:?}) + ema({mu:?})");
        let dense = Dense::diagonal(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5]).unwrap();
        let text: Vec<String> = dense.rows().iter().map(|row| format!("{row:?}")).collect();
        same!(build_whole, Descent::new(dense, surface, ema), "induced(dense({}), log, xi={xi:?}, beta={beta:?}) + ema({mu:?})", text.join(", "));
    }

    /// Whatever is read, what is wrong is within the text, and nothing panics.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z_(),=+\\[\\]0-9.é -]{0,60}") {
        if let Err(error) = text.parse::<AnyRule>() {
            prop_assert!(error.at.end <= error.text.len() && error.text.get(error.at.clone()).is_some(), "{:?}", error);
            prop_assert!(error.to_string().lines().count() == 3);
        }
    }
}

/// Through a checkpoint in JSON, and from a configuration in TOML, to the same bits.
#[test]
fn a_chosen_rule_is_saved_as_text_and_resumed() {
    let configuration: Configuration<AnyRule> = toml::from_str(
        "rule = 'induced(rmsprop(beta=0.99), log1p, xi=0.1, beta=0.8) + ema(0.9)'\nlearning_rate = 0.01",
    )
    .unwrap();
    let mut theta = theta();
    let mut optimiser = f64::build(configuration.clone(), &theta).unwrap();
    let step = |optimiser: &mut Box<dyn AnyOptimiser<Parameters<f64>>>, theta: &mut Parameters<f64>, step| {
        let (gradients, losses) = gradients(step, 1);
        optimiser.step(theta, &gradients[0], losses[0]).unwrap();
    };
    (0..5).for_each(|at| step(&mut optimiser, &mut theta, at));
    let saved = optimiser.checkpoint().unwrap().with_rule(configuration.rule);
    let text = serde_json::to_string(&saved).unwrap();
    assert!(
        text.contains(
            r#""rule":"induced(rmsprop(beta=0.99, epsilon=1e-8), log1p, xi=0.1, beta=0.8) + ema(decay=0.9)""#
        )
    );
    let (mut resumed, mut same) =
        (f64::restore(serde_json::from_str::<Checkpoint<AnyRule>>(&text).unwrap(), &theta).unwrap(), theta.clone());
    for at in 5..10 {
        step(&mut optimiser, &mut theta, at);
        step(&mut resumed, &mut same, at);
    }
    assert_eq!((resumed.steps().unwrap(), same), (10, theta));
}

/// Texts that are wrong, the place that is shown, and what is said of it.
#[test]
fn what_is_wrong_with_a_text_is_shown() {
    let refused = |text: &str| {
        let error = text.parse::<AnyRule>().unwrap_err();
        (error.text[error.at.clone()].to_owned(), error.problem)
    };
    let cases = [
        ("", "", "the end stands where a name is needed"),
        ("induced(rmsprop, lgo)", "lgo", "nearest known one is `log`"),
        ("induced(rmsprp, log)", "rmsprp", "nearest known one is `rmsprop`"),
        ("rmsporp", "rmsporp", "nearest known one is `rmsprop`"),
        ("induced(rmsprop(bta=0.9), log)", "bta", "nearest known one is `beta`"),
        ("induced(rmsprop(beta=1.0), log)", "beta=1.0", "it lies in [0, 1)"),
        ("induced(rmsprop, log, xi=nan)", "xi=nan", "stands where a number is needed"),
        ("induced(rmsprop, log, xi=1e999)", "1e999", "no finite number"),
        ("induced(rmsprop, log, xi=0.1, xi=0.2)", "xi", "given twice"),
        ("induced(rmsprop, log, log, xi=[0.1, 0.2, 0.3])", "xi=[0.1, 0.2, 0.3]", "3 numbers for 2 losses"),
        ("induced(rmsprop)", "induced", "embedding is missing"),
        ("induced(rmsprop, log, log, log, log, log)", "log", "4 losses at most"),
        ("induced(rmsprop, log, product, hyperbolic)", "hyperbolic", "a second"),
        ("adamw + ema(0.9)", "ema", "has its momentum in brackets"),
        ("flat(rmsprop) + emma(0.9)", "emma", "nearest known one is `ema`"),
        ("flat(rmsprop) ema", "e", "`e` stands where the end"),
        ("induced(rmsprop, log, log, hyperbolic)", "induced(rmsprop, log, log, hyperbolic)", "one loss"),
        ("adamw + cautious + cautious", "cautious", "cautious already"),
        ("adamw + averaged + polyak", "polyak", "one evaluation point"),
        ("flat(rmsprop) + ema + nesterov", "nesterov", "one momentum"),
        ("flat(rmsprop) + ema + avreaged", "avreaged", "nearest known one is `averaged`"),
        ("adam + cautios", "cautios", "nearest known one is `cautious`"),
        ("adam(foo)", "foo", "no parts and no options"),
        ("flat(rmsprop) + no_momentum(foo)", "foo", "no parts and no options"),
        ("flat(muon(belief))", "belief", "take `ema`"),
        ("clipped(rmsprop, lookahead) + ema", "lookahead", "no clip"),
        ("adamw + clip_nrm(1)", "clip_nrm", "nearest known one is `clip_norm`"),
        ("adamw + accumulate(2.5)", "2.5", "whole number"),
        ("clip_norm(1) + adamw", "clip_norm", "it stands behind a rule, as in `adamw + clip_norm`"),
        ("fisher", "fisher", "write `flat(fisher)`"),
        ("adamw + hard(1.0)", "hard", "nearest known one is"),
        ("adamw + lookahead(every=1.5)", "every=1.5", "whole number"),
        ("induced(sign, log, exact) + ema", "induced(sign, log, exact) + ema", "no metric"),
        ("flat(kronecker(every=1.5))", "every=1.5", "whole number"),
    ];
    for (text, place, problem) in cases {
        let (at, said) = refused(text);
        assert!(at == place && said.contains(problem), "{text}: {at}: {said}");
    }
    assert!("(".repeat(10_000).parse::<AnyRule>().is_err() && "flat(".repeat(2_000).parse::<AnyRule>().is_err());
    assert!("induced(euclidean, log, log, exact)".parse::<AnyRule>().unwrap().losses() == 2);
    let exact = "induced(euclidean, log, log, exact) + ema".parse::<AnyRule>().unwrap();
    let refusal = f64::build(Configuration::new(exact, 0.1), &theta());
    assert!(matches!(refusal, Err(Error::NoEngine { .. })));
}

/// Names are unique within their kinds, defaults lie in their ranges, and every line of a kind that is no form is read by its name alone.
#[test]
fn the_table_is_what_is_read() {
    for (index, about) in TABLE.iter().enumerate() {
        assert!(
            TABLE[..index].iter().all(|other| (other.name, other.kind) != (about.name, about.kind)),
            "{}",
            about.name
        );
        assert!(about.constants.iter().all(|constant| constant.range.contains(constant.default)), "{}", about.name);
        let name = about.name;
        let text = match about.kind {
            Kind::Embedding => format!("induced(euclidean, {name}) + ema"),
            Kind::BaseMetric if name == "dense" => format!("flat({name}([1]))"),
            Kind::BaseMetric => format!("flat({name})"),
            Kind::AmbientMetric if name == "correlated" => format!("induced(euclidean, log, log, {name}) + ema"),
            Kind::AmbientMetric => format!("induced(euclidean, log, {name}) + ema"),
            Kind::Momentum => format!("flat(euclidean) + {name}"),
            Kind::Clip => format!("clipped(euclidean, {name}) + ema"),
            Kind::Gradient | Kind::Wrapper | Kind::EvaluationPoint => format!("sgd + {name}"),
            Kind::Rule if about.parts.is_empty() => name.to_owned(),
            Kind::Rule => continue,
        };
        let rule = text.parse::<AnyRule>();
        assert!(rule.is_ok(), "{text}: {}", rule.unwrap_err());
    }
}

/// A warped space ends where φ is not above zero, and where its scale φ² is none; a weighted and a conformal one where φ is not above zero.
#[test]
fn spaces_end_where_their_profile_or_scale_does() {
    let at = |height: f64| Position { losses: [height], heights: [height] };
    let ends = |text: &str, height| text.parse::<AnyAmbient>().unwrap().check(at(height)).is_err();
    for text in ["weighted(1)", "warped(1)", "conformal(1)"] {
        assert!(ends(text, -2.0) && ends(text, -1.0) && !ends(text, 3.0), "{text}");
    }
    // φ = e^500 is finite, and its square is not; e^-500 is above zero, and its square vanishes.
    for height in [500.0, -500.0] {
        assert!(ends("warped(1, exponential)", height) && !ends("conformal(1, exponential)", height), "{height}");
    }
}

/// Every base metric stands under a surface of every embedding in every ambient metric of one loss, and steps there; as a metric it has a positive length, as
/// the dual of a norm too.
#[test]
fn every_metric_goes_with_every_embedding_and_ambient_metric() {
    let named = |kind: Kind| TABLE.iter().filter(move |about| about.kind == kind).map(|about| about.name);
    let ambients = ["product", "weighted(0.1)", "warped(0.1)", "conformal(0.1)", "hyperbolic", "along_gradient(0.01)"];
    let mut steps = 0;
    for metric in named(Kind::BaseMetric).filter(|name| *name != "dense") {
        for embedding in named(Kind::Embedding) {
            for ambient in ambients {
                let text = format!("induced({metric}, {embedding}, {ambient}, xi=0.01) + ema");
                let Ok(rule) = text.parse::<AnyRule>() else {
                    // What is no metric has no coupling.
                    assert!(ambient.starts_with("along"), "{text}");
                    continue;
                };
                let mut theta = theta();
                let mut optimiser = match f64::build(Configuration::new(rule, 0.01), &theta) {
                    Ok(optimiser) => optimiser,
                    Err(Error::NoEngine { problem, .. }) => {
                        assert!(problem.contains("no coupling"), "{text}: {problem}");
                        continue;
                    }
                    Err(error) => panic!("{text}: {error}"),
                };
                let (gradients, _) = gradients(1, 1);
                match optimiser.observe(&[&gradients[0]]) {
                    Ok(()) | Err(Error::ObservesNothing { .. }) => {}
                    Err(error) => panic!("{text}: {error}"),
                }
                let before = theta.clone();
                optimiser.step(&mut theta, &gradients[0], 2.5).unwrap_or_else(|error| panic!("{text}: {error}"));
                assert!(theta.iter().all(|x| x.is_finite()) && theta != before, "{text}");
                assert!(optimiser.report().unwrap().squared_length > 0.0, "{text}");
                steps += 1;
            }
        }
    }
    assert!(steps > 20 * 5 * 5, "{steps}");
}
