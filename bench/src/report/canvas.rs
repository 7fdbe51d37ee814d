//! An RGB buffer to draw on, saved as PNG in one step.

use std::path::Path;
use std::sync::OnceLock;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontStyle, IntoFont, RGBColor, TextStyle, WHITE, register_font as register,
};

use super::ReportError;
use crate::whole_file::write_whole;

/// Pixels a side: beyond it viewers give up, and the buffer alone would take gigabytes.
const LARGEST_SIDE: usize = 16_384;

const FONT: &str = "ubuntu-light";

pub(super) const INK: RGBColor = RGBColor(0x22, 0x26, 0x2b);
pub(super) const MUTED: RGBColor = RGBColor(0x5b, 0x63, 0x6d);
/// Background.
pub(super) const PAPER: RGBColor = WHITE;
pub(super) const FAINT: RGBColor = RGBColor(0xd9, 0xdd, 0xe2);

/// How far below a mark's centre text must be placed to look level with it: letters sit high in their box.
pub(super) const LIFT: i32 = 4;

pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A white picture of fixed size.
pub(super) struct Canvas<'p> {
    path: &'p Path,
    width: u32,
    height: u32,
    pixels: Vec<u8>, // [height, width, 3]
}

impl<'p> Canvas<'p> {
    pub(super) fn new(path: &'p Path, width: usize, height: usize) -> Result<Self, ReportError> {
        if width.max(height) > LARGEST_SIDE {
            return Err(ReportError::TooLarge {
                path: path.to_owned(),
                width,
                height,
                limit: LARGEST_SIDE,
            });
        }
        let (width, height) = (width.max(1), height.max(1));
        Ok(Self {
            path,
            width: width as u32,
            height: height as u32,
            pixels: vec![0xff; width * height * 3],
        })
    }

    /// Lets `draw` draw.
    pub(super) fn paint(
        &mut self,
        draw: impl FnOnce(&Area<'_>) -> Result<(), Fault>,
    ) -> Result<(), ReportError> {
        let size = (self.width, self.height);
        let area = BitMapBackend::with_buffer(&mut self.pixels, size).into_drawing_area();
        let drawn = draw(&area).and_then(|()| area.present().map_err(Fault::from));
        drawn.map_err(|source| ReportError::Draw {
            path: self.path.to_owned(),
            source,
        })
    }

    /// Writes the picture beside its place and moves it there: never half a file.
    pub(super) fn save(self) -> Result<(), ReportError> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(
                &self.pixels,
                self.width,
                self.height,
                ExtendedColorType::Rgb8,
            )
            .map_err(|source| ReportError::Encode {
                path: self.path.to_owned(),
                source,
            })?;
        write_whole(self.path, |file| file.write_all(&bytes)).map_err(|source| ReportError::Write {
            path: self.path.to_owned(),
            source,
        })
    }
}

/// Text in the report's one font.
///
/// Its spaces are narrow: use [`spaced`] for headings.
pub(super) fn text(size: u32, colour: &'static RGBColor, across: HPos) -> TextStyle<'static> {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // A refusal shows up as a drawing error where the font is first used.
        let _ = register(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
    TextStyle::from((FONT, size).into_font())
        .color(colour)
        .pos(Pos::new(across, VPos::Center))
}

/// The same words further apart.
pub(super) fn spaced(words: &str) -> String {
    words.replace(' ', "  ")
}

/// A round dot with a soft edge, at a place between pixels.
pub(super) fn dot(
    area: &Area<'_>,
    (x, y): (f64, f64),
    radius: f64,
    colour: RGBColor,
    opacity: f64,
) -> Result<(), Fault> {
    let reach = radius + 1.0;
    let (left, right) = ((x - reach).floor() as i32, (x + reach).ceil() as i32);
    let (top, bottom) = ((y - reach).floor() as i32, (y + reach).ceil() as i32);
    for row in top..=bottom {
        for column in left..=right {
            let away = (f64::from(column) - x).hypot(f64::from(row) - y);
            let cover = (radius + 0.5 - away).clamp(0.0, 1.0);
            if cover > 0.0 {
                area.draw_pixel((column, row), &colour.mix(opacity * cover))?;
            }
        }
    }
    Ok(())
}
