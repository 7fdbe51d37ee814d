//! Gathering, adding and spreading numbers over any [`Collective`].

use super::call::{Call, Operation};
use super::{Collective, CollectiveError, Number};

/// The values of all ranks, in the order of the ranks; these may have different numbers of them.
///
/// Cost: every rank sends its values to every other.
///
/// # Errors
///
/// [`CollectiveError`] if a rank is in another call, or the exchange fails.
pub fn all_gather<T: Number>(
    ranks: &dyn Collective,
    values: &[T],
) -> Result<Vec<Vec<T>>, CollectiveError> {
    gather(ranks, Call::new::<T>(Operation::AllGather, 0), values)
}

/// Replaces the values of every rank by their sums over all ranks, entry by entry; on an error they stay as they are.
///
/// Every sum is added in the order of the ranks, by one of them for all, so that all have the same bits, and have them
/// again whenever the same numbers are added. Integers wrap.
///
/// Cost: every rank sends and receives the size of `values` twice, however many ranks there are.
///
/// # Errors
///
/// [`CollectiveError`] if the ranks differ in the number of values, one is in another call, or the exchange fails.
pub fn all_reduce_sum<T: Number>(
    ranks: &dyn Collective,
    values: &mut [T],
) -> Result<(), CollectiveError> {
    let call = Call::new::<T>(Operation::AllReduce, values.len());
    let (n, size) = (values.len() as u128, ranks.size() as u128);
    // Rank `r` adds up the values from `start(r)` to `start(r + 1)`.
    let start = |rank: usize| (n * rank as u128 / size) as usize;
    let parts: Vec<Vec<u8>> = (0..ranks.size())
        .map(|rank| call.message(&values[start(rank)..start(rank + 1)]))
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut parts = exchange(ranks, call, &parts)?.into_iter();
    let mut sums: Vec<T> = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum = sum.plus(value);
        }
    }
    let sums = gather(ranks, call, &sums)?;
    for (value, sum) in values.iter_mut().zip(sums.into_iter().flatten()) {
        *value = sum;
    }
    Ok(())
}

/// The values of the rank `root`, for all; those that other ranks give are not looked at.
///
/// Cost: the root sends its values to every other rank.
///
/// # Errors
///
/// [`CollectiveError::UnknownRank`] if there is no such rank; others if the ranks differ in `root`, one is in another
/// call, or the exchange fails.
pub fn broadcast<T: Number>(
    ranks: &dyn Collective,
    root: usize,
    values: &[T],
) -> Result<Vec<T>, CollectiveError> {
    let call = Call::new::<T>(Operation::Broadcast, root);
    let own = if ranks.rank() == root { values } else { &[] };
    // With a root that does not exist too: others may have given one that does, and wait.
    let mut received = gather(ranks, call, own)?;
    if root < received.len() {
        Ok(received.swap_remove(root))
    } else {
        let size = ranks.size();
        Err(CollectiveError::UnknownRank { rank: root, size })
    }
}

/// One message for everybody.
fn gather<T: Number>(
    ranks: &dyn Collective,
    call: Call,
    values: &[T],
) -> Result<Vec<Vec<T>>, CollectiveError> {
    let message = call.message(values);
    exchange(ranks, call, &vec![message.as_slice(); ranks.size()])
}

fn exchange<T: Number>(
    ranks: &dyn Collective,
    call: Call,
    messages: &[&[u8]],
) -> Result<Vec<Vec<T>>, CollectiveError> {
    let received = ranks.exchange(messages)?;
    let received = received.iter().enumerate();
    received
        .map(|(rank, message)| call.values(rank, message))
        .collect()
}
