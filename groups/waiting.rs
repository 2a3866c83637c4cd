// SPDX-License-Identifier: GPL-2.0

//! Who waits for a group's messages, or for room: receivers and pollers.
//!
//! Two queues, for a wake-up that is meant for a receiver must not be spent on a poller, who may
//! not read.

use crate::abi::wait::{
    new_wait_queue,
    Events,
    News,
    WaitQueue,
    Whom, //
};
use kernel::prelude::*;

/// The receivers and pollers of a group.
#[pin_data]
pub(crate) struct Waiting {
    /// Threads in a read that wait for a message. Each waits for its turn.
    #[pin]
    pub(crate) receivers: WaitQueue,
    /// Pollers, who wait for any change.
    #[pin]
    pub(crate) pollers: WaitQueue,
}

impl Waiting {
    /// Makes queues on which nobody waits.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            receivers <- new_wait_queue!("Waiting::receivers"),
            pollers <- new_wait_queue!("Waiting::pollers"),
        })
    }

    /// Says that messages have become available: wakes as many receivers, and the pollers.
    ///
    /// To be called after they are where receivers look, without a spinlock held. Cost: two loads
    /// if nobody waits. Any context but NMI.
    #[inline(always)]
    pub(crate) fn announce_messages(&self, news: News, whom: Whom) {
        self.receivers.wake(news, whom);
        self.pollers.wake_pollers(news, Events::READABLE, whom);
    }

    /// Says that there is more room than there was, or may be.
    ///
    /// Cost: a load if nobody waits. Any context but NMI.
    #[inline(always)]
    pub(crate) fn announce_room(&self, news: News) {
        self.pollers
            .wake_pollers(news, Events::WRITABLE, Whom::Next);
    }
}
