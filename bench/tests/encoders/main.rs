//! Encoders by name, and weights in and out of them.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and numbers that are kept are exact"
)]

mod files;
mod naive;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use clap::ValueEnum;
use metric_bench::encoder::{
    Architecture, Encoder, EncoderConfig, EncoderError, InputShape, StandardizedBy, Weights,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use files::{Dict, Entry};
use naive::Maps;

const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

fn image(channels: usize, height: usize, width: usize) -> InputShape {
    InputShape::Image {
        channels,
        height,
        width,
    }
}

fn fresh(input: InputShape, architecture: Option<Architecture>, size: usize) -> Encoder {
    EncoderConfig::new(input)
        .with_embedding_size(size)
        .with_architecture(architecture)
        .init(&Device::flex())
}

/// Rows of pixels from 0 to 1.
fn rows(n: usize, len: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    (0..n * len)
        .map(|_| random.random_range(0.0..1.0))
        .collect()
}

fn upload(rows: &[f32], len: usize) -> Tensor<2> {
    let data = TensorData::new(rows.to_vec(), [rows.len() / len, len]);
    Tensor::from_data(data, &Device::flex())
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// An image as a network sees it.
fn standardized(row: &[f32], size: [usize; 3], mean: &[f64], deviation: &[f64]) -> Maps {
    let pixels = size[1] * size[2];
    let value = |(i, &x): (usize, &f32)| {
        let channel = i / pixels;
        (f64::from(x) - mean[channel]) / deviation[channel]
    };
    Maps {
        size,
        values: row.iter().enumerate().map(value).collect(),
    }
}

/// Largest difference as a share of the largest number.
fn off(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(0.0f64, |size, x| size.max(x.abs()));
    let pairs = got.iter().zip(want);
    pairs.fold(0.0f64, |off, (&a, b)| off.max((f64::from(a) - b).abs())) / size
}

#[test]
fn torchvisions_resnet_18_is_loaded_whole_and_computes_what_its_definition_says() {
    let dir = TempDir::new().unwrap();
    let [from, to] = ["from.safetensors", "to.safetensors"].map(|name| dir.path().join(name));
    let dict = files::resnet(false, 7, 3, 10);
    // 62 parameters, as torchvision's has, and two running statistics of each of 20 norms.
    assert_eq!(dict.len(), 62 + 2 * 20);
    files::write_safetensors(&from, &dict);
    let (size, len) = ([3, 65, 66], 3 * 65 * 66);
    let net = fresh(image(3, 65, 66), Some(Architecture::ResNet18), 10);
    let (net, loaded) = net.with_weights(&Weights::read(&from).unwrap()).unwrap();
    assert_eq!((loaded.tensors, loaded.fresh_head), (dict.len(), false));
    assert_eq!(loaded.standardized_by, StandardizedBy::ImageNet);

    net.save_weights(&to).unwrap();
    assert!(files::read_safetensors(&to) == dict, "every tensor arrived");

    let rows = rows(2, len);
    let got = numbers(net.features(upload(&rows, len)));
    let want: Vec<f64> = rows
        .chunks(len)
        .map(|row| standardized(row, size, &IMAGENET_MEAN, &IMAGENET_DEVIATION))
        .flat_map(|image| naive::resnet(&dict, image))
        .collect();
    // A sum of n products is off by about √n ε: at most √4608 ε = 4e-6 for n = 9 · 512, a few times that for 3x3 kernels by
    // fewer products. Batch norm keeps maps at the size of one, so that 18 layers add up to less than 18 times as much.
    assert!(off(&got, &want) < 3e-4, "{}", off(&got, &want));
    assert!(off(&got[..512], &want[512..]) > 1e-2, "images differ");
}

#[test]
fn resnet_50_computes_what_its_definition_says() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("50.safetensors");
    let dict = files::resnet(true, 3, 1, 4);
    files::write_safetensors(&path, &dict);
    let net = fresh(image(1, 8, 8), Some(Architecture::ResNet50), 4);
    let net = net.standardized_by(&[0.5], &[0.25]);
    let (net, loaded) = net.with_weights(&Weights::read(&path).unwrap()).unwrap();
    assert_eq!(loaded.standardized_by, StandardizedBy::Before);
    let row = rows(1, 64);
    let got = numbers(net.features(upload(&row, 64)));
    let want = naive::resnet(&dict, standardized(&row, [1, 8, 8], &[0.5], &[0.25]));
    // As for ResNet-18, with 50 layers.
    assert!(off(&got, &want) < 1e-3, "{}", off(&got, &want));
}

#[test]
fn vit_s_computes_what_its_definition_says() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("vit.safetensors");
    // Patches of 2 x 2; the last row and column of pixels fill none.
    let (size, len) = ([3, 9, 11], 3 * 9 * 11);
    let dict = files::vit(3, 2, 4 * 5);
    files::write_safetensors(&path, &dict);
    let net = fresh(image(3, 9, 11), Some(Architecture::VitS), 6);
    let (net, loaded) = net.with_weights(&Weights::read(&path).unwrap()).unwrap();
    assert_eq!((loaded.tensors, loaded.fresh_head), (dict.len(), true));
    let row = rows(1, len);
    let got = numbers(net.features(upload(&row, len)));
    let image = standardized(&row, size, &IMAGENET_MEAN, &IMAGENET_DEVIATION);
    let want = naive::vit(&dict, &image);
    // A sum of n products is off by about √n ε, 2e-6 for n = 1536; tokens grow over 12 layers while errors add up.
    assert!(off(&got, &want) < 1e-4, "{}", off(&got, &want));
}

/// Fresh and loaded encoders, of all kinds; the same embeddings to the bit, and so what is read is what was written.
#[test]
fn what_is_written_is_read_to_the_same_bits() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("weights.safetensors");
    let images = |side, name| (image(1, side, side), Some(name), side * side);
    let kinds = [
        (InputShape::Features { dim: 5 }, None, 5),
        images(8, Architecture::ConvNet),
        images(8, Architecture::ResNet18),
        images(65, Architecture::ResNet18),
        images(4, Architecture::ResNet50),
        images(5, Architecture::VitS),
    ];
    for (input, architecture, len) in kinds {
        let groups = input.groups();
        let written =
            fresh(input, architecture, 6).standardized_by(&vec![0.1; groups], &vec![0.3; groups]);
        written.save_weights(&path).unwrap();
        let weights = Weights::read(&path).unwrap();
        let (read, loaded) = fresh(input, architecture, 6)
            .with_weights(&weights)
            .unwrap();
        assert_eq!(loaded.standardized_by, StandardizedBy::File);
        assert!(!loaded.fresh_head);
        let (other, loaded) = fresh(input, architecture, 7)
            .with_weights(&weights)
            .unwrap();
        assert!(loaded.fresh_head, "of another size");
        let rows = upload(&rows(2, len), len);
        let embeddings = |net: &Encoder| numbers(net.forward(rows.clone()));
        let features = |net: &Encoder| numbers(net.features(rows.clone()));
        assert_eq!(embeddings(&read), embeddings(&written), "{architecture:?}");
        assert_eq!(features(&other), features(&written), "{architecture:?}");
        assert_eq!(embeddings(&other).len(), 2 * 7);
        let changed = features(&fresh(input, architecture, 6));
        assert_ne!(changed, features(&written), "{architecture:?}");
    }
}

/// The hidden layer's weights of an encoder for features that read a file.
fn read_mlp(path: &Path) -> Result<Dict, EncoderError> {
    let net = fresh(InputShape::Features { dim: 3 }, None, 4);
    let (net, _) = net.with_weights(&Weights::read(path)?)?;
    let copy = path.with_extension("copy.safetensors");
    net.save_weights(&copy)?;
    Ok(files::read_safetensors(&copy))
}

#[test]
fn pytorch_files_are_read_as_they_are_saved() {
    let dir = TempDir::new().unwrap();
    let dict = files::mlp(3, 4);
    for name in ["weights.pth", "weights.pt"] {
        let path = dir.path().join(name);
        files::write_pth(&path, &dict);
        assert!(read_mlp(&path).unwrap() == dict);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = read_mlp(&path).unwrap_err();
        assert!(matches!(&error, EncoderError::Damaged { path: at, .. } if *at == path));
    }
}

/// A file of weights with something changed.
fn changed(dir: &Path, change: impl FnOnce(&mut Dict)) -> PathBuf {
    let mut dict = files::mlp(3, 4);
    change(&mut dict);
    let path = dir.join("changed.safetensors");
    files::write_safetensors(&path, &dict);
    path
}

#[test]
fn files_that_do_not_fit_are_refused_with_the_tensor_at_fault() {
    let dir = TempDir::new().unwrap();
    let missing = changed(dir.path(), |dict| drop(dict.remove("norm.running_var")));
    let error = read_mlp(&missing).unwrap_err();
    let wanted = |name: &str| name == "norm.running_var";
    assert!(matches!(&error, EncoderError::Missing { name, .. } if wanted(name)));
    assert!(error.to_string().contains("changed.safetensors"), "{error}");

    let shaped = changed(dir.path(), |dict| {
        dict.get_mut("hidden.weight").unwrap().shape = vec![256, 6];
    });
    let error = read_mlp(&shaped).unwrap_err();
    let EncoderError::Shape {
        name,
        expected,
        got,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (name.as_str(), expected, got),
        ("hidden.weight", &vec![512, 3], &vec![256, 6])
    );

    let one = Entry {
        shape: vec![1],
        values: vec![1.0],
    };
    let more = changed(dir.path(), |dict| {
        drop(dict.insert("hidden.bias".into(), one));
    });
    let error = read_mlp(&more).unwrap_err();
    assert!(matches!(&error, EncoderError::Unknown { name, .. } if name == "hidden.bias"));

    let whole = changed(dir.path(), |_| {});
    assert!(read_mlp(&whole).is_ok());
    let bytes = fs::read(&whole).unwrap();
    for length in [0, 5, 100, bytes.len() - 1] {
        fs::write(&whole, &bytes[..length]).unwrap();
        let error = read_mlp(&whole).unwrap_err();
        assert!(
            matches!(error, EncoderError::Damaged { .. }),
            "{length}: {error}"
        );
    }

    let nowhere = read_mlp(&dir.path().join("nowhere.pth")).unwrap_err();
    assert!(matches!(nowhere, EncoderError::Io { .. }), "{nowhere}");
    let other = read_mlp(&dir.path().join("weights.onnx")).unwrap_err();
    assert!(matches!(other, EncoderError::Format { .. }), "{other}");
}

#[test]
fn weights_of_another_stem_colour_or_depth_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("18.safetensors");
    files::write_safetensors(&path, &files::resnet(false, 7, 3, 10));
    let weights = Weights::read(&path).unwrap();
    let load = |input, name| fresh(input, Some(name), 10).with_weights(&weights);
    for input in [image(3, 32, 32), image(1, 96, 96)] {
        let error = load(input, Architecture::ResNet18).unwrap_err();
        let EncoderError::Shape { name, got, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((name.as_str(), got), ("conv1.weight", &vec![64, 3, 7, 7]));
    }
    let error = load(image(3, 96, 96), Architecture::ResNet50).unwrap_err();
    assert!(matches!(&error, EncoderError::Shape { name, .. } if name == "layer1.0.conv1.weight"));
    let error = load(image(3, 96, 96), Architecture::VitS).unwrap_err();
    assert!(
        matches!(&error, EncoderError::Missing { name, .. } if name == "patch_embed.proj.weight")
    );

    // What a deeper network has more is not left out silently.
    let mut deeper = files::resnet(false, 3, 1, 10);
    let extra = deeper["layer1.1.conv1.weight"].clone();
    deeper.insert("layer1.2.conv1.weight".into(), extra);
    files::write_safetensors(&path, &deeper);
    let net = fresh(image(1, 8, 8), Some(Architecture::ResNet18), 10);
    let error = net
        .with_weights(&Weights::read(&path).unwrap())
        .unwrap_err();
    assert!(
        matches!(&error, EncoderError::Unknown { name, .. } if name == "layer1.2.conv1.weight")
    );
}

#[test]
fn other_widths_of_numbers_are_converted_and_whole_numbers_refused() {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("wide.safetensors");
    let dict = files::mlp(3, 4);
    let write = |dtype, bytes: fn(f32) -> [u8; 8]| {
        let data: Vec<(&str, &[usize], Vec<u8>)> = dict
            .iter()
            .map(|(name, x)| {
                let bytes = x.values.iter().flat_map(|&x| bytes(x)).collect();
                (name.as_str(), x.shape.as_slice(), bytes)
            })
            .collect();
        let views = data.iter().map(|(name, shape, bytes)| {
            (
                *name,
                TensorView::new(dtype, shape.to_vec(), bytes).unwrap(),
            )
        });
        fs::write(&path, serialize(views, None).unwrap()).unwrap();
    };
    write(Dtype::F64, |x| f64::from(x).to_le_bytes());
    assert!(read_mlp(&path).unwrap() == dict);
    write(Dtype::I64, |x| (x as i64).to_le_bytes());
    let error = read_mlp(&path).unwrap_err();
    let EncoderError::NotFloats { got, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(got, "i64");
}

#[test]
fn features_have_no_network_for_images() {
    for &architecture in Architecture::value_variants() {
        let config = EncoderConfig::new(InputShape::Features { dim: 7 });
        let error = config.with_architecture(Some(architecture)).validate();
        let Err(EncoderError::NotImages { dim: 7, .. }) = error else {
            panic!("{architecture}");
        };
    }
}

#[test]
fn an_architecture_is_called_the_same_on_the_command_line_and_in_the_stored_configuration() {
    let names = ["conv-net", "resnet-18", "resnet-50", "vit-s"];
    let all = Architecture::value_variants();
    assert_eq!(all.len(), names.len());
    for (architecture, name) in all.iter().zip(names) {
        assert_eq!(architecture.to_string(), name);
        assert_eq!(
            Architecture::from_str(name, false).as_ref(),
            Ok(architecture)
        );
        assert_eq!(serde_json::to_value(architecture).unwrap(), name);
        let stored = serde_json::from_value::<Architecture>(name.into()).unwrap();
        assert_eq!(stored, *architecture);
    }
}
