// SPDX-License-Identifier: GPL-2.0

//! Processes, signals, users, and the module's unloading.

use super::{MAX_DEPTH, Worker, call};
use crate::program::Call;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::Relaxed;

/// What this program is called with to be what a program of the fuzzer executes.
pub const EXECUTED: &str = "--executed";

/// A user without rights.
const NOBODY: usize = 65534;

impl Worker<'_> {
    /// Forks: the child makes some of the next calls, as the parent does, and ends or stays.
    pub fn fork(&self, c: Call, rest: &[Call]) -> i64 {
        if self.depth >= MAX_DEPTH {
            return -i64::from(libc::EAGAIN);
        }
        let way = c.choice / 4 % 8;
        // With the parent's descriptors, or with copies of them.
        let shared_files = if way & 1 == 0 { 0 } else { libc::CLONE_FILES };
        let flags = (shared_files | libc::SIGCHLD) as usize;
        let child = call(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
        if child != 0 {
            self.stage.child.store(child as i32, Relaxed);
            return child;
        }
        let count = usize::from(c.choice % 4) + 1;
        let worker = Worker::new(self.stage, self.shared, self.depth + 1);
        worker.run(&rest[..count.min(rest.len())]);
        if way & 2 != 0 {
            sleep(1000);
        }
        // SAFETY: Ends the process, without what the parent does at its end.
        unsafe { libc::_exit(0) }
    }

    /// Becomes another program that has the file, or has a child do so.
    pub fn execute(&self, c: Call) -> i64 {
        if c.choice % 4 != 0 {
            let child = call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]);
            if child != 0 {
                return child;
            }
        }
        let file = self.file(c.file.into()).min(99_999);
        let mut number = *b"00000\0";
        let mut rest = file;
        for digit in number[..5].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let argv = [
            c"fuzz".as_ptr(),
            c"--executed".as_ptr(),
            number.as_ptr().cast(),
            std::ptr::null(),
        ];
        let environment = [0usize];
        let path = c"/proc/self/exe".as_ptr() as usize;
        let (argv, environment) = (argv.as_ptr() as usize, environment.as_ptr() as usize);
        let failed = call(libc::SYS_execve, [path, argv, environment, 0, 0, 0]);
        if c.choice % 4 != 0 {
            // SAFETY: As in `fork`.
            unsafe { libc::_exit(0) }
        }
        failed
    }

    pub fn signal(&self, c: Call) -> i64 {
        // SAFETY: The call takes nothing.
        let own = unsafe { libc::getpid() } as usize;
        let thread = self.stage.threads[usize::from(c.value % 4)].load(Relaxed) as usize;
        let child = self.stage.child.load(Relaxed) as usize;
        let to_thread =
            |signal: i32| call(libc::SYS_tgkill, [own, thread, signal as usize, 0, 0, 0]);
        let to_child = |signal: i32| match child {
            0 => 0,
            child => call(libc::SYS_kill, [child, signal as usize, 0, 0, 0, 0]),
        };
        match c.choice % 8 {
            0 | 1 => to_thread(libc::SIGUSR1),
            2 => to_thread(libc::SIGUSR2),
            3 => {
                let us = i64::from(c.value % 8 + 1) * 3000;
                let timer = [0, us, 0, us];
                call(
                    libc::SYS_setitimer,
                    [0, timer.as_ptr() as usize, 0, 0, 0, 0],
                )
            }
            4 => to_child(libc::SIGKILL),
            5 => to_child(libc::SIGSTOP),
            6 => to_child(libc::SIGCONT),
            _ if c.value & 0x30 == 0 => {
                call(libc::SYS_kill, [own, libc::SIGKILL as usize, 0, 0, 0, 0])
            }
            _ => to_child(libc::SIGUSR1),
        }
    }

    /// Tries to unload the module, which the fuzzer itself has open.
    pub fn unload(&self, c: Call) -> i64 {
        let flags =
            [libc::O_NONBLOCK, 0, libc::O_NONBLOCK | libc::O_EXCL][usize::from(c.choice % 3)];
        let name = c"groups".as_ptr() as usize;
        let unloaded = call(libc::SYS_delete_module, [name, flags as usize, 0, 0, 0, 0]);
        if unloaded == 0 {
            self.shared.report_unloaded();
        }
        unloaded
    }
}

pub fn sleep(ms: u64) -> i64 {
    let time = [0i64, (ms % 1000 * 1_000_000) as i64];
    let time = if ms < 1000 {
        time
    } else {
        [(ms / 1000) as i64, 0]
    };
    call(libc::SYS_nanosleep, [time.as_ptr() as usize, 0, 0, 0, 0, 0])
}

/// Gives up being root, for this thread.
pub fn become_nobody() -> i64 {
    call(libc::SYS_setresuid, [NOBODY, NOBODY, NOBODY, 0, 0, 0])
}

/// Sets handlers that do nothing for the signals that programs send to themselves: one that ends
/// system calls, and one after which they are restarted.
pub fn quieten_signals() {
    extern "C" fn nothing(_signal: libc::c_int) {}
    const ENDS: [i32; 6] = [
        libc::SIGUSR1,
        libc::SIGALRM,
        libc::SIGIO,
        libc::SIGPIPE,
        libc::SIGURG,
        libc::SIGHUP,
    ];
    let set = |signal, flags| {
        // SAFETY: All zeros is a valid action, and the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = flags;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    };
    ENDS.into_iter().for_each(|signal| set(signal, 0));
    set(libc::SIGUSR2, libc::SA_RESTART);
}

/// What is executed by a program: uses the descriptor that it was given, if it got it.
pub fn executed(file: &str) {
    let file: RawFd = file.parse().unwrap_or(-1);
    let mut byte = *b"executed";
    let at = byte.as_mut_ptr() as usize;
    let file = file as usize;
    call(libc::SYS_write, [file, at, byte.len(), 0, 0, 0]);
    call(
        libc::SYS_fcntl,
        [
            file,
            libc::F_SETFL as usize,
            libc::O_NONBLOCK as usize,
            0,
            0,
            0,
        ],
    );
    call(libc::SYS_read, [file, at, byte.len(), 0, 0, 0]);
}

/// Whether a function that may kill its process returns true.
pub fn goes_well(run: impl FnOnce() -> bool) -> bool {
    // SAFETY: There is one thread, so the child can do what the parent can. It ends here.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(i32::from(!run()));
        }
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0) == child && status == 0
    }
}
