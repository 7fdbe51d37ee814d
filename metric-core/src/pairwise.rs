//! Matrices and lists of distances.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::kernel::pages::zeros;
use crate::rows::Rows;
use crate::tile::{Blocks, chunks, meet};
use crate::{Distance, Element, Error, Form, Scalar, Similarity};

/// Distances between every row of `x` `[n, dim]` and every row of `y` `[m, dim]`: `[n, m]`.
///
/// The one function that stores the whole matrix; everything else walks it. If `x` and `y` are the same view and the
/// distance is symmetric, half of the matrix is computed.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, pairwise};
/// use ndarray::array;
/// let x = array![[0.0f32, 0.0], [3.0, 4.0]];
/// assert_eq!(pairwise(&Euclidean, x.view(), x.view())?, array![[0.0, 5.0], [5.0, 0.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn pairwise<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
) -> Result<Array2<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_sides_for(distance, ("x", x), ("y", y))?;
    Ok(matrix(
        distance.form(),
        &|a, b| distance.distance(a, b),
        &x,
        y.as_ref(),
    ))
}

/// As [`pairwise`], into a matrix `[n, m]` that is already there.
///
/// For matrices that are computed again and again: a fresh one of many megabytes costs as much in memory pages as in
/// distances. A matrix that is not in standard layout is filled by way of a fresh one.
///
/// # Errors
///
/// As [`pairwise`], and [`Error::OutputShape`].
///
/// # Examples
///
/// ```
/// use metric_core::{Manhattan, pairwise_into};
/// use ndarray::{Array2, array};
/// let (x, y) = (array![[0.0f32, 0.0]], array![[3.0, 4.0], [1.0, 1.0]]);
/// let mut out = Array2::zeros((1, 2));
/// pairwise_into(&Manhattan, x.view(), y.view(), out.view_mut())?;
/// assert_eq!(out, array![[7.0, 2.0]]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn pairwise_into<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
    mut out: ArrayViewMut2<'_, E::Acc>,
) -> Result<(), Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_sides_for(distance, ("x", x), ("y", y))?;
    let expected = (x.len(), y.as_ref().unwrap_or(&x).len());
    if out.dim() != expected {
        return Err(Error::OutputShape {
            expected,
            got: out.dim(),
        });
    }
    let pair = |a: &[E::Acc], b: &[E::Acc]| distance.distance(a, b);
    match out.as_slice_mut() {
        Some(entries) => fill(distance.form(), &pair, (&x, y.as_ref()), entries),
        None => out.assign(&matrix(distance.form(), &pair, &x, y.as_ref())),
    }
    Ok(())
}

/// Similarities between every row of `x` `[n, dim]` and every row of `y` `[m, dim]`: `[n, m]`.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::DimMismatch`] or [`Error::NonFinite`].
pub fn pairwise_similarity<E, S>(
    similarity: &S,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
) -> Result<Array2<E::Acc>, Error>
where
    E: Element,
    S: Similarity<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair(("x", x), ("y", y))?;
    let pair = |a: &[E::Acc], b: &[E::Acc]| similarity.similarity(a, b);
    Ok(matrix(similarity.form(), &pair, &x, Some(&y)))
}

fn matrix<T: Scalar>(
    form: Form<'_, T>,
    pair: &(impl Fn(&[T], &[T]) -> T + Sync),
    x: &Rows<'_, T>,
    y: Option<&Rows<'_, T>>,
) -> Array2<T> {
    let (n, m) = (x.len(), y.unwrap_or(x).len());
    let mut out = zeros::<T>(n * m);
    fill(form, pair, (x, y), &mut out);
    Array2::from_shape_vec((n, m), out).expect("n rows of m values")
}

/// Half of a symmetric matrix, where `y` is `None`, is the other half.
fn fill<T: Scalar>(
    form: Form<'_, T>,
    pair: &(impl Fn(&[T], &[T]) -> T + Sync),
    (x, y): (&Rows<'_, T>, Option<&Rows<'_, T>>),
    out: &mut [T],
) {
    let m = y.unwrap_or(x).len();
    let blocks = Blocks::new(form, pair, x, y);
    if y.is_none() {
        let rows = out.chunks_exact_mut(m).collect();
        meet(&blocks, rows, |row, _, first, distances| {
            row[first..first + distances.len()].copy_from_slice(distances);
        });
        return;
    }
    let rows = blocks.rows_at_a_time();
    out.par_chunks_mut(rows * m)
        .zip(chunks(0..x.len(), rows).collect::<Vec<_>>())
        .for_each_init(
            || blocks.scratch(),
            |scratch, (out, rows)| {
                blocks.pack(scratch, rows.clone());
                blocks.block(scratch, rows, 0..m, out, m);
            },
        );
}

/// Distances from one vector `[dim]` to every row of `rows` `[n, dim]`: `[n]`.
///
/// Pair by pair, since there is nothing to share: the rows pass through the processor once.
///
/// # Errors
///
/// As [`pairwise`].
///
/// # Examples
///
/// ```
/// use metric_core::{Minkowski, one_to_many};
/// use ndarray::array;
/// let rows = array![[0.0f32, 0.0], [3.0, 4.0]];
/// let distances = one_to_many(&Minkowski::new(1.0)?, array![1.0, 1.0].view(), rows.view())?;
/// assert_eq!(distances, array![2.0, 5.0]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn one_to_many<E, D>(
    distance: &D,
    query: ArrayView1<'_, E>,
    rows: ArrayView2<'_, E>,
) -> Result<Array1<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let query = query.insert_axis(Axis(0));
    let (query, rows) = Rows::checked_pair_for(distance, ("query", query), ("rows", rows))?;
    Ok(listed(rows.len(), |i| {
        distance.distance(query.row(0), rows.row(i))
    }))
}

/// Distances between rows of the same index of `x` and `y`, both `[n, dim]`: `[n]`.
///
/// # Errors
///
/// As [`pairwise`], and [`Error::RowCount`] if the numbers of rows differ.
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, paired};
/// use ndarray::array;
/// let (x, y) = (array![[0.0f64, 0.0], [1.0, 1.0]], array![[3.0, 4.0], [1.0, 1.0]]);
/// assert_eq!(paired(&Euclidean, x.view(), y.view())?, array![5.0, 0.0]);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn paired<E, D>(
    distance: &D,
    x: ArrayView2<'_, E>,
    y: ArrayView2<'_, E>,
) -> Result<Array1<E::Acc>, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let (x, y) = Rows::checked_pair_for(distance, ("x", x), ("y", y))?;
    if x.len() != y.len() {
        return Err(Error::RowCount {
            left: x.len(),
            right: y.len(),
        });
    }
    Ok(listed(x.len(), |i| distance.distance(x.row(i), y.row(i))))
}

/// The distance of two vectors of one length, in any storage: the checked form of [`Distance::distance`].
///
/// # Errors
///
/// As [`pairwise`].
///
/// # Examples
///
/// ```
/// use half::f16;
/// use metric_core::{Chebyshev, between};
/// let (a, b) = ([1.0, 2.0].map(f16::from_f32), [1.5, 4.0].map(f16::from_f32));
/// assert_eq!(between(&Chebyshev, &a, &b)?, 2.0f32);
/// assert!(between(&Chebyshev, &a, &b[..1]).is_err());
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn between<E, D>(distance: &D, a: &[E], b: &[E]) -> Result<E::Acc, Error>
where
    E: Element,
    D: Distance<E::Acc> + ?Sized,
{
    let row = |row| ArrayView1::from(row).insert_axis(Axis(0));
    let (a, b) = Rows::checked_pair_for(distance, ("a", row(a)), ("b", row(b)))?;
    Ok(distance.distance(a.row(0), b.row(0)))
}

fn listed<T: Scalar>(n: usize, value: impl Fn(usize) -> T + Sync + Send) -> Array1<T> {
    (0..n)
        .into_par_iter()
        .with_min_len(256)
        .map(value)
        .collect::<Vec<T>>()
        .into()
}
