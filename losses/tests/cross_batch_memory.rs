//! Losses with rows of past batches, and sums of losses.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and what is restored has the same bits"
)]

use burn::tensor::{DType, Device, Tensor};
use metric_losses::*;
use metric_sampling::{BufferError, RingBuffer};

use crate::common::*;

const CLASSES: [i64; 6] = [0, 0, 1, 1, 2, 2];
const DIM: usize = 4;

fn memory(capacity: usize, warm_up: usize) -> CrossBatchMemory {
    CrossBatchMemoryConfig::new(capacity, DIM)
        .with_warm_up(warm_up)
        .init(&device())
}

/// A batch of six rows; numbers that `f32` has, as the memory has no others.
fn batch(number: usize) -> Rows {
    let all = rows(30, DIM);
    let of_batch = all[number * 6..(number + 1) * 6].iter();
    of_batch
        .map(|row| row.iter().map(|&v| f64::from(v as f32)).collect())
        .collect()
}

fn push(memory: &mut CrossBatchMemory, number: usize) {
    let x = tensor(&batch(number), DType::F64).require_grad();
    memory.push(x, labels(&CLASSES)).unwrap();
}

/// `mean [d]₊` of positive and `mean [1 − d]₊` of negative pairs, without the terms that are 0.
fn contrastive_of(x: &Rows, y: &Rows, y_classes: &[i64], same_set: bool) -> f64 {
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    for i in 0..x.len() {
        for j in (0..y.len()).filter(|&j| !same_set || i != j) {
            let d = euclidean(&x[i], &y[j]);
            if CLASSES[i] == y_classes[j] {
                positive.push(d);
            } else {
                negative.push(1.0 - d);
            }
        }
    }
    mean_above_zero(&positive) + mean_above_zero(&negative)
}

#[test]
fn it_is_the_loss_of_the_batch_and_against_the_last_rows_of_batches_before() {
    let loss = ContrastiveLossConfig::new().init(&device());
    // Three batches of six, of which the last ten rows are left.
    let mut memory = CrossBatchMemoryConfig::new(10, DIM)
        .with_warm_up(3)
        .with_weight(0.3)
        .init(&device());
    for number in 0..3 {
        push(&mut memory, number);
    }
    let kept = [&batch(1)[2..], &batch(2)].concat();
    let kept_classes = [&CLASSES[2..], &CLASSES].concat();
    assert_is(
        &batch(3),
        &|x| memory.forward(&loss, x, labels(&CLASSES)),
        &|x| {
            contrastive_of(x, x, &CLASSES, true)
                + 0.3 * contrastive_of(x, &kept, &kept_classes, false)
        },
    );
}

/// All that have `forward_against`.
fn losses() -> Vec<(&'static str, Box<dyn ReferenceLoss>)> {
    let on = &device();
    vec![
        ("angular", Box::new(AngularLossConfig::new().init(on))),
        ("circle", Box::new(CircleLossConfig::new().init(on))),
        (
            "contrastive",
            Box::new(ContrastiveLossConfig::new().init(on)),
        ),
        ("fast_ap", Box::new(FastApLossConfig::new().init(on))),
        (
            "generalized_lifted",
            Box::new(GeneralizedLiftedStructureLossConfig::new().init(on)),
        ),
        ("histogram", Box::new(HistogramLossConfig::new().init(on))),
        (
            "intra_pair_variance",
            Box::new(IntraPairVarianceLossConfig::new().init(on)),
        ),
        (
            "lifted",
            Box::new(LiftedStructureLossConfig::new().init(on)),
        ),
        ("margin", Box::new(MarginLossConfig::new().init(on))),
        (
            "multi_similarity",
            Box::new(MultiSimilarityLossConfig::new().init(on)),
        ),
        ("nca", Box::new(NcaLossConfig::new().init(on))),
        ("nt_xent", Box::new(NtXentLossConfig::new().init(on))),
        ("pnp", Box::new(PnpLossConfig::new().init(on))),
        (
            "ranked_list",
            Box::new(RankedListLossConfig::new().init(on)),
        ),
        ("recall_at_k", Box::new(RecallAtKLossConfig::new().init(on))),
        ("smooth_ap", Box::new(SmoothApLossConfig::new().init(on))),
        ("sup_con", Box::new(SupConLossConfig::new().init(on))),
        (
            "threshold_consistent_margin",
            Box::new(ThresholdConsistentMarginLossConfig::new().init(on)),
        ),
        (
            "triplet_margin",
            Box::new(TripletMarginLossConfig::new().init(on)),
        ),
        (
            "tuplet_margin",
            Box::new(TupletMarginLossConfig::new().init(on)),
        ),
    ]
}

#[test]
fn every_loss_is_that_of_the_batch_and_against_constants() {
    let mut memory = memory(12, 0);
    push(&mut memory, 0);
    push(&mut memory, 1);
    let past = [batch(0), batch(1)].concat();
    let past_classes = [CLASSES, CLASSES].concat();
    for (name, loss) in losses() {
        let with_memory = |x| memory.forward(&*loss, x, labels(&CLASSES));
        let by_hand = |x: Tensor<2>| {
            let past = tensor(&past, DType::F64);
            let against = loss.forward_against(
                x.clone(),
                labels(&CLASSES).into(),
                past,
                labels(&past_classes).into(),
            );
            loss.forward(x, labels(&CLASSES).into()) + against
        };
        let got = value_and_gradient(&batch(2), DType::F64, &with_memory);
        let expected = value_and_gradient(&batch(2), DType::F64, &by_hand);
        assert_eq!(got, expected, "{name}");
        assert!(got.0.is_finite() && got.0 != 0.0, "{name}: {}", got.0);
    }
}

#[test]
fn it_is_not_used_before_the_warm_up_is_over() {
    let loss = ContrastiveLossConfig::new().init(&device());
    let value = |memory: &CrossBatchMemory| {
        let x = tensor(&batch(4), DType::F64);
        to_f64(memory.forward(&loss, x, labels(&CLASSES)))
    };
    let alone = to_f64(loss.forward(tensor(&batch(4), DType::F64), labels(&CLASSES)));
    let mut memory = memory(100, 2);
    assert_eq!(value(&memory), alone);
    push(&mut memory, 0);
    assert_eq!(value(&memory), alone);
    push(&mut memory, 1);
    assert!(value(&memory) > alone);
    // Without a warm-up an empty memory is not used either.
    assert_eq!(value(&self::memory(100, 0)), alone);
    assert_eq!(CrossBatchMemoryConfig::new(1, 1).warm_up, 1000);
}

#[test]
fn a_row_never_meets_its_own_copy() {
    // Four rows of four classes: with a copy of itself each had a positive, and the loss were not 0.
    let loss = SupConLossConfig::new().init(&device());
    let mut memory = memory(100, 0);
    let x = || tensor(&batch(0)[..4].to_vec(), DType::F64);
    assert_eq!(
        to_f64(memory.forward(&loss, x(), labels(&[0, 1, 2, 3]))),
        0.0
    );
    memory.push(x(), labels(&[0, 1, 2, 3])).unwrap();
    // Other classes have no positive in the memory, the same ones have.
    assert_eq!(
        to_f64(memory.forward(&loss, x(), labels(&[4, 5, 6, 7]))),
        0.0
    );
    assert!(to_f64(memory.forward(&loss, x(), labels(&[0, 1, 2, 3]))) > 0.0);
}

#[test]
fn what_cannot_be_remembered_leaves_it_as_it_was() {
    let mut memory = memory(8, 0);
    push(&mut memory, 0);
    let before = memory.clone();
    let mut push = |rows: &Rows, classes: &[i64]| {
        memory
            .push(tensor(rows, DType::F64), labels(classes))
            .unwrap_err()
    };
    let data = |error| matches!(error, BufferError::Data(_));
    assert!(data(push(&vec![vec![0.0; DIM + 1]; 2], &[0, 1])));
    assert!(data(push(&vec![vec![0.0; DIM]; 2], &[0])));
    assert!(data(push(&vec![vec![f64::NAN; DIM]; 2], &[0, 1])));
    assert!(
        data(push(&vec![vec![1e300; DIM]; 2], &[0, 1])),
        "infinite in f32"
    );
    let error = push(&vec![vec![0.0; DIM]; 9], &[0; 9]);
    let expected = BufferError::TooManyRows {
        rows: 9,
        capacity: 8,
    };
    assert_eq!(error, expected);
    assert_eq!(memory, before);
}

#[test]
fn restored_it_gives_the_same_bits() {
    let loss = TripletMarginLossConfig::new().init(&device());
    let mut one = memory(10, 2);
    push(&mut one, 0);
    push(&mut one, 1);
    let mut other = memory(10, 2);
    other.restore(one.rows().clone()).unwrap();
    assert_eq!(other, one);
    for number in 2..5 {
        let values = [&one, &other].map(|memory| {
            value_and_gradient(&batch(number), DType::F32, &|x| {
                memory.forward(&loss, x, labels(&CLASSES))
            })
        });
        assert_eq!(values[0], values[1]);
        push(&mut one, number);
        push(&mut other, number);
    }
    let before = other.clone();
    for (capacity, dim, name) in [(9, DIM, "capacity"), (10, DIM + 1, "dim")] {
        let error = other.restore(RingBuffer::new(capacity, dim).unwrap());
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
    assert_eq!(other, before);
}

#[test]
fn a_field_out_of_range_is_named() {
    let good = CrossBatchMemoryConfig::new(10, 2);
    assert!(good.validate().is_ok());
    let cases = [
        ("capacity", CrossBatchMemoryConfig::new(0, 2)),
        ("dim", CrossBatchMemoryConfig::new(10, 0)),
        ("weight", good.clone().with_weight(-1.0)),
        ("weight", good.clone().with_weight(f64::INFINITY)),
    ];
    for (name, config) in cases {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn a_weighted_sum_has_weighted_gradients_and_plain_values() {
    let device = Device::flex().autodiff();
    let x = Tensor::<1>::from_floats([3.0], &device).require_grad();
    let sum = WeightedSum::new("linear", 0.5, x.clone())
        .and_then(|sum| sum.and("square", -2.0, x.clone().square()))
        .unwrap();
    assert_eq!(sum.values(), [("linear", 3.0), ("square", 9.0)]);
    let total = sum.total();
    let gradients = total.backward();
    assert_eq!(to_f64(total), 0.5 * 3.0 - 2.0 * 9.0);
    let gradient: f32 = x.grad(&gradients).unwrap().into_scalar();
    assert_eq!(gradient, 0.5 - 2.0 * 2.0 * 3.0);
    let error = sum.and("broken", f64::NAN, x).unwrap_err();
    assert_eq!(error.to_string(), "broken must be finite, got NaN");
}
