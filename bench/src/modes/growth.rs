// SPDX-License-Identifier: GPL-2.0

//! What it costs to send and to receive where few messages are queued, and where many are; and how
//! much memory a queued message takes. Groups go up to a million; the others as far as is sensible.

use super::Bench;
use crate::contestants::{Buffer, Contestant, FIELD, Setup};
use crate::memory;
use crate::results::{Mode, Point, Unit, Waiting};
use anyhow::{Context, Result, ensure};
use std::time::Instant;

/// What sending one message costs with so many in the queue.
pub const SEND: &str = "send";
/// What receiving one costs.
pub const RECEIVE: &str = "receive";
/// What sending one costs on average, while a queue grows from none to so many.
pub const FILL: &str = "fill";
/// What receiving one costs on average, while it shrinks again.
pub const DRAIN: &str = "drain";
/// What a queued message takes up, as the memory cgroup is charged.
pub const CHARGED: &str = "charged memory";
/// What a queued message takes up, as the machine has less free memory.
pub const FREE: &str = "free memory";

/// The size of messages, bytes.
pub const SIZE: usize = 64;
/// How many are sent, and then received, between two looks at the clock.
const BLOCK: usize = 16;
/// How often.
const BLOCKS: usize = 25;
/// What the cgroup is charged is looked at only with so many messages or more: it is counted in
/// pages, some of which are charged in advance.
const ENOUGH: usize = 10_000;
/// What is free is looked at only with so many: each processor keeps some pages at hand.
const ENOUGH_FREE: usize = 100_000;

/// What was measured with one length of the queue.
pub struct Queued {
    send: Vec<f64>,
    receive: Vec<f64>,
    fill: f64,
    drain: f64,
    memory: Option<memory::Used>,
}

/// Everybody, with few and with many messages.
pub fn run(bench: &mut Bench) -> Result<()> {
    let queued = bench.plan.queued;
    let _cgroup = memory::Cgroup::enter();
    bench
        .progress
        .begin(Mode::Growth, queued.len() * FIELD.len());
    for &count in queued {
        for entry in &FIELD {
            bench
                .progress
                .step(|| format!("{}, {count} messages", entry.name));
            if count + BLOCK > entry.deepest && count > ENOUGH {
                continue;
            }
            let result = (entry.growth)(SIZE, count)
                .with_context(|| format!("{}, {count} messages", entry.name))?;
            let at = Point {
                count: Some(count),
                bytes: Some(SIZE),
                ..Point::default()
            };
            let mode = Mode::Growth;
            bench.took(mode, SEND, entry.name, at, &result.send);
            bench.took(mode, RECEIVE, entry.name, at, &result.receive);
            bench.took(mode, FILL, entry.name, at, &[result.fill]);
            bench.took(mode, DRAIN, entry.name, at, &[result.drain]);
            let Some(memory) = result.memory else {
                continue;
            };
            if let Some(charged) = memory.charged {
                bench.note(
                    mode,
                    CHARGED,
                    entry.name,
                    at,
                    Unit::Bytes,
                    &[charged / count as f64],
                );
            }
            if count >= ENOUGH_FREE {
                let free = memory.free / count as f64;
                bench.note(mode, FREE, entry.name, at, Unit::Bytes, &[free]);
            }
        }
    }
    Ok(())
}

/// Measures with `count` messages of `size` bytes in the queue.
pub fn queued<C: Contestant>(size: usize, count: usize) -> Result<Queued> {
    let depth = count + BLOCK;
    let channel = C::new(&Setup {
        size,
        depth,
        waiting: Waiting::Yield,
    })?;
    let (message, mut buffer) = (Buffer::new(size), Buffer::new(size));
    let send = |n: usize| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..n {
            ensure!(channel.send(&message)?, "no room");
        }
        Ok(start.elapsed().as_nanos() as f64 / n as f64)
    };
    let mut receive = |n: usize| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..n {
            ensure!(channel.receive(&mut buffer)? == Some(size), "no message");
        }
        Ok(start.elapsed().as_nanos() as f64 / n as f64)
    };
    // What is made at the first use is made now.
    send(BLOCK)?;
    receive(BLOCK)?;

    let before = memory::Level::now()?;
    let fill = send(count)?;
    let after = memory::Level::now()?;
    let mut result = Queued {
        send: Vec::new(),
        receive: Vec::new(),
        fill,
        drain: 0.0,
        memory: (count >= ENOUGH).then(|| before.until(&after)),
    };
    for _ in 0..BLOCKS {
        result.send.push(send(BLOCK)?);
        result.receive.push(receive(BLOCK)?);
    }
    result.drain = receive(count)?;
    Ok(result)
}
