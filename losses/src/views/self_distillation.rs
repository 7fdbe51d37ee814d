use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::sinkhorn::off_graph;
use super::swapped_prediction::sum_over_others;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{at_least_f32, divide, zero_without_rows};

/// Configuration of [`SelfDistillationLoss`].
#[derive(Config, Debug)]
pub struct SelfDistillationLossConfig {
    /// Number `k` of outputs of the heads; the paper has 65536.
    pub num_outputs: usize,
    /// Temperature `Tₛ` of the student. Default: `0.1`.
    #[config(default = 0.1)]
    pub student_temperature: f64,
    /// Momentum `m` of the centre. Default: `0.9`.
    #[config(default = 0.9)]
    pub center_momentum: f64,
}

impl SelfDistillationLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_outputs", self.num_outputs)?;
        ConfigError::check_positive("student_temperature", self.student_temperature)?;
        ConfigError::check_fraction("center_momentum", self.center_momentum)
    }

    /// The loss, with its centre at 0.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SelfDistillationLoss {
        expect_valid(self.validate());
        let center = Tensor::zeros([1, self.num_outputs], device);
        SelfDistillationLoss {
            center: Param::from_tensor(center).set_require_grad(false),
            student_temperature: self.student_temperature,
            center_momentum: self.center_momentum,
        }
    }
}

/// Self-distillation without labels (Caron et al., *Emerging Properties in Self-Supervised Vision Transformers*, DINO,
/// ICCV 2021, <https://arxiv.org/abs/2104.14294>, eq. 1 to 4).
///
/// The teacher sees the first `G` of the `V` crops that the student sees. With their outputs `g` and `s`, the centre
/// `c` and the temperatures `Tₜ`, `Tₛ`:
/// ```text
/// ℓ = 1/(G (V − 1)) Σ_{t ≤ G} Σ_{v ≠ t} 1/n Σᵢ −Σⱼ softmaxⱼ((g(t)ᵢ − c)/Tₜ) log softmaxⱼ(s(v)ᵢ/Tₛ)
/// c ← m c + (1 − m) mean of all g
/// ```
/// The teacher's side is a constant for the gradient. `Tₜ` comes with each step, for it is raised at first: in the
/// paper from 0.04 to 0.07 over 30 epochs. The paper sums over pairs of crops; its code takes the mean, as here. The
/// centre moves by [`update_center`](Self::update_center) alone, which belongs after `forward`.
///
/// Cost: `O(V · n · k)` time and memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::SelfDistillationLossConfig;
///
/// let device = Device::flex();
/// let loss = SelfDistillationLossConfig::new(2).with_student_temperature(1.0).init(&device);
/// let teacher = Tensor::<2>::from_floats([[2.0, 0.0]], &device);
/// let student = Tensor::<2>::from_floats([[1.0, 0.0]], &device);
/// // softmax(2/0.1, 0) is 1 within e⁻²⁰: −log(e / (e + 1)) = 0.31326
/// let crops = [teacher.clone(), student];
/// let value = loss.forward(&crops, &[teacher.clone()], 0.1).into_scalar::<f32>();
/// assert!((value - 0.31326).abs() < 1e-5);
/// // the centre moves a tenth of the way, to (0.2, 0)
/// let center = loss.update_center(&[teacher]).center().into_data().try_to_vec::<f32>().unwrap();
/// assert!((center[0] - 0.2).abs() < 1e-6 && center[1] == 0.0);
/// ```
#[derive(Module, Debug)]
pub struct SelfDistillationLoss {
    center: Param<Tensor<2>>,
    student_temperature: f64,
    center_momentum: f64,
}

impl SelfDistillationLoss {
    /// The loss of a batch by the outputs of both heads, as they come, without a softmax.
    ///
    /// # Shapes
    /// - `student`: of every crop, those the teacher sees first, each `[n, k]`
    /// - `teacher`: of the crops it sees, each `[n, k]`
    /// - output: `[1]`, zero without rows
    ///
    /// # Panics
    /// If there are fewer than two crops of the student, none of the teacher, more of the teacher than of the student,
    /// or shapes differ, or `teacher_temperature` is not a number above 0.
    pub fn forward(
        &self,
        student: &[Tensor<2>],
        teacher: &[Tensor<2>],
        teacher_temperature: f64,
    ) -> Tensor<1> {
        expect_valid(ConfigError::check_positive(
            "teacher_temperature",
            teacher_temperature,
        ));
        let (views, taught) = (student.len(), teacher.len());
        assert!(
            views >= 2 && (1..=views).contains(&taught),
            "two crops and a teacher of some of them are needed, got {views} and {taught}"
        );
        let [n, k] = student[0].dims();
        let all = student.iter().chain(teacher);
        assert!(
            all.clone().all(|crop| crop.dims() == [n, k]),
            "outputs have one shape"
        );
        if let Some(zero) = zero_without_rows(&student.iter().collect::<Vec<_>>()) {
            return zero;
        }
        let target = |output: &Tensor<2>| {
            let output = at_least_f32(off_graph(output.clone()));
            let center = off_graph(self.center.val()).cast(output.dtype());
            softmax((output - center) * (1.0 / teacher_temperature), 1)
        };
        let targets: Vec<Tensor<2>> = teacher.iter().map(target).collect();
        let logits = student.iter().cloned().map(at_least_f32).collect();
        let loss = sum_over_others(&targets, logits, 1.0 / self.student_temperature);
        divide(loss, (taught * (views - 1) * n) as f64)
    }

    /// The same loss, its centre moved towards the mean of the teacher's outputs, off the graph. Without rows it stays.
    ///
    /// # Shapes
    /// - `teacher`: of the crops it sees, each `[n, k]`
    ///
    /// # Panics
    /// If the outputs are not as many as the centre has.
    pub fn update_center(self, teacher: &[Tensor<2>]) -> Self {
        let with_rows = teacher.iter().filter(|output| output.dims()[0] > 0);
        let outputs: Vec<Tensor<2>> = with_rows
            .map(|output| at_least_f32(output.clone().detach()))
            .collect();
        if outputs.is_empty() {
            return self;
        }
        let mean = Tensor::cat(outputs, 0).mean_dim(0);
        let center = self.center.val().detach().cast(mean.dtype());
        let momentum = self.center_momentum;
        self.with_center(center * momentum + mean * (1.0 - momentum))
    }

    /// The same loss with a given centre.
    ///
    /// # Shapes
    /// - `center`: `[1, k]`
    pub fn with_center(mut self, center: Tensor<2>) -> Self {
        self.center = self.center.map(|_| center.detach().set_require_grad(false));
        self
    }

    /// The centre, `[1, k]`.
    pub fn center(&self) -> Tensor<2> {
        self.center.val()
    }
}
