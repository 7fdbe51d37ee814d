//! The block on the CPU backend.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use metric_core::simd::zeros;
use rayon::prelude::*;

use super::buffers::{Lent, reclaim, take};
use super::convolution::{Begun, Convolution, Wanted};
use super::merge::{Moments, added, single, total};
use super::norm::{Channels, Way, apply};
use super::norm_gradient::{Slopes, gradient_sums, map_gradient};
use super::plan::{Plan, Room};
use super::{After, Block, BlockOps};

fn numbers(tensor: &FlexTensor) -> Vec<f32> {
    data(&tensor.to_contiguous()).to_vec()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// What a tensor holds, which must be in one piece.
pub(super) fn data(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous, and f32")
}

/// Chunks of something that may not be there, as many as asked.
fn chunks(of: Option<&[f32]>, len: usize, count: usize) -> Vec<Option<&[f32]>> {
    match of {
        Some(of) => of.chunks(len).map(Some).collect(),
        None => vec![None; count],
    }
}

/// A batch on its way through the convolution: the map, where it is kept, and its moments, where they are wanted.
fn convolved(
    plan: &Plan,
    x: &[f32],
    convolution: &dyn Convolution,
    map: Option<&mut [f32]>,
    wanted: bool,
) -> Vec<Moments> {
    let (filters, map_len) = (plan.sizes.filters, plan.group * plan.map_len());
    let groups = plan.count.div_ceil(plan.group);
    let made = map.is_none();
    let mut maps: Vec<Option<&mut [f32]>> = match map {
        Some(map) => map.chunks_mut(map_len).map(Some).collect(),
        None => (0..groups).map(|_| None).collect(),
    };
    maps.par_iter_mut()
        .zip(x.par_chunks(plan.group * plan.sizes.image_len()))
        .map_init(
            || Room::new(convolution, plan, made),
            |room, (map, x)| {
                if let Some(map) = map {
                    convolution.forward(x, &mut room.scratch, map);
                    return wanted.then(|| Moments::of(map, filters));
                }
                let len = x.len() / plan.sizes.image_len() * plan.map_len();
                Some(Moments::of(room.map(x, None, len), filters))
            },
        )
        .collect::<Vec<_>>()
        .into_iter()
        .flatten()
        .collect()
}

/// What becomes of the maps.
fn finish(
    plan: &Plan,
    (x, map, residual): (&[f32], Option<&[f32]>, Option<&[f32]>),
    convolution: &dyn Convolution,
    channels: &Channels,
    out: &mut [f32],
) {
    let (map_len, result_len) = (plan.map_len(), plan.result_len());
    let groups = plan.count.div_ceil(plan.group);
    let maps = chunks(map, plan.group * map_len, groups);
    let residuals = chunks(residual, plan.group * map_len, groups);
    out.par_chunks_mut(plan.group * result_len)
        .zip(x.par_chunks(plan.group * plan.sizes.image_len()))
        .zip(maps.into_par_iter().zip(residuals))
        .for_each_init(
            || Room::new(convolution, plan, map.is_none()),
            |room, ((out, x), (map, residual))| {
                let len = out.len() / result_len * map_len;
                let map = room.map(x, map, len);
                let each = out.chunks_mut(result_len).zip(map.chunks(map_len));
                for (i, (out, map)) in each.enumerate() {
                    let residual = residual.map(|all| &all[i * map_len..][..map_len]);
                    apply(map, plan.way(channels, residual), out);
                }
            },
        );
}

impl BlockOps for Flex {
    fn block(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        block: Block,
    ) -> FlexTensor {
        let plan = Plan::new(&x, &weight, &block);
        let forward = Wanted {
            forward: true,
            back: false,
        };
        let convolution = plan.convolution(&weight, forward);
        let [mean, variance] = [&mean, &variance].map(numbers);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);
        let [x, residual] = [x, residual].map(|images| images.to_contiguous());
        let residual = block.residual.then(|| data(&residual));
        let mut out = zeros(plan.count * plan.result_len());
        let mut map = Lent::default();
        if !plan.remakes() {
            map = Lent::new(plan.count * plan.map_len());
            convolved(&plan, data(&x), &*convolution, Some(&mut map), false);
        }
        let kept = (!plan.remakes()).then_some(&*map);
        let from = (data(&x), kept, residual);
        finish(&plan, from, &*convolution, &channels, &mut out);
        tensor(out, plan.out_shape())
    }

    fn block_train(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: FlexTensor,
        block: Block,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let plan = Plan::new(&x, &weight, &block);
        let filters = plan.sizes.filters;
        let forward = Wanted {
            forward: true,
            back: false,
        };
        let convolution = plan.convolution(&weight, forward);
        let [x, residual] = [x, residual].map(|images| images.to_contiguous());
        let residual = block.residual.then(|| data(&residual));
        let mut map = (!plan.remakes()).then(|| take(plan.count * plan.map_len()));
        let parts = convolved(&plan, data(&x), &*convolution, map.as_deref_mut(), true);
        let (mean, variance) = Moments::merge(&parts, filters);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);
        let mut out = take(plan.count * plan.result_len());
        let from = (data(&x), map.as_deref(), residual);
        finish(&plan, from, &*convolution, &channels, &mut out);
        let [height, width] = plan.sizes.out();
        let kept = if map.is_some() { plan.count } else { 0 };
        (
            tensor(out, plan.out_shape()),
            tensor(map.unwrap_or_default(), [kept, height, width, filters]),
            tensor(mean, [filters]),
            tensor(variance, [filters]),
        )
    }

    fn block_backward(
        x: FlexTensor,
        weight: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: FlexTensor,
        map: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        gradient: FlexTensor,
        block: Block,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let plan = Plan::new(&x, &weight, &block);
        let sizes = &plan.sizes;
        let filters = sizes.filters;
        let (map_len, result_len) = (plan.map_len(), plan.result_len());
        let image_len = sizes.image_len();
        let wanted = Wanted {
            forward: plan.remakes(),
            back: block.input_gradient,
        };
        let convolution = plan.convolution(&weight, wanted);
        let convolution = &*convolution;
        let [x, map, gradient, residual] =
            [x, map, gradient, residual].map(|images| images.to_contiguous());
        let [mean, variance] = [&mean, &variance].map(numbers);
        let [gamma, beta] = [&gamma, &beta].map(numbers);
        let channels = Channels::new(&mean, &variance, &gamma, &beta, block.epsilon);

        let kept = (!plan.remakes()).then(|| data(&map));
        let added_to = block.residual.then(|| data(&residual));
        let groups = plan.count.div_ceil(plan.group);
        let mut reaching = block.residual.then(|| take(plan.count * map_len));
        let reached: Vec<Option<&mut [f32]>> = match &mut reaching {
            Some(all) => all.chunks_mut(plan.group * map_len).map(Some).collect(),
            None => (0..groups).map(|_| None).collect(),
        };
        let sums: Vec<_> = data(&x)
            .par_chunks(plan.group * image_len)
            .zip(data(&gradient).par_chunks(plan.group * result_len))
            .zip(chunks(kept, plan.group * map_len, groups))
            .zip(chunks(added_to, plan.group * map_len, groups))
            .zip(reached)
            .map_init(
                || Room::new(convolution, &plan, kept.is_none()),
                |room, ((((x, gradient), map), residual), reached)| {
                    let map = room.map(x, map, x.len() / image_len * map_len);
                    let way = plan.way(&channels, residual);
                    gradient_sums(map, way, (gradient, result_len), reached)
                },
            )
            .collect();
        let beta = total(sums.iter().map(|sums| &*sums.gradient), filters);
        let mut gamma = total(sums.iter().map(|sums| &*sums.product), filters);
        for (sum, &inverse) in gamma.iter_mut().zip(&channels.inverse) {
            *sum *= f64::from(inverse);
        }
        let (beta, gamma) = (single(&beta), single(&gamma));
        let pixels = (plan.count * sizes.pixels()) as f32;
        let share = |sums: &[f32]| sums.iter().map(|sum| sum / pixels).collect::<Vec<_>>();
        let slopes = Slopes::new(&channels, &share(&beta), &share(&gamma));

        // Where there is a residual, ReLU has already taken its part.
        let (after, reached) = match &reaching {
            Some(reaching) => (After::default(), &**reaching),
            None => (plan.after, data(&gradient)),
        };
        let way = Way {
            after,
            ..plan.way(&channels, None)
        };
        let mut input = take(if wanted.back {
            plan.count * image_len
        } else {
            0
        });
        let parts = plan.count.div_ceil(plan.part);
        let inputs: Vec<Option<&mut [f32]>> = if wanted.back {
            input.chunks_mut(plan.part * image_len).map(Some).collect()
        } else {
            (0..parts).map(|_| None).collect()
        };
        let weights: Vec<Lent> = inputs
            .into_par_iter()
            .zip(data(&x).par_chunks(plan.part * image_len))
            .zip(reached.par_chunks(plan.part * result_len))
            .zip(chunks(kept, plan.part * map_len, parts))
            .map(|(((mut input, x), gradient), map)| {
                let mut sums = Lent::new(convolution.sums_len());
                let mut room = Room::new(convolution, &plan, kept.is_none());
                let mut maps = Lent::new(plan.group * map_len);
                let groups = x
                    .chunks(plan.group * image_len)
                    .zip(gradient.chunks(plan.group * result_len));
                for (i, (x, gradient)) in groups.enumerate() {
                    let len = x.len() / image_len * map_len;
                    let maps = &mut maps[..len];
                    let map = map.map(|map| &map[i * plan.group * map_len..][..len]);
                    let map = room.map(x, map, len);
                    let each = map
                        .chunks_exact(map_len)
                        .zip(gradient.chunks_exact(result_len));
                    for ((map, gradient), out) in each.zip(maps.chunks_exact_mut(map_len)) {
                        map_gradient(map, way, &slopes, gradient, out);
                    }
                    let input = input
                        .as_deref_mut()
                        .map(|input| &mut input[i * plan.group * image_len..][..x.len()]);
                    let sums = (&mut *sums, Begun(i > 0));
                    convolution.backward(x, maps, &mut room.scratch, sums, input);
                }
                sums
            })
            .collect();
        let weights = convolution.weights(&added(weights));
        let shape = weight.shape();
        let [height, width] = sizes.image;
        let given = if wanted.back { plan.count } else { 0 };
        let [out_height, out_width] = sizes.out();
        let reached = if reaching.is_some() { plan.count } else { 0 };
        [x, map, gradient, residual].into_iter().for_each(reclaim);
        (
            tensor(input, [given, height, width, sizes.channels]),
            tensor(weights, [shape[0], shape[1], shape[2], shape[3]]),
            tensor(gamma, [filters]),
            tensor(beta, [filters]),
            tensor(
                reaching.unwrap_or_default(),
                [reached, out_height, out_width, filters],
            ),
        )
    }
}
