//! Parameters that change as training goes on.

use serde::{Deserialize, Serialize};

/// A number that goes from one value to another over a number of steps, and stays there.
///
/// ```text
/// t = min(step / steps, 1)
/// linear:  from + (to − from) t              cosine:  from + (to − from) (1 − cos πt) / 2
/// ```
///
/// # Examples
///
/// Negatives that get harder, from an ever tighter ring (as in *Conditional Negative Sampling*, 2021):
///
/// ```
/// use metric_sampling::{DensityAware, Schedule};
/// let (beta, lower) = (Schedule::cosine(0.0, 10.0, 1000), Schedule::linear(0.0, 0.9, 1000));
/// for step in [0, 500, 2000] {
///     let miner = DensityAware::new().with_beta(beta.at(step))?.with_ring(lower.at(step), 0.99)?;
///     # let _ = miner;
/// }
/// assert!((beta.at(500) - 5.0).abs() < 1e-12 && lower.at(2000) == 0.9);
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    from: f64,
    to: f64,
    steps: u64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Shape {
    Linear,
    Cosine,
}

impl Schedule {
    /// The same at every step.
    pub fn constant(value: f64) -> Self {
        Self::linear(value, value, 0)
    }

    /// Evenly from `from` at step 0 to `to` at step `steps`; without steps it is `to` from the start.
    pub fn linear(from: f64, to: f64, steps: u64) -> Self {
        let shape = Shape::Linear;
        Self {
            from,
            to,
            steps,
            shape,
        }
    }

    /// Slowly at both ends.
    pub fn cosine(from: f64, to: f64, steps: u64) -> Self {
        let shape = Shape::Cosine;
        Self {
            from,
            to,
            steps,
            shape,
        }
    }

    /// The value at a step.
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.to;
        }
        let part = step as f64 / self.steps as f64;
        let part = match self.shape {
            Shape::Linear => part,
            Shape::Cosine => 0.5 - 0.5 * (std::f64::consts::PI * part).cos(),
        };
        self.from * (1.0 - part) + self.to * part
    }
}
