//! What was drawn for one view, and the worker that does it.

use super::affine::{self, AffineMap};
use super::blur::Blur;
use super::image::Canvas;
use super::resize::{self, Resizer};
use super::{ColorStep, ImageRef, Rect, color, erase};

/// One change of a view, its numbers drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Of colours.
    Color(ColorStep),
    /// See [`gaussian_blur`](super::gaussian_blur).
    Blur {
        /// Pixels of the kernel, odd.
        kernel_size: usize,
        /// Standard deviation.
        sigma: f64,
    },
    /// See [`horizontal_flip`](super::horizontal_flip).
    Flip,
    /// See [`affine`](super::affine).
    Affine(AffineMap),
    /// See [`erase`](super::erase).
    Erase(Rect),
}

/// All that happens to an image on its way to a view.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The part of the image that becomes the view.
    pub crop: Rect,
    /// Whether it is mirrored as it is cut out.
    pub is_flipped: bool,
    /// What is done to the view then.
    pub steps: Vec<Step>,
}

impl Plan {
    pub(super) fn reset(&mut self, crop: Rect) {
        self.crop = crop;
        self.is_flipped = false;
        self.steps.clear();
    }

    /// Mirrors: while the image is cut out, unless something came before that knows left from right.
    pub(super) fn flip(&mut self) {
        let knows_side = |step: &Step| !matches!(step, Step::Color(_) | Step::Blur { .. });
        if self.steps.iter().any(knows_side) {
            self.steps.push(Step::Flip);
        } else {
            self.is_flipped = !self.is_flipped;
        }
    }
}

/// Makes views one after the other, and keeps its buffers.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) plan: Plan,
    resizer: Resizer,
    blur: Blur,
    source: Vec<f32>,
    colors: Vec<ColorStep>,
}

impl Worker {
    pub(super) fn new() -> Self {
        let crop = Rect {
            top: 0,
            left: 0,
            height: 0,
            width: 0,
        };
        Self {
            plan: Plan {
                crop,
                is_flipped: false,
                steps: Vec::new(),
            },
            resizer: Resizer::default(),
            blur: Blur::default(),
            source: Vec::new(),
            colors: Vec::new(),
        }
    }

    /// Does what is planned. `out` is as large as a view, with as many channels as the image.
    pub(super) fn run(&mut self, image: ImageRef<'_>, out: &mut Canvas<'_>) {
        let plan = &self.plan;
        self.resizer.resize(image, plan.crop, plan.is_flipped, out);
        self.colors.clear();
        for &step in &plan.steps {
            if let Step::Color(step) = step {
                self.colors.push(step);
                continue;
            }
            // Colours wait for each other, to be done in one walk through the view.
            color::run(out, &self.colors);
            self.colors.clear();
            match step {
                Step::Blur { kernel_size, sigma } => self.blur.run(out, kernel_size, sigma),
                Step::Affine(map) => affine::run(out, map, &mut self.source),
                Step::Erase(rect) => erase::run(out, rect),
                Step::Flip => resize::flip(out),
                Step::Color(_) => {}
            }
        }
        color::run(out, &self.colors);
    }
}
