// SPDX-License-Identifier: GPL-2.0

//! A group's published messages, the lock for them, and who sweeps up behind them.
//!
//! The lock's place in the order of locks is in [`group`](crate::group).

use crate::{
    abi::later::{
        new_later,
        Later,
        Work, //
    },
    limits::{
        Account,
        Limits, //
    },
    queue::Queue, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        lock::{
            spinlock::SpinLockBackend,
            Guard, //
        },
        SpinLock, //
    },
};

/// How long memory is kept that nobody needs, at least, in milliseconds; at most twice as
/// long.
const SWEEP_MS: u32 = 1000;

/// Published messages, and the lock for them.
#[pin_data]
pub(crate) struct Published {
    #[pin]
    queue: SpinLock<Queue>,
}

impl Published {
    /// Without messages. `limits` is how much there may be.
    pub(crate) fn new(limits: Limits) -> impl PinInit<Later<Self>> {
        new_later!(
            pin_init!(Self {
                queue <- new_spinlock!(Queue::new(Account::new(limits)), "Group::queue"),
            }),
            "Group::published"
        )
    }

    /// Locks them, for a short while: nothing may sleep, allocate, or free meanwhile.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Guard<'_, Queue, SpinLockBackend> {
        self.queue.lock()
    }
}

impl Later<Published> {
    /// Has the queue swept, which [wants](Queue::wants_sweeping) it.
    pub(crate) fn sweep_later(&self) {
        self.in_ms(SWEEP_MS);
    }
}

impl Work for Published {
    /// Frees memory that is kept for messages, and that nobody needed for a while.
    fn work(this: &Later<Self>) {
        let mut queue = this.lock();
        let swept = queue.sweep();
        let again = queue.wants_sweeping();
        drop(queue);
        drop(swept);
        if again {
            this.sweep_later();
        }
    }
}
