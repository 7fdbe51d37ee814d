//! Losses against banks, queues and clusters: `NceLoss`, `ProtoNceLoss`, `mix_hard_negatives`.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{DType, Tensor, TensorData};
use metric_losses::{NceLossConfig, ProtoNceLossConfig, Prototypes, mix_hard_negatives};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::*;

fn unit(row: &[f64]) -> Vec<f64> {
    row.iter().map(|v| v / dot(row, row).sqrt()).collect()
}

/// As the paper has it, with a bank of `n_bank` rows and its `Z`.
fn nce(x: &Rows, own: &Rows, noise: &Rows, t: f64, z: f64, n_bank: f64) -> f64 {
    let k = noise.len() as f64;
    let h = |a: &[f64], b: &[f64]| {
        let p = (cosine(a, b) / t).exp() / z;
        p / (p + k / n_bank)
    };
    let term = |(x, own): (&Vec<f64>, &Vec<f64>)| {
        let others = noise.iter().map(|u| (1.0 - h(x, u)).ln());
        -h(x, own).ln() - others.sum::<f64>()
    };
    x.iter().zip(own).map(term).sum::<f64>() / x.len() as f64
}

#[test]
fn nce_is_its_definition_on_all_sides_with_an_estimated_constant() {
    let all = sets(2, 4, 3);
    let (x, own, noise) = (&all[0], &all[1], rows(6, 3));
    let config = NceLossConfig::new().with_temperature(0.4);
    let loss = config.init(&device());
    // Before the estimate Z = N.
    let value = to_f64(loss.forward(double(x), double(own), double(&noise)));
    let expected = nce(x, own, &noise, 0.4, 50.0, 50.0);
    assert!((value - expected).abs() <= 1e-12 * expected);

    let loss = loss.estimate(double(x), double(own), double(&noise));
    let mut powers = Vec::new();
    for (x, own) in x.iter().zip(own) {
        let candidates = noise.iter().chain([own]);
        powers.extend(candidates.map(|v| (cosine(x, v) / 0.4).exp()));
    }
    let z = 50.0 * powers.iter().sum::<f64>() / powers.len() as f64;
    assert_is(x, &|x| loss.forward(x, double(own), double(&noise)), &|x| {
        nce(x, own, &noise, 0.4, z, 50.0)
    });
    assert_is(
        own,
        &|own| loss.forward(double(x), own, double(&noise)),
        &|own| nce(x, own, &noise, 0.4, z, 50.0),
    );
    assert_is(
        &noise,
        &|noise| loss.forward(double(x), double(own), noise),
        &|noise| nce(x, own, noise, 0.4, z, 50.0),
    );
}

fn clustering(centers: &Rows, phi: &[f64], assignments: &[i64]) -> Prototypes {
    let phi = TensorData::new(phi.to_vec(), [phi.len()]);
    Prototypes {
        centers: double(centers),
        concentrations: Tensor::from_data(phi, (&device(), DType::F64)),
        assignments: labels(assignments),
    }
}

fn proto_nce(x: &Rows, centers: &Rows, phi: &[f64], assignments: &[i64]) -> f64 {
    let term = |(x, &own): (&Vec<f64>, &i64)| {
        let logits = centers.iter().zip(phi).map(|(c, phi)| cosine(x, c) / phi);
        cross_entropy(&logits.collect::<Vec<_>>(), own as usize)
    };
    x.iter().zip(assignments).map(term).sum::<f64>() / x.len() as f64
}

#[test]
fn proto_nce_is_the_mean_of_its_definition_over_clusterings() {
    let x = rows(5, 3);
    let (few, many) = (rows(2, 3), rows(4, 3));
    let (of_few, of_many) = ([0.3, 0.7], [0.2, 0.9, 0.4, 0.5]);
    let (in_few, in_many) = ([0, 1, 1, 0, 1], [3, 2, 1, 0, 0]);
    let loss = ProtoNceLossConfig::new().init(&device());
    let clusterings = [
        clustering(&few, &of_few, &in_few),
        clustering(&many, &of_many, &in_many),
    ];
    assert_is(&x, &|x| loss.forward(x, &clusterings), &|x| {
        let first = proto_nce(x, &few, &of_few, &in_few);
        (first + proto_nce(x, &many, &of_many, &in_many)) / 2.0
    });
    assert_is_zero_on_the_graph(&x, &|x| loss.forward(x, &[]));
}

#[test]
fn an_assignment_out_of_range_panics() {
    let loss = ProtoNceLossConfig::new().init(&device());
    for bad in [2, -1] {
        let clustering = clustering(&rows(2, 3), &[0.3, 0.7], &[0, bad]);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            loss.forward(double(&rows(2, 3)), &[clustering])
        }));
        assert!(caught.is_err(), "{bad}");
    }
}

#[test]
fn extreme_rows_stay_finite_broken_ones_show_and_none_cost_nothing() {
    let nce = NceLossConfig::new().init(&device());
    let proto = ProtoNceLossConfig::new().init(&device());
    for factor in [1.0, 1e18, 1e-18, 0.0] {
        let b = tensor(&rows(6, 3), DType::F32).narrow(0, 1, 5) * factor;
        assert_stays_finite(5, 3, &|x| nce.forward(x, b.clone(), b.clone()));
        assert_stays_finite(5, 3, &|x| {
            let loss = nce.clone().estimate(x.clone(), x.clone(), b.clone());
            loss.forward(x.clone(), x.clone(), x)
        });
        let centers = to_rows(b.narrow(0, 0, 2));
        let clusters = || clustering(&centers, &[1e-3, 7.0], &[0, 1, 1, 0, 1]);
        let clusters = [clusters()].map(|mut of| {
            of.centers = of.centers.cast(DType::F32);
            of
        });
        assert_stays_finite(5, 3, &|x| proto.forward(x, &clusters));
        assert_shows_nan(5, 3, &|x| proto.forward(x, &clusters));
    }
    let b = tensor(&rows(5, 3), DType::F32);
    assert_shows_nan(5, 3, &|x| nce.forward(x, b.clone(), b.clone()));
    assert_shows_nan(5, 3, &|x| nce.forward(b.clone(), b.clone(), x));
    let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
    let none = || clustering(&rows(2, 3), &[0.3, 0.7], &[]);
    let value = nce.forward(x.clone(), x.clone(), b) + proto.forward(x.clone(), &[none()]);
    let gradient = x.grad(&value.backward()).expect("on the graph");
    assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let all = sets(2, 7, 3);
    let loss = NceLossConfig::new().init(&device());
    let proto = ProtoNceLossConfig::new().init(&device());
    assert_ignores_order(&all[0], &[0, 1, 2, 3, 4, 5, 6], &|x, order| {
        let own = double(&all[1]).select(0, order.clone());
        let mut clusters = clustering(&rows(7, 3), &[0.5; 7], &[0; 7]);
        clusters.assignments = order;
        loss.forward(x.clone(), own, double(&rows(4, 3))) + proto.forward(x, &[clusters])
    });
}

fn mixed(queries: &Rows, queue: &Rows, counts: [usize; 3], seed: u64) -> Vec<Rows> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [hard, pairs, with_query] = counts;
    let (queries, queue) = (double(queries), double(queue));
    let mixed = mix_hard_negatives(queries, queue, hard, pairs, with_query, &mut rng).unwrap();
    let [n, count, dim] = mixed.dims();
    let all = to_rows(mixed.reshape([n * count, dim]));
    all.chunks(count).map(<[Vec<f64>]>::to_vec).collect()
}

/// The coefficients of `h` in `a` and `b` and what is left, by least squares.
fn coefficients(h: &[f64], a: &[f64], b: &[f64]) -> (f64, f64, f64) {
    let (ab, ah, bh) = (dot(a, b), dot(a, h), dot(b, h));
    let determinant = 1.0 - ab * ab;
    let (x, y) = ((ah - ab * bh) / determinant, (bh - ab * ah) / determinant);
    let rest = h.iter().zip(a).zip(b);
    let rest = rest.map(|((h, a), b)| (h - x * a - y * b).abs());
    (x, y, rest.fold(0.0, f64::max))
}

#[test]
fn mixed_negatives_lie_between_hard_ones_or_nearer_to_them_than_to_the_query() {
    let (queries, queue) = (rows(3, 5), rows(9, 5));
    let negatives = mixed(&queries, &queue, [3, 20, 20], 1);
    for (query, negatives) in queries.iter().zip(&negatives) {
        let mut hard: Rows = queue.iter().map(|row| unit(row)).collect();
        hard.sort_by(|a, b| cosine(query, b).total_cmp(&cosine(query, a)));
        hard.truncate(3);
        let query = unit(query);
        // Whatever is left beside the two rows is rounding, some 1e-15 over a determinant of about 0.1.
        const ROUNDING: f64 = 1e-12;
        for (i, h) in negatives.iter().enumerate() {
            assert!((dot(h, h) - 1.0).abs() <= ROUNDING);
            let between = |a: &[f64], b: &[f64]| {
                let (x, y, rest) = coefficients(h, a, b);
                let share = x / (x + y);
                let most = if i < 20 { 1.0 } else { 0.5 };
                rest <= ROUNDING && (-ROUNDING..=most + ROUNDING).contains(&share)
            };
            let is_mixed = if i < 20 {
                let pairs = [(0, 1), (0, 2), (1, 2)];
                pairs.iter().any(|&(a, b)| between(&hard[a], &hard[b]))
            } else {
                hard.iter().any(|row| between(&query, row))
            };
            assert!(is_mixed, "negative {i}");
        }
    }
}

#[test]
fn the_same_generator_mixes_the_same_and_a_short_queue_is_taken_whole() {
    let (queries, queue) = (rows(3, 5), rows(4, 5));
    let counts = [1000, 2, 3];
    let first = mixed(&queries, &queue, counts, 7);
    assert_eq!(first, mixed(&queries, &queue, counts, 7));
    assert_ne!(first, mixed(&queries, &queue, counts, 8));
    assert_eq!((first.len(), first[0].len(), first[0][0].len()), (3, 5, 5));
    assert_eq!(mixed(&queries, &queue, [2, 0, 4], 1)[0].len(), 4);
}

#[test]
fn mixing_of_extreme_rows_is_finite_and_of_nothing_refused() {
    for factor in [1e18, 1e-18, 0.0] {
        let x = tensor(&rows(4, 3), DType::F32) * factor;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mixed = mix_hard_negatives(x.clone(), x, 2, 3, 3, &mut rng).unwrap();
        let mixed = to_rows(mixed.reshape([24, 3])).concat();
        assert!(mixed.iter().all(|v| v.is_finite()), "{factor}");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut refusal = |m: usize, hard: usize, pairs: usize| {
        let (x, queue) = (double(&rows(2, 3)), Tensor::zeros([m, 3], &device()));
        let refused = mix_hard_negatives(x, queue, hard, pairs, 0, &mut rng);
        refused.unwrap_err().to_string()
    };
    assert_eq!(refusal(2, 0, 1), "n_hard must be at least 1, got 0");
    assert_eq!(
        refusal(0, 1, 1),
        "rows of the queue must be at least 1, got 0"
    );
    assert!(refusal(2, 1, 0).starts_with("pairs and with_query together"));
    let none = Tensor::<2>::zeros([0, 3], &device());
    let mixed = mix_hard_negatives(none, double(&rows(2, 3)), 1, 1, 1, &mut rng).unwrap();
    assert_eq!(mixed.dims(), [0, 2, 3]);
}

#[test]
fn parameters_out_of_range_are_named() {
    let refused = NceLossConfig::new().with_temperature(-1.0).validate();
    assert!(refused.unwrap_err().to_string().starts_with("temperature"));
}
