//! Steps of a learner: who learns, who follows, and what is kept.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::module::Module;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use common::{
    FEATURES, Small, SmallConfig, all_numbers, alone, are_close, device, numbers, random, views,
};
use metric_ssl::{
    AnyMethod, LearnError, Learner, Memory, Method, MethodName, Moco, Now, OnViews, Settings,
};
use rand_chacha::ChaCha8Rng;

/// Small heads and a short queue.
const SETTINGS: Settings = Settings {
    temperature: None,
    queue: Some(20),
    momentum: Some(0.9),
    splits: None,
    layers: None,
    hidden: Some(8),
    output: Some(4),
    prototypes: Some(6),
    support: Some(2),
    classes: Some(3),
};
const N: usize = 8;

fn learner(name: MethodName, norm: bool, device: &Device) -> Learner<Small, AnyMethod> {
    let _alone = alone();
    device.seed(7);
    let backbone = SmallConfig::new().with_norm(norm).init(device);
    let method = AnyMethod::new(name, &SETTINGS, device);
    let parts = SETTINGS.apply(method.parts(FEATURES));
    Learner::with_parts(backbone, method, &parts, device)
}

struct Training {
    learner: Learner<Small, AnyMethod>,
    optimizer: ModuleOptimizer,
    memory: Memory,
    random: ChaCha8Rng,
    device: Device,
    step: u64,
}

impl Training {
    fn new(name: MethodName, norm: bool) -> Self {
        let device = device();
        let learner = learner(name, norm, &device);
        let mut random = random(3);
        Self {
            memory: learner.memory(100, &mut random).unwrap(),
            optimizer: SgdConfig::new().init(),
            learner,
            random,
            device,
            step: 0,
        }
    }

    fn step(mut self) -> Self {
        let batch = views(
            N,
            self.learner.views().max(2),
            &mut self.random,
            &self.device,
        );
        let examples: Vec<usize> = (0..N).map(|i| (self.step as usize * N + i) % 100).collect();
        let labels: Vec<i64> = examples.iter().map(|&i| i as i64 % 3).collect();
        let mut now = Now {
            step: self.step,
            steps: 100,
            examples: &examples,
            labels: Some(&labels),
            memory: &self.memory,
            random: &mut self.random,
        };
        let learned = self.learner.gradients(&[batch], &mut now).unwrap();
        assert!(learned.loss.into_scalar::<f32>().is_finite());
        let learner = self.optimizer.step(0.05, self.learner, learned.gradients);
        self.learner = learner.after_step(&learned.outputs, &mut now).unwrap();
        let remembered = self
            .learner
            .remember(&learned.outputs, &examples, &mut self.memory);
        remembered.unwrap();
        self.step += 1;
        // Two steps make an epoch here.
        if self.step.is_multiple_of(2) {
            self.learner
                .after_epoch(&mut self.memory, &mut self.random)
                .unwrap();
        }
        self
    }
}

#[test]
fn every_method_learns_with_finite_losses_and_moves_its_backbone() {
    for &name in MethodName::ALL {
        if name == MethodName::Distilled {
            continue; // a copy of the student has nothing to teach it
        }
        let start = Training::new(name, true);
        let before = numbers(start.learner.network.backbone.linear.weight.val());
        let after = start.step().step().step().learner;
        assert_ne!(
            numbers(after.network.backbone.linear.weight.val()),
            before,
            "{name}"
        );
    }
}

#[test]
fn no_gradient_reaches_a_teacher() {
    for &name in MethodName::ALL {
        let start = Training::new(name, true);
        let Some(teacher) = start.learner.teacher() else {
            continue;
        };
        if name == MethodName::Distilled {
            continue; // a copy of the student has nothing to teach it
        }
        let before = numbers(teacher.backbone.linear.weight.val());
        assert!(
            !teacher.backbone.linear.weight.val().is_require_grad(),
            "{name}"
        );
        let mut still = start;
        let _alone = alone();
        // A momentum of 1 leaves only gradients to move it.
        let settings = Settings {
            momentum: Some(1.0),
            ..SETTINGS
        };
        let method = AnyMethod::new(name, &settings, &still.device);
        let parts = settings.apply(method.parts(FEATURES));
        let backbone = still.learner.network.backbone.clone();
        still.learner = Learner::with_parts(backbone, method, &parts, &still.device);
        let after = still.step().step();
        let teacher = after.learner.teacher().unwrap();
        assert_eq!(
            numbers(teacher.backbone.linear.weight.val()),
            before,
            "{name}"
        );
        assert_ne!(
            numbers(after.learner.network.backbone.linear.weight.val()),
            before,
            "{name}: the student moves"
        );
    }
}

/// Mean and biased variance of what the linear layer of `network` makes of `images`, of each feature.
fn moments_of(network: &Small, images: &Tensor<4>) -> [Vec<f64>; 2] {
    let pixels: Tensor<2> = images.clone().flatten(1, 3);
    let rows = numbers(network.linear.forward(pixels));
    let column = |j: usize| rows.iter().skip(j).step_by(FEATURES).map(|&x| f64::from(x));
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / N as f64;
    let means: Vec<f64> = (0..FEATURES).map(|j| mean(&mut column(j))).collect();
    let variances = (0..FEATURES).map(|j| mean(&mut column(j).map(|x| (x - means[j]).powi(2))));
    let variances = variances.collect();
    [means, variances]
}

#[test]
fn after_a_hundred_steps_the_teacher_is_what_its_formula_says() {
    // Running statistics of batch norm first follow the teacher's own batch, as those of any network in training, and then
    // the student's.
    const NORM: f64 = 0.1; // Burn's momentum of running statistics
    let mut training = Training::new(MethodName::MocoV2, true);
    let settings = Settings {
        splits: Some(1),
        ..SETTINGS
    };
    training.learner = {
        let _alone = alone();
        let method = AnyMethod::new(MethodName::MocoV2, &settings, &training.device);
        let parts = settings.apply(method.parts(FEATURES));
        let backbone = training.learner.network.backbone.clone();
        Learner::with_parts(backbone, method, &parts, &training.device)
    };
    let statistics = |network: &Small| {
        let norm = network.norm.as_ref().unwrap().valid();
        [norm.running_mean, norm.running_var].map(|state| numbers(state.value()))
    };
    // Numbers of the module: linear layer, batch norm's scale, shift, mean and variance, head.
    let first = 16 * FEATURES + FEATURES + 2 * FEATURES;
    let mut want: Vec<f64> = all_numbers(&training.learner.network)
        .iter()
        .map(|&x| f64::from(x))
        .collect();
    assert_eq!(
        all_numbers(training.learner.teacher().unwrap()),
        all_numbers(&training.learner.network)
    );
    for _ in 0..100 {
        let key = views(N, 2, &mut training.random.clone(), &training.device).remove(1);
        let own = moments_of(&training.learner.teacher().unwrap().backbone, &key);
        for (want, own) in want[first..].iter_mut().zip(own.into_iter().flatten()) {
            *want = (1.0 - NORM) * *want + NORM * own;
        }
        training = training.step();
        for (want, student) in want.iter_mut().zip(all_numbers(&training.learner.network)) {
            *want = 0.9 * *want + 0.1 * f64::from(student);
        }
    }
    let want: Vec<f32> = want.into_iter().map(|x| x as f32).collect();
    let teacher = training.learner.teacher().unwrap();
    let [mean, variance] = statistics(&teacher.backbone);
    assert_eq!(all_numbers(teacher)[first..first + FEATURES], mean);
    assert_eq!(
        all_numbers(teacher)[first + FEATURES..first + 2 * FEATURES],
        variance
    );
    assert!(are_close(&all_numbers(teacher), &want, 1e-6));
}

#[test]
fn the_queue_holds_the_last_keys_in_order() {
    let mut training = Training::new(MethodName::MocoV2, true);
    let mut keys: Vec<Vec<f32>> = Vec::new();
    let mut of: Vec<i64> = Vec::new();
    for step in 0..5 {
        let mut ahead = training.random.clone();
        let batch = views(N, 2, &mut ahead, &training.device);
        let examples: Vec<usize> = (0..N).map(|i| step * N + i).collect();
        let mut now = Now {
            step: step as u64,
            steps: 100,
            examples: &examples,
            labels: None,
            memory: &training.memory,
            random: &mut ahead,
        };
        let (_, outputs) = training.learner.loss(&batch, &mut now).unwrap();
        let rows = training.learner.method.keys(&outputs).unwrap();
        keys.extend(numbers(rows).chunks(4).map(<[f32]>::to_vec));
        of.extend(examples.iter().map(|&example| example as i64));
        training = training.step();
        let queue = training.memory.queue.as_ref().unwrap();
        let kept = keys.len().min(20);
        let last = &keys[keys.len() - kept..];
        let rows = queue.rows();
        assert_eq!(rows.nrows(), kept);
        // The keys were encoded once more, with the running statistics of one batch more.
        for (row, want) in rows.outer_iter().zip(last) {
            assert!(are_close(&row.to_vec(), want, 1e-6));
        }
        assert_eq!(queue.labels(), &of[of.len() - kept..]);
    }
}

#[test]
fn two_runs_of_one_seed_give_the_same_bits() {
    for &name in MethodName::ALL {
        let run = || {
            let end = Training::new(name, true).step().step().step();
            (all_numbers(&end.learner), end.memory)
        };
        assert_eq!(run(), run(), "{name}");
    }
}

#[test]
fn chunks_give_the_loss_and_gradients_of_the_whole_batch() {
    let device = device();
    for &name in MethodName::ALL {
        // Methods whose heads have batch norm differ by its statistics.
        let settings = Settings {
            layers: Some(1),
            ..SETTINGS
        };
        let method = AnyMethod::new(name, &settings, &device);
        let mut parts = settings.apply(method.parts(FEATURES));
        parts.projector.last_norm = metric_ssl::LastNorm::Absent;
        if let Some(head) = &mut parts.predictor {
            (head.hidden_norm, head.last_norm) = (false, metric_ssl::LastNorm::Absent);
        }
        if let Some(teacher) = &mut parts.teacher {
            teacher.splits = 1;
        }
        let backbone = SmallConfig::new().with_norm(false).init(&device);
        let learner = {
            let _alone = alone();
            Learner::with_parts(backbone, method, &parts, &device)
        };
        let memory = learner.memory(100, &mut random(1)).unwrap();
        let batch = views(N, learner.views().max(2), &mut random(2), &device);
        let examples: Vec<usize> = (0..N).collect();
        let labels = [0, 1, 2, 0, 1, 2, 0, 1];
        let gradients = |chunks: &[Vec<Tensor<4>>]| {
            let mut random = random(5);
            let mut now = Now {
                step: 0,
                steps: 10,
                examples: &examples,
                labels: Some(&labels),
                memory: &memory,
                random: &mut random,
            };
            let learned = learner.gradients(chunks, &mut now).unwrap();
            let weight = &learner.network.backbone.linear.weight;
            let gradient = learned.gradients.get::<2>(weight.id).unwrap();
            (learned.loss.into_scalar::<f32>(), numbers(gradient))
        };
        let halves: Vec<Vec<Tensor<4>>> = [0, N / 2]
            .map(|from| {
                batch
                    .iter()
                    .map(|view| view.clone().narrow(0, from, N / 2))
                    .collect()
            })
            .into();
        let (whole, of_whole) = gradients(&[batch]);
        let (parts, of_parts) = gradients(&halves);
        // The same sums in another order.
        assert!(
            (whole - parts).abs() <= 1e-5 * whole.abs().max(1.0),
            "{name}: {whole} {parts}"
        );
        let largest = of_whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert!(
            are_close(&of_parts, &of_whole, 1e-5 * largest.max(1e-3)),
            "{name}"
        );
    }
}

#[test]
fn a_shuffled_and_split_batch_comes_back_in_order() {
    let device = device();
    // Without batch norm the parts cannot matter.
    let with_splits = |splits| {
        let _alone = alone();
        device.seed(7);
        let backbone = SmallConfig::new().with_norm(false).init(&device);
        let method = Moco::v2(0.2, &device);
        let settings = Settings {
            splits: Some(splits),
            ..SETTINGS
        };
        let parts = settings.apply(method.parts(FEATURES));
        let learner = Learner::with_parts(backbone, method, &parts, &device);
        let memory = Memory::default();
        let examples: Vec<usize> = (0..7).collect();
        let mut now = Now {
            step: 0,
            steps: 1,
            examples: &examples,
            labels: None,
            memory: &memory,
            random: &mut random(9),
        };
        let batch = views(7, 2, &mut random(4), &device);
        let (_, outputs) = learner.loss(&batch, &mut now).unwrap();
        numbers(outputs.taught[0].clone())
    };
    let whole = with_splits(1);
    for splits in [2, 3, 7] {
        assert!(are_close(&with_splits(splits), &whole, 1e-6), "{splits}");
    }
}

#[test]
fn too_few_views_are_an_error() {
    let device = device();
    let _alone = alone();
    let learner = Learner::new(
        SmallConfig::new().init(&device),
        FEATURES,
        OnViews::sim_clr(0.5, &device),
        &device,
    );
    let memory = Memory::default();
    let mut random = random(1);
    let batch = views(4, 1, &mut random, &device);
    let mut now = Now {
        step: 0,
        steps: 1,
        examples: &[0, 1, 2, 3],
        labels: None,
        memory: &memory,
        random: &mut random,
    };
    let error = learner.gradients(&[batch], &mut now).unwrap_err();
    assert_eq!(
        error,
        LearnError::Views {
            expected: 2,
            got: 1
        }
    );
}

#[test]
fn names_and_methods_go_both_ways() {
    for (&name, &text) in MethodName::ALL.iter().zip(MethodName::NAMES) {
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse::<MethodName>().unwrap(), name);
    }
    let error = "mocov2".parse::<MethodName>().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no method is called \"mocov2\"; there are ")
    );
}
