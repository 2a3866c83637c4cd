// SPDX-License-Identifier: GPL-2.0

//! Random commands of several processes on several groups, for some time: the report's test_stress.
//! Each result is checked as far as it can be known, and at the end the room is exact.

use crate::calls::{Random, ms, now_ns};
use crate::group::{Device, Group};
use crate::harness::Test;
use crate::process::{Child, spawn};
use crate::sys::{fionread, shared};
use crate::test;
use nix::errno::Errno::*;
use nix::sys::signal::{SaFlags, Signal, kill};
use std::sync::atomic::Ordering::SeqCst;

pub const TESTS: &[Test] = &[test!(stress).seconds(4000)];

const GROUPS: usize = 4;
const STRESSERS: u64 = 7;
const SIZES: [usize; 4] = [100, 200, 50, 1000];
const STORAGES: [usize; 3] = [10_000, 2_100, 20_000];
/// No stresser ever allows more.
const MOST: usize = 20_000;

/// How long it goes on, in seconds: as long as it is told.
fn duration() -> u64 {
    let seconds = std::env::var("GROUPS_TEST_STRESS_SECONDS").ok();
    seconds.map_or(10, |seconds| seconds.parse().expect("a number of seconds"))
}

/// What is written: who, which of theirs, and a filling that tells both, so that a torn or mixed
/// message is seen.
fn message(who: u64, number: u64, size: usize) -> Vec<u8> {
    let mut message = vec![(who * 7 + number) as u8 | 1; size];
    message[..8].copy_from_slice(&who.to_le_bytes());
    message[8..16].copy_from_slice(&number.to_le_bytes());
    message
}

fn check(message: &[u8]) {
    let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().unwrap());
    let (who, number) = (word(0), word(8));
    assert!(who < STRESSERS, "not a stresser's: {message:?}");
    let filling = (who * 7 + number) as u8 | 1;
    let whole = message[16..].iter().all(|&byte| byte == filling);
    assert!(whole, "torn or mixed: {message:?}");
}

fn stress() {
    let groups: [Group; GROUPS] = std::array::from_fn(|_| Group::new());
    let end = now_ns() + duration() * ms(1000);
    let counts = shared(3);
    let (sent, received, calls) = (&counts[0], &counts[1], &counts[2]);
    crate::signals::handle(Signal::SIGUSR1, SaFlags::empty());

    let stressers: Vec<_> = (0..STRESSERS)
        .map(|who| {
            let groups = &groups;
            spawn(move || {
                let mut random = Random::new(who + now_ns());
                let mut group = &groups[who as usize % GROUPS];
                let mut device = group.open();
                let mut number = 0;
                while now_ns() < end {
                    calls.fetch_add(1, SeqCst);
                    match random.below(100) {
                        0..3 => {
                            group = &groups[random.below(GROUPS as u64) as usize];
                            // Which flushes the old one.
                            device = group.open();
                        }
                        3..45 => {
                            let size = 16 + random.below(985) as usize;
                            number += 1;
                            match device.write(message(who, number, size)) {
                                Ok(n) => {
                                    assert_eq!(n, size);
                                    sent.fetch_add(1, SeqCst);
                                }
                                Err(EMSGSIZE | ENOSPC) => {}
                                Err(err) => panic!("write: {err}"),
                            }
                        }
                        45..90 => match device.read(1000) {
                            Ok(message) if message.is_empty() => {}
                            Ok(message) => {
                                check(&message);
                                received.fetch_add(1, SeqCst);
                            }
                            // It may have been waiting.
                            Err(EINTR) => {}
                            Err(err) => panic!("read: {err}"),
                        },
                        90 => device.set_delay(1 + random.below(100) as u32),
                        91 => device.set_delay(0),
                        92 => device.revoke(),
                        93 => device.flush(),
                        94 => match device.sleep_on_barrier() {
                            Ok(0) | Err(EINTR) => {}
                            result => panic!("SLEEP_ON_BARRIER: {result:?}"),
                        },
                        95 => {
                            let size = SIZES[random.below(SIZES.len() as u64) as usize];
                            group.set("max_message_size", size);
                        }
                        96 => {
                            let size = STORAGES[random.below(STORAGES.len() as u64) as usize];
                            group.set("max_storage_size", size);
                        }
                        97 => assert!((0..=1000).contains(&fionread(&device).unwrap())),
                        98 => {
                            device.events();
                        }
                        _ => {
                            device.set_receive_timeout(random.below(3) as i32).unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    let awaker = spawn(|| {
        let devices = groups.each_ref().map(Group::open);
        while now_ns() < end + ms(200) {
            for device in &devices {
                let result = device.awake_barrier();
                assert!((0..=2).contains(&result), "AWAKE_BARRIER: {result}");
            }
            // Now and then somebody is interrupted instead.
            for stresser in &stressers {
                let _ = kill(stresser.pid(), Signal::SIGUSR1);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    awaker.join();
    // Who went to sleep after the awaker had gone sleeps still.
    let devices = groups.each_ref().map(Group::open);
    let sleepers_left = spawn(|| {
        loop {
            devices.iter().for_each(|device| {
                device.awake_barrier();
            });
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    stressers.into_iter().for_each(Child::join);
    sleepers_left.kill();

    println!(
        "{} calls, {} messages sent, {} received",
        calls.load(SeqCst),
        sent.load(SeqCst),
        received.load(SeqCst)
    );
    assert!(received.load(SeqCst) > 0);
    for (group, device) in groups.iter().zip(devices) {
        settle(group, &device);
    }
}

/// Empties a group, and sees that it can be filled to the brim.
fn settle(group: &Group, device: &Device) {
    device.flush();
    device.set_delay(0);
    loop {
        let message = device.read(1000).expect("read");
        if message.is_empty() {
            break;
        }
        check(&message);
    }
    group.set("max_message_size", MOST);
    group.set("max_storage_size", MOST);
    device.send(vec![b'm'; MOST]);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    assert_eq!(device.read(MOST).unwrap().len(), MOST);
}
