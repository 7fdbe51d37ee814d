//! Graphs made of nearest neighbours.

use rayon::prelude::*;

use super::NeighborLists;
use crate::{Error, Neighbors, Scalar};

/// Edges between rows that are among each other's nearest (k-reciprocal neighbours), with their distances.
///
/// ```text
/// list of i = { j ∈ N(i) : i ∈ N(j) },   in the order of N(i)
/// ```
/// `N(i)` is row `i` of `neighbors`, as [`knn_self`](crate::knn_self) finds it: rows of the set compared with itself. A
/// row listed as its own neighbour is passed over. The graph is symmetric. Cost: `O(n k log k)`.
///
/// # Errors
///
/// [`Error::NeighborShape`] if there are not as many distances as indices, [`Error::NotARow`] for a neighbour that is
/// no row of the set.
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, knn_self, mutual_neighbors};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [3.0]]; // the nearest of the last is the second, but not the reverse
/// let graph = mutual_neighbors(&knn_self(&Euclidean, rows.view(), 1)?)?;
/// assert_eq!((graph.offsets(), graph.indices()), (&[0, 1, 2, 2][..], &[1, 0][..]));
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn mutual_neighbors<T: Scalar>(neighbors: &Neighbors<T>) -> Result<NeighborLists<T>, Error> {
    let sets = sorted_lists(neighbors)?;
    let lists = edges(neighbors)
        .map(|(i, list)| {
            list.filter(|(j, _)| sets[*j].binary_search(&i).is_ok())
                .collect()
        })
        .collect();
    Ok(NeighborLists::from_lists(lists))
}

/// Number of nearest neighbours that two neighbours have in common (Jarvis & Patrick, *Clustering using a similarity
/// measure based on shared near neighbors*, 1973, <https://doi.org/10.1109/T-C.1973.223640>).
///
/// ```text
/// list of i = N(i),   value of (i, j) = |N(i) ∩ N(j)|
/// ```
/// `N(i)` is row `i` of `neighbors`; a row listed as its own neighbour gets no edge, but counts in the intersection.
/// Counted for the edges of the neighbour graph only, so that the result has `n k` entries at most. Deviates from the
/// paper, which puts each row at the head of its own list and demands that the edge be mutual: add 2 to the count of
/// the edges that [`mutual_neighbors`] keeps. Cost: `O(n k²)`.
///
/// # Errors
///
/// As [`mutual_neighbors`].
///
/// # Examples
///
/// ```
/// use metric_core::{Euclidean, knn_self, shared_neighbors};
/// use ndarray::array;
/// let rows = array![[0.0f32], [1.0], [3.0], [7.0]];
/// let graph = shared_neighbors(&knn_self(&Euclidean, rows.view(), 2)?)?;
/// // N(3) = {2, 1}, N(2) = {1, 0}, N(1) = {0, 2}.
/// assert_eq!(graph.list(3), (&[2, 1][..], &[1, 1][..]));
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn shared_neighbors<T: Scalar>(
    neighbors: &Neighbors<T>,
) -> Result<NeighborLists<usize>, Error> {
    let sets = sorted_lists(neighbors)?;
    let lists = edges(neighbors)
        .map(|(i, list)| list.map(|(j, _)| (j, common(&sets[i], &sets[j]))).collect())
        .collect();
    Ok(NeighborLists::from_lists(lists))
}

/// Every row with its neighbours other than itself and their distances.
fn edges<T: Scalar>(
    neighbors: &Neighbors<T>,
) -> impl IndexedParallelIterator<Item = (usize, impl Iterator<Item = (usize, T)>)> {
    (0..neighbors.indices.nrows())
        .into_par_iter()
        .map(move |i| {
            let (indices, distances) = (neighbors.indices.row(i), neighbors.distances.row(i));
            let list = indices
                .into_iter()
                .copied()
                .zip(distances.into_iter().copied());
            (i, list.filter(move |&(j, _)| j != i))
        })
}

/// The neighbours of every row by index, once they are seen to be rows of the set.
fn sorted_lists<T: Scalar>(neighbors: &Neighbors<T>) -> Result<Vec<Vec<usize>>, Error> {
    let Neighbors { indices, distances } = neighbors;
    if indices.dim() != distances.dim() {
        return Err(Error::NeighborShape {
            expected: indices.dim(),
            got: distances.dim(),
        });
    }
    let rows = indices.nrows();
    if let Some(((row, _), &neighbor)) = indices.indexed_iter().find(|&(_, &j)| j >= rows) {
        return Err(Error::NotARow {
            row,
            neighbor,
            rows,
        });
    }
    let sorted = |row: usize| {
        let mut list = indices.row(row).to_vec();
        list.sort_unstable();
        list
    };
    Ok((0..rows).into_par_iter().map(sorted).collect())
}

/// Size of the intersection of two sorted lists.
fn common(a: &[usize], b: &[usize]) -> usize {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut count = 0;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => a.next(),
            std::cmp::Ordering::Greater => b.next(),
            std::cmp::Ordering::Equal => {
                count += 1;
                a.next();
                b.next()
            }
        };
    }
    count
}
