// SPDX-License-Identifier: GPL-2.0

//! Memory that comes when a test says so, by userfaultfd.

use crate::process::{Child, spawn, wait_until};
use crate::sys::{self, PAGE, map, shared};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, MmapAdvise, madvise};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

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

/// Pages in a row whose use waits until [`fill`](Self::fill) brings them.
pub struct AbsentPages {
    uffd: OwnedFd,
    start: *mut u8,
}

impl AbsentPages {
    /// So many of them, behind a page that is like any other.
    pub fn new(count: usize) -> Self {
        // SAFETY: The call takes numbers only.
        let fd =
            unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        let fd = Errno::result(fd as i32).expect("userfaultfd");
        // SAFETY: The descriptor is new, and nobody else's.
        let uffd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut api = UffdioApi {
            api: 0xaa,
            ..Default::default()
        };
        let pages = map((1 + count) * PAGE, MapFlags::MAP_PRIVATE);
        // SAFETY: This is the second page of the mapping.
        let start: *mut u8 = unsafe { pages.byte_add(PAGE) }.as_ptr().cast();
        let mut register = UffdioRegister {
            start: start as u64,
            len: (count * PAGE) as u64,
            mode: UFFDIO_REGISTER_MODE_MISSING,
            ..Default::default()
        };
        // SAFETY: The structs are what these commands take.
        unsafe {
            sys::ioctl(&uffd, UFFDIO_API, &raw mut api as usize).expect("UFFDIO_API");
            sys::ioctl(&uffd, UFFDIO_REGISTER, &raw mut register as usize).expect("register");
        }
        Self { uffd, start }
    }

    /// The place so many bytes in front of page `number`, which may be the one behind the last.
    pub fn in_front(&self, number: usize, n: usize) -> *mut u8 {
        assert!(n <= PAGE);
        // SAFETY: It is within the page before, which is of the mapping.
        unsafe { self.page(number).sub(n) }
    }

    fn page(&self, number: usize) -> *mut u8 {
        self.start.wrapping_byte_add(number * PAGE)
    }

    /// Waits until somebody waits for a page, and says for which; or for so long.
    pub fn wait_for_a_fault(&self, timeout: PollTimeout) -> Option<usize> {
        let mut fds = [PollFd::new(self.uffd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).expect("poll");
        let mut event = [0u64; 4];
        let fd = self.uffd.as_raw_fd();
        // SAFETY: The buffer is ours; an event fits into it.
        let read = unsafe { libc::read(fd, event.as_mut_ptr().cast(), size_of_val(&event)) };
        match Errno::result(read) {
            Ok(32) => Some((event[2] as usize - self.start as usize) / PAGE),
            Err(Errno::EAGAIN) => None,
            result => panic!("userfaultfd: {result:?}"),
        }
    }

    /// Brings a page, full of this byte.
    pub fn fill(&self, number: usize, byte: u8) {
        let content = vec![byte; PAGE];
        let mut copy = UffdioCopy {
            dst: self.page(number) as u64,
            src: content.as_ptr() as u64,
            len: PAGE as u64,
            ..Default::default()
        };
        // SAFETY: The struct is what this command takes; the page is ours.
        unsafe { sys::ioctl(&self.uffd, UFFDIO_COPY, &raw mut copy as usize) }.expect("copy");
    }

    /// Takes a page away again.
    pub fn take_away(&self, number: usize) {
        let page = NonNull::new(self.page(number)).expect("a page").cast();
        // SAFETY: The page is ours, and used through system calls only.
        unsafe { madvise(page, PAGE, MmapAdvise::MADV_DONTNEED) }.expect("madvise");
    }
}

// SAFETY: The pages are used through system calls only, which check them.
unsafe impl Sync for AbsentPages {}

/// A page whose first use waits until [`fill`](SlowPage::fill) brings it, and behind one that is
/// like any other.
pub struct SlowPage(AbsentPages);

impl SlowPage {
    pub fn new() -> Self {
        Self(AbsentPages::new(1))
    }

    pub fn page(&self) -> *mut u8 {
        self.in_front(0)
    }

    /// The place so many bytes in front of it.
    pub fn in_front(&self, n: usize) -> *mut u8 {
        self.0.in_front(0, n)
    }

    /// Waits until somebody waits for the page.
    pub fn wait_for_a_fault(&self) {
        while self.0.wait_for_a_fault(PollTimeout::NONE).is_none() {}
    }

    /// Brings the page, full of this byte.
    pub fn fill(&self, byte: u8) {
        self.0.fill(0, byte);
    }
}

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
