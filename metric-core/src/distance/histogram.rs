//! Distances of histograms: each row is divided by its sum, so only shares count.

use super::fold;
use super::form::{Kind, Map, Value};
use super::{Distance, Form, Law, Metric, same_length};
use crate::{Error, Scalar};

/// Jensen–Shannon distance: the root of the Jensen–Shannon divergence, in natural units
/// (Endres and Schindelin, 2003, <https://doi.org/10.1109/TIT.2003.813506>, who prove the triangle inequality).
///
/// ```text
/// d(a, b) = √ (½ Σ pᵢ ln(pᵢ/mᵢ) + ½ Σ qᵢ ln(qᵢ/mᵢ)),   p = a/Σaᵢ, q = b/Σbᵢ, m = (p + q)/2,   0 ln 0 = 0
///         = √ Σ mᵢ h((pᵢ − qᵢ)/(pᵢ + qᵢ)),   h(t) = ½ ((1 + t) ln(1 + t) + (1 − t) ln(1 − t))
/// ```
/// In `[0, √ln 2]`. Computed in `f64` by the second line, whose terms are not negative: nothing cancels between them.
///
/// Rows are histograms: entries must not be negative, and [`check`](Distance::check) refuses those that are. Without
/// the check they count as 0. A row without mass shares none with others: it is at `√ln 2` from any other and at 0
/// from another such row.
///
/// A [`Metric`] on probability vectors, thus a pseudometric on histograms. Shares round to `(n + 3) u` of
/// themselves, which moves them by `(n + 3) u / √8` in this very distance; the rest is relative:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 12) ε) + 2 (n + 3) ε₆₄
/// ```
/// Cost: two logarithms an entry.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, JensenShannon};
/// let apart = JensenShannon.distance(&[3.0f32, 0.0], &[0.0, 1.0]);
/// assert_eq!(apart, 2.0f32.ln().sqrt());
/// assert!(JensenShannon.check(&[0.5f32, -0.5]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JensenShannon;

/// Hellinger distance.
///
/// ```text
/// d(a, b) = √½ ‖√p − √q‖ = √ (1 − Σ √(pᵢ qᵢ)),   p = a/Σaᵢ, q = b/Σbᵢ
/// ```
/// In `[0, 1]`. Computed in `f64` by the first form, so near histograms keep their digits. Rows as for
/// [`JensenShannon`]: negative entries are refused by [`check`](Distance::check) and count as 0 without it; a row
/// without mass is at 1 from any other and at 0 from another such row.
///
/// A [`Metric`] on probability vectors, thus a pseudometric on histograms. Roots of shares round to `(n/2 + 3) u` of
/// themselves, and their vector has length 1:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 8) ε) + 2 (n + 6) ε₆₄
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Hellinger};
/// assert_eq!(Hellinger.distance(&[3.0f32, 0.0], &[0.0, 1.0]), 1.0);
/// assert_eq!(Hellinger.distance(&[1.0f32, 3.0], &[2.0, 6.0]), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hellinger;

impl<T: Scalar> Distance<T> for JensenShannon {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        let farthest = std::f64::consts::LN_2;
        let divergence = between(a, b, farthest, |p, q| {
            let sum = p + q;
            if sum > 0.0 {
                sum / 2.0 * entropy_lost((p - q).abs() / sum)
            } else {
                0.0
            }
        });
        T::from_f64(divergence.min(farthest).sqrt())
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        check_histogram("jensen-shannon", row)
    }
}

impl<T: Scalar> Metric<T> for JensenShannon {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        (
            (dim as f64 + 12.0) * T::EPSILON.to_f64(),
            2.0 * (dim as f64 + 3.0) * f64::EPSILON,
        )
    }
}

impl<T: Scalar> Distance<T> for Hellinger {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        let squares = between(a, b, 2.0, |p, q| {
            let difference = p.sqrt() - q.sqrt();
            difference * difference
        });
        T::from_f64((squares.min(2.0) / 2.0).sqrt())
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        check_histogram("hellinger", row)
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(Map::HalfRoots, Value::Chord))
    }
}

impl<T: Scalar> Metric<T> for Hellinger {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        (
            (dim as f64 + 8.0) * T::EPSILON.to_f64(),
            2.0 * (dim as f64 + 6.0) * f64::EPSILON,
        )
    }
}

/// `½ ((1 + t) ln(1 + t) + (1 − t) ln(1 − t))` for `t` in `[0, 1]`, to a few ulps.
fn entropy_lost(t: f64) -> f64 {
    if t < 0.5 {
        // = t artanh(t) + ½ ln(1 − t²): the first is at least twice the second, so little cancels.
        0.5 * (t * (2.0 * t / (1.0 - t)).ln_1p() + (-t * t).ln_1p())
    } else if t < 1.0 {
        0.5 * ((1.0 + t) * t.ln_1p() + (1.0 - t) * (-t).ln_1p())
    } else {
        std::f64::consts::LN_2
    }
}

/// `Σ term(pᵢ, qᵢ)` over the shares of two rows; `farthest` if one of them alone has no mass.
#[inline]
fn between<T: Scalar>(a: &[T], b: &[T], farthest: f64, term: impl Fn(f64, f64) -> f64) -> f64 {
    same_length(a, b);
    match (Shares::of(a), Shares::of(b)) {
        (Some(p), Some(q)) => fold::sum(a, b, |x, y| term(p.share(x), q.share(y))),
        (None, None) => 0.0,
        _ => farthest,
    }
}

/// What turns entries into shares: a power of two that brings the total into range, and the inverse of the total.
struct Shares {
    factor: f64,
    inverse: f64,
}

impl Shares {
    /// Nothing for a row without mass.
    fn of<T: Scalar>(row: &[T]) -> Option<Self> {
        let total = |factor: f64| fold::sum(row, row, |x, _| mass(x) * factor);
        let plain = total(1.0);
        if plain == 0.0 {
            return None;
        }
        let factor = if plain < 1e-290 {
            2.0f64.powi(1000)
        } else if plain > 1e290 {
            2.0f64.powi(-200)
        } else {
            return Some(Self {
                factor: 1.0,
                inverse: 1.0 / plain,
            });
        };
        Some(Self {
            factor,
            inverse: 1.0 / total(factor),
        })
    }

    #[inline]
    fn share(&self, x: f64) -> f64 {
        mass(x) * self.factor * self.inverse
    }
}

#[inline]
fn mass(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

fn check_histogram<T: Scalar>(distance: &'static str, row: &[T]) -> Result<(), Error> {
    match row.iter().position(|&x| x < T::ZERO) {
        Some(column) => Err(Error::OutOfDomain {
            distance,
            expected: "entries of at least 0",
            row: None,
            column: Some(column),
            got: row[column].to_f64(),
        }),
        None => Ok(()),
    }
}
