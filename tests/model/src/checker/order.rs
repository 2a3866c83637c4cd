// SPDX-License-Identifier: GPL-2.0

//! The order of messages, and whether who found none looked at the right time.

use super::messages::{Message, Messages};
use super::{Calls, Promise, Violation};
use crate::call::MS;
use crate::history::Entry;
use std::collections::HashMap;

/// Something that has to be taken second; or a look that found nothing.
struct Later<'a> {
    /// What came before this time had to be taken first.
    after: u64,
    /// It was taken by this time.
    taken_by: u64,
    calls: [&'a Entry; 2],
}

/// Something that has to be taken first.
struct Earlier<'a> {
    /// It came no later than this.
    by: u64,
    /// It was not taken before this.
    taken_from: u64,
    calls: [&'a Entry; 2],
}

pub fn check(messages: &Messages<'_>, calls: &Calls<'_>, violations: &mut Vec<Violation>) {
    check_fifo(messages, violations);
    check_empty(messages, calls, violations);
    check_due_of_later(messages, violations);
    check_due_between_flushes(messages, violations);
}

/// What was available before something else came, is taken first.
fn check_fifo(messages: &Messages<'_>, violations: &mut Vec<Violation>) {
    let later = messages
        .delivered()
        .filter_map(|message| later(message, message.out.lo));
    sweep(
        Promise::Fifo,
        available(messages),
        later.collect(),
        violations,
    );
}

/// Who found nothing looked at a time at which there was nothing.
fn check_empty(messages: &Messages<'_>, calls: &Calls<'_>, violations: &mut Vec<Violation>) {
    let mut empty = Vec::new();
    for &read in calls
        .reads
        .iter()
        .filter(|read| read.is_decided() && read.result <= 0)
    {
        // Who waits looks once more at the end.
        let after = read.start + u64::from(read.patience) * MS;
        if after > read.end {
            violations.push(Violation::new(Promise::Patience, &[read]));
        }
        empty.push(Later {
            after,
            taken_by: read.end,
            calls: [read, read],
        });
    }
    sweep(Promise::NotMissed, available(messages), empty, violations);
}

fn available<'a>(messages: &Messages<'a>) -> Vec<Earlier<'a>> {
    messages
        .delivered()
        .filter_map(|message| earlier(message, message.out.hi))
        .collect()
}

/// Of two delayed messages, one written after the other, the one that is due first comes first,
/// whatever happens.
fn check_due_of_later(messages: &Messages<'_>, violations: &mut Vec<Violation>) {
    let mut delayed = delayed(messages);
    let mut ends: Vec<_> = delayed.iter().map(|message| message.due().hi).collect();
    ends.sort_unstable();
    let mut by_due = Latest::new(ends.len());
    let mut written: Vec<_> = delayed.clone();
    written.sort_unstable_by_key(|message| message.write.end);
    delayed.sort_unstable_by_key(|message| message.write.start);
    let mut written = written.into_iter().peekable();
    for message in delayed {
        while let Some(before) = written.next_if(|m| m.write.end < message.write.start) {
            let place = ends.partition_point(|&end| end < before.due().hi);
            by_due.put(place, before);
        }
        let places = ends.partition_point(|&end| end < message.due().lo);
        let Some(read) = message.read else { continue };
        if let Some(before) = by_due.latest(places) {
            let before_read = before.read.map_or(read, |read| read);
            if before_read.start > read.end {
                let calls = [before.write, message.write, read, before_read];
                violations.push(Violation::new(Promise::DueOrder, &calls));
            }
        }
    }
}

/// Of delayed messages that no flush can have come between, the one that is due first comes first.
fn check_due_between_flushes(messages: &Messages<'_>, violations: &mut Vec<Violation>) {
    let mut gaps: HashMap<usize, Vec<&Message<'_>>> = HashMap::new();
    for message in delayed(messages) {
        let write = message.write;
        if let Some(gap) = messages.flushes.gap(write.start, write.end) {
            gaps.entry(gap).or_default().push(message);
        }
    }
    for messages in gaps.values() {
        let first = messages
            .iter()
            .filter_map(|message| earlier(message, message.due().hi));
        let second = messages
            .iter()
            .filter_map(|message| later(message, message.due().lo));
        sweep(
            Promise::DueOrder,
            first.collect(),
            second.collect(),
            violations,
        );
    }
}

/// Those that were delayed for sure, and delivered.
fn delayed<'a, 'b>(messages: &'b Messages<'a>) -> Vec<&'b Message<'a>> {
    let delayed = messages.delivered().filter(|message| message.delay.lo > 0);
    delayed.collect()
}

fn earlier<'a>(message: &Message<'a>, by: u64) -> Option<Earlier<'a>> {
    let read = message.read?;
    Some(Earlier {
        by,
        taken_from: read.start,
        calls: [message.write, read],
    })
}

fn later<'a>(message: &Message<'a>, after: u64) -> Option<Later<'a>> {
    let read = message.read?;
    Some(Later {
        after,
        taken_by: read.end,
        calls: [message.write, read],
    })
}

/// What comes by some time has to be taken before what comes after it: of no such pair may the
/// second be taken before the first.
fn sweep(
    promise: Promise,
    mut earlier: Vec<Earlier<'_>>,
    mut later: Vec<Later<'_>>,
    violations: &mut Vec<Violation>,
) {
    earlier.sort_unstable_by_key(|first| first.by);
    later.sort_unstable_by_key(|second| second.after);
    let mut earlier = earlier.into_iter().peekable();
    let mut last: Option<Earlier<'_>> = None;
    for second in later {
        // Of all that have to come first, the one that was taken last.
        while let Some(first) = earlier.next_if(|first| first.by < second.after) {
            if last
                .as_ref()
                .is_none_or(|last| last.taken_from < first.taken_from)
            {
                last = Some(first);
            }
        }
        let Some(first) = &last else { continue };
        if first.taken_from > second.taken_by {
            let calls = [first.calls, second.calls].concat();
            violations.push(Violation::new(promise, &calls));
        }
    }
}

/// A Fenwick tree: of the messages in the first so many places, the one that was taken last.
struct Latest<'a, 'b> {
    tree: Vec<Option<&'b Message<'a>>>,
}

impl<'a, 'b> Latest<'a, 'b> {
    fn new(places: usize) -> Self {
        Self {
            tree: vec![None; places + 1],
        }
    }

    fn later(
        one: Option<&'b Message<'a>>,
        other: Option<&'b Message<'a>>,
    ) -> Option<&'b Message<'a>> {
        let taken = |message: &&Message<'_>| message.read.map(|read| read.start);
        one.into_iter().chain(other).max_by_key(taken)
    }

    fn put(&mut self, place: usize, message: &'b Message<'a>) {
        let mut node = place + 1;
        while node < self.tree.len() {
            self.tree[node] = Self::later(self.tree[node], Some(message));
            node += node & node.wrapping_neg();
        }
    }

    fn latest(&self, places: usize) -> Option<&'b Message<'a>> {
        let mut node = places;
        let mut latest = None;
        while node > 0 {
            latest = Self::later(latest, self.tree[node]);
            node -= node & node.wrapping_neg();
        }
        latest
    }
}
