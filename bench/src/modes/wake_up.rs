// SPDX-License-Identifier: GPL-2.0

//! How long it takes from awaking many sleepers until the last one of them runs.

use super::{Bench, in_turn};
use crate::barriers::{Barrier, FIELD};
use crate::results::{Mode, Point};
use anyhow::{Context, Result, bail, ensure};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// The one measure.
pub const MEASURE: &str = "until the last one runs";

/// Everybody, with few and with many sleepers. Few are awoken more often.
pub fn run(bench: &mut Bench) -> Result<()> {
    let rounds = bench.plan.rounds;
    let counts = bench.plan.sleepers;
    let often = |count| rounds * if count < 100 { 5 } else { 2 };
    let steps: usize = counts.iter().map(|&count| often(count) * FIELD.len()).sum();
    bench.progress.begin(Mode::WakeUp, steps);
    for &count in counts {
        for round in 0..often(count) {
            for entry in in_turn(&FIELD, round) {
                bench
                    .progress
                    .step(|| format!("{}, {count} sleepers", entry.name));
                let ns = (entry.wake_up)(count).context(entry.name)?;
                let at = Point {
                    count: Some(count),
                    ..Point::default()
                };
                bench.took(Mode::WakeUp, MEASURE, entry.name, at, &[ns]);
            }
        }
    }
    Ok(())
}

/// How many nanoseconds it took until the last one of so many sleepers ran. None of them ends
/// before all of them ran: the end of a thread costs more than its being woken.
pub fn round<B: Barrier>(sleepers: usize) -> Result<f64> {
    let barrier = B::new(sleepers)?;
    let ids: Vec<_> = (0..sleepers).map(|_| OnceLock::new()).collect();
    let (running, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for id in &ids {
            let sleep = || {
                let _ = id.set(nix::unistd::gettid());
                let woken = barrier.sleep().map(|()| Instant::now());
                running.fetch_add(1, Ordering::Release);
                while !over.load(Ordering::Acquire) {
                    std::thread::park();
                }
                woken
            };
            let builder = Builder::new().stack_size(64 << 10);
            threads.push(builder.spawn_scoped(scope, sleep)?);
        }
        let asleep = await_sleep(&ids);
        let start = Instant::now();
        // Also if they do not sleep: or this would not end.
        barrier.awake()?;
        while running.load(Ordering::Acquire) < sleepers {
            std::thread::sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::Release);
        let mut last = start;
        for thread in threads {
            thread.thread().unpark();
            match thread.join() {
                Ok(woken) => last = last.max(woken?),
                Err(_) => bail!("a sleeper panicked"),
            }
        }
        asleep?;
        Ok((last - start).as_nanos() as f64)
    })
}

/// Waits until all of these threads sleep. The last thing that each one does before it goes to
/// sleep is to say which thread it is.
fn await_sleep(ids: &[OnceLock<nix::unistd::Pid>]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    for id in ids {
        while !id.get().is_some_and(|id| sleeps(id.as_raw())) {
            ensure!(Instant::now() < deadline, "a sleeper does not sleep");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn sleeps(id: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state == Some('S')
}
