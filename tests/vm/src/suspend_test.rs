// SPDX-License-Identifier: GPL-2.0

//! A machine that is suspended, while which CLOCK_MONOTONIC stands still: delays and timeouts go
//! by it.

use crate::calls::{ms, now_ns, sleeps_in};
use crate::group::Group;
use crate::harness::Guest::Suspend;
use crate::harness::{Test, report};
use crate::process::{Child, spawn, wait_until};
use crate::sys::{SLEEP_ON_BARRIER, shared};
use crate::test;
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::sync::atomic::Ordering::SeqCst;

// One suspension for all of it: QEMU's machine wakes at once from any but its first.
pub const TESTS: &[Test] =
    &[
        test!(while_the_machine_is_suspended_delays_and_timeouts_stand_still_and_sleepers_sleep)
            .runs_in(Suspend)
            .seconds(120),
    ];

/// How long the machine is to be suspended, in seconds: longer than any delay here.
const SECONDS: u32 = 6;

/// Nanoseconds of the time that a machine has been suspended.
fn suspended() -> i64 {
    let now = |clock| clock_gettime(clock).unwrap().num_nanoseconds();
    now(ClockId::CLOCK_BOOTTIME) - now(ClockId::CLOCK_MONOTONIC)
}

/// Suspends the machine. Its real-time clock wakes it.
fn suspend() {
    let before = suspended();
    let alarm = "/sys/class/rtc/rtc0/wakealarm";
    fs::write(alarm, "0").unwrap();
    fs::write(alarm, format!("+{SECONDS}")).unwrap();
    fs::write("/sys/power/state", "mem").unwrap();
    let took = suspended() - before;
    report(&format!("suspended for {} ms", took / 1_000_000));
    // The alarm is to the second.
    assert!(took >= ms(SECONDS - 3) as i64, "it was not: {took} ns");
}

/// Fails unless so much time, of the clock that stands still meanwhile, has passed since `start`.
fn assert_took(start: u64, milliseconds: u32) {
    let took = now_ns() - start;
    assert!(took >= ms(milliseconds), "{milliseconds} ms took {took} ns");
    let most = milliseconds + 15_000;
    assert!(took < ms(most), "{milliseconds} ms took {took} ns");
}

/// Starts a child that receives with this timeout, and waits until it waits.
fn receiver(group: &Group, timeout: i32, expect: impl FnOnce(Vec<u8>)) -> Child {
    let child = spawn(|| {
        let device = group.open();
        device.set_receive_timeout(timeout).unwrap();
        expect(device.receive());
    });
    wait_until("it waits", || waits_for_a_message(&child));
    child
}

fn waits_for_a_message(child: &Child) -> bool {
    sleeps_in(child.pid(), libc::SYS_read, None)
}

fn sleeps(child: &Child) -> bool {
    sleeps_in(child.pid(), libc::SYS_ioctl, Some(SLEEP_ON_BARRIER))
}

fn while_the_machine_is_suspended_delays_and_timeouts_stand_still_and_sleepers_sleep() {
    const DELAY: u32 = 2000;
    const TIMEOUT: u32 = 2500;
    let (group, other) = (Group::new(), Group::new());
    let (device, delayed) = (group.open(), other.open());
    let left = &shared(1)[0];
    let endless = receiver(&group, -1, |message| assert_eq!(message, b"message"));
    let sleeper = spawn(|| {
        assert_eq!(device.sleep_on_barrier(), Ok(0));
        left.fetch_add(1, SeqCst);
    });
    wait_until("it sleeps", || sleeps(&sleeper));
    let start = now_ns();
    let hasty = receiver(&Group::new(), TIMEOUT as i32, |message| {
        // Suspending interrupts the call; whether the time goes on or begins anew, it is not less.
        assert_eq!(message, b"");
        assert_took(start, TIMEOUT);
    });
    delayed.set_delay(DELAY);
    let sent = now_ns();
    delayed.send("delayed");

    suspend();
    let message = delayed.receive();
    assert!(message.is_empty() || now_ns() >= sent + ms(DELAY), "early");
    if message.is_empty() {
        assert_eq!(delayed.await_message(), b"delayed");
    }
    assert_took(sent, DELAY);
    hasty.join();

    // Who waited waits still.
    wait_until("both wait again", || {
        waits_for_a_message(&endless) && sleeps(&sleeper)
    });
    assert_eq!(left.load(SeqCst), 0);
    device.send("message");
    endless.join();
    assert_eq!(device.awake_barrier(), 0);
    sleeper.join();
    device.assert_all_room();
    delayed.set_delay(0);
    delayed.assert_all_room();
}
