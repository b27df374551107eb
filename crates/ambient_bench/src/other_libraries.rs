//! Optimisers of other libraries, to be measured beside ours: Burn's Adam and AdamW and Candle's AdamW, on the CPU and in `f32`.

use burn::optim::{AdamConfig, AdamWConfig};
use burn::tensor::{Device, Tensor, TensorData};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};

use super::inputs::{DECAY, LEARNING_RATE, numbers};
use ambient_studies::error::Error;
use ambient_studies::machines::machine::{Baseline, Precision};

/// What a fused step reads (θ, m, ρ, l) and writes (θ, m, ρ); these may move more.
const BYTES: usize = 7 * size_of::<f32>();

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Beside(error.to_string())
    }
}

/// The optimisers of others, each with parameters of its own.
///
/// # Errors
///
/// [`Error::Beside`] with what Candle says.
pub(super) fn optimisers(parameters: usize, precision: Precision) -> Result<Vec<Baseline>, Error> {
    if precision != Precision::F32 {
        return Ok(Vec::new());
    }
    #[allow(clippy::cast_possible_truncation, reason = "a constant is rounded to the type by intent")]
    let adamw = AdamWConfig::new().with_weight_decay(DECAY as f32).build();
    Ok(vec![
        burn("burn adam", AdamConfig::new().build(), parameters)?,
        burn("burn adamw", adamw, parameters)?,
        candle("candle adamw", parameters)?,
    ])
}

fn burn<O: burn::optim::Optimizer>(name: &'static str, optimiser: O, parameters: usize) -> Result<Baseline, Error> {
    let device = Device::flex();
    let tensor = |seed| {
        let data = TensorData::new(numbers::<f32>(seed, parameters)?, [parameters]);
        Ok::<_, Error>(Tensor::<1>::from_data(data, &device))
    };
    let gradient = tensor(2)?;
    let mut theta = Some(tensor(1)?);
    let mut state = None;
    let run = move || {
        if let Some(before) = theta.take() {
            let (after, next) = optimiser.step(LEARNING_RATE, before, gradient.clone(), state.take());
            (theta, state) = (Some(after), next);
        }
        Ok(())
    };
    Ok(Baseline { name, bytes_per_parameter: BYTES, run: Box::new(run) })
}

fn candle(name: &'static str, parameters: usize) -> Result<Baseline, Error> {
    let device = candle_core::Device::Cpu;
    let theta = candle_core::Var::from_vec(numbers::<f32>(1, parameters)?, parameters, &device)?;
    // The gradient of Σ θᵢ lᵢ is l.
    let gradient = candle_core::Tensor::from_vec(numbers::<f32>(2, parameters)?, parameters, &device)?;
    let gradients = (theta.as_tensor() * gradient)?.sum_all()?.backward()?;
    let params = ParamsAdamW { lr: LEARNING_RATE, weight_decay: DECAY, ..ParamsAdamW::default() };
    let mut optimiser = AdamW::new(vec![theta], params)?;
    let run = move || Ok(optimiser.step(&gradients)?);
    Ok(Baseline { name, bytes_per_parameter: BYTES, run: Box::new(run) })
}
