// SPDX-License-Identifier: GPL-2.0

//! Processes that a test starts.

use crate::harness::patience;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, setgroups, setresgid, setresuid};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A user without rights.
pub const NOBODY: u32 = 65534;
/// Another one.
pub const DAEMON: u32 = 1;

/// A child that runs a function of the test.
#[must_use]
pub struct Child(Pid);

/// Starts a child. It fails, and with it who [joins](Child::join) it, if the function panics.
///
/// To be called by a process with one thread.
pub fn spawn(run: impl FnOnce()) -> Child {
    // SAFETY: There is one thread, so no lock is held by another one.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => Child(child),
        ForkResult::Child => {
            // Whatever happens, the child must not go on with the test.
            let ended_well = catch_unwind(AssertUnwindSafe(run)).is_ok();
            // SAFETY: Ends the process; what the parent would do at its end is not done twice.
            unsafe { libc::_exit(i32::from(!ended_well)) }
        }
    }
}

impl Child {
    pub fn pid(&self) -> Pid {
        self.0
    }

    /// Waits until the child has ended, as it should.
    pub fn join(self) {
        match waitpid(self.0, None).expect("waitpid") {
            WaitStatus::Exited(_, 0) => {}
            status => panic!("a child of the test ended with {status:?}"),
        }
    }

    /// Kills the child, whatever it is doing.
    pub fn kill(self) {
        kill(self.0, Signal::SIGKILL).expect("kill");
        let status = waitpid(self.0, None).expect("waitpid");
        let killed = matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _));
        assert!(killed, "a child to be killed ended with {status:?}");
    }
}

/// Runs a function in a process of its own, as a user without rights.
pub fn as_user(user: u32, run: impl FnOnce()) {
    spawn(|| {
        become_user(user);
        run();
    })
    .join();
}

/// Gives up being root, for good.
pub fn become_user(user: u32) {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    setgroups(&[]).expect("setgroups");
    setresgid(gid, gid, gid).expect("setresgid");
    setresuid(uid, uid, uid).expect("setresuid");
}

/// Waits until all of `many` processes or threads have come here.
pub fn meet(at: &AtomicU64, many: u64) {
    at.fetch_add(1, Ordering::SeqCst);
    while at.load(Ordering::SeqCst) < many {
        std::thread::yield_now();
    }
}

/// Stops a child, and waits until it stands still.
pub fn stop(pid: Pid) {
    kill(pid, Signal::SIGSTOP).expect("kill");
    await_stop(pid);
}

/// Waits until a child that is being stopped stands still.
pub fn await_stop(pid: Pid) {
    match waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("waitpid") {
        WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
        status => panic!("a child to be stopped is {status:?}"),
    }
}

/// Waits until something is so, for which the kernel has no event.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20) * patience();
    while !is_so() {
        assert!(Instant::now() < deadline, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
