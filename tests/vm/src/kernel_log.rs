// SPDX-License-Identifier: GPL-2.0

//! What the kernel says while something happens.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// The kernel's log, read from the moment in which this was made.
pub struct KernelLog(File);

/// One line of it.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    /// Said at the level of debug messages, which nobody sees who has not asked for them.
    debug: bool,
}

impl KernelLog {
    pub fn from_now() -> Self {
        let mut log = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .expect("/dev/kmsg");
        log.seek(SeekFrom::End(0)).expect("/dev/kmsg");
        Self(log)
    }

    /// What has come since the last call.
    pub fn lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return lines,
                Ok(len) => {
                    // "priority,number,time,flags;text\n", then what belongs to it.
                    let record = String::from_utf8_lossy(&record[..len]);
                    let (numbers, text) = record.split_once(';').unwrap_or_default();
                    let priority = numbers.split(',').next().and_then(|n| n.parse().ok());
                    lines.push(Line {
                        text: text.lines().next().unwrap_or_default().to_owned(),
                        debug: priority.is_some_and(|priority: u32| priority & 7 == 7),
                    });
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => return lines,
                // Records were overwritten before they were read.
                Err(err) if err.raw_os_error() == Some(libc::EPIPE) => lines.push(Line {
                    text: "WARNING: the log ran over".to_owned(),
                    debug: false,
                }),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => panic!("/dev/kmsg: {err}"),
            }
        }
    }

    /// The lines of the module that have come since the last call, without its name.
    pub fn lines_of_the_module(&mut self) -> Vec<String> {
        self.lines()
            .into_iter()
            .filter(Line::is_of_the_module)
            .map(|line| line.text["groups: ".len()..].to_owned())
            .collect()
    }
}

/// What no kernel says as long as it is well.
const ALARMS: &[&str] = &[
    "BUG:",
    "BUG at",
    "WARNING:",
    "Oops",
    "KASAN",
    "KCSAN",
    "KFENCE",
    "UBSAN",
    "suspected memory leak",
    "leak detector disabled",
    "general protection",
    "Call Trace",
    "scheduling while atomic",
    "sleeping function called",
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "suspicious RCU",
    "rcu_preempt detected",
    "rcu: INFO",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "list_add corruption",
    "list_del corruption",
    "refcount_t",
    "panicked at",
    "page allocation failure",
    "Out of memory",
    "oom-kill",
    "slab error",
    "Objects remaining",
];

impl Line {
    pub fn is_alarming(&self) -> bool {
        ALARMS.iter().any(|alarm| self.text.contains(alarm))
    }

    /// Said by the module to everybody, and not by the kernel about it when it is loaded. A kernel
    /// with Rust's debug assertions has its debug messages always on.
    pub fn is_of_the_module(&self) -> bool {
        self.text.starts_with("groups: ") && !self.text.contains("taint") && !self.debug
    }
}
