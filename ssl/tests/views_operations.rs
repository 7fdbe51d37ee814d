//! Operations on images against loops in `f64` written from their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use metric_ssl::views::{
    AffineMap, Image, ImageRef, ImageShape, Rect, ViewError, adjust_brightness, adjust_contrast,
    adjust_hue, adjust_saturation, affine, cutout, erase, gaussian_blur, grayscale,
    horizontal_flip, resized_crop, solarize,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Twice the rounding unit of `f32`.
const EPSILON: f64 = f32::EPSILON as f64;

fn shape(channels: usize, height: usize, width: usize) -> ImageShape {
    ImageShape::new(channels, height, width).unwrap()
}

fn noise(shape: ImageShape, seed: u64) -> Image {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.values()).map(|_| rng.random()).collect();
    Image::new(shape, values).unwrap()
}

fn exact(image: &Image) -> Vec<f64> {
    image.values().iter().map(|&x| f64::from(x)).collect()
}

#[track_caller]
fn assert_near(got: &Image, want: &[f64], tolerance: f64) {
    assert_eq!(got.values().len(), want.len());
    for (index, (&got, &want)) in got.values().iter().zip(want).enumerate() {
        let gap = (f64::from(got) - want).abs();
        assert!(gap <= tolerance, "value {index}: {got} for {want}");
    }
}

/// The weight of every input for every output, from the formula.
fn triangle(from: usize, to: usize) -> Vec<Vec<f64>> {
    let scale = from as f64 / to as f64;
    let row = |i: usize| {
        let centre = scale * (i as f64 + 0.5);
        let weight = |j: usize| (1.0 - (j as f64 + 0.5 - centre).abs() / scale.max(1.0)).max(0.0);
        let sum: f64 = (0..from).map(weight).sum();
        (0..from).map(|j| weight(j) / sum).collect()
    };
    (0..to).map(row).collect()
}

fn naive_resize(image: &Image, rect: Rect, height: usize, width: usize) -> Vec<f64> {
    let (rows, columns) = (triangle(rect.height, height), triangle(rect.width, width));
    let from = image.shape();
    let mut out = Vec::new();
    for c in 0..from.channels {
        for row in &rows {
            for column in &columns {
                let mut sum = 0.0;
                for (i, wi) in row.iter().enumerate() {
                    for (j, wj) in column.iter().enumerate() {
                        let at = (c * from.height + rect.top + i) * from.width + rect.left + j;
                        sum += wi * wj * f64::from(image.values()[at]);
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

/// A shape, a rectangle within it, and a size.
fn crops() -> impl Strategy<Value = (ImageShape, Rect, usize, usize)> {
    (prop_oneof![Just(1usize), Just(3)], 1usize..20, 1usize..20).prop_flat_map(|(c, h, w)| {
        ((0..h), (0..w), 1usize..24, 1usize..24).prop_flat_map(move |(top, left, oh, ow)| {
            ((1..=h - top), (1..=w - left)).prop_map(move |(height, width)| {
                let rect = Rect {
                    top,
                    left,
                    height,
                    width,
                };
                (shape(c, h, w), rect, oh, ow)
            })
        })
    })
}

proptest! {
    #[test]
    fn a_resized_crop_is_its_triangle_filter((from, rect, height, width) in crops(), seed in 0u64..1000) {
        let image = noise(from, seed);
        let got = resized_crop(image.view(), rect, height, width).unwrap();
        // Along an axis: n taps of sum 1 and their rounded weights, n + 2 roundings of values of at most 1.
        let taps = |from: usize, to: usize| (2 * from).div_ceil(to).max(2) as f64 + 2.0;
        let tolerance = (taps(rect.height, height) + taps(rect.width, width)) * EPSILON;
        assert_near(&got, &naive_resize(&image, rect, height, width), tolerance);
    }

    #[test]
    fn an_affine_map_is_interpolation_at_the_inverse(
        (from, _, _, _) in crops(), seed in 0u64..1000, degrees in -180.0..180.0, x in -4i32..4, y in -4i32..4,
        scale in 0.5..2.0, shear_x in -40.0..40.0, shear_y in -40.0..40.0,
    ) {
        let map = AffineMap { degrees, translate: [f64::from(x), f64::from(y)], scale, shear: [shear_x, shear_y] };
        let mut image = noise(from, seed);
        let want = naive_affine(&image, map);
        affine(&mut image, map).unwrap();
        // Four products with rounded weights of sum 1, and places in f64, off by less than 1e-12 of a pixel.
        assert_near(&image, &want, 6.0 * EPSILON);
    }

    #[test]
    fn a_blur_is_its_kernel_over_a_mirrored_image(
        height in 1usize..50, width in 1usize..50, channels in prop_oneof![Just(1usize), Just(3)],
        radius in 0usize..8, sigma in 0.1..4.0, seed in 0u64..1000,
    ) {
        let radius = radius.min(height - 1).min(width - 1);
        let mut image = noise(shape(channels, height, width), seed);
        let want = naive_blur(&image, radius, sigma);
        gaussian_blur(&mut image, 2 * radius + 1, sigma).unwrap();
        // Two sums of 2r + 1 products with rounded weights of sum 1.
        assert_near(&image, &want, 2.0 * (2.0 * radius as f64 + 3.0) * EPSILON);
    }

    #[test]
    fn colours_follow_their_formulas(
        height in 1usize..70, width in 1usize..70, factor in 0.0f32..2.5, turn in -0.5f32..=0.5, seed in 0u64..1000,
    ) {
        let image = noise(shape(3, height, width), seed);
        let old = exact(&image);
        let pixels = height * width;
        let f = f64::from(factor);
        let grey = |at: usize| 0.2989 * old[at] + 0.587 * old[pixels + at] + 0.114 * old[2 * pixels + at];
        let mean = (0..pixels).map(grey).sum::<f64>() / pixels as f64;
        let blend = |other: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let blended = |(at, x): (usize, &f64)| (f * x + (1.0 - f) * other(at % pixels)).clamp(0.0, 1.0);
            old.iter().enumerate().map(blended).collect()
        };
        let changed = |change: &dyn Fn(&mut Image)| { let mut new = image.clone(); change(&mut new); new };
        // Values of at most 2.5, four roundings.
        let few = 10.0 * EPSILON;
        assert_near(&changed(&|i| adjust_brightness(i, factor).unwrap()), &blend(&|_| 0.0), few);
        assert_near(&changed(&|i| adjust_saturation(i, factor).unwrap()), &blend(&grey), few);
        assert_near(&changed(&grayscale), &(0..3 * pixels).map(|at| grey(at % pixels)).collect::<Vec<_>>(), few);
        // The mean is of sums of at most 64 values each, which cannot be off by more than 64 roundings of itself.
        let tolerance = few + (f - 1.0).abs() * 33.0 * EPSILON;
        assert_near(&changed(&|i| adjust_contrast(i, factor).unwrap()), &blend(&|_| mean), tolerance);
        let turned: Vec<[f64; 3]> = (0..pixels)
            .map(|at| turn_hue([old[at], old[pixels + at], old[2 * pixels + at]], f64::from(turn)))
            .collect();
        let want: Vec<f64> = (0..3 * pixels).map(|at| turned[at % pixels][at / pixels]).collect();
        // Hues in sixths, up to 12, times a range of at most 1: eight roundings.
        assert_near(&changed(&|i| adjust_hue(i, turn).unwrap()), &want, 50.0 * EPSILON);
        let threshold = factor / 2.5;
        let inverted: Vec<f64> =
            old.iter().map(|&x| if x >= f64::from(threshold) { 1.0 - x } else { x }).collect();
        assert_near(&changed(&|i| solarize(i, threshold).unwrap()), &inverted, EPSILON);
    }

    #[test]
    fn every_result_is_a_brightness((from, rect, height, width) in crops(), seed in 0u64..1000, factor in 0.0f32..100.0) {
        let image = noise(from, seed);
        let mut new = resized_crop(image.view(), rect, height, width).unwrap();
        adjust_hue(&mut new, 0.3).unwrap();
        // A rounding above 1 may come out of a filter or the turn of a hue, but not out of a blend.
        prop_assert!(new.values().iter().all(|x| (-1e-6..=1.000_001).contains(x)));
        adjust_contrast(&mut new, factor).unwrap();
        adjust_saturation(&mut new, factor).unwrap();
        prop_assert!(new.values().iter().all(|x| (0.0..=1.0).contains(x)));
    }

    #[test]
    fn flipping_twice_changes_nothing((from, _, _, _) in crops(), seed in 0u64..1000) {
        let image = noise(from, seed);
        let mut new = image.clone();
        horizontal_flip(&mut new);
        for (old, new) in image.values().chunks(from.width).zip(new.values().chunks(from.width)) {
            prop_assert!(old.iter().eq(new.iter().rev()));
        }
        horizontal_flip(&mut new);
        prop_assert_eq!(image, new);
    }
}

/// Through hue, saturation and value, with a case for each sixth.
fn turn_hue([r, g, b]: [f64; 3], turn: f64) -> [f64; 3] {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let range = max - min;
    if range == 0.0 {
        return [r, g, b];
    }
    let sixths = if max == r {
        (g - b) / range
    } else if max == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    let hue = (sixths / 6.0 + turn).rem_euclid(1.0) * 6.0;
    let (s, v, f) = (range / max, max, hue.fract());
    let (p, q, t) = (v * (1.0 - s), v * (1.0 - s * f), v * (1.0 - s * (1.0 - f)));
    match hue.floor() as usize % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

fn naive_blur(image: &Image, radius: usize, sigma: f64) -> Vec<f64> {
    let (r, from) = (radius as i64, image.shape());
    let weight = |k: i64| (-(k * k) as f64 / (2.0 * sigma * sigma)).exp();
    let sum: f64 = (-r..=r).map(weight).sum();
    let mirror = |at: i64, pixels: usize| {
        let last = pixels as i64 - 1;
        let at = at.abs();
        (if at > last { 2 * last - at } else { at }) as usize
    };
    let mut out = Vec::new();
    for plane in exact(image).chunks(from.pixels()) {
        for y in 0..from.height as i64 {
            for x in 0..from.width as i64 {
                let mut blurred = 0.0;
                for dy in -r..=r {
                    for dx in -r..=r {
                        let (row, column) =
                            (mirror(y + dy, from.height), mirror(x + dx, from.width));
                        blurred += weight(dy) * weight(dx) * plane[row * from.width + column];
                    }
                }
                out.push(blurred / (sum * sum));
            }
        }
    }
    out
}

/// Turn times shear along y times shear along x times growth, inverted by Cramer's rule.
fn naive_affine(image: &Image, map: AffineMap) -> Vec<f64> {
    let from = image.shape();
    let (sin, cos) = map.degrees.to_radians().sin_cos();
    let (kx, ky) = (
        -map.shear[0].to_radians().tan(),
        -map.shear[1].to_radians().tan(),
    );
    let product = |a: [f64; 4], b: [f64; 4]| {
        [
            a[0] * b[0] + a[1] * b[2],
            a[0] * b[1] + a[1] * b[3],
            a[2] * b[0] + a[3] * b[2],
            a[2] * b[1] + a[3] * b[3],
        ]
    };
    let m = product(
        product([cos, -sin, sin, cos], [1.0, 0.0, ky, 1.0]),
        [1.0, kx, 0.0, 1.0],
    )
    .map(|entry| entry * map.scale);
    let determinant = m[0] * m[3] - m[1] * m[2];
    let (middle_x, middle_y) = (
        (from.width as f64 - 1.0) / 2.0,
        (from.height as f64 - 1.0) / 2.0,
    );
    let mut out = Vec::new();
    for plane in exact(image).chunks(from.pixels()) {
        let pixel = |x: f64, y: f64| {
            let inside = x >= 0.0 && y >= 0.0 && x < from.width as f64 && y < from.height as f64;
            if inside {
                plane[y as usize * from.width + x as usize]
            } else {
                0.0
            }
        };
        for y in 0..from.height {
            for x in 0..from.width {
                let u = x as f64 - middle_x - map.translate[0];
                let v = y as f64 - middle_y - map.translate[1];
                let sx = (m[3] * u - m[1] * v) / determinant + middle_x;
                let sy = (m[0] * v - m[2] * u) / determinant + middle_y;
                let (x0, y0) = (sx.floor(), sy.floor());
                let (px, py) = (sx - x0, sy - y0);
                out.push(
                    (1.0 - py) * ((1.0 - px) * pixel(x0, y0) + px * pixel(x0 + 1.0, y0))
                        + py * ((1.0 - px) * pixel(x0, y0 + 1.0) + px * pixel(x0 + 1.0, y0 + 1.0)),
                );
            }
        }
    }
    out
}

#[test]
fn identity_parameters_change_no_bit() {
    for shape in [shape(3, 9, 40), shape(1, 40, 9), shape(3, 1, 1)] {
        let image = noise(shape, 3);
        let whole = Rect::whole(shape);
        let same = resized_crop(image.view(), whole, shape.height, shape.width).unwrap();
        assert_eq!(same, image);
        let mut new = image.clone();
        adjust_brightness(&mut new, 1.0).unwrap();
        adjust_contrast(&mut new, 1.0).unwrap();
        adjust_saturation(&mut new, 1.0).unwrap();
        adjust_hue(&mut new, 0.0).unwrap();
        solarize(&mut new, 1.5).unwrap();
        gaussian_blur(&mut new, 1, 1.0).unwrap();
        affine(&mut new, AffineMap::rotation(0.0)).unwrap();
        assert_eq!(new, image);
    }
}

#[test]
fn a_whole_turn_of_the_hue_is_none() {
    let image = noise(shape(3, 8, 8), 5);
    let mut new = image.clone();
    adjust_hue(&mut new, 0.5).unwrap();
    assert_ne!(new, image);
    adjust_hue(&mut new, -0.5).unwrap();
    // Two turns, see above.
    assert_near(&new, &exact(&image), 100.0 * EPSILON);
}

#[test]
fn colour_leaves_grey_images_and_grey_pixels_alone() {
    let image = noise(shape(1, 6, 7), 6);
    let mut new = image.clone();
    adjust_saturation(&mut new, 0.3).unwrap();
    adjust_hue(&mut new, 0.3).unwrap();
    grayscale(&mut new);
    assert_eq!(new, image);

    let mut grey = Image::new(shape(3, 6, 7), image.values().repeat(3)).unwrap();
    let before = grey.clone();
    adjust_hue(&mut grey, 0.3).unwrap();
    assert_eq!(grey, before);
}

#[test]
fn solarize_inverts_its_threshold_too() {
    let mut image = Image::new(shape(1, 1, 3), vec![0.125, 0.25, 0.375]).unwrap();
    solarize(&mut image, 0.25).unwrap();
    assert_eq!(image.values(), [0.125, 0.75, 0.625]);
}

#[test]
fn a_quarter_turn_is_clockwise() {
    let values = (0..9u8).map(|i| f32::from(i) / 8.0).collect();
    let mut image = Image::new(shape(1, 3, 3), values).unwrap();
    affine(&mut image, AffineMap::rotation(90.0)).unwrap();
    let want = [6, 3, 0, 7, 4, 1, 8, 5, 2].map(|i| f64::from(i) / 8.0);
    // The sine of half a turn is off by 1e-16, and so are the places.
    assert_near(&image, &want, EPSILON);
}

#[test]
fn rectangles_and_squares_become_black() {
    let white = Image::new(shape(3, 4, 5), vec![1.0; 60]).unwrap();
    let black = |image: &Image| {
        let first = image.values()[..20].iter().enumerate();
        assert_eq!(image.values()[..20], image.values()[40..]);
        first
            .filter(|(_, x)| **x == 0.0)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let mut image = white.clone();
    let rect = Rect {
        top: 1,
        left: 3,
        height: 2,
        width: 2,
    };
    erase(&mut image, rect).unwrap();
    assert_eq!(black(&image), [8, 9, 13, 14]);
    // Rows and columns 0 - 1 .. 0 + 2, as far as there are any.
    let mut image = white.clone();
    cutout(&mut image, [0, 0], 3).unwrap();
    assert_eq!(black(&image), [0, 1, 5, 6]);
    let mut image = white.clone();
    cutout(&mut image, [3, 4], usize::MAX).unwrap();
    assert_eq!(black(&image).len(), 20);
    let mut image = white;
    cutout(&mut image, [2, 2], 2).unwrap();
    assert_eq!(black(&image), [6, 7, 11, 12]);
}

#[test]
fn bytes_and_floats_are_the_same_image() {
    let shape = shape(3, 5, 6);
    let bytes: Vec<u8> = (0..90).map(|i| i * 2 + 70).collect();
    let image = Image::from_bytes(shape, &bytes).unwrap();
    assert_eq!(
        Image::from_bytes(ImageShape::new(1, 1, 2).unwrap(), &[0, 255])
            .unwrap()
            .values(),
        [0.0, 1.0]
    );
    let rect = Rect {
        top: 1,
        left: 2,
        height: 3,
        width: 4,
    };
    let from_bytes = resized_crop(ImageRef::bytes(shape, &bytes).unwrap(), rect, 7, 2).unwrap();
    assert_eq!(from_bytes, resized_crop(image.view(), rect, 7, 2).unwrap());
}

#[test]
fn one_pixel_fills_any_view_and_any_image_fits_into_one() {
    let image = noise(shape(3, 13, 11), 9);
    let pixel = Rect {
        top: 12,
        left: 10,
        height: 1,
        width: 1,
    };
    let filled = resized_crop(image.view(), pixel, 5, 4).unwrap();
    for (plane, from) in filled.values().chunks(20).zip(image.values().chunks(143)) {
        assert!(plane.iter().all(|x| *x == from[142]));
    }
    let one = resized_crop(image.view(), Rect::whole(image.shape()), 1, 1).unwrap();
    assert_eq!(one.values().len(), 3);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let image = noise(shape(3, 4, 4), 1);
    let mut new = image.clone();
    let param =
        |result: Result<(), ViewError>| matches!(result, Err(ViewError::InvalidParam { .. }));
    for factor in [-0.1, f32::NAN, f32::INFINITY] {
        assert!(param(adjust_brightness(&mut new, factor)));
        assert!(param(adjust_contrast(&mut new, factor)));
        assert!(param(adjust_saturation(&mut new, factor)));
        assert!(param(adjust_hue(&mut new, factor * 10.0)));
    }
    assert!(param(solarize(&mut new, f32::NAN)));
    for (size, sigma) in [
        (2, 1.0),
        (0, 1.0),
        (9, 1.0),
        (3, 0.0),
        (3, -1.0),
        (3, f64::NAN),
    ] {
        assert!(
            param(gaussian_blur(&mut new, size, sigma)),
            "{size}, {sigma}"
        );
    }
    let turn = AffineMap::rotation(10.0);
    for map in [
        AffineMap::rotation(f64::NAN),
        AffineMap { scale: 0.0, ..turn },
        AffineMap {
            scale: f64::INFINITY,
            ..turn
        },
        AffineMap {
            shear: [90.0, 0.0],
            ..turn
        },
        AffineMap {
            translate: [0.0, f64::INFINITY],
            ..turn
        },
    ] {
        assert!(param(affine(&mut new, map)), "{map:?}");
    }
    assert_eq!(new, image, "a refused operation changed the image");

    let rect = |top, left, height, width| Rect {
        top,
        left,
        height,
        width,
    };
    for rect in [
        rect(4, 0, 1, 1),
        rect(0, 3, 1, 2),
        rect(0, 0, 0, 1),
        rect(1, 0, usize::MAX, 1),
    ] {
        let result = resized_crop(image.view(), rect, 2, 2);
        assert!(matches!(result, Err(ViewError::Rect { .. })), "{rect:?}");
        assert!(matches!(erase(&mut new, rect), Err(ViewError::Rect { .. })));
    }
    let nothing = resized_crop(image.view(), Rect::whole(image.shape()), 0, 2);
    assert!(matches!(nothing, Err(ViewError::Shape { .. })));
    for (c, h, w) in [(2, 1, 1), (0, 1, 1), (1, 0, 1), (3, usize::MAX, 2)] {
        assert!(matches!(
            ImageShape::new(c, h, w),
            Err(ViewError::Shape { .. })
        ));
    }
    let two = ImageShape::new(1, 1, 2).unwrap();
    assert_eq!(
        Image::from_bytes(two, &[1]).unwrap_err(),
        ViewError::Length {
            expected: 2,
            got: 1
        }
    );
    for odd in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        let error = Image::new(two, vec![0.5, odd]).unwrap_err();
        assert!(matches!(error, ViewError::Value { index: 1, .. }));
    }
}
