use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use crate::head::{Head, HeadConfig};

/// What turns images into features: the network that is kept when the learning is over.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::Linear;
/// use burn::tensor::Tensor;
/// use metric_ssl::Backbone;
///
/// #[derive(Module, Debug)]
/// struct Pixels {
///     linear: Linear,
/// }
///
/// impl Backbone for Pixels {
///     fn features(&self, images: Tensor<4>) -> Tensor<2> {
///         self.linear.forward(images.flatten(1, 3))
///     }
/// }
/// ```
pub trait Backbone: Module + ModuleDisplay {
    /// # Shapes
    /// - `images`: `[n, channels, height, width]`
    /// - output: `[n, features]`, not normalized
    fn features(&self, images: Tensor<4>) -> Tensor<2>;
}

/// A backbone with its projection head.
#[derive(Module, Debug)]
pub struct Network<E: Module> {
    /// The backbone.
    pub backbone: E,
    /// What makes of features that which the loss compares.
    pub projector: Head,
}

impl<E: Backbone> Network<E> {
    /// A backbone with a fresh projection head.
    pub fn new(backbone: E, projector: &HeadConfig, device: &Device) -> Self {
        Self {
            backbone,
            projector: projector.init(device),
        }
    }

    /// # Shapes
    /// - `images`: `[n, channels, height, width]`
    /// - output: `[n, dim]`, not normalized
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.projector.forward(self.backbone.features(images))
    }
}
