//! How a batch is divided, and the room that a thread needs for its part.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;

use super::buffers::Lent;
use super::convolution::{Convolution, Scratch, Sizes, Wanted, convolution};
use super::flex::data;
use super::norm::{Channels, Way};
use super::{After, Block};

/// Windows of a group of images, about: few would leave tiles half empty, many leave the cache.
const WINDOWS: usize = 384;
/// Parts of a batch whose weight gradients are added up on their own, whatever the number of threads; fewer where their
/// sums would take much memory.
const PARTS: usize = 16;
const PART_NUMBERS: usize = 8 << 20;
/// A result of no more terms is sooner made again than read again.
const FEW_TERMS: usize = 32;

/// What both directions need to know.
pub(super) struct Plan {
    pub(super) count: usize,
    pub(super) sizes: Sizes,
    pub(super) after: After,
    /// Images whose results are made together, and whose weight gradients are added up together.
    pub(super) group: usize,
    pub(super) part: usize,
}

impl Plan {
    pub(super) fn new(x: &FlexTensor, weight: &FlexTensor, block: &Block) -> Self {
        let (x, weight) = (x.shape(), weight.shape());
        let count = x[0];
        let sizes = Sizes {
            channels: x[3],
            filters: weight[0],
            image: [x[1], x[2]],
            kernel: [weight[2], weight[3]],
            stride: block.stride,
            padding: block.padding,
        };
        let group = WINDOWS.div_ceil(sizes.pixels()).clamp(1, count);
        let most = (PART_NUMBERS / (sizes.channels * sizes.filters * 16)).clamp(1, PARTS);
        let parts = count.div_ceil(group).next_power_of_two().min(most);
        let part = count.div_ceil(parts);
        Self {
            count,
            sizes,
            after: block.after,
            group: part.div_ceil(part.div_ceil(group)),
            part,
        }
    }

    pub(super) fn out_shape(&self) -> [usize; 4] {
        let [height, width] = self.after.out(self.sizes.out());
        [self.count, height, width, self.sizes.filters]
    }

    /// Numbers of an image of the result.
    pub(super) fn result_len(&self) -> usize {
        self.out_shape()[1..].iter().product()
    }

    /// Numbers of an image of the convolution's result.
    pub(super) fn map_len(&self) -> usize {
        self.sizes.out_len()
    }

    /// Whether maps are made again rather than kept.
    pub(super) fn remakes(&self) -> bool {
        self.sizes.terms() <= FEW_TERMS
    }

    pub(super) fn convolution(&self, weights: &FlexTensor, wanted: Wanted) -> Box<dyn Convolution> {
        let weights = weights.to_contiguous();
        convolution(self.sizes, self.group, data(&weights), wanted)
    }

    pub(super) fn way<'a>(&self, channels: &'a Channels, residual: Option<&'a [f32]>) -> Way<'a> {
        Way {
            channels,
            after: self.after,
            width: self.sizes.out()[1],
            residual,
        }
    }
}

/// Room of one thread for a group of images.
pub(super) struct Room<'a> {
    pub(super) convolution: &'a dyn Convolution,
    pub(super) scratch: Scratch,
    pub(super) map: Lent,
}

impl<'a> Room<'a> {
    pub(super) fn new(convolution: &'a dyn Convolution, plan: &Plan, made: bool) -> Self {
        Self {
            convolution,
            scratch: convolution.scratch(),
            map: Lent::new(if made { plan.group * plan.map_len() } else { 0 }),
        }
    }

    /// The map of some images: the one that was kept, or made again.
    pub(super) fn map<'b>(
        &'b mut self,
        x: &[f32],
        kept: Option<&'b [f32]>,
        len: usize,
    ) -> &'b [f32] {
        if let Some(kept) = kept {
            return kept;
        }
        self.convolution
            .forward(x, &mut self.scratch, &mut self.map[..len]);
        &self.map[..len]
    }
}
