// SPDX-License-Identifier: GPL-2.0

//! The queue among many: exactly once, in order, within its limits.

use crate::group::{DEFAULT_STORAGE, Group};
use crate::harness::{Test, work};
use crate::process::{meet, spawn};
use crate::sys::shared;
use crate::test;
use nix::errno::Errno::*;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

pub const TESTS: &[Test] = &[
    test!(exactly_once_and_in_order_among_4_writers_and_4_readers).seconds(180),
    test!(storage_is_never_exceeded_by_writers_at_once),
    test!(room_is_exact_after_writers_and_readers_at_once),
    test!(a_changing_limit_loses_no_room),
];

const WRITERS: usize = 4;
const READERS: usize = 4;
/// So many there are of each writer, at most: see [`work`].
const EACH: usize = 25_000;

/// What is noted of each message: the times around its write, the times around its read, and the
/// reader that got it. Times are tickets, drawn from one counter.
const NOTES: usize = 5;

/// The message with this number of this writer: both in plain text, and a size and a filling that
/// follow from them, so that a torn or mixed one is seen.
fn message(writer: usize, number: usize) -> Vec<u8> {
    let mut message = vec![0; 16 + (writer * 31 + number * 17) % 85];
    message[..8].copy_from_slice(&(writer as u64).to_le_bytes());
    message[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    for (place, byte) in message[16..].iter_mut().enumerate() {
        *byte = (writer + number * 3 + place) as u8;
    }
    message
}

/// Which message this is, if it is one.
fn identify(bytes: &[u8]) -> Option<(usize, usize)> {
    let writer = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as usize;
    let number = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?) as usize;
    let known = writer < WRITERS && number < work(EACH) && bytes == message(writer, number);
    known.then_some((writer, number))
}

fn exactly_once_and_in_order_among_4_writers_and_4_readers() {
    let group = Group::new();
    let (clock, start, received) = (&shared(1)[0], &shared(1)[0], &shared(1)[0]);
    let each = work(EACH);
    let messages = WRITERS * each;
    // By writer, then number.
    let notes = shared(messages * NOTES);
    let note = |writer: usize, number: usize| &notes[(writer * each + number) * NOTES..][..NOTES];
    let tick = || clock.fetch_add(1, SeqCst) + 1;
    let all = (WRITERS + READERS) as u64;

    let writers = (0..WRITERS).map(|writer| {
        let group = &group;
        spawn(move || {
            let device = group.open();
            meet(start, all);
            for number in 0..each {
                let message = message(writer, number);
                let note = note(writer, number);
                loop {
                    let begin = tick();
                    match device.write(&message) {
                        Ok(n) => {
                            assert_eq!(n, message.len());
                            note[1].store(tick(), SeqCst);
                            note[0].store(begin, SeqCst);
                            break;
                        }
                        Err(ENOSPC) => std::thread::yield_now(),
                        Err(err) => panic!("write: {err}"),
                    }
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..READERS).map(|reader| {
        let group = &group;
        spawn(move || {
            let device = group.open();
            let mut last = [None; WRITERS];
            meet(start, all);
            while received.load(SeqCst) < messages as u64 {
                let begin = tick();
                let bytes = device.receive();
                if bytes.is_empty() {
                    std::thread::yield_now();
                    continue;
                }
                let end = tick();
                let (writer, number) =
                    identify(&bytes).unwrap_or_else(|| panic!("torn or mixed: {bytes:?}"));
                assert!(last[writer] < Some(number), "writer {writer} reordered");
                last[writer] = Some(number);
                let note = note(writer, number);
                let before = note[4].swap(reader as u64 + 1, SeqCst);
                assert_eq!(before, 0, "message {number} of {writer} came twice");
                note[2].store(begin, SeqCst);
                note[3].store(end, SeqCst);
                received.fetch_add(1, SeqCst);
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for child in writers.into_iter().chain(readers) {
        child.join();
    }

    let times: Vec<[u64; NOTES]> = notes
        .chunks(NOTES)
        .map(|note| std::array::from_fn(|i| note[i].load(SeqCst)))
        .collect();
    assert!(times.iter().all(|note| note[4] != 0), "a message is lost");
    let readers_of = |reader| times.iter().filter(|note| note[4] == reader).count();
    let shares: Vec<_> = (1..=READERS as u64).map(readers_of).collect();
    println!("messages by reader: {shares:?}");
    assert_in_order(&times);

    let device = group.open();
    device.assert_empty();
    device.assert_room(DEFAULT_STORAGE);
}

/// If one write had returned before another began, its message was not taken after the other's:
/// there is no pair of which the later read had returned before the earlier one's began.
fn assert_in_order(times: &[[u64; NOTES]]) {
    let mut by_end: Vec<_> = times.iter().map(|t| (t[1], t[2])).collect();
    let mut by_begin: Vec<_> = times.iter().map(|t| (t[0], t[3])).collect();
    by_end.sort_unstable();
    by_begin.sort_unstable();
    let mut earlier = by_end.into_iter().peekable();
    let mut latest_read = 0;
    for (begin, read_end) in by_begin {
        while let Some((_, read_begin)) = earlier.next_if(|&(end, _)| end < begin) {
            latest_read = latest_read.max(read_begin);
        }
        assert!(
            latest_read < read_end,
            "a later message was read before an earlier one"
        );
    }
}

fn storage_is_never_exceeded_by_writers_at_once() {
    const PROCESSES: u64 = 4;
    const ROUNDS: usize = 20;
    let group = Group::new();
    let (start, stop, sent) = (shared(ROUNDS), shared(ROUNDS), shared(ROUNDS));
    // Sizes that leave different remainders, so that who comes last fits or does not.
    let children = [1, 7, 33, 100].map(|size: usize| {
        let group = &group;
        spawn(move || {
            let device = group.open();
            for round in 0..ROUNDS {
                meet(&start[round], PROCESSES);
                let mut mine = 0;
                while let Ok(n) = device.write(vec![b'm'; size]) {
                    mine += n as u64;
                }
                sent[round].fetch_add(mine, SeqCst);
                meet(&stop[round], PROCESSES);
                if size == 1 {
                    // With messages of one byte at the end, nothing is left.
                    assert_eq!(sent[round].load(SeqCst), DEFAULT_STORAGE as u64);
                    let got: usize = device.drain().iter().map(Vec::len).sum();
                    assert_eq!(got, DEFAULT_STORAGE);
                }
            }
        })
    });
    children.map(|child| child.join());
    group.open().assert_room(DEFAULT_STORAGE);
}

fn room_is_exact_after_writers_and_readers_at_once() {
    let group = Group::new();
    let balance = shared(2);
    let add = |to: &AtomicU64, n: usize| to.fetch_add(n as u64, SeqCst);
    let children: Vec<_> = (0..4)
        .map(|seed| {
            let group = &group;
            spawn(move || {
                let device = group.open();
                for step in 0..5000 {
                    match (step * 7 + seed) % 5 {
                        // What fails on the way must not count.
                        0 => assert!(device.write(b"\0").is_err()),
                        1 | 2 => match device.write(vec![b'm'; 1 + (step * 13) % 100]) {
                            Ok(n) => drop(add(&balance[0], n)),
                            Err(err) => assert_eq!(err, ENOSPC),
                        },
                        _ => {
                            let message = device.receive();
                            add(&balance[1], message.len());
                        }
                    }
                }
            })
        })
        .collect();
    children.into_iter().for_each(|child| child.join());
    let (sent, received) = (balance[0].load(SeqCst), balance[1].load(SeqCst));
    let device = group.open();
    let left: usize = device.drain().iter().map(Vec::len).sum();
    assert_eq!(sent, received + left as u64);
    device.assert_room(DEFAULT_STORAGE);
}

fn a_changing_limit_loses_no_room() {
    let group = Group::new();
    let done = &shared(1)[0];
    let changer = spawn(|| {
        while done.load(SeqCst) < 2 {
            for size in [1, 500, 0, 10_000] {
                group.set("max_storage_size", size);
            }
        }
    });
    let users = [(); 2].map(|()| {
        spawn(|| {
            let device = group.open();
            for _ in 0..5000 {
                match device.write([b'm'; 100]) {
                    Ok(_) | Err(ENOSPC) => {}
                    Err(err) => panic!("write: {err}"),
                }
                device.receive();
            }
            done.fetch_add(1, SeqCst);
        })
    });
    users.map(|child| child.join());
    changer.join();
    group.set("max_storage_size", DEFAULT_STORAGE);
    let device = group.open();
    device.drain();
    device.assert_room(DEFAULT_STORAGE);
}
