use std::path::Path;

use burn::tensor::Device;

use super::error::RunError;
use super::examples::Examples;
use crate::encoder::{Architecture, Encoder, EncoderConfig, Loaded, Weights};

/// Whether there is such an encoder for these examples, and its file of weights fits.
pub(super) fn check_encoder(
    architecture: Option<Architecture>,
    weights: Option<&Path>,
    train: &Examples,
) -> Result<(), RunError> {
    let config = EncoderConfig::new(train.input_shape()).with_architecture(architecture);
    config.validate()?;
    if let Some(path) = weights {
        let fresh = config.init(&Device::flex());
        fresh.with_weights(&Weights::read(path)?)?;
    }
    Ok(())
}

/// A fresh encoder, standardized by the examples it will learn from, or with the weights of a file.
pub(super) fn fresh_encoder(
    config: &EncoderConfig,
    weights: Option<&Path>,
    train: &Examples,
    device: &Device,
) -> Result<(Encoder, Option<Loaded>), RunError> {
    config.validate()?;
    let (mean, deviation) = train.moments();
    let encoder = config.init(device).standardized_by(&mean, &deviation);
    let Some(path) = weights else {
        return Ok((encoder, None));
    };
    let (encoder, loaded) = encoder.with_weights(&Weights::read(path)?)?;
    Ok((encoder, Some(loaded)))
}
