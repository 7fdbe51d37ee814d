//! Files of weights as other programs write them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView, serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A tensor of a state dict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

pub(crate) type Dict = BTreeMap<String, Entry>;

/// Makes state dicts of seeded numbers.
pub(crate) struct Maker {
    random: ChaCha8Rng,
    pub(crate) dict: Dict,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            dict: Dict::new(),
        }
    }

    /// A tensor of numbers between two.
    pub(crate) fn add(&mut self, name: &str, shape: &[usize], low: f32, high: f32) {
        let count = shape.iter().product();
        let values = (0..count).map(|_| self.random.random_range(low..high));
        let entry = Entry {
            shape: shape.to_vec(),
            values: values.collect(),
        };
        assert!(self.dict.insert(name.to_owned(), entry).is_none());
    }

    /// Weights `[to, from, ..]` that keep the size of what they are multiplied with.
    pub(crate) fn weight(&mut self, name: &str, shape: &[usize]) {
        let from: usize = shape[1..].iter().product();
        let most = (3.0 / from as f32).sqrt();
        self.add(&format!("{name}.weight"), shape, -most, most);
    }

    pub(crate) fn linear(&mut self, name: &str, to: usize, from: usize) {
        self.weight(name, &[to, from]);
        self.add(&format!("{name}.bias"), &[to], -0.1, 0.1);
    }

    pub(crate) fn layer_norm(&mut self, name: &str, size: usize) {
        self.add(&format!("{name}.weight"), &[size], 0.5, 1.5);
        self.add(&format!("{name}.bias"), &[size], -0.2, 0.2);
    }

    pub(crate) fn batch_norm(&mut self, name: &str, size: usize) {
        self.layer_norm(name, size);
        self.add(&format!("{name}.running_mean"), &[size], -0.2, 0.2);
        self.add(&format!("{name}.running_var"), &[size], 0.5, 1.5);
    }
}

/// torchvision's `resnet18` (two blocks a stage of two convolutions each) or `resnet50`, but for the first kernel's size and
/// the numbers of colours and classes.
pub(crate) fn resnet(bottleneck: bool, stem: usize, channels: usize, classes: usize) -> Dict {
    let mut make = Maker::new(18);
    make.weight("conv1", &[64, channels, stem, stem]);
    make.batch_norm("bn1", 64);
    let (blocks, expansion) = if bottleneck {
        ([3, 4, 6, 3], 4)
    } else {
        ([2, 2, 2, 2], 1)
    };
    let mut from = 64;
    for (stage, width) in [64, 128, 256, 512].into_iter().enumerate() {
        let to = width * expansion;
        for block in 0..blocks[stage] {
            let name = format!("layer{}.{block}", stage + 1);
            let convolutions: &[[usize; 3]] = if bottleneck {
                &[[width, from, 1], [width, width, 3], [to, width, 1]]
            } else {
                &[[width, from, 3], [width, width, 3]]
            };
            for (i, &[to, from, size]) in convolutions.iter().enumerate() {
                make.weight(&format!("{name}.conv{}", i + 1), &[to, from, size, size]);
                make.batch_norm(&format!("{name}.bn{}", i + 1), to);
            }
            if from != to {
                make.weight(&format!("{name}.downsample.0"), &[to, from, 1, 1]);
                make.batch_norm(&format!("{name}.downsample.1"), to);
            }
            from = to;
        }
    }
    make.linear("fc", classes, from);
    make.dict
}

/// timm's `vit_small` without a head.
pub(crate) fn vit(channels: usize, patch: usize, patches: usize) -> Dict {
    let dim = 384;
    let mut make = Maker::new(16);
    make.add("cls_token", &[1, 1, dim], -1.0, 1.0);
    make.add("pos_embed", &[1, 1 + patches, dim], -1.0, 1.0);
    make.weight("patch_embed.proj", &[dim, channels, patch, patch]);
    make.add("patch_embed.proj.bias", &[dim], -0.1, 0.1);
    for block in 0..12 {
        let name = |part: &str| format!("blocks.{block}.{part}");
        make.layer_norm(&name("norm1"), dim);
        make.linear(&name("attn.qkv"), 3 * dim, dim);
        make.linear(&name("attn.proj"), dim, dim);
        make.layer_norm(&name("norm2"), dim);
        make.linear(&name("mlp.fc1"), 4 * dim, dim);
        make.linear(&name("mlp.fc2"), dim, 4 * dim);
    }
    make.layer_norm("norm", dim);
    make.dict
}

/// The hidden layer of 512 units, norm and head of a network for features.
pub(crate) fn mlp(dim: usize, size: usize) -> Dict {
    let mut make = Maker::new(1);
    make.weight("hidden", &[512, dim]);
    make.batch_norm("norm", 512);
    make.linear("head", size, 512);
    make.dict
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Writes a dict with the counters of batches that torch keeps beside every batch norm.
pub(crate) fn write_safetensors(path: &Path, dict: &Dict) {
    let counter = 7i64.to_le_bytes();
    let data: BTreeMap<&str, Vec<u8>> = dict
        .iter()
        .map(|(name, x)| (name.as_str(), bytes(&x.values)))
        .collect();
    let tensors = dict.iter().map(|(name, x)| {
        let data = &data[name.as_str()];
        (
            name.clone(),
            TensorView::new(Dtype::F32, x.shape.clone(), data).unwrap(),
        )
    });
    let counters = dict.keys().filter_map(|name| {
        let norm = name.strip_suffix("running_var")?;
        let counter = TensorView::new(Dtype::I64, vec![], &counter).unwrap();
        Some((format!("{norm}num_batches_tracked"), counter))
    });
    fs::write(path, serialize(tensors.chain(counters), None).unwrap()).unwrap();
}

/// All of a file, which holds 32-bit numbers only.
pub(crate) fn read_safetensors(path: &Path) -> Dict {
    let file = fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let entry = |(name, tensor): (String, TensorView<'_>)| {
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        let (numbers, rest) = tensor.data().as_chunks::<4>();
        assert!(rest.is_empty());
        let entry = Entry {
            shape: tensor.shape().to_vec(),
            values: numbers.iter().map(|&x| f32::from_le_bytes(x)).collect(),
        };
        (name, entry)
    };
    tensors.tensors().into_iter().map(entry).collect()
}

/// Writes `{"state_dict": dict}` as `torch.save` does: an archive with a pickle and a file for each tensor.
pub(crate) fn write_pth(path: &Path, dict: &Dict) {
    let mut archive = ZipWriter::new(File::create(path).unwrap());
    let mut file = |name: &str, content: &[u8]| {
        let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive
            .start_file(format!("archive/{name}"), plain)
            .unwrap();
        archive.write_all(content).unwrap();
    };
    let mut pickle = Vec::from(b"\x80\x02}");
    text(&mut pickle, "state_dict");
    pickle.extend(b"}(");
    for (i, (name, entry)) in dict.iter().enumerate() {
        let key = i.to_string();
        text(&mut pickle, name);
        tensor(&mut pickle, &key, "FloatStorage", &entry.shape);
        file(&format!("data/{key}"), &bytes(&entry.values));
    }
    text(&mut pickle, "norm.num_batches_tracked");
    tensor(&mut pickle, "counter", "LongStorage", &[]);
    file("data/counter", &7i64.to_le_bytes());
    pickle.extend(b"us.");
    file("data.pkl", &pickle);
    file("byteorder", b"little");
    file("version", b"3\n");
    archive.finish().unwrap();
}

/// `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, {})`
fn tensor(pickle: &mut Vec<u8>, key: &str, storage: &str, shape: &[usize]) {
    let strides: Vec<usize> = (1..=shape.len())
        .map(|from| shape[from..].iter().product())
        .collect();
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(pickle, "storage");
    pickle.extend(format!("ctorch\n{storage}\n").as_bytes());
    text(pickle, key);
    text(pickle, "cpu");
    number(pickle, shape.iter().product());
    pickle.extend(b"tQK\0");
    for tuple in [shape, &strides] {
        pickle.push(b'(');
        tuple.iter().for_each(|&x| number(pickle, x));
        pickle.push(b't');
    }
    pickle.extend(b"\x89}tR");
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn number(pickle: &mut Vec<u8>, number: usize) {
    pickle.push(b'J');
    pickle.extend((number as i32).to_le_bytes());
}
