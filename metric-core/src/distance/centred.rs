//! Distances that take the mean of each row away first: correlation and signal to noise.

use super::fold::{self, is_safe};
use super::form::{Kind, Map, Value};
use super::{Distance, Form, Law, same_length};
use crate::Scalar;

/// Correlation distance: one minus Pearson's coefficient.
///
/// ```text
/// d(a, b) = 1 − a°·b° / (‖a°‖ ‖b°‖) = ½ ‖a°/‖a°‖ − b°/‖b°‖‖²,   a° = a − mean(a)
/// ```
/// In `[0, 2]`: the cosine distance of the centred rows. A constant row is a zero vector when centred, so it is at 1
/// from any other and at 0 from another constant row. Entries are taken from the row's first entry before the mean
/// is, all in `f64`, and the second form is used: neither an offset common to a row nor a coefficient near 1 costs
/// digits. The result rounds once, beside `(n + 8) ε₆₄` times the largest of these differences in units of the row's
/// standard deviation. Cost: five or six passes over the entries.
///
/// Symmetric, and 0 for rows that a positive scale and an offset turn into each other. Not a [`Metric`](crate::Metric):
/// of three centred rows at 0°, 45° and 90°, `1 > 0.293 + 0.293`.
///
/// # Examples
///
/// ```
/// use metric_core::{Correlation, Distance};
/// assert_eq!(Correlation.distance(&[1.0f32, 2.0, 3.0], &[2.0, 4.0, 6.0]), 0.0);
/// assert_eq!(Correlation.distance(&[1.0f32, 2.0, 3.0], &[1.0, 1.0, 1.0]), 1.0);
/// ```
///
/// ```compile_fail,E0277
/// use metric_core::{Correlation, Metric};
/// fn prune(_: impl Metric<f32>) {}
/// prune(Correlation);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Correlation;

/// Signal-to-noise distance (Yuan et al., *Signal-to-noise ratio: a robust distance metric for deep metric learning*,
/// 2019, <https://arxiv.org/abs/1904.02616>): the inverse of the ratio of signal to noise.
///
/// ```text
/// d(a, b) = var(a − b) / var(a)
/// ```
/// The variances are over the entries. `a` is the anchor: in searches the query, in matrices the row. Zero if `b` is
/// `a` plus a constant. A constant anchor has no signal: any other `b` than such a one is at `∞`. Computed as
/// [`Correlation`] is, with its error relative to the result. Cost: four passes over the entries.
///
/// Not symmetric ([`Law::Asymmetric`]) in spite of the paper's title: `d(a, 2a) = 1`, `d(2a, a) = 1/4`.
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, SignalToNoise};
/// assert_eq!(SignalToNoise.distance(&[1.0f32, -1.0], &[2.0, -2.0]), 1.0);
/// assert_eq!(SignalToNoise.distance(&[2.0f32, -2.0], &[1.0, -1.0]), 0.25);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalToNoise;

impl<T: Scalar> Distance<T> for Correlation {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let a_centred = Centred::new(a, a, |x, _| x);
        let b_centred = Centred::new(b, b, |x, _| x);
        let varies = |row: &Centred| row.squares > 0.0;
        match (varies(&a_centred), varies(&b_centred)) {
            (true, true) => {}
            (false, false) => return T::ZERO,
            _ => return T::ONE,
        }
        let (a_inverse, b_inverse) = (
            1.0 / a_centred.squares.sqrt(),
            1.0 / b_centred.squares.sqrt(),
        );
        let unit = |x: f64, y: f64| {
            let x = a_centred.deviation(x * a_centred.before) * a_inverse;
            let y = b_centred.deviation(y * b_centred.before) * b_inverse;
            (x, y)
        };
        let near = fold::sum(a, b, |x, y| {
            let (x, y) = unit(x, y);
            (x - y) * (x - y)
        });
        if near <= 2.0 {
            return T::from_f64(near / 2.0);
        }
        let far = fold::sum(a, b, |x, y| {
            let (x, y) = unit(x, y);
            (x + y) * (x + y)
        });
        T::from_f64(2.0 - far / 2.0)
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(
            Map::Direction { centred: true },
            Value::HalfSquare,
        ))
    }
}

impl<T: Scalar> Distance<T> for SignalToNoise {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        let noise = Centred::new(a, b, |x, y| x - y);
        let signal = Centred::new(a, a, |x, _| x);
        if noise.squares == 0.0 {
            return T::ZERO;
        }
        // Roots first: the quotient of the squares may leave the range although the factors bring it back.
        let root =
            noise.squares.sqrt() / signal.squares.sqrt() * (signal.factor() / noise.factor());
        T::from_f64(root * root)
    }
    fn law(&self) -> Law {
        Law::Asymmetric
    }
}

/// How values `v(aᵢ, bᵢ)` deviate from their mean, times a power of two that keeps the squares in range.
struct Centred {
    /// The part of the factor that is applied to `a` and `b`, and the part that is applied to differences.
    before: f64,
    after: f64,
    first: f64,
    mean: f64,
    /// Sum of the squared deviations: zero for constant values only.
    squares: f64,
}

impl Centred {
    fn new<T: Scalar>(a: &[T], b: &[T], value: impl Fn(f64, f64) -> f64) -> Self {
        let far = 2.0f64.powi(600);
        let plain = Self::scaled(a, b, &value, (1.0, 1.0));
        if is_safe(plain.squares) {
            plain
        } else if plain.squares < 1.0 {
            Self::scaled(a, b, &value, (1.0, far))
        } else {
            // Too large, or NaN from a difference that was.
            Self::scaled(a, b, &value, (1.0 / far, 1.0))
        }
    }

    #[inline]
    fn scaled<T: Scalar>(
        a: &[T],
        b: &[T],
        value: &impl Fn(f64, f64) -> f64,
        (before, after): (f64, f64),
    ) -> Self {
        let value = |x: f64, y: f64| value(x * before, y * before);
        let first = match (a.first(), b.first()) {
            (Some(x), Some(y)) => value(x.to_f64(), y.to_f64()),
            _ => 0.0,
        };
        let mut centred = Self {
            before,
            after,
            first,
            mean: 0.0,
            squares: 0.0,
        };
        let sum = fold::sum(a, b, |x, y| centred.deviation(value(x, y)));
        centred.mean = sum / a.len().max(1) as f64;
        centred.squares = fold::sum(a, b, |x, y| {
            let deviation = centred.deviation(value(x, y));
            deviation * deviation
        });
        centred
    }

    #[inline]
    fn deviation(&self, value: f64) -> f64 {
        (value - self.first) * self.after - self.mean
    }

    fn factor(&self) -> f64 {
        self.before * self.after
    }
}
