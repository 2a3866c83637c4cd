// SPDX-License-Identifier: GPL-2.0

//! Receivers that wait for a message: SET_RECEIVE_TIMEOUT and O_NONBLOCK.

use crate::calls::{LONG, Random, ms, now_ns, sleeps_in};
use crate::group::{Device, Group};
use crate::harness::{Test, report, work};
use crate::process::{Child, NOBODY, as_user, spawn, stop, wait_until};
use crate::signals::{handle, handled};
use crate::sys::{self, BAD_ADDRESSES, SET_RECEIVE_TIMEOUT, shared};
use crate::{processor, test};
use nix::errno::Errno::*;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SaFlags, Signal, kill};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    test!(a_receive_timeout_expires_not_early_and_returns_0),
    test!(a_receive_timeout_of_minus_1_waits_until_a_message_comes),
    test!(a_receive_timeout_is_for_one_open_file),
    test!(a_receive_timeout_below_minus_1_is_EINVAL_and_changes_nothing),
    test!(SET_RECEIVE_TIMEOUT_with_a_bad_pointer_is_EFAULT_and_changes_nothing),
    test!(a_message_that_is_there_is_not_waited_for),
    test!(read_of_zero_bytes_does_not_wait),
    test!(a_delayed_message_falling_due_wakes_a_receiver),
    test!(a_flush_wakes_as_many_receivers_as_there_are_messages),
    test!(a_signal_ends_the_wait_with_EINTR),
    test!(a_signal_with_SA_RESTART_does_not_end_the_wait),
    test!(read_with_O_NONBLOCK_of_an_empty_queue_is_EAGAIN),
    test!(write_with_O_NONBLOCK_to_a_full_group_is_ENOSPC),
    test!(one_message_wakes_one_receiver).seconds(120),
    test!(the_longest_waiting_receiver_is_served_first),
    test!(a_message_for_a_killed_receiver_goes_to_another),
    test!(a_message_for_an_interrupted_receiver_goes_to_another),
    test!(a_message_that_a_receiver_cannot_take_goes_to_another),
    test!(a_stopped_receiver_keeps_no_message_from_another),
    test!(receivers_whose_time_runs_out_leave_no_message_lying).seconds(180),
    test!(a_huge_message_that_comes_as_the_time_runs_out_is_received_or_left),
];

fn await_wait(child: &Child) {
    wait_until("a receiver waits", || {
        sleeps_in(child.pid(), libc::SYS_read, None)
    });
}

/// Starts a child that waits for a message, and waits until it does.
fn receiver(group: &Group, expect: impl FnOnce(nix::Result<Vec<u8>>)) -> Child {
    let child = spawn(|| expect(group.open().waiting().read(100)));
    await_wait(&child);
    child
}

fn a_receive_timeout_expires_not_early_and_returns_0() {
    let device = Group::new().open();
    for timeout in [1, 2, 5, 10, 50, 100] {
        assert_eq!(device.set_receive_timeout(timeout), Ok(0));
        let start = now_ns();
        assert_eq!(device.read(100), Ok(vec![]));
        let took = now_ns() - start;
        assert!(took >= ms(timeout as u32), "{timeout} ms took {took} ns");
        assert!(took < ms(10_000), "{timeout} ms took {took} ns");
    }
    // And back to the default.
    assert_eq!(device.set_receive_timeout(i32::MAX), Ok(0));
    assert_eq!(device.set_receive_timeout(0), Ok(0));
    device.assert_empty();
}

fn a_receive_timeout_of_minus_1_waits_until_a_message_comes() {
    let group = Group::new();
    let device = group.open();
    for round in 1..20u8 {
        let child = receiver(&group, |got| assert_eq!(got, Ok(vec![round])));
        device.send([round]);
        child.join();
    }
}

fn a_receive_timeout_is_for_one_open_file() {
    let group = Group::new();
    let (waits, does_not) = (group.open(), group.open());
    waits.set_receive_timeout(LONG as i32).unwrap();
    does_not.assert_empty();
    // A copy of the descriptor is of the same open file.
    let copy = waits.dup();
    let child = spawn(|| {
        let mut byte = [0];
        assert_eq!(nix::unistd::read(&copy, &mut byte), Ok(1));
    });
    await_wait(&child);
    does_not.assert_empty();
    does_not.send("m");
    child.join();
}

fn a_receive_timeout_below_minus_1_is_EINVAL_and_changes_nothing() {
    let device = Group::new().open();
    for timeout in [-2, -3, -1000, i32::MIN] {
        assert_eq!(device.set_receive_timeout(timeout), Err(EINVAL));
        device.assert_empty();
    }
}

fn SET_RECEIVE_TIMEOUT_with_a_bad_pointer_is_EFAULT_and_changes_nothing() {
    let device = Group::new().open();
    for address in BAD_ADDRESSES {
        // SAFETY: Nothing is mapped there.
        let result = unsafe { sys::ioctl(&device, SET_RECEIVE_TIMEOUT, address) };
        assert_eq!(result, Err(EFAULT), "{address:#x}");
    }
    device.assert_empty();
}

fn a_message_that_is_there_is_not_waited_for() {
    let device = Group::new().open().waiting();
    device.send("one");
    device.send("two");
    assert_eq!(device.receive(), b"one");
    assert_eq!(device.receive(), b"two");
}

fn read_of_zero_bytes_does_not_wait() {
    let device = Group::new().open().waiting();
    assert_eq!(device.read(0), Ok(vec![]));
    device.set_nonblocking();
    assert_eq!(device.read(0), Ok(vec![]));
}

fn a_delayed_message_falling_due_wakes_a_receiver() {
    let group = Group::new();
    let device = group.open();
    for delay in [1, 5, 50] {
        device.set_delay(delay);
        let due = &shared(1)[0];
        let child = receiver(&group, |got| {
            assert_eq!(got, Ok(b"delayed".to_vec()));
            assert!(now_ns() >= due.load(SeqCst), "early");
        });
        due.store(now_ns() + ms(delay), SeqCst);
        device.send("delayed");
        child.join();
    }
}

fn a_flush_wakes_as_many_receivers_as_there_are_messages() {
    let group = Group::new();
    let device = group.open();
    let served = &shared(1)[0];
    let children: Vec<_> = (0..5)
        .map(|_| {
            receiver(&group, |got| {
                assert!(!got.unwrap().is_empty());
                served.fetch_add(1, SeqCst);
            })
        })
        .collect();
    device.set_delay(LONG);
    for number in 1..=3u8 {
        device.send([number]);
    }
    device.flush();
    wait_until("three are served", || served.load(SeqCst) == 3);
    device.assert_empty();
    device.set_delay(0);
    device.send("4");
    device.send("5");
    children.into_iter().for_each(Child::join);
}

fn a_signal_ends_the_wait_with_EINTR() {
    let group = Group::new();
    handle(Signal::SIGUSR1, SaFlags::empty());
    let child = receiver(&group, |got| {
        assert_eq!(got, Err(EINTR));
        assert_eq!(handled(), 1);
    });
    kill(child.pid(), Signal::SIGUSR1).unwrap();
    child.join();
}

fn a_signal_with_SA_RESTART_does_not_end_the_wait() {
    let group = Group::new();
    let device = group.open();
    handle(Signal::SIGUSR1, SaFlags::SA_RESTART);
    let count = &shared(1)[0];
    let child = receiver(&group, |got| {
        count.store(handled(), SeqCst);
        assert_eq!(got, Ok(b"message".to_vec()));
    });
    for _ in 0..10 {
        kill(child.pid(), Signal::SIGUSR1).unwrap();
        await_wait(&child);
    }
    device.send("message");
    child.join();
    assert!(count.load(SeqCst) >= 1, "no signal was handled");
}

fn read_with_O_NONBLOCK_of_an_empty_queue_is_EAGAIN() {
    let group = Group::new();
    let (device, other) = (group.open(), group.open());
    device.set_nonblocking();
    assert_eq!(device.read(100), Err(EAGAIN));
    // Whatever the timeout; and for this open file alone.
    device.set_receive_timeout(-1).unwrap();
    assert_eq!(device.read(100), Err(EAGAIN));
    other.assert_empty();
    other.send("message");
    assert_eq!(device.receive(), b"message");
    assert_eq!(device.read(100), Err(EAGAIN));
    // What is delayed is not there.
    other.set_delay(LONG);
    other.send("delayed");
    assert_eq!(device.read(100), Err(EAGAIN));
    device.flush();
    assert_eq!(device.receive(), b"delayed");
}

fn write_with_O_NONBLOCK_to_a_full_group_is_ENOSPC() {
    let device = Group::new().open();
    device.set_nonblocking();
    for _ in 0..100 {
        device.send([b'm'; 100]);
    }
    assert_eq!(device.write(b"m"), Err(ENOSPC));
}

fn one_message_wakes_one_receiver() {
    const RECEIVERS: usize = 100;
    let group = Group::new();
    let device = group.open();
    let words = shared(2);
    let (switches, served) = (&words[0], &words[1]);
    let children: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let device = group.open().waiting();
            let child = spawn(move || {
                let mut buf = [0; 100];
                let before = getrusage(UsageWho::RUSAGE_SELF).unwrap();
                // SAFETY: The buffer is ours.
                let got = unsafe { sys::read_at(&device, buf.as_mut_ptr(), buf.len()) };
                let after = getrusage(UsageWho::RUSAGE_SELF).unwrap();
                assert_eq!(got, Ok(1));
                let slept =
                    after.voluntary_context_switches() - before.voluntary_context_switches();
                switches.fetch_add(slept as u64, SeqCst);
                served.fetch_add(1, SeqCst);
            });
            await_wait(&child);
            child
        })
        .collect();
    for number in 1..=RECEIVERS as u64 {
        device.send([b'm']);
        if number % 10 == 0 {
            wait_until("they are served", || served.load(SeqCst) == number);
        }
    }
    children.into_iter().for_each(Child::join);
    // Each one has gone to sleep once, and been woken once.
    let count = switches.load(SeqCst);
    report(&format!(
        "{RECEIVERS} receivers, {RECEIVERS} messages, {count} wake-ups"
    ));
    assert!(count >= RECEIVERS as u64);
    assert!(count <= RECEIVERS as u64 + 5, "a herd: {count} wake-ups");
}

fn the_longest_waiting_receiver_is_served_first() {
    let group = Group::new();
    let device = group.open();
    let children: Vec<_> = (1..=5u8)
        .map(|number| receiver(&group, move |got| assert_eq!(got, Ok(vec![number]))))
        .collect();
    for (number, child) in (1..=5u8).zip(children) {
        device.send([number]);
        child.join();
    }
}

/// Two receivers wait; something is done to the first one after it has been woken for a message,
/// and before it can take it. Then the second one has to get it.
fn with_two_receivers(first: impl FnOnce(), happens: impl FnOnce(Child)) {
    let group = Group::new();
    let device = group.open();
    processor::stay_on(0);
    let one = spawn(|| {
        let got = group.open().waiting().read(100);
        assert_eq!(got, Err(EINTR));
        first();
    });
    await_wait(&one);
    let two = receiver(&group, |got| assert_eq!(got, Ok(b"message".to_vec())));
    processor::do_not_share();
    device.send("message");
    happens(one);
    processor::share();
    two.join();
    device.assert_empty();
}

fn a_message_for_a_killed_receiver_goes_to_another() {
    with_two_receivers(|| panic!("killed, and alive"), Child::kill);
}

fn a_message_for_an_interrupted_receiver_goes_to_another() {
    handle(Signal::SIGUSR1, SaFlags::empty());
    with_two_receivers(
        || assert_eq!(handled(), 1),
        |child| {
            kill(child.pid(), Signal::SIGUSR1).unwrap();
            child.join();
        },
    );
}

fn a_message_that_a_receiver_cannot_take_goes_to_another() {
    let group = Group::new();
    let device = group.open();
    let one = spawn(|| {
        let device = group.open().waiting();
        // SAFETY: Nothing is mapped there.
        let got = unsafe { sys::read_at(&device, 8 as *mut u8, 100) };
        assert_eq!(got, Err(EFAULT));
    });
    await_wait(&one);
    let two = receiver(&group, |got| assert_eq!(got, Ok(b"message".to_vec())));
    device.send("message");
    one.join();
    two.join();
    device.assert_all_room();
}

fn a_stopped_receiver_keeps_no_message_from_another() {
    let group = Group::new();
    let device = group.open();
    // It was there first, so it would be served first.
    let stopped = receiver(&group, |got| {
        assert_eq!(got, Ok(b"for one that goes on".to_vec()))
    });
    let other = receiver(&group, |got| assert_eq!(got, Ok(b"message".to_vec())));
    stop(stopped.pid());
    device.send("message");
    other.join();
    device.assert_empty();
    kill(stopped.pid(), Signal::SIGCONT).unwrap();
    device.send("for one that goes on");
    stopped.join();
}

fn receivers_whose_time_runs_out_leave_no_message_lying() {
    let messages = work(3000) as u64;
    let group = Group::new();
    let words = shared(2);
    let (received, end) = (&words[0], &words[1]);
    let receive = |device: Device| {
        while end.load(SeqCst) == 0 {
            match device.receive().first() {
                Some(b'm') => received.fetch_add(1, SeqCst),
                _ => 0,
            };
        }
    };
    // Their time is always just about to run out.
    let hasty: Vec<_> = (0..2)
        .map(|_| {
            spawn(|| {
                let device = group.open();
                device.set_receive_timeout(1).unwrap();
                receive(device);
            })
        })
        .collect();
    // This one waits without end: it must not while there is a message.
    let patient = spawn(|| as_user(NOBODY, || receive(group.open().waiting())));
    let device = group.open();
    let mut random = Random::new(now_ns());
    for number in 1..=messages {
        std::thread::sleep(Duration::from_micros(random.below(1500)));
        device.send("m");
        let deadline = now_ns() + ms(20_000);
        while received.load(SeqCst) < number {
            assert!(now_ns() < deadline, "message {number} is left lying");
            std::thread::yield_now();
        }
    }
    end.store(1, SeqCst);
    hasty.into_iter().for_each(Child::join);
    device.send("end");
    patient.join();
}

/// Whoever looks for a message once more when the time is up counts as going to sleep, and must not
/// do what may sleep: such as to free so much memory. The debug kernel complains of that.
fn a_huge_message_that_comes_as_the_time_runs_out_is_received_or_left() {
    // More than kmalloc has.
    const SIZE: usize = 5 << 20;
    const ROUNDS: u64 = 40;
    let device = Group::with_limits(SIZE, SIZE).open();
    let message = vec![b'h'; SIZE];
    device.set_delay(6);
    device.set_receive_timeout(5).unwrap();
    for round in 0..ROUNDS {
        device.send(&message);
        // The time is up some 200 us before the message is due, or behind that, or in between.
        let start = now_ns() + ms(1) - 200_000 + 400_000 * round / ROUNDS;
        while now_ns() < start {
            std::hint::spin_loop();
        }
        let mut part = device.read(10).unwrap();
        if part.is_empty() {
            device.flush();
            part = device.read(10).unwrap();
        }
        assert_eq!(part, [b'h'; 10]);
    }
}
