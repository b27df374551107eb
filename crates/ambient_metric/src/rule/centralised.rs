//! Gradients whose rows have the mean zero.

use crate::error::Error;
use crate::number::scalar::{Element, Field};
use crate::rule::preprocess::Preprocess;
use crate::space::tensor::{Covector, Tensor, Wide};

/// Gradient centralisation: of every tensor with more than one axis, each row of the first loses its mean.
///
/// # Mathematics
///
/// l′ = l − mean(l) for the gradient l of the weights of one neuron: the steps stay in the plane on which their sum is what it was.
///
/// # Requirements
///
/// Gradients go through the host's memory.
///
/// # Example
///
/// ```
/// use ambient_metric::Covector;
/// use ambient_metric::rule::{Centralised, Preprocess};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut gradient = Covector(Parameters::from(array![[1.0_f64, 3.0], [5.0, 5.0]]));
/// Centralised.process(0, &[], &mut gradient)?;
/// assert_eq!(gradient.0, Parameters::from(array![[-1.0, 1.0], [0.0, 0.0]]));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// H. Yong and others, *Gradient Centralization: A New Optimization Technique for Deep Neural Networks*, arXiv 2004.01461.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Centralised;

impl<T: Tensor> Preprocess<T> for Centralised {
    fn process(&self, _gradient_number: u64, _kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        for number in 0..gradient.0.layout().parts().len() {
            let Some([_, columns]) = gradient.0.layout().parts()[number].as_matrix() else { continue };
            let mut elements = gradient.0.read(number)?;
            for row in elements.chunks_mut(columns.max(1)) {
                let sum = row.iter().fold(<Wide<T> as Field>::zero(), |sum, element| sum + element.widen());
                let mean = sum / <Wide<T> as Field>::constant(row.len() as f64);
                for element in row {
                    *element = T::Element::narrow(element.widen() - mean);
                }
            }
            gradient.0.write(number, &elements)?;
        }
        Ok(())
    }
}
