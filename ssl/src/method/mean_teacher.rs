use burn::module::Module;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Int, Tensor};
use metric_losses::{ConsistencyLoss, ConsistencyLossConfig};

use super::{Method, Now, Outputs, Parts, TeacherConfig, upload_labels};
use crate::head::HeadConfig;

/// Share of the steps over which consistency comes to its weight.
const RISE: f64 = 0.2;

/// Mean teacher (Tarvainen, Valpola, *Mean teachers are better role models*, NIPS 2017, <https://arxiv.org/abs/1703.01780>,
/// section 2): a classifier of the few examples whose class is [known](Now::labels), which is to say of all others what the
/// mean of its earlier weights says of another view.
///
/// With logits `s` of the student and `t` of the teacher, views 1 and 2:
/// ```text
/// ℓ = CrossEntropy(s₁, labels) over labelled rows + w(step) · ConsistencyLoss(s₁, t₂)
/// w = weight · exp(−5 (1 − x)²)        x from 0 to 1 over the first fifth of the steps
/// teacher ← m · teacher + (1 − m) · student
/// ```
/// Paper: weight 100 and `m = 0.99`, then 0.999, for CIFAR-10 and SVHN. Deviates in what logits are: cosines to one prototype a
/// class, over `T`, so that the features that are kept are those that tell classes apart by their direction.
#[derive(Module, Debug)]
pub struct MeanTeacher {
    consistency: ConsistencyLoss,
    cross_entropy: CrossEntropyLoss,
    classes: usize,
    temperature: f64,
    weight: f64,
}

impl MeanTeacher {
    /// For so many classes, with the temperature `T` of cosines and the weight of consistency (paper: `100`).
    pub fn new(classes: usize, temperature: f64, weight: f64, device: &Device) -> Self {
        Self {
            consistency: ConsistencyLossConfig::new().init(device),
            cross_entropy: CrossEntropyLossConfig::new().init(device),
            classes,
            temperature,
            weight,
        }
    }

    /// Of the rows whose class is known.
    fn supervised(&self, logits: Tensor<2>, labels: &[i64]) -> Tensor<1> {
        let known = |&(_, &label): &(usize, &i64)| label >= 0;
        let (rows, classes): (Vec<i64>, Vec<i64>) = labels
            .iter()
            .enumerate()
            .filter(known)
            .map(|(row, &class)| (row as i64, class))
            .unzip();
        if rows.is_empty() {
            return (logits * 0.0).sum();
        }
        let upload = |numbers| -> Tensor<1, Int> { upload_labels(numbers, &logits.device()) };
        let (rows, classes) = (upload(rows), upload(classes));
        self.cross_entropy.forward(logits.select(0, rows), classes)
    }
}

impl Method for MeanTeacher {
    fn parts(&self, features: usize) -> Parts {
        let head = HeadConfig::new(features, features).with_layers(0);
        Parts {
            teacher: Some(TeacherConfig {
                momentum: 0.99,
                rises: false,
                splits: 1,
            }),
            student_views: 1,
            taught: 1..2,
            ..Parts::new(head.with_prototypes(Some(self.classes)))
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let scale = 1.0 / self.temperature;
        let student = views.projected[0].clone() * scale;
        let teacher = views.taught[0].clone() * scale;
        let x = (now.step as f64 / (now.steps as f64 * RISE)).min(1.0);
        let weight = self.weight * (-5.0 * (1.0 - x) * (1.0 - x)).exp();
        let consistency = self.consistency.forward(student.clone(), teacher) * weight;
        match now.labels {
            Some(labels) => self.supervised(student, labels) + consistency,
            None => consistency,
        }
    }
}
