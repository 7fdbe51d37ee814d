use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use crate::error::{ConfigError, expect_valid};
use crate::labels::Labels;
use crate::numerics::{at_least_f32, divide};
use crate::pairs::assert_labels;
use crate::reducer::Reducer;

/// Configuration of [`CenterLoss`].
#[derive(Config, Debug)]
pub struct CenterLossConfig {
    /// Number of classes.
    pub num_classes: usize,
    /// Length of an embedding.
    pub embedding_size: usize,
    /// Rate `α` of the centre update, in `[0, 1]`. Default: `0.5`.
    #[config(default = 0.5)]
    pub alpha: f64,
}

impl CenterLossConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("num_classes", self.num_classes)?;
        ConfigError::check_size("embedding_size", self.embedding_size)?;
        ConfigError::check(
            (0.0..=1.0).contains(&self.alpha),
            "alpha",
            "from 0 to 1",
            self.alpha,
        )
    }

    /// The loss, with every centre at the origin.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> CenterLoss {
        expect_valid(self.validate());
        let centers = Tensor::zeros([self.num_classes, self.embedding_size], device);
        CenterLoss {
            centers: Param::from_tensor(centers).set_require_grad(false),
            alpha: self.alpha,
        }
    }
}

/// Center loss (Wen, Zhang, Li, Qiao, *A Discriminative Feature Learning Approach for Deep Face
/// Recognition*, ECCV 2016, eq. 2 to 4).
///
/// With `c_y` the centre of a row's class, and `nⱼ` the rows of class `j` in the batch:
/// ```text
/// ℓ      = 1/(2n) Σᵢ ‖xᵢ − c_{yᵢ}‖²
/// Δcⱼ    = Σ_{yᵢ = j} (cⱼ − xᵢ) / (1 + nⱼ)          cⱼ ← cⱼ − α Δcⱼ
/// ```
/// Used beside a classifier, `L = L_softmax + λ ℓ` (the paper: `λ = 0.003`), since alone it is
/// smallest when everything collapses. Deviates from the paper: the sum of eq. 2 is divided by
/// `n`. Centres move by [`update`](Self::update) alone, never by the optimizer or by `forward`.
///
/// Cost: `O(n · dim)` time and memory beside the centres.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::CenterLossConfig;
///
/// let device = Device::flex();
/// let loss = CenterLossConfig::new(2, 2).init(&device);
/// let x = Tensor::<2>::from_floats([[2.0, 0.0], [0.0, 4.0]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0], &device);
/// // centre 0 at the origin: (4 + 16) / (2 · 2) = 5
/// assert_eq!(loss.forward(x.clone(), labels.clone()).into_scalar::<f32>(), 5.0);
/// // it moves by α · (2, 4) / (1 + 2) to (1/3, 2/3)
/// let moved = loss.update(x, labels).centers().into_data().try_to_vec::<f32>().unwrap();
/// assert!((moved[0] - 1.0 / 3.0).abs() < 1e-6 && (moved[1] - 2.0 / 3.0).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct CenterLoss {
    centers: Param<Tensor<2>>,
    alpha: f64,
}

impl CenterLoss {
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn forward(&self, embeddings: Tensor<2>, labels: impl Into<Labels>) -> Tensor<1> {
        let labels = labels.into();
        assert_labels(&embeddings, &labels);
        let [n, _] = embeddings.dims();
        let centers = self.centers.val().detach();
        let centers = centers.select(0, labels.expect_classes());
        let squares = (at_least_f32(embeddings) - centers).square();
        let terms = divide(squares, (2 * n.max(1)) as f64).sum_dim(1);
        Reducer::Sum.reduce_rows(terms, &labels)
    }

    /// The loss with its centres moved towards the rows of the batch, off the graph.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, each in `0..num_classes`
    ///
    /// # Panics
    /// If a label is out of range or there is not one a row.
    pub fn update(self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        assert_labels(&embeddings, &labels);
        let centers = self.centers.val().detach();
        let embeddings = at_least_f32(embeddings.detach());
        let [classes, _] = centers.dims();
        let add = IndexingUpdateOp::Add;
        let ones = embeddings.clone().narrow(1, 0, 1).ones_like(); // [n, 1]
        let counts = centers.clone().narrow(1, 0, 1).zeros_like();
        let counts = counts.select_assign(0, labels.clone(), ones, add);
        let gaps = embeddings - centers.clone().select(0, labels.clone());
        let sums = centers.zeros_like().select_assign(0, labels, gaps, add);
        let step = sums / (counts.reshape([classes, 1]) + 1.0);
        let moved = centers + step * self.alpha;
        self.with_centers(moved)
    }

    /// The same loss with given centres.
    ///
    /// # Shapes
    /// - `centers`: `[num_classes, dim]`
    pub fn with_centers(mut self, centers: Tensor<2>) -> Self {
        self.centers = self
            .centers
            .map(|_| centers.detach().set_require_grad(false));
        self
    }

    /// The centres, `[num_classes, dim]`.
    pub fn centers(&self) -> Tensor<2> {
        self.centers.val()
    }
}
