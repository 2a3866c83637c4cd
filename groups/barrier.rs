// SPDX-License-Identifier: GPL-2.0

//! A group's barrier: threads that sleep until somebody awakes them all.
//!
//! [`alarm`](crate::alarm) says who sleeps and who passes; here are the threads.

use crate::{
    abi::wait::{
        new_wait_queue,
        News,
        Turn,
        WaitQueue,
        Waited,
        Whom, //
    },
    alarm::{
        Alarm,
        Awoken, //
    },
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

/// A barrier.
#[pin_data]
pub(crate) struct Barrier {
    #[pin]
    alarm: SpinLock<Alarm>,
    #[pin]
    sleepers: WaitQueue,
}

impl Barrier {
    /// Makes a barrier at which nobody sleeps.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            alarm <- new_spinlock!(Alarm::new(), "Barrier::alarm"),
            sleepers <- new_wait_queue!("Barrier::sleepers"),
        })
    }

    /// Sleeps until the barrier is awoken; if it is just being awoken, returns at once.
    ///
    /// Process context; sleeps. [`ERESTARTSYS`]: a signal came first; the caller has left the
    /// barrier.
    pub(crate) fn sleep(&self) -> Result {
        self.alarm.lock().come();
        let waited = self.sleepers.wait(Turn::Shared, None, |_| {
            self.alarm.lock().pass().then_some(())
        });
        match waited {
            Waited::Ready(()) => Ok(()),
            Waited::TimedOut | Waited::Interrupted => {
                self.alarm.lock().leave();
                Err(ERESTARTSYS)
            }
        }
    }

    /// Wakes all sleepers. Cost: linear in their number. Process context.
    pub(crate) fn awake(&self) -> Awoken {
        let awoken = self.alarm.lock().awake();
        if awoken == Awoken::Now {
            self.sleepers.wake(News::tell(), Whom::Next);
        }
        awoken
    }
}
