// SPDX-License-Identifier: GPL-2.0

//! Curves over a number of messages or of sleepers, both of which grow by powers of ten.

use super::picture::{Area, FAINT, INK, draw, letters};
use super::{number, unit};
use crate::contestants::OURS;
use crate::modes::{delayed, growth, wake_up};
use crate::results::{Mode, Results, Topic, Unit};
use anyhow::Result;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

/// Colours that can be told apart by everybody (Okabe and Ito's). The first one is ours.
const COLORS: [RGBColor; 6] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// A curve.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The curve of a contestant in a topic, its medians by count.
fn curve(results: &Results, topic: Topic, contestant: &str, name: &str) -> Curve {
    let points = results.points(topic).into_iter().filter_map(|at| {
        let median = results.median(topic, contestant, at)?;
        Some((at.count? as f64, median))
    });
    Curve {
        name: name.to_owned(),
        points: points.collect(),
    }
}

fn everybody(results: &Results, topic: Topic) -> Vec<Curve> {
    let names = results.contestants(topic).into_iter();
    names
        .map(|name| curve(results, topic, name, name))
        .collect()
}

/// What sending and receiving cost with few and with many messages.
pub fn growths(results: &Results, path: &Path) -> Result<()> {
    let (send, receive) = (
        results.topic(Mode::Growth, growth::SEND),
        results.topic(Mode::Growth, growth::RECEIVE),
    );
    let delayed: Vec<_> = [delayed::SEND, delayed::REVOKE, delayed::FLUSH]
        .iter()
        .map(|measure| {
            curve(
                results,
                results.topic(Mode::Delayed, measure),
                OURS,
                measure,
            )
        })
        .collect();
    let panels = [
        ("write", everybody(results, send)),
        ("read", everybody(results, receive)),
        ("groups: delayed messages, for each", delayed),
    ];
    draw(path, (1320, 480), |area| {
        for ((title, curves), area) in panels.iter().zip(area.split_evenly((1, 3))) {
            let most = most(curves);
            let title = format!("{title}, {}", unit(send.unit));
            panel(
                &area,
                &title,
                "messages in the queue",
                curves,
                0.0..most * 1.75,
            )?;
        }
        Ok(())
    })
}

/// How long it takes until the last sleeper runs.
pub fn wake_ups(results: &Results, path: &Path) -> Result<()> {
    let topic = Topic {
        mode: Mode::WakeUp,
        measure: wake_up::MEASURE,
        unit: Unit::Nanoseconds,
    };
    let mut curves = everybody(results, topic);
    for (_, y) in curves.iter_mut().flat_map(|curve| &mut curve.points) {
        *y /= 1000.0;
    }
    let most = most(&curves);
    let least = curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|(_, y)| *y);
    let least = least.fold(most, f64::min).max(0.1);
    draw(path, (720, 420), |area| {
        let scale = (least / 2.0..most * 4.0).log_scale();
        panel(
            area,
            "until the last sleeper runs, µs",
            "sleepers",
            &curves,
            scale,
        )
    })
}

fn most(curves: &[Curve]) -> f64 {
    let all = curves.iter().flat_map(|curve| &curve.points);
    all.map(|(_, y)| *y).fold(1.0, f64::max)
}

/// A power of ten, in little room.
fn short(count: f64) -> String {
    match count {
        1e6.. => format!("{}M", number(count / 1e6)),
        1e3.. => format!("{}k", number(count / 1e3)),
        _ => number(count),
    }
}

/// Curves with axes and a legend.
fn panel<Y>(area: &Area, title: &str, x_name: &str, curves: &[Curve], y: Y) -> Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let farthest = curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|(x, _)| *x);
    let farthest = farthest.fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, letters(18, INK))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((0.8..farthest * 1.6).log_scale(), y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_desc(x_name)
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| number(*y))
        .label_style(("sans-serif", 14, &INK))
        .draw()?;
    // Ours comes last, to be on top.
    for (curve, color) in curves.iter().zip(COLORS).rev() {
        let width = if color == COLORS[0] { 3 } else { 2 };
        let style = color.stroke_width(width);
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), style))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let dots = curve
            .points
            .iter()
            .map(|&at| Circle::new(at, width + 1, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 13, &INK))
        .draw()?;
    Ok(())
}

/// Whether there is anything to draw.
pub fn possible(results: &Results, mode: Mode) -> bool {
    results
        .runs
        .iter()
        .flat_map(|run| &run.series)
        .any(|series| series.mode == mode)
}
