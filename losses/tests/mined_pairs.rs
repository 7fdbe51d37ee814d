//! Losses over the pairs that a miner chose.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;
use metric_losses::{
    ContrastiveLossConfig, Labels, MultiSimilarityLossConfig, NtXentLossConfig, Reducer,
    SupConLossConfig,
};
use metric_sampling::{NegativePairs, Pairs, PositivePairs};

use crate::common::*;

const CLASSES: [i64; 7] = [0, 0, 1, 1, 1, 2, 0];

fn pairs(positive: &[(u32, u32)], negative: &[(u32, u32)]) -> Pairs {
    let columns = |pairs: &[(u32, u32)]| -> (Vec<u32>, Vec<u32>) { pairs.iter().copied().unzip() };
    let (positive, negative) = (columns(positive), columns(negative));
    Pairs {
        positive: PositivePairs::new(positive.0, positive.1).unwrap(),
        negative: NegativePairs::new(negative.0, negative.1).unwrap(),
    }
}

/// All pairs of the batch.
fn all() -> Pairs {
    let n = CLASSES.len();
    let each = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
    let (positive, negative): (Vec<_>, Vec<_>) = each
        .filter(|(i, j)| i != j)
        .partition(|&(i, j)| CLASSES[i] == CLASSES[j]);
    let numbers = |pairs: Vec<(usize, usize)>| -> Vec<(u32, u32)> {
        let pair = |(i, j)| (u32::try_from(i).unwrap(), u32::try_from(j).unwrap());
        pairs.into_iter().map(pair).collect()
    };
    pairs(&numbers(positive), &numbers(negative))
}

#[test]
fn all_pairs_are_the_loss_of_their_labels() {
    let rows = rows(7, 3);
    let mined = Labels::mined(7, &all());
    macro_rules! same {
        ($($loss:expr),* $(,)?) => {$({
            let loss = $loss.init(&device());
            let by_pairs = value_and_gradient(&rows, DType::F64, &|x| loss.forward(x, mined.clone()));
            let by_labels = value_and_gradient(&rows, DType::F64, &|x| loss.forward(x, labels(&CLASSES)));
            assert!((by_pairs.0 - by_labels.0).abs() < 1e-12, "{}", stringify!($loss));
            let off = by_pairs.1.concat().into_iter().zip(by_labels.1.concat());
            assert!(off.into_iter().all(|(a, b)| (a - b).abs() < 1e-11), "{}", stringify!($loss));
        })*};
    }
    same!(
        ContrastiveLossConfig::new(),
        MultiSimilarityLossConfig::new(),
        NtXentLossConfig::new(),
        SupConLossConfig::new(),
    );
}

#[test]
fn only_the_chosen_pairs_count() {
    let chosen = Labels::mined(5, &pairs(&[(0, 2), (3, 1)], &[(0, 1), (0, 4), (2, 3)]));
    let loss = ContrastiveLossConfig::new()
        .with_neg_margin(3.0)
        .with_reducer(Reducer::Mean)
        .init(&device());
    assert_is(&rows(5, 3), &|x| loss.forward(x, chosen.clone()), &|x| {
        let d = |i: usize, j: usize| euclidean(&x[i], &x[j]);
        let push = |i, j| (3.0 - d(i, j)).max(0.0);
        (d(0, 2) + d(3, 1)) / 2.0 + (push(0, 1) + push(0, 4) + push(2, 3)) / 3.0
    });
}

#[test]
fn pairs_reach_into_a_reference_set() {
    let chosen = Labels::mined(2, &pairs(&[(1, 0)], &[(0, 2), (1, 2)]));
    let of_set = Labels::mined(3, &Pairs::default());
    let loss = ContrastiveLossConfig::new()
        .with_neg_margin(3.0)
        .init(&device());
    let against = |x: burn::tensor::Tensor<2>| {
        let (batch, set) = (x.clone().narrow(0, 0, 2), x.narrow(0, 2, 3));
        loss.forward_against(batch, chosen.clone(), set, of_set.clone())
    };
    assert_is(&rows(5, 3), &against, &|x| {
        let d = |i: usize, j: usize| euclidean(&x[i], &x[2 + j]);
        let push = |i, j| (3.0 - d(i, j)).max(0.0);
        d(1, 0) + (push(0, 2) + push(1, 2)) / 2.0
    });
}

#[test]
fn no_pairs_have_no_loss() {
    let none = Labels::mined(4, &Pairs::default());
    let loss = ContrastiveLossConfig::new().init(&device());
    assert_is_zero_on_the_graph(&rows(4, 3), &|x| loss.forward(x, none.clone()));
}

#[test]
#[should_panic(expected = "anchor 4 of 4 rows")]
fn an_anchor_that_is_no_row_is_named() {
    let _ = Labels::mined(4, &pairs(&[(4, 0)], &[]));
}
