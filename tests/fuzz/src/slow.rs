// SPDX-License-Identifier: GPL-2.0

//! Memory that takes its time: pages which a thread brings after a while, or never (userfaultfd).

use crate::memory::{PAGE, slow_pages};
use std::os::fd::RawFd;
use std::thread;
use std::time::Duration;

/// How long a slow page takes.
const DELAY: Duration = Duration::from_millis(15);

const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_ZEROPAGE: libc::c_ulong = 0xc020_aa04;
const UFFD_EVENT_PAGEFAULT: u8 = 0x12;

/// Makes this process's slow pages slow. Where the kernel has no userfaultfd, they stay as they
/// are.
pub fn start() {
    // SAFETY: The call takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) } as RawFd;
    let (slow, never) = slow_pages();
    if fd < 0 || !register(fd, slow) || !register(fd, never) {
        return;
    }
    thread::spawn(move || serve(fd, slow));
}

fn register(fd: RawFd, page: usize) -> bool {
    let mut api: [u64; 3] = [0xaa, 0, 0];
    // Address, length, mode (missing pages), and what comes back.
    let mut range: [u64; 4] = [page as u64, PAGE as u64, 1, 0];
    // SAFETY: These are the structs that the commands take. The page is one of those that only
    // messages' contents are in.
    unsafe {
        // The second time it says that it was done before.
        libc::ioctl(fd, UFFDIO_API, &raw mut api);
        libc::ioctl(fd, UFFDIO_REGISTER, &raw mut range) == 0
    }
}

/// Brings the slow page whenever it is missed. A page that never comes is not looked at: who waits
/// for it waits until it is killed.
fn serve(fd: RawFd, slow: usize) {
    // struct uffd_msg
    let mut message = [0u64; 4];
    loop {
        // SAFETY: The kernel writes into the buffer no more than its size.
        let read = unsafe { libc::read(fd, message.as_mut_ptr().cast(), 32) };
        if read != 32 {
            return;
        }
        let is_fault = message[0].to_ne_bytes()[0] == UFFD_EVENT_PAGEFAULT;
        if !is_fault || message[2] as usize & !(PAGE - 1) != slow {
            continue;
        }
        thread::sleep(DELAY);
        let mut page: [u64; 4] = [slow as u64, PAGE as u64, 0, 0];
        // SAFETY: This is the struct that the command takes.
        unsafe { libc::ioctl(fd, UFFDIO_ZEROPAGE, &raw mut page) };
    }
}
