// SPDX-License-Identifier: GPL-2.0

//! Delayed messages: never early, in order, revoked, flushed.

use crate::calls::{LONG, Random, ms, now_ns, timed};
use crate::group::Group;
use crate::harness::Test;
use crate::process::{NOBODY, as_user, spawn};
use crate::sys::{self, BAD_ADDRESSES, Cliff, SET_SEND_DELAY, SET_SEND_DELAY_LEGACY};
use crate::test;
use nix::errno::Errno::*;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::mman::ProtFlags;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    test!(a_delayed_message_comes_after_its_delay_and_not_before),
    test!(never_early_and_in_the_order_of_due_times_1000_random_delays),
    test!(equal_delays_come_in_the_order_of_their_writes),
    test!(a_shorter_delay_overtakes_a_longer_one),
    test!(an_immediate_message_overtakes_delayed_ones),
    test!(the_delay_is_the_groups_and_for_writes_that_come_after),
    test!(both_numbers_of_SET_SEND_DELAY_read_exactly_4_bytes),
    test!(SET_SEND_DELAY_with_a_bad_pointer_is_EFAULT_and_changes_nothing),
    test!(a_delayed_write_fails_as_an_immediate_one_does),
    test!(delayed_messages_count_towards_max_storage_size),
    test!(the_longest_delay_is_accepted),
    test!(a_delay_is_never_rounded_away),
    test!(revoke_discards_what_is_delayed_and_gives_its_room_back),
    test!(revoke_leaves_what_is_published),
    test!(revoke_of_nothing_returns_0),
    test!(revoke_is_for_one_group_and_for_anybody),
    test!(close_publishes_in_the_order_of_due_times),
    test!(fsync_and_fdatasync_publish),
    test!(close_of_any_descriptor_publishes),
    test!(exit_and_exec_publish),
    test!(being_killed_publishes),
    test!(close_of_another_groups_device_publishes_nothing),
    test!(what_was_flushed_does_not_come_again),
    test!(writes_after_a_flush_are_delayed_again),
    test!(ten_thousand_delayed_messages_are_flushed_and_revoked).seconds(120),
];

fn a_delayed_message_comes_after_its_delay_and_not_before() {
    let device = Group::new().open();
    device.set_delay(300);
    let start = now_ns();
    device.send("delayed");
    loop {
        let message = device.receive();
        let now = now_ns();
        if !message.is_empty() {
            assert_eq!(message, b"delayed");
            assert!(now >= start + ms(300), "{} ns early", start + ms(300) - now);
            break;
        }
        // On any machine it comes at some time.
        assert!(now < start + ms(20_000), "the message does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    device.assert_empty();
}

fn never_early_and_in_the_order_of_due_times_1000_random_delays() {
    const MESSAGES: usize = 1000;
    let group = Group::with_limits(100, 100_000);
    let writer = group.open();
    let reader = group.open().waiting();
    let mut random = Random::new(now_ns());
    let mut upper = vec![0u64; MESSAGES];
    let mut got = Vec::new();
    let mut sent = 0;
    while got.len() < MESSAGES {
        // Some writes, some reads: the delays overlap.
        for _ in 0..random.below(20) {
            if sent < MESSAGES {
                let delay = 1 + random.below(50) as u32;
                writer.set_delay(delay);
                // Due no earlier than this, and no later than `upper`.
                let lower = now_ns() + ms(delay);
                writer.send([lower.to_le_bytes(), (sent as u64).to_le_bytes()].concat());
                upper[sent] = now_ns() + ms(delay);
                sent += 1;
            }
        }
        if got.len() < sent {
            let message = reader.receive();
            let now = now_ns();
            let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().unwrap());
            let (lower, number) = (word(0), word(8) as usize);
            assert!(
                now >= lower,
                "message {number} came {} ns early",
                lower - now
            );
            got.push((lower, number));
        }
    }
    let mut numbers: Vec<_> = got.iter().map(|&(_, number)| number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES), "lost or doubled");
    // None came before one that was due earlier.
    let mut latest = 0;
    for (lower, number) in got {
        assert!(latest <= upper[number], "message {number} was overtaken");
        latest = latest.max(lower);
    }
    reader.set_receive_timeout(0).unwrap();
    writer.set_delay(0);
    reader.assert_room(100_000);
}

fn equal_delays_come_in_the_order_of_their_writes() {
    let group = Group::new();
    let (writer, reader) = (group.open(), group.open().waiting());
    for delay in [1, 2, 5, 20] {
        writer.set_delay(delay);
        for number in 1..=100u8 {
            writer.send([number]);
        }
        for number in 1..=100u8 {
            assert_eq!(reader.receive(), [number], "delay {delay}");
        }
    }
}

fn a_shorter_delay_overtakes_a_longer_one() {
    let group = Group::new();
    let (writer, reader) = (group.open(), group.open().waiting());
    let delays = [400, 100, 300, 200, 500, 100];
    let start = now_ns();
    for (number, delay) in delays.into_iter().enumerate() {
        writer.set_delay(delay);
        writer.send([number as u8 + 1]);
    }
    // On a machine so slow that writing took longer than the delays differ, the order says
    // nothing.
    if now_ns() - start < ms(90) {
        for number in [2, 6, 4, 3, 1, 5] {
            assert_eq!(reader.receive(), [number]);
        }
    }
}

fn an_immediate_message_overtakes_delayed_ones() {
    let device = Group::new().open();
    device.set_delay(LONG);
    device.send("delayed");
    device.set_delay(0);
    device.send("immediate");
    assert_eq!(device.receive(), b"immediate");
    device.assert_empty();
    device.flush();
    assert_eq!(device.receive(), b"delayed");
}

fn the_delay_is_the_groups_and_for_writes_that_come_after() {
    let (group, other) = (Group::new(), Group::new());
    let (one, two) = (group.open(), group.open());
    one.send("before");
    two.set_delay(LONG);
    one.send("delayed");
    assert_eq!(two.drain(), [b"before"]);
    // A new delay is not for what was written under the old one.
    two.set_delay(1);
    two.set_delay(0);
    two.assert_empty();
    // Nor is it another group's.
    other.open().send("at once");
    assert_eq!(other.open().drain(), [b"at once"]);
    as_user(NOBODY, || {
        let device = group.open();
        device.set_delay(LONG);
        device.send("by nobody");
        assert_eq!(device.receive(), b"", "the users' delay holds for all");
    });
    // The user's closing it has published everything.
    assert_eq!(one.drain(), [&b"delayed"[..], b"by nobody"]);
}

fn both_numbers_of_SET_SEND_DELAY_read_exactly_4_bytes() {
    let device = Group::new().open();
    let mut cliff = Cliff::new(8, ProtFlags::PROT_NONE);
    for command in [SET_SEND_DELAY, SET_SEND_DELAY_LEGACY] {
        cliff.bytes(4).copy_from_slice(&LONG.to_ne_bytes());
        // SAFETY: The kernel only reads what the pointer points to.
        let result = unsafe { sys::ioctl(&device, command, cliff.before(4) as usize) };
        assert_eq!(result, Ok(0));
        device.send("delayed");
        device.assert_empty();
        device.set_delay(0);
        for room in 0..4 {
            // SAFETY: As above.
            let result = unsafe { sys::ioctl(&device, command, cliff.before(room) as usize) };
            assert_eq!(result, Err(EFAULT));
        }
        // What is behind the 4 bytes means nothing.
        cliff
            .bytes(8)
            .copy_from_slice(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        // SAFETY: As above.
        let result = unsafe { sys::ioctl(&device, command, cliff.before(8) as usize) };
        assert_eq!(result, Ok(0));
        device.send("at once");
        assert_eq!(device.drain(), [b"at once"]);
        device.revoke();
    }
}

fn SET_SEND_DELAY_with_a_bad_pointer_is_EFAULT_and_changes_nothing() {
    let device = Group::new().open();
    for delay in [LONG, 0] {
        device.set_delay(delay);
        for command in [SET_SEND_DELAY, SET_SEND_DELAY_LEGACY] {
            for address in BAD_ADDRESSES {
                // SAFETY: Nothing is mapped there.
                let result = unsafe { sys::ioctl(&device, command, address) };
                assert_eq!(result, Err(EFAULT), "{address:#x}");
            }
        }
        device.send("message");
        let expected: &[&[u8]] = if delay == 0 { &[b"message"] } else { &[] };
        assert_eq!(device.drain(), expected);
        device.revoke();
    }
}

fn a_delayed_write_fails_as_an_immediate_one_does() {
    let device = Group::new().open();
    device.set_delay(LONG);
    assert_eq!(device.write(b""), Err(EBADMSG));
    assert_eq!(device.write(b"\0"), Err(EBADMSG));
    assert_eq!(device.write([b'm'; 101]), Err(EMSGSIZE));
    assert_eq!(sys::write_at(&device, std::ptr::null(), 10), Err(EFAULT));
    device.flush();
    device.assert_empty();
    device.set_delay(0);
    device.assert_all_room();
}

fn delayed_messages_count_towards_max_storage_size() {
    let device = Group::new().open();
    device.set_delay(LONG);
    // Half of it delayed, half published: and then no more of either kind.
    for _ in 0..50 {
        device.send([b'd'; 100]);
    }
    device.set_delay(0);
    for _ in 0..50 {
        device.send([b'p'; 100]);
    }
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    device.set_delay(LONG);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    // What was delayed goes on counting when it is published.
    device.flush();
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    assert_eq!(device.drain().len(), 100);
    device.set_delay(0);
    device.assert_all_room();
}

fn the_longest_delay_is_accepted() {
    let device = Group::new().open();
    for delay in [u32::MAX, 1 << 31, u32::MAX - 1] {
        device.set_delay(delay);
        device.send("some day");
    }
    device.assert_empty();
    device.set_delay(1);
    device.send("soon");
    assert_eq!(device.await_message(), b"soon");
    device.assert_empty();
    device.flush();
    assert_eq!(device.drain().len(), 3);
}

fn a_delay_is_never_rounded_away() {
    let group = Group::new();
    let (writer, reader) = (group.open(), group.open().waiting());
    writer.set_delay(1);
    for _ in 0..200 {
        let start = now_ns();
        writer.send("message");
        reader.receive();
        let late = now_ns().checked_sub(start + ms(1));
        assert!(late.is_some(), "a delay of 1 ms took less");
        assert!(late < Some(ms(5000)), "a delay of 1 ms took seconds");
    }
}

fn revoke_discards_what_is_delayed_and_gives_its_room_back() {
    let device = Group::new().open();
    device.set_delay(100);
    let start = now_ns();
    for _ in 0..10 {
        device.send([b'm'; 30]);
    }
    device.revoke();
    // If it came in time, nothing is left; and nothing comes when the delay would have run out.
    let in_time = now_ns() < start + ms(100);
    let (events, waited) = timed(|| {
        device.poll(
            nix::poll::PollFlags::POLLIN,
            Some(Duration::from_millis(300)),
        )
    });
    if in_time {
        assert!(events.is_empty(), "a revoked message came after {waited:?}");
        device.assert_empty();
    }
    device.drain();
    device.set_delay(0);
    device.assert_all_room();
}

fn revoke_leaves_what_is_published() {
    let device = Group::new().open();
    device.send("immediate");
    device.set_delay(1);
    device.send("due");
    assert_eq!(device.await_message(), b"immediate");
    // It is in the queue when it can be seen there.
    device.poll(nix::poll::PollFlags::POLLIN, None);
    device.set_delay(LONG);
    device.send("delayed");
    device.revoke();
    assert_eq!(device.drain(), [b"due"]);
    device.flush();
    device.assert_empty();
    device.set_delay(0);
    device.assert_all_room();
}

fn revoke_of_nothing_returns_0() {
    let device = Group::new().open();
    device.revoke();
    device.send("message");
    device.revoke();
    device.revoke();
    assert_eq!(device.drain(), [b"message"]);
}

fn revoke_is_for_one_group_and_for_anybody() {
    let groups = [Group::new(), Group::new()];
    let devices = groups.each_ref().map(Group::open);
    for device in &devices {
        device.set_delay(LONG);
        device.send("delayed");
    }
    as_user(NOBODY, || groups[0].open().revoke());
    for device in &devices {
        device.flush();
    }
    devices[0].assert_empty();
    assert_eq!(devices[1].receive(), b"delayed");
}

/// A group with three messages, which are due in the order 1, 2, 3, and a device of it.
fn with_delayed() -> (Group, crate::group::Device) {
    let group = Group::new();
    let device = group.open();
    for (delay, message) in [(3, "3"), (1, "1"), (2, "2")] {
        device.set_delay(delay * LONG);
        device.send(message);
    }
    device.assert_empty();
    (group, device)
}

fn close_publishes_in_the_order_of_due_times() {
    let (group, device) = with_delayed();
    let other = group.open();
    drop(device);
    assert_eq!(other.drain(), [b"1", b"2", b"3"]);
    other.set_delay(0);
    other.assert_all_room();
}

fn fsync_and_fdatasync_publish() {
    let (_, device) = with_delayed();
    device.flush();
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
    let (_, device) = with_delayed();
    nix::unistd::fdatasync(&device).unwrap();
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
}

fn close_of_any_descriptor_publishes() {
    // A copy of the same open file.
    let (_, device) = with_delayed();
    drop(device.dup());
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
    // Another open file, that can only read, or only write, by somebody else.
    for (read, write) in [(true, false), (false, true)] {
        let (group, device) = with_delayed();
        as_user(NOBODY, || {
            drop(crate::group::Device::open(group.node(), read, write).unwrap());
        });
        assert_eq!(device.drain(), [b"1", b"2", b"3"]);
    }
}

fn exit_and_exec_publish() {
    // A child has the descriptor, and ends without closing it.
    let (_, device) = with_delayed();
    spawn(|| {}).join();
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);

    // A child becomes another program, which closes the descriptor, and lives on.
    let (_, device) = with_delayed();
    fcntl(&device, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    let sleep = spawn(|| {
        let program = [c"/bin/sleep", c"1000"];
        let err = nix::unistd::execv(program[0], &program).unwrap_err();
        panic!("exec: {err}");
    });
    let events = device.poll(nix::poll::PollFlags::POLLIN, None);
    assert!(!events.is_empty(), "exec with O_CLOEXEC publishes nothing");
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
    sleep.kill();
}

fn being_killed_publishes() {
    let (_, device) = with_delayed();
    let child = spawn(|| {
        loop {
            nix::unistd::pause();
        }
    });
    device.assert_empty();
    child.kill();
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
}

fn close_of_another_groups_device_publishes_nothing() {
    let other = Group::new().open();
    let (_, device) = with_delayed();
    drop(other);
    device.assert_empty();
    device.flush();
    assert_eq!(device.drain(), [b"1", b"2", b"3"]);
}

fn what_was_flushed_does_not_come_again() {
    let device = Group::new().open();
    device.set_delay(50);
    for number in 0..10u8 {
        device.send([number + 1]);
    }
    device.flush();
    assert_eq!(device.drain().len(), 10);
    // Not when the delay has run out either: a message that was delayed longer comes after that.
    device.set_delay(150);
    device.send("last");
    assert_eq!(device.await_message(), b"last");
    device.assert_empty();
    device.set_delay(0);
    device.assert_all_room();
}

fn writes_after_a_flush_are_delayed_again() {
    let device = Group::new().open();
    device.set_delay(LONG);
    for round in 0..10u8 {
        device.send([round + 1]);
        device.assert_empty();
        device.flush();
        assert_eq!(device.drain(), [[round + 1]]);
    }
}

fn ten_thousand_delayed_messages_are_flushed_and_revoked() {
    const MESSAGES: u32 = 10_000;
    let device = Group::with_limits(100, 1 << 20).open();
    let mut random = Random::new(1);
    for revoke in [false, true] {
        let mut due = Vec::new();
        for number in 0..MESSAGES {
            let delay = LONG + random.below(1000) as u32 * 60_000;
            device.set_delay(delay);
            device.send(number.to_le_bytes());
            due.push((delay, number));
        }
        if revoke {
            device.revoke();
        }
        device.flush();
        if revoke {
            device.assert_empty();
        } else {
            // A minute lies between two delays that are not the same.
            due.sort_unstable();
            for (_, number) in due {
                assert_eq!(device.receive(), number.to_le_bytes());
            }
            device.assert_empty();
        }
    }
    device.set_delay(0);
    device.assert_room(1 << 20);
}
