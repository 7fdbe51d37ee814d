//! The block on the CPU backend.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use metric_core::simd::zeros;
use rayon::prelude::*;

use super::conv::{BEHIND, Sizes, Weights, Windows, as_weights, convolve, spread, weight_gradient};
use super::norm::{Channels, Slopes, apply, gradient_sums, map_gradient, moments};
use super::{After, Block, BlockOps};

/// Windows of a group of images, at least: few images would leave tiles half empty.
const WINDOWS: usize = 240;
/// Parts of a batch whose weight gradients are added up on their own, whatever the number of threads.
const PARTS: usize = 16;

/// A batch of images, channels last.
struct Images(FlexTensor);

impl Images {
    fn of(tensor: FlexTensor) -> Self {
        Self(tensor.permute(&[0, 2, 3, 1]).to_contiguous())
    }

    fn data(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous, and f32")
    }
}

fn numbers(tensor: &FlexTensor) -> Vec<f32> {
    let tensor = tensor.to_contiguous();
    tensor
        .as_slice::<f32>()
        .expect("contiguous, and f32")
        .to_vec()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Channels last, seen as channels first.
fn images(values: Vec<f32>, [count, height, width]: [usize; 3], depth: usize) -> FlexTensor {
    tensor(values, [count, height, width, depth]).permute(&[0, 3, 1, 2])
}

/// What both directions need to know.
struct Plan {
    count: usize,
    sizes: Sizes,
    after: After,
    /// Images a group.
    group: usize,
}

impl Plan {
    fn new(x: &FlexTensor, weight: &FlexTensor, block: &Block) -> Self {
        let (x, weight) = (x.shape(), weight.shape());
        let sizes = Sizes {
            channels: x[1],
            filters: weight[0],
            image: [x[2], x[3]],
            kernel: [weight[2], weight[3]],
            stride: block.stride,
            padding: block.padding,
        };
        Self {
            count: x[0],
            sizes,
            after: block.after,
            group: WINDOWS.div_ceil(sizes.pixels()).min(x[0]).max(1),
        }
    }

    fn out_shape(&self) -> [usize; 3] {
        let [height, width] = self.after.out(self.sizes.out());
        [self.count, height, width]
    }

    /// Numbers of an image of the result.
    fn result_len(&self) -> usize {
        let [_, height, width] = self.out_shape();
        height * width * self.sizes.filters
    }

    /// Numbers of an image of the convolution's result.
    fn map_len(&self) -> usize {
        self.sizes.out_len()
    }
}

/// Room for the padded images of a group.
fn room(windows: &Windows, images: usize) -> Vec<f32> {
    vec![0.0; windows.len * images + BEHIND]
}

/// Puts images into the middle of the zeros of a room.
fn place(images: &[f32], sizes: &Sizes, windows: &Windows, room: &mut [f32]) {
    let shape = [sizes.image[1], sizes.channels];
    let each = images.chunks_exact(sizes.image_len());
    for (image, padded) in each.zip(room.chunks_exact_mut(windows.len)) {
        spread(image, shape, (padded, windows.row), sizes.padding, [1, 1]);
    }
}

/// Of some pixels: means and sums of squared deviations of each channel.
struct Moments {
    pixels: usize,
    mean: Vec<f32>,
    squares: Vec<f32>,
}

/// Means and variances over all groups, merged in order (Chan, Golub and `LeVeque`, 1979).
fn merge(parts: &[Moments], depth: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut mean, mut squares, mut count) = (vec![0.0f64; depth], vec![0.0f64; depth], 0.0);
    for part in parts {
        let more = part.pixels as f64;
        let all = count + more;
        for c in 0..depth {
            let difference = f64::from(part.mean[c]) - mean[c];
            mean[c] += difference * more / all;
            squares[c] += f64::from(part.squares[c]) + difference * difference * count * more / all;
        }
        count = all;
    }
    squares.iter_mut().for_each(|sum| *sum /= count);
    (single(&mean), single(&squares))
}

/// Sums over parts in order.
fn total<'a>(parts: impl Iterator<Item = &'a Vec<f32>>, len: usize) -> Vec<f64> {
    let mut sums = vec![0.0f64; len];
    for part in parts {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += f64::from(*x);
        }
    }
    sums
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

/// The convolution's result, and its moments if they are wanted.
fn convolved(
    plan: &Plan,
    x: &Images,
    weight: &FlexTensor,
    wanted: bool,
) -> (Vec<f32>, Vec<Moments>) {
    let sizes = &plan.sizes;
    let windows = sizes.windows(plan.group);
    let weights = Weights::forward(&numbers(weight), sizes);
    let mut map = zeros(plan.count * plan.map_len());
    let parts: Vec<Option<Moments>> = map
        .par_chunks_mut(plan.group * plan.map_len())
        .zip(x.data().par_chunks(plan.group * sizes.image_len()))
        .map_init(
            || room(&windows, plan.group),
            |room, (map, images)| {
                place(images, sizes, &windows, room);
                convolve(room, &windows, &weights, map);
                wanted.then(|| {
                    let mut mean = vec![0.0; sizes.filters];
                    let mut squares = mean.clone();
                    moments(map, &mut mean, &mut squares);
                    Moments {
                        pixels: map.len() / sizes.filters,
                        mean,
                        squares,
                    }
                })
            },
        )
        .collect();
    (map, parts.into_iter().flatten().collect())
}

fn finished(plan: &Plan, map: &[f32], channels: &Channels) -> FlexTensor {
    let mut out = zeros(plan.count * plan.result_len());
    let [_, width] = plan.sizes.out();
    out.par_chunks_mut(plan.result_len())
        .zip(map.par_chunks(plan.map_len()))
        .for_each(|(out, map)| apply(map, width, channels, plan.after, out));
    images(out, plan.out_shape(), plan.sizes.filters)
}

impl BlockOps for Flex {
    fn block(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        block: Block,
    ) -> FlexTensor {
        let plan = Plan::new(&x, &weight, &block);
        let (map, _) = convolved(&plan, &Images::of(x), &weight, false);
        let [mean, variance] = [&mean, &variance].map(numbers);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);
        finished(&plan, &map, &channels)
    }

    fn block_train(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        block: Block,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let plan = Plan::new(&x, &weight, &block);
        let filters = plan.sizes.filters;
        let (map, parts) = convolved(&plan, &Images::of(x), &weight, true);
        let (mean, variance) = merge(&parts, filters);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);
        let out = finished(&plan, &map, &channels);
        let [height, width] = plan.sizes.out();
        (
            out,
            images(map, [plan.count, height, width], filters),
            tensor(mean, [filters]),
            tensor(variance, [filters]),
        )
    }

    fn block_backward(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        map: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        gradient: FlexTensor,
        block: Block,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let plan = Plan::new(&x, &weight, &block);
        let sizes = &plan.sizes;
        let filters = sizes.filters;
        let (x, map, gradient) = (Images::of(x), Images::of(map), Images::of(gradient));
        let [mean, variance] = [&mean, &variance].map(numbers);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);
        let [_, width] = sizes.out();

        let sums: Vec<[Vec<f32>; 2]> = map
            .data()
            .par_chunks(plan.map_len())
            .zip(gradient.data().par_chunks(plan.result_len()))
            .map(|(map, gradient)| gradient_sums(map, width, &channels, plan.after, gradient))
            .collect();
        let [beta, mut gamma] = [0, 1].map(|i| total(sums.iter().map(|sums| &sums[i]), filters));
        for (sum, &inverse) in gamma.iter_mut().zip(&channels.inverse) {
            *sum *= f64::from(inverse);
        }
        let (beta, gamma) = (single(&beta), single(&gamma));
        let pixels = (plan.count * sizes.pixels()) as f32;
        let share = |sums: &[f32]| sums.iter().map(|sum| sum / pixels).collect::<Vec<_>>();
        let slopes = Slopes::new(&channels, &share(&beta), &share(&gamma));

        let windows = sizes.windows(plan.group);
        let back = sizes.reversed().windows(plan.group);
        let turned = Weights::backward(&numbers(&weight), sizes);
        let margin = [0, 1].map(|i| sizes.kernel[i] - 1 - sizes.padding[i]);
        let groups = plan.count.div_ceil(plan.group);
        let part = groups.div_ceil(PARTS) * plan.group;
        let wanted = block.input_gradient;
        let image_len = sizes.image_len();
        let mut input = zeros(if wanted { plan.count * image_len } else { 0 });
        let inputs: Vec<&mut [f32]> = if wanted {
            input.chunks_mut(part * image_len).collect()
        } else {
            (0..plan.count.div_ceil(part))
                .map(|_| &mut [][..])
                .collect()
        };
        let weights: Vec<Vec<f32>> = inputs
            .into_par_iter()
            .zip(x.data().par_chunks(part * image_len))
            .zip(map.data().par_chunks(part * plan.map_len()))
            .zip(gradient.data().par_chunks(part * plan.result_len()))
            .map(|(((input, x), map), gradient)| {
                let mut sums = vec![0.0; sizes.weights_len()];
                let mut padded = room(&windows, plan.group);
                let mut around = if wanted {
                    room(&back, plan.group)
                } else {
                    Vec::new()
                };
                let mut maps = vec![0.0; plan.group * plan.map_len()];
                let mut inputs = input.chunks_mut(plan.group * image_len);
                let groups = x
                    .chunks(plan.group * image_len)
                    .zip(map.chunks(plan.group * plan.map_len()))
                    .zip(gradient.chunks(plan.group * plan.result_len()));
                for ((x, map), gradient) in groups {
                    let maps = &mut maps[..map.len()];
                    let each = map
                        .chunks_exact(plan.map_len())
                        .zip(gradient.chunks_exact(plan.result_len()));
                    for ((map, gradient), out) in each.zip(maps.chunks_exact_mut(plan.map_len())) {
                        let map = (map, width);
                        map_gradient(map, &channels, &slopes, plan.after, gradient, out);
                    }
                    place(x, sizes, &windows, &mut padded);
                    weight_gradient(&padded, &windows, maps, &mut sums);
                    if let Some(input) = inputs.next() {
                        let each = maps.chunks_exact(plan.map_len());
                        for (map, to) in each.zip(around.chunks_exact_mut(back.len)) {
                            let to = (to, back.row);
                            spread(map, [width, filters], to, margin, sizes.stride);
                        }
                        convolve(&around, &back, &turned, input);
                    }
                }
                sums
            })
            .collect();
        let weights = single(&total(weights.iter(), sizes.weights_len()));
        let shape = weight.shape();
        let [height, width] = sizes.image;
        let input_shape = if wanted {
            [plan.count, height, width]
        } else {
            [0, height, width]
        };
        (
            images(input, input_shape, sizes.channels),
            tensor(
                as_weights(&weights, sizes),
                [shape[0], shape[1], shape[2], shape[3]],
            ),
            tensor(gamma, [filters]),
            tensor(beta, [filters]),
        )
    }
}
