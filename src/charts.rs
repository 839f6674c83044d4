//! One look for all charts: plain SVG with its numbers on the axes, legible in print and in grey.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

pub const INK: RGBColor = RGBColor(38, 50, 56);
pub const FAINT: RGBColor = RGBColor(222, 227, 230);
pub const FIRST: RGBColor = RGBColor(0, 95, 135);
pub const SECOND: RGBColor = RGBColor(201, 92, 18);
pub const THIRD: RGBColor = RGBColor(94, 120, 49);

/// Why a chart was not drawn: the library's own words.
#[derive(Debug, thiserror::Error)]
#[error("a chart could not be drawn: {0}")]
pub struct Undrawn(String);

pub fn undrawn(error: impl std::fmt::Display) -> Undrawn {
    Undrawn(error.to_string())
}

/// Where a chart is drawn.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// An SVG document with a title, whose body `draw` draws; `size` is in pixels.
///
/// # Errors
/// When the drawing library gives up.
pub fn svg(
    title: &str,
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Undrawn>,
) -> Result<String, Undrawn> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(undrawn)?;
        let style = font(20).pos(Pos::new(HPos::Left, VPos::Top));
        root.draw(&Text::new(title.to_owned(), (24, 14), style)).map_err(undrawn)?;
        draw(&root.margin(46, 10, 14, 20))?;
        root.present().map_err(undrawn)?;
    }
    // For who cannot see it, and for who searches.
    let label: String = title.chars().filter(|c| !"<>&\"".contains(*c)).collect();
    Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1))
}
