// SPDX-License-Identifier: GPL-2.0

//! Histories that keep all promises: what some workers do to a group that is made of lists here,
//! each call at some instant between its beginning and its end.

use crate::history::{Entry, Fate, History, Kind, number, size};
use crate::random::Random;
use nix::errno::Errno;
use std::collections::VecDeque;

const WORKERS: usize = 5;
const US: u64 = 1000;
const MS: u64 = 1000 * US;
const MAX_MESSAGE: u32 = 100;
const MAX_STORAGE: u32 = 1000;

/// What a history may have in it.
#[derive(Clone, Copy)]
pub struct Kinds {
    pub delays: bool,
    pub limits: bool,
    pub barrier: bool,
    pub kills: bool,
}

/// A call that a worker is in.
#[derive(Clone, Copy)]
struct Pending {
    entry: Entry,
    /// When it is done.
    instant: u64,
}

struct World {
    random: Random,
    history: History,
    queue: VecDeque<u64>,
    /// When it is due, when the timer publishes it, and what it is: in order.
    delayed: Vec<(u64, u64, u64)>,
    delay: u32,
    max_message: u32,
    max_storage: u32,
    stored: u32,
    /// Calls that sleep.
    sleepers: Vec<Pending>,
    /// When those leave that have passed; the alarm is on until the last has left.
    leaving: Vec<u64>,
    /// Workers, and when they make their next calls.
    free: Vec<(u16, u64)>,
    next_worker: u16,
    sent: u32,
}

/// A history of about so many calls.
pub fn simulate(seed: u64, calls: usize, kinds: Kinds) -> History {
    let mut world = World {
        random: Random::new(seed),
        history: History {
            max_message_size: MAX_MESSAGE,
            max_storage_size: MAX_STORAGE,
            entries: Vec::new(),
        },
        queue: VecDeque::new(),
        delayed: Vec::new(),
        delay: 0,
        max_message: MAX_MESSAGE,
        max_storage: MAX_STORAGE,
        stored: 0,
        sleepers: Vec::new(),
        leaving: Vec::new(),
        free: (0..WORKERS as u16).map(|worker| (worker, MS)).collect(),
        next_worker: WORKERS as u16,
        sent: 0,
    };
    let mut pending: Vec<Pending> = Vec::new();
    let mut made = 0;
    while made < calls || !pending.is_empty() {
        if made < calls {
            while let Some((worker, start)) = world.free.pop() {
                pending.push(world.begin(worker, start, kinds));
                made += 1;
            }
        }
        let Some(next) = (0..pending.len()).min_by_key(|&at| pending[at].instant) else {
            break;
        };
        let call = pending.swap_remove(next);
        world.act(call, kinds);
        if pending.is_empty() && world.free.is_empty() {
            // All sleep.
            let now = world.now();
            world.next_worker += 1;
            world.free.push((world.next_worker, now));
        }
    }
    world.finish();
    world.history
}

impl World {
    fn now(&self) -> u64 {
        let ends = self.history.entries.iter().map(|entry| entry.end);
        ends.max().unwrap_or(MS)
    }

    fn begin(&mut self, worker: u16, start: u64, kinds: Kinds) -> Pending {
        let kind = loop {
            match self.random.below(100) {
                0..40 => break Kind::Write,
                40..80 => break Kind::Read,
                80..86 if kinds.delays => break Kind::SetDelay,
                86..88 if kinds.delays => break Kind::Revoke,
                88..90 if kinds.delays => break Kind::Flush,
                90..92 if kinds.limits => break Kind::SetMaxMessage,
                92..94 if kinds.limits => break Kind::SetMaxStorage,
                94..96 if kinds.barrier => break Kind::Sleep,
                96..98 if kinds.barrier => break Kind::Awake,
                98..100 if kinds.barrier => break Kind::Seen,
                _ => {}
            }
        };
        let mut entry = Entry {
            start,
            worker,
            kind,
            ..Entry::default()
        };
        match kind {
            Kind::Write => {
                entry.argument = 8 + self.random.below(100) as u32;
                self.sent += 1;
                entry.message = number(worker, self.sent, entry.argument as usize);
            }
            Kind::Read => {
                entry.argument = self.random.choose(&[20, 100, 200, 200]);
                entry.patience = self.random.choose(&[0, 0, 1]);
            }
            Kind::SetDelay => entry.argument = self.random.choose(&[0, 0, 1, 2, 1000]),
            Kind::SetMaxMessage => entry.argument = self.random.choose(&[50, 100, 200]),
            Kind::SetMaxStorage => entry.argument = self.random.choose(&[100, 1000, 2000]),
            _ => {}
        }
        let takes = u64::from(entry.patience) * MS + self.random.below(100) * US;
        Pending {
            entry,
            instant: start + takes,
        }
    }

    /// Does what a call does.
    fn act(&mut self, call: Pending, kinds: Kinds) {
        let Pending { mut entry, instant } = call;
        let is_killed = kinds.kills && entry.kind != Kind::Seen && self.random.below(50) == 0;
        if is_killed && self.random.below(2) == 0 {
            return self.kill(entry, instant);
        }
        self.expire(instant);
        self.leaving.retain(|&time| time > instant);
        match entry.kind {
            Kind::Write => entry.result = self.write(&entry, instant),
            Kind::Read => self.read(&mut entry),
            Kind::SetDelay => self.delay = entry.argument,
            Kind::SetMaxMessage => self.max_message = entry.argument,
            Kind::SetMaxStorage => self.max_storage = entry.argument,
            Kind::Revoke => {
                // Those that are due stay, even if the timer has not come to them.
                let due = self.delayed.partition_point(|delayed| delayed.0 <= instant);
                let due = self.delayed.drain(..due).map(|delayed| delayed.2);
                self.queue.extend(due);
                for (_, _, message) in std::mem::take(&mut self.delayed) {
                    self.stored -= size(message) as u32;
                }
            }
            Kind::Flush => self.flush(),
            Kind::Sleep if self.leaving.is_empty() => {
                if is_killed {
                    return self.kill(entry, instant);
                }
                return self.sleepers.push(call);
            }
            Kind::Sleep => {
                let leaves = instant + self.random.below(50) * US;
                self.leaving.push(leaves);
                return self.end(entry, leaves);
            }
            Kind::Awake => entry.result = self.awake(instant),
            _ => {
                if let Some(sleeper) = self.sleepers.first() {
                    let seen = Entry {
                        end: instant,
                        worker: sleeper.entry.worker,
                        fate: Fate::Returned,
                        ..entry
                    };
                    // It slept at the instant of this call.
                    let start = instant.max(sleeper.instant);
                    self.history.entries.push(Entry { start, ..seen });
                }
                return self.free.push((entry.worker, instant));
            }
        }
        if is_killed {
            self.kill(entry, instant);
        } else {
            self.end(entry, instant);
        }
    }

    fn write(&mut self, entry: &Entry, instant: u64) -> i32 {
        if entry.argument > self.max_message {
            return -(Errno::EMSGSIZE as i32);
        } else if self.stored + entry.argument > self.max_storage {
            return -(Errno::ENOSPC as i32);
        }
        self.stored += entry.argument;
        if self.delay == 0 {
            self.queue.push_back(entry.message);
        } else {
            let due = instant + u64::from(self.delay) * MS;
            let place = self.delayed.partition_point(|delayed| delayed.0 <= due);
            let late = self.random.below(300) * US;
            self.delayed.insert(place, (due, due + late, entry.message));
        }
        entry.argument as i32
    }

    fn read(&mut self, entry: &mut Entry) {
        let Some(message) = self.queue.pop_front() else {
            return;
        };
        self.stored -= size(message) as u32;
        entry.message = message;
        entry.result = size(message).min(entry.argument as usize) as i32;
    }

    /// The timer.
    fn expire(&mut self, now: u64) {
        while self.delayed.first().is_some_and(|delayed| delayed.1 <= now) {
            self.queue.push_back(self.delayed.remove(0).2);
        }
    }

    fn flush(&mut self) {
        let messages = self.delayed.drain(..).map(|delayed| delayed.2);
        self.queue.extend(messages);
    }

    fn awake(&mut self, instant: u64) -> i32 {
        if !self.leaving.is_empty() {
            return 1;
        } else if self.sleepers.is_empty() {
            return 2;
        }
        for sleeper in std::mem::take(&mut self.sleepers) {
            let leaves = instant + 1 + self.random.below(200) * US;
            self.leaving.push(leaves);
            self.end(sleeper.entry, leaves);
        }
        0
    }

    /// A call returns some time after it is done.
    fn end(&mut self, mut entry: Entry, instant: u64) {
        entry.end = instant + self.random.below(100) * US;
        entry.fate = Fate::Returned;
        self.history.entries.push(entry);
        let pause = self.random.below(20) * US;
        self.free.push((entry.worker, entry.end + pause));
    }

    /// The process is killed in the call, its files are closed, and another one comes.
    fn kill(&mut self, mut entry: Entry, instant: u64) {
        self.flush();
        entry.end = instant + 10;
        entry.fate = Fate::Killed;
        entry.result = 0;
        if entry.kind == Kind::Read {
            entry.message = 0;
        }
        let flush = Entry {
            start: instant - 10,
            kind: Kind::Flush,
            fate: Fate::Returned,
            ..entry
        };
        self.history.entries.extend([entry, flush]);
        self.free.push((self.next_worker, entry.end));
        self.next_worker += 1;
    }

    /// Wakes who sleeps, and empties the group.
    fn finish(&mut self) {
        let mut calls = vec![Kind::Flush];
        if !self.sleepers.is_empty() {
            calls.push(Kind::Awake);
        }
        calls.extend([Kind::Read].repeat(self.queue.len() + self.delayed.len() + 1));
        for kind in calls {
            let start = self.now() + MS;
            let entry = Entry {
                start,
                worker: u16::MAX,
                kind,
                argument: 200,
                ..Entry::default()
            };
            let kinds = Kinds {
                delays: false,
                limits: false,
                barrier: false,
                kills: false,
            };
            self.act(
                Pending {
                    entry,
                    instant: start,
                },
                kinds,
            );
        }
    }
}
