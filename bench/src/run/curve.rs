use serde::{Deserialize, Serialize};

/// Parts of a training whose mean loss is kept.
const PARTS: u64 = 100;

/// How the loss went: its mean in each of up to 100 equal parts of the training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// Sum and number of the losses of each part begun.
    parts: Vec<(f64, u64)>,
}

impl Curve {
    /// Takes the loss of step `step` of `steps`.
    pub(crate) fn add(&mut self, step: u64, steps: u64, loss: f32) {
        let part = step * PARTS.min(steps) / steps;
        if self.parts.len() as u64 <= part {
            self.parts.push((0.0, 0));
        }
        if let Some((sum, count)) = self.parts.last_mut() {
            *sum += f64::from(loss);
            *count += 1;
        }
    }

    /// Mean loss of the part that is under way.
    pub(crate) fn latest(&self) -> Option<f64> {
        self.parts.last().map(|&(sum, count)| sum / count as f64)
    }

    pub(crate) fn means(&self) -> Vec<f64> {
        let means = self.parts.iter().map(|&(sum, count)| sum / count as f64);
        means.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Curve;

    #[test]
    fn each_part_of_the_training_has_the_mean_of_its_losses() {
        let of = |steps: u64| {
            let mut curve = Curve::default();
            for step in 0..steps {
                curve.add(step, steps, step as f32);
            }
            curve.means()
        };
        assert_eq!(of(3), [0.0, 1.0, 2.0]);
        let means = of(250);
        assert_eq!(means.len(), 100);
        assert_eq!(means[..3], [1.0, 3.5, 6.0]); // steps 0 to 2, 3 and 4, 5 to 7
        assert_eq!(means[98..], [246.0, 248.5]);
        let mut curve = Curve::default();
        curve.add(0, 200, 2.0);
        curve.add(1, 200, 4.0);
        assert_eq!(curve.latest(), Some(3.0));
    }
}
