//! Few queries: the base is read once, which costs less than preparing it.

use std::ops::Range;

use rayon::prelude::*;

use super::k_least::KLeast;
use crate::distance::form::{Kind, Map};
use crate::rows::Rows;
use crate::search::Found;
use crate::tile::chunks;
use crate::{Distance, Error, Scalar};

/// At most so many queries.
pub(super) const FEW: usize = 4;

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
    // A finite sum of squares has finite entries only: those rows need no second look.
    let proves = matches!(distance.form().0, Kind::Chords(Map::Identity, _));
    let finite = |row: usize| base.check_part(what, row..row + 1);
    let accepted = |row: usize| {
        let accepted = distance.check(base.row(row));
        accepted.map_err(|error| error.in_row(row))
    };
    let part = |rows: Range<usize>| {
        // Of all refused rows the first is the one to name.
        let first_refused = |error| {
            let mut each = rows.clone();
            let refused = each.find_map(|row| finite(row).and_then(|()| accepted(row)).err());
            refused.unwrap_or(error)
        };
        let mut nearest = none(queries.len(), k);
        // Two streams at a time keep more of the memory busy than one.
        let half = rows.len().div_ceil(2);
        for first in rows.start..rows.start + half {
            for row in [first, first + half] {
                if row == rows.end {
                    continue;
                }
                if !proves {
                    finite(row).map_err(first_refused)?;
                }
                accepted(row).map_err(first_refused)?;
                for (query, nearest) in nearest.iter_mut().enumerate() {
                    let rank = distance.rank(queries.row(query), base.row(row));
                    if !rank.is_finite() {
                        finite(row).map_err(first_refused)?;
                    }
                    nearest.offer(rank, row);
                }
            }
        }
        Ok(nearest)
    };
    let parts: Vec<Result<Vec<KLeast<T>>, Error>> =
        chunks(0..base.len(), base.len().div_ceil(PARTS))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(part)
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
