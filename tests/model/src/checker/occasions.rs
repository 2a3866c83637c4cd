// SPDX-License-Identifier: GPL-2.0

//! When something happened that concerns all messages at a time: flushes, or revocations.

use crate::history::{Entry, NEVER};

/// The calls that did, or may have done it.
pub struct Occasions {
    /// By their ends: the earliest beginning of all that end then or later.
    by_end: Vec<(u64, u64)>,
    /// By their beginnings: the latest end of all that begin then or earlier.
    by_start: Vec<(u64, u64)>,
    /// Of those that were done for sure, by their beginnings: the earliest end of all that begin
    /// then or later.
    certain: Vec<(u64, u64)>,
}

impl Occasions {
    pub fn of(calls: &[&Entry]) -> Self {
        let mut by_end: Vec<_> = calls.iter().map(|call| (call.end, call.start)).collect();
        by_end.sort_unstable();
        let mut earliest = NEVER;
        for (_, start) in by_end.iter_mut().rev() {
            earliest = earliest.min(*start);
            *start = earliest;
        }
        let mut by_start: Vec<_> = calls.iter().map(|call| (call.start, call.end)).collect();
        by_start.sort_unstable();
        let mut latest = 0;
        for (_, end) in &mut by_start {
            latest = latest.max(*end);
            *end = latest;
        }
        let certain = calls.iter().filter(|call| call.is_decided());
        let mut certain: Vec<_> = certain.map(|call| (call.start, call.end)).collect();
        certain.sort_unstable();
        let mut earliest = NEVER;
        for (_, end) in certain.iter_mut().rev() {
            earliest = earliest.min(*end);
            *end = earliest;
        }
        Self {
            by_end,
            by_start,
            certain,
        }
    }

    /// The earliest that it can have happened at or after `time`.
    pub fn earliest_from(&self, time: u64) -> u64 {
        let at = self.by_end.partition_point(|&(end, _)| end < time);
        let start = self.by_end.get(at).map_or(NEVER, |&(_, start)| start);
        start.max(time)
    }

    /// The latest that it can have happened in calls that began until `time`.
    pub fn latest_until(&self, time: u64) -> Option<u64> {
        let at = self.by_start.partition_point(|&(start, _)| start <= time);
        at.checked_sub(1).map(|at| self.by_start[at].1)
    }

    /// When it had happened for sure, in a call that began after `time`.
    pub fn done_after(&self, time: u64) -> u64 {
        let at = self.certain.partition_point(|&(start, _)| start <= time);
        self.certain.get(at).map_or(NEVER, |&(_, end)| end)
    }

    /// Between which of them a span is: a number that is the same for all that can have none of
    /// them between. `None`: there may be one in it.
    pub fn gap(&self, start: u64, end: u64) -> Option<usize> {
        let at = self.by_start.partition_point(|&(begin, _)| begin <= end);
        let before = at.checked_sub(1).map_or(0, |at| self.by_start[at].1);
        (before < start).then_some(at)
    }
}
