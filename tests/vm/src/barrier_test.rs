// SPDX-License-Identifier: GPL-2.0

//! The barrier: comers sleep until somebody awakes them all.

use crate::calls::sleeps_in;
use crate::group::{Device, Group};
use crate::harness::{Test, work};
use crate::process::{Child, DAEMON, NOBODY, as_user, become_user, spawn, stop, wait_until};
use crate::signals::{handle, handled};
use crate::sys::{AWAKE_BARRIER, SLEEP_ON_BARRIER, shared};
use crate::{processor, test};
use nix::errno::Errno::*;
use nix::sys::signal::{SaFlags, Signal, kill};
use nix::unistd::gettid;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;

pub const TESTS: &[Test] = &[
    test!(awake_with_nobody_asleep_returns_2_and_sets_no_alarm),
    test!(all_sleepers_wake_on_one_awake),
    test!(awake_returns_1_until_the_last_sleeper_has_left),
    test!(who_comes_while_the_alarm_is_on_passes),
    test!(the_last_to_leave_turns_the_alarm_off),
    test!(a_signal_ends_the_sleep_with_EINTR),
    test!(a_signal_with_SA_RESTART_does_not_end_the_sleep),
    test!(a_sleeper_awoken_and_signalled_passes),
    test!(a_killed_sleeper_counts_as_left),
    test!(the_last_sleeper_killed_after_awake_turns_the_alarm_off),
    test!(barriers_are_each_groups_own),
    test!(sleepers_and_awakers_may_be_of_different_users),
    test!(ten_rounds_of_sleepers_and_an_awaker),
    test!(a_stopped_sleeper_counts_as_left_and_comes_again),
    test!(a_thousand_sleepers_wake).seconds(120),
    test!(one_awake_wakes_thousands_of_sleepers).seconds(240),
    test!(sleepers_and_awakers_at_once_all_get_on).seconds(120),
];

/// Starts a child that sleeps on the barrier, and waits until it does.
fn sleeper(device: &Device, expect: impl FnOnce(nix::Result<i32>)) -> Child {
    let child = spawn(|| expect(device.sleep_on_barrier()));
    await_sleep(&child);
    child
}

fn await_sleep(child: &Child) {
    wait_until("a sleeper sleeps", || {
        sleeps_in(child.pid(), libc::SYS_ioctl, Some(SLEEP_ON_BARRIER))
    });
}

/// A sleeper that has to be awoken.
fn patient(device: &Device) -> Child {
    sleeper(device, |result| assert_eq!(result, Ok(0)))
}

fn awake_with_nobody_asleep_returns_2_and_sets_no_alarm() {
    let device = Group::new().open();
    assert_eq!(device.awake_barrier(), 2);
    assert_eq!(device.awake_barrier(), 2);
    // The alarm is off: who comes sleeps.
    let child = patient(&device);
    assert_eq!(device.awake_barrier(), 0);
    child.join();
    assert_eq!(device.awake_barrier(), 2);
}

fn all_sleepers_wake_on_one_awake() {
    let device = Group::new().open();
    let children: Vec<_> = (0..8).map(|_| patient(&device)).collect();
    assert_eq!(device.awake_barrier(), 0);
    children.into_iter().for_each(Child::join);
    assert_eq!(device.awake_barrier(), 2);
}

/// Runs something on a processor where, meanwhile, a sleeper who has been awoken does not get to
/// leave: it may run on this processor only, and does not get it.
fn while_the_sleeper_cannot_leave(run: impl FnOnce(&Device, Child)) {
    let device = Group::new().open();
    processor::stay_on(0);
    let child = patient(&device);
    processor::do_not_share();
    assert_eq!(device.awake_barrier(), 0);
    run(&device, child);
}

fn awake_returns_1_until_the_last_sleeper_has_left() {
    while_the_sleeper_cannot_leave(|device, child| {
        assert_eq!(device.awake_barrier(), 1);
        assert_eq!(device.awake_barrier(), 1);
        child.join();
        assert_eq!(device.awake_barrier(), 2);
    });
}

fn who_comes_while_the_alarm_is_on_passes() {
    while_the_sleeper_cannot_leave(|device, child| {
        assert_eq!(device.sleep_on_barrier(), Ok(0));
        assert_eq!(device.sleep_on_barrier(), Ok(0));
        assert_eq!(device.awake_barrier(), 1, "passing has not turned it off");
        child.join();
    });
}

fn the_last_to_leave_turns_the_alarm_off() {
    while_the_sleeper_cannot_leave(|device, child| {
        child.join();
        processor::share();
        let child = patient(device);
        assert_eq!(device.awake_barrier(), 0);
        child.join();
    });
}

fn a_signal_ends_the_sleep_with_EINTR() {
    let device = Group::new().open();
    handle(Signal::SIGUSR1, SaFlags::empty());
    let child = sleeper(&device, |result| {
        assert_eq!(result, Err(EINTR));
        assert_eq!(handled(), 1);
    });
    kill(child.pid(), Signal::SIGUSR1).unwrap();
    child.join();
    assert_eq!(device.awake_barrier(), 2, "the interrupted has left");
}

fn a_signal_with_SA_RESTART_does_not_end_the_sleep() {
    let device = Group::new().open();
    let count = &shared(1)[0];
    handle(Signal::SIGUSR1, SaFlags::SA_RESTART);
    let child = sleeper(&device, |result| {
        assert_eq!(result, Ok(0));
        count.store(handled(), SeqCst);
    });
    for _ in 0..10 {
        kill(child.pid(), Signal::SIGUSR1).unwrap();
        await_sleep(&child);
    }
    wait_until(
        "the signal's handler has run and the sleeper sleeps",
        || {
            await_sleep(&child);
            device.awake_barrier() == 0
        },
    );
    child.join();
    assert!(count.load(SeqCst) >= 1, "no signal was handled");
}

fn a_sleeper_awoken_and_signalled_passes() {
    // Restarted, it would sleep again, and the awakening would be lost.
    handle(Signal::SIGUSR1, SaFlags::SA_RESTART);
    while_the_sleeper_cannot_leave(|_, child| {
        kill(child.pid(), Signal::SIGUSR1).unwrap();
        child.join();
    });
}

fn a_killed_sleeper_counts_as_left() {
    let device = Group::new().open();
    patient(&device).kill();
    assert_eq!(device.awake_barrier(), 2, "nobody is left");
    // Among others.
    let children = [(); 3].map(|()| patient(&device));
    let [one, two, three] = children;
    two.kill();
    assert_eq!(device.awake_barrier(), 0);
    one.join();
    three.join();
    assert_eq!(device.awake_barrier(), 2);
}

fn the_last_sleeper_killed_after_awake_turns_the_alarm_off() {
    while_the_sleeper_cannot_leave(|device, child| {
        child.kill();
        assert_eq!(device.awake_barrier(), 2);
        processor::share();
        let child = patient(device);
        assert_eq!(device.awake_barrier(), 0);
        child.join();
    });
}

fn barriers_are_each_groups_own() {
    let (one, two) = (Group::new().open(), Group::new().open());
    let child = patient(&one);
    assert_eq!(two.awake_barrier(), 2);
    let other = patient(&two);
    assert_eq!(one.awake_barrier(), 0);
    child.join();
    assert_eq!(two.awake_barrier(), 0);
    other.join();
}

fn sleepers_and_awakers_may_be_of_different_users() {
    let group = Group::new();
    let path = group.path();
    let child = spawn(|| {
        become_user(NOBODY);
        // Whatever the access mode.
        let device = Device::open(&path, true, false).unwrap();
        assert_eq!(device.sleep_on_barrier(), Ok(0));
    });
    await_sleep(&child);
    as_user(DAEMON, || {
        let device = Device::open(&path, false, true).unwrap();
        assert_eq!(device.awake_barrier(), 0);
    });
    child.join();
}

fn ten_rounds_of_sleepers_and_an_awaker() {
    let group = Group::new();
    let awaker = group.open();
    let round = &shared(1)[0];
    let children: Vec<_> = (0..3)
        .map(|_| {
            spawn(|| {
                let device = group.open();
                for number in 1..=10 {
                    while round.load(SeqCst) < number {
                        std::thread::yield_now();
                    }
                    assert_eq!(device.sleep_on_barrier(), Ok(0));
                }
            })
        })
        .collect();
    for number in 1..=10 {
        round.store(number, SeqCst);
        children.iter().for_each(await_sleep);
        assert_eq!(awaker.awake_barrier(), 0, "round {number}");
        wait_until("all have left", || match awaker.awake_barrier() {
            1 => false,
            2 => true,
            result => panic!("awake returned {result}, and all had been awoken"),
        });
    }
    children.into_iter().for_each(Child::join);
}

fn a_thousand_sleepers_wake() {
    let device = Group::new().open();
    let (coming, left) = (&shared(1)[0], &shared(1)[0]);
    std::thread::scope(|scope| {
        for _ in 0..1000 {
            let sleeper = std::thread::Builder::new().stack_size(64 << 10);
            let sleep = || {
                coming.fetch_add(1, SeqCst);
                assert_eq!(device.sleep_on_barrier(), Ok(0));
                left.fetch_add(1, SeqCst);
            };
            sleeper.spawn_scoped(scope, sleep).expect("a thread");
        }
        wait_until("all come", || coming.load(SeqCst) == 1000);
        // Some may be on their way to sleep yet.
        wait_until("all have left", || {
            device.awake_barrier();
            left.load(SeqCst) == 1000
        });
    });
    assert_eq!(device.awake_barrier(), 2);
}

fn a_stopped_sleeper_counts_as_left_and_comes_again() {
    let device = Group::new().open();
    let child = patient(&device);
    stop(child.pid());
    assert_eq!(device.awake_barrier(), 2, "the stopped has left");
    // It keeps nobody from passing.
    let other = patient(&device);
    assert_eq!(device.awake_barrier(), 0);
    other.join();
    assert_eq!(device.awake_barrier(), 2);
    kill(child.pid(), Signal::SIGCONT).unwrap();
    await_sleep(&child);
    wait_until("it sleeps again", || device.awake_barrier() == 0);
    child.join();
}

/// Each of them has to be asleep before, and nobody may be awoken for another.
fn one_awake_wakes_thousands_of_sleepers() {
    const SLEEPERS: usize = 2000;
    let device = Group::new().open();
    let (names, left) = (Mutex::new(Vec::new()), &shared(1)[0]);
    std::thread::scope(|scope| {
        for _ in 0..SLEEPERS {
            let sleeper = std::thread::Builder::new().stack_size(32 << 10);
            let sleep = || {
                names.lock().unwrap().push(gettid());
                assert_eq!(device.sleep_on_barrier(), Ok(0));
                left.fetch_add(1, SeqCst);
            };
            sleeper.spawn_scoped(scope, sleep).expect("a thread");
        }
        wait_until("all have come", || names.lock().unwrap().len() == SLEEPERS);
        for &name in names.lock().unwrap().iter() {
            wait_until("a sleeper sleeps", || {
                sleeps_in(name, libc::SYS_ioctl, Some(SLEEP_ON_BARRIER))
            });
        }
        assert_eq!(left.load(SeqCst), 0, "somebody passed");
        assert_eq!(device.awake_barrier(), 0);
        wait_until("all have left", || left.load(SeqCst) == SLEEPERS as u64);
    });
    assert_eq!(device.awake_barrier(), 2);
}

fn sleepers_and_awakers_at_once_all_get_on() {
    let rounds = work(2000) as u64;
    let group = Group::new();
    let words = shared(2);
    let (passed, ended) = (&words[0], &words[1]);
    let sleepers: Vec<_> = (0..4)
        .map(|_| {
            spawn(|| {
                let device = group.open();
                for _ in 0..rounds {
                    assert_eq!(device.sleep_on_barrier(), Ok(0));
                    passed.fetch_add(1, SeqCst);
                }
                ended.fetch_add(1, SeqCst);
            })
        })
        .collect();
    let awakers: Vec<_> = (0..2)
        .map(|_| {
            spawn(|| {
                let device = group.open();
                while ended.load(SeqCst) < 4 {
                    let result = device.awake_barrier();
                    assert!((0..=2).contains(&result), "awake returned {result}");
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    for child in sleepers.into_iter().chain(awakers) {
        child.join();
    }
    assert_eq!(passed.load(SeqCst), 4 * rounds);
    let device = group.open();
    assert_eq!(device.awake_barrier(), 2);
    // An argument means nothing.
    // SAFETY: The command takes no argument.
    let result = unsafe { crate::sys::ioctl(&device, AWAKE_BARRIER, 8) };
    assert_eq!(result, Ok(2));
}
