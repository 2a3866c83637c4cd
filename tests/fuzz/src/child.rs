// SPDX-License-Identifier: GPL-2.0

//! Runs one program in a process of its own, and ends it with all that it started.

use crate::coverage::Reached;
use crate::exec;
use crate::kcov::Buffer;
use crate::program::Program;
use crate::sites::Sites;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many tasks of one program can be traced.
const BUFFERS: usize = 8;

/// A program whose tasks all wait for so long is ended: nobody will wake them.
const IDLE: Duration = Duration::from_millis(45);
/// Any program is ended after this.
const LIMIT: Duration = Duration::from_secs(2);
/// Who was killed has to be gone after this.
const DEATH: Duration = Duration::from_secs(30);

/// What the fuzzer and the processes of a program share, and what these need to know.
pub struct Shared {
    calls: &'static AtomicU64,
    used_buffers: &'static AtomicU64,
    unloaded: &'static AtomicU64,
    reached: Reached,
    buffers: Vec<Buffer>,
    pub sites: Sites,
    /// Whether calls say what they return.
    pub traces: bool,
}

/// Numbers that this process shares with the children that it makes from now on.
fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: The mapping is new, is zeroed, which is a valid number, and stays to the end of the
    // process.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), count * 8, protection, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(start.cast(), count))
    }
}

impl Shared {
    /// With tracers, if the kernel and the module have what they need.
    pub fn new(sites: Sites, with_tracers: bool) -> io::Result<Self> {
        let words = shared_words(3 + Reached::words(sites.len()))?;
        let buffers = if with_tracers { BUFFERS } else { 0 };
        let buffers: io::Result<_> = (0..buffers).map(|_| Buffer::new()).collect();
        Ok(Self {
            calls: &words[0],
            used_buffers: &words[1],
            unloaded: &words[2],
            reached: Reached::new(sites.len(), &words[3..]),
            buffers: buffers?,
            sites,
            traces: false,
        })
    }

    /// A tracer for another task, if one is left.
    pub fn next_buffer(&self) -> Option<Buffer> {
        let number = self.used_buffers.fetch_add(1, Relaxed);
        self.buffers.get(number as usize).copied()
    }

    /// Says that a task begins a call.
    pub fn begin_call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// How many calls were begun in all programs so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Says that the module was unloaded though it was in use.
    pub fn report_unloaded(&self) {
        self.unloaded.store(1, Relaxed);
    }

    /// What the last program reached.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Adds what a task came by in one call.
    pub fn add(&self, addresses: impl Iterator<Item = u64>) {
        self.reached.add(addresses, &self.sites);
    }
}

/// Runs a program, and says whether it ended by itself. An error says what went wrong with the
/// kernel or the module.
///
/// To be called by a process with one thread and no other children.
pub fn run(program: &Program, shared: &Shared) -> Result<bool, String> {
    shared.reached.clear();
    shared.used_buffers.store(0, Relaxed);
    for buffer in &shared.buffers {
        drop(buffer.take());
    }

    // SAFETY: This process has one thread, so the child can do whatever it could.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(format!("fork: {}", io::Error::last_os_error()));
    }
    // Both do it: whoever comes first.
    // SAFETY: The calls take numbers.
    unsafe { libc::setpgid(child, child) };
    if child == 0 {
        exec::run(program, shared);
    }

    // SAFETY: The call takes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) } as i32;
    let ended = wait(child, fd, shared);
    let gone = end(child, fd);
    // SAFETY: The descriptor is ours, and used no more.
    unsafe { libc::close(fd) };
    gone?;
    // What tasks came by in a call in which they were killed is still there.
    for buffer in &shared.buffers {
        shared.add(buffer.take());
    }
    match shared.unloaded.swap(0, Relaxed) {
        0 => Ok(ended),
        _ => Err("the module could be unloaded though it was in use".to_owned()),
    }
}

/// Waits until the program's first process has ended, which is true, or does not get on, or takes
/// too long.
fn wait(child: libc::pid_t, fd: RawFd, shared: &Shared) -> bool {
    let begin = Instant::now();
    let limit = LIMIT * patience();
    let (mut calls, mut last) = (shared.calls(), begin);
    loop {
        if is_gone(fd, Duration::from_millis(10)) {
            return true;
        }
        let now = Instant::now();
        if calls != shared.calls() {
            (calls, last) = (shared.calls(), now);
        }
        if now - begin > limit {
            return false;
        }
        if now - last > IDLE {
            if !is_running(child) {
                return false;
            }
            last = now;
        }
    }
}

/// Whether any thread of the process would go on if it had a processor. A busy machine can keep
/// one waiting for that for long.
fn is_running(child: libc::pid_t) -> bool {
    let tasks = fs::read_dir(format!("/proc/{child}/task"));
    tasks.into_iter().flatten().flatten().any(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // Behind the name.
        stat.rsplit(") ")
            .next()
            .is_some_and(|state| state.starts_with('R'))
    })
}

/// Whether the process has ended, or does so within this time.
fn is_gone(fd: RawFd, time: Duration) -> bool {
    let mut polled = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `polled` is one of what poll takes.
    unsafe { libc::poll(&raw mut polled, 1, time.as_millis() as i32) > 0 }
}

/// How much longer than usual everything may take.
pub fn patience() -> u32 {
    let patience = std::env::var("GROUPS_TEST_PATIENCE").ok();
    let patience = patience.and_then(|patience| patience.parse().ok());
    patience.unwrap_or(1).clamp(1, 100)
}

/// Kills the program's processes, and waits until they are gone.
fn end(group: libc::pid_t, fd: RawFd) -> Result<(), String> {
    // SAFETY: The call takes numbers.
    let kill = || unsafe { libc::kill(-group, libc::SIGKILL) };
    let deadline = Instant::now() + DEATH * patience();
    kill();
    is_gone(fd, DEATH * patience());
    loop {
        // SAFETY: The call takes numbers, and a pointer that is null.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
            0 if Instant::now() > deadline => return Err(still_there(group)),
            0 => {
                kill();
                std::thread::sleep(Duration::from_millis(1));
            }
            // There are no more children. Orphans become ours.
            -1 => return Ok(()),
            _ => {}
        }
    }
}

/// Describes the tasks that did not die.
fn still_there(group: libc::pid_t) -> String {
    let mut text = String::from("processes do not die:\n");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        // Behind the name: state, parent, process group.
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        if fields.split(' ').nth(2) != Some(&group.to_string()) {
            continue;
        }
        for task in fs::read_dir(path.join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let stack = fs::read_to_string(task.path().join("stack")).unwrap_or_default();
            text += &format!("{}:\n{stack}", task.path().display());
        }
    }
    text
}

/// Has orphans of programs become children of this process, which waits for them.
pub fn adopt_orphans() {
    // SAFETY: The call takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}
