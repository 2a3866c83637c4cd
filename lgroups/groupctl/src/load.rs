// SPDX-License-Identifier: GPL-2.0

//! The endless modes: threads that do one thing again and again, to see whether a group can take
//! it, until somebody presses Ctrl-C.

use crate::cli;
use crate::failure::{Failure, Result};
use crate::messages::wait_for_room;
use crate::output::Output;
use crate::wait::{CtrlC, News, wait};
use lgroups::{Awoken, Error, Group};
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How often the rate is shown.
const TICK: Duration = Duration::from_secs(1);

/// What a thread has done, in numbers. What one call adds is added under one lock, so that nobody
/// sees a message and not its bytes; the lock is the thread's own, so that it waits for nobody.
struct Tally(Mutex<Vec<u64>>);

impl Tally {
    /// Adds a number to each of the counters that are named by their index.
    fn add(&self, numbers: &[(usize, u64)]) {
        let mut counts = self.counts();
        for &(counter, number) in numbers {
            counts[counter] += number;
        }
    }

    fn counts(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the threads have done. The first counter is the one of which the rate is shown.
struct Counters {
    names: &'static [&'static str],
    threads: Vec<Arc<Tally>>,
}

impl Counters {
    fn new(names: &'static [&'static str]) -> Self {
        let threads = Vec::new();
        Self { names, threads }
    }

    fn of_another_thread(&mut self) -> Arc<Tally> {
        let tally = Arc::new(Tally(Mutex::new(vec![0; self.names.len()])));
        self.threads.push(tally.clone());
        tally
    }

    /// What all of them have done until now, whatever they do meanwhile.
    fn sum(&self) -> Sum {
        let mut counts = vec![0; self.names.len()];
        for thread in &self.threads {
            for (sum, count) in counts.iter_mut().zip(thread.counts().iter()) {
                *sum += count;
            }
        }
        let names = self.names;
        Sum { names, counts }
    }
}

struct Sum {
    names: &'static [&'static str],
    counts: Vec<u64>,
}

impl Sum {
    fn first(&self) -> u64 {
        self.counts[0]
    }

    /// All of them, for a person.
    fn text(&self) -> String {
        let each = self.names.iter().zip(&self.counts);
        let each = each.map(|(name, count)| format!("{count} {name}"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// All of them, for a program.
    fn values(&self) -> Map<String, Value> {
        let each = self.names.iter().zip(&self.counts);
        each.map(|(name, count)| (name.replace(' ', "_"), json!(count)))
            .collect()
    }
}

pub fn writer(out: Output, load: &cli::Load, size: u32) -> Result {
    let message = vec![b'x'; size as usize];
    run(
        out,
        load,
        &["messages", "bytes", "refused"],
        move |group, tally| {
            match group.send(&message) {
                Ok(()) => tally.add(&[(0, 1), (1, message.len() as u64)]),
                Err(Error::StorageFull) => {
                    tally.add(&[(2, 1)]);
                    wait_for_room(group);
                }
                Err(err) => return Err(err),
            }
            Ok(())
        },
    )
}

pub fn reader(out: Output, load: &cli::Load) -> Result {
    run(out, load, &["messages", "bytes"], |group, tally| {
        if let Some(message) = group.receive()? {
            tally.add(&[(0, 1), (1, message.len() as u64)]);
        }
        Ok(())
    })
}

pub fn awaker(out: Output, load: &cli::Load) -> Result {
    let names = &["calls", "awoke sleepers", "awoken before", "nobody slept"];
    run(out, load, names, |group, tally| {
        let counter = match group.barrier().awake()? {
            Awoken::Now => 1,
            Awoken::Before => 2,
            Awoken::Nobody => 3,
        };
        tally.add(&[(0, 1), (counter, 1)]);
        Ok(())
    })
}

pub fn sleeper(out: Output, load: &cli::Load) -> Result {
    run(out, load, &["sleeps"], |group, tally| {
        group.barrier().sleep()?;
        tally.add(&[(0, 1)]);
        Ok(())
    })
}

/// Has all threads do `once` until the end, and tells what came of it.
fn run(
    out: Output,
    load: &cli::Load,
    names: &'static [&'static str],
    once: impl Fn(&Group, &Tally) -> lgroups::Result<()> + Send + Sync + 'static,
) -> Result {
    let ctrl_c = CtrlC::catch()?;
    let group = Arc::new(Group::install(load.group.as_bytes())?);
    // The readers wait in the kernel, which wakes one of them for a message.
    group.set_receive_timeout(None)?;
    let once = Arc::new(once);
    let mut counters = Counters::new(names);
    let interval = Duration::from_millis(load.interval);
    let (failed, failures) = mpsc::channel();
    for _ in 0..load.threads {
        let (group, once) = (group.clone(), once.clone());
        let tally = counters.of_another_thread();
        let failed = failed.clone();
        let work = move || {
            loop {
                match once(&group, &tally) {
                    Ok(()) | Err(Error::Interrupted) => {}
                    // Nobody listens any more when it has all ended.
                    Err(err) => return drop(failed.send(err)),
                }
                if !interval.is_zero() {
                    thread::sleep(interval);
                }
            }
        };
        // They end with the process, wherever they are: some sleep and are not to be awoken.
        thread::Builder::new()
            .spawn(work)
            .map_err(|err| Failure::Io("cannot start another thread", err))?;
    }

    let start = Instant::now();
    let end = load
        .seconds
        .and_then(|seconds| start.checked_add(Duration::from_secs(seconds.get())));
    let mut live = Live::new(start);
    let mut result = Ok(());
    loop {
        let next = Instant::now() + TICK;
        let deadline = end.map_or(next, |end| end.min(next));
        let news = wait(None, Some(deadline), Some(&ctrl_c), false)?;
        if let Ok(err) = failures.try_recv() {
            result = Err(err.into());
            break;
        }
        if news == News::CtrlC || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        live.show(&counters.sum());
    }
    live.clear();
    summary(out, &counters.sum(), start.elapsed())?;
    result
}

fn summary(out: Output, sum: &Sum, time: Duration) -> Result {
    let seconds = time.as_secs_f64();
    let rate = sum.first() as f64 / seconds;
    out.print(
        || {
            format!(
                "{} in {seconds:.1} s: {rate:.0} {}/s",
                sum.text(),
                sum.names[0]
            )
        },
        || {
            let mut values = sum.values();
            values.insert("seconds".to_owned(), json!(seconds));
            values.insert("per_second".to_owned(), json!(rate));
            Value::Object(values)
        },
    )
}

/// The rate, on one line of a terminal.
struct Live {
    terminal: bool,
    shown: bool,
    before: (Instant, u64),
}

impl Live {
    fn new(start: Instant) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            shown: false,
            before: (start, 0),
        }
    }

    fn show(&mut self, sum: &Sum) {
        let (then, before) = self.before;
        let (now, count) = (Instant::now(), sum.first());
        self.before = (now, count);
        if self.terminal {
            let rate = (count - before) as f64 / (now - then).as_secs_f64();
            let (name, all) = (sum.names[0], sum.text());
            self.print(&format!("{rate:.0} {name}/s ({all})"));
        }
    }

    fn clear(&mut self) {
        if self.shown {
            self.print("");
        }
    }

    /// A terminal that cannot be written to is no reason to end.
    fn print(&mut self, text: &str) {
        let mut terminal = io::stderr().lock();
        let _ = write!(terminal, "\r\x1b[K{text}");
        let _ = terminal.flush();
        self.shown = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn what_one_call_adds_is_seen_together() {
        let mut counters = Counters::new(&["messages", "bytes"]);
        let tallies: Vec<_> = (0..2).map(|_| counters.of_another_thread()).collect();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for tally in &tallies {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        tally.add(&[(0, 1), (1, 10)]);
                    }
                });
            }
            let mut all_well = true;
            let mut seen = 0;
            while seen < 100_000 {
                let sum = counters.sum();
                seen = sum.first();
                all_well &= sum.counts[1] == 10 * seen;
            }
            done.store(true, Relaxed);
            assert!(all_well);
        });
    }
}
