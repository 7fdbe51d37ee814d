//! Exchange between threads: what everybody gets, and what becomes of those left waiting.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and every rank has the same bits"
)]

use std::fmt::Debug;
use std::thread;
use std::time::Duration;

use metric_core::collective::{
    Collective, CollectiveError, InProcess, all_gather, all_reduce_sum, broadcast,
};
use proptest::prelude::*;

/// What each of `size` ranks returns, in order.
fn on<R: Send + 'static>(
    size: usize,
    run: impl Fn(InProcess) -> R + Clone + Send + 'static,
) -> Vec<R> {
    let threads = InProcess::group(size).into_iter().map(|rank| {
        let run = run.clone();
        thread::spawn(move || run(rank))
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

fn assert_all<R: PartialEq + Debug>(got: &[R], expected: &R) {
    for (rank, got) in got.iter().enumerate() {
        assert_eq!(got, expected, "rank {rank}");
    }
}

/// Values of every rank; an `f32` here is any number, as bits are what is compared.
fn of_ranks<T: Clone + Debug>(
    values: impl Strategy<Value = Vec<T>> + Clone,
) -> impl Strategy<Value = Vec<Vec<T>>> {
    prop::collection::vec(values, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_ranks_gather_all_values_in_the_order_of_the_ranks(
        bits in of_ranks(prop::collection::vec(any::<u32>(), 0..20)),
    ) {
        let values: Vec<Vec<f32>> = bits
            .iter()
            .map(|row| row.iter().copied().map(f32::from_bits).collect())
            .collect();
        let got = on(values.len(), move |rank| {
            let all = all_gather(&rank, &values[rank.rank()]).unwrap();
            all.iter().map(|row| row.iter().map(|v| v.to_bits()).collect()).collect()
        });
        assert_all::<Vec<Vec<u32>>>(&got, &bits);
    }

    #[test]
    fn sums_have_the_bits_of_a_loop_over_the_ranks(
        (size, values) in (1usize..6, 0usize..9).prop_flat_map(|(size, n)| {
            let one = prop::collection::vec(-1e6f64..1e6, n);
            (Just(size), prop::collection::vec(one, size))
        }),
    ) {
        let mut expected = values[0].clone();
        for row in &values[1..] {
            expected.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        let in_f32 = |v: &f64| *v as f32;
        let mut expected_in_f32: Vec<f32> = values[0].iter().map(in_f32).collect();
        for row in &values[1..] {
            expected_in_f32.iter_mut().zip(row).for_each(|(sum, v)| *sum += in_f32(v));
        }
        let got = on(size, move |rank| {
            let mut sum = values[rank.rank()].clone();
            let mut sum_in_f32: Vec<f32> = sum.iter().map(in_f32).collect();
            all_reduce_sum(&rank, &mut sum).unwrap();
            all_reduce_sum(&rank, &mut sum_in_f32).unwrap();
            (sum, sum_in_f32)
        });
        assert_all(&got, &(expected, expected_in_f32));
    }

    #[test]
    fn the_values_of_the_root_reach_all(
        values in of_ranks(prop::collection::vec(any::<i64>(), 0..20)),
        root in 0usize..6,
    ) {
        let root = root % values.len();
        let expected = values[root].clone();
        let got = on(values.len(), move |rank| {
            broadcast(&rank, root, &values[rank.rank()]).unwrap()
        });
        assert_all(&got, &expected);
    }
}

#[test]
fn sums_of_integers_wrap() {
    let got = on(2, |rank| {
        let mut sum = [i64::MAX, -3];
        all_reduce_sum(&rank, &mut sum).unwrap();
        sum
    });
    assert_all(&got, &[-2, -6]);
}

#[test]
fn calls_follow_each_other_without_mixing_however_slow_a_rank_is() {
    let got = on(3, |rank| {
        let mut seen = Vec::new();
        for round in 0..20i64 {
            if round as usize % 3 == rank.rank() {
                thread::sleep(Duration::from_millis(1));
            }
            let own = [round * 10 + rank.rank() as i64];
            seen.extend(all_gather(&rank, &own).unwrap().concat());
        }
        seen
    });
    let expected = (0..20).flat_map(|round| (0..3).map(move |rank| round * 10 + rank));
    assert_all(&got, &expected.collect());
}

#[test]
fn a_rank_that_panics_leaves_an_error_with_the_others() {
    let ranks = InProcess::group(3).into_iter().map(|rank| {
        thread::spawn(move || {
            all_gather(&rank, &[1.0f32]).unwrap();
            assert!(rank.rank() != 1, "as planned");
            let first = all_gather(&rank, &[2.0f32]);
            let second = all_gather(&rank, &[2.0f32]);
            (first, second)
        })
    });
    let ranks: Vec<_> = ranks.collect();
    let results: Vec<_> = ranks.into_iter().map(thread::JoinHandle::join).collect();
    assert!(results[1].is_err());
    for rank in [0, 2] {
        // Who leaves because of the first to leave may be noticed before it.
        let (first, second) = results[rank].as_ref().unwrap();
        assert!(
            matches!(first, Err(CollectiveError::Left { .. })),
            "{first:?}"
        );
        assert_eq!(first, second);
    }
}

#[test]
fn a_rank_that_left_after_its_last_call_is_not_missed() {
    let got = on(4, |rank| {
        if rank.rank() > 0 {
            thread::sleep(Duration::from_millis(20));
        }
        all_gather(&rank, &[rank.rank() as i64])
    });
    assert_all(&got, &Ok(vec![vec![0], vec![1], vec![2], vec![3]]));
}

#[test]
fn a_rank_that_never_comes_is_waited_for_only_so_long() {
    let mut ranks = InProcess::group(2).into_iter();
    let timeout = Duration::from_millis(5);
    let waiting = ranks.next().unwrap().with_timeout(timeout);
    let idle = ranks.next().unwrap();
    let expected = Err(CollectiveError::TimedOut { rank: 1, timeout });
    assert_eq!(all_gather(&waiting, &[1i64]), expected);
    // The message comes late: the two would be out of step, so the error stays.
    idle.exchange(&[b"", b""]).unwrap();
    assert_eq!(all_gather(&waiting, &[1i64]), expected);
}

#[test]
fn ranks_in_different_calls_all_get_an_error() {
    let got = on(3, |rank| match rank.rank() {
        2 => all_reduce_sum(&rank, &mut [1.0f32]).map(|()| Vec::new()),
        _ => all_gather(&rank, &[1.0f64]).map(|all| all.concat()),
    });
    let (gather, reduce) = ("all_gather of f64", "all_reduce_sum of f32");
    let other = |rank, expected, got| {
        Err(CollectiveError::OtherCall {
            rank,
            expected,
            got,
        })
    };
    assert_eq!(
        got,
        [
            other(2, gather, reduce),
            other(2, gather, reduce),
            other(0, reduce, gather)
        ]
    );
}

#[test]
fn sums_of_different_lengths_and_other_roots_are_refused_by_all() {
    let got = on(2, |rank| {
        let mut values = vec![1.0f32; 3 + rank.rank()];
        let sum = all_reduce_sum(&rank, &mut values);
        assert!(values.iter().all(|&v| v == 1.0));
        let root = broadcast(&rank, rank.rank(), &[1i64]);
        // The group goes on after both.
        assert_eq!(all_gather(&rank, &[7i64]).unwrap().concat(), [7, 7]);
        (sum.unwrap_err(), root.unwrap_err())
    });
    for (rank, (sum, root)) in got.into_iter().enumerate() {
        let other = 1 - rank;
        let error = |name, least: u64| CollectiveError::OtherArgument {
            rank: other,
            name,
            expected: least + rank as u64,
            got: least + other as u64,
        };
        assert_eq!(
            (sum, root),
            (error("number of values", 3), error("root", 0))
        );
    }
}

#[test]
fn a_root_beyond_the_last_rank_is_refused_by_all() {
    let got = on(2, |rank| broadcast(&rank, 2, &[1i64]));
    assert_all(
        &got,
        &Err(CollectiveError::UnknownRank { rank: 2, size: 2 }),
    );
}

#[test]
fn messages_of_no_call_are_refused() {
    let messages: [&[u8]; 4] = [
        b"short",
        &[9; 16],
        &[0; 19],
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for message in messages {
        let mut ranks = InProcess::group(2).into_iter();
        let (zero, one) = (ranks.next().unwrap(), ranks.next().unwrap());
        let sender = thread::spawn(move || one.exchange(&[message, message]));
        let bytes = message.len();
        assert_eq!(
            all_gather(&zero, &[1.0f32]),
            Err(CollectiveError::Garbled { rank: 1, bytes })
        );
        sender.join().unwrap().unwrap();
    }
}

#[test]
fn there_is_one_message_a_rank() {
    let rank = InProcess::group(1).pop().unwrap();
    let expected = CollectiveError::MessageCount {
        size: 1,
        messages: 2,
    };
    assert_eq!(rank.exchange(&[b"a", b"b"]), Err(expected));
    assert_eq!(rank.exchange(&[b"a"]), Ok(vec![b"a".to_vec()]));
}
