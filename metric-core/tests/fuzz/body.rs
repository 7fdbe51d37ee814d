//! What holds for any two matrices: read from arbitrary bytes here, thrown at by `tests/fuzz.rs` and by `fuzz/`.
//!
//! The bytes choose number type, distance, shapes (odd and empty ones too), memory layout and values; when they run
//! out, a generator seeded by all of them goes on, so that short inputs make whole matrices as well.

pub(crate) mod input;

use metric_core::{
    Angular, Cosine, Distance, Error, Euclidean, Mahalanobis, Minkowski, Neighbors, Scalar,
    SquaredEuclidean, knn, knn_self, pairwise,
};
use ndarray::{Array2, ArrayView1, ArrayView2};

use input::{Bytes, Matrix};

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Refused, and rightly.
    Refused,
    /// Computed, and right.
    Compared,
}

/// Checks everything on the matrices that `bytes` mean.
///
/// # Panics
///
/// If something does not hold.
pub(crate) fn check(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    if bytes.below(2) == 0 {
        check_as::<f32>(&mut bytes)
    } else {
        check_as::<f64>(&mut bytes)
    }
}

fn check_as<T: Scalar>(bytes: &mut Bytes<'_>) -> Outcome {
    let name = Name::ALL[bytes.below(Name::ALL.len())];
    let dim = bytes.size();
    // One time in sixteen the rows do not fit.
    let other_dim = if bytes.below(16) == 1 && name != Name::Mahalanobis {
        bytes.size()
    } else {
        dim
    };
    let x = Matrix::<T>::read(bytes, dim);
    let y = Matrix::<T>::read(bytes, other_dim);
    let k = bytes.below(6);
    let (x, y) = (x.view(), y.view());
    match name {
        Name::Euclidean => check_laws(&Euclidean, name, x, y, k),
        Name::SquaredEuclidean => check_laws(&SquaredEuclidean, name, x, y, k),
        Name::Cosine => check_laws(&Cosine, name, x, y, k),
        Name::Angular => check_laws(&Angular, name, x, y, k),
        Name::Minkowski(p) => {
            let distance = Minkowski::new(p).expect("every order here is at least 1");
            check_laws(&distance, name, x, y, k)
        }
        Name::Mahalanobis => {
            let precision =
                Array2::from_shape_fn((dim, dim), |(i, j)| T::from_f64(precision(i, j)));
            match Mahalanobis::from_precision(precision.view()) {
                Ok(distance) => check_laws(&distance, name, x, y, k),
                Err(error) => {
                    assert!(dim == 0, "{dim} columns: {error}");
                    Outcome::Refused
                }
            }
        }
    }
}

/// Diagonally dominant: eigenvalues between 2 and 6.
fn precision(i: usize, j: usize) -> f64 {
    match i.abs_diff(j) {
        0 => 4.0,
        1 => 1.0,
        _ => 0.0,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Euclidean,
    SquaredEuclidean,
    Cosine,
    Angular,
    Minkowski(f64),
    Mahalanobis,
}

impl Name {
    const ALL: [Self; 12] = [
        Self::Euclidean,
        Self::SquaredEuclidean,
        Self::Cosine,
        Self::Angular,
        Self::Mahalanobis,
        Self::Minkowski(1.0),
        Self::Minkowski(f64::INFINITY),
        Self::Minkowski(1.5),
        Self::Minkowski(2.0),
        Self::Minkowski(2.7),
        Self::Minkowski(3.0),
        Self::Minkowski(7.5),
    ];

    /// The plain definition, in `f64`.
    fn plain(self, a: &[f64], b: &[f64]) -> f64 {
        let difference: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
        let largest = largest(&difference);
        // Infinite differences are beyond the type. Others are divided by the largest, so that no power overflows.
        let scaled = |power_sum: &dyn Fn(&[f64]) -> f64| {
            if largest == 0.0 || largest.is_infinite() {
                return largest;
            }
            let scaled: Vec<f64> = difference.iter().map(|d| d.abs() / largest).collect();
            largest * power_sum(&scaled)
        };
        let squares = |d: &[f64]| d.iter().map(|d| d * d).sum::<f64>();
        match self {
            Self::Euclidean => scaled(&|d| squares(d).sqrt()),
            Self::SquaredEuclidean => scaled(&|d| squares(d).sqrt()).powi(2),
            Self::Minkowski(p) if p.is_infinite() => largest,
            Self::Minkowski(p) => {
                scaled(&|d| d.iter().map(|d| d.powf(p)).sum::<f64>().powf(1.0 / p))
            }
            Self::Mahalanobis => {
                if largest == 0.0 || largest.is_infinite() {
                    return largest;
                }
                let d: Vec<f64> = difference.iter().map(|d| d / largest).collect();
                let row = |i: usize| -> f64 { (0..d.len()).map(|j| precision(i, j) * d[j]).sum() };
                largest * (0..d.len()).map(|i| d[i] * row(i)).sum::<f64>().sqrt()
            }
            Self::Cosine => match directions(a, b) {
                (Some(u), Some(v)) => squares(&subtract(&u, &v)) / 2.0,
                (None, None) => 0.0,
                _ => 1.0,
            },
            // Kahan's form, which is exact at both ends.
            Self::Angular => match directions(a, b) {
                (Some(u), Some(v)) => {
                    let opposite: Vec<f64> = v.iter().map(|x| -x).collect();
                    let (chord, rest) = (subtract(&u, &v), subtract(&u, &opposite));
                    2.0 * squares(&chord).sqrt().atan2(squares(&rest).sqrt())
                }
                (None, None) => 0.0,
                _ => std::f64::consts::FRAC_PI_2,
            },
        }
    }

    /// Relative and absolute error allowed for vectors of length `dim`.
    ///
    /// The relative part is that of the reference cases, 1e-4 in `f32` and 1e-9 in `f64`, far above the `(dim + 10) ε`
    /// of direct sums: a matrix product may leave more. It holds whatever the size of the numbers. What is below the
    /// least normal number is off by up to half the least positive one a term and once in the result. Of directions
    /// the entries are off by `(dim + 16) ε` on either side, in the code and, for `f64`, in the definition.
    fn tolerance<T: Scalar>(self, dim: usize) -> (f64, f64) {
        let single = is_single::<T>();
        let relative = if single { 1e-4 } else { 1e-9 };
        let least = if single {
            f64::from(f32::from_bits(1))
        } else {
            f64::from_bits(1)
        };
        let absolute = match self {
            Self::Cosine | Self::Angular => 2.0 * (dim as f64 + 16.0) * T::EPSILON.to_f64(),
            _ => (dim as f64 + 1.0) * least,
        };
        (relative, absolute)
    }
}

fn is_single<T: Scalar>() -> bool {
    size_of::<T>() == 4
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, x| f64::max(most, x.abs()))
}

fn subtract(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x - y).collect()
}

/// Unit vectors; none for a zero vector.
fn directions(a: &[f64], b: &[f64]) -> (Option<Vec<f64>>, Option<Vec<f64>>) {
    let unit = |a: &[f64]| {
        let largest = largest(a);
        let scaled: Vec<f64> = a.iter().map(|x| x / largest).collect();
        let norm = scaled.iter().map(|x| x * x).sum::<f64>().sqrt();
        (largest > 0.0).then(|| scaled.iter().map(|x| x / norm).collect())
    };
    (unit(a), unit(b))
}

fn check_laws<T: Scalar>(
    distance: &dyn Distance<T>,
    name: Name,
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    k: usize,
) -> Outcome {
    let found = pairwise(distance, x, y);
    let near = knn(distance, x, y, k);
    if is_bad(x) || is_bad(y) || x.ncols() != y.ncols() {
        expect_refusal(found.err());
        expect_refusal(near.err());
        return Outcome::Refused;
    }
    let found = found.expect("finite matrices of one width are not refused");
    assert_eq!(found.dim(), (x.nrows(), y.nrows()));
    let plain = Array2::from_shape_fn(found.dim(), |(i, j)| {
        name.plain(&in_f64(x.row(i)), &in_f64(y.row(j)))
    });
    let tolerance = name.tolerance::<T>(x.ncols());
    let back = pairwise(distance, y, x).expect("as the other way round");
    for ((i, j), &got) in found.indexed_iter() {
        assert_close(got, plain[[i, j]], tolerance, (name, i, j));
        assert!(
            got.total_cmp(&back[[j, i]]).is_eq(),
            "{name:?}: d({i}, {j}) is {got}, the other way round {}",
            back[[j, i]]
        );
        let single = distance.distance(&x.row(i).to_vec(), &y.row(j).to_vec());
        assert_close(single, plain[[i, j]], tolerance, (name, i, j));
    }
    let own = pairwise(distance, x, x).expect("as with the other matrix");
    for (i, &zero) in own.diag().iter().enumerate() {
        assert!(zero == T::ZERO, "{name:?}: row {i} is {zero} from itself");
    }
    match near {
        Err(error) => assert!(k == 0 && error == Error::ZeroNeighbors, "{error}"),
        Ok(near) => check_neighbours(&near, k.min(y.nrows()), &plain, |_| None, (name, tolerance)),
    }
    match knn_self(distance, x, k) {
        Err(error) => assert!(k == 0 && error == Error::ZeroNeighbors, "{error}"),
        Ok(near) => {
            let plain = Array2::from_shape_fn(own.dim(), |(i, j)| {
                name.plain(&in_f64(x.row(i)), &in_f64(x.row(j)))
            });
            let k = k.min(x.nrows() - 1);
            check_neighbours(&near, k, &plain, Some, (name, tolerance));
        }
    }
    Outcome::Compared
}

/// Every row's neighbours are others than `left_out(row)`, nearest first, and as near as the nearest by definition.
fn check_neighbours<T: Scalar>(
    near: &Neighbors<T>,
    k: usize,
    plain: &Array2<f64>,
    left_out: impl Fn(usize) -> Option<usize>,
    (name, tolerance): (Name, (f64, f64)),
) {
    assert_eq!(near.indices.dim(), (plain.nrows(), k));
    assert_eq!(near.distances.dim(), (plain.nrows(), k));
    for (row, all) in plain.outer_iter().enumerate() {
        let others = (0..all.len()).filter(|&index| Some(index) != left_out(row));
        let mut nearest: Vec<f64> = others.map(|index| all[index]).collect();
        nearest.sort_by(f64::total_cmp);
        let mut seen: Vec<usize> = left_out(row).into_iter().collect();
        let mut before = T::ZERO;
        let found = near
            .indices
            .row(row)
            .into_iter()
            .zip(near.distances.row(row));
        for ((&index, &got), want) in found.zip(nearest) {
            assert!(!seen.contains(&index), "{name:?}: row {row}, {index}");
            seen.push(index);
            assert_close(got, all[index], tolerance, (name, row, index));
            assert_close(got, want, tolerance, (name, row, index));
            assert!(before <= got, "{name:?}: row {row}, {index}");
            before = got;
        }
    }
}

fn in_f64<T: Scalar>(row: ArrayView1<'_, T>) -> Vec<f64> {
    row.iter().map(|x| x.to_f64()).collect()
}

fn is_bad<T: Scalar>(x: ArrayView2<'_, T>) -> bool {
    x.is_empty() || !x.iter().all(|x| x.is_finite())
}

#[track_caller]
fn expect_refusal(error: Option<Error>) {
    assert!(
        matches!(
            error,
            Some(
                Error::Empty { .. }
                    | Error::DimMismatch { .. }
                    | Error::NonFinite { .. }
                    | Error::ZeroNeighbors
            )
        ),
        "{error:?}"
    );
}

#[track_caller]
fn assert_close<T: Scalar>(
    got: T,
    want: f64,
    (relative, absolute): (f64, f64),
    at: (Name, usize, usize),
) {
    let most = if is_single::<T>() {
        f64::from(f32::MAX)
    } else {
        f64::MAX
    };
    let got = got.to_f64();
    let close = if want >= most * (1.0 - relative) {
        // At the end of the range either side may have left it.
        got >= most * (1.0 - 2.0 * relative)
    } else {
        got.is_finite() && (got - want).abs() <= relative * want + absolute
    };
    assert!(close && got >= 0.0, "{at:?}: got {got:e}, want {want:e}");
}
