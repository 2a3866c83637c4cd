// SPDX-License-Identifier: GPL-2.0

//! Delayed messages: kept back until they are due, published by a timer, revoked, flushed.
//!
//! A delayed message is in the schedule until its delay has run out. Then the group's timer moves
//! it to the messages that are due, which is what makes it available: receivers, senders and
//! pollers take what is due for the end of the queue, and [collect](Delayed::collect) it there
//! when they have the queue's lock anyway.
//!
//! # Context
//!
//! The timer calls in softirq context, and takes [`Delayed::state`] alone, which everybody else
//! takes with interrupts disabled; so it can neither interrupt its holder on the same CPU nor wait
//! for anything but another CPU's short hold. In particular it takes no lock that is held while
//! somebody sleeps, and not the queue's. It wakes receivers after it has let go.
//!
//! # How long interrupts are off
//!
//! Only while [`Delayed::state`] is held, and then for a constant number of steps, or logarithmic
//! in the number of delayed messages (one insertion), whatever is queued: messages that are due
//! are moved [`BATCH`] at a time, with interrupts on in between; revoking and flushing take the
//! whole schedule in one step, and free or count what they took with no lock held.

use crate::{
    abi::{
        clock::{
            Expire,
            Instant,
            Timed, //
        },
        once::ReadOnce,
        parcel::Chain,
        schedule::Schedule,
        wait::{
            News,
            Whom, //
        },
    },
    message::{
        Header,
        Message, //
    },
    queue::Queue,
    waiting::Waiting, //
};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLockIrq, //
    },
};

/// How many due messages are moved before interrupts are let in.
const BATCH: usize = 32;

/// What the lock protects.
struct State {
    /// Messages whose delay has not run out, or has only just.
    schedule: Schedule<Header>,
    /// Messages whose delay has run out, in order, on their way to the queue.
    due: Chain<Header>,
}

/// A group's delayed messages.
#[pin_data]
pub(crate) struct Delayed {
    #[pin]
    state: SpinLockIrq<State>,
    /// Whether anything is in `state.due`. Changed under the lock; read without it, so that who
    /// has nothing to collect need not lock. A hint: what it hints at is read under the lock.
    any_due: Atomic<bool>,
    /// Whether anything is in `state`. As above.
    any: Atomic<bool>,
    waiting: Arc<Waiting>,
}

impl Delayed {
    /// Makes room for delayed messages. `waiting` is who waits for them.
    pub(crate) fn new(waiting: Arc<Waiting>) -> impl PinInit<Timed<Self>> {
        Timed::new(pin_init!(Self {
            state <- new_spinlock_irq!(
                State {
                    schedule: Schedule::new(),
                    due: Chain::new(),
                },
                "Delayed::state"
            ),
            any_due: Atomic::new(false),
            any: Atomic::new(false),
            waiting,
        }))
    }

    /// Whether there are messages to [collect](Self::collect). No lock.
    pub(crate) fn any_due(&self) -> bool {
        self.any_due.read_once()
    }

    /// Moves the messages that are due to the end of `queue`.
    ///
    /// Constant cost; no lock if there are none. The caller has `queue` locked, and its lock goes
    /// outside of ours.
    pub(crate) fn collect(&self, queue: &mut Queue) {
        if self.any_due() {
            let mut state = self.state.lock();
            queue.append(&mut state.due);
            self.note(&state);
        }
    }

    /// Moves messages whose delay has run out at `now` to those that are due, up to [`BATCH`] of
    /// them, and says how many.
    fn expire_batch(&self, state: &mut State, now: Instant) -> usize {
        let mut count = 0;
        while count < BATCH && state.schedule.first_due().is_some_and(|due| due <= now) {
            let Some(message) = state.schedule.pop_front() else {
                break;
            };
            state.due.push_back(message);
            count += 1;
        }
        self.note(state);
        count
    }

    /// Brings what is read without the lock up to date, before the lock is let go.
    fn note(&self, state: &State) {
        let any_due = !state.due.is_empty();
        let any = any_due || state.schedule.first_due().is_some();
        self.any_due.store(any_due, Relaxed);
        self.any.store(any, Relaxed);
    }
}

impl Timed<Delayed> {
    /// Keeps a message back for `ms` milliseconds from now.
    ///
    /// Cost: reading the clock, and constant cost if it is the last to be due, else logarithmic
    /// in the number of delayed messages; setting the timer if it is the first. Any context.
    pub(crate) fn keep(&self, mut message: Message, ms: u32) {
        let mut state = self.state.lock();
        // Under the lock, so that of messages with the same delay the later one is never due
        // before the earlier one.
        let due = Instant::now().after_ms(ms);
        message.header_mut().due = due;
        let is_first = state.schedule.first_due().is_none_or(|first| due < first);
        state.schedule.insert(message);
        self.note(&state);
        if is_first {
            self.set(due);
        }
    }

    /// Takes every message whose delay has not run out. Those whose delay has are published.
    ///
    /// Cost: linear in the number of those whose delay has run out and that the timer has not
    /// come to yet. Process context.
    pub(crate) fn revoke(&self) -> Chain<Header> {
        if !self.any() {
            return Chain::new();
        }
        let now = Instant::now();
        loop {
            let mut state = self.state.lock();
            let expired = self.expire_batch(&mut state, now);
            let revoked = (expired < BATCH).then(|| state.schedule.take_all());
            self.note(&state);
            drop(state);
            self.waiting
                .announce_messages(News::tell(), Whom::UpTo(expired));
            if let Some((revoked, _)) = revoked {
                return revoked;
            }
        }
    }

    /// Moves all messages to the end of `queue`, in the order in which they are due, and says how
    /// many of them were not due yet.
    ///
    /// Constant cost; no lock if there are none. The caller has `queue` locked, and its lock goes
    /// outside of ours.
    pub(crate) fn flush(&self, queue: &mut Queue) -> usize {
        let mut state = self.state.lock();
        let (mut messages, count) = state.schedule.take_all();
        queue.append(&mut state.due);
        queue.append(&mut messages);
        self.note(&state);
        count
    }

    /// Whether there are any messages. No lock.
    pub(crate) fn any(&self) -> bool {
        self.any.read_once()
    }
}

impl Expire for Delayed {
    /// Publishes what is due, and sets the timer for what is next.
    ///
    /// Softirq context; takes [`Delayed::state`]; see the top of this file.
    fn expire(this: &Timed<Self>) {
        loop {
            let mut state = this.state.lock();
            let count = this.expire_batch(&mut state, Instant::now());
            if count < BATCH {
                if let Some(next) = state.schedule.first_due() {
                    // Under the lock, so that no message that is due earlier comes between.
                    this.set(next);
                }
            }
            drop(state);
            this.waiting
                .announce_messages(News::tell(), Whom::UpTo(count));
            if count < BATCH {
                return;
            }
        }
    }
}
