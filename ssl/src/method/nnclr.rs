use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{InfoNceLoss, InfoNceLossConfig, l2_normalize};

use super::{Memory, Method, Now, Outputs, Parts};
use crate::head::{HeadConfig, LastNorm};

/// NNCLR (Dwibedi, Aytar, Tompson, Sermanet, Zisserman, *With a little help from my friends*, ICCV 2021,
/// <https://arxiv.org/abs/2104.14548>, eq. 2 and 4): the positive is the nearest neighbour of the other view among earlier
/// projections.
///
/// With projections `z`, predictions `p` and `NN` the row of the queue with the largest cosine, off the graph:
/// ```text
/// ℓ = ½ InfoNCE(NN(z₁), p₂) + ½ InfoNCE(NN(z₂), p₁)
/// ```
/// While the queue is empty a projection is its own neighbour. Paper: `T = 0.1`, a queue of 98,304.
#[derive(Module, Debug)]
pub struct Nnclr {
    loss: InfoNceLoss,
}

impl Nnclr {
    /// At a temperature (paper: `0.1`).
    pub fn new(temperature: f64, device: &Device) -> Self {
        let loss = InfoNceLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
        }
    }
}

impl Method for Nnclr {
    fn parts(&self, features: usize) -> Parts {
        let projector = HeadConfig::new(features, 256)
            .with_layers(3)
            .with_last_norm(LastNorm::Affine);
        Parts {
            predictor: Some(HeadConfig::new(256, 256).with_hidden(4096)),
            queue: Some(98_304),
            ..Parts::new(projector)
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let queue = now.memory.queue(&views.projected[0].device());
        let term = |view: usize, other: usize| {
            let row = l2_normalize(views.projected[view].clone().detach());
            let neighbor = match &queue {
                Some(queue) => nearest(row, queue.clone()),
                None => row,
            };
            self.loss.forward(neighbor, views.predicted[other].clone())
        };
        (term(0, 1) + term(1, 0)) * 0.5
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        Some(l2_normalize(views.projected[0].clone()))
    }

    fn chance(&self, _views: usize, examples: usize, _memory: &Memory) -> Option<f64> {
        Some((examples as f64).ln())
    }
}

/// For every row that of `among` with the largest inner product.
pub(super) fn nearest(rows: Tensor<2>, among: Tensor<2>) -> Tensor<2> {
    let best = rows.matmul(among.clone().transpose()).argmax(1);
    among.select(0, best.flatten(0, 1))
}
