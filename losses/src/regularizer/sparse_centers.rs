use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::numerics::{l2_normalize, safe_sqrt};

/// Configuration of [`SparseCentersRegularizer`].
#[derive(Config, Debug)]
pub struct SparseCentersRegularizerConfig {
    /// Number of classes `C`.
    pub num_classes: usize,
    /// Number of centres of a class `K`, at least 2.
    pub centers_per_class: usize,
}

impl SparseCentersRegularizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        let count = self.centers_per_class;
        ConfigError::check(count > 1, "centers_per_class", "at least 2", count as f64)
    }

    /// The regularizer.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> SparseCentersRegularizer {
        expect_valid(self.validate());
        SparseCentersRegularizer {
            num_classes: self.num_classes,
            centers_per_class: self.centers_per_class,
        }
    }
}

/// Few distinct centres in a class (Qian, Shang, Sun, Hu, Li, Jin, *`SoftTriple` Loss: Deep Metric
/// Learning Without Triplet Sampling*, ICCV 2019, <https://arxiv.org/abs/1909.05235>): an
/// `L₂,₁` penalty under which centres that are not needed merge.
///
/// With unit centres `w_c1 … w_cK` of each class `c`:
/// ```text
/// ℓ = 1 / (C K (K − 1)) Σ_c Σ_{s < t} √(2 − 2 w_cs·w_ct)
/// ```
/// which is formed as `‖w_cs − w_ct‖`, so it is exactly 0, with gradient 0, for merged centres.
///
/// Cost: `O(C · K² · dim)` time and memory.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::SparseCentersRegularizerConfig;
///
/// let device = Device::flex();
/// let w = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [2.0, 2.0]], &device);
/// let loss = SparseCentersRegularizerConfig::new(2, 2).init(&device).forward(w);
/// // class 0: √2; class 1: 0; divided by 2 · 2 · 1
/// assert!((loss.into_scalar::<f32>() - 0.353553).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct SparseCentersRegularizer {
    num_classes: usize,
    centers_per_class: usize,
}

impl SparseCentersRegularizer {
    /// # Shapes
    /// - `centers`: `[num_classes · centers_per_class, dim]`, those of a class together
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is another number of centres.
    pub fn forward(&self, centers: Tensor<2>) -> Tensor<1> {
        let (classes, each) = (self.num_classes, self.centers_per_class);
        let [count, dim] = centers.dims();
        assert_eq!(
            count,
            classes * each,
            "{classes} classes of {each} centres: got {count} rows"
        );
        let unit = l2_normalize(centers).reshape([classes, each, dim]);
        let differences = unit.clone().unsqueeze_dim::<4>(2) - unit.unsqueeze_dim::<4>(1);
        let distances = safe_sqrt(differences.square().sum_dim(3));
        // Both orders of a pair are in the sum.
        distances.sum() / (2 * classes * each * (each - 1)) as f64
    }
}
