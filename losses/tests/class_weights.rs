//! Weights of rows in losses against class vectors.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{
    InstanceLossConfig, Labels, MagnetLossConfig, ManifoldProxiesLossConfig, ProxyAnchorLossConfig,
};

use crate::common::every_loss::{DIM, Loss, against_classes};
use crate::common::*;

const CLASSES: [i64; 6] = [0, 2, 1, 1, 0, 3];
const WEIGHTS: [f64; 6] = [0.5, 2.0, 0.0, 1.0, 3.0, 0.25];

fn weighted(weights: &[f64; 6]) -> Labels {
    Labels::from(labels(&CLASSES)).with_weights(Tensor::from_data(*weights, &device()))
}

/// The value, and the gradient by the rows.
fn of(loss: &Loss, rows: &Rows, labels: &Labels) -> [Vec<f64>; 2] {
    let (value, gradient) = value_and_gradient(rows, DType::F32, &|x| loss(x, labels.clone()));
    [vec![value], gradient.concat()]
}

fn assert_near(name: &str, got: &[Vec<f64>; 2], want: &[Vec<f64>; 2], tolerance: f64) {
    for (got, want) in got.iter().zip(want) {
        let largest = want.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        for (got, want) in got.iter().zip(want) {
            let off = (got - want).abs();
            assert!(off <= tolerance * largest, "{name}: {got}, not {want}");
        }
    }
}

/// All but the one whose sum over rows is inside a logarithm.
fn with_terms_of_rows() -> Vec<(&'static str, Loss)> {
    let all = against_classes().into_iter();
    let mut all: Vec<_> = all
        .filter(|(name, _)| !name.starts_with("ProxyAnchor"))
        .collect();
    let instance = InstanceLossConfig::new(4, DIM).init(&device());
    all.push((
        "instance",
        Box::new(move |x, labels| instance.forward_one(x, labels)),
    ));
    let magnet = MagnetLossConfig::new().with_alpha(50.0).init(&device());
    let clusters = || labels(&[0, 3, 1, 2, 0, 4]);
    all.push((
        "magnet",
        Box::new(move |x, labels| magnet.forward(x, labels, clusters())),
    ));
    let manifold = ManifoldProxiesLossConfig::new(DIM)
        .with_num_proxies(4)
        .with_margin(0.5)
        .init(&device());
    all.push((
        "manifold",
        Box::new(move |x, labels| manifold.forward(x, labels)),
    ));
    all
}

#[test]
fn a_loss_is_linear_in_the_weights_of_its_rows() {
    let rows = rows(6, DIM);
    for (name, loss) in with_terms_of_rows() {
        let value = |weights: &[f64; 6]| of(&loss, &rows, &weighted(weights));
        let unweighted = of(&loss, &rows, &labels(&CLASSES).into());
        assert_near(name, &value(&[1.0; 6]), &unweighted, 1e-5);
        // What has to do with no row, as a regularizer of the class vectors.
        let rest = value(&[0.0; 6]);
        let mut want = rest.clone();
        for (row, weight) in WEIGHTS.into_iter().enumerate() {
            let mut one = [0.0; 6];
            one[row] = 1.0;
            let alone = value(&one);
            let part = alone[0][0] - rest[0][0];
            assert!(
                part.abs() > 1e-6,
                "{name}: row {row} has no part in the loss"
            );
            let all = want.iter_mut().flatten();
            let one_by_one = alone.iter().flatten().zip(rest.iter().flatten());
            for (want, (alone, rest)) in all.zip(one_by_one) {
                *want += weight * (alone - rest);
            }
        }
        assert_near(name, &value(&WEIGHTS), &want, 1e-5);
    }
}

#[test]
fn weights_of_classes_are_those_of_their_rows() {
    let (rows, table) = (rows(6, DIM), [0.5, 2.0, 0.0, 3.0]);
    let of_rows = CLASSES.map(|class| table[usize::try_from(class).unwrap()]);
    let by_class = Labels::from(labels(&CLASSES));
    let by_class = by_class.with_class_weights(Tensor::from_data(table, &device()));
    for (name, loss) in with_terms_of_rows() {
        let want = of(&loss, &rows, &weighted(&of_rows));
        assert_near(name, &of(&loss, &rows, &by_class), &want, 0.0);
    }
}

/// R21. A row that weighs nothing is not there, and its class may have none; one that weighs two is there twice.
#[test]
fn a_row_counts_in_proxy_anchor_as_often_as_it_weighs() {
    let rows = rows(6, DIM);
    let loss = ProxyAnchorLossConfig::new(5, DIM).with_alpha(4.0);
    let loss = loss.init(&device());
    let proxies = crate::common::rows(5, DIM);
    let loss = loss.with_weight(tensor(&proxies, DType::F64));
    let weights = [1.0, 2.0, 0.0, 1.0, 3.0, 0.0];
    let there: Vec<usize> = (0..6)
        .flat_map(|row| vec![row; weights[row] as usize])
        .collect();
    let (value, gradient) =
        value_and_gradient(&rows, DType::F64, &|x| loss.forward(x, weighted(&weights)));
    let (wanted, slopes) = value_and_gradient(&rows, DType::F64, &|x| {
        let order: Vec<i64> = there.iter().map(|&row| row as i64).collect();
        let classes: Vec<i64> = there.iter().map(|&row| CLASSES[row]).collect();
        loss.forward(x.select(0, labels(&order)), labels(&classes))
    });
    let got = [vec![value], gradient.concat()];
    assert_near("weights", &got, &[vec![wanted], slopes.concat()], 1e-12);
    assert!(
        gradient[2]
            .iter()
            .chain(&gradient[5])
            .all(|&slope| slope == 0.0)
    );
    let nothing = value_and_gradient(&rows, DType::F64, &|x| loss.forward(x, weighted(&[0.0; 6])));
    assert!(nothing.0 == 0.0 && nothing.1.concat().iter().all(|&slope| slope == 0.0));
}
