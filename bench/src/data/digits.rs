//! The digits of the UCI archive, which come with the program.

use super::{DataError, ImageSet, ImageShape};

/// 1,797 handwritten digits of 8 x 8 pixels. The source's grey values 0 to 16 become 0 to 255.
pub(super) fn load() -> Result<ImageSet, DataError> {
    let digits = smartcore::dataset::digits::load_dataset();
    let pixels = digits
        .data
        .iter()
        .map(|v| (v * 255.0 / 16.0).round() as u8)
        .collect();
    let labels = digits.target.iter().map(|&class| class as u32).collect();
    let names = (0..10).map(|class| class.to_string()).collect();
    let ids = (0..digits.num_samples)
        .map(|i| format!("digits/{i:04}"))
        .collect();
    ImageSet::new(
        ImageShape {
            channels: 1,
            height: 8,
            width: 8,
        },
        pixels,
        labels,
        names,
        ids,
    )
}
