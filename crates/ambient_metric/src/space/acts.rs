//! What the acts of a step hand to each other.

use crate::bundle;

bundle! {
    /// What the scalar act of a step is given besides sums and memory. `L` is one number, or one per loss.
    pub nested struct Inputs<S, L> {
        /// The loss L whose gradient the step follows.
        loss: L,
        /// η of the group.
        learning_rate: S,
        /// λ of the group.
        weight_decay: S,
        /// The metric coefficient ξ.
        xi: L,
    }
}

bundle! {
    /// What a coupling or a column of an ambient metric sees of one coordinate beside its state. `L` is one number, or one per loss.
    pub nested struct Local<S, L = S> {
        /// θ.
        parameter: S,
        /// l.
        gradient: L,
        /// m̂, the component of the covector to follow.
        momentum: L,
    }
}

bundle! {
    /// The sums of act 1: over all parameters that share the metric, and over the group (or the tensor, see
    /// [`Rule::learns_per_tensor`](crate::Rule::learns_per_tensor)) whose multipliers are asked for.
    pub nested struct Totals<Q> {
        /// Over all parameters that share the metric.
        pool: Q,
        /// Over the group alone.
        group: Q,
    }
}

bundle! {
    /// The outcome of a scalar act.
    pub nested struct Outcome<F, M, R> {
        /// What the last act multiplies by.
        factors: F,
        /// The scalar memory after the step.
        memory: M,
        /// What the step tells about itself.
        report: R,
    }
}
