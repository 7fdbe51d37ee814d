//! Minimising a function of a matrix.

use std::collections::VecDeque;

use ndarray::Array2;

/// A descent along the gradient, bent by the last few steps (L-BFGS; Nocedal & Wright, *Numerical Optimization*, 2006,
/// algorithm 7.4) or straight if `memory` is 0.
///
/// A step is halved until the value falls enough (Armijo, `1e-4`); without memory the next one starts at twice the step
/// taken. Values that are not finite count as too high. Nothing is drawn at random.
pub(super) struct Descent {
    pub(super) memory: usize,
    pub(super) iterations: usize,
    /// Stops after `PATIENCE` steps that each lowered the value by less than this share.
    pub(super) tolerance: f64,
}

const PATIENCE: usize = 5;
const HALVINGS: usize = 50;

impl Descent {
    /// The best point met, from `start` on; `value` gives value and gradient.
    pub(super) fn minimise(
        &self,
        start: Array2<f64>,
        value: impl Fn(&Array2<f64>) -> (f64, Array2<f64>),
    ) -> Array2<f64> {
        let mut at = start;
        let (mut height, mut slope) = value(&at);
        let mut steps = VecDeque::<Step>::new();
        // The first try moves by a tenth of the point's own length.
        let mut length = 0.1 * norm(&at) / norm(&slope);
        let mut idle = 0;
        for _ in 0..self.iterations {
            if !(norm(&slope) > 0.0 && length.is_finite()) {
                break;
            }
            let mut direction = bend(&steps, &slope);
            if dot(&direction, &slope) >= 0.0 {
                steps.clear();
                direction = slope.mapv(|x| -x);
            }
            let fall = dot(&direction, &slope);
            let mut step = if steps.is_empty() { length } else { 1.0 };
            let found = (0..HALVINGS).find_map(|_| {
                let next = &at + &(&direction * step);
                let (low, next_slope) = value(&next);
                let fell = low <= height + 1e-4 * step * fall;
                if fell && next_slope.iter().all(|x| x.is_finite()) {
                    return Some((next, low, next_slope, step));
                }
                step /= 2.0;
                None
            });
            let Some((next, low, next_slope, step)) = found else {
                if steps.is_empty() {
                    break;
                }
                steps.clear();
                continue;
            };
            let step_taken = Step::new(&next - &at, &next_slope - &slope);
            if self.memory == 0 {
                length = 2.0 * step;
            } else if let Some(step_taken) = step_taken {
                steps.push_back(step_taken);
                if steps.len() > self.memory {
                    steps.pop_front();
                }
            }
            idle = if height - low <= self.tolerance * low.abs() {
                idle + 1
            } else {
                0
            };
            (at, height, slope) = (next, low, next_slope);
            if idle == PATIENCE {
                break;
            }
        }
        at
    }
}

/// A move `s`, the change `y` of the gradient along it, and `1 / sᵀy`.
struct Step {
    moved: Array2<f64>,
    change: Array2<f64>,
    inverse: f64,
}

impl Step {
    /// None where the curvature is not clearly positive.
    fn new(moved: Array2<f64>, change: Array2<f64>) -> Option<Self> {
        let curvature = dot(&moved, &change);
        (curvature > 1e-10 * norm(&moved) * norm(&change)).then(|| Self {
            moved,
            change,
            inverse: 1.0 / curvature,
        })
    }
}

/// Minus the inverse Hessian's estimate times the slope.
fn bend(steps: &VecDeque<Step>, slope: &Array2<f64>) -> Array2<f64> {
    let mut direction = slope.mapv(|x| -x);
    let mut shares = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let share = step.inverse * dot(&step.moved, &direction);
        direction.scaled_add(-share, &step.change);
        shares.push(share);
    }
    if let Some(last) = steps.back() {
        direction *= 1.0 / (last.inverse * dot(&last.change, &last.change));
    }
    for (step, share) in steps.iter().zip(shares.into_iter().rev()) {
        let correction = step.inverse * dot(&step.change, &direction);
        direction.scaled_add(share - correction, &step.moved);
    }
    direction
}

fn dot(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &Array2<f64>) -> f64 {
    dot(a, a).sqrt()
}
