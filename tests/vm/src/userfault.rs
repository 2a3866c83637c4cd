// SPDX-License-Identifier: GPL-2.0

//! Memory that comes when a test says so, by userfaultfd.

use crate::process::{Child, spawn, wait_until};
use crate::sys::{self, PAGE, map, shared};
use nix::errno::Errno;
use nix::sys::mman::MapFlags;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// A page whose first use waits until [`fill`](SlowPage::fill) brings it, and behind one that is
/// like any other.
pub struct SlowPage {
    uffd: OwnedFd,
    page: *mut u8,
}

#[repr(C)]
#[derive(Default)]
struct UffdioApi {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Default)]
struct UffdioRegister {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Default)]
struct UffdioCopy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_COPY: u64 = 0xc028_aa03;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

impl SlowPage {
    pub fn new() -> Self {
        // SAFETY: The call takes numbers only.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) } as i32;
        Errno::result(fd).expect("userfaultfd");
        // SAFETY: The descriptor is new, and nobody else's.
        let uffd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut api = UffdioApi {
            api: 0xaa,
            ..Default::default()
        };
        let pages = map(2 * PAGE, MapFlags::MAP_PRIVATE);
        // SAFETY: This is the second page of the mapping.
        let page: *mut u8 = unsafe { pages.byte_add(PAGE) }.as_ptr().cast();
        let mut register = UffdioRegister {
            start: page as u64,
            len: PAGE as u64,
            mode: UFFDIO_REGISTER_MODE_MISSING,
            ..Default::default()
        };
        // SAFETY: The structs are what these commands take.
        unsafe {
            sys::ioctl(&uffd, UFFDIO_API, &raw mut api as usize).expect("UFFDIO_API");
            sys::ioctl(&uffd, UFFDIO_REGISTER, &raw mut register as usize).expect("register");
        }
        Self { uffd, page }
    }

    pub fn page(&self) -> *mut u8 {
        self.page
    }

    /// The place so many bytes in front of it.
    pub fn in_front(&self, n: usize) -> *mut u8 {
        assert!(n <= PAGE);
        // SAFETY: It is within the page in front.
        unsafe { self.page.sub(n) }
    }

    /// Waits until somebody waits for the page.
    pub fn wait_for_a_fault(&self) {
        let mut event = [0u8; 32];
        let fd = self.uffd.as_fd().as_raw_fd();
        // SAFETY: The buffer is ours; an event fits into it.
        let read = unsafe { libc::read(fd, event.as_mut_ptr().cast(), event.len()) };
        assert_eq!(read, 32, "userfaultfd");
    }

    /// Brings the page, full of this byte.
    pub fn fill(&self, byte: u8) {
        let content = vec![byte; PAGE];
        let mut copy = UffdioCopy {
            dst: self.page as u64,
            src: content.as_ptr() as u64,
            len: PAGE as u64,
            ..Default::default()
        };
        // SAFETY: The struct is what this command takes; the page is ours.
        unsafe { sys::ioctl(&self.uffd, UFFDIO_COPY, &raw mut copy as usize) }.expect("copy");
    }
}

// SAFETY: The page is used through system calls only, which check it.
unsafe impl Sync for SlowPage {}

/// What the page of a [stuck] child is full of when it comes.
pub const FILLING: u8 = b'.';

/// A child in the middle of a call that waits for a page, which never comes.
pub fn stuck(call: impl FnOnce(*mut u8)) -> Child {
    stuck_until(&shared(1)[0], call)
}

/// A child in the middle of a call that waits for a page, which comes when `fill` is not 0.
pub fn stuck_until(fill: &AtomicU64, call: impl FnOnce(*mut u8)) -> Child {
    let waits = &shared(1)[0];
    let child = spawn(|| {
        let slow = SlowPage::new();
        // A process of its own, which nobody stops, brings the page; or is ended with the test.
        let _pager = spawn(|| {
            slow.wait_for_a_fault();
            waits.store(1, SeqCst);
            while fill.load(SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            slow.fill(FILLING);
        });
        call(slow.page());
    });
    wait_until("a child waits for its memory", || waits.load(SeqCst) == 1);
    child
}
