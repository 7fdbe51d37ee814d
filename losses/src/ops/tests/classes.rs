use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::DEFINITIONS;
use super::cases::norm;
use crate::ops::select_rows;
use crate::*;

type Classified = (Tensor<2>, Tensor<1, Int>);

/// The loss against class vectors, and these as its parameter.
type AgainstClasses = Box<dyn Fn(Classified, Tensor<2>) -> (Tensor<1>, Tensor<2>) + Sync>;

/// Every streamed loss against classes.
fn losses_against_classes(classes: usize, dim: usize) -> Vec<(&'static str, AgainstClasses)> {
    let mut all: Vec<(&'static str, AgainstClasses)> = Vec::new();
    macro_rules! add {
        ($($config:ident $(.$with:ident($value:expr))*),* $(,)?) => {$({
            let config = $config::new(classes, dim)$(.$with($value))*;
            let loss = config.init(&Device::flex().autodiff());
            let forward = move |(x, labels): Classified, weight: Tensor<2>| {
                let loss = loss.clone().with_weight(weight);
                (loss.forward(x, labels), loss.weight())
            };
            all.push((stringify!($config $(.$with($value))*), Box::new(forward)));
        })*};
    }
    add!(
        AdaFaceLossConfig,
        ArcFaceLossConfig,
        ArcFaceLossConfig
            .with_scale(4.0)
            .with_reducer(Reducer::Threshold {
                low: 1.0,
                high: 6.0
            }),
        CombinedMarginLossConfig.with_m3(0.2),
        CurricularFaceLossConfig,
        CurricularFaceLossConfig
            .with_scale(9.0)
            .with_reducer(Reducer::AvgNonZero),
        MagFaceLossConfig.with_reducer(Reducer::Sum),
        MagFaceLossConfig,
        CosFaceLossConfig
            .with_scale(9.0)
            .with_reducer(Reducer::AvgNonZero),
        LargeMarginSoftmaxLossConfig.with_margin(3.0),
        LargeMarginSoftmaxLossConfig
            .with_scale(0.3)
            .with_reducer(Reducer::AvgNonZero),
        NormalizedSoftmaxLossConfig.with_reducer(Reducer::Sum),
        P2sGradLossConfig,
        P2sGradLossConfig.with_reducer(Reducer::Threshold {
            low: 0.4,
            high: 40.0
        }),
        ProxyAnchorLossConfig,
        ProxyNcaLossConfig
            .with_temperature(0.7)
            .with_include_target(classes == 1),
        ProxyNcaLossConfig
            .with_include_target(true)
            .with_reducer(Reducer::AvgNonZero),
        ProxyNcaLossConfig
            .with_normalize(false)
            .with_distance(EmbeddingDistance::Euclidean)
            .with_include_target(true),
        SphereFaceLossConfig,
        SphereFaceLossConfig
            .with_margin(1.5)
            .with_scale(6.0)
            .with_reducer(Reducer::Sum),
    );
    let device = Device::flex().autodiff();
    let config = CurricularFaceLossConfig::new(classes, dim).with_rate(1.0);
    let loss = config.init(&device);
    all.push((
        "curricular, t as the batch has it",
        Box::new(move |(x, labels), weight| {
            let loss = loss.clone().with_weight(weight);
            let loss = loss.update(x.clone(), labels.clone());
            (loss.forward(x, labels), loss.weight())
        }),
    ));
    let config = SubCenterArcFaceLossConfig::new(classes, dim).with_sub_centers(3);
    let loss = config.with_scale(8.0).init(&device);
    all.push((
        "three sub-centres",
        Box::new(move |(x, labels), weight| {
            let turned = weight.clone().flip([1]);
            let weight = Tensor::cat(vec![weight.clone(), turned, weight.flip([0])], 1);
            let loss = loss.clone().with_weight(weight.reshape([3 * classes, dim]));
            (loss.forward(x, labels), loss.weight())
        }),
    ));
    for (k, gamma, reducer) in [(2, 0.1, Reducer::Mean), (3, 1.0, Reducer::AvgNonZero)] {
        let config = SoftTripleLossConfig::new(classes, dim).with_centers_per_class(k);
        let config = config.with_gamma(gamma).with_lambda(7.0);
        let loss = config.with_reducer(reducer).init(&device);
        all.push((
            "SoftTriple",
            Box::new(move |(x, labels), weight| {
                let turned = weight.clone().flip([1]);
                let of_class = [weight.clone(), turned, weight.flip([0])];
                let weight = Tensor::cat(of_class[..k].to_vec(), 1);
                let loss = loss.clone().with_weight(weight.reshape([k * classes, dim]));
                (loss.forward(x, labels), loss.weight())
            }),
        ));
    }
    all
}

#[test]
fn streamed_losses_against_classes_are_their_definitions() {
    let device = Device::flex().autodiff();
    for (n, classes, dim) in [(40, 700, 9), (70, 3, 5), (1, 2, 4), (5, 1, 3)] {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut rows = |n: usize| {
            let values: Vec<f64> = (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::<2>::from_data(TensorData::new(values, [n, dim]), (&device, DType::F64))
        };
        let (rows, weight) = (rows(n), rows(classes));
        let labels: Vec<i64> = (0..n).map(|i| ((i * i + 1) % classes) as i64).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [n]), &device);
        for (name, forward) in losses_against_classes(classes, dim) {
            let [streamed, plain] = [false, true].map(|plain| {
                let x = rows.clone().detach().require_grad();
                DEFINITIONS.set(plain);
                let (loss, weight) = forward((x.clone(), labels.clone()), weight.clone());
                DEFINITIONS.set(false);
                let gradients = loss.backward();
                let numbers = |data: TensorData| data.try_to_vec::<f64>().unwrap();
                let gradients =
                    [x, weight].map(|of| numbers(of.grad(&gradients).unwrap().into_data()));
                (numbers(loss.into_data())[0], gradients)
            });
            let at = format!("{name}, {n} rows, {classes} classes");
            let (value, want) = (streamed.0, plain.0);
            assert!(
                (value - want).abs() <= 1e-9 * (1.0 + want.abs()),
                "{at}: {value}, {want}"
            );
            for (gradient, wanted) in streamed.1.iter().zip(&plain.1) {
                let size = norm(wanted.iter().copied());
                let off = norm(gradient.iter().zip(wanted).map(|(a, b)| a - b));
                assert!(
                    off <= 1e-6 * (1e-3 + size),
                    "{at}: gradient off by {off} of {size}"
                );
            }
        }
    }
}

/// Numbers whose sums are exact.
#[test]
fn chosen_rows_add_their_gradient_to_what_the_matrix_has() {
    let device = Device::flex().autodiff();
    let gradient_with = |select: fn(Tensor<2>, Tensor<1, Int>) -> Tensor<2>, uses: &str| {
        let matrix = Tensor::<1>::from_data((0..15).collect::<Vec<i64>>().as_slice(), &device);
        let matrix = matrix.reshape([5, 3]).require_grad();
        let places = Tensor::<1, Int>::from_ints([4, 0, 4, 2], &device);
        let rows = select(matrix.clone(), places);
        let of_rows = (rows.clone() * rows.clone()).sum();
        let loss = match uses {
            "none" => of_rows,
            "nearer the loss" => of_rows + (matrix.clone() * matrix.clone()).sum() * 3.0,
            "farther from it" => {
                let all = ((matrix.clone() + 1.0) * 2.0 + 1.0) * 2.0;
                (rows + all.narrow(0, 0, 4) * 2.0 - 1.0).square().sum() + of_rows
            }
            _ => of_rows + select(matrix.clone() * 2.0, Tensor::from_ints([4, 1], &device)).sum(),
        };
        let mut gradients = loss.backward();
        let kept = matrix.grad(&gradients).unwrap();
        let taken = matrix.grad_remove(&mut gradients).unwrap();
        assert_eq!(kept.into_data(), taken.clone().into_data());
        taken.into_data()
    };
    for uses in [
        "none",
        "nearer the loss",
        "farther from it",
        "rows of another",
    ] {
        let plain = gradient_with(|matrix, places| matrix.select(0, places), uses);
        assert_eq!(gradient_with(select_rows, uses), plain, "{uses}");
    }
}
