// SPDX-License-Identifier: GPL-2.0

//! `read`: takes the first message; and FIONREAD, which says how large it is.

use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::Test;
use crate::process::{DAEMON, NOBODY, as_user, spawn};
use crate::sys::{self, BAD_ADDRESSES, BAD_USER_ADDRESSES, Cliff, FIONREAD, fionread};
use crate::test;
use nix::errno::Errno::*;
use nix::sys::mman::ProtFlags;

pub const TESTS: &[Test] = &[
    test!(read_of_an_empty_queue_returns_0),
    test!(read_takes_one_message_whatever_its_buffer_has_room_for),
    test!(read_truncates_and_the_rest_of_the_message_is_gone),
    test!(a_truncated_message_gives_all_of_its_room_back),
    test!(read_of_zero_bytes_takes_nothing),
    test!(messages_come_in_the_order_in_which_they_were_sent),
    test!(a_message_goes_to_one_reader_only),
    test!(a_message_goes_from_one_user_to_another),
    test!(messages_stay_when_everybody_has_closed_the_group),
    test!(groups_do_not_mix),
    test!(FIONREAD_is_the_size_of_the_first_message),
    test!(FIONREAD_with_a_bad_pointer_is_EFAULT),
];

fn read_of_an_empty_queue_returns_0() {
    let device = Group::new().open();
    for n in [0, 1, 100, 101, 1 << 20] {
        assert_eq!(device.read(n), Ok(vec![]));
    }
    // Nothing is copied, so nothing can fail.
    for address in BAD_USER_ADDRESSES {
        // SAFETY: Nothing is mapped there.
        let result = unsafe { sys::read_at(&device, address as *mut u8, 100) };
        assert_eq!(result, Ok(0));
    }
    // Empty again is empty.
    device.send("message");
    assert_eq!(device.receive(), b"message");
    device.assert_empty();
}

fn read_takes_one_message_whatever_its_buffer_has_room_for() {
    let device = Group::new().open();
    device.send("one");
    device.send("two");
    device.send("three");
    assert_eq!(device.read(10_000).unwrap(), b"one");
    assert_eq!(device.read(3).unwrap(), b"two");
    assert_eq!(device.read(100).unwrap(), b"three");
    device.assert_empty();
}

fn read_truncates_and_the_rest_of_the_message_is_gone() {
    let device = Group::new().open();
    device.send("0123456789");
    device.send("next");
    assert_eq!(device.read(4).unwrap(), b"0123");
    assert_eq!(device.read(1).unwrap(), b"n");
    device.assert_empty();
}

fn a_truncated_message_gives_all_of_its_room_back() {
    let device = Group::new().open();
    for _ in 0..100 {
        device.send([b'm'; 100]);
    }
    for _ in 0..100 {
        assert_eq!(device.read(1).unwrap(), b"m");
    }
    device.assert_room(DEFAULT_STORAGE);
}

fn read_of_zero_bytes_takes_nothing() {
    let device = Group::new().open();
    device.send("message");
    for address in [0, 8] {
        // SAFETY: Nothing is mapped there.
        let result = unsafe { sys::read_at(&device, address as *mut u8, 0) };
        assert_eq!(result, Ok(0));
    }
    assert_eq!(device.read(0), Ok(vec![]));
    assert_eq!(device.receive(), b"message");
}

fn messages_come_in_the_order_in_which_they_were_sent() {
    let group = Group::with_limits(5000, 1 << 30);
    let (writer, reader) = (group.open(), group.open());
    let message = |number: u32| {
        let size = 4 + (number * 7919) as usize % 4900;
        let mut message = vec![number as u8; size];
        message[..4].copy_from_slice(&number.to_le_bytes());
        message
    };
    for number in 0..2000 {
        writer.send(message(number));
    }
    for number in 0..2000 {
        assert!(reader.read(5000).unwrap() == message(number), "{number}");
    }
    reader.assert_empty();
    // Now with writes between the reads.
    for number in 0..2000 {
        writer.send(message(2 * number));
        writer.send(message(2 * number + 1));
        assert!(reader.read(5000).unwrap() == message(number), "{number}");
    }
}

fn a_message_goes_to_one_reader_only() {
    let group = Group::new();
    let devices = [group.open(), group.open(), group.open()];
    devices[0].send("only");
    assert_eq!(devices[1].receive(), b"only");
    devices.iter().for_each(Device::assert_empty);
}

fn a_message_goes_from_one_user_to_another() {
    let path = Group::new().path();
    as_user(NOBODY, || {
        let device = Device::open(&path, false, true).unwrap();
        device.send("from nobody");
    });
    as_user(DAEMON, || {
        let device = Device::open(&path, true, false).unwrap();
        assert_eq!(device.receive(), b"from nobody");
        device.assert_empty();
    });
}

fn messages_stay_when_everybody_has_closed_the_group() {
    let group = Group::new();
    group.open().send("one");
    spawn(|| {
        let device = group.open();
        device.send("two");
        drop(device);
        // And another, whose writer ends without closing anything.
        let device = group.open();
        device.send("three");
        std::mem::forget(device);
    })
    .join();
    let device = group.open();
    for message in [&b"one"[..], b"two", b"three"] {
        assert_eq!(device.receive(), message);
    }
}

fn groups_do_not_mix() {
    let groups = [(); 10].map(|()| Group::new());
    for group in &groups {
        group.open().send(&group.id);
    }
    groups[0]
        .open()
        .assert_room(DEFAULT_STORAGE - groups[0].id.len());
    for group in &groups {
        assert_eq!(group.open().receive(), group.id);
    }
}

fn FIONREAD_is_the_size_of_the_first_message() {
    let group = Group::with_limits(1 << 20, 1 << 22);
    let device = group.open();
    assert_eq!(fionread(&device), Ok(0));
    let sizes = [1, 100, 4096, 7, 1 << 20];
    for n in sizes {
        device.send(vec![b'm'; n]);
        assert_eq!(fionread(&device), Ok(1), "the first, not the last");
    }
    for n in sizes {
        assert_eq!(fionread(&device), Ok(n as i32));
        // It takes nothing.
        assert_eq!(fionread(group.open()), Ok(n as i32));
        assert_eq!(device.read(1).unwrap(), b"m");
    }
    assert_eq!(fionread(&device), Ok(0));
    // A writer may ask as well.
    let writer = Device::open(group.node(), false, true).unwrap();
    writer.send("four");
    assert_eq!(fionread(&writer), Ok(4));
}

fn FIONREAD_with_a_bad_pointer_is_EFAULT() {
    let device = Group::new().open();
    let read_only = Cliff::new(4, ProtFlags::PROT_READ);
    for message in [None, Some("message")] {
        if let Some(message) = message {
            device.send(message);
        }
        for address in BAD_ADDRESSES {
            // SAFETY: Nothing is mapped there.
            let result = unsafe { sys::ioctl(&device, FIONREAD, address) };
            assert_eq!(result, Err(EFAULT), "{address:#x}");
        }
        for room in 0..4 {
            // SAFETY: What can be written there is the cliff's.
            let result = unsafe { sys::ioctl(&device, FIONREAD, read_only.before(room) as usize) };
            assert_eq!(result, Err(EFAULT));
        }
    }
    assert_eq!(device.receive(), b"message");
}
