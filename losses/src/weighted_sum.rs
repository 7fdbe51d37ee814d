use burn::tensor::Tensor;

use crate::error::ConfigError;

/// Several losses in one, `Σ wᵢ ℓᵢ`, that can still be told apart in a log.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::WeightedSum;
///
/// let device = Device::flex();
/// let number = |value: f32| Tensor::<1>::from_floats([value], &device);
/// let loss = WeightedSum::new("triplet", 1.0, number(0.5))?.and("center", 0.1, number(2.0))?;
/// assert_eq!(loss.values(), [("triplet", 0.5), ("center", 2.0)]);
/// assert!((loss.total().into_scalar::<f32>() - 0.7).abs() < 1e-6);
/// # Ok::<(), metric_losses::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightedSum {
    total: Tensor<1>,
    parts: Vec<(&'static str, Tensor<1>)>,
}

impl WeightedSum {
    /// A sum of one loss, `[1]`.
    ///
    /// # Errors
    /// [`ConfigError`] under its name if the weight is not finite.
    pub fn new(name: &'static str, weight: f64, loss: Tensor<1>) -> Result<Self, ConfigError> {
        ConfigError::check_finite(name, weight)?;
        Ok(Self {
            total: loss.clone() * weight,
            parts: vec![(name, loss.detach())],
        })
    }

    /// The sum with another loss, `[1]`.
    ///
    /// # Errors
    /// [`ConfigError`] under its name if the weight is not finite.
    pub fn and(
        mut self,
        name: &'static str,
        weight: f64,
        loss: Tensor<1>,
    ) -> Result<Self, ConfigError> {
        ConfigError::check_finite(name, weight)?;
        self.total = self.total + loss.clone() * weight;
        self.parts.push((name, loss.detach()));
        Ok(self)
    }

    /// The weighted sum, `[1]`, on the graph of every loss.
    pub fn total(&self) -> Tensor<1> {
        self.total.clone()
    }

    /// Every loss as it was given, without its weight, read back from the device.
    pub fn values(&self) -> Vec<(&'static str, f64)> {
        let value = |loss: &Tensor<1>| loss.clone().into_scalar::<f64>();
        self.parts
            .iter()
            .map(|(name, loss)| (*name, value(loss)))
            .collect()
    }
}
