// SPDX-License-Identifier: GPL-2.0

//! `write`: sends one message, or says why not.

use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::Test;
use crate::sys::{self, BAD_USER_ADDRESSES};
use crate::test;
use nix::errno::Errno::*;

pub const TESTS: &[Test] = &[
    test!(write_returns_the_size_of_its_message),
    test!(a_message_is_any_bytes),
    test!(write_of_zero_bytes_is_EBADMSG),
    test!(write_of_a_single_NUL_byte_is_EBADMSG),
    test!(write_above_max_message_size_is_EMSGSIZE),
    test!(write_above_max_storage_size_is_ENOSPC),
    test!(a_group_takes_exactly_max_storage_size_bytes),
    test!(write_of_nothing_is_EBADMSG_before_anything_else),
    test!(EMSGSIZE_comes_before_ENOSPC_and_EFAULT),
    test!(ENOSPC_comes_before_EFAULT_and_EBADMSG),
    test!(a_write_that_fails_changes_nothing),
    test!(every_failed_write_gives_its_room_back),
];

/// A group that is full to the brim, open.
fn full() -> Device {
    let device = Group::new().open();
    device.assert_room(DEFAULT_STORAGE);
    device
}

fn write_returns_the_size_of_its_message() {
    let device = Group::new().open();
    for n in 1..=100 {
        assert_eq!(device.write(vec![b'm'; n]), Ok(n));
        assert_eq!(device.read(200), Ok(vec![b'm'; n]));
    }
}

fn a_message_is_any_bytes() {
    let device = Group::new().open();
    let all: Vec<u8> = (0..=255).collect();
    for part in all.chunks(64) {
        device.send(part);
        assert_eq!(device.receive(), part);
    }
    // NUL bytes are bytes, at the beginning and at the end.
    for message in [&b"\0\0"[..], b"\0a", b"a\0", b"a\0b"] {
        device.send(message);
        assert_eq!(device.receive(), message);
    }
}

fn write_of_zero_bytes_is_EBADMSG() {
    let device = Group::new().open();
    assert_eq!(device.write(b""), Err(EBADMSG));
    device.assert_empty();
}

fn write_of_a_single_NUL_byte_is_EBADMSG() {
    let device = Group::new().open();
    assert_eq!(device.write(b"\0"), Err(EBADMSG));
    device.assert_empty();
    device.send(b"\x01");
    assert_eq!(device.receive(), b"\x01");
}

fn write_above_max_message_size_is_EMSGSIZE() {
    let device = Group::new().open();
    for n in [101, 102, 4096, 10_000, 10_001, 1 << 20] {
        assert_eq!(device.write(vec![b'm'; n]), Err(EMSGSIZE), "{n} bytes");
    }
    device.send([b'm'; 100]);
}

fn write_above_max_storage_size_is_ENOSPC() {
    let device = full();
    for n in [1, 2, 99, 100] {
        assert_eq!(device.write(vec![b'm'; n]), Err(ENOSPC), "{n} bytes");
    }
    // What does not fit does not fit, even if something smaller would.
    assert_eq!(device.receive(), [b'f'; 100]);
    device.send([b'm'; 60]);
    assert_eq!(device.write([b'm'; 41]), Err(ENOSPC));
    device.send([b'm'; 40]);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
}

fn a_group_takes_exactly_max_storage_size_bytes() {
    let device = Group::new().open();
    for _ in 0..3 {
        device.assert_all_room();
    }
    // Messages of one byte count one byte.
    for _ in 0..DEFAULT_STORAGE {
        device.send(b"1");
    }
    assert_eq!(device.write(b"1"), Err(ENOSPC));
    for _ in 0..DEFAULT_STORAGE {
        assert_eq!(device.receive(), b"1");
    }
    device.assert_empty();
    device.assert_room(DEFAULT_STORAGE);
}

fn write_of_nothing_is_EBADMSG_before_anything_else() {
    let device = full();
    assert_eq!(device.write(b""), Err(EBADMSG));
    for address in BAD_USER_ADDRESSES {
        assert_eq!(
            sys::write_at(&device, address as *const u8, 0),
            Err(EBADMSG)
        );
    }
}

fn EMSGSIZE_comes_before_ENOSPC_and_EFAULT() {
    let device = full();
    assert_eq!(device.write([b'm'; 101]), Err(EMSGSIZE));
    for address in BAD_USER_ADDRESSES {
        for n in [101, 10_001, 1 << 30] {
            let result = sys::write_at(&device, address as *const u8, n);
            assert_eq!(result, Err(EMSGSIZE), "{n} bytes at {address:#x}");
        }
    }
}

fn ENOSPC_comes_before_EFAULT_and_EBADMSG() {
    let device = full();
    for address in BAD_USER_ADDRESSES {
        let result = sys::write_at(&device, address as *const u8, 1);
        assert_eq!(result, Err(ENOSPC));
    }
    assert_eq!(device.write(b"\0"), Err(ENOSPC));
}

fn a_write_that_fails_changes_nothing() {
    let device = Group::new().open();
    device.send("first");
    assert_eq!(device.write(b""), Err(EBADMSG));
    assert_eq!(device.write(b"\0"), Err(EBADMSG));
    assert_eq!(device.write([b'm'; 101]), Err(EMSGSIZE));
    assert_eq!(sys::write_at(&device, 8 as *const u8, 10), Err(EFAULT));
    device.send("second");
    assert_eq!(device.receive(), b"first");
    assert_eq!(device.receive(), b"second");
    device.assert_empty();
}

fn every_failed_write_gives_its_room_back() {
    let device = Group::new().open();
    for _ in 0..1000 {
        assert_eq!(device.write(b"\0"), Err(EBADMSG));
        assert_eq!(device.write([b'm'; 101]), Err(EMSGSIZE));
        assert_eq!(sys::write_at(&device, 8 as *const u8, 100), Err(EFAULT));
    }
    device.assert_room(DEFAULT_STORAGE);
}
