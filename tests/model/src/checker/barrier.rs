// SPDX-License-Identifier: GPL-2.0

//! Whether sleepers slept, and were awoken, all of them.

use super::{Calls, Promise, Violation};
use crate::history::{Entry, Fate, NEVER};

const NOW: i32 = 0;
const BEFORE: i32 = 1;
const NOBODY: i32 = 2;

pub fn check(calls: &Calls<'_>, violations: &mut Vec<Violation>) {
    let alarm = Alarm::of(calls);
    for &sleep in calls.sleeps.iter().filter(|sleep| sleep.is_decided()) {
        if sleep.result != 0 {
            violations.push(Violation::new(Promise::Errors, &[sleep]));
        } else if !alarm.may_be_on(sleep.start, sleep.end) {
            violations.push(Violation::new(Promise::Sleep, &[sleep]));
        }
    }
    let seen = seen(calls);
    let certain = certain(&seen, &alarm);
    let spans = Spans::of(
        certain
            .iter()
            .map(|&(from, until, _)| (from, until))
            .collect(),
    );
    for &awake in calls.awakes.iter().filter(|awake| awake.is_decided()) {
        let fits = match awake.result {
            NOW => alarm.anybody(awake.start, awake.end),
            BEFORE => alarm.may_be_on(awake.start, awake.end),
            NOBODY => !spans.all_through(awake.start, awake.end),
            _ => false,
        };
        if !fits {
            let slept =
                |&&(from, until, _): &&(u64, u64, &Entry)| from < awake.start && until > awake.end;
            let mut calls = vec![awake];
            calls.extend(certain.iter().find(slept).map(|(.., sleep)| sleep));
            violations.push(Violation::new(Promise::Awake, &calls));
        }
    }
    check_left_behind(calls, &seen, violations);
}

/// Who was seen to sleep before the alarm was on, and sleeps still.
fn check_left_behind(calls: &Calls<'_>, seen: &[(u64, &Entry)], violations: &mut Vec<Violation>) {
    let on = |awake: &&&Entry| awake.is_decided() && matches!(awake.result, NOW | BEFORE);
    let Some(awake) = calls.awakes.iter().filter(on).next_back() else {
        return;
    };
    for &sleep in calls.sleeps.iter().filter(|sleep| sleep.fate == Fate::Open) {
        let slept =
            |&(since, call): &(u64, &Entry)| std::ptr::eq(call, sleep) && since < awake.start;
        if seen.iter().any(slept) {
            violations.push(Violation::new(Promise::NotLeftBehind, &[sleep, awake]));
        }
    }
}

/// Calls in which somebody was seen to sleep, and since when.
fn seen<'a>(calls: &Calls<'a>) -> Vec<(u64, &'a Entry)> {
    let within = |seen: &&Entry| {
        let until = calls
            .sleeps
            .partition_point(|sleep| sleep.start <= seen.start);
        let mut before = calls.sleeps[..until].iter().rev();
        let last = before.find(|sleep| sleep.worker == seen.worker)?;
        // Otherwise it may be the next call in which it was seen.
        (last.end >= seen.end).then_some((seen.end, *last))
    };
    calls.seen.iter().filter_map(within).collect()
}

/// Calls in which somebody slept for sure, and when: from being seen until the alarm can have been
/// on. Who is killed leaves some time before he is gone, so nothing is sure of him.
fn certain<'a>(seen: &[(u64, &'a Entry)], alarm: &Alarm) -> Vec<(u64, u64, &'a Entry)> {
    seen.iter()
        .filter(|&&(since, sleep)| sleep.fate != Fate::Killed && !alarm.may_be_on(since, since))
        .map(|&(since, sleep)| (since, alarm.next(since).min(sleep.end), sleep))
        .collect()
}

/// Spans by their beginnings, each with the latest end so far.
struct Spans(Vec<(u64, u64)>);

impl Spans {
    fn of(mut spans: Vec<(u64, u64)>) -> Self {
        spans.sort_unstable();
        let mut latest = 0;
        for (_, end) in &mut spans {
            latest = latest.max(*end);
            *end = latest;
        }
        Self(spans)
    }

    /// Whether one of them goes from before `start` to behind `end`.
    fn all_through(&self, start: u64, end: u64) -> bool {
        let until = self.0.partition_point(|&(from, _)| from < start);
        until.checked_sub(1).is_some_and(|at| self.0[at].1 > end)
    }
}

/// When the alarm can have been on.
struct Alarm {
    /// The calls that turned it on, or may have: by their beginnings, each with the latest end so
    /// far.
    on: Spans,
    /// The same by their ends, each with the earliest beginning of all that end then or later.
    by_end: Vec<(u64, u64)>,
    /// When somebody was in a call to SLEEP_ON_BARRIER: spans that neither overlap nor touch.
    occupied: Vec<(u64, u64)>,
}

impl Alarm {
    fn of(calls: &Calls<'_>) -> Self {
        let on = |awake: &&&Entry| !awake.is_decided() || awake.result == NOW;
        let awakes = || calls.awakes.iter().filter(on);
        let by_start = awakes().map(|awake| (awake.start, awake.end)).collect();
        let mut by_end: Vec<_> = awakes().map(|awake| (awake.end, awake.start)).collect();
        by_end.sort_unstable();
        let mut earliest = NEVER;
        for (_, start) in by_end.iter_mut().rev() {
            earliest = earliest.min(*start);
            *start = earliest;
        }
        let mut occupied: Vec<(u64, u64)> = Vec::new();
        for sleep in &calls.sleeps {
            match occupied.last_mut() {
                Some((_, end)) if sleep.start <= *end => *end = sleep.end.max(*end),
                _ => occupied.push((sleep.start, sleep.end)),
            }
        }
        Self {
            on: Spans::of(by_start),
            by_end,
            occupied,
        }
    }

    /// Whether it can have been on at some instant between these. It is turned off when nobody is
    /// there any more.
    fn may_be_on(&self, start: u64, end: u64) -> bool {
        let until = self.on.0.partition_point(|&(from, _)| from <= end);
        let Some(at) = until.checked_sub(1) else {
            return false;
        };
        let turned_on = self.on.0[at].1;
        turned_on >= start || self.occupied_until(turned_on) >= start
    }

    /// The earliest that it can be turned on from this time on.
    fn next(&self, time: u64) -> u64 {
        let at = self.by_end.partition_point(|&(end, _)| end < time);
        self.by_end
            .get(at)
            .map_or(NEVER, |&(_, start)| start.max(time))
    }

    /// How long there can have been somebody all the time, from this time on.
    fn occupied_until(&self, time: u64) -> u64 {
        let at = self.occupied.partition_point(|&(start, _)| start <= time);
        at.checked_sub(1).map_or(0, |at| self.occupied[at].1)
    }

    /// Whether anybody can have been there at some instant between these.
    fn anybody(&self, start: u64, end: u64) -> bool {
        let at = self.occupied.partition_point(|&(from, _)| from <= end);
        at.checked_sub(1)
            .is_some_and(|at| self.occupied[at].1 >= start)
    }
}
