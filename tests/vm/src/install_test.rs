// SPDX-License-Identifier: GPL-2.0

//! INSTALL_GROUP: finds the group with an id, or makes it.

use crate::group::{Device, Group, fresh_id, group0, number_of};
use crate::harness::Test;
use crate::process::{NOBODY, as_user, meet, spawn};
use crate::sys::{
    self, BAD_ADDRESSES, Cliff, INSTALL_GROUP, INSTALL_GROUP_LEGACY, RawGroup, install, shared,
};
use crate::test;
use nix::errno::Errno::*;
use nix::sys::mman::ProtFlags;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Barrier, Mutex};

pub const TESTS: &[Test] = &[
    test!(install_returns_1_when_it_makes_a_group_and_0_when_it_finds_one),
    test!(groups_are_numbered_in_the_order_of_their_installation),
    test!(install_works_by_its_legacy_number),
    test!(install_works_on_any_groups_fd_in_any_access_mode),
    test!(everybody_may_install),
    test!(a_group_can_be_used_as_soon_as_install_returns),
    test!(devname_comes_back_terminated_and_without_a_path),
    test!(install_leaves_the_id_as_it_is),
    test!(install_of_an_empty_id_is_EINVAL),
    test!(ids_of_31_and_of_32_bytes_are_different_groups),
    test!(bytes_behind_the_nul_of_an_id_mean_nothing),
    test!(an_id_is_any_bytes),
    test!(install_with_a_bad_pointer_is_EFAULT_and_makes_nothing),
    test!(install_with_a_partly_unmapped_struct_is_EFAULT_and_makes_nothing),
    test!(install_into_read_only_memory_is_EFAULT_and_makes_nothing),
    test!(install_into_memory_that_is_not_there_yet_works),
    test!(finding_a_group_with_a_bad_devname_is_EFAULT),
    test!(one_id_installed_by_many_processes_at_once_is_one_group),
    test!(one_id_installed_by_many_threads_at_once_is_one_group),
];

const COMMANDS: [u64; 2] = [INSTALL_GROUP, INSTALL_GROUP_LEGACY];

/// Runs something that must not make any group.
#[track_caller]
fn makes_no_group(run: impl FnOnce()) {
    let before = Group::new().number;
    run();
    let after = Group::new().number;
    assert_eq!(after, before + 1, "a number was taken");
}

fn install_returns_1_when_it_makes_a_group_and_0_when_it_finds_one() {
    let id = fresh_id();
    let (made, group) = Group::install(&id);
    let (found, again) = Group::install(&id);
    assert_eq!((made, found), (1, 0));
    assert_eq!(group.number, again.number);
}

fn groups_are_numbered_in_the_order_of_their_installation() {
    let first = Group::new().number;
    for number in first + 1..first + 10 {
        assert_eq!(Group::new().number, number);
    }
}

fn install_works_by_its_legacy_number() {
    let mut group = RawGroup::new(fresh_id());
    let made = install(group0(), INSTALL_GROUP_LEGACY, &mut group);
    let mut again = RawGroup::new(group.id);
    let found = install(group0(), INSTALL_GROUP_LEGACY, &mut again);
    assert_eq!((made, found), (Ok(1), Ok(0)));
    assert_eq!(group, again);
    // It is the same call.
    assert_eq!(install(group0(), INSTALL_GROUP, &mut again), Ok(0));
    assert_eq!(group, again);
}

fn install_works_on_any_groups_fd_in_any_access_mode() {
    let group = Group::new();
    for (read, write) in [(true, false), (false, true), (true, true)] {
        let device = Device::open(group.node(), read, write).unwrap();
        let mut raw = RawGroup::new(fresh_id());
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(1));
        assert_eq!(install(&device, INSTALL_GROUP, &mut raw), Ok(0));
        let mut itself = RawGroup::new(&group.id);
        assert_eq!(install(&device, INSTALL_GROUP, &mut itself), Ok(0));
        assert_eq!(number_of(itself.devname()), group.number);
    }
}

fn everybody_may_install() {
    as_user(NOBODY, || {
        let device = Device::open(Group::new().path(), true, true).unwrap();
        device.send("mine");
        assert_eq!(device.receive(), b"mine");
    });
}

fn a_group_can_be_used_as_soon_as_install_returns() {
    for _ in 0..20 {
        let group = Group::new();
        let device = group.open();
        device.send("at once");
        assert_eq!(device.receive(), b"at once");
        assert_eq!(group.get("max_message_size"), b"100\n");
    }
}

fn devname_comes_back_terminated_and_without_a_path() {
    for command in COMMANDS {
        let mut raw = RawGroup::new(fresh_id());
        // What is there before means nothing.
        raw.devname = [0xff; 26];
        assert_eq!(install(group0(), command, &mut raw), Ok(1));
        let name = raw.devname().to_owned();
        assert_eq!(name, format!("group{}", number_of(&name)));
        raw.devname = *b"group0\0/synch/group0\0abcde";
        assert_eq!(install(group0(), command, &mut raw), Ok(0));
        assert_eq!(raw.devname(), name);
    }
}

fn install_leaves_the_id_as_it_is() {
    let mut raw = RawGroup::new(fresh_id());
    raw.id[31] = b'x';
    let id = raw.id;
    assert_eq!(install(group0(), INSTALL_GROUP, &mut raw), Ok(1));
    assert_eq!(raw.id, id);
}

fn install_of_an_empty_id_is_EINVAL() {
    makes_no_group(|| {
        for command in COMMANDS {
            let mut empty = RawGroup::new("");
            assert_eq!(install(group0(), command, &mut empty), Err(EINVAL));
            assert_eq!(empty, RawGroup::new(""));
            let mut behind_the_nul = RawGroup::new("\0groups");
            assert_eq!(install(group0(), command, &mut behind_the_nul), Err(EINVAL));
        }
    });
}

fn ids_of_31_and_of_32_bytes_are_different_groups() {
    let mut id = fresh_id();
    while id.len() < 32 {
        id.push('x');
    }
    let (made, long) = Group::install(&id);
    assert_eq!(made, 1);
    let (made, short) = Group::install(&id[..31]);
    assert_eq!(made, 1);
    assert_ne!(long.number, short.number);
    let (made, other) = Group::install(format!("{}y", &id[..31]));
    assert_eq!(made, 1);
    assert_ne!(long.number, other.number);
    assert_eq!(Group::install(&id), (0, long.clone()));
    assert_eq!(Group::install(&id[..31]), (0, short.clone()));
    // Nothing stands behind the 32nd byte: it is the whole id, not a part of a longer one.
    assert_eq!(long.get("id"), format!("{id}\n").as_bytes());
    assert_eq!(short.get("id"), format!("{}\n", &id[..31]).as_bytes());
}

fn bytes_behind_the_nul_of_an_id_mean_nothing() {
    let id = fresh_id();
    let mut clean = RawGroup::new(&id);
    let mut dirty = RawGroup::new(&id);
    dirty.id[id.len() + 1..].fill(0xee);
    assert_eq!(install(group0(), INSTALL_GROUP, &mut dirty), Ok(1));
    assert_eq!(install(group0(), INSTALL_GROUP, &mut clean), Ok(0));
    assert_eq!(clean.devname(), dirty.devname());
    // Not even in a full field.
    let mut id = id.into_bytes();
    id.resize(31, b'x');
    let mut clean = RawGroup::new(&id);
    assert_eq!(install(group0(), INSTALL_GROUP, &mut clean), Ok(1));
    assert_eq!(Group::install(&id).0, 0);
}

fn an_id_is_any_bytes() {
    let mut numbers = Vec::new();
    let head = fresh_id().into_bytes();
    let head = &head[..24];
    for tail in [
        &b"/../x"[..],
        b"\n",
        b" ",
        b"%s%n",
        b"\xff\xfe\x80",
        "é".as_bytes(),
        b"A",
        b"a",
        b"\x01",
    ] {
        let id = [head, tail].concat();
        let (result, group) = Group::install(&id);
        assert_eq!(result, 1, "{id:?}");
        assert_eq!(group.get("id"), [&id[..], b"\n"].concat());
        numbers.push(group.number);
    }
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

fn install_with_a_bad_pointer_is_EFAULT_and_makes_nothing() {
    makes_no_group(|| {
        for command in COMMANDS {
            for address in BAD_ADDRESSES {
                // SAFETY: Nothing is mapped there.
                let result = unsafe { sys::ioctl(group0(), command, address) };
                assert_eq!(result, Err(EFAULT), "{address:#x}");
            }
        }
    });
}

fn install_with_a_partly_unmapped_struct_is_EFAULT_and_makes_nothing() {
    makes_no_group(|| {
        let mut cliff = Cliff::new(RawGroup::SIZE, ProtFlags::PROT_NONE);
        for command in COMMANDS {
            for mapped in 0..RawGroup::SIZE {
                let id = fresh_id();
                put(&mut cliff, mapped, &RawGroup::new(&id));
                // SAFETY: What is mapped there is the cliff's.
                let result =
                    unsafe { sys::ioctl(group0(), command, cliff.before(mapped) as usize) };
                assert_eq!(result, Err(EFAULT), "{mapped} bytes mapped");
            }
        }
    });
    // The whole of it is enough.
    let mut cliff = Cliff::new(RawGroup::SIZE, ProtFlags::PROT_NONE);
    put(&mut cliff, RawGroup::SIZE, &RawGroup::new(fresh_id()));
    // SAFETY: What is mapped there is the cliff's.
    let result = unsafe { sys::ioctl(group0(), INSTALL_GROUP, cliff.before(58) as usize) };
    assert_eq!(result, Ok(1));
}

/// Puts the first bytes of a group in front of the cliff.
fn put(cliff: &mut Cliff, n: usize, group: &RawGroup) {
    let whole = [&group.id[..], &group.devname].concat();
    cliff.bytes(n).copy_from_slice(&whole[..n]);
}

fn install_into_read_only_memory_is_EFAULT_and_makes_nothing() {
    let id = fresh_id();
    makes_no_group(|| {
        // The whole struct, then devname or a part of it, behind the edge of what can be written.
        for writable in [0, 1, 31, 32, 33, 57] {
            let map = Cliff::new(2 * sys::PAGE, ProtFlags::PROT_NONE);
            let place = map.before(sys::PAGE + writable);
            // SAFETY: It is within the mapping, which nobody else uses.
            unsafe {
                place.cast::<RawGroup>().write_unaligned(RawGroup::new(&id));
                let page = std::ptr::NonNull::new(map.before(sys::PAGE).cast()).unwrap();
                nix::sys::mman::mprotect(page, sys::PAGE, ProtFlags::PROT_READ).unwrap();
            }
            for command in COMMANDS {
                // SAFETY: As above.
                let result = unsafe { sys::ioctl(group0(), command, place as usize) };
                assert_eq!(result, Err(EFAULT), "{writable} bytes writable");
            }
        }
    });
    assert_eq!(Group::install(&id).0, 1);
}

fn install_into_memory_that_is_not_there_yet_works() {
    // A copy-on-write page that nobody has written to is not writable in the page table, and one
    // that was thrown out is not in it.
    let id = fresh_id();
    let map = Cliff::new(2 * sys::PAGE, ProtFlags::PROT_NONE);
    let place = map.before(sys::PAGE + 32);
    // SAFETY: It is within the mapping, which nobody else uses.
    unsafe { place.cast::<RawGroup>().write_unaligned(RawGroup::new(&id)) };
    spawn(|| {
        // SAFETY: As above.
        let result = unsafe { sys::ioctl(group0(), INSTALL_GROUP, place as usize) };
        assert_eq!(result, Ok(1));
    })
    .join();
    // SAFETY: As above: the page with devname goes.
    unsafe {
        let result = libc::madvise(map.before(sys::PAGE).cast(), sys::PAGE, libc::MADV_DONTNEED);
        assert_eq!(result, 0);
        assert_eq!(sys::ioctl(group0(), INSTALL_GROUP, place as usize), Ok(0));
        let group = place.cast::<RawGroup>().read_unaligned();
        assert_eq!(number_of(group.devname()), Group::install(&id).1.number);
    }
}

fn finding_a_group_with_a_bad_devname_is_EFAULT() {
    let group = Group::new();
    let mut cliff = Cliff::new(RawGroup::SIZE, ProtFlags::PROT_READ);
    put(&mut cliff, 32, &RawGroup::new(&group.id));
    for command in COMMANDS {
        // SAFETY: What is writable there is the cliff's.
        let result = unsafe { sys::ioctl(group0(), command, cliff.before(32) as usize) };
        assert_eq!(result, Err(EFAULT));
    }
}

fn one_id_installed_by_many_processes_at_once_is_one_group() {
    const PROCESSES: usize = 8;
    const ROUNDS: usize = 25;
    // For each round: where all meet, how many made it, and what number each was told.
    let start = shared(ROUNDS);
    let made = shared(ROUNDS);
    let numbers = shared(ROUNDS * PROCESSES);
    let id = fresh_id();
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let id = &id;
            spawn(move || {
                for round in 0..ROUNDS {
                    let id = format!("{round}.{id}");
                    meet(&start[round], PROCESSES as u64);
                    let (result, group) = Group::install(&id[..id.len().min(32)]);
                    made[round].fetch_add(result as u64, SeqCst);
                    numbers[round * PROCESSES + process].store(group.number.into(), SeqCst);
                    // Found or made, it is there.
                    drop(group.open());
                }
            })
        })
        .collect();
    children.into_iter().for_each(|child| child.join());
    for round in 0..ROUNDS {
        assert_eq!(made[round].load(SeqCst), 1, "results of 1");
        let numbers = &numbers[round * PROCESSES..][..PROCESSES];
        let first = numbers[0].load(SeqCst);
        assert!(numbers.iter().all(|number| number.load(SeqCst) == first));
    }
}

fn one_id_installed_by_many_threads_at_once_is_one_group() {
    const THREADS: usize = 8;
    let barrier = Barrier::new(THREADS);
    let device = group0();
    for _ in 0..25 {
        let id = fresh_id();
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut raw = RawGroup::new(&id);
                    barrier.wait();
                    let result = install(&device, INSTALL_GROUP, &mut raw).unwrap();
                    results.lock().unwrap().push((result, raw));
                });
            }
        });
        let results = results.into_inner().unwrap();
        assert_eq!(results.iter().map(|(result, _)| result).sum::<i32>(), 1);
        assert!(results.iter().all(|(_, raw)| *raw == results[0].1));
    }
}
