// SPDX-License-Identifier: GPL-2.0

//! One group: what can be done with it, whoever asks.
//!
//! # Locks
//!
//! The module's lock order, from the outermost inwards:
//!
//! 1. `Registry::inner`, a mutex: the groups that there are. Held while a device is made; so the
//!    driver core's locks are inside of it. Not held while user memory is waited for.
//! 2. `Group::queue`, a spinlock: the published messages and the account. Taken in process
//!    context alone.
//!
//! Nothing sleeps, allocates, frees a message, or touches user memory under a spinlock.

use crate::{
    id::GroupId,
    limits::{
        Account,
        Limits,
        Refusal, //
    },
    message::{
        self,
        Message, //
    },
    queue::Queue,
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// A group of threads that exchange messages.
#[pin_data]
pub(crate) struct Group {
    id: GroupId,
    #[pin]
    queue: SpinLock<Queue>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Empty => EBADMSG,
            Refusal::TooLarge => EMSGSIZE,
            Refusal::NoRoom => ENOSPC,
        }
    }
}

impl Group {
    /// Makes a group. Process context; sleeps. [`ENOMEM`].
    ///
    /// Its memory is charged to the memory cgroup of the caller, who asked for the group.
    pub(crate) fn new(id: GroupId, limits: Limits) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                id,
                queue <- new_spinlock!(Queue::new(Account::new(limits)), "Group::queue"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The group's id.
    pub(crate) fn id(&self) -> &GroupId {
        &self.id
    }

    /// Sends one message: all that `from` has. Returns its size, in bytes.
    ///
    /// Cost: one allocation, one copy, and [`Group::queue`] twice, each time for a constant number
    /// of steps, whatever is queued. Process context; sleeps for memory and for user memory, with
    /// no lock held, and the room for the message reserved.
    ///
    /// Errors, in the order in which they are looked for: [`EBADMSG`]: it has no bytes;
    /// [`EMSGSIZE`]: it has more than `max_message_size`; [`ENOSPC`]: it does not fit into
    /// `max_storage_size` now; [`ENOMEM`], [`EFAULT`], [`EBADMSG`] as in [`message::copy_in`].
    pub(crate) fn publish(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        let room = Room::reserve(self, from.len())?;
        let message = message::copy_in(from)?;
        Ok(room.fill(message))
    }

    /// Takes the first message out of the queue and copies to `to` what it has room for; the rest
    /// of it is gone. Returns how many bytes that were; 0: there is no message.
    ///
    /// Cost: one copy, one freed allocation, and [`Group::queue`] twice, each time for a constant
    /// number of steps, whatever is queued. Process context; sleeps for user memory, with no lock
    /// held. [`EFAULT`]: the message is first in the queue again.
    pub(crate) fn deliver(&self, to: &mut IovIterDest<'_>) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let Some(message) = self.queue.lock().take() else {
            return Ok(0);
        };
        match message::copy_out(&message, to) {
            Ok(size) => {
                let room = message.payload().len();
                self.queue.lock().account().give_back(room);
                Ok(size)
            }
            Err(err) => {
                self.queue.lock().put_back(message);
                Err(err)
            }
        }
    }

    /// The size of the message that [`Group::deliver`] would take, in bytes; 0: there is none.
    pub(crate) fn first_size(&self) -> usize {
        self.queue.lock().first_size().unwrap_or(0)
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> Limits {
        self.queue.lock().account().limits()
    }

    /// Changes the limits for messages that come from now on.
    ///
    /// What is stored stays; if that is more than a new limit allows, new messages are refused
    /// until there is room.
    pub(crate) fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        let mut queue = self.queue.lock();
        let account = queue.account();
        let mut limits = account.limits();
        change(&mut limits);
        account.set_limits(limits);
    }
}

/// Room in a group that has been reserved for a message which is not there yet.
///
/// Dropping it gives the room back, so that whatever fails on the way changes nothing.
struct Room<'a> {
    group: &'a Group,
    size: usize,
}

impl<'a> Room<'a> {
    /// Reserves room for a message of `size` bytes.
    fn reserve(group: &'a Group, size: usize) -> Result<Self> {
        if size > message::MAX_SIZE {
            return Err(EMSGSIZE);
        }
        group.queue.lock().account().reserve(size)?;
        Ok(Self { group, size })
    }

    /// Publishes the message that the room was reserved for. Returns its size, in bytes.
    fn fill(self, message: Message) -> usize {
        self.group.queue.lock().publish(message);
        let size = self.size;
        // The room is the message's now.
        core::mem::forget(self);
        size
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.group.queue.lock().account().give_back(self.size);
    }
}
