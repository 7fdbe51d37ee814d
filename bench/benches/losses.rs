//! Forward and backward of each loss on one batch of 32 classes x 4 embeddings.
#![allow(missing_docs, reason = "criterion_group! makes a function")]

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metric_bench::run::{LossName, Objective, Step, Task};
use rand::SeedableRng;

const CLASSES: usize = 32;
const PER_CLASS: usize = 4;
const DIM: usize = 128;

fn losses(c: &mut Criterion) {
    let mut group = c.benchmark_group("loss/n128_d128");
    let device = Device::flex().autodiff();
    device.seed(1);
    let n = CLASSES * PER_CLASS;
    let x = Tensor::<2>::random([n, DIM], Distribution::Default, &device);
    let labels: Vec<i64> = (0..n).map(|i| (i / PER_CLASS) as i64).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [n]), &device);
    group.throughput(Throughput::Elements(n as u64));
    let names = [
        ("softmax", LossName::Softmax),
        ("normalized_softmax", LossName::NormalizedSoftmax),
        ("contrastive", LossName::Contrastive),
        ("triplet_margin", LossName::Triplet),
        ("center", LossName::Center),
        ("arc_face", LossName::Arcface),
    ];
    let task = Task {
        class_counts: &[PER_CLASS; CLASSES],
        dim: DIM,
        device: &device,
    };
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for (name, loss) in names {
        let objective = Objective::new(loss, &task);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let x = x.clone().detach().require_grad();
                let mut step = Step {
                    number: 0,
                    triplets: None,
                    random: &mut random,
                };
                objective.forward(x, labels.clone(), &mut step).backward()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, losses);
criterion_main!(benches);
