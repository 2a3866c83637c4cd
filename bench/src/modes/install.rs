// SPDX-License-Identifier: GPL-2.0

//! What `INSTALL_GROUP` costs with few and with many groups: where the group is there, and where it
//! is made. Groups stay as long as the module is loaded, so this comes first.

use super::Bench;
use crate::contestants::OURS;
use crate::contestants::groups::{first, id, install};
use crate::results::{Mode, Point};
use anyhow::{Result, ensure};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The group is there.
pub const FIND: &str = "find";
/// The group is made, with its device.
pub const MAKE: &str = "make";

/// How many are made between few and many, to be timed.
const MADE: usize = 9;
/// How often all are looked for.
const PASSES: usize = 9;
/// So many are looked for at most, evenly spread.
const FOUND: usize = 200;

/// With few and with many groups.
pub fn run(bench: &mut Bench) -> Result<()> {
    let any = first()?;
    let _quiet = Quiet::new();
    bench.progress.begin(Mode::Install, bench.plan.groups.len());
    for &count in bench.plan.groups {
        let there = groups()?;
        let at = |count| Point {
            count: Some(count),
            ..Point::default()
        };
        bench.progress.step(|| format!("{count} groups"));
        if count < there {
            // They are there already: of an earlier run, or of somebody else.
            continue;
        }
        // The last ones on the way to many are timed; with few, those that come next.
        let untimed = count.saturating_sub(there).saturating_sub(MADE);
        for _ in 0..untimed {
            make(&any)?;
        }
        if untimed > 0 {
            time_making(bench, &any, at(count))?;
        }
        time_finding(bench, &any, at(count))?;
        if untimed == 0 {
            time_making(bench, &any, at(count))?;
        }
    }
    Ok(())
}

/// How many groups there are.
fn groups() -> Result<usize> {
    Ok(std::fs::read_dir("/sys/class/groups")?.count())
}

/// Makes a group that was not there; how long it took, in nanoseconds.
fn make(any: &File) -> Result<f64> {
    // The first group is not one of ours.
    let mut number = groups()?.saturating_sub(1);
    loop {
        let id = id(number);
        let start = Instant::now();
        let (made, _) = install(any, &id)?;
        if made {
            return Ok(start.elapsed().as_nanos() as f64);
        }
        number += 1;
    }
}

fn time_making(bench: &mut Bench, any: &File, at: Point) -> Result<()> {
    for _ in 0..MADE {
        let ns = make(any)?;
        bench.took(Mode::Install, MAKE, OURS, at, &[ns]);
    }
    Ok(())
}

/// The mean over the groups that there are, for they lie in different places.
fn time_finding(bench: &mut Bench, any: &File, at: Point) -> Result<()> {
    let ours = groups()?.saturating_sub(1);
    let step = ours.div_ceil(FOUND).max(1);
    let mut ids: Vec<_> = (0..ours).step_by(step).map(id).collect();
    ids.push("groups".into());
    for _ in 0..PASSES {
        let start = Instant::now();
        for id in &ids {
            let (made, _) = install(any, id)?;
            ensure!(!made, "{id} was not there");
        }
        let ns = start.elapsed().as_nanos() as f64 / ids.len() as f64;
        bench.took(Mode::Install, FIND, OURS, at, &[ns]);
    }
    Ok(())
}

/// udev does not start to work on each new device, as long as this lives.
struct Quiet;

impl Quiet {
    fn new() -> Self {
        udevadm(&["control", "--stop-exec-queue"]);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        udevadm(&["control", "--start-exec-queue"]);
        udevadm(&["settle"]);
    }
}

/// Where there is no udev there is nothing to keep quiet.
fn udevadm(arguments: &[&str]) {
    let _ = Command::new("udevadm")
        .args(arguments)
        .stderr(Stdio::null())
        .status();
}
