//! Surfaces by name: base metric, embedding and placement of momentum, from which an induced rule is put together.

use core::fmt;
use core::str::FromStr;

use ambient_metric::ambient::Sqrt;
use ambient_metric::{Identity, Log, Log1p, Real};

use crate::error::Error;

/// What an induced rule descends, and where momentum enters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Surface {
    /// The base metric γ.
    pub metric: BaseMetric,
    /// The embedding f.
    pub embedding: Embedding,
    /// Where momentum enters.
    pub placement: Placement,
}

/// A base metric.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum BaseMetric {
    /// γ = 1.
    Euclidean,
    /// The preconditioner inside Adam.
    Rmsprop,
    /// The root of the sum of all squares.
    Adagrad,
    /// One learned number.
    LearnedScalar,
    /// A learned number for every parameter.
    LearnedDiagonal,
}

/// An embedding. The choice is made in the scalar act, once a step, so it costs a rule nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Embedding {
    /// f(L) = L.
    Identity,
    /// f(L) = ln L.
    Log,
    /// f(L) = √L.
    Sqrt,
    /// f(L) = ln(1 + L).
    Log1p,
}

/// Where momentum enters the inverse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Placement {
    /// The paper's: the step is damped as a whole.
    Damped,
    /// The full inverse applied to the momentum.
    Exact,
}

const METRICS: [(&str, BaseMetric); 5] = [
    ("euclidean", BaseMetric::Euclidean),
    ("rmsprop", BaseMetric::Rmsprop),
    ("adagrad", BaseMetric::Adagrad),
    ("learned_scalar", BaseMetric::LearnedScalar),
    ("learned_diagonal", BaseMetric::LearnedDiagonal),
];

/// Those under couplings, clips and several losses.
pub(crate) const FIXED_METRICS: [(&str, BaseMetric); 2] =
    [("euclidean", BaseMetric::Euclidean), ("rmsprop", BaseMetric::Rmsprop)];
const PLACEMENTS: [(&str, Placement); 2] = [("damped", Placement::Damped), ("exact", Placement::Exact)];

/// The entry of this name in a table.
pub(crate) fn find<T: Copy>(what: &'static str, name: &str, table: &[(&'static str, T)]) -> Result<T, Error> {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map(|(_, entry)| *entry).ok_or_else(|| Error::UnknownName {
        what,
        name: name.to_owned(),
        known: table.iter().map(|(known, _)| *known).collect(),
    })
}

/// The name of an entry in a table.
pub(crate) fn name<T: PartialEq>(entry: &T, table: &[(&'static str, T)]) -> &'static str {
    table.iter().find(|(_, known)| known == entry).map_or("", |(name, _)| name)
}

impl Surface {
    /// Every one there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (_, metric) in METRICS {
            for (_, embedding) in Embedding::NAMES {
                all.extend(PLACEMENTS.map(|(_, placement)| Self { metric, embedding, placement }));
            }
        }
        all
    }

    /// The paper's placement over a base metric and an embedding of these names.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownName`].
    pub fn damped(metric: &str, embedding: &str) -> Result<Self, Error> {
        let (metric, embedding) = (find("metric", metric, &METRICS)?, find("embedding", embedding, &Embedding::NAMES)?);
        Ok(Self { metric, embedding, placement: Placement::Damped })
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", name(&self.metric, &METRICS), name(&self.embedding, &Embedding::NAMES))?;
        match self.placement {
            Placement::Damped => Ok(()),
            Placement::Exact => formatter.write_str(":exact"),
        }
    }
}

impl Embedding {
    /// Every one there is, by name.
    pub const NAMES: [(&'static str, Self); 4] =
        [("identity", Self::Identity), ("log", Self::Log), ("sqrt", Self::Sqrt), ("log1p", Self::Log1p)];
}

impl FromStr for Embedding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        find("embedding", text, &Embedding::NAMES)
    }
}

impl fmt::Display for Embedding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(name(self, &Embedding::NAMES))
    }
}

impl FromStr for Surface {
    type Err = Error;

    /// `METRIC:EMBEDDING`, and `:exact` or `:damped` behind it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split(':');
        let (metric, embedding) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let damped = Self::damped(metric, embedding)?;
        match (parts.next(), parts.next()) {
            (None, _) => Ok(damped),
            (Some(placement), None) => Ok(Self { placement: find("placement", placement, &PLACEMENTS)?, ..damped }),
            (Some(_), Some(more)) => {
                let known = PLACEMENTS.iter().map(|(known, _)| *known).collect();
                Err(Error::UnknownName { what: "part after the placement", name: more.to_owned(), known })
            }
        }
    }
}

impl ambient_metric::Embedding for Embedding {
    fn height<S: Real>(&self, loss: S) -> S {
        match self {
            Self::Identity => Identity.height(loss),
            Self::Log => Log.height(loss),
            Self::Sqrt => Sqrt.height(loss),
            Self::Log1p => Log1p.height(loss),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Identity => Identity.name(),
            Self::Log => Log.name(),
            Self::Sqrt => Sqrt.name(),
            Self::Log1p => Log1p.name(),
        }
    }
}
