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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often the rate is shown.
const TICK: Duration = Duration::from_secs(1);

/// What the threads have done. The first counter is the one of which the rate is shown.
struct Counters {
    names: &'static [&'static str],
    counts: Vec<AtomicU64>,
}

impl Counters {
    fn new(names: &'static [&'static str]) -> Arc<Self> {
        let counts = names.iter().map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { names, counts })
    }

    fn add(&self, counter: usize, number: u64) {
        self.counts[counter].fetch_add(number, Relaxed);
    }

    fn first(&self) -> u64 {
        self.counts[0].load(Relaxed)
    }

    /// All of them, for a person.
    fn text(&self) -> String {
        let each = self.names.iter().zip(&self.counts);
        let each = each.map(|(name, count)| format!("{} {name}", count.load(Relaxed)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// All of them, for a program.
    fn values(&self) -> Map<String, Value> {
        let each = self.names.iter().zip(&self.counts);
        each.map(|(name, count)| (name.replace(' ', "_"), json!(count.load(Relaxed))))
            .collect()
    }
}

pub fn writer(out: Output, load: &cli::Load, size: u32) -> Result {
    let message = vec![b'x'; size as usize];
    run(
        out,
        load,
        &["messages", "bytes", "refused"],
        move |group, counters| {
            match group.send(&message) {
                Ok(()) => {
                    counters.add(0, 1);
                    counters.add(1, message.len() as u64);
                }
                Err(Error::StorageFull) => {
                    counters.add(2, 1);
                    wait_for_room(group);
                }
                Err(err) => return Err(err),
            }
            Ok(())
        },
    )
}

pub fn reader(out: Output, load: &cli::Load) -> Result {
    run(out, load, &["messages", "bytes"], |group, counters| {
        if let Some(message) = group.receive()? {
            counters.add(0, 1);
            counters.add(1, message.len() as u64);
        }
        Ok(())
    })
}

pub fn awaker(out: Output, load: &cli::Load) -> Result {
    let names = &["calls", "awoke sleepers", "awoken before", "nobody slept"];
    run(out, load, names, |group, counters| {
        let counter = match group.barrier().awake()? {
            Awoken::Now => 1,
            Awoken::Before => 2,
            Awoken::Nobody => 3,
        };
        counters.add(0, 1);
        counters.add(counter, 1);
        Ok(())
    })
}

pub fn sleeper(out: Output, load: &cli::Load) -> Result {
    run(out, load, &["sleeps"], |group, counters| {
        group.barrier().sleep()?;
        counters.add(0, 1);
        Ok(())
    })
}

/// Has all threads do `once` until the end, and tells what came of it.
fn run(
    out: Output,
    load: &cli::Load,
    names: &'static [&'static str],
    once: impl Fn(&Group, &Counters) -> lgroups::Result<()> + Send + Sync + 'static,
) -> Result {
    let ctrl_c = CtrlC::catch()?;
    let group = Arc::new(Group::install(load.group.as_bytes())?);
    // The readers wait in the kernel, which wakes one of them for a message.
    group.set_receive_timeout(None)?;
    let once = Arc::new(once);
    let counters = Counters::new(names);
    let interval = Duration::from_millis(load.interval);
    let (failed, failures) = mpsc::channel();
    for _ in 0..load.threads {
        let (group, counters, once) = (group.clone(), counters.clone(), once.clone());
        let failed = failed.clone();
        let work = move || {
            loop {
                match once(&group, &counters) {
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
        live.show(&counters);
    }
    live.clear();
    summary(out, &counters, start.elapsed())?;
    result
}

fn summary(out: Output, counters: &Counters, time: Duration) -> Result {
    let seconds = time.as_secs_f64();
    let rate = counters.first() as f64 / seconds;
    out.print(
        || {
            format!(
                "{} in {seconds:.1} s: {rate:.0} {}/s",
                counters.text(),
                counters.names[0]
            )
        },
        || {
            let mut values = counters.values();
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

    fn show(&mut self, counters: &Counters) {
        let (then, before) = self.before;
        let (now, count) = (Instant::now(), counters.first());
        self.before = (now, count);
        if self.terminal {
            let rate = (count - before) as f64 / (now - then).as_secs_f64();
            let (name, all) = (counters.names[0], counters.text());
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
