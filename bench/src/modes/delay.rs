// SPDX-License-Identifier: GPL-2.0

//! How late a delayed message is received by a thread that sent it and waits for it, while nothing else
//! happens, and while as many threads as there are processors exchange messages in another group.
//! Beside what user space would take: a timer (`timerfd`) that somebody waits for.

use super::{Bench, in_turn};
use crate::contestants::groups::Groups;
use crate::contestants::{Buffer, Contestant, OURS, Setup};
use crate::plan::DEPTH;
use crate::results::{Mode, Point, Waiting};
use crate::stats::{quantile, sorted};
use crate::threads::{self, Crew};
use anyhow::{Context, Result, ensure};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The alternative.
pub const TIMER: &str = "timerfd";
/// The shares of the messages that are reported, and their names.
pub const MEASURES: [(&str, f64); 3] = [("median", 0.5), ("99 %", 0.99), ("most", 1.0)];

const DELAY: Duration = Duration::from_millis(10);
const SIZE: usize = 64;

/// Both, without and with load.
pub fn run(bench: &mut Bench) -> Result<()> {
    threads::ignore_wake_ups()?;
    let (rounds, messages) = (bench.plan.rounds, bench.plan.delayed);
    let loads = [0, bench.run.machine.processors];
    type Late = fn(usize) -> Result<Vec<f64>>;
    let field: [(&str, Late); 2] = [(OURS, group), (TIMER, timer)];
    bench
        .progress
        .begin(Mode::Delay, rounds * loads.len() * field.len());
    for round in 0..rounds {
        for load in loads {
            for (name, late) in in_turn(&field, round) {
                bench
                    .progress
                    .step(|| format!("{name}, {load} busy threads"));
                let times = sorted(&under_load(load, || late(messages)).context(*name)?);
                let at = Point {
                    threads: Some(load),
                    ..Point::default()
                };
                for (measure, share) in MEASURES {
                    let time = quantile(&times, share).context("no messages")?;
                    bench.took(Mode::Delay, measure, name, at, &[time]);
                }
            }
        }
    }
    Ok(())
}

/// Does something while so many threads exchange messages.
fn under_load<T>(load: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let channel = Groups::new(&Setup {
        size: SIZE,
        depth: DEPTH,
        waiting: Waiting::Yield,
    })?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut crew = Crew::new(scope);
        for _ in 0..load {
            crew.spawn(|| exchange(&channel, &stop))?;
        }
        let result = work();
        stop.store(true, Ordering::Relaxed);
        crew.join()?;
        result
    })
}

fn exchange(channel: &Groups, stop: &AtomicBool) -> nix::Result<()> {
    let (message, mut buffer) = (Buffer::new(SIZE), Buffer::new(SIZE));
    while !stop.load(Ordering::Relaxed) {
        channel.send(&message)?;
        channel.receive(&mut buffer)?;
    }
    Ok(())
}

/// How late messages came, in nanoseconds.
fn group(messages: usize) -> Result<Vec<f64>> {
    let group = Groups::new(&Setup {
        size: SIZE,
        depth: 1,
        waiting: Waiting::Block,
    })?;
    group.device().set_delay(DELAY.as_millis() as u32)?;
    let (message, mut buffer) = (Buffer::new(SIZE), Buffer::new(SIZE));
    let mut late = Vec::new();
    for _ in 0..messages {
        let start = Instant::now();
        ensure!(group.send(&message)?, "no room");
        group.receive(&mut buffer)?;
        let late_by = start.elapsed().checked_sub(DELAY);
        late.push(late_by.context("a message came too early")?.as_nanos() as f64);
    }
    Ok(late)
}

/// How late a timer came, in nanoseconds.
fn timer(times: usize) -> Result<Vec<f64>> {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    let mut late = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        let once = Expiration::OneShot(TimeSpec::from_duration(DELAY));
        timer.set(once, TimerSetTimeFlags::empty())?;
        timer.wait()?;
        late.push((start.elapsed().saturating_sub(DELAY)).as_nanos() as f64);
    }
    Ok(late)
}
