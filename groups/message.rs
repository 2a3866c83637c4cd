// SPDX-License-Identifier: GPL-2.0

//! One message: header and payload in one allocation.

use crate::abi::{
    clock::Instant,
    parcel::Parcel,
    schedule::Due, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    page::PAGE_MASK,
    prelude::*, //
};

/// The largest message that one system call can carry, in bytes.
///
/// The kernel cuts what a program asks to read or write down to `MAX_RW_COUNT`, which is the
/// largest multiple of the page size that an `int` holds. A call that asks for that much may have
/// been cut, and a message must not be torn, so this is one byte less.
pub(crate) const MAX_SIZE: usize = (i32::MAX as usize & PAGE_MASK) - 1;

/// What is known of a message, beside its payload.
pub(crate) struct Header {
    /// When the message was first taken out of the queue, counted in messages; 0: never. So that
    /// it finds its place again when it has to be put back.
    pub(super) stamp: u64,
    /// When the message is to be published, if it is delayed.
    pub(super) due: Instant,
}

impl Due for Header {
    fn due(&self) -> Instant {
        self.due
    }
}

/// A message, owned by whoever has it.
///
/// Dropping it frees its memory, for which process context is needed.
pub(crate) type Message = Parcel<Header>;

/// Makes a message of all that `from` has.
///
/// Cost: one allocation, charged to the caller's memory cgroup, and one copy. Process context;
/// sleeps, for memory and for the caller's buffers to be paged in. [`ENOMEM`]; [`EFAULT`];
/// [`EBADMSG`]: it is one NUL byte, the empty string, which is no message.
pub(crate) fn copy_in(from: &mut IovIterSource<'_>) -> Result<Message> {
    let header = Header {
        stamp: 0,
        due: Instant::ZERO,
    };
    let message = Parcel::copy_from(header, from)?;
    if message.payload() == [0] {
        return Err(EBADMSG);
    }
    Ok(message)
}

/// Copies as much of a message as `to` has room for, and returns how much that is, in bytes.
///
/// Cost: one copy. Process context; sleeps for the caller's buffers to be paged in. [`EFAULT`]:
/// a part may have been copied.
pub(crate) fn copy_out(message: &Message, to: &mut IovIterDest<'_>) -> Result<usize> {
    let payload = message.payload();
    let part = payload.get(..to.len()).unwrap_or(payload);
    if to.copy_to_iter(part) == part.len() {
        Ok(part.len())
    } else {
        Err(EFAULT)
    }
}
