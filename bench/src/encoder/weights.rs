//! Weights from and for elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::burn_pack::Tensor as Entry;
use burn::store::{
    BurnToPyTorchAdapter, FloatCastAdapter, KeyRemapper, ModuleAdapter, ModuleSnapshot,
    ModuleStore, PyTorchToBurnAdapter, PytorchStore, SafetensorsStore,
};
use burn::tensor::DType;
use safetensors::SafeTensors;

use super::{Body, Encoder, EncoderError};
use crate::whole_file::write_whole;

/// Mean and deviation of the three colours that published weights for ImageNet were learned with.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
/// What the two are called in a file's metadata.
const MEAN: &str = "mean";
const DEVIATION: &str = "deviation";
/// What checkpoints put before every name.
const WRAPPERS: &str = r"^(?:(?:state_dict|model|module)\.)+";

/// Weights read from a file, by their names.
#[derive(Debug, Clone)]
pub struct Weights {
    path: PathBuf,
    /// Names as in `PyTorch`, but for a shortcut's two layers.
    tensors: BTreeMap<String, Entry>,
    /// Mean and deviation of the inputs.
    standardization: Option<[Vec<f32>; 2]>,
}

/// What came of loading [`Weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Tensors that were loaded.
    pub tensors: usize,
    /// Whether the last, linear layer was left as it was: the file has none, or one of another size.
    pub fresh_head: bool,
    /// By what inputs are standardized from now on.
    pub standardized_by: StandardizedBy,
}

/// Where mean and deviation of inputs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardizedBy {
    /// The file of weights has them in its metadata.
    File,
    /// They are ImageNet's, as for the published weights.
    ImageNet,
    /// They are what they were.
    Before,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors of weights loaded", self.tensors)?;
        if self.fresh_head {
            f.write_str("; the last layer begins fresh")?;
        }
        f.write_str(match self.standardized_by {
            StandardizedBy::File => "; inputs standardized as the file says",
            StandardizedBy::ImageNet => "; inputs standardized as ImageNet's",
            StandardizedBy::Before => "; inputs standardized by the training data",
        })
    }
}

impl Weights {
    /// Reads `.safetensors`, or the state dict in a `.pth` or `.pt`. The names are those of torchvision's residual networks
    /// and of timm's and DINO's vision transformers, also within `state_dict`, `model` or `module`. Counters of batches
    /// are left out.
    ///
    /// # Errors
    /// [`EncoderError::Format`] for another extension, [`EncoderError::Io`] or [`EncoderError::Damaged`] naming the file.
    pub fn read(path: &Path) -> Result<Self, EncoderError> {
        let damaged = |reason: String| EncoderError::Damaged {
            path: path.into(),
            reason,
        };
        let io = |source| EncoderError::Io {
            path: path.into(),
            source,
        };
        let mut standardization = None;
        let mut tensors = match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => {
                let bytes = fs::read(path).map_err(io)?;
                standardization = standardization_of(&bytes).map_err(&damaged)?;
                let mut store = SafetensorsStore::from_bytes(Some(bytes)).remap(to_burn());
                let read = store.get_all_tensors();
                read.map_err(|e| damaged(e.to_string()))?.clone()
            }
            Some("pth" | "pt") => {
                File::open(path).map_err(io)?;
                let mut store = PytorchStore::from_file(path)
                    .map_indices_contiguous(false)
                    .remap(to_burn());
                let read = store.get_all_tensors();
                read.map_err(|e| damaged(e.to_string()))?.clone()
            }
            _ => return Err(EncoderError::Format { path: path.into() }),
        };
        tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
        Ok(Self {
            path: path.into(),
            tensors,
            standardization,
        })
    }

    /// Puts them in a network whose last layer is called `head`; returns their number, and whether that layer was left out.
    fn load<M: ModuleSnapshot>(
        &self,
        net: &mut M,
        head: &str,
    ) -> Result<(usize, bool), EncoderError> {
        let of_head = |name: &str| name.strip_prefix(head).is_some_and(|x| x.starts_with('.'));
        let mut expected = net.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
        let mut given = self.tensors.clone();
        let fits = |entry: &Entry| {
            let found = given.get(&entry.name);
            found.is_some_and(|found| found.shape == entry.shape)
        };
        let fresh_head = !expected.iter().filter(|x| of_head(&x.name)).all(fits);
        if fresh_head {
            expected.retain(|entry| !of_head(&entry.name));
            given.retain(|name, _| !of_head(name));
        }
        self.check(&expected, &given)?;
        let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
        let tensors = given.into_values().collect();
        let result = net.apply(tensors, None, Some(Box::new(adapter)), true);
        match result.errors.first() {
            // Names, shapes and types have been compared: the numbers could not be read.
            Some(error) => Err(EncoderError::Damaged {
                path: self.path.clone(),
                reason: error.to_string(),
            }),
            None => Ok((result.applied.len(), fresh_head)),
        }
    }

    /// Whether a file's tensors are those that a network needs.
    fn check(
        &self,
        expected: &[Entry],
        given: &BTreeMap<String, Entry>,
    ) -> Result<(), EncoderError> {
        let (path, called) = (|| self.path.clone(), |name: &str| as_in_files(name));
        for entry in expected {
            let name = called(&entry.name);
            let Some(found) = given.get(&entry.name) else {
                return Err(EncoderError::Missing { path: path(), name });
            };
            if found.shape != entry.shape {
                return Err(EncoderError::Shape {
                    path: path(),
                    name,
                    expected: entry.shape.to_vec(),
                    got: found.shape.to_vec(),
                });
            }
            if !found.dtype.is_float() {
                return Err(EncoderError::NotFloats {
                    path: path(),
                    name,
                    got: found.dtype.name().to_owned(),
                });
            }
        }
        let known = |name: &str| expected.iter().any(|entry| entry.name == name);
        match given.keys().find(|name| !known(name)) {
            Some(name) => Err(EncoderError::Unknown {
                path: path(),
                name: called(name),
            }),
            None => Ok(()),
        }
    }
}

/// Mean and deviation in the metadata of a `.safetensors`, if it has both.
fn standardization_of(bytes: &[u8]) -> Result<Option<[Vec<f32>; 2]>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let Some(metadata) = header.metadata() else {
        return Ok(None);
    };
    let [mean, deviation] = [MEAN, DEVIATION].map(|name| {
        let text = metadata.get(name)?;
        Some(serde_json::from_str::<Vec<f64>>(text).map_err(|e| format!("{name}: {e}")))
    });
    let (Some(mean), Some(deviation)) = (mean, deviation) else {
        return Ok(None);
    };
    // `f32` numbers were written as the `f64` that equal them.
    let floats = |numbers: Vec<f64>| numbers.into_iter().map(|x| x as f32).collect();
    Ok(Some([floats(mean?), floats(deviation?)]))
}

fn to_burn() -> KeyRemapper {
    remapper([
        (WRAPPERS, ""),
        (r"\.downsample\.0\.", ".downsample.conv."),
        (r"\.downsample\.1\.", ".downsample.bn."),
    ])
}

fn to_files() -> KeyRemapper {
    remapper([
        (r"\.downsample\.conv\.", ".downsample.0."),
        (r"\.downsample\.bn\.", ".downsample.1."),
    ])
}

fn remapper<const N: usize>(patterns: [(&str, &str); N]) -> KeyRemapper {
    KeyRemapper::from_patterns(patterns.to_vec()).expect("the patterns are constants that compile")
}

/// The name in a file of what [`to_burn`] renamed.
fn as_in_files(name: &str) -> String {
    name.replace(".downsample.conv.", ".downsample.0.")
        .replace(".downsample.bn.", ".downsample.1.")
}

impl Encoder {
    /// The same encoder with a file's weights in its network. All tensors but those of the last layer must be there, with
    /// their shapes, and no other.
    ///
    /// Inputs are then standardized as the file says; if it says nothing, three-coloured images before a residual network or
    /// a transformer as ImageNet's, which published weights were learned with, and all others as before.
    ///
    /// # Errors
    /// [`EncoderError`] naming the tensor that is missing, not the encoder's, of another shape, or no floating-point numbers.
    pub fn with_weights(mut self, weights: &Weights) -> Result<(Self, Loaded), EncoderError> {
        let (tensors, fresh_head) = match &mut self.body {
            Body::Conv(net) => weights.load(net, "head"),
            Body::Mlp(net) => weights.load(net, "head"),
            Body::Residual(net) => weights.load(net, "fc"),
            Body::Transformer(net) => weights.load(net, "head"),
        }?;
        let [groups] = self.mean.dims();
        let published = matches!(self.body, Body::Residual(_) | Body::Transformer(_));
        let (encoder, standardized_by) = match &weights.standardization {
            Some([mean, deviation]) if mean.len() == groups && deviation.len() == groups => {
                (self.standardized_by(mean, deviation), StandardizedBy::File)
            }
            Some([mean, deviation]) => {
                return Err(EncoderError::Damaged {
                    path: weights.path.clone(),
                    reason: format!(
                        "its mean and deviation are of {} and {} channels, the encoder's of {groups}",
                        mean.len(),
                        deviation.len()
                    ),
                });
            }
            None if published && groups == IMAGENET[0].len() => {
                let [mean, deviation] = IMAGENET;
                let encoder = self.standardized_by(&mean, &deviation);
                (encoder, StandardizedBy::ImageNet)
            }
            None => (self, StandardizedBy::Before),
        };
        let loaded = Loaded {
            tensors,
            fresh_head,
            standardized_by,
        };
        Ok((encoder, loaded))
    }

    /// Writes the network's weights as `.safetensors`, with the names and layouts of `PyTorch`: torchvision's for residual
    /// networks, timm's for transformers. Mean and deviation of the inputs go in the metadata, and
    /// [`with_weights`](Self::with_weights) makes the same encoder of the file, to the bit.
    ///
    /// # Errors
    /// [`EncoderError::Format`] for another extension, [`EncoderError::Io`] naming the file.
    pub fn save_weights(&self, path: &Path) -> Result<(), EncoderError> {
        if path.extension().is_none_or(|x| x != "safetensors") {
            return Err(EncoderError::Format { path: path.into() });
        }
        let numbers = |tensor: burn::tensor::Tensor<1>| {
            let numbers = tensor.into_data().iter::<f64>().collect::<Vec<_>>();
            serde_json::json!(numbers).to_string()
        };
        // `valid` also brings batch norm's running statistics up to date.
        let encoder = self.valid();
        let store = SafetensorsStore::from_bytes(None)
            .with_to_adapter(BurnToPyTorchAdapter)
            .skip_enum_variants(true)
            .remap(to_files())
            .clear_metadata()
            .metadata("format", "pt")
            .metadata(MEAN, numbers(encoder.mean.val()))
            .metadata(DEVIATION, numbers(encoder.deviation.val()));
        let bytes = match &encoder.body {
            Body::Conv(net) => serialized(net, store),
            Body::Mlp(net) => serialized(net, store),
            Body::Residual(net) => serialized(net, store),
            Body::Transformer(net) => serialized(net, store),
        };
        let bytes = bytes.map_err(|reason| EncoderError::Damaged {
            path: path.into(),
            reason,
        })?;
        write_whole(path, |file| file.write_all(&bytes)).map_err(|source| EncoderError::Io {
            path: path.into(),
            source,
        })
    }
}

fn serialized<M: ModuleSnapshot>(net: &M, mut store: SafetensorsStore) -> Result<Vec<u8>, String> {
    net.save_into(&mut store).map_err(|e| e.to_string())?;
    store.get_bytes().map_err(|e| e.to_string())
}
