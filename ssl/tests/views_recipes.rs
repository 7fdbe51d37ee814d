//! What recipes draw, and what they make of it.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use metric_ssl::views::{
    ColorStep, Image, ImageRef, ImageShape, Plan, Recipe, Rect, Step, Transform, ViewError, Views,
};
use metric_testkit::chance::assert_follows;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn shape(channels: usize, height: usize, width: usize) -> ImageShape {
    ImageShape::new(channels, height, width).unwrap()
}

fn noise(shape: ImageShape, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..shape.values()).map(|_| rng.random()).collect()
}

fn plans(transform: Transform, side: usize, source: ImageShape, times: usize) -> Vec<Plan> {
    let recipe = Recipe {
        side,
        transforms: vec![transform],
    };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..times)
        .map(|_| recipe.plan(source, &mut rng).unwrap())
        .collect()
}

fn histogram(bins: usize, places: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut counts = vec![0.0; bins];
    for place in places {
        counts[((place * bins as f64) as usize).min(bins - 1)] += 1.0;
    }
    counts
}

fn assert_uniform(bins: usize, places: impl Iterator<Item = f64>) {
    assert_follows(&histogram(bins, places), &vec![1.0 / bins as f64; bins]);
}

const QUARTERS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// Every kind once.
fn all_transforms() -> Vec<Transform> {
    vec![
        Transform::RandomResizedCrop {
            scale: [0.1, 1.0],
            ratio: QUARTERS,
        },
        Transform::HorizontalFlip { p: 0.5 },
        Transform::ColorJitter {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
            p: 0.8,
        },
        Transform::RandomGrayscale { p: 0.5 },
        Transform::GaussianBlur {
            sigma: [0.1, 2.0],
            p: 0.5,
        },
        Transform::Solarize {
            threshold: 0.5,
            p: 0.5,
        },
        Transform::RandomRotation { degrees: 10.0 },
        Transform::RandomAffine {
            degrees: 5.0,
            translate: [0.1, 0.2],
            scale: [0.9, 1.1],
            shear: [5.0, 0.0],
        },
        Transform::HorizontalFlip { p: 0.5 },
        Transform::RandomErasing {
            scale: [0.02, 0.33],
            ratio: [0.3, 3.3],
            p: 0.5,
        },
        Transform::Cutout { length: 3, p: 0.5 },
    ]
}

#[test]
fn areas_and_ratios_of_crops_are_uniform_and_log_uniform_within_bounds() {
    // Of 10^6 pixels; a share of at most 3/4 fits at any ratio drawn.
    let (low, high) = (0.2, 0.75);
    let crop = Transform::RandomResizedCrop {
        scale: [low, high],
        ratio: QUARTERS,
    };
    let plans = plans(crop, 8, shape(1, 1000, 1000), 5000);
    // Half a pixel of at least 387 a side.
    let rounding = 2.0 * 0.5 / 387.0;
    let area = |plan: &Plan| (plan.crop.height * plan.crop.width) as f64 / 1e6;
    let ratio = |plan: &Plan| (plan.crop.width as f64 / plan.crop.height as f64).ln();
    let most = QUARTERS[1].ln();
    for plan in &plans {
        assert!((low * (1.0 - rounding)..=high * (1.0 + rounding)).contains(&area(plan)));
        assert!(ratio(plan).abs() <= most + rounding);
    }
    let share = |plan: &Plan| ((area(plan) - low) / (high - low)).max(0.0);
    assert_uniform(20, plans.iter().map(share));
    let place = |plan: &Plan| ((ratio(plan) + most) / (2.0 * most)).max(0.0);
    assert_uniform(20, plans.iter().map(place));
}

#[test]
fn crops_lie_anywhere() {
    let crop = Transform::RandomResizedCrop {
        scale: [0.25; 2],
        ratio: [1.0; 2],
    };
    let plans = plans(crop, 8, shape(3, 8, 8), 5000);
    assert!(
        plans
            .iter()
            .all(|p| (p.crop.height, p.crop.width) == (4, 4))
    );
    let cell = |plan: &Plan| (plan.crop.top * 5 + plan.crop.left) as f64 / 25.0 + 1e-9;
    assert_uniform(25, plans.iter().map(cell));
}

#[test]
fn a_crop_that_never_fits_is_the_largest_about_the_centre() {
    let crop = |source| {
        let crop = Transform::RandomResizedCrop {
            scale: [1.0; 2],
            ratio: QUARTERS,
        };
        plans(crop, 4, source, 1)[0].crop
    };
    let rect = |top, left, height, width| Rect {
        top,
        left,
        height,
        width,
    };
    // 30 · 4/3 = 40 of 400 columns, and the other way round.
    assert_eq!(crop(shape(1, 30, 400)), rect(0, 180, 30, 40));
    assert_eq!(crop(shape(1, 400, 30)), rect(180, 0, 40, 30));
    assert_eq!(crop(shape(1, 1, 9)), rect(0, 4, 1, 1));
}

#[test]
fn chances_are_kept() {
    let often = |transform, seen: fn(&Plan) -> bool| {
        let plans = plans(transform, 40, shape(3, 8, 8), 4000);
        let times = plans.iter().filter(|plan| seen(plan)).count() as f64;
        assert_follows(&[times, 4000.0 - times], &[0.3, 0.7]);
    };
    let p = 0.3;
    often(Transform::HorizontalFlip { p }, |plan| plan.is_flipped);
    let any = |plan: &Plan| !plan.steps.is_empty();
    often(Transform::RandomGrayscale { p }, any);
    let threshold = 0.5;
    often(Transform::Solarize { threshold, p }, any);
    let sigma = [0.1, 2.0];
    often(Transform::GaussianBlur { sigma, p }, any);
    often(Transform::Cutout { length: 3, p }, any);
    let (scale, ratio) = ([0.02, 0.33], [0.3, 3.3]);
    often(Transform::RandomErasing { scale, ratio, p }, any);
    let (brightness, contrast, saturation, hue) = (0.4, 0.4, 0.4, 0.1);
    let jitter = Transform::ColorJitter {
        brightness,
        contrast,
        saturation,
        hue,
        p,
    };
    often(jitter, any);
}

#[test]
fn a_jitter_has_every_order_and_every_factor() {
    let jitter = Transform::ColorJitter {
        brightness: 0.4,
        contrast: 2.0,
        saturation: 0.1,
        hue: 0.5,
        p: 1.0,
    };
    let plans = plans(jitter, 8, shape(3, 8, 8), 5000);
    let mut orders = vec![0.0; 256];
    let mut factors: [Vec<f64>; 4] = Default::default();
    for plan in &plans {
        let mut order = 0;
        for step in &plan.steps {
            let (kind, factor) = match *step {
                Step::Color(ColorStep::Brightness(factor)) => (0, factor),
                Step::Color(ColorStep::Contrast(factor)) => (1, factor),
                Step::Color(ColorStep::Saturation(factor)) => (2, factor),
                Step::Color(ColorStep::Hue(factor)) => (3, factor),
                other => panic!("{other:?} is not part of a jitter"),
            };
            order = order * 4 + kind;
            factors[kind].push(f64::from(factor));
        }
        assert_eq!(plan.steps.len(), 4);
        orders[order] += 1.0;
    }
    orders.retain(|&times| times > 0.0);
    assert_follows(&orders, &[1.0 / 24.0; 24]);
    for (values, [low, high]) in
        factors
            .iter()
            .zip([[0.6, 1.4], [0.0, 3.0], [0.9, 1.1], [-0.5, 0.5]])
    {
        // A factor is rounded to f32.
        assert!(
            values
                .iter()
                .all(|v| (low - 1e-7..=high + 1e-7).contains(v))
        );
        assert_uniform(
            20,
            values.iter().map(|v| ((v - low) / (high - low)).max(0.0)),
        );
    }
}

#[test]
fn erased_parts_keep_their_bounds_and_squares_their_centres() {
    let (scale, ratio) = ([0.02, 0.33], [0.3, 3.3]);
    let erasing = Transform::RandomErasing {
        scale,
        ratio,
        p: 1.0,
    };
    for plan in plans(erasing, 100, shape(1, 8, 8), 2000) {
        let &[Step::Erase(rect)] = plan.steps.as_slice() else {
            panic!("{:?} is not a rectangle", plan.steps)
        };
        // Sides of at least 7 pixels are rounded.
        let area = (rect.height * rect.width) as f64 / 1e4;
        assert!((0.02 * 0.85..=0.33 * 1.15).contains(&area), "{rect:?}");
        assert!((0.3 * 0.85..=3.3 * 1.15).contains(&(rect.height as f64 / rect.width as f64)));
        assert!(rect.top + rect.height <= 100 && rect.left + rect.width <= 100);
    }
    let cutout = Transform::Cutout { length: 1, p: 1.0 };
    let cells = plans(cutout, 5, shape(1, 8, 8), 5000);
    let cell = |plan: &Plan| match plan.steps[..] {
        [Step::Erase(rect)] => (rect.top * 5 + rect.left) as f64 / 25.0 + 1e-9,
        _ => f64::NAN,
    };
    assert_uniform(25, cells.iter().map(cell));
}

#[test]
fn turns_moves_and_shears_keep_their_bounds() {
    let map = Transform::RandomAffine {
        degrees: 30.0,
        translate: [0.25, 0.0],
        scale: [0.5, 2.0],
        shear: [0.0, 10.0],
    };
    let drawn: Vec<_> = plans(map, 8, shape(1, 8, 8), 3000)
        .into_iter()
        .map(|plan| match plan.steps[..] {
            [Step::Affine(map)] => map,
            _ => panic!("{:?} is not an affine map", plan.steps),
        })
        .collect();
    assert_uniform(10, drawn.iter().map(|map| (map.degrees + 30.0) / 60.0));
    assert_uniform(10, drawn.iter().map(|map| (map.scale - 0.5) / 1.5));
    assert_uniform(10, drawn.iter().map(|map| (map.shear[1] + 10.0) / 20.0));
    assert!(
        drawn
            .iter()
            .all(|map| map.shear[0] == 0.0 && map.translate[1] == 0.0)
    );
    // A quarter of 8 pixels, rounded: the ends are reached from one side only.
    let mut moves = vec![0.0; 5];
    drawn
        .iter()
        .for_each(|map| moves[(map.translate[0] + 2.0) as usize] += 1.0);
    assert_follows(&moves, &[0.125, 0.25, 0.25, 0.25, 0.125]);
}

#[test]
fn a_view_is_what_its_plan_says() {
    use metric_ssl::views::{
        adjust_brightness, affine, erase, gaussian_blur, horizontal_flip, resized_crop, solarize,
    };
    let recipe = Recipe {
        side: 23,
        transforms: all_transforms(),
    };
    for seed in 0..40 {
        let source = shape(3, 31, 17);
        let image = Image::from_bytes(source, &noise(source, seed)).unwrap();
        let plan = recipe
            .plan(source, &mut ChaCha8Rng::seed_from_u64(seed))
            .unwrap();
        let mut want = resized_crop(image.view(), plan.crop, 23, 23).unwrap();
        if plan.is_flipped {
            horizontal_flip(&mut want);
        }
        for step in &plan.steps {
            use metric_ssl::views as v;
            match *step {
                Step::Color(ColorStep::Brightness(f)) => adjust_brightness(&mut want, f).unwrap(),
                Step::Color(ColorStep::Contrast(f)) => v::adjust_contrast(&mut want, f).unwrap(),
                Step::Color(ColorStep::Saturation(f)) => {
                    v::adjust_saturation(&mut want, f).unwrap();
                }
                Step::Color(ColorStep::Hue(f)) => v::adjust_hue(&mut want, f).unwrap(),
                Step::Color(ColorStep::Grayscale) => v::grayscale(&mut want),
                Step::Color(ColorStep::Solarize(t)) => solarize(&mut want, t).unwrap(),
                Step::Blur { kernel_size, sigma } => {
                    gaussian_blur(&mut want, kernel_size, sigma).unwrap();
                }
                Step::Flip => horizontal_flip(&mut want),
                Step::Affine(map) => affine(&mut want, map).unwrap(),
                Step::Erase(rect) => erase(&mut want, rect).unwrap(),
            }
        }
        let got = recipe
            .view(image.view(), &mut ChaCha8Rng::seed_from_u64(seed))
            .unwrap();
        // Mirrored or not, taps are added in the order of the source, and colours one block at a time as all at once.
        assert_eq!(got, want, "seed {seed}");
    }
}

#[test]
fn a_flip_joins_the_crop_unless_something_before_it_knows_left_from_right() {
    let plan = |before: Transform| {
        let transforms = vec![before, Transform::HorizontalFlip { p: 1.0 }];
        let recipe = Recipe {
            side: 8,
            transforms,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        recipe.plan(shape(3, 8, 8), &mut rng).unwrap()
    };
    let sigma = [1.0, 1.0];
    let blurred = plan(Transform::GaussianBlur { sigma, p: 1.0 });
    assert!(blurred.is_flipped && !blurred.steps.contains(&Step::Flip));
    for before in [
        Transform::Cutout { length: 3, p: 1.0 },
        Transform::RandomRotation { degrees: 30.0 },
    ] {
        let plan = plan(before);
        assert!(!plan.is_flipped);
        assert_eq!(plan.steps.last(), Some(&Step::Flip));
    }
    let twice = plan(Transform::HorizontalFlip { p: 1.0 });
    assert!(!twice.is_flipped && twice.steps.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_bits_on_one_thread_and_two_and_in_any_batch() {
    let shapes = [
        shape(3, 32, 32),
        shape(3, 20, 48),
        shape(3, 1, 1),
        shape(3, 64, 5),
    ];
    let pixels: Vec<_> = (0..40).map(|i| noise(shapes[i % 4], i as u64)).collect();
    let batch: Vec<_> = (0..40)
        .map(|i| ImageRef::bytes(shapes[i % 4], &pixels[i]).unwrap())
        .collect();
    let draws: Vec<u64> = (100..140).collect();
    let transforms = all_transforms();
    let views = Views::new(vec![
        Recipe::simclr(24, 1.0),
        Recipe {
            side: 9,
            transforms,
        },
        Recipe::plain(16),
    ])
    .unwrap();
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| views.make(&batch, 5, &draws).unwrap())
    };
    let one = made(1);
    assert_eq!(one, made(2));
    assert_eq!(one, made(5));
    assert_eq!(
        one.iter().map(|view| view.dim()).collect::<Vec<_>>(),
        [(40, 3, 24, 24), (40, 3, 9, 9), (40, 3, 16, 16)]
    );
    let alone = views.make(&batch[7..8], 5, &draws[7..8]).unwrap();
    for (all, alone) in one.iter().zip(&alone) {
        assert_eq!(
            all.index_axis(ndarray::Axis(0), 7),
            alone.index_axis(ndarray::Axis(0), 0)
        );
    }
    let other = |seed, draw| views.make(&batch[..1], seed, &[draw]).unwrap();
    assert_ne!(other(5, 100)[0], other(5, 101)[0]);
    assert_ne!(other(5, 100)[0], other(6, 100)[0]);
    assert_eq!(
        other(5, 100)[2],
        other(6, 101)[2],
        "nothing is random in a plain recipe"
    );
    let twins = Views::pair(Recipe::simclr(24, 1.0))
        .unwrap()
        .make(&batch, 5, &draws)
        .unwrap();
    assert_ne!(twins[0], twins[1]);
}

#[test]
fn grey_stays_grey_in_every_recipe() {
    let recipes = [
        Recipe::simclr(12, 1.0),
        Recipe::moco_v1(12),
        Recipe::moco_v2(12),
        Recipe::small_grey(12),
    ];
    let views = Views::new(recipes.into()).unwrap();
    let pixels = noise(shape(1, 28, 28), 1);
    let grey = ImageRef::bytes(shape(1, 28, 28), &pixels).unwrap();
    let three = pixels.repeat(3);
    let rgb = ImageRef::bytes(shape(3, 28, 28), &three).unwrap();
    let draws: Vec<u64> = (0..20).collect();
    let (grey, rgb) = (
        views.make(&[grey; 20], 1, &draws).unwrap(),
        views.make(&[rgb; 20], 1, &draws).unwrap(),
    );
    for (grey, rgb) in grey.iter().zip(&rgb) {
        assert_eq!(grey.dim(), (20, 1, 12, 12));
        for (one, three) in grey.outer_iter().zip(rgb.outer_iter()) {
            for plane in three.outer_iter() {
                // The weights of grey add up to 0.9999: saturation, contrast and grayscale take off 1e-4 at most, and the
                // jitter multiplies that by 1.8 at most three times, 3e-4 · 1.8³ in all.
                let gap = (&one.index_axis(ndarray::Axis(0), 0) - &plane).mapv(f32::abs);
                assert!(gap.iter().all(|&gap| gap < 2e-3), "{gap}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_image_gives_any_view(
        height in 1usize..40, width in 1usize..40, side in 1usize..45, channels in prop_oneof![Just(1usize), Just(3)], seed in 0u64..1000,
    ) {
        let source = shape(channels, height, width);
        let pixels = noise(source, seed);
        let image = ImageRef::bytes(source, &pixels).unwrap();
        let transforms = all_transforms();
        let views = Views::new(vec![Recipe::simclr(side, 1.0), Recipe { side, transforms }]).unwrap();
        for view in views.make(&[image, image], seed, &[0, 1]).unwrap() {
            prop_assert_eq!(view.dim(), (2, channels, side, side));
            prop_assert!(view.iter().all(|x| (-1e-6..=1.000_001).contains(x)));
        }
    }
}

#[test]
fn papers_recipes_are_valid_and_as_many_as_they_say() {
    assert_eq!(Views::byol(224).unwrap().recipes().len(), 2);
    let sides = |views: Views| {
        views
            .recipes()
            .iter()
            .map(|recipe| recipe.side)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        sides(Views::swav(224, 96, 3).unwrap()),
        [224, 224, 96, 96, 96]
    );
    assert_eq!(sides(Views::dino(32, 16, 2).unwrap()), [32, 32, 16, 16]);
    for recipe in [
        Recipe::simclr(224, 1.0),
        Recipe::simclr_cifar(),
        Recipe::moco_v1(32),
        Recipe::moco_v2(32),
        Recipe::small_grey(28),
        Recipe::plain(1),
    ] {
        recipe.validate().unwrap();
    }
    let blurs = |recipe: &Recipe| {
        let plan = recipe
            .plan(shape(3, 8, 8), &mut ChaCha8Rng::seed_from_u64(1))
            .unwrap();
        plan.steps.iter().find_map(|step| match *step {
            Step::Blur { kernel_size, .. } => Some(kernel_size),
            _ => None,
        })
    };
    // A tenth of the side, odd; none where one pixel is all there is to see.
    for (side, kernel) in [(224, 23), (96, 9), (32, 3), (2, 3), (1, 1)] {
        assert_eq!(
            blurs(&Views::byol(side).unwrap().recipes()[0]),
            Some(kernel)
        );
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let validate = |transform: &Transform| {
        let transforms = vec![transform.clone()];
        Recipe {
            side: 8,
            transforms,
        }
        .validate()
    };
    let crop = |scale, ratio| Transform::RandomResizedCrop { scale, ratio };
    for transform in [
        crop([0.0, 1.0], QUARTERS),
        crop([0.5, 0.4], QUARTERS),
        crop([0.5, 1.1], QUARTERS),
        crop([f64::NAN, 1.0], QUARTERS),
        crop([0.5, 1.0], [0.0, 1.0]),
        crop([0.5, 1.0], [1.0, f64::INFINITY]),
        Transform::GaussianBlur {
            sigma: [0.0, 1.0],
            p: 0.5,
        },
        Transform::RandomErasing {
            scale: [0.0, 0.1],
            ratio: QUARTERS,
            p: 0.5,
        },
    ] {
        let error = validate(&transform);
        assert!(
            matches!(error, Err(ViewError::InvalidRange { .. })),
            "{transform:?}"
        );
    }
    let jitter = |brightness, hue, p| Transform::ColorJitter {
        brightness,
        contrast: 0.4,
        saturation: 0.4,
        hue,
        p,
    };
    for transform in [
        Transform::HorizontalFlip { p: 1.1 },
        Transform::RandomGrayscale { p: -0.1 },
        Transform::Solarize {
            threshold: f64::NAN,
            p: 0.1,
        },
        Transform::Solarize {
            threshold: 0.5,
            p: f64::NAN,
        },
        jitter(-0.1, 0.1, 0.5),
        jitter(f64::INFINITY, 0.1, 0.5),
        jitter(0.4, 0.6, 0.5),
        jitter(0.4, 0.1, 2.0),
        Transform::RandomRotation { degrees: -1.0 },
        Transform::RandomAffine {
            degrees: 0.0,
            translate: [1.5, 0.0],
            scale: [1.0; 2],
            shear: [0.0; 2],
        },
        Transform::RandomAffine {
            degrees: 0.0,
            translate: [0.0; 2],
            scale: [1.0; 2],
            shear: [0.0, 90.0],
        },
        Transform::Cutout { length: 0, p: 0.5 },
    ] {
        let error = validate(&transform);
        assert!(
            matches!(error, Err(ViewError::InvalidParam { .. })),
            "{transform:?}"
        );
    }
    let recipe = |side, transforms| Recipe { side, transforms };
    assert!(recipe(0, vec![]).validate().is_err());
    assert!(recipe(usize::MAX, vec![]).validate().is_err());
    let first = crop([0.5, 1.0], QUARTERS);
    let twice = recipe(8, vec![first.clone(), first]);
    assert_eq!(twice.validate(), Err(ViewError::CropNotFirst { index: 1 }));
    assert_eq!(Views::new(vec![]), Err(ViewError::NoRecipe));
    assert!(Views::new(vec![Recipe::plain(8), twice]).is_err());

    let views = Views::pair(Recipe::plain(4)).unwrap();
    let (grey, rgb) = ([0u8; 4], [0u8; 12]);
    let grey = ImageRef::bytes(shape(1, 2, 2), &grey).unwrap();
    let rgb = ImageRef::bytes(shape(3, 2, 2), &rgb).unwrap();
    assert_eq!(
        views.make(&[grey], 1, &[]),
        Err(ViewError::Draws {
            images: 1,
            draws: 0
        })
    );
    let mixed = views.make(&[grey, grey, rgb], 1, &[0, 1, 2]);
    assert_eq!(
        mixed,
        Err(ViewError::Channels {
            index: 2,
            expected: 1,
            got: 3
        })
    );
    assert_eq!(views.make(&[], 1, &[]).unwrap()[1].dim(), (0, 1, 4, 4));
}
