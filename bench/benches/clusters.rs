//! k-means, its start, silhouettes and linear metric learners.
#![allow(missing_docs, reason = "criterion_group! makes a function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use metric_core::Euclidean;
use metric_core::clusters::{KMeans, Start, Variant, kmeans_plus_plus, silhouette};
use metric_core::linear::{Covariance, Estimator, Lda, Pca};
use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const N: usize = 10_000;
const DIM: usize = 64;
const K: usize = 64;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn rows() -> Array2<f32> {
    let mut rng = rng();
    Array2::from_shape_simple_fn((N, DIM), || rng.random_range(-1.0..1.0))
}

fn k_means(c: &mut Criterion) {
    let rows = rows();
    let start = rows.slice(s![..K, ..]).to_owned();
    let mut group = c.benchmark_group("kmeans/f32");
    group.throughput(Throughput::Elements(N as u64));
    for (name, variant) in [("lloyd", Variant::Lloyd), ("hamerly", Variant::Hamerly)] {
        let model = KMeans::new(K)
            .start(Start::Given(start.clone()))
            .variant(variant)
            .max_iterations(10)
            .tolerance(0.0);
        group.bench_function(BenchmarkId::new(name, "n10000_d64_k64"), |bench| {
            bench.iter(|| model.fit(black_box(rows.view()), &mut rng()));
        });
    }
    group.bench_function(BenchmarkId::new("plus_plus", "n10000_d64_k64"), |bench| {
        bench.iter(|| kmeans_plus_plus(black_box(rows.view()), K, None, &mut rng()));
    });
    group.finish();
}

fn scores(c: &mut Criterion) {
    let rows = rows();
    let few = rows.slice(s![..2_000, ..]);
    let labels: Vec<u32> = (0..2_000).map(|i| i % 10).collect();
    let mut group = c.benchmark_group("silhouette/f32");
    group.bench_function("n2000_d64", |bench| {
        bench.iter(|| silhouette(&Euclidean, black_box(few), &labels));
    });
    group.finish();
}

fn learners(c: &mut Criterion) {
    let rows = rows();
    let labels: Vec<u32> = (0..N as u32).map(|i| i % 10).collect();
    let mut group = c.benchmark_group("linear/f32/n10000_d64");
    group.bench_function("ledoit_wolf", |bench| {
        bench.iter(|| Covariance::fit(black_box(rows.view()), Estimator::LedoitWolf));
    });
    group.bench_function("pca", |bench| {
        bench.iter(|| Pca::components(16).fit(black_box(rows.view())));
    });
    group.bench_function("lda", |bench| {
        bench.iter(|| Lda::new().fit(black_box(rows.view()), &labels));
    });
    group.finish();
}

criterion_group!(benches, k_means, scores, learners);
criterion_main!(benches);
