use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use metric_losses::{
    AngularLoss, CircleLoss, ContrastiveLoss, DebiasedContrastiveLoss,
    DebiasedContrastiveLossConfig, DecoupledContrastiveLoss, DecoupledContrastiveLossConfig,
    FastApLoss, GeneralizedLiftedStructureLoss, HardNegativeContrastiveLoss,
    HardNegativeContrastiveLossConfig, LiftedStructureLoss, MultiSimilarityLoss, NPairsLoss,
    NcaLoss, NtXentLoss, NtXentLossConfig, SmoothApLoss, SoftNearestNeighborLoss, SupConLoss,
    SupConLossConfig, TripletMarginLoss, TupletMarginLoss, l2_normalize,
};

use super::{Memory, Method, Now, Outputs, Parts, stacked, upload_labels};
use crate::head::HeadConfig;

/// A loss of rows with labels, which [`OnViews`] makes a method of.
pub trait LabelledLoss: Module + ModuleDisplay {
    /// # Shapes
    /// - `rows`: `[n, dim]` of length one, `labels`: `[n]`
    /// - output: `[1]`
    fn value(&self, rows: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1>;

    /// As [`Method::chance`], of one anchor among so many other rows, of which so many are its positives.
    fn chance(&self, _others: usize, _positives: usize) -> Option<f64> {
        None
    }
}

macro_rules! labelled {
    ($($loss:ident $(($others:ident, $positives:ident) $chance:expr)?,)*) => {
        $(impl LabelledLoss for $loss {
            fn value(&self, rows: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
                self.forward(rows, labels)
            }

            $(fn chance(&self, $others: usize, $positives: usize) -> Option<f64> {
                Some(($chance as f64).ln())
            })?
        })*
    };
}

labelled! {
    AngularLoss,
    CircleLoss,
    ContrastiveLoss,
    DebiasedContrastiveLoss(others, _positives) others,
    DecoupledContrastiveLoss(others, positives) (others - positives),
    FastApLoss,
    GeneralizedLiftedStructureLoss,
    HardNegativeContrastiveLoss(others, _positives) others,
    LiftedStructureLoss,
    MultiSimilarityLoss,
    NPairsLoss,
    NcaLoss,
    NtXentLoss(others, positives) (others + 1 - positives),
    SmoothApLoss,
    SoftNearestNeighborLoss,
    SupConLoss(others, _positives) others,
    TripletMarginLoss,
    TupletMarginLoss,
}

/// Any loss of labelled rows on views: all views of an image are of one class, and each image is its own.
///
/// ```text
/// z = g(f(x)) / ‖g(f(x))‖        ℓ of all views of the batch, with the image as label
/// ```
/// With the right loss and head it is
///
/// - SimCLR (Chen, Kornblith, Norouzi, Hinton, *A simple framework for contrastive learning of visual representations*,
///   ICML 2020, <https://arxiv.org/abs/2002.05709>, algorithm 1): [`NtXentLoss`]; with three layers in the head SimCLR v2's
///   (Chen et al., 2020, <https://arxiv.org/abs/2006.10029>);
/// - DCL and DCLW (Yeh et al., *Decoupled contrastive learning*, ECCV 2022): [`DecoupledContrastiveLoss`];
/// - debiased (Chuang et al., NeurIPS 2020) and hard negatives (Robinson et al., ICLR 2021):
///   [`DebiasedContrastiveLoss`], [`HardNegativeContrastiveLoss`];
/// - `SupCon` (Khosla et al., NeurIPS 2020), which is [told the classes](OnViews::told): [`SupConLoss`].
///
/// Takes two views or more, if the loss takes more than one positive. The head is SimCLR's.
#[derive(Module, Debug)]
pub struct OnViews<L: Module> {
    loss: L,
    /// Whether labels are the classes of the examples and not the images themselves.
    told: bool,
    /// Of the projection head.
    layers: usize,
}

impl<L: LabelledLoss> OnViews<L> {
    /// This loss, with each image its own class.
    pub fn new(loss: L) -> Self {
        Self {
            loss,
            told: false,
            layers: 2,
        }
    }

    /// The same with the classes of the examples as labels, where they are [known](Now::labels).
    pub fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// The same with so many layers in its projection head; default 2.
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }
}

impl OnViews<NtXentLoss> {
    /// SimCLR. Its temperature is `0.1` on ImageNet and `0.5` on CIFAR-10.
    pub fn sim_clr(temperature: f64, device: &Device) -> Self {
        Self::new(
            NtXentLossConfig::new()
                .with_temperature(temperature)
                .init(device),
        )
    }
}

impl OnViews<DecoupledContrastiveLoss> {
    /// DCL; with `weighting`, the `σ` of its paper (`0.5`), DCLW. Temperature of the paper: `0.1`.
    pub fn dcl(temperature: f64, weighting: Option<f64>, device: &Device) -> Self {
        let loss = DecoupledContrastiveLossConfig::new()
            .with_temperature(temperature)
            .with_weighting(weighting);
        Self::new(loss.init(device))
    }
}

impl OnViews<DebiasedContrastiveLoss> {
    /// The debiased loss with its defaults, at a temperature (paper: `0.5`).
    pub fn debiased(temperature: f64, device: &Device) -> Self {
        Self::new(
            DebiasedContrastiveLossConfig::new()
                .with_temperature(temperature)
                .init(device),
        )
    }
}

impl OnViews<HardNegativeContrastiveLoss> {
    /// Hard negatives with their defaults, at a temperature (paper: `0.5`).
    pub fn hcl(temperature: f64, device: &Device) -> Self {
        let loss = HardNegativeContrastiveLossConfig::new().with_temperature(temperature);
        Self::new(loss.init(device))
    }
}

impl OnViews<SupConLoss> {
    /// `SupCon`, which is told the classes. Temperature of the paper: `0.1`.
    pub fn sup_con(temperature: f64, device: &Device) -> Self {
        Self::new(
            SupConLossConfig::new()
                .with_temperature(temperature)
                .init(device),
        )
        .told()
    }
}

impl<L: LabelledLoss> Method for OnViews<L> {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(HeadConfig::new(features, 128).with_layers(self.layers))
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let (rows, mut labels) = stacked(&views.projected);
        if let Some(classes) = now.labels.filter(|_| self.told) {
            // An example of no known class is a class of its own, below all others.
            let class =
                |(at, &class): (usize, &i64)| if class < 0 { -1 - at as i64 } else { class };
            let classes: Vec<i64> = classes.iter().enumerate().map(class).collect();
            let classes = classes.repeat(views.projected.len());
            labels = upload_labels(classes, &rows.device());
        }
        self.loss.value(l2_normalize(rows), labels)
    }

    fn chance(&self, views: usize, examples: usize, _memory: &Memory) -> Option<f64> {
        if self.told {
            return None;
        }
        self.loss.chance(views * examples - 1, views - 1)
    }
}
