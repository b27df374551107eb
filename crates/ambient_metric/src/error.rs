//! What can go wrong, said so that the reader knows what to do.

use thiserror::Error;

/// Why an operation was refused. Whatever the error, parameters and state are as they were before the call.
///
/// # Example
///
/// ```
/// use ambient_metric::{Error, Rule, rules};
///
/// let wrong = rules::euclidean(-1.0).momentum(0.9).beta(0.0);
/// assert!(matches!(wrong.validate(), Err(Error::Hyperparameter { name: "xi", .. })));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A hyperparameter lies outside its range.
    #[error("{name} = {value:?} is out of range: {requirement}")]
    Hyperparameter {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        requirement: &'static str,
    },
    /// There is nothing to optimise.
    #[error("the parameter space is empty: give at least one tensor with at least one element")]
    Empty,
    /// A tensor that should be there is not.
    #[error("parameter `{name}` is missing: give a tensor of that name with shape {shape:?}")]
    MissingParameter {
        /// Its name.
        name: String,
        /// The shape it should have.
        shape: Vec<usize>,
    },
    /// A tensor is there that nobody knows.
    #[error("parameter `{name}` is unknown: this space has {}", list(known))]
    UnknownParameter {
        /// Its name.
        name: String,
        /// The names that would have been understood.
        known: Vec<String>,
    },
    /// Parameters came that the rule cannot take up beside others.
    #[error(
        "{rule} cannot take up parameters beside others that have been stepped: what corrects its averages for their start counts the steps of all \
         of them at once. Build a new optimiser, or restore the checkpoint for the parameters it was taken from"
    )]
    NotPartial {
        /// The rule.
        rule: String,
    },
    /// Two tensors have the same name.
    #[error("parameter `{name}` appears twice: names tell tensors apart")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
    /// Two groups have the same name, or one is called `default`, which is the name of the parameters in no group.
    #[error(
        "the name `{group}` is taken: names tell groups apart, and `default` is that of the parameters in no group"
    )]
    DuplicateGroup {
        /// The name.
        group: String,
    },
    /// A tensor has another shape than the parameter of its name.
    #[error("parameter `{name}` has shape {found:?} where {expected:?} is needed")]
    Shape {
        /// The parameter.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A kernel reads another number of tensors than it was given.
    #[error("the kernel reads {expected} tensors and was given {found}")]
    Operands {
        /// How many it reads.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A kernel writes another number of tensors than it was given.
    #[error("the kernel writes {expected} tensors and was given {found} to write")]
    Outputs {
        /// How many it writes.
        expected: usize,
        /// How many there were: the target and its companions.
        found: usize,
    },
    /// A part is in a group for which there are no uniforms.
    #[error("a part is in group {group}, and there are uniforms for {groups}, counted from 0")]
    Group {
        /// The group.
        group: usize,
        /// How many groups there are uniforms for.
        groups: usize,
    },
    /// A rule was given another number of losses or gradients than it is for.
    #[error("the rule is for {} and was given {found}: give one gradient and one loss for each", losses(*expected))]
    Losses {
        /// How many it is for.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A rule that descends no surface was given a metric coefficient.
    #[error(
        "the rule has no metric coefficient ξ that could be changed: only a rule over a surface has one, such as `Induced`"
    )]
    NoCoefficient,
    /// The dual of a norm stands where a metric is needed.
    #[error(
        "{metric} is the dual of a norm and no metric: it raises a covector and has no γ. Take it with `Flat`, `Clipped` or the damped surface of \
         one loss, or take a base metric such as `Euclidean`"
    )]
    NoMetric {
        /// Its name.
        metric: String,
    },
    /// A gradient has an element that is NaN or infinite.
    #[error(
        "the gradient of parameter `{parameter}` has an element that is NaN or infinite: skip this step or lower the learning rate"
    )]
    NonFiniteGradient {
        /// The parameter whose gradient it is.
        parameter: String,
    },
    /// An observation was handed to a rule whose metric has none of its own.
    #[error(
        "{metric} learns from gradients alone, and has no observation of its own: leave out `observe`, or take a metric that has one, such as `Sophia`, \
         `AdaHessian`, `EmpiricalFisher` or `Kfac`"
    )]
    ObservesNothing {
        /// The metric, or the rule.
        metric: String,
    },
    /// A step was asked for before the metric has observed anything.
    #[error(
        "{metric} has no observation yet, for some parameters at least: call `observe` before the first step, and where parameters came later again"
    )]
    NotObserved {
        /// The metric, or the rule.
        metric: String,
    },
    /// An observation without examples.
    #[error("the observation has no examples: give one tensor or more, whose mean is taken")]
    NoExamples,
    /// An observation has an element that is NaN or infinite.
    #[error(
        "the observation has an element that is NaN or infinite in parameter `{parameter}`: leave this observation out, and go on with the last one"
    )]
    NonFiniteObservation {
        /// The parameter.
        parameter: String,
    },
    /// A metric is not positive definite: the squared length of a gradient is negative.
    #[error(
        "{metric} is not positive definite: it gives the gradient a negative squared length, so γ⁻¹ is not above zero everywhere"
    )]
    NotPositiveDefinite {
        /// Which metric.
        metric: String,
    },
    /// An ambient metric with this coupling is not Riemannian.
    #[error(
        "the ambient form is no metric here: a number that must be below 1 is {squared_length}. It is ⟨c, c⟩/b of the columns: make them smaller, or ask for them to be scaled back. Where there are no columns B is not positive definite"
    )]
    Coupling {
        /// ⟨c, c⟩.
        squared_length: f64,
    },
    /// A metric is not positive definite: its determinant is not above zero.
    #[error(
        "the metric of {rule} has det g / det γ = {determinant_ratio}, which must be above zero: the coupling, or for several losses the rounding of nearly parallel gradients, took it there; lower the coupling or ξ"
    )]
    Determinant {
        /// The rule.
        rule: String,
        /// det g / det γ.
        determinant_ratio: f64,
    },
    /// A step was asked for in which no parameter has a gradient.
    #[error(
        "no parameter has a gradient, so there is no step to take: compute gradients before the step, or leave it out"
    )]
    NoGradient,
    /// Some parameters have no gradient, and a metric cannot step the others alone.
    #[error(
        "{metric} measures parameters together, so it cannot step some of them while others have no gradient: give every one a gradient, of zeros where that is meant, or route those that may have none to another metric"
    )]
    Inseparable {
        /// The metric.
        metric: String,
    },
    /// A row that a part does not have.
    #[error(
        "parameter `{parameter}` has no row {row}: its rows are counted from zero, and there are {rows} (a part of rank below two has none)"
    )]
    NoSuchRow {
        /// The parameter.
        parameter: String,
        /// The row that was asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A base metric does not say what its state consists of.
    #[error(
        "{metric} does not say what its state consists of, so it has no checkpoints: implement `BaseMetric::record` for it"
    )]
    NotRecorded {
        /// The metric.
        metric: String,
    },
    /// A matrix that a metric is made of is not positive definite.
    #[error(
        "the matrix is not positive definite: its leading minor of order {order} is not a finite number above zero"
    )]
    IndefiniteMatrix {
        /// The order of the first leading minor that is not above zero.
        order: usize,
    },
    /// A matrix that a metric is made of is not symmetric.
    #[error("the matrix is not symmetric: the element at row {row}, column {column} differs from its mirror image")]
    AsymmetricMatrix {
        /// The row of the first element that differs.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// A metric of matrices was given a parameter that is none.
    #[error(
        "{metric} takes matrices, and parameter `{parameter}` has shape {shape:?}: route it to a pointwise metric, or give it two axes"
    )]
    NotAMatrix {
        /// The metric.
        metric: String,
        /// The parameter.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A group asks for a metric of its own where one metric is over all tensors.
    #[error(
        "group `{group}` asks for its own metric: a metric over whole tensors is one for all groups; route the parameters of the group to a metric instead"
    )]
    OwnMetric {
        /// The group.
        group: String,
    },
    /// A metric exists as its inverse alone: it cannot lower an index or have a determinant.
    #[error(
        "{metric} has no γ at parameter `{parameter}`: γ⁻¹ is singular there, because what it has seen is zero or not of full rank"
    )]
    SingularMetric {
        /// The metric.
        metric: String,
        /// The parameter.
        parameter: String,
    },
    /// A tensor has no such part.
    #[error("there is no part {part}: the tensor has {parts}")]
    NoSuchPart {
        /// The index asked for.
        part: usize,
        /// How many there are.
        parts: usize,
    },
    /// A kernel reads or sums more than a backend can handle in one pass.
    #[error("the kernel has {found} {what}, and this backend takes at most {limit}")]
    TooMany {
        /// Tensors or sums.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many there can be.
        limit: usize,
    },
    /// A sum or multiplier is too large for its type though every gradient is finite.
    #[error(
        "{quantity} is NaN or infinite though every gradient is finite: it left the range of its type, or the metric or embedding has no number there; scale the loss or use a wider type"
    )]
    Overflow {
        /// What overflowed.
        quantity: String,
    },
    /// The loss lies where the embedding has no height or no positive slope.
    #[error(
        "the loss {loss:?} is outside the domain of the embedding {embedding}: it needs a finite height and a finite slope above zero there"
    )]
    LossOutsideDomain {
        /// The embedding.
        embedding: String,
        /// The loss.
        loss: f64,
    },
    /// A loss that is NaN or infinite, where it would be kept for a mean.
    #[error("the loss {loss} is no number that a mean can have: skip this gradient, or discard those that wait")]
    NonFiniteLoss {
        /// The loss.
        loss: f64,
    },
    /// The heights lie where the ambient metric is none.
    #[error(
        "the heights {heights:?} lie outside of the ambient space {ambient}: choose an embedding, or ξ, whose heights it has, as `Hyperbolic` has those above zero alone"
    )]
    OutsideSpace {
        /// The ambient metric.
        ambient: String,
        /// h_A.
        heights: Vec<f64>,
    },
    /// A curvature was asked for in an ambient space whose own is not known.
    #[error(
        "the curvature is not known for {what}: it is for constant columns over constant a and B, for one height with any a and B, and for several with constant a and B or heights that are weighed each by itself"
    )]
    UnknownCurvature {
        /// What stands against it.
        what: &'static str,
    },
    /// A group names parameters that do not exist.
    #[error("group `{group}`: the pattern `{pattern}` matches no parameter; there are {}", list(known))]
    GroupMatchesNothing {
        /// The group.
        group: String,
        /// Its pattern.
        pattern: String,
        /// The names of the parameters.
        known: Vec<String>,
    },
    /// No group has this name.
    #[error("there is no group `{group}`; there are {}", list(known))]
    UnknownGroup {
        /// The name asked for.
        group: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The state of a rule has no slot of this name.
    #[error("the rule keeps no state `{slot}`; it keeps {}", list(known))]
    UnknownState {
        /// The name asked for.
        slot: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A state cannot be stored as it was asked for.
    #[error("the state cannot be stored as {storage} here: leave it as wide as the parameters")]
    StateStorage {
        /// How it was to be stored.
        storage: &'static str,
    },
    /// Numbers of the state that its storage cannot hold make steps too long.
    #[error(
        "{rule} cannot keep its state as {storage}: after gradients of about {gradient:.0e} it has numbers out of that range, and steps would become too long; {}",
        remedy(storage)
    )]
    StateRange {
        /// The rule.
        rule: String,
        /// How its state was to be stored.
        storage: &'static str,
        /// A gradient whose traces it cannot hold.
        gradient: f64,
    },
    /// A checkpoint was written in a format that this version does not read.
    #[error("the checkpoint has format version {found}; this version reads {supported}")]
    CheckpointVersion {
        /// The version found.
        found: u32,
        /// The version that can be read.
        supported: u32,
    },
    /// A checkpoint belongs to another rule.
    #[error("the checkpoint was written by the rule `{found}`; it cannot continue `{expected}`")]
    CheckpointRule {
        /// The rule that reads.
        expected: String,
        /// The rule that wrote.
        found: String,
    },
    /// A state that another metric has made.
    #[error("the state is that of another metric than {metric}: give each the state that its `begin` made")]
    OtherMetric {
        /// The metric.
        metric: String,
    },
    /// A rule that was chosen at run time and has no engine.
    #[error("{rule} cannot be run: {problem}")]
    NoEngine {
        /// The rule.
        rule: String,
        /// What it is made of that does not go together, and what does.
        problem: &'static str,
    },
    /// A checkpoint lacks an entry, has one too many, or has one of another length or outside its range.
    #[error("the checkpoint does not fit: {entry} {problem}")]
    CheckpointEntry {
        /// Which entry.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A product with the Hessian has an element that is NaN or infinite.
    #[error(
        "the product of the Hessian with a vector has an element that is NaN or infinite in parameter `{parameter}`: take another point, or scale the vector"
    )]
    NonFiniteHessian {
        /// The parameter.
        parameter: String,
    },
    /// A matrix that should be symmetric is not, beyond rounding.
    #[error("the {matrix} is not symmetric: its entries ({row}, {column}) and ({column}, {row}) differ")]
    NotSymmetric {
        /// Which matrix.
        matrix: &'static str,
        /// The row of one of the entries, counted from zero.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// A quantity exists in another number of dimensions.
    #[error("the {quantity} needs {needed} parameters and there are {found}")]
    Dimension {
        /// Which quantity.
        quantity: &'static str,
        /// How many elements it needs.
        needed: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A vector of length zero has no direction.
    #[error("a vector of length zero has no direction: there is no {quantity}")]
    NoDirection {
        /// What was asked for.
        quantity: &'static str,
    },
    /// Two vectors are parallel, so they span no plane.
    #[error("the two vectors are parallel and span no plane: give two that point in different directions")]
    NoPlane,
    /// What a backend reports about its device or storage.
    #[error("the backend failed: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What helps where numbers of a state leave the range of its storage.
fn remedy(storage: &str) -> &'static str {
    match storage {
        "f16" => "store it as bf16, or as wide as the parameters",
        "bf16" => "make ε of the metric larger, or store it as wide as the parameters and these as `f64`",
        _ => "make ε of the metric larger, or take wider parameters",
    }
}

/// Names for a message, in backquotes; long lists are cut.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text = format!("{text} and {} more", names.len() - SHOWN);
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Accepts `value` where `allowed` holds, else names the hyperparameter and its requirement.
///
/// # Errors
///
/// [`Error::Hyperparameter`].
pub(crate) fn require(allowed: bool, name: &'static str, value: f64, requirement: &'static str) -> Result<(), Error> {
    if allowed { Ok(()) } else { Err(Error::Hyperparameter { name, value, requirement }) }
}

fn losses(count: usize) -> String {
    if count == 1 { "one loss".to_owned() } else { format!("{count} losses") }
}

/// Accepts the dual of a norm where a metric is not needed.
pub(crate) fn require_metric(is_metric: bool, is_needed: bool, name: impl FnOnce() -> String) -> Result<(), Error> {
    if is_metric || !is_needed { Ok(()) } else { Err(Error::NoMetric { metric: name() }) }
}

/// Accepts the decay of a moving average: in [0, 1).
pub(crate) fn require_decay(name: &'static str, value: f64) -> Result<(), Error> {
    require((0.0..1.0).contains(&value), name, value, "it is the decay of a moving average and must lie in [0, 1)")
}

/// Accepts a finite number that is not negative.
pub(crate) fn require_non_negative(name: &'static str, value: f64) -> Result<(), Error> {
    require(value.is_finite() && value >= 0.0, name, value, "it must be finite and not negative")
}

/// Accepts a finite number above zero.
pub(crate) fn require_positive(name: &'static str, value: f64) -> Result<(), Error> {
    require(value.is_finite() && value > 0.0, name, value, "it must be finite and above zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_listed_and_long_lists_are_cut() {
        let message = |count: usize| {
            let known = (1..=count).map(|index| format!("w{index}")).collect();
            Error::UnknownGroup { group: "x".to_owned(), known }.to_string()
        };
        assert_eq!(message(0), "there is no group `x`; there are none");
        assert_eq!(message(2), "there is no group `x`; there are `w1`, `w2`");
        assert!(message(8).ends_with("`w7`, `w8`"));
        assert!(message(11).ends_with("`w7`, `w8` and 3 more"));
    }

    #[test]
    fn ranges_end_where_they_say() {
        assert!(
            require_decay("x", 0.0).is_ok() && require_decay("x", 1.0).is_err() && require_decay("x", -0.1).is_err()
        );
        let [least, below] = [f64::MIN_POSITIVE, -f64::MIN_POSITIVE];
        assert!(require_non_negative("x", 0.0).is_ok() && require_non_negative("x", below).is_err());
        assert!(require_positive("x", least).is_ok() && require_positive("x", 0.0).is_err());
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(
                require_decay("x", bad).is_err()
                    && require_non_negative("x", bad).is_err()
                    && require_positive("x", bad).is_err()
            );
        }
    }
}
