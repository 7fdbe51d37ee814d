use burn::tensor::{Device, Tensor, TensorData};
use metric_ssl::{HeadConfig, Network};
use ndarray::Array2;

use crate::encoder::Encoder;
use crate::run::evaluate::embed_features;
use crate::run::examples::Examples;

/// An encoder on a device with a classifier on it: the mean features of each class's told examples are its prototypes.
pub(super) fn teacher(
    encoder: Encoder,
    train: &Examples,
    told: &[i64],
    device: &Device,
) -> Network<Encoder> {
    let features = embed_features(&encoder, train);
    let (classes, width) = (train.class_names().len(), features.ncols());
    let mut sums = Array2::<f32>::zeros((classes, width));
    for (row, &class) in features.outer_iter().zip(told) {
        if let Ok(class) = usize::try_from(class) {
            let mut sum = sums.row_mut(class);
            sum += &row;
        }
    }
    let sums = TensorData::new(sums.into_iter().collect::<Vec<_>>(), [classes, width]);
    let head = HeadConfig::new(width, width)
        .with_layers(0)
        .with_prototypes(Some(classes));
    let projector = head.init(device);
    Network {
        backbone: encoder,
        projector: projector.with_prototypes(Tensor::from_data(sums, device)),
    }
}
