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
                    let text = record.split_once(';').map_or("", |(_, text)| text);
                    let text = text.lines().next().unwrap_or_default().to_owned();
                    lines.push(Line { text });
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => return lines,
                // Records were overwritten before they were read.
                Err(err) if err.raw_os_error() == Some(libc::EPIPE) => lines.push(Line {
                    text: "WARNING: the log ran over".to_owned(),
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

    /// Said by the module, and not by the kernel about it when it is loaded.
    pub fn is_of_the_module(&self) -> bool {
        self.text.starts_with("groups: ") && !self.text.contains("taint")
    }
}
