use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor};

use super::sinkhorn::off_graph;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, divide, zero_without_rows};

/// How [`ConsistencyLoss`] compares the classes of a student, `p`, with those of a teacher, `q`.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ConsistencyMeasure {
    /// `1/k Σⱼ (pⱼ − qⱼ)²`
    MeanSquare,
    /// `Σⱼ qⱼ log(qⱼ / pⱼ)`
    KullbackLeibler,
}

/// Configuration of [`ConsistencyLoss`].
#[derive(Config, Debug)]
pub struct ConsistencyLossConfig {
    /// What is measured. Default: [`ConsistencyMeasure::MeanSquare`].
    #[config(default = "ConsistencyMeasure::MeanSquare")]
    pub measure: ConsistencyMeasure,
}

impl ConsistencyLossConfig {
    /// Checks every field; none can be out of range.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> ConsistencyLoss {
        expect_valid(self.validate());
        ConsistencyLoss {
            measure: self.measure,
        }
    }
}

/// Consistency of a student with its mean teacher (Tarvainen, Valpola, *Mean teachers are better role models*, NIPS
/// 2017, <https://arxiv.org/abs/1703.01780>).
///
/// With `k` classes, `p = softmax(student)` and `q = softmax(teacher)`, which gets no gradient:
/// ```text
/// ℓ = 1/n Σᵢ 1/k Σⱼ (pᵢⱼ − qᵢⱼ)²        or        ℓ = 1/n Σᵢ Σⱼ qᵢⱼ log(qᵢⱼ / pᵢⱼ)
/// ```
/// The paper found the square the better of the two. It has this beside the cross-entropy of the labelled rows, with a
/// weight that is raised at first.
///
/// Cost: `O(n · k)` time and memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::ConsistencyLossConfig;
///
/// let device = Device::flex();
/// let student = Tensor::<2>::from_floats([[0.0, 0.0]], &device);
/// let teacher = Tensor::<2>::from_floats([[3.0_f32.ln(), 0.0]], &device);
/// // (1/2, 1/2) and (3/4, 1/4)
/// let loss = ConsistencyLossConfig::new().init(&device);
/// assert!((loss.forward(student, teacher).into_scalar::<f32>() - 0.0625).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct ConsistencyLoss {
    #[module(skip)]
    measure: ConsistencyMeasure,
}

impl ConsistencyLoss {
    /// The mean over rows.
    ///
    /// # Shapes
    /// - `student`, `teacher`: `[n, k]`, logits
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        let ([n, k], of_teacher) = (student.dims(), teacher.dims());
        assert_eq!([n, k], of_teacher, "a teacher of the same classes");
        if let Some(zero) = zero_without_rows(&[&student]) {
            return zero;
        }
        let (student, teacher) = (at_least_f32(student), at_least_f32(off_graph(teacher)));
        match self.measure {
            ConsistencyMeasure::MeanSquare => {
                let gaps = softmax(student, 1) - softmax(teacher, 1);
                divide(gaps.square().sum(), (n * k) as f64)
            }
            ConsistencyMeasure::KullbackLeibler => {
                let (of_teacher, of_student) = (log_softmax(teacher, 1), log_softmax(student, 1));
                let terms = of_teacher.clone().exp() * (of_teacher - of_student);
                divide(terms.sum(), n as f64)
            }
        }
    }
}
