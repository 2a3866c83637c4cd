// SPDX-License-Identifier: GPL-2.0

//! `writev` and `readv`: one message, gathered and scattered.

use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::Test;
use crate::sys::{PAGE, Result};
use crate::test;
use nix::errno::Errno::{self, *};
use std::os::fd::{AsFd, AsRawFd};

pub const TESTS: &[Test] = &[
    test!(writev_gathers_one_message),
    test!(readv_scatters_one_message),
    test!(readv_truncates_to_all_of_its_buffers),
    test!(writev_knows_the_limits_of_write),
    test!(writev_of_a_single_NUL_byte_is_EBADMSG),
    test!(writev_with_a_bad_buffer_is_EFAULT_and_stores_nothing),
    test!(readv_with_a_bad_buffer_is_EFAULT_and_keeps_the_message),
    test!(a_thousand_small_buffers_are_one_message),
];

fn vector(parts: &[&[u8]]) -> Vec<libc::iovec> {
    let part = |part: &&[u8]| libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    };
    parts.iter().map(part).collect()
}

/// What cannot be used, in a vector.
const NOWHERE: libc::iovec = libc::iovec {
    iov_base: 8 as *mut _,
    iov_len: 10,
};

fn writev(device: &Device, vector: &[libc::iovec]) -> Result<usize> {
    let fd = device.as_fd().as_raw_fd();
    // SAFETY: The kernel checks the pointers, and only reads.
    let written = unsafe { libc::writev(fd, vector.as_ptr(), vector.len() as i32) };
    Errno::result(written).map(|n| n as usize)
}

/// Reads into buffers of these sizes. Returns what was read, and the buffers.
fn readv(device: &Device, sizes: &[usize]) -> (Result<usize>, Vec<Vec<u8>>) {
    let mut buffers: Vec<_> = sizes.iter().map(|&size| vec![b'.'; size]).collect();
    let vector: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        })
        .collect();
    let fd = device.as_fd().as_raw_fd();
    // SAFETY: The buffers are ours.
    let read = unsafe { libc::readv(fd, vector.as_ptr(), vector.len() as i32) };
    (Errno::result(read).map(|n| n as usize), buffers)
}

fn writev_gathers_one_message() {
    let device = Group::new().open();
    let parts = vector(&[b"one ", b"", b"mess", b"age", b""]);
    assert_eq!(writev(&device, &parts), Ok(11));
    device.send("next");
    assert_eq!(device.receive(), b"one message");
    assert_eq!(device.receive(), b"next");
    device.assert_empty();
}

fn readv_scatters_one_message() {
    let device = Group::new().open();
    device.send("one message");
    device.send("next");
    let (read, buffers) = readv(&device, &[4, 0, 4, 10, 5]);
    assert_eq!(read, Ok(11));
    assert_eq!(
        buffers,
        [&b"one "[..], b"", b"mess", b"age.......", b"....."]
    );
    assert_eq!(device.receive(), b"next");
    // Nothing there, nothing read.
    let (read, buffers) = readv(&device, &[1, 2]);
    assert_eq!(read, Ok(0));
    assert_eq!(buffers, [&b"."[..], b".."]);
}

fn readv_truncates_to_all_of_its_buffers() {
    let device = Group::new().open();
    device.send("0123456789");
    let (read, buffers) = readv(&device, &[2, 3]);
    assert_eq!(read, Ok(5));
    assert_eq!(buffers, [&b"01"[..], b"234"]);
    device.assert_empty();
}

fn writev_knows_the_limits_of_write() {
    let device = Group::new().open();
    // It is the sum that counts.
    assert_eq!(
        writev(&device, &vector(&[&[b'm'; 60], &[b'm'; 41]])),
        Err(EMSGSIZE)
    );
    assert_eq!(
        writev(&device, &vector(&[&[b'm'; 60], &[b'm'; 40]])),
        Ok(100)
    );
    device.assert_room(DEFAULT_STORAGE - 100);
    assert_eq!(writev(&device, &vector(&[b"", b"m"])), Err(ENOSPC));
    let too_large = libc::iovec {
        iov_len: 101,
        ..NOWHERE
    };
    assert_eq!(writev(&device, &[too_large]), Err(EMSGSIZE));
    assert_eq!(writev(&device, &[NOWHERE]), Err(ENOSPC));
}

fn writev_of_a_single_NUL_byte_is_EBADMSG() {
    let device = Group::new().open();
    assert_eq!(writev(&device, &vector(&[b"", b"\0", b""])), Err(EBADMSG));
    assert_eq!(writev(&device, &vector(&[b"\0", b"\0"])), Ok(2));
    assert_eq!(device.receive(), b"\0\0");
    device.assert_room(DEFAULT_STORAGE);
}

fn writev_with_a_bad_buffer_is_EFAULT_and_stores_nothing() {
    let device = Group::new().open();
    let good = vector(&[b"good"])[0];
    for parts in [
        &[NOWHERE, good][..],
        &[good, NOWHERE],
        &[good, NOWHERE, good],
    ] {
        assert_eq!(writev(&device, parts), Err(EFAULT));
    }
    device.assert_empty();
    device.assert_room(DEFAULT_STORAGE);
}

fn readv_with_a_bad_buffer_is_EFAULT_and_keeps_the_message() {
    let device = Group::new().open();
    device.send("0123456789");
    device.send("next");
    let mut buf = [0; 5];
    let good = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: 5,
    };
    for parts in [[NOWHERE, good], [good, NOWHERE]] {
        // SAFETY: The buffer that is mapped is ours.
        let read = unsafe { libc::readv(device.as_fd().as_raw_fd(), parts.as_ptr(), 2) };
        assert_eq!(Errno::result(read), Err(EFAULT));
    }
    assert_eq!(device.receive(), b"0123456789");
    assert_eq!(device.receive(), b"next");
    device.assert_empty();
}

fn a_thousand_small_buffers_are_one_message() {
    let device = Group::with_limits(1 << 20, 1 << 20).open();
    let message: Vec<u8> = (0..1000 * 300).map(|i| (i % 251) as u8).collect();
    let parts: Vec<_> = message.chunks(300).collect();
    assert_eq!(writev(&device, &vector(&parts)), Ok(message.len()));
    let (read, buffers) = readv(&device, &[PAGE / 3; 250]);
    assert_eq!(read, Ok(message.len()));
    assert!(buffers.concat().starts_with(&message));
}
