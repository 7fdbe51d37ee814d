//! Corrections that other libraries had to make to their miners, as tests of these (R19 of a list of such corrections).

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::Relevance;
use metric_sampling::{Batch, BatchHard, SemiHard, TripletKind, TripletMarginMiner, TripletMiner};
use ndarray::{Array2, array};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Triplets of anchor 0, whose positive is row 1.
fn negatives_of_first(miner: &dyn TripletMiner, rows: &Array2<f32>, labels: &[u32]) -> Vec<u32> {
    let batch = Batch::new(rows.view(), Relevance::labels(labels)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let triplets = miner.mine(&batch, &mut rng).unwrap();
    let of_first = triplets.iter().filter(|&(a, p, _)| (a, p) == (0, 1));
    of_first.map(|(_, _, n)| n).collect()
}

/// The positive is at 1; negatives as far, exactly the margin farther, and a float on either side of both.
#[test]
fn triplets_exactly_on_the_margin_are_on_the_side_that_their_kind_says() {
    let (same, edge) = (1.0f32, 1.5f32);
    let rows = array![
        [0.0],
        [same],
        [same.next_down()],
        [-same],
        [same.next_up()],
        [edge.next_down()],
        [-edge],
        [edge.next_up()]
    ];
    let labels = [0, 0, 1, 1, 1, 1, 1, 1];
    let of = |kind| {
        let miner = TripletMarginMiner::new(0.5, kind).unwrap();
        negatives_of_first(&miner, &rows, &labels)
    };
    assert_eq!(of(TripletKind::Hard), [2, 3]);
    assert_eq!(of(TripletKind::SemiHard), [4, 5, 6]);
    assert_eq!(of(TripletKind::All), [2, 3, 4, 5, 6]);
    assert_eq!(of(TripletKind::Easy), [7]);
    // The nearest that is farther than the positive, if only by a float.
    let semi_hard = SemiHard::new(0.5).unwrap();
    assert_eq!(negatives_of_first(&semi_hard, &rows, &labels), [4]);
    assert_eq!(negatives_of_first(&BatchHard::new(), &rows, &labels), [2]);
}

#[test]
fn a_negative_exactly_the_margin_away_is_semi_hard_if_it_is_alone() {
    let rows = array![[0.0f32], [1.0], [-1.5]];
    let semi_hard = SemiHard::new(0.5).unwrap();
    assert_eq!(negatives_of_first(&semi_hard, &rows, &[0, 0, 1]), [2]);
    let narrower = SemiHard::new(f64::from(0.5f32.next_down())).unwrap();
    assert!(negatives_of_first(&narrower, &rows, &[0, 0, 1]).is_empty());
}

#[test]
fn equal_rows_are_hard_negatives_of_each_other_and_ties_go_to_the_first() {
    let rows = Array2::<f32>::ones((6, 3));
    let labels = [0, 0, 1, 1, 2, 2];
    let of = |kind| {
        let miner = TripletMarginMiner::new(0.2, kind).unwrap();
        negatives_of_first(&miner, &rows, &labels)
    };
    assert_eq!(of(TripletKind::Hard), [2, 3, 4, 5]);
    assert!(of(TripletKind::SemiHard).is_empty());
    assert_eq!(negatives_of_first(&BatchHard::new(), &rows, &labels), [2]);
}
