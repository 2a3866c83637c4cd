// SPDX-License-Identifier: GPL-2.0

//! What became of each message: whole, once, not lost, not revoked, not early.

use super::occasions::Occasions;
use super::register::Register;
use super::{Calls, Promise, Violation};
use crate::call::MS;
use crate::history::{Entry, NEVER, size};
use crate::state::Span;
use nix::errno::Errno;
use std::collections::HashMap;

/// A message that was stored, or may have been.
pub struct Message<'a> {
    pub write: &'a Entry,
    pub read: Option<&'a Entry>,
    /// How long its delay can have been, in nanoseconds.
    pub delay: Span,
    /// When it can have become available.
    pub out: Span,
    /// When it can have ceased to take up room.
    pub gone: Span,
}

impl Message<'_> {
    /// When its delay can have run out.
    pub fn due(&self) -> Span {
        Span {
            lo: self.write.start.saturating_add(self.delay.lo),
            hi: self.write.end.saturating_add(self.delay.hi),
        }
    }
}

/// All messages of a group.
pub struct Messages<'a> {
    pub all: Vec<Message<'a>>,
    pub flushes: Occasions,
}

impl<'a> Messages<'a> {
    /// Finds out what became of them.
    pub fn of(calls: &Calls<'a>, violations: &mut Vec<Violation>) -> Self {
        let delays = Register::of(0, &calls.delays);
        let flushes = Occasions::of(&calls.flushes);
        let mut all: Vec<_> = calls
            .writes
            .iter()
            .filter(|write| write.may_be_done())
            .map(|write| sent(write, &delays, &flushes))
            .collect();
        let index = all.iter().enumerate().map(|(at, m)| (m.write.message, at));
        let index: HashMap<u64, usize> = index.collect();

        for &read in calls.reads.iter().filter(|read| read.is_decided()) {
            if read.result <= 0 {
                if read.result < 0 && read.result != -(Errno::EAGAIN as i32) {
                    violations.push(Violation::new(Promise::Errors, &[read]));
                }
                continue;
            }
            match index.get(&read.message) {
                None => violations.push(Violation::new(Promise::Written, &[read])),
                Some(&at) => violations.extend(deliver(&mut all[at], read)),
            }
        }
        let missing = Missing::of(calls);
        missing.check(&mut all, violations);
        for message in &all {
            violations.extend(missing.check_delivered(message));
        }
        Self { all, flushes }
    }

    /// Those that were delivered.
    pub fn delivered(&self) -> impl Iterator<Item = &Message<'a>> {
        self.all.iter().filter(|message| message.read.is_some())
    }
}

/// A message of which it is not yet known what became.
fn sent<'a>(write: &'a Entry, delays: &Register, flushes: &Occasions) -> Message<'a> {
    let (lo, hi) = delays.during(write.start, write.end);
    let delay = Span {
        lo: lo * MS,
        hi: hi * MS,
    };
    let mut out = Span {
        lo: write.start,
        hi: write.end,
    };
    if delay.lo > 0 {
        out.lo = flushes
            .earliest_from(write.start)
            .min(write.start + delay.lo);
    }
    if delay.hi > 0 {
        // The timer may be late.
        out.hi = flushes.done_after(write.end);
    }
    Message {
        write,
        read: None,
        delay,
        out,
        gone: Span {
            lo: write.end,
            hi: NEVER,
        },
    }
}

/// Takes notice of a message's being read.
fn deliver<'a>(message: &mut Message<'a>, read: &'a Entry) -> Option<Violation> {
    let promise = if let Some(other) = message.read {
        return Some(Violation::new(Promise::Once, &[message.write, other, read]));
    } else if read.torn || read.result as usize != size(read.message).min(read.argument as usize) {
        Promise::Whole
    } else {
        Promise::NotEarly
    };
    message.read = Some(read);
    message.gone = Span {
        lo: read.start,
        hi: read.end,
    };
    // It cannot have been read before it was there.
    message.out.hi = message.out.hi.min(read.end);
    let is_early = read.end < message.out.lo;
    (promise == Promise::Whole || is_early).then(|| Violation::new(promise, &[message.write, read]))
}

/// Where messages can have gone that nobody is known to have read.
struct Missing<'a> {
    revokes: Occasions,
    /// Reads of processes that were killed.
    undecided: Vec<&'a Entry>,
}

impl<'a> Missing<'a> {
    fn of(calls: &Calls<'a>) -> Self {
        let undecided = calls.reads.iter().filter(|read| !read.is_decided());
        Self {
            revokes: Occasions::of(&calls.revokes),
            undecided: undecided.copied().collect(),
        }
    }

    /// Looks at what was not delivered, and says when it has gone.
    fn check(&self, all: &mut [Message<'a>], violations: &mut Vec<Violation>) {
        let mut lost = Vec::new();
        for message in all.iter_mut().filter(|message| message.read.is_none()) {
            let write = message.write;
            let revoked = self.revoked(message);
            if !write.is_decided() {
                // Most probably it was never there.
                message.gone.lo = write.start;
                message.gone.hi = revoked.map_or(write.end, |span| span.hi.max(write.end));
            } else if let Some(span) = revoked {
                message.gone = span;
            } else {
                lost.push(write);
            }
            if let Some(earliest) = self.undecided.iter().map(|read| read.start).min() {
                message.gone.lo = message.gone.lo.min(earliest.max(write.start));
                let latest = self.undecided.iter().map(|read| read.end).max();
                message.gone.hi = message.gone.hi.max(latest.unwrap_or(0));
            }
        }
        // Each killed reader may have taken one with it.
        let may_have = |write: &&Entry| self.undecided.iter().any(|read| read.end >= write.start);
        if lost.len() > self.undecided.len() || !lost.iter().all(may_have) {
            violations.extend(
                lost.iter()
                    .map(|write| Violation::new(Promise::NotLost, &[write])),
            );
        }
    }

    /// When a message can have been revoked.
    fn revoked(&self, message: &Message<'_>) -> Option<Span> {
        if message.delay.hi == 0 {
            return None;
        }
        // Not any more when it is available.
        let until = message.due().hi.min(message.out.hi);
        let lo = self.revokes.earliest_from(message.write.start);
        let hi = self.revokes.latest_until(until)?;
        (lo <= until).then_some(Span { lo, hi })
    }

    /// A message that was delivered cannot have been revoked.
    fn check_delivered(&self, message: &Message<'_>) -> Option<Violation> {
        let read = message.read?;
        let revoked = self.revokes.done_after(message.write.end);
        (revoked < message.out.lo).then(|| Violation::new(Promise::Revoked, &[message.write, read]))
    }
}
