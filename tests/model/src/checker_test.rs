// SPDX-License-Identifier: GPL-2.0

//! What the checker accepts, and what it refuses: in each history that is doctored here there is
//! one promise that is broken.

use crate::checker::{Promise, check};
use crate::history::{Entry, Fate, History, Kind, NEVER, fill, number, recognize};
use crate::simulation::{Kinds, simulate};
use nix::errno::Errno;

const ALL: Kinds = Kinds {
    delays: true,
    limits: true,
    barrier: true,
    kills: true,
};
const PLAIN: Kinds = Kinds {
    delays: false,
    limits: false,
    barrier: false,
    kills: false,
};
const MS: u64 = 1_000_000;
const ENOSPC: i32 = -(Errno::ENOSPC as i32);
const EMSGSIZE: i32 = -(Errno::EMSGSIZE as i32);

fn history(entries: &[Entry]) -> History {
    History {
        max_message_size: 100,
        max_storage_size: 1000,
        entries: entries.to_vec(),
    }
}

fn call(kind: Kind, start: u64, end: u64, result: i32) -> Entry {
    Entry {
        kind,
        start,
        end,
        result,
        fate: Fate::Returned,
        ..Entry::default()
    }
}

/// Writes the message `name`, of `size` bytes.
fn write(name: u32, size: u32, start: u64, end: u64) -> Entry {
    Entry {
        message: number(1, name, size as usize),
        argument: size,
        ..call(Kind::Write, start, end, size as i32)
    }
}

/// Reads it.
fn read(name: u32, size: u32, start: u64, end: u64) -> Entry {
    Entry {
        message: number(1, name, size as usize),
        argument: 100,
        ..call(Kind::Read, start, end, size as i32)
    }
}

fn empty(start: u64, end: u64) -> Entry {
    call(Kind::Read, start, end, 0)
}

/// Sets a number.
fn set(kind: Kind, argument: u32, start: u64, end: u64) -> Entry {
    Entry {
        argument,
        ..call(kind, start, end, 0)
    }
}

fn delay(ms: u32, start: u64, end: u64) -> Entry {
    set(Kind::SetDelay, ms, start, end)
}

fn killed(call: Entry) -> Entry {
    Entry {
        fate: Fate::Killed,
        result: 0,
        ..call
    }
}

/// A call that never ends.
fn open(call: Entry) -> Entry {
    Entry {
        fate: Fate::Open,
        end: NEVER,
        ..call
    }
}

fn by(worker: u16, call: Entry) -> Entry {
    Entry { worker, ..call }
}

#[track_caller]
fn accepts(entries: &[Entry]) {
    if let Err(violations) = check(&history(entries)) {
        panic!("{}", violations[0]);
    }
}

/// The history is refused for this promise, and for no other.
#[track_caller]
fn refuses(promise: Promise, entries: &[Entry]) {
    let violations = check(&history(entries)).expect_err("it is accepted");
    let mut promises: Vec<_> = violations
        .iter()
        .map(|violation| violation.promise)
        .collect();
    promises.dedup();
    assert_eq!(promises, [promise]);
}

#[test]
fn simulated_histories_are_accepted() {
    for seed in 0..64 {
        let kinds = Kinds {
            delays: seed % 2 > 0,
            limits: seed % 4 > 1,
            barrier: seed % 8 > 3,
            kills: seed % 16 > 7,
        };
        let history = simulate(seed, 1000, kinds);
        match check(&history) {
            Ok(counts) => assert!(counts.delivered > 50, "seed {seed}: {counts:?}"),
            Err(violations) => panic!("seed {seed}: {}", violations[0]),
        }
    }
}

#[test]
fn simulated_histories_have_everything_in_them() {
    let mut all = crate::checker::Counts::default();
    for seed in 0..20 {
        all += check(&simulate(seed, 2000, ALL)).expect("a good history");
    }
    let least = [
        all.delayed,
        all.revoked,
        all.empty,
        all.refused,
        all.sleeps,
        all.undecided,
    ];
    assert!(least.iter().all(|&count| count > 100), "{all:?}");
}

/// Doctors histories, in as many ways as there are calls that `doctor` finds something to do with.
#[track_caller]
fn refuses_doctored(kinds: Kinds, doctor: impl Fn(&mut Vec<Entry>, usize) -> bool) {
    let mut doctored = 0;
    for seed in 0..8 {
        let history = simulate(seed, 300, kinds);
        for at in 0..history.entries.len() {
            let mut history = history.clone();
            if doctor(&mut history.entries, at) {
                doctored += 1;
                assert!(
                    check(&history).is_err(),
                    "seed {seed}, call {at} is accepted"
                );
            }
        }
    }
    assert!(doctored > 300, "only {doctored}");
}

fn has_message(entries: &[Entry], at: usize) -> bool {
    entries[at].kind == Kind::Read && entries[at].result > 0
}

#[test]
fn a_history_without_one_of_its_reads_is_refused() {
    refuses_doctored(PLAIN, |entries, at| {
        let is_read = has_message(entries, at);
        if is_read {
            entries.remove(at);
        }
        is_read
    });
}

#[test]
fn a_history_with_one_read_twice_is_refused() {
    refuses_doctored(ALL, |entries, at| {
        let is_read = has_message(entries, at);
        entries.push(entries[at]);
        is_read
    });
}

#[test]
fn a_history_without_one_of_its_writes_is_refused() {
    refuses_doctored(ALL, |entries, at| {
        let message = entries[at].message;
        let is_read = |entry: &Entry| entry.kind == Kind::Read && entry.message == message;
        let was_read = entries[at].kind == Kind::Write && entries.iter().any(is_read);
        entries.remove(at);
        was_read
    });
}

#[test]
fn a_history_with_a_torn_message_is_refused() {
    refuses_doctored(ALL, |entries, at| {
        let is_read = has_message(entries, at);
        entries[at].torn = true;
        is_read
    });
}

#[test]
fn a_history_with_two_messages_swapped_is_refused() {
    refuses_doctored(PLAIN, |entries, at| {
        if !has_message(entries, at) {
            return false;
        }
        let message = entries[at].message;
        let written = |message| {
            let is_it = move |entry: &&Entry| entry.kind == Kind::Write && entry.message == message;
            *entries.iter().find(is_it).expect("it was written")
        };
        let this = written(message);
        // One that was written and read for sure after this one.
        let later = |other: &usize| {
            has_message(entries, *other) && {
                let (read, write) = (entries[*other], written(entries[*other].message));
                write.start > this.end && read.start > entries[at].end
            }
        };
        let Some(other) = (0..entries.len()).find(later) else {
            return false;
        };
        let (one, two) = (entries[at], entries[other]);
        for (at, from) in [(at, two), (other, one)] {
            entries[at].message = from.message;
            entries[at].argument = 200;
            entries[at].result = crate::history::size(from.message) as i32;
        }
        true
    });
}

#[test]
fn what_is_written_and_read_is_accepted() {
    accepts(&[write(1, 8, 10, 20), read(1, 8, 30, 40), empty(50, 60)]);
    // At the same time, in either order.
    accepts(&[
        write(1, 8, 10, 20),
        write(2, 8, 15, 25),
        read(2, 8, 30, 40),
        read(1, 8, 50, 60),
    ]);
    // Read before it is written, as far as their ends go.
    accepts(&[write(1, 8, 10, 40), read(1, 8, 20, 30)]);
}

#[test]
fn a_lost_message_is_refused() {
    refuses(Promise::NotLost, &[write(1, 8, 10, 20)]);
    // Not even if others are delayed, and revoked.
    let entries = [
        write(1, 8, 10, 20),
        delay(5, 30, 40),
        call(Kind::Revoke, 50, 60, 0),
    ];
    refuses(Promise::NotLost, &entries);
    // Its delay had run out before.
    let entries = [
        delay(1, 10, 20),
        write(1, 8, 30, 40),
        call(Kind::Revoke, 2 * MS, 2 * MS + 1, 0),
    ];
    refuses(Promise::NotLost, &entries);
    // It had been flushed before.
    let entries = [
        delay(1, 10, 20),
        write(1, 8, 30, 40),
        call(Kind::Flush, 50, 60, 0),
        call(Kind::Revoke, 70, 80, 0),
    ];
    refuses(Promise::NotLost, &entries);
}

#[test]
fn a_doubled_message_is_refused() {
    let entries = [write(1, 8, 10, 20), read(1, 8, 30, 40), read(1, 8, 50, 60)];
    refuses(Promise::Once, &entries);
}

#[test]
fn a_message_that_nobody_wrote_is_refused() {
    refuses(Promise::Written, &[read(1, 8, 30, 40)]);
    // It was written to another group.
    let mut entries = [write(1, 8, 10, 20), read(1, 8, 30, 40)];
    entries[0].group = 1;
    let violations = check(&history(&entries)).expect_err("it is accepted");
    assert_eq!(violations[0].promise, Promise::Written);
    // Its write failed.
    let mut write = write(1, 8, 10, 20);
    write.result = ENOSPC;
    let violations = check(&history(&[write, read(1, 8, 30, 40)])).expect_err("it is accepted");
    assert_eq!(violations[0].promise, Promise::Written);
}

#[test]
fn a_torn_message_is_refused() {
    let mut read = read(1, 20, 30, 40);
    read.torn = true;
    refuses(Promise::Whole, &[write(1, 20, 10, 20), read]);
    // Or one of which a part is missing, though there was room.
    read.torn = false;
    read.result = 19;
    refuses(Promise::Whole, &[write(1, 20, 10, 20), read]);
    // Too much of it was read.
    (read.argument, read.result) = (10, 20);
    refuses(Promise::Whole, &[write(1, 20, 10, 20), read]);
    read.result = 10;
    accepts(&[write(1, 20, 10, 20), read]);
}

#[test]
fn torn_and_mixed_messages_are_recognized() {
    let (one, other) = (number(1, 1, 64), number(1, 2, 64));
    let mut message = [0; 64];
    fill(one, &mut message);
    assert_eq!(recognize(&message), (one, false));
    assert_eq!(recognize(&message[..8]), (one, false));
    let mut mixed = message;
    fill(other, &mut mixed);
    mixed[40..].copy_from_slice(&message[40..]);
    assert_eq!(recognize(&mixed), (other, true));
    assert_eq!(recognize(&message[..7]), (0, true));
}

#[test]
fn reordered_messages_are_refused() {
    let entries = [
        write(1, 8, 10, 20),
        write(2, 8, 30, 40),
        read(2, 8, 50, 60),
        read(1, 8, 70, 80),
    ];
    refuses(Promise::Fifo, &entries);
    // With the reads at the same time nobody knows.
    let entries = [
        write(1, 8, 10, 20),
        write(2, 8, 30, 40),
        read(2, 8, 50, 75),
        read(1, 8, 70, 80),
    ];
    accepts(&entries);
}

#[test]
fn what_was_flushed_comes_before_what_is_written_afterwards() {
    let entries = |flushed_at| {
        [
            delay(1000, 1, 2),
            write(1, 8, 10, 20),
            delay(0, 21, 22),
            call(Kind::Flush, flushed_at, flushed_at + 1, 0),
            write(2, 8, 30, 40),
            read(2, 8, 50, 60),
            read(1, 8, 70, 80),
        ]
    };
    refuses(Promise::Fifo, &entries(25));
    accepts(&entries(45));
}

#[test]
fn an_early_message_is_refused() {
    let entries = |read_at| {
        [
            delay(1, 10, 20),
            write(1, 8, 30, 40),
            read(1, 8, read_at, read_at + 10),
        ]
    };
    refuses(Promise::NotEarly, &entries(MS));
    accepts(&entries(MS + 30));
    // If it may have been flushed, it is not early; if that was before, it is.
    let mut flushed = entries(MS).to_vec();
    flushed.push(call(Kind::Flush, 35, 45, 0));
    accepts(&flushed);
    flushed[3] = call(Kind::Flush, 15, 25, 0);
    refuses(Promise::NotEarly, &flushed);
    // With any of the delays that there may have been.
    let mut two = entries(MS).to_vec();
    two.push(delay(0, 25, 35));
    accepts(&two);
}

#[test]
fn messages_that_are_not_in_due_order_are_refused() {
    // The later one is due later.
    let entries = [
        delay(1, 10, 20),
        write(1, 8, 30, 40),
        write(2, 8, 50, 60),
        read(2, 8, 3 * MS, 3 * MS + 10),
        read(1, 8, 3 * MS + 20, 3 * MS + 30),
    ];
    refuses(Promise::DueOrder, &entries);
    // The earlier one is due later.
    let entries = [
        delay(2, 10, 20),
        write(1, 8, 30, 40),
        delay(1, 41, 42),
        write(2, 8, 50, 60),
        read(1, 8, 3 * MS, 3 * MS + 10),
        read(2, 8, 3 * MS + 20, 3 * MS + 30),
    ];
    refuses(Promise::DueOrder, &entries);
    // A flush between the two changes that.
    let mut flushed = entries.to_vec();
    flushed.push(call(Kind::Flush, 45, 46, 0));
    accepts(&flushed);
}

#[test]
fn a_revoked_message_that_is_delivered_is_refused() {
    let entries = |revoked_at| {
        [
            delay(1, 10, 20),
            write(1, 8, 30, 40),
            call(Kind::Revoke, revoked_at, revoked_at + 10, 0),
            read(1, 8, 2 * MS, 2 * MS + 10),
        ]
    };
    refuses(Promise::Revoked, &entries(50));
    accepts(&entries(35));
    accepts(&entries(MS + 25));
    let mut flushed = entries(50).to_vec();
    flushed.push(call(Kind::Flush, 45, 55, 0));
    accepts(&flushed);
}

#[test]
fn who_finds_no_message_although_there_is_one_is_refused() {
    refuses(
        Promise::NotMissed,
        &[write(1, 8, 10, 20), empty(30, 40), read(1, 8, 50, 60)],
    );
    accepts(&[write(1, 8, 10, 20), empty(15, 40), read(1, 8, 50, 60)]);
    accepts(&[write(1, 8, 10, 20), empty(30, 55), read(1, 8, 50, 60)]);
    // Who waits looks at the end of the time.
    let waits = |start, end| Entry {
        patience: 1,
        ..empty(start, end)
    };
    let late = [
        write(1, 8, 10, 20),
        waits(5, MS + 10),
        read(1, 8, MS + 20, MS + 30),
    ];
    refuses(Promise::NotMissed, &late);
    refuses(Promise::Patience, &[waits(5, MS)]);
    // EAGAIN is no better.
    let mut entries = [write(1, 8, 10, 20), empty(30, 40), read(1, 8, 50, 60)];
    entries[1].result = -(Errno::EAGAIN as i32);
    refuses(Promise::NotMissed, &entries);
}

#[test]
fn a_group_that_holds_too_much_is_refused() {
    let mut entries: Vec<_> = (0..11)
        .map(|n| write(n, 100, 100 * u64::from(n) + 1, 100 * u64::from(n) + 2))
        .collect();
    entries
        .extend((0..11).map(|n| read(n, 100, 2000 + 10 * u64::from(n), 2005 + 10 * u64::from(n))));
    refuses(Promise::Limits, &entries);
    // One of them may have been read in time.
    entries[11].start = 900;
    accepts(&entries);
    // A message that is too large.
    let mut entries = vec![write(1, 101, 10, 20), read(1, 101, 30, 40)];
    entries[1].argument = 200;
    refuses(Promise::Limits, &entries);
    entries.push(set(Kind::SetMaxMessage, 101, 15, 30));
    accepts(&entries);
    entries.push(set(Kind::SetMaxMessage, 100, 1, 2));
    accepts(&entries);
    // The limit was raised for sure, and lowered for sure.
    entries[2] = set(Kind::SetMaxMessage, 101, 3, 4);
    accepts(&entries);
    entries.push(set(Kind::SetMaxMessage, 100, 5, 6));
    refuses(Promise::Limits, &entries);
}

#[test]
fn a_message_that_is_refused_without_need_is_refused() {
    let refused = |result, size, start, end| Entry {
        result,
        ..write(9, size, start, end)
    };
    refuses(Promise::Room, &[refused(ENOSPC, 100, 10, 20)]);
    refuses(Promise::Room, &[refused(EMSGSIZE, 100, 10, 20)]);
    accepts(&[refused(EMSGSIZE, 101, 10, 20)]);
    // What is there may have been there, and what is read gives its room back.
    let full = |read_at| {
        let mut entries: Vec<_> = (0..10).map(|n| write(n, 100, 1, 2)).collect();
        entries.extend((0..10).map(|n| read(n, 100, read_at, read_at + 5)));
        entries.push(refused(ENOSPC, 8, 10, 20));
        entries
    };
    refuses(Promise::Room, &full(4));
    accepts(&full(5));
    accepts(&full(30));
    // So does what is revoked.
    let revoked = |at| {
        let mut entries: Vec<_> = (0..10).map(|n| write(n, 100, 3, 4)).collect();
        entries.extend([delay(10, 1, 2), call(Kind::Revoke, at, at + 2, 0)]);
        entries.push(refused(ENOSPC, 8, 10, 20));
        entries
    };
    refuses(Promise::Room, &revoked(5));
    accepts(&revoked(15));
}

#[test]
fn errors_that_cannot_be_are_refused() {
    let mut write = write(1, 8, 10, 20);
    write.result = -(Errno::EIO as i32);
    refuses(Promise::Errors, &[write]);
    let mut read = empty(10, 20);
    read.result = -(Errno::EINTR as i32);
    refuses(Promise::Errors, &[read]);
    refuses(
        Promise::Errors,
        &[call(Kind::Sleep, 10, 20, -(Errno::EINTR as i32))],
    );
}

#[test]
fn what_a_killed_process_did_may_be_done_or_not() {
    let killed_write = killed(write(1, 8, 10, 20));
    accepts(&[killed_write]);
    accepts(&[killed_write, read(1, 8, 30, 40)]);
    accepts(&[killed_write, read(1, 8, 15, 18)]);
    let killed_read = killed(empty(30, 40));
    accepts(&[write(1, 8, 10, 20), killed_read]);
    accepts(&[write(1, 8, 10, 20), killed_read, read(1, 8, 50, 60)]);
    // It takes one message at most, and none that was not there yet.
    let two = [write(1, 8, 10, 20), write(2, 8, 21, 22), killed_read];
    refuses(Promise::NotLost, &two);
    refuses(Promise::NotLost, &[killed_read, write(1, 8, 50, 60)]);
}

fn sleep(worker: u16, start: u64, end: u64) -> Entry {
    by(worker, call(Kind::Sleep, start, end, 0))
}

fn awake(start: u64, end: u64, result: i32) -> Entry {
    call(Kind::Awake, start, end, result)
}

fn seen(worker: u16, time: u64) -> Entry {
    by(worker, call(Kind::Seen, time, time + 1, 0))
}

#[test]
fn sleepers_who_are_awoken_are_accepted() {
    accepts(&[awake(1, 2, 2), sleep(1, 10, 40), awake(20, 30, 0)]);
    accepts(&[
        sleep(1, 10, 40),
        seen(1, 15),
        awake(20, 30, 0),
        awake(50, 60, 2),
    ]);
    // The other one comes while the first has not left.
    accepts(&[
        sleep(1, 10, 60),
        awake(20, 30, 0),
        sleep(2, 40, 70),
        sleep(3, 65, 80),
        awake(62, 66, 1),
    ]);
    accepts(&[killed(sleep(1, 10, 40)), awake(50, 60, 2)]);
    // It left before it was gone.
    accepts(&[killed(sleep(1, 10, 40)), seen(1, 15), awake(20, 30, 2)]);
    // Somebody who is awoken after a killed one.
    accepts(&[killed(sleep(1, 10, 40)), sleep(2, 30, 70), awake(50, 60, 0)]);
}

#[test]
fn a_sleeper_whom_nobody_awoke_is_refused() {
    refuses(Promise::Sleep, &[sleep(1, 10, 40)]);
    refuses(Promise::Sleep, &[sleep(1, 10, 40), awake(50, 60, 2)]);
    // The alarm was off again when it came.
    refuses(
        Promise::Sleep,
        &[sleep(1, 10, 40), awake(20, 30, 0), sleep(2, 50, 60)],
    );
}

#[test]
fn a_wrong_awake_value_is_refused() {
    // Nobody was there.
    refuses(Promise::Awake, &[awake(20, 30, 0)]);
    refuses(Promise::Awake, &[awake(20, 30, 1)]);
    refuses(
        Promise::Awake,
        &[sleep(1, 10, 40), awake(20, 30, 0), awake(50, 60, 1)],
    );
    // There was somebody.
    refuses(
        Promise::Awake,
        &[
            sleep(1, 10, 80),
            seen(1, 15),
            awake(20, 30, 2),
            awake(40, 50, 0),
        ],
    );
    // Whoever was not seen may not have slept yet.
    accepts(&[sleep(1, 10, 80), awake(20, 30, 2), awake(40, 50, 0)]);
    refuses(
        Promise::Awake,
        &[sleep(1, 10, 80), awake(20, 30, 3), awake(40, 50, 0)],
    );
}

#[test]
fn a_sleeper_left_behind_is_refused() {
    let left = open(sleep(1, 10, 0));
    refuses(
        Promise::NotLeftBehind,
        &[left, seen(1, 15), awake(20, 30, 0)],
    );
    accepts(&[left, seen(1, 15)]);
    // It may have come afterwards.
    accepts(&[left, sleep(2, 5, 40), awake(20, 30, 0)]);
}
