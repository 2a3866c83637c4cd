// SPDX-License-Identifier: GPL-2.0

//! Device nodes, opening them, and calls that a group does not have.

use crate::group::{Device, Group, group0};
use crate::harness::Test;
use crate::process::{NOBODY, as_user, become_user, spawn};
use crate::sys::{
    self, AWAKE_BARRIER, BAD_ADDRESSES, FIONREAD, INSTALL_GROUP, INSTALL_GROUP_LEGACY,
    REVOKE_DELAYED_MESSAGES, SET_RECEIVE_TIMEOUT, SET_SEND_DELAY, SET_SEND_DELAY_LEGACY,
};
use crate::test;
use nix::errno::Errno::*;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};
use nix::unistd::Whence;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

pub const TESTS: &[Test] = &[
    test!(group0_is_there_when_the_module_is_loaded),
    test!(a_groups_node_is_a_character_device_with_its_number),
    test!(a_groups_symlink_leads_everybody_to_its_device),
    test!(the_class_lists_the_groups),
    test!(open_in_every_access_mode_by_everybody),
    test!(open_a_hundred_times_by_several_processes),
    test!(open_of_a_minor_without_a_group_is_ENXIO),
    test!(lseek_pread_and_pwrite_are_ESPIPE),
    test!(reading_and_writing_need_their_access_mode),
    test!(any_other_ioctl_is_ENOTTY),
    test!(hostile_calls_do_no_harm_and_leave_no_line_in_the_log).seconds(120),
];

fn group0_is_there_when_the_module_is_loaded() {
    let (result, group) = Group::install("groups");
    assert_eq!((result, group.number), (0, 0));
    assert_eq!(Group::zero().get("id"), b"groups\n");
}

fn a_groups_node_is_a_character_device_with_its_number() {
    let group = Group::new();
    let major_of = |group: &Group| {
        let metadata = fs::metadata(group.node()).expect("a node");
        assert!(metadata.file_type().is_char_device());
        assert_eq!(minor(metadata.rdev()), u64::from(group.number));
        major(metadata.rdev())
    };
    let number = major_of(&group);
    assert_eq!(number, major_of(&Group::zero()));
    let devices = fs::read_to_string("/proc/devices").unwrap();
    let line = format!("{number} groups");
    assert!(devices.lines().any(|l| l.trim() == line), "{devices}");
}

fn a_groups_symlink_leads_everybody_to_its_device() {
    for group in [Group::zero(), Group::new()] {
        let path = group.path();
        assert_eq!(
            path,
            Path::new(&format!("/dev/synch/group{}", group.number))
        );
        let link = fs::symlink_metadata(&path).unwrap();
        assert!(link.file_type().is_symlink());
        assert_eq!(fs::canonicalize(&path).unwrap(), group.node());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o666, "{mode:o}");
    }
}

fn the_class_lists_the_groups() {
    let group = Group::new();
    let numbers = fs::read_to_string(group.sysfs("dev")).unwrap();
    let rdev = fs::metadata(group.node()).unwrap().rdev();
    assert_eq!(numbers.trim(), format!("{}:{}", major(rdev), minor(rdev)));
    let name = format!("group{}", group.number);
    let names = fs::read_dir("/sys/class/groups").unwrap();
    assert!(names.flatten().any(|entry| *entry.file_name() == *name));
}

fn open_in_every_access_mode_by_everybody() {
    let path = Group::new().path();
    let open_all = || {
        for (read, write) in [(true, false), (false, true), (true, true)] {
            Device::open(&path, read, write).unwrap();
        }
    };
    open_all();
    as_user(NOBODY, open_all);
}

fn open_a_hundred_times_by_several_processes() {
    let group = Group::new();
    let open_all = || (0..100).map(|_| group.open()).collect::<Vec<_>>();
    let devices = open_all();
    let children = [(); 4].map(|()| {
        spawn(|| {
            open_all()[99].send("from a child");
        })
    });
    children.map(|child| child.join());
    for device in &devices[..4] {
        assert_eq!(device.receive(), b"from a child");
    }
    devices[99].assert_empty();
}

fn open_of_a_minor_without_a_group_is_ENXIO() {
    let rdev = fs::metadata("/dev/group0").unwrap().rdev();
    let next = u64::from(Group::new().number) + 1;
    // The next one, the last one, and the first that is not the module's at all.
    for minor in [next, 1999, 2000] {
        let path = format!("/dev/groups-test-{}", std::process::id());
        let number = makedev(major(rdev), minor);
        mknod(path.as_str(), SFlag::S_IFCHR, Mode::S_IRWXU, number).unwrap();
        let result = Device::open(&path, true, true);
        fs::remove_file(&path).unwrap();
        assert_eq!(result.unwrap_err(), ENXIO, "minor {minor}");
    }
}

fn lseek_pread_and_pwrite_are_ESPIPE() {
    let device = Group::new().open();
    device.send("message");
    for whence in [Whence::SeekSet, Whence::SeekCur, Whence::SeekEnd] {
        for offset in [0, 1, -1] {
            // SAFETY: The call takes numbers only.
            let result = unsafe { libc::lseek(device.as_fd().as_raw_fd(), offset, whence as i32) };
            assert_eq!(nix::Error::result(result), Err(ESPIPE));
        }
    }
    let mut buf = [0u8; 10];
    for offset in [0, 1] {
        let fd = device.as_fd().as_raw_fd();
        // SAFETY: The buffer is ours.
        let read = unsafe { libc::pread(fd, buf.as_mut_ptr().cast(), buf.len(), offset) };
        assert_eq!(nix::Error::result(read), Err(ESPIPE));
        // SAFETY: As above.
        let written = unsafe { libc::pwrite(fd, buf.as_ptr().cast(), buf.len(), offset) };
        assert_eq!(nix::Error::result(written), Err(ESPIPE));
    }
    assert_eq!(device.receive(), b"message");
    device.assert_empty();
}

fn reading_and_writing_need_their_access_mode() {
    let group = Group::new();
    let reader = Device::open(group.node(), true, false).unwrap();
    let writer = Device::open(group.node(), false, true).unwrap();
    assert_eq!(reader.write("message"), Err(EBADF));
    assert_eq!(writer.read(10), Err(EBADF));
    writer.send("message");
    assert_eq!(reader.receive(), b"message");
}

fn any_other_ioctl_is_ENOTTY() {
    let device = Group::new().open();
    let x = u64::from(b'x') << 8;
    let install_without_an_argument = x | 3;
    let commands = [
        x,
        x | 7,
        x | 255,
        0,
        u64::from(u32::MAX),
        install_without_an_argument,
        // Right in all but the direction, the size, or the letter.
        INSTALL_GROUP & !0x8000_0000,
        INSTALL_GROUP & !0x4000_0000,
        INSTALL_GROUP + (1 << 16),
        INSTALL_GROUP - (1 << 16),
        INSTALL_GROUP ^ (1 << 8),
        INSTALL_GROUP_LEGACY & !0x8000_0000,
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::TIOCOUTQ,
        libc::FIOASYNC,
    ];
    for command in commands {
        for arg in BAD_ADDRESSES {
            // SAFETY: Nothing is mapped there.
            let result = unsafe { sys::ioctl(&device, command, arg) };
            match command {
                // The kernel reads this one's argument before it asks anybody.
                libc::FIOASYNC => assert!(matches!(result, Err(ENOTTY | EFAULT))),
                _ => assert_eq!(result, Err(ENOTTY), "{command:#x}"),
            }
        }
    }
}

fn hostile_calls_do_no_harm_and_leave_no_line_in_the_log() {
    let group = Group::new();
    let path = group.path();
    let children = [1, 2, 3, 4].map(|seed| {
        let path = path.clone();
        spawn(move || {
            become_user(NOBODY);
            let device = Device::open(&path, true, true).unwrap();
            hostile_calls(&device, seed);
        })
    });
    children.map(|child| child.join());
    // The group works as if nothing had happened.
    let device = group.open();
    device.drain();
    device.assert_all_room();
    assert_eq!(Group::install("groups").0, 0);
    drop(group0());
}

/// Calls whose arguments make no sense, in an order that depends on the seed.
fn hostile_calls(device: &Device, seed: u64) {
    let mut random = seed;
    let mut next = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let fd = device.as_fd().as_raw_fd();
    let x = u64::from(b'x') << 8;
    // What waits, if it does anything, is left out, so that the test ends; so is what would.
    let commands = [
        x,
        x | 7,
        AWAKE_BARRIER,
        INSTALL_GROUP,
        INSTALL_GROUP_LEGACY,
        SET_SEND_DELAY,
        SET_SEND_DELAY_LEGACY,
        REVOKE_DELAYED_MESSAGES,
        SET_RECEIVE_TIMEOUT,
        FIONREAD,
    ];
    let sizes = [
        0,
        1,
        99,
        100,
        101,
        4096,
        1 << 31,
        usize::MAX >> 1,
        usize::MAX,
    ];
    for _ in 0..5000 {
        let address = BAD_ADDRESSES[next(BAD_ADDRESSES.len() as u64) as usize];
        let size = sizes[next(sizes.len() as u64) as usize];
        match next(9) {
            0 => {
                // SAFETY: Nothing is mapped there.
                let _ = unsafe { sys::read_at(device, address as *mut u8, size) };
            }
            1 => {
                let _ = sys::write_at(device, address as *const u8, size);
            }
            2 | 3 => {
                let command = commands[next(commands.len() as u64) as usize];
                // SAFETY: Nothing is mapped there.
                let _ = unsafe { sys::ioctl(device, command, address) };
            }
            4 => {
                let command = (next(1 << 32) & !0xffff) | x | (7 + next(249));
                // SAFETY: As above.
                let _ = unsafe { sys::ioctl(device, command, address) };
            }
            5 => {
                let _ = device.write([b'h'; 50]);
            }
            6 => {
                let _ = device.read(50);
            }
            7 => {
                let mut vector = [libc::iovec {
                    iov_base: address as *mut _,
                    iov_len: size,
                }; 3];
                vector[0].iov_len = next(100) as usize;
                let count = next(5) as i32 - 1;
                let vector = match next(3) {
                    0 => address as *const libc::iovec,
                    _ => vector.as_ptr(),
                };
                // SAFETY: What the vector leads to is not mapped. Where `count` exceeds it, the
                // kernel may read this function's frame, in which no pointer is followed by the
                // size of something larger than what it points to.
                unsafe {
                    match next(2) {
                        0 => libc::writev(fd, vector, count.min(3)),
                        _ => libc::readv(fd, vector, count.min(3)),
                    }
                };
            }
            // SAFETY: Neither maps anything at an address that is in use, nor copies into ours.
            _ => unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    libc::PROT_READ,
                    libc::MAP_SHARED,
                    fd,
                    0,
                );
                libc::ftruncate(fd, size as i64);
                libc::fallocate(fd, 0, 0, size as i64);
                libc::fsync(fd);
                libc::splice(fd, std::ptr::null_mut(), fd, std::ptr::null_mut(), size, 0);
                libc::sendfile(fd, fd, std::ptr::null_mut(), size.min(1 << 20));
            },
        }
    }
}
