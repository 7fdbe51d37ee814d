//! What single methods promise beside what all do.
#![allow(
    clippy::unwrap_used,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use common::{FEATURES, Small, SmallConfig, alone, are_close, device, numbers, random, views};
use metric_sampling::density::{LogDensity, ManifoldDensity};
use metric_sampling::positives::FalseNegatives;
use metric_sampling::{DensityAware, MemoryBank, RingBuffer};
use metric_ssl::{
    AnyMethod, DensityAwareContrast, Distilled, FalseNegativeCancellation, Guessing, Learner,
    MeanTeacher, Memory, Method, MethodName, MoChi, Network, Now, OnViews, Outputs, Pcl, Settings,
    SwAv,
};
use ndarray::Array2;
use rand::RngExt;

const N: usize = 6;
const DIM: usize = 4;

fn rows(values: &[[f32; DIM]], device: &Device) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(values.concat(), [values.len(), DIM]),
        device,
    )
}

fn drawn(count: usize, seed: u64) -> Vec<[f32; DIM]> {
    let mut random = random(seed);
    (0..count)
        .map(|_| std::array::from_fn(|_| random.random_range(-1.0..1.0)))
        .collect()
}

/// Projections alone, of these views.
fn outputs(projected: Vec<Tensor<2>>, taught: Vec<Tensor<2>>) -> Outputs {
    Outputs {
        predicted: projected.clone(),
        projected,
        taught,
    }
}

fn value(method: &impl Method, views: &Outputs, memory: &Memory, step: u64) -> f32 {
    let examples: Vec<usize> = (0..N).collect();
    let mut now = Now {
        step,
        steps: 100,
        examples: &examples,
        labels: None,
        memory,
        random: &mut random(3),
    };
    method.loss(views, &mut now).into_scalar::<f32>()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn outputs_that_tell_nothing_apart_have_the_loss_of_guessing() {
    let _alone = alone();
    let device = device();
    let memory = Memory {
        queue: Some({
            let mut queue = RingBuffer::new(20, DIM).unwrap();
            queue
                .push(Array2::from_elem((20, DIM), 0.5).view(), &[0; 20])
                .unwrap();
            queue
        }),
        ..Memory::default()
    };
    let settings = Settings {
        support: Some(2),
        output: Some(DIM),
        prototypes: Some(DIM),
        ..Settings::default()
    };
    let mut checked = 0;
    for &name in MethodName::ALL {
        let method = AnyMethod::new(name, &settings, &device);
        // One output has its own cosine to each prototype.
        if matches!(name, MethodName::SwAv) {
            continue;
        }
        let Some(chance) = method.chance(2, N, &memory) else {
            continue;
        };
        let views = || vec![rows(&[[0.5; DIM]; N], &device); 2];
        let got = f64::from(value(&method, &outputs(views(), views()), &memory, 1));
        assert!(
            (got - chance).abs() < 1e-4 * chance,
            "{name}: {got} {chance}"
        );
        checked += 1;
    }
    assert!(checked >= 12, "{checked} methods say what guessing has");
}

#[test]
fn a_loss_is_doubted_when_it_starts_above_guessing_or_stays_there() {
    assert_eq!(Guessing::at_start(4.0, 4.0), None);
    assert_eq!(Guessing::later(3.0, 4.0), None);
    let (loss, chance) = (9.0, 4.0);
    let confident = Guessing::at_start(loss, chance).unwrap();
    assert_eq!(confident, Guessing::Confident { loss, chance });
    assert!(confident.to_string().contains("temperature"));
    let still = Guessing::later(3.99, chance).unwrap();
    assert!(still.to_string().contains("hardly below the 4.00"));
}

#[test]
fn swav_balances_a_batch_smaller_than_its_prototypes_with_a_queue() {
    let _alone = alone();
    let device = device();
    let earlier = drawn(8, 7);
    let mut queue = RingBuffer::new(8, DIM).unwrap();
    let held = Array2::from_shape_fn((8, DIM), |(row, column)| earlier[row][column]);
    queue.push(held.view(), &[0; 8]).unwrap();
    let memory = Memory {
        queue: Some(queue),
        ..Memory::default()
    };
    let views = [1, 2].map(|seed| rows(&drawn(N, seed), &device)).to_vec();
    let views = outputs(views, Vec::new());
    let alike = |a: f32, b: f32| (a - b).abs() < 1e-5;
    let none = Memory::default();
    for (prototypes, is_needed) in [(N, false), (N + 1, true)] {
        let method = SwAv::new(prototypes, DIM, 0.1, &device);
        let plain = value(&method, &views, &none, 50);
        assert!(alike(value(&method, &views, &memory, 7), plain));
        assert_eq!(alike(value(&method, &views, &memory, 8), plain), !is_needed);
        assert_eq!(method.keys(&views).is_some(), is_needed);
    }
}

#[test]
fn density_aware_without_weights_is_simclr() {
    let device = device();
    let plain = DensityAware::new().with_beta(0.0).unwrap();
    let plain = plain.with_gamma(0.0).unwrap();
    let method = DensityAwareContrast::new(plain, 0.5, &device);
    let views = [1, 2].map(|seed| rows(&drawn(N, seed), &device)).to_vec();
    let views = outputs(views, Vec::new());
    let want = value(
        &OnViews::sim_clr(0.5, &device),
        &views,
        &Memory::default(),
        0,
    );
    let got = value(&method, &views, &Memory::default(), 0);
    assert!((got - want).abs() < 1e-5, "{got} {want}");
}

#[test]
fn density_aware_is_its_definition() {
    let (beta, gamma, t) = (3.0, 0.7, 0.5);
    let device = device();
    let (first, second) = (drawn(N, 1), drawn(N, 2));
    let all: Vec<[f32; DIM]> = first.iter().chain(&second).copied().collect();
    let unit: Vec<Vec<f32>> = all
        .iter()
        .map(|row| {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter().map(|x| x / length).collect()
        })
        .collect();
    let matrix = Array2::from_shape_vec((2 * N, DIM), unit.concat()).unwrap();
    let densities = ManifoldDensity::default()
        .log_density_self(matrix.view())
        .unwrap();
    let mut want = 0.0;
    for i in 0..2 * N {
        let others: Vec<usize> = (0..2 * N).filter(|j| j % N != i % N).collect();
        let weights: Vec<f64> = others
            .iter()
            .map(|&j| (beta * cosine(&all[i], &all[j]) - gamma * densities[j]).exp())
            .collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let own = (cosine(&all[i], &all[(i + N) % (2 * N)]) / t).exp();
        let sum: f64 = others
            .iter()
            .zip(&weights)
            .map(|(&j, w)| w / mean * (cosine(&all[i], &all[j]) / t).exp())
            .sum();
        want += (1.0 + sum / own).ln() / (2 * N) as f64;
    }
    let negatives = DensityAware::new().with_beta(beta).unwrap();
    let negatives = negatives.with_gamma(gamma).unwrap();
    let method = DensityAwareContrast::new(negatives, t, &device);
    let views = outputs(
        vec![rows(&first, &device), rows(&second, &device)],
        Vec::new(),
    );
    let got = f64::from(value(&method, &views, &Memory::default(), 0));
    assert!((got - want).abs() < 1e-4, "{got} {want}");
}

/// Suspects of each row: other images whose cosine to a support view of its own is at least `above`.
fn suspected(all: &[[f32; DIM]], support: &[Vec<[f32; DIM]>], above: f64) -> Vec<Vec<usize>> {
    (0..all.len())
        .map(|i| {
            (0..all.len())
                .filter(|j| j % N != i % N)
                .filter(|&j| {
                    let near = |view: &Vec<[f32; DIM]>| cosine(&view[i % N], &all[j]) >= above;
                    support.iter().any(near)
                })
                .collect()
        })
        .collect()
}

#[test]
fn false_negatives_are_attracted_or_left_out() {
    let (above, t) = (0.6, 0.5);
    let device = device();
    let (first, second) = (drawn(N, 1), drawn(N, 2));
    let support = vec![drawn(N, 4), drawn(N, 5)];
    let all: Vec<[f32; DIM]> = first.iter().chain(&second).copied().collect();
    let suspects = suspected(&all, &support, above);
    let count: usize = suspects.iter().map(Vec::len).sum();
    assert!(count > 0 && count < 2 * N * (2 * N - 2), "{count} suspects");
    let definition = |attracts: bool| {
        let terms = (0..2 * N).map(|i| {
            let exp = |j: usize| (cosine(&all[i], &all[j]) / t).exp();
            let mut positives = vec![(i + N) % (2 * N)];
            let counts = |j: &usize| *j != i && (attracts || !suspects[i].contains(j));
            let sum: f64 = (0..2 * N).filter(counts).map(exp).sum();
            if attracts {
                positives.extend(&suspects[i]);
            }
            let logs: f64 = positives.iter().map(|&p| (exp(p) / sum).ln()).sum();
            -logs / positives.len() as f64
        });
        terms.sum::<f64>() / (2 * N) as f64
    };
    let views = outputs(
        vec![rows(&first, &device), rows(&second, &device)],
        support.iter().map(|view| rows(view, &device)).collect(),
    );
    let method = || {
        let suspects = FalseNegatives::above(above).unwrap();
        FalseNegativeCancellation::new(suspects, 2, t, &device)
    };
    let got = f64::from(value(&method(), &views, &Memory::default(), 0));
    let want = definition(true);
    assert!((got - want).abs() < 1e-5, "attraction: {got} {want}");
    let got = f64::from(value(
        &method().eliminating(),
        &views,
        &Memory::default(),
        0,
    ));
    let want = definition(false);
    assert!((got - want).abs() < 1e-5, "elimination: {got} {want}");
}

#[test]
fn mochi_adds_the_mixtures_to_the_queue() {
    let device = device();
    let mut queue = RingBuffer::new(20, DIM).unwrap();
    let held = drawn(20, 8).concat();
    let held = Array2::from_shape_vec((20, DIM), held).unwrap();
    queue.push(held.view(), &[0; 20]).unwrap();
    let memory = Memory {
        queue: Some(queue),
        ..Memory::default()
    };
    let views = outputs(
        vec![rows(&drawn(N, 1), &device)],
        vec![rows(&drawn(N, 2), &device)],
    );
    let (mixing, plain) = (MoChi::new(0.2, &device), metric_ssl::Moco::v2(0.2, &device));
    // Before a twentieth of the steps nothing is mixed.
    let early = value(&mixing, &views, &memory, 4);
    assert!((early - value(&plain, &views, &memory, 4)).abs() < 1e-6);
    // More negatives, and harder ones.
    let late = value(&mixing, &views, &memory, 5);
    assert!(late > early + 0.01, "{late} {early}");
}

#[test]
fn pcl_adds_prototypes_of_the_bank_when_they_are_there() {
    let _alone = alone();
    let device = device();
    let method = Pcl::new(&[2, 3], 0.2, &device);
    let learner = Learner::new(
        SmallConfig::new().init(&device),
        FEATURES,
        Pcl::new(&[2, 3], 0.2, &device),
        &device,
    );
    let bank = drawn(N, 9).concat();
    let bank = Array2::from_shape_vec((N, DIM), bank).unwrap();
    let mut memory = Memory {
        bank: Some(MemoryBank::new(bank.view()).unwrap()),
        ..Memory::default()
    };
    let views = outputs(
        vec![rows(&drawn(N, 1), &device)],
        vec![rows(&drawn(N, 2), &device)],
    );
    let alone = value(&method, &views, &memory, 50);
    learner.after_epoch(&mut memory, &mut random(1)).unwrap();
    let clusters = memory.clusters.as_ref().unwrap();
    let sizes: Vec<usize> = clusters
        .granularities()
        .iter()
        .map(|one| one.centroids().nrows())
        .collect();
    assert_eq!(sizes, [2, 3]);
    let chance = method.chance(2, N, &memory).unwrap();
    let of_contrast = method.chance(2, N, &Memory::default()).unwrap();
    let of_prototypes = f64::midpoint(2_f64.ln(), 3_f64.ln());
    assert!((chance - of_contrast - of_prototypes).abs() < 1e-12);
    // In the first tenth they do not count yet.
    assert!((value(&method, &views, &memory, 9) - alone).abs() < 1e-6);
    assert!(value(&method, &views, &memory, 10) > alone + 0.01);
}

#[test]
fn more_clusters_than_examples_are_refused() {
    let _alone = alone();
    let device = device();
    let learner = Learner::new(
        SmallConfig::new().init(&device),
        FEATURES,
        Pcl::new(&[N + 1], 0.2, &device),
        &device,
    );
    let mut memory = learner.memory(N, &mut random(1)).unwrap();
    let error = learner
        .after_epoch(&mut memory, &mut random(1))
        .unwrap_err();
    assert!(error.to_string().contains(&(N + 1).to_string()), "{error}");
    assert_eq!(memory.clusters, None);
}

/// A learner of this seed, without batch norm.
fn learner<M: Method>(seed: u64, method: M, device: &Device) -> Learner<Small, M> {
    let _alone = alone();
    device.seed(seed);
    let backbone = SmallConfig::new().with_norm(false).init(device);
    Learner::new(backbone, FEATURES, method, device)
}

#[test]
fn a_mean_teacher_learns_the_classes_it_is_told() {
    let device = device();
    let method = MeanTeacher::new(2, 0.1, 10.0, &device);
    let mut learner = learner(1, method, &device);
    let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
    let mut random = random(1);
    // Bright images are of class 1; every second one is told.
    let classes: Vec<i64> = (0..N as i64).map(|i| i / 3).collect();
    let labels: Vec<i64> = (0..N)
        .map(|i| if i % 2 == 0 { classes[i] } else { -1 })
        .collect();
    let examples: Vec<usize> = (0..N).collect();
    let memory = Memory::default();
    let batch = |random: &mut rand_chacha::ChaCha8Rng| -> Vec<Tensor<4>> {
        let noise = views(N, 2, random, &device);
        let light: Vec<f32> = classes.iter().map(|&c| 2.0 * c as f32 - 1.0).collect();
        let light = Tensor::<4>::from_data(TensorData::new(light, [N, 1, 1, 1]), &device);
        noise
            .into_iter()
            .map(|view| view * 0.3 + light.clone())
            .collect()
    };
    for step in 0..60 {
        let views = batch(&mut random);
        let mut now = Now {
            step,
            steps: 60,
            examples: &examples,
            labels: Some(&labels),
            memory: &memory,
            random: &mut random,
        };
        let learned = learner.gradients(&[views], &mut now).unwrap();
        learner = optimizer.step(0.1, learner, learned.gradients);
        learner = learner.after_step(&learned.outputs, &mut now).unwrap();
    }
    let teacher = learner.teacher().unwrap();
    let logits = teacher.forward(batch(&mut random).remove(0));
    let said: Vec<i64> = logits.argmax(1).into_data().iter::<i64>().collect();
    assert_eq!(said, classes);
}

#[test]
fn no_choice_makes_the_teacher_of_a_distillation_follow() {
    let settings = Settings {
        momentum: Some(0.9),
        ..Settings::default()
    };
    let parts = settings.apply(Distilled::new(3, 0.1, &device()).parts(FEATURES));
    assert!((parts.teacher.unwrap().momentum - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_distilled_student_says_what_its_teacher_says() {
    let device = device();
    let method = || Distilled::new(3, 0.1, &device);
    let teacher: Network<Small> = learner(1, method(), &device).network;
    let mut learner = learner(2, method(), &device).with_teacher(teacher.clone());
    let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
    let (mut random, memory) = (random(1), Memory::default());
    let examples: Vec<usize> = (0..N).collect();
    let mut losses = Vec::new();
    for step in 0..400 {
        let views = views(N, 2, &mut random, &device);
        let mut now = Now {
            step,
            steps: 400,
            examples: &examples,
            labels: None,
            memory: &memory,
            random: &mut random,
        };
        let learned = learner.gradients(&[views], &mut now).unwrap();
        losses.push(learned.loss.into_scalar::<f32>());
        learner = optimizer.step(0.1, learner, learned.gradients);
        learner = learner.after_step(&learned.outputs, &mut now).unwrap();
    }
    let kept = numbers(learner.teacher().unwrap().backbone.linear.weight.val());
    assert!(are_close(
        &kept,
        &numbers(teacher.backbone.linear.weight.val()),
        0.0
    ));
    let images = views(100, 1, &mut random, &device).remove(0);
    let say = |network: &Network<Small>| -> Vec<i64> {
        let classes = network.forward(images.clone()).argmax(1);
        classes.into_data().iter::<i64>().collect()
    };
    let (student, teacher) = (say(&learner.network), say(&teacher));
    let same = student.iter().zip(&teacher).filter(|(s, t)| s == t).count();
    assert!(
        same >= 85,
        "{same} of 100 alike; losses {:?}",
        [losses[0], losses[399]]
    );
}
