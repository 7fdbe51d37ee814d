use burn::config::Config;

use crate::error::ConfigError;

/// The falling weight `λ` of the cosine without margin that [`SphereFaceLoss`](crate::SphereFaceLoss)
/// and [`LargeMarginSoftmaxLoss`](crate::LargeMarginSoftmaxLoss) are trained with; the defaults are
/// those of SphereFace.
///
/// ```text
/// λ(t) = max(λ_min, λ₀ (1 + γ t)^−p)
/// ```
/// ```
/// use metric_losses::MarginAnnealing;
///
/// let annealing = MarginAnnealing::new();
/// assert_eq!(annealing.lambda(0), 1000.0);
/// // 1000 / (1 + 0.12 · 75) = 100
/// assert!((annealing.lambda(75) - 100.0).abs() < 1e-9);
/// assert_eq!(annealing.lambda(1_000_000), 5.0);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct MarginAnnealing {
    /// `λ₀`, at step 0. Default: `1000.0`.
    #[config(default = 1000.0)]
    pub start: f64,
    /// `γ`. Default: `0.12`.
    #[config(default = 0.12)]
    pub gamma: f64,
    /// `p`. Default: `1.0`.
    #[config(default = 1.0)]
    pub power: f64,
    /// `λ_min`. Default: `5.0`.
    #[config(default = 5.0)]
    pub min: f64,
}

impl MarginAnnealing {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_not_negative("start", self.start)?;
        ConfigError::check_not_negative("gamma", self.gamma)?;
        ConfigError::check_not_negative("power", self.power)?;
        ConfigError::check_not_negative("min", self.min)
    }

    /// `λ` at a step.
    pub fn lambda(&self, step: usize) -> f64 {
        let fallen = self.start * (1.0 + self.gamma * step as f64).powf(-self.power);
        fallen.max(self.min)
    }
}

/// # Panics
/// If `lambda` is negative or not finite.
pub(crate) fn assert_lambda(lambda: f64) {
    assert!(
        lambda.is_finite() && lambda >= 0.0,
        "lambda must be finite and at least 0, got {lambda}"
    );
}
