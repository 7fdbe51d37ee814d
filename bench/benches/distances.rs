//! One pair, and all pairs of two sets. `--features peers` adds the C library `simsimd`.
#![allow(missing_docs, reason = "criterion_group! makes a function")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use metric_core::{Angular, Cosine, Distance, Euclidean, Minkowski, SquaredEuclidean, pairwise};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn rows(n: usize, dim: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    Array2::from_shape_simple_fn((n, dim), || rng.random_range(-1.0..1.0))
}

fn one_pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("squared_euclidean/f32");
    for dim in [128, 768, 1536] {
        let rows = rows(2, dim);
        let (a, b) = (rows.row(0).to_vec(), rows.row(1).to_vec());
        group.throughput(Throughput::Elements(dim as u64));
        group.bench_function(BenchmarkId::new("metric-core", dim), |bench| {
            bench.iter(|| SquaredEuclidean.distance(black_box(&a), black_box(&b)));
        });
        group.bench_function(BenchmarkId::new("iterator", dim), |bench| {
            bench.iter(|| {
                let pairs = black_box(&a).iter().zip(black_box(&b));
                pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
            });
        });
        #[cfg(feature = "peers")]
        group.bench_function(BenchmarkId::new("simsimd", dim), |bench| {
            use simsimd::SpatialSimilarity;
            bench.iter(|| f32::sqeuclidean(black_box(&a), black_box(&b)));
        });
    }
    group.finish();
}

fn all_pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("pairwise/f32/n1024_d128");
    let (x, y) = (rows(1024, 128), rows(1024, 128));
    group.throughput(Throughput::Elements(1024 * 1024));
    let minkowski = Minkowski::new(3.0).expect("3 is at least 1");
    let distances: [(&str, &dyn Distance<f32>); 5] = [
        ("euclidean", &Euclidean),
        ("squared_euclidean", &SquaredEuclidean),
        ("cosine", &Cosine),
        ("angular", &Angular),
        ("minkowski_3", &minkowski),
    ];
    for (name, distance) in distances {
        group.bench_function(name, |bench| {
            bench.iter(|| pairwise(distance, black_box(x.view()), y.view()));
        });
    }
    group.finish();
}

criterion_group!(benches, one_pair, all_pairs);
criterion_main!(benches);
