// SPDX-License-Identifier: GPL-2.0

//! Memory: who pays for messages, and that all of it comes back. Memory cgroups count to the byte
//! what the kernel allocates for somebody, so they find leaks as well.

use crate::group::{Group, fresh_id};
use crate::harness::Test;
use crate::process::{spawn, wait_until};
use crate::sys::{self, map};
use crate::{skip, test};
use nix::errno::Errno::*;
use nix::sys::mman::MapFlags;
use std::fs;
use std::path::{Path, PathBuf};

pub const TESTS: &[Test] = &[
    test!(a_large_message_is_charged_to_its_sender),
    test!(small_messages_are_charged_to_their_sender),
    test!(whatever_is_sent_received_or_refused_no_memory_stays_behind),
    test!(a_message_that_its_senders_cgroup_cannot_hold_is_ENOMEM),
];

const MIB: u64 = 1 << 20;

/// A memory cgroup of this test's own.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mut cgroup2 = mounts.lines().filter(|line| line.contains(" cgroup2 "));
        let Some(root) = cgroup2.next().and_then(|line| line.split(' ').nth(1)) else {
            skip!("no cgroup2 file system is mounted");
        };
        let root = Path::new(root);
        if fs::write(root.join("cgroup.subtree_control"), "+memory").is_err() {
            skip!("there are no memory cgroups here");
        }
        let path = root.join(format!("groups-test-{}", fresh_id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Runs something in a process that belongs to this cgroup.
    fn run(&self, run: impl FnOnce()) {
        spawn(|| {
            fs::write(self.0.join("cgroup.procs"), "0").unwrap();
            run();
        })
        .join();
    }

    /// The bytes that are charged to it.
    fn charged(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("memory.current")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Fails unless nearly nothing is charged to it, now or soon: the kernel frees some things
    /// when it has time.
    fn assert_free(&self) {
        wait_until("a cgroup without processes is free of charges", || {
            self.charged() < MIB / 2
        });
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn a_large_message_is_charged_to_its_sender() {
    let cgroup = Cgroup::new();
    let group = Group::with_limits(32 << 20, 64 << 20);
    cgroup.run(|| group.open().send(vec![b'm'; 32 << 20]));
    let charged = cgroup.charged();
    assert!((32 * MIB..36 * MIB).contains(&charged), "{charged} bytes");
    // It is another cgroup's process that receives it.
    assert_eq!(group.open().read(1).unwrap(), b"m");
    cgroup.assert_free();
}

fn small_messages_are_charged_to_their_sender() {
    const MESSAGES: u64 = 10_000;
    let cgroup = Cgroup::new();
    let group = Group::with_limits(1000, 10_000_000);
    cgroup.run(|| {
        let device = group.open();
        for _ in 0..MESSAGES {
            device.send([b'm'; 1000]);
        }
    });
    let charged = cgroup.charged();
    // A constant per message comes on top: what the allocator rounds up to, at most.
    let expected = MESSAGES * 1000..MESSAGES * 2000 + MIB;
    assert!(expected.contains(&charged), "{charged} bytes");
    let device = group.open();
    for _ in 0..MESSAGES {
        assert_eq!(device.read(1).unwrap(), b"m");
    }
    cgroup.assert_free();
}

fn whatever_is_sent_received_or_refused_no_memory_stays_behind() {
    let cgroup = Cgroup::new();
    let group = Group::with_limits(20_000, 100_000);
    cgroup.run(|| {
        for round in 0..2000 {
            let device = group.open();
            let size = 100 + round * 8;
            device.send(vec![b'm'; size]);
            assert_eq!(device.write(b"\0"), Err(EBADMSG));
            assert_eq!(sys::write_at(&device, 8 as *const u8, size), Err(EFAULT));
            // SAFETY: Nothing is mapped there.
            let result = unsafe { sys::read_at(&device, 8 as *mut u8, size) };
            assert_eq!(result, Err(EFAULT));
            assert_eq!(device.read(1 + round).unwrap().len(), size.min(1 + round));
            // Found, and not found because it is none.
            assert_eq!(Group::install(&group.id).0, 0);
        }
    });
    cgroup.assert_free();
}

fn a_message_that_its_senders_cgroup_cannot_hold_is_ENOMEM() {
    let cgroup = Cgroup::new();
    fs::write(cgroup.0.join("memory.max"), (16 * MIB).to_string()).unwrap();
    let group = Group::with_limits(64 << 20, 64 << 20);
    cgroup.run(|| {
        let device = group.open();
        // Memory that was never written to takes none.
        let message = map(64 << 20, MapFlags::MAP_PRIVATE).as_ptr().cast();
        assert_eq!(sys::write_at(&device, message, 64 << 20), Err(ENOMEM));
        // What it can hold, it can send.
        assert_eq!(sys::write_at(&device, message, 4 << 20), Ok(4 << 20));
    });
    assert_eq!(group.open().read(1).unwrap(), b"\0");
    cgroup.assert_free();
}
