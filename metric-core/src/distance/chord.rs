//! Distances that see directions only: chord, cosine and angle, all from the chord between unit vectors.

use super::form::{Kind, Map, Value};
use super::{Distance, Form, Law, Metric, Similarity, same_length};
use crate::{Scalar, lanes};

/// Cosine distance.
///
/// ```text
/// d(a, b) = 1 − a·b / (‖a‖ ‖b‖) = ½ ‖a/‖a‖ − b/‖b‖‖²
/// ```
/// In `[0, 2]`. Not a [`Metric`] (use [`Angular`]). Computed from the chord, so small angles keep their digits.
/// A zero vector is at 1 from any other and at 0 from another zero vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cosine;

/// Angle between two vectors, in radians.
///
/// ```text
/// d(a, b) = arccos(a·b / (‖a‖ ‖b‖)) = 2 atan2(‖â − b̂‖, ‖â + b̂‖),   â = a/‖a‖
/// ```
/// In `[0, π]`. The second form is Kahan's: unlike the arc cosine it is accurate at small angles and near `π`.
///
/// A [`Metric`] on directions, thus a pseudometric on vectors: those that differ by a positive factor are at 0,
/// up to rounding. A zero vector is at `π/2` from any other and at 0 from another zero vector, which keeps the
/// triangle inequality. Rounding the unit vectors moves each chord by less than `3 ε` and the sums add `n u` of the
/// angle itself, so that
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 8) ε) + 16 ε
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Angular;

/// Straight line between two directions.
///
/// ```text
/// d(a, b) = ‖a/‖a‖ − b/‖b‖‖ = √(2 − 2 cos(a, b))
/// ```
/// In `[0, 2]`. The Euclidean distance of the unit vectors, hence a [`Metric`] on directions and a pseudometric on
/// vectors. [`Cosine`] is `d²/2`, also for zero vectors: one is at `√2` from any other and at 0 from another zero
/// vector. Rounding the unit vectors moves each chord by less than `3 ε`:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + (n + 8) ε) + 16 ε
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Chord, Distance};
/// assert_eq!(Chord.distance(&[3.0f32, 0.0], &[-5.0, 0.0]), 2.0);
/// assert_eq!(Chord.distance(&[3.0f32, 0.0], &[0.0, 0.0]), 2.0f32.sqrt());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chord;

/// Cosine of the angle between two vectors.
///
/// ```text
/// s(a, b) = a·b / (‖a‖ ‖b‖)
/// ```
/// In `[−1, 1]`, and exactly 1 for equal vectors. A zero vector has 0 with any other and 1 with another zero vector, so that
/// [`Cosine`] is always `1 − s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CosineSimilarity;

impl<T: Scalar> Distance<T> for Cosine {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        let two = T::ONE + T::ONE;
        let Chords { near, far } = chord(a, b);
        // Whichever end is nearer is the accurate one; both forms stay inside [0, 2].
        if near <= two {
            near / two
        } else {
            two - far / two
        }
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(
            Map::Direction { centred: false },
            Value::HalfSquare,
        ))
    }
}

/// Ranked by the tangent of half the angle, which leaves the arc tangent to the few that are kept.
impl<T: Scalar> Distance<T> for Angular {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        self.rank_to_distance(self.rank(a, b))
    }
    fn rank(&self, a: &[T], b: &[T]) -> T {
        let Chords { near, far } = chord(a, b);
        // Opposite vectors: x/0 = ∞, whose arc tangent is π/2.
        near.sqrt() / far.sqrt()
    }
    fn rank_to_distance(&self, rank: T) -> T {
        (T::ONE + T::ONE) * rank.atan()
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(
            Map::Direction { centred: false },
            Value::Angle,
        ))
    }
}

impl<T: Scalar> Metric<T> for Angular {}

/// Ranked by the square.
impl<T: Scalar> Distance<T> for Chord {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        self.rank_to_distance(self.rank(a, b))
    }
    fn rank(&self, a: &[T], b: &[T]) -> T {
        let Chords { near, far } = chord(a, b);
        let two = T::ONE + T::ONE;
        if near <= two { near } else { two + two - far }
    }
    fn rank_to_distance(&self, rank: T) -> T {
        rank.sqrt()
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(
            Map::Direction { centred: false },
            Value::Chord,
        ))
    }
}

impl<T: Scalar> Metric<T> for Chord {}

impl<T: Scalar> Similarity<T> for CosineSimilarity {
    fn similarity(&self, a: &[T], b: &[T]) -> T {
        let two = T::ONE + T::ONE;
        let Chords { near, far } = chord(a, b);
        if near <= two {
            T::ONE - near / two
        } else {
            far / two - T::ONE
        }
    }
    fn form(&self) -> Form<'_, T> {
        Form(Kind::Chords(
            Map::Direction { centred: false },
            Value::Cosine,
        ))
    }
}

/// `near = ‖â − b̂‖²` and `far = ‖â + b̂‖²`; the two add up to 4.
struct Chords<T> {
    near: T,
    far: T,
}

fn chord<T: Scalar>(a: &[T], b: &[T]) -> Chords<T> {
    same_length(a, b);
    let (a_squares, b_squares) = (lanes::squared_norm(a), lanes::squared_norm(b));
    let safe = |squares: f64| squares >= T::SAFE_NORMS.0 && squares <= T::SAFE_NORMS.1;
    if safe(a_squares) && safe(b_squares) {
        unit_chord(a, b, a_squares, b_squares)
    } else {
        rescaled_chord(a, b)
    }
}

#[inline]
fn unit_chord<T: Scalar>(a: &[T], b: &[T], a_squares: f64, b_squares: f64) -> Chords<T> {
    let a_inverse = T::from_f64(1.0 / a_squares.sqrt());
    let b_inverse = T::from_f64(1.0 / b_squares.sqrt());
    let near = lanes::sum(a, b, |x, y| {
        let difference = x * a_inverse - y * b_inverse;
        difference * difference
    });
    // Up to a right angle the difference from 4 keeps its digits, and saves a pass.
    let four = T::from_f64(4.0);
    let far = if near + near <= four {
        four - near
    } else {
        lanes::sum(a, b, |x, y| {
            let total = x * a_inverse + y * b_inverse;
            total * total
        })
    };
    Chords { near, far }
}

/// The same for vectors whose squares leave the range, and for zero vectors.
#[cold]
fn rescaled_chord<T: Scalar>(a: &[T], b: &[T]) -> Chords<T> {
    let (a, b) = (largest_to_one(a), largest_to_one(b));
    let (a_squares, b_squares) = (lanes::squared_norm(&a), lanes::squared_norm(&b));
    let (near, far) = match (a_squares > 0.0, b_squares > 0.0) {
        (true, true) => {
            let Chords { near, far } = unit_chord(&a, &b, a_squares, b_squares);
            (near, far)
        }
        (false, false) => (0.0, 4.0),
        // A right angle: cosine distance 1.
        _ => (2.0, 2.0),
    };
    Chords {
        near: T::from_f64(near),
        far: T::from_f64(far),
    }
}

/// The vector in `f64`, divided by its largest absolute entry.
fn largest_to_one<T: Scalar>(a: &[T]) -> Vec<f64> {
    let largest = a
        .iter()
        .fold(0.0, |largest, x| f64::max(largest, x.to_f64().abs()));
    let scale = if largest > 0.0 { largest } else { 1.0 };
    a.iter().map(|x| x.to_f64() / scale).collect()
}
