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
        let mut twice_the_last = None;
        let mut idle = 0;
        for _ in 0..self.iterations {
            // A first step moves by a tenth of the point's own length.
            let first = 0.1 * norm(&at) / norm(&slope);
            if !first.is_finite() {
                break;
            }
            let mut direction = bend(&steps, &slope);
            if dot(&direction, &slope) >= 0.0 {
                steps.clear();
                direction = slope.mapv(|x| -x);
            }
            let fall = dot(&direction, &slope);
            let mut step = if steps.is_empty() {
                twice_the_last.unwrap_or(first)
            } else {
                1.0
            };
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
                twice_the_last = Some(2.0 * step);
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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn descent(memory: usize) -> Descent {
        Descent {
            memory,
            iterations: 2000,
            tolerance: 0.0,
        }
    }

    /// `Σ c (x − t)²`, condition 100.
    fn bowl(x: &Array2<f64>) -> (f64, Array2<f64>) {
        let (c, t) = (array![[1.0, 10.0, 100.0]], array![[3.0, -2.0, 0.5]]);
        let apart = x - &t;
        ((&c * &apart * &apart).sum(), &c * &apart * 2.0)
    }

    #[test]
    fn the_bottom_of_a_bowl_is_found_with_and_without_memory() {
        for memory in [0, 10] {
            let found = descent(memory).minimise(array![[1.0, 1.0, 1.0]], bowl);
            // Where the value no longer falls it is within rounding of its terms, below 1e-15: off by 1e-7 at most.
            assert!(
                (&found - &array![[3.0, -2.0, 0.5]])
                    .iter()
                    .all(|x| x.abs() < 1e-7),
                "{found}"
            );
        }
    }

    #[test]
    fn memory_saves_steps() {
        let evaluations = |memory: usize| {
            let count = std::cell::Cell::new(0);
            let search = Descent {
                tolerance: 1e-9,
                ..descent(memory)
            };
            search.minimise(array![[1.0, 1.0, 1.0]], |x| {
                count.set(count.get() + 1);
                bowl(x)
            });
            count.get()
        };
        assert!(2 * evaluations(10) < evaluations(0));
    }

    #[test]
    fn values_that_are_not_finite_are_a_wall() {
        // x − ln x, least at 1; NaN below 0.
        let value = |x: &Array2<f64>| (x[[0, 0]] - x[[0, 0]].ln(), x.mapv(|x| 1.0 - 1.0 / x));
        for memory in [0, 10] {
            for start in [1e-9, 0.5, 100.0] {
                let found = descent(memory).minimise(array![[start]], value)[[0, 0]];
                assert!((found - 1.0).abs() < 1e-6, "{start}: {found}");
            }
        }
        let nowhere = |x: &Array2<f64>| (f64::NAN, x.clone());
        assert_eq!(descent(10).minimise(array![[2.0]], nowhere), array![[2.0]]);
    }

    #[test]
    fn a_flat_place_is_left_as_it_is() {
        let flat = |x: &Array2<f64>| (1.0, x * 0.0);
        assert_eq!(descent(0).minimise(array![[2.0]], flat), array![[2.0]]);
        assert_eq!(descent(10).minimise(array![[0.0]], flat), array![[0.0]]);
    }
}
