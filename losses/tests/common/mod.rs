//! What every loss is held against: its definition as loops in `f64`, and central differences of it.
#![allow(clippy::float_cmp, reason = "some numbers are exact")]

pub(crate) mod every_loss;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

pub(crate) type Rows = Vec<Vec<f64>>;

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

/// `n` rows with entries from -1 to 1, the same at every call (SplitMix64).
pub(crate) fn rows(n: usize, dim: usize) -> Rows {
    let mut state = 7 + (n * 31 + dim) as u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| (0..dim).map(|_| next()).collect()).collect()
}

pub(crate) fn tensor(rows: &Rows, dtype: DType) -> Tensor<2> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), (&device(), dtype))
}

pub(crate) fn double(rows: &Rows) -> Tensor<2> {
    tensor(rows, DType::F64)
}

/// Several sets of rows, all different.
pub(crate) fn sets(count: usize, n: usize, dim: usize) -> Vec<Rows> {
    let all = rows(count * n, dim);
    all.chunks(n).map(<[Vec<f64>]>::to_vec).collect()
}

pub(crate) fn labels(labels: &[i64]) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(labels.to_vec(), [labels.len()]), &device())
}

pub(crate) fn to_rows(tensor: Tensor<2>) -> Rows {
    let [_, dim] = tensor.dims();
    let values = tensor
        .into_data()
        .convert::<f64>()
        .try_to_vec::<f64>()
        .unwrap();
    values.chunks(dim).map(<[f64]>::to_vec).collect()
}

pub(crate) fn to_f64(tensor: Tensor<1>) -> f64 {
    tensor
        .into_data()
        .convert::<f64>()
        .try_to_vec::<f64>()
        .unwrap()[0]
}

/// The loss of `rows` and its gradient.
pub(crate) fn value_and_gradient(
    rows: &Rows,
    dtype: DType,
    loss: &dyn Fn(Tensor<2>) -> Tensor<1>,
) -> (f64, Rows) {
    let x = tensor(rows, dtype).require_grad();
    let value = loss(x.clone());
    let gradients = value.backward();
    let gradient = x
        .grad(&gradients)
        .expect("the loss is connected to its input");
    (to_f64(value), to_rows(gradient))
}

/// Central differences. With step `h = 1e-5` their error is about `h² f‴ / 6 + ε |f| / h`, some
/// 1e-10 for functions and derivatives of size one; ten thousand times that is allowed below for
/// the steep ones (scale 64 cubed is 2.6e5).
pub(crate) fn central_differences(rows: &Rows, f: &dyn Fn(&Rows) -> f64) -> Rows {
    const STEP: f64 = 1e-5;
    let mut moved = rows.clone();
    let mut gradient = rows.clone();
    for i in 0..rows.len() {
        for j in 0..rows[i].len() {
            moved[i][j] = rows[i][j] + STEP;
            let above = f(&moved);
            moved[i][j] = rows[i][j] - STEP;
            let below = f(&moved);
            moved[i][j] = rows[i][j];
            gradient[i][j] = (above - below) / (2.0 * STEP);
        }
    }
    gradient
}

/// The tensor form in `f64` agrees with the loops in value, and in gradient with their central
/// differences.
pub(crate) fn assert_is(
    rows: &Rows,
    loss: &dyn Fn(Tensor<2>) -> Tensor<1>,
    definition: &dyn Fn(&Rows) -> f64,
) {
    let (value, gradient) = value_and_gradient(rows, DType::F64, loss);
    let expected = definition(rows);
    // Both sum a few thousand terms in f64: n ε is below 1e-12.
    assert!(
        (value - expected).abs() <= 1e-11 * (1.0 + expected.abs()),
        "value {value}, by definition {expected}"
    );
    let differences = central_differences(rows, definition);
    for (i, (row, expected)) in gradient.iter().zip(&differences).enumerate() {
        for (j, (&got, &want)) in row.iter().zip(expected).enumerate() {
            assert!(
                (got - want).abs() <= 1e-6 * (1.0 + want.abs()),
                "gradient [{i}][{j}] is {got}, by central differences {want}"
            );
        }
    }
}

/// Value and gradient are finite in `f32` for rows that are huge, tiny, all equal, partly equal,
/// zero, or of very different sizes.
pub(crate) fn assert_stays_finite(n: usize, dim: usize, loss: &dyn Fn(Tensor<2>) -> Tensor<1>) {
    let ordinary = rows(n, dim);
    let scaled = |factor: f64| -> Rows {
        ordinary
            .iter()
            .map(|row| row.iter().map(|v| v * factor).collect())
            .collect()
    };
    let mut pair_equal = ordinary.clone();
    pair_equal[1] = pair_equal[0].clone();
    let mut mixed = scaled(1e-18);
    mixed[0] = ordinary[0].iter().map(|v| v * 1e18).collect();
    let cases = [
        ("huge", scaled(1e18)),
        ("tiny", scaled(1e-18)),
        ("all equal", vec![ordinary[0].clone(); n]),
        ("two equal", pair_equal),
        ("zero", vec![vec![0.0; dim]; n]),
        ("mixed", mixed),
    ];
    for (name, rows) in cases {
        let (value, gradient) = value_and_gradient(&rows, DType::F32, loss);
        assert!(value.is_finite(), "{name}: the value is {value}");
        let bad = gradient.concat().into_iter().find(|g| !g.is_finite());
        assert!(bad.is_none(), "{name}: the gradient holds {bad:?}");
    }
}

/// A broken embedding shows in the loss: no margin, mean or threshold hides it.
pub(crate) fn assert_shows_nan(n: usize, dim: usize, loss: &dyn Fn(Tensor<2>) -> Tensor<1>) {
    let mut broken = rows(n, dim);
    broken[1][0] = f64::NAN;
    let value = to_f64(loss(tensor(&broken, DType::F32)));
    assert!(value.is_nan(), "the loss of a batch with NaN is {value}");
}

/// Another order of the batch gives the same loss.
pub(crate) fn assert_ignores_order(
    rows: &Rows,
    classes: &[i64],
    loss: &dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>,
) {
    let value =
        |rows: &Rows, classes: &[i64]| to_f64(loss(tensor(rows, DType::F64), labels(classes)));
    let expected = value(rows, classes);
    let order: Vec<usize> = (0..rows.len()).map(|i| (i * 5 + 2) % rows.len()).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(
        sorted.iter().copied().eq(0..rows.len()),
        "5 must not divide the number of rows"
    );
    let moved: Rows = order.iter().map(|&i| rows[i].clone()).collect();
    let moved_classes: Vec<i64> = order.iter().map(|&i| classes[i]).collect();
    let got = value(&moved, &moved_classes);
    assert!(
        (got - expected).abs() <= 1e-11 * (1.0 + expected.abs()),
        "{got} after, {expected}"
    );
}

/// The loss is exactly 0, and a backward pass gives a gradient of zeros.
pub(crate) fn assert_is_zero_on_the_graph(rows: &Rows, loss: &dyn Fn(Tensor<2>) -> Tensor<1>) {
    let (value, gradient) = value_and_gradient(rows, DType::F32, loss);
    assert_eq!(value, 0.0);
    assert!(
        gradient.concat().into_iter().all(|g| g == 0.0),
        "{gradient:?}"
    );
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(crate) fn euclidean(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y) * (x - y))
        .sum::<f64>()
        .sqrt()
}

pub(crate) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

/// `softmax(logits / temperature)` by its definition, for logits of ordinary size.
pub(crate) fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = logits.iter().map(|l| (l / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// `−log softmax(logits)[label]`.
pub(crate) fn cross_entropy(logits: &[f64], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    largest + sum.ln() - logits[label]
}

/// Mean of the terms above zero, 0 without any.
pub(crate) fn mean_above_zero(terms: &[f64]) -> f64 {
    let above: Vec<f64> = terms.iter().copied().filter(|&term| term > 0.0).collect();
    if above.is_empty() {
        0.0
    } else {
        above.iter().sum::<f64>() / above.len() as f64
    }
}

/// A loss of a batch and its labels, in a table of several.
pub(crate) type NamedLoss = (
    &'static str,
    Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>,
);

/// What every loss against class vectors in `f32` does, whatever its formula; the losses have at least 7
/// classes.
pub(crate) fn assert_behaves_as_a_class_loss((name, forward): &NamedLoss) {
    const LABELS: [[i64; 7]; 3] = [[0, 2, 1, 1, 0, 3, 3], [4; 7], [0, 1, 2, 3, 4, 5, 6]];
    eprintln!("{name}");
    for classes in &LABELS {
        assert_stays_finite(7, 3, &|x| forward(x, labels(classes)));
        assert_shows_nan(7, 3, &|x| forward(x, labels(classes)));
    }
    let (value, gradient) =
        value_and_gradient(&rows(1, 3), DType::F32, &|x| forward(x, labels(&[5])));
    assert!(value.is_finite() && gradient.concat().into_iter().all(f64::is_finite));
    for bad in [99, -1] {
        let x = tensor(&rows(2, 3), DType::F32);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            forward(x, labels(&[0, bad]))
        }));
        let panic = caught.expect_err("a label out of range panics");
        let message = panic.downcast_ref::<String>().expect("with a message");
        assert!(
            message.contains(&format!("index {bad} out of bounds")),
            "{message}"
        );
    }
}

/// The gradient of the class vectors is that of central differences; `loss` gives its value and the
/// tensor that has the gradient.
pub(crate) fn assert_weight_gradient(
    weight: &Rows,
    loss: &dyn Fn(Tensor<2>) -> (Tensor<1>, Tensor<2>),
    definition: &dyn Fn(&Rows) -> f64,
) {
    let (value, parameter) = loss(tensor(weight, DType::F64));
    let gradient = parameter
        .grad(&value.backward())
        .expect("class vectors are parameters");
    let differences = central_differences(weight, definition);
    for (got, want) in to_rows(gradient)
        .concat()
        .into_iter()
        .zip(differences.concat())
    {
        assert!(
            (got - want).abs() <= 1e-6 * (1.0 + want.abs()),
            "gradient {got}, by central differences {want}"
        );
    }
}
