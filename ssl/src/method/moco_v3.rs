use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{InfoNceLoss, InfoNceLossConfig};

use super::{Memory, Method, Now, Outputs, Parts, TeacherConfig};
use crate::head::{HeadConfig, LastNorm};

/// `MoCo` v3 (Chen, Xie, He, *An empirical study of training self-supervised vision transformers*, ICCV 2021,
/// <https://arxiv.org/abs/2104.02057>, algorithm 1): no queue, both views, and a prediction head.
///
/// With the student's predictions `q` and the teacher's keys `k`, and `ctr` the `InfoNCE` of a query among the keys of the
/// batch:
/// ```text
/// ℓ = 2T · ctr(q₁, k₂) + 2T · ctr(q₂, k₁)
/// ```
/// Defaults are the paper's for `ResNet`-50: `T = 1`, momentum from `0.996` (1,000 epochs; `0.99` for 100) to 1.
#[derive(Module, Debug)]
pub struct MocoV3 {
    loss: InfoNceLoss,
    temperature: f64,
}

impl MocoV3 {
    /// At a temperature (paper: `1` for `ResNet`-50, `0.2` for ViT).
    pub fn new(temperature: f64, device: &Device) -> Self {
        let loss = InfoNceLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            temperature,
        }
    }
}

impl Method for MocoV3 {
    fn parts(&self, features: usize) -> Parts {
        let head = |input| {
            HeadConfig::new(input, 256)
                .with_hidden(4096)
                .with_last_norm(LastNorm::Plain)
        };
        Parts {
            predictor: Some(head(256)),
            teacher: Some(TeacherConfig {
                momentum: 0.996,
                rises: true,
                splits: 1,
            }),
            ..Parts::new(head(features))
        }
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let among = |query: usize, key: usize| {
            let (query, key) = (views.predicted[query].clone(), views.taught[key].clone());
            self.loss.forward(query, key)
        };
        (among(0, 1) + among(1, 0)) * (2.0 * self.temperature)
    }

    fn chance(&self, _views: usize, examples: usize, _memory: &Memory) -> Option<f64> {
        Some(4.0 * self.temperature * (examples as f64).ln())
    }
}
