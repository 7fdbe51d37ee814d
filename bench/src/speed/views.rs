//! `views:<recipe>`: views of random images of `--dim` x `--dim` pixels, `--n` of them; every recipe's views are as large.
//!
//! `--param channels=1` makes grey images. Of `swav` and `dino`, the small views have 3/7 of the side, as 96 is of 224.

use std::hint::black_box;

use metric_ssl::views::{ImageRef, ImageShape, Recipe, ViewError, Views};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Op, Settings, SpeedError, Work};

type Make = fn(usize) -> Result<Views, ViewError>;

/// One view for the recipes whose views are alike, so that times are of a view.
const RECIPES: &[(&str, Make)] = &[
    ("plain", |side| Views::new(vec![Recipe::plain(side)])),
    ("simclr", |side| Views::new(vec![Recipe::simclr(side, 1.0)])),
    ("simclr_cifar", |side| {
        let mut recipe = Recipe::simclr_cifar();
        recipe.side = side;
        Views::new(vec![recipe])
    }),
    ("moco_v1", |side| Views::new(vec![Recipe::moco_v1(side)])),
    ("moco_v2", |side| Views::new(vec![Recipe::moco_v2(side)])),
    ("small_grey", |side| {
        Views::new(vec![Recipe::small_grey(side)])
    }),
    ("byol", Views::byol),
    ("swav", |side| Views::swav(side, (side * 3).div_ceil(7), 6)),
    ("dino", |side| Views::dino(side, (side * 3).div_ceil(7), 8)),
];

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, make): &(&str, Make)| {
        Op::new(format!("views:{name}"), move |settings| {
            prepare(settings, make)
        })
        .with_params(&["channels"])
    };
    RECIPES.iter().map(op).collect()
}

fn prepare(settings: &Settings, make: Make) -> Result<Work, SpeedError> {
    let (n, side) = (settings.n, settings.dim);
    let channels = settings.count("channels", 3)?;
    if !matches!(channels, 1 | 3) {
        let option = "--param channels";
        return Err(SpeedError::option(option, "1 or 3", channels));
    }
    settings.check_matrix(side.saturating_mul(side).saturating_mul(channels))?;
    let refused = SpeedError::refused("views");
    let views = make(side).map_err(refused)?;
    let shape = ImageShape::new(channels, side, side).map_err(refused)?;
    let mut pixels = vec![0u8; n * shape.values()];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut pixels);
    let mut epoch = 0;
    Ok(Work::new(move || {
        let batch: Vec<_> = pixels
            .chunks_exact(shape.values())
            .map(|bytes| ImageRef::bytes(shape, bytes))
            .collect::<Result<_, _>>()
            .map_err(refused)?;
        let draws: Vec<u64> = (0..n as u64)
            .map(|index| epoch * n as u64 + index)
            .collect();
        epoch += 1;
        black_box(views.make(&batch, 1, &draws).map_err(refused)?);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed::{Request, measure};

    #[test]
    fn every_recipe_can_be_timed_in_grey_and_colour() {
        for channels in ["1", "3"] {
            let settings = Settings::new(&Request {
                n: Some(2),
                dim: Some(7),
                repeat: Some(1),
                threads: Some(1),
                params: [("channels".to_owned(), channels.to_owned())].into(),
                ..Request::default()
            });
            let settings = settings.unwrap();
            for (name, _) in RECIPES {
                measure(&format!("views:{name}"), &settings).unwrap();
            }
        }
    }

    #[test]
    fn recipes_survive_json_and_unknown_keys_do_not() {
        for (_, make) in RECIPES {
            for recipe in make(32).unwrap().recipes() {
                let text = serde_json::to_string(recipe).unwrap();
                assert_eq!(*recipe, serde_json::from_str::<Recipe>(&text).unwrap());
            }
        }
        let read = |text: &str| serde_json::from_str::<Recipe>(text);
        let flip = r#"{"side": 8, "transforms": [{"kind": "horizontal_flip", "p": 0.5}]}"#;
        assert_eq!(read(flip).unwrap().transforms.len(), 1);
        assert!(read(&flip.replace("0.5", r#"0.5, "q": 1"#)).is_err());
        assert!(read(&flip.replace("horizontal", "vertical")).is_err());
    }
}
