// SPDX-License-Identifier: GPL-2.0

//! The wall clock, which somebody sets while others wait: it does not matter.

use crate::calls::{ms, now_ns, sleeps_in};
use crate::group::Group;
use crate::harness::Test;
use crate::process::{spawn, wait_until};
use crate::test;
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_gettime, clock_settime};

pub const TESTS: &[Test] = &[
    test!(setting_the_clock_changes_no_delay),
    test!(setting_the_clock_changes_no_receive_timeout),
    test!(setting_the_clock_keeps_delayed_messages_in_order),
];

const HOURS: [i64; 4] = [5, -5, 24 * 365, -24 * 365];

/// What the wall clock is to be set back to, by the clock that nobody can set.
struct Stepped(TimeSpec);

/// Sets the wall clock by some hours, until the result is dropped.
fn step(hours: i64) -> Stepped {
    let before = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
    let stepped = Stepped(before - clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
    clock_settime(ClockId::CLOCK_REALTIME, before + TimeSpec::hours(hours)).unwrap();
    stepped
}

impl Drop for Stepped {
    fn drop(&mut self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
        clock_settime(ClockId::CLOCK_REALTIME, self.0 + now).unwrap();
    }
}

/// Fails unless `took` nanoseconds are these milliseconds, or some more.
fn assert_took(took: u64, delay: u32) {
    assert!(took >= ms(delay), "{delay} ms took {took} ns");
    assert!(took < ms(delay + 15_000), "{delay} ms took {took} ns");
}

fn setting_the_clock_changes_no_delay() {
    const DELAY: u32 = 300;
    let device = Group::new().open();
    device.set_delay(DELAY);
    for hours in HOURS {
        let start = now_ns();
        device.send("delayed");
        let stepped = step(hours);
        while device.receive().is_empty() {
            std::thread::yield_now();
        }
        assert_took(now_ns() - start, DELAY);
        drop(stepped);
    }
}

fn setting_the_clock_changes_no_receive_timeout() {
    const TIMEOUT: i32 = 500;
    let group = Group::new();
    for hours in HOURS {
        let child = spawn(|| {
            let device = group.open();
            device.set_receive_timeout(TIMEOUT).unwrap();
            let start = now_ns();
            assert_eq!(device.read(100), Ok(vec![]));
            assert_took(now_ns() - start, TIMEOUT as u32);
        });
        wait_until("it waits", || sleeps_in(child.pid(), libc::SYS_read, None));
        let stepped = step(hours);
        child.join();
        drop(stepped);
    }
}

fn setting_the_clock_keeps_delayed_messages_in_order() {
    let device = Group::new().open();
    for (number, hours) in (0u8..).zip(HOURS) {
        device.set_delay(400);
        device.send([number, 1]);
        let stepped = step(hours);
        device.send([number, 2]);
        drop(stepped);
        device.set_delay(100);
        device.send([number, 0]);
        for place in 0..3 {
            assert_eq!(device.await_message(), [number, place]);
        }
    }
}
