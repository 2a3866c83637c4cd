// SPDX-License-Identifier: GPL-2.0

//! Whether the limits held, and whether nothing was refused without need.

use super::messages::Messages;
use super::register::Register;
use super::steps::Steps;
use super::{Calls, Promise, Violation};
use crate::history::{Entry, NEVER};
use nix::errno::Errno;

/// Each instant is two: at it, and right behind it.
fn at(time: u64) -> u64 {
    time.saturating_mul(2)
}

fn behind(time: u64) -> u64 {
    at(time).saturating_add(1)
}

pub fn check(messages: &Messages<'_>, calls: &Calls<'_>, violations: &mut Vec<Violation>) {
    let largest = Register::of(u64::from(calls.max_message_size), &calls.message_limits);
    let most = Register::of(u64::from(calls.max_storage_size), &calls.storage_limits);
    let least_stored = Steps::of(certain(messages), i64::min);
    let most_stored = Steps::of(possible(messages, calls), i64::max);

    for &write in calls.writes.iter().filter(|write| write.is_decided()) {
        let size = u64::from(write.argument);
        let (start, end) = (write.start, write.end);
        let (largest_lo, largest_hi) = largest.during(start, end);
        let (most_lo, most_hi) = most.during(start, end);
        let broken = match write.result {
            0.. => {
                let stored = least_stored.during(at(start), at(end)) as u64;
                let fits = size <= largest_hi && stored + size <= most_hi;
                (!fits).then_some(Promise::Limits)
            }
            result if result == -(Errno::EMSGSIZE as i32) => {
                (size <= largest_lo).then_some(Promise::Room)
            }
            result if result == -(Errno::ENOSPC as i32) => {
                let stored = most_stored.during(at(start), at(end)) as u64;
                (stored + size <= most_lo).then_some(Promise::Room)
            }
            _ => Some(Promise::Errors),
        };
        if let Some(promise) = broken {
            violations.push(Violation::new(promise, &[write]));
        }
    }
}

/// When messages take up room for sure: after the write has returned, and before they can have
/// gone.
fn certain(messages: &Messages<'_>) -> Vec<(u64, i64)> {
    let mut changes = Vec::new();
    for message in &messages.all {
        let (from, until) = (behind(message.write.end), at(message.gone.lo));
        if message.write.end < NEVER && from < until {
            let size = i64::from(message.write.argument);
            changes.extend([(from, size), (until, -size)]);
        }
    }
    changes
}

/// When they can take up room, those that were written in vain included.
fn possible(messages: &Messages<'_>, calls: &Calls<'_>) -> Vec<(u64, i64)> {
    let refused = [Errno::EMSGSIZE, Errno::ENOSPC].map(|errno| -(errno as i32));
    let in_vain = |write: &&&Entry| !write.may_be_done() && !refused.contains(&write.result);
    let in_vain = calls.writes.iter().filter(in_vain);
    let in_vain = in_vain.map(|write| (*write, write.end));
    let stored = messages
        .all
        .iter()
        .map(|message| (message.write, message.gone.hi));
    let mut changes = Vec::new();
    for (write, until) in stored.chain(in_vain) {
        let size = i64::from(write.argument);
        changes.extend([(at(write.start), size), (behind(until), -size)]);
    }
    changes
}
