//! Proxy losses against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::DType;
use metric_losses::{
    EmbeddingDistance, ProxyAnchorLossConfig, ProxyNcaLossConfig, SoftTripleLossConfig,
};

use crate::common::*;

const CLASSES: [i64; 7] = [0, 2, 1, 1, 0, 3, 3];

fn mean(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = terms.len() as f64;
    terms.sum::<f64>() / count
}

fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::MIN, f64::max);
    largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
}

fn proxy_nca(rows: &Rows, proxies: &Rows, temperature: f64, include_target: bool) -> f64 {
    mean(rows.iter().zip(CLASSES).map(|(x, y)| {
        // ‖x̂ − p̂‖² = 2 − 2 cos
        let logit = |p: &Vec<f64>| -(2.0 - 2.0 * cosine(x, p)) / temperature;
        let logits: Vec<f64> = proxies.iter().map(logit).collect();
        let counted = |&(z, _): &(usize, &f64)| include_target || z != y as usize;
        let below: Vec<f64> = logits
            .iter()
            .enumerate()
            .filter(counted)
            .map(|(_, &l)| l)
            .collect();
        log_sum_exp(&below) - logits[y as usize]
    }))
}

#[test]
fn proxy_nca_is_its_definition_with_and_without_the_target_below() {
    let proxies = rows(5, 3);
    let plain = ProxyNcaLossConfig::new(5, 3);
    let plus_plus = ProxyNcaLossConfig::plus_plus(5, 3);
    for (config, temperature, include_target) in [(plain, 1.0, false), (plus_plus, 1.0 / 9.0, true)]
    {
        let loss = config.init(&device());
        let loss = loss.with_weight(tensor(&proxies, DType::F64));
        assert_is(
            &rows(7, 3),
            &|x| loss.forward(x, labels(&CLASSES)),
            &|rows| proxy_nca(rows, &proxies, temperature, include_target),
        );
        assert_weight_gradient(
            &proxies,
            &|weight| {
                let loss = loss.clone().with_weight(weight);
                let x = tensor(&rows(7, 3), DType::F64);
                (loss.forward(x, labels(&CLASSES)), loss.weight())
            },
            &|proxies| proxy_nca(&rows(7, 3), proxies, temperature, include_target),
        );
    }
}

#[test]
fn proxy_nca_takes_other_distances_of_rows_as_given() {
    let proxies = rows(5, 3);
    let loss = ProxyNcaLossConfig::new(5, 3)
        .with_include_target(true)
        .with_normalize(false)
        .with_distance(EmbeddingDistance::Euclidean)
        .init(&device())
        .with_weight(tensor(&proxies, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| {
            mean(rows.iter().zip(CLASSES).map(|(x, y)| {
                let logits: Vec<f64> = proxies.iter().map(|p| -euclidean(x, p)).collect();
                cross_entropy(&logits, y as usize)
            }))
        },
    );
}

#[test]
fn what_all_distances_to_proxies_have_in_common_does_not_matter() {
    // From the origin to (4096, 0) and twice to 4095 nearer: 4095/4096 + log 2. In single precision
    // logits of 4096 have steps of 2⁻¹², in which log 2 would lose 3e-5.
    let proxies = vec![vec![4096.0, 0.0], vec![4095.0, 64.0], vec![4095.0, -64.0]];
    let loss = ProxyNcaLossConfig::new(3, 2)
        .with_normalize(false)
        .with_temperature(4096.0)
        .init(&device())
        .with_weight(tensor(&proxies, DType::F32));
    let value = loss.forward(tensor(&vec![vec![0.0, 0.0]], DType::F32), labels(&[0]));
    let expected = 4095.0 / 4096.0 + 2f64.ln();
    assert!((to_f64(value) - expected).abs() < 3e-7);
}

fn proxy_anchor(rows: &Rows, proxies: &Rows) -> f64 {
    let term = |exponents: Vec<f64>| exponents.iter().map(|e| e.exp()).sum::<f64>().ln_1p();
    let exponents = |class: usize, is_positive: bool| -> Vec<f64> {
        let chosen = rows
            .iter()
            .zip(CLASSES)
            .filter(|&(_, y)| (y as usize == class) == is_positive);
        chosen
            .map(|(x, _)| match cosine(x, &proxies[class]) {
                s if is_positive => -32.0 * (s - 0.1),
                s => 32.0 * (s + 0.1),
            })
            .collect()
    };
    let classes = 0..proxies.len();
    let present = classes
        .clone()
        .filter(|&c| CLASSES.contains(&(c as i64)))
        .count();
    let sum = |is_positive: bool| -> f64 {
        classes
            .clone()
            .map(|c| term(exponents(c, is_positive)))
            .sum()
    };
    sum(true) / present as f64 + sum(false) / proxies.len() as f64
}

#[test]
fn proxy_anchor_is_its_definition() {
    // The fifth class is not in the batch.
    let proxies = rows(5, 3);
    let loss = ProxyAnchorLossConfig::new(5, 3).init(&device());
    let loss = loss.with_weight(tensor(&proxies, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| proxy_anchor(rows, &proxies),
    );
    assert_weight_gradient(
        &proxies,
        &|weight| {
            let loss = loss.clone().with_weight(weight);
            let x = tensor(&rows(7, 3), DType::F64);
            (loss.forward(x, labels(&CLASSES)), loss.weight())
        },
        &|proxies| proxy_anchor(&rows(7, 3), proxies),
    );
}

fn soft_triple(rows: &Rows, centers: &Rows) -> f64 {
    let term = mean(rows.iter().zip(CLASSES).map(|(x, y)| {
        let similarity = |of_class: &[Vec<f64>]| {
            let cosines: Vec<f64> = of_class.iter().map(|w| cosine(x, w)).collect();
            let weights: Vec<f64> = cosines.iter().map(|s| (s / 0.1).exp()).collect();
            dot(&cosines, &weights) / weights.iter().sum::<f64>()
        };
        let mut logits: Vec<f64> = centers.chunks(3).map(similarity).collect();
        logits[y as usize] -= 0.01;
        let logits: Vec<f64> = logits.into_iter().map(|l| 20.0 * l).collect();
        cross_entropy(&logits, y as usize)
    }));
    let mut spread = 0.0;
    for of_class in centers.chunks(3) {
        for t in 0..3 {
            for s in 0..t {
                spread += (2.0 - 2.0 * cosine(&of_class[s], &of_class[t])).sqrt();
            }
        }
    }
    term + 0.2 * spread / (4.0 * 3.0 * 2.0)
}

#[test]
fn soft_triple_is_its_definition() {
    let centers = rows(12, 3);
    let loss = SoftTripleLossConfig::new(4, 3)
        .with_centers_per_class(3)
        .init(&device())
        .with_weight(tensor(&centers, DType::F64));
    assert_is(
        &rows(7, 3),
        &|x| loss.forward(x, labels(&CLASSES)),
        &|rows| soft_triple(rows, &centers),
    );
    assert_weight_gradient(
        &centers,
        &|weight| {
            let loss = loss.clone().with_weight(weight);
            let x = tensor(&rows(7, 3), DType::F64);
            (loss.forward(x, labels(&CLASSES)), loss.weight())
        },
        &|centers| soft_triple(&rows(7, 3), centers),
    );
}

#[test]
fn centers_that_coincide_have_a_finite_gradient() {
    let centers = vec![rows(1, 3)[0].clone(); 12];
    let loss = SoftTripleLossConfig::new(4, 3)
        .with_centers_per_class(3)
        .init(&device())
        .with_weight(tensor(&centers, DType::F32));
    let value = loss.forward(tensor(&rows(7, 3), DType::F32), labels(&CLASSES));
    let gradient = loss.weight().grad(&value.backward()).unwrap();
    assert!(to_rows(gradient).concat().into_iter().all(f64::is_finite));
}

fn all(dtype: DType) -> Vec<NamedLoss> {
    let device = device();
    let vectors = |n| tensor(&rows(n, 3), dtype);
    let nca = ProxyNcaLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let plus_plus = ProxyNcaLossConfig::plus_plus(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let anchor = ProxyAnchorLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(7));
    let triple = SoftTripleLossConfig::new(7, 3)
        .init(&device)
        .with_weight(vectors(70));
    vec![
        ("proxy_nca", Box::new(move |x, y| nca.forward(x, y))),
        (
            "proxy_nca_plus_plus",
            Box::new(move |x, y| plus_plus.forward(x, y)),
        ),
        ("proxy_anchor", Box::new(move |x, y| anchor.forward(x, y))),
        ("soft_triple", Box::new(move |x, y| triple.forward(x, y))),
    ]
}

#[test]
fn extremes_order_and_labels_out_of_range() {
    for loss in all(DType::F32) {
        assert_behaves_as_a_class_loss(&loss);
    }
    for (_, loss) in all(DType::F64) {
        assert_ignores_order(&rows(7, 3), &CLASSES, &|x, y| loss(x, y));
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let message = |result: Result<(), metric_losses::ConfigError>| result.unwrap_err().to_string();
    assert_eq!(
        message(ProxyNcaLossConfig::new(1, 3).validate()),
        "num_classes must be at least 2 unless include_target is set, got 1"
    );
    assert!(ProxyNcaLossConfig::plus_plus(1, 3).validate().is_ok());
    assert_eq!(
        message(ProxyAnchorLossConfig::new(4, 3).with_alpha(0.0).validate()),
        "alpha must be finite and above 0, got 0"
    );
    assert_eq!(
        message(SoftTripleLossConfig::new(4, 3).with_tau(-0.1).validate()),
        "tau must be finite and at least 0, got -0.1"
    );
}
