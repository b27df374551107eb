//! The subjects of the property tests: every base metric and embedding, those of the library and one of a user's own.

#[cfg(doctest)]
mod documents;

use ambient_metric::number::Element;
use ambient_metric::space::Part;
use ambient_metric::{DiagonalMetric, Embedding, Error, Real};
use ambient_metric_ndarray::Parameters;
use ndarray::ArrayD;
use proptest::prelude::ProptestConfig;

/// An embedding as a user writes one: f(L) = asinh L, defined everywhere.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Asinh;

impl Embedding for Asinh {
    fn height<S: Real>(&self, loss: S) -> S {
        (loss + (loss * loss + S::one()).sqrt()).ln()
    }
}

/// A base metric as a user writes one: γ = 1 + Σ l² per coordinate, a fraction in every state.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Quadratic;

impl DiagonalMetric for Quadratic {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
        seen + gradient * gradient
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, seen: S) -> S {
        S::one() / (S::one() + seen)
    }
}

/// The ndarray backend as a function of named parts.
///
/// # Errors
///
/// Where a shape does not fit its elements, or a name appears twice.
pub fn parameters<E: Element>(parts: Vec<(Part, Vec<E>)>) -> Result<Parameters<E>, Error> {
    let arrays = parts.into_iter().map(|(part, elements)| {
        let array = ArrayD::from_shape_vec(part.shape, elements).map_err(|error| Error::Backend(Box::new(error)))?;
        Ok((part.name, array))
    });
    Parameters::new(arrays.collect::<Result<Vec<_>, Error>>()?)
}

/// Two tensors of one axis, `a` and `b`, on the ndarray backend.
///
/// # Errors
///
/// As [`parameters`].
pub fn two_tensors(tensors: &[Vec<f64>; 2]) -> Result<Parameters<f64>, Error> {
    let part =
        |(name, tensor): (&str, &Vec<f64>)| (Part { name: name.to_owned(), shape: vec![tensor.len()] }, tensor.clone());
    parameters(["a", "b"].into_iter().zip(tensors).map(part).collect())
}

/// A proptest configuration with this many cases, or with `PROPTEST_CASES` of them where that is set.
#[must_use]
pub fn cases(number: u32) -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { number };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Stamps out one test for every embedding, from a function of a metric, an embedding and a surface.
///
/// Losses are such that the slope is a fraction: squares for roots, and (t² − 1) / 2t for asinh, where 1 + L² is a square.
#[macro_export]
macro_rules! for_every_embedding {
    ($property:path, $metric:expr) => {
        use ambient_metric::ambient::{Power, Sqrt};
        use ambient_metric::{Identity, Log, Log1p};
        use ambient_metric_conformance::{Fraction, fractions, positive_fractions, surfaces};
        use proptest::prelude::*;
        use $crate::Asinh;

        fn squares() -> impl Strategy<Value = Fraction> {
            positive_fractions().prop_map(Fraction::squared)
        }

        fn hyperbolic(t: Fraction) -> Fraction {
            let (n, d) = (t.numerator, t.denominator);
            Fraction { numerator: n * n - d * d, denominator: 2 * n * d }
        }

        proptest! {
            #![proptest_config($crate::cases(32))]

            #[test]
            fn identity(case in surfaces(fractions())) {
                $property(&$metric, &Identity, &case)?;
            }
            #[test]
            fn log(case in surfaces(positive_fractions())) {
                $property(&$metric, &Log, &case)?;
            }
            #[test]
            fn sqrt(case in surfaces(squares())) {
                $property(&$metric, &Sqrt, &case)?;
            }
            #[test]
            fn power_two(case in surfaces(positive_fractions())) {
                $property(&$metric, &Power(2.0), &case)?;
            }
            #[test]
            fn power_three_halves(case in surfaces(squares())) {
                $property(&$metric, &Power(1.5), &case)?;
            }
            #[test]
            fn log1p(case in surfaces(positive_fractions())) {
                $property(&$metric, &Log1p, &case)?;
            }
            #[test]
            fn asinh_of_a_user(case in surfaces(positive_fractions().prop_map(hyperbolic))) {
                $property(&$metric, &Asinh, &case)?;
            }
        }
    };
}

/// Stamps out one test for every base metric and every embedding: `property::metric::embedding`.
///
/// Roots in a metric are exact because it has seen one gradient, whose average of squares is a square. ε is a power of two, so
/// that fractions stay short.
#[macro_export]
macro_rules! for_every_metric_and_embedding {
    ($property:ident) => {
        mod $property {
            mod euclidean {
                $crate::for_every_embedding!(super::super::$property, ambient_metric::Euclidean);
            }
            mod rmsprop {
                $crate::for_every_embedding!(
                    super::super::$property,
                    ambient_metric::RmsProp { beta: 0.75, epsilon: 0.5 }
                );
            }
            mod adagrad {
                $crate::for_every_embedding!(super::super::$property, ambient_metric::Adagrad { epsilon: 0.25 });
            }
            mod quadratic_of_a_user {
                $crate::for_every_embedding!(super::super::$property, $crate::Quadratic);
            }
        }
    };
}
