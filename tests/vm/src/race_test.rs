// SPDX-License-Identifier: GPL-2.0

//! Delayed messages among those who want them at the same time: the timer, revoke, flush, readers.
//! Whatever comes first, each message is published once or revoked, and its room comes back.

use crate::calls::{LONG, Random, ms, now_ns, spin_until};
use crate::group::{Device, Group};
use crate::harness::{Test, work};
use crate::process::{meet, spawn};
use crate::sys::shared;
use crate::test;
use std::sync::atomic::Ordering::SeqCst;

pub const TESTS: &[Test] = &[
    test!(revoke_racing_expiry_loses_and_doubles_nothing).seconds(180),
    test!(flush_racing_expiry_loses_and_doubles_nothing).seconds(180),
    test!(revoke_racing_flush_loses_and_doubles_nothing).seconds(180),
    test!(readers_racing_expiry_and_flush_get_everything_once).seconds(180),
];

/// So many rounds there are at most: see [`work`].
const ROUNDS: usize = 2000;
const MESSAGES: u8 = 8;

/// Each round, messages are sent with a delay of 1 ms, and then two processes do something to them
/// at about the time at which they are due. What comes has to begin with the first message and be
/// in order, and if `all` have to come, to end with the last; and the room has to come back.
fn race(all: bool, ours: impl Fn(&Device), rivals: impl Fn(&Device)) {
    let group = Group::new();
    let device = group.open();
    let words = shared(3);
    let rounds = work(ROUNDS) as u64;
    let (go, due, done) = (&words[0], &words[1], &words[2]);
    // Somewhat before or after the time, another time each round.
    let aim = |round: u64, step: u64| due.load(SeqCst) - 50_000 + round * step % 100_000;

    let rival = spawn(|| {
        let device = group.open();
        for round in 1..=rounds {
            while go.load(SeqCst) < round {
                std::hint::spin_loop();
            }
            spin_until(aim(round, 373));
            rivals(&device);
            done.store(round, SeqCst);
        }
    });
    let mut published = 0;
    for round in 1..=rounds {
        device.set_delay(1);
        due.store(now_ns() + ms(1), SeqCst);
        for number in 1..=MESSAGES {
            device.send([number]);
        }
        go.store(round, SeqCst);
        spin_until(aim(round, 531));
        ours(&device);
        while done.load(SeqCst) < round {
            std::hint::spin_loop();
        }
        let got = device.drain();
        let expected: Vec<_> = (1..=MESSAGES).take(got.len()).map(|n| [n]).collect();
        assert_eq!(got, expected, "round {round}");
        assert!(!all || got.len() == usize::from(MESSAGES), "round {round}");
        published += got.len();
        if round % 100 == 0 {
            device.set_delay(0);
            device.assert_all_room();
        }
    }
    rival.join();
    device.set_delay(0);
    device.assert_empty();
    device.assert_all_room();
    let written = rounds as usize * usize::from(MESSAGES);
    println!("{written} written, {published} published");
}

fn revoke_racing_expiry_loses_and_doubles_nothing() {
    race(false, Device::revoke, |_| {});
}

fn flush_racing_expiry_loses_and_doubles_nothing() {
    race(true, Device::flush, |_| {});
}

fn revoke_racing_flush_loses_and_doubles_nothing() {
    race(false, Device::revoke, Device::flush);
}

fn readers_racing_expiry_and_flush_get_everything_once() {
    const READERS: usize = 3;
    let all = work(20_000);
    let group = Group::new();
    let times = shared(all);
    let words = shared(2);
    let (start, received) = (&words[0], &words[1]);

    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            spawn(|| {
                let device = group.open();
                device.set_receive_timeout(20).expect("timeout");
                meet(start, READERS as u64 + 1);
                while received.load(SeqCst) < all as u64 {
                    let message = device.receive();
                    if let Ok(number) = message.try_into() {
                        let before =
                            times[u32::from_le_bytes(number) as usize].fetch_add(1, SeqCst);
                        assert_eq!(before, 0, "a message came twice");
                        received.fetch_add(1, SeqCst);
                    }
                }
            })
        })
        .collect();
    let device = group.open();
    let mut random = Random::new(now_ns());
    meet(start, READERS as u64 + 1);
    for number in 0..all as u32 {
        match random.below(40) {
            0 => device.flush(),
            1 => device.set_delay(0),
            2 => device.set_delay(LONG),
            3..8 => device.set_delay(1 + random.below(3) as u32),
            _ => {}
        }
        while device.write(number.to_le_bytes()).is_err() {
            // Full, and perhaps of what nobody else will publish.
            device.flush();
            std::thread::yield_now();
        }
    }
    device.flush();
    for reader in readers {
        reader.join();
    }
    device.set_delay(0);
    device.assert_empty();
    device.assert_all_room();
}
