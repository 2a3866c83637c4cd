// SPDX-License-Identifier: GPL-2.0

//! Pictures: something to draw on that becomes a small PNG, and letters to draw with.

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// What is drawn on.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Where Debian has the font; its package is fonts-dejavu-core.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

/// Letters on white.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Lines that are not to be looked at.
pub const FAINT: RGBColor = RGBColor(215, 215, 215);

/// Reads the font. To be called once, before anything is drawn.
pub fn load_font() -> Result<()> {
    let font = std::fs::read(FONT).with_context(|| format!("no font: {FONT}"))?;
    let font = Box::leak(font.into_boxed_slice());
    register_font("sans-serif", FontStyle::Normal, font).map_err(|_| anyhow!("{FONT} is no font"))
}

/// Draws a picture into a file.
pub fn draw(
    path: &Path,
    size: (u32, u32),
    picture: impl FnOnce(&Area) -> Result<()>,
) -> Result<()> {
    let (width, height) = size;
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&WHITE)?;
        picture(&area)?;
        area.present()?;
    }
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    // Plain areas with letters: filters make them larger.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}

/// Letters of this size, in the middle of where they are put.
pub fn letters(size: u32, color: RGBColor) -> TextStyle<'static> {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let mut style = TextStyle::from(("sans-serif", size).into_font());
    style.color = color.to_backend_color();
    style.pos(Pos::new(HPos::Center, VPos::Center))
}

/// Black or white, whatever can be read on this.
pub fn ink_on(color: RGBColor) -> RGBColor {
    let RGBColor(red, green, blue) = color;
    let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    if light > 140.0 { INK } else { WHITE }
}
