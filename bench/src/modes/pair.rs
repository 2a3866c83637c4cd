// SPDX-License-Identifier: GPL-2.0

//! What it costs one thread to send a message and to receive it again. Where instructions are
//! counted, this is what the gate looks at.

use super::{Bench, in_turn};
use crate::contestants::{Buffer, Contestant, FIELD, FLOOR, Setup};
use crate::plan::DEPTH;
use crate::results::{Mode, Point, Waiting};
use anyhow::{Result, ensure};
use std::time::Instant;

/// The one measure.
pub const MEASURE: &str = "send and receive";

/// Everybody, in all sizes.
pub fn run(bench: &mut Bench) -> Result<()> {
    let (rounds, sizes, messages) = {
        let plan = bench.plan;
        (plan.rounds * 3, plan.pair_sizes, plan.pair_messages)
    };
    let field: Vec<_> = std::iter::once(&FLOOR).chain(&FIELD).collect();
    bench
        .progress
        .begin(Mode::Pair, rounds * sizes.len() * field.len());
    for round in 0..rounds {
        for &size in sizes {
            for entry in in_turn(&field, round) {
                bench
                    .progress
                    .step(|| format!("{}, {size} bytes", entry.name));
                if size > entry.largest {
                    continue;
                }
                let ns = (entry.pair)(size, messages)?;
                let at = Point {
                    bytes: Some(size),
                    ..Point::default()
                };
                bench.took(Mode::Pair, MEASURE, entry.name, at, &[ns]);
            }
        }
    }
    Ok(())
}

/// How many nanoseconds it took to send and receive one of `messages` messages.
pub fn round<C: Contestant>(size: usize, messages: usize) -> Result<f64> {
    let waiting = Waiting::Yield;
    let channel = C::new(&Setup {
        size,
        depth: DEPTH,
        waiting,
    })?;
    let (message, mut buffer) = (Buffer::new(size), Buffer::new(size));
    // What is made at the first use is made now.
    exchange(&channel, &message, &mut buffer, messages / 8)?;
    let start = Instant::now();
    exchange(&channel, &message, &mut buffer, messages)?;
    Ok(start.elapsed().as_nanos() as f64 / messages as f64)
}

fn exchange<C: Contestant>(
    channel: &C,
    message: &Buffer,
    buffer: &mut Buffer,
    messages: usize,
) -> Result<()> {
    for _ in 0..messages {
        let sent = channel.send(message)?;
        let received = channel.receive(buffer)?;
        ensure!(
            sent && received == Some(message.payload().len()),
            "{}: sent {sent}, received {received:?}",
            C::NAME
        );
    }
    Ok(())
}
