//! Momentum encoders, batch norm's traps included.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::config::Config;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use metric_ssl::{MomentumError, cosine_momentum, momentum_update, teacher_of};

#[derive(Config, Debug)]
struct NetConfig {
    width: usize,
}

#[derive(Module, Debug)]
struct Net {
    linear: Linear,
    norm: BatchNorm,
}

impl NetConfig {
    fn init(&self, device: &Device) -> Net {
        Net {
            linear: LinearConfig::new(3, self.width).init(device),
            norm: BatchNormConfig::new(self.width).init(device),
        }
    }
}

impl Net {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm.forward(self.linear.forward(x))
    }
}

fn batch(device: &Device) -> Tensor<2> {
    Tensor::from_floats(
        [[1.0, 2.0, -1.0], [0.5, -2.0, 3.0], [4.0, 0.0, 1.0]],
        device,
    )
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn running_mean(net: &Net) -> Vec<f32> {
    numbers(net.norm.running_mean.value_sync())
}

#[test]
fn a_teacher_does_not_share_the_students_running_statistics() {
    let device = Device::flex().autodiff();
    let student = NetConfig::new(4).init(&device);
    let teacher = teacher_of(&student);
    let before = running_mean(&teacher);
    student.forward(batch(&device));
    student.forward(batch(&device));
    assert_ne!(
        running_mean(&student),
        before,
        "the student's forward moves its own"
    );
    assert_eq!(running_mean(&teacher), before);
}

#[test]
fn every_number_moves_by_the_formula_running_statistics_included() {
    let device = Device::flex().autodiff();
    let student = NetConfig::new(4).init(&device);
    let teacher = teacher_of(&NetConfig::new(4).init(&device));
    // One forward: a visitor that does not synchronize would still see the initial statistics.
    student.forward(batch(&device));
    let expect = |teacher: Vec<f32>, student: Vec<f32>| -> Vec<f32> {
        teacher
            .iter()
            .zip(student)
            .map(|(t, s)| 0.9 * t + 0.1 * s)
            .collect()
    };
    let weight = expect(
        numbers(teacher.linear.weight.val()),
        numbers(student.linear.weight.val().inner()),
    );
    let mean = expect(running_mean(&teacher), running_mean(&student));
    let moved = momentum_update(teacher, &student, 0.9).unwrap();
    let close = |got: &[f32], want: &[f32]| {
        // Three roundings of numbers below 2.
        got.iter()
            .zip(want)
            .all(|(g, w)| (g - w).abs() <= 3.0 * 2.0 * f32::EPSILON)
    };
    assert!(close(&numbers(moved.linear.weight.val()), &weight));
    assert!(close(&running_mean(&moved), &mean));
    assert!(mean.iter().any(|&m| m != 0.0), "the statistics did move");
}

#[test]
fn momentum_zero_copies_and_one_stays() {
    let device = Device::flex().autodiff();
    let (student, other) = (
        NetConfig::new(4).init(&device),
        NetConfig::new(4).init(&device),
    );
    let output = |net: &Net| numbers(net.forward(batch(&Device::flex())));
    let teacher = teacher_of(&other);
    let stayed = momentum_update(teacher_of(&other), &student, 1.0).unwrap();
    assert_eq!(output(&stayed), output(&teacher));
    let copied = momentum_update(teacher, &student, 0.0).unwrap();
    assert_eq!(output(&copied), output(&student.valid()));
}

#[test]
fn the_schedule_rises_from_base_to_one() {
    assert!((cosine_momentum(0.996, 0, 100) - 0.996).abs() < 1e-15);
    // cos(π/2) = 0: half of the way.
    assert!((cosine_momentum(0.996, 50, 100) - 0.998).abs() < 1e-15);
    for step in [100, 1000] {
        assert!((cosine_momentum(0.996, step, 100) - 1.0).abs() < 1e-15);
    }
    assert!((cosine_momentum(0.5, 0, 0) - 1.0).abs() < 1e-15);
}

#[test]
fn bad_momentum_and_unlike_modules_are_errors() {
    let device = Device::flex();
    let net = |width| NetConfig::new(width).init(&device);
    for momentum in [-0.1, 1.1, f64::NAN] {
        let error = momentum_update(net(4), &net(4), momentum).unwrap_err();
        assert!(matches!(error, MomentumError::OutOfRange { .. }), "{error}");
    }
    let error = momentum_update(net(4), &net(5), 0.5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor 0 of the teacher has shape [3, 4], of the student [3, 5]"
    );
}
