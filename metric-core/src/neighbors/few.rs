//! Few queries: the base is read once, which costs less than preparing it.

use rayon::prelude::*;

use super::k_least::KLeast;
use crate::rows::Rows;
use crate::search::Found;
use crate::tile::chunks;
use crate::{Distance, Error, Scalar};

/// At most so many queries.
pub(super) const FEW: usize = 4;

/// Numbers of the base that are checked and then compared while they are in cache.
const CACHED: usize = 1 << 15;
/// Parts of the base that may run in parallel.
const PARTS: usize = 16;

/// The `k` nearest rows of a base that nobody has checked yet, by the definition.
pub(super) fn nearest_to_few<T, D>(
    distance: &D,
    queries: &Rows<'_, T>,
    (what, base): (&'static str, &Rows<'_, T>),
    k: usize,
) -> Result<Found<T>, Error>
where
    T: Scalar,
    D: Distance<T> + ?Sized,
{
    let parts: Vec<Result<Vec<KLeast<T>>, Error>> =
        chunks(0..base.len(), base.len().div_ceil(PARTS))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|part| {
                let mut nearest = none(queries.len(), k);
                for rows in chunks(part, (CACHED / base.dim()).max(1)) {
                    base.check_part(what, rows.clone())?;
                    for row in rows.clone() {
                        let checked = distance.check(base.row(row));
                        checked.map_err(|error| error.in_row(row))?;
                    }
                    for (query, nearest) in nearest.iter_mut().enumerate() {
                        for row in rows.clone() {
                            let rank = distance.rank(queries.row(query), base.row(row));
                            nearest.offer(rank, row);
                        }
                    }
                }
                Ok(nearest)
            })
            .collect();
    let mut all = none(queries.len(), k);
    for part in parts {
        for (all, found) in all.iter_mut().zip(part?) {
            for (index, rank) in found.into_sorted() {
                all.offer(rank, index);
            }
        }
    }
    let found = all.into_iter().map(|nearest| {
        let found = nearest.into_sorted();
        found
            .map(|(index, rank)| (index, distance.rank_to_distance(rank)))
            .collect()
    });
    Ok(found.collect())
}

fn none<T: Scalar>(queries: usize, k: usize) -> Vec<KLeast<T>> {
    (0..queries).map(|_| KLeast::new(k)).collect()
}
