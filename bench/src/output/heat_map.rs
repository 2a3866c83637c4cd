// SPDX-License-Identifier: GPL-2.0

//! Heat maps of threads and message sizes: one for each contestant, and one of how many times the
//! best of the others groups deliver.

use super::picture::{Area, FAINT, INK, draw, ink_on, letters};
use super::value;
use crate::contestants::OURS;
use crate::modes::many;
use crate::results::{Mode, Point, Results, Topic, Unit, Waiting};
use crate::targets;
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
use std::path::Path;

const TOPIC: Topic = Topic {
    mode: Mode::Many,
    measure: many::MEASURE,
    unit: Unit::MessagesPerSecond,
};

/// The fields of a map: lines are sizes, columns are numbers of threads.
struct Grid {
    threads: Vec<usize>,
    sizes: Vec<usize>,
    waiting: Waiting,
}

/// What is in a field.
struct Field {
    color: RGBColor,
    text: String,
    small: String,
}

impl Grid {
    fn of(results: &Results, waiting: Waiting) -> Self {
        let mut grid = Self {
            threads: Vec::new(),
            sizes: Vec::new(),
            waiting,
        };
        for at in results.points(TOPIC) {
            if at.waiting != Some(waiting) {
                continue;
            }
            grid.threads.extend(at.threads);
            grid.sizes.extend(at.bytes);
        }
        for numbers in [&mut grid.threads, &mut grid.sizes] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        grid
    }

    fn at(&self, threads: usize, bytes: usize) -> Point {
        Point {
            threads: Some(threads),
            bytes: Some(bytes),
            waiting: Some(self.waiting),
            count: None,
        }
    }

    /// Draws a map with its title and its axes.
    fn draw(&self, area: &Area, title: &str, field: impl Fn(Point) -> Option<Field>) -> Result<()> {
        const TOP: i32 = 40;
        const LEFT: i32 = 78;
        const BOTTOM: i32 = 48;
        const RIGHT: i32 = 12;
        let (width, height) = area.dim_in_pixel();
        let columns = self.threads.len() as i32;
        let lines = self.sizes.len() as i32;
        let x = |column: i32| LEFT + (width as i32 - LEFT - RIGHT) * column / columns;
        // The smallest messages are at the bottom.
        let y = |line: i32| height as i32 - BOTTOM - (height as i32 - TOP - BOTTOM) * line / lines;
        let middle = (x(0) + x(columns)) / 2;
        area.draw_text(title, &letters(19, INK), (middle, TOP / 2))?;
        area.draw_text("threads", &letters(14, INK), (middle, height as i32 - 12))?;
        for (line, &bytes) in (0..).zip(&self.sizes) {
            let label = format!("{} B", super::number(bytes as f64));
            area.draw_text(
                &label,
                &letters(14, INK),
                (LEFT / 2, (y(line) + y(line + 1)) / 2),
            )?;
        }
        for (column, &threads) in (0..).zip(&self.threads) {
            let center = (x(column) + x(column + 1)) / 2;
            let label = threads.to_string();
            area.draw_text(
                &label,
                &letters(14, INK),
                (center, height as i32 - BOTTOM + 14),
            )?;
            for (line, &bytes) in (0..).zip(&self.sizes) {
                let corners = [
                    (x(column) + 1, y(line + 1) + 1),
                    (x(column + 1) - 1, y(line) - 1),
                ];
                let mid = (center, (y(line) + y(line + 1)) / 2);
                let Some(field) = field(self.at(threads, bytes)) else {
                    area.draw(&Rectangle::new(corners, FAINT.filled()))?;
                    area.draw_text("cannot", &letters(13, INK), mid)?;
                    continue;
                };
                area.draw(&Rectangle::new(corners, field.color.filled()))?;
                let ink = ink_on(field.color);
                let up = if field.small.is_empty() { 0 } else { 9 };
                area.draw_text(&field.text, &letters(19, ink), (mid.0, mid.1 - up))?;
                area.draw_text(&field.small, &letters(12, ink), (mid.0, mid.1 + 12))?;
            }
        }
        Ok(())
    }
}

/// A map for each contestant, all in the same colours.
pub fn contestants(results: &Results, waiting: Waiting, path: &Path) -> Result<()> {
    let grid = Grid::of(results, waiting);
    let names = results.contestants(TOPIC);
    let all = results
        .of(TOPIC)
        .filter(|series| series.at.waiting == Some(waiting));
    let medians: Vec<_> = all
        .filter_map(|series| Some(series.summary()?.median))
        .collect();
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let most = medians.iter().copied().fold(0.0, f64::max);
    draw(path, (1080, 720), |area| {
        let (title, maps) = area.split_vertically(44);
        let text = format!(
            "Messages delivered a second, in thousands, {}",
            how(waiting)
        );
        title.draw_text(&text, &letters(21, INK), (540, 24))?;
        for (name, area) in names.iter().zip(maps.split_evenly((2, 3))) {
            grid.draw(&area, name, |at| {
                let rate = results.median(TOPIC, name, at)?;
                let place = (rate.ln() - least.ln()) / (most.ln() - least.ln()).max(f64::EPSILON);
                Some(Field {
                    color: ViridisRGB.get_color(place),
                    text: value(rate, Unit::MessagesPerSecond),
                    small: String::new(),
                })
            })?;
        }
        Ok(())
    })
}

/// One map of how many times the best other's messages ours are.
pub fn ratios(results: &Results, path: &Path) -> Result<()> {
    draw(path, (1080, 440), |area| {
        let (title, maps) = area.split_vertically(44);
        let text = "Messages of groups by those of the best alternative, which is named";
        title.draw_text(text, &letters(21, INK), (540, 24))?;
        let halves = maps.split_evenly((1, 2));
        for (waiting, area) in [Waiting::Yield, Waiting::Block].into_iter().zip(&halves) {
            let ratios = targets::ratios(results, waiting);
            Grid::of(results, waiting).draw(area, how(waiting), |field| {
                let (_, other, ratio) = ratios.iter().find(|(at, ..)| *at == field)?;
                Some(Field {
                    color: diverging(*ratio),
                    text: format!("{ratio:.2} ×"),
                    small: (*other).to_owned(),
                })
            })?;
        }
        Ok(())
    })
}

fn how(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Yield => "yielding (sched_yield)",
        Waiting::Block => "blocking",
    }
}

/// Blue where we deliver more, red where we deliver less, and deepest from three times on.
fn diverging(ratio: f64) -> RGBColor {
    const MORE: [f64; 3] = [33.0, 102.0, 172.0];
    const LESS: [f64; 3] = [178.0, 24.0, 43.0];
    let far = (ratio.max(f64::MIN_POSITIVE).ln() / 3f64.ln()).clamp(-1.0, 1.0);
    let end = if far > 0.0 { MORE } else { LESS };
    let [red, green, blue] = end.map(|end| (247.0 + (end - 247.0) * far.abs()) as u8);
    RGBColor(red, green, blue)
}

/// Whether there is anything to draw.
pub fn possible(results: &Results) -> bool {
    results.of(TOPIC).any(|series| series.contestant == OURS)
}
