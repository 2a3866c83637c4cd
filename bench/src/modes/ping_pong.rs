// SPDX-License-Identifier: GPL-2.0

//! How long it takes until a message to another process is answered: one channel each way, both
//! sides block. The median of the trips of a round, and what 99 % and 99.9 % of them stay below.

use super::{Bench, in_turn};
use crate::contestants::{Buffer, Contestant, FIELD, Setup};
use crate::plan::DEPTH;
use crate::results::{Mode, Point, Waiting};
use crate::stats::{quantile, sorted};
use anyhow::{Context, Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::time::{Duration, Instant};

/// The shares of the trips that are reported, and their names.
pub const MEASURES: [(&str, f64); 3] = [("median", 0.5), ("99 %", 0.99), ("99.9 %", 0.999)];

const SIZE: usize = 64;
/// Where a trip takes milliseconds, for other guests have the host's processors, a round ends here
/// with fewer of them.
const LONGEST: Duration = Duration::from_millis(1500);
/// But with so many.
const FEWEST: usize = 100;
/// The first byte of the message that ends the other process.
const LAST: u8 = b'l';

/// Everybody, again and again.
pub fn run(bench: &mut Bench) -> Result<()> {
    let (rounds, trips) = (bench.plan.rounds * 2, bench.plan.trips);
    bench.progress.begin(Mode::PingPong, rounds * FIELD.len());
    for round in 0..rounds {
        for entry in in_turn(&FIELD, round) {
            let times = (entry.ping_pong)(SIZE, trips).context(entry.name)?;
            let times = sorted(&times);
            let at = Point {
                bytes: Some(SIZE),
                ..Point::default()
            };
            for (measure, share) in MEASURES {
                let time = quantile(&times, share).context("no trips")?;
                bench.took(Mode::PingPong, measure, entry.name, at, &[time]);
            }
            bench.progress.step(|| entry.name.to_owned());
        }
    }
    Ok(())
}

/// How many nanoseconds each of `trips` trips took.
pub fn round<C: Contestant>(size: usize, trips: usize) -> Result<Vec<f64>> {
    let setup = Setup {
        size,
        depth: DEPTH,
        waiting: Waiting::Block,
    };
    let (there, back) = (C::new(&setup)?, C::new(&setup)?);
    // SAFETY: There is one thread; the child makes system calls alone, and ends.
    let child = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let answered = answer(&there, &back, size);
            // SAFETY: Nothing of the parent's is to be cleaned up by its copy.
            unsafe { libc::_exit(i32::from(answered.is_err())) }
        }
    };
    let mut message = Buffer::new(size);
    let mut buffer = Buffer::new(size);
    let mut times = Vec::with_capacity(trips);
    let began = Instant::now();
    // The first ones wake the machine up.
    for trip in 0..trips + trips / 8 {
        if began.elapsed() > LONGEST && times.len() >= FEWEST {
            break;
        }
        let start = Instant::now();
        there.send(&message)?;
        back.receive(&mut buffer)?;
        if trip >= trips / 8 {
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    message.payload_mut()[0] = LAST;
    there.send(&message)?;
    let status = waitpid(child, None)?;
    ensure!(
        matches!(status, WaitStatus::Exited(_, 0)),
        "the other process: {status:?}"
    );
    Ok(times)
}

/// The other process.
fn answer<C: Contestant>(there: &C, back: &C, size: usize) -> nix::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut buffer = Buffer::new(size);
    loop {
        there.receive(&mut buffer)?;
        if buffer.payload()[0] == LAST {
            return Ok(());
        }
        back.send(&buffer)?;
    }
}
