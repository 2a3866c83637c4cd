// SPDX-License-Identifier: GPL-2.0

//! Allocations and copies from and to user memory that fail because a test says so: the kernel's
//! fault injection, by `/proc/thread-self/fail-nth`. Only debug kernels have it.

use crate::harness::report;
use crate::skip;
use crate::sys::Result;
use nix::errno::Errno::EFAULT;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

/// Allocations that the kernel makes page by page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// They fail as others do.
    Fail,
    /// They do not: the kernel itself has much to say about those of vmalloc.
    Succeed,
}

/// Nothing that is tested needs as many.
const MOST: u32 = 20_000;

/// Has allocations and copies of this thread fail.
pub struct Injector(File);

impl Injector {
    /// Skips the test if the kernel cannot do it.
    pub fn new(pages: Pages) -> Self {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth");
        let Ok(file) = file else {
            skip!("this kernel has no fault injection (CONFIG_FAULT_INJECTION)");
        };
        for kind in ["failslab", "fail_page_alloc", "fail_usercopy"] {
            if !debugfs(kind, "verbose").exists() {
                skip!("this kernel's fault injection has no {kind} in debugfs");
            }
            // What fails is no news to the test, and the log is for what is.
            set(kind, "verbose", "0");
        }
        set("failslab", "ignore-gfp-wait", "N");
        set("fail_page_alloc", "min-order", "0");
        let ignore = match pages {
            Pages::Fail => "N",
            Pages::Succeed => "Y",
        };
        set("fail_page_alloc", "ignore-gfp-wait", ignore);
        Self(file)
    }

    /// Has the `nth` allocation or copy of a call fail. Returns the call's result, and whether
    /// there was such a one.
    ///
    /// The call may do nothing but system calls, and must not allocate.
    pub fn inject<T>(&self, nth: u32, call: impl FnOnce() -> T) -> (T, bool) {
        let mut text = [0; 16];
        let armed = nth.to_string();
        self.write(armed.as_bytes()).expect("fail-nth");
        let result = call();
        // What tells how many are left is a copy itself, and so fails if it is the one.
        let left = match self.read(&mut text) {
            Err(EFAULT) => 1,
            Ok(len) => {
                let text = std::str::from_utf8(&text[..len]).expect("fail-nth");
                text.trim().parse().expect("fail-nth")
            }
            Err(err) => panic!("fail-nth: {err}"),
        };
        // And so does what is to end it.
        while left > 0 && self.write(b"0").is_err() {}
        (result, left == 0)
    }

    /// Has the first, the second, the third … allocation or copy of a call fail, until it has no
    /// more; `check` is told each result, and sees to it that all is as it was before the call.
    pub fn each<T>(&self, what: &str, mut call: impl FnMut() -> T, mut check: impl FnMut(T, bool)) {
        // Once without, for what is only done for the first time.
        check(call(), false);
        for nth in 1..MOST {
            let (result, failed) = self.inject(nth, &mut call);
            check(result, failed);
            if !failed {
                assert!(nth > 1, "{what}: nothing was injected");
                report(&format!("{what}: {} faults", nth - 1));
                return;
            }
        }
        panic!("{what}: there is no end to it");
    }

    fn read(&self, text: &mut [u8]) -> Result<usize> {
        let fd = self.0.as_fd().as_raw_fd();
        // SAFETY: The buffer is ours.
        let len = unsafe { libc::pread(fd, text.as_mut_ptr().cast(), text.len(), 0) };
        nix::Error::result(len).map(|len| len as usize)
    }

    fn write(&self, text: &[u8]) -> Result<usize> {
        crate::sys::write_at(&self.0, text.as_ptr(), text.len())
    }
}

fn debugfs(kind: &str, what: &str) -> std::path::PathBuf {
    Path::new("/sys/kernel/debug").join(kind).join(what)
}

fn set(kind: &str, what: &str, value: &str) {
    let path = debugfs(kind, what);
    fs::write(&path, value).unwrap_or_else(|err| panic!("{path:?}: {err}"));
}
