//! Metric-learning losses as [Burn](https://burn.dev) modules.
//!
//! Every loss is a `Config` (with the paper's defaults) whose `init(&device)` gives a module with
//! `forward`. Embeddings are used **as given**: pass them through [`l2_normalize`] where the
//! sphere is wanted. What differs between losses is said by values, not by base classes:
//! an [`EmbeddingDistance`] (smaller is always closer, also for cosine and inner product, so a
//! margin has one meaning) and a [`Reducer`].
//!
//! | kind | losses |
//! |---|---|
//! | classifier | [`SoftmaxLoss`], [`NormalizedSoftmaxLoss`], [`ArcFaceLoss`] |
//! | pairs and triplets | [`AngularLoss`], [`CircleLoss`], [`ContrastiveLoss`], [`GeneralizedLiftedStructureLoss`], [`IntraPairVarianceLoss`], [`LiftedStructureLoss`], [`MarginLoss`], [`MultiSimilarityLoss`], [`NPairsLoss`], [`NcaLoss`], [`ThresholdConsistentMarginLoss`], [`TripletMarginLoss`], [`TupletMarginLoss`] |
//! | centres | [`CenterLoss`] |
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use metric_losses::{TripletMarginLossConfig, l2_normalize};
//!
//! let device = Device::flex().autodiff();
//! let x = Tensor::<2>::from_floats([[1.0, 0.1], [0.9, 0.0], [0.2, 1.0]], &device).require_grad();
//! let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
//! let loss = TripletMarginLossConfig::new().with_margin(1.5).init(&device);
//! let value = loss.forward(l2_normalize(x.clone()), labels);
//! let gradients = value.backward();
//! assert_eq!(x.grad(&gradients).unwrap().dims(), [3, 2]);
//! ```

mod class;
mod distance;
mod error;
mod numerics;
mod pair;
mod pairs;
mod reducer;
mod triplet_indices;

pub use class::{
    ArcFaceLoss, ArcFaceLossConfig, CenterLoss, CenterLossConfig, NormalizedSoftmaxLoss,
    NormalizedSoftmaxLossConfig, SoftmaxLoss, SoftmaxLossConfig,
};
pub use distance::EmbeddingDistance;
pub use error::ConfigError;
pub use numerics::l2_normalize;
pub use pair::{
    AngularLoss, AngularLossConfig, CircleLoss, CircleLossConfig, ContrastiveLoss,
    ContrastiveLossConfig, GeneralizedLiftedStructureLoss, GeneralizedLiftedStructureLossConfig,
    IntraPairVarianceLoss, IntraPairVarianceLossConfig, LiftedStructureLoss,
    LiftedStructureLossConfig, MarginLoss, MarginLossConfig, MultiSimilarityLoss,
    MultiSimilarityLossConfig, NPairsLoss, NPairsLossConfig, NcaLoss, NcaLossConfig,
    ThresholdConsistentMarginLoss, ThresholdConsistentMarginLossConfig, TripletMarginLoss,
    TripletMarginLossConfig, TupletMarginLoss, TupletMarginLossConfig,
};
pub use reducer::Reducer;
pub use triplet_indices::TripletIndices;
