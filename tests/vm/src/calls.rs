// SPDX-License-Identifier: GPL-2.0

//! What can be done with a device beyond sending and receiving.

use crate::group::Device;
use crate::sys::{
    AWAKE_BARRIER, REVOKE_DELAYED_MESSAGES, Result, SET_RECEIVE_TIMEOUT, SET_SEND_DELAY,
    SLEEP_ON_BARRIER, ioctl,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::dup;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// A delay that no test waits for: a message with it is published by being flushed, or not at all.
pub const LONG: u32 = 3_600_000;

impl Device {
    /// Sets the group's delay, in milliseconds.
    #[track_caller]
    pub fn set_delay(&self, ms: u32) {
        // SAFETY: The kernel only reads what the pointer points to.
        let result = unsafe { ioctl(self, SET_SEND_DELAY, &raw const ms as usize) };
        assert_eq!(result, Ok(0), "SET_SEND_DELAY");
    }

    /// Sets how long reads of this open file wait, in milliseconds.
    pub fn set_receive_timeout(&self, ms: i32) -> Result<i32> {
        // SAFETY: The kernel only reads what the pointer points to.
        unsafe { ioctl(self, SET_RECEIVE_TIMEOUT, &raw const ms as usize) }
    }

    /// Makes reads of this open file wait for a message without end.
    pub fn waiting(self) -> Self {
        assert_eq!(self.set_receive_timeout(-1), Ok(0));
        self
    }

    #[track_caller]
    pub fn revoke(&self) {
        // SAFETY: The command takes no argument.
        let result = unsafe { ioctl(self, REVOKE_DELAYED_MESSAGES, 0) };
        assert_eq!(result, Ok(0), "REVOKE_DELAYED_MESSAGES");
    }

    pub fn sleep_on_barrier(&self) -> Result<i32> {
        // SAFETY: The command takes no argument.
        unsafe { ioctl(self, SLEEP_ON_BARRIER, 0) }
    }

    pub fn awake_barrier(&self) -> i32 {
        // SAFETY: The command takes no argument.
        unsafe { ioctl(self, AWAKE_BARRIER, 0) }.expect("AWAKE_BARRIER")
    }

    pub fn flush(&self) {
        nix::unistd::fsync(self).expect("fsync");
    }

    /// Another descriptor of the same open file.
    pub fn dup(&self) -> OwnedFd {
        dup(self).expect("dup")
    }

    pub fn set_nonblocking(&self) {
        fcntl(self, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR)).expect("F_SETFL");
    }

    /// Waits for events, at most this long, and says which there are.
    ///
    /// Who has to be woken waits without end: one whose time runs out looks once more, and would
    /// find what nobody told it.
    pub fn poll(&self, events: PollFlags, timeout: Option<Duration>) -> PollFlags {
        let timeout = timeout.map(|timeout| timeout.try_into().expect("a time for poll"));
        let timeout = timeout.unwrap_or(PollTimeout::NONE);
        let mut fds = [PollFd::new(self.as_fd(), events)];
        poll(&mut fds, timeout).expect("poll");
        fds[0].revents().expect("known events")
    }

    /// The events that are there now.
    pub fn events(&self) -> PollFlags {
        self.poll(PollFlags::POLLIN | PollFlags::POLLOUT, Some(Duration::ZERO))
    }

    /// Waits for a message that is due, without taking time for granted.
    pub fn await_message(&self) -> Vec<u8> {
        let events = self.poll(PollFlags::POLLIN, None);
        assert_eq!(events, PollFlags::POLLIN, "no message comes");
        self.receive()
    }
}

/// Nanoseconds of CLOCK_MONOTONIC: the clock that delays go by.
pub fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: The pointer is to a time that is ours.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(result, 0, "clock_gettime");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Milliseconds in nanoseconds.
pub const fn ms(ms: u32) -> u64 {
    ms as u64 * 1_000_000
}

/// Does nothing, and gives up no processor, until the time has come.
pub fn spin_until(time: u64) {
    while now_ns() < time {
        std::hint::spin_loop();
    }
}

/// Whether a thread is in this system call, asleep.
pub fn sleeps_in(pid: nix::unistd::Pid, call: i64, second: Option<u64>) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/syscall")) else {
        return false;
    };
    let words: Vec<_> = text.split_whitespace().collect();
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    words.first().and_then(|word| word.parse().ok()) == Some(call)
        && second.is_none_or(|second| words.get(2).and_then(|word| hex(word)) == Some(second))
}

/// A random number; not a good one.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// How long something took.
pub fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed())
}
