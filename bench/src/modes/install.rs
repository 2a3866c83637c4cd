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
    let mut maker = Maker {
        any: first()?,
        next: 0,
    };
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
            maker.make()?;
        }
        if untimed > 0 {
            maker.time_making(bench, at(count))?;
        }
        time_finding(bench, &maker, at(count))?;
        if untimed == 0 {
            maker.time_making(bench, at(count))?;
        }
    }
    Ok(())
}

/// How many groups there are.
fn groups() -> Result<usize> {
    Ok(std::fs::read_dir("/sys/class/groups")?.count())
}

/// Who makes groups, and the number of the next one: all below it are there.
struct Maker {
    any: File,
    next: usize,
}

impl Maker {
    /// Makes a group that was not there; how long it took, in nanoseconds.
    fn make(&mut self) -> Result<f64> {
        loop {
            let id = id(self.next);
            self.next += 1;
            let start = Instant::now();
            let (made, _) = install(&self.any, &id)?;
            if made {
                return Ok(start.elapsed().as_nanos() as f64);
            }
        }
    }

    fn time_making(&mut self, bench: &mut Bench, at: Point) -> Result<()> {
        for _ in 0..MADE {
            let ns = self.make()?;
            bench.took(Mode::Install, MAKE, OURS, at, &[ns]);
        }
        Ok(())
    }
}

/// The mean over the groups that there are, for they lie in different places.
fn time_finding(bench: &mut Bench, maker: &Maker, at: Point) -> Result<()> {
    let step = maker.next.div_ceil(FOUND).max(1);
    let mut ids: Vec<_> = (0..maker.next).step_by(step).map(id).collect();
    ids.push("groups".into());
    for _ in 0..PASSES {
        let start = Instant::now();
        for id in &ids {
            let (made, _) = install(&maker.any, id)?;
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
