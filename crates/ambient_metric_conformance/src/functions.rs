//! Every function of [`Real`] as a kernel, and the claim that a backend computes what `f64` does.

use ambient_metric::number::{Dual, Element};
use ambient_metric::space::{Part, Uniforms, Wide};
use ambient_metric::{Error, Field, Kernel, Real, Tensor};

use crate::runs::{Make, elements};

/// The names of the functions, in the order of their kernels.
pub const NAMES: [&str; 33] = [
    "exp",
    "exp_m1",
    "ln",
    "ln_1p",
    "log2",
    "power",
    "integer_power",
    "inverse square",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "sigmoid",
    "softplus",
    "sqrt",
    "abs",
    "sign",
    "floor",
    "maximum",
    "minimum",
    "scaled",
    "less",
    "equal",
    "and",
    "or",
    "not",
    "one choice for all",
    "softplus as written",
    "its slope",
    "its curvature",
];

/// All of them at x, at y between ½ and 3, and at a uniform c.
fn all<S: Real>(c: S, x: S, y: S) -> [S; 33] {
    let (zero, one, two) = (S::zero(), S::one(), S::constant(2.0));
    let variable = Dual::variable(Dual::variable(x));
    let written = variable.maximum(Dual::zero()) + (-variable.abs()).exp().ln_1p();
    [
        x.exp(),
        x.exp_m1(),
        y.ln(),
        (y - one).ln_1p(),
        y.log2(),
        y.power(0.75),
        x.integer_power(3),
        y.integer_power(-2),
        y.sin(),
        y.cos(),
        x.scaled(0.125).tan(),
        x.atan(),
        x.sinh(),
        x.cosh(),
        x.tanh(),
        x.sigmoid(),
        x.softplus(),
        y.sqrt(),
        x.abs(),
        x.sign(),
        x.floor(),
        x.maximum(y),
        x.minimum(c),
        x.scaled(0.5),
        S::select(x.less(y), x, y),
        S::select(x.equal(y), one, two),
        S::select(c.less(one) & x.less(c), c, zero),
        S::select(y.less(x) | c.equal(x), one, c),
        S::select(!x.less(c), two, x),
        S::select(c.less(one), x, y),
        written.value.value,
        written.derivative.value,
        written.derivative.derivative,
    ]
}

/// One of the functions as a kernel: the one with this place among [`NAMES`], from c and from the tensors x and y, in place of x.
///
/// # Example
///
/// ```
/// use ambient_metric::Kernel;
/// use ambient_metric_conformance::functions::{Function, NAMES};
///
/// let place = NAMES.iter().position(|name| *name == "sign").unwrap();
/// assert_eq!(Function(place).evaluate(1.0_f64, [-3.0, 1.0]), -1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(pub usize);

impl Kernel for Function {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, c: S, [x, y]: [S; 2]) -> S {
        all(c, x, y).into_iter().nth(self.0).unwrap_or_else(S::zero)
    }
}

/// How precise a backend's functions are, in units of its roundoff u.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accuracy {
    /// Those of a library: one unit in the last place, 2u, each.
    Library,
    /// Those that WGSL promises: an exponential is off by 3 + 2|x| units in the last place, a quotient by 2.5, a logarithm by 2⁻²¹ between ½ and 2,
    /// sine and cosine by 2⁻¹¹, atan by 4096 units.
    Wgsl,
}

impl Accuracy {
    /// By how much a function may be off that is `expected` at these numbers.
    ///
    /// What is made of others is made of at most eight, each off by 2u of itself, and no error is magnified more than twice (by the difference of two
    /// terms in the curvature of softplus, which is at least a third of the larger one): 32u of the result. On a device an exponential at the
    /// numbers here is off by up to (6 + 4·20)u = 86u, and is in a result at most twice, with as much for the rest: 400u.
    fn allows(self, name: &str, x: f64, expected: f64) -> f64 {
        /// Chosen, rounded to an integer, or computed without rounding.
        const EXACT: [&str; 12] = [
            "abs",
            "sign",
            "floor",
            "maximum",
            "minimum",
            "scaled",
            "less",
            "equal",
            "and",
            "or",
            "not",
            "one choice for all",
        ];
        match (self, name) {
            (_, name) if EXACT.contains(&name) => 0.0,
            (Self::Library, _) => 32.0 * expected.abs(),
            // 2⁻²¹ is 8u; in units of ln 2 or not.
            (Self::Wgsl, "ln" | "log2") => 6.0 * expected.abs() + 12.0,
            // p log₂ y is off by 8u p or 6u of itself, and two to the power of it by (6 + 4 p log₂ y)u more; |p log₂ y| is below 1.2.
            (Self::Wgsl, "power") => 64.0 * expected.abs(),
            (Self::Wgsl, "sin" | "cos") => 8192.0,
            // The errors of sine and cosine, over the cosine.
            (Self::Wgsl, "tan") => 2.0 * 8192.0 * (1.0 + expected.abs()) / (0.125 * x).cos().abs(),
            (Self::Wgsl, "atan") => 8192.0 * expected.abs(),
            (Self::Wgsl, _) => 400.0 * expected.abs(),
        }
    }
}

/// The numbers x from −20 to 8, some of them small and some equal to y, which is from ½ to 3.
fn samples() -> Vec<[f64; 2]> {
    let ties = [[0.0, 1.0], [-0.0, 0.5], [1.0, 1.0], [2.5, 2.5], [0.75, 3.0], [-1.0, 1.0], [-20.0, 2.0], [8.0, 0.75]];
    let spread = (0..600_u32).map(|index| {
        // Multiples of irrational numbers fill an interval evenly.
        let [first, second] = [0.618_033_988_75, 0.414_213_562_37].map(|step| (f64::from(index) * step).fract());
        let x = match index % 3 {
            0 => 28.0 * first - 20.0,
            1 => 2.0 * first - 1.0,
            _ => 1e-3 * (first - 0.5),
        };
        [x, 0.5 + 2.5 * second]
    });
    ties.into_iter().chain(spread).collect()
}

/// Where a backend's functions are not those of `f64` at the same numbers, up to its accuracy: name, numbers, and what was found. Empty for a
/// backend that has them.
///
/// # Example
///
/// ```
/// use ambient_metric_conformance::Reference;
/// use ambient_metric_conformance::functions::{Accuracy, wrong_functions};
///
/// assert_eq!(wrong_functions(&Reference::<f32>::new, Accuracy::Library)?, Vec::<String>::new());
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// What the backend reports.
///
pub fn wrong_functions<T: Tensor>(make: &impl Make<T>, accuracy: Accuracy) -> Result<Vec<String>, Error> {
    let c = 0.75;
    let stored = |number: f64| T::Element::constant(number);
    let samples = samples();
    let column = |which: usize| {
        let part = Part { name: "part".to_owned(), shape: vec![samples.len()] };
        make(vec![(part, samples.iter().map(|sample| stored(sample[which])).collect())])
    };
    let y = column(1)?;
    let mut wrong = Vec::new();
    for (place, name) in NAMES.into_iter().enumerate() {
        let mut x = column(0)?;
        T::update(&Function(place), Uniforms::same(&<Wide<T> as Field>::constant(c)), &mut x, &mut [], &[&y])?;
        for (found, sample) in elements(&x)?.into_iter().zip(&samples) {
            let [x, y] = sample.map(|number| stored(number).to_f64());
            let expected = Function(place).evaluate(c, [x, y]);
            let (found, allowed) = (found.to_f64(), accuracy.allows(name, x, expected) * T::Element::ROUNDOFF);
            if (found - expected).abs() > allowed || found.is_nan() {
                wrong.push(format!("{name} at {x:?} and {y:?} is {found:?} and not {expected:?} up to {allowed:e}"));
            }
        }
    }
    Ok(wrong)
}
