//! Queries and what was found for them.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use plotters::prelude::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};

use super::ReportError;
use super::canvas::{Area, Canvas, FAINT, Fault, INK, LIFT, MUTED, PAPER, spaced, text};

/// A picture of the data set: one byte a value, `[channels, height, width]`.
#[derive(Debug, Clone, Copy)]
pub struct GalleryImage<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// The values, channel after channel.
    pub bytes: &'a [u8],
}

/// A query and its neighbours, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryRow {
    /// Index of the query's image.
    pub query: usize,
    /// Index of each neighbour's image, and whether it is of the query's class.
    pub neighbours: Vec<(usize, bool)>,
}

/// Side of the square an image is fitted into.
const CELL: u32 = 84;
const FRAME: i32 = 4;
const GAP: i32 = 10;
/// Between the query and its neighbours.
const DIVIDE: i32 = 28;
const MARGIN: i32 = 28;
const HEADER: i32 = 36;
const FOOTER: i32 = 34;

const QUERY: RGBColor = RGBColor(0x9a, 0xa1, 0xaa);
const RIGHT: RGBColor = RGBColor(0x1f, 0x9d, 0x55);
const WRONG: RGBColor = RGBColor(0xd8, 0x26, 0x2c);

/// Draws one line per query into a PNG file at `path`: the query, then its neighbours in order, framed
/// green if of the query's class, red and crossed if not.
///
/// `images` gives the image of an index; small images grow by a whole factor, pixels staying sharp.
///
/// # Errors
///
/// [`ReportError`] if an image's bytes do not match its shape, or if the file cannot be written.
pub fn draw_gallery<'a>(
    path: &Path,
    images: &dyn Fn(usize) -> GalleryImage<'a>,
    rows: &[GalleryRow],
    title: &str,
) -> Result<(), ReportError> {
    let step = CELL as i32 + 2 * FRAME + GAP;
    let most = rows
        .iter()
        .map(|row| row.neighbours.len())
        .max()
        .unwrap_or(0)
        .max(1);
    let found = MARGIN + step - GAP + DIVIDE;
    let heading = if title.is_empty() { 0 } else { 44 };
    let top = MARGIN / 2 + heading + HEADER;
    let width = found + step * most as i32 - GAP + MARGIN;
    let height = top + step * rows.len() as i32 + FOOTER;
    let mut canvas = Canvas::new(path, width.max(420) as usize, height as usize)?;
    let load = |index| pixels(path, index, images(index));
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let neighbours = row
            .neighbours
            .iter()
            .map(|&(index, right)| Ok((load(index)?, right)));
        lines.push((
            load(row.query)?,
            neighbours.collect::<Result<Vec<_>, ReportError>>()?,
        ));
    }
    canvas.paint(|area| {
        let at = (MARGIN, MARGIN / 2 + heading / 2);
        area.draw(&Text::new(spaced(title), at, text(28, &INK, HPos::Left)))?;
        let middle = top - HEADER / 2;
        area.draw(&Text::new(
            "query",
            (MARGIN, middle),
            text(20, &MUTED, HPos::Left),
        ))?;
        area.draw(&Text::new(
            "nearest",
            (found, middle),
            text(20, &MUTED, HPos::Left),
        ))?;
        for (at, (query, neighbours)) in lines.iter().enumerate() {
            let y = top + at as i32 * step;
            draw_cell(area, (MARGIN, y), query, QUERY)?;
            for (place, (image, right)) in neighbours.iter().enumerate() {
                let x = found + place as i32 * step;
                draw_cell(area, (x, y), image, if *right { RIGHT } else { WRONG })?;
                if !right {
                    let end = CELL as i32 + 2 * FRAME;
                    draw_cross(area, (x + end - 13, y + end - 13))?;
                }
            }
        }
        if !lines.is_empty() {
            let rule = found - DIVIDE / 2;
            let ends = vec![(rule, top), (rule, top + step * lines.len() as i32 - GAP)];
            area.draw(&PathElement::new(ends, FAINT))?;
        }
        draw_key(area, height - FOOTER / 2)
    })?;
    canvas.save()
}

/// The image as RGB, fitted into a cell.
fn pixels(path: &Path, index: usize, image: GalleryImage<'_>) -> Result<RgbImage, ReportError> {
    let GalleryImage {
        width,
        height,
        channels,
        bytes,
    } = image;
    let plane = width * height;
    if !matches!(channels, 1 | 3) || plane == 0 || bytes.len() != plane * channels {
        return Err(ReportError::ImageShape {
            path: path.to_owned(),
            index,
            bytes: bytes.len(),
            channels,
            height,
            width,
        });
    }
    let colours = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        image::Rgb([0, 1, 2].map(|channel| bytes[(channel % channels) * plane + at]))
    });
    let (w, h) = colours.dimensions();
    let longest = w.max(h);
    if longest <= CELL {
        let factor = CELL / longest;
        return Ok(imageops::resize(
            &colours,
            w * factor,
            h * factor,
            FilterType::Nearest,
        ));
    }
    let shrunk = |side: u32| (side * CELL / longest).max(1);
    Ok(imageops::resize(
        &colours,
        shrunk(w),
        shrunk(h),
        FilterType::Triangle,
    ))
}

fn draw_cell(
    area: &Area<'_>,
    (left, top): (i32, i32),
    image: &RgbImage,
    colour: RGBColor,
) -> Result<(), Fault> {
    let side = CELL as i32 + 2 * FRAME;
    let corner = (left + side - 1, top + side - 1);
    area.draw(&Rectangle::new([(left, top), corner], colour.filled()))?;
    let inside = [
        (left + FRAME, top + FRAME),
        (corner.0 - FRAME, corner.1 - FRAME),
    ];
    area.draw(&Rectangle::new(inside, PAPER.filled()))?;
    let x = left + FRAME + (CELL - image.width()) as i32 / 2;
    let y = top + FRAME + (CELL - image.height()) as i32 / 2;
    for (dx, dy, pixel) in image.enumerate_pixels() {
        let [r, g, b] = pixel.0;
        area.draw_pixel((x + dx as i32, y + dy as i32), &RGBColor(r, g, b))?;
    }
    Ok(())
}

/// A white cross on red, so that right and wrong differ by more than colour.
fn draw_cross(area: &Area<'_>, (x, y): (i32, i32)) -> Result<(), Fault> {
    area.draw(&Circle::new((x, y), 11, WRONG.filled()))?;
    for (from, to) in [
        ((x - 4, y - 4), (x + 4, y + 4)),
        ((x - 4, y + 4), (x + 4, y - 4)),
    ] {
        area.draw(&PathElement::new(vec![from, to], PAPER.stroke_width(3)))?;
    }
    Ok(())
}

fn draw_key(area: &Area<'_>, y: i32) -> Result<(), Fault> {
    let style = text(18, &MUTED, HPos::Left);
    let mut x = MARGIN;
    for (colour, meaning) in [(RIGHT, "same class"), (WRONG, "another class")] {
        area.draw(&Rectangle::new(
            [(x, y - 7), (x + 14, y + 7)],
            colour.stroke_width(3),
        ))?;
        area.draw(&Text::new(meaning, (x + 24, y + LIFT), style.clone()))?;
        x += 24 + style.font.box_size(meaning)?.0 as i32 + 28;
    }
    Ok(())
}
