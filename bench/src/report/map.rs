//! Embeddings as points of a plane, coloured by class.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayView2;
use plotters::prelude::{Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};

use super::ReportError;
use super::canvas::{Area, Canvas, FAINT, Fault, INK, LIFT, MUTED, dot, spaced, text};

/// One scatter plot of a map.
#[derive(Debug, Clone, Copy)]
pub struct MapPanel<'a> {
    /// What the points are, such as `raw pixels`.
    pub title: &'a str,
    /// `[n, 2]`, in the order of the labels.
    pub points: ArrayView2<'a, f32>,
}

const MOST_POINTS: usize = 3_000;
const SIDE: i32 = 620;
const MARGIN: i32 = 28;
const TITLE: i32 = 64;
const LEGEND_LINE: i32 = 30;
const LEGEND_LETTERS: usize = 24;

/// Told apart on white by hue or, within a hue, by lightness.
const COLOURS: [RGBColor; 20] = [
    RGBColor(0x1f, 0x6f, 0xc4),
    RGBColor(0xf5, 0x82, 0x0b),
    RGBColor(0x2a, 0x9d, 0x3a),
    RGBColor(0xd8, 0x26, 0x2c),
    RGBColor(0x8a, 0x4f, 0xc9),
    RGBColor(0x7d, 0x4a, 0x33),
    RGBColor(0xf0, 0x64, 0xb4),
    RGBColor(0x80, 0x80, 0x80),
    RGBColor(0xa8, 0xb4, 0x00),
    RGBColor(0x12, 0xb8, 0xc9),
    RGBColor(0x10, 0x20, 0x70),
    RGBColor(0xff, 0xc8, 0x1e),
    RGBColor(0x70, 0x00, 0x18),
    RGBColor(0x00, 0x7d, 0x6e),
    RGBColor(0xb9, 0xa0, 0xf2),
    RGBColor(0x56, 0xe0, 0x4a),
    RGBColor(0xff, 0x9d, 0x8a),
    RGBColor(0x0c, 0x50, 0x20),
    RGBColor(0xc8, 0x00, 0xa0),
    RGBColor(0x14, 0x14, 0x14),
];

/// Draws the panels side by side into a PNG file at `path`.
///
/// Points take the colour of their class, the same in every panel; up to 20 classes are named in a
/// legend, more share colours and are only counted. A class without a name in `class_names` is called
/// by its number. At most 3,000 points are drawn, spread evenly over the rows; points that are not
/// finite are left out. Both directions of a panel have the same scale.
///
/// # Errors
///
/// [`ReportError`] if a panel is not one plane point per label, or if the file cannot be written.
pub fn draw_map(
    path: &Path,
    panels: &[MapPanel<'_>],
    labels: &[u32],
    class_names: &[String],
) -> Result<(), ReportError> {
    for (at, panel) in panels.iter().enumerate() {
        let (rows, columns) = panel.points.dim();
        if rows != labels.len() || columns != 2 {
            return Err(ReportError::PanelShape {
                path: path.to_owned(),
                panel: at,
                rows,
                columns,
                labels: labels.len(),
            });
        }
    }
    let classes = Classes::of(labels, class_names);
    let drawn = drawn_rows(labels.len());
    let legend = classes
        .legend_width()
        .map_err(|source| fault(path, source))?;
    let panels_width = panels.len() as i32 * (SIDE + MARGIN);
    let width = MARGIN + panels_width + legend;
    let height = TITLE + SIDE + MARGIN;
    let mut canvas = Canvas::new(path, width as usize, height as usize)?;
    canvas.paint(|area| {
        for (at, panel) in panels.iter().enumerate() {
            let left = MARGIN + at as i32 * (SIDE + MARGIN);
            let title = spaced(&classes.title(panel.title));
            let middle = (left + SIDE / 2, TITLE / 2 + 4);
            area.draw(&Text::new(title, middle, text(30, &INK, HPos::Center)))?;
            draw_panel(area, (left, TITLE), panel, &drawn, |row| {
                classes.colour(labels[row])
            })?;
        }
        if legend > 0 {
            classes.draw_legend(area, MARGIN + panels_width)?;
        }
        Ok(())
    })?;
    canvas.save()
}

fn fault(path: &Path, source: Fault) -> ReportError {
    ReportError::Draw {
        path: path.to_owned(),
        source,
    }
}

/// Rows to draw, in an order that lets no class cover another because it came last.
fn drawn_rows(n: usize) -> Vec<usize> {
    let count = n.min(MOST_POINTS);
    // A stride near the golden section and prime to `count` visits every slot, far from the last one.
    let mut stride = ((count as f64 * 0.618) as usize).max(1);
    while gcd(stride, count) > 1 {
        stride += 1;
    }
    (0..count).map(|k| k * stride % count * n / count).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn draw_panel(
    area: &Area<'_>,
    (left, top): (i32, i32),
    panel: &MapPanel<'_>,
    drawn: &[usize],
    colour: impl Fn(usize) -> RGBColor,
) -> Result<(), Fault> {
    let place = |row: usize| {
        let (x, y) = (
            f64::from(panel.points[[row, 0]]),
            f64::from(panel.points[[row, 1]]),
        );
        (x.is_finite() && y.is_finite()).then_some((row, x, y))
    };
    let points: Vec<_> = drawn.iter().filter_map(|&row| place(row)).collect();
    let mut low = (f64::INFINITY, f64::INFINITY);
    let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for &(_, x, y) in &points {
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    let extent = (high.0 - low.0).max(high.1 - low.1);
    let side = f64::from(SIDE);
    let scale = if extent > 0.0 {
        0.92 * side / extent
    } else {
        0.0
    };
    let centre = (f64::from(left) + side / 2.0, f64::from(top) + side / 2.0);
    let middle = ((low.0 + high.0) / 2.0, (low.1 + high.1) / 2.0);
    // Few points can be large; many must leave room for each other.
    let radius = (60.0 / (points.len() as f64).sqrt()).clamp(3.0, 5.0);
    let opacity = if points.len() > 500 { 0.55 } else { 0.75 };
    for &(row, x, y) in &points {
        let at = (
            centre.0 + (x - middle.0) * scale,
            centre.1 - (y - middle.1) * scale,
        );
        dot(area, at, radius, colour(row), opacity)?;
    }
    let frame = [(left, top), (left + SIDE, top + SIDE)];
    area.draw(&Rectangle::new(frame, FAINT.stroke_width(1)))?;
    Ok(())
}

/// The classes present, with their names, in the order of their numbers.
struct Classes {
    rank: BTreeMap<u32, usize>,
    names: Vec<String>,
}

impl Classes {
    fn of(labels: &[u32], class_names: &[String]) -> Self {
        let mut rank: BTreeMap<u32, usize> = labels.iter().map(|&label| (label, 0)).collect();
        let mut names = Vec::with_capacity(rank.len());
        for (at, (&label, place)) in rank.iter_mut().enumerate() {
            *place = at;
            let name = class_names.get(label as usize);
            names.push(name.map_or_else(|| format!("class {label}"), |name| shortened(name)));
        }
        Self { rank, names }
    }

    fn colour(&self, label: u32) -> RGBColor {
        COLOURS[self.rank[&label] % COLOURS.len()]
    }

    fn has_legend(&self) -> bool {
        (1..=COLOURS.len()).contains(&self.names.len())
    }

    fn title(&self, of: &str) -> String {
        if self.names.len() > COLOURS.len() {
            format!("{of} ({} classes)", self.names.len())
        } else {
            of.to_owned()
        }
    }

    fn legend_width(&self) -> Result<i32, Fault> {
        if !self.has_legend() {
            return Ok(0);
        }
        let style = text(22, &MUTED, HPos::Left);
        let mut widest = 0;
        for name in &self.names {
            widest = style.font.box_size(name)?.0.max(widest);
        }
        Ok(widest as i32 + 24 + MARGIN)
    }

    fn draw_legend(&self, area: &Area<'_>, left: i32) -> Result<(), Fault> {
        let style = text(22, &MUTED, HPos::Left);
        for (at, name) in self.names.iter().enumerate() {
            let y = TITLE + LEGEND_LINE / 2 + at as i32 * LEGEND_LINE;
            dot(
                area,
                (f64::from(left) + 6.0, f64::from(y)),
                6.0,
                COLOURS[at],
                0.9,
            )?;
            area.draw(&Text::new(
                name.as_str(),
                (left + 22, y + LIFT),
                style.clone(),
            ))?;
        }
        Ok(())
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LEGEND_LETTERS {
        return name.to_owned();
    }
    name.chars().take(LEGEND_LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_drawn_once_and_a_subset_is_spread_evenly() {
        for n in [0, 1, 2, 7, 2_999, 3_000] {
            let mut rows = drawn_rows(n);
            rows.sort_unstable();
            assert_eq!(rows, (0..n).collect::<Vec<_>>());
        }
        let mut rows = drawn_rows(10_000);
        rows.sort_unstable();
        assert_eq!(rows.len(), MOST_POINTS);
        assert!(
            rows.windows(2)
                .all(|pair| (3..=4).contains(&(pair[1] - pair[0])))
        );
    }

    #[test]
    fn classes_are_named_up_to_twenty_and_only_counted_beyond() {
        let few = Classes::of(&[4, 0, 4], &["zero".into()]);
        assert_eq!(few.names, ["zero", "class 4"]);
        assert_eq!(few.title("raw pixels"), "raw pixels");
        let many = Classes::of(&(0..21).collect::<Vec<_>>(), &[]);
        assert!(!many.has_legend());
        assert_eq!(many.title("raw pixels"), "raw pixels (21 classes)");
        assert_eq!(many.colour(20), many.colour(0));
    }
}
