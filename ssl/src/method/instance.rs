use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use metric_losses::{NceLoss, NceLossConfig, l2_normalize};
use ndarray::Axis;
use rand::RngExt;

use super::{BankConfig, Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// Instance discrimination with a memory bank (Wu, Xiong, Yu, Lin, *Unsupervised feature learning via non-parametric
/// instance discrimination*, CVPR 2018, <https://arxiv.org/abs/1805.01978>, eq. 4 to 8): each image is a class, whose only
/// weight is what was last made of it.
///
/// ```text
/// ℓ = NceLoss(z, own row of the bank, K rows drawn from it)        bank ← (½ bank + ½ z) / ‖·‖
/// ```
/// One view an image. Paper: a linear head to 128, `T = 0.07`, `K = 4,096`. Without the paper's proximal term (eq. 9), which its
/// code lacks too. Deviates from it in `Z`, which there is estimated from the first batch and stays: here each batch has its own.
/// A fresh network gives all images much the same row. With the `Z` of a random bank the loss then grows from
/// 14 to thousands, because all rows can flee from the bank's together; with that of the batch this gains nothing.
#[derive(Module, Debug)]
pub struct InstanceDiscrimination {
    loss: NceLoss,
    noise: usize,
}

impl InstanceDiscrimination {
    /// With so many rows drawn (paper: 4,096), at a temperature (paper: `0.07`).
    pub fn new(noise: usize, temperature: f64, device: &Device) -> Self {
        let loss = NceLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            noise,
        }
    }

    /// Rows of the bank: those of the batch, and some at random.
    fn rows(&self, now: &mut Now<'_>, device: &Device) -> Option<[Tensor<2>; 2]> {
        let bank = now.memory.bank.as_ref()?.rows();
        let upload = |chosen: &[usize]| {
            let rows = bank.select(Axis(0), chosen);
            let shape = [rows.nrows(), rows.ncols()];
            let (values, _) = rows.into_raw_vec_and_offset();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let drawn: Vec<usize> = (0..self.noise)
            .map(|_| now.random.random_range(0..bank.nrows()))
            .collect();
        Some([upload(now.examples), upload(&drawn)])
    }
}

impl Method for InstanceDiscrimination {
    fn parts(&self, features: usize) -> Parts {
        Parts {
            student_views: 1,
            bank: Some(BankConfig { momentum: 0.5 }),
            ..Parts::new(HeadConfig::new(features, 128).with_layers(1))
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let z = l2_normalize(views.projected[0].clone());
        let Some([own, noise]) = self.rows(now, &z.device()) else {
            return z.sum() * 0.0;
        };
        let estimated = self
            .loss
            .clone()
            .estimate(z.clone(), own.clone(), noise.clone());
        estimated.forward(z, own, noise)
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        Some(l2_normalize(views.projected[0].clone()))
    }
}
