//! Hyperbolic distances, curvature −1: the Poincaré ball and the hyperboloid.

use super::fold::{self, is_safe};
use super::{Chord, Distance, Euclidean, Law, Metric, same_length};
use crate::{Error, Scalar, lanes};

/// Distance of points in the Poincaré ball (Nickel and Kiela, 2017, <https://arxiv.org/abs/1705.08039>, eq. 1).
///
/// ```text
/// d(a, b) = arcosh(1 + 2 ‖a − b‖² / ((1 − ‖a‖²)(1 − ‖b‖²))) = 2 arsinh(‖a − b‖ / √((1 − ‖a‖²)(1 − ‖b‖²)))
/// ```
/// The second form keeps the digits of near points. `1 − ‖a‖²` is computed in `f64`, and with twice its digits
/// from `‖a‖² = ½` on, so points at the border keep theirs too: it errs by a few `ε₆₄` of itself and by `n² ε₆₄²`.
///
/// Rows are points of the open ball: [`check`](Distance::check) refuses norms of 1 and more. Without the check such
/// points are infinitely far from all others.
///
/// A [`Metric`], zero only for equal points. The hyperbolic arc sine does not enlarge relative errors, so with
/// `1 − ‖·‖² ≥ n² ε₆₄`, which is 5e-11 for `n = 500`:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 12) ε)
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Poincare};
/// let d = Poincare.distance(&[0.0f64, 0.0], &[0.6, 0.0]);
/// assert!((d - 4.0f64.ln()).abs() < 1e-15); // 2 artanh(0.6) = ln(1.6 / 0.4)
/// assert!(Poincare.check(&[0.6f64, 0.8]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Poincare;

/// Distance of points on the hyperboloid (Nickel and Kiela, 2018, <https://arxiv.org/abs/1806.03417>).
///
/// ```text
/// d(a, b) = arcosh(−⟨a, b⟩) = 2 arsinh(½ √⟨a − b, a − b⟩),   ⟨a, b⟩ = −a₀ b₀ + Σ_{i ≥ 1} aᵢ bᵢ,   a₀ = √(1 + Σ_{i ≥ 1} aᵢ²)
/// ```
/// Rows are `(a₀, a₁, …)`. The first entry follows from the others and is computed again from them in `f64`, so that
/// its rounding does no harm, not even in half precision; [`check`](Distance::check) refuses rows whose first entry differs
/// from it by more than 1 % of it.
///
/// For points less than a right angle apart as seen from the origin, with `w = a − b` and `z = a + b` without first entries:
/// ```text
/// ⟨a − b, a − b⟩ = (‖z‖² ‖w − (w·z/‖z‖²) z‖² + 4 (a₀ − b₀)²) / (2 (a₀ b₀ − 1 + a·b)),   a₀ − b₀ = w·z / (a₀ + b₀)
/// ```
/// has no cancelling term. What is left is the rounding of the part of `w` across `z`:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 12) ε) + 16 (n + 4) ε₆₄ M,   M = max √ Σ_{i ≥ 1} aᵢ² of the three
/// ```
/// The last term tells how far coordinates go: their grid is that coarse in hyperbolic length, whatever the formula.
///
/// A [`Metric`] on the hyperboloid.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, Lorentz};
/// let at = |t: f64| [t.cosh(), t.sinh()];
/// assert!((Lorentz.distance(&at(-1.0), &at(2.5)) - 3.5).abs() < 1e-14);
/// assert!(Lorentz.check(&[1.0f64, 1.0]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lorentz;

impl<T: Scalar> Distance<T> for Poincare {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        let apart = Euclidean.distance(a, b).to_f64();
        if apart == 0.0 {
            return T::ZERO;
        }
        T::from_f64(2.0 * (apart / (to_border(a).sqrt() * to_border(b).sqrt())).asinh())
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        if to_border(row) > 0.0 {
            return Ok(());
        }
        Err(Error::OutOfDomain {
            distance: "poincare",
            expected: "a norm below 1",
            row: None,
            column: None,
            got: lanes::squared_norm(row).sqrt(),
        })
    }
}

impl<T: Scalar> Metric<T> for Poincare {
    fn triangle_slack(&self, dim: usize) -> (f64, f64) {
        ((dim as f64 + 12.0) * T::EPSILON.to_f64(), 0.0)
    }
}

/// `1 − ‖x‖²`, zero outside the ball, to a few `ε₆₄` of itself and `n² ε₆₄²`.
fn to_border<T: Scalar>(x: &[T]) -> f64 {
    let squares = lanes::squared_norm(x);
    if squares < 0.5 {
        1.0 - squares
    } else if squares < 2.0 {
        exact_to_border(x).max(0.0)
    } else {
        0.0
    }
}

/// The same with the rounding error of each square and each subtraction carried along (Ogita, Rump and Oishi, 2005).
fn exact_to_border<T: Scalar>(x: &[T]) -> f64 {
    let (mut left, mut errors) = (1.0f64, 0.0f64);
    for x in x {
        let x = x.to_f64();
        let square = x * x;
        // Dekker: two halves whose products are exact.
        let shifted = 134_217_729.0 * x;
        let high = shifted - (shifted - x);
        let low = x - high;
        let square_error = ((high * high - square) + 2.0 * high * low) + low * low;
        // Knuth: what the subtraction rounds away.
        let next = left - square;
        let taken = next - left;
        let error = (left - (next - taken)) - (square + taken);
        left = next;
        errors += error - square_error;
    }
    left + errors
}

impl<T: Scalar> Distance<T> for Lorentz {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let (x, y) = (spatial(a), spatial(b));
        let (xx, yy) = (lanes::squared_norm(x), lanes::squared_norm(y));
        let xy = fold::sum(x, y, |x, y| x * y);
        if xx < 1e-40 && yy < 1e-40 {
            // Flat to `f64`, and squares may be lost.
            return Euclidean.distance(x, y);
        }
        let half_sinh = if xx > 1e190 || yy > 1e190 {
            remote(x, y)
        } else if xy <= 0.0 {
            let (x0, y0) = ((1.0 + xx).sqrt(), (1.0 + yy).sqrt());
            ((product_less_one(xx, yy, x0 * y0) - xy) / 2.0).sqrt()
        } else {
            near(x, y, [xx, yy, xy])
        };
        T::from_f64(2.0 * half_sinh.asinh())
    }
    fn law(&self) -> Law {
        Law::Metric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        let refused = |expected, column, got| {
            Err(Error::OutOfDomain {
                distance: "lorentz",
                expected,
                row: None,
                column,
                got,
            })
        };
        let Some(first) = row.first().map(|first| first.to_f64()) else {
            return refused("at least 1 column", None, 0.0);
        };
        let want = 1.0f64.hypot(norm(spatial(row)));
        if (first - want).abs() <= 0.01 * want {
            Ok(())
        } else {
            refused(
                "a first entry of sqrt(1 + the others' squares)",
                Some(0),
                first,
            )
        }
    }
}

impl<T: Scalar> Metric<T> for Lorentz {
    /// The absolute part grows with the norms, which are not known here.
    fn triangle_slack(&self, _dim: usize) -> (f64, f64) {
        (f64::INFINITY, 0.0)
    }
}

fn spatial<T>(row: &[T]) -> &[T] {
    row.get(1..).unwrap_or_default()
}

/// `x₀ y₀ − 1` without the subtraction.
fn product_less_one(xx: f64, yy: f64, x0_y0: f64) -> f64 {
    // Roots and the quotient first: the product of the squares may leave the range.
    let roots = xx.sqrt() * yy.sqrt();
    (xx + yy) / (x0_y0 + 1.0) + roots / (x0_y0 + 1.0) * roots
}

/// `½ √⟨a − b, a − b⟩` for points less than a right angle apart.
fn near<T: Scalar>(x: &[T], y: &[T], [xx, yy, xy]: [f64; 3]) -> f64 {
    let squares = |lift: f64| {
        fold::sum(x, y, |x, y| {
            let w = (x - y) * lift;
            w * w
        })
    };
    // Squares of differences that would be lost are lifted first.
    let lift = if is_safe(squares(1.0)) {
        1.0
    } else {
        2.0f64.powi(600)
    };
    let zz = (xx + yy) + 2.0 * xy;
    let wz = fold::sum(x, y, |x, y| (x - y) * lift * (x + y));
    let part = wz / zz;
    let across = fold::sum(x, y, |x, y| {
        let across = (x - y) * lift - part * (x + y);
        across * across
    });
    let (x0, y0) = ((1.0 + xx).sqrt(), (1.0 + yy).sqrt());
    let opposite = 2.0 * (product_less_one(xx, yy, x0 * y0) + xy);
    let first = wz / (x0 + y0);
    let sinh = (zz / opposite * across + first / opposite * (4.0 * first)).sqrt();
    sinh / (2.0 * lift)
}

/// The law of haversines on the hyperboloid, for squares whose products leave the range of `f64`:
/// `sinh²(d/2) = sinh²((α − β)/2) + sinh α sinh β sin²(θ/2)`, `α` and `β` the distances from the origin.
#[cold]
fn remote<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    let (x_norm, y_norm) = (norm(x), norm(y));
    let radial = ((x_norm.asinh() - y_norm.asinh()) / 2.0).sinh();
    let angular = x_norm.sqrt() * y_norm.sqrt() * (Chord.distance(x, y).to_f64() / 2.0);
    radial.hypot(angular)
}

fn norm<T: Scalar>(x: &[T]) -> f64 {
    let squares = lanes::squared_norm(x);
    if is_safe(squares) {
        squares.sqrt()
    } else {
        Euclidean.distance(x, &vec![T::ZERO; x.len()]).to_f64()
    }
}
