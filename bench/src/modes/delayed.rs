// SPDX-License-Identifier: GPL-2.0

//! What it costs to send a message with a delay where few messages are delayed, and where many
//! are; and what it costs for each of them to revoke and to flush them.

use super::Bench;
use crate::contestants::groups::Groups;
use crate::contestants::{Buffer, Contestant, OURS, Setup};
use crate::results::{Mode, Point, Waiting};
use anyhow::{Result, ensure};
use std::time::Instant;

/// What sending one message costs with so many that are delayed.
pub const SEND: &str = "delayed send";
/// What revoking so many costs for each.
pub const REVOKE: &str = "revoke";
/// What flushing so many costs for each. Receiving them is not a part of it.
pub const FLUSH: &str = "flush";

const SIZE: usize = 64;
/// How many are sent between two looks at the clock.
const BLOCK: usize = 16;
/// How often.
const BLOCKS: usize = 25;
/// Where so many are delayed, a few blocks more do not matter.
const MANY: usize = 10_000;
/// None falls due meanwhile, in milliseconds.
const DELAY: u32 = 24 * 3600 * 1000;

/// With few and with many of them.
pub fn run(bench: &mut Bench) -> Result<()> {
    let counts = bench.plan.queued;
    bench.progress.begin(Mode::Delayed, counts.len() * 3);
    for &count in counts {
        let at = Point {
            count: Some(count),
            bytes: Some(SIZE),
            ..Point::default()
        };
        for (measure, samples) in [
            (SEND, send as fn(&Pending) -> Result<Vec<f64>>),
            (REVOKE, revoke),
            (FLUSH, flush),
        ] {
            bench
                .progress
                .step(|| format!("{measure}, {count} messages"));
            let samples = samples(&Pending::new(count)?)?;
            bench.took(Mode::Delayed, measure, OURS, at, &samples);
        }
    }
    Ok(())
}

/// A group for delayed messages.
struct Pending {
    group: Groups,
    message: Buffer,
    count: usize,
}

impl Pending {
    fn new(count: usize) -> Result<Self> {
        let depth = count + BLOCK * BLOCKS;
        let group = Groups::new(&Setup {
            size: SIZE,
            depth,
            waiting: Waiting::Yield,
        })?;
        group.device().set_delay(DELAY)?;
        Ok(Self {
            group,
            message: Buffer::new(SIZE),
            count,
        })
    }

    fn send(&self, count: usize) -> Result<()> {
        for _ in 0..count {
            ensure!(self.group.send(&self.message)?, "no room");
        }
        Ok(())
    }

    /// How long something took for each of `count`, in nanoseconds.
    fn time(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_nanos() as f64 / count as f64)
    }

    /// How often something is measured that begins with sending them all.
    fn rounds(&self) -> usize {
        if self.count > MANY { 1 } else { 9 }
    }
}

fn send(pending: &Pending) -> Result<Vec<f64>> {
    let mut samples = Vec::new();
    for block in 0..BLOCKS {
        if block == 0 || pending.count < MANY {
            pending.group.device().revoke()?;
            pending.send(pending.count)?;
        }
        samples.push(Pending::time(BLOCK, || pending.send(BLOCK))?);
    }
    pending.group.device().revoke()?;
    Ok(samples)
}

fn revoke(pending: &Pending) -> Result<Vec<f64>> {
    let mut samples = Vec::new();
    for _ in 0..pending.rounds() {
        pending.send(pending.count)?;
        samples.push(Pending::time(pending.count, || {
            pending.group.device().revoke()
        })?);
    }
    Ok(samples)
}

fn flush(pending: &Pending) -> Result<Vec<f64>> {
    let mut samples = Vec::new();
    for _ in 0..pending.rounds() {
        pending.send(pending.count)?;
        samples.push(Pending::time(pending.count, || {
            pending.group.device().flush()
        })?);
        pending.group.device().drain()?;
    }
    Ok(samples)
}
