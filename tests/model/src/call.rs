// SPDX-License-Identifier: GPL-2.0

//! The calls that a program makes, and what comes of them.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// One call.
///
/// `slot` is one of the program's places for a descriptor, which may be empty: the descriptor is
/// -1 then. `group` is one of the groups that the program is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// `open`, into a slot. What was in the slot is closed afterwards.
    Open {
        slot: usize,
        group: usize,
        access: Access,
        nonblock: bool,
    },
    /// `open` of a node that has the number of no group.
    OpenNobody,
    /// `dup`, into a slot. What was in the slot is closed afterwards.
    Dup { slot: usize, to: usize },
    /// `close`
    Close { slot: usize },
    /// `fcntl`: turns `O_NONBLOCK` on or off.
    SetNonblock { slot: usize, on: bool },
    /// `write`
    Write {
        slot: usize,
        message: Message,
        memory: Memory,
    },
    /// `writev` of a message that has `fill`, in these parts.
    Writev {
        slot: usize,
        fill: u8,
        parts: Vec<Part>,
    },
    /// `read` into `size` bytes.
    Read {
        slot: usize,
        size: usize,
        memory: Memory,
    },
    /// `readv`
    Readv { slot: usize, parts: Vec<Part> },
    /// `SET_SEND_DELAY`; `legacy`: by its other number.
    SetSendDelay {
        slot: usize,
        ms: u32,
        legacy: bool,
        memory: Memory,
    },
    /// `SET_RECEIVE_TIMEOUT`
    SetReceiveTimeout {
        slot: usize,
        ms: i32,
        memory: Memory,
    },
    /// `REVOKE_DELAYED_MESSAGES`
    Revoke { slot: usize },
    /// `fsync`
    Fsync { slot: usize },
    /// `FIONREAD`
    FirstSize { slot: usize, memory: Memory },
    /// `poll`, without waiting, for all that there is.
    Poll { slot: usize },
    /// `INSTALL_GROUP`; `legacy`: by its other number; `tail`: what is behind the id's NUL.
    Install {
        slot: usize,
        id: Id,
        tail: u8,
        legacy: bool,
        memory: Memory,
    },
    /// `ioctl` with a command that no group knows.
    UnknownIoctl { slot: usize, command: u32 },
    /// `lseek`
    Seek { slot: usize },
    /// `pread`
    Pread { slot: usize },
    /// `pwrite`
    Pwrite { slot: usize },
    /// Another thread calls `SLEEP_ON_BARRIER`. The answer is 1: it sleeps; or what it returned at
    /// once.
    Sleep { slot: usize },
    /// A signal for the thread that went to sleep last, if any does. The bytes are what its call
    /// failed with.
    Interrupt { group: usize },
    /// `AWAKE_BARRIER`. The bytes are what the sleepers' calls returned.
    Awake { slot: usize },
    /// Writes to an attribute.
    SetLimit {
        group: usize,
        limit: Limit,
        text: String,
    },
    /// Reads an attribute. The bytes are its text.
    GetLimit { group: usize, limit: Limit },
    /// Reads the attribute `id`. The bytes are its text.
    GetId { group: usize },
    /// Lets time pass.
    Pause { ms: u32 },
}

/// What a file is open for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    Read,
    Write,
    Both,
}

impl Access {
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// One of a group's two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Message,
    Storage,
}

impl Limit {
    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "max_message_size",
            Self::Storage => "max_storage_size",
        }
    }
}

/// What a message consists of: `size` bytes, of which the first is `fill` and each other one more
/// than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub size: usize,
    pub fill: u8,
}

impl Message {
    pub fn bytes(self) -> Vec<u8> {
        (0..self.size)
            .map(|i| self.fill.wrapping_add(i as u8))
            .collect()
    }
}

/// Where a buffer is that a call is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// Where it can be used.
    Good,
    /// Only so many of its bytes are there, and behind them nothing.
    Cut(usize),
    /// Where it can be read and not written.
    ReadOnly,
    /// At the null pointer.
    Null,
    /// In the kernel, which the kernel refuses before it asks the module.
    Kernel,
}

impl Memory {
    /// How many bytes from the beginning can be read.
    pub fn readable(self) -> usize {
        match self {
            Self::Good | Self::ReadOnly => usize::MAX,
            Self::Cut(room) => room,
            Self::Null | Self::Kernel => 0,
        }
    }

    /// How many bytes from the beginning can be written.
    pub fn writable(self) -> usize {
        match self {
            Self::ReadOnly => 0,
            memory => memory.readable(),
        }
    }
}

/// One of the buffers of `readv` or `writev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub size: usize,
    pub memory: Memory,
}

/// How many bytes there are in all these buffers, and how many before the first one that cannot
/// be used, as `usable` has it.
pub fn extent(parts: &[Part], usable: impl Fn(Memory) -> usize) -> (usize, usize) {
    let total = parts.iter().map(|part| part.size).sum();
    let mut good = 0;
    for part in parts {
        let room = usable(part.memory);
        if room < part.size {
            return (total, good + room);
        }
        good += part.size;
    }
    (total, usize::MAX)
}

/// A group's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Id {
    /// That of one of the program's groups.
    Known(usize),
    /// That of the first group.
    First,
    /// One that may be new. Those with an odd number have 32 bytes.
    New(usize),
    /// None: it begins with NUL.
    Empty,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it returned.
    pub result: Result<i64, Errno>,
    /// What it put into memory.
    pub bytes: Vec<u8>,
}

impl Outcome {
    pub fn ok(value: usize) -> Self {
        Self::with(value, vec![])
    }

    pub fn with(value: usize, bytes: Vec<u8>) -> Self {
        Self {
            result: Ok(value as i64),
            bytes,
        }
    }

    pub fn err(errno: Errno) -> Self {
        Self {
            result: Err(errno),
            bytes: vec![],
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// Of a long message the rest is like the beginning.
        const SHOWN: usize = 12;
        match self.result {
            Ok(value) => write!(f, "{value}")?,
            Err(errno) => write!(f, "{errno:?}")?,
        }
        match self.bytes.as_slice() {
            [] => Ok(()),
            bytes if bytes.len() <= SHOWN => write!(f, ", {bytes:?}"),
            bytes => write!(f, ", {} bytes: {:?}…", bytes.len(), &bytes[..SHOWN]),
        }
    }
}

/// When a call was made: between these two times of CLOCK_MONOTONIC, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct During {
    pub start: u64,
    pub end: u64,
}

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;
