use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{SelfDistillationLoss, SelfDistillationLossConfig};

use super::{Memory, Method, Now, Outputs, Parts, TeacherConfig};
use crate::head::HeadConfig;

/// Temperature of the teacher at first and at last.
const TEACHER_TEMPERATURES: [f64; 2] = [0.04, 0.07];
/// Share of the steps over which it rises.
const RISE: f64 = 0.1;

/// Share of the steps in which prototypes stand still: the first of the code's 100 epochs.
const STILL: f64 = 0.01;

/// DINO (Caron et al., *Emerging properties in self-supervised vision transformers*, ICCV 2021,
/// <https://arxiv.org/abs/2104.14294>, eq. 1 to 4): the student predicts the teacher's distribution over outputs, which is
/// centred, so that no output wins for all images, and sharpened, so that not all are alike.
///
/// ```text
/// ℓ = SelfDistillationLoss(student, teacher)        teacher's momentum from 0.996 to 1, its temperature from 0.04 to 0.07
/// ```
/// The temperature rises over the first tenth of the steps, as over 30 of the paper's 300 epochs. Paper: three layers of 2,048
/// and 256, then 65,536 prototypes. The prototypes
/// stand still in the first hundredth, as in the first epoch of its code. Deviates from that in ReLU for GELU, and in batch norm in
/// the head, which it has for convolutional networks only as an option.
#[derive(Module, Debug)]
pub struct Dino {
    loss: SelfDistillationLoss,
    outputs: usize,
}

impl Dino {
    /// With so many outputs (paper: 65,536) and the student's temperature (paper: `0.1`).
    pub fn new(outputs: usize, temperature: f64, device: &Device) -> Self {
        let loss = SelfDistillationLossConfig::new(outputs).with_student_temperature(temperature);
        Self {
            loss: loss.init(device),
            outputs,
        }
    }
}

impl Method for Dino {
    fn parts(&self, features: usize) -> Parts {
        let head = HeadConfig::new(features, 256).with_layers(3);
        Parts {
            teacher: Some(TeacherConfig {
                momentum: 0.996,
                rises: true,
                splits: 1,
            }),
            still_prototypes: STILL,
            ..Parts::new(head.with_prototypes(Some(self.outputs)))
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let [first, last] = TEACHER_TEMPERATURES;
        let rise = (now.step as f64 / (now.steps as f64 * RISE)).min(1.0);
        let temperature = first + (last - first) * rise;
        self.loss
            .forward(&views.projected, &views.taught, temperature)
    }

    fn after_step(mut self, views: &Outputs, _now: &mut Now<'_>) -> Self {
        self.loss = self.loss.update_center(&views.taught);
        self
    }

    fn chance(&self, _views: usize, _examples: usize, _memory: &Memory) -> Option<f64> {
        Some((self.outputs as f64).ln())
    }
}
