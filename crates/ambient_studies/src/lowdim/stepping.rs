//! Steps of any rule on a function of two variables, one after another.

use ambient_metric::{BaseMetric, Bundle, Configuration, Covector, Error, Rule};
use ambient_metric_ndarray::Parameters;
use ndarray::{arr1, array};

use crate::functions::Function;
use crate::rules::hyperparameters::Hyperparameters;
use crate::rules::with_rule::Whole;

/// Where a step led, and with which effective learning rate; for several losses that of the mean of their dampings.
pub(crate) type Stepped = ([f64; 2], f64);

/// What makes steps: from a point, the value there and its gradient.
pub(crate) type Step<'a> = Box<dyn FnMut([f64; 2], f64, [f64; 2]) -> Result<Stepped, Error> + 'a>;

fn point(theta: &Parameters<f64>) -> [f64; 2] {
    <[f64; 2]>::try_from(theta.as_slice()).unwrap_or([f64::NAN; 2])
}

/// The steps of a fused rule; for one of several losses on so many parts of the function. A coupling that is given is κ times the direction of the
/// gradient at the start.
pub(crate) fn fused<'a, R: Rule + 'a>(
    rule: R,
    function: Function,
    start: [f64; 2],
    config: &Hyperparameters,
) -> Result<Step<'a>, Error> {
    let mut theta = Parameters::from(arr1(&start));
    let (learning_rate, decay) = (config.learning_rate, config.weight_decay.unwrap_or(0.0));
    let mut optimiser = Configuration::new(rule, learning_rate).weight_decay(decay).build(&theta)?;
    let (_, slopes) = function.value_and_gradient(start);
    let scale = config.kappa.unwrap_or(0.0) / slopes[0].hypot(slopes[1]);
    let given = Parameters::from(arr1(&slopes.map(|slope| scale * slope)));
    match optimiser.write_state("ambient", &given) {
        // Only a rule with a coupling that is given keeps one.
        Ok(()) | Err(Error::UnknownState { .. }) => {}
        Err(error) => return Err(error),
    }
    let losses = <R::PerLoss<f64> as Bundle<f64>>::LEN;
    let mut gradients = vec![Covector(theta.clone()); losses];
    Ok(Box::new(move |at, value, slopes| {
        let rate = if let [gradient] = gradients.as_mut_slice() {
            gradient.0.as_mut_slice().copy_from_slice(&slopes);
            optimiser.step(&mut theta, gradient, value)?.effective_learning_rate
        } else {
            let (values, slopes) = function.losses(at, losses);
            for (gradient, slopes) in gradients.iter_mut().zip(&slopes) {
                gradient.0.as_mut_slice().copy_from_slice(slopes);
            }
            let report = optimiser.step_losses(&mut theta, &gradients.iter().collect::<Vec<_>>(), &values)?;
            let mean = report.damping.scalars().sum::<f64>() / losses as f64;
            learning_rate * mean
        };
        Ok((point(&theta), rate))
    }))
}

/// The steps of a metric over whole tensors; the two parameters are a matrix of one column.
pub(crate) fn whole<'a, M>(rule: Whole<M>, start: [f64; 2], config: &Hyperparameters) -> Result<Step<'a>, Error>
where
    M: BaseMetric<Parameters<f64>, State: Clone> + 'a,
{
    let [x, y] = start;
    let mut theta = Parameters::from(array![[x], [y]]);
    let mut gradient = Covector(theta.clone());
    let decay = config.weight_decay.unwrap_or(0.0);
    let mut optimiser = Configuration::new(rule, config.learning_rate).weight_decay(decay).build_whole(&theta)?;
    Ok(Box::new(move |_, value, slopes| {
        gradient.0.as_mut_slice().copy_from_slice(&slopes);
        let report = optimiser.step(&mut theta, &gradient, value)?;
        Ok((point(&theta), report.effective_learning_rate))
    }))
}
