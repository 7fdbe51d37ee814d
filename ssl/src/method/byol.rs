use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{NegativeCosineLoss, NegativeCosineLossConfig};

use super::{Method, Now, Outputs, Parts, TeacherConfig};
use crate::head::HeadConfig;

/// BYOL (Grill et al., *Bootstrap Your Own Latent*, NeurIPS 2020, <https://arxiv.org/abs/2006.07733>, eq. 2): the student
/// predicts what a slow teacher makes of another view. There are no negatives.
///
/// With the student's predictions `p` and the teacher's projections `t`:
/// ```text
/// ℓ = (2 − 2 cos(p₁, t₂)) + (2 − 2 cos(p₂, t₁))        teacher's momentum from 0.996 to 1
/// ```
/// Both heads have a hidden layer of 4,096 and 256 outputs. Trainings shorter than the paper's 1,000 epochs take a lower
/// momentum (0.99 for 300 epochs).
#[derive(Module, Debug)]
pub struct Byol {
    loss: NegativeCosineLoss,
}

impl Byol {
    /// With the paper's loss.
    pub fn new(device: &Device) -> Self {
        Self {
            loss: NegativeCosineLossConfig::byol().init(device),
        }
    }
}

impl Method for Byol {
    fn parts(&self, features: usize) -> Parts {
        let head = |input| HeadConfig::new(input, 256).with_hidden(4096);
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
        let term = |view: usize, other: usize| {
            let (p, t) = (views.predicted[view].clone(), views.taught[other].clone());
            self.loss.forward(p, t)
        };
        term(0, 1) + term(1, 0)
    }
}
