//! A small network and views for it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "tests: each file uses what it needs, and panics are failures"
)]

use burn::config::Config;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use metric_ssl::Backbone;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Length of a row of features.
pub(crate) const FEATURES: usize = 6;

#[derive(Config, Debug)]
pub(crate) struct SmallConfig {
    #[config(default = true)]
    pub(crate) norm: bool,
}

/// A linear layer on the pixels of 1 x 4 x 4, batch norm if asked for, and ReLU.
#[derive(Module, Debug)]
pub(crate) struct Small {
    pub(crate) linear: Linear,
    pub(crate) norm: Option<BatchNorm>,
}

impl SmallConfig {
    pub(crate) fn init(&self, device: &Device) -> Small {
        Small {
            linear: LinearConfig::new(16, FEATURES).init(device),
            norm: self
                .norm
                .then(|| BatchNormConfig::new(FEATURES).init(device)),
        }
    }
}

impl Backbone for Small {
    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.linear.forward(images.flatten(1, 3));
        relu(match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        })
    }
}

pub(crate) fn device() -> Device {
    Device::flex().autodiff()
}

pub(crate) fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `count` views of `n` images.
pub(crate) fn views(
    n: usize,
    count: usize,
    random: &mut dyn Rng,
    device: &Device,
) -> Vec<Tensor<4>> {
    (0..count)
        .map(|_| {
            let values: Vec<f32> = (0..n * 16)
                .map(|_| random.random_range(-1.0..1.0))
                .collect();
            Tensor::from_data(TensorData::new(values, [n, 1, 4, 4]), device)
        })
        .collect()
}

pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Whether both have the same length and no two entries differ by more.
pub(crate) fn are_close(got: &[f32], want: &[f32], most: f32) -> bool {
    got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() <= most)
}

/// All numbers of a module, running statistics included.
pub(crate) fn all_numbers<M: Module>(module: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(numbers(param.val()));
        }
    }
    let mut all = All(Vec::new());
    module.valid().visit(&mut all);
    all.0
}

/// The seed is the whole process's: whoever draws from it is alone.
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
