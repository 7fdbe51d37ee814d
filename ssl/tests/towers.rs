//! Two towers of two kinds of input: that they learn, who follows, and what is kept.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{all_numbers, alone, are_close, device, numbers, random};
use metric_core::Error;
use metric_losses::{CachedGradientsError, ClipLossConfig, SoftInfoNceLossConfig, l2_normalize};
use metric_sampling::BufferError;
use metric_ssl::{AlbefConfig, Tower, Towers, TowersError, TowersMemory, cross_recall};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const DIM: usize = 8;
/// Things that are shown and named.
const THINGS: usize = 64;
/// Numbers of a picture.
const PIXELS: usize = 12;
/// A name is three digits to base 4, each with tokens of its own.
const TOKENS: usize = 12;
const N: usize = 16;
const QUEUE: usize = 40;

/// Sees pictures.
#[derive(Module, Debug)]
struct Eye {
    linear: Linear,
}

impl Tower<Tensor<2>> for Eye {
    fn embed(&self, pictures: Tensor<2>) -> Tensor<2> {
        self.linear.forward(pictures)
    }
}

/// Reads names: the mean of what each token says.
#[derive(Module, Debug)]
struct Reader {
    words: Embedding,
}

impl Tower<Tensor<2, Int>> for Reader {
    fn embed(&self, names: Tensor<2, Int>) -> Tensor<2> {
        self.words.forward(names).mean_dim(1).flatten(1, 2)
    }
}

type Pair = Towers<Eye, Reader>;
type Batch = (Tensor<2>, Tensor<2, Int>);

/// Towers of this seed.
fn modules(seed: u64, dim_of_names: usize, device: &Device) -> (Eye, Reader) {
    let _alone = alone();
    device.seed(seed);
    let linear = LinearConfig::new(PIXELS, DIM).init(device);
    let words = EmbeddingConfig::new(TOKENS, dim_of_names).init(device);
    let _ = (
        linear.weight.val(),
        linear.bias.as_ref().map(Param::val),
        words.weight.val(),
    );
    (Eye { linear }, Reader { words })
}

fn clip(seed: u64, device: &Device) -> Pair {
    let (eye, reader) = modules(seed, DIM, device);
    Towers::clip(eye, reader, &ClipLossConfig::new(), device)
}

fn config() -> AlbefConfig {
    AlbefConfig::new().with_queue(QUEUE).with_momentum(0.9)
}

fn albef(seed: u64, config: &AlbefConfig, device: &Device) -> Pair {
    let (eye, reader) = modules(seed, DIM, device);
    Towers::albef(eye, reader, config, device)
}

/// Pictures and names of things: a picture is the sum of a pattern for each token of the name, and some noise.
fn batch(things: &[usize], random: &mut ChaCha8Rng, device: &Device) -> Batch {
    // The square keeps the patterns of all tokens independent of each other.
    let pattern = |token: usize, pixel: usize| {
        let place = (token * PIXELS + pixel) as f32;
        (0.7 * place * place).sin()
    };
    let (mut pixels, mut names) = (Vec::new(), Vec::new());
    for &thing in things {
        let tokens = [thing % 4, 4 + thing / 4 % 4, 8 + thing / 16];
        names.extend(tokens.map(|token| token as i64));
        for pixel in 0..PIXELS {
            let shown: f32 = tokens.iter().map(|&token| pattern(token, pixel)).sum();
            pixels.push(shown + random.random_range(-0.1..0.1));
        }
    }
    let n = things.len();
    let pixels = TensorData::new(pixels, [n, PIXELS]);
    let names = TensorData::new(names, [n, 3]);
    (
        Tensor::from_data(pixels, device),
        Tensor::from_data(names, device),
    )
}

struct Training {
    towers: Pair,
    memory: TowersMemory,
    optimizer: ModuleOptimizer,
    step: usize,
    steps: usize,
    device: Device,
}

impl Training {
    fn new(towers: Pair, steps: usize) -> Self {
        Self {
            memory: towers.memory(DIM).unwrap(),
            optimizer: AdamConfig::new().init(),
            towers,
            step: 0,
            steps,
            device: device(),
        }
    }

    fn things(&self) -> Vec<usize> {
        // 37 and 64 have no common factor: four steps show all.
        (0..N).map(|i| (self.step * N + i) * 37 % THINGS).collect()
    }

    fn batch(&self) -> Batch {
        batch(&self.things(), &mut random(self.step as u64), &self.device)
    }

    fn step(mut self) -> Self {
        let done = self.step as f64 / self.steps as f64;
        let things = self.things();
        let learned = self
            .towers
            .gradients(&[self.batch()], done, &self.memory)
            .unwrap();
        assert!(learned.loss.into_scalar::<f32>().is_finite());
        let towers = self.optimizer.step(0.02, self.towers, learned.gradients);
        self.towers = towers.after_step().unwrap();
        self.towers
            .remember(learned.keys, &things, &mut self.memory)
            .unwrap();
        self.step += 1;
        self
    }

    fn recall(&self) -> [f64; 2] {
        let all: Vec<usize> = (0..THINGS).collect();
        let (pictures, names) = batch(&all, &mut random(99), &self.device);
        self.towers
            .recall(pictures, names, &[1])
            .unwrap()
            .map(|of_1| of_1[0])
    }
}

#[test]
fn towers_come_to_find_each_others_rows() {
    let device = device();
    for towers in [clip(1, &device), albef(1, &config().with_queue(N), &device)] {
        let temperature = numbers(towers.temperature().unwrap());
        let mut training = Training::new(towers, 120);
        // By chance 1/64.
        assert!(
            training.recall().iter().all(|&share| share < 0.15),
            "{:?}",
            training.recall()
        );
        for _ in 0..training.steps {
            training = training.step();
        }
        assert!(
            training.recall().iter().all(|&share| share > 0.7),
            "{:?}",
            training.recall()
        );
        assert_ne!(numbers(training.towers.temperature().unwrap()), temperature);
    }
}

#[test]
fn teachers_are_what_their_formula_says() {
    let mut training = Training::new(albef(2, &config(), &device()), 100);
    let students = |towers: &Pair| [all_numbers(&towers.a), all_numbers(&towers.b)].concat();
    let teachers = |towers: &Pair| {
        let (a, b) = towers.teachers().unwrap();
        [all_numbers(a), all_numbers(b)].concat()
    };
    let start = students(&training.towers);
    assert_eq!(teachers(&training.towers), start);
    let mut want: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
    for _ in 0..10 {
        training = training.step();
        for (want, student) in want.iter_mut().zip(students(&training.towers)) {
            *want = 0.9 * *want + 0.1 * f64::from(student);
        }
    }
    let want: Vec<f32> = want.into_iter().map(|x| x as f32).collect();
    let got = teachers(&training.towers);
    // Ten roundings of numbers of some 3, of which a tenth stays of the first.
    assert!(are_close(&got, &want, 1e-6));
    assert!(!are_close(&got, &start, 1e-2), "they moved");
}

#[test]
fn no_gradient_reaches_a_teacher() {
    // A momentum of 1 leaves only gradients to move it.
    let towers = albef(3, &config().with_momentum(1.0), &device());
    let of_teachers = |towers: &Pair| {
        let (a, b) = towers.teachers().unwrap();
        assert!(!a.linear.weight.val().is_require_grad());
        assert!(!b.words.weight.val().is_require_grad());
        [all_numbers(a), all_numbers(b)]
    };
    let before = of_teachers(&towers);
    let after = Training::new(towers, 10).step().step().towers;
    assert_eq!(of_teachers(&after), before);
    assert_ne!(all_numbers(&after.a), before[0], "the students move");
    assert_ne!(all_numbers(&after.b), before[1], "the students move");
}

#[test]
fn queues_hold_the_last_keys_of_either_teacher_in_order() {
    let mut training = Training::new(albef(4, &config(), &device()), 100);
    let (mut keys, mut of): ([Vec<Vec<f32>>; 2], Vec<i64>) = Default::default();
    for _ in 0..5 {
        let (a, b) = training.towers.teachers().unwrap();
        let (pictures, names) = training.batch();
        let rows = [a.embed(pictures), b.embed(names)].map(l2_normalize);
        for (keys, rows) in keys.iter_mut().zip(rows) {
            keys.extend(numbers(rows).chunks(DIM).map(<[f32]>::to_vec));
        }
        of.extend(training.things().iter().map(|&thing| thing as i64));
        training = training.step();
        let from = of.len().saturating_sub(QUEUE);
        let queues = [&training.memory.a, &training.memory.b];
        for (memory, keys) in queues.into_iter().zip(&keys) {
            let queue = memory.queue.as_ref().unwrap();
            assert_eq!(queue.labels(), &of[from..]);
            let rows = queue.rows();
            assert_eq!(rows.nrows(), of.len() - from);
            for (row, want) in rows.outer_iter().zip(&keys[from..]) {
                assert_eq!(row.to_vec(), *want);
            }
        }
    }
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn the_loss_is_that_of_both_sides_with_the_queue_of_the_other() {
    let mut training = Training::new(albef(5, &config().with_ramp(0.0), &device()), 100);
    training = training.step().step();
    let (towers, memory) = (&training.towers, &training.memory);
    let [a, b] = towers
        .embed(training.batch().0, training.batch().1)
        .unwrap();
    let (of_a, of_b) = towers.teachers().unwrap();
    let (of_a, of_b) = (
        of_a.embed(training.batch().0),
        of_b.embed(training.batch().1),
    );
    let queue = |memory: &metric_ssl::Memory| memory.queue(&training.device).unwrap();
    let t = towers.temperature().unwrap().into_scalar::<f64>();
    let loss = SoftInfoNceLossConfig::new()
        .with_temperature(t)
        .init(&training.device);
    let among_b = loss.forward(a, of_a.clone(), of_b.clone(), queue(&memory.b));
    let among_a = loss.forward(b, of_b, of_a, queue(&memory.a));
    let want = (among_b + among_a).into_scalar::<f32>() / 2.0;
    let learned = towers.gradients(&[training.batch()], 0.5, memory).unwrap();
    let got = learned.loss.into_scalar::<f32>();
    // Logits up to 1/0.07, some ε of them each.
    assert!((got - want).abs() <= 1e-5 * want, "{got} {want}");
}

#[test]
fn the_share_of_the_teachers_rises_over_the_ramp() {
    let config = AlbefConfig::new();
    assert_eq!(config.alpha(0.0), 0.0);
    assert!((config.alpha(1.0 / 60.0) - 0.2).abs() < 1e-12);
    assert_eq!(
        [1.0 / 30.0, 0.5, 1.0].map(|done| config.alpha(done)),
        [0.4; 3]
    );
    assert_eq!(config.with_ramp(0.0).alpha(0.0), 0.4);
    // And the loss has it: without a teacher's share its rows do not matter as queries.
    let device = device();
    let loss = |ramp: f64, done: f64| {
        let training = Training::new(albef(6, &self::config().with_ramp(ramp), &device), 100);
        let learned = training
            .towers
            .gradients(&[training.batch()], done, &training.memory);
        learned.unwrap().loss.into_scalar::<f32>()
    };
    let (none, half, whole) = (loss(1.0, 0.0), loss(1.0, 0.5), loss(1.0, 1.0));
    assert_eq!(loss(0.5, 0.25), half);
    // The loss is linear in α.
    assert!(
        (half - (none + whole) / 2.0).abs() <= 1e-5 * whole,
        "{none} {half} {whole}"
    );
    assert!((none - whole).abs() > 1e-3, "{none} {whole}");
}

#[test]
fn what_is_saved_goes_on_with_the_same_bits() {
    let device = device();
    let make = |of_clip: bool, seed| match of_clip {
        true => clip(seed, &device),
        false => albef(seed, &config(), &device),
    };
    for of_clip in [true, false] {
        let training = Training::new(make(of_clip, 7), 20).step().step().step();
        let record = training.towers.clone().into_record().into_bytes().unwrap();
        let of_optimizer = training.optimizer.into_bytes().unwrap();
        let memory = serde_json::to_string(&training.memory).unwrap();
        let resumed = Training {
            towers: make(of_clip, 8)
                .try_load_record(ModuleRecord::from_bytes(record).unwrap())
                .unwrap(),
            memory: serde_json::from_str(&memory).unwrap(),
            optimizer: AdamConfig::new().init().from_bytes(of_optimizer).unwrap(),
            device: device.clone(),
            ..training
        };
        let mut straight = Training::new(make(of_clip, 7), 20);
        while straight.step < 6 {
            straight = straight.step();
        }
        let resumed = resumed.step().step().step();
        assert_eq!(all_numbers(&resumed.towers), all_numbers(&straight.towers));
        assert_eq!(resumed.memory, straight.memory);
        assert_eq!(resumed.memory.a.queue.is_some(), !of_clip);
    }
}

#[test]
fn chunks_give_the_loss_the_gradients_and_the_keys_of_the_whole_batch() {
    let device = device();
    for towers in [clip(9, &device), albef(9, &config(), &device)] {
        let training = Training::new(towers, 10).step();
        let (pictures, names) = training.batch();
        let gradients = |chunks: &[Batch]| {
            let learned = training
                .towers
                .gradients(chunks, 0.5, &training.memory)
                .unwrap();
            let [a, b] = [
                training.towers.a.linear.weight.id,
                training.towers.b.words.weight.id,
            ];
            let of = |id| numbers(learned.gradients.get::<2>(id).unwrap());
            let keys = learned.keys.map(|keys| keys.map(numbers));
            let temperature = learned.gradients.len();
            (
                learned.loss.into_scalar::<f32>(),
                [of(a), of(b)],
                keys,
                temperature,
            )
        };
        let (want, of_whole, keys, count) = gradients(&[training.batch()]);
        // The weights, the bias, and the temperature.
        assert_eq!(count, 4);
        for rows in [5, 8] {
            let pictures = pictures.clone().split(rows, 0).into_iter();
            let chunks: Vec<Batch> = pictures.zip(names.clone().split(rows, 0)).collect();
            let (got, of_parts, keys_of_parts, count) = gradients(&chunks);
            assert_eq!(count, 4);
            // The same sums in another order.
            assert!((got - want).abs() <= 1e-5 * want, "{got} {want}");
            for (parts, whole) in of_parts.iter().zip(&of_whole) {
                let largest = whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                assert!(largest > 1e-3, "there is something to compare");
                assert!(are_close(parts, whole, 1e-5 * largest.max(1.0)));
            }
            match (keys_of_parts, &keys) {
                (None, None) => {}
                (Some(parts), Some(keys)) => {
                    for (parts, whole) in parts.iter().zip(keys) {
                        assert!(are_close(parts, whole, 1e-6));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_learned() {
    let device = device();
    let (pictures, names) = batch(&[1, 2, 3], &mut random(1), &device);
    let (fewer, _) = batch(&[1, 2], &mut random(1), &device);
    let memory = TowersMemory::default();
    let error = |towers: &Pair, chunks: &[Batch], memory: &TowersMemory| {
        towers.gradients(chunks, 0.5, memory).unwrap_err()
    };
    let good = (pictures.clone(), names.clone());
    let uneven = (fewer, names.clone());
    let rows = TowersError::Rows { a: 2, b: 3 };
    for towers in [clip(1, &device), albef(1, &config(), &device)] {
        assert_eq!(error(&towers, std::slice::from_ref(&uneven), &memory), rows);
        assert_eq!(
            error(&towers, &[good.clone(), uneven.clone()], &memory),
            rows
        );
        let none = TowersError::Chunks(CachedGradientsError::NoChunks);
        assert_eq!(error(&towers, &[], &memory), none);
    }
    let (eye, reader) = modules(1, 5, &device);
    let towers = Towers::clip(eye, reader, &ClipLossConfig::new(), &device);
    let dims = TowersError::Dim { a: DIM, b: 5 };
    assert_eq!(error(&towers, std::slice::from_ref(&good), &memory), dims);
    assert_eq!(error(&towers, &[good.clone(), good.clone()], &memory), dims);

    let towers = albef(1, &config().with_queue(2), &device);
    let short = BufferError::TooManyRows {
        rows: 3,
        capacity: 2,
    };
    assert_eq!(
        error(
            &towers,
            std::slice::from_ref(&good),
            &towers.memory(DIM).unwrap()
        ),
        TowersError::Memory(short)
    );
    let towers = albef(1, &config(), &device);
    let other = BufferError::Data(Error::DimMismatch {
        left: 3,
        right: DIM,
    });
    assert_eq!(
        error(
            &towers,
            std::slice::from_ref(&good),
            &towers.memory(3).unwrap()
        ),
        TowersError::Memory(other)
    );
    assert_eq!(
        towers.memory(0).unwrap_err(),
        TowersError::Memory(BufferError::Zero { name: "dim" })
    );
    let early = towers
        .gradients(&[good], -0.1, &memory)
        .unwrap_err()
        .to_string();
    assert!(early.starts_with("alpha must be from 0 to 1"), "{early}");
    for (name, config) in [
        ("ramp", config().with_ramp(1.5)),
        ("momentum", config().with_momentum(-0.1)),
        ("queue", config().with_queue(0)),
        (
            "alpha",
            config().with_loss(SoftInfoNceLossConfig::new().with_alpha(2.0)),
        ),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
}

#[test]
fn queues_take_the_keys_of_both_sides_or_of_none() {
    let device = device();
    let towers = albef(1, &config(), &device);
    let mut memory = towers.memory(DIM).unwrap();
    let good = || Tensor::<2>::ones([2, DIM], &device);
    let broken = || good() * f32::NAN;
    for keys in [[good(), broken()], [broken(), good()]] {
        let error = towers.remember(Some(keys), &[1, 2], &mut memory);
        assert!(error.unwrap_err().to_string().contains("row 0"));
        assert_eq!(memory, towers.memory(DIM).unwrap());
    }
    towers
        .remember(Some([good(), good()]), &[1, 2], &mut memory)
        .unwrap();
    assert_eq!(memory.b.queue.unwrap().labels(), [1, 2]);
}

#[test]
fn recall_is_counted_both_ways() {
    // Angles in degrees; the partners of the first two have come too near to each other.
    let rows = |angles: [f32; 4]| {
        let entries = angles.map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]);
        ndarray::Array2::from(entries.to_vec())
    };
    let (a, b) = (
        rows([0.0, 30.0, 90.0, 180.0]),
        rows([20.0, 10.0, 100.0, 170.0]),
    );
    // 0 finds 10 first and 30 finds 20; the other way 20 finds 30 and 10 finds 0.
    let want = [vec![0.5, 1.0], vec![0.5, 1.0]];
    assert_eq!(cross_recall(a.view(), b.view(), &[1, 2]).unwrap(), want);
    // Nothing can be told apart: the first counts as nearest, not one's own.
    let same = rows([5.0; 4]);
    assert_eq!(
        cross_recall(same.view(), same.view(), &[1]).unwrap(),
        [[0.25], [0.25]]
    );
    let fewer = b.slice(ndarray::s![..3, ..]);
    let error = cross_recall(a.view(), fewer, &[1]).unwrap_err();
    assert_eq!(error, TowersError::Rows { a: 4, b: 3 });
    assert!(cross_recall(a.view(), b.view(), &[0]).is_err());
}
