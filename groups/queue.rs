// SPDX-License-Identifier: GPL-2.0

//! Published messages in order, and the room that all messages take up.
//!
//! How messages are stored is this file's private matter: small ones many to a [`Block`], one
//! behind the other; large ones, and those that were delayed, each in an allocation of its own. A
//! block that has been emptied is kept for the next messages, and so is the memory of a few large
//! ones; so as long as as many are taken as are sent, messages cost no allocation, however many are
//! queued.
//!
//! Nothing here locks: a [`Queue`] belongs inside its group's lock, so nothing here may sleep,
//! allocate, free, or wait for user memory.

use crate::{
    abi::{
        buffer::{
            Faults,
            Source, //
        },
        parcel::Chain, //
    },
    limits::{
        Account,
        Refusal, //
    },
    message::{
        self,
        Block,
        Header,
        Message, //
    },
};
use core::mem;
use kernel::prelude::*;

/// The largest message, in bytes, that is stored with others, and the most that is copied from or
/// to user memory under the lock.
///
/// A quarter of a page, so that a block has room for several, and others wait for the lock no longer
/// than such a copy takes.
pub(crate) const SMALL: usize = 1024;

/// How many bytes of the memory of large messages are kept at most.
///
/// Senders and receivers take turns by their time slices rather than by message: what one side
/// frees in its turn is what the other one needs in the next.
const KEPT: usize = 1 << 20;

/// How many messages that were kept are given up at once while others are still needed.
const SWEPT: usize = 64;

/// A group's published messages, first in, first out.
pub(crate) struct Queue {
    pub(super) account: Account,
    published: Chain<Header>,
    /// A block without messages, kept for the next ones.
    spare: Option<Block>,
    /// Large messages that were delivered, kept for their memory.
    kept: Chain<Header>,
    /// How many bytes there are in those.
    kept_size: usize,
    /// The fewest that there were since [`Queue::sweep`] last looked: so many nobody needed.
    kept_idle: usize,
    /// Whether a spare block was needed since [`Queue::sweep`] last looked.
    needed: bool,
    /// Whether the queue is going to be swept.
    sweeping: bool,
    /// The stamp of the next message that is taken out for the first time.
    next_stamp: u64,
}

/// What became of a small message.
pub(crate) enum Stored {
    /// It is published.
    Published,
    /// There has to be another block first.
    NoBlock,
    /// It has to have an allocation of its own.
    NoPlace,
}

impl Queue {
    /// A queue without messages.
    pub(crate) const fn new(account: Account) -> Self {
        Self {
            account,
            published: Chain::new(),
            spare: None,
            kept: Chain::new(),
            kept_size: 0,
            kept_idle: 0,
            needed: false,
            sweeping: false,
            next_stamp: 1,
        }
    }

    /// Appends a message of all that `from` has, which is at most [`SMALL`] bytes, and takes the
    /// room for it. `block` is used if another block is needed.
    ///
    /// Constant cost, and one copy. Why there is no room, as in [`Account::check`]; [`EFAULT`]: not
    /// all of `from` can be read right now; [`EBADMSG`] as in [`message::check`].
    #[inline(always)]
    pub(crate) fn publish_small<S: Source>(
        &mut self,
        from: &mut S,
        block: &mut Option<Block>,
    ) -> Result<Stored> {
        let size = from.len();
        self.account.check(size)?;
        if self
            .published
            .append_payload(from, Faults::Refused, message::check)?
        {
            self.account.take(size);
            return Ok(Stored::Published);
        }
        // After a message that has an allocation of its own, a block would be left unfilled; and
        // there can be as many such messages as somebody likes to delay.
        if !self.published.is_empty() && !self.published.ends_open() {
            return Ok(Stored::NoPlace);
        }
        let slot = if self.spare.is_some() {
            &mut self.spare
        } else {
            block
        };
        let Some(next) = slot else {
            return Ok(Stored::NoBlock);
        };
        if !next.append(from, Faults::Refused, message::check)? {
            return Ok(Stored::NoPlace);
        }
        self.needed = true;
        if let Some(next) = slot.take() {
            self.published.push_back(next);
        }
        self.account.take(size);
        Ok(Stored::Published)
    }

    /// Takes room for a message of `size` bytes that will have an allocation of its own. Returns
    /// memory that may do for it, if there is some. Constant cost. Why there is no room, as in
    /// [`Account::check`].
    pub(crate) fn reserve(&mut self, size: usize) -> Result<Option<Message>, Refusal> {
        self.account.reserve(size)?;
        if size <= SMALL {
            return Ok(None);
        }
        let old = self.kept.pop_front();
        if let Some(old) = &old {
            self.kept_size = self.kept_size.saturating_sub(old.size());
            self.kept_idle = self.kept_idle.min(self.kept_size);
        }
        Ok(old)
    }

    /// Gives back the room of a message that was [taken out](Self::take) and delivered, and keeps
    /// its memory if there is not too much. Constant cost.
    ///
    /// What this returns is to be dropped when the lock has been let go.
    pub(crate) fn delivered(&mut self, message: Message) -> Option<Message> {
        self.account.give_back(message.payload().len());
        let size = self.kept_size.saturating_add(message.size());
        if message.size() <= SMALL || size > KEPT {
            return Some(message);
        }
        self.kept_size = size;
        // In front, since it is what the processor's caches have.
        self.kept.insert_behind(message, |_| false);
        None
    }

    /// Appends a message. Constant cost.
    pub(crate) fn publish(&mut self, message: Message) {
        self.published.push_back(message);
    }

    /// Appends all of `messages`, in order. Constant cost.
    pub(crate) fn append(&mut self, messages: &mut Chain<Header>) {
        self.published.append(messages);
    }

    /// The first message's payload.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.published.first_payload()
    }

    /// Drops the first message, whose room is free again. Constant cost.
    ///
    /// What this returns is to be dropped when the lock has been let go.
    #[inline(always)]
    pub(crate) fn drop_first(&mut self) -> Option<Block> {
        let size = self.first()?.len();
        self.account.give_back(size);
        let parcel = self.published.drop_first_payload()?;
        if self.spare.is_none() && parcel.is_open() {
            self.spare = Some(parcel);
            None
        } else {
            Some(parcel)
        }
    }

    /// Takes the first message out, if it has an allocation of its own. Its room stays taken.
    /// Constant cost.
    pub(crate) fn take(&mut self) -> Option<Message> {
        if self.published.begins_open() {
            return None;
        }
        let mut message = self.published.pop_front()?;
        let header = message.header_mut();
        if header.stamp == 0 {
            header.stamp = self.next_stamp;
            // At one message a nanosecond this wraps after 584 years.
            self.next_stamp = self.next_stamp.wrapping_add(1);
        }
        Some(message)
    }

    /// Puts a message that was taken out back to where it was: before all that were never taken
    /// out, and among those that were, and were put back too, in the order of the queue.
    ///
    /// Cost: at most the number of messages that are being taken out at the same time.
    pub(crate) fn put_back(&mut self, mut message: Message) {
        let stamp = message.header_mut().stamp;
        self.published
            .insert_behind(message, |other| other.stamp != 0 && other.stamp < stamp);
    }

    /// Whether there is no message.
    pub(crate) fn is_empty(&self) -> bool {
        self.published.is_empty()
    }

    /// Whether somebody should see to it that the queue is [swept](Self::sweep), from time to time
    /// until there is nothing left to sweep. Says so once.
    #[inline(always)]
    pub(crate) fn wants_sweeping(&mut self) -> bool {
        let wants = !self.sweeping && (self.spare.is_some() || !self.kept.is_empty());
        if wants {
            self.sweeping = true;
        }
        wants
    }

    /// Takes out the memory that is kept and that was not needed since this was last called: all of
    /// it, or if some was needed, no more than [`SWEPT`] messages. What this returns is to be
    /// dropped when the lock has been let go.
    pub(crate) fn sweep(&mut self) -> Chain<Header> {
        let mut swept = Chain::new();
        self.sweeping = false;
        if self.kept_idle == self.kept_size {
            swept.append(&mut self.kept);
            self.kept_size = 0;
        } else {
            let needed = self.kept_size.saturating_sub(self.kept_idle);
            for _ in 0..SWEPT {
                if self.kept_size <= needed {
                    break;
                }
                let Some(old) = self.kept.pop_front() else {
                    break;
                };
                self.kept_size = self.kept_size.saturating_sub(old.size());
                swept.push_back(old);
            }
        }
        self.kept_idle = self.kept_size;
        if !mem::take(&mut self.needed) {
            if let Some(spare) = self.spare.take() {
                swept.push_back(spare);
            }
        }
        swept
    }
}
