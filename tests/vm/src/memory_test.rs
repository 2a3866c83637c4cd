// SPDX-License-Identifier: GPL-2.0

//! Memory: who pays for messages, and that all of it comes back. Memory cgroups count to the byte
//! what the kernel allocates for somebody, so they find leaks as well.

use crate::cgroup::{Cgroup, MIB};
use crate::group::Group;
use crate::harness::{Test, report};
use crate::process::{NOBODY, as_user, become_user, wait_until};
use crate::processor::stay_on;
use crate::sys::{self, map, shared};
use crate::test;
use nix::errno::Errno::*;
use nix::sys::mman::{MapFlags, MlockAllFlags, mlockall};
use std::sync::atomic::Ordering::SeqCst;
use std::thread::available_parallelism;

pub const TESTS: &[Test] = &[
    test!(a_large_message_is_charged_to_its_sender),
    test!(small_messages_are_charged_to_their_sender),
    test!(whatever_is_sent_received_or_refused_no_memory_stays_behind),
    test!(a_message_that_its_senders_cgroup_cannot_hold_is_ENOMEM),
    test!(a_sender_whose_cgroup_is_full_gets_ENOMEM_and_others_go_on).seconds(120),
    test!(a_group_full_of_the_smallest_messages_takes_little_memory).seconds(120),
];

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
    let processors = available_parallelism().unwrap().get();
    cgroup.run(|| {
        for round in 0..2000 {
            // On one processor, then on another: the kernel keeps charges ready on each.
            if round % 1000 == 0 {
                stay_on(round / 1000 % processors);
            }
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
    cgroup.limit(16 * MIB);
    let group = Group::with_limits(64 << 20, 64 << 20);
    cgroup.run(|| {
        let device = group.open();
        // Memory that was never written to takes none.
        let message = map(64 << 20, MapFlags::MAP_PRIVATE).as_ptr().cast();
        assert_eq!(sys::write_at(&device, message, 64 << 20), Err(ENOMEM));
        // What it can hold, it can send: as soon as the kernel has freed what it had of the other,
        // which it does when it has time.
        wait_until("there is memory for 4 MiB", || {
            sys::write_at(&device, message, 4 << 20) == Ok(4 << 20)
        });
    });
    assert_eq!(group.open().read(1).unwrap(), b"\0");
    cgroup.assert_free();
}

fn a_sender_whose_cgroup_is_full_gets_ENOMEM_and_others_go_on() {
    let cgroup = Cgroup::new();
    cgroup.limit(16 * MIB);
    let group = Group::with_limits(1000, usize::MAX);
    let words = shared(2);
    let (full, end) = (&words[0], &words[1]);
    // The files that it consists of are nobody's charge now.
    mlockall(MlockAllFlags::MCL_CURRENT).unwrap();
    let hog = cgroup.spawn(|| {
        let device = group.open();
        let message = [b'h'; 1000];
        device.send(message);
        // Only what is sent is to need memory: for the program itself, somebody would be killed.
        mlockall(MlockAllFlags::MCL_CURRENT).unwrap();
        loop {
            match device.write(message) {
                Ok(n) => assert_eq!(n, 1000),
                Err(ENOMEM) if end.load(SeqCst) > 0 => break,
                Err(ENOMEM) => full.store(1, SeqCst),
                Err(err) => panic!("write: {err}"),
            }
        }
    });
    wait_until("the cgroup is full", || full.load(SeqCst) > 0);
    assert!(cgroup.charged() <= 16 * MIB);

    // In the same group, and in others; and while the hog goes on trying.
    let device = group.open();
    for number in 0..100u8 {
        device.send([number; 100]);
        assert_eq!(device.read(1000).unwrap(), [b'h'; 1000]);
    }
    as_user(NOBODY, || Group::new().path().metadata().map(drop).unwrap());
    Group::new().open().assert_all_room();
    end.store(1, SeqCst);
    hog.join();

    // Whatever was accepted is there, and nothing else.
    let mut others = 0;
    for message in std::iter::repeat_with(|| device.read(1000).unwrap()) {
        match message.len() {
            0 => break,
            1000 => assert!(message == [b'h'; 1000]),
            _ => {
                assert_eq!(message, [others; 100]);
                others += 1;
            }
        }
    }
    assert_eq!(others, 100);
    cgroup.assert_free();
}

fn a_group_full_of_the_smallest_messages_takes_little_memory() {
    const MESSAGES: u64 = 10_000;
    /// What one may take beside its payload.
    const CONSTANT: u64 = 160;
    let cgroup = Cgroup::new();
    let group = Group::new();
    let path = group.path();
    cgroup.run(|| {
        become_user(NOBODY);
        let device = crate::group::Device::open(&path, true, true).unwrap();
        for _ in 0..MESSAGES {
            device.send("m");
        }
        assert_eq!(device.write("m"), Err(ENOSPC));
    });
    let charged = cgroup.charged();
    report(&format!(
        "{} bytes for each message of one",
        charged / MESSAGES
    ));
    assert!(
        charged <= MESSAGES * (1 + CONSTANT) + MIB,
        "{charged} bytes"
    );
    // It is anybody's to be emptied.
    let device = group.open();
    device.drain();
    cgroup.assert_free();
    device.assert_all_room();
}
