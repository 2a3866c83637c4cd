// SPDX-License-Identifier: GPL-2.0

//! Messages, and the memory that they are in.

use crate::abi::{
    buffer::{
        Faults,
        Sink,
        Source, //
    },
    clock::Instant,
    parcel::Parcel,
    schedule::Due, //
};
use kernel::{
    page::PAGE_MASK,
    prelude::*, //
};

/// The largest message that one system call can carry, in bytes.
///
/// The kernel cuts what a program asks to read or write down to `MAX_RW_COUNT`, which is the
/// largest multiple of the page size that an `int` holds. A call that asks for that much may have
/// been cut, and a message must not be torn, so this is one byte less.
pub(crate) const MAX_SIZE: usize = (i32::MAX as usize & PAGE_MASK) - 1;

/// How many bytes of memory a [`block`] takes up.
const BLOCK_SIZE: u16 = 4096;

/// What is known of a message that has an allocation to itself, beside its payload.
pub(crate) struct Header {
    /// When the message was first taken out of the queue, counted in messages; 0: never. So that
    /// it finds its place again when it has to be put back.
    pub(super) stamp: u64,
    /// When the message is to be published, if it is delayed.
    pub(super) due: Instant,
}

impl Header {
    const NEW: Self = Self {
        stamp: 0,
        due: Instant::ZERO,
    };
}

impl Due for Header {
    fn due(&self) -> Instant {
        self.due
    }
}

/// A message in an allocation of its own, owned by whoever has it.
///
/// Dropping it frees its memory. Process context; sleeps, unless it is a page at most.
pub(crate) type Message = Parcel<Header>;

/// Memory for several small messages, owned by whoever has it.
pub(crate) type Block = Parcel<Header>;

/// Makes a block without messages.
///
/// Cost: one allocation, charged to the caller's memory cgroup. Process context; sleeps.
/// [`ENOMEM`].
pub(crate) fn block() -> Result<Block> {
    Parcel::open(Header::NEW, Block::room_within(BLOCK_SIZE))
}

/// Makes a message of all that `from` has, in the memory of `old` if that suits it.
///
/// Cost: one copy, and unless `old` was used, one allocation, charged to the caller's memory cgroup.
/// Process context; sleeps, for memory and for the caller's buffers to be paged in. [`ENOMEM`];
/// [`EFAULT`]; [`EBADMSG`] as in [`check`].
pub(crate) fn copy_in<S: Source>(from: &mut S, old: Option<Message>) -> Result<Message> {
    Parcel::sealed(Header::NEW, from, old, check)
}

/// Whether a payload makes a message. [`EBADMSG`]: it is one NUL byte, the empty string, which is
/// none.
#[inline(always)]
pub(crate) fn check(payload: &[u8]) -> Result {
    if payload == [0] {
        Err(EBADMSG)
    } else {
        Ok(())
    }
}

/// Copies as much of a message as `to` has room for, and returns how much that is, in bytes.
///
/// Cost: one copy. Process context; sleeps for the caller's buffers to be paged in. [`EFAULT`]:
/// a part may have been copied.
pub(crate) fn copy_out<S: Sink>(message: &Message, to: &mut S) -> Result<usize> {
    let payload = message.payload();
    let part = payload.get(..to.len()).unwrap_or(payload);
    to.copy_from(part, Faults::Handled)?;
    Ok(part.len())
}
