//! Sizes of balls and spheres, and the integral that makes the von Mises-Fisher density one.

use std::f64::consts::PI;

/// Log volume of the unit ball in `m` dimensions.
///
/// ```text
/// log V_m = m/2 log π − log Γ(m/2 + 1)
/// ```
/// `m` need not be whole.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::log_ball_volume;
/// assert!((log_ball_volume(2.0) - std::f64::consts::PI.ln()).abs() < 1e-15);
/// ```
pub fn log_ball_volume(m: f64) -> f64 {
    m / 2.0 * PI.ln() - libm::lgamma(m / 2.0 + 1.0)
}

/// Log area of the unit sphere `S^(n−1)` in `n` dimensions.
///
/// ```text
/// log A_n = log 2 + n/2 log π − log Γ(n/2)
/// ```
///
/// # Examples
///
/// ```
/// use metric_sampling::density::log_sphere_area;
/// assert!((log_sphere_area(3) - (4.0 * std::f64::consts::PI).ln()).abs() < 1e-15);
/// ```
pub fn log_sphere_area(n: usize) -> f64 {
    let half = n as f64 / 2.0;
    2.0f64.ln() + half * PI.ln() - libm::lgamma(half)
}

/// From here on the expansion for large arguments is exact to rounding: its first term left out is below `2e-14`.
const LARGE: f64 = 32.0;
/// Terms of that expansion.
const TERMS: usize = 11;

/// `log E exp(κ (s − 1))` for a cosine `s` to a uniform point of the sphere in `n` dimensions.
///
/// ```text
/// E exp(κ s) = Γ(ν + 1) (2/κ)^ν I_ν(κ) = Σ_k (κ²/4)^k / (k! (ν + 1)(ν + 2)⋯(ν + k)),   ν = n/2 − 1
/// ```
/// With `R = √(ν² + κ²)` the series is summed where `R` is small. Else the Bessel function is Debye's uniform expansion
/// (<https://dlmf.nist.gov/10.41>), which in powers of `1/R` holds down to `ν = 0`, where it is Hankel's:
/// ```text
/// I_ν(κ) ~ (κ/(ν + R))^ν e^R / √(2πR) Σ_k u_k(p)/ν^k,   p = ν/R
/// ```
pub(super) fn log_mean_exp(n: usize, kappa: f64) -> f64 {
    let order = n as f64 / 2.0 - 1.0;
    let radius = order.hypot(kappa);
    if radius < LARGE {
        return series(order, kappa).ln() - kappa;
    }
    let expansion = debye(order / radius, radius);
    // R − κ, without taking the difference of near numbers.
    let beyond = order * order / (kappa + radius);
    libm::lgamma(order + 1.0) + order * (2.0 / (order + radius)).ln() + beyond
        - 0.5 * (2.0 * PI * radius).ln()
        + expansion.ln()
}

fn series(order: f64, kappa: f64) -> f64 {
    let square = kappa * kappa / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1.. {
        let k = f64::from(k);
        term *= square / (k * (order + k));
        sum += term;
        if term < f64::EPSILON / 8.0 * sum {
            break;
        }
    }
    sum
}

/// `Σ_k u_k(p)/ν^k` with `u_k(p) = p^k Σ_j c_kj p^2j` and
///
/// ```text
/// u_(k+1) = ½ p² (1 − p²) u_k' + ⅛ ∫₀ᵖ (1 − 5t²) u_k dt
/// ```
fn debye(p: f64, radius: f64) -> f64 {
    let mut coefficients = [0.0; TERMS + 1];
    coefficients[0] = 1.0;
    let (mut sum, mut scale) = (1.0, 1.0);
    for k in 1..TERMS {
        let mut next = [0.0; TERMS + 1];
        for j in 0..k {
            let (c, power) = (coefficients[j], (k - 1 + 2 * j) as f64);
            next[j] += c * (power / 2.0 + 0.125 / (power + 1.0));
            next[j + 1] -= c * (power / 2.0 + 0.625 / (power + 3.0));
        }
        coefficients = next;
        scale /= radius;
        let polynomial = coefficients[..=k].iter().rev();
        sum += scale * polynomial.fold(0.0, |sum, c| sum * p * p + c);
    }
    sum
}

#[cfg(test)]
mod tests;
