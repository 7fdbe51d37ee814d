use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};

use super::arc_face::{ArcFaceLoss, ArcFaceLossConfig};
use super::class_cosines::{ClassCosines, own_cosines};
use super::class_vectors::{class_vectors, with_values};
use super::cross_entropy::zero_if_empty;
use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::l2_normalize;
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Configuration of [`SubCenterArcFaceLoss`].
#[derive(Config, Debug)]
pub struct SubCenterArcFaceLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Vectors `K` of a class. Default: `3`.
    #[config(default = 3)]
    pub sub_centers: usize,
    /// Angle `m` added to the target, in radians. Default: `0.5`.
    #[config(default = 0.5)]
    pub margin: f64,
    /// Scale `s` of the logits. Default: `64.0`.
    #[config(default = 64.0)]
    pub scale: f64,
    /// Reduction over rows. Default: [`Reducer::Mean`].
    #[config(default = "Reducer::Mean")]
    pub reducer: Reducer,
}

impl SubCenterArcFaceLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check_size("sub_centers", self.sub_centers)?;
        ConfigError::check_angle("margin", self.margin)?;
        ConfigError::check_positive("scale", self.scale)?;
        self.reducer.validate()
    }

    /// The loss, with fresh sub-centres.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> SubCenterArcFaceLoss {
        expect_valid(self.validate());
        let vectors = self.num_classes * self.sub_centers;
        SubCenterArcFaceLoss {
            weight: class_vectors(vectors, self.embedding_size, device),
            sub_centers: self.sub_centers,
            margin: self.margin,
            scale: self.scale,
            reducer: self.reducer,
        }
    }
}

/// Sub-centre ArcFace (Deng, Guo, Liu, Gong, Zafeiriou, *Sub-center ArcFace: Boosting Face
/// Recognition by Large-Scale Noisy Web Faces*, ECCV 2020, sec. 3).
///
/// Every class has `K` vectors and only the closest has to be near, so that wrongly labelled rows
/// gather at the others. With `ψ` as in [`ArcFaceLoss`]:
/// ```text
/// cos θⱼ = max_k ŵⱼₖ · x̂ᵢ
/// ℓᵢ     = −log( e^{s ψ(θ_y)} / (e^{s ψ(θ_y)} + Σ_{j ≠ y} e^{s cos θⱼ}) )
/// ```
/// The paper's cleaning: [`outliers`](Self::outliers) reports rows far from the vector that most
/// rows of their class are closest to; drop them, take
/// [`keep_dominant`](Self::keep_dominant) and train again.
///
/// Cost: `O(n · K · classes · dim)` time; memory `O(n · K · classes)`, on the CPU backend in `f32` and `f64`
/// `O(K · (n + classes) · dim)`.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::SubCenterArcFaceLossConfig;
///
/// let device = Device::flex();
/// let axes = Tensor::from_floats([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]], &device);
/// let loss = SubCenterArcFaceLossConfig::new(2, 2).with_sub_centers(2).with_scale(1.0);
/// let loss = loss.init(&device).with_weight(axes);
/// let x = Tensor::<2>::from_floats([[3.0, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0], &device);
/// // closest of class 0: (1, 0), cos 0.5 = 0.87758; of class 1: (0, −1), 0; log(1 + e^-0.87758)
/// assert!((loss.forward(x, labels).into_scalar::<f32>() - 0.34769).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct SubCenterArcFaceLoss {
    weight: Param<Tensor<2>>,
    sub_centers: usize,
    margin: f64,
    scale: f64,
    #[module(skip)]
    reducer: Reducer,
}

/// What [`SubCenterArcFaceLoss::outliers`] reports.
#[derive(Debug, Clone)]
pub struct SubCenterOutliers {
    /// The dominant sub-centre of every class, `[num_classes]`, each in `0..sub_centers`: the one
    /// closest to most of the class's rows; the first of equals, 0 for a class without rows.
    pub dominant: Tensor<1, Int>,
    /// Angle of every row to its class's dominant sub-centre in radians, `[n]`.
    pub angles: Tensor<1>,
    /// Is the angle above the threshold? `[n]`.
    pub is_outlier: Tensor<1, Bool>,
}

impl SubCenterArcFaceLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        if let Some(zero) = zero_if_empty(&embeddings, &labels) {
            return zero;
        }
        let weight = self.weight.val();
        let cosines = ClassCosines::to_closest(embeddings, weight, labels, self.sub_centers);
        let target = cosines.plus_angle(cosines.constant(self.margin));
        cosines.loss(target, self.scale, self.reducer)
    }

    /// Rows farther than `threshold` radians from the dominant sub-centre of their class, off the
    /// graph; the paper takes 75 degrees. Give it the whole training set, in which most rows of a
    /// class are right: a batch has too few.
    ///
    /// Cost: `O(n · K · dim)` time and memory.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn outliers(
        &self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        threshold: f64,
    ) -> SubCenterOutliers {
        assert_labels(&embeddings, &labels);
        let ([n, _], k) = (embeddings.dims(), self.sub_centers);
        let rows = l2_normalize(embeddings.detach());
        let weight = self.weight.val().detach();
        let classes = weight.dims()[0] / k;
        let cosines = own_cosines(rows.clone(), weight, labels.clone(), k);
        let closest = labels.clone() * k as i64 + cosines.clone().argmax(1).squeeze_dim(1);
        let ones = Tensor::<1>::ones([n], &rows.device());
        let counts = Tensor::<1>::zeros([classes * k], &rows.device());
        let counts = counts.select_assign(0, closest, ones, IndexingUpdateOp::Add);
        let dominant = counts.reshape([classes, k]).argmax(1).squeeze_dim::<1>(1);
        let column = dominant.clone().select(0, labels).reshape([n, 1]);
        let cosine = cosines.gather(1, column).squeeze_dim::<1>(1);
        let angles = cosine.clamp(-1.0, 1.0).acos();
        SubCenterOutliers {
            dominant,
            is_outlier: angles.clone().greater_scalar(threshold),
            angles,
        }
    }

    /// ArcFace with the dominant sub-centre of every class alone.
    ///
    /// # Shapes
    /// - `dominant`: `[num_classes]`, each in `0..sub_centers`
    ///
    /// # Panics
    /// If there is not one a class.
    pub fn keep_dominant(&self, dominant: Tensor<1, Int>) -> ArcFaceLoss {
        let [vectors, dim] = self.weight.dims();
        let classes = vectors / self.sub_centers;
        let [count] = dominant.dims();
        assert_eq!(
            classes, count,
            "one a class: {classes} classes, {count} given"
        );
        let device = self.weight.val().device();
        let first = Tensor::<1, Int>::arange(0..classes as i64, &device) * self.sub_centers as i64;
        ArcFaceLossConfig::new(classes, dim)
            .with_margin(self.margin)
            .with_scale(self.scale)
            .with_reducer(self.reducer)
            .init(&device)
            .with_weight(self.weight.val().select(0, first + dominant))
    }

    /// The same loss with the values of given sub-centres; it is [`weight`](Self::weight) that
    /// gets the gradient.
    ///
    /// # Shapes
    /// - `weight`: `[num_classes · sub_centers, dim]`, the sub-centres of a class together
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = with_values(self.weight, weight);
        self
    }

    /// The sub-centres, `[num_classes · sub_centers, dim]`, of any length, those of a class
    /// together.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }
}
