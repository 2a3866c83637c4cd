// SPDX-License-Identifier: GPL-2.0

//! One group: what can be done with it, whoever asks.
//!
//! # Locks
//!
//! The module's lock order, from the outermost inwards:
//!
//! 1. `Registry::inner`, a mutex: the groups that there are. Held while a device is made; so the
//!    driver core's locks are inside of it. Not held while user memory is waited for.
//! 2. `Group::queue`, a spinlock: the published messages, and the room that all messages take up.
//!    Taken in process context alone.
//! 3. `Delayed::state`, a spinlock: the delayed messages. Taken with interrupts disabled, for the
//!    timer takes it too; the timer takes no other lock of ours.
//! 4. The locks of the wait queues, which are taken to wait and to wake. Spinlocks of ours are
//!    taken one at a time by a thread that is about to wait, and none is held by one that wakes.
//!
//! `Barrier::alarm`, a spinlock, goes with no other lock of ours. Nothing sleeps, allocates, or
//! frees under a spinlock. User memory is touched under one of them, `Group::queue`: a small
//! message is copied to or from it there, with page faults refused. That leaves one lock and no
//! allocation for a call, where copying outside of it would take a second lock, or an allocation.

use crate::{
    abi::{
        buffer::{
            Faults,
            Sink,
            Source,
            ATTEMPTS, //
        },
        clock::{
            Instant,
            Timed, //
        },
        later::Later,
        once::ReadOnce,
        wait::{
            Events,
            News,
            Turn,
            WaitQueue,
            Waited,
            Whom, //
        },
    },
    barrier::Barrier,
    delay::Delayed,
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
    published::Published,
    queue::{
        Queue,
        Stored,
        SMALL, //
    },
    waiting::Waiting, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        lock::{
            spinlock::SpinLockBackend,
            Guard, //
        },
        Arc, //
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
    #[pin]
    published: Later<Published>,
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

/// What came of trying to deliver a message.
enum Attempt {
    /// So many bytes were delivered.
    Delivered(usize),
    /// This message is to be delivered.
    Taken(Message),
    /// The caller's memory is not there, of which so many bytes are needed.
    Faulted(usize),
    /// There is no message.
    Empty,
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
                published <- Published::new(limits),
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

    /// The published messages.
    #[inline(always)]
    fn queue(&self) -> Guard<'_, Queue, SpinLockBackend> {
        self.published.lock()
    }

    /// The published messages, with those that have become due.
    #[inline(always)]
    fn collected(&self) -> Guard<'_, Queue, SpinLockBackend> {
        let mut queue = self.queue();
        self.delayed.collect(&mut queue);
        queue
    }

    /// Sends one message: all that `from` has; at once, or after the group's delay. Returns its
    /// size, in bytes.
    ///
    /// Cost of a small one (see [`queue::SMALL`]) that is sent at once: [`Group::queue`] once, for a
    /// constant number of steps and one copy, whatever is queued; now and then an allocation, for
    /// many messages. Of any other: one copy, the lock twice, and an allocation unless the memory of
    /// one that was delivered is there; with a delay,
    /// [`Delayed::keep`] in place of the second time. A wake-up if somebody waits. Process context;
    /// sleeps for memory and for user memory, with no lock held, and the room for the message
    /// reserved.
    ///
    /// Errors, in the order in which they are looked for: [`EBADMSG`]: it has no bytes;
    /// [`EMSGSIZE`]: it has more than `max_message_size`; [`ENOSPC`]: it does not fit into
    /// `max_storage_size` now; [`ENOMEM`], [`EFAULT`], [`EBADMSG`] as in [`message::copy_in`].
    #[inline(always)]
    pub(crate) fn publish<S: Source>(&self, from: &mut S) -> Result<usize> {
        let size = from.len();
        if size <= SMALL && self.delay_ms.read_once() == 0 && self.publish_small(from)? {
            return Ok(size);
        }
        self.publish_large(from)
    }

    /// Publishes a small message, without an allocation of its own, and says whether it could.
    #[inline(always)]
    fn publish_small<S: Source>(&self, from: &mut S) -> Result<bool> {
        let mut block = None;
        loop {
            let mut queue = self.collected();
            match queue.publish_small(from, &mut block) {
                Ok(Stored::Published) => {
                    let news = News::under(&queue);
                    drop(queue);
                    self.waiting.announce_messages(news, Whom::Next);
                    return Ok(true);
                }
                Ok(Stored::NoBlock) => {
                    drop(queue);
                    block = Some(message::block()?);
                }
                // What can be read only later is waited for with no lock held.
                Ok(Stored::NoPlace) | Err(EFAULT) => return Ok(false),
                Err(err) => return Err(err),
            }
        }
    }

    /// Publishes a message in an allocation of its own, or keeps it back for the group's delay.
    #[inline(never)]
    fn publish_large<S: Source>(&self, from: &mut S) -> Result<usize> {
        let (room, old) = Room::reserve(self, from.len())?;
        let message = message::copy_in(from, old)?;
        Ok(room.fill(message))
    }

    /// Takes the first message out of the queue and copies to `to` what it has room for; the rest
    /// of it is gone. Returns how many bytes that were; 0: there is no message.
    ///
    /// Cost of a small one (see [`queue::SMALL`]): [`Group::queue`] once, for a constant number of
    /// steps and one copy, whatever is queued; for one of many messages, an allocation is freed. Of
    /// a large one: one copy, the lock twice, and often a freed allocation. Process context; sleeps
    /// for user memory and for a message, with no lock held. [`EFAULT`]: the message is first in
    /// the queue again; [`EAGAIN`]: there is no message; [`ERESTARTSYS`]: a signal came before one.
    #[inline(always)]
    pub(crate) fn deliver<S: Sink>(&self, to: &mut S, patience: Patience) -> Result<usize> {
        if to.len() == 0 {
            return Ok(0);
        }
        match self.try_deliver(to) {
            Attempt::Delivered(size) => Ok(size),
            attempt => self.deliver_slowly(attempt, to, patience),
        }
    }

    /// Delivers the first message, if it is small and user memory is there; takes it, if it is large.
    ///
    /// Does not sleep, so that somebody who is about to wait can ask for it: what it frees is a page
    /// at most. To free what a large message may have would sleep.
    #[inline(always)]
    fn try_deliver<S: Sink>(&self, to: &mut S) -> Attempt {
        let mut queue = self.collected();
        let Some(payload) = queue.first() else {
            return Attempt::Empty;
        };
        if payload.len() > SMALL {
            // What is large is never in a block, so it can be taken.
            return queue.take().map_or(Attempt::Empty, Attempt::Taken);
        }
        let part = payload.get(..to.len()).unwrap_or(payload);
        let size = part.len();
        if to.copy_from(part, Faults::Refused).is_err() {
            return Attempt::Faulted(size);
        }
        let emptied = queue.drop_first();
        self.settle(queue, emptied);
        Attempt::Delivered(size)
    }

    /// Lets go of the lock behind a message that was delivered, and of memory that is not kept, and
    /// says that there is room.
    #[inline(always)]
    fn settle(&self, mut queue: Guard<'_, Queue, SpinLockBackend>, surplus: Option<Message>) {
        let unswept = queue.wants_sweeping();
        let news = News::under(&queue);
        drop(queue);
        drop(surplus);
        if unswept {
            self.published.sweep_later();
        }
        self.waiting.announce_room(news);
    }

    /// Goes on with an attempt to deliver a message that needs more than [`Group::queue`].
    #[inline(never)]
    fn deliver_slowly<S: Sink>(
        &self,
        mut attempt: Attempt,
        to: &mut S,
        patience: Patience,
    ) -> Result<usize> {
        let mut deadline = None;
        let mut attempts = 0..ATTEMPTS;
        loop {
            attempt = match attempt {
                Attempt::Delivered(size) => return Ok(size),
                Attempt::Taken(message) => return self.deliver_large(message, to),
                Attempt::Empty => match self.wait_to_deliver(to, patience, &mut deadline)? {
                    Attempt::Empty => return Ok(0),
                    attempt => attempt,
                },
                Attempt::Faulted(size) => {
                    // The message is for others meanwhile, of whom one may not have been woken for
                    // it because this one was.
                    self.waiting.announce_messages(News::tell(), Whom::Next);
                    attempts.next().ok_or(EFAULT)?;
                    to.fault_in(size)?;
                    self.try_deliver(to)
                }
            };
        }
    }

    /// Delivers a message that was taken out of the queue.
    fn deliver_large<S: Sink>(&self, message: Message, to: &mut S) -> Result<usize> {
        match message::copy_out(&message, to) {
            Ok(size) => {
                let mut queue = self.queue();
                let surplus = queue.delivered(message);
                self.settle(queue, surplus);
                Ok(size)
            }
            Err(err) => {
                self.queue().put_back(message);
                self.waiting.announce_messages(News::tell(), Whom::Next);
                Err(err)
            }
        }
    }

    /// Waits for a message, as long as `patience` says, and tries to deliver it. `deadline` is when
    /// that ends, set when the wait begins for the first time.
    ///
    /// A message is for one receiver, and one receiver is woken for it. One that leaves without a
    /// message, though it may have been woken for one, wakes another one if there is a message: so
    /// none is ever left lying while somebody waits. [`EAGAIN`]: there is none, and the caller does
    /// not want to wait; [`ERESTARTSYS`]: a signal came; no message is taken for somebody who may
    /// be about to die.
    fn wait_to_deliver<S: Sink>(
        &self,
        to: &mut S,
        patience: Patience,
        deadline: &mut Option<Instant>,
    ) -> Result<Attempt> {
        let deadline = match patience {
            Patience::None => return Ok(Attempt::Empty),
            Patience::Never => return Err(EAGAIN),
            Patience::Ms(ms) => Some(*deadline.get_or_insert_with(|| Instant::now().after_ms(ms))),
            Patience::Endless => None,
        };
        let receivers = &self.waiting.receivers;
        let waited = receivers.wait(Turn::Exclusive, deadline, |signal| {
            if signal {
                return None;
            }
            match self.try_deliver(to) {
                Attempt::Empty => None,
                attempt => Some(attempt),
            }
        });
        let result = match waited {
            Waited::Ready(attempt) => return Ok(attempt),
            Waited::TimedOut => Ok(Attempt::Empty),
            Waited::Interrupted => Err(ERESTARTSYS),
        };
        if self.has_message() {
            receivers.wake(News::tell(), Whom::Next);
        }
        result
    }

    /// Whether there is a message to take.
    fn has_message(&self) -> bool {
        self.delayed.any_due() || !self.queue().is_empty()
    }

    /// The size of the message that [`Group::deliver`] would take, in bytes; 0: there is none.
    pub(crate) fn first_size(&self) -> usize {
        self.collected().first().map_or(0, <[u8]>::len)
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
            self.change_account(|account| account.give_back(room));
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
        let count = self.delayed.flush(&mut self.queue());
        self.waiting
            .announce_messages(News::tell(), Whom::UpTo(count));
    }

    /// On what pollers wait.
    pub(crate) fn pollers(&self) -> &WaitQueue {
        &self.waiting.pollers
    }

    /// What pollers wait for, and is there now: a message; no message, or room for one of
    /// `max_message_size`.
    pub(crate) fn events(&self) -> Events {
        let queue = self.collected();
        let is_empty = queue.is_empty();
        Events::NONE.and_if(!is_empty, Events::READABLE).and_if(
            is_empty || queue.account.accepts_largest(),
            Events::WRITABLE,
        )
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> Limits {
        self.queue().account.limits()
    }

    /// Sets the largest message that may be sent from now on, in bytes.
    pub(crate) fn set_max_message_size(&self, size: usize) {
        self.change_account(|account| account.set_max_message_size(size));
    }

    /// Sets how much all messages together may hold, in bytes, for messages that are sent from now
    /// on. What is stored stays.
    pub(crate) fn set_max_storage_size(&self, size: usize) {
        self.change_account(|account| account.set_max_storage_size(size));
    }

    /// Makes a change that may mean that there is room for another message.
    fn change_account(&self, change: impl FnOnce(&mut Account)) {
        let mut queue = self.queue();
        change(&mut queue.account);
        let news = News::under(&queue);
        drop(queue);
        self.waiting.announce_room(news);
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
    /// Reserves room for a message of `size` bytes, and returns memory that may do for it, if there
    /// is some.
    fn reserve(group: &'a Group, size: usize) -> Result<(Self, Option<Message>)> {
        if size > message::MAX_SIZE {
            return Err(EMSGSIZE);
        }
        let old = group.queue().reserve(size)?;
        Ok((Self { group, size }, old))
    }

    /// Publishes the message that the room was reserved for, or keeps it back for the group's
    /// delay. Returns its size, in bytes.
    fn fill(self, message: Message) -> usize {
        let Self { group, size } = self;
        // The room is the message's now.
        core::mem::forget(self);
        match group.delay_ms.read_once() {
            0 => {
                // What was due before goes before.
                let mut queue = group.collected();
                queue.publish(message);
                let news = News::under(&queue);
                drop(queue);
                group.waiting.announce_messages(news, Whom::Next);
            }
            ms => group.delayed.keep(message, ms),
        }
        size
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.group
            .change_account(|account| account.give_back(self.size));
    }
}
