use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{NegativeCosineLoss, NegativeCosineLossConfig};

use super::{Method, Now, Outputs, Parts};
use crate::head::{HeadConfig, LastNorm};

/// `SimSiam` (Chen and He, *Exploring simple Siamese representation learning*, CVPR 2021,
/// <https://arxiv.org/abs/2011.10566>, eq. 4): the student predicts its own projection of the other view, which the gradient
/// does not enter. There is neither a teacher nor a negative.
///
/// With projections `z` and predictions `p`:
/// ```text
/// ℓ = −½ cos(p₁, stop(z₂)) − ½ cos(p₂, stop(z₁))
/// ```
/// The projection has three layers of 2,048, the prediction a hidden layer of 512. The prediction head keeps the
/// peak learning rate, as in the authors' code.
#[derive(Module, Debug)]
pub struct SimSiam {
    loss: NegativeCosineLoss,
    stops: bool,
}

impl SimSiam {
    /// As in the paper.
    pub fn new(device: &Device) -> Self {
        Self {
            loss: NegativeCosineLossConfig::new().init(device),
            stops: true,
        }
    }

    /// The same with gradients through both views, which makes every output the same: what the paper's section 4.1 shows,
    /// and a test for warnings of collapse.
    pub fn without_stop_gradient(mut self) -> Self {
        self.stops = false;
        self
    }
}

impl Method for SimSiam {
    fn parts(&self, features: usize) -> Parts {
        let projector = HeadConfig::new(features, 2048)
            .with_layers(3)
            .with_last_norm(LastNorm::Plain);
        Parts {
            predictor: Some(HeadConfig::new(2048, 2048).with_hidden(512)),
            steady_predictor: true,
            ..Parts::new(projector)
        }
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let term = |view: usize, other: usize| {
            let mut target = views.projected[other].clone();
            if self.stops {
                target = target.detach();
            }
            self.loss.forward(views.predicted[view].clone(), target)
        };
        (term(0, 1) + term(1, 0)) * 0.5
    }
}
