// SPDX-License-Identifier: GPL-2.0

//! The results as CSV: a line for each series, with its median and spread.

use crate::machine::Execution;
use crate::results::{Mode, Results, Unit, Waiting};
use crate::stats::Summary;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Line<'a> {
    execution: Execution,
    processors: usize,
    mode: Mode,
    measure: &'a str,
    contestant: &'a str,
    bytes: Option<usize>,
    threads: Option<usize>,
    waiting: Option<Waiting>,
    count: Option<usize>,
    unit: Unit,
    samples: usize,
    least: f64,
    first_quartile: f64,
    median: f64,
    third_quartile: f64,
    greatest: f64,
}

/// Writes a file.
pub fn write(results: &Results, path: &Path) -> Result<()> {
    let name = || path.display().to_string();
    let mut writer = csv::Writer::from_path(path).with_context(name)?;
    for run in &results.runs {
        for series in &run.series {
            let Some(summary) = series.summary() else {
                continue;
            };
            let Summary {
                count: samples,
                least,
                first_quartile,
                median,
                third_quartile,
                greatest,
            } = summary;
            writer.serialize(Line {
                execution: run.machine.execution,
                processors: run.machine.processors,
                mode: series.mode,
                measure: &series.measure,
                contestant: &series.contestant,
                bytes: series.at.bytes,
                threads: series.at.threads,
                waiting: series.at.waiting,
                count: series.at.count,
                unit: series.unit,
                samples,
                least,
                first_quartile,
                median,
                third_quartile,
                greatest,
            })?;
        }
    }
    writer.flush().with_context(name)
}
