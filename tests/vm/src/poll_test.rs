// SPDX-License-Identifier: GPL-2.0

//! poll, select, epoll, and an event loop.

use crate::calls::{LONG, ms, now_ns, sleeps_in};
use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::{Test, report, work};
use crate::process::{Child, spawn, wait_until};
use crate::sys::shared;
use crate::test;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno::*;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::select::{FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    test!(POLLIN_while_a_message_is_published),
    test!(POLLOUT_while_the_largest_message_would_be_accepted),
    test!(POLLOUT_while_the_queue_is_empty),
    test!(a_message_wakes_a_poller),
    test!(a_delayed_message_falling_due_wakes_a_poller_and_not_early),
    test!(a_flush_wakes_a_poller),
    test!(a_read_a_revoke_and_a_raised_limit_wake_a_poller_for_room),
    test!(select_works),
    test!(level_triggered_epoll_tells_until_the_queue_is_empty),
    test!(edge_triggered_epoll_tells_of_every_publication),
    test!(EPOLLEXCLUSIVE_wakes_one_of_many),
    test!(a_poller_that_takes_no_message_costs_no_receiver_its_turn),
    test!(an_event_loop_moves_10000_messages_between_two_processes).seconds(180),
];

const NOW: Option<Duration> = Some(Duration::ZERO);
/// Without end: see [`Device::poll`].
const EVENTUALLY: Option<Duration> = None;

fn POLLIN_while_a_message_is_published() {
    let device = Group::new().open();
    assert_eq!(device.events(), PollFlags::POLLOUT);
    device.send("one");
    device.send("two");
    for _ in 0..2 {
        assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
        device.receive();
    }
    assert_eq!(device.events(), PollFlags::POLLOUT);
    // What is delayed is not published.
    device.set_delay(LONG);
    device.send("delayed");
    assert_eq!(device.events(), PollFlags::POLLOUT);
    device.flush();
    assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    device.receive();
    assert_eq!(device.events(), PollFlags::POLLOUT);
}

fn POLLOUT_while_the_largest_message_would_be_accepted() {
    let group = Group::new();
    let device = group.open();
    device.send("m");
    for _ in 0..98 {
        device.send([b'm'; 100]);
        assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    }
    // One byte more, and 100 bytes do not fit.
    device.send([b'm'; 99]);
    assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    device.send("m");
    assert_eq!(device.events(), PollFlags::POLLIN);
    device.receive();
    assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    // The limits in force count.
    group.set("max_message_size", 101);
    assert_eq!(device.events(), PollFlags::POLLIN);
    group.set("max_storage_size", DEFAULT_STORAGE + 1);
    assert_eq!(device.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    group.set("max_storage_size", 10);
    assert_eq!(device.events(), PollFlags::POLLIN);
}

fn POLLOUT_while_the_queue_is_empty() {
    // Even where a message of max_message_size never fits.
    let device = Group::with_limits(100, 10).open();
    assert_eq!(device.events(), PollFlags::POLLOUT);
    device.send("m");
    assert_eq!(device.events(), PollFlags::POLLIN);
    device.receive();
    assert_eq!(device.events(), PollFlags::POLLOUT);
}

/// Starts a child that polls for events, and waits until it does.
fn poller(device: &Device, events: PollFlags) -> Child {
    let child = spawn(|| assert_eq!(device.poll(events, EVENTUALLY), events));
    wait_until("a poller polls", || {
        sleeps_in(child.pid(), libc::SYS_poll, None)
    });
    child
}

fn a_message_wakes_a_poller() {
    let group = Group::new();
    let device = group.open();
    let children = [(); 3].map(|()| poller(&device, PollFlags::POLLIN));
    group.open().send("message");
    // Each of them: a poller has not taken anything.
    children.into_iter().for_each(Child::join);
    assert_eq!(device.receive(), b"message");
}

fn a_delayed_message_falling_due_wakes_a_poller_and_not_early() {
    let device = Group::new().open();
    for delay in [1, 5, 50] {
        device.set_delay(delay);
        let due = now_ns() + ms(delay);
        device.send("delayed");
        assert_eq!(
            device.poll(PollFlags::POLLIN, EVENTUALLY),
            PollFlags::POLLIN
        );
        assert!(now_ns() >= due, "early");
        assert_eq!(device.receive(), b"delayed");
        assert_eq!(device.poll(PollFlags::POLLIN, NOW), PollFlags::empty());
    }
}

fn a_flush_wakes_a_poller() {
    let group = Group::new();
    let device = group.open();
    device.set_delay(LONG);
    device.send("delayed");
    let other = group.open();
    let child = poller(&device, PollFlags::POLLIN);
    drop(other);
    child.join();
}

fn a_read_a_revoke_and_a_raised_limit_wake_a_poller_for_room() {
    let group = Group::new();
    let device = group.open();
    let other = group.open();
    let full = || while device.write([b'm'; 100]).is_ok() {};
    device.send([b'm'; 100]);

    full();
    let child = poller(&device, PollFlags::POLLOUT);
    other.receive();
    child.join();

    full();
    let child = poller(&device, PollFlags::POLLOUT);
    group.set("max_storage_size", DEFAULT_STORAGE + 100);
    child.join();

    full();
    let child = poller(&device, PollFlags::POLLOUT);
    group.set("max_message_size", 50);
    group.set("max_message_size", 0);
    group.set("max_storage_size", DEFAULT_STORAGE + 200);
    group.set("max_message_size", 100);
    child.join();

    other.receive();
    device.set_delay(LONG);
    full();
    let child = poller(&device, PollFlags::POLLOUT);
    other.revoke();
    child.join();
}

fn select_works() {
    let device = Group::new().open();
    let ready = |timeout: i64| {
        let (mut read, mut write) = (FdSet::new(), FdSet::new());
        read.insert(device.as_fd());
        write.insert(device.as_fd());
        let mut timeout = TimeVal::milliseconds(timeout);
        select(
            None,
            Some(&mut read),
            Some(&mut write),
            None,
            Some(&mut timeout),
        )
        .unwrap();
        (
            read.contains(device.as_fd()),
            write.contains(device.as_fd()),
        )
    };
    assert_eq!(ready(0), (false, true));
    device.send("message");
    assert_eq!(ready(0), (true, true));
    while device.write([b'm'; 100]).is_ok() {}
    assert_eq!(ready(0), (true, false));
}

fn epoll(device: &Device, flags: EpollFlags) -> Epoll {
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    epoll.add(device, EpollEvent::new(flags, 0)).unwrap();
    epoll
}

/// Waits for an event, at most this long: which there is.
fn wait(epoll: &Epoll, time: Option<Duration>) -> Option<EpollFlags> {
    let mut events = [EpollEvent::empty(); 4];
    let time = time.map(|time| time.try_into().unwrap());
    let time = time.unwrap_or(EpollTimeout::NONE);
    let count = epoll.wait(&mut events, time).unwrap();
    assert!(count <= 1);
    (count == 1).then(|| events[0].events())
}

fn level_triggered_epoll_tells_until_the_queue_is_empty() {
    let device = Group::new().open();
    let epoll = epoll(&device, EpollFlags::EPOLLIN);
    assert_eq!(wait(&epoll, NOW), None);
    device.send("one");
    device.send("two");
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(wait(&epoll, EVENTUALLY), Some(EpollFlags::EPOLLIN));
        }
        device.receive();
    }
    assert_eq!(wait(&epoll, NOW), None);
}

fn edge_triggered_epoll_tells_of_every_publication() {
    let device = Group::new().open();
    let epoll = epoll(&device, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
    assert_eq!(wait(&epoll, NOW), None);
    // None of these is read meanwhile.
    for _ in 0..10 {
        device.send("message");
        assert_eq!(wait(&epoll, EVENTUALLY), Some(EpollFlags::EPOLLIN));
        assert_eq!(wait(&epoll, NOW), None, "told twice");
    }
    for delay in [1, 2, 10] {
        device.set_delay(delay);
        device.send("delayed");
        assert_eq!(wait(&epoll, EVENTUALLY), Some(EpollFlags::EPOLLIN));
        assert_eq!(wait(&epoll, NOW), None, "told twice");
    }
    device.set_delay(LONG);
    for _ in 0..3 {
        device.send("flushed");
        assert_eq!(wait(&epoll, NOW), None);
        device.flush();
        assert_eq!(wait(&epoll, EVENTUALLY), Some(EpollFlags::EPOLLIN));
    }
    // A message that is put back is there for everybody once more.
    // SAFETY: Nothing is mapped there.
    let got = unsafe { crate::sys::read_at(&device, 8 as *mut u8, 100) };
    assert_eq!(got, Err(EFAULT));
    assert_eq!(wait(&epoll, EVENTUALLY), Some(EpollFlags::EPOLLIN));
}

fn EPOLLEXCLUSIVE_wakes_one_of_many() {
    const POLLERS: u64 = 8;
    const MESSAGES: u64 = 200;
    let group = Group::new();
    let device = group.open();
    let words = shared(2);
    let (received, woken) = (&words[0], &words[1]);
    let children: Vec<_> = (0..POLLERS)
        .map(|_| {
            let child = spawn(|| {
                let device = group.open();
                let epoll = epoll(&device, EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE);
                loop {
                    wait(&epoll, EVENTUALLY).expect("no event");
                    woken.fetch_add(1, SeqCst);
                    match device.receive().first() {
                        Some(b'm') => received.fetch_add(1, SeqCst),
                        Some(_) => return,
                        None => 0,
                    };
                }
            });
            wait_until("a poller waits", || {
                sleeps_in(child.pid(), libc::SYS_epoll_wait, None)
            });
            child
        })
        .collect();
    for number in 1..=MESSAGES {
        device.send("m");
        wait_until("it is received", || received.load(SeqCst) == number);
    }
    let count = woken.load(SeqCst);
    report(&format!(
        "{MESSAGES} messages, {POLLERS} exclusive pollers, {count} wake-ups"
    ));
    assert!(count < 2 * MESSAGES, "a herd: {count} wake-ups");
    for _ in 0..POLLERS {
        device.send("end");
    }
    children.into_iter().for_each(Child::join);
}

fn a_poller_that_takes_no_message_costs_no_receiver_its_turn() {
    let group = Group::new();
    let device = group.open();
    // Polls first, exclusively, and never reads.
    let idle = epoll(&device, EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE);
    for _ in 0..10 {
        let child = spawn(|| {
            assert_eq!(group.open().waiting().receive(), b"message");
        });
        wait_until("a receiver waits", || {
            sleeps_in(child.pid(), libc::SYS_read, None)
        });
        device.send("message");
        child.join();
    }
    drop(idle);
}

/// An event loop that waits for `interest`.
fn event_loop(device: &Device, interest: Interest) -> Poll {
    let poll = Poll::new().unwrap();
    let fd = device.as_fd().as_raw_fd();
    let registry = poll.registry();
    registry
        .register(&mut SourceFd(&fd), Token(0), interest)
        .unwrap();
    poll
}

fn an_event_loop_moves_10000_messages_between_two_processes() {
    let messages = work(10_000) as u32;
    let group = Group::new();
    let child = spawn(|| {
        // Sends as long as there is room, and then waits for some.
        let device = group.open();
        device.set_nonblocking();
        let mut poll = event_loop(&device, Interest::WRITABLE);
        let mut events = Events::with_capacity(8);
        let mut number = 0;
        while number < messages {
            match device.write([number.to_le_bytes(), (!number).to_le_bytes()].concat()) {
                Ok(_) => number += 1,
                Err(ENOSPC) => poll.poll(&mut events, EVENTUALLY).unwrap(),
                Err(err) => panic!("write: {err}"),
            }
        }
    });
    let device = group.open();
    device.set_nonblocking();
    let mut poll = event_loop(&device, Interest::READABLE);
    let mut events = Events::with_capacity(8);
    let mut number = 0;
    while number < messages {
        match device.read(100) {
            Ok(message) => {
                let expected = [number.to_le_bytes(), (!number).to_le_bytes()].concat();
                assert_eq!(message, expected);
                number += 1;
            }
            Err(EAGAIN) => {
                poll.poll(&mut events, EVENTUALLY).unwrap();
                assert!(!events.is_empty(), "message {number} does not come");
            }
            Err(err) => panic!("read: {err}"),
        }
    }
    child.join();
    assert_eq!(device.read(100), Err(EAGAIN));
    let device = group.open();
    device.assert_all_room();
}
