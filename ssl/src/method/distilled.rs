use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{DistillationLoss, DistillationLossConfig};

use super::{Method, Now, Outputs, Parts, TeacherConfig};
use crate::head::HeadConfig;

/// Distillation with unlabelled images, the last part of SimCLR v2 (Chen, Kornblith, Swersky, Norouzi, Hinton, *Big
/// self-supervised models are strong semi-supervised learners*, NeurIPS 2020, <https://arxiv.org/abs/2006.10029>, eq. 2): the
/// student learns what a teacher that stands still says of the same view. The teacher is pretrained without labels and then
/// fine-tuned with a few; [`Learner::with_teacher`](crate::Learner::with_teacher) takes it.
///
/// ```text
/// ℓ = mean over views of DistillationLoss(student(v)/T, teacher(v)/T)
/// ```
/// Student and teacher are of one architecture, the paper's self-distillation; its other students are smaller. What is compared
/// are cosines to prototypes, over `T`, where the paper has logits.
#[derive(Module, Debug)]
pub struct Distilled {
    loss: DistillationLoss,
    classes: usize,
}

impl Distilled {
    /// For a teacher of so many classes, at a temperature (paper: `1` or `0.1`, of logits).
    pub fn new(classes: usize, temperature: f64, device: &Device) -> Self {
        let loss = DistillationLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            classes,
        }
    }
}

impl Method for Distilled {
    fn parts(&self, features: usize) -> Parts {
        let head = HeadConfig::new(features, features).with_layers(0);
        Parts {
            teacher: Some(TeacherConfig::still()),
            ..Parts::new(head.with_prototypes(Some(self.classes)))
        }
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let pairs = views.projected.iter().zip(&views.taught);
        let terms: Vec<_> = pairs
            .map(|(student, teacher)| self.loss.forward(student.clone(), teacher.clone()))
            .collect();
        Tensor::cat(terms, 0).mean()
    }
}
