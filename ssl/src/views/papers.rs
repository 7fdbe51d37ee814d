//! The recipes of papers, with where their numbers come from.

use super::{Recipe, Transform, ViewError, Views};

/// Width by height of a crop, in every recipe here: torchvision's default, which all the papers' code leaves as it is.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Standard deviation of a blur, in every recipe here (SimCLR, appendix A; the others follow).
const SIGMA: [f64; 2] = [0.1, 2.0];
const FLIP: Transform = Transform::HorizontalFlip { p: 0.5 };
const GRAYSCALE: Transform = Transform::RandomGrayscale { p: 0.2 };
/// BYOL's, appendix B; MoCo v2 differs in the saturation.
const BYOL_JITTER: Transform = jitter([0.4, 0.4, 0.2, 0.1], 0.8);

const fn crop(low: f64, high: f64) -> Transform {
    Transform::RandomResizedCrop {
        scale: [low, high],
        ratio: RATIO,
    }
}

const fn jitter([brightness, contrast, saturation, hue]: [f64; 4], p: f64) -> Transform {
    Transform::ColorJitter {
        brightness,
        contrast,
        saturation,
        hue,
        p,
    }
}

const fn blur(p: f64) -> Transform {
    Transform::GaussianBlur { sigma: SIGMA, p }
}

const fn solarize(p: f64) -> Transform {
    Transform::Solarize { threshold: 0.5, p }
}

const fn simclr_jitter(strength: f64) -> Transform {
    let by = 0.8 * strength;
    jitter([by, by, by, 0.2 * strength], 0.8)
}

impl Recipe {
    /// The image brought to `side`, and nothing else: what a view is compared with when a model is judged.
    pub fn plain(side: usize) -> Self {
        let transforms = Vec::new();
        Self { side, transforms }
    }

    /// SimCLR (Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, ICML 2020,
    /// <https://arxiv.org/abs/2002.05709>, appendix A): crop of 8 % to 100 % of the area, flip 1/2, jitter of 0.8, 0.8, 0.8
    /// and 0.2 times `strength` with p 0.8, grayscale 0.2, blur σ 0.1 to 2 with p 1/2. The paper's strength is 1 at side 224.
    pub fn simclr(side: usize, strength: f64) -> Self {
        let transforms = vec![
            crop(0.08, 1.0),
            FLIP,
            simclr_jitter(strength),
            GRAYSCALE,
            blur(0.5),
        ];
        Self { side, transforms }
    }

    /// SimCLR on CIFAR (the same, appendix B.9): 32 x 32, strength 1/2 and no blur.
    pub fn simclr_cifar() -> Self {
        let transforms = vec![crop(0.08, 1.0), FLIP, simclr_jitter(0.5), GRAYSCALE];
        Self {
            side: 32,
            transforms,
        }
    }

    /// MoCo (He et al., *Momentum Contrast for Unsupervised Visual Representation Learning*, CVPR 2020,
    /// <https://arxiv.org/abs/1911.05722>, section 3.3; numbers from the authors' code): crop of 20 % to 100 %, grayscale 0.2,
    /// jitter of 0.4 for all four, always, flip 1/2.
    pub fn moco_v1(side: usize) -> Self {
        let transforms = vec![crop(0.2, 1.0), GRAYSCALE, jitter([0.4; 4], 1.0), FLIP];
        Self { side, transforms }
    }

    /// MoCo v2 (Chen et al., *Improved Baselines with Momentum Contrastive Learning*, 2020,
    /// <https://arxiv.org/abs/2003.04297>; numbers from the authors' code): crop of 20 % to 100 %, jitter of 0.4, 0.4, 0.4
    /// and 0.1 with p 0.8, grayscale 0.2, blur σ 0.1 to 2 with p 1/2, flip 1/2.
    pub fn moco_v2(side: usize) -> Self {
        let transforms = vec![
            crop(0.2, 1.0),
            jitter([0.4, 0.4, 0.4, 0.1], 0.8),
            GRAYSCALE,
            blur(0.5),
            FLIP,
        ];
        Self { side, transforms }
    }

    /// For small grey images such as those of Fashion-MNIST (side 28) and Omniglot: crop of 20 % to 100 %, flip 1/2, jitter of
    /// brightness and contrast by 0.4 with p 0.8.
    ///
    /// From no paper: MoCo's crop, which keeps more of a small image than SimCLR's, and as much of MoCo v2's jitter as is left
    /// where there is no colour. No blur, as SimCLR on CIFAR.
    pub fn small_grey(side: usize) -> Self {
        let transforms = vec![crop(0.2, 1.0), FLIP, jitter([0.4, 0.4, 0.0, 0.0], 0.8)];
        Self { side, transforms }
    }

    /// [`small_grey`](Self::small_grey) without the flip: a mirrored character is another one. For Omniglot and digits.
    pub fn characters(side: usize) -> Self {
        let mut recipe = Self::small_grey(side);
        recipe.transforms.retain(|transform| *transform != FLIP);
        recipe
    }

    /// What BYOL and those after it do: crop, flip, jitter, grayscale, blur and solarize with these chances.
    fn byol(side: usize, scale: [f64; 2], blur_p: f64, solarize_p: f64) -> Self {
        let mut transforms = vec![
            crop(scale[0], scale[1]),
            FLIP,
            BYOL_JITTER,
            GRAYSCALE,
            blur(blur_p),
        ];
        if solarize_p > 0.0 {
            transforms.push(solarize(solarize_p));
        }
        Self { side, transforms }
    }
}

impl Views {
    /// Two views of one recipe.
    ///
    /// # Errors
    /// As [`Views::new`].
    pub fn pair(recipe: Recipe) -> Result<Self, ViewError> {
        Self::new(vec![recipe.clone(), recipe])
    }

    /// BYOL (Grill et al., *Bootstrap Your Own Latent*, NeurIPS 2020, <https://arxiv.org/abs/2006.07733>, appendix B):
    /// crop of 8 % to 100 %, flip 1/2, jitter of 0.4, 0.4, 0.2 and 0.1 with p 0.8, grayscale 0.2, σ 0.1 to 2; the first view
    /// is always blurred, the second with p 0.1 and solarized with p 0.2. Barlow Twins and VICReg use the same.
    ///
    /// Deviates from the paper: bilinear where it is bicubic; σ is in pixels at any side.
    ///
    /// # Errors
    /// [`ViewError`] if the side is 0 or too large.
    pub fn byol(side: usize) -> Result<Self, ViewError> {
        let scale = [0.08, 1.0];
        Self::new(vec![
            Recipe::byol(side, scale, 1.0, 0.0),
            Recipe::byol(side, scale, 0.1, 0.2),
        ])
    }

    /// `SwAV`'s multi-crop (Caron et al., *Unsupervised Learning of Visual Features by Contrasting Cluster Assignments*, NeurIPS
    /// 2020, <https://arxiv.org/abs/2006.09882>, section 3.2; numbers from the authors' code): two views of side `large` with
    /// 14 % to 100 % of the area, then `n_small` of side `small` with 5 % to 14 %; flip 1/2, SimCLR's jitter of strength 1,
    /// grayscale 0.2, blur with p 1/2. The paper has sides 224 and 96, and 6 small ones.
    ///
    /// # Errors
    /// [`ViewError`] if a side is 0 or too large.
    pub fn swav(large: usize, small: usize, n_small: usize) -> Result<Self, ViewError> {
        let recipe = |side, low, high| Recipe {
            side,
            transforms: vec![
                crop(low, high),
                FLIP,
                simclr_jitter(1.0),
                GRAYSCALE,
                blur(0.5),
            ],
        };
        let mut recipes = vec![recipe(large, 0.14, 1.0); 2];
        recipes.resize(2 + n_small, recipe(small, 0.05, 0.14));
        Self::new(recipes)
    }

    /// DINO's multi-crop (Caron et al., *Emerging Properties in Self-Supervised Vision Transformers*, ICCV 2021,
    /// <https://arxiv.org/abs/2104.14294>, section 3.1 and the authors' code): two views of side `global` with 40 % to 100 %
    /// of the area, the first always blurred, the second with p 0.1 and solarized with p 0.2; then `n_local` of side `local`
    /// with 5 % to 40 %, blurred with p 1/2; the rest as [`byol`](Self::byol). The paper has sides 224 and 96, and 8 or 10
    /// local ones.
    ///
    /// Deviates from the code: bilinear where it is bicubic, and the Gaussian is cut off where BYOL cuts it.
    ///
    /// # Errors
    /// [`ViewError`] if a side is 0 or too large.
    pub fn dino(global: usize, local: usize, n_local: usize) -> Result<Self, ViewError> {
        let mut recipes = vec![
            Recipe::byol(global, [0.4, 1.0], 1.0, 0.0),
            Recipe::byol(global, [0.4, 1.0], 0.1, 0.2),
        ];
        let small = Recipe::byol(local, [0.05, 0.4], 0.5, 0.0);
        recipes.resize(2 + n_local, small);
        Self::new(recipes)
    }
}
