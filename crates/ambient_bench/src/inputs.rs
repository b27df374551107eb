//! What every contender is given: constants and numbers.

use ambient_metric::number::Element;

use ambient_studies::error::Error;

/// The learning rate, small enough that a thousand steps leave the parameters where numbers are ordinary.
pub(super) const LEARNING_RATE: f64 = 1e-6;
/// λ.
pub(super) const DECAY: f64 = 0.01;
/// The loss, inside the domain of every embedding.
pub(super) const LOSS: f64 = 1.5;
/// Numbers in ±1 that repeat for a seed; none is zero.
///
/// # Errors
///
/// [`Error::Option`] where there is no memory for so many.
pub(super) fn numbers<E: Element>(seed: u64, count: usize) -> Result<Vec<E>, Error> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        E::constant((state >> 40) as f64 / f64::from(1_u32 << 23) - 1.0 + 1e-7)
    };
    let mut numbers = Vec::new();
    if numbers.try_reserve_exact(count).is_err() {
        let problem = format!("is {count}: there is no memory for so many");
        return Err(Error::Option { option: "--parameters", problem });
    }
    numbers.extend((0..count).map(|_| next()));
    Ok(numbers)
}
