use burn::module::{Module, Param};
use burn::nn::BatchNormConfig;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Distribution, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Images, channels, filters, height, width; kernel, stride, padding; what follows, and whether with a residual.
type Case = ([usize; 5], [usize; 2], [usize; 2], [usize; 2], After, bool);

const fn after(relu: bool, pool: bool) -> After {
    After { relu, pool }
}

const fn case(
    sizes: [usize; 5],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    after: After,
) -> Case {
    (sizes, kernel, stride, padding, after, false)
}

const fn with_residual(case: Case) -> Case {
    (case.0, case.1, case.2, case.3, case.4, true)
}

const CASES: &[Case] = &[
    case([1, 1, 1, 3, 3], [3, 3], [1, 1], [1, 1], after(false, false)),
    case(
        [2, 1, 64, 28, 28],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, true),
    ),
    case(
        [3, 64, 32, 14, 14],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, true),
    ),
    case([5, 3, 40, 7, 9], [3, 3], [1, 1], [1, 1], after(true, true)),
    case([4, 5, 7, 9, 8], [5, 5], [1, 1], [2, 2], after(true, false)),
    case([4, 6, 33, 8, 8], [1, 1], [1, 1], [0, 0], after(false, true)),
    case(
        [3, 17, 16, 11, 7],
        [3, 3],
        [2, 2],
        [1, 1],
        after(true, false),
    ),
    case(
        [2, 8, 20, 12, 10],
        [1, 1],
        [2, 2],
        [0, 0],
        after(false, false),
    ),
    case([2, 4, 9, 10, 13], [3, 5], [2, 1], [0, 2], after(true, true)),
    case([70, 3, 4, 3, 3], [3, 3], [1, 1], [1, 1], after(true, false)),
    case([1, 2, 65, 6, 6], [7, 7], [2, 2], [3, 3], after(true, false)),
    case(
        [2, 3, 5, 9, 11],
        [5, 4],
        [3, 3],
        [4, 1],
        after(false, false),
    ),
    // By fewer products: one block and several, odd sides, no padding and much, a whole group and less.
    case(
        [1, 16, 16, 4, 4],
        [3, 3],
        [1, 1],
        [1, 1],
        after(false, false),
    ),
    case([7, 16, 48, 9, 7], [3, 3], [1, 1], [0, 0], after(true, true)),
    case(
        [50, 48, 16, 3, 3],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    ),
    case(
        [2, 32, 96, 5, 12],
        [3, 3],
        [1, 1],
        [2, 1],
        after(false, true),
    ),
    case(
        [1, 128, 128, 8, 8],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    ),
    // Eleven tiles, one fewer than there is room for: six, then four, and then not four again.
    case(
        [11, 16, 16, 2, 2],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    ),
    // With a residual.
    with_residual(case(
        [3, 5, 7, 6, 5],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    )),
    with_residual(case(
        [9, 32, 32, 8, 8],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    )),
    with_residual(case(
        [2, 6, 9, 7, 7],
        [3, 3],
        [2, 2],
        [1, 1],
        after(false, false),
    )),
    with_residual(case(
        [2, 1, 20, 9, 9],
        [3, 3],
        [1, 1],
        [1, 1],
        after(true, false),
    )),
    with_residual(case(
        [3, 8, 20, 6, 5],
        [1, 1],
        [1, 1],
        [0, 0],
        after(true, false),
    )),
];

struct Made {
    conv: Conv2d,
    norm: BatchNorm,
    images: Tensor<4>,
    residual: Option<Tensor<4>>,
    slopes: Tensor<4>,
}

fn made(case: &Case) -> Made {
    let &([n, channels, filters, height, width], kernel, stride, [y, x], after, adds) = case;
    let device = Device::flex().autodiff();
    // Not the device's generator, which all tests of the process share.
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let mut random = |count: usize| -> Vec<f32> {
        let mut entry = || (0..4).map(|_| generator.random_range(-1.0..1.0f32)).sum();
        (0..count).map(|_| entry()).collect()
    };
    let mut conv = Conv2dConfig::new([channels, filters], kernel)
        .with_stride(stride)
        .with_padding(PaddingConfig2d::Explicit(y, x, y, x))
        .with_bias(false)
        .init(&device);
    let mut norm = BatchNormConfig::new(filters).init(&device);
    let weight = conv.weight.dims();
    let values = TensorData::new(random(weight.iter().product()), weight);
    conv.weight = Param::from_tensor(Tensor::from_data(values, &device));
    // Scales of both signs: the greatest of a window may be the least of the convolution.
    for param in [&mut norm.gamma, &mut norm.beta] {
        *param = Param::from_tensor(Tensor::from_floats(random(filters).as_slice(), &device));
    }
    let shape = [n, height, width, channels];
    let images = TensorData::new(random(shape.iter().product()), shape);
    let images = Tensor::<4>::from_data(images, &device) + 0.5;
    let shape = by_layers(&conv, &norm, after, images.clone(), None).dims();
    let residual = TensorData::new(random(shape.iter().product()), shape);
    let residual = adds.then(|| Tensor::from_data(residual, &device));
    let slopes = TensorData::new(random(shape.iter().product()), shape);
    Made {
        conv,
        norm,
        images,
        residual,
        slopes: Tensor::from_data(slopes, &device),
    }
}

impl Made {
    /// The result, the gradients of images, weights, gamma, beta and residual, and the state, which is its own.
    fn run(&self, after: After, fast: bool) -> [Vec<f32>; 8] {
        let norm = BatchNorm {
            running_mean: burn::module::RunningState::new(self.norm.running_mean.value()),
            running_var: burn::module::RunningState::new(self.norm.running_var.value()),
            ..self.norm.clone()
        };
        let images = self.images.clone().detach().require_grad();
        let residual = self.residual.clone().map(|x| x.detach().require_grad());
        let out = if fast {
            conv_block(&self.conv, &norm, after, images.clone(), residual.clone())
        } else {
            by_layers(&self.conv, &norm, after, images.clone(), residual.clone())
        };
        let gradients = (out.clone() * self.slopes.clone()).sum().backward();
        let numbers = |x: TensorData| x.try_to_vec::<f32>().expect("f32");
        [
            numbers(out.into_data()),
            numbers(images.grad(&gradients).expect("tracked").into_data()),
            numbers(
                self.conv
                    .weight
                    .val()
                    .grad(&gradients)
                    .expect("tracked")
                    .into_data(),
            ),
            numbers(
                norm.gamma
                    .val()
                    .grad(&gradients)
                    .expect("tracked")
                    .into_data(),
            ),
            numbers(
                norm.beta
                    .val()
                    .grad(&gradients)
                    .expect("tracked")
                    .into_data(),
            ),
            residual.map_or_else(Vec::new, |residual| {
                numbers(residual.grad(&gradients).expect("tracked").into_data())
            }),
            numbers(norm.running_mean.value_sync().into_data()),
            numbers(norm.running_var.value_sync().into_data()),
        ]
    }
}

/// The largest difference as a share of the largest number.
fn off(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1e-6f32, |size, x| size.max(x.abs()));
    let pairs = got.iter().zip(want);
    pairs.fold(0.0f32, |off, (a, b)| off.max((a - b).abs())) / size
}

#[test]
fn a_block_is_what_its_layers_are() {
    for case in CASES {
        let made = made(case);
        let (got, want) = (made.run(case.4, true), made.run(case.4, false));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let most = if i == 0 || i > 5 { 1e-5 } else { 1e-4 };
            assert!(
                off(got, want) <= most,
                "{i} of {case:?}: {}",
                off(got, want)
            );
        }
    }
}

#[test]
fn the_operation_is_taken_where_it_can_be() {
    for case in CASES {
        let made = made(case);
        assert!(
            fast_block(
                &made.conv,
                &made.norm,
                case.4,
                &made.images,
                made.residual.as_ref()
            )
            .is_some()
        );
        let mut dilated = made.conv.clone();
        dilated.dilation = [2, 2];
        assert!(fast_block(&dilated, &made.norm, case.4, &made.images, None).is_none());
    }
}

#[test]
fn groups_dilation_and_bias_are_left_to_the_layers() {
    let device = Device::flex().autodiff();
    let images = Tensor::<4>::random([2, 9, 8, 4], Distribution::Default, &device);
    let norm = BatchNormConfig::new(6).init(&device);
    let plain = Conv2dConfig::new([4, 6], [3, 3]);
    let others = [
        plain.clone().with_groups(2).with_bias(false),
        plain.clone().with_dilation([2, 2]).with_bias(false),
        plain,
    ];
    for config in others {
        let conv = config.init(&device);
        assert!(fast_block(&conv, &norm, after(true, true), &images, None).is_none());
        let got = conv_block(&conv, &norm, after(true, true), images.clone(), None);
        let want = by_layers(&conv, &norm, after(true, true), images.clone(), None);
        let [got, want] = [got, want].map(|x| x.into_data().try_to_vec::<f32>().expect("f32"));
        assert!(got == want);
    }
}

/// Buffers go from step to step, but not those that are still in somebody's hands.
#[test]
fn what_is_held_is_not_used_again() {
    for case in [&CASES[2], &CASES[5], &CASES[18]] {
        let made = made(case);
        let step = || {
            let images = made.images.clone().detach().require_grad();
            let residual = made.residual.clone();
            let out = conv_block(&made.conv, &made.norm, case.4, images.clone(), residual);
            let gradients = (out.clone() * made.slopes.clone()).sum().backward();
            [out, images.grad(&gradients).expect("tracked").clone()]
        };
        let held = step();
        let before = held.clone().map(Tensor::into_data);
        for _ in 0..3 {
            step();
        }
        assert!(before == held.map(Tensor::into_data));
    }
}

#[test]
fn evaluation_uses_the_running_statistics() {
    for case in CASES {
        let made = made(case);
        let (conv, norm) = (made.conv.valid(), made.norm.valid());
        let images = made.images.inner();
        let residual = made.residual.map(Tensor::inner);
        let got = conv_block(&conv, &norm, case.4, images.clone(), residual.clone());
        let want = by_layers(&conv, &norm, case.4, images, residual);
        let [got, want] = [got, want].map(|x| x.into_data().try_to_vec::<f32>().expect("f32"));
        assert!(off(&got, &want) <= 1e-5, "{case:?}: {}", off(&got, &want));
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let case = &CASES[2];
    let runs = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| {
            let case = ([40, 64, 32, 14, 14], case.1, case.2, case.3, case.4, case.5);
            made(&case)
                .run(case.4, true)
                .map(|numbers| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        })
    });
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
}

/// The loss along a line through images and weights rises as their gradients say.
#[test]
fn gradients_are_slopes() {
    for case in CASES.iter().filter(|case| !case.4.relu && !case.4.pool) {
        let made = made(case);
        let [_, images, weights, ..] = made.run(case.4, true);
        let ways = [(&made.images, images), (&made.conv.weight.val(), weights)];
        for (which, (at, gradient)) in ways.into_iter().enumerate() {
            let way = Tensor::random(at.shape(), Distribution::Normal(0.0, 1.0), &Device::flex());
            let loss = |step: f64| {
                let moved = (at.clone().inner() + way.clone() * step).into_data();
                let moved = Tensor::from_data(moved, &made.images.device());
                let mut conv = made.conv.clone();
                let mut images = made.images.clone().detach();
                if which == 0 {
                    images = moved;
                } else {
                    conv.weight = Param::from_tensor(moved);
                }
                let out = conv_block(&conv, &made.norm, case.4, images, made.residual.clone());
                let products = (out * made.slopes.clone()).into_data();
                let products = products.try_to_vec::<f32>().expect("f32");
                products.iter().map(|&x| f64::from(x)).sum::<f64>()
            };
            let step = 1e-2;
            let slope = (loss(step) - loss(-step)) / (2.0 * step);
            let way = way.into_data().try_to_vec::<f32>().expect("f32");
            let products = way.iter().zip(&gradient).map(|(a, b)| f64::from(a * b));
            let (want, size) =
                products.fold((0.0, 0.0), |(sum, size), x: f64| (sum + x, size + x * x));
            assert!(
                (slope - want).abs() <= 2e-2 * want.abs() + 1e-2 * size.sqrt(),
                "{which} of {case:?}: {slope}, {want}"
            );
        }
    }
}
