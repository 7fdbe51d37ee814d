//! Every distance of the crate, and rows that are hard for it.

use metric_core::{
    Angular, BrayCurtis, Canberra, Chebyshev, Chord, Correlation, Cosine, Distance, Euclidean,
    GreatCircle, Hamming, Hellinger, Jaccard, JensenShannon, Lorentz, Mahalanobis, Manhattan,
    Metric, Minkowski, Poincare, Scalar, SignalToNoise, SquaredEuclidean,
};
use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A distance, the rows it takes, and how near its matrix must be to the values of the pairs.
pub(crate) struct Case<T: Scalar> {
    pub(crate) name: String,
    kind: Kind<T>,
    pub(crate) domain: Domain,
    pub(crate) agreement: Agreement,
}

enum Kind<T: Scalar> {
    Metric(Box<dyn Metric<T>>),
    Other(Box<dyn Distance<T>>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Domain {
    Any,
    Histograms,
    Ball,
    Hyperboloid,
    Coordinates,
}

/// How a matrix may differ from the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Agreement {
    /// Not at all.
    Bits,
    /// By the rounding of two sums of terms.
    Terms,
    /// By what cancellation leaves of a squared chord, times a factor for the function of it.
    Chord(f64),
    /// As `Chord(0.5)`, and by the rounding of a linear map of this norm.
    Image(f64),
}

impl<T: Scalar> Case<T> {
    pub(crate) fn distance(&self) -> &dyn Distance<T> {
        match &self.kind {
            Kind::Metric(metric) => metric.as_ref(),
            Kind::Other(distance) => distance.as_ref(),
        }
    }

    pub(crate) fn metric(&self) -> Option<&dyn Metric<T>> {
        match &self.kind {
            Kind::Metric(metric) => Some(metric.as_ref()),
            Kind::Other(_) => None,
        }
    }

    /// Bounds of the relative and the absolute difference of a matrix from its pairs, for rows of length `dim` whose
    /// largest entry is `largest`.
    ///
    /// Terms: sums of `n` terms of one sign, each off by `(n + 32) ε` with room for the powers, from both sides.
    ///
    /// Chords: with norms `a = ‖x‖²` and `b = ‖y‖²`, the square `a + b − 2 x·y` is off by at most `(n + 8) u (a + b)`, and is
    /// computed by the definition unless it is above `(a + b)/32`. That leaves `32 (n + 8) u` of the square and half of it
    /// of the root; in `f32` no more than the `1e-4` that the reference cases grant. The definition's own `(n + 8) u` is
    /// beside it.
    ///
    /// A linear map of norm `f` adds `(n + 4) ε₆₄ f` times the length of a row, at most `√n` times its largest
    /// entry, for each of both rows and each of both sides.
    pub(crate) fn tolerance(&self, dim: usize, largest: f64) -> (f64, f64) {
        let (n, epsilon) = (dim as f64, T::EPSILON.to_f64());
        let chord = |factor: f64| {
            let cancelled = factor * 32.0 * (n + 8.0) * epsilon / 2.0;
            let ceiling = if epsilon > 1e-10 { 1e-4 } else { 1.0 };
            cancelled.min(ceiling) + (n + 8.0) * epsilon
        };
        // Results that are subnormal numbers round to whole multiples of the least one.
        let least = if epsilon > 1e-10 { 1.4e-45 } else { 5e-324 };
        match self.agreement {
            Agreement::Bits => (0.0, 0.0),
            Agreement::Terms => (2.0 * (n + 32.0) * epsilon, 2.0 * least),
            Agreement::Chord(factor) => (chord(factor), 2.0 * least),
            Agreement::Image(norm) => {
                let map = 4.0 * (n + 4.0) * f64::EPSILON * norm * n.sqrt() * largest;
                (chord(0.5), map + 2.0 * least)
            }
        }
    }
}

fn metric<T: Scalar>(
    name: &str,
    metric: impl Metric<T> + 'static,
    domain: Domain,
    agreement: Agreement,
) -> Case<T> {
    Case {
        name: name.to_owned(),
        kind: Kind::Metric(Box::new(metric)),
        domain,
        agreement,
    }
}

fn other<T: Scalar>(
    name: &str,
    distance: impl Distance<T> + 'static,
    agreement: Agreement,
) -> Case<T> {
    Case {
        name: name.to_owned(),
        kind: Kind::Other(Box::new(distance)),
        domain: Domain::Any,
        agreement,
    }
}

/// All distances for rows of this length.
pub(crate) fn cases<T: Scalar>(dim: usize) -> Vec<Case<T>> {
    use Agreement::{Bits, Chord as OfChord, Terms};
    use Domain::{Any, Ball, Coordinates, Histograms, Hyperboloid};
    let mut all = vec![
        metric("euclidean", Euclidean, Any, OfChord(0.5)),
        other("squared euclidean", SquaredEuclidean, OfChord(1.0)),
        metric("manhattan", Manhattan, Any, Terms),
        metric("chebyshev", Chebyshev, Any, Bits),
        metric("canberra", Canberra, Any, Terms),
        other("bray-curtis", BrayCurtis, Bits),
        metric("hamming", Hamming, Any, Bits),
        metric("jaccard", Jaccard, Any, Bits),
        other("cosine", Cosine, OfChord(1.0)),
        // Angles near a straight one, where asin is steep, are computed by the definition too: 4 − c² > 1/16 there, so
        // that the angle, above 2, moves by less than 8 times as much as the chord, 8/2 of it.
        metric("angular", Angular, Any, OfChord(4.0)),
        metric("chord", Chord, Any, OfChord(0.5)),
        other("correlation", Correlation, OfChord(1.0)),
        other("signal to noise", SignalToNoise, Bits),
        metric("jensen-shannon", JensenShannon, Histograms, Bits),
        metric("hellinger", Hellinger, Histograms, OfChord(0.5)),
        metric("poincare", Poincare, Ball, Bits),
        metric("lorentz", Lorentz, Hyperboloid, Bits),
    ];
    for (p, agreement) in [
        (1.0, Terms),
        (1.5, Terms),
        (2.0, OfChord(0.5)),
        (2.7, Terms),
        (3.0, Terms),
        (8.0, Terms),
        (40.0, Bits),
        (f64::INFINITY, Bits),
    ] {
        let name = format!("minkowski {p}");
        all.push(metric(&name, Minkowski::new(p).unwrap(), Any, agreement));
    }
    if dim == 2 {
        all.push(metric(
            "great circle",
            GreatCircle::unit(),
            Coordinates,
            Bits,
        ));
    }
    for (name, out, weakest) in [
        ("mahalanobis", dim, 0.5),
        ("mahalanobis, badly conditioned", dim, 1e-6),
        ("mahalanobis, rank one", 1, 1.0),
        ("mahalanobis, more rows than columns", dim + 3, 1.0),
    ] {
        let map = map(out, dim, weakest);
        let norm = map.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mahalanobis = Mahalanobis::<T>::from_map(map.mapv(T::from_f64).view()).unwrap();
        all.push(metric(name, mahalanobis, Any, Agreement::Image(norm)));
    }
    all
}

/// A map that turns neighbouring coordinates into each other and then scales them by 1 down to `weakest`.
fn map(out: usize, dim: usize, weakest: f64) -> Array2<f64> {
    let scale = |i: usize| weakest.powf(i as f64 / (out.max(2) - 1) as f64);
    Array2::from_shape_fn((out, dim), |(i, j)| {
        let mixed = if i % dim == j {
            1.0
        } else {
            0.4 * ((3 * i + 5 * j) as f64).sin() / dim as f64
        };
        f64::from((scale(i) * mixed) as f32)
    })
}

/// Sets of `n` rows of any entries, by name.
pub(crate) fn row_sets<T: Scalar>(
    n: usize,
    dim: usize,
    seed: u64,
) -> Vec<(&'static str, Array2<f64>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut entry = |_| rng.random_range(-1.0..1.0f64);
    let mut ordinary = || Array2::from_shape_fn((n, dim), &mut entry);
    let [subnormal, least, most] = if T::EPSILON.to_f64() > 1e-10 {
        [1e-40, 1e-30, 1e36]
    } else {
        [1e-310, 1e-200, 1e200]
    };
    let mut near = ordinary();
    for i in 1..n {
        if i % 3 != 0 {
            let before = near.row(i - i % 3).to_owned();
            let share = 10f64.powi(-(i as i32 % 5) - 3);
            near.row_mut(i)
                .zip_mut_with(&before, |x, b| *x = b + share * *x);
        }
    }
    let mut copies = ordinary();
    for i in 4..n {
        if i % 2 == 0 {
            let other = copies.row(i % 4).to_owned();
            copies.row_mut(i).assign(&other);
        }
    }
    let mut mixed_rows = ordinary();
    for (i, mut row) in mixed_rows.rows_mut().into_iter().enumerate() {
        row *= 10f64.powi((i * 7 % 37) as i32 - 18);
    }
    let mut mixed_entries = ordinary();
    for ((i, j), x) in mixed_entries.indexed_iter_mut() {
        *x *= 10f64.powi(((i * 11 + j * 7) % 37) as i32 - 18);
    }
    let mut zeros = ordinary();
    zeros
        .rows_mut()
        .into_iter()
        .step_by(3)
        .for_each(|mut row| row.fill(0.0));
    let mut heavy = ordinary();
    let outlier = n / 2;
    heavy.row_mut(outlier).mapv_inplace(|x| 1e6 * x);
    let mut opposite = ordinary();
    for i in 1..n {
        if i % 2 == 1 {
            let before = opposite.row(i - 1).to_owned();
            opposite
                .row_mut(i)
                .zip_mut_with(&before, |x, b| *x = -b + 1e-5 * *x * f64::from(i as u8 % 4));
        }
    }
    let mut ends = ordinary();
    for (i, mut row) in ends.rows_mut().into_iter().enumerate() {
        row *= [most, least, 1.0][i % 3];
    }
    let mut constant = ordinary();
    for (i, mut row) in constant.rows_mut().into_iter().enumerate() {
        if i % 2 == 0 {
            let value = row[0];
            row.fill(value);
        }
    }
    vec![
        ("ordinary", ordinary()),
        ("far away", ordinary() + 1e4),
        ("far away and close together", 1e4 + 1e-3 * ordinary()),
        ("near duplicates", near),
        ("copies", copies),
        ("huge", 1e18 * ordinary()),
        ("small", 1e-18 * ordinary()),
        ("rows of any size", mixed_rows),
        ("entries of any size", mixed_entries),
        ("zero rows", zeros),
        ("subnormal", subnormal * ordinary()),
        ("squares underflow", least * ordinary()),
        ("squares overflow", most * ordinary()),
        ("grid", ordinary().mapv(|x| (2.5 * x).round() / 2.0)),
        ("rows of both ends of the range", ends),
        ("one far row", heavy),
        ("opposite", opposite),
        ("constant rows", constant),
    ]
}

impl Domain {
    /// Rows of the domain made of any rows, in the type that they are used in.
    pub(crate) fn rows<T: Scalar>(self, rows: &Array2<f64>) -> Array2<T> {
        let mut rows = rows.clone();
        match self {
            Self::Any => {}
            Self::Histograms => rows.mapv_inplace(f64::abs),
            Self::Ball => {
                for mut row in rows.rows_mut() {
                    let norm = norm(row.iter());
                    // To the border, but for the rounding of the entries.
                    row *= (1.0 - 1e-4) / (1.0 + norm);
                }
            }
            Self::Hyperboloid => {
                for mut row in rows.rows_mut() {
                    row[0] = 0.0;
                    let norm = norm(row.iter());
                    if norm > 1.0 {
                        row *= norm.ln_1p() / norm;
                    }
                    let squares: f64 = row.iter().map(|x| x * x).sum();
                    row[0] = (1.0 + squares).sqrt();
                }
            }
            Self::Coordinates => {
                for mut row in rows.rows_mut() {
                    row.mapv_inplace(f64::atan);
                    row[1] *= 2.0;
                }
            }
        }
        rows.mapv(T::from_f64)
    }
}

fn norm<'a>(row: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    let largest = row.clone().fold(0.0, |m, x| f64::max(m, x.abs()));
    let scale = if largest > 0.0 { largest } else { 1.0 };
    row.map(|x| x / scale).map(|x| x * x).sum::<f64>().sqrt() * scale
}

/// Runs a check on every case, every set of rows and every shape `(rows of x, rows of y, columns)`, and lists what it
/// finds.
pub(crate) fn everywhere<T: Scalar>(
    shapes: &[(usize, usize, usize)],
    check: impl Fn(&Case<T>, &Array2<T>, &Array2<T>) -> Result<(), String>,
) {
    let mut found = Vec::new();
    for (seed, &(n, m, dim)) in (1..).zip(shapes) {
        let sets = row_sets::<T>(n + m, dim, seed);
        for case in cases::<T>(dim) {
            for (set, rows) in &sets {
                let rows = case.domain.rows::<T>(rows);
                let (x, y) = (rows.slice(s![..n, ..]), rows.slice(s![n.., ..]));
                if let Err(what) = check(&case, &x.to_owned(), &y.to_owned()) {
                    found.push(format!("{}, {set}, {n} x {m} x {dim}: {what}", case.name));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What is wrong, unless a condition holds.
#[allow(unused_macros, reason = "each test file uses its own part")]
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        // Not its negation, which NaN would pass.
        if $condition {
        } else {
            return Err(format!($($what)+));
        }
    };
}
#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use ensure;
