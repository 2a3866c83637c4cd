// SPDX-License-Identifier: GPL-2.0

//! A thread that sleeps on a barrier.

use crate::calls::sleeps_in;
use crate::process::wait_until;
use crate::signals;
use crate::sys::{self, SLEEP_ON_BARRIER};
use nix::errno::Errno;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{SaFlags, Signal};
use nix::unistd::{Pid, gettid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// What a sleeper that does not return is said to have returned.
const NEVER: u8 = 0xff;

/// A sleeping thread.
pub struct Sleeper {
    thread: JoinHandle<()>,
    result: Receiver<sys::Result<i32>>,
}

impl Sleeper {
    /// Starts a thread, and waits until it sleeps. `Err`: it did not, but failed.
    pub fn start(fd: BorrowedFd<'_>) -> sys::Result<Self> {
        let fd = fd.as_raw_fd();
        let (tell_id, id) = channel();
        let (tell_result, result) = channel();
        let thread = spawn(move || {
            tell_id.send(gettid()).expect("somebody waits");
            // SAFETY: Whoever starts a sleeper keeps the descriptor open until it sleeps.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            // SAFETY: The command takes no argument.
            let returned = unsafe { sys::ioctl(fd.as_fd(), SLEEP_ON_BARRIER, 0) };
            // Whom it would concern may be gone.
            let _ = tell_result.send(returned);
        });
        let id: Pid = id.recv().expect("a thread tells its id");
        let mut returned = None;
        wait_until("a thread sleeps", || {
            returned = result.try_recv().ok();
            returned.is_some() || sleeps_in(id, libc::SYS_ioctl, Some(SLEEP_ON_BARRIER))
        });
        match returned {
            Some(Err(errno)) => Err(errno),
            // It should have slept: whoever joins it is told so.
            Some(Ok(_)) => Err(Errno::EALREADY),
            None => Ok(Self { thread, result }),
        }
    }

    /// Waits until the thread's call has returned. Says what: a value, or the number of an error.
    pub fn join(self) -> u8 {
        match self.result.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(value)) => value as u8,
            Ok(Err(errno)) => errno as u8,
            Err(_) => NEVER,
        }
    }

    /// Sends the thread a signal, which it handles, and joins it.
    pub fn interrupt(self) -> u8 {
        signals::handle(Signal::SIGUSR1, SaFlags::empty());
        pthread_kill(self.thread.as_pthread_t(), Signal::SIGUSR1).expect("pthread_kill");
        self.join()
    }
}
