// SPDX-License-Identifier: GPL-2.0

//! A group's limits and its id in sysfs, and messages of sizes that the default limits refuse.

use crate::group::{DEFAULT_STORAGE, Group, fresh_id};
use crate::harness::Test;
use crate::process::{NOBODY, as_user};
use crate::sys::{self, PAGE, map};
use crate::{skip, test};
use nix::errno::Errno::*;
use nix::sys::mman::MapFlags;
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub const TESTS: &[Test] = &[
    test!(limits_begin_with_their_defaults_and_end_in_a_newline),
    test!(attributes_have_their_modes),
    test!(the_id_attribute_is_the_id_and_cannot_be_written),
    test!(a_limit_takes_a_decimal_number_with_or_without_a_newline),
    test!(what_is_no_number_is_EINVAL_and_changes_nothing),
    test!(a_number_beyond_an_unsigned_long_is_ERANGE_and_changes_nothing),
    test!(only_root_changes_limits_and_everybody_reads_them),
    test!(limits_are_each_groups_own),
    test!(max_message_size_in_force_is_the_one_just_set),
    test!(max_storage_size_in_force_is_the_one_just_set),
    test!(a_limit_of_zero_refuses_everything),
    test!(a_limit_below_what_is_stored_keeps_it_and_refuses_more),
    test!(messages_above_a_lowered_max_message_size_are_delivered),
    test!(the_largest_limits_work),
    test!(messages_of_64_KiB_1_MiB_and_64_MiB_come_whole).seconds(120),
    test!(messages_of_every_size_around_a_page_come_whole),
    test!(a_message_that_no_memory_can_hold_is_ENOMEM),
];

const LIMITS: [(&str, usize); 2] = [("max_message_size", 100), ("max_storage_size", 10_000)];

fn limits_begin_with_their_defaults_and_end_in_a_newline() {
    for group in [Group::zero(), Group::new()] {
        assert_eq!(group.get("max_message_size"), b"100\n");
        assert_eq!(group.get("max_storage_size"), b"10000\n");
    }
}

fn attributes_have_their_modes() {
    let group = Group::new();
    for (attribute, mode) in [
        ("max_message_size", 0o644),
        ("max_storage_size", 0o644),
        ("id", 0o444),
    ] {
        let metadata = fs::metadata(group.sysfs(attribute)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{attribute}");
    }
}

fn the_id_attribute_is_the_id_and_cannot_be_written() {
    let id = fresh_id();
    let group = Group::install(&id).1;
    assert_eq!(group.get("id"), format!("{id}\n").as_bytes());
    assert_eq!(group.try_set("id", "other"), Err(EACCES));
    assert_eq!(group.get("id"), format!("{id}\n").as_bytes());
}

fn a_limit_takes_a_decimal_number_with_or_without_a_newline() {
    let group = Group::new();
    for (attribute, _) in LIMITS {
        for (text, number) in [
            ("200", "200"),
            ("201\n", "201"),
            ("0202", "202"),
            ("0", "0"),
            ("000\n", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551614\n", "18446744073709551614"),
        ] {
            assert_eq!(group.try_set(attribute, text), Ok(text.len()), "{text:?}");
            let content = format!("{number}\n");
            assert_eq!(group.get(attribute), content.as_bytes());
        }
    }
}

fn what_is_no_number_is_EINVAL_and_changes_nothing() {
    let group = Group::new();
    for (attribute, default) in LIMITS {
        for text in [
            "\n",
            "\n5",
            "5\n\n",
            " 5",
            "5 ",
            "\t5",
            "+5",
            "-5",
            "-0",
            "- 5",
            "0x5",
            "5k",
            "five",
            "5e2",
            "5.0",
            "5,000",
            "\0",
            "5\0",
            "5\n\0",
            "5\n6",
            "5 6",
            "٥",
            "-18446744073709551616",
            "18446744073709551616x",
        ] {
            assert_eq!(group.try_set(attribute, text), Err(EINVAL), "{text:?}");
        }
        // A write of nothing at all never arrives.
        assert_eq!(group.try_set(attribute, ""), Ok(0));
        assert_eq!(group.get(attribute), format!("{default}\n").as_bytes());
    }
}

fn a_number_beyond_an_unsigned_long_is_ERANGE_and_changes_nothing() {
    let group = Group::new();
    for (attribute, default) in LIMITS {
        for text in [
            "18446744073709551616",
            "18446744073709551616\n",
            "18446744073709551700",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(group.try_set(attribute, text), Err(ERANGE), "{text:?}");
        }
        assert_eq!(group.get(attribute), format!("{default}\n").as_bytes());
    }
}

fn only_root_changes_limits_and_everybody_reads_them() {
    let group = Group::new();
    as_user(NOBODY, || {
        for (attribute, default) in LIMITS {
            assert_eq!(group.try_set(attribute, "1"), Err(EACCES));
            assert_eq!(group.get(attribute), format!("{default}\n").as_bytes());
        }
        assert_eq!(group.get("id"), [&group.id[..], b"\n"].concat());
    });
}

fn limits_are_each_groups_own() {
    let (one, other) = (Group::new(), Group::new());
    one.set("max_message_size", 7);
    one.set("max_storage_size", 70);
    assert_eq!(one.get("max_message_size"), b"7\n");
    assert_eq!(one.get("max_storage_size"), b"70\n");
    for group in [other, Group::new(), Group::zero()] {
        assert_eq!(group.get("max_message_size"), b"100\n");
        assert_eq!(group.get("max_storage_size"), b"10000\n");
    }
}

fn max_message_size_in_force_is_the_one_just_set() {
    let group = Group::new();
    let device = group.open();
    for max in [200, 1, 50, 100] {
        group.set("max_message_size", max);
        assert_eq!(device.write(vec![b'm'; max + 1]), Err(EMSGSIZE));
        device.send(vec![b'm'; max]);
        assert_eq!(device.read(1000).unwrap().len(), max);
    }
}

fn max_storage_size_in_force_is_the_one_just_set() {
    let group = Group::new();
    let device = group.open();
    for max in [2100, 100, 1, 50_050, 10_000] {
        group.set("max_storage_size", max);
        let mut room = max;
        while room > 0 {
            let n = room.min(100);
            device.send(vec![b'm'; n]);
            room -= n;
        }
        assert_eq!(device.write(b"m"), Err(ENOSPC));
        device.drain();
    }
}

fn a_limit_of_zero_refuses_everything() {
    let group = Group::new();
    let device = group.open();
    group.set("max_storage_size", 0);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    group.set("max_message_size", 0);
    assert_eq!(device.write(b"m"), Err(EMSGSIZE));
    assert_eq!(device.write(b""), Err(EBADMSG));
    group.set("max_message_size", 100);
    group.set("max_storage_size", DEFAULT_STORAGE);
    device.assert_room(DEFAULT_STORAGE);
}

fn a_limit_below_what_is_stored_keeps_it_and_refuses_more() {
    let group = Group::new();
    let device = group.open();
    for number in 0..10u8 {
        device.send([number; 100]);
    }
    group.set("max_storage_size", 500);
    for number in 0..5u8 {
        assert_eq!(device.write(b"m"), Err(ENOSPC), "{number} delivered");
        assert_eq!(device.receive(), [number; 100]);
    }
    // 500 bytes are stored: the brim, then one message below.
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    assert_eq!(device.receive(), [5; 100]);
    device.send([b'm'; 100]);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
    for number in 6..10u8 {
        assert_eq!(device.receive(), [number; 100]);
    }
    assert_eq!(device.receive(), [b'm'; 100]);
    device.assert_empty();
}

fn messages_above_a_lowered_max_message_size_are_delivered() {
    let group = Group::new();
    let device = group.open();
    device.send([b'm'; 100]);
    group.set("max_message_size", 10);
    assert_eq!(device.write([b'm'; 11]), Err(EMSGSIZE));
    assert_eq!(device.receive(), [b'm'; 100]);
}

fn the_largest_limits_work() {
    let group = Group::with_limits(usize::MAX, usize::MAX);
    let device = group.open();
    for _ in 0..3 {
        device.send(vec![b'm'; 100_000]);
    }
    for _ in 0..3 {
        assert_eq!(device.read(200_000).unwrap().len(), 100_000);
    }
    device.assert_empty();
}

fn messages_of_64_KiB_1_MiB_and_64_MiB_come_whole() {
    let group = Group::with_limits(64 << 20, 65 << 20);
    let device = group.open();
    for size in [64 << 10, 1 << 20, 64 << 20] {
        let message: Vec<u8> = (0..size).map(|i| (i * 31 % 255) as u8).collect();
        device.send(&message);
        assert!(device.read(size).unwrap() == message, "{size} bytes");
    }
    // The largest leaves room for another of 1 MiB, and nothing else.
    let message = vec![b'm'; 64 << 20];
    device.send(&message);
    device.send(&message[..1 << 20]);
    assert_eq!(device.write(b"m"), Err(ENOSPC));
}

fn messages_of_every_size_around_a_page_come_whole() {
    let device = Group::with_limits(1 << 20, 1 << 20).open();
    let bytes: Vec<u8> = (0..40_000).map(|i| (i % 241) as u8).collect();
    for middle in [PAGE / 2, PAGE, 2 * PAGE, 4 * PAGE, 8 * PAGE] {
        for size in middle - 80..middle + 16 {
            device.send(&bytes[..size]);
            assert!(
                device.read(40_000).unwrap() == bytes[..size],
                "{size} bytes"
            );
        }
    }
}

/// The most that one call can carry, less than a page below what an `int` holds. The kernel cuts
/// whatever is more.
const LARGEST: usize = 0x7fff_f000;

fn a_message_that_no_memory_can_hold_is_ENOMEM() {
    let size = LARGEST - PAGE;
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total = memory.split_whitespace().nth(1).unwrap();
    let total: usize = total.parse().unwrap();
    if total >= size / 1024 {
        skip!("with {total} kB there is memory for the largest message");
    }
    let group = Group::with_limits(usize::MAX, size);
    let device = group.open();
    // Reading memory that was never written to takes none.
    let message = map(size, MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE);
    for _ in 0..3 {
        let result = sys::write_at(&device, message.as_ptr().cast(), size);
        assert_eq!(result, Err(ENOMEM));
    }
    // The room is there again, all of it.
    device.send(vec![b'm'; 1 << 20]);
    assert_eq!(device.read(1 << 20).unwrap().len(), 1 << 20);
    group.set("max_storage_size", 1);
    device.send(b"1");
    assert_eq!(device.write(b"2"), Err(ENOSPC));
}
