//! Base metrics of whole tensors, chosen at run time.

use crate::any::parts::{AnyMomentum, OneSlot, Part, Written, textual};
use crate::any::table::{Kind, find};
use crate::any::text::{Call, Given, TextError, error};
use crate::base::adafactor::{Adafactor, AdafactorState};
use crate::base::base_metric::BaseMetric;
use crate::base::col_norm::{ColNorm, RowNorm};
use crate::base::dense::{Dense, DenseState};
use crate::base::diagonal::RmsProp;
use crate::base::factored::KroneckerState;
use crate::base::kfac::Kfac;
use crate::base::kl_shampoo::KlShampoo;
use crate::base::kl_soap::KlSoap;
use crate::base::kronecker::Kronecker;
use crate::base::muon::{Muon, MuonState, Width};
use crate::base::muon_max::{MuonMax, MuonMaxState};
use crate::base::normuon::{NorMuon, NorMuonState};
use crate::base::orthogonaliser::{Orthogonaliser, Polar};
use crate::base::parted::Parted;
use crate::base::psgd::{Psgd, PsgdState};
use crate::base::soap::Soap;
use crate::base::turned::SoapState;
use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::matrix::{MatrixTensor, NewtonSchulz, SpectralMatrix, WideOf};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// The metrics that can be chosen, each with what it remembers, and the metric that does what the chosen one does. A state of another is refused.
macro_rules! chosen {
    ($($variant:ident: $metric:ty, $state:ty;)+) => {
        /// A base metric of whole tensors, chosen at run time.
        ///
        /// ```
        /// use ambient_metric::any::AnyMatrixMetric;
        ///
        /// let metric: AnyMatrixMetric = "kronecker(beta=0.99)".parse()?;
        /// assert_eq!(metric.name(), "Kronecker");
        /// # Ok::<(), ambient_metric::any::TextError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        pub enum AnyMatrixMetric {
            $(
                #[doc = concat!("[`", stringify!($variant), "`].")]
                $variant($metric),
            )+
        }

        /// What an [`AnyMatrixMetric`] remembers: what the chosen one does.
        #[allow(missing_docs, reason = "the variants are those of the metric")]
        pub enum AnyMatrixState<T: MatrixTensor<Element: Element<Wide = f64>>> {
            $($variant($state),)+
        }

        impl<T: MatrixTensor<Element: Element<Wide = f64>>> core::fmt::Debug for AnyMatrixState<T> {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let name = match self {
                    $(Self::$variant(_) => stringify!($variant),)+
                };
                formatter.debug_tuple(name).finish_non_exhaustive()
            }
        }

        impl<T: MatrixTensor<Element: Element<Wide = f64>>> Clone for AnyMatrixState<T> {
            fn clone(&self) -> Self {
                match self {
                    $(Self::$variant(state) => Self::$variant(state.clone()),)+
                }
            }
        }

        impl AnyMatrixMetric {
            /// The name under which reports and checkpoints know it: that of the chosen one.
            #[must_use]
            pub fn name(&self) -> String {
                match self {
                    $(Self::$variant(_) => stringify!($variant).to_owned(),)+
                }
            }

            fn other<A>(&self) -> Result<A, Error> {
                Err(Error::OtherMetric { metric: self.name() })
            }
        }

        impl<T> BaseMetric<T> for AnyMatrixMetric
        where
            T: MatrixTensor<Element: Element<Wide = f64>, Matrix: SpectralMatrix>,
        {
            type State = AnyMatrixState<T>;

            fn metric_name(&self) -> String {
                self.name()
            }

            fn is_metric(&self) -> bool {
                self.has_metric()
            }

            fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
                match self {
                    $(Self::$variant(metric) => metric.begin(parameters).map(AnyMatrixState::$variant),)+
                }
            }

            fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.update(state, gradient),)+
                    _ => self.other(),
                }
            }

            fn observes(&self) -> bool {
                match self {
                    $(Self::$variant(metric) => BaseMetric::<T>::observes(metric),)+
                }
            }

            fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => {
                        metric.take_observation(state, examples)
                    })+
                    _ => self.other(),
                }
            }

            fn learn_from(
                &self,
                state: &mut Self::State,
                gradient: &Covector<T>,
                xi: Wide<T>,
                squared_length: Wide<T>,
            ) -> Result<(), Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => {
                        metric.learn_from(state, gradient, xi, squared_length)
                    })+
                    _ => self.other(),
                }
            }

            fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.measured(state),)+
                    _ => None,
                }
            }

            fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
            where
                T: Separable,
            {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => {
                        metric.select(state, selection).map(AnyMatrixState::$variant)
                    })+
                    _ => self.other(),
                }
            }

            fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
            where
                T: Separable,
            {
                match (self, state, selected) {
                    $((
                        Self::$variant(metric),
                        AnyMatrixState::$variant(state),
                        AnyMatrixState::$variant(selected),
                    ) => metric.place(state, selection, selected),)+
                    _ => self.other(),
                }
            }

            fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.record(state, entries),)+
                    _ => self.other(),
                }
            }

            fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.raise(state, covector),)+
                    _ => self.other(),
                }
            }

            fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.lower(state, vector),)+
                    _ => self.other(),
                }
            }

            fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
                match (self, state) {
                    $((Self::$variant(metric), AnyMatrixState::$variant(state)) => metric.log_determinant(state),)+
                    _ => self.other(),
                }
            }
        }
    };
}

chosen! {
    Kronecker: Kronecker, KroneckerState<T>;
    KlShampoo: KlShampoo, KroneckerState<T>;
    Soap: Soap, SoapState<T>;
    Adafactor: Adafactor, AdafactorState<T>;
    Muon: Muon<OneSlot, AnyOrthogonaliser>, MuonState<T>;
    NorMuon: NorMuon<OneSlot, AnyOrthogonaliser>, NorMuonState<T>;
    Dense: Dense<f64>, DenseState<T>;
    Kfac: Kfac, KroneckerState<T>;
    Psgd: Psgd, PsgdState<T>;
    KlSoap: KlSoap, SoapState<T>;
    ColNorm: ColNorm, Parted<T, ()>;
    RowNorm: RowNorm, Parted<T, ()>;
    MuonMax: MuonMax<OneSlot, AnyOrthogonaliser>, MuonMaxState<T>;
}

impl AnyMatrixMetric {
    /// Whether it is a metric.
    pub(crate) fn has_metric(&self) -> bool {
        !matches!(self, Self::NorMuon(_) | Self::ColNorm(_) | Self::RowNorm(_))
    }

    /// Accepts its constants. (Muon's are checked where it is begun for tensors; a dense one was checked when it was made.)
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Kronecker(metric) => metric.validate(),
            Self::KlShampoo(metric) => metric.validate(),
            Self::Soap(metric) => metric.validate(),
            Self::Adafactor(metric) => metric.validate(),
            Self::NorMuon(metric) => metric.validate(),
            Self::Kfac(metric) => metric.validate(),
            Self::Psgd(metric) => metric.validate(),
            Self::KlSoap(metric) => metric.validate(),
            Self::Muon(_) | Self::Dense(_) | Self::ColNorm(_) | Self::RowNorm(_) | Self::MuonMax(_) => Ok(()),
        }
    }
}

/// How Muon takes polar factors, chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyOrthogonaliser;
/// use ambient_metric::base::Polar;
/// assert_ne!(AnyOrthogonaliser::Polar(Polar), AnyOrthogonaliser::NewtonSchulz(Default::default()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyOrthogonaliser {
    /// [`NewtonSchulz`].
    NewtonSchulz(NewtonSchulz),
    /// [`Polar`].
    Polar(Polar),
}

/// Does the same with whatever orthogonaliser it is.
macro_rules! orthogonaliser {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyOrthogonaliser::NewtonSchulz($part) => $does,
            AnyOrthogonaliser::Polar($part) => $does,
        }
    };
}

impl<M: SpectralMatrix> Orthogonaliser<M> for AnyOrthogonaliser {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        orthogonaliser!(self, part => Orthogonaliser::inverse_root(part, matrix))
    }

    fn root(&self, matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        orthogonaliser!(self, part => Orthogonaliser::root(part, matrix, inverse))
    }

    fn polar(&self, matrix: &M) -> Result<Option<M>, Error> {
        orthogonaliser!(self, part => Orthogonaliser::polar(part, matrix))
    }

    fn validate(&self) -> Result<(), Error> {
        orthogonaliser!(self, part => Orthogonaliser::<M>::validate(part))
    }
}

impl Part for AnyMatrixMetric {
    const KINDS: &'static [Kind] = &[Kind::BaseMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
            ("kronecker", &[beta, epsilon, exponent, every]) => {
                let beta = (beta < 1.0).then_some(beta);
                Self::Kronecker(Kronecker { beta, epsilon, exponent, every: given.whole(3, every)? })
            }
            ("kl_shampoo", &[beta, epsilon, start, every]) => {
                Self::KlShampoo(KlShampoo { beta, epsilon, start, every: given.whole(3, every)? })
            }
            ("soap", &[beta, beta2, epsilon, every]) => {
                let metric = RmsProp { beta: beta2, epsilon };
                Self::Soap(Soap { metric, beta, every: given.whole(3, every)? })
            }
            ("adafactor", &[epsilon, exponent]) => Self::Adafactor(Adafactor { epsilon, exponent }),
            ("muon", &[a, b, c, steps]) => Self::Muon(muon([a, b, c, steps], given)?),
            ("normuon", &[a, b, c, steps, beta, epsilon]) => {
                Self::NorMuon(NorMuon { muon: muon([a, b, c, steps], given)?, beta, epsilon })
            }
            ("kfac", &[beta, damping]) => Self::Kfac(Kfac { beta, damping }),
            ("dense", []) => match Dense::new(given.rows.clone()) {
                Ok(dense) => Self::Dense(dense),
                Err(refusal) => return Err(error(given.text, given.at.clone(), refusal.to_string())),
            },
            ("psgd", &[rate, epsilon, every]) => Self::Psgd(Psgd { rate, epsilon, every: given.whole(2, every)? }),
            ("kl_soap", &[beta, beta2, epsilon, factor_epsilon, start, every]) => {
                let metric = RmsProp { beta: beta2, epsilon };
                Self::KlSoap(KlSoap { metric, beta, factor_epsilon, start, every: given.whole(5, every)? })
            }
            ("col_norm", []) => Self::ColNorm(ColNorm { width: width(given) }),
            ("row_norm", []) => Self::RowNorm(RowNorm { width: width(given) }),
            ("muon_max", &[a, b, c, steps]) => Self::MuonMax(MuonMax { muon: muon([a, b, c, steps], given)? }),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match self {
            Self::Kronecker(Kronecker { beta, epsilon, exponent, every }) => {
                Written::new("kronecker", &[beta.unwrap_or(1.0), *epsilon, *exponent, *every as f64])
            }
            Self::KlShampoo(KlShampoo { beta, epsilon, start, every }) => {
                Written::new("kl_shampoo", &[*beta, *epsilon, *start, *every as f64])
            }
            Self::Soap(Soap { metric, beta, every }) => {
                Written::new("soap", &[*beta, metric.beta, metric.epsilon, *every as f64])
            }
            Self::Adafactor(Adafactor { epsilon, exponent }) => Written::new("adafactor", &[*epsilon, *exponent]),
            Self::Muon(muon) => written_muon("muon", muon, &[]),
            Self::NorMuon(NorMuon { muon, beta, epsilon }) => written_muon("normuon", muon, &[*beta, *epsilon]),
            Self::Kfac(Kfac { beta, damping }) => Written::new("kfac", &[*beta, *damping]),
            Self::Dense(dense) => {
                let mut written = Written::new("dense", &[]);
                written.parts = dense.rows().iter().map(|row| format!("{row:?}")).collect();
                written
            }
            Self::Psgd(Psgd { rate, epsilon, every }) => Written::new("psgd", &[*rate, *epsilon, *every as f64]),
            Self::KlSoap(KlSoap { metric, beta, factor_epsilon, start, every }) => {
                let constants = [*beta, metric.beta, metric.epsilon, *factor_epsilon, *start, *every as f64];
                Written::new("kl_soap", &constants)
            }
            Self::ColNorm(ColNorm { width }) => written_width(Written::new("col_norm", &[]), *width),
            Self::RowNorm(RowNorm { width }) => written_width(Written::new("row_norm", &[]), *width),
            Self::MuonMax(MuonMax { muon }) => written_muon("muon_max", muon, &[]),
        }
    }
}

/// Muon from its first four constants, its options and its momentum.
fn muon([a, b, c, steps]: [f64; 4], given: &mut Given<'_>) -> Result<Muon<OneSlot, AnyOrthogonaliser>, TextError> {
    let orthogonaliser = if given.option("polar") {
        AnyOrthogonaliser::Polar(Polar)
    } else {
        let steps = usize::try_from(given.whole(3, steps)?).unwrap_or(usize::MAX);
        AnyOrthogonaliser::NewtonSchulz(NewtonSchulz { coefficients: [a, b, c], steps })
    };
    let (width, heads) = (width(given), given.option("heads"));
    let (momentum, at) = match take(given, &[Kind::Momentum]) {
        Some(call) if call.name == "belief" => {
            let problem =
                "`belief` shows a metric what it learns from, and this one learns from the momentum: take `ema`";
            return Err(error(given.text, call.at.clone(), problem));
        }
        Some(call) => (AnyMomentum::of(given.text, call)?, call.at.clone()),
        None => (AnyMomentum::Nesterov(Muon::default().momentum), given.at.clone()),
    };
    let problem = "a metric of whole tensors takes a momentum with one number per parameter: take `ema`";
    let momentum = OneSlot::new(momentum).ok_or_else(|| error(given.text, at, problem))?;
    Ok(Muon { momentum, orthogonaliser, width, heads })
}

/// What Muon, or what is made of it with further constants, is written as.
fn written_muon(name: &'static str, muon: &Muon<OneSlot, AnyOrthogonaliser>, further: &[f64]) -> Written {
    let Muon { momentum, orthogonaliser, width, heads } = muon;
    let (own, is_polar) = match orthogonaliser {
        AnyOrthogonaliser::Polar(_) => (vec![Vec::new(); 4], true),
        AnyOrthogonaliser::NewtonSchulz(NewtonSchulz { coefficients: [a, b, c], steps }) => {
            ([*a, *b, *c, *steps as f64].map(|constant| vec![constant]).to_vec(), false)
        }
    };
    let constants = own.into_iter().chain(further.iter().map(|&constant| vec![constant])).collect();
    let written = Written { name, constants, parts: vec![momentum.get().to_string()], ..Written::default() };
    written_width(written.option("polar", is_polar), *width).option("heads", *heads)
}

/// The scaling by the shape, from its options.
fn width(given: &mut Given<'_>) -> Width {
    match (given.option("rows_are_outputs"), given.option("columns_are_outputs")) {
        (true, _) => Width::RowsAreOutputs,
        (false, true) => Width::ColumnsAreOutputs,
        (false, false) => Width::Unscaled,
    }
}

fn written_width(written: Written, width: Width) -> Written {
    written
        .option("rows_are_outputs", width == Width::RowsAreOutputs)
        .option("columns_are_outputs", width == Width::ColumnsAreOutputs)
}

/// Takes the first part of these kinds.
pub(crate) fn take<'c>(given: &mut Given<'c>, kinds: &[Kind]) -> Option<&'c Call> {
    let index = given.parts.iter().position(|part| find(kinds, &part.name).is_some())?;
    Some(given.parts.remove(index))
}

textual!(AnyMatrixMetric);
