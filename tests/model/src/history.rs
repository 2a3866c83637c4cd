// SPDX-License-Identifier: GPL-2.0

//! What processes that run at the same time write down about their calls.

use crate::random::mix;

/// A call, as its process wrote it down. Plain numbers, so that it can be in shared memory, where
/// zeroes are valid too.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// CLOCK_MONOTONIC before the call, in nanoseconds.
    pub start: u64,
    /// And after it; if the process was killed, when it was certainly gone; [`NEVER`] if the call
    /// had not ended at the end of the history.
    pub end: u64,
    /// The number of the message that was written or read; see [`number`].
    pub message: u64,
    /// The size of a message or a buffer, the delay in milliseconds, the limit in bytes.
    pub argument: u32,
    /// What was returned; if it is below 0, minus the number of the error.
    pub result: i32,
    /// For how many milliseconds a read may wait.
    pub patience: u16,
    /// Who made the call.
    pub worker: u16,
    pub group: u8,
    pub kind: Kind,
    pub fate: Fate,
    /// Whether a message that was read was not what had been written.
    pub torn: bool,
}

const _: () = assert!(size_of::<Entry>() == 40);

/// The end of a call that has none.
pub const NEVER: u64 = u64::MAX;

#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing was written down here.
    #[default]
    None,
    Write,
    /// 0 and `EAGAIN`: the queue was empty.
    Read,
    SetDelay,
    SetMaxMessage,
    SetMaxStorage,
    Revoke,
    /// `fsync`, `close`, and the end of a process.
    Flush,
    Sleep,
    Awake,
    /// The worker was seen to be asleep in a call to `SLEEP_ON_BARRIER`.
    Seen,
}

/// How a call ended.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Not yet.
    #[default]
    Open,
    /// As it says.
    Returned,
    /// With its process: nobody knows whether it was done.
    Killed,
}

impl Entry {
    /// Whether it is known what the call came to.
    pub fn is_decided(&self) -> bool {
        self.fate == Fate::Returned
    }

    /// Whether it may have been done: it was, or nobody knows.
    pub fn may_be_done(&self) -> bool {
        !self.is_decided() || self.result >= 0
    }

    /// Whether a message was read.
    pub fn has_message(&self) -> bool {
        self.is_decided() && self.result > 0
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "worker {} group {} {:?}({}",
            self.worker, self.group, self.kind, self.argument
        )?;
        if self.patience > 0 {
            write!(f, ", {} ms", self.patience)?;
        }
        match self.fate {
            Fate::Returned => write!(f, ") = {}", self.result)?,
            fate => write!(f, "), {fate:?}")?,
        }
        if self.message > 0 {
            write!(f, ", message {:#x}", self.message)?;
        }
        match self.end {
            NEVER => write!(f, ", from {} without end", self.start),
            end => write!(f, ", {} to {end}", self.start),
        }
    }
}

/// All that was done to some groups, which were new and had these limits at the beginning, and are
/// empty at the end.
#[derive(Clone, Debug)]
pub struct History {
    pub max_message_size: u32,
    pub max_storage_size: u32,
    pub entries: Vec<Entry>,
}

/// The least bytes that a message has: its number.
pub const SMALLEST: usize = 8;

/// A message's number: never 0. Its writer, which of the writer's it is, and its size, of 16 bits,
/// are in it.
pub fn number(worker: u16, count: u32, size: usize) -> u64 {
    (u64::from(worker) << 48) | (u64::from(count) << 16) | size as u64
}

/// The size of the message with this number.
pub fn size(number: u64) -> usize {
    usize::from(number as u16)
}

/// Puts the message with this number into a buffer, which it fills: the number, and then something
/// that depends on all of it.
pub fn fill(number: u64, buffer: &mut [u8]) {
    let (head, rest) = buffer.split_at_mut(SMALLEST);
    head.copy_from_slice(&number.to_le_bytes());
    rest.fill(mix(number) as u8);
}

/// The number of a message that was read, and whether it is torn or mixed with another.
pub fn recognize(message: &[u8]) -> (u64, bool) {
    let Some((head, rest)) = message.split_first_chunk() else {
        return (0, true);
    };
    let number = u64::from_le_bytes(*head);
    let filling = mix(number) as u8;
    (number, rest.iter().any(|&byte| byte != filling))
}
