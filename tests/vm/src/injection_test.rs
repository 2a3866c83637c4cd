// SPDX-License-Identifier: GPL-2.0

//! Every allocation of every call fails once, and every copy from or to user memory: the call
//! fails as the contract says and has changed nothing, or it succeeds as if nothing had failed;
//! and the next attempt works.

use crate::calls::LONG;
use crate::group::{Device, Group, fresh_id, group0};
use crate::harness::Guest::Debug;
use crate::harness::Test;
use crate::injection::{Injector, Pages};
use crate::module::{clone, is_loaded, unload};
use crate::process::{spawn, wait_until};
use crate::sys::{
    self, FIONREAD, INSTALL_GROUP, RawGroup, Result, SET_RECEIVE_TIMEOUT, SET_SEND_DELAY,
};
use crate::test;
use nix::errno::Errno::{self, *};
use nix::kmod::init_module;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub const TESTS: &[Test] = &[
    test!(every_failure_of_open_leaves_nothing_open)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_write_stores_nothing)
        .runs_in(Debug)
        .seconds(300),
    test!(every_failure_of_a_delayed_write_stores_nothing)
        .runs_in(Debug)
        .seconds(300),
    test!(every_failure_of_writev_stores_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_read_keeps_the_message)
        .runs_in(Debug)
        .seconds(300),
    test!(every_failure_of_readv_keeps_the_message)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_a_waiting_read_takes_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_an_ioctl_changes_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_the_barrier_leaves_it_as_it_was)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_poll_and_epoll_changes_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_close_and_fsync_flushes)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_sysfs_changes_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_finding_a_group_changes_nothing)
        .runs_in(Debug)
        .seconds(120),
    test!(every_failure_of_making_a_group_makes_none)
        .runs_in(Debug)
        .loads()
        .seconds(600),
    test!(every_failure_of_loading_leaves_nothing)
        .runs_in(Debug)
        .loads()
        .seconds(2400),
];

/// Sizes of messages: of a small one, of one that is larger than a page, and of one for which the
/// kernel has to put pages together.
const SIZES: [usize; 3] = [10, 10_000, 1 << 20];

/// A group that one message of this size fills to the brim.
fn group_for(size: usize) -> Group {
    Group::with_limits(size, size)
}

/// Fails unless the group is empty and one message of this size fills it to the brim.
#[track_caller]
fn assert_all_room(device: &Device, message: &[u8]) {
    assert_eq!(sys::fionread(device), Ok(0), "the queue is not empty");
    device.send(message);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    assert!(device.read(message.len()).unwrap() == message);
    device.flush();
    device.assert_empty();
}

/// Whether the call went well. If not, it must have failed for memory or for a copy, and something
/// must have been made to fail.
#[track_caller]
fn went_well<T: std::fmt::Debug>(result: &Result<T>, failed: bool) -> bool {
    match result {
        Ok(_) => true,
        Err(ENOMEM | EFAULT) => {
            assert!(failed, "{result:?}, and nothing was made to fail");
            false
        }
        Err(err) => panic!("it failed with {err}"),
    }
}

/// How often the module is held.
fn holds() -> String {
    fs::read_to_string("/sys/module/groups/refcnt").unwrap()
}

fn every_failure_of_open_leaves_nothing_open() {
    let injector = Injector::new(Pages::Fail);
    let group = Group::new();
    let node = CString::new(group.node().as_os_str().as_bytes()).unwrap();
    let nobody_holds_it = || wait_until("nothing holds the module", || holds() == "0\n");
    nobody_holds_it();
    let open = || {
        // SAFETY: The path ends in NUL.
        let fd = unsafe { libc::open(node.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        Errno::result(fd)
    };
    injector.each("open", open, |result, failed| {
        if went_well(&result, failed) {
            // SAFETY: The descriptor is new, and nobody else's.
            assert_eq!(unsafe { libc::close(result.unwrap()) }, 0);
        }
        nobody_holds_it();
        group.open().assert_empty();
    });
    group.open().assert_all_room();
}

fn every_failure_of_write_stores_nothing() {
    let injector = Injector::new(Pages::Fail);
    for size in SIZES {
        let device = group_for(size).open();
        let message = vec![b'm'; size];
        let write = || sys::write_at(&device, message.as_ptr(), size);
        injector.each(
            &format!("write of {size} bytes"),
            write,
            |result, failed| {
                if went_well(&result, failed) {
                    assert_eq!(result, Ok(size));
                    assert!(device.read(size).unwrap() == message);
                }
                assert_all_room(&device, &message);
            },
        );
    }
}

fn every_failure_of_a_delayed_write_stores_nothing() {
    let injector = Injector::new(Pages::Fail);
    for size in SIZES {
        let device = group_for(size).open();
        let message = vec![b'm'; size];
        let write = || sys::write_at(&device, message.as_ptr(), size);
        device.set_delay(LONG);
        let what = format!("delayed write of {size} bytes");
        injector.each(&what, write, |result, failed| {
            assert_eq!(sys::fionread(&device), Ok(0), "it is delayed");
            device.flush();
            if went_well(&result, failed) {
                assert_eq!(result, Ok(size));
                assert!(device.read(size).unwrap() == message);
            }
            device.set_delay(0);
            assert_all_room(&device, &message);
            device.set_delay(LONG);
        });
    }
}

/// Three parts of a buffer.
fn parts(buffer: &mut [u8]) -> [libc::iovec; 3] {
    let (one, rest) = buffer.split_at_mut(buffer.len() / 3);
    let (two, three) = rest.split_at_mut(rest.len() / 2);
    [one, two, three].map(|part| libc::iovec {
        iov_base: part.as_mut_ptr().cast(),
        iov_len: part.len(),
    })
}

fn every_failure_of_writev_stores_nothing() {
    let injector = Injector::new(Pages::Fail);
    let device = group_for(10_000).open();
    let message = vec![b'm'; 10_000];
    let mut buffer = message.clone();
    let vector = parts(&mut buffer);
    let fd = device.as_fd().as_raw_fd();
    let writev = || {
        // SAFETY: The buffers are ours, and the kernel only reads.
        let written = unsafe { libc::writev(fd, vector.as_ptr(), 3) };
        Errno::result(written)
    };
    injector.each("writev", writev, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok(10_000));
            assert!(device.read(10_000).unwrap() == message);
        }
        assert_all_room(&device, &message);
    });
}

fn every_failure_of_read_keeps_the_message() {
    let injector = Injector::new(Pages::Fail);
    for size in SIZES {
        let device = group_for(size).open();
        let message: Vec<u8> = (0..size).map(|i| (i % 251) as u8 | 1).collect();
        let mut buffer = vec![0; size];
        let place = buffer.as_mut_ptr();
        device.send(&message);
        // SAFETY: The buffer is ours.
        let read = || unsafe { sys::read_at(&device, place, size) };
        let what = format!("read of {size} bytes");
        injector.each(&what, read, |result, failed| {
            if went_well(&result, failed) {
                assert_eq!(result, Ok(size));
            } else {
                // The whole of it is first, and takes its room.
                assert_eq!(sys::fionread(&device), Ok(size as i32));
                assert_eq!(device.write(b"m"), Err(ENOSPC));
                assert!(device.read(size).unwrap() == message);
            }
            assert_all_room(&device, &message);
            device.send(&message);
        });
        assert!(buffer == message);
    }
}

fn every_failure_of_readv_keeps_the_message() {
    let injector = Injector::new(Pages::Fail);
    let device = group_for(10_000).open();
    let message: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8 | 1).collect();
    let mut buffer = vec![0; 10_000];
    let vector = parts(&mut buffer);
    let fd = device.as_fd().as_raw_fd();
    device.send(&message);
    let readv = || {
        // SAFETY: The buffers are ours.
        let read = unsafe { libc::readv(fd, vector.as_ptr(), 3) };
        Errno::result(read)
    };
    injector.each("readv", readv, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok(10_000));
        } else {
            assert!(device.read(10_000).unwrap() == message);
        }
        assert_all_room(&device, &message);
        device.send(&message);
    });
    assert!(buffer == message);
}

fn every_failure_of_a_waiting_read_takes_nothing() {
    let injector = Injector::new(Pages::Fail);
    let group = Group::new();
    let device = group.open();
    device.set_receive_timeout(-1).unwrap();
    let mut buffer = [0; 100];
    let place = buffer.as_mut_ptr();
    let sender = group.open();
    sender.set_delay(5);
    sender.send("first");
    // It waits until the message is due.
    // SAFETY: The buffer is ours.
    let read = || unsafe { sys::read_at(&device, place, 100) };
    injector.each("read that waits", read, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok(5));
        } else {
            assert_eq!(device.await_message(), b"first");
        }
        sender.set_delay(0);
        device.set_receive_timeout(0).unwrap();
        device.assert_all_room();
        device.set_receive_timeout(-1).unwrap();
        sender.set_delay(5);
        sender.send("first");
    });
}

fn every_failure_of_an_ioctl_changes_nothing() {
    let injector = Injector::new(Pages::Fail);
    let device = Group::new().open();
    // SAFETY: The kernel only reads what the pointers point to, or writes what is ours.
    let ioctl = |command, arg: usize| unsafe { sys::ioctl(&device, command, arg) };

    let long = LONG;
    let set_delay = || ioctl(SET_SEND_DELAY, &raw const long as usize);
    injector.each("SET_SEND_DELAY", set_delay, |result, failed| {
        let changed = went_well(&result, failed);
        device.send("message");
        assert_eq!(device.receive().is_empty(), changed);
        device.revoke();
        device.set_delay(0);
        device.assert_all_room();
    });

    let timeout = 1i32;
    let set_timeout = || ioctl(SET_RECEIVE_TIMEOUT, &raw const timeout as usize);
    injector.each("SET_RECEIVE_TIMEOUT", set_timeout, |result, failed| {
        went_well(&result, failed);
        device.assert_empty();
        device.set_receive_timeout(0).unwrap();
        device.assert_all_room();
    });

    let mut size = 0i32;
    let place = &raw mut size as usize;
    device.send("message");
    let first_size = || ioctl(FIONREAD, place);
    injector.each("FIONREAD", first_size, |result, failed| {
        went_well(&result, failed);
        assert_eq!(device.receive(), b"message");
        device.assert_all_room();
        device.send("message");
    });
    assert_eq!(size, 7);
    device.drain();

    device.assert_all_room();
}

/// Neither the barrier nor revoking needs memory, or copies anything: so nothing can fail, and the
/// ways there are still tried.
fn every_failure_of_the_barrier_leaves_it_as_it_was() {
    let injector = Injector::new(Pages::Fail);
    let group = Group::new();
    let device = group.open();
    for nth in 1..4 {
        let (awoken, _) = injector.inject(nth, || device.awake_barrier());
        assert_eq!(awoken, 2);
        device.set_delay(LONG);
        device.send("message");
        injector.inject(nth, || device.revoke());
        device.set_delay(0);
        device.assert_all_room();
        let awaker = spawn(|| {
            let device = group.open();
            wait_until("somebody sleeps", || device.awake_barrier() == 0);
        });
        let (slept, _) = injector.inject(nth, || device.sleep_on_barrier());
        assert_eq!(slept, Ok(0));
        awaker.join();
        assert_eq!(device.awake_barrier(), 2);
    }
}

fn every_failure_of_poll_and_epoll_changes_nothing() {
    let injector = Injector::new(Pages::Fail);
    let device = Group::new().open();
    device.send("message");
    let events = PollFlags::POLLIN | PollFlags::POLLOUT;
    let fd = || [PollFd::new(device.as_fd(), events)];
    let poll_it = || {
        let mut fds = fd();
        poll(&mut fds, PollTimeout::ZERO).map(|count| (count, fds[0].revents()))
    };
    injector.each("poll", poll_it, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok((1, Some(events))));
        }
        assert_eq!(device.events(), events);
    });

    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    let event = || EpollEvent::new(EpollFlags::EPOLLIN, 7);
    let add = || epoll.add(&device, event());
    injector.each("EPOLL_CTL_ADD", add, |result, failed| {
        if !went_well(&result, failed) {
            epoll.add(&device, event()).unwrap();
        }
        let mut found = [EpollEvent::empty()];
        assert_eq!(epoll.wait(&mut found, 0u16), Ok(1));
        assert_eq!(found[0].data(), 7);
        epoll.delete(&device).unwrap();
    });
    device.drain();
    device.assert_all_room();
}

fn every_failure_of_close_and_fsync_flushes() {
    let injector = Injector::new(Pages::Fail);
    let group = Group::new();
    let device = group.open();
    device.set_delay(LONG);
    for nth in 1..8 {
        device.send("fsync");
        let (result, _) = injector.inject(nth, || nix::unistd::fsync(&device));
        assert_eq!(result, Ok(()));
        assert_eq!(device.receive(), b"fsync");
        device.send("close");
        let other = group.open();
        injector.inject(nth, || drop(other));
        assert_eq!(device.receive(), b"close");
    }
    device.set_delay(0);
    device.assert_all_room();
}

fn every_failure_of_sysfs_changes_nothing() {
    let injector = Injector::new(Pages::Fail);
    let group = Group::new();
    let path = CString::new(group.sysfs("max_message_size").as_os_str().as_bytes()).unwrap();
    let open = |flags| {
        // SAFETY: The path ends in NUL.
        Errno::result(unsafe { libc::open(path.as_ptr(), flags) })
    };
    let close = |fd| {
        // SAFETY: The descriptor is ours.
        unsafe { libc::close(fd) };
    };
    let mut buffer = [0u8; 32];
    let place = buffer.as_mut_ptr();
    let read = || {
        let fd = open(libc::O_RDONLY)?;
        // SAFETY: The buffer is ours.
        let len = Errno::result(unsafe { libc::read(fd, place.cast(), 32) });
        close(fd);
        len
    };
    injector.each("reading a limit", read, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok(4));
        }
        assert_eq!(group.get("max_message_size"), b"100\n");
    });
    let write = || {
        let fd = open(libc::O_WRONLY)?;
        // SAFETY: The kernel only reads.
        let len = Errno::result(unsafe { libc::write(fd, b"77".as_ptr().cast(), 2) });
        close(fd);
        len
    };
    injector.each("writing a limit", write, |result, failed| {
        let content = group.get("max_message_size");
        if went_well(&result, failed) {
            assert_eq!(content, b"77\n");
            group.set("max_message_size", 100);
        } else {
            assert_eq!(content, b"100\n");
        }
    });
    group.open().assert_all_room();
}

fn every_failure_of_finding_a_group_changes_nothing() {
    let injector = Injector::new(Pages::Fail);
    let (device, group) = (group0(), Group::new());
    let mut raw = RawGroup::new(&group.id);
    let name = RawGroup {
        devname: *b"group0\0/nothing/like/that\0",
        ..raw
    };
    let place = &raw mut raw;
    // SAFETY: The pointer is to a group that is ours.
    let install = || unsafe { sys::ioctl(&device, INSTALL_GROUP, place as usize) };
    injector.each("INSTALL_GROUP, found", install, |result, failed| {
        if went_well(&result, failed) {
            assert_eq!(result, Ok(0));
            // SAFETY: As above.
            let devname = unsafe { &*place }.devname().to_owned();
            assert_eq!(devname, format!("group{}", group.number));
        }
        // SAFETY: As above.
        unsafe { *place = name };
        assert_eq!(Group::install(&group.id), (0, group.clone()));
    });
    // No number was taken.
    assert_eq!(Group::new().number, group.number + 1);
}

fn every_failure_of_making_a_group_makes_none() {
    let injector = Injector::new(Pages::Fail);
    let device = group0();
    let mut number = Group::new().number;
    let mut raw = RawGroup::new(fresh_id());
    let place = &raw mut raw;
    // SAFETY: The pointer is to a group that is ours.
    let install = || unsafe { sys::ioctl(&device, INSTALL_GROUP, place as usize) };
    injector.each("INSTALL_GROUP, made", install, |result, failed| {
        // SAFETY: As above.
        let id = unsafe { &*place }.id;
        let id = &id[..30];
        if went_well(&result, failed) {
            assert_eq!(result, Ok(1));
            assert_eq!(Group::install(id).0, 0);
        } else {
            assert!(!Path::new(&format!("/dev/group{}", number + 1)).exists());
            assert_eq!(Group::install(id).0, 1, "it was made all the same");
        }
        // The next number, and no other.
        number += 1;
        let group = Group::install(id).1;
        assert_eq!(group.number, number);
        assert_eq!(group.get("max_message_size"), b"100\n");
        assert_eq!(group.get("max_storage_size"), b"10000\n");
        assert_eq!(group.get("id"), [id, b"\n"].concat());
        let device = group.open();
        device.send("message");
        assert_eq!(device.receive(), b"message");
        // SAFETY: As above.
        unsafe { *place = RawGroup::new(fresh_id()) };
    });
    drop(device);
    unload();
}

fn every_failure_of_loading_leaves_nothing() {
    let injector = Injector::new(Pages::Succeed);
    unload();
    // Not from a file, which the kernel says something about when it cannot read it.
    let module = fs::read(clone().join("groups.ko")).unwrap();
    let load = || init_module(&module, c"");
    injector.each("loading", load, |result, failed| {
        if went_well(&result, failed) {
            let device = Group::zero().open();
            device.assert_all_room();
            drop(device);
            unload();
        }
        assert!(!is_loaded());
        for path in ["/sys/class/groups", "/dev/group0", "/sys/module/groups"] {
            assert!(!Path::new(path).exists(), "{path} was left");
        }
        let devices = fs::read_to_string("/proc/devices").unwrap();
        assert!(!devices.contains(" groups\n"), "its numbers were left");
    });
}
