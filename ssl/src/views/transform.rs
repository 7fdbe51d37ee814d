use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Step};
use super::{AffineMap, ColorStep, ImageShape, Rect, ViewError, erase};

/// How often a crop or an erased rectangle is drawn again that does not fit into the image.
const ATTEMPTS: usize = 10;

/// A random change of an image. Ranges are `[low, high]`, `p` is how often it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// A part of the image brought to the size of the view (see [`resized_crop`](super::resized_crop)): its share of the area
    /// uniform over `scale`, its width by its height log-uniform over `ratio`, its place uniform. Sides are rounded; what does
    /// not fit is drawn again ten times, and then it is the largest part about the centre with a ratio within the range.
    RandomResizedCrop {
        /// Share of the area, above 0 and at most 1.
        scale: [f64; 2],
        /// Width by height.
        ratio: [f64; 2],
    },
    /// See [`horizontal_flip`](super::horizontal_flip).
    HorizontalFlip {
        /// Chance.
        p: f64,
    },
    /// Brightness, contrast, saturation and hue in random order, each by a factor of its own: uniform over
    /// `[max(0, 1 − strength), 1 + strength]`, hue over `[−strength, strength]`.
    ColorJitter {
        /// Strength for [`adjust_brightness`](super::adjust_brightness).
        brightness: f64,
        /// Strength for [`adjust_contrast`](super::adjust_contrast).
        contrast: f64,
        /// Strength for [`adjust_saturation`](super::adjust_saturation).
        saturation: f64,
        /// Strength for [`adjust_hue`](super::adjust_hue), at most 1/2.
        hue: f64,
        /// Chance that anything is done.
        p: f64,
    },
    /// See [`grayscale`](super::grayscale).
    RandomGrayscale {
        /// Chance.
        p: f64,
    },
    /// See [`gaussian_blur`](super::gaussian_blur). The kernel is a tenth of the view's side, made odd, and at least 3 where
    /// the view is that large.
    GaussianBlur {
        /// Uniform range of the standard deviation, in pixels of the view.
        sigma: [f64; 2],
        /// Chance.
        p: f64,
    },
    /// See [`solarize`](super::solarize).
    Solarize {
        /// From which value on.
        threshold: f64,
        /// Chance.
        p: f64,
    },
    /// A turn uniform over `±degrees`.
    RandomRotation {
        /// Largest turn.
        degrees: f64,
    },
    /// See [`affine`](super::affine).
    RandomAffine {
        /// Largest turn either way, in degrees.
        degrees: f64,
        /// Largest move along x and y, as shares of the side; moves are whole pixels.
        translate: [f64; 2],
        /// Uniform range of the growth.
        scale: [f64; 2],
        /// Largest shear along x and y either way, in degrees.
        shear: [f64; 2],
    },
    /// A black rectangle (Zhong et al., *Random Erasing Data Augmentation*, AAAI 2020, <https://arxiv.org/abs/1708.04896>;
    /// the paper's own experiments fill with noise or the mean): its share of the area uniform over `scale`, its height by its
    /// width log-uniform over `ratio`, as torchvision draws them. What does not fit is drawn again ten times, and then left out.
    RandomErasing {
        /// Share of the area.
        scale: [f64; 2],
        /// Height by width.
        ratio: [f64; 2],
        /// Chance.
        p: f64,
    },
    /// A black square around a pixel drawn uniformly, see [`cutout`](super::cutout).
    Cutout {
        /// Its side in pixels of the view.
        length: usize,
        /// Chance.
        p: f64,
    },
}

impl Transform {
    /// # Errors
    /// [`ViewError::InvalidParam`] or [`ViewError::InvalidRange`], naming what is out of its range.
    pub fn validate(&self) -> Result<(), ViewError> {
        match *self {
            Self::RandomResizedCrop { scale, ratio } => {
                range("scale of a crop", "above 0 and at most 1", scale, 1.0)?;
                range("ratio of a crop", "positive and finite", ratio, f64::MAX)
            }
            Self::HorizontalFlip { p } => chance("p of a flip", p),
            Self::ColorJitter {
                brightness,
                contrast,
                saturation,
                hue,
                p,
            } => {
                at_most("brightness of a jitter", brightness, f64::from(f32::MAX))?;
                at_most("contrast of a jitter", contrast, f64::from(f32::MAX))?;
                at_most("saturation of a jitter", saturation, f64::from(f32::MAX))?;
                within("hue of a jitter", "from 0 to 0.5", hue, 0.5)?;
                chance("p of a jitter", p)
            }
            Self::RandomGrayscale { p } => chance("p of a grayscale", p),
            Self::GaussianBlur { sigma, p } => {
                range("sigma of a blur", "positive and finite", sigma, f64::MAX)?;
                chance("p of a blur", p)
            }
            Self::Solarize { threshold, p } => {
                if threshold.is_nan() {
                    let (name, expected) = ("threshold of a solarize", "a number");
                    return Err(ViewError::param(name, expected, threshold));
                }
                chance("p of a solarize", p)
            }
            Self::RandomRotation { degrees } => at_most("degrees of a rotation", degrees, f64::MAX),
            Self::RandomAffine {
                degrees,
                translate,
                scale,
                shear,
            } => {
                at_most("degrees of an affine map", degrees, f64::MAX)?;
                for share in translate {
                    chance("translation of an affine map", share)?;
                }
                for shear in shear {
                    let largest = 90.0f64.next_down();
                    let (name, expected) = ("shear of an affine map", "from 0 to below 90");
                    within(name, expected, shear, largest)?;
                }
                let (name, expected) = ("scale of an affine map", "positive and finite");
                range(name, expected, scale, f64::MAX)
            }
            Self::RandomErasing { scale, ratio, p } => {
                range("scale of an erasing", "above 0 and at most 1", scale, 1.0)?;
                range(
                    "ratio of an erasing",
                    "positive and finite",
                    ratio,
                    f64::MAX,
                )?;
                chance("p of an erasing", p)
            }
            Self::Cutout { length, p } => {
                if length == 0 {
                    return Err(ViewError::param("length of a cutout", "at least 1", 0.0));
                }
                chance("p of a cutout", p)
            }
        }
    }

    /// Draws what happens to an image of `source`, of which a view with sides of `side` is made, and adds it to `plan`.
    /// The numbers are valid.
    pub(super) fn draw<R: Rng + ?Sized>(
        &self,
        source: ImageShape,
        side: usize,
        rng: &mut R,
        plan: &mut Plan,
    ) {
        match *self {
            Self::RandomResizedCrop { scale, ratio } => {
                plan.crop = draw_crop(source, scale, ratio, rng);
            }
            Self::HorizontalFlip { p } if happens(rng, p) => plan.flip(),
            Self::ColorJitter {
                brightness,
                contrast,
                saturation,
                hue,
                p,
            } if happens(rng, p) => {
                let mut factor = |strength: f64| {
                    uniform(rng, [(1.0 - strength).max(0.0), 1.0 + strength]) as f32
                };
                let mut jitter = [
                    ColorStep::Brightness(factor(brightness)),
                    ColorStep::Contrast(factor(contrast)),
                    ColorStep::Saturation(factor(saturation)),
                    ColorStep::Hue(uniform(rng, [-hue, hue]) as f32),
                ];
                jitter.shuffle(rng);
                plan.steps.extend(jitter.map(Step::Color));
            }
            Self::RandomGrayscale { p } if happens(rng, p) => {
                plan.steps.push(Step::Color(ColorStep::Grayscale));
            }
            Self::GaussianBlur { sigma, p } if happens(rng, p) => {
                let kernel_size = kernel_size(side);
                let sigma = uniform(rng, sigma);
                plan.steps.push(Step::Blur { kernel_size, sigma });
            }
            Self::Solarize { threshold, p } if happens(rng, p) => {
                let solarize = ColorStep::Solarize(threshold as f32);
                plan.steps.push(Step::Color(solarize));
            }
            Self::RandomRotation { degrees } => {
                let degrees = uniform(rng, [-degrees, degrees]);
                plan.steps.push(Step::Affine(AffineMap::rotation(degrees)));
            }
            Self::RandomAffine {
                degrees,
                translate,
                scale,
                shear,
            } => {
                let mut either_way = |most: f64| uniform(rng, [-most, most]);
                let map = AffineMap {
                    degrees: either_way(degrees),
                    translate: translate.map(|share| either_way(share * side as f64).round()),
                    shear: shear.map(&mut either_way),
                    scale: uniform(rng, scale),
                };
                plan.steps.push(Step::Affine(map));
            }
            Self::RandomErasing { scale, ratio, p } if happens(rng, p) => {
                let erased = draw_erased(side, scale, ratio, rng);
                plan.steps.extend(erased.map(Step::Erase));
            }
            Self::Cutout { length, p } if happens(rng, p) => {
                let centre = [rng.random_range(0..side), rng.random_range(0..side)];
                let square = erase::square(centre, length, side, side);
                plan.steps.push(Step::Erase(square));
            }
            Self::HorizontalFlip { .. }
            | Self::ColorJitter { .. }
            | Self::RandomGrayscale { .. }
            | Self::GaussianBlur { .. }
            | Self::Solarize { .. }
            | Self::RandomErasing { .. }
            | Self::Cutout { .. } => {}
        }
    }
}

/// A tenth of the side, made odd as SimCLR's code does it (`2 · ⌊side / 20⌋ + 1`), at least 3 where a view has two rows.
fn kernel_size(side: usize) -> usize {
    let radius = (side / 20).max(1).min(side - 1);
    2 * radius + 1
}

fn draw_crop<R: Rng + ?Sized>(
    source: ImageShape,
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut R,
) -> Rect {
    let (rows, columns) = (source.height, source.width);
    for _ in 0..ATTEMPTS {
        let area = source.pixels() as f64 * uniform(rng, scale);
        let ratio = uniform(rng, ratio.map(f64::ln)).exp();
        let (height, width) = (
            (area / ratio).sqrt().round_ties_even() as usize,
            (area * ratio).sqrt().round_ties_even() as usize,
        );
        if (1..=rows).contains(&height) && (1..=columns).contains(&width) {
            return Rect {
                top: rng.random_range(0..=rows - height),
                left: rng.random_range(0..=columns - width),
                height,
                width,
            };
        }
    }
    let (own, whole) = (columns as f64 / rows as f64, Rect::whole(source));
    let part = |pixels: f64, all: usize| (pixels.round_ties_even() as usize).clamp(1, all);
    let (height, width) = if own < ratio[0] {
        (part(columns as f64 / ratio[0], rows), columns)
    } else if own > ratio[1] {
        (rows, part(rows as f64 * ratio[1], columns))
    } else {
        (whole.height, whole.width)
    };
    Rect {
        top: (rows - height) / 2,
        left: (columns - width) / 2,
        height,
        width,
    }
}

fn draw_erased<R: Rng + ?Sized>(
    side: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
    rng: &mut R,
) -> Option<Rect> {
    for _ in 0..ATTEMPTS {
        let area = (side * side) as f64 * uniform(rng, scale);
        let ratio = uniform(rng, ratio.map(f64::ln)).exp();
        let height = (area * ratio).sqrt().round_ties_even() as usize;
        let width = (area / ratio).sqrt().round_ties_even() as usize;
        if (1..side).contains(&height) && (1..side).contains(&width) {
            return Some(Rect {
                top: rng.random_range(0..=side - height),
                left: rng.random_range(0..=side - width),
                height,
                width,
            });
        }
    }
    None
}

fn happens<R: Rng + ?Sized>(rng: &mut R, p: f64) -> bool {
    rng.random::<f64>() < p
}

fn uniform<R: Rng + ?Sized>(rng: &mut R, [low, high]: [f64; 2]) -> f64 {
    // The minimum is for rounding, and for ranges so wide that their length is not finite.
    (low + (high - low) * rng.random::<f64>()).min(high)
}

fn range(
    name: &'static str,
    expected: &'static str,
    [low, high]: [f64; 2],
    most: f64,
) -> Result<(), ViewError> {
    if low > 0.0 && low <= high && high <= most {
        return Ok(());
    }
    Err(ViewError::InvalidRange {
        name,
        expected,
        low,
        high,
    })
}

fn within(
    name: &'static str,
    expected: &'static str,
    value: f64,
    most: f64,
) -> Result<(), ViewError> {
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(ViewError::param(name, expected, value))
}

fn at_most(name: &'static str, value: f64, most: f64) -> Result<(), ViewError> {
    within(name, "finite and not negative", value, most)
}

fn chance(name: &'static str, p: f64) -> Result<(), ViewError> {
    within(name, "from 0 to 1", p, 1.0)
}
