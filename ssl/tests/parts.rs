//! Schedules, LARS, clipping and heads.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use common::{are_close, device, numbers};
use metric_ssl::{HeadConfig, Lars, LastNorm, clip_global_norm, cosine, warm_up_cosine};

#[derive(Module, Debug)]
struct Two {
    matrix: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

const MATRIX: [[f32; 2]; 2] = [[3.0, 0.0], [0.0, 4.0]];
const BIAS: [f32; 2] = [2.0, -1.0];

fn two(scale: f32, device: &Device) -> Two {
    Two {
        matrix: Param::from_tensor(Tensor::<2>::from_floats(MATRIX, device) * scale),
        bias: Param::from_tensor(Tensor::<1>::from_floats(BIAS, device) * scale),
    }
}

/// Gradients that do not depend on the parameters: `scale · [[6, 8], [0, 0]]` and `scale · [1, 2]`.
fn gradients(two: &Two, scale: f32) -> GradientsParams {
    let device = two.matrix.val().device();
    let of_matrix = Tensor::<2>::from_floats([[6.0, 8.0], [0.0, 0.0]], &device) * scale;
    let of_bias = Tensor::<1>::from_floats([1.0, 2.0], &device) * scale;
    let loss = (two.matrix.val() * of_matrix).sum() + (two.bias.val() * of_bias).sum();
    GradientsParams::from_grads(loss.backward(), two)
}

#[test]
fn lars_scales_steps_of_matrices_by_their_norms_and_leaves_vectors_alone() {
    let device = device();
    let mut optimizer = ModuleOptimizer::from(Lars {
        momentum: 0.9,
        weight_decay: 0.1,
        trust_coefficient: 0.01,
        epsilon: 0.0,
        nesterov: false,
    });
    let mut module = two(1.0, &device);
    // The same in f64, from the formula.
    let (mut p, mut u) = ([3.0, 0.0, 0.0, 4.0], [0.0; 4]);
    let g = [6.0, 8.0, 0.0, 0.0];
    let (mut b, mut v) = ([2.0, -1.0], [0.0; 2]);
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..3 {
        let step = gradients(&module, 1.0);
        module = optimizer.step(0.5, module, step);
        let q = 0.01 * norm(&p) / (norm(&g) + 0.1 * norm(&p));
        for i in 0..4 {
            u[i] = 0.9 * u[i] + q * (g[i] + 0.1 * p[i]);
            p[i] -= 0.5 * u[i];
        }
        for i in 0..2 {
            v[i] = 0.9 * v[i] + [1.0, 2.0][i];
            b[i] -= 0.5 * v[i];
        }
    }
    // Numbers up to 8 with some ten roundings each.
    let most = 8.0 * 10.0 * f32::EPSILON;
    assert!(are_close(
        &numbers(module.matrix.val()),
        &p.map(|x| x as f32),
        most
    ));
    assert!(are_close(
        &numbers(module.bias.val()),
        &b.map(|x| x as f32),
        most
    ));
}

#[test]
fn lars_with_nesterov_looks_ahead() {
    let device = device();
    let lars = Lars {
        weight_decay: 0.0,
        trust_coefficient: 2.0,
        epsilon: 0.0,
        nesterov: true,
        ..Lars::default()
    };
    let module = two(1.0, &device);
    let step = gradients(&module, 1.0);
    let module = ModuleOptimizer::from(lars).step(0.1, module, step);
    // q = 2 · 5 / 10 = 1; u = g; the step is g + 0.9 u = 1.9 g.
    let want = [3.0 - 1.14, -1.52, 0.0, 4.0];
    assert!(are_close(&numbers(module.matrix.val()), &want, 1e-6));
}

#[test]
fn lars_is_finite_for_huge_tiny_and_zero_parameters() {
    let device = device();
    for (scale, of_gradient) in [
        (1e18, 1.0),
        (1.0, 1e18),
        (1e-18, 1e-18),
        (0.0, 1.0),
        (1.0, 0.0),
    ] {
        let module = two(scale, &device);
        let step = gradients(&module, of_gradient);
        let module = ModuleOptimizer::from(Lars::default()).step(1e-3, module, step);
        assert!(
            numbers(module.matrix.val()).iter().all(|x| x.is_finite()),
            "parameters {scale}, gradients {of_gradient}"
        );
    }
    // Without a gradient only the decay is left, with q = 1.
    let module = two(1.0, &device);
    let step = gradients(&module, 0.0);
    let decay = Lars {
        weight_decay: 0.5,
        ..Lars::default()
    };
    let module = ModuleOptimizer::from(decay).step(1.0, module, step);
    assert_eq!(numbers(module.matrix.val()), [1.5, 0.0, 0.0, 2.0]);
}

#[test]
fn all_gradients_are_clipped_together_and_keep_their_direction() {
    let device = device();
    let module = two(1.0, &device);
    // √(36 + 64 + 1 + 4) = √105
    let (clipped, norm) = clip_global_norm(&module, gradients(&module, 1.0), 1.0);
    assert!((norm - 105_f64.sqrt()).abs() < 1e-12);
    let factor = 1.0 / 105_f32.sqrt();
    let want = [6.0, 8.0, 0.0, 0.0].map(|x| x * factor);
    assert!(are_close(
        &numbers(clipped.get::<2>(module.matrix.id).unwrap()),
        &want,
        1e-6
    ));
    let want = [factor, 2.0 * factor];
    assert!(are_close(
        &numbers(clipped.get::<1>(module.bias.id).unwrap()),
        &want,
        1e-6
    ));

    let (left, _) = clip_global_norm(&module, gradients(&module, 1.0), 20.0);
    assert_eq!(numbers(left.get::<1>(module.bias.id).unwrap()), [1.0, 2.0]);
    let (left, norm) = clip_global_norm(&module, gradients(&module, f32::INFINITY), 1.0);
    assert!(!norm.is_finite());
    assert_eq!(
        numbers(left.get::<1>(module.bias.id).unwrap())[0],
        f32::INFINITY
    );
}

#[test]
fn rates_rise_and_fall_as_their_schedule_says() {
    // cos(π/3) = ½: a quarter of the way.
    assert!((cosine(1.0, 0.2, 1, 3) - 0.8).abs() < 1e-15);
    assert_eq!(cosine(1.0, 0.2, 7, 3), 0.2);
    assert_eq!(cosine(1.0, 0.2, 0, 0), 0.2);
    let rates: Vec<f64> = (0..6).map(|step| warm_up_cosine(step, 2, 6)).collect();
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let want = [0.5, 1.0, 1.0, 0.5 + half / 2.0, 0.5, 0.5 - half / 2.0];
    assert!(
        rates
            .iter()
            .zip(want)
            .all(|(got, want)| (got - want).abs() < 1e-15),
        "{rates:?}"
    );
    assert_eq!(warm_up_cosine(6, 2, 6), 0.0);
    assert_eq!(
        warm_up_cosine(3, 5, 2),
        0.8,
        "a rise longer than the training only rises"
    );
}

#[test]
fn a_head_has_the_layers_it_is_asked_for() {
    let device = device();
    let x = Tensor::<2>::from_floats([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]], &device);
    let none = HeadConfig::new(3, 3).with_layers(0).init(&device);
    assert_eq!(numbers(none.forward(x.clone())), numbers(x.clone()));

    let linear = HeadConfig::new(3, 2).with_layers(1).init(&device);
    let sum = linear.forward(x.clone() * 2.0) - linear.forward(x.clone()) * 2.0;
    let shift = linear.forward(Tensor::zeros([2, 3], &device));
    assert!(
        are_close(&numbers(sum + shift), &[0.0; 4], 1e-5),
        "one layer is affine"
    );

    let count = |config: HeadConfig| config.init(&device).num_params();
    let config = HeadConfig::new(3, 2).with_hidden(4);
    // 12 weights, norm of 4 with scale, shift and running statistics, 8 weights with 2 biases.
    assert_eq!(count(config.clone()), 12 + 16 + 8 + 2);
    assert_eq!(
        count(config.clone().with_hidden_norm(false)),
        12 + 4 + 8 + 2
    );
    assert_eq!(count(config.with_layers(3)), 12 + 16 + 16 + 16 + 8 + 2);
}

#[test]
fn a_plain_last_norm_standardizes_and_learns_no_scale() {
    let device = device();
    let head = HeadConfig::new(2, 2)
        .with_layers(1)
        .with_last_norm(LastNorm::Plain)
        .init(&device);
    let x = Tensor::<2>::from_floats([[1.0, 5.0], [2.0, -3.0], [4.0, 0.5]], &device);
    let out = head.forward(x);
    let mean = numbers(out.clone().mean_dim(0));
    assert!(are_close(&mean, &[0.0, 0.0], 1e-5));
    let gradients = GradientsParams::from_grads(out.square().sum().backward(), &head);
    assert_eq!(gradients.len(), 1, "only the weights");
}

#[test]
#[should_panic(expected = "a head without layers has output 2 for input 3")]
fn a_head_without_layers_cannot_change_the_length() {
    HeadConfig::new(3, 2).with_layers(0).init(&device());
}
