// SPDX-License-Identifier: GPL-2.0

//! Reading and writing through io_uring, for which the kernel calls the module from elsewhere.

use crate::group::{DEFAULT_STORAGE, Device, Group};
use crate::harness::Test;
use crate::sys::Result;
use crate::test;
use io_uring::{IoUring, opcode, squeue, types::Fd};
use nix::errno::Errno::{self, *};
use std::os::fd::{AsFd, AsRawFd};

pub const TESTS: &[Test] = &[
    test!(io_uring_writes_and_reads_messages),
    test!(io_uring_gets_the_errors_of_write_and_read),
    test!(io_uring_does_a_whole_batch),
];

/// What programs give for a file without a position.
const NO_OFFSET: u64 = u64::MAX;

fn fd(device: &Device) -> Fd {
    Fd(device.as_fd().as_raw_fd())
}

fn write(device: &Device, message: &[u8]) -> squeue::Entry {
    opcode::Write::new(fd(device), message.as_ptr(), message.len() as u32)
        .offset(NO_OFFSET)
        .build()
}

fn read(device: &Device, buf: &mut [u8]) -> squeue::Entry {
    opcode::Read::new(fd(device), buf.as_mut_ptr(), buf.len() as u32)
        .offset(NO_OFFSET)
        .build()
}

/// Has a ring do these, all at once or one after the other, and returns their results.
fn run(entries: &[squeue::Entry], all_at_once: bool) -> Vec<Result<usize>> {
    let mut ring = IoUring::new(256).expect("io_uring");
    for (number, entry) in entries.iter().enumerate() {
        let entry = entry.clone().user_data(number as u64);
        // SAFETY: The caller keeps the buffers until this function, which waits, has returned.
        unsafe { ring.submission().push(&entry).expect("room in the ring") };
        if !all_at_once {
            ring.submit_and_wait(1).expect("io_uring_enter");
        }
    }
    ring.submit_and_wait(entries.len()).expect("io_uring_enter");
    let mut results = vec![Ok(0); entries.len()];
    for entry in ring.completion() {
        let result = entry.result();
        results[entry.user_data() as usize] = match result {
            0.. => Ok(result as usize),
            _ => Err(Errno::from_raw(-result)),
        };
    }
    results
}

fn io_uring_writes_and_reads_messages() {
    let device = Group::new().open();
    let mut buf = [b'.'; 20];
    let entries = [
        write(&device, b"one message"),
        write(&device, b"another"),
        read(&device, &mut buf),
    ];
    assert_eq!(run(&entries, false), [Ok(11), Ok(7), Ok(11)]);
    assert_eq!(&buf, b"one message.........");
    assert_eq!(device.receive(), b"another");
    // A program that gives an offset all the same is not refused.
    device.send("message");
    let at_0 = opcode::Read::new(fd(&device), buf.as_mut_ptr(), 4).build();
    assert_eq!(run(&[at_0], false), [Ok(4)]);
    assert_eq!(&buf[..5], b"messm");
    assert_eq!(run(&[read(&device, &mut buf)], false), [Ok(0)]);
}

fn io_uring_gets_the_errors_of_write_and_read() {
    let device = Group::new().open();
    let nowhere = 8 as *mut u8;
    let bad_write = |len| opcode::Write::new(fd(&device), nowhere, len).offset(NO_OFFSET);
    let bad_read = opcode::Read::new(fd(&device), nowhere, 50).offset(NO_OFFSET);
    let entries = [
        write(&device, b""),
        write(&device, b"\0"),
        write(&device, &[b'm'; 101]),
        bad_write(101).build(),
        bad_write(50).build(),
        write(&device, b"message"),
        bad_read.build(),
    ];
    let expected = [
        Err(EBADMSG),
        Err(EBADMSG),
        Err(EMSGSIZE),
        Err(EMSGSIZE),
        Err(EFAULT),
        Ok(7),
        Err(EFAULT),
    ];
    assert_eq!(run(&entries, false), expected);
    assert_eq!(device.receive(), b"message");
    device.fill(DEFAULT_STORAGE - 1);
    assert_eq!(run(&[write(&device, b"ab")], false), [Err(ENOSPC)]);
    assert_eq!(run(&[write(&device, b"a")], false), [Ok(1)]);
}

fn io_uring_does_a_whole_batch() {
    let device = Group::new().open();
    let messages: Vec<_> = (0..100u8).map(|number| [number; 100]).collect();
    let entries: Vec<_> = messages.iter().map(|m| write(&device, m)).collect();
    assert_eq!(run(&entries, true), vec![Ok(100); 100]);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    let mut bufs = vec![[0; 100]; 100];
    let entries: Vec<_> = bufs.iter_mut().map(|buf| read(&device, buf)).collect();
    assert_eq!(run(&entries, true), vec![Ok(100); 100]);
    // A ring may do its entries in any order, so each message came, wherever.
    bufs.sort_unstable();
    assert!(bufs == messages);
    device.assert_room(DEFAULT_STORAGE);
}
