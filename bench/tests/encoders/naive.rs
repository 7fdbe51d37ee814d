//! Networks as loops in double precision, written from their definitions.

use crate::files::Dict;

/// `[channels, height, width]`
#[derive(Clone)]
pub(crate) struct Maps {
    pub(crate) size: [usize; 3],
    pub(crate) values: Vec<f64>,
}

fn numbers(dict: &Dict, name: &str) -> Vec<f64> {
    let entry = dict.get(name).unwrap_or_else(|| panic!("no {name}"));
    entry.values.iter().map(|&x| f64::from(x)).collect()
}

/// Features of an image by the state dict of a residual network: two convolutions a block, or three.
pub(crate) fn resnet(dict: &Dict, image: Maps) -> Vec<f64> {
    let large = dict["conv1.weight"].shape[2] == 7;
    let mut maps = conv_norm(dict, "conv1", "bn1", if large { 2 } else { 1 }, &image);
    relu(&mut maps);
    if large {
        maps = max_pool(&maps);
    }
    for layer in 1..=4 {
        for block in 0.. {
            let name = |part: &str| format!("layer{layer}.{block}.{part}");
            if !dict.contains_key(&name("conv1.weight")) {
                break;
            }
            let stride = if layer > 1 && block == 0 { 2 } else { 1 };
            let convolutions = if dict.contains_key(&name("conv3.weight")) {
                3
            } else {
                2
            };
            let strided = convolutions - 1;
            let mut within = maps.clone();
            for i in 1..=convolutions {
                let stride = if i == strided { stride } else { 1 };
                let [conv, norm] = ["conv", "bn"].map(|part| name(&format!("{part}{i}")));
                within = conv_norm(dict, &conv, &norm, stride, &within);
                if i < convolutions {
                    relu(&mut within);
                }
            }
            let [conv, norm] = ["downsample.0", "downsample.1"].map(name);
            if dict.contains_key(&format!("{conv}.weight")) {
                maps = conv_norm(dict, &conv, &norm, stride, &maps);
            }
            maps.values
                .iter_mut()
                .zip(&within.values)
                .for_each(|(x, y)| *x += y);
            relu(&mut maps);
        }
    }
    let [_, height, width] = maps.size;
    let means = maps.values.chunks(height * width);
    means
        .map(|map| map.iter().sum::<f64>() / map.len() as f64)
        .collect()
}

fn relu(maps: &mut Maps) {
    maps.values.iter_mut().for_each(|x| *x = x.max(0.0));
}

/// Zeros around, half a kernel on each side; then batch norm by the running statistics.
fn conv_norm(dict: &Dict, conv: &str, norm: &str, stride: usize, maps: &Maps) -> Maps {
    let shape = &dict[&format!("{conv}.weight")].shape;
    let weight = numbers(dict, &format!("{conv}.weight"));
    let (to, from, kernel) = (shape[0], shape[1], shape[2]);
    let [channels, height, width] = maps.size;
    assert_eq!(from, channels, "{conv}");
    let around = kernel / 2;
    let [rows, columns] = [height, width].map(|side| (side + 2 * around - kernel) / stride + 1);
    let mut out = vec![0.0; to * rows * columns];
    for (o, map) in out.chunks_mut(rows * columns).enumerate() {
        for c in 0..from {
            for u in 0..kernel {
                for v in 0..kernel {
                    let w = weight[((o * from + c) * kernel + u) * kernel + v];
                    for y in 0..rows {
                        let row = y * stride + u;
                        if row < around || row - around >= height {
                            continue;
                        }
                        let start = (c * height + row - around) * width;
                        let pixels = &maps.values[start..start + width];
                        for (x, sum) in map[y * columns..][..columns].iter_mut().enumerate() {
                            let column = (x * stride + v).wrapping_sub(around);
                            *sum += w * pixels.get(column).unwrap_or(&0.0);
                        }
                    }
                }
            }
        }
    }
    let [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
        .map(|part| numbers(dict, &format!("{norm}.{part}")));
    for (o, map) in out.chunks_mut(rows * columns).enumerate() {
        let factor = scale[o] / (variance[o] + 1e-5).sqrt();
        map.iter_mut()
            .for_each(|x| *x = (*x - mean[o]) * factor + shift[o]);
    }
    Maps {
        size: [to, rows, columns],
        values: out,
    }
}

/// The greatest of 3 x 3, every second pixel, nothing beyond the edge.
fn max_pool(maps: &Maps) -> Maps {
    let [channels, height, width] = maps.size;
    let [rows, columns] = [height, width].map(|side| (side - 1) / 2 + 1);
    let mut out = Vec::new();
    for c in 0..channels {
        for y in 0..rows {
            for x in 0..columns {
                let mut greatest = f64::NEG_INFINITY;
                for row in (2 * y).saturating_sub(1)..(2 * y + 2).min(height) {
                    for column in (2 * x).saturating_sub(1)..(2 * x + 2).min(width) {
                        greatest = greatest.max(maps.values[(c * height + row) * width + column]);
                    }
                }
                out.push(greatest);
            }
        }
    }
    Maps {
        size: [channels, rows, columns],
        values: out,
    }
}

/// Features of an image by the state dict of a vision transformer of six heads.
pub(crate) fn vit(dict: &Dict, image: &Maps) -> Vec<f64> {
    let shape = &dict["patch_embed.proj.weight"].shape;
    let (dim, patch) = (shape[0], shape[2]);
    let weight = numbers(dict, "patch_embed.proj.weight");
    let bias = numbers(dict, "patch_embed.proj.bias");
    let [channels, height, width] = image.size;
    let mut tokens = vec![numbers(dict, "cls_token")];
    for top in (0..=height - patch).step_by(patch) {
        for left in (0..=width - patch).step_by(patch) {
            let entry = |o: usize| {
                let mut sum = bias[o];
                for c in 0..channels {
                    for u in 0..patch {
                        for v in 0..patch {
                            sum += weight[((o * channels + c) * patch + u) * patch + v]
                                * image.values[(c * height + top + u) * width + left + v];
                        }
                    }
                }
                sum
            };
            tokens.push((0..dim).map(entry).collect());
        }
    }
    let positions = numbers(dict, "pos_embed");
    for (token, position) in tokens.iter_mut().zip(positions.chunks(dim)) {
        add(token, position);
    }
    for block in 0..12 {
        let name = |part: &str| format!("blocks.{block}.{part}");
        let seen = attention(dict, &name("attn"), &normed(dict, &name("norm1"), &tokens));
        tokens.iter_mut().zip(&seen).for_each(|(x, y)| add(x, y));
        let mut hidden = linear(
            dict,
            &name("mlp.fc1"),
            &normed(dict, &name("norm2"), &tokens),
        );
        for x in hidden.iter_mut().flatten() {
            *x *= 0.5 * (1.0 + erf(*x / 2f64.sqrt()));
        }
        let out = linear(dict, &name("mlp.fc2"), &hidden);
        tokens.iter_mut().zip(&out).for_each(|(x, y)| add(x, y));
    }
    normed(dict, "norm", &tokens).swap_remove(0)
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn linear(dict: &Dict, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let [weight, bias] = ["weight", "bias"].map(|part| numbers(dict, &format!("{name}.{part}")));
    let of_row = |row: &Vec<f64>| {
        let outputs = weight.chunks(row.len()).zip(&bias);
        outputs
            .map(|(weight, bias)| dot(weight, row) + bias)
            .collect()
    };
    rows.iter().map(of_row).collect()
}

fn normed(dict: &Dict, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let [scale, shift] = ["weight", "bias"].map(|part| numbers(dict, &format!("{name}.{part}")));
    let of_row = |row: &Vec<f64>| {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let standard = row.iter().map(|x| (x - mean) / (variance + 1e-6).sqrt());
        let scaled = standard.zip(scale.iter().zip(&shift));
        scaled
            .map(|(x, (scale, shift))| x * scale + shift)
            .collect()
    };
    rows.iter().map(of_row).collect()
}

fn attention(dict: &Dict, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let qkv = linear(dict, &format!("{name}.qkv"), rows);
    let dim = rows[0].len();
    let of_head = dim / 6;
    let mut seen = vec![Vec::new(); rows.len()];
    for head in 0..6 {
        let part =
            |token: usize, which: usize| &qkv[token][which * dim + head * of_head..][..of_head];
        for (i, row) in seen.iter_mut().enumerate() {
            let scores = (0..rows.len()).map(|j| dot(part(i, 0), part(j, 1)));
            let weights: Vec<f64> = scores
                .map(|score| (score / (of_head as f64).sqrt()).exp())
                .collect();
            let sum: f64 = weights.iter().sum();
            for entry in 0..of_head {
                let values = weights.iter().enumerate();
                row.push(values.map(|(j, w)| w * part(j, 2)[entry]).sum::<f64>() / sum);
            }
        }
    }
    linear(dict, &format!("{name}.proj"), &seen)
}

/// `2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1))`. Up to 4.5 its terms are below `e²⁰`, so that it is wrong by less than `10⁻⁷`; above,
/// one is by less than `10⁻⁹`.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
