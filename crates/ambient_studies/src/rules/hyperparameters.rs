//! The constants of a rule that studies vary, under the names that the paper's records give them.

use core::fmt::Write as _;

use ambient_metric::any::{
    AnyBaseMetric, AnyClip, AnyCoupling, AnyMatrixMetric, AnyMomentum, AnyPointwise, AnyPreconditioner, AnySpace,
    AnySurface,
};
use ambient_metric::base::{AdaBelief, AdaMax, AmsGrad, Yogi};
use ambient_metric::{AnyRule, RmsProp};
use serde::Serialize;

/// The constants of a rule that studies vary. Absent ones are those that the rule does not have, or that stay as its text has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Hyperparameters {
    /// η.
    pub learning_rate: f64,
    /// μ of the induced rules and of the heavy ball.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// β₁ of Adam and `NAdam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b1: Option<f64>,
    /// β₂ of Adam and `NAdam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b2: Option<f64>,
    /// ξ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xi: Option<f64>,
    /// β, the decay of the average of s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The decay of the average of squares in the RMSprop metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_rms: Option<f64>,
    /// ε, outside the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// κ, of a coupling or of what a metric learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// λ, decoupled and multiplied by η.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

ambient_metric::known_keys! { Hyperparameters { learning_rate, momentum = None, b1 = None, b2 = None, xi = None, beta = None, beta_rms = None, eps = None, kappa = None, weight_decay = None } }

impl Hyperparameters {
    /// All but the learning rate by name.
    fn entries(&self) -> [(&'static str, Option<f64>); 9] {
        [
            ("momentum", self.momentum),
            ("b1", self.b1),
            ("b2", self.b2),
            ("xi", self.xi),
            ("beta", self.beta),
            ("beta_rms", self.beta_rms),
            ("eps", self.eps),
            ("kappa", self.kappa),
            ("weight_decay", self.weight_decay),
        ]
    }

    /// The value of the hyperparameter of this name, where there is one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.entries().into_iter().find_map(|(entry, value)| value.filter(|_| entry == name))
    }

    /// What they call the constant that the library has refused under a name of its own; nothing where several have its value.
    #[must_use]
    pub fn blamed(&self, refused: f64) -> Option<&'static str> {
        let is_it = |value: Option<f64>| value.is_some_and(|value| value.to_bits() == refused.to_bits());
        let mut found = self.entries().into_iter().filter(|(_, value)| is_it(*value)).map(|(name, _)| name);
        found.next().filter(|_| found.next().is_none())
    }

    /// Gives the hyperparameter of this name a value; a name that is not known is passed over.
    pub fn set(&mut self, name: &str, value: f64) {
        if let Some(slot) = self.slot(name) {
            *slot = Some(value);
        }
    }

    /// The hyperparameter of this name, to be set.
    fn slot(&mut self, name: &str) -> Option<&mut Option<f64>> {
        match name {
            "momentum" => Some(&mut self.momentum),
            "b1" => Some(&mut self.b1),
            "b2" => Some(&mut self.b2),
            "xi" => Some(&mut self.xi),
            "beta" => Some(&mut self.beta),
            "beta_rms" => Some(&mut self.beta_rms),
            "eps" => Some(&mut self.eps),
            "kappa" => Some(&mut self.kappa),
            "weight_decay" => Some(&mut self.weight_decay),
            _ => None,
        }
    }

    /// The constants that a rule has.
    #[must_use]
    pub fn of(rule: &AnyRule) -> Self {
        let mut found = Self::default();
        // What is only read may be a copy.
        for (name, number) in constants(&mut rule.clone()) {
            if let Some(slot) = found.slot(name) {
                *slot = slot.or(Some(number.value()));
            }
        }
        found
    }

    /// Which of them a rule has, besides learning rate and weight decay, in the order in which a grid varies them.
    #[must_use]
    pub fn names(rule: &AnyRule) -> Vec<&'static str> {
        let found = Self::of(rule);
        found.entries().into_iter().filter_map(|(name, value)| value.map(|_| name)).collect()
    }

    /// Puts them into a rule; what is absent stays.
    ///
    /// # Errors
    ///
    /// What is wrong, where the rule does not have one.
    pub(super) fn set_in(&self, rule: &mut AnyRule) -> Result<(), String> {
        let known = Self::names(rule);
        let given = self.entries().into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        for (name, value) in given.filter(|(name, _)| *name != "weight_decay") {
            if !known.contains(&name) {
                return Err(format!("has no hyperparameter `{name}`: it has {}", known.join(", ")));
            }
            constants(rule).into_iter().filter(|(own, _)| *own == name).for_each(|(_, number)| number.set(value));
        }
        Ok(())
    }

    /// All but the learning rate that there are, as `name value`.
    #[must_use]
    pub fn listed(&self) -> String {
        let there = self.entries().into_iter().filter_map(|(name, value)| Some(format!("{name} {:?}", value?)));
        there.collect::<Vec<_>>().join(", ")
    }

    /// What a reader needs to tell this point of a grid from the others: constants of the grid (β, ε, λ) are left out.
    #[must_use]
    pub fn brief(&self) -> String {
        let named = [
            ("μ", self.momentum),
            ("β₁", self.b1),
            ("β₂", self.b2),
            ("ξ", self.xi),
            ("β_rms", self.beta_rms),
            ("κ", self.kappa),
        ];
        let mut text = format!("η {}", rounded(self.learning_rate));
        for (name, value) in named {
            if let Some(value) = value {
                let _ = write!(text, "  {name} {value}");
            }
        }
        text
    }
}

/// A number as it is written, or its first three digits where it has no short form.
fn rounded(number: f64) -> String {
    let (written, short) = (number.to_string(), format!("{number:.2e}"));
    if written.len() > short.len() + 2 { short } else { written }
}

/// A constant in its place.
enum Number<'a> {
    /// As it is.
    Plain(&'a mut f64),
    /// ξ = 1 / c², of a clip that sets in at the length c.
    Length(&'a mut f64),
    /// ξ = c², of a clip with the rate c.
    Rate(&'a mut f64),
}

impl Number<'_> {
    fn value(&self) -> f64 {
        match self {
            Self::Plain(number) => **number,
            Self::Length(length) => 1.0 / **length / **length,
            Self::Rate(rate) => **rate * **rate,
        }
    }

    fn set(self, value: f64) {
        match self {
            Self::Plain(number) => *number = value,
            Self::Length(length) => *length = 1.0 / value.sqrt(),
            Self::Rate(rate) => *rate = value.sqrt(),
        }
    }
}

/// The constants of a rule, with the names that studies give them. Several may have one name.
fn constants(rule: &mut AnyRule) -> Vec<(&'static str, Number<'_>)> {
    let AnyRule { metric, preconditioner, momentum, cautious: _, lower_bound: _, distance: _, gradient: _, point: _ } =
        rule;
    let is_flat = *preconditioner == AnyPreconditioner::Flat;
    let mut found = Vec::new();
    let mut add = |name, number| found.push((name, number));
    let (mut decay, mut decay_name) = (momentum.as_mut().map(AnyMomentum::decay_mut), "momentum");
    match metric {
        AnyBaseMetric::Pointwise(metric) => match metric {
            AnyPointwise::Adagrad(adagrad) => add("eps", Number::Plain(&mut adagrad.epsilon)),
            AnyPointwise::RmsProp(RmsProp { beta, epsilon })
            | AnyPointwise::AdaBelief(AdaBelief { beta, epsilon })
            | AnyPointwise::AdaMax(AdaMax { beta, epsilon })
            | AnyPointwise::Yogi(Yogi { beta, epsilon })
            | AnyPointwise::AmsGrad(AmsGrad { beta, epsilon }) => {
                decay_name = if is_flat { "b1" } else { "momentum" };
                add(if is_flat { "b2" } else { "beta_rms" }, Number::Plain(beta));
                add("eps", Number::Plain(epsilon));
            }
            AnyPointwise::LearnedScalar(learned) => add("kappa", Number::Plain(&mut learned.kappa)),
            AnyPointwise::LearnedDiagonal(learned) => add("kappa", Number::Plain(&mut learned.kappa)),
            // For the last three no study observes anything.
            AnyPointwise::Euclidean(_)
            | AnyPointwise::Sign(_)
            | AnyPointwise::MaxNorm(_)
            | AnyPointwise::Sophia(_)
            | AnyPointwise::AdaHessian(_)
            | AnyPointwise::EmpiricalFisher(_) => {}
        },
        // It remembers by itself.
        AnyBaseMetric::Matrix(AnyMatrixMetric::Muon(muon)) => decay = Some(muon.momentum.decay_mut()),
        AnyBaseMetric::Matrix(AnyMatrixMetric::MuonMax(max)) => decay = Some(max.muon.momentum.decay_mut()),
        AnyBaseMetric::Matrix(AnyMatrixMetric::NorMuon(normuon)) => {
            decay = Some(normuon.muon.momentum.decay_mut());
        }
        AnyBaseMetric::Matrix(
            AnyMatrixMetric::Kronecker(_)
            | AnyMatrixMetric::KlShampoo(_)
            | AnyMatrixMetric::Soap(_)
            | AnyMatrixMetric::Adafactor(_)
            | AnyMatrixMetric::Dense(_)
            | AnyMatrixMetric::Kfac(_)
            | AnyMatrixMetric::Psgd(_)
            | AnyMatrixMetric::KlSoap(_)
            | AnyMatrixMetric::ColNorm(_)
            | AnyMatrixMetric::RowNorm(_),
        ) => {}
    }
    if let Some(decay) = decay {
        add(decay_name, Number::Plain(decay));
    }
    match preconditioner {
        AnyPreconditioner::Flat => {}
        AnyPreconditioner::Induced(AnySurface { heights, ambient, beta, .. }) => {
            for height in heights {
                add("xi", Number::Plain(&mut height.xi));
            }
            add("beta", Number::Plain(beta));
            if let AnySpace::Coupled(coupling) = ambient {
                add("kappa", Number::Plain(kappa_of(coupling)));
            }
        }
        AnyPreconditioner::Bilinear(form) => {
            add("xi", Number::Plain(&mut form.height.xi));
            add("beta", Number::Plain(&mut form.beta));
            for coupling in [&mut form.a, &mut form.b] {
                add("kappa", Number::Plain(kappa_of(coupling)));
            }
        }
        AnyPreconditioner::Clipped(clipped) => {
            add("beta", Number::Plain(&mut clipped.beta));
            add(
                "xi",
                match &mut clipped.clip {
                    AnyClip::Hard(hard) => Number::Length(&mut hard.length),
                    AnyClip::Soft(soft) => Number::Rate(&mut soft.rate),
                    AnyClip::Root(root) => Number::Plain(&mut root.xi),
                    AnyClip::Induction(induction) => Number::Plain(&mut induction.xi),
                },
            );
        }
    }
    found
}

fn kappa_of(coupling: &mut AnyCoupling) -> &mut f64 {
    match coupling {
        AnyCoupling::AlongGradient(along) => &mut along.0,
        AnyCoupling::AlongMomentum(along) => &mut along.0,
        AnyCoupling::AlongParameters(along) => &mut along.0,
    }
}
