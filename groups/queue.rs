// SPDX-License-Identifier: GPL-2.0

//! Published messages in order.
//!
//! How messages are stored is this file's private matter. Nothing here locks: a [`Queue`] belongs
//! inside its group's lock, so nothing here may sleep, allocate, or touch user memory.

use crate::{
    abi::parcel::Chain,
    message::{
        Header,
        Message, //
    },
};

/// A group's published messages, first in, first out.
pub(crate) struct Queue {
    published: Chain<Header>,
    /// The stamp of the next message that is taken out for the first time.
    next_stamp: u64,
}

impl Queue {
    /// A queue without messages.
    pub(crate) const fn new() -> Self {
        Self {
            published: Chain::new(),
            next_stamp: 1,
        }
    }

    /// Appends a message. Constant cost.
    pub(crate) fn publish(&mut self, message: Message) {
        self.published.push_back(message);
    }

    /// Appends all of `messages`, in order. Constant cost.
    pub(crate) fn append(&mut self, messages: &mut Chain<Header>) {
        self.published.append(messages);
    }

    /// Takes the first message out. Constant cost.
    pub(crate) fn take(&mut self) -> Option<Message> {
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

    /// The size of the first message, in bytes.
    pub(crate) fn first_size(&self) -> Option<usize> {
        self.published.first_payload().map(<[u8]>::len)
    }
}
