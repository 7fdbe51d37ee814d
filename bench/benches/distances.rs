//! One pair, all pairs of two sets, and neighbours. `--features peers` adds the C libraries `simsimd` and `numkong`.
#![allow(missing_docs, reason = "criterion_group! makes a function")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use metric_core::{
    Angular, Cosine, Distance, Euclidean, InnerProduct, Mahalanobis, Minkowski, Similarity,
    SquaredEuclidean, knn, knn_self, pairwise,
};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Lengths of a single pair: of a small embedding, of BERT's, of a large one.
const DIMS: [usize; 3] = [128, 768, 1536];

fn rows(n: usize, dim: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    Array2::from_shape_simple_fn((n, dim), || rng.random_range(-1.0..1.0))
}

/// `A Aᵀ / dim + 1`.
fn precision(dim: usize) -> Array2<f32> {
    let a = rows(dim, dim);
    a.dot(&a.t()) / dim as f32 + Array2::<f32>::eye(dim)
}

/// Calls `value` with a pair of `dim` numbers each.
fn contender<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    dim: usize,
    value: impl Fn(&[f32], &[f32]) -> R,
) {
    let rows = rows(2, dim);
    let (a, b) = (rows.row(0).to_vec(), rows.row(1).to_vec());
    group.throughput(Throughput::Elements(dim as u64));
    group.bench_function(BenchmarkId::new(name, format!("d{dim}")), |bench| {
        bench.iter(|| value(black_box(&a), black_box(&b)));
    });
}

fn squared_euclidean_pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("pair/squared_euclidean/f32");
    for dim in DIMS {
        contender(&mut group, "metric-core", dim, |a, b| {
            SquaredEuclidean.distance(a, b)
        });
        contender(&mut group, "iterator", dim, |a, b| {
            let pairs = a.iter().zip(b);
            pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
        });
        #[cfg(feature = "peers")]
        {
            contender(&mut group, "simsimd", dim, |a, b| {
                <f32 as simsimd::SpatialSimilarity>::sqeuclidean(a, b)
            });
            contender(&mut group, "numkong", dim, |a, b| {
                <f32 as numkong::Euclidean>::sqeuclidean(a, b)
            });
        }
    }
    group.finish();
}

fn cosine_pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("pair/cosine/f32");
    for dim in DIMS {
        contender(&mut group, "metric-core", dim, |a, b| Cosine.distance(a, b));
        contender(&mut group, "iterator", dim, |a, b| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        });
        #[cfg(feature = "peers")]
        {
            contender(&mut group, "simsimd", dim, |a, b| {
                <f32 as simsimd::SpatialSimilarity>::cosine(a, b)
            });
            contender(&mut group, "numkong", dim, |a, b| {
                <f32 as numkong::Angular>::angular(a, b)
            });
        }
    }
    group.finish();
}

fn inner_product_pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("pair/inner_product/f32");
    for dim in DIMS {
        contender(&mut group, "metric-core", dim, |a, b| {
            InnerProduct.similarity(a, b)
        });
        contender(&mut group, "iterator", dim, |a, b| {
            a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>()
        });
        #[cfg(feature = "peers")]
        {
            contender(&mut group, "simsimd", dim, |a, b| {
                <f32 as simsimd::SpatialSimilarity>::dot(a, b)
            });
            contender(&mut group, "numkong", dim, |a, b| {
                <f32 as numkong::Dot>::dot(a, b)
            });
        }
    }
    group.finish();
}

fn all_pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("pairwise/f32");
    let (x, y) = (rows(1024, 128), rows(1024, 128));
    group.throughput(Throughput::Elements(1024 * 1024));
    let minkowski = |p| Minkowski::new(p).expect("an order of at least 1");
    let mahalanobis =
        Mahalanobis::from_precision(precision(128).view()).expect("eigenvalues are at least 1");
    let distances: [(&str, &dyn Distance<f32>); 10] = [
        ("euclidean", &Euclidean),
        ("squared_euclidean", &SquaredEuclidean),
        ("cosine", &Cosine),
        ("angular", &Angular),
        ("mahalanobis", &mahalanobis),
        ("manhattan", &minkowski(1.0)),
        ("chebyshev", &minkowski(f64::INFINITY)),
        ("minkowski_1.5", &minkowski(1.5)),
        ("minkowski_2.7", &minkowski(2.7)),
        ("minkowski_3", &minkowski(3.0)),
    ];
    for (name, distance) in distances {
        group.bench_function(BenchmarkId::new(name, "n1024_d128"), |bench| {
            bench.iter(|| pairwise(distance, black_box(x.view()), y.view()));
        });
    }
    // What a caller would write: one product of matrices.
    group.bench_function(BenchmarkId::new("product_only", "n1024_d128"), |bench| {
        bench.iter(|| black_box(&x).dot(&y.t()));
    });
    group.finish();
}

fn neighbours(c: &mut Criterion) {
    let mut group = c.benchmark_group("neighbours/f32");
    group.sample_size(10);
    let (queries, base) = (rows(100, 128), rows(10_000, 128));
    group.throughput(Throughput::Elements(100 * 10_000));
    for (name, distance) in [
        ("euclidean", &Euclidean as &dyn Distance<f32>),
        ("cosine", &Cosine),
    ] {
        group.bench_function(BenchmarkId::new(name, "q100_n10000_d128_k10"), |bench| {
            bench.iter(|| knn(distance, black_box(queries.view()), base.view(), 10));
        });
    }
    let one = rows(1, 128);
    group.throughput(Throughput::Elements(10_000));
    group.bench_function(
        BenchmarkId::new("euclidean", "q1_n10000_d128_k10"),
        |bench| bench.iter(|| knn(&Euclidean, black_box(one.view()), base.view(), 10)),
    );
    let own = rows(2000, 64);
    group.throughput(Throughput::Elements(2000 * 1999));
    group.bench_function(
        BenchmarkId::new("euclidean_self", "n2000_d64_k10"),
        |bench| bench.iter(|| knn_self(&Euclidean, black_box(own.view()), 10)),
    );
    group.finish();
}

criterion_group!(
    benches,
    squared_euclidean_pair,
    cosine_pair,
    inner_product_pair,
    all_pairs,
    neighbours
);
criterion_main!(benches);
