use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{InfoNceLoss, InfoNceLossConfig, l2_normalize};

use super::{Memory, Method, Now, Outputs, Parts, TeacherConfig};
use crate::head::HeadConfig;

/// Momentum contrast (He, Fan, Wu, Xie, Girshick, *Momentum contrast for unsupervised visual representation learning*, CVPR
/// 2020, <https://arxiv.org/abs/1911.05722>, eq. 1 and 2): a queue of keys from a slowly moving encoder takes the place of
/// a large batch.
///
/// With the student's query `q` of the first view and the teacher's key `k` of the second, both of length one:
/// ```text
/// ℓ = −log( exp(q·k/T) / (exp(q·k/T) + Σ_{n ∈ queue} exp(q·n/T)) )
/// teacher ← m · teacher + (1 − m) · student        queue ← the last K keys
/// ```
/// | | head | `T` | `m` | `K` |
/// |---|---|---|---|---|
/// | [`v1`](Self::v1) | linear | 0.07 | 0.999 | 65,536 |
/// | [`v2`](Self::v2) (Chen, Fan, Girshick, He, 2020, <https://arxiv.org/abs/2003.04297>) | 2 layers | 0.2 | 0.999 | 65,536 |
///
/// The teacher is shown a shuffled batch in 8 parts, as on the paper's 8 GPUs. Deviates from the paper's code in that the
/// teacher follows after the optimizer step, not before the next batch, which is the same but for the first one; and while
/// the queue is empty the other keys of the batch are the negatives (in the code it starts with random rows).
#[derive(Module, Debug)]
pub struct Moco {
    loss: InfoNceLoss,
    layers: usize,
}

impl Moco {
    /// `MoCo` v1, at a temperature (paper: `0.07`).
    pub fn v1(temperature: f64, device: &Device) -> Self {
        Self::new(temperature, 1, device)
    }

    /// `MoCo` v2, at a temperature (paper: `0.2`).
    pub fn v2(temperature: f64, device: &Device) -> Self {
        Self::new(temperature, 2, device)
    }

    fn new(temperature: f64, layers: usize, device: &Device) -> Self {
        let loss = InfoNceLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            layers,
        }
    }
}

impl Method for Moco {
    fn parts(&self, features: usize) -> Parts {
        let head = HeadConfig::new(features, 128)
            .with_layers(self.layers)
            .with_hidden_norm(false);
        Parts {
            teacher: Some(TeacherConfig {
                momentum: 0.999,
                rises: false,
                splits: 8,
            }),
            student_views: 1,
            taught: 1..2,
            queue: Some(65_536),
            ..Parts::new(head)
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let (query, key) = (views.projected[0].clone(), views.taught[0].clone());
        match now.memory.queue(&query.device()) {
            Some(queue) => self.loss.forward_with_negatives(query, key, queue),
            None => self.loss.forward(query, key),
        }
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        Some(l2_normalize(views.taught[0].clone()))
    }

    fn chance(&self, _views: usize, examples: usize, memory: &Memory) -> Option<f64> {
        let queued = memory.queue.as_ref().map_or(0, |queue| queue.len());
        let among = if queued > 0 { 1 + queued } else { examples };
        Some((among as f64).ln())
    }
}
