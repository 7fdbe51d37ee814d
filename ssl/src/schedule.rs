//! Learning rates and momenta over the course of a training.

use std::f64::consts::PI;

/// A value that goes from `start` to `end` along half a cosine (Loshchilov and Hutter, *SGDR*, ICLR 2017,
/// <https://arxiv.org/abs/1608.03983>, eq. 5, without restarts).
///
/// ```text
/// value = end − (end − start) · (cos(π · step / steps) + 1) / 2
/// ```
/// From step `steps` on it is `end`, also for `steps = 0`.
///
/// ```
/// assert_eq!(metric_ssl::cosine(0.4, 0.0, 0, 100), 0.4);
/// assert!((metric_ssl::cosine(0.4, 0.0, 50, 100) - 0.2).abs() < 1e-15);
/// assert_eq!(metric_ssl::cosine(0.4, 0.0, 100, 100), 0.0);
/// ```
pub fn cosine(start: f64, end: f64, step: u64, steps: u64) -> f64 {
    if step >= steps {
        return end;
    }
    let done = step as f64 / steps as f64;
    end - (end - start) * ((PI * done).cos() + 1.0) / 2.0
}

/// Momentum that rises from `base` to 1 along half a [cosine] (Grill et al., *Bootstrap Your Own Latent*, NeurIPS 2020,
/// <https://arxiv.org/abs/2006.07733>, section 3.2):
/// ```text
/// m = 1 − (1 − base) · (cos(π · step / steps) + 1) / 2
/// ```
/// From the last step on it is 1, also for `steps = 0`.
pub fn cosine_momentum(base: f64, step: u64, steps: u64) -> f64 {
    cosine(base, 1.0, step, steps)
}

/// Share of a learning rate's peak: a linear rise over the first `warm_up` steps, then half a [cosine] down to 0 (Goyal
/// et al., *Accurate, large minibatch SGD*, 2017, <https://arxiv.org/abs/1706.02677>, section 2.2, for the rise).
///
/// ```text
/// (step + 1) / warm_up                                              step < warm_up
/// (cos(π · (step − warm_up) / (steps − warm_up)) + 1) / 2           else
/// ```
/// The first step already moves: its share is `1 / warm_up`, not 0.
pub fn warm_up_cosine(step: u64, warm_up: u64, steps: u64) -> f64 {
    if step < warm_up {
        (step + 1) as f64 / warm_up as f64
    } else {
        cosine(1.0, 0.0, step - warm_up, steps.saturating_sub(warm_up))
    }
}
