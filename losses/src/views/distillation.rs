use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::sinkhorn::off_graph;
use super::soft_cross_entropy::soft_cross_entropy;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, divide, zero_without_rows};

/// Configuration of [`DistillationLoss`].
#[derive(Config, Debug)]
pub struct DistillationLossConfig {
    /// Temperature `T` of both sides. Default: `1.0`.
    #[config(default = 1.0)]
    pub temperature: f64,
}

impl DistillationLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_positive("temperature", self.temperature)
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> DistillationLoss {
        expect_valid(self.validate());
        DistillationLoss {
            temperature: self.temperature,
        }
    }
}

/// Cross-entropy of a student's classes under a teacher's (Hinton, Vinyals, Dean, 2015,
/// <https://arxiv.org/abs/1503.02531>; with unlabelled rows Chen et al., *Big Self-Supervised Models are Strong
/// Semi-Supervised Learners*, `SimCLR` v2, `NeurIPS` 2020, <https://arxiv.org/abs/2006.10029>).
///
/// With logits `t` of the teacher, which get no gradient, and `s` of the student:
/// ```text
/// ℓ = 1/n Σᵢ −Σⱼ softmaxⱼ(tᵢ/T) log softmaxⱼ(sᵢ/T)
/// ```
/// Hinton et al. multiply by `T²`, so that its gradient keeps its size beside that of a loss of labels; here, as in
/// `SimCLR` v2, it is not. The mean over rows is ours; their equations have the sum.
///
/// Cost: `O(n · classes)` time and memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::DistillationLossConfig;
///
/// let device = Device::flex();
/// let student = Tensor::<2>::from_floats([[1.0, 0.0]], &device);
/// let teacher = Tensor::<2>::from_floats([[2.0, 2.0]], &device);
/// // both classes 1/2: log(e + 1) − 1/2 = 0.81326
/// let loss = DistillationLossConfig::new().init(&device);
/// assert!((loss.forward(student, teacher).into_scalar::<f32>() - 0.81326).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct DistillationLoss {
    temperature: f64,
}

impl DistillationLoss {
    /// The mean over rows.
    ///
    /// # Shapes
    /// - `student`, `teacher`: `[n, classes]`, logits
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        let ([n, classes], of_teacher) = (student.dims(), teacher.dims());
        assert_eq!([n, classes], of_teacher, "a teacher of the same classes");
        if let Some(zero) = zero_without_rows(&[&student]) {
            return zero;
        }
        let scale = 1.0 / self.temperature;
        let targets = softmax(at_least_f32(off_graph(teacher)) * scale, 1);
        let terms = soft_cross_entropy(targets, at_least_f32(student) * scale);
        divide(terms.sum(), n as f64)
    }
}
