// SPDX-License-Identifier: GPL-2.0

//! The report's experiment: threads of which half send and half receive, as fast as they can; how
//! many messages are delivered in a second. Receptions of nothing do not count.

use super::{Bench, in_turn};
use crate::contestants::{Buffer, Contestant, FIELD, Setup};
use crate::plan::DEPTH;
use crate::results::{Mode, Point, Unit, Waiting};
use crate::threads::{self, Crew};
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The one measure.
pub const MEASURE: &str = "delivered";

/// One square of the heat map.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// How many threads, half of which send.
    pub threads: usize,
    /// The size of messages, bytes.
    pub size: usize,
    /// What they do when they cannot go on.
    pub waiting: Waiting,
    /// For how long.
    pub window: Duration,
}

/// Everybody, in all cells, again and again.
pub fn run(bench: &mut Bench) -> Result<()> {
    threads::ignore_wake_ups()?;
    let plan = bench.plan;
    let mut cells = Vec::new();
    for waiting in [Waiting::Yield, Waiting::Block] {
        for &threads in plan.threads {
            let cell = |&size| Cell {
                threads,
                size,
                waiting,
                window: plan.window,
            };
            cells.extend(plan.sizes.iter().map(cell));
        }
    }
    bench
        .progress
        .begin(Mode::Many, plan.rounds * cells.len() * FIELD.len());
    for round in 0..plan.rounds {
        for cell in &cells {
            for entry in in_turn(&FIELD, round) {
                bench.progress.step(|| {
                    format!(
                        "{}, {} threads, {} bytes",
                        entry.name, cell.threads, cell.size
                    )
                });
                if cell.size > entry.largest {
                    continue;
                }
                let rate =
                    (entry.many)(cell).with_context(|| format!("{}, {cell:?}", entry.name))?;
                let at = Point {
                    threads: Some(cell.threads),
                    bytes: Some(cell.size),
                    waiting: Some(cell.waiting),
                    ..Point::default()
                };
                let unit = Unit::MessagesPerSecond;
                bench.note(Mode::Many, MEASURE, entry.name, at, unit, &[rate]);
            }
        }
    }
    Ok(())
}

/// How many messages were delivered in a second.
pub fn round<C: Contestant>(cell: &Cell) -> Result<f64> {
    let Cell {
        threads,
        size,
        waiting,
        window,
    } = *cell;
    let channel = C::new(&Setup {
        size,
        depth: DEPTH,
        waiting,
    })?;
    let stop = AtomicBool::new(false);
    let start = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let mut crew = Crew::new(scope);
        for _ in 0..threads / 2 {
            crew.spawn(|| {
                start.wait();
                send(&channel, size, &stop).map(|()| 0)
            })?;
            crew.spawn(|| {
                start.wait();
                receive(&channel, size, &stop)
            })?;
        }
        start.wait();
        let began = Instant::now();
        std::thread::sleep(window);
        stop.store(true, Ordering::Relaxed);
        let lasted = began.elapsed();
        let delivered: u64 = crew.join()?.into_iter().sum();
        Ok(delivered as f64 / lasted.as_secs_f64())
    })
}

/// Sends until it is told to stop.
fn send<C: Contestant>(channel: &C, size: usize, stop: &AtomicBool) -> nix::Result<()> {
    let message = Buffer::new(size);
    while !stop.load(Ordering::Relaxed) {
        match channel.send(&message) {
            Ok(true) | Err(Errno::EINTR) => {}
            Ok(false) => std::thread::yield_now(),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Receives until it is told to stop; how many messages.
fn receive<C: Contestant>(channel: &C, size: usize, stop: &AtomicBool) -> nix::Result<u64> {
    let mut buffer = Buffer::new(size);
    let mut delivered = 0;
    while !stop.load(Ordering::Relaxed) {
        match channel.receive(&mut buffer) {
            Ok(Some(_)) => delivered += 1,
            Ok(None) => std::thread::yield_now(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(delivered)
}
