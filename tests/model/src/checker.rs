// SPDX-License-Identifier: GPL-2.0

//! Whether a history can have come about if the contract's promises hold.
//!
//! What a call did, it did at some instant between its two times. So a promise is broken for sure
//! only if it is, whichever instants these were; everything here goes by the earliest and the
//! latest instant that something can have been at. What is not refused may still have been wrong.

mod barrier;
mod messages;
mod occasions;
mod order;
mod register;
mod room;
mod steps;

use crate::history::{Entry, History, Kind};
use messages::Messages;
use std::collections::HashMap;

/// So many ways in which a promise was broken are shown.
const FEW: usize = 3;

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// A call failed that cannot fail like this.
    Errors,
    /// No message is torn, or mixed with another.
    Whole,
    /// Only what was written is read, in the group where it was.
    Written,
    /// No message is delivered twice.
    Once,
    /// Every message is delivered, unless it is revoked.
    NotLost,
    /// What was revoked is not delivered.
    Revoked,
    /// No delayed message comes before its time.
    NotEarly,
    /// First in, first out.
    Fifo,
    /// Delayed messages come in the order in which they are due.
    DueOrder,
    /// Who finds no message, there was none for.
    NotMissed,
    /// Who waits for a message, waits as long as he said.
    Patience,
    /// No more is stored than `max_storage_size`, and no larger message than `max_message_size`.
    Limits,
    /// Nothing is refused for which there is room.
    Room,
    /// Who passes the barrier was awoken.
    Sleep,
    /// AWAKE_BARRIER says how it was.
    Awake,
    /// Nobody who sleeps is left behind.
    NotLeftBehind,
}

/// How a promise was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    pub promise: Promise,
    /// The calls that show it.
    pub calls: Vec<Entry>,
}

impl Violation {
    fn new(promise: Promise, calls: &[&Entry]) -> Self {
        let calls = calls.iter().map(|&&call| call).collect();
        Self { promise, calls }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is broken:", self.promise)?;
        self.calls
            .iter()
            .try_for_each(|call| write!(f, "\n  {call}"))
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: usize,
    /// Messages that were accepted.
    pub messages: usize,
    pub delivered: usize,
    pub delayed: usize,
    pub revoked: usize,
    pub empty: usize,
    pub refused: usize,
    pub sleeps: usize,
    pub undecided: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.delayed += other.delayed;
        self.revoked += other.revoked;
        self.empty += other.empty;
        self.refused += other.refused;
        self.sleeps += other.sleeps;
        self.undecided += other.undecided;
    }
}

/// Checks a history. `Err`: the promises that were broken for sure, the first few ways of each.
pub fn check(history: &History) -> Result<Counts, Vec<Violation>> {
    let mut counts = Counts::default();
    let mut violations = Vec::new();
    let groups = history.entries.iter().map(|entry| entry.group).max();
    for group in 0..=groups.unwrap_or(0) {
        let mut calls = Calls::of(history, group);
        calls.sort();
        let messages = Messages::of(&calls, &mut violations);
        order::check(&messages, &calls, &mut violations);
        room::check(&messages, &calls, &mut violations);
        barrier::check(&calls, &mut violations);
        counts += calls.count(&messages);
    }
    if violations.is_empty() {
        return Ok(counts);
    }
    let mut shown: HashMap<Promise, usize> = HashMap::new();
    violations.retain(|violation| {
        let count = shown.entry(violation.promise).or_default();
        *count += 1;
        *count <= FEW
    });
    Err(violations)
}

/// The calls to one group, by kind.
struct Calls<'a> {
    max_message_size: u32,
    max_storage_size: u32,
    writes: Vec<&'a Entry>,
    reads: Vec<&'a Entry>,
    delays: Vec<&'a Entry>,
    message_limits: Vec<&'a Entry>,
    storage_limits: Vec<&'a Entry>,
    revokes: Vec<&'a Entry>,
    flushes: Vec<&'a Entry>,
    sleeps: Vec<&'a Entry>,
    awakes: Vec<&'a Entry>,
    seen: Vec<&'a Entry>,
}

impl<'a> Calls<'a> {
    fn of(history: &'a History, group: u8) -> Self {
        let mut calls = Self {
            max_message_size: history.max_message_size,
            max_storage_size: history.max_storage_size,
            writes: Vec::new(),
            reads: Vec::new(),
            delays: Vec::new(),
            message_limits: Vec::new(),
            storage_limits: Vec::new(),
            revokes: Vec::new(),
            flushes: Vec::new(),
            sleeps: Vec::new(),
            awakes: Vec::new(),
            seen: Vec::new(),
        };
        for entry in history.entries.iter().filter(|entry| entry.group == group) {
            if let Some(list) = calls.list(entry.kind) {
                list.push(entry);
            }
        }
        calls
    }

    fn list(&mut self, kind: Kind) -> Option<&mut Vec<&'a Entry>> {
        Some(match kind {
            Kind::None => return None,
            Kind::Write => &mut self.writes,
            Kind::Read => &mut self.reads,
            Kind::SetDelay => &mut self.delays,
            Kind::SetMaxMessage => &mut self.message_limits,
            Kind::SetMaxStorage => &mut self.storage_limits,
            Kind::Revoke => &mut self.revokes,
            Kind::Flush => &mut self.flushes,
            Kind::Sleep => &mut self.sleeps,
            Kind::Awake => &mut self.awakes,
            Kind::Seen => &mut self.seen,
        })
    }

    /// By their beginnings.
    fn sort(&mut self) {
        for list in [&mut self.sleeps, &mut self.awakes, &mut self.seen] {
            list.sort_by_key(|entry| entry.start);
        }
    }

    fn count(&self, messages: &Messages<'_>) -> Counts {
        let accepted = self
            .writes
            .iter()
            .filter(|write| write.is_decided() && write.result > 0);
        let lists = [&self.writes, &self.reads, &self.sleeps, &self.awakes];
        let others = [
            &self.delays,
            &self.message_limits,
            &self.storage_limits,
            &self.revokes,
            &self.flushes,
        ];
        let all = || lists.into_iter().chain(others).flatten();
        Counts {
            calls: all().count(),
            messages: accepted.count(),
            delivered: messages.delivered().count(),
            delayed: messages
                .delivered()
                .filter(|message| message.delay.lo > 0)
                .count(),
            revoked: messages.all.len() - messages.delivered().count(),
            empty: self
                .reads
                .iter()
                .filter(|read| read.is_decided() && read.result <= 0)
                .count(),
            refused: self
                .writes
                .iter()
                .filter(|write| write.is_decided() && write.result < 0)
                .count(),
            sleeps: self.sleeps.len(),
            undecided: all().filter(|entry| !entry.is_decided()).count(),
        }
    }
}
