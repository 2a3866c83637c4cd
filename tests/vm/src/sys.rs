// SPDX-License-Identifier: GPL-2.0

//! System calls in the form that tests need: with any pointer, wherever it points.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

pub type Result<T> = nix::Result<T>;

pub const PAGE: usize = 4096;

// The numbers as the contract has them. They are not taken from the header, for the header is
// under test as well.
pub const SLEEP_ON_BARRIER: u64 = 0x7801;
pub const AWAKE_BARRIER: u64 = 0x7802;
pub const INSTALL_GROUP: u64 = 0xc03a_7803;
pub const INSTALL_GROUP_LEGACY: u64 = 0xc008_7803;
pub const SET_SEND_DELAY: u64 = 0x4004_7804;
pub const SET_SEND_DELAY_LEGACY: u64 = 0x4008_7804;
pub const REVOKE_DELAYED_MESSAGES: u64 = 0x7805;
pub const SET_RECEIVE_TIMEOUT: u64 = 0x4004_7806;
pub const FIONREAD: u64 = 0x541b;

/// `struct group_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawGroup {
    pub id: [u8; 32],
    pub devname: [u8; 26],
}

impl RawGroup {
    pub const SIZE: usize = 58;

    /// With this id and NUL behind it.
    pub fn new(id: impl AsRef<[u8]>) -> Self {
        let id = id.as_ref();
        let mut raw = Self {
            id: [0; 32],
            devname: [0; 26],
        };
        raw.id[..id.len()].copy_from_slice(id);
        raw
    }

    pub fn devname(&self) -> &str {
        let end = self.devname.iter().position(|&byte| byte == 0);
        let end = end.expect("devname does not end in NUL");
        std::str::from_utf8(&self.devname[..end]).expect("devname is not text")
    }
}

const _: () = assert!(size_of::<RawGroup>() == RawGroup::SIZE);

/// Where nothing is: below the lowest address that may be mapped, on a null pointer, at the end
/// of user space, in the kernel, and beyond any.
pub const BAD_ADDRESSES: [usize; 5] = [
    8,
    0,
    0x7fff_ffff_f000,
    0xffff_8880_0000_0000,
    usize::MAX - 10,
];

/// Those of them that are user space's. The kernel refuses the others before it asks the module.
pub const BAD_USER_ADDRESSES: [usize; 2] = [8, 0];

// The functions below are safe in the sense that matters here: where the memory is not the
// kernel's to use, it says so. The caller vouches for what it lets the kernel overwrite.

pub fn write_at(fd: impl AsFd, buf: *const u8, n: usize) -> Result<usize> {
    // SAFETY: The kernel checks the pointer, and only reads.
    let written = unsafe { libc::write(fd.as_fd().as_raw_fd(), buf.cast(), n) };
    Errno::result(written).map(|n| n as usize)
}

/// # Safety
///
/// What is mapped of the `n` bytes at `buf` is the caller's to be overwritten.
pub unsafe fn read_at(fd: impl AsFd, buf: *mut u8, n: usize) -> Result<usize> {
    // SAFETY: By the safety requirements.
    let read = unsafe { libc::read(fd.as_fd().as_raw_fd(), buf.cast(), n) };
    Errno::result(read).map(|n| n as usize)
}

/// # Safety
///
/// What is mapped at `arg`, if the command takes a pointer, is the caller's to be overwritten.
pub unsafe fn ioctl(fd: impl AsFd, command: u64, arg: usize) -> Result<i32> {
    // SAFETY: By the safety requirements.
    Errno::result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), command, arg) })
}

/// INSTALL_GROUP, or its other number.
pub fn install(fd: impl AsFd, command: u64, group: &mut RawGroup) -> Result<i32> {
    // SAFETY: The pointer is to a group that is ours.
    unsafe { ioctl(fd, command, std::ptr::from_mut(group) as usize) }
}

pub fn fionread(fd: impl AsFd) -> Result<i32> {
    let mut size: i32 = -1;
    // SAFETY: The pointer is to a number that is ours.
    let returned = unsafe { ioctl(fd, FIONREAD, &raw mut size as usize) }?;
    assert_eq!(returned, 0, "FIONREAD returns 0");
    Ok(size)
}

/// Memory that ends in front of memory that cannot be used in some way.
///
/// Never unmapped: tests do not live long.
pub struct Cliff {
    edge: *mut u8,
    /// How many bytes in front of the edge can be used.
    pub room: usize,
}

impl Cliff {
    /// `room` bytes, or some more, and behind them pages with this protection.
    pub fn new(room: usize, beyond: ProtFlags) -> Self {
        let room = room.next_multiple_of(PAGE);
        let behind = 4 * PAGE;
        let start = map(room + behind, MapFlags::MAP_PRIVATE);
        // SAFETY: These pages were just mapped; nobody uses them.
        unsafe {
            let edge = start.byte_add(room);
            mprotect(edge, behind, beyond).expect("mprotect");
            Self {
                edge: edge.as_ptr().cast(),
                room,
            }
        }
    }

    /// The place from which `n` bytes can be used.
    pub fn before(&self, n: usize) -> *mut u8 {
        assert!(n <= self.room);
        // SAFETY: This is within the mapping.
        unsafe { self.edge.sub(n) }
    }

    /// The `n` bytes in front of the edge.
    pub fn bytes(&mut self, n: usize) -> &mut [u8] {
        // SAFETY: They are mapped, and borrowed together with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.before(n), n) }
    }
}

/// Maps new memory, zeroed.
pub fn map(bytes: usize, flags: MapFlags) -> NonNull<c_void> {
    let bytes = NonZeroUsize::new(bytes).expect("nothing to map");
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: A new mapping touches nothing that is there.
    unsafe { mmap_anonymous(None, bytes, prot, flags) }.expect("mmap")
}

/// Numbers that this process shares with the children that it makes from now on.
pub fn shared(numbers: usize) -> &'static [AtomicU64] {
    let start = map(numbers * 8, MapFlags::MAP_SHARED);
    // SAFETY: The mapping is zeroed, which is a valid number, and stays until the process ends.
    unsafe { std::slice::from_raw_parts(start.as_ptr().cast(), numbers) }
}
