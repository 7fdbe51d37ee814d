use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::TensorData;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const RATE: f64 = 0.01;
const STEPS: usize = 20;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// The parameter after steps with gradients of seeds of their own, the moments too.
fn stepped<O: Optimizer, const D: usize>(optimizer: &O, shape: [usize; D]) -> Vec<f32> {
    let count = shape.iter().product();
    let mut x = tensor(random(count, 0), shape);
    let mut state = None;
    for step in 1..=STEPS {
        let gradient = tensor(random(count, step as u64), shape);
        (x, state) = optimizer.step(RATE, x, gradient, state);
    }
    numbers(x)
}

/// What so many steps may differ by. Ours and Burn's compute moments by the same operations, and each rounds five more
/// for the step, `RATE` times a quotient that gradients like these keep below 10, and two for the parameter. Gradients that
/// depend on the parameter, by a factor below 1, pass on less than that.
fn assert_close(got: &[f32], want: &[f32], steps: usize) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        let bound = steps as f32 * f32::EPSILON * (2.0 * want.abs() + 10.0 * 10.0 * RATE as f32);
        assert!(
            (got - want).abs() <= bound,
            "{got} is not {want} within {bound}"
        );
    }
}

fn same_as_burn<const D: usize>(shape: [usize; D]) {
    for weight_decay in [0.0, 0.3] {
        let burn = AdamWConfig::new().with_weight_decay(weight_decay).build();
        let ours = stepped(&AdamW { weight_decay }, shape);
        assert_close(&ours, &stepped(&burn, shape), STEPS);

        let burn = AdamConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(weight_decay)))
            .build();
        let ours = stepped(&Adam { weight_decay }, shape);
        assert_close(&ours, &stepped(&burn, shape), STEPS);
    }
}

#[test]
fn twenty_steps_are_those_of_burn_for_every_rank() {
    same_as_burn([37]);
    same_as_burn([19, 23]);
    same_as_burn([3, 5, 7]);
    same_as_burn([4, 3, 3, 3]);
    same_as_burn([CHUNK + 1]);
}

#[test]
fn other_strides_and_shared_memory_change_nothing() {
    let shape = [17, 9];
    let (x, gradient) = (random(153, 1), random(153, 2));
    let optimizer = AdamW { weight_decay: 0.1 };
    let plain = optimizer.step(
        RATE,
        tensor(x.clone(), shape),
        tensor(gradient.clone(), shape),
        None,
    );
    let (plain, plain_state) =
        optimizer.step(RATE, plain.0, tensor(gradient.clone(), shape), plain.1);

    // The same numbers, column by column in memory, and each with another owner.
    let turned = |values: Vec<f32>| {
        let columns = numbers(tensor(values, shape).transpose());
        tensor(columns, [9, 17]).transpose()
    };
    let (x, gradient) = (turned(x), turned(gradient));
    let before = numbers(x.clone());
    let (first, state) = optimizer.step(RATE, x.clone(), gradient.clone(), None);
    let (first_copy, state_copy) = (first.clone(), state.clone());
    let (second, second_state) = optimizer.step(RATE, first, gradient.clone(), state);
    let plain = numbers(plain);
    assert_eq!(numbers(second), plain);
    let moments = |state: Option<AdamWState<2>>| {
        let momentum = state.unwrap().momentum;
        (
            momentum.time,
            numbers(momentum.moment_1),
            numbers(momentum.moment_2),
        )
    };
    assert_eq!(moments(second_state), moments(plain_state));
    // What the others own is as it was.
    assert_eq!(numbers(x), before);
    let (again, _) = optimizer.step(RATE, first_copy, gradient, state_copy);
    assert_eq!(numbers(again), plain);
}

#[test]
fn huge_and_zero_gradients_leave_the_parameter_finite() {
    let gradients = [f32::MAX, f32::MIN, 1e30, 1e-38, 1e-45, 0.0, -0.0];
    let start = vec![1.0; gradients.len()];
    for rate in [1e-3, 1.0] {
        let mut x = tensor(start.clone(), [gradients.len()]);
        let mut state = None;
        for _ in 0..STEPS {
            let gradient = tensor(gradients.to_vec(), [gradients.len()]);
            (x, state) = AdamW::default().step(rate, x, gradient, state);
        }
        let x = numbers(x);
        assert!(x.iter().all(|x| x.is_finite()), "{x:?}");
        assert_eq!(x[5..], [1.0, 1.0], "nothing to learn from");
    }
}

#[test]
fn the_same_bits_come_on_any_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| stepped(&AdamW { weight_decay: 0.1 }, [3 * CHUNK + 5]))
    };
    let one = on(1);
    assert_eq!(on(2), one);
    assert_eq!(on(5), one);
}

#[test]
fn double_precision_is_left_to_burn() {
    let double = |seed| tensor(random(11, seed), [11]).cast(DType::F64);
    let burn = AdamWConfig::new().with_weight_decay(0.1).build();
    let (want, _) = burn.step(RATE, double(1), double(2), None);
    let (got, _) = AdamW { weight_decay: 0.1 }.step(RATE, double(1), double(2), None);
    assert_eq!(got.into_data(), want.into_data());
}

#[derive(Module, Debug)]
struct Model {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

impl Model {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let matrix = TensorData::new(random(42, 3), [6, 7]);
        let vector = TensorData::new(random(7, 4), [7]);
        Self {
            matrix: Param::from_tensor(Tensor::from_data(matrix, &device)),
            vector: Param::from_tensor(Tensor::from_data(vector, &device)),
        }
    }

    fn step(self, optimizer: &mut ModuleOptimizer, seed: u64) -> Self {
        let x = TensorData::new(random(30, seed), [5, 6]);
        let x = Tensor::<2>::from_data(x, &Device::flex().autodiff());
        let out = x.matmul(self.matrix.val()) + self.vector.val().unsqueeze();
        let gradients = GradientsParams::from_grads(out.square().mean().backward(), &self);
        optimizer.step(RATE, self, gradients)
    }

    fn numbers(&self) -> Vec<f32> {
        [
            numbers(self.matrix.val().inner()),
            numbers(self.vector.val().inner()),
        ]
        .concat()
    }
}

/// Saves after three steps of one, loads into the other, and goes on with both.
fn goes_on(mut from: ModuleOptimizer, to: ModuleOptimizer) {
    let mut model = Model::new();
    for seed in 10..13 {
        model = model.step(&mut from, seed);
    }
    let mut anew = to.clone();
    let mut to = to
        .from_bytes(from.to_record().into_bytes().unwrap())
        .unwrap();
    let mut other = model.clone();
    // Without the state the first step is another.
    let first = other.clone().step(&mut anew, 13).numbers();
    let next = other.clone().step(&mut to.clone(), 13).numbers();
    let away = first.iter().zip(&next).map(|(a, b)| (a - b).abs());
    assert!(away.fold(0.0, f32::max) > 0.1 * RATE as f32);
    for seed in 13..18 {
        model = model.step(&mut from, seed);
        other = other.step(&mut to, seed);
    }
    // Gradients follow the parameters: here with a factor below 1 of `mean(x²)`'s second derivative, as decay does.
    assert_close(&other.numbers(), &model.numbers(), 5);
}

#[test]
fn records_go_from_burn_to_here_and_back() {
    let ours = || ModuleOptimizer::from(AdamW { weight_decay: 0.1 });
    let burn = || AdamWConfig::new().with_weight_decay(0.1).init();
    goes_on(ours(), burn());
    goes_on(burn(), ours());
    let ours = || ModuleOptimizer::from(Adam::default());
    let burn = || AdamConfig::new().init();
    goes_on(ours(), burn());
    goes_on(burn(), ours());
}
