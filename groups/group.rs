// SPDX-License-Identifier: GPL-2.0

//! One group: what can be done with it, whoever asks.
//!
//! # Locks
//!
//! The module's lock order, from the outermost inwards:
//!
//! 1. `Registry::inner`, a mutex: the groups that there are. Held while a device is made; so the
//!    driver core's locks are inside of it. Not held while user memory is waited for.
//! 2. `Group::queue`, a spinlock: the published messages. Taken in process context alone.
//! 3. `Delayed::state`, a spinlock: the delayed messages. Taken with interrupts disabled, for the
//!    timer takes it too; the timer takes no other lock of ours.
//! 4. The locks of the wait queues, which are taken to wait and to wake. Spinlocks of ours are
//!    taken one at a time by a thread that is about to wait, and none is held by one that wakes.
//!
//! `Barrier::alarm`, a spinlock, goes with no other lock of ours. Nothing sleeps, allocates, frees
//! a message, or touches user memory under a spinlock.

use crate::{
    abi::{
        clock::{
            Instant,
            Timed, //
        },
        once::ReadOnce,
        wait::{
            Events,
            News,
            Turn,
            WaitQueue,
            Waited, //
        },
    },
    barrier::Barrier,
    delay::Delayed,
    id::GroupId,
    limits::{
        Account,
        Limits,
        Refusal,
        Word, //
    },
    message::{
        self,
        Message, //
    },
    queue::Queue,
    waiting::Waiting, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
};

/// How long a receiver waits for a message when there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all: there being no message is an answer, 0 bytes.
    None,
    /// Not at all: there being no message is a failure, [`EAGAIN`].
    Never,
    /// Some milliseconds.
    Ms(u32),
    /// Without end.
    Endless,
}

/// A group of threads that exchange messages and synchronize.
#[pin_data]
pub(crate) struct Group {
    id: GroupId,
    /// The delay of messages that are sent from now on, in milliseconds.
    delay_ms: Atomic<u32>,
    /// The limits, and the room that all messages take up, published, delayed, and on their way.
    account: Account<Atomic<usize>>,
    #[pin]
    queue: SpinLock<Queue>,
    #[pin]
    delayed: Timed<Delayed>,
    waiting: Arc<Waiting>,
    #[pin]
    barrier: Barrier,
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

impl Word for Atomic<usize> {
    fn new(value: usize) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self) -> usize {
        self.read_once()
    }

    fn store(&self, value: usize) {
        self.store(value, Relaxed);
    }

    #[inline(always)]
    fn replace(&self, old: usize, new: usize) -> Result<(), usize> {
        self.cmpxchg(old, new, Relaxed).map(|_| ())
    }

    #[inline(always)]
    fn subtract(&self, count: usize) {
        self.fetch_sub(count, Relaxed);
    }
}

impl Group {
    /// Makes a group. Process context; sleeps. [`ENOMEM`].
    ///
    /// Its memory is charged to the memory cgroup of the caller, who asked for the group.
    pub(crate) fn new(id: GroupId, limits: Limits) -> Result<Arc<Self>> {
        let waiting = Arc::pin_init(Waiting::new(), GFP_KERNEL_ACCOUNT)?;
        Arc::pin_init(
            pin_init!(Self {
                id,
                delay_ms: Atomic::new(0),
                account: Account::new(limits),
                queue <- new_spinlock!(Queue::new(), "Group::queue"),
                delayed <- Delayed::new(waiting.clone()),
                waiting,
                barrier <- Barrier::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The group's id.
    pub(crate) fn id(&self) -> &GroupId {
        &self.id
    }

    /// The group's barrier.
    pub(crate) fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    /// Sends one message: all that `from` has; at once, or after the group's delay. Returns its
    /// size, in bytes.
    ///
    /// Cost: one allocation, one copy, one atomic operation, and [`Group::queue`] once, for a
    /// constant number of steps, whatever is queued; with a delay, [`Delayed::keep`] instead. A
    /// wake-up if somebody waits. Process context; sleeps for memory and for user memory, with no lock held,
    /// and the room for the message reserved.
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
    /// Cost: one copy, one freed allocation, one atomic operation, and [`Group::queue`] once, for a
    /// constant number of steps, whatever is queued. Process context; sleeps for user memory and for a
    /// message, with no lock held. [`EFAULT`]: the message is first in the queue again;
    /// [`EAGAIN`]: there is no message; [`ERESTARTSYS`]: a signal came before one.
    pub(crate) fn deliver(&self, to: &mut IovIterDest<'_>, patience: Patience) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let message = match self.take() {
            Some(message) => message,
            None => match self.wait_for_message(patience)? {
                Some(message) => message,
                None => return Ok(0),
            },
        };
        match message::copy_out(&message, to) {
            Ok(size) => {
                self.account.give_back(message.payload().len());
                self.waiting.announce_room();
                Ok(size)
            }
            Err(err) => {
                self.queue.lock().put_back(message);
                self.waiting.announce_messages(1);
                Err(err)
            }
        }
    }

    /// Takes the first message out of the queue.
    fn take(&self) -> Option<Message> {
        let mut queue = self.queue.lock();
        self.delayed.collect(&mut queue);
        queue.take()
    }

    /// Waits for a message, as long as `patience` says. `None`: there is none.
    ///
    /// A message is for one receiver, and one receiver is woken for it. One that leaves without a
    /// message, though it may have been woken for one, wakes another one if there is a message: so
    /// none is ever left lying while somebody waits. [`EAGAIN`]: there is none, and the caller does
    /// not want to wait; [`ERESTARTSYS`]: a signal came; no message is taken for somebody who may
    /// be about to die.
    fn wait_for_message(&self, patience: Patience) -> Result<Option<Message>> {
        let deadline = match patience {
            Patience::None => return Ok(None),
            Patience::Never => return Err(EAGAIN),
            Patience::Ms(ms) => Some(Instant::now().after_ms(ms)),
            Patience::Endless => None,
        };
        let receivers = &self.waiting.receivers;
        let waited = receivers.wait(Turn::Exclusive, deadline, |signal| {
            if signal {
                None
            } else {
                self.take()
            }
        });
        let result = match waited {
            Waited::Ready(message) => return Ok(Some(message)),
            Waited::TimedOut => Ok(None),
            Waited::Interrupted => Err(ERESTARTSYS),
        };
        if self.has_message() {
            receivers.wake(News::tell(), 1);
        }
        result
    }

    /// Whether there is a message to take.
    fn has_message(&self) -> bool {
        self.delayed.any_due() || !self.queue.lock().is_empty()
    }

    /// The size of the message that [`Group::deliver`] would take, in bytes; 0: there is none.
    pub(crate) fn first_size(&self) -> usize {
        let mut queue = self.queue.lock();
        self.delayed.collect(&mut queue);
        queue.first_size().unwrap_or(0)
    }

    /// Sets the delay of messages that are sent from now on, in milliseconds; 0: none.
    pub(crate) fn set_delay(&self, ms: u32) {
        self.delay_ms.store(ms, Relaxed);
    }

    /// Discards every message whose delay has not run out.
    ///
    /// Cost: linear in their number, all but a constant part of it without a lock. Process
    /// context.
    pub(crate) fn revoke(&self) {
        let mut revoked = self.delayed.revoke();
        let mut room: usize = 0;
        while let Some(message) = revoked.pop_front() {
            // What was reserved fits into a `usize` in sum.
            room = room.saturating_add(message.payload().len());
        }
        if room > 0 {
            self.account.give_back(room);
            self.waiting.announce_room();
        }
    }

    /// Makes every delayed message available now, in the order in which they are due.
    ///
    /// Constant cost, and a wake-up for each message that somebody waits for; a load if there are
    /// none. Process context.
    pub(crate) fn flush(&self) {
        if !self.delayed.any() {
            return;
        }
        let count = self.delayed.flush(&mut self.queue.lock());
        self.waiting.announce_messages(count);
    }

    /// On what pollers wait.
    pub(crate) fn pollers(&self) -> &WaitQueue {
        &self.waiting.pollers
    }

    /// What pollers wait for, and is there now: a message; no message, or room for one of
    /// `max_message_size`.
    pub(crate) fn events(&self) -> Events {
        let mut queue = self.queue.lock();
        self.delayed.collect(&mut queue);
        let is_empty = queue.is_empty();
        Events::NONE
            .and_if(!is_empty, Events::READABLE)
            .and_if(is_empty || self.account.accepts_largest(), Events::WRITABLE)
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> Limits {
        self.account.limits()
    }

    /// Sets the largest message that may be sent from now on, in bytes.
    pub(crate) fn set_max_message_size(&self, size: usize) {
        self.account.set_max_message_size(size);
        self.waiting.announce_room();
    }

    /// Sets how much all messages together may hold, in bytes, for messages that are sent from now
    /// on. What is stored stays.
    pub(crate) fn set_max_storage_size(&self, size: usize) {
        self.account.set_max_storage_size(size);
        self.waiting.announce_room();
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
        group.account.reserve(size)?;
        Ok(Self { group, size })
    }

    /// Publishes the message that the room was reserved for, or keeps it back for the group's
    /// delay. Returns its size, in bytes.
    fn fill(self, message: Message) -> usize {
        let Self { group, size } = self;
        // The room is the message's now.
        core::mem::forget(self);
        match group.delay_ms.read_once() {
            0 => {
                let mut queue = group.queue.lock();
                // What was due before goes before.
                group.delayed.collect(&mut queue);
                queue.publish(message);
                drop(queue);
                group.waiting.announce_messages(1);
            }
            ms => group.delayed.keep(message, ms),
        }
        size
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.group.account.give_back(self.size);
    }
}
